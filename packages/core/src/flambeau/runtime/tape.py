"""Reverse mode: a node per recorded call, and the engine that walks nodes from results to leaves.

The engine is iterative, so that graphs may be 100,000 calls deep. Rules are written with our own operators on tensors:
under `create_graph` they are recorded themselves; otherwise elementwise rules run on raw arrays.
A node never holds the tensor it made (a result that its rule needs is kept as an alias without history), so there are
no cycles and a dropped graph is freed at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from sys import getrefcount
from typing import Any

import numpy as np

from .._base import dtypes
from .._base.errors import MissingRule
from . import backend, names, state
from .meta import Meta
from .operator import Operator, registry
from .overrides import disabled_torch_function
from .tensor import Leaf, Tensor, accumulate, alias, history, new, wrap

local = state.local
FREED: Any = ("freed",)
COMPOSED = 0.5  # the level of sparse, masked and nested tensors (transforms.composed)


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
    cause: Any = None  # under anomaly detection: the node whose backward made this call
    label: str | None = None  # the name of the composite whose last call this is

    def pullback(self, g: Any, needs: tuple) -> Sequence[Any]:
        return self.op.vjp_rule.pullback(self, g, needs)

    def name(self) -> str:
        """PyTorch's name of the node, such as AddBackward0."""
        return self.label or names.of_operator(self.op, self.attrs, self.saved)

    @property
    def next_functions(self) -> tuple:
        return tuple((e.parent, e.index) if type(e) is Output else (e, 0) for e in self.edges)

    @property
    def metadata(self) -> dict:
        return self.__dict__.setdefault("_metadata", {})

    def register_hook(self, hook: Callable) -> Any:
        """`hook(grad_inputs, grad_outputs)` after the node has run; may return other grad_inputs."""
        if self.posthooks is None:
            self.posthooks, self.simple = {}, False
        return Handle(self.posthooks, hook)

    def register_prehook(self, hook: Callable) -> Any:
        """`hook(grad_outputs)` before the node runs; may return other grad_outputs."""
        if self.prehooks is None:
            self.prehooks, self.simple = {}, False
        return Handle(self.prehooks, hook)

    def __repr__(self) -> str:
        return f"<{self.name().rpartition('::')[2]} object at {id(self):#x}>"


def _saved_property(name: str) -> property:
    def read(node: Node) -> Any:
        from .saving import saved_attribute

        return saved_attribute(node, name)

    return property(read)


# `_saved_self`, `_raw_saved_result`, ...: what is kept for backward, as in PyTorch. Not by `__getattr__`, with which a
# class loses the interpreter's quick way to attributes: the engine would be a tenth slower.
for _word in [
    "self",
    "other",
    "result",
    "input",
    "weight",
    "exponent",
    "mat1",
    "mat2",
    "mask",
    "index",
    "indices",
    "dim",
    "value",
    "tensor1",
    "tensor2",
    "target",
    "min",
    "max",
    "src",
    "threshold",
    "beta",
    "alpha",
    "p",
    "eps",
    "grid",
    "condition",
    "end",
]:
    for _kind in ("_saved_", "_raw_saved_"):
        setattr(Node, _kind + _word, _saved_property(_kind + _word))


class Output:
    """One result of a node with several: hands its gradient to the node at its own place."""

    __slots__ = ("index", "parent")
    prehooks = posthooks = None

    def __init__(self, parent: Node, index: int) -> None:
        self.parent, self.index = parent, index

    # One result may be reached through several of these, so that its hooks are kept by the node.
    @property
    def hooks(self) -> dict[int, Callable] | None:
        found: Any = self.parent.hooks
        return None if found is None else found.get(self.index)

    @hooks.setter
    def hooks(self, given: dict[int, Callable]) -> None:
        if self.parent.hooks is None:
            self.parent.hooks = {}
        self.parent.hooks[self.index] = given  # type: ignore[assignment]

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
        state.changes += 1

    def remove(self) -> None:
        self._hooks.pop(self.id, None)
        state.changes += 1

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()


class Rule:
    """A hand-written VJP. What it keeps is read off its signature: `a: Meta` only the shape, `_a` nothing.

    A result annotated `Any | None` is None where it has been overwritten since: the rule makes it again.

    `raw` is the same for the first input on NumPy arrays (`families`), where that is worth it.
    """

    raw: Callable[..., Any] | None = None
    claimed: Callable[..., Any] | None = (
        None  # a backend's gradients, `(node, g, needs)`, or None where it has none
    )

    def __init__(self, op: Operator, rule: Callable[..., Any]) -> None:
        code = rule.__code__
        notes = rule.__annotations__
        names = code.co_varnames[: code.co_argcount]
        self.op, self.rule = op, rule
        self.keeps = tuple(_keep(n, notes) for n in names[2:])
        self.keep_out = _keep(names[1], notes)
        self.optional_out = "None" in str(notes.get(names[1], ""))
        if code.co_flags & 4:  # *arrays
            self.keeps_all = _keep(
                code.co_varnames[code.co_argcount + code.co_kwonlyargcount], notes
            )
        else:
            self.keeps_all = ""
        # Whether it reads shapes only: nothing can have been overwritten.
        self.of_shapes = not self.keep_out and "tensor" not in (*self.keeps, self.keeps_all)
        keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        self.keywords = None if code.co_flags & 8 else keywords  # None: the rule takes **attrs

    def keep(self, node: Node, out: Any, arrays: tuple) -> None:
        keeps = self.keeps
        if len(keeps) < len(arrays):  # (a, *others)
            keeps += (self.keeps_all,) * (len(arrays) - len(keeps))
        saved, versions = [], []
        for kind, a in zip(keeps, arrays):
            if kind == "tensor" or not isinstance(a, Tensor):
                saved.append(a)
                versions.append(version_of(a) if isinstance(a, Tensor) else 0)
            else:
                saved.append(a._meta if kind else None)
                versions.append(0)
        node.saved, node.versions = tuple(saved), tuple(versions)
        keep_result(node, out, self.keep_out)

    def pullback(self, node: Node, g: Any, needs: tuple) -> Sequence[Any]:
        """The gradients of the inputs that `needs` asks for. An input that only others read may have been written."""
        arrays = unpack(node, Overwritten)
        attrs = node.attrs
        if self.keywords is not None:
            attrs = {k: attrs[k] for k in self.keywords}
        out = unpack_result(node, self.optional_out)
        result = self.rule(g, out, *arrays, **attrs)
        if type(result) is not tuple and type(result) is not list:
            result = (result,)
        return [
            (r() if callable(r) and not isinstance(r, Tensor) else r) if need else None
            for r, need in zip(result, needs)
        ]

    def fast(self, node: Node, g: Any, needs: tuple) -> Sequence[Any]:
        """As `pullback` where nothing is recorded or traced: by the rule on raw arrays, if there is one."""
        if self.raw is not None and type(g.__dict__.get("_array")) is np.ndarray:
            found = self.of_arrays(node, g._array)
            if found is not None:
                return (found,)
        if self.claimed is not None:
            found = self.claimed(node, g, needs)
            if found is not None:
                return found
        return self.pullback(node, g, needs)

    def of_arrays(self, node: Node, g: np.ndarray) -> Tensor | None:
        """The gradient of the first input by the rule on raw arrays; None where that does not take them."""
        rule, raw = self.raw, []
        assert rule is not None
        if self.of_shapes and node.saved is not FREED:
            raw = [None, *node.saved]
        else:
            out = unpack_result(node, self.optional_out) if self.keep_out else None
            for k in (out, *unpack(node)):
                a = getattr(k, "_array", None) if isinstance(k, Tensor) else k
                if a is not k and type(a) is not np.ndarray:
                    return None
                raw.append(a)
        made = rule(_numpy(), g, *raw, **node.attrs)
        if made is NotImplemented:
            return None
        return wrap(made if type(made) is np.ndarray else np.asarray(made))


@cache
def _numpy() -> Any:
    """The namespace of NumPy's arrays."""
    return backend.of_device("cpu").xp


def version_of(tensor: Tensor) -> int:
    """The version at which a tensor is saved; RuntimeError for an inference tensor."""
    return 0 if tensor._box is None else tensor._box.version


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
    node.out = (kept, tuple([version_of(o) for o in outs]), isinstance(out, tuple))


def modified(tensor: Tensor, expected: int, node: Node) -> None:
    """Says that a kept tensor was written, and by which call it was made."""
    kept = node.out[0] if node.out is not None else ()
    maker = node if any(k is tensor for k in kept) else history(tensor)
    made = ""
    if maker is not None and type(maker) is not Leaf:
        number = next((i for i, k in enumerate(kept) if k is tensor), getattr(maker, "index", 0))
        made = f", which is output {number} of {short_name(maker)},"
    hint = (
        "Hint: the backtrace further above shows the operation that failed to compute its gradient. The variable in "
        "question was changed in there or anywhere later. Good luck!"
        if anomaly
        else "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        f"{dtypes.dtype.prefix}autograd.set_detect_anomaly(True, check_nan=False)."
    )
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{tensor.type()} {list(tensor.shape)}]{made} is at version {tensor._version}; expected version {expected} "
        f"instead. {hint}"
    )


class Overwritten(Tensor):
    """Stands for a kept input that was written since: its shape may be read, an operator on it is the error.

    So a rule may run where it computes only gradients that do not read that input: the weight of a linear layer may be
    updated before backward if its inputs need no gradient. Which those are, nobody has to list.
    """

    _level = float("inf")  # type: ignore[assignment]  # above all interpreters: `process` is asked first
    __torch_function__ = disabled_torch_function

    def __init__(self, tensor: Tensor, expected: int, node: Node) -> None:
        self._of = (tensor, expected, node)

    def __new__(cls, *_: Any) -> Overwritten:
        return new(cls)

    _meta = property(lambda self: self._of[0]._meta)
    _array = property(lambda self: modified(*self._of))
    shape = property(lambda self: self._of[0].shape)
    dtype = property(lambda self: self._of[0].dtype)
    device = property(lambda self: self._of[0].device)
    ndim = property(lambda self: self._of[0].ndim)

    def process(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> None:
        modified(*self._of)


def unpack(node: Node, written: Callable[[Tensor, int, Node], Any] = modified) -> tuple:
    """The kept inputs, after a look at their versions. `written` refuses one that was written since, or stands in for it."""
    saved = node.saved
    if saved is FREED:
        raise RuntimeError(
            "Trying to backward through the graph a second time (or directly access saved tensors after they have "
            "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
            "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if "
            "you need to access saved tensors after calling backward."
        )
    versions = node.versions
    plain = True
    for i, s in enumerate(saved):
        if isinstance(s, Tensor):
            if s._box is not None and s._box.version != (0 if versions is None else versions[i]):
                plain = False
        elif type(s) is Packed:
            plain = False
    if plain:
        return saved
    return tuple([_unpacked(node, i, written) for i in range(len(saved))])


def _unpacked(node: Node, i: int, written: Callable[[Tensor, int, Node], Any]) -> Any:
    """The kept input number `i`."""
    kept = node.saved[i]
    if type(kept) is Packed:
        return kept.unpacked(node.edges[i])
    if not isinstance(kept, Tensor):
        return kept
    version = 0 if node.versions is None else node.versions[i]
    return kept if version_of(kept) == version else written(kept, version, node)


def unpack_result(node: Node, optional: bool = False) -> Any:
    """The kept result, connected to its own node again where the rule is itself recorded.

    Of several results each is looked at when the rule reads it: those it does not read may have been overwritten.
    `optional`: None instead of an error for one that was, because the rule knows another way.
    """
    if node.out is None:
        return None
    if node.out[2]:
        return Results(node)
    k, v = node.out[0][0], node.out[1][0]
    if optional and type(k) is not Packed and isinstance(k, Tensor) and version_of(k) != v:
        return None
    return _unpack_one(node, 0)


def _unpack_one(node: Node, i: int) -> Any:
    kept, versions, several = node.out
    k = kept[i]
    if type(k) is Packed:
        return k.unpacked(Output(node, i) if several else node)
    if isinstance(k, Tensor):
        if version_of(k) != versions[i]:
            modified(k, versions[i], node)
        if local.grad and k.dtype.category >= dtypes.FLOAT:
            k = alias(k)
            k._node = Output(node, i) if several else node
    return k


class Results(Sequence):
    """The kept results of a node with several, each checked when it is read."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def __len__(self) -> int:
        return len(self.node.out[0])

    def __getitem__(self, i: Any) -> Any:
        places = range(len(self))[i]
        if isinstance(places, range):
            return tuple([_unpack_one(self.node, p) for p in places])
        return _unpack_one(self.node, places)


def short_name(node: Any) -> str:
    """The operator of a node as PyTorch's errors name it: Add for AddBackward0."""
    return re.sub(r"Backward\d*$", "", node.name())


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
        if "fills" in op.tags:  # rules of which zeros would make NaN, such as that of svd
            node.fills = op.tags["fills"]
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
    if local.saved_hooks:
        pack(node)
    if anomaly:
        mark_place(node)
    return out


anomaly = False  # whether the place of each call is kept
anomaly_nan = True  # whether gradients are looked through for NaN then


def set_anomaly(on: bool, check_nan: bool = True) -> None:
    """Keeps the call's place with each node, to name it when its backward fails or gives NaN."""
    global anomaly, anomaly_nan
    anomaly, anomaly_nan = on, check_nan


def mark_place(node: Node) -> None:
    """Keeps the lines of the user's code that led to this call; those inside flambeau below them say nothing to anyone."""
    import traceback

    frames = traceback.extract_stack()
    while len(frames) > 1 and frames[-1].filename.startswith(_HERE):
        frames.pop()
    node.trace = "".join(traceback.format_list(frames))
    node.cause = local.running


_HERE = __file__.rpartition("runtime")[0]


# -- saved-tensor hooks -----------------------------------------------------------------------------------------------


class Packed:
    """A kept tensor in the hands of a pair of saved-tensor hooks."""

    __slots__ = ("packed", "unpack")

    def __init__(self, tensor: Tensor, pack: Callable, unpack: Callable) -> None:
        bare = alias(tensor)
        version = version_of(bare)
        self.packed, self.unpack = pack(bare), unpack
        if version_of(bare) != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook "
                "cannot be modified by in-place operations as this can lead to unexpected side-effects. Please open an "
                "issue if you need to perform in-place operations on the input to a pack hook."
            )

    def unpacked(self, node: Any) -> Tensor:
        """The tensor again, with its history. Versions are not looked at: the hooks may have copied."""
        made = self.unpack(self.packed)
        if not isinstance(made, Tensor):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(made)}"
            )
        if node is not None and made.dtype.category >= dtypes.FLOAT:
            made = alias(made)
            made._node = node
        return made


def pack(node: Node) -> None:
    """Hands what a node kept to the innermost pair of hooks."""
    hooks = local.saved_hooks[-1]
    if any(isinstance(s, Tensor) for s in node.saved):
        node.simple = False
        node.saved = tuple([Packed(s, *hooks) if isinstance(s, Tensor) else s for s in node.saved])
    if node.out is not None:
        kept, versions, several = node.out
        if any(isinstance(k, Tensor) for k in kept):
            node.simple = False
            kept = tuple([Packed(k, *hooks) if isinstance(k, Tensor) else k for k in kept])
            node.out = (kept, versions, several)


# -- the engine -------------------------------------------------------------------------------------------------------


def seed_of(out: Tensor) -> Tensor:
    """The gradient of a scalar by itself."""
    array = out.__dict__.get("_array")
    if type(array) is np.ndarray and not state.active:
        return wrap(np.ones(array.shape, array.dtype))
    return registry["ones_like"].public(out)


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
    waiting: dict[Any, Any] = count_users(roots)
    wanted: dict[Any, Any] | None = None
    needed = None
    if inputs is not None:
        # One result of several is looked for at its node, where all that arrives for it has been added up.
        wanted = dict.fromkeys([n.parent if type(n) is Output else n for n in inputs])
        needed = leading_to(roots, wanted, waiting)
    arrived: dict[Any, Any] = {}
    for root, first in zip(roots, grads):
        deliver(arrived, root, first)
    ready = [r for r in dict.fromkeys(roots) if not waiting[r]]
    before, local.grad = local.grad, create_graph
    outer, local.walk = local.walk, waiting
    if inputs is not None:
        waiting[_PARTIAL] = 0
    observer = _observer() if state.active else None
    fast = not create_graph and (not state.active or (observer is not None and state.active == 1))
    straight = needed is None and not anomaly  # nothing to look up between one node and the next
    token = state.error_state.set(state.quiet)
    try:
        while ready:
            node = ready.pop()
            g = arrived.pop(node, None)
            while True:
                if g is not None:
                    if node.hooks and type(node) is not Output:
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
                            if observer is not None:
                                found = observer.node(node, g, needs, fast)
                            elif node.simple and not anomaly:
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
        local.grad, local.walk = before, outer
        state.error_state.reset(token)
        if _END in waiting:
            for call in waiting[_END]:
                call()
    return [] if wanted is None or inputs is None else [_picked(wanted, n) for n in inputs]


def _observer() -> Any:
    """The innermost mode that wants to see nodes run: a profiler."""
    return next((m for m in reversed(local.modes) if hasattr(m, "node")), None)


_END: Any = "end"  # in the table of a walk: what to call when it has ended
_PARTIAL: Any = "partial"  # there where only some leaves are asked for


class Walk:
    """The backward that is under way in this thread, for hooks that wait for several gradients."""

    def __init__(self, table: dict[Any, Any]) -> None:
        self.key, self._table = id(table), table

    @property
    def partial(self) -> bool:
        """Whether only the gradients of some inputs are asked for."""
        return _PARTIAL in self._table

    def visits(self, node: Any) -> bool:
        """Whether a node takes part."""
        if type(node) is Output:
            return node in self._table or node.parent in self._table
        return node in self._table

    def at_end(self, call: Callable[[], Any]) -> None:
        """Calls `call()` when the walk has ended, also by an error."""
        self._table.setdefault(_END, []).append(call)


def current_walk() -> Walk:
    """The innermost backward of this thread."""
    return Walk(local.walk)


def _picked(wanted: dict[Any, Any], node: Any) -> Any:
    """What arrived at a node, or at one result of one with several."""
    if type(node) is not Output:
        return wanted[node]
    slots = wanted[node.parent]
    return slots[node.index] if type(slots) is list else slots


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
    if node.out is None and not any(isinstance(x, (Tensor, Packed)) for x in saved):
        return
    node.saved = FREED
    node.out = None


def is_spent(root: Any) -> bool:
    """Whether a walk from this node would meet one whose saved values are freed."""
    return any(getattr(node, "saved", None) is FREED for node in count_users([root]))


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


def leading_to(roots: Sequence[Any], inputs: Any, users: dict[Any, int]) -> set:
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
                if s is None and m is not None
                else s
                for s, m in zip(g, node.outputs)
            ]
        )
    if node.prehooks:
        for hook in list(node.prehooks.values()):
            changed = hook(g if isinstance(g, tuple) else (g,))
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                g = changed if isinstance(g, tuple) else changed[0]
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
    before, local.running = local.running, node
    try:
        result = node.pullback(g, needs)
    except Exception:
        _tell(node)
        raise
    finally:
        local.running = before
    if anomaly_nan:
        for i, r in enumerate(result):
            if r is not None and bool(registry["isnan"].public(r).any()):
                _tell(node)
                raise RuntimeError(
                    f"Function '{node.name()}' returned nan values in its {i}th output."
                )
    return result


def _tell(node: Node) -> None:
    """Warns with the place of the forward call, and of the calls whose backward made it."""
    import warnings

    if node.trace is None:
        warnings.warn(
            f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly during "
            "forward pass for more information.",
            stacklevel=5,
        )
        return
    warnings.warn(
        f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{node.trace}",
        stacklevel=5,
    )
    cause = node.cause
    while cause is not None:
        place = f" Traceback of forward call that induced the previous calculation:\n{cause.trace}"
        warnings.warn(
            f"\n\nPrevious calculation was induced by {cause.name()}.{place if cause.trace else ''}",
            stacklevel=5,
        )
        cause = cause.cause


def run_hooks(hooks: dict[int, Any], g: Any) -> Any:
    """The gradient after a tensor's hooks; for a node with several results `g` is a list, `hooks` by result."""
    if type(g) is list:
        return [
            run_hooks(hooks[i], x) if x is not None and i in hooks else x for i, x in enumerate(g)
        ]
    for mode in local.modes:
        mode.leaves(g, "a gradient's hook")
    for hook in list(hooks.values()):
        changed = hook(g)
        if changed is not None:
            if not isinstance(changed, Tensor):
                raise TypeError(f"expected Variable, but hook returned '{type(changed).__name__}'")
            if changed.shape != g.shape:
                name = getattr(hook, "__name__", type(hook).__name__)
                raise RuntimeError(f"hook '{name}' has changed the size of value")
            g = changed
    return g


def fill(leaf: Leaf, g: Tensor) -> None:
    """Adds `g` to the leaf's `.grad`. Memory is kept, not copied, when nobody else can hold it."""
    if leaf.prehooks or leaf.posthooks:
        fill_hooked(leaf, g)
        return
    tensor = leaf.variable
    if tensor is None:
        return
    owned = (
        tensor._grad is None
        and not g._level
        and g._base is None
        and getattr(g._array, "base", g) is None
    )
    # Held by `g` here, by the engine's frame, and by getrefcount itself: one more means somebody else.
    owned = owned and getrefcount(g) <= 3 and getrefcount(g._array) <= 2
    if owned and not g._array.flags.c_contiguous:
        owned = local.any_layout
    accumulate(tensor, g, owned)
    if leaf.post_hooks:
        for mode in local.modes:
            mode.leaves(tensor, "a hook after the gradient was added")
        for hook in list(leaf.post_hooks.values()):
            hook(tensor)


def fill_hooked(leaf: Leaf, g: Tensor) -> None:
    """`fill` of a leaf whose node has hooks of its own."""
    for mode in local.modes:
        mode.leaves(g, "a gradient's hook")
    for hook in list((leaf.prehooks or {}).values()):
        changed = hook((g,))
        if changed is not None:
            g = changed[0] if isinstance(changed, tuple) else changed
    tensor = leaf.variable
    if tensor is not None:
        accumulate(tensor, g, False)
        for hook in list((leaf.post_hooks or {}).values()):
            hook(tensor)
    for hook in list((leaf.posthooks or {}).values()):
        hook((), (g,))


def _leaf_hook(self: Leaf, hook: Callable) -> Handle:
    """`hook(grad_inputs, grad_outputs)` after the gradient was added; `grad_inputs` is empty."""
    if self.posthooks is None:
        self.posthooks = {}
    return Handle(self.posthooks, hook)


def _leaf_prehook(self: Leaf, hook: Callable) -> Handle:
    """`hook(grad_outputs)` before the gradient is added; may return another."""
    if self.prehooks is None:
        self.prehooks = {}
    return Handle(self.prehooks, hook)


Leaf.register_hook, Leaf.register_prehook = _leaf_hook, _leaf_prehook  # type: ignore[attr-defined]


def add(a: Tensor, b: Tensor) -> Tensor:
    # Dense + sparse is dense, sparse + dense refused: the composed ones go second.
    return b + a if a._level == COMPOSED else a + b


__all__ = [
    "Handle",
    "Leaf",
    "Node",
    "Output",
    "Rule",
    "backward",
    "record",
]
