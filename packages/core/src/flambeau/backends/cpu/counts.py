"""bincount without weights, and what histc counts: `kernels/counts.c`. Nothing here has a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._base import dtypes
from ...runtime.claims import Declined, claim
from ...runtime.operator import internal, registry
from . import reductions
from .native import Kernels, address
from .offers import FLOATS, of_kinds
from .softmax import dense

kernels = Kernels("counts.c")
MOST = 1 << 20  # numbers that are counted apart: a table is then 8 MB at most


def _takes_whole(metas: list, attrs: dict[str, Any]) -> bool:
    x, weights = metas
    return x.ndim == 1 and weights is None and 0 <= attrs["minlength"] <= MOST


def _bincount(x: Any, _weights: Any, *, wants: bool, minlength: int) -> tuple:
    x = dense(x)
    largest = reductions.reduced("max", x, (0,), False, x.dtype)
    bins = max(minlength, int(largest) + 1)
    if bins > MOST:
        raise Declined("numbers that are too far apart")
    made = np.empty(bins, np.int64)
    if kernels.int64.count(address(x), address(made), x.size, bins, 0.0, 0.0):
        raise Declined("a number below zero")
    return made, ()


def _takes_bins(metas: list, attrs: dict[str, Any]) -> bool:
    """Products are finite, and the range is one in the dtype of the numbers."""
    kind = np.finfo(metas[0].dtype.numpy)
    most = float(kind.max)
    low, high, bins = attrs["low"], attrs["high"], attrs["bins"]
    if not 0 < bins <= MOST or not (high - low) * bins < most:
        return False
    return kind.dtype.type(low) < kind.dtype.type(high)


def _binned(x: Any, *, wants: bool, bins: int, low: float, high: float) -> tuple:
    x = dense(x)
    made = np.empty(bins, np.int64)
    of = kernels.float32 if x.itemsize == 4 else kernels.float64
    of.count(address(x), address(made), x.size, bins, low, high)
    return made, ()


def _none(*_: Any, **__: Any) -> list:
    return [None, None]


def register() -> None:
    """Enters the claims; called when numbers are first counted."""
    if "bincount" in registry:
        takes = of_kinds((dtypes.int64,), _takes_whole)
        claim(registry["bincount"], "cpu", takes, _bincount, _none, False, least=1 << 12)
        reason = "the result's shape depends on values"
        internal["bincount_on_cpu"].refusals["compile"] = reason
    if "counts_in_bins" in registry:
        takes = of_kinds(FLOATS, _takes_bins)
        claim(registry["counts_in_bins"], "cpu", takes, _binned, _none, False, least=1 << 12)
