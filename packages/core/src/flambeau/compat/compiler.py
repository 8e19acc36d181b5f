"""`torch._dynamo` and `torch._compile`: `flambeau.compiler`, and what packages use of PyTorch's inside beside it.

Hints about shapes, steps and frames are accepted: programs are made for the shapes that come.
"""

from __future__ import annotations

from typing import Any

from ..compiler import (  # noqa: F401
    allow_in_graph,
    assume_constant_result,
    compile,
    cudagraph_mark_step_begin,
    disable,
    is_compiling,
    is_dynamo_compiling,
    is_exporting,
    list_backends,
    nested_compile_region,
    reset,
    set_stance,
    substitute_in_graph,
)

_disable_dynamo = disable


def _same(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    return fn if fn is not None else _same


disallow_in_graph = graph_break = mark_step = forbid_in_graph = run = nonstrict_trace = _same
mark_dynamic = mark_static = mark_static_address = maybe_mark_dynamic = mark_unbacked = _same


def is_dynamo_supported() -> bool:
    """PyTorch's compiler is not here."""
    return False
