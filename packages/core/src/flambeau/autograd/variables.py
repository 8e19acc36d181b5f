"""`Variable`, from the time when tensors and variables were two things: now it makes tensors, and every tensor is one."""

from __future__ import annotations

from typing import Any

from ..runtime.tensor import Tensor


class VariableMeta(type):
    """Makes every tensor an instance of Variable."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=VariableMeta):
    """`Variable(tensor, requires_grad=False)`: the tensor, as a leaf of its own.

    >>> import flambeau
    >>> x = flambeau.autograd.Variable(flambeau.ones(2), requires_grad=True)
    >>> x.requires_grad, isinstance(flambeau.ones(1), flambeau.autograd.Variable)
    (True, True)
    """

    def __new__(  # type: ignore[misc]
        cls, data: Tensor | None = None, requires_grad: bool = False, volatile: Any = None
    ) -> Tensor:
        from ..ops.creation import empty

        if data is not None and not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        made = empty(0) if data is None else data.detach()
        if requires_grad:
            made.requires_grad_()
        return made


def variable(*args: Any, **kwargs: Any) -> Any:
    """Refused, as in PyTorch: tensors are made by `tensor`."""
    raise RuntimeError("torch.autograd.variable(...) is deprecated, use torch.tensor(...) instead")
