"""Decompositions that NumPy and CuPy lack, written with their array functions alone.

They serve CuPy, and NumPy where no LAPACK is found (`backends/numpy/lapack.py`) or a batch of small matrices makes a call
per matrix the slower way: loops run over columns, all matrices of a batch at once. Results are LAPACK's, pivots and
compact forms included.
"""

from __future__ import annotations

from itertools import product
from math import sqrt
from typing import Any


def _size(xp: Any, x: Any) -> Any:
    """What LAPACK compares when it looks for a pivot: |re| + |im|."""
    return xp.abs(x.real) + xp.abs(x.imag) if x.dtype.kind == "c" else xp.abs(x)


def lu(xp: Any, a: Any, pivot: bool = True) -> tuple[Any, Any, Any]:
    """(LU, pivots, info) as getrf: rows swapped so that a column's largest element leads; info names the first zero pivot."""
    *outer, m, n = a.shape
    k = min(m, n)
    count = 1
    for size in outer:
        count *= size
    a = a.reshape(count, m, n).copy()
    each = xp.arange(count)
    pivots = xp.empty((count, k), dtype="int32")
    info = xp.zeros(count, dtype="int32")
    for j in range(k):
        if pivot and count:
            at = xp.argmax(_size(xp, a[:, j:, j]), axis=-1) + j
            top = a[:, j].copy()
            a[:, j] = a[each, at]
            a[each, at] = top
            pivots[:, j] = at + 1
        else:
            pivots[:, j] = j + 1
        head = a[:, j, j]
        info = xp.where((info == 0) & (head == 0), j + 1, info)
        a[:, j + 1 :, j] /= xp.where(head == 0, 1, head)[:, None]
        a[:, j + 1 :, j + 1 :] -= a[:, j + 1 :, j, None] * a[:, j, None, j + 1 :]
    shape = tuple(outer)
    return a.reshape(*shape, m, n), pivots.reshape(*shape, k), info.astype("int32").reshape(shape)


def triangular(xp: Any, a: Any, b: Any, upper: bool, unit: bool) -> Any:
    """x with a @ x = b, of which one triangle is read: halves first, so that nearly all work is matrix products."""
    n = a.shape[-1]
    if n <= 1:
        outer = xp.broadcast(xp.empty(a.shape[:-2]), xp.empty(b.shape[:-2])).shape
        return xp.broadcast_to(b if unit or not n else b / a, (*outer, *b.shape[-2:])).copy()
    h = n // 2
    if upper:
        low = triangular(xp, a[..., h:, h:], b[..., h:, :], upper, unit)
        rest = b[..., :h, :] - a[..., :h, h:] @ low
        top = triangular(xp, a[..., :h, :h], rest, upper, unit)
    else:
        top = triangular(xp, a[..., :h, :h], b[..., :h, :], upper, unit)
        rest = b[..., h:, :] - a[..., h:, :h] @ top
        low = triangular(xp, a[..., h:, h:], rest, upper, unit)
    return xp.concatenate([top, low], axis=-2)


def inverse(xp: Any, a: Any) -> tuple[Any, Any]:
    """(inverse, info): info is 0, or the place of the zero pivot of a singular matrix, whose inverse is NaN."""
    made = xp.linalg.inv(a)
    return made, _singular(xp, a, made)


def solve(xp: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """(x, info) with a @ x = b; info as of `inverse`."""
    made = xp.linalg.solve(a, b)
    return made, _singular(xp, a, made)


def _singular(xp: Any, a: Any, made: Any) -> Any:
    if bool(xp.isfinite(made).all()):
        return xp.zeros(a.shape[:-2], dtype="int32")
    return lu(xp, a)[2]


def cholesky(xp: Any, a: Any) -> tuple[Any, Any]:
    """(L, info) as potrf: info is the order of the first leading minor that is not positive, where L ends."""
    low = xp.tril(a)
    info = xp.zeros(a.shape[:-2], dtype="int32")
    for j in range(a.shape[-1]):
        row = low[..., j, None, :j]
        head = low[..., j, j].real - (row * row.conj()).real.sum((-1, -2))
        going = info == 0
        good = going & (head > 0)
        info = xp.where(going & ~good, j + 1, info)
        root = xp.sqrt(xp.where(good, head, 1))
        column = low[..., j + 1 :, j] - (low[..., j + 1 :, :j] * row.conj()).sum(-1)
        low[..., j, j] = xp.where(good, root, xp.where(going, head, low[..., j, j]))
        low[..., j + 1 :, j] = xp.where(
            good[..., None], column / root[..., None], low[..., j + 1 :, j]
        )
    return low, info.astype("int32")


def ldl(xp: Any, a: Any, hermitian: bool) -> tuple[Any, Any, Any]:
    """(LD, pivots, info) as sytrf or hetrf of the lower triangle: Bunch and Kaufman's diagonal pivoting (1977)."""
    a = a.copy()
    n = a.shape[-1]
    pivots = xp.zeros(a.shape[:-1], dtype="int32")
    info = xp.zeros(a.shape[:-2], dtype="int32")
    for at in product(*map(range, a.shape[:-2])):
        info[at] = _ldl_one(xp, a[at], pivots[at], n, hermitian)
    return a, pivots, info


_ALPHA = (1 + sqrt(17)) / 8


def _ldl_one(xp: Any, a: Any, pivots: Any, n: int, hermitian: bool) -> int:
    info = k = 0
    while k < n:
        step, other, found = _ldl_pivot(xp, a, k, n, hermitian)
        info = info or (0 if found else k + 1)
        last = k + step - 1
        if other != last:
            _ldl_swap(a, k, last, other, hermitian)
        if hermitian:
            for i in range(k, k + step):
                a[i, i] = a[i, i].real
        rest = slice(k + step, n)
        block = a[k : k + step, k : k + step].copy()
        if step == 2:
            block[0, 1] = block[1, 0].conj() if hermitian else block[1, 0]
        if found and k + step < n:
            column = a[rest, k : k + step].copy()
            made = column / block[0, 0] if step == 1 else column @ xp.linalg.inv(block)
            a[rest, rest] -= xp.tril(made @ (column.conj() if hermitian else column).T)
            a[rest, k : k + step] = made
        pivots[k : k + step] = other + 1 if step == 1 else -(other + 1)
        k += step
    return info


def _ldl_pivot(xp: Any, a: Any, k: int, n: int, hermitian: bool) -> tuple[int, int, bool]:
    """(1 or 2 rows in the next block, the row that comes there, whether there is anything but zeros)."""
    here = float(abs(a[k, k].real) if hermitian else _size(xp, a[k, k]))
    below = _size(xp, a[k + 1 :, k])
    far = int(below.argmax()) + k + 1 if k + 1 < n else k
    most = float(below.max()) if k + 1 < n else 0.0
    if max(here, most) == 0 or here != here:
        return 1, k, False
    if here >= _ALPHA * most:
        return 1, k, True
    row = float(_size(xp, a[far, k:far]).max())
    if far + 1 < n:
        row = max(row, float(_size(xp, a[far + 1 :, far]).max()))
    if here >= _ALPHA * most * (most / row):
        return 1, k, True
    corner = float(abs(a[far, far].real) if hermitian else _size(xp, a[far, far]))
    return (1, far, True) if corner >= _ALPHA * row else (2, far, True)


def _ldl_swap(a: Any, k: int, last: int, other: int, hermitian: bool) -> None:
    """Rows and columns `last` and `other` of the lower triangle change places."""
    below = slice(other + 1, None)
    a[below, last], a[below, other] = a[below, other].copy(), a[below, last].copy()
    between = slice(last + 1, other)
    row, column = a[other, between].copy(), a[between, last].copy()
    a[between, last], a[other, between] = (
        (row.conj(), column.conj()) if hermitian else (row, column)
    )
    if hermitian:
        a[other, last] = a[other, last].conj()
    a[last, last], a[other, other] = a[other, other].copy(), a[last, last].copy()
    if last != k:
        a[last, k], a[other, k] = a[other, k].copy(), a[last, k].copy()


def ldl_solve(xp: Any, ld: Any, pivots: Any, b: Any, hermitian: bool) -> Any:
    """x with a @ x = b, for a as `ldl` leaves it; the batches of both are equal."""
    x = b.copy()
    for at in product(*map(range, ld.shape[:-2])):
        _ldl_solve_one(xp, ld[at], pivots[at], x[at], hermitian)
    return x


def _ldl_solve_one(xp: Any, a: Any, pivots: Any, x: Any, hermitian: bool) -> None:
    n = a.shape[-1]
    blocks = []
    k = 0
    while k < n:
        step = 1 if int(pivots[k]) > 0 else 2
        blocks.append((k, step, abs(int(pivots[k])) - 1))
        k += step
    for k, step, other in blocks:
        _swap_rows(x, k + step - 1, other)
        here = slice(k, k + step)
        x[k + step :] -= a[k + step :, here] @ x[here]
        block = a[here, here].copy()
        if step == 2:
            block[0, 1] = block[1, 0].conj() if hermitian else block[1, 0]
        x[here] = x[here] / block[0, 0] if step == 1 else xp.linalg.solve(block, x[here])
    for k, step, other in reversed(blocks):
        below = a[k + step :, k : k + step].T
        x[k : k + step] -= (below.conj() if hermitian else below) @ x[k + step :]
        _swap_rows(x, k + step - 1, other)


def _swap_rows(x: Any, i: int, j: int) -> None:
    if i != j:
        x[i], x[j] = x[j].copy(), x[i].copy()


def lstsq(xp: Any, a: Any, b: Any, rcond: float, driver: str) -> tuple[Any, Any, Any]:
    """(x, rank, singular values) of the shortest x that brings a @ x nearest to b, by singular values."""
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    bound = 0 if driver == "gels" else rcond * (s[..., :1] if s.shape[-1] else 0)
    keep = s > bound
    weights = xp.where(keep, 1 / xp.where(keep, s, 1), 0).astype(s.dtype)
    along = weights[..., None] * (xp.swapaxes(u, -1, -2).conj() @ b)
    return xp.swapaxes(vh, -1, -2).conj() @ along, keep.sum(-1), s


class On:
    """These functions on one array module: what CuPy's namespace offers as `xp.lapack`."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    def __getattr__(self, name: str) -> Any:
        from functools import partial

        found = partial(globals()[name], self._xp)
        setattr(self, name, found)
        return found
