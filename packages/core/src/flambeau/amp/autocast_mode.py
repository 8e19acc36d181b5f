"""`autocast`: inside its block each operator runs in the precision its list names (`lists.py`).

It is a promotion rule, not a mode of its own: dispatch hands every operator's inputs to a hook before the operator's own
promotion. So the casts are ordinary recorded operators: gradients flow back through them in each tensor's own dtype, and
traced programs contain them.

Refused: a cache of cast weights. PyTorch has one; here a cast costs about as much as finding it would.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .._base import dtypes
from ..ops.casting import to_dtype
from ..runtime import state
from ..runtime.operator import Operator
from ..runtime.signature import explained
from ..runtime.tensor import Tensor
from .lists import OPENED, POLICIES, Policy

SUPPORTED = (dtypes.bfloat16, dtypes.float16)


class _State(threading.local):
    """This thread's settings by device type."""

    def __init__(self) -> None:
        self.enabled = dict.fromkeys(POLICIES, False)
        self.dtype = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16}
        self.cache = True


_state = _State()


class _Hook:
    """What dispatch asks before an operator's own promotion."""

    def __call__(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> tuple:
        """The operator's inputs, cast as its list says."""
        where = _device_type(arrays)
        if where is None:
            return arrays
        policy = POLICIES[where]
        if op.name in policy.lower:
            return _cast(arrays, _state.dtype[where])
        if op.name in policy.full:
            return _cast(arrays, dtypes.float32) if attrs.get("dtype") is None else arrays
        if op.name in policy.widest:
            return _cast(arrays, _widest(arrays, _state.dtype[where]))
        if op.name in policy.refused:
            raise RuntimeError(policy.refused[op.name])
        if op.name in policy.sometimes and policy.sometimes[op.name](arrays, attrs) == "full":
            return _cast(arrays, dtypes.float32)
        return arrays

    def key(self) -> tuple:
        """What the casts depend on: equal keys, equal casts."""
        return tuple([_state.dtype[d] if on else None for d, on in _state.enabled.items()])

    def whole(
        self, op: Operator, arrays: tuple, attrs: dict[str, Any], proceed: Callable[..., Any]
    ) -> Any:
        """A composite: opened with autocast off where the lists take it for one operator."""
        arrays = self(op, arrays, attrs)
        where = _device_type(arrays)
        if where is not None and op.name in OPENED:
            return op.call_body(arrays, attrs)
        if where is None or not _runs_alone(POLICIES[where], op, arrays, attrs):
            return proceed(op, arrays, attrs)
        state.set_promotion(None)
        try:
            made = proceed(op, arrays, attrs)
            if op.name in POLICIES[where].rounded and _eligible(made):
                made = to_dtype(made, _state.dtype[where])
            return made
        finally:
            state.set_promotion(self)


def _runs_alone(policy: Policy, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> bool:
    if op.name in policy.alone:
        return True
    decide = policy.sometimes.get(op.name)
    return decide is not None and decide(arrays, attrs) is not None


def _device_type(arrays: tuple) -> str | None:
    """The device type of a call's tensors, where autocast is on for it."""
    where = next((a.device.type for a in arrays if isinstance(a, Tensor)), None)
    return where if where is not None and _state.enabled.get(where) else None


def _eligible(value: Any) -> bool:
    """Floats up to 32 bits take part; float64 was chosen for its precision and stays."""
    return (
        isinstance(value, Tensor)
        and value.dtype.is_floating_point
        and value.dtype is not dtypes.float64
    )


def _cast(arrays: tuple, dtype: dtypes.dtype) -> tuple:
    return tuple(
        [to_dtype(a, dtype) if _eligible(a) and a.dtype is not dtype else a for a in arrays]
    )


def _widest(arrays: tuple, lower: dtypes.dtype) -> dtypes.dtype:
    """float32 where any input is float32, else autocast's dtype."""
    wide = any(_eligible(a) and a.dtype is dtypes.float32 for a in arrays)
    return dtypes.float32 if wide else lower


def _install() -> None:
    """The hook is in force while autocast is on for some device type: calls cost nothing extra otherwise."""
    state.set_promotion(_hook if any(_state.enabled.values()) else None)


_hook = _Hook()


def settings() -> tuple:
    """All that is set in this thread, for `set_back`."""
    return dict(_state.enabled), dict(_state.dtype), _state.cache, state.local.promotion


def set_back(to: tuple) -> None:
    """Puts autocast as it was when `settings` gave `to`."""
    enabled, dtype, _state.cache, hook = to
    _state.enabled, _state.dtype = dict(enabled), dict(dtype)
    state.set_promotion(hook)


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows the device type.

    >>> import flambeau
    >>> flambeau.amp.is_autocast_available("cpu")
    True
    """
    return device_type in POLICIES


@explained
def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on in this thread for a device type."""
    return _state.enabled.get(device_type, False)


def get_autocast_dtype(device_type: str) -> dtypes.dtype:
    """The dtype that autocast lowers to: bfloat16 on the CPU and float16 on CUDA unless set."""
    return _state.dtype[_known(device_type)]


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Switches autocast in this thread for a device type, until it is switched again; a bool alone means CUDA."""
    if isinstance(device_type, bool):
        where, on = "cuda", device_type
    elif enabled is None:
        raise TypeError("set_autocast_enabled: expected a device type and a bool, got no bool")
    else:
        where, on = device_type, bool(enabled)
    _state.enabled[_known(where)] = on
    _install()


def set_autocast_dtype(device_type: str, dtype: dtypes.dtype) -> None:
    """Sets the dtype that autocast lowers to in this thread."""
    _state.dtype[_known(device_type)] = dtype


def is_autocast_cache_enabled() -> bool:
    """What `cache_enabled` was set to; nothing is cached either way."""
    return _state.cache


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Accepted for PyTorch's sake; nothing is cached either way."""
    _state.cache = bool(enabled)


def _known(device_type: str) -> str:
    if device_type not in POLICIES:
        raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
    return device_type


class autocast:
    """Runs the operators inside in mixed precision: products in 16 bits, losses in float32, the rest as they come.

    A context manager and a decorator; blocks nest, and `enabled=False` switches an outer one off. On the CPU the 16-bit
    dtypes are emulated: they save memory, not time.

    >>> import flambeau
    >>> x, w = flambeau.ones(2, 3), flambeau.ones(4, 3)
    >>> with flambeau.autocast("cpu", dtype=flambeau.bfloat16):
    ...     y = flambeau.nn.functional.linear(x, w)
    ...     loss = flambeau.nn.functional.mse_loss(y, flambeau.zeros(2, 4))
    >>> y.dtype, loss.dtype
    (flambeau.bfloat16, flambeau.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtypes.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = _known(device_type)
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = _state.cache if cache_enabled is None else cache_enabled
        self._enabled = enabled and self._possible()
        self._before: list[tuple[bool, dtypes.dtype, bool]] = []

    def _possible(self) -> bool:
        """Whether device and dtype serve; a warning says why not, as PyTorch's does."""
        if self.device == "cuda":
            from ..cuda import is_available

            if not is_available():
                warnings.warn("CUDA is not available. Disabling autocast.", stacklevel=3)
                return False
        if self.fast_dtype not in SUPPORTED:
            name = self.device.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{name} Autocast only supports dtypes of {', '.join(map(str, SUPPORTED))} currently.",
                stacklevel=3,
            )
            return False
        return True

    def __enter__(self) -> autocast:
        kind = self.device
        self._before.append((_state.enabled[kind], _state.dtype[kind], _state.cache))
        _state.dtype[kind], _state.cache = self.fast_dtype, self._cache_enabled
        set_autocast_enabled(kind, self._enabled)
        return self

    def __exit__(self, *error: object) -> None:
        kind = self.device
        enabled, _state.dtype[kind], _state.cache = self._before.pop()
        set_autocast_enabled(kind, enabled)

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. "
                "Did you mean to use autocast as a context manager: with autocast(device_type=...):"
            )

        @functools.wraps(func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return inside


def custom_fwd(
    fwd: Any = None, *, device_type: str, cast_inputs: dtypes.dtype | None = None
) -> Any:
    """Decorates the `forward` of an `autograd.Function`: remembers autocast's state for `custom_bwd`.

    With `cast_inputs`, floating inputs become that dtype and `forward` runs with autocast off.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(*args: Any, **kwargs: Any) -> Any:
        context, active = args[0], is_autocast_enabled(device_type)
        context._dtype = get_autocast_dtype(device_type)
        context._fwd_used_autocast = active and cast_inputs is None
        if cast_inputs is None or not active:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            moved = _cast_all(args, device_type, cast_inputs)
            return fwd(*moved, **_cast_all(kwargs, device_type, cast_inputs))

    return forward


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Decorates the `backward` of an `autograd.Function`: it runs with the autocast state of `forward`."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(*args: Any, **kwargs: Any) -> Any:
        context = args[0]
        with autocast(device_type, context._dtype, context._fwd_used_autocast):
            return bwd(*args, **kwargs)

    return backward


def _cast_all(value: Any, device_type: str, dtype: dtypes.dtype) -> Any:
    """Floating tensors of the device inside any containers, in `dtype`."""
    if isinstance(value, Tensor):
        return (
            to_dtype(value, dtype)
            if _eligible(value) and value.device.type == device_type
            else value
        )
    if isinstance(value, (str, bytes, np.ndarray)):
        return value
    if isinstance(value, Mapping):
        return {k: _cast_all(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, Iterable):
        moved = (_cast_all(v, device_type, dtype) for v in value)
        return type(value)(moved) if isinstance(value, (list, tuple)) else moved
    return value
