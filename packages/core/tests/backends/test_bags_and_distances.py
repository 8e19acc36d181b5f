"""embedding_bag, distances, counts and sums that leave NaN out: taken by their kernels, equal to their definitions."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, bags, counts, distances, reductions, threads
from flambeau.nn.functional import embedding_bag
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
RANDOM = np.random.default_rng(0)


@pytest.fixture(params=[1, 3])
def count(request):
    before = threads.count()
    threads.set_count(request.param)
    yield request.param
    threads.set_count(before)


@pytest.fixture
def taken(monkeypatch):
    """The names of the C functions that were called."""
    names = []
    for module, attribute in ((bags, "kernels"), (distances, "kernels"), (counts, "kernels"), (reductions, "_kernels")):  # fmt: skip
        monkeypatch.setattr(module, attribute, _Watched(getattr(module, attribute), names))
    monkeypatch.setattr(reductions, "_calls", {})
    return names


class _Watched:
    def __init__(self, inner, names):
        self.inner, self.names = inner, names

    def __getattr__(self, name):
        found = getattr(self.inner, name)
        if name == "of":
            return lambda x: _Watched(found(x), self.names)
        if name in ("float32", "float64", "int64"):
            return _Watched(found, self.names)
        self.names.append(name)
        return found


def tensor(values, dtype="float64", grad=True):
    made = flambeau.from_numpy(np.ascontiguousarray(values, dtype))
    return made.requires_grad_() if grad else made


def both(name, given, **attrs):
    """Result and gradients of the operator and of its definition."""
    getattr(flambeau, name, None)  # loads it
    made = []
    for run in (registry[name].public, lambda *a, **k: registry[name].call_body(a, k)):
        leaves = [
            x.detach().clone().requires_grad_(x.requires_grad)
            if isinstance(x, flambeau.Tensor)
            else x
            for x in given
        ]
        out = run(*leaves, **attrs)
        grads = []
        if out.requires_grad:
            weight = np.random.default_rng(1).standard_normal(tuple(out.shape))
            (out * flambeau.from_numpy(weight).to(out.dtype)).sum().backward()
            grads = [x.grad for x in leaves if isinstance(x, flambeau.Tensor) and x.requires_grad]
        made.append([out.detach(), *grads])
    for a, b in zip(*made, strict=True):
        assert a.dtype is b.dtype
        tolerance = 1e-4 if a.dtype is flambeau.float32 else 1e-10
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=tolerance, atol=tolerance)
    return made[0][0]


BAG = {
    "max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False, "sparse": False, "include_last_offset": False,
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags(dtype, mode, count, taken):
    for rows, width, padding in ((7, 5, None), (40, 67, 3), (3, 64, -1), (11, 1, 0)):
        numbers = RANDOM.standard_normal((rows, width)).round(1)  # some are equal
        if mode == "max":
            numbers[0, :3], numbers[2, :2] = np.nan, -np.inf
        table = tensor(numbers, dtype)
        for kind in ("int64", "int32"):
            index = tensor(RANDOM.integers(0, rows, (9, 4)), kind, grad=False)
            attrs = {**BAG, "mode": mode, "padding_idx": padding}
            both("embedding_bag", (index, table, None), per_sample_weights=None, **attrs)
            flat = index.reshape(-1)
            starts = flambeau.tensor([0, 3, 3, 20, 36])  # one is empty, so is the last
            both("embedding_bag", (flat, table, starts), per_sample_weights=None, **attrs)
            attrs["include_last_offset"] = True
            both("embedding_bag", (flat, table, starts), per_sample_weights=None, **attrs)
    used = {"bags_max", "bags_max_spread"} if mode == "max" else {"bags_sum", "bags_spread"}
    assert used <= set(taken)


def test_bags_of_weighed_rows(taken):
    table, index = tensor(RANDOM.standard_normal((20, 70))), RANDOM.integers(0, 20, (6, 5))
    samples = tensor(RANDOM.standard_normal((6, 5)))
    for padding in (None, int(index[0, 0])):
        out, want = [], []
        for run in (embedding_bag, None):
            table.grad = samples.grad = None
            picked = table[flambeau.from_numpy(index)] * samples.unsqueeze(-1)
            if run:
                made = run(flambeau.from_numpy(index), table, mode="sum", per_sample_weights=samples, padding_idx=padding)  # fmt: skip
            else:
                kept = flambeau.from_numpy(index != (-1 if padding is None else padding))
                made = (picked * kept.unsqueeze(-1)).sum(1)
            (made * made).sum().backward()
            (out if run else want).extend([made.detach(), table.grad, samples.grad])
        for a, b in zip(out, want, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-10)
    assert "bags_dots" in taken


def test_bags_that_are_refused():
    table = tensor(RANDOM.standard_normal((5, 3)))
    for bad in (5, -1):
        with pytest.raises(IndexError):
            embedding_bag(flambeau.tensor([[0, bad]]), table)
    with pytest.raises(RuntimeError, match=r"offsets\[0\] has to be 0"):
        embedding_bag(flambeau.tensor([0, 1]), table, flambeau.tensor([1, 2]))
    with pytest.raises(
        RuntimeError, match=r"offsets\[-1\] can not be greater than input's length 2"
    ):
        embedding_bag(flambeau.tensor([0, 1]), table, flambeau.tensor([0, 1 << 31]))
    for late in (-1, 1):
        with pytest.raises(RuntimeError, match="offsets must be in ascending order"):
            embedding_bag(flambeau.tensor([0, 1]), table, flambeau.tensor([0, 2, late]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distances(dtype, count, taken):
    for n, m, d in ((1, 200, 1), (13, 17, 5), (40, 131, 20), (200, 3, 2)):
        a, b = tensor(RANDOM.standard_normal((n, d)), dtype), tensor(RANDOM.standard_normal((m, d)), dtype)  # fmt: skip
        with flambeau.no_grad():
            b[0] = a[0]
        both("cdist", (a, b), p=1.0, compute_mode="use_mm_for_euclid_dist_if_necessary")
    for n, d in ((1, 300), (2, 100), (33, 4), (90, 7)):
        a = tensor(RANDOM.standard_normal((n, d)), dtype)
        for p in (1.0, 2.0):
            both("pdist", (a,), p=p)
    assert {"distances", "distances_back"} <= set(taken)


def test_distances_of_numbers_that_are_none():
    a = tensor([[np.nan, 1], [np.inf, 2], [3, 4]], grad=False).repeat(30, 1)
    for p in (1.0, 2.0):
        wanted = registry["pdist"].call_body((a,), {"p": p})
        np.testing.assert_array_equal(flambeau.pdist(a, p).numpy(), wanted.numpy())


def test_distances_twice_differentiated():
    a = tensor(RANDOM.standard_normal((12, 20)))
    (first,) = flambeau.autograd.grad(flambeau.pdist(a).square().sum(), a, create_graph=True)
    (second,) = flambeau.autograd.grad(first.sum(), a)
    np.testing.assert_allclose(
        second.numpy(), 0, atol=1e-9
    )  # moved together, rows stay as far apart


def test_counts(count, taken):
    for n, top in ((5000, 3), (70_000, 1000), (40_000, 1)):
        values = RANDOM.integers(0, top, n)
        made = flambeau.bincount(flambeau.from_numpy(values), minlength=2)
        np.testing.assert_array_equal(made.numpy(), np.bincount(values, minlength=2))
    assert taken.count("count") == 3
    spread = np.array([0, 1 << 20] * 3000)
    np.testing.assert_array_equal(flambeau.bincount(flambeau.from_numpy(spread)).numpy(), np.bincount(spread))  # fmt: skip
    with pytest.raises(RuntimeError, match="non-negative"):
        flambeau.bincount(flambeau.from_numpy(np.array([-1] * 5000)))


@pytest.mark.parametrize("size", [5, 5000])
def test_what_has_no_memory_for_its_counts(size):
    """NumPy's own bincount writes before its array where the largest int64 is among the numbers."""
    x = flambeau.ones(size, dtype=flambeau.int64)
    with pytest.raises(RuntimeError, match="overflow"):
        flambeau.bincount(x, minlength=1 << 61)
    x[3] = 2**63 - 1
    for least in (0, 9):
        with pytest.raises(RuntimeError, match="overflow"):
            flambeau.bincount(x, minlength=least)


@pytest.mark.parametrize("size", [50, 5000])
@pytest.mark.parametrize("dtype, most", [("float32", 2.0**127), ("float64", 2.0**1023)])
def test_bins_of_all_numbers(dtype, most, size):
    values = np.linspace(-1, 1, size) * most
    for low in (-most, 0.0):
        x = flambeau.from_numpy(values.astype(dtype))
        small = flambeau.from_numpy(np.linspace(-1, 1, size).astype(dtype))
        made, wanted = flambeau.histc(x, 7, low, most), flambeau.histc(small, 7, low / most, 1)
        assert made.tolist() == wanted.tolist() and made.sum() == (small >= low / most).sum()


@pytest.mark.parametrize("size", [50, 5000])
def test_bins_narrower_than_numbers_are(size):
    assert flambeau.histc(flambeau.ones(size), 3, 1, 1 + 1e-12).tolist() == [size, 0, 0]
    with pytest.raises(RuntimeError, match="to type float without overflow"):
        flambeau.histc(flambeau.ones(size), 3, 0, 1e300)


def test_numbers_larger_than_those_that_were_compiled_with():
    """Bins that are asked for hide the largest number from a recording of the call."""
    compiled = flambeau.compile(lambda x: flambeau.bincount(x, minlength=50))
    x = flambeau.arange(5000) % 50
    with pytest.warns(UserWarning, match="the result's shape depends on values"):
        made = [compiled(x) for _ in range(3)]
    assert [m.tolist() for m in made] == [[100] * 50] * 3
    x[7] = 50
    assert compiled(x).tolist() == [100] * 7 + [99] + [100] * 42 + [1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bins(dtype, count, taken):
    values = RANDOM.standard_normal(70_001).astype(dtype)
    values[:4] = [np.nan, np.inf, -np.inf, 1.5]
    assert flambeau.histc, "loads the operator inside it"
    for bins, low, high in ((10, -1.0, 1.0), (7, -3.0, 1.5), (1, 0.0, 0.25)):
        x = flambeau.from_numpy(values)
        both("counts_in_bins", (x,), bins=bins, low=low, high=high)
        assert flambeau.histc(x, bins, low, high).dtype is x.dtype
    assert "count" in taken
    leaf = flambeau.from_numpy(values[4:]).requires_grad_()
    assert not flambeau.histc(leaf, 5).requires_grad


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_without_what_is_no_number(dtype, count, taken):
    values = RANDOM.standard_normal((90, 3, 101)).astype(dtype)
    values[RANDOM.random(values.shape) < 0.3] = np.nan
    values[0, 0, 1] = np.inf
    for dim in (None, 0, 1, 2, (0, 2), -1):
        for keep in (False, True):
            both("nansum", (tensor(values, dtype),), dim=dim, keepdim=keep, dtype=None)
    x = tensor(values, dtype, grad=False).transpose(0, 2)[::2]
    wanted = np.nansum(x.numpy().astype("f8"), 1)
    np.testing.assert_allclose(flambeau.nansum(x, 1).numpy(), wanted, rtol=1e-4)
    assert "add_numbers" in taken


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_sums(dtype, count):
    for shape in ((70_000,), (70_001,), (300, 3, 96), (80, 33, 31), (2, 70_000)):
        values = (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(dtype)
        x = flambeau.from_numpy(values)
        for dim in (None, *range(len(shape)), tuple(range(len(shape)))[1:] or None):
            for keep in (False, True):
                made = x.sum(dim, keep) if dim is not None else x.sum()
                wanted = values.astype("c16").sum(dim, keepdims=keep and dim is not None)
                assert made.dtype is x.dtype and tuple(made.shape) == wanted.shape
                np.testing.assert_allclose(made.numpy(), wanted, rtol=1e-4, atol=1e-3)
