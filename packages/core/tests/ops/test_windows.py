"""Windows, at the top of the package and in `flambeau.signal.windows`."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.signal import windows

ALL = {
    "bartlett": {}, "blackman": {}, "cosine": {}, "exponential": {"tau": 2.0}, "gaussian": {"std": 1.5},
    "general_cosine": {"a": [0.4, 0.5, 0.1]}, "general_hamming": {"alpha": 0.6}, "hamming": {}, "hann": {},
    "kaiser": {"beta": 7.0}, "nuttall": {},
}  # fmt: skip
NUMPY = {
    "bartlett": np.bartlett, "blackman": np.blackman, "hamming": np.hamming, "hann": np.hanning,
    "kaiser": lambda n: np.kaiser(n, 7.0),
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [0, 1, 2, 7, 8])
def test_periodic_windows_are_longer_ones_cut(name, size):
    f, options = getattr(windows, name), ALL[name]
    made = f(size, **options, dtype=flambeau.float64)
    assert (made.shape, made.dtype) == ((size,), flambeau.float64)
    np.testing.assert_allclose(made.numpy(), made.numpy()[::-1], atol=1e-15)
    periodic = f(size, sym=False, **options, dtype=flambeau.float64)
    if size > 1:
        np.testing.assert_allclose(periodic.numpy(), f(size + 1, **options).numpy()[:-1], atol=1e-7)
    else:
        np.testing.assert_array_equal(periodic.numpy(), made.numpy())


@pytest.mark.parametrize("name", NUMPY)
def test_values(name):
    made = getattr(windows, name)(9, **ALL[name], dtype=flambeau.float64).numpy()
    np.testing.assert_allclose(made, NUMPY[name](9), atol=1e-15)
    arguments = (7.0,) if name == "kaiser" else ()
    top = getattr(flambeau, f"{name}_window")
    np.testing.assert_allclose(
        top(9, False, *arguments, dtype=flambeau.float64).numpy(), made, atol=1e-15
    )
    np.testing.assert_allclose(
        top(8, True, *arguments, dtype=flambeau.float64).numpy(), made[:-1], atol=1e-15
    )
    assert top(1).tolist() == [1.0]
    assert top(0).shape == (0,)
    assert top(4, dtype=flambeau.bfloat16).dtype is flambeau.bfloat16
    assert top(4, requires_grad=True).requires_grad


def test_an_exponential_window_with_a_centre():
    made = windows.exponential(4, center=0, tau=2.0, sym=False, dtype=flambeau.float64)
    np.testing.assert_allclose(made.numpy(), np.exp(-np.arange(4) / 2), rtol=1e-15)


@pytest.mark.parametrize("name", ALL)
def test_wrong_arguments(name):
    f, options = getattr(windows, name), ALL[name]
    with pytest.raises(ValueError, match="non-negative window length, got M=-1"):
        f(-1, **options)
    for dtype in (flambeau.int64, flambeau.bfloat16):
        with pytest.raises(ValueError, match="expects float32 or float64"):
            f(3, **options, dtype=dtype)
    with pytest.raises(ValueError, match="strided tensors only"):
        f(3, **options, layout=flambeau.sparse_coo)
    assert f(3, **options, layout=flambeau.strided).shape == (3,)
    with pytest.raises(TypeError):
        f(3.5, **options)


def test_wrong_options():
    for call, error, text in (
        (lambda: windows.exponential(3, tau=-1), ValueError, "Tau must be positive"),
        (lambda: windows.exponential(3, center=1), ValueError, "Center must be None"),
        (lambda: windows.gaussian(3, std=0), ValueError, "Standard deviation"),
        (lambda: windows.kaiser(3, beta=-1), ValueError, "non-negative"),
        (lambda: windows.general_cosine(3, a=None), TypeError, "list/tuple"),
        (lambda: windows.general_cosine(3, a=[]), ValueError, "empty"),
        (lambda: flambeau.kaiser_window(-1), RuntimeError, "non-negative window_length"),
        (lambda: flambeau.bartlett_window(3, dtype=flambeau.int64), RuntimeError, "floating point"),
    ):
        with pytest.raises(error, match=text):
            call()
