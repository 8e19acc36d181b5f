"""From which size on a compiled kernel beats NumPy, operator by operator.

    python packages/core/benchmarks/elementwise.py --thresholds [--rounds 40] [--threads N]

Prints microseconds a call, compiled:NumPy, for sizes from 2^10 to 2^20: what the thresholds of `backends/cpu/providers.py`
come from. The best round counts, all in one process, so that other work on the machine disturbs all alike. How the
operators compare with PyTorch is measured by `nox -s bench` (the group `elementwise`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np

import flambeau
from flambeau.backends.cpu import providers
from flambeau.runtime.backend import of_device
from flambeau.runtime.operator import registry


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


def thresholds(rounds: int) -> str:
    """Microseconds per call of each operator, compiled and on NumPy, by size."""
    lines = []
    xp = of_device("cpu").xp
    for name in providers.OPERATORS:
        op = registry[name]
        attrs = {p: op.defaults[i] for i, p in op.attrs}
        (_, compiled), *_ = op.providers["cpu"]
        reference = op.kernels[None]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=flambeau.get_num_threads())
    parser.add_argument("--thresholds", action="store_true", help="what is printed; the default")
    options = parser.parse_args()
    flambeau.set_num_threads(options.threads)
    print(thresholds(options.rounds))


if __name__ == "__main__":
    main()
