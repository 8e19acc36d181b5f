"""History: backward, hooks, `requires_grad`, `data`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..runtime import state, tape
from ..runtime.inference import of_kind
from ..runtime.operator import registry
from ..runtime.tensor import Leaf, Tensor, alias, history, set_requires_grad, wrap
from .attach import attribute, method


@method
def detach(self: Tensor) -> Tensor:
    """The same memory without history."""
    if state.active and state.local.modes:
        made = registry["stop_gradient"].public(self)
        made._box = alias(self)._box
        return made
    return self.detached() if self._level >= 1 else alias(self)  # type: ignore[attr-defined]


@method
def detach_(self: Tensor) -> Tensor:
    """Drops this tensor's history."""
    if self._base is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._node = None
    return self


@method
def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Says whether gradients are to be kept for this leaf."""
    set_requires_grad(self, requires_grad)
    return self


_backward: Any = None  # autograd.engine.backward, once it is needed


@method
def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds the gradient of this tensor to the `.grad` of the leaves it was computed from."""
    global _backward
    if _backward is None:
        from ..autograd.engine import backward as _backward
    _backward(self, gradient, retain_graph, create_graph, inputs=inputs)


@method
def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> tape.Handle:
    """`hook(grad)` whenever a gradient for this tensor is computed; may return another gradient."""
    node = history(self)
    if node is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node.hooks = node.hooks or {}
    return tape.Handle(node.hooks, hook)


@method
def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> tape.Handle:
    """`hook(tensor)` after a gradient was added to this leaf's `.grad`."""
    node = history(self)
    if not isinstance(node, Leaf):
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    node.post_hooks = node.post_hooks or {}
    return tape.Handle(node.post_hooks, hook)


@method
def retain_grad(self: Tensor) -> None:
    """Keeps `.grad` of this tensor although it is no leaf."""
    node = history(self)
    if node is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if isinstance(node, Leaf) or self.__dict__.get("_retains"):
        return
    import weakref

    target = weakref.ref(self)

    def keep(g: Tensor) -> None:
        tensor = target()
        if tensor is not None:
            tensor._grad = g if tensor._grad is None else tensor._grad + g

    self.__dict__["_retains"] = self.register_hook(keep)


@method
def _is_view(self: Tensor) -> bool:
    """Whether this looks at another tensor's memory."""
    return self._base is not None


@attribute
def retains_grad(self: Tensor) -> bool:
    """Whether `retain_grad` was called on a tensor that is no leaf."""
    return bool(self.__dict__.get("_retains"))


def data(self: Tensor) -> Tensor:
    """The values without history, over the same memory, whose writes autograd does not see."""
    if state.active or self._level:
        return self.detach()
    self._expose()
    return of_kind(wrap(self._array), self)


def _set_data(self: Tensor, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {value.__class__.__name__}")
    self._array = value._array
    if value._box is not None and not value._box.tracked:
        self._box = value._box
    if state.active:
        state.leaves(self, ".data = ")


attribute(data, _set_data)


def grad_dtype(self: Tensor) -> Any:
    """The dtype that an assigned gradient must have; None: any."""
    from ..seldom import grad_dtype

    return grad_dtype(self)


def _set_grad_dtype(self: Tensor, dtype: Any) -> None:
    from ..seldom import set_grad_dtype

    set_grad_dtype(self, dtype)


attribute(grad_dtype, _set_grad_dtype)
