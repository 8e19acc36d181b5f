"""Sparse tensors: coordinates (COO) and compressed rows, columns and blocks (CSR, CSC, BSR, BSC).

    >>> import flambeau
    >>> graph = flambeau.sparse_coo_tensor([[0, 1, 2], [1, 2, 0]], [1.0, 1.0, 1.0], (3, 3))
    >>> graph @ flambeau.tensor([1.0, 2.0, 3.0])
    tensor([2., 3., 1.])

Semi-structured (2:4) matrices, which PyTorch has for CUDA's sparse tensor cores, are left out.
"""

from __future__ import annotations

from . import elementwise, products, reductions, shapes
from .create import check_sparse_tensor_invariants
from .functions import (
    addmm,
    as_sparse_gradcheck,
    log_softmax,
    mm,
    sampled_addmm,
    softmax,
    spdiags,
    sum,
)
from .kinds import (
    BFloat16Tensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)

__all__ = [
    "BFloat16Tensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "addmm",
    "as_sparse_gradcheck",
    "check_sparse_tensor_invariants",
    "elementwise",
    "log_softmax",
    "mm",
    "products",
    "reductions",
    "sampled_addmm",
    "shapes",
    "softmax",
    "spdiags",
    "sum",
]
