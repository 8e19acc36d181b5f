"""`FloatTensor`, `FloatStorage` and their like on a GPU: PyTorch's old names for a dtype there.

They can be named and asked by (`isinstance`) anywhere; calling one makes a tensor or storage on the current GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import storage, tensor_types
from .._base.checks import check
from .._base.formats import strided
from ..runtime.tensor import Tensor
from .devices import is_available, runtime


class _TensorType(tensor_types.TensorType):
    is_cuda = True

    def __instancecheck__(self, instance: Any) -> bool:
        return (
            isinstance(instance, Tensor)
            and instance.dtype is self.dtype
            and instance.device.type == "cuda"
            and instance.layout is strided
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        check(
            is_available(),
            lambda: f"type {self!r} not available: there is no GPU that flambeau can use",
            TypeError,
        )
        kwargs.setdefault("device", "cuda")
        return tensor_types.of_kind(args, kwargs, self.dtype)

    def __repr__(self) -> str:
        return tensor_types.type_name(self.dtype, "cuda")


class _StorageType(storage._Legacy):
    def __instancecheck__(self, instance: Any) -> bool:
        kind = self.__dict__["dtype"]
        return (
            type(instance) is storage.TypedStorage
            and instance.dtype is kind
            and instance.device.type == "cuda"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        runtime()
        kwargs.setdefault("device", "cuda")
        return storage.TypedStorage(*args, dtype=self.__dict__["dtype"], **kwargs)


TYPES: dict[str, Any] = {
    **{
        kind.__name__: _TensorType(kind.__name__, (), {"dtype": kind.dtype, "__module__": __package__})
        for kind in tensor_types.TYPES
    },
    **{
        kind.__name__: _StorageType(kind.__name__, (), {"dtype": kind.dtype, "__module__": __package__})
        for kind in storage.LEGACY
    },
}  # fmt: skip
globals().update(TYPES)
if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # FloatTensor and its like
