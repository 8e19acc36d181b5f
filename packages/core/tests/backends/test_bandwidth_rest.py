"""More kernels that memory bounds: reshapes that copy, halves, fills, ranges, running logarithms, counting."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, copies, sorting
from flambeau.ops import load_all
from flambeau.runtime import layouts
from flambeau.runtime.backend import of_device
from flambeau.runtime.dispatch import choose
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
load_all()


def test_reshapes_that_copy_are_made_here():
    """As NumPy's: a view where strides allow, else one new array; few elements that alternate among them."""
    rng = np.random.default_rng(5)
    for _ in range(300):
        shape = rng.choice([1, 2, 3, 4, 6], rng.integers(1, 5)).tolist()
        x = np.arange(np.prod(shape)).reshape(shape).transpose(rng.permutation(len(shape)))
        if rng.random() < 0.3:
            x = x[::2]
        if rng.random() < 0.3:
            x = np.broadcast_to(x, (3, *x.shape))
        for wanted in ((x.size,), (-1, x.shape[-1]), (x.shape[0], -1), x.shape[::-1]):
            made, want = copies._reshape(x, shape=wanted), x.reshape(wanted)
            if np.may_share_memory(want, x):
                assert made is NotImplemented
            elif made is not NotImplemented:
                np.testing.assert_array_equal(made, want)
                assert made.base is None
    for dtype in (np.uint8, np.float16, np.float32, np.float64, np.complex128):
        for n, w in itertools.product((2, 3, 4, 5), (1, 7, 300, 20_000)):
            x = (rng.random((3, n, w)) * 100).astype(dtype)
            for y in (x.transpose(0, 2, 1), np.broadcast_to(x[:, 0, :, None], (3, w, n))):
                made = copies._reshape(y, shape=(3, w * n))
                if made is not NotImplemented:
                    np.testing.assert_array_equal(made, y.reshape(3, -1))


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_halves_are_reduced_in_float32_and_rounded_once(half):
    kind = getattr(flambeau, half)
    wide = flambeau.randn(150, 700).to(kind).float()
    x = wide.to(kind)
    for call in (
        lambda t: t.sum(), lambda t: t.sum(1), lambda t: t.sum(0, keepdim=True), lambda t: t.amax(0), lambda t: t.min(),
        lambda t: t.argmax(1), lambda t: t.norm(), lambda t: t.softmax(-1), lambda t: t.log_softmax(0),
    ):  # fmt: skip
        made, want = call(x), call(wide)
        assert made.dtype is (kind if want.dtype is flambeau.float32 else want.dtype)
        assert (made.float() == want.to(made.dtype).float()).all()
    leaf = x.clone().requires_grad_()
    same = wide.clone().requires_grad_()
    (leaf.softmax(-1) * x).sum().backward()
    (same.softmax(-1) * wide).sum().backward()
    assert leaf.grad.dtype is kind
    assert flambeau.allclose(leaf.grad.float(), same.grad, rtol=0.05, atol=1e-4)


def test_one_number_everywhere_and_parts_written():
    x = flambeau.ones(700, 401)
    assert (x == 1).all()
    x[:, :300] = 2.5
    assert (x[:, :300] == 2.5).all() and (x[:, 300:] == 1).all()
    before = x.clone()
    x[:, 1:301] = x[:, :300]  # overlaps: as if the source were read first
    assert (x[:, 1:301] == before[:, :300]).all()
    y = flambeau.randn(700, 400)
    x[:, :400] = y
    assert (x[:, :400] == y).all() and (x[:, 400:] == 1).all()
    for value, dtype in [(7, flambeau.int64), (True, flambeau.bool), (-0.0, flambeau.float64)]:
        made = flambeau.full((700, 401), value, dtype=dtype).numpy()
        np.testing.assert_array_equal(made, np.full((700, 401), value, dtype.numpy))
        np.testing.assert_array_equal(np.signbit(made * 1.0), np.signbit(value * 1.0))
    fixed = np.ones((700, 401))
    fixed.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = flambeau.from_numpy(fixed)
    for write in (lambda: kept.fill_(2.0), lambda: kept.__setitem__((slice(None), slice(0, 400)), y.double())):  # fmt: skip
        with pytest.raises((ValueError, RuntimeError)):
            write()
    assert (fixed == 1).all()


def test_an_outer_product_of_short_vectors_is_compiled(monkeypatch):
    used = []
    kernel = choose(registry["mul"], of_device("cpu"), (flambeau.ones(300, 300),) * 2, {})
    run = type(kernel).__call__
    monkeypatch.setattr(type(kernel), "__call__", lambda *a, **kw: (used.append(a), run(*a, **kw))[1])  # fmt: skip
    a, b = flambeau.randn(300), flambeau.randn(400)
    made = flambeau.outer(a, b)
    np.testing.assert_array_equal(made.numpy(), np.outer(a.numpy(), b.numpy()))
    assert used
    used.clear()
    a4, b2 = flambeau.randn(64, 64), flambeau.randn(8, 4)
    for _ in range(20):  # the straight way too
        made = flambeau.kron(a4, b2)
    np.testing.assert_array_equal(made.numpy(), np.kron(a4.numpy(), b2.numpy()))
    assert len(used) == 20
    with pytest.raises(RuntimeError, match="must match|broadcast"):
        a * b


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_logarithms(dtype):
    """Also where numbers lie far apart or are none, which are joined one after the other."""
    rng = np.random.default_rng(0)
    near = {"rtol": 1e-6, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-12}
    for shape, d in [((5, 1000), 1), ((3, 1), 1), ((700,), 0), ((4, 300, 7), 1), ((64, 257), -2)]:
        for scale in (1, 50, 400, 1e4):
            x = (rng.standard_normal(shape) * scale).astype(dtype)
            want = np.logaddexp.accumulate(x.astype("float64"), axis=d)
            np.testing.assert_allclose(sorting._running_logs(x, dim=d), want, **near)
    x = rng.standard_normal((6, 400)).astype(dtype)
    x[0, 3], x[1, 5], x[2, :9], x[3, 100], x[4, 0] = np.nan, np.inf, -np.inf, -np.inf, np.nan
    x[5, 0], x[5, 7] = np.inf, -np.inf
    with np.errstate(all="ignore"):
        want = np.logaddexp.accumulate(x.astype("float64"), axis=1)
    np.testing.assert_allclose(sorting._running_logs(x, dim=1), want, **near)


def test_whole_numbers_close_together_are_counted():
    rng = np.random.default_rng(0)
    for dtype in (np.int64, np.int32, np.uint8):
        x = rng.integers(0 if dtype is np.uint8 else -100, 100, (50, 100)).astype(dtype)
        made = sorting._unique(x, rows=False)
        want = np.unique(x, return_inverse=True, return_counts=True)
        for m, w in zip(made, want, strict=True):
            np.testing.assert_array_equal(m, w.reshape(m.shape))
        assert made[0].dtype == dtype and made[1].shape == x.shape
    ends = np.array([2**63 - 1, -(2**63)] * 100)
    np.testing.assert_array_equal(sorting._unique(ends, rows=False)[0], np.unique(ends))


def test_numbers_at_equal_distances(monkeypatch):
    made = []
    for hook in (layouts.ranging[0], lambda *_: None):
        monkeypatch.setattr(layouts, "ranging", [hook])
        made.append([
            f(dtype=dtype).numpy()
            for dtype in (flambeau.float32, flambeau.float64)
            for f in (
                lambda **kw: flambeau.linspace(-3, 7.3, 200_001, **kw), lambda **kw: flambeau.linspace(5, -1e4, 140_000, **kw),
                lambda **kw: flambeau.arange(0.5, 5e4, 0.3, **kw), lambda **kw: flambeau.arange(7, -6e4, -0.37, **kw),
            )
        ])  # fmt: skip
    for ours, numpys in zip(*made, strict=True):
        assert ours.dtype == numpys.dtype
        # Compiled for a processor that cannot multiply and add in one rounding (x86-64 of old) the kernel rounds twice.
        one = np.finfo(ours.dtype).eps * np.abs(numpys).max()
        np.testing.assert_allclose(ours, numpys, rtol=0, atol=one)
        assert (ours == numpys).mean() > 0.99
