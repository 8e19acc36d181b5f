"""`compile`: runs a function once under the tracer, and its program ever after, as long as the guards hold.

What is guarded: the structure of the arguments; shape, dtype and device of their tensors; their other values, but numbers
that change and become inputs (`scalars`); gradient mode, default dtype and device; and what the function reaches besides them (`guards`). What the program cannot express
runs eagerly and is said once: numbers read from tensors, gradients, results that share an argument's memory, other
devices.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any

from numpy import ndarray

from .._base import pytree
from ..runtime import splitting, state
from ..runtime.tensor import Tensor
from .capture import TWICE, Capture
from .captured import captured
from .decisions import CHANGING, DEPARTED, hopeless, joined, preferred, wasteful
from .descriptions import leaving_out
from .dynamic import Kept
from .effects import Effects
from .guards import FunctionReader, Search, reach, tensors_of
from .keys import Call, Keys
from .methods import bound
from .owners import is_module
from .places import Places
from .plan import Plan
from .recipe import Recipe
from .remat import memory_limit
from .scalars import Exactly
from .shortcuts import Shortcut
from .stances import eagerly, get_default_backend, now
from .tuning import Making

if TYPE_CHECKING:
    from .general import General

LIMIT = 16  # programs of one function; beyond that new shapes run eagerly
MISSES = 4  # calls in a row that no program ran, all given alike, after which none is made
REFUSED = 3  # keys that are refused for the same reason, after which keys are not asked for
AGAIN = 64  # calls after which a program is looked for once
_every: weakref.WeakSet[Compiled] = weakref.WeakSet()
_TENSORS = frozenset([Tensor])


def _in_child() -> None:
    """After a fork: whichever thread was making a program is not there any more."""
    for c in _every:
        c._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


class Broken(RuntimeError):
    """With fullgraph=True: why the function is no one program."""


class Compiled:
    """A function with its compiled programs. Attributes and methods of a module are reached through it."""

    _watches = True  # for what a program would not do again

    def __init__(
        self,
        function: Callable[..., Any],
        fullgraph: bool = False,
        name: str | None = None,
        backend: Any = None,
        tune: bool = False,
        dynamic: bool | None = None,
        memory: int | None = None,
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self._limit, self._backend, self._tune, self._dynamic = LIMIT, backend, tune, dynamic
        self._memory = memory
        self._function, self._fullgraph = function, fullgraph
        self._shown = name or str(getattr(function, "__qualname__", type(function).__name__))
        self._plans: dict[Any, list[Plan | str]] = {}
        self._keys = Keys()
        self._options = self._keys.options
        self._sized = Kept(self._plans)
        self._said: set[str] = set()
        self._lock = threading.Lock()
        self._called = False  # under a stance that makes no program of a first call
        # What is named may be defined later: it is looked at by the first call.
        self._search, self._looked = Search(), False
        self._surroundings = self._search.found
        self._pieces: Any = None  # of a function that is no one program (`jit.pieces`)
        self._misses: dict[Any, int] = {}  # calls in a row that no program ran, by what is given
        self._aside: dict[Any, int] = {}  # what is given -> calls since no program is looked for
        self._refused: dict[str, int] = {}  # keys by the reason why there is no program
        self._changed = False  # whether a call has changed objects of Python
        self._straight = False  # whether no program is looked for at all
        self._calls_modules = False  # of which pieces could be made
        self._latest: Plan | None = None  # of the last call that was looked up
        self._short: Shortcut | None = None
        _every.add(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        short = self._short
        if short is not None and not kwargs:
            made = short(args)
            if made is not short:
                return made
        if (state.active and _watched()) or state.local.batch:
            return self._function(*args, **kwargs)
        leaves: list[Any]
        if kwargs or not _TENSORS.issuperset(map(type, args)):
            leaves, spec = pytree.flatten((args, kwargs))
            tensors = [x for x in leaves if isinstance(x, Tensor)]
        else:
            tensors = leaves = list(args)
            spec = _tensors_only(len(args))
        for t in tensors:
            if t._level:
                return self._function(*args, **kwargs)
        if self._straight and now.plain:
            return self._apart(args, kwargs)
        if self._options.known:
            leaves = [*leaves, *self._options.values()]
        parts = self._keys.of(leaves, spec)
        if self._aside and now.plain and self._is_aside(tuple(parts)):
            return self._apart(args, kwargs)
        key, last = self._whole_key(parts), None
        departed: list[Plan] = []
        for found in self._plans.get(key, ()):
            if isinstance(found, str):
                if now.plain:
                    self._miss(tuple(parts), refused=True)
                return self._apart(args, kwargs)
            if found.fits():
                numbers = () if found.scalars is None else found.scalars(leaves)
                if numbers is None:
                    continue
                if found.shared(tensors):
                    return self._function(*args, **kwargs)
                if self._misses:
                    self._misses.clear()
                if self._aside:
                    self._aside.pop(tuple(parts), None)
                made = found([*tensors, *numbers] if numbers else tensors, args, kwargs)
                if made is DEPARTED:
                    last = found
                    departed.append(found)
                    continue
                if last is not None:
                    self._other(key, found)
                elif found is not self._latest:
                    self._latest = found
                elif len(args) == len(leaves) and not kwargs and Shortcut.leads(found, args):
                    self._short = Shortcut(found, args, self._surroundings, key[len(parts) :])
                return made
        if last is not None and not self._fullgraph and hopeless(last):
            self._plans[key] = [CHANGING]
            return self._apart(args, kwargs)
        if now.plain:
            given = tuple(parts)
            self._miss(given)
            if given in self._aside:
                return self._apart(args, kwargs)
        call = Call(self._keys, key, leaves, spec, args, kwargs)
        call.departed = departed
        return self._first(call)

    def __getattr__(self, name: str) -> Any:
        if "_function" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.__dict__["_function"], name)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None or type(self._function) is not types.FunctionType:
            return self
        return bound(self, instance)

    def over(self, function: Callable[..., Any]) -> Compiled:
        """Another function compiled with the same settings."""
        return _again(function, self._settings())

    def _settings(self) -> dict[str, Any]:
        kept = ("_fullgraph", "_backend", "_tune", "_limit", "_dynamic", "_memory")
        return {"name": self._shown, **{k[1:]: self.__dict__[k] for k in kept}}

    def __reduce__(self) -> Any:
        """A copy has no programs. What a module defines under this name is that name, as any function is."""
        name = str(getattr(self._function, "__qualname__", ""))
        found: Any = sys.modules.get(str(getattr(self._function, "__module__", "")))
        for part in name.split("."):
            found = getattr(found, part, None)
        return name if found is self else (_again, (self._function, self._settings()))

    # -- calls that are no one program ------------------------------------------------------------------------------------

    def _apart(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The call as Python; modules that it calls are programs."""
        if not now.plain:
            return self._function(*args, **kwargs)
        if self._pieces is None:
            self._pieces = import_module(f"{__package__}.pieces").Pieces(self)
        return self._pieces.run(self._function, args, kwargs)

    def _other(self, key: Any, plan: Plan) -> None:
        """A call went as this plan has it, after others had departed."""
        with self._lock:
            preferred(self._plans, key, plan)
            if not self._fullgraph and wasteful(plan):
                self._plans[key] = [CHANGING]

    def _miss(self, given: Any, refused: bool = False) -> None:
        """Counts calls in a row that no program runs: keys that change at every call cost more than they bring."""
        self._latest = self._short = None
        count = self._misses[given] = self._misses.get(given, 0) + 1
        if count > MISSES and (refused or self._limit <= LIMIT):
            self._aside[given] = 0
        for counts in (self._misses, self._aside):
            if len(counts) > 4 * LIMIT:
                counts.clear()

    def _is_aside(self, given: Any) -> bool:
        """Whether to look for no program. Now and then one is looked for: it may be there."""
        count = self._aside.get(given)
        if count is None:
            return False
        self._aside[given] = count + 1
        return count % AGAIN != AGAIN - 1

    def __repr__(self) -> str:
        return f"<compiled {self._shown}, {sum(map(len, self._plans.values()))} programs>"

    # -- the first call -------------------------------------------------------------------------------------------------

    def _first(self, call: Call) -> Any:
        """Captures the call, which gives its result too, and keeps the plan or why there is none."""
        backend = self._backend
        self._latest = self._short = None
        if not now.plain:
            if eagerly(self._shown, sum(map(len, self._plans.values())), self._called):
                self._called = True
                return self._function(*call.args, **call.kwargs)
            forced = now.stance.backend
            backend = backend if forced is None else forced if callable(forced) else None
        with self._lock:
            if not self._looked:
                self._look()
                call.key = (*call.key, *[read() for read in self._search.found])
            if backend is None and self._may_open(call):
                call.family = self._keys.family(call)
        while True:
            with self._lock:
                plan = self._filled_in(call)
                if plan is None:
                    return self._traced(call, backend)
            made = plan([*call.tensors, *(call.numbers(plan) or ())], call.args, call.kwargs)
            if made is not DEPARTED:
                return made
            call.departed.append(plan)

    def _look(self) -> None:
        """Looks for what the function depends on, besides its arguments."""
        self._looked = True
        self._search.of(self._function)
        if type(self._function) is types.FunctionType:  # whose code and attributes may be replaced
            self._search.found.append(FunctionReader(lambda: self._function))

    def _may_open(self, call: Call) -> bool:
        """Whether sizes and numbers may be left open; if not, each call that has others is to be a program of its own."""
        if self._dynamic is False or self._tune or not now.plain:
            return False
        return all(type(t._array) is ndarray for t in call.tensors)

    def _filled_in(self, call: Call) -> Plan | None:
        """A plan that is made of a call of other sizes and numbers; kept from now on."""
        tried = [p.general for p in call.departed]
        found = () if call.family is None else call.family.covering(call.shapes)
        general = next((g for g in found if g not in tried and g.begins()), None)
        if general is None:
            return None
        whole = general.once or self._sized.due(call.key)
        plan = general.plan(call.shapes, whole, call.taken())
        if plan is None or not plan.fits() or plan.shared(call.tensors) or call.numbers(plan) is None:  # fmt: skip
            return None
        if general.once:
            self._plans[call.key] = [plan, *self._fitting(call.key)]
        else:
            self._sized.add(call.key, plan)
        return plan

    def _traced(self, call: Call, backend: Any) -> Any:
        """The result of a call that no program is for, from which one is made."""
        if sum(map(len, self._plans.values())) - len(self._sized) >= self._limit:
            self._refuse(
                f"more than {self._limit} programs: shapes or values keep changing (of a number that does, a tensor can be given)"
            )
            return self._apart(call.args, call.kwargs)
        readers = [
            *self._surroundings,
            *chain.from_iterable(s.found for s in self._keys.searches.values()),
        ]
        members = frozenset(map(id, tensors_of(readers)))
        making = Making(backend, members, tune=self._tune, memory=self._memory)
        with leaving_out() as out:
            for read in readers:
                read()
        if out:
            why = f"it depends on {out[0]}, more than guards look into"
            self._plans[call.key] = [why]
            self._turned_away(why, "")
            return self._apart(call.args, call.kwargs)
        places, effects = Places(), self._effects() if self._watches else None
        noticed = splitting.Noticed(getattr(self._function, "__self__", self._function))
        before = splitting.enter(noticed)
        try:
            with effects.around() if effects is not None else nullcontext():
                if reach(readers, call.tensors):
                    places.append(TWICE)
                    result, recipe = self._closed(call, making, places)
                    opened = None
                else:
                    result, recipe, opened = self._opened(call, making, places)
        finally:
            splitting.leave(before)
        self._calls_modules = self._calls_modules or noticed.any
        if effects is not None and not isinstance(recipe, str):
            reason = effects.reason()
            if reason is not None and places.twice:
                self._was_twice(reason)
            if reason is not None and effects.said is None and not self._changed:
                self._changed = True
                return result  # what is made at the first call and kept: the next one will tell
            if reason is None and not self._covers(effects):
                if not self._search.lost:
                    return result
                reason = "running code that is other code at each call"
            recipe = recipe if reason is None else f"it does more than compute: {reason}"
        plan: Plan | str
        if isinstance(recipe, str):
            plan = recipe
        else:
            plan = self._learned(call, recipe, opened)
            if plan.shared(call.tensors):
                return result  # of this call only: others may come with memory of their own
        kept = self._fitting(call.key)
        if isinstance(plan, Plan):
            joined(kept, plan)
        self._plans[call.key] = [*kept, plan]
        if isinstance(plan, Plan):
            _show(self._shown, plan, call.family.latest() if call.family and opened else None)
        else:
            self._turned_away(plan, places.first)
        return result

    def _fitting(self, key: tuple) -> list[Plan]:
        """The plans for a key whose captured tensors are as they were."""
        return [p for p in self._plans.get(key, ()) if type(p) is Plan and p.forward.fits()]

    def _learned(self, call: Call, recipe: Recipe, opened: tuple | None) -> Plan:
        """The plan of a captured call, which calls of other sizes learn from. Its key may be another then."""
        if call.with_options():
            recipe, opened = (recipe.fixed() if opened else recipe), None
            self._plans.clear()
            self._sized.clear()
            call.key = self._whole_key(self._keys.of(call.leaves, call.spec))
            call.family = self._keys.family(call) if call.family is not None else None
        family, general = call.family, None
        if family is not None:
            family.learn(call.shapes, recipe if opened else recipe.copied(), opened)
            if self._keys.learned(call.spec, family):
                self._drop(call.spec)
                call.key = self._whole_key(self._keys.of(call.leaves, call.spec))
            if family.needed:
                call.family = family = self._keys.family(call)
                family.learn(call.shapes, recipe.fixed() if opened else recipe.copied(), None)
            found, assumed = family.covering(call.shapes), recipe.assumes()
            general = next((g for g in found if g.assumes == assumed), None)
        numbers = call.taken()
        if numbers and general is not None:
            plan = general.plan(call.shapes, True, numbers)
            if plan is not None and call.numbers(plan) is not None:
                return plan
        plan = (recipe.fixed(arrays=True) if opened else recipe).plan()
        plan.scalars = Exactly(numbers) if numbers else None
        return plan

    def _drop(self, spec: pytree.Spec) -> None:
        """Forgets the programs for calls of this structure."""
        for key in [k for k in self._plans if k[0] == spec]:
            del self._plans[key]
            self._sized.drop(key)

    def _covers(self, effects: Effects) -> bool:
        """Whether all that a call looks at was guarded. If not, it is from the next call on."""
        if self._search.covers(effects.ran, effects.held):
            return True
        self._forget()
        return False

    def _codes(self) -> set[types.CodeType]:
        """What is known to run in calls, of the user's."""
        return set().union(self._search.codes, *[s.codes for s in self._keys.searches.values()])

    def _effects(self) -> Effects:
        return Effects(self._function, self._codes())

    def _forget(self) -> None:
        self._latest = self._short = None
        self._plans.clear()
        self._sized.clear()
        self._keys.forget()

    def _opened(self, call: Call, making: Making, places: Places) -> tuple[Any, Recipe | str, Any]:
        """`captured`, with the sizes and numbers open that change; third, what it was opened by: None where all are fixed."""
        opened = None if call.family is None else call.family.opened(call.shapes, self._codes())
        if call.family is not None and opened is not None:
            capture, dims = opened
            capture.breaks, capture.given = places, (call.args, call.kwargs)
            capture.options, capture.first_option = self._options, call.count
            leaves = [capture.numbers.get(i, x) for i, x in enumerate(call.leaves[: call.count])]
            try:
                result, found = captured(self._function, leaves, call.spec, making, capture)
                if not isinstance(found, str):
                    found = found.copied(capture.sizes.kept())
                return result, found, opened
            except Exception as error:  # of the call itself, or of following its sizes
                if capture.told:
                    raise
                call.family.fail(f"{type(error).__name__}: {error}", dims)
            finally:
                capture.sizes.over()
            places.clear()
            places.twice = True
        return *self._closed(call, making, places), None

    def _closed(self, call: Call, making: Making, places: Places) -> tuple[Any, Recipe | str]:
        """`captured`, for the sizes and numbers that the call has."""
        capture = Capture()
        capture.breaks, capture.given = places, (call.args, call.kwargs)
        capture.options, capture.first_option = self._options, call.count
        return captured(self._function, call.leaves[: call.count], call.spec, making, capture)

    def _was_twice(self, reason: str) -> None:
        """A call was made once more, because its sizes could not be followed, and does more than compute."""
        warnings.warn(
            f"flambeau.compile: one call of {self._shown} was made twice, because the sizes of its arguments could not be left open; "
            f"what it does besides computing was done twice: {reason}. compile(..., dynamic=False) leaves no sizes open",
            stacklevel=6 + is_module(self._function),
        )

    def _turned_away(self, reason: str, where: str) -> None:
        """A call is no program, for this reason; `where` the function left it."""
        self._refuse(reason, where, 6)
        count = self._refused[reason] = self._refused.get(reason, 0) + 1
        if count >= REFUSED and not any(isinstance(p, Plan) for p in chain(*self._plans.values())):
            self._straight = True

    def _refuse(self, reason: str, where: str = "", level: int = 5) -> None:
        """Says once why calls run eagerly, or in pieces; with fullgraph it is an error."""
        if self._fullgraph:
            raise Broken(f"flambeau.compile({self._shown}, fullgraph=True): {reason}")
        if reason not in self._said:
            self._said.add(reason)
            how = "in pieces" if self._calls_modules else "eagerly"
            warnings.warn(
                f"flambeau.compile: {self._shown} runs {how}: {reason}{where}",
                stacklevel=level + is_module(self._function),
            )

    # -- guards ---------------------------------------------------------------------------------------------------------

    def _whole_key(self, parts: list) -> Any:
        """The key of a call that is given this."""
        if not now.plain:
            return self._key_in_stance(parts)
        return (*parts, *[read() for read in self._surroundings])

    def _key_in_stance(self, parts: list) -> Any:
        """The key where a stance names the backend, or trusts that the surroundings are those that all programs were made in."""
        stance, count = now.stance, len(self._surroundings)
        if stance.backend is not None:
            parts[0] = (parts[0], stance.backend)
        if stance.trusts:
            seen = {key[len(key) - count :] for key in self._plans}
            key = (*parts, *seen.pop()) if len(seen) == 1 else ()
            if any(isinstance(p, str) or p.fits() for p in self._plans.get(key, ())):
                return key
        return (*parts, *(read() for read in self._surroundings))


def _watched() -> bool:
    """Whether an outer tracer, mode or hook must see the function's own calls. Autocast need not: its casts are calls, too."""
    local = state.local
    return bool(
        local.modes
        or local.function_modes
        or local.saved_hooks
        or state.overriding
        or now.stance.name == "force_eager"
    )


def _again(function: Callable[..., Any], settings: dict[str, Any]) -> Compiled:
    """A compiled function of these settings."""
    limit = settings["limit"]
    made = Compiled(function, **{k: v for k, v in settings.items() if k != "limit"})
    made._limit = limit
    return made


@functools.cache
def _tensors_only(count: int) -> pytree.Spec:
    """The structure of a call with so many tensors."""
    return pytree.flatten(((None,) * count, {}))[1]


def _show(name: str, plan: Plan, opened: General | None = None) -> None:
    """Prints the stages that FLAMBEAU_PRINT names: trace, remat, fuse, c. `opened`: the same call with open sizes."""
    wanted = os.environ.get("FLAMBEAU_PRINT", "").split(",")
    if "trace" in wanted:
        graphs = [*plan.forward.parts, *plan.backward.parts]
        print(f"# {name}: trace\n" + "\n".join(str(g).rstrip() for g in graphs))
        if opened is not None:
            print(f"# {name}: trace, for sizes {opened.text()}\n{opened.program()}")
    programs = (*plan.forward.programs, *plan.backward.programs)
    if "remat" in wanted:
        print("\n".join(f"# {name}: remat\n{p.remat}" for p in programs if p.remat))
    if "fuse" in wanted:
        print(f"# {name}: fuse\n{plan.text()}")
    if "c" in wanted:
        print(f"/* {name}: c */\n" + "\n".join(p.c_text() for p in programs).rstrip())


# -- the public function ---------------------------------------------------------------------------------------------------


MODES = (None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """A function, module or whole training step that runs as one program after its first call; usable as a decorator.

    Each combination of dtypes and plain arguments is a program of its own; sizes and numbers that change become open in the second
    capture, where the function can be followed. Python inside the function runs only while tracing; a function in which it does more than compute
    (prints, counts, fills lists) runs as Python, with the modules that it calls as programs. What optimizers and schedulers do in `step` is done.

    - `fullgraph`: what cannot be captured is an error (`jit.Broken`), not an eager call.
    - `backend`: "flambeau" (also called "inductor"; unless `compiler.set_default_backend` named another), "eager", or a function `backend(graph, example_inputs)` that gives a
      function of tensors to a list of tensors; `graph` is a `flambeau.graph.Graph`.
    - `recompile_limit`: captures of this function beyond which further shapes run eagerly; 16 unless given.
    - `dynamic=False`: each shape is a program of its own. `dynamic=True`: shapes are expected to change, so there is no limit to
      the captures.
    - `name`: what messages call the function.
    - `mode="max-autotune"`: the first calls of a prediction try its program in several ways (weights packed or not, channels last
      or not) and the fastest stays; `explain` has the times. The other modes of PyTorch change nothing.
    - `options={"memory_limit": bytes}`: where the values of a program would take more at once, those that are cheap to compute are computed
      again in backward instead of being kept; a warning says where that is not enough. Other options change nothing.
    - Each `compile` has programs of its own, so that `isolate_recompiles` is always so, and shapes need no `shapes_spec`.

    >>> import flambeau
    >>> f = flambeau.compile(lambda x: (x * 2 + 1).tanh().sum(1))
    >>> f(flambeau.zeros(2, 3))
    tensor([2.2848, 2.2848])
    """
    if model is None:
        given = {k: v for k, v in locals().items() if k != "model"}
        return lambda model: compile(model, **given)
    if not callable(model):
        raise TypeError(f"compile() expects a function or module, but got {type(model).__name__}")
    if mode not in MODES:
        known = ", ".join(map(repr, MODES[1:]))
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {known}")
    if recompile_limit is not None and recompile_limit < 1:
        raise ValueError(f"compile(): recompile_limit must be positive, but got {recompile_limit}")
    backend = get_default_backend() if backend is None else backend
    if disable or backend == "eager":
        return model
    own = backend if callable(backend) else None
    if own is None and backend not in ("flambeau", "inductor"):
        raise ValueError(
            f"compile(): unknown backend {backend!r}; expected 'flambeau', 'eager' or a function"
        )
    model = model._orig_mod if isinstance(getattr(model, "_compiled", None), Compiled) else model
    tune = (mode or "").startswith("max-autotune")
    made = Compiled(model, fullgraph, name, own, tune, dynamic, memory_limit(options))
    made._limit = recompile_limit or (1 << 30 if dynamic else LIMIT)
    if not is_module(model):
        return made
    return import_module(f"{__package__}.scripts.optimized").OptimizedModule(made)


def explain(compiled: Compiled) -> str:
    """What became of each program of a compiled function: its steps after fusion, or why it runs eagerly, or in which pieces.

    >>> import flambeau
    >>> f = flambeau.compile(lambda x: x.exp() + 1)
    >>> _ = f(flambeau.zeros(2)); print(flambeau.jit.explain(f))
    program 0:
    fused (2,) -> v2
        v1 = exp(x0)
        v2 = add(v1, 1.0)
    """
    parts = []
    pieces = [] if compiled._pieces is None else compiled._pieces.pieces()
    how = "in pieces" if pieces else "eager"
    for key, plans in compiled._plans.items():
        for p in plans if key not in compiled._sized else ():
            parts.append(f":\n{p.text()}" if isinstance(p, Plan) else f": {how}, because {p}")
    families = list(compiled._keys.families.values())
    parts += [f", for sizes {g.text()}:\n{g.program()}" for f in families for g in f.proved()]
    lines = [f"program {i}{p}" for i, p in enumerate(parts)]
    apart = [f.reason for f in families if f.reason and not f.proved()]
    return "\n".join(
        [
            *lines,
            *(f"each shape is a program of its own, because {r}" for r in dict.fromkeys(apart)),
            *(f"piece {p._shown}:\n{explain(p)}" for p in pieces),
        ]
    )


def reset() -> None:
    """Forgets all compiled programs."""
    for c in _every:
        c._forget()
        c._pieces, c._straight = None, False
        for counts in (c._misses, c._aside, c._refused):
            counts.clear()
