"""Forward mode: tensors that carry a tangent. Each operator's rule is given, follows from linearity or the partials, or
is derived from its VJP: with u -> vjp(u) linear in u, its own transpose applied to the tangents is the JVP."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.errors import MissingRule
from ..runtime import dispatch, state, tape
from ..runtime.operator import Operator, registry
from ..runtime.tensor import Tensor, alias, history, new, set_requires_grad
from .wrapper import Wrapper, each, histories


class DualTensor(Wrapper):
    """A primal and its tangent."""

    tangent: Tensor

    def process(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
        level = self._level
        primals, tangents = [], []
        for a in arrays:
            dual = isinstance(a, DualTensor) and a._level == level
            primals.append(a.value if dual else a)
            tangents.append(a.tangent if dual else None)
        out = dispatch.apply(op, tuple(primals), attrs)
        if "vjp" in op.refusals and not op.jvp_rule:
            return out
        moved = jvp_of(op, tangents, out, tuple(primals), attrs)
        if not isinstance(out, tuple):
            return dual_of(out, moved, level)
        parts = [o if t is None else dual_of(o, t, level) for o, t in zip(out, moved)]
        return type(out)(*parts) if hasattr(out, "_fields") else tuple(parts)

    def single(self) -> Any:
        """The primal's number: branching on it leaves the derivative as it is."""
        return self.value.item()

    def detached(self) -> Tensor:
        return self.value.detach()

    def assign(self, target: Tensor, value: Tensor) -> None:
        if not (isinstance(target, DualTensor) and target._level == self._level):
            raise RuntimeError(
                "in-place write of a value with a tangent into a tensor without one; copy the tensor first"
            )
        dual = isinstance(value, DualTensor) and value._level == self._level
        dispatch.assign(target.value, value.value if dual else value)  # type: ignore[attr-defined]
        zero = registry["zeros_like"].public
        dispatch.assign(target.tangent, value.tangent if dual else zero(target.tangent))  # type: ignore[attr-defined]

    def batched_like(self, made: Tensor) -> Tensor:
        return made

    def wrapper_repr(self) -> str:
        from ..printing import tensor_repr

        return f"{tensor_repr(self.value)[:-1]}, tangent={tensor_repr(self.tangent)})"


def dual_of(primal: Tensor, tangent: Tensor, level: int) -> DualTensor:
    """A dual tensor of one level."""
    d = new(DualTensor)
    d.value, d.tangent, d._level = primal, tangent, level
    if level in _watched:
        _watched[level].append(weakref.ref(d))
    return d


# Levels whose tensors outlive them (forward_ad): at the level's end they become plain ones.
_watched: dict[int, list[weakref.ref]] = {}


def watch_level(level: int) -> None:
    """Remembers the dual tensors of `level` until `drop_level`."""
    _watched[level] = []


def drop_level(level: int) -> None:
    """Ends a level: its tensors lose their tangents and are what their primals are."""
    for reference in _watched.pop(level):
        dual = reference()
        if dual is not None:
            primal = dual.value
            bare = alias(primal)
            dual.__class__ = type(bare)
            dual.__dict__.clear()
            dual.__dict__.update(bare.__dict__)
            dual._node = history(primal)


def jvp_of(
    op: Operator, tangents: Sequence[Any], out: Any, primals: tuple, attrs: dict[str, Any]
) -> Any:
    """The tangent of one call."""
    if op.family == "elementwise":
        return op.vjp_rule.jvp(tangents, out, primals, attrs)
    if op.jvp_rule is not None:
        return op.jvp_rule(tangents, out, *primals, **attrs)
    if op.linear:
        return dispatch.apply(op, (tangents[0], *primals[1:]), attrs)
    if op.bilinear:
        total: Any = None
        for i, t in enumerate(tangents):
            if t is not None:
                term = dispatch.apply(op, (*primals[:i], t, *primals[i + 1 :]), attrs)
                total = term if total is None else total + term
        return total
    return from_vjp(op, tangents, out, primals, attrs)


def from_vjp(
    op: Operator, tangents: Sequence[Any], out: Any, primals: tuple, attrs: dict[str, Any]
) -> Any:
    """The JVP derived from the VJP by transposing it."""
    if op.vjp_rule is None:
        raise MissingRule(
            f"{op.name}: no forward rule, and no VJP to derive it from; use reverse mode"
        )
    zeros = registry["zeros_like"].public
    several = isinstance(out, tuple)
    outs = out if several else (out,)
    outer = any(True for x in (*primals, *tangents) if isinstance(x, Tensor) for _ in histories(x))
    before, state.local.grad = state.local.grad, True
    try:
        seeds = []
        for o in outs:
            seed = zeros(o) if o.dtype.category >= dtypes.FLOAT else None
            if seed is not None:
                set_requires_grad(seed, True)
            seeds.append(seed)
        node = tape.new(tape.Node)
        node.op, node.attrs = op, attrs
        op.vjp_rule.keep(node, out, primals)
        needs = tuple(t is not None for t in tangents)
        pulled = op.vjp_rule.pullback(node, tuple(seeds) if several else seeds[0], needs)
        pairs = [(p, t) for p, t in zip(pulled, tangents) if p is not None and t is not None]
        wanted = [s._node for s in seeds if s is not None]
        roots = [(p, t) for p, t in pairs if p._node is not None]
        found = tape.backward(
            [p._node for p, _ in roots],
            [t for _, t in roots],
            wanted,
            True,
            before and outer,
            fill_leaves=False,
        )
    finally:
        state.local.grad = before
    results = iter(found)
    moved = [None if s is None else (next(results)) for s in seeds]
    moved = [zeros(o) if m is None and s is not None else m for m, s, o in zip(moved, seeds, outs)]
    return tuple(moved) if several else moved[0]


__all__ = ["DualTensor", "dual_of", "each", "jvp_of"]
