"""`jit.script`: functions and modules of Python as programs of the language.

The source is read, names from outside are replaced by canonical ones (`flambeau.nn.functional.relu`, `functions.helper`,
a constant's value), and the result, which is also what files hold, is compiled.
"""

from __future__ import annotations

import enum
import inspect
from typing import Any

from ..._base.devices import device as Device
from ...nn.modules.module import Module
from ...runtime.tensor import Tensor
from . import classes
from .common import NotSupportedError
from .functions import SCRIPTED, Functions, Outside, is_plain
from .module import BASE, ScriptFunction, ScriptModule
from .names import Library, spelling
from .optimized import original


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """A function or module whose control flow is kept as a program.

    The program can be saved by `jit.save` and runs without the Python it came from. Source outside the subset
    (docs/torchscript.md) is a NotSupportedError that shows the line. Parameters are shared with the original module.

    >>> import flambeau
    >>> def steps(x, n: int):
    ...     for i in range(n):
    ...         x = x * 2
    ...     return x
    """
    if args or kwargs:
        raise TypeError("script: one function or module is all it takes")
    if isinstance(obj, (ScriptModule, ScriptFunction)):
        return obj
    obj = original(obj)
    if isinstance(obj, Module):
        library = Library()
        modules = _Modules(library)
        made = modules.module(obj)
        modules.rest()
        if not isinstance(made, ScriptModule):
            made = wrapped(made, library)
        return made
    if inspect.isfunction(obj):
        mark = getattr(obj, "_script_mark", None)
        if mark in ("ignore", "unused"):
            return obj
        library = Library()
        return ScriptFunction(Functions(library).compile(obj), library)
    if is_plain(obj) or classes.is_class(obj):
        SCRIPTED.add(obj)
        Functions(Library()).kind(
            obj
        )  # refused here, where it is written; programs compile it when they use it
        return obj
    raise TypeError(f"script: expected a function or a module, got {type(obj).__name__}")


def wrapped(module: Module, library: Library) -> ScriptModule:
    """A scripted module around one of the library's own, whose members it shares."""
    made = ScriptModule(type(module).__name__)
    made.__dict__.update(
        _parameters=module._parameters, _buffers=module._buffers, _modules=module._modules,
        _non_persistent_buffers_set=module._non_persistent_buffers_set, training=module.training,
    )  # fmt: skip
    made.__dict__["_library"] = library
    made._programs["forward"] = LibraryForward(module)
    return made


class LibraryForward:
    """`forward` of one of the library's modules, run on the members of the scripted module around it."""

    def __init__(self, module: Module) -> None:
        self.name, self.module = "forward", module
        self.text = f"flambeau.nn.{type(module).__name__}.forward\n"

    def __call__(self, owner: ScriptModule, *args: Any, **kwargs: Any) -> Any:
        view = object.__new__(type(self.module))
        view.__dict__.update(self.module.__dict__)
        for name in ("_parameters", "_buffers", "_modules", "training"):
            view.__dict__[name] = owner.__dict__[name]
        return view.forward(*args, **kwargs)


def is_library(module: Module) -> bool:
    """Whether a module's class is one of `flambeau.nn`."""
    return type(module).__module__.startswith("flambeau.nn.modules.")


def library_class(module: Module) -> type[Module] | None:
    """The class of `flambeau.nn` that computes a module: its own, or that of a subclass which only puts it together."""
    if is_library(module):
        return type(module)
    kinds: Any = type(module).__mro__
    base = next(k for k in kinds if k.__module__.startswith("flambeau.nn.modules."))
    if base is Module or type(module).forward is not base.forward:
        return None
    for kind in kinds[: kinds.index(base)]:
        for name, value in vars(kind).items():
            if getattr(value, "_script_mark", None) == "export":
                return None
            changes = inspect.isfunction(value) and hasattr(base, name)
            changes = changes and not name.startswith("__") and name not in _HARMLESS
            if changes or isinstance(value, property):
                raise NotSupportedError(
                    f"script: {kind.__name__} changes {name} of {base.__name__}, whose forward it inherits; write a forward"
                )
    return base


_HARMLESS = ("extra_repr", "reset_parameters", "_load_from_state_dict")


class _Modules:
    """Scripts a tree of modules; each module of the original becomes one, shared ones stay shared."""

    def __init__(self, library: Library) -> None:
        self.functions = Functions(library)
        self.made: dict[int, Module] = {}
        self.methods: dict[int, _Methods] = {}

    def module(self, module: Module) -> Module:
        known = self.made.get(id(module))
        if known is not None:
            return known
        if isinstance(module, ScriptModule):
            made: Module = module
        elif (kind := library_class(module)) is not None:
            made = object.__new__(kind)
            made.__dict__.update(module.__dict__)
            for name in ("_parameters", "_buffers"):
                made.__dict__[name] = dict(module.__dict__[name])
            self.made[id(module)] = made
            made.__dict__["_modules"] = self.children(module)
        else:
            made = self.own(module)
        self.made[id(module)] = made
        return made

    def children(self, module: Module) -> dict[str, Module | None]:
        return {n: None if m is None else self.module(m) for n, m in module._modules.items()}

    def own(self, module: Module) -> ScriptModule:
        """A module of the user's class: members shared, methods compiled as they are met."""
        kind = type(module)
        made = ScriptModule(kind.__name__)
        self.made[id(module)] = made
        made.__dict__.update(
            training=module.training, _parameters=dict(module._parameters), _buffers=dict(module._buffers),
            _non_persistent_buffers_set=set(module._non_persistent_buffers_set), _library=self.functions.library,
        )  # fmt: skip
        made.__dict__["_modules"] = self.children(module)
        for name, value in module.__dict__.items():
            if name not in BASE and is_data(value := self.functions.data(value)):
                made.__dict__[name] = value
                made._attributes.add(name)
        wanted = self.methods[id(module)] = _Methods(self, module, made)
        forward = kind.forward
        if forward is not Module.forward and getattr(forward, "_script_mark", None) is None:
            wanted.uses("forward")
        for name in dir(kind):
            if getattr(inspect.getattr_static(kind, name), "_script_mark", None) == "export":
                wanted.uses(name)
        wanted.compile()
        return made

    def rest(self) -> None:
        """Methods of modules that programs met in loops or as arguments, by their names."""
        before = -1
        while before != len(self.functions.named):
            before = len(self.functions.named)
            for methods in list(self.methods.values()):
                methods.perhaps(self.functions.named)


class _Methods:
    """Methods of one module that its programs use."""

    def __init__(self, modules: _Modules, module: Module, made: ScriptModule) -> None:
        self.modules, self.functions, self.module, self.made = (
            modules,
            modules.functions,
            module,
            made,
        )
        self.waiting: list[str] = []
        self.seen: set[str] = set()

    def lacks(self, name: str, stores: bool) -> str:
        """What is wrong with a name that the module does not have."""
        if stores:
            return f"Tried to set nonexistent attribute: {name}. Did you forget to initialize it in __init__()?"
        return f"Module {type(self.module).__name__!r} has no attribute {name!r}"

    def uses(self, name: str, *rest: str) -> bool:
        """Notes that `self.name` is named, or `self.name.other` of a submodule; whether there is such a name."""
        child = self.module._modules.get(name)
        if child is not None and rest and id(child) in self.modules.methods:
            theirs = self.modules.methods[id(child)]
            theirs.uses(*rest)
            theirs.compile()
        if name in self.seen:
            return True
        members = (self.module._parameters, self.module._buffers, self.module._modules)
        if any(name in m for m in members) or name in self.module.__dict__:
            return True
        if not hasattr(self.module, name):
            return False
        self.seen.add(name)
        static = inspect.getattr_static(type(self.module), name, None)
        if inspect.isfunction(static) or isinstance(static, (staticmethod, property)):
            self.waiting.append(name)
        elif static is not None and is_data(static):
            self.made.__dict__[name] = static
            self.made._attributes.add(name)
        return True

    def perhaps(self, names: set[str]) -> None:
        """Compiles methods of these names; one that is no program is left out, for it may be of another module's."""
        for name in sorted(names - self.seen):
            if inspect.isfunction(inspect.getattr_static(type(self.module), name, None)):
                self.uses(name)
                try:
                    self.compile()
                except NotSupportedError:
                    self.waiting.clear()

    def compile(self) -> None:
        while self.waiting:
            name = self.waiting.pop()
            static = inspect.getattr_static(type(self.module), name)
            function: Any = static.fget if isinstance(static, property) else static
            if hasattr(Module, name) and static is inspect.getattr_static(Module, name, None):
                continue  # train, eval and the like
            if isinstance(static, staticmethod):
                program: Any = _Static(self.functions.compile(static.__func__))
            elif getattr(function, "_script_mark", None) in ("ignore", "unused"):
                program = Outside(function.__get__(self.module), function._script_mark)
                program = _Static(program)
            else:
                program = self.functions.compile(function, self)
            if isinstance(static, property):
                self.made._properties.add(name)
                if static.fset is not None:
                    self.made._programs[classes.setter_of(name)] = self.functions.compile(
                        static.fset, self
                    )
            self.made._programs[name] = program


class _Static:
    """A function among methods: it is not given the module."""

    def __init__(self, program: Any) -> None:
        self.program, self.name = program, program.name
        self.text = getattr(program, "text", "")

    def __call__(self, _module: Any, *args: Any, **kwargs: Any) -> Any:
        return self.program(*args, **kwargs)


Static = _Static


def is_data(value: Any) -> bool:
    """Whether a value can be an attribute of a scripted module: plain data, tensors, functions of the library."""
    if value is None or isinstance(value, (bool, int, float, complex, str, Tensor, Device)):
        return True
    if isinstance(value, (enum.Enum, classes.Struct)):
        return True
    if isinstance(value, (list, tuple)):
        return all(is_data(v) for v in value)
    if isinstance(value, dict):
        return all(isinstance(k, (str, int, float)) and is_data(v) for k, v in value.items())
    return spelling(value) is not None
