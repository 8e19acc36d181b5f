"""The language of scripts: functions in a subset of Python, checked and made into a tree of closures. Nothing is `exec`ed.

A function arrives as an `ast` tree whose names are either its own variables or names that a `Scope` knows; what the
subset lacks is refused with the line it stands on. Each node becomes a closure over an environment (a dict of
variables), so that running a function walks no syntax tree and calls nothing that the scope or `values` did not hand out.
"""

from __future__ import annotations

import ast
import operator
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from ...runtime.tensor import Tensor
from . import classes, numbers, types, values
from .classes import copied
from .common import Closure, Env, NotSupportedError, Scope, dotted
from .expressions import Expressions

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "<required>"})()
DEPTH = 200  # calls of scripts inside each other


class _Returned:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


BREAK, CONTINUE = _Returned(None), _Returned(None)


def _on_tensors(change: Callable[[Any, Any], Any], other: Callable[[Any, Any], Any]) -> Any:
    return lambda a, b: change(a, b) if isinstance(a, Tensor) else other(a, b)


_divide = _on_tensors(operator.itruediv, numbers.divided)
_remainder = _on_tensors(operator.imod, numbers.remainder)
_power = _on_tensors(operator.ipow, numbers.power)
INPLACE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.iadd, ast.Sub: operator.isub, ast.Mult: operator.imul, ast.Div: _divide,
    ast.FloorDiv: operator.ifloordiv, ast.Mod: _remainder, ast.Pow: _power, ast.MatMult: operator.imatmul,
    ast.BitAnd: operator.iand, ast.BitOr: operator.ior, ast.BitXor: operator.ixor, ast.LShift: operator.ilshift,
    ast.RShift: operator.irshift,
}  # fmt: skip
ERRORS = {
    e.__name__: e
    for e in (Exception, ValueError, RuntimeError, TypeError, IndexError, KeyError, NotImplementedError,
              AssertionError, ZeroDivisionError, OverflowError, ArithmeticError, LookupError)
}  # fmt: skip
ERRORS["Error"] = RuntimeError


class _Depth(threading.local):
    """How many scripts of this thread are inside each other."""

    now = 0


_depth = _Depth()


def parse(text: str, what: str) -> ast.Module:
    """The tree of a program's text; RuntimeError if it is none."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RuntimeError(f"{what}: the program cannot be read: {error}") from None


class Function:
    """A compiled function. `text` is its source in canonical names, which is also what files hold."""

    def __init__(
        self, node: ast.FunctionDef, scope: Scope, text: str | None = None, forks: bool = False
    ) -> None:
        self.name = node.name
        self.text = text if text is not None else ast.unparse(node) + "\n"
        _Compiler(self, node, scope, forks).function()

    params: list[tuple[str, Any, types.Type]]
    result: types.Type | None
    body: Closure

    def __deepcopy__(self, memo: Any) -> Function:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not _depth.now:
            args, kwargs = copied(args), {n: copied(v) for n, v in kwargs.items()}
        env = self._bind(args, kwargs)
        _depth.now += 1
        try:
            if _depth.now > DEPTH:
                raise RecursionError(f"{self.name}: scripts call each other {DEPTH} deep")
            done = self.body(env)
        finally:
            _depth.now -= 1
        if done is None:
            return None
        return done.value if _depth.now else classes.left(done.value)

    def _bind(self, args: tuple, kwargs: dict[str, Any]) -> Env:
        env = Env()
        if len(args) > len(self.params):
            raise TypeError(
                f"{self.name}() takes {len(self.params)} arguments, but {len(args)} were given"
            )
        for i, (name, default, kind) in enumerate(self.params):
            if i < len(args):
                if name in kwargs:
                    raise TypeError(f"{self.name}() got two values for argument {name!r}")
                value = args[i]
            elif name in kwargs:
                value = kwargs.pop(name)
            elif default is MISSING:
                raise TypeError(f"{self.name}() is missing its argument {name!r}")
            else:
                value = default({})
            env[name] = kind.take(value, self.name, name)
        if kwargs:
            raise TypeError(f"{self.name}() has no argument {next(iter(kwargs))!r}")
        return env


class _Compiler(Expressions):
    def __init__(
        self, made: Function, node: ast.FunctionDef, scope: Scope, forks: bool = False
    ) -> None:
        self.made, self.node, self.scope, self.forks = made, node, scope, forks
        self.lines = made.text.splitlines()
        self.loops = 0
        self.locals = local_names(node)

    def refuse(self, node: ast.AST, why: str) -> NoReturn:
        line = getattr(node, "lineno", self.node.lineno) - 1
        shown = self.lines[line].strip() if 0 <= line < len(self.lines) else ast.unparse(node)
        raise NotSupportedError(f"script {self.made.name}, line {line + 1}: {why}\n    {shown}")

    def function(self) -> None:
        a = self.node.args
        if a.vararg or a.kwarg or a.posonlyargs:
            self.refuse(self.node, "arguments must be named: no *args, **kwargs or '/'")
        params = [*a.args, *a.kwonlyargs]
        none: list[Any] = [None] * (len(a.args) - len(a.defaults))
        defaults = [*none, *a.defaults, *a.kw_defaults]
        self.made.params = [
            (p.arg, MISSING if d is None else self.expr(d), self.type(p.annotation, i == 0))
            for i, (p, d) in enumerate(zip(params, defaults))
        ]
        self.made.result = (
            None if self.node.returns is None else self.type(self.node.returns, False)
        )
        self.made.body = self.block(self.node.body)

    def type(self, node: ast.expr | None, first: bool) -> types.Type:
        if node is None:
            return types.ANY if first and self.node.args.args[0].arg == "self" else types.TENSOR
        try:
            return types.parse(node, self.scope)
        except ValueError as error:
            self.refuse(node, str(error))

    # -- statements -----------------------------------------------------------------------------------------------------

    def _FunctionDef(self, node: ast.FunctionDef) -> Closure:
        """What `fork` of an archive runs: a function without arguments, which sees the variables as they are now."""
        if not self.forks or node.args.args:
            self.refuse(node, "scripts have no functiondef statement")
        body, name = self.block(node.body), node.name

        def run(env: dict[str, Any]) -> None:
            seen = Env(env)

            def call() -> Any:
                done = body(seen)
                return None if done is None else done.value

            env[name] = call

        return run

    def block(self, body: list[ast.stmt]) -> Closure:
        steps = [(s.lineno, self.statement(s)) for s in body]
        name, lines = self.made.name, self.lines

        def run(env: dict[str, Any]) -> Any:
            at = 0
            try:
                for line, step in steps:
                    at = line
                    done = step(env)
                    if done is not None:
                        return done
            except Exception as error:
                if not getattr(error, "__notes__", None):
                    text = lines[at - 1].strip() if at <= len(lines) else ""
                    error.add_note(f"in script {name}, line {at}: {text}")
                raise
            return None

        return run

    def statement(self, node: ast.stmt) -> Closure:
        method = getattr(self, f"_{type(node).__name__}", None)
        if method is None:
            self.refuse(node, f"scripts have no {type(node).__name__.lower()} statement")
        return method(node)

    def _Pass(self, node: ast.Pass) -> Closure:
        return lambda env: None

    def _Expr(self, node: ast.Expr) -> Closure:
        value = self.expr(node.value)

        def run(env: dict[str, Any]) -> None:
            value(env)

        return run

    def _Return(self, node: ast.Return) -> Closure:
        if node.value is None:
            return lambda env: _Returned(None)
        value = self.expr(node.value)
        return lambda env: _Returned(value(env))

    def _Assign(self, node: ast.Assign) -> Closure:
        value, targets = self.expr(node.value), [self.target(t) for t in node.targets]

        def run(env: dict[str, Any]) -> None:
            made = value(env)
            for t in targets:
                t(env, made)

        return run

    def _AnnAssign(self, node: ast.AnnAssign) -> Closure:
        self.type(node.annotation, False)
        if node.value is None:
            return lambda env: None
        return self._Assign(ast.Assign([node.target], node.value, lineno=node.lineno))

    def _AugAssign(self, node: ast.AugAssign) -> Closure:
        change = INPLACE[type(node.op)]
        value = self.expr(node.value)
        if isinstance(node.target, ast.Subscript):
            owner, index = self.expr(node.target.value), self.expr(node.target.slice)

            def run(env: dict[str, Any]) -> None:
                o, i = owner(env), index(env)
                o[i] = change(o[i], value(env))

            return run
        read = self.expr(_as_load(node.target))
        write = self.target(node.target)
        return lambda env: write(env, change(read(env), value(env)))

    def target(self, node: ast.expr) -> Callable[[dict[str, Any], Any], None]:
        """What stores a value where `node` says."""
        if isinstance(node, ast.Name):
            return _storing(node.id)
        if isinstance(node, (ast.Tuple, ast.List)):
            parts = [self.target(e) for e in node.elts]

            def unpack(env: dict[str, Any], value: Any) -> None:
                for p, v in zip(parts, tuple(value), strict=True):
                    p(env, v)

            return unpack
        if isinstance(node, ast.Subscript):
            owner, index = self.expr(node.value), self.expr(node.slice)
            return lambda env, v: values.set_item(owner(env), index(env), v)
        if isinstance(node, ast.Attribute):
            owner, name = self.expr(node.value), node.attr
            return lambda env, v: values.set_attribute(owner(env), name, v)
        return self.refuse(
            node, f"a {type(node).__name__.lower()} cannot stand on the left of an assignment"
        )

    def _Delete(self, node: ast.Delete) -> Closure:
        steps: list[Closure] = []
        for t in node.targets:
            if isinstance(t, ast.Name):
                steps.append(operator.methodcaller("pop", t.id))
            elif isinstance(t, ast.Subscript):
                owner, index = self.expr(t.value), self.expr(t.slice)
                steps.append(_deleting(owner, index))
            else:
                self.refuse(node, "only variables and items can be deleted")

        def run(env: dict[str, Any]) -> None:
            for s in steps:
                s(env)

        return run

    def _If(self, node: ast.If) -> Closure:
        test, body, other = self.expr(node.test), self.block(node.body), self.block(node.orelse)
        return lambda env: body(env) if test(env) else other(env)

    def _While(self, node: ast.While) -> Closure:
        if node.orelse:
            self.refuse(node, "a loop has no else")
        test, body = self.expr(node.test), self.loop(node.body)

        def run(env: dict[str, Any]) -> Any:
            while test(env):
                done = body(env)
                if done is BREAK:
                    break
                if done is not None and done is not CONTINUE:
                    return done
            return None

        return run

    def _For(self, node: ast.For) -> Closure:
        if node.orelse:
            self.refuse(node, "a loop has no else")
        over, target, body = self.expr(node.iter), self.target(node.target), self.loop(node.body)

        def run(env: dict[str, Any]) -> Any:
            for value in values.iterate(over(env)):
                target(env, value)
                done = body(env)
                if done is BREAK:
                    break
                if done is not None and done is not CONTINUE:
                    return done
            return None

        return run

    def loop(self, body: list[ast.stmt]) -> Closure:
        self.loops += 1
        made = self.block(body)
        self.loops -= 1
        return made

    def _Break(self, node: ast.Break) -> Closure:
        if not self.loops:
            self.refuse(node, "break outside a loop")
        return lambda env: BREAK

    def _Continue(self, node: ast.Continue) -> Closure:
        if not self.loops:
            self.refuse(node, "continue outside a loop")
        return lambda env: CONTINUE

    def _Assert(self, node: ast.Assert) -> Closure:
        test = self.expr(node.test)
        message = self.expr(node.msg) if node.msg else lambda env: "assertion failed"

        def run(env: dict[str, Any]) -> None:
            if not test(env):
                raise AssertionError(message(env))

        return run

    def _Raise(self, node: ast.Raise) -> Closure:
        made, args = node.exc, []
        if isinstance(made, ast.Call):
            if made.keywords:
                self.refuse(node, "an error takes no named arguments")
            args = [self.expr(x) for x in made.args]
            made = made.func
        name = dotted(made)
        kind = ERRORS.get((name or "").rpartition(".")[2])
        if kind is None:
            self.refuse(node, f"raise takes one of {', '.join(sorted(ERRORS))}")

        def run(env: dict[str, Any]) -> None:
            raise kind(*[a(env) for a in args])

        return run

    def _With(self, node: ast.With) -> Closure:
        items = []
        for item in node.items:
            if item.optional_vars is not None:
                self.refuse(node, "with has no 'as' in scripts")
            items.append(self.expr(item.context_expr))
        body = self.block(node.body)

        def run(env: dict[str, Any]) -> Any:
            from contextlib import ExitStack

            with ExitStack() as stack:
                for item in items:
                    stack.enter_context(values.context(item(env)))
                return body(env)

        return run


def compiles(method: str) -> bool:
    """Whether the compiler has a method for a kind of node."""
    return hasattr(_Compiler, method) and method != "_FunctionDef"


def _storing(name: str) -> Callable[[dict[str, Any], Any], None]:
    def store(env: dict[str, Any], value: Any) -> None:
        env[name] = value

    return store


def _deleting(owner: Closure, index: Closure) -> Closure:
    def delete(env: dict[str, Any]) -> None:
        values.delete_item(owner(env), index(env))

    return delete


def local_names(node: ast.FunctionDef) -> set[str]:
    """The variables of a function: its arguments and whatever it assigns."""
    names = {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and isinstance(n.ctx, (ast.Store, ast.Del)):
            names.add(n.id)
        elif isinstance(n, ast.FunctionDef) and n is not node:
            names.add(n.name)
    return names


def _as_load(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Name):
        return ast.copy_location(ast.Name(node.id, ast.Load()), node)
    if isinstance(node, ast.Attribute):
        return ast.copy_location(ast.Attribute(node.value, node.attr, ast.Load()), node)
    return node
