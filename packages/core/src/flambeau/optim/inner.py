"""What L-BFGS computes of vectors, short ones on the CPU to PyTorch's last bit.

The method doubles the smallest difference from iteration to iteration, so that sums in another order lead to another
history after some steps. Short vectors are therefore added in the order that PyTorch's libraries have (`kernels/inner.c`);
all others, and everything where there is no compiler, by the operators.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau
from flambeau.runtime import state
from flambeau.runtime.tensor import Tensor

SHORT = 1 << 11  # elements up to which PyTorch's libraries use one thread and one order


def dot(x: Tensor, y: Tensor) -> Tensor:
    """`x.dot(y)`."""
    found = _found(x, y)
    if found is None:
        return x.dot(y)
    kernel, address = found
    a = x._array
    return _number(kernel.dot(address(a), address(y._array), a.size), a)


def sizes(x: Tensor) -> Tensor:
    """`x.abs().sum()`."""
    found = _found(x)
    if found is None:
        return x.abs().sum()
    kernel, address = found
    return _number(kernel.sizes(address(x._array), x._array.size), x._array)


def add_scaled(x: Tensor, y: Tensor, alpha: Any) -> None:
    """`x += alpha * y`, rounded once where that is PyTorch's way."""
    found = _found(x, y)
    if found is None:
        x += alpha * y
        return
    kernel, address = found
    kernel.add_scaled(address(x._array), address(y._array), float(alpha), x._array.size)
    x._bump()


def _number(value: float, like: np.ndarray) -> Tensor:
    return flambeau.tensor(
        value, dtype=flambeau.float64 if like.itemsize == 8 else flambeau.float32
    )


def _found(*vectors: Tensor) -> tuple[Any, Any] | None:
    """The kernels for short plain vectors of one real dtype, and what gives their addresses; None for all others."""
    arrays = [getattr(v, "_array", None) for v in vectors]
    first = arrays[0]
    if state.active or type(first) is not np.ndarray or not 0 < first.size <= SHORT:
        return None
    for a in arrays:
        if type(a) is not np.ndarray or a.dtype is not first.dtype or a.size != first.size:
            return None
        if not a.flags.c_contiguous:
            return None
    if first.dtype.name not in ("float32", "float64"):
        return None
    from flambeau.backends.cpu import library, native  # here: importing must not pay for ctypes
    from flambeau.backends.cpu.compiler import CompileError

    global _kernels
    if not library.available():
        return None
    _kernels = _kernels or native.Kernels("inner.c")
    try:
        return getattr(_kernels, first.dtype.name), native.address
    except CompileError:
        return None


_kernels: Any = None
