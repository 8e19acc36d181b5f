"""`flambeau.nested`: making nested tensors, and what has no operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau
from flambeau._base import formats
from flambeau.runtime.tensor import Tensor

from . import rules as _rules  # noqa: F401  (enters the rules)
from .tensor import JaggedTensor, NestedTensor, jagged, nested_of, padded


def nested_tensor(
    tensor_list: Sequence[Any],
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """A nested tensor of copies of tensors (or lists of numbers): a leaf of its own.

    The layout is strided unless `layout=flambeau.jagged`, for which the tensors may differ in one dimension only.

    >>> import flambeau
    >>> x = flambeau.nested.nested_tensor([flambeau.ones(2, 3), flambeau.ones(1, 3)], layout=flambeau.jagged)
    >>> x.sum(1)
    tensor([[2., 2., 2.],
            [1., 1., 1.]])
    """
    if not isinstance(tensor_list, (list, tuple)):
        raise TypeError(
            f"nested_tensor(): Expected first argument to be a list of tensors but got {type(tensor_list).__name__}"
        )
    pieces = [
        t.detach().to(device=device, dtype=dtype)
        if isinstance(t, Tensor)
        else flambeau.tensor(t, dtype=dtype, device=device)
        for t in tensor_list
    ]
    made = _joined(pieces, layout, dtype)
    return made.requires_grad_() if requires_grad else made


def as_nested_tensor(ts: Any, dtype: Any = None, device: Any = None, layout: Any = None) -> Any:
    """A nested tensor of tensors (or of the slices of a strided one), to which gradients flow.

    >>> import flambeau
    >>> a, b = flambeau.ones(2, requires_grad=True), flambeau.ones(3)
    >>> flambeau.nested.as_nested_tensor([a, b], layout=flambeau.jagged).sum().backward()
    >>> a.grad
    tensor([1., 1.])
    """
    if isinstance(ts, (JaggedTensor, NestedTensor)):
        if layout is not None and ts.layout is not layout:
            raise RuntimeError(
                f"Converting between nested tensor layouts is not supported: {ts.layout} to {layout}"
            )
        return ts.to(device=device, dtype=dtype)
    if isinstance(ts, Tensor):
        ts = ts.unbind(0)
    if not isinstance(ts, (list, tuple)) or not all(isinstance(t, Tensor) for t in ts):
        raise TypeError("as_nested_tensor(): Expected first argument to be a tensor or a list / tuple of tensors")  # fmt: skip
    return _joined([t.to(device=device, dtype=dtype) for t in ts], layout, dtype)


def _joined(pieces: list[Tensor], layout: Any, dtype: Any) -> Any:
    if len({p.ndim for p in pieces}) > 1:
        raise RuntimeError(
            f"All Tensors given to nested_tensor must have the same dimension, found {sorted({p.ndim for p in pieces})}"
        )
    if len({p.dtype for p in pieces}) > 1:
        raise RuntimeError(
            f"All Tensors given to nested_tensor must have the same dtype, found {sorted(str(p.dtype) for p in pieces)}"
        )
    if layout is None or layout is formats.strided:
        return nested_of(pieces, dtype)
    if layout is not formats.jagged:
        raise RuntimeError(
            f"Specified layout is unsupported for nested tensors: {layout}; use strided or jagged"
        )
    if not pieces:
        raise RuntimeError("Cannot construct a nested tensor from an empty tensor list")
    shapes = [tuple(p.shape) for p in pieces]
    differing = [d for d in range(pieces[0].ndim) if len({s[d] for s in shapes}) > 1]
    if len(differing) > 1 or not pieces[0].ndim:
        raise RuntimeError(
            "Cannot represent given tensor list as a nested tensor with the jagged layout. Note that the jagged layout "
            "only allows for a single ragged dimension. For example: (B, *, D_0, D_1, ..., D_N), with ragged * dim."
        )
    at = differing[0] if differing else 0
    lengths = flambeau.tensor([0, *(s[at] for s in shapes)], device=pieces[0].device)
    return jagged(flambeau.cat(pieces, at), lengths.cumsum(0), None, at + 1)


def nested_tensor_from_jagged(
    values: Tensor,
    offsets: Tensor | None = None,
    lengths: Tensor | None = None,
    jagged_dim: int | None = None,
    min_seqlen: int | None = None,
    max_seqlen: int | None = None,
) -> JaggedTensor:
    """The jagged tensor over `values`: tensor i is from offsets[i] to offsets[i + 1], or is lengths[i] long.

    `jagged_dim` is the ragged dimension, counted with the batch in front (1 unless given). The lengths are read off the
    offsets, so `min_seqlen` and `max_seqlen` are not needed and change nothing.

    >>> import flambeau
    >>> x = flambeau.nested.nested_tensor_from_jagged(flambeau.arange(5), flambeau.tensor([0, 2, 5]))
    >>> [t.tolist() for t in x.unbind()]
    [[0, 1], [2, 3, 4]]
    """
    if offsets is None:
        if lengths is None:
            raise RuntimeError(
                "nested_tensor_from_jagged(): At least one of offsets or lengths is required."
            )
        offsets, lengths = flambeau.cat([lengths.new_zeros(1), lengths.cumsum(0)]), None
    at = 1 if jagged_dim is None else jagged_dim
    if not 1 <= at <= values.ndim:
        raise RuntimeError(
            f"nested_tensor_from_jagged(): jagged_dim must be between 1 and {values.ndim}, but got {at}"
        )
    steps = offsets[1:] - offsets[:-1]
    wrong = offsets.ndim != 1 or not offsets.shape[0] or int(offsets[0]) < 0
    if wrong or int(offsets[-1]) > values.shape[at - 1] or (steps.numel() and int(steps.min()) < 0):
        raise RuntimeError(
            f"nested_tensor_from_jagged(): offsets must rise from 0 to {values.shape[at - 1]} at most, but got "
            f"{offsets.tolist()}"
        )
    if lengths is None and (int(offsets[0]) != 0 or int(offsets[-1]) != values.shape[at - 1]):
        lengths = steps
    return jagged(values, offsets, lengths, at)


def to_padded_tensor(
    input: Any, padding: float, output_size: Any = None, out: None = None
) -> Tensor:
    """A strided tensor (B, the largest sizes) with `padding` where a tensor has no element.

    >>> import flambeau
    >>> x = flambeau.nested.nested_tensor([[1, 2], [3]], layout=flambeau.jagged)
    >>> flambeau.nested.to_padded_tensor(x, 0)
    tensor([[1, 2],
            [3, 0]])
    """
    if not isinstance(input, (JaggedTensor, NestedTensor)):
        raise RuntimeError("to_padded_tensor(): expected a nested tensor, but got a strided one")
    return padded(input, padding, output_size)


def narrow(tensor: Tensor, dim: int, start: Any, length: Any, layout: Any = formats.strided) -> Any:
    """Of each slice of a strided tensor a part along `dim` (which must be 1): from start[i], length[i] long.

    With `layout=flambeau.jagged` `start` and `length` may be tensors, and the result is over the tensor's memory where
    it is contiguous.

    >>> import flambeau
    >>> x = flambeau.arange(6).reshape(2, 3)
    >>> parts = flambeau.tensor([0, 1]), flambeau.tensor([1, 2])
    >>> [t.tolist() for t in flambeau.nested.narrow(x, 1, *parts, layout=flambeau.jagged).unbind()]
    [[0], [4, 5]]
    """
    if layout is formats.strided:
        if not isinstance(start, int) or not isinstance(length, int):
            raise RuntimeError("start and length must be integers for the strided layout NT impl")
        return nested_of(list(tensor.narrow(dim, start, length).unbind(0)))
    if layout is not formats.jagged:
        raise RuntimeError(f"Specified layout is unsupported for nested narrow: {layout}")
    if dim != 1:
        raise RuntimeError("jagged layout only supports dim=1")
    if isinstance(tensor, (JaggedTensor, NestedTensor)):
        raise RuntimeError("nested.narrow(): expected a strided tensor")
    batch, n = tensor.shape[0], tensor.shape[1]
    starts, lengths = (
        x.to(flambeau.int64).reshape(-1).expand(batch)
        if isinstance(x, Tensor)
        else flambeau.full((batch,), x, dtype=flambeau.int64)
        for x in (start, length)
    )
    if batch and (
        int(starts.min()) < 0 or int(lengths.min()) < 0 or int((starts + lengths).max()) > n
    ):
        raise RuntimeError(
            f"nested.narrow(): start + length must lie within the size {n}, but got {starts.tolist()} and {lengths.tolist()}"
        )
    values = tensor.flatten(0, 1)
    begin = starts + flambeau.arange(batch, device=starts.device) * n
    offsets = flambeau.cat([begin, begin.new_full((1,), batch * n)])
    return jagged(values, offsets, lengths.contiguous(), 1)


def masked_select(tensor: Tensor, mask: Tensor) -> JaggedTensor:
    """The elements of each row of a matrix where `mask` is True, as a jagged tensor.

    >>> import flambeau
    >>> x = flambeau.arange(4).reshape(2, 2)
    >>> [t.tolist() for t in flambeau.nested.masked_select(x, flambeau.tensor([[True, True], [False, True]])).unbind()]
    [[0, 1], [3]]
    """
    if tensor.layout is not formats.strided or tensor.is_nested:
        raise RuntimeError(
            f"torch.nested.masked_select requires a strided tensor, given {tensor.layout}"
        )
    if mask.layout is not formats.strided or mask.dtype is not flambeau.bool:
        raise RuntimeError(f"torch.nested.masked_select requires a strided bool mask, given {mask.layout}, {mask.dtype}")  # fmt: skip
    shape = tuple(flambeau.broadcast_tensors(tensor, mask)[0].shape)
    if len(shape) < 2:
        raise RuntimeError(
            f"nested.masked_select: expected two dimensions at least, but got {list(shape)}"
        )
    tensor, mask = tensor.expand(shape), mask.expand(shape)
    counts = mask.flatten(1).sum(1)
    offsets = flambeau.cat([counts.new_zeros(1), counts.cumsum(0)])
    return jagged(tensor[mask], offsets, None, 1)
