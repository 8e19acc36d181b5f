"""`torch.accelerator`: the one kind of accelerator this machine has, which here is a CUDA GPU or none."""

from __future__ import annotations

from typing import Any

from .. import cuda
from .._base.devices import device


def is_available() -> bool:
    """Whether there is a GPU."""
    return cuda.is_available()


def device_count() -> int:
    """How many GPUs there are."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> device | None:
    """device("cuda"), or None without a GPU."""
    return device("cuda") if cuda.is_available() else None


def current_device_index() -> int:
    """The number of the GPU in use."""
    return cuda.current_device()


current_device_idx = current_device_index


def set_device_index(device: Any, /) -> None:
    """Chooses the GPU."""
    cuda.set_device(device)


set_device_idx = set_device_index


def current_stream(device: Any = None, /) -> Any:
    """The GPU's current stream."""
    return cuda.current_stream(device)


def set_stream(stream: Any) -> None:
    """Chooses the stream."""
    cuda.set_stream(stream)


def synchronize(device: Any = None, /) -> None:
    """Waits for the GPU."""
    cuda.synchronize(device)


def empty_cache() -> None:
    """Gives unused GPU memory back."""
    cuda.empty_cache()


def memory_allocated(device: Any = None, /) -> int:
    """Bytes of GPU memory in use."""
    return cuda.memory_allocated(device)


def max_memory_allocated(device: Any = None, /) -> int:
    """The most bytes of GPU memory that were in use."""
    return cuda.max_memory_allocated(device)
