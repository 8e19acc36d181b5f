"""What this installation is and uses, in words: versions, compiler, cache, threads, GPU; and the number of threads."""

from __future__ import annotations

import sys
from typing import Any

from .backends.cpu import library, threads
from .backends.settings import products


def get_num_threads() -> int:
    """The number of threads that compiled CPU kernels use.

    >>> import flambeau
    >>> flambeau.get_num_threads() >= 1
    True
    """
    return threads.count()


def set_num_threads(num: int) -> None:
    """Sets the number of threads that compiled CPU kernels use; BLAS libraries keep their own.

    >>> import flambeau
    >>> before = flambeau.get_num_threads()
    >>> flambeau.set_num_threads(1)
    >>> flambeau.get_num_threads()
    1
    >>> flambeau.set_num_threads(before)
    """
    threads.set_count(num)


class _Switches:
    deterministic = False
    warn_only = False
    warn_always = False


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Asks for equal results in equal runs. They are so anyway, for a given number of threads; the wish is remembered.

    >>> import flambeau
    >>> flambeau.use_deterministic_algorithms(True)
    >>> flambeau.are_deterministic_algorithms_enabled()
    True
    >>> flambeau.use_deterministic_algorithms(False)
    """
    _Switches.deterministic = bool(mode)
    _Switches.warn_only = bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms(True)` was called last."""
    return _Switches.deterministic


def set_float32_matmul_precision(precision: str) -> None:
    """Says how exact float32 products must be. They are always computed in float32 here; the wish is remembered.

    RuntimeError for anything but "highest", "high" and "medium".

    >>> import flambeau
    >>> flambeau.set_float32_matmul_precision("high")
    >>> flambeau.get_float32_matmul_precision()
    'high'
    >>> flambeau.set_float32_matmul_precision("highest")
    """
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', but got {precision!r}"
        )
    products.precision = precision


def get_float32_matmul_precision() -> str:
    """The precision that `set_float32_matmul_precision` was given last; "highest" at first."""
    return products.precision


class Config(dict):
    """The configuration as a mapping; printing it shows one line per entry."""

    def __str__(self) -> str:
        width = max(map(len, self))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self.items())

    __repr__ = __str__


def show_config() -> Config:
    """Versions, compiler or why there is none, cache folder, threads, GPU: prints them and returns them as a mapping.

    Differs from `torch.__config__.show()`, which returns text about a build: this library is built where it runs.
    """
    import platform

    import numpy

    from . import __version__

    found: dict[str, Any] = {
        "flambeau": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "numpy": numpy.__version__,
        **library.describe(),
        "lapack": _lapack(),
        "threads": str(threads.count()),
        "gpu": _gpu(),
    }
    config = Config(found)
    print(config, file=sys.stdout)  # noqa: T201  (it is what the function is for)
    return config


def _lapack() -> str:
    """Whose LAPACK decompositions use, or why there is none."""
    from .backends.numpy import lapack

    return lapack.describe()


def _gpu() -> str:
    """The first CUDA device, or why there is none."""
    import importlib.util

    if importlib.util.find_spec("cupy") is None:
        return "none: CuPy is not installed (pip install 'flambeau[cuda12]' or 'flambeau[cuda13]')"
    from . import cuda

    if not cuda.is_available():
        return "none: CuPy finds no CUDA device"
    return f"{cuda.get_device_name(0)} ({cuda.device_count()} in all)"
