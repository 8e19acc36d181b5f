"""Reductions in which only the elements count where a mask is True.

`mask` broadcasts against the input and may have fewer dimensions, not more; None counts all. Where no element counts
a sum is 0, a product 1, a largest value minus infinity (or the dtype's smallest number); means, medians and variances
are NaN. Tensors of a sparse layout are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau
from flambeau.runtime.tensor import Tensor

from .fills import Dims, dims_of, filled, highest, input_mask, lowest

SMALL_INTEGERS = ("uint8", "bool", "int8", "int16", "int32")


def opened(input: Any, mask: Tensor | None, name: str) -> tuple[Tensor, Tensor | None]:
    """The data and the mask of what was given: a MaskedTensor has its own."""
    if mask is None:
        own = getattr(input, "get_mask", None)
        if own is not None:
            return input._data_part(), own()
    if str(input.layout).rpartition(".")[2] != "strided":
        raise ValueError(f"masked {name} expects strided tensor (got {input.layout} tensor)")
    return input, mask


def _total_dtype(input: Tensor, dtype: Any) -> Any:
    if dtype is not None:
        return dtype
    return flambeau.int64 if input.dtype.name in SMALL_INTEGERS else input.dtype


def sum(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Sum of the elements that count, over `dim` (all dimensions for None).

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> flambeau.masked.sum(x, 1, mask=flambeau.tensor([True, False]))
    tensor([1., 3.])
    """
    input, mask = opened(input, mask, "sum")
    kind = _total_dtype(input, dtype)
    dims = dims_of(dim, input.ndim)
    return filled(input, mask, 0).sum(dims, bool(keepdim), dtype=kind)


def prod(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Product of the elements that count, over `dim` (all dimensions for None).

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> flambeau.masked.prod(x, mask=flambeau.tensor([[False, True], [True, True]]))
    tensor(24.)
    """
    input, mask = opened(input, mask, "prod")
    kind = _total_dtype(input, dtype)
    out = filled(input, mask, 1).to(kind)
    for d in reversed(dims_of(dim, input.ndim)):
        out = out.prod(d, bool(keepdim)) if out.ndim else out.prod()
    return out


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Running sum along `dim`; an element that does not count adds nothing.

    >>> import flambeau
    >>> flambeau.masked.cumsum(flambeau.ones(3), 0, mask=flambeau.tensor([True, False, True]))
    tensor([1., 1., 2.])
    """
    input, mask = opened(input, mask, "cumsum")
    kind = dtype or input.dtype
    (d,) = dims_of(dim, input.ndim) or (0,)
    return filled(input, mask, 0).cumsum(d, dtype=kind).to(kind)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Running product along `dim`; an element that does not count is a factor of one.

    >>> import flambeau
    >>> x = flambeau.tensor([2.0, 3.0, 4.0])
    >>> flambeau.masked.cumprod(x, 0, mask=flambeau.tensor([True, False, True]))
    tensor([2., 2., 8.])
    """
    input, mask = opened(input, mask, "cumprod")
    kind = dtype or input.dtype
    (d,) = dims_of(dim, input.ndim) or (0,)
    return filled(input, mask, 1).cumprod(d, dtype=kind).to(kind)


def _extreme(name: str, fill: Callable[[Tensor], Any]) -> Callable[..., Tensor]:
    def reduce(
        input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
    ) -> Tensor:  # fmt: skip
        input, mask = opened(input, mask, name)
        whole = input if mask is None else filled(input, mask, fill(input))
        out = getattr(whole, name)(dims_of(dim, input.ndim), bool(keepdim))
        return out.to(dtype or input.dtype)

    reduce.__name__ = reduce.__qualname__ = name
    return reduce


amax = _extreme("amax", lowest)
amax.__doc__ = """Largest of the elements that count, over `dim` (all dimensions for None).

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> flambeau.masked.amax(x, 1, mask=flambeau.tensor([True, False]))
    tensor([1., 3.])
    """
amin = _extreme("amin", highest)
amin.__doc__ = """Smallest of the elements that count, over `dim` (all dimensions for None).

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> flambeau.masked.amin(x, 1, mask=flambeau.tensor([False, True]))
    tensor([2., 4.])
    """


def _place(name: str, fill: Callable[[Tensor], Any]) -> Callable[..., Tensor]:
    def reduce(
        input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: Any = None,
        mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        input, mask = opened(input, mask, name)
        whole = input if mask is None else filled(input, mask, fill(input))
        # PyTorch casts the places to the input's dtype, not to an integer one.
        return getattr(whole, name)(dim, bool(keepdim)).to(dtype or input.dtype)

    reduce.__name__ = reduce.__qualname__ = name
    return reduce


argmax = _place("argmax", lowest)
argmax.__doc__ = """Place of the largest of the elements that count; in the input's dtype, as PyTorch's.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 3.0, 2.0])
    >>> flambeau.masked.argmax(x, 0, mask=flambeau.tensor([True, False, True]))
    tensor(2.)
    """
argmin = _place("argmin", highest)
argmin.__doc__ = """Place of the smallest of the elements that count; in the input's dtype, as PyTorch's.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 3.0, 2.0])
    >>> flambeau.masked.argmin(x, 0, mask=flambeau.tensor([False, True, True]))
    tensor(2.)
    """


def _count(input: Tensor, dim: Dims, keepdim: bool, mask: Tensor | None) -> Tensor:
    return input_mask(input, mask).sum(dims_of(dim, input.ndim), keepdim)


def mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Mean of the elements that count, over `dim`; NaN where none does. Needs a floating or complex dtype.

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> flambeau.masked.mean(x, mask=flambeau.tensor([[True, False], [True, True]]))
    tensor(2.6667)
    """
    input, mask = opened(input, mask, "mean")
    kind = dtype or input.dtype
    if not (kind.is_floating_point or kind.is_complex):
        raise ValueError(
            f"mean(): Could not infer output dtype. {'Input' if dtype is None else 'Optional'} dtype must be either "
            f"a floating point or complex dtype. Got: {kind}"
        )
    total = sum(input, dim, keepdim=keepdim, dtype=kind, mask=mask)
    return total / _count(input, dim, bool(keepdim), mask)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Median of the elements that count along `dim`, the lower of two; NaN where none does.

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0, 5.0, 3.0]])
    >>> flambeau.masked.median(x, 1, mask=flambeau.tensor([True, False, True]))
    tensor([1.])
    """
    input, mask = opened(input, mask, "median")
    kind = dtype or input.dtype
    (d,) = dims_of(dim, input.ndim) or (0,)
    floating = input.is_floating_point()
    # Half precision too: what is picked is exact in float32.
    data = input if floating and input.itemsize > 2 else input.float()
    out = flambeau.nanmedian(filled(data, mask, flambeau.nan), d, keepdim).values
    if floating:
        return out if data is input else out.to(input.dtype)
    if out.isnan().any():
        raise ValueError(
            "masked median expects no fully masked out rows if dtype is not floating point"
        )
    return out.to(kind)


def logsumexp(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """log(sum(exp(x))) of the elements that count, over `dim`.

    >>> import flambeau
    >>> x = flambeau.tensor([0.0, 100.0, 0.0])
    >>> flambeau.masked.logsumexp(x, 0, mask=flambeau.tensor([True, False, True]))
    tensor(0.6931)
    """
    input, mask = opened(input, mask, "logsumexp")
    whole = input if mask is None else filled(input, mask, lowest(input))
    return whole.logsumexp(dims_of(dim, input.ndim), keepdim).to(dtype or input.dtype)


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Any = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """log(exp(input) + exp(other)), each with a mask of its own.

    >>> import flambeau
    >>> a, b = flambeau.tensor([0.0, 0.0]), flambeau.tensor([0.0, 5.0])
    >>> flambeau.masked.logaddexp(a, b, other_mask=flambeau.tensor([True, False]))
    tensor([0.6931, 0.0000])
    """
    kind = dtype or input.dtype
    a, input_mask = opened(input, input_mask, "logaddexp")
    b, other_mask = opened(other, other_mask, "logaddexp")
    a = a if input_mask is None else filled(a, input_mask, lowest(a))
    b = b if other_mask is None else filled(b, other_mask, lowest(b))
    return flambeau.logaddexp(a, b).to(kind)


def norm(
    input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool | None = False, dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Vector norm of order `ord` of the elements that count, over `dim`.

    >>> import flambeau
    >>> x = flambeau.tensor([3.0, 100.0, 4.0])
    >>> flambeau.masked.norm(x, 2, 0, mask=flambeau.tensor([True, False, True]))
    tensor(5.)
    """
    input, mask = opened(input, mask, "norm")
    whole = filled(input, mask, highest(input) if ord == float("-inf") else 0)
    dims = dims_of(dim, input.ndim)
    return flambeau.linalg.vector_norm(whole, ord, dims, bool(keepdim), dtype=dtype or input.dtype)


def _spread(
    input: Tensor, dim: Dims, unbiased: bool | None, correction: float | None, keepdim: bool | None, dtype: Any,
    mask: Tensor | None, name: str,
) -> Tensor:  # fmt: skip
    input, mask = opened(input, mask, name)
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1.0 if unbiased is None or unbiased else 0.0
    kind = dtype or input.dtype
    floating = kind.is_floating_point or kind.is_complex
    if dtype is None and not floating:
        kind = flambeau.float32
    work = kind if kind.is_floating_point or kind.is_complex else flambeau.float32
    count = _count(input, dim, True, mask)
    centre = sum(input, dim, keepdim=True, dtype=kind, mask=mask) / count
    far = input - centre
    total = sum(far * far.conj(), dim, keepdim=keepdim, dtype=work, mask=mask)
    left = count if keepdim else count.reshape(total.shape)
    if correction != 0:
        left = left.to(flambeau.empty(0, dtype=work).abs().dtype) - correction
        left = flambeau.maximum(left, left.new_zeros(()))
    out = (total / left).to(kind)
    return out.sqrt() if name == "std" else out


def var(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Variance of the elements that count, over `dim`; NaN where too few do.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 50.0, 3.0])
    >>> flambeau.masked.var(x, 0, mask=flambeau.tensor([True, False, True]))
    tensor(2.)
    """
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask, "var")


def std(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool | None = False, dtype: Any = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Standard deviation of the elements that count, over `dim`: the root of `var`.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 50.0, 3.0])
    >>> flambeau.masked.std(x, 0, mask=flambeau.tensor([True, False, True]))
    tensor(1.4142)
    """
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask, "std")
