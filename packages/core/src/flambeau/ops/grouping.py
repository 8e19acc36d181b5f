"""Sums over the entries of a sparse matrix, given as lists of values, rows and columns: what sparse tensors compute with.

The three are closed under differentiation: the gradient of a product by a sparse matrix samples a dense product, and
the other way round. Entries are sorted by row; then many rows are added at once.
"""

from __future__ import annotations

from typing import Any

from ..runtime.families import primitive
from ..runtime.meta import Meta
from ..runtime.promotion import only
from .creation import arange

# Products of one step of the kernels: enough for NumPy to be busy, few enough to stay in the cache.
STEP = 1 << 18
WHY_NO_ONNX = "ONNX has no sparse matrices"


def _by_row(xp: Any, rows: Any, *others: Any) -> tuple:
    """The rows in order, and the others with them."""
    if rows.size < 2 or not hasattr(xp.add, "reduceat") or bool((rows[1:] >= rows[:-1]).all()):
        return (rows, *others)
    order = xp.argsort(rows, kind="stable")
    return (rows[order], *[o[order] for o in others])


def _add_runs(xp: Any, out: Any, values: Any, rows: Any) -> None:
    """Adds to out[r] all values whose row is r; the rows are in order."""
    if not rows.size:
        return
    if not hasattr(xp.add, "reduceat"):
        xp.add.at(out, rows, values)
        return
    new = xp.ones(rows.shape, dtype=bool)
    new[1:] = rows[1:] != rows[:-1]
    starts = xp.flatnonzero(new)
    if out.dtype.kind == "b":
        out[rows[starts]] |= xp.logical_or.reduceat(values, starts, axis=0)
    else:
        out[rows[starts]] += xp.add.reduceat(values, starts, axis=0, dtype=out.dtype)


def _wide(xp: Any, dtype: Any) -> Any:
    """The dtype to add in: half precision would lose what is added late."""
    return xp.dtype("float32") if dtype.kind in "fV" and dtype.itemsize == 2 else dtype


@primitive(method=False, promote=None, linear=True)
def group_sum(input: Meta, group: Meta, size: int):
    """Sums of the rows of `input` (n, *) that share a number in `group` (n,): (size, *). bools are joined by `or`.

    >>> import flambeau
    >>> x, group = flambeau.tensor([1.0, 2.0, 3.0]), flambeau.tensor([0, 2, 0])
    >>> flambeau.ops.grouping.group_sum(x, group, 3)
    tensor([4., 0., 2.])
    """
    return input.like((size, *input.shape[1:]))


@group_sum.kernel
def _(xp, x, group, *, size):
    out = xp.zeros((size, *x.shape[1:]), dtype=_wide(xp, x.dtype))
    group, order = _by_row(xp, group, xp.arange(group.size))
    _add_runs(xp, out, x[order].astype(out.dtype, copy=False), group)
    return out.astype(x.dtype, copy=False)


@group_sum.vjp
def _(g, _out, x: Meta, group, *, size):
    return g.index_select(0, group), None


@group_sum.batch
def _(count, batched, x, group, *, size):
    if batched[1]:
        if not batched[0]:
            x = x.expand(count, *x.shape)
        shift = arange(count, device=group.device).unsqueeze(1) * size
        made = group_sum(x.flatten(0, 1), (group + shift).flatten(), size * count)
        return made.unflatten(0, (count, size))
    return group_sum(x.movedim(0, -1), group, size).movedim(-1, 0)


group_sum.refuse("onnx", WHY_NO_ONNX)


@primitive(method=False, promote=only(0, 1), bilinear=("values", "dense"))
def entries_matmul(values: Meta, dense: Meta, rows: Meta, columns: Meta, size: int):
    """The product of a sparse matrix (size, n) with a dense one (n, k): entry i, at rows[i], columns[i], is values[i].

    >>> import flambeau
    >>> at = flambeau.tensor([0, 1])
    >>> flambeau.ops.grouping.entries_matmul(flambeau.tensor([2.0, 3.0]), flambeau.eye(2), at, at, 2)
    tensor([[2., 0.],
            [0., 3.]])
    """
    return dense.like((size, dense.shape[1]))


@entries_matmul.kernel
def _(xp, values, dense, rows, columns, *, size):
    k = dense.shape[1]
    if (
        k == 1
        and values.dtype.kind == "f"
        and values.dtype.itemsize > 2
        and hasattr(xp, "bincount")
    ):
        made = xp.bincount(rows, weights=values * dense[:, 0][columns], minlength=size)
        return made.astype(dense.dtype)[:, None]
    rows, columns, values = _by_row(xp, rows, columns, values)
    kind = _wide(xp, dense.dtype)
    out = xp.zeros((size, k), dtype=kind)
    values, dense_wide = values.astype(kind, copy=False), dense.astype(kind, copy=False)
    if hasattr(xp.add, "reduceat"):
        counts = xp.bincount(rows, minlength=size)
        starts = xp.cumsum(counts) - counts
        step = max(2 * STEP // max(k, 1), 1)
        for i in range(0, size, step):
            part = slice(i, i + step)
            _multiply_rows(xp, out[part], values, dense_wide, columns, starts[part], counts[part])
    else:  # CuPy adds atomically, and would wait for the host at each step of the other way
        xp.add.at(out, rows, values[:, None] * dense_wide[columns])
    return out.astype(dense.dtype, copy=False)


FEW = 16  # rows that are left to BLAS one by one


def _multiply_rows(xp, out, values, dense, columns, starts, counts):
    """The product of some rows into `out`, the j-th entries of all rows at once.

    With the longest rows first those that have a j-th entry are in front, and are added without an index. On 500,000
    entries times 64 columns it takes a third of the time of `add.reduceat` over the products (55 ms, 170). The few rows
    that are much longer than the others are each a vector times a matrix.
    """
    order = xp.argsort(-counts, kind="stable")
    starts, counts = starts[order], counts[order]
    made = xp.zeros_like(out)
    j = 0
    while (m := int(xp.searchsorted(-counts, -j))) >= FEW:
        at = starts[:m] + j
        products = xp.take(dense, columns[at], axis=0)
        products *= values[at][:, None]
        made[:m] += products
        j += 1
    step = max(STEP // max(dense.shape[1], 1), 1)
    for i in range(m):
        end = int(starts[i] + counts[i])
        for begin in range(int(starts[i]) + j, end, step):
            at = slice(begin, min(begin + step, end))
            made[i] += values[at] @ dense[columns[at]]
    out[order] = made


@entries_matmul.vjp
def _(g, _out, values, dense, rows, columns, *, size):
    return (
        lambda: entries_of_product(g, dense.conj(), rows, columns),
        lambda: entries_matmul(values.conj(), g, columns, rows, dense.shape[0]),
        None,
        None,
    )


@entries_matmul.batch
def _(count, batched, values, dense, rows, columns, *, size):
    if not any((batched[0], batched[2], batched[3])):  # one matrix: more columns to multiply with
        wide = dense.movedim(0, 1).flatten(1)
        made = entries_matmul(values, wide, rows, columns, size)
        return made.unflatten(1, (count, dense.shape[2])).movedim(1, 0)
    n = dense.shape[-2]
    values, dense, rows, columns = (
        x if b else x.expand(count, *x.shape)
        for x, b in zip((values, dense, rows, columns), batched)
    )
    shift = arange(count, device=rows.device).unsqueeze(1)
    made = entries_matmul(
        values.flatten(),
        dense.flatten(0, 1),
        (rows + shift * size).flatten(),
        (columns + shift * n).flatten(),
        size * count,
    )
    return made.unflatten(0, (count, size))


entries_matmul.refuse("onnx", WHY_NO_ONNX)


@primitive(method=False, promote=only(0, 1), bilinear=("left", "right"))
def entries_of_product(left: Meta, right: Meta, rows: Meta, columns: Meta):
    """Some entries of left @ right.T: the inner products of left[rows[i]] with right[columns[i]].

    >>> import flambeau
    >>> at = flambeau.tensor([1])
    >>> flambeau.ops.grouping.entries_of_product(flambeau.ones(2, 3), flambeau.ones(2, 3), at, at)
    tensor([3.])
    """
    return left.like(rows.shape)


@entries_of_product.kernel
def _(xp, left, right, rows, columns):
    kind = _wide(xp, left.dtype)
    out = xp.empty(rows.shape, dtype=left.dtype)
    step = max(STEP // max(left.shape[1], 1), 1)
    for i in range(0, rows.size, step):
        part = slice(i, i + step)
        a, b = left[rows[part]].astype(kind, copy=False), right[columns[part]]
        out[part] = xp.einsum("nk,nk->n", a, b.astype(kind, copy=False))
    return out


@entries_of_product.vjp
def _(g, _out, left, right, rows, columns):
    return (
        lambda: entries_matmul(g, right.conj(), rows, columns, left.shape[0]),
        lambda: entries_matmul(g, left.conj(), columns, rows, right.shape[0]),
        None,
        None,
    )


@entries_of_product.batch
def _(count, batched, left, right, rows, columns):
    left, right, rows, columns = (
        x if b else x.expand(count, *x.shape) for x, b in zip((left, right, rows, columns), batched)
    )
    shift = arange(count, device=rows.device).unsqueeze(1)
    made = entries_of_product(
        left.flatten(0, 1),
        right.flatten(0, 1),
        (rows + shift * left.shape[1]).flatten(),
        (columns + shift * right.shape[1]).flatten(),
    )
    return made.unflatten(0, (count, rows.shape[1]))


entries_of_product.refuse("onnx", WHY_NO_ONNX)
