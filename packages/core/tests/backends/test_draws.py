"""Random numbers drawn in C: NumPy's, which are PyTorch's, to the last bit, and the generator goes on from them."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, draws, threads
from flambeau.runtime import random
from flambeau.runtime.generator import Generator

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
CASES = [
    ("dropout_mask", {"args": (0.3,)}),
    ("bernoulli", {"args": (0.1,)}),
    ("bernoulli", {"args": (1e-9,)}),
    ("uniform", {}),
    ("uniform", {"kw": {"low": -2.0, "high": 3.0}}),
    ("uniform", {"kw": {"low": 0.0, "high": 3.5}}),
    ("normal", {}),
    ("normal", {"kw": {"mean": 1.0, "std": 2.0}}),
    ("normal", {"kw": {"mean": 0.0, "std": 2.0}}),
    ("normal", {"kw": {"mean": 3.0, "std": 1.0}}),
]


@pytest.fixture
def taken(monkeypatch):
    """The kinds that were drawn in C."""
    seen = []
    for kind, (draw, accepts) in draws.KINDS.items():

        def spy(*args, _kind=kind, _draw=draw, **kw):
            seen.append(_kind)
            return _draw(*args, **kw)

        monkeypatch.setitem(draws.KINDS, kind, (spy, accepts))
    return seen


def drawn(kind, generator, count, dtype, options):
    return flambeau.ops.random._drawn(kind, (count,), dtype, None, generator, **options).numpy()


@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64])
@pytest.mark.parametrize(("kind", "options"), CASES)
def test_numbers_and_state_are_the_references(kind, options, dtype, taken):
    for count in (draws.LEAST, 5000, 12007):
        ours, theirs = (Generator().manual_seed(count) for _ in range(2))
        for generator in (ours, theirs):
            generator._uint32(3)  # a pair of words then lies across two states
        made = drawn(kind, ours, count, dtype, options)
        want = getattr(random, kind)(
            theirs, *options.get("args", ()), (count,), dtype.numpy, **options.get("kw", {})
        )
        assert made.dtype == want.dtype
        np.testing.assert_array_equal(made, want)
        np.testing.assert_array_equal(ours._get_bytes(), theirs._get_bytes())
    assert taken == [kind] * 3


def test_a_seeded_stream_is_no_longer_fresh():
    generator = Generator().manual_seed(1)
    drawn("uniform", generator, 1 << 13, flambeau.float32, {})
    assert not generator._fresh


def test_the_same_on_any_number_of_threads():
    made, before = [], threads.count()
    try:
        for n in (1, 3):
            threads.set_count(n)
            made.append(flambeau.randn(50_001, generator=Generator().manual_seed(3)).numpy())
    finally:
        threads.set_count(before)
    np.testing.assert_array_equal(*made)


def test_what_the_reference_refuses_is_refused(taken):
    x = flambeau.zeros(1 << 13)
    for wrong in (
        lambda: x.bernoulli_(1.5),
        lambda: x.uniform_(2.0, 1.0),
        lambda: x.normal_(0.0, -1.0),
    ):
        with pytest.raises(RuntimeError):
            wrong()
    assert not x.uniform_(1.0, 1.0).ne(1).any()
    assert not taken


def test_few_numbers_and_other_dtypes_are_numpys(taken):
    flambeau.rand(draws.LEAST - 1)
    flambeau.rand(1 << 13, dtype=flambeau.float16)
    flambeau.zeros(1 << 13, dtype=flambeau.int64).bernoulli_(0.5)
    assert not taken


def test_permutations(monkeypatch):
    for count in (draws.LEAST, 12007, 40_000):
        ours, theirs = (Generator().manual_seed(count) for _ in range(2))
        for generator in (ours, theirs):
            generator._uint32(3)
        calls = len(called := _watched(monkeypatch))
        made = flambeau.randperm(count, generator=ours).numpy()
        assert len(called) == calls + 1
        np.testing.assert_array_equal(made, random.randperm(theirs, count, np.dtype("int64")))
        np.testing.assert_array_equal(ours._get_bytes(), theirs._get_bytes())
    other = flambeau.randperm(5000, dtype=flambeau.int32)
    np.testing.assert_array_equal(np.sort(other.numpy()), np.arange(5000))
    assert len(called) == 1


def _watched(monkeypatch):
    """The permutations that are drawn in C from now on."""
    seen, inner = [], draws.kernels.float32.permutation

    def spy(*args):
        seen.append(args)
        return inner(*args)

    monkeypatch.setattr(draws.kernels.float32, "permutation", spy)
    return seen


F32, I64 = np.dtype("float32"), np.dtype("int64")
FEW = [
    ("uniform", {}),
    ("uniform", {"kw": {"low": -1.0, "high": 2.0}}),
    ("normal", {}),
    ("normal", {"kw": {"mean": 1.0, "std": 3.0, "contiguous": True}}),
    ("bernoulli", {"args": (0.3,)}),
    ("dropout_mask", {"args": (0.3,)}),
    ("randint", {"low": -5, "high": 1000}),
    ("randperm", {}),
]


def reference(generator, kind, count, options):
    if kind == "randint":
        return random.randint(generator, options["low"], options["high"], (count,), I64)
    if kind == "randperm":
        return random.randperm(generator, count, I64)
    draw = getattr(random, kind)
    return draw(generator, *options.get("args", ()), (count,), F32, **options.get("kw", {}))


@pytest.mark.parametrize(("kind", "options"), FEW)
def test_few_numbers_and_the_state_are_the_references(kind, options):
    ours, theirs = (Generator().manual_seed(3) for _ in range(2))
    dtype = flambeau.int64 if kind in draws.WHOLE else flambeau.float32
    for count in (1, 2, 5, 15, 16, 17, 31, 700, 3, 4095):
        for generator in (ours, theirs):
            generator._uint32(1)
        made = draws.few(kind, (count,), dtype, ours, options)
        want = reference(theirs, kind, count, options)
        assert made.dtype == want.dtype
        np.testing.assert_array_equal(made, want)
        np.testing.assert_array_equal(ours._get_bytes(), theirs._get_bytes())
    ours.manual_seed(5), theirs.manual_seed(5)  # another twister
    made = draws.few(kind, (20,), dtype, ours, options)
    np.testing.assert_array_equal(made, reference(theirs, kind, 20, options))


@pytest.mark.parametrize(
    ("kind", "dtype", "options"),
    [
        ("uniform", flambeau.float64, {}),
        ("uniform", flambeau.float32, {"kw": {"low": 1.0, "high": 1.0}}),
        ("normal", flambeau.float32, {"kw": {"contiguous": False}}),
        ("bernoulli", flambeau.float32, {"args": (1.0,)}),
        ("randint", flambeau.int64, {"low": 0, "high": 1 << 29}),
        ("randint", flambeau.int64, {"low": 3, "high": 3}),
        ("randint", flambeau.int64, {"low": 0, "high": 2.5}),
        ("exponential", flambeau.float32, {"args": (1.0,)}),
    ],
)
def test_what_few_does_not_draw(kind, dtype, options):
    assert draws.few(kind, (4,), dtype, Generator(), options) is None


def test_few_numbers_are_left_to_others_where_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(draws.library, "available", lambda: False)
    assert draws.few("normal", (4,), flambeau.float32, Generator(), {}) is None
    assert flambeau.randn(4).shape == (4,)
