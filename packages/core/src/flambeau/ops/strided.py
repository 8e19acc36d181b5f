"""Windows given by strides: any look at a tensor's storage, and the gradients of such looks.

A geometry is (shape, strides, offset), in elements and relative to the storage, as in PyTorch. Gradients go through
the storage as a value: what has one geometry is laid down there, and taken up again by the other.
"""

from __future__ import annotations

from typing import Any

from .._base.checks import check, contiguous_strides
from .._base.formats import strides_in
from ..runtime import memory, state
from ..runtime.families import composite, primitive
from ..runtime.families import view as view_op
from ..runtime.meta import Meta
from ..runtime.signature import explained
from ..runtime.tensor import Tensor, set_requires_grad, wrap
from .comparison import where
from .creation import as_device, as_dtype, as_size, empty, ones

Shape = tuple[int, ...]
Geometry = tuple[Shape, Shape, int]


def geometry(input: Tensor) -> Geometry:
    """Where the elements of a tensor lie. A row of a batch counts as dense, at the start of a storage of its own."""
    shape = tuple(input.shape)
    if input._level:
        inner: Any = input.value  # type: ignore[attr-defined]
        if inner.ndim == len(shape):  # with a tangent
            return geometry(inner)
        return shape, contiguous_strides(shape), 0
    return shape, tuple(input.stride()), input.storage_offset()


def _end(at: Geometry) -> int:
    shape, strides, offset = at
    return 0 if 0 in shape else offset + sum((n - 1) * s for n, s in zip(shape, strides)) + 1


def overlaps(shape: Shape, strides: Shape) -> bool:
    """Whether two elements may share a place. (PyTorch's test: it may say yes where they only interleave.)"""
    reach = 0
    for s, n in sorted((s, n) for n, s in zip(shape, strides) if n != 1):
        if n == 0:
            return False
        if s <= reach:
            return True
        reach += (n - 1) * s
    return False


def _places(xp: Any, at: Geometry, low: int) -> Any:
    """The place in the storage of every element, counted from `low`."""
    shape, strides, offset = at
    places = xp.full(shape, offset - low, dtype="int64")
    for d, (n, s) in enumerate(zip(shape, strides)):
        steps = xp.arange(n, dtype="int64") * s
        places += steps.reshape((n, *[1] * (len(shape) - d - 1)))
    return places


@primitive(method=False, linear=True)
def restride(input: Meta, source: Geometry, target: Geometry, counted: int):
    """What lies at `source` in a storage of zeros, looked at as `target`; leading dimensions are a batch.

    Values that meet in one place are added, and divided by how many elements of `counted` (0: source, 1: target) share
    it: so the operator with source and target exchanged, and `counted` with them, is the transpose.
    """
    batch = input.shape[: input.ndim - len(source[0])]
    return input.like((*batch, *target[0]))


@restride.kernel
def _(xp, x, *, source, target, counted):
    batch = x.shape[: x.ndim - len(source[0])]
    low = min(source[2], target[2])
    size = max(_end(source), _end(target), low) - low
    given, wanted = _places(xp, source, low), _places(xp, target, low)
    store = xp.zeros((*batch, size), dtype=x.dtype)
    if overlaps(*source[:2]):
        xp.add.at(store, (..., given), x)
    else:
        store[..., given] = x
    shared = (source, target)[counted]
    if overlaps(*shared[:2]):
        count = xp.bincount((given, wanted)[counted].reshape(-1), minlength=size)
        store = (store / xp.maximum(count, 1)).astype(x.dtype)
    return store[..., wanted]


@restride.vjp
def _(g, _out, _x, *, source, target, counted):
    return restride(g, target, source, 1 - counted)


@restride.batch
def _(size, batched, x, *, source, target, counted):
    return restride(x, source, target, counted)


restride.refuse("onnx", "ONNX tensors have no strides")


@view_op(method=False)
def strided_view(
    input: Meta, size: tuple[int, ...], stride: tuple[int, ...], storage_offset: int, origin: tuple
):
    """The storage of `input` as another geometry. `origin` is that of `input` when the call was made."""
    return input.like(size)


@strided_view.kernel
def _(xp, x, *, size, stride, storage_offset, origin):
    strides = tuple(s // x.itemsize for n, s in zip(x.shape, x.strides) if n != 1)
    if x.size and (
        strides != tuple(s for n, s in zip(*origin[:2]) if n != 1)
        or memory.offset(x) != origin[2] * x.itemsize
    ):  # another tensor in its place, laid out otherwise: by value
        rule = restride.op.kernels[None]
        return rule(xp, x, source=origin, target=(size, stride, storage_offset), counted=0)
    return memory.window(x, x.dtype, size, stride, storage_offset)


@strided_view.vjp
def _(g, _out, _x, *, size, stride, storage_offset, origin):
    return restride(g, (size, stride, storage_offset), origin, 1)


@strided_view.jvp
def _(tangents, _out, _x, *, size, stride, storage_offset, origin):
    return restride(tangents[0], origin, (size, stride, storage_offset), 0)


@strided_view.batch
def _(size_, batched, x, *, size, stride, storage_offset, origin):
    return restride(x, origin, (size, stride, storage_offset), 0)


strided_view.refuse("onnx", "ONNX tensors have no strides")


def _target(input: Tensor, size: Any, stride: Any, storage_offset: int | None) -> Geometry:
    shape, strides = as_size(size), as_size(stride, "stride")
    check(
        len(shape) == len(strides),
        lambda: f"mismatch in length of strides and shape: {len(strides)} and {len(shape)}",
    )
    check(
        min(strides, default=0) >= 0,
        lambda: (
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(strides)}"
        ),
    )
    check(
        min(shape, default=0) >= 0,
        lambda: f"as_strided: expected sizes that are not negative, but got {list(shape)}",
    )
    start = geometry(input)[2] if storage_offset is None else storage_offset
    check(start >= 0, lambda: f"as_strided: the storage offset must not be negative, got {start}")
    return shape, strides, int(start)


@composite(ints=("storage_offset",))
def as_strided(
    input: Tensor, size: tuple[int, ...], stride: tuple[int, ...], storage_offset: int | None = None
):
    """The storage of `input` in another geometry: sizes, strides and offset in elements.

    The offset counts from the start of the storage, not from the first element of `input`; None keeps that one.

    >>> import flambeau
    >>> flambeau.arange(6).as_strided((3, 2), (2, 1))
    tensor([[0, 1],
            [2, 3],
            [4, 5]])
    """
    shape, strides, start = _target(input, size, stride, storage_offset)
    return strided_view(input, shape, strides, start, geometry(input))


@composite(method=False)
def as_strided_copy(
    input: Tensor, size: tuple[int, ...], stride: tuple[int, ...], storage_offset: int | None = None
):
    """`as_strided`, copied to memory of its own.

    >>> import flambeau
    >>> flambeau.as_strided_copy(flambeau.arange(4), (2, 2), (1, 1))
    tensor([[0, 1],
            [1, 2]])
    """
    return as_strided(input, size, stride, storage_offset).contiguous().clone()


@composite(ints=("storage_offset",))
def as_strided_scatter(
    input: Tensor,
    src: Tensor,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    storage_offset: int | None = None,
):
    """A copy of `input` in which the elements at the given geometry are those of `src`.

    >>> import flambeau
    >>> flambeau.as_strided_scatter(flambeau.zeros(4), flambeau.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    target, origin = _target(input, size, stride, storage_offset), geometry(input)
    check(
        tuple(src.shape) == target[0],
        lambda: (
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, "
            f"slice size = {list(target[0])}"
        ),
    )
    check(
        not overlaps(*target[:2]),
        lambda: (
            "as_strided_scatter: unsupported operation: more than one element of the written-to tensor refers to a "
            f"single memory location (sizes {list(target[0])}, strides {list(target[1])})"
        ),
    )
    if not input._level and input.device.type != "meta":
        width, have = input.dtype.itemsize, memory.nbytes(input._array)
        check(
            _end(target) * width <= have,
            lambda: (
                f"as_strided_scatter: sizes {list(target[0])}, strides {list(target[1])}, storage offset {target[2]}, "
                f"and itemsize {width} requiring a storage size of {_end(target) * width} are out of bounds for storage "
                f"of size {have}"
            ),
        )
    written = restride(ones(target[0], dtype=input.dtype, device=input.device), target, origin, 1)
    return where(written != 0, restride(src.to(input.dtype), target, origin, 1), input)


for _f in (as_strided, as_strided_copy, as_strided_scatter):
    _f.refuse("onnx", "ONNX tensors have no strides")


@explained
def as_strided_(
    input: Tensor, size: tuple[int, ...], stride: tuple[int, ...], storage_offset: int | None = None
) -> Tensor:
    """`as_strided` in place: the tensor itself becomes the other window."""
    return input.as_strided_(size, stride, storage_offset)


def _at(shape: Shape, strides: Shape, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A new tensor of given strides in memory that is just long enough."""
    flat = empty((_end((shape, strides, 0)),), dtype=dtype, device=device)
    if state.active or flat.device.type == "meta":
        made = flat.as_strided(shape, strides)
    else:
        made = wrap(memory.window(flat._array, flat._array.dtype, shape, strides, 0))
    if requires_grad:
        set_requires_grad(made, True)
    return made


@explained
def empty_strided(size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
                  requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor of given sizes and strides whose elements are arbitrary (zeros here).

    >>> import flambeau
    >>> flambeau.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    shape, strides = as_size(size), as_size(stride, "stride")
    check(
        len(shape) == len(strides),
        lambda: (
            f"empty_strided: dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(strides)})"
        ),
    )
    check(
        min((*shape, *strides), default=0) >= 0,
        lambda: (
            f"empty_strided: negative numbers in sizes {list(shape)} or strides {list(strides)}"
        ),
    )
    return _at(shape, strides, dtype, device, requires_grad)


@explained
def empty_permuted(size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
                   requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A dense tensor whose dimensions lie in memory in the order `physical_layout`, the widest first.

    >>> import flambeau
    >>> flambeau.empty_permuted((2, 3, 5), (2, 0, 1)).stride()
    (3, 1, 6)
    """
    shape, order = as_size(size), as_size(physical_layout, "physical_layout")
    check(
        len(shape) == len(order),
        lambda: (
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(shape)} is not equal to len(physical_layout) = {len(order)}"
        ),
    )
    check(
        all(0 <= d < len(shape) for d in order),
        lambda: (
            f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {list(order)})"
        ),
    )
    check(len(set(order)) == len(order), lambda: "Duplicate dim not allowed")
    return _at(shape, strides_in(shape, order), dtype, device, requires_grad)


def new_empty_strided(self: Tensor, size: Any, stride: Any, dtype: Any = None, layout: Any = None, device: Any = None,
                      pin_memory: bool = False, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`empty_strided` in the dtype and on the device of this tensor."""
    kind = self.dtype if dtype is None else as_dtype(dtype)
    where = self.device if device is None else as_device(device)
    return empty_strided(size, stride, dtype=kind, device=where, requires_grad=requires_grad)
