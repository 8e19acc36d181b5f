"""`torch.compiler`: hints for PyTorch's compiler that change nothing here."""

from __future__ import annotations

from typing import Any

from ..jit import compile, reset  # noqa: F401


def _same(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    return fn if fn is not None else _same


allow_in_graph = disable = assume_constant_result = _same
disallow_in_graph = graph_break = mark_step = forbid_in_graph = run = nonstrict_trace = _same
mark_dynamic = mark_static = mark_static_address = maybe_mark_dynamic = mark_unbacked = _same


def substitute_in_graph(original_fn: Any, **_: Any) -> Any:
    """A decorator that leaves the function alone: Python runs `original_fn`."""
    return _same


def is_compiling() -> bool:
    """Whether a program is being traced now."""
    from ..runtime import state

    return bool(state.active and state.local.modes)


is_dynamo_compiling = is_compiling


def is_exporting() -> bool:
    """Never: `torch.export` does not exist here."""
    return False


def cudagraph_mark_step_begin() -> None:
    """Says where a step begins, to CUDA graphs that are not used."""


def is_dynamo_supported() -> bool:
    """PyTorch's compiler is not here."""
    return False
