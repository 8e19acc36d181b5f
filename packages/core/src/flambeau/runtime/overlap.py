"""Whether what `out=` names lies in part over an input: results would depend on the order of the elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from .tensor import Tensor


def refuse_overlap(out: Any, inputs: tuple, same_allowed: bool = True) -> None:
    """RuntimeError if `out` shares memory with an input without being the same elements in the same order.

    Unless `same_allowed`, also if it is: some of PyTorch's kernels, such as cat's, do not stand that.

    As in PyTorch, arrays with gaps are not looked into.
    """
    target = getattr(out, "_array", None)
    if type(target) is not np.ndarray or not target.size or not is_dense(target):
        return
    for x in inputs:
        array = getattr(x, "_array", None) if isinstance(x, Tensor) else None
        if type(array) is not np.ndarray or not is_dense(array):
            continue
        if np.may_share_memory(array, target) and not (same_allowed and _same(array, target)):
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
                "memory location. Please clone() the tensor before performing the operation."
            )


def is_dense(array: np.ndarray) -> bool:
    """Whether the elements fill their memory without gaps and without meeting, in any order of dimensions.

    >>> is_dense(np.zeros((2, 3)).T), is_dense(np.zeros((2, 3))[:, :2])
    (True, False)
    """
    step = array.itemsize
    for stride, size in sorted(zip(array.strides, array.shape)):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.ctypes.data == b.ctypes.data and a.shape == b.shape and a.strides == b.strides
