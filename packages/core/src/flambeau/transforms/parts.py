"""Complex values as two real ones, for who has no complex numbers: exporters. Fourier transforms become matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._base import dtypes, pytree
from ..graph import Call, Graph, Value
from ..ops import elementary
from ..ops.creation import from_numpy, zeros_like
from ..ops.joining import stack
from ..runtime import dispatch
from ..runtime.operator import Operator, find
from ..runtime.tensor import Tensor
from .trace import trace

LONGEST = 4096  # of a transform: its matrices have as many rows and columns


class Parts(NamedTuple):
    """A complex value."""

    real: Any
    imag: Any


def complex_as_parts(
    graph: Graph, args: Any, keep: Callable[[Operator], bool] | None = None
) -> Graph:
    """The program of the same calls on real values, traced anew with `args`; as it was where some call has no such form."""
    calls = [c for c in graph.calls if any(map(_is_complex, (*c.inputs, *c.outputs)))]
    open_ends = any(map(_is_complex, (*graph.inputs, *graph.outputs))) or graph.writes
    if not calls or open_ends or not all(map(_known, calls)):
        return graph
    leaves = [x for x in pytree.flatten(args)[0] if isinstance(x, Tensor)]
    held = {id(v): _constant(v.tensor) for v in (*graph.captured, *graph.constants)}

    def run(*given: Tensor) -> tuple:
        env = held | {id(v): x for v, x in zip(graph.inputs, given)}
        for call in graph.calls:
            arrays = [env[id(v)] if isinstance(v, Value) else v for v in call.inputs]
            made = _run(call.op, arrays, call.attrs)
            env |= zip(map(id, call.outputs), made if call.several else (made,))
        return tuple([env[id(v)] for v in graph.outputs])

    return trace(run, leaves, [v.name for v in graph.inputs], keep)[0]


def _is_complex(x: Any) -> bool:
    return isinstance(x, complex) or (isinstance(x, Value) and x.meta.dtype.is_complex)


def _known(call: Call) -> bool:
    if call.op.startswith("_fft_"):
        sizes = [v.meta.shape[call.attrs["dim"]] for v in (call.inputs[0], call.outputs[0])]
        return max(sizes) <= LONGEST
    return call.op in RULES or _alike(call.op)


def _alike(op: str) -> bool:
    """Whether an operator does the same to real and imaginary parts, each by itself."""
    return op in ALIKE or find(op).family == "view"


def _constant(tensor: Tensor) -> Any:
    if not tensor.dtype.is_complex:
        return tensor
    array = tensor.detach().numpy()
    return Parts(*(from_numpy(np.ascontiguousarray(p)) for p in (array.real, array.imag)))


def _run(name: str, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    made = name in MAKERS or (name == "fill_new" and attrs["dtype"].is_complex)
    if made or (name in RULES and any(isinstance(x, (Parts, complex)) for x in arrays)):
        return RULES[name](*arrays, **attrs)
    op = find(name)
    run = dispatch._opened if op.family == "composite" else dispatch.apply
    if not any(isinstance(x, Parts) for x in arrays):
        return run(op, tuple(arrays), attrs)
    pairs = [_pair(x) if isinstance(x, Tensor) and name == "cat" else x for x in arrays]
    return Parts(*(run(op, tuple([x[i] if isinstance(x, Parts) else x for x in pairs]), attrs) for i in range(2)))  # fmt: skip


def _pair(x: Any) -> Parts:
    """Any value or number in its two parts."""
    if isinstance(x, Parts):
        return x
    if isinstance(x, complex):
        return Parts(x.real, x.imag)
    return Parts(x, zeros_like(x) if isinstance(x, Tensor) else 0)


# -- transforms --------------------------------------------------------------------------------------------------------


def _waves(rows: int, columns: int, n: int, factor: Any, dtype: dtypes.dtype) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Cosines and sines of 2 pi i k / n, row i, column k."""
    turns = np.arange(rows)[:, None] * np.arange(columns) % n * (2 * math.pi / n)
    made = [(f(turns) * factor).astype(dtype.numpy) for f in (np.cos, np.sin)]
    return from_numpy(made[0]), from_numpy(made[1])


def _r2c(x: Tensor, *, dim: int, scale: float, onesided: bool) -> Parts:
    n = x.shape[dim]
    cos, sin = _waves(n, n // 2 + 1 if onesided else n, n, scale, x.dtype)
    rows = x.movedim(dim, -1)
    return Parts((rows @ cos).movedim(-1, dim), -(rows @ sin).movedim(-1, dim))


def _c2c(z: Parts, *, dim: int, forward: bool, scale: float) -> Parts:
    n = z.real.shape[dim]
    cos, sin = _waves(n, n, n, scale, z.real.dtype)
    real, imag = (p.movedim(dim, -1) for p in z)
    sin = -sin if forward else sin
    parts = real @ cos - imag @ sin, imag @ cos + real @ sin
    return Parts(*(p.movedim(-1, dim) for p in parts))


def _c2r(z: Parts, *, dim: int, n: int, scale: float) -> Tensor:
    terms = min(z.real.shape[dim], n // 2 + 1)
    # Each term stands for two, its conjugate the other, but the first, and a middle one.
    twice = np.array([1 if 2 * k % n == 0 else 2 for k in range(terms)])[:, None]
    cos, sin = _waves(terms, n, n, twice * scale, z.real.dtype)
    real, imag = (p.movedim(dim, -1)[..., :terms] for p in z)
    return (real @ cos - imag @ sin).movedim(-1, dim)


# -- arithmetic --------------------------------------------------------------------------------------------------------


def _mul(x: Any, y: Any) -> Parts:
    if isinstance(y, (Parts, complex)) and isinstance(x, (Parts, complex)):
        (a, b), (c, d) = _pair(x), _pair(y)
        return Parts(a * c - b * d, a * d + b * c)
    x, y = (x, y) if isinstance(x, (Parts, complex)) else (y, x)
    a, b = _pair(x)
    return Parts(a * y, b * y)


def _divide(x: Any, y: Any) -> Parts:
    if not isinstance(y, (Parts, complex)):
        return Parts(x.real / y, x.imag / y)
    c, d = _pair(y)
    square = c * c + d * d
    return _mul(_mul(x, Parts(c, -d)), 1 / square)


def _add(x: Any, y: Any, alpha: Any = 1) -> Parts:
    return Parts(*(p + q * alpha for p, q in zip(_pair(x), _pair(y))))


def _fill(*, value: Any, dtype: dtypes.dtype, **attrs: Any) -> Parts:
    """A tensor of one number over and over."""
    kind = dtype.to_real()
    parts = _pair(value)
    return Parts(
        *(dispatch.apply(find("fill_new"), (), {"value": p, "dtype": kind, **attrs}) for p in parts)
    )


RULES: dict[str, Callable[..., Any]] = {
    "_fft_r2c": _r2c,
    "_fft_c2c": _c2c,
    "_fft_c2r": _c2r,
    "mul": _mul,
    "true_divide": _divide,
    "add": _add,
    "sub": lambda x, y, alpha=1: _add(x, y, -alpha),
    "neg": lambda z: Parts(-z.real, -z.imag),
    "abs": lambda z: elementary.hypot(*z),
    "real": lambda z: z.real,
    "imag": lambda z: z.imag,
    "conj_physical": lambda z: Parts(z.real, -z.imag),
    "complex": Parts,
    "fill_new": _fill,
    "view_as_real": lambda z: stack(list(z), -1),
    "view_as_complex": lambda x: Parts(x[..., 0], x[..., 1]),
}
MAKERS = ("_fft_r2c", "complex", "view_as_complex")  # of real values
ALIKE = ("clone", "stop_gradient", "flip", "cat", "index", "gather", "sum")
