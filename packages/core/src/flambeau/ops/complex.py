"""Complex numbers: their parts, put together and taken apart.

A gradient of a real loss by a complex number z = x + iy is, as in PyTorch, dL/dx + i dL/dy: the direction of ascent.
Linear rules therefore pull back through the conjugate transpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import broadcast_shapes, check
from ..runtime import tape
from ..runtime.elementwise import ElementwiseRule, sum_to
from ..runtime.families import composite, primitive
from ..runtime.families import view as view_op
from ..runtime.meta import Meta
from ..runtime.promotion import SAME_REQUIRED
from ..runtime.tensor import Tensor
from .arithmetic import abs, sign

_NO_ONNX = "ONNX has no complex numbers"


def _check_complex(message: str, x: Any) -> None:
    """Also in kernels: NumPy takes real numbers for complex ones without a word."""
    kind = x.dtype
    wide = kind.kind == "c" or bool(kind.names) if hasattr(kind, "kind") else kind.is_complex
    check(wide, lambda: message)


def _complex_of(kind: dtypes.dtype) -> dtypes.dtype:
    """The dtype of complex numbers whose parts are of a floating dtype."""
    return dtypes.complex32 if kind is dtypes.float16 else kind.to_complex()


@view_op(method=False, linear=True)
def real(input: Meta):
    """The real part of complex numbers, as a view.

    >>> import flambeau
    >>> flambeau.tensor([1 + 2j]).real
    tensor([1.])
    """
    return input.like(dtype=input.dtype.to_real())


@real.kernel
def _(xp, x):
    return x["real"] if x.dtype.names else x.real


@real.vjp
def _(g, _out, x: Meta):
    return g.to(x.dtype)


@real.batch
def _(size, batched, x):
    return real(x)


real.refuse("onnx", _NO_ONNX)


@view_op(method=False, linear=True)
def imag(input: Meta):
    """The imaginary part of complex numbers, as a view.

    >>> import flambeau
    >>> flambeau.tensor([1 + 2j]).imag
    tensor([2.])
    """
    _check_complex("imag is not implemented for tensors with non-complex dtypes.", input)
    return input.like(dtype=input.dtype.to_real())


@imag.kernel
def _(xp, x):
    _check_complex("imag is not implemented for tensors with non-complex dtypes.", x)
    return x["imag"] if x.dtype.names else x.imag


@imag.vjp
def _(g, _out, x: Meta):
    return g.to(x.dtype) * 1j


@imag.batch
def _(size, batched, x):
    return imag(x)


imag.refuse("onnx", _NO_ONNX)


@primitive(inplace=True)
def conj_physical(input: Meta):
    """The complex conjugate, computed.

    >>> import flambeau
    >>> flambeau.tensor([1 + 2j]).conj()
    tensor([1.-2.j])
    """
    return input


@conj_physical.kernel
def _(xp, x):
    if x.dtype.names:
        out = x.copy()
        out["imag"] = -x["imag"]
        return out
    return xp.conj(x) if x.dtype.kind == "c" else x.copy()


@conj_physical.vjp
def _(g, _out, _x):
    return g.conj()


@conj_physical.jvp
def _(tangents, out, x):
    return tangents[0].conj()


@conj_physical.batch
def _(size, batched, x):
    return conj_physical(x)


conj_physical.refuse("onnx", _NO_ONNX)


@composite
def conj(input: Tensor):
    """The complex conjugate; real tensors are returned as they are. Computed at once: PyTorch only marks it.

    >>> import flambeau
    >>> flambeau.conj(flambeau.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return conj_physical(input) if input.dtype.is_complex else input


@composite
def resolve_conj(input: Tensor):
    """`input` with its conjugation computed, which it always is.

    >>> import flambeau
    >>> flambeau.resolve_conj(flambeau.tensor([1 + 2j]).conj())
    tensor([1.-2.j])
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"resolve_conj(): argument 'input' must be Tensor, not {type(input).__name__}"
        )
    return input


@composite
def resolve_neg(input: Tensor):
    """`input` with its negation computed, which it always is.

    >>> import flambeau
    >>> flambeau.resolve_neg(flambeau.tensor([1.0]))
    tensor([1.])
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"resolve_neg(): argument 'input' must be Tensor, not {type(input).__name__}"
        )
    return input


@primitive(method=False, promote=SAME_REQUIRED, linear=True, numbers=(), exact_out=True)
def complex(real: Meta, imag: Meta):
    """Complex numbers from their real and imaginary parts.

    >>> import flambeau
    >>> flambeau.complex(flambeau.tensor([1.0]), flambeau.tensor([2.0]))
    tensor([1.+2.j])
    """
    check(
        real.dtype.is_floating_point and imag.dtype.is_floating_point,
        lambda: (
            f"Expected both inputs to be Half, Float or Double tensors but got {real.dtype} and {imag.dtype}"
        ),
    )
    return real.like(broadcast_shapes(real.shape, imag.shape), _complex_of(real.dtype))


@complex.kernel
def _(xp, real, imag):
    kind = _complex_of(dtypes.from_numpy(real.dtype)).numpy
    out = xp.empty(broadcast_shapes(real.shape, imag.shape), dtype=kind)
    if kind.names:
        out["real"], out["imag"] = real, imag
    else:
        out.real, out.imag = real, imag
    return out


@complex.vjp
def _(g, _out, real: Meta, imag: Meta):
    return lambda: sum_to(g.real, real), lambda: sum_to(g.imag, imag)


@complex.jvp
def _(tangents, out, real, imag):
    t_real, t_imag = tangents
    made: Any = 0.0
    if t_real is not None:
        made = made + t_real.to(out.dtype)
    if t_imag is not None:
        made = made + t_imag.to(out.dtype) * 1j
    return made.expand(out.shape)


@complex.batch
def _(size, batched, real, imag):
    rank = max(real.ndim - batched[0], imag.ndim - batched[1])
    lifted = [
        x.reshape(size, *[1] * (rank - x.ndim + 1), *x.shape[1:]) if b else x
        for x, b in zip((real, imag), batched)
    ]
    return complex(*lifted)


complex.refuse("onnx", _NO_ONNX)


@view_op(method=False, linear=True)
def view_as_real(input: Meta):
    """Complex numbers as pairs: the same memory with a last dimension of real and imaginary part.

    >>> import flambeau
    >>> flambeau.view_as_real(flambeau.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    _check_complex("view_as_real is only supported for complex tensors", input)
    return input.like((*input.shape, 2), input.dtype.to_real())


@view_as_real.kernel
def _(xp, x):
    _check_complex("view_as_real is only supported for complex tensors", x)
    return x[..., None].view("float16" if x.dtype.names else x.real.dtype)


@view_as_real.vjp
def _(g, _out, _x):
    return view_as_complex(g.contiguous())


@view_as_real.batch
def _(size, batched, x):
    return view_as_real(x)


view_as_real.refuse("onnx", _NO_ONNX)


@view_op(method=False, linear=True)
def view_as_complex(input: Meta):
    """Pairs in the last dimension as complex numbers, in the same memory.

    >>> import flambeau
    >>> flambeau.view_as_complex(flambeau.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    check(
        input.dtype.is_floating_point,
        lambda: (
            f"view_as_complex is only supported for half, float and double tensors, but got one of {input.dtype}"
        ),
    )
    check(
        input.shape and input.shape[-1] == 2, lambda: "Tensor must have a last dimension of size 2"
    )
    return input.like(input.shape[:-1], _complex_of(input.dtype))


@view_as_complex.kernel
def _(xp, x):
    given = dtypes.from_numpy(x.dtype)
    if not given.is_floating_point or x.shape[-1:] != (2,):
        raise ValueError("no pairs of floats")  # said better by the rule above
    kind = _complex_of(given).numpy
    if not x.size:
        return xp.empty(x.shape[:-1], dtype=kind)
    check(x.strides[-1] == x.itemsize, lambda: "Tensor must have a last dimension with stride 1")
    return x.view(kind)[..., 0]


@view_as_complex.vjp
def _(g, _out, _x):
    return view_as_real(g.contiguous())


@view_as_complex.batch
def _(size, batched, x):
    return view_as_complex(x)


view_as_complex.refuse("onnx", _NO_ONNX)


@composite(exact_out=True)
def sgn(input: Tensor):
    """Each element's direction: x / |x|, and 0 for 0; for real numbers the sign.

    >>> import flambeau
    >>> flambeau.sgn(flambeau.tensor([3 + 4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    if not input.dtype.is_complex:
        return sign(input)
    size = abs(input)
    return input / size.masked_fill(size == 0, 1.0)


def _of_complex(node: tape.Node) -> bool:
    """Whether the node's one saved tensor is complex; a node that was freed is nobody's."""
    return any(isinstance(x, Tensor) and x.dtype.is_complex for x in node.saved)


class Modulus(ElementwiseRule):
    """The rule of `abs`. |z| has no complex derivative: its gradient z / |z| is not what the derived rule, the
    conjugate of the real one, would give."""

    def fast(self, node: tape.Node, g: Tensor, needs: tuple) -> Sequence[Any]:
        """On raw arrays for real numbers only."""
        rule = self.pullback if _of_complex(node) else super().fast
        return rule(node, g, needs)

    def pullback(self, node: tape.Node, g: Tensor, needs: tuple) -> Sequence[Any]:
        """g times the direction."""
        if _of_complex(node):
            return (g * sgn(tape.unpack(node)[0]),)
        return super().pullback(node, g, needs)

    def jvp(self, tangents: Sequence[Any], out: Any, arrays: tuple, attrs: dict[str, Any]) -> Any:
        """The part of the tangent that points in the direction."""
        (x,) = arrays
        if x.dtype.is_complex:
            return (tangents[0] * sgn(x).conj()).real
        return super().jvp(tangents, out, arrays, attrs)


abs.op.vjp_rule = Modulus(abs.op)
