"""`flambeau.sparse`'s functions, and those of sparse tensors that PyTorch has at the top."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau
from flambeau._base import formats
from flambeau._base.checks import wrap_dims
from flambeau.ops.grouping import entries_of_product
from flambeau.runtime.signature import explained
from flambeau.runtime.tensor import Tensor, history
from flambeau.transforms.composed import link

from .convert import title, to_dense, to_sparse
from .elementwise import add
from .products import addmm as _addmm
from .products import check_inner, entries, matrix_product, sparse_dense
from .reductions import softmax_over, sum_over
from .tensor import (
    CompressedTensor,
    CooTensor,
    SparseTensor,
    coalesce,
    coo,
    detached,
    places,
    sparsify,
    values_of,
)

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def mm(mat1: Any, mat2: Any, reduce: str = "sum") -> Any:
    """The product of a sparse matrix and a sparse or dense one; the gradient of the sparse one is sparse.

    `reduce` (for a CSR `mat1` and a dense `mat2`) says how the products of one result are joined: "sum", "mean",
    "amax" or "amin" over the entries that are there; a row without entries gives zeros.

    >>> import flambeau
    >>> flambeau.sparse.mm(flambeau.eye(2).to_sparse(), flambeau.ones(2, 2))
    tensor([[1., 1.],
            [1., 1.]])
    """
    if not isinstance(mat1, SparseTensor) and not isinstance(mat2, SparseTensor):
        return flambeau.mm(mat1, mat2)
    check_inner(mat1, mat2)
    if reduce != "sum":
        return _reduced(mat1, mat2, reduce)
    return matrix_product(mat1, mat2, masked=True)


def _reduced(mat1: Any, mat2: Tensor, reduce: str) -> Tensor:
    if reduce not in REDUCTIONS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if mat1.layout is not formats.sparse_csr or isinstance(mat2, SparseTensor):
        raise RuntimeError(
            f"sparse.mm: reduce='{reduce}' expects a CSR matrix and a dense one, but got {mat1.layout} and {mat2.layout}"
        )
    if reduce == "mean":
        total = sparse_dense(mat1, mat2)
        counts = (mat1._comp[1:] - mat1._comp[:-1]).clamp(min=1).unsqueeze(1)
        return total / counts.to(total.dtype)
    values, rows, columns = entries(mat1)
    products = values.unsqueeze(1) * mat2.index_select(0, columns)
    out = products.new_zeros(mat1.shape[0], mat2.shape[1])
    where = rows.unsqueeze(1).expand(products.shape)
    if not products.numel():
        return out
    return _one_winner(out, where, products, reduce, rows)


def _one_winner(out: Tensor, where: Tensor, products: Tensor, reduce: str, rows: Tensor) -> Tensor:
    """The reduction, of equals the first taking the whole gradient."""
    if reduce == "prod":
        return out.scatter_reduce(0, where, products, "prod", include_self=False)
    best = out.scatter_reduce(0, where, products.detach(), reduce, include_self=False)
    n = products.shape[0]
    hit = products.detach() == best.index_select(0, rows)
    number = flambeau.arange(n, device=rows.device).unsqueeze(1)
    number = flambeau.where(hit, number, number.new_full((), n))
    first = number.new_full(out.shape, n).scatter_reduce(0, where, number, "amin")
    taken = flambeau.cat([products, products.new_zeros(1, products.shape[1])])
    return taken.gather(0, first)


def addmm(mat: Any, mat1: Any, mat2: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Any:
    """beta * mat + alpha * (mat1 @ mat2) for a sparse `mat1`, whose gradient is sparse.

    >>> import flambeau
    >>> flambeau.sparse.addmm(flambeau.ones(2, 1), flambeau.eye(2).to_sparse(), flambeau.ones(2, 1))
    tensor([[2.],
            [2.]])
    """
    return _addmm(mat, mat1, mat2, beta=beta, alpha=alpha, masked=True)


def sampled_addmm(
    input: Any, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0, out: Any = None
) -> Any:  # fmt: skip
    """alpha * (mat1 @ mat2) at the entries of a CSR `input`, plus beta * input. The product is not made dense.

    >>> import flambeau
    >>> at = flambeau.eye(2).to_sparse_csr()
    >>> flambeau.sparse.sampled_addmm(at, flambeau.ones(2, 3), flambeau.ones(3, 2)).to_dense()
    tensor([[4., 0.],
            [0., 4.]])
    """
    if not isinstance(input, CompressedTensor) or input.layout is not formats.sparse_csr:
        raise NotImplementedError(
            f"sampled_addmm: Expected self to have sparse csr layout, but got {title(input)}"
        )
    for name, m in (("mat1", mat1), ("mat2", mat2)):
        if isinstance(m, SparseTensor):
            raise RuntimeError(
                f"sampled_addmm: Expected {name} to have strided layout, but got {title(m)}"
            )
        if m.dtype is not input.dtype:
            raise RuntimeError(
                f"sampled_addmm: Expected {name} and self to have the same dtype, but got {m.dtype} and {input.dtype}"
            )
        if m.ndim < 2:
            raise RuntimeError(
                f"sampled_addmm: Expected {name} to be a matrix or a batch of matrices, got {m.ndim}-D"
            )
    if mat1.shape[-1] != mat2.shape[-2]:
        raise RuntimeError(
            f"sampled_addmm: mat1 and mat2 shapes cannot be multiplied ({mat1.shape[-2]}x{mat1.shape[-1]} and "
            f"{mat2.shape[-2]}x{mat2.shape[-1]})"
        )
    if tuple(input.shape) != (*mat1.shape[:-1], mat2.shape[-1]):
        raise RuntimeError(
            f"sampled_addmm: self dim 0 and 1 must be those of the product {[*mat1.shape[:-1], mat2.shape[-1]]}, but "
            f"got {list(input.shape)}"
        )
    rows, columns = places(input)
    if input.batch:
        b = flambeau.Size(input.batch).numel()
        shift = flambeau.arange(b, device=rows.device).reshape(*input.batch, 1)
        left = mat1.reshape(-1, mat1.shape[-1])
        right = mat2.mT.reshape(-1, mat2.shape[-2])
        sampled = entries_of_product(
            left, right, (rows + shift * mat1.shape[-2]).flatten(), (columns + shift * mat2.shape[-1]).flatten()
        ).reshape(rows.shape)  # fmt: skip
    else:
        sampled = entries_of_product(mat1, mat2.mT, rows, columns)
    scaled = sampled * alpha
    pattern = detached(input)
    made = scaled.detach() if beta == 0 else scaled.detach() + input._vals * beta
    back = beta.conjugate()
    # A strided gradient of the result gives a strided one of `input`, as PyTorch's.
    result = link(
        pattern.with_values(made),
        "sampled_addmm",
        [input, scaled],
        [lambda g: g * back, pattern.values_at],
    )
    if out is not None:
        out.take(out, result)
        return out
    return result


def sum(input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """Sum over dimensions of a COO tensor: sparse while a sparse dimension is left, else strided.

    Gradients reach the entries only.

    >>> import flambeau
    >>> flambeau.sparse.sum(flambeau.eye(3).to_sparse(), 0).to_dense()
    tensor([1., 1., 1.])
    """
    if not isinstance(input, CooTensor):
        raise RuntimeError(
            f"coalesce expected sparse coordinate tensor layout but got {title(input)}"
        )
    x: Any = input if dtype is None else input.to(dtype)
    if dim is None:
        return values_of(coalesce(x)).sum()
    return sum_over(x, wrap_dims(dim, x.ndim))


def softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """softmax along `dim` over the entries of a COO tensor; what is no entry counts as minus infinity.

    >>> import flambeau
    >>> x = flambeau.sparse_coo_tensor([[0, 0], [0, 2]], [1.0, 1.0], (1, 3))
    >>> flambeau.sparse.softmax(x, 1).to_dense()
    tensor([[0.5000, 0.0000, 0.5000]])
    """
    return softmax_over(input if dtype is None else input.to(dtype), dim, False)


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """The logarithm of `softmax` at the entries of a COO tensor.

    >>> import flambeau
    >>> x = flambeau.sparse_coo_tensor([[0, 0], [0, 2]], [1.0, 1.0], (1, 3))
    >>> flambeau.sparse.log_softmax(x, 1).values()
    tensor([-0.6931, -0.6931])
    """
    return softmax_over(input if dtype is None else input.to(dtype), dim, True)


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Any, layout: Any = None) -> Any:
    """A sparse matrix whose diagonal offsets[i] is row i of `diagonals`; columns count in both alike.

    >>> import flambeau
    >>> d = flambeau.tensor([[1, 2, 3], [4, 5, 6]])
    >>> flambeau.sparse.spdiags(d, flambeau.tensor([0, -1]), (3, 3)).to_dense()
    tensor([[1, 0, 0],
            [4, 2, 0],
            [0, 5, 3]])
    """
    d = diagonals.unsqueeze(0) if diagonals.ndim == 1 else diagonals
    if d.ndim != 2:
        raise RuntimeError("Diagonals must be vector or matrix")
    if len(shape) != 2:
        raise RuntimeError("Output shape must be 2d")
    offsets = offsets.reshape(1) if offsets.ndim == 0 else offsets
    if offsets.ndim != 1:
        raise RuntimeError("Offsets must be scalar or vector")
    if offsets.shape[0] != d.shape[0]:
        raise RuntimeError(
            f"Number of diagonals ({d.shape[0]}) does not match the number of offsets ({offsets.shape[0]})"
        )
    if offsets.dtype is not flambeau.int64:
        raise RuntimeError(f"Offset Tensor must have dtype Long but got {offsets.dtype}")
    if offsets.unique().shape[0] != offsets.shape[0]:
        raise RuntimeError("Offset tensor contains duplicate values")
    layout = formats.sparse_coo if layout is None else layout
    if layout.name not in ("sparse_coo", "sparse_csr", "sparse_csc"):
        raise RuntimeError(
            f"Only output layouts (Sparse, SparseCsc, SparseCsr) are supported, got {layout}"
        )
    height, width = shape
    columns = flambeau.arange(d.shape[1], device=d.device).expand(d.shape)
    rows = columns - offsets.unsqueeze(1)
    inside = (rows >= 0) & (rows < height) & (columns < width)
    made = coo(flambeau.stack([rows[inside], columns[inside]]), d[inside], (height, width))
    return made if layout is formats.sparse_coo else to_sparse(made, layout=layout)


@explained
def smm(input: Tensor, mat: Tensor) -> Any:
    """The product of a sparse and a dense matrix as a sparse tensor.

    >>> import flambeau
    >>> flambeau.smm(flambeau.eye(2).to_sparse(), flambeau.ones(2, 1)).layout
    flambeau.sparse_coo
    """
    return sspaddmm(flambeau.zeros(0), input, mat, beta=0, alpha=1)


@explained
def sspaddmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Any:
    """beta * input + alpha * (mat1 @ mat2) for sparse `input` and `mat1`, as a sparse tensor.

    >>> import flambeau
    >>> eye = flambeau.eye(2).to_sparse()
    >>> flambeau.sspaddmm(eye, eye, flambeau.ones(2, 2)).to_dense()
    tensor([[2., 1.],
            [1., 2.]])
    """
    if not isinstance(mat1, SparseTensor) or isinstance(mat2, SparseTensor):
        raise RuntimeError("sspaddmm: expected 'mat1' to be sparse and 'mat2' to be dense")
    _check_matrix("sspaddmm", mat2)
    product = sparse_dense(mat1, mat2)
    product = product if alpha == 1 else product * alpha
    # Every column of a row that has entries is one, as in PyTorch, zeros among them.
    _, rows, _ = entries(mat1)
    there = rows.unique()
    n, k = there.shape[0], product.shape[1]
    at = flambeau.stack(
        [there.repeat_interleave(k), flambeau.arange(k, device=there.device).repeat(n)]
    )
    made = coo(at, product.index_select(0, there).reshape(-1), product.shape, True)
    if beta == 0:
        return made
    return add(input if beta == 1 else input * beta, made)


def _check_matrix(name: str, mat2: Tensor) -> None:
    if mat2.ndim != 2:
        raise RuntimeError(
            f"{name}: expected 'mat2' to be a matrix, but it has {mat2.ndim} dimensions"
        )


@explained
def hspmm(mat1: Tensor, mat2: Tensor) -> Any:
    """The product of a sparse and a dense matrix as a hybrid tensor: sparse rows, dense columns.

    >>> import flambeau
    >>> flambeau.hspmm(flambeau.eye(2).to_sparse(), flambeau.ones(2, 3)).sparse_dim()
    1
    """
    if not isinstance(mat1, SparseTensor) or isinstance(mat2, SparseTensor):
        raise RuntimeError("hspmm: expected 'mat1' to be sparse and 'mat2' to be dense")
    _check_matrix("hspmm", mat2)
    product = sparse_dense(mat1, mat2)
    _, rows, _ = entries(mat1)
    there = rows.unique()
    return coo(there.unsqueeze(0), product.index_select(0, there), product.shape, True)


@explained
def indices_copy(input: Tensor) -> Tensor:
    """A copy of `input.indices()`."""
    return input.indices().clone()


@explained
def values_copy(input: Tensor) -> Tensor:
    """A copy of `input.values()`."""
    return input.values().clone()


@explained
def crow_indices_copy(input: Tensor) -> Tensor:
    """A copy of `input.crow_indices()`."""
    return input.crow_indices().clone()


@explained
def col_indices_copy(input: Tensor) -> Tensor:
    """A copy of `input.col_indices()`."""
    return input.col_indices().clone()


@explained
def ccol_indices_copy(input: Tensor) -> Tensor:
    """A copy of `input.ccol_indices()`."""
    return input.ccol_indices().clone()


@explained
def row_indices_copy(input: Tensor) -> Tensor:
    """A copy of `input.row_indices()`."""
    return input.row_indices().clone()


def as_sparse_gradcheck(gradcheck: Callable[..., bool]) -> Callable[..., bool]:
    """`gradcheck` for functions of sparse tensors: it is given their values, and checks these.

    With `masked=True` (among the arguments of the function returned) results and gradients count at entries only.

    >>> import flambeau
    >>> check = flambeau.sparse.as_sparse_gradcheck(flambeau.autograd.gradcheck)
    >>> x = flambeau.eye(2, dtype=flambeau.float64).to_sparse().requires_grad_()
    >>> check(lambda s: (s * 2).to_dense(), (x,), masked=True)
    True
    """

    def check(func: Callable[..., Any], inputs: Any, **kwargs: Any) -> bool:
        masked = kwargs.pop("masked", False)
        given = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        plain, patterns = [], []
        for x in given:
            if isinstance(x, SparseTensor):
                x = coalesce(x) if isinstance(x, CooTensor) else x
                if not masked:
                    x = _full(x)
                patterns.append(x.detach())
                plain.append(x._vals.detach().clone().requires_grad_(history(x) is not None))
            else:
                patterns.append(None)
                plain.append(x)

        def on_values(*values: Any) -> Any:
            made = [v if p is None else p.with_values(v) for p, v in zip(patterns, values)]
            out = func(*made)
            outs = out if isinstance(out, tuple) else (out,)
            dense = tuple(to_dense(o) for o in outs)
            return dense if isinstance(out, tuple) else dense[0]

        return gradcheck(on_values, tuple(plain), **kwargs)

    return check


def _full(x: Any) -> Any:
    """The same tensor with every element an entry."""
    dense = to_dense(x.detach())
    if isinstance(x, CooTensor):
        made = sparsify(flambeau.ones_like(dense), x._idx.shape[0])
        made = made.with_values(made.values_at(dense))
    else:
        made = to_sparse(
            flambeau.ones_like(dense),
            layout=x.layout,
            blocksize=x.blocksize if x.layout.name in ("sparse_bsr", "sparse_bsc") else None,
        )
        made = made.with_values(made.values_at(dense))
    return made.requires_grad_(history(x) is not None)
