"""Measures flambeau by PyTorch's own test databases (tools/measure) and writes the tables of docs/parity.md.

    python tools/parity_table.py [--check]

Needs PyTorch 2.13, scipy, expecttest and tensorboard beside flambeau: `nox -s parity` installs them. Exit code 1 if a figure
is below its bar (or its floor, where a bar is known not to be reached), with `--check` without writing anything.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from workspace import ROOT, markdown_table, write_between_markers

PAGE = ROOT / "docs" / "parity.md"
KIT = ROOT / "tools" / "measure"
DTYPES = "float32,float64,int64,bool,complex64,bfloat16"
SURFACE = [
    "torch", "torch.Tensor", "torch.nn.functional", "torch.linalg", "torch.fft", "torch.special", "torch.autograd",
    "torch.func", "torch.random", "torch.Generator", "torch.autograd.Function", "torch.autograd.functional",
    "torch.autograd.forward_ad", "torch.autograd.graph",
]  # fmt: skip

# What is measured: (program, options, what a row is, {column: bar in percent}).
RUNS: dict[str, tuple[str, list[str], str, dict[str, float]]] = {
    "float32": ("opinfo", [], "operators, float32", {"forward": 99, "method": 99, "grad": 99, "error": 97}),
    "six dtypes": ("opinfo", ["--dtypes", DTYPES], "operators, six dtypes", {"forward": 98, "method": 98, "grad": 98, "error": 98}),
    "modules": ("modules", [], "modules", {"state": 100, "forward": 100, "grad": 100}),
    "optims": ("optims", [], "optimizers, schedulers", {"steps": 100, "resume": 100, "state": 100, "lr": 100, "lr resume": 100}),
}  # fmt: skip


# Bars that are not reached, with the reasons given in docs/parity.md: what must not be lost meanwhile, in percent.
FLOORS = {"optimizers, schedulers: state": 93.3, "operators and autograd: names": 99.9}


def run(program: str, options: list[str]) -> dict[str, Any]:
    """The figures of one program of the kit."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        command = [sys.executable, f"{program}.py", "--module", "flambeau", "--json", str(out)]
        subprocess.run([*command, *options], cwd=KIT, check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())


def percent(good: int, of: int) -> float:
    return 100 * good / of if of else 100.0


def summary(figures: dict[str, dict[str, Any]]) -> tuple[str, list[str]]:
    """The table of bars, and those that are missed."""
    rows, missed = [], []
    for name, (_, _, what, bars) in RUNS.items():
        total = figures[name]["groups"]["TOTAL"]
        for column, bar in bars.items():
            good, of = total[column]["passed"], total[column]["cases"]
            reached = percent(good, of)
            rows.append([f"{what}: {column}", f"{good} of {of}", f"{reached:.1f} %", f"{bar:g} %"])
            if reached < FLOORS.get(f"{what}: {column}", bar):
                missed.append(f"{what}: {column} {reached:.2f} %, the bar is {bar} %")
    spaces = figures["names"]["groups"]
    for title, column, bar in (
        ("names", "core names", 100.0),
        ("parameters by name", "core signatures", 99.0),
    ):
        counts = [spaces[s][column] for s in SURFACE if s in spaces]
        good, of = (sum(c[k] for c in counts) for k in ("good", "checks"))
        reached = percent(good, of)
        rows.append([f"operators and autograd: {title}", f"{good} of {of}", f"{reached:.1f} %", f"{bar:g} %"])  # fmt: skip
        if reached < FLOORS.get(f"operators and autograd: {title}", bar):
            missed.append(f"{title}: {reached:.2f} %, the bar is {bar} %")
    return markdown_table(["what", "agree entirely", "", "bar"], rows), missed


def shortfalls(figures: dict[str, dict[str, Any]]) -> str:
    """Every case that is short of PyTorch, with what was found: one row for a case and all its dtypes."""
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in ("six dtypes", "modules", "optims"):
        for case, columns in figures[name]["cases"].items():
            title, _, dtype = case.partition(" ")
            for column, counts in columns.items():
                if counts["reasons"] and column != "unmeasured":
                    text = next(iter(counts["reasons"])).replace("|", "\\|")
                    found[title, text][column].append(dtype)
    rows = []
    for (title, text), columns in sorted(found.items()):
        dtypes = sorted({d for ds in columns.values() for d in ds if d})
        rows.append([f"`{title}`", " ".join(columns), " ".join(dtypes), f"`{text}`"])
    return (
        markdown_table(["case", "columns", "dtypes", "first thing found"], rows, figures=False)
        if rows
        else "None.\n"
    )


def absent(figures: dict[str, dict[str, Any]]) -> str:
    """The names of each namespace that are not there."""
    rows = []
    for space, columns in figures["names"]["cases"].items():
        missing = [
            r.split(":")[0]
            for column, counts in columns.items()
            if column.endswith("names")
            for r in counts["reasons"]
        ]
        of = sum(c["checks"] for column, c in columns.items() if column.endswith("names"))
        if missing:
            shown = "all" if len(missing) == of and of > 3 else ", ".join(f"`{m}`" for m in missing)
            rows.append([f"`{space}`", f"{of - len(missing)} of {of}", shown])
    return markdown_table(["namespace", "there", "not there"], rows, figures=False)


def main(check: bool) -> int:
    figures = {}
    for name, (program, options, _, _) in RUNS.items():
        print(f"measuring: {name}", flush=True)
        figures[name] = run(program, options)
    print("measuring: names", flush=True)
    figures["names"] = run("api_coverage", [])
    table, missed = summary(figures)
    print(table)
    if not check:
        write_between_markers(PAGE, "bars", table)
        write_between_markers(PAGE, "shortfalls", shortfalls(figures))
        write_between_markers(PAGE, "absent", absent(figures))
    for line in missed:
        print("MISSED:", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
