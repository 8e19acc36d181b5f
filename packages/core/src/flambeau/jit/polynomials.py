"""Polynomials in open sizes, as Python and as numbers at other sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

LEAST = 2  # of an open size: with 0 and 1 shapes mean something else
Terms = dict[tuple[str, ...], int]  # product of atoms -> factor; () is the constant
# Functions of `math` that give floats, and those of NumPy by the same names.
FLOATS = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "copysign", "cos", "cosh", "degrees", "erf", "exp", "expm1",
    "fabs", "fmod", "hypot", "log", "log10", "log1p", "log2", "pow", "radians", "sin", "sinh", "sqrt", "tan", "tanh",
)  # fmt: skip


def _of_numpy(name: str) -> Callable[..., float]:
    function = getattr(np, name)
    return lambda *given: float(function(*given))


# What expressions may call.
SCOPE: dict[str, Any] = {
    "__builtins__": {}, "floor": math.floor, "ceil": math.ceil, "round": round, "float": float, "inf": math.inf, "nan": math.nan,
    **{name: getattr(math, name) for name in FLOATS},
    **{f"np_{name}": _of_numpy(name) for name in FLOATS if isinstance(getattr(np, name, None), np.ufunc)},
}  # fmt: skip


def added(a: Terms, b: Terms, factor: int) -> Terms:
    """`a` + `factor` * `b`."""
    made = dict(a)
    for k, f in b.items():
        made[k] = made.get(k, 0) + factor * f
    return {k: f for k, f in made.items() if f}


def bounds(terms: Terms) -> tuple[float, float]:
    """Between which numbers a polynomial is: sizes (`s0`) are LEAST at least, of other atoms nothing is known."""
    low = high = float(terms.get((), 0))
    for atoms, factor in terms.items():
        if not atoms:
            continue
        plain = all(a[0] == "s" for a in atoms)
        least = factor * LEAST ** len(atoms) if plain else -math.inf
        if factor > 0 or not plain:
            low, high = low + (least if plain else -math.inf), math.inf
        else:
            low, high = -math.inf, high + least
    return low, high


def written(terms: Terms) -> str:
    """The polynomial as Python."""
    parts = []
    for atoms, factor in sorted(terms.items(), key=lambda x: (-len(x[0]), x[0])):
        product = "*".join(atoms)
        parts.append(
            str(factor) if not atoms else product if factor == 1 else f"{factor}*{product}"
        )
    if not parts:
        return "0"
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"


def quotient(over: Terms, under: Terms) -> Terms | None:
    """`over` by `under` where every term can be divided; None where it does not come out even."""
    if len(under) != 1:
        if set(over) != set(under):
            return None
        first = next(iter(under))
        factor = over[first] // under[first]
        return {(): factor} if all(f == factor * under[k] for k, f in over.items()) else None
    ((atoms, factor),) = under.items()
    made: Terms = {}
    for k, f in over.items():
        left = list(k)
        if f % factor or any(k.count(x) < atoms.count(x) for x in atoms):
            return None
        for x in atoms:
            left.remove(x)
        made[tuple(left)] = f // factor
    return made


class Reading:
    """Expressions at other sizes: each text is compiled once, and computed once for each `at`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.codes: dict[str, Any] = {}

    def at(self, sizes: dict[str, int]) -> Callable[[Any], Any]:
        """What gives an open number's value at these sizes."""
        done: dict[str, Any] = {}
        codes, scope = self.codes, {**SCOPE, **sizes}

        def number(x: Any) -> Any:
            text = x.text
            if text not in done:
                code = codes.get(text)
                if code is None:
                    code = codes[text] = compile(text, "<size>", "eval")
                done[text] = eval(code, scope)  # noqa: S307 -- our own text
            return done[text]

        return number


def holding(guards: list[str], names: tuple[str, ...]) -> Callable[..., bool]:
    """A function of the sizes: whether all guards hold."""
    text = " and ".join(f"({g})" for g in guards) or "True"
    scope = dict(SCOPE)
    exec(f"def holds({', '.join(names)}): return {text}", scope)  # noqa: S102 -- our own text
    made: Any = scope["holds"]

    def holds(*sizes: int) -> bool:
        try:
            return bool(made(*sizes))
        except (ArithmeticError, ValueError):
            return False

    return holds
