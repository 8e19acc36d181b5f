"""Norms of vectors and matrices."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.checks import check, fail, wrap_dim, wrap_dims
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.reduce import reduced_shape
from ..runtime.tape import record
from ..runtime.tensor import Tensor
from .complex import sgn
from .matrices import check_floating, scalar_name
from .reduction import amax, amin, norm2, spread, sum
from .reduction import usual as is_usual

INF = float("inf")


@primitive(method=False)
def p_norm(input: Meta, ord: float, dim: object, keepdim: bool):
    """(sum of |x|^ord)^(1/ord) over `dim`, and for 0 how many are not zero; its gradient at zero is zero."""
    real = input.dtype.to_real() if input.dtype.is_complex else None
    return input.like(reduced_shape(input.shape, dim, keepdim), real)


@p_norm.kernel
def _(xp, x, *, ord, dim, keepdim):
    dims = wrap_dims(dim, x.ndim)
    dims = dims if x.ndim else ()
    size = xp.abs(x)
    kind = size.dtype
    if kind.itemsize == 2:  # summed in float32 and rounded once
        size = size.astype("float32")
    if ord == 0:
        return xp.sum(size != 0, axis=dims, keepdims=keepdim).astype(kind)
    return (xp.sum(size**ord, axis=dims, keepdims=keepdim) ** (1.0 / ord)).astype(kind)


@p_norm.vjp
def _(g, out, x, *, ord, dim, keepdim):
    """sgn(x) |x|^(p - 1) g / norm^(p - 1)"""
    if ord == 0:
        return None
    like = x._meta
    norm = spread(out, like, dim, keepdim)
    size = x.abs()
    nothing = size == 0
    along = sgn(x) * size.masked_fill(nothing, 1) ** (ord - 1)
    scale = spread(g, like, dim, keepdim) * norm.masked_fill(norm == 0, 1) ** (1 - ord)
    return (along * scale).masked_fill(nothing | (norm == 0), 0)


@p_norm.batch
def _(size, flags, x, *, ord, dim, keepdim):
    if x.ndim == 1:
        return p_norm(x.unsqueeze(1), ord, 1, False)
    return p_norm(x, ord, tuple(d + 1 for d in wrap_dims(dim, x.ndim - 1)), keepdim)


@p_norm.onnx
def _(builder, x, *, ord, dim, keepdim):
    summed = builder.node("Pow", [builder.node("Abs", [x]), builder.scalar_like(x, float(ord))])
    if builder.metas[x].shape:
        dims = wrap_dims(dim, len(builder.metas[x].shape))
        summed = builder.node("ReduceSum", [summed, builder.ints(dims)], keepdims=int(keepdim))
    return builder.node("Pow", [summed, builder.scalar_like(x, 1.0 / ord)])


def vector_norm(x: Tensor, ord: float, dim: Any, keepdim: bool) -> Tensor:
    """The norm over `dim` (None: over everything), by whichever way is exact at zero and at infinity."""
    if ord == 2:
        return norm2(x, dim, keepdim)
    if ord == 1:
        return sum(x.abs(), dim, keepdim)
    if ord in (INF, -INF):
        return (amax if ord > 0 else amin)(x.abs(), () if dim is None else dim, keepdim)
    return p_norm(x, ord, dim, keepdim)


def _in_dtype(name: str, x: Tensor, kind: Any) -> Tensor:
    """x in the dtype asked for, which must hold all its values."""
    if kind is None or kind is x.dtype:
        return x
    got, wanted = scalar_name(x), _scalar(kind)
    check(
        kind.is_floating_point or kind.is_complex,
        lambda: f"{name}: dtype should be floating point or complex, but got {wanted}",
    )
    check(
        x.is_complex() == kind.is_complex,
        lambda: (
            f"{name}: dtype should be {'complex' if x.is_complex() else 'real'} for "
            f"{'complex' if x.is_complex() else 'real'} inputs, but got {wanted}"
        ),
    )
    check(
        dtypes.promote_types(x.dtype, kind) is kind,
        lambda: (
            f"{name}: the dtype of the input ({got}) should be convertible without narrowing to the specified "
            f"dtype ({wanted})"
        ),
    )
    return x.to(kind)


def _scalar(kind: Any) -> str:
    from .matrices import SCALARS

    return SCALARS.get(kind.name, kind.name)


def check_vector(name: str, x: Tensor) -> None:
    """Refuses what is neither of floating point nor complex."""
    kind = x.dtype
    check(
        kind.is_floating_point or kind.is_complex,
        lambda: (
            f"{name}: Expected a floating point or complex tensor as input. Got {scalar_name(x)}"
        ),
    )


@composite(method=False)
def linalg_vector_norm(
    input: Tensor,
    ord: float = 2,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
):
    """p-norm of all elements or over `dim`, as of one vector.

    >>> import flambeau
    >>> flambeau.linalg.vector_norm(flambeau.tensor([[3.0], [4.0]]))
    tensor(5.)
    """
    name = "linalg.vector_norm"
    check(
        isinstance(ord, (int, float)),
        lambda: (
            f"linalg_vector_norm(): argument 'ord' (position 2) must be Number, not {type(ord).__name__}"
        ),
        TypeError,
    )
    check_vector(name, input)
    input = _in_dtype(name, input, dtype)
    if not input.numel() and (ord < 0 or ord == INF):
        _check_identity(name, input, ord, dim)
        shape = reduced_shape(tuple(input.shape), dim, keepdim)
        kind = input.dtype.to_real() if input.dtype.is_complex else input.dtype
        return input.new_zeros(shape, dtype=kind)
    return vector_norm(input, ord, dim, keepdim)


def _check_identity(name: str, x: Tensor, ord: float, dim: Any) -> None:
    if dim is None or dim == ():
        fail(
            f"{name} cannot compute the {ord} norm on an empty tensor because the operation does not have an identity"
        )
    for d in wrap_dims(dim, x.ndim):
        check(
            x.shape[d],
            lambda: (
                f"{name} cannot compute the {ord} norm on the dimension {d}"
                "because this dimension is empty and the operation does not have an identity"
            ),
        )


@composite(method=False)
def linalg_matrix_norm(
    input: Tensor,
    ord: float | str = "fro",
    dim: int | tuple[int, ...] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
):
    """Norm of matrices: "fro", "nuc", inf, -inf, 1, -1, 2, -2.

    >>> import flambeau
    >>> flambeau.linalg.matrix_norm(flambeau.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    name = "linalg.matrix_norm"
    check_vector(name, input)
    check(
        input.ndim >= 2,
        lambda: f"{name}: The input tensor A must have at least 2 dimensions.",
    )
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    check(
        len(dims) == 2,
        lambda: f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, dims))}",
    )
    a, b = wrap_dim(dims[0], input.ndim), wrap_dim(dims[1], input.ndim)
    check(a != b, lambda: f"{name}: dims must be different. Got ({dims[0]}, {dims[1]})")
    known = ("fro", "nuc") if isinstance(ord, str) else (2, -2, 1, -1, INF, -INF)
    check(ord in known, lambda: f"{name}: Order {ord} not supported.")
    input = _in_dtype(name, input, dtype)
    if ord == "fro":
        return norm2(input, (a, b), keepdim)
    if ord in ("nuc", 2, -2):
        return _by_singular_values(name, input, ord, a, b, keepdim)
    order = float(ord)
    first, second = (a, b) if abs(order) == 1 else (b, a)
    sizes = sum(input.abs(), first, True)
    # Of no columns the largest sum is zero; the smallest does not exist, which amin says.
    out = (
        amax(sizes, second, True)
        if order > 0 and input.shape[second]
        else (sum(sizes, second, True) if order > 0 else amin(sizes, second, True))
    )
    return out if keepdim else _without(out, a, b)


def _without(x: Tensor, a: int, b: int) -> Tensor:
    for d in sorted((a, b), reverse=True):
        x = x.squeeze(d)
    return x


def _by_singular_values(name: str, A: Tensor, ord: Any, a: int, b: int, keepdim: bool) -> Tensor:
    from .spectra import singular_values

    check_floating(name, A)
    values = singular_values(A.movedim((a, b), (-2, -1)))
    if ord == "nuc" or (ord == 2 and not values.shape[-1]):
        out = sum(values, -1)
    else:
        out = amax(values, -1) if ord == 2 else amin(values, -1)
    if keepdim:
        for d in sorted((a, b)):
            out = out.unsqueeze(d)
    return out


@composite(method=False)
def linalg_norm(
    input: Tensor,
    ord: float | str | None = None,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
):
    """Vector norm over one dimension (or of everything, where neither `ord` nor `dim` says otherwise), matrix norm over two.

    >>> import flambeau
    >>> flambeau.linalg.norm(flambeau.tensor([3.0, 4.0]))
    tensor(5.)
    """
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if dims is not None:
        check(
            len(dims) in (1, 2),
            lambda: (
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}"
            ),
        )
    elif ord is not None:
        check(
            input.ndim in (1, 2) or isinstance(ord, str),
            lambda: (
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {input.ndim}D."
            ),
        )
        check(
            input.ndim in (1, 2) or input.ndim < 2,
            lambda: (
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {input.ndim}D."
            ),
        )
    if isinstance(ord, str):
        given = (-2, -1) if dims is None else dims
        return linalg_matrix_norm(input, ord, given, keepdim, dtype=dtype)
    if ord is not None and (len(dims) == 2 if dims is not None else input.ndim == 2):
        given = (-2, -1) if dims is None else dims
        return linalg_matrix_norm(input, ord, given, keepdim, dtype=dtype)
    return linalg_vector_norm(input, 2 if ord is None else ord, dims, keepdim, dtype=dtype)


@linalg_norm.small
def _(xp, x, *, ord, dim, keepdim, dtype):
    if dtype is not None or not is_usual(x, dim) or type(dim) is tuple:
        return NotImplemented
    if ord is not None and (ord != 2 or dim is None):
        return NotImplemented
    return xp.sqrt(xp.add.reduce(x * x, dim, None, None, keepdim))


@linalg_vector_norm.small
def _(xp, x, *, ord, dim, keepdim, dtype):
    if dtype is not None or ord != 2 or not is_usual(x, dim):
        return NotImplemented
    return xp.sqrt(xp.add.reduce(x * x, dim, None, None, keepdim))


@linalg_norm.small_record
@linalg_vector_norm.small_record
def _(made, x, /, *, dim, keepdim, **_):
    record(norm2.op, made, (x,), {"dim": dim, "keepdim": keepdim})


def norm_of(input: Tensor, p: Any, dim: Any, keepdim: bool, dtype: Any) -> Tensor:
    """`flambeau.norm`, PyTorch's older function: "fro" and "nuc" are matrix norms, numbers vector norms over any dimensions."""
    if isinstance(p, Tensor):
        p = p.item()
    if p == "fro" and (dim is None or isinstance(dim, int) or len(dim) <= 2):
        return linalg_vector_norm(input, 2, dim, keepdim, dtype=dtype)
    if isinstance(p, str):
        given = dim if dim is not None else (0, 1) if input.ndim == 2 else tuple(range(input.ndim))
        return linalg_matrix_norm(input, p, given, keepdim, dtype=dtype)
    return linalg_vector_norm(input, 2 if p is None else p, dim, keepdim, dtype=dtype)
