"""Samples of rounding to levels. The gradient is that of the identity, which finite differences do not see."""

from __future__ import annotations

from collections.abc import Iterator

from ..._base.dtypes import int32
from ...ops.creation import tensor
from . import Make, Sample


def fake_quantize_per_tensor_affine(make: Make) -> Iterator[Sample]:
    """Numbers inside and outside the levels."""
    yield Sample(make(2, 3), 0.1, 10, 0, 30, grad=False)
    yield Sample(make(), 0.25, 0, -4, 4, grad=False)


def fake_quantize_per_channel_affine(make: Make) -> Iterator[Sample]:
    """A scale for each row."""
    options = {"grad": False, "batch": False}
    yield Sample(make(2, 3), tensor([0.1, 0.5]), tensor([1, 2], dtype=int32), 0, 0, 30, **options)
