"""Operators whose result looks at the same memory: other shapes, strides and windows of one storage."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate, pairwise
from operator import index as operator_index
from typing import Any

from .._base import dtypes
from .._base.checks import check, check_room, fail, infer_size, wrap_dim, wrap_dims
from .._base.formats import contiguous_format
from ..runtime import hot, memory
from ..runtime.dispatch import parts
from ..runtime.families import composite, primitive
from ..runtime.families import view as view_op
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor, sizes

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


@view_op(method=False, linear=True)
def window(input: Meta, dim: int, start: int, stop: int, step: int = 1):
    """input[..., start:stop:step, ...] along `dim`, bounds already inside and step positive."""
    d = wrap_dim(dim, input.ndim)
    n = max(0, -(-(stop - start) // step))
    return input.like((*input.shape[:d], n, *input.shape[d + 1 :]))


@window.kernel
def _(xp, x, *, dim, start, stop, step):
    d = dim % x.ndim
    return x[(slice(None),) * d + (slice(start, stop, step),)]


@window.vjp
def _(g, _out, x: Meta, *, dim, start, stop, step):
    return window_grad(g, x.shape, dim, start, stop, step)


@window.raw_vjp
def _(xp, g, _out, x, *, dim, start, stop, step):
    out = xp.zeros(x.shape, g.dtype)
    out[(*(slice(None),) * (dim % x.ndim), slice(start, stop, step))] = g
    return out


@window.batch
def _(size, batched, x, *, dim, start, stop, step):
    return window(x, dim % (x.ndim - 1) + 1, start, stop, step)


@window.onnx
def _(builder, x, *, dim, start, stop, step):
    return builder.node("Slice", [x, *(builder.ints([v]) for v in (start, stop, dim, step))])


@primitive(method=False, linear=True)
def window_grad(input: Meta, shape: tuple[int, ...], dim: int, start: int, stop: int, step: int):
    """Zeros of `shape` with `input` in the window: the transpose of `window`."""
    return input.like(shape)


@window_grad.kernel
def _(xp, g, *, shape, dim, start, stop, step):
    out = xp.zeros(shape, dtype=g.dtype)
    d = dim % len(shape)
    out[(slice(None),) * d + (slice(start, stop, step),)] = g
    return out


@window_grad.vjp
def _(g, _out, x: Meta, *, shape, dim, start, stop, step):
    return window(g, dim, start, stop, step)


@window_grad.batch
def _(size, batched, x, *, shape, dim, start, stop, step):
    return window_grad(x, (size, *shape), dim % len(shape) + 1, start, stop, step)


@view_op(linear=True)
def select(input: Meta, dim: int, index: int):
    """The slice at `index` along `dim`, which is dropped.

    >>> import flambeau
    >>> flambeau.arange(6).reshape(2, 3).select(0, 1)
    tensor([3, 4, 5])
    """
    check(input.ndim, lambda: "select() cannot be applied to a 0-dim tensor.", IndexError)
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d]
    check(
        -n <= index < n,
        lambda: (
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {d}"
        ),
        IndexError,
    )
    return input.like((*input.shape[:d], *input.shape[d + 1 :]))


@select.kernel
def _(xp, x, *, dim, index):
    n = x.ndim
    if not -n <= dim < n:
        wrap_dim(dim, n)
    if type(index) is not int:  # None and tuples would be indices of another kind
        index = operator_index(index)
    return x[(slice(None),) * (dim % (n or 1)) + (index, ...)]


@select.vjp
def _(g, _out, x: Meta, *, dim, index):
    d, at = dim % x.ndim, index % x.shape[dim]
    return window_grad(g.unsqueeze(d), x.shape, d, at, at + 1, 1)


@select.batch
def _(size, batched, x, *, dim, index):
    return x.select(dim % (x.ndim - 1) + 1, index)


@select.onnx
def _(builder, x, *, dim, index):
    return builder.node("Gather", [x, builder.scalar(index)], axis=dim)


@composite
def narrow(input: Tensor, dim: int, start: int | Tensor, length: int):
    """`length` slices along `dim` from `start`.

    >>> import flambeau
    >>> flambeau.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    check(input.ndim > 0, lambda: "narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor):
        check(
            start.ndim == 0
            and start.dtype is not dtypes.bool_
            and start.dtype.category == dtypes.INT,
            lambda: "start must be an 0-dim integral Tensor.",
        )
        start = start.item()
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d]
    check(length >= 0, lambda: "narrow(): length must be non-negative.")
    check(
        -n <= start <= n,
        lambda: f"start (at: {start}) out of range, expected to be in range of [{-n}, {n}]",
        IndexError,
    )
    start += n if start < 0 else 0
    check(
        start + length <= n,
        lambda: f"start ({start}) + length ({length}) exceeds dimension size ({n}).",
    )
    return window(input, d, start, start + length, 1)


@narrow.as_call_of(window)
def _(x, dim, start, length):
    n = x.shape[dim]
    if type(start) is not int or type(length) is not int or length < 0:
        return None
    begin = start + n if start < 0 else start
    return (dim % x.ndim, begin, begin + length, 1) if 0 <= begin <= n - length else None


@composite
def split(
    tensor: Tensor, split_size_or_sections: int | tuple[int, ...], dim: int = 0
) -> tuple[Tensor, ...]:
    """Views of pieces along `dim`: of one size (the last may be smaller), or of the sizes listed.

    >>> import flambeau
    >>> [p.shape[0] for p in flambeau.arange(5).split(2)]
    [2, 2, 1]
    """
    shape = sizes(tensor)
    if not shape:
        fail("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, len(shape))
    n = shape[d]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0:
            fail(f"split expects split_size be non-negative, but got split_size={size}")
        if not size and n:
            fail(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        cuts = [(i, min(i + size, n)) for i in range(0, n, size)] if n else [(0, 0)]
        return _cut(tensor, d, cuts, "SplitBackward0")
    listed = [int(s) for s in split_size_or_sections]
    check(
        sum(listed) == n and all(s >= 0 for s in listed),
        lambda: (
            f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {d}), "
            f"but got split_sizes={listed}"
        ),
    )
    ends = [*accumulate(listed, initial=0)]
    return _cut(tensor, d, [*pairwise(ends)], "SplitWithSizesBackward0")


@composite
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views along `dim`, all of one size but perhaps the last.

    >>> import flambeau
    >>> [c.tolist() for c in flambeau.arange(5).chunk(2)]
    [[0, 1, 2], [3, 4]]
    """
    shape = sizes(input)
    if not shape:
        fail("chunk expects at least a 1-dimensional tensor")
    if not chunks > 0:
        fail(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    d = wrap_dim(dim, len(shape))
    n = shape[d]
    size = -(-n // chunks)
    if size:
        cuts = [(i, min(i + size, n)) for i in range(0, n, size)]
    else:
        check_room(chunks)
        cuts = [(0, 0)] * chunks
    return _cut(input, d, cuts, "SplitBackward0")


def _cut(tensor: Tensor, d: int, cuts: list[tuple[int, int]], name: str) -> tuple[Tensor, ...]:
    """Views of what lies between the bounds along a dimension; autograd calls their nodes `name`."""
    before = (slice(None),) * d
    made = hot.pieces(tensor, [(*before, slice(a, b)) for a, b in cuts], name)
    if made is not None:
        return made
    return parts(tuple([window(tensor, d, a, b, 1) for a, b in cuts]), name)


@composite
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along `dim`, as a tuple of views.

    >>> import flambeau
    >>> [x.item() for x in flambeau.arange(3).unbind()]
    [0, 1, 2]
    """
    shape = sizes(input)
    d = wrap_dim(dim, len(shape))
    if not shape:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    count, before = shape[d], (slice(None),) * d
    keys = [(*before, i, ...) for i in range(count)]
    made = hot.pieces(input, keys, "UnbindBackward0")
    if made is not None:
        return made
    return parts(tuple([select(input, d, i) for i in range(count)]), "UnbindBackward0")


@view_op(linear=True)
def diagonal(input: Meta, offset: int = 0, dim1: int = 0, dim2: int = 1):
    """The diagonal of dimensions dim1 and dim2, as the last dimension of a view.

    >>> import flambeau
    >>> flambeau.arange(9).reshape(3, 3).diagonal()
    tensor([0, 4, 8])
    """
    a, b = wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim)
    check(a != b, lambda: f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rows, columns = input.shape[a], input.shape[b]
    n = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    return input.like([*(s for i, s in enumerate(input.shape) if i not in (a, b)), n])


@diagonal.kernel
def _(xp, x, *, offset, dim1, dim2):
    made = xp.diagonal(x, offset, dim1, dim2)
    if (
        not getattr(getattr(made, "flags", None), "writeable", True) and x.flags.writeable
    ):  # NumPy's alone
        start = x
        if offset and made.size:
            cut = [slice(None)] * x.ndim
            cut[dim2 if offset > 0 else dim1] = slice(offset if offset > 0 else -offset, None)
            start = x[tuple(cut)]
        made = xp.strided(start, made.shape, made.strides)
    return made


@diagonal.vjp
def _(g, _out, x: Meta, *, offset, dim1, dim2):
    return diagonal_grad(g, x.shape, offset, dim1, dim2)


@diagonal.batch
def _(size, batched, x, *, offset, dim1, dim2):
    return x.diagonal(offset, dim1 % (x.ndim - 1) + 1, dim2 % (x.ndim - 1) + 1)


diagonal.refuse("onnx", "ONNX has no diagonal view; write it as a product with an identity")


@primitive(method=False, linear=True)
def diagonal_grad(input: Meta, shape: tuple[int, ...], offset: int, dim1: int, dim2: int):
    """Zeros of `shape` with `input` on the diagonal: the transpose of `diagonal`."""
    return input.like(shape)


@diagonal_grad.kernel
def _(xp, g, *, shape, offset, dim1, dim2):
    out = xp.zeros(shape, dtype=g.dtype)
    diagonal.op.kernels[None](xp, out, offset=offset, dim1=dim1, dim2=dim2)[...] = g
    return out


@diagonal_grad.vjp
def _(g, _out, x: Meta, *, shape, offset, dim1, dim2):
    return g.diagonal(offset, dim1, dim2)


@diagonal_grad.batch
def _(size, batched, x, *, shape, offset, dim1, dim2):
    n = len(shape)
    return diagonal_grad(x, (size, *shape), offset, dim1 % n + 1, dim2 % n + 1)


@view_op(linear=True)
def unfold(input: Meta, dimension: int, size: int, step: int):
    """All windows of `size` along a dimension, every `step`; the window is the last dimension of the view.

    >>> import flambeau
    >>> flambeau.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    d = wrap_dim(dimension, input.ndim)
    if not input.ndim:
        check(
            size <= 1, lambda: f"maximum size for tensor at dimension {d} is 1 but size is {size}"
        )
        return input.like((size,))
    n = input.shape[d]
    check(size >= 0, lambda: f"size is {size} but must be >= 0")
    check(size <= n, lambda: f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    check(step > 0, lambda: f"step is {step} but must be > 0")
    return input.like((*input.shape[:d], (n - size) // step + 1, *input.shape[d + 1 :], size))


@unfold.kernel
def _(xp, x, *, dimension, size, step):
    # Checked here too: a window past the end would read memory that is not the tensor's.
    check(
        step > 0 and 0 <= size <= (x.shape[dimension] if x.ndim else 1),
        lambda: f"maximum size for the dimension does not allow windows of {size} every {step}",
    )
    if not x.ndim:
        return x.reshape(1)[:size]
    d = dimension % x.ndim
    n = (x.shape[d] - size) // step + 1
    shape = (*x.shape[:d], n, *x.shape[d + 1 :], size)
    strides = (*x.strides[:d], x.strides[d] * step, *x.strides[d + 1 :], x.strides[d])
    return xp.strided(x, shape, strides)


@unfold.vjp
def _(g, _out, x: Meta, *, dimension, size, step):
    if not x.shape:
        return g.sum()
    return unfold_grad(g, x.shape, dimension, size, step)


@unfold.batch
def _(size_, batched, x, *, dimension, size, step):
    return (
        x.unfold(dimension % (x.ndim - 1) + 1, size, step)
        if x.ndim > 1
        else x.unsqueeze(1)[:, :size]
    )


unfold.refuse("onnx", "ONNX has no sliding-window view; use a convolution")


@primitive(method=False, linear=True)
def unfold_grad(input: Meta, shape: tuple[int, ...], dimension: int, size: int, step: int):
    """Windows added back where they came from: the transpose of `unfold`."""
    return input.like(shape)


@unfold_grad.kernel
def _(xp, g, *, shape, dimension, size, step):
    d = dimension % len(shape)
    windows = xp.moveaxis(g, d, -2)
    n, depth = windows.shape[-2], -(-size // step)
    # In rows of `step` elements, each window is `depth` rows long: so many sums of whole arrays, instead of `size`.
    rows = xp.zeros((*windows.shape[:-2], n + depth - 1, step), dtype=g.dtype)
    for k in range(depth):
        part = windows[..., k * step : (k + 1) * step]
        rows[..., k : k + n, : part.shape[-1]] += part
    flat = rows.reshape(*windows.shape[:-2], -1)[..., : shape[d]]
    out = xp.zeros((*flat.shape[:-1], shape[d]), dtype=g.dtype)
    out[..., : flat.shape[-1]] = flat
    return xp.moveaxis(out, -1, d)


@unfold_grad.vjp
def _(g, _out, x: Meta, *, shape, dimension, size, step):
    return g.unfold(dimension, size, step)


@unfold_grad.batch
def _(size_, batched, x, *, shape, dimension, size, step):
    return unfold_grad(x, (size_, *shape), dimension % len(shape) + 1, size, step)


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
    if type(shifts) is not int or type(dims) is not int or not x.size:
        return NotImplemented
    n = x.shape[dims]
    k, before = shifts % n, (slice(None),) * (dims % x.ndim)
    parts = x[(*before, slice(n - k, n))], x[(*before, slice(0, n - k))]
    return xp.ascontiguousarray(xp.concatenate(parts, dims))


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


for _f in (
    window_grad,
    diagonal_grad,
    unfold_grad,
):
    _f.refuse("onnx", "appears in gradients only, which are not exported")
