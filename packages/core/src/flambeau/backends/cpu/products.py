"""Products of matrices by our own kernels (`kernels/gemm.c`): matmul, matmul_tn and linear, and through them gradients.

Any strides are taken as they are: transposed, sliced and expanded operands are not copied, and neither are batches that
two strides describe (heads of attention). Floats of two bytes are widened, multiplied in float32 and rounded once.
NumPy keeps what is smaller than `LEAST`, complex numbers and integers.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import numpy as np

from ..._base import dtypes
from ...runtime.operator import registry
from . import copies, library, native
from .native import address
from .offers import FLOATS, offer, offer_gradient

# Multiply-adds from which our call is faster than NumPy's, 50^3: one costs 2 us, the other 1. OpenBLAS starts threads, which
# wait actively, at 64^3 and of products with a vector at 10^4.
LEAST = 1 << 17
LEAST_VECTOR = 1 << 14
LINE = 64  # bytes of a line of the cache

_gemm = native.Kernels("gemm.c")
_pairs = native.Kernels("bf16.c")
_packed = native.Kernels("gemm_packed.c")
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


def _whole(x: np.ndarray) -> np.ndarray:
    """x itself where its strides are multiples of its elements and it is aligned, else a copy."""
    size = x.itemsize
    for s in x.strides:
        if s % size:
            return x.copy()
    return x if x.flags.aligned else x.copy()


def least(matrices: bool) -> int:
    """Multiply-adds from which a product is ours; in a compiled program a call costs next to nothing."""
    return 1 if native.recorders else LEAST if matrices else LEAST_VECTOR


def product(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> Any:
    """a @ b (+ bias, one for each column) of two matrices of one dtype; NotImplemented where NumPy is to do it."""
    m, k = a.shape
    inner, n = b.shape
    if k != inner or m * n * k < least(m > 1 and n > 1):
        return NotImplemented
    dtype = a.dtype
    if dtype is F32:
        run = _gemm.float32.product
    elif dtype is F64:
        run = _gemm.float64.product
    else:
        return NotImplemented
    size = dtype.itemsize
    ars, acs = a.strides
    brs, bcs = b.strides
    if (ars | acs | brs | bcs) % size or not (a.flags.aligned and b.flags.aligned):
        return product(_whole(a), _whole(b), bias)
    out = np.empty((m, n), dtype)
    run(m, n, k, address(a), ars // size, acs // size, address(b), brs // size, bcs // size,
        address(out), None if bias is None else address(bias))  # fmt: skip
    return out


def products(a: np.ndarray, b: np.ndarray) -> Any:
    """a @ b of two stacks of matrices whose batch dimensions broadcast."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    (m, k), (inner, n) = a.shape[-2:], b.shape[-2:]
    count = 1
    for s in batch:
        count *= s
    if k != inner or count * m * n * k < least(True):
        return NotImplemented
    dtype = a.dtype
    size = dtype.itemsize
    a, b = _whole(a), _whole(b)
    out = np.empty((*batch, m, n), dtype)
    strides = [_batch_strides(x, batch) for x in (a, b, out)]
    loops = _joined(batch, strides)
    while len(loops) > 2:  # batches that no two strides describe
        a, b = _compact(a, batch), _compact(b, batch)
        strides = [_batch_strides(x, batch) for x in (a, b, out)]
        loops = _joined(batch, strides)
    loops = [(1, 0, 0, 0)] * (2 - len(loops)) + sorted(loops)
    (outer, *far), (items, *near) = loops
    run = getattr(_gemm, dtype.name).products
    ars, acs = a.strides[-2:]
    brs, bcs = b.strides[-2:]
    at, bt, ct = address(a), address(b), address(out)
    for i in range(outer):
        run(items, m, n, k, at + i * far[0], near[0] // size, ars // size, acs // size,
            bt + i * far[1], near[1] // size, brs // size, bcs // size, ct + i * far[2], near[2] // size)  # fmt: skip
    return out


def paired(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> Any:
    """a @ b (+ bias, one for each column) of bfloat16 matrices, by instructions for pairs; NotImplemented without these."""
    m, k = a.shape
    inner, n = b.shape
    run = _pairs.float32
    if k != inner or m * n * k < LEAST or not run.has_pairs():
        return NotImplemented
    (ars, acs), (brs, bcs) = a.strides, b.strides
    if acs != 2 or ars % 4 or k % 2 or address(a) % 4:  # a's rows become runs of pairs
        whole = np.zeros((m, k + k % 2), np.uint16)
        copies.write(whole[:, :k], a.view(np.uint16))
        a, ars = whole, 2 * (k + k % 2)
    if (brs | bcs) % 2:
        b = b.copy()
        brs, bcs = b.strides
    sums, out = np.empty((m, n), F32), np.empty((m, n), b.dtype)
    run.product(
        m, n, k, address(a), ars // 4, address(b), brs // 2, bcs // 2, address(sums),
        None if bias is None else address(bias), address(out),
    )  # fmt: skip
    return out


def _batch_strides(x: np.ndarray, batch: tuple[int, ...]) -> list[int]:
    """Bytes from item to item along each dimension of `batch`: 0 where x is repeated."""
    own = x.ndim - 2
    found = [s if size > 1 else 0 for s, size in zip(x.strides[:own], x.shape[:own])]
    return [0] * (len(batch) - own) + found


def _joined(batch: tuple[int, ...], strides: list[list[int]]) -> list[tuple[int, ...]]:
    """Loops (size, stride of each array) over a batch, neighbouring dimensions made one where all strides allow it."""
    loops: list[tuple[int, ...]] = []
    for size, *steps in zip(batch, *strides):
        if size == 1:
            continue
        if loops and all(s == t * size for s, t in zip(loops[-1][1:], steps)):
            loops[-1] = (loops[-1][0] * size, *steps)
        else:
            loops.append((size, *steps))
    return loops


def _compact(x: np.ndarray, batch: tuple[int, ...]) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(x, (*batch, *x.shape[-2:])))


def _rows(x: np.ndarray) -> np.ndarray:
    n = 1
    for s in x.shape[:-1]:
        n *= s
    return x.reshape(n, x.shape[-1])


def matmul(a: np.ndarray, b: np.ndarray) -> Any:
    """`ops.matrix.matmul`: matrices, stacks of them, and vectors as rows and columns."""
    na, nb = a.ndim, b.ndim
    if na == nb == 2:
        return product(a, b)
    if not na or not nb:
        return NotImplemented
    if nb == 1:
        made = product(_rows(a), b[:, None])
        return made if made is NotImplemented else made.reshape(a.shape[:-1])
    if na == 1:
        made = product(a[None], b) if nb == 2 else products(a[None], b)
        return made if made is NotImplemented else made.reshape(*b.shape[:-2], b.shape[-1])
    if nb == 2:
        made = product(_rows(a), b)
        return made if made is NotImplemented else made.reshape(*a.shape[:-1], b.shape[1])
    return products(a, b)


def matmul_tn(a: np.ndarray, b: np.ndarray) -> Any:
    """`ops.matrix.matmul_tn`: a.T @ b."""
    return product(a.T, b) if a.ndim == b.ndim == 2 else NotImplemented


def linear(x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> Any:
    """`ops.matrix.linear`: x @ w.T + b, the bias added where a tile of the product is complete."""
    if w.ndim != 2 or not x.ndim:
        return NotImplemented
    fused = b if b is not None and b.shape == w.shape[:1] and b.strides[0] == b.itemsize else None
    n, k = w.shape
    plain = fused is b and x.ndim != 2 and x.dtype is F32 and x.flags.carray and w.flags.carray
    if plain and x.shape[-1] == k:
        m = x.size // k if k else 0  # what `product` ends in, without views of x and w
        if m * n * k < least(m > 1 and n > 1):
            return NotImplemented
        out = np.empty((*x.shape[:-1], n), F32)
        _gemm.float32.product(m, n, k, address(x), k, 1, address(w), 1, k, address(out),
                              None if b is None else address(b))  # fmt: skip
        return out
    made = product(x if x.ndim == 2 else _rows(x), w.T, fused)
    if made is NotImplemented:
        return made
    if x.ndim != 2:
        made = made.reshape(*x.shape[:-1], w.shape[0])
    return made if fused is b else made + b


def linear_gradient(g: Any, _out: Any, needs: tuple, x: Any, w: Any, b: Any) -> Any:
    """The raw gradients of `linear` for x, w and the bias: two products and the sums of g's columns."""
    dtype = g.dtype
    if (dtype is not F32 and dtype is not F64) or x.dtype is not dtype or w.dtype is not dtype:
        return NotImplemented
    if w.ndim != 2 or x.ndim < 2 or (b is not None and tuple(b.shape) != w.shape[:1]):
        return NotImplemented
    rows = g if g.ndim == 2 else _rows(g)
    to_x = to_w = to_b = None
    if needs[0]:
        to_x = _multiplied(rows, w)
        to_x = to_x if x.ndim == 2 else to_x.reshape(x.shape)
    if needs[1]:
        to_w = _multiplied(rows.T, x if x.ndim == 2 else _rows(x))
    if b is not None and needs[2]:
        sums = product(np.ones((1, rows.shape[0]), dtype), rows)
        to_b = np.add.reduce(rows, 0) if sums is NotImplemented else sums[0]
    return to_x, to_w, to_b


def _multiplied(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    made = product(a, b)
    return np.matmul(a, b) if made is NotImplemented else made


# -- a constant matrix, packed once ----------------------------------------------------------------------------------------


class Ending(IntEnum):
    """What `multiply_packed` does to sums last: codes of gemm_packed.c. CLAMP is to [low, high], GELU by erf."""

    NONE, CLAMP, GELU, GELU_TANH, SILU, TANH, SIGMOID, HARDSWISH = range(8)


def packed_size(k: int, n: int, dtype: np.dtype) -> int:
    """Elements of a packed matrix of k rows and n columns."""
    return getattr(_packed, dtype.name).packed_size(n, k)


def pack(w: np.ndarray, transposed: bool = False) -> np.ndarray:
    """w (k, n), or with `transposed` (n, k) as Linear keeps it, for `multiply_packed`: a flat array in the kernel's order.

    It begins at a line of the cache; elsewhere, copied, it is right but read more slowly. TypeError for a dtype that is
    neither float32 nor float64, ValueError for what is no matrix.
    """
    if w.dtype not in (F32, F64):
        raise TypeError(f"pack: expected float32 or float64, but got {w.dtype}")
    if w.ndim != 2:
        raise ValueError(f"pack: expected a matrix, but got {w.ndim} dimensions")
    w = _whole(w.T if transposed else w)
    (k, n), size = w.shape, w.itemsize
    count = packed_size(k, n, w.dtype)
    room = np.empty(count + LINE // size, w.dtype)
    skip = -address(room) % LINE // size
    made = room[skip : skip + count]
    run = getattr(_packed, w.dtype.name).pack
    run(n, k, address(w), w.strides[0] // size, w.strides[1] // size, address(made))
    return made


def multiply_packed(
    x: np.ndarray, packed: np.ndarray, n: int, bias: np.ndarray | None = None, residual: np.ndarray | None = None,
    ending: int = Ending.NONE, y: np.ndarray | None = None, *, low: float = -math.inf, high: float = math.inf,
) -> np.ndarray:  # fmt: skip
    """ending(x @ w + bias + residual), (..., n), for `packed` = pack(w) of n columns; into y where it is given.

    x (..., k) with any strides, bias (n,), residual and y (..., n) dense, all of the packed dtype; y overlaps no operand.
    TypeError or ValueError for what does not fit. One native call.
    """
    dtype = x.dtype
    if dtype not in (F32, F64) or any(a is not None and a.dtype != dtype for a in (packed, bias, residual, y)):  # fmt: skip
        raise TypeError("multiply_packed: expected operands of one dtype, float32 or float64")
    if not x.ndim or n < 0 or packed.size != packed_size(x.shape[-1], n, dtype):
        raise ValueError(f"multiply_packed: {packed.size} packed elements are no matrix of {n} columns for x of shape {x.shape}")  # fmt: skip
    shape = (*x.shape[:-1], n)
    for name, a, wanted in (("packed", packed, packed.shape), ("bias", bias, (n,)), ("residual", residual, shape), ("y", y, shape)):  # fmt: skip
        if a is not None and (a.shape != wanted or not a.flags.carray):
            raise ValueError(f"multiply_packed: {name}: expected a dense array of shape {wanted}, but got {a.shape}")  # fmt: skip
    if y is None:
        y = np.empty(shape, dtype)
    elif any(a is not None and np.may_share_memory(a, y) for a in (x, residual)):
        raise ValueError("multiply_packed: y overlaps an operand")
    rows = _whole(x if x.ndim == 2 else x.reshape(math.prod(shape[:-1]), x.shape[-1]))
    (m, k), size = rows.shape, dtype.itemsize
    getattr(_packed, dtype.name).product(
        m, n, k, address(rows), rows.strides[0] // size, rows.strides[1] // size, address(packed),
        None if bias is None else address(bias), None if residual is None else address(residual), n, Ending(ending), low, high,
        address(y), n,
    )  # fmt: skip
    return y


# -- the operators ---------------------------------------------------------------------------------------------------------


def _widened(kernel: Any) -> Any:
    """The kernel for floats of two bytes too: computed in float32, rounded once."""

    def call(*raw: Any) -> Any:
        dtype = raw[0].dtype
        if dtype.itemsize != 2:
            return kernel(*raw)
        if any(r is not None and r.dtype is not dtype for r in raw):
            return NotImplemented
        made = _by_pairs(kernel, *raw) if dtype.name == "bfloat16" else NotImplemented
        if made is not NotImplemented:
            return made
        made = kernel(*[None if r is None else copies.cast(r, F32) for r in raw])
        return made if made is NotImplemented else copies.cast(made, dtype)

    return call


def _by_pairs(kernel: Any, a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> Any:
    """What `paired` serves of the three operators: matrices, and rows of any rank times a matrix."""
    if bias is not None and (bias.shape != b.shape[:1] or not bias.flags.carray):
        return NotImplemented
    if b.ndim != 2 or a.ndim < 2 or (kernel is matmul_tn and a.ndim != 2):
        return NotImplemented
    left = a.T if kernel is matmul_tn else a if a.ndim == 2 else _rows(a)
    made = paired(left, b.T if kernel is linear else b, bias)
    return (
        made
        if made is NotImplemented or a.ndim == 2
        else made.reshape(*a.shape[:-1], made.shape[-1])
    )


def register() -> None:
    """Enters the kernels; called when one of these operators first meets an operand that is large enough."""
    library.available()  # with it the allocator of large arrays, which the hot path does not ask for
    for name, kernel in (("matmul", matmul), ("matmul_tn", matmul_tn), ("linear", linear)):
        offer(name, _widened(kernel), kinds=(*FLOATS, dtypes.float16, dtypes.bfloat16))
        # Any arrays of one dtype, float32 or float64, may come: the hot path asks no checker.
        registry[name].providers["cpu"][0][1].any_floats = True
    offer_gradient("linear", linear_gradient)
