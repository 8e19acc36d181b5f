"""layer_norm and rms_norm whole, forward and backward: `kernels/rownorm.c`."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...ops.normalization import smallest
from ...runtime.claims import claim
from ...runtime.operator import registry
from . import offers
from .native import Kernels, address
from .softmax import dense

kernels = Kernels("rownorm.c")
MOST_BLOCKS = 64  # of rows whose parts of the weight's gradient are added up apart
LEAST_BLOCK = 4096  # elements of such a block


def _fits(metas: list, attrs: dict[str, Any]) -> bool:
    """Whether the body would find nothing wrong; one dtype, no empty array."""
    x, shape, eps = metas[0], attrs["normalized_shape"], attrs["eps"]
    if type(eps) is not float and (eps is not None or len(metas) == 3):  # only rms_norm takes None
        return False
    if type(shape) is int:
        shape = (shape,)
    elif not isinstance(shape, (tuple, list)):
        return False
    else:
        shape = tuple(shape)
    k = len(shape)
    if not k or x.shape[-k:] != shape or not x.numel:
        return False
    for m in metas[1:]:
        if m is not None and (m.shape != shape or m.dtype is not x.dtype):
            return False
    return True


def _pointer(a: np.ndarray | None) -> int | None:
    return None if a is None else address(a)


def _forward(
    x: np.ndarray, w: np.ndarray | None, b: np.ndarray | None, shape: Any, eps: float, rms: int
) -> tuple[np.ndarray, tuple]:
    x = dense(x)
    w, b = (None if p is None else dense(p) for p in (w, b))
    size = prod(x.shape[-len(shape) :]) if type(shape) is not int else x.shape[-1]
    rows = x.size // size
    computed = offers.computed(x)
    out, rstd = np.empty(x.shape, x.dtype), np.empty(rows, computed)
    mean = None if rms else np.empty(rows, computed)
    kernels.of(x).normalize(
        address(x), _pointer(w), _pointer(b), address(out), _pointer(mean), address(rstd), rows, size, eps, rms
    )  # fmt: skip
    return out, (rstd,) if rms else (rstd, mean)


def _backward(g: Any, kept: tuple, x: Any, w: Any, wanted: tuple, rms: int) -> list:
    """The gradients of input, weight and bias where `wanted`."""
    g, x = dense(g), dense(x)
    w = None if w is None else dense(w)
    rstd, mean = kept[0], None if rms else kept[1]
    rows = rstd.size
    size = x.size // rows
    per = max(-(-rows // MOST_BLOCKS), min(4, rows), LEAST_BLOCK // size)
    shape = (size,)
    computed = offers.computed(x)
    made = [np.empty(shape, computed) if n else None for n in wanted]
    if wanted[0]:
        made[0] = np.empty(x.shape, x.dtype)
    none = (
        g * 0 if size == 1 and not rms and wanted[0] else None
    )  # rounding, times 1/sqrt(eps), would show
    parts = np.empty((-(-rows // per), 2, size), computed) if wanted[1] or wanted[2] else None
    kernels.of(x).normalize_back(
        address(g), address(x), _pointer(w), _pointer(mean), address(rstd), *map(_pointer, made), _pointer(parts),
        rows, size, per, rms,
    )  # fmt: skip
    rounded = [None if m is None else offers.cast(m, x.dtype) for m in made[1:]]
    return [made[0] if none is None else none, *rounded]


def _layer_forward(
    x: Any, w: Any, b: Any, *, normalized_shape: Any, eps: float, wants: bool
) -> Any:
    return _forward(x, w, b, normalized_shape, eps, 0)


def _layer_backward(
    g: Any, _out: Any, kept: tuple, needs: tuple, x: Any, w: Any, b: Any, **_: Any
) -> list:
    made = _backward(g, kept, x, w, needs, 0)
    return [made[0], *(m if m is None else m.reshape(p.shape) for m, p in zip(made[1:], (w, b)))]


def _rms_forward(x: Any, w: Any, *, normalized_shape: Any, eps: Any, wants: bool) -> Any:
    small = smallest(x.dtype.name) if eps is None else eps
    return _forward(x, w, None, normalized_shape, small, 1)


def _rms_backward(g: Any, _out: Any, kept: tuple, needs: tuple, x: Any, w: Any, **_: Any) -> list:
    made = _backward(g, kept, x, w, (*needs, False), 1)
    return [made[0], None if made[1] is None else made[1].reshape(w.shape)]


def register() -> None:
    """Enters the claims; called when one of the composites is first called."""
    accepts = offers.of_kinds((*offers.FLOATS, *offers.HALVES), _fits)
    claim(
        registry["layer_norm"], "cpu", accepts, _layer_forward, _layer_backward, keeps_result=False
    )
    claim(registry["rms_norm"], "cpu", accepts, _rms_forward, _rms_backward, keeps_result=False)
