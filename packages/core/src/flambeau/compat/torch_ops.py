"""`torch.ops`: operators by namespace. `aten` has flambeau's own, other names those made with `library`."""

from __future__ import annotations

from typing import Any

from .missing import Missing

prims = Missing("torch.ops.prims")


def load_library(path: Any) -> None:
    """Refuses: what is in the file was compiled for PyTorch."""
    raise OSError(
        f"torch.ops.load_library: {path} was compiled for PyTorch, and flambeau cannot call it"
    )


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    from ..library.namespace import namespace

    return namespace(name)
