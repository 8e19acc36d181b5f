"""Several tensors into one: cat, stack, tile, meshgrid; and padding with a constant."""

from __future__ import annotations

from collections.abc import Sequence

from .._base.checks import broadcast_shapes, check, wrap_dim
from ..runtime import layouts
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.operator import Operator
from ..runtime.promotion import SAME
from ..runtime.tensor import Tensor
from .slices import window


def _tensors(op: Operator, arrays: tuple, attrs: dict) -> tuple:
    """As SAME; TypeError for what is no tensor."""
    for i, a in enumerate(arrays):
        if not isinstance(a, Tensor):
            raise TypeError(
                f"{op.name}(): expected Tensor as element {i} in argument 0, but got {type(a).__name__}"
            )
    return SAME(op, arrays, attrs)


@primitive(promote=_tensors, method=False, out_apart=True)
def cat(tensors: Sequence[Meta], dim: int = 0):
    """Tensors joined along an existing dimension.

    >>> import flambeau
    >>> flambeau.cat([flambeau.ones(2), flambeau.zeros(1)])
    tensor([1., 1., 0.])
    """
    check(tensors, lambda: "torch.cat(): expected a non-empty list of Tensors", ValueError)
    kept = [t for t in tensors if t.shape != (0,)]
    if not kept:
        return tensors[0]
    first = kept[0]
    check(first.ndim, lambda: "zero-dimensional tensor (at position 0) cannot be concatenated")
    d = wrap_dim(dim, first.ndim)
    total = 0
    for i, t in enumerate(kept):
        check(
            t.ndim == first.ndim,
            lambda: f"Tensors must have same number of dimensions: got {first.ndim} and {t.ndim}",
        )
        for j, (n, m) in enumerate(zip(first.shape, t.shape)):
            check(
                j == d or n == m,
                lambda: (
                    f"Sizes of tensors must match except in dimension {d}. Expected size {n} but got size {m} for "
                    f"tensor number {i} in the list."
                ),
            )
        total += t.shape[d]
    return first.like((*first.shape[:d], total, *first.shape[d + 1 :]))


@cat.kernel
def _(xp, *xs, dim):
    try:
        made = xp.concatenate(xs, dim)
    except ValueError:  # PyTorch leaves out vectors without elements
        kept = [x for x in xs if x.shape != (0,)]
        if not kept or len({x.ndim for x in kept}) > 1 or kept[0].ndim == 0:
            raise ValueError("cat: shapes do not fit") from None
        made = xp.concatenate(kept, dim)
    if made.flags.c_contiguous:
        return made
    if made.ndim in (4, 5) and made.transpose(0, *range(2, made.ndim), 1).flags.c_contiguous:
        return made  # channels last, as the inputs
    # Else row by row, whatever the inputs' layout: what comes next may be a view.
    return xp.ascontiguousarray(made)


@cat.vjp
def _(g, _out, *tensors: Meta, dim):
    kept = next((t for t in tensors if t.shape != (0,)), tensors[0])
    d = wrap_dim(dim, kept.ndim)
    at, out = 0, []
    for t in tensors:
        n = t.shape[d] if t.shape != (0,) else 0
        out.append(
            (lambda a, b: lambda: window(g, d, a, b, 1))(at, at + n)
            if t.shape != (0,)
            else lambda: g.new_zeros((0,))
        )
        at += n
    return tuple(out)


@cat.batch
def _(size, batched, *tensors, dim):
    grown = [t if b else t.expand(size, *t.shape) for t, b in zip(tensors, batched)]
    return cat(grown, wrap_dim(dim, grown[0].ndim - 1) + 1)


@cat.jvp
def _(tangents, out, *tensors, dim):
    from .creation import zeros_like

    return cat([zeros_like(x) if t is None else t for t, x in zip(tangents, tensors)], dim)


@cat.onnx
def _(builder, *xs, dim):
    return builder.node("Concat", list(xs), axis=dim)


@composite(method=False)
def stack(tensors: Sequence[Tensor], dim: int = 0):
    """Tensors of one shape joined along a new dimension.

    >>> import flambeau
    >>> flambeau.stack([flambeau.ones(2), flambeau.zeros(2)])
    tensor([[1., 1.],
            [0., 0.]])
    """
    if isinstance(tensors, Tensor):
        raise TypeError(
            "stack(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor"
        )
    check(tensors, lambda: "stack expects a non-empty TensorList")
    first = tuple(tensors[0].shape)
    for i, t in enumerate(tensors):
        check(
            tuple(t.shape) == first,
            lambda: (
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and {list(t.shape)} "
                f"at entry {i}"
            ),
        )
    d = wrap_dim(dim, len(first) + 1)
    return cat([t.unsqueeze(d) for t in tensors], d)


@stack.small
def _(xp, *xs, dim):
    kind = xs[0].dtype
    for x in xs:
        if x.dtype is not kind:
            return NotImplemented
    if type(dim) is int and not dim:  # an error where shapes differ
        return xp.array(xs)
    d, shape = wrap_dim(dim, xs[0].ndim + 1), xs[0].shape
    for x in xs:
        if x.shape != shape:
            return NotImplemented
    at = (slice(None),) * d + (None,)
    return xp.ascontiguousarray(xp.concatenate([x[at] for x in xs], d))


@stack.small_vjp
def _(g, _out, *tensors: Meta, dim):
    return g.unbind(dim)


@composite(method=False)
def hstack(tensors: Sequence[Tensor]):
    """Joined along the second dimension; 1-d tensors along the first.

    >>> import flambeau
    >>> flambeau.hstack([flambeau.ones(1), flambeau.zeros(1)])
    tensor([1., 0.])
    """
    check(tensors, lambda: "hstack expects a non-empty TensorList")
    grown = [t.reshape(1) if not t.ndim else t for t in tensors]
    return cat(grown, 0 if grown[0].ndim == 1 else 1)


@hstack.small
def _(xp, *xs):
    rank, kind = xs[0].ndim, xs[0].dtype
    for x in xs:
        if x.ndim != rank or x.dtype is not kind:
            return NotImplemented
    return xp.concatenate(xs) if rank == 1 else xp.ascontiguousarray(xp.concatenate(xs, 1))


@composite(method=False)
def vstack(tensors: Sequence[Tensor]):
    """Joined along the first dimension; 1-d tensors become rows.

    >>> import flambeau
    >>> flambeau.vstack([flambeau.ones(1), flambeau.zeros(1)]).shape
    flambeau.Size([2, 1])
    """
    check(tensors, lambda: "vstack expects a non-empty TensorList")
    return cat([t.reshape(1, t.numel()) if t.ndim < 2 else t for t in tensors], 0)


@vstack.small
def _(xp, *xs):
    kind = xs[0].dtype
    for x in xs:
        if x.ndim != 1 or x.dtype is not kind:
            return NotImplemented
    return xp.array(xs)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All expanded to their common shape.

    >>> import flambeau
    >>> [t.shape[0] for t in flambeau.broadcast_tensors(flambeau.ones(3), flambeau.ones(1))]
    [3, 3]
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    shape = broadcast_shapes(*(tuple(t.shape) for t in tensors))
    return tuple(t.expand(shape) for t in tensors)


def meshgrid(*tensors: Tensor, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinate grids of 1-d tensors; "xy" swaps the first two dimensions.

    >>> import flambeau
    >>> flambeau.meshgrid(flambeau.arange(2), flambeau.arange(3), indexing="ij")[0].shape
    flambeau.Size([2, 3])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    check(
        indexing in ("ij", "xy"),
        lambda: f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}',
    )
    swap = indexing == "xy" and len(tensors) >= 2
    parts = (tensors[1], tensors[0], *tensors[2:]) if swap else tensors
    shape = [t.numel() for t in parts]
    grids = [
        t.reshape([-1 if i == j else 1 for j in range(len(parts))]).expand(shape)
        for i, t in enumerate(parts)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@composite
def repeat(input: Tensor, *sizes: int):
    """The tensor tiled `sizes` times along each dimension; further sizes in front add dimensions.

    >>> import flambeau
    >>> flambeau.tensor([1, 2]).repeat(2)
    tensor([1, 2, 1, 2])
    """
    counts = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    check(
        len(counts) >= input.ndim,
        lambda: (
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        ),
    )
    shape = [1] * (len(counts) - input.ndim) + list(input.shape)
    parts: list[int] = []
    grown: list[int] = []
    for c, n in zip(counts, shape):
        parts += [1, n]
        grown += [c, n]
    out = input.reshape(parts).expand(grown)
    made = out.reshape([c * n for c, n in zip(counts, shape)])
    return made if _is_new(made) else made.clone()


def _is_new(made: Tensor) -> bool:
    """Whether the memory of a result of `reshape` is its own: what was expanded has been copied."""
    array = made.__dict__.get("_array")
    return array is not None and made._base is None and getattr(array, "base", made) is None


@composite
def tile(input: Tensor, *dims: int):
    """As `repeat`, with missing sizes taken as one.

    >>> import flambeau
    >>> flambeau.tile(flambeau.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    counts = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    return repeat(input, *[1] * (input.ndim - len(counts)), *counts)


@composite
def repeat_interleave(
    input: Tensor, repeats: Tensor | int, dim: int | None = None, *, output_size: int | None = None
):
    """Each element (or slice along `dim`) repeated in place.

    >>> import flambeau
    >>> flambeau.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    if dim is None:
        return repeat_interleave(input.reshape(-1), repeats, 0)
    check(
        input.ndim, lambda: f"Dimension specified as {dim} but tensor has no dimensions", IndexError
    )
    d = wrap_dim(dim, input.ndim)
    if isinstance(repeats, int):
        shape = input.shape
        wide = input.unsqueeze(d + 1).expand((*shape[: d + 1], repeats, *shape[d + 1 :]))
        made = wide.reshape((*shape[:d], shape[d] * repeats, *shape[d + 1 :]))
        # Elements of size 1 are repeated without a copy: memory of its own, so that it can be written.
        return made.clone() if shape[d] == 1 else made
    counts = repeats.reshape(-1)
    if counts.shape[0] == 1 and input.shape[d] != 1:
        counts = counts.expand(input.shape[d])
    check(
        counts.shape[0] == input.shape[d],
        lambda: "repeats must have the same size as input along dim",
    )
    if not counts.shape[0]:
        return input.clone()
    check(int(counts.min()) >= 0, lambda: "repeats can not be negative")
    # The place of a copy is how many slices have ended before it.
    from .histograms import bincount

    ends = counts.cumsum(0)
    total = int(ends[-1])
    return input.index_select(d, bincount(ends[:-1], minlength=total + 1)[:total].cumsum(0))


@repeat_interleave.small
def _(xp, x, repeats, *, dim, output_size):
    if type(repeats) is not int or repeats < 1 or output_size is not None or not x.size:
        return NotImplemented
    return x.repeat(repeats, dim) if x.ndim else NotImplemented


@primitive(method=False, linear=True)
def pad_constant(input: Meta, pads: tuple[tuple[int, int], ...], value: float = 0.0):
    """`input` with `value` around it: (before, after) for each dimension; negative numbers cut."""
    if not isinstance(value, (int, float, complex)):
        raise TypeError(f"pad(): argument 'value' must be Number, not {type(value).__name__}")
    check(len(pads) == input.ndim, lambda: f"pad: expected {input.ndim} pairs, got {len(pads)}")
    shape = [n + a + b for n, (a, b) in zip(input.shape, pads)]
    check(
        all(n >= 0 for n in shape), lambda: f"pad: the result would have a negative size: {shape}"
    )
    return input.like(shape)


@pad_constant.kernel
def _(xp, x, *, pads, value):
    cut = tuple(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(x.shape, pads))
    size = [n + a + b for n, (a, b) in zip(x.shape, pads)]
    if layouts.is_last(x):
        order = layouts.ORDERS[x.ndim]
        out = xp.full([size[d] for d in order], value, x.dtype).transpose(layouts.BACK[x.ndim])
    else:
        out = xp.full(size, value, dtype=x.dtype)
    inner = x[cut]
    out[tuple(slice(max(0, a), max(0, a) + n) for n, (a, _) in zip(inner.shape, pads))] = inner
    return out


@pad_constant.vjp
def _(g, _out, _x, *, pads):
    return pad_constant(g, tuple((-a, -b) for a, b in pads), 0.0)


@pad_constant.jvp
def _(tangents, out, x, *, pads, value):
    return pad_constant(tangents[0], pads, 0.0)


@pad_constant.batch
def _(size, batched, x, *, pads, value):
    return pad_constant(x, ((0, 0), *pads), value)


@pad_constant.onnx
def _(builder, x, *, pads, value):
    flat = [a for a, _ in pads] + [b for _, b in pads]
    return builder.node("Pad", [x, builder.ints(flat), builder.scalar_like(x, value)])
