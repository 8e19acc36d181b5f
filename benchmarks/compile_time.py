"""How long `flambeau.compile` takes over a training step before it runs at full speed: with an empty cache, and from the cache.

    python benchmarks/compile_time.py             ResNet-18; exit code 1 if a bar is missed
    python benchmarks/compile_time.py -k mlp      other steps of train.py

A fresh process makes the first three calls (captured, recorded, run); what they took above three calls at full speed is
the compile time. Kernels by hand that the step is the first to need are compiled too, and count: the longest are listed.
"""

from __future__ import annotations

import argparse
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

from harness import Side

FIRST = 3  # calls until the program is a native call
COLD, CACHED = 10.0, 0.5  # seconds, for the step that the bars are about
BARRED = "resnet18_cifar_b32_sgd"


def measure(name: str) -> dict[str, Any]:
    """Seconds of compiling a step in this process, and those of every library that was built."""
    import train

    import flambeau
    from flambeau.backends.cpu import library

    flambeau.set_num_threads(int(os.environ.get("FLAMBEAU_NUM_THREADS", "2")))
    built: list[tuple[float, str]] = []
    build = library.build

    def timed(source: str, *rest: Any) -> None:
        started = time.perf_counter()
        build(source, *rest)
        built.append((time.perf_counter() - started, title(source)))

    library.build = timed
    run = train.CASES[name].make(Side(flambeau, []))
    step = flambeau.compile(run, fullgraph=True)

    def call() -> float:
        started = time.perf_counter()
        step()
        return time.perf_counter() - started

    first = [call() for _ in range(FIRST)]
    least = time.perf_counter() + 1.0
    after = [call()]
    while time.perf_counter() < least or len(after) < 3:
        after.append(call())
    full = statistics.median(after)
    return {"compile": sum(first) - FIRST * full, "step": full, "first": first, "built": built}


def title(source: str) -> str:
    """What a library is: the file of kernels/ it begins with, else the last of its functions."""
    import flambeau

    folder = pathlib.Path(flambeau.__file__).parent / "backends/cpu/kernels"
    for file in sorted(folder.glob("*.c")):
        if file.read_text().strip()[:60] in source:
            return file.name
    names = re.findall(
        r"^(?:EXPORT )?(?:void|int|int64_t|double)\s+\**(\w+)\(", source, re.MULTILINE
    )
    return f"{names[-1]} ({len(source) >> 10} kB)" if names else "?"


def fresh(name: str, cache: str) -> dict[str, Any]:
    """The same in a process of its own with that folder of compiled libraries."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", name],
        env=os.environ | {"FLAMBEAU_CACHE": cache}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def said(kind: str, found: dict[str, Any]) -> None:
    built = sorted(found["built"], reverse=True)
    first = ", ".join(f"{seconds:.2f}" for seconds in found["first"])
    text = (
        f"  {kind:<7}{found['compile']:6.2f} s: first calls {first} s, then {found['step']:.3f} s"
    )
    if built:
        text += f"; {len(built)} libraries built in {sum(t for t, _ in built):.2f} s: "
        text += ", ".join(f"{what} {t:.2f}" for t, what in built[:12])
    print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", default=BARRED, metavar="REGEX", help="steps of train.py")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(measure(options.worker)))
        return 0
    import train

    missed = 0
    for name in (name for name in train.CASES if re.search(options.k, name)):
        print(name)
        with tempfile.TemporaryDirectory() as cache:
            for kind, bar in (("cold", COLD), ("cached", CACHED)):
                found = fresh(name, cache)
                said(kind, found)
                if name == BARRED and found["compile"] > bar:
                    print(f"missed: {name} {kind}: {found['compile']:.2f} s, wanted {bar} s")
                    missed = 1
    return missed


if __name__ == "__main__":
    sys.exit(main())
