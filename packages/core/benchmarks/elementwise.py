"""Elementwise loops and reductions at 4M floats: flambeau's compiled kernels, NumPy and PyTorch, in turns.

    python packages/core/benchmarks/elementwise.py               prints the table
    python packages/core/benchmarks/elementwise.py --write       writes it into docs/performance.md too
    python packages/core/benchmarks/elementwise.py --thresholds  from which size on a compiled kernel beats NumPy

The best of `--rounds` counts, all in one process and on `--threads` threads, so that other work on the machine disturbs
all alike. Times include making the result's memory. Without PyTorch its column is left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import flambeau
from flambeau import ir
from flambeau.backends.cpu import kernel, providers
from flambeau.runtime.backend import of_device
from flambeau.runtime.operator import registry

SIZE = 1 << 22
PAGE = Path(__file__).parents[3] / "docs" / "performance.md"
x, b = ir.var("x"), ir.var("b")


def milliseconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The best time of each call, one round of all after another."""
    best = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: seconds * 1e3 for name, seconds in best.items()}


def torch_or_none(threads: int) -> object:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(threads)
    return torch


def cases(array: np.ndarray, torch) -> dict[str, dict[str, Callable[[], object]]]:
    """Per row of the table, what is called: with each library the same function on the same numbers."""
    ours = flambeau.tensor(array)
    theirs = None if torch is None else torch.from_numpy(array)
    rows, wide = array.reshape(4096, -1), ours.reshape(4096, -1)
    made: dict[str, dict[str, Callable[[], object]]] = {}
    for name in ("exp", "tanh", "sigmoid", "gelu", "silu"):
        op = registry[name]
        reference, attrs = op.kernels[None], {p: op.defaults[i] for i, p in op.attrs}
        made[name] = {
            "flambeau": lambda f=op.public: f(ours),
            "NumPy": lambda f=reference, a=attrs: f(of_device("cpu").xp, array, **a),
        }
        if torch is not None:
            f = getattr(torch, name, None) or getattr(torch.nn.functional, name)
            made[name]["PyTorch"] = lambda f=f: f(theirs)
    made["gelu, backward"] = {"flambeau": backward(registry["gelu"].public, ours)}
    if torch is not None:
        made["gelu, backward"]["PyTorch"] = backward(torch.nn.functional.gelu, theirs)
    reference = registry["softmax"].kernels[None]
    made["softmax, 4096 rows"] = {
        "flambeau": lambda: flambeau.softmax(wide, -1),
        "NumPy": lambda: reference(of_device("cpu").xp, rows, dim=-1, dtype=None),
    }
    fused = kernel.compile_elementwise(
        {"out": (x + b) * ir.sigmoid(x + b) * 0.5 + x}, {"x": "float32", "b": "float32"}
    )
    bias = rows[0].copy()

    def chain(sigmoid, x, b):
        return (x + b) * sigmoid(x + b) * 0.5 + x

    made["(x + b) * sigmoid(x + b) * 0.5 + x"] = {
        "flambeau": lambda: fused(rows, bias),
        "NumPy": lambda: chain(of_device("cpu").xp.sigmoid, rows, bias),
    }
    squares = kernel.compile_reduction(
        {"out": ("sum", ir.square(x - b))}, {"x": "float32", "b": "float32"}
    )
    made["sum((x - b)²)"] = {
        "flambeau": lambda: squares(rows, bias),
        "NumPy": lambda: np.square(rows - bias).sum(),
    }
    if torch is not None:
        wide_theirs, bias_theirs = theirs.reshape(4096, -1), torch.from_numpy(bias)
        made["softmax, 4096 rows"]["PyTorch"] = lambda: torch.softmax(wide_theirs, -1)
        made["(x + b) * sigmoid(x + b) * 0.5 + x"]["PyTorch"] = lambda: chain(
            torch.sigmoid, wide_theirs, bias_theirs
        )
        made["sum((x - b)²)"]["PyTorch"] = lambda: torch.square(wide_theirs - bias_theirs).sum()
    return made


def backward(function: Callable, tensor) -> Callable[[], object]:
    """The gradient of `function` alone: its forward is run once, here."""
    leaf = tensor.clone().requires_grad_()
    out, g = function(leaf), tensor.clone()

    def call() -> None:
        leaf.grad = None
        out.backward(g, retain_graph=True)

    return call


def table(rounds: int, threads: int) -> str:
    torch = torch_or_none(threads)
    array = np.random.default_rng(0).normal(size=SIZE).astype("f4")
    libraries = ["flambeau", "NumPy", *(["PyTorch"] if torch else [])]
    lines = ["| 4,194,304 float32 | " + " | ".join(f"{n} (ms)" for n in libraries) + " |"]
    lines.append("| --- |" + " ---: |" * len(libraries))
    for label, calls in cases(array, torch).items():
        found = milliseconds(calls, rounds)
        lines.append(
            f"| {label} | "
            + " | ".join(f"{found[n]:.2f}" if n in found else "" for n in libraries)
            + " |"
        )
    return "\n".join(lines)


def thresholds(rounds: int) -> str:
    """Microseconds per call of each operator, compiled and on NumPy, by size."""
    lines = []
    xp = of_device("cpu").xp
    for name in [*providers.OPERATORS, *providers.SCALAR_OPERATORS]:
        op = registry[name]
        attrs = {p: op.defaults[i] for i, p in op.attrs}
        compiled, reference = providers._Provider(op), op.kernels[None]
        shown = []
        for power in range(10, 21, 2):
            array = np.random.default_rng(0).uniform(0.1, 3, 1 << power).astype("f4")
            calls = {
                "c": partial(compiled, xp, array, **attrs),
                "n": partial(reference, xp, array, **attrs),
            }
            found = milliseconds(calls, rounds)
            shown.append(f"2^{power} {found['c'] * 1e3:.0f}:{found['n'] * 1e3:.0f}")
        lines.append(f"{name:<12}" + "  ".join(shown))
    return "compiled:NumPy in us\n" + "\n".join(lines)


def write(text: str) -> None:
    page = PAGE.read_text("utf-8")
    begin, end = "<!-- elementwise -->", "<!-- /elementwise -->"
    before, rest = page.split(begin)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=flambeau.get_num_threads())
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--thresholds", action="store_true")
    options = parser.parse_args()
    flambeau.set_num_threads(options.threads)
    text = (
        thresholds(options.rounds) if options.thresholds else table(options.rounds, options.threads)
    )
    print(text)
    if options.write:
        write(text)


if __name__ == "__main__":
    main()
