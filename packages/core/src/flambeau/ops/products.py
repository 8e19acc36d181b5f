"""Further products of vectors and matrices, and what is made of them: distances, covariances."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.checks import broadcast_shapes, check, same_dtypes, wrap_dim
from ..runtime.dispatch import write_out
from ..runtime.families import composite
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .creation import ones
from .joining import cat, stack
from .matrices import has_values, scalar_name
from .matrix import bmm, dot, matmul, mixed, mv, outer
from .norms import check_vector, vector_norm
from .reduction import mean, sum
from .slices import diagonal_grad


@composite
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1):
    """beta * input + alpha * (mat @ vec).

    >>> import flambeau
    >>> flambeau.addmv(flambeau.ones(2), flambeau.ones(2, 3), flambeau.ones(3))
    tensor([4., 4.])
    """
    return mixed("addmv", input, mv, (mat, vec), beta, alpha)


@composite
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1):
    """beta * input + alpha * the sum of batch1[i] @ batch2[i].

    >>> import flambeau
    >>> flambeau.addbmm(flambeau.zeros(1, 1), flambeau.ones(4, 1, 3), flambeau.ones(4, 3, 1))
    tensor([[12.]])
    """

    def total(a: Tensor, b: Tensor) -> Tensor:
        return bmm(a, b).sum(0)

    return mixed("addbmm", input, total, (batch1, batch2), beta, alpha)


@composite
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1):
    """beta * input + alpha * (vec1 outer vec2). Of bools sums are "or", products "and".

    >>> import flambeau
    >>> flambeau.addr(flambeau.zeros(2, 2), flambeau.tensor([1.0, 2.0]), flambeau.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    check(
        vec1.ndim == 1 and vec2.ndim == 1,
        lambda: (
            f"addr: Expected 1-D argument vec{1 if vec1.ndim != 1 else 2}, but got "
            f"{(vec1 if vec1.ndim != 1 else vec2).ndim}-D"
        ),
    )
    if input.dtype is vec1.dtype is vec2.dtype:
        return mixed("addr", input, outer, (vec1, vec2), beta, alpha)
    product = outer(vec1, vec2)  # alone among these, it promotes
    input = input.expand(product.shape)
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else product + (input if beta == 1 else input * beta)


@composite
def vdot(input: Tensor, other: Tensor):
    """Product of two vectors, the first conjugated.

    >>> import flambeau
    >>> flambeau.vdot(flambeau.tensor([1j]), flambeau.tensor([1j]))
    tensor(1.+0.j)
    """
    return dot(input.conj(), other)


@composite
def inner(input: Tensor, other: Tensor):
    """Sums of products over the last dimensions of both.

    >>> import flambeau
    >>> flambeau.inner(flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """
    if not input.ndim or not other.ndim:
        return input * other
    check(
        input.shape[-1] == other.shape[-1],
        lambda: (
            f"inner() the last dimension must match on both input tensors but got shapes {list(input.shape)} and "
            f"{list(other.shape)}"
        ),
    )
    return tensordot(input, other, dims=([-1], [-1]))


@composite(method=False)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Any = None):
    """Products summed over `dims`: the last of a with the first of b, or a pair of lists of dimensions.

    A contracted dimension of size one broadcasts.

    >>> import flambeau
    >>> flambeau.tensordot(flambeau.ones(2, 3), flambeau.ones(3, 4), dims=1).shape
    flambeau.Size([2, 4])
    """
    left, right = _contracted(a, b, dims)
    for i, j in zip(left, right):
        n, m = a.shape[i], b.shape[j]
        check(
            n == m or n == 1 or m == 1,
            lambda: (
                f"contracted dimensions need to match, but first has size {n} in dim {i} and second has size {m} in dim {j}"
            ),
        )
        if n != m:  # as if the one were repeated: the sum over the other
            a, b = (a, sum(b, j, True)) if n == 1 else (sum(a, i, True), b)
    rows = [d for d in range(a.ndim) if d not in left]
    columns = [d for d in range(b.ndim) if d not in right]
    above, beside = [a.shape[d] for d in rows], [b.shape[d] for d in columns]
    count = _numel(a.shape[d] for d in left)
    made = matmul(
        a.permute([*rows, *left]).reshape(_numel(above), count),
        b.permute([*right, *columns]).reshape(count, _numel(beside)),
    ).reshape(above + beside)
    return made if out is None else write_out(tensordot.op, out, made)


def _contracted(a: Tensor, b: Tensor, dims: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        check(dims >= 0, lambda: f"tensordot expects dims >= 0, but got dims={dims}")
        check(
            dims <= min(a.ndim, b.ndim),
            lambda: f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}",
        )
        return tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    check(
        isinstance(dims, (list, tuple))
        and len(dims) == 2
        and not any(isinstance(d, str) for d in dims),
        lambda: (
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing two lists, "
            f"but got dims={dims}"
        ),
    )
    left, right = ((d,) if isinstance(d, int) else tuple(d) for d in dims)
    check(len(left) == len(right), lambda: "both dimension lists should have same length")
    return tuple(wrap_dim(d, a.ndim) for d in left), tuple(wrap_dim(d, b.ndim) for d in right)


def _numel(sizes: Any) -> int:
    n = 1
    for s in sizes:
        n *= s
    return n


@composite
def kron(input: Tensor, other: Tensor):
    """Kronecker product: every element of `input` times all of `other`.

    >>> import flambeau
    >>> flambeau.kron(flambeau.tensor([1, 2]), flambeau.tensor([1, 10]))
    tensor([ 1, 10,  2, 20])
    """
    rank = max(input.ndim, other.ndim)
    a = [1] * (rank - input.ndim) + list(input.shape)
    b = [1] * (rank - other.ndim) + list(other.shape)
    left = input.reshape([x for n in a for x in (n, 1)])
    right = other.reshape([x for n in b for x in (1, n)])
    return (left * right).reshape([n * m for n, m in zip(a, b)])


@composite
def trace(input: Tensor):
    """Sum of a matrix's diagonal.

    >>> import flambeau
    >>> flambeau.trace(flambeau.eye(3))
    tensor(3.)
    """
    check(
        input.ndim == 2, lambda: f"trace: expected a matrix, but got tensor with dim {input.ndim}"
    )
    return input.diagonal().sum()


@trace.small
def _(xp, x):
    if x.ndim != 2 or x.dtype.char not in "fd" or min(x.shape) > 1 << 12:
        return NotImplemented
    return xp.add.reduce(x.diagonal())


trace.op.tags["small_most"] = 1 << 62  # a diagonal is short


@trace.small_vjp
def _(g, _out, x: Meta):
    return diagonal_grad(g.expand(min(x.shape)), x.shape, 0, 0, 1)


@composite
def cross(input: Tensor, other: Tensor, dim: int | None = None):
    """Cross product of vectors of three along `dim` (the first of size three unless given).

    >>> import flambeau
    >>> flambeau.cross(flambeau.tensor([1.0, 0.0, 0.0]), flambeau.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if dim is None:
        found = [i for i, n in enumerate(input.shape) if n == 3]
        check(found, lambda: "no dimension of size 3 in input")
        dim = found[0]
    return linalg_cross(input, other, dim=dim)


@composite(method=False)
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1):
    """Cross product of vectors of three along `dim`.

    >>> import flambeau
    >>> flambeau.linalg.cross(flambeau.tensor([1.0, 0.0, 0.0]), flambeau.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    check(
        input.ndim == other.ndim,
        lambda: "linalg.cross: inputs must have the same number of dimensions.",
    )
    wrap_dim(dim, input.ndim)
    same_dtypes("linalg.cross", input, other)
    check(
        input.shape[dim] == 3 and other.shape[dim] == 3,
        lambda: (
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[dim]} and {other.shape[dim]}"
        ),
    )
    shape = broadcast_shapes(tuple(input.shape), tuple(other.shape))
    kind = input.dtype
    low = kind.itemsize == 2 and kind.is_floating_point
    if low:  # products and their difference in float32, rounded once
        input, other = input.float(), other.float()
    (a, b, c), (x, y, z) = input.expand(shape).unbind(dim), other.expand(shape).unbind(dim)
    made = stack([b * z - c * y, c * x - a * z, a * y - b * x], wrap_dim(dim, len(shape)))
    return made.to(kind) if low else made


def check_same_scalars(a: Tensor, b: Tensor) -> None:
    """Refuses two tensors of different dtypes; PyTorch's kernel looks at the first one's before."""
    check(
        a.dtype is b.dtype,
        lambda: f"expected scalar type {scalar_name(a)} but found {scalar_name(b)}",
        NotImplementedError if a.dtype.itemsize == 2 else RuntimeError,
    )


@composite(method=False)
def cdist(
    x1: Tensor,
    x2: Tensor,
    p: float = 2.0,
    compute_mode: str = "use_mm_for_euclid_dist_if_necessary",
):
    """p-norm distances between every row of x1 and every row of x2.

    >>> import flambeau
    >>> flambeau.cdist(flambeau.zeros(1, 2), flambeau.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    check(
        x1.ndim >= 2 and x2.ndim >= 2,
        lambda: f"cdist only supports at least 2D tensors, X1 got: {x1.ndim}D, X2 got: {x2.ndim}D",
    )
    check(
        x1.shape[-1] == x2.shape[-1],
        lambda: (
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        ),
    )
    for letter, x in (("X1", x1), ("X2", x2)):
        check(
            x.dtype.is_floating_point,
            lambda: f"cdist only supports floating-point dtypes, {letter} got: {x.dtype.name}",
        )
    check_same_scalars(x1, x2)
    check(p >= 0, lambda: "cdist only supports non-negative p values")
    check(
        compute_mode in _MODES,
        lambda: f"{compute_mode} is not a valid value for compute_mode",
        ValueError,
    )
    many = max(x1.shape[-2], x2.shape[-2]) > 25
    if p == 2 and (compute_mode == _MODES[1] or (compute_mode == _MODES[0] and many)):
        return _by_products(x1, x2)
    return _distance(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)


@cdist.small
def _(xp, x, y, *, p, compute_mode):
    if p != 2 or compute_mode not in _MODES or x.ndim < 2 or y.ndim < 2 or x.dtype is not y.dtype:
        return NotImplemented
    if x.dtype.char not in "fd" or x.shape[-1] != y.shape[-1] or x.size * y.shape[-2] > 1 << 12:
        return NotImplemented
    apart = x[..., :, None, :] - y[..., None, :, :]
    return xp.sqrt(xp.add.reduce(apart * apart, -1))


_MODES = (
    "use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist",
)  # fmt: skip


def _distance(x: Tensor, p: float) -> Tensor:
    if not x.shape[-1]:
        return sum(x, -1)
    made = vector_norm(x, p, -1, False)
    if p:
        return made
    # How many differ does not move: a gradient of zeros, where PyTorch's norm has none at all.
    return made + sum(x.masked_fill(x.new_ones((), dtype=dtypes.bool_), 0), -1)


def _by_products(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances from |x|^2 - 2 x.y + |y|^2, as one product: less memory and far less time for many rows."""
    xx, yy = sum(x * x, -1, True), sum(y * y, -1, True)
    left = cat([x * -2, xx, xx.new_ones(tuple(xx.shape))], -1)
    right = cat([y, yy.new_ones(tuple(yy.shape)), yy], -1)
    squares = matmul(left, right.mT)
    nothing = squares <= 0  # rounding, or the same point: where the root has no gradient
    return squares.masked_fill(nothing, 1).sqrt().masked_fill(nothing, 0)


@composite
def dist(input: Tensor, other: Tensor, p: float = 2):
    """p-norm of the difference.

    >>> import flambeau
    >>> flambeau.dist(flambeau.zeros(2), flambeau.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return vector_norm(input - other, float(p), None, False)


@composite(ints=("dim",))
def renorm(input: Tensor, p: float, dim: int, maxnorm: float):
    """Slices along `dim` whose p-norm exceeds `maxnorm` scaled down to it.

    >>> import flambeau
    >>> flambeau.renorm(flambeau.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    check(not isinstance(p, complex), lambda: "renorm: p must be real-valued")
    check(p > 0, lambda: "renorm: non-positive-norm not supported")
    check(not isinstance(maxnorm, complex), lambda: "renorm: maxnorm must be real-valued")
    check(maxnorm >= 0, lambda: f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    check(
        input.ndim > 1,
        lambda: f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions",
    )
    check_vector("linalg.vector_norm", input)
    d = wrap_dim(dim, input.ndim)
    others = tuple(i for i in range(input.ndim) if i != d)
    kind = input.dtype
    x = input.float() if kind.itemsize == 2 else input
    size = vector_norm(x, float(p), others, True)
    # The factor of slices that are short enough is one, and does not move with them.
    long = size > maxnorm
    factor = (maxnorm / (size.masked_fill(~long, 1) + 1e-7)).masked_fill(~long, 1.0)
    return (x * factor).to(kind)


@composite(ints=("correction",))
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
):
    """Covariances of the rows (variables) over the columns (observations), weighted if asked.

    >>> import flambeau
    >>> flambeau.cov(flambeau.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    check(
        input.ndim <= 2,
        lambda: (
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        ),
    )
    check(input.dtype is not dtypes.bool_, lambda: "cov(): bool dtype is not supported for input")
    kind = input.dtype if input.dtype.category >= dtypes.FLOAT else dtypes.get_default_dtype()
    x = input.reshape(1, -1) if input.ndim < 2 else input
    x = x.float() if kind.itemsize == 2 else x.to(kind)
    count = x.shape[1]
    if fweights is not None:
        _check_weights("fweights", fweights, count, "integral", fweights.dtype.category)
    if aweights is not None:
        _check_weights("aweights", aweights, count, "floating point", aweights.dtype.category)
        kind = dtypes.promote_types(kind, aweights.dtype)
        x = x.to(dtypes.promote_types(x.dtype, aweights.dtype))
    w = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    if w is None:
        centred = x - mean(x, 1, True)
        left = max(count - correction, 0)
        out = matmul(centred, _adjoint(centred)) / float(left)
    else:
        total = w.sum()
        check(
            not has_values(total) or bool(total != 0),
            lambda: "cov(): weights sum to zero, can't be normalized",
        )
        centred = x - (x * w).sum(1, True) / total
        if correction == 0:
            left = total
        elif aweights is None:
            left = total - correction
        else:
            left = total - correction * (w * aweights).sum() / total
        left = left.to(x.real.dtype if x.is_complex() else x.dtype)
        out = matmul(centred * w, _adjoint(centred)) / left.clamp(min=0)
    return out.to(kind).squeeze()


def _adjoint(x: Tensor) -> Tensor:
    return x.mT.conj() if x.is_complex() else x.mT


def _check_weights(name: str, w: Tensor, count: int, kind: str, category: int) -> None:
    check(
        w.ndim <= 1,
        lambda: (
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.ndim} dimensions"
        ),
    )
    check(
        category == (dtypes.INT if kind == "integral" else dtypes.FLOAT),
        lambda: (
            f"cov(): expected {name} to have {kind} dtype but got {name} with {w.dtype.name} dtype"
        ),
    )
    check(
        w.numel() == count,
        lambda: (
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{w.numel()} numel, expected {count}"
        ),
    )
    check(
        not (has_values(w) and w.numel()) or bool(w.min() >= 0),
        lambda: f"cov(): {name} cannot be negative",
    )


@composite
def corrcoef(input: Tensor):
    """Correlations of the rows (variables) over the columns (observations).

    >>> import flambeau
    >>> flambeau.corrcoef(flambeau.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    check(
        input.ndim <= 2,
        lambda: (
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        ),
    )
    kind = input.dtype
    c = cov(input.float() if kind.itemsize == 2 and kind.is_floating_point else input)
    if not c.ndim:
        return (c / c).to(kind) if kind.category >= dtypes.FLOAT else c / c
    variance = c.diagonal()
    spread = (variance.real if c.is_complex() else variance).sqrt()
    made = c / spread.unsqueeze(1) / spread
    if not made.is_complex():  # rounding may leave the interval
        made = made.clamp(-1, 1)
    return made.to(kind) if kind.category >= dtypes.FLOAT else made


@composite(method=False)
def vander(x: Tensor, N: int | None = None, increasing: bool = False):
    """Powers of a vector's elements as columns, falling unless `increasing`.

    >>> import flambeau
    >>> flambeau.vander(flambeau.tensor([2, 3]), 3)
    tensor([[4, 2, 1],
            [9, 3, 1]])
    """
    check(x.ndim == 1, lambda: "x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    check(
        isinstance(n, int),
        lambda: f"vander(): argument 'N' (position 2) must be int, not {type(n).__name__}",
        TypeError,
    )
    check(n >= 0, lambda: "N must be non-negative.")
    made = _powers(x, n)
    return made if increasing else made.flip(-1)


@composite(method=False, ints=("N",))
def linalg_vander(x: Tensor, *, N: int | None = None):
    """Powers 0 to N - 1 of each element, in a new last dimension; N is the size of the last dimension unless given.

    >>> import flambeau
    >>> flambeau.linalg.vander(flambeau.tensor([2, 3]), N=3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    check(
        x.ndim or N is not None,
        lambda: "N must be greater than 1.",
    )
    kind = x.dtype
    check(
        kind is not dtypes.bool_ and not (kind.itemsize == 2 and kind.is_floating_point),
        lambda: (
            f"linalg.vander supports floating point, complex, and integer tensors, but got {scalar_name(x)}"
        ),
    )
    n = x.shape[-1] if N is None else N
    check(n > 1, lambda: "N must be greater than 1.")
    x = x if kind.category >= dtypes.FLOAT else x.long()
    return _powers(x if x.ndim else x.reshape(1), n)


def _powers(x: Tensor, n: int) -> Tensor:
    shape = tuple(x.shape)
    kind = x.dtype if x.dtype is not dtypes.bool_ else dtypes.int64
    if not n:
        return x.new_zeros((*shape, 0), dtype=kind)
    one = ones((*shape, 1), dtype=kind, device=x.device)
    if n == 1:
        return one
    if n <= 8:
        columns = [one.squeeze(-1), x.to(kind)]
        while len(columns) < n:
            columns.append(columns[-1] * x)
        return stack(columns, -1)
    return cat([one, x.unsqueeze(-1).expand(*shape, n - 1).cumprod(-1)], -1)


@composite(method=False, ints=("dim",))
def linalg_vecdot(x: Tensor, y: Tensor, *, dim: int = -1):
    """Sum of conj(x) * y over `dim`.

    >>> import flambeau
    >>> flambeau.linalg.vecdot(flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """
    same_dtypes("linalg.vecdot", x, y)
    left = x.conj() if x.is_complex() else x
    if left.dtype.itemsize == 2:  # products and sums in float32, rounded once
        return (left.float() * y.float()).sum(dim).to(left.dtype)
    return (left * y).sum(dim)
