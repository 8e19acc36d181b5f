"""A call run under the tracer: its result, and what a plan is made of, or why no program can do what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from enum import Enum
from operator import is_
from types import FunctionType
from typing import Any

from numpy import generic, may_share_memory, ndarray

from .._base import dtypes, pytree
from .._base.devices import default
from ..graph import Graph
from ..graph.passes import from_constants
from ..runtime import state, tape, writes
from ..runtime.claims import End
from ..runtime.operator import registry
from ..runtime.tensor import Leaf, Tensor, history
from .capture import Capture, shares
from .descriptions import PLAIN
from .owners import is_ours
from .plan import Back
from .recipe import Recipe
from .tuning import Making


def captured(
    function: Callable[..., Any],
    leaves: list,
    spec: Any,
    making: Making | None = None,
    capture: Capture | None = None,
) -> tuple[Any, Recipe | str]:
    """The result of a call, run eagerly under a tracer, and what a plan is made of, or why there is none."""
    capture = Capture() if capture is None else capture
    tensors = [x for x in leaves if isinstance(x, Tensor)]
    ends = {i: _end(t) for i, t in enumerate(tensors) if t.requires_grad and state.local.grad}
    seen = [ends[i].tensor if i in ends else t for i, t in enumerate(tensors)]
    given = [capture.input(t) for t in seen]
    arrays = [t._array for t in seen]
    capture.arguments = set(map(id, seen))
    capture.root = captured.__code__
    capture.computed = {id(e.tensor): tensors[i] for i, e in ends.items() if isinstance(e, End)}
    mine = {id(e.tensor): tensors[i] for i, e in ends.items()}
    left = iter(seen)
    args, kwargs = pytree.unflatten(
        [next(left) if isinstance(x, Tensor) else x for x in leaves], spec
    )
    copies = [] if capture.given is None else list(_copies(capture.given, (args, kwargs)))
    try:
        with capture:
            dice, settings = _dice(), _settings()
            result = function(*args, **kwargs)
            if _settings() != settings:
                capture.breaks.append("leaving gradient mode, default dtype or device as others")
            if _dice() != dice:
                capture.breaks.append("drawing numbers by Python's or NumPy's own random")
            if any(t._array is not a for t, a in zip(seen, arrays)):
                capture.breaks.append("an argument that becomes another shape in place")
            if _carried_over(copies, mine):
                capture.breaks.append("changing a list or dict among its arguments")
            outs, shape = pytree.flatten(result)
            capture.breaks.extend(
                [f"a result that is a {type(x).__name__}" for x in outs if _opaque(x)]
            )
            made = [x for x in outs if isinstance(x, Tensor)]
            if any(capture.inside(t) and t._grad is not None for t in made):
                capture.breaks.append("a result that has a gradient of its own")
            outputs = [capture.read(x) for x in made]
            cut, back, spent = None, None, [False] * len(made)
            capture.root = None
            if not capture.breaks:
                try:
                    cut, back, spent = _backward_of(capture, made, tensors, ends)
                except Exception as error:  # nobody may want these gradients
                    capture.breaks.append(f"gradients that cannot be taken ({error})")
            parts = capture.close(
                [*outputs, *(v for v in (back.grads if back else ()) if v is not None)]
            )
    finally:
        for i, end in ends.items():
            if isinstance(end, End):
                edge = history(tensors[i])
                end.node.edges = () if edge is None else (edge,)
                if end.tensor._node is not end.node:  # written: its history is the argument's
                    tensors[i]._array = end.tensor._array
                    writes.rewrite(tensors[i], end.tensor._node)
    reason = _obstacle(capture, parts, given, outputs) or _of_written(parts, made, seen)
    numbers = [capture.stands.get(id(x), (None, None, None))[2] for x in outs]
    outs = [capture.stands[id(x)][1] if n else mine.get(id(x), x) for x, n in zip(outs, numbers)]
    whole = next((mine for mine, copy, _ in copies if copy is result), None)
    result = pytree.unflatten(capture.plain(outs), shape) if whole is None else whole
    if reason is not None:
        return result, reason
    leaf = [None if isinstance(x, Tensor) else n or (x,) for x, n in zip(outs, numbers)]
    template = (leaf, shape)
    at = (
        len(parts)
        if cut is None
        else next((i for i, p in enumerate(parts) if p is cut), len(parts))
    )
    recipe = Recipe(
        function, parts, at, given, outputs, template, back, spent, [*capture.relies.values()], making, capture.dropped, capture.olds
    )  # fmt: skip
    return result, recipe


def _copies(given: Any, copy: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Each list and dict among the arguments, the copy of it that a captured function gets, and what is in that."""
    if isinstance(given, (list, tuple)):
        for a, b in zip(given, copy):
            yield from _copies(a, b)
    elif isinstance(given, dict):
        for key in given:
            yield from _copies(given[key], copy[key])
    if isinstance(given, (list, dict)) and given is not copy:
        yield given, copy, _content(copy)


def _content(thing: Any) -> list:
    return [x for pair in thing.items() for x in pair] if isinstance(thing, dict) else list(thing)


def _carried_over(copies: list, mine: dict[int, Tensor]) -> bool:
    """Whether copies were changed; if so the caller's own lists and dicts are, too. `mine`: tensors by what stood for them."""
    own = {id(copy): given for given, copy, _ in copies} | mine
    changed = False
    for given, copy, before in copies:
        now = _content(copy)
        if len(now) == len(before) and all(map(is_, now, before)):
            continue
        changed = True
        kept = [own.get(id(x), x) for x in now]
        given.clear()
        if isinstance(given, dict):
            given.update(zip(kept[::2], kept[1::2]))
        else:
            given.extend(kept)
    return changed


def _opaque(x: Any) -> bool:
    """Whether a part of a result is an object that the caller may change, or that the next call would make anew."""
    if isinstance(x, (Tensor, *PLAIN, type, Enum, range, slice, FunctionType)) or is_ours(type(x)):
        return False
    return not isinstance(x, generic)


class _Itself:
    """A leaf as its own end of the captured graph: in it, as outside, writing into it is refused."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.node = tensor, tensor._node


def _end(t: Tensor) -> End | _Itself:
    """Where the captured backward ends for an argument. Hooks of a leaf are not for the capture to call."""
    node: Any = t._node
    plain = type(node) is Leaf and not (
        node.hooks or node.prehooks or node.posthooks or node.post_hooks
    )
    return _Itself(t) if plain else End(t)


def _backward_of(
    capture: Capture, made: list[Tensor], tensors: list[Tensor], ends: dict[int, End | _Itself]
) -> tuple[Any, Back | None, list[bool]]:
    """Captures the backward of results that have gradients: the graph it begins with, and what it gives."""
    shown = [i for i, t in enumerate(made) if t.requires_grad and state.local.grad]
    spent = [
        i in shown and (capture.walked or tape.is_spent(history(t))) for i, t in enumerate(made)
    ]
    shown = [i for i in shown if not spent[i]]
    if not shown:
        return None, None, spent
    captured = [v.tensor for p in capture.parts if isinstance(p, Graph) for v in p.captured]
    leaves = list({id(t): t for t in captured if type(t._node) is Leaf}.values())
    capture.flush()
    capture.next_stretch()
    graph = capture.graph
    state.pop_mode(capture)
    casts = state.set_promotion(None)  # a backward runs outside of autocast
    arrived = [registry["ones_like"].public(made[i].detach()) for i in shown]
    state.push_mode(capture)
    seeds = [capture.seed(t, made[i]) for t, i in zip(arrived, shown)]
    nodes = [history(made[i]) for i in shown]
    wanted = [*[e.node for e in ends.values()], *[t._node for t in leaves]]
    try:
        found = tape.backward(nodes, arrived, wanted, True, False, fill_leaves=False)
    finally:
        state.set_promotion(casts)
    grads = [None if g is None else capture.read(g) for g in found]
    return graph, Back(shown, seeds, list(ends), leaves, grads), spent


def _dice() -> tuple:
    """The states of the random generators that are not ours and that a function may draw from without naming one."""
    python, numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    words = numpy.get_state() if numpy else (None, None)
    return python and python.getstate(), words[2:], words[1] is not None and words[1].tobytes()


def _settings() -> tuple:
    return state.local.grad, dtypes.get_default_dtype(), default.device, state.local.promotion


def _obstacle(capture: Capture, parts: list, given: list, outputs: list) -> str | None:
    """Why the captured call is not kept as a plan; None where it is."""
    if capture.breaks:
        return f"it leaves the program by {', '.join(dict.fromkeys(capture.breaks))}"
    graphs = [p for p in parts if isinstance(p, Graph)]
    owned = [v for g in graphs for v in (*g.captured, *g.constants)]
    every = [*given, *owned, *(v for g in graphs for c in g.calls for v in c.outputs)]
    if any(
        v.meta.device.type == "cuda" for v in every
    ):  # tables that are made here and moved there
        moved = {
            id(v)
            for g in graphs
            for v in (*g.constants, *(v for c in from_constants(g) for v in c.outputs))
        }
        moved -= {id(v) for v in (*outputs, *(v for g in graphs for v in (*g.inputs, *g.outputs)))}
        every = [v for v in every if id(v) not in moved or v.meta.device.type != "cpu"]
    devices = sorted({str(v.meta.device) for v in every})
    if len(devices) > 1 or not all(d.startswith(("cpu", "cuda")) for d in devices):
        return f"it uses {' and '.join(devices)}"
    owners = {id(v) for v in (*given, *owned)}
    makers = {id(v): c for g in graphs for c in g.calls for v in c.outputs}
    seen: set[int] = set()
    for v in outputs:
        while id(v) in makers and shares(makers[id(v)].op):
            v = makers[id(v)].inputs[0]
        if id(v) in owners:
            return "a result shares memory with an argument or a captured tensor; return a copy"
        if id(v) in seen:
            return "two results share memory; return copies"
        seen.add(id(v))
    return None


def _of_written(parts: list, made: list[Tensor], seen: list[Tensor]) -> str | None:
    """Why results cannot be made anew where they lie in memory that the call writes, of tensors that others have."""
    targets = [t.tensor for p in parts if isinstance(p, Graph) for t, _ in p.writes]
    if not targets:
        return None
    theirs = [
        t._array for t in (*targets, *seen) if t is not None and isinstance(t._array, ndarray)
    ]
    for a in [getattr(t, "_array", None) for t in made]:
        if isinstance(a, ndarray) and any(may_share_memory(a, b) for b in theirs):
            return "a result shares memory with a tensor that is written; return a copy"
    return None
