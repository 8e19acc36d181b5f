"""Sizes, strides and places in memory; views that have no operator of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base import formats
from .._base.checks import check, contiguous_strides, wrap_dim
from ..runtime import memory, state
from ..runtime.operator import registry
from ..runtime.overrides import handle, stranger_in
from ..runtime.signature import explained
from ..runtime.tensor import Leaf, Tensor, history
from .attach import attribute, method
from .twins import inplace


@method
def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one dimension."""
    if dim.__class__ is int:
        shape = self.shape
        if -len(shape) <= dim < len(shape):
            return tuple.__getitem__(shape, dim)
    return self.shape if dim is None else self.shape[wrap_dim(dim, self.ndim, scalar=False)]


@method
def dim(self: Tensor) -> int:
    """The number of dimensions."""
    return self.ndim


@method
def numel(self: Tensor) -> int:
    """The number of elements."""
    array = self.__dict__.get("_array")
    return self.shape.numel() if array.__class__ is not np.ndarray else array.size


Tensor.ndimension, Tensor.nelement = Tensor.dim, Tensor.numel


def _with_ones(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in which an inserted dimension, to which NumPy gives 0, steps over all that is inside it."""
    out = list(strides)
    for d in reversed(range(len(shape))):
        if shape[d] == 1 and out[d] == 0:
            out[d] = shape[d + 1] * out[d + 1] if d + 1 < len(shape) else 1
    return tuple(out)


@method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Distances in memory between neighbours along each dimension, in elements."""
    if self._level:
        strides = contiguous_strides(self.shape)
        return strides if dim is None else strides[wrap_dim(dim, self.ndim)]
    array = self._array
    strides = tuple(s // array.itemsize for s in array.strides)
    if 0 in array.shape:  # NumPy leaves these strides open; PyTorch's are those of a dense array
        strides = contiguous_strides(array.shape)
    elif 1 in array.shape and 0 in strides:
        strides = _with_ones(array.shape, strides)
    return strides if dim is None else strides[wrap_dim(dim, self.ndim)]


@method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether memory is in row-major order, or in that of `memory_format`, without gaps."""
    if memory_format is not None and memory_format is not formats.contiguous_format:
        if not isinstance(memory_format, formats.memory_format):
            raise TypeError(
                "is_contiguous(): argument 'memory_format' must be memory_format, "
                f"not {memory_format.__class__.__name__}"
            )
        check(
            memory_format is not formats.preserve_format,
            lambda: "preserve memory format is unsupported by the contiguous operator",
        )
        return formats.follows(tuple(self.shape), tuple(self.stride()), memory_format)
    return self._level != 0 or bool(self._array.flags.c_contiguous)


@method
def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dimensions in the order in which they lie in memory, the widest stride first.

    With `ambiguity_check` (True, or a list of memory formats to choose from) RuntimeError where more than one order fits.
    """
    shape, strides = tuple(self.shape), tuple(self.stride())
    order = tuple(sorted(range(self.ndim), key=lambda d: (-strides[d], d)))
    if ambiguity_check is False:
        return order
    if isinstance(ambiguity_check, list):
        fitting = [f for f in ambiguity_check if self.is_contiguous(memory_format=f)]
        clear = len(fitting) == 1
    else:
        check(
            ambiguity_check is True,
            lambda: (
                f"The ambiguity_check argument must be a bool or a list of memory formats, got {ambiguity_check!r}"
            ),
            TypeError,
        )
        clear = 1 not in shape and 0 not in strides and len(set(strides)) == len(strides)
    check(
        clear,
        lambda: (
            "The tensor does not have unique dim order, or cannot map to exact one of the given memory formats."
        ),
    )
    return order


@method
def element_size(self: Tensor) -> int:
    """Bytes of one element."""
    return self.dtype.itemsize


@method
def data_ptr(self: Tensor) -> int:
    """Address of the first element."""
    if self._level:
        raise NotImplementedError(
            "data_ptr: a tensor inside vmap or forward mode has no memory of its own"
        )
    if state.active:
        state.leaves(self, "data_ptr()")
    array = self._array
    return memory.address(array) if array.size and self.device.type != "meta" else 0


Tensor.const_data_ptr = Tensor.data_ptr


@method
def storage_offset(self: Tensor) -> int:
    """Elements between the start of the memory and this view's first element."""
    array = self.__dict__.get("_array")
    return 0 if array is None else memory.offset(array) // array.itemsize


@method
def is_floating_point(self: Tensor) -> bool:
    """Whether the dtype is a floating one."""
    return self.dtype.is_floating_point


@method
def is_complex(self: Tensor) -> bool:
    """Whether the dtype is a complex one."""
    return self.dtype.is_complex


@method
def is_signed(self: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return self.dtype.is_signed


@method
def where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor's elements where `condition` holds, those of `other` elsewhere."""
    return registry["where"].public(condition, self, other)


@method
@explained
def broadcast_to(self: Tensor, size: Any) -> Tensor:
    """`expand` to a shape."""
    return self.expand(size)


@method
@explained
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """`view` in the shape of `other`."""
    return self.view(other.shape)


@method
@explained
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """`reshape` to the shape of `other`."""
    return self.reshape(other.shape)


@method
@explained
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of `other`."""
    return self.expand(other.shape)


@method
@explained
def polygamma(self: Tensor, n: int) -> Tensor:
    """See `flambeau.polygamma`, whose first argument is `n`."""
    from ..ops.zeta import _polygamma

    return _polygamma(self, n)


@method
@explained
def polygamma_(self: Tensor, n: int) -> Tensor:
    """In-place `polygamma`."""
    from ..ops.zeta import _polygamma

    return inplace(_polygamma.op)(self, n)


@method
@explained
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """In-place `unsqueeze`."""
    return become(self, self.unsqueeze(dim))


@method
@explained
def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """In-place `squeeze`."""
    return become(self, self.squeeze(dim))


@method
def t_(self: Tensor) -> Tensor:
    """In-place `t`."""
    return become(self, self.t())


@method
@explained
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """In-place `transpose`."""
    return become(self, self.transpose(dim0, dim1))


for _new_name in ("swapaxes_", "swapdims_"):
    setattr(Tensor, _new_name, Tensor.transpose_)


@method
def split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of `split_size` along `dim`, the last one shorter; or of the sizes in a list."""
    if type(split_size) is not int and (other := stranger_in(split_size)) is not None:
        return handle(Tensor.split, [other], (self, split_size, dim), {})
    return registry["split"].public(self, split_size, dim)


def become(self: Tensor, made: Tensor) -> Tensor:
    """`self` as the view `made` of it: what `unsqueeze_` and its like end with."""
    if type(history(self)) is Leaf and state.local.grad:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    self._bump()
    self._array = made._array
    self._node = made._node
    if self._base is not None:
        self._replay = made._replay
    return self


@attribute
def mT(self: Tensor) -> Tensor:
    """The last two dimensions swapped."""
    if self.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor."
        )
    return self.permute((*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))


@attribute
def T(self: Tensor) -> Tensor:
    """The dimensions in reverse order."""
    return self.permute(
        _REVERSED[self.ndim] if self.ndim < len(_REVERSED) else range(self.ndim)[::-1]
    )


_REVERSED = tuple([tuple(range(n))[::-1] for n in range(9)])


@attribute
def mH(self: Tensor) -> Tensor:
    """The last two dimensions swapped, and conjugated."""
    if self.ndim < 2:
        raise RuntimeError(
            f"tensor.mH is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor."
        )
    return self.mT.conj() if self.is_complex() else self.mT


@attribute
def H(self: Tensor) -> Tensor:
    """A matrix transposed and conjugated."""
    if self.ndim not in (0, 2):
        hint = " For batches of matrices, consider using tensor.mH" if self.ndim > 2 else ""
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.{hint}"
        )
    made = self.mT if self.ndim else self
    return made.conj() if self.is_complex() else made
