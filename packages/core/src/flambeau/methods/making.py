"""New tensors of the same kind, and other values in the same tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import dtypes
from .._base.checks import check
from ..ops import casting, creation
from ..runtime import layouts, state, writes
from ..runtime.dispatch import assign
from ..runtime.hot import free
from ..runtime.operator import registry
from ..runtime.signature import explained
from ..runtime.tensor import Box, Tensor, history
from .attach import method


def _new(factory: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def make(
        self: Tensor,
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **_: Any,
    ) -> Tensor:
        return factory(
            *size,
            dtype=dtype or self.dtype,
            device=device or self.device,
            requires_grad=requires_grad,
        )

    return make


for _name in ("zeros", "ones", "empty", "tensor"):
    method(explained(_new(getattr(creation, _name))), f"new_{_name}")


@method
@explained
def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor full of one number, of this dtype and device."""
    return creation.full(
        size,
        fill_value,
        dtype=dtype or self.dtype,
        device=device or self.device,
        requires_grad=requires_grad,
    )


# -- writing ---------------------------------------------------------------------------------------------------------------


@method
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """The elements of `src`, broadcast and cast, written into this tensor."""
    if not state.active and _copy_plain(self, src):
        return self
    writes.check_writable(self)
    src = src if isinstance(src, Tensor) else creation.tensor(src)
    return assign(
        self, casting.convert(src, self.dtype, None if src.device == self.device else self.device)
    )


def _copy_plain(self: Tensor, src: Any) -> bool:
    """`copy_` of a small array that fits, of the same dtype or of whole numbers among floats, where nothing has history; whether it was that."""
    a: Any = getattr(self, "_array", None)
    b: Any = getattr(src, "_array", None)
    if type(a) is not np.ndarray or type(b) is not np.ndarray:
        return False
    if a.dtype is not b.dtype and (a.dtype.char not in "fd" or b.dtype.char not in "fd?bBhilq"):
        return False
    if a.size >= layouts.LARGE or 0 in a.strides or not a.flags.writeable:
        return False
    if not (isinstance(src, Tensor) and free(self) and free(src)):
        return False
    if a.shape == b.shape and a.dtype is b.dtype:
        self._bump()
        np.copyto(a, b)
        return True
    if b.ndim > a.ndim:
        return False
    token = state.error_state.set(state.quiet)  # a float64 may be too large
    try:
        np.copyto(a, b, "same_kind")
    except ValueError:  # of other shapes
        return False
    finally:
        state.error_state.reset(token)
    self._bump()
    return True


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """One number written everywhere."""
    if not state.active and _fill_plain(self, value):
        return self
    if not isinstance(value, (int, float, complex, Tensor, np.generic)):
        raise TypeError(f"fill_(): argument 'value' must be Number or Tensor, not {value.__class__.__name__}")  # fmt: skip
    if isinstance(value, Tensor):
        check(
            value.ndim == 0,
            lambda: (
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
            ),
        )
    array = self.__dict__.get("_array")
    if array is not None and array.size and 0 in array.strides:
        part = self  # elements that share memory may all be given one value
        for d, (n, step) in enumerate(zip(array.shape, array.strides)):
            part = part.narrow(d, 0, 1) if n > 1 and step == 0 else part
        if part is not self:
            part.fill_(value)
            return self
    writes.check_writable(self)
    if isinstance(value, Tensor):
        value = casting.convert(value, self.dtype, None)
    if state.local.grad and history(self) is not None:  # its gradient is zeros, not none
        every = creation.ones_like(self, dtype=dtypes.bool_)
        return assign(self, registry["masked_fill"].public(casting.clone(self), every, value))
    if isinstance(value, Tensor):
        return assign(self, value)
    return assign(self, creation.full((), value, dtype=self.dtype, device=self.device))


def _fill_plain(self: Tensor, value: Any) -> bool:
    """`fill_` of a NumPy array that nothing differentiates with a number its dtype surely holds; whether it was done."""
    array = self.__dict__.get("_array")
    if array.__class__ is not np.ndarray or 0 in array.strides or not free(self):
        return False
    kind, number = array.dtype.kind, value.__class__
    if kind == "f":
        if (number is not float and number is not int) or not -6e4 < value < 6e4:
            return False
    elif kind not in "iu" or number is not int or not 0 <= value < 128:
        return False
    box = self._box
    if box is None:
        box = self._box = Box()
    box.written += 1
    try:
        if array.size < layouts.LARGE:
            array.fill(value)
        else:
            layouts.filling[0](array, value)
    except ValueError:  # memory that must not be written
        box.written -= 1
        return False
    return True


@method
def zero_(self: Tensor) -> Tensor:
    """Zeros written everywhere."""
    if not state.active and _fill_plain(self, 0):
        return self
    return self.fill_(0)
