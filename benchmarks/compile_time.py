"""How long compiling a training step takes before it runs at full speed: with nothing kept, and from what an earlier process kept.

    python tools/bench.py compile_time                       beside torch.compile
    python benchmarks/compile_time.py resnet18_cifar_b32_sgd flambeau alone, with the libraries that were built, by time

A fresh process makes the first three calls (captured, recorded, run); what they took above three calls at full speed is
the compile time. Kernels by hand that the step is the first to need are compiled too, and count.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import train
from harness import Bar, Case, Side

TITLE = "Compile time"
TEXT = (
    "Seconds that the first three calls of a compiled training step take above three calls at full speed, in a fresh process: "
    "`.cold` with an empty cache, the kernels that the step is the first to need included; `.cached` with what the process before it "
    "kept, the middle one of five processes. PyTorch's column is torch.compile of the model."
)
UNIT = "s"
BARS = [Bar(least=1.0)]
# Seconds that issue 6 allows.
MOST = {"resnet18_cifar_b32_sgd.cold": 10.0, "resnet18_cifar_b32_sgd.cached": 0.5}
LATER = 5  # processes that start from what the first left behind
FIRST = 3  # calls until a program is a native call
LIBRARIES = {"flambeau": "FLAMBEAU_CACHE", "torch": "TORCHINDUCTOR_CACHE_DIR"}


def both(*names: str) -> dict[str, Case]:
    steps = train.CASES | train.HELD_OUT
    return {f"{name}.{kind}": steps[name] for name in names for kind in ("cold", "cached")}


CASES = both("mlp_784_128_10_b64_sgd", "resnet18_cifar_b32_sgd")
HELD_OUT = both("small_cnn_b64_adam")


# --------------------------------------------------------------------------------------------------
# In a fresh process


def compiled_step(library: str, name: str) -> Any:
    lib = importlib.import_module(library)
    lib.set_num_threads(int(os.environ.get("FLAMBEAU_NUM_THREADS", "2")))
    case = (train.CASES | train.HELD_OUT)[name]
    if library == "torch":
        from peer import Compiling

        return case.make(Compiling(lib, []))
    return lib.compile(case.make(Side(lib, [])), fullgraph=True)


def note_libraries(built: list[tuple[float, str]]) -> None:
    """Has every library that flambeau compiles noted, with its seconds."""
    from flambeau.backends.cpu import library

    build = library.build

    def timed(source: str, *rest: Any) -> None:
        started = time.perf_counter()
        build(source, *rest)
        built.append((time.perf_counter() - started, title(source, library.HEADERS)))

    library.build = timed


def title(source: str, headers: pathlib.Path) -> str:
    """What a library is: the file of kernels/ it begins with, else the last of its functions."""
    for file in sorted((headers.parent / "kernels").glob("*.c")):
        if file.read_text().strip()[:60] in source:
            return file.name
    pattern = r"^(?:EXPORT )?(?:void|int|int64_t|double)\s+\**(\w+)\("
    names = re.findall(pattern, source, re.MULTILINE)
    return f"{names[-1]} ({len(source) >> 10} kB)" if names else "?"


def here(library: str, name: str) -> dict[str, Any]:
    """Seconds of compiling a step in this process, and of every library that was built for it."""
    built: list[tuple[float, str]] = []
    if library == "flambeau":
        note_libraries(built)
    step = compiled_step(library, name)

    def call() -> float:
        started = time.perf_counter()
        step()
        return time.perf_counter() - started

    first = [call() for _ in range(FIRST)]
    least, after = time.perf_counter() + 1.0, [call() for _ in range(3)]
    while time.perf_counter() < least:
        after.append(call())
    full = statistics.median(after)
    return {"compile": sum(first) - FIRST * full, "step": full, "first": first, "built": built}


# --------------------------------------------------------------------------------------------------


@functools.cache
def kept(library: str, name: str) -> dict[str, dict[str, Any]]:
    """What a first process measured, and the middle one of those that start from what it left behind.

    They follow at once: behind the gigabytes of another library's compiler, memory that the machine gave away is waited for.
    """
    with tempfile.TemporaryDirectory() as folder:
        cold = fresh(library, name, folder)
        later = [fresh(library, name, folder) for _ in range(LATER)]
    return {"cold": cold, "cached": sorted(later, key=lambda found: found["compile"])[LATER // 2]}


def fresh(library: str, name: str, folder: str) -> dict[str, Any]:
    """As `here`, in a process of its own that keeps what it compiles there."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", library, name],
        env=os.environ | {LIBRARIES[library]: folder}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["?"]
        raise RuntimeError(f"{library}: {lines[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def seconds(library: str, case: str) -> dict[str, Any]:
    name, _, kind = case.rpartition(".")
    return kept(library, name)[kind]


def measure(case: str) -> dict[str, Any]:
    """Seconds of both libraries; `error` above those that are allowed."""
    ours, theirs = (max(seconds(library, case)["compile"], 1e-3) for library in LIBRARIES)
    found: dict[str, Any] = {"ours": ours, "theirs": theirs, "ratio": theirs / ours}
    if ours > MOST.get(case, ours):
        found["error"] = f"{ours:.2f} s, {MOST[case]} s are allowed"
    return found


def show(name: str) -> None:
    for kind in ("cold", "cached"):
        found = seconds("flambeau", f"{name}.{kind}")
        first = ", ".join(f"{s:.2f}" for s in found["first"])
        print(f"{kind}: {found['compile']:.2f} s; first calls {first} s, then {found['step']:.3f} s")  # fmt: skip
        for s, what in sorted(found["built"], reverse=True):
            print(f"  {s:5.2f}  {what}")


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        print(json.dumps(here(*sys.argv[2:])))
    else:
        show(sys.argv[1])
