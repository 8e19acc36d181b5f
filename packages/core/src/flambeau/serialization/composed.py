"""Quantized, nested and masked tensors in checkpoints: what PyTorch's files keep of them, written and read.

    quantized   the integers in a storage of their own class, scale and zero point; or scales and zero points of an axis
    nested      a flat buffer, and sizes, strides and first elements of the tensors within
    jagged      values, offsets, lengths if there are gaps, and which dimension is ragged
    masked      data and mask

What a file says of the parts is checked when a tensor is made of them. PyTorch reads masked tensors with `weights_only=False` only.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Any

from .._base import dtypes
from .._base.checks import check
from ..runtime.tensor import Tensor

SCHEMES = ("per_tensor_affine", "per_channel_affine", "per_tensor_symmetric", "per_channel_symmetric")  # fmt: skip


# Functions that look at the values of the tensors they are given.
LOOKED_INTO = (
    b"_rebuild_nested_tensor", b"_rebuild_njt", b"_rebuild_wrapper_subclass", b"_rebuild_sparse_tensor",
)  # fmt: skip


class Kind:
    """A class of tensors that a file names beside the function that makes one."""

    def __init__(self, name: str) -> None:
        self.name = name


JAGGED, MASKED = Kind("NestedTensor"), Kind("MaskedTensor")


class DimRange:
    """What PyTorch's compiler hangs on the sizes of jagged tensors; nothing here looks at it."""

    def __setstate__(self, state: Any) -> None:
        pass


# -- writing -----------------------------------------------------------------------------------------------


def reduced(writer: Any, tensor: Tensor) -> tuple | None:
    """How such a tensor is written; None for another."""
    if tensor.is_quantized:
        return _quantized(writer, tensor)
    if tensor.is_nested:
        return (
            _jagged(writer, tensor) if tensor.layout.name == "jagged" else _nested(writer, tensor)
        )
    if type(tensor).__name__ == "MaskedTensor":
        return _masked(writer, tensor)
    return None


def _quantized(writer: Any, tensor: Any) -> tuple:
    levels, integers = tensor._levels, tensor.int_repr()
    _, (memory, offset, shape, strides, *_rest) = writer._reduce_plain(
        integers, as_dtype=levels.kind
    )
    if levels.axis is None:
        how: tuple = (writer.name("torch", levels.scheme.name), levels.scale, levels.zero_point)
    else:
        scales, zeros = levels.scale.double(), levels.zero_point.long()
        how = (writer.name("torch", levels.scheme.name), scales, zeros, levels.axis)
    rebuild = writer.name("torch._utils", "_rebuild_qtensor")
    return rebuild, (memory, offset, shape, strides, how, False, OrderedDict())


def _nested(writer: Any, tensor: Any) -> tuple:
    from .._base.checks import contiguous_strides
    from ..ops.creation import tensor as made_of

    shapes = tensor._shapes
    counts = [_count(shape) for shape in shapes]
    begins = [sum(counts[:i]) for i in range(len(counts))]
    kind = dtypes.int64
    return writer.name("torch._utils", "_rebuild_nested_tensor"), (
        tensor._buffer.detach(),
        made_of([list(shape) for shape in shapes], dtype=kind),
        made_of([list(contiguous_strides(shape)) for shape in shapes], dtype=kind),
        made_of(begins, dtype=kind),
    )


def _jagged(writer: Any, tensor: Any) -> tuple:
    place = "torch.nested._internal.nested_tensor"
    parts = {
        "values": tensor._vals.detach(),
        "offsets": tensor._offsets,
        "lengths": tensor._lengths,
        "_ragged_idx": tensor._ragged,
        "_metadata_cache": {},
        "requires_grad": tensor.requires_grad,
    }
    rebuild = writer.name("torch._tensor", "_rebuild_from_type_v2")
    return rebuild, (writer.name(place, "_rebuild_njt"), writer.name(place, "NestedTensor"), (parts,), {})  # fmt: skip


def _masked(writer: Any, tensor: Any) -> tuple:
    kind = writer.name("torch.masked.maskedtensor.core", "MaskedTensor")
    data, mask = tensor._data.detach(), tensor._mask
    shell = (
        kind, data.dtype, tuple(data.shape), tuple(data.stride()), 0, tensor.layout, data.device, tensor.requires_grad,
    )  # fmt: skip
    make = writer.name("torch._utils", "_rebuild_wrapper_subclass")
    state = {"_masked_data": data, "_masked_mask": mask}
    return writer.name("torch._tensor", "_rebuild_from_type_v2"), (make, kind, shell, state)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


# -- reading -----------------------------------------------------------------------------------------------


def scheme(name: str) -> Any:
    """One of PyTorch's names for how numbers become integers."""
    from ..quantization import affine

    return getattr(affine, name)


def rebuild_quantized(
    storage: Any, offset: Any, size: Any, stride: Any, how: Any, _requires_grad: Any, *_hooks: Any
) -> Tensor:
    """A quantized tensor of integers and what they mean."""
    from ..quantization.affine import _STORED, _Levels
    from .globals import _opened
    from .storage import rebuild_tensor

    kind, raw = _opened(storage)
    check(kind in _STORED, lambda: f"load: {kind} is no dtype of quantized tensors")
    integers = rebuild_tensor(raw, _STORED[kind][0], offset, size, stride)
    check(
        type(how) is tuple and len(how) in (3, 4) and hasattr(how[0], "name"),
        lambda: "load: a quantized tensor without what its integers mean",
    )
    name: str = how[0].name
    scale: Any = how[1]
    zero: Any = how[2]
    axis: tuple = how[3:]
    if name == "per_tensor_affine" and not axis:
        check(
            type(scale) in (float, int) and type(zero) is int,
            lambda: "load: a quantized tensor whose scale and zero point are no numbers",
        )
        return _Levels(kind, float(scale), zero).holding(integers)
    check(
        name == "per_channel_affine"
        and len(axis) == 1
        and type(axis[0]) is int
        and 0 <= axis[0] < integers.ndim
        and all(type(t) is Tensor and t.ndim == 1 for t in (scale, zero))
        and scale.numel() == zero.numel() == integers.shape[axis[0]],
        lambda: "load: a quantized tensor whose scales and zero points do not fit its size",
    )
    return _Levels(kind, scale, zero, axis[0]).holding(integers)


def rebuild_nested(buffer: Any, sizes: Any, strides: Any, begins: Any) -> Tensor:
    """A nested tensor of a flat buffer and where the tensors lie in it."""
    from ..nested.tensor import strided

    check(
        all(type(t) is Tensor for t in (buffer, sizes, strides, begins))
        and buffer.ndim == 1
        and sizes.dtype is strides.dtype is begins.dtype is dtypes.int64
        and sizes.shape == strides.shape
        and begins.ndim == 1
        and sizes.shape[:1] == begins.shape,
        lambda: "load: the parts of a nested tensor do not fit",
    )
    shapes, steps, firsts = sizes.tolist(), strides.tolist(), begins.tolist()
    check(
        all(n >= 0 for shape in shapes for n in shape)
        and sum(_count(tuple(shape)) for shape in shapes) <= buffer.numel(),
        lambda: "load: the tensors within a nested tensor have more elements than its buffer",
    )
    pieces = [
        # `as_strided` refuses what lies outside of the buffer.
        buffer.as_strided(shape, step, first) if _count(tuple(shape)) else buffer[:0].reshape(shape)
        for shape, step, first in zip(shapes, steps, firsts)
    ]
    from ..ops.joining import cat

    flat = cat([piece.reshape(-1) for piece in pieces]) if pieces else buffer[:0]
    return strided(flat, shapes)


def rebuild_jagged(parts: Any) -> Tensor:
    """A jagged tensor of its parts."""
    from ..nested.tensor import jagged

    check(
        isinstance(parts, dict) and {"values", "offsets"} <= set(parts),
        lambda: "load: a jagged tensor without values and offsets",
    )
    values, offsets, lengths = parts["values"], parts["offsets"], parts.get("lengths")
    ragged = parts.get("_ragged_idx", 1)
    check(
        type(values) is Tensor
        and type(ragged) is int
        and 1 <= ragged <= values.ndim
        and _is_row(offsets)
        and offsets.numel() > 0
        and (lengths is None or (_is_row(lengths) and lengths.numel() == offsets.numel() - 1)),
        lambda: "load: the parts of a jagged tensor do not fit",
    )
    ends, room = offsets.tolist(), values.shape[ragged - 1]
    counts = [b - a for a, b in pairwise(ends)]
    used = counts if lengths is None else lengths.tolist()
    check(
        ends[0] >= 0 and ends[-1] <= room and all(0 <= n <= most for n, most in zip(used, counts)),
        lambda: f"load: the offsets of a jagged tensor do not lie within its {room} values",
    )
    made = jagged(values, offsets, lengths, ragged)
    return made.requires_grad_() if parts.get("requires_grad") is True else made


def _is_row(t: Any) -> bool:
    return type(t) is Tensor and t.ndim == 1 and t.dtype in (dtypes.int64, dtypes.int32)


def rebuild_shell(kind: Any, *rest: Any) -> tuple:
    """What a masked tensor is before its parts are there."""
    check(kind is MASKED, lambda: f"load: {getattr(kind, 'name', kind)!r} cannot be rebuilt")
    return kind, rest


def filled(kind: Kind, made: Any, state: Any) -> Tensor:
    """The tensor of a class that files name: `made` by the function beside it, and its state."""
    if kind is JAGGED:
        check(
            isinstance(made, Tensor) and made.is_nested,
            lambda: "load: a jagged tensor of something else",
        )
        return made
    from ..masked import masked_tensor

    check(
        type(made) is tuple
        and isinstance(state, dict)
        and all(type(state.get(part)) is Tensor for part in ("_masked_data", "_masked_mask")),
        lambda: "load: a masked tensor without data and mask",
    )
    wants_grad = made[1][-1] is True
    return masked_tensor(state["_masked_data"], state["_masked_mask"], requires_grad=wants_grad)
