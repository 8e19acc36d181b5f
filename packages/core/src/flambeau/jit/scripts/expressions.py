"""Expressions of the language: one method a kind of node, each giving a closure over the environment."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any, NoReturn

from . import numbers, types, values
from .common import Closure, Env, Scope, dotted

BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: numbers.divided,
    ast.FloorDiv: operator.floordiv, ast.Mod: numbers.remainder, ast.Pow: numbers.power, ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}  # fmt: skip
UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_SPEC = re.compile(r"(.?[<>^=])?[+ -]?#?0?\d{0,3}[,_]?(\.\d{1,2})?[bcdeEfFgGnosxX%]?")


class Expressions:
    """The part of the compiler for expressions."""

    scope: Scope
    locals: set[str]

    def refuse(self, node: ast.AST, why: str) -> NoReturn:
        """An error that shows the line of `node`."""
        raise NotImplementedError

    def type(self, node: ast.expr | None, first: bool) -> types.Type:
        """The type an annotation names."""
        raise NotImplementedError

    def target(self, node: ast.expr) -> Callable[[dict[str, Any], Any], None]:
        """What stores a value where `node` says."""
        raise NotImplementedError

    def expr(self, node: ast.expr) -> Closure:
        method = getattr(self, f"x_{type(node).__name__}", None)
        if method is None:
            self.refuse(node, f"scripts have no {type(node).__name__} expression")
        return method(node)

    def x_Constant(self, node: ast.Constant) -> Closure:
        value = node.value
        return lambda env: value

    def x_Name(self, node: ast.Name) -> Closure:
        name = node.id
        if name in self.locals:
            return lambda env: env[name]
        return self.known(node, name)

    def known(self, node: ast.expr, name: str) -> Closure:
        try:
            value = self.scope.find(name)
        except KeyError:
            self.refuse(node, f"{name!r} is not defined, or not for scripts")
        return lambda env: value

    def x_Attribute(self, node: ast.Attribute) -> Closure:
        name = dotted(node)
        if name is not None and name.partition(".")[0] not in self.locals:
            return self.known(node, name)
        owner, attr = self.expr(node.value), node.attr
        return lambda env: values.attribute(owner(env), attr)

    def x_Call(self, node: ast.Call) -> Closure:
        name = dotted(node.func)
        if name is not None and name.partition(".")[0] not in self.locals and name in FORMS:
            return FORMS[name](self, node)
        if any(isinstance(a, ast.Starred) for a in node.args) or any(
            k.arg is None for k in node.keywords
        ):
            self.refuse(node, "calls take no * or ** arguments")
        function = self.expr(node.func)
        args = [self.expr(a) for a in node.args]
        named = [(str(k.arg), self.expr(k.value)) for k in node.keywords]
        if not named:
            if len(args) == 1:
                only = args[0]
                return lambda env: function(env)(only(env))
            return lambda env: function(env)(*[a(env) for a in args])
        return lambda env: function(env)(*[a(env) for a in args], **{k: v(env) for k, v in named})

    def x_BinOp(self, node: ast.BinOp) -> Closure:
        f, a, b = BINARY[type(node.op)], self.expr(node.left), self.expr(node.right)
        return lambda env: f(a(env), b(env))

    def x_UnaryOp(self, node: ast.UnaryOp) -> Closure:
        f, a = UNARY[type(node.op)], self.expr(node.operand)
        return lambda env: f(a(env))

    def x_BoolOp(self, node: ast.BoolOp) -> Closure:
        parts, stop = [self.expr(v) for v in node.values], isinstance(node.op, ast.Or)

        def run(env: dict[str, Any]) -> Any:
            value = None
            for p in parts:
                value = p(env)
                if bool(value) is stop:
                    break
            return value

        return run

    def x_Compare(self, node: ast.Compare) -> Closure:
        first = self.expr(node.left)
        rest = [(COMPARE[type(o)], self.expr(c)) for o, c in zip(node.ops, node.comparators)]
        if len(rest) == 1:
            ((f, second),) = rest
            return lambda env: f(first(env), second(env))

        def run(env: dict[str, Any]) -> Any:
            left, made = first(env), True
            for f, c in rest:
                right = c(env)
                made = f(left, right)
                if not made:
                    break
                left = right
            return made

        return run

    def x_IfExp(self, node: ast.IfExp) -> Closure:
        test, a, b = self.expr(node.test), self.expr(node.body), self.expr(node.orelse)
        return lambda env: a(env) if test(env) else b(env)

    def x_List(self, node: ast.List) -> Closure:
        parts = [self.expr(e) for e in node.elts]
        return lambda env: [p(env) for p in parts]

    def x_Tuple(self, node: ast.Tuple) -> Closure:
        parts = [self.expr(e) for e in node.elts]
        return lambda env: tuple([p(env) for p in parts])

    def x_Dict(self, node: ast.Dict) -> Closure:
        if any(k is None for k in node.keys):
            self.refuse(node, "a dict takes no **")
        pairs = [(self.expr(k), self.expr(v)) for k, v in zip(node.keys, node.values) if k]
        return lambda env: {k(env): v(env) for k, v in pairs}

    def x_Subscript(self, node: ast.Subscript) -> Closure:
        owner, index = self.expr(node.value), self.expr(node.slice)
        return lambda env: values.item(owner(env), index(env))

    def x_Slice(self, node: ast.Slice) -> Closure:
        a, b, c = (
            self.expr(x) if x is not None else (lambda env: None)
            for x in (node.lower, node.upper, node.step)
        )
        return lambda env: slice(a(env), b(env), c(env))

    def x_JoinedStr(self, node: ast.JoinedStr) -> Closure:
        parts = [self.expr(v) for v in node.values]
        return lambda env: "".join([p(env) for p in parts])

    def x_FormattedValue(self, node: ast.FormattedValue) -> Closure:
        value, how = self.expr(node.value), node.conversion
        spec = ""
        if node.format_spec is not None:
            if not (
                isinstance(node.format_spec, ast.JoinedStr)
                and all(isinstance(v, ast.Constant) for v in node.format_spec.values)
            ):
                self.refuse(node, "the format in an f-string must be written out")
            spec = "".join(v.value for v in node.format_spec.values)  # type: ignore[attr-defined]
            if not _SPEC.fullmatch(spec):
                self.refuse(node, f"a format {spec!r} is not for scripts")
        show = repr if how == ord("r") else numbers.shown
        if not spec:
            return lambda env: show(value(env))
        return lambda env: format(value(env), spec)

    def _comprehension(self, node: Any) -> tuple[Callable, Closure, Callable[[dict], bool]]:
        if len(node.generators) != 1 or node.generators[0].is_async:
            self.refuse(node, "a comprehension has one 'for'")
        g = node.generators[0]
        tests = [self.expr(t) for t in g.ifs]
        return self.target(g.target), self.expr(g.iter), lambda env: all(t(env) for t in tests)

    def x_ListComp(self, node: ast.ListComp) -> Closure:
        target, over, wanted = self._comprehension(node)
        made = self.expr(node.elt)

        def run(env: dict[str, Any]) -> list:
            inner, out = Env(env), []
            for value in values.iterate(over(env)):
                target(inner, value)
                if wanted(inner):
                    out.append(made(inner))
            return out

        return run

    def x_DictComp(self, node: ast.DictComp) -> Closure:
        target, over, wanted = self._comprehension(node)
        key, made = self.expr(node.key), self.expr(node.value)

        def run(env: dict[str, Any]) -> dict:
            inner, out = Env(env), {}
            for value in values.iterate(over(env)):
                target(inner, value)
                if wanted(inner):
                    out[key(inner)] = made(inner)
            return out

        return run

    # -- forms whose arguments are types or names -----------------------------------------------------------------------

    def f_annotate(self, node: ast.Call) -> Closure:
        if len(node.args) != 2:
            self.refuse(node, "annotate takes a type and a value")
        self.type(node.args[0], False)
        return self.expr(node.args[1])

    def f_uninitialized(self, node: ast.Call) -> Closure:
        return lambda env: None

    def f_isinstance(self, node: ast.Call) -> Closure:
        if len(node.args) != 2:
            self.refuse(node, "isinstance takes a value and a type")
        kinds = node.args[1]
        wanted = [
            self.type(k, False)
            for k in (kinds.elts if isinstance(kinds, (ast.Tuple, ast.List)) else [kinds])
        ]
        value = self.expr(node.args[0])

        def run(env: dict[str, Any]) -> bool:
            v = value(env)
            return any(k.holds(v) for k in wanted)

        return run

    def _named(self, node: ast.Call) -> tuple[Closure, str]:
        if not (
            len(node.args) >= 2
            and isinstance(node.args[1], ast.Constant)
            and isinstance(node.args[1].value, str)
        ):
            self.refuse(node, "the name of an attribute must be written out")
        return self.expr(node.args[0]), node.args[1].value

    def f_getattr(self, node: ast.Call) -> Closure:
        owner, name = self._named(node)
        if len(node.args) == 3:
            default = self.expr(node.args[2])
            return lambda env: (
                values.attribute(o, name)
                if values.has_attribute(o := owner(env), name)
                else default(env)
            )
        return lambda env: values.attribute(owner(env), name)

    def f_hasattr(self, node: ast.Call) -> Closure:
        owner, name = self._named(node)
        return lambda env: values.has_attribute(owner(env), name)


FORMS: dict[str, Callable[[Expressions, ast.Call], Closure]] = {
    "annotate": Expressions.f_annotate,
    "unchecked_cast": Expressions.f_annotate,
    "uninitialized": Expressions.f_uninitialized,
    "isinstance": Expressions.f_isinstance,
    "getattr": Expressions.f_getattr,
    "hasattr": Expressions.f_hasattr,
}
