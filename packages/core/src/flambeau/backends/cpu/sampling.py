"""grid_sampler of images, bilinear, forward and backward: `kernels/sample.c`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops import grid as definition
from ...runtime.claims import claim
from ...runtime.operator import registry
from .native import Kernels, address
from .offers import FLOATS, of_kinds
from .softmax import dense

kernels = Kernels("sample.c")


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    """Bilinear, of images that are not empty: what the body would find nothing wrong with."""
    x, places = metas
    if len(x.shape) != 4 or len(places.shape) != 4 or x.dtype is not places.dtype:
        return False
    if places.shape[0] != x.shape[0] or places.shape[3] != 2 or not x.numel or not places.numel:
        return False
    if x.shape[2] * x.shape[3] >= 1 << 31 or type(attrs["align_corners"]) is not bool:
        return False
    return attrs["interpolation_mode"] == definition.BILINEAR and attrs["padding_mode"] in (0, 1, 2)


def _of(x: np.ndarray) -> Any:
    return kernels.float32 if x.itemsize == 4 else kernels.float64


def _numbers(x: np.ndarray, places: np.ndarray, padding: int, corners: bool) -> tuple:
    return (*x.shape, places.shape[1] * places.shape[2], padding, corners)


def _forward(
    x: Any, places: Any, *, padding_mode: int, align_corners: bool, wants: bool, **_: Any
) -> tuple[np.ndarray, tuple]:
    x, places = dense(x), dense(places)
    y = np.empty((*x.shape[:2], *places.shape[1:3]), x.dtype)
    numbers = _numbers(x, places, padding_mode, align_corners)
    _of(x).sample(address(x), address(places), address(y), *numbers)
    return y, ()


def _backward(
    g: Any, _out: Any, _kept: tuple, needs: tuple, x: Any, places: Any, *, padding_mode: int, align_corners: bool, **_: Any
) -> list:  # fmt: skip
    g, x, places = dense(g), dense(x), dense(places)
    made = [np.empty(a.shape, a.dtype) if n else None for n, a in zip(needs, (x, places))]
    numbers = _numbers(x, places, padding_mode, align_corners)
    to = [None if m is None else address(m) for m in made]
    _of(x).sample_back(address(g), address(x), address(places), *to, *numbers)
    return made


def register() -> None:
    """Enters the claim; called when grid_sampler is first called."""
    claim(
        registry["grid_sampler"],
        "cpu",
        of_kinds(FLOATS, _accepts),
        _forward,
        _backward,
        keeps_result=False,
    )
