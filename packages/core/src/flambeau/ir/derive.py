"""Derivatives of scalar expressions, by walking once from the result to the variables (reverse accumulation)."""

from __future__ import annotations

from collections.abc import Iterable

from .expr import Expr, as_expr, const, is_const, scalars, var


def derive(expr: Expr, names: Iterable[str]) -> dict[str, Expr | None]:
    """The partial derivative of `expr` by each variable of `names`; None where it is identically zero.

    The variable `out` stands for the value of `expr` itself in the results, so that exp' = out costs nothing.

    >>> derive(Expr("tanh", (var("x"),)), ["x"])
    {'x': sub(1, mul(out, out))}
    """
    order = list(expr.walk())
    adjoint: dict[int, Expr] = {id(expr): const(1)}
    found: dict[str, Expr | None] = dict.fromkeys(names)
    for node in reversed(order):
        g = adjoint.get(id(node))
        if g is None:
            continue
        if node.op == "var" and node.value in found:
            before = found[node.value]
            found[node.value] = g if before is None else before + g
        if not node.args:
            continue
        rule = scalars[node.op].partials
        if rule is None:
            continue
        value = var("out") if node is expr else node
        for arg, partial in zip(node.args, rule(value, *node.args)):
            if partial is None or arg.op in ("const", "param") or is_const(as_expr(partial), 0):
                continue
            term = g * as_expr(partial)
            old = adjoint.get(id(arg))
            adjoint[id(arg)] = term if old is None else old + term
    return found
