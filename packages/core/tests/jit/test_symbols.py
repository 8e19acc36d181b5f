"""Open numbers: they compute as ints and floats do, say so as Python, and note what is decided by them."""

from __future__ import annotations

import copy
import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flambeau.jit import settled  # noqa: F401 -- what numbers end as
from flambeau.jit.polynomials import Reading, holding
from flambeau.jit.symbols import Open, Sizes, followed, is_open, text_of, value_of


def made(**values):
    sizes = Sizes(values)
    return sizes, *(sizes.symbol(n) for n in values)


OPERATORS = (
    operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.truediv, lambda a, b: -a, lambda a, b: abs(a - b),
    lambda a, b: math.ceil(a / (b or 1)), lambda a, b: math.floor(a * 0.3), lambda a, b: round(b / 3), lambda a, b: max(a, b),
    lambda a, b: a**2 - b, lambda a, b: divmod(a, b)[1], lambda a, b: a >> 1, lambda a, b: ~a, lambda a, b: int.__add__(1, 2) + b,
)  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from(OPERATORS), st.integers(0, 9), st.integers(0, 9)), max_size=6
    ),
    st.tuples(st.integers(2, 40), st.integers(2, 40)),
    st.tuples(st.integers(2, 40), st.integers(2, 40)),
)
def test_expressions_are_right_wherever_the_guards_hold(steps, first, second):
    def run(a, b):
        values = [a, b, 3, -2]
        for do, i, k in steps:
            x, y = values[i % len(values)], values[k % len(values)]
            try:
                values.append(do(x, y))
            except (ArithmeticError, TypeError):  # bits of floats
                values.append(7)
        return values

    sizes, a, b = made(s0=first[0], s1=first[1])
    opened, plain = run(a, b), run(*first)
    assert [value_of(x) for x in opened] == plain
    assert [type(value_of(x)) for x in opened] == [type(x) for x in plain]
    if holding(list(sizes.guards), ("s0", "s1"))(*second):
        number = Reading(("s0", "s1")).at(dict(zip(("s0", "s1"), second)))
        found = [number(x) if is_open(x) else x for x in opened]
        assert found == run(*second)


def test_polynomials_have_one_form():
    _, a, b = made(s0=6, s1=4)
    assert text_of((a + b) * 2 - b) == text_of(b + a + a) == "(2*s0 + s1)"
    assert text_of(a * b * 12 // (b * 3)) == "(4*s0)" and (a * 4) % 4 == 0
    assert type(a - a) is int and type(0 * a) is int and (a * b) // (a * b) == 1
    assert text_of((2 * a + 2 * b) // (a + b)) == "2" and text_of(a // 4) == "(s0 // 4)"


def test_expressions_are_computed_in_the_order_of_python():
    # Wrong text would show in guards alone: a capture is compared with others by what its calls are given.
    def expressions(n, k):
        return [
            100.0 / (2 * n), (3 * n) ** 0.5, (-k) ** 2, 50 // (2 * n), 7 % (2 * n), 1.5 ** (2 * n), 2 ** -k, (n * n) / (n * 2),
            k ** (n / 8), np.cos(n / 8) * np.exp(-k), round(k * 10, 1), followed("atan2", math.atan2, n, k), followed("exp", math.exp, -k),
        ]  # fmt: skip

    _, n, k = made(s0=6, n0=0.75)
    opened = expressions(n, k)
    assert all(map(is_open, opened))
    for values in ((6, 0.75), (9, 1.25)):
        number = Reading(("s0", "n0")).at(dict(zip(("s0", "n0"), values)))
        assert [number(x) for x in opened] == expressions(*values)


def test_what_is_known_needs_no_guard():
    sizes, a, b = made(s0=6, s1=4)
    assert a != 1 and a > 0 and a * b >= 4 and a and -a < 0 and a == a + 0
    assert a + 1 > a and (a, b) == (a, b) and a != "x" and a is not None
    assert not sizes.guards
    assert a > b and a != 7 and not b >= 5
    assert list(sizes.guards) == ["s0 > s1", "s0 != 7", "s1 < 5"]


USES = {
    "range": lambda n: list(range(n)),
    "index": lambda n: [1] * 50 and list(range(50))[n],
    "slice": lambda n: list(range(50))[:n],
    "repeat": lambda n: [0] * n,
    "int": int,
    "float": float,
    "hash": lambda n: {n: 1},
    "text": str,
    "format": lambda n: f"{n:03d}",
    "percent": lambda n: "%d" % n,  # noqa: UP031
    "log2": math.log2,
    "sqrt": math.sqrt,
    "gcd": lambda n: math.gcd(n, 4),
    "numpy": lambda n: np.zeros(n).shape,
    "ufunc": lambda n: np.arange(3) * n,
    "bits": lambda n: n.bit_length(),
    "copy": copy.deepcopy,
    "or": lambda n: n | 1,
    "power": lambda n: 2**n,
}


@pytest.mark.parametrize("name", USES)
def test_what_needs_the_number_itself_is_noted(name):
    sizes, n = made(s0=6)
    found, expected = USES[name](n), USES[name](6)
    assert np.array_equal(found, expected) if isinstance(expected, np.ndarray) else found == expected  # fmt: skip
    assert list(sizes.guards) == ["s0 == 6"]


def test_they_pass_for_numbers():
    sizes, n = made(s0=6)
    assert isinstance(n, int) and isinstance(n / 4, float) and not isinstance(n, (str, float))
    assert [value_of(x) for x in (math.prod((n, 2, n)), sum([n, n]), min(n, 9))] == [72, 12, 6]
    with pytest.raises(AttributeError):
        _ = n._array
    with pytest.raises(TypeError):
        n + "x"
    sizes.noting = False
    assert repr(n) == "s0" and [1, 2, 3, 4, 5, 6, 7][n] == 7 and isinstance(n, Open)
    assert list(sizes.guards) == ["s0 <= 9"]


def test_a_number_that_outlives_its_trace_is_its_value():
    sizes, n = made(s0=6)
    half, kept = n / 4, sizes.kept()
    twin = kept(n * 2)
    sizes.over()
    assert [n + 1, 1 + n, n * n, -n, n // 4, 13 % n, n << 1, divmod(n, 4)] == [7, 7, 36, -6, 1, 1, 12, (1, 2)]  # fmt: skip
    assert (half, half + n, 3 - half, half > 1, bool(n)) == (1.5, 7.5, 1.5, True, True)
    assert (
        {6: 1}[n] == 1 and repr(n) == "6" and list(range(n))[-1] == 5 and math.sqrt(half * n) == 3
    )
    assert isinstance(n, int) and isinstance(half, float) and not is_open(n) and type(n + 1) is int
    later, m = made(s0=10)
    assert text_of(n + m) == text_of(m + n) == "(s0 + 6)" and n != m
    assert text_of(half * m) == "(s0 * 1.5)" and list(later.guards) == ["s0 != 6"]
    assert text_of(twin) == "(2*s0)" and Reading(("s0",)).at({"s0": 9})(twin) == 18
