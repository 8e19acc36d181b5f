"""Samples of complex numbers. Gradients that arrive complex are tested in tests/ops/test_spectral.py."""

from __future__ import annotations

from collections.abc import Iterator

from ...ops.complex import complex as to_complex
from ...runtime.tensor import Tensor
from . import Make, Sample


def numbers(make: Make, *shape: int) -> Tensor:
    """Complex numbers away from 0."""
    return to_complex(
        make(*shape, low=0.3, grad=False), make(*shape, low=-2.0, high=-0.3, grad=False)
    )


def _one(make: Make) -> Iterator[Sample]:
    yield Sample(numbers(make, 2, 3))
    yield Sample(numbers(make))
    yield Sample(numbers(make, 0, 2))
    yield Sample(numbers(make, 3, 2).permute(1, 0))


real = imag = conj_physical = view_as_real = _one


def sgn(make: Make) -> Iterator[Sample]:
    """Directions of both kinds of number."""
    yield from _one(make)
    yield Sample(make(2, 3), grad=False)


def complex(make: Make) -> Iterator[Sample]:
    """Two parts, of one shape and broadcast."""
    yield Sample(make(2, 3), make(2, 3), grad=False)
    yield Sample(make(2, 1), make(3), grad=False)
    yield Sample(make(), make(), grad=False)


def view_as_complex(make: Make) -> Iterator[Sample]:
    """Pairs in the last dimension."""
    yield Sample(make(3, 2), grad=False)
    yield Sample(make(2), grad=False)
    yield Sample(make(0, 2), grad=False)


conj = resolve_conj = resolve_neg = _one
