"""Reverse mode: a node per recorded call, and the engine that walks nodes from results to leaves.

The engine is iterative, so that graphs may be 100,000 calls deep. Rules are written with our own operators on tensors:
under `create_graph` they are recorded themselves; otherwise elementwise rules run on raw arrays.
A node never holds the tensor it made (a result that its rule needs is kept as an alias without history), so there are
no cycles and a dropped graph is freed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from .._base import dtypes
from .._base.errors import MissingRule
from . import state
from .meta import Meta
from .operator import Operator, registry
from .tensor import Box, Leaf, Tensor, accumulate, alias, history, new, wrap

local = state.local
FREED: Any = ("freed",)


class Node:
    """One recorded call. `edges[i]` is the history of input i, or None where nothing flows."""

    op: Any
    attrs: dict[str, Any] = {}
    edges: tuple = ()
    saved: tuple = ()
    versions: tuple | None = None  # of the saved tensors; None: all zero
    out: Any = None
    outputs: tuple[Meta, ...] | None = None  # of a call with several results
    fills = True  # of a call with several results: gradients that did not arrive are zeros for its rule, not None
    hooks: dict[int, Callable] | None = None  # tensor hooks: on the gradient that arrives
    prehooks: dict[int, Callable] | None = None  # node pre-hooks
    posthooks: dict[int, Callable] | None = None  # node hooks
    parent = None
    simple = True  # one result, no hooks: the engine goes straight to the rule
    same = True  # of elementwise calls: all inputs have the result's shape
    trace: str | None = None  # where the call stood, under anomaly detection

    def pullback(self, g: Any, needs: tuple) -> Sequence[Any]:
        return self.op.vjp_rule.pullback(self, g, needs)

    def name(self) -> str:
        """PyTorch's name of the node, such as AddBackward0."""
        name = self.op.name.strip("_")
        if name == "copy_slices":
            return "CopySlices"
        name = _indexed(self.attrs["key"]) if name == "basic_index" else _NAMED.get(name, name)
        words = name.split("_")
        return "".join(w.capitalize() for w in words) + "Backward0"

    @property
    def next_functions(self) -> tuple:
        return tuple((e.parent, e.index) if type(e) is Output else (e, 0) for e in self.edges)

    @property
    def metadata(self) -> dict:
        return self.__dict__.setdefault("_metadata", {})

    def register_hook(self, hook: Callable) -> Any:
        """`hook(grad_inputs, grad_outputs)` after the node has run; may return other grad_inputs."""
        self.posthooks, self.simple = self.posthooks or {}, False
        return Handle(self.posthooks, hook)

    def register_prehook(self, hook: Callable) -> Any:
        """`hook(grad_outputs)` before the node runs; may return other grad_outputs."""
        self.prehooks, self.simple = self.prehooks or {}, False
        return Handle(self.prehooks, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


# Operators whose nodes PyTorch prints under another name.
_NAMED = {
    "true_divide": "div",
    "reshape": "view",
    "to_dtype": "to_copy",
    "norm2": "linalg_vector_norm",
    "clamp_number": "clamp",
    "max_pool": "max_pool2_d_with_indices",
    "pad_constant": "constant_pad_nd",
}


def _indexed(key: tuple) -> str:
    """PyTorch's name of the last step of an index, which it takes one by one."""
    for k in reversed(key):
        if isinstance(k, int):
            return "select"
        if k is None:
            return "unsqueeze"
        if k is not Ellipsis and k != slice(None):
            return "slice"
    return "alias"


class Output:
    """One result of a node with several: hands its gradient to the node at its own place."""

    __slots__ = ("hooks", "index", "parent")
    prehooks = posthooks = None

    def __init__(self, parent: Node, index: int) -> None:
        self.parent, self.index = parent, index
        self.hooks: dict[int, Callable] | None = None

    @property
    def edges(self) -> tuple:
        return (self.parent,)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.parent, name)

    def __repr__(self) -> str:
        return repr(self.parent)


class Handle:
    """Takes a hook away again: `handle.remove()`, or leaving a `with` block."""

    _count = 0

    def __init__(self, hooks: dict[int, Callable], hook: Callable) -> None:
        Handle._count += 1
        self.id, self._hooks = Handle._count, hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        self._hooks.pop(self.id, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()


class Rule:
    """A hand-written VJP. What it keeps is read off its signature: `a: Meta` only the shape, `_a` nothing.

    `raw` is the same for one input on NumPy arrays, `raw(g, *kept, **attrs)`, where that is worth it.
    """

    raw: Callable[..., Any] | None = None

    def __init__(self, op: Operator, rule: Callable[..., Any]) -> None:
        code = rule.__code__
        notes = rule.__annotations__
        names = code.co_varnames[: code.co_argcount]
        self.op, self.rule = op, rule
        self.keeps = tuple(_keep(n, notes) for n in names[2:])
        self.keep_out = _keep(names[1], notes)
        if code.co_flags & 4:  # *arrays
            self.keeps_all = _keep(
                code.co_varnames[code.co_argcount + code.co_kwonlyargcount], notes
            )
        else:
            self.keeps_all = ""
        keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        self.keywords = None if code.co_flags & 8 else keywords  # None: the rule takes **attrs

    def keep(self, node: Node, out: Any, arrays: tuple) -> None:
        keeps = self.keeps or (self.keeps_all,) * len(arrays)
        saved, versions = [], []
        for kind, a in zip(keeps, arrays):
            if kind == "tensor" or not isinstance(a, Tensor):
                saved.append(a)
                versions.append(a._version if isinstance(a, Tensor) else 0)
            else:
                saved.append(a._meta if kind else None)
                versions.append(0)
        node.saved, node.versions = tuple(saved), tuple(versions)
        keep_result(node, out, self.keep_out)

    def pullback(self, node: Node, g: Any, needs: tuple) -> Sequence[Any]:
        """The gradients of the inputs that `needs` asks for."""
        arrays = unpack(node)
        attrs = node.attrs
        if self.keywords is not None:
            attrs = {k: attrs[k] for k in self.keywords}
        result = self.rule(g, unpack_result(node), *arrays, **attrs)
        if type(result) is not tuple and type(result) is not list:
            result = (result,)
        return [
            (r() if callable(r) and not isinstance(r, Tensor) else r) if need else None
            for r, need in zip(result, needs)
        ]

    def fast(self, node: Node, g: Any, needs: tuple) -> Sequence[Any]:
        """As `pullback` where nothing is recorded or traced: by the rule on raw arrays, if there is one."""
        if (
            self.raw is not None
            and type(g.__dict__.get("_array")) is np.ndarray
            and node.saved is not FREED
        ):
            return (wrap(self.raw(g._array, *node.saved, **node.attrs)),)
        return self.pullback(node, g, needs)


def _keep(name: str, notes: dict[str, Any]) -> str:
    if str(notes.get(name, "")).startswith("Meta"):
        return "meta"
    return "" if name.startswith("_") else "tensor"


def keep_result(node: Node, out: Any, kind: str) -> None:
    """Keeps a result as an alias without history, or only its shape."""
    if not kind:
        return
    outs = out if isinstance(out, tuple) else (out,)
    kept = tuple([alias(o) for o in outs] if kind == "tensor" else [o._meta for o in outs])
    node.out = (kept, tuple([o._version for o in outs]), isinstance(out, tuple))


def unpack(node: Node) -> tuple:
    """The kept inputs, after a look at their versions."""
    saved = node.saved
    if saved is FREED:
        raise RuntimeError(
            "Trying to backward through the graph a second time (or directly access saved tensors after they have "
            "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
            "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if "
            "you need to access saved tensors after calling backward."
        )
    versions = node.versions
    for i, s in enumerate(saved):
        if isinstance(s, Tensor) and s._box is not None:
            v = 0 if versions is None else versions[i]
            if s._box.version != v:
                modified(s, v, node)
    return saved


def unpack_result(node: Node) -> Any:
    """The kept result, connected to its own node again where the rule is itself recorded."""
    if node.out is None:
        return None
    kept, versions, several = node.out
    outs = []
    for i, (k, v) in enumerate(zip(kept, versions)):
        if isinstance(k, Tensor):
            if k._version != v:
                modified(k, v, node)
            if local.grad and k.dtype.category >= dtypes.FLOAT:
                k = alias(k)
                k._node = Output(node, i) if several else node
        outs.append(k)
    return tuple(outs) if several else outs[0]


def modified(tensor: Tensor, expected: int, node: Node) -> None:
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{tensor.dtype} {list(tensor.shape)}], needed by {node.name()}, is at version {tensor._version}; expected "
        f"version {expected} instead. Hint: enable anomaly detection to find the operation that failed to compute its "
        "gradient, with autograd.set_detect_anomaly(True)."
    )


def record(op: Operator, out: Any, arrays: tuple, attrs: dict[str, Any]) -> Any:
    """Attaches a node to `out`, in place; integer results carry no history."""
    if op.vjp_rule is None:
        raise MissingRule(
            f"{op.name}: no gradient rule, and none was refused; this is a bug in flambeau"
        )
    node = new(Node)
    node.op, node.attrs = op, attrs
    node.edges = tuple([history(a) if isinstance(a, Tensor) else None for a in arrays])
    if isinstance(out, tuple):
        node.outputs, node.simple = tuple([o._meta for o in out]), False
        op.vjp_rule.keep(node, out, arrays)
        for i, o in enumerate(out):
            if o.dtype.category >= dtypes.FLOAT:
                o._node = Output(node, i)
    elif out.dtype.category >= dtypes.FLOAT:
        op.vjp_rule.keep(node, out, arrays)
        if out is not arrays[0]:
            out._node = node
        else:  # a rule that hands back its input would tie the input to itself
            raise AssertionError(f"{op.name} returned its input")
    if anomaly:
        import traceback

        node.trace = "".join(traceback.format_stack()[:-3])
    return out


anomaly = False


def set_anomaly(on: bool) -> None:
    """Keeps the call's place with each node, to name it when its backward fails or gives NaN."""
    global anomaly
    anomaly = on


# -- in-place writes --------------------------------------------------------------------------------------------------


def check_writable(target: Tensor) -> None:
    """Refuses an in-place write into elements that share memory, and one that autograd cannot follow."""
    array = target.__dict__.get("_array")
    if array is not None and 0 in array.strides and overlaps(array):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )
    if not local.grad:
        return
    if type(history(target)) is Leaf:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    if target._base is not None and type(target._base._node) is Leaf:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )


def overlaps(array: Any) -> bool:
    """Whether elements of an expanded array share memory: a dimension of several elements and no stride."""
    return (
        any(step == 0 and n > 1 for n, step in zip(array.shape, array.strides)) and array.size > 0
    )


def rebase(target: Tensor, value: Tensor) -> None:
    """After `value` was written into `target`: gives `target` the history of `value`, and tells its views.

    `value` has `target`'s shape and dtype. Called under grad mode only.
    """
    node = history(value)
    base = target._base
    if base is None:
        if node is None and target._node is not None:
            node = dead_end(target)
        if node is not target._node:
            target._node = node
            if target._box is not None:
                target._box.generation += 1
        return
    before = base._node
    if node is None and before is None:
        return
    made = new(Node)
    made.op = WRITE
    made.edges = (before, node)
    made.saved = target._replay
    base._node = made
    base._box.generation += 1  # type: ignore[union-attr]


def dead_end(like: Tensor) -> Node:
    node = new(Node)
    node.op = WRITE
    return node


def seed_of(out: Tensor) -> Tensor:
    """The gradient of a scalar by itself."""
    array = out.__dict__.get("_array")
    if type(array) is np.ndarray and not state.active:
        return wrap(np.ones(array.shape, array.dtype))
    return registry["ones_like"].public(out)


class _Write:
    """The rule of a write through a view: the written part of the gradient goes to the value, the rest to the base."""

    name = "copy_slices"

    @property
    def vjp_rule(self) -> _Write:
        return self

    def pullback(self, node: Node, g: Tensor, needs: tuple) -> Sequence[Any]:
        if not node.edges:
            return ()
        to_base = to_value = None
        if needs[1]:
            to_value = g
            for step in node.saved:
                to_value = step(to_value)
            to_value = registry["clone"].public(to_value)
        if needs[0]:
            to_base = registry["clone"].public(g)
            part = to_base
            for step in node.saved:
                part = step(part)
            from .dispatch import assign

            assign(part, registry["zeros_like"].public(part))
        return (to_base, to_value)

    fast = pullback


WRITE = _Write()


# -- the engine -------------------------------------------------------------------------------------------------------


def backward(
    roots: Sequence[Any],
    grads: Sequence[Tensor],
    inputs: Sequence[Any] | None = None,
    retain: bool = False,
    create_graph: bool = False,
    fill_leaves: bool = True,
) -> list[Tensor | None]:
    """Walks from `roots` (nodes) with their `grads` to the leaves.

    With `inputs` (nodes) only what leads to them runs, and the gradients that arrive there are returned; leaves among
    them are filled too when `fill_leaves`. Otherwise every leaf is filled.
    """
    waiting = count_users(roots)
    wanted = None if inputs is None else dict.fromkeys(inputs)
    needed = None if inputs is None else leading_to(roots, inputs, waiting)
    arrived: dict[Any, Any] = {}
    for root, first in zip(roots, grads):
        deliver(arrived, root, first)
    ready = [r for r in dict.fromkeys(roots) if not waiting[r]]
    before, local.grad = local.grad, create_graph
    fast = not create_graph and not state.active
    straight = needed is None and not anomaly  # nothing to look up between one node and the next
    token = state.error_state.set(state.quiet)
    try:
        while ready:
            node = ready.pop()
            g = arrived.pop(node, None)
            while True:
                if g is not None:
                    if node.hooks:
                        g = run_hooks(node.hooks, g)
                    if wanted is not None and node in wanted:
                        wanted[node] = g
                    if type(node) is Leaf:
                        if fill_leaves and (wanted is None or node in wanted):
                            fill(node, g)
                        break
                edges = node.edges
                if g is not None and edges:
                    if type(node) is Output:
                        place(arrived, node.parent, node.index, g)
                    else:
                        needs = _needs(edges, needed)
                        if needed is None or True in needs:
                            if node.simple and not anomaly:
                                rule = node.op.vjp_rule
                                found = (
                                    rule.fast(node, g, needs)
                                    if fast
                                    else rule.pullback(node, g, needs)
                                )
                            else:
                                found = step(node, g, needs)
                        else:
                            found = ()
                        if not retain:
                            saved = node.saved
                            if saved is not NOTHING_1 and saved is not NOTHING_2:
                                release(node, saved)
                        if straight and (at := _ONLY.get(needs)) is not None:
                            edge = edges[at]
                            if waiting[edge] == 1 and edge not in arrived and found[at] is not None:
                                node, g = (
                                    edge,
                                    found[at],
                                )  # a chain: on to the next without touching the tables
                                edge = found = None
                                continue
                        for edge, gi in zip(edges, found):
                            if gi is not None and edge is not None:
                                if edge in arrived:
                                    arrived[edge] = add(arrived[edge], gi)
                                else:
                                    arrived[edge] = gi
                        gi = found = None
                g = None
                for edge in edges:
                    if edge is not None:
                        left = waiting[edge] = waiting[edge] - 1
                        if not left:
                            ready.append(edge)
                break
    finally:
        local.grad = before
        state.error_state.reset(token)
    return [wanted[n] for n in inputs] if wanted is not None and inputs is not None else []


_ONE = (True,)
_ONLY = {
    (True,): 0,
    (True, False): 0,
    (False, True): 1,
}  # where the one gradient that is needed stands


def _needs(edges: tuple, needed: set | None) -> tuple[bool, ...]:
    """Which inputs want a gradient."""
    if needed is not None:
        return tuple([e is not None and e in needed for e in edges])
    if len(edges) == 1:
        return _ONE
    if len(edges) == 2:
        return (edges[0] is not None, edges[1] is not None)
    return tuple([e is not None for e in edges])


NOTHING_1, NOTHING_2 = (
    (None,),
    (None, None),
)  # what elementwise nodes that keep nothing have as `saved`


def release(node: Node, saved: tuple) -> None:
    """Drops what a node kept. One that kept only shapes may be walked again, as in PyTorch."""
    if node.out is None and not any(isinstance(x, Tensor) or x == "context" for x in saved):
        return
    node.saved = FREED
    node.out = None


def count_users(roots: Sequence[Any]) -> dict[Any, int]:
    """How many edges lead to each node from the roots on down."""
    users: dict[Any, int] = dict.fromkeys(roots, 0)
    stack = list(users)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None:
                if edge in users:
                    users[edge] += 1
                else:
                    users[edge] = 1
                    stack.append(edge)
    return users


def leading_to(roots: Sequence[Any], inputs: Sequence[Any], users: dict[Any, int]) -> set:
    """The nodes from which one of `inputs` can be reached."""
    needed = set(inputs)
    stack = [(r, False) for r in dict.fromkeys(roots)]
    seen: set[Any] = set()
    while stack:
        node, done = stack.pop()
        if done:
            if any(e in needed for e in node.edges if e is not None):
                needed.add(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((e, False) for e in node.edges if e is not None and e not in seen)
    return needed


def deliver(arrived: dict[Any, Any], node: Any, g: Tensor) -> None:
    old = arrived.get(node)
    arrived[node] = g if old is None else add(old, g)


def place(arrived: dict[Any, Any], node: Node, index: int, g: Tensor) -> None:
    """A gradient for one of several results."""
    assert node.outputs is not None
    slots = arrived.get(node)
    if slots is None:
        slots = arrived[node] = [None] * len(node.outputs)
    slots[index] = g if slots[index] is None else add(slots[index], g)


def step(node: Node, g: Any, needs: tuple) -> Sequence[Any]:
    """One node's rule, with its hooks."""
    if node.outputs is not None and not node.fills:
        g = tuple(g)
    elif node.outputs is not None:
        fill = registry["fill_new"].public
        g = tuple(
            [
                fill(shape=m.shape, value=0, dtype=m.dtype, device=m.device)
                if s is None and m.dtype.category >= dtypes.FLOAT
                else s
                for s, m in zip(g, node.outputs)
            ]
        )
    if node.prehooks:
        for hook in list(node.prehooks.values()):
            changed = hook(g if isinstance(g, tuple) else (g,))
            if changed is not None:
                g = (
                    changed
                    if isinstance(g, tuple)
                    else changed[0]
                    if isinstance(changed, tuple)
                    else changed
                )
    if not anomaly:
        result = node.pullback(g, needs)
    else:
        result = _watched(node, g, needs)
    if node.posthooks:
        for hook in list(node.posthooks.values()):
            changed = hook(tuple(result), g if isinstance(g, tuple) else (g,))
            if changed is not None:
                result = changed if isinstance(changed, tuple) else (changed,)
                if len(result) != len(node.edges):
                    raise RuntimeError(
                        f"a hook of {node.name()} returned {len(result)} gradients, "
                        f"expected {len(node.edges)}"
                    )
    return result


def _watched(node: Node, g: Any, needs: tuple) -> Sequence[Any]:
    """A node's rule under anomaly detection: an error or a NaN names the forward call."""
    import warnings

    def tell() -> None:
        if node.trace:
            warnings.warn(
                f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{node.trace}",
                stacklevel=4,
            )

    try:
        result = node.pullback(g, needs)
    except Exception:
        tell()
        raise
    for i, r in enumerate(result):
        if r is not None and bool(registry["isnan"].public(r).any()):
            tell()
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")
    return result


def run_hooks(hooks: dict[int, Callable], g: Tensor) -> Tensor:
    for hook in list(hooks.values()):
        changed = hook(g)
        if changed is not None:
            g = changed
    return g


def fill(leaf: Leaf, g: Tensor) -> None:
    """Adds `g` to the leaf's `.grad`. Memory is kept, not copied, when nobody else can hold it."""
    tensor = leaf.variable
    if tensor is None:
        return
    owned = (
        tensor.grad is None
        and not g._level
        and g._base is None
        and getattr(g._array, "base", g) is None
    )
    # Held by `g` here, by the engine's frame, and by getrefcount itself: one more means somebody else.
    owned = owned and getrefcount(g) <= 3 and getrefcount(g._array) <= 2
    if owned and not g._array.flags.c_contiguous:
        owned = False
    accumulate(tensor, g, owned)
    if leaf.post_hooks:
        for hook in list(leaf.post_hooks.values()):
            hook(tensor)


def add(a: Tensor, b: Tensor) -> Tensor:
    return a + b


__all__ = [
    "Box",
    "Handle",
    "Leaf",
    "Node",
    "Output",
    "Rule",
    "backward",
    "rebase",
    "record",
    "wrap",
]
