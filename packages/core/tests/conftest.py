"""Every core test starts from the same state: seed 0, float32, gradients on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import flambeau


@pytest.fixture(autouse=True)
def fresh_state() -> Iterator[None]:
    flambeau.manual_seed(0)
    yield
    # A test that leaves a mode behind would make its neighbours' results depend on the order they run in.
    assert flambeau.is_grad_enabled(), "the test left gradients switched off"
    assert flambeau.get_default_dtype() is flambeau.float32, "the test left another default dtype"
