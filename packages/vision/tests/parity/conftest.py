"""The oracle: torchvision 0.28, which belongs to PyTorch 2.13.

The wheel's compiled operators (nms and the like) do not load beside a CPU-only PyTorch, and its
import stops at registering them. None of them is asked anything here, so empty definitions stand in.
"""

from __future__ import annotations

import importlib.util
import pathlib
import re

import pytest

torch = pytest.importorskip("torch", reason="could not import torch: parity needs PyTorch")


def _operator_names() -> set[str]:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        pytest.skip("could not import torchvision", allow_module_level=True)
    source = (pathlib.Path(spec.origin).parent / "_meta_registrations.py").read_text()
    pattern = r'register_(?:fake|meta)\("(?:torchvision::)?(\w+)'
    return set(re.findall(pattern, source))


def _define_missing_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in _operator_names():
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor input) -> Tensor")
    return library


STAND_INS = _define_missing_operators()  # the definitions live as long as this name
