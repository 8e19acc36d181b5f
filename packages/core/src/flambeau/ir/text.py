"""Expressions as text: a NumPy function for any array module, or a C (and CUDA) expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .expr import Expr, scalars


def numpy_text(expr: Expr, names: Sequence[str], function: str = "kernel") -> str:
    """Source of `function(xp, *names)`, one line per distinct node; parameters are read by name too."""
    lines, spelled = [], {}
    for node in expr.walk():
        if node.op in ("var", "param"):
            spelled[id(node)] = str(node.value)
        elif node.op == "const":
            spelled[id(node)] = repr(node.value)
        else:
            name = f"t{len(lines)}"
            args = ", ".join(spelled[id(a)] for a in node.args)
            lines.append(f"    {name} = xp.{scalars[node.op].numpy}({args})")
            spelled[id(node)] = name
    body = "\n".join([*lines, f"    return {spelled[id(expr)]}"])
    return f"def {function}(xp, {', '.join(names)}):\n{body}\n"


def numpy_function(expr: Expr, names: Sequence[str]) -> Callable[..., Any]:
    """The function of `numpy_text`, made. Reading the text back is `function.source`."""
    source = numpy_text(expr, names)
    scope: dict[str, Any] = {"inf": float("inf"), "nan": float("nan")}
    exec(compile(source, f"<kernel {expr!r:.60}>", "exec"), scope)
    made = scope["kernel"]
    made.source = source
    return made


def c_text(expr: Expr, names: Mapping[str, str], ctype: str = "float") -> tuple[list[str], str]:
    """Statements and the final expression in C; `names` gives the C spelling of each variable and parameter.

    The text is valid CUDA as well: float functions carry the f suffix, `fb_*` helpers come from the kernel header.
    """
    suffix = "f" if ctype == "float" else ""
    lines: list[str] = []
    spelled: dict[int, str] = {}
    for node in expr.walk():
        if node.op in ("var", "param"):
            spelled[id(node)] = names[node.value]
        elif node.op == "const":
            spelled[id(node)] = c_number(node.value, suffix)
        else:
            name = f"t{len(lines)}"
            row = scalars[node.op]
            kind = "int" if row.result == "bool" else ctype
            lines.append(f"const {kind} {name} = {_call(row.c, suffix, [spelled[id(a)] for a in node.args])};")
            spelled[id(node)] = name
    return lines, spelled[id(expr)]


_NO_SUFFIX = ("isinf", "isfinite")


def _call(pattern: str, suffix: str, args: list[str]) -> str:
    if "{" in pattern:
        for function in ("sqrt", "floor"):
            pattern = pattern.replace(function + "(", function + suffix + "(")
        return pattern.format(*args)
    return f"{pattern}{'' if pattern in _NO_SUFFIX else suffix}({', '.join(args)})"


def c_number(value: Any, suffix: str = "") -> str:
    """A number as C text that reads back as the same float or double."""
    if isinstance(value, bool):
        return str(int(value))
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "(-INFINITY)"
    text = repr(float(value))
    return f"{text}{suffix}" if value >= 0 else f"({text}{suffix})"
