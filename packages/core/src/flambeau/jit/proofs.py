"""What recordings have proved about steps, kept on disk, so that the next process need not prove it again.

A step is replayed by its C calls once they alone, on poisoned memory, gave the bits that the step gave (`replay`). That holds
wherever the same code makes the same calls. A proof is found by

    the key of the step      its operator or C text, its kernel, static arguments, shapes, strides and dtypes of what it reads
    the calls                functions, numbers, and addresses as places in what the step reads and makes

and lies in a file per program, beside the compiled kernels, under a name that stands for all the source of flambeau that
computes, and for Python, NumPy, compiler, processor, threads and switches. The step is run once and recorded in any case: calls other than
those proved are proved anew. Steps with operators or kernels of others, or with arguments that have no exact spelling here, are always proved.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache as once
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .._base.devices import device
from .._base.dtypes import dtype
from ..backends.cpu import cache, compiler, library, threads
from ..runtime.tensor import Size

BEGAN = time.time()
PARTS = ("_base", "backends", "graph", "ir", "jit", "ops", "runtime", "transforms")
OTHERWISE = ("FLAMBEAU_CACHE", "FLAMBEAU_PRINT")  # of our variables, those that change no call
MOST = 4 << 20  # bytes of a file that are read


class Proofs:
    """What is known of one program's steps: by key, whether C calls do the step and which, or why not."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        self._place = _place(texts)
        self._known = _read(self._place) if self._place else {}
        self._found: dict[str, str] = {}

    def __getitem__(self, key: str) -> str | None:
        """`c` and the digest of the calls that were proved, `p` and why the step is run in Python; None for nothing."""
        return self._known.get(key)

    def __setitem__(self, key: str, verdict: str) -> None:
        self._found[key] = verdict

    def save(self) -> None:
        """Keeps what was found. A folder that cannot be written costs the next process its time, no more."""
        if self._place is None or self._found.items() <= self._known.items():
            return
        lines = [f"{k} {v}\n" for k, v in (self._known | self._found).items()]
        text = "".join(lines).encode()
        made = self._place.with_name(f".{self._place.name}-{os.getpid()}")
        with contextlib.suppress(OSError):
            made.write_bytes(text + _seal(text))
            os.replace(made, self._place)


def _seal(text: bytes) -> bytes:
    return hashlib.sha256(b"proofs" + text).hexdigest().encode()


def _read(place: Path) -> dict[str, str]:
    """What a whole file says; nothing where there is none, or one that was cut short or changed."""
    try:
        with place.open("rb") as file:
            data = file.read(MOST)
    except OSError:
        return {}
    text, seal = data[:-64], data[-64:]
    if seal != _seal(text):
        return {}
    return dict(line.split(" ", 1) for line in text.decode().splitlines())


def _place(texts: Sequence[str | None]) -> Path | None:
    folder, around = library.folder(), surroundings()
    if folder is None or around is None:
        return None
    parts = [around, str(threads.count()), *(t or "?" for t in texts)]
    return folder / (cache.key(*parts) + ".proofs")


# -- keys ----------------------------------------------------------------------------------------------------------------


def key(text: str, given: Sequence[np.ndarray]) -> str:
    """The name of a step that is spelled `text` and reads arrays laid out like `given`."""
    laid = [f"{a.dtype.str}{a.shape}{a.strides}" for a in given]
    return hashlib.sha256("\n".join([text, *laid]).encode()).hexdigest()[:32]


def spelled(x: Any) -> str:
    """A static argument, exactly; ValueError where there is no spelling."""
    kind = type(x)
    if x is None or x is Ellipsis or kind in (bool, int, str):
        return repr(x)
    if kind is float:
        return x.hex()
    if kind is complex:
        return f"{x.real.hex()}+{x.imag.hex()}j"
    if kind is list or (isinstance(x, tuple) and kind.__module__ in _SEQUENCES):
        return f"{kind.__name__}({','.join(map(spelled, x))})"
    if kind is dict:
        return "{" + ",".join(f"{spelled(k)}:{spelled(v)}" for k, v in sorted(x.items())) + "}"
    if kind is slice:
        return f"slice({spelled(x.start)},{spelled(x.stop)},{spelled(x.step)})"
    if kind is dtype or kind is device:
        return repr(x)
    if isinstance(x, np.dtype):
        return x.str
    raise ValueError(f"no spelling of {kind.__name__}")


_SEQUENCES = ("builtins", Size.__module__)


def owner(kernel: Any) -> str:
    """Where a kernel is defined; ValueError for one that is not flambeau's."""
    if isinstance(kernel, partial):
        inside = [owner(x) if callable(x) else spelled(x) for x in kernel.args]
        return f"{owner(kernel.func)}({', '.join(inside)}, {spelled(kernel.keywords)})"
    inner = getattr(kernel, "kernel", None)
    if isinstance(inner, Callable) and type(kernel).__module__.startswith("flambeau."):  # type: ignore[arg-type]
        return f"{type(kernel).__qualname__}({owner(inner)})"
    kernel = getattr(kernel, "__func__", kernel)
    place = getattr(kernel, "__module__", None) or type(kernel).__module__
    if place.partition(".")[0] != "flambeau":
        raise ValueError(f"a kernel of {place}")
    return f"{place}.{getattr(kernel, '__qualname__', type(kernel).__qualname__)}"


@once
def surroundings() -> str | None:
    """A digest of all that decides which calls a step makes, but the step; None where it cannot be known.

    Source that was changed since this process began may not be what runs; an archive, or compiled files alone, have none.
    """
    if not (__file__.endswith(".py") and os.path.isfile(__file__)):
        return None
    root, digest, newest = Path(__file__).parents[1], hashlib.sha256(), 0.0
    for part in PARTS:
        for folder, _, files in sorted(os.walk(root / part)):
            for name in sorted(files):
                if name.endswith((".py", ".c", ".h")):
                    with open(os.path.join(folder, name), "rb") as file:
                        data = file.read()
                        newest = max(newest, os.fstat(file.fileno()).st_mtime)
                    digest.update(f"{folder[len(str(root)) :]}/{name} {len(data)}\n".encode())
                    digest.update(data)
    if newest >= BEGAN:
        return None
    ours = sorted((k, v) for k, v in os.environ.items() if k.startswith("FLAMBEAU_"))
    switches = [f"{k}={v}" for k, v in ours if k not in OTHERWISE]
    about = (sys.version, np.__version__, library.identity(), compiler.cpu(), *switches)
    digest.update("\0".join(about).encode())
    return digest.hexdigest()


# -- calls ---------------------------------------------------------------------------------------------------------------


def calls(sites: Sequence[Any], blocks: dict[Any, tuple[int, int]], first: int) -> str | None:
    """A digest of recorded calls; None where an address is in nothing that the step reads or makes.

    `blocks`: by block, which of the arrays that the step reads lies in it, and where. Blocks of the arena from number `first` on
    are the step's own, known by the order in which they come.
    """
    fresh: dict[Any, int] = {}

    def place(p: Any) -> str:
        if p is None:
            return "0"
        kind, number = p.block
        if kind == "lasting":
            return "table"
        if kind == "arena" and number >= first:
            return f"own {fresh.setdefault(number, len(fresh))} {p.offset}"
        which, offset = blocks[p.block]
        return f"given {which} {p.offset - offset}"

    words: list[str] = []
    try:
        for site in sites:
            words.append(f"{site.function.__name__} {site.result} {site.returned!r}")
            for value, kind in zip(site.arguments, site.kinds):
                if kind == "place":
                    words.append(place(value))
                elif kind == "pointers":
                    words.append(" ".join(map(place, value)))
                elif kind == "function":
                    words.append(kind)
                else:
                    words.append(f"{kind} {value!r}")
    except KeyError:
        return None
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]
