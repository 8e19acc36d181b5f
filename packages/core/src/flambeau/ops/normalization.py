"""Normalisations: batch, layer, group, instance and root mean square.

One primitive, `standardize`, brings chosen dimensions to mean 0 and variance 1; the normalisations of
PyTorch are what is done before and after it. Its gradient is written in three passes over the array,
where the one through mean, variance and quotient would take ten.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .._base.checks import Shape, check
from ..runtime.dispatch import assign
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from ..runtime.unwatched import blend
from .arithmetic import addcmul
from .casting import to_dtype
from .joining import pad_constant
from .precision import in_float32
from .sliding import window_sum

_EPSILON = {"float64": 2.0**-52, "complex128": 2.0**-52}


def smallest(dtype: str) -> float:
    """The `eps` of rms_norm where none is given: the distance from 1 to the next number of what a dtype is computed in.

    >>> smallest("float64"), smallest("bfloat16")
    (2.220446049250313e-16, 1.1920928955078125e-07)
    """
    return _EPSILON.get(dtype, 2.0**-23)


@primitive(method=False, outputs=("output", "mean", "rstd"))
def standardize(input: Meta, dims: tuple[int, ...], eps: float):
    """(x - mean) / sqrt(var + eps) over `dims`, which are kept in the mean and the inverse deviation.

    >>> import flambeau
    >>> flambeau.ops.normalization.standardize(flambeau.tensor([1.0, 3.0]), (0,), 0.0).output
    tensor([-1.,  1.])
    """
    small = input.like([1 if d in dims else n for d, n in enumerate(input.shape)])
    return input, small, small


@standardize.kernel
def _(xp, x, *, dims, eps):
    dtype = x.dtype
    wide = x.astype(xp.float32) if dtype.itemsize == 2 else x
    mean = wide.mean(axis=dims, keepdims=True)
    out = wide - mean
    rstd = xp.square(out).mean(axis=dims, keepdims=True)
    rstd += eps
    rstd = 1 / xp.sqrt(rstd)
    out *= rstd
    return (
        out.astype(dtype, copy=False),
        mean.astype(dtype, copy=False),
        rstd.astype(dtype, copy=False),
    )


@standardize.vjp
def _(g, out, _x, *, dims, eps):
    g_out, g_mean, g_rstd = g
    y, _mean, rstd = out
    count = y.numel() // max(rstd.numel(), 1)
    shift = g_out.mean(dims, True) - g_mean / (rstd * count)
    slope = (g_out * y).mean(dims, True) + g_rstd * rstd / count
    return (g_out - shift - y * slope) * rstd


@standardize.jvp
def _(tangents, out, _x, *, dims, eps):
    (t,) = tangents
    y, _mean, rstd = out
    mean = t.mean(dims, True)
    slope = (t * y).mean(dims, True)
    return (t - mean - y * slope) * rstd, mean, -slope * rstd * rstd


@standardize.batch
def _(size, batched, input, *, dims, eps):
    return standardize(input, tuple(d + 1 for d in dims), eps)


@standardize.onnx
def _(builder, x, *, dims, eps):
    mean = builder.reduce("ReduceMean", x, dims, True)
    centred = builder.node("Sub", [x, mean])
    variance = builder.reduce("ReduceMean", builder.node("Mul", [centred, centred]), dims, True)
    spread = builder.node("Sqrt", [builder.node("Add", [variance, builder.scalar_like(x, eps)])])
    rstd = builder.node("Reciprocal", [spread])
    return builder.node("Mul", [centred, rstd]), mean, rstd


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """weight * x + bias, each where there is one."""
    if weight is None:
        return x if bias is None else _like(x + bias, x)
    return _like(x * weight if bias is None else addcmul(bias, x, weight), x)


def _like(out: Tensor, x: Tensor) -> Tensor:
    """`out` in the dtype of `x`: weights of float32 beside inputs of 16 bits (autocast) do not widen the result."""
    return out if out.dtype is x.dtype else to_dtype(out, x.dtype)


def _check_kinds(name: str, x: Tensor, *params: Any) -> None:
    """Floats are normalised, with parameters of their dtype or, for floats of 16 bits, of float32."""
    check(
        x.dtype.is_floating_point or x.dtype.is_complex,
        lambda: f'"{name}" not implemented for {x.dtype.name}',
        NotImplementedError,
    )
    for p in params:
        check(
            p is None
            or p.dtype is x.dtype
            or (x.dtype.itemsize == 2 and p.dtype.name == "float32"),
            lambda: (
                f"{name}: expected parameters of the input's dtype {x.dtype.name}, but found {p.dtype.name}"
            ),
        )


def _by_channel(values: Any, ndim: int) -> Any:
    """(C,) as it broadcasts to (N, C, ...)."""
    return None if values is None else values.reshape(1, -1, *[1] * (ndim - 2))


def _check_count(name: str, given: Any, channels: int) -> None:
    check(
        given is None or given.numel() == channels,
        lambda: f"{name} should contain {channels} elements not {given.numel()}",
    )


@composite(method=False)
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
):
    """Each channel of (N, C, ...) normalised over all else; running statistics are updated.

    Outside of training the running mean and variance are used.

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0], [3.0]])
    >>> flambeau.ops.normalization.batch_norm(x, None, None, training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]])
    """
    if not _as_usual(input, running_mean, running_var, weight, bias):
        if not input.numel():
            return _of_nothing(input, weight, bias)
        _check_batch_norm(input, running_mean, running_var, weight, bias)
    if not training:
        check(
            running_mean is not None and running_var is not None,
            lambda: (
                "batch_norm: expected running_mean and running_var to be given in evaluation mode"
            ),
        )
        return in_float32(rescale_channels, input, running_mean, running_var, weight, bias, eps)
    count = input.numel() // input.shape[1]
    check(
        count != 1,
        lambda: (
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        ),
        ValueError,
    )

    def by_batch(input: Tensor, weight: Any, bias: Any) -> Tensor:
        out, mean, var = normalize_channels(input, weight, bias, eps)
        # First: a call that fails leaves the statistics as they were.
        if running_mean is not None:
            _move(running_mean, mean, momentum)
        if running_var is not None:
            _move(running_var, var, momentum, count / max(count - 1, 1))
        return out

    return in_float32(by_batch, input, weight, bias)


def _as_usual(input: Tensor, *by_channel: Tensor | None) -> bool:
    """Whether a batch of real floats comes with values of its dtype, one for each channel; else the checks are asked."""
    x = input.__dict__.get("_array")  # wrappers have none
    if x is None or x.dtype.kind != "f" or x.ndim < 2 or not x.size:
        return False
    shape = (x.shape[1],)
    for p in by_channel:
        if p is not None:
            a = p.__dict__.get("_array")
            if a is None or a.shape != shape or a.dtype is not x.dtype:
                return False
    return True


def _check_batch_norm(
    input: Tensor, running_mean: Any, running_var: Any, weight: Any, bias: Any
) -> None:
    check(
        input.ndim >= 2,
        lambda: f"batch_norm: expected input of at least 2 dimensions, got {list(input.shape)}",
        ValueError,
    )
    _check_kinds("batch_norm", input, weight, bias)
    channels = input.shape[1]
    for name, given in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        _check_count(name, given, channels)


@composite(method=False, outputs=("output", "mean", "var"))
def normalize_channels(input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float):
    """Each channel of (N, C, ...) brought to mean 0 and variance 1 over all else, then scaled and shifted.

    With the mean and the variance that were found, of C elements.

    >>> import flambeau
    >>> x = flambeau.tensor([[1.0], [3.0]])
    >>> flambeau.ops.normalization.normalize_channels(x, None, None, 0.0).var
    tensor([1.])
    """
    y, mean, rstd = standardize(input, (0, *range(2, input.ndim)), eps)
    out = _affine(y, _by_channel(weight, input.ndim), _by_channel(bias, input.ndim))
    var = (1 / rstd.square() - eps).reshape(-1)
    return normalize_channels.op.tags["named"](out, mean.reshape(-1), var)


@composite(method=False)
def rescale_channels(
    input: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
):
    """Each channel of (N, C, ...) normalised by a given mean and variance, then scaled and shifted: one multiply-add.

    >>> import flambeau
    >>> x, one = flambeau.tensor([[1.0], [3.0]]), flambeau.ones(1)
    >>> flambeau.ops.normalization.rescale_channels(x, one, one, None, None, 0.0)
    tensor([[0.],
            [2.]])
    """
    factor = (_by_channel(var, input.ndim) + eps).rsqrt()
    if weight is not None:
        factor = factor * _by_channel(weight, input.ndim)
    offset = -_by_channel(mean, input.ndim) * factor
    if bias is not None:
        offset = offset + _by_channel(bias, input.ndim)
    return _like(addcmul(offset, input, factor), input)


@rescale_channels.onnx
def _(builder, x, mean, var, weight, bias, *, eps):
    given = [
        builder.like(mean, fill) if part is None else part
        for part, fill in ((weight, 1), (bias, 0))
    ]
    return builder.node("BatchNormalization", [x, *given, mean, var], epsilon=float(eps))


def _of_nothing(input: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """What is left of an empty batch: nothing, with a history."""
    out = input.clone()
    for part in (weight, bias):
        if part is not None and part.numel():
            out = out + part[0]
    return _like(out, input)


def _move(running: Tensor, new: Tensor, momentum: float, factor: float = 1.0) -> None:
    """`running` a part of the way towards `new` times `factor`."""
    keep, share = 1 - momentum, momentum * factor
    if blend(running, new, keep, share):
        return
    # Statistics have no history and no tangents, whatever the input has.
    new = new.detach()
    if new.dtype is not running.dtype:
        new = to_dtype(new, running.dtype)
    assign(running, running * keep + new * share)


@composite(method=False)
def layer_norm(
    input: Tensor,
    normalized_shape: tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
):
    """The last dimensions, of sizes `normalized_shape`, brought to mean 0 and variance 1.

    >>> import flambeau
    >>> flambeau.ops.normalization.layer_norm(flambeau.tensor([1.0, 3.0]), (2,), eps=0.0)
    tensor([-1.,  1.])
    """
    dims = _last_dims("layer_norm", input, normalized_shape, weight, bias)
    _check_kinds("layer_norm", input, weight, bias)
    return in_float32(_layer_norm, input, weight, bias, dims, eps)


def _layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, dims: Shape, eps: float):
    return _affine(standardize(x, dims, eps)[0], weight, bias)


def _check_shape(what: str, given: Any, shape: Shape) -> None:
    check(
        given is None or tuple(given.shape) == shape,
        lambda: (
            f"Expected {what} to be of same shape as normalized_shape, but got {what} of shape "
            f"{list(given.shape)} and normalized_shape = {list(shape)}"
        ),
    )


def _last_dims(name, input, normalized_shape, weight, bias=None) -> Shape:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    _check_shape("weight", weight, shape)
    _check_shape("bias", bias, shape)
    check(
        len(shape) >= 1 and tuple(input.shape[-len(shape) :]) == shape,
        lambda: (
            f"Given normalized_shape={list(shape)}, expected input with shape "
            f"[{', '.join(['*', *map(str, shape)])}], but got input of size{list(input.shape)}"
        ),
    )
    return tuple(range(input.ndim - len(shape), input.ndim))


@composite(method=False)
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
):
    """Groups of channels of each sample of (N, C, ...) brought to mean 0 and variance 1.

    >>> import flambeau
    >>> flambeau.ops.normalization.group_norm(flambeau.tensor([[1.0, 3.0]]), 1, eps=0.0)
    tensor([[-1.,  1.]])
    """
    check(
        input.ndim >= 2,
        lambda: f"Expected at least 2 dimensions for input tensor but received {input.ndim}",
    )
    n, channels = input.shape[:2]
    check(
        num_groups > 0 and channels % num_groups == 0,
        lambda: (
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(input.shape)} and num_groups={num_groups}"
        ),
    )
    for name, given in (("weight", weight), ("bias", bias)):
        _check_vector(name, given, channels)
    _check_kinds("group_norm", input, weight, bias)
    each = (channels // num_groups) * prod(input.shape[2:])
    return in_float32(_group_norm, input, weight, bias, (n, num_groups, each), eps)


def _group_norm(x: Tensor, weight: Any, bias: Any, groups: Shape, eps: float) -> Tensor:
    y = standardize(x.reshape(groups), (2,), eps)[0].reshape(x.shape)
    return _affine(y, _by_channel(weight, x.ndim), _by_channel(bias, x.ndim))


def _check_vector(name: str, given: Any, channels: int) -> None:
    check(
        given is None or tuple(given.shape) == (channels,),
        lambda: (
            f"Expected {name} to be a vector of size equal to the number of channels in input, but got "
            f"{name} of shape {list(given.shape)} and {channels} channels"
        ),
    )


@composite(method=False)
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
):
    """Each channel of each sample of (N, C, ...) normalised by itself, or by running statistics.

    >>> import flambeau
    >>> flambeau.ops.normalization.instance_norm(flambeau.tensor([[[1.0, 3.0]]]), eps=0.0)
    tensor([[[-1.,  1.]]])
    """
    _check_kinds("instance_norm", input, weight, bias)
    for name, given in (("weight", weight), ("bias", bias)):
        _check_vector(name, given, input.shape[1])
    if not use_input_stats:
        check(
            running_mean is not None and running_var is not None,
            lambda: (
                "Expected running_mean and running_var to be defined when use_input_stats is false"
            ),
        )
        return in_float32(rescale_channels, input, running_mean, running_var, weight, bias, eps)
    if running_mean is None and running_var is None and prod(input.shape[2:]) > 1:
        return group_norm(input, input.shape[1], weight, bias, eps)
    scale, shift = _by_channel(weight, input.ndim), _by_channel(bias, input.ndim)
    count = prod(input.shape[2:])
    check(
        count != 1,
        lambda: f"Expected more than 1 spatial element when training, got input size {input.shape}",
        ValueError,
    )

    def by_sample(input: Tensor, scale: Any, shift: Any) -> Tensor:
        y, mean, rstd = standardize(input, tuple(range(2, input.ndim)), eps)
        mean, rstd = mean.detach().flatten(1), rstd.detach().flatten(1)
        if running_mean is not None:
            _move(running_mean, mean.mean(0), momentum)
        if running_var is not None:
            var = (1 / rstd.square() - eps).mean(0)
            _move(running_var, var * (count / max(count - 1, 1)), momentum)
        return _affine(y, scale, shift)

    return in_float32(by_sample, input, scale, shift)


@composite(method=False)
def rms_norm(
    input: Tensor,
    normalized_shape: tuple[int, ...],
    weight: Tensor | None = None,
    eps: float | None = None,
):
    """The last dimensions divided by their root mean square; `eps` is the dtype's unless given.

    >>> import flambeau
    >>> flambeau.ops.normalization.rms_norm(flambeau.tensor([3.0, 3.0]), (2,))
    tensor([1., 1.])
    """
    dims = _last_dims("rms_norm", input, normalized_shape, weight)
    check(
        input.dtype.name in ("float16", "bfloat16", "float32", "float64") or input.dtype.is_complex,
        lambda: f'"rms_norm" not implemented for {input.dtype.name}',
        NotImplementedError,
    )
    small = smallest(input.dtype.name) if eps is None else eps

    def norm(x: Tensor, weight: Any) -> Tensor:
        y = x * (x.square().mean(dims, True) + small).rsqrt()
        return y if weight is None else _like(y * weight, x)

    return in_float32(norm, input, weight)


@composite(method=False, opmath=True)
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
):
    """Each element of (N, C, ...) divided by a norm over `size` neighbouring channels.

    >>> import flambeau
    >>> flambeau.ops.normalization.local_response_norm(flambeau.ones(1, 3, 2), 2).shape
    flambeau.Size([1, 3, 2])
    """
    check(
        input.ndim >= 3,
        lambda: f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)",
        ValueError,
    )
    if not input.numel():
        return input
    check(size > 0, lambda: f"kernel size should be greater than zero, but got kH: {size} kW: 1")
    squares = input.square().movedim(1, -1)
    channels, before = input.shape[1], size // 2
    pads = ((0, 0),) * (input.ndim - 1) + ((before, size - 1 - before),)
    squares = pad_constant(squares, pads, 0.0)
    total = window_sum(squares, (size,), (1,), (0,), (channels,)).movedim(-1, 1)
    if total.dtype.is_floating_point or total.dtype.is_complex:
        mean = total / size
    else:  # PyTorch's mean of integers has no fraction
        mean = total.div(size, rounding_mode="trunc")
    return input / (mean * alpha + k) ** beta
