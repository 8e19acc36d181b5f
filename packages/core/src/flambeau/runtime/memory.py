"""The memory behind a raw array: where it starts, how long it is, and other windows of it.

A tensor's storage is the block that its array's owner holds; NumPy's and CuPy's `base` lead there. Foreign memory that
is itself a window (`from_numpy(x[2:])`) begins, as PyTorch has it, where the window begins: `foreign` marks that.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from .._base.checks import check

Shape = tuple[int, ...]


class Borrowed:
    """Memory lent by someone else, exposed through the array protocol, so that a chain of bases ends at it."""

    __slots__ = ("__array_interface__", "__weakref__", "owner")

    def __init__(self, owner: np.ndarray) -> None:
        self.owner = owner
        self.__array_interface__ = owner.__array_interface__


def foreign(array: np.ndarray) -> np.ndarray:
    """`array` as the start of a storage of its own, although it may be a window of a larger array."""
    if array.base is None or array.dtype.kind == "V":
        return array
    # The protocol knows no dtypes that were registered by others: bytes pass for them.
    if array.dtype.isbuiltin != 1:
        return array
    return np.asarray(Borrowed(array))


def aligned(array: Any) -> Any:
    """`array`, whose elements begin at multiples of their size, as kernels read them.

    What does not is copied where nobody can write to it, such as part of a `bytes`; ValueError where a write would be lost.
    """
    if not isinstance(array, np.ndarray) or array.flags.aligned:
        return array
    check(
        not array.flags.writeable,
        lambda: (
            f"expected elements of {array.dtype} that begin at a multiple of {array.dtype.alignment} bytes, but the "
            f"memory of the array begins at {array.ctypes.data % array.dtype.alignment} beyond one: copy the array first"
        ),
        ValueError,
    )
    return array.copy()


_OWN = {np.dtype(c).num: np.dtype(c) for c in "?bBhHiIlLqQefdFD"}


def own_dtype(dtype: np.dtype) -> np.dtype:
    """The object that NumPy has for a dtype, by which C knows it: unpickling makes another that is equal."""
    own = _OWN.get(dtype.num, dtype)
    return own if own is dtype or own == dtype else dtype


def root(array: Any) -> Any:
    """The array that owns the memory, or the first over memory that is nobody's array."""
    while True:
        base = getattr(array, "base", None)
        if base is None:
            return array
        if not hasattr(base, "dtype"):
            inner = base if type(base) is Borrowed else getattr(base, "base", None)  # as_strided's
            if not hasattr(inner, "dtype"):
                return array
            base = inner
        array = base


def address(array: Any) -> int:
    """Where the first element lies."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


def extent(array: Any) -> int:
    """Bytes from the first element to the end of the last; 0 for an empty array."""
    if array.size == 0:
        return 0
    return sum((n - 1) * s for n, s in zip(array.shape, array.strides)) + array.itemsize


def nbytes(array: Any) -> int:
    """Bytes of the storage that the array looks at."""
    return extent(root(array))


def offset(array: Any) -> int:
    """Bytes from the start of the storage to the array's first element."""
    owner = root(array)
    return 0 if owner is array or owner.size == 0 else address(array) - address(owner)


def content(array: Any) -> Any:
    """The whole storage, byte by byte, as a flat array over the same memory."""
    owner = root(array)
    if owner.size == 0:
        return owner.reshape(-1)[:0].view("uint8")
    if owner.flags.c_contiguous:
        return owner.reshape(-1).view("uint8")
    if isinstance(owner, np.ndarray):
        part = np.lib.stride_tricks.as_strided(
            owner, (extent(owner) // owner.itemsize,), (owner.itemsize,)
        )
        return part.view("uint8")
    return type(owner)((extent(owner),), "uint8", memptr=owner.data)


def window(array: Any, dtype: Any, shape: Shape, strides: Shape, start: int) -> Any:
    """Another look at the storage of `array`; strides and start in elements of `dtype`.

    RuntimeError where it reaches beyond the storage.
    """
    size = np.dtype(dtype).itemsize
    data = content(array)
    need = 0
    if 0 not in shape:
        need = (start + sum((n - 1) * s for n, s in zip(shape, strides)) + 1) * size
    check(
        need <= data.size,
        lambda: (
            f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {start}, and itemsize {size} "
            f"requiring a storage size of {need} are out of bounds for storage of size {data.size}"
        ),
    )
    steps = tuple(s * size for s in strides)
    if isinstance(data, np.ndarray):
        begin = min(start * size, data.size)
        return aligned(
            np.ndarray(shape, dtype, data if data.size else data.tobytes(), begin, steps)
        )
    from .backend import of_array

    rest = data[start * size :]
    rest = rest[: rest.size // size * size].view(dtype)  # its chain of bases leads to the owner
    return of_array(array).xp.lib.stride_tricks.as_strided(rest, shape, steps)


_objects: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def object_of(array: Any, make: Any) -> Any:
    """The one storage object of the memory behind `array`: the same as long as somebody holds it."""
    owner = root(array)
    found = _objects.get(id(owner))
    if found is None or found._root() is not owner:
        found = _objects[id(owner)] = make(owner)
    return found


def keep(owner: Any, made: Any) -> None:
    """Makes `made` the storage object of `owner`'s memory."""
    _objects[id(owner)] = made
