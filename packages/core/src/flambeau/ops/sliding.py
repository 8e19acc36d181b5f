"""Windows and what is taken of them: the largest value, the sum, or the values themselves.

Kernels go over the places of the window, not over the windows: one pass over the array for each of
the few places.
"""

from __future__ import annotations

from math import prod

from .._base.checks import Shape, check
from ..runtime.families import primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .convolution import inside, padded, taps, windows
from .creation import zeros


def window_count(
    size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> Shape:
    """How many windows there are; with `ceil_mode` also those that reach over the end."""
    counts = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation):
        free = n + 2 * p - d * (k - 1) - 1
        count = (free + (s - 1 if ceil_mode else 0)) // s + 1
        if (
            ceil_mode and (count - 1) * s >= n + p
        ):  # a window must begin inside or in the left padding
            count -= 1
        counts.append(count)
    return tuple(counts)


def _pairs(size, kernel, stride, padding, dilation, out):
    """What to add before and behind so that the last window ends inside."""
    return tuple(
        (p, max(p, (count - 1) * s + d * (k - 1) + 1 - n - p))
        for n, k, s, p, d, count in zip(size, kernel, stride, padding, dilation, out)
    )


# -- the largest value ---------------------------------------------------------------------------------


def _lowest(xp, dtype):
    return -xp.inf if dtype.kind == "f" or dtype.kind == "V" else xp.iinfo(dtype).min


def _padded_low(xp, x, pairs):
    if not any(lo or hi for lo, hi in pairs):
        return x
    count = len(pairs)
    size = [n + lo + hi for n, (lo, hi) in zip(x.shape[-count:], pairs)]
    y = xp.full((*x.shape[:-count], *size), _lowest(xp, x.dtype), x.dtype)
    y[(..., *inside(x.shape[-count:], pairs))] = x
    return y


def _largest(xp, x, kernel, stride, padding, dilation, out):
    """The largest value of every window of an array that is padded already."""
    best = None
    for _place, slices in taps(kernel, out, stride, dilation):
        part = x[(..., *slices)]
        best = part.copy() if best is None else xp.maximum(best, part, out=best)
    return best


def _claims(xp, x, best, size, kernel, stride, padding, dilation, out):
    """For every place of the window: which windows have their largest value there, the first wins."""
    broken = best != best  # nan equals nothing, but is the largest where there is one
    any_broken = not xp.at_hand or bool(broken.any())
    free = None
    for place, slices in taps(kernel, out, stride, dilation):
        part = x[(..., *slices)]
        mask = part == best
        if any_broken:
            mask |= broken & (part != part)
        if any(padding):
            mask &= _is_inside(xp, place, size, stride, padding, dilation, out)
        if free is None:
            free = ~mask
        else:
            mask &= free
            free ^= mask
        yield place, slices, mask


@primitive(method=False)
def max_pool(
    input: Meta,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    out: tuple[int, ...],
):
    """The largest value of each of `out` windows of the last dimensions; NaN if there is one.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 3.0, 2.0, 0.0])
    >>> flambeau.ops.sliding.max_pool(x, (2,), (2,), (0,), (1,), (2,))
    tensor([3., 2.])
    """
    return input.like((*input.shape[: -len(kernel)], *out))


@max_pool.kernel
def _(xp, x, *, kernel, stride, padding, dilation, out):
    size = x.shape[-len(kernel) :]
    x = _padded_low(xp, x, _pairs(size, kernel, stride, padding, dilation, out))
    return _largest(xp, x, kernel, stride, padding, dilation, out)


@max_pool.vjp
def _(g, made: Tensor | None, input, **attrs):
    # Others write into a pool's result, as `relu(pool(x), inplace=True)` does: then it is computed again.
    made = max_pool(input.detach(), *attrs.values()) if made is None else made.detach()
    return max_pool_spread(g, input, made, *attrs.values())


@max_pool.jvp
def _(tangents, made, input, **attrs):
    return max_pool_pick(tangents[0], input, made, *attrs.values())


@max_pool.batch
def _(size, batched, input, **attrs):
    return max_pool(input, *attrs.values())


@max_pool.onnx
def _(builder, x, *, kernel, stride, padding, dilation, out):
    # Whether windows reach over the end is said by the padding behind, which ONNX takes apart.
    pairs = builder.pool_padding(x, kernel, stride, padding, dilation, out)
    return builder.pool(
        "MaxPool",
        x,
        len(kernel),
        kernel_shape=list(kernel),
        strides=list(stride),
        dilations=list(dilation),
        pads=pairs,
    )


@primitive(method=False)
def max_pool_spread(
    g: Meta,
    input: Meta,
    output: Meta,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    out: tuple[int, ...],
):
    """The gradient of `max_pool`: each value added where its window's largest value was.

    >>> import flambeau
    >>> x, y = flambeau.tensor([1.0, 3.0]), flambeau.tensor([3.0])
    >>> flambeau.ops.sliding.max_pool_spread(flambeau.ones(1), x, y, (2,), (2,), (0,), (1,), (1,))
    tensor([0., 1.])
    """
    return input.like(dtype=g.dtype)


@max_pool_spread.kernel
def _(xp, g, x, best, *, kernel, stride, padding, dilation, out):
    options = (kernel, stride, padding, dilation, out)
    size = x.shape[-len(kernel) :]
    pairs = _pairs(size, *options)
    x = _padded_low(xp, x, pairs)
    total = xp.zeros(x.shape, g.dtype)
    finite = xp.at_hand and bool(xp.isfinite(g).all())
    apart = all(s > d * (k - 1) for s, d, k in zip(stride, dilation, kernel))
    for _place, slices, mask in _claims(xp, x, best, size, *options):
        target = total[(..., *slices)]
        # Products with the mask: a choice by `where` or `copyto` mispredicts branches, ten times slower.
        part = g * mask if finite else xp.where(mask, g, 0)
        if apart:
            target[...] = part
        else:
            target += part
    return total[(..., *inside(size, pairs))]


@max_pool_spread.vjp
def _(g, _made, _g, input, output, **attrs):
    return lambda: max_pool_pick(g, input, output, *attrs.values()), None, None


@max_pool_spread.jvp
def _(tangents, made, _g, input, output, **attrs):
    if tangents[0] is None:
        return zeros(made.shape, dtype=made.dtype, device=made.device)
    return max_pool_spread(tangents[0], input, output, *attrs.values())


@max_pool_spread.batch
def _(size, batched, *arrays, **attrs):
    return max_pool_spread(*_all_batched(size, batched, arrays), *attrs.values())


max_pool_spread.refuse("onnx", "a gradient: exported graphs do not train")


@primitive(method=False)
def max_pool_pick(
    values: Meta,
    input: Meta,
    output: Meta,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    out: tuple[int, ...],
):
    """The transpose of `max_pool_spread`: of `values`, those where `input` has its largest ones.

    >>> import flambeau
    >>> x, y = flambeau.tensor([1.0, 3.0]), flambeau.tensor([3.0])
    >>> t = flambeau.tensor([7.0, 8.0])
    >>> flambeau.ops.sliding.max_pool_pick(t, x, y, (2,), (2,), (0,), (1,), (1,))
    tensor([8.])
    """
    return output.like(dtype=values.dtype)


@max_pool_pick.kernel
def _(xp, values, x, best, *, kernel, stride, padding, dilation, out):
    options = (kernel, stride, padding, dilation, out)
    size = x.shape[-len(kernel) :]
    pairs = _pairs(size, *options)
    x, values = _padded_low(xp, x, pairs), padded(xp, values, pairs)
    picked = xp.zeros(best.shape, values.dtype)
    for _place, slices, mask in _claims(xp, x, best, size, *options):
        xp.copyto(picked, values[(..., *slices)], where=mask)
    return picked


@max_pool_pick.vjp
def _(g, _made, _values, input, output, **attrs):
    return lambda: max_pool_spread(g, input, output, *attrs.values()), None, None


@max_pool_pick.jvp
def _(tangents, made, _values, input, output, **attrs):
    if tangents[0] is None:
        return zeros(made.shape, dtype=made.dtype, device=made.device)
    return max_pool_pick(tangents[0], input, output, *attrs.values())


@max_pool_pick.batch
def _(size, batched, *arrays, **attrs):
    return max_pool_pick(*_all_batched(size, batched, arrays), *attrs.values())


max_pool_pick.refuse("onnx", "a derivative: exported graphs do not train")


def _all_batched(size: int, batched: tuple[bool, ...], arrays: tuple[Tensor, ...]) -> list[Tensor]:
    """Every array with the batch in front."""
    return [a if b else a.unsqueeze(0).expand(size, *a.shape) for a, b in zip(arrays, batched)]


@primitive(method=False)
def max_pool_places(
    input: Meta,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    out: tuple[int, ...],
):
    """Where `max_pool` found its values: indices into the flattened last dimensions.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 3.0, 2.0, 0.0])
    >>> flambeau.ops.sliding.max_pool_places(x, (2,), (2,), (0,), (1,), (2,))
    tensor([1, 2])
    """
    from .._base.dtypes import int64

    return input.like((*input.shape[: -len(kernel)], *out), dtype=int64)


@max_pool_places.kernel
def _(xp, x, *, kernel, stride, padding, dilation, out):
    options = (kernel, stride, padding, dilation, out)
    size = x.shape[-len(kernel) :]
    x = _padded_low(xp, x, _pairs(size, *options))
    places = xp.zeros((*x.shape[: -len(kernel)], *out), "i8")
    for place, _slices, mask in _claims(xp, x, _largest(xp, x, *options), size, *options):
        index = _flat_index(xp, place, size, stride, padding, dilation, out)
        xp.copyto(places, xp.broadcast_to(index, places.shape), where=mask)
    return places


max_pool_places.no_vjp("integer output")
max_pool_places.refuse(
    "onnx", "ONNX counts the places over the whole tensor, not over each channel"
)


@max_pool_places.batch
def _(size, batched, input, **attrs):
    return max_pool_places(input, *attrs.values())


def _grids(xp, place, stride, padding, dilation, out):
    """The coordinate in the input of one place of every window, for each dimension, broadcastable."""
    count = len(out)
    for axis, (i, s, p, d, n) in enumerate(zip(place, stride, padding, dilation, out)):
        line = xp.arange(n) * s + (i * d - p)
        yield line.reshape([-1 if j == axis else 1 for j in range(count)])


def _flat_index(xp, place, size, stride, padding, dilation, out):
    index = 0
    for grid, n in zip(_grids(xp, place, stride, padding, dilation, out), size):
        index = index * n + grid
    return index


def _is_inside(xp, place, size, stride, padding, dilation, out):
    valid = True
    for grid, n in zip(_grids(xp, place, stride, padding, dilation, out), size):
        valid = valid & (grid >= 0) & (grid < n)
    return valid


# -- sums ----------------------------------------------------------------------------------------------


@primitive(method=False, linear=True)
def window_sum(
    input: Meta,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    out: tuple[int, ...],
):
    """The sum of each of `out` windows of the last dimensions.

    >>> import flambeau
    >>> flambeau.ops.sliding.window_sum(flambeau.ones(5), (2,), (2,), (0,), (2,))
    tensor([2., 2.])
    """
    return input.like((*input.shape[: -len(kernel)], *out))


@window_sum.kernel
def _(xp, x, *, kernel, stride, padding, out):
    ones = (1,) * len(kernel)
    size = x.shape[-len(kernel) :]
    x = padded(xp, x, _pairs(size, kernel, stride, padding, ones, out))
    total = None
    for _place, slices in taps(kernel, out, stride, ones):
        part = x[(..., *slices)]
        if total is None:
            total = part.copy()
        else:
            total += part
    return total


@window_sum.vjp
def _(g, _out, input: Meta, *, kernel, stride, padding):
    return window_spread(g, input.shape[-len(kernel) :], kernel, stride, padding)


@window_sum.batch
def _(size, batched, input, **attrs):
    return window_sum(input, *attrs.values())


@window_sum.onnx
def _(builder, x, *, kernel, stride, padding, out):
    # A mean that counts the padding, times the size of the window. ONNX pads with zeros, as we do.
    pairs = builder.pool_padding(x, kernel, stride, padding, (1,) * len(kernel), out)
    mean = builder.pool(
        "AveragePool",
        x,
        len(kernel),
        kernel_shape=list(kernel),
        strides=list(stride),
        pads=pairs,
        count_include_pad=1,
    )
    return builder.node("Mul", [mean, builder.scalar_like(x, prod(kernel))])


@primitive(method=False, linear=True)
def window_spread(
    input: Meta,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
):
    """The transpose of `window_sum`: each value added to all places of its window.

    >>> import flambeau
    >>> flambeau.ops.sliding.window_spread(flambeau.ones(2), (5,), (2,), (2,), (0,))
    tensor([1., 1., 1., 1., 0.])
    """
    return input.like((*input.shape[: -len(kernel)], *size))


@window_spread.kernel
def _(xp, g, *, size, kernel, stride, padding):
    count = len(kernel)
    ones = (1,) * count
    out = g.shape[-count:]
    pairs = _pairs(size, kernel, stride, padding, ones, out)
    whole = [n + lo + hi for n, (lo, hi) in zip(size, pairs)]
    x = xp.zeros((*g.shape[:-count], *whole), g.dtype)
    for _place, slices in taps(kernel, out, stride, ones):
        x[(..., *slices)] += g
    return x[(..., *inside(size, pairs))]


@window_spread.vjp
def _(g, _out, input: Meta, *, kernel, stride, padding):
    return window_sum(g, kernel, stride, padding, input.shape[-len(kernel) :])


@window_spread.batch
def _(size_, batched, input, **attrs):
    return window_spread(input, *attrs.values())


window_spread.refuse("onnx", "a gradient: exported graphs do not train")


# -- the windows themselves ----------------------------------------------------------------------------


@primitive(method=False, linear=True)
def window_columns(
    input: Meta,
    kernel: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: tuple[int, ...],
    stride: tuple[int, ...],
):
    """The windows of (N, C, *size) as columns: (N, C * kernel, windows).

    >>> import flambeau
    >>> flambeau.ops.sliding.window_columns(flambeau.ones(1, 3, 4, 4), (2, 2), (1, 1), (0, 0), (1, 1)).shape
    flambeau.Size([1, 12, 9])
    """
    out = window_count(input.shape[2:], kernel, stride, padding, dilation, False)
    check(
        all(n > 0 for n in out),
        lambda: (
            f"Given input with spatial size {list(input.shape[2:])}, kernel_size={list(kernel)}, "
            f"dilation={list(dilation)}, padding={list(padding)}, stride={list(stride)}, calculated shape "
            f"of the array of sliding blocks as {list(out)}, but its components must be at least one."
        ),
    )
    return input.like((input.shape[0], input.shape[1] * prod(kernel), prod(out)))


@window_columns.kernel
def _(xp, x, *, kernel, dilation, padding, stride):
    out = window_count(x.shape[2:], kernel, stride, padding, dilation, False)
    if min(out) < 1:
        raise ValueError("no windows")  # the shape rule says it better
    looks = windows(xp, padded(xp, x, [(p, p) for p in padding]), kernel, stride, dilation, out)
    return looks.reshape(x.shape[0], x.shape[1] * prod(kernel), prod(out))


@window_columns.vjp
def _(g, _out, input: Meta, *, kernel, dilation, padding, stride):
    return columns_sum(g, input.shape[2:], kernel, dilation, padding, stride)


@window_columns.batch
def _(size, batched, input, **attrs):
    return window_columns(input.flatten(0, 1), *attrs.values()).unflatten(0, (size, -1))


@window_columns.onnx
def _(builder, x, *, kernel, dilation, padding, stride):
    channels = builder.metas[x].shape[1]
    columns = builder.node(
        "Conv",
        [x, builder.choosing_kernels(channels, kernel, builder.metas[x].dtype)],
        kernel_shape=list(kernel),
        dilations=list(dilation),
        pads=[*padding, *padding],
        strides=list(stride),
        group=channels,
    )
    return builder.reshape_to_output(columns)


@primitive(method=False, linear=True)
def columns_sum(
    input: Meta,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: tuple[int, ...],
    stride: tuple[int, ...],
):
    """The transpose of `window_columns`: columns added up where they came from.

    >>> import flambeau
    >>> columns = flambeau.ones(1, 12, 9)
    >>> flambeau.ops.sliding.columns_sum(columns, (4, 4), (2, 2), (1, 1), (0, 0), (1, 1)).shape
    flambeau.Size([1, 3, 4, 4])
    """
    out = window_count(size, kernel, stride, padding, dilation, False)
    check(
        input.shape[1] % prod(kernel) == 0 and input.shape[2] == prod(out),
        lambda: (
            f"fold: expected columns (N, C * {prod(kernel)}, {prod(out)}) for output_size="
            f"{list(size)} and kernel_size={list(kernel)}, but got {list(input.shape)}"
        ),
    )
    return input.like((input.shape[0], input.shape[1] // prod(kernel), *size))


@columns_sum.kernel
def _(xp, columns, *, size, kernel, dilation, padding, stride):
    out = window_count(size, kernel, stride, padding, dilation, False)
    channels = columns.shape[1] // prod(kernel)
    parts = columns.reshape(columns.shape[0], channels, *kernel, *out)
    pairs = [(p, p) for p in padding]
    x = xp.zeros((*parts.shape[:2], *[n + 2 * p for n, p in zip(size, padding)]), parts.dtype)
    for place, slices in taps(kernel, out, stride, dilation):
        x[(..., *slices)] += parts[(slice(None), slice(None), *place)]
    return x[(..., *inside(size, pairs))]


@columns_sum.vjp
def _(g, _out, input: Meta, *, kernel, dilation, padding, stride):
    return window_columns(g, kernel, dilation, padding, stride)


@columns_sum.batch
def _(size_, batched, input, **attrs):
    return columns_sum(input.flatten(0, 1), *attrs.values()).unflatten(0, (size_, -1))


@columns_sum.onnx
def _(builder, x, *, size, kernel, dilation, padding, stride):
    return builder.node(
        "Col2Im",
        [x, builder.ints(size), builder.ints(kernel)],
        dilations=list(dilation),
        pads=[*padding, *padding],
        strides=list(stride),
    )


for _f in (max_pool_places, window_spread):
    _f.refuse("onnx", "has no ONNX operator of its own")
