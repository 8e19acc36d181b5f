"""Runs benchmarks/*.py with flambeau and with PyTorch side by side; writes docs/performance.md.

    python tools/bench.py                        all groups; the tables are printed
    python tools/bench.py conv -k 1x1 --rounds 9 one group, some of its workloads
    python tools/bench.py --held-out             other shapes and models, on two threads and on one
    python tools/bench.py --write                what `nox -s bench` does: the tables go into the page
    python tools/bench.py compiled --peers       torch.compile, jax.jit, TinyJit, onnxruntime in the same rounds
    python tools/bench.py --from A.json B.json --write   the same from what --json kept

A group is a file of benchmarks/, measured in a process of its own that holds both libraries. They take turns, with the
same inputs and weights, and their results are compared first (benchmarks/harness.py). Exit code 1, at the end, if a bar
is missed, a result differs or a workload fails.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
from types import ModuleType
from typing import Any

from workspace import ROOT, machine, markdown_table, write_between_markers

PAGE = ROOT / "docs" / "performance.md"
GROUPS = (
    *("eager", "optim", "elementwise", "blas", "conv", "rnn", "attention"),
    *("train", "infer", "compiled", "compile_time", "data", "memory"),
)  # the order of the page
THREADS = 2
PEER_NAMES = {"compile": "torch.compile", "jax": "jax.jit", "tinygrad": "TinyJit", "onnxruntime": "onnxruntime"}  # fmt: skip
sys.path.insert(0, str(ROOT / "benchmarks"))


def load(group: str) -> ModuleType:
    return importlib.import_module(group)


def chosen_cases(group: str, options: argparse.Namespace) -> dict[str, Any]:
    """The workloads of the group that the command line asks for, by name."""
    module = load(group)
    cases = module.HELD_OUT if options.held_out else module.CASES
    return {name: case for name, case in cases.items() if re.search(options.k, name)}


# --------------------------------------------------------------------------------------------------
# Measuring: a worker process per group


def work(group: str, names: list[str], options: argparse.Namespace) -> None:
    """Measures the named workloads of a group and prints one JSON line for each."""
    import torch

    import flambeau

    for lib in (flambeau, torch):
        lib.set_num_threads(options.threads)
    module = load(group)
    from harness import measure

    cases = module.CASES | module.HELD_OUT
    for name in names:
        if hasattr(module, "measure"):  # of the memory group: it starts processes itself
            try:
                found = module.measure(name)
            except Exception as error:
                found = {"error": str(error)}
        elif options.peers and hasattr(module, "measure_with_peers"):
            found = module.measure_with_peers(name, flambeau, torch, options.rounds)
        else:
            found = measure(cases[name], flambeau, torch, options.rounds)
        print(json.dumps({"name": name, **found}), flush=True)


def run_group(group: str, options: argparse.Namespace) -> dict[str, Any]:
    """Results by workload. A worker that crashes loses the workload it was at, not the rest."""
    names = list(chosen_cases(group, options))
    count, results = len(names), {}
    # Pools that a library sizes by itself, such as that of NumPy's BLAS, have the same number of threads.
    variables = ("FLAMBEAU_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    variables += ("OPENBLAS_NUM_THREADS",)
    environment = os.environ | dict.fromkeys(variables, str(options.threads))
    if options.keep_memory:
        # glibc's malloc then gives no pages back and so faults none in again; PyTorch gains most.
        environment |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
    while names:
        command = [sys.executable, __file__, "--worker", group, *names]
        command += ["--threads", str(options.threads), "--rounds", str(options.rounds)]
        command += ["--peers"] * options.peers
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        ) as worker:
            for line in worker.stdout:
                if not line.startswith('{"name"'):
                    print(line, end="", file=sys.stderr)
                    continue
                found = json.loads(line)
                name = found.pop("name")
                names.remove(name)
                results[name] = found
                print(
                    f"[{group} {len(results)}/{count}] {name}: {said(found)}",
                    file=sys.stderr,
                    flush=True,
                )
        if names and worker.returncode:
            lost = names.pop(0)
            results[lost] = {"error": f"its process ended with {worker.returncode}"}
            print(f"[{group}] {lost}: {results[lost]['error']}", file=sys.stderr)
    return results


def said(found: dict[str, Any]) -> str:
    if "ratio" not in found:
        return found["error"]
    text = f"{number(found['ours'])}, PyTorch {number(found['theirs'])}, ratio {found['ratio']:.2f}"
    for peer, milliseconds in found.get("peers", {}).items():
        text += f", {peer} {number(milliseconds)}"
    if "best" in found:
        text += f"; the best other's time is {found['best']:.2f} of ours"
    for peer, reason in found.get("left_out", {}).items():
        text += f"; without {peer}: {reason}"
    if found.get("elsewhere", 0) > 0.15:
        text += f" (others used {found['elsewhere']:.0%} of a core)"
    return f"{text}; {found['error']}" if "error" in found else text


# --------------------------------------------------------------------------------------------------
# Judging and writing


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def limits(results: dict[str, Any], ceilings: dict[str, Any]) -> None:
    """Adds to each result the milliseconds that the machine needs at least, and how much of that is reached."""
    from ceilings import limit

    for found in results.values():
        if "flops" in found:
            found["limit"], found["limited_by"] = limit(
                ceilings, found["flops"], found["read"], found["written"]
            )
            if found["limit"]:
                found["of_limit"] = found["limit"] / found["ours"]


def judge(group: str, results: dict[str, Any], held_out: bool) -> tuple[list[list[str]], list[str]]:
    """Rows of the table of bars, and a line for each bar that is missed."""
    from harness import geometric_mean

    module = load(group)
    missed = [f"{name}: {found['error']}" for name, found in results.items() if "error" in found]
    cases = module.HELD_OUT if held_out else module.CASES
    for name, case in cases.items():
        found = results.get(name, {})
        if "best" in found:
            if found["best"] < found.get("wanted", 0):
                missed.append(
                    f"{name}: {found['best']:.2f} against the best, wanted {found['wanted']}"
                )
        elif case.least and found.get("ratio", case.least) < case.least:
            missed.append(f"{name}: ratio {found['ratio']:.2f}, its own gate is {case.least}")
    rows = []
    judged = [("ratio", bar) for bar in module.BARS]
    judged += [("best", bar) for bar in getattr(module, "PEER_BARS", [])]
    for figure, bar in judged:
        under = {
            name: found
            for name, found in results.items()
            if name.startswith(bar.prefix) and figure in found
        }
        if not under:
            continue
        mean = geometric_mean([found[figure] for found in under.values()])
        worst = min(under, key=lambda name: under[name][figure])
        lowest = under[worst][figure]
        met = (bar.geomean is None or mean >= bar.geomean) and (
            bar.least is None or lowest >= bar.least
        )
        figures = [f"{mean:.2f}", f"{lowest:.2f} ({worst})"]
        if bar.of_limit:
            reached = min(found.get("of_limit", 0) for found in under.values())
            met = reached >= bar.of_limit
            figures = [f"{reached:.0%} of the limit", f"{lowest:.2f}"]
        prefix = bar.prefix.strip("_")
        label = group if prefix in ("", group) else f"{group} {prefix}"
        label += ", best peer" * (figure == "best")
        met = met and not any(
            "error" in found for name, found in results.items() if name.startswith(bar.prefix)
        )
        rows.append([label, str(len(under)), *figures, bar.text, "met" if met else "missed"])
        if not met:
            missed.append(f"bar of {label}: {', smallest '.join(figures)}; wanted {bar.text}")
    return rows, [line if line.startswith("bar") else f"{group}.{line}" for line in missed]


def table(group: str, results: dict[str, Any]) -> str:
    """One row per workload."""
    unit = getattr(load(group), "UNIT", "ms")
    bounded = any(found.get("limit") for found in results.values())
    header = ["", f"flambeau, {unit}", f"PyTorch, {unit}", "ratio"]
    peers = [
        p for p in PEER_NAMES if any(p in found.get("peers", {}) for found in results.values())
    ]
    header += [f"{PEER_NAMES[p]}, {unit}" for p in peers] + ["best"] * bool(peers)
    header += ["limit, ms", "of limit"] * bounded
    rows = []
    for name, found in results.items():
        if "ratio" not in found:
            rows.append([name, f"fails: {found['error']}", *[""] * (len(header) - 2)])
            continue
        noisy = "\\*" * (found.get("elsewhere", 0) > 0.15)
        row = [
            name + noisy,
            number(found["ours"]),
            number(found["theirs"]),
            f"{found['ratio']:.2f}",
        ]
        measured = found.get("peers", {})
        row += [number(measured[p]) if p in measured else "" for p in peers]
        row += [f"{found['best']:.2f}" if "best" in found else ""] * bool(peers)
        if bounded:
            limit = found.get("limit")
            row += [number(limit), f"{found['of_limit']:.0%}"] if limit else ["", ""]
        if "error" in found:
            row[0] += f" ({found['error']})"
        rows.append(row)
    return markdown_table(header, rows)


def ceilings_text(ceilings: dict[str, Any]) -> str:
    """What the machine reaches, one row per number of threads."""
    header = ["threads", "multiply-adds, GFLOP/s"]
    measured = next(iter(ceilings.values()))
    for what in ("copy", "read"):
        header += [f"{what} {int(size) >> 20} MB, GB/s" for size in measured[what]]
    rows = [
        [threads, f"{found['gflops']:.0f}"]
        + [f"{rate:.0f}" for what in ("copy", "read") for rate in found[what].values()]
        for threads, found in ceilings.items()
    ]
    return markdown_table(header, rows)


def report(run: dict[str, Any], write: bool) -> list[str]:
    """Prints the tables of a run, writes them into the page if asked to, and returns what was missed."""
    missed: list[str] = []
    bars: list[list[str]] = []
    held_out = run["held_out"]
    name = "held-out" if held_out else "bars"
    name += f"-{run['threads']}" if run["threads"] != THREADS else ""
    tables = []
    for group in (group for group in GROUPS if group in run["groups"]):
        results = run["groups"][group]
        limits(results, run["ceilings"][str(run["threads"])])
        rows, without = judge(group, results, held_out)
        bars, missed = bars + rows, missed + without
        module = load(group)
        tables.append(f"### {module.TITLE}\n\n{table(group, results)}")
        print(f"\n== {module.TITLE}\n\n{table(group, results)}")
        if write and name == "bars":
            text = f"## {module.TITLE}\n\n{module.TEXT}\n\n{table(group, results)}"
            write_between_markers(PAGE, group, text)
    header = ["", "workloads", "geometric mean", "smallest", "bar", ""]
    summary = markdown_table(header, bars, figures=False)
    stand = (
        f"Measured on {run['date']}: {run['machine']}, {run['versions']}, {run['threads']} threads."
    )
    print(f"\n== Bars\n\n{summary}\n\n{ceilings_text(run['ceilings'])}\n\n{stand}")
    if write:
        text = f"{summary}\n\n{stand}"
        if name == "bars":
            text += f"\n\nThe ceilings that limits are computed from:\n\n{ceilings_text(run['ceilings'])}"
        elif held_out:
            text += "\n\n" + "\n\n".join(tables)
        write_between_markers(PAGE, name, text)
    return missed


# --------------------------------------------------------------------------------------------------


def higher(a: Any, b: Any) -> Any:
    """The higher of two rates, or of all in two dicts: what others use of the machine only lowers a ceiling."""
    if isinstance(a, dict):
        return {key: higher(a[key], b[key]) for key in a}
    return max(a, b)


def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """A run of the chosen groups with one number of threads."""
    from importlib.metadata import version

    import ceilings
    import numpy

    def ceilings_of(counts: list[int]) -> dict[str, Any]:
        # As they are read from a file: keys are text.
        found = {threads: ceilings.measured(threads) for threads in counts}
        return json.loads(json.dumps(found))

    counts = sorted({1, options.threads})
    run = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": f"PyTorch {version('torch')}, NumPy {numpy.__version__}",
        "threads": options.threads,
        "held_out": options.held_out,
        "ceilings": ceilings_of(counts),
        "groups": {},
    }
    for group in options.groups or GROUPS:
        run["groups"][group] = run_group(group, options)
        if options.json:  # what is there is kept if the run is ended
            options.json.write_text(json.dumps([run], indent=1))
    run["ceilings"] = higher(run["ceilings"], ceilings_of(counts))
    run["machine"] += f", load {os.getloadavg()[0]:.1f} at the end"
    return run


def joined(files: list[pathlib.Path]) -> list[dict[str, Any]]:
    """Runs that were kept in parts, those of one kind as one."""
    kinds: dict[tuple, dict[str, Any]] = {}
    for file in files:
        for part in json.loads(file.read_text()):
            key = part["held_out"], part["threads"]
            if key in kinds:
                for group, results in part["groups"].items():
                    kinds[key]["groups"].setdefault(group, {}).update(results)
                kinds[key]["ceilings"] = higher(kinds[key]["ceilings"], part["ceilings"])
            else:
                kinds[key] = part
    return list(kinds.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("-k", default="", metavar="REGEX", help="workloads whose name has a match")
    parser.add_argument("--threads", type=int, help="of both libraries (2; held out: 2, then 1)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--held-out", action="store_true", help="the other list of workloads")
    parser.add_argument(
        "--peers",
        action="store_true",
        help="compiled: other compilers too, by the Python that $FLAMBEAU_PEERS names",
    )
    parser.add_argument("--keep-memory", action="store_true", help="malloc gives no pages back")
    parser.add_argument("--json", type=pathlib.Path, help="keep every figure in this file")
    parser.add_argument("--from", dest="kept", nargs="+", type=pathlib.Path, default=[])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.groups[0], options.groups[1:], options)
        return 0
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    if options.write and (options.groups or options.k):
        parser.error("--write is for a whole run, not for some groups or workloads")
    runs = joined(options.kept)
    if not runs:
        counts = [options.threads] if options.threads else [THREADS, 1][: 1 + options.held_out]
        for options.threads in counts:
            runs.append(measure_all(options))
    if options.json:
        options.json.write_text(json.dumps(runs, indent=1))
    missed = [line for run in runs for line in report(run, options.write)]
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
