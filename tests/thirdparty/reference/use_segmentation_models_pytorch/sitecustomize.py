"""PyTorch's side only: PyPI's torchvision is built for CUDA, and imports beside a CPU build if its operators have names."""

import importlib.util
import pathlib
import re

import torch

_found = importlib.util.find_spec("torchvision")
_text = (pathlib.Path(_found.origin).parent / "_meta_registrations.py").read_text()
_library = torch.library.Library("torchvision", "DEF")
for _name in set(re.findall(r'register_(?:fake|meta)\("(?:torchvision::)?(\w+)', _text)):
    _library.define(f"{_name}(Tensor input) -> Tensor")
