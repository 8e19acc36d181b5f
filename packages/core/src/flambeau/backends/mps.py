"""`torch.backends.mps`: Apple's GPUs, which flambeau has no backend for."""

from __future__ import annotations

from typing import NoReturn


def is_built() -> bool:
    """Whether there is a backend for Apple's GPUs: no."""
    return False


def is_available() -> bool:
    """Whether tensors can be put on one: no."""
    return False


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(f"Cannot execute {name}() without MPS backend.")


def is_macos_or_newer(major: int, minor: int) -> bool:
    """In PyTorch, whether macOS is of that version; RuntimeError without such a backend."""
    _refuse("is_macos_or_newer")


def is_macos13_or_newer(minor: int = 0) -> bool:
    """In PyTorch, whether macOS is of version 13; RuntimeError without such a backend."""
    _refuse("is_macos13_or_newer")


def get_name() -> str:
    """In PyTorch, the GPU's name; RuntimeError without such a backend."""
    _refuse("get_name")


def get_core_count() -> int:
    """In PyTorch, the number of the GPU's cores; RuntimeError without such a backend."""
    _refuse("get_core_count")
