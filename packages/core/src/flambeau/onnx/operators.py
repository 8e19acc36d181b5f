"""ONNX's operators in terms of ours: arithmetic, activations, shapes and reductions."""

from __future__ import annotations

import math
from typing import Any

from .._base import dtypes
from .._base.checks import broadcast_shapes
from ..ops import (
    activation,
    arithmetic,
    comparison,
    contraction,
    creation,
    exponential,
    joining,
    matrix,
    reduction,
    rounding,
    scan,
    softmax,
    trigonometry,
)
from ..runtime.tensor import Tensor
from .library import dtype_of
from .nodes import OPERATORS, Attributes, Function, ints, operator, plain

plain(
    Add=arithmetic.add, Sub=arithmetic.sub, Mul=arithmetic.mul, Neg=arithmetic.neg, Abs=arithmetic.abs,
    Sign=arithmetic.sign, Reciprocal=arithmetic.reciprocal, Pow=arithmetic.pow, Exp=exponential.exp, Log=exponential.log,
    Sqrt=exponential.sqrt, Erf=exponential.erf, Floor=rounding.floor, Ceil=rounding.ceil, Round=rounding.round,
    Relu=activation.relu, Sigmoid=activation.sigmoid, MatMul=matrix.matmul, Where=comparison.where,
    Sin=trigonometry.sin, Cos=trigonometry.cos, Tan=trigonometry.tan, Asin=trigonometry.asin, Acos=trigonometry.acos,
    Atan=trigonometry.atan, Sinh=trigonometry.sinh, Cosh=trigonometry.cosh, Tanh=trigonometry.tanh,
    Asinh=trigonometry.asinh, Acosh=trigonometry.acosh, Atanh=trigonometry.atanh, Equal=comparison.eq,
    Less=comparison.lt, LessOrEqual=comparison.le, Greater=comparison.gt, GreaterOrEqual=comparison.ge,
    And=comparison.logical_and, Or=comparison.logical_or, Xor=comparison.logical_xor, Not=comparison.logical_not,
    BitwiseAnd=comparison.bitwise_and, BitwiseOr=comparison.bitwise_or, BitwiseXor=comparison.bitwise_xor,
    BitwiseNot=comparison.bitwise_not, IsNaN=comparison.isnan, Softsign=activation.softsign,
    Softplus=activation.softplus, Mish=activation.mish, HardSwish=activation.hardswish,
)  # fmt: skip


def _fold(f: Function) -> Function:
    def run(a: Attributes, *xs: Tensor) -> Tensor:
        out = xs[0]
        for x in xs[1:]:
            out = f(out, x)
        return out

    return run


OPERATORS["Max"] = _fold(arithmetic.maximum)
OPERATORS["Min"] = _fold(arithmetic.minimum)
OPERATORS["Sum"] = _fold(arithmetic.add)
OPERATORS["Mean"] = lambda a, *xs: OPERATORS["Sum"](a, *xs) / len(xs)


@operator
def IsInf(a: Attributes, x: Tensor) -> Tensor:
    a.refuse("detect_negative", 1)
    a.refuse("detect_positive", 1)
    return comparison.isinf(x)


@operator
def Div(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    whole = x.dtype.category == dtypes.INT
    return arithmetic.div(x, y, rounding_mode="trunc") if whole else arithmetic.true_divide(x, y)


@operator
def Mod(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    return arithmetic.fmod(x, y) if a.get("fmod") else arithmetic.remainder(x, y)


@operator
def Identity(a: Attributes, x: Tensor) -> Tensor:
    return x


@operator
def Dropout(a: Attributes, x: Tensor, ratio: Any = None, training: Tensor | None = None) -> Tensor:
    if training is not None and training.item():
        raise a.unsupported("training_mode")
    return x


@operator
def Constant(a: Attributes) -> Tensor:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in a:
            return a[name] if isinstance(a[name], Tensor) else creation.tensor(a[name])
    raise a.unsupported("a value that is no number")


@operator
def ConstantOfShape(a: Attributes, shape: Tensor) -> Tensor:
    value = a.get("value")
    if value is None:
        return creation.zeros(ints(shape))
    return creation.full(ints(shape), value.reshape(-1)[0].item(), dtype=value.dtype)


@operator
def Cast(a: Attributes, x: Tensor) -> Tensor:
    return x.to(dtype_of(a["to"]))


@operator
def CastLike(a: Attributes, x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype)


@operator
def Shape(a: Attributes, x: Tensor) -> Tensor:
    return creation.tensor(list(x.shape)[a.get("start", 0) : a.get("end")], dtype=dtypes.int64)


@operator
def Size(a: Attributes, x: Tensor) -> Tensor:
    return creation.tensor(x.numel(), dtype=dtypes.int64)


@operator
def Reshape(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = ints(shape) or []
    if not a.get("allowzero"):
        sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return x.reshape(sizes)


@operator
def Flatten(a: Attributes, x: Tensor) -> Tensor:
    axis = a.get("axis", 1)
    rows = 1
    for n in x.shape[: axis if axis >= 0 else axis + x.ndim]:
        rows *= n
    return x.reshape((rows, -1))


@operator
def Transpose(a: Attributes, x: Tensor) -> Tensor:
    return x.permute(a.get("perm", list(range(x.ndim))[::-1]))


@operator
def Unsqueeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    dims = ints(axes) if axes is not None else list(a["axes"])
    rank = x.ndim + len(dims or ())
    for d in sorted(d % rank for d in dims or ()):
        x = x.unsqueeze(d)
    return x


@operator
def Squeeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    dims = ints(axes) if axes is not None else a.get("axes")
    return x.squeeze(None if dims is None else tuple(dims))


@operator
def Expand(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(broadcast_shapes(tuple(x.shape), tuple(ints(shape) or ())))


@operator
def Concat(a: Attributes, *xs: Tensor) -> Tensor:
    return joining.cat(list(xs), a["axis"])


@operator
def Split(a: Attributes, x: Tensor, sizes: Tensor | None = None) -> tuple:
    axis = a.get("axis", 0)
    given = ints(sizes) if sizes is not None else a.get("split")
    return x.chunk(a.results, axis) if given is None else x.split(list(given), axis)


@operator
def Tile(a: Attributes, x: Tensor, repeats: Tensor) -> Tensor:
    return joining.tile(x, *(ints(repeats) or ()))


@operator
def Einsum(a: Attributes, *xs: Tensor) -> Tensor:
    return contraction.einsum(a["equation"], *xs)


@operator
def Gemm(a: Attributes, x: Tensor, y: Tensor, c: Tensor | None = None) -> Tensor:
    x = x.t() if a.get("transA") else x
    y = y.t() if a.get("transB") else y
    out = matrix.matmul(x, y)
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    out = out if alpha == 1 else out * alpha
    return out if c is None else out + (c if beta == 1 else c * beta)


def _softmax(f: Function) -> Function:
    def run(a: Attributes, x: Tensor) -> Tensor:
        if a.opset >= 13:
            return f(x, a.get("axis", -1))
        rows = x.flatten(a.get("axis", 1) % x.ndim)  # until then over all dimensions from `axis` on
        return f(rows, -1).reshape(x.shape)

    return run


OPERATORS["Softmax"] = _softmax(softmax.softmax)
OPERATORS["LogSoftmax"] = _softmax(softmax.log_softmax)


@operator
def Gelu(a: Attributes, x: Tensor) -> Tensor:
    return activation.gelu(x, a.get("approximate", "none"))


@operator
def Elu(a: Attributes, x: Tensor) -> Tensor:
    return activation.elu(x, a.get("alpha", 1.0))


@operator
def LeakyRelu(a: Attributes, x: Tensor) -> Tensor:
    return activation.leaky_relu(x, a.get("alpha", 0.01))


@operator
def Celu(a: Attributes, x: Tensor) -> Tensor:
    return activation.celu(x, a.get("alpha", 1.0))


@operator
def Selu(a: Attributes, x: Tensor) -> Tensor:
    alpha, gamma = a.get("alpha", 1.6732632423543772), a.get("gamma", 1.0507009873554805)
    return gamma * activation.elu(x, alpha)


@operator
def HardSigmoid(a: Attributes, x: Tensor) -> Tensor:
    return arithmetic.clamp(x * a.get("alpha", 0.2) + a.get("beta", 0.5), 0, 1)


@operator
def Swish(a: Attributes, x: Tensor) -> Tensor:
    return x * activation.sigmoid(x * a.get("alpha", 1.0))


@operator
def ThresholdedRelu(a: Attributes, x: Tensor) -> Tensor:
    return comparison.where(x > a.get("alpha", 1.0), x, 0)


@operator
def Shrink(a: Attributes, x: Tensor) -> Tensor:
    lambd, bias = a.get("lambd", 0.5), a.get("bias", 0.0)
    return comparison.where(
        x < -lambd, x + bias, comparison.where(x > lambd, x - bias, creation.zeros_like(x))
    )


@operator
def PRelu(a: Attributes, x: Tensor, slope: Tensor) -> Tensor:
    return comparison.where(x > 0, x, slope * x)


@operator
def Clip(a: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    if a.opset < 11:
        return arithmetic.clamp(x, a.get("min", -math.inf), a.get("max", math.inf))
    out = x if low is None else arithmetic.maximum.op.inner(x, low)
    return out if high is None else arithmetic.minimum.op.inner(out, high)


@operator
def CumSum(a: Attributes, x: Tensor, axis: Tensor) -> Tensor:
    a.refuse("exclusive", 0)
    a.refuse("reverse", 0)
    return scan.cumsum(x, int(axis.item()))


@operator
def ArgMax(a: Attributes, x: Tensor) -> Tensor:
    a.refuse("select_last_index", 0)
    return reduction.argmax(x, a.get("axis", 0), bool(a.get("keepdims", 1)))


@operator
def ArgMin(a: Attributes, x: Tensor) -> Tensor:
    a.refuse("select_last_index", 0)
    return reduction.argmin(x, a.get("axis", 0), bool(a.get("keepdims", 1)))


def _reduction(kind: str, f: Function) -> None:
    def run(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
        dims = ints(axes) if axes is not None else a.get("axes")
        if not dims and a.get("noop_with_empty_axes"):
            return x
        return f(x, tuple(dims) if dims else tuple(range(x.ndim)), bool(a.get("keepdims", 1)))

    OPERATORS[kind] = run


_reduction("ReduceSum", reduction.sum)
_reduction("ReduceMean", reduction.mean)
_reduction("ReduceMax", reduction.amax)
_reduction("ReduceMin", reduction.amin)
_reduction("ReduceProd", reduction.prod_dims)
_reduction("ReduceL1", lambda x, dims, keep: x.abs().sum(dims, keep))
_reduction("ReduceL2", reduction.norm2)
_reduction("ReduceSumSquare", lambda x, dims, keep: (x * x).sum(dims, keep))
_reduction("ReduceLogSumExp", reduction.logsumexp)
_reduction("ReduceLogSum", lambda x, dims, keep: x.sum(dims, keep).log())
