"""Settings at the top of PyTorch's API that say how things are to run, and what they come to on this machine."""

from __future__ import annotations

import ctypes
import enum
import warnings
from typing import Any

from ._base.checks import check
from .config import _Switches

_interop: list[int] = []


def get_num_interop_threads() -> int:
    """The number of threads among which independent operators are spread: as many as `set_num_interop_threads` said.

    Operators run one after the other here, each on `get_num_threads()` cores; the number is kept for who asks.
    """
    import os

    return _interop[0] if _interop else os.cpu_count() or 1


def set_num_interop_threads(num: int) -> None:
    """Says once, before it is asked for, how many threads independent operators may use."""
    check(
        isinstance(num, int) and not isinstance(num, bool),
        lambda: f"set_num_interop_threads expects an int, but got {type(num).__name__}",
        TypeError,
    )
    check(num > 0, lambda: "set_num_interop_threads expects a positive integer", RuntimeError)
    check(
        not _interop,
        lambda: (
            "Error: cannot set number of interop threads after parallel work has started or set_num_interop_threads "
            "called"
        ),
    )
    _interop.append(num)


_MODES = {"default": 0, "warn": 1, "error": 2}


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """ "default" (0): no wish; "warn" (1) and "error" (2): equal results in equal runs, else a warning or an error.

    Every operator here gives equal results in equal runs, so that there is never anything to warn of.

    >>> import flambeau
    >>> flambeau.set_deterministic_debug_mode("warn"); flambeau.get_deterministic_debug_mode()
    1
    >>> flambeau.set_deterministic_debug_mode(0)
    """
    check(
        isinstance(debug_mode, (int, str)),
        lambda: f"debug_mode must be str or int, but got {type(debug_mode).__name__}",
        TypeError,
    )
    mode = _MODES.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    check(
        mode in (0, 1, 2),
        lambda: (
            "invalid value of debug_mode, expected one of `default`, `warn`, `error`, 0, 1, 2, "
            f"but got {debug_mode!r}"
        ),
    )
    _Switches.deterministic = mode > 0
    _Switches.warn_only = mode == 1


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2; see `set_deterministic_debug_mode`."""
    return 0 if not _Switches.deterministic else 1 if _Switches.warn_only else 2


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether `use_deterministic_algorithms(True, warn_only=True)` was called last."""
    return bool(_Switches.warn_only)


def set_warn_always(b: bool, /) -> None:
    """Whether warnings of this library are shown each time, and not only the first time at a place."""
    check(
        isinstance(b, bool),
        lambda: f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}",
        TypeError,
    )
    _Switches.warn_always = b
    filters: Any = warnings.filters
    filters[:] = [f for f in filters if f is not _ALWAYS]
    if b:
        filters.insert(0, _ALWAYS)
    warnings._filters_mutated()  # type: ignore[attr-defined]  # the cache of what was shown is renewed


def _always() -> Any:
    """Python's own filter "always", for warnings that this package's modules raise."""
    import re

    return ("always", None, UserWarning, re.compile(r"flambeau(\.|$)"), 0)


_ALWAYS = _always()


def is_warn_always_enabled() -> bool:
    """Whether `set_warn_always(True)` was called last."""
    return bool(_Switches.warn_always)


def set_flush_denormal(mode: bool) -> bool:
    """Whether this thread's CPU takes numbers too small for full precision for 0; False where it cannot be told.

    The two bits of the x86 control register (flush to zero, denormals are zero), set through the C library's
    floating-point environment; threads that compiled kernels run on keep theirs.
    """
    check(
        isinstance(mode, bool),
        lambda: f"flush_denormal expects a bool, but got {type(mode).__name__}",
        TypeError,
    )
    import platform

    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    math = ctypes.CDLL("libm.so.6")
    environment = (
        ctypes.c_uint32 * 8
    )()  # x86-64's fenv_t: seven words of the x87 unit, then MXCSR
    if math.fegetenv(environment):
        return False
    bits = (1 << 15) | (1 << 6)
    environment[7] = environment[7] | bits if mode else environment[7] & ~bits
    return math.fesetenv(environment) == 0


def compiled_with_cxx11_abi() -> bool:
    """Whether C++ extensions would need the C++11 ABI: PyTorch's builds have it; there is no C++ here to differ."""
    return True


def get_device_module(device: Any = None) -> Any:
    """The module of a kind of device: `flambeau.cuda` for "cuda"; that of the default device without an argument.

    >>> import flambeau
    >>> flambeau.get_device_module("cuda").__name__
    'flambeau.cuda'
    """
    import importlib

    from ._base.devices import default
    from ._base.devices import device as Device

    if device is None:
        kind = default.device.type
    elif isinstance(device, (str, Device)):
        kind = Device(device).type
    else:
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    try:
        return importlib.import_module(f"{__package__}.{kind}")
    except ModuleNotFoundError:
        raise RuntimeError(f"Device '{kind}' does not have a corresponding module") from None


class Tag(enum.IntEnum):
    """What may be said of an operator of a library of custom operators; see `flambeau.library`."""

    __str__ = enum.Enum.__str__

    core = 0
    cudagraph_unsafe = 1
    data_dependent_output = 2
    dynamic_output_shape = 3
    flexible_layout = 4
    generated = 5
    inplace = 6
    inplace_view = 7
    maybe_aliasing_or_mutating = 8
    needs_contiguous_strides = 9
    needs_exact_strides = 10
    needs_fixed_stride_order = 11
    nondeterministic_bitwise = 12
    nondeterministic_seeded = 13
    out = 14
    out_variant = 15
    pointwise = 16
    pt2_compliant_tag = 17
    reduction = 18
    view_copy = 19
