"""Kernels that memory bounds equal their references: layouts, odd sizes, NaN, few and many threads; and they are really used."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, copies, reductions, sorting, threads
from flambeau.runtime import elementwise as into_module
from flambeau.runtime.backend import of_device
from flambeau.runtime.dispatch import choose, offers
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
DTYPES = ("float32", "float64", "int64", "int32", "bool")


@pytest.fixture(autouse=True)
def small_arrays_too(monkeypatch):
    """Kernels decline what NumPy does as quickly; here they must not. The number of threads is put back."""
    before = threads.count()
    monkeypatch.setattr(copies, "LEAST_ROWS", 0)
    monkeypatch.setattr(reductions, "LEAST_PLACE", 0)
    yield
    threads.set_count(before)


def laid_out(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> list[np.ndarray]:
    """The same random numbers row by row, transposed, with gaps, and from behind."""
    a = (rng.standard_normal(shape) * 3).astype(dtype)
    if a.dtype.kind == "f":
        flat = a.reshape(-1)
        flat[rng.integers(0, flat.size, 3)] = [np.nan, np.inf, -0.0]
    order = tuple(reversed(range(a.ndim)))
    wide = np.repeat(a, 2, axis=-1)
    return [
        a,
        np.ascontiguousarray(a.transpose(order)).transpose(order),
        wide[..., ::2],
        np.ascontiguousarray(a[::-1])[::-1],
    ]


def both(name: str, *raw: np.ndarray, **attrs):
    """(kernel's result, reference's) for raw arrays, with a look that the kernel does not decline."""
    op, cpu = registry[name], of_device("cpu")
    (_, kernel), *_ = offers(op, cpu)
    seen = []
    reference = op.kernels[None]
    op.kernels[None] = lambda *a, **k: seen.append(1) or reference(*a, **k)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = kernel(cpu.xp, *raw, **attrs)
    finally:
        op.kernels[None] = reference
    assert not seen, f"{name} declined"
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return made, reference(cpu.xp, *raw, **attrs)


def equal(got, want, exact=True):
    if isinstance(want, tuple):
        for g, w in zip(got, want, strict=True):
            equal(g, w, exact)
        return
    want = np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape
    if exact or want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
    else:
        eps = np.finfo(want.dtype).eps
        np.testing.assert_allclose(got, want, rtol=64 * eps, atol=512 * eps)


SHAPES = [(1,), (37,), (5000,), (3, 1), (61, 129), (129, 64), (2, 1500), (7, 11, 33), (2, 3, 5, 70)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions_equal_the_reference(dtype):
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        for n, a in enumerate(laid_out(rng, shape, dtype)):
            threads.set_count(1 + n % 2)
            for dim in (None, *range(len(shape)), tuple(range(0, len(shape), 2))):
                attrs = {"dim": dim, "keepdim": bool(n % 2)}
                for name in ("any", "all"):
                    equal(*both(name, a, **attrs))
                if dtype == "bool":
                    continue
                for name in ("amax", "amin"):
                    equal(*both(name, a, **attrs))
                if dtype != "int32":
                    equal(*both("sum", a, **attrs, dtype=None), exact=False)
                if isinstance(dim, int) and a.shape[dim] > 1:
                    for name in ("argmax_dim", "argmin_dim"):
                        equal(*both(name, a, **attrs))
                if a.dtype.kind == "f":
                    equal(*both("norm2", a, **attrs), exact=False)
                    small = np.where(np.isfinite(a), a / 3, 1).astype(dtype)
                    if small.size < 200:
                        equal(*both("prod_dims", small, **attrs, dtype=None), exact=False)


@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64], ids=str)
def test_sums_are_near_the_sum_and_do_not_depend_on_threads(dtype):
    x = (flambeau.randn(1000, 333) * 100 + 1000).to(dtype)
    exact = x.numpy().astype("longdouble")
    eps = np.finfo(dtype.numpy).eps
    for dim, axis in ((0, 0), (1, 1), ((0, 1), None)):
        results = []
        for count in (1, 2, 5):
            threads.set_count(count)
            results.append(x.sum(dim).numpy())
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])
        np.testing.assert_allclose(results[0], exact.sum(axis).astype(dtype.numpy), rtol=3 * eps)


def test_variance_is_claimed_whole_with_its_gradient():
    x = (flambeau.randn(300, 101) + 50).requires_grad_()
    assert choose(registry["var"], of_device("cpu"), (x,), {}) is not None
    for dim, correction, keepdim in ((1, 1, False), (0, 0, True), ((0, 1), 2, False)):
        got = flambeau.var(x, dim, correction=correction, keepdim=keepdim)
        want = np.var(x.detach().numpy().astype("f8"), axis=dim, ddof=correction, keepdims=keepdim)
        np.testing.assert_allclose(got.detach().numpy(), want, rtol=2e-6)
        assert got.dtype is flambeau.float32
        g = flambeau.randn(*got.shape)
        (grad,) = flambeau.autograd.grad(got, x, g, create_graph=False)
        wide = x.detach().double().requires_grad_()
        centred = wide - wide.mean(dim, True)
        n = x.numel() // max(1, got.numel())
        plain = (centred * centred).sum(dim, keepdim) / (n - correction)
        (exact,) = flambeau.autograd.grad(plain, wide, g.double())
        # The mean is some 50: what its rounding leaves of small distances from it.
        np.testing.assert_allclose(grad.numpy(), exact.numpy(), rtol=1e-4, atol=5e-7)
    strided = flambeau.randn(200, 300)[:, ::2]
    np.testing.assert_allclose(strided.var(0), np.var(strided.numpy(), 0, ddof=1), rtol=1e-5)


@pytest.mark.parametrize("dtype", [*DTYPES, "int16", "float16", "complex128"])
def test_copies_equal_the_reference(dtype):
    rng = np.random.default_rng(1)
    for shape in [*SHAPES, (130, 131), (3, 50, 49), (2, 65, 3, 17)]:
        a = (rng.standard_normal(shape) * 5).astype(dtype)
        order = rng.permutation(a.ndim)
        for x in (a, a.transpose(order), a[..., ::-1], a[1:], np.broadcast_to(a[:1], shape)):
            if not x.size:
                continue
            made, want = both("clone", x, memory_format=None)
            equal(made, want)
            assert made.strides == want.strides or not x.flags.c_contiguous
            equal(*both("clone", x, memory_format=flambeau.contiguous_format))
            equal(*both("flip", x, dims=(0,)))
            equal(*both("flip", x, dims=tuple(range(x.ndim))))
            pads = tuple((int(p), int(q)) for p, q in rng.integers(-1, 3, (x.ndim, 2)))
            if all(n + p + q > 0 for n, (p, q) in zip(x.shape, pads)):
                equal(*both("pad_constant", x, pads=pads, value=2))
            if x.ndim > 1:
                for diagonal in (-100, -1, 0, 2, 100):
                    equal(*both("tril", x, diagonal=diagonal))
                    equal(*both("triu", x, diagonal=diagonal))
            target = np.zeros(x.shape, dtype)[::-1]
            want = np.array(x)
            assert both("copy_into", target, x)[0] is target
            np.testing.assert_array_equal(target, want)


def test_a_copy_onto_memory_of_its_own_is_the_references():
    a = np.arange(50_000.0, dtype="f4")
    x = flambeau.from_numpy(a)
    x[1:].copy_(x[:-1])
    assert a[0] == 0 and (a[1:] == np.arange(49_999)).all()
    x[:] = x.flip(0)
    assert a[-1] == 0


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "float16"])
def test_joining_equals_the_reference(dtype):
    rng = np.random.default_rng(2)
    for shape, dim in (((50_001,), 0), ((300, 130), 0), ((300, 130), 1), ((40, 30, 31), 1), ((40, 30, 31), -1)):  # fmt: skip
        parts = [(rng.standard_normal(shape) * 5).astype(dtype) for _ in range(3)]
        parts[1] = np.take(parts[1], range(1, shape[dim]), axis=dim)
        parts[2] = np.ascontiguousarray(parts[2].T).T
        equal(*both("cat", *parts, dim=dim))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_rows_beside_each_other_in_one_call(count):
    rng = np.random.default_rng(count)
    whole = []
    for dtype, sizes in (("float32", (1, 1)), ("float32", (40, 700)), ("int64", (1, 1)), ("uint8", (129, 5000)), ("float64", (16, 300)), ("complex128", (9, 11))):  # fmt: skip
        for n in (1, 3, 70_001 // sizes[1] + 1):
            shapes = [(n, int(rng.integers(sizes[0], sizes[1] + 1))) for _ in range(count)]
            parts = [(rng.standard_normal(s) * 9).astype(dtype) for s in shapes]
            if count == 3 and sizes[1] > 1:
                parts[1] = parts[1][:, :0]
            join = copies._Join.of(parts, 1)
            assert join is not None
            whole.append(join.plan is not None)
            if join.small:
                continue
            for number in (1, 3):
                threads.set_count(number)
                np.testing.assert_array_equal(copies._cat(*parts, dim=1), np.concatenate(parts, 1))
                turned = [np.ascontiguousarray(p.T) for p in parts]
                np.testing.assert_array_equal(copies._cat(*turned, dim=0), np.concatenate(turned, 0))  # fmt: skip
    assert any(whole) == (count <= 4)


def test_casts_equal_the_references():
    rng = np.random.default_rng(3)
    names = ("float32", "float64", "int64", "int32", "uint8", "bool", "float16", "bfloat16")
    kinds = [getattr(flambeau, n) for n in names]
    plain = (rng.standard_normal((90, 71)) * 20).astype("f4")
    for of in kinds:
        x = np.abs(plain).astype(of.numpy)
        for to in kinds:
            for a in (x, x.T, x[:, ::2], np.broadcast_to(x[:1], x.shape)):
                made, want = both("to_dtype", a, dtype=to)
                assert made.dtype == want.dtype
                np.testing.assert_array_equal(made.astype("f8"), want.astype("f8"))
    every = np.arange(1 << 16, dtype="u2").view("f2")
    equal(*both("to_dtype", every, dtype=flambeau.float32))
    finite = np.sort(every[np.isfinite(every)].astype("f8"))
    middle = (finite[1:] + finite[:-1]) / 2  # ties, and what is next to them
    for wide in (middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf), middle * 1e9):
        equal(*both("to_dtype", wide, dtype=flambeau.float16))
        equal(*both("to_dtype", wide.astype("f4"), dtype=flambeau.float16))
    odd = np.array([np.nan, np.inf, -np.inf, 1e20, -0.0, 1e-45] * 9, "f4")
    for to in (flambeau.float16, flambeau.float64, flambeau.bool, flambeau.int64):
        equal(*both("to_dtype", odd, dtype=to))


@pytest.mark.parametrize("dtype", [*DTYPES, "uint8", "float16"])
def test_order_equals_the_reference(dtype):
    rng = np.random.default_rng(4)
    for shape in SHAPES:
        for n, a in enumerate(laid_out(rng, shape, dtype)):
            threads.set_count(1 + n % 2)
            if a.dtype.kind == "f":
                a = np.where(rng.random(a.shape) < 0.1, np.round(a), a)  # equals, of both zeros too
            for dim in range(a.ndim):
                for down in (False, True):
                    made, want = both("sort", a, dim=dim, descending=down, stable=True)
                    equal(made, want)
                    size = a.shape[dim]
                    for k in {1, size // 9, size // 2, size} - {0}:
                        if dtype != "bool":
                            attrs = {"k": k, "dim": dim, "largest": down, "sorted": True}
                            equal(*both("topk", a, **attrs))


def test_long_rows_are_sorted_by_all_threads():
    rng = np.random.default_rng(5)
    for dtype in ("float32", "int64", "uint8"):
        a = (rng.standard_normal(70_001) * 50).astype(dtype)
        want = np.argsort(a, kind="stable")
        for count in (1, 3):
            threads.set_count(count)
            values, places = flambeau.from_numpy(a).sort()
            np.testing.assert_array_equal(places.numpy(), want)
            np.testing.assert_array_equal(values.numpy(), a[want])


def test_the_first_few_of_many_equals_are_the_first():
    x = flambeau.zeros(3, 5000)
    x[:, 4000:] = 1
    assert x.topk(3).indices.tolist() == [[4000, 4001, 4002]] * 3
    assert x.topk(3, largest=False).indices.tolist() == [[0, 1, 2]] * 3
    assert x.topk(1001).indices[0, -1] == 0
    x[0, 77] = float("nan")
    assert x.topk(2).indices[0].tolist() == [77, 4000]


def test_distinct_elements_and_places_equal_the_reference():
    rng = np.random.default_rng(6)
    for dtype in ("float32", "int64", "bool"):
        for shape in ((5000,), (71, 90), (7, 11, 33)):
            a = (rng.standard_normal(shape) * 3).round().astype(dtype)
            equal(*both("unique_parts", a, rows=False))
            equal(*both("nonzero_table", a))
            equal(*both("nonzero_table", a.T))
            equal(*both("nonzero_table", a * 0))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_running_results_equal_the_reference(dtype):
    flambeau.zeros(2).cummax(0)  # its file is imported when first touched
    rng = np.random.default_rng(7)
    for shape in [*SHAPES, (200_000,)]:
        for a in laid_out(rng, shape, dtype):
            for dim in range(a.ndim):
                finite = np.where(np.isfinite(a), a, 0).astype(dtype)
                made, want = both("cumsum", finite, dim=dim, dtype=None)
                atol = (
                    1e-3 if dtype == "float32" else 1e-10
                )  # NumPy's own error grows along the row
                np.testing.assert_allclose(made, want, rtol=1e-6, atol=atol)
                near_one = (1 + finite / 100).astype(dtype)
                equal(*both("cumprod", near_one, dim=dim, dtype=None), exact=False)
                for largest in (True, False):
                    equal(*both("extreme_places", a, dim=dim, largest=largest))
    wild = np.tile(np.array([1e200, 1e-200, 1e300, 1e-300]), 2000)
    np.testing.assert_allclose(flambeau.from_numpy(wild).cumprod(0).numpy(), np.cumprod(wild))


# -- elementwise ----------------------------------------------------------------------------------------------------

BINARY = ("add", "mul", "true_divide", "maximum", "minimum", "eq", "lt", "where", "lerp", "addcmul")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "float16", "bfloat16"])
@pytest.mark.parametrize("name", BINARY)
def test_operands_of_all_shapes(name, dtype):
    op, cpu = registry[name], of_device("cpu")
    kind = getattr(flambeau, dtype)
    if not kind.is_floating_point and name in ("true_divide", "lerp"):
        return
    if dtype == "bool" and name == "addcmul":
        return
    rng = np.random.default_rng(8)
    (_, kernel), *_ = offers(op, cpu)
    attrs = {p: op.defaults[i] for i, p in op.attrs}
    whole = (rng.standard_normal((61, 70)) * 4).astype("f4").astype(kind.numpy)
    if kind.is_floating_point:
        whole[0, :2] = [np.nan, np.inf]
    others = [whole, whole.T.copy().T, whole[:1], whole[:, :1], whole[:, ::-1], whole[0, 0], 2]
    for i, other in enumerate(others):
        raw = [whole, other, whole[::-1]][: len(op.arrays)]
        if name == "where":
            raw = [whole.astype("f8") > 1, other, whole]
        if isinstance(other, int) and name in ("lerp", "addcmul"):
            continue
        if not isinstance(raw[1], int):
            raw[1] = np.asarray(raw[1])
        elif kind.is_floating_point:
            raw[1] = 2.3
        elif dtype == "bool":
            continue
        assert kernel.call(tuple(raw), attrs) is not None, i
        with np.errstate(all="ignore"):
            made = kernel(cpu.xp, *raw, **attrs)
            want = op.kernels[None](cpu.xp, *raw, **attrs)
        assert made.dtype == want.dtype and made.shape == want.shape
        if name == "add" and isinstance(other, int):  # the reference adds the number as a double
            eps = np.finfo("f4").eps if dtype == "float32" else 0
            np.testing.assert_allclose(made.astype("f8"), want.astype("f8"), rtol=eps, atol=eps)
        else:
            np.testing.assert_array_equal(made.astype("f8"), want.astype("f8"))


def test_powers_by_numbers():
    op, cpu = registry["pow"], of_device("cpu")
    (_, kernel), *_ = offers(op, cpu)
    x = np.linspace(0.1, 9, 40_000, dtype="f4")
    for exponent in (2, 3, 0.5, -1, -0.5):
        assert kernel.call((x, exponent), {}) is not None
        np.testing.assert_allclose(kernel(cpu.xp, x, exponent), x.astype("f8") ** exponent, rtol=1e-6)  # fmt: skip
    np.testing.assert_allclose(kernel(cpu.xp, x, 1.7), x ** np.float32(1.7), rtol=2e-7)
    wide = x.astype("f8")
    assert kernel.call((wide, 1.7), {}) is None  # by NumPy's vectors
    np.testing.assert_array_equal(kernel(cpu.xp, wide, 1.7), wide**1.7)


@pytest.mark.parametrize("exponent", [2, 3, 4, 0.5, 1.5, 2.5, -1])
def test_gradients_of_powers_by_numbers(exponent):
    x = flambeau.from_numpy(np.linspace(0, 9, 40_000, dtype="f4")).requires_grad_()
    (grad,) = flambeau.autograd.grad(x**exponent, x, flambeau.full_like(x, 2.0))
    with np.errstate(divide="ignore"):
        want = 2 * exponent * x.detach().numpy().astype("f8") ** (exponent - 1)
    np.testing.assert_allclose(grad.numpy(), want, rtol=1e-6)


def test_large_integers_keep_their_digits():
    x = flambeau.full((40_000,), 2**62 + 1)
    assert (x + 2**61)[0].item() == 2**62 + 1 + 2**61
    assert flambeau.add(x, x * 0 + 1, alpha=2**60 + 1)[0].item() == 2**62 + 1 + 2**60 + 1
    assert (x.clamp(max=2**60 + 1) == 2**60 + 1).all()


def test_in_place_writes_where_it_reads(monkeypatch):
    x, y = flambeau.randn(300, 200), flambeau.randn(300, 200)
    x + y  # the kernels are there from now on
    written = []
    write = into_module.into
    monkeypatch.setattr("flambeau.methods.twins.into", lambda *a, **k: written.append(write(*a, **k)) or written[-1])  # fmt: skip
    cases = [
        (lambda a: a.add_(y), lambda a: a + y, True),
        (lambda a: a.add_(y[0], alpha=3), lambda a: a + 3 * y[0], True),
        (lambda a: a.mul_(2.5), lambda a: a * 2.5, True),
        (lambda a: a.mul_(a), lambda a: a * a, True),
        (lambda a: a.div_(y), lambda a: a / y, True),
        (lambda a: a.sigmoid_(), lambda a: a.sigmoid(), True),
        (lambda a: a.mul_(a[0]), lambda a: a * a[0], False),  # it reads what it has written
        (lambda a: a.t().add_(y.t()).t(), lambda a: a + y, True),
    ]
    for change, plain, once in cases:
        a = x.clone()
        memory, version = a.data_ptr(), a._version
        made = change(a)
        assert written.pop() is once
        assert a.data_ptr() == memory and a._version > version
        np.testing.assert_allclose(made.numpy(), plain(x).numpy(), rtol=2e-6)
    leaf = flambeau.randn(300, 200, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        leaf.relu_()
    (leaf * 1).mul_(2).relu_().sum().backward()
    assert set(np.unique(leaf.grad.numpy())) == {0.0, 2.0}


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64", "complex128"])
def test_channels_become_planes(channels, dtype):
    """Pieces of 8192 pixels and what is left of them, in one picture and in several, into memory and out of it."""
    numbers = np.random.default_rng(0).integers(0, 200, (2, 97 * 103, channels))
    pixels = numbers.astype(dtype)
    for source in (pixels, pixels[:, ::2], pixels[1]):
        turned = source.swapaxes(-1, -2)
        np.testing.assert_array_equal(copies.dense(turned), np.ascontiguousarray(turned))
        back = np.zeros_like(source)
        copies.write(back.swapaxes(-1, -2), np.ascontiguousarray(turned))
        np.testing.assert_array_equal(back, source)


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "int32", "uint8"])
@pytest.mark.parametrize("right", [False, True])
def test_places_in_sorted_rows_are_numpys(kind, right):
    rng = np.random.default_rng(5)
    op = flambeau.searchsorted and registry["places_in"]  # defined when first touched
    for n, count in ((1, 40), (2, 33), (7, 700), (50, 3001), (1000, 31)):
        rows = np.sort(rng.integers(0, 2 * n, (3, n)).astype(kind), axis=1)
        x = rng.integers(0, 2 * n + 2, (3, count)).astype(kind)
        if kind.startswith("float"):
            rows[1, n - n // 3 :] = np.nan
            rows[0, 0], x[:, ::5], x[:, 1::7] = -np.inf, np.nan, -0.0
        with_rows = sorting._places_in(rows, x, right=right)
        assert with_rows is not NotImplemented
        np.testing.assert_array_equal(with_rows, op.kernels[None](np, rows, x, right=right))
        flat = sorting._places_in(rows[1], x, right=right)
        np.testing.assert_array_equal(flat, op.kernels[None](np, rows[1], x, right=right))
        turned = sorting._places_in(rows[1], x.T, right=right)
        np.testing.assert_array_equal(turned, flat.T)


def test_a_search_takes_the_kernel(monkeypatch):
    edges, x = flambeau.arange(50.0), flambeau.rand(3000) * 60
    seen = []
    want = flambeau.bucketize(x.double(), edges.double())
    monkeypatch.setattr(sorting, "_search", SeenKernels(sorting._search, seen))
    assert flambeau.equal(flambeau.bucketize(x, edges), want) and seen == ["float32"]
    assert flambeau.bucketize(x, flambeau.empty(0)).sum() == 0  # no row to search in


class SeenKernels:
    """Kernels that note which dtypes were asked for."""

    def __init__(self, kernels, seen):
        self.kernels, self.seen = kernels, seen

    def __getattr__(self, dtype):
        self.seen.append(dtype)
        return getattr(self.kernels, dtype)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_extremes_of_rows_with_and_without_nan(dtype):
    rng = np.random.default_rng(2)
    for n in (1, 2, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 200, 1003):
        x = rng.standard_normal((9, n)).astype(dtype)
        x[1, 0], x[2, -1], x[3, n // 2] = np.nan, np.nan, -np.nan
        x[4], x[5] = -np.inf, np.inf
        for name, want in (("max", x.max(1)), ("min", x.min(1))):
            np.testing.assert_array_equal(reductions.reduced(name, x, (1,), False, x.dtype), want)
        for name, want in (("argmax", x.argmax(1)), ("argmin", x.argmin(1))):
            np.testing.assert_array_equal(
                reductions.reduced(name, x, (1,), False, np.int64, places=True), want
            )


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8"])
def test_short_rows_are_folded_whole(dtype):
    rng = np.random.default_rng(5)
    for n in (*range(1, 20), 31, 32, 33, 127, 128, 129):
        x = rng.integers(-3, 4, (70, n)).astype(dtype)
        kind = x.dtype if dtype.startswith("float") else np.dtype("int64")
        np.testing.assert_array_equal(
            reductions.reduced("add", x, (1,), False, kind), x.sum(1, dtype=kind)
        )
        for name, fold in (("max", np.max), ("min", np.min), ("multiply", np.prod)):
            want = (
                fold(x, axis=1).astype(x.dtype)
                if name != "multiply"
                else np.multiply.reduce(x, 1, x.dtype)
            )
            np.testing.assert_array_equal(reductions.reduced(name, x, (1,), False, x.dtype), want)


@pytest.mark.parametrize("turned", [(0, 2, 1, 3), (2, 0, 1, 3), (1, 2, 0, 3)])
@pytest.mark.parametrize("width", [1, 31, 32, 33, 64, 100, 129, 200])
def test_rows_are_copied_in_any_order(turned, width):
    x = np.arange(5 * 6 * 7 * width, dtype="f4").reshape(5, 6, 7, width)
    for source in (
        x,
        x[::-1],
        x[:, ::-1],
        x[::-1, ::2, ::-1],
        x[:, :, 1:2],
        x[..., : max(1, width // 2)],
    ):
        view = source.transpose(turned)
        np.testing.assert_array_equal(copies.dense(view), view)
        target = np.zeros((7, *view.shape[::-1]), "f4").transpose(4, 3, 2, 1, 0)[..., 3]
        copies.write(target, view)
        np.testing.assert_array_equal(target, view)
    wide = np.broadcast_to(x[:, :, :1], x.shape)
    np.testing.assert_array_equal(copies.dense(wide), wide)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_slices_are_joined_without_a_copy_before(dim):
    x = np.arange(40 * 50 * 60, dtype="f4").reshape(40, 50, 60)
    pieces = [(slice(None),) * dim + (slice(a, b),) for a, b in ((20, 40), (3, 4), (0, 20), (5, 9))]
    for some in (pieces[:2], pieces[:3], pieces):
        parts = [x[p] for p in some]
        found = copies._cat(*parts, dim=dim)
        assert found is not NotImplemented
        np.testing.assert_array_equal(found, np.concatenate(parts, dim))
        np.testing.assert_array_equal(
            copies._cat(*[p[::-1] for p in parts], dim=dim),
            np.concatenate([p[::-1] for p in parts], dim),
        )
    joined = copies._Join.of([x[p] for p in pieces], dim).plan is not None
    assert joined == (dim < 2)  # rows that are worth it
    assert (
        copies._row_step(x[:, :, ::2], 1) is None and copies._row_step(x[:, 3:9], 1) == 50 * 60 * 4
    )
