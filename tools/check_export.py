"""Models as C by gcc and clang, under valgrind, beside eager mode: ``nox -s export-c``.

    python tools/check_export.py            all networks; -k lstm: some

Each is compiled with -std=c99 -pedantic -Wall -Wextra -Werror, as float32, with threads and as int8, and run under valgrind
(every error and leak counts). Then it is said what it takes: flash and RAM by this machine's gcc -Os, and by
arm-none-eabi-gcc for a Cortex-M4 where that is installed (Debian: gcc-arm-none-eabi libnewlib-arm-none-eabi).
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

import flambeau
from flambeau.export import c99
from workspace import ROOT, markdown_table

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")
VALGRIND = ("valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all")  # fmt: skip
# By its name: how it is compiled besides, and how far from eager it may be, as a share of the largest result.
KINDS: dict[str, tuple[tuple[str, ...], float]] = {
    "float": ((), 1e-5),
    "threads": (("-DMODEL_THREADS=3", "-pthread"), 1e-5),
    "int8": ((), 0.05),
}
CORTEX = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")


def networks() -> dict[str, tuple[Callable, Callable]]:
    """Those of the tests, the ResNet-18 four times as wide."""
    file = ROOT / "packages/core/tests/export/test_c99.py"
    spec = importlib.util.spec_from_file_location("test_c99", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = dict(module.NETWORKS)
    found["resnet18"] = (lambda: module.resnet18(16), found["resnet18"][1])
    return found


def run(command: list[str], given: str = "") -> str:
    """Its output; RuntimeError with what it said if it fails."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        words = " ".join(map(str, command))[:200]
        raise RuntimeError(f"exit status {done.returncode}: {words}\n{done.stderr[:2000]}")
    return done.stdout


def checked(made: Any, x: Any, expected: np.ndarray, compiler: str, kind: str) -> str:
    """Compiles and runs an exported folder; how far it is from eager. RuntimeError if anything is wrong."""
    flags, least = KINDS[kind]
    program = str(made.path / "main")
    sources = [str(file) for file in sorted(made.path.glob("*.c"))]
    # Version 4: valgrind of Debian 12 cannot read what clang writes by itself.
    run([compiler, *STRICT, "-O1", "-gdwarf-4", *flags, "-o", program, *sources, "-lm"])
    numbers = " ".join(map(repr, x.reshape(-1).tolist()))
    found = np.array(run([*VALGRIND, program], numbers).split(), dtype=float)
    off = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not off <= least:
        raise RuntimeError(f"is {off:.1e} of the largest result from eager, at most {least:.0e} are allowed")  # fmt: skip
    return f"{off:.0e}"


def sizes(made: Any) -> list[str]:
    """Flash and RAM here, and flash on a Cortex-M4."""
    here = made.sizes("gcc")
    row = [f"{here['code'] + here['weights']:,}", f"{here['ram']:,}"]
    if shutil.which("arm-none-eabi-gcc"):
        arm = made.sizes("arm-none-eabi-gcc", "arm-none-eabi-size", ("-Os", *CORTEX))
        row.append(f"{arm['code'] + arm['weights']:,}")
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", default="", metavar="REGEX", help="networks whose name has a match")
    options = parser.parse_args()
    compilers, failed, rows = ("gcc", "clang"), 0, []
    for tool in (*compilers, "valgrind"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not on PATH")
    for name, (build, example) in networks().items():
        if not re.search(options.k, name):
            continue
        flambeau.manual_seed(0)
        model, x = build().eval(), example()
        with flambeau.no_grad():
            expected = model(x).reshape(-1).numpy().astype(float)
        for kind in KINDS:
            row = [name, kind]
            with tempfile.TemporaryDirectory() as folder:
                how = {"quantize": "int8", "calibration": [x]} if kind == "int8" else {}
                made = c99(model, x, folder, **how)
                for compiler in compilers:
                    try:
                        row.append(checked(made, x, expected, compiler, kind))
                    except RuntimeError as error:
                        failed += 1
                        row.append("FAILS")
                        print(f"{name} {kind} {compiler}: {error}", file=sys.stderr)
                row += sizes(made) if kind != "threads" else []
            rows.append(row + [""] * (7 - len(row)))
            print(" ".join(row), flush=True)
    header = ["", "", "gcc, from eager", "clang, from eager", "flash, bytes", "RAM, bytes", "flash on a Cortex-M4"]  # fmt: skip
    print(
        f"\n{markdown_table(header, rows, figures=False)}\n\nvalgrind found nothing in what passed"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
