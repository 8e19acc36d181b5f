"""Order: sort, argsort, topk, unique."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.checks import check, wrap_dim
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.promotion import AS_GIVEN, accepting
from ..runtime.tensor import Tensor
from .comparison import where
from .gathering import scatter_src, small_places


@primitive(outputs=("values", "indices"), promote=accepting(AS_GIVEN), accepts="bool int float")
def sort(input: Meta, dim: int = -1, descending: bool = False, stable: bool = False):
    """(values, indices) in order along `dim`; equal elements keep their order. NaN counts as the largest.

    PyTorch keeps the order of equals with stable=True only; otherwise it is what its C++ library's sort leaves.

    >>> import flambeau
    >>> flambeau.sort(flambeau.tensor([3, 1, 2])).indices
    tensor([1, 2, 0])
    """
    wrap_dim(dim, input.ndim)
    return input, input.like(dtype=dtypes.int64)


@sort.kernel
def _(xp, x, *, dim, descending, stable):
    if not x.ndim:
        wrap_dim(dim, 0)
        return x.copy(), xp.zeros((), dtype="int64")
    order = _order(xp, x, dim, descending).astype("int64", copy=False)
    return _at(xp, x, dim, order), order


def _at(xp: Any, x: Any, dim: int, places: Any) -> Any:
    """`take_along_axis`, of which small arrays need little."""
    flat = small_places(xp, x, dim, places)
    return xp.take_along_axis(x, places, dim) if flat is None else x.take(flat)


def _order(xp: Any, x: Any, dim: int, descending: bool) -> Any:
    """Places in order along `dim`, equals in theirs.

    Numbers of up to 32 bits are sorted as one integer with their places below them: no two are equal then, so that any
    sort keeps the order of equals, and the processor's vector sort takes a quarter of `argsort`'s time or less.
    """
    key = _ranked_places(xp, x, dim, descending)
    if key is not None:
        key.sort(axis=dim)
        return key & 0xFFFFFFFF
    if descending:  # stable downwards: sort the reversed array, then reverse the order back
        behind = (*(slice(None),) * (dim % x.ndim), slice(None, None, -1))
        return x.shape[dim] - 1 - _stable(xp, x[behind], dim)[behind]
    return _stable(xp, x, dim)


def _stable(xp: Any, x: Any, dim: int) -> Any:
    """Places in order, equals in theirs; NumPy's method takes a third of its function's time over few elements."""
    return x.argsort(dim, "stable") if xp.at_hand else xp.argsort(x, axis=dim, kind="stable")


def _ranked_places(xp: Any, x: Any, dim: int, descending: bool) -> Any:
    """One integer for each element: its rank, with its place along `dim` below; None where ranks need more bits."""
    n = x.shape[dim]
    rank = _rank(xp, x) if x.size > 64 and n < 2**31 else None
    if rank is None:
        return None
    grown = [1] * x.ndim
    grown[dim] = n
    rank = ~rank if descending else rank
    rank <<= 32
    rank |= xp.arange(n).reshape(grown)
    return rank


def _rank(xp: Any, x: Any) -> Any:
    """Integers of 32 bits, in int64, ordered as the elements are; None where the elements have too many values."""
    kind, size = x.dtype.kind, x.dtype.itemsize
    if kind in "iub":
        if size < 4 or x.dtype == "int32":
            return x.astype("int64")
        low, high = int(x.min()), int(x.max())
        return (x - x.dtype.type(low)).astype("int64") if high - low < 2**31 else None
    if kind not in "fV" or size > 4:
        return None
    # The bits of a float are in order as those of an integer of sign and magnitude. NaN is the largest, zero is one.
    bits = (x.astype("float32", copy=False) + xp.float32(0)).view("int32")
    rank = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype("int64")
    rank[x != x] = 0x7FFFFFFF
    return rank


@sort.vjp
def _(g, out, x: Meta, *, dim):
    return scatter_src(g[0].new_zeros(x.shape), dim, out[1], g[0])


@sort.jvp
def _(tangents, out, x, *, dim, descending, stable):
    return tangents[0].gather(dim, out[1]), None


@sort.batch
def _(size, batched, x, *, dim, descending, stable):
    if x.ndim == 1:  # the elements are numbers, each in order by itself
        return tuple(part.squeeze(1) for part in sort(x.unsqueeze(1), 1))
    return sort(x, wrap_dim(dim, x.ndim - 1) + 1, descending, stable)


sort.refuse("onnx", "ONNX has TopK only; export topk instead")


@composite
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False):
    """Indices that sort `input` along `dim`.

    >>> import flambeau
    >>> flambeau.argsort(flambeau.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return sort(input, dim, descending, stable).indices


@primitive(outputs=("values", "indices"), promote=accepting(AS_GIVEN), accepts="int float")
def topk(input: Meta, k: int, dim: int = -1, largest: bool = True, sorted: bool = True):
    """The k largest (or smallest) elements along `dim`, in order, with their indices.

    Of equal elements the first are taken, in their order; PyTorch leaves open which.

    >>> import flambeau
    >>> flambeau.topk(flambeau.tensor([3.0, 1.0, 2.0]), 2).values
    tensor([3., 2.])
    """
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    check(
        0 <= k <= n,
        lambda: f"selected index k out of range: k = {k}, but dimension {d} has size {n}",
    )
    shape = (*input.shape[:d], k, *input.shape[d + 1 :]) if input.ndim else ()
    return input.like(shape), input.like(shape, dtypes.int64)


@topk.kernel
def _(xp, x, *, k, dim, largest, sorted):
    usual = type(k) is int and type(dim) is int and -x.ndim <= dim < x.ndim
    if not usual or not 0 <= k <= x.shape[dim]:
        topk.op.body(Meta(x.shape, dtypes.from_numpy(x.dtype)), k, dim, largest, sorted)
    if not x.ndim:
        return x.copy(), xp.zeros((), dtype="int64")
    n = x.shape[dim]
    if k and n >= 64 and 4 * k <= n:
        found = _few_of_many(xp, xp.moveaxis(x, dim, -1), k, largest)
        if found is not None:
            return tuple([xp.ascontiguousarray(xp.moveaxis(f, -1, dim)) for f in found])
    cut = (slice(None),) * (dim % x.ndim) + (slice(0, k),)
    places = _order(xp, x, dim, largest)[cut].astype("int64")
    return _at(xp, x, dim, places), places


def _few_of_many(xp: Any, x: Any, k: int, largest: bool) -> Any:
    """The first k along the last dimension, of equals the first ones, without sorting all. None where NaN is chosen."""
    key = _ranked_places(xp, x, -1, largest)
    if key is not None:
        key.partition(k - 1, axis=-1)
        key = key[..., :k]
        key.sort(axis=-1)
        places = key & 0xFFFFFFFF
        return xp.take_along_axis(x, places, -1), places
    if x.dtype.kind not in "iuf":
        return None
    n = x.shape[-1]
    at = n - k if largest else k - 1
    last = xp.partition(x, at, axis=-1)[..., at : at + 1]
    if x.dtype.kind == "f" and (last != last).any():
        return None
    beyond = ~(x <= last) if largest else x < last  # NaN is beyond all
    equal = x == last
    left = k - beyond.sum(axis=-1, keepdims=True)
    chosen = beyond | (equal & (xp.cumsum(equal, axis=-1) <= left))
    places = xp.nonzero(chosen)[-1].reshape(*x.shape[:-1], k)
    values = xp.take_along_axis(x, places, -1)
    values, order = sort.op.kernels[None](xp, values, dim=-1, descending=largest, stable=True)
    return values, xp.take_along_axis(places, order, -1).astype("int64")


@topk.vjp
def _(g, out, x: Meta, *, dim):
    return scatter_src(g[0].new_zeros(x.shape), dim, out[1], g[0])


@topk.jvp
def _(tangents, out, x, *, k, dim, largest, sorted):
    return tangents[0].gather(dim, out[1]), None


@topk.batch
def _(size, batched, x, *, k, dim, largest, sorted):
    return topk(x, k, wrap_dim(dim, x.ndim - 1) + 1, largest, sorted)


@topk.onnx
def _(builder, x, *, k, dim, largest, sorted):
    return builder.nodes(
        "TopK", [x, builder.ints([k])], 2, axis=dim, largest=int(largest), sorted=int(sorted)
    )


@composite(outputs=("values", "indices"), accepts="int float")
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of all elements, or (values, indices) along `dim`; NaN where one is NaN.

    >>> import flambeau
    >>> flambeau.median(flambeau.tensor([3.0, 1.0, 2.0, 4.0]))
    tensor(2.)
    """
    flat = input.reshape(-1) if dim is None else input
    d = 0 if dim is None else wrap_dim(dim, input.ndim)
    named = median.op.tags["named"]
    if not flat.ndim:
        return named(flat.clone(), flat.new_zeros((), dtype=dtypes.int64))
    n = flat.shape[d]
    if dim is None and not n:
        return flat.new_full((), float("nan"), dtype=dtypes.float64).to(flat.dtype)
    check(n, lambda: f"median(): Expected reduction dim {d} to have non-zero size.", IndexError)
    ordered = sort(flat, d)
    values, places = (part.narrow(d, (n - 1) // 2, 1) for part in ordered)
    if input.dtype.is_floating_point:  # NaN is sorted last: the first of them stands for the whole
        wrong = (flat != flat).to(dtypes.uint8)
        broken = wrong.amax(d, True) > 0
        first = wrong.argmax(d, True)
        values = where(broken, flat.gather(d, first), values)
        places = where(broken, first, places)
    if dim is None:
        return values.squeeze(d)
    return named(*((values, places) if keepdim else (values.squeeze(d), places.squeeze(d))))


@median.small
def _(xp, x, *, dim, keepdim):
    if dim is not None:
        return ranked(xp, x, dim, (x.shape[dim] - 1) // 2, keepdim) if x.ndim else NotImplemented
    if not x.size or x.dtype.char not in "fdlqi":
        return NotImplemented
    flat = x.flatten()
    flat.sort()
    last = flat[-1]
    return flat[(flat.size - 1) // 2 if last == last else -1]  # NaN is sorted last


def ranked(xp: Any, x: Any, dim: Any, rank: int, keepdim: bool) -> Any:
    """(values, places) of what stands at `rank` in sorted order along `dim` of a raw array; NotImplemented where one is NaN."""
    if type(dim) is not int or not x.size or x.dtype.char not in "fdlqi" or (x != x).any():
        return NotImplemented
    places = x.argsort(dim, "stable").take([rank], dim)
    values = _at(xp, x, dim, places)
    return (values, places) if keepdim else (values.squeeze(dim), places.squeeze(dim))


@primitive(method=False)
def unique_parts(input: Meta, rows: bool = False):
    """Sorted distinct elements (or rows of a matrix), the place of each among them, and counts."""
    raise RuntimeError(
        "unique: the result's shape depends on values, so that it has no meta; run it on real data"
    )


@unique_parts.kernel
def _(xp, x, *, rows):
    axis = 0 if rows else None
    values, inverse, counts = xp.unique(
        x, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(x.shape[:1] if rows else x.shape)
    return values, inverse.astype("int64"), counts.astype("int64")


unique_parts.no_vjp("the result's shape depends on values; PyTorch defines no gradient")
unique_parts.refuse("vmap", "the result's shape depends on values")
unique_parts.refuse("compile", "the result's shape depends on values")
unique_parts.refuse("onnx", "the result's shape depends on values")


def rows_of(name: str, input: Tensor, dim: int) -> tuple[Tensor, int]:
    """Slices along `dim` as the rows of a matrix, and `dim` counted from the front."""
    check(
        input.ndim,
        lambda: f"Dimension specified as {dim} but tensor has no dimensions",
        IndexError,
    )
    d = wrap_dim(dim, input.ndim)
    front = input.movedim(d, 0)
    n = front.shape[0]
    check(
        not n or front.numel(),
        lambda: (
            f"{name}: There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        ),
    )
    return front.reshape(n, front.numel() // n if n else 0), d


@composite(accepts="bool int float")
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Distinct elements in rising order; with where each element went and how often each occurs if asked.

    With `dim` the distinct slices along it, in lexicographic order.

    >>> import flambeau
    >>> flambeau.unique(flambeau.tensor([3, 1, 3]))
    tensor([1, 3])
    """
    if dim is None:
        values, inverse, counts = unique_parts(input)
    else:
        rows, d = rows_of("unique", input, dim)
        values, inverse, counts = unique_parts(rows, True)
        rest = (*input.shape[:d], *input.shape[d + 1 :])
        values = values.reshape(values.shape[0], *rest).movedim(0, d)
    out = (values, *((inverse,) if return_inverse else ()), *((counts,) if return_counts else ()))
    return out if len(out) > 1 else values
