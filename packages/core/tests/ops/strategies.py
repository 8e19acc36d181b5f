"""What the property tests draw: shapes, arrays, and keys that fit a shape."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

SHAPES = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)
FULL_SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def numbered(shape):
    """An array in which no two elements are equal."""
    return np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)


@st.composite
def slices(draw, n):
    bound = st.one_of(st.none(), st.integers(-n - 2, n + 2))
    return slice(draw(bound), draw(bound), draw(st.one_of(st.none(), st.integers(1, 3))))


@st.composite
def keys(draw, shape, fancy):
    """A key for an array of `shape`: ints, slices, None, ..., and with `fancy` index arrays and masks."""
    key = []
    d = 0
    ellipsis = False
    inner = draw(st.lists(st.integers(1, 3), max_size=2).map(tuple))
    while d < len(shape) and draw(st.booleans()):
        n = shape[d]
        kinds = (
            ["slice", "none"]
            + ["int"] * (n > 0)
            + ["..."] * (not ellipsis)
            + ["index", "mask"] * (fancy and n > 0)
        )
        kind = draw(st.sampled_from(kinds))
        if kind == "none":
            key.append(None)
            if len(key) > 6:
                break
            continue
        if kind == "...":
            ellipsis = True
            key.append(...)
            left = draw(st.integers(0, len(shape) - d))
            d += left
            # What follows an ellipsis is aligned to the end: take all remaining dimensions explicitly.
            key += [draw(slices(m)) for m in shape[d:]]
            break
        if kind == "slice":
            key.append(draw(slices(n)))
        elif kind == "int":
            key.append(draw(st.integers(-n, n - 1)))
        elif kind == "index":
            size = int(np.prod(inner))
            found = draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size))
            key.append(np.array(found, dtype=np.int64).reshape(inner))
        else:
            count = int(np.prod(inner))
            # A mask picks as many as the index arrays beside it have, in one row, so that both broadcast.
            if len(inner) != 1 or count > n:
                key.append(slice(None))
            else:
                mask = np.zeros(n, bool)
                mask[draw(st.permutations(range(n)))[:count]] = True
                key.append(mask)
        d += 1
    return tuple(key)
