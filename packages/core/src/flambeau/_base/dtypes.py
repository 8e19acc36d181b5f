"""Element types and PyTorch's promotion rules.

A `dtype` is a singleton that knows its NumPy twin. bfloat16 and the float8 types live in ml_dtypes, which is imported
the first time one of them is touched: most programs never do, and the import costs milliseconds.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

BOOL, INT, FLOAT, COMPLEX = range(4)


class dtype:
    """An element type, such as `flambeau.float32`; compare with `is` or `==`.

    >>> import flambeau
    >>> flambeau.float32.itemsize, flambeau.int64.is_floating_point
    (4, False)
    """

    __slots__ = ("_numpy", "category", "is_signed", "itemsize", "name", "rank")
    prefix = "flambeau."

    def __init__(
        self, name: str, category: int, itemsize: int, rank: int, signed: bool = True
    ) -> None:
        self.name, self.category, self.itemsize, self.rank = name, category, itemsize, rank
        self.is_signed = signed
        self._numpy: np.dtype | None = None

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype of the same elements."""
        found = self._numpy
        if found is None:
            found = self._numpy = _numpy_dtype(self.name)
            _from_numpy[found] = self
        return found

    @property
    def is_floating_point(self) -> bool:
        return self.category == FLOAT

    @property
    def is_complex(self) -> bool:
        return self.category == COMPLEX

    def to_real(self) -> dtype:
        """complex64 to float32 and so on; others unchanged."""
        return {"complex128": float64, "complex64": float32, "complex32": float16}.get(
            self.name, self
        )

    def to_complex(self) -> dtype:
        """float32 to complex64 and so on; complex types unchanged."""
        return {
            "float64": complex128,
            "float32": complex64,
            "float16": complex64,
            "bfloat16": complex64,
        }.get(self.name, self)

    def __repr__(self) -> str:
        return dtype.prefix + self.name

    def __reduce__(self) -> str | tuple:
        return (_by_name, (self.name,))


def _numpy_dtype(name: str) -> np.dtype:
    if name == "complex32":  # kept and cast, viewed and copied; NumPy cannot reckon with it
        return np.dtype([("real", np.float16), ("imag", np.float16)])
    if name.startswith(("bfloat16", "float8")):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


def _by_name(name: str) -> dtype:
    return next(d for d in (*ALL, *QUANTIZED) if d.name == name)


bool_ = dtype("bool", BOOL, 1, 0, signed=False)
uint8 = dtype("uint8", INT, 1, 1, signed=False)
int8 = dtype("int8", INT, 1, 1)
int16 = dtype("int16", INT, 2, 2)
int32 = dtype("int32", INT, 4, 3)
int64 = dtype("int64", INT, 8, 4)
uint16 = dtype("uint16", INT, 2, 2, signed=False)
uint32 = dtype("uint32", INT, 4, 3, signed=False)
uint64 = dtype("uint64", INT, 8, 4, signed=False)
float8_e4m3fn = dtype("float8_e4m3fn", FLOAT, 1, 1)
float8_e5m2 = dtype("float8_e5m2", FLOAT, 1, 1)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", FLOAT, 1, 1)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", FLOAT, 1, 1)
float8_e8m0fnu = dtype("float8_e8m0fnu", FLOAT, 1, 1, signed=False)
float16 = dtype("float16", FLOAT, 2, 2)
bfloat16 = dtype("bfloat16", FLOAT, 2, 2)
float32 = dtype("float32", FLOAT, 4, 3)
float64 = dtype("float64", FLOAT, 8, 4)
complex32 = dtype("complex32", COMPLEX, 4, 2)
complex64 = dtype("complex64", COMPLEX, 8, 3)
complex128 = dtype("complex128", COMPLEX, 16, 4)

ALL: tuple[dtype, ...] = (
    bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64, float8_e4m3fn, float8_e5m2,
    float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0fnu, float16, bfloat16, float32, float64, complex32, complex64,
    complex128,
)  # fmt: skip

# Names of what quantized models ask for; `flambeau.quantization` says what is kept in memory for each.
qint8 = dtype("qint8", INT, 1, 1)
quint8 = dtype("quint8", INT, 1, 1, signed=False)
qint32 = dtype("qint32", INT, 4, 3)
quint4x2 = dtype("quint4x2", INT, 1, 1, signed=False)
quint2x4 = dtype("quint2x4", INT, 1, 1, signed=False)
QUANTIZED = (qint8, quint8, qint32, quint4x2, quint2x4)

_ALONE = frozenset([*QUANTIZED, *(d for d in ALL if d.name.startswith("float8"))])
_WIDE_UNSIGNED = frozenset([uint16, uint32, uint64])

ALIASES = {
    "half": float16, "float": float32, "double": float64, "chalf": complex32, "cfloat": complex64, "cdouble": complex128,
    "short": int16, "int": int32, "long": int64,
}  # fmt: skip

_from_numpy: dict[Any, dtype] = {}
for _d in ALL:
    if not _d.name.startswith(("bfloat16", "float8", "complex32")):
        _from_numpy[_d.numpy] = _d
del _d


def from_numpy(numpy_dtype: Any) -> dtype:
    """Our dtype of a NumPy dtype; TypeError for one that has no twin."""
    found = _from_numpy.get(numpy_dtype)
    if found is None:
        found = _lookup(np.dtype(numpy_dtype))
        _from_numpy[numpy_dtype] = found
    return found


def _lookup(numpy_dtype: np.dtype) -> dtype:
    native = numpy_dtype.newbyteorder("=") if numpy_dtype.kind != "V" else numpy_dtype
    found = next((d for d in ALL if d.name == native.name), None)
    if found is None:
        names = ", ".join(d.name for d in ALL)
        raise TypeError(
            f"can't convert np.ndarray of type {numpy_dtype}. The only supported types are: {names}."
        )
    return found


class _Default(threading.local):
    dtype = float32


_default = _Default()


def get_default_dtype() -> dtype:
    """The dtype of float results made from Python numbers; float32 unless set."""
    return _default.dtype


def set_default_dtype(d: dtype) -> None:
    """Sets the floating dtype of tensors made from Python floats (per thread)."""
    if not (isinstance(d, dtype) and d.is_floating_point):
        raise TypeError(f"only floating-point types are supported as the default type, got {d!r}")
    _default.dtype = d


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that both go into, by PyTorch's table.

    >>> import flambeau
    >>> flambeau.promote_types(flambeau.int64, flambeau.float32)
    flambeau.float32
    """
    if a is b:
        return a
    if not (isinstance(a, dtype) and isinstance(b, dtype)):
        wrong = b if isinstance(a, dtype) else a
        raise TypeError(f"promote_types(): arguments must be dtype, not {type(wrong).__name__}")
    if a in _ALONE or b in _ALONE:
        raise RuntimeError(
            f"Promotion for {a} and {b} is not supported: float8 and quantized types go with no other; "
            "convert one of them"
        )
    if (a in _WIDE_UNSIGNED and b.category != FLOAT) or (
        b in _WIDE_UNSIGNED and a.category != FLOAT
    ):
        raise RuntimeError(
            f"Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {a} and {b}"
        )
    if a.category != b.category:
        high, low = (a, b) if a.category > b.category else (b, a)
        if high.category == COMPLEX and low.category == FLOAT:
            if high is complex32 and low is not float16:
                return low.to_complex()
            return complex128 if low is float64 else high
        return high
    if a.category == INT and a.is_signed != b.is_signed:
        return _mixed_signs(a, b)
    if a.rank == b.rank:  # float16 with bfloat16
        return float32
    return a if a.rank > b.rank else b


def _mixed_signs(a: dtype, b: dtype) -> dtype:
    signed = a if a.is_signed else b
    return int16 if signed is int8 else signed


def of_number(value: Any) -> dtype:
    """The dtype PyTorch gives a Python number: int64, the default float dtype, its complex twin, or bool.

    TypeError for what is no number.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool_
    if isinstance(value, (int, np.integer)):
        return int64
    if isinstance(value, (float, np.floating)):
        return _default.dtype
    if isinstance(value, (complex, np.complexfloating)):
        return _default.dtype.to_complex()
    raise TypeError(f"expected a number, got {type(value).__name__}")


def combine(dims: dtype | None, zero: dtype | None, numbers: dtype | None) -> dtype:
    """Result type of tensors with dimensions, 0-d tensors and Python numbers, in falling priority.

    A lower group changes the result only by being of a higher category (bool < int < float < complex).
    """
    return _over(dims, _over(zero, numbers))  # type: ignore[return-value]


def _over(high: dtype | None, low: dtype | None) -> dtype | None:
    if high is None or low is None:
        return low if high is None else high
    if low.category <= high.category:
        return high
    if high.category == FLOAT:
        return high.to_complex()
    return (
        low
        if high.category < FLOAT <= low.category or high.category == BOOL
        else promote_types(high, low)
    )


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether PyTorch lets `from_` be written into `to` in place: never to a lower category.

    >>> import flambeau
    >>> flambeau.can_cast(flambeau.float32, flambeau.int64)
    False
    """
    if not (isinstance(from_, dtype) and isinstance(to, dtype)):
        wrong = to if isinstance(from_, dtype) else from_
        raise TypeError(f"can_cast(): arguments must be dtype, not {type(wrong).__name__}")
    if from_.category == COMPLEX and to.category != COMPLEX:
        return False
    if from_.category == FLOAT and to.category in (BOOL, INT):
        return to in QUANTIZED
    return not (from_.category == INT and to.category == BOOL)
