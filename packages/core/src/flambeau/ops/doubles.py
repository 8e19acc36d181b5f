"""The family of special functions: one scalar expression, evaluated in double precision and rounded once.

A series that is good to a few units in the last place of a double is right for every narrower dtype, where the same
series in float32 loses digits at each step (PyTorch's gradients and its own kernels do so too). One block makes two
operators: `_name`, elementwise on doubles, from which kernels, C, CUDA, batching and export are derived, and `name`, which
casts, calls it and casts back.

    @special
    def lgamma(input): return <expression>
    @lgamma.slope
    def _(_out, x): return digamma(x)

The slope is written on tensors, not as an expression: derivatives of piecewise approximations are worse than the
functions they stand for, and those have series of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import ir
from .._base import dtypes
from .._base.checks import broadcast_shapes
from ..runtime import tape
from ..runtime.elementwise import ElementwiseRule, ndarray
from ..runtime.families import composite, elementwise
from ..runtime.meta import Meta
from ..runtime.operator import Operator
from ..runtime.promotion import result_type
from ..runtime.tensor import Tensor
from .creation import tensor

BLOCK = 1 << 10  # elements that NumPy takes at a time


def polynomial(t: Any, coefficients: Sequence[float]) -> Any:
    """The polynomial in `t`, highest power first, by Horner's rule: on expressions and on arrays."""
    total = coefficients[0] * t + coefficients[1]
    for c in coefficients[2:]:
        total = total * t + c
    return total


def real(name: str, input: Any) -> Tensor:
    """The input, if it is a tensor of real numbers."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    if input.dtype.is_complex:
        raise NotImplementedError(
            f"{name}: not implemented for {input.dtype}; expected real numbers"
        )
    return input


def inexact(dtype: dtypes.dtype) -> dtypes.dtype:
    """The result's dtype: the input's, or the default float of integers and bools."""
    return dtype if dtype.is_floating_point else dtypes.get_default_dtype()


def in_double(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """Promotion: every tensor as float64, every number as a float."""
    return tuple(
        [
            x.to(dtypes.float64) if isinstance(x, Tensor) else x if x is None else float(x)
            for x in arrays
        ]
    )


class SlopeRule(ElementwiseRule):
    """Gradients by a slope that is computed with operators on tensors."""

    given: tape.Rule
    slope: Callable[[Any, Any], Any]

    def kernel(self, xp: Any, *arrays: Any, **attrs: Any) -> Any:
        """The expression on an array, for NumPy in blocks: its hundred passes then stay in the cache (five times faster)."""
        (x,) = arrays
        if type(x) is not ndarray or x.size <= BLOCK:
            return super().kernel(xp, x)
        flat = x.ravel()
        out = xp.empty_like(flat)
        for i in range(0, flat.size, BLOCK):
            out[i : i + BLOCK] = super().kernel(xp, flat[i : i + BLOCK])
        return out.reshape(x.shape)

    def keep(self, node: tape.Node, out: Any, arrays: tuple) -> None:
        self.given.keep(node, out, arrays)

    def pullback(self, node: tape.Node, g: Tensor, needs: tuple) -> Sequence[Any]:
        return self.given.pullback(node, g, needs)

    fast = pullback

    def jvp(self, tangents: Sequence[Any], out: Any, arrays: tuple, attrs: dict[str, Any]) -> Any:
        return tangents[0] * self.slope(out, arrays[0])


def special(body: Callable[..., Any] | None = None, *, method: bool = True, name: str = "") -> Any:
    """A function of one real number. Without a `.slope` it has no derivative, as in PyTorch."""
    if body is None:
        return lambda body: special(body, method=method, name=name)
    name = name or body.__name__
    shown = name.removeprefix("special_")

    def expression(input):
        return ir.as_expr(body(input))

    expression.__name__, expression.__module__ = f"_{name}", body.__module__
    expression.__doc__ = f"`{shown}` of doubles."
    inner = elementwise(expression, promote=in_double, method=False, series=True)
    op = inner.op
    rule = op.vjp_rule = SlopeRule(op)
    op.kernels[None] = rule.kernel
    op.refuse("vjp", f"PyTorch has no derivative of {shown} either")

    def rounded(input: Tensor):
        return inner(real(shown, input)).to(inexact(input.dtype))

    rounded.__name__, rounded.__module__, rounded.__doc__ = name, body.__module__, body.__doc__
    public = composite(rounded, method=method)

    def slope(given: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """`given(out, x)`, or `given(_out, x)` where the result need not be kept."""

        def with_result(g: Tensor, out: Tensor, x: Tensor) -> Tensor:
            return g * given(out, x)

        def without(g: Tensor, _out: None, x: Tensor) -> Tensor:
            return g * given(None, x)

        unused = given.__code__.co_varnames[0].startswith("_")
        rule.given, rule.slope = tape.Rule(op, without if unused else with_result), given
        del op.refusals["vjp"]
        return given

    public.slope = slope
    return public


# -- two arguments ----------------------------------------------------------------------------------------------------


def pairwise(name: str, input: Meta, other: Meta) -> Meta:
    """The shape rule of a function of two numbers, each of which may be a plain one."""
    shapes = [x.shape for x in (input, other) if isinstance(x, Meta)]
    like = input if isinstance(input, Meta) else other
    return like.like(broadcast_shapes(*shapes))


def common(name: str, input: Any, other: Any) -> dtypes.dtype:
    """The result's dtype of a function of two real numbers, at least one of them a tensor."""
    for position, x in ((1, input), (2, other)):
        if not isinstance(x, (Tensor, int, float)):
            label = "input" if position == 1 else "other"
            raise TypeError(
                f"{name}(): argument '{label}' (position {position}) must be Tensor, not {type(x).__name__}"
            )
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        raise TypeError(f"{name}(): expected a tensor among the two arguments, got two numbers")
    kind = result_type(input, other)
    if kind.is_complex:
        raise NotImplementedError(f"{name}: not implemented for {kind}; expected real numbers")
    return inexact(kind)


def as_double(x: Any, like: Any) -> Tensor:
    """A tensor or number as a tensor of doubles where `like` is."""
    if isinstance(x, Tensor):
        return x.to(dtypes.float64)
    return tensor(float(x), dtype=dtypes.float64, device=like.device)


def aligned(batched: Sequence[bool], *arrays: Tensor) -> list[Tensor]:
    """Batches of elements that broadcast against each other, with the batch in front of all of them."""
    ranks = [x.ndim - b for x, b in zip(arrays, batched)]
    return [
        x.reshape((x.shape[0], *[1] * (max(ranks) - r), *tuple(x.shape)[1:])) if b else x
        for x, b, r in zip(arrays, batched, ranks)
    ]


__all__ = [
    "aligned",
    "as_double",
    "common",
    "in_double",
    "inexact",
    "pairwise",
    "polynomial",
    "real",
    "special",
]
