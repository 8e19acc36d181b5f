"""Capturing a call: forward, backward, optimizer steps and schedulers together, as stretches of operators and what lies between.

    stretch   a graph of operator calls, which becomes a `Program`
    grads     which tensors' `.grad` are set, and to which values
    numbers   what is read off values for the call's result
    decision  a value whose truth the call depends on from there
    effect    Python that keeps state of its own: an optimizer's step, a scheduler's; run as it is at every call

A stretch ends where an effect begins, because an effect reads gradients and writes parameters. Values of one stretch may
be read by a later one.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from .._base import dtypes, pytree
from ..backends.cpu import memory
from ..graph import Call, Graph, Value
from ..graph.passes import EFFECTS
from ..runtime import state, writes
from ..runtime.operator import Operator, find
from ..runtime.tensor import Leaf, Tensor, history
from ..transforms.trace import Tracer
from .decisions import MOST, Decision, can_be_put_back
from .derivatives import gradient
from .numbers import READERS, Number, Numbers, Reading, stand_in
from .owners import is_module

TWICE = "an argument that the function also reaches without being given it"
SLACK = 1 << 20  # bytes that a captured call keeps beyond the most that were in use
KEPT: Any = type("Kept", (), {"__repr__": lambda self: "as it is"})()


class Grads:
    """What `.grad` of tensors becomes: (tensor, the value; None for none)."""

    def __init__(self, changes: list[tuple[Tensor, Value | None]]) -> None:
        self.changes = changes

    def __str__(self) -> str:
        return "\n".join(f"{_name(t)}.grad = {v}" for t, v in self.changes)


class Effect:
    """Python to run between two stretches, on arguments among which values stand for tensors, and readings for numbers."""

    def __init__(self, call: Callable[..., Any], name: str, given: list[Any], spec: Any) -> None:
        self.call, self.name, self.given, self.spec = call, name, given, spec

    def values(self) -> list[Value]:
        """The values that it reads."""
        return [
            v.value if isinstance(v, Reading) else v
            for v in self.given
            if isinstance(v, (Value, Reading))
        ]

    def __str__(self) -> str:
        return f"{self.name}()"


Part = Graph | Grads | Numbers | Decision | Effect


class Capture(Tracer):
    """A tracer of whole calls. `parts` is what it has seen, in order; the last is always a graph."""

    claims = True  # composites that the backend computes whole stay whole

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Part] = [self.graph]
        self.began: dict[int, tuple[Tensor, Any]] = {}  # by id of a tensor: its gradient at first
        self.touched: dict[int, Tensor] = {}  # tensors whose gradient may have changed
        self.cleared_first: set[int] = (
            set()
        )  # by id: those whose gradient was dropped before it was used
        self.dropped: dict[int, Tensor] = {}  # the same, by id
        self.seen_by_effects: set[int] = set()  # ids of tensors whose gradients an effect reads
        self.olds: dict[int, Tensor] = {}  # by id of a value that is a gradient from before: whose
        self.relies: dict[
            int, tuple[Tensor, bool]
        ] = {}  # tensors that must have a gradient at first, or none
        self.used: set[int] = set()  # by id: those that a gradient was added to
        self.walked = False  # whether a backward ran inside
        self.root: CodeType | None = None  # of who calls the function and is given its result
        self.stands: dict[
            int, tuple[Any, Any, Number]
        ] = {}  # by id: stands for a number in the result
        self.readings: list[Reading] = []  # since the last flush
        self.groups_shown: dict[int, Any] = {}  # by id of an optimizer
        self.options: Any = None  # those that calls are given, which follow `first_option` leaves
        self.first_option = 0
        self.options_set = False  # whether an effect may have set some
        self.numbers: Mapping[int, Any] = {}  # the leaves that are open numbers, by place
        self.homes: dict[int, int] = {}  # by id of an argument's value: the id of its array
        self.given: Any = None  # the arguments as the caller has them, args and kwargs
        self.arguments: set[int] = set()  # ids of the tensors that are other ones at the next call
        self.made: dict[int, Any] = {}  # by id: weak references to the tensors that calls made
        self.computed: dict[
            int, Tensor
        ] = {}  # by id of what stands for it: an argument with history

    def run(
        self, op: Operator, arrays: tuple, attrs: dict[str, Any], proceed: Callable[[], Any]
    ) -> Any:
        """A call. One that writes into an argument with history changes that history, which a program does not."""
        if "compile" in op.refusals:
            self.breaks.append(f"{op.name}: {op.refusals['compile']}")
        if self.computed and op.name == "copy_into" and state.local.grad:
            own = self.computed.get(id(self._root(arrays[0])))
            if own is not None:
                writes.check_writable(own)
                self.breaks.append("a write into an argument that was computed with gradients")
        made = super().run(op, arrays, attrs, proceed)
        for t in made if isinstance(made, tuple) else (made,):
            if not any(t is a for a in arrays):
                self.made[id(t)] = weakref.ref(t)
        return made

    def constant(self, tensor: Tensor) -> None:
        super().constant(tensor)
        self.made[id(tensor)] = weakref.ref(tensor)

    def inside(self, tensor: Tensor) -> bool:
        """Whether the call itself made this tensor: its `.grad` is a value like any other, and is gone with it."""
        made = self.made.get(id(tensor))
        return made is not None and made() is tensor

    def input(self, tensor: Tensor, name: str | None = None) -> Value:
        value = super().input(tensor, name)
        self.homes[id(value)] = id(tensor._array)
        return value

    def seed(self, tensor: Tensor, like: Tensor) -> Value:
        """Declares a gradient that arrives at a result, `like` which it is."""
        return self.input(tensor)

    def plain(self, results: list) -> list:
        """The results of the call as its caller is given them."""
        return results

    def gradient(self, rule: Any, node: Any, g: Tensor, needs: tuple) -> Any:
        """Gradients of an elementwise call in one pass, noted as the calls they consist of; None: call by call."""
        return gradient(self, rule, node, g, needs)

    def __enter__(self) -> Capture:
        """The program will have memory of its own: what lies idle is given back, and little is kept of what the call frees."""
        memory.release()
        memory.slack(SLACK)
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        memory.slack(-1)

    # -- what the tape tells --------------------------------------------------------------------------------------------

    def leaves(self, tensor: Tensor, how: str) -> None:
        """A value leaves the program; a gradient that is kept in `.grad` does not."""
        if how.startswith("backward"):
            self.walked = True
            if self.inside(tensor):
                return
            if id(tensor) in self.arguments:
                self.breaks.append("backward() into an argument's .grad")
            self._rely(tensor)
            self.used.add(id(tensor))
            self.grad_of(tensor)
            self.touched[id(tensor)] = tensor
        elif how not in ("item()", "tolist()") or not self._fixed(tensor):
            self.breaks.append(how)

    def number(self, tensor: Tensor, how: str, value: Any) -> Any:
        """A number is read off a value. Where the program can read it anew, because it goes into the result only, something is
        given that stands for it; else it leaves the program."""
        told = "tolist()" if how == "tolist" else "item()"
        if self._fixed(tensor):
            return value
        frame: Any = sys._getframe(2)  # the tensor's method, which `state.number` has told us of
        single = how == "tolist" or tensor.numel() == 1  # noted for open sizes
        able = single and not self.breaks and self.root is not None and hasattr(tensor, "_array")
        returned = able and self._returned(tensor, how, frame)
        decided = not returned and able and how in ("bool", "item", "int") and self._decided(tensor, value)  # fmt: skip
        if decided:
            return value
        read = self._lasting(self.read(tensor)) if returned else None
        if read is None:
            self.breaks.append(told)
            return value
        number = Number(len(self.stands))
        made = stand_in(value, how, number.index)
        self.stands[id(made)] = (made, value, number)
        self.readings.append(Reading(read, how))
        return made

    def _returned(self, tensor: Tensor, how: str, frame: Any) -> bool:
        """Whether a number goes into the call's result, and nowhere else; `frame` is of the method that reads it."""
        from .whither import to_result  # here: most steps read no number

        exact = how != "int" or tensor.dtype.category <= dtypes.INT  # or it may be refused
        reader: Any = how if how in ("float", "int") else frame.f_code
        return how in READERS and exact and to_result(frame.f_back, reader, self.root)

    def _decided(self, tensor: Tensor, value: Any) -> bool:
        """Makes a truth a guard of the program; whether that can be."""
        truth = type(value) is bool or tensor.dtype is dtypes.bool_
        graphs = [p for p in self.parts if isinstance(p, Graph)]
        before = sum(isinstance(p, Decision) for p in self.parts)
        if not truth or tensor.device.type != "cpu" or before >= MOST:
            return False
        effects = [p for p in self.parts if isinstance(p, Effect)]
        if not all(map(_sets_option, effects)) or not can_be_put_back(graphs):
            return False
        read = self._lasting(self.read(tensor))
        if read is None:
            return False
        self.flush()
        self.parts.append(Decision(read, bool(value)))
        self.next_stretch()
        return True

    def _lasting(self, value: Value) -> Value | None:
        """A value in memory that nobody writes before the end of this stretch; None where that cannot be had."""
        makers = {id(v): c for c in self.graph.calls for v in c.outputs}
        maker = makers.get(id(value))
        if maker is not None and not shares(maker.op):
            return value
        if maker is None and value.kind == "result":
            earlier = (c for p in self.parts if isinstance(p, Graph) for c in p.calls)
            made = next((c for c in earlier if any(v is value for v in c.outputs)), None)
            if made is None or shares(made.op):
                return None
        return self.graph.add("clone", (value,), {}, (value.meta,))[0]

    def _fixed(self, tensor: Tensor) -> bool:
        """Whether a value depends on nothing but the function's text: a mask made from sizes."""
        if id(tensor._array) not in self._values:
            return False
        makers = {id(v): c for p in self.parts if isinstance(p, Graph) for c in p.calls for v in c.outputs}  # fmt: skip
        open_, seen, found = [self._values[id(tensor._array)][0]], set(), []
        while open_:
            v = open_.pop()
            if id(v) in seen or v.kind == "constant":
                continue
            seen.add(id(v))
            call = makers.get(id(v))
            if call is None or call.op in EFFECTS or find(call.op).random:
                return False
            found.append(call)
            open_ += [x for x in call.inputs if isinstance(x, Value)]
        self.frozen(found)
        return True

    def frozen(self, calls: list[Call]) -> None:
        """A number is taken as it is that these calls give: so are the numbers that they are given."""

    def _rely(self, tensor: Tensor) -> None:
        """The program is for calls that begin with a gradient, or without one, as this did."""
        if id(tensor) not in self.cleared_first and id(tensor) not in self.used:
            self.relies.setdefault(id(tensor), (tensor, tensor._grad is not None))

    def grad_of(self, tensor: Tensor) -> None:
        """Notes the gradient that a tensor had when the call began, before it changes."""
        if id(tensor) not in self.began:
            self.began[id(tensor)] = (tensor, tensor._grad)
        self._old(tensor)

    def _old(self, tensor: Tensor) -> None:
        """Another tensor may be the gradient at the next call."""
        old = tensor._grad
        if old is not None and hasattr(old, "_array") and id(old._array) not in self._values:
            self.olds[id(self._capture(old, lambda: tensor._grad))] = tensor

    def grad_read(self, tensor: Tensor) -> None:
        """Somebody looks at `tensor.grad`."""
        if not tensor._level and not self.inside(tensor):
            self._rely(tensor)
            self.grad_of(tensor)
            self._old(tensor)

    def grad_set(self, tensor: Tensor, g: Any) -> None:
        """Somebody is about to set `tensor.grad`."""
        if tensor._level or self.inside(tensor):
            return
        if g is None:
            self.cleared([tensor])
            return
        self.grad_of(tensor)
        self.used.add(id(tensor))
        self.touched[id(tensor)] = tensor

    def cleared(self, tensors: list[Tensor]) -> None:
        """Their gradients have been dropped, whatever they were."""
        for t in tensors:
            if self.inside(t):
                continue
            if id(t) not in self.used:
                self.cleared_first.add(id(t))
                if id(t) not in self.seen_by_effects:
                    self.dropped[id(t)] = t
            self.began.setdefault(id(t), (t, KEPT))
            self.touched[id(t)] = t

    def read(self, tensor: Tensor) -> Value:
        if not hasattr(tensor, "_array"):
            self.breaks.append(f"a {type(tensor).__name__}")
            return Value("none", tensor._meta, "constant", tensor)
        known = id(tensor._array) in self._values
        value = super().read(tensor)
        if not known and value.kind == "captured":
            if type(tensor._node) is Leaf:
                self.grad_of(tensor)
            elif history(tensor) is not None and tensor._base is None:
                self.breaks.append("a captured tensor that was itself computed with gradients")
        return value

    def _capture(self, tensor: Tensor, source: Callable[[], Any]) -> Value:
        value = Value(self.graph.name("p"), tensor._meta, "captured", tensor)
        value.source = source
        self.graph.captured.append(value)
        self._bind(tensor, value)
        return value

    def groups(self, optimizer: Any) -> Any:
        """The parameter groups of an optimizer, for the function that is captured."""
        from .options import Groups  # here: most steps leave them alone

        if "param_groups" not in optimizer.__dict__:
            raise AttributeError(
                f"{type(optimizer).__name__!r} object has no attribute 'param_groups'"
            )
        found = self.groups_shown.get(id(optimizer))
        if found is None or found.real is not optimizer.__dict__["param_groups"]:
            found = self.groups_shown[id(optimizer)] = Groups(self, optimizer)
        return found

    def option(self, optimizer: Any, group: int, name: str, value: Any) -> Any:
        """An option of an optimizer's group is read: a number that the call is given, unless it may have been set since it began."""
        at = None
        if self.options is not None and not self.options_set:
            at = self.options.place(optimizer, group, name, value)
        if at is None:
            state.reads_state("reading Optimizer.param_groups")
            return value
        return self.numbers.get(self.first_option + at, value)

    def known(self, x: Any) -> Any:
        """Arguments of an effect as they are in this call."""
        return x

    def reads_state(self, what: str) -> None:
        """Something was read or set that later calls would not read or set again."""
        self.breaks.append(what)

    # -- between stretches ----------------------------------------------------------------------------------------------

    def effect(
        self,
        call: Callable[..., Any],
        owner: Any,
        tensors: list[Tensor],
        how: str,
        args: tuple,
        kwargs: dict[str, Any],
    ) -> Any:
        """Runs Python that keeps state of its own, untraced, on what has been computed so far."""
        name = f"{type(owner).__name__}.{how}"
        leaves, spec = pytree.flatten((args, kwargs))
        if any(callable(x) and not is_module(x) for x in leaves):
            self.breaks.append(f"a function given to {name}")
        given = [self.read(x) if isinstance(x, Tensor) else x for x in leaves]
        for t in tensors:
            self.grad_of(t)
            self.touched[id(t)] = t
            self.seen_by_effects.add(id(t))
        self.flush()
        self.parts.append(Effect(call, name, given, spec))
        self._options_after(owner, how)
        state.pop_mode(self)
        try:
            made = call(*self.known(args), **self.known(kwargs))
        finally:
            state.push_mode(self)
        if any(isinstance(x, Tensor) for x in pytree.flatten(made)[0]):
            self.breaks.append(f"a tensor given back by {name}")
        self.next_stretch()
        return made

    def _options_after(self, owner: Any, how: str) -> None:
        from .options import leaves_options

        if not leaves_options(owner, how):
            self.options_set = True
            for groups in self.groups_shown.values():
                groups.forget()

    def flush(self) -> None:
        """Lets numbers be read, gradients be seen outside the program, and writes be done."""
        if self.readings:
            self.parts.append(Numbers(len(self.stands) - len(self.readings), self.readings))
            self.readings = []
        changes: list[tuple[Tensor, Value | None]] = []
        for t in self.touched.values():
            before = self.began[id(t)][1]
            if t._grad is None:
                if before is not None:
                    changes.append((t, None))
            elif t._grad is not before:
                changes.append((t, self.read(t._grad)))
            self.began[id(t)] = (t, t._grad)
        self.touched.clear()
        for t, before in list(self.began.values()):  # cleared by hand, without a word to anybody
            if t._grad is None and before is not None:
                changes.append((t, None))
                self.began[id(t)] = (t, None)
        if changes:
            self.parts.append(Grads(changes))

    def next_stretch(self) -> None:
        """A new graph; what lay outside the program is read anew from then on."""
        before, self.graph = self.graph, Graph()
        self.graph._names = before._names
        self.parts.append(self.graph)
        outside = {id(v) for v in (*before.captured, *(t for t, _ in before.writes))}
        outside |= {id(new) for t, new in before.writes if t.kind == "captured"}
        written = {id(new): t for t, new in before.writes if id(t) in self._earlier}
        given = {self.homes[id(t)]: t for t, _ in before.writes if id(t) in self.homes}
        for key, (value, version) in list(self._values.items()):
            if key in given:
                self._values[key] = (given[key], version)
            elif id(value) in written:  # an effect may write there too
                self._values[key] = (written[id(value)], version)
            elif value.kind == "captured" or id(value) in outside:
                del self._values[key]
        self._earlier.update(id(v) for c in before.calls for v in c.outputs)

    # -- the end --------------------------------------------------------------------------------------------------------

    def close(self, outputs: list[Value]) -> list[Part]:
        """The parts with what each graph is given by earlier ones and owes to later ones; empty graphs left out."""
        self.flush()
        self._spread_out()
        wanted: dict[int, Value] = {id(v): v for v in outputs}
        for part in reversed(self.parts):
            if isinstance(part, Grads):
                wanted.update((id(v), v) for _, v in part.changes if v is not None)
            elif isinstance(part, (Effect, Numbers)):
                wanted.update((id(v), v) for v in part.values())
            elif isinstance(part, Decision):
                wanted[id(part.value)] = part.value
            elif isinstance(part, Graph):
                made = {id(v) for c in part.calls for v in c.outputs}
                own = {id(v) for v in (*part.captured, *part.constants)}
                part.outputs = [v for v in wanted.values() if id(v) in made or id(v) in own]
                targets = [t for t, _ in part.writes]
                read = {
                    id(v): v
                    for v in (*part.read(), *targets)
                    if id(v) not in made and id(v) not in own
                }
                part.inputs = list(read.values())
                wanted.update(read)
        return [
            p for p in self.parts if not isinstance(p, Graph) or p.calls or p.outputs or p.writes
        ]

    def _spread_out(self) -> None:
        """Gives what a later stretch writes into memory for each of its elements: one number stands for all of a filled tensor."""
        graphs = [p for p in self.parts if isinstance(p, Graph)]
        targets = {id(t) for g in graphs for t, _ in g.writes}
        for graph in graphs:
            for i in reversed(range(len(graph.calls))):
                call = graph.calls[i]
                if call.op == "expand" and id(call.outputs[0]) in targets:
                    one, call.outputs = call.outputs, (Value(graph.name(), call.outputs[0].meta),)
                    graph.calls.insert(i + 1, Call("clone", call.outputs, {}, one, False))


def shares(op: str) -> bool:
    """Whether an operator's result lies in its operand's memory."""
    return find(op).family == "view" or op == "stop_gradient"


def _sets_option(effect: Effect) -> bool:
    from .options import setting

    return setting(effect) is not None


def _name(tensor: Tensor) -> str:
    return f"tensor{list(tensor.shape)}"
