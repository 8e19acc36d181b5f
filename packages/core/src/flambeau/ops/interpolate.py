"""Making grids larger or smaller, and padding them by their own values.

Every mode but the nearest is a weighted sum along each dimension in turn. The weights make one small
matrix for each dimension, so that resizing is a matrix product and its gradient is the transpose.
"""

from __future__ import annotations

import math

from .._base.checks import check, check_room
from ..runtime.families import composite
from ..runtime.promotion import check_fits
from ..runtime.tensor import Tensor
from .casting import lying_as
from .creation import tensor
from .gathering import index_select
from .joining import cat, pad_constant
from .matrix import matmul

_DIMS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}


def _positions(n: int, out: int, scale: float, align_corners: bool, cubic: bool) -> list[float]:
    """Where in the input each element of the output lies."""
    if align_corners:
        step = (n - 1) / (out - 1) if out > 1 else 0.0
        return [i * step for i in range(out)]
    places = [(i + 0.5) * scale - 0.5 for i in range(out)]
    return places if cubic else [max(p, 0.0) for p in places]


def _linear_row(place: float, n: int) -> dict[int, float]:
    low = min(int(place), n - 1)
    part = place - low
    row = {low: 1.0 - part}
    high = min(low + 1, n - 1)
    row[high] = row.get(high, 0.0) + part
    return row


def _cubic_row(place: float, n: int) -> dict[int, float]:
    """Cubic convolution with a = -0.75 over four neighbours; the border is repeated."""
    low = math.floor(place)
    row: dict[int, float] = {}
    for k in range(-1, 3):
        weight = _cubic(abs(place - (low + k)), -0.75)
        at = min(max(low + k, 0), n - 1)
        row[at] = row.get(at, 0.0) + weight
    return row


def _cubic(x: float, a: float) -> float:
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def _antialiased_row(i: int, n: int, scale: float, cubic: bool) -> dict[int, float]:
    """A filter as wide as the part of the input that one output element stands for."""
    width = max(scale, 1.0)
    support = (2.0 if cubic else 1.0) * width
    centre = scale * (i + 0.5)
    low = max(int(centre - support + 0.5), 0)
    high = min(int(centre + support + 0.5), n)
    weights = {}
    for j in range(low, high):
        x = abs((j - centre + 0.5) / width)
        weights[j] = _cubic(x, -0.5) if cubic else max(0.0, 1.0 - x)
    total = sum(weights.values())
    return {j: w / total for j, w in weights.items()}


def _rows(n, out, scale, align_corners, cubic, antialias) -> list[dict[int, float]]:
    if antialias:
        step = (n - 1) / (out - 1) if align_corners and out > 1 else scale
        return [_antialiased_row(i, n, step, cubic) for i in range(out)]
    places = _positions(n, out, scale, align_corners, cubic)
    return [_cubic_row(p, n) if cubic else _linear_row(p, n) for p in places]


def _along(input: Tensor, dim: int, rows: list[dict[int, float]]) -> Tensor:
    """Weighted sums along one dimension."""
    n = input.shape[dim]
    table = [[row.get(j, 0.0) for row in rows] for j in range(n)]
    weights = tensor(table, dtype=input.dtype, device=input.device)
    if dim == input.ndim - 1:
        return matmul(input, weights)
    return (
        matmul(weights.mT, input)
        if dim == input.ndim - 2
        else matmul(input.movedim(dim, -1), weights).movedim(-1, dim)
    )


def _nearest(n: int, out: int, scale: float, exact: bool) -> list[int]:
    shift = 0.5 if exact else 0.0
    return [min(math.floor((i + shift) * scale), n - 1) for i in range(out)]


@composite(method=False, opmath=True)
def interpolate(
    input: Tensor,
    size: int | tuple[int, ...] | None = None,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
):
    """The spatial dimensions of (N, C, ...) resized to `size`, or by `scale_factor`.

    Modes: nearest, nearest-exact and area for any number of dimensions, linear for 3-d input, bilinear
    and bicubic for 4-d, trilinear for 5-d.

    >>> import flambeau
    >>> flambeau.ops.interpolate.interpolate(flambeau.tensor([[[1.0, 3.0]]]), 4, mode="linear", align_corners=False)
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if isinstance(size, float):
        raise TypeError("interpolate(): argument 'size' must be int or tuple of ints, not float")
    dims = input.ndim - 2
    check(
        input.dtype.is_floating_point or input.dtype.name == "uint8",
        lambda: f'"interpolate" not implemented for {input.dtype.name}',
        NotImplementedError,
    )
    _check_options(input, mode, align_corners, antialias)
    target, factors = _target(input, dims, size, scale_factor)
    if recompute_scale_factor:
        check(
            scale_factor is not None,
            lambda: "recompute_scale_factor is not meaningful with an explicit size.",
            ValueError,
        )
        factors = [None] * dims
    if mode == "area":
        from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dims - 1](
            input, target
        )
    _check_sizes(input, target)
    for k in range(dims):
        n, out = input.shape[k + 2], target[k]
        check_room(out)
        if out == n and (factors[k] is None or factors[k] == 1):
            continue
        factor = factors[k]
        scale = n / out if factor is None else 1.0 / factor
        if mode in ("nearest", "nearest-exact"):
            index = _nearest(n, out, scale, mode == "nearest-exact")
            input = index_select(input, k + 2, tensor(index, device=input.device))
        else:
            rows = _rows(n, out, scale, bool(align_corners), mode == "bicubic", antialias)
            input = _along(input, k + 2, rows)
    return input


def _check_options(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode in ("nearest", "nearest-exact", "area"):
        check(
            align_corners is None,
            lambda: (
                "align_corners option can only be set with the interpolating modes: linear | "
                "bilinear | bicubic | trilinear"
            ),
            ValueError,
        )
    check(
        input.ndim in (3, 4, 5),
        lambda: (
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{input.ndim}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | "
            f"nearest-exact (got {mode})"
        ),
        NotImplementedError,
    )
    if mode in _DIMS:
        wanted = _DIMS[mode] + 2
        check(
            input.ndim == wanted,
            lambda: f"Got {input.ndim}D input, but {mode} mode needs {wanted}D input",
            NotImplementedError,
        )
    else:
        check(
            mode in ("nearest", "nearest-exact", "area"),
            lambda: (
                f"interpolate: unknown mode {mode!r}; expected nearest, nearest-exact, area, linear, "
                "bilinear, bicubic or trilinear"
            ),
            NotImplementedError,
        )
    check(
        not antialias or mode in ("bilinear", "bicubic"),
        lambda: (
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D "
            "tensor as input"
        ),
        ValueError,
    )


def _check_sizes(input: Tensor, target: list[int]) -> None:
    check(
        all(n > 0 for n in target),
        lambda: (
            f"Input and output sizes should be greater than 0, but got input size "
            f"{list(input.shape[2:])} and output size {target}"
        ),
    )


def _target(input, dims, size, scale_factor) -> tuple[list[int], list[float | None]]:
    """The size of each spatial dimension, and the factors it was given by."""
    check(
        (size is None) != (scale_factor is None),
        lambda: (
            "only one of size or scale_factor should be defined"
            if size is not None
            else "either size or scale_factor should be defined"
        ),
        ValueError,
    )
    given = size if size is not None else scale_factor
    values = list(given) if isinstance(given, (tuple, list)) else [given] * dims
    check(
        len(values) == dims,
        lambda: (
            f"Input and output must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(input.shape[2:])} and output size of {given}."
        ),
        ValueError,
    )
    if size is not None:
        return [int(v) for v in values], [None] * dims
    target = [math.floor(n * f) for n, f in zip(input.shape[2:], values)]
    _check_sizes(input, target)
    return target, [float(v) for v in values]


# -- padding -------------------------------------------------------------------------------------------


@composite(method=False)
def pad(input: Tensor, pad: tuple[int, ...], mode: str = "constant", value: float | None = None):
    """The last dimensions padded: pairs (before, after), the last dimension first.

    Modes: constant (by `value`, 0 unless given; negative numbers cut), reflect, replicate, circular.

    >>> import flambeau
    >>> flambeau.ops.interpolate.pad(flambeau.tensor([1, 2]), (1, 2))
    tensor([0, 1, 2, 0, 0])
    """
    check(
        len(pad) % 2 == 0,
        lambda: "Padding length must be divisible by 2",
    )
    check(
        len(pad) <= 2 * input.ndim,
        lambda: (
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {input.ndim}"
        ),
    )
    if mode == "constant":
        if isinstance(value, (int, float)):
            check_fits(value, input.dtype)
        return pad_constant(input, _pairs(input.ndim, pad), 0.0 if value is None else value)
    check(
        value is None or value == 0,
        lambda: f'Padding mode "{mode}" doesn\'t take in value argument',
    )
    check(
        mode in _BORDERS,
        lambda: f"Unrecognised padding mode {mode}",
        NotImplementedError,
    )
    check(
        input.ndim in (len(pad) // 2 + 1, len(pad) // 2 + 2),
        lambda: (
            f"Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: {mode} of "
            f"{len(pad) // 2} dimensions needs {len(pad) // 2 + 1}D or {len(pad) // 2 + 2}D input, got "
            f"{input.ndim}D"
        ),
        NotImplementedError,
    )
    made = input
    for k in range(len(pad) // 2):
        before, after = pad[2 * k], pad[2 * k + 1]
        if before or after:
            made = _continued(made, input.ndim - 1 - k, before, after, mode)
    return made if mode == "circular" else lying_as(made, input)


@pad.small
def _(xp, x, *, pad, mode, value):
    if (
        mode != "constant"
        or value not in (None, 0)
        or x.dtype.char not in "fd"
        or not x.flags.c_contiguous
    ):
        return NotImplemented
    count = len(pad) // 2
    if len(pad) % 2 or count > x.ndim or (pad and min(pad) < 0):
        return NotImplemented
    sizes, inner = [*x.shape], [slice(None)] * x.ndim
    for k in range(count):
        before, d = pad[2 * k], x.ndim - 1 - k
        inner[d] = slice(before, before + sizes[d])
        sizes[d] += before + pad[2 * k + 1]
    out = xp.zeros(sizes, x.dtype)
    out[tuple(inner)] = x
    return out


@pad.small_vjp
def _(g, _out, _x, *, pad):
    return pad_constant(g, tuple((-a, -b) for a, b in _pairs(g.ndim, pad)), 0.0)


def _pairs(rank: int, pad: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(before, after) for each dimension."""
    given = [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -2, -2)]
    return (*[(0, 0)] * (rank - len(given)), *given)


def _continued(input: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    """`input` with a border along one dimension; a negative border cuts.

    Only the border is gathered element by element: the index of ten seconds of sound would cost 40 times its spectrum.
    """
    n = input.shape[dim]
    _LIMITS[mode](n, before, after)
    check(
        n + before + after > 0,
        lambda: (
            "Negative padding value is resulting in an empty dimension: padding "
            f"({before}, {after}) at a dimension of size {n}"
        ),
    )
    if mode == "circular":  # goes round what is left
        start, stop = max(-before, 0), n - max(-after, 0)
        input, n = input.narrow(dim, start, stop - start), stop - start
        before, after = max(before, 0), max(after, 0)
    check_room(max(before, 0) + max(after, 0), 32)
    first, last = max(-before, 0), min(n, n + after)
    parts = [input.narrow(dim, first, last - first)] if last > first else []
    left, right = range(-before, min(0, n + after)), range(max(n, -before), n + after)
    for at, places in ((0, left), (len(parts) + bool(left), right)):
        if places:
            index = tensor([_BORDERS[mode](i, n) for i in places], device=input.device)
            parts.insert(at, index_select(input, dim, index))
    return cat(parts, dim)


def _reflect(i: int, n: int) -> int:
    turn = 2 * (n - 1)
    i = i % turn if turn else 0
    return min(i, turn - i)


_BORDERS = {
    "reflect": _reflect,
    "replicate": lambda i, n: min(max(i, 0), n - 1),
    "circular": lambda i, n: i % n,
}


def _less_than_size(n: int, before: int, after: int) -> None:
    check(
        before < n and after < n,
        lambda: (
            "Padding size should be less than the corresponding input dimension, but got: padding "
            f"({before}, {after}) at a dimension of size {n}"
        ),
    )


def _at_most_size(n: int, before: int, after: int) -> None:
    check(
        before <= n and after <= n,
        lambda: "Padding value causes wrapping around more than once.",
    )


_LIMITS = {
    "reflect": _less_than_size,
    "replicate": lambda n, before, after: None,
    "circular": _at_most_size,
}


# -- moving elements between channels and space ----------------------------------------------------------


@composite(method=False)
def pixel_shuffle(input: Tensor, upscale_factor: int):
    """Channels moved into space: (*, C r², H, W) to (*, C, H r, W r).

    >>> import flambeau
    >>> flambeau.pixel_shuffle(flambeau.ones(1, 8, 3, 3), 2).shape
    flambeau.Size([1, 2, 6, 6])
    """
    r = upscale_factor
    check(
        input.ndim >= 3,
        lambda: (
            "pixel_shuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        ),
    )
    check(
        r > 0,
        lambda: f"pixel_shuffle expects a positive upscale_factor, but got {r}",
    )
    *outer, channels, height, width = input.shape
    check(
        channels % (r * r) == 0,
        lambda: (
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        ),
    )
    k = len(outer)
    x = input.reshape(*outer, channels // (r * r), r, r, height, width)
    x = x.permute(*range(k), k, k + 3, k + 1, k + 4, k + 2)
    return lying_as(x.reshape(*outer, channels // (r * r), height * r, width * r), input)


@composite(method=False)
def pixel_unshuffle(input: Tensor, downscale_factor: int):
    """Space moved into channels: (*, C, H r, W r) to (*, C r², H, W).

    >>> import flambeau
    >>> flambeau.pixel_unshuffle(flambeau.ones(1, 2, 6, 6), 2).shape
    flambeau.Size([1, 8, 3, 3])
    """
    r = downscale_factor
    check(
        input.ndim >= 3,
        lambda: (
            "pixel_unshuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        ),
    )
    *outer, channels, height, width = input.shape
    check(
        r > 0 and height % r == 0 and width % r == 0,
        lambda: (
            "pixel_unshuffle expects height and width to be divisible by downscale_factor, but got "
            f"{height} x {width} and {r}"
        ),
    )
    k = len(outer)
    x = input.reshape(*outer, channels, height // r, r, width // r, r)
    x = x.permute(*range(k), k, k + 2, k + 4, k + 1, k + 3)
    return lying_as(x.reshape(*outer, channels * r * r, height // r, width // r), input)


@composite(method=False)
def channel_shuffle(input: Tensor, groups: int):
    """The channels of (N, C, ...) taken in turn from each group.

    >>> import flambeau
    >>> flambeau.channel_shuffle(flambeau.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    check(
        input.ndim >= 3,
        lambda: (
            "channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        ),
    )
    n, channels, *space = input.shape
    check(
        groups > 0 and channels % groups == 0,
        lambda: (
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} "
            "groups."
        ),
    )
    x = input.reshape(n, groups, channels // groups, *space).transpose(1, 2)
    return lying_as(x.reshape(input.shape), input)


@composite(method=False)
def native_channel_shuffle(input: Tensor, groups: int):
    """`channel_shuffle` under the name of its kernel.

    >>> import flambeau
    >>> flambeau.native_channel_shuffle(flambeau.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    return channel_shuffle(input, groups)
