"""Gradient modes, as context managers and decorators, per thread."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..runtime import state, tape
from ..runtime.inference import switch

local = state.local


class _Mode:
    """A context manager that is a decorator too, with or without parentheses; of generators between their yields."""

    def __new__(cls, orig_func: Any = None, *args: Any, **kwargs: Any) -> Any:
        made = object.__new__(cls)
        if callable(orig_func):
            made.__init__()  # type: ignore[misc]
            return made(orig_func)
        return made

    def __call__(self, orig_func: Callable[..., Any]) -> Callable[..., Any]:
        return decorated(orig_func, self.again)

    def again(self) -> Any:
        return self.__class__()

    clone = again


def decorated(function: Any, mode: Callable[[], Any]) -> Any:
    """`function` with every call inside a `mode()`; a class with its `__init__` inside."""
    if inspect.isclass(function):
        import warnings

        warnings.warn(
            "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
            "functions or methods. To preserve the current behavior of class decoration, you can directly decorate "
            "the `__init__` method and nothing else.",
            FutureWarning,
            stacklevel=3,
        )
        made: Any = type(
            function.__name__, (function,), {"__init__": decorated(function.__init__, mode)}
        )
        made.__module__, made.__qualname__ = function.__module__, function.__qualname__
        made.__doc__ = function.__doc__
        return made
    if inspect.isgeneratorfunction(function):
        return _generator(function, mode)

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with mode():
            return function(*args, **kwargs)

    return inside


def _generator(function: Any, mode: Callable[[], Any]) -> Any:
    """A generator function whose own code runs in `mode`, and what it yields to does not."""

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        try:
            with mode():
                item = made.send(None)
            while True:
                try:
                    given = yield item
                except GeneratorExit:
                    with mode():
                        made.close()
                    raise
                except BaseException as error:
                    with mode():
                        item = made.throw(error)
                else:
                    with mode():
                        item = made.send(given)
        except StopIteration as end:
            return end.value

    return inside


class no_grad(_Mode):
    """Calls inside are not recorded.

    >>> import flambeau
    >>> x = flambeau.ones(2, requires_grad=True)
    >>> with flambeau.no_grad(): (x * 2).requires_grad
    False
    """

    wanted = False

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(local.grad)
        local.grad = self.wanted

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        local.grad = self._before.pop()


class enable_grad(no_grad):
    """Calls inside are recorded, also within `no_grad`.

    >>> import flambeau
    >>> x = flambeau.ones(2, requires_grad=True)
    >>> with flambeau.no_grad(), flambeau.enable_grad(): (x * 2).requires_grad
    True
    """

    wanted = True

    def __init__(self, orig_func: Any = None) -> None:
        super().__init__()

    def __enter__(self) -> None:
        self._before.append(is_grad_enabled())
        _turn(True)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        _turn(self._before.pop())


def _turn(on: bool) -> None:
    """Turns recording on or off. Inference mode only remembers that it was asked for."""
    if local.inference:
        local.grad_asked = on
    else:
        local.grad = on


class set_grad_enabled(_Mode):
    """Turns recording on or off, at once; as a context manager until its end.

    >>> import flambeau
    >>> with flambeau.set_grad_enabled(False): flambeau.is_grad_enabled()
    False
    """

    def __new__(cls, mode: Any = True) -> Any:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        self.mode, self.prev = mode, is_grad_enabled()
        self.__enter__()

    def again(self) -> Any:
        return set_grad_enabled(self.mode)

    clone = again

    def __call__(self, orig_func: Callable[..., Any]) -> Callable[..., Any]:
        _turn(self.prev)
        return super().__call__(orig_func)

    def __enter__(self) -> None:
        _turn(bool(self.mode))

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        _turn(self.prev)

    def __str__(self) -> str:
        return f"{type(self).__module__}.set_grad_enabled(mode={self.mode})"

    __repr__ = __str__


class inference_mode(_Mode):
    """`no_grad` for code whose results never meet autograd.

    The tensors made inside are inference tensors: nothing computed of them can be differentiated where they would have to
    be saved for backward, and they can be written inside the mode only. A `clone` made outside is an ordinary tensor.

    >>> import flambeau
    >>> with flambeau.inference_mode(): y = flambeau.ones(2) + 1
    >>> y.is_inference(), y.clone().is_inference()
    (True, False)
    """

    def __new__(cls, mode: Any = True) -> Any:
        return cls()(mode) if callable(mode) else object.__new__(cls)

    def __init__(self, mode: Any = True) -> None:
        self.mode = mode if isinstance(mode, bool) else True
        self._before: list[tuple[bool, bool, bool]] = []

    def again(self) -> Any:
        return inference_mode(self.mode)

    clone = again

    def __enter__(self) -> None:
        self._before.append((local.grad, local.inference, local.grad_asked))
        # As PyTorch's: with `False` calls are recorded again, whatever was in force outside.
        local.grad, local.inference, local.grad_asked = not self.mode, self.mode, False
        if self.mode:
            switch(True)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        local.grad, local.inference, local.grad_asked = self._before.pop()
        if self.mode:
            switch(False)


def is_grad_enabled() -> bool:
    """Whether calls are recorded now."""
    return local.grad or local.grad_asked


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on."""
    return local.inference


class set_detect_anomaly:
    """Keeps the place of each forward call, to name it when its backward fails or (`check_nan`) gives NaN.

    Works at once, and as a context manager until its end.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (tape.anomaly, tape.anomaly_nan)
        tape.set_anomaly(bool(mode), bool(check_nan))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        tape.set_anomaly(*self._before)


class detect_anomaly(set_detect_anomaly):
    """`set_detect_anomaly(True)` for a `with` block. It costs a traceback for every call: for debugging only."""

    def __init__(self, check_nan: bool = True) -> None:
        import warnings

        super().__init__(True, check_nan)
        tape.set_anomaly(*self._before)
        self._check = bool(check_nan)
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = (tape.anomaly, tape.anomaly_nan)
        tape.set_anomaly(True, self._check)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return tape.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection, if on, looks through gradients for NaN."""
    return tape.anomaly_nan


class _Setting:
    """A switch of PyTorch's C++ engine, remembered per process: works at once, as a context until its end."""

    value = True

    def __init__(self, mode: bool) -> None:
        self.mode, self.prev = mode, type(self).value
        type(self).value = bool(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        type(self).value = self.prev

    def clone(self) -> Any:
        """Another of the same."""
        return type(self)(self.mode)


class set_multithreading_enabled(_Setting):
    """Whether one backward may use several threads. This engine walks a graph in the caller's thread either way.

    Several threads may each run a backward of their own at once. The switch is kept for code that sets it.
    """


def is_multithreading_enabled() -> bool:
    """What `set_multithreading_enabled` was last told."""
    return set_multithreading_enabled.value
