"""batch_norm's two halves and group_norm whole, forward and backward: `kernels/channelnorm.c`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.claims import claim
from ...runtime.operator import registry
from .native import Kernels, address
from .offers import FLOATS, of_kinds
from .softmax import dense

kernels = Kernels("channelnorm.c")
NARROW = 4  # elements of a plane below which vectors along it do not pay in groups of channels


def _of(x: np.ndarray) -> Any:
    return kernels.float32 if x.itemsize == 4 else kernels.float64


def _pointer(a: np.ndarray | None) -> int | None:
    return None if a is None else address(a)


def _dense(a: np.ndarray | None) -> np.ndarray | None:
    return None if a is None else dense(a)


def _sizes(x: np.ndarray) -> tuple[int, int, int]:
    """(samples, channels, elements of a plane)."""
    n, channels = x.shape[:2]
    return n, channels, x.size // (n * channels)


def _by_channel(metas: list, attrs: dict[str, Any]) -> bool:
    """A batch with parameters of its dtype, one for each channel."""
    x = metas[0]
    if len(x.shape) < 2 or not x.numel or type(attrs["eps"]) is not float:
        return False
    shape = (x.shape[1],)
    for m in metas[1:]:
        if m is not None and (tuple(m.shape) != shape or m.dtype is not x.dtype):
            return False
    return True


def _groups_fit(metas: list, attrs: dict[str, Any]) -> bool:
    if not _by_channel(metas, attrs):
        return False
    shape, groups = metas[0].shape, attrs["num_groups"]
    return (
        type(groups) is int
        and groups > 0
        and shape[1] % groups == 0
        and metas[0].numel >= NARROW * shape[0] * shape[1]
    )


def _forward(x: np.ndarray, w: Any, b: Any, eps: float, groups: int) -> tuple:
    """The result, mean and inverse deviation of each group; groups = 0: of each channel in all samples."""
    x, w, b = dense(x), _dense(w), _dense(b)
    n, channels, size = _sizes(x)
    out = np.empty(x.shape, x.dtype)
    count = n * groups if groups else channels
    if size == 1 and not groups:
        mean, rstd = np.empty((2, count), x.dtype)
        _of(x).columns(
            address(x), _pointer(w), _pointer(b), address(out), address(mean), address(rstd), n, channels, eps
        )  # fmt: skip
        return out, mean, rstd
    mean, rstd = np.empty((2, count), x.dtype)
    parts = np.empty(96)
    _of(x).normalize(
        address(x), _pointer(w), _pointer(b), address(out), address(mean), address(rstd), address(parts),
        n, channels, size, groups, eps,
    )  # fmt: skip
    return out, mean, rstd


def _backward(gs: tuple, x: Any, w: Any, mean: Any, rstd: Any, needs: tuple, groups: int) -> list:
    """The gradients of input, weight and bias where `needs` asks for them; `gs`: of the result, maybe of mean and variance."""
    x, w = dense(x), _dense(w)
    zero = np.zeros(mean.shape, x.dtype)
    g, g_mean, g_var = [dense(a) for a in gs] if len(gs) == 3 else (dense(gs[0]), zero, zero)
    n, channels, size = _sizes(x)
    made = [
        np.empty(s, x.dtype) if need else None
        for need, s in zip(needs, (x.shape, (channels,), (channels,)))
    ]
    if size == 1 and not groups:
        _of(x).columns_back(
            address(g), address(g_mean), address(g_var), address(x), _pointer(w), address(mean), address(rstd),
            *map(_pointer, made), n, channels,
        )  # fmt: skip
        return made
    parts = np.empty(2 * n * channels)
    _of(x).normalize_back(
        address(g), address(g_mean), address(g_var), address(x), _pointer(w), address(mean), address(rstd),
        *map(_pointer, made), address(parts), n, channels, size, groups,
    )  # fmt: skip
    return made


def _batch_forward(x: Any, w: Any, b: Any, *, eps: float, wants: bool) -> Any:
    out, mean, rstd = _forward(x, w, b, eps, 0)
    var = (1 / np.square(rstd, dtype=np.float64) - eps).astype(x.dtype)
    return (out, mean, var), (mean, rstd)


def _batch_backward(
    g: tuple, _out: Any, kept: tuple, needs: tuple, x: Any, w: Any, _b: Any, **_: Any
) -> list:
    mean, rstd = kept
    return _backward(g, x, w, mean, rstd, needs, 0)


def _group_forward(x: Any, w: Any, b: Any, *, num_groups: int, eps: float, wants: bool) -> Any:
    out, mean, rstd = _forward(x, w, b, eps, num_groups)
    return out, (mean, rstd)


def _group_backward(
    g: Any, _out: Any, kept: tuple, needs: tuple, x: Any, w: Any, _b: Any, *, num_groups: int, **_: Any
) -> list:  # fmt: skip
    mean, rstd = kept
    return _backward((g,), x, w, mean, rstd, needs, num_groups)


def _factors(mean: Any, var: Any, w: Any, b: Any, eps: float) -> tuple:
    """Inverse deviation, factor and offset of each channel."""
    rstd = 1 / np.sqrt(var + var.dtype.type(eps))
    scale = rstd if w is None else rstd * w
    shift = -mean * scale
    return rstd, scale, shift if b is None else shift + b


def _given_forward(
    x: Any, mean: Any, var: Any, w: Any, b: Any, *, eps: float, wants: bool
) -> tuple[np.ndarray, tuple]:
    x = dense(x)
    rstd, scale, shift = _factors(mean, var, w, b, eps)
    out = np.empty(x.shape, x.dtype)
    _of(x).rescale(address(x), address(scale), address(shift), address(out), *_sizes(x))
    return out, (rstd, scale)


def _given_backward(
    g: Any, _out: Any, kept: tuple, needs: tuple, x: Any, mean: Any, var: Any, w: Any, _b: Any, **_: Any
) -> list:  # fmt: skip
    g, x, mean = dense(g), dense(x), dense(mean)
    rstd, scale = kept
    sizes = _sizes(x)
    n, channels = sizes[:2]
    made: list[Any] = [None] * 5
    if needs[0]:
        made[0] = np.empty(x.shape, x.dtype)
        _of(x).rescale(address(g), address(scale), None, address(made[0]), *sizes)
    if any(needs[1:]):
        total, along = np.empty((2, channels), x.dtype)
        parts = np.empty(2 * n * channels)
        _of(x).channel_sums(
            address(g), address(x), address(mean), address(total), address(along), address(parts), *sizes
        )  # fmt: skip
        slope = -0.5 * along * scale * rstd * rstd
        made[1:] = [-total * scale, slope, along * rstd, total]
    return made


def register() -> None:
    """Enters the claims; called when one of the composites is first called."""
    claim(
        registry["normalize_channels"], "cpu", of_kinds(FLOATS, _by_channel), _batch_forward, _batch_backward,
        keeps_result=False,
    )  # fmt: skip
    claim(
        registry["rescale_channels"], "cpu", of_kinds(FLOATS, _by_channel), _given_forward, _given_backward,
        keeps_result=False,
    )  # fmt: skip
    claim(
        registry["group_norm"], "cpu", of_kinds(FLOATS, _groups_fit), _group_forward, _group_backward,
        keeps_result=False,
    )  # fmt: skip
