"""What a program computes from tensors that stay as they are: done apart, and again only when one of them was written.

Of a prediction these are the weights. `split` moves the calls that depend on nothing else into a graph of their own:
transposed copies, the factors of batch norm, weights in the order that kernels read them in. `Prepared` runs it and
finds out, at each call of the program, whether its results still hold: every write of ours counts in the tensor's
version; memory that others were given (`Tensor.numpy()`, `.data`, DLPack) is compared by its content.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..backends.cpu.copies import dense
from ..backends.cpu.native import Kernels, address
from ..graph import Call, Graph, Value
from ..graph.passes import EFFECTS
from ..runtime.inference import writes
from ..runtime.operator import find
from ..runtime.tensor import Tensor

_digest = Kernels("digest.c")
BLOCK = 64 << 10  # bytes, as in digest.c
LINE = 64  # bytes


def lasting(graph: Graph, members: Collection[int]) -> set[int]:
    """The ids of the values that depend on nothing but modules' tensors (`members`: their ids) that the program does not write."""
    found = {id(v) for v in graph.captured if id(v.tensor) in members} | set(
        map(id, graph.constants)
    )
    found -= {id(t) for t, _ in graph.writes}
    for call in graph.calls:
        if repeatable(call) and all(id(v) in found for v in call.inputs if isinstance(v, Value)):
            found.update(map(id, call.outputs))
    return found


def repeatable(call: Call) -> bool:
    """Whether a call gives the same results for the same inputs, and only that."""
    return not (call.op in EFFECTS or find(call.op).random)


def split(graph: Graph, members: Collection[int]) -> tuple[Graph, Graph] | None:
    """The graph of what lasts, whose outputs are given to the graph of the rest; None where nothing does."""
    found = lasting(graph, members)
    makers = {id(v): c for c in graph.calls for v in c.outputs}
    kept: set[int] = set()  # calls whose memory results may look at
    for v in (*graph.outputs, *(w for _, w in graph.writes)):
        while id(v) in makers:
            kept.add(id(makers[id(v)]))
            if find(makers[id(v)].op).family != "view":
                break
            v = makers[id(v)].inputs[0]
    before, rest = Graph(), Graph()
    moved: set[int] = set()
    for call in graph.calls:
        apart = all(id(v) in found for v in call.outputs) and id(call) not in kept
        given = [v for v in call.inputs if isinstance(v, Value)]
        apart = apart and all(id(v) in moved or v.kind != "result" for v in given)
        if apart:
            before.calls.append(call)
            moved.update(map(id, call.outputs))
        else:
            rest.calls.append(call)
    if all(find(c.op).family == "view" for c in before.calls):
        return None
    rest.inputs, rest.outputs, rest.writes = graph.inputs, graph.outputs, graph.writes
    read = {id(v): v for v in rest.read()}
    before.outputs = [v for c in before.calls for v in c.outputs if id(v) in read]
    for part in (before, rest):
        used = {id(v) for v in part.read()} | {id(t) for t, _ in part.writes}
        part.captured = [v for v in graph.captured if id(v) in used]
        part.constants = [v for v in graph.constants if id(v) in used]
        part._names = graph._names
    return before, rest


class Seen:
    """A tensor as it was when something was computed from it."""

    __slots__ = (
        "array",
        "box",
        "digest",
        "foreign",
        "plain",
        "reader",
        "source",
        "tensor",
        "version",
    )

    def __init__(self, source: Callable[[], Tensor], reader: Any) -> None:
        self.source, self.reader, self.tensor = source, reader, source()
        self.array, self.version = self.tensor._array, writes(self.tensor)
        self.foreign = self.array.base is not None or self._others()
        if self.tensor._box is not None:
            self.tensor._box.exposed = False
        self.digest = digest(self.array)
        # Always the same tensor, whose memory is its own: then a few looks are enough.
        self.box = self.tensor._box
        self.plain = (
            not self.foreign
            and isinstance(source, partial)
            and (self.box is None or self.box.tracked)
        )

    def _others(self) -> bool:
        """Whether anybody but the tensor, this object, this call and the program that reads it holds the array."""
        return sys.getrefcount(self.array) > 3 + self.reader.holds(self.array)

    def same(self) -> bool:
        """Whether the tensor still holds what it held."""
        tensor = self.source()
        if tensor is not self.tensor or tensor._array is not self.array:
            return False
        box = tensor._box
        if box is None:
            return self.version == 0 and (not self.foreign or digest(self.array) == self.digest)
        if writes(tensor) != self.version:
            return False
        if self.foreign or box.exposed:
            if digest(self.array) != self.digest:
                return False
            box.exposed = self._others()
        return True


def digest(array: np.ndarray) -> int:
    """A number for what an array holds."""
    if not array.flags.c_contiguous:
        array = dense(array)
    parts = np.empty(array.nbytes // BLOCK + 1, np.uint64)
    return _digest.uint8.digest(address(array), array.nbytes, address(parts))


def together(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The dense ones of these arrays moved, in order, into one block of memory, which lies on large pages where it is large.

    They begin at lines of the cache. 64 steps of a GPT with weights of 42 MB on small pages took a fifth longer.
    """
    room = sum(-(-a.nbytes // LINE) * LINE for a in arrays if a.flags.c_contiguous)
    block = np.empty(room + LINE, np.uint8)
    at = -address(block) % LINE
    for i, a in enumerate(arrays):
        if a.flags.c_contiguous:
            arrays[i] = moved = np.ndarray(a.shape, a.dtype, block, at)
            moved[...] = a
            at += -(-a.nbytes // LINE) * LINE
    return arrays


class Prepared:
    """The results of a program of what lasts, `values` of its graph, made anew when they no longer hold."""

    def __init__(self, program: Any, values: Sequence[Value]) -> None:
        self.program, self.values = program, values
        self.reader: Any = None  # the program that is given the results
        self._arrays: list[np.ndarray] | None = None
        self._seen: list[Seen] = []

    def fits(self) -> bool:
        """Whether the tensors still have the shapes and dtypes of the program; finds out what was written, too."""
        if self._arrays is not None:
            for seen in self._seen:
                tensor = seen.tensor
                box = tensor._box
                if seen.plain and tensor._array is seen.array and box is seen.box:
                    if box is None or (box.version == seen.version and not box.exposed):
                        continue
                if not seen.same():
                    self._arrays = None
                    break
            else:
                return True
        return self.program.fits()

    def __call__(self) -> list[np.ndarray]:
        """The arrays; `fits` has been asked."""
        arrays = self._arrays
        if arrays is None:
            self.program.forget()
            self._seen = []  # it holds the arrays, too: they would seem to be others'
            # Looked at first: what another thread writes meanwhile is noticed at the next call.
            seen = [Seen(source, self.reader) for _, source, _, _ in self.program._captured]
            arrays = together(self.program([], []))
            self.program.forget()
            self._seen, self._arrays = seen, arrays
        return arrays
