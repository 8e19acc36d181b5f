"""batch_norm's two halves and group_norm whole, forward and backward: `kernels/channelnorm.c`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.claims import claim, lasting
from ...runtime.operator import registry
from . import library
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


def _forward(x: np.ndarray, w: Any, b: Any, eps: float, groups: int, rows: int) -> tuple:
    """The result, and of each group mean, inverse deviation and (rows = 3) variance; groups = 0: of each channel in all samples."""
    x, w, b = dense(x), _dense(w), _dense(b)
    n, channels, size = _sizes(x)
    out = np.empty(x.shape, x.dtype)
    found = np.empty((rows, n * groups if groups else channels), x.dtype)
    at = [address(f) for f in found] + [None] * (3 - rows)
    if size == 1 and not groups:
        _of(x).columns(address(x), _pointer(w), _pointer(b), address(out), *at, n, channels, eps)
    else:
        parts = np.empty(96)
        _of(x).normalize(
            address(x), _pointer(w), _pointer(b), address(out), *at, address(parts), n, channels, size, groups, eps
        )  # fmt: skip
    return out, found


def _backward(gs: tuple, x: Any, w: Any, found: Any, needs: tuple, groups: int) -> list:
    """The gradients of input, weight and bias where `needs` asks for them; `gs`: of the result, of mean and of variance or None."""
    x, w = dense(x), _dense(w)
    g, g_mean, g_var = gs
    g = np.zeros(x.shape, x.dtype) if g is None else dense(g)
    g_mean, g_var = _dense(g_mean), _dense(g_var)
    mean, rstd = found[0], found[1]
    n, channels, size = _sizes(x)
    shapes = (x.shape, (channels,), (channels,))
    made = [np.empty(s, x.dtype) if need else None for need, s in zip(needs, shapes)]
    if size == 1 and not groups:
        _of(x).columns_back(
            address(g), _pointer(g_mean), _pointer(g_var), address(x), _pointer(w), address(mean), address(rstd),
            *map(_pointer, made), n, channels,
        )  # fmt: skip
        return made
    parts = np.empty(2 * n * channels)
    _of(x).normalize_back(
        address(g), _pointer(g_mean), _pointer(g_var), address(x), _pointer(w), address(mean), address(rstd),
        *map(_pointer, made), address(parts), n, channels, size, groups,
    )  # fmt: skip
    return made


def _batch_forward(x: Any, w: Any, b: Any, *, eps: float, wants: bool) -> Any:
    out, found = _forward(x, w, b, eps, 0, 3)
    return (out, found[0], found[2]), (found,)


def _batch_backward(
    g: tuple, _out: Any, kept: tuple, needs: tuple, x: Any, w: Any, _b: Any, **_: Any
) -> list:
    return _backward(g, x, w, kept[0], needs, 0)


def _group_forward(x: Any, w: Any, b: Any, *, num_groups: int, eps: float, wants: bool) -> Any:
    out, found = _forward(x, w, b, eps, num_groups, 2)
    return out, (found,)


def _group_backward(
    g: Any, _out: Any, kept: tuple, needs: tuple, x: Any, w: Any, _b: Any, *, num_groups: int, **_: Any
) -> list:  # fmt: skip
    return _backward((g, None, None), x, w, kept[0], needs, num_groups)


def _given_forward(
    x: Any, mean: Any, var: Any, w: Any, b: Any, *, eps: float, wants: bool
) -> tuple[np.ndarray, tuple]:
    x, mean, var, w, b = dense(x), dense(mean), dense(var), _dense(w), _dense(b)
    n, channels, size = _sizes(x)
    out, factors = np.empty(x.shape, x.dtype), np.empty((3, channels), x.dtype)
    _of(x).rescale(
        address(x), address(mean), address(var), _pointer(w), _pointer(b), address(factors), address(out),
        n, channels, size, eps,
    )  # fmt: skip
    return out, (factors,)


def _given_backward(
    g: Any, _out: Any, kept: tuple, needs: tuple, x: Any, mean: Any, var: Any, w: Any, _b: Any, **_: Any
) -> list:  # fmt: skip
    g, x, mean = dense(g), dense(x), dense(mean)
    n, channels, size = _sizes(x)
    shapes = (x.shape, *[(channels,)] * 4)
    made = [np.empty(s, x.dtype) if need else None for need, s in zip(needs, shapes)]
    parts = np.empty(2 * n * channels) if any(needs[1:]) else None
    _of(x).rescale_back(
        address(g), address(x), address(mean), address(kept[0]), *map(_pointer, made), _pointer(parts), n, channels, size
    )  # fmt: skip
    return made


def register() -> None:
    """Enters the claims; called when one of the composites is first called."""

    def enter(name: str, accepts: Any, forward: Any, backward: Any, **options: Any) -> None:
        checker = lasting(of_kinds(FLOATS, accepts), library.available)
        claim(registry[name], "cpu", checker, forward, backward, keeps_result=False, **options)

    enter("normalize_channels", _by_channel, _batch_forward, _batch_backward, fills=False)
    enter("rescale_channels", _by_channel, _given_forward, _given_backward)
    enter("group_norm", _groups_fit, _group_forward, _group_backward)
