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


class _Names:
    """A namespace whose missing operators can be mentioned, as tables of packages do."""

    def __init__(self, inner: Any, name: str) -> None:
        self._inner, self._name = inner, name

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self._inner, name)
        except AttributeError:
            from .finder import _is_asked_for

            if name.startswith("__") or _is_asked_for():
                raise
            return Missing(f"torch.ops.{self._name}.{name}")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    from ..library.namespace import namespace

    return _Names(namespace(name), name)
