"""Sparse tensors: entries that are there, in coordinate form (COO) or with one index compressed (CSR, CSC, BSR, BSC).

Both are `Composed`: their parts are plain tensors, and so is what is computed from them. A rule takes `values_of(x)`,
computes, and puts the result into a sparse tensor again; the gradient takes the same way back. What is not an entry is
zero and has no gradient, except where PyTorch gives it one (a strided gradient, as of `x @ dense`): these rules use
`link`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flambeau
from flambeau._base import formats
from flambeau.runtime import state, writes
from flambeau.runtime.operator import registry
from flambeau.runtime.tensor import Size, Tensor, history, new
from flambeau.transforms.composed import Composed, bare, boxed, link

from .patterns import counted, expanded, found, joined, picked, placed, pointers

ROWS = ("sparse_csr", "sparse_bsr")  # layouts that compress the row index
BLOCKS = ("sparse_bsr", "sparse_bsc")
RULES: dict[str, Callable[..., Any]] = {}
COMPOSITES: dict[str, Callable[..., Any]] = {}


def sparse_rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enters the rule of operators for sparse tensors: `rule(*arrays, **attrs)`, or of composites as their users call them."""

    def enter(rule: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            op = registry.get(name)
            (COMPOSITES if op is not None and op.family == "composite" else RULES)[name] = rule
        return rule

    return enter


class SparseTensor(Composed):
    """What the sparse layouts share."""

    rules = RULES
    composites = COMPOSITES
    advice = ", and the tensor is not made dense unasked: use to_dense() first."
    _vals: Tensor

    def with_values(self, values: Tensor) -> Any:
        """The same entries with other values."""
        raise NotImplementedError

    def values_at(self, g: Any) -> Tensor:
        """What `g`, a tensor of this shape and any layout, has at the entries of this one."""
        raise NotImplementedError

    @property
    def layout(self) -> Any:
        raise NotImplementedError

    def is_contiguous(self, memory_format: Any = None) -> bool:
        return False

    def fill_(self, value: Any) -> Any:
        raise self.unsupported("fill_")

    def zero_(self) -> Any:
        writes.check_writable(self)
        self.assign(self, flambeau.zeros_like(self))
        return self

    def wrapper_repr(self) -> str:
        from .shown import shown

        return shown(self)


class CooTensor(SparseTensor):
    """Entries at places: `_idx` (sparse dimensions, n) and `_vals` (n, *dense dimensions).

    Coalesced means that no place occurs twice and that they are in order.
    """

    fields = ("_idx", "_vals")
    backend_name = "Sparse"
    _idx: Tensor
    _coalesced: bool

    is_sparse = True

    @property
    def layout(self) -> Any:
        return formats.sparse_coo

    def saved_parts(self) -> tuple:
        """What a checkpoint keeps of the tensor, as PyTorch's do."""
        return self._idx, self._vals, self.shape, self._coalesced

    @property
    def sparse_sizes(self) -> tuple[int, ...]:
        """The sizes of the sparse dimensions."""
        return self._sizes[: self._idx.shape[0]]

    def stride(self, dim: int | None = None) -> Any:
        return (0,) * self.ndim if dim is None else 0

    def with_values(self, values: Tensor) -> CooTensor:
        sizes = (*self.sparse_sizes, *tuple(values.shape)[1:])
        return coo(self._idx, values, sizes, self._coalesced)

    def values_at(self, g: Any) -> Tensor:
        return _values_at(g, self._idx, self._sizes, self._coalesced)


def _values_at(g: Any, indices: Tensor, sizes: tuple[int, ...], distinct: bool) -> Tensor:
    if isinstance(g, CompressedTensor):
        g = to_coo(g)
    if isinstance(g, CooTensor):
        if g._idx is indices and distinct:
            return values_of(g)
        if g._idx.shape[0] != indices.shape[0]:
            return _values_at(dense_of(g), indices, sizes, distinct)
        g = coalesce(g)
        d = indices.shape[0]
        at, there = found(counted(g._idx, sizes[:d]), counted(indices, sizes[:d]))
        return picked(values_of(g), at, there)
    if not indices.shape[0]:
        return g.unsqueeze(0).expand(indices.shape[1], *g.shape)
    return g[tuple(indices.unbind(0))]


def coo(
    indices: Tensor, values: Tensor, sizes: Sequence[int], coalesced: bool = False
) -> CooTensor:
    """A COO tensor of parts that fit; what comes from users goes through `create`."""
    made = new(CooTensor)
    kept = bare(values)
    made._idx, made._vals, made._sizes, made._coalesced = indices, kept, tuple(sizes), coalesced

    def pull(g: Any) -> Tensor:
        return _values_at(g, indices, tuple(sizes), coalesced)

    return link(made, "sparse_coo_tensor", [values], [pull])


def values_of(x: Any) -> Tensor:
    """The values of a sparse tensor with its history: their gradient is a sparse tensor of the same entries."""
    if history(x) is None or not state.local.grad:
        return x._vals
    pattern = detached(x)
    return link(boxed(x._vals), "values", [x], [pattern.with_values])


def detached(x: Any) -> Any:
    """The same sparse tensor without history."""
    made = new(type(x))
    made.take(made, x)
    return made


def coalesce(x: CooTensor) -> CooTensor:
    """Every place once and in order; values at one place are added."""
    if x._coalesced:
        return x
    numbers, values = joined(counted(x._idx, x.sparse_sizes), x._vals)
    made = coo(placed(numbers, x.sparse_sizes), values, x._sizes, True)
    return link(made, "coalesce", [x], [lambda g: g])


class CompressedTensor(SparseTensor):
    """Entries row by row (or column by column): `_comp` (*batch, rows + 1) says where each row begins in `_plain`
    (*batch, n), the columns, and `_vals` (*batch, n, *block, *dense)."""

    fields = ("_comp", "_plain", "_vals")
    backend_name = "SparseCsr"
    _comp: Tensor
    _plain: Tensor
    _layout: Any

    @property
    def is_sparse_csr(self) -> bool:  # type: ignore[override]
        """Whether the layout is CSR."""
        return self._layout is formats.sparse_csr

    @property
    def layout(self) -> Any:
        return self._layout

    def saved_parts(self) -> tuple:
        """What a checkpoint keeps of the tensor, as PyTorch's do."""
        return self._comp, self._plain, self._vals, self.shape

    @property
    def by_rows(self) -> bool:
        """Whether the row index is the compressed one."""
        return self._layout.name in ROWS

    @property
    def blocksize(self) -> tuple[int, int]:
        """The shape of a block; (1, 1) without."""
        if self._layout.name not in BLOCKS:
            return (1, 1)
        at = self._plain.ndim
        return (self._vals.shape[at], self._vals.shape[at + 1])

    @property
    def batch(self) -> tuple[int, ...]:
        """The batch dimensions."""
        return tuple(self._plain.shape)[:-1]

    def with_values(self, values: Tensor) -> CompressedTensor:
        return compressed(self._comp, self._plain, values, self._sizes, self._layout)

    def values_at(self, g: Any) -> Tensor:
        if isinstance(g, CompressedTensor) and g._plain is self._plain and g._comp is self._comp:
            return values_of(g)
        if isinstance(g, SparseTensor):
            if self._layout.name in BLOCKS or self.batch:
                g = dense_of(g)
            else:
                rows, columns = places(self)
                g = g if isinstance(g, CooTensor) else to_coo(g)
                return _values_at(g, flambeau.stack([rows, columns]), self._sizes, True)
        return _blocks_at(self, g)


def _blocks_at(x: CompressedTensor, g: Tensor) -> Tensor:
    """The values of a strided `g` at the entries of `x`."""
    rows, columns = places(x)
    b, blocks = len(x.batch), x._layout.name in BLOCKS
    if blocks:
        g = in_blocks(g, b, x.blocksize)
    if not b:
        return g[rows, columns]
    flat = g.reshape(-1, *tuple(g.shape)[b:])
    count = flambeau.arange(flat.shape[0], device=rows.device).unsqueeze(1)
    n = rows.shape[-1]
    out = flat[count, rows.reshape(-1, n), columns.reshape(-1, n)]
    return out.reshape(*x.batch, *tuple(out.shape)[1:])


def in_blocks(x: Tensor, batch: int, blocksize: tuple[int, int]) -> Tensor:
    """(*batch, R, C, *dense) as (*batch, R / r, C / c, r, c, *dense)."""
    r, c = blocksize
    head, (rows, columns), tail = x.shape[:batch], x.shape[batch : batch + 2], x.shape[batch + 2 :]
    split = x.reshape(*head, rows // r, r, columns // c, c, *tail)
    return split.transpose(batch + 1, batch + 2)


def compressed(comp: Tensor, plain: Tensor, values: Tensor, sizes: Sequence[int], layout: Any) -> CompressedTensor:  # fmt: skip
    """A compressed tensor of parts that fit; what comes from users goes through `create`."""
    made = new(CompressedTensor)
    kept = bare(values)
    made._comp, made._plain, made._vals = comp, plain, kept
    made._sizes, made._layout = tuple(sizes), layout
    if history(values) is None:
        return made
    return link(made, "sparse_compressed_tensor", [values], [detached(made).values_at])


def places(x: CompressedTensor) -> tuple[Tensor, Tensor]:
    """(rows, columns) of the entries, or of the blocks, each in the shape of the plain indices."""
    comp, plain = x._comp.to(flambeau.int64), x._plain.to(flambeau.int64)
    if x.batch:
        flat = comp.reshape(-1, comp.shape[-1])
        ones = [expanded(p) for p in flat.unbind(0)]
        long = flambeau.stack(ones).reshape(plain.shape) if ones else plain
    else:
        long = expanded(comp)
    return (long, plain) if x.by_rows else (plain, long)


def dense_of(x: Any) -> Tensor:
    """A strided tensor with the entries of `x`, differentiable by its values."""
    return _dense(x, values_of(coalesce(x) if isinstance(x, CooTensor) else x))


def _dense(x: Any, values: Tensor) -> Tensor:
    if isinstance(x, CooTensor):
        x = coalesce(x)
        d = x._idx.shape[0]
        out = flambeau.zeros(x._sizes, dtype=values.dtype, device=values.device)
        if not d:
            return out + values.sum(0)
        return out.index_put(tuple(x._idx.unbind(0)), values)
    rows, columns = places(x)
    b, (r, c) = len(x.batch), x.blocksize
    blocks = x._layout.name in BLOCKS
    height, width = x._sizes[b], x._sizes[b + 1]
    tail = x._sizes[b + 2 :]
    count = flambeau.Size(x.batch).numel()
    n = rows.shape[-1]
    shape = (count, height // r, width // c, *((r, c) if blocks else ()), *tail)
    out = flambeau.zeros(shape, dtype=values.dtype, device=values.device)
    if count:
        which = flambeau.arange(count, device=rows.device).unsqueeze(1).expand(count, n)
        values = values.reshape(count, n, *tuple(values.shape)[b + 1 :])
        out = out.index_put(
            (which, rows.reshape(count, n), columns.reshape(count, n)), values, accumulate=True
        )
    if blocks:
        out = out.transpose(2, 3)
    return out.reshape(x._sizes)


def to_coo(x: Any) -> CooTensor:
    """A compressed tensor in coordinate form, coalesced; blocks become all their elements."""
    if isinstance(x, CooTensor):
        return x
    rows, columns = places(x)
    values, b = values_of(x), len(x.batch)
    tail = x._sizes[b + 2 :]
    lead: list[Tensor] = []
    if b:
        n = rows.shape[-1]
        count = flambeau.Size(x.batch).numel()
        which = flambeau.arange(count, device=rows.device).repeat_interleave(n)
        lead = list(placed(which, x.batch).unbind(0))
        rows, columns = rows.reshape(-1), columns.reshape(-1)
        values = values.reshape(-1, *tuple(values.shape)[b + 1 :])
    if x._layout.name in BLOCKS:
        r, c = x.blocksize
        n = rows.shape[0]
        within = flambeau.arange(r * c, device=rows.device)
        rows = (rows.unsqueeze(1) * r + within // c).reshape(-1)
        columns = (columns.unsqueeze(1) * c + within % c).reshape(-1)
        lead = [i.repeat_interleave(r * c) for i in lead]
        values = values.reshape(n * r * c, *tail)
    made = coo(flambeau.stack([*lead, rows, columns]), values, x._sizes, False)
    order = counted(made._idx, made.sparse_sizes)
    if bool((order[1:] > order[:-1]).all()):
        made._coalesced = True
        return made
    return coalesce(made)


def compress(x: CooTensor, layout: Any) -> CompressedTensor:
    """A COO tensor of two sparse dimensions in CSR or CSC form; RuntimeError for more dimensions and for blocks."""
    if layout.name in BLOCKS or x._idx.shape[0] != 2:
        raise RuntimeError(
            f"unsupported tensor layout: a result of {x._idx.shape[0]} sparse dimensions as {layout}"
        )
    x = coalesce(x)
    rows, columns = x._idx.unbind(0)
    values = values_of(x)
    if layout.name in ROWS:
        return compressed(pointers(rows, x._sizes[0]), columns, values, x._sizes, layout)
    order = columns.argsort(stable=True)
    comp = pointers(columns, x._sizes[1])
    plain = rows.index_select(0, order)
    return compressed(comp, plain, values.index_select(0, order), x._sizes, layout)


def compress_dense(x: Tensor, layout: Any, blocksize: tuple[int, int] | None, dense_dim: int = 0) -> CompressedTensor:  # fmt: skip
    """A strided tensor (*batch, R, C, *dense) in a compressed layout; blocks that are all zero are left out."""
    b = x.ndim - 2 - dense_dim
    blocks = layout.name in BLOCKS
    parted = in_blocks(x, b, blocksize) if blocks else x  # type: ignore[arg-type]
    inner = tuple(range(b + 2, parted.ndim))
    mask = (parted.detach() != 0).any(inner) if inner else parted.detach() != 0
    by_rows = layout.name in ROWS
    if not by_rows:
        mask, parted = mask.transpose(b, b + 1), parted.transpose(b, b + 1)
    batch = tuple(x.shape)[:b]
    count = Size(batch).numel()
    long, short = mask.shape[b], mask.shape[b + 1]
    flat = mask.reshape(count, long, short)
    which, at, across = flat.nonzero(as_tuple=True)
    values = parted.reshape(count, long, short, *tuple(parted.shape)[b + 2 :])[which, at, across]
    n = which.shape[0] // count if count else 0
    if b:
        each = flat.reshape(count, -1).sum(1)
        if count and not bool((each == each[0]).all()):
            raise RuntimeError(
                "Expect the same number of specified elements per batch, but got "
                f"{each.tolist()} of them"
            )
        starts = pointers(which * long + at, count * long)
        ends = starts[1:].reshape(count, long) - n * flambeau.arange(count).unsqueeze(1)
        comp = flambeau.cat([ends.new_zeros(count, 1), ends], 1).reshape(*batch, long + 1)
        across = across.reshape(*batch, n)
        values = values.reshape(*batch, n, *tuple(values.shape)[1:])
    else:
        comp = pointers(at, long)
    return compressed(comp, across, values, tuple(x.shape), layout)


def sparsify(x: Tensor, sparse_dim: int) -> CooTensor:
    """A strided tensor in coordinate form, coalesced."""
    inner = tuple(range(sparse_dim, x.ndim))
    mask = x.detach() != 0
    if inner and sparse_dim:
        mask = mask.any(inner)
    if not x.ndim:
        there = mask.reshape(1).nonzero(as_tuple=True)[0]
        values = x.reshape(1).index_select(0, there)
        return coo(flambeau.zeros(0, values.shape[0], dtype=flambeau.int64), values, (), True)
    at = mask.nonzero(as_tuple=True)
    return coo(flambeau.stack(list(at)), x[at], tuple(x.shape), True)
