"""What follows a convolution, done by it: batch norm goes into weights that stay, bias, residual and activation into its
last step. The weights are packed apart (`lasting`), as the kernel reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

from ..graph import Call, Graph, Value
from ..runtime.meta import Meta
from ..runtime.operator import find

FLOATS = ("float32", "float64")
NORM = "rescale_channels_on_cpu"  # x, mean, variance, weight, bias


def convolutions(graph: Graph, stays: set[int]) -> Graph:
    """Joins what follows each convolution whose weights stay as they are. `stays`: ids of values that last (`lasting`)."""
    from ..backends.cpu import packed

    if not any(c.op == "convolution" and id(c.inputs[1]) in stays for c in graph.calls):
        return graph
    followers = _only_readers(graph)
    gone: set[int] = set()
    chains: dict[int, Chain] = {}  # by id of its last call
    for call in graph.calls:
        if call.op != "convolution" or not _settled(call.inputs[1:], stays):
            continue
        if call.inputs[0].meta.dtype.name not in FLOATS:
            continue
        chain = Chain(call, packed)
        if chain.shape is None:
            continue
        while (follower := followers.get(id(chain.result))) is not None and id(
            follower
        ) not in gone:
            if not chain.take(follower, stays):
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
    return graph


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
    """A convolution and the calls that it takes in."""

    def __init__(self, call: Call, packed: Any) -> None:
        self.call, self.packed = call, packed
        self.last, self.result = call, call.outputs[0]
        self.norms: list[Call] = []
        self.residual: Value | None = None
        self.activation: tuple[Any, float, float] | None = None
        x, w = call.inputs[:2]
        self.last_channels = packed.last_is_better(w.meta.shape, call.attrs["groups"])
        self.input = packed.to_last(x.meta.shape) if self.last_channels else tuple(x.meta.shape)
        self.shape = packed.packed_shape(
            self.input, w.meta.shape, w.meta.dtype.numpy, self.last_channels, **call.attrs
        )

    def take(self, call: Call, stays: set[int]) -> bool:
        """Takes in the call that reads the result so far, if it can."""
        if self.activation is not None:
            return False
        if call.op == NORM and self.residual is None and call.inputs[0] is self.result:
            if not _settled(call.inputs[1:], stays):
                return False
            self.norms.append(call)
        elif call.op == "add" and self.residual is None and call.attrs["alpha"] == 1:
            other = call.inputs[1] if call.inputs[0] is self.result else call.inputs[0]
            if not isinstance(other, Value) or other.meta != self.result.meta:
                return False
            self.residual = other
        elif call.op in self.packed.ACTIVATIONS:
            self.activation = self.packed.ACTIVATIONS[call.op](call.attrs)
        else:
            return False
        self.last, self.result = call, call.outputs[0]
        return True

    def written(self, graph: Graph) -> Iterator[Call]:
        """The calls that stand for the chain."""
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
        attrs = {**self.call.attrs, "last": self.last_channels}
        packed = Value(graph.name(), Meta(self.shape, w.meta.dtype, w.meta.device))
        yield Call("pack_convolution", (w,), {**attrs, "input": self.input}, (packed,), False)
        kind, low, high = self.activation or (self.packed.Activation.NONE, -inf, inf)
        attrs |= {"weight": tuple(w.meta.shape), "activation": kind, "low": low, "high": high}
        given = (x, packed, bias, self.residual)
        yield Call("packed_convolution", given, attrs, (self.result,), False)


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
