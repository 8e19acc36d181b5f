"""Sampling and resizing images."""

from __future__ import annotations

from typing import Any

from flambeau.ops.interpolate import interpolate
from flambeau.runtime.tensor import Tensor


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Old name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)
