"""Indexing with dims, `index`, and `order`: how dims come to a tensor and how they leave it.

Indices are brought into one form, an entry for each dimension of the plain tensor. A dim that is used once names its
dimension. One that is used again (in another entry, in the tensor, or in a tensor it is indexed with) picks elements: the
diagonal of x is `x[i, i]`, and `x[i][t[i]]` looks up one element for each i.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau

from .dimensions import Dim, DimensionBindError, DimList
from .tensor import FirstClass, Tensor, aligned, made, parts_of, place, union

FULL = slice(None)


def getitem(x: Any, key: Any) -> Any:
    """`x[key]`, where x or something in the key has dims."""
    return Picture(x, entries(x, key)).read()


def setitem(x: Any, key: Any, value: Any) -> None:
    """`x[key] = value`, where one of them has dims. The value has no dims but those of what is written."""
    Picture(x, entries(x, key)).write(value)


def index(self: Any, positions: Any, dims: Any) -> Any:
    """The tensor with some of its dims, or dimensions by number, replaced by what they are indexed with.

    Args:
        positions: a dim or number, or a list of them; several in a tuple within the list are first made one.
        dims: for each of them a dim to bind, several dims in a tuple that divide it, a tensor, a number or a slice.

    >>> import flambeau
    >>> from flambeau.functorch.dim import dims
    >>> i, j = dims(2)
    >>> flambeau.arange(6).reshape(2, 3).index((0, 1), (i, j)).order(j, i)
    tensor([[0, 3],
            [1, 4],
            [2, 5]])
    """
    if isinstance(positions, (tuple, list)) and isinstance(dims, (tuple, list)):
        if len(positions) != len(dims):
            raise TypeError(
                f"dims ({len(positions)}) and indices ({len(dims)}) must have the same length"
            )
        specs, keys = list(positions), list(dims)
    else:
        specs, keys = [positions], [dims]
    value, own = parts_of(self)
    groups = [
        [axis(value, own, d) for d in (s if isinstance(s, (tuple, list)) else (s,))] for s in specs
    ]
    taken = [a for g in groups for a in g]
    if len(set(taken)) != len(taken):
        raise TypeError(f"a dimension is given twice in {specs}")
    # In front what keeps its dim, then what loses it, then the dimensions without.
    kept = [d for i, d in enumerate(own) if i not in taken]
    heads = {g[0]: g for g in groups if g}
    order = [i for i in range(len(own)) if i not in taken]
    shape = [value.shape[i] for i in order]
    places: dict[int, int] = {}
    free = sorted((h for h in heads if h < len(own)), key=list(heads).index)
    for a in [*free, *range(len(own), value.ndim)]:
        group = heads.get(a, None if a in taken else [a])
        if group is None:
            continue
        places[a] = len(shape) - len(kept)
        order += group
        size = 1
        for g in group:
            size *= value.shape[g]
        shape.append(size)
    moved = value.permute(tuple(order)).reshape(shape)
    given: list[Any] = [FULL] * (len(shape) - len(kept))
    for g, k in zip(groups, keys):
        if g:
            given[places[g[0]]] = k
    return Picture(made(moved, kept), given).read()


def axis(value: Any, dims: Sequence[Dim], given: Any) -> int:
    """Which dimension of the plain tensor a dim or a number means; TypeError if none."""
    positional = value.ndim - len(dims)
    if isinstance(given, Dim):
        found = place(dims, given)
        if found is None:
            raise TypeError(f"dimension {given!r} not in tensor")
        return found
    if not isinstance(given, int):
        raise TypeError(f"expected a dimension specifyer but found {given!r}")
    if not -positional <= given < positional:
        raise TypeError(f"dimension {given} not in tensor of {positional} dimensions")
    return len(dims) + given % positional


def order(x: Any, given: Sequence[Any]) -> Any:
    """`x.order(...)`."""
    value, own = parts_of(x)
    positional = 0 if isinstance(x, Dim) else value.ndim - len(own)
    groups: list[list[int]] = []
    used: set[int] = set()
    for g in given:
        if isinstance(g, DimList):
            groups += [[one] for one in _axes(value, own, positional, list(g), used)]
        elif isinstance(g, (Dim, int)):
            groups.append(_axes(value, own, positional, [g], used))
        elif isinstance(g, (tuple, list)):
            groups.append(_axes(value, own, positional, g, used))
        else:
            raise ValueError("expected a Dim, List[Dim], or Sequence[Dim]")
    rest = [i for i in range(value.ndim) if i not in used]
    dims = [i for i in rest if i < len(own)]
    after = [i for i in rest if i >= len(own)]
    moved = value.permute((*dims, *[a for g in groups for a in g], *after))
    if any(len(g) != 1 for g in groups):
        sizes = [value.shape[i] for i in dims]
        for g in groups:
            size = 1
            for a in g:
                size *= value.shape[a]
            sizes.append(size)
        moved = moved.reshape(*sizes, *[value.shape[i] for i in after])
    return made(moved, [own[i] for i in dims])


def _axes(value: Any, own: Sequence[Dim], positional: int, given: Any, used: set[int]) -> list[int]:
    found = []
    for d in given:
        if isinstance(d, Dim):
            at = place(own, d)
            if at is None or at in used:
                raise ValueError(f"tensor does not contain dim {d} or it was specified twice")
        elif isinstance(d, int):
            at = len(own) + (d + positional if d < 0 else d)
            if not len(own) <= at < len(own) + positional or at in used:
                raise ValueError(
                    f"tensor has {positional} positional dimensions, but {d} specified, or it was specified twice"
                )
        else:
            raise ValueError("expected a Dim or int")
        used.add(at)
        found.append(at)
    return found


# -- the form of a key -------------------------------------------------------------------------------------------------


def is_pack(entry: Any) -> bool:
    """Whether an entry is several dims for one dimension."""
    return (
        isinstance(entry, (tuple, list)) and bool(entry) and all(isinstance(d, Dim) for d in entry)
    )


def entries(x: Any, key: Any) -> list[Any]:
    """A key as a list of entries for the dimensions without dims, `...` and lists of dims written out."""
    several = isinstance(key, tuple) or (
        isinstance(key, list)
        and any(
            k is None
            or k is ...
            or isinstance(k, (slice, FirstClass, flambeau.Tensor, list, tuple))
            for k in key
        )
    )
    given = list(key) if several else [key]
    value, own = parts_of(x)
    positional = value.ndim - len(own)
    opened: list[Any] = []
    for k in given:
        opened += list(k) if isinstance(k, DimList) and k.is_bound else [k]
    spread = [i for i, k in enumerate(opened) if k is ... or isinstance(k, DimList)]
    if len(spread) > 1:
        raise DimensionBindError(
            "at most one ... or unbound dimension list can exist in indexing list but found 2 at offsets "
            f"{spread[0]} and {spread[1]}"
        )
    count = sum(_covers(k) for i, k in enumerate(opened) if i not in spread)
    if count > positional:
        raise ValueError(
            f"at least {count} indices were supplied but the tensor only has {positional} dimensions"
        )
    if spread:
        at = spread[0]
        filling: list[Any] = [FULL] * (positional - count)
        if isinstance(opened[at], DimList):
            opened[at].bind_len(positional - count)
            filling = list(opened[at])
        opened[at : at + 1] = filling
    return opened + [FULL] * (positional - sum(map(_covers, opened)))


def _covers(entry: Any) -> int:
    """How many dimensions an entry takes."""
    if entry is None:
        return 0
    if isinstance(entry, flambeau.Tensor) and entry.dtype is flambeau.bool:
        return entry.ndim
    return 1


class Picture:
    """A tensor being indexed: the plain tensor after numbers, slices and None, and what happens to each of its dimensions.

    `roles` has for each dimension a Dim (which it is named by), None (it stays a dimension) or the (tensor, dims) that
    picks of it.
    """

    def __init__(self, x: Any, given: Sequence[Any]) -> None:
        value, own = parts_of(x)
        key: list[Any] = [FULL] * len(own)
        later: list[Any] = list(own)
        at = len(own)  # the dimension of `value` that is next
        for e in given:
            if isinstance(e, bool) or (isinstance(e, list) and not is_pack(e)):
                e = flambeau.tensor(e)
            if e is None or isinstance(e, slice):
                key.append(e)
                later.append(None)
            elif isinstance(e, int):
                key.append(e)
            elif isinstance(e, flambeau.Tensor) and e.dtype is flambeau.bool:
                found = e.nonzero(as_tuple=True)
                key += [FULL] * len(found)
                later += [(f, ()) for f in found]
            elif not (isinstance(e, (FirstClass, flambeau.Tensor)) or is_pack(e)):
                raise TypeError(
                    f"expected a dim, dims, a tensor, an int, a slice or None as an index, but got {type(e).__name__}"
                )
            else:
                key.append(FULL)
                later.append(e if isinstance(e, Dim) or is_pack(e) else parts_of(e))
                if isinstance(e, Dim) and not e.is_bound:
                    e.size = value.shape[at]
                elif isinstance(e, Dim):
                    e.size = value.shape[at]  # says so, if it is another
            at += _covers(e)
        value = value[tuple(key)] if any(k is not FULL for k in key) else value
        self.value, self.roles = _unpacked(value, later)
        self._pick()

    def _pick(self) -> None:
        """Dims that are used more than once pick elements."""
        uses: list[Any] = [r for r in self.roles if isinstance(r, Dim)]
        for r in self.roles:
            if isinstance(r, tuple):
                uses += r[1]
        for i, r in enumerate(self.roles):
            if isinstance(r, Dim) and sum(u is r for u in uses) > 1:
                self.roles[i] = r.parts()
        picks = [r for r in self.roles if isinstance(r, tuple)]
        self.picking = union(p[1] for p in picks)
        self.kept = [r for r in self.roles if isinstance(r, Dim)]

    def _arranged(self) -> tuple[Any, tuple, int, int]:
        """The tensor with picked dimensions first, the indices, how many dimensions they give, and where these belong."""
        picks = [i for i, r in enumerate(self.roles) if isinstance(r, tuple)]
        named = [i for i, r in enumerate(self.roles) if isinstance(r, Dim)]
        rest = [i for i, r in enumerate(self.roles) if r is None]
        value = self.value.permute((*picks, *named, *rest))
        rows = [aligned(self.roles[i], self.picking) for i in picks]
        extra = max([r.ndim for r in rows], default=0) - len(self.picking)
        for n, r in enumerate(rows):
            while r.ndim - len(self.picking) < extra:
                r = r.unsqueeze(len(self.picking))
            rows[n] = r
        # Dimensions of the indices stand where the picked ones were, or first if these are apart.
        with_positions = [i for i in picks if self.roles[i][0].ndim > len(self.roles[i][1])]
        spot = 0
        if with_positions and not any(with_positions[0] < i < with_positions[-1] for i in rest):
            spot = sum(i < with_positions[0] for i in rest)
        return value, tuple(rows), extra, spot

    def _levels(self) -> tuple[Dim, ...]:
        return (*self.picking, *self.kept)

    def read(self) -> Any:
        value, rows, extra, spot = self._arranged()
        if rows:
            value = value[rows]
        n, k = len(self.picking), len(self.kept)
        extras = list(range(n, n + extra))
        rest = list(range(n + extra + k, value.ndim))
        named = range(n + extra, n + extra + k)
        moved = value.permute((*range(n), *named, *rest[:spot], *extras, *rest[spot:]))
        return made(moved, self._levels())

    def write(self, given: Any) -> None:
        value, rows, extra, spot = self._arranged()
        levels = self._levels()
        if not isinstance(given, (FirstClass, flambeau.Tensor)):
            given = flambeau.tensor(given, dtype=value.dtype)
        source, dims = parts_of(given)
        for d in dims:
            if place(levels, d) is None:
                shown = (*levels, *range(value.ndim - len(rows) - len(self.kept) + extra))
                raise DimensionBindError(
                    f"rhs of setitem contains dimension {d!r} which is not in the dimension on the left ({shown!r})"
                )
        source = aligned((source, dims), levels)
        positional = value.ndim - len(rows) - len(self.kept) + extra
        while source.ndim - len(levels) < positional:
            source = source.unsqueeze(len(levels))
        n, k = len(self.picking), len(self.kept)
        every = list(range(n + k, n + k + positional))
        extras = every[spot : spot + extra]
        rest = every[:spot] + every[spot + extra :]
        source = source.permute((*range(n), *extras, *range(n, n + k), *rest))
        if rows:
            value[rows] = source
        else:
            value.copy_(source)


def _unpacked(value: Any, roles: list[Any]) -> tuple[Any, list[Any]]:
    """Dimensions for which several dims were given, as these."""
    for i in reversed(range(len(roles))):
        pack = roles[i]
        if not is_pack(pack):
            continue
        known = 1
        unbound = [d for d in pack if not d.is_bound]
        if len(unbound) > 1:
            raise DimensionBindError(
                f"cannot infer the sizes of two dimensions at once {unbound[0]!r} and {unbound[1]!r}"
            )
        for d in pack:
            known *= d.size if d.is_bound else 1
        size = value.shape[i]
        if unbound:
            if known == 0 or size % known:
                shown = tuple(d.size if d.is_bound else "?" for d in pack)
                raise DimensionBindError(
                    f"inferred dimension does not evenly fit into larger dimension: {size} vs {shown}"
                )
            unbound[0].size = size // known
        elif known != size:
            raise DimensionBindError(
                f"Dimension sizes to do not match ({size} != {known}) when matching dimension pack {tuple(pack)}"
            )
        value = value.unflatten(i, [d.size for d in pack])
        roles[i : i + 1] = list(pack)
    return value, roles


__all__ = ["Tensor", "getitem", "index", "order", "setitem"]
