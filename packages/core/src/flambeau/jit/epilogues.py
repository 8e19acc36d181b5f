"""What follows a convolution or a product, done by it: batch norm goes into weights that stay, bias, residual and activation
into its last step. The weights are packed apart (`lasting`), as the kernel reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

from ..backends.cpu import packed
from ..graph import Call, Graph, Value
from ..graph.passes import common_subexpressions
from ..runtime.meta import Meta
from ..runtime.operator import find
from .growing import growing

FLOATS = ("float32", "float64")
NORM = "rescale_channels_on_cpu"  # x, mean, variance, weight, bias


def epilogues(graph: Graph, stays: set[int], last: bool) -> Graph:
    """Joins what follows convolutions and products whose weights stay. `stays`: ids of values that last (`lasting`).

    `last`: whether convolutions may have their channels last.
    """
    followers = _only_readers(graph)
    gone: set[int] = set()
    chains: dict[int, Chain] = {}  # by id of its last call
    for call in graph.calls:
        kind = CHAINS.get(call.op)
        if kind is None or id(call) in gone or not _settled(call.inputs[1:], stays):
            continue
        if not kind.fits(call):
            continue
        chain = kind(call, last)
        while (follower := followers.get(id(chain.result))) is not None:
            if id(follower) in gone or not chain.take(follower, stays):
                break
            gone.add(id(follower))
        gone.add(id(call))
        chains[id(chain.last)] = chain
    calls: list[Call] = []
    for call in graph.calls:
        if id(call) in chains:
            calls += chains[id(call)].written(graph)
        elif id(call) not in gone:
            calls.append(call)
    graph.calls = calls
    # A layer that is called again has its weights packed once.
    return growing(common_subexpressions(graph))


def _settled(values: Any, stays: set[int]) -> bool:
    return all(v is None or id(v) in stays for v in values)


def _only_readers(graph: Graph) -> dict[int, Call]:
    """By id of a value that is read once: the call that reads it."""
    users = graph.users()
    return {
        id(v): c
        for c in graph.calls
        for v in c.inputs
        if isinstance(v, Value) and users[id(v)] == 1
    }


class Chain:
    """A call with weights, and the calls behind it that it takes in: a residual to add, then an activation."""

    endings: dict[str, Any] = {}  # by operator: the kernel's code for it and the bounds of a clamp

    def __init__(self, call: Call, channels_last: bool) -> None:
        self.call, self.channels_last = call, channels_last
        self.last, self.result = call, call.outputs[0]
        self.residual: Value | None = None
        self.ending: tuple[int, float, float] | None = None

    @staticmethod
    def fits(call: Call) -> bool:
        """Whether there is a kernel for the call."""
        sizes = [v.meta.numel for v in (*call.inputs[:2], *call.outputs)]
        return call.inputs[0].meta.dtype.name in FLOATS and all(sizes)

    def take(self, call: Call, stays: set[int]) -> bool:
        """Takes in the call that reads the result so far, if it can."""
        if self.ending is not None:
            return False
        if call.op == "add" and self.residual is None and call.attrs["alpha"] == 1:
            other = call.inputs[1] if call.inputs[0] is self.result else call.inputs[0]
            if not isinstance(other, Value) or other.meta != self.result.meta:
                return False
            self.residual = other
        elif call.op in self.endings:
            self.ending = self.endings[call.op](call.attrs)
        else:
            return self.takes_norm(call, stays)
        self.last, self.result = call, call.outputs[0]
        return True

    def takes_norm(self, call: Call, stays: set[int]) -> bool:
        return False

    def finish(self) -> dict[str, Any]:
        kind, low, high = self.ending or (0, -inf, inf)
        return {"activation": int(kind), "low": low, "high": high}

    def written(self, graph: Graph) -> Iterator[Call]:
        """The calls that stand for the chain."""
        raise NotImplementedError


class _Convolution(Chain):
    endings = packed.ACTIVATIONS

    def __init__(self, call: Call, channels_last: bool) -> None:
        super().__init__(call, channels_last)
        self.norms: list[Call] = []

    def takes_norm(self, call: Call, stays: set[int]) -> bool:
        if call.op != NORM or self.residual is not None or call.inputs[0] is not self.result:
            return False
        if not _settled(call.inputs[1:], stays):
            return False
        self.norms.append(call)
        self.last, self.result = call, call.outputs[0]
        return True

    def written(self, graph: Graph) -> Iterator[Call]:
        x, w, bias = self.call.inputs
        for norm in self.norms:
            scale, bias, calls = factors(graph, bias, norm)
            yield from calls
            column = (w.meta.shape[0],) + (1,) * (w.meta.ndim - 1)
            by_row = Value(graph.name(), scale.meta.like(column))
            scaled = Value(graph.name(), w.meta)
            yield Call("reshape", (scale,), {"shape": column}, (by_row,), False)
            yield Call("mul", (w, by_row), {}, (scaled,), False)
            w = scaled
        attrs = self.call.attrs
        last = self.channels_last and packed.last_is_better(w.meta.shape, attrs["groups"])
        attrs = {**attrs, "last": last}
        shape = packed.to_last(x.meta.shape) if last else tuple(x.meta.shape)
        room = packed.packed_shape(shape, w.meta.shape, w.meta.dtype.numpy, **attrs)
        kept = Value(graph.name(), Meta(room, w.meta.dtype, w.meta.device))
        yield Call("pack_convolution", (w,), {**attrs, "input": shape}, (kept,), False)
        attrs = {**attrs, "weight": tuple(w.meta.shape), **self.finish()}
        given = (x, kept, bias, self.residual)
        yield Call("packed_convolution", given, attrs, (self.result,), False)


class _Linear(Chain):
    endings = packed.ENDINGS

    @staticmethod
    def fits(call: Call) -> bool:
        _, w, bias = call.inputs
        if w.meta.ndim != 2 or (bias is not None and bias.meta.shape != w.meta.shape[:1]):
            return False
        return Chain.fits(call)

    def written(self, graph: Graph) -> Iterator[Call]:
        x, w, bias = self.call.inputs
        room = packed.packed_matrix(w.meta.shape, w.meta.dtype.numpy)
        kept = Value(graph.name(), Meta(room, w.meta.dtype, w.meta.device))
        yield Call("pack_linear", (w,), {}, (kept,), False)
        attrs = {"columns": w.meta.shape[0], **self.finish()}
        yield Call("packed_linear", (x, kept, bias, self.residual), attrs, (self.result,), False)


CHAINS: dict[str, type[Chain]] = {"convolution": _Convolution, "linear": _Linear}


def factors(graph: Graph, bias: Value | None, norm: Call) -> tuple[Value, Value, list[Call]]:
    """Batch norm by given statistics of something with a bias: what it multiplies by and then adds, and the calls for both."""
    _, mean, var, weight, shift = norm.inputs
    calls: list[Call] = []

    def do(op: str, *given: Any) -> Value:
        made = Value(graph.name(), mean.meta)
        defaults = find(op)
        attrs = {n: defaults.defaults[i] for i, n in defaults.attrs}
        calls.append(Call(op, given, attrs, (made,), False))
        return made

    scale = do("rsqrt", do("add", var, norm.attrs["eps"]))
    if weight is not None:
        scale = do("mul", scale, weight)
    moved = do("mul", do("neg", mean) if bias is None else do("sub", bias, mean), scale)
    return scale, moved if shift is None else do("add", moved, shift), calls
