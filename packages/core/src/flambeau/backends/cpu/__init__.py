"""Kernels for the CPU in C: compiled on this machine for this machine, cached, called with the GIL released.

    compiler   finds cc and runs it            cache      where libraries lie, and which to trust
    library    C text -> loaded library        threads    how many threads, the pool
    kernel     expressions -> a callable on NumPy arrays
    providers  which operators use such kernels in eager mode

Without a compiler `available()` is False, `reason()` says why, and every operator keeps running on NumPy.
`python -m flambeau.backends.cpu build` compiles what eager mode uses ahead of time.
"""

from __future__ import annotations


def available() -> bool:
    """Whether kernels can be compiled or were built ahead. The first question costs what starting `cc` costs."""
    from . import library

    return library.available()


def reason() -> str | None:
    """Why there are no kernels; None while none has failed to be made."""
    from . import library

    return library.reason()


def get_cpu_capability() -> str:
    """The widest vector instructions of this processor, which kernels are compiled for: "AVX512", "AVX2", "NEON" or "DEFAULT".

    >>> get_cpu_capability() in ("AVX512", "AVX2", "NEON", "DEFAULT")
    True
    """
    from importlib import import_module

    has = getattr(import_module("numpy._core._multiarray_umath"), "__cpu_features__", {})
    wide = {"AVX512": "AVX512F", "AVX2": "AVX2", "NEON": "NEON"}
    return next((name for name, feature in wide.items() if has.get(feature)), "DEFAULT")
