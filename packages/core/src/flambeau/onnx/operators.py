"""ONNX's operators in terms of ours: `function(attributes, *inputs)` for each operator type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._base import dtypes
from ..ops import (
    activation,
    arithmetic,
    comparison,
    convolution,
    creation,
    exponential,
    gathering,
    indexing,
    joining,
    matrix,
    normalization,
    pooling,
    reduction,
    rounding,
    scan,
    softmax,
    sorting,
    trigonometry,
)
from ..runtime.tensor import Tensor
from .library import dtype_of


class Attributes(dict):
    """A node's attributes; `kind` is its operator type, for errors."""

    def __init__(self, kind: str, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.kind = kind

    def refuse(self, name: str, *usual: Any) -> None:
        """RuntimeError where an attribute has a value that we do not do."""
        if name in self and self[name] not in usual:
            raise RuntimeError(
                f"onnx.load: {self.kind} with {name}={self[name]!r} is not supported"
            )


Function = Callable[..., Any]
OPERATORS: dict[str, Function] = {}


def _plain(**functions: Function) -> None:
    for kind, f in functions.items():
        OPERATORS[kind] = lambda a, *xs, f=f: f(*xs)


_plain(
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
    BitwiseNot=comparison.bitwise_not, IsNaN=comparison.isnan, IsInf=comparison.isinf, Softsign=activation.softsign,
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


def _operator(f: Function) -> Function:
    OPERATORS[f.__name__.strip("_")] = f
    return f


def _ints(x: Tensor | None) -> list[int] | None:
    return None if x is None else [int(v) for v in x.reshape(-1).tolist()]


@_operator
def Div(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    whole = x.dtype.category == dtypes.INT
    return arithmetic.div(x, y, rounding_mode="trunc") if whole else arithmetic.true_divide(x, y)


@_operator
def Mod(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    return arithmetic.fmod(x, y) if a.get("fmod") else arithmetic.remainder(x, y)


@_operator
def Identity(a: Attributes, x: Tensor) -> Tensor:
    return x


@_operator
def Dropout(a: Attributes, x: Tensor, *_: Any) -> Tensor:
    return x


@_operator
def Constant(a: Attributes) -> Tensor:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in a:
            return a[name] if isinstance(a[name], Tensor) else creation.tensor(a[name])
    raise RuntimeError("onnx.load: Constant without a numeric value is not supported")


@_operator
def ConstantOfShape(a: Attributes, shape: Tensor) -> Tensor:
    value = a.get("value")
    if value is None:
        return creation.zeros(_ints(shape))
    return creation.full(_ints(shape), value.reshape(-1)[0].item(), dtype=value.dtype)


@_operator
def Cast(a: Attributes, x: Tensor) -> Tensor:
    return x.to(dtype_of(a["to"]))


@_operator
def Shape(a: Attributes, x: Tensor) -> Tensor:
    return creation.tensor(list(x.shape)[a.get("start", 0) : a.get("end")], dtype=dtypes.int64)


@_operator
def Reshape(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = _ints(shape) or []
    if not a.get("allowzero"):
        sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return x.reshape(sizes)


@_operator
def Flatten(a: Attributes, x: Tensor) -> Tensor:
    axis = a.get("axis", 1)
    rows = 1
    for n in x.shape[: axis if axis >= 0 else axis + x.ndim]:
        rows *= n
    return x.reshape((rows, -1))


@_operator
def Transpose(a: Attributes, x: Tensor) -> Tensor:
    return x.permute(a.get("perm", list(range(x.ndim))[::-1]))


@_operator
def Unsqueeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    dims = _ints(axes) if axes is not None else list(a["axes"])
    rank = x.ndim + len(dims or ())
    for d in sorted(d % rank for d in dims or ()):
        x = x.unsqueeze(d)
    return x


@_operator
def Squeeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    dims = _ints(axes) if axes is not None else a.get("axes")
    return x.squeeze(None if dims is None else tuple(dims))


@_operator
def Expand(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    from .._base.checks import broadcast_shapes

    return x.expand(broadcast_shapes(tuple(x.shape), tuple(_ints(shape) or ())))


@_operator
def Concat(a: Attributes, *xs: Tensor) -> Tensor:
    return joining.cat(list(xs), a["axis"])


@_operator
def Split(a: Attributes, x: Tensor, sizes: Tensor | None = None) -> tuple:
    axis = a.get("axis", 0)
    if (given := _ints(sizes)) is not None:
        return x.split(given, axis)
    count = a.get("num_outputs")
    if count is None:
        raise RuntimeError("onnx.load: Split without sizes or num_outputs is not supported")
    return x.chunk(count, axis)


@_operator
def Slice(
    a: Attributes,
    x: Tensor,
    starts: Any = None,
    ends: Any = None,
    axes: Any = None,
    steps: Any = None,
) -> Tensor:
    begin, end = _ints(starts) or list(a.get("starts", [])), _ints(ends) or list(a.get("ends", []))
    dims = _ints(axes) or list(a.get("axes", range(len(begin))))
    strides = _ints(steps) or [1] * len(begin)
    for d, s, e, k in zip(dims, begin, end, strides):
        n = x.shape[d]
        if k < 0:
            x = x.flip(d)
            s = n - 1 - min(s if s >= 0 else max(s + n, -1), n - 1)
            e = n - 1 - (e if e >= 0 else max(e + n, -1))
            k = -k
        low, high, _ = slice(s, e, k).indices(n)
        key = (slice(None),) * (d % x.ndim) + (slice(low, max(high, low), k),)
        x = x[key]
    return x


@_operator
def Gather(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = a.get("axis", 0) % x.ndim
    return indexing.getitem(x, (slice(None),) * axis + (index,))


@_operator
def GatherElements(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    return gathering.gather(
        x, a.get("axis", 0), comparison.where(index < 0, index + x.shape[a.get("axis", 0)], index)
    )


@_operator
def GatherND(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    a.refuse("batch_dims", 0)
    return indexing.getitem(x, tuple(index.unbind(-1)))


@_operator
def ScatterElements(a: Attributes, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    a.refuse("reduction", "none", "add")
    f = gathering.scatter_add if a.get("reduction") == "add" else gathering.scatter_src
    return f(x, a.get("axis", 0), index, updates)


@_operator
def Pad(
    a: Attributes, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    a.refuse("mode", "constant")
    flat = _ints(pads) or []
    dims = [d % x.ndim for d in _ints(axes) or range(x.ndim)]
    n = len(dims)
    pairs = {d: (flat[i], flat[i + n]) for i, d in enumerate(dims)}
    fill = 0.0 if value is None else value.item()
    return joining.pad_constant(x, tuple(pairs.get(d, (0, 0)) for d in range(x.ndim)), fill)


@_operator
def Gemm(a: Attributes, x: Tensor, y: Tensor, c: Tensor | None = None) -> Tensor:
    x = x.t() if a.get("transA") else x
    y = y.t() if a.get("transB") else y
    out = matrix.matmul(x, y)
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    out = out if alpha == 1 else out * alpha
    return out if c is None else out + (c if beta == 1 else c * beta)


@_operator
def Conv(a: Attributes, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    a.refuse("auto_pad", "NOTSET")
    n = x.ndim - 2
    pads = a.get("pads", [0] * 2 * n)
    pairs = tuple(zip(pads[:n], pads[n:]))
    return convolution.convolution(
        x,
        w,
        b,
        tuple(a.get("strides", [1] * n)),
        pairs,
        tuple(a.get("dilations", [1] * n)),
        a.get("group", 1),
    )


@_operator
def ConvTranspose(a: Attributes, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    a.refuse("auto_pad", "NOTSET")
    n = x.ndim - 2
    stride, dilation = a.get("strides", [1] * n), a.get("dilations", [1] * n)
    pads, extra = list(a.get("pads", [0] * 2 * n)), a.get("output_padding", [0] * n)
    kernel = tuple(w.shape)[2:]
    full = [
        (m - 1) * s + d * (k - 1) + 1 + e
        for m, s, d, k, e in zip(tuple(x.shape)[2:], stride, dilation, kernel, extra)
    ]
    if "output_shape" in a:
        size = list(a["output_shape"])
    else:
        size = [m - pads[i] - pads[i + n] for i, m in enumerate(full)]
    pairs = tuple((pads[i], full[i] - size[i] - pads[i]) for i in range(n))
    return convolution.convolution_input(
        x, w, b, tuple(size), tuple(stride), pairs, tuple(dilation), a.get("group", 1)
    )


def _windows(a: Attributes, x: Tensor) -> tuple:
    """Kernel, stride, pads before and behind, dilation and number of windows of a pooling node."""
    a.refuse("auto_pad", "NOTSET")
    kernel = tuple(a["kernel_shape"])
    n = len(kernel)
    stride, dilation = tuple(a.get("strides", [1] * n)), tuple(a.get("dilations", [1] * n))
    pads = list(a.get("pads", [0] * 2 * n))
    out = []
    for i, m in enumerate(tuple(x.shape)[-n:]):
        room = m + pads[i] + pads[i + n] - dilation[i] * (kernel[i] - 1) - 1
        out.append((-(-room // stride[i]) if a.get("ceil_mode") else room // stride[i]) + 1)
    return kernel, stride, tuple(pads[:n]), dilation, tuple(out)


@_operator
def MaxPool(a: Attributes, x: Tensor) -> Tensor:
    kernel, stride, before, dilation, out = _windows(a, x)
    return pooling.max_pool(x, kernel, stride, before, dilation, out)


@_operator
def AveragePool(a: Attributes, x: Tensor) -> Tensor:
    kernel, stride, before, dilation, out = _windows(a, x)
    a.refuse("dilations", list(dilation) if set(dilation) == {1} else None)
    total = pooling.window_sum(x, kernel, stride, before, out)
    if a.get("count_include_pad"):
        count = 1
        for k in kernel:
            count *= k
        return total / count
    return total / pooling.window_sum(creation.ones_like(x), kernel, stride, before, out)


@_operator
def GlobalAveragePool(a: Attributes, x: Tensor) -> Tensor:
    return x.mean(tuple(range(2, x.ndim)), True)


@_operator
def GlobalMaxPool(a: Attributes, x: Tensor) -> Tensor:
    return reduction.amax(x, tuple(range(2, x.ndim)), True)


@_operator
def BatchNormalization(
    a: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor
) -> Tensor:
    a.refuse("training_mode", 0)
    return normalization.batch_norm(x, mean, var, scale, bias, False, 0.0, a.get("epsilon", 1e-5))


@_operator
def LayerNormalization(
    a: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None
) -> Tensor:
    axis = a.get("axis", -1) % x.ndim
    return normalization.layer_norm(x, tuple(x.shape)[axis:], scale, bias, a.get("epsilon", 1e-5))


@_operator
def Softmax(a: Attributes, x: Tensor) -> Tensor:
    return softmax.softmax(x, a.get("axis", -1))


@_operator
def LogSoftmax(a: Attributes, x: Tensor) -> Tensor:
    return softmax.log_softmax(x, a.get("axis", -1))


@_operator
def Gelu(a: Attributes, x: Tensor) -> Tensor:
    return activation.gelu(x, a.get("approximate", "none"))


@_operator
def Elu(a: Attributes, x: Tensor) -> Tensor:
    return activation.elu(x, a.get("alpha", 1.0))


@_operator
def LeakyRelu(a: Attributes, x: Tensor) -> Tensor:
    return activation.leaky_relu(x, a.get("alpha", 0.01))


@_operator
def PRelu(a: Attributes, x: Tensor, slope: Tensor) -> Tensor:
    return comparison.where(x > 0, x, slope * x)


@_operator
def Clip(a: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    out = x if low is None else arithmetic.maximum.op.inner(x, low)
    return out if high is None else arithmetic.minimum.op.inner(out, high)


@_operator
def Range(a: Attributes, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    return creation.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


@_operator
def CumSum(a: Attributes, x: Tensor, axis: Tensor) -> Tensor:
    a.refuse("exclusive", 0)
    a.refuse("reverse", 0)
    return scan.cumsum(x, int(axis.item()))


@_operator
def ArgMax(a: Attributes, x: Tensor) -> Tensor:
    return reduction.argmax(x, a.get("axis", 0), bool(a.get("keepdims", 1)))


@_operator
def ArgMin(a: Attributes, x: Tensor) -> Tensor:
    return reduction.argmin(x, a.get("axis", 0), bool(a.get("keepdims", 1)))


@_operator
def TopK(a: Attributes, x: Tensor, k: Tensor) -> tuple:
    return tuple(sorting.topk(x, int(k.item()), a.get("axis", -1), bool(a.get("largest", 1))))


@_operator
def Trilu(a: Attributes, x: Tensor, k: Tensor | None = None) -> Tensor:
    by = 0 if k is None else int(k.item())
    return creation.triu(x, by) if a.get("upper", 1) else creation.tril(x, by)


@_operator
def NonZero(a: Attributes, x: Tensor) -> Tensor:
    return gathering.nonzero(x).t()


def _reduction(kind: str, f: Function) -> None:
    def run(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
        dims = _ints(axes) if axes is not None else a.get("axes")
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
