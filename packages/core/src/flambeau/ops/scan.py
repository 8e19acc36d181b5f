"""Running sums and products along a dimension."""

from __future__ import annotations

from .._base import dtypes
from .._base.checks import wrap_dim
from ..runtime import state
from ..runtime.families import primitive
from ..runtime.meta import Meta
from ..runtime.promotion import BOOL_TO_INT
from ..runtime.tensor import Tensor

SMALL = 1 << 12  # elements up to which gradients are computed in NumPy's calls


@primitive(promote=BOOL_TO_INT, linear=True, ints=("dim",))
def cumsum(input: Meta, dim: int, *, dtype: dtypes.dtype | None = None):
    """Running sum along `dim`.

    >>> import flambeau
    >>> flambeau.cumsum(flambeau.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    wrap_dim(dim, input.ndim)
    return input


@cumsum.kernel
def _(xp, x, *, dim, dtype):
    return _running(xp, xp.cumsum, x, dim)


_FOLDS = {"cumsum": "add", "cumprod": "multiply"}


def _running(xp, f, x, dim):
    """Running results, which PyTorch keeps in the next wider float: errors of single steps do not add up."""
    if not x.ndim:
        wrap_dim(dim, 0)
        return x.copy()
    if x.dtype.char in "fd" and f.__name__ in _FOLDS and xp.at_hand:  # past NumPy's own wrapper
        made = getattr(xp, _FOLDS[f.__name__]).accumulate(x, dim, "d")
        return made if x.dtype.char == "d" else made.astype(x.dtype)
    wide = "float64" if x.dtype.char == "f" else _WIDER.get(x.dtype.name, x.dtype)
    return f(x, axis=dim, dtype=wide).astype(x.dtype, copy=False)


_WIDER = {
    "float32": "float64",
    "float16": "float32",
    "bfloat16": "float32",
    "complex64": "complex128",
}


@cumsum.vjp
def _(g, _out, x: Meta, *, dim):
    return g.flip(dim).cumsum(dim).flip(dim) if x.ndim else g


@cumsum.raw_vjp
def _(xp, g, _out, x, *, dim, dtype):
    if not x.ndim or g.size > SMALL or g.dtype.char not in "fd":
        return NotImplemented
    back = (*(slice(None),) * (dim % x.ndim), slice(None, None, -1))
    return _running(xp, xp.cumsum, g[back], dim)[back]


@cumsum.batch
def _(size, batched, x, *, dim, dtype):
    return cumsum(x, wrap_dim(dim, x.ndim - 1) + 1) if x.ndim > 1 else x.clone()


@cumsum.onnx
def _(builder, x, *, dim, dtype):
    return builder.node("CumSum", [x, builder.scalar(dim)])


@primitive(promote=BOOL_TO_INT, ints=("dim",))
def cumprod(input: Meta, dim: int, *, dtype: dtypes.dtype | None = None):
    """Running product along `dim`.

    >>> import flambeau
    >>> flambeau.cumprod(flambeau.tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """
    wrap_dim(dim, input.ndim)
    return input


@cumprod.kernel
def _(xp, x, *, dim, dtype):
    return _running(xp, xp.cumprod, x, dim)


@cumprod.vjp
def _(g, out, x, *, dim):
    if not x.ndim:
        return g
    d = wrap_dim(dim, x.ndim)
    if not (x._level or g._level or state.local.modes) and not bool((x == 0).any()):
        # d out[k] / d x[i] is out[k] / x[i] for k >= i.
        back = (g * _conjugate(out)).flip(d).cumsum(d).flip(d)
        return back / _conjugate(x)
    # Where elements are zero, or nobody may look: the products of x[0..k] without x[i], summed over k by rows of a
    # lower-triangular table.
    from .creation import eye, tril

    moved, gm = x.movedim(d, -1), g.movedim(d, -1)
    n = moved.shape[-1]
    unit = eye(n, dtype=x.dtype, device=x.device)
    without = moved.unsqueeze(-2) * (1 - unit) + unit  # [..., i, k]: x[k], with 1 at k = i
    table = _conjugate(tril(without.cumprod(-1).mT).mT)  # k < i does not depend on x[i]
    return (table * gm.unsqueeze(-2)).sum(-1).movedim(-1, d)


def _conjugate(x: Tensor) -> Tensor:
    return x.conj() if x.is_complex() else x


@cumprod.batch
def _(size, batched, x, *, dim, dtype):
    return cumprod(x, wrap_dim(dim, x.ndim - 1) + 1) if x.ndim > 1 else x.clone()


cumprod.refuse("onnx", "ONNX has no running product")
