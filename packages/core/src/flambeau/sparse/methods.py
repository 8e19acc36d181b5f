"""What Tensor's methods do for sparse tensors. Imported by the first call of one of them (`flambeau.methods`)."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau._base.checks import as_size
from flambeau.runtime.signature import explained
from flambeau.runtime.tensor import Tensor, history
from flambeau.transforms.composed import boxed

from . import tensor
from .convert import (
    sparse_mask,
    title,
    to_dense,
    to_sparse,
    to_sparse_bsc,
    to_sparse_bsr,
    to_sparse_coo,
    to_sparse_csc,
    to_sparse_csr,
)
from .functions import smm, sspaddmm
from .tensor import ROWS, CompressedTensor, CooTensor, SparseTensor, values_of


def _coordinates(name: str, x: Any) -> CooTensor:
    if not isinstance(x, CooTensor):
        raise RuntimeError(f"{name} expected sparse coordinate tensor layout but got {title(x)}")
    return x


def indices(self: Any) -> Tensor:
    """The places of the entries of a coalesced COO tensor: (sparse dimensions, n)."""
    x = _coordinates("indices", self)
    if not x._coalesced:
        raise RuntimeError(
            "Cannot get indices on an uncoalesced tensor, please call .coalesce() first"
        )
    return boxed(x._idx)


def values(self: Any) -> Tensor:
    """The values of the entries of a sparse tensor; gradients flow through. A COO tensor must be coalesced."""
    own = getattr(self, "_values_part", None)
    if own is not None:
        return own()
    if not isinstance(self, SparseTensor):
        raise RuntimeError(f"values expected sparse tensor layout but got {title(self)}")
    if isinstance(self, CooTensor) and not self._coalesced:
        raise RuntimeError(
            "Cannot get values on an uncoalesced tensor, please call .coalesce() first"
        )
    return values_of(self) if history(self) is not None else boxed(self._vals)


def _indices(self: Any) -> Tensor:
    """The places of the entries, coalesced or not."""
    return boxed(_coordinates("_indices", self)._idx)


def _values(self: Any) -> Tensor:
    """The values of the entries without history, coalesced or not."""
    return boxed(_coordinates("_values", self)._vals)


def coalesce(self: Any) -> CooTensor:
    """The COO tensor with every place once and in order; values at one place are added.

    >>> import flambeau
    >>> flambeau.sparse_coo_tensor([[1, 1]], [2.0, 3.0], (2,)).coalesce().values()
    tensor([5.])
    """
    return tensor.coalesce(_coordinates("coalesce", self))


def is_coalesced(self: Any) -> bool:
    """Whether no place of a COO tensor occurs twice and all are in order."""
    return _coordinates("is_coalesced", self)._coalesced


def _coalesced_(self: Any, coalesced: bool) -> CooTensor:
    """Says that a COO tensor is coalesced, without a look."""
    _coordinates("_coalesced_", self)._coalesced = bool(coalesced)
    return self


def _nnz(self: Any) -> int:
    """How many entries there are, zeros among them included; blocks in a layout of blocks."""
    if isinstance(self, CooTensor):
        return self._idx.shape[1]
    if isinstance(self, CompressedTensor):
        return self._plain.shape[-1]
    raise NotImplementedError(
        "Could not run 'aten::_nnz' with arguments from the 'CPU' backend: the tensor is strided"
    )


def sparse_dim(self: Any) -> int:
    """How many dimensions are sparse; none of a strided tensor's."""
    if isinstance(self, CooTensor):
        return self._idx.shape[0]
    return 2 if isinstance(self, CompressedTensor) else 0


def dense_dim(self: Any) -> int:
    """How many dimensions are dense."""
    if isinstance(self, CooTensor):
        return self._vals.ndim - 1
    if isinstance(self, CompressedTensor):
        return self.ndim - 2 - len(self.batch)
    return self.ndim


_dimI, _dimV = sparse_dim, dense_dim  # noqa: N816  (PyTorch's names)


def _part(name: str, rows: bool, field: str) -> Any:
    def read(self: Any) -> Tensor:
        if not isinstance(self, CompressedTensor) or (self.layout.name in ROWS) != rows:
            kind = "row" if rows else "column"
            raise RuntimeError(
                f"{name} expected sparse {kind} compressed tensor layout but got {title(self)}"
            )
        return boxed(getattr(self, field))

    read.__name__ = read.__qualname__ = name
    return read


crow_indices = _part("crow_indices", True, "_comp")
crow_indices.__doc__ = "Where each row of a CSR or BSR tensor begins: (*batch, rows + 1)."
col_indices = _part("col_indices", True, "_plain")
col_indices.__doc__ = "The column of each entry of a CSR or BSR tensor: (*batch, n)."
ccol_indices = _part("ccol_indices", False, "_comp")
ccol_indices.__doc__ = "Where each column of a CSC or BSC tensor begins: (*batch, columns + 1)."
row_indices = _part("row_indices", False, "_plain")
row_indices.__doc__ = "The row of each entry of a CSC or BSC tensor: (*batch, n)."


def _write(self: CooTensor, idx: Tensor, vals: Tensor, sizes: tuple[int, ...]) -> CooTensor:
    self._idx, self._vals, self._sizes = idx, vals, sizes
    self._bump()
    return self


@explained
def sparse_resize_(self: Any, size: Any, sparse_dim: int, dense_dim: int) -> CooTensor:
    """Gives a COO tensor another shape in place; entries stay where they are, so sparse sizes may only grow.

    >>> import flambeau
    >>> flambeau.eye(2).to_sparse().sparse_resize_((3, 4), 2, 0).shape
    flambeau.Size([3, 4])
    """
    x = _coordinates("sparse_resize_", self)
    sizes = _sizes("sparse_resize_", size, sparse_dim, dense_dim)
    if not x._idx.shape[1]:
        return sparse_resize_and_clear_(self, size, sparse_dim, dense_dim)
    if x._idx.shape[0] != sparse_dim or x._vals.ndim - 1 != dense_dim:
        raise RuntimeError(
            "changing the number of sparse or dense dimensions on a non-empty sparse tensor is not supported"
        )
    old, new = list(x.shape), list(sizes)
    for kind, a, b in (("sparse", old[:sparse_dim], new[:sparse_dim]), ("dense", old[sparse_dim:], new[sparse_dim:])):  # fmt: skip
        if any(n < m for n, m in zip(b, a)):
            raise RuntimeError(
                f"shrinking the size of {kind} dimensions (from {a} to {b}) on a non-empty sparse tensor is not "
                f"supported; call `x = {flambeau.dtype.prefix}sparse_coo_tensor(size)` for an empty one"
            )
    vals = x._vals
    if dense_dim and sizes[sparse_dim:] != tuple(vals.shape)[1:]:
        grown = vals.new_zeros((vals.shape[0], *sizes[sparse_dim:]))
        grown[tuple(slice(n) for n in vals.shape)] = vals
        vals = grown
    return _write(x, x._idx, vals, sizes)


def _sizes(name: str, size: Any, sparse_dim: int, dense_dim: int) -> tuple[int, ...]:
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    if len(size) != sparse_dim + dense_dim:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = "
            f"{sparse_dim}, dense_dim = {dense_dim}"
        )
    return as_size(tuple(size))


@explained
def sparse_resize_and_clear_(self: Any, size: Any, sparse_dim: int, dense_dim: int) -> CooTensor:
    """Gives a COO tensor another shape in place and takes all of its entries.

    >>> import flambeau
    >>> flambeau.eye(2).to_sparse().sparse_resize_and_clear_((3,), 1, 0)._nnz()
    0
    """
    x = _coordinates("sparse_resize_and_clear_", self)
    sizes = _sizes("sparse_resize_and_clear_", size, sparse_dim, dense_dim)
    x._coalesced = True
    vals = x._vals.new_zeros((0, *sizes[sparse_dim:]))
    return _write(x, x._idx.new_zeros((sparse_dim, 0)), vals, sizes)


__all__ = [
    "smm",
    "sparse_mask",
    "sspaddmm",
    "to_dense",
    "to_sparse",
    "to_sparse_bsc",
    "to_sparse_bsr",
    "to_sparse_coo",
    "to_sparse_csc",
    "to_sparse_csr",
]
