"""Tensors that stand for something else: a value with a tangent, a batch of values. Their level orders nested ones.

A wrapper has no `_array`, so that calls on it leave the hot path and reach `process` of the highest level involved.
It can carry tape history like any tensor: reverse mode composes with the other interpreters by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._base.devices import device
from .._base.dtypes import dtype
from ..runtime.meta import Meta
from ..runtime.operator import Operator
from ..runtime.overrides import disabled_torch_function
from ..runtime.tensor import Size, Tensor, history

_levels = 0


def new_level() -> int:
    """A level above all that were given out before: what is entered later is further in."""
    global _levels
    _levels += 1
    return _levels


class Wrapper(Tensor):
    """A tensor around `value`, another tensor."""

    value: Tensor
    own_history = False  # a call on it is recorded as one call
    __torch_function__ = disabled_torch_function

    @property
    def shape(self) -> Size:
        return self.value.shape

    @property
    def dtype(self) -> dtype:
        return self.value.dtype

    @property
    def device(self) -> device:
        return self.value.device

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def _meta(self) -> Meta:
        return Meta(self.shape, self.dtype, self.device)

    def single(self) -> Any:
        """The one number, where a wrapper has one."""
        raise RuntimeError(
            "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a "
            "Tensor, please try to rewrite what you're doing with other operations, such as where() for a branch."
        )

    def detached(self) -> Tensor:
        """The same memory without tangents and without histories, at any level."""
        raise NotImplementedError

    def process(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
        raise NotImplementedError

    def assign(self, target: Tensor, value: Tensor) -> None:
        raise NotImplementedError


def histories(tensor: Tensor) -> Iterator[Any]:
    """The tape nodes of a tensor and of everything it stands for."""
    node = history(tensor)
    if node is not None:
        yield node
    if tensor._level:
        for name in ("value", "tangent"):
            inner = tensor.__dict__.get(name)
            if inner is not None:
                yield from histories(inner)


def each(made: Any, wrap: Any) -> Any:
    """`wrap` over one result or each of several, keeping named tuples."""
    if isinstance(made, tuple):
        parts = [wrap(m) for m in made]
        return type(made)(*parts) if hasattr(made, "_fields") else tuple(parts)
    return wrap(made)
