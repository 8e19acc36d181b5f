"""Kernels that pick and add by indices: taken, equal to the reference, refusing what is out of range before they write."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, indexed, threads
from flambeau.ops import load_all
from flambeau.runtime.backend import of_device
from flambeau.runtime.operator import registry

load_all()
pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
SHAPES = [(1,), (50,), (7, 13), (3, 40), (2, 5, 3), (4, 3, 65), (3, 200, 9), (1, 9, 300)]
TYPES = ("float32", "float64", "int64", "int32")


def module():
    from flambeau.backends.cpu import indexed

    return indexed


def numbers(shape, dtype, seed=0):
    made = np.random.default_rng(seed).standard_normal(shape) * 10
    return made.astype(dtype)


def reference(name, *arrays, **attrs):
    return registry[name].kernels[None](of_device("cpu").xp, *arrays, **attrs)


def same(made, want):
    """Equal, and the same on one thread as on three."""
    before = threads.count()
    found = []
    try:
        for n in (1, 3):
            threads.set_count(n)
            found.append(made())
    finally:
        threads.set_count(before)
    assert found[0] is not NotImplemented
    np.testing.assert_array_equal(*found)
    assert found[0].dtype == want.dtype
    rough = want.dtype.kind == "f"
    np.testing.assert_allclose(found[0], want, rtol=1e-5 * rough, atol=1e-4 * rough)


@pytest.mark.parametrize("index_type", ["int64", "int32"])
@pytest.mark.parametrize("dtype", TYPES)
def test_all_kernels_equal_their_reference(dtype, index_type):
    own = module()
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        x = numbers(shape, dtype)
        for d, n in enumerate(shape):
            for k in (1, 37):
                around = (*shape[:d], k, *shape[d + 1 :])
                places = rng.integers(0, n, around).astype(index_type)
                rows = rng.integers(-n, n, k).astype(index_type)
                src = numbers(around, dtype, 2)
                at = {"dim": d}
                same(
                    lambda: own._gather(x, places, dim=d, sparse_grad=False),
                    reference("gather", x, places, dim=d, sparse_grad=False),
                )
                for how, name in ((own.ADD, "add"), (own.SET, "src"), (own.MULTIPLY, "prod")):
                    if name == "prod" and dtype.startswith("int"):
                        continue  # overflows, see below
                    same(
                        lambda how=how: own._scatter(how)(x, places, src, **at),
                        reference(f"scatter_{name}", x, places, src, **at),
                    )
                for largest in (True, False):
                    same(
                        lambda largest=largest: own._extreme(x, places, src, largest=largest, **at),
                        reference("scatter_extreme", x, places, src, largest=largest, **at),
                    )
                one = {"positions": (d,)}
                same(lambda: own._index(x, rows, **one), reference("index", x, rows, **one))
                sums = {"shape": shape, **one}
                same(
                    lambda: own._index_grad(src, rows, **sums),
                    reference("index_grad", src, rows, **sums),
                )
                put = {"accumulate": True, **one}
                same(
                    lambda: own._index_put(x, src, rows, **put), reference("index_put_at", x, src, rows, **put)
                )  # fmt: skip


def test_what_is_out_of_range_is_left_to_the_reference():
    own = module()
    x, src = numbers((6, 4), "float32"), numbers((6, 4), "float32", 1)
    places, rows = np.zeros((6, 4), "int64"), np.zeros(6, "int64")
    for bad in (6, -1, -7, 2**40):
        places[3, 2] = bad
        assert own._gather(x, places, dim=0, sparse_grad=False) is NotImplemented
        assert own._scatter(own.ADD)(x, places, src, dim=0) is NotImplemented
    for bad in (6, -7, -(2**40)):
        rows[4] = bad
        assert own._index(x, rows, positions=(0,)) is NotImplemented
        assert own._index_grad(src, rows, shape=(6, 4), positions=(0,)) is NotImplemented
        assert own._index_put(x, src, rows, positions=(0,), accumulate=True) is NotImplemented
    rows[4] = -1
    at = {"positions": (0,), "from_end": False}
    assert own._index(x, rows, **at) is NotImplemented
    assert own._index(x[:, :1].copy(), rows, **at) is NotImplemented
    for accumulate in (True, False):
        assert own._index_put(x, src, rows, accumulate=accumulate, **at) is NotImplemented
    assert own._index(numbers((6, 4, 2), "float32"), rows, rows * 0, positions=(0, 1), from_end=False) is NotImplemented  # fmt: skip


def test_several_indices_are_one():
    own = module()
    rng = np.random.default_rng(7)
    x = numbers((6, 9, 4, 5), "float32")
    for positions, shapes in [((0, 1), ((7,), (7,))), ((1, 2), ((3, 1), (1, 5))), ((1, 2, 3), ((8,), (1,), (2, 1))), ((2, 3), ((1,), (4, 4)))]:  # fmt: skip
        indices = [
            rng.integers(-x.shape[p], x.shape[p], s).astype(rng.choice(["int64", "int32"]))
            for p, s in zip(positions, shapes)
        ]
        at = {"positions": positions}
        want = reference("index", x, *indices, **at)
        same(lambda: own._index(x, *indices, **at), want)
        g = numbers(want.shape, "float32", 3)
        sums = {"shape": x.shape, **at}
        same(
            lambda: own._index_grad(g, *indices, **sums),
            reference("index_grad", g, *indices, **sums),
        )
        for accumulate in (True, False):
            put = {"accumulate": accumulate, **at}
            same(
                lambda: own._index_put(x, g, *indices, **put),
                reference("index_put_at", x, g, *indices, **put),
            )
        indices[-1] = indices[-1] + 100
        assert own._index(x, *indices, **at) is NotImplemented
        assert own._index_put(x, g, *indices, accumulate=False, **at) is NotImplemented
    apart = rng.integers(0, 5, 7)
    assert own._index(x, apart, apart, positions=(0, 3)) is NotImplemented
    made = own._index_put(x, np.float32(2), apart, apart, positions=(0, 3), accumulate=False)
    np.testing.assert_array_equal(
        made, reference("index_put_at", x, np.float32(2), apart, apart, positions=(0, 3), accumulate=False)
    )  # fmt: skip


def test_extremes_keep_nan_and_a_longer_source_is_cut():
    own = module()
    x = np.array([[1.0, np.nan, -np.inf, 3.0]], "float32")
    src = np.array([[np.nan, 5.0, 2.0, 9.0, 1.0]], "float32")
    places = np.array([[0, 1, 2, 2]])
    for largest in (True, False):
        made = own._extreme(x, places, src, dim=1, largest=largest)
        with np.errstate(invalid="ignore"):
            want = reference("scatter_extreme", x, places, src, dim=1, largest=largest)
        np.testing.assert_array_equal(made, want)
    whole = np.array([3, 2**62, -5]), np.array([0, 1, 1, 0]), np.array([2**62, 7, 7, 3])
    np.testing.assert_array_equal(
        own._scatter(own.MULTIPLY)(*whole, dim=0), reference("scatter_prod", *whole, dim=0)
    )


def test_public_calls_are_served_and_refused():
    x = flambeau.randn(40, 40, requires_grad=True)
    for bad in (40, -41):
        index = flambeau.zeros(40, dtype=flambeau.int64)
        index[7] = bad
        with pytest.raises(IndexError, match="out of bounds"):
            x[index]
        with pytest.raises(IndexError, match="out of bounds"):
            x.index_select(0, index)
        with pytest.raises(RuntimeError, match="out of bounds"):
            x.gather(0, index.unsqueeze(1).expand(40, 40))
    for name in ("gather", "scatter_add", "index", "index_grad", "index_put_at"):
        assert registry[name].providers["cpu"], name


def test_gradients_of_gather_and_rows(monkeypatch):
    own = module()
    used = []
    for file, names in (
        (own.take.float32, ("gather", "rows")),
        (own.scatter.float32, ("add", "add_rows")),
    ):
        for name in names:
            f = getattr(file, name)
            monkeypatch.setattr(file, name, lambda *a, _f=f, _n=name: (used.append(_n), _f(*a))[1])
    values = numbers((50, 40), "float32")
    places = flambeau.tensor(np.random.default_rng(3).integers(0, 40, (50, 60)))
    rows = flambeau.tensor(np.random.default_rng(4).integers(0, 50, (8, 9)))
    for f in (lambda x: x.gather(1, places), lambda x: flambeau.nn.functional.embedding(rows, x)):
        x = flambeau.tensor(values, requires_grad=True)
        out = f(x)
        g = numbers(tuple(out.shape), "float32", 5)
        out.backward(flambeau.tensor(g))
        wide = flambeau.tensor(np.arange(values.size).reshape(values.shape))
        want = np.zeros(values.size)
        np.add.at(want, f(wide).numpy().reshape(-1), g.reshape(-1))
        np.testing.assert_allclose(x.grad.numpy().reshape(-1), want, rtol=1e-5, atol=1e-4)
    assert {"gather", "rows", "add", "add_rows"} <= set(used)


def test_rows_past_the_cache_and_strided_ones():
    x = flambeau.randn(300, 8192)
    order = flambeau.randperm(300)
    np.testing.assert_array_equal(x[order].numpy(), x.numpy()[order.numpy()])
    t = x[:40, :50].t()
    np.testing.assert_array_equal(t[order[:20] % 50].numpy(), t.numpy()[order[:20].numpy() % 50])


@pytest.mark.parametrize("kind", ["float32", "int64", "int32", "float64"])
@pytest.mark.parametrize("index_kind", ["int64", "int32"])
def test_elements_of_many_rows_by_one_list(kind, index_kind):
    rng = np.random.default_rng(4)
    for shape, dim, count in (
        ((7, 50), 1, 120),
        ((3, 40, 9), 1, 33),
        ((200, 3), 1, 5),
        ((6, 5, 1000), 2, 1),
    ):
        x = rng.integers(-99, 99, shape).astype(kind)
        n = shape[dim]
        index = rng.integers(-n, n, count).astype(index_kind)
        made = indexed._index(x, index, positions=(dim,))
        np.testing.assert_array_equal(made, np.take(x, index, dim))
        for wrong in (n, -n - 1):
            index[-1] = wrong
            assert indexed._index(x, index, positions=(dim,)) is NotImplemented


@pytest.mark.parametrize("wide", ["int64", "int32"])
@pytest.mark.parametrize("dtype", TYPES)
def test_one_index_for_whole_rows_is_read_once(dtype, wide):
    own = module()
    rng = np.random.default_rng(4)
    cases = (
        ((50,), 0),
        ((7, 300), 1),
        ((300, 7), 0),
        ((40, 65), 0),
        ((3, 30, 11), 1),
        ((3, 30, 1500), 1),
    )
    for shape, dim in cases:
        n, count = shape[dim], 2 * shape[dim] + 3
        places = rng.integers(0, n, count).astype(wide)
        around = [count if d == dim else 1 for d in range(len(shape))]
        whole = tuple(count if d == dim else k for d, k in enumerate(shape))
        index = np.broadcast_to(places.reshape(around), whole)
        x, src = numbers(shape, dtype), numbers(whole, dtype, 1)
        if dtype.startswith("float"):
            src.reshape(-1)[::17], x.reshape(-1)[::19] = np.nan, -np.inf
        assert own._of_rows(index, dim).shape == (count,)
        calls = {
            "scatter_add": ({}, own._scatter(own.ADD)),
            "scatter_src": ({}, own._scatter(own.SET)),
            "scatter_prod": ({}, own._scatter(own.MULTIPLY)),
            "scatter_extreme": ({"largest": True}, own._extreme),
        }
        for name, (attrs, kernel) in calls.items():
            if dtype == "int32" and name == "scatter_prod":
                src = src % 3  # no overflow
            with np.errstate(all="ignore"):
                want = reference(name, x, index, src, dim=dim, **attrs)
                same(lambda: kernel(x, index, src, dim=dim, **attrs), want)
    assert own._of_rows(np.ascontiguousarray(index), dim) is None
    for bad in (n, -1):
        places[5] = bad
        assert own._scatter(own.ADD)(x, index, src, dim=dim) is NotImplemented


@pytest.mark.parametrize("include_self", [True, False])
def test_means_of_rows_count_each_once(include_self):
    places = flambeau.tensor([2, 0, 2, 2, 5])
    x, src = np.arange(24.0).reshape(2, 6, 2), np.arange(20.0).reshape(2, 5, 2) ** 2
    made = flambeau.tensor(x).index_reduce(1, places, flambeau.tensor(src), "mean", include_self=include_self)  # fmt: skip
    want = x.copy()
    for i in set(places.tolist()):
        rows = src[:, [k for k, p in enumerate(places.tolist()) if p == i]]
        rows = np.concatenate([x[:, i : i + 1], rows], 1) if include_self else rows
        want[:, i] = rows.mean(1)
    np.testing.assert_allclose(made.numpy(), want)
