"""`flambeau.linalg`: linear algebra under PyTorch's names.

What they mean is in `ops/`: `linalg`, `factorizations`, `solvers`, `spectra` and `norms`.
"""

from __future__ import annotations

from ._base.errors import LinAlgError
from .ops.factored import linalg_ldl_solve as ldl_solve
from .ops.factored import linalg_lu_solve as lu_solve
from .ops.factorizations import linalg_cholesky as cholesky
from .ops.factorizations import linalg_cholesky_ex as cholesky_ex
from .ops.factorizations import linalg_ldl_factor as ldl_factor
from .ops.factorizations import linalg_ldl_factor_ex as ldl_factor_ex
from .ops.factorizations import linalg_lu as lu
from .ops.factorizations import linalg_lu_factor as lu_factor
from .ops.factorizations import linalg_lu_factor_ex as lu_factor_ex
from .ops.factorizations import linalg_qr as qr
from .ops.linalg import linalg_det as det
from .ops.linalg import linalg_matrix_exp as matrix_exp
from .ops.linalg import linalg_multi_dot as multi_dot
from .ops.linalg import linalg_slogdet as slogdet
from .ops.linalg import matrix_power as _matrix_power
from .ops.matrix import matmul
from .ops.norms import linalg_matrix_norm as matrix_norm
from .ops.norms import linalg_norm as norm
from .ops.norms import linalg_vector_norm as vector_norm
from .ops.products import linalg_cross as cross
from .ops.products import linalg_vander as vander
from .ops.products import linalg_vecdot as vecdot
from .ops.rank import linalg_cond as cond
from .ops.rank import linalg_matrix_rank as matrix_rank
from .ops.rank import linalg_pinv as pinv
from .ops.reflectors import linalg_householder_product as householder_product
from .ops.slices import diagonal as _diagonal
from .ops.solvers import linalg_inv as inv
from .ops.solvers import linalg_inv_ex as inv_ex
from .ops.solvers import linalg_lstsq as lstsq
from .ops.solvers import linalg_solve as solve
from .ops.solvers import linalg_solve_ex as solve_ex
from .ops.solvers import linalg_solve_triangular as solve_triangular
from .ops.solvers import linalg_tensorinv as tensorinv
from .ops.solvers import linalg_tensorsolve as tensorsolve
from .ops.spectra import linalg_eig as eig
from .ops.spectra import linalg_eigh as eigh
from .ops.spectra import linalg_eigvals as eigvals
from .ops.spectra import linalg_eigvalsh as eigvalsh
from .ops.spectra import linalg_svd as svd
from .ops.spectra import linalg_svdvals as svdvals
from .runtime.tensor import Tensor


def matrix_power(input: Tensor, n: int) -> Tensor:
    """A square matrix times itself n times; of its inverse for n < 0.

    >>> import flambeau
    >>> flambeau.linalg.matrix_power(flambeau.eye(2) * 2, 3).tolist()
    [[8.0, 0.0], [0.0, 8.0]]
    """
    return _matrix_power(input, n)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as a view.

    >>> import flambeau
    >>> flambeau.linalg.diagonal(flambeau.eye(2))
    tensor([1., 1.])
    """
    return _diagonal(A, offset, dim1, dim2)


__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu", "lu_factor",
    "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm",
    "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander",
    "vecdot", "vector_norm",
]  # fmt: skip
