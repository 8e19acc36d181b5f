"""Composites that a backend computes whole, forward and backward: attention, norms, recurrent layers.

    claim(registry["layer_norm"], "cpu", accepts, forward, backward)

`forward(*raw, wants, **attrs)` takes the raw arrays of the composite's tensors (None where none was given) and returns
`(result, kept)`: an array or a tuple of them, and a tuple of the arrays that backward wants to find again. `wants` says whether a
backward may follow; else nothing need be kept. `backward(g, result, kept, needs, *raw, **attrs)` returns one raw gradient
for each array, None where `needs` asks for none.

Both compute what the composite's body defines, and depend on nothing but their arguments: a compiled program calls them, too. Where
more is asked (a graph of the backward, wrapper tensors), the body itself runs: a claim has no rules of its own for that.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from . import state, tape
from .operator import Checker, Operator, internal
from .tensor import Tensor, alias

local = state.local


class Declined(RuntimeError):
    """A backend cannot do, after all, what it claims: the body does."""


def claim(
    op: Operator,
    backend: str,
    accepts: Checker,
    forward: Callable[..., tuple[Any, tuple]],
    backward: Callable[..., Sequence[Any]],
    keeps_result: bool = True,
    least: int = 0,
) -> None:
    """Enters a claim on composite `op` for calls that `accepts(metas, attrs)`.

    `keeps_result`: whether backward reads the result; without it `result` is None there.
    """
    op.provide(backend, accepts, least)(_Claim(op, backend, forward, backward, keeps_result))


def _hidden(op: Operator, name: str, kernel: Callable[..., Any]) -> Operator:
    """An operator that only claims call: no public name, no rules, one kernel."""
    made = copy.copy(op)
    made.name, made.family = name, "claim"
    made.providers, made.least, made.outputs = {}, {}, None
    made.kernels = {None: kernel}
    made.vjp_rule, made.refusals = None, {"vjp": "a claim records itself"}
    internal[name] = made
    return made


class _Claim:
    """The kernel that `dispatch` finds for a claimed composite; given tensors, it gives tensors with their history."""

    def __init__(
        self, op: Operator, backend: str, forward: Any, backward: Any, keeps_result: bool
    ) -> None:
        def run(xp: Any, *raw: Any, **attrs: Any) -> tuple:
            made, kept = forward(*raw, **attrs)
            return (made if isinstance(made, tuple) else (made,)) + kept

        self.forward = _hidden(op, f"{op.name}_on_{backend}", run)
        self.rule = _Rule(op, backend, backward, keeps_result)
        self.noted = copy.copy(op)  # what a node shows: the composite's name and signature
        self.noted.vjp_rule = self.rule
        self.results = len(op.outputs) if op.outputs else 1
        self.named = op.tags.get("named") if op.outputs else None

    def __call__(self, arrays: tuple, attrs: dict[str, Any]) -> Any:
        from .dispatch import run

        wants = local.grad and any(isinstance(a, Tensor) and a.requires_grad for a in arrays)
        try:
            made = run(self.forward, arrays, {**attrs, "wants": wants})
        except Declined:
            return self.noted.call_body(arrays, attrs)
        out = made[: self.results] if self.named else made[0]
        if wants:
            tape.record(self.noted, out, arrays, attrs)
            first = out[0] if self.named else out
            if first._node is not None:
                node = first._node.parent or first._node
                node.kept = made[self.results :]
        return self.named(*out) if self.named else out


class _Rule:
    """The gradient of a claimed composite: the backend's, or that of the body where it is to be recorded."""

    def __init__(self, op: Operator, backend: str, backward: Any, keeps_result: bool) -> None:
        self.op = op
        self.kind = "tensor" if keeps_result else ""

        def run(xp: Any, *raw: Any, needs: tuple, counts: tuple, **attrs: Any) -> tuple:
            gs, outs, kept = counts
            g, rest = raw[:gs], raw[gs:]
            out, rest = rest[:outs], rest[outs:]
            result = None if not outs else out if op.outputs else out[0]
            made = backward(
                g if op.outputs else g[0], result, rest[:kept], needs, *rest[kept:], **attrs
            )
            return tuple([m for m, n in zip(made, needs) if n])

        self.backward = _hidden(op, f"{op.name}_backward_on_{backend}", run)

    def keep(self, node: Any, out: Any, arrays: tuple) -> None:
        node.saved = arrays
        node.versions = tuple([a._version if isinstance(a, Tensor) else 0 for a in arrays])
        tape.keep_result(node, out, self.kind)

    def fast(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        from .dispatch import run

        if _levelled(g):
            return self._through_body(node, g, needs)
        arrays = tape.unpack(node)
        found = tape.unpack_result(node)
        outs = (
            () if found is None else tuple(found) if isinstance(found, tape.Results) else (found,)
        )
        gs = tuple(g) if isinstance(g, tuple) else (g,)
        attrs = {**node.attrs, "needs": needs, "counts": (len(gs), len(outs), len(node.kept))}
        made = iter(run(self.backward, (*gs, *outs, *node.kept, *arrays), attrs))
        return [next(made) if n else None for n in needs]

    def pullback(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        return self._through_body(node, g, needs) if local.grad else self.fast(node, g, needs)

    def _through_body(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        """The gradient of the body, run again; it is recorded where the caller records."""
        arrays = tape.unpack(node)
        ends = [None if e is None else End(a) for a, e in zip(arrays, node.edges, strict=True)]
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


class End:
    """An input of the body behind a node of its own, where the walk ends; afterwards it leads on to the input's history."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = alias(tensor)
        self.node = self.tensor._node = tape.copied(None)
        self.node.edges = ()


def _levelled(g: Any) -> bool:
    return any(x is not None and x._level for x in (g if isinstance(g, tuple) else (g,)))
