"""Samples of sampling at places."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def _grids(make: Make, dims: int, modes: int) -> Iterator[Sample]:
    size, places = (3, 4, 2)[:dims], (2, 3, 1)[:dims]
    for mode in range(modes):
        for padding in range(3):
            x = make(2, 2, *size)
            grid = make(2, *places, dims, low=-1.3, high=1.3)
            yield Sample(x, grid, mode, padding, bool(padding % 2))


def grid_sampler(make: Make) -> Iterator[Sample]:
    """All modes and paddings, of images and volumes."""
    yield from _grids(make, 2, 3)
    yield from _grids(make, 3, 2)


def grid_sampler_2d(make: Make) -> Iterator[Sample]:
    """An image."""
    yield Sample(make(1, 2, 3, 3), make(1, 2, 2, 2, low=-0.9, high=0.9), 0, 0, False)


def grid_sampler_3d(make: Make) -> Iterator[Sample]:
    """A volume."""
    yield Sample(make(1, 1, 2, 3, 2), make(1, 2, 1, 2, 3, low=-0.9, high=0.9), 0, 1, True)


def affine_grid_generator(make: Make) -> Iterator[Sample]:
    """Images and volumes, by centres and by edges."""
    yield Sample(make(2, 2, 3), (2, 1, 3, 2), True)
    yield Sample(make(1, 2, 3), (1, 2, 1, 4), False)
    yield Sample(make(1, 3, 4), (1, 1, 2, 2, 3), False)
