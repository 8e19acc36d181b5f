"""A write through a view, as a value: how traced programs say `x[1:3] = y`."""

from __future__ import annotations

from typing import Any

from ..runtime.families import primitive
from ..runtime.memory import root
from ..runtime.meta import Meta


@primitive(method=False)
def write_view(input: Meta, source: Meta, steps: tuple):
    """A copy of `input` in which the view that `steps` lead to holds `source`."""
    return input


def part_of(xp: Any, x: Any, steps: tuple) -> Any:
    """The view of a raw array that `steps` lead to."""
    for s in steps:
        rest = [getattr(r, "_array", r) for r in s.rest]
        x = s.op.kernels[None](xp, x, *rest, **s.attrs)
    return x


@write_view.kernel
def _(xp, x, source, *, steps):
    out = x.copy()
    part = part_of(xp, out, steps)
    if root(part) is not root(out):
        raise RuntimeError(
            "as_strided: cannot write into a window of a tensor that is not laid out row by row"
        )
    part[...] = source
    return out


write_view.no_vjp("made by the tracer, after gradients")
write_view.refuse("vmap", "made by the tracer, after batching")
write_view.refuse("onnx", "exporters choose between old and new elements instead")
