"""What a traced function depends on besides its arguments, read again before each call of its program.

Through its closure, its globals, its defaults and `self`, and through the functions and methods that it may call: numbers, strings
and tensors, also in containers, in the attributes and slots of objects and in the user's classes; the content of NumPy arrays up to
MOST_BYTES; of modules their mode, their tensors and their settings. What a description leaves out (containers of more than MOST
objects, what lies too deep) makes the function run eagerly. Not looked into: objects of Python's own library, what lies deep in those
of installed packages, and what is reached in other ways, such as files and clocks.
"""

from __future__ import annotations

import dis
import gc
import types
import weakref
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from operator import is_
from typing import Any

from ..runtime import state
from ..runtime.tensor import Tensor
from .descriptions import (
    PLAIN,
    Description,
    content,
    described,
    function_state,
    hooks_of,
    hooks_on,
    optimizer_state,
    settings_of,
    values_of,
    which,
)
from .owners import is_module, is_of_packages, is_ours, is_pythons, is_users, own_classes
from .purity import executed

Reader = Callable[[], Any]
MOST_CLOSURES = 16  # functions of one code, with closures of their own, that are looked into
GROWN = 16  # times that more may be found of what a function looks at
_MAKING = frozenset(
    ("__init__", "__new__", "__post_init__")
)  # run where a class is called, not where there is an object
_CALLING = frozenset(
    ("type", "__class__", "replace")
)  # names by which an object's class may be called
# Names that stand for all attributes of an object.
_ANY = frozenset((
    "getattr", "vars", "__dict__", "dir", "asdict", "astuple", "fields", "attrgetter", "eval", "exec", "deepcopy", "__getattribute__",
    "getmembers",
))  # fmt: skip


def defaults_of(function: Any) -> tuple:
    """A function's defaults, also when it is gone."""
    return (getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None))


def surroundings(function: Any) -> list[Reader]:
    """Readers of what the function reaches besides its arguments; their values are part of a program's key.

    >>> scale = [2.0]
    >>> reader, = surroundings(lambda x: x * scale[0])
    >>> before = reader(); scale[0] = 3.0
    >>> before == reader()
    False
    """
    return Search().of(function)


def roots_of(function: Any) -> list[tuple[str, Any]]:
    """What the function reaches besides its arguments: names, and what stands there now."""
    search = Search()
    search.of(function)
    return [(name, get()) for name, get in search.roots]


def modules_of(readers: list[Reader]) -> list:
    """The modules that these readers look at."""
    modules = [r.get() for r in readers if isinstance(r, _Tree)]
    return [m for m in modules if is_module(m)]


def tensors_of(readers: list[Reader]) -> list[Tensor]:
    """The parameters and buffers of the modules that these readers look at."""
    parts = [m for tree in modules_of(readers) for m in tree.modules()]
    tensors = [t for m in parts for d in (m._parameters, m._buffers) for t in d.values()]
    return [t for t in tensors if isinstance(t, Tensor)]


def reach(readers: list[Reader], tensors: list[Tensor]) -> bool:
    """Whether one of these tensors is among what the readers look at."""
    if not set(map(id, tensors)).isdisjoint(map(id, tensors_of(readers))):
        return True
    wanted = set(map(which, tensors))
    looked = [r() for r in readers if not isinstance(r, _Tree)]
    while looked:
        x = looked.pop()
        if isinstance(x, tuple):
            if x and x[0] is Tensor and x[1] in wanted:
                return True
            looked.extend(x)
    return False


class Search:
    """One walk over functions and what they name: other functions, and methods of the classes that were met.

    What it follows, it follows by names. What a call has run besides (functions out of tables that were filled later, classes in
    attributes of classes, metaclasses) it learns of afterwards, by `covers`.
    """

    def __init__(self) -> None:
        self.found: list[Reader] = []
        self.codes: set[types.CodeType] = (
            set()
        )  # of all functions that were followed, and of those defined in them
        self.grown, self.lost = 0, False
        self.seen: set[int] = set()
        self.roots: list[tuple[str, Reader]] = []  # of functions that are no package's
        self.own = True
        self.counted, self.any = 0, False
        self.names: set[str] = set()
        self.kinds: dict[type, None] = {}

    def of(self, function: Any) -> list[Reader]:
        if is_module(function):
            self.note("self", weakref.ref(function))
        else:
            if isinstance(function, types.MethodType):
                self.note("self", lambda: function.__self__)
            elif not isinstance(function, types.FunctionType):
                self.note("self", lambda: function)
            self.follow(getattr(function, "__func__", function))
        return self.found

    def follow(self, function: Any) -> None:
        """What a Python function names. flambeau's own functions and Python's depend on their arguments only."""
        code = getattr(function, "__code__", None)
        if code is None or id(function) in self.seen:
            return
        self.codes.update(executed(code))
        if is_ours(function) or is_pythons(function):
            return
        self.seen.add(id(function))
        before, self.own = self.own, self.own and not is_of_packages(code.co_filename)
        self.named(function, code)
        self.own = before

    def covers(
        self,
        ran: dict[types.CodeType, dict[str, Any]],
        held: dict[types.CodeType, set[tuple]] | None = None,
    ) -> bool:
        """Whether all code that a call has run was followed, given with its globals. If not, now it is: `found` has grown.

        `held`: what the closures held of those functions that ran, by place in memory; many may have the same code.
        `lost`: it cannot be followed, or is other code at every call.
        """
        new = {c: f for c, f in ran.items() if c not in self.codes and _is_looked_into(c, f)}
        if not new:
            return True
        self.grown += 1
        for function in _that_ran(new, held or {}):
            self.follow(function)
        for code, scope in new.items():
            if code not in self.codes:  # of a function that is gone, or of a class or module
                self.follow(_made_of(code, scope))
                self.lost = self.lost or not {"__class__"}.issuperset(code.co_freevars)
        self.lost = self.lost or self.grown > GROWN
        return False

    def named(self, function: Any, code: types.CodeType) -> None:
        """What this code of a function names."""
        names = list(dict.fromkeys(_names(code)))
        for name, cell in zip(code.co_freevars, function.__closure__ or ()):
            if isinstance(content(cell), types.ModuleType):
                self.attributes(content(cell), names)
            elif name != "__class__":  # for `super`
                self.note(name, lambda cell=cell: content(cell))  # type: ignore[misc]
        if function.__defaults__ or function.__kwdefaults__:
            held = weakref.ref(function)
            self.note(f"the defaults of {function.__name__}", lambda: defaults_of(held()))
        scope = function.__globals__
        for name in dict.fromkeys(_globals(code)):
            if (
                name not in scope or name[0] == "@"
            ):  # no name of Python's: pytest's, for asserts that fail
                continue
            if isinstance(scope[name], types.ModuleType):
                self.attributes(scope[name], names)
            else:
                self.note(name, lambda name=name: scope.get(name))  # type: ignore[misc]
        new = {name for name in names if name not in self.names}
        self.names |= new
        if not new.isdisjoint(_CALLING):
            new |= _MAKING
        for kind in list(self.kinds):
            self.methods(kind, new)

    def attributes(self, package: types.ModuleType, names: list[str]) -> None:
        """Of a Python module: what the function's names may mean in it; of packages numbers, tensors, functions and classes."""
        if is_ours(package):
            return
        whole = not is_pythons(package) and not is_of_packages(
            getattr(package, "__file__", "") or ""
        )
        for name in names:
            thing = vars(package).get(name, package)
            if isinstance(thing, types.ModuleType):
                continue
            code = isinstance(thing, (types.FunctionType, type)) and not is_pythons(thing)
            if whole or code or isinstance(thing, (*PLAIN, Tensor)):
                self.note(name, lambda name=name: vars(package).get(name))  # type: ignore[misc]

    def note(self, name: str, get: Reader) -> None:
        """Something that is looked at, under this name."""
        thing = get()
        if self.own:
            self.roots.append((name, get))
        if is_module(thing):
            if id(thing) not in self.seen:
                self.seen.add(id(thing))
                for m in thing.modules():
                    self.follow(type(m).forward)
                    self.met(type(m))
                    for value in settings_of(m):
                        self.within(value)
            self.found.append(_Tree(get))
        elif isinstance(thing, types.FunctionType):
            self.found.append(FunctionReader(get))
            self.follow(thing)
        elif not is_users(type(thing)) and hasattr(
            thing, "__wrapped__"
        ):  # a compiled helper, a cache
            self.follow(thing.__wrapped__)
        elif isinstance(thing, type):
            if is_users(thing):
                self.found.append(lambda: described(get(), self.looked_at()))
                self.met(thing, True)
        elif is_ours(type(thing)) and not isinstance(thing, Tensor):
            self.found.append(
                lambda: optimizer_state(x) if is_ours(type(x := get())) else described(x)
            )
        else:
            self.found.append(lambda: described(get(), self.looked_at()))
            self.within(thing)

    def looked_at(self) -> set[str] | None:
        """The names of attributes that the functions may look at; None where they name `getattr` or the like."""
        if self.counted != len(self.names):
            self.counted, self.any = len(self.names), not self.names.isdisjoint(_ANY)
        return None if self.any else self.names

    def within(self, thing: Any) -> None:
        """Functions that stand somewhere in a value, and the classes of what stands there."""
        if type(thing) in PLAIN:
            return
        walk = Description()
        walk.of(thing, 0)
        for function in walk.functions:
            self.follow(function)
        for kind in walk.kinds:
            self.met(kind)
        for kind in walk.classes:
            self.met(kind, True)

    def met(self, kind: type, called: bool = False) -> None:
        """A class of which there is an object, or which may be called."""
        called = called or not self.names.isdisjoint(_CALLING)
        for k in own_classes(kind):
            if k not in self.kinds:
                self.kinds[k] = None
                special = {n for n in k.__dict__ if n.startswith("__") and n not in _MAKING}
                self.methods(k, self.names | special)
            if called:
                self.methods(k, _MAKING)

    def methods(self, kind: type, names: set[str] | frozenset[str]) -> None:
        """Follows those of its methods that may be meant by these names."""
        for name in names & kind.__dict__.keys():
            method = kind.__dict__[name]
            if isinstance(method, classmethod):  # which may call its class
                self.methods(kind, _MAKING)
            for part in ("fget", "__func__"):
                method = getattr(method, part, method)
            if isinstance(method, types.FunctionType):
                self.follow(method)


def _that_ran(codes: Collection[types.CodeType], held: dict[types.CodeType, set[tuple]]) -> list:
    """The functions of these codes; where closures are known, those that have one of them. Not more than MOST_CLOSURES of a code."""
    counts: dict[types.CodeType, int] = {}
    found = []
    for function in gc.get_referrers(*codes):
        if not isinstance(function, types.FunctionType) or function.__code__ not in codes:
            continue
        code = function.__code__
        cells = tuple([id(content(cell)) for cell in function.__closure__ or ()])
        if code in held and cells not in held[code]:
            continue
        counts[code] = counts.get(code, 0) + 1
        if counts[code] <= MOST_CLOSURES:
            found.append(function)
    return found


def _is_looked_into(code: types.CodeType, scope: dict[str, Any]) -> bool:
    """Whether code may depend on more than its arguments, and is the user's. Named tuples are made by code that has a scope of its own."""
    return is_users(_made_of(code, scope)) and not str(scope.get("__name__")).startswith(
        "namedtuple_"
    )


def _made_of(code: types.CodeType, scope: dict[str, Any]) -> types.FunctionType:
    return types.FunctionType(
        code, scope, closure=tuple(types.CellType() for _ in code.co_freevars)
    )


def _globals(code: types.CodeType) -> Iterator[str]:
    """The global names that a function's code reads, and the functions and comprehensions in it."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL"):
            yield step.argval
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _globals(inner)


def _names(code: types.CodeType) -> Iterator[str]:
    """The names of globals and of attributes in a function's code and in what is defined inside."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


class FunctionReader:
    """Reads a function: `function_state`, as long as it is the same with the same code."""

    __slots__ = ("code", "function", "get", "seen")

    def __init__(self, get: Reader) -> None:
        self.get = get
        self.function: Any = None
        self.code: Any = None
        self.seen: Any = None

    def __call__(self) -> Any:
        x = self.get()
        if x is self.function and x.__code__ is self.code and not x.__dict__:
            return self.seen
        seen = function_state(x)
        if type(x) is types.FunctionType and not x.__dict__:
            self.function, self.code, self.seen = x, x.__code__, seen
        return seen


_END = object()


class _Tree:
    """Reads a module and all in it: a number that is another when its state is. Quick while nothing has been set.

    Settings are looked through only when some attribute of one of its modules or some `requires_grad` was set since
    (`state.changes` counts those of all modules); members, and settings that can change without being set, at every call.
    """

    def __init__(self, get: Reader) -> None:
        self.get = get
        self.tokens: dict[Any, int] = {}
        self.seen: Any = None
        self.found: list[Any] = []
        self.module: Any = _nothing  # a weak reference
        self.classes: list[Any] = []  # dictionaries of the user's classes
        self.of_classes: list[Any] = []
        self.changes = self.token = -1
        self.own: list[dict[str, Any]] = []  # the attributes of the modules
        self.held: list[Any] = []  # what these were
        self.tensors: list[Tensor] = []
        self.nodes: list[Any] = []
        self.hooked: list[tuple] = []

    def __call__(self) -> Any:
        module = self.get()
        if not is_module(module):
            return described(module)
        changes = state.changes
        if module is self.module() and (changes == self.changes or self.unset()) and self.same():
            self.changes = changes
            return self.token
        self.module, self.changes = weakref.ref(module), changes
        parts = list(module.modules())
        self.own = [m.__dict__ for m in parts]
        self.held = [*chain.from_iterable(map(dict.values, self.own)), _END]
        self.tensors = [t for m in parts for t in m._parameters.values() if t is not None]
        self.nodes = [t._node for t in self.tensors]
        self.hooked = [hooks_on(node) for node in self.nodes]
        self.members = [d for m in parts for d in (m._parameters, m._buffers, m._modules)]
        self.hooks = [d for m in parts for d in hooks_of(m)]
        self.loose = [
            v for m in parts for v in settings_of(m)
            if type(v) not in PLAIN and not isinstance(v, tuple)
        ]  # fmt: skip
        met: list[Any] = [type(m) for m in parts]
        kinds = dict.fromkeys(k for kind in met for k in own_classes(kind))
        self.classes = [k.__dict__ for k in kinds]
        self.loose += [v for k in kinds for v in values_of(k) if type(v) not in PLAIN]
        self.found = list(chain.from_iterable(map(dict.values, self.members)))
        self.of_classes = [*chain.from_iterable(d.values() for d in self.classes), _END]
        self.seen = self.looked()
        full = (described(module), tuple(map(which, (*self.found, *self.of_classes))), self.seen)
        # Most are empty, and asking that takes a tenth of walking through them.
        self.empty = [d for d in (*self.members, *self.hooks) if not d]
        self.members = [d for d in self.members if d]
        self.found.append(_END)
        self.token = self.tokens.setdefault(full, len(self.tokens))
        return self.token

    def unset(self) -> bool:
        """Whether what was set since was set on others: attributes are the same objects, and parameters have the same nodes."""
        now = chain(chain.from_iterable(map(dict.values, self.own)), (_END,))
        if not all(map(is_, now, self.held)):
            return False
        if not all(map(is_, [t._node for t in self.tensors], self.nodes)):
            return False
        return [hooks_on(node) for node in self.nodes] == self.hooked

    def same(self) -> bool:
        """Whether what may change without a word is as it was: members first, which are many."""
        if any(self.empty):
            return False
        now = chain(chain.from_iterable(map(dict.values, self.members)), (_END,))
        if not all(map(is_, now, self.found)):  # as many on both sides, or the ends do not meet
            return False
        if self.classes:
            now = chain(chain.from_iterable([d.values() for d in self.classes]), (_END,))
            if not all(map(is_, now, self.of_classes)):
                return False
        if not self.loose and not self.seen[0]:
            return True
        return self.looked() == self.seen

    def looked(self) -> tuple:
        """Hooks, and settings that can change without being set."""
        loose = tuple([described(v) for v in self.loose])
        return tuple(chain.from_iterable(self.hooks)), loose


def _nothing() -> None:
    """A weak reference to no module."""
