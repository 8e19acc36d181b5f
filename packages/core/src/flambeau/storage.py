"""`UntypedStorage`, `TypedStorage` and its old names (`FloatStorage`, ...): a tensor's memory as an object of its own.

A storage looks at the block behind a tensor (`runtime.memory`): what is written through one is seen in the other, and
all views of one memory have one storage object. What differs from PyTorch: arrays cannot move, so that a storage that
grows gets new memory, and with it those tensors whose `untyped_storage()` was asked for before; other tensors keep the
old. One that shrinks leaves its tensors readable.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._base import dtypes
from ._base.checks import check
from ._base.devices import CPU
from ._base.devices import device as Device
from .ops import casting, creation
from .runtime import memory, state
from .runtime.backend import of_array
from .runtime.inference import check_written
from .runtime.signature import explained
from .runtime.tensor import Tensor, alias, wrap


def _prefix() -> str:
    return dtypes.dtype.prefix


class _Common:
    """What typed and untyped storages share; `_untyped` is the bytes, `dtype` what they are read as."""

    dtype: Any = dtypes.uint8
    is_cuda = is_hpu = is_sparse = is_sparse_csr = False

    @property
    def _untyped(self) -> UntypedStorage:
        raise NotImplementedError

    @property
    def _values(self) -> Any:
        """All elements, as a flat array over the memory."""
        data = self._untyped._data
        kind = self.dtype.numpy
        return data[: data.size // kind.itemsize * kind.itemsize].view(kind)

    def untyped(self) -> UntypedStorage:
        """The bytes alone."""
        return self._untyped

    def size(self) -> int:
        """The number of elements."""
        return self._untyped._data.size // self.element_size()

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._untyped._data.size

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """Address of the first byte; 0 for an empty storage."""
        data = self._untyped._data
        return memory.address(data) if data.size else 0

    def __len__(self) -> int:
        return self.size()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return wrap(self._values).tolist()

    @property
    def device(self) -> Device:
        return self._untyped._device

    def get_device(self) -> int:
        """The number of the GPU; -1 on the CPU."""
        return -1 if self.device.type == "cpu" else self.device.index or 0

    @property
    def filename(self) -> str | None:
        """The file that the memory is mapped from; None without one."""
        return self._untyped._filename

    def resizable(self) -> bool:
        """Whether `resize_` may be called: not on memory that someone else owns."""
        owner = self._untyped._owner
        return bool(owner.base is None) and self._untyped._filename is None

    def is_pinned(self, device: Any = None) -> bool:
        """Whether the memory is page-locked."""
        return False

    def pin_memory(self, device: Any = None) -> Any:
        """Page-locked memory for fast copies to a GPU; on a machine without one, the storage itself."""
        return self

    def is_shared(self) -> bool:
        """Whether other processes can see the memory."""
        return self._untyped._shared

    def share_memory_(self) -> Any:
        """Moves the bytes to memory that processes forked from now on share."""
        self._untyped._share()
        return self

    def _index(self, at: Any) -> int:
        at = at.__index__()
        n = self.size()
        if not -n <= at < n:
            raise IndexError(f"index {at} out of range for storage of size {n}")
        return at % n

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            check(at.step in (None, 1), lambda: "only step == 1 supported", RuntimeError)
            part = self._values[at]
            made = self._like(part)
            made._untyped._data = part.view("uint8")  # of the same memory, this part only
            return made
        return wrap(self._values[self._index(at) :][:1]).item()

    def __setitem__(self, at: Any, value: Any) -> None:
        part = self._values
        part[at if isinstance(at, slice) else self._index(at)] = (
            value._values if isinstance(value, _Common) else value
        )
        self._untyped._written()

    def fill_(self, value: Any) -> Any:
        """One number written everywhere."""
        self._values[...] = value
        self._untyped._written()
        return self

    def copy_(self, source: Any, non_blocking: bool | None = None) -> Any:
        """The elements of another storage of this size, cast, written here."""
        check(
            source.size() == self.size(),
            lambda: f"size mismatch: storage of {self.size()} elements, source of {source.size()}",
        )
        self._values[...] = of_array(source._values).to_numpy(source._values)
        self._untyped._written()
        return self

    def clone(self) -> Any:
        """The same elements in memory of their own."""
        return self._like(self._values.copy())

    def cpu(self) -> Any:
        """The storage on the CPU."""
        return self if self.device.type == "cpu" else self.to(device=CPU)

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Any:
        """The storage on a CUDA device."""
        return self.to(device=Device("cuda") if device is None else device)

    def to(self, *, device: Any, non_blocking: bool = False) -> Any:
        """The storage on another device; itself where that is where it is."""
        where = creation.as_device(device)
        return self if where == self.device else self._like(_moved(self._values, where))

    def _cast(self, kind: dtypes.dtype) -> TypedStorage:
        return TypedStorage._over(
            casting.convert(wrap(self._values), kind, None, copy=self.dtype is kind)._array, kind
        )

    def _like(self, values: Any) -> Any:
        raise NotImplementedError

    def __copy__(self) -> Any:
        return self.clone()

    def __deepcopy__(self, memo: dict[Any, Any]) -> Any:
        made = memo.get(id(self))
        if made is None:
            made = memo[id(self)] = self.clone()
        return made


def _moved(values: Any, where: Device) -> Any:
    return casting.to_device(wrap(values), where)._array


def _caster(kind: dtypes.dtype) -> Any:
    def cast(self: _Common) -> TypedStorage:
        return self._cast(kind)

    cast.__doc__ = f"The elements as {kind.name}, in memory of their own."
    return cast


for _name, _kind in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "long": dtypes.int64, "int": dtypes.int32, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "complex_float": dtypes.complex64, "complex_double": dtypes.complex128,
    "float8_e5m2": dtypes.float8_e5m2, "float8_e4m3fn": dtypes.float8_e4m3fn,
    "float8_e5m2fnuz": dtypes.float8_e5m2fnuz, "float8_e4m3fnuz": dtypes.float8_e4m3fnuz,
}.items():  # fmt: skip
    setattr(_Common, _name, _caster(_kind))


class UntypedStorage(_Common):
    """Bytes: of a size, from a sequence of numbers, or (`tensor.untyped_storage()`) those of a tensor.

    >>> import flambeau
    >>> x = flambeau.zeros(2, dtype=flambeau.uint8)
    >>> x.untyped_storage()[1] = 7; x
    tensor([0, 7], dtype=flambeau.uint8)
    """

    def __init__(self, *args: Any, device: Any = None) -> None:
        check(
            len(args) <= 1,
            lambda: (
                f"UntypedStorage(): expected at most one argument, a size or a sequence, but got {len(args)}"
            ),
            TypeError,
        )
        given = args[0] if args else 0
        if isinstance(given, Sequence):
            data = np.array(given, np.int64).astype(np.uint8)
        else:
            data = np.zeros(given.__index__(), np.uint8)
        self._take(data, creation.as_device(device))

    def _take(self, owner: Any, where: Device) -> None:
        if where.type != "cpu" and isinstance(owner, np.ndarray):
            owner = _moved(owner, where)
        self._owner, self._device = owner, where
        self._data = memory.content(owner)
        self._filename: str | None = None
        self._shared = False
        self._tensors: list[tuple[weakref.ref[Tensor], Any]] = []

    @classmethod
    def _of(cls, owner: Any, where: Device) -> UntypedStorage:
        made = object.__new__(cls)
        made._take(owner, where)
        return made

    def _root(self) -> Any:
        return self._owner

    @property
    def _untyped(self) -> UntypedStorage:
        return self

    @property
    def _cdata(self) -> int:
        return id(self)

    def _like(self, values: Any) -> UntypedStorage:
        return UntypedStorage._of(values.view("uint8"), self._device)

    def _written(self) -> None:
        for t in self._living():
            t._bump()
            return

    def _living(self) -> list[Tensor]:
        """The tensors that asked for this storage, and still look at it."""
        known = [(ref(), root) for ref, root in self._tensors]
        return [t for t, root in known if t is not None and memory.root(t._array) is root]

    def _note(self, t: Tensor) -> None:
        """Remembers a tensor that asked for this storage, and the memory that it looks at now."""
        kept = [(r, root) for r, root in self._tensors if r() is not None and r() is not t]
        self._tensors = [*kept, (weakref.ref(t), memory.root(t._array))]

    def resize_(self, size: int) -> UntypedStorage:
        """Changes the number of bytes; what was there stays, what is new is zero.

        RuntimeError for memory that someone else owns.
        """
        if size == self._data.size:
            return self
        check(size >= 0, lambda: f"resize_: expected a size of at least 0 bytes, but got {size}")
        check(self.resizable(), lambda: "Trying to resize storage that is not resizable")
        grown = np.zeros(size, np.uint8) if self._device.type == "cpu" else None
        if grown is None:
            grown = of_array(self._data).asarray(np.zeros(size, np.uint8), self._device)
        kept = min(size, self._data.size)
        grown[:kept] = self._data[:kept]
        self._replace(grown)
        return self

    def _replace(self, owner: Any) -> None:
        """Goes over to other memory, with the tensors that fit into it."""
        for t in self._living():
            a = t._array
            steps = tuple(s // a.itemsize for s in a.strides)
            start = memory.offset(a)
            if start + memory.extent(a) <= owner.size:
                t._array = memory.window(owner, a.dtype, a.shape, steps, start // a.itemsize)
                t._bump()
                self._note(t)
        self._owner, self._data = owner, memory.content(owner)
        memory.keep(owner, self)

    def _share(self) -> None:
        if self._shared or self._device.type != "cpu":
            return
        from importlib import import_module

        sharing = import_module("flambeau.utils.sharing")  # of a layer above
        shared = sharing.shared_bytes(self._data.size)
        shared[...] = self._data
        self._replace(shared)
        self._shared = True

    def new(self) -> UntypedStorage:
        """An empty storage on this device."""
        return UntypedStorage(device=self._device)

    def byteswap(self, dtype: dtypes.dtype) -> None:
        """Turns the bytes of every element of `dtype` around."""
        size = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
        self._data.view(f"V{size}" if size not in (2, 4, 8) else f"u{size}").byteswap(inplace=True)
        self._written()

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of the class; with `dtype`, the elements cast to it."""
        if dtype is None:
            where = "cuda." if self._device.type == "cuda" else ""
            return f"{_prefix()}{where}UntypedStorage"
        return self._cast(dtype)

    @classmethod
    def from_buffer(
        cls,
        buffer: Any,
        byte_order: str = "native",
        offset: int = 0,
        count: int = -1,
        dtype: Any = None,
    ) -> UntypedStorage:
        """A copy of the elements of a buffer, turned to this machine's byte order."""
        kind = dtypes.uint8 if dtype is None else dtype
        swap = {"native": "=", "little": "<", "big": ">"}
        check(
            byte_order in swap,
            lambda: f"invalid byte_order '{byte_order}' (expected 'big', 'little' or 'native')",
            ValueError,
        )
        values = np.frombuffer(buffer, np.uint8)[offset:]
        size = kind.itemsize
        check(
            count >= 0 or values.size % size == 0,
            lambda: (
                f"buffer size ({values.size}) must be a multiple of element size ({size}) as count is not given"
            ),
            ValueError,
        )
        check(
            count < 0 or count * size <= values.size,
            lambda: (
                f"buffer has only {values.size // size} elements after offset {offset}, but count is {count}"
            ),
            ValueError,
        )
        values = values[: values.size if count < 0 else count * size].copy()
        made = cls._of(values, CPU)
        order: Any = swap[byte_order]
        if np.dtype("u2").newbyteorder(order).isnative is False:
            made.byteswap(kind)
        return made

    @classmethod
    def from_file(cls, filename: str, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The bytes of a file, mapped; `shared` writes them back, and makes the file long enough."""
        made = cls._of(mapped(filename, shared, nbytes), CPU)
        made._filename, made._shared = str(filename), shared
        return made

    def __repr__(self) -> str:
        lines = "".join(f" {v}\n" for v in self.tolist())
        return f"{lines}[{_prefix()}storage.UntypedStorage(device={self._device}) of size {self.size()}]"

    def __reduce__(self) -> tuple:
        return (_restored, (of_array(self._data).to_numpy(self._data), str(self._device)))


def mapped(filename: str, shared: bool, nbytes: int) -> np.ndarray:
    """A file's bytes as an array: written back if `shared`, else private to this process."""
    name = os.fspath(filename)
    if shared:
        with open(name, "ab") as file:
            if file.tell() < nbytes:
                file.truncate(nbytes)
    have = os.stat(name).st_size
    check(
        nbytes <= have,
        lambda: f"from_file: file '{name}' has {have} bytes, too few for the {nbytes} asked for",
    )
    if nbytes == 0:
        return np.zeros(0, np.uint8)
    return np.asarray(np.memmap(name, np.uint8, "r+" if shared else "c", shape=(nbytes,)))


class TypedStorage(_Common):
    """A storage whose bytes are read as elements of one dtype.

    >>> import flambeau
    >>> flambeau.tensor([1.0, 2.0]).storage().tolist()
    [1.0, 2.0]
    """

    def __init__(
        self, *args: Any, wrap_storage: Any = None, dtype: Any = None, device: Any = None
    ) -> None:
        check(
            len(args) <= 1,
            lambda: (
                f"TypedStorage(): expected at most one argument, a size or a sequence, but got {len(args)}"
            ),
            TypeError,
        )
        self.dtype = dtypes.get_default_dtype() if dtype is None else dtype
        if wrap_storage is not None:
            check(
                not args and isinstance(wrap_storage, UntypedStorage),
                lambda: (
                    "TypedStorage(): wrap_storage must be an UntypedStorage, and come without a size"
                ),
                TypeError,
            )
            self._bytes = wrap_storage
            return
        given = args[0] if args else 0
        if isinstance(given, Sequence):
            data = creation.tensor(list(given), dtype=self.dtype)._array
        else:
            data = np.zeros(given.__index__(), self.dtype.numpy)
        self._bytes = UntypedStorage._of(memory.root(data), CPU)
        where = creation.as_device(device)
        if where != CPU:
            self._bytes = self._bytes.to(device=where)

    @classmethod
    def _over(cls, values: Any, kind: dtypes.dtype) -> TypedStorage:
        owner = memory.root(values)
        return cls(
            wrap_storage=UntypedStorage._of(owner, of_array(owner).device_of(owner)), dtype=kind
        )

    @property
    def _untyped(self) -> UntypedStorage:
        return self._bytes

    @property
    def _cdata(self) -> int:
        return self._bytes._cdata

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return self.device.type == "cuda"

    def _like(self, values: Any) -> TypedStorage:
        made = TypedStorage.__new__(TypedStorage)
        made.dtype = self.dtype
        made._bytes = UntypedStorage._of(values.view("uint8"), of_array(values).device_of(values))
        return made

    def _get_legacy_storage_class(self) -> Any:
        return next((c for c in LEGACY if c.dtype is self.dtype), None)

    def pickle_storage_type(self) -> str:
        """The old name of storages of this dtype, such as "FloatStorage"."""
        return self._get_legacy_storage_class().__name__

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The old name with its module, such as "torch.FloatStorage"; with `dtype`, the elements cast to it."""
        if dtype is None:
            where = "cuda." if self.device.type == "cuda" else ""
            return f"{_prefix()}{where}{self.pickle_storage_type()}"
        return self._cast(getattr(dtype, "dtype", dtype))

    def resize_(self, size: int) -> TypedStorage:
        """Changes the number of elements; see `UntypedStorage.resize_`."""
        self._bytes.resize_(size * self.element_size())
        return self

    @classmethod
    def from_buffer(cls, *args: Any, **kwargs: Any) -> TypedStorage:
        """A copy of the elements of a buffer; `dtype=` says of which kind."""
        kind = kwargs.get("dtype") or getattr(cls, "dtype", dtypes.get_default_dtype())
        kwargs["dtype"] = kind
        return TypedStorage(
            wrap_storage=UntypedStorage.from_buffer(*args, **kwargs), dtype=kwargs["dtype"]
        )

    @classmethod
    def from_file(cls, filename: str, shared: bool, size: int) -> TypedStorage:
        """`size` elements of a file, mapped; see `UntypedStorage.from_file`."""
        kind = getattr(cls, "dtype", dtypes.get_default_dtype())
        raw = UntypedStorage.from_file(filename, shared, size * kind.itemsize)
        return TypedStorage(wrap_storage=raw, dtype=kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedStorage) and self.tolist() == other.tolist()

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        lines = "\n ".join(str(v) for v in self.tolist())
        return (
            f" {lines}\n[{_prefix()}storage.TypedStorage(dtype={self.dtype}, device={self.device}) "
            f"of size {self.size()}]"
        )

    def __reduce__(self) -> tuple:
        return (_typed, (self._bytes, self.dtype))


def _restored(raw: np.ndarray, where: str) -> UntypedStorage:
    made = UntypedStorage._of(raw if raw.flags.writeable else raw.copy(), CPU)
    return made if where == "cpu" else made.to(device=Device(where))


def _typed(raw: UntypedStorage, kind: Any) -> TypedStorage:
    return TypedStorage(wrap_storage=raw, dtype=kind)


class _Legacy(type):
    """The class of the old names: `isinstance(storage, FloatStorage)` asks for the dtype."""

    def __instancecheck__(cls, instance: Any) -> bool:
        kind = cls.__dict__.get("dtype")
        if kind is None:
            return type.__instancecheck__(cls, instance)
        return type(instance) is TypedStorage and instance.dtype is kind


class _LegacyStorage(TypedStorage, metaclass=_Legacy):
    """What the old names have in common: calling one makes a TypedStorage."""

    def __new__(
        cls, *args: Any, wrap_storage: Any = None, dtype: Any = None, device: Any = None
    ) -> Any:
        if dtype is not None:
            raise RuntimeError(
                f"{cls.__name__}.__new__: got an unexpected keyword argument 'dtype'"
            )
        return TypedStorage(*args, wrap_storage=wrap_storage, dtype=cls.dtype, device=device)


LEGACY: tuple[Any, ...] = tuple(
    _Legacy(f"{name}Storage", (_LegacyStorage,), {"dtype": kind, "__module__": __name__})
    for name, kind in {
        "Double": dtypes.float64, "Float": dtypes.float32, "Half": dtypes.float16, "BFloat16": dtypes.bfloat16,
        "Long": dtypes.int64, "Int": dtypes.int32, "Short": dtypes.int16, "Char": dtypes.int8, "Byte": dtypes.uint8,
        "Bool": dtypes.bool_, "ComplexDouble": dtypes.complex128, "ComplexFloat": dtypes.complex64,
    }.items()
)  # fmt: skip
globals().update({c.__name__: c for c in LEGACY})
if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # FloatStorage and its like


def is_storage(obj: Any) -> bool:
    """Whether `obj` is a storage.

    >>> import flambeau
    >>> flambeau.is_storage(flambeau.zeros(1).storage())
    True
    """
    return isinstance(obj, (UntypedStorage, TypedStorage))


# -- Tensor's methods, imported by their first call (methods.registered) --------------------------------------------------


def _has_memory(self: Tensor, what: str) -> None:
    if self._level or self.device.type == "meta":
        kind = type(self).__name__ if self._level else "a tensor on meta"
        raise NotImplementedError(f"{what}: {kind} has no storage")


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes of the memory that this tensor and all views of it look at."""
    _has_memory(self, "untyped_storage")
    if state.active:
        state.leaves(self, "its storage")
    array = self._array
    where = self.device
    found = memory.object_of(array, lambda owner: UntypedStorage._of(owner, where))
    found._note(self)
    if self.__dict__.get("_shared"):
        found._shared = True
    return found


def storage(self: Tensor) -> TypedStorage:
    """The memory that this tensor looks at, as elements of its dtype."""
    return TypedStorage(wrap_storage=untyped_storage(self), dtype=self.dtype)


def _window(self: Tensor, source: UntypedStorage, start: int, size: Any, stride: Any) -> Any:
    from ._base.checks import as_size, contiguous_strides

    shape = as_size(size)
    strides = contiguous_strides(shape) if stride is None else as_size(stride, "stride")
    return memory.window(source._owner, self.dtype.numpy, shape, strides, start)


def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Looks at another memory from now on: a tensor's, a storage's, or, without `source`, none."""
    check_written(self)
    if source is None:
        self._array = np.zeros(0, self.dtype.numpy)
        self._box = self._base = None
        return self
    if isinstance(source, Tensor):
        check(
            source.dtype is self.dtype,
            lambda: (
                f"set_: could not set a tensor of {self.dtype} to the memory of one of {source.dtype}"
            ),
        )
        if size is None:
            self._array = source._array
            self._box, self._base = alias(source)._box, None
            return self
        self._array = _window(self, untyped_storage(source), storage_offset, size, stride)
        self._box, self._base = alias(source)._box, None
        return self
    check(
        is_storage(source),
        lambda: f"set_(): argument 'source' must be Tensor or Storage, not {type(source).__name__}",
        TypeError,
    )
    if isinstance(source, TypedStorage):
        check(
            source.dtype is self.dtype,
            lambda: f"set_: expected a storage of {self.dtype}, but got one of {source.dtype}",
        )
    raw = source.untyped()
    if size is None:
        size = (raw.nbytes() // self.dtype.itemsize,)
    self._array = _window(self, raw, storage_offset, size, stride)
    self._base = None
    raw._note(self)
    memory.keep(raw._owner, raw)
    return self


def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Another shape over the same memory, row by row; new memory, with the old elements first, where it is too short.

    >>> import flambeau
    >>> flambeau.arange(6).resize_(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    from ._base.checks import contiguous_strides
    from ._base.formats import contiguous_format, order_of, preserve_format, strides_in

    shape = creation.size_of(sizes)
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    check(
        memory_format is not preserve_format,
        lambda: "resize_: unsupported memory format preserve_format",
    )
    check_written(self)
    if tuple(self.shape) == shape and memory_format in (None, contiguous_format):
        return self
    strides = contiguous_strides(shape)
    if memory_format is not None:
        strides = strides_in(shape, order_of(shape, memory_format))
    array = self._array
    count = 1
    for n in shape:
        count *= n
    start = 0
    if isinstance(array, np.ndarray) or hasattr(array, "data"):
        start = memory.offset(array) // array.itemsize
        if (start + count) * array.itemsize > memory.nbytes(array):
            check(
                self._base is None or start == 0 or count,
                lambda: "resize_: a view cannot outgrow the memory of its base",
            )
            storage_ = untyped_storage(self)
            grown = UntypedStorage._of(
                of_array(array).asarray(
                    np.zeros((start + count) * array.itemsize, np.uint8), self.device
                ),
                self.device,
            )
            kept = min(storage_.nbytes(), grown.nbytes())
            grown._data[:kept] = storage_._data[:kept]
            self._array = memory.window(grown._owner, array.dtype, shape, strides, start)
            self._base, self._replay = None, ()
            self._bump()
            return self
    else:  # meta
        self._array = creation.empty(shape, dtype=self.dtype, device=self.device)._array
        return self
    self._array = memory.window(array, array.dtype, shape, strides, start)
    self._bump()
    return self


@explained
def resize_as_(self: Tensor, other: Tensor, *, memory_format: Any = None) -> Tensor:
    """`resize_` to the shape of another tensor."""
    from ._base.formats import channels_last, channels_last_3d, contiguous_format, preserve_format

    if memory_format is preserve_format:
        found = (f for f in (channels_last, channels_last_3d) if other.is_contiguous(f))
        memory_format = contiguous_format if other.is_contiguous() else next(found, None)
    return resize_(self, tuple(other.shape), memory_format=memory_format)
