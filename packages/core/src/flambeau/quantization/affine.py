"""Tensors of small integers that stand for real numbers: x = (q - zero_point) * scale.

`quantize_per_tensor` makes one with a scale for all numbers, `quantize_per_channel` with one for each slice along an axis.
Such a tensor can be moved, cut, joined, compared and pooled; arithmetic is for `dequantize()` first, as PyTorch says too
for most of it. There is no gradient through it.
"""

from __future__ import annotations

import math
from typing import Any

from .._base import dtypes
from .._base.checks import check
from .._base.dtypes import dtype
from ..nn import functional as F
from ..printing import _with_suffixes, tensor_repr
from ..runtime.signature import explained
from ..runtime.tensor import Tensor


class qscheme:
    """How numbers become integers, such as `flambeau.per_tensor_affine`.

    >>> per_tensor_affine
    flambeau.per_tensor_affine
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return dtype.prefix + self.name

    def __reduce__(self) -> str:
        return self.name


per_tensor_affine = qscheme("per_tensor_affine")
per_channel_affine = qscheme("per_channel_affine")
per_tensor_symmetric = qscheme("per_tensor_symmetric")
per_channel_symmetric = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams = qscheme("per_channel_affine_float_qparams")

# What is stored, and the smallest and largest level.
_STORED = {
    dtypes.qint8: (dtypes.int8, -128, 127),
    dtypes.quint8: (dtypes.uint8, 0, 255),
    dtypes.qint32: (dtypes.int32, -(2**31), 2**31 - 1),
}


class _Levels:
    """What the integers of one tensor mean."""

    def __init__(self, kind: dtype, scale: Any, zero_point: Any, axis: int | None = None) -> None:
        self.kind, self.scale, self.zero_point, self.axis = kind, scale, zero_point, axis

    @property
    def scheme(self) -> qscheme:
        return per_tensor_affine if self.axis is None else per_channel_affine

    def along(self, ndim: int) -> tuple[Any, Any]:
        """Scale and zero point as they broadcast."""
        if self.axis is None:
            return self.scale, self.zero_point
        shape = [1] * ndim
        shape[self.axis] = -1
        scale, zero = self.scale.float().reshape(shape), self.zero_point.float().reshape(shape)
        return scale, zero

    def same(self, other: _Levels) -> bool:
        return (
            other.axis is None
            and self.axis is None
            and (
                (self.kind, self.scale, self.zero_point)
                == (other.kind, other.scale, other.zero_point)
            )
        )

    def quantized(self, x: Tensor) -> QuantizedTensor:
        """`x` rounded to the levels."""
        stored, low, high = _STORED[self.kind]
        scale, zero = self.along(x.ndim)
        # Rounded after the zero point is added, as PyTorch does: halves go to even levels.
        steps = (x.detach() * (1 / scale) + zero).round()
        if self.kind is dtypes.qint32:
            steps = steps.double()
        return self.holding(steps.clamp(low, high).to(stored))

    def holding(self, integers: Tensor) -> QuantizedTensor:
        """A quantized tensor over the memory of `integers`."""
        made: Any = integers.as_subclass(QuantizedTensor)
        made._levels = self
        return made


# Functions that move elements about and leave them as they are.
_MOVING = frozenset(
    [
        "alias",
        "chunk",
        "clone",
        "contiguous",
        "detach",
        "diagonal",
        "expand",
        "flatten",
        "flip",
        "__getitem__",
        "index_select",
        "masked_select",
        "movedim",
        "narrow",
        "permute",
        "ravel",
        "repeat",
        "reshape",
        "roll",
        "select",
        "slice",
        "split",
        "squeeze",
        "swapaxes",
        "swapdims",
        "t",
        "take",
        "transpose",
        "unbind",
        "unflatten",
        "unsqueeze",
        "view",
        "max_pool1d",
        "max_pool2d",
        "max",
        "min",
        "amax",
        "amin",
        "sort",
        "topk",
    ]
)
_WHOLE = frozenset(["clone", "contiguous", "detach", "alias"])
_COMPARING = frozenset(["eq", "ne", "lt", "le", "gt", "ge"])


class QuantizedTensor(Tensor):
    """A tensor of integers with the scale and zero point that say which numbers they are."""

    _levels: Any
    is_quantized = True

    @property
    def dtype(self) -> dtype:
        return self._levels.kind

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", "?"), kwargs or {}
        if name in ("cat", "stack"):
            return _joined(func, args, kwargs)
        first = args[0] if args else kwargs.get("input")
        if isinstance(first, QuantizedTensor):
            levels = first._levels
            if name in _MOVING and (levels.axis is None or name in _WHOLE):
                made = func(first.int_repr(), *args[1:], **kwargs)
                return _held(made, levels)
            if name in ("relu", "relu_") and levels.axis is None:
                return levels.holding(first.int_repr().clamp(min=max(levels.zero_point, 0)))
            if name in _COMPARING or name in ("equal", "allclose", "isclose"):
                plain = [a.dequantize() if isinstance(a, QuantizedTensor) else a for a in args]
                return func(*plain, **kwargs)
            if name == "mean" and levels.axis is None:
                return levels.quantized(func(first.dequantize(), *args[1:], **kwargs))
        raise NotImplementedError(
            f"{name}: not implemented for quantized tensors; call dequantize() first"
        )

    # What it is made of

    def int_repr(self) -> Tensor:
        """The integers."""
        return self.as_subclass(Tensor)

    def dequantize(self) -> Tensor:
        """The real numbers, in float32."""
        scale, zero = self._levels.along(self.ndim)
        return (self.int_repr().float() - zero) * scale

    def qscheme(self) -> qscheme:
        """One scale in all, or one for each channel."""
        return self._levels.scheme

    def q_scale(self) -> float:
        """The scale."""
        self._need("q_scale", per_tensor=True)
        return self._levels.scale

    def q_zero_point(self) -> int:
        """The integer that stands for zero."""
        self._need("q_zero_point", per_tensor=True)
        return self._levels.zero_point

    def q_per_channel_scales(self) -> Tensor:
        """The scale of each channel."""
        self._need("q_per_channel_scales", per_tensor=False)
        return self._levels.scale

    def q_per_channel_zero_points(self) -> Tensor:
        """The zero point of each channel."""
        self._need("q_per_channel_zero_points", per_tensor=False)
        return self._levels.zero_point

    def q_per_channel_axis(self) -> int:
        """The dimension of the channels."""
        self._need("q_per_channel_axis", per_tensor=False)
        return self._levels.axis

    def _need(self, name: str, per_tensor: bool) -> None:
        wanted = per_tensor_affine if per_tensor else per_channel_affine
        check(
            (self._levels.axis is None) == per_tensor,
            lambda: f"{name}: expected a tensor of {wanted}, but got {self._levels.scheme}",
        )

    # Python's side

    # mypy forgets the names of a stub's arguments where the method has underscores.
    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        levels = self._levels
        text = tensor_repr(self.dequantize(), contents=tensor_contents)[:-1]
        suffixes = [
            f"size={tuple(self.shape)}",
            f"dtype={levels.kind}",
            f"quantization_scheme={levels.scheme}",
            f"scale={levels.scale}",
            f"zero_point={levels.zero_point}",
        ]
        if levels.axis is not None:
            suffixes.append(f"axis={levels.axis}")
        return _with_suffixes(text, suffixes, len("tensor("))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = self._levels.holding(self.int_repr().clone())
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        levels = self._levels
        parts = (self.int_repr(), levels.kind, levels.scale, levels.zero_point, levels.axis)
        return _rebuilt, parts

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"numpy: got a tensor of {self.dtype}; call int_repr() or dequantize() first"
        )

    def tolist(self) -> Any:
        raise RuntimeError(
            f"tolist: got a tensor of {self.dtype}; call int_repr() or dequantize() first"
        )


def _rebuilt(integers: Tensor, kind: dtype, scale: Any, zero: Any, axis: int | None) -> Any:
    return _Levels(kind, scale, zero, axis).holding(integers)


def _held(made: Any, levels: _Levels) -> Any:
    """The integers among a result's members with their meaning again; indices stay what they are."""
    if isinstance(made, Tensor):
        return levels.holding(made) if made.dtype is _STORED[levels.kind][0] else made
    if isinstance(made, tuple) and hasattr(made, "_fields"):
        return type(made)(*(_held(m, levels) for m in made))
    return type(made)(_held(m, levels) for m in made) if isinstance(made, (tuple, list)) else made


def _joined(func: Any, args: Any, kwargs: Any) -> Any:
    parts = list(args[0])
    levels = parts[0]._levels if isinstance(parts[0], QuantizedTensor) else None
    if levels is None or not all(
        isinstance(p, QuantizedTensor) and levels.same(p._levels) for p in parts
    ):
        raise NotImplementedError(
            f"{func.__name__}: expected quantized tensors of one scale and zero point"
        )
    return levels.holding(func([p.int_repr() for p in parts], *args[1:], **kwargs))


# -- functions -----------------------------------------------------------------------------------------


def _check_kind(name: str, input: Tensor, kind: dtype) -> tuple[int, int]:
    check(
        kind in _STORED,
        lambda: f"{name}: expected one of qint8, quint8 and qint32 as dtype, got {kind}",
    )
    check(
        input.dtype is dtypes.float32,
        lambda: f"{name}: Quantize only works on Float Tensor, got {input.dtype}",
    )
    return _STORED[kind][1:]


@explained
def quantize_per_tensor(input: Any, scale: Any, zero_point: Any, dtype: dtype) -> Any:
    """`input` as integers q with x near (q - zero_point) * scale; of several tensors one for each scale.

    >>> import flambeau
    >>> flambeau.quantize_per_tensor(flambeau.tensor([0.26, -9.0]), 0.1, 10, flambeau.quint8).int_repr()
    tensor([13,  0], dtype=flambeau.uint8)
    """
    if isinstance(input, (list, tuple)):
        each = zip(input, scale.tolist(), zero_point.tolist())
        return tuple(quantize_per_tensor(x, s, z, dtype) for x, s, z in each)
    low, high = _check_kind("quantize_per_tensor", input, dtype)
    zero = int(zero_point)
    check(
        low <= zero <= high,
        lambda: (
            f"quantize_per_tensor: zero_point {zero} is {'above upper' if zero > high else 'below lower'} "
            "bound."
        ),
    )
    return _Levels(dtype, float(scale), zero).quantized(input)


@explained
def quantize_per_channel(
    input: Tensor, scales: Tensor, zero_points: Tensor, axis: int, dtype: dtype
) -> Any:
    """As `quantize_per_tensor` with a scale and a zero point for each slice along `axis`.

    >>> import flambeau
    >>> x, zeros = flambeau.tensor([[1.0], [1.0]]), flambeau.tensor([0, 0])
    >>> made = flambeau.quantize_per_channel(x, flambeau.tensor([0.1, 0.5]), zeros, 0, flambeau.qint8)
    >>> made.int_repr().flatten()
    tensor([10,  2], dtype=flambeau.int8)
    """
    _check_kind("quantize_per_channel", input, dtype)
    check(
        scales.ndim == 1
        and tuple(scales.shape) == tuple(zero_points.shape) == (input.shape[axis],),
        lambda: (
            f"quantize_per_channel: expected {input.shape[axis]} scales and zero points for axis {axis} of "
            f"{list(input.shape)}, got {list(scales.shape)} and {list(zero_points.shape)}"
        ),
    )
    levels = _Levels(dtype, scales.double(), zero_points.long(), axis % input.ndim)
    return levels.quantized(input)


@explained
def quantize_per_tensor_dynamic(input: Tensor, dtype: dtype, reduce_range: bool) -> Any:
    """`quantize_per_tensor` with the scale and zero point that the smallest and largest number ask for.

    `reduce_range` uses seven of the eight bits, which some processors' products need.

    >>> import flambeau
    >>> made = flambeau.quantize_per_tensor_dynamic(flambeau.tensor([-3.0, 4.0]), flambeau.quint8, False)
    >>> made.q_zero_point()
    109
    """
    low, high = _check_kind("quantize_per_tensor_dynamic", input, dtype)
    if reduce_range:
        low, high = low // 2, high // 2
    least, most = (float(input.min()), float(input.max())) if input.numel() else (0.0, 0.0)
    scale, zero = _chosen(min(least, 0.0), max(most, 0.0), low, high)
    return _Levels(dtype, scale, zero).quantized(input)


def _chosen(least: float, most: float, low: int, high: int) -> tuple[float, int]:
    """The scale that spans the numbers, and the zero point, rounded from the end where rounding errs less."""
    scale = (most - least) / (high - low)
    if scale == 0 or math.isinf(1 / scale):
        scale = 0.1
    from_low, from_high = low - least / scale, high - most / scale
    errs_low = abs(low) + abs(least / scale)
    errs_high = abs(high) + abs(most / scale)
    zero = from_low if errs_low < errs_high else from_high
    return scale, int(min(max(round(zero), low), high))


@explained
def dequantize(tensor: Any) -> Any:
    """The real numbers of a quantized tensor, or of each of several."""
    if isinstance(tensor, (list, tuple)):
        return tuple(t.dequantize() for t in tensor)
    return tensor.dequantize()


def _method(name: str) -> Any:
    def call(input: Tensor) -> Any:
        return getattr(input, name)()

    call.__name__ = call.__qualname__ = name
    call.__doc__ = getattr(QuantizedTensor, name).__doc__
    return explained(call)


int_repr, q_scale, q_zero_point = map(_method, ("int_repr", "q_scale", "q_zero_point"))
q_per_channel_scales = _method("q_per_channel_scales")
q_per_channel_zero_points = _method("q_per_channel_zero_points")
q_per_channel_axis = _method("q_per_channel_axis")


def _need_quantized(name: str, input: Any) -> None:
    check(
        isinstance(input, QuantizedTensor),
        lambda: f"{name}: expected a quantized tensor, got {input.dtype}",
        NotImplementedError,
    )


@explained
def quantized_max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """`max_pool1d` of a quantized tensor: the largest integer of each window."""
    _need_quantized("quantized_max_pool1d", input)
    return F.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


@explained
def quantized_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """`max_pool2d` of a quantized tensor: the largest integer of each window."""
    _need_quantized("quantized_max_pool2d", input)
    return F.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


@explained
def quantized_batch_norm(
    input: Any,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    output_scale: float,
    output_zero_point: int,
) -> Any:
    """Batch normalisation by given statistics, of a quantized tensor to one of another scale."""
    _need_quantized("quantized_batch_norm", input)
    made = F.batch_norm(input.dequantize(), mean, var, weight, bias, False, 0.0, eps)
    return _Levels(input.dtype, float(output_scale), int(output_zero_point)).quantized(made)
