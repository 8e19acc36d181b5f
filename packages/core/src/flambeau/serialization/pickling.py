"""Pickles that PyTorch reads: our tensors, dtypes, devices and sizes under PyTorch's names.

PyTorch need not be installed, so its names cannot be looked up when they are written. The standard library's C pickler
insists on looking; its Python twin lets a class decide how objects are written, and checkpoints have few objects.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from types import FunctionType
from typing import IO, Any

import numpy as np

from .._base import dtypes
from .._base.checks import check, contiguous_strides
from .._base.devices import device as Device
from .._base.formats import layout, memory_format
from ..runtime import state
from ..runtime.backend import of_array
from ..runtime.tensor import Size, Tensor, alias
from ..storage import TypedStorage, UntypedStorage
from . import composed
from .names import UNTYPED, dtype_of_name, storage_of_dtype, torch_name
from .places import is_extended, location_tag
from .storage import address, memory_of


class TorchName:
    """A class or function of PyTorch, known by name only."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        """The pickler wants what rebuilds an object to be callable; the reader will call the real thing."""
        raise TypeError(f"{self.module}.{self.name} is a name to be written, not to be called")


_REBUILD = TorchName("torch._utils", "_rebuild_tensor_v2")
_REBUILD_BYTES = TorchName("torch._utils", "_rebuild_tensor_v3")
_REBUILD_META = TorchName("torch._utils", "_rebuild_meta_tensor_no_storage")
_REBUILD_PARAMETER = TorchName("torch._utils", "_rebuild_parameter")
_REBUILD_WITH_STATE = TorchName("torch._utils", "_rebuild_parameter_with_state")
_REBUILD_TYPE = TorchName("torch._tensor", "_rebuild_from_type_v2")
_REBUILD_SPARSE = TorchName("torch._utils", "_rebuild_sparse_tensor")
_LAYOUT = TorchName("torch.serialization", "_get_layout")
_TENSOR = TorchName("torch", "Tensor")
_DEVICE = TorchName("torch", "device")
_SIZE = TorchName("torch", "Size")
_STORAGES = {name: TorchName("torch", name) for name in storage_of_dtype.values()}
_UNTYPED = TorchName("torch.storage", UNTYPED)
_DTYPES = {d: TorchName("torch", name) for name, d in dtype_of_name.items()}
# PyTorch writes these as names alone: its classes for them say so.
_FORMATS = {
    name: TorchName("torch", name)
    for name in ("contiguous_format", "channels_last", "channels_last_3d", "preserve_format")
}


_NAMES: dict[tuple[str, str], TorchName] = {}


class _Memory:
    """A storage in a pickle: the memory, and as what it is seen."""

    def __init__(self, kind: TorchName, key: str, location: str, count: int) -> None:
        self.id: tuple[Any, ...] = ("storage", kind, key, location, count)


_PythonPickler: Any = pickle._Pickler


class _Writer:
    """How tensors and what belongs to them are written; mixed into a pickler written in Python."""

    storages: list[tuple[np.ndarray, int]]
    legacy = False

    def _begin(self) -> None:
        self.storages = []
        self._keys: dict[Any, tuple[str, dtypes.dtype]] = {}

    def persistent_id(self, obj: Any) -> Any:
        if type(obj) is _Memory:
            return (*obj.id, None) if self.legacy else obj.id  # the old format: no view of another
        if type(obj) in (UntypedStorage, TypedStorage) or isinstance(obj, TypedStorage):
            return self.persistent_id(self._storage(obj))
        return None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            return self._reduce_tensor(obj)
        kind = type(obj)
        if kind is Device:
            return _DEVICE, (obj.type,) if obj.index is None else (obj.type, obj.index)
        if kind is layout:
            return _LAYOUT, (f"torch.{obj.name}",)
        if kind is Size:
            return _SIZE, (tuple(obj),)
        return NotImplemented

    def _storage(self, storage: Any) -> _Memory:
        raw = storage.untyped()._data
        dtype = dtypes.uint8 if type(storage) is UntypedStorage else storage.dtype
        raw = of_array(raw).to_numpy(raw)
        return self._memory((address(raw), raw.size), raw, dtype, str(storage.device))

    def _reduce_tensor(self, tensor: Tensor) -> tuple:
        if type(tensor) is Tensor:
            return self._with_attributes(tensor)
        made = composed.reduced(self, tensor)
        if made is not None:
            return made
        parts_of = getattr(tensor, "saved_parts", None)
        if parts_of is not None:
            return _REBUILD_SPARSE, (tensor.layout, parts_of())
        from ..nn.parameter import Parameter

        if type(tensor) is Parameter:
            parts: tuple[Any, ...] = (alias(tensor), tensor.requires_grad, OrderedDict())
            state = _attributes(tensor)
            return (_REBUILD_WITH_STATE, (*parts, state)) if state else (_REBUILD_PARAMETER, parts)
        function, args = self._reduce_plain(tensor)
        return _REBUILD_TYPE, (function, type(tensor), args, _attributes(tensor))

    def _with_attributes(self, tensor: Tensor) -> tuple:
        function, args = self._reduce_plain(tensor)
        state = _attributes(tensor)
        return (_REBUILD_TYPE, (function, _TENSOR, args, state)) if state else (function, args)

    @staticmethod
    def name(module: str, name: str) -> TorchName:
        """A class or function of PyTorch, to be written by name."""
        return _NAMES.setdefault(
            (module, name), TorchName(module, name)
        )  # one object, so that a file has it once

    def _reduce_plain(
        self, tensor: Tensor, as_dtype: dtypes.dtype | None = None
    ) -> tuple[TorchName, tuple]:
        array: Any = getattr(tensor, "_array", None)
        if state.active:
            state.leaves(tensor, "being saved")
        check(
            array is not None or isinstance(tensor._level, int),
            lambda: f"save: a {type(tensor).__name__} has no form in checkpoints; save its parts",
        )
        check(
            array is not None,
            lambda: (
                "save: a tensor inside vmap or forward-mode differentiation has no values of its own to save"
            ),
        )
        dtype, device = as_dtype or tensor.dtype, tensor.device
        if device.type == "meta":
            shape = tuple(tensor.shape)
            return _REBUILD_META, (dtype, shape, contiguous_strides(shape), tensor.requires_grad)
        identity, raw, offset, strides = memory_of(array)
        typed = dtype in storage_of_dtype
        place = location_tag(UntypedStorage._of(raw, device)) if is_extended() else str(device)
        memory = self._memory(identity, raw, dtype, place)
        args: tuple[Any, ...] = (
            memory,
            offset,
            tuple(array.shape),
            strides,
            tensor.requires_grad,
            OrderedDict(),
        )
        return (_REBUILD, args) if typed else (_REBUILD_BYTES, (*args, dtype))

    def _memory(self, identity: Any, raw: np.ndarray, dtype: dtypes.dtype, place: str) -> _Memory:
        typed = dtype in storage_of_dtype
        return _Memory(
            _STORAGES[storage_of_dtype[dtype]] if typed else _UNTYPED,
            self._key(identity, raw, dtype),
            place,
            raw.size // dtype.itemsize if typed else raw.size,
        )

    def _key(self, identity: Any, raw: np.ndarray, dtype: dtypes.dtype) -> str:
        if raw.size == 0:  # empty arrays share no memory, whatever their addresses say
            identity = object()
        key, first = self._keys.setdefault(identity, (str(len(self.storages)), dtype))
        check(
            first is dtype,
            lambda: (
                "Cannot save multiple tensors or storages that view the same data as different types: "
                f"{first} and {dtype}"
            ),
        )
        if int(key) == len(self.storages):
            self.storages.append((raw, dtype.itemsize if dtype in storage_of_dtype else 1))
        return key


def _save_name(self: Any, obj: TorchName) -> None:
    self.write(b"c" + f"{obj.module}\n{obj.name}\n".encode())
    self.memoize(obj)


def _save_dtype(self: Any, obj: dtypes.dtype) -> None:
    check(obj in _DTYPES, lambda: f"save: {obj!r} has no form in checkpoints")
    self.save(_DTYPES[obj])


def _save_format(self: Any, obj: memory_format) -> None:
    self.save(_FORMATS[obj.name])


def _saving_globals(inherited: Any) -> Any:
    """What writes classes and functions: those that PyTorch has too under PyTorch's name."""

    def save(self: Any, obj: Any, *name: Any) -> None:
        found = None
        if not name and obj.__qualname__.isidentifier():
            found = torch_name(obj.__module__, obj.__qualname__)
        if found is None:
            inherited(self, obj, *name)
            return
        self.write(b"c" + "{}\n{}\n".format(*found).encode())
        self.memoize(obj)

    return save


_OURS = {TorchName: _save_name, dtypes.dtype: _save_dtype, memory_format: _save_format}


def pickler_class(pickle_module: Any) -> Any:
    """A pickler that knows tensors, made of the one of a module such as `pickle` or `dill`.

    NotImplementedError for a module whose pickler is not written in Python: it would look PyTorch's names up, and
    PyTorch need not be there.
    """
    base = pickle_module.Pickler
    if base is pickle.Pickler:
        return Pickler
    if not (isinstance(base, type) and issubclass(base, _PythonPickler)):
        raise NotImplementedError(
            f"save: expected pickle_module to be pickle, or a module whose Pickler is built on the standard library's "
            f"in Python, as dill's is, got {getattr(pickle_module, '__name__', pickle_module)!r}"
        )
    return _pickler_of(base)


def _pickler_of(base: Any) -> Any:
    table = base.dispatch.copy()
    table.update(_OURS)
    for kind in (type, FunctionType):
        table[kind] = _saving_globals(table[kind])

    class Pickler(_Writer, base):
        """Writes one object; afterwards `storages` has the memory of its tensors, and the size of its elements."""

        dispatch = table

        def __init__(self, stream: IO[bytes], protocol: int, legacy: bool = False) -> None:
            super().__init__(stream, protocol)
            self.legacy = legacy
            self._begin()

        def reducer_override(self, obj: Any) -> Any:
            made = super().reducer_override(obj)
            if made is NotImplemented and hasattr(base, "reducer_override"):
                return base.reducer_override(self, obj)
            return made

    return Pickler


Pickler: Any = _pickler_of(_PythonPickler)


def _attributes(tensor: Tensor) -> dict[str, Any]:
    """What the user hung on a tensor, and the mark of a Buffer."""
    return {
        name: value
        for name, value in tensor.__dict__.items()
        if (not name.startswith("_") and name != "grad") or name == "_is_buffer"
    }
