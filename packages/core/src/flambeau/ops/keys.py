"""Reading a key, the k of x[k]: what of it makes a view, what picks from the view, and PyTorch's errors for the rest."""

from __future__ import annotations

import warnings
from collections.abc import Container, Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import check, slice_length
from ..runtime import state
from ..runtime.tensor import Tensor
from .creation import tensor as make_tensor
from .literals import refuse_huge


def split_key(input: Tensor, key: Any) -> tuple[tuple, list[Tensor], tuple[int, ...]]:
    """A key as (basic key, index tensors, their dimensions in the view that the basic key makes)."""
    if type(key) is list and _means_tuple(key):
        warnings.warn(_NOT_A_TUPLE, UserWarning, stacklevel=3)
        key = tuple(key)
    ndim = input.ndim
    if type(key) is Tensor:
        if key.ndim and ndim:
            if key.dtype is dtypes.int64:
                _check_places(input.shape, [key], (0,))
                return (), [key], (0,)
            if key.dtype is dtypes.bool_ and key.ndim <= ndim:
                _check_mask(key, input, 0)
                return (), list(key.nonzero().unbind(1)), tuple(range(key.ndim))
        parts: tuple = (key,)
    else:
        parts = key if isinstance(key, tuple) else (key,)
        used = _plain_dims(parts)
        if used is not None:
            check(
                used <= ndim,
                lambda: f"too many indices for tensor of dimension {ndim}",
                IndexError,
            )
            return parts, [], ()
    fill = ndim - sum([_dims_of(k) for k in parts])
    check(fill >= 0, lambda: f"too many indices for tensor of dimension {ndim}", IndexError)
    basic: list[Any] = []
    tensors: list[Tensor] = []
    positions: list[int] = []
    sizes: list[int] = []  # of the view's dimensions
    masked: set[int] = set()  # those that masks pick from, which cannot leave them
    d = 0  # dimension of the input
    for part in parts:
        if part is Ellipsis:  # a second one moves on by as much again, as in PyTorch
            n = min(fill, ndim - d)
            basic.extend([slice(None)] * n)
            sizes.extend(input.shape[d : d + n])
            d += n
            continue
        k = _entry(part)
        n = _dims_of(k)
        check(
            d + n <= ndim,
            lambda: (
                f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})"
            ),
            IndexError,
        )
        if k is None:
            basic.append(k)
            sizes.append(1)
        elif isinstance(k, slice):
            basic.append(k)
            sizes.append(slice_length(k, input.shape[d]))
        elif not isinstance(k, Tensor):
            if not -input.shape[d] <= k < input.shape[d]:
                raise IndexError(
                    f"index {k} is out of bounds for dimension {d} with size {input.shape[d]}"
                )
            basic.append(k)
        elif k.dtype is not dtypes.bool_:
            basic.append(slice(None))
            tensors.append(k)
            positions.append(len(sizes))
            sizes.append(input.shape[d])
        elif not n:  # a single truth value: a new dimension of which it takes one element or none
            basic.append(None)
            tensors.append(k.reshape(1).nonzero().unbind(1)[0])
            positions.append(len(sizes))
            sizes.append(1)
        else:
            _check_mask(k, input, d)
            tensors.extend(k.nonzero().unbind(1))
            basic.extend([slice(None)] * n)
            positions.extend(range(len(sizes), len(sizes) + n))
            masked.update(positions[-n:])
            sizes.extend(input.shape[d : d + n])
        d += n
    sizes.extend(input.shape[d:])
    for k in tensors:
        if k.dtype is not dtypes.int64 and k.dtype is not dtypes.int32:
            raise IndexError(
                f"tensors used as indices must be long, int, byte or bool tensors, not {k.dtype}"
            )
    if tensors:
        _check_places(sizes, tensors, positions, masked)
    return tuple(basic), tensors, tuple(positions)


_BOUNDS = (int, type(None))


def _plain_dims(parts: tuple) -> int | None:
    """How many dimensions a key of ints, slices, None and one ... takes up; None for any other key, wrong ones too."""
    used = dots = 0
    for k in parts:
        kind = type(k)
        if kind is int:
            if not -(2**62) < k < 2**62:
                return None
            used += 1
        elif kind is slice:
            step = k.step
            if type(k.start) not in _BOUNDS or type(k.stop) not in _BOUNDS:
                return None
            if step is not None and (type(step) is not int or step <= 0):
                return None
            used += 1
        elif k is Ellipsis:
            dots += 1
        elif k is not None:
            return None
    return used if dots < 2 else None


def _check_places(
    sizes: Sequence[int],
    tensors: Sequence[Tensor],
    positions: Sequence[int],
    masked: Container[int] = (),
) -> None:
    """IndexError for an index out of range, where elements are picked at all."""
    if not all(t.numel() for t in tensors):
        return
    rest = all(n for d, n in enumerate(sizes) if d not in positions)
    for t, d in zip(tensors, positions):
        if not sizes[d]:
            raise IndexError("index is out of bounds for dimension with size 0")
        if rest and d not in masked:
            check_bounds(t, sizes[d], d)


_NOT_A_TUPLE = (
    "indexing several dimensions by a list of indices is deprecated, as it means a tuple here and an index tensor in "
    "NumPy: use x[tuple(key)] or x[tensor(key)]"
)
_BYTES = "indexing with dtype uint8 is deprecated: such a tensor is read as a mask; use one of dtype bool"
_KINDS = (
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
    "(got {})"
)


def _means_tuple(key: list) -> bool:
    """Whether PyTorch reads a list as the tuple of its elements: if it is short and not of numbers only."""
    return len(key) < 32 and any(
        k is None or k is Ellipsis or isinstance(k, (slice, list, tuple, Tensor)) for k in key
    )


def _dims_of(k: Any) -> int:
    """How many of the input's dimensions an entry of a key takes up."""
    if isinstance(k, Tensor):
        return k.ndim if k.dtype in (dtypes.bool_, dtypes.uint8) else 1
    return 0 if k is None or k is Ellipsis or isinstance(k, bool) else 1


def _check_mask(mask: Tensor, input: Tensor, d: int) -> None:
    for j, n in enumerate(mask.shape):
        if input.shape[d + j] != n:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {j} does not match the shape of the indexed "
                f"tensor {list(input.shape)} at index {d + j}"
            )


def check_bounds(k: Tensor, n: int, d: int, from_end: bool = True) -> None:
    """`check_range` of an index tensor; a GPU's is not asked, nor one that stands for many."""
    if not k._level and k.device.type == "cpu":
        check_range(k._array, n, d, from_end)


def check_range(index: Any, n: int, d: int, from_end: bool = True) -> None:
    """IndexError for an array of indices that leaves [-n, n), or [0, n) where negative ones do not count from the end."""
    if not index.size:
        return
    low, high = int(index.min()), int(index.max())
    if low < (-n if from_end else 0) or high >= n:
        bad = high if high >= n else low
        raise IndexError(f"index {bad} is out of bounds for dimension {d} with size {n}")


def _entry(k: Any) -> Any:
    """An entry of a key as None, ..., an int, a slice, or an index tensor of int32, int64 or bool."""
    if k is None or k is Ellipsis:
        return k
    if isinstance(k, Tensor):
        return _index_tensor(k)
    if isinstance(k, bool):
        return make_tensor(k)
    if isinstance(k, int):
        refuse_huge(k)
        return k
    if isinstance(k, slice):
        return plain_slice(k)
    kind = getattr(k, "dtype", None)
    if kind is not None and getattr(k, "shape", None) == ():  # NumPy's scalars
        if getattr(kind, "kind", "") in "iu":
            return int(k)
    elif isinstance(k, (list, tuple, range)) or hasattr(k, "__array__"):
        made = make_tensor(list(k) if isinstance(k, range) else k)
        # Of numbers in lists and arrays the whole part counts.
        return _index_tensor(made.long() if made.dtype.category == dtypes.FLOAT else made)
    elif hasattr(k, "__index__") and not isinstance(k, type):
        return k.__index__()
    raise (TypeError if isinstance(k, (str, bytes)) else IndexError)(
        _KINDS.format(type(k).__name__)
    )


def _index_tensor(k: Tensor) -> Any:
    d = k.dtype
    if d is dtypes.bool_:
        return k
    if d is dtypes.uint8:
        warnings.warn(_BYTES, UserWarning, stacklevel=5)
        return k.to(dtypes.bool_)
    if not k.ndim and d.category == dtypes.INT and not k._level and not state.local.modes:
        return int(k)
    return k


def plain_slice(k: slice) -> slice:
    """The slice with ints for its bounds; ValueError for a step that is not positive."""
    start, stop, step = (None if v is None else _bound(v) for v in (k.start, k.stop, k.step))
    if step is not None and step <= 0:
        raise ValueError("step must be greater than zero" if step else "slice step cannot be zero")
    return slice(start, stop, step)


def _bound(v: Any) -> int:
    if isinstance(v, Tensor):
        if v.numel() != 1 or v.dtype.category >= dtypes.FLOAT:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(v)
    if hasattr(v, "__index__"):
        return v.__index__()
    raise TypeError("slice indices must be integers or None or have an __index__ method")
