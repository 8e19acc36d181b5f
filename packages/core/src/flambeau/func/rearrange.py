"""`rearrange`: reshape and permute as one pattern of named axes, "b (h w) c -> b c h w"."""

from __future__ import annotations

import re
from typing import Any

from ..ops.joining import stack
from ..runtime.tensor import Tensor

Side = list[list[str]]  # one group of axis names per dimension; "..." stands alone


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Tensor:
    """A tensor (or the stack of several) with its axes split, joined and reordered as the pattern says.

    Each axis has a name on either side of the arrow; those in parentheses share one dimension, of which all sizes but
    one must be known. `...` stands for any number of dimensions, 1 and () for one of size 1.

    >>> import flambeau
    >>> images = flambeau.zeros(2, 12, 20, 3)
    >>> flambeau.func.rearrange(images, "b (h1 h) (w1 w) c -> (b h1 w1) c h w", h1=2, w1=4).shape
    flambeau.Size([16, 3, 6, 5])
    """
    if not isinstance(tensor, Tensor):
        tensor = stack(list(tensor))
    left, right = _parsed(pattern)
    _check_names(left, right, axes_lengths)
    left, right, extra = _opened(left, right, tensor.ndim)
    sizes = {**extra_sizes(left, extra, tensor), **axes_lengths}
    _infer(left, tensor.shape, sizes)
    order = [n for group in left for n in group]
    split = tensor.reshape([sizes[n] for n in order])
    wanted = [n for group in right for n in group if n != "1"]
    kept = [n for n in order if n in set(wanted)]
    if len(kept) < len(order):  # the ones of size 1 that have no name
        split = split.reshape([sizes[n] for n in kept])
    moved = split.permute([kept.index(n) for n in wanted])
    return moved.reshape([_product([sizes[n] for n in group if n != "1"]) for group in right])


def _product(numbers: list[int]) -> int:
    n = 1
    for x in numbers:
        n *= x
    return n


def _parsed(pattern: str) -> tuple[Side, Side]:
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError("Pattern must contain a single '->' separator")
    left, right = (_side(s) for s in sides)
    if any("..." in g and len(g) > 1 for g in left):
        raise ValueError(f"Ellipsis is parenthesis in the left side is not allowed: {pattern}")
    return left, right


def _side(text: str) -> Side:
    groups: Side = []
    group: list[str] | None = None
    seen: set[str] = set()
    for piece in re.findall(r"\.\.\.|[()]|[^\s().]+|\.", text):
        if piece == "(":
            if group is not None:
                raise ValueError(
                    "Axis composition is one-level (brackets inside brackets not allowed)"
                )
            group = ["1"]  # so that "(...)" is not taken for "..."
        elif piece == ")":
            if group is None:
                raise ValueError("Brackets are not balanced")
            groups.append(group)
            group = None
        else:
            if piece != "1":
                _check_token(piece, seen)
            (groups.append([piece]) if group is None else group.append(piece))
    if group is not None:
        raise ValueError(f"Imbalanced parentheses in expression: {text!r}")
    return groups


def _check_token(piece: str, seen: set[str]) -> None:
    if piece in seen:
        what = "Expression may contain dots only inside ellipsis" if piece == "..." else ""
        raise ValueError(what or f"Indexing expression contains duplicate dimension '{piece}'")
    if piece.isdecimal():
        raise ValueError("rearrange only supports unnamed axes of size 1")
    if piece != "..." and not piece.isidentifier():
        raise ValueError(f"Invalid axis identifier: {piece!r}")
    seen.add(piece)


def _check_names(left: Side, right: Side, lengths: dict[str, int]) -> None:
    here, there = ({n for g in side for n in g} - {"1"} for side in (left, right))
    odd = (here - {"..."}) ^ (there - {"..."})
    if odd:
        raise ValueError(
            f"Identifiers only on one side of rearrange expression (should be on both): {odd}"
        )
    if "..." in there and "..." not in here:
        raise ValueError("Ellipsis found in right side, but not left side of a pattern")
    if "..." in here and "..." not in there:
        raise ValueError(
            "Identifiers only on one side of rearrange expression (should be on both): {'...'}"
        )
    unknown = lengths.keys() - here
    if unknown:
        raise ValueError(f"Identifiers not found in rearrange expression: {unknown}")


def _opened(left: Side, right: Side, rank: int) -> tuple[Side, Side, list[str]]:
    """The ellipsis replaced by as many names as it stands for; ones of the left side get names too."""
    has = ["..."] in left
    extra = rank - (len(left) - has)
    if extra < 0 or (extra and not has):
        less = "less than or equal" if has else "equal"
        raise ValueError(
            f"Number of dimensions in pattern ({len(left) - has}) must be {less} to the number of dimensions in the "
            f"tensor ({rank})"
        )
    names = [f"...{i}" for i in range(extra)]
    opened: Side = []
    for group in left:
        if group == ["..."]:
            opened.extend([n] for n in names)
        else:
            opened.append([n for n in group if n != "1"] or [])
    closed: Side = []
    for group in right:
        if group == ["..."]:
            closed.extend([n] for n in names)
        else:
            closed.append([m for n in group for m in (names if n == "..." else [n])])
    return opened, closed, names


def extra_sizes(left: Side, names: list[str], tensor: Tensor) -> dict[str, int]:
    """The sizes of the dimensions that the ellipsis stands for."""
    return {g[0]: n for g, n in zip(left, tensor.shape) if len(g) == 1 and g[0] in names}


def _infer(left: Side, shape: Any, sizes: dict[str, int]) -> None:
    """Fills in the sizes that follow from the tensor's shape."""
    for group, n in zip(left, shape):
        unknown = [name for name in group if name not in sizes]
        known = _product([sizes[name] for name in group if name in sizes])
        if len(unknown) > 1:
            raise ValueError(
                f"cannot infer the sizes of two dimensions at once {unknown[0]} and {unknown[1]}"
            )
        if unknown:
            if known == 0 or n % known:
                raise ValueError(
                    f"inferred dimension does not evenly fit into larger dimension: {n} vs {group} with {known}"
                )
            sizes[unknown[0]] = n // known
        elif known != n:
            raise ValueError(
                f"Dimension sizes to do not match ({n} != {known}) when matching dimension pack {group}"
            )
