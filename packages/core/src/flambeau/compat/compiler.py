"""`torch.compiler`: hints for PyTorch's compiler that change nothing here."""

from __future__ import annotations

from typing import Any

from ..jit import reset  # noqa: F401


def _same(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    return fn if fn is not None else _same


allow_in_graph = disable = assume_constant_result = substitute_in_graph = _same


def is_compiling() -> bool:
    """Whether a program is being traced now."""
    from ..runtime import state

    return bool(state.active and state.local.modes)


is_dynamo_compiling = is_compiling
