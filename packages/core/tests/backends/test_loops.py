"""Loop nests as text: golden files for a few programs, and how loops are merged and ordered.

After a deliberate change of the text: FLAMBEAU_REWRITE_GOLDEN=1 pytest packages/core/tests/backends/test_loops.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flambeau import ir
from flambeau._base.checks import contiguous_strides
from flambeau.ir import cuda, loops
from flambeau.ir.loops import Array, Result

GOLDEN = Path(__file__).parent / "golden"
x, y, b = ir.var("x"), ir.var("y"), ir.var("b")


def array(name, shape, strides=None, dtype="float32"):
    return Array(name, dtype, shape, contiguous_strides(shape) if strides is None else strides)


def result(name, expr, shape, fold=None, dtype="float32", kept=None):
    return Result(name, expr, dtype, contiguous_strides(kept or shape), fold)


def gelu_bias():
    v = x + b
    out = v * 0.5 * (1 + ir.erf(v * 0.5**0.5))
    return loops.nest(
        [array("x", (32, 100)), array("b", (100,))],
        [result("out", out, (32, 100))],
        name="gelu_bias",
    )


def scaled_mask():
    inputs = [array("x", (6, 5, 4), (20, 1, 5)), array("mask", (5, 4), dtype="bool")]
    out = ir.where(ir.var("mask"), x * ir.param("scale"), 0.0)
    outs = [result("out", out, (6, 5, 4)), result("big", ir.abs(x) > 1, (6, 5, 4), dtype="bool")]
    return loops.nest(inputs, outs, ["scale"], name="scaled_mask")


def softmax_sums():
    outs = [
        result("top", x, (8, 50), "max", kept=(8, 1)),
        result("total", ir.exp(x), (8, 50), "sum", kept=(8, 1)),
    ]
    return loops.nest([array("x", (8, 50))], outs, reduced=(1,), name="softmax_sums")


def column_mean():
    out = result("mean", ir.square(x - y), (64, 30), "mean", dtype="float64", kept=(1, 30))
    inputs = [array("x", (64, 30), dtype="float64"), array("y", (64, 1), dtype="float64")]
    return loops.nest(inputs, [out], reduced=(0,), name="column_mean")


def channel_sum():
    out = result("sum", x, (4, 3, 5, 5), "sum", kept=(1, 3, 1, 1))
    return loops.nest([array("x", (4, 3, 5, 5))], [out], reduced=(0, 2, 3), name="channel_sum")


def loss():
    out = result("loss", ir.square(x - y), (10, 10), "mean", kept=(1, 1))
    return loops.nest(
        [array("x", (10, 10)), array("y", (10, 10))], [out], reduced=(0, 1), name="loss"
    )


def count_integers():
    n = ir.var("n")
    out = result(
        "out", ir.remainder(n, 3) + ir.cast(ir.eq(n, 0), "int64"), (7,), "sum", "int64", (1,)
    )
    return loops.nest([array("n", (7,), dtype="int64")], [out], reduced=(0,), name="count_integers")


PROGRAMS = [gelu_bias, scaled_mask, softmax_sums, column_mean, channel_sum, loss, count_integers]


def same_as_golden(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get("FLAMBEAU_REWRITE_GOLDEN"):
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8"), (
        f"{name} changed; see this file's docstring if that was meant"
    )


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_text_is_the_golden_one(program):
    nest = program()
    same_as_golden(f"{nest.name}.c", nest.text)


def test_cuda_text_is_the_golden_one():
    inputs = [array("x", (32, 100)), array("b", (100,))]
    v = x + b
    out = Result("out", v * ir.sigmoid(v) * ir.param("scale"), "float32", (100, 1))
    same_as_golden("silu_bias.cu", cuda.elementwise_kernel("silu_bias", inputs, [out], ["scale"]))


def test_cuda_prelude_spells_what_the_table_names():
    for row in ir.scalars.values():
        for name in (row.c, f"{row.c}f"):
            if name.startswith("fb_"):
                assert f" {name}(" in cuda.PRELUDE


def test_dense_dimensions_become_one_loop():
    shape = (3, 4, 5)
    nest = loops.nest([array("x", shape)], [result("out", x, shape)])
    assert nest.sizes == (60, 0)
    assert nest.count == 60


def test_a_transposed_layout_is_walked_in_memory_order():
    nest = loops.nest([array("x", (4, 5), (1, 4))], [Result("out", x, "float32", (1, 4))])
    assert nest.sizes == (20, 0)


def test_broadcast_rows_keep_their_loop():
    nest = loops.nest([array("x", (6, 5)), array("b", (5,))], [result("out", x + b, (6, 5))])
    assert nest.sizes == (6, 5, 0)
    assert nest.strides == (5, 1, 0, 1, 5, 1)


def test_one_text_serves_many_sizes():
    def text(shape):
        return loops.nest([array("x", shape)], [result("out", ir.exp(x), shape)]).text

    assert text((3, 4)) == text((100,)) == text((2, 2, 2))


@pytest.mark.parametrize(
    "reduced, kind, sizes",
    [
        ((2,), "rows", (12, 5)),
        ((1, 2), "rows", (3, 20)),
        ((0,), "columns", (3, 20)),
        ((0, 1), "columns", (12, 5)),
        ((1,), "columns", (3, 4, 5)),
        ((0, 2), "rows", (4, 3, 5)),
        ((0, 1, 2), "full", (60,)),
    ],
)
def test_reductions_keep_the_nearest_loop_inside(reduced, kind, sizes):
    kept = tuple(1 if d in reduced else n for d, n in enumerate((3, 4, 5)))
    nest = loops.nest(
        [array("x", (3, 4, 5))], [result("s", x, (3, 4, 5), "sum", kept=kept)], reduced=reduced
    )
    assert (nest.kind, nest.sizes[:-1]) == (kind, sizes)


def test_names_must_differ():
    with pytest.raises(ValueError, match="name of its own"):
        loops.nest([array("x", (2,))], [result("x", x, (2,))])


def test_dtypes_without_a_c_type_are_refused():
    with pytest.raises(ir.NoText, match="no C type for complex64"):
        loops.nest(
            [array("x", (2,), dtype="complex64")], [Result("y", ir.const(1), "float32", (1,))]
        )
