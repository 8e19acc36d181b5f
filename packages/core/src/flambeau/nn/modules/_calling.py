"""Calling a module: its hooks around `forward`.

`Module.__call__` goes straight to `forward` where there are no hooks. Everything here is for when
there are: pre-hooks may replace the arguments, hooks the result, hooks registered with
`always_call` run even where forward raised.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ...runtime import state
from . import _global_hooks as everywhere
from ._backward_hooks import BackwardHooks, register_plain_backward_hooks
from ._handles import RemovableHandle, add_hook
from ._members import Members


class HookedCalls(Members):
    """The part of Module that registers hooks and calls through them."""

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward, or ``hook(module, args, kwargs)``.

        It may return the arguments to use instead (with kwargs: both, in a tuple).
        """
        marks = ((self._forward_pre_hooks_with_kwargs, with_kwargs),)
        return add_hook(self._forward_pre_hooks, hook, prepend, marks)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after forward (with kwargs: before the output).

        It may return the output to use instead. With `always_call` it runs even where forward or
        an earlier hook raised.
        """
        marks = (
            (self._forward_hooks_with_kwargs, with_kwargs),
            (self._forward_hooks_always_called, always_call),
        )
        return add_hook(self._forward_hooks, hook, prepend, marks)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Old form of `register_full_backward_hook`: sees only the node that made the output."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_ONE_KIND)
        self._is_full_backward_hook = False
        return add_hook(self._backward_hooks, hook)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the inputs' gradients are known.

        Both are tuples with one entry for each positional argument or output. The hook may return
        gradients to use in place of `grad_input`.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(_ONE_KIND)
        self._is_full_backward_hook = True
        return add_hook(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when gradients reach the outputs; it may change them."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def _get_backward_hooks(self) -> tuple[list[Any], list[Any]]:
        """All hooks for backward that hold for this module: the full ones, the others."""
        full: list[Any] = []
        plain: list[Any] = []
        (full if everywhere.backward_hooks_are_full else plain).extend(
            everywhere.backward_hooks.values()
        )
        (full if self._is_full_backward_hook else plain).extend(self._backward_hooks.values())
        return full, plain

    def _get_backward_pre_hooks(self) -> list[Any]:
        return [*everywhere.backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = _Call(self, args, kwargs)
        try:
            return call.run()
        except Exception:
            call.run_always_called()
            raise


_ONE_KIND = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. "
    "Please use only one of them."
)


class _Call:
    """One call through hooks: what has been computed so far and which hooks have run."""

    def __init__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.called: set[int] = set()

    def run(self) -> Any:
        module = self.module
        if state.active:
            self._tell()
        full, plain = module._get_backward_hooks()
        pre = module._get_backward_pre_hooks()
        self._run_pre_hooks()
        backward = BackwardHooks(module, full, pre) if full or pre else None
        if backward:
            self.args = backward.on_inputs(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        for key, hook in self._forward_hooks():
            self._run_forward_hook(key, hook)
        if backward:
            self.result = backward.on_outputs(self.result)
        if plain:
            register_plain_backward_hooks(module, self.args, self.result, plain)
        return self.result

    def _tell(self) -> None:
        """Says to a capture that is in force which hooks it would run only once. Those of `nn.utils` only compute."""
        module = self.module
        pre = (*everywhere.forward_pre_hooks.values(), *module._forward_pre_hooks.values())
        full, plain = module._get_backward_hooks()
        for hook in (*module._get_backward_pre_hooks(), *full, *plain):
            name = getattr(hook, "__qualname__", type(hook).__name__)
            state.reads_state(f"the backward hook {name} of {type(module).__name__}")
        for hook in (*pre, *(h for _, h in self._forward_hooks())):
            code = hook if hasattr(hook, "__code__") else type(hook)
            if not str(code.__module__).startswith("flambeau.nn.utils."):
                name = getattr(hook, "__qualname__", type(hook).__name__)
                state.reads_state(f"the forward hook {name} of {type(module).__name__}")

    def _run_pre_hooks(self) -> None:
        module = self.module
        hooks = (*everywhere.forward_pre_hooks.items(), *module._forward_pre_hooks.items())
        for key, hook in hooks:
            if key in module._forward_pre_hooks_with_kwargs:
                answer = hook(module, self.args, self.kwargs)
                if answer is None:
                    continue
                if not (isinstance(answer, tuple) and len(answer) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple "
                        f"of (new_args, new_kwargs), but got {answer}."
                    )
                self.args, self.kwargs = answer
            else:
                answer = hook(module, self.args)
                if answer is not None:
                    self.args = answer if isinstance(answer, tuple) else (answer,)

    def _forward_hooks(self) -> list[tuple[int, Any]]:
        return [*everywhere.forward_hooks.items(), *self.module._forward_hooks.items()]

    def _run_forward_hook(self, key: int, hook: Callable[..., Any]) -> None:
        self.called.add(key)
        module = self.module
        with_kwargs = (
            key in module._forward_hooks_with_kwargs or key in everywhere.forward_hooks_with_kwargs
        )
        if with_kwargs:
            answer = hook(module, self.args, self.kwargs, self.result)
        else:
            answer = hook(module, self.args, self.result)
        if answer is not None:
            self.result = answer

    def run_always_called(self) -> None:
        """After an error: the hooks that must run all the same and have not. Their errors warn."""
        always = (
            self.module._forward_hooks_always_called.keys()
            | everywhere.forward_hooks_always_called.keys()
        )
        for key, hook in self._forward_hooks():
            if key not in always or key in self.called:
                continue
            try:
                self._run_forward_hook(key, hook)
            except Exception as error:  # the error of forward is the one to show
                warnings.warn(
                    "module forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}",
                    stacklevel=4,
                )
