"""Hooks that hold for every module: before and after forward, on backward, on registration."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ...runtime import state
from ._handles import RemovableHandle, add_hook

forward_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
forward_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
backward_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
backward_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
parameter_registration_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
buffer_registration_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
module_registration_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
backward_hooks_are_full: bool | None = None
state.module_hooks = (forward_pre_hooks, forward_hooks, backward_pre_hooks, backward_hooks)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before every module's forward; it may return new arguments."""
    return add_hook(forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args[, kwargs], output)`` after every module's forward."""
    marks = (
        (forward_hooks_with_kwargs, with_kwargs),
        (forward_hooks_always_called, always_call),
    )
    return add_hook(forward_hooks, hook, marks=marks)


def _declare_backward_hooks(full: bool) -> None:
    global backward_hooks_are_full
    if backward_hooks_are_full not in (None, full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module "
            "hook. Please use only one of them."
        )
    backward_hooks_are_full = full


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Like `register_module_full_backward_hook`, on the node that made the output only."""
    _declare_backward_hooks(full=False)
    return add_hook(backward_hooks, hook)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` when gradients reach any module's outputs."""
    return add_hook(backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` when any module's inputs have gradients."""
    _declare_backward_hooks(full=True)
    return add_hook(backward_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` when one is registered; it may return another."""
    return add_hook(parameter_registration_hooks, hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` when one is registered; it may return another."""
    return add_hook(buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` when one is registered; it may return another."""
    return add_hook(module_registration_hooks, hook)


def registered(
    hooks: OrderedDict[int, Callable[..., Any]], owner: Any, name: str, value: Any
) -> Any:
    """The value after the registration hooks have seen it."""
    for hook in hooks.values():
        replacement = hook(owner, name, value)
        if replacement is not None:
            value = replacement
    return value
