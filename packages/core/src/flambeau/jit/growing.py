"""What grows by `cat` at every step, such as the keys and values that a decoder keeps, without being copied at every step.

    v1 = cat(a, b)                  v1 = cat_open(a, b, room=...)
    v2 = cat(v1, c)                 v2 = cat_more(v1, c)
    v3 = cat(v2, d)                 v3 = cat_more(v2, d)

All lie in one block of memory, of which each is the front (`backends.cpu.appending`).
"""

from __future__ import annotations

from ..backends.cpu import appending  # noqa: F401  (its operators)
from ..graph import Call, Graph, Value
from ..runtime.operator import find

LEAST = 3  # calls from which a chain is worth memory with room


def growing(graph: Graph) -> Graph:
    """Joins chains of `cat` along one dimension. What leaves the program, or may be looked at from outside, has memory of its own."""
    left = _left(graph)
    chains: list[list[Call]] = []
    of: dict[int, list[Call]] = {}  # by id of the last value of a chain
    for call in graph.calls:
        if not _fits(call, left):
            continue
        chain = of.pop(id(call.inputs[0]), None)
        if chain is None or chain[-1].attrs["dim"] != call.attrs["dim"]:
            chain = []
            chains.append(chain)
        chain.append(call)
        of[id(call.outputs[0])] = chain
    written: dict[int, Call] = {}
    for chain in chains:
        if len(chain) < LEAST:
            continue
        end = chain[-1].outputs[0].meta
        for call in chain:
            dim = call.attrs["dim"] % end.ndim
            name, attrs = "cat_more", {"dim": dim}
            if call is chain[0]:
                name, attrs = "cat_open", {"dim": dim, "room": end.shape[dim]}
            written[id(call)] = Call(name, call.inputs, attrs, call.outputs, False)
    graph.calls = [written.get(id(c), c) for c in graph.calls]
    return graph


def _fits(call: Call, left: set[int]) -> bool:
    if call.op != "cat" or len(call.inputs) != 2 or id(call.outputs[0]) in left:
        return False
    out, values = call.outputs[0].meta, [v for v in call.inputs if isinstance(v, Value)]
    if len(values) != 2 or any(v.meta.dtype != out.dtype for v in values):
        return False
    return all(v.meta.ndim == out.ndim and v.meta.numel for v in values)


def _left(graph: Graph) -> set[int]:
    """The ids of the values whose memory is seen outside: results, what is written, and what these are views of."""
    makers = {id(v): c for c in graph.calls for v in c.outputs}
    found: set[int] = set()
    waiting = [*graph.outputs, *(v for _, v in graph.writes)]
    while waiting:
        v = waiting.pop()
        if id(v) in found:
            continue
        found.add(id(v))
        maker = makers.get(id(v))
        if maker is not None and find(maker.op).family == "view":
            waiting += [w for w in maker.inputs if isinstance(w, Value)]
    return found
