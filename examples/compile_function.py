"""What `flambeau.compile` makes of a function: its program, and what it saves.

python examples/compile_function.py
FLAMBEAU_PRINT=trace,fuse,c python examples/compile_function.py     # every stage on the way to C
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import flambeau
from flambeau import Tensor


def negative_log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Of numbers under normal distributions, a sum over each row."""
    z = (x - mean) * (-log_scale).exp()
    return (z * z / 2 + log_scale + 0.9189385332).sum(1)


def best(function: Callable[..., Tensor], *arguments: Tensor, rounds: int) -> float:
    """Milliseconds of the quickest of some calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def main(arguments: Sequence[str] | None = None) -> None:
    """Compiles, compares, times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args(arguments)
    flambeau.manual_seed(0)
    x, mean, log_scale = (flambeau.randn(options.rows, 1000) for _ in range(3))
    compiled = flambeau.compile(negative_log_likelihood)
    eager = negative_log_likelihood(x, mean, log_scale)
    flambeau.testing.assert_close(compiled(x, mean, log_scale), eager, rtol=1e-4, atol=1e-3)
    print(flambeau.jit.explain(compiled))
    for name, function in (("eager", negative_log_likelihood), ("compiled", compiled)):
        print(f"{name}: {best(function, x, mean, log_scale, rounds=options.rounds):.2f} ms")


if __name__ == "__main__":
    main()
