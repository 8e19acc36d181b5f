"""Tensors of another dtype or on another device, and as Python's and NumPy's objects."""

from __future__ import annotations

import operator as python
from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex

import numpy as np

from .._base import dtypes
from .._base.checks import check
from .._base.devices import CPU
from .._base.devices import device as Device
from ..ops import casting, creation
from ..runtime import state
from ..runtime.backend import of_array
from ..runtime.signature import explained
from ..runtime.tensor import Tensor, history, wrap
from .attach import NUMBERS, method


@method
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`: self where nothing changes, unless copy=True."""
    if not kwargs and len(args) == 1:
        wanted, array = args[0], self.__dict__.get("_array")
        if wanted.__class__ is dtypes.dtype:
            return self if self.dtype is wanted else casting.to_dtype(self, wanted)
        if (
            wanted is CPU or (wanted.__class__ is str and wanted == "cpu")
        ) and array.__class__ is np.ndarray:
            return self
        if wanted.__class__ is Tensor and array.__class__ is np.ndarray:
            other = wanted._array
            if other.__class__ is np.ndarray and other.dtype is array.dtype:
                return self
    device, dtype, copy = parse_to(args, kwargs)
    return casting.convert(self, dtype, device, copy, kwargs.get("memory_format"))


def parse_to(
    args: tuple, kwargs: dict[str, Any]
) -> tuple[Device | None, dtypes.dtype | None, bool]:
    """(device, dtype, copy) of the arguments of `to`."""
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    copy = kwargs.get("copy", False)
    rest: list[Any] = []
    for a in args:
        if isinstance(a, Tensor):
            device, dtype = a.device, a.dtype
        elif isinstance(a, dtypes.dtype) or a in (float, bool):
            dtype = creation.as_dtype(a)
        elif isinstance(a, (str, Device)) or type(a) is int:
            device = a
        else:
            rest.append(a)
    flags = [r for r in rest if isinstance(r, bool)]
    if len(flags) > 1:
        copy = flags[1]
    if device is not None:
        device = device if isinstance(device, Device) else Device(device)
    return device, None if dtype is None else creation.as_dtype(dtype), bool(copy)


def _caster(target: dtypes.dtype) -> Callable[[Tensor], Tensor]:
    def cast(self: Tensor, memory_format: Any = None) -> Tensor:
        return casting.convert(self, target, None, memory_format=memory_format)

    cast.__doc__ = f"The tensor in dtype {target.name}; self if it has it already."
    return cast


for _alias, _d in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "long": dtypes.int64, "int": dtypes.int32, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "chalf": dtypes.complex32, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}.items():  # fmt: skip
    setattr(Tensor, _alias, _caster(_d))


@method
@explained
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype and on the device of `other`."""
    return casting.convert(self, other.dtype, other.device)


@method
def type(self: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """The type's name, such as "torch.FloatTensor"; with `dtype` (a dtype, such a name or type) the tensor in it."""
    from ..tensor_types import named_type, type_name

    if dtype is None:
        return type_name(self.dtype, self.device.type)
    if isinstance(dtype, str):
        dtype = named_type(dtype)
    dtype = dtype if isinstance(dtype, dtypes.dtype) else getattr(dtype, "dtype", None)
    check(
        isinstance(dtype, dtypes.dtype),
        lambda: (
            "type(): argument 'dtype' must be a dtype, a type such as FloatTensor, or the name of one"
        ),
        TypeError,
    )
    return casting.convert(self, dtype, None)


del type  # Python's own is needed below; the method stays


@method
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor on the CPU."""
    return casting.convert(self, None, CPU, memory_format=memory_format)


@method
def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """The tensor on a CUDA device (the current one unless given)."""
    return casting.convert(
        self, None, Device("cuda") if device is None else creation.as_device(device)
    )


# -- to Python and NumPy ---------------------------------------------------------------------------------------------------


@method
def item(self: Tensor) -> Any:
    """The one element as a Python number."""
    array = self.__dict__.get("_array")
    if array.__class__ is np.ndarray and array.size == 1 and not state.active:
        if array.dtype.kind in "fiub":
            return array.item()
    value = _element(self)
    return state.number(self, "item", value) if state.active and not self._level else value


def _element(self: Tensor) -> Any:
    """The one element as a Python number, without a word to tracers."""
    if self._level:
        return self.single()  # type: ignore[attr-defined]
    array = of_array(self._array).to_numpy(self._array)
    if array.size != 1:
        raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
    value = array.item()
    if array.dtype.names:  # complex32
        return complex(*value)
    return value if isinstance(value, NUMBERS) else float(value)


@method
def tolist(self: Tensor) -> Any:
    """Nested lists of Python numbers."""
    array: Any = self.__dict__.get("_array")
    usual = type(array) is np.ndarray and array.dtype.kind in "fiub"
    value = array.tolist() if usual else _elements(self)
    return state.number(self, "tolist", value) if state.active else value


def _elements(self: Tensor) -> Any:
    array = self.cpu().detach()._array
    if self.dtype is dtypes.complex32:
        return _elements(self.detach().to(dtypes.complex64))
    if array.dtype.kind == "V" or self.dtype.name == "bfloat16":
        array = array.astype("float32")
    return array.tolist()


@method
def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The NumPy array over the same memory; `force` detaches and copies to the CPU where needed."""
    if force:
        return self.detach().cpu().numpy()
    if history(self) is not None and state.local.grad:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self.device.type != "cpu":
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )
    if state.active:
        state.leaves(self, "numpy()")
    if self.dtype.name in ("bfloat16", "complex32"):
        name = "BFloat16" if self.dtype.name == "bfloat16" else "ComplexHalf"
        raise TypeError(f"Got unsupported ScalarType {name}")
    self._expose()
    return self._array


@method
def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    array = self.numpy()
    if dtype is not None and np.dtype(dtype) != array.dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@method
def __array_wrap__(
    self: Tensor, array: Any, context: Any = None, return_scalar: bool = False
) -> Tensor:
    return wrap(np.asarray(array))


@method
def __array_ufunc__(self: Tensor, ufunc: Any, how: str, *inputs: Any, **kwargs: Any) -> Any:
    """NumPy's functions on tensors give tensors; ndarray's own operators give way to ours."""
    if how == "__call__" and not kwargs and len(inputs) == 2:
        first = inputs[0]
        if isinstance(first, (np.ndarray, np.generic)):
            reflected = _REFLECTED.get(ufunc.__name__)
            if reflected is not None:
                return getattr(self, reflected)(
                    first.item() if isinstance(first, np.generic) else first
                )
    arrays = [x.numpy() if isinstance(x, Tensor) else x for x in inputs]
    out = kwargs.get("out")
    if out is not None:
        kwargs["out"] = tuple(o.numpy() if isinstance(o, Tensor) else o for o in out)
    made = getattr(ufunc, how)(*arrays, **kwargs)
    if out is not None and len(out) == 1:
        return out[0]
    if how == "outer" or not isinstance(made, (np.ndarray, np.generic)):
        return made
    return wrap(np.asarray(made))


_REFLECTED = {
    "add": "__radd__", "subtract": "__rsub__", "multiply": "__rmul__", "true_divide": "__rtruediv__",
    "divide": "__rtruediv__", "floor_divide": "__rfloordiv__", "power": "__rpow__", "matmul": "__rmatmul__",
    "remainder": "__rmod__", "equal": "__eq__", "not_equal": "__ne__", "less": "__gt__", "greater": "__lt__",
    "less_equal": "__ge__", "greater_equal": "__le__",
}  # fmt: skip


@method
def __dlpack__(
    self: Tensor,
    *,
    stream: Any = -1,
    max_version: Any = None,
    dl_device: Any = None,
    copy: Any = None,
) -> Any:
    from ..interchange import dlpack_of

    return dlpack_of(self, None if stream == -1 else stream, max_version, dl_device, copy)


@method
def __dlpack_device__(self: Tensor) -> Any:
    return self._array.__dlpack_device__()


@method
def __len__(self: Tensor) -> int:
    array = self.__dict__.get("_array")
    if array.__class__ is np.ndarray and array.ndim:
        return len(array)
    if not self.ndim:
        raise TypeError("len() of a 0-d tensor")
    return self.shape[0]


@method
def __iter__(self: Tensor) -> Iterator[Tensor]:
    if not self.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


@method
def __contains__(self: Tensor, element: Any) -> bool:
    return bool((self == element).any())


@method
def __bool__(self: Tensor) -> bool:
    array = self.__dict__.get("_array")
    if array.__class__ is np.ndarray and array.size == 1 and not state.active:
        return bool(array.item())
    n = self.numel()
    if n != 1:
        what = "more than one value" if n > 1 else "no values"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    value = bool(_element(self))
    return state.number(self, "bool", value) if state.active and not self._level else value


@method
def is_nonzero(self: Tensor) -> bool:
    """Whether the one element is not zero."""
    return self.__bool__()


def _number(name: str, kind: Callable[[Any], Any]) -> None:
    def convert(self: Tensor) -> Any:
        array = self.__dict__.get("_array")
        if array.__class__ is np.ndarray and array.size == 1 and not state.active:
            if array.dtype.kind in "fiub":
                return kind(array.item())
        if self.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        value = kind(_element(self))
        told = state.active and not self._level
        return state.number(self, kind.__name__, value) if told else value

    convert.__annotations__["return"] = (
        kind.__name__
    )  # what a type checker is told (tools/stubs.py)
    setattr(Tensor, name, convert)


_number("__float__", float)
_number("__int__", int)
_number("__complex__", complex)


@method
def __index__(self: Tensor) -> int:
    if self.dtype.category > dtypes.INT or self.numel() != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return python.index(int(self.item()))


@method
def __format__(self: Tensor, spec: str) -> str:
    if self.ndim == 0 and not self._level and self.device.type != "meta":
        return format(self.item(), spec)
    return object.__format__(self, spec)


@method
def __reversed__(self: Tensor) -> Tensor:
    return self.flip(tuple(range(self.ndim))) if self.ndim else self


@method
def __deepcopy__(self: Tensor, memo: dict[Any, Any]) -> Tensor:
    from ..seldom import deep_copy

    return deep_copy(self, memo)


@method
def __reduce_ex__(self: Tensor, protocol: SupportsIndex) -> tuple:
    from ..seldom import reduced

    return reduced(self)
