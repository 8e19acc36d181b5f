"""What CuPy's ufuncs lack, made of what they have: tried on NumPy with CuPy's limits, which refuses what CuPy refuses."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.backends.cuda import ufuncs

ADDED = ("int32", "uint32", "uint64", "float16", "float32", "float64", "complex64", "complex128")
COMPARED = ("int32", "uint32", "uint64", "float32", "float64")


class Limited:
    """A ufunc of NumPy's with the methods of CuPy's."""

    def __init__(self, name, dtypes):
        self.function, self.dtypes = getattr(np, name), dtypes

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def at(self, a, key, values):
        if a.dtype.name not in self.dtypes or values.dtype != a.dtype:
            raise TypeError(f"{a.dtype} and {values.dtype}")
        if self.function is np.add:
            np.add.at(a, key, values)
            return
        better = np.greater if self.function is np.maximum else np.less  # never of NaN
        where = np.arange(a.size).reshape(a.shape)[key]
        for i, v in zip(np.broadcast_to(where, values.shape).flat, values.flat):
            if better(v, a.flat[i]):
                a.flat[i] = v


class Limits:
    """NumPy with CuPy's limits."""

    add = Limited("add", ADDED)
    maximum, minimum = Limited("maximum", COMPARED), Limited("minimum", COMPARED)

    def __getattr__(self, name):
        return getattr(np, name)


cp = Limits()
RNG = np.random.default_rng(0)
PLACES = RNG.integers(-9, 9, 200)


def numbers(dtype, *shape):
    if dtype == "bool":
        return RNG.random(shape) > 0.8
    if dtype.startswith("complex"):
        return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(dtype)
    low = 0 if dtype.startswith("u") else -3
    return (RNG.normal(size=shape) if "float" in dtype else RNG.integers(low, 4, shape)).astype(
        dtype
    )


REAL = ["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", [*REAL, "complex64"])
def test_adding_at_indices(dtype):
    for key, shape in ((PLACES, (200,)), ((slice(None), PLACES), (2, 200))):
        a, values = (
            numbers(dtype, 9) if shape == (200,) else numbers(dtype, 2, 9),
            numbers(dtype, *shape),
        )
        want = a.astype("float64" if dtype == "float16" else a.dtype)
        np.add.at(want, key, values)
        ufuncs.Add(cp).at(a, key, values)
        np.testing.assert_allclose(
            a,
            want,
            rtol=1e-2 if dtype == "float16" else 1e-5,
            atol=1e-2 if dtype == "float16" else 1e-5,
        )


def test_adding_to_part_of_an_array_and_a_single_number():
    a = np.zeros((4, 6), "int64")
    ufuncs.Add(cp).at(a[:, ::2], (np.array([0, 0, 3]),), 2)
    assert a[0].tolist() == [4, 0, 4, 0, 4, 0] and a.sum() == 18


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("dtype", REAL)
def test_extremes_at_indices(name, dtype):
    a, values = numbers(dtype, 9), numbers(dtype, 200)
    if dtype.startswith("float"):
        values[3] = np.nan
    if dtype == "int64":
        values[:4] = [2**62, -(2**62), -(2**63), 2**63 - 1]
    want = a.copy()
    with np.errstate(invalid="ignore"):
        getattr(np, name).at(want, PLACES, values)
    ufuncs.Extreme(cp, name).at(a, PLACES, values)
    np.testing.assert_array_equal(a, want)


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64", "complex64"])
@pytest.mark.parametrize("n", [1, 2, 5, 200])
def test_multiplying_at_indices(dtype, n):
    a, values = numbers(dtype, 9), numbers(dtype, n)
    want = a.copy()
    np.multiply.at(want, PLACES[:n], values)
    ufuncs.Multiply(cp).at(a, PLACES[:n], values)
    np.testing.assert_allclose(a, want, rtol=1e-4)


@pytest.mark.parametrize("name", ["logaddexp", "maximum", "logical_or", "bitwise_xor"])
def test_folds_along_dimensions(name):
    whole, numpy = ufuncs.Ufunc(cp, name), getattr(np, name)
    dtype = {"logical_or": "bool", "bitwise_xor": "int64"}.get(name, "float64")
    a = numbers(dtype, 3, 7, 4)
    for axis in (0, 1, -1):
        np.testing.assert_allclose(whole.accumulate(a, axis=axis), numpy.accumulate(a, axis=axis))
        for keepdims in (False, True):
            np.testing.assert_allclose(
                whole.reduce(a, axis, keepdims), numpy.reduce(a, axis, keepdims=keepdims)
            )
    np.testing.assert_allclose(whole.reduce(a, (0, 2)), numpy.reduce(numpy.reduce(a, 2), 0))
    assert whole(a[0], a[1]).shape == (7, 4)
