"""cross_entropy of scores (N, C, *) with class indices whole, forward and backward: `kernels/crossentropy.c`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._base import dtypes
from ...runtime.claims import claim, lasting
from ...runtime.operator import registry
from . import library
from .native import Kernels, address
from .offers import FLOATS, HALVES, cast, computed
from .softmax import dense

kernels = Kernels("crossentropy.c")
REDUCTIONS = ("none", "sum", "mean")  # as in C


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    """Rows of floats, an int64 for each, weights of the same dtype: what the body would find nothing wrong with."""
    x, target, weight = metas
    if x.dtype not in (*FLOATS, *HALVES) or target.dtype is not dtypes.int64 or not x.numel:
        return False
    shape = tuple(x.shape)
    if not shape or tuple(target.shape) != (() if len(shape) == 1 else (shape[0], *shape[2:])):
        return False
    classes = shape[0] if len(shape) == 1 else shape[1]
    if weight is not None and (weight.dtype is not x.dtype or tuple(weight.shape) != (classes,)):
        return False
    smoothing, ignored = attrs["label_smoothing"], attrs["ignore_index"]
    if type(smoothing) is not float or not 0 <= smoothing <= 1 or type(ignored) is not int:
        return False
    return attrs["reduction"] in REDUCTIONS and -(2**63) <= ignored < 2**63 and library.available()  # fmt: skip


def _sizes(x: np.ndarray) -> tuple[int, int, int]:
    """(samples, classes, places of a sample)."""
    if x.ndim == 1:
        return 1, x.size, 1
    n, classes = x.shape[:2]
    return n, classes, x.size // (n * classes)


def _computed(a: np.ndarray | None, x: np.ndarray) -> np.ndarray | None:
    """Weights or gradients of losses in the dtype that kernels compute in for scores `x`."""
    return None if a is None else cast(dense(a), computed(x))


def _forward(
    x: Any, target: Any, weight: Any, *, ignore_index: int, reduction: str, label_smoothing: float, wants: bool
) -> tuple[np.ndarray, tuple]:  # fmt: skip
    x, target, w = dense(x), dense(target), _computed(weight, x)
    outer, classes, inner = _sizes(x)
    count = target.size
    dtype = computed(x)
    loss, counted = np.empty(target.shape, dtype), np.empty(count, dtype)
    top, less = np.empty(count, dtype), np.empty(count, dtype)
    out, total = np.empty((), dtype), np.empty((), dtype)
    bad = kernels.of(x).forward_rows(
        address(x), address(target), None if w is None else address(w), address(loss), address(counted), address(top),
        address(less), address(out), address(total), outer, classes, inner, ignore_index, label_smoothing,
        REDUCTIONS.index(reduction),
    )  # fmt: skip
    if bad:
        safe = np.where(target == ignore_index, 0, target)
        low, high = int(safe.min()), int(safe.max())
        raise IndexError(f"Target {low if low < 0 else high} is out of bounds.")
    if reduction == "none":
        return cast(loss, x.dtype), (top, less)
    return cast(out, x.dtype), (
        (top, less, total, out.copy()) if weight is not None else (top, less, total)
    )


def _weight_gradient(
    factors: Any, mean: Any, x: Any, target: Any, kept: tuple, ignored: int, smoothing: float
) -> np.ndarray:
    """The gradient of the weights, which nobody trains: `factors` is that of each row's loss, `mean` the loss where a mean was
    taken, whose divisor the weights make, else 0."""
    top, less = kept
    x = cast(x, top.dtype)
    rows = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) if x.ndim > 1 else x.reshape(1, -1)
    classes = rows.shape[1]
    counts = target.reshape(-1) != ignored
    rows, t, g = rows[counts], target.reshape(-1)[counts], factors[counts]
    lse = top[counts] + less[counts]
    own = (lse - rows[np.arange(t.size), t]) * (1 - smoothing) - mean
    made = np.bincount(t, weights=g * own, minlength=classes)
    if smoothing:
        made += smoothing / classes * (g[:, None] * (lse[:, None] - rows)).sum(0)
    return made.astype(x.dtype)


def _backward(
    g: Any, _out: Any, kept: tuple, needs: tuple, x: Any, target: Any, weight: Any, *,
    ignore_index: int, label_smoothing: float, reduction: str, **_: Any,
) -> list:  # fmt: skip
    x, target, g, w = dense(x), dense(target), _computed(g, x), _computed(weight, x)
    top, less = kept[:2]
    total = kept[2] if reduction == "mean" else None
    made = np.empty(x.shape, x.dtype)
    kernels.of(x).backward_rows(
        address(g), int(g.ndim > 0), None if total is None else address(total), address(x), address(target),
        None if w is None else address(w), address(top), address(less), address(made), *_sizes(x), ignore_index,
        label_smoothing,
    )  # fmt: skip
    if not needs[2]:
        return [made, None, None]
    factors = np.broadcast_to(g.reshape(-1) / (1 if total is None else float(total)), top.shape)
    mean = 0 if total is None else kept[3]
    return [
        made, None, _weight_gradient(factors, mean, x, target, (top, less), ignore_index, label_smoothing),
    ]  # fmt: skip


def register() -> None:
    """Enters the claim; called when cross_entropy is first called."""
    claim(
        registry["cross_entropy"],
        "cpu",
        lasting(_accepts, library.available),
        _forward,
        _backward,
        keeps_result=False,
    )
