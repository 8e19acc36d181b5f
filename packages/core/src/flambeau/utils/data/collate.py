"""From a list of samples to one batch: `default_collate`; from a sample to tensors: `default_convert`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

import flambeau
from flambeau.runtime.tensor import Tensor, wrap

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

CollateMap = dict[type | tuple[type, ...], Callable[..., Any]]

_REFUSAL = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars as tensors, also inside containers; everything else as it is.

    >>> import numpy as np
    >>> default_convert({"x": np.array([1, 2]), "name": "a"})
    {'x': tensor([1, 2]), 'name': 'a'}
    """
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)) and not isinstance(data, (np.str_, np.bytes_)):
        return data if data.dtype.kind in "SUO" else flambeau.as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuilt_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuilt_sequence(data, [default_convert(d) for d in data])
    return data


def default_collate(batch: Any) -> Any:
    """Stacks samples along a new first dimension, through any nesting of containers.

    Tensors and arrays are stacked, numbers become a tensor, strings stay a list; dictionaries, lists and
    named tuples keep their form, tuples become lists.

    >>> default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """As `default_collate`, with a function `(batch, collate_fn_map=...)` for each type of sample.

    >>> collate([1, 2], collate_fn_map={int: lambda batch, collate_fn_map: sum(batch)})
    3
    """
    sample = batch[0]
    cls = type(sample)
    function = _found(cls, collate_fn_map or {})
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(sample, Mapping):
        made = {k: collate([d[k] for d in batch], collate_fn_map=collate_fn_map) for k in sample}
        return _rebuilt_mapping(sample, made)
    if isinstance(sample, Sequence):
        if len(set(map(len, batch))) > 1:
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [
            collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)
        ]
        if isinstance(sample, tuple):
            return cls(*columns) if hasattr(sample, "_fields") else columns
        return _rebuilt_sequence(sample, columns)
    raise TypeError(_REFUSAL.format(cls))


def _found(cls: type, functions: CollateMap) -> Callable[..., Any] | None:
    """The function for a type: its own, else that of the first base class named."""
    if cls in functions:
        return functions[cls]
    return next((function for kind, function in functions.items() if issubclass(cls, kind)), None)


def _rebuilt_mapping(like: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """`items` in a mapping of `like`'s class, or a dictionary if that cannot be made."""
    if type(like) is dict:
        return items
    try:
        if isinstance(like, MutableMapping):
            clone = copy.copy(like)
            clone.update(items)
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _rebuilt_sequence(like: Sequence[Any], items: list[Any]) -> Any:
    """`items` in a sequence of `like`'s class, or a list if that cannot be made."""
    if type(like) is list:
        return items
    try:
        if isinstance(like, MutableSequence):
            clone = copy.copy(like)
            for i, item in enumerate(items):
                clone[i] = item
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _collate_tensors(batch: Sequence[Tensor], **_: Any) -> Tensor:
    # Whether one takes part in autograd, itself or through its base: spelled out, as it is asked of every sample.
    for t in batch:
        if t._node is not None or (t._base is not None and t._base._node is not None):
            return flambeau.stack(tuple(batch), 0)
    try:
        arrays = [t._array for t in batch]
    except AttributeError:  # a tensor made of others
        return flambeau.stack(tuple(batch), 0)
    made = _stacked(arrays) if set(map(type, arrays)) == _NUMPY else None
    return flambeau.stack(tuple(batch), 0) if made is None else wrap(made)


_NUMPY = {np.ndarray}


def _collate_arrays(batch: Sequence[np.ndarray], **_: Any) -> Tensor:
    if batch[0].dtype.kind in "SUO":
        raise TypeError(_REFUSAL.format(batch[0].dtype))
    made = _stacked(batch)
    if made is None:
        return flambeau.stack([flambeau.as_tensor(array) for array in batch], 0)
    return flambeau.from_numpy(made)


def _collate_scalars(batch: Sequence[Any], **_: Any) -> Tensor:
    return flambeau.as_tensor(np.asarray(batch))


def _collate_floats(batch: Sequence[float], **_: Any) -> Tensor:
    return flambeau.tensor(batch, dtype=flambeau.float64)


def _collate_ints(batch: Sequence[int], **_: Any) -> Tensor:
    return flambeau.tensor(batch)


def _unchanged(batch: Any, **_: Any) -> Any:
    return batch


_LARGE = 1 << 14  # elements of a sample from which a kernel that lays it out anew is worth its call


def _stacked(arrays: Sequence[Any]) -> np.ndarray | None:
    """`np.stack`, in half its time: no view with a new dimension is made of each array. None where dtypes differ."""
    first = arrays[0]
    shape, dtype = first.shape, first.dtype
    if [array.shape for array in arrays].count(shape) != len(arrays):
        at, odd = next((i, array.shape) for i, array in enumerate(arrays) if array.shape != shape)
        raise RuntimeError(
            f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
            f"{list(odd)} at entry {at}"
        )
    if not shape:
        made = np.array(arrays)
        return made if made.dtype == dtype else None
    try:
        if first.flags.c_contiguous:
            made = np.concatenate(arrays, dtype=dtype, casting="equiv")
        else:
            made = _concatenated_in_rows(arrays)
    except TypeError:  # another dtype
        return None
    return made.reshape(len(arrays), *shape)


def _concatenated_in_rows(arrays: Sequence[Any]) -> np.ndarray:
    """`np.concatenate` into row-major memory of arrays that are not, such as pictures whose channels come last.

    NumPy would keep their order. TypeError where dtypes differ.
    """
    first = arrays[0]
    if first.ndim == 3 and first.size >= _LARGE and len({array.dtype for array in arrays}) == 1:
        if first.dtype.isnative:
            return flambeau.cat([wrap(array) for array in arrays])._array
    made = np.empty((len(arrays) * first.shape[0], *first.shape[1:]), first.dtype)
    return np.concatenate(arrays, out=made, casting="equiv")


default_collate_fn_map: CollateMap = {
    Tensor: _collate_tensors,
    np.ndarray: _collate_arrays,
    (np.bool_, np.number, np.object_): _collate_scalars,
    float: _collate_floats,
    int: _collate_ints,
    str: _unchanged,
    bytes: _unchanged,
}
