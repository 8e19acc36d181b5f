"""Inference tensors: those made in inference mode. Autograd never meets them, outside the mode either.

What says so is the box that all views of a memory share, so that views of an inference tensor are inference tensors and views
of others, made in the mode, are not. Such a box refuses to be read by who saves for backward and to be counted up by who
writes, unless this thread is in inference mode: the places that do either ask no question of their own, and calls outside the
mode pay nothing. Inside, each new tensor costs 0.2 us more: while any thread is in the mode, `new` in the modules that make
tensors is another function.
"""

from __future__ import annotations

import threading
from typing import Any

from . import state, tensor
from .tensor import Tensor

local, plain = state.local, object.__new__
_lock = threading.Lock()
_modes = 0  # in force, in all threads
_makers: list[tuple[dict[str, Any], str]] = []


class InferenceBox:
    """The box of an inference tensor's memory. Its defaults are the class's: making one is one allocation."""

    tracked = False
    exposed = False
    generation = 0
    count = 0

    @property
    def version(self) -> int:
        """For whoever saves the tensor for backward."""
        if not local.inference:
            raise RuntimeError(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode "
                "in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor "
                "and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
            )
        return self.count

    @property
    def written(self) -> int:
        """For whoever writes."""
        if not local.inference:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get "
                "a normal tensor before doing inplace update."
            )
        return self.count

    @written.setter
    def written(self, value: int) -> None:
        self.count = value


def writes(tensor: Tensor) -> int:
    """How often a tensor's memory was written, which is known of inference tensors too."""
    box: Any = tensor._box
    return 0 if box is None else box.version if box.tracked else box.count


def check_written(tensor: Tensor) -> None:
    """RuntimeError for an inference tensor that is to be written outside inference mode."""
    if tensor._box is not None:
        _ = tensor._box.written


def of_kind(made: Any, source: Tensor) -> Any:
    """`made`, which has `source`'s memory and versions of its own, as an inference tensor if `source` is one."""
    kind = source._box is not None and not source._box.tracked
    if kind or local.inference:
        made._box = InferenceBox() if kind else None
    return made


def _new(cls: type) -> Any:
    """`object.__new__`; a plain tensor made by a thread in inference mode is an inference tensor."""
    made: Any = plain(cls)
    if cls is Tensor and local.inference:
        made._box = plain(InferenceBox)
    return made


def makes_tensors(scope: dict[str, Any], name: str = "new") -> None:
    """Says that the code whose globals are `scope` makes tensors by calling `name`."""
    with _lock:
        _makers.append((scope, name))
        if _modes:
            scope[name] = _new


def switch(on: bool) -> None:
    """Counts a thread that enters inference mode or leaves it."""
    global _modes
    with _lock:
        before, _modes = _modes, _modes + (1 if on else -1)
        if (before == 0) != (_modes == 0):
            made = _new if _modes else plain
            for scope, name in _makers:
                scope[name] = made


makes_tensors(vars(tensor))
