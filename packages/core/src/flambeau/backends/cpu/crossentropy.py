"""cross_entropy of (N, C) scores with class indices whole, forward and backward: `kernels/crossentropy.c`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._base import dtypes
from ...runtime.claims import claim
from ...runtime.operator import registry
from . import library
from .native import Kernels, address
from .offers import FLOATS
from .softmax import dense

kernels = Kernels("crossentropy.c")


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    """Rows of floats, an int64 for each, weights of the same dtype: what the body would find nothing wrong with."""
    x, target, weight = metas
    if x.dtype not in FLOATS or target.dtype is not dtypes.int64 or not x.numel:
        return False
    if len(x.shape) not in (1, 2) or tuple(target.shape) != tuple(x.shape[:-1]):
        return False
    if weight is not None and (weight.dtype is not x.dtype or tuple(weight.shape) != x.shape[-1:]):
        return False
    smoothing, ignored = attrs["label_smoothing"], attrs["ignore_index"]
    if type(smoothing) is not float or not 0 <= smoothing <= 1 or type(ignored) is not int:
        return False
    return attrs["reduction"] in ("none", "mean", "sum") and -(2**63) <= ignored < 2**63 and library.available()  # fmt: skip


def _of(x: np.ndarray) -> Any:
    return kernels.float32 if x.itemsize == 4 else kernels.float64


def _forward(
    x: Any, target: Any, weight: Any, *, ignore_index: int, reduction: str, label_smoothing: float, wants: bool
) -> tuple[np.ndarray, tuple]:  # fmt: skip
    x, target = dense(x), dense(target)
    w = None if weight is None else dense(weight)
    classes = x.shape[-1]
    rows = x.size // classes
    loss, counted, top, less = np.empty((4, rows), x.dtype)
    whole = float(classes if w is None else w.sum(dtype=np.float64))
    bad = _of(x).forward_rows(
        address(x), address(target), None if w is None else address(w), address(loss), address(counted),
        address(top), address(less), rows, classes, ignore_index, label_smoothing, whole,
    )  # fmt: skip
    if bad:
        safe = np.where(target == ignore_index, 0, target)
        low, high = int(safe.min()), int(safe.max())
        raise IndexError(f"Target {low if low < 0 else high} is out of bounds.")
    if reduction == "none":
        total, out = np.ones((), x.dtype), loss.reshape(target.shape).copy()
    elif reduction == "sum":
        total, out = np.ones((), x.dtype), np.asarray(loss.sum())
    else:
        total = np.asarray(counted.sum())
        out = np.asarray(loss.sum() / total)
    return out, (top, less, total, np.asarray(out))


def _weight_gradient(
    factors: Any, mean: Any, x: Any, target: Any, kept: tuple, ignored: int, smoothing: float
) -> np.ndarray:
    """The gradient of the weights, which nobody trains: `factors` is that of each row's loss, `mean` the loss where a mean was
    taken, whose divisor the weights make, else 0."""
    top, less, _ = kept
    rows = x.reshape(-1, x.shape[-1])
    counts = target.reshape(-1) != ignored
    rows, t, g = rows[counts], target.reshape(-1)[counts], factors[counts]
    lse = top[counts] + less[counts]
    own = (lse - rows[np.arange(t.size), t]) * (1 - smoothing) - mean
    made = np.bincount(t, weights=g * own, minlength=x.shape[-1])
    if smoothing:
        made += smoothing / x.shape[-1] * (g[:, None] * (lse[:, None] - rows)).sum(0)
    return made.astype(x.dtype)


def _backward(
    g: Any, _out: Any, kept: tuple, needs: tuple, x: Any, target: Any, weight: Any, *,
    ignore_index: int, label_smoothing: float, reduction: str, **_: Any,
) -> list:  # fmt: skip
    x, target, g = dense(x), dense(target), dense(g)
    w = None if weight is None else dense(weight)
    top, less, total, result = kept
    classes = x.shape[-1]
    made = np.empty(x.shape, x.dtype)
    whole = float(classes if w is None else w.sum(dtype=np.float64))
    with np.errstate(divide="ignore"):
        factor = float(np.float64(1) / total)
    _of(x).backward_rows(
        address(g), int(g.ndim > 0), factor, address(x), address(target), None if w is None else address(w),
        address(top), address(less), address(made), top.size, classes, ignore_index, label_smoothing, whole,
    )  # fmt: skip
    if not needs[2]:
        return [made, None, None]
    factors = np.broadcast_to(g.reshape(-1) * factor, top.shape)
    mean = result if reduction == "mean" else 0
    return [
        made, None, _weight_gradient(factors, mean, x, target, (top, less, total), ignore_index, label_smoothing),
    ]  # fmt: skip


def register() -> None:
    """Enters the claim; called when cross_entropy is first called."""
    claim(registry["cross_entropy"], "cpu", _accepts, _forward, _backward, keeps_result=False)
