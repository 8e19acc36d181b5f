"""A compiled function that cannot be one program: it runs as Python, and modules that it calls are programs.

The outermost modules first; of one that cannot be a program either, those that it calls. Nobody asked for a module to be compiled
here, so that one is only if nobody can tell: if its Python does nothing but compute (`purity`), if what is guarded is all
that it looks at, and if it gives back tensors. Modules with little in them are not worth their guards.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from itertools import chain
from typing import Any

from .._base import pytree
from ..graph import Graph
from ..runtime import splitting, state
from ..runtime.tensor import Tensor
from .compile import Compiled, _watched
from .descriptions import PLAIN
from .guards import Search
from .keys import Call
from .owners import is_module, is_ours
from .plan import Plan
from .purity import Watch, strange, watched_by
from .stances import now

LEAST = 3  # operator calls of a module's forward that are worth guards

ALONE: Any = type("Alone", (), {"__repr__": lambda self: "runs as Python"})()
APART: Any = type("Apart", (), {"__repr__": lambda self: "left alone"})()
_LEFT_ALONE = (
    "flambeau.distributed", "flambeau.nn.parallel", "flambeau.quantization", "flambeau.jit", "flambeau.ao", "flambeau.export",
)  # fmt: skip


class Pieces:
    """The modules that one compiled function calls as Python, each with its programs. Called for each call of a module."""

    def __init__(self, owner: Compiled) -> None:
        self.settings = {**owner._settings(), "fullgraph": False}
        self.owner = owner._function if is_module(owner._function) else None
        self.found: dict[int, Any] = {}  # by id of a module: a `Piece`, ALONE or APART
        self._alive: dict[int, Any] = {}

    def __call__(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A module's call, which runs no hooks of its own."""
        entry = self.found.get(id(module))
        if entry is None:
            entry = self._first(module)
        if entry is ALONE or (state.active and _watched()) or not now.plain or state.local.batch:
            return module.forward(*args, **kwargs)
        if entry is APART:
            return splitting.outside(module.forward, args, kwargs)
        return entry(*args, **kwargs)

    def run(self, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        """`function(*args, **kwargs)` as Python."""
        return splitting.inside(self, function, args, kwargs)

    def _first(self, module: Any) -> Any:
        entry: Any = Piece
        if str(type(module).__module__).startswith(_LEFT_ALONE):
            entry = APART
        elif module is self.owner or (is_ours(type(module)) and not module._modules):
            entry = ALONE
        key = id(module)

        def gone(_: Any, tables: Any = (self.found, self._alive)) -> None:
            for table in tables:
                table.pop(key, None)

        self._alive[key] = weakref.ref(module, gone)
        return self.found.setdefault(key, Piece(self, module) if entry is Piece else entry)

    def alone(self, module: Any) -> None:
        """From now on this module runs as Python; those that it calls may be programs."""
        self.found[id(module)] = ALONE

    def pieces(self) -> list[Piece]:
        """The modules that have programs."""
        found = [x for x in self.found.values() if isinstance(x, Piece)]
        return [p for p in found if any(isinstance(x, Plan) for x in chain(*p._plans.values()))]


class Piece(Compiled):
    """A module, compiled as `compile(module)` is, as long as nobody can tell. It does not keep the module alive."""

    _watches = False  # it has a watch of its own, which is stricter

    def __init__(self, pieces: Pieces, module: Any) -> None:
        self._module, self._pieces_of = weakref.ref(module), pieces
        settings = {k: v for k, v in pieces.settings.items() if k not in ("name", "limit")}
        super().__init__(self._run, name=type(module).__name__, **settings)
        self._limit = pieces.settings["limit"]
        self._tracing = 0
        self._watch: Watch | None = None
        self._search, self._looked = Search(), True
        self._search.note("self", self._module)
        self._surroundings = self._search.found

    def __repr__(self) -> str:
        return f"<piece {self._shown}, {len(self._plans)} programs>"

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """The module's call as it is; the one that is captured is watched."""
        module: Any = self._module()
        if self._tracing != threading.get_ident():
            return splitting.outside(module, args, kwargs)
        self._tracing, watch = 0, Watch()
        self._watch = watch
        before = [read() for read in self._surroundings]
        with watched_by(watch):
            result = splitting.outside(module, args, kwargs)
        reason = watch.reason or _opaque(result) or _odd(module)
        if reason is None and before != [read() for read in self._surroundings]:
            reason = "changing what it looks at"
        if reason is not None:
            state.reads_state(reason)
        return result

    def _apart(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        module: Any = self._module()
        return module.forward(*args, **kwargs)

    def _first(self, call: Call) -> Any:
        if sys.getprofile() is not None:
            return self._apart(call.args, call.kwargs)
        return super()._first(call)

    def _traced(self, call: Call, backend: Any) -> Any:
        self._tracing, self._watch = threading.get_ident(), None
        try:
            result = super()._traced(call, backend)
        finally:
            self._tracing = 0
        watch: Watch | None = self._watch
        if watch is None:  # over the limit
            return result
        plan = self._plans.get(call.key, [None])[-1]
        if isinstance(plan, Plan):
            reason = _unlike(plan)
            if _calls(plan) < LEAST or not self._is_guarded(watch):
                self._pieces_of.alone(self._module())
            elif reason is not None:
                self._keys.families.clear()
                self._plans[call.key] = [reason]
                self._turned_away(reason, "")
        return result

    def _refuse(self, reason: str, where: str = "", level: int = 0) -> None:
        """The function that calls has said why it runs in pieces."""

    # -- what the module looks at ---------------------------------------------------------------------------------------

    def _is_guarded(self, watch: Watch) -> bool:
        """Whether all that ran is guarded, from the next call on at least."""
        if not self._search.covers(watch.codes):
            self._forget()
        return not self._search.lost


def _opaque(result: Any) -> str | None:
    """Why a result cannot be made again: an object of which nobody knows what is in it."""
    for x in pytree.flatten(result)[0]:
        if not isinstance(x, (Tensor, *PLAIN)) and not is_ours(type(x)):
            return f"a result that is a {type(x).__name__}"
    return None


def _odd(module: Any) -> str | None:
    """Something among the attributes of the user's modules that guards cannot look into."""
    for m in module.modules():
        if is_ours(type(m)):
            continue
        for name, value in vars(m).items():
            reason = strange(value)
            if reason is not None:
                return f"{reason} in .{name}"
    return None


def _unlike(plan: Plan) -> str | None:
    """Why a graph of a captured call's backward could not be made by calling it again (`again`)."""
    graphs = [p for p in plan.forward.parts if isinstance(p, Graph)]
    if len(graphs) < len(plan.forward.parts):
        return "it does more than compute"
    if any(c.attrs.get("generator") is not None for g in graphs for c in g.calls):
        return "it draws from a generator of its own"
    if plan.back is None:
        return None
    targets = [t for g in graphs for t, _ in g.writes]
    if any(t.kind != "captured" for t in targets):
        return "it writes into an argument"
    reached = set(map(id, targets))
    for graph in graphs:
        for call in graph.calls:
            if not reached.isdisjoint(map(id, call.inputs)):
                reached.update(map(id, call.outputs))
        if not reached.isdisjoint(map(id, graph.outputs)):
            return "its result depends on a tensor that it writes"
    return None


def _calls(plan: Plan) -> int:
    return sum(len(p.calls) for p in plan.forward.parts if isinstance(p, Graph))
