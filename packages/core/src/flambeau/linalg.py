"""`flambeau.linalg`: linear algebra under PyTorch's names. What they mean is in `ops/linalg.py`."""

from __future__ import annotations

from .ops.linalg import linalg_cholesky as cholesky
from .ops.linalg import linalg_det as det
from .ops.linalg import linalg_eigh as eigh
from .ops.linalg import linalg_eigvalsh as eigvalsh
from .ops.linalg import linalg_inv as inv
from .ops.linalg import linalg_matrix_norm as matrix_norm
from .ops.linalg import linalg_matrix_rank as matrix_rank
from .ops.linalg import linalg_multi_dot as multi_dot
from .ops.linalg import linalg_norm as norm
from .ops.linalg import linalg_pinv as pinv
from .ops.linalg import linalg_slogdet as slogdet
from .ops.linalg import linalg_solve as solve
from .ops.linalg import linalg_svd as svd
from .ops.linalg import linalg_svdvals as svdvals
from .ops.linalg import linalg_vector_norm as vector_norm
from .ops.linalg import matrix_power
from .ops.matrix import matmul
from .ops.products import _cross, vander
from .ops.products import sum_of_products as _sum_of_products
from .runtime.tensor import Tensor


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Cross product of vectors of three along `dim`.

    >>> import flambeau
    >>> flambeau.linalg.cross(flambeau.tensor([1.0, 0.0, 0.0]), flambeau.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    return _cross(input, other, dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sum of conj(x) * y over `dim`.

    >>> import flambeau
    >>> flambeau.linalg.vecdot(flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """
    return _sum_of_products(x, y, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as a view.

    >>> import flambeau
    >>> flambeau.linalg.diagonal(flambeau.eye(2))
    tensor([1., 1.])
    """
    return A.diagonal(offset, dim1, dim2)


__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power", "matrix_rank",
    "multi_dot", "norm", "pinv", "slogdet", "solve", "svd", "svdvals", "vander", "vecdot", "vector_norm",
]  # fmt: skip
