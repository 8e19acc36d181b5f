"""Picking by indices and adding where they point: `kernels/take.c`, `kernels/scatter.c`.

index with index tensors of neighbouring dimensions (index_select, embedding, x[rows], x[rows, columns]), its gradient and
index_put; gather, its gradient, scatter and its kin. What does not fit here, an index out of range among it, the reference does, or refuses.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..._base import dtypes
from ...runtime.operator import registry
from . import offers
from .copies import SIZES
from .copies import dense as copied
from .native import Kernels, address
from .softmax import dense, parts

take = Kernels("take.c")
scatter = Kernels("scatter.c")

KINDS = (
    dtypes.float32, dtypes.float64, dtypes.int64, dtypes.int32, dtypes.int16, dtypes.int8, dtypes.uint8, dtypes.bool_,
    dtypes.float16, dtypes.bfloat16, dtypes.complex64, dtypes.complex128,
)  # fmt: skip
LEAST = 1 << 10  # elements from which NumPy's own indexing is slower
NARROW = 64  # bytes of rows below which they are added where they go, in their order, and not sorted first
ADD, SET, MULTIPLY, LARGEST, SMALLEST = range(5)  # as in `scatter.c`
_ADDED = {"f": "float32", "d": "float64", "i": "int32", "l": "int64", "q": "int64"}


def _adder(x: np.ndarray) -> Any:
    """The functions of scatter.c for the dtype of x, or None."""
    name = _ADDED.get(x.dtype.char)
    return None if name is None else getattr(scatter, name)


def _mover(x: np.ndarray) -> Any:
    """The functions of scatter.c for elements of the size of x, which are moved only; or None."""
    return {4: scatter.int32, 8: scatter.int64}.get(x.itemsize)


def _wide(index: Any) -> int:
    """Whether the indices have 64 bits; -1 for what is no array of int64 or int32."""
    if type(index) is not np.ndarray or index.dtype.kind != "i" or index.dtype.itemsize < 4:
        return -1
    return int(index.dtype.itemsize == 8)


def _one(indices: tuple, positions: tuple, shape: tuple, from_end: bool) -> tuple[Any, tuple]:
    """One index for all of them, over the dimensions of `positions` taken as one; and the shape with these. None: not so."""
    at = positions[0]
    if len(positions) == 1:
        return indices[0], shape
    if positions != tuple(range(at, at + len(positions))) or min(map(_wide, indices)) < 0:
        return None, shape
    if prod(shape[at : at + len(positions)]) == 0:
        return None, shape
    try:
        picked = np.broadcast_shapes(*[i.shape for i in indices])
    except ValueError:
        return None, shape
    if not prod(picked):
        return None, shape
    rows = np.empty(picked, np.int64)
    for k, i in enumerate(indices):
        i = dense(np.broadcast_to(i, picked))
        if take.float32.name_rows(
            address(rows),
            address(i),
            shape[at + k],
            rows.size,
            _wide(i),
            int(from_end),
            int(k == 0),
        ):
            return None, shape
    return rows, (
        *shape[:at],
        prod(shape[at : at + len(positions)]),
        *shape[at + len(positions) :],
    )


def _index(x: Any, *indices: Any, positions: tuple, from_end: bool = True) -> Any:
    if not x.size or not x.flags.c_contiguous:
        return NotImplemented
    index, shape = _one(indices, positions, x.shape, from_end)
    wide = _wide(index)
    if wide < 0 or not index.size:
        return NotImplemented
    x, index = dense(x), dense(index)
    at = positions[0]
    outer, n, inner = parts(shape, at)
    out = np.empty(shape[:at] + index.shape + shape[at + 1 :], x.dtype)
    bad = take.float32.rows(
        address(x), address(index), address(out), outer, n, index.size, inner * x.itemsize, wide,
        int(from_end),
    )  # fmt: skip
    return NotImplemented if bad else out


def _added(base: Any, g: Any, index: Any, shape: tuple, at: int, from_end: bool = True) -> Any:
    """Zeros of `shape`, or a copy of `base`, with g added at `index` along dimension `at`."""
    wide, found = _wide(index), _adder(g)
    if wide < 0 or found is None or not g.size or not index.size:
        return NotImplemented
    g, index = dense(g), dense(index)
    outer, n, inner = parts(shape, at)
    out = np.empty(shape, g.dtype)
    if inner * g.itemsize < NARROW:
        bad = found.join_rows(
            None if base is None else address(base), address(index), address(g), address(out),
            outer, n, index.size, inner, -1, wide, int(from_end), ADD,
        )  # fmt: skip
        return NotImplemented if bad else out
    work = np.empty(n + 2 + index.size, np.int64)
    bad = found.add_rows(
        None if base is None else address(base), address(index), address(g), address(out), address(work),
        outer, n, index.size, inner, -1, wide, int(from_end),
    )  # fmt: skip
    return NotImplemented if bad else out


def _index_grad(
    g: Any, *indices: Any, shape: tuple, positions: tuple, from_end: bool = True
) -> Any:
    index, rows = _one(indices, positions, tuple(shape), from_end)
    made = _added(None, g, index, rows, positions[0], from_end)
    return _shaped(made, tuple(shape))


def _index_put(
    x: Any, value: Any, *indices: Any, positions: tuple, accumulate: bool, from_end: bool = True
) -> Any:
    if not x.size or any(_wide(i) < 0 or not i.size for i in indices):
        return NotImplemented
    at = positions[0]
    if not accumulate:  # in order, so that of several for one place the last stays
        if not x.flags.c_contiguous or x.itemsize not in SIZES:
            return NotImplemented
        if not from_end and min(int(i.min()) for i in indices) < 0:
            return NotImplemented
        out = copied(x)
        try:
            out[(*[slice(None)] * at, *_placed(indices, positions))] = value
        except (IndexError, ValueError):
            return NotImplemented  # which says what is wrong
        return out
    index, shape = _one(indices, positions, x.shape, from_end)
    if index is None:
        return NotImplemented
    whole = shape[:at] + index.shape + shape[at + 1 :]
    if type(value) is not np.ndarray or value.dtype is not x.dtype or value.shape != whole:
        return NotImplemented
    made = _added(dense(x), value, index, shape, at, from_end)
    return _shaped(made, x.shape)


def _shaped(made: Any, shape: tuple) -> Any:
    """The array in this shape: itself where it has it, because the tape takes a view for somebody else's memory, and copies it."""
    return made if made is NotImplemented or made.shape == shape else made.reshape(shape)


def _placed(indices: tuple, positions: tuple) -> list[Any]:
    """The indices with whole dimensions in between, from the first on."""
    found = dict(zip(positions, indices))
    return [found.get(d, slice(None)) for d in range(positions[0], positions[-1] + 1)]


def _same_but(a: tuple, b: tuple, at: int) -> bool:
    return len(a) == len(b) > 0 and a[:at] == b[:at] and a[at + 1 :] == b[at + 1 :]


def _gather(x: Any, index: Any, *, dim: int, sparse_grad: bool) -> Any:
    wide = _wide(index)
    if wide < 0 or x.itemsize not in (4, 8) or not index.size or not -x.ndim <= dim < x.ndim:
        return NotImplemented
    dim %= x.ndim
    if not _same_but(x.shape, index.shape, dim) or not x.flags.c_contiguous:
        return NotImplemented
    x, index = dense(x), dense(index)
    outer, n, inner = parts(x.shape, dim)
    out = np.empty(index.shape, x.dtype)
    found = take.float32 if x.itemsize == 4 else take.float64
    bad = found.gather(
        address(x), address(index), address(out), outer, n, index.shape[dim], inner, wide
    )
    return NotImplemented if bad else out


def _of_rows(index: Any, dim: int) -> Any:
    """The one index that all along `dim` share, if `index` repeats it over the other dimensions without copies; else None."""
    if any(s and n > 1 for d, (n, s) in enumerate(zip(index.shape, index.strides)) if d != dim):
        return None
    return dense(index[tuple([slice(None) if d == dim else 0 for d in range(index.ndim)])])


def _scattered(base: Any, index: Any, src: Any, shape: tuple, dim: Any, how: int = ADD) -> Any:
    wide, found = _wide(index), _mover(src) if how == SET else _adder(src)
    if wide < 0 or found is None or not index.size or type(dim) is not int:
        return NotImplemented
    if not -len(shape) <= dim < len(shape) or src.ndim != index.ndim:
        return NotImplemented
    if src.shape != index.shape:
        src = src[tuple([slice(n) for n in index.shape])]
        if src.shape != index.shape:
            return NotImplemented
    dim %= len(shape)
    if not _same_but(shape, index.shape, dim):
        return NotImplemented
    src, rows = dense(src), _of_rows(index, dim)
    outer, n, inner = parts(shape, dim)
    out = np.empty(shape, src.dtype)
    if rows is not None:
        bad = found.join_rows(
            None if base is None else address(base), address(rows), address(src), address(out),
            outer, n, rows.size, inner, -1, wide, 0, how,
        )  # fmt: skip
        return NotImplemented if bad else out
    index = dense(index)
    bad = found.add(
        None if base is None else address(base), address(index), address(src), address(out),
        outer, n, index.shape[dim], inner, wide, how,
    )  # fmt: skip
    return NotImplemented if bad else out


def _scatter(how: int) -> Any:
    def kernel(x: Any, index: Any, src: Any, *, dim: int) -> Any:
        if type(src) is not np.ndarray or src.dtype is not x.dtype:
            return NotImplemented
        return _scattered(dense(x), index, src, x.shape, dim, how)

    return kernel


def _extreme(x: Any, index: Any, src: Any, *, dim: int, largest: bool) -> Any:
    return _scatter(LARGEST if largest else SMALLEST)(x, index, src, dim=dim)


def _gather_back(
    g: Any, _out: Any, needs: tuple, x: Any, index: Any, *, dim: int, sparse_grad: bool
) -> Any:
    if sparse_grad or not prod(x.shape):
        return NotImplemented
    made = _scattered(None, index, g, tuple(x.shape), dim)
    return made if made is NotImplemented else (made, None)


def register() -> None:
    """Offers the kernels; called when one of the operators first meets an array that is large enough."""
    offers.offer("index", _index, least=LEAST, kinds=KINDS)
    offers.offer("index_grad", _index_grad, least=LEAST, kinds=KINDS)
    offers.offer("index_put_at", _index_put, least=LEAST, kinds=KINDS)
    offers.offer("gather", _gather, least=LEAST, kinds=KINDS)
    offers.offer("scatter_add", _scatter(ADD), least=LEAST, kinds=KINDS)
    offers.offer("scatter_src", _scatter(SET), least=LEAST, kinds=KINDS)
    for name, kernel in (("scatter_prod", _scatter(MULTIPLY)), ("scatter_extreme", _extreme)):
        if name in registry:
            offers.offer(name, kernel, least=LEAST, kinds=KINDS)
    offers.offer_gradient("gather", _gather_back)
