"""Samples of elementwise functions that few networks need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import Make, Sample


def _one(
    low: float = 0.1, high: float = 0.9, onnx: bool = True
) -> Callable[[Make], Iterator[Sample]]:
    def samples(make: Make) -> Iterator[Sample]:
        yield Sample(make(2, 3, low=low, high=high), onnx=onnx)
        yield Sample(make(low=low, high=high), onnx=onnx)
        yield Sample(make(0, 2), onnx=onnx)
        yield Sample(make.transposed(2, 3, low=low, high=high), onnx=onnx)

    return samples


def _two(
    low: float = 0.3, high: float = 2.0, onnx: bool = True
) -> Callable[[Make], Iterator[Sample]]:
    def samples(make: Make) -> Iterator[Sample]:
        yield Sample(make(2, 3, low=low, high=high), make(3, low=low, high=high), onnx=onnx)
        yield Sample(make(low=low, high=high), make(2, low=low, high=high), onnx=onnx)
        yield Sample(make(0, 2), make(2), onnx=onnx)

    return samples


positive = signbit = deg2rad = rad2deg = frac = sinc = isposinf = isneginf = isreal = _one()
angle = _one(onnx=False)
angle_of_real = _one()
copysign = fmax = fmin = hypot = logaddexp = logaddexp2 = float_power = rsub = _two()
polar = _two(onnx=False)


def ldexp(make: Make) -> Iterator[Sample]:
    """Powers that are whole numbers, and others."""
    yield Sample(make(2, 3), make.ints(3, below=5, above=-5))
    yield from _two()(make)


def clamp_min(make: Make) -> Iterator[Sample]:
    """A number and a tensor."""
    yield Sample(make.distinct(2, 3), 0.05)
    yield Sample(make.distinct(2, 3), make(3, low=0.02, high=0.06))


def clamp_max(make: Make) -> Iterator[Sample]:
    """As clamp_min."""
    yield from clamp_min(make)


def heaviside(make: Make) -> Iterator[Sample]:
    """No gradient."""
    yield Sample(make(2, 3, grad=False), make(3, grad=False))


def bitwise_left_shift(make: Make) -> Iterator[Sample]:
    """A tensor and a number."""
    yield Sample(make.ints(2, 3), make.ints(3, below=3))
    yield Sample(make.ints(2, 3), 2)


def bitwise_right_shift(make: Make) -> Iterator[Sample]:
    """As the other way."""
    yield from bitwise_left_shift(make)
