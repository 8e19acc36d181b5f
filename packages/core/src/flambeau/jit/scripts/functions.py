"""Functions of Python as programs: the source is read, and names from outside are replaced by canonical ones."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import enum
import inspect
import math
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn
from weakref import WeakSet

from ..._base.devices import device as Device
from ...runtime.tensor import Tensor
from . import classes, marks, types
from .common import NotSupportedError, dotted
from .language import ERRORS, Function, compiles, local_names
from .module import ScriptFunction
from .names import Library, spelling

_FORMS: dict[Any, str] = {
    marks.annotate: "annotate", marks.isinstance: "isinstance", isinstance: "isinstance", getattr: "getattr",
    hasattr: "hasattr",
}  # fmt: skip


class Functions:
    """Compiles functions and what they call into one library."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.known: dict[Any, str] = {}
        self.kinds: dict[type, str] = {}
        self.named: set[str] = set()  # attributes of what is not known before a program runs

    def compile(self, function: Callable[..., Any] | Source, owner: Any = None) -> Function:
        """The program of a function; `owner` is told what it names of its first argument, the object whose method it is."""
        text = function if isinstance(function, Source) else source(function)
        Renaming(self, text, owner).rewrite()
        return compiled(text, self.library)

    def data(self, value: Any) -> Any:
        """An attribute of a module as scripts have it: classes noted, objects of scripted classes as structs."""
        if isinstance(value, marks.Attribute):
            return self.data(value.value)
        if isinstance(value, enum.Enum):
            self.kind(type(value))
        elif classes.is_named_tuple(type(value)):
            self.kind(type(value))
            return type(value)(*map(self.data, value))
        elif type(value) in (list, tuple):
            return (
                type(value)(map(self.data, value)) if any(_is_object(v) for v in value) else value
            )
        elif _is_object(value):
            made = self.library.classes[str(self.kind(type(value)))].of(value)
            made.values = {n: self.data(v) for n, v in made.values.items()}
            return made
        return value

    def kind(self, kind: type) -> str | None:
        """The name of a class that scripts use, compiled when first met; None for what scripts cannot have."""
        name = self.kinds.get(kind)
        if name is None and (classes.is_class(kind) or is_plain(kind)):
            name = kind.__name__
            while name in self.library.classes:
                name += "_"
            self.kinds[kind] = name
            if classes.is_class(kind):
                self.library.classes[name] = kind
            else:
                made = self.library.classes[name] = classes.Kind(name, (), kind)
                self.methods(kind, made)
        return name

    def methods(self, kind: type, made: classes.Kind) -> None:
        """The fields and methods of a user's class."""
        tree, text = class_source(kind)
        fields = [
            n.target.id
            for n in tree.body
            if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
        ]
        made.fields.update(fields)
        own = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
        made.fields.update(_assigned(own["__init__"]) if "__init__" in own else ())
        owner = _Object()
        if dataclasses.is_dataclass(kind):
            for node in _of_dataclass(tree, own):
                made.methods[node.name] = self.compile(replace(text, node=node), owner)
        for name, value in list(vars(kind).items()):
            if isinstance(value, property):
                made.properties.add(name)
                for role, function in ((name, value.fget), (classes.setter_of(name), value.fset)):
                    if function is not None:
                        made.methods[role] = self.compile(source(function, kind), owner)
            elif isinstance(value, staticmethod):
                made.statics.add(name)
                made.methods[name] = self.compile(source(value.__func__, kind))
            elif inspect.isfunction(value) and name in own:
                mark = getattr(value, "_script_mark", None)
                if mark in ("ignore", "unused"):
                    made.methods[name] = Outside(value, str(mark))
                else:
                    made.methods[name] = self.compile(source(value, kind), owner)

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


@dataclass
class Source:
    """A function's tree, the line of its file that it begins on, its text, and the names it sees."""

    node: ast.FunctionDef
    line: int
    file: str
    text: str
    outside: dict[str, Any]


def source(function: Callable[..., Any], owner: type | None = None) -> Source:
    """The source of a function, a method of a class that is being made among its names."""
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
    outside = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            outside[name] = cell.cell_contents
        except ValueError:
            continue
    if owner is not None:
        outside[owner.__name__] = owner
    return Source(node, max(first, 1), function.__code__.co_filename, "".join(lines), outside)


def class_source(kind: type) -> tuple[ast.ClassDef, Source]:
    """The tree of a class, and a Source for methods that are written for it."""
    try:
        lines, first = inspect.getsourcelines(kind)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError) as error:
        raise NotSupportedError(
            f"script: the source of class {kind.__qualname__!r} cannot be read: {error}"
        ) from None
    assert isinstance(tree, ast.ClassDef)
    outside = {**vars(sys.modules[kind.__module__]), kind.__name__: kind}
    nothing: Any = None
    return tree, Source(nothing, max(first, 1), inspect.getfile(kind), "".join(lines), outside)


def is_plain(kind: Any) -> bool:
    """Whether a class may be one of scripts: a user's, without bases."""
    home = getattr(kind, "__module__", "builtins") if isinstance(kind, type) else "builtins"
    own = home in sys.modules and not home.startswith(("flambeau.", "builtins", "numpy", "typing"))
    return (
        own
        and isinstance(kind, type)
        and kind.__bases__ == (object,)
        and not getattr(kind, "_script_interface", False)
    )


def _is_object(value: Any) -> bool:
    return (
        isinstance(value, (enum.Enum, marks.Attribute))
        or classes.is_named_tuple(type(value))
        or type(value) in SCRIPTED
    )


SCRIPTED: WeakSet[type] = WeakSet()  # classes that `script` was called with


class _Object:
    """The owner of methods of a class, whose members are all known."""

    def uses(self, *names: str) -> bool:
        """Every method is compiled anyway."""
        return True


def _assigned(init: ast.FunctionDef) -> list[str]:
    """The fields that `__init__` sets."""
    own = init.args.args[0].arg
    return [
        n.attr for n in ast.walk(init)
        if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) and getattr(n.value, "id", "") == own
    ]  # fmt: skip


def _of_dataclass(tree: ast.ClassDef, own: dict[str, Any]) -> list[ast.FunctionDef]:
    """`__init__` and `__eq__` as `dataclass` writes them."""
    fields = [
        n for n in tree.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    ]
    names = [n.target.id for n in fields]  # type: ignore[union-attr]
    params = ", ".join(
        f"{name}: {ast.unparse(n.annotation)}" + (f" = {ast.unparse(n.value)}" if n.value else "")
        for name, n in zip(names, fields)
    )
    after = ["self.__post_init__()"] if "__post_init__" in own else []
    body = "; ".join([*(f"self.{n} = {n}" for n in names), *after, "return"])
    same = " and ".join(f"self.{n} == other.{n}" for n in names) or "True"
    texts = {
        "__init__": f"def __init__(self, {params}) -> None: {body}",
        "__eq__": f"def __eq__(self, other: {tree.name}) -> bool: return {same}",
    }
    return [ast.parse(t).body[0] for n, t in texts.items() if n not in own]  # type: ignore[misc]


def compiled(text: Source, library: Library) -> Function:
    """The program of a tree whose names are canonical; refusals show the line of the source."""
    Function(text.node, library, text.text)  # refusals show the user's own line
    shown = ast.unparse(text.node) + "\n"
    tree = ast.parse(shown).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return Function(tree, library, shown)


class Renaming(ast.NodeTransformer):
    """Replaces names from outside a function by canonical ones."""

    def __init__(self, functions: Functions, text: Source, owner: Any) -> None:
        self.functions, self.node, self.line, self.owner = functions, text.node, text.line, owner
        self.file, self.outside = text.file, text.outside
        self.locals = local_names(text.node)
        self.asked: set[str] = set()  # what `hasattr` and `getattr` name
        self.lines = text.text.splitlines()

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
            if not hasattr(value, part):
                return None
            value = getattr(value, part)
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
        if value is not None and value[0] in (marks.fork, marks.wait):
            return self.at_once(node, value[0] is marks.fork)
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
            self.asked.update(str(a.value) for a in node.args[1:] if isinstance(a, ast.Constant))
            return node
        return self.generic_visit(node)

    def at_once(self, node: ast.Call, forks: bool) -> Any:
        """`fork(f, x)`, which computes `f(x)` at once, and `wait(future)`."""
        if not node.args or isinstance(node.args[0], ast.Starred):
            self.refuse(
                node,
                "fork takes a function and its arguments" if forks else "wait takes what fork gave",
            )
        node.args = [self.visit(a) for a in node.args]
        node.keywords = [self.visit(k) for k in node.keywords]
        node.func = ast.copy_location(
            ast.parse(f"flambeau.jit.{'fork' if forks else 'wait'}", mode="eval").body, node.func
        )
        return node

    def visit_Name(self, node: ast.Name) -> Any:
        return node if node.id in self.locals else self.outer(node, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        name = dotted(node)
        if name is not None:
            first = name.partition(".")[0]
            if self.owner is not None and first == self.node.args.args[0].arg:
                _, member, *rest = name.split(".")
                if not self.owner.uses(member, *rest) and member not in self.asked:
                    self.refuse(node, self.owner.lacks(member, isinstance(node.ctx, ast.Store)))
            else:
                self.functions.named.add(node.attr)
            if first not in self.locals:
                return self.outer(node, name)
        else:
            self.functions.named.add(node.attr)
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
        if isinstance(value, enum.Enum):
            return ast.parse(
                f"classes.{self.functions.kind(type(value))}.{value.name}", mode="eval"
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
        kind = self.functions.kind(value) if isinstance(value, type) else None
        return None if kind is None else ast.parse(f"classes.{kind}", mode="eval").body


class _Aliases(ast.NodeTransformer):
    """Replaces names in an annotation that stand for types by those types."""

    def __init__(self, names: Renaming) -> None:
        self.names = names

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self.visit_Name(node)

    def visit_Name(self, node: ast.Name | ast.Attribute) -> ast.expr:
        try:
            types.parse(node)
        except ValueError:
            value = self.names.lookup(dotted(node))
            if value is not None:
                if getattr(value[0], "_script_interface", False):
                    return ast.copy_location(ast.Name("Any", ast.Load()), node)
                made = self.names.constant(value[0]) if isinstance(value[0], type) else None
                if made is not None:
                    return ast.copy_location(made, node)
                try:
                    text = value[0].__name__ if isinstance(value[0], type) else repr(value[0])
                    shown = ast.parse(text, mode="eval").body
                    types.parse(shown)
                    return ast.copy_location(shown, node)
                except (SyntaxError, ValueError):
                    pass  # refused by the compiler, with its line
        return node
