"""`jit.script`: functions and modules of Python as programs of the language.

The source is read, names from outside are replaced by canonical ones (`flambeau.nn.functional.relu`, `functions.helper`,
a constant's value), and the result, which is also what files hold, is compiled.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import textwrap
import types as python
from collections.abc import Callable
from typing import Any, NoReturn

from ..._base.devices import device as Device
from ...nn.modules.module import Module
from ...runtime.tensor import Tensor
from . import marks, types
from .common import NotSupportedError, dotted
from .language import ERRORS, Function, compiles, local_names
from .module import BASE, ScriptFunction, ScriptModule
from .names import Library, spelling

_FORMS: dict[Any, str] = {
    marks.annotate: "annotate", marks.isinstance: "isinstance", isinstance: "isinstance", getattr: "getattr",
    hasattr: "hasattr",
}  # fmt: skip


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
    if isinstance(obj, Module):
        library = Library()
        made = _Modules(library).module(obj)
        if not isinstance(made, ScriptModule):
            made = wrapped(made, library)
        return made
    if inspect.isfunction(obj):
        mark = getattr(obj, "_script_mark", None)
        if mark in ("ignore", "unused"):
            return obj
        library = Library()
        return ScriptFunction(_Functions(library).compile(obj), library)
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


class _Functions:
    """Compiles functions and what they call into one library."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.known: dict[Any, str] = {}

    def compile(self, function: Callable[..., Any]) -> Function:
        """The program of a function."""
        node, line = source(function)
        _Renaming(self, function, node, line, None).rewrite()
        return _made(node, self.library, function, line)

    def called(self, function: Callable[..., Any]) -> str:
        """The name of a function that scripts call, compiled when first met."""
        name = self.known.get(function)
        if name is None:
            name = function.__name__
            while name in self.library.functions:
                name += "_"
            self.known[function] = name
            mark = getattr(function, "_script_mark", None)
            if mark in ("ignore", "unused"):
                self.library.functions[name] = Outside(function, mark)
            else:
                self.library.functions[name] = later = _Later(name)
                later.target = self.library.functions[name] = self.compile(function)
        return name


class _Later:
    """A function that is being compiled, for those that call it meanwhile, itself included."""

    target: Any = None

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.target(*args, **kwargs)


class Outside:
    """A function marked `ignore` or `unused`: Python that no file can hold."""

    def __init__(self, function: Callable[..., Any], mark: str) -> None:
        self.function, self.mark, self.name = function, mark, function.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.mark == "unused":
            raise NotImplementedError(f"{self.name} is marked unused: scripts cannot call it")
        return self.function(*args, **kwargs)


def source(function: Callable[..., Any]) -> tuple[ast.FunctionDef, int]:
    """A function's tree and the line of its file that it begins on."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError) as error:
        raise NotSupportedError(
            f"script: the source of {getattr(function, '__qualname__', function)!r} cannot be read: {error}"
        ) from None
    node = tree.body[0]
    if not isinstance(node, ast.FunctionDef):
        raise NotSupportedError(
            f"script: {getattr(function, '__qualname__', function)!r} is no plain function made by def"
        )
    node.decorator_list = []
    if (
        len(node.body) > 1
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    ):
        del node.body[0]  # the docstring
    return node, max(first, 1)


def _made(node: ast.FunctionDef, library: Library, function: Any, line: int) -> Function:
    text = ast.unparse(node) + "\n"
    Function(node, library, inspect.getsource(function))  # refusals show the user's own line
    tree = ast.parse(text).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return Function(tree, library, text)


class _Renaming(ast.NodeTransformer):
    """Replaces names from outside a function by canonical ones."""

    def __init__(self, functions: _Functions, function: Any, node: ast.FunctionDef, line: int,
                 owner: Any) -> None:  # fmt: skip
        self.functions, self.node, self.line, self.owner = functions, node, line, owner
        self.file = function.__code__.co_filename
        self.locals = local_names(node)
        self.outside = dict(function.__globals__)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            try:
                self.outside[name] = cell.cell_contents
            except ValueError:
                continue
        self.lines = inspect.getsourcelines(function)[0]

    def rewrite(self) -> None:
        args = self.node.args
        if self.owner is not None:
            args.args[0].annotation = ast.Name("Any", ast.Load())  # the module itself
        for a in (*args.args, *args.kwonlyargs):
            a.annotation = self.annotation(a.annotation)
        self.node.returns = self.annotation(self.node.returns)
        args.defaults = [self.visit(d) for d in args.defaults]
        args.kw_defaults = [d if d is None else self.visit(d) for d in args.kw_defaults]
        self.node.body = self.statements(self.node.body)
        ast.fix_missing_locations(self.node)

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for s in body:
            made = self.visit(s)
            done.extend(made if isinstance(made, list) else [made])
        return done

    def refuse(self, node: ast.AST, why: str) -> NoReturn:
        at = getattr(node, "lineno", 1) - 1
        shown = self.lines[at].strip() if at < len(self.lines) else ""
        raise NotSupportedError(
            f"script {self.node.name}: {why}\n    {self.file}, line {self.line + at}: {shown}"
        )

    def annotation(self, node: ast.expr | None) -> ast.expr | None:
        """A type, aliases of the module replaced by what they stand for."""
        if node is None:
            return None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        return _Aliases(self).visit(node)

    def lookup(self, name: str | None) -> Any:
        """The value of a dotted name outside the function."""
        if name is None:
            return None
        first, *rest = name.split(".")
        if first in self.locals:
            return None
        if first in self.outside:
            value = self.outside[first]
        elif hasattr(builtins, first):
            value = getattr(builtins, first)
        else:
            return None
        for part in rest:
            if not isinstance(value, (python.ModuleType, type)) and not hasattr(value, part):
                return None
            value = getattr(value, part, None)
        return (value,)

    def visit(self, node: ast.AST) -> Any:
        """Refuses what the language lacks before its names are looked at."""
        kind = type(node).__name__
        if isinstance(node, ast.stmt) and not compiles(f"_{kind}"):
            self.refuse(node, f"scripts have no {kind.lower()} statement")
        if isinstance(node, ast.expr) and not compiles(f"x_{kind}") and kind != "Starred":
            self.refuse(node, f"scripts have no {kind} expression")
        return super().visit(node)

    # -- nodes ----------------------------------------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> Any:
        test, turned = node.test, False
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test, turned = test.operand, True
        if isinstance(test, ast.Call):
            value = self.lookup(dotted(test.func))
            if value is not None and getattr(value[0], "__name__", "") == "is_scripting":
                kept = node.orelse if turned else node.body
                return self.statements(kept) or ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        node.annotation = self.annotation(node.annotation)  # type: ignore[assignment]
        node.target = self.visit(node.target)
        node.value = None if node.value is None else self.visit(node.value)
        return node

    def visit_Raise(self, node: ast.Raise) -> Any:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        value = self.lookup(dotted(kind))
        if value is None or getattr(value[0], "__name__", None) not in ERRORS:
            self.refuse(node, f"raise takes one of {', '.join(sorted(ERRORS))}")
        plain = ast.copy_location(ast.Name(value[0].__name__, ast.Load()), node)
        if isinstance(node.exc, ast.Call):
            node.exc.func = plain
            node.exc.args = [self.visit(a) for a in node.exc.args]
        else:
            node.exc = plain
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        value = self.lookup(dotted(node.func))
        form = _FORMS.get(value[0]) if value is not None and callable(value[0]) else None
        if form is not None:
            node.func = ast.copy_location(ast.Name(form, ast.Load()), node.func)
            if form == "annotate" and node.args:
                node.args[0] = self.annotation(node.args[0])  # type: ignore[assignment]
                node.args[1:] = [self.visit(a) for a in node.args[1:]]
                return node
            if form == "isinstance" and node.args:
                node.args[0] = self.visit(node.args[0])
                return node
            node.args = [self.visit(a) for a in node.args]
            return node
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        return node if node.id in self.locals else self.outer(node, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        name = dotted(node)
        if name is not None:
            first = name.partition(".")[0]
            if self.owner is not None and first == self.node.args.args[0].arg:
                self.owner.uses(name.split(".")[1])
            if first not in self.locals:
                return self.outer(node, name)
        return self.generic_visit(node)

    def outer(self, node: ast.expr, name: str) -> ast.expr:
        value = self.lookup(name)
        if value is None:
            self.refuse(node, f"{name!r} is not defined")
        made = self.constant(value[0])
        if made is None:
            self.refuse(
                node, f"{name!r} is a {type(value[0]).__name__}, which scripts cannot reach"
            )
        return ast.copy_location(made, node)

    def constant(self, value: Any) -> Any:
        """How a value from outside is written in a program."""
        name = spelling(value)
        if name is None and getattr(value, "__name__", "") in ("is_scripting", "is_tracing"):
            name = f"flambeau.jit.{value.__name__}"
        if name is not None:
            return ast.parse(name, mode="eval").body
        if value is None or isinstance(value, (bool, int, float, str)):
            if isinstance(value, float) and not math.isfinite(value):
                return ast.parse(f"float({str(value)!r})", mode="eval").body
            return ast.parse(repr(value), mode="eval").body
        if isinstance(value, Device):
            return ast.parse(f"flambeau.device({str(value)!r})", mode="eval").body
        if isinstance(value, Tensor):
            self.functions.library.constants.append(value)
            return ast.parse(
                f"constants.c{len(self.functions.library.constants) - 1}", mode="eval"
            ).body
        if isinstance(value, (list, tuple)):
            parts = [self.constant(v) for v in value]
            if None in parts:
                return None
            return (ast.List if isinstance(value, list) else ast.Tuple)(parts, ast.Load())
        if isinstance(value, ScriptFunction):
            self.functions.library.functions.setdefault(value.name, value.program)
            if value.library is not None:
                for n, f in value.library.functions.items():
                    self.functions.library.functions.setdefault(n, f)
            return ast.parse(f"functions.{value.name}", mode="eval").body
        if inspect.isfunction(value):
            return ast.parse(f"functions.{self.functions.called(value)}", mode="eval").body
        return None


class _Aliases(ast.NodeTransformer):
    """Replaces names in an annotation that stand for types by those types."""

    def __init__(self, names: _Renaming) -> None:
        self.names = names

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self.visit_Name(node)

    def visit_Name(self, node: ast.Name | ast.Attribute) -> ast.expr:
        try:
            types.parse(node)
        except ValueError:
            value = self.names.lookup(dotted(node))
            if value is not None:
                try:
                    shown = ast.parse(repr(value[0]), mode="eval").body
                    types.parse(shown)
                    return ast.copy_location(shown, node)
                except (SyntaxError, ValueError):
                    pass  # refused by the compiler, with its line
        return node


class _Modules:
    """Scripts a tree of modules; each module of the original becomes one, shared ones stay shared."""

    def __init__(self, library: Library) -> None:
        self.functions = _Functions(library)
        self.made: dict[int, Module] = {}

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
            if name not in BASE and is_data(value):
                made.__dict__[name] = value
                made._attributes.add(name)
        wanted = _Methods(self.functions, module, made)
        forward = kind.forward
        if forward is not Module.forward and getattr(forward, "_script_mark", None) is None:
            wanted.uses("forward")
        for name in dir(kind):
            if getattr(inspect.getattr_static(kind, name), "_script_mark", None) == "export":
                wanted.uses(name)
        wanted.compile()
        return made


class _Methods:
    """Methods of one module that its programs use."""

    def __init__(self, functions: _Functions, module: Module, made: ScriptModule) -> None:
        self.functions, self.module, self.made = functions, module, made
        self.waiting: list[str] = []
        self.seen: set[str] = set()

    def uses(self, name: str) -> None:
        """Notes that `self.name` is named."""
        if name in self.seen:
            return
        self.seen.add(name)
        members = (self.module._parameters, self.module._buffers, self.module._modules)
        if any(name in m for m in members) or name in self.module.__dict__:
            return
        static = inspect.getattr_static(type(self.module), name, None)
        if inspect.isfunction(static) or isinstance(static, (staticmethod, property)):
            self.waiting.append(name)
        elif static is not None and is_data(static):
            self.made.__dict__[name] = static
            self.made._attributes.add(name)

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
                node, line = source(function)
                _Renaming(self.functions, function, node, line, self).rewrite()
                program = _made(node, self.functions.library, function, line)
            if isinstance(static, property):
                self.made._properties.add(name)
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
    if isinstance(value, (list, tuple)):
        return all(is_data(v) for v in value)
    if isinstance(value, dict):
        return all(isinstance(k, (str, int, float)) and is_data(v) for k, v in value.items())
    return spelling(value) is not None
