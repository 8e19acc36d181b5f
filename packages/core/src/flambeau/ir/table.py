"""The table of scalar functions: NumPy's spelling, C's spelling, partial derivatives.

Each row has an elementwise operator of the same name in `flambeau.ops`, so that an expression can also be evaluated
on tensors (double backward, tracing). Functions that NumPy lacks (erf, ...) are supplied by each backend's `xp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .expr import Expr, Scalar, apply, const, scalars

__all__: list[str] = []


def _scalar(
    name: str,
    numpy: str,
    c: str,
    result: str = "same",
    partials: Callable[..., tuple] | None = None,
) -> None:
    scalars[name] = Scalar(name, numpy, c, result, partials)

    def function(*args: Any) -> Expr:
        return apply(name, *args)

    function.__name__ = name
    globals()[name] = function
    __all__.append(name)


def _(name: str) -> Callable[..., Expr]:
    return lambda *args: apply(name, *args)


_exp, _log, _sin, _cos, _sinh, _cosh = map(_, ("exp", "log", "sin", "cos", "sinh", "cosh"))
_where, _sqrt, _sign, _eq, _square = map(_, ("where", "sqrt", "sign", "eq", "square"))
_SQRT_PI = math.sqrt(math.pi)


def _share(lost: Expr, tied: Expr) -> Expr:
    """0 where the other argument was picked, 1/2 where both tie, else 1 (with NaN, both): PyTorch's subgradient."""
    return _where(tied, 0.5, _where(lost, 0.0, 1.0))


def _inverse(square: Expr) -> Expr:
    """1 / square, and 0 for 0: an angle at the origin has no direction to grow in."""
    zero = _eq(square, 0)
    return _where(zero, 0.0, 1 / _where(zero, 1.0, square))


def _picks(better: Expr, other: Expr) -> Expr:
    """Whether fmax or fmin takes its first argument: where that is better, and where the other is NaN."""
    return apply("logical_or", better, apply("isnan", other))


# arithmetic
_scalar("add", "add", "({0} + {1})", partials=lambda out, a, b: (1, 1))
_scalar("sub", "subtract", "({0} - {1})", partials=lambda out, a, b: (1, -1))
_scalar("mul", "multiply", "({0} * {1})", partials=lambda out, a, b: (b, a))
# Not of the result: it may be overwritten, as in `x = x / n; x += 1`.
_scalar("div", "true_divide", "({0} / {1})", partials=lambda out, a, b: (1 / b, -(a / b) / b))
_scalar("neg", "negative", "(-{0})", partials=lambda out, a: (-1,))
_scalar("abs", "absolute", "fabs", partials=lambda out, a: (_sign(a),))
_scalar("sign", "signum", "fb_sign", partials=lambda out, a: (0,))
_scalar("square", "square", "({0} * {0})", partials=lambda out, a: (2 * a,))
_scalar("reciprocal", "reciprocal", "(1 / {0})", partials=lambda out, a: (-out * out,))
_scalar(
    "pow", "power", "pow",
    partials=lambda out, a, b: (
        _where(_eq(b, 0), 0.0, b * a ** (b - 1)),
        _where(_eq(a, 0) * (b >= 0), 0.0, out * _log(a)),
    ),
)  # fmt: skip
_scalar("floor_divide", "floor_divide", "fb_floor_divide")
_scalar(
    "remainder",
    "remainder",
    "fb_remainder",
    partials=lambda out, a, b: (1, -apply("floor_divide", a, b)),
)
_scalar("fmod", "fmod", "fb_fmod", partials=lambda out, a, b: (1, -apply("trunc", a / b)))
_scalar(
    "maximum",
    "maximum",
    "fb_max",
    partials=lambda out, a, b: (_share(a < b, _eq(a, b)), _share(b < a, _eq(a, b))),
)
_scalar(
    "minimum",
    "minimum",
    "fb_min",
    partials=lambda out, a, b: (_share(a > b, _eq(a, b)), _share(b > a, _eq(a, b))),
)
_scalar(
    "fmax", "fmax", "fmax",
    partials=lambda out, a, b: (_where(_picks(a >= b, b), 1.0, 0.0), _where(_picks(a >= b, b), 0.0, 1.0)),
)  # fmt: skip
_scalar(
    "fmin", "fmin", "fmin",
    partials=lambda out, a, b: (_where(_picks(a <= b, b), 1.0, 0.0), _where(_picks(a <= b, b), 0.0, 1.0)),
)  # fmt: skip
_scalar("hypot", "hypot", "hypot", partials=lambda out, a, b: (a / out, b / out))
_scalar(
    "copysign", "copysign", "copysign",
    partials=lambda out, a, b: (_where(apply("isnan", a), a, _sign(a) * _sign(out)), None),
)  # fmt: skip

# exponents and logarithms
_scalar("exp", "exp", "fb_exp", partials=lambda out, a: (out,))
_scalar("exp2", "exp2", "fb_exp2", partials=lambda out, a: (out * math.log(2),))
_scalar("expm1", "expm1", "fb_expm1", partials=lambda out, a: (out + 1,))
_scalar("log", "log", "fb_log", partials=lambda out, a: (1 / a,))
_scalar("log2", "log2", "fb_log2", partials=lambda out, a: (1 / (a * math.log(2)),))
_scalar("log10", "log10", "fb_log10", partials=lambda out, a: (1 / (a * math.log(10)),))
_scalar("log1p", "log1p", "fb_log1p", partials=lambda out, a: (1 / (a + 1),))
_scalar("sqrt", "sqrt", "sqrt", partials=lambda out, a: (0.5 / out,))
_scalar("rsqrt", "rsqrt", "fb_rsqrt", partials=lambda out, a: (-0.5 * out * out * out,))

# trigonometry
_scalar("sin", "sin", "sin", partials=lambda out, a: (_cos(a),))
_scalar("cos", "cos", "cos", partials=lambda out, a: (-_sin(a),))
_scalar("tan", "tan", "tan", partials=lambda out, a: (1 + out * out,))
_scalar("asin", "arcsin", "asin", partials=lambda out, a: (1 / _sqrt(1 - a * a),))
_scalar("acos", "arccos", "acos", partials=lambda out, a: (-1 / _sqrt(1 - a * a),))
_scalar("atan", "arctan", "atan", partials=lambda out, a: (1 / (1 + a * a),))
_scalar(
    "atan2",
    "arctan2",
    "atan2",
    partials=lambda out, a, b: (b * _inverse(a * a + b * b), -a * _inverse(a * a + b * b)),
)
_scalar("sinh", "sinh", "fb_sinh", partials=lambda out, a: (_cosh(a),))
_scalar("cosh", "cosh", "fb_cosh", partials=lambda out, a: (_sinh(a),))
_scalar("tanh", "tanh", "fb_tanh", partials=lambda out, a: (1 - out * out,))
_scalar("asinh", "arcsinh", "asinh", partials=lambda out, a: (1 / _sqrt(a * a + 1),))
_scalar("acosh", "arccosh", "acosh", partials=lambda out, a: (1 / _sqrt(a * a - 1),))
_scalar("atanh", "arctanh", "atanh", partials=lambda out, a: (1 / (1 - a * a),))

# special
_scalar("erf", "erf", "fb_erf", partials=lambda out, a: (_exp(-(a * a)) * (2 / _SQRT_PI),))
_scalar("erfc", "erfc", "fb_erfc", partials=lambda out, a: (_exp(-(a * a)) * (-2 / _SQRT_PI),))
_scalar("sigmoid", "sigmoid", "fb_sigmoid", partials=lambda out, a: (out * (1 - out),))

# rounding
_scalar("floor", "floor", "floor", partials=lambda out, a: (0,))
_scalar("ceil", "ceil", "ceil", partials=lambda out, a: (0,))
_scalar("trunc", "trunc", "trunc", partials=lambda out, a: (0,))
_scalar("round", "rint", "rint", partials=lambda out, a: (0,))

# choice, comparison, logic
_scalar(
    "where",
    "where",
    "({0} ? {1} : {2})",
    partials=lambda out, c, a, b: (None, _where(c, 1.0, 0.0), _where(c, 0.0, 1.0)),
)
_scalar("eq", "equal", "({0} == {1})", "bool")
_scalar("ne", "not_equal", "({0} != {1})", "bool")
_scalar("lt", "less", "({0} < {1})", "bool")
_scalar("le", "less_equal", "({0} <= {1})", "bool")
_scalar("gt", "greater", "({0} > {1})", "bool")
_scalar("ge", "greater_equal", "({0} >= {1})", "bool")
_scalar("isnan", "isnan", "({0} != {0})", "bool")
_scalar("isinf", "isinf", "fb_isinf", "bool")
_scalar("isfinite", "isfinite", "fb_isfinite", "bool")
_scalar("logical_and", "logical_and", "({0} && {1})", "bool")
_scalar("logical_or", "logical_or", "({0} || {1})", "bool")
_scalar("logical_xor", "logical_xor", "(!{0} != !{1})", "bool")
_scalar("logical_not", "logical_not", "(!{0})", "bool")
_scalar("bitwise_and", "bitwise_and", "({0} & {1})")
_scalar("bitwise_or", "bitwise_or", "({0} | {1})")
_scalar("bitwise_xor", "bitwise_xor", "({0} ^ {1})")
_scalar("bitwise_not", "bitwise_not", "(~{0})")
# C leaves shifts by more bits than there are, or by less than none, undefined.
_IN_WORD = "({1} >= 0 && {1} < (long long)(8 * sizeof({0})))"
_scalar("bitwise_left_shift", "left_shift", f"({_IN_WORD} ? {{0}} << {{1}} : 0)")
_scalar("bitwise_right_shift", "right_shift", f"({_IN_WORD} ? {{0}} >> {{1}} : -({{0}} < 0))")
_scalar("signbit", "signbit", "(copysign(1.0, {0}) < 0)", "bool")

pi = const(math.pi)
