"""Kernels on float16 and bfloat16: what they make is float32's result rounded once, special values included."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import available, copies, native

F = flambeau.nn.functional
pytestmark = [
    pytest.mark.skipif(not available(), reason="no C compiler on this machine"),
    pytest.mark.usefixtures("some_threads"),
    pytest.mark.parametrize("half", [flambeau.float16, flambeau.bfloat16], ids=["half", "brain"]),
]
SHAPES = [(130, 128), (9, 2100), (70, 129, 4), (3000, 8)]
SMALL = 8192  # elements, which all of these have
SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 6e-8, -3e-5, 65504.0, 1e-39]


@pytest.fixture
def called(monkeypatch):
    """The names of the functions that are called; none of what is large is copied as float32 first."""
    seen = []

    def note(_result, function, _arguments):
        seen.append(function.__name__)

    def cast(a, dtype, _cast=copies.cast):
        assert a.size < SMALL
        return _cast(a, dtype)

    monkeypatch.setattr(copies, "cast", cast)
    native.recorders.append(note)
    for function in native.every:
        function.errcheck = note
    yield seen
    native.recorders.remove(note)
    for function in native.every:
        del function.errcheck


def halves(shape, half, seed=0, special=True):
    x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    if special:
        x.reshape(-1)[np.arange(len(SPECIAL)) * (x.size // len(SPECIAL))] = SPECIAL
    return flambeau.from_numpy(x).to(half)


def same(made, want, half):
    """`made` of halves is `want` of float32 rounded once, bit for bit."""
    if want.is_floating_point():
        assert made.dtype is half
        want = want.to(half).float()
        made = made.float()
    np.testing.assert_array_equal(made.numpy(), want.numpy())
    if want.is_floating_point():
        signs = [np.signbit(t.numpy()) & ~np.isnan(t.numpy()) for t in (made, want)]
        np.testing.assert_array_equal(*signs)


def near(made, want, half):
    """The same but for ties, which compilers that join multiplications and additions differently break differently."""
    made, want = made.float().numpy(), want.to(half).float().numpy()
    unit = flambeau.finfo(half).eps
    np.testing.assert_allclose(made, want, rtol=unit, atol=flambeau.finfo(half).tiny)
    assert (made != want).mean() < 0.01


FORWARD = {
    **{f"{n}({d})": (lambda x, n=n, d=d: getattr(x, n)(d)) for d in (0, -1)
       for n in ("sum", "mean", "amax", "amin", "prod", "argmax", "argmin", "softmax", "log_softmax", "logsumexp")},
    "norm": lambda x: x.norm(dim=-1), "sum": lambda x: x.sum(), "max": lambda x: x.max(), "mean": lambda x: x.mean(),
    "gelu": F.gelu,
}  # fmt: skip


@pytest.mark.parametrize("name", FORWARD)
def test_results_are_rounded_once(half, name, called):
    for shape in SHAPES:
        for special in (False, True):
            x = halves(shape, half, special=special)
            wide = x.float()
            want = FORWARD[name](wide)
            called.clear()
            made = FORWARD[name](x)
            assert called
            same(made, want, half)


CLASSES = {"labels": {}, "smoothed": {"label_smoothing": 0.1}, "ignored": {"ignore_index": 1, "reduction": "sum"}}  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", CLASSES.values(), ids=CLASSES)
def test_cross_entropy(half, options, weighted, called):
    for shape in SHAPES:
        x = halves(shape, half, special=False)
        target = flambeau.arange(x.numel() // shape[1]).reshape(shape[0], *shape[2:]) % shape[1]
        w = halves((shape[1],), half, 3, special=False).abs() if weighted else None
        leaf, wide = x.clone().requires_grad_(), x.float().requires_grad_()
        made = F.cross_entropy(leaf, target, w, **options)
        want = F.cross_entropy(wide, target, None if w is None else w.float(), **options)
        same(made.detach(), want.detach(), half)
        made.backward()
        want.backward()
        near(leaf.grad, wide.grad, half)
    assert {"forward_rows", "backward_rows"} <= set(called)


GRADIENTS = {
    "rms_norm": lambda x: F.rms_norm(x, x.shape[-1:]), "layer_norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "gelu": F.gelu, "silu": F.silu, "glu": F.glu, "sum": lambda x: x.sum(1), "mean": lambda x: x.mean(0), "mean of all": lambda x: x.mean(),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_rounded_once(half, name):
    for shape in SHAPES:
        x = halves(shape, half, special=False)
        leaf, wide = x.clone().requires_grad_(), x.float().requires_grad_()
        made, want = GRADIENTS[name](leaf), GRADIENTS[name](wide)
        same(made.detach(), want.detach(), half)
        g = halves(made.shape, half, 1, special=False)
        made.backward(g)
        want.backward(g.float())
        near(leaf.grad, wide.grad, half)


def test_gradients_of_softmax_are_made_of_what_it_gave(half):
    for shape in SHAPES:
        for dim in (0, 1):
            x, g = halves(shape, half, special=False), halves(shape, half, 1, special=False)
            for name in ("softmax", "log_softmax"):
                leaf = x.clone().requires_grad_()
                y = getattr(leaf, name)(dim)
                y.backward(g)
                y, wide = y.detach().float().double(), g.float().double()
                if name == "softmax":
                    want = y * (wide - (y * wide).sum(dim, keepdim=True))
                else:
                    want = wide - y.exp() * wide.sum(dim, keepdim=True)
                made = leaf.grad.float().numpy()
                np.testing.assert_allclose(made, want.numpy(), rtol=2.0**-7, atol=2e-5)


def test_running_sums(half):
    for shape in SHAPES:
        x = halves(shape, half, special=False)
        same(x.cumsum(1), x.float().cumsum(1), half)
        same(x.cumprod(0), x.float().cumprod(0), half)
