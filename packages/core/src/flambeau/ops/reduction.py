"""Reductions over dimensions: sums, products, extremes, means, norms."""

from __future__ import annotations

import math
from typing import Any

from .. import ir  # noqa: F401  (documentation: scalar names in Combine are ir's)
from .._base import dtypes
from .._base.checks import check, wrap_dim, wrap_dims
from ..runtime.families import composite, primitive, reduction
from ..runtime.meta import Meta
from ..runtime.numbers import number_array
from ..runtime.promotion import AS_GIVEN, BOOL_TO_INT, accepting
from ..runtime.reduce import Combine, reduced_shape
from ..runtime.tape import record
from ..runtime.tensor import Tensor
from .arithmetic import true_divide
from .comparison import eq, where
from .exponential import sqrt

SMALL = 1 << 12  # elements up to which gradients are computed in NumPy's calls


def spread(g: Tensor, like: Meta, dim: object, keepdim: bool) -> Tensor:
    """A reduction's gradient back over the reduced dimensions."""
    if not g.ndim:
        return g.expand(like.shape)
    if not keepdim and like.ndim:
        for d in sorted(wrap_dims(dim, like.ndim)):  # type: ignore[arg-type]
            g = g.unsqueeze(d)
    return g.expand(like.shape)


@reduction(promote=BOOL_TO_INT, onnx="ReduceSum", star="dim", linear=True)
def sum(
    input,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
):
    """Sum over all elements, or over the dimensions `dim`. bools and integers give int64.

    >>> import flambeau
    >>> flambeau.sum(flambeau.ones(2, 3), 1)
    tensor([3., 3.])
    """
    return Combine("sum", "add", 0)


@sum.vjp
def _(g, _out, x: Meta, *, dim, keepdim):
    return spread(g, x, dim, keepdim)


@sum.raw_vjp
def _(xp, g, _out, x, *, dim, keepdim, dtype):
    return _raw_spread(xp, g, x, dim, keepdim)


def _raw_spread(xp: Any, g: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """`spread` of a raw array."""
    if not g.shape:
        return xp.strided(g, x.shape, (0,) * x.ndim)
    g = _kept(g, x, dim, keepdim)
    steps = tuple([0 if n == 1 else s for n, s in zip(g.shape, g.strides)])
    return xp.strided(g, x.shape, steps)


def _kept(g: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """A result of reducing `x`, or its gradient, with the reduced dimensions as ones if it has any dimensions."""
    if keepdim or not g.shape:
        return g
    if type(dim) is int:
        d = dim % x.ndim
        return g.reshape((*x.shape[:d], 1, *x.shape[d + 1 :]))
    dims = wrap_dims(dim, x.ndim)
    return g.reshape([1 if d in dims else n for d, n in enumerate(x.shape)])


def _divided(xp: Any, g: Any, n: float) -> Any:
    """g / n in an array, also of no dimension."""
    out = xp.empty(g.shape, g.dtype)
    xp.true_divide(g, number_array(n, g.dtype), out)
    return out


@reduction(promote=BOOL_TO_INT, onnx="ReduceProd", star=None, method=False)
def prod_dims(
    input,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
):
    """Product over all elements or over `dim`."""
    return Combine("prod", "mul", 1)


@prod_dims.vjp
def _(g, _out, x, *, dim, keepdim):
    # The product of the others, by exclusive products from both sides: exact also where elements are zero.
    if not x.ndim:
        return g
    dims = wrap_dims(dim, x.ndim)
    rest = [d for d in range(x.ndim) if d not in dims]
    order = [*rest, *dims]
    n = _count(x.shape, dim)
    flat = x.permute(order).reshape([x.shape[d] for d in rest] + [n])
    if x.numel() == 0:
        return x * 0
    ones = flat.new_ones([*flat.shape[:-1], 1])
    left = ones if n == 1 else _cat([ones, flat[..., :-1].cumprod(-1)])
    right = ones if n == 1 else _cat([flat.flip(-1)[..., :-1].cumprod(-1).flip(-1), ones])
    others = (left * right).reshape([x.shape[d] for d in order])
    if others.is_complex():
        others = others.conj()
    inverse = sorted(range(x.ndim), key=order.__getitem__)
    return spread(g, x._meta, dim, keepdim) * others.permute(inverse)


def _cat(parts: list) -> Tensor:
    from .joining import cat

    return cat(parts, -1)


@composite
def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
):
    """Product of all elements, or along `dim`.

    >>> import flambeau
    >>> flambeau.prod(flambeau.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor([ 2., 12.])
    """
    return prod_dims(input, dim, keepdim, dtype=dtype)


@prod.small
def _(xp, x, *, dim, keepdim, dtype):
    if dtype is not None or type(dim) is tuple or not usual(x, dim):
        return NotImplemented
    return xp.multiply.reduce(x, dim, None, None, keepdim)


def _extreme_vjp(g, out, x, *, dim, keepdim):
    """Equal shares to all elements that reach the extreme."""
    hit = eq(x, spread(out, x._meta, dim, keepdim)).to(g.dtype)
    return (
        spread(true_divide(g, hit.sum(wrap_dims(dim, x.ndim), keepdim)), x._meta, dim, keepdim)
        * hit
    )


@reduction(promote=accepting(AS_GIVEN), accepts="bool int float", onnx="ReduceMax", star=None)
def amax(input, dim: int | tuple[int, ...] | None = (), keepdim: bool = False):
    """Largest element over `dim` (all dimensions if empty). Ties share the gradient equally.

    >>> import flambeau
    >>> flambeau.amax(flambeau.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    tensor([5., 3.])
    """
    return Combine("max", "maximum", None)


@reduction(promote=accepting(AS_GIVEN), accepts="bool int float", onnx="ReduceMin", star=None)
def amin(input, dim: int | tuple[int, ...] | None = (), keepdim: bool = False):
    """Smallest element over `dim` (all dimensions if empty). Ties share the gradient equally.

    >>> import flambeau
    >>> flambeau.amin(flambeau.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    tensor([1., 2.])
    """
    return Combine("min", "minimum", None)


amax.vjp(_extreme_vjp)


@amax.raw_vjp
def _raw_extreme(xp, g, out, x, *, dim, keepdim):
    if x.size > SMALL or not usual(x, dim):
        return NotImplemented
    hit = x == _kept(out, x, dim, keepdim)
    counts = xp.add.reduce(hit, dim, g.dtype, None, True)
    return hit * (_kept(g, x, dim, keepdim) / counts)


amin.vjp(_extreme_vjp)
amin.raw_vjp(_raw_extreme)


def _bool(given: Any) -> str:
    """bool, but uint8 of uint8, which was PyTorch's truth value once."""
    return "uint8" if str(given) == "uint8" else "bool"


@reduction(result=_bool)
def all(input, dim: int | tuple[int, ...] | None = None, keepdim: bool = False):
    """Whether all elements are true (not zero).

    >>> import flambeau
    >>> flambeau.all(flambeau.tensor([True, False]))
    tensor(False)
    """
    return Combine("all", "logical_and", True)


@reduction(result=_bool)
def any(input, dim: int | tuple[int, ...] | None = None, keepdim: bool = False):
    """Whether any element is true (not zero).

    >>> import flambeau
    >>> flambeau.any(flambeau.tensor([True, False]))
    tensor(True)
    """
    return Combine("any", "logical_or", False)


@all.onnx
def _(builder, x, *, dim, keepdim):
    return _onnx_logical(builder, "ReduceMin", x, dim, keepdim)


@any.onnx
def _(builder, x, *, dim, keepdim):
    return _onnx_logical(
        builder, "ReduceSum", x, dim, keepdim
    )  # ReduceMax of nothing is the lowest number: true


def _onnx_logical(builder, kind, x, dim, keepdim):
    truth = builder.cast(builder.cast(x, dtypes.bool_), dtypes.uint8)
    return builder.cast(
        builder.reduce(kind, builder.cast(truth, dtypes.int32), dim, keepdim), dtypes.bool_
    )


all.no_vjp("the result is boolean")
any.no_vjp("the result is boolean")


def _count(shape: tuple[int, ...], dim: object) -> int:
    if dim is None:
        return math.prod(shape)
    if type(dim) is int and -len(shape) <= dim < len(shape):
        return shape[dim]
    n = 1
    for d in wrap_dims(dim, len(shape)):  # type: ignore[arg-type]
        n *= shape[d] if shape else 1
    return n


@composite(onnx="ReduceMean")
def mean(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
):
    """Mean of all elements, or over `dim`. Needs a floating dtype.

    >>> import flambeau
    >>> flambeau.mean(flambeau.tensor([[1.0, 2.0], [3.0, 4.0]]), 0)
    tensor([2., 3.])
    """
    kind = dtype or input.dtype
    if not (kind.is_floating_point or kind.is_complex):
        from .matrices import SCALARS

        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {SCALARS.get(kind.name, kind.name)}"
        )
    if kind in _SHORT:  # divided before it is rounded
        return mean(input, dim, keepdim, dtype=dtypes.float32).to(kind)
    n = _count(input.shape, dim)
    if dim is None and not keepdim and dtype is None:
        total = sum(input)
    else:
        total = sum(input, dim, keepdim, dtype=dtype)
    return total / n if n else total * float("nan")


def usual(x: Any, dim: Any) -> bool:
    """Whether a raw array is of usual floats and not empty, and `dim` None, an int or some of them."""
    if x.dtype.char not in "fd" or not x.size:
        return False
    return dim is None or type(dim) is int or (type(dim) is tuple and dim != ())


@mean.small
def _(xp, x, *, dim, keepdim, dtype):
    if dtype is not None or not usual(x, dim):
        return NotImplemented
    return xp.add.reduce(x, dim, None, None, keepdim) / _count(x.shape, dim)


@mean.small_vjp
def _(g, _out, x: Meta, *, dim, keepdim):
    share = g * (1 / _count(x.shape, dim))  # as the quotient's own rule has it
    return spread(share, x, dim, keepdim)


@mean.small_raw_vjp
def _(xp, g, _out, x, *, dim, keepdim, dtype):
    share = xp.empty(g.shape, g.dtype)
    xp.multiply(g, number_array(1 / _count(x.shape, dim), g.dtype), share)
    return _raw_spread(xp, share, x, dim, keepdim)


_SHORT = (dtypes.float16, dtypes.bfloat16)


def _spread_checks(name: str, input: Tensor) -> None:
    check(
        input.dtype.category >= dtypes.FLOAT,
        lambda: (
            f"{name} only support floating point and complex dtypes, but got {input.dtype.name}"
        ),
    )


@composite
def var(
    input: Tensor,
    dim: int | tuple[int, ...] | bool | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
):
    """Variance over `dim`: squared distances from the mean, divided by n - correction (1 unless given).

    >>> import flambeau
    >>> flambeau.var(flambeau.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    _spread_checks("std and var", input)
    if input.dtype in _SHORT:
        wide = var(input.float(), dim, unbiased, keepdim, correction=correction)
        return wide.to(input.dtype)
    if input.is_complex():
        parts = input.real, input.imag
        real, imag = (var(p, dim, unbiased, keepdim, correction=correction) for p in parts)
        return real + imag
    n = _count(input.shape, dim)
    centred = input - mean(input, dim, True)
    total = sum(centred * centred, dim, keepdim)
    left = _left(n, unbiased, correction)
    return total / left if left > 0 else total * float("nan") if n <= 1 else total / 0.0


@var.small
def _(xp, x, *, dim, unbiased, keepdim, correction):
    if not usual(x, dim):
        return NotImplemented
    n = _count(x.shape, dim)
    left = _left(n, unbiased, correction)
    if not left > 0:
        return NotImplemented
    made = _squares(xp, _raw_centred(xp, x, dim, n), dim, keepdim)
    return made / left if not made.ndim else xp.true_divide(made, number_array(left, x.dtype))


def _squares(xp: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """The sum of squares over `dim`. A product of all with themselves is faster, but BLAS adds by where memory begins."""
    return xp.add.reduce(x * x, dim, None, None, keepdim)


def _left(n: int, unbiased: bool | None, correction: float | None) -> float:
    """What a sum of squared distances from the mean of n numbers is divided by."""
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    return n - correction


@var.small_vjp
def _(g, _out, x, *, dim, unbiased, keepdim, correction):
    left = _left(_count(x.shape, dim), unbiased, correction)
    return spread(g * (2 / left), x._meta, dim, keepdim) * (x - mean(x, dim, True))


@var.small_raw_vjp
def _(xp, g, _out, x, *, dim, unbiased, keepdim, correction):
    n = _count(x.shape, dim)
    share = _divided(xp, g, _left(n, unbiased, correction) / 2)
    return _raw_centred(xp, x, dim, n) * _kept(share, x, dim, keepdim)


def _raw_centred(xp: Any, x: Any, dim: Any, n: int) -> Any:
    """A raw array's distances from its means of n elements."""
    return x - xp.true_divide(xp.add.reduce(x, dim, None, None, True), number_array(n, x.dtype))


@composite
def std(
    input: Tensor,
    dim: int | tuple[int, ...] | bool | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
):
    """Standard deviation over `dim`: the square root of `var`.

    >>> import flambeau
    >>> flambeau.std(flambeau.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    if input.dtype in _SHORT:
        wide = std(input.float(), dim, unbiased, keepdim, correction=correction)
        return wide.to(input.dtype)
    variance = var(input, dim, unbiased, keepdim, correction=correction)
    constant = variance == 0  # there PyTorch's gradient is zero, the root's infinite
    return where(constant, variance, sqrt(where(constant, 1, variance)))


@std.small
def _(xp, x, *, dim, unbiased, keepdim, correction):
    made = var.op.small(xp, x, dim=dim, unbiased=unbiased, keepdim=keepdim, correction=correction)
    return made if made is NotImplemented else xp.sqrt(made)


@std.small_vjp
def _(g, out, x, *, dim, unbiased, keepdim, correction):
    left = _left(_count(x.shape, dim), unbiased, correction)
    share = g / (where(out == 0, 1, out) * left)  # of what is constant the distances are zero
    return spread(share, x._meta, dim, keepdim) * (x - mean(x, dim, True))


@std.small_raw_vjp
def _(xp, g, out, x, *, dim, unbiased, keepdim, correction):
    n = _count(x.shape, dim)
    share = xp.asarray(_divided(xp, g, _left(n, unbiased, correction)) / (out + (out == 0)))
    return _raw_centred(xp, x, dim, n) * _kept(share, x, dim, keepdim)


@composite
def var_mean(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """(variance, mean) over `dim`.

    >>> import flambeau
    >>> flambeau.var_mean(flambeau.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    if isinstance(dim, bool):
        unbiased, dim = dim, None
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


@var_mean.small
def _(xp, x, *, dim, unbiased, keepdim, correction):
    if not usual(x, dim):
        return NotImplemented
    n = _count(x.shape, dim)
    left = _left(n, unbiased, correction)
    if not left > 0:
        return NotImplemented
    middle = xp.true_divide(xp.add.reduce(x, dim, None, None, True), number_array(n, x.dtype))
    spread = _squares(xp, x - middle, dim, keepdim) / left
    return spread, middle.reshape(spread.shape)


@primitive(method=False)
def argmax_dim(input: Meta, dim: int, keepdim: bool):
    """Index of the first largest element along `dim`."""
    _check_dim("argmax", input, dim)
    return input.like(reduced_shape(input.shape, dim, keepdim), dtypes.int64)


@argmax_dim.kernel
def _(xp, x, *, dim, keepdim):
    return _place(xp, xp.argmax, x, dim, keepdim)


@primitive(method=False)
def argmin_dim(input: Meta, dim: int, keepdim: bool):
    """Index of the first smallest element along `dim`."""
    _check_dim("argmin", input, dim)
    return input.like(reduced_shape(input.shape, dim, keepdim), dtypes.int64)


@argmin_dim.kernel
def _(xp, x, *, dim, keepdim):
    return _place(xp, xp.argmin, x, dim, keepdim)


def _place(xp: Any, f: Any, x: Any, dim: int, keepdim: bool) -> Any:
    if x.ndim:
        return f(x, axis=dim, keepdims=keepdim)
    wrap_dim(dim, 0)
    return xp.zeros((), dtype="int64")


argmax_dim.no_vjp("integer output")
argmin_dim.no_vjp("integer output")


def _batch_arg(f):
    def rule(size, batched, x, *, dim, keepdim):
        return f(x, wrap_dim(dim, x.ndim - 1) + 1, keepdim)

    return rule


argmax_dim.batch(_batch_arg(argmax_dim))
argmin_dim.batch(_batch_arg(argmin_dim))


def _onnx_arg(kind: str):
    def rule(builder, x, *, dim, keepdim):
        return builder.node(kind, [x], axis=dim, keepdims=int(keepdim))

    return rule


argmax_dim.onnx(_onnx_arg("ArgMax"))
argmin_dim.onnx(_onnx_arg("ArgMin"))


def _check_dim(name: str, input: Meta, dim: int) -> None:
    d = wrap_dim(dim, input.ndim)
    check(
        not input.ndim or input.shape[d],
        lambda: f"{name}(): Expected reduction dim {d} to have non-zero size.",
        IndexError,
    )


@composite(accepts="int float")
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False):
    """Index of the largest element of the flattened input, or along `dim`; the first of equals.

    >>> import flambeau
    >>> flambeau.argmax(flambeau.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    tensor([1, 0])
    """
    return _arg(argmax_dim, input, dim, keepdim)


@argmax.small
def _(xp, x, *, dim, keepdim):
    return _small_arg(x.argmax, x, dim, keepdim)


@composite(accepts="int float")
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False):
    """Index of the smallest element of the flattened input, or along `dim`; the first of equals.

    >>> import flambeau
    >>> flambeau.argmin(flambeau.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    tensor([0, 1])
    """
    return _arg(argmin_dim, input, dim, keepdim)


@argmin.small
def _(xp, x, *, dim, keepdim):
    return _small_arg(x.argmin, x, dim, keepdim)


def _small_arg(arg: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    if type(dim) is tuple or not usual(x, dim) or (dim is None and keepdim):
        return NotImplemented
    return arg(dim, None, keepdims=keepdim) if keepdim else arg(dim)


def _arg(f, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if dim is not None:
        return f(input, dim, keepdim)
    out = f(input.reshape(-1), 0, False)
    return out.reshape([1] * input.ndim) if keepdim else out


@composite(outputs=("values", "indices"), accepts="bool int float")
def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The largest element; with `dim` (values, indices) along it; with a tensor the larger of two elements.

    >>> import flambeau
    >>> flambeau.max(flambeau.tensor([[1.0, 5.0], [3.0, 2.0]]), 1).indices
    tensor([1, 0])
    """
    return _extreme(max, amax, argmax_dim, input, dim, keepdim)


@max.small
def _(xp, x, *, dim, keepdim):
    return small_extreme(xp.maximum, x.argmax, x, dim, keepdim)


@max.small_vjp
def _(g, out, x, *, dim, keepdim):
    return _small_extreme_vjp(g, out, x, dim, keepdim)


@max.small_raw_vjp
def _(xp, g, out, x, *, dim, keepdim):
    return _raw_extreme(xp, g, out, x, dim=None, keepdim=False) if dim is None else NotImplemented


@composite(outputs=("values", "indices"), accepts="bool int float")
def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The smallest element; with `dim` (values, indices) along it; with a tensor the smaller of two elements.

    >>> import flambeau
    >>> flambeau.min(flambeau.tensor([[1.0, 5.0], [3.0, 2.0]]), 1).values
    tensor([1., 2.])
    """
    return _extreme(min, amin, argmin_dim, input, dim, keepdim)


@min.small
def _(xp, x, *, dim, keepdim):
    return small_extreme(xp.minimum, x.argmin, x, dim, keepdim)


@min.small_vjp
def _(g, out, x, *, dim, keepdim):
    return _small_extreme_vjp(g, out, x, dim, keepdim)


@min.small_raw_vjp
def _(xp, g, out, x, *, dim, keepdim):
    return _raw_extreme(xp, g, out, x, dim=None, keepdim=False) if dim is None else NotImplemented


def small_extreme(ufunc: Any, arg: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """The largest or smallest element of a raw array, for `dim` with its places. NumPy looks for a place in a fifth of a reduction's time."""
    if not x.ndim or not x.size or x.dtype.char not in "fdlqi":
        return NotImplemented
    if dim is None:
        return x.reshape(-1)[arg(), ...].copy()
    if type(dim) is not int:
        return NotImplemented
    return ufunc.reduce(x, dim, None, None, keepdim), arg(dim, None, keepdims=keepdim)


for _f in (max, min):
    _f.op.noted.tags = {**_f.op.tags, "fills": False}


def _small_extreme_vjp(g: Any, out: Any, x: Tensor, dim: int | None, keepdim: bool) -> Any:
    """Of the extreme of all elements equal shares to all that reach it; along a dimension all to the one whose place was given."""
    from .gathering import scatter_src

    if dim is None:
        return _extreme_vjp(g, out, x, dim=None, keepdim=False)
    share, places = g[0], out[1]
    if share is None:  # the places were used alone
        return None
    if not keepdim:
        share, places = share.unsqueeze(dim), places.unsqueeze(dim)
    return scatter_src(share.new_zeros(x.shape), dim, places, share)


def _extreme(f, whole, arg, input: Tensor, dim: Any, keepdim: bool):
    from ..runtime.operator import registry

    if isinstance(dim, Tensor):
        return registry["maximum" if whole is amax else "minimum"].public(input, dim)
    if dim is None:
        check(
            input.numel(),
            lambda: (
                f"{f.__name__}(): Expected reduction dim to be specified for input.numel() == 0. "
                "Specify the reduction dim with the 'dim' argument."
            ),
        )
        return whole(input)
    at = arg(input, dim, True)
    values = input.gather(dim, at) if input.ndim else input.clone()
    if not keepdim and input.ndim:
        values, at = values.squeeze(dim), at.squeeze(dim)
    return f.op.tags["named"](values, at)


@composite
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    out: Any = None,
    dtype: dtypes.dtype | None = None,
):
    """Vector p-norm over all elements or over `dim`; "fro" is p = 2.

    >>> import flambeau
    >>> flambeau.norm(flambeau.tensor([3.0, 4.0]))
    tensor(5.)
    """
    from .norms import norm_of

    made = norm_of(input, p, dim, keepdim, dtype)
    if out is None:
        return made
    from ..runtime.dispatch import write_out

    return write_out(norm.op, out, made)


@norm.small
def _(xp, x, *, p, dim, keepdim, out, dtype):
    if out is not None or dtype is not None or p not in ("fro", 2) or not usual(x, dim):
        return NotImplemented
    return xp.sqrt(_squares(xp, x, dim, keepdim))


@primitive(method=False)
def norm2(input: Meta, dim: object, keepdim: bool):
    """Euclidean norm; its gradient at zero is zero, which the composed form would make NaN."""
    return input.like(reduced_shape(input.shape, dim, keepdim))


@norm2.kernel
def _(xp, x, *, dim, keepdim):
    dims = wrap_dims(dim, x.ndim)
    dims = dims if x.ndim else ()
    a = xp.abs(x) if x.dtype.kind == "c" else x
    return xp.sqrt(xp.sum(a * a, axis=dims, keepdims=keepdim)).astype(a.dtype)


@norm2.vjp
def _(g, out, x, *, dim, keepdim):
    unit = x / spread(out, x._meta, dim, keepdim)
    return spread(g, x._meta, dim, keepdim) * unit.masked_fill(
        spread(out, x._meta, dim, keepdim) == 0, 0
    )


@norm2.raw_vjp
def _(xp, g, out, x, *, dim, keepdim):
    if x.size > SMALL or x.dtype.char not in "fd":
        return NotImplemented
    out, g = _kept(out, x, dim, keepdim), _kept(g, x, dim, keepdim)
    return x / (out + (out == 0)) * g  # where the norm is zero all elements are


@norm.small_record
def _(made, x, /, *, dim, keepdim, **_):
    record(norm2.op, made, (x,), {"dim": dim, "keepdim": keepdim})


@norm2.batch
def _(size, batched, x, *, dim, keepdim):
    return norm2(x, tuple(d + 1 for d in wrap_dims(dim, x.ndim - 1)), keepdim)


@norm2.onnx
def _(builder, x, *, dim, keepdim):
    return builder.reduce("ReduceL2", x, dim, keepdim)


@composite(opmath=True)
def logsumexp(input: Tensor, dim: int | tuple[int, ...], keepdim: bool = False):
    """log(sum(exp(input))) over `dim`, without overflow.

    >>> import flambeau
    >>> flambeau.logsumexp(flambeau.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    if input.dtype.category < dtypes.FLOAT:
        input = input.to(dtypes.get_default_dtype())
    if not input.numel():  # log of no sum
        return sum(input, dim, keepdim).log()
    top = amax(input.detach().real, dim, True)
    top = where(top.isfinite(), top, 0)
    out = sum((input - top).exp(), dim, True).log() + top
    return out if keepdim or not input.ndim else _drop(out, dim, input.ndim)


def _drop(x: Tensor, dim: object, ndim: int) -> Tensor:
    for d in sorted(wrap_dims(dim, ndim), reverse=True):  # type: ignore[arg-type]
        x = x.squeeze(d)
    return x
