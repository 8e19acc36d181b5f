"""Argument checks and the wording of their errors. A message is built only when needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import index as as_index
from typing import Any, NoReturn

Shape = tuple[int, ...]


def check(cond: Any, message: Callable[[], str], error: type[Exception] = RuntimeError) -> None:
    """Raises `error(message())` unless `cond` holds."""
    if not cond:
        raise error(message())


def fail(message: str, error: type[Exception] = RuntimeError) -> NoReturn:
    """Raises; an expression, so that it fits into a lambda or an `or`."""
    raise error(message)


def wrap_dim(dim: int, ndim: int, scalar: bool = True) -> int:
    """`dim` counted from the front. A 0-d tensor counts as having one dimension, as in PyTorch."""
    n = ndim or (1 if scalar else 0)
    try:
        inside = -n <= dim < n
    except TypeError:
        raise TypeError(f"a dimension must be int, not {type(dim).__name__}") from None
    if not inside:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    return dim + n if dim < 0 else dim


def wrap_dims(dim: int | Sequence[int] | None, ndim: int) -> Shape:
    """All dimensions for None or (), else each of `dim` counted from the front, refused if named twice."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, int):
        return (wrap_dim(dim, ndim),)
    dims = tuple(wrap_dim(as_index(d), ndim) for d in dim)
    if len(set(dims)) != len(dims):
        repeated = next(d for d in dims if dims.count(d) > 1)
        raise RuntimeError(f"dim {repeated} appears multiple times in the list of dims")
    return dims or tuple(range(ndim))


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that all `shapes` broadcast to; RuntimeError naming the first dimension that does not."""
    ndim = max(map(len, shapes), default=0)
    if all(len(s) == ndim and s == shapes[0] for s in shapes):
        return shapes[0] if shapes else ()
    out = [1] * ndim
    for shape in shapes:
        for i, n in zip(range(ndim - 1, -1, -1), reversed(shape)):
            if n != 1 and out[i] != n:
                if out[i] != 1:
                    raise RuntimeError(
                        f"The size of tensor a ({out[i]}) must match the size of tensor b ({n}) "
                        f"at non-singleton dimension {i}"
                    )
                out[i] = n
    return tuple(out)


def same_dtypes(name: str, first: Any, *others: Any) -> None:
    """RuntimeError unless all tensors (or Metas) are of one dtype; None is of any."""
    for other in others:
        if other is not None and other.dtype is not first.dtype:
            fail(f"{name}: expected scalar type {first.dtype.name} but found {other.dtype.name}")


def check_room(count: int, each: int = 512) -> None:
    """RuntimeError, as of an allocation, where `count` Python objects of `each` bytes are more than this machine holds.

    For loops over sizes that a caller names: without it they end long after the caller has lost patience.
    """
    if count >= 1 << 24:  # 8 GB of tensors, which any machine may have
        import os

        sysconf = getattr(os, "sysconf", None)
        memory = sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES") if sysconf else 1 << 36
        if count * each > memory:
            fail(
                f"DefaultCPUAllocator: can't allocate memory: you tried to allocate {count * each} bytes"
            )


def as_size(values: Iterable[Any], what: str = "size") -> Shape:
    """A tuple of ints of a size argument; TypeError names what is not an int."""
    out = []
    for v in values:
        try:
            out.append(as_index(v))
        except TypeError:
            raise TypeError(
                f"{what}: expected a tuple of ints, but found element of type {type(v).__name__}"
            ) from None
    return tuple(out)


def slice_length(key: slice, size: int) -> int:
    """How many of `size` elements a slice with a positive step takes; of a size that stays open, too."""
    if all(type(n) in (int, type(None)) for n in (size, key.start, key.stop)):
        return len(range(*key.indices(size)))
    ends = []
    for bound, usual in ((key.start, 0), (key.stop, size)):
        at = usual if bound is None else bound + size if bound < 0 else bound
        ends.append(0 if at < 0 else size if at > size else at)
    step = 1 if key.step is None else key.step
    return -(-(ends[1] - ends[0]) // step) if ends[1] > ends[0] else 0


def contiguous_strides(shape: Sequence[int]) -> Shape:
    """Strides in elements of a row-major array."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def infer_size(shape: Sequence[int], numel: int) -> Shape:
    """`shape` with its one -1 worked out from the number of elements."""
    unknown = [i for i, n in enumerate(shape) if n == -1]
    if any(n < -1 for n in shape):
        raise RuntimeError(f"invalid shape dimension {min(shape)}")
    if len(unknown) > 1:
        raise RuntimeError("only one dimension can be inferred")
    known = 1
    for n in shape:
        if n != -1:
            known *= n

    def text() -> str:
        return f"shape '{list(shape)}' is invalid for input of size {numel}"

    if not unknown:
        check(known == numel, text)
        return tuple(shape)
    if known == 0:
        check(numel == 0, text)
        fail(
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 can be any value and is ambiguous"
        )
    check(numel % known == 0, text)
    return tuple(numel // known if n == -1 else n for n in shape)
