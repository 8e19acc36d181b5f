"""Nested tensors: several tensors that differ in size, as one.

`JaggedTensor` (layout `jagged`) is for tensors that differ in one dimension: they lie one after the other in `values`,
and `offsets` says where each begins, so that most operators run once over all values. `NestedTensor` (layout
`strided`) is for tensors that differ anywhere: one flat buffer, worked on piece by piece.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import flambeau
from flambeau._base import formats
from flambeau._base.checks import wrap_dim
from flambeau.runtime.operator import Operator, registry
from flambeau.runtime.tensor import Leaf, Size, Tensor, history, new
from flambeau.transforms.composed import Composed, bare, boxed, link

Rule = Callable[..., Any]
JAGGED_RULES: dict[str, Rule] = {}
JAGGED_COMPOSITES: dict[str, Rule] = {}
STRIDED_RULES: dict[str, Rule] = {}
STRIDED_COMPOSITES: dict[str, Rule] = {}


def enter(
    rules: dict[str, Rule], composites: dict[str, Rule], *names: str
) -> Callable[[Rule], Rule]:
    """Enters a rule under the names of operators, as a primitive's or a composite's."""

    def add(f: Rule) -> Rule:
        for name in names:
            op = registry.get(name)
            (composites if op is not None and op.family == "composite" else rules)[name] = f
        return f

    return add


class RaggedSize:
    """A size that differs from tensor to tensor, such as `j1`: it has no number, and equals only itself."""

    _names = itertools.count(1)

    def __init__(self) -> None:
        self.name = f"j{next(self._names)}"

    def __repr__(self) -> str:
        return self.name

    def __deepcopy__(self, memo: Any) -> RaggedSize:
        return self


class _Nested(Composed):
    """What both layouts share."""

    is_nested = True
    backend_name = "NestedTensor"

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        """The tensors within."""
        if wrap_dim(dim, self.ndim) != 0:
            raise RuntimeError("unbind(): only supported for NestedTensor on dim=0")
        return tuple(self.pieces())

    def pieces(self) -> list[Tensor]:
        raise NotImplementedError

    def numel(self) -> int:
        return self.main.numel()

    nelement = numel

    def size(self, dim: int | None = None) -> Any:
        if dim is None:
            return self.shape
        return self.shape[wrap_dim(dim, self.ndim)]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        return True

    def __len__(self) -> int:
        return self.size(0)

    def __iter__(self) -> Any:
        return iter(self.unbind())

    def tolist(self) -> Any:
        raise RuntimeError(
            ".tolist() is not supported for nested tensors; use [t.tolist() for t in x.unbind()]"
        )

    def numpy(self, *, force: bool = False) -> Any:
        raise RuntimeError(".numpy() is not supported for nested tensors; unbind() them first")

    def to_padded_tensor(self, padding: float, output_size: Any = None) -> Tensor:
        """A strided tensor (B, largest sizes) with `padding` where a tensor has no element."""
        return padded(self, padding, output_size)

    def _to_dense(self, masked_grad: Any) -> Tensor:
        raise self.unsupported("to_dense")


class JaggedTensor(_Nested):
    """Tensors that differ in dimension `_ragged` (counted with the batch): `_vals` holds them one after the other there.

    With `_lengths` a tensor ends before the next begins, and what is between belongs to none.
    """

    fields = ("_offsets", "_vals")
    rules = JAGGED_RULES
    composites = JAGGED_COMPOSITES
    _offsets: Tensor
    _lengths: Tensor | None
    _vals: Tensor
    _ragged: int
    _symbol: RaggedSize

    @property
    def layout(self) -> Any:
        return formats.jagged

    @property
    def _sizes(self) -> tuple:  # type: ignore[override]
        shape = list(self._vals.shape)
        shape[self._ragged - 1] = self._symbol  # type: ignore[call-overload]
        return (self._offsets.shape[0] - 1, *shape)

    @property
    def ndim(self) -> int:
        return self._vals.ndim + 1

    def offsets(self) -> Tensor:
        """Where each tensor begins, and where the last one ends: (B + 1,)."""
        return self._offsets

    def lengths(self) -> Tensor | None:
        """How long each tensor is, where there are gaps between them; else None."""
        return self._lengths

    def _values_part(self) -> Tensor:
        return values_of(self)

    @property
    def _max_seqlen(self) -> int:
        return int(spans(self)[1].max()) if self._offsets.shape[0] > 1 else 0

    @property
    def _min_seqlen(self) -> int:
        return int(spans(self)[1].min()) if self._offsets.shape[0] > 1 else 0

    def is_contiguous(self, memory_format: Any = None) -> bool:
        return self._ragged == 1 and self._lengths is None

    def pieces(self) -> list[Tensor]:
        starts, lengths = spans(self)
        values, dim = values_of(self), self._ragged - 1
        return [
            values.narrow(dim, int(a), int(n)) for a, n in zip(starts.tolist(), lengths.tolist())
        ]

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if all(k is None or k is Ellipsis or isinstance(k, (int, slice)) for k in keys):
            return self.rules["basic_index"](self, key=keys)
        raise self.unsupported("index")

    def process(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
        if op.name not in self.rules and op.family == "elementwise":
            return _pointwise(op, arrays, attrs)
        return super().process(op, arrays, attrs)

    def wrapper_repr(self) -> str:
        text = f"NestedTensor(size={tuple(self._sizes)}, offsets={self._offsets}, contiguous={self.is_contiguous()}"
        return text + _suffix(self)


class NestedTensor(_Nested):
    """Tensors of any sizes and one rank: `_buffer` holds their elements, `_shapes` their shapes."""

    fields = ("_buffer",)
    rules = STRIDED_RULES
    composites = STRIDED_COMPOSITES
    _buffer: Tensor
    _shapes: tuple[tuple[int, ...], ...]

    @property
    def layout(self) -> Any:
        return formats.strided

    @property
    def shape(self) -> Size:
        """Only where all tensors are of one shape; else RuntimeError. `size(dim)` asks for one dimension."""
        return Size([self.size(d) for d in range(self.ndim)])

    @property
    def _sizes(self) -> tuple:  # type: ignore[override]
        return (len(self._shapes),)

    @property
    def _meta(self) -> Any:
        from flambeau.runtime.meta import Meta

        return Meta((len(self._shapes), *(-1 for _ in self._shapes[0])), self.dtype, self.device)

    @property
    def ndim(self) -> int:
        return 1 + (len(self._shapes[0]) if self._shapes else 0)

    def size(self, dim: int | None = None) -> Any:
        if dim is None:
            return self.shape
        at = wrap_dim(dim, self.ndim)
        if at == 0:
            return len(self._shapes)
        found = {s[at - 1] for s in self._shapes}
        if len(found) != 1:
            raise RuntimeError(f"Given dimension {at} is irregular and does not have a size.")
        return found.pop()

    def _values_part(self) -> Tensor:
        return buffer_of(self)

    def _nested_tensor_size(self) -> Tensor:
        return flambeau.tensor([list(s) for s in self._shapes])

    def pieces(self) -> list[Tensor]:
        counts = [Size(s).numel() for s in self._shapes]
        flat = buffer_of(self).split(counts) if counts else ()
        return [part.reshape(shape) for part, shape in zip(flat, self._shapes)]

    def __getitem__(self, key: Any) -> Any:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if type(first) is int:
            made = self.pieces()[first]
            return made[tuple(rest)] if rest else made
        raise RuntimeError(
            f"a nested tensor of the strided layout is indexed by the number of a tensor first, but got {key!r}"
        )

    def process(self, op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
        if op.name not in self.rules and op.family == "elementwise":
            return _pointwise_strided(op, arrays, attrs)
        return super().process(op, arrays, attrs)

    def wrapper_repr(self) -> str:
        leaf = type(history(self)) is Leaf
        shown = [p.detach().requires_grad_(leaf) for p in self.pieces()]
        pieces = [repr(p).replace("\n", "\n  ") for p in shown]
        return "nested_tensor([\n" + ",\n".join("  " + p for p in pieces) + "\n]" + _suffix(self)


def _suffix(x: Any) -> str:
    node = history(x)
    if node is None:
        return ")"
    return ", requires_grad=True)" if type(node) is Leaf else f", grad_fn=<{node.name()}>)"


# -- parts -----------------------------------------------------------------------------------------------------------


def jagged(values: Tensor, offsets: Tensor, lengths: Tensor | None = None, ragged: int = 1) -> JaggedTensor:  # fmt: skip
    """A jagged tensor of parts that fit."""
    made = new(JaggedTensor)
    made._vals, made._offsets, made._lengths, made._ragged = bare(values), offsets, lengths, ragged
    # Tensors over the same offsets are of the same ragged size.
    kept = offsets.__dict__
    made._symbol = kept.get("_ragged_size") or kept.setdefault("_ragged_size", RaggedSize())
    return link(made, "nested_tensor", [values], [lambda g: aligned(g, ragged)])


def aligned(g: Any, ragged: int) -> Tensor:
    """The values of a gradient, its ragged dimension where `ragged` says."""
    values = values_of(g)
    return values if g._ragged == ragged else values.movedim(g._ragged - 1, ragged - 1)


def values_of(x: JaggedTensor) -> Tensor:
    """The values with their history: their gradient is a jagged tensor."""
    if history(x) is None:
        return x._vals
    offsets, lengths, ragged = x._offsets, x._lengths, x._ragged
    return link(boxed(x._vals), "values", [x], [lambda g: jagged(g, offsets, lengths, ragged)])


def like(x: JaggedTensor, values: Tensor) -> JaggedTensor:
    """The same offsets with other values."""
    return jagged(values, x._offsets, x._lengths, x._ragged)


def spans(x: JaggedTensor) -> tuple[Tensor, Tensor]:
    """(starts, lengths) of the tensors within."""
    starts = x._offsets[:-1]
    return starts, x._lengths if x._lengths is not None else x._offsets[1:] - starts


def owners(x: JaggedTensor) -> Tensor:
    """The number of the tensor to which each row of values belongs."""
    counts = x._offsets[1:] - x._offsets[:-1]
    return flambeau.arange(counts.shape[0], device=counts.device).repeat_interleave(counts)


def tight(x: JaggedTensor) -> JaggedTensor:
    """Without gaps between the tensors, and the ragged dimension first in the values."""
    values = values_of(x)
    if x._lengths is not None:
        starts, lengths = spans(x)
        offsets = flambeau.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        first = (starts - offsets[:-1]).repeat_interleave(lengths)
        rows = first + flambeau.arange(first.shape[0], device=first.device)
        return jagged(values.index_select(x._ragged - 1, rows), offsets, None, x._ragged)
    return x


def strided(buffer: Tensor, shapes: Sequence[Sequence[int]]) -> NestedTensor:
    """A nested tensor over a flat buffer."""
    made = new(NestedTensor)
    made._buffer, made._shapes = bare(buffer), tuple(tuple(s) for s in shapes)
    return link(made, "nested_tensor", [buffer], [buffer_of])


def buffer_of(x: NestedTensor) -> Tensor:
    """The flat buffer with its history."""
    if history(x) is None:
        return x._buffer
    shapes = x._shapes
    return link(boxed(x._buffer), "values", [x], [lambda g: strided(g, shapes)])


def nested_of(pieces: Sequence[Tensor], dtype: Any = None) -> NestedTensor:
    """A nested tensor of tensors."""
    if not pieces:
        return strided(flambeau.zeros(0, dtype=dtype), ())
    return strided(flambeau.cat([p.reshape(-1) for p in pieces]), [tuple(p.shape) for p in pieces])


# -- functions of single elements ------------------------------------------------------------------------------------


def same_ragged(name: str, a: JaggedTensor, b: JaggedTensor) -> None:
    """RuntimeError unless two jagged tensors have the same offsets and place of the ragged dimension."""
    one = a._offsets is b._offsets or (
        a._offsets.shape == b._offsets.shape and bool((a._offsets == b._offsets).all())
    )
    if not one or a._ragged != b._ragged or (a._lengths is None) != (b._lengths is None):
        raise RuntimeError(
            f"cannot call binary pointwise function {name} with inputs of shapes {tuple(a._sizes)} and "
            f"{tuple(b._sizes)}"
        )


def _pointwise(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
    first = next(a for a in arrays if isinstance(a, JaggedTensor))
    operands = []
    for a in arrays:
        if isinstance(a, JaggedTensor):
            same_ragged(op.name, first, a)
            operands.append(values_of(a))
        elif isinstance(a, Tensor) and a.ndim:
            operands.append(_spread(op.name, first, a))
        else:
            operands.append(a)
    return like(first, op.public(*operands, **attrs))


def _spread(name: str, x: JaggedTensor, dense: Tensor) -> Tensor:
    """A strided operand as it meets the values: rows of its batch are repeated over each tensor."""
    if isinstance(dense, _Nested):
        raise RuntimeError(f"{name}: a jagged and a strided nested tensor cannot be mixed")
    behind = x.ndim - 1 - x._ragged  # dimensions after the ragged one
    if dense.ndim <= behind or (dense.ndim < x.ndim and dense.shape[-1 - behind] == 1):
        return dense
    if dense.ndim == x.ndim and dense.shape[x._ragged] == 1:
        if dense.shape[0] == 1:
            return dense.squeeze(0)
        if dense.shape[0] == x._offsets.shape[0] - 1:
            rows = dense.squeeze(x._ragged).index_select(0, owners(x))
            return rows.movedim(0, x._ragged - 1)
    raise RuntimeError(
        f"cannot call binary pointwise function {name} with inputs of shapes {tuple(x._sizes)} and {tuple(dense.shape)}"
    )


def _pointwise_strided(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
    first = next(a for a in arrays if isinstance(a, NestedTensor))
    operands = []
    for a in arrays:
        if isinstance(a, NestedTensor):
            if a._shapes != first._shapes:
                raise RuntimeError(
                    f"{op.name} does not support broadcasting when given two nested tensors of different sizes"
                )
            operands.append(buffer_of(a))
        elif isinstance(a, Tensor) and a.ndim:
            raise RuntimeError(
                f"Expected both self and other to be nested, but got a nested and a non-nested tensor in {op.name}"
            )
        else:
            operands.append(a)
    return strided(op.public(*operands, **attrs), first._shapes)


# -- padding ---------------------------------------------------------------------------------------------------------


def padded(x: Any, padding: float, output_size: Any = None) -> Tensor:
    """A strided tensor that holds all tensors, the rest `padding`."""
    pieces = x.pieces() if not isinstance(x, JaggedTensor) else None
    shapes = [tuple(p.shape) for p in pieces] if pieces is not None else _shapes_of(x)
    largest = tuple(max((s[d] for s in shapes), default=0) for d in range(x.ndim - 1))
    if output_size is not None:
        wanted = tuple(output_size)
        if len(wanted) != x.ndim or any(
            w >= 0 and w < n for w, n in zip(wanted, (len(shapes), *largest))
        ):
            raise RuntimeError(
                "Value in output_size is less than NestedTensor padded size. Truncation is not supported."
            )
        largest = tuple(n if w < 0 else w for w, n in zip(wanted[1:], largest))
    if isinstance(x, JaggedTensor):
        return _padded_rows(x, padding, largest)
    rows = []
    for p in pieces or ():
        pads = [n for d in reversed(range(p.ndim)) for n in (0, largest[d] - p.shape[d])]
        rows.append(flambeau.nn.functional.pad(p, pads, value=padding))
    return flambeau.stack(rows)


def _shapes_of(x: JaggedTensor) -> list[tuple[int, ...]]:
    shape = list(x._vals.shape)
    found = []
    for n in spans(x)[1].tolist():
        shape[x._ragged - 1] = int(n)
        found.append(tuple(shape))
    return found


def _padded_rows(x: JaggedTensor, padding: float, largest: tuple[int, ...]) -> Tensor:
    """All values written into a strided tensor at once."""
    x = tight(x)
    at = x._ragged - 1
    values = values_of(x).movedim(at, 0)
    which = owners(x)
    place = flambeau.arange(which.shape[0], device=which.device) - x._offsets.index_select(0, which)
    rest = [n for d, n in enumerate(largest) if d != at]
    shape = (x._offsets.shape[0] - 1, largest[at], *rest)
    out = flambeau.full(shape, padding, dtype=values.dtype, device=values.device)
    for d, n in enumerate(rest):
        if n != values.shape[d + 1]:
            values = flambeau.nn.functional.pad(
                values.movedim(d + 1, -1), (0, n - values.shape[d + 1]), value=padding
            ).movedim(-1, d + 1)
    return out.index_put((which, place), values).movedim(1, at + 1)
