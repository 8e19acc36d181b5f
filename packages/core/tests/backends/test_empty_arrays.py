"""Generated loops read no element of arrays that have none: such an array may lie at the end of what can be read."""

from __future__ import annotations

import re

import numpy as np
import pytest

from flambeau import ir
from flambeau.backends.cpu import available
from flambeau.backends.cpu.kernel import compile_elementwise, compile_reduction

x = ir.var("x")
SHAPES = [(0,), (0, 4), (3, 0), (3, 0, 4)]


def layouts(shape):
    ones = np.ones(shape, "f4")
    return [ones, np.broadcast_to(np.float32(1), shape), np.broadcast_to(ones[..., :1], shape)]


def reads_outside_of_the_innermost_loop(text: str) -> list[str]:
    """The loads that stand before the innermost loop, which runs over nothing."""
    before = text[: text.rindex("for (int64_t i = ")]
    return re.findall(r"const \w+ v\d+ = \w+\[0\];", before)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_stands_still_is_not_read(shape):
    kernel = compile_elementwise({"out": x * x}, {"x": "float32"})
    for a in layouts(shape):
        nest = kernel.nest([a])
        if nest.sizes[len(nest.sizes) - 2] == 0:  # the last is no loop
            assert reads_outside_of_the_innermost_loop(nest.text) == []


def test_what_stands_still_is_read_once_where_there_is_something():
    kernel = compile_elementwise({"out": x * x}, {"x": "float32"})
    text = kernel.nest([np.broadcast_to(np.float32(1), (5,))]).text
    assert len(reads_outside_of_the_innermost_loop(text)) == 1


@pytest.mark.skipif(not available(), reason="no C compiler on this machine")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_of_nothing(shape):
    for a in layouts(shape):
        for dim in (None, *range(len(shape))):
            (got,) = compile_reduction({"out": ("sum", x)}, {"x": "float32"}, dim)(a)
            np.testing.assert_array_equal(got, a.sum(dim))
