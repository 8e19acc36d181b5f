"""batch_norm's two halves and group_norm whole, forward and backward: `kernels/channelnorm.c`.

Where the channels are neighbours, in a batch of vectors or of images with their channels last: `kernels/columnnorm.c`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.claims import claim, lasting
from ...runtime.layouts import BACK, ORDERS, compiled, is_last, with_last
from ...runtime.operator import registry
from . import library
from .native import Kernels, address
from .offers import FLOATS, of_kinds
from .softmax import dense

kernels, column_kernels = Kernels("channelnorm.c"), Kernels("columnnorm.c")
NARROW = 4  # elements of a plane below which vectors along it do not pay in groups of channels
FEW = 8  # channels below which images with their channels last are copied instead


def _of(file: Kernels, x: np.ndarray) -> Any:
    return file.float32 if x.itemsize == 4 else file.float64


def _rows(x: np.ndarray) -> np.ndarray | None:
    """`x` as rows of channels, where they lie so or a sample has one element of each; else None."""
    if x.ndim == 2:
        return dense(x)
    n, channels = x.shape[:2]
    if x.size == n * channels:
        return dense(x).reshape(n, channels)
    if channels < FEW or not is_last(x):
        return None
    laid = x.transpose(ORDERS[x.ndim])
    flags = laid.flags
    return laid.reshape(-1, channels) if flags.c_contiguous and flags.aligned else None


def _rows_as(g: np.ndarray, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """A gradient as rows that correspond to those of `x`."""
    if x.ndim == 2:
        return dense(g)
    if x.size != len(x) * x.shape[1]:
        g = with_last(np, g, compiled[0]).transpose(ORDERS[x.ndim])
    return dense(g).reshape(rows.shape)


def _empty_as(x: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    """An array of x's shape, laid out as `rows` are."""
    if rows is None or x.size == len(x) * x.shape[1]:
        return np.empty(x.shape, x.dtype)
    shape = x.shape
    return np.empty((shape[0], *shape[2:], shape[1]), x.dtype).transpose(BACK[x.ndim])


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
    w, b = _dense(w), _dense(b)
    laid = None if groups else _rows(x)
    found = np.empty((rows, len(x) * groups if groups else x.shape[1]), x.dtype)
    at = [address(found) + r * found.strides[0] if r < rows else None for r in range(3)]
    if laid is not None:
        out, c = _empty_as(x, laid), _of(column_kernels, x)
        parts = np.empty(c.columns_room(*laid.shape), x.dtype)
        c.columns(
            address(laid), _pointer(w), _pointer(b), address(out), *at, address(parts), *laid.shape, eps
        )  # fmt: skip
        return out, found
    n, channels, size = _sizes(x)
    x = dense(x)
    out, parts = np.empty(x.shape, x.dtype), np.empty(96)
    _of(kernels, x).normalize(
        address(x), _pointer(w), _pointer(b), address(out), *at, address(parts), n, channels, size, groups, eps
    )  # fmt: skip
    return out, found


def _backward(gs: tuple, x: Any, w: Any, found: Any, needs: tuple, groups: int) -> list:
    """The gradients of input, weight and bias where `needs` asks for them; `gs`: of the result, of mean and of variance or None."""
    w = _dense(w)
    g, g_mean, g_var = gs
    g = np.zeros(x.shape, x.dtype) if g is None else g
    g_mean, g_var = _dense(g_mean), _dense(g_var)
    mean = address(found)
    rstd = mean + found.strides[0]
    n, channels, size = _sizes(x)
    laid = None if groups else _rows(x)
    made = [_empty_as(x, laid) if needs[0] else None]
    made += [np.empty(channels, x.dtype) if need else None for need in needs[1:3]]
    if laid is not None:
        g, c = _rows_as(g, x, laid), _of(column_kernels, x)
        parts = np.empty(c.columns_room(*laid.shape), x.dtype)
        c.columns_back(
            address(g), _pointer(g_mean), _pointer(g_var), address(laid), _pointer(w), mean, rstd,
            *map(_pointer, made), address(parts), *laid.shape,
        )  # fmt: skip
        return made
    g, x = dense(g), dense(x)
    parts = np.empty(2 * n * channels)
    _of(kernels, x).normalize_back(
        address(g), _pointer(g_mean), _pointer(g_var), address(x), _pointer(w), mean, rstd,
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
    mean, var, w, b = dense(mean), dense(var), _dense(w), _dense(b)
    laid, factors = _rows(x), np.empty((3, x.shape[1]), x.dtype)
    out = _empty_as(x, laid)
    if laid is not None:
        rescale, sizes = _of(column_kernels, x).rescale_columns, laid.shape
    else:
        laid, rescale, sizes = dense(x), _of(kernels, x).rescale, _sizes(x)
    rescale(
        address(laid), address(mean), address(var), _pointer(w), _pointer(b), address(factors), address(out), *sizes, eps
    )  # fmt: skip
    return out, (factors,)


def _given_backward(
    g: Any, _out: Any, kept: tuple, needs: tuple, x: Any, mean: Any, var: Any, w: Any, _b: Any, **_: Any
) -> list:  # fmt: skip
    mean = dense(mean)
    n, channels, size = _sizes(x)
    laid = _rows(x)
    made = [_empty_as(x, laid) if needs[0] else None]
    made += [np.empty(channels, x.dtype) if need else None for need in needs[1:5]]
    parts = None
    if laid is not None:
        g, sizes, c = _rows_as(g, x, laid), laid.shape, _of(column_kernels, x)
        back = c.rescale_columns_back
        if any(needs[1:]):
            parts = np.empty(c.columns_room(*sizes), x.dtype)
    else:
        g, laid, sizes, back = dense(g), dense(x), (n, channels, size), _of(kernels, x).rescale_back
        if any(needs[1:]):
            parts = np.empty(2 * n * channels)
    back(
        address(g), address(laid), address(mean), address(kept[0]), *map(_pointer, made), _pointer(parts), *sizes
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
