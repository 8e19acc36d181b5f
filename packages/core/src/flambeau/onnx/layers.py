"""Layers of networks in ONNX: convolutions, pooling, normalization, resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..ops import (
    convolution,
    creation,
    gathering,
    grid,
    interpolate,
    normalization,
    pooling,
    reduction,
)
from ..runtime.tensor import Tensor
from .nodes import Attributes, ints, operator

# -- windows ---------------------------------------------------------------------------------------------------------------


def _padding(
    a: Attributes, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
) -> tuple[tuple[int, int], ...]:  # fmt: skip
    """Padding before and behind each dimension."""
    n, auto = len(size), a.get("auto_pad", "NOTSET")
    if auto == "NOTSET":
        pads = a.get("pads", [0] * 2 * n)
        return tuple(zip(pads[:n], pads[n:]))
    if auto == "VALID":
        return ((0, 0),) * n
    pairs = []
    for m, k, s, d in zip(size, kernel, stride, dilation):
        missing = max(0, (-(-m // s) - 1) * s + d * (k - 1) + 1 - m)
        less, more = missing // 2, missing - missing // 2
        pairs.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return tuple(pairs)


@operator
def Conv(a: Attributes, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    n = x.ndim - 2
    stride, dilation = tuple(a.get("strides", [1] * n)), tuple(a.get("dilations", [1] * n))
    pads = _padding(a, x.shape[2:], w.shape[2:], stride, dilation)
    return convolution.convolution(x, w, b, stride, pads, dilation, a.get("group", 1))


@operator
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
    """Kernel, stride, padding before, dilation and number of windows of a pooling node."""
    kernel = tuple(a["kernel_shape"])
    n = len(kernel)
    stride, dilation = tuple(a.get("strides", [1] * n)), tuple(a.get("dilations", [1] * n))
    size = tuple(x.shape)[-n:]
    pads = _padding(a, size, kernel, stride, dilation)
    out = []
    for m, k, s, d, pair in zip(size, kernel, stride, dilation, pads):
        room = m + sum(pair) - d * (k - 1) - 1
        out.append((-(-room // s) if a.get("ceil_mode") else room // s) + 1)
    return kernel, stride, tuple(before for before, _ in pads), dilation, tuple(out)


@operator
def MaxPool(a: Attributes, x: Tensor) -> Tensor:
    kernel, stride, before, dilation, out = _windows(a, x)
    return pooling.max_pool(x, kernel, stride, before, dilation, out)


def _sum_of_windows(a: Attributes, x: Tensor) -> Tensor:
    kernel, stride, before, dilation, out = _windows(a, x)
    a.refuse("dilations", [1] * len(dilation))
    return pooling.window_sum(x, kernel, stride, before, out)


@operator
def AveragePool(a: Attributes, x: Tensor) -> Tensor:
    total = _sum_of_windows(a, x)
    if a.get("count_include_pad"):
        return total / math.prod(a["kernel_shape"])
    return total / _sum_of_windows(a, creation.ones_like(x))


@operator
def LpPool(a: Attributes, x: Tensor) -> Tensor:
    p = a.get("p", 2)
    return _sum_of_windows(a, x.abs().pow(p)).pow(1 / p)


@operator
def GlobalAveragePool(a: Attributes, x: Tensor) -> Tensor:
    return x.mean(tuple(range(2, x.ndim)), True)


@operator
def GlobalMaxPool(a: Attributes, x: Tensor) -> Tensor:
    return reduction.amax(x, tuple(range(2, x.ndim)), True)


@operator
def Col2Im(a: Attributes, x: Tensor, size: Tensor, kernel: Tensor) -> Tensor:
    shape, block = ints(size) or [], ints(kernel) or []
    n = len(shape)
    pads = a.get("pads", [0] * 2 * n)
    if pads[:n] != pads[n:]:
        raise a.unsupported(f"different padding on both sides, {pads}")
    dilation, stride = a.get("dilations", [1] * n), a.get("strides", [1] * n)
    return pooling.fold(
        x, tuple(shape), tuple(block), tuple(dilation), tuple(pads[:n]), tuple(stride)
    )


# -- normalization ---------------------------------------------------------------------------------------------------------


@operator
def BatchNormalization(
    a: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor
) -> Tensor:
    a.refuse("training_mode", 0)
    return normalization.batch_norm(x, mean, var, scale, bias, False, 0.0, a.get("epsilon", 1e-5))


@operator
def LayerNormalization(
    a: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None
) -> Tensor:
    axis = a.get("axis", -1) % x.ndim
    return normalization.layer_norm(x, tuple(x.shape)[axis:], scale, bias, a.get("epsilon", 1e-5))


@operator
def RMSNormalization(a: Attributes, x: Tensor, scale: Tensor) -> Tensor:
    axis = a.get("axis", -1) % x.ndim
    return normalization.rms_norm(x, tuple(x.shape)[axis:], scale, a.get("epsilon", 1e-5))


@operator
def InstanceNormalization(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return normalization.instance_norm(x, weight=scale, bias=bias, eps=a.get("epsilon", 1e-5))


@operator
def GroupNormalization(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return normalization.group_norm(x, a["num_groups"], scale, bias, a.get("epsilon", 1e-5))


@operator
def LRN(a: Attributes, x: Tensor) -> Tensor:
    if a["size"] % 2 == 0:
        raise a.unsupported("a window of even size")
    options = a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0)
    return normalization.local_response_norm(x, *options)


@operator
def LpNormalization(a: Attributes, x: Tensor) -> Tensor:
    a.refuse("p", 1, 2)
    dims = (a.get("axis", -1),)
    norm = x.abs().sum(dims, True) if a.get("p") == 1 else reduction.norm2(x, dims, True)
    return x / norm


# -- other sizes -----------------------------------------------------------------------------------------------------------

_ALIGNED = {"half_pixel": False, "pytorch_half_pixel": False, "align_corners": True}
_MODES = {("linear", 1): "linear", ("linear", 2): "bilinear", ("linear", 3): "trilinear", ("cubic", 2): "bicubic"}  # fmt: skip
_ROUNDINGS = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda place: math.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: math.floor(place + 0.5),
}


@operator
def Resize(
    a: Attributes, x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None
) -> Tensor:  # fmt: skip
    a.refuse("keep_aspect_ratio_policy", "stretch")
    a.refuse("exclude_outside", 0)
    dims = [d % x.ndim for d in a.get("axes", range(x.ndim))]
    if sizes is not None and sizes.numel():
        target = dict(zip(dims, ints(sizes) or ()))
        factors = {d: n / x.shape[d] for d, n in target.items()}
    elif scales is not None:
        factors = dict(zip(dims, scales.tolist()))
        target = {d: math.floor(x.shape[d] * factor) for d, factor in factors.items()}
    else:
        raise a.unsupported("neither scales nor sizes")
    if a.get("mode", "nearest") == "nearest":
        for d, n in target.items():
            if factors[d] != 1:
                places = _nearest_places(a, x.shape[d], n, factors[d])
                x = gathering.index_select(x, d, creation.tensor(places))
        return x
    return _resize_weighted(a, x, target, factors, scales is not None and not sizes)


def _nearest_places(a: Attributes, n: int, out: int, factor: float) -> list[int]:
    """Which element each one of the result is."""
    way = a.get("coordinate_transformation_mode", "half_pixel")
    rounding = _ROUNDINGS[a.get("nearest_mode", "round_prefer_floor")]
    if way == "asymmetric":
        places = [i / factor for i in range(out)]
    elif way == "align_corners":
        places = [i * (n - 1) / max(out - 1, 1) for i in range(out)]
    elif way in _ALIGNED:
        places = [(i + 0.5) / factor - 0.5 for i in range(out)]
    else:
        raise a.unsupported(f"coordinate_transformation_mode={way!r}")
    return [min(max(rounding(place), 0), n - 1) for place in places]


def _resize_weighted(
    a: Attributes, x: Tensor, target: dict, factors: dict, by_factor: bool
) -> Tensor:
    """Linear and cubic, where they are PyTorch's."""
    a.refuse("coordinate_transformation_mode", *_ALIGNED)
    a.refuse("cubic_coeff_a", -0.5 if a.get("antialias") else -0.75)
    aligned = _ALIGNED[a.get("coordinate_transformation_mode", "half_pixel")]
    dims = range(2, x.ndim)
    mode = _MODES.get((a["mode"], x.ndim - 2))
    if mode is None or any(factors.get(d, 1) != 1 for d in range(2)):
        raise a.unsupported(f"mode={a['mode']!r} on {x.ndim} dimensions, by {factors}")
    wanted = tuple(
        (factors if by_factor else target).get(d, 1 if by_factor else x.shape[d]) for d in dims
    )
    size, factor = (None, wanted) if by_factor else (wanted, None)
    return interpolate.interpolate(
        x, size, factor, mode, align_corners=aligned, antialias=bool(a.get("antialias"))
    )


@operator
def DepthToSpace(a: Attributes, x: Tensor) -> Tensor:
    size = a["blocksize"]
    if a.get("mode", "DCR") == "CRD":
        return interpolate.pixel_shuffle(x, size)
    batch, channels, height, width = x.shape
    x = x.reshape(batch, size, size, channels // size**2, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(batch, channels // size**2, height * size, width * size)


@operator
def SpaceToDepth(a: Attributes, x: Tensor) -> Tensor:
    size = a["blocksize"]
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // size, size, width // size, size)
    x = x.permute(0, 3, 5, 1, 2, 4)
    return x.reshape(batch, channels * size**2, height // size, width // size)


@operator
def GridSample(a: Attributes, x: Tensor, places: Tensor) -> Tensor:
    modes = {"bilinear": 0, "linear": 0, "nearest": 1, "bicubic": 2, "cubic": 2}
    paddings = {"zeros": 0, "border": 1, "reflection": 2}
    mode, padding = modes[a.get("mode", "linear")], paddings[a.get("padding_mode", "zeros")]
    return grid.grid_sampler(x, places, mode, padding, bool(a.get("align_corners", 0)))
