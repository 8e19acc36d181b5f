"""Whether CUDA can be used, answered quickly and silently, and what is missing where it cannot.

Without a driver the answer takes a few file look-ups: CuPy, whose import takes half a second, is not touched then.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from ..._base.errors import MissingExtra


class NoCuda(MissingExtra, AssertionError):
    """CuPy is missing. AssertionError is what a PyTorch without CUDA raises, and programs catch."""


# What the driver puts in place: its control device, the kernel module's version, the device of Windows' Linux, Tegra's.
_SIGNS = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg", "/dev/nvhost-gpu")
_MISSING = (
    "device 'cuda' needs CuPy, which is not installed: pip install 'flambeau[cuda13]', "
    "or 'flambeau[cuda12]' for a driver of CUDA 12"
)


def driver_present() -> bool:
    """Whether this machine has an NVIDIA driver at all."""
    return any(os.path.exists(sign) for sign in _SIGNS)


def cupy_present() -> bool:
    """Whether CuPy is installed; it is not imported."""
    import importlib.util

    return importlib.util.find_spec("cupy") is not None


@functools.cache
def problem() -> str | None:
    """Why CUDA cannot be used although CuPy is there; None where it can."""
    if not driver_present():
        return "no NVIDIA driver was found on this machine"
    try:
        import cupy
    except ImportError as error:  # CuPy explains in many lines; the first says what happened
        return f"CuPy cannot be imported ({str(error).strip().splitlines()[0]})"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"the CUDA runtime refuses ({error})"
    return None if count else "the driver shows no GPU; is CUDA_VISIBLE_DEVICES empty?"


@functools.cache
def available() -> bool:
    """Whether tensors can be put on a GPU."""
    return driver_present() and cupy_present() and problem() is None


def require() -> None:
    """Raises the one error that says what is missing."""
    if not cupy_present():
        raise NoCuda(_MISSING)
    reason = problem()
    if reason is not None:
        raise RuntimeError(
            f"No CUDA GPUs are available: {reason}; use device 'cpu', or ask flambeau.cuda.is_available() first"
        )


def cupy() -> Any:
    """CuPy, where it can be used; else the error of `require`."""
    require()
    import cupy

    return cupy
