"""Python's operators on tensors: arithmetic, comparisons, indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops  # fills the registry
from ..ops import creation, indexing
from ..ops import random as random_ops
from ..printing import tensor_repr
from ..runtime.operator import registry
from ..runtime.overrides import overrides
from ..runtime.signature import explained
from ..runtime.tensor import Tensor
from .attach import NUMBERS, method

ORDINARY = frozenset((Tensor, int, float))  # classes of operands that nobody need look at


def _operand(x: Any) -> Any:
    """NumPy operands as tensors; NotImplemented for what is none of ours."""
    if isinstance(x, (Tensor, *NUMBERS)):
        return x.item() if isinstance(x, np.generic) else x
    if isinstance(x, np.ndarray):
        return creation.from_numpy(x)
    return x if overrides(x.__class__) else NotImplemented


def _dunder(name: str, public: Callable[..., Any]) -> None:
    gave_way = getattr(public, "gave_way", public)  # the hot path need not be asked twice

    def general(self: Any, other: Any) -> Any:
        if other.__class__ in ORDINARY and isinstance(self, Tensor):
            return gave_way(self, other)
        if not isinstance(self, Tensor):
            self = _operand(self)
        other = _operand(other)
        return (
            NotImplemented
            if other is NotImplemented or self is NotImplemented
            else public(self, other)
        )

    forward = public.behind(general) if hasattr(public, "behind") else general

    def reflected(self: Tensor, other: Any) -> Any:
        if not isinstance(self, Tensor):
            raise TypeError(
                f"descriptor '__r{name}__' of Tensor does not apply to a '{self.__class__.__name__}' object"
            )
        other = _operand(other)
        return NotImplemented if other is NotImplemented else public(other, self)

    def augmented(self: Tensor, other: Any) -> Any:
        if other.__class__ not in ORDINARY:
            other = _operand(other)
        return NotImplemented if other is NotImplemented else twin(self, other)

    setattr(Tensor, f"__{name}__", forward)
    setattr(Tensor, f"__r{name}__", reflected)
    twin: Any = getattr(Tensor, public.__name__ + "_", None)
    if twin is not None:
        setattr(Tensor, f"__i{name}__", augmented)


_publics = {name: op.public for name, op in registry.items()}
for _dunder_name, _op_name in {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "true_divide", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "pow", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}.items():  # fmt: skip
    _dunder(_dunder_name, _publics[_op_name])


@method
def __rdiv__(self: Tensor, other: Any) -> Any:
    return self.reciprocal() * other


@method
def __itruediv__(self: Tensor, other: Any) -> Any:
    return self.div_(other)


for _new_name, _old_name in (("__div__", "__truediv__"), ("__idiv__", "__itruediv__")):
    setattr(Tensor, _new_name, getattr(Tensor, _old_name))


def _shift(name: str, word: str) -> None:
    """The operator of bits moved; imported when first used, as the operator behind it is."""

    def forward(self: Tensor, other: Any) -> Any:
        other = _operand(other)
        return NotImplemented if other is NotImplemented else getattr(self, word)(other)

    def reflected(self: Tensor, other: Any) -> Any:
        return getattr(ops.elementary, word)(other, self)

    def augmented(self: Tensor, other: Any) -> Any:
        other = _operand(other)
        return NotImplemented if other is NotImplemented else getattr(self, word + "_")(other)

    setattr(Tensor, f"__{name}__", forward)
    setattr(Tensor, f"__r{name}__", reflected)
    setattr(Tensor, f"__i{name}__", augmented)


_shift("lshift", "bitwise_left_shift")
_shift("rshift", "bitwise_right_shift")


def _comparison(name: str, public: Callable[..., Any]) -> None:
    def compare(self: Tensor, other: Any) -> Any:
        if other.__class__ in ORDINARY:
            return public(self, other)
        other = _operand(other)
        return NotImplemented if other is NotImplemented else public(self, other)

    setattr(Tensor, f"__{name}__", compare)


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _comparison(_name, _publics[_name])
for _name, _op_name in {"neg": "neg", "abs": "abs", "invert": "bitwise_not"}.items():
    setattr(Tensor, f"__{_name}__", _publics[_op_name])
method(indexing.getitem, "__getitem__")
method(indexing.setitem, "__setitem__")


@method
def __repr__(self: Tensor, *, tensor_contents: str | None = None) -> str:
    return tensor_repr(self, None, tensor_contents)


@method
def __hash__(self: Tensor) -> int:
    return id(self)


@method
def __pos__(self: Tensor) -> Tensor:
    return self


for _f in random_ops.INPLACE.values():
    method(explained(_f))
