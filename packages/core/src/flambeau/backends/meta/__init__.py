"""The meta device: tensors with shape and dtype and no data. Every operator runs on it through its shape rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..._base.checks import contiguous_strides
from ..._base.devices import META, device
from ...runtime import backend as protocol
from ...runtime.infer import infer
from ...runtime.meta import Meta
from ...runtime.operator import Operator

NO_DATA = "Cannot copy out of meta tensor; no data!"


class MetaArray:
    """What stands where an array would: shape, dtype, and the strides of a dense array."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape, self.dtype = tuple(shape), dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        n = 1
        for s in self.shape:
            n *= s
        return n

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(s * self.itemsize for s in contiguous_strides(self.shape))

    @property
    def flags(self) -> Any:
        return _FLAGS

    base = None

    def copy(self) -> MetaArray:
        return MetaArray(self.shape, self.dtype)

    def __repr__(self) -> str:
        return f"MetaArray({self.dtype}{list(self.shape)})"


class _Flags:
    c_contiguous = writeable = True


_FLAGS = _Flags()


class MetaBackend:
    """Arrays without data."""

    name = "meta"
    kernels = "meta"
    xp: Any = None
    providers: list[Any] = []

    def device_of(self, array: Any) -> device:
        return META

    def asarray(self, array: Any, device: device) -> MetaArray:
        return array if isinstance(array, MetaArray) else MetaArray(array.shape, array.dtype)

    def to_numpy(self, array: MetaArray) -> np.ndarray:
        raise NotImplementedError(NO_DATA)

    def shares(self, made: Any, source: Any) -> bool:
        return True

    def own_kernel(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Callable[..., Any]:
        """The shape rule as a kernel."""

        def kernel(xp: Any, *raw: Any, **attrs: Any) -> Any:
            from ..._base.dtypes import from_numpy

            metas = tuple(
                Meta(a.shape, from_numpy(a.dtype), META) if hasattr(a, "shape") else a for a in raw
            )
            made = infer(op, metas, attrs)
            if isinstance(made, tuple):
                return tuple(MetaArray(m.shape, m.dtype.numpy) for m in made)
            if made.device != META:
                raise NotImplementedError(NO_DATA)
            return MetaArray(made.shape, made.dtype.numpy)

        return kernel


backend = MetaBackend()
protocol.register_class(MetaArray, backend)
