"""`flambeau.compile`: a function or module as one program, its elementwise chains and reductions fused into C.

compile     the cache of programs, what runs eagerly and why
guards      what a function depends on besides its arguments
capture     a call as stretches of operators, with gradients and optimizer steps between them
plan        what runs when the call is made again; its backward
fusion      calls of a graph -> groups that become one loop nest
program     one stretch, fused, as steps on raw arrays
recording   its first run, as C calls with places in memory
replay      later runs: those calls on planned memory
scripts     `trace`, `script`, `save`, `load`: programs that run without their Python
"""

from typing import Any

from .compile import Broken, Compiled, compile, explain, reset

# Names of `scripts`, imported when first touched: they need `nn` and `serialization`.
_SCRIPT = {
    "script": "frontend", "trace": "tracing", "trace_module": "tracing", "TracerWarning": "tracing", "TracingCheckError": "tracing", "freeze": "freezing", "optimize_for_inference": "freezing",
    "save": "archive", "load": "archive", "ScriptModule": "module", "ScriptFunction": "module",
    "Final": "marks", "annotate": "marks", "export": "marks", "ignore": "marks", "unused": "marks", "isinstance": "marks",
    "fork": "marks", "interface": "marks", "Attribute": "marks", "Future": "marks", "wait": "marks", "is_scripting": "marks", "is_tracing": "marks", "NotSupportedError": "common",
}  # fmt: skip

__all__ = [
    "Broken", "Compiled", "compile", "explain", "reset", *_SCRIPT,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _SCRIPT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.scripts.{_SCRIPT[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_SCRIPT})
