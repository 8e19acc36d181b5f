"""Further reading and writing by index; looking values up in sorted rows."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.checks import check, wrap_dim
from .._base.dtypes import promote_types
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.numbers import ends
from ..runtime.tensor import Tensor
from .comparison import where
from .creation import as_tensor
from .indexing import index_put_at
from .keys import check_bounds
from .pointwise import check_element


def along(name: str, input: Tensor, dim: int, index: Tensor) -> tuple[Tensor, int]:
    """The index of an operator on slices as a vector, and the dimension counted from the front; or its errors."""
    check(
        index.ndim <= 1,
        lambda: f"{name}(): Index is supposed to be a vector, but got {index.ndim} dimensions",
        IndexError,
    )
    check(
        index.dtype in (dtypes.int64, dtypes.int32),
        lambda: f"{name}(): Expected dtype int32/int64 for index, but got {index.dtype.name}",
    )
    return index.reshape(-1), wrap_dim(dim, input.ndim)


def check_slices(name: str, input: Tensor, d: int, index: Tensor, source: Tensor) -> None:
    """RuntimeError unless `source` has a slice for each index, of the shape of the input's."""
    n = source.shape[d] if source.ndim > d else 1
    check(
        n == index.shape[0],
        lambda: (
            f"{name}(): Number of indices ({index.shape[0]}) should be equal to source.size(dim) ({n})"
        ),
    )
    around = [s for i, s in enumerate(source.shape) if i != d]
    wanted = [s for i, s in enumerate(input.shape) if i != d]
    check(
        around == wanted,
        lambda: (
            f"{name}(): source tensor shape must match self tensor shape, excluding the specified dimension. Got "
            f"self.shape = {list(input.shape)} source.shape = {list(source.shape)}"
        ),
    )


def _check_copied(input: Tensor, d: int, index: Tensor, source: Tensor) -> None:
    """IndexError unless `source` has a slice for each index; RuntimeError unless they have the shape of the input's."""
    check(
        source.ndim == input.ndim or not source.ndim or not input.ndim,
        lambda: (
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({source.ndim}), destination dimensionality ({input.ndim})"
        ),
        IndexError,
    )
    around = [s for i, s in enumerate(source.shape) if i != d]
    wanted = [s for i, s in enumerate(input.shape) if i != d]
    check(
        around == wanted,
        lambda: (
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{wanted} at dimension {d} and source slice shape: {around} at dimension {d}."
        ),
    )
    n = source.shape[d] if source.ndim > d else 1
    check(
        n == index.shape[0],
        lambda: (
            f"index_copy_(): Number of indices ({index.shape[0]}) should be equal to source.size(dim) ({n})"
        ),
        IndexError,
    )


def _put(input: Tensor, dim: int, index: Tensor, values: Tensor, accumulate: bool) -> Tensor:
    if not input.ndim:
        return index_put_at(
            [input.reshape(1), values.reshape(-1), index], (0,), accumulate, False
        ).reshape(())
    return index_put_at([input, values, index], (dim,), accumulate, False)


@composite
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1):
    """A copy of `input` to whose slices `index` along `dim` those of alpha * source are added.

    >>> import flambeau
    >>> flambeau.index_add(flambeau.zeros(3), 0, flambeau.tensor([0, 0]), flambeau.ones(2))
    tensor([2., 0., 0.])
    """
    at, d = along("index_add", input, dim, index)
    check(
        input.dtype is source.dtype,
        lambda: (
            f"index_add_(): self ({input.dtype.name}) and source ({source.dtype.name}) must have the same scalar type"
        ),
    )
    check_slices("index_add_", input, d, at, source)
    return _put(input, d, at, source if alpha == 1 else source * alpha, True)


@index_add.small_into
def _(xp, x, index, source, *, dim, alpha):
    if alpha != 1 or not _slices(x, dim, index, source):
        return NotImplemented
    at = (slice(None),) * (dim % x.ndim)
    for k, i in enumerate(index.tolist()):
        x[(*at, i)] += source[(*at, k)]
    return None


@index_add.small_vjp
def _(g, _out, _x, index, _source, *, dim):
    return g, None, lambda: g.index_select(dim, index)


FEW = 32  # slices that Python writes one by one as quickly as NumPy does all


def _slices(x: Any, dim: Any, index: Any, source: Any = None) -> bool:
    """Whether raw arrays are plain ones of floats, and a few indices name slices of `x` in the shape of `source`."""
    n = x.ndim
    if type(dim) is not int or not -n <= dim < n or x.dtype.char not in "fd":
        return False
    if index.ndim != 1 or index.dtype.char not in "lq" or not 0 < index.size <= FEW:
        return False
    low, high = ends(index)
    d = dim % n
    if low < 0 or high >= x.shape[d]:
        return False
    wanted = (*x.shape[:d], index.size, *x.shape[d + 1 :])
    return source is None or (source.shape == wanted and source.dtype is x.dtype)


@composite
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor):
    """A copy of `input` with `source` as its slices `index` along `dim`.

    >>> import flambeau
    >>> flambeau.index_copy(flambeau.zeros(3), 0, flambeau.tensor([2]), flambeau.ones(1))
    tensor([0., 0., 1.])
    """
    check(
        index.dtype is dtypes.int64,
        lambda: f"index_copy_(): Expected a long tensor for index, but got {index.dtype.name}",
    )
    at, d = along("index_copy", input, dim, index)
    check(
        input.dtype is source.dtype,
        lambda: (
            f"index_copy_(): self and source expected to have the same dtype, but got (self) {input.dtype.name} and "
            f"(source) {source.dtype.name}"
        ),
    )
    _check_copied(input, d, at, source)
    return _put(input, d, at, source, False)


@index_copy.small_into
def _(xp, x, index, source, *, dim):
    if not _slices(x, dim, index, source):
        return NotImplemented
    x[(*(slice(None),) * (dim % x.ndim), index)] = source
    return None


@composite
def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | float):
    """A copy of `input` with one value in its slices `index` along `dim`.

    >>> import flambeau
    >>> flambeau.index_fill(flambeau.zeros(3), 0, flambeau.tensor([1]), 5.0)
    tensor([0., 5., 0.])
    """
    check(
        index.dtype is dtypes.int64,
        lambda: f"index_fill_(): Expected dtype int64 for index, but got {index.dtype.name}.",
        IndexError,
    )
    at, d = along("index_fill", input, dim, index)
    n = input.shape[d] if input.ndim else 1
    check_bounds(at, n, d)
    if not isinstance(value, Tensor):
        check(
            not isinstance(value, complex) or input.dtype.is_complex,
            lambda: "index_fill_(): Converting complex Scalar to non-complex type is not supported",
        )
        value = input.new_full((), value)
    elif value.ndim == 0:
        check_element(value, input.dtype)
    check(
        value.ndim == 0,
        lambda: (
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        ),
    )
    check(
        not value.is_complex() or input.dtype.is_complex,
        lambda: "index_fill_(): Converting complex Scalar to non-complex type is not supported",
    )
    # By a mask: an index named twice is one place, also for the gradient of `value`.
    shape = [-1 if i == d else 1 for i in range(max(input.ndim, 1))]
    named = at.new_zeros((n,), dtype=dtypes.bool_)
    named = index_put_at([named, named.new_ones(()), at], (0,), False).reshape(shape)
    rows = input if input.ndim else input.reshape(1)
    return where(named, value.to(input.dtype), rows).reshape(input.shape)


@index_fill.small_into
def _(xp, x, index, value, *, dim):
    if type(value) not in (int, float) or not -6e4 < value < 6e4 or not _slices(x, dim, index):
        return NotImplemented
    x[(*(slice(None),) * (dim % x.ndim), index)] = value
    return None


@index_fill.small_vjp
def _(g, _out, _x, index, _value, *, dim):
    return g.index_fill(dim, index, 0), None, None


@composite
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor):
    """A copy of `input` whose elements under `mask` are those of `source`, in order.

    >>> import flambeau
    >>> flambeau.masked_scatter(flambeau.zeros(3), flambeau.tensor([True, False, True]), flambeau.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    check(
        mask.dtype.name == "bool",
        lambda: (
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.name}"
        ),
    )
    check(
        input.dtype is source.dtype,
        lambda: "masked_scatter: expected self and source to have same dtypes",
    )
    from .._base.checks import broadcast_shapes

    shape = broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    flat, under = (
        input.expand(shape).reshape(-1),
        mask.expand(shape).reshape(-1).nonzero().reshape(-1),
    )
    n = under.shape[0]
    check(
        n <= source.numel(),
        lambda: (
            "masked_scatter: expected the number of elements in source to be at least the number of ones in mask"
        ),
    )
    return index_put_at([flat, source.reshape(-1)[:n], under], (0,), False).reshape(shape)


@composite
def take(input: Tensor, index: Tensor):
    """The elements of the flattened input that `index` names, in its shape.

    >>> import flambeau
    >>> flambeau.take(flambeau.tensor([[4, 3], [2, 1]]), flambeau.tensor([0, 2]))
    tensor([4, 2])
    """
    check(
        index.dtype is dtypes.int64,
        lambda: f"take(): Expected a long tensor for index, but got {index.dtype.name}",
    )
    return input.reshape(-1)[index]


@take.small
def _(xp, x, index):
    return x.take(index) if index.dtype.char in "lq" and index.size else NotImplemented


@composite
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False):
    """A copy of `input` whose elements at `index`, counted flat, are those of `source` (or grow by them).

    >>> import flambeau
    >>> flambeau.put(flambeau.zeros(3), flambeau.tensor([2]), flambeau.ones(1))
    tensor([0., 0., 1.])
    """
    check(
        index.dtype is dtypes.int64,
        lambda: f"put_(): Expected a long tensor for index, but got {index.dtype.name}",
    )
    check(
        input.dtype is source.dtype,
        lambda: "put_(): self and source expected to have the same dtype",
    )
    check(
        index.numel() == source.numel(),
        lambda: "put_(): Expected source and index to have the same number of elements",
    )
    check_bounds(index, input.numel(), 0)
    return index_put_at(
        [input.reshape(-1), source.reshape(-1), index.reshape(-1)], (0,), accumulate
    ).reshape(input.shape)


@composite(method=False)
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False):
    """Whether each element occurs among the others.

    >>> import flambeau
    >>> flambeau.isin(flambeau.tensor([1, 2, 3]), flambeau.tensor([2]))
    tensor([False,  True, False])
    """
    x, among = as_tensor(elements), as_tensor(test_elements).reshape(-1)
    for given in (x, among):
        check(
            given.dtype is not dtypes.bool_ and not given.is_complex(),
            lambda: f"Unsupported input type encountered for isin(): {given.dtype.name}",
        )
    if among.numel() < 8:
        hit = (x.unsqueeze(-1) == among).any(-1)
        return ~hit if invert else hit
    kind = promote_types(x.dtype, among.dtype)
    rows = among.to(kind).sort().values
    place = searchsorted(rows, x.to(kind)).clamp(max=rows.shape[0] - 1)
    hit = rows[place] == x
    return ~hit if invert else hit


# -- sorted rows --------------------------------------------------------------------------------------------


@primitive(method=False)
def places_in(sorted_sequence: Meta, input: Meta, right: bool):
    """For each value where it would go into its sorted row: before equals, or behind them with `right`."""
    return input.like(dtype=dtypes.int64)


@places_in.kernel
def _(xp, rows, x, *, right):
    side = "right" if right else "left"
    if not x.size:
        return xp.zeros(x.shape, dtype="int64")
    if rows.ndim == 1:
        return xp.searchsorted(rows, x, side=side).astype("int64")
    out = xp.empty(x.shape, dtype="int64")
    flat, values, made = (
        rows.reshape(-1, rows.shape[-1]),
        x.reshape(-1, x.shape[-1]),
        out.reshape(-1, x.shape[-1]),
    )
    for i in range(len(flat)):
        made[i] = xp.searchsorted(flat[i], values[i], side=side)
    return out


places_in.no_vjp("integer output")
places_in.refuse("onnx", "ONNX has no search in sorted rows")


@places_in.batch
def _(size, batched, rows, x, *, right):
    rows = rows if batched[0] else rows.expand(size, *rows.shape)
    x = x if batched[1] else x.expand(size, *x.shape)
    if rows.ndim == 2:
        return places_in(rows, x.reshape(size, -1), right).reshape(x.shape)
    return places_in(rows, x, right)


@composite(method=False)
def searchsorted(
    sorted_sequence: Tensor, input: Tensor | float, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
):  # fmt: skip
    """Where values would go into sorted rows: before equals, or behind them with right=True (side="right").

    >>> import flambeau
    >>> flambeau.searchsorted(flambeau.tensor([1, 3, 5]), flambeau.tensor([3, 4]))
    tensor([1, 2])
    """
    check(
        side in (None, "left", "right"),
        lambda: f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}",
    )
    check(
        not (right and side == "left"),
        lambda: (
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        ),
    )
    if sorter is not None:
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    x = input if isinstance(input, Tensor) else as_tensor(input)
    check(
        sorted_sequence.ndim == 1 or tuple(sorted_sequence.shape[:-1]) == tuple(x.shape[:-1]),
        lambda: (
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(sorted_sequence.shape)} and input "
            f"value tensor {list(x.shape)}"
        ),
    )
    made = places_in(sorted_sequence, x, right or side == "right")
    return made.int() if out_int32 else made


@composite(method=False)
def bucketize(
    input: Tensor | float, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
):
    """The bucket each value falls into; the boundaries rise.

    >>> import flambeau
    >>> flambeau.bucketize(flambeau.tensor([0.5, 2.0]), flambeau.tensor([1.0, 2.0, 3.0]))
    tensor([0, 1])
    """
    check(
        boundaries.ndim == 1,
        lambda: (
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        ),
    )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
