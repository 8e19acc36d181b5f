"""`ReduceOp`: how values of several ranks become one."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np

__all__ = ["ReduceOp", "combined", "finished", "widened"]


class ReduceOp(enum.Enum):
    """How `all_reduce` and its kin combine the ranks' values.

    >>> ReduceOp.SUM
    <ReduceOp.SUM: 0>
    """

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7


ReduceOp.RedOpType = ReduceOp  # type: ignore[attr-defined]  # PyTorch's name for the kinds themselves


_FUNCTIONS: dict[ReduceOp, np.ufunc] = {
    ReduceOp.SUM: np.add,
    ReduceOp.AVG: np.add,
    ReduceOp.PRODUCT: np.multiply,
    ReduceOp.MIN: np.minimum,
    ReduceOp.MAX: np.maximum,
    ReduceOp.BAND: np.bitwise_and,
    ReduceOp.BOR: np.bitwise_or,
    ReduceOp.BXOR: np.bitwise_xor,
}


def widened(array: np.ndarray) -> np.ndarray:
    """What is really combined: half types as float32, since sums of many halves lose their last ranks."""
    return array.astype(np.float32) if array.dtype.itemsize == 2 and _is_float(array) else array


def combined(arrays: Sequence[np.ndarray], op: ReduceOp) -> np.ndarray:
    """The values of all ranks as one, in the order of the ranks: equal bits on every run."""
    function = _FUNCTIONS[op]
    dtype = arrays[0].dtype
    total = np.array(widened(arrays[0]))
    for array in arrays[1:]:
        function(total, widened(array), out=total)
    return finished(total, op, len(arrays)).astype(dtype, copy=False)


def finished(total: np.ndarray, op: ReduceOp, size: int) -> np.ndarray:
    """The last step: a mean divides; RuntimeError for the mean of whole numbers."""
    if op is not ReduceOp.AVG:
        return total
    if total.dtype.kind not in "fc" and not _is_float(total):
        raise RuntimeError(
            f"all_reduce: ReduceOp.AVG of {total.dtype}; expected a floating dtype: use ReduceOp.SUM"
        )
    total /= size
    return total


def _is_float(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"
