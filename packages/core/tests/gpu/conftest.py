"""Every test here needs a GPU. `nox -s gpu` runs them; where there is none each says so and is skipped."""

from __future__ import annotations

import pytest

import flambeau


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if flambeau.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.path.parts:
            item.add_marker(
                pytest.mark.skip(
                    reason="needs a GPU and CuPy: flambeau.cuda.is_available() is False"
                )
            )


@pytest.fixture(autouse=True)
def fresh_state() -> None:
    flambeau.manual_seed(0)
