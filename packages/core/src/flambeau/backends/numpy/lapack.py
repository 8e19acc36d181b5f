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
    return _routine(name, a.dtype.str[1:])


def describe() -> str:
    """One line for `show_config()`."""
    found = library()
    if found is None:
        return "none found: triangular solves, LU and LDL factors are computed with NumPy alone"
    return f"of NumPy ({found.spelling.format('dgetrf')}, {np.dtype(found.integer).itemsize * 8}-bit integers)"


def _call(f: Any, *args: Any) -> None:
    """A Fortran call: everything by reference, and the lengths of texts at the end."""
    integer = library().c_integer  # type: ignore[union-attr]
    passed: list[Any] = []
    texts = 0
    for a in args:
        if isinstance(a, np.ndarray):
            passed.append(ctypes.c_void_p(a.ctypes.data))
        elif isinstance(a, bytes):
            passed.append(ctypes.c_char_p(a))
            texts += 1
        else:
            passed.append(ctypes.byref(integer(a)))
    f(*passed, *[ctypes.c_size_t(1)] * texts)


def _integers(*shape: int) -> np.ndarray[Any, Any]:
    found = library()
    assert found is not None
    return np.zeros(shape, found.integer)


def _columns(a: np.ndarray) -> np.ndarray:
    """A copy whose last two dimensions are changed about: to Fortran, the matrices themselves."""
    return np.array(np.swapaxes(a, -1, -2), order="C", copy=True)


def _worked(f: Any, kind: Any, before: tuple, after: tuple) -> None:
    """Calls `f(*before, work, size, *after)` twice: to be told how much memory it needs, and with that much."""
    query = np.zeros(1, kind)
    _call(f, *before, query, -1, *after)
    n = max(int(query[0].real), 1)
    _call(f, *before, np.empty(n, kind), n, *after)


def _many(a: np.ndarray) -> bool:
    """Whether there are so many small matrices that a call for each costs more than columns of all at once."""
    n = min(a.shape[-2:])
    return a.size > 6 * n * a.shape[-1] * a.shape[-2]


def lu(a: np.ndarray, pivot: bool = True) -> tuple[Any, Any, Any]:
    """(LU, pivots, info) of each matrix, as getrf."""
    f = routine("getrf", a)
    if f is None or not pivot or not a.size or _many(a):
        return factorizing.lu(np, a, pivot)
    *outer, m, n = a.shape
    made = _columns(a)
    pivots, info = _integers(*outer, min(m, n)), _integers(*outer)
    for at in np.ndindex(*outer):
        _call(f, m, n, made[at], m, pivots[at], info[(*at, None)])
    return np.swapaxes(made, -1, -2), pivots.astype(np.int32), info.astype(np.int32)


def triangular(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """x with a @ x = b, of which one triangle is read; batches broadcast."""
    f = routine("trsm", a)
    outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    n, k = b.shape[-2:]
    made = np.array(np.broadcast_to(b, (*outer, n, k)), order="C", copy=True)
    if f is None or not made.size or made.size > 6 * n * n * k:
        return factorizing.triangular(np, a, b, upper, unit)
    a = np.broadcast_to(a, (*outer, n, n))
    size = a.itemsize
    one = np.ones(1, a.dtype)
    for at in np.ndindex(*outer):
        # To Fortran our rows are columns: it sees x and b transposed, and solves x.T @ a.T = b.T.
        matrix = a[at]
        step, next_column = matrix.strides
        plain = step >= n * size and (next_column == size or n == 1) and step % size == 0
        turned = (
            not plain
            and next_column >= n * size
            and (step == size or n == 1)
            and next_column % size == 0
        )
        if not (plain or turned):
            matrix, plain = np.ascontiguousarray(matrix), True
        lead = max((matrix.strides[0] if plain else matrix.strides[1]) // size, n)
        lower_there = upper if plain else not upper
        _call(
            f, b"R", b"L" if lower_there else b"U", b"N" if plain else b"T", b"U" if unit else b"N",
            k, n, one, matrix, lead, made[at], k,
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
        return np.linalg.cholesky(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        return factorizing.cholesky(np, a)


def ldl(a: np.ndarray, hermitian: bool) -> tuple[Any, Any, Any]:
    """(LD, pivots, info) of the lower triangles, as sytrf and hetrf."""
    f = routine("hetrf" if hermitian and a.dtype.kind == "c" else "sytrf", a)
    if f is None or not a.size:
        return factorizing.ldl(np, a, hermitian)
    *outer, n, _ = a.shape
    made = _columns(a)
    pivots, info = _integers(*outer, n), _integers(*outer)
    for at in np.ndindex(*outer):
        _worked(f, a.dtype, (b"L", n, made[at], n, pivots[at]), (info[(*at, None)],))
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
    places = np.array(pivots, library().integer)  # type: ignore[union-attr]
    for at in np.ndindex(*outer):
        _call(f, b"L", n, k, factors[at], n, places[at], made[at], n, info)
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
    for at in np.ndindex(*outer):
        sizes, system = (m, n, k), (matrix[at], m, made[at], tall)
        if driver == "gels":
            _worked(f, a.dtype, (b"N", *sizes, *system), (info,))
            continue
        extra = (np.empty(2 * n, real),) if a.dtype.kind == "c" else ()
        found = (_integers(n), bound, rank[(*at, None)])
        _worked(f, a.dtype, (*sizes, *system, *found), (*extra, info))
    return np.swapaxes(made, -1, -2)[..., :n, :], rank.astype(np.int64), np.zeros((*outer, 0), real)
