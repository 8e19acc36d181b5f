"""Archives of PyTorch's `torch.jit.save`: their classes and functions interpreted, their data unpickled as plain data.

    code/__torch__/a/b.py   classes and functions in TorchScript's subset of Python; parsed, never executed as Python
    data.pkl, data/0 ...    the objects: a class's name and its attributes
    constants.pkl           tensors that the code names as CONSTANTS.c0

A class becomes a `ScriptModule` whose programs are compiled when first called.
"""

from __future__ import annotations

import ast
import io
import pickle
import sys
from collections.abc import Callable
from typing import Any

from ...autograd.modes import enable_grad, no_grad
from ...nn.modules.module import Module
from ...nn.parameter import Parameter
from ...runtime.tensor import Tensor
from ...serialization import checkpoint
from ...serialization.globals import LoadedStorage
from ...serialization.unpickling import RestrictedUnpickler
from . import aten, classes
from .classes import Kind, Struct
from .common import NotSupportedError, dotted
from .data import damaged
from .language import Function, parse
from .module import ScriptModule
from .reading import Archive

_MODES = {"no_grad": no_grad, "enable_grad": enable_grad}


def load(archive: Archive, restore: Callable[..., Any]) -> Any:
    """The module in an archive of PyTorch."""
    program = _Program(archive, restore)
    constants = program.unpickled("constants.pkl", "constants/")
    if not isinstance(constants, tuple):
        damaged("constants.pkl is no tuple")
    program.constants = constants
    root = program.unpickled("data.pkl", "data/")
    if not isinstance(root, _Stored):
        damaged("data.pkl holds no module")
    made = program.built(root)
    if not isinstance(made, ScriptModule):
        damaged("data.pkl holds no module")
    return made


def _missing(name: str) -> Callable[..., Any]:
    """An operator that flambeau does not have."""

    def call(*args: Any, **kwargs: Any) -> Any:
        raise NotSupportedError(f"the program calls {name}, which flambeau does not have")

    return call


class _Kind:
    """A class of the archive, as its pickles name it."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Stored:
    """An object as it was pickled."""

    def __init__(self, kind: _Kind) -> None:
        self.kind = kind
        self.state: dict[str, Any] = {}


class _Member:
    """A member of an enumeration as it was pickled."""

    def __init__(self, kind: _Kind, value: Any) -> None:
        self.kind, self.value = kind, value


class _Unpickler(RestrictedUnpickler):
    """Plain data, tensors, and objects of the archive's own classes, which stay data."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Kind(f"{module}.{name}")
        if module == "torch.jit._pickle" and name in _PICKLED:
            return _PICKLED[name]
        return super().find_class(module, name)

    def load_reduce(self) -> None:
        if self.stack[-2] in _PICKLED.values():
            args = self.stack.pop()
            function = self.stack[-1]
            if type(args) is not tuple:
                raise pickle.UnpicklingError("a call without arguments")
            self.stack[-1] = function(*args)
        elif isinstance(self.stack[-2], _Kind):
            args = self.stack.pop()
            if type(args) is not tuple:
                args = (args,)
            self.stack[-1] = _Member(self.stack[-1], *args[:1])
        else:
            super().load_reduce()

    def load_newobj(self) -> None:
        if isinstance(self.stack[-2], _Kind):
            self.stack.pop()
            self.append(_Stored(self.stack.pop()))
        else:
            super().load_newobj()

    def load_build(self) -> None:
        if isinstance(self.stack[-2], _Stored):
            state = self.stack.pop()
            if isinstance(state, dict):
                self.stack[-1].state = state
            else:
                self.stack[-1].state = {"__state__": state}
        else:
            super().load_build()

    dispatch = dict(RestrictedUnpickler.dispatch)
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.BUILD[0]] = load_build


def _same(value: Any, *_types: Any) -> Any:
    return value


_PICKLED: dict[str, Callable[..., Any]] = dict.fromkeys(
    ("restore_type_tag", "build_intlist", "build_doublelist", "build_boollist", "build_tensorlist"), _same
)  # fmt: skip


class _Class:
    """A class of the archive: base, parameters, buffers, fields, constants, methods."""

    def __init__(self, node: ast.ClassDef) -> None:
        self.name = node.name
        self.base = getattr(node.bases[0], "id", "") if node.bases else ""
        self.lists: dict[str, list[str]] = {"__parameters__": [], "__buffers__": []}
        self.fields: list[str] = []
        self.constants: dict[str, Any] = {}
        self.methods: dict[str, ast.FunctionDef] = {}
        self.members: dict[str, Any] = {}
        for s in node.body:
            if isinstance(s, ast.FunctionDef):
                self.methods[s.name] = s
            elif isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name):
                self.fields.append(s.target.id)
                if s.value is not None:
                    self.constants[s.target.id] = _literal(s.value)
            elif (
                isinstance(s, ast.Assign)
                and isinstance(s.targets[0], ast.Name)
                and self.base == "Enum"
            ):
                self.members[s.targets[0].id] = _literal(s.value)
            elif isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name):
                self.lists[s.targets[0].id] = _literal(s.value)


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        if (
            isinstance(node, ast.Call)
            and len(node.args) == 1
            and getattr(node.func, "id", "") == "float"
        ):
            return float(ast.literal_eval(node.args[0]))
        found = {"inf": float("inf"), "nan": float("nan")}.get(getattr(node, "id", ""))
        return damaged(f"{ast.unparse(node)} is no constant") if found is None else found


class _Method:
    """A method or function of the archive, compiled when first called."""

    def __init__(self, node: ast.FunctionDef, program: _Program) -> None:
        self.node, self.program, self.name = node, program, node.name
        self.compiled: Function | None = None

    def __deepcopy__(self, memo: Any) -> _Method:
        return self

    @property
    def text(self) -> str:
        """The source as the archive has it, but for layout."""
        return ast.unparse(self.node) + "\n"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.compiled is None:
            text = self.text
            node = _Constants(self.program.constants).visit(ast.parse(text)).body[0]
            assert isinstance(node, ast.FunctionDef)
            self.compiled = Function(node, self.program, text, forks=True)
        return self.compiled(*args, **kwargs)


class _Constants(ast.NodeTransformer):
    """Puts numbers in the places of the tensors that tracing made of them: `torch.mul(x, CONSTANTS.c0)` is `x * 0.5`, and
    of the type that x has."""

    def __init__(self, constants: tuple) -> None:
        self.constants = constants

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        owner, _, name = (dotted(node.func) or "").rpartition(".")
        if owner == "torch" and name.removesuffix("_") in _OF_TWO and len(node.args) >= 2:
            made = [self.number(a) for a in node.args[:2]]
            if made.count(None) == 1:
                node.args[:2] = [a if m is None else m for a, m in zip(node.args, made)]
        return node

    def number(self, node: ast.expr) -> ast.expr | None:
        """The number that a node names; None where it names none."""
        name = dotted(node) or ""
        at = name.removeprefix("CONSTANTS.c")
        if not (name.startswith("CONSTANTS.c") and at.isdigit() and int(at) < len(self.constants)):
            return None
        value = self.constants[int(at)]
        if not isinstance(value, Tensor) or value.dim() or value.dtype.name not in _OF_NUMBERS:
            return None
        return ast.copy_location(ast.Constant(value.item()), node)


_OF_TWO = frozenset(["add", "sub", "mul", "div", "rsub", "pow", "remainder", "fmod", "floor_divide", "eq", "ne", "lt", "le", "gt", "ge"])  # fmt: skip
_OF_NUMBERS = ("float64", "int64", "complex128")


class _Maker:
    """A class as code names it: called, or `Class.__new__(Class)`."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (
            self.kind(*args, **kwargs)
            if args or not isinstance(self.kind, Kind)
            else Struct(self.kind)
        )


class _Program:
    """The code of an archive: the scope of its functions."""

    def __init__(self, archive: Archive, restore: Callable[..., Any]) -> None:
        self.archive, self.restore = archive, restore
        self.constants: tuple = ()
        self._files = {
            record.removeprefix("code/").removesuffix(".py").replace("/", "."): self._read(
                archive, record
            )
            for record in archive.records()
            if record.startswith("code/") and record.endswith(".py")
        }
        self._methods: dict[tuple[int, str], _Method] = {}
        self._kinds: dict[int, Any] = {}
        self._built: dict[int, Any] = {}
        self._swap = checkpoint._byte_order(archive) != sys.byteorder

    # -- data -----------------------------------------------------------------------------------------------------------

    def unpickled(self, record: str, folder: str) -> Any:
        """What a pickle of the archive holds; objects as `_Stored`."""
        loaded: dict[str, Any] = {}

        def storage(pid: Any) -> LoadedStorage:
            kind, key, location, count = checkpoint.check_storage_id(pid, extra=0)
            name = folder + key
            if self.archive.size(name) != count * kind.dtype.itemsize:
                damaged(
                    f"storage {key!r} has {self.archive.size(name)} bytes for {count} {kind.dtype}"
                )
            if name not in loaded:
                raw = checkpoint._bytes_of(self.archive, name, None, kind, self._swap)
                loaded[name] = self.restore(raw, location)
            return LoadedStorage(kind, loaded[name])

        return _Unpickler(io.BytesIO(self.archive.read(record).tobytes()), storage).load()

    def built(self, value: Any) -> Any:
        """Pickled data with modules and objects in the places of what they were stored as."""
        if isinstance(value, list):
            return [self.built(v) for v in value]
        if type(value) is tuple:
            return tuple(self.built(v) for v in value)
        if isinstance(value, dict):
            return {k: self.built(v) for k, v in value.items()}
        if isinstance(value, _Member):
            return self._member(value)
        if not isinstance(value, _Stored):
            return value
        if id(value) not in self._built:
            kind = self._class(value.kind.name)
            if kind.base == "Module":
                self._module(kind, value)
            else:
                made = self._built[id(value)] = Struct(self.kind(kind))
                made.values.update({k: self.built(v) for k, v in value.state.items()})
        return self._built[id(value)]

    def _member(self, stored: _Member) -> Any:
        kind = self.kind(self._class(stored.kind.name))
        try:
            return kind(stored.value)
        except (TypeError, ValueError) as error:
            damaged(f"{stored.value!r} is no member of {stored.kind.name} ({error})")

    def _module(self, kind: _Class, stored: _Stored) -> None:
        made = self._built[id(stored)] = ScriptModule(kind.name)
        state = made.__dict__
        taken = {n for n in dir(ScriptModule) if callable(getattr(ScriptModule, n, None))} | set(
            state
        )
        for name, value in {**kind.constants, **stored.state}.items():
            if name in ("training", "_is_full_backward_hook"):
                continue
            if not isinstance(name, str) or name.startswith("__") or name in taken - {"name"}:
                damaged(f"a module cannot have an attribute {name!r}")
            value = self.built(value)
            if name in kind.lists["__parameters__"] and (
                value is None or isinstance(value, Tensor)
            ):
                if (value is not None and value.is_floating_point()) or (
                    value is not None and value.is_complex()
                ):
                    value = self._parameter(value)
                state["_parameters"][name] = value
            elif name in kind.lists["__buffers__"] and (value is None or isinstance(value, Tensor)):
                state["_buffers"][name] = value
            elif isinstance(value, Module):
                state["_modules"][name] = value
            else:
                state[name] = value
                made._attributes.add(name)
        self._renew(made)
        state["training"] = bool(stored.state.get("training", False))
        for name in kind.methods:
            made._programs[name] = self.method(kind, name)

    def _parameter(self, tensor: Tensor) -> Parameter:
        known = self._built.get(id(tensor))
        if known is None:
            known = self._built[id(tensor)] = Parameter(tensor.detach(), tensor.requires_grad)
            self._built[-id(tensor)] = tensor  # its id stays in use
        return known

    def _renew(self, made: ScriptModule) -> None:
        """Tensors in attributes that are parameters too (the flat weights of an LSTM) are those parameters."""
        for name in made._attributes:
            value = made.__dict__[name]
            if isinstance(value, list) and value and all(isinstance(v, Tensor) for v in value):
                made.__dict__[name] = [self._built.get(id(v), v) for v in value]

    # -- code -----------------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Any:
        """The value of a name in the archive's code; KeyError if there is none."""
        if name.startswith("CONSTANTS.c"):
            at = name.removeprefix("CONSTANTS.c")
            if not at.isdigit() or int(at) >= len(self.constants):
                raise KeyError(name)
            return self.built(self.constants[int(at)])
        if name.startswith("__torch__."):
            owner, _, last = name.rpartition(".")
            if last == "__new__":
                return lambda kind: kind()
            if owner.startswith("__torch__.torch.autograd.grad_mode") and last in _MODES:
                return _Mode(_MODES[last])
            if owner not in self._files:  # a member of an enumeration
                return self.kind(self._class(owner)).__members__[last]
            found = self._names(owner)[last]
            if isinstance(found, _Class) and found.base not in ("Module", "Interface"):
                return _Maker(self.kind(found))
            return found
        try:
            return aten.find(name)
        except KeyError:
            if not name.startswith(("torch.", "ops.")):
                raise
            return _missing(name)  # perhaps on a path that is never taken

    def method(self, kind: _Class, name: str) -> _Method:
        """A method of a class, one object for all modules of it."""
        key = (id(kind), name)
        if key not in self._methods:
            self._methods[key] = _Method(kind.methods[name], self)
        return self._methods[key]

    def kind(self, stored: _Class) -> Any:
        """A class of the archive that is no module: a named tuple, an enumeration, or fields with methods."""
        if id(stored) not in self._kinds:
            self._kinds[id(stored)] = self._made_kind(stored)
        return self._kinds[id(stored)]

    def _made_kind(self, stored: _Class) -> Any:
        if stored.base == "NamedTuple":
            return classes.named_tuple(stored.name, stored.fields, [])
        if stored.base == "Enum":
            return classes.enumeration(stored.name, stored.members.items())
        made = classes.Kind(stored.name, stored.fields)
        made.methods = {n: self.method(stored, n) for n in stored.methods}
        return made

    def _class(self, name: str) -> _Class:
        owner, _, last = name.rpartition(".")
        found = self._files.get(owner, {}).get(last)
        if not isinstance(found, _Class):
            damaged(f"there is no class {name}")
        return found

    def _names(self, module: str) -> dict[str, Any]:
        """Classes and functions of one file."""
        return self._files[module]

    def _read(self, archive: Archive, record: str) -> dict[str, Any]:
        try:
            text = archive.read(record).tobytes().decode()
        except UnicodeDecodeError as error:
            damaged(f"{record} is no text ({error})")
        names: dict[str, Any] = {}
        for node in parse(text, "jit.load").body:
            if isinstance(node, ast.ClassDef):
                names[node.name] = _Class(node)
            elif isinstance(node, ast.FunctionDef):
                names[node.name] = _Method(node, self)
        return names


class _Mode:
    """`no_grad` as the archive's code makes and enters it."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def __call__(self) -> Any:
        return self

    def script_attribute(self, name: str) -> Any:
        """`__init__`, which has nothing left to do."""
        if name == "__init__":
            return lambda: None
        raise AttributeError(f"a mode has no attribute {name!r}")

    def script_context(self) -> Any:
        """What a `with` enters."""
        return self.kind()
