"""`torch.backends`: switches of PyTorch's libraries. They can be set; flambeau has none of these libraries."""

from __future__ import annotations

import contextlib
import types
from typing import Any


def _switches(name: str, **values: Any) -> types.ModuleType:
    module = types.ModuleType(f"torch.backends.{name}", f"Switches of {name}, which is not here.")
    module.__dict__.update({"is_available": lambda: False, **values})
    return module


class _Precision(types.SimpleNamespace):
    """How exactly a kind of operation is to compute: always in the dtype's own precision here."""


def _flags(**_: Any) -> Any:
    """A context in which switches would be set."""
    return contextlib.nullcontext()


cudnn = _switches(
    "cudnn",
    enabled=False,
    benchmark=False,
    benchmark_limit=10,
    deterministic=False,
    allow_tf32=False,
    version=lambda: None,
    is_acceptable=lambda tensor: False,
    flags=_flags,
    conv=_Precision(fp32_precision="ieee"),
    rnn=_Precision(fp32_precision="ieee"),
)
cuda = _switches(
    "cuda",
    matmul=_Precision(
        allow_tf32=False,
        fp32_precision="ieee",
        allow_fp16_reduced_precision_reduction=True,
        allow_bf16_reduced_precision_reduction=True,
    ),
    is_built=lambda: False,
    # Attention is one function on all devices: PyTorch's plain formula, which "math" stands for.
    flash_sdp_enabled=lambda: False,
    mem_efficient_sdp_enabled=lambda: False,
    cudnn_sdp_enabled=lambda: False,
    math_sdp_enabled=lambda: True,
    enable_flash_sdp=lambda enabled: None,
    enable_mem_efficient_sdp=lambda enabled: None,
    enable_cudnn_sdp=lambda enabled: None,
    enable_math_sdp=lambda enabled: None,
    sdp_kernel=_flags,
)
mps = _switches("mps", is_built=lambda: False, is_macos13_or_newer=lambda minor=0: False)
mkl = _switches("mkl")
mkldnn = _switches("mkldnn", enabled=False, allow_tf32=False, deterministic=False, flags=_flags)
openmp = _switches("openmp")
opt_einsum = _switches("opt_einsum", enabled=False, strategy=None, get_opt_einsum=lambda: None)
quantized = _switches("quantized", engine="none", supported_engines=["none"])
cpu = _switches("cpu", get_cpu_capability=lambda: "DEFAULT")
