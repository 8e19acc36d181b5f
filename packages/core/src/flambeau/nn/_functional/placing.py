"""`inplace=`: where a function's result goes."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau.runtime import state
from flambeau.runtime.dispatch import assign
from flambeau.runtime.elementwise import INTO, into
from flambeau.runtime.inference import check_written
from flambeau.runtime.tensor import Tensor

_FLOATS = (np.dtype("float32"), np.dtype("float64"))


def placed(result: Tensor, input: Tensor, inplace: bool) -> Tensor:
    """The result, written into the input where that was asked for."""
    return assign(input, result) if inplace else result


def overwritten(function: Any, input: Tensor, **attrs: Any) -> bool:
    """Has a backend write `function(input, **attrs)` over a large input in one pass; False, and nothing done, where none can.

    Only of an input without history, which `assign` would have to record.
    """
    array = input.__dict__.get("_array")
    if type(array) is not np.ndarray or array.size < INTO or array.dtype not in _FLOATS:
        return False
    if state.active or 0 in array.strides:
        return False
    if state.local.grad and (input._node is not None or input._base is not None):
        return False
    check_written(input)
    if not into(function.op, array, array, **attrs):
        return False
    input._bump()
    return True


def kept(input: Tensor, inplace: bool) -> Tensor:
    """What a rule that reads its input computes on: a copy where the input is about to be overwritten."""
    return input.clone() if inplace and input.requires_grad else input
