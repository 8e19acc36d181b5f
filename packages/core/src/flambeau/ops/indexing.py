"""Reading and writing parts: x[key], gather, scatter, index_select, take, nonzero, masked_select.

A key is applied in two steps, as PyTorch does: ints, slices, None and ... make one view; index tensors and masks then
pick from that view (`index`), the picked dimensions standing where the index tensors stood if these were neighbours,
in front otherwise.
"""

from __future__ import annotations

from builtins import all as builtin_all
from builtins import any as builtin_any
from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import broadcast_shapes, check, slice_length
from ..runtime import hot, overrides
from ..runtime.dispatch import assign
from ..runtime.families import composite, primitive
from ..runtime.families import view as view_op
from ..runtime.meta import Meta
from ..runtime.promotion import check_fits, only
from ..runtime.tensor import Tensor
from .casting import clone
from .creation import number_of
from .creation import tensor as make_tensor
from .keys import check_range, plain_slice, split_key
from .literals import refuse_huge
from .pointwise import check_element

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
                out.append(slice_length(k, n))
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
def index(tensors: Sequence[Meta], positions: tuple[int, ...], from_end: bool = True):
    """tensors[0] picked by the index tensors that follow, one for each dimension of `positions`.

    Negative indices count from the end, or are refused where the caller says that they do not.
    """
    input, *indices = tensors
    picked = _common_shape(indices)
    rest = [n for d, n in enumerate(input.shape) if d not in positions]
    adjacent = positions[-1] - positions[0] == len(positions) - 1
    at = positions[0] if adjacent else 0
    return input.like((*rest[:at], *picked, *rest[at:]))


def _common_shape(indices: Sequence[Any]) -> tuple[int, ...]:
    shapes = [tuple(i.shape) for i in indices]
    try:
        return broadcast_shapes(*shapes)
    except RuntimeError:
        listed = ", ".join(str(list(s)) for s in shapes)
        raise IndexError(
            f"shape mismatch: indexing tensors do not broadcast together; their shapes are {listed}"
        ) from None


def _key(indices: Sequence[Any], positions: tuple[int, ...], ndim: int) -> tuple:
    key: list[Any] = [slice(None)] * ndim
    for p, i in zip(positions, indices):
        key[p] = i
    return tuple(key)


@index.kernel
def _(xp, x, *indices, positions, from_end=True):
    shape = _empty_result(x, indices, positions)
    if shape is not None:
        if not from_end:
            _check_ranges(xp, indices, positions, x.shape, from_end)
        return xp.empty(shape, dtype=x.dtype)
    if not from_end and xp.at_hand and builtin_any(i.min() < 0 for i in indices):
        _check_ranges(xp, indices, positions, x.shape, from_end)
    try:
        # NumPy lays the indexed dimensions in front and shows them in their places: not row by row.
        made = x[_key(indices, positions, x.ndim)]
    except IndexError:
        _check_ranges(xp, indices, positions, x.shape, from_end)  # names the dimension
        raise
    return xp.ascontiguousarray(made) if made.ndim else made


def _check_ranges(
    xp: Any,
    indices: Sequence[Any],
    positions: tuple[int, ...],
    shape: tuple[int, ...],
    from_end: bool,
) -> None:
    """IndexError for an index that is out of range, where looking at numbers does not wait for a GPU."""
    for k, p in zip(indices, positions) if xp.at_hand else ():
        if k.dtype.kind in "iu":
            check_range(k, shape[p], p, from_end)


def _empty_result(x: Any, indices: Sequence[Any], positions: tuple[int, ...]) -> Any:
    """The shape of what is picked if that is nothing: an index out of range names nothing then. Else None."""
    if x.size and builtin_all(i.size for i in indices):
        return None
    metas = [Meta(a.shape, dtypes.from_numpy(a.dtype)) for a in (x, *indices)]
    made = index.op.call_body(tuple(metas), {"positions": positions, "from_end": True})
    return None if made.numel else made.shape


@index.vjp
def _(g, _out, x: Meta, *indices, positions, from_end):
    return (
        lambda: index_grad([g, *indices], x.shape, positions, from_end),
        *[None] * len(indices),
    )


# Rows, and elements of them, that Python adds as quickly as NumPy does all at once.
FEW, SMALL = 32, 1 << 12


@index.raw_vjp
def _(xp, g, _out, x, *indices, positions, from_end):
    (rows, *others) = indices
    if others or positions != (0,) or rows.size > FEW or rows.dtype.kind not in "iu":
        return NotImplemented
    if g.dtype.char not in "fd" or x.shape[0] == 0 or g.size > SMALL:
        return NotImplemented
    out = xp.zeros(x.shape, g.dtype)
    for place, row in zip(rows.reshape(-1).tolist(), g.reshape((rows.size, *x.shape[1:]))):
        out[place] += row
    return out


@index.batch
def _(size, batched, x, *indices, positions, from_end):
    if not batched[0]:
        return _front_batch(index([x, *indices], positions, from_end), x, indices, positions)
    if not any(batched[1:]):
        moved = tuple(p + 1 for p in positions)
        if positions[-1] - positions[0] == len(positions) - 1:
            return index([x, *indices], moved, from_end)
    row = _batch_rows(size, indices, batched)
    grown = [i if b else i.unsqueeze(0) for i, b in zip(_same_rank(indices, batched), batched[1:])]
    out = index([x, row, *grown], (0, *(p + 1 for p in positions)), from_end)
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
def _(builder, x, *indices, positions, from_end):
    return builder.index(x, indices, positions)


@primitive(method=False)
def index_grad(
    tensors: Sequence[Meta],
    shape: tuple[int, ...],
    positions: tuple[int, ...],
    from_end: bool = True,
):
    """Zeros of `shape` to which tensors[0] is added at the places the index tensors name, as in `index`."""
    return tensors[0].like(shape)


@index_grad.kernel
def _(xp, g, *indices, shape, positions, from_end=True):
    out = xp.zeros(shape, dtype=g.dtype)
    if not g.size:
        return out
    # `index` may not have been called: a compiled program leaves out what only its gradient is asked of.
    _check_ranges(xp, indices, positions, shape, from_end)
    if positions == (0,) and indices[0].dtype.kind != "b":
        rows = indices[0].reshape(-1)
        return _add_rows(
            xp, out, rows % shape[0] if shape[0] else rows, g.reshape(rows.size, *shape[1:])
        )
    _add_at(xp, out, _key(indices, positions, len(shape)), g)
    return out


def _add_rows(xp: Any, out: Any, rows: Any, g: Any) -> Any:
    """out[rows[k]] += g[k]: by sorting and adding runs, several times faster than `add.at` on wide rows."""
    n = rows.size
    if n == 0:
        return out
    if not hasattr(
        xp.add, "reduceat"
    ):  # a GPU adds them all at once, and is not asked where runs begin
        _add_at(xp, out, (rows,), g)
        return out
    order = xp.argsort(rows, kind="stable")
    sorted_rows = rows[order]
    starts = xp.concatenate(
        [xp.zeros(1, dtype="int64"), xp.flatnonzero(sorted_rows[1:] != sorted_rows[:-1]) + 1]
    )
    add = xp.logical_or if out.dtype.kind == "b" else xp.add
    wide = "float32" if out.dtype.name in ("float16", "bfloat16") else out.dtype
    places = sorted_rows[starts]
    more = add.reduceat(g[order].astype(wide, copy=False), starts, axis=0)
    out[places] = add(out[places].astype(wide, copy=False), more)
    return out


@index_grad.vjp
def _(g, _out, _given, *indices, shape, positions, from_end):
    return (lambda: index([g, *indices], positions, from_end), *[None] * len(indices))


@index_grad.batch
def _(size, batched, g, *indices, shape, positions, from_end):
    row, grown, moved = _batched_key(size, indices, batched, positions)
    picked = _rows_first(g, size, batched[0], row, positions)
    return index_grad([picked, row, *grown], (size, *shape), moved, from_end)


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
def index_put_at(
    tensors: Sequence[Meta], positions: tuple[int, ...], accumulate: bool, from_end: bool = True
):
    """tensors[0] with tensors[1] written (or added) at the places that the index tensors after them name, as in `index`."""
    input, value, *indices = tensors
    picked = index.op.call_body((input, *indices), {"positions": positions, "from_end": from_end})
    if isinstance(value, Meta):
        try:
            fits = broadcast_shapes(picked.shape, value.shape) == picked.shape
        except RuntimeError:
            fits = False
        check(
            fits,
            lambda: (
                f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of "
                f"shape {list(picked.shape)}"
            ),
        )
    return input


@index_put_at.kernel
def _(xp, x, value, *indices, positions, accumulate, from_end=True):
    out = x.copy()
    if _empty_result(x, indices, positions) is not None:
        metas = [
            Meta(a.shape, dtypes.from_numpy(a.dtype)) if hasattr(a, "shape") else a
            for a in (x, value, *indices)
        ]
        attrs = {"positions": positions, "accumulate": accumulate, "from_end": from_end}
        index_put_at.op.call_body(tuple(metas), attrs)
        return out
    if accumulate or not from_end:
        _check_ranges(xp, indices, positions, x.shape, from_end)
    key = _key(indices, positions, x.ndim)
    if not accumulate:
        try:
            out[key] = value
        except IndexError:
            _check_ranges(xp, indices, positions, x.shape, from_end)
            raise
    elif len(positions) == 1:
        # Slices along one dimension: their rows in front, repeated ones added up before they are written.
        at = positions[0]
        rows = indices[0]
        whole = xp.broadcast_to(value, x.shape[:at] + rows.shape + x.shape[at + 1 :])
        g = xp.moveaxis(whole, range(at, at + rows.ndim), range(rows.ndim))
        front = xp.moveaxis(out, at, 0)
        rows = rows.reshape(-1)
        _add_rows(xp, front, rows % max(front.shape[0], 1), g.reshape(rows.size, *front.shape[1:]))
    else:
        _add_at(xp, out, key, value)
    return out


def _add_at(xp: Any, out: Any, key: tuple, value: Any) -> None:
    """out[key] += value with repeated places added up; two-byte floats are rounded once."""
    if out.dtype.name in ("float16", "bfloat16"):
        wide = out.astype("float32")
        xp.add.at(wide, key, value)
        out[...] = wide
    else:
        xp.add.at(out, key, value)


@index_put_at.vjp
def _(g, _out, _x, value: Meta, *indices, positions, accumulate, from_end):
    def to_input():
        if accumulate:
            return g
        return index_put_at([g, g.new_zeros(()), *indices], positions, False, from_end)

    def to_value():
        picked = index([g, *indices], positions, from_end)
        if not isinstance(value, Meta):
            return None
        return picked if picked.shape == value.shape else picked.sum_to_size(value.shape)

    return (to_input, to_value, *[None] * len(indices))


@index_put_at.batch
def _(size, batched, x, value, *indices, positions, accumulate, from_end):
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
    return index_put_at([x, value, row, *grown], moved, accumulate, from_end)


@index_put_at.onnx
def _(builder, x, value, *indices, positions, accumulate, from_end):
    return builder.index_put(x, value, indices, positions, accumulate)


_USE_ITEM = "Use `tensor.item()` in Python to convert a 0-dim tensor to a number"


_item, _select, _BASIC = hot.item, hot.select, basic_index.op
hot.Piece.op = hot.Picked.op = _BASIC  # type: ignore[misc]  # in place of the slot


def getitem(input: Tensor, key: Any) -> Tensor:
    """input[key]: a view for basic keys, a copy where index tensors or masks pick."""
    if type(key) is int:
        found = _item(input, key)
        if found is not None:
            return found
    plain = hot.basic(key)
    if plain is not None:
        found = _select(_BASIC, input, plain)
        if found is not None:
            return found
    tensors = (key,) if type(key) is Tensor else key
    if type(tensors) is tuple and tensors and type(tensors[0]) is Tensor:
        found = hot.picked(index.op, input, tensors)
        if found is not None:
            return found
    if type(key) is int:
        refuse_huge(key)
        if not input.ndim:
            raise IndexError("invalid index of a 0-dim tensor. " + _USE_ITEM)
        n = input.shape[0]
        if not -n <= key < n:
            raise IndexError(f"index {key} is out of bounds for dimension 0 with size {n}")
        return basic_index(input, (key,))
    other = overrides.stranger_in(key)
    if other is not None:
        return overrides.handle(Tensor.__getitem__, [other], (input, key), {})
    if type(key) is slice and not input.ndim:
        plain_slice(key)
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if (
        isinstance(key, Tensor)
        and key.ndim == 0
        and key.dtype.category == dtypes.INT
        and key.dtype is not dtypes.uint8
        and not key._level
    ):
        key = int(key)
    basic, indices, positions = split_key(input, key)
    if indices and builtin_all(isinstance(k, slice) and k == slice(None) for k in basic):
        return index([input, *indices], positions)
    out = basic_index(input, basic)
    return index([out, *indices], positions) if indices else out


def setitem(input: Tensor, key: Any, value: Any) -> None:
    """input[key] = value, the value broadcast."""
    plain = hot.basic((key,) if key is Ellipsis else key)
    if plain is not None and hot.write(input, plain, value):
        return
    tensors: Any = (key,) if type(key) is Tensor else key
    if type(tensors) is tuple and tensors and type(tensors[0]) is Tensor:
        if hot.put(input, tensors, value):
            return
    other = overrides.stranger_in((key, value) if type(key) is not tuple else (*key, value))
    if other is not None:
        overrides.handle(Tensor.__setitem__, [other], (input, key, value), {})
        return
    if not isinstance(value, Tensor):
        value = _number_of(input, value)
    if type(key) is int and not input.ndim:
        refuse_huge(key)
        raise IndexError("invalid index of a 0-dim tensor. " + _USE_ITEM)
    if type(key) is slice and not input.ndim:
        plain_slice(key)
    if isinstance(key, Tensor) and key.dtype is dtypes.bool_ and not isinstance(value, Tensor):
        if tuple(key.shape) == tuple(input.shape) and isinstance(value, (int, float, bool)):
            assign(input, input.masked_fill(key, value))
            return
    if key is False:
        return  # picks nothing, so that PyTorch looks no further
    basic, tensors, positions = ((None,), [], ()) if key is True else split_key(input, key)
    target = basic_index(input, basic) if basic else input
    if not isinstance(value, Tensor):
        value = make_tensor(value, dtype=input.dtype, device=input.device)
    while value.ndim > 0 and value.shape[0] == 1 and (tensors or value.ndim > target.ndim):
        value = value.squeeze(0)
    if value.dtype is not input.dtype:
        if tensors and not (value.ndim == 0 and _one_mask(key)):
            _same_dtype(input, value)
        if tensors:
            check_element(value, input.dtype)
        value = value.to(input.dtype)
    if tensors:
        value = index_put_at([target, value, *tensors], positions, False)
    assign(target, value)


def _number_of(input: Tensor, value: Any) -> Any:
    """What is to be written as the input's dtype holds it; refused: nothing, words, a complex number among reals."""
    kind = type(value)
    if (
        (kind is float or kind is int)
        and -6e4 < value < 6e4
        and input.dtype.category >= dtypes.FLOAT
    ):
        return value  # fits everywhere
    numeric = isinstance(value, (int, float, complex, list, tuple)) or hasattr(value, "__array__")
    if not numeric and not hasattr(value, "__float__"):
        raise TypeError(f"can't assign a {type(value).__name__} to a tensor of {input.dtype}")
    if kind in (int, float) and input.dtype.category == dtypes.FLOAT and input.dtype.itemsize < 4:
        return float(value)  # what is too large is infinite there, as in PyTorch
    if isinstance(value, (complex, float)):
        return bool(value) if input.dtype is dtypes.bool_ else number_of(value, input.dtype)
    if type(value) is int:
        refuse_huge(value)
        check_fits(value, input.dtype)
    return value


def _one_mask(key: Any) -> bool:
    """Whether a key picks by one mask and nothing else: then a single value of any dtype may be written."""
    masks = (dtypes.bool_, dtypes.uint8)
    parts = key if isinstance(key, tuple) else (key,)
    parts = tuple(
        [make_tensor(k) if isinstance(k, list) or hasattr(k, "__array__") else k for k in parts]
    )
    picking = [k for k in parts if isinstance(k, Tensor) and (k.ndim or k.dtype in masks)]
    return len(picking) == 1 and picking[0].dtype in masks


def _same_dtype(input: Tensor, value: Tensor) -> None:
    check(
        value.dtype is input.dtype,
        lambda: (
            f"Index put requires the source and destination dtypes match, got {input.dtype.name} for the destination "
            f"and {value.dtype.name} for the source."
        ),
    )


@composite
def index_put(input: Tensor, indices: tuple, values: Tensor, accumulate: bool = False):
    """A copy of `input` with `values` written (or added) where `indices`, a tuple of index tensors, point.

    >>> import flambeau
    >>> flambeau.index_put(flambeau.zeros(3), (flambeau.tensor([1]),), flambeau.tensor(5.0))
    tensor([0., 5., 0.])
    """
    if not isinstance(indices, (tuple, list)):
        raise TypeError(
            "index_put(): argument 'indices' (position 1) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    if not isinstance(values, Tensor):
        raise TypeError(
            f"index_put(): argument 'values' (position 2) must be Tensor, not {type(values).__name__}"
        )
    if not indices:
        raise RuntimeError("index_put(): expected at least one index tensor, but got none")
    for i, k in enumerate(indices):
        if not isinstance(k, Tensor):
            raise TypeError(
                f"index_put(): expected Tensor as element {i} of indices, but got {type(k).__name__}"
            )
    basic, tensors, positions = split_key(input, tuple(indices))
    numbers = sum([type(k) is int for k in basic])
    rank = input.ndim - numbers - len(tensors) + max([t.ndim for t in tensors], default=0)
    check(
        values.ndim <= rank,
        lambda: (
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of "
            f"{rank} dimensions"
        ),
    )
    if values.dtype is not input.dtype:
        if accumulate or values.numel() != 1 or not _one_mask(tuple(indices)):
            _same_dtype(input, values)
        values = values.to(input.dtype)
    if builtin_all(isinstance(k, slice) for k in basic) and tensors:
        return index_put_at([input, values, *tensors], positions, accumulate)
    # 0-d index tensors were read as numbers: through a view, as in x[key] = y.
    out = clone(input)
    target = basic_index(out, basic)
    if tensors:
        values = index_put_at([target, values, *tensors], positions, accumulate)
    elif accumulate:
        values = target + values
    assign(target, values)
    return out


pick = index  # under a name that functions with a parameter `index` can use

for _f in (
    basic_index_grad,
    index_grad,
):
    _f.refuse("onnx", "appears in gradients only, which are not exported")


@index_put.small_into
def _(xp, x, values, *, indices, accumulate):
    if accumulate or values.dtype is not x.dtype or not 0 < x.size <= hot.SMALL:
        return NotImplemented
    keys = hot.keys_of(x, indices) if type(indices) in (tuple, list) else None
    if keys is None:
        return NotImplemented
    mask = keys[0].dtype.char == "?"
    taken, rank = (keys[0].ndim, 1) if mask else (len(keys), max([k.ndim for k in keys]))
    if values.ndim > x.ndim - taken + rank:
        return NotImplemented
    x[keys] = values
    return None
