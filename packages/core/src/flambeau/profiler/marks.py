"""Entries that are no operators: steps of optimizers, and on demand calls of modules."""

from __future__ import annotations

from typing import Any

from flambeau.autograd.profiler import record_function

__all__ = ["Marks"]


class Marks:
    """Hooks that mark steps of optimizers and, with `modules`, calls of modules, until they are removed."""

    def __init__(self, modules: bool) -> None:
        from flambeau.optim.optimizer import (
            register_optimizer_step_post_hook,
            register_optimizer_step_pre_hook,
        )

        self._open: list[tuple[Any, record_function]] = []
        self._handles = [
            register_optimizer_step_pre_hook(self._step_begins),
            register_optimizer_step_post_hook(self._ends),
        ]
        if modules:
            from flambeau.nn.modules._global_hooks import (
                register_module_forward_hook,
                register_module_forward_pre_hook,
            )

            self._handles.append(register_module_forward_pre_hook(self._module_begins))
            self._handles.append(register_module_forward_hook(self._ends, always_call=True))

    def remove(self) -> None:
        """Takes the hooks off."""
        for handle in self._handles:
            handle.remove()
        while self._open:
            self._open.pop()[1].__exit__(None, None, None)

    def _step_begins(self, optimizer: Any, *_: Any) -> None:
        self._begin(optimizer, f"Optimizer.step#{type(optimizer).__name__}.step")

    def _module_begins(self, module: Any, *_: Any) -> None:
        self._begin(module, f"nn.Module: {type(module).__name__}")

    def _begin(self, what: Any, name: str) -> None:
        mark = record_function(name)
        mark.__enter__()
        self._open.append((what, mark))

    def _ends(self, what: Any, *_: Any) -> None:
        """The latest call of `what` is over; those inside it that an exception left open, too."""
        if not any(of is what for of, _ in self._open):
            return
        while self._open:
            of, mark = self._open.pop()
            mark.__exit__(None, None, None)
            if of is what:
                return
