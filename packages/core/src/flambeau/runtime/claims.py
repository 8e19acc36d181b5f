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

import numpy as np

from . import layouts, state, tape, writes
from .operator import Checker, Operator, internal
from .tensor import Tensor, alias, new, wrap

local = state.local
_FLOATS = (np.dtype("float32"), np.dtype("float64"))
_set, _reset = state.error_state.set, state.error_state.reset


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
    fills: bool = True,
) -> None:
    """Enters a claim on composite `op` for calls that `accepts(metas, attrs)`.

    `keeps_result`: whether backward reads the result; without it `result` is None there. `fills`: whether it is given zeros
    as the gradients of results that nobody used, or else None.
    """
    made = _Claim(op, backend, *layouts.claimed(op.name, np, forward, backward), keeps_result)
    made.raw = forward
    if not fills:
        made.noted.tags = {**op.tags, "fills": False}
    op.provide(backend, accepts, least)(made)


def hidden(op: Operator, name: str, kernel: Callable[..., Any]) -> Operator:
    """An operator that only claims call: no public name, no rules, one kernel."""
    made = copy.copy(op)
    made.name, made.family = name, "claim"
    made.providers, made.least, made.outputs = {}, {}, None
    made.kernels = {None: kernel}
    made.vjp_rule, made.refusals = None, {"vjp": "a claim records itself"}
    internal[name] = made
    return made


def lasting(checker: Checker, holds: Callable[[], bool]) -> Checker:
    """`checker`, whose yes depends on dtypes, shapes and attributes, as long as `holds()`: it is not asked again about the same."""

    def accepts(metas: list, attrs: dict) -> bool:
        return checker(metas, attrs)

    accepts.holds = holds  # type: ignore[attr-defined]
    return accepts


class _Claim:
    """The kernel that `dispatch` finds for a claimed composite; given tensors, it gives tensors with their history."""

    def __init__(
        self, op: Operator, backend: str, forward: Any, backward: Any, keeps_result: bool
    ) -> None:
        def run(xp: Any, *raw: Any, **attrs: Any) -> tuple:
            made, kept = forward(*raw, **attrs)
            return (made if isinstance(made, tuple) else (made,)) + kept

        self.raw, self.follows = forward, op.name in layouts.FOLLOWING
        self.forward = hidden(op, f"{op.name}_on_{backend}", run)
        self.rule = _Rule(op, backend, backward, keeps_result)
        self.noted = copy.copy(op)  # what a node shows: the composite's name and signature
        self.noted.vjp_rule = self.rule
        self.results = len(op.outputs) if op.outputs else 1
        self.named = op.tags.get("named") if op.outputs else None

    def __call__(self, arrays: tuple, attrs: dict[str, Any]) -> Any:
        wants = False
        plain = not local.modes
        raw = []
        for a in arrays:
            if isinstance(a, Tensor):
                wants = wants or a._node is not None or (a._base is not None and a.requires_grad)
                a = a._array
                plain = plain and type(a) is np.ndarray
            raw.append(a)
        wants = wants and local.grad
        try:
            out, kept = (self._called if plain else self._seen)(arrays, raw, attrs, wants)
        except Declined:
            return self.noted.call_body(arrays, attrs)
        if wants:
            tape.record(self.noted, out, arrays, attrs)
            first = out[0] if self.named else out
            node = first._node
            if node is not None:
                node = node.parent or node
                node.saved = (*node.saved, kept)  # behind the inputs, and dropped with them
        return self.named(*out) if self.named else out

    def plain(
        self, arrays: tuple, raw: list, attrs: dict[str, Any], edges: tuple, wants: bool
    ) -> Any:
        """The call on NumPy arrays while no mode is in force; `edges` are the histories of `arrays`."""
        try:
            out, kept = self._called(arrays, raw, attrs, wants)
        except Declined:
            return self.noted.call_body(arrays, attrs)
        if wants:
            if self.named or tape.anomaly or local.saved_hooks or out._array.dtype not in _FLOATS:
                tape.record(self.noted, out, arrays, attrs)
                node: Any = (out[0] if self.named else out)._node
                if node is not None:
                    node = node.parent or node
                    node.saved = (*node.saved, kept)
            else:  # `tape.record`, unrolled
                node = new(tape.Node)
                node.op, node.attrs, node.edges, node.saved = (
                    self.noted,
                    attrs,
                    edges,
                    (*arrays, kept),
                )
                for a in arrays:
                    if a is not None and a._box is not None:
                        node.versions = tuple(
                            [0 if b is None else tape.version_of(b) for b in arrays]
                        )
                        break
                if self.rule.kind:
                    tape.keep_result(node, out, self.rule.kind)
                out._node = node
        return self.named(*out) if self.named else out

    def _called(self, _arrays: tuple, raw: list, attrs: dict[str, Any], wants: bool) -> tuple:
        """The call on NumPy arrays that nobody watches: what is kept stays raw."""
        token = _set(state.quiet)
        try:
            made, kept = self.raw(*raw, wants=wants, **attrs)
            if self.follows and layouts.is_last(raw[0]):
                made = layouts.first_with_last(np, made, layouts.compiled[0])
        finally:
            _reset(token)
        if self.named:
            return tuple([wrap(np.asarray(m)) for m in made]), kept
        return wrap(made if type(made) is np.ndarray else np.asarray(made)), kept

    def _seen(self, arrays: tuple, _raw: list, attrs: dict[str, Any], wants: bool) -> tuple:
        """The call as one of an operator, which modes see."""
        from .dispatch import run

        made = run(self.forward, arrays, {**attrs, "wants": wants})
        return (made[: self.results] if self.named else made[0]), made[self.results :]


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

        self.raw = backward
        self.several = bool(op.outputs)
        self.backward = hidden(op, f"{op.name}_backward_on_{backend}", run)

    def keep(self, node: Any, out: Any, arrays: tuple) -> None:
        node.saved = arrays
        node.versions = tuple([tape.version_of(a) if isinstance(a, Tensor) else 0 for a in arrays])
        tape.keep_result(node, out, self.kind)

    def fast(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        if _levelled(g):
            return self._through_body(node, g, needs)
        *arrays, kept = tape.unpack(node)
        found = tape.unpack_result(node)
        outs = () if found is None else found[:] if type(found) is tape.Results else (found,)
        gs = tuple(g) if isinstance(g, tuple) else (g,)
        if not local.modes:
            made = self._called(node, gs, outs, kept, arrays, needs)
            if made is not None:
                return made
        from .dispatch import run

        attrs = {**node.attrs, "needs": needs, "counts": (len(gs), len(outs), len(kept))}
        kept = [wrap(k) if type(k) is np.ndarray else k for k in kept]
        made = iter(run(self.backward, (*gs, *outs, *kept, *arrays), attrs))
        return [next(made) if n else None for n in needs]

    def _called(
        self, node: Any, gs: tuple, outs: tuple, kept: Sequence, arrays: Sequence, needs: tuple
    ) -> list | None:
        """The gradients of NumPy arrays where nobody watches; None where some are others."""
        g: Any = _arrays(gs)
        result: Any = _arrays(outs)
        raw = _arrays(arrays)
        held = _arrays(kept)
        if g is None or result is None or raw is None or held is None:
            return None
        if self.several:
            g, result = tuple(g), tuple(result) or None
        else:
            g, result = g[0], result[0] if result else None
        token = _set(state.quiet)
        try:
            made = self.raw(g, result, tuple(held), needs, *raw, **node.attrs)
        finally:
            _reset(token)
        return [wrap(np.asarray(m)) if n else None for m, n in zip(made, needs)]

    def pullback(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        return self._through_body(node, g, needs) if local.grad else self.fast(node, g, needs)

    def _through_body(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        """The gradient of the body, run again; it is recorded where the caller records."""
        arrays = tape.unpack(node)[:-1]
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
        self.node = self.tensor._node = writes.copied(None)
        self.node.edges = ()


def _levelled(g: Any) -> bool:
    return any(x is not None and x._level for x in (g if isinstance(g, tuple) else (g,)))


def _arrays(values: Sequence) -> list | None:
    """The NumPy arrays of tensors and arrays, numbers and None as they are; None where one is anything else."""
    made = []
    for v in values:
        if isinstance(v, Tensor):
            v = v.__dict__.get("_array")
            if type(v) is not np.ndarray:
                return None
        made.append(v)
    return made
