"""Expressions over scalars: variables (elements of arrays), parameters (numbers known at the call), constants, calls.

Constructors simplify what costs nothing to see (x * 1, x + 0, --x), so that derived derivatives stay small.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from numbers import Number
from typing import Any


class Scalar:
    """One scalar function: how NumPy and C spell it, and its partial derivatives.

    `c` is a function name (suffixed with f for float) or a pattern with {0}, {1} for operators. `result` is "same",
    or "bool" for predicates. `partials(out, *args)` gives one expression or None per argument; None for a function
    whose derivative is zero or undefined everywhere.
    """

    __slots__ = ("c", "name", "numpy", "partials", "result")

    def __init__(
        self,
        name: str,
        numpy: str,
        c: str,
        result: str = "same",
        partials: Callable[..., tuple] | None = None,
    ) -> None:
        self.name, self.numpy, self.c, self.result, self.partials = name, numpy, c, result, partials


scalars: dict[str, Scalar] = {}


class Expr:
    """A node of an expression: `op` is "var", "param", "const" or the name of a Scalar."""

    __slots__ = ("args", "op", "value")

    def __init__(self, op: str, args: tuple[Expr, ...] = (), value: Any = None) -> None:
        self.op, self.args, self.value = op, args, value

    def __add__(self, other: Any) -> Expr:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return apply("sub", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return apply("sub", other, self)

    def __mul__(self, other: Any) -> Expr:
        return apply("mul", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return apply("mul", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return apply("div", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return apply("div", other, self)

    def __pow__(self, other: Any) -> Expr:
        return apply("pow", self, other)

    def __neg__(self) -> Expr:
        return apply("neg", self)

    def __lt__(self, other: Any) -> Expr:
        return apply("lt", self, other)

    def __le__(self, other: Any) -> Expr:
        return apply("le", self, other)

    def __gt__(self, other: Any) -> Expr:
        return apply("gt", self, other)

    def __ge__(self, other: Any) -> Expr:
        return apply("ge", self, other)

    def __repr__(self) -> str:
        if self.op in ("var", "param", "const"):
            return str(self.value)
        shown = [*map(repr, self.args), *([self.value] if self.op == "cast" else [])]
        return f"{self.op}({', '.join(shown)})"

    def walk(self) -> Iterator[Expr]:
        """Every distinct node, arguments before their users."""
        seen: set[int] = set()
        stack: list[tuple[Expr, bool]] = [(self, False)]
        while stack:
            node, ready = stack.pop()
            if ready:
                yield node
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args))

    def variables(self) -> set[str]:
        """Names of the variables it reads."""
        return {n.value for n in self.walk() if n.op == "var"}


def var(name: str) -> Expr:
    """An element of the array called `name`."""
    return Expr("var", (), name)


def param(name: str) -> Expr:
    """A number given at the call under `name`, the same for all elements."""
    return Expr("param", (), name)


def const(value: Any) -> Expr:
    """A number known now."""
    return Expr("const", (), value)


def cast(x: Expr, dtype: str) -> Expr:
    """`x` in another dtype, named as NumPy names it; what compiled chains need and single operators never do."""
    return Expr("cast", (x,), dtype)


def as_expr(x: Any) -> Expr:
    """`x` if it is an expression, else the constant `x`."""
    if isinstance(x, Expr):
        return x
    if not isinstance(x, Number):
        raise TypeError(f"unsupported operand in an expression: '{type(x).__name__}' object")
    return const(x)


def is_const(x: Expr, value: Any) -> bool:
    """Whether `x` is the constant `value`; True is no 1 here."""
    return x.op == "const" and not isinstance(x.value, bool) and x.value == value


_SIMPLIFY: dict[str, Callable[..., Expr | None]] = {
    "add": lambda a, b: b if is_const(a, 0) else a if is_const(b, 0) else None,
    "sub": lambda a, b: a if is_const(b, 0) else apply("neg", b) if is_const(a, 0) else None,
    "mul": lambda a, b: (
        b if is_const(a, 1)
        else a if is_const(b, 1)
        else apply("neg", b) if is_const(a, -1)
        else apply("neg", a) if is_const(b, -1)
        else None
    ),
    "div": lambda a, b: a if is_const(b, 1) else None,
    "neg": lambda a: a.args[0] if a.op == "neg" else const(-a.value) if a.op == "const" else None,
    "pow": lambda a, b: a if is_const(b, 1) else None,
}  # fmt: skip


# Constants meet in Python's double precision, whatever the arrays around them are.
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "neg": operator.neg,
}  # fmt: skip


def apply(name: str, *args: Any) -> Expr:
    """The call of scalar function `name`, simplified where that is exact."""
    exprs = tuple(map(as_expr, args))
    if name in _ARITHMETIC and all(
        e.op == "const" and type(e.value) in (int, float) for e in exprs
    ):
        if name != "div" or exprs[1].value:
            return const(_ARITHMETIC[name](*(e.value for e in exprs)))
    rule = _SIMPLIFY.get(name)
    simpler = rule(*exprs) if rule else None
    return Expr(name, exprs) if simpler is None else simpler


def evaluate(expr: Expr, values: Mapping[str, Any], call: Callable[[str, list], Any]) -> Any:
    """The value of `expr`, variables and parameters looked up in `values`, functions done by `call(name, args)`."""
    nodes = list(expr.walk())
    last = {id(a): i for i, node in enumerate(nodes) for a in node.args}
    done: dict[int, Any] = {}
    for i, node in enumerate(nodes):
        if node.op == "const":
            done[id(node)] = node.value
        elif node.op in ("var", "param"):
            done[id(node)] = values[node.value]
        else:
            done[id(node)] = call(node.op, [done[id(a)] for a in node.args])
            for a in node.args:  # arrays that nobody reads any more are given back at once
                if last[id(a)] == i:
                    done.pop(id(a), None)
    return done[id(expr)]
