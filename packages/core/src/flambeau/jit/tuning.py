"""How programs are made, and, for `mode="max-autotune"`, which way is the fastest: all are tried on the calls that come."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..graph import Graph
from ..runtime.tensor import Tensor
from .program import Program

CALLS = 5  # of each way: the first records, the fastest of the others counts
WARM = 2


@dataclass(frozen=True)
class Making:
    """What is known when a program is made of a graph, and what is to be done about it."""

    backend: Any = None  # a user's, which makes the function
    members: frozenset[int] = (
        frozenset()
    )  # ids of modules' tensors, on which lasting work may be done apart
    packed: bool = True  # weights that last are packed, and take in what follows
    last: bool = True  # convolutions may have their channels last
    tune: bool = False
    memory: int | None = None  # bytes of values that may be alive at once

    def __call__(self, graph: Graph) -> Program | Tuned:
        if graph.on("cuda"):
            from . import cudaprogram

            return cudaprogram.Program(graph, self.backend)
        ways = self._ways(graph) if self.tune and self.backend is None else {}
        if len(ways) > 1:
            return Tuned({name: way._program(graph) for name, way in ways.items()})
        return self._program(graph)

    def _program(self, graph: Graph) -> Program:
        from .remat import delayed, rematerialised

        if self.backend is None and not self.members:  # predictions keep nothing for later
            graph = delayed(graph)
        if self.memory is None or self.backend is not None:
            return self._made(graph)

        graph, text = rematerialised(graph, self.memory)
        made = self._made(graph)
        made.remat = text
        return made

    def _made(self, graph: Graph) -> Program:
        if not self.packed or self.backend is not None:
            return Program(graph, self.backend)
        return Program(graph, None, self.members, self.last)

    def _ways(self, graph: Graph) -> dict[str, Making]:
        """What may be faster or not: depends on shapes, caches and the machine."""
        if not self.members or graph.writes:
            return {}
        found = {"weights packed": self, "weights as they lie": replace(self, packed=False)}
        if any(c.op == "convolution" for c in graph.calls):
            found["weights packed, channels as the model has them"] = replace(self, last=False)
        return found


class Tuned:
    """Programs that do the same in several ways. Each call runs one; when all have been timed, the fastest stays."""

    def __init__(self, ways: dict[str, Program]) -> None:
        self._waiting = dict(ways)
        self._times: dict[str, list[float]] = {name: [] for name in ways}
        self._now = next(iter(ways.values()))
        self._lock = threading.Lock()  # one call at a time is timed
        self.times: dict[str, float] = {}  # of one call, in seconds, when all are known
        self.chosen: str | None = None

    def __call__(self, inputs: Sequence[np.ndarray], owners: Sequence[Tensor | None]) -> list:
        """As `Program.__call__`."""
        if self.chosen is not None or not self._lock.acquire(blocking=False):
            return self._now(inputs, owners)
        try:
            if self.chosen is None:
                name = next(n for n, p in self._waiting.items() if p is self._now)
                start = time.perf_counter()
                made = self._now(inputs, owners)
                self._note(name, time.perf_counter() - start)
                return made
        finally:
            self._lock.release()
        return self._now(inputs, owners)

    def _note(self, name: str, seconds: float) -> None:
        taken = self._times[name]
        taken.append(seconds)
        names = list(self._waiting)
        if len(taken) < CALLS:
            return
        if name != names[-1]:
            self._now = self._waiting[names[names.index(name) + 1]]
            return
        self.times = {n: min(t[WARM:]) for n, t in self._times.items()}
        self.chosen = min(self.times, key=self.times.__getitem__)
        self._now = self._waiting[self.chosen]
        self._waiting = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_now"], name)

    def fused_text(self) -> str:
        """The steps of the fastest way, and how long each took."""
        lines = [f"# {n}: {t * 1e3:.3g} ms" for n, t in self.times.items()]
        return "\n".join([*lines, self._now.fused_text()])
