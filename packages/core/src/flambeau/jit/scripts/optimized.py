"""A compiled module: a module itself, in place of the one it was made of."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from ...nn.modules._names import indented
from ...nn.modules.module import Module


class OptimizedModule(Module):
    """What `compile` makes of a module, which is its `_orig_mod`: calls run as programs, everything else is the module's own.

    It has the module's attributes, not copies: parameters, buffers, hooks, mode and settings are the same, and so are their
    names. Unlike in PyTorch, keys of the state dict have no prefix `_orig_mod.`, so that files fit both.

    >>> import flambeau
    >>> layer = flambeau.nn.Linear(2, 3)
    >>> compiled = flambeau.compile(layer)
    >>> isinstance(compiled, flambeau.nn.Module), compiled._orig_mod is layer, list(compiled.state_dict())
    (True, True, ['weight', 'bias'])
    """

    __slots__ = ("_compiled", "_orig_mod")

    _compiled: Any
    _orig_mod: Module

    def __init__(self, compiled: Any) -> None:
        object.__setattr__(self, "_compiled", compiled)
        object.__setattr__(self, "_orig_mod", compiled._function)
        object.__setattr__(self, "__dict__", compiled._function.__dict__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The same as a call."""
        return self._compiled(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in OptimizedModule.__slots__:
            raise AttributeError(name)  # before __init__
        return getattr(self._compiled, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self._orig_mod), *OptimizedModule.__slots__})

    def __repr__(self) -> str:
        return f"OptimizedModule(\n  (_orig_mod): {indented(repr(self._orig_mod), 2)}\n)"

    def __reduce__(self) -> Any:
        return (OptimizedModule, (self._compiled,))


def original(model: Any) -> Any:
    """The module that a compiled module was made of; anything else as it is."""
    return model._orig_mod if isinstance(model, OptimizedModule) else model


def _passed_on(name: str) -> Callable[..., Any]:
    """A method of the module's own, which its class may have overridden."""

    def method(self: OptimizedModule, *args: Any, **kwargs: Any) -> Any:
        made = getattr(self._orig_mod, name)(*args, **kwargs)
        return self if made is self._orig_mod else made

    method.__name__ = name
    return method


for _kind in Module.__mro__:
    for _name, _value in vars(_kind).items():
        if (
            type(_value) is FunctionType
            and _name not in vars(OptimizedModule)
            and _name[:2] != "__"
        ):
            setattr(OptimizedModule, _name, _passed_on(_name))
