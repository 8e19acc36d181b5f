"""How operators that name an ONNX node call it, and scalar functions that ONNX spells with several nodes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .builder import Builder
from .library import element_type

Form = Callable[..., str]


def _reduce(kind: str) -> Form:
    return lambda b, x, *, dim=None, keepdim=False, **_: b.reduce(kind, x, dim, keepdim)


def _transpose(b: Builder, x: str, *, dims: Any) -> str:
    rank = len(dims)
    return (
        b.node("Transpose", [x], perm=[d % rank for d in dims]) if rank else b.node("Identity", [x])
    )


def _reshape(b: Builder, x: str, *, shape: Any) -> str:
    return b.reshape_to_output(x)


FORMS: dict[str, Form] = {
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Cast": lambda b, x, *, dtype: b.node("Cast", [x], to=element_type(dtype)),
    "Identity": lambda b, x, **_: b.node("Identity", [x]),
    "Softmax": lambda b, x, *, dim, **_: b.node("Softmax", [x], axis=dim),
    "LogSoftmax": lambda b, x, *, dim, **_: b.node("LogSoftmax", [x], axis=dim),
    **{k: _reduce(k) for k in ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean")},
}

# Scalar functions without a node of their own.
SCALARS: dict[str, Form] = {
    "square": lambda b, x: b.node("Mul", [x, x]),
    "rsqrt": lambda b, x: b.node("Reciprocal", [b.node("Sqrt", [x])]),
    "exp2": lambda b, x: b.node("Pow", [b.scalar_like(x, 2), x]),
    "expm1": lambda b, x: b.node("Sub", [b.node("Exp", [x]), b.scalar_like(x, 1)]),
    "log1p": lambda b, x: b.node("Log", [b.node("Add", [x, b.scalar_like(x, 1)])]),
    "log2": lambda b, x: b.node("Div", [b.node("Log", [x]), b.scalar_like(x, math.log(2))]),
    "log10": lambda b, x: b.node("Div", [b.node("Log", [x]), b.scalar_like(x, math.log(10))]),
    "erfc": lambda b, x: b.node("Sub", [b.scalar_like(x, 1), b.node("Erf", [x])]),
    "trunc": lambda b, x: b.node(
        "Mul", [b.node("Sign", [x]), b.node("Floor", [b.node("Abs", [x])])]
    ),
    "ne": lambda b, x, y: b.node("Not", [b.node("Equal", [x, y])]),
    "remainder": lambda b, x, y: _remainder(b, x, y),
    "fmod": lambda b, x, y: b.node("Mod", [x, y], fmod=1),
    "floor_divide": lambda b, x, y: _floor_divide(b, x, y),
    "atan2": lambda b, y, x: _atan2(b, y, x),
    "isfinite": lambda b, x: b.node(
        "Not", [b.node("Or", [b.node("IsInf", [x]), b.node("IsNaN", [x])])]
    ),
    "bitwise_and": lambda b, x, y: b.node("And" if _is_bool(b, x) else "BitwiseAnd", [x, y]),
    "bitwise_or": lambda b, x, y: b.node("Or" if _is_bool(b, x) else "BitwiseOr", [x, y]),
    "bitwise_xor": lambda b, x, y: b.node("Xor" if _is_bool(b, x) else "BitwiseXor", [x, y]),
    "bitwise_not": lambda b, x: b.node("Not" if _is_bool(b, x) else "BitwiseNot", [x]),
    "div": lambda b, x, y: b.node("Div", [x, y]),
    "fmax": lambda b, x, y: _of_numbers(b, "Max", x, y),
    "fmin": lambda b, x, y: _of_numbers(b, "Min", x, y),
    "hypot": lambda b, x, y: b.node(
        "Sqrt", [b.node("Add", [b.node("Mul", [x, x]), b.node("Mul", [y, y])])]
    ),
    "signbit": lambda b, x: _signbit(b, x),
    "copysign": lambda b, x, y: b.node(
        "Where", [_signbit(b, y), b.node("Neg", [b.node("Abs", [x])]), b.node("Abs", [x])]
    ),
    "bitwise_left_shift": lambda b, x, y: b.node(
        "Mul", [x, b.node("Pow", [b.scalar_like(x, 2), y])]
    ),
    "bitwise_right_shift": lambda b, x, y: _floor_divide(
        b, x, b.node("Pow", [b.scalar_like(x, 2), y])
    ),
}


def _of_numbers(b: Builder, kind: str, x: str, y: str) -> str:
    """The larger or smaller of two; of a number and NaN the number."""
    if not b.metas[x].dtype.is_floating_point:
        return b.node(kind, [x, y])
    other = b.node("Where", [b.node("IsNaN", [y]), x, b.node(kind, [x, y])])
    return b.node("Where", [b.node("IsNaN", [x]), y, other])


def _signbit(b: Builder, x: str) -> str:
    """Below zero, or the zero below zero, which is known by its reciprocal."""
    below = b.node("Less", [x, b.scalar_like(x, 0)])
    if not b.metas[x].dtype.is_floating_point:
        return below
    return b.node("Or", [below, b.node("Less", [b.node("Reciprocal", [x]), b.scalar_like(x, 0)])])


def _floor_divide(b: Builder, x: str, y: str) -> str:
    """x / y rounded down. ONNX divides integers towards zero, so that what would be left is taken off first."""
    if b.metas[x].dtype.is_floating_point:
        return b.node("Floor", [b.node("Div", [x, y])])
    return b.node("Div", [b.node("Sub", [x, b.node("Mod", [x, y])]), y])


def _remainder(b: Builder, x: str, y: str) -> str:
    """What is left of x / y rounded down."""
    if not b.metas[x].dtype.is_floating_point:
        return b.node("Mod", [x, y])
    return b.node("Sub", [x, b.node("Mul", [y, b.node("Floor", [b.node("Div", [x, y])])])])


def _is_bool(b: Builder, x: str) -> bool:
    return b.metas[x].dtype.name == "bool"


def _atan2(b: Builder, y: str, x: str) -> str:
    """atan(y / x), moved by pi in the left half plane."""
    angle = b.node("Atan", [b.node("Div", [y, x])])
    zero, pi = b.scalar_like(x, 0), b.scalar_like(x, math.pi)
    up = b.node("GreaterOrEqual", [y, zero])
    shift = b.node("Where", [up, pi, b.node("Neg", [pi])])
    return b.node("Where", [b.node("Less", [x, zero]), b.node("Add", [angle, shift]), angle])
