"""What all benchmarks share: one workload given to both libraries, compared, then timed in turns.

A workload is a function of a `Side` that returns what is to be timed, a call without arguments. It is written once; the
two sides get the same numbers, from the same seed, and the same weights. What the calls return is compared before
anything is timed, so that nothing is measured that computes something else.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

BURST = 0.06  # seconds of calls of one library before it is the other's turn
PATIENCE = 15.0  # seconds of rounds of one workload; a slow one gets fewer rounds, never fewer than three


@dataclasses.dataclass
class Bar:
    """What the workloads whose names begin with `prefix` must reach: ratios are PyTorch's time to ours."""

    prefix: str = ""
    geomean: float | None = None
    least: float | None = None
    of_limit: float | None = None

    @property
    def text(self) -> str:
        parts = []
        if self.geomean is not None:
            parts.append(f"geometric mean {self.geomean}")
        if self.least is not None:
            parts.append(f"each {self.least}")
        if self.of_limit is not None:
            parts.append(f"{self.of_limit:.0%} of the limit")
        return ", ".join(parts)


@dataclasses.dataclass
class Case:
    """A workload, what it must do at least (flops; bytes read and written), and how near the results must be."""

    make: Callable[[Side], Callable[[], Any]]
    flops: float = 0
    read: float = 0
    written: float = 0
    least: float | None = None  # a ratio that this one must reach, beside the bars of its group
    tolerance: float = 1e-3  # of the largest magnitude of a result
    calls: int = 1  # calls whose results are compared: of a training step several
    count_flops: bool = False  # PyTorch's counter says how many flops there are


class Side:
    """One of the libraries, with random numbers and weights that are the other's too."""

    def __init__(self, lib: Any, weights: list[dict[str, np.ndarray]]) -> None:
        self.lib, self.nn, self.F = lib, lib.nn, lib.nn.functional
        self.rng = np.random.default_rng(0)
        self._weights, self._models = weights, 0

    def tensor(self, array: np.ndarray, grad: bool = False) -> Any:
        """The array's numbers in memory that the library allocated itself."""
        made = self.lib.from_numpy(array).clone()
        return made.requires_grad_() if grad else made

    def normal(self, *shape: int, grad: bool = False, scale: float = 1.0) -> Any:
        values = self.rng.standard_normal(shape, dtype="f4")
        return self.tensor(values * np.float32(scale), grad)

    def integers(self, high: int, *shape: int) -> Any:
        return self.tensor(self.rng.integers(0, high, shape))

    def permutation(self, size: int) -> Any:
        return self.tensor(self.rng.permutation(size))

    def model(self, module: Any) -> Any:
        """The module with the weights that the first side's has."""
        if self._models == len(self._weights):
            state = {name: t.numpy().copy() for name, t in module.state_dict().items()}
            self._weights.append(state)
        state = self._weights[self._models]
        module.load_state_dict({name: self.lib.from_numpy(a.copy()) for name, a in state.items()})
        self._models += 1
        return module


def with_backward(s: Side, forward: Callable[[], Any], *leaves: Any) -> Callable[[], Any]:
    """Forward and backward, from a random gradient of the result to the leaves."""
    g = s.normal(*forward().shape)

    def run() -> tuple:
        for leaf in leaves:
            leaf.grad = None
        out = forward()
        out.backward(g)
        return out, *(leaf.grad for leaf in leaves)

    return run


# --------------------------------------------------------------------------------------------------
# Comparing


def flat(result: Any) -> Iterator[np.ndarray]:
    """The arrays of a result: a tensor, a number, nothing, or tuples, lists and dicts of these."""
    if isinstance(result, dict):
        result = [result[key] for key in sorted(result)]
    if isinstance(result, tuple | list):
        for part in result:
            yield from flat(part)
    elif result is not None:
        yield np.asarray(result.detach().numpy() if hasattr(result, "detach") else result)


def check_same(ours: Any, theirs: Any, tolerance: float) -> None:
    """ValueError, with what differs, unless both results are the same up to rounding."""
    mine, other = list(flat(ours)), list(flat(theirs))
    if len(mine) != len(other):
        raise ValueError(f"{len(mine)} results, PyTorch has {len(other)}")
    for number, (a, b) in enumerate(zip(mine, other, strict=True)):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            raise ValueError(
                f"result {number} is {a.dtype}{a.shape}, PyTorch's is {b.dtype}{b.shape}"
            )
        if not a.size:
            continue
        a, b = a.astype("f8"), b.astype("f8")
        off = np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)
        if not off <= tolerance:
            raise ValueError(f"result {number} is off by {off:.1e} of the largest magnitude")


# --------------------------------------------------------------------------------------------------
# Timing


def burst(run: Callable[[], Any], calls: int) -> float:
    """Seconds a call."""
    started = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - started) / calls


def settle() -> None:
    """Sleeps until no thread of the process is busy: pools wait actively for some milliseconds after their last work."""
    for _ in range(50):
        before = time.process_time()
        time.sleep(0.002)
        if time.process_time() - before < 0.0004:
            return


def calls_of_a_burst(run: Callable[[], Any]) -> int:
    calls = 1
    while (seconds := burst(run, calls) * calls) < BURST / 4:
        calls *= 2
    return max(1, round(calls * BURST / seconds))


def in_turns(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """Milliseconds a call of both, medians over the rounds, and the median of the rounds' ratios."""
    runs = [(run, calls_of_a_burst(run)) for run in (ours, theirs)]
    # What exists by now is no work for the collector during the calls of either library.
    gc.collect()
    gc.freeze()
    times: list[list[float]] = [[], []]
    deadline = time.monotonic() + PATIENCE
    for turn in range(rounds):
        for index in (turn % 2, 1 - turn % 2):
            settle()
            times[index].append(burst(*runs[index]))
        if turn >= 2 and time.monotonic() > deadline:
            break
    gc.unfreeze()
    ratios = [other / mine for mine, other in zip(*times, strict=True)]
    return {
        "ours": 1e3 * statistics.median(times[0]),
        "theirs": 1e3 * statistics.median(times[1]),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def counted_flops(run: Callable[[], Any]) -> float:
    """Flops of the products and convolutions of a call of PyTorch."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def measure(case: Case, ours: Any, theirs: Any, rounds: int) -> dict[str, Any]:
    """Compares and times a workload; on failure `error` says why."""
    weights: list[dict[str, np.ndarray]] = []
    try:
        reference = case.make(Side(theirs, weights))
        run = case.make(Side(ours, weights))
        for _ in range(case.calls):
            check_same(run(), reference(), case.tolerance)
        flops = counted_flops(reference) if case.count_flops else case.flops
        found = in_turns(run, reference, rounds)
    except Exception as error:  # any failure is a result of the benchmark, and the others go on
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    return found | {"flops": flops, "read": case.read, "written": case.written}


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))
