"""Layer 5: where operators run. Each backend is an object (`runtime.backend.Backend`), loaded on first use.

The other modules here, such as `cudnn`, are `torch.backends`': settings of libraries, see `settings`.
"""

from typing import Any

from ..runtime import backend as _protocol


def _numpy() -> Any:
    from .numpy import backend

    return backend


def _cuda() -> Any:
    from .cuda import load

    return load()


def _meta() -> Any:
    from .meta import backend

    return backend


_protocol.register("cpu", _numpy)
_protocol.register("cuda", _cuda)
_protocol.register("meta", _meta)

_SETTINGS = ("cudnn", "mha", "mkl", "mkldnn", "mps", "openmp", "opt_einsum", "quantized")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _SETTINGS or name in ("cpu", "cuda"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
