"""complex32: the few elementwise operators that PyTorch's CPU computes in it, in complex64 and rounded once.

NumPy has no such dtype: it is a pair of float16 here, which its functions refuse. Every other operator refuses it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._base.dtypes import complex32, complex64
from . import arithmetic, comparison
from .casting import to_dtype

COMPUTED = (
    arithmetic.add,
    arithmetic.sub,
    arithmetic.mul,
    arithmetic.neg,
    arithmetic.addcmul,
    arithmetic.abs,
    comparison.eq,
    comparison.ne,
    comparison.isnan,
    comparison.isinf,
    comparison.isfinite,
    comparison.where,
)


def through_complex64(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """`kernel` for pairs of float16 as well. It is tried as it is first, so that other dtypes pay nothing."""
    cast = to_dtype.op.kernels[None]

    def call(xp: Any, *arrays: Any, **attrs: Any) -> Any:
        try:
            return kernel(xp, *arrays, **attrs)
        except TypeError:
            halves = [getattr(getattr(a, "dtype", None), "names", None) is not None for a in arrays]
            if True not in halves:
                raise
        wide = [cast(xp, a, dtype=complex64) if h else a for a, h in zip(arrays, halves)]
        made = kernel(xp, *wide, **attrs)
        if made.dtype.kind == "c":
            return cast(xp, made, dtype=complex32)
        return made.astype("float16") if made.dtype.kind == "f" else made

    return call


for _operator in COMPUTED:
    _operator.op.kernels[None] = through_complex64(_operator.op.kernels[None])
