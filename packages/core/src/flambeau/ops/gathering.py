"""Reading and writing along one dimension: gather, scatter, index_select; what is not zero, what a mask picks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from .._base import dtypes
from .._base.checks import broadcast_shapes, check, contiguous_strides, wrap_dim
from .._base.errors import OutOfRange
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.numbers import ends
from ..runtime.tape import record
from ..runtime.tensor import Tensor
from .comparison import where
from .indexing import getitem, pick

# -- along one dimension ---------------------------------------------------------------------------------------------


@composite
def index_select(input: Tensor, dim: int, index: Tensor):
    """The slices of `input` along `dim` that `index` (1-d, integer) names.

    >>> import flambeau
    >>> flambeau.index_select(flambeau.arange(6).reshape(3, 2), 0, flambeau.tensor([2, 0]))
    tensor([[4, 5],
            [0, 1]])
    """
    check(index.ndim <= 1, lambda: "index_select(): Index is supposed to be a vector", IndexError)
    check(
        index.dtype in (dtypes.int64, dtypes.int32),
        lambda: f"index_select(): Expected dtype int32 or int64 for index but got {index.dtype}",
    )
    d = wrap_dim(dim, input.ndim)
    if not input.ndim:
        check(
            index.numel() == 1,
            lambda: (
                f"index_select(): Index to scalar can have only 1 value, got {index.numel()} value(s)"
            ),
        )
        return input.clone()
    return pick([input, index.reshape(-1)], (d,), False)


@index_select.small
def _(xp, x, index, *, dim):
    if type(dim) is not int:
        return NotImplemented
    if index.ndim != 1 or index.dtype.char not in "lq" or not index.size or not x.ndim:
        return NotImplemented
    if ends(index)[0] < 0:  # NumPy counts from the end, and refuses what is too large
        return NotImplemented
    return x.take(index, dim)


@index_select.small_vjp
def _(g, _out, x: Meta, index, *, dim):
    return g.new_zeros(x.shape).index_add(dim, index, g), None


@index_select.small_raw_vjp
def _(xp, g, _out, x, index, *, dim):
    out = xp.zeros(x.shape, g.dtype)
    at = (slice(None),) * (dim % len(x.shape))
    if index.size > FEW_SLICES:
        xp.add.at(out, (*at, index), g)
        return out
    for k, i in enumerate(index.tolist()):
        out[(*at, i)] += g[(*at, k)]
    return out


FEW_SLICES = 32  # slices that Python adds one by one as quickly as NumPy does all


@primitive(exact_out=True, out_apart=True)
def gather(input: Meta, dim: int, index: Meta, *, sparse_grad: bool = False):
    """out[i][j][k] = input[index[i][j][k]][j][k] for dim 0, and so on.

    >>> import flambeau
    >>> flambeau.gather(flambeau.tensor([[1, 2], [3, 4]]), 1, flambeau.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    _check_gather("gather", input, dim, index)
    return input.like(index.shape)


def _check_gather(name: str, input: Meta, dim: int, index: Meta) -> None:
    check_index(name, index)
    d = wrap_dim(dim, input.ndim)
    if not index.numel:
        return
    check(
        max(input.ndim, 1) == max(index.ndim, 1),
        lambda: (
            f"Index tensor must have the same number of dimensions as input tensor: {name} got {input} and {index}"
        ),
    )
    for i, (n, m) in enumerate(zip(input.shape, index.shape)):
        check(
            i == d or m <= n,
            lambda: (
                f"Size does not match at dimension {i} expected index {list(index.shape)} to be no larger than self "
                f"{list(input.shape)} apart from dimension {d}"
            ),
        )


def check_index(name: str, index: Meta | Tensor) -> None:
    """RuntimeError for an index that is not of int32 or int64; one without elements may be of any dtype."""
    check(
        index.dtype in (dtypes.int64, dtypes.int32) or 0 in index.shape,
        lambda: f"{name}(): Expected dtype int32/int64 for index, but got {index.dtype.name}",
    )


def flat_places(xp: Any, index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """Where, counted flat in an array of `shape`, each element of `index` points: along `dim` by its value.

    OutOfRange for an index outside of [0, shape[dim]), where looking at numbers does not wait for a GPU.
    """
    dim %= len(shape)
    n = shape[dim]
    if index.size and xp.at_hand:
        low, high = ends(index)
        if low < 0 or high >= n:
            raise OutOfRange(
                f"index {high if high >= n else low} is out of bounds for dimension {dim} with size {n}"
            )
    step = contiguous_strides(shape)[dim]
    return (index if step == 1 else index * xp.int64(step)) + _around(xp, index.shape, dim, shape)


def _around(xp: Any, picked: tuple[int, ...], dim: int, shape: tuple[int, ...]) -> Any:
    """What the dimensions other than `dim` add to the flat place of each element of an index of shape `picked`."""
    places = xp.zeros([1] * len(shape), dtype="int64")
    for d, (m, step) in enumerate(zip(picked, contiguous_strides(shape))):
        if d != dim:
            grown = [1] * len(shape)
            grown[d] = m
            places = places + (xp.arange(m) * step).reshape(grown)
    return places


SMALL = 1 << 12  # elements of an index up to which what surrounds them is remembered
FEW = 1 << 10  # elements up to which NumPy adds them at their places as quickly as a backend


def small_places(xp: Any, x: Any, dim: Any, index: Any, src: Any = None) -> Any:
    """`flat_places` of a small index on the CPU, behind all checks of a gathering or scattering; None for all other calls, and wrong ones."""
    if type(dim) is not int or not xp.at_hand or not x.flags.c_contiguous:
        return None
    if index.dtype.char not in "lq" or not 0 < index.size <= SMALL:
        return None
    if src is not None and (src.shape != index.shape or src.dtype is not x.dtype or x.dtype.char not in "fdlq"):  # fmt: skip
        return None
    surrounding = _surrounding(xp, index.shape, dim, x.shape)
    low, high = ends(index)
    if surrounding is None or low < 0 or high >= x.shape[dim]:
        return None
    step, around = surrounding
    return (index if step is None else index * step) + around


@lru_cache(256)
def _surrounding(xp: Any, picked: tuple[int, ...], dim: int, shape: tuple[int, ...]) -> Any:
    """The step along `dim`, None for 1, and `_around`; None where an index of shape `picked` does not fit."""
    n = len(shape)
    if len(picked) != n or not -n <= dim < n:
        return None
    d = dim % n
    if any(m > size for i, (m, size) in enumerate(zip(picked, shape)) if i != d):
        return None
    step = contiguous_strides(shape)[d]
    return None if step == 1 else xp.asarray(step), _around(xp, picked, d, shape)


@gather.kernel
def _(xp, x, index, *, dim, sparse_grad):
    places = small_places(xp, x, dim, index)
    if places is not None:
        return x.take(places)
    gather.op.body(meta_of(x), dim, meta_of(index))
    if not index.size:
        return xp.empty(index.shape, dtype=x.dtype)
    shape = x.shape or (1,)
    places = flat_places(xp, index.reshape(index.shape or (1,)), dim, shape)
    if (
        not x.flags.c_contiguous
    ):  # not flattened, which would copy what may be large only by strides of zero
        return x.reshape(shape)[xp.unravel_index(places, shape)].reshape(index.shape)
    return x.reshape(-1)[places].reshape(index.shape)


def meta_of(x: Any) -> Meta:
    """Shape and dtype of a raw array."""
    return Meta(x.shape, dtypes.from_numpy(x.dtype))


@gather.vjp
def _(g, _out, x: Meta, index, *, dim, sparse_grad):
    if sparse_grad and x.ndim and not g._level and not index._level:
        module = import_module(f"{__package__.rpartition('.')[0]}.sparse.lookup")  # a layer above
        return module.gathered(g, dim, index, x.shape), None
    return scatter_add(g.new_zeros(x.shape), dim, index, g), None


@gather.raw_vjp
def _(xp, g, _out, x, index, *, dim, sparse_grad):
    if sparse_grad or g.dtype.char not in "fd" or g.size > FEW:
        return NotImplemented
    out = xp.zeros(x.shape, g.dtype)
    places = small_places(xp, out, dim, index)
    if places is None:
        return NotImplemented
    xp.add.at(out.reshape(-1), places.reshape(-1), g.reshape(-1))
    return out


@gather.batch
def _(size, batched, x, index, *, dim, sparse_grad):
    x, index = _both(size, batched, x, index)
    if x.ndim == 1:  # the elements are numbers: each is a row of one
        return gather(x.unsqueeze(1), 1, index.reshape(size, -1)).reshape(index.shape)
    return gather(x, dim % (x.ndim - 1) + 1, index)


def _both(size: int, batched: Sequence[bool], *tensors: Tensor) -> list[Tensor]:
    return [t if b else t.expand(size, *t.shape) for t, b in zip(tensors, batched)]


@gather.onnx
def _(builder, x, index, *, dim, sparse_grad):
    if not builder.metas[x].shape:
        return builder.node("Expand", [x, builder.ints(builder.output_shape)])
    return builder.node("GatherElements", [x, index], axis=dim)


@primitive
def scatter_add(input: Meta, dim: int, index: Meta, src: Meta):
    """A copy of `input` to which `src` is added at `index` along `dim`.

    >>> import flambeau
    >>> flambeau.zeros(3).scatter_add(0, flambeau.tensor([0, 0, 2]), flambeau.ones(3))
    tensor([2., 0., 1.])
    """
    check_scatter("scatter_add", input, dim, index, src)
    return input


def check_scatter(
    name: str, input: Meta | Tensor, dim: int, index: Meta | Tensor, src: Meta | Tensor | None
) -> None:
    """The errors of wrong dtypes and shapes that all kinds of scattering share."""
    check_index(name, index)
    check(
        src is None or src.dtype is input.dtype,
        lambda: (
            f"{name}(): Expected self.dtype to be equal to src.dtype, got {input.dtype.name} and "
            f"{src.dtype.name}"  # type: ignore[union-attr]
        ),
    )
    d = wrap_dim(dim, input.ndim)
    if 0 in index.shape:
        return
    for what, other in (("self", input), ("src", src)):
        check(
            other is None or max(other.ndim, 1) == max(index.ndim, 1),
            lambda: (
                f"Index tensor must have the same number of dimensions as {what} tensor: {name}() got index "
                f"{list(index.shape)} and {what} {list(other.shape)}"  # type: ignore[union-attr]
            ),
        )
    fits = all(m <= n for i, (m, n) in enumerate(zip(index.shape, input.shape)) if i != d)
    given = src is None or all(m <= n for m, n in zip(index.shape or (1,), src.shape or (1,)))
    check(
        fits and given,
        lambda: (
            f"{name}(): Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from "
            f"dimension {d}"
            + ("" if src is None else f" and to be no larger than src {list(src.shape)}")
        ),
    )


def fold_into(xp: Any, fold: Any, x: Any, index: Any, src: Any, dim: int) -> Any:
    """A copy of x with `src` folded in (`fold.at`) where `index` points; two-byte floats in float32."""
    if not index.size:
        return x.copy()
    shape = x.shape or (1,)
    index = index.reshape(index.shape or (1,))
    if src.ndim:
        src = src[tuple([slice(n) for n in index.shape])]
    wide = "float32" if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x.dtype
    out = x.reshape(-1).astype(wide, copy=True)
    fold.at(
        out,
        flat_places(xp, index, dim, shape).reshape(-1),
        xp.ascontiguousarray(xp.broadcast_to(src, index.shape))
        .reshape(-1)
        .astype(wide, copy=False),
    )
    return out.astype(x.dtype, copy=False).reshape(x.shape)


@scatter_add.small_into
def _add_small(xp, x, index, src, *, dim):
    places = small_places(xp, x, dim, index, src)
    if places is None:
        return NotImplemented
    xp.add.at(x.reshape(-1), places.reshape(-1), src.reshape(-1))
    return None


@scatter_add.kernel
def _(xp, x, index, src, *, dim):
    out = x.copy()
    if _add_small(xp, out, index, src, dim=dim) is None:
        return out
    scatter_add.op.body(meta_of(x), dim, meta_of(index), meta_of(src))
    return fold_into(xp, xp.add, x, index, src, dim)


@scatter_add.vjp
def _(g, _out, _x, index, src: Meta, *, dim):
    return g, None, lambda: grow(gather(g, dim, index), src.shape)


def grow(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The gradient of a `src` larger than the index: zero outside."""
    if g.ndim != len(shape):  # an index without elements may have any number of dimensions
        return g.new_zeros(shape)
    for d, n in enumerate(shape):
        if g.shape[d] != n:
            from .slices import window_grad

            g = window_grad(g, (*g.shape[:d], n, *g.shape[d + 1 :]), d, 0, g.shape[d], 1)
    return g


def batch_rule(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The batch rule of a scattering operator: the same one dimension further on."""

    def rule(size, batched, x, index, src, *, dim, **options):
        x, index, src = _both(size, batched, x, index, src)
        if x.ndim > 1:
            return f(x, wrap_dim(dim, x.ndim - 1) + 1, index, src, **options)
        # The elements are numbers: each is a row of one.
        index, src = index.reshape(size, -1), src.reshape(size, -1)
        return f(x.unsqueeze(1), 1, index, src, **options).squeeze(1)

    return rule


def onnx_fit(builder: Any, src: str, index: str) -> str:
    """`src` cut to the size of the index, as ONNX wants it."""
    size, wanted = builder.metas[src].shape, builder.metas[index].shape
    axes = [d for d, (n, m) in enumerate(zip(size, wanted)) if n != m]
    ends = [wanted[d] for d in axes]
    return (
        builder.node("Slice", [src, *map(builder.ints, ([0] * len(axes), ends, axes))])
        if axes
        else src
    )


@scatter_add.onnx
def _(builder, x, index, src, *, dim):
    src = onnx_fit(builder, src, index)
    return builder.node("ScatterElements", [x, index, src], axis=dim, reduction="add")


@primitive(method=False)
def scatter_src(input: Meta, dim: int, index: Meta, src: Meta):
    """A copy of `input` with `src` written at `index` along `dim`."""
    check_scatter("scatter", input, dim, index, src)
    return input


@scatter_src.kernel
def _(xp, x, index, src, *, dim):
    places = small_places(xp, x, dim, index, src)
    if places is not None:
        out = x.copy()
        out.put(places, src)
        return out
    scatter_src.op.body(meta_of(x), dim, meta_of(index), meta_of(src))
    out = x.copy().reshape(-1)
    if index.size:
        index = index.reshape(index.shape or (1,))
        places = flat_places(xp, index, dim, x.shape or (1,))
        out[places] = src[tuple([slice(n) for n in index.shape])] if src.ndim else src
    return out.reshape(x.shape)


@scatter_src.vjp
def _(g, _out, _x, index, src: Meta, *, dim):
    return (
        lambda: scatter_src(g, dim, index, g.new_zeros(index.shape)),
        None,
        lambda: grow(gather(g, dim, index), src.shape),
    )


@scatter_src.onnx
def _(builder, x, index, src, *, dim):
    src = onnx_fit(builder, src, index)
    return builder.node("ScatterElements", [x, index, src], axis=dim)


scatter_add.batch(batch_rule(scatter_add))
scatter_src.batch(batch_rule(scatter_src))


@composite
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Tensor | float | None = None, *,
    value: float | None = None, reduce: str | None = None,
):  # fmt: skip
    """A copy of `input` with `src` (a tensor or a number) written at `index` along `dim`.

    With reduce="add" or "multiply" added to or multiplied into what is there.

    >>> import flambeau
    >>> flambeau.zeros(3).scatter(0, flambeau.tensor([1]), 5.0)
    tensor([0., 5., 0.])
    """
    if src is None:
        if value is None:
            raise TypeError("scatter(): missing 1 required positional argument: 'src' or 'value'")
        src = value
    if not isinstance(src, Tensor):
        check(
            not isinstance(src, complex) or input.dtype.is_complex,
            lambda: f"value cannot be converted to type {input.dtype.name} without overflow",
        )
        src = input.new_full(index.shape, src)
    if reduce is None:
        return scatter_src(input, dim, index, src)
    check(
        reduce in ("add", "multiply"),
        lambda: f"scatter(): reduce argument must be either add or multiply, got {reduce}",
    )
    if reduce == "add":
        return scatter_add(input, dim, index, src)
    from .scattering import scatter_prod

    return scatter_prod(input, dim, index, src)


@scatter.small_into
def _(xp, x, index, src, *, dim, value, reduce):
    written = value if src is None else src
    if reduce is not None or x.dtype.char not in "fd":
        return NotImplemented
    number = type(written) in (int, float)
    if number and not -6e4 < written < 6e4:
        return NotImplemented
    places = small_places(xp, x, dim, index, None if number else written)
    if places is None:
        return NotImplemented
    x.put(places, written)
    return None


@composite
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None):
    """`gather` with broadcasting, negative indices counted from the end; over the flattened input without `dim`.

    >>> import flambeau
    >>> x = flambeau.tensor([3, 1, 2])
    >>> flambeau.take_along_dim(x, x.argsort(), 0)
    tensor([1, 2, 3])
    """
    check(
        indices.dtype is dtypes.int64,
        lambda: f"take_along_dim(): dtype of indices should be int64 but got {indices.dtype.name}",
    )
    if dim is None:
        input, indices, d = input.reshape(-1), indices.reshape(-1), 0
    else:
        check(
            input.ndim == indices.ndim,
            lambda: (
                "take_along_dim(): input and indices should have the same number of dimensions, "
                f"but got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
            ),
        )
        d = wrap_dim(dim, input.ndim)
        around = broadcast_shapes(
            (*input.shape[:d], 1, *input.shape[d + 1 :]),
            (*indices.shape[:d], 1, *indices.shape[d + 1 :]),
        )
        inner, outer = list(around), list(around)
        inner[d], outer[d] = input.shape[d], indices.shape[d]
        input, indices = input.expand(inner), indices.expand(outer)
    n = input.shape[d]
    return gather(input, d, where(indices < 0, indices + n, indices))


@take_along_dim.small
def _(xp, x, indices, *, dim):
    places = None if dim is None else small_places(xp, x, dim, indices)
    if places is None or any(m != n for d, (m, n) in enumerate(zip(indices.shape, x.shape)) if d != dim % x.ndim):  # fmt: skip
        return NotImplemented
    return x.take(places)


# -- shapes that depend on values --------------------------------------------------------------------------------------


@take_along_dim.small_record
def _(out, x, indices, *, dim):
    record(gather.op, out, (x, indices), {"dim": dim, "sparse_grad": False})


@primitive(method=False)
def nonzero_table(input: Meta):
    """Indices of elements that are not zero, one row each."""
    raise RuntimeError(
        "nonzero: the result's shape depends on values, so that it has no meta; run it on real data"
    )


@nonzero_table.kernel
def _(xp, x):
    return xp.argwhere(x).astype("int64")


nonzero_table.no_vjp("integer output")
nonzero_table.refuse("vmap", "the result's shape depends on values")
nonzero_table.refuse("compile", "the result's shape depends on values")


@nonzero_table.onnx
def _(builder, x):
    return builder.node("Transpose", [builder.node("NonZero", [x])], perm=[1, 0])


@composite
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Indices of elements that are not zero: an (n, dims) tensor, or a tuple of one index tensor per dimension.

    >>> import flambeau
    >>> flambeau.nonzero(flambeau.tensor([0, 3, 0, 4]))
    tensor([[1],
            [3]])
    """
    if input is None:
        raise TypeError("nonzero(): argument 'input' (position 1) must be Tensor, not NoneType")
    if as_tuple:
        return (nonzero_table(input.reshape(1)) if not input.ndim else nonzero_table(input)).unbind(
            1
        )
    return nonzero_table(input)


@primitive
def nonzero_static(input: Meta, *, size: int, fill_value: int = -1):
    """The first `size` rows of `nonzero`, filled up with `fill_value` where there are fewer: a shape known beforehand.

    >>> import flambeau
    >>> flambeau.nonzero_static(flambeau.tensor([0, 3, 0, 4]), size=3)
    tensor([[ 1],
            [ 3],
            [-1]])
    """
    for name, given in (("size", size), ("fill_value", fill_value)):
        if not isinstance(given, int):
            raise TypeError(
                f"nonzero_static(): argument '{name}' must be int, not {type(given).__name__}"
            )
    check(
        size >= 0,
        lambda: f"nonzero_static: 'size' must be an non-negative integer, but got {size}",
    )
    return input.like((size, input.ndim), dtypes.int64)


@nonzero_static.kernel
def _(xp, x, *, size, fill_value):
    nonzero_static.op.body(meta_of(x), size=size, fill_value=fill_value)
    found = xp.argwhere(x)[:size] if x.ndim else xp.zeros((0, 0), dtype="int64")
    out = xp.full((size, x.ndim), fill_value, dtype="int64")
    out[: len(found)] = found
    return out


nonzero_static.no_vjp("integer output")


@nonzero_static.onnx
def _(builder, x, *, size, fill_value):
    filling = builder.number(fill_value, dtypes.int64)
    rest = builder.node("Expand", [filling, builder.ints(builder.output_shape)])
    if not builder.output_shape[1]:
        return rest
    found = builder.node("Transpose", [builder.node("NonZero", [x])], perm=[1, 0])
    both = builder.node("Concat", [found, rest], axis=0)
    return builder.node("Slice", [both, *map(builder.ints, ([0], [size], [0]))])


@nonzero_static.batch
def _(rows, batched, x, *, size, fill_value):
    from .joining import stack

    return stack(
        [nonzero_static(x.select(0, i), size=size, fill_value=fill_value) for i in range(rows)]
    )


@composite
def masked_select(input: Tensor, mask: Tensor):
    """The elements where `mask` (bool, broadcast) holds, in a 1-d tensor.

    >>> import flambeau
    >>> flambeau.masked_select(flambeau.arange(4), flambeau.tensor([True, False, True, False]))
    tensor([0, 2])
    """
    check(
        mask.dtype is dtypes.bool_,
        lambda: f"masked_select: expected BoolTensor for mask, but got {mask.dtype}",
    )
    shape = broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    return getitem(input.expand(shape), mask.expand(shape))


@masked_select.small
def _(xp, x, mask):
    return NotImplemented if mask.dtype != "bool" or mask.shape != x.shape else x[mask]


@masked_select.small_vjp
def _(g, _out, x: Meta, mask):
    return g.new_zeros(x.shape).masked_scatter(mask, g), None


@masked_select.small_raw_vjp
def _(xp, g, _out, x, mask):
    out = xp.zeros(x.shape, g.dtype)
    out[mask] = g
    return out
