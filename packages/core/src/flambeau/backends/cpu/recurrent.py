"""Recurrent layers whole: all steps in one call, the products with the input and of the weights' gradients among them.

What a step costs here is the product of the state with the recurrent weights, which stay in the caches of the cores (see
`kernels/recurrent.c`); NumPy's calls for small products and gates cost ten times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from ...runtime.claims import claim, lasting
from ...runtime.operator import registry
from . import library
from .native import Kernels, address, table
from .offers import FLOATS

kernels = Kernels("recurrent.c")
LSTM, GRU, TANH, RELU = range(4)


@lru_cache(maxsize=256)
def _plan(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, int]:
    """How many rows each step has and where they begin, as C reads them, and how many there are."""
    counts = table(sizes)
    starts = table(counts.cumsum() - counts)
    return counts, starts, int(counts.sum())


class Layer:
    """A claim on the layer of one kind."""

    def __init__(self, kind: int) -> None:
        self.kind, self.gates = kind, {LSTM: 4, GRU: 3}.get(kind, 1)

    def takes(self, metas: list, attrs: dict[str, Any]) -> bool:
        """Whether all tensors are float32, or all float64, and there are kernels."""
        dtype = metas[0].dtype
        alike = dtype in FLOATS and all(m is None or m.dtype is dtype for m in metas)
        return alike and self._fits(metas, attrs) and library.available()

    def _fits(self, metas: list, attrs: dict[str, Any]) -> bool:
        """Whether all shapes fit: what does not is the body's to refuse."""
        x, *first, weight_ih, weight_hh, bias_ih, bias_hh = metas
        sizes = attrs["sizes"]
        if x.ndim != (3 if sizes is None else 2) or any(f.ndim != 2 for f in first):
            return False
        rows, size = first[0].shape
        wide = self.gates * size
        if (
            0 in (size, x.shape[-1])
            or weight_ih.shape != (wide, x.shape[-1])
            or weight_hh.shape != (wide, size)
        ):
            return False
        if any(f.shape != (rows, size) for f in first):
            return False
        if any(b is not None and b.shape != (wide,) for b in (bias_ih, bias_hh)):
            return False
        if sizes is None:
            return x.shape[1] == rows and x.shape[0] > 0 and rows > 0
        return (
            len(sizes) > 0
            and min(sizes) > 0
            and max(sizes) == sizes[0] == rows
            and sum(sizes) == x.shape[0]
            and all(a >= b for a, b in pairwise(sizes))
        )

    def _steps(self, x: np.ndarray, sizes: Sequence[int] | None) -> tuple:
        return (x.shape[1],) * x.shape[0] if sizes is None else tuple(sizes)

    def forward(self, x: Any, *arrays: Any, sizes: Any, reverse: bool, wants: bool) -> tuple:
        arrays = tuple([None if a is None else np.ascontiguousarray(a) for a in arrays])
        *first, weight_ih, weight_hh, bias_ih, bias_hh = arrays
        steps = self._steps(x, sizes)
        counts, starts, all_ = _plan(steps)
        size, functions = weight_hh.shape[1], _of(x)
        order, laid = (self.kind, len(steps), steps[0], size), (address(counts), address(starts))
        kept = np.empty((functions.forward_rows(*order, wants, *laid), weight_hh.shape[0]), x.dtype)
        x = np.ascontiguousarray(x)
        out = np.empty((*x.shape[:-1], size), x.dtype)
        cells = np.empty((all_, size), x.dtype) if self.kind == LSTM else None
        inner = np.empty((all_, size), x.dtype) if self.kind == GRU and wants else None
        functions.forward(
            *order, x.shape[-1], reverse, wants, *laid, address(x), address(weight_ih), address(weight_hh), _at(bias_ih),
            _at(bias_hh), address(first[0]), _at(first[1] if self.kind == LSTM else None), address(kept), address(out),
            _at(cells), _at(inner),
        )  # fmt: skip
        made = [out]
        for states in [out] if cells is None else [out, cells]:
            last = np.empty((steps[0], size), x.dtype)
            functions.last_states(len(steps), size, reverse, *laid, address(states), address(last))
            made.append(last)
        more = () if not wants else (kept, cells) if self.kind == LSTM else (kept, inner) if self.kind == GRU else ()  # fmt: skip
        return tuple(made), more

    def backward(self, g: Any, result: Any, kept: Any, needs: tuple, x: Any, *arrays: Any, sizes: Any, reverse: bool, **_: Any) -> list:  # fmt: skip
        arrays = tuple([None if a is None else np.ascontiguousarray(a) for a in arrays])
        *first, weight_ih, weight_hh = arrays[:-2]
        steps = self._steps(x, sizes)
        counts, starts = _plan(steps)[:2]
        rows, wide = steps[0], weight_hh.shape[0]
        size, functions = weight_hh.shape[1], _of(x)
        out = np.ascontiguousarray(result[0])
        come = [None if p is None else np.ascontiguousarray(p) for p in g]  # of output, state, cell
        gates, other = (kept[0], kept[1]) if kept else (None, None)
        carried = np.empty((rows, size), x.dtype)
        count, features = len(first), x.shape[-1]
        wanted: list[Any] = [
            np.empty(shape, x.dtype) if need else None
            for need, shape in zip(
                (needs[0], needs[1], *needs[1 + count :]),
                (x.shape, (rows, size), weight_ih.shape, weight_hh.shape, (wide,), (wide,)),
                strict=True,
            )
        ]
        order = (len(steps), rows, size, features)
        laid = (address(counts), address(starts))
        room = np.empty(functions.backward_room(self.kind, *order, *laid, needs[1]), x.dtype)
        x = np.ascontiguousarray(x)
        functions.backward(
            self.kind, *order, reverse, *laid, address(x), address(weight_ih), address(weight_hh), address(first[0]),
            _at(first[1] if self.kind == LSTM else None), _at(gates), address(out), _at(other), _at(other), _at(come[0]),
            _at(come[1]), _at(come[2] if self.kind == LSTM else None), address(room), address(carried), *map(_at, wanted),
        )  # fmt: skip
        cell = [carried if needs[2] else None] if count == 2 else []
        return [*wanted[:2], *cell, *wanted[2:]]


def _of(x: np.ndarray) -> Any:
    return kernels.float32 if x.itemsize == 4 else kernels.float64


def _at(array: np.ndarray | None) -> int | None:
    return None if array is None else address(array)


LAYERS = {"lstm_layer": LSTM, "gru_layer": GRU, "tanh_layer": TANH, "relu_layer": RELU}


def register() -> None:
    """Enters the claims; called when one of the layers is first met."""
    for name, kind in LAYERS.items():
        layer = Layer(kind)
        takes = lasting(layer.takes, library.available)
        claim(registry[name], "cpu", takes, layer.forward, layer.backward)
