"""Convolutions of any number of spatial dimensions and their transposes.

Three primitives, each the derivative of the others, so that gradients of every order exist:
`convolution` (input, weight -> output), `convolution_input` (output, weight -> input; this is the
transposed convolution) and `convolution_weight` (input, output -> weight). Their kernels copy the
windows of a few images at a time into columns (im2col), small enough to stay in the cache, and leave
the work to matrix products.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from .._base.checks import Shape, check
from ..runtime import state
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.promotion import SAME_REQUIRED
from ..runtime.tensor import Tensor

COLUMN_BYTES = 1 << 20  # of columns at a time: half of an L2 cache; 256 KiB to 4 MiB measure alike

Pairs = tuple[tuple[int, int], ...]


# -- geometry ----------------------------------------------------------------------------------------


def output_size(
    size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape
) -> Shape:
    """The number of windows in each dimension."""
    return tuple(
        (n + lo + hi - d * (k - 1) - 1) // s + 1
        for n, k, s, (lo, hi), d in zip(size, kernel, stride, padding, dilation)
    )


def windows(xp, x, kernel, stride, dilation, out):
    """A strided look at every window of the last dimensions: (..., *kernel, *out)."""
    count = len(kernel)
    outer, inner = x.strides[:-count], x.strides[-count:]
    steps = (*[d * s for d, s in zip(dilation, inner)], *[d * s for d, s in zip(stride, inner)])
    shape = (*x.shape[:-count], *kernel, *out)
    return xp.lib.stride_tricks.as_strided(x, shape, (*outer, *steps))


def padded(xp, x, padding):
    """`x` with zeros around its last dimensions; itself where there is nothing to add."""
    if not any(lo or hi for lo, hi in padding):
        return x
    count = len(padding)
    size = [n + lo + hi for n, (lo, hi) in zip(x.shape[-count:], padding)]
    y = xp.zeros((*x.shape[:-count], *size), x.dtype)
    y[(..., *inside(x.shape[-count:], padding))] = x
    return y


def inside(size, padding):
    """The slices of a padded array that hold what was there before."""
    return [slice(lo, lo + n) for n, (lo, _) in zip(size, padding)]


def taps(kernel, out, stride, dilation):
    """For every place in the kernel: its index, and the slices of the input that it meets."""
    places: list[tuple[int, ...]] = [()]
    for k in kernel:
        places = [(*p, i) for p in places for i in range(k)]
    for place in places:
        yield (
            place,
            tuple(
                slice(i * d, i * d + (n - 1) * s + 1, s)
                for i, n, s, d in zip(place, out, stride, dilation)
            ),
        )


def _precise(xp, *arrays):
    """float16 and bfloat16 in float32: matrix products of halves are slow and lose digits."""
    low = arrays[0].dtype.itemsize == 2
    return [a.astype(xp.float32) if low else a for a in arrays]


def _chunks(count, bytes_each):
    step = max(1, COLUMN_BYTES // max(bytes_each, 1))
    return [slice(i, min(i + step, count)) for i in range(0, count, step)]


def _columns(xp, x, kernel, stride, dilation, out, groups):
    """The windows as matrices: (images, groups, channels * kernel, positions)."""
    looks = windows(xp, x, kernel, stride, dilation, out)
    channels = x.shape[1] // groups
    return looks.reshape(len(x), groups, channels * prod(kernel), prod(out))


# -- the three primitives ----------------------------------------------------------------------------


@primitive(promote=SAME_REQUIRED, method=False)
def convolution(
    input: Meta,
    weight: Meta,
    bias: Meta | None,
    stride: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
):
    """Sums of products of a kernel with every window: (N, C, *size) to (N, O, *windows).

    `weight` is (O, C / groups, *kernel); `padding` has what to add before and behind each dimension.

    >>> import flambeau
    >>> x, w = flambeau.ones(1, 1, 4), flambeau.ones(1, 1, 3)
    >>> flambeau.ops.convolution.convolution(x, w, None, (1,), ((0, 0),), (1,), 1)
    tensor([[[3., 3.]]])
    """
    kernel = weight.shape[2:]
    _check_shapes(input, weight, bias, padding, dilation, groups)
    size = output_size(input.shape[2:], kernel, stride, padding, dilation)
    return input.like((input.shape[0], weight.shape[0], *size))


@convolution.kernel
def _(xp, x, w, b, *, stride, padding, dilation, groups):
    kernel, dtype = w.shape[2:], x.dtype
    _check_shapes(x, w, b, padding, dilation, groups)
    out = output_size(x.shape[2:], kernel, stride, padding, dilation)
    x, w = _precise(xp, x, w)
    x = padded(xp, x, padding)
    n, o = len(x), len(w)
    matrix = w.reshape(groups, o // groups, -1)
    y = xp.empty((n, groups, o // groups, prod(out)), x.dtype)
    for part in _chunks(n, w[0].nbytes * groups * prod(out)):
        columns = _columns(xp, x[part], kernel, stride, dilation, out, groups)
        xp.matmul(matrix, columns, out=y[part])
    if b is not None:
        y += b.reshape(groups, o // groups, 1)
    return y.reshape(n, o, *out).astype(dtype, copy=False)


@convolution.vjp
def _(g, _out, input, weight, bias: Meta, *, stride, padding, dilation, groups):
    options = (stride, padding, dilation, groups)
    return (
        lambda: convolution_input(g, _conj(weight), None, input.shape[2:], *options),
        lambda: convolution_weight(_conj(input), g, weight.shape[2:], *options),
        lambda: _sum_but_channels(g),
    )


@convolution.jvp
def _(tangents, _out, input, weight, bias, **attrs):
    options = tuple(attrs.values())
    x, w, b = tangents
    parts = []
    if x is not None:
        parts.append(convolution(x, weight, None, *options))
    if w is not None:
        parts.append(convolution(input, w, None, *options))
    if b is not None:
        parts.append(_per_channel(b, input.ndim))
    return _sum(parts)


@convolution.batch
def _(size, batched, input, weight, bias, *, stride, padding, dilation, groups):
    options = (stride, padding, dilation)
    bias_in = None if batched[2] else bias
    if not batched[1]:
        out = convolution(input.flatten(0, 1), weight, bias_in, *options, groups)
        out = out.unflatten(0, (size, -1))
    else:  # each weight of the batch becomes groups of its own
        x = _beside(input, size, batched[0])
        out = convolution(x, weight.flatten(0, 1), None, *options, size * groups)
        out = out.unflatten(1, (size, -1)).movedim(1, 0)
        if bias_in is not None:
            out = out + _per_channel(bias_in, out.ndim - 1)
    if batched[2]:
        out = out + bias.reshape(size, 1, -1, *[1] * (out.ndim - 3))
    return out


@convolution.onnx
def _(builder, x, w, b, *, stride, padding, dilation, groups):
    inputs = [x, w] if b is None else [x, w, b]
    return builder.node("Conv", inputs, **_onnx_attributes(stride, padding, dilation, groups))


@primitive(promote=SAME_REQUIRED, method=False)
def convolution_input(
    input: Meta,
    weight: Meta,
    bias: Meta | None,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
):
    """The transpose of `convolution`: (N, O, *windows) to (N, C, *size), weight (O, C / groups, ·).

    >>> import flambeau
    >>> y, w = flambeau.ones(1, 1, 2), flambeau.ones(1, 1, 3)
    >>> flambeau.ops.convolution.convolution_input(y, w, None, (4,), (1,), ((0, 0),), (1,), 1)
    tensor([[[1., 2., 2., 1.]]])
    """
    return input.like((input.shape[0], weight.shape[1] * groups, *size))


@convolution_input.kernel
def _(xp, y, w, b, *, size, stride, padding, dilation, groups):
    kernel, out, dtype = w.shape[2:], y.shape[2:], y.dtype
    y, w = _precise(xp, y, w)
    n, channels = len(y), w.shape[1]
    matrix = w.reshape(groups, w.shape[0] // groups, -1).swapaxes(1, 2)
    y = y.reshape(n, groups, -1, prod(out))
    whole = [s + lo + hi for s, (lo, hi) in zip(size, padding)]
    x = xp.zeros((n, groups * channels, *whole), y.dtype)
    for part in _chunks(n, matrix.nbytes // max(len(w) // groups, 1) * prod(out)):
        columns = xp.matmul(matrix, y[part]).reshape(-1, groups * channels, *kernel, *out)
        target = x[part]
        for place, slices in taps(kernel, out, stride, dilation):
            target[(slice(None), slice(None), *slices)] += columns[
                (slice(None), slice(None), *place)
            ]
    x = x[(..., *inside(size, padding))]
    if b is not None:
        x = x + b.reshape(-1, *[1] * len(size))
    return xp.ascontiguousarray(x).astype(dtype, copy=False)


def _conj(x: Tensor) -> Tensor:
    """Conjugated where complex: what a product is multiplied by in its gradient."""
    return x.conj() if x.dtype.is_complex else x


def _cropped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Without the windows that only an output padding as large as the stride makes room for."""
    for d in range(2, x.ndim):
        if x.shape[d] != shape[d]:
            x = x.narrow(d, 0, shape[d])
    return x


@convolution_input.vjp
def _(g, _out, input, weight, bias: Meta, *, stride, padding, dilation, groups):
    options = (stride, padding, dilation, groups)
    return (
        lambda: _cropped(convolution(g, _conj(weight), None, *options), input.shape),
        lambda: convolution_weight(g, _conj(input), weight.shape[2:], *options),
        lambda: _sum_but_channels(g),
    )


@convolution_input.jvp
def _(tangents, out, input, weight, bias, **attrs):
    options = tuple(attrs.values())
    y, w, b = tangents
    parts = []
    if y is not None:
        parts.append(convolution_input(y, weight, None, *options))
    if w is not None:
        parts.append(convolution_input(input, w, None, *options))
    if b is not None:
        parts.append(_per_channel(b, input.ndim).expand(out.shape))
    return _sum(parts)


@convolution_input.batch
def _(size_, batched, input, weight, bias, *, size, stride, padding, dilation, groups):
    options = (size, stride, padding, dilation)
    bias_in = None if batched[2] else bias
    if not batched[1]:
        out = convolution_input(input.flatten(0, 1), weight, bias_in, *options, groups)
        out = out.unflatten(0, (size_, -1))
    else:
        y = _beside(input, size_, batched[0])
        out = convolution_input(y, weight.flatten(0, 1), None, *options, size_ * groups)
        out = out.unflatten(1, (size_, -1)).movedim(1, 0)
        if bias_in is not None:
            out = out + _per_channel(bias_in, out.ndim - 1)
    if batched[2]:
        out = out + bias.reshape(size_, 1, -1, *[1] * (out.ndim - 3))
    return out


@convolution_input.onnx
def _(builder, y, w, b, *, size, stride, padding, dilation, groups):
    inputs = [y, w] if b is None else [y, w, b]
    # Not output_shape: with it ONNX works out the padding by itself and spreads it evenly.
    kernel, given = builder.metas[w].shape[2:], builder.metas[y].shape[2:]
    spare = [
        n - ((m - 1) * s + (k - 1) * d + 1 - before - after)
        for n, m, k, s, d, (before, after) in zip(size, given, kernel, stride, dilation, padding)
    ]
    options = _onnx_attributes(stride, padding, dilation, groups)
    return builder.node("ConvTranspose", inputs, output_padding=spare, **options)


@primitive(promote=SAME_REQUIRED, method=False)
def convolution_weight(
    input: Meta,
    output: Meta,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    groups: int,
):
    """The gradient of `convolution` for its weight: (N, C, *size), (N, O, *windows) to the weight.

    >>> import flambeau
    >>> x, y = flambeau.ones(1, 1, 4), flambeau.ones(1, 1, 2)
    >>> flambeau.ops.convolution.convolution_weight(x, y, (3,), (1,), ((0, 0),), (1,), 1)
    tensor([[[2., 2., 2.]]])
    """
    return input.like((output.shape[1], input.shape[1] // groups, *kernel))


@convolution_weight.kernel
def _(xp, x, y, *, kernel, stride, padding, dilation, groups):
    out, dtype = y.shape[2:], x.dtype
    x, y = _precise(xp, x, y)
    x = padded(xp, x, padding)
    n, o, channels = len(x), y.shape[1], x.shape[1]
    y = y.reshape(n, groups, o // groups, prod(out))
    total = xp.zeros((groups, o // groups, channels // groups * prod(kernel)), x.dtype)
    bytes_each = channels * prod(kernel) * prod(out) * x.dtype.itemsize
    for part in _chunks(n, bytes_each):
        columns = _columns(xp, x[part], kernel, stride, dilation, out, groups)
        for matrix, look in zip(y[part], columns):
            total += xp.matmul(matrix, look.swapaxes(1, 2))
    return total.reshape(o, channels // groups, *kernel).astype(dtype, copy=False)


@convolution_weight.vjp
def _(g, _out, input, output, *, stride, padding, dilation, groups):
    options = (stride, padding, dilation, groups)
    return (
        lambda: convolution_input(_conj(output), g, None, input.shape[2:], *options),
        lambda: convolution(_conj(input), g, None, *options),
    )


@convolution_weight.jvp
def _(tangents, _out, input, output, **attrs):
    options = tuple(attrs.values())
    x, y = tangents
    parts = []
    if x is not None:
        parts.append(convolution_weight(x, output, *options))
    if y is not None:
        parts.append(convolution_weight(input, y, *options))
    return _sum(parts)


@convolution_weight.batch
def _(size, batched, input, output, *, kernel, stride, padding, dilation, groups):
    x, y = _beside(input, size, batched[0]), _beside(output, size, batched[1])
    made = convolution_weight(x, y, kernel, stride, padding, dilation, size * groups)
    return made.unflatten(0, (size, -1))


convolution_weight.refuse("onnx", "a gradient: exported graphs do not train")


def _beside(x: Tensor, size: int, batched: bool) -> Tensor:
    """A batch of (N, C, ...) as (N, batch * C, ...), or `size` copies of one that has no batch."""
    x = x if batched else x.unsqueeze(0).expand(size, *x.shape)
    return x.movedim(0, 1).flatten(1, 2)


def _per_channel(b: Tensor, ndim: int) -> Tensor:
    return b.reshape(1, -1, *[1] * (ndim - 2))


def _sum_but_channels(g: Tensor) -> Tensor:
    return g.sum((0, *range(2, g.ndim)))


def _sum(parts: list[Tensor]) -> Tensor:
    out = parts[0]
    for part in parts[1:]:
        out = out + part
    return out


def _onnx_attributes(stride, padding, dilation, groups):
    return {
        "strides": list(stride),
        "pads": [lo for lo, _ in padding] + [hi for _, hi in padding],
        "dilations": list(dilation),
        "group": groups,
    }


def _check_shapes(input, weight, bias, padding, dilation, groups) -> None:
    """Channels, groups, bias and sizes fit together; of metas and raw arrays alike."""
    channels, wanted = input.shape[1], weight.shape[1] * groups
    check(
        channels == wanted,
        lambda: (
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected "
            f"input{list(input.shape)} to have {wanted} channels, but got {channels} channels instead"
        ),
    )
    check(
        groups > 0 and weight.shape[0] % groups == 0,
        lambda: (
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0 and "
            f"divisible by it, but got weight of size {list(weight.shape)} instead"
        ),
    )
    check(
        bias is None or tuple(bias.shape) == (weight.shape[0],),
        lambda: (
            f"Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with "
            f"{weight.shape[0]} elements, but got bias of size {list(bias.shape)} instead"
        ),
    )
    sizes = [n + lo + hi for n, (lo, hi) in zip(input.shape[2:], padding)]
    spans = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation)]
    check(
        all(n >= s for n, s in zip(sizes, spans)),
        lambda: (
            f"Calculated padded input size per channel: ({_times(sizes)}). Kernel size: "
            f"({_times(spans)}). Kernel size can't be greater than actual input size"
        ),
    )


def _times(sizes) -> str:
    return " x ".join(map(str, sizes))


# -- PyTorch's functions -----------------------------------------------------------------------------


def expanded(value: int | tuple[int, ...], count: int, name: str) -> Shape:
    """An option as one number for each spatial dimension."""
    if isinstance(value, int):
        return (value,) * count
    value = tuple(value)
    if len(value) == 1:
        return value * count
    check(
        len(value) == count,
        lambda: (
            f"expected {name} to be a single integer value or a list of {count} values to match "
            f"the convolution dimensions, but got {name}={list(value)}"
        ),
    )
    return value


def _pairs(padding, kernel, stride, dilation) -> Pairs:
    """What to add before and behind each dimension, for numbers, 'valid' and 'same'."""
    count = len(kernel)
    if padding == "valid":
        return ((0, 0),) * count
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        totals = [d * (k - 1) for k, d in zip(kernel, dilation)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    sizes = expanded(padding, count, "padding")
    check(all(p >= 0 for p in sizes), lambda: "negative padding is not supported")
    return tuple((p, p) for p in sizes)


def _with_batch(name: str, count: int, input: Tensor, weight: Tensor) -> tuple[Tensor, bool]:
    """The input with a batch dimension, and whether it came with one."""
    check(
        weight.ndim == count + 2,
        lambda: (
            f"{name}: expected weight to have {count + 2} dimensions, "
            f"but got weight of size: {list(weight.shape)}"
        ),
    )
    check(
        0 not in weight.shape[2:],
        lambda: (
            f"{name}: kernel size should be greater than zero, but got {list(weight.shape[2:])}"
        ),
    )
    check(
        input.ndim in (count + 1, count + 2),
        lambda: (
            f"Expected {count + 1}D (unbatched) or {count + 2}D (batched) input to {name}, "
            f"but got input of size: {list(input.shape)}"
        ),
    )
    if input.ndim == count + 2:
        return input, True
    return input.unsqueeze(0), False


def _conv(name, count, input, weight, bias, stride, padding, dilation, groups) -> Tensor:
    x, batched = _with_batch(name, count, input, weight)
    known = _conv_options
    if not state.active and not (
        type(stride) is list or type(padding) is list or type(dilation) is list
    ):
        known = _known_options
    stride, pairs, dilation = known(count, weight.shape[2:], stride, padding, dilation)
    out = convolution(x, weight, bias, stride, pairs, dilation, groups)
    return out if batched else out.squeeze(0)


def _conv_options(count, kernel, stride, padding, dilation):
    """Stride, what to add on both sides and dilation, each for every dimension, checked."""
    stride = expanded(stride, count, "stride")
    dilation = expanded(dilation, count, "dilation")
    check(all(s > 0 for s in stride), lambda: "non-positive stride is not supported")
    check(all(d > 0 for d in dilation), lambda: "dilation should be greater than zero")
    return stride, _pairs(padding, kernel, stride, dilation), dilation


_known_options = lru_cache(maxsize=512, typed=True)(_conv_options)


def _conv_transpose(
    name, count, input, weight, bias, stride, padding, output_padding, groups, dilation
) -> Tensor:
    y, batched = _with_batch(name, count, input, weight)
    stride = expanded(stride, count, "stride")
    dilation = expanded(dilation, count, "dilation")
    extra = expanded(output_padding, count, "output_padding")
    pads = expanded(padding, count, "padding")
    check(min(pads) >= 0, lambda: "negative padding is not supported")
    check(
        y.shape[1] == weight.shape[0],
        lambda: (
            f"Given transposed=1, weight of size {list(weight.shape)}, expected "
            f"input{list(y.shape)} to have {weight.shape[0]} channels, but got {y.shape[1]} channels "
            "instead"
        ),
    )
    check(min(extra) >= 0, lambda: "negative output_padding is not supported")
    check(min(stride) > 0, lambda: "non-positive stride is not supported")
    check(min(dilation) > 0, lambda: "dilation should be greater than zero")
    check(
        all(e < s or e < d for e, s, d in zip(extra, stride, dilation)),
        lambda: (
            "output padding must be smaller than either stride or dilation, but got "
            f"output_padding={list(extra)}, stride={list(stride)}, dilation={list(dilation)}"
        ),
    )
    check(
        bias is None or tuple(bias.shape) == (weight.shape[1] * groups,),
        lambda: (
            f"Given transposed=1, weight of size {list(weight.shape)}, expected bias to be 1-dimensional with "
            f"{weight.shape[1] * groups} elements, but got bias of size {list(bias.shape)} instead"
        ),
    )
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(y.shape[2:], stride, pads, dilation, weight.shape[2:], extra)
    )
    check(all(n > 0 for n in size), lambda: f"{name}: the output size {list(size)} is too small")
    # What the output padding adds was never covered by a window: it lies beyond the last one.
    pairs = tuple((p, p) for p in pads)
    out = convolution_input(y, weight, bias, size, stride, pairs, dilation, groups)
    return out if batched else out.squeeze(0)


@composite(method=False)
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: str | int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
):
    """Convolution of (N, C, L) or (C, L) with weight (O, C / groups, *kernel).

    `padding` is a number, one for each dimension, 'valid' or 'same'.

    >>> import flambeau
    >>> flambeau.ops.convolution.conv1d(flambeau.ones(1, 2, 4), flambeau.ones(3, 2, 3)).shape
    flambeau.Size([1, 3, 2])
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@composite(method=False)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: str | int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
):
    """Convolution of (N, C, H, W) or (C, H, W) with weight (O, C / groups, *kernel).

    `padding` is a number, one for each dimension, 'valid' or 'same'.

    >>> import flambeau
    >>> flambeau.ops.convolution.conv2d(flambeau.ones(1, 2, 4, 4), flambeau.ones(3, 2, 3, 3)).shape
    flambeau.Size([1, 3, 2, 2])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@composite(method=False)
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: str | int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
):
    """Convolution of (N, C, D, H, W) or (C, D, H, W) with weight (O, C / groups, *kernel).

    `padding` is a number, one for each dimension, 'valid' or 'same'.

    >>> import flambeau
    >>> flambeau.ops.convolution.conv3d(flambeau.ones(1, 2, 4, 4, 4), flambeau.ones(3, 2, 3, 3, 3)).shape
    flambeau.Size([1, 3, 2, 2, 2])
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@composite(method=False)
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
):
    """Transposed convolution of (N, C, L) or (C, L), weight (C, O / groups, *kernel).

    >>> import flambeau
    >>> flambeau.ops.convolution.conv_transpose1d(flambeau.ones(1, 2, 4), flambeau.ones(2, 3, 3)).shape
    flambeau.Size([1, 3, 6])
    """
    return _conv_transpose(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@composite(method=False)
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
):
    """Transposed convolution of (N, C, H, W) or (C, H, W), weight (C, O / groups, *kernel).

    >>> import flambeau
    >>> flambeau.ops.convolution.conv_transpose2d(flambeau.ones(1, 2, 4, 4), flambeau.ones(2, 3, 3, 3)).shape
    flambeau.Size([1, 3, 6, 6])
    """
    return _conv_transpose(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@composite(method=False)
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
):
    """Transposed convolution of (N, C, D, H, W) or (C, D, H, W), weight (C, O / groups, *kernel).

    >>> import flambeau
    >>> flambeau.ops.convolution.conv_transpose3d(flambeau.ones(1, 2, 4, 4, 4), flambeau.ones(2, 3, 3, 3, 3)).shape
    flambeau.Size([1, 3, 6, 6, 6])
    """
    return _conv_transpose(
        "conv_transpose3d",
        3,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


@composite(method=False)
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0):
    """Convolution of (time, batch, channels) with weight (width, channels, outputs) and bias (outputs).

    >>> import flambeau
    >>> x, w, b = flambeau.ones(5, 1, 2), flambeau.ones(3, 2, 4), flambeau.zeros(4)
    >>> flambeau.conv_tbc(x, w, b).shape
    flambeau.Size([3, 1, 4])
    """
    for what, given in (("Input", input), ("Weight", weight)):
        check(
            given.ndim == 3,
            lambda: f"{what} must have 3 dims: time, batch, channels; got {list(given.shape)}",
        )
    check(bias.ndim == 1, lambda: f"Bias must be 1-D, but got {list(bias.shape)}")
    out = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad)
    return out.permute(2, 0, 1)


convolution_weight.refuse("onnx", "appears in gradients only, which are not exported")
