"""Small writes of a layer's own state, such as running statistics, where nobody watches: on the NumPy array itself.

No mode sees them, no history depends on them. Each function says whether it wrote; where it did not, nothing was done, and the
operators that it stands for are to be called.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import state
from .tensor import Tensor

_set, _reset, _QUIET = state.error_state.set, state.error_state.reset, state.quiet
_NUMBERS = (int, float)


def writable(tensor: Tensor) -> Any:
    """The array of a tensor that can be written so, or None."""
    a = tensor.__dict__.get("_array")  # wrappers have none
    if state.active or type(a) is not np.ndarray or 0 in a.strides or not a.flags.writeable:
        return None
    return a if tensor._node is None and tensor._base is None else None


def count_up(counter: Tensor) -> bool:
    """Adds 1."""
    a = writable(counter)
    if a is None:
        return False
    counter._bump()
    a += 1
    return True


def blend(target: Tensor, new: Tensor, keep: float, share: float) -> bool:
    """`target * keep + new * share` over `target`, for a `new` of its shape and dtype whose history does not count."""
    a, b = writable(target), new.__dict__.get("_array")
    if a is None or type(b) is not np.ndarray or a.dtype is not b.dtype or a.shape != b.shape:
        return False
    if type(keep) not in _NUMBERS or type(share) not in _NUMBERS or a.dtype.kind != "f":
        return False
    target._bump()
    token = _set(_QUIET)
    try:
        a *= keep
        a += b * share
    finally:
        _reset(token)
    return True
