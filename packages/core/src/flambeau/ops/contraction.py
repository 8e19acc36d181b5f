"""einsum: sums of products named by indices, taken two operands at a time, in the order that costs least."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Any

from .._base.checks import check
from .._base.devices import CPU
from ..runtime import state
from ..runtime.backend import of_device
from ..runtime.families import composite
from ..runtime.tensor import Tensor, history, wrap
from .matrix import matmul


@composite(method=False)
def einsum(equation: Any, *operands: Any):
    """Sums of products named by indices (Einstein's convention), such as "bij,bjk->bik".

    Also as `einsum(a, [0, 1], b, [1, 2], [0, 2])`, with Ellipsis for "...". More than two operands are multiplied in the order
    of least work: the best of all for up to six, a greedy one beyond.

    >>> import flambeau
    >>> flambeau.einsum("ij,ij->", flambeau.ones(2, 3), flambeau.ones(2, 3))
    tensor(6.)
    """
    made = _few(equation, operands)
    if made is not None:
        return made
    if isinstance(equation, Tensor):
        equation, tensors = _from_sublists((equation, *operands))
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        tensors = list(operands[0])
    else:
        tensors = list(operands)
    check(
        tensors or not isinstance(equation, str),
        lambda: (
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        ),
        ValueError,
    )
    check(
        isinstance(equation, str),
        lambda: (
            f"einsum(): argument 'equation' (position 1) must be str, not {type(equation).__name__}"
        ),
        TypeError,
    )
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"einsum(): expected Tensor as element {i} in argument 1, but got {type(t).__name__}")  # fmt: skip
    parsed, result = _parse(equation, tuple([t.ndim for t in tensors]))
    names = [*parsed]
    sizes = _sizes(names, tensors)
    kind = tensors[0].dtype
    low = len(tensors) > 2 and kind.itemsize == 2 and kind.is_floating_point
    if low:  # one rounding, not one for every product
        tensors = [t.float() for t in tensors]
    if len(tensors) > 2:
        path = contraction_path(tuple(map(tuple, names)), tuple(result), tuple(sizes.items()))
    else:
        path = ((0, 1),) * (len(tensors) - 1)
    for i, j in path:
        a, b = tensors[i], tensors[j]
        na, nb = names[i], names[j]
        tensors = [t for k, t in enumerate(tensors) if k not in (i, j)]
        names = [n for k, n in enumerate(names) if k not in (i, j)]
        made, labels = _pair(a, na, b, nb, set(result).union(*names))
        tensors.append(made)
        names.append(labels)
    out = _to_result(tensors[0], names[0], result)
    return out.to(kind) if low else out


def _few(equation: Any, operands: tuple) -> Tensor | None:
    """The whole sum by NumPy where it has few terms and nothing is recorded; None where it is not so simple."""
    if state.active or type(equation) is not str or not 1 < len(operands) < 4:
        return None
    labels = _plain_labels(equation)
    if labels is None or len(labels) != len(operands):
        return None
    terms, arrays, kind = 1, [], None
    sizes: dict[str, int] = {}
    for names, x in zip(labels, operands):
        if not isinstance(x, Tensor) or (state.local.grad and history(x) is not None):
            return None
        a: Any = getattr(x, "_array", None)
        if a is None or a.ndim != len(names) or a.dtype.char not in "fd":
            return None
        if kind is not None and a.dtype is not kind:
            return None
        kind = a.dtype
        for name, n in zip(names, a.shape):
            known = sizes.get(name)
            if known is None:
                sizes[name] = n
                terms *= n
            elif known != n:
                return None
        arrays.append(a)
    if not 0 < terms <= FEW or operands[0].device is not CPU:
        return None
    xp = of_device("cpu").xp
    return wrap(xp.asarray(xp.einsum(equation, *arrays)))


FEW = 1 << 12  # terms that NumPy adds up as quickly as a product is prepared


@lru_cache(maxsize=512)
def _plain_labels(equation: str) -> tuple[str, ...] | None:
    """The letters of each operand where an equation says no more than letters, those of its result among them."""
    left, arrow, right = equation.partition("->")
    given = left.split(",")
    letters = "".join(given)
    if not arrow or not (letters + right).isalpha() or not (letters + right).isascii():
        return None
    if len(set(right)) != len(right) or not set(right) <= set(letters):
        return None
    return tuple(given)


def _from_sublists(given: tuple) -> tuple[str, list[Tensor]]:
    """The equation that lists of numbers after each operand, and perhaps one for the result, stand for."""
    letters = ascii_uppercase + ascii_lowercase

    def text(labels: Any) -> str:
        out = []
        for x in labels:
            if x is Ellipsis:
                out.append("...")
                continue
            check(
                isinstance(x, int) and 0 <= x < 52,
                lambda: (
                    "einsum(): not within the valid range [0, 52): subscripts in a list must be integers from 0 to 51, "
                    f"or Ellipsis, but got {x!r}"
                ),
                ValueError,
            )
            out.append(letters[x])
        return "".join(out)

    pairs = len(given) // 2
    equation = ",".join(text(given[2 * i + 1]) for i in range(pairs))
    if len(given) % 2:
        equation += "->" + text(given[-1])
    return equation, [given[2 * i] for i in range(pairs)]


def _sizes(names: list[list[str]], tensors: Sequence[Tensor]) -> dict[str, int]:
    """The size of each label; ones broadcast."""
    sizes: dict[str, int] = {}
    for i, (labels, t) in enumerate(zip(names, tensors)):
        own: dict[str, int] = {}
        for n, s in zip(labels, t.shape):
            check(
                own.setdefault(n, s) == s,
                lambda: (
                    f"einsum(): subscript {n} is repeated for operand {i} but the sizes don't match, {s} != {own[n]}"
                ),
            )
            seen = sizes.get(n, 1)
            check(
                s == seen or seen == 1 or s == 1,
                lambda: (
                    f"einsum(): subscript {n} has size {s} for operand {i} which does not broadcast with previously "
                    f"seen size {seen}"
                ),
            )
            sizes[n] = s if seen == 1 else seen
    return sizes


BEST_UP_TO = 6


@lru_cache(maxsize=512)
def contraction_path(
    names: tuple[tuple[str, ...], ...], result: tuple[str, ...], sizes: tuple[tuple[str, int], ...]
) -> tuple[tuple[int, int], ...]:
    """Which two operands are contracted at each step; they leave the list, and their product joins its end.

    >>> contraction_path((("i", "j"), ("j", "k"), ("k",)), ("i",), (("i", 9), ("j", 9), ("k", 9)))
    ((1, 2), (0, 1))
    """
    size = dict(sizes)
    sets = [frozenset(n) for n in names]
    find = _best_path if len(names) <= BEST_UP_TO else _greedy_path
    return tuple(find(sets, frozenset(result), size))


def _work(labels: Any, size: dict[str, int]) -> int:
    n = 1
    for label in labels:
        n *= size[label]
    return n


def _best_path(
    sets: list[frozenset], result: frozenset, size: dict[str, int]
) -> list[tuple[int, int]]:
    """The order of least multiplications, by the best order of every subset of the operands."""
    n = len(sets)
    whole = (1 << n) - 1
    kept = {}  # the labels that the product of a subset still has
    for mask in range(1, whole + 1):
        inside = frozenset().union(*(sets[i] for i in range(n) if mask >> i & 1))
        outside = result.union(*(sets[i] for i in range(n) if not mask >> i & 1))
        kept[mask] = inside & outside
    cost: dict[int, int] = {1 << i: 0 for i in range(n)}
    split: dict[int, int] = {}
    for mask in range(1, whole + 1):
        if mask in cost:
            continue
        part = (mask - 1) & mask
        found: tuple[int, int] | None = None
        while part:
            rest = mask ^ part
            if part > rest:  # each split once
                total = cost[part] + cost[rest] + _work(kept[part] | kept[rest], size)
                if found is None or total < found[0]:
                    found = (total, part)
            part = (part - 1) & mask
        assert found is not None
        cost[mask], split[mask] = found
    present = [1 << i for i in range(n)]
    path: list[tuple[int, int]] = []

    def contract(mask: int) -> None:
        if mask not in split:
            return
        a, b = split[mask], mask ^ split[mask]
        contract(a)
        contract(b)
        i, j = sorted((present.index(a), present.index(b)))
        path.append((i, j))
        del present[j], present[i]
        present.append(mask)

    contract(whole)
    return path


def _greedy_path(
    sets: list[frozenset], result: frozenset, size: dict[str, int]
) -> list[tuple[int, int]]:
    """At each step the two whose product is smallest against themselves."""
    sets = list(sets)
    path = []
    while len(sets) > 1:
        found: Any = None
        for i in range(len(sets)):
            for j in range(i + 1, len(sets)):
                outside = result.union(*(s for k, s in enumerate(sets) if k not in (i, j)))
                both = sets[i] | sets[j]
                made = both & outside
                gain = _work(made, size) - _work(sets[i], size) - _work(sets[j], size)
                rank = (gain, _work(both, size), i, j)
                if found is None or rank < found[0]:
                    found = (rank, made)
        (_, _, i, j), made = found
        path.append((i, j))
        del sets[j], sets[i]
        sets.append(made)
    return path


@lru_cache(maxsize=512)
def _parse(equation: str, ndims: tuple[int, ...]) -> tuple[list[list[str]], list[str]]:
    """The labels of each operand and of the result; an ellipsis becomes labels of its own."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    check(
        len(inputs) == len(ndims),
        lambda: (
            f"einsum(): {'fewer' if len(inputs) > len(ndims) else 'more'} operands were provided than specified in the equation"
        ),
    )
    widest = max(
        (n - len(s.replace("...", "")) for s, n in zip(inputs, ndims) if "..." in s),
        default=0,
    )
    dots = [f"...{i}" for i in range(widest)]
    names = [_labels(s, n, dots) for s, n in zip(inputs, ndims)]
    if arrow:
        result = _labels(right, None, dots)
        for n in result:
            check(
                result.count(n) == 1,
                lambda: f"einsum(): output subscript {n} appears more than once in the output",
            )
    else:
        flat = [n for s in names for n in s]
        result = dots + sorted({n for n in flat if not n.startswith("...") and flat.count(n) == 1})
    return names, result


def _labels(spec: str, ndim: int | None, dots: list[str]) -> list[str]:
    before, ellipsis, after = spec.partition("...")
    for c in before + after:
        check(
            c.isalpha(),
            lambda: (
                f"einsum(): invalid subscript given, subscripts must be in [a-zA-Z], but got {c!r}"
            ),
        )
    if not ellipsis:
        check(
            ndim is None or len(before) == ndim,
            lambda: (
                f"einsum(): the number of subscripts in the equation ({len(before)}) does not match the number of "
                f"dimensions ({ndim}) for an operand and no ellipsis was given"
            ),
        )
        return list(before)
    width = len(dots) if ndim is None else ndim - len(before) - len(after)
    check(width >= 0, lambda: f"einsum(): {spec!r} names more dimensions than the operand's {ndim}")
    return [*before, *dots[len(dots) - width :], *after]


def _dedupe(x: Tensor, names: list[str]) -> tuple[Tensor, list[str]]:
    """Repeated labels taken along their diagonal."""
    for n in dict.fromkeys(names):
        while names.count(n) > 1:
            i = names.index(n)
            j = names.index(n, i + 1)
            x = x.diagonal(0, i, j)
            names = [m for k, m in enumerate(names) if k not in (i, j)] + [n]
    return x, names


def _sum_out(x: Tensor, names: list[str], keep: set[str]) -> tuple[Tensor, list[str]]:
    gone = [i for i, n in enumerate(names) if n not in keep]
    return (x.sum(gone), [n for n in names if n in keep]) if gone else (x, names)


def _pair(
    a: Tensor, na: list[str], b: Tensor, nb: list[str], later: set[str]
) -> tuple[Tensor, list[str]]:
    """Two operands contracted into one: as a batched matrix product, or element by element where nothing is summed."""
    a, na = _dedupe(a, na)
    b, nb = _dedupe(b, nb)
    a, na = _sum_out(a, na, later | set(nb))
    b, nb = _sum_out(b, nb, later | set(na))
    size = dict(zip(na, a.shape))
    for n, s in zip(nb, b.shape):
        size[n] = s if size.get(n, 1) == 1 else size[n]
    shared = [n for n in na if n in nb]
    batch = [n for n in shared if n in later]
    inner = [n for n in shared if n not in later]
    rows, columns = [n for n in na if n not in nb], [n for n in nb if n not in na]
    if not inner:
        labels = [*na, *columns]
        b = b.permute([nb.index(n) for n in labels if n in nb])
        given = iter(b.shape)
        b = b.reshape([next(given) if n in nb else 1 for n in labels])
        return a.reshape((*a.shape, *[1] * len(columns))) * b, labels

    def shaped(x: Tensor, names: list[str], groups: tuple[list[str], ...]) -> Tensor:
        order = [names.index(n) for g in groups for n in g]
        full = [size[n] for g in groups for n in g]
        counts = []
        for g in groups:
            count = 1
            for n in g:
                count *= size[n]
            counts.append(count)
        return x.permute(order).expand(full).reshape(counts)

    left, right = shaped(a, na, (batch, rows, inner)), shaped(b, nb, (batch, inner, columns))
    labels = [*batch, *rows, *columns]
    return matmul(left, right).reshape([size[n] for n in labels]), labels


def _to_result(x: Tensor, names: list[str], result: list[str]) -> Tensor:
    x, names = _dedupe(x, names)
    x, names = _sum_out(x, names, set(result))
    for n in result:
        check(
            n in names,
            lambda: (
                f"einsum(): output subscript {n} does not appear in the equation for any input operand"
            ),
        )
    return x.permute([names.index(n) for n in result])
