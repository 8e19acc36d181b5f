"""In which strides gradients are kept."""

from __future__ import annotations

from typing import Any

from ..runtime import state
from .modes import _Mode

local = state.local


class enforce_grad_layout_policy(_Mode):
    """Whether `.grad` is always laid out densely (the default); with `False` a gradient is kept as it comes.

    Saves a copy where a gradient is, say, a transposed product. Works at once, as a context manager until its end, and
    as a decorator; per thread.

    >>> import flambeau
    >>> w = flambeau.ones(2, 3, requires_grad=True)
    >>> with flambeau.autograd.enforce_grad_layout_policy(False):
    ...     (flambeau.ones(4, 3) @ w.t()).sum().backward()
    >>> w.grad.shape
    flambeau.Size([2, 3])
    """

    def __new__(cls, enable: bool = True) -> Any:
        return object.__new__(cls)

    def __init__(self, enable: bool = True) -> None:
        self.enable, self.prev = enable, not local.any_layout
        local.any_layout = not enable

    def again(self) -> Any:
        return enforce_grad_layout_policy(self.enable)

    clone = again

    def __call__(self, orig_func: Any) -> Any:
        local.any_layout = not self.prev
        return super().__call__(orig_func)

    def __enter__(self) -> None:
        local.any_layout = not self.enable

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        local.any_layout = not self.prev
