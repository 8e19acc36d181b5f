"""Packages of PyPI, unchanged: each case runs in PyTorch, then with flambeau in its place, and both must agree."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest
from agreement import differences

CASES = sorted((pathlib.Path(__file__).parent / "cases").glob("use_*.py"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem.removeprefix("use_"))
def test_a_package_agrees_with_pytorch(case, both_sides):
    package = case.stem.removeprefix("use_")
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed; nox -s thirdparty -- more installs all")
    found = list(differences(*both_sides(case)))
    assert not found, "\n".join(found[:20])


def test_the_comparison_sees_differences():
    import flambeau

    x = flambeau.tensor([1.0, 2.0])
    assert not list(differences({"a": [x, 1.0]}, {"a": [x.clone(), 1.0 + 1e-6]}))
    for ours in (
        {"a": [x + 0.01, 1.0]},
        {"a": [x, 1.1]},
        {"a": [x.double(), 1.0]},
        {"a": [x]},
        {"b": [x, 1.0]},
        {"a": [x[:1], 1.0]},
    ):
        assert list(differences(ours, {"a": [x, 1.0]}))
