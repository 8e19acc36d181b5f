"""Sizes that stay open in an exported model: polynomials in the sizes of input dimensions, such as 4 * batch * time + 1.

Found by comparing traces of one model at different sizes. A number that is equal in all is fixed; others are taken to be
of first degree in each axis, which the traces at all corners (each axis as given, or one longer) determine. One more
trace, with all axes longer, must agree: a size such as n // 2 is refused, not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from ..graph import Graph, Value
from ..runtime.backend import of_array
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor

Terms = dict[tuple[str, ...], int]  # product of axes -> factor; () is the constant


class OpenSize(int):
    """An int of the first trace that depends on open sizes. As an int it is the value there."""

    terms: Terms

    def __new__(cls, value: int, terms: Terms) -> OpenSize:
        made = int.__new__(cls, value)
        made.terms = terms
        return made

    def __repr__(self) -> str:
        parts = []
        for axes, factor in self.terms.items():
            product = " * ".join(axes)
            parts.append(
                str(factor) if not axes else product if factor == 1 else f"{factor} * {product}"
            )
        return " + ".join(parts)

    __str__ = __repr__

    def at(self, sizes: dict[str, int]) -> int:
        """The value at other sizes."""
        total = 0
        for axes, factor in self.terms.items():
            for a in axes:
                factor *= sizes[a]
            total += factor
        return total


def corners(axes: Sequence[str]) -> list[frozenset[str]]:
    """Every set of axes that may be one longer; the first is none."""
    return [frozenset(c) for r in range(len(axes) + 1) for c in combinations(axes, r)]


def polynomial(values: dict[frozenset[str], int], sizes: dict[str, int]) -> Terms:
    """The polynomial of first degree in each axis through the values at all corners."""
    terms: Terms = {}
    for corner in values:
        # The mixed difference over the axes of this corner is the factor of prod(axis - size).
        factor = sum((-1) ** (len(corner) - len(c)) * v for c, v in values.items() if c <= corner)
        if not factor:
            continue
        for r in range(len(corner) + 1):
            for kept in combinations(sorted(corner), r):
                rest = factor
                for a in corner - set(kept):
                    rest *= -sizes[a]
                terms[kept] = terms.get(kept, 0) + rest
    return {axes: f for axes, f in terms.items() if f}


def open_up(
    traces: dict[frozenset[str], Graph], proof: Graph, sizes: dict[str, int], longer: dict[str, int]
) -> Graph:
    """The first trace with every number that depends on the axes marked. `proof` was traced at the sizes `longer`."""
    first = traces[frozenset()]
    others = [*traces.values(), proof]
    if any([c.op for c in g.calls] != [c.op for c in first.calls] for g in others):
        raise RuntimeError(
            f"onnx.export: the model runs other operators when {', '.join(sizes)} change, so that they cannot stay open; "
            "export fixed sizes"
        )
    keys = list(traces)

    def number(values: Sequence[int]) -> int:
        found = dict(zip(keys, values))
        if len(set(values)) == 1:
            return values[0]
        made = OpenSize(values[0], polynomial(found, sizes))
        if made.at(longer) != values[-1]:
            raise RuntimeError(
                f"onnx.export: a size is {values[0]} at {sizes} and {values[-1]} at {longer}, which no product of open "
                "axes explains (a division that rounds?); export fixed sizes"
            )
        return made

    def merge(*xs: Any) -> Any:
        a = xs[0]
        if isinstance(a, Meta):
            return Meta(merge(*(x.shape for x in xs)), a.dtype, a.device)
        if isinstance(a, (tuple, list)) and not hasattr(a, "_fields"):
            if len({len(x) for x in xs}) > 1:
                raise RuntimeError(
                    f"onnx.export: a rank depends on {', '.join(sizes)}; export fixed sizes"
                )
            return type(a)(merge(*parts) for parts in zip(*xs))
        if isinstance(a, dict):
            return {k: merge(*(x[k] for x in xs)) for k in a}
        if isinstance(a, slice):
            return slice(*(merge(*(getattr(x, n) for x in xs)) for n in ("start", "stop", "step")))
        if isinstance(a, int) and not isinstance(a, bool):
            return number(xs)
        if isinstance(a, float) and len(set(xs)) > 1 and a == a:
            raise RuntimeError(
                f"onnx.export: a number ({a}) depends on {', '.join(sizes)}; export fixed sizes"
            )
        return a

    for values in zip(*((*g.inputs, *g.outputs) for g in others)):
        values[0].meta = merge(*(v.meta for v in values))
    for values in zip(*((*g.captured, *g.constants) for g in others)):
        if any(not _equal(v.tensor, values[0].tensor) for v in values):
            raise RuntimeError(
                f"onnx.export: a tensor that the model makes from plain numbers depends on {', '.join(sizes)}; make it "
                "with operators (arange, full, expand), or export fixed sizes"
            )
    for calls in zip(*(g.calls for g in others)):
        c = calls[0]
        c.attrs = merge(*(x.attrs for x in calls))
        c.inputs = tuple(
            xs[0] if isinstance(xs[0], Value) else merge(*xs)
            for xs in zip(*(x.inputs for x in calls))
        )
        for outs in zip(*(x.outputs for x in calls)):
            outs[0].meta = merge(*(o.meta for o in outs))
    return first


def _equal(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold the same, NaN equal to itself."""
    if a is b:
        return True
    x, y = (of_array(t._array).to_numpy(t._array) for t in (a, b))
    return x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()
