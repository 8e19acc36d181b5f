"""Names at the top: what is listed exists, what is missing is an AttributeError and no half-import."""

from __future__ import annotations

import pytest

import flambeau


@pytest.mark.parametrize("name", sorted(flambeau._SUBMODULES))
def test_every_submodule_named_is_there(name):
    assert getattr(flambeau, name).__name__ == f"flambeau.{name}"


@pytest.mark.parametrize("name", sorted(flambeau._ELSEWHERE))
def test_every_name_kept_elsewhere_is_there(name):
    assert getattr(flambeau, name) is not None


@pytest.mark.parametrize("name", ["classes", "rpc", "nonsense"])
def test_missing_names_are_attribute_errors(name):
    assert not hasattr(flambeau, name)
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(flambeau, name)


def test_a_submodule_that_does_not_exist_is_an_attribute_error(monkeypatch):
    monkeypatch.setattr(flambeau, "_SUBMODULES", flambeau._SUBMODULES | {"planned"})
    assert not hasattr(flambeau, "planned")
