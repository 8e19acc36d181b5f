"""TorchScript's operators on numbers, strings, lists and dicts."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from . import numbers, values


def _slice(x: Any, start: Any = None, end: Any = None, step: Any = 1) -> Any:
    return x[slice(start, end, step)]


def _mutating(name: str) -> Callable[..., Any]:
    def call(owner: Any, *args: Any) -> Any:
        if not isinstance(owner, (list, dict)):
            raise TypeError(f"{name} of a {type(owner).__name__}")
        made = getattr(owner, name)(*args)
        return owner if name in ("append", "extend", "insert", "reverse", "sort", "clear") else made

    return call


def _of_str(name: str) -> Callable[..., Any]:
    def call(owner: str, *args: Any) -> Any:
        if not isinstance(owner, str):
            raise TypeError(f"{name} of a {type(owner).__name__}")
        return getattr(owner, name)(*args)

    return call


def _percent(text: str, *args: Any) -> str:
    return numbers.remainder(text, args[0] if len(args) == 1 else args)


def _set_item(owner: Any, index: Any, value: Any) -> Any:
    values.set_item(owner, index, value)
    return owner


NUMBERS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b, alpha=1: a + (b if alpha == 1 else alpha * b), "sub": lambda a, b, alpha=1: a - (b if alpha == 1 else alpha * b),
    "mul": operator.mul, "add_": operator.iadd, "mul_": operator.imul, "div": numbers.divided, "floordiv": operator.floordiv, "floor_divide": operator.floordiv,
    "remainder": numbers.remainder, "fmod": math.fmod, "mod": numbers.remainder, "pow": numbers.power, "neg": operator.neg,
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "__not__": operator.not_, "__and__": operator.and_, "__or__": operator.or_, "__xor__": operator.xor,
    "__is__": operator.is_, "__isnot__": operator.is_not, "__contains__": lambda a, b: b in a,
    "__lshift__": operator.lshift, "__rshift__": operator.rshift, "__getitem__": values.item,
    "logical_and": lambda a, b: bool(a and b), "logical_or": lambda a, b: bool(a or b),
    "__range_length": lambda lo, hi, step: len(range(lo, hi, step)),
    "__derive_index": lambda i, start, step: start + i * step,
    "len": len, "list": list, "append": _mutating("append"), "extend": _mutating("extend"), "insert": _mutating("insert"),
    "pop": _mutating("pop"), "clear": _mutating("clear"), "reverse": _mutating("reverse"), "sort": _mutating("sort"),
    "remove": _mutating("remove"), "copy": lambda x: x.copy() if isinstance(x, (list, dict)) else values.attribute(x, "copy"),
    "count": lambda x, y: x.count(y) if isinstance(x, (list, str)) else values.attribute(x, "count"),
    "keys": lambda d: list(d) if isinstance(d, dict) else values.attribute(d, "keys"),
    "values": lambda d: list(_mutating("values")(d)), "items": lambda d: list(_mutating("items")(d)),
    "get": _mutating("get"), "setdefault": _mutating("setdefault"), "update": _mutating("update"),
    "popitem": _mutating("popitem"), "dict": dict, "_set_item": _set_item, "slice": _slice,
    "Delete": values.delete_item,
    "format": numbers.formatted, "percentFormat": _percent, "str": numbers.shown, "ord": ord, "chr": chr, "hex": hex, "bin": bin, "oct": oct,
    "join": lambda sep, parts: _of_str("join")(sep, parts), "hash": lambda x: hash(x), "sorted": sorted,
    **{n: _of_str(n) for n in ["upper", "lower", "capitalize", "title", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "replace", "find", "rfind", "startswith", "endswith", "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower", "partition", "rpartition", "swapcase", "zfill"]},
    "ceil": math.ceil, "floor": math.floor, "round": numbers.rounded, "abs": abs, "sqrt": math.sqrt, "exp": math.exp, "log": math.log,
    "log2": math.log2, "log10": math.log10, "log1p": math.log1p, "expm1": math.expm1, "sin": math.sin, "cos": math.cos,
    "tan": math.tan, "tanh": math.tanh, "asin": math.asin, "acos": math.acos, "atan": math.atan, "atan2": math.atan2,
    "sinh": math.sinh, "cosh": math.cosh, "isnan": math.isnan, "isinf": math.isinf, "isfinite": math.isfinite,
    "gcd": math.gcd, "factorial": math.factorial, "copysign": math.copysign, "degrees": math.degrees,
    "radians": math.radians, "sum": sum, "min": min, "max": max, "any": any, "all": all, "divmod": divmod,
    "Int": int, "Float": float, "Bool": bool, "ScalarImplicit": lambda x: x, "IntImplicit": int, "FloatImplicit": float,
    "_unwrap_optional": lambda x: x,
}  # fmt: skip
