"""Complex numbers on all cores: sums and differences as those of twice as many floats, products by `kernels/complex.c`.

What is not dense, of two dtypes or broadcast is left to the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.operator import Operator, registry
from . import copies, library, native, offers, providers
from .native import address

SUMS = ("add", "sub", "neg")
LEAST = 1 << 13  # numbers from which a call pays

kernels = native.Kernels("complex.c")
_PARTS: dict[Any, np.dtype] = {
    np.dtype("complex64"): np.dtype("float32"),
    np.dtype("complex128"): np.dtype("float64"),
}


class Complex:
    """An elementwise kernel with a part for complex arrays: `kernel(xp, *arrays, **attrs)`; `otherwise` takes all others."""

    def __init__(self, op: Operator, otherwise: Any) -> None:
        self.op, self.otherwise = op, otherwise
        self.usual = {p: op.defaults[i] for i, p in op.attrs}

    def __call__(self, xp: Any, *given: Any, **attrs: Any) -> Any:
        first = given[0]
        if type(first) is np.ndarray and (attrs == self.usual or not attrs):
            part = _PARTS.get(first.dtype)
            if part is not None and first.flags.c_contiguous and first.size >= LEAST:
                made = self.dense(first, given[1:], part)
                if made is not None:
                    return made
        return self.otherwise(xp, *given, **attrs)

    def dense(self, first: np.ndarray, more: tuple, part: np.dtype) -> np.ndarray | None:
        for x in more:
            if type(x) is np.ndarray:
                if x.dtype != first.dtype or x.shape != first.shape or not x.flags.c_contiguous:
                    return None
            elif type(x) not in (int, float, complex) or self.op.name != "mul":
                return None
        if native.recorders or not library.available():
            return None
        if self.op.name in SUMS:
            flat = [x.reshape(-1).view(part) for x in (first, *more)]
            kernel = registry[self.op.name].providers["cpu"][0][1]
            return kernel(np, *flat, **self.usual).view(first.dtype).reshape(first.shape)
        (second,) = more
        one = type(second) is not np.ndarray
        if one:
            try:
                second = np.array(second, first.dtype)
            except OverflowError:
                return None
        made = np.empty(first.shape, first.dtype)
        of = kernels.float32 if part.itemsize == 4 else kernels.float64
        of.product(address(first), address(second), address(made), first.size, int(one))
        return made


def _complex(real: np.ndarray, imag: np.ndarray) -> Any:
    """Real and imaginary parts brought together."""
    if real.shape != imag.shape or real.dtype is not imag.dtype or real.dtype.char not in "fd":
        return NotImplemented
    if not (real.flags.c_contiguous and imag.flags.c_contiguous) or not real.size:
        return NotImplemented
    made = copies._cat(real.reshape(-1, 1), imag.reshape(-1, 1), dim=1)
    if made is NotImplemented:
        return made
    wide = np.dtype("complex64" if real.itemsize == 4 else "complex128")
    return made.reshape(-1).view(wide).reshape(real.shape)


def register() -> None:
    """Enters the kernels; called when complex numbers are first made of large arrays."""
    if "complex" in registry:
        offers.offer("complex", _complex, least=providers.BY_HAND["complexes"]["complex"])
