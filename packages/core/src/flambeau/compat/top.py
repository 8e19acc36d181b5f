"""Names at the top of `torch` that PyTorch does not document and packages use all the same."""

from __future__ import annotations

from typing import Any

from ..futures import Future
from .foreach import functions
from .jit import ScriptModule
from .missing import Missing

globals().update(functions)
globals().update(Future=Future, ScriptModule=ScriptModule)


def _no_symbols(name: str) -> type:
    """Sizes are Python's numbers here: nothing is an instance, and none can be made."""

    def refuse_to_be_made(cls: type, *_: Any) -> Any:
        return Missing(f"torch.{name}")._refuse()

    return type(
        name,
        (),
        {"__new__": refuse_to_be_made, "__doc__": "A symbolic number. There are none here."},
    )


SymInt, SymFloat, SymBool = map(_no_symbols, ("SymInt", "SymFloat", "SymBool"))


def _assert(condition: Any, message: str) -> None:
    """AssertionError with the message unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def _assert_async(condition: Any, message: str = "Expected a true value") -> None:
    """RuntimeError with the message unless the one element is not zero."""
    if not condition:
        raise RuntimeError(message)


def _check(cond: Any, message: Any = None) -> None:
    """RuntimeError, with what `message()` says, unless the condition holds."""
    _check_with(RuntimeError, cond, message)


def _check_with(error_type: type, cond: Any, message: Any = None) -> None:
    if not cond:
        raise error_type(
            message() if callable(message) else "Expected cond to be True, but got False."
        )


def _check_index(cond: Any, message: Any = None) -> None:
    """IndexError unless the condition holds."""
    _check_with(IndexError, cond, message)


def _check_value(cond: Any, message: Any = None) -> None:
    """ValueError unless the condition holds."""
    _check_with(ValueError, cond, message)


def _check_type(cond: Any, message: Any = None) -> None:
    """TypeError unless the condition holds."""
    _check_with(TypeError, cond, message)


def _check_is_size(i: int, message: Any = None, *, max: Any = None) -> None:
    """RuntimeError unless `i` is a size."""
    _check(i >= 0 and (max is None or i <= max), message)


def _check_not_implemented(cond: Any, message: Any = None) -> None:
    """NotImplementedError unless the condition holds."""
    _check_with(NotImplementedError, cond, message)


def is_vulkan_available() -> bool:
    """Never."""
    return False


def sym_int(a: Any) -> int:
    """Python's int."""
    return int(a)


def sym_float(a: Any) -> float:
    """Python's float."""
    return float(a)


def sym_not(a: Any) -> bool:
    """Python's not."""
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """Python's max."""
    return max(a, b)


def sym_min(a: Any, b: Any) -> Any:
    """Python's min."""
    return min(a, b)
