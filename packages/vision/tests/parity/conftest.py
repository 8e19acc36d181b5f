"""The oracle: torchvision 0.28, which belongs to PyTorch 2.13.

The wheel's compiled operators (nms and the like) do not load beside a CPU-only PyTorch, and its
import then stops at naming them. None of them is asked anything here, so empty definitions stand in.
"""

from __future__ import annotations

import importlib
import importlib.util
import pathlib
import re
import sys

import pytest

torch = pytest.importorskip("torch", reason="could not import torch: parity needs PyTorch")


def _define_operators() -> torch.library.Library:
    spec = importlib.util.find_spec("torchvision")
    source = (pathlib.Path(spec.origin).parent / "_meta_registrations.py").read_text()
    library = torch.library.Library("torchvision", "DEF")
    for name in set(re.findall(r'register_(?:fake|meta)\("(?:torchvision::)?(\w+)', source)):
        library.define(f"{name}(Tensor input) -> Tensor")
    return library


def _import_torchvision() -> object:
    """torchvision, and what must live as long as it does."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = _define_operators()
        importlib.import_module("torchvision")
        return library
    return None


if importlib.util.find_spec("torchvision") is None:
    pytest.skip("could not import torchvision", allow_module_level=True)
STAND_INS = _import_torchvision()
