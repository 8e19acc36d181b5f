"""Operators whose result looks at the same memory in another shape or order, and what moves elements about; parts are in `slices`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .._base import dtypes
from .._base.checks import check, fail, infer_size, wrap_dim, wrap_dims
from .._base.formats import contiguous_format
from ..runtime import memory
from ..runtime.families import composite, primitive
from ..runtime.families import view as view_op
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor

SMALL = 1 << 12  # elements up to which gradients are computed in NumPy's calls


@view_op(star="shape", onnx="Reshape", linear=True)
def reshape(input: Meta, shape: tuple[int, ...]):
    """The same elements in another shape; a view where strides allow, else a copy. One -1 is worked out.

    >>> import flambeau
    >>> flambeau.arange(6).reshape(2, -1).shape
    flambeau.Size([2, 3])
    """
    return input.like(infer_size(shape, input.numel))


@reshape.kernel
def _(xp, x, *, shape):
    if shape is None:  # NumPy takes it, and any negative number for the unknown one
        raise TypeError("reshape(): argument 'shape' must be tuple of ints, not NoneType")
    if shape and min(shape) < -1:
        infer_size(shape, x.size)
    return x.reshape(shape)


@reshape.vjp
def _(g, _out, x: Meta):
    return g.reshape(x.shape)


@reshape.raw_vjp
def _(xp, g, _out, x, **_):
    return g.reshape(x.shape)


@reshape.batch
def _(size, batched, x, *, shape):
    inner = 1
    for n in x.shape[1:]:
        inner *= n
    return x.reshape((size, *infer_size(shape, inner)))


@composite
def view(
    input: Tensor,
    *shape: int,
    size: tuple[int, ...] | None = None,
    dtype: dtypes.dtype | None = None,
):
    """The same memory in another shape or dtype; RuntimeError where strides do not allow it without a copy.

    >>> import flambeau
    >>> flambeau.zeros(2, 3).view(3, 2).shape
    flambeau.Size([3, 2])
    """
    if size is not None or dtype is not None:
        named: Any = size if dtype is None else dtype
        shape = (*shape, named)
    first = shape[0] if shape else ()
    if len(shape) == 1 and hasattr(first, "category"):
        return view_dtype(input, first)
    size = tuple(first) if len(shape) == 1 and isinstance(first, (tuple, list)) else shape
    out = reshape(input, size)
    if out._base is None and out.numel() and not out._level and input is not out:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return out


@view.as_call_of(reshape)
def _(x, *shape, size, dtype):
    if size is not None or dtype is not None or not shape or not x.flags.c_contiguous:
        return None
    if type(shape[0]) is int:
        return shape
    return tuple(shape[0]) if len(shape) == 1 and type(shape[0]) in (tuple, list) else None


@view_op(method=False)
def view_dtype(input: Meta, dtype: dtypes.dtype):
    """The same bytes read as another dtype; the last dimension grows or shrinks where elements have other sizes."""
    return input.like(_recut(input.shape, input.dtype.itemsize, dtype.itemsize), dtype)


def _recut(shape: tuple[int, ...], old: int, new: int) -> tuple[int, ...]:
    if old == new:
        return shape
    check(
        shape,
        lambda: (
            f"self.dim() cannot be 0 to view elements of {old} bytes as ones of {new} (different element sizes)"
        ),
    )
    check(
        shape[-1] * old % new == 0,
        lambda: (
            f"self.size(-1) must be divisible by {new // old} to view elements of {old} bytes as ones of {new} "
            f"(different element sizes), but got {shape[-1]}"
        ),
    )
    return (*shape[:-1], shape[-1] * old // new)


@view_dtype.kernel
def _(xp, x, *, dtype):
    old, new = x.itemsize, dtype.itemsize
    if old != new and x.size:
        _recut(x.shape, old, new)
        check(
            x.strides[-1] == old or x.shape[-1] == 1,
            lambda: (
                f"self.stride(-1) must be 1 to view elements of {old} bytes as ones of {new} (different element "
                f"sizes), but got {x.strides[-1] // old}"
            ),
        )
        for d, step in enumerate(x.strides[:-1]):
            check(
                step % new == 0 or x.shape[d] == 1,
                lambda: (
                    f"self.stride({d}) must be divisible by {new // old} to view elements of {old} bytes as ones of "
                    f"{new} (different element sizes), but got {step // old}"
                ),
            )
        check(
            memory.offset(x) % new == 0,
            lambda: (
                f"self.storage_offset() must be divisible by {new // old} to view elements of {old} bytes as ones of "
                f"{new} (different element sizes), but got {memory.offset(x) // old}"
            ),
        )
    return memory.aligned(x.view(dtype.numpy))


view_dtype.no_vjp("reinterprets bytes")
view_dtype.refuse("onnx", "ONNX has no operator that reinterprets bytes")
view_dtype.refuse("vmap", "reinterprets bytes; view the batch as the other dtype outside vmap")


@view_op(star="dims", onnx="Transpose", linear=True)
def permute(input: Meta, dims: tuple[int, ...]):
    """Dimensions in another order.

    >>> import flambeau
    >>> flambeau.zeros(2, 3, 4).permute(2, 0, 1).shape
    flambeau.Size([4, 2, 3])
    """
    check(
        len(dims) == input.ndim,
        lambda: (
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(dims)}"
        ),
    )
    order = wrap_dims(dims, input.ndim) if dims else ()
    return input.like([input.shape[d] for d in order])


@permute.kernel
def _(xp, x, *, dims):
    if dims and max(map(abs, dims)) > x.ndim:  # NumPy cuts numbers to 32 bits
        wrap_dims(dims, x.ndim)
    return x.transpose(tuple(dims))


@permute.vjp
def _(g, _out, x: Meta, *, dims):
    order = [d % x.ndim for d in dims]
    return g.permute(sorted(range(x.ndim), key=order.__getitem__))


@permute.raw_vjp
def _(xp, g, _out, x, *, dims):
    back = [0] * x.ndim
    for k, d in enumerate(dims):
        back[d] = k
    return g.transpose(back)


@permute.batch
def _(size, batched, x, *, dims):
    return x.permute((0, *[d % (x.ndim - 1) + 1 for d in dims]))


@composite
def transpose(input: Tensor, dim0: int, dim1: int):
    """Two dimensions swapped.

    >>> import flambeau
    >>> flambeau.zeros(2, 3).transpose(0, 1).shape
    flambeau.Size([3, 2])
    """
    a, b = wrap_dim(dim0, input.ndim), wrap_dim(dim1, input.ndim)
    order = list(range(input.ndim))
    if order:
        order[a], order[b] = b, a
    return permute(input, order)


@transpose.as_call_of(permute)
def _(x, dim0, dim1):
    order = [*range(x.ndim)]
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return order


@composite
def t(input: Tensor):
    """The transpose of a matrix; tensors of fewer dimensions unchanged.

    >>> import flambeau
    >>> flambeau.zeros(2, 3).t().shape
    flambeau.Size([3, 2])
    """
    check(
        input.ndim <= 2,
        lambda: f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D",
    )
    return permute(input, (1, 0) if input.ndim == 2 else tuple(range(input.ndim)))


@t.as_call_of(permute)
def _(x):
    return (1, 0) if x.ndim == 2 else None


@composite
def movedim(input: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...]):
    """Dimensions `source` moved to `destination`, the others in order.

    >>> import flambeau
    >>> flambeau.zeros(2, 3, 4).movedim(0, -1).shape
    flambeau.Size([3, 4, 2])
    """
    src = wrap_dims(source, input.ndim) if source != () else ()
    dst = wrap_dims(destination, input.ndim) if destination != () else ()
    check(
        len(src) == len(dst),
        lambda: "movedim: Invalid source or destination dims: they differ in number",
    )
    order = [d for d in range(input.ndim) if d not in src]
    for d, s in sorted(zip(dst, src)):
        order.insert(d, s)
    return permute(input, order)


@movedim.as_call_of(permute)
def _(x, source, destination):
    n = x.ndim
    if type(source) is not int or type(destination) is not int:
        return None
    if not (-n <= source < n and -n <= destination < n):
        return None
    order = [*range(n)]
    order.insert(destination % n, order.pop(source))
    return order


@view_op(linear=True)
def unsqueeze(input: Meta, dim: int):
    """A dimension of size one inserted at `dim`.

    >>> import flambeau
    >>> flambeau.zeros(3).unsqueeze(0).shape
    flambeau.Size([1, 3])
    """
    d = wrap_dim(dim, input.ndim + 1)
    return input.like((*input.shape[:d], 1, *input.shape[d:]))


@unsqueeze.kernel
def _(xp, x, *, dim):
    at = dim if dim >= 0 else dim + x.ndim + 1
    if not 0 <= at <= x.ndim:
        return xp.expand_dims(x, dim)  # which says so
    return x[(slice(None),) * at + (None, ...)]


@unsqueeze.vjp
def _(g, _out, x: Meta):
    return g.reshape(x.shape)


@unsqueeze.raw_vjp
def _(xp, g, _out, x, **_):
    return g.reshape(x.shape)


@unsqueeze.batch
def _(size, batched, x, *, dim):
    return x.unsqueeze(wrap_dim(dim, x.ndim) + 1)


@unsqueeze.onnx
def _(builder, x, *, dim):
    return builder.node("Unsqueeze", [x, builder.ints([dim])])


@view_op(linear=True)
def squeeze(input: Meta, dim: int | tuple[int, ...] | None = None):
    """Dimensions of size one dropped: all, or those of `dim` that have size one.

    >>> import flambeau
    >>> flambeau.zeros(1, 3, 1).squeeze().shape
    flambeau.Size([3])
    """
    return input.like(_squeezed(input.shape, dim))


def _squeezed(shape: tuple[int, ...], dim: object) -> tuple[int, ...]:
    dims = wrap_dims(dim, len(shape)) if dim is None or isinstance(dim, int) or dim else ()  # type: ignore[arg-type]
    return tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims)


@squeeze.kernel
def _(xp, x, *, dim):
    if dim is None:
        return x.squeeze()
    if type(dim) is int and -x.ndim <= dim < x.ndim and x.shape[dim] == 1:
        return x.squeeze(dim)
    return (
        x.reshape(_squeezed(x.shape, dim)) if x.flags.c_contiguous else x[_keep_index(x.shape, dim)]
    )


def _keep_index(shape: tuple[int, ...], dim: object) -> tuple:
    kept = _squeezed(shape, dim)
    if len(kept) == len(shape):
        return (slice(None),) * len(shape)
    dims = wrap_dims(dim, len(shape))  # type: ignore[arg-type]
    return tuple(0 if n == 1 and i in dims else slice(None) for i, n in enumerate(shape))


@squeeze.vjp
def _(g, _out, x: Meta):
    return g.reshape(x.shape)


@squeeze.raw_vjp
def _(xp, g, _out, x, **_):
    return g.reshape(x.shape)


@squeeze.batch
def _(size, batched, x, *, dim):
    return x.reshape((size, *_squeezed(tuple(x.shape[1:]), dim)))


@squeeze.onnx
def _(builder, x, *, dim):
    return builder.reshape_to_output(x)


@view_op(star="shape", linear=True)
def expand(input: Meta, shape: tuple[int, ...]):
    """Dimensions of size one repeated without copying; -1 keeps a size; new dimensions go in front.

    >>> import flambeau
    >>> flambeau.ones(1, 3).expand(2, -1).shape
    flambeau.Size([2, 3])
    """
    return input.like(_expanded(input.shape, tuple(shape)))


def _expanded(shape: tuple[int, ...], to: tuple[int, ...]) -> tuple[int, ...]:
    extra = len(to) - len(shape)
    if extra < 0:
        fail(
            f"expand({list(shape)}, size={list(to)}): the number of sizes provided ({len(to)}) must be greater or "
            f"equal to the number of dimensions in the tensor ({len(shape)})"
        )
    out = []
    for i, n in enumerate(to):
        old = shape[i - extra] if i >= extra else 1
        if n == -1:
            if i < extra:
                fail(
                    f"expand: The expanded size -1 isn't allowed in a leading, non-existing dimension {i}"
                )
            n = old
        if old != n and old != 1:
            fail(
                f"The expanded size of the tensor ({n}) must match the existing size ({old}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(to)}.  Tensor sizes: {list(shape)}"
            )
        out.append(n)
    return tuple(out)


@expand.kernel
def _(xp, x, *, shape):
    return xp.strided(x, *_repeating(x.shape, x.strides, tuple(shape)))


@lru_cache(1024)
def _repeating(shape: tuple[int, ...], steps: tuple[int, ...], to: tuple[int, ...]) -> tuple:
    """The shape that an array has when it is expanded, and its strides."""
    made = _expanded(shape, to)
    new = (0,) * (len(made) - len(shape))
    return made, new + tuple([0 if n == 1 else s for n, s in zip(shape, steps)])


@expand.vjp
def _(g, _out, x: Meta):
    return sum_to_size(g, x.shape)


@expand.raw_vjp
def _(xp, g, _out, x, *, shape):
    if g.size > SMALL or g.dtype.char not in "fd":
        return NotImplemented
    extra = g.ndim - x.ndim
    grown = [d + extra for d, n in enumerate(x.shape) if n == 1]
    return xp.add.reduce(g, (*range(extra), *grown)).reshape(x.shape)


@expand.batch
def _(size, batched, x, *, shape):
    inner = _expanded(tuple(x.shape[1:]), tuple(shape))
    x = x.reshape((size, *[1] * (len(inner) - x.ndim + 1), *x.shape[1:]))
    return x.expand((size, *inner))


@expand.onnx
def _(builder, x, *, shape):
    if 0 in builder.output_shape:  # onnxruntime does not shrink ones to nothing
        empty = builder.node("ConstantOfShape", [builder.ints(builder.output_shape)])
        return builder.cast(empty, builder.output.dtype)
    return builder.node("Expand", [x, builder.ints(builder.output_shape)])


@primitive(star="size", linear=True)
def sum_to_size(input: Meta, size: tuple[int, ...]):
    """Summed to a shape that broadcasts to the input's: the inverse of broadcasting.

    >>> import flambeau
    >>> flambeau.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    _expanded(tuple(size), input.shape)
    if input.dtype is dtypes.bool_ and (not size or tuple(size) != tuple(input.shape)):
        return input.like(size, dtypes.int64)
    return input.like(size)


@sum_to_size.kernel
def _(xp, x, *, size):
    extra = x.ndim - len(size)
    axes = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(size) if n == 1 and x.shape[i + extra] != 1
    )
    if not axes:
        made = x.reshape(tuple(size)).copy()
        return made if size or x.dtype.kind != "b" else made.astype("int64")
    wide = "float32" if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else None  # one rounding
    made = xp.sum(x, axis=axes, dtype=wide).reshape(tuple(size))
    return made if x.dtype.kind == "b" else made.astype(x.dtype)


@sum_to_size.vjp
def _(g, _out, x: Meta, *, size):
    return g.expand(x.shape)


@sum_to_size.batch
def _(size_, batched, x, *, size):
    extra = x.ndim - 1 - len(size)
    for _i in range(extra):
        x = x.sum(1)
    return x.sum_to_size((size_, *size))


@sum_to_size.onnx
def _(builder, x, *, size):
    shape = builder.metas[x].shape
    extra = len(shape) - len(size)
    dims = [
        *range(extra),
        *(i + extra for i, n in enumerate(size) if n == 1 and shape[i + extra] != 1),
    ]
    return builder.reshape_to_output(builder.reduce("ReduceSum", x, dims, True) if dims else x)


@composite
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1):
    """Dimensions start_dim to end_dim made one.

    >>> import flambeau
    >>> flambeau.zeros(2, 3, 4).flatten(1).shape
    flambeau.Size([2, 12])
    """
    start, end = wrap_dim(start_dim, input.ndim), wrap_dim(end_dim, input.ndim)
    if not input.ndim:
        return reshape(input, (1,))
    check(start <= end, lambda: "flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    shape = input.shape
    middle = 1
    for n in shape[start : end + 1]:
        middle *= n
    return reshape(input, (*shape[:start], middle, *shape[end + 1 :]))


@flatten.as_call_of(reshape)
def _(x, start_dim, end_dim):
    rank, shape = x.ndim, x.shape
    start = start_dim if start_dim >= 0 else start_dim + rank
    end = end_dim if end_dim >= 0 else end_dim + rank
    if not 0 <= start < end < rank:
        return None
    middle = 1
    for n in shape[start : end + 1]:
        middle *= n
    return (*shape[:start], middle, *shape[end + 1 :])


@composite
def unflatten(input: Tensor, dim: int, sizes: tuple[int, ...]):
    """Dimension `dim` split into `sizes`; one may be -1.

    >>> import flambeau
    >>> flambeau.zeros(2, 12).unflatten(1, (3, 4)).shape
    flambeau.Size([2, 3, 4])
    """
    d = wrap_dim(dim, input.ndim)
    inner = infer_size(tuple(sizes), input.shape[d])
    return reshape(input, (*input.shape[:d], *inner, *input.shape[d + 1 :]))


@unflatten.as_call_of(reshape)
def _(x, dim, sizes):
    if type(sizes) is not tuple or not sizes or min(sizes) < 0:
        return None
    n, inner = x.shape[dim], 1
    for m in sizes:
        inner *= m
    d = dim % x.ndim
    return (*x.shape[:d], *sizes, *x.shape[d + 1 :]) if inner == n else None


@primitive(linear=True)
def flip(input: Meta, dims: int | tuple[int, ...]):
    """Elements in reverse order along `dims`; a copy, as in PyTorch.

    >>> import flambeau
    >>> flambeau.arange(3).flip(0)
    tensor([2, 1, 0])
    """
    wrap_dims(dims, input.ndim)
    return input


@flip.kernel
def _(xp, x, *, dims):
    if x.ndim:
        return xp.flip(x, dims if isinstance(dims, int) else tuple(dims)).copy("K")
    wrap_dims(dims, 0)
    return x.copy()


@flip.vjp
def _(g, _out, x: Meta, *, dims):
    return g.flip(dims)


@flip.batch
def _(size, batched, x, *, dims):
    return x.flip(tuple(d + 1 for d in wrap_dims(dims, x.ndim - 1)) if dims != () else ())


@flip.onnx
def _(builder, x, *, dims):
    return builder.flip(x, dims)


flip.op.star = 1


@composite
def roll(input: Tensor, shifts: int | tuple[int, ...], dims: int | tuple[int, ...] | None = None):
    """Elements shifted along `dims`, those that fall off come back at the other end.

    >>> import flambeau
    >>> flambeau.roll(flambeau.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    from .joining import cat

    if dims is None:
        return roll(input.reshape(-1), shifts, 0).reshape(input.shape)
    shift = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dim = (dims,) if isinstance(dims, int) else tuple(dims)
    check(
        len(shift) == len(dim),
        lambda: f"shifts and dimensions must align. shifts: {len(shift)}, dims:{len(dim)}",
    )
    for s, d in zip(shift, dim):
        check(input.ndim, lambda: f"Dimension specified as {d} but tensor has no dimensions", IndexError)  # fmt: skip
        n = input.shape[d]
        k = s % n if n else 0
        if k:
            input = cat([input.narrow(d, n - k, k), input.narrow(d, 0, n - k)], d)
    return input if any(shift) else input.clone()


@roll.small
def _(xp, x, *, shifts, dims):
    if dims is None and type(shifts) is int and x.size and x.flags.c_contiguous:
        flat, k = x.reshape(-1), shifts % x.size
        return xp.concatenate((flat[x.size - k :], flat[: x.size - k])).reshape(x.shape)
    if type(shifts) is not int or type(dims) is not int or not x.size:
        return NotImplemented
    n = x.shape[dims]
    k, before = shifts % n, (slice(None),) * (dims % x.ndim)
    parts = x[(*before, slice(n - k, n))], x[(*before, slice(0, n - k))]
    return xp.ascontiguousarray(xp.concatenate(parts, dims))


roll.op.tags["small_most"] = 1 << 16  # NumPy copies as quickly as one core can


@roll.small_vjp
def _(g, _out, x: Meta, *, shifts, dims):
    return g.roll(-shifts, dims)


@composite
def contiguous(input: Tensor, memory_format: object = None):
    """`input` itself if its memory is in row-major order (or that of `memory_format`), else a copy that is.

    >>> import flambeau
    >>> flambeau.zeros(2, 3).t().contiguous().is_contiguous()
    True
    """
    if memory_format is None:
        array = input.__dict__.get("_array")
        if array is not None and array.flags.c_contiguous:
            return input
    from .casting import clone

    if memory_format is None or memory_format is contiguous_format:
        return input if input.is_contiguous() else clone(input, memory_format=contiguous_format)
    if input.is_contiguous(memory_format=memory_format):
        return input
    return clone(input, memory_format=memory_format)
