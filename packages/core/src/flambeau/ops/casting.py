"""Copies: to another dtype, to another device, to memory of its own, into memory that is there."""

from __future__ import annotations

from .._base import dtypes
from .._base.devices import device as Device
from .._base.formats import (
    channels_last,
    channels_last_3d,
    dense_order,
    order_of,
    preserve_format,
)
from ..runtime import layouts
from ..runtime.backend import of_array, of_device
from ..runtime.families import primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor


@primitive(method=False, onnx="Cast", linear=True)
def to_dtype(input: Meta, dtype: dtypes.dtype):
    """`input` in another dtype, always a copy. Complex to real keeps the real part, to bool says whether it is not zero."""
    return input.like(dtype=dtype)


@to_dtype.kernel
def _(xp, x, *, dtype):
    if x.dtype.names:  # complex32
        wide = xp.empty(x.shape, dtype="complex64")
        wide.real, wide.imag = x["real"], x["imag"]
        return (
            wide if dtype is dtypes.complex64 else to_dtype.op.kernels[None](xp, wide, dtype=dtype)
        )
    if dtype is dtypes.complex32:
        out = xp.zeros(x.shape, dtype=dtype.numpy)
        out["real"] = x.real
        if x.dtype.kind == "c":
            out["imag"] = x.imag
        return out
    if x.dtype.kind == "c" and dtype.category < dtypes.COMPLEX and dtype is not dtypes.bool_:
        x = x.real
    if 0 in x.strides:  # expanded: NumPy would put the repeated dimensions innermost
        return x.astype(dtype.numpy, order="C")
    return x.astype(dtype.numpy)


@to_dtype.vjp
def _(g, _out, x: Meta, *, dtype):
    return g if g.dtype is x.dtype else to_dtype(g, x.dtype)


@to_dtype.batch
def _(size, batched, x, *, dtype):
    return to_dtype(x, dtype)


@primitive(method=False, linear=True)
def to_device(input: Meta, device: Device):
    """`input` on another device."""
    return Meta(input.shape, input.dtype, device)


@to_device.kernel
def _(xp, x, *, device):
    return of_device(device).asarray(x, device)


@to_device.vjp
def _(g, _out, x: Meta, *, device):
    return to_device(g, x.device)


@to_device.batch
def _(size, batched, x, *, device):
    return to_device(x, device)


to_device.refuse("onnx", "an exported graph has no devices")


@primitive(onnx="Identity", linear=True)
def clone(input: Meta, *, memory_format: object = None):
    """A copy in memory of its own; gradients flow through.

    >>> import flambeau
    >>> x = flambeau.ones(2)
    >>> y = x.clone(); _ = y.zero_(); x
    tensor([1., 1.])
    """
    return input


@clone.kernel
def _(xp, x, *, memory_format=None):
    if memory_format is None or memory_format is preserve_format:
        if x.flags.c_contiguous:
            return x.copy()
        order = dense_order(x.shape, x.strides)
    else:
        order = order_of(x.shape, memory_format)
    if order == tuple(range(x.ndim)):
        return x.copy(order="C")
    return (
        x.transpose(order).copy(order="C").transpose(sorted(range(x.ndim), key=order.__getitem__))
    )


@clone.vjp
def _(g, _out, _x):
    return g


@clone.batch
def _(size, batched, x, *, memory_format=None):
    return clone(x)


def lying_as(made: Tensor, input: Tensor) -> Tensor:
    """`made` with its channels last where `input` has its own so: what composites of images end with."""
    given = input.__dict__.get("_array")
    if given is None or made.ndim != len(given.shape) or not layouts.is_last(given):
        return made
    return clone(made, memory_format=channels_last if made.ndim == 4 else channels_last_3d)


@primitive(method=False)
def copy_into(input: Meta, source: Meta):
    """Writes `source`, broadcast, into `input`'s memory. What every in-place operator ends with; see dispatch.assign."""
    return input


@copy_into.kernel
def _(xp, x, source):
    if not isinstance(source, (int, float, complex)) and of_array(source) is not of_array(x):
        source = of_array(x).asarray(source, of_array(x).device_of(x))
    x[...] = source
    return x


copy_into.no_vjp("writes memory; dispatch.assign moves the history")
copy_into.refuse("onnx", "the tracer turns writes into values")
copy_into.refuse("vmap", "written through the batched tensor's own memory")


@primitive(method=False, inplace=False)
def stop_gradient(input: Meta):
    """A view without history: what `Tensor.detach()` records in a traced program."""
    return input


@stop_gradient.kernel
def _(xp, x):
    return x


stop_gradient.no_vjp("its purpose is to have none")


@stop_gradient.batch
def _(size, batched, x):
    return stop_gradient(x)


@stop_gradient.onnx
def _(builder, x):
    return builder.node("Identity", [x])


def convert(
    input: Tensor,
    dtype: dtypes.dtype | None,
    device: Device | None,
    copy: bool = False,
    memory_format: object = None,
) -> Tensor:
    """`input` in `dtype` on `device`; `input` itself where nothing changes and no copy is wanted."""
    out = input
    if device is not None and device != input.device:
        out = to_device(out, device)
    if dtype is not None and dtype is not out.dtype:
        out = to_dtype(out, dtype)
    if memory_format is not None and memory_format is not preserve_format:
        if not out.is_contiguous(memory_format=memory_format) or (copy and out is input):
            return clone(out, memory_format=memory_format)
    return clone(out) if copy and out is input else out
