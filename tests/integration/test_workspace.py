"""What must be the same, or hold, across the packages."""

from __future__ import annotations

import pathlib
import re
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
by_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)


def project_of(package: pathlib.Path) -> dict:
    return tomllib.loads((package / "pyproject.toml").read_text())["project"]


def test_all_five_are_here() -> None:
    assert [path.name for path in PACKAGES] == ["audio", "core", "serve", "text", "vision"]


@by_package
def test_licence_is_the_repositorys(package: pathlib.Path) -> None:
    assert (package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@by_package
def test_nothing_is_pinned_and_core_has_a_range(package: pathlib.Path) -> None:
    project = project_of(package)
    optional = project.get("optional-dependencies", {}).values()
    for requirement in [*project["dependencies"], *(one for many in optional for one in many)]:
        assert "==" not in requirement
        if requirement.startswith("flambeau"):
            assert re.fullmatch(r"flambeau(-\w+)?>=[\d.]+,<[\d.]+", requirement)


@by_package
def test_no_package_needs_one_beside_it(package: pathlib.Path) -> None:
    needed = [name for name in project_of(package)["dependencies"] if name.startswith("flambeau-")]
    assert needed == []


def test_core_needs_two_distributions() -> None:
    needed = {
        re.match(r"[\w-]+", line)[0] for line in project_of(ROOT / "packages/core")["dependencies"]
    }
    assert needed == {"numpy", "ml-dtypes"}
