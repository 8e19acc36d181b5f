"""What flambeau costs before it does anything: installed size, import time and memory, beside PyTorch's.

    python tools/footprint.py [--no-torch]

Each library is installed into an empty environment of its own, so that nothing else is counted. Writes
docs/footprint.md. Import time is processor time (user and system) of fresh processes that take turns, of which the
median counts: other work on the machine moves it little, and all libraries alike.
"""

from __future__ import annotations

import argparse
import datetime
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv

from workspace import ROOT, machine, markdown_table, write_between_markers

PAGE = ROOT / "docs" / "footprint.md"
REPEATS = 11
TORCH = "torch==2.13.0"

# Imports happen in order; only the last is measured, so that what it adds to the others is what is seen.
PROBE = """
import resource, time
{before}
started = time.process_time()
import {name}
print(time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

# A BLAS with threads lets them wait actively, which would count as ours.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


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


class Import:
    """One library in one environment, imported again and again; `before` names what is there already."""

    def __init__(self, python: pathlib.Path, name: str, before: str = "") -> None:
        self.python, self.name = python, name
        self.before = f"import {before}" if before else ""
        self.milliseconds: list[float] = []
        self.megabytes: list[float] = []

    def run(self) -> None:
        """One fresh process. Bytecode is part of any real second start: it is read, and written by the first run."""
        unwanted = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        said = subprocess.run(
            [self.python, "-c", PROBE.format(name=self.name, before=self.before)],
            capture_output=True,
            text=True,
            check=True,
            env={k: v for k, v in os.environ.items() if k not in unwanted} | ONE_THREAD,
            cwd=tempfile.gettempdir(),
        )
        seconds, kilobytes = said.stdout.split()
        self.milliseconds.append(float(seconds) * 1e3)
        self.megabytes.append(float(kilobytes) / 1024)

    @property
    def figures(self) -> list[str]:
        """Milliseconds and resident megabytes, without the first run, which wrote bytecode."""
        return [
            f"{statistics.median(kept[1:]):.0f}" for kept in (self.milliseconds, self.megabytes)
        ]


def in_turns(imports: list[Import]) -> None:
    """Runs each once, then each again, and so on: what the machine does meanwhile is shared."""
    for _ in range(REPEATS + 1):
        for one in imports:
            one.run()


def main() -> None:
    """Measures, prints the table and writes it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--no-torch", action="store_true", help="measure flambeau only; the page is not written"
    )
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="flambeau-footprint-"))
    try:
        text = measured(folder, with_torch=not options.no_torch)
    finally:
        shutil.rmtree(folder)
    print(text)
    if not options.no_torch:
        date = datetime.date.today().isoformat()
        write_between_markers(PAGE, "footprint", f"{text}\n\nMeasured on {date}: {machine()}.")


def measured(folder: pathlib.Path, with_torch: bool) -> str:
    """The table, and in a sentence what flambeau adds to NumPy."""
    ours = make_environment(folder / "flambeau", str(ROOT / "packages" / "core"))
    size = f"{installed_megabytes(folder / 'flambeau'):.0f}"
    numpy, core = Import(ours, "numpy"), Import(ours, "flambeau")
    added, layers = Import(ours, "flambeau", "numpy"), Import(ours, "flambeau.nn", "flambeau")
    imports = [numpy, core, added, layers]
    rows = {numpy: ["NumPy alone", ""], core: ["flambeau", size]}
    if with_torch:
        theirs = make_environment(folder / "torch", TORCH)
        torch = Import(theirs, "torch")
        imports.append(torch)
        rows[torch] = [f"PyTorch ({TORCH}, CPU)", f"{installed_megabytes(folder / 'torch'):.0f}"]
    in_turns(imports)
    table = markdown_table(
        ["", "installed with dependencies, MB", "import, ms", "resident after import, MB"],
        [[*start, *one.figures] for one, start in rows.items()],
    )
    return (
        f"{table}\n\n`import flambeau` takes {added.figures[0]} ms after `import numpy`, and "
        f"`import flambeau.nn` {layers.figures[0]} ms after that."
    )


if __name__ == "__main__":
    main()
