"""From one layout to another: `to_sparse`, `to_dense` and their kin, and masks that are sparse."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau._base import formats
from flambeau.runtime.signature import explained
from flambeau.runtime.tensor import Tensor
from flambeau.transforms.composed import link

from .patterns import counted, placed
from .tensor import (
    BLOCKS,
    CompressedTensor,
    CooTensor,
    SparseTensor,
    coalesce,
    compress,
    compress_dense,
    compressed,
    dense_of,
    detached,
    sparsify,
    to_coo,
    values_of,
)

TITLE = {
    "strided": "Strided",
    "sparse_coo": "Sparse",
    "sparse_csr": "SparseCsr",
    "sparse_csc": "SparseCsc",
    "sparse_bsr": "SparseBsr",
    "sparse_bsc": "SparseBsc",
    "jagged": "Jagged",
}


def title(x: Any) -> str:
    """A layout's name as PyTorch's errors spell it."""
    return TITLE[x.layout.name]


def to_dense(self: Any, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor in the strided layout; a strided tensor itself.

    With `masked_grad` (True unless given) only the entries of a sparse tensor get a gradient, else all of its
    elements.

    >>> import flambeau
    >>> flambeau.eye(2).to_sparse().to_dense()
    tensor([[1., 0.],
            [0., 1.]])
    """
    if not isinstance(self, SparseTensor):
        other = getattr(self, "_to_dense", None)
        made = self if other is None else other(masked_grad)
    elif masked_grad is None or masked_grad:
        made = dense_of(self)
    else:
        pattern = detached(self)
        made = link(dense_of(pattern), "to_dense", [self], [lambda g: _same_form(pattern, g)])
    return made if dtype is None else made.to(dtype)


def _same_form(pattern: Any, g: Tensor) -> Any:
    """A strided gradient in the layout of `pattern`, all of its elements that are not zero."""
    if isinstance(pattern, CooTensor):
        return sparsify(g, pattern._idx.shape[0])
    dense = len(pattern._sizes) - 2 - len(pattern.batch)
    return compress_dense(g, pattern.layout, pattern.blocksize, dense)


@explained
def to_sparse(self: Any, sparse_dim: Any = None, *, layout: Any = None, blocksize: Any = None, dense_dim: Any = None) -> Any:  # fmt: skip
    """The tensor in a sparse layout (COO unless `layout` is given): entries are the elements that are not zero.

    `sparse_dim` leaves the other dimensions dense.

    >>> import flambeau
    >>> flambeau.tensor([[0, 0], [9, 0]]).to_sparse()
    tensor(indices=tensor([[1],
                           [0]]),
           values=tensor([9]),
           size=(2, 2), nnz=1, layout=flambeau.sparse_coo)
    """
    if isinstance(sparse_dim, formats.layout):
        layout, sparse_dim = sparse_dim, None
    layout = formats.sparse_coo if layout is None else layout
    if sparse_dim is not None and layout is not formats.sparse_coo:
        raise RuntimeError("to_sparse: sparse_dim is for the COO layout only")
    if layout is formats.strided:
        return to_dense(self)
    if layout.name not in TITLE or layout is formats.jagged:
        raise RuntimeError(f"to_sparse: unexpected layout {layout}")
    if layout.name in BLOCKS and blocksize is None:
        raise RuntimeError(f"to_sparse: {layout} needs a blocksize")
    if layout is formats.sparse_coo:
        return _coordinates(self, sparse_dim, dense_dim)
    return _compress(self, layout, None if blocksize is None else tuple(blocksize), dense_dim)


def _coordinates(x: Any, sparse_dim: int | None, dense_dim: int | None) -> CooTensor:
    if isinstance(x, CooTensor):
        if sparse_dim is not None and sparse_dim != x._idx.shape[0]:
            raise RuntimeError(
                "to_sparse: conversion from Sparse to Sparse with sparse_dim argument !=self.sparse_dim() is not supported"
            )
        return x
    if isinstance(x, CompressedTensor):
        if sparse_dim is not None and sparse_dim != 2 + len(x.batch):
            raise RuntimeError(
                f"sparse_compressed_to_sparse: conversion with {sparse_dim} sparse dimensions is not supported"
            )
        return to_coo(x)
    if sparse_dim is None:
        sparse_dim = x.ndim - (dense_dim or 0)
    if x.ndim and sparse_dim <= 0:
        raise RuntimeError("dense_to_sparse: sparse_dim argument must be in >0 when self.dim()>0")
    if not 0 <= sparse_dim <= x.ndim:
        raise RuntimeError(
            f"dense_to_sparse: sparse_dim argument must be in [0,{x.ndim}] range, but {sparse_dim} is given"
        )
    return sparsify(x, sparse_dim)


def _compress(x: Any, layout: Any, blocksize: Any, dense_dim: int | None) -> Any:
    if isinstance(x, CompressedTensor):
        if x.layout is layout and (blocksize is None or tuple(blocksize) == x.blocksize):
            return x
        if x.batch:
            inner = len(x._sizes) - 2 - len(x.batch)
            _check_blocks(x, layout, blocksize, len(x.batch))
            return compress_dense(dense_of(x), layout, blocksize, inner)
        x = to_coo(x)
    if isinstance(x, CooTensor):
        if x._idx.shape[0] != 2:
            raise RuntimeError(
                f"coo_to_{layout.name}: conversion from Sparse to {TITLE[layout.name]} for input tensors with "
                "sparse_dim()!=2 is not supported"
            )
        _check_blocks(x, layout, blocksize, 0)
        return block_coo(x, layout, blocksize) if layout.name in BLOCKS else compress(x, layout)
    inner = dense_dim or 0
    if x.ndim - inner < 2:
        raise RuntimeError(
            f"dense_to_{layout.name}: expected a tensor of two dimensions at least beside the dense ones, but got "
            f"{list(x.shape)} with dense_dim={inner}"
        )
    _check_blocks(x, layout, blocksize, x.ndim - inner - 2)
    return compress_dense(x, layout, blocksize, inner)


def _check_blocks(x: Any, layout: Any, blocksize: Any, batch: int) -> None:
    if layout.name not in BLOCKS:
        if blocksize is not None:
            raise RuntimeError(
                f"to_sparse for {title(x)} to {TITLE[layout.name]} conversion does not use specified blocksize"
            )
        return
    rows, columns = x.shape[batch], x.shape[batch + 1]
    if len(blocksize) != 2 or min(blocksize) <= 0:
        raise RuntimeError(
            f"blocksize needs to be a tuple of two positive ints, but got {blocksize}"
        )
    if rows % blocksize[0] or columns % blocksize[1]:
        raise RuntimeError(
            f"dense_to_{layout.name}: tensor sparse size ({rows},{columns}) must be divisible by given blocksize "
            f"({blocksize[0]},{blocksize[1]})"
        )


def block_coo(x: CooTensor, layout: Any, blocksize: tuple[int, int]) -> CompressedTensor:
    """Entries gathered into blocks; what a block lacks is zero in it."""
    from .patterns import pointers

    x = coalesce(x)
    (r, c), (rows, columns) = blocksize, x._idx.unbind(0)
    height, width = x._sizes[0] // r, x._sizes[1] // c
    by_rows = layout.name == "sparse_bsr"
    at = flambeau.stack([rows // r, columns // c] if by_rows else [columns // c, rows // r])
    sizes = (height, width) if by_rows else (width, height)
    distinct, block = counted(at, sizes).unique(return_inverse=True)
    values = values_of(x)
    shape = (distinct.shape[0], r, c, *tuple(values.shape)[1:])
    out = flambeau.zeros(shape, dtype=values.dtype, device=values.device)
    if values.shape[0]:
        out = out.index_put((block, rows % r, columns % c), values)
    long, across = placed(distinct, sizes).unbind(0)
    return compressed(pointers(long, sizes[0]), across, out, x._sizes, layout)


@explained
def to_sparse_coo(self: Any) -> Any:
    """The tensor in coordinate form.

    >>> import flambeau
    >>> flambeau.eye(2).to_sparse_csr().to_sparse_coo().layout
    flambeau.sparse_coo
    """
    return to_sparse(self)


@explained
def to_sparse_csr(self: Any, dense_dim: int | None = None) -> Any:
    """The tensor row by row (CSR).

    >>> import flambeau
    >>> flambeau.eye(2).to_sparse_csr().crow_indices()
    tensor([0, 1, 2])
    """
    return _compress(self, formats.sparse_csr, None, dense_dim)


@explained
def to_sparse_csc(self: Any, dense_dim: int | None = None) -> Any:
    """The tensor column by column (CSC).

    >>> import flambeau
    >>> flambeau.eye(2).to_sparse_csc().ccol_indices()
    tensor([0, 1, 2])
    """
    return _compress(self, formats.sparse_csc, None, dense_dim)


@explained
def to_sparse_bsr(self: Any, blocksize: Any, dense_dim: int | None = None) -> Any:
    """The tensor in blocks, block row by block row (BSR).

    >>> import flambeau
    >>> flambeau.eye(4).to_sparse_bsr((2, 2)).values().shape
    flambeau.Size([2, 2, 2])
    """
    return _compress(self, formats.sparse_bsr, tuple(blocksize), dense_dim)


@explained
def to_sparse_bsc(self: Any, blocksize: Any, dense_dim: int | None = None) -> Any:
    """The tensor in blocks, block column by block column (BSC).

    >>> import flambeau
    >>> flambeau.eye(4).to_sparse_bsc((2, 2)).row_indices()
    tensor([0, 1])
    """
    return _compress(self, formats.sparse_bsc, tuple(blocksize), dense_dim)


def sparse_mask(self: Any, mask: Any) -> Any:
    """The elements of `self` at the entries of a sparse tensor `mask`, as a sparse tensor of those entries.

    >>> import flambeau
    >>> flambeau.ones(2, 2).sparse_mask(flambeau.eye(2).to_sparse()).to_dense()
    tensor([[1., 0.],
            [0., 1.]])
    """
    if not isinstance(mask, SparseTensor):
        raise RuntimeError(
            "sparse_mask(): expected the mask to be sparse, but got a strided tensor"
        )
    if tuple(self.shape) != tuple(mask.shape):
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(self.shape)} but mask has size "
            f"{list(mask.shape)}"
        )
    pattern = detached(mask)
    values = pattern.values_at(self)
    return pattern.with_values(values)
