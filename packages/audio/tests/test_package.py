from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import flambeau_audio

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(flambeau_audio.__path__, flambeau_audio.__name__ + ".")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_everything_promised_is_there():
    for name in flambeau_audio.__all__:
        assert getattr(flambeau_audio, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        flambeau_audio.nothing


@pytest.mark.slow
def test_libraries_are_imported_only_when_used():
    code = (
        "import sys, flambeau_audio\n"
        "assert 'soundfile' not in sys.modules and 'soxr' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
