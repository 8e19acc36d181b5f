"""A pytest plugin: the kernel calls of a test run, with their memory before and after, written to a file.

    python -m pytest -p kernels.recording packages/core/tests/backends        (tools/ on PYTHONPATH, $KERNEL_RECORD a folder)

The folder then holds `calls.bin`, which `replay.c` reads, and `functions.json`: the functions by number and the texts of
the generated loop nests. What is recorded is bounded: some calls of each function, of different sizes.
Calls that pass addresses inside their memory (`lists.c`) cannot be moved and are left out.
"""

from __future__ import annotations

import collections
import ctypes
import json
import os
import pathlib
import re
import struct
import sys
import weakref
from typing import Any

import numpy as np

from flambeau.backends.cpu import kernel, library, native, threads

OF_EACH = int(os.environ.get("KERNEL_RECORD_EACH", "16"))  # calls of one function
OF_NESTS = 160  # texts of generated nests
LARGEST = 1 << 18  # bytes of one call's memory
# Addresses in tables, in NumPy's own memory, of NumPy's functions; noted as nests; not on other processors.
ELSEWHERE = {"lists.c", "twister.c", "share.c", "launch.c", "bf16.c"}
# What depends on the registers, such as how weights are packed, can be made again on a processor of the same kind only.
PACKED = re.compile(r"(^|_)(pack|packed|packed_size|room|last|width)$")
# The arrays of bfloat16 in a nest's text: those read, and those written.
BRAIN = re.compile(r"fb_of_brain\(a(\d+)_|\ba(\d+)_\d+\[.*\] = fb_to_brain")
PORTABLE = "KERNEL_RECORD_PORTABLE" in os.environ
NULL, NUMBER, REAL, PLACE = range(4)
# How `replay.c` reads a buffer: as floats of these bytes, 3 standing for bfloat16; 1: as it is; 0: not at all.
FLOATS = {"float32": 4, "float64": 8, "complex64": 4, "complex128": 8, "float16": 2, "bfloat16": 3}

folder = pathlib.Path(os.environ["KERNEL_RECORD"], os.environ.get("PYTEST_XDIST_WORKER", "one"))
functions: list[dict[str, Any]] = []
numbered: dict[Any, int] = {}
seen: dict[int, set] = collections.defaultdict(set)
# By address: it, where the array lies, its dtype, itself.
known: dict[int, tuple[int, int, int, str, Any]] = {}
# Arrays that begin at one place, such as a matrix and its first row, may be arguments of one call.
recent: collections.deque[tuple[int, int, int, str, Any]] = collections.deque(maxlen=12)
launches: dict[int, Any] = {}
plain_address, plain_load = native.address, native.load
out: Any = None


def address(a: np.ndarray) -> int:
    """As `native.address`; where the array lies is remembered."""
    at = plain_address(a)
    low, high = np.lib.array_utils.byte_bounds(a) if a.size else (at, at)
    lying = at, low, high, a.dtype.name, weakref.ref(a)
    known[at] = lying
    recent.appendleft(lying)
    if len(known) > 4096:
        for old in [p for p, found in known.items() if found[-1]() is None]:
            del known[old]
    return at


def extent(at: int) -> tuple[int, int, str] | None:
    """The memory of the array that an address was taken of, or that it lies in; None where that is not known.

    Addresses of what lives no more count for a while only: a view made for a call, whose memory another array keeps.
    """
    at_it = [r for r in recent if r[0] == at]
    if at_it:
        same = [at_it[0], *[r for r in at_it[1:] if r[-1]() is not None]]
        return min(r[1] for r in same), max(r[2] for r in same), at_it[0][3]
    owner = native.lasting.get(at)
    if isinstance(owner, np.ndarray):
        return (*np.lib.array_utils.byte_bounds(owner), owner.dtype.name)
    for _, low, high, kind, _ in recent:
        if low <= at < high:
            return low, high, kind
    found = known.get(at)
    return found[1:4] if found is not None and found[-1]() is not None else None


class Memory:
    """The buffers of one call: extents, joined where they overlap."""

    def __init__(self) -> None:
        self.ranges: list[list] = []

    def add(self, low: int, high: int, kind: str) -> None:
        for r in list(self.ranges):
            if low < r[1] and r[0] < high:
                self.ranges.remove(r)
                low, high = min(low, r[0]), max(high, r[1])
                kind = kind if kind == r[2] else "bytes"
        self.ranges.append([low, high, kind])

    def place(self, at: int) -> tuple[int, int]:
        for i, (low, high, _) in enumerate(self.ranges):
            if low <= at < max(high, low + 1):
                return i, at - low
        raise LookupError(at)

    def bytes(self) -> int:
        return sum(high - low for low, high, _ in self.ranges)

    def copy(self) -> list[bytes]:
        return [ctypes.string_at(low, high - low) for low, high, _ in self.ranges]


def note(key: Any, about: dict[str, Any], arguments: list, call: Any) -> Any:
    """Makes the call, and writes it down if it is new of its kind and can be moved."""
    number = numbered.setdefault(key, len(functions))
    if number == len(functions):
        functions.append(about)
    memory, alive = Memory(), []
    for a in arguments:
        if isinstance(a, ctypes.Array):
            alive.append(a)
            memory.add(ctypes.addressof(a), ctypes.addressof(a) + ctypes.sizeof(a), "bytes")
        elif isinstance(a, Address) and a.at:
            found = extent(a.at)
            if found is None:
                return call()
            low, high, held = found
            memory.add(low, high, "bfloat16" if a.brain else held)
    scalars = tuple(a for a in arguments if not isinstance(a, (ctypes.Array, Address)))
    kind = scalars, tuple(high - low for low, high, _ in memory.ranges), threads.count()
    if memory.bytes() > LARGEST or kind in seen[number] or len(seen[number]) >= about["most"]:
        return call()
    seen[number].add(kind)
    words = []
    for a in arguments:
        if isinstance(a, ctypes.Array):
            words.append((PLACE, *memory.place(ctypes.addressof(a))))
        elif isinstance(a, Address):
            words.append((PLACE, *memory.place(a.at)) if a.at else (NULL, 0, 0))
        elif isinstance(a, float):
            words.append((REAL, struct.unpack("q", struct.pack("d", a))[0], 0))
        else:
            words.append((NUMBER, int(a), 0))
    before = memory.copy()
    result = call()
    after = memory.copy()
    returned = ctypes.c_int64(result).value if isinstance(result, int) else 0
    scratch = [a.at for a in arguments if isinstance(a, Address) and a.scratch]
    file = output()
    file.write(struct.pack("<6q", number, threads.count(), len(words), len(before), returned, about["returns"]))  # fmt: skip
    for word in words:
        file.write(struct.pack("<3q", *word))
    for (low, high, dtype), old, new in zip(memory.ranges, before, after):
        used = any(low <= at < high for at in scratch)  # what is left there need not be the same
        changed = old != new and not used
        element = 0 if used else FLOATS.get(dtype, 1)
        file.write(struct.pack("<4q", high - low, low % 64, element, changed))
        file.write(old + new if changed else old)
    return result


class Address:
    """An argument that is an address; `brain`: of bfloat16, which NumPy holds as whole numbers."""

    def __init__(self, at: int | None, scratch: bool = False, brain: bool = False) -> None:
        self.at, self.scratch, self.brain = at, scratch, brain


def _spelled(kind: Any) -> str:
    return {
        None: "void",
        ctypes.c_int: "int",
        ctypes.c_int64: "int64_t",
        ctypes.c_uint64: "uint64_t",
        ctypes.c_double: "double",
    }[kind]


class Recorded:
    """A function of a kernel's library that notes its calls."""

    def __init__(self, function: Any, file: str, dtype: str, name: str) -> None:
        self._function, self._key = function, (file, dtype, name)
        self._about = {
            "file": file, "dtype": dtype, "name": name, "most": OF_EACH,
            "declared": function.declared, "result": _spelled(function.restype), "returns": int(function.restype not in (None, ctypes.c_double)),
        }  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._function, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._function, name)

    def __call__(self, *arguments: Any) -> Any:
        made = []
        for a, declared in zip(arguments, self._about["declared"]):
            if "*" in declared and not isinstance(a, ctypes.Array):
                if a is not None and not isinstance(a, int):
                    return self._function(*arguments)
                made.append(Address(a, declared.endswith("room")))
            elif declared.split()[0] in ("T", "float", "double"):
                made.append(float(a))
            else:
                made.append(a)
        return note(self._key, self._about, made, lambda: self._function(*arguments))


class Nest:
    """A function of `launch.c`, whose calls are noted as calls of the nest."""

    def __init__(self, function: Any, name: str) -> None:
        self._function, self._all = function, name == "run_all"
        self._params = int(name.partition("n")[2].partition("n")[2] or 0)  # of run3n2: 2

    def __call__(self, plan: int, *arrays: Any) -> Any:
        run = lambda: self._function(plan, *arrays)  # noqa: E731
        found = launches.get(plan)
        if found is None or (
            found[0].text not in numbered and sum(f["file"] == "" for f in functions) >= OF_NESTS
        ):
            return run()
        nest, launch = found
        pointers, params = arrays if self._all else self._parted(arrays)
        made = [int(launch.count), int(launch.grain), params, launch.sizes, launch.strides]
        brains = {int(k) for pair in BRAIN.findall(nest.text) for k in pair if k}
        made += [Address(p, brain=k in brains) for k, p in enumerate(pointers)]
        about = {"file": "", "name": nest.name, "text": nest.text, "most": 4, "returns": 0}
        return note(nest.text, about, made, run)

    def _parted(self, given: tuple) -> tuple:
        """Addresses, and the parameters behind them as the nest reads them."""
        count = len(given) - self._params
        return given[:count], (ctypes.c_double * max(1, self._params))(*given[count:])


def load(file: str, dtype: str) -> Any:
    made = plain_load(file, dtype)
    for name, function in list(vars(made).items()):
        if file == "launch.c" and name != "keep":
            setattr(made, name, Nest(function, name))
        elif PORTABLE and (PACKED.search(name) or file == "gemm_packed.c"):
            continue
        elif name != "keep" and file not in ELSEWHERE:
            setattr(made, name, Recorded(function, file, dtype, name))
    return made


def output() -> Any:
    global out
    if out is None:
        folder.mkdir(parents=True, exist_ok=True)
        out = (folder / "calls.bin").open("wb")
    return out


def pytest_configure() -> None:
    native.load = load
    for module in list(sys.modules.values()):
        if getattr(module, "address", None) is plain_address:
            module.address = address  # type: ignore[attr-defined]
    made = kernel.Launch.__init__

    def init(self: Any, nest: Any) -> None:
        made(self, nest)
        launches[plain_address(self.plan)] = nest, self

    kernel.Launch.__init__ = init  # type: ignore[method-assign]


def pytest_unconfigure() -> None:
    if out is None:
        return
    out.close()
    for about in functions:
        if about["file"]:
            about["source"] = native.source(about["file"], about["dtype"])
        else:
            about["source"] = ""
    (folder / "functions.json").write_text(
        json.dumps(
            {
                "functions": functions,
                "math": library.header("fb_math.h"),
                "pool": library.header("fb_pool.c"),
            }
        )
    )
