"""Expressions as text: a NumPy function for any array module, or C statements that are CUDA as well.

C has types where NumPy has promotion: `c_statements` gives every node the type that its arguments meet in. Constants
and parameters are weak, as Python numbers are in NumPy. What has no C text is refused (`NoText`), never approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .expr import Expr, scalars


def numpy_text(
    expr: Expr, names: Sequence[str], function: str = "kernel", number: Callable[[Any], str] = repr
) -> str:
    """Source of `function(xp, *names)`, one line per distinct node; parameters are read by name too.

    `number` spells constants, but for those a `where` chooses between: these decide no dtype.
    """
    lines: list[str] = []
    spelled: dict[int, str] = {}
    for node in expr.walk():
        if node.op in ("var", "param"):
            spelled[id(node)] = str(node.value)
        elif node.op == "const":
            spelled[id(node)] = number(node.value)
        else:
            name = f"t{len(lines)}"
            parts = [
                repr(a.value) if a.op == "const" and node.op == "where" else spelled[id(a)]
                for a in node.args
            ]
            args = ", ".join(parts)
            if node.op == "cast":
                lines.append(f"    {name} = xp.asarray({args}).astype({node.value!r})")
            else:
                lines.append(f"    {name} = xp.{scalars[node.op].numpy}({args})")
            spelled[id(node)] = name
    body = "\n".join([*lines, f"    return {spelled[id(expr)]}"])
    return f"def {function}(xp, {', '.join(names)}):\n{body}\n"


def numpy_function(expr: Expr, names: Sequence[str]) -> Callable[..., Any]:
    """The function of `numpy_text`, made. Reading the text back is `function.source`."""
    source = numpy_text(expr, names)
    scope: dict[str, Any] = {"inf": float("inf"), "nan": float("nan")}
    exec(compile(source, f"<kernel {expr!r:.60}>", "exec"), scope)  # noqa: S102  (our own text)
    made = scope["kernel"]
    made.source = source
    return made


# Element types in C, in the order of promotion.
C_TYPES = {
    "bool": "bool",
    "uint8": "uint8_t",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "float32": "float",
    "float64": "double",
}
_RANK = {name: i for i, name in enumerate(C_TYPES)}

# Scalar functions whose C text for integers (and bools) differs from that for floats.
_INTEGER = {
    "abs": "({0} < 0 ? -{0} : {0})",
    "sign": "(({0} > 0) - ({0} < 0))",
    "maximum": "({0} > {1} ? {0} : {1})",
    "minimum": "({0} < {1} ? {0} : {1})",
    "fmax": "({0} > {1} ? {0} : {1})",
    "fmin": "({0} < {1} ? {0} : {1})",
    "signbit": "({0} < 0)",
    "floor_divide": "fb_floor_dividel({0}, {1})",
    "remainder": "fb_remainderl({0}, {1})",
    "fmod": "fb_fmodl({0}, {1})",
    "floor": "({0})",
    "ceil": "({0})",
    "trunc": "({0})",
    "round": "({0})",
    "isnan": "false",
    "isinf": "false",
    "isfinite": "true",
}
_FLOATS_ONLY = ("div", "reciprocal")
_INTEGERS_ONLY = (
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bitwise_not",
    "bitwise_left_shift",
    "bitwise_right_shift",
)

# Powers by a constant that need no pow, as in NumPy and PyTorch.
_POWERS = {
    2: "({0} * {0})",
    3: "({0} * {0} * {0})",
    0.5: "sqrt{s}({0})",
    -1: "(1 / {0})",
    -0.5: "fb_rsqrt{s}({0})",
}


class NoText(NotImplementedError):
    """An expression has no C text for its dtypes; the text says which function and dtype."""


class Statements:
    """C statements in order, and for each expression its `(text, dtype)`."""

    __slots__ = ("lines", "values")

    def __init__(self, lines: list[str], values: list[tuple[str, str]]) -> None:
        self.lines, self.values = lines, values


def c_text(expr: Expr, names: Mapping[str, str], ctype: str = "float") -> tuple[list[str], str]:
    """Statements and the final expression in C, all variables being of one type; `names` gives their C spelling.

    >>> from flambeau import ir
    >>> c_text(ir.tanh(ir.var("x")) + 1, {"x": "x"})
    (['const float t0 = fb_tanhf(x);', 'const float t1 = (t0 + 1.0f);'], 't1')
    """
    dtype = next(name for name, c in C_TYPES.items() if c == ctype)
    made = c_statements([expr], names, dict.fromkeys(expr.variables(), dtype), dtype)
    return made.lines, made.values[0][0]


def c_statements(
    exprs: Iterable[Expr], names: Mapping[str, str], dtypes: Mapping[str, str], default: str
) -> Statements:
    """All `exprs` as C. `names` spells variables and parameters, `dtypes` types the variables.

    Parameters are doubles in C and take their neighbours' type; `default` is the type of what is made of numbers only.
    The text calls functions of the kernel header (`fb_expf`, ...), or in CUDA of `ir.cuda.PRELUDE`.
    """
    lines: list[str] = []
    spelled: dict[int, str] = {}
    typed: dict[int, str | None] = {}  # None: weak
    values = []
    for expr in exprs:
        for node in expr.walk():
            if id(node) in spelled:
                continue
            if node.op in ("var", "param"):
                spelled[id(node)] = names[node.value]
                typed[id(node)] = dtypes[node.value] if node.op == "var" else None
            elif node.op == "const":
                spelled[id(node)], typed[id(node)] = "", None
            else:
                text, dtype = _call(node, spelled, typed, default)
                name = f"t{len(lines)}"
                lines.append(f"const {C_TYPES[dtype]} {name} = {text};")
                spelled[id(node)], typed[id(node)] = name, dtype
        dtype = typed[id(expr)] or default
        values.append((_operand(expr, dtype, spelled, typed), dtype))
    return Statements(lines, values)


def _operand(
    node: Expr, dtype: str, spelled: Mapping[int, str], typed: Mapping[int, str | None]
) -> str:
    """An argument, converted to `dtype` where C would not do so by itself in the same way."""
    if node.op == "const":
        return c_literal(node.value, dtype)
    text, own = spelled[id(node)], typed[id(node)]
    return text if own == dtype else f"({C_TYPES[dtype]}){text}"


def _call(
    node: Expr, spelled: Mapping[int, str], typed: Mapping[int, str | None], default: str
) -> tuple[str, str]:
    """One function call: its text and its dtype."""
    if node.op == "cast":
        return _operand(node.args[0], node.value, spelled, typed), node.value
    args = node.args
    if node.op == "where":
        condition = _operand(args[0], typed[id(args[0])] or "bool", spelled, typed)
        dtype = _meet(args[1:], typed, default)
        rest = [_operand(a, dtype, spelled, typed) for a in args[1:]]
        return scalars["where"].c.format(condition, *rest), dtype
    dtype = _meet(args, typed, default)
    texts = [_operand(a, dtype, spelled, typed) for a in args]
    result = "bool" if scalars[node.op].result == "bool" else dtype
    return _spell(node, dtype, texts), result


def _meet(args: Sequence[Expr], typed: Mapping[int, str | None], default: str) -> str:
    """The dtype that arguments meet in; numbers lift integers to `default` only where they are floats."""
    found = [t for a in args if (t := typed[id(a)]) is not None]
    if not found:
        return default
    dtype = max(found, key=_RANK.__getitem__)
    if not dtype.startswith("float") and any(
        type(a.value) is float for a in args if a.op == "const"
    ):
        return default
    if dtype == "bool" and any(a.op == "const" and not isinstance(a.value, bool) for a in args):
        return "int64"
    return dtype


def _spell(node: Expr, dtype: str, args: list[str]) -> str:
    op, pattern = node.op, scalars[node.op].c
    if dtype.startswith("float"):
        if op in _INTEGERS_ONLY:
            raise NoText(f"{op} has no C text for {dtype}: it is defined on integers and bools")
        suffix = "f" if dtype == "float32" else ""
        if op == "pow" and node.args[1].op == "const":
            pattern = _POWERS.get(node.args[1].value, pattern).replace("{s}", suffix)
        return pattern.format(*args) if "{" in pattern else f"{pattern}{suffix}({', '.join(args)})"
    if op == "bitwise_not" and dtype == "bool":
        return f"(!{args[0]})"
    pattern = _INTEGER.get(op, pattern)
    if op in _FLOATS_ONLY or ("{" not in pattern and pattern not in ("true", "false")):
        raise NoText(f"{op} has no C text for {dtype}: cast its input to a floating dtype first")
    return pattern.format(*args)


def c_literal(value: Any, dtype: str) -> str:
    """A number as C text of type `dtype`."""
    if dtype.startswith("float"):
        return c_number(value, "f" if dtype == "float32" else "")
    if dtype == "bool":
        return "true" if value else "false"
    value = int(value)
    if value == -(2**63):
        return "INT64_MIN"
    text = f"{value}LL" if abs(value) >= 2**31 else str(value)
    return text if value >= 0 else f"({text})"


def c_number(value: Any, suffix: str = "") -> str:
    """A number as C text that reads back as the same float or double.

    >>> c_number(0.1, "f")
    '0.1f'
    """
    if isinstance(value, bool):
        value = int(value)
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "(-INFINITY)"
    text = repr(float(value))
    if suffix == "f" and abs(value) > 3.4028235677973366e38:
        return "INFINITY" if value > 0 else "(-INFINITY)"
    return f"{text}{suffix}" if str(text)[0] != "-" else f"({text}{suffix})"
