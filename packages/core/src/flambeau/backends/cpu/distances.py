"""Distances between rows without the differences in memory: cdist of p = 1, pdist of p = 1 and 2; `kernels/distance.c`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.claims import claim
from ...runtime.operator import registry
from . import copies
from .native import Kernels, address
from .offers import FLOATS, of_kinds
from .softmax import dense

kernels = Kernels("distance.c")


def _of(x: np.ndarray) -> Any:
    return kernels.float32 if x.itemsize == 4 else kernels.float64


def _turned(x: np.ndarray) -> np.ndarray:
    return copies.dense(x.T)


def _takes_two(metas: list, attrs: dict[str, Any]) -> bool:
    a, b = metas
    if attrs["p"] != 1 or a.ndim != 2 or b.ndim != 2 or a.dtype is not b.dtype:
        return False
    return a.numel > 0 and b.numel > 0 and a.shape[1] == b.shape[1]


def _takes_one(metas: list, attrs: dict[str, Any]) -> bool:
    return attrs["p"] in (1, 2) and metas[0].ndim == 2 and metas[0].numel > 0


def _cdist(a: Any, b: Any, *, wants: bool, **_: Any) -> tuple:
    a, turned = dense(a), _turned(b)
    (n, d), m = a.shape, b.shape[0]
    out = np.empty((n, m), a.dtype)
    _of(a).distances(address(a), address(turned), address(out), n, m, d, 0, 0)
    return out, ()


def _back(a: np.ndarray, b: np.ndarray, g: np.ndarray, far: Any, square: bool) -> np.ndarray:
    made = np.empty(a.shape, a.dtype)
    given = [address(x) for x in (a, b, g, g if far is None else far, made)]
    _of(a).distances_back(*given, a.shape[0], b.shape[0], a.shape[1], int(square))
    return made


def _cdist_back(g: Any, _out: Any, _kept: Any, needs: tuple, a: Any, b: Any, **_: Any) -> list:
    a, b = dense(a), dense(b)
    first = _back(a, b, dense(g), None, False) if needs[0] else None
    second = _back(b, a, _turned(g), None, False) if needs[1] else None
    return [first, second]


def _pdist(x: Any, *, wants: bool, p: float) -> tuple:
    x, turned = dense(x), _turned(x)
    n, d = x.shape
    out = np.empty(n * (n - 1) // 2, x.dtype)
    if out.size:
        call = _of(x).distances
        call(address(x), address(turned), address(out), n, n, d, int(p == 2), 1)
    return out, ()


def _pdist_back(g: Any, out: Any, _kept: Any, _needs: Any, x: Any, *, p: float) -> list:
    x, n = dense(x), x.shape[0]
    pairs = np.triu_indices(n, 1)
    squares = np.zeros((2, n, n), x.dtype)
    for full, values in zip(squares, (g, out)):
        full[pairs] = values
        full += full.T
    return [_back(x, x, squares[0], squares[1], p == 2)]


def register() -> None:
    """Enters the claims; called when a distance is first asked for."""
    if "cdist" in registry:
        claim(registry["cdist"], "cpu", of_kinds(FLOATS, _takes_two), _cdist, _cdist_back, False)
    if "pdist" in registry:
        claim(registry["pdist"], "cpu", of_kinds(FLOATS, _takes_one), _pdist, _pdist_back)
