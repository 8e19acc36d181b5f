"""Random numbers of many elements: the words of NumPy's Mersenne Twister made and used in C (`kernels/twister.c`, `boxmuller.c`).

The generator's state is read and moved on where NumPy has it, so that draws here and elsewhere go on from each other, and the
numbers are those of `runtime/random.py`, to the last bit.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from typing import Any

import numpy as np

from ..._base import dtypes
from ...runtime import boxmuller, random
from ...runtime.operator import registry
from . import library
from .compiler import CompileError
from .native import Kernels, address
from .offers import FLOATS

kernels = Kernels("twister.c")
pairs = Kernels("boxmuller.c")
empty = np.empty
LEAST = 1 << 12  # numbers; fewer are NumPy's
LONGEST = 1 << 27  # of a permutation; beyond some more, words of 64 bits are drawn
PIECE = 2048  # normal numbers that are made together, as in C


class _State(ctypes.Structure):
    """NumPy's `mt19937_state`."""

    _fields_ = (("key", ctypes.c_uint32 * 624), ("pos", ctypes.c_int))


def _place(generator: Any) -> int | None:
    """Where a generator's state lies; None where it is not laid out as here. Hold the lock."""
    twister = generator._words().bit_generator
    kind: Any = type(twister)
    return twister.ctypes.state_address if _known(kind) else None


@cache
def _known(kind: Any) -> bool:
    """Whether NumPy keeps a twister's state as `_State`."""
    probe = kind(7)
    probe.random_raw(5)
    shown, there = probe.state["state"], _State.from_address(probe.ctypes.state_address)
    return there.pos == shown["pos"] and np.array_equal(
        np.array(there.key, np.uint32), shown["key"]
    )


def _dropout_mask(state: int, out: np.ndarray, p: float) -> None:
    _coins(state, out, 1 - p, 1 / out.dtype.type(1 - p))


def _bernoulli(state: int, out: np.ndarray, p: float) -> None:
    _coins(state, out, p, 1.0)


def _coins(state: int, out: np.ndarray, p: float, value: float) -> None:
    below = math.ceil(p * 2.0**53)  # bits * 2**-53 < p
    _of(out).coins(state, address(out), out.size, below, value)


def _uniform(state: int, out: np.ndarray, low: float = 0.0, high: float = 1.0) -> None:
    kind = out.dtype.type
    width = kind(high) - kind(low) if out.itemsize == 4 else high - low
    closed = low != 0 or (out.itemsize == 8 and low < high)
    _of(out).uniforms(state, address(out), out.size, low, width, high, closed)


def _normal(state: int, out: np.ndarray, mean: float = 0.0, std: float = 1.0) -> None:
    size = out.size
    flat = out.reshape(-1)
    _uniform(state, flat)
    if out.itemsize == 8:
        _normal_doubles(state, flat, mean, std)
        return
    whole, tail = size // PIECE * PIECE, size % boxmuller.BLOCK
    rest = flat[whole : size - tail]
    rest[:] = boxmuller.blocks32(rest.copy(), mean, std)
    if whole:
        pairs.float32.normals(address(flat), whole, mean, std)
    if tail:  # the last block is drawn anew
        last = np.empty(boxmuller.BLOCK, np.float32)
        _uniform(state, last)
        flat[-boxmuller.BLOCK :] = boxmuller.blocks32(last, mean, std)


def _normal_doubles(state: int, flat: np.ndarray, mean: float, std: float) -> None:
    """Uniform numbers made normal, block by block; of a size that is no multiple of a block's the last is drawn anew."""
    tail = flat.size % boxmuller.BLOCK
    pairs.float32.normal_doubles(address(flat), flat.size - tail, mean, std)
    if tail:
        last = np.empty(boxmuller.BLOCK)
        _uniform(state, last)
        pairs.float32.normal_doubles(address(last), last.size, mean, std)
        flat[-boxmuller.BLOCK :] = last


def _of(out: np.ndarray) -> Any:
    return kernels.float32 if out.itemsize == 4 else kernels.float64


def _finite(number: Any) -> bool:
    return type(number) in (int, float) and -1e30 < number < 1e30


def _chance(options: dict) -> bool:
    args = options.get("args", ())
    return (
        len(args) == 1 and type(args[0]) in (int, float) and 0 < args[0] < 1 and len(options) == 1
    )


def _range(options: dict) -> bool:
    """Nothing, or low and high of a range."""
    low, high = 0.0, 1.0
    for name, value in options.get("kw", {}).items():
        if name not in ("low", "high") or not _finite(value):
            return False
        low, high = (value, high) if name == "low" else (low, value)
    return low < high


def _spread(options: dict) -> bool:
    given = options.get("kw", {})
    return (
        given.get("contiguous", True)
        and given.keys() <= {"mean", "std", "contiguous"}
        and _finite(given.get("mean", 0))
        and _finite(given.get("std", 1))
        and given.get("std", 1) >= 0
    )


KINDS: dict[str, tuple[Any, Any]] = {
    "dropout_mask": (_dropout_mask, _chance),
    "bernoulli": (_bernoulli, _chance),
    "uniform": (_uniform, _range),
    "normal": (_normal, _spread),
}


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    if attrs["kind"] == "randperm":
        return (
            attrs["dtype"] is dtypes.int64
            and LEAST <= attrs["options"]["n"] <= LONGEST
            and library.available()
        )
    found = KINDS.get(attrs["kind"])
    if found is None or math.prod(attrs["shape"]) < LEAST or attrs["dtype"] not in FLOATS:
        return False
    return (
        set(attrs["options"]) <= {"args", "kw"}
        and found[1](attrs["options"])
        and library.available()
    )


def _draw(xp: Any, **attrs: Any) -> np.ndarray:
    generator = attrs["generator"] or random.default_generator
    options = attrs["options"]
    order = attrs["kind"] == "randperm"
    of = kernels.float32 if order or attrs["dtype"] is FLOATS[0] else kernels.float64
    try:
        of.coins  # noqa: B018 -- compiles
    except CompileError:
        return registry["draw"].kernels[None](xp, **attrs)
    with generator._lock:
        state = _place(generator)
        if state is None:
            return registry["draw"].kernels[None](xp, **attrs)
        out = np.empty(attrs["shape"], attrs["dtype"].numpy)
        generator._fresh = False
        if order:
            of.permutation(state, address(out), out.size)
            return out
        given = options.get("kw", {})
        given = {k: v for k, v in given.items() if k != "contiguous"}
        KINDS[attrs["kind"]][0](state, out, *options.get("args", ()), **given)
    return out


def few(
    kind: str, shape: tuple[int, ...], dtype: Any, generator: Any, options: dict, out: Any = None
) -> np.ndarray | None:
    """Few numbers of a kind of `FEW` in one call, in `out` where that is given; None where they cannot be had so."""
    if dtype is not (dtypes.int64 if kind in WHOLE else dtypes.float32):
        return None
    accepts, draw = FEW.get(kind, NEVER)
    if not accepts(options) or not library.available():
        return None
    if out is None:
        out = empty(shape, dtype.numpy)
    if not 0 < out.size < LEAST:
        return None
    with generator._lock:
        twister, place = generator._at
        if twister is None or twister is not generator._twister:
            place = _place(generator)
            generator._at = generator._twister, place
        if place is None:
            return None
        generator._fresh = False
        try:
            draw(place, out, generator, options)
        except CompileError:
            return None
    return out


def _few_uniform(place: int, out: np.ndarray, generator: Any, options: dict) -> None:
    if options and options["kw"] != UNIT:
        _uniform(place, out, **options["kw"])
    else:
        pairs.float32.few_units(place, address(out), out.size)


def _few_normal(place: int, out: np.ndarray, generator: Any, options: dict) -> None:
    given = options["kw"] if options else {}
    mean, std = given.get("mean", 0.0), given.get("std", 1.0)
    if out.size >= boxmuller.BLOCK:
        pairs.float32.few_normals(place, address(out), out.size, mean, std)
        return
    kept = generator._normal
    waiting = np.array((0.0 if kept is None else kept, kept is not None))
    pairs.float32.pair_normals(place, address(out), out.size, mean, std, address(waiting))
    generator._normal = float(waiting[0]) if waiting[1] else None


def _below(options: dict) -> bool:
    low, high = options["low"], options["high"]
    if type(low) is not int or type(high) is not int or abs(low) > 1 << 62:
        return False
    return 0 < high - low < random.WIDE_RANGE


def _few_below(place: int, out: np.ndarray, generator: Any, options: dict) -> None:
    low, high = options["low"], options["high"]
    kernels.float32.remainders(place, address(out), out.size, high - low, low)


FEW: dict[str, tuple[Any, Any]] = {
    "uniform": (lambda options: not options or (len(options) == 1 and _range(options)), _few_uniform),
    "normal": (lambda options: not options or (len(options) == 1 and _spread(options)), _few_normal),
    "bernoulli": (_chance, lambda place, out, _, options: _bernoulli(place, out, *options["args"])),
    "dropout_mask": (_chance, lambda place, out, _, options: _dropout_mask(place, out, *options["args"])),
    "randint": (_below, _few_below),
    "randperm": (lambda _: True, lambda place, out, *_: kernels.float32.permutation(place, address(out), out.size)),
}  # fmt: skip
UNIT = {"low": 0.0, "high": 1.0}
NEVER = (lambda _: False, None)
WHOLE = ("randint", "randperm")


def register() -> None:
    """Offers the kernels; called at the first draw."""
    _draw.few = few  # type: ignore[attr-defined]
    registry["draw"].provide("cpu", _accepts, 0)(_draw)
