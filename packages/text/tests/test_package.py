from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import flambeau_text

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(flambeau_text.__path__, flambeau_text.__name__ + ".")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_everything_promised_is_there():
    for name in flambeau_text.__all__:
        assert getattr(flambeau_text, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        flambeau_text.nothing


@pytest.mark.slow
def test_the_tokenizer_is_imported_only_when_used():
    code = (
        "import sys, flambeau_text\n"
        "assert 'tiktoken' not in sys.modules and 'regex' not in sys.modules\n"
        "flambeau_text.BPETokenizer\n"
        "assert 'tiktoken' in sys.modules and 'requests' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
