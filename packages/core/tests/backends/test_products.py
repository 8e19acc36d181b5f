"""Products by our own kernels equal their definition, for every layout, and run where they say they do."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as fl
from flambeau.backends import cpu
from flambeau.backends.cpu import products, threads

pytestmark = pytest.mark.skipif(not cpu.available(), reason="no C compiler")

F = fl.nn.functional
KINDS = [np.float32, np.float64]
# Edges of tiles, panels and blocks; thin, flat, tall, long; K short and none.
SIZES = [
    (64, 64, 64), (57, 33, 99), (15, 300, 31), (300, 15, 520), (1, 400, 300), (400, 1, 300), (3, 500, 129), (8, 257, 64),
    (513, 7, 40), (9, 40, 2000), (17, 90, 700), (2000, 30, 20), (2, 3, 20_000), (20, 33, 9001), (1, 1, 30_000),
    (130, 450, 2), (700, 300, 1), (200, 170, 600),
]  # fmt: skip
LAYOUTS = ["plain", "transposed", "strided", "backwards"]


@pytest.fixture(autouse=True)
def given_back():
    before = threads.count()
    yield
    threads.set_count(before)


def matrix(rng, rows, columns, layout, dtype):
    if layout == "transposed":
        return rng.standard_normal((columns, rows)).astype(dtype).T
    if layout == "strided":
        return rng.standard_normal((rows * 2, columns * 3)).astype(dtype)[1::2, ::3]
    made = rng.standard_normal((rows, columns)).astype(dtype)
    return made[::-1, ::-1] if layout == "backwards" else made


def close(got, want, depth):
    """Within the roundings of sums of `depth` products of normal numbers."""
    eps = np.finfo(got.dtype).eps
    np.testing.assert_allclose(got, want, rtol=8 * eps, atol=eps * (32 + 2 * depth))


def exact(a, b):
    return np.matmul(a.astype(np.float64), b.astype(np.float64))


@pytest.fixture
def any_size(monkeypatch):
    monkeypatch.setattr(products, "LEAST", 0)
    monkeypatch.setattr(products, "LEAST_VECTOR", 0)


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_layout_and_number_of_threads(size, dtype):
    m, n, k = size
    rng = np.random.default_rng(m * n + k)
    bias = rng.standard_normal(n).astype(dtype)
    for i, layout in enumerate(LAYOUTS):
        for other in (LAYOUTS[i], LAYOUTS[i - 1]):
            a, b = matrix(rng, m, k, layout, dtype), matrix(rng, k, n, other, dtype)
            made = []
            for count in (1, 3):
                threads.set_count(count)
                made.append(products.product(a, b, bias))
            assert made[0] is not NotImplemented
            close(made[0], exact(a, b) + bias, k)
            assert np.array_equal(made[0], made[1])  # to the last bit
            close(products.product(a, b), exact(a, b), k)


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("dtype", KINDS)
def test_random_sizes(dtype):
    rng = np.random.default_rng(7)
    for _ in range(60):
        m, n, k = (int(s) for s in np.exp(rng.uniform(0, 5.5, 3)))
        a = matrix(rng, m, k, str(rng.choice(LAYOUTS)), dtype)
        b = matrix(rng, k, n, str(rng.choice(LAYOUTS)), dtype)
        close(products.product(a, b), exact(a, b), k)


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize(
    "size",
    [(57, 33, 99), (15, 300, 31), (200, 170, 600), (35, 64, 1100), (42, 430, 700), (29, 430, 70)],
    ids=str,
)
def test_packed_or_read_where_they_lie_gives_the_same_bits(size, dtype):
    m, n, k = size
    rng = np.random.default_rng(n)
    page = 4096 // np.dtype(dtype).itemsize  # rows so far apart share places in the cache: packed
    far = rng.standard_normal((max(m, n, k), 3 * page)).astype(dtype)
    bias = rng.standard_normal(n).astype(dtype)
    a, b = far[:m, :k], far[:k, -n:]
    packed = products.product(a, b, bias)
    close(packed, exact(a, b) + bias, k)
    assert np.array_equal(packed, products.product(a.copy(), b.copy(), bias))
    b = far[:n, -k:].T
    assert np.array_equal(products.product(a, b), products.product(a.copy(), b.copy(order="F")))
    a, b = far[:k, :m].T, far[-k:, :n]  # as the gradient of a weight
    for count in (1, 3):
        threads.set_count(count)
        packed = products.product(a, b, bias)
        close(packed, exact(a, b) + bias, k)
        assert np.array_equal(packed, products.product(a.copy(), b.copy(), bias))


BATCHES = [
    ((6,), (6,)), ((3, 4), (3, 4)), ((3, 1), (4,)), ((1,), (5,)), ((5,), (1,)), ((2, 3, 2), (2, 1, 2)), ((2, 1, 3), (1, 5, 1)),
]  # fmt: skip


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("batches", BATCHES, ids=str)
def test_stacks_that_broadcast(batches, dtype):
    rng = np.random.default_rng(1)
    for m, n, k in ((40, 50, 60), (1, 90, 70), (90, 2, 70), (130, 140, 100)):
        a = rng.standard_normal((*batches[0], m, k)).astype(dtype)
        b = rng.standard_normal((*batches[1], n, k)).astype(dtype).swapaxes(-1, -2)
        made = products.products(a, b)
        assert made.shape == (*np.broadcast_shapes(*batches), m, n)
        close(made, exact(a, b), k)
        close(products.products(a, b[..., ::2]), exact(a, b[..., ::2]), k)


def test_heads_are_not_copied(monkeypatch):
    monkeypatch.setattr(products, "_compact", None)
    x = np.random.default_rng(0).standard_normal((4, 64, 8, 32)).astype(np.float32)
    heads = x.transpose(0, 2, 1, 3)
    close(
        products.products(heads, heads.swapaxes(-1, -2)), exact(heads, heads.swapaxes(-1, -2)), 32
    )


def test_vectors_and_ranks():
    rng = np.random.default_rng(2)
    for sa, sb in [
        ((300, 200), (200,)), ((200,), (200, 300)), ((20_000,), (20_000,)), ((3, 50, 200), (200,)), ((200,), (3, 200, 50)),
        ((3, 50, 60), (60, 70)), ((50, 60), (3, 60, 70)), ((2, 3, 50, 60), (60, 70)),
    ]:  # fmt: skip
        a, b = (
            rng.standard_normal(sa).astype(np.float32),
            rng.standard_normal(sb).astype(np.float32),
        )
        made = fl.tensor(a) @ fl.tensor(b)
        want = exact(a, b)
        assert tuple(made.shape) == want.shape
        close(made.numpy(), want, sa[-1])


def test_what_is_empty_or_does_not_fit():
    a = np.ones((0, 50), np.float32)
    assert products.product(a, np.ones((50, 9000), np.float32)) is NotImplemented
    assert (fl.ones(200, 0) @ fl.ones(0, 300)).abs().sum() == 0
    assert fl.ones(3, 0, 100) @ fl.ones(100, 200) is not None
    for x, y in [((200, 100), (99, 300)), ((4, 200, 100), (4, 99, 300)), ((4, 200, 100), (3, 100, 300))]:  # fmt: skip
        with pytest.raises(RuntimeError):
            fl.ones(*x) @ fl.ones(*y)
    with pytest.raises(RuntimeError):
        F.linear(fl.ones(200, 100), fl.ones(300, 99))
    with pytest.raises(RuntimeError):
        fl.ones(200, 100) @ fl.ones(100, 300, dtype=fl.float64)


def test_nan_and_infinity_stay_in_their_rows_and_columns():
    a, b = np.ones((60, 70), np.float32), np.ones((70, 90), np.float32)
    a[3, 5], b[7, 11] = np.nan, np.inf
    made = products.product(a, b)
    assert np.isnan(made[3]).all() and np.isinf(made[:, 11][np.arange(60) != 3]).all()
    made[3], made[:, 11] = 70, 70
    assert (made == 70).all()
    thin = products.product(a[:4], np.ones((70, 900), np.float32))
    assert np.isnan(thin[3]).all() and not np.isnan(thin[:3]).any()


def test_small_numbers_are_not_flushed():
    a = np.full((60, 60), 1e-30, np.float32)
    b = np.full((60, 60), 1e-12, np.float32)
    np.testing.assert_allclose(products.product(a, b), 60e-42, rtol=1e-2)


@pytest.mark.parametrize("dtype", [fl.float32, fl.float64])
def test_operators_run_here_forward_and_backward(dtype, monkeypatch):
    ran = []
    real = products.product
    monkeypatch.setattr(products, "product", lambda *a: ran.append(a[0].shape) or real(*a))
    rng = np.random.default_rng(3)
    kind = np.float32 if dtype is fl.float32 else np.float64
    x, w, b, g = (
        rng.standard_normal(s).astype(kind) for s in ((90, 80), (70, 80), (70,), (90, 70))
    )
    tx, tw, tb = (fl.tensor(v).requires_grad_() for v in (x, w, b))
    F.linear(tx, tw, tb).backward(fl.tensor(g))
    assert len(ran) == 4  # the fourth sums the bias
    close(tx.grad.numpy(), exact(g, w), 70)
    close(tw.grad.numpy(), exact(g.T, x), 90)
    close(tb.grad.numpy(), g.sum(0, dtype=np.float64), 90)
    p, q = fl.tensor(x).requires_grad_(), fl.tensor(w.T.copy()).requires_grad_()
    (p @ q).backward(fl.tensor(g))
    assert len(ran) == 7
    close(p.grad.numpy(), exact(g, w), 70)
    close(q.grad.numpy(), exact(x.T, g), 90)


@pytest.mark.parametrize("dtype", [fl.float16, fl.bfloat16])
def test_two_bytes_are_rounded_once(dtype):
    rng = np.random.default_rng(4)
    a, b = (
        fl.tensor(rng.standard_normal(s).astype(np.float32)).to(dtype) for s in ((70, 80), (80, 90))
    )
    made = a @ b
    assert made.dtype is dtype
    close(made.float().numpy(), (a.float() @ b.float()).to(dtype).float().numpy(), 1)
    bias = fl.ones(90, dtype=dtype)
    assert F.linear(a, b.mT, bias).dtype is dtype
    with pytest.raises(RuntimeError):
        F.linear(a, b.mT, fl.ones(90))


def test_bfloat16_layers_of_every_shape():
    """With and without bias, few rows and many, odd depths, ties and what is no number."""
    rng = np.random.default_rng(5)
    for m, n, k in ((3, 700, 100), (90, 65, 71), (64, 40, 1200), (200, 33, 64)):
        x, w = (
            fl.tensor(rng.standard_normal(s).astype(np.float32)).bfloat16()
            for s in ((m, k), (n, k))
        )
        bias = fl.tensor(rng.standard_normal(n).astype(np.float32)).bfloat16()
        wanted = F.linear(x.double(), w.double(), bias.double())
        made = F.linear(x, w, bias)
        assert made.dtype is fl.bfloat16
        np.testing.assert_allclose(made.double().numpy(), wanted.numpy(), rtol=2**-8, atol=1e-5)
        made = (x @ w.mT.contiguous()).double().numpy()
        np.testing.assert_allclose(
            made, (x.double() @ w.double().mT).numpy(), rtol=2**-8, atol=1e-5
        )
    ones = fl.ones(128, 128).bfloat16()
    ones[0] = float("nan")
    ones[1] = float("inf")
    ones[2, 0] = 1.5  # row 2 sums to 128.5, halfway between two of bfloat16: the even one
    made = (ones @ fl.ones(128, 128).bfloat16()).float().numpy()
    assert np.isnan(made[0]).all() and (made[1] == np.inf).all()
    assert (made[2] == 128).all() and (made[3:] == 128).all()


def test_other_dtypes_and_small_ones_stay_with_numpy(monkeypatch):
    monkeypatch.setattr(products, "_gemm", None)  # a call of a kernel would fail
    assert (
        products.product(np.ones((8, 8), np.float32), np.ones((8, 8), np.float32)) is NotImplemented
    )
    assert (fl.ones(60, 60, dtype=fl.int64) @ fl.ones(60, 60, dtype=fl.int64) == 60).all()
    assert (fl.ones(60, 60, dtype=fl.complex64) @ fl.ones(60, 60, dtype=fl.complex64) == 60).all()


def test_memory_that_is_not_aligned():
    raw = np.zeros(60 * 60 * 4 + 1, np.uint8)
    a = raw[1:].view(np.float32).reshape(60, 60)
    a[...] = 1
    assert (products.product(a, a) == 60).all()
