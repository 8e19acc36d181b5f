"""A model on a GPU is fed there, and what it answers comes back to the host. Run by `nox -s gpu`."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau_serve.adapters import from_callable

pytestmark = pytest.mark.skipif(
    not flambeau.cuda.is_available(),
    reason="needs a GPU and CuPy: flambeau.cuda.is_available() is False",
)


def test_a_model_on_the_gpu_answers_as_on_the_cpu():
    model = flambeau.nn.Sequential(
        flambeau.nn.Linear(4, 8), flambeau.nn.ReLU(), flambeau.nn.Linear(8, 3)
    )
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    want = from_callable(model)({"x": rows})["output"]
    model.to("cuda")
    got = from_callable(model)({"x": rows})["output"]
    assert isinstance(got, np.ndarray)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
