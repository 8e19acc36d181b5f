"""`finfo` and `iinfo`: the limits of the numbers a dtype can hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtypes import COMPLEX, FLOAT, INT, dtype, get_default_dtype

__all__ = ["finfo", "iinfo"]


class finfo:
    """Limits of a floating dtype, or of a complex one's parts; of the default dtype if none is given.

    >>> import flambeau
    >>> flambeau.finfo(flambeau.float16).max
    65504.0
    """

    def __init__(self, type: dtype | None = None) -> None:
        type = get_default_dtype() if type is None else type
        if not isinstance(type, dtype):
            raise TypeError(f"finfo(): argument 'type' must be flambeau.dtype, not {_class(type)}")
        if type.category not in (FLOAT, COMPLEX):
            raise TypeError(
                f"finfo() requires a floating point input type. Use iinfo to handle {type}"
            )
        type = type.to_real()
        limits = _float_limits(type.numpy)
        self.dtype = type.name
        self.bits = type.itemsize * 8
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.smallest_normal = self.tiny = float(limits.smallest_normal)
        # Of a float8 not even one decimal digit survives, whatever its kind.
        self.resolution = 1.0 if type.itemsize == 1 else 10.0**-limits.precision

    def __repr__(self) -> str:
        figures = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        text = ", ".join(f"{name}={getattr(self, name):.6g}" for name in figures)
        return f"finfo({text}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(("finfo", self.dtype))


class iinfo:
    """Limits of an integer dtype.

    >>> import flambeau
    >>> flambeau.iinfo(flambeau.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    def __init__(self, type: dtype) -> None:
        if not isinstance(type, dtype):
            raise TypeError(f"iinfo(): argument 'type' must be flambeau.dtype, not {_class(type)}")
        if type.category != INT:
            raise TypeError(f"iinfo() requires an integer input type. Use finfo to handle {type}")
        limits = np.iinfo(type.numpy)
        self.dtype = type.name
        self.bits = type.itemsize * 8
        self.max = int(limits.max)
        self.min = int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(("iinfo", self.dtype))


def _float_limits(numpy_dtype: np.dtype) -> Any:
    if numpy_dtype.kind == "f" and numpy_dtype.itemsize > 1:  # float8_e5m2 calls itself one of them
        return np.finfo(numpy_dtype)
    import ml_dtypes

    return ml_dtypes.finfo(numpy_dtype)


def _class(value: Any) -> str:
    return value.__class__.__name__
