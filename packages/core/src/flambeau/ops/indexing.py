"""Reading and writing parts: x[key], gather, scatter, index_select, take, nonzero, masked_select.

A key is applied in two steps, as PyTorch does: ints, slices, None and ... make one view; index tensors and masks then
pick from that view (`index`), the picked dimensions standing where the index tensors stood if these were neighbours,
in front otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import broadcast_shapes, check, wrap_dim
from ..runtime import hot
from ..runtime.dispatch import assign
from ..runtime.families import composite, primitive
from ..runtime.families import view as view_op
from ..runtime.meta import Meta
from ..runtime.promotion import only
from ..runtime.tensor import Tensor
from .creation import tensor as make_tensor

# -- basic keys ----------------------------------------------------------------------------------------------------


@view_op(method=False, linear=True)
def basic_index(input: Meta, key: tuple):
    """input[key] for a key of ints, slices, None and one Ellipsis."""
    return input.like(_indexed_shape(input.shape, key))


def _indexed_shape(shape: tuple[int, ...], key: tuple) -> tuple[int, ...]:
    out: list[int] = []
    d = 0
    full = len(shape) - sum(1 for k in key if k is not None and k is not Ellipsis)
    for k in key:
        if k is None:
            out.append(1)
        elif k is Ellipsis:
            out.extend(shape[d : d + full])
            d += full
        else:
            n = shape[d]
            if isinstance(k, slice):
                out.append(len(range(*k.indices(n))))
            elif not -n <= k < n:
                raise IndexError(f"index {k} is out of bounds for dimension {d} with size {n}")
            d += 1
    return (*out, *shape[d:])


@basic_index.kernel
def _(xp, x, *, key):
    return x[(*key, ...)] if Ellipsis not in key else x[key]


@basic_index.vjp
def _(g, _out, x: Meta, *, key):
    return basic_index_grad(g, x.shape, key)


@basic_index.batch
def _(size, batched, x, *, key):
    return basic_index(x, (slice(None), *key))


@basic_index.onnx
def _(builder, x, *, key):
    return builder.basic_index(x, key)


@primitive(method=False, linear=True)
def basic_index_grad(input: Meta, shape: tuple[int, ...], key: tuple):
    """Zeros of `shape` with `input` at `key`: the transpose of `basic_index`."""
    return input.like(shape)


@basic_index_grad.kernel
def _(xp, g, *, shape, key):
    out = xp.zeros(shape, dtype=g.dtype)
    out[key] = g
    return out


@basic_index_grad.vjp
def _(g, _out, x: Meta, *, shape, key):
    return basic_index(g, key)


@basic_index_grad.batch
def _(size, batched, x, *, shape, key):
    return basic_index_grad(x, (size, *shape), (slice(None), *key))


# -- index tensors -------------------------------------------------------------------------------------------------


@primitive(method=False)
def index(tensors: Sequence[Meta], positions: tuple[int, ...]):
    """tensors[0] picked by the index tensors that follow, one for each dimension of `positions`."""
    input, *indices = tensors
    picked = broadcast_shapes(*(i.shape for i in indices))
    rest = [n for d, n in enumerate(input.shape) if d not in positions]
    adjacent = positions[-1] - positions[0] == len(positions) - 1
    at = positions[0] if adjacent else 0
    return input.like((*rest[:at], *picked, *rest[at:]))


def _key(indices: Sequence[Any], positions: tuple[int, ...], ndim: int) -> tuple:
    key: list[Any] = [slice(None)] * ndim
    for p, i in zip(positions, indices):
        key[p] = i
    return tuple(key)


@index.kernel
def _(xp, x, *indices, positions):
    return x[_key(indices, positions, x.ndim)]


@index.vjp
def _(g, _out, *tensors, positions):
    x, *indices = tensors
    return (lambda: index_grad([g, *indices], tuple(x.shape), positions), *[None] * len(indices))


@index.batch
def _(size, batched, x, *indices, positions):
    if not batched[0]:
        return _front_batch(index([x, *indices], positions), x, indices, positions)
    if not any(batched[1:]):
        moved = tuple(p + 1 for p in positions)
        if positions[-1] - positions[0] == len(positions) - 1:
            return index([x, *indices], moved)
    row = _batch_rows(size, indices, batched)
    grown = [i if b else i.unsqueeze(0) for i, b in zip(_same_rank(indices, batched), batched[1:])]
    out = index([x, row, *grown], (0, *(p + 1 for p in positions)))
    k = row.ndim - 1
    adjacent = positions[-1] - positions[0] == len(positions) - 1
    if adjacent and positions[0] > 0:
        out = out.movedim(
            tuple(range(1, 1 + k)), tuple(range(1 + positions[0], 1 + positions[0] + k))
        )
    return out


def _same_rank(indices: Sequence[Tensor], batched: Sequence[bool]) -> list[Tensor]:
    rank = max(i.ndim - int(b) for i, b in zip(indices, batched[1:]))
    out = []
    for i, b in zip(indices, batched[1:]):
        lack = rank - (i.ndim - int(b))
        shape = (i.shape[0], *[1] * lack, *i.shape[1:]) if b else (*[1] * lack, *i.shape)
        out.append(i.reshape(shape))
    return out


def _batch_rows(size: int, indices: Sequence[Tensor], batched: Sequence[bool]) -> Tensor:
    from .creation import arange

    rank = max(i.ndim - int(b) for i, b in zip(indices, batched[1:]))
    return arange(size, device=indices[0].device).reshape(size, *[1] * rank)


def _front_batch(
    out: Tensor, x: Tensor, indices: Sequence[Tensor], positions: tuple[int, ...]
) -> Tensor:
    adjacent = positions[-1] - positions[0] == len(positions) - 1
    return out.movedim(positions[0], 0) if adjacent and positions[0] else out


@index.onnx
def _(builder, x, *indices, positions):
    return builder.index(x, indices, positions)


@primitive(method=False)
def index_grad(tensors: Sequence[Meta], shape: tuple[int, ...], positions: tuple[int, ...]):
    """Zeros of `shape` to which tensors[0] is added at the places the index tensors name."""
    return tensors[0].like(shape)


@index_grad.kernel
def _(xp, g, *indices, shape, positions):
    out = xp.zeros(shape, dtype=g.dtype)
    if positions == (0,) and indices[0].dtype.kind != "b":
        rows = indices[0].reshape(-1)
        return _add_rows(
            xp, out, rows % shape[0] if shape[0] else rows, g.reshape(rows.size, *shape[1:])
        )
    xp.add.at(out, _key(indices, positions, len(shape)), g)
    return out


def _add_rows(xp: Any, out: Any, rows: Any, g: Any) -> Any:
    """out[rows[k]] += g[k]: by sorting and adding runs, several times faster than `add.at` on wide rows."""
    n = rows.size
    if n == 0:
        return out
    order = xp.argsort(rows, kind="stable")
    sorted_rows = rows[order]
    starts = xp.concatenate(
        [xp.zeros(1, dtype="int64"), xp.flatnonzero(sorted_rows[1:] != sorted_rows[:-1]) + 1]
    )
    out[sorted_rows[starts]] = xp.add.reduceat(g[order], starts, axis=0)
    return out


@index_grad.vjp
def _(g, _out, *tensors, shape, positions):
    return (lambda: index([g, *tensors[1:]], positions), *[None] * (len(tensors) - 1))


@index_grad.batch
def _(size, batched, g, *indices, shape, positions):
    row, grown, moved = _batched_key(size, indices, batched, positions)
    return index_grad(
        [_rows_first(g, size, batched[0], row, positions), row, *grown], (size, *shape), moved
    )


def _batched_key(
    size: int, indices: Sequence[Tensor], batched: Sequence[bool], positions: tuple[int, ...]
) -> tuple:
    """Index tensors that address every element of the batch: its own number first, then the given ones."""
    flags = [False, *batched[-len(indices) :]]
    row = _batch_rows(size, indices, flags)
    grown = [i if b else i.unsqueeze(0) for i, b in zip(_same_rank(indices, flags), flags[1:])]
    return row, grown, (0, *(p + 1 for p in positions))


def _rows_first(g: Tensor, size: int, has: bool, row: Tensor, positions: tuple[int, ...]) -> Tensor:
    """A picked value with the batch in front, its picked dimensions where the longer key puts them."""
    g = g if has else g.unsqueeze(0).expand(size, *g.shape)
    k = row.ndim - 1
    adjacent = positions[-1] - positions[0] == len(positions) - 1
    if adjacent and positions[0] > 0:
        return g.movedim(
            tuple(range(1 + positions[0], 1 + positions[0] + k)), tuple(range(1, 1 + k))
        )
    return g


@primitive(method=False, promote=only(0, 1))
def index_put_at(tensors: Sequence[Meta], positions: tuple[int, ...], accumulate: bool):
    """tensors[0] with tensors[1] written (or added) at the places that the index tensors after them name."""
    return tensors[0]


@index_put_at.kernel
def _(xp, x, value, *indices, positions, accumulate):
    out = x.copy()
    key = _key(indices, positions, x.ndim)
    if accumulate:
        xp.add.at(out, key, value)
    else:
        out[key] = value
    return out


@index_put_at.vjp
def _(g, _out, *tensors, positions, accumulate):
    _x, value, *indices = tensors

    def to_input():
        if accumulate:
            return g
        return index_put_at([g, g.new_zeros(()), *indices], positions, False)

    def to_value():
        picked = index([g, *indices], positions)
        return picked.sum_to_size(value.shape) if isinstance(value, Tensor) else None

    return (to_input, to_value, *[None] * len(indices))


@index_put_at.batch
def _(size, batched, x, value, *indices, positions, accumulate):
    row, grown, moved = _batched_key(size, indices, batched, positions)
    picked = index(
        [x[0] if batched[0] else x, *(i[0] if b else i for i, b in zip(indices, batched[2:]))],
        positions,
    )
    x = x if batched[0] else x.expand(size, *x.shape)
    if isinstance(value, Tensor):
        value = value if batched[1] else value.unsqueeze(0)
        value = value.reshape(
            value.shape[0], *[1] * (picked.ndim - value.ndim + 1), *value.shape[1:]
        )
        value = _rows_first(value.expand(size, *picked.shape), size, True, row, positions)
    return index_put_at([x, value, row, *grown], moved, accumulate)


index_put_at.refuse(
    "onnx", "ScatterND covers only part of it; write the model with where or scatter"
)


def split_key(input: Tensor, key: Any) -> tuple[tuple, list[Tensor], tuple[int, ...]]:
    """A key as (basic key, index tensors, their dimensions in the view that the basic key makes)."""
    if type(key) is list and any(
        isinstance(k, (slice, type(None), list, tuple, Tensor)) for k in key
    ):
        key = tuple(key)
    parts = key if type(key) is tuple else (key,)
    parts = tuple(_entry(k) for k in parts)
    if not any(isinstance(k, Tensor) for k in parts):
        _count_dims(input, parts)
        return parts, [], ()
    used = sum(
        k.ndim if isinstance(k, Tensor) and k.dtype is dtypes.bool_ else k is not None
        for k in parts
        if k is not Ellipsis
    )
    fill = input.ndim - used
    check(fill >= 0, lambda: f"too many indices for tensor of dimension {input.ndim}", IndexError)
    basic: list[Any] = []
    tensors: list[Tensor] = []
    positions: list[int] = []
    at = d = 0  # dimension of the view that is being made, of the input
    for k in parts:
        if k is Ellipsis:
            basic.extend([slice(None)] * fill)
            at, d = at + fill, d + fill
        elif not isinstance(k, Tensor):
            basic.append(k)
            at += not isinstance(k, int)
            d += k is not None
        elif k.dtype is dtypes.bool_:
            for j, n in enumerate(k.shape):
                check(
                    input.shape[d + j] == n,
                    lambda: (
                        f"The shape of the mask {list(k.shape)} at index {j} does not match the shape of the indexed "
                        f"tensor {list(input.shape)} at index {d + j}"
                    ),
                    IndexError,
                )
            if not k.ndim:
                basic.append(None)
                tensors.append(k.reshape(1).nonzero().unbind(1)[0])
                positions.append(at)
                at += 1
                continue
            tensors.extend(k.nonzero().unbind(1))
            basic.extend([slice(None)] * k.ndim)
            positions.extend(range(at, at + k.ndim))
            at, d = at + k.ndim, d + k.ndim
        else:
            if k.dtype.category != dtypes.INT:
                raise IndexError(
                    f"tensors used as indices must be long, int, byte or bool tensors, not {k.dtype}"
                )
            _check_bounds(k, input.shape[d], d)
            basic.append(slice(None))
            tensors.append(k)
            positions.append(at)
            at, d = at + 1, d + 1
    return tuple(basic), tensors, tuple(positions)


def _check_bounds(k: Tensor, n: int, d: int) -> None:
    if k._level or not k.numel() or k.device.type != "cpu":
        return
    array = k._array
    low, high = int(array.min()), int(array.max())
    if low < -n or high >= n:
        raise IndexError(
            f"index {high if high >= n else low} is out of bounds for dimension {d} with size {n}"
        )


def _entry(k: Any) -> Any:
    if k is None or k is Ellipsis or isinstance(k, Tensor):
        return k
    if isinstance(k, bool):
        return make_tensor(k)
    if isinstance(k, slice):
        if k.step is not None and int(k.step) <= 0:
            raise ValueError("step must be greater than zero")
        if any(isinstance(v, Tensor) for v in (k.start, k.stop, k.step)):
            return slice(*(None if v is None else int(v) for v in (k.start, k.stop, k.step)))
        return k
    if isinstance(k, int):
        return k
    if hasattr(k, "__index__") and not hasattr(k, "shape"):
        return k.__index__()
    if hasattr(k, "__array__") or isinstance(k, (list, tuple, range)):
        if hasattr(k, "shape") and k.shape == () and hasattr(k, "__index__"):
            return int(k)
        made = make_tensor(list(k) if isinstance(k, range) else k)
        return made.long() if made.numel() == 0 and made.dtype.is_floating_point else made
    kind = IndexError if isinstance(k, float) else TypeError
    raise kind(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
        f"{type(k).__name__})"
    )


def _count_dims(input: Tensor, parts: tuple) -> None:
    used = sum(1 for k in parts if k is not None and k is not Ellipsis)
    check(
        used <= input.ndim,
        lambda: f"too many indices for tensor of dimension {input.ndim}",
        IndexError,
    )
    check(
        sum(k is Ellipsis for k in parts) <= 1,
        lambda: "an index can only have a single ellipsis ('...')",
        IndexError,
    )


_USE_ITEM = "Use `tensor.item()` in Python to convert a 0-dim tensor to a number"


_select, _BASIC = hot.select, basic_index.op


def getitem(input: Tensor, key: Any) -> Tensor:
    """input[key]: a view for basic keys, a copy where index tensors or masks pick."""
    if type(key) is int or type(key) is slice:
        found = _select(_BASIC, input, key)
        if found is not None:
            return found
    if type(key) is int:
        if not input.ndim:
            raise IndexError("invalid index of a 0-dim tensor. " + _USE_ITEM)
        n = input.shape[0]
        if not -n <= key < n:
            raise IndexError(f"index {key} is out of bounds for dimension 0 with size {n}")
        return basic_index(input, (key,))
    if (
        isinstance(key, Tensor)
        and key.ndim == 0
        and key.dtype.category == dtypes.INT
        and not key._level
    ):
        key = int(key)
    basic, tensors, positions = split_key(input, key)
    if not input.ndim and not tensors and any(isinstance(k, (int, slice)) for k in basic):
        raise IndexError("invalid index of a 0-dim tensor. " + _USE_ITEM)
    if tensors and builtin_all(isinstance(k, slice) and k == slice(None) for k in basic):
        return index([input, *tensors], positions)
    out = basic_index(input, basic)
    return index([out, *tensors], positions) if tensors else out


builtin_all = all


def setitem(input: Tensor, key: Any, value: Any) -> None:
    """input[key] = value, the value broadcast."""
    if isinstance(key, Tensor) and key.dtype is dtypes.bool_ and not isinstance(value, Tensor):
        if tuple(key.shape) == tuple(input.shape) and isinstance(value, (int, float, bool)):
            assign(input, input.masked_fill(key, value))
            return
    basic, tensors, positions = split_key(input, key)
    target = basic_index(input, basic) if basic else input
    if not isinstance(value, Tensor):
        value = make_tensor(value, dtype=input.dtype, device=input.device)
    elif value.dtype is not input.dtype:
        value = value.to(input.dtype)
    if not tensors:
        while value.ndim > target.ndim and value.shape[0] == 1:
            value = value.squeeze(0)
        assign(target, value)
        return
    assign(target, index_put_at([target, value, *tensors], positions, False))


@composite
def index_put(input: Tensor, indices: tuple, values: Tensor, accumulate: bool = False):
    """A copy of `input` with `values` written (or added) where `indices`, a tuple of index tensors, point.

    >>> import flambeau
    >>> flambeau.index_put(flambeau.zeros(3), (flambeau.tensor([1]),), flambeau.tensor(5.0))
    tensor([0., 5., 0.])
    """
    _, tensors, positions = split_key(
        input, tuple(slice(None) if i is None else i for i in indices)
    )
    return index_put_at([input, values, *tensors], positions, accumulate)


pick = index  # under a name that functions with a parameter `index` can use


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
        return input.clone()
    _check_bounds(index, input.shape[d], d)
    return pick([input, index.reshape(-1)], (d,))


@primitive
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
    check(
        index.dtype in (dtypes.int64, dtypes.int32),
        lambda: f"{name}(): Expected dtype int32/int64 for index, but got {index.dtype.name}",
    )
    check(
        max(input.ndim, 1) == max(index.ndim, 1),
        lambda: (
            f"Index tensor must have the same number of dimensions as input tensor: {name} got {input} and {index}"
        ),
    )
    d = wrap_dim(dim, input.ndim)
    for i, (n, m) in enumerate(zip(input.shape, index.shape)):
        check(
            i == d or m <= n,
            lambda: (
                f"Size does not match at dimension {i} expected index {list(index.shape)} to be no larger than self "
                f"{list(input.shape)} apart from dimension {d}"
            ),
        )


def _grid(xp: Any, index: Any, dim: int) -> tuple:
    """The key that reads or writes at `index` along `dim` and at the same place elsewhere."""
    key = []
    for d, n in enumerate(index.shape):
        shape = [1] * index.ndim
        shape[d] = n
        key.append(index if d == dim % index.ndim else xp.arange(n).reshape(shape))
    return tuple(key)


def _in_bounds(xp: Any, index: Any, n: int) -> None:
    if index.size and (int(index.max()) >= n or int(index.min()) < 0):
        bad = int(index.max()) if int(index.max()) >= n else int(index.min())
        raise RuntimeError(f"index {bad} is out of bounds for dimension with size {n}")


@gather.kernel
def _(xp, x, index, *, dim, sparse_grad):
    gather.op.body(_m(x), dim, _m(index))
    if not x.ndim:
        return x[None][index.reshape(-1)].reshape(index.shape)
    _in_bounds(xp, index, x.shape[dim])
    if index.ndim == 0:
        index = index[None]
    if (
        x.shape[: dim % x.ndim] == index.shape[: dim % x.ndim]
        and x.shape[dim % x.ndim + 1 :] == index.shape[dim % x.ndim + 1 :]
    ):
        return xp.take_along_axis(x, index, dim)
    return x[_grid(xp, index, dim)]


def _m(x: Any) -> Meta:
    return Meta(x.shape, dtypes.from_numpy(x.dtype))


@gather.vjp
def _(g, _out, x: Meta, index, *, dim):
    return scatter_add(g.new_zeros(x.shape), dim, index, g), None


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
    _check_scatter("scatter_add", input, dim, index, src)
    return input


def _check_scatter(name: str, input: Meta, dim: int, index: Meta, src: Meta | None) -> None:
    check(
        index.dtype is dtypes.int64,
        lambda: f"{name}(): Expected dtype int64 for index, but got {index.dtype.name}",
    )
    check(
        src is None or src.dtype is input.dtype,
        lambda: f"{name}(): Expected self.dtype to be equal to src.dtype, got {input} and {src}",
    )
    wrap_dim(dim, input.ndim)


@scatter_add.kernel
def _(xp, x, index, src, *, dim):
    scatter_add.op.body(_m(x), dim, _m(index), _m(src))
    out = x.copy().reshape(x.shape or (1,))
    index = index.reshape(index.shape or (1,))
    _in_bounds(xp, index, out.shape[dim])
    xp.add.at(
        out, _grid(xp, index, dim), src[tuple(slice(n) for n in index.shape)] if src.ndim else src
    )
    return out.reshape(x.shape)


@scatter_add.vjp
def _(g, _out, _x, index, src: Meta, *, dim):
    return g, None, lambda: _grow(gather(g, dim, index), src.shape)


def _grow(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The gradient of a `src` larger than the index: zero outside."""
    for d, n in enumerate(shape):
        if g.shape[d] != n:
            from .views import window_grad

            g = window_grad(g, (*g.shape[:d], n, *g.shape[d + 1 :]), d, 0, g.shape[d], 1)
    return g


@scatter_add.batch
def _(size, batched, x, index, src, *, dim):
    x, index, src = _both(size, batched, x, index, src)
    return scatter_add(x, dim % max(x.ndim - 1, 1) + 1, index, src)


def _onnx_fit(builder: Any, src: str, index: str) -> str:
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
    src = _onnx_fit(builder, src, index)
    return builder.node("ScatterElements", [x, index, src], axis=dim, reduction="add")


@primitive(method=False)
def scatter_src(input: Meta, dim: int, index: Meta, src: Meta):
    """A copy of `input` with `src` written at `index` along `dim`."""
    _check_scatter("scatter", input, dim, index, src)
    return input


@scatter_src.kernel
def _(xp, x, index, src, *, dim):
    scatter_src.op.body(_m(x), dim, _m(index), _m(src))
    out = x.copy().reshape(x.shape or (1,))
    index = index.reshape(index.shape or (1,))
    _in_bounds(xp, index, out.shape[dim])
    out[_grid(xp, index, dim)] = src[tuple(slice(n) for n in index.shape)] if src.ndim else src
    return out.reshape(x.shape)


@scatter_src.vjp
def _(g, _out, _x, index, src: Meta, *, dim):
    return (
        lambda: scatter_src(g, dim, index, g.new_zeros(index.shape)),
        None,
        lambda: _grow(gather(g, dim, index), src.shape),
    )


@scatter_src.batch
def _(size, batched, x, index, src, *, dim):
    x, index, src = _both(size, batched, x, index, src)
    return scatter_src(x, dim % max(x.ndim - 1, 1) + 1, index, src)


@scatter_src.onnx
def _(builder, x, index, src, *, dim):
    src = _onnx_fit(builder, src, index)
    return builder.node("ScatterElements", [x, index, src], axis=dim)


@composite
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Tensor | float, *, reduce: str | None = None
):
    """A copy of `input` with `src` (a tensor or a number) written at `index` along `dim`.

    >>> import flambeau
    >>> flambeau.zeros(3).scatter(0, flambeau.tensor([1]), 5.0)
    tensor([0., 5., 0.])
    """
    if not isinstance(src, Tensor):
        src = input.new_full(index.shape, src)
    if reduce == "add":
        return scatter_add(input, dim, index, src)
    check(reduce is None, lambda: f"scatter: reduce argument must be None or 'add', got {reduce!r}")
    return scatter_src(input, dim, index, src)


scatter.op.index["value"] = scatter.op.index["src"]


@composite
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None):
    """`gather` with broadcasting; over the flattened input without `dim`.

    >>> import flambeau
    >>> x = flambeau.tensor([3, 1, 2])
    >>> flambeau.take_along_dim(x, x.argsort(), 0)
    tensor([1, 2, 3])
    """
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    d = wrap_dim(dim, input.ndim)
    shape = list(
        broadcast_shapes(
            (*input.shape[:d], 1, *input.shape[d + 1 :]),
            (*indices.shape[:d], 1, *indices.shape[d + 1 :]),
        )
    )
    inner, outer = list(shape), list(shape)
    inner[d], outer[d] = input.shape[d], indices.shape[d]
    return gather(input.expand(inner), d, indices.expand(outer))


# -- shapes that depend on values --------------------------------------------------------------------------------------


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
    if as_tuple:
        return (nonzero_table(input.reshape(1)) if not input.ndim else nonzero_table(input)).unbind(
            1
        )
    return nonzero_table(input)


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


for _f in (
    basic_index_grad,
    index_grad,
):
    _f.refuse("onnx", "appears in gradients only, which are not exported")
