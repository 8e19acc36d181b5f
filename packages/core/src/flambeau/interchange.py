"""Tensors from and to what is not a tensor: buffers, files, arrays of other libraries (DLPack, `asarray`)."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from ._base import dtypes
from ._base.checks import check
from ._base.devices import CPU
from .ops import casting, creation
from .runtime import state
from .runtime.backend import of_device
from .runtime.memory import aligned
from .runtime.tensor import Tensor, alias, set_requires_grad, wrap
from .storage import is_storage, mapped


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A flat tensor over the memory of a buffer: `count` elements (-1: all), from byte `offset` on.

    >>> import flambeau
    >>> flambeau.frombuffer(bytearray(b"abc"), dtype=flambeau.uint8)
    tensor([97, 98, 99], dtype=flambeau.uint8)
    """
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    kind = creation.as_dtype(dtype)
    size, have = kind.itemsize, view.nbytes
    check(have > 0 and count != 0, lambda: f"both buffer length ({have}) and count ({count}) must not be 0", ValueError)  # fmt: skip
    check(
        0 <= offset < have,
        lambda: (
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({have} bytes) minus 1"
        ),
        ValueError,
    )
    check(
        count > 0 or (have - offset) % size == 0,
        lambda: (
            f"buffer length ({have - offset} bytes) after offset ({offset} bytes) must be a multiple of element "
            f"size ({size})"
        ),
        ValueError,
    )
    n = (have - offset) // size if count < 0 else count
    check(
        offset + n * size <= have,
        lambda: (
            f"requested buffer length ({n} * {size} bytes) after offset ({offset} bytes) must not be greater than "
            f"actual buffer length ({have} bytes)"
        ),
        ValueError,
    )
    if view.readonly:
        import warnings

        warnings.warn(
            "The given buffer is not writable: writing to this tensor fails. Copy the buffer, or the tensor, to write.",
            UserWarning,
            stacklevel=2,
        )
    raw = np.frombuffer(buffer, np.uint8, n * size, offset)
    made = wrap(aligned(raw.view(kind.numpy)))
    if requires_grad:
        set_requires_grad(made, True)
    return made


def from_file(filename: str, shared: bool | None = None, size: int | None = 0, *, dtype: Any = None,
              layout: Any = None, device: Any = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """`size` elements of a file, mapped; with `shared` writes go to the file, which is made long enough."""
    kind = dtypes.get_default_dtype() if dtype is None else creation.as_dtype(dtype)
    check((size or 0) >= 0, lambda: f"from_file: size must not be negative, but got {size}")
    raw = mapped(filename, bool(shared), (size or 0) * kind.itemsize)
    made = wrap(raw.view(kind.numpy))
    where = creation.as_device(device)
    return made if where == CPU else casting.to_device(made, where)


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
            requires_grad: bool | None = None) -> Tensor:  # fmt: skip
    """`obj` as a tensor that shares its memory where it can: tensors, NumPy arrays, DLPack, buffers, numbers.

    `copy=True` always copies, `copy=False` refuses to (ValueError where it would have to). With requires_grad=None a
    tensor keeps its history.

    >>> import flambeau
    >>> flambeau.asarray([1, 2])
    tensor([1, 2])
    """
    kind = None if dtype is None else creation.as_dtype(dtype)
    where = None if device is None else creation.as_device(device)
    source = _shared(obj, kind)
    if source is None:
        check(
            copy is not False,
            lambda: "can't alias arbitrary sequence into a tensor.",
            ValueError,
        )
        return creation.tensor(
            _numbers(obj) if is_storage(obj) else obj,
            dtype=kind,
            device=where,
            requires_grad=bool(requires_grad),
        )
    if copy is False:
        check(
            kind is None or kind is source.dtype,
            lambda: f"can't alias tensor with dtype '{source.dtype}' into dtype '{kind}'",
            ValueError,
        )
        check(
            where is None or where == source.device,
            lambda: f"can't alias tensor from device '{source.device}' to '{where}'",
            ValueError,
        )
    made = casting.convert(source, kind, where, copy=bool(copy))
    if requires_grad is not None and requires_grad != made.requires_grad:
        made = made.detach() if made.requires_grad or made is obj else made
        if requires_grad:
            set_requires_grad(made, True)
    return made


def _numbers(obj: Any) -> Any:
    return obj.tolist()


def _shared(obj: Any, kind: Any) -> Tensor | None:
    """A tensor over the memory of `obj`; None if it has none that tensors can share."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, np.generic):
        return wrap(np.asarray(obj))
    if isinstance(obj, np.ndarray):
        return creation.from_numpy(obj) if obj.flags.aligned else None
    if hasattr(obj, "__dlpack__"):
        return from_dlpack(obj)
    if is_storage(obj):
        return None
    try:
        memoryview(obj)
    except TypeError:
        return None
    return frombuffer(obj, dtype=dtypes.get_default_dtype() if kind is None else kind)


# Kinds of device, in DLPack's names and numbers.
DLDeviceType = enum.IntEnum(
    "DLDeviceType",
    {
        "kDLCPU": 1, "kDLCUDA": 2, "kDLCUDAHost": 3, "kDLOpenCL": 4, "kDLVulkan": 7, "kDLMetal": 8, "kDLVPI": 9,
        "kDLROCM": 10, "kDLROCMHost": 11, "kDLExtDev": 12, "kDLCUDAManaged": 13, "kDLOneAPI": 14,
    },
)  # fmt: skip
_CUDA = (2, 13)


class _Capsule:
    """A bare capsule, which is always of the CPU, as something with DLPack's methods."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of an array of any library that speaks DLPack (or of a capsule of `to_dlpack`).

    `copy=True` copies; `copy=False` refuses where a copy is needed.

    >>> import flambeau, numpy
    >>> flambeau.from_dlpack(numpy.arange(3))
    tensor([0, 1, 2])
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        check(
            type(ext_tensor).__name__ == "PyCapsule",
            lambda: (
                "from_dlpack: expected an object with __dlpack__, or a DLPack capsule, "
                f"but got {type(ext_tensor).__name__}"
            ),
            TypeError,
        )
        check(
            device is None and copy is None,
            lambda: (
                "from_dlpack: device and copy can be given only for an object with __dlpack__, not for a capsule"
            ),
        )
        ext_tensor = _Capsule(ext_tensor)
    where = None if device is None else creation.as_device(device)
    if isinstance(ext_tensor, Tensor):
        if ext_tensor.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        check(
            copy is not False or where in (None, ext_tensor.device),
            lambda: (
                f"from_dlpack: cannot move data from {ext_tensor.device} to {where} without a copy"
            ),
            ValueError,
        )
        return casting.convert(alias(ext_tensor), None, where, copy=bool(copy))
    if ext_tensor.__dlpack_device__()[0] in _CUDA:
        made = wrap(of_device("cuda").xp.from_dlpack(ext_tensor))
    else:
        made = wrap(_read(ext_tensor))
    if copy is False:
        check(
            where in (None, made.device),
            lambda: f"from_dlpack: cannot move data from {made.device} to {where} without a copy",
            ValueError,
        )
    return casting.convert(made, None, where, copy=bool(copy))


def _read(source: Any) -> np.ndarray:
    try:
        array = np.from_dlpack(source)
    except (RuntimeError, BufferError) as error:
        raise BufferError(
            f"from_dlpack: {type(source).__name__} holds what cannot be shared this way ({error}); bfloat16 and float8 "
            "go as integers of their size, seen through view(dtype)"
        ) from None
    if array.flags.writeable:
        return aligned(array)
    # NumPy calls what comes by the protocol's old form read-only for want of better knowledge; PyTorch writes.
    return aligned(np.asarray(_Writable(array)))


class _Writable:
    """The memory of an array, said to be writable."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        told = array.__array_interface__
        self.__array_interface__ = {**told, "data": (told["data"][0], False)}


def to_dlpack(tensor: Tensor) -> Any:
    """The tensor as a DLPack capsule, which another library may take once."""
    return tensor.__dlpack__()


def dlpack_of(self: Tensor, stream: Any, max_version: Any, dl_device: Any, copy: Any) -> Any:
    """What `Tensor.__dlpack__` gives."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    check(
        self.device.type != "meta" and not self._level,
        lambda: f"__dlpack__: a tensor on {self.device} has no memory to share",
        BufferError,
    )
    if state.active:
        state.leaves(self, "__dlpack__()")
    array = self._array
    kind = self.dtype
    if kind.name == "bfloat16" or kind.name.startswith("float8"):
        raise BufferError(f"__dlpack__: NumPy's DLPack has no {kind.name}; send view(torch.int16)")
    options = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
    self._expose()
    return array.__dlpack__(**{k: v for k, v in options.items() if v is not None})
