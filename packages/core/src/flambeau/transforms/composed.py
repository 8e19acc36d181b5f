"""Tensors that are made of other tensors: sparse, masked and nested ones.

They have no `_array`, so that every call on them leaves the hot path and comes to `process`, which looks for a rule of
the operator in the table of their class. A rule is written with the parts, which are plain tensors, and public
operators; where there is none the call is refused by name, never computed on a dense copy.

Their history is not recorded call by call. `part` and `compose` are the two bridges on the tape: the gradient of a part
is a tensor of the whole's kind, the gradient of the whole is brought to the part. What happens to the parts in between
is recorded as always, so that a rule has gradients of all orders without saying a word about them.

Their level is below all interpreters': a batch or a dual number may be inside a part, not around the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._base import dtypes
from .._base.devices import device
from .._base.dtypes import dtype
from ..runtime import state, tape, writes
from ..runtime.meta import Meta
from ..runtime.operator import Operator
from ..runtime.overrides import disabled_torch_function
from ..runtime.tensor import Box, Leaf, Size, Tensor, alias, history, new, set_requires_grad

Pull = Callable[[Any], Any]


class Composed(Tensor):
    """A tensor of several parts, the tensors named in `fields`; `_sizes` is its shape."""

    _level = 0.5  # type: ignore[assignment]  # below forward mode and batches, whose levels are whole
    own_history = True  # dispatch.apply: the rules have recorded all
    __torch_function__ = disabled_torch_function
    fields: tuple[str, ...] = ()
    rules: dict[str, Callable[..., Any]] = {}  # of primitives, by name
    composites: dict[str, Callable[..., Any]] = {}  # of composites that are not to be opened up
    backend_name = "Composed"
    advice = "."
    _sizes: tuple[int, ...]

    @property
    def main(self) -> Tensor:
        """The part that has the dtype and the device."""
        return getattr(self, self.fields[-1])

    @property
    def shape(self) -> Size:
        return Size(self._sizes)

    @property
    def dtype(self) -> dtype:
        return self.main.dtype

    @property
    def device(self) -> device:
        return self.main.device

    @property
    def ndim(self) -> int:
        return len(self._sizes)

    @property
    def _meta(self) -> Meta:
        return Meta(tuple(self.shape), self.dtype, self.device)

    def process(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
        rule = self.rules.get(op.name)
        if rule is None:
            raise self.unsupported(op.name)
        made = rule(list(arrays), **attrs) if op.variadic else rule(*arrays, **attrs)
        if made is NotImplemented:
            raise self.unsupported(op.name)
        return made

    def unsupported(self, name: str) -> NotImplementedError:
        """The error for an operator without a rule, in PyTorch's words."""
        return NotImplementedError(
            f"Could not run 'aten::{name}' with arguments from the '{self.backend_name}{self.device.type.upper()}' "
            f"backend. There is no rule for it{self.advice}"
        )

    def assign(self, target: Tensor, value: Tensor) -> None:
        """The end of an in-place operator: `target` takes over the parts of `value`."""
        if type(target) is not type(value):
            kind = "a strided" if not isinstance(value, Composed) else f"a {value.layout}"
            raise RuntimeError(f"cannot write {kind} tensor into a {target.layout} tensor in place")
        self.take(target, value)
        target._bump()

    @staticmethod
    def take(target: Any, value: Any) -> None:
        """`target` with all that `value` is made of, its history aside."""
        for name, part in value.__dict__.items():
            if name not in ("_node", "_box", "_grad"):
                target.__dict__[name] = part

    def wrapper_repr(self) -> str:
        raise NotImplementedError

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        if id(self) in memo:
            return memo[id(self)]
        node = history(self)
        if node is not None and not isinstance(node, Leaf):
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment."
            )
        made = memo[id(self)] = new(type(self))
        for name, value in self.__dict__.items():
            if name not in ("_node", "_box", "_grad"):
                made.__dict__[name] = copy.deepcopy(value, memo)
        if node is not None:
            set_requires_grad(made, True)
        if self.grad is not None:
            made._grad = copy.deepcopy(self.grad, memo)
        return made

    def __reduce_ex__(self, protocol: Any) -> tuple:
        node = history(self)
        if node is not None and not isinstance(node, Leaf):
            raise RuntimeError(
                "pickling a tensor that was computed under autograd is not possible; pickle tensor.detach() instead"
            )
        parts = {k: v for k, v in self.__dict__.items() if k not in ("_node", "_box", "_grad")}
        return _rebuilt, (type(self), parts, node is not None)

    def _become(self, made: Any) -> Any:
        writes.check_writable(self)
        self.take(self, made)
        self._node = made._node
        self._bump()
        return self

    def t_(self) -> Any:
        return self._become(self.t())

    def transpose_(self, dim0: int, dim1: int) -> Any:
        return self._become(self.transpose(dim0, dim1))

    def unsqueeze_(self, dim: int) -> Any:
        return self._become(self.unsqueeze(dim))

    def squeeze_(self, dim: Any = None) -> Any:
        return self._become(self.squeeze(dim))

    def share_memory_(self) -> Any:
        for name in self.fields:
            getattr(self, name).share_memory_()
        return self

    def set_(self, *args: Any, **kwargs: Any) -> Any:
        raise self.unsupported("set_")

    def data_ptr(self) -> int:
        raise RuntimeError(f"a {self.layout} tensor is several memories and has no data_ptr")

    def stride(self, dim: int | None = None) -> Any:
        raise RuntimeError(f"{self.layout} tensors do not have strides")

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError(
            f"can't convert {self.layout} layout tensor to numpy. Use Tensor.to_dense() first."
        )

    def tolist(self) -> Any:
        raise RuntimeError(f"tolist(): not for {self.layout} tensors; use to_dense() first")

    @property
    def data(self) -> Any:
        return alias(self)

    @data.setter
    def data(self, value: Any) -> None:
        if type(value) is not type(self):
            raise RuntimeError(
                f"Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have incompatible "
                f"tensor type: {self.layout} and {value.layout}."
            )
        self.take(self, value)


def _rebuilt(cls: type, parts: dict[str, Any], requires_grad: bool) -> Any:
    made: Any = new(cls)
    made.__dict__.update(parts)
    if requires_grad:
        set_requires_grad(made, True)
    return made


class Bridge:
    """What a node of `link` has for an operator: a name, and the functions that pull gradients back."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def vjp_rule(self) -> Bridge:
        return self

    def pullback(self, node: tape.Node, g: Any, needs: tuple) -> Sequence[Any]:
        pulls = tape.unpack(node)[1]
        return [pull(g) if need else None for pull, need in zip(pulls, needs)]

    fast = pullback


def link(made: Any, name: str, sources: Sequence[Any], pulls: Sequence[Pull]) -> Any:
    """`made` with a node on the tape through which pulls[i](g) is the gradient of sources[i]."""
    if state.local.grad and made.dtype.category >= dtypes.FLOAT:
        edges = tuple([history(s) if isinstance(s, Tensor) else None for s in sources])
        if any(e is not None for e in edges):
            node = new(tape.Node)
            node.op, node.edges, node.saved = Bridge(name), edges, ("context", tuple(pulls))
            made._node = node
    return made


def bare(tensor: Tensor) -> Tensor:
    """The same memory without history, to be kept as a part."""
    return alias(tensor) if history(tensor) is not None else tensor


def boxed(tensor: Tensor) -> Tensor:
    """A new tensor object over a part, sharing memory and versions with it."""
    if tensor._box is None:
        tensor._box = Box()
    return alias(tensor)
