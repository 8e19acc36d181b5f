"""The memory behind tensors: found when saving, so that views stay views, and viewed again when loading.

A storage is a flat run of bytes; a tensor is a dtype, an offset, a shape and strides over it. Nothing here reads a
file. Whatever a file says about a tensor is checked against the storage before memory is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base.checks import check, contiguous_strides
from .._base.devices import CPU, META
from .._base.devices import device as Device
from .._base.dtypes import dtype as DType
from ..runtime.backend import of_array, of_device
from ..runtime.tensor import Tensor, set_requires_grad, wrap

_MOST_DIMENSIONS = 64  # NumPy's


class UntypedStorage:
    """A run of bytes on its way from a file to a device; what a `map_location` function gets and returns.

    >>> UntypedStorage(np.zeros(8, np.uint8)).cuda(1).device
    device(type='cuda', index=1)
    """

    def __init__(
        self, raw: np.ndarray | None, device: Device = CPU, nbytes: int | None = None
    ) -> None:
        self._raw = raw  # flat uint8; None on device meta, where nothing was read
        self._nbytes = raw.size if nbytes is None else nbytes  # type: ignore[union-attr]
        self.device = device
        # The same bytes on a device other than the CPU, shared by all views; and the storage that users see.
        self._moved: Any = None
        self._public: Any = None

    @classmethod
    def _over(cls, raw: Any, device: Device) -> UntypedStorage:
        """Of bytes that lie on a device already."""
        if device.type == "cpu":
            return cls(raw)
        made = cls(None, device, raw.size)
        made._moved = raw
        return made

    def nbytes(self) -> int:
        """How many bytes it has."""
        return self._nbytes

    __len__ = size = nbytes

    def to(self, device: str | Device) -> UntypedStorage:
        """The storage for `device`; bytes move when the first tensor is made of it."""
        return UntypedStorage(self._raw, Device(device), self._nbytes)

    def cpu(self) -> UntypedStorage:
        """The storage for the CPU."""
        return self.to(CPU)

    def cuda(self, index: int | None = None) -> UntypedStorage:
        """The storage for a GPU."""
        return self.to(Device("cuda", index))

    def public(self) -> Any:
        """The storage as users know it, `flambeau.UntypedStorage`, over the same memory."""
        from ..storage import UntypedStorage as Public

        if self._public is None:
            if self.device.type == "meta":
                self._public = Public(self._nbytes, device=META)
            elif self.device.type == "cpu":
                self._public = Public._of(self._raw, CPU)
            else:
                self._public = Public._of(self._on_device(), self.device)
        return self._public

    def _on_device(self) -> Any:
        if self._moved is None:
            self._moved = of_device(self.device).asarray(self._raw, self.device)
        return self._moved

    def _refresh(self) -> None:
        """Sends the bytes to the device again, where they were sent before they were all read."""
        if self._moved is not None:
            self._moved[:] = of_device(self.device).asarray(self._raw, self.device)

    def _view(
        self, dtype: np.dtype, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Any:
        """An array of this memory; strides and offset count bytes."""
        if self.device.type == "meta":
            return of_device(META).asarray(np.broadcast_to(np.empty((), dtype), shape), META)
        if self.device.type == "cpu":
            return np.ndarray(shape, dtype, self._raw, offset, strides)
        backend = of_device(self.device)
        flat = self._on_device()[offset:]
        flat = flat[: flat.size - flat.size % dtype.itemsize].view(dtype)
        return backend.xp.lib.stride_tricks.as_strided(flat, shape, strides)


def rebuild_tensor(
    storage: UntypedStorage,
    dtype: DType,
    offset: int,
    size: Sequence[int],
    stride: Sequence[int],
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of `storage`'s memory; offset and strides count elements. RuntimeError where it would not fit.

    >>> import flambeau
    >>> raw = np.arange(4, dtype=np.float32).view(np.uint8)
    >>> rebuild_tensor(UntypedStorage(raw), flambeau.float32, 1, (2,), (2,))
    tensor([1., 3.])
    """
    check(
        len(size) == len(stride) <= _MOST_DIMENSIONS
        and all(_is_count(n) for n in (offset, *size, *stride)),
        lambda: (
            f"load: a tensor of size {_brief(size)}, stride {_brief(stride)} and offset {offset!r} cannot be"
        ),
    )
    shape, strides, itemsize = tuple(size), tuple(stride), dtype.itemsize
    last = (
        offset + sum((n - 1) * s for n, s in zip(shape, strides)) if 0 not in shape else offset - 1
    )
    check(
        (last + 1) * itemsize <= storage.nbytes() and math.prod(shape) * itemsize < 2**63,
        lambda: (
            f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {offset}, and itemsize "
            f"{itemsize} requiring a storage size of {(last + 1) * itemsize} are out of bounds for storage of size "
            f"{storage.nbytes()}"
        ),
    )
    if 0 in shape:  # the offset of nothing may lie anywhere
        offset, strides = 0, contiguous_strides(shape)
    array = storage._view(
        dtype.numpy, shape, tuple(s * itemsize for s in strides), offset * itemsize
    )
    tensor = wrap(array)
    if requires_grad:
        set_requires_grad(tensor, True)
    return tensor


def memory_of(array: Any) -> tuple[Any, np.ndarray, int, tuple[int, ...]]:
    """The memory an array looks at: an identity, all its bytes in order, and the array's offset and strides in it.

    An array that PyTorch could not describe (negative strides, foreign byte order, a hole in its memory) is copied.
    """
    root = _owner(array)
    raw = _dense_bytes(root)
    if raw is not None and array.dtype.isnative:
        itemsize = array.itemsize
        start = address(raw)
        offset = address(array) - start if array.size else 0
        if offset >= 0 and all(
            n >= 0 and n % itemsize == 0 for n in (offset, raw.size, *array.strides)
        ):
            strides = tuple(s // itemsize for s in array.strides)
            return (start, raw.size), of_array(raw).to_numpy(raw), offset // itemsize, strides
    own = np.array(of_array(array).to_numpy(array), array.dtype.newbyteorder("="), order="C")
    raw = own.reshape(-1).view(np.uint8)
    return (address(raw), raw.size), raw, 0, contiguous_strides(own.shape)


def _owner(array: Any) -> Any:
    """The array whose memory this one looks at, through all views of views."""
    kind = np.ndarray if isinstance(array, np.ndarray) else type(array)
    while True:
        base = array.base
        if not isinstance(base, kind):
            base = getattr(base, "base", None)  # what NumPy's as_strided puts in between
            if not isinstance(base, kind):
                return array
        array = base


def address(array: Any) -> int:
    """Where an array's first element lies in memory."""
    interface = (
        array.__array_interface__
        if isinstance(array, np.ndarray)
        else array.__cuda_array_interface__
    )
    return interface["data"][0]


def _dense_bytes(root: Any) -> Any:
    """All bytes of an array that owns its memory, in the order of addresses; None if that leaves a hole."""
    order = sorted(range(root.ndim), key=lambda dim: -root.strides[dim])
    straight = root.transpose(order)
    if not straight.flags.c_contiguous:
        return None
    return straight.reshape(-1).view(np.uint8)


def _is_count(n: Any) -> bool:
    return type(n) is int and 0 <= n < 2**63


def _brief(values: Any) -> str:
    text = repr(values)
    return text if len(text) <= 80 else text[:77] + "..."
