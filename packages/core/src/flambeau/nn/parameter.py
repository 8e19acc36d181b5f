"""Tensors that a Module owns: `Parameter` (trained) and `Buffer` (kept, not trained).

Assigning one of them to a module's attribute registers it there. `UninitializedParameter` is a
parameter whose shape is not known yet; anything but `materialize` refuses to work on it.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

from flambeau.autograd import no_grad
from flambeau.ops.creation import empty
from flambeau.runtime.overrides import Live, disabled_torch_function, overrides
from flambeau.runtime.tensor import Tensor, new


def _over(cls: type, data: Tensor, requires_grad: bool) -> Any:
    """A tensor of class `cls` over the memory of `data`, without its history."""
    made: Any = new(cls)
    made.__dict__.update(data.detach().__dict__)
    made.__dict__.pop("_live", None)
    if overrides(cls):
        made.__dict__["_live"] = Live()
    made.requires_grad_(requires_grad)
    return made


class Parameter(Tensor):
    """A tensor that is a module's parameter: it requires a gradient and appears in `parameters()`.

    Args:
        data: the values; shares memory with them. ``None`` means an empty tensor.
        requires_grad: whether gradients are collected in ``.grad``.

    >>> import flambeau
    >>> flambeau.nn.Parameter(flambeau.ones(2)).requires_grad
    True
    """

    __torch_function__ = disabled_torch_function  # what is computed from one is a plain tensor

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Parameter: data must be a Tensor, got {type(data).__name__}; "
                "convert it first with flambeau.tensor(...)"
            )
        if isinstance(data._level, float):
            raise TypeError(
                f"Parameter: a {type(data).__name__} cannot be one; make its values a parameter, or it a buffer"
            )
        return _over(cls, data, requires_grad)

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        """All work is done in ``__new__``, which shares the memory of ``data``."""

    def __deepcopy__(self, memo: dict[Any, Any]) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    # mypy forgets the names of a stub's arguments where the method has underscores.
    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__(tensor_contents=tensor_contents)  # type: ignore[call-arg]

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return _rebuild_parameter, (type(self), self.data, self.requires_grad)


def _rebuild_parameter(cls: type[Parameter], data: Tensor, requires_grad: bool) -> Parameter:
    """Make a parameter out of its pickled parts."""
    return cls(data, requires_grad)


class _BufferMeta(type):
    """Makes ``isinstance(tensor, Buffer)`` look at the mark, since a buffer is a plain Tensor."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that belongs to a module's state without being trained.

    Args:
        data: the values; shares memory with them. ``None`` means an empty tensor.
        persistent: whether `state_dict` contains it.

    >>> import flambeau
    >>> isinstance(flambeau.nn.Buffer(flambeau.ones(2)), flambeau.nn.Buffer)
    True
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = empty(0)
        buffer: Any = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


class UninitializedTensorMixin:
    """What a parameter and a buffer without a shape share: becoming one with a shape, and refusing to tell it before."""

    data: Any
    cls_to_become: Any = None

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary one of this shape, with memory that is not initialised."""
        with no_grad():
            self.data = empty(
                shape, device=device or self.data.device, dtype=dtype or self.data.dtype
            )
        changed: Any = self
        changed.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens "
            "in `load_state_dict` when trying to load an uninitialized parameter into an initialized "
            "one. Call `forward` to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize "
            "the parameters before calling `module.share_memory()`."
        )

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]  # as above
    """A parameter whose shape is learnt later, at the first call of a lazy module.

    >>> import flambeau
    >>> p = flambeau.nn.UninitializedParameter()
    >>> p.materialize((2, 3))
    >>> p.shape
    flambeau.Size([2, 3])
    """

    cls_to_become = Parameter

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> UninitializedParameter:
        data = empty(0, device=device, dtype=dtype)
        return _over(cls, data, requires_grad)

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        """All work is done in ``__new__``."""

    def __deepcopy__(self, memo: dict[Any, Any]) -> UninitializedParameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return UninitializedParameter, (self.requires_grad,)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]  # as above
    """A buffer whose shape is learnt later, at the first call of a lazy module.

    >>> import flambeau
    >>> b = flambeau.nn.UninitializedBuffer()
    >>> b.materialize((2,))
    >>> b.shape
    flambeau.Size([2])
    """

    cls_to_become = Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> UninitializedBuffer:
        made = _over(cls, empty(0, device=device, dtype=dtype), requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made

    def __init__(
        self,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> None:
        """All work is done in ``__new__``."""

    def __deepcopy__(self, memo: dict[Any, Any]) -> UninitializedBuffer:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return UninitializedBuffer, (self.requires_grad,)


def is_lazy(param: Any) -> bool:
    """Whether this is a parameter or a buffer whose shape is not known yet.

    >>> is_lazy(Parameter())
    False
    """
    return isinstance(param, UninitializedTensorMixin)
