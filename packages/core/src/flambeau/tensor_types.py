"""`FloatTensor`, `LongTensor` and their like: PyTorch's old names for dtypes, to call, to compare with, to ask by.

Calling one makes a tensor of its dtype, `isinstance(x, FloatTensor)` asks for the dtype, `x.type(FloatTensor)` casts;
no tensor is ever of such a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._base import dtypes
from ._base.checks import check
from ._base.devices import CPU, default
from ._base.formats import strided
from .ops.construct import construct
from .runtime.tensor import Tensor

_KINDS = {
    "FloatTensor": dtypes.float32, "DoubleTensor": dtypes.float64, "HalfTensor": dtypes.float16,
    "BFloat16Tensor": dtypes.bfloat16, "LongTensor": dtypes.int64, "IntTensor": dtypes.int32,
    "ShortTensor": dtypes.int16, "CharTensor": dtypes.int8, "ByteTensor": dtypes.uint8, "BoolTensor": dtypes.bool_,
}  # fmt: skip


class TensorType(type):
    """The class of the old names."""

    dtype: dtypes.dtype
    layout = strided
    is_cuda = is_sparse = False

    def __instancecheck__(cls, instance: Any) -> bool:
        return (
            isinstance(instance, Tensor)
            and instance.dtype is cls.dtype
            and instance.device.type == "cpu"
            and instance.layout is strided
        )

    def __call__(cls, *args: Any, **kwargs: Any) -> Tensor:
        device = kwargs.get("device")
        check(
            device is None or str(device) == "cpu",
            lambda: (
                f"legacy constructor expects device type: cpu but device type: {device} was passed"
            ),
        )
        kwargs["device"] = CPU
        return of_kind(args, kwargs, cls.dtype)

    def __repr__(cls) -> str:
        return f"<class '{type_name(cls.dtype)}'>"


def of_kind(args: tuple, kwargs: dict[str, Any], kind: dtypes.dtype) -> Tensor:
    """What the old constructors make of their arguments, which may also be a storage."""
    if len(args) == 1 and hasattr(args[0], "untyped"):
        return construct(Tensor, (), kwargs, kind).set_(args[0])
    if len(args) == 1 and isinstance(args[0], Tensor) and kwargs.get("device") is CPU:
        kwargs.pop("device")
    return construct(Tensor, args, kwargs, kind)


def type_name(kind: dtypes.dtype, where: str = "cpu") -> str:
    """The old name of tensors of a dtype on a device, such as "torch.FloatTensor"."""
    name = next((n for n, k in _KINDS.items() if k is kind), None)
    middle = "" if where == "cpu" else f"{where}."
    return f"{dtypes.dtype.prefix}{middle}{name or kind.name}"


TYPES: tuple[Any, ...] = tuple(
    TensorType(name, (), {"dtype": kind, "__module__": __name__}) for name, kind in _KINDS.items()
)
globals().update({t.__name__: t for t in TYPES})
if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # FloatTensor and its like


def named_type(name: str) -> Any:
    """The type that a name such as "torch.FloatTensor" means; ValueError for another."""
    found = next((t for t in TYPES if name.rpartition(".")[2] == t.__name__), None)
    check(found is not None, lambda: f"invalid type: '{name}'", ValueError)
    return found


def set_default_tensor_type(t: Any) -> None:
    """Sets the default dtype, and the default device to the CPU, by one of the old names, such as FloatTensor.

    >>> import flambeau
    >>> flambeau.set_default_tensor_type(flambeau.DoubleTensor); flambeau.zeros(1).dtype
    flambeau.float64
    >>> flambeau.set_default_tensor_type("flambeau.FloatTensor")
    """
    made = named_type(t) if isinstance(t, str) else t
    check(
        isinstance(made, TensorType),
        lambda: f"invalid type object: expected a type such as FloatTensor, but got {t!r}",
        TypeError,
    )
    check(
        made.dtype.is_floating_point,
        lambda: f"only floating-point types are supported as the default type, got {made.__name__}",
        TypeError,
    )
    dtypes.set_default_dtype(made.dtype)
    default.device = CPU


def new(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """A tensor of this dtype and device from sizes, numbers, a tensor or a storage; PyTorch's old way.

    >>> import flambeau
    >>> flambeau.ones(1, dtype=flambeau.int64).new([1, 2])
    tensor([1, 2])
    """
    if not kwargs and self.device.type != "cpu":
        kwargs["device"] = self.device
    return of_kind(args, kwargs, self.dtype)
