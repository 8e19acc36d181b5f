"""Fourier transforms by `kernels/fft.c`: any length, dimension and layout, real and complex, on all cores.

Up to a few thousand terms, as many transforms as registers have lanes run side by side. Longer ones, and few short ones,
are taken as matrices (n = rows * columns): transforms of the columns, multiplied by what is between, then of the rows. A
length with a prime factor above 13 is a convolution with a chirp. Numbers that depend on the length alone are kept.
"""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..._base import dtypes
from . import copies, native, offers, providers, threads
from .native import address

RADICES = (13, 11, 7, 5, 3)
DIRECT = 2048  # terms of a transform in lanes: two buffers of 64 bytes a part are half a second-level cache
ROWS = 4096  # of a column or a row of a longer one
MATRIX = 64  # terms from which few transforms are taken as matrices
CALL = 200  # what a second call costs, in terms of one register
NEAR = (
    1 << 19
)  # bytes of one that a thread computes by itself, its columns in the second-level cache
KEPT = 1 << 26  # bytes of tables that are kept; the last one is, whatever its size
FORWARD, BACKWARD, REAL, HALF, WHOLE = range(5)

kernels = native.Kernels("fft.c")
_REAL: dict[str, Any] = {"F": np.dtype("float32"), "D": np.dtype("float64")}
_COMPLEX: dict[str, Any] = {"f": np.dtype("complex64"), "d": np.dtype("complex128")}


def _of(char: str) -> Any:
    return kernels.float32 if char in "fF" else kernels.float64


@lru_cache
def _width(char: str) -> int:
    return _of(char).width()


# -- what depends on the length -----------------------------------------------------------------------------------------


@lru_cache(1024)
def radices(n: int) -> tuple[int, ...] | None:
    """Radices whose product is `n`, the small ones last; None if a prime above 13 divides it."""
    found = []
    for r in RADICES:
        while n % r == 0:
            found.append(r)
            n //= r
    twos = n.bit_length() - 1
    if n != 1 << twos:
        return None
    eights, rest = divmod(twos, 3)
    if rest == 1 and eights:
        return (*found, *[8] * (eights - 1), 4, 4)
    return (*found, *[8] * eights, *([1 << rest] if rest else []))


@lru_cache(1024)
def smooth(least: int) -> int:
    """The smallest length from `least` on that has small factors only."""
    best = 1 << (least - 1).bit_length()
    for odd in (1, 3, 5, 7, 9, 15, 21, 25, 27):
        times = -(-least // odd)
        best = min(best, odd << (times - 1).bit_length())
    return best


@lru_cache(1024)
def sides(n: int, width: int) -> tuple[int, int] | None:
    """Columns' and rows' length of a long transform as a matrix: whole registers, then a square. None if there are none."""
    if radices(n) is None:
        return None
    found = None
    for a in range(max(2, -(-n // ROWS)), min(ROWS, n // 2) + 1):
        if n % a:
            continue
        b = n // a
        cost = (-(-b // width) * a + -(-a // width) * b) * width / n + abs(math.log(a / b)) / 16
        if found is None or cost < found[0]:
            found = cost, a, b
    return None if found is None else found[1:]


def turns(k: np.ndarray, n: int) -> np.ndarray:
    """exp(-2 pi i k / n) as complex128: angles are brought within an eighth of a turn, where they lose nothing."""
    k = k % n
    quarter, rest = np.divmod(4 * k, n)
    low = 2 * rest <= n
    angle = np.where(low, rest, n - rest) * (math.pi / 2 / n)
    c, s = np.cos(angle), np.sin(angle)
    made = np.where(low, c, s) - 1j * np.where(low, s, c)
    return made * np.array([1, -1j, -1, 1j])[quarter]


def _kept(values: np.ndarray, char: str) -> np.ndarray:
    """Complex numbers as a table that compiled programs find again (`native.lasting`); of 64-byte lines."""
    numbers = np.ascontiguousarray(values).view(np.float64)
    memory: Any = (ctypes.c_char * (numbers.size * np.dtype(char).itemsize + 64))()
    skip = -ctypes.addressof(memory) % 64
    made = np.frombuffer(memory, char, max(1, numbers.size), skip)
    made[: numbers.size] = numbers
    made.flags.writeable = False
    native.lasting[address(made)] = made
    return made


class _Tables:
    """Tables by what they are of, the least recently used ones dropped when they grow beyond `KEPT` bytes."""

    def __init__(self) -> None:
        self.made: dict[tuple, Any] = {}
        self.lock = threading.Lock()

    def get(self, key: tuple, make: Callable[..., tuple]) -> tuple:
        """`make(*key)`: (table, whatever else), made once."""
        with self.lock:
            found = self.made.pop(key, None)
            if found is None:
                found = make(*key)
                room = KEPT - found[0].nbytes
                held = sum(t[0].nbytes for t in self.made.values())
                for other in list(self.made):
                    if held <= room:
                        break
                    held -= self.made.pop(other)[0].nbytes
            self.made[key] = found
            return found


_tables = _Tables()


def _numbers(char: str, kind: int, n: int) -> tuple[np.ndarray, list[int], tuple[int, ...]]:
    """What lanes need for one length: the table, the plan's terms, length, chirp and places, and the radices."""
    terms = n // 2 if kind >= REAL and n % 2 == 0 else n
    found = radices(terms)
    chirp = found is None
    length = smooth(2 * terms - 1) if chirp else terms
    steps = radices(length) or ()
    parts, left = [], length
    for r in steps:
        m = left // r
        if m > 1:
            parts.append(turns(np.outer(np.arange(m), np.arange(1, r)).ravel(), left))
        left = m
    places = []

    def begin() -> None:
        places.append(2 * sum(p.size for p in parts))

    begin()
    if kind >= REAL and n % 2 == 0:
        parts.append(turns(np.arange(terms // 2 + 1), n))
    begin()
    if chirp:
        q, spectrum = _chirp(terms, length)
        parts.append(q)
        begin()
        parts.append(spectrum)
    else:
        begin()
    table = np.concatenate(parts) if parts else np.zeros(1, complex)
    return _kept(table, char), [terms, length, int(chirp)], (*places, *steps, 0)


def _chirp(n: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """exp(-pi i k^2 / n), and the spectrum of its conjugate around zero, divided by the length."""
    k = np.arange(n)
    q = turns(k * k % (2 * n), 2 * n)
    kernel = np.zeros(length, complex)
    kernel[:n] = q.conj()
    kernel[length - n + 1 :] = q[1:][::-1].conj()
    return q, np.fft.fft(kernel) / length


def _between(char: str, a: int, b: int) -> tuple[np.ndarray]:
    """exp(-2 pi i j k / (a b)) for term k < a of column j < b, as lanes read them."""
    width = _width(char)
    groups = -(-b // width)
    j = np.arange(groups * width).reshape(groups, 1, width)
    w = turns(j * np.arange(a).reshape(1, a, 1), a * b)
    # Real parts of a register's columns, then imaginary ones.
    return (_kept(np.stack([w.real, w.imag], 2).reshape(-1).view(complex), char),)


# -- calls ----------------------------------------------------------------------------------------------------------------


@lru_cache(1024)
def _plan(
    char: str, kind: int, n: int, batch: tuple[int, int], steps: tuple[int, ...], between: bool
) -> np.ndarray:
    _, lengths, rest = _tables.get((char, kind, n), _numbers)
    return native.table([kind, n, *batch, *steps, *lengths, int(between), *rest])


def _lanes(
    char: str, kind: int, n: int, batch: tuple, steps: tuple, x: np.ndarray, y: np.ndarray, scale: float, matrix: Any = None
) -> None:  # fmt: skip
    """Transforms of `n` terms. `batch`: outer and inner; `steps`: of terms, inner and outer in x, then in y, in parts."""
    plan = _plan(char, kind, n, batch, steps, matrix is not None)
    table = _tables.get((char, kind, n), _numbers)[0]
    of = table if matrix is None else matrix
    _of(char).transform(address(plan), address(table), address(of), address(x), address(y), scale)


def _matrices(
    char: str, kind: int, sides: tuple[int, int], rows: int, x: np.ndarray, y: np.ndarray, scale: float
) -> None:  # fmt: skip
    """Transforms of `rows` signals that lie one after the other, as matrices."""
    a, b = sides
    n = a * b
    matrix = _tables.get((char, a, b), _between)[0]
    steps = (2 * b, 2, 2 * n) * 2, (2, 2 * b, 2 * n, 2 * a, 2, 2 * n)
    if x.nbytes // rows > NEAR or rows < 2 * threads.count():
        half = np.empty(y.shape, y.dtype)
        _lanes(char, kind, a, (rows, b), steps[0], x, half, 1.0, matrix)
        _lanes(char, kind, b, (rows, a), steps[1], half, y, scale)
        return
    plans = _plan(char, kind, a, (1, b), steps[0], True), _plan(char, kind, b, (1, a), steps[1], False)  # fmt: skip
    tables = [_tables.get((char, kind, side), _numbers)[0] for side in sides]
    given = [address(m) for m in (*plans, *tables, matrix, x, y)]
    _of(char).matrices(*given, rows, 2 * n, 2 * n, scale)


def _loops(x: np.ndarray, y: np.ndarray, dim: int) -> list[list[int]] | None:
    """(size, step in x, step in y) of what is transformed many times over, as one or two loops; None if it takes more."""
    found: list[list[int]] = []
    for d in range(x.ndim):
        if d == dim or x.shape[d] == 1:
            continue
        n, a, b = x.shape[d], x.strides[d], y.strides[d]
        if found and found[-1][1] == a * n and found[-1][2] == b * n:
            found[-1] = [found[-1][0] * n, a, b]
        else:
            found.append([n, a, b])
    return found if len(found) <= 2 else None


def _transform(kind: int, x: np.ndarray, dim: int, n: int, scale: float) -> Any:
    """One of the kinds along `dim`; NotImplemented for lengths that are left to the reference."""
    known = _known.get((kind, x.dtype, x.shape, x.strides, dim, n))
    if known is not None and x.flags.aligned:
        call, plan, table, form, wide = known
        made = np.empty(form, wide)
        at = address(table)
        call(address(plan), at, at, address(x), address(made), scale)
        return made
    char = x.dtype.char if x.dtype.kind == "f" else _REAL[x.dtype.char].char
    part = np.dtype(char).itemsize
    given, dim = dim, dim % x.ndim
    shape = list(x.shape)
    shape[dim] = n // 2 + 1 if kind == REAL else n
    if not x.size or n < 1 or (kind == HALF and x.shape[dim] != n // 2 + 1):
        return NotImplemented
    made = np.empty(shape, char if kind == HALF else _COMPLEX[char])
    count = x.size // x.shape[dim]
    width = _width(char)
    terms = n // 2 if kind >= REAL and n % 2 == 0 else n
    if not _direct(terms, count, width):
        return _long(kind, x, dim, n, scale, char, made)
    key: tuple = (kind, x.dtype, x.shape, x.strides, given, n)
    if not x.flags.aligned or any(s % part for s in x.strides):
        x, key = copies.dense(x), ()
    loops = _loops(x, made, dim)
    if loops is None:
        x, key = copies.dense(x), ()
        loops = _loops(x, made, dim) or []
    loops = [[1, 0, 0]] * (2 - len(loops)) + loops
    if loops[1][0] < width and loops[0][0] > loops[1][0]:
        loops.reverse()
    (outer, ox, oy), (inner, ix, iy) = loops
    steps = tuple([s // part for s in (x.strides[dim], ix, ox, made.strides[dim], iy, oy)])
    _lanes(char, kind, n, (outer, inner), steps, x, made, scale)
    if key:
        if len(_known) >= 1024:
            _known.clear()
        plan = _plan(char, kind, n, (outer, inner), steps, False)
        table = _tables.get((char, kind, n), _numbers)[0]
        _known[key] = _of(char).transform, plan, table, made.shape, made.dtype
    return made


# What one call of C needs, by kind, dtype, layout and length.
_known: dict[tuple, tuple] = {}


def _direct(terms: int, count: int, width: int) -> bool:
    """Whether transforms run in lanes as they are: short, and enough of them to fill lanes, or not worth a second call."""
    if radices(terms) is None:
        return smooth(2 * terms - 1) <= 2 * DIRECT
    if terms > DIRECT:
        return False
    if count >= width or terms < MATRIX:
        return True
    found = sides(terms, width)
    if found is None:
        return True
    a, b = found
    both = count * (-(-b // width) * a + -(-a // width) * b)
    return terms <= 1.5 * both + CALL


def _long(
    kind: int, x: np.ndarray, dim: int, n: int, scale: float, char: str, made: np.ndarray
) -> Any:
    """Transforms of many terms, or of few signals: along the last dimension, in two calls for each part."""
    if dim != x.ndim - 1:
        out = _transform(kind, copies.dense(np.moveaxis(x, dim, -1)), -1, n, scale)
        return out if out is NotImplemented else copies.dense(np.moveaxis(out, -1, dim))
    x = x if x.flags.c_contiguous and x.flags.aligned else copies.dense(x)
    rows, wide = made.size // made.shape[-1], _COMPLEX[char]
    if kind >= REAL and n % 2:  # odd: as complex numbers
        if native.recorders:  # what NumPy does leaves no trace
            return NotImplemented
        if kind != HALF:
            out = _transform(FORWARD, x.astype(wide), -1, n, scale)
            if out is NotImplemented or kind == WHOLE:
                return out
            return copies.dense(out[..., : n // 2 + 1])
        whole = np.concatenate([x, x[..., :0:-1].conj()], -1)
        whole[..., 0].imag = 0
        out = _transform(BACKWARD, whole, -1, n, scale)
        return out if out is NotImplemented else copies.dense(out.real)
    if kind == WHOLE:
        return _mirrored(x, n, scale, made)
    if kind == REAL:
        out = _transform(FORWARD, x.view(wide), -1, n // 2, 1.0)
        if out is NotImplemented:
            return out
        w = _tables.get((char, n), _ends)[0]
        _of(char).after_long(address(out), address(w), address(made), rows, n // 2, scale)
        return made
    if kind == HALF:
        half = np.empty((*x.shape[:-1], n // 2), wide)
        w = _tables.get((char, n), _ends)[0]
        _of(char).before_long(address(x), address(w), address(half), rows, n // 2)
        out = _transform(BACKWARD, half, -1, n // 2, scale)
        return out if out is NotImplemented else out.view(char)
    if radices(n) is None:
        return _convolved(kind, x, n, scale, char)
    found = sides(n, _width(char))
    if found is None:
        return NotImplemented
    _matrices(char, kind, found, rows, x, made, scale)
    return made


def _mirrored(x: np.ndarray, n: int, scale: float, made: np.ndarray) -> Any:
    """All terms of long real signals of even length: the second half is the first one's conjugates."""
    if native.recorders:
        return NotImplemented
    half = _transform(REAL, x, -1, n, scale)
    if half is NotImplemented:
        return half
    copies.write(made[..., : n // 2 + 1], half)
    np.conjugate(half[..., n // 2 - 1 : 0 : -1], out=made[..., n // 2 + 1 :])
    return made


def _ends(char: str, n: int) -> tuple[np.ndarray]:
    return (_kept(turns(np.arange(n // 4 + 1), n), char),)


def _long_chirp(char: str, n: int, length: int, _: str) -> tuple[np.ndarray, np.ndarray]:
    q, spectrum = _chirp(n, length)
    return q.astype(_COMPLEX[char]), spectrum.astype(_COMPLEX[char])


def _convolved(kind: int, x: np.ndarray, n: int, scale: float, char: str) -> Any:
    """A long transform whose length has large primes."""
    if native.recorders:
        return NotImplemented
    length = smooth(2 * n - 1)
    if sides(length, _width(char)) is None:
        return NotImplemented
    q, spectrum = _tables.get((char, n, length, "chirp"), _long_chirp)
    if kind == BACKWARD:
        q = q.conj()
        spectrum = spectrum.conj()  # the chirp's kernel is even
    padded = np.zeros((*x.shape[:-1], length), x.dtype)
    np.multiply(x, q, out=padded[..., :n])
    turned = _transform(FORWARD, padded, -1, length, 1.0)
    turned *= spectrum
    back = _transform(BACKWARD, turned, -1, length, scale)
    return back[..., :n] * q


# -- operators ------------------------------------------------------------------------------------------------------------


def _c2c(x: np.ndarray, *, dim: int, forward: bool, scale: float = 1.0) -> Any:
    return _transform(FORWARD if forward else BACKWARD, x, dim, x.shape[dim], scale)


def _r2c(x: np.ndarray, *, dim: int, scale: float = 1.0, onesided: bool = True) -> Any:
    return _transform(REAL if onesided else WHOLE, x, dim, x.shape[dim], scale)


def _c2r(x: np.ndarray, *, dim: int, n: int, scale: float = 1.0) -> Any:
    return _transform(HALF, x, dim, n, scale)


def register() -> None:
    """Enters the kernels; called by the first transform that is large enough."""
    least = providers.BY_HAND["fourier"]
    wide = (dtypes.complex64, dtypes.complex128)
    offers.offer("_fft_c2c", _c2c, least=least["_fft_c2c"], kinds=wide)
    offers.offer("_fft_r2c", _r2c, least=least["_fft_r2c"])
    offers.offer("_fft_c2r", _c2r, least=least["_fft_c2r"], kinds=wide)
