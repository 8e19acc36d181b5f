"""Composites that a backend computes whole, forward and backward: attention, norms, recurrent layers.

    claim(registry["layer_norm"], "cpu", accepts, forward, backward)

`forward(*raw, **attrs)` takes the raw arrays of the composite's tensors (None where none was given) and returns
`(result, kept)`: an array or a tuple of them, and whatever the backward wants to find again. `backward(g, result, kept,
needs, *raw, **attrs)` returns one raw gradient for each array, None where `needs` asks for none. With `wants=True` among the
attrs of forward a backward may follow; else nothing need be kept.

Both compute what the composite's body defines. Where more is asked (a graph of the backward, hooks on saved tensors that
change them, wrapper tensors), the body itself runs: a claim never has rules of its own for that.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from . import state, tape
from .operator import Checker, Operator
from .tensor import Tensor, alias, wrap

local = state.local
Forward = Callable[..., tuple[Any, Any]]


def claim(
    op: Operator,
    backend: str,
    accepts: Checker,
    forward: Forward,
    backward: Callable[..., Sequence[Any]],
    keeps_result: bool = True,
    least: int = 0,
) -> None:
    """Enters a claim on composite `op` for calls that `accepts(metas, attrs)`.

    `keeps_result`: whether backward reads the result; without it `result` is None there.
    """
    made = _Claim(op, forward, backward, keeps_result)
    op.provide(backend, accepts, least)(made)


class _Claim:
    """The kernel that `dispatch` finds for a claimed composite; given tensors, it gives tensors with their history."""

    def __init__(self, op: Operator, forward: Forward, backward: Any, keeps_result: bool) -> None:
        self.op = copy.copy(op)  # the same name and signature, with this rule for its nodes
        self.op.vjp_rule = _Rule(op, backward, keeps_result)
        self.forward = forward

    def __call__(self, arrays: tuple, attrs: dict[str, Any]) -> Any:
        wants = local.grad and any(isinstance(a, Tensor) and a.requires_grad for a in arrays)
        raw = [a._array if isinstance(a, Tensor) else a for a in arrays]
        token = state.error_state.set(state.quiet)
        try:
            made, kept = self.forward(*raw, wants=wants, **attrs)
        finally:
            state.error_state.reset(token)
        out = tuple([wrap(m) for m in made]) if isinstance(made, tuple) else wrap(made)
        if wants:
            tape.record(self.op, out, arrays, attrs)
            first = out[0] if isinstance(out, tuple) else out
            node = getattr(first._node, "parent", None) or first._node
            node.kept = kept
        return out


class _Rule:
    """The gradient of a claimed composite: the backend's, or that of the body where it is to be recorded."""

    def __init__(self, op: Operator, backward: Any, keeps_result: bool) -> None:
        self.op, self.backward = op, backward
        self.kind = "tensor" if keeps_result else ""

    def keep(self, node: Any, out: Any, arrays: tuple) -> None:
        node.saved = arrays
        node.versions = tuple([a._version if isinstance(a, Tensor) else 0 for a in arrays])
        tape.keep_result(node, out, self.kind)

    def fast(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        arrays = tape.unpack(node)
        result = tape.unpack_result(node)
        if isinstance(result, tape.Results):
            result = tuple([r._array for r in result])
        elif result is not None:
            result = result._array
        raw = [a._array if isinstance(a, Tensor) else a for a in arrays]
        grads = tuple([None if x is None else x._array for x in g]) if isinstance(g, tuple) else g._array  # fmt: skip
        made = self.backward(grads, result, node.kept, needs, *raw, **node.attrs)
        return [None if m is None else wrap(m) for m in made]

    def pullback(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        if not local.grad and not state.active and not _levelled(g):
            return self.fast(node, g, needs)
        return self._through_body(node, g, needs)

    def _through_body(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        """The gradient of the body, run again; it is recorded where the caller records."""
        arrays = tape.unpack(node)
        ends = [None if e is None else _End(a) for a, e in zip(arrays, node.edges, strict=True)]
        before, local.grad = local.grad, True
        try:
            inputs = tuple([a if e is None else e.tensor for a, e in zip(arrays, ends)])
            out = self.op.call_body(inputs, node.attrs)
        finally:
            local.grad = before
        outs, gs = (out, g) if isinstance(out, tuple) else ((out,), (g,))
        pairs = [(o._node, x) for o, x in zip(outs, gs) if x is not None and o._node is not None]
        wanted = [e.node for e, n in zip(ends, needs) if n and e is not None]
        roots, grads = [p[0] for p in pairs], [p[1] for p in pairs]
        found = iter(tape.backward(roots, grads, wanted, True, before, fill_leaves=False))
        for end, edge in zip(ends, node.edges):
            if end is not None:
                end.node.edges = (edge,)
        return [next(found) if n else None for n in needs]


class _End:
    """An input of the body behind a node of its own, where the walk ends; afterwards it leads on to the input's history."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = alias(tensor)
        self.node = self.tensor._node = tape.copied(None)
        self.node.edges = ()


def _levelled(g: Any) -> bool:
    return any(x is not None and x._level for x in (g if isinstance(g, tuple) else (g,)))
