"""Tensors made in less usual ways: logspace, scalar_tensor, fill, constant_pad_nd, copies of complex views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import broadcast_shapes as broadcast
from .._base.checks import check
from ..runtime.families import composite
from ..runtime.promotion import check_fits
from ..runtime.signature import explained
from ..runtime.tensor import Size, Tensor, set_requires_grad
from .batches import element_by_element, level_of
from .complex import view_as_complex, view_as_real
from .creation import (
    _into,
    as_dtype,
    as_size,
    check_steps,
    detached,
    end_of,
    full,
    kind_of_ends,
    linspace,
    ones_like,
)


@explained
def logspace(start: float | Tensor, end: float | Tensor, steps: int, base: float = 10.0, *, out: Any = None, dtype: Any = None,
             layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`steps` powers of `base`, whose exponents go from start to end at equal distances.

    >>> import flambeau
    >>> flambeau.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    if level_of(start, end):
        options = {"base": base, "dtype": dtype, "device": device}
        made = element_by_element(
            None, lambda a, b: logspace(a, b, steps, **options), detached(start), detached(end)
        )
        return _into(out, made)
    start, end = end_of(start, "logspace"), end_of(end, "logspace")
    check_steps(steps, "logspace")
    kind = kind_of_ends(start, end, dtype, out)
    whole = kind.category == dtypes.INT
    if whole:  # PyTorch takes the ends as whole numbers, and computes powers of them in float64
        start, end = int(start), int(end)
    elif kind.itemsize < 4:  # the ends, too, are numbers of the result's kind
        start, end = (full((), v, dtype=kind).item() for v in (start, end))
    inner = dtypes.float64 if whole or kind.itemsize < 4 else kind
    exponents = linspace(start, end, steps, dtype=inner, device=device)
    made = full((), base, dtype=inner, device=exponents.device).pow(exponents)
    if whole:  # the least integer for what is too large, which is what C's conversion gives on x86
        low, high = limits(kind)
        made = made.masked_fill(~((made >= low) & (made < -low if low else made <= high)), low)
    made = made.to(kind)
    if requires_grad:
        set_requires_grad(made, True)
    return _into(out, made)


def limits(kind: dtypes.dtype) -> tuple[int, int]:
    """The least and the greatest integer of a dtype."""
    bits = 8 * kind.itemsize - kind.is_signed
    return (-(2**bits) if kind.is_signed else 0), 2**bits - 1


@explained
def scalar_tensor(s: complex | Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
                  requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A 0-d tensor of one number, of the default float dtype unless told otherwise.

    >>> import flambeau
    >>> flambeau.scalar_tensor(3)
    tensor(3.)
    """
    kind = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)
    value = s.item() if isinstance(s, Tensor) else s
    return full((), value, dtype=kind, device=device, requires_grad=requires_grad)


@composite(method=False)
def fill(input: Tensor, value: Any):
    """A tensor like `input`, full of one number or of a 0-d tensor's element.

    >>> import flambeau
    >>> flambeau.fill(flambeau.zeros(2), 7)
    tensor([7., 7.])
    """
    if isinstance(value, Tensor):
        check(
            value.ndim == 0,
            lambda: (
                f"fill only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
            ),
        )
        value = value.to(input.dtype)
    return input.masked_fill(ones_like(input, dtype=dtypes.bool_), value)


@composite(method=False)
def constant_pad_nd(input: Tensor, pad: Sequence[int], value: complex | Tensor = 0):
    """`input` with `value` around it: pairs of widths before and after, the last dimension first; negative ones cut.

    >>> import flambeau
    >>> flambeau.constant_pad_nd(flambeau.ones(2), (1, 2), 5)
    tensor([5., 1., 1., 5., 5.])
    """
    widths = as_size(pad, "pad")
    check(len(widths) % 2 == 0, lambda: f"Length of pad must be even but instead it equals {len(widths)}")  # fmt: skip
    check(
        len(widths) <= 2 * input.ndim,
        lambda: (
            f"Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(widths)} while the input has {input.ndim} dimensions."
        ),
    )
    inner, shape, place = input, list(input.shape), []
    for i, n in enumerate(input.shape):
        at = 2 * (input.ndim - 1 - i)
        before, after = widths[at : at + 2] if at < len(widths) else (0, 0)
        shape[i] = n + before + after
        check(
            shape[i] >= 0,
            lambda: (
                f"The input size {n}, plus negative padding {before} and {after}, resulted in a negative output size, "
                "which is invalid."
            ),
        )
        cut = max(-before, 0)
        inner = inner.narrow(i, cut, max(n - cut - max(-after, 0), 0)) if n else inner
        place.append((max(before, 0), inner.shape[i]))
    if isinstance(value, (int, float, complex)):
        check_fits(value, input.dtype)
    return _within(inner, tuple(shape), tuple(place), value)


def _within(inner: Tensor, shape: tuple[int, ...], place: Sequence[tuple], value: Any) -> Tensor:
    """`inner` with slabs of `value` joined to it, one dimension after the other."""
    from .joining import cat

    kind, where = inner.dtype, inner.device
    for d, (start, length) in enumerate(place):
        after = shape[d] - start - length
        parts = [inner]
        for at, n in ((0, start), (1, after)):
            if n:
                size = [*inner.shape[:d], n, *inner.shape[d + 1 :]]
                slab = full(size, value, dtype=kind, device=where)
                parts.insert(at * len(parts), slab)
        if len(parts) > 1:
            inner = cat(parts, d)
    return inner.clone() if tuple(inner.shape) == shape and inner._base is not None else inner


@composite(method=False)
def view_as_real_copy(input: Tensor):
    """`view_as_real`, copied to memory of its own.

    >>> import flambeau
    >>> flambeau.view_as_real_copy(flambeau.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    return view_as_real(input).clone()


@composite(method=False)
def view_as_complex_copy(input: Tensor):
    """`view_as_complex`, copied to memory of its own.

    >>> import flambeau
    >>> flambeau.view_as_complex_copy(flambeau.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    return view_as_complex(input).clone()


@explained
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to; an int stands for a shape of one dimension.

    >>> import flambeau
    >>> flambeau.broadcast_shapes((2, 1), (3,))
    flambeau.Size([2, 3])
    """
    read = [as_size((s,) if isinstance(s, int) else s) for s in shapes]
    for shape in read:
        check(
            min(shape, default=0) >= 0,
            lambda: (
                f"Trying to create tensor with negative dimension ({min(shape)}): ({min(shape)})"
            ),
        )
    return Size(broadcast(*read))
