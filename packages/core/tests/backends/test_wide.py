"""Loops on vectors beside the plain ones: the same results, wherever an element lies, and nothing written beside a row."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import ir
from flambeau.backends.cpu import available, compiler, kernel, library
from flambeau.ir import wide

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
a, b = ir.var("a"), ir.var("b")
EXPRESSIONS = {
    "sum": a + b * 2,
    "choice": ir.where(a > b, a, -b),
    "both": ir.where(ir.logical_and(a > 0, ir.logical_not(b >= 1)), a, 0.5),
    "larger": ir.maximum(a, b),
    "smaller": ir.minimum(a, b),
    "bounded": ir.minimum(ir.maximum(a, -0.5), 0.5) + b,
    "number first": ir.maximum(0.25, a) - b,
    "square root": ir.sqrt(ir.abs(a)) + ir.rsqrt(b * b),
    "powers": a**2 + b**3 + a**-1,
    "rounded": ir.floor(a) + ir.ceil(b) + ir.trunc(a) + ir.round(b),
    "reciprocal": ir.reciprocal(a) / b,
    "swish": a * ir.sigmoid(b),
    "growth": ir.exp(a) + ir.expm1(b),
    "tanh": ir.tanh(a) * b,
}
ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 88.8, -104, 3e38], np.float32)


def has_vectors() -> bool:
    """Whether this processor has the vectors, as the compiler says."""
    found = compiler.find()
    command = [*found.command, *found.flags, "-dM", "-E", str(library.HEADERS / "fb_wide.h")]
    return "#define FB_WIDE 1" in compiler._run(command, 20)


def numbers(shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * rng.choice([0.3, 3, 30], shape)).astype(np.float32)


def compiled(expr):
    return kernel.compile_elementwise({"out": expr}, {"a": "float32", "b": "float32"})


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_equal_to_the_plain_loop(name, monkeypatch):
    made = compiled(EXPRESSIONS[name])
    x = np.concatenate([numbers(1000), np.repeat(ODD, len(ODD))])
    y = np.concatenate([numbers(1000, 1), np.tile(ODD, len(ODD))])
    assert "FB_WIDE" in made.nest([x, y]).text
    whole = kernel.source_of
    monkeypatch.setattr(kernel, "source_of", lambda nest: "#define FB_WIDE_H\n" + whole(nest))
    want = compiled(EXPRESSIONS[name])(x, y)[0]
    monkeypatch.undo()
    for n in (0, 1, 15, 16, 17, 63, 64, 65, 1000, x.size):
        found = made(x[-n or x.size :], y[-n or y.size :])[0]
        np.testing.assert_allclose(found, want[-n or x.size :], rtol=5e-7, atol=2e-45)


@pytest.mark.parametrize("name", ["swish", "growth", "tanh"])
def test_an_element_does_not_depend_on_its_place(name):
    made = compiled(EXPRESSIONS[name])
    x, y = numbers(200), numbers(200, 1)
    whole = made(x, y)[0]
    for first in range(0, 40, 7):
        np.testing.assert_array_equal(made(x[first:], y[first:])[0], whole[first:])
    rows = made(x.reshape(8, 25)[:, :23], y.reshape(8, 25)[:, :23])[0]
    np.testing.assert_array_equal(rows, whole.reshape(8, 25)[:, :23])


@pytest.mark.parametrize("width", [1, 5, 16, 31, 70, 129])
@pytest.mark.parametrize("start", [0, 1, 9])
def test_rows_of_any_length_and_nothing_beside_them(width, start):
    x = np.clip(numbers((9, width)), -80, 80)
    made = kernel.compile_elementwise({"out": ir.exp(a)}, {"a": "float32"})
    plan = made.plan((x,))
    aside = np.full(x.size + 64, 7, np.float32)
    place = aside[start : start + x.size].reshape(x.shape)
    plan.into(place, (x,))
    np.testing.assert_allclose(place, np.exp(x), rtol=1e-6)
    assert (aside[:start] == 7).all()
    assert (aside[start + x.size :] == 7).all()


def test_bools_come_and_go():
    x, mask = numbers((7, 45)), numbers((7, 45), 3) > 0
    chosen = kernel.compile_elementwise(
        {"out": ir.where(ir.var("m"), a, 0.0), "large": ir.abs(a) > 1},
        {"a": "float32", "m": "bool"},
        dtypes={"out": "float32", "large": "bool"},
    )
    assert "fbw_store_mask" in chosen.nest([x, mask]).text
    out, large = chosen(x, mask)
    np.testing.assert_array_equal(out, np.where(mask, x, 0))
    np.testing.assert_array_equal(large, np.abs(x) > 1)
    assert set(np.unique(large.view(np.uint8))) <= {0, 1}


@pytest.mark.parametrize("expr", [a * b + 1, ir.sin(a) * b, ir.where(a > b, a, b)])
def test_bfloat16_is_computed_as_float32_and_rounded_once(expr):
    dtype = flambeau.bfloat16.numpy
    x = np.concatenate([numbers(777), ODD]).astype(dtype)
    y = np.concatenate([numbers(777, 1), ODD[::-1]]).astype(dtype)
    made = kernel.compile_elementwise({"out": expr}, {"a": "bfloat16", "b": "bfloat16"})
    found = made(x, y)[0]
    want = compiled(expr)(x.astype("f4"), y.astype("f4"))[0].astype(dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.astype("f4"), want.astype("f4"))
    rows = made(x[:774].reshape(18, 43)[:, ::2], y[:18, None])[0]
    want = compiled(expr)(x[:774].reshape(18, 43)[:, ::2].astype("f4"), y[:18, None].astype("f4"))
    np.testing.assert_array_equal(rows.astype("f4"), want[0].astype(dtype).astype("f4"))


def test_operators_on_bfloat16_make_one_pass(monkeypatch):
    x, y = (flambeau.from_numpy(numbers(1 << 17, i)).bfloat16() for i in range(2))
    monkeypatch.setattr("flambeau.backends.cpu.copies.cast", None)  # nothing is widened apart
    out = flambeau.nn.functional.silu(x) * y + 1
    larger = x > y
    z = x.clone().mul_(y)
    monkeypatch.undo()
    assert out.dtype is flambeau.bfloat16
    want = flambeau.nn.functional.silu(x.float()).bfloat16() * y + 1
    np.testing.assert_array_equal(out.float().numpy(), want.float().numpy())
    np.testing.assert_array_equal(larger.numpy(), (x.float() > y.float()).numpy())
    np.testing.assert_array_equal(z.float().numpy(), (x.float() * y.float()).bfloat16().float().numpy())  # fmt: skip


def test_a_bound_that_is_nan_makes_all_nan():
    x = flambeau.from_numpy(numbers(1 << 15))
    assert bool(flambeau.clamp(x, min=float("nan")).isnan().all())
    assert bool(flambeau.clamp(x, -1.0, float("nan")).isnan().all())
    kept = x.clone()
    kept[7] = float("nan")
    found = flambeau.clamp(kept, -0.5, 0.5)
    assert bool(found[7].isnan()) and int(found.isnan().sum()) == 1
    assert float(found[8:].abs().max()) == 0.5


def test_past_the_cache_from_a_size_on(monkeypatch):
    monkeypatch.setattr(wide, "PAST_FROM", 1 << 10)
    made = compiled(a - b)
    x, y = numbers(5000), numbers(5000, 1)
    text = made.nest([x, y]).text
    assert "fbw_stream" in text
    assert (
        "fbw_stream" not in made.nest([x.reshape(50, 100)[:, :99], y.reshape(50, 100)[:, :99]]).text
    )
    for first in (0, 3):
        np.testing.assert_array_equal(made(x[first:], y[first:])[0], x[first:] - y[first:])
    place = np.zeros(5001, np.float32)[1:]
    made.plan((x, y)).into(place, (x, y))
    np.testing.assert_array_equal(place, x - y)


@pytest.mark.parametrize(
    ("expr", "kinds"),
    [
        (ir.sin(a), {"a": "float32"}),
        (a + b, {"a": "float64", "b": "float64"}),
        (a + b, {"a": "float32", "b": "float64"}),
        (ir.eq(a, 0) * b, {"a": "float32", "b": "float32"}),
        (ir.logical_not(a), {"a": "bool"}),
    ],
)
def test_no_vector_text_where_it_is_not_spelled(expr, kinds):
    made = kernel.compile_elementwise({"out": expr}, kinds)
    assert "FB_WIDE" not in made.nest([np.ones(3, d) for d in kinds.values()]).text


def test_steps_between_elements_have_none():
    made = kernel.compile_elementwise({"out": a + 1}, {"a": "float32"})
    assert "FB_WIDE" not in made.nest([np.ones(9, np.float32)[::2]]).text


def test_the_header_says_what_the_processor_has():
    flags = set(compiler.cpu().split())
    if len(compiler.find().command) > 1:
        pytest.skip("the compiler was given flags of its own")
    assert has_vectors() == ({"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= flags)
