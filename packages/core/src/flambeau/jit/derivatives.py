"""Gradients of elementwise calls while a call is captured: computed in one pass as in eager mode, noted call by call.

The derivative of GELU is a dozen operators. Run one by one on arrays they would take a dozen passes, and more memory at once than eager
mode has; the program fuses them anyway. So the arrays come from the backend's own kernel, and the operators run on stand-ins that
have shapes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base.devices import META
from ..backends.meta import MetaArray
from ..graph import Graph
from ..runtime import state, tape
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor, new, wrap


def gradient(tracer: Any, rule: Any, node: Any, g: Tensor, needs: tuple) -> Sequence[Any] | None:
    """The gradients that an elementwise `rule` gives for `g`, known to the tracer; None where they are left to the rule."""
    array = None if g._level else g._array
    if type(array) is not np.ndarray or array.size < rule.large_from or state.local.grad:
        return None
    if any(type(x) is tape.Packed for x in node.saved if node.saved is not tape.FREED):
        return None
    state.pop_mode(tracer)
    try:
        made = rule.large(node, g, needs)
    finally:
        state.push_mode(tracer)
    if made is None:
        return None
    graph: Graph = tracer.graph
    first = len(graph.calls)
    seen: dict[int, Tensor] = {}

    def standing(x: Any) -> Any:
        """What has the shape of a tensor, for the tracer the same value, and no data."""
        if not isinstance(x, Tensor):
            return x
        if id(x) not in seen:
            seen[id(x)] = made = wrap(MetaArray(x._array.shape, x._array.dtype))
            tracer._bind(made, tracer.read(x))
        return seen[id(x)]

    twin = new(tape.Node)
    twin.op, twin.attrs, twin.edges, twin.same = node.op, node.attrs, node.edges, node.same
    twin.saved = tuple([standing(x) for x in tape.unpack(node)])
    if node.out is not None:
        twin.out = ((standing(tape.unpack_result(node)),), (0,), False)
    noted = rule.pullback(twin, standing(g), needs)
    for call in graph.calls[first:]:
        call.attrs = {k: g.device if v == META else v for k, v in call.attrs.items()}
        for v in call.outputs:
            v.meta = Meta(v.meta.shape, v.meta.dtype, g.device)
    for real, stand in zip(made, noted):
        if real is not None and real is not g:
            tracer._bind(real, tracer.read(stand))
    return made
