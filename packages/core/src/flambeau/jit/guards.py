"""What a traced function depends on besides its arguments, read again before each call of its program.

Through its closure, its globals, its defaults and `self`, and through the Python functions that it calls: numbers, strings
and tensors, also in lists, dicts and the attributes of objects; of modules their mode, their tensors and their settings.
Not looked into: containers of more than MOST items (only whether it is the same one), anything DEEPEST levels down, and
what is reached in other ways, such as files, clocks and class attributes.
"""

from __future__ import annotations

import dis
import types
import weakref
from collections.abc import Callable, Iterator
from itertools import chain
from operator import is_
from typing import Any

from ..runtime import state
from ..runtime.tensor import Tensor

PLAIN = (int, float, complex, bool, str, bytes, type(None))
MOST = 1000
DEEPEST = 4
Reader = Callable[[], Any]


def surroundings(function: Any) -> list[Reader]:
    """Readers of what the function reaches besides its arguments; their values are part of a program's key.

    >>> scale = [2.0]
    >>> reader, = surroundings(lambda x: x * scale[0])
    >>> before = reader(); scale[0] = 3.0
    >>> before == reader()
    False
    """
    return _Search().of(function)


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
    wanted = set(map(id, tensors))
    if not wanted.isdisjoint(map(id, tensors_of(readers))):
        return True
    looked = [r() for r in readers if not isinstance(r, _Tree)]
    while looked:
        x = looked.pop()
        if isinstance(x, tuple):
            looked.extend(x)
        elif type(x) is int and x in wanted:
            return True
    return False


class _Search:
    """One walk over functions and what they name."""

    def __init__(self) -> None:
        self.found: list[Reader] = []
        self.seen: set[int] = set()

    def of(self, function: Any) -> list[Reader]:
        if is_module(function):
            self.note(lambda: function)
        else:
            bound = getattr(function, "__self__", None)
            if bound is not None and not isinstance(bound, types.ModuleType):
                self.note(lambda: bound)
                self.methods(type(bound), getattr(function, "__func__", function))
            self.follow(getattr(function, "__func__", function))
        return self.found

    def follow(self, function: Any) -> None:
        """What a Python function names. flambeau's own functions depend on their arguments only."""
        code = getattr(function, "__code__", None)
        if code is None or id(function) in self.seen or is_ours(function):
            return
        self.seen.add(id(function))
        for cell in function.__closure__ or ():
            self.note(lambda cell=cell: _content(cell))  # type: ignore[misc]
        if function.__defaults__ or function.__kwdefaults__:
            self.note(lambda: (function.__defaults__, function.__kwdefaults__))
        scope, names = function.__globals__, list(dict.fromkeys(_names(code)))
        for name in dict.fromkeys(_globals(code)):
            if name not in scope:
                continue
            if isinstance(scope[name], types.ModuleType):
                self.attributes(scope[name], names)
            else:
                self.note(lambda name=name: scope.get(name))  # type: ignore[misc]

    def methods(self, kind: type, method: Any) -> None:
        """A method, and those of its class that it calls."""
        waiting, known = [method], {id(method)}
        while waiting:
            method = waiting.pop()
            self.follow(method)
            if not isinstance(method, types.FunctionType) or is_ours(method):
                continue
            for name in _of_self(method.__code__):
                found = getattr(kind, name, None)
                if isinstance(found, types.FunctionType) and id(found) not in known:
                    known.add(id(found))
                    waiting.append(found)

    def attributes(self, package: types.ModuleType, names: list[str]) -> None:
        """Of a Python module: the numbers and tensors in it that the function's names may mean."""
        if is_ours(package):
            return
        for name in names:
            if isinstance(getattr(package, name, package), (*PLAIN, Tensor)):
                self.note(lambda name=name: getattr(package, name, None))  # type: ignore[misc]

    def note(self, get: Reader) -> None:
        thing = get()
        if is_module(thing):
            if id(thing) not in self.seen:
                self.seen.add(id(thing))
                for kind in {type(m) for m in thing.modules()}:
                    self.methods(kind, kind.forward)
            self.found.append(_Tree(get))
        elif isinstance(thing, types.FunctionType):
            self.found.append(lambda: id(get()))
            self.follow(thing)
        elif isinstance(thing, Tensor):
            self.found.append(lambda: id(get()))
        elif hasattr(thing, "__wrapped__"):  # a compiled helper
            self.follow(thing.__wrapped__)
        elif is_ours(type(thing)):
            self.found.append(lambda: id(get()))
        elif not isinstance(thing, (type, types.BuiltinFunctionType)):
            self.found.append(lambda: described(get()))


def is_ours(thing: Any) -> bool:
    """Whether a class, function or module is flambeau's own."""
    name = str(getattr(thing, "__module__", None) or getattr(thing, "__name__", ""))
    return name == "flambeau" or name.startswith("flambeau.")


def _globals(code: types.CodeType) -> Iterator[str]:
    """The global names that a function's code reads, and the functions and comprehensions in it."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
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


def _of_self(code: types.CodeType) -> Iterator[str]:
    """The attributes that a method takes of its first argument."""
    own, before = code.co_varnames[:1], None
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and (before,) == own:
            yield step.argval
        loads = "LOAD_FAST" in step.opname
        before = step.argval[-1] if isinstance(step.argval, tuple) else step.argval
        before = before if loads else None


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def frozen(x: Any) -> Any:
    """A plain value as part of a key: with its type where it can be hashed, else which object it is."""
    try:
        hash(x)
    except TypeError:
        return (type(x), id(x))
    return (type(x), x)


def described(x: Any, depth: int = 0) -> Any:
    """A value as part of a key, through containers and the attributes of objects."""
    kind = type(x)
    if kind in PLAIN:
        return (kind, x)
    if isinstance(x, Tensor):
        return id(x)
    if depth == DEEPEST or isinstance(x, (type, types.ModuleType, types.FunctionType)):
        return frozen(x)
    if is_module(x):
        return (id(x), *tree_state(x, set()))
    if isinstance(x, dict):
        return (
            id(x),
            len(x),
            _inside(x.values(), depth) if len(x) <= MOST else None,
            tuple(map(frozen, x)),
        )
    if isinstance(x, (list, tuple)):
        return (
            id(x) if kind is list else kind,
            len(x),
            _inside(x, depth) if len(x) <= MOST else None,
        )
    attributes = getattr(x, "__dict__", None)
    return (
        frozen(x)
        if attributes is None
        else (id(x), _inside(attributes.values(), depth), tuple(attributes))
    )


def _inside(values: Any, depth: int) -> tuple:
    return tuple([described(v, depth + 1) for v in values])


def is_module(x: Any) -> bool:
    """Whether `x` is an `nn.Module` (which stands in a layer above)."""
    return hasattr(x, "_parameters") and hasattr(x, "modules") and hasattr(x, "training")


_END = object()


class _Tree:
    """Reads a module and all in it: a number that is another when its state is. Quick while nothing has been set.

    Settings are looked through only when some module's attribute or some tensor's `requires_grad` was set since
    (`state.changes`); members, and settings that can change without being set, at every call.
    """

    def __init__(self, get: Reader) -> None:
        self.get = get
        self.tokens: dict[Any, int] = {}
        self.seen: Any = None
        self.found: list[Any] = []
        self.module: Any = _nothing  # a weak reference
        self.changes = self.token = -1

    def __call__(self) -> Any:
        module = self.get()
        if not is_module(module):
            return described(module)
        if module is self.module() and state.changes == self.changes and self.same():
            return self.token
        self.module, self.changes = weakref.ref(module), state.changes
        parts = list(module.modules())
        self.members = [d for m in parts for d in (m._parameters, m._buffers, m._modules)]
        self.hooks = [d for m in parts for d in _hooks(m)]
        self.loose = [
            v for m in parts for v in _settings(m)
            if type(v) not in PLAIN and not isinstance(v, tuple)
        ]  # fmt: skip
        self.found = list(chain.from_iterable(map(dict.values, self.members)))
        self.seen = self.looked()
        full = (described(module), tuple(map(id, self.found)), self.seen)
        # Most are empty, and asking that takes a tenth of walking through them.
        self.empty = [d for d in (*self.members, *self.hooks) if not d]
        self.members = [d for d in self.members if d]
        self.found.append(_END)
        self.token = self.tokens.setdefault(full, len(self.tokens))
        return self.token

    def same(self) -> bool:
        """Whether what may change without a word is as it was: members first, which are many."""
        if any(self.empty):
            return False
        now = chain(chain.from_iterable(map(dict.values, self.members)), (_END,))
        if not all(map(is_, now, self.found)):  # as many on both sides, or the ends do not meet
            return False
        if not self.loose and not self.seen[0]:
            return True
        return self.looked() == self.seen

    def looked(self) -> tuple:
        """Hooks, and settings that can change without being set."""
        loose = tuple([described(v, DEEPEST - 1) for v in self.loose])
        return tuple(chain.from_iterable(self.hooks)), loose


_OF_ALL = frozenset((
    "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_backward_pre_hooks", "_backward_hooks",
    "_is_full_backward_hook", "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_compiled_call_impl", "_compiled_methods",
))  # fmt: skip


def _settings(m: Any) -> list:
    """What was stored on a module besides tensors and modules; under names with an underscore only by classes of the user's."""
    ours = is_ours(type(m))
    return [
        v
        for k, v in m.__dict__.items()
        if (k[0] != "_" or not (ours or k in _OF_ALL)) and not isinstance(v, Tensor)
    ]


def _hooks(m: Any) -> tuple:
    return (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks, m._backward_pre_hooks)


def _nothing() -> None:
    """A weak reference to no module."""


def tree_state(m: Any, seen: set[int]) -> list:
    """The states of a module and of all modules in it, whichever these are now."""
    if id(m) in seen:
        return []
    seen.add(id(m))
    states = [module_state(m)]
    for child in m._modules.values():
        if child is not None:
            states += tree_state(child, seen)
    return states


def module_state(m: Any) -> tuple:
    """A module's class, tensors, hooks, and settings: mode, numbers, sizes, and what else was stored on it."""
    parameters = m._parameters.values()
    settings = [described(v, DEEPEST - 1) for v in _settings(m)]
    tensors = [id(t) for t in (*parameters, *m._buffers.values())]
    hooks = [k for d in _hooks(m) for k in (*d, None)]
    return (
        type(m),
        id(m),
        *hooks,
        *settings,
        *tensors,
        *[t is not None and t.requires_grad for t in parameters],
    )
