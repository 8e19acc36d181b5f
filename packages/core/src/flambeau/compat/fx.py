"""`torch.fx`: marks for its tracer, which there is none of. Everything else of it is missing."""

from __future__ import annotations

from typing import Any


def wrap(fn_or_name: Any) -> Any:
    """The function itself; fx's tracer would have kept its call whole."""
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name"
        )
    return fn_or_name


def has_side_effect(fn: Any) -> Any:
    """The function itself."""
    return fn
