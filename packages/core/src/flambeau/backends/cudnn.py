"""`torch.backends.cudnn`: settings of NVIDIA's library of network kernels, which is not used here, also not on a GPU.

They are checked and kept, as in a PyTorch that was built without CUDA, and change nothing: what runs on a GPU are CuPy's kernels
and generated ones, always in float32 and giving equal results in equal runs.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from .settings import Precision, replace, replaced, settle

enabled = True
benchmark = False
benchmark_limit: int | None = None
deterministic = False
allow_tf32 = True
fp32_precision = "none"
depthwise_kernel = "auto"
conv, rnn = Precision(), Precision()
CUDNN_TENSOR_DTYPES: set[Any] = set()


def is_available() -> bool:
    """Whether cuDNN computes anything: never."""
    return False


def version() -> int | None:
    """cuDNN's version; None where it is not there."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """Whether cuDNN would take the tensor: never."""
    return False


def set_flags(
    _enabled: bool | None = None, _benchmark: bool | None = None, _benchmark_limit: int | None = None,
    _deterministic: bool | None = None, _allow_tf32: bool | None = None, _fp32_precision: str | None = "none",
    _depthwise_kernel: str | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """Sets what is not None and returns all the settings there were before."""
    return replace(__name__, {
        "enabled": _enabled, "benchmark": _benchmark, "benchmark_limit": _benchmark_limit,
        "deterministic": _deterministic, "allow_tf32": _allow_tf32, "fp32_precision": _fp32_precision,
        "depthwise_kernel": _depthwise_kernel,
    })  # fmt: skip


def flags(
    enabled: bool = False, benchmark: bool = False, benchmark_limit: int | None = 10, deterministic: bool = False,
    allow_tf32: bool = True, fp32_precision: str = "none", depthwise_kernel: str = "auto",
) -> AbstractContextManager[None]:  # fmt: skip
    """The settings inside a block.

    >>> import flambeau
    >>> with flambeau.backends.cudnn.flags(enabled=True, benchmark=True):
    ...     flambeau.backends.cudnn.benchmark
    True
    >>> flambeau.backends.cudnn.benchmark
    False
    """
    return replaced(__name__, {
        "enabled": enabled, "benchmark": benchmark, "benchmark_limit": benchmark_limit, "deterministic": deterministic,
        "allow_tf32": allow_tf32, "fp32_precision": fp32_precision, "depthwise_kernel": depthwise_kernel,
    })  # fmt: skip


settle(
    __name__, enabled=bool, benchmark=bool, benchmark_limit=(int, type(None)), deterministic=bool,
    allow_tf32=bool, fp32_precision=str, depthwise_kernel=str,
)  # fmt: skip
