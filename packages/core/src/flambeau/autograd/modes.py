"""Gradient modes, as context managers and decorators, per thread."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..runtime import state, tape

local = state.local


class _Mode:
    """A context manager that is a decorator too, with or without parentheses."""

    def __new__(cls, function: Any = None, *args: Any, **kwargs: Any) -> Any:
        made = object.__new__(cls)
        if callable(function):
            made.__init__()  # type: ignore[misc]
            return made(function)
        return made

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.again():
                return function(*args, **kwargs)

        return inside

    def again(self) -> Any:
        return self.__class__()


class no_grad(_Mode):
    """Calls inside are not recorded.

    >>> import flambeau
    >>> x = flambeau.ones(2, requires_grad=True)
    >>> with flambeau.no_grad(): (x * 2).requires_grad
    False
    """

    wanted = False

    def __init__(self, function: Any = None) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(local.grad)
        local.grad = self.wanted

    def __exit__(self, *_: Any) -> None:
        local.grad = self._before.pop()


class enable_grad(no_grad):
    """Calls inside are recorded, also within `no_grad`."""

    wanted = True


class set_grad_enabled(_Mode):
    """Turns recording on or off, at once; as a context manager until its end."""

    def __new__(cls, mode: Any = True) -> Any:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        self._mode, self._before = mode, local.grad
        local.grad = bool(mode)

    def again(self) -> Any:
        return set_grad_enabled(self._mode)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        local.grad = self._before
        return super().__call__(function)

    def __enter__(self) -> None:
        local.grad = bool(self._mode)

    def __exit__(self, *_: Any) -> None:
        local.grad = self._before


class inference_mode(_Mode):
    """`no_grad` for code whose results never meet autograd; here it costs and saves the same."""

    def __init__(self, mode: Any = True) -> None:
        self._mode = mode if isinstance(mode, bool) else True
        self._before: list[tuple[bool, bool]] = []

    def again(self) -> Any:
        return inference_mode(self._mode)

    def __enter__(self) -> None:
        self._before.append((local.grad, local.inference))
        if self._mode:
            local.grad, local.inference = False, True

    def __exit__(self, *_: Any) -> None:
        local.grad, local.inference = self._before.pop()


def is_grad_enabled() -> bool:
    """Whether calls are recorded now."""
    return local.grad


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on."""
    return local.inference


class set_detect_anomaly:
    """Keeps the place of each forward call, to name it when its backward fails or gives NaN."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = tape.anomaly
        tape.set_anomaly(bool(mode))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        tape.set_anomaly(self._before)


class detect_anomaly(set_detect_anomaly):
    """`set_detect_anomaly(True)` for a `with` block."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)
