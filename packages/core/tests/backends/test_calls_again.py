"""Elementwise calls whose layouts are compared in C (`Compiled.again`): equal to NumPy whatever comes in between."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.backends.cpu import elementwise, library
from flambeau.ops import load_all
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not library.available(), reason="needs a C compiler")
RNG = np.random.default_rng(0)


def compiled(name: str) -> elementwise.Compiled:
    load_all()
    return elementwise.Compiled(registry[name])


def numbers(*shape: int, dtype: str = "float32") -> np.ndarray:
    return (RNG.standard_normal(shape) * 9).astype(dtype)


def counted(op: elementwise.Compiled) -> list[bool]:
    """Whether each call from now on was made again."""
    found, plain = [], op.again

    def again(given: tuple, attrs: dict) -> np.ndarray | None:
        made = plain(given, attrs)
        found.append(made is not None)
        return made

    op.again = again  # type: ignore[method-assign]
    return found


def test_same_layouts_are_made_again():
    op, a, b = compiled("add"), numbers(300, 7), numbers(300, 7)
    again = counted(op)
    for _ in range(3):
        np.testing.assert_array_equal(op(np, a, b, alpha=1), a + b)
    assert again == [False, True, True]


def test_powers_by_a_number_are_made_again():
    op = compiled("pow")
    a, wide, turned = (
        np.abs(numbers(300, 7)),
        np.abs(numbers(300, 7, dtype="float64")),
        numbers(40, 6).T,
    )
    again = counted(op)
    for _ in range(2):
        for x in (a, wide, turned):
            for exponent in (2, 3, -1, 2.0):
                np.testing.assert_allclose(op(np, x, exponent), x**exponent, rtol=1e-6)
    for _ in range(2):
        op(np, a, 2)
    assert again[-1]
    np.testing.assert_allclose(op(np, a, 1.7), a ** np.float32(1.7), rtol=1e-6)


def test_other_layouts_dtypes_and_numbers_are_not():
    op = compiled("mul")
    a, wide, whole = numbers(6, 40), numbers(6, 40, dtype="float64"), numbers(6, 40, dtype="int64")
    turned, slice_, row, one = numbers(40, 6).T, numbers(6, 80)[:, ::2], numbers(40), numbers(1)
    last = numbers(6, 40)
    given = [(a, last), (a, row), (a, turned), (a, slice_), (turned, a), (wide, wide), (whole, whole),
             (a, one), (slice_, slice_), (a, 2.5), (a, 3), (2.5, a), (whole, 3), (row, a), (a, a)]  # fmt: skip
    order = RNG.integers(0, len(given), 200)
    again = counted(op)
    for k in [*range(len(given)), *range(len(given)), *order]:
        x, y = given[k]
        made = op(np, x, y)
        wanted = np.multiply(x, y)
        assert made.dtype == wanted.dtype, (k, made.dtype)
        np.testing.assert_array_equal(made, wanted)
    assert any(again)


def test_parameters_of_one_text():
    op, x = compiled("clamp_number"), numbers(5, 999)
    again = counted(op)
    for low, high in [(-1, 1), (-2.5, 0.5), (0, 3), (None, 1.0), (-1, 2)]:
        made = op(np, x, min=low, max=high)
        np.testing.assert_array_equal(made, np.clip(x, low, high))
    whole = numbers(5, 999, dtype="int64")
    for _ in range(2):
        np.testing.assert_array_equal(op(np, whole, min=-2, max=3), np.clip(whole, -2, 3))
    assert again == [False, False, True, False, True, False, False]


def test_three_operands_and_one():
    where, x, y = compiled("where"), numbers(8, 33), numbers(8, 33)
    relu, again = compiled("relu"), None
    again = counted(where), counted(relu)
    for _ in range(2):
        np.testing.assert_array_equal(where(np, x > 0, x, y), np.where(x > 0, x, y))
        np.testing.assert_array_equal(relu(np, x), np.maximum(x, 0))
    assert again == ([False, True], [False, True])
    empty = numbers(0, 33)
    for _ in range(2):
        assert relu(np, empty).shape == (0, 33)


def test_recorded_calls_go_by_addresses():
    from flambeau.backends.cpu import native

    op, x = compiled("neg"), numbers(77)
    op(np, x)
    again = counted(op)
    heard = []

    def ear(result: object, function: object, arguments: tuple) -> object:
        heard.append(function)
        return result

    native.recorders.append(ear)
    for function in native.every:
        function.errcheck = ear
    try:
        np.testing.assert_array_equal(op(np, x), -x)
    finally:
        native.recorders.remove(ear)
        for function in native.every:
            del function.errcheck
    assert again == [] and heard


HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


@pytest.mark.parametrize("name", ["add", "mul", "abs", "neg", "relu", "maximum", "exp", "gt"])
@pytest.mark.parametrize("strided", [False, True])
def test_every_float16_is_computed_in_float32_and_rounded_once(name, strided):
    """Also where elements lie apart, which the loop on vectors does not serve."""
    op = registry[name]
    given = [HALVES, RNG.permutation(HALVES)][: len(op.arrays)]
    with np.errstate(all="ignore"):
        want = op.kernels[None](np, *[a.astype(np.float32) for a in given])
        want = want if want.dtype == bool else want.astype(np.float16)
    if strided:
        given = [np.stack([a, a], -1)[:, 0] for a in given]
    kernel = compiled(name)
    with np.errstate(all="ignore"):
        made = kernel(np, *given)
        assert kernel.call(tuple(given), {}) is not None  # not the reference
    assert made.dtype == want.dtype
    if name == "exp":
        np.testing.assert_array_max_ulp(made[want == want], want[want == want], 1)
        made = np.where(np.isnan(made), made, want)
    np.testing.assert_array_equal(made, want)


def test_numbers_beside_float16():
    x = HALVES[::17].copy()
    for name, number, exact in [("mul", 1.0009, True), ("maximum", 1.0009, False)]:
        op = compiled(name)
        beside = np.float32(number) if exact else np.float32(np.float16(number))
        with np.errstate(all="ignore"):
            want = getattr(np, {"mul": "multiply"}.get(name, name))(x.astype(np.float32), beside)
            want = want.astype(np.float16)
            for _ in range(2):
                np.testing.assert_array_equal(op(np, x, number), want)
