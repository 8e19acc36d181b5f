"""Other compilers beside flambeau and PyTorch, measured in the same rounds; each in a process of its own (peer.py).

They run with the Python that FLAMBEAU_PEERS names, else with this one. One that is not installed, that cannot do a
workload, or whose results differ is left out, with the reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from harness import (
    BURST,
    PATIENCE,
    QUIET,
    Case,
    Side,
    burst,
    busy_elsewhere,
    calls_of_a_burst,
    check_same,
    counted_flops,
    flat,
    settle,
)

PYTHON = os.environ.get("FLAMBEAU_PEERS", sys.executable)
SECONDS = 150.0  # to start, compile and answer the first calls
# Peers by what a workload is; a step of the GPT takes tinygrad 19 s, and its layers are written for the smaller ones only.
TRAINING, PREDICTION = ("compile", "jax", "tinygrad"), ("compile", "jax", "onnxruntime")
TINY = ("train_mlp", "train_lenet5")


class LeftOut(Exception):
    """The peer is not measured; the text says why."""


class Peer:
    """The process of one peer. It sleeps while it is asked nothing."""

    def __init__(self, peer: str, name: str, weights: str, errors: Any) -> None:
        self._errors = errors
        program = pathlib.Path(__file__).with_name("peer.py")
        self._process = subprocess.Popen(
            [PYTHON, str(program), peer, name, weights],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip

    def get_ready(self) -> None:
        """Waits until it has made what it is to run; LeftOut if it cannot."""
        said = self._answer()
        if said != "ready":
            raise LeftOut(said["left out"])

    def _answer(self) -> Any:
        ready, _, _ = select.select([self._process.stdout], [], [], SECONDS)
        if not ready:
            raise LeftOut(f"no answer in {SECONDS:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            raise LeftOut((lines or ["it ended"])[-1][:200])
        return json.loads(line)

    def ask(self, *words: Any) -> Any:
        with contextlib.suppress(BrokenPipeError):  # then its answer is the end of its output
            print(*words, file=self._process.stdin, flush=True)
        return self._answer()

    def results(self, calls: int, folder: str) -> list[np.ndarray]:
        """The results of the first calls, one after another."""
        file = f"{folder}/results.npz"
        count = self.ask("check", calls, file)
        with np.load(file) as made:
            return [made[f"arr_{i}"] for i in range(count)]

    def burst(self, calls: int) -> tuple[float, float]:
        """Seconds a call, and the processor's seconds of all."""
        seconds, used = self.ask("burst", calls)
        return seconds, used

    def calls_of_a_burst(self) -> int:
        calls = 1
        self.burst(1)
        while (seconds := self.burst(calls)[0] * calls) < BURST / 4:
            calls *= 2
        return max(1, round(calls * BURST / seconds))

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def wanted(name: str) -> tuple[str, ...]:
    """The peers of a workload."""
    if name.startswith("infer_"):
        return PREDICTION
    return TRAINING if name.startswith(TINY) else TRAINING[:-1]


def same_numbers(ours: list[np.ndarray], theirs: list[np.ndarray], tolerance: float) -> None:
    """As check_same, where shapes of scalars and whole numbers' dtypes may differ."""
    if len(ours) != len(theirs):
        raise LeftOut(f"{len(theirs)} results instead of {len(ours)}")
    try:
        for a, b in zip(ours, theirs, strict=True):
            check_same(a, b.astype(a.dtype).reshape(a.shape), tolerance)
    except ValueError as error:
        raise LeftOut(str(error).replace("PyTorch", "its")) from None


@contextlib.contextmanager
def started(
    name: str, case: Case, weights: list, expected: list, left_out: dict[str, str]
) -> Iterator[dict[str, Peer]]:
    """The peers that give the expected results, warm; the others' reasons go into `left_out`."""
    peers: dict[str, Peer] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ending:
        file = f"{folder}/weights.npz"
        named = {f"{i}/{key}": a for i, state in enumerate(weights) for key, a in state.items()}
        np.savez(file, **named)
        starting = {}
        for which in wanted(name):  # at once: compiling takes them longer than all that is measured
            errors = ending.enter_context(tempfile.TemporaryFile())
            starting[which] = Peer(which, name, file, errors)
            ending.callback(starting[which].end)
        for which, peer in starting.items():
            try:
                peer.get_ready()
                same_numbers(expected, peer.results(case.calls, folder), case.tolerance)
            except LeftOut as reason:
                left_out[which] = str(reason)
                peer.end()
            else:
                peers[which] = peer
        yield peers


def rounds_of(
    bursts: dict[str, Callable[[int], tuple[float, float]]], calls: dict[str, int], rounds: int
) -> list[tuple[float, dict[str, float]]]:
    """Of each round the share of a core that others took, and the seconds a call of each library."""
    done: list[tuple[float, dict[str, float]]] = []
    order, begun = list(bursts), time.monotonic()
    while sum(share <= QUIET for share, _ in done) < rounds:
        before, started_at, used, times = busy_elsewhere(), time.perf_counter(), 0.0, {}
        for which in order:
            settle()
            times[which], spent = bursts[which](calls[which])
            used += spent
        # busy_elsewhere leaves this process out, but counts the peers'.
        taken = busy_elsewhere() - before - used
        done.append((taken / (time.perf_counter() - started_at), times))
        order = order[1:] + order[:1]
        if len(done) >= rounds and time.monotonic() - begun > PATIENCE:
            break
    return sorted(done, key=lambda one: one[0])[:rounds]


def here(run: Callable[[], Any]) -> Callable[[int], tuple[float, float]]:
    return lambda calls: (burst(run, calls), 0.0)


def measure(name: str, case: Case, ours: Any, theirs: Any, rounds: int) -> dict[str, Any]:
    """As harness.measure, with `peers`, milliseconds, `left_out`, reasons, and `best`: the best other's time over ours."""
    weights: list[dict[str, np.ndarray]] = []
    left_out: dict[str, str] = {}
    try:
        reference = case.make(Side(theirs, weights))
        run = case.make(Side(ours, weights))
        expected: list[np.ndarray] = []
        for _ in range(case.calls):
            result = reference()
            check_same(run(), result, case.tolerance)
            expected += [array.copy() for array in flat(result)]
        flops = counted_flops(reference) if case.count_flops else case.flops
        with started(name, case, weights, expected, left_out) as peers:
            bursts = {"ours": here(run), "theirs": here(reference)}
            calls = {which: calls_of_a_burst(r) for which, r in (("ours", run), ("theirs", reference))}  # fmt: skip
            for which, peer in peers.items():
                bursts[which], calls[which] = peer.burst, peer.calls_of_a_burst()
            kept = rounds_of(bursts, calls, rounds)
    except Exception as error:  # any failure is a result of the benchmark, and the others go on
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    middle = {w: 1e3 * statistics.median(t[w] for _, t in kept) for w in bursts}
    others = [w for w in bursts if w != "ours"]
    ratios = {w: statistics.median(t[w] / t["ours"] for _, t in kept) for w in others}
    return {
        "ours": middle["ours"], "theirs": middle["theirs"], "ratio": ratios["theirs"],
        "peers": {w: middle[w] for w in peers}, "left_out": left_out, "best": min(ratios.values()),
        "elsewhere": statistics.median(share for share, _ in kept), "times": kept,
        "flops": flops, "read": case.read, "written": case.written,
    }  # fmt: skip
