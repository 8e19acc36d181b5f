"""The package as a whole: its names, its examples, what importing it costs."""

from __future__ import annotations

import doctest
import importlib
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import flambeau
import flambeau_vision

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(flambeau_vision.__path__, "flambeau_vision.")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    options = doctest.NORMALIZE_WHITESPACE
    assert (
        doctest.testmod(
            importlib.import_module(name), optionflags=options, extraglobs={"flambeau": flambeau}
        ).failed
        == 0
    )


@pytest.mark.parametrize("name", flambeau_vision.__all__)
def test_everything_promised_is_there(name: str) -> None:
    module = getattr(flambeau_vision, name)
    for member in module.__all__:
        assert getattr(module, member) is not None
        assert member in dir(module)


def test_nothing_else_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        flambeau_vision.nothing
    assert "models" in dir(flambeau_vision)


@pytest.mark.slow
def test_import_is_light() -> None:
    code = "import sys, flambeau_vision; assert not {'PIL', 'flambeau.nn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_is_marked_as_typed() -> None:
    assert (pathlib.Path(flambeau_vision.__file__).parent / "py.typed").exists()
