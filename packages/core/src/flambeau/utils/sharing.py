"""Tensors in memory that other processes see: files without a name (`SharedFile`), sent by their descriptor.

What Python's multiprocessing pickles, for a queue, a pipe or the arguments of a process, carries a tensor's memory this way
once `flambeau.multiprocessing` is imported: both sides then look at the same memory.
"""

from __future__ import annotations

import sys
import warnings
import weakref
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from flambeau.runtime.tensor import Leaf, Tensor, wrap
from flambeau.utils.data.shared import SharedFile

__all__ = ["register", "shared_bytes"]

# By id of an array that owns shared memory: its weak reference and its file.
_files: dict[int, tuple[weakref.ref[Any], SharedFile]] = {}


def shared_bytes(size: int) -> np.ndarray:
    """`size` bytes, zeros, that processes forked from now on, and those that are sent a tensor of them, see too."""
    return _mapped(SharedFile(), size, new=True)


def _mapped(file: SharedFile, size: int, new: bool = False) -> np.ndarray:
    if new:
        import os

        os.truncate(file.descriptor, max(size, 1))
    array = np.frombuffer(file.mapped(0, max(size, 1)), np.uint8, size)
    key = id(array)
    _files[key] = weakref.ref(array, lambda _: _files.pop(key, None)), file
    return array


def _file_of(array: Any) -> tuple[Any, SharedFile] | None:
    """The array that owns this one's memory, and its file, if it is shared."""
    while isinstance(array, np.ndarray):
        found = _files.get(id(array))
        if found is not None and found[0]() is array:
            return array, found[1]
        array = array.base
    return None


def _moved(tensor: Tensor) -> tuple[Any, SharedFile] | None:
    """Moves a tensor's memory into a file; None if someone else looks at that memory."""
    owner = tensor._array
    # This name, the tensor's attribute and the argument of getrefcount: views and exports would hold it too.
    if owner.base is not None or tensor._base is not None or sys.getrefcount(owner) > 3:
        return None
    shared = shared_bytes(owner.nbytes)
    if owner.flags.forc:
        moved = np.ndarray(owner.shape, owner.dtype, shared, 0, owner.strides)
    else:
        moved = np.ndarray(owner.shape, owner.dtype, shared)
    moved[...] = owner
    tensor._array = moved
    return _file_of(moved)


def _reduced(tensor: Tensor) -> tuple[Any, ...]:
    """How a tensor is pickled for another process of this machine."""
    if tensor._level or tensor.device.type != "cpu" or not tensor.numel():
        return tensor.__reduce_ex__(4)
    node = tensor._node
    if node is not None and not isinstance(node, Leaf):
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
            "crossing process boundaries.  If you just want to transfer the data, call detach() on the tensor before "
            "serializing (e.g., putting it on the queue)."
        )
    found = _file_of(tensor._array) or _moved(tensor)
    if found is None:
        warnings.warn(
            "A tensor is sent to another process by value, because views or arrays of its memory are in use here; "
            "call share_memory_() before they are made, and both processes will see one memory.",
            stacklevel=2,
        )
        return tensor.__reduce_ex__(4)
    owner, file = found
    array = tensor._array
    start = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    place = (owner.nbytes, array.dtype, array.shape, array.strides, start)
    return _made, (type(tensor), file, place, tensor.requires_grad)


def _made(cls: type, file: SharedFile, place: tuple[Any, ...], requires_grad: bool) -> Tensor:
    size, dtype, shape, strides, start = place
    tensor = wrap(np.ndarray(shape, dtype, _mapped(file, size), start, strides))
    if cls is Tensor:
        return tensor.requires_grad_(requires_grad)
    return cls(tensor, requires_grad)


def register() -> None:
    """Teaches multiprocessing's pickler to send tensors and parameters by their memory."""
    from flambeau.nn import Parameter

    for cls in (Tensor, Parameter):
        ForkingPickler.register(cls, _reduced)
