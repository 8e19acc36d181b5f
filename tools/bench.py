"""Runs benchmarks/*.py with flambeau and with PyTorch side by side and writes docs/performance.md.

    python tools/bench.py [NAME ...]

A benchmark is one function of the library (``lib.ones``, ``lib.nn``, ...), called with both: the same code, by
construction. The two are measured in turns, in one process, and the best round of each counts: noise only ever adds.
Exit code 1 if a gate is missed.
"""

from __future__ import annotations

import datetime
import importlib.util
import sys
import timeit
from collections.abc import Callable
from types import ModuleType

from workspace import ROOT, machine, markdown_table, write_between_markers

PAGE = ROOT / "docs" / "performance.md"
ROUNDS = 12
SECONDS_A_ROUND = 0.05


def load(name: str) -> ModuleType:
    """The benchmark file of that name."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def calls_for_a_round(run: Callable[[], object]) -> int:
    """How many calls fill a round; the calls made to find out also warm everything up."""
    number = 1
    while (seconds := timeit.timeit(run, number=number)) < SECONDS_A_ROUND / 4:
        number *= 2
    return max(1, round(number * SECONDS_A_ROUND / seconds))


def side_by_side(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Microseconds a call of both, measured in turns."""
    runs = [(run, calls_for_a_round(run)) for run in (ours, theirs)]
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for index, (run, number) in enumerate(runs):
            best[index] = min(best[index], timeit.timeit(run, number=number) / number * 1e6)
    return best[0], best[1]


def measure(benchmark: ModuleType, ours: ModuleType, theirs: ModuleType) -> tuple[str, list[str]]:
    """The table of one benchmark, and the gates that were missed."""
    rows, missed = [], []
    for label, (make, gate) in benchmark.CASES.items():
        mine, other = side_by_side(make(ours), make(theirs))
        ratio = mine / other
        if gate is not None and ratio > gate:
            missed.append(f"{label}: {ratio:.2f} times PyTorch's time; the gate is {gate}")
        rows.append(
            [label, f"{mine:,.1f}", f"{other:,.1f}", f"{ratio:.2f}", f"{gate}" if gate else ""]
        )
        print(f"{label}: {mine:,.1f} against {other:,.1f} us, {ratio:.2f}", flush=True)
    header = ["", "flambeau, µs", "PyTorch, µs", "ratio", "gate"]
    return markdown_table(header, rows), missed


def main(chosen: list[str]) -> int:
    """Measures the chosen benchmarks, all by default, and writes their tables into the page."""
    import torch

    import flambeau

    missed: list[str] = []
    for name in chosen or sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py")):
        benchmark = load(name)
        print(f"== {benchmark.TITLE}")
        table, without = measure(benchmark, flambeau, torch)
        missed += without
        date = datetime.date.today().isoformat()
        stand = f"Measured on {date}: {machine()}, PyTorch {torch.__version__}."
        write_between_markers(
            PAGE, name, f"## {benchmark.TITLE}\n\n{benchmark.TEXT}\n\n{table}\n\n{stand}"
        )
    for line in missed:
        print(f"gate missed: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
