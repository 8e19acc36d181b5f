"""Further products of vectors and matrices, and what is made of them: distances, covariances."""

from __future__ import annotations

from .._base.checks import broadcast_shapes, check, wrap_dim, wrap_dims
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .arithmetic import clamp
from .joining import stack
from .matrix import bmm, dot, matmul, mv, outer
from .reduction import mean, norm, sum


def _mixed(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else product + (input if beta == 1 else input * beta)


@composite
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1):
    """beta * input + alpha * (mat @ vec).

    >>> import flambeau
    >>> flambeau.addmv(flambeau.ones(2), flambeau.ones(2, 3), flambeau.ones(3))
    tensor([4., 4.])
    """
    return _mixed(input, mv(mat, vec), beta, alpha)


@composite
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1):
    """beta * input + alpha * the sum of batch1[i] @ batch2[i].

    >>> import flambeau
    >>> flambeau.addbmm(flambeau.zeros(1, 1), flambeau.ones(4, 1, 3), flambeau.ones(4, 3, 1))
    tensor([[12.]])
    """
    return _mixed(input, bmm(batch1, batch2).sum(0), beta, alpha)


@composite
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1):
    """beta * input + alpha * (vec1 outer vec2).

    >>> import flambeau
    >>> flambeau.addr(flambeau.zeros(2, 2), flambeau.tensor([1.0, 2.0]), flambeau.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    return _mixed(input, outer(vec1, vec2), beta, alpha)


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
def tensordot(a: Tensor, b: Tensor, dims: int | tuple = 2):
    """Products summed over `dims`: the last of a with the first of b, or a pair of lists of dimensions.

    >>> import flambeau
    >>> flambeau.tensordot(flambeau.ones(2, 3), flambeau.ones(3, 4), dims=1).shape
    flambeau.Size([2, 4])
    """
    if isinstance(dims, int):
        left, right = tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    else:
        left, right = (tuple(d) if not isinstance(d, int) else (d,) for d in dims)
        left = tuple(wrap_dim(d, a.ndim) for d in left)
        right = tuple(wrap_dim(d, b.ndim) for d in right)
    check(len(left) == len(right), lambda: "both dimension lists should have same length")
    for i, j in zip(left, right):
        check(
            a.shape[i] == b.shape[j],
            lambda: (
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second has "
                f"size {b.shape[j]} in dim {j}"
            ),
        )
    rows = [d for d in range(a.ndim) if d not in left]
    columns = [d for d in range(b.ndim) if d not in right]
    count = 1
    for d in left:
        count *= a.shape[d]
    shape = [a.shape[d] for d in rows] + [b.shape[d] for d in columns]
    n = 1
    for d in rows:
        n *= a.shape[d]
    m = 1
    for d in columns:
        m *= b.shape[d]
    return matmul(
        a.permute([*rows, *left]).reshape(n, count), b.permute([*right, *columns]).reshape(count, m)
    ).reshape(shape)


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
    return _cross(input, other, dim)


def _cross(input: Tensor, other: Tensor, dim: int) -> Tensor:
    check(
        input.ndim == other.ndim,
        lambda: (
            f"linalg.cross: inputs must have the same number of dimensions, got {input.ndim} and {other.ndim}."
        ),
    )
    check(
        input.shape[dim] == 3 and other.shape[dim] == 3,
        lambda: (
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[dim]} and {other.shape[dim]}"
        ),
    )
    shape = broadcast_shapes(tuple(input.shape), tuple(other.shape))
    (a, b, c), (x, y, z) = input.expand(shape).unbind(dim), other.expand(shape).unbind(dim)
    return stack([b * z - c * y, c * x - a * z, a * y - b * x], wrap_dim(dim, len(shape)))


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
    return norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@composite
def dist(input: Tensor, other: Tensor, p: float = 2):
    """p-norm of the difference.

    >>> import flambeau
    >>> flambeau.dist(flambeau.zeros(2), flambeau.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return norm(input - other, p)


@composite
def renorm(input: Tensor, p: float, dim: int, maxnorm: float):
    """Slices along `dim` whose p-norm exceeds `maxnorm` scaled down to it.

    >>> import flambeau
    >>> flambeau.renorm(flambeau.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    d = wrap_dim(dim, input.ndim)
    others = tuple(i for i in range(input.ndim) if i != d)
    size = norm(input, p, others, True)
    return input * (maxnorm / (size + 1e-7)).masked_fill(size <= maxnorm, 1.0)


@composite
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
    x = input.reshape(1, -1) if input.ndim < 2 else input
    x = x if x.dtype.is_floating_point or x.dtype.is_complex else x * 1.0
    weights = None
    for w in (fweights, aweights):
        if w is not None:
            weights = w if weights is None else weights * w
    if weights is None:
        centred = x - mean(x, 1, True)
        out = centred @ centred.mT.conj() / clamp_count(x.shape[1] - correction)
    else:
        total = weights.sum()
        centred = x - (x * weights).sum(1, True) / total
        if aweights is None or correction == 0:
            left = total - correction
        else:
            left = total - correction * (weights * aweights).sum() / total
        out = (centred * weights) @ centred.mT.conj() / clamp(left.to(x.dtype), min=0)
    return out.squeeze()


def clamp_count(n: float) -> float:
    """A number of observations left, not below zero (dividing by it is then infinite or NaN)."""
    return n if n > 0 else 0.0


@composite
def corrcoef(input: Tensor):
    """Correlations of the rows (variables) over the columns (observations).

    >>> import flambeau
    >>> flambeau.corrcoef(flambeau.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = cov(input)
    if not c.ndim:
        return c / c
    spread = c.diagonal().real ** 0.5
    return c / spread.unsqueeze(1) / spread


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
    check(n >= 0, lambda: "N must be non-negative.")
    columns = [x**0]
    for _ in range(n - 1):
        columns.append(columns[-1] * x)
    columns = columns[:n] if increasing else columns[:n][::-1]
    return stack(columns, 1) if columns else x.new_zeros((x.shape[0], 0))


@composite
def sum_of_products(input: Tensor, other: Tensor, dim: int | tuple[int, ...] = -1):
    """Sum of conj(input) * other over `dim`.

    >>> import flambeau
    >>> flambeau.linalg.vecdot(flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """
    product = input.conj() * other
    return sum(product, tuple(wrap_dims(dim, product.ndim)))


sum_of_products.op.method = False
