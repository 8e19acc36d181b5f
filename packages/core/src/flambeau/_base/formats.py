"""`flambeau.layout` and `flambeau.memory_format`: how a tensor's elements are kept, and in what order they lie.

Both are closed sets of named constants, compared with `is`. A strided layout is a window of one memory, the sparse
ones are several tensors; a memory format orders the dimensions of a strided tensor from the widest stride to the
narrowest.
"""

from __future__ import annotations

from .dtypes import dtype

Shape = tuple[int, ...]


class layout:
    """How a tensor keeps its elements, such as `flambeau.strided` or `flambeau.sparse_coo`.

    >>> import flambeau
    >>> flambeau.zeros(2).layout
    flambeau.strided
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return dtype.prefix + self.name

    def __reduce__(self) -> tuple:
        return (_constant, (self.name,))


class memory_format:
    """In what order a tensor's dimensions lie in memory, such as `flambeau.channels_last`.

    >>> import flambeau
    >>> flambeau.zeros(2, 3, 4, 5).contiguous(memory_format=flambeau.channels_last).stride()
    (60, 1, 15, 3)
    """

    __slots__ = ("name", "order")

    def __init__(self, name: str, order: Shape = ()) -> None:
        self.name, self.order = name, order

    def __repr__(self) -> str:
        return dtype.prefix + self.name

    def __reduce__(self) -> tuple:
        return (_constant, (self.name,))


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
sparse_csc = layout("sparse_csc")
sparse_bsr = layout("sparse_bsr")
sparse_bsc = layout("sparse_bsc")
jagged = layout("jagged")

contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last", (0, 2, 3, 1))
channels_last_3d = memory_format("channels_last_3d", (0, 2, 3, 4, 1))

LAYOUTS = (strided, sparse_coo, sparse_csr, sparse_csc, sparse_bsr, sparse_bsc, jagged)
FORMATS = (contiguous_format, preserve_format, channels_last, channels_last_3d)


def _constant(name: str) -> layout | memory_format:
    return next(c for c in (*LAYOUTS, *FORMATS) if c.name == name)


def strides_in(shape: Shape, order: Shape) -> Shape:
    """Strides in elements of a dense tensor whose dimensions lie in `order`, the widest first.

    >>> strides_in((2, 3, 4), (2, 0, 1))
    (3, 1, 6)
    """
    strides, step = [0] * len(shape), 1
    for d in reversed(order):
        strides[d] = step
        step *= max(shape[d], 1)
    return tuple(strides)


def order_of(shape: Shape, format: memory_format) -> Shape:
    """The order of dimensions that a format asks of a shape; RuntimeError where the rank does not fit."""
    if not format.order:
        return tuple(range(len(shape)))
    if len(shape) != len(format.order):
        raise RuntimeError(f"required rank {len(format.order)} tensor to use {format.name} format")
    return format.order


def is_dense(shape: Shape, strides: Shape) -> bool:
    """Whether some order of the dimensions makes the tensor's memory one block without gaps or overlap."""
    step = 1
    for d in sorted(range(len(shape)), key=lambda d: (strides[d], shape[d])):
        if shape[d] == 0:
            return True
        if shape[d] != 1:
            if strides[d] != step:
                return False
            step *= shape[d]
    return True


def follows(shape: Shape, strides: Shape, format: memory_format) -> bool:
    """Whether a tensor of these strides lies in memory exactly as `format` says."""
    if format.order and len(shape) != len(format.order):
        return False
    if 0 in shape:
        return not format.order or strides == strides_in(shape, format.order)
    step = 1
    for d in reversed(format.order or range(len(shape))):
        if shape[d] != 1:
            if strides[d] != step:
                return False
            step *= shape[d]
    return True


def dense_order(shape: Shape, strides: Shape) -> Shape:
    """The order in which the dimensions of a new tensor lie that is laid out as one of these strides is.

    Dimensions of stride 0 stay beside their neighbours; among equal strides the longer one counts as the wider.
    """
    order = list(range(len(shape) - 1, -1, -1))  # the innermost first
    for i in range(1, len(order)):
        at = i
        for j in range(i - 1, -1, -1):
            a, b = order[j], order[at]
            if 0 in (strides[a], strides[b]):
                continue
            if (strides[a], shape[a]) > (strides[b], shape[b]):
                order[j], order[at] = b, a
                at = j
            elif strides[a] < strides[b]:
                break
    return tuple(reversed(order))
