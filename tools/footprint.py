"""What flambeau costs before it does anything: installed size, import time and memory, beside PyTorch's.

    python tools/footprint.py [--no-torch]

Each library is installed into an empty environment of its own, so that nothing else is counted. Writes
docs/footprint.md. Import time is the best of several fresh processes: the machine's noise only ever adds.
"""

from __future__ import annotations

import argparse
import datetime
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import venv

from workspace import ROOT, machine, markdown_table, write_between_markers

PAGE = ROOT / "docs" / "footprint.md"
REPEATS = 11
TORCH = "torch==2.13.0"

PROBE = """
import resource, time
started = time.perf_counter()
import {name}
seconds = time.perf_counter() - started
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def make_environment(folder: pathlib.Path, requirement: str) -> pathlib.Path:
    """An environment that holds the requirement and what that needs; returns its Python."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    # pip, not uv: a CPU build of PyTorch may lie where only pip is told to look.
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*install, "--no-compile", requirement], check=True)
    return python


def installed_megabytes(folder: pathlib.Path) -> float:
    """Size on disk of the environment's site-packages, without bytecode and without what the tests left."""
    (site,) = folder.glob("lib/python*/site-packages")
    blocks = sum(
        path.lstat().st_size
        for path in site.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    return blocks / 1e6


def import_cost(python: pathlib.Path, name: str) -> tuple[float, float]:
    """Milliseconds and resident megabytes of importing one module in a fresh process, best of several."""
    runs = []
    # Bytecode is part of any real second start; the first run here writes it.
    environment = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    }
    for _ in range(REPEATS + 1):
        said = subprocess.run(
            [python, "-c", PROBE.format(name=name)],
            capture_output=True, text=True, check=True, env=environment, cwd=tempfile.gettempdir(),
        )  # fmt: skip
        seconds, kilobytes = said.stdout.split()
        runs.append((float(seconds) * 1e3, float(kilobytes) / 1024))
    return min(ms for ms, _ in runs[1:]), min(mb for _, mb in runs[1:])


def measure(names: list[str], requirement: str) -> dict[str, float]:
    """Size of the requirement's environment, and the cost of importing each name in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="flambeau-footprint-"))
    try:
        python = make_environment(folder, requirement)
        figures = {"size": installed_megabytes(folder)}
        for name in names:
            figures[f"{name} ms"], figures[f"{name} MB"] = import_cost(python, name)
        return figures
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measures, prints the table and writes it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--no-torch", action="store_true", help="measure flambeau only; the page is not written"
    )
    options = parser.parse_args()
    ours = measure(["numpy", "flambeau"], str(ROOT / "packages" / "core"))
    rows = [
        ["NumPy alone", "", f"{ours['numpy ms']:.0f}", f"{ours['numpy MB']:.0f}"],
        [
            "flambeau",
            f"{ours['size']:.0f}",
            f"{ours['flambeau ms']:.0f}",
            f"{ours['flambeau MB']:.0f}",
        ],
    ]
    above = ours["flambeau ms"] - ours["numpy ms"]
    if not options.no_torch:
        theirs = measure(["torch"], TORCH)
        rows.append(
            [
                f"PyTorch ({TORCH}, CPU)",
                f"{theirs['size']:.0f}",
                f"{theirs['torch ms']:.0f}",
                f"{theirs['torch MB']:.0f}",
            ]
        )
    table = markdown_table(
        ["", "installed with dependencies, MB", "import, ms", "resident after import, MB"], rows
    )
    text = f"{table}\n\n`import flambeau` takes {above:.0f} ms more than `import numpy`."
    print(text)
    if not options.no_torch:
        date = datetime.date.today().isoformat()
        write_between_markers(PAGE, "footprint", f"{text}\n\nMeasured on {date}: {machine()}.")


if __name__ == "__main__":
    main()
