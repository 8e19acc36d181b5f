"""A step of Adafactor for a group of plain arrays in one native call."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from flambeau.backends.cpu import lists, native
from flambeau.backends.cpu.compiler import CompileError
from flambeau.runtime.tensor import Tensor

kernels = native.Kernels("adafactor.c")


def step(found: lists.Listed, params: list[Tensor], states: list[Any], options: dict) -> bool:
    """Steps parameters and their averages; False, with nothing changed, where these are not as they were made."""
    table, shapes = [], []
    for k, (p, state) in enumerate(zip(params, states, strict=True)):
        shape = p._array.shape
        names: tuple[str, ...]
        sizes: tuple[Any, ...]
        if len(shape) > 1:
            names, sizes = ("row_var", "col_var"), ((*shape[:-1], 1), (*shape[:-2], 1, shape[-1]))
            shapes += [math.prod(shape[:-2]), *shape[-2:]]
        else:
            names, sizes = ("variance",), (shape,)
            shapes += [1, 1, math.prod(shape)]
        kept: list[Any] = [getattr(state.get(n), "_array", None) for n in names]
        if not p._array.size or not all(
            _plain(a, found.dtype, size) for a, size in zip(kept, sizes, strict=True)
        ):
            return False
        places = [native.address(a) for a in kept] + [0] * (2 - len(kept))
        table += [found.table[2 * k], found.table[2 * k + 1], *places]
    try:
        function = getattr(kernels, found.real).step
        now, _ = found.advance([id(s["step"]._array) for s in states])
    except (CompileError, KeyError, AttributeError):
        return False
    if now is None:
        return False
    eps1, eps2 = options["eps"]
    eps1 = float(np.finfo(found.dtype).eps) if eps1 is None else eps1
    lr, numbers = options["lr"], []
    for t in now:
        numbers += [t ** options["beta2_decay"], min(lr, 1 / t**0.5)]
    function(
        len(params), found.total, (ctypes.c_int64 * len(table))(*table), (ctypes.c_int64 * len(shapes))(*shapes),
        (ctypes.c_double * len(numbers))(*numbers), eps1, eps2, options["d"], 1 - lr * options["weight_decay"],
        -1.0 if options["maximize"] else 1.0,
    )  # fmt: skip
    for p in params:
        p._bump()
    return True


def _plain(array: Any, dtype: str, shape: tuple[int, ...]) -> bool:
    return (
        type(array) is np.ndarray
        and array.dtype == dtype
        and array.shape == shape
        and array.flags.carray
    )
