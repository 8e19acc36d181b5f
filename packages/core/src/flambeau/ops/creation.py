"""Tensors from nothing or from data: zeros, arange, tensor, one_hot and their like."""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import import_module
from typing import Any, cast

from .._base import dtypes
from .._base.checks import as_size, check
from .._base.devices import CPU, default
from .._base.devices import device as Device
from .._base.formats import contiguous_format, dense_order, order_of, preserve_format, strided
from ..runtime import layouts, state
from ..runtime.backend import of_array, of_device
from ..runtime.dispatch import ndarray
from ..runtime.families import composite, primitive
from ..runtime.inference import makes_tensors
from ..runtime.memory import aligned, foreign, own_dtype
from ..runtime.meta import Meta
from ..runtime.numbers import ends
from ..runtime.promotion import check_fits, wrapped
from ..runtime.signature import explained
from ..runtime.tensor import Tensor, new, set_requires_grad, wrap
from .literals import array_of

dtype = dtypes.dtype


def as_device(d: Any) -> Device:
    """The device meant by an argument; the default one for None."""
    if d is None:
        return default.device
    return d if isinstance(d, Device) else Device(d)


def as_dtype(d: Any, name: str = "dtype") -> dtype:
    """The dtype meant by an argument; Python's float, int and bool stand for the default ones."""
    if isinstance(d, dtype):
        return d
    if d is float:
        return dtypes.get_default_dtype()
    if d is int:
        return dtypes.int64
    if d is bool:
        return dtypes.bool_
    raise TypeError(f"argument '{name}' must be {dtypes.dtype.prefix}dtype, not {type(d).__name__}")


def size_of(size: tuple, named: Any = None) -> tuple[int, ...]:
    """zeros(2, 3), zeros((2, 3)), zeros([2, 3]) and zeros(size=(2, 3)) mean the same."""
    if named is None:
        for n in size:
            if type(n) is not int or n < 0:
                break
        else:
            return size
    if named is not None:
        if size:
            raise TypeError("got sizes by position and `size` too")
        size = tuple(named) if isinstance(named, (tuple, list)) else (named,)
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    shape = as_size(size)
    if any(n < 0 for n in shape):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}"
        )
    return shape


@primitive(method=False)
def fill_new(*, shape: tuple[int, ...], value: Any, dtype: dtype, device: Device):
    """A new tensor full of one number: the operator behind zeros, ones and full."""
    return Meta(shape, dtype, device)


@fill_new.kernel
def _(xp, *, shape, value, dtype, device):
    if dtype is dtypes.complex32 and value:
        out = xp.empty(shape, dtype=dtype.numpy)
        out["real"], out["imag"] = value.real, value.imag
        return out
    kind = dtype.numpy.kind
    large = kind in "fiub" and math.prod(shape) >= layouts.LARGE
    if xp.at_hand and (large or (kind == "V" and value)):  # V: bfloat16, which NumPy fills slowly
        out = xp.empty(shape, dtype=dtype.numpy)
        layouts.filling[0](out, value)
        return out
    if value or type(value) is float:  # -0.0, too
        return xp.full(shape, value, dtype=dtype.numpy)
    return xp.zeros(shape, dtype=dtype.numpy)


fill_new.no_vjp("has no tensor inputs")


@fill_new.onnx
def _(builder, *, shape, value, dtype, device):
    return builder.node("Expand", [builder.number(value, dtype), builder.ints(shape)])


def _filled(
    shape: tuple[int, ...], value: Any, dt: Any, device: Any, requires_grad: bool, fallback: dtype
) -> Tensor:
    kind = fallback if dt is None else as_dtype(dt)
    where = as_device(device)
    if (
        where is CPU and not state.active
    ):  # nobody to tell: the kernel itself, at a third of a call's price
        out = wrap(
            fill_new.op.kernels[None](
                of_device("cpu").xp, shape=shape, value=value, dtype=kind, device=where
            )
        )
    else:
        out = fill_new(shape=shape, value=value, dtype=kind, device=where)
    if requires_grad:
        set_requires_grad(out, True)
    return out


def _plain(
    sizes: tuple, value: float, dtype: Any = None, device: Any = None, shape: Any = None
) -> Tensor | None:
    """`_filled` where it asks for nothing unusual: small, sizes ints, on the CPU by default, and nobody to tell; else None."""
    if state.active or (device is not CPU and (device is not None or default.device is not CPU)):
        return None
    if shape is None:
        shape = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
        count = 1
        for n in shape:
            if type(n) is not int or n < 0:
                return None
            count *= n
        if count > SMALL:
            return None
    kind = dtypes.get_default_dtype() if dtype is None else dtype
    if not isinstance(kind, dtypes.dtype) or kind is dtypes.complex32:
        return None
    xp = of_device("cpu").xp
    if value or type(value) is float:  # -0.0, too
        array = xp.empty(shape, kind.numpy)
        array.fill(value)
    else:
        array = xp.zeros(shape, kind.numpy)
    made = new(Tensor)
    made._array = array
    return made


SMALL = 1 << 15  # elements up to which a backend has nothing to add to NumPy


def _unstrided(name: str, size: Any, layout: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:  # fmt: skip
    """A tensor without entries, by `flambeau.sparse`, a layer above; of a layout in which only zeros can be made."""
    check(
        name in ("zeros", "empty") and layout.name.startswith("sparse"),
        lambda: (
            f"Could not run 'aten::{name}' for the layout {layout}: make a strided tensor and convert it"
        ),
        NotImplementedError,
    )
    module = import_module(f"{__package__.rpartition('.')[0]}.sparse.create")
    return module.empty_sparse(size, layout, dtype, device).requires_grad_(requires_grad)


def zeros(*sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
          pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A tensor of zeros.

    >>> import flambeau
    >>> flambeau.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    if size is None and layout is None and out is None and not requires_grad:
        made = _plain(sizes, 0, dtype, device)
        if made is not None:
            return made
    if layout is not None and layout is not strided:
        return _unstrided("zeros", size_of(sizes, size), layout, dtype, device, requires_grad)
    return _into(
        out,
        _filled(size_of(sizes, size), 0, dtype, device, requires_grad, dtypes.get_default_dtype()),
    )


def ones(*sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
         pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A tensor of ones.

    >>> import flambeau
    >>> flambeau.ones(3)
    tensor([1., 1., 1.])
    """
    if size is None and layout is None and out is None and not requires_grad:
        made = _plain(sizes, 1, dtype, device)
        if made is not None:
            return made
    if layout is not None and layout is not strided:
        return _unstrided("ones", size_of(sizes, size), layout, dtype, device, requires_grad)
    return _into(
        out,
        _filled(size_of(sizes, size), 1, dtype, device, requires_grad, dtypes.get_default_dtype()),
    )


def empty(*sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
          pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip
    """A tensor whose elements are arbitrary (zeros here: memory fresh from the system costs nothing more).

    >>> import flambeau
    >>> flambeau.empty(2, 3).shape
    flambeau.Size([2, 3])
    """
    if size is None and layout is None and memory_format is None and out is None:
        made = None if requires_grad else _plain(sizes, 0, dtype, device)
        if made is not None:
            return made
    shape = size_of(sizes, size)
    if layout is not None and layout is not strided:
        return _unstrided("empty", shape, layout, dtype, device, requires_grad)
    if memory_format is None or memory_format is contiguous_format:
        made = _filled(shape, 0, dtype, device, requires_grad, dtypes.get_default_dtype())
    else:
        check(
            memory_format is not preserve_format,
            lambda: "empty: unsupported memory format option preserve_format",
        )
        kind = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)
        made = in_order(
            shape,
            order_of(shape, memory_format),
            lambda at: _filled(at, 0, kind, device, False, kind),
        )
        if requires_grad:
            set_requires_grad(made, True)
    return _into(out, made)


def in_order(shape: tuple[int, ...], order: tuple[int, ...], make: Any) -> Tensor:
    """What `make` gives for a shape, lying in memory with its dimensions in `order`, the widest first."""
    if order == tuple(range(len(shape))):
        return make(shape)
    made = make(tuple(shape[d] for d in order)).permute(
        sorted(range(len(shape)), key=order.__getitem__)
    )
    return made if state.active or made._level else wrap(made._array)


def full(size: Any, fill_value: complex | Tensor, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
         requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A tensor full of one number, whose kind decides the dtype.

    >>> import flambeau
    >>> flambeau.full((2,), 7)
    tensor([7, 7])
    """
    if layout is None and out is None and not requires_grad and type(size) in (tuple, list):
        number, value = type(fill_value), cast("float", fill_value)
        if (number is float and -6e4 < value < 6e4) or (number is int and 0 <= value < 128):
            kind = dtypes.of_number(fill_value) if dtype is None else dtype
            if number is int or kind in (dtypes.float32, dtypes.float64):
                made = _plain((size,), value, kind, device)
                if made is not None:
                    return made
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    fallback = dtypes.of_number(fill_value)
    if layout is not None and layout is not strided:
        return _unstrided("full", size, layout, dtype, device, requires_grad)
    fill_value = number_of(fill_value, fallback if dtype is None else as_dtype(dtype))
    return _into(out, _filled(size_of((size,)), fill_value, dtype, device, requires_grad, fallback))


def number_of(value: Any, kind: dtype) -> Any:
    """A Python number as one of a dtype; RuntimeError where it is none: too large, or complex among reals."""
    check_fits(value, kind)
    if type(value) is complex and kind.category < dtypes.COMPLEX and kind is not dtypes.bool_:
        value = value.real
    if kind.category == dtypes.INT:
        value = wrapped(int(value), kind)
    return value


def _into(out: Any, made: Tensor) -> Tensor:
    if out is None:
        return made
    from ..runtime.dispatch import write_out

    return write_out(fill_new.op, out, made)


def _like(
    input: Tensor, value: Any, dtype: Any, device: Any, requires_grad: bool, format: Any = None
) -> Tensor:
    array = input.__dict__.get("_array")
    if type(array) is ndarray and format is None and not requires_grad and array.size <= SMALL:
        if array.flags.c_contiguous:
            kind = dtypes.from_numpy(array.dtype) if dtype is None else dtype
            made = _plain((), value, kind, device, array.shape)
            if made is not None:
                return made
    shape, where = tuple(input.shape), input.device if device is None else device
    if format is contiguous_format or (format in (None, preserve_format) and input.is_contiguous()):
        made = _filled(shape, value, dtype, where, requires_grad, input.dtype)
    else:
        kept = format in (None, preserve_format)
        order = dense_order(shape, input.stride()) if kept else order_of(shape, format)
        made = in_order(
            shape, order, lambda at: _filled(at, value, dtype, where, False, input.dtype)
        )
        if requires_grad:
            set_requires_grad(made, True)
    return input.batched_like(made) if input._level else made  # type: ignore[attr-defined]


@composite(method=False)
def zeros_like(input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
               requires_grad: bool = False, memory_format: Any = None):  # fmt: skip
    """Zeros in the shape, dtype and device of `input`.

    >>> import flambeau
    >>> flambeau.zeros_like(flambeau.tensor([1, 2]))
    tensor([0, 0])
    """
    if layout is not None and layout is not strided:
        kind = dtype or input.dtype
        return _unstrided("zeros", input.shape, layout, kind, device or input.device, requires_grad)
    return _like(input, 0, dtype, device, requires_grad, memory_format)


@composite(method=False)
def ones_like(input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
              requires_grad: bool = False, memory_format: Any = None):  # fmt: skip
    """Ones in the shape, dtype and device of `input`.

    >>> import flambeau
    >>> flambeau.ones_like(flambeau.tensor([1.0, 2.0]))
    tensor([1., 1.])
    """
    if layout is not None and layout is not strided:
        kind = dtype or input.dtype
        return _unstrided("ones", input.shape, layout, kind, device or input.device, requires_grad)
    return _like(input, 1, dtype, device, requires_grad, memory_format)


@composite(method=False)
def empty_like(input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
               requires_grad: bool = False, memory_format: Any = None):  # fmt: skip
    """Arbitrary elements (zeros here) in the shape, dtype and device of `input`.

    >>> import flambeau
    >>> flambeau.empty_like(flambeau.ones(2)).shape
    flambeau.Size([2])
    """
    if layout is not None and layout is not strided:
        kind = dtype or input.dtype
        return _unstrided("empty", input.shape, layout, kind, device or input.device, requires_grad)
    return _like(input, 0, dtype, device, requires_grad, memory_format)


@composite(method=False)
def full_like(input: Tensor, fill_value: complex | Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
              requires_grad: bool = False, memory_format: Any = None):  # fmt: skip
    """One number in the shape, dtype and device of `input`.

    >>> import flambeau
    >>> flambeau.full_like(flambeau.ones(2), 5)
    tensor([5., 5.])
    """
    if layout is not None and layout is not strided:
        kind = dtype or input.dtype
        return _unstrided("full", input.shape, layout, kind, device or input.device, requires_grad)
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    fill_value = number_of(fill_value, input.dtype if dtype is None else as_dtype(dtype))
    return _like(input, fill_value, dtype, device, requires_grad, memory_format)


@primitive(method=False)
def range_new(*, start: Any, step: Any, count: int, dtype: dtype, device: Device):
    """start, start + step, ...: the operator behind arange and linspace."""
    return Meta((count,), dtype, device)


@range_new.kernel
def _(xp, *, start, step, count, dtype, device):
    if dtype.category == dtypes.INT and isinstance(step, int):
        end = start + step * count
        if step and -(2**62) < start < 2**62 > end > -(
            2**62
        ):  # NumPy counts to a whole end in one pass
            return xp.arange(start, end, step).astype(dtype.numpy, copy=False)
        return (start + step * xp.arange(count)).astype(dtype.numpy)
    if dtype is dtypes.complex32:
        raise NotImplementedError('"arange" not implemented for complex32')
    if count == 1:  # where the step is not a number, nobody asks for it
        return xp.full((1,), start).astype(dtype.numpy)
    if count >= layouts.LARGE_RANGE and xp.at_hand:
        made = layouts.ranging[0](start, 0.0, step, count, count, dtype.numpy)
        if made is not None:
            return made
    index = xp.arange(count, dtype="float64")
    if dtype is dtypes.float64 and isinstance(step, float) and hasattr(xp, "fused"):
        return xp.fused(index, step, float(start))  # rounded once, as PyTorch's compiled loops do
    return (start + index * step).astype(dtype.numpy)


range_new.no_vjp("has no tensor inputs")


@range_new.onnx
def _(builder, *, start, step, count, dtype, device):
    kind = dtypes.int64 if isinstance(step, int) else dtypes.float64
    index = builder.node("Range", [builder.scalar(0), builder.scalar(count), builder.scalar(1)])
    scaled = builder.node("Mul", [builder.cast(index, kind), builder.number(step, kind)])
    return builder.cast(builder.node("Add", [scaled, builder.number(start, kind)]), dtype)


def arange(start: float | Tensor | None = None, end: float | Tensor | None = None, step: float | Tensor = 1, *, out: Any = None, dtype: Any = None, layout: Any = None,
           device: Any = None, pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """start, start + step, ... below end. Integers give int64.

    >>> import flambeau
    >>> flambeau.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    if type(start) is int and (end is None or type(end) is int) and type(step) is int:
        low, high = (0, start) if end is None else (start, end)
        usual = out is None and dtype is None and device is None and layout is None
        if usual and step and (high - low) * step >= 0 and not requires_grad:
            if not state.active and default.device is CPU and -(2**62) < low < high + 1 < 2**62:
                return wrap(of_device("cpu").xp.arange(low, high, step))
    if type(step) is float and not requires_grad and out is dtype is device is layout is None:
        made = _few_steps(start, end, step)
        if made is not None:
            return made
    if end is None:
        if start is None:
            raise TypeError("arange() missing 1 required positional argument: 'end'")
        start, end = 0, start
    elif start is None:
        start = 0
    start, end, step = (v.item() if isinstance(v, Tensor) else v for v in (start, end, step))
    whole = all(isinstance(v, int) for v in (start, end, step))
    if dtype is None:
        kind = dtypes.int64 if whole else dtypes.get_default_dtype()
        kind = kind if out is None else out.dtype
    else:
        kind = as_dtype(dtype)
    check(
        all(math.isfinite(v) for v in (start, end)),
        lambda: f"unsupported range: {start} -> {end}",
    )
    wide = math.ceil((end - start) / step) if step and not whole else 0
    if kind.category == dtypes.INT and not whole:  # PyTorch counts in the result's own numbers
        check(step == 0 or int(step) != 0, lambda: "step must be nonzero", ValueError)
        start, end, step, whole = int(start), int(end), int(step), True
    check(step != 0, lambda: "step must be nonzero")
    check(
        (end - start) * step >= 0, lambda: "upper bound and lower bound inconsistent with step sign"
    )
    count = wide if not whole or (wide and kind is not dtypes.int64) else -(-(end - start) // step)
    made = range_new(start=start, step=step, count=int(count), dtype=kind, device=as_device(device))
    if requires_grad:
        set_requires_grad(made, True)
    return _into(out, made)


def _few_steps(start: Any, end: Any, step: float) -> Tensor | None:
    """`arange` upwards between numbers, in float32 on the CPU and of few elements; None for any other."""
    if type(start) not in NUMBERS or type(end) not in NUMBERS or state.active:
        return None
    kind = dtypes.get_default_dtype()
    if kind is not dtypes.float32 or default.device is not CPU:
        return None
    if not (step > 0 and -1e30 < start < end < 1e30):
        return None
    count = math.ceil((end - start) / step)
    return (
        wrap((_counted(count)[0] * step + start).astype(kind.numpy)) if count <= 1 << 10 else None
    )


def linspace(start: Any, end: Any, steps: int, *, out: Any = None, dtype: Any = None, layout: Any = None,
             device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`steps` numbers from start to end, both included, at equal distances.

    >>> import flambeau
    >>> flambeau.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    usual = type(start) in NUMBERS and type(end) in NUMBERS and type(steps) is int and steps > 1
    if usual and not state.active and dtype is device is out is None and not requires_grad:
        kind = dtypes.get_default_dtype()
        if default.device is CPU and kind.itemsize >= 4 and -1e30 < start < 1e30 > end > -1e30:
            made = _few(*_between(start, end, steps, kind), kind)
            if made is not None:
                return wrap(made)
    from .batches import element_by_element, level_of

    if level_of(start, end):
        options = {"dtype": dtype, "device": device}
        made = element_by_element(
            None, lambda a, b: linspace(a, b, steps, **options), detached(start), detached(end)
        )
        return _into(out, made)
    start, end = end_of(start, "linspace"), end_of(end, "linspace")
    check_steps(steps, "linspace")
    kind = kind_of_ends(start, end, dtype, out)
    if kind.category == dtypes.INT:
        start, end = int(start), int(end)
    elif kind.category == dtypes.FLOAT:
        start, end = float(start), float(end)
    step = (end - start) / (steps - 1) if steps > 1 else 0.0
    half = steps // 2 if steps > 1 else steps
    where = as_device(device)
    if kind.category == dtypes.FLOAT:  # the ends and the step are numbers of the result's kind
        usual = kind.itemsize >= 4 and -1e30 < start < 1e30 and -1e30 < end < 1e30
        if usual:  # NumPy has no word to say of these
            start, end, step, *_ = _between(start, end, steps, kind)
        else:
            ends = [_filled((), v, kind, CPU, False, kind) for v in (start, end, float(steps - 1))]
            start, end = ends[0].item(), ends[1].item()
            step = ((ends[1] - ends[0]) / ends[2]).item() if steps > 1 else 0.0
        if usual and steps > 1 and where is CPU and not state.active:
            made = _spaced(start, end, step, half, steps, kind, where)
            if made is not None:
                if requires_grad:
                    set_requires_grad(made, True)
                return _into(out, made)
            xp, count = of_device("cpu").xp, range_new.op.kernels[None]
            low = count(xp, start=start, step=step, count=half, dtype=kind, device=where)
            high = count(xp, start=end, step=-step, count=steps - half, dtype=kind, device=where)
            made = wrap(xp.concatenate([low, high[::-1]]))
            if requires_grad:
                set_requires_grad(made, True)
            return _into(out, made)
    if kind.itemsize < 4 and kind.category == dtypes.FLOAT:  # narrow ones are rounded twice a step

        def part(begin: float, step: float, count: int) -> Tensor:
            index = range_new(start=0, step=1, count=count, dtype=kind, device=where)
            return index * step + begin

        low = part(start, step, half)
        if steps > 1:
            from .joining import cat

            low = cat([low, part(end, -step, steps - half).flip(0)])
    elif (made := _spaced(start, end, step, half, steps, kind, where)) is not None:
        low = made
    else:
        low = range_new(start=start, step=step, count=half, dtype=kind, device=where)
        if steps > 1:  # counted from both ends, as PyTorch does, so that the last is exact
            from .joining import cat

            high = range_new(start=end, step=-step, count=steps - half, dtype=kind, device=where)
            low = cat([low, high.flip(0)])
    if requires_grad:
        set_requires_grad(low, True)
    return _into(out, low)


NUMBERS = (int, float)


def _between(
    start: float, end: float, steps: int, kind: dtype
) -> tuple[float, float, float, int, int]:
    """The ends and the step of a range in the result's kind; how many are counted from the start, and how many there are."""
    rounded = kind.numpy.type
    first, last = rounded(start), rounded(end)
    step = float((last - first) / rounded(steps - 1)) if steps > 1 else 0.0
    return float(first), float(last), step, steps // 2 if steps > 1 else steps, steps


@lru_cache(maxsize=64)
def _counted(steps: int) -> tuple[Any, Any]:
    """0, 1, ... in float64, and the same from behind."""
    forth = of_device("cpu").xp.arange(steps, dtype="float64")
    return forth, forth[::-1]


def _few(start: float, end: float, step: float, half: int, steps: int, kind: dtype) -> Any:
    """Few numbers of float32 counted from both ends; None for others."""
    if kind is not dtypes.float32 or steps > 1 << 10:
        return None
    forth, back = _counted(steps)
    made = forth * step
    made += start
    made[half:] = end - back[half:] * step
    return made.astype(kind.numpy)


def _spaced(
    start: Any, end: Any, step: Any, half: int, steps: int, kind: dtype, where: Device
) -> Tensor | None:
    """Many numbers counted from both ends, on all cores; None where nobody makes them or somebody must be told."""
    if steps < layouts.LARGE_RANGE or where is not CPU or state.active:
        return None
    made = layouts.ranging[0](start, end, step, half, steps, kind.numpy)
    return None if made is None else wrap(made)


def detached(value: Any) -> Any:
    """A tensor without tangents and history; what is none as it is."""
    return value.detach() if isinstance(value, Tensor) else value


def end_of(value: Any, name: str) -> Any:
    """The number at one end of a range; a tensor's must be its only one."""
    if not isinstance(value, Tensor):
        return value
    check(
        value.ndim == 0,
        lambda: (
            f"{name} only supports 0-dimensional start and end tensors, but got a tensor of {value.ndim} dimensions"
        ),
    )
    return value.item()


def check_steps(steps: Any, name: str) -> None:
    """Refuses a number of steps that is no natural number."""
    if isinstance(steps, (float, complex)) or steps is None:
        raise TypeError(
            f"{name}() received an invalid combination of arguments: steps must be an int, "
            f"not {type(steps).__name__}"
        )
    check(steps >= 0, lambda: "number of steps must be non-negative")


def kind_of_ends(start: Any, end: Any, dtype: Any, out: Any) -> dtype:
    """The dtype of a range: given, that of `out`, else the default one, complex for complex ends."""
    if dtype is not None:
        return as_dtype(dtype)
    if out is not None:
        return out.dtype
    kind = dtypes.get_default_dtype()
    return kind.to_complex() if isinstance(start, complex) or isinstance(end, complex) else kind


def eye(n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
        requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Ones on the diagonal, zeros elsewhere.

    >>> import flambeau
    >>> flambeau.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    made = zeros(n, n if m is None else m, dtype=dtype, device=device)
    array = made.__dict__.get("_array")
    if type(array) is ndarray and array.size and not state.active:
        rows, columns = array.shape
        array.reshape(-1)[: min(rows, columns) * (columns + 1) : columns + 1] = 1
    else:
        made.diagonal().fill_(1)
    if requires_grad:
        set_requires_grad(made, True)
    return _into(out, made)


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
           pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A new tensor with a copy of `data`: a number, nested sequences, a NumPy array or a tensor.

    >>> import flambeau
    >>> flambeau.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    kind = None if dtype is None else as_dtype(dtype)
    if kind is dtypes.complex32 and not isinstance(data, Tensor):
        data = tensor(data, dtype=dtypes.complex64, device=device)
    if isinstance(data, Tensor):
        from .casting import convert

        made = convert(
            data.detach(), kind, None if device is None else as_device(device), copy=True
        )
    else:
        where = as_device(device)
        token = state.error_state.set(
            state.quiet
        )  # numbers too large become infinite without a word
        try:
            made = wrap(array_of(data, kind))
        finally:
            state.error_state.reset(token)
        if state.active and state.local.modes:
            made = constant(made)
        if where.type != "cpu":
            from .casting import to_device

            made = to_device(made, where)
    if requires_grad:
        set_requires_grad(made, True)
    return made


def constant(made: Tensor) -> Tensor:
    """Tells the modes in force of a tensor made from Python data."""
    for mode in reversed(state.local.modes):
        mode.constant(made)
    return made


def from_numpy(array: Any) -> Tensor:
    """A tensor over the memory of a NumPy array; writes to one are seen in the other.

    >>> import flambeau, numpy
    >>> a = numpy.zeros(2); t = flambeau.from_numpy(a); a[0] = 1; t
    tensor([1., 0.], dtype=flambeau.float64)
    """
    if type(array) is ndarray and array.base is None and array.dtype.isnative:
        dtypes.from_numpy(array.dtype)
        if array.flags.c_contiguous and own_dtype(array.dtype) is array.dtype:
            return wrap(array)
    if not hasattr(array, "__array_interface__") or isinstance(array, Tensor):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    dtypes.from_numpy(array.dtype)
    of_array(array)
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported."
        )
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "currently supported. (You can probably work around this by making a copy of your array  with array.copy().)"
        )
    if any(s % array.itemsize for s in array.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory."
        )
    kind = own_dtype(array.dtype)
    if kind is not array.dtype:
        array = array.view(kind)
    return wrap(array if array.base is None else foreign(aligned(array)))


@explained
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, without a copy where dtype and device allow.

    >>> import flambeau
    >>> flambeau.as_tensor([1, 2])
    tensor([1, 2])
    """
    from .casting import convert

    kind = None if dtype is None else as_dtype(dtype)
    where = None if device is None else as_device(device)
    if isinstance(data, Tensor):
        return convert(data, kind, where)
    if hasattr(data, "__array_interface__") and hasattr(data, "strides") and data.dtype.isnative:
        if all(s >= 0 and s % data.itemsize == 0 for s in data.strides) and hasattr(
            data, "reshape"
        ):
            array = (
                data if hasattr(data, "flags") and data.ndim else of_device("cpu").xp.asarray(data)
            )
            if array.flags.aligned:
                return convert(from_numpy(array), kind, where)
    return tensor(data, dtype=dtype, device=device)


def set_default_device(device: Any) -> None:
    """The device on which factory functions make tensors from now on."""
    default.device = CPU if device is None else as_device(device)


def get_default_device() -> Device:
    """The device on which factory functions make tensors."""
    return default.device


@primitive(linear=True, ints=("diagonal",))
def tril(input: Meta, diagonal: int = 0):
    """The lower triangle of matrices, zeros above.

    >>> import flambeau
    >>> flambeau.tril(flambeau.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    check(
        input.ndim >= 2, lambda: f"tril: input tensor must have at least 2 dimensions, got {input}"
    )
    return input


@lru_cache(maxsize=64)
def _triangle(rows: int, columns: int, diagonal: int) -> Any:
    """Whether each place of a small matrix is on the diagonal or below."""
    return of_device("cpu").xp.tri(rows, columns, diagonal, dtype=bool)


@tril.kernel
def _(xp, x, *, diagonal):
    check(x.ndim >= 2, lambda: "tril: input tensor must have at least 2 dimensions")
    if xp.at_hand and 0 < x.size <= 1 << 12 and x.flags.c_contiguous:
        return xp.where(_triangle(*x.shape[-2:], diagonal), x, x.dtype.type(0))
    return xp.ascontiguousarray(xp.tril(x, diagonal))


@tril.vjp
def _(g, _out, _x, *, diagonal):
    return tril(g, diagonal)


@tril.batch
def _(size, batched, x, *, diagonal):
    return tril(x, diagonal)


@tril.onnx
def _(builder, x, *, diagonal):
    return builder.node("Trilu", [x, builder.scalar(diagonal)], upper=0)


@primitive(linear=True, ints=("diagonal",))
def triu(input: Meta, diagonal: int = 0):
    """The upper triangle of matrices, zeros below.

    >>> import flambeau
    >>> flambeau.triu(flambeau.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    check(
        input.ndim >= 2, lambda: f"triu: input tensor must have at least 2 dimensions, got {input}"
    )
    return input


@triu.kernel
def _(xp, x, *, diagonal):
    check(x.ndim >= 2, lambda: "triu: input tensor must have at least 2 dimensions")
    if xp.at_hand and 0 < x.size <= 1 << 12 and x.flags.c_contiguous:
        return xp.where(_triangle(*x.shape[-2:], diagonal - 1), x.dtype.type(0), x)
    return xp.ascontiguousarray(xp.triu(x, diagonal))


@triu.vjp
def _(g, _out, _x, *, diagonal):
    return triu(g, diagonal)


@triu.batch
def _(size, batched, x, *, diagonal):
    return triu(x, diagonal)


@triu.onnx
def _(builder, x, *, diagonal):
    return builder.node("Trilu", [x, builder.scalar(diagonal)], upper=1)


@composite(method=False)
def one_hot(input: Tensor, num_classes: int = -1):
    """Integer classes as rows of zeros with a one.

    >>> import flambeau
    >>> flambeau.nn.functional.one_hot(flambeau.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    check(
        input.dtype is dtypes.int64,
        lambda: f"one_hot is only applicable to index tensor of type LongTensor, got {input.dtype}",
    )
    if (
        num_classes > 0 and state.tracing()
    ):  # a program reads no numbers: scatter refuses classes that are none
        places = input.unsqueeze(-1)
        made = zeros((*input.shape, num_classes), dtype=dtypes.int64, device=input.device)
        return made.scatter(-1, places, 1)
    check(not input.numel() or int(input.min()) >= 0, lambda: "Class values must be non-negative.")
    if num_classes == -1:
        check(input.numel(), lambda: "Can not infer total number of classes from empty tensor.")
        num_classes = int(input.max()) + 1
    else:
        check(
            not input.numel() or int(input.max()) < num_classes,
            lambda: "Class values must be smaller than num_classes.",
        )
    return (input.unsqueeze(-1) == arange(num_classes, device=input.device)).to(dtypes.int64)


@one_hot.small
def _(xp, x, *, num_classes):
    if type(num_classes) is not int or x.dtype.char not in "lq" or not x.size:
        return NotImplemented
    low, high = ends(x)
    if num_classes == -1:
        num_classes = high + 1
    if low < 0 or high >= num_classes:
        return NotImplemented
    return (x[..., None] == xp.arange(num_classes)).astype(x.dtype)


makes_tensors(globals())
