"""What a call of a size that was never seen costs a compiled function, beside eager mode and beside a capture of its own.

    python benchmarks/dynamic.py [SIZES]     milliseconds: medians over so many sizes (12)

`eager`: the function as it is. `new`: the first call of a size, its sizes filled into the open program. `again`: the second of that
size. `captured`: the first call where each shape is a program of its own (`dynamic=False`), and `recorded` its second.
"""

from __future__ import annotations

import copy
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import models

import flambeau
from flambeau.nn import functional

WARM = 3  # sizes before those that are measured: captured fixed, captured open, filled in


def prediction(model: Any) -> Callable[..., Any]:
    def run(x: Any) -> Any:
        with flambeau.no_grad():
            return model(x)

    return run


def training(model: Any) -> Callable[..., Any]:
    optimizer = flambeau.optim.AdamW(model.parameters(), lr=1e-4)

    def run(x: Any) -> Any:
        optimizer.zero_grad()
        out = model(x)
        loss = functional.cross_entropy(out.flatten(0, -2), out.detach().flatten(0, -2).argmax(-1))
        loss.backward()
        optimizer.step()
        return loss

    return run


def cases() -> dict[str, tuple[Any, Callable[[Any], Any], Callable[[int], Any]]]:
    """By name: the model, prediction or training, and its input for the n-th size."""
    perceptron = models.mlp(flambeau, 784, 128, 10)
    gpt = models.gpt(flambeau, layers=6, width=384)
    resnet = models.resnet18_cifar(flambeau)
    return {
        "MLP 784-128-10, step": (perceptron, training, lambda n: flambeau.randn(64 - n, 784)),
        "GPT 6×384 batch 4, step": (gpt, training, lambda n: flambeau.randint(0, 100, (4, 96 - n))),
        "GPT 6×384 batch 4, prediction": (gpt, prediction, lambda n: flambeau.randint(0, 100, (4, 96 - n))),
        "ResNet-18 32×32, step": (resnet, training, lambda n: flambeau.randn(20 - n, 3, 32, 32)),
    }  # fmt: skip


def milliseconds(run: Callable[..., Any], x: Any) -> float:
    started = time.perf_counter()
    run(x)
    return (time.perf_counter() - started) * 1e3


def measured(model: Any, kind: Callable, batch: Callable[[int], Any], sizes: int) -> dict[str, float]:  # fmt: skip
    """Medians over the sizes."""
    eager = kind(copy.deepcopy(model))
    opened = flambeau.compile(kind(copy.deepcopy(model)))
    apart = flambeau.compile(kind(copy.deepcopy(model)), dynamic=False, recompile_limit=1000)
    times: dict[str, list[float]] = {
        k: [] for k in ("eager", "new", "again", "captured", "recorded")
    }
    for n in range(WARM + sizes):
        x = batch(n)
        found = [milliseconds(f, x) for f in (eager, opened, opened, apart, apart)]
        if n >= WARM:
            for k, t in zip(times, found):
                times[k].append(t)
    return {k: statistics.median(v) for k, v in times.items()}


def main() -> None:
    sizes = int(sys.argv[1]) if sys.argv[1:] else 12
    print("| workload | eager | new | again | captured | recorded |\n| --- | --- | --- | --- | --- | --- |")  # fmt: skip
    for name, (model, kind, batch) in cases().items():
        found = measured(model, kind, batch, sizes)
        print(f"| {name} | {' | '.join(f'{t:.3g}' for t in found.values())} |", flush=True)


if __name__ == "__main__":
    main()
