"""Python data (numbers, nested sequences, arrays) as an array: what `tensor` reads, and what it refuses.

NumPy alone takes more than PyTorch: an integer that is too large wraps round, None becomes NaN, a word becomes a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._base import dtypes
from .._base.dtypes import BOOL, COMPLEX, FLOAT, INT, dtype
from ..runtime.backend import of_device
from ..runtime.promotion import fits, range_of
from ..runtime.tensor import Tensor

NUMBERS = (complex, float, int, bool)  # from the widest
# By category: NumPy's kinds of the arrays that can stand for data of other types; of any other, each number is looked at.
TAKEN = {BOOL: "biufc", INT: "biuf", FLOAT: "biufV", COMPLEX: "biufcV"}


def array_of(data: Any, kind: dtype | None) -> Any:
    """A new array of `data`, in dtype `kind`, or for None in the one that its numbers meet in."""
    types = _types(data)
    if types.issubset(NUMBERS):  # and nothing else: most data
        widest = next((n for n in NUMBERS if n in types), float)
        if kind is None:
            kind = dtypes.of_number(widest())
        cut = widest is float and kind.category == INT  # to whole numbers, below
        if kind.is_complex or not (cut or widest is complex):
            try:
                return of_device("cpu").xp.array(data, dtype=kind.numpy)
            except (ValueError, TypeError) as error:
                raise _bad_data(data, error) from None
            except OverflowError:
                pass  # refused below, or wrapped round where PyTorch does
    elif any(issubclass(t, Tensor) for t in types):
        kind, data = _inferred(data) if kind is None else kind, _unpacked(data)
    if hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
        array = of_device("cpu").xp.array(data)
        dtypes.from_numpy(array.dtype)
        array = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
        return array if kind is None else array.astype(kind.numpy)
    if kind is None:
        kind = _inferred(data)
    array = _read(data)
    if array.dtype.kind not in TAKEN[kind.category] or kind is dtypes.uint64:
        _check_each(data, kind)
        return _read(data, kind.numpy)
    made = array.astype(kind.numpy, copy=False)
    if kind.category == INT and made is not array and array.size and _changes(array, made, kind):
        _check_each(data, kind)
    return made


def _types(data: Any) -> set[type]:
    """The types of the leaves of nested lists and tuples."""
    if type(data) is not list and type(data) is not tuple:
        return {type(data)}
    found = set(map(type, data))
    if list in found or tuple in found:
        found -= {list, tuple}
        for part in data:
            if isinstance(part, (list, tuple)):
                found |= _types(part)
    return found


def _read(data: Any, kind: Any = None) -> Any:
    """NumPy's array of the data; of tensors among numbers the numbers are read."""
    xp = of_device("cpu").xp
    try:
        return xp.array(data, dtype=kind)
    except (ValueError, TypeError, RuntimeError) as error:
        failed = error
    if any(isinstance(leaf, Tensor) for leaf in _leaves(data)):
        return _read(_unpacked(data), kind)
    raise _bad_data(data, failed)


def _changes(array: Any, made: Any, kind: dtype) -> bool:
    """Whether some number may be another one in the array `made` of integers."""
    if array.dtype.kind != "f":
        return bool((array != made).any())
    low, high = range_of(kind)
    return not ((low if kind.is_signed else 0) <= float(array.min()) and float(array.max()) <= high)


def _check_each(data: Any, kind: dtype) -> None:
    """The error of the first leaf that is no number, or none that the dtype can hold."""
    for leaf in _leaves(data):
        for x in leaf.reshape(-1).tolist() if hasattr(leaf, "reshape") else [leaf]:
            if isinstance(x, (str, bytes)):
                raise ValueError(f"too many dimensions '{type(x).__name__}'")
            if hasattr(x, "__index__"):
                x = x.__index__()
            number = isinstance(x, (int, float)) or (
                kind.category >= FLOAT and hasattr(x, "__float__")
            )
            if isinstance(x, complex):
                number = kind.category in (BOOL, COMPLEX)
            if not number:
                raise TypeError(
                    f"tensor(): a {type(x).__name__} is no number that {kind.name} holds"
                )
            if kind.category == INT:
                if type(x) is int and kind is not dtypes.uint64:
                    refuse_huge(x)
                if not fits(x, kind):
                    raise RuntimeError(
                        f"value cannot be converted to type {kind.name} without overflow"
                    )


def refuse_huge(number: int) -> None:
    """ValueError for an int that has no place in 64 bits."""
    if not -(2**63) <= number < 2**63:
        raise ValueError("Overflow when unpacking long long")


def _leaves(data: Any) -> Iterator[Any]:
    if isinstance(data, (list, tuple, range)):
        for part in data:
            yield from _leaves(part)
    else:
        yield data


def _bad_data(data: Any, error: Exception) -> Exception:
    if "inhomogeneous" in str(error) or "sequence" in str(error):
        n = len(data)
        for d in data:
            if isinstance(d, (list, tuple)) != isinstance(data[0], (list, tuple)) or (
                isinstance(d, (list, tuple)) and len(d) != len(data[0])
            ):
                got = len(d) if isinstance(d, (list, tuple)) else 0
                return ValueError(
                    f"expected sequence of length {len(data[0]) if isinstance(data[0], (list, tuple)) else n} "
                    f"at dim 1 (got {got})"
                )
    return TypeError(f"tensor(): could not read data of type {type(data).__name__}: {error}")


def _unpacked(data: Any) -> Any:
    """The same with tensors of one number as that number."""
    if isinstance(data, Tensor):
        if data.numel() != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars; stack() joins others"
            )
        return data.item()
    return [_unpacked(d) for d in data] if isinstance(data, (list, tuple)) else data


def _inferred(data: Any) -> dtype:
    """The dtype of nested Python numbers: the highest category met."""
    best: dtype | None = None
    stack = [data]
    while stack:
        x = stack.pop()
        if isinstance(x, (list, tuple, range)):
            stack.extend(x)
        elif hasattr(x, "dtype"):
            d = x.dtype if isinstance(x, Tensor) else dtypes.from_numpy(x.dtype)
            best = d if best is None else dtypes.promote_types(best, d)
        elif isinstance(x, (bool, int, float, complex)):
            d = dtypes.of_number(x)
            best = d if best is None else dtypes.promote_types(best, d)
        elif isinstance(x, str):
            raise TypeError("new(): invalid data type 'str'")
        else:
            raise RuntimeError(f"Could not infer dtype of {type(x).__name__}")
    return dtypes.get_default_dtype() if best is None else best
