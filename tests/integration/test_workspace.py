"""What must be the same, or hold, across the packages."""

from __future__ import annotations

import ast
import pathlib
import re
import sys
import tomllib
from collections.abc import Iterator

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
            assert re.fullmatch(r"flambeau(-\w+)?(\[\w+\])?>=[\d.]+,<[\d.]+", requirement)


@by_package
def test_no_package_needs_one_beside_it(package: pathlib.Path) -> None:
    needed = [name for name in project_of(package)["dependencies"] if name.startswith("flambeau-")]
    assert needed == []


def test_core_needs_two_distributions() -> None:
    needed = {
        re.match(r"[\w-]+", line)[0] for line in project_of(ROOT / "packages/core")["dependencies"]
    }
    assert needed == {"numpy", "ml-dtypes"}


# Where a distribution is imported by other names than its own.
IMPORT_NAMES = {
    "cupy-cuda12x": {"cupy", "cupyx"},
    "cupy-cuda13x": {"cupy", "cupyx"},
    "pillow": {"PIL"},
}


def declared_imports(package: pathlib.Path) -> set[str]:
    project = project_of(package)
    optional = project.get("optional-dependencies", {}).values()
    requirements = [*project["dependencies"], *(one for many in optional for one in many)]
    names = [
        re.match(r"[\w-]+", requirement)[0] for requirement in [project["name"], *requirements]
    ]
    return set().union(*(IMPORT_NAMES.get(name, {name.replace("-", "_")}) for name in names))


def imports_of(file: pathlib.Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


@by_package
def test_what_the_source_imports_is_declared(package: pathlib.Path) -> None:
    known = declared_imports(package) | sys.stdlib_module_names
    undeclared = {
        f"{name} in {file.relative_to(package)}"
        for file in (package / "src").rglob("*.py")
        for name in imports_of(file)
        if name not in known
    }
    assert undeclared == set()
