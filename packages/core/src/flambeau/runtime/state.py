"""What a call depends on besides its arguments. Per thread, except `active`.

`active` counts the modes in force in any thread. The hot path reads it with one global look-up; only when it is not
zero does a call look at this thread's own modes.
"""

from __future__ import annotations

import contextvars
import threading
from functools import partial, wraps
from typing import Any

import numpy as np


class Local(threading.local):
    """One thread's settings."""

    grad = True  # whether calls are recorded on the tape
    inference = False  # whether tensors made now are inference tensors (`runtime.inference`)
    grad_asked = (
        False  # whether recording was asked for inside inference mode, which records nothing
    )
    modes: tuple[
        Any, ...
    ] = ()  # tracers, profilers, ...: objects with run(op, arrays, attrs, proceed)
    batch: tuple[
        Any, ...
    ] = ()  # vmaps in force, outermost first: objects with randomness, size, wrap(tensor)
    saved_hooks: tuple[Any, ...] = ()  # pairs of saved-tensor hooks, innermost last
    saved_hooks_refused: str | None = None  # why such hooks are not allowed now
    walk: Any = None  # the table of the backward under way: which nodes take part
    any_layout = False  # whether a gradient may be kept in strides other than its leaf's
    running: Any = None  # under anomaly detection: the node whose rule runs
    promotion: Any = None  # autocast's hook: (op, arrays, attrs) -> arrays
    function_modes: tuple[Any, ...] = ()  # TorchFunctionModes in force, innermost last
    overrides_off = False  # whether `__torch_function__` of classes is left aside


local = Local()
active = 0
overriding = (
    0  # live tensors of classes with a `__torch_function__`, and function modes; part of `active`
)
module_hooks: tuple[dict, ...] = ()  # the tables of hooks that hold for every module
changes = (
    0  # counts what compiled programs may depend on: settings of modules, requires_grad of tensors
)
_lock = threading.Lock()


def when_overridden() -> None:
    """Called when there is one more that may take over calls; `runtime.becoming` puts its own in this place."""


def _count(step: int) -> None:
    global active
    with _lock:
        active += step


def override(step: int) -> None:
    """Counts a tensor or a mode that may take over calls."""
    global active, overriding
    with _lock:
        active += step
        overriding += step
    if step > 0:
        when_overridden()


def push_mode(mode: Any) -> None:
    """Puts `mode` in force in this thread: its `run` sees every operator call on plain tensors."""
    local.modes = (*local.modes, mode)
    _count(1)


def pop_mode(mode: Any) -> None:
    """Takes the innermost `mode` out of force."""
    assert local.modes and local.modes[-1] is mode
    local.modes = local.modes[:-1]
    _count(-1)


def effect(
    call: Any, owner: Any, tensors: Any, how: str = "step", args: tuple = (), kwargs: Any = None
) -> Any:
    """`call(*args, **kwargs)`, which keeps state in Python (an optimizer's step on `tensors`): a capture in force notes it."""
    for mode in reversed(local.modes):
        if hasattr(mode, "effect"):
            return mode.effect(call, owner, tensors, how, args, kwargs or {})
    return call(*args, **kwargs or {})


def tracing() -> bool:
    """Whether a tracer sees the calls of this thread: to read a number from a tensor is then to be avoided."""
    return bool(active) and any(hasattr(mode, "leaves") for mode in local.modes)


def as_effect(method: Any) -> Any:
    """A method that keeps state in Python: a captured program calls it as it is."""

    @wraps(method)
    def public(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not active:
            return method(self, *args, **kwargs)
        params = [p for a in args for g in groups_of(a) for p in g["params"]]
        return effect(partial(method, self), self, params, method.__name__, args, kwargs)

    return public


class Watched:
    """An attribute, kept in the object's own dictionary, that effects set: who looks at it elsewhere in a capture would see one
    call's value for ever, so that the capture gives up."""

    def __set_name__(self, owner: Any, name: str) -> None:
        self.name, self.title = name, f"{owner.__name__}.{name}"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        if active:
            reads_state(f"reading {self.title}")
        try:
            return instance.__dict__[self.name]
        except KeyError:
            kind = type(instance).__name__
            raise AttributeError(f"{kind!r} object has no attribute {self.name!r}") from None

    def __set__(self, instance: Any, value: Any) -> None:
        if active:
            reads_state(f"setting {self.title}")
        instance.__dict__[self.name] = value


class WatchedGroups(Watched):
    """The parameter groups of an optimizer. A capture shows them in its own way (`jit.options`)."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if active and instance is not None:
            for mode in reversed(local.modes):
                if hasattr(mode, "groups"):
                    return mode.groups(instance)
        return super().__get__(instance, owner)


def groups_of(optimizer: Any) -> Any:
    """The parameter groups of an optimizer, if it is one, without a word to a capture."""
    own = getattr(optimizer, "__dict__", {}).get("param_groups")
    return getattr(optimizer, "param_groups", ()) if own is None else own


def leaves(tensor: Any, how: str) -> None:
    """Says that the elements of `tensor` are about to be read by Python: a trace would freeze them."""
    for mode in local.modes:
        mode.leaves(tensor, how)


def number(tensor: Any, how: str, value: Any) -> Any:
    """`value`, which `how` ("item", "tolist", "float", ...) has read off a tensor, for the Python that asked for it: a capture in
    force may give it something that stands for the number of each call."""
    modes = local.modes
    if len(modes) == 1 and hasattr(modes[0], "number"):
        return modes[0].number(tensor, how, value)
    leaves(tensor, "tolist()" if how == "tolist" else "item()")
    return value


def reads_state(what: str) -> None:
    """Says that Python is about to do what a program cannot: a capture that is in force gives up."""
    for mode in local.modes:
        if hasattr(mode, "reads_state"):
            mode.reads_state(what)


def grad_read(tensor: Any) -> Any:
    """`tensor.grad`: a capture that is in force notes that it is looked at."""
    for mode in local.modes:
        if hasattr(mode, "grad_read"):
            mode.grad_read(tensor)
    return tensor._grad


def grad_set(tensor: Any, g: Any) -> None:
    """Says that `tensor.grad` is about to become `g`."""
    for mode in local.modes:
        if hasattr(mode, "grad_set"):
            mode.grad_set(tensor, g)


def cleared(tensors: Any) -> None:
    """Says that the gradients of `tensors` were dropped: a capture that is in force notes it."""
    for mode in local.modes:
        if hasattr(mode, "cleared"):
            mode.cleared(tensors)


def set_promotion(hook: Any) -> Any:
    """Installs autocast's hook (or None) in this thread and returns the one before."""
    before, local.promotion = local.promotion, hook
    _count((hook is not None) - (before is not None))
    return before


def _find_error_state() -> tuple[Any, Any]:
    """NumPy's context variable of floating-point error handling, and its value for "ignore all".

    PyTorch is silent about 1 / 0. `np.errstate` costs 1.2 us a call, setting its variable directly 0.08 us; finding
    it in a copied context uses public API only.
    """

    def read() -> tuple[Any, Any]:
        with np.errstate(all="ignore"):
            context = contextvars.copy_context()
            found = next(v for v in context if v.name == "numpy.ufunc.extobj")
            return found, context[found]

    return contextvars.copy_context().run(read)


error_state, quiet = _find_error_state()
