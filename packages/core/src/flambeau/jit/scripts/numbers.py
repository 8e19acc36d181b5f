"""Numbers and texts as TorchScript has them, where Python has them otherwise.

A quotient by zero is infinite, powers and rounded numbers are floats, and a float is shown with 17 digits, a whole one as `3.`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

_FIELD = re.compile(r"\{(\d*)\}|\{\{|\}\}")
_WIDE = re.compile(r"%[-+ #0]*\d{4,}|\*|\.\d{4,}")


def divided(a: Any, b: Any) -> Any:
    """`a / b`; of numbers by zero what C has."""
    try:
        return a / b
    except ZeroDivisionError:
        if isinstance(a, complex) or isinstance(b, complex):
            raise
        if a == 0 or a != a:
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)


def power(a: Any, b: Any) -> Any:
    """`a ** b`, of numbers a float."""
    if type(a) not in (int, float, bool) or type(b) not in (int, float, bool):
        return a**b
    try:
        return math.pow(a, b)
    except OverflowError:
        return math.copysign(math.inf, a if b % 2 == 1 else 1.0)
    except ValueError:  # 0 ** -1, (-1) ** 0.5
        return math.inf if a == 0 else math.nan


def rounded(x: Any, *digits: Any) -> Any:
    """`round(x)`, a float."""
    return round(x, *digits) if digits or not isinstance(x, (int, float)) else float(round(x))


def shown(x: Any) -> str:
    """`str(x)` in scripts."""
    if isinstance(x, float):
        return _float(x)
    if type(x) is list:
        return "[" + ", ".join(map(shown, x)) + "]"
    if type(x) is tuple:
        return "(" + ", ".join(map(shown, x)) + (",)" if len(x) == 1 else ")")
    if isinstance(x, dict):
        return "{" + ", ".join(f"{shown(k)}: {shown(v)}" for k, v in x.items()) + "}"
    if type(x).__name__ == "Size":
        return shown(list(x))
    return str(x)


def _float(x: float) -> str:
    if not math.isfinite(x):
        return str(x)
    if abs(x) < 1e10 and x == int(x):
        return f"{int(x)}."
    return f"{x:.17g}"


def printed(*args: Any) -> None:
    """`print` in scripts."""
    print(*map(shown, args))  # noqa: T201 -- what the script asks for


def formatted(text: str, *args: Any) -> str:
    """`text.format(*args)` with plain fields only: a field that reaches into its argument stays as it is."""
    given = iter(range(len(args)))

    def fill(match: re.Match[str]) -> str:
        if match.group(0) in ("{{", "}}"):
            return match.group(0)[0]
        at = int(match.group(1)) if match.group(1) else next(given, len(args))
        if at >= len(args):
            raise IndexError(f"format: {text!r} has more fields than arguments")
        return shown(args[at])

    return _FIELD.sub(fill, text)


def remainder(a: Any, b: Any) -> Any:
    """`a % b`; of a text its fields filled, unless they are wider than a message may be."""
    if isinstance(a, str) and _WIDE.search(a):
        raise ValueError(f"a format {a!r} is not for scripts")
    return a % b


LIKE_C: dict[str, Callable[..., Any]] = {
    "str": shown,
    "print": printed,
    "round": rounded,
    "pow": power,
}
