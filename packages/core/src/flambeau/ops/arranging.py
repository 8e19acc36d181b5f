"""Further ways of joining, splitting, turning and laying out: composites of views, cat and index operators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import check, check_room, same_dtypes, wrap_dim
from ..runtime import state
from ..runtime.families import composite
from ..runtime.signature import explained
from ..runtime.tensor import Tensor
from .batches import element_by_element, level_of
from .casting import clone
from .creation import arange, zeros
from .indexing import setitem
from .joining import cat, meshgrid, stack
from .slices import diagonal, narrow, split
from .views import reshape


@composite
def ravel(input: Tensor):
    """All elements in one dimension; a view where strides allow.

    >>> import flambeau
    >>> flambeau.ravel(flambeau.zeros(2, 3)).shape
    flambeau.Size([6])
    """
    return reshape(input, (-1,)) if input.numel() else reshape(input, (0,))


@ravel.as_call_of(reshape)
def _(x):
    return (x.size,)


@composite
def fliplr(input: Tensor):
    """Columns in reverse order.

    >>> import flambeau
    >>> flambeau.fliplr(flambeau.tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    check(input.ndim >= 2, lambda: "Input must be >= 2-d.")
    return input.flip(1)


@composite
def flipud(input: Tensor):
    """Rows in reverse order.

    >>> import flambeau
    >>> flambeau.flipud(flambeau.tensor([[1], [2]]))
    tensor([[2],
            [1]])
    """
    check(input.ndim >= 1, lambda: "Input must be >= 1-d.")
    return input.flip(0)


@composite(ints=("k",))
def rot90(input: Tensor, k: int = 1, dims: tuple[int, int] = (0, 1)):
    """Turned by k quarter turns in the plane of `dims`, from the first towards the second.

    >>> import flambeau
    >>> flambeau.rot90(flambeau.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    check(len(dims) == 2, lambda: f"expected total rotation dims == 2, but got dims = {len(dims)}")
    check(input.ndim >= 2, lambda: f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = wrap_dim(dims[0], input.ndim), wrap_dim(dims[1], input.ndim)
    check(
        a != b,
        lambda: (
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        ),
    )
    k %= 4
    if k == 0:
        return clone(input)
    if k == 2:
        return input.flip((a, b))
    return input.flip(b).transpose(a, b) if k == 1 else input.flip(a).transpose(a, b)


def _all_tensors(name: str, tensors: Any) -> None:
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, but found element of type "
                f"{type(x).__name__} at pos {i}"
            )


def _atleast(rank: int, grow: Any) -> Any:
    def each(*tensors: Any) -> Any:
        one = len(tensors) == 1 and isinstance(tensors[0], (tuple, list))
        _all_tensors(f"atleast_{rank}d", tensors[0] if one else tensors)
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
            return tuple(grow(x) if x.ndim < rank else x for x in tensors[0])
        made = tuple(grow(x) if x.ndim < rank else x for x in tensors)
        return made[0] if len(made) == 1 else made

    return each


_one = _atleast(1, lambda x: x.reshape(1))
_two = _atleast(2, lambda x: x.reshape(1, -1) if x.numel() else x.reshape(1, 0))
_three = _atleast(
    3,
    lambda x: (
        x.reshape(1, 1, 1)
        if not x.ndim
        else x.unsqueeze(0).unsqueeze(-1)
        if x.ndim == 1
        else x.unsqueeze(-1)
    ),
)


@composite(method=False)
def atleast_1d(*tensors: Any):
    """0-d tensors with one dimension; others as they are.

    >>> import flambeau
    >>> flambeau.atleast_1d(flambeau.tensor(1))
    tensor([1])
    """
    return _one(*tensors)


@composite(method=False)
def atleast_2d(*tensors: Any):
    """Tensors of fewer dimensions as a matrix of one row.

    >>> import flambeau
    >>> flambeau.atleast_2d(flambeau.tensor([1, 2]))
    tensor([[1, 2]])
    """
    return _two(*tensors)


@composite(method=False)
def atleast_3d(*tensors: Any):
    """Tensors of fewer dimensions with ones put around.

    >>> import flambeau
    >>> flambeau.atleast_3d(flambeau.tensor([1, 2])).shape
    flambeau.Size([1, 2, 1])
    """
    return _three(*tensors)


@composite(method=False)
def column_stack(tensors: Sequence[Tensor]):
    """Vectors as columns beside each other, matrices beside each other.

    >>> import flambeau
    >>> flambeau.column_stack([flambeau.tensor([1, 2]), flambeau.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    check(tensors, lambda: "column_stack expects a non-empty TensorList")
    return cat([x.reshape(x.numel(), 1) if x.ndim < 2 else x for x in tensors], 1)


@composite(method=False)
def dstack(tensors: Sequence[Tensor]):
    """Joined along the third dimension.

    >>> import flambeau
    >>> flambeau.dstack([flambeau.ones(2), flambeau.ones(2)]).shape
    flambeau.Size([1, 2, 2])
    """
    check(tensors, lambda: "dstack expects a non-empty TensorList")
    return cat([_three(x) for x in tensors], 2)


@composite
def tensor_split(
    input: Tensor, indices_or_sections: int | Tensor | tuple[int, ...], dim: int = 0
) -> tuple[Tensor, ...]:
    """Views of nearly equal parts along `dim`, or of what lies between the indices given.

    >>> import flambeau
    >>> [x.tolist() for x in flambeau.arange(5).tensor_split(2)]
    [[0, 1, 2], [3, 4]]
    """
    check(
        input.ndim,
        lambda: (
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        ),
    )
    d = wrap_dim(dim, input.ndim)
    n = input.shape[d]
    cuts = (
        indices_or_sections.tolist()
        if isinstance(indices_or_sections, Tensor)
        else indices_or_sections
    )
    if isinstance(cuts, int):
        check(cuts > 0, lambda: f"number of sections must be larger than 0, got {cuts}")
        check_room(cuts)
        small, more = divmod(n, cuts)
        starts = [i * small + min(i, more) for i in range(cuts + 1)]
        return tuple(narrow(input, d, a, b - a) for a, b in itertools.pairwise(starts))
    bounds = [0, *(slice(None, c).indices(n)[1] for c in cuts), n]
    return tuple(narrow(input, d, a, max(0, b - a)) for a, b in itertools.pairwise(bounds))


def _splitter(name: str, rank: int, dim: int) -> Any:
    def run(input: Tensor, how: Any) -> Any:
        check(
            input.ndim >= rank,
            lambda: (
                f"torch.{name} requires a tensor with at least {rank} dimension{'s' * (rank > 1)}, but got a tensor "
                f"with {input.ndim} dimensions!"
            ),
        )
        d = 0 if name == "hsplit" and input.ndim == 1 else dim
        if isinstance(how, int):
            check(
                how > 0 and input.shape[d] % how == 0,
                lambda: (
                    f"torch.{name} attempted to split along dimension {d}, but the size of the dimension "
                    f"{input.shape[d]} is not divisible by the split_size {how}!"
                ),
            )
        return tensor_split(input, how, d)

    return run


_rows, _columns, _layers = (
    _splitter("vsplit", 2, 0),
    _splitter("hsplit", 1, 1),
    _splitter("dsplit", 3, 2),
)


@composite
def vsplit(input: Tensor, indices_or_sections: int | tuple[int, ...]) -> tuple[Tensor, ...]:
    """`tensor_split` along the first dimension, into equal parts.

    >>> import flambeau
    >>> len(flambeau.zeros(4, 2).vsplit(2))
    2
    """
    return _rows(input, indices_or_sections)


@composite
def hsplit(input: Tensor, indices_or_sections: int | tuple[int, ...]) -> tuple[Tensor, ...]:
    """`tensor_split` along the second dimension (of vectors the only one), into equal parts.

    >>> import flambeau
    >>> len(flambeau.zeros(2, 4).hsplit(2))
    2
    """
    return _columns(input, indices_or_sections)


@composite
def dsplit(input: Tensor, indices_or_sections: int | tuple[int, ...]) -> tuple[Tensor, ...]:
    """`tensor_split` along the third dimension, into equal parts.

    >>> import flambeau
    >>> len(flambeau.zeros(2, 2, 4).dsplit(2))
    2
    """
    return _layers(input, indices_or_sections)


@composite
def split_with_sizes(
    input: Tensor, split_sizes: tuple[int, ...], dim: int = 0
) -> tuple[Tensor, ...]:
    """Views of pieces of the sizes listed.

    >>> import flambeau
    >>> [len(x) for x in flambeau.arange(5).split_with_sizes([2, 3])]
    [2, 3]
    """
    return split(input, list(split_sizes), dim)


@composite
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1):
    """Matrices with the last dimension on their diagonals.

    >>> import flambeau
    >>> flambeau.diag_embed(flambeau.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    from .slices import diagonal_grad

    rank = input.ndim + 1
    a, b = wrap_dim(dim1, rank), wrap_dim(dim2, rank)
    check(a != b, lambda: f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, n)
    return diagonal_grad(input, tuple(shape), offset, a, b)


@diag_embed.small
def _(xp, x, *, offset, dim1, dim2):
    if x.ndim != 1 or type(offset) is not int or (dim1, dim2) not in ((-2, -1), (0, 1)):
        return NotImplemented
    return xp.diag(x, offset)


@composite
def diag(input: Tensor, diagonal: int = 0):
    """A vector as a diagonal matrix; of a matrix its diagonal (a copy).

    >>> import flambeau
    >>> flambeau.diag(flambeau.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    check(input.ndim in (1, 2), lambda: f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return diag_embed(input, diagonal) if input.ndim == 1 else clone(input.diagonal(diagonal))


@diag.small
def _(xp, x, *, diagonal):
    return (
        NotImplemented
        if type(diagonal) is not int or x.ndim not in (1, 2)
        else xp.diag(x, diagonal).copy()
    )


@composite
def diagflat(input: Tensor, offset: int = 0):
    """All elements as a diagonal matrix.

    >>> import flambeau
    >>> flambeau.diagflat(flambeau.tensor([1, 2]), 1).shape
    flambeau.Size([3, 3])
    """
    return diag_embed(ravel(input), offset)


@composite(method=False)
def block_diag(*tensors: Any):
    """Matrices along the diagonal of a larger one, zeros elsewhere.

    >>> import flambeau
    >>> flambeau.block_diag(flambeau.ones(1, 2), flambeau.ones(2, 1)).shape
    flambeau.Size([3, 3])
    """
    from .joining import pad_constant

    _all_tensors("block_diag", tensors)
    blocks = [_two(x) for x in tensors]
    for i, b in enumerate(blocks):
        check(
            b.ndim == 2,
            lambda: (
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {b.ndim} dimensions"
            ),
        )
    width = sum(b.shape[1] for b in blocks)
    at, rows = 0, []
    for b in blocks:
        rows.append(pad_constant(b, ((0, 0), (at, width - at - b.shape[1]))))
        at += b.shape[1]
    return cat(rows, 0) if rows else zeros(1, 0)


@composite(method=False)
def cartesian_prod(*tensors: Any):
    """All ways to take one element of each vector, as rows.

    >>> import flambeau
    >>> flambeau.cartesian_prod(flambeau.tensor([1, 2]), flambeau.tensor([3])).tolist()
    [[1, 3], [2, 3]]
    """
    _all_tensors("cartesian_prod", tensors)
    for t in tensors:
        check(t.ndim == 1, lambda: f"Expect a 1D vector, but got shape {list(t.shape)}")
        same_dtypes("cartesian_prod", tensors[0], t)
    if len(tensors) == 1:
        return tensors[0]
    return stack([g.reshape(-1) for g in meshgrid(*tensors)], 1)


@composite
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False):
    """All ways to take r elements of a vector, as rows.

    >>> import flambeau
    >>> flambeau.combinations(flambeau.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    from itertools import combinations as once
    from itertools import combinations_with_replacement as again

    from .creation import tensor

    check(input.ndim == 1, lambda: f"Expect a 1D vector, but got shape {list(input.shape)}")
    check(r >= 0, lambda: f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_zeros((0,))
    rows = list((again if with_replacement else once)(range(input.shape[0]), r))
    places = tensor(rows, dtype=dtypes.int64, device=input.device).reshape(len(rows), r)
    return input.index_select(0, places.reshape(-1)).reshape(len(rows), r)


def _indices(row: int, col: int, offset: int, lower: bool, dtype: Any, device: Any) -> Tensor:
    for name, size in (("row", row), ("col", col)):
        check(size >= 0, lambda: f"{name} must be non-negative, got {size}")
    i, j = arange(row, device=device).unsqueeze(1), arange(col, device=device)
    inside = (j - i <= offset) if lower else (j - i >= offset)
    if state.tracing():  # how many there are depends on no value: a trace can follow
        least = offset + 1 if lower else col - offset
        step = 1 if lower else -1
        count = sum(min(max(least + step * k, 0), col) for k in range(row))
        places = inside.nonzero_static(size=count)
    else:
        places = inside.nonzero()
    return places.t().contiguous().to(dtype or dtypes.int64)


@explained
def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Rows and columns of a lower triangle's elements, as a (2, n) tensor.

    >>> import flambeau
    >>> flambeau.tril_indices(2, 2).tolist()
    [[0, 1, 1], [0, 0, 1]]
    """
    return _indices(row, col, offset, True, dtype, device)


@explained
def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Rows and columns of an upper triangle's elements, as a (2, n) tensor.

    >>> import flambeau
    >>> flambeau.triu_indices(2, 2).tolist()
    [[0, 0, 1], [0, 1, 1]]
    """
    return _indices(row, col, offset, False, dtype, device)


@composite(method=False)
def unravel_index(indices: Tensor, shape: int | tuple[int, ...]) -> tuple[Tensor, ...]:
    """Places in a flattened tensor as one index tensor per dimension of `shape`.

    >>> import flambeau
    >>> [x.item() for x in flambeau.unravel_index(flambeau.tensor(5), (2, 3))]
    [1, 2]
    """
    check(
        not indices.dtype.is_floating_point
        and not indices.dtype.is_complex
        and indices.dtype.name != "bool",
        lambda: f"expected 'indices' to be integer dtype, but got {indices.dtype}",
        TypeError,
    )
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    for n in sizes:
        check(
            hasattr(n, "__index__"),
            lambda: f"expected 'shape' sequence to only contain ints, but got {type(n).__name__}",
            TypeError,
        )
    check(
        all(n >= 0 for n in sizes),
        lambda: f"'shape' cannot have negative values, but got {sizes}",
        ValueError,
    )
    out = []
    for n in reversed(sizes):
        out.append(indices % n)
        indices = indices // n
    return tuple(reversed(out))


def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Writes a number on the main diagonal; with `wrap` it begins anew below the square of a tall matrix.

    >>> import flambeau
    >>> flambeau.zeros(2, 2).fill_diagonal_(5)
    tensor([[5., 0.],
            [0., 5.]])
    """
    check(self.ndim >= 2, lambda: "dimensions must larger than 1")
    height, width = self.shape[0], self.shape[1]
    check(
        self.ndim == 2 or all(n == height for n in self.shape),
        lambda: "all dimensions of input must be of equal length",
    )
    if self.ndim > 2:
        at = arange(height, device=self.device)
        setitem(self, (at,) * self.ndim, fill_value)
        return self
    self.diagonal().fill_(fill_value)
    if wrap:
        for first in range(width + 1, height, width + 1):
            self.narrow(0, first, height - first).diagonal().fill_(fill_value)
    return self


@composite(loops=True)
def argwhere(input: Tensor):
    """Places of elements that are not zero, one row each.

    >>> import flambeau
    >>> flambeau.argwhere(flambeau.tensor([0, 3])).tolist()
    [[1]]
    """
    if level_of(input):
        return element_by_element("argwhere", argwhere, input.detach())
    return input.nonzero()


# -- copies with a part replaced -------------------------------------------------------------------------------------


@composite
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int):
    """A copy of `input` with `src` as its slice at `index` along `dim`.

    >>> import flambeau
    >>> flambeau.select_scatter(flambeau.zeros(2, 2), flambeau.ones(2), 0, 1).tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    d = wrap_dim(dim, input.ndim)
    return _replaced(input, src, (*[slice(None)] * d, index))


@composite
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
):
    """A copy of `input` with `src` as its part start:end:step along `dim`.

    >>> import flambeau
    >>> flambeau.slice_scatter(flambeau.zeros(3), flambeau.ones(1), 0, 1, 2).tolist()
    [0.0, 1.0, 0.0]
    """
    d = wrap_dim(dim, input.ndim)
    return _replaced(input, src, (*[slice(None)] * d, slice(start, end, step)))


def _replaced(input: Tensor, src: Tensor, key: tuple) -> Tensor:
    out = clone(input)
    check(
        tuple(out[key].shape) == tuple(src.shape),
        lambda: (
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, "
            f"slice size = {list(out[key].shape)}"
        ),
    )
    setitem(out, key, src)
    return out


@composite
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1):
    """A copy of `input` with `src` on the diagonal.

    >>> import flambeau
    >>> flambeau.diagonal_scatter(flambeau.zeros(2, 2), flambeau.ones(2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    out = clone(input)
    place = diagonal(out, offset, dim1, dim2)
    check(
        tuple(place.shape) == tuple(src.shape),
        lambda: (
            f"expected src to have a size equal to the diagonal of the input.Got {list(src.shape)} for a diagonal of shape {list(place.shape)}"
        ),
    )
    place.copy_(src)
    return out
