"""Quantized operators of ONNX, and those of onnxruntime (com.microsoft) that its quantizer writes.

An integer q stands for (q - zero) * scale. Products of integers are exact, as int32 holds them: they are computed in
float32 where no sum can leave the integers that it holds, else in float64.
"""

from __future__ import annotations

import math
from typing import Any

from .._base import dtypes
from .._base.limits import iinfo
from ..ops import activation, comparison, joining, matrix, softmax
from ..ops.trigonometry import tanh
from ..runtime.tensor import Tensor
from .layers import Conv
from .library import dtype_of
from .nodes import OPERATORS, Attributes, Function, operator
from .operators import Gemm

LEVELS = 255  # the most that two integers of eight bits can be apart


def microsoft(f: Function) -> Function:
    """Enters the function of an operator of onnxruntime's own."""
    OPERATORS[f"com.microsoft::{f.__name__}"] = f
    return f


def _kind(terms: int) -> dtypes.dtype:
    """What holds a sum of so many products exactly."""
    return dtypes.float32 if terms * LEVELS**2 <= 1 << 24 else dtypes.float64


def _whole(x: Tensor, zero: Tensor | None, kind: dtypes.dtype) -> Tensor:
    """q - zero as floats."""
    return x.to(kind) if zero is None else x.to(kind) - zero.to(kind)


def _along(x: Any, axis: int, rank: int) -> Any:
    """Numbers of each slice along `axis`, or one for all, so that they meet a tensor of `rank` dimensions."""
    if x is None or x.numel() == 1:
        return None if x is None else x.reshape(())
    return x.reshape([-1 if d == axis % rank else 1 for d in range(rank)])


def _rounded(levels: Tensor, zero: Tensor | None, kind: dtypes.dtype) -> Tensor:
    """Levels as integers of `kind`, what is beyond them cut off; halves to even."""
    limits = iinfo(kind)
    out = levels.round() if zero is None else levels.round() + zero.to(levels.dtype)
    return out.clamp(limits.min, limits.max).to(kind)


def _int32(sums: Tensor) -> Tensor:
    return sums.to(dtypes.int64).to(dtypes.int32)


# -- numbers and levels ------------------------------------------------------------------------------------------------


@operator
def QuantizeLinear(a: Attributes, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    a.refuse("block_size", 0)
    kind = dtypes.uint8 if zero is None else zero.dtype
    if zero is None and a.get("output_dtype"):
        kind = dtype_of(a["output_dtype"])
    axis = a.get("axis", 1)
    scale, zero = _along(scale, axis, x.ndim), _along(zero, axis, x.ndim)
    return _rounded(x.to(scale.dtype) / scale, zero, kind)


@operator
def DequantizeLinear(a: Attributes, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    a.refuse("block_size", 0)
    axis = a.get("axis", 1)
    wide = x.to(dtypes.int32)
    if zero is not None:
        wide = wide - _along(zero, axis, x.ndim).to(dtypes.int32)
    return wide.to(scale.dtype) * _along(scale, axis, x.ndim)


@operator
def DynamicQuantizeLinear(a: Attributes, x: Tensor) -> tuple:
    low, high = x.amin().clamp(max=0.0), x.amax().clamp(min=0.0)
    scale = comparison.where(high == low, 1.0, (high - low) / 255)
    zero = (-low / scale).clamp(0, 255).round().to(dtypes.uint8)
    return _rounded(x / scale, zero, dtypes.uint8), scale, zero


OPERATORS["com.microsoft::QuantizeLinear"] = QuantizeLinear
OPERATORS["com.microsoft::DequantizeLinear"] = DequantizeLinear


# -- products ----------------------------------------------------------------------------------------------------------


def _product(x: Tensor, y: Tensor, zero_x: Tensor | None, zero_y: Tensor | None) -> Tensor:
    """The exact product of integers; one zero point for each row of `x`, each column of `y`, or one for all."""
    kind = _kind(x.shape[-1])
    if zero_x is not None and zero_x.ndim == 1 and zero_x.numel() > 1:
        zero_x = zero_x.unsqueeze(-1)
    return matrix.matmul(_whole(x, zero_x, kind), _whole(y, zero_y, kind))


def _convolved(
    a: Attributes, x: Tensor, w: Tensor, zero_x: Tensor | None, zero_w: Tensor | None
) -> Tensor:
    """The exact convolution of integers; what is around the image is its zero."""
    kind = _kind(math.prod(w.shape[1:]))
    weight = _whole(w, _along(zero_w, 0, w.ndim), kind)
    return Conv(a, _whole(x, _along(zero_x, 0, 1), kind), weight)


@operator
def MatMulInteger(
    a: Attributes, x: Tensor, y: Tensor, zero_x: Tensor | None = None, zero_y: Tensor | None = None
) -> Tensor:
    return _int32(_product(x, y, zero_x, zero_y))


@operator
def ConvInteger(
    a: Attributes, x: Tensor, w: Tensor, zero_x: Tensor | None = None, zero_w: Tensor | None = None
) -> Tensor:
    return _int32(_convolved(a, x, w, zero_x, zero_w))


@operator
def QLinearMatMul(
    a: Attributes, x: Tensor, scale_x: Tensor, zero_x: Tensor, y: Tensor, scale_y: Tensor, zero_y: Tensor,
    scale: Tensor, zero: Tensor,
) -> Tensor:  # fmt: skip
    if scale_x.numel() > 1:
        scale_x = scale_x.unsqueeze(-1)
    sums = _product(x, y, zero_x, zero_y).to(dtypes.float32)
    return _rounded(sums * (scale_x * scale_y / scale), zero, zero.dtype)


@operator
def QLinearConv(
    a: Attributes, x: Tensor, scale_x: Tensor, zero_x: Tensor, w: Tensor, scale_w: Tensor, zero_w: Tensor,
    scale: Tensor, zero: Tensor, b: Tensor | None = None,
) -> Tensor:  # fmt: skip
    sums = _convolved(a, x, w, zero_x, zero_w)
    if b is not None:
        sums = sums + b.to(sums.dtype).reshape([-1, *[1] * (x.ndim - 2)])
    factor = _along(scale_x * scale_w / scale, 1, x.ndim)
    return _rounded(sums.to(dtypes.float32) * factor, zero, zero.dtype)


@microsoft
def QGemm(
    a: Attributes, x: Tensor, scale_x: Tensor, zero_x: Tensor, y: Tensor, scale_y: Tensor, zero_y: Tensor,
    c: Tensor | None = None, scale: Tensor | None = None, zero: Tensor | None = None,
) -> Tensor:  # fmt: skip
    kind = _kind(y.shape[1 if a.get("transB") else 0])
    zero_y = _along(zero_y, 0 if a.get("transB") else 1, 2)
    plain = Attributes(a.kind, {k: a[k] for k in ("transA", "transB") if k in a}, a.opset, 1)
    sums = Gemm(plain, _whole(x, zero_x, kind), _whole(y, zero_y, kind))
    sums = (sums if c is None else sums + c.to(kind)).to(dtypes.float32)
    factor = scale_x * scale_y * a.get("alpha", 1.0)
    if scale is None or zero is None:
        return sums * factor
    return _rounded(sums * (factor / scale), zero, zero.dtype)


# -- what is computed on the numbers that levels stand for -------------------------------------------------------------


def _numbers(a: Attributes, *levels: Tensor) -> Tensor:
    return DequantizeLinear(Attributes(a.kind, {}, a.opset, 1), *levels)


def _levels(a: Attributes, x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    return QuantizeLinear(Attributes(a.kind, {}, a.opset, 1), x, scale, zero)


def _of_one(kind: str, f: Function) -> None:
    def run(a: Attributes, x: Tensor, scale_x: Tensor, zero_x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:  # fmt: skip
        return _levels(a, f(a, _numbers(a, x, scale_x, zero_x)), scale, zero)

    OPERATORS[f"com.microsoft::{kind}"] = run


def _of_two(kind: str, f: Function) -> None:
    def run(
        a: Attributes, x: Tensor, scale_x: Tensor, zero_x: Tensor, y: Tensor, scale_y: Tensor, zero_y: Tensor,
        scale: Tensor, zero: Tensor,
    ) -> Tensor:  # fmt: skip
        made = f(_numbers(a, x, scale_x, zero_x), _numbers(a, y, scale_y, zero_y))
        return _levels(a, made, scale, zero)

    OPERATORS[f"com.microsoft::{kind}"] = run


def _pooled(kind: str) -> Function:
    def run(a: Attributes, x: Tensor) -> Tensor:
        a.refuse("channels_last", 0)
        return OPERATORS[kind](a, x)

    return run


_of_one("QLinearSigmoid", lambda a, x: activation.sigmoid(x))
_of_one("QLinearLeakyRelu", OPERATORS["LeakyRelu"])
_of_one("QLinearSoftmax", lambda a, x: softmax.softmax(x, a.get("axis", -1)))
_of_one("QLinearGlobalAveragePool", _pooled("GlobalAveragePool"))
_of_one("QLinearAveragePool", _pooled("AveragePool"))
_of_one("QLinearReduceMean", OPERATORS["ReduceMean"])
_of_two("QLinearAdd", lambda x, y: x + y)
_of_two("QLinearMul", lambda x, y: x * y)


@microsoft
def QLinearConcat(a: Attributes, scale: Tensor, zero: Tensor, *parts: Any) -> Tensor:
    numbers = [_numbers(a, *parts[i : i + 3]) for i in range(0, len(parts), 3)]
    return _levels(a, joining.cat(numbers, a["axis"]), scale, zero)


@microsoft
def QLinearWhere(
    a: Attributes, mask: Tensor, x: Tensor, scale_x: Tensor, zero_x: Tensor, y: Tensor, scale_y: Tensor, zero_y: Tensor,
    scale: Tensor, zero: Tensor,
) -> Tensor:  # fmt: skip
    made = comparison.where(mask, _numbers(a, x, scale_x, zero_x), _numbers(a, y, scale_y, zero_y))
    return _levels(a, made, scale, zero)


# -- recurrent ---------------------------------------------------------------------------------------------------------


@microsoft
def DynamicQuantizeLSTM(
    a: Attributes, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None, lengths: Tensor | None, h: Tensor | None,
    c: Tensor | None, peepholes: Tensor | None, *scales: Tensor,
) -> tuple:  # fmt: skip
    """Of each product the left side, the inputs of all steps or a step's state, is quantized anew."""
    usual = ["Sigmoid", "Tanh", "Tanh"] * w.shape[0]
    if list(a.get("activations", usual)) != usual or "clip" in a or a.get("input_forget"):
        raise a.unsupported("activations, clip or input_forget")
    if peepholes is not None or (lengths is not None and bool((lengths != x.shape[0]).any())):
        raise a.unsupported("peepholes or sequences of different lengths")
    size, outs = a["hidden_size"], []
    for k in range(w.shape[0]):
        scale_w, zero_w, scale_r, zero_r = (s[k] for s in scales)
        backward = k == 1 or a.get("direction") == "reverse"
        fed = _dynamic(a, x.flatten(0, 1), w[k], scale_w, zero_w).unflatten(0, tuple(x.shape[:2]))
        if b is not None:
            fed = fed + (b[k, : 4 * size] + b[k, 4 * size :])
        state, cell = (x.new_zeros(x.shape[1], size) if s is None else s[k] for s in (h, c))
        made = []
        for t in reversed(range(len(fed))) if backward else range(len(fed)):
            i, o, f, g = (fed[t] + _dynamic(a, state, r[k], scale_r, zero_r)).chunk(4, -1)
            cell = activation.sigmoid(f) * cell + activation.sigmoid(i) * tanh(g)
            state = activation.sigmoid(o) * tanh(cell)
            made.append(state)
        outs.append((joining.stack(made[::-1] if backward else made), state, cell))
    parts = [joining.stack(list(part), 1 if i == 0 else 0) for i, part in enumerate(zip(*outs))]
    return tuple(parts)


def _dynamic(a: Attributes, x: Tensor, w: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """x @ w, x quantized by what is in it."""
    levels, step, low = DynamicQuantizeLinear(a, x)
    return _product(levels, w, low, zero).to(dtypes.float32) * (step * scale)
