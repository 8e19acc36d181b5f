"""What flambeau costs before it does anything: size, import, memory, the way to a first prediction, beside PyTorch's.

    python tools/footprint.py [--no-torch | --here]

Each library is installed into an empty environment of its own, so that nothing else is counted. Writes
docs/footprint.md. Import time is processor time (user and system) of fresh processes that take turns, of which the
median counts: other work on the machine moves it little, and all libraries alike. The cold start is wall time, from
before the process is started until it has a prediction. Exit code 1 if a bar is missed.
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
import time
import venv
from functools import partial

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

# A small CNN's file is opened and asked once; the clock is one for all processes.
PREDICT = """
import sys, time
sys.path.insert(0, {models!r})
import models
import {name} as lib
model = models.small_cnn(lib)
if {save}:
    lib.save(model.state_dict(), {file!r})
model.load_state_dict(lib.load({file!r}))
model.eval()
with lib.no_grad():
    answer = model(lib.ones(1, 1, 28, 28)).argmax(1).item()
print(time.monotonic())
"""

# The most that each may be, as the goals say.
BARS = {
    "installed, MB": 80,
    "import above NumPy, ms": 50,
    "resident, MB": 60,
    "cold start, ms": 150,
}

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


def fresh(python: pathlib.Path, program: str, **environment: str) -> str:
    """What a new process prints. It has no path to this checkout, unless it is to be measured as it lies here."""
    unwanted = {"PYTHONDONTWRITEBYTECODE"} | (
        {"PYTHONPATH"} if str(python) != sys.executable else set()
    )
    said = subprocess.run(
        [python, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if k not in unwanted} | environment,
        cwd=tempfile.gettempdir(),
    )
    return said.stdout


class Import:
    """One library in one environment, imported again and again; `before` names what is there already."""

    def __init__(self, python: pathlib.Path, name: str, before: str = "") -> None:
        self.python, self.name = python, name
        self.before = f"import {before}" if before else ""
        self.milliseconds: list[float] = []
        self.megabytes: list[float] = []

    def run(self) -> None:
        """One fresh process. Bytecode is part of any real second start: it is read, and written by the first run."""
        probe = PROBE.format(name=self.name, before=self.before)
        seconds, kilobytes = fresh(self.python, probe, **ONE_THREAD).split()
        self.milliseconds.append(float(seconds) * 1e3)
        self.megabytes.append(float(kilobytes) / 1024)

    @property
    def figures(self) -> list[str]:
        """Milliseconds and resident megabytes, without the first run, which wrote bytecode."""
        return [
            f"{statistics.median(kept[1:]):.0f}" for kept in (self.milliseconds, self.megabytes)
        ]


class ColdStart:
    """Milliseconds from the start of a process to the first prediction of a small CNN from its file."""

    def __init__(self, python: pathlib.Path, name: str, folder: pathlib.Path) -> None:
        self.python, self.milliseconds = python, []
        models, file = str(ROOT / "benchmarks"), str(folder / f"{name}.pt")
        self.program = partial(PREDICT.format, name=name, models=models, file=file)
        fresh(python, self.program(save=True))  # also compiles what is compiled once per machine

    def run(self) -> None:
        started = time.monotonic()
        done = float(fresh(self.python, self.program(save=False)))
        self.milliseconds.append(1e3 * (done - started))

    @property
    def figure(self) -> str:
        return f"{statistics.median(self.milliseconds[1:]):.0f}"


def in_turns(imports: list[Import | ColdStart]) -> None:
    """Runs each once, then each again, and so on: what the machine does meanwhile is shared."""
    for _ in range(REPEATS + 1):
        for one in imports:
            one.run()


def main() -> int:
    """Measures, prints the table and writes it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--no-torch", action="store_true", help="measure flambeau only; the page is not written"
    )
    parser.add_argument(
        "--here",
        action="store_true",
        help="install nothing, measure what this Python imports; neither size nor page",
    )
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="flambeau-footprint-"))
    try:
        text, missed = measured(folder, with_torch=not options.no_torch, here=options.here)
    finally:
        shutil.rmtree(folder)
    print(text)
    if not (options.no_torch or options.here):
        date = datetime.date.today().isoformat()
        write_between_markers(PAGE, "footprint", f"{text}\n\nMeasured on {date}: {machine()}.")
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed else 0


def measured(folder: pathlib.Path, with_torch: bool, here: bool) -> tuple[str, list[str]]:
    """The table, in a sentence what flambeau adds to NumPy, and the bars that are missed."""
    ours = theirs = pathlib.Path(sys.executable)
    sizes = {"flambeau": "", "torch": ""}
    for name, requirement in (("flambeau", str(ROOT / "packages" / "core")), ("torch", TORCH)):
        if not here and (with_torch or name == "flambeau"):
            python = make_environment(folder / name, requirement)
            sizes[name] = f"{installed_megabytes(folder / name):.0f}"
            ours, theirs = (python, theirs) if name == "flambeau" else (ours, python)
    numpy, core = Import(ours, "numpy"), Import(ours, "flambeau")
    added, layers = Import(ours, "flambeau", "numpy"), Import(ours, "flambeau.nn", "flambeau")
    first = ColdStart(ours, "flambeau", folder)
    turns = [numpy, core, added, layers, first]
    if with_torch:
        torch, its_first = Import(theirs, "torch"), ColdStart(theirs, "torch", folder)
        turns += [torch, its_first]
    in_turns(turns)
    rows = [
        ["NumPy alone", "", *numpy.figures, ""],
        ["flambeau", sizes["flambeau"], *core.figures, first.figure],
    ]
    if with_torch:
        rows.append([f"PyTorch ({TORCH}, CPU)", sizes["torch"], *torch.figures, its_first.figure])
    header = ["", "installed with dependencies, MB", "import, ms", "resident after import, MB"]
    table = markdown_table([*header, "start to first prediction, ms"], rows)
    found = (sizes["flambeau"], added.figures[0], core.figures[1], first.figure)
    missed = [
        f"{what}: {figure}, at most {BARS[what]}"
        for what, figure in zip(BARS, found, strict=True)
        if figure and float(figure) > BARS[what]
    ]
    text = (
        f"{table}\n\n`import flambeau` takes {added.figures[0]} ms after `import numpy`, and "
        f"`import flambeau.nn` {layers.figures[0]} ms after that."
    )
    return text, missed


if __name__ == "__main__":
    sys.exit(main())
