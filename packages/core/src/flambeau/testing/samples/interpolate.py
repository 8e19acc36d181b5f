"""Samples of resizing and padding."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def interpolate(make: Make) -> Iterator[Sample]:
    """Each mode, larger and smaller."""
    yield Sample(make(1, 2, 3), 5)
    yield Sample(make(1, 2, 3), None, 1.7, "linear")
    yield Sample(make(1, 1, 3, 4), (2, 5), mode="bilinear", align_corners=True)
    yield Sample(make(1, 1, 3, 4), (5, 3), mode="bicubic")
    yield Sample(make(1, 1, 4, 4), 2, mode="bilinear", antialias=True)
    yield Sample(make(1, 1, 4, 4), 3, mode="area")


def pad(make: Make) -> Iterator[Sample]:
    """Each mode; cutting too."""
    yield Sample(make(2, 3), (1, 2))
    yield Sample(make(2, 3), (-1, 1, 0, 2), "constant", 2.5)
    for mode in ("reflect", "replicate", "circular"):
        yield Sample(make(1, 2, 3), (2, 1), mode)


def pixel_shuffle(make: Make) -> Iterator[Sample]:
    """With and without a batch."""
    yield Sample(make(1, 4, 2, 1), 2)
    yield Sample(make(4, 1, 2), 2)


def pixel_unshuffle(make: Make) -> Iterator[Sample]:
    """With and without a batch."""
    yield Sample(make(1, 1, 4, 2), 2)
    yield Sample(make(1, 2, 2), 2)


def channel_shuffle(make: Make) -> Iterator[Sample]:
    """Two groups."""
    yield Sample(make(1, 4, 2), 2)


def native_channel_shuffle(make: Make) -> Iterator[Sample]:
    """As `channel_shuffle`."""
    yield from channel_shuffle(make)
