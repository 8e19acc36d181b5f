"""Kernels for softmax, norms, losses and GELU: taken, equal to the definition in float64, the same on any number of threads."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, threads
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
F = flambeau.nn.functional
TYPES = ("float32", "float64")
NEAR = {"float32": 3e-5, "float64": 1e-11}
# One element, parts of a vector, several blocks of 64 vectors, more than one thread's share.
MATRICES = [(1, 1), (3, 7), (5, 64), (4, 1031), (300, 33), (2, 9000)]


@pytest.fixture
def calls(monkeypatch):
    """The functions of `kernels/*.c` that were called."""
    from flambeau.backends.cpu import (
        channelnorm,
        crossentropy,
        gelu,
        logsumexp,
        losses,
        rownorm,
        softmax,
    )

    seen = set()
    files = [
        m.kernels for m in (channelnorm, crossentropy, gelu, logsumexp, losses, rownorm, softmax)
    ]
    for file in (*files, channelnorm.column_kernels):
        for dtype in TYPES if file is not gelu.kernels else ("float32",):
            functions = getattr(file, dtype)
            for name, f in list(vars(functions).items()):
                if name != "keep":

                    def spy(*args, _name=name, _f=f):
                        seen.add(_name)
                        return _f(*args)

                    monkeypatch.setattr(functions, name, spy)
    return seen


def with_gradients(f, *arrays):
    """The result of f on tensors of the arrays (None stays None) and their gradients, from a gradient that f's result is given."""
    given = [None if a is None else flambeau.tensor(a, requires_grad=True) for a in arrays]
    out = f(*given)
    g = (
        np.random.default_rng(5)
        .standard_normal(tuple(out.shape))
        .astype(out.numpy(force=True).dtype)
    )
    out.backward(flambeau.tensor(g))
    return [out.numpy(force=True), *(t.grad.numpy() for t in given if t is not None)]


def by_body(name):
    """The composite's body, without whoever would take it whole."""
    op = registry[name]

    def call(*args, **kwargs):
        arrays, attrs = op.bind(args, kwargs)
        kept, op.providers = op.providers, {}
        try:
            return op.call_body(arrays, attrs)
        finally:
            op.providers = kept

    return call


def agree(f, reference, dtype, *arrays):
    """f in `dtype`, on one thread and on three, beside the reference in float64."""
    want = with_gradients(reference, *arrays)
    cast = [None if a is None else a.astype(dtype) for a in arrays]
    before = threads.count()
    made = []
    try:
        for n in (1, 3):
            threads.set_count(n)
            made.append(with_gradients(f, *cast))
    finally:
        threads.set_count(before)
    for one, three, w in zip(*made, want):
        assert one.dtype == dtype
        assert one.shape == w.shape
        np.testing.assert_array_equal(one, three)
        scale = max(np.abs(w).max(initial=0), 0.1)
        np.testing.assert_allclose(one, w, rtol=0, atol=NEAR[dtype] * scale)


def numbers(*shape, seed=0, scale=2.0, offset=0.0):
    return np.random.default_rng(seed).standard_normal(shape) * scale + offset


def exact_softmax(dim, log):
    """By exponentials of tensors of float64, which are too small for any kernel of softmax's."""

    def f(x):
        e = (x - x.detach().amax(dim, True)).exp()
        total = e.sum(dim, True)
        return (x - x.detach().amax(dim, True)) - total.log() if log else e / total

    return f


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_along_any_dimension(name, dtype, calls):
    log = name == "log_softmax"
    for shape in [*MATRICES, (5,), (3, 70, 5), (2, 3, 129), (2, 400, 67)]:
        for dim in range(len(shape)):
            f = getattr(flambeau, name)
            agree(lambda x: f(x, dim), exact_softmax(dim, log), dtype, numbers(*shape))
    assert {"softmax", "softmax_back"} <= calls


@pytest.mark.parametrize("dtype", TYPES)
def test_softmax_of_large_rows_past_the_cache(dtype):
    x = numbers(1100, 2049).astype(dtype)
    want = np.exp(x - x.max(1, keepdims=True), dtype=np.float64)
    want /= want.sum(1, keepdims=True)
    made = flambeau.softmax(flambeau.tensor(x), 1).numpy()
    np.testing.assert_allclose(made, want, rtol=1e-5, atol=1e-9)
    logs = flambeau.log_softmax(flambeau.tensor(x), 1).numpy()
    np.testing.assert_allclose(logs, np.log(want), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("dtype", TYPES)
def test_softmax_of_what_is_not_finite(dtype, dim):
    inf, nan = np.inf, np.nan
    rows = [
        [0, -inf, 1],
        [-inf, -inf, -inf],
        [inf, 0, 1],
        [nan, 0, 1],
        [0, 1e-40, -1e30],
        [1, nan, inf],
    ]
    x = np.array(rows * 4, dtype)
    x = np.ascontiguousarray(x.T) if dim == 0 else x
    for name in ("softmax", "log_softmax"):
        made = getattr(flambeau, name)(flambeau.tensor(x), dim).numpy()
        with np.errstate(all="ignore"):
            want = registry[name].kernels[None](np, x, dim=dim, dtype=None)
        np.testing.assert_allclose(made, want, rtol=1e-6)


def test_softmax_of_views_and_nothing():
    x = flambeau.tensor(numbers(6, 40).astype("float32"))
    for view in (x.t(), x[::2, 1:], x[:, ::3], x[:0]):
        for dim in (0, 1):
            want = flambeau.tensor(view.numpy().copy()).softmax(dim)
            np.testing.assert_array_equal(view.softmax(dim).numpy(), want.numpy())
    with pytest.raises(IndexError):
        x.softmax(2)


@pytest.mark.parametrize("half", [flambeau.bfloat16, flambeau.float16])
@pytest.mark.parametrize("affine", [False, True])
def test_layer_norm_of_halves_is_rounded_once(half, affine, calls):
    rng = np.random.default_rng(0)
    shapes = ((40, 3, 33), (3, 33), (3, 33), (40, 3, 33))
    given = [flambeau.from_numpy(rng.standard_normal(s).astype("f4")).to(half) for s in shapes]
    *given, g = given if affine else (given[0], given[3])
    made = []
    for kind in (half, flambeau.float32):
        leaves = [x.detach().to(kind).requires_grad_() for x in given]
        out = F.layer_norm(leaves[0], (3, 33), *leaves[1:])
        out.backward(g.to(kind))
        made.append([out.detach(), *(x.grad for x in leaves)])
    for a, b in zip(*made, strict=True):
        assert a.dtype is half and flambeau.equal(a, b.to(half))
    assert "normalize" in calls and "normalize_back" in calls


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("affine", range(4))
def test_layer_norm(dtype, affine, calls):
    for shape in [*MATRICES[1:], (3, 2, 5, 9)]:
        inner = shape[-2:] if len(shape) == 4 else shape[-1:]
        w = numbers(*inner, seed=1) if affine & 1 else None
        b = numbers(*inner, seed=2) if affine & 2 else None
        agree(
            lambda x, w, b: F.layer_norm(x, inner, w, b), lambda x, w, b: by_body("layer_norm")(x, inner, w, b),
            dtype, numbers(*shape, offset=3), w, b,
        )  # fmt: skip
    assert {"normalize", "normalize_back"} <= calls


@pytest.mark.parametrize("dtype", TYPES)
def test_rms_norm(dtype, calls):
    for shape in MATRICES:
        for w in (None, numbers(shape[1], seed=1)):
            agree(
                lambda x, w: F.rms_norm(x, shape[1:], w, 1e-5),
                lambda x, w: by_body("rms_norm")(x, shape[1:], w, 1e-5),
                dtype, numbers(*shape), w,
            )  # fmt: skip
    assert {"normalize", "normalize_back"} <= calls


# Planes of one element, narrow ones, several a piece, several pieces a plane, few groups that are cut in parts.
PLANES = [(4, 5), (130, 70), (3, 2, 3), (2, 6, 7, 7), (5, 2, 90), (2, 4, 71, 73), (9, 2, 61, 61)]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("affine", range(4))
def test_batch_norm(dtype, affine, calls):
    for shape in PLANES:
        c = shape[1]
        w, b = (
            numbers(c, seed=1) if affine & 1 else None,
            numbers(c, seed=2) if affine & 2 else None,
        )
        body = by_body("normalize_channels")
        x = numbers(*shape, offset=3)
        agree(
            lambda x, w, b: F.batch_norm(x, None, None, w, b, True), lambda x, w, b: body(x, w, b, 1e-5)[0],
            dtype, x, w, b,
        )  # fmt: skip
        mean, var = numbers(c, seed=3), np.abs(numbers(c, seed=4)) + 0.1
        agree(
            lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b),
            lambda x, w, b, m, v: by_body("rescale_channels")(x, m, v, w, b, 1e-5), dtype, x, w, b, mean, var,
        )  # fmt: skip
    assert {
        "normalize",
        "normalize_back",
        "columns",
        "columns_back",
        "rescale",
        "rescale_back",
        "rescale_columns",
        "rescale_columns_back",
    } <= calls


# Channels last: too few of them, one block and several, parts of a block by rows, more than one vector but not a whole, volumes.
LAST = [
    (3, 3, 5, 6),
    (2, 9, 4, 3),
    (3, 70, 6, 5),
    (3, 20, 41, 40),
    (2, 192, 24, 25),
    (2, 12, 3, 4, 5),
]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("gradient_last", [True, False])
def test_batch_norm_with_channels_last(dtype, gradient_last, calls):
    for shape in LAST:
        form = flambeau.channels_last if len(shape) == 4 else flambeau.channels_last_3d
        c = shape[1]
        w, b, mean = (numbers(c, seed=k) for k in (1, 2, 3))
        var = np.abs(numbers(c, seed=4)) + 0.1
        x = numbers(*shape, offset=3)

        def last(f):
            def call(x, *others):
                made = f(x.contiguous(memory_format=form), *others)
                assert made.is_contiguous(memory_format=form)
                return made.contiguous(memory_format=form if gradient_last else flambeau.contiguous_format)  # fmt: skip

            return call

        agree(
            last(lambda x, w, b: F.batch_norm(x, None, None, w, b, True)),
            lambda x, w, b: by_body("normalize_channels")(x, w, b, 1e-5)[0], dtype, x, w, b,
        )  # fmt: skip
        agree(
            last(lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b)),
            lambda x, w, b, m, v: by_body("rescale_channels")(x, m, v, w, b, 1e-5), dtype, x, w, b, mean, var,
        )  # fmt: skip
    assert {"columns", "columns_back", "rescale_columns", "rescale_columns_back"} <= calls


def test_batch_norm_with_channels_last_does_not_depend_on_threads():
    x = flambeau.tensor(numbers(3, 20, 41, 40)).contiguous(memory_format=flambeau.channels_last)
    w = flambeau.ones(20, dtype=x.dtype, requires_grad=True)

    def run():
        x.requires_grad_().grad = w.grad = None
        out = F.batch_norm(x, None, None, w, None, True)
        out.square().sum().backward()
        return [t.numpy(force=True).copy() for t in (out, x.grad, w.grad)]

    before = flambeau.get_num_threads()
    try:
        flambeau.set_num_threads(1)
        one = run()
        flambeau.set_num_threads(3)
        three = run()
    finally:
        flambeau.set_num_threads(before)
    for a, b in zip(one, three, strict=True):
        assert np.array_equal(a, b)


def test_gradients_of_the_statistics_found():
    op = registry["normalize_channels"].public
    for shape in [(6, 3), (4, 3, 5)]:
        for at in (1, 2):
            agree(
                lambda x: op(x, None, None, 1e-5)[at],
                lambda x: by_body("normalize_channels")(x, None, None, 1e-5)[at], "float64", numbers(*shape),
            )  # fmt: skip


def test_running_statistics_are_moved_once_also_by_a_second_derivative():
    x = flambeau.tensor(numbers(8, 3, 4), requires_grad=True)
    mean, var = flambeau.zeros(3, dtype=flambeau.float64), flambeau.ones(3, dtype=flambeau.float64)
    out = F.batch_norm(x, mean, var, training=True, momentum=0.25)
    (g,) = flambeau.autograd.grad((out * out * out).sum(), x, create_graph=True)
    g.square().sum().backward()
    a = x.numpy(force=True)
    np.testing.assert_allclose(mean.numpy(), 0.25 * a.mean((0, 2)))
    np.testing.assert_allclose(var.numpy(), 0.75 + 0.25 * a.var((0, 2), ddof=1))
    assert mean._version == var._version == 1
    F.batch_norm(x, mean, var)
    assert mean._version == 1


@pytest.mark.parametrize("dtype", TYPES)
def test_group_and_instance_norm(dtype, calls):
    for shape in PLANES[2:]:
        c = shape[1]
        for w, b in [(None, None), (numbers(c, seed=1), numbers(c, seed=2))]:
            for groups in {1, 2, c}:
                agree(
                    lambda x, w, b: F.group_norm(x, groups, w, b),
                    lambda x, w, b: by_body("group_norm")(x, groups, w, b), dtype, numbers(*shape), w, b,
                )  # fmt: skip
            agree(
                lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
                lambda x, w, b: by_body("group_norm")(x, c, w, b), dtype, numbers(*shape), w, b,
            )  # fmt: skip
    assert {"normalize", "normalize_back"} <= calls


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(reduction, smoothing, dtype, calls):
    for shape in MATRICES[1:]:
        y = flambeau.tensor(np.random.default_rng(1).integers(0, shape[1], shape[0]))
        for w in (None, np.abs(numbers(shape[1], seed=2)) + 0.1):
            for ignored in (-100, int(y[0]) if shape[0] > 1 and len(set(y.tolist())) > 1 else -1):
                rest = {
                    "ignore_index": ignored,
                    "reduction": reduction,
                    "label_smoothing": smoothing,
                }
                agree(
                    lambda x, w: F.cross_entropy(x, y, w, **rest),
                    lambda x, w: by_body("cross_entropy")(x, y, w, **rest), dtype, numbers(*shape), w,
                )  # fmt: skip
    assert {"forward_rows", "backward_rows"} <= calls


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_of_places(smoothing, dtype, calls):
    for shape in [(2, 3, 5), (1, 7, 70), (3, 2, 9, 31), (2, 5, 1, 1), (1, 4, 2, 3, 50)]:
        size = (shape[0], *shape[2:])
        y = flambeau.tensor(np.random.default_rng(1).integers(0, shape[1], size))
        for w in (None, np.abs(numbers(shape[1], seed=2)) + 0.1):
            for reduction in ("mean", "sum", "none"):
                rest = {"ignore_index": 1, "reduction": reduction, "label_smoothing": smoothing}
                agree(
                    lambda x, w: F.cross_entropy(x, y, w, **rest),
                    lambda x, w: by_body("cross_entropy")(x, y, w, **rest), dtype, numbers(*shape), w,
                )  # fmt: skip
    assert {"forward_rows", "backward_rows"} <= calls


def test_ignored_places_have_no_gradient_whatever_their_scores():
    x = flambeau.full((1, 3, 4), float("inf"), requires_grad=True)
    F.cross_entropy(x, flambeau.full((1, 4), -100), reduction="sum").backward()
    assert not x.grad.any()


def test_cross_entropy_refuses_targets_that_name_no_class():
    x = flambeau.zeros(3, 4)
    for bad in (4, -1):
        with pytest.raises(IndexError, match=f"Target {bad} is out of bounds"):
            F.cross_entropy(x, flambeau.tensor([0, bad, 1]))
    every = F.cross_entropy(x, flambeau.tensor([-100] * 3))
    assert np.isnan(every.numpy())


@pytest.mark.parametrize("dtype", TYPES)
def test_logsumexp(dtype, calls):
    body = by_body("logsumexp")
    for shape in [*MATRICES, (5,), (3, 70, 5), (2, 400, 67)]:
        for dim in [
            *range(len(shape)),
            tuple(range(len(shape))),
            (-1, 0) if len(shape) == 3 else -1,
        ]:
            for keepdim in (False, True):
                agree(
                    lambda x: flambeau.logsumexp(x, dim, keepdim), lambda x: body(x, dim, keepdim),
                    dtype, numbers(*shape),
                )  # fmt: skip
    assert {"logsumexp", "logsumexp_back"} <= calls


@pytest.mark.parametrize("dim", [0, 1])
def test_logsumexp_of_what_is_not_finite(dim):
    inf, nan = np.inf, np.nan
    rows = [[-inf, -inf, -inf], [inf, 0, -inf], [nan, inf, 0], [1000, 1000, -inf], [-1e30, 0, 1e30]]
    x = np.array(rows * 9, "float32")
    x = np.ascontiguousarray(x.T) if dim == 0 else x
    made = flambeau.logsumexp(flambeau.tensor(x), dim).numpy()
    want = [-inf, inf, nan, 1000 + np.log(2), 1e30] * 9
    np.testing.assert_allclose(made, want, rtol=1e-6)
    with pytest.raises(IndexError):
        flambeau.logsumexp(flambeau.tensor(x), 2)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mse_loss", {}),
        ("l1_loss", {}),
        ("huber_loss", {"delta": 0.7}),
        ("smooth_l1_loss", {"beta": 1.3}),
        ("binary_cross_entropy_with_logits", {}),
    ],
)
def test_losses_of_two_tensors(name, options, reduction, dtype, calls):
    for shape in [(1,), (5, 7), (3, 20_001)]:
        agree(
            lambda x, t: getattr(F, name)(x, t, reduction=reduction, **options),
            lambda x, t: by_body(name)(x, t, reduction=reduction, **options),
            dtype, numbers(*shape), numbers(*shape, seed=1),
        )  # fmt: skip
    assert {"loss", "loss_back"} <= calls


def test_losses_of_what_is_not_finite():
    nan, inf = np.nan, np.inf
    for name in ("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"):
        loss = getattr(F, name)
        for x, want in ((nan, nan), (inf, inf), (-inf, inf)):
            given = flambeau.tensor([x, 1.0], requires_grad=True)
            out = loss(given, flambeau.zeros(2), reduction="sum")
            np.testing.assert_array_equal(out.numpy(force=True), np.float32(want))
    bce = F.binary_cross_entropy_with_logits
    for x, t, want in ((nan, 0.0, nan), (200.0, 1.0, 0.0), (-200.0, 1.0, 200.0), (inf, 0.0, inf)):
        made = bce(flambeau.tensor([x]), flambeau.tensor([t])).numpy()
        np.testing.assert_array_equal(made, np.float32(want))


def test_gelu(calls):
    def ndtr(values):
        return np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in values.tolist()])

    x = np.concatenate([np.linspace(-13, 13, 5001), [0.0, 1e-40, -1e-40]]).astype("float32")
    made, grad = with_gradients(lambda t: F.gelu(t), x)
    wide = x.astype("float64")
    want = wide * ndtr(wide)
    np.testing.assert_allclose(made, want, rtol=5e-6, atol=1e-38)
    g = np.random.default_rng(5).standard_normal(x.shape).astype("float32")
    slope = ndtr(wide) + wide * np.exp(-wide * wide / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(grad, g * slope, atol=2e-6)
    assert {"gelu"} <= calls
    odd = np.array([np.inf, np.nan, 1.0] * 800, "float32")
    out = F.gelu(flambeau.tensor(odd)).numpy()[:3]
    assert out[0] == np.inf
    assert np.isnan(out[1])


def test_rows_of_one_element_have_no_gradient():
    """Rounding, times 1/sqrt(eps), would show: 1e-5 and more."""
    x, weight = flambeau.tensor([[0.3], [-7.1]], requires_grad=True), flambeau.tensor([1.7])
    F.layer_norm(x, (1,), weight).backward(flambeau.tensor([[0.123], [4.56]]))
    assert x.grad.tolist() == [[0.0], [0.0]]
