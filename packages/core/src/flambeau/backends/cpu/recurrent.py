"""Recurrent layers whole: all steps in one call, the products with the input and of the weights' gradients among them.

What a step costs here is the product of the state with the recurrent weights, which stay in the caches of the cores (see
`kernels/recurrent.c`); NumPy's calls for small products and gates cost ten times as much.

The Python around a call runs when C has just filled the caches with something else, so that each function and each object that
it meets costs several times what it costs in a loop of its own: there are as few of them as there can be.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ...runtime.claims import claim, lasting
from ...runtime.operator import registry
from . import library
from .native import Kernels, address, table
from .offers import FLOATS

kernels = Kernels("recurrent.c")
LSTM, GRU, TANH, RELU = range(4)


class _Plan(NamedTuple):
    """What the sizes of a call decide."""

    order: tuple[int, int, int, int]  # kind, steps, rows of the first step, units
    laid: tuple[int, int]  # where C reads how many rows each step has, and where they begin
    shared: bool  # among threads
    rows: int  # of all steps
    gates: tuple[int, int]  # elements of the gates' memory without and with a backward
    room: tuple[int, int]  # elements that backward wants without and with gradients of first states
    tables: tuple[np.ndarray, np.ndarray]


@lru_cache(maxsize=256)
def _plan(
    functions: Any, kind: int, shape: tuple[int, ...], sizes: tuple[int, ...] | None, size: int
) -> _Plan:
    """Of an input of some shape."""
    counts = table((shape[1],) * shape[0] if sizes is None else sizes)
    starts = table(counts.cumsum() - counts)
    order, laid = (kind, len(counts), int(counts[0]), size), (address(counts), address(starts))
    shared = bool(functions.shared(*order))
    gates = [functions.forward_room(*order, wants, *laid) for wants in (0, 1)]
    room = [functions.backward_room(*order, shape[-1], *laid, first) for first in (0, 1)]
    tables = (counts, starts)
    return _Plan(order, laid, shared, int(counts.sum()), tuple(gates), tuple(room), tables)


class Layer:
    """A claim on the layer of one kind."""

    def __init__(self, kind: int) -> None:
        self.kind, self.gates = kind, {LSTM: 4, GRU: 3}.get(kind, 1)
        self.parts = 2 if kind == LSTM else 1  # of the state

    def takes(self, metas: list, attrs: dict[str, Any]) -> bool:
        """Whether all tensors are float32, or all float64, and there are kernels."""
        dtype = metas[0].dtype
        alike = dtype in FLOATS and all(m is None or m.dtype is dtype for m in metas)
        return alike and self._fits(metas, attrs) and library.available()

    def _fits(self, metas: list, attrs: dict[str, Any]) -> bool:
        """Whether all shapes fit: what does not is the body's to refuse."""
        x, *first, weight_ih, weight_hh, bias_ih, bias_hh = metas
        sizes = attrs["sizes"]
        if x.ndim != (3 if sizes is None else 2) or weight_hh.ndim != 2:
            return False
        if sizes is not None and len(sizes) == 0:
            return False
        rows, size = x.shape[1] if sizes is None else sizes[0], weight_hh.shape[1]
        wide = self.gates * size
        if (
            0 in (size, x.shape[-1])
            or weight_ih.shape != (wide, x.shape[-1])
            or weight_hh.shape != (wide, size)
        ):
            return False
        if any(f is not None and f.shape != (rows, size) for f in first):
            return False
        if any(b is not None and b.shape != (wide,) for b in (bias_ih, bias_hh)):
            return False
        if sizes is None:
            return x.shape[0] > 0 and rows > 0
        return (
            min(sizes) > 0 and sum(sizes) == x.shape[0] and all(a >= b for a, b in pairwise(sizes))
        )

    def forward(self, *arrays: Any, sizes: Any, reverse: bool, wants: bool) -> tuple:
        x, *rest = _dense(arrays)
        first, cell = rest[0], rest[1] if self.kind == LSTM else None
        weight_ih, weight_hh, bias_ih, bias_hh = rest[self.parts :]
        size, dtype, functions = weight_hh.shape[1], x.dtype, _of(x)
        plan = _plan(functions, self.kind, x.shape, sizes, size)
        if plan.shared:
            functions.rouse()
        kept = np.empty(plan.gates[wants], dtype)
        out = np.empty((*x.shape[:-1], size), dtype)
        last = np.empty((1, plan.order[2], size), dtype)
        cells = last_cell = inner = None
        made: tuple = (out, last)
        if self.kind == LSTM:
            cells, last_cell = np.empty((plan.rows, size), dtype), np.empty_like(last)
            made = (out, last, last_cell)
        elif self.kind == GRU and wants:
            inner = np.empty((plan.rows, size), dtype)
        given = (
            x,
            weight_ih,
            weight_hh,
            bias_ih,
            bias_hh,
            first,
            cell,
            kept,
            out,
            cells,
            inner,
            last,
            last_cell,
        )
        functions.forward(*plan.order, x.shape[-1], reverse, wants, *plan.laid, *_at(given))
        if not wants or self.kind > GRU:
            return made, ()
        return made, (kept, cells if self.kind == LSTM else inner)

    def backward(self, g: Any, result: Any, kept: Any, needs: tuple, *arrays: Any, sizes: Any, reverse: bool, **_: Any) -> list:  # fmt: skip
        x, *rest = _dense(arrays)
        first, cell = rest[0], rest[1] if self.kind == LSTM else None
        weight_ih, weight_hh = rest[self.parts : self.parts + 2]
        (wide, size), dtype, functions = weight_hh.shape, x.dtype, _of(x)
        plan = _plan(functions, self.kind, x.shape, sizes, size)
        if plan.shared:
            functions.rouse()
        out, *come = _dense((result[0], *g))
        gates, other = kept or (None, None)
        state = (plan.order[2], size)
        shapes = (x.shape, state, weight_ih.shape, weight_hh.shape, (wide,), (wide,))
        wanted = [
            np.empty(shape, dtype) if need else None
            for need, shape in zip((*needs[:2], *needs[1 + self.parts :]), shapes)
        ]
        room, carried = np.empty(plan.room[needs[1]], dtype), np.empty(state, dtype)
        come += (None,) * (3 - len(come))  # of output, state, cell
        given = (
            x,
            weight_ih,
            weight_hh,
            first,
            cell,
            gates,
            out,
            other,
            other,
            *come,
            room,
            carried,
            *wanted,
        )
        functions.backward(*plan.order, x.shape[-1], reverse, *plan.laid, *_at(given))
        if self.kind == LSTM:
            wanted.insert(2, carried if needs[2] else None)
        return wanted


def _of(x: np.ndarray) -> Any:
    return kernels.float32 if x.itemsize == 4 else kernels.float64


def _dense(arrays: tuple) -> list:
    """The arrays as C reads them, row by row."""
    return [a if a is None or a.flags.c_contiguous else np.ascontiguousarray(a) for a in arrays]


def _at(arrays: tuple) -> list[int | None]:
    return [None if a is None else address(a) for a in arrays]


LAYERS = {"lstm_layer": LSTM, "gru_layer": GRU, "tanh_layer": TANH, "relu_layer": RELU}


def register() -> None:
    """Enters the claims; called when one of the layers is first met."""
    for name, kind in LAYERS.items():
        layer = Layer(kind)
        takes = lasting(layer.takes, library.available)
        claim(registry[name], "cpu", takes, layer.forward, layer.backward, fills=False)
