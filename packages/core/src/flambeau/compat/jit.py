"""`torch.jit` for code that decorates: a scripted function is the function. Programs are saved and loaded by `flambeau.jit`."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..nn import Module
from .missing import Missing

Final = Final


class ScriptModule(Module):
    """A module whose class was written for TorchScript; its Python runs. No other module is an instance."""

    @property
    def original_name(self) -> str:
        """The class's name."""
        return type(self).__name__


class Attribute(NamedTuple):
    """A value with its TorchScript type; a module keeps the value."""

    value: Any
    type: Any


class Error(RuntimeError):
    """TorchScript's errors. Never raised here."""


ScriptFunction = Missing("torch.jit.ScriptFunction")
RecursiveScriptModule = Missing("torch.jit.RecursiveScriptModule")
CompilationUnit = Missing("torch.jit.CompilationUnit")


def script(obj: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`obj` itself: the Python code runs as it is."""
    return obj if obj is not None else script


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`func` itself: its Python runs, for other inputs too. What tracing would freeze stays alive."""
    return func


def trace_module(mod: Any, inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`mod` itself."""
    return mod


def _same(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


export = interface = script_if_tracing = script_method = _same
_overload = _overload_method = _script_if_tracing = _copy_to_script_wrapper = _same


def ignore(drop: Any = False, **_: Any) -> Any:
    """Marks what is not to be scripted: everything is."""
    return drop if callable(drop) else _same


unused = _same


def freeze(mod: Any, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Any:
    """`mod` itself, which has to be in evaluation mode as PyTorch demands."""
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before"
            " freezing."
        )
    return mod


def optimize_for_inference(mod: Any, other_methods: Any = None) -> Any:
    """`mod` itself."""
    return mod


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


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A Future of `func(*args, **kwargs)`, which Python computes at once."""
    from ..futures import Future

    future: Any = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Any) -> Any:
    """What the future holds."""
    return future.wait()


_fork, _wait = fork, wait


class strict_fusion:
    """Nothing is fused by TorchScript, so that nothing can fail to be."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


optimized_execution = fuser = set_fusion_strategy = enable_onednn_fusion = Missing(
    "TorchScript's optimizer"
)


def save(m: Any, f: Any, _extra_files: Any = None) -> None:
    """Writes a module or function as a program of its own, in flambeau's format; what was only decorated is scripted now."""
    from .. import jit

    program = m if builtins.isinstance(m, (jit.ScriptModule, jit.ScriptFunction)) else jit.script(m)
    jit.save(program, f, _extra_files=_extra_files)


def load(f: Any, map_location: Any = None, _extra_files: Any = None) -> Any:
    """A program that `save` or PyTorch's `torch.jit.save` wrote; it is interpreted, never run as Python."""
    from .. import jit

    return jit.load(f, map_location, _extra_files=_extra_files)
