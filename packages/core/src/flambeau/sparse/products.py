"""Rules of matrix products. Sparse times dense is dense, sparse times sparse sparse.

Called by the operators of strided tensors (`@`, `mm`, `addmm`, ...) a sparse factor gets a strided gradient, as in
PyTorch; by those of `flambeau.sparse` (`masked=True` below) a sparse one at its own entries.
"""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau.ops.grouping import entries_matmul
from flambeau.runtime.tensor import Tensor, history
from flambeau.transforms.composed import link

from .convert import block_coo
from .patterns import pointers
from .tensor import (
    BLOCKS,
    CompressedTensor,
    CooTensor,
    SparseTensor,
    coalesce,
    compress,
    coo,
    detached,
    places,
    sparse_rule,
    to_coo,
    values_of,
)


def entries(x: Any) -> tuple[Tensor, Tensor, Tensor]:
    """(values, rows, columns) of a sparse matrix; RuntimeError for what is no matrix of numbers."""
    if isinstance(x, CooTensor):
        if x._idx.shape[0] != 2 or x._vals.ndim != 1:
            raise RuntimeError(
                f"mm: expected a matrix with two sparse dimensions, but got {x._idx.shape[0]} sparse and "
                f"{x._vals.ndim - 1} dense dimensions"
            )
        if history(x) is not None:
            x = coalesce(x)
        return values_of(x), *x._idx.unbind(0)
    if x.batch or x._vals.ndim != (3 if x._layout.name in BLOCKS else 1):
        raise RuntimeError(
            f"mm: expected a matrix, but got a {x.layout} tensor of shape {list(x.shape)}"
        )
    if x._layout.name in BLOCKS:
        return entries(to_coo(x))
    rows, columns = places(x)
    return values_of(x), rows, columns


def check_inner(a: Tensor, b: Tensor) -> None:
    """RuntimeError unless a @ b is possible, for matrices and vectors."""
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        if b.ndim == 1:
            raise RuntimeError(
                f"size mismatch, got input ({a.shape[0]}x{a.shape[1]}), vec ({b.shape[0]})"
            )
        left = f"{a.shape[0]}x{a.shape[1]}" if a.ndim > 1 else f"1x{a.shape[0]}"
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({left} and {b.shape[0]}x{b.shape[1]})"
        )


def sparse_dense(a: Any, b: Tensor) -> Tensor:
    """A sparse matrix times a dense matrix; the gradient of `a` is sparse."""
    check_inner(a, b)
    values, rows, columns = entries(a)
    return entries_matmul(values, b, rows, columns, a.shape[0])


def dense_sparse(a: Tensor, b: Any) -> Tensor:
    """A dense matrix times a sparse one; the gradient of `b` is sparse."""
    check_inner(a, b)
    values, rows, columns = entries(b)
    return entries_matmul(values, a.mT, columns, rows, b.shape[1]).mT


def sparse_sparse(a: Any, b: Any) -> Any:
    """The product of two sparse matrices, in the layout of the first.

    Each entry (i, k) of `a` meets all entries of row k of `b`; products at one place are added.
    """
    check_inner(a, b)
    columns_of_block = b.blocksize[1] if isinstance(b, CompressedTensor) else 1
    b = to_coo(b)
    left, rows, inner = entries(a)
    right, starts, columns = entries(coalesce(b))
    first = pointers(starts, b.shape[0])
    counts = (first[1:] - first[:-1]).index_select(0, inner)
    total = int(counts.sum()) if counts.shape[0] else 0
    mine = flambeau.arange(inner.shape[0], device=inner.device).repeat_interleave(counts)
    before = counts.cumsum(0) - counts
    theirs = (first[:-1].index_select(0, inner) - before).index_select(0, mine)
    theirs = theirs + flambeau.arange(total, device=inner.device)
    at = flambeau.stack([rows.index_select(0, mine), columns.index_select(0, theirs)])
    values = left.index_select(0, mine) * right.index_select(0, theirs)
    made = coalesce(coo(at, values, (a.shape[0], b.shape[1])))
    if not isinstance(a, CompressedTensor):
        return made
    if a.layout.name in BLOCKS:
        return block_coo(made, a.layout, (a.blocksize[0], columns_of_block))
    return compress(made, a.layout)


def matrix_product(a: Any, b: Any, masked: bool = False) -> Any:
    """a @ b of matrices, at least one of them sparse."""
    if isinstance(a, SparseTensor) and isinstance(b, SparseTensor):
        return sparse_sparse(a, b)
    if isinstance(a, SparseTensor):
        if masked or history(a) is None:
            return sparse_dense(a, b)
        pulls = [lambda g: g @ b.conj().mT, lambda g: sparse_dense(flipped(a).conj(), g)]
        return link(sparse_dense(detached(a), b.detach()), "mm", [a, b], pulls)
    if masked or history(b) is None:
        return dense_sparse(a, b)
    pulls = [lambda g: dense_sparse(g, flipped(b).conj()), lambda g: a.conj().mT @ g]
    return link(dense_sparse(a.detach(), detached(b)), "mm", [a, b], pulls)


def flipped(x: Any) -> Any:
    """The transpose of a sparse matrix."""
    return x.transpose(0, 1)


@sparse_rule("matmul")
def _(a: Any, b: Any) -> Any:
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {a.dtype} != {b.dtype}"
        )
    if a.ndim == b.ndim == 2:
        return matrix_product(a, b)
    if b.ndim == 1 and a.ndim == 2 and not isinstance(b, SparseTensor):
        check_inner(a, b)
        return matrix_product(a, b.unsqueeze(1)).squeeze(1)
    if a.ndim == 1 and b.ndim == 2 and not isinstance(a, SparseTensor):
        return matrix_product(a.unsqueeze(0), b).squeeze(0)
    if a.ndim == 3 and b.ndim == 3 and isinstance(a, CooTensor) and not isinstance(b, SparseTensor):
        return _batched(a, b)
    if not isinstance(a, SparseTensor) and a.ndim > 2 and b.ndim == 2:
        return matrix_product(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1])
    return NotImplemented


def _batched(a: CooTensor, b: Tensor) -> Tensor:
    """A batch of sparse matrices times a batch of dense ones: one block-diagonal product."""
    if a._idx.shape[0] != 3:
        raise RuntimeError(
            f"bmm_sparse: Tensor 'self' must have 3 sparse dims, but has {a._idx.shape[0]}"
        )
    if history(a) is not None:
        a = coalesce(a)
    size, m, k = a.shape
    which, rows, columns = a._idx.unbind(0)
    wide = b.reshape(size * k, b.shape[2])
    made = entries_matmul(values_of(a), wide, which * m + rows, which * k + columns, size * m)
    return made.reshape(size, m, b.shape[2])


@sparse_rule("linear")
def _(input: Any, weight: Any, bias: Any = None) -> Any:
    if isinstance(input, SparseTensor) and isinstance(weight, SparseTensor):
        return NotImplemented
    turned = flipped(weight) if isinstance(weight, SparseTensor) else weight.t()
    out = input @ turned
    return out if bias is None else out + bias


@sparse_rule("matmul_tn")
def _(a: Any, b: Any) -> Any:
    return (flipped(a) if isinstance(a, SparseTensor) else a.mT) @ b


@sparse_rule("addmm")
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1, masked: bool = False) -> Any:  # fmt: skip
    """beta * input + alpha * (mat1 @ mat2), with any of the three sparse."""
    product = matrix_product(mat1, mat2, masked) if _any_sparse(mat1, mat2) else mat1 @ mat2
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    scaled = input if beta == 1 else input * beta
    if not isinstance(scaled, SparseTensor) and not isinstance(product, SparseTensor):
        return scaled.expand(product.shape) + product
    return scaled + product


def _any_sparse(*tensors: Any) -> bool:
    return any(isinstance(t, SparseTensor) for t in tensors)
