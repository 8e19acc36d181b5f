"""softmax and log_softmax: primitives, because one pass with the maximum taken out is both stable and fast."""

from __future__ import annotations

from .._base import dtypes
from .._base.checks import wrap_dim
from ..runtime.elementwise import in_opmath
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.promotion import TO_DTYPE
from ..runtime.tensor import Tensor


def _check(name: str, input: Meta, dim: int) -> Meta:
    wrap_dim(dim, input.ndim)
    if not input.dtype.is_floating_point:
        raise _not_implemented(name, input.dtype.name)
    return input


def _not_implemented(name: str, found: str) -> NotImplementedError:
    return NotImplementedError(f'"{name}" not implemented for {found}; it takes float dtypes')


@primitive(promote=TO_DTYPE, onnx="Softmax", opmath=True)
def softmax(input: Meta, dim: int, *, dtype: dtypes.dtype | None = None):
    """exp(x) over the sum of exp(x) along `dim`.

    >>> import flambeau
    >>> flambeau.softmax(flambeau.tensor([1.0, 1.0]), 0)
    tensor([0.5000, 0.5000])
    """
    return _check("softmax", input, dim)


@softmax.kernel
def _(xp, x, *, dim, dtype):
    _needs_float("softmax", x)
    if not x.ndim:
        wrap_dim(dim, 0)
        return xp.ones_like(x)
    if not x.size:
        wrap_dim(dim, x.ndim)
        return x.copy()
    out = x - x.max(axis=dim, keepdims=True)
    xp.exp(out, out=out)
    out /= out.sum(axis=dim, keepdims=True)
    return xp.ascontiguousarray(out)


def _needs_float(name, x):
    if x.dtype.kind in "iubc":
        raise _not_implemented(name, x.dtype.name)


@softmax.vjp
def _(g, out, _x, *, dim):
    def rule(g: Tensor, out: Tensor) -> Tensor:
        weighted = g * out
        return weighted - out * weighted.sum(dim, True) if out.ndim else weighted * 0

    return in_opmath(rule, g, out)


@softmax.batch
def _(size, batched, x, *, dim, dtype):
    return softmax(x, wrap_dim(dim, x.ndim - 1) + 1) if x.ndim > 1 else x * 0 + 1


@primitive(promote=TO_DTYPE, onnx="LogSoftmax", opmath=True)
def log_softmax(input: Meta, dim: int, *, dtype: dtypes.dtype | None = None):
    """log(softmax(x)), without losing the small ones.

    >>> import flambeau
    >>> flambeau.log_softmax(flambeau.tensor([1.0, 1.0]), 0)
    tensor([-0.6931, -0.6931])
    """
    return _check("log_softmax", input, dim)


@log_softmax.kernel
def _(xp, x, *, dim, dtype):
    _needs_float("log_softmax", x)
    if not x.ndim:
        wrap_dim(dim, 0)
        return xp.zeros_like(x)
    if not x.size:
        wrap_dim(dim, x.ndim)
        return x.copy()
    out = x - x.max(axis=dim, keepdims=True)
    out -= xp.log(xp.exp(out).sum(axis=dim, keepdims=True))
    return xp.ascontiguousarray(out)


@log_softmax.vjp
def _(g, out, _x, *, dim):
    def rule(g: Tensor, out: Tensor) -> Tensor:
        return g - out.exp() * g.sum(dim, True) if out.ndim else g * 0

    return in_opmath(rule, g, out)


@log_softmax.batch
def _(size, batched, x, *, dim, dtype):
    return log_softmax(x, wrap_dim(dim, x.ndim - 1) + 1) if x.ndim > 1 else x * 0


@composite(method=False)
def softmin(input: Tensor, dim: int, *, dtype: dtypes.dtype | None = None):
    """softmax of the negated input.

    >>> import flambeau
    >>> flambeau.nn.functional.softmin(flambeau.tensor([1.0, 1.0]), 0)
    tensor([0.5000, 0.5000])
    """
    return softmax(-input, dim, dtype=dtype)
