"""A number before the tensors that it scales, as PyTorch had it before 1.5: functions, methods and in-place methods."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import flambeau
from flambeau.runtime import older


@pytest.fixture(autouse=True)
def said_again():
    before = set(older._said)
    older._said.update(older.NAMES)
    yield
    older._said.clear()
    older._said.update(before)


x = flambeau.arange(4.0).reshape(2, 2) + 1
v = flambeau.tensor([2.0, 3.0])
b = x.unsqueeze(0)
CALLS = [
    ("add", (x, x), {"alpha": 0.5}, (x, 0.5, x)),
    ("sub", (x, x), {"alpha": 0.5}, (x, 0.5, x)),
    ("addcmul", (x, x, x), {"value": 0.5}, (x, 0.5, x, x)),
    ("addcdiv", (x, x, x + 1), {"value": -3}, (x, -3, x, x + 1)),
    ("addmm", (x, x, x), {"beta": 0.5, "alpha": 2}, (0.5, x, 2, x, x)),
    ("addmm", (x, x, x), {"beta": 0.5}, (0.5, x, x, x)),
    ("addmv", (v, x, v), {"beta": 0.5, "alpha": 2}, (0.5, v, 2, x, v)),
    ("addr", (x, v, v), {"beta": 0.5, "alpha": 2}, (0.5, x, 2, v, v)),
    ("addbmm", (x, b, b), {"beta": 0.5, "alpha": 2}, (0.5, x, 2, b, b)),
    ("baddbmm", (b, b, b), {"beta": 0.5, "alpha": 2}, (0.5, b, 2, b, b)),
]


@pytest.mark.parametrize("call", CALLS, ids=[c[0] for c in CALLS])
@pytest.mark.parametrize("often", [1, 20])
def test_older_calls(call, often):
    name, args, options, old = call
    function = getattr(flambeau, name)
    for _ in range(often):  # later calls go other ways
        want = function(*args, **options)
        assert flambeau.equal(function(*old), want)
        # As a method the tensor comes first, in place too.
        tensor, rest = (old[1], (old[0], *old[2:])) if name in older.SUMS else (old[0], old[1:])
        assert flambeau.equal(getattr(tensor, name)(*rest), want)
        changed = tensor.clone()
        assert getattr(changed, name + "_")(*rest) is changed
        assert flambeau.equal(changed, want)


def test_older_calls_of_large_tensors_in_place_and_with_history():
    large = flambeau.ones(1 << 17)
    assert (large.add_(-0.5, flambeau.ones(1 << 17)) == 0.5).all()
    leaf = flambeau.ones(3, requires_grad=True)
    (leaf * 1).addcmul_(2.0, leaf, leaf).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), [5, 5, 5])
    out = flambeau.empty(2, 2)
    assert flambeau.add(x, 2, x, out=out) is out and flambeau.equal(out, 3 * x)


def test_the_first_of_them_is_warned_of():
    older._said.discard("addcmul")
    with pytest.warns(UserWarning, match="overload of addcmul is deprecated: give value by name"):
        x.addcmul(2, x, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x.addcmul(2, x, x)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: flambeau.add(x, x, x),
        lambda: x.add_(x, 2),
        lambda: x.add(2, 3),
        lambda: x.add_(2, x, alpha=3),
        lambda: flambeau.mul(x, 2, x),
        lambda: x.addmm(0.5, 2, x),
        lambda: flambeau.addmm(0.5, 2, 3, x, x),
        lambda: x.addcmul(2, x),
    ],
)
def test_what_fits_neither_order_is_refused(wrong):
    before = x.clone()
    with pytest.raises((TypeError, RuntimeError)):
        wrong()
    assert flambeau.equal(x, before)
