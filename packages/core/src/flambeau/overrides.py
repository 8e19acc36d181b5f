"""Taking over functions: the API of `torch.overrides`.

A class with a `__torch_function__` is asked whenever a function of flambeau is called on one of its objects; a
`TorchFunctionMode` is asked for all calls while it is in force. How calls get here: `runtime/overrides.py`.

>>> import flambeau
>>> class Scalar:
...     @classmethod
...     def __torch_function__(cls, func, types, args=(), kwargs=None):
...         return f"{func.__name__} of a Scalar"
>>> flambeau.mean(Scalar())
'mean of a Scalar'
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from .ops import load_all
from .runtime import overrides as _runtime
from .runtime.operator import registry
from .runtime.state import local
from .runtime.tensor import Tensor


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether a class among the arguments, or a mode in force, takes over functions.

    >>> import flambeau
    >>> has_torch_function((flambeau.ones(2), 3))
    False
    """
    return bool(_runtime.overloaded(tuple(relevant_args), {}) or local.function_modes)


def has_torch_function_unary(arg: Any) -> bool:
    """`has_torch_function` for one argument."""
    return has_torch_function((arg,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` for the arguments given."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """The call `public_api(*args, **kwargs)` as the classes of `relevant_args` or the modes in force answer it.

    For functions of one's own that are to be overridable. TypeError if none of them answers.

    >>> import flambeau
    >>> class Loud(flambeau.Tensor): pass
    >>> def double(x):
    ...     if has_torch_function_unary(x):
    ...         return handle_torch_function(double, (x,), x)
    ...     return x + x
    >>> double(Loud([1.0]))
    Loud([2.])
    """
    found = _runtime.overloaded(tuple(relevant_args), {})
    return _runtime.handle(public_api, found, args, kwargs)


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[..., Any]:
    """Decorator: makes a function overridable. `dispatcher`, given the call's arguments, names the relevant ones."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            relevant = tuple(dispatcher(*args, **kwargs))
            if has_torch_function(relevant):
                return handle_torch_function(call, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return call

    return decorate


class TorchFunctionMode:
    """While in force, sees every call of a function: override `__torch_function__(func, types, args, kwargs)`.

    Inside it the mode itself is out of force, so that calling `func` runs it. Methods that are no operators
    (`x.to(...)`, `x.numpy()`) are not seen themselves, what they call is.

    >>> import flambeau
    >>> class Names(TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     _ = flambeau.ones(2).sin() + 1
    ones
    sin
    add
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no __torch_function__")

    def __enter__(self) -> TorchFunctionMode:
        _runtime.Modes.push(self)
        return self

    def __exit__(self, *exc: Any) -> None:
        _runtime.Modes.pop()


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that calls the function as it is."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


class DisableTorchFunctionSubclass:
    """Context in which tensors of subclasses are as plain ones; modes stay in force.

    >>> import flambeau
    >>> class Loud(flambeau.Tensor): pass
    >>> with DisableTorchFunctionSubclass():
    ...     (Loud([1.0]) * 2).__class__.__name__
    'Tensor'
    """

    def __enter__(self) -> None:
        self._before, local.overrides_off = local.overrides_off, True

    def __exit__(self, *exc: Any) -> None:
        local.overrides_off = self._before


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """Context in which neither subclasses nor modes take over calls."""

    def __enter__(self) -> None:
        super().__enter__()
        self._modes, local.function_modes = local.function_modes, ()

    def __exit__(self, *exc: Any) -> None:
        local.function_modes = self._modes
        super().__exit__(*exc)


_disabled_torch_function_impl = _runtime.disabled_torch_function


def is_tensor_like(inp: Any) -> bool:
    """Whether this is a Tensor or of a class with a `__torch_function__`.

    >>> import flambeau
    >>> is_tensor_like(flambeau.ones(2)), is_tensor_like([1.0])
    (True, False)
    """
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


@functools.lru_cache(maxsize=1)
def _overridable() -> dict[Any, list[Callable[..., Any]]]:
    import flambeau
    from flambeau import fft, linalg, special
    from flambeau.nn import functional

    load_all()
    public = {op.public for op in registry.values()}
    out: dict[Any, list[Callable[..., Any]]] = {}
    for module in (flambeau, functional, linalg, fft, special):
        out[module] = []
        for name in dir(module):
            value = getattr(module, name, None)
            if not name.startswith("_") and inspect.isfunction(value):
                if value in public or getattr(value, "__overridable__", False):
                    out[module].append(value)
    out[Tensor] = [
        v
        for n, v in Tensor.__dict__.items()
        if inspect.isfunction(v) and n not in _runtime.PYTHONS_OWN
    ]
    return out


def get_overridable_functions() -> dict[Any, list[Callable[..., Any]]]:
    """The functions that can be taken over, by the module or class they are in.

    >>> import flambeau
    >>> flambeau.add in get_overridable_functions()[flambeau]
    True
    """
    return {k: list(v) for k, v in _overridable().items()}


def get_ignored_functions() -> set[Callable[..., Any]]:
    """The public functions of flambeau that cannot be taken over: they have no tensors among their arguments.

    >>> import flambeau
    >>> flambeau.is_tensor in get_ignored_functions()
    True
    """
    import flambeau

    taken = {f for fs in _overridable().values() for f in fs}
    values: Any = (getattr(flambeau, n, None) for n in dir(flambeau) if not n.startswith("_"))
    functions: set[Callable[..., Any]] = {v for v in values if inspect.isfunction(v)}
    return functions - taken


def get_testing_overrides() -> dict[Callable[..., Any], Callable[..., int]]:
    """For each overridable operator a function of the same signature that returns -1, to test a class's table with."""
    load_all()
    out: dict[Callable[..., Any], Callable[..., int]] = {}
    for op in registry.values():

        def stand_in(*args: Any, **kwargs: Any) -> int:
            return -1

        stand_in.__signature__ = inspect.signature(op.body)  # type: ignore[attr-defined]
        stand_in.__name__ = op.name
        out[op.public] = stand_in
    return out


def get_default_nowrap_functions() -> set[Any]:
    """Functions whose results keep their class under the default `__torch_function__`: none here, as properties are not
    taken over."""
    return set()


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether `func` is a method of Tensor.

    >>> import flambeau
    >>> is_tensor_method_or_property(flambeau.Tensor.to), is_tensor_method_or_property(flambeau.stack)
    (True, False)
    """
    return func in Tensor.__dict__.values() or func in {
        getattr(Tensor, n, None) for n in ("__add__", "__mul__")
    }


def resolve_name(f: Any) -> str | None:
    """The public name of an overridable function, such as "flambeau.add"; None if it is none.

    >>> import flambeau
    >>> resolve_name(flambeau.Tensor.to)
    'flambeau.Tensor.to'
    """
    for where, functions in _overridable().items():
        if f in functions:
            if where is Tensor:
                return f"flambeau.Tensor.{f.__name__}"
            return f"{where.__name__}.{f.__name__}"
    return None


__all__ = [
    "BaseTorchFunctionMode",
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
    "TorchFunctionMode",
    "get_default_nowrap_functions",
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]
