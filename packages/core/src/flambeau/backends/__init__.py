"""Layer 4: where operators run. Each backend is an object (`runtime.backend.Backend`), loaded on first use."""

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
