"""Views of parts of a tensor: slices along a dimension, pieces, diagonals, windows; and how gradients go back into the whole."""

from __future__ import annotations

from itertools import accumulate, pairwise
from operator import index as operator_index

from .._base import dtypes
from .._base.checks import check, check_room, fail, wrap_dim
from ..runtime import hot
from ..runtime.dispatch import parts
from ..runtime.families import composite, primitive
from ..runtime.families import view as view_op
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor, sizes


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


@unfold.onnx
def _(builder, x, *, dimension, size, step):
    return builder.windows(x, dimension, size, step)


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


for _f in (window_grad, diagonal_grad, unfold_grad):
    _f.refuse("onnx", "appears in gradients only, which are not exported")
