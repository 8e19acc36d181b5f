"""interpolate in C: taken, equal to the definition in float64, forward and backward, the same on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, resizing, threads
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
interpolate = flambeau.nn.functional.interpolate
NEAR = {"float32": 3e-6, "float64": 1e-13}
CASES = [
    ((2, 3, 7), {"size": 12, "mode": "linear"}),
    ((2, 3, 7), {"size": 3, "mode": "nearest"}),
    ((1, 2, 50), {"scale_factor": 0.37, "mode": "nearest-exact"}),
    ((2, 3, 5, 9), {"size": (11, 4), "mode": "bilinear"}),
    ((2, 3, 5, 9), {"scale_factor": 2, "mode": "bilinear", "align_corners": True}),
    ((1, 2, 6, 70), {"scale_factor": (2.3, 1), "mode": "bilinear"}),
    ((1, 2, 6, 7), {"scale_factor": 1.7, "mode": "bilinear", "recompute_scale_factor": True}),
    ((2, 2, 5, 8), {"scale_factor": 2.0, "mode": "nearest"}),
    ((2, 1, 5, 8), {"size": (5, 16), "mode": "bicubic"}),
    ((2, 1, 9, 8), {"size": (4, 19), "mode": "bicubic", "align_corners": True}),
    ((1, 2, 30, 41), {"size": (7, 5), "mode": "bilinear", "antialias": True}),
    ((1, 2, 30, 11), {"size": (7, 25), "mode": "bicubic", "antialias": True}),
    ((2, 2, 3, 4, 5), {"size": (6, 3, 7), "mode": "trilinear"}),
    ((2, 2, 3, 4, 5), {"scale_factor": 2, "mode": "nearest"}),
    ((1, 1, 1, 1), {"size": (3, 2), "mode": "bilinear"}),
    ((3, 4, 64, 48), {"scale_factor": 2, "mode": "bilinear"}),
]


@pytest.fixture
def taken(monkeypatch):
    seen = []
    run = resizing._run
    monkeypatch.setattr(resizing, "_run", lambda *args: seen.append(1) or run(*args))
    return seen


def by_body(x, **options):
    op = registry["interpolate"]
    arrays, attrs = op.bind((x,), options)
    return op.call_body(arrays, attrs)


def with_gradient(f, array):
    x = flambeau.tensor(array, requires_grad=True)
    out = f(x)
    g = np.random.default_rng(1).standard_normal(tuple(out.shape)).astype(array.dtype)
    out.backward(flambeau.tensor(g))
    return out.numpy(force=True), x.grad.numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "options"), CASES)
def test_equal_to_the_definition(shape, options, dtype, taken):
    x = np.random.default_rng(0).standard_normal(shape)
    want = with_gradient(lambda t: by_body(t, **options), x)
    assert not taken
    made, before = [], threads.count()
    try:
        for n in (1, 3):
            threads.set_count(n)
            made.append(with_gradient(lambda t: interpolate(t, **options), x.astype(dtype)))
    finally:
        threads.set_count(before)
    assert len(taken) == 4
    for one, three, w in zip(*made, want):
        np.testing.assert_array_equal(one, three)
        assert one.dtype == dtype
        np.testing.assert_allclose(one, w, rtol=0, atol=NEAR[dtype] * max(1, np.abs(w).max()))


def test_views_are_read_as_they_lie(taken):
    x = flambeau.randn(2, 5, 6, 3).permute(0, 3, 1, 2)
    made = interpolate(x, scale_factor=2, mode="bilinear")
    flambeau.testing.assert_close(made, by_body(x, scale_factor=2, mode="bilinear"))
    assert taken


def test_second_derivatives_are_the_bodys():
    x = flambeau.randn(1, 1, 3, 4, dtype=flambeau.float64, requires_grad=True)
    f = lambda t: interpolate(t, size=(5, 6), mode="bilinear").square()  # noqa: E731
    assert flambeau.autograd.gradcheck(f, (x,))
    assert flambeau.autograd.gradgradcheck(f, (x,))


@pytest.mark.parametrize(
    "options",
    [
        {"size": (0, 3)},
        {"size": (2, 2), "scale_factor": 2},
        {"scale_factor": 0.01},
        {"size": 3, "mode": "linear"},
        {"size": 3, "mode": "cubic"},
        {"size": 3, "align_corners": True},
        {"size": (3, 3), "recompute_scale_factor": True},
    ],
)
def test_wrong_calls_are_left_to_the_definition(options, taken):
    x = flambeau.zeros(1, 1, 4, 4)
    try:
        want = by_body(x, **options)
    except (ValueError, RuntimeError, NotImplementedError) as error:
        with pytest.raises(type(error)):
            interpolate(x, **options)
    else:
        assert interpolate(x, **options).shape == want.shape
    assert not taken
