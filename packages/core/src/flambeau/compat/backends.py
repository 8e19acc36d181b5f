"""`torch.backends`: switches of PyTorch's libraries. They can be set; flambeau has none of these libraries."""

from __future__ import annotations

import types
from typing import Any


def _switches(name: str, **values: Any) -> types.SimpleNamespace:
    return types.SimpleNamespace(is_available=lambda: False, **values)


cudnn = _switches(
    "cudnn",
    enabled=False,
    benchmark=False,
    deterministic=False,
    allow_tf32=False,
    version=lambda: None,
)
cuda = _switches("cuda", matmul=types.SimpleNamespace(allow_tf32=False), is_built=lambda: False)
mps = _switches("mps", is_built=lambda: False)
mkl = _switches("mkl")
mkldnn = _switches("mkldnn", enabled=False)
openmp = _switches("openmp")
