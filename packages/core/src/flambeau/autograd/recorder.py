"""What a profiler writes down: a mode (`runtime.state`) that sees every operator call of its thread, and every node of backward.

Calls of composites stay composites: `linear` is one entry with its `matmul` inside, and where a backend has a kernel for the
whole, that runs as it would. Memory is counted by the arrays that own it: the event in which one appears gains
its bytes, the event in which it is freed loses them.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from ..runtime import dispatch, state, tape
from ..runtime.operator import Operator
from ..runtime.tensor import Tensor

__all__ = ["Record", "Recorder", "recorders"]

OPERATOR, NODE, ANNOTATION = "cpu_op", "node", "user_annotation"
_HERE = str(Path(__file__).resolve().parent.parent)
# Operators that have another name in PyTorch.
_NAMES = {"copy_into": "copy_", "fill_new": "full"}


class Record:
    """One call: when it began and ended (nanoseconds), inside which other, and what is known of it."""

    __slots__ = (
        "end", "flops", "inputs", "kind", "memory", "name", "parent", "shapes", "stack", "start", "types",
    )  # fmt: skip

    def __init__(self, name: str, kind: str, parent: Record | None) -> None:
        self.name, self.kind, self.parent = name, kind, parent
        self.memory = self.flops = 0
        self.shapes: list[Any] = []
        self.types: list[str] = []
        self.inputs: list[Any] = []
        self.stack: list[str] = []
        self.end = 0
        self.start = perf_counter_ns()


class Recorder:
    """The mode. It is in force between `start` and `stop`, in the thread that called `start`."""

    watches = True  # it changes no call: what looks for tracers need not mind it

    def __init__(
        self, shapes: bool = False, memory: bool = False, stack: bool = False, flops: bool = False
    ) -> None:
        self._shapes, self._memory, self._stack, self._flops = shapes, memory, stack, flops
        self.records: list[Record] = []
        self.frees: list[tuple[int, int]] = []  # outside any event: when, how many bytes
        self.began = self.ended = 0
        self.thread = 0
        self.paused = False
        self._open: list[Record] = []
        self._known: dict[int, Any] = {}  # by id of an array that owns memory: its weak reference

    def start(self) -> None:
        """Puts the mode in force."""
        self.thread = threading.get_native_id()
        state.push_mode(self)
        self.began = perf_counter_ns()

    def stop(self) -> None:
        """Takes it out of force; calls that are still under way end here."""
        self.ended = perf_counter_ns()
        state.pop_mode(self)
        while self._open:
            self._open.pop().end = self.ended
        self._known.clear()

    # -- entries

    def enter(self, name: str, kind: str = ANNOTATION) -> Record:
        """Opens an entry inside the one that is open."""
        record = Record(name, kind, self._open[-1] if self._open else None)
        if self._stack:
            record.stack = _python_stack()
        self.records.append(record)
        self._open.append(record)
        return record

    def leave(self, record: Record) -> None:
        """Closes an entry, and what was left open inside it."""
        if record not in self._open:
            return  # ended with the profiler
        now = perf_counter_ns()
        while True:
            last = self._open.pop()
            last.end = now
            if last is record:
                return

    # -- the mode's protocol

    def wants(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> bool:
        """Composites too are entries, unless a tracer beside this decides about them."""
        return not self.paused and len(state.local.modes) == 1

    def run(
        self, op: Operator, arrays: tuple, attrs: dict[str, Any], proceed: Callable[[], Any]
    ) -> Any:
        """An operator call."""
        if self.paused:
            return proceed()
        record = self.enter("aten::" + _NAMES.get(op.name, op.name), OPERATOR)
        try:
            if op.family != "composite":
                made = proceed()
            else:
                with _Again(self):
                    kernel = dispatch._claimed(op, arrays, attrs)
                    made = kernel(arrays, attrs) if kernel else op.call_body(arrays, attrs)
        finally:
            self.leave(record)
        if self._shapes or self._flops:
            self._describe(record, op, arrays, attrs, made)
        if self._memory:
            for tensor in made if isinstance(made, tuple) else (made,):
                self._appeared(tensor, record)
        return made

    def node(self, node: Any, g: Any, needs: tuple, fast: bool) -> Any:
        """A node of backward."""
        record = None if self.paused else self.enter(node.name(), NODE)
        try:
            if not node.simple or tape.anomaly:
                return tape.step(node, g, needs)
            rule = node.op.vjp_rule
            return rule.fast(node, g, needs) if fast else rule.pullback(node, g, needs)
        finally:
            if record is not None:
                self.leave(record)

    def constant(self, tensor: Tensor) -> None:
        """A tensor made of Python data: nothing to note."""

    def leaves(self, tensor: Tensor, how: str) -> None:
        """A value that is read: nothing to note."""

    # -- what is known of a call

    def _describe(
        self, record: Record, op: Operator, arrays: tuple, attrs: dict[str, Any], made: Any
    ) -> None:
        if self._shapes:
            record.shapes = [list(a.shape) if isinstance(a, Tensor) else [] for a in arrays]
            record.types = [_type_of(a) for a in arrays]
            record.inputs = [a if isinstance(a, (bool, int, float)) else "" for a in arrays]
        if self._flops:
            record.flops = _flops(op.name, arrays, attrs, made)

    def _appeared(self, tensor: Any, record: Record) -> None:
        """Memory that was not there before."""
        array = tensor.__dict__.get("_array") if isinstance(tensor, Tensor) else None
        if not isinstance(array, np.ndarray):
            return
        while isinstance(array.base, np.ndarray):
            array = array.base
        key, size = id(array), array.nbytes
        if key in self._known or not size:
            return
        recorder = weakref.ref(self)

        def freed(_: Any) -> None:
            found = recorder()
            if found is not None and found._known.pop(key, None) is not None:
                found._disappeared(size)

        try:
            self._known[key] = weakref.ref(array, freed)
        except TypeError:
            return
        self._count(size, record)

    def _count(self, size: int, record: Record | None) -> None:
        while record is not None:
            record.memory += size
            record = record.parent

    def _disappeared(self, size: int) -> None:
        if self._open:
            self._count(-size, self._open[-1])
        else:
            self.frees.append((perf_counter_ns(), size))


class _Again:
    """The body of a composite runs with its recorder in force again: it was taken out around the call."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        self._before = state.local.modes
        if self._recorder not in self._before:
            state.local.modes = (*self._before, self._recorder)

    def __exit__(self, *_: Any) -> None:
        state.local.modes = self._before


def recorders() -> list[Recorder]:
    """The recorders in force in this thread."""
    return [mode for mode in state.local.modes if isinstance(mode, Recorder)]


def _type_of(value: Any) -> str:
    if isinstance(value, Tensor):
        return str(value.dtype).rpartition(".")[2]
    return "" if value is None else "Scalar"


def _python_stack() -> list[str]:
    """Where the call was made: files and lines outside of flambeau, and its modules' `forward`s, innermost first."""
    frame, lines = sys._getframe(2), []
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        if not name.startswith(_HERE) or (
            f"{_HERE}/nn/modules" in name and code.co_name == "forward"
        ):
            lines.append(f"{name}({frame.f_lineno}): {code.co_name}")
        frame = frame.f_back  # type: ignore[assignment]
    return lines


def _flops(name: str, arrays: tuple, attrs: dict[str, Any], made: Any) -> int:
    """Multiplications and additions of products, and one an element for `add` and `mul`, as PyTorch counts."""
    tensors = [a for a in arrays if isinstance(a, Tensor)]
    if not isinstance(made, Tensor) or not tensors:
        return 0
    if name in ("add", "mul"):
        return made.numel()
    if name == "matmul" and len(tensors) == 2:
        return 2 * made.numel() * tensors[0].shape[-1]
    if name == "convolution" and len(tensors) >= 2:
        # Each result is a sum over one filter.
        return 2 * made.numel() * (tensors[1].numel() // max(tensors[1].shape[0], 1))
    return 0
