"""What involves no rounding: divisors of integers, and the parts and neighbours of floating-point numbers."""

from __future__ import annotations

from .._base import dtypes
from ..runtime.families import primitive
from ..runtime.meta import Meta
from ..runtime.operator import Operator
from ..runtime.promotion import SAME
from ..runtime.tensor import Tensor
from .comparison import where
from .creation import zeros_like
from .doubles import aligned, pairwise


def _kinds(*categories: int):
    """SAME, refusing other kinds of dtypes."""

    def rule(op: Operator, arrays: tuple, attrs: dict) -> tuple:
        for position, x in enumerate(arrays):
            if not isinstance(x, Tensor):
                raise TypeError(
                    f"{op.name}(): argument '{op.params[position]}' (position {position + 1}) must be Tensor, "
                    f"not {type(x).__name__}"
                )
        made = SAME(op, arrays, attrs)
        kind = made[0].dtype
        if kind.category not in categories or kind is dtypes.bool_:
            names = {dtypes.INT: "integers", dtypes.FLOAT: "floating point numbers"}
            wanted = " or ".join(names[k] for k in categories)
            raise NotImplementedError(f"{op.name}: not implemented for {kind}; expected {wanted}")
        return made

    return rule


@primitive(promote=_kinds(dtypes.INT), inplace=True)
def gcd(input: Meta, other: Meta):
    """Greatest common divisor of each pair of integers; that of 0 and 0 is 0.

    >>> import flambeau
    >>> flambeau.gcd(flambeau.tensor([5, -10, 15]), flambeau.tensor([3, 4, 5]))
    tensor([1, 2, 5])
    """
    return pairwise("gcd", input, other)


@gcd.kernel
def _(xp, a, b):
    return xp.gcd(a, b)


@primitive(promote=_kinds(dtypes.INT), inplace=True)
def lcm(input: Meta, other: Meta):
    """Least common multiple of each pair of integers, not negative; 0 if one is 0.

    >>> import flambeau
    >>> flambeau.lcm(flambeau.tensor([5, 10, 15]), flambeau.tensor([3, 4, 5]))
    tensor([15, 20, 15])
    """
    return pairwise("lcm", input, other)


@lcm.kernel
def _(xp, a, b):
    return xp.lcm(a, b)


@primitive(promote=_kinds(dtypes.FLOAT), inplace=True)
def nextafter(input: Meta, other: Meta):
    """The next number that the dtype has from `input` towards `other`.

    >>> import flambeau
    >>> flambeau.nextafter(flambeau.tensor([1.0]), flambeau.tensor([2.0])) - 1
    tensor([1.1921e-07])
    """
    return pairwise("nextafter", input, other)


@nextafter.kernel
def _(xp, a, b):
    return xp.nextafter(a, b)


@nextafter.vjp
def _(g, _out, a, b):
    # The next number moves with the first; the second only says which way.
    moved = where(a == b, 0.0, g)
    return lambda: moved.sum_to_size(tuple(a.shape)), lambda: zeros_like(b)


@nextafter.jvp
def _(tangents, out, a, b):
    first = zeros_like(a) if tangents[0] is None else tangents[0]
    return where(a == b, 0.0, first).expand(out.shape)


for _pair in (gcd, lcm, nextafter):
    _pair.refuse("onnx", "ONNX has no such operator")
for _pair in (gcd, lcm):
    _pair.no_vjp("integers have no gradient")


@gcd.batch
def _(size, batched, a, b):
    return gcd(*aligned(batched, a, b))


@lcm.batch
def _(size, batched, a, b):
    return lcm(*aligned(batched, a, b))


@nextafter.batch
def _(size, batched, a, b):
    return nextafter(*aligned(batched, a, b))


@primitive(promote=_kinds(dtypes.FLOAT), outputs=("mantissa", "exponent"))
def frexp(input: Meta):
    """(mantissa, exponent) with input = mantissa * 2**exponent and 1/2 <= |mantissa| < 1.

    >>> import flambeau
    >>> flambeau.frexp(flambeau.tensor([10.0, 0.0]))
    flambeau.return_types.frexp(
    mantissa=tensor([0.6250, 0.0000]),
    exponent=tensor([4, 0], dtype=flambeau.int32))
    """
    return input, input.like(dtype=dtypes.int32)


@frexp.kernel
def _(xp, x):
    mantissa, exponent = xp.frexp(x)
    # C leaves the exponent of infinities and NaN open.
    return mantissa, xp.where(xp.isfinite(x), exponent, 0).astype("int32")


@frexp.vjp
def _(g, out, _x):
    return g[0] * 2.0 ** -out[1].to(g[0].dtype)


@frexp.jvp
def _(tangents, out, x):
    return tangents[0] * 2.0 ** -out[1].to(tangents[0].dtype), None


@frexp.batch
def _(size, batched, x):
    return frexp(x)


frexp.refuse("onnx", "ONNX has no such operator")

__all__ = ["frexp", "gcd", "lcm", "nextafter"]
