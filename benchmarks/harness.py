"""What all benchmarks share: one workload given to both libraries, compared, then timed in turns.

A workload is a function of a `Side` that returns what is to be timed, a call without arguments. It is written once; the
two sides get the same numbers, from the same seed, and the same weights. What the calls return is compared before
anything is timed, so that nothing is measured that computes something else.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

BURST = 0.06  # seconds of calls of one library before it is the other's turn
QUIET = 0.15  # of a core: what others may use during a round that counts
NOISE_PATIENCE = 6.0  # seconds of rounds of one workload in the hope of quiet ones
PATIENCE = 15.0  # seconds of rounds; a slow workload gets fewer of them, never fewer than three


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
    alone: bool = True  # False: it has processes of its own, which are not others'
    count_flops: bool = False  # PyTorch's counter says how many flops there are
    parts: Any = (
        None  # what `make` was made of, for libraries that need it in another form (peers.py)
    )


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


def busy_threads() -> int:
    """Threads of this process that run or wait actively, the calling one left out."""
    count = 0
    for task in pathlib.Path("/proc/self/task").iterdir():
        try:
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it has ended
            continue
        count += state == "R"
    return count - 1


def settle() -> None:
    """Waits until all pools sleep. They wait actively after their last work, OpenBLAS's for 0.1 s, PyTorch's for 0.01 s:
    who comes next would have one core only. The process's own time is no measure, since it advances in ticks."""
    if not pathlib.Path("/proc/self/task").exists():
        time.sleep(0.15)
        return
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        time.sleep(0.001)
        if busy_threads() <= 0:
            return


def calls_of_a_burst(run: Callable[[], Any]) -> int:
    calls = 1
    while (seconds := burst(run, calls) * calls) < BURST / 4:
        calls *= 2
    return max(1, round(calls * BURST / seconds))


def busy_elsewhere() -> float:
    """Seconds of processors that were not this process's, since the machine started; 0 where that is not to be known."""
    try:
        user, nice, system, _, _, irq, softirq, steal = map(
            int, pathlib.Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
        )
    except OSError:
        return 0.0
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK") - time.process_time()


def one_round(runs: list[tuple[Callable[[], Any], int]], first: int) -> tuple[float, list[float]]:
    """Seconds a call of each library, `first` before the other, and the share of a core that others took meanwhile."""
    times = [0.0, 0.0]
    elsewhere, started = busy_elsewhere(), time.perf_counter()
    for index in (first, 1 - first):
        settle()
        times[index] = burst(*runs[index])
    return (busy_elsewhere() - elsewhere) / (time.perf_counter() - started), times


def in_turns(
    ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int, alone: bool = True
) -> dict[str, Any]:
    """Milliseconds a call of both, medians over the rounds, and the median of the rounds' ratios.

    Rounds in which others used the machine are repeated while there is patience; then the quietest count.
    """
    runs = []
    for run in (ours, theirs):
        settle()
        runs.append((run, calls_of_a_burst(run)))
    # What exists by now is no work for the collector during the calls of either library.
    gc.collect()
    gc.freeze()
    done: list[tuple[float, list[float]]] = []
    started = time.monotonic()
    while sum(share <= QUIET or not alone for share, _ in done) < rounds:
        done.append(one_round(runs, len(done) % 2))
        taken = time.monotonic() - started
        if (taken > PATIENCE and len(done) >= 3) or (
            taken > NOISE_PATIENCE and len(done) >= rounds
        ):
            break
    gc.unfreeze()
    kept = sorted(done, key=lambda one: one[0] if alone else 0.0)[:rounds]
    mine, other = zip(*(times for _, times in kept), strict=True)
    return {
        "ours": 1e3 * statistics.median(mine),
        "theirs": 1e3 * statistics.median(other),
        "ratio": statistics.median(b / a for a, b in zip(mine, other, strict=True)),
        "elsewhere": statistics.median(share for share, _ in kept) if alone else 0.0,
        "times": kept,
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
        found = in_turns(run, reference, rounds, case.alone)
    except Exception as error:  # any failure is a result of the benchmark, and the others go on
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    return found | {"flops": flops, "read": case.read, "written": case.written}


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))
