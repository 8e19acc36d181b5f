"""LAPACK for the CPU: the decompositions that NumPy has no function for, from the library that NumPy itself is linked with.

NumPy's wheels carry OpenBLAS with all of LAPACK inside, and other builds are linked with some LAPACK. Its routines are
reached through ctypes, which releases the GIL. They are looked for from NumPy's own linalg extension: on Linux and macOS a
symbol is searched in all that a library depends on, so that no path has to be guessed. Where a routine is not found, and
for batches of small matrices, the same is done with NumPy alone (`backends/factorizing.py`). `describe()` says which.
"""

from __future__ import annotations

import ctypes
import glob
import os
from functools import cache
from typing import Any

import numpy as np

from .. import factorizing

_LETTER = {"f4": "s", "f8": "d", "c8": "c", "c16": "z"}
# How builds spell a routine, and the width of their integers.
_SPELLINGS = (
    ("scipy_{}_64_", np.int64),
    ("{}_64_", np.int64),
    ("scipy_{}_", np.int32),
    ("{}_", np.int32),
)


class Library:
    """The shared library, and how it spells its routines."""

    def __init__(self, handle: Any, spelling: str, integer: Any) -> None:
        self.handle, self.spelling, self.integer = handle, spelling, integer
        self.c_integer = ctypes.c_int64 if integer is np.int64 else ctypes.c_int32

    def routine(self, name: str) -> Any:
        """The routine of a name such as "dgetrf"; None where the library lacks it."""
        found = getattr(self.handle, self.spelling.format(name), None)
        if found is not None:
            found.restype = None
        return found


@cache
def library() -> Library | None:
    """The LAPACK that NumPy is linked with; None if it cannot be reached."""
    for path in _candidates():
        try:
            handle = ctypes.CDLL(path)
        except OSError:
            continue
        for spelling, integer in _SPELLINGS:
            if getattr(handle, spelling.format("dgetrf"), None) is not None:
                return Library(handle, spelling, integer)
    return None


def _candidates() -> list[str]:
    from numpy.linalg import _umath_linalg

    here = os.path.dirname(np.__file__)
    # Windows looks for a symbol in one library only, so that there the wheel's own must be named.
    return [
        _umath_linalg.__file__,
        *glob.glob(os.path.join(here, "..", "numpy.libs", "*openblas*")),
        *glob.glob(os.path.join(here, ".dylibs", "*openblas*")),
    ]


@cache
def _routine(name: str, kind: str) -> Any:
    """A routine for a dtype, such as ("getrf", "f8"); None if there is none."""
    found = library()
    if found is None or kind not in _LETTER:
        return None
    return found.routine(_LETTER[kind] + name)


def routine(name: str, a: Any) -> Any:
    """The routine for an array's dtype; None if there is none."""
    return _routine(name, a.dtype.str[1:] if a.dtype.isnative else "")


def describe() -> str:
    """One line for `show_config()`."""
    found = library()
    if found is None:
        return "none found: triangular solves, LU and LDL factors are computed with NumPy alone"
    return f"of NumPy ({found.spelling.format('dgetrf')}, {np.dtype(found.integer).itemsize * 8}-bit integers)"


class _Each:
    """An array with batches in front of its `own` last dimensions: each call gets the address of the next of them."""

    def __init__(self, array: np.ndarray, own: int) -> None:
        self.array = array  # kept alive
        at = np.zeros((), np.intp)
        for n, step in zip(array.shape[: array.ndim - own], array.strides):
            at = np.add.outer(at, np.arange(n) * step)
        self.addresses: list[int] = (at.ravel() + array.ctypes.data).tolist()


WORK: Any = object()  # stands for a work array and its size, which the routine is asked for


def _calls(f: Any, *args: Any, kind: Any = None) -> None:
    """A Fortran call for each matrix: everything by reference, and the lengths of texts at the end.

    What is passed is made once; between calls only addresses change. `kind` is the dtype of a work array.
    """
    found = library()
    assert found is not None
    passed: list[Any] = []
    moving: list[tuple[Any, list[int]]] = []
    texts, spot = 0, -1
    for a in args:
        if a is WORK:
            spot = len(passed)
            passed += [None, None]
        elif isinstance(a, _Each):
            moving.append((ctypes.c_void_p(), a.addresses))
            passed.append(moving[-1][0])
        elif isinstance(a, np.ndarray):
            passed.append(ctypes.c_void_p(a.ctypes.data))
        elif isinstance(a, bytes):
            passed.append(ctypes.c_char_p(a))
            texts += 1
        else:
            passed.append(ctypes.byref(found.c_integer(a)))
    passed += [ctypes.c_size_t(1)] * texts
    pointers = [p for p, _ in moving]
    rows = list(zip(*(addresses for _, addresses in moving)))
    if spot >= 0:
        for pointer, address in zip(pointers, rows[0]):
            pointer.value = address
        work = np.zeros(1, kind)
        passed[spot] = ctypes.c_void_p(work.ctypes.data)
        passed[spot + 1] = ctypes.byref(found.c_integer(-1))
        f(*passed)
        work = np.empty(max(int(work[0].real), 1), kind)
        passed[spot] = ctypes.c_void_p(work.ctypes.data)
        passed[spot + 1] = ctypes.byref(found.c_integer(work.size))
    for row in rows:
        for pointer, address in zip(pointers, row):
            pointer.value = address
        f(*passed)


def _integers(*shape: int) -> np.ndarray[Any, Any]:
    found = library()
    assert found is not None
    return np.zeros(shape, found.integer)


def _columns(a: np.ndarray) -> np.ndarray:
    """A copy whose last two dimensions are changed about: to Fortran, the matrices themselves."""
    return np.array(np.swapaxes(a, -1, -2), order="C", copy=True)


def _many(a: np.ndarray) -> bool:
    """Whether there are so many small matrices that a call for each costs more than columns of all at once."""
    return a.size > 30 * min(a.shape[-2:]) * a.shape[-1] * a.shape[-2]


def lu(a: np.ndarray, pivot: bool = True) -> tuple[Any, Any, Any]:
    """(LU, pivots, info) of each matrix, as getrf."""
    f = routine("getrf", a)
    if f is None or not pivot or not a.size or _many(a):
        return factorizing.lu(np, a, pivot)
    *outer, m, n = a.shape
    made = _columns(a)
    pivots, info = _integers(*outer, min(m, n)), _integers(*outer)
    _calls(f, m, n, _Each(made, 2), m, _Each(pivots, 1), _Each(info, 0))
    return np.swapaxes(made, -1, -2), pivots.astype(np.int32), info.astype(np.int32)


def triangular(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """x with a @ x = b, of which one triangle is read; batches broadcast."""
    f = routine("trsm", a)
    outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    n, k = b.shape[-2:]
    made = np.array(np.broadcast_to(b, (*outer, n, k)), order="C", copy=True)
    if f is None or not made.size or made.size > 30 * n * n * k:
        return factorizing.triangular(np, a, b, upper, unit)
    # To Fortran our rows are columns: it sees x and b transposed, and solves x.T @ a.T = b.T.
    size = a.itemsize
    step, next_column = a.strides[-2:]
    turned = step == size and next_column >= n * size and not next_column % size
    if not turned and not (next_column == size and step >= n * size and not step % size):
        a = np.ascontiguousarray(a)
        step = a.strides[-2]
    lead = max((next_column if turned else step) // size, n)
    lower_there = upper != turned
    _calls(
        f, b"R", b"L" if lower_there else b"U", b"T" if turned else b"N", b"U" if unit else b"N",
        k, n, np.ones(1, a.dtype), _Each(np.broadcast_to(a, (*outer, n, n)), 2), lead, _Each(made, 2), k,
    )  # fmt: skip
    return made


def inverse(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(inverse, info): info is 0, or the place of the zero pivot of a singular matrix, whose inverse is NaN."""
    try:
        return np.linalg.inv(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        info = lu(a)[2]
        made = np.full_like(a, np.nan)
        regular = info == 0
        made[regular] = np.linalg.inv(a[regular])
        return made, info


def solve(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, info) with a @ x = b, batches broadcast; info as of `inverse`."""
    try:
        return np.linalg.solve(a, b), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        info = lu(a)[2]
        outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        made = np.full((*outer, *b.shape[-2:]), np.nan, b.dtype)
        regular = np.broadcast_to(info == 0, outer)
        wide, right = (np.broadcast_to(x, (*outer, *x.shape[-2:]))[regular] for x in (a, b))
        made[regular] = np.linalg.solve(wide, right)
        return made, info


def cholesky(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L, info): info is 0, or the order of the first leading minor that is not positive."""
    try:
        low = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return factorizing.cholesky(np, a)
    # Not every LAPACK sees that an infinite pivot leaves no numbers behind it.
    if not np.isfinite(np.diagonal(low, axis1=-2, axis2=-1)).all():
        return factorizing.cholesky(np, a)
    return low, np.zeros(a.shape[:-2], np.int32)


def ldl(a: np.ndarray, hermitian: bool) -> tuple[Any, Any, Any]:
    """(LD, pivots, info) of the lower triangles, as sytrf and hetrf."""
    f = routine("hetrf" if hermitian and a.dtype.kind == "c" else "sytrf", a)
    if f is None or not a.size:
        return factorizing.ldl(np, a, hermitian)
    *outer, n, _ = a.shape
    made = _columns(a)
    pivots, info = _integers(*outer, n), _integers(*outer)
    _calls(f, b"L", n, _Each(made, 2), n, _Each(pivots, 1), WORK, _Each(info, 0), kind=a.dtype)
    return np.swapaxes(made, -1, -2), pivots.astype(np.int32), info.astype(np.int32)


def ldl_solve(ld: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> np.ndarray:
    """x with a @ x = b, for a as `ldl` leaves it; batches broadcast."""
    outer = np.broadcast_shapes(ld.shape[:-2], b.shape[:-2])
    ld, b = (np.broadcast_to(x, (*outer, *x.shape[-2:])) for x in (ld, b))
    pivots = np.broadcast_to(pivots, (*outer, pivots.shape[-1]))
    f = routine("hetrs" if hermitian and ld.dtype.kind == "c" else "sytrs", ld)
    if f is None or not b.size:
        return factorizing.ldl_solve(np, ld, pivots, b, hermitian)
    n, k = b.shape[-2:]
    factors, made, info = _columns(ld), _columns(b), _integers(1)
    places = np.array(pivots, info.dtype, order="C")  # a broadcast has its own order otherwise
    _calls(f, b"L", n, k, _Each(factors, 2), n, _Each(places, 1), _Each(made, 2), n, info)
    return np.swapaxes(made, -1, -2)


def lstsq(a: np.ndarray, b: np.ndarray, rcond: float, driver: str) -> tuple[Any, Any, Any]:
    """(x, rank, singular values) of the shortest x that brings a @ x nearest to b; one batch for both.

    `gels` trusts that a has full rank, `gelsy` finds the rank by pivoted columns, both without singular values.
    """
    f = routine(driver, a)
    *outer, m, n = a.shape
    if f is None or not a.size or not b.size or driver in ("gelsd", "gelss"):
        return factorizing.lstsq(np, a, b, rcond, driver)
    k, tall = b.shape[-1], max(m, n)
    matrix = _columns(a)
    made = np.zeros((*outer, k, tall), b.dtype)
    made[..., :m] = np.swapaxes(b, -1, -2)
    rank = _integers(*outer)
    real = np.zeros(0, a.dtype).real.dtype
    bound = np.full(1, rcond, real)
    info = _integers(1)
    system = (m, n, k, _Each(matrix, 2), m, _Each(made, 2), tall)
    if driver == "gels":
        _calls(f, b"N", *system, WORK, info, kind=a.dtype)
    else:
        extra = (np.empty(2 * n, real),) if a.dtype.kind == "c" else ()
        order = _integers(*outer, n)
        _calls(f, *system, _Each(order, 1), bound, _Each(rank, 0), WORK, *extra, info, kind=a.dtype)
    return np.swapaxes(made, -1, -2)[..., :n, :], rank.astype(np.int64), np.zeros((*outer, 0), real)
