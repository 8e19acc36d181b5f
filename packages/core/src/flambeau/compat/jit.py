"""`torch.jit` for code that merely decorates: a scripted function is the function. Saving programs is not among it."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, Final

from ..nn import Module
from .missing import Missing

ScriptModule = Module
ScriptFunction = Missing("torch.jit.ScriptFunction")
Final = Final


def script(obj: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`obj` itself: the Python code runs as it is."""
    return obj if obj is not None else script


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


export = ignore_none = interface = script_if_tracing = _same


def ignore(drop: Any = False, **_: Any) -> Any:
    """Marks what is not to be scripted: everything is."""
    return drop if callable(drop) else _same


unused = _same


def is_scripting() -> bool:
    """Never: scripted code is Python here."""
    return False


def is_tracing() -> bool:
    """Never: TorchScript's tracer does not exist here."""
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value; annotations are for TorchScript."""
    return the_value


def isinstance(obj: Any, target: Any) -> bool:
    """Python's isinstance."""
    return builtins.isinstance(obj, target)


trace = Missing("torch.jit.trace")
save = Missing("torch.jit.save")
load = Missing("torch.jit.load")
freeze = Missing("torch.jit.freeze")
