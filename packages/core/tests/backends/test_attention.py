"""Attention in blocks equals its definition: values and gradients, all masks, all layouts, few and many queries."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.backends.cpu import attention, library, threads
from flambeau.nn import functional as F
from flambeau.runtime.operator import registry

pytestmark = pytest.mark.skipif(not library.available(), reason="nothing can be compiled")
BODY = registry["scaled_dot_product_attention"].body


@pytest.fixture
def calls(monkeypatch):
    """Counts what the kernels were asked."""
    flambeau.ones(
        1
    )  # a process's first call loads the backend, and composites before it are opened
    seen = []
    for dtype in ("float32", "float64"):
        functions = getattr(attention.kernels, dtype)
        for name in ("forward", "backward"):
            kept = getattr(functions, name)

            def noted(*args, kept=kept, name=name):
                seen.append(name)
                return kept(*args)

            monkeypatch.setattr(functions, name, noted)
    return seen


def random(shape, dtype="float64", seed=0):
    rng = np.random.default_rng([seed, *shape])
    return flambeau.from_numpy(rng.standard_normal(shape).astype(dtype))


def inputs(batch, heads, queries, keys, size, wide, dtype="float64", groups=None):
    shapes = [
        (batch, heads, queries, size),
        (batch, groups or heads, keys, size),
        (batch, groups or heads, keys, wide),
    ]
    return [random(s, dtype, i).requires_grad_() for i, s in enumerate(shapes)]


def numpy(t):
    t = t.detach()
    return (t.double() if t.dtype is flambeau.bfloat16 else t).numpy()


def ran(run, leaves, views, mask=None, **options):
    for t in leaves:
        t.grad = None
    out = run(*views, mask, **options)
    out.backward(random(out.shape, seed=9).to(out.dtype))
    assert all(t.grad.dtype is out.dtype for t in leaves)
    return [numpy(out), *[numpy(t.grad) for t in leaves]]


def agree(calls, leaves, mask=None, views=None, tolerance=None, **options):
    views = views or leaves[:3]
    made = ran(F.scaled_dot_product_attention, leaves, views, mask, **options)
    assert calls == ["forward", "backward"]
    wanted = ran(BODY, leaves, views, mask, **options)
    assert calls == ["forward", "backward"]
    tolerance = tolerance or (1e-11 if leaves[0].dtype is flambeau.float64 else 3e-5)
    for a, b in zip(made, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


SHAPES = [
    (2, 3, 64, 64, 64, 64), (1, 2, 70, 90, 33, 17), (2, 1, 90, 70, 16, 48), (1, 1, 300, 600, 8, 8), (1, 2, 40, 530, 130, 7),
    (1, 2, 5, 5, 1, 1), (2, 2, 3, 40, 20, 20), (1, 1, 1, 2500, 12, 20), (1, 1, 1, 1, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_its_definition(shape, dtype, causal, calls):
    agree(calls, inputs(*shape, dtype), is_causal=causal)


MASKS = [(1, 1, 60, 300), (2, 1, 1, 300), (60, 300), (300,), (3, 60, 1), (2, 3, 60, 300)]


@pytest.mark.parametrize("shape", MASKS, ids=str)
@pytest.mark.parametrize("queries", [60, 3])
@pytest.mark.parametrize("kind", ["numbers", "bool"])
def test_masks_of_all_shapes(shape, queries, kind, calls):
    shape = tuple(queries if n == 60 else n for n in shape)
    mask = random(shape)
    if kind == "bool":
        mask = mask > 0
    else:
        mask.requires_grad_()
    leaves = inputs(2, 3, queries, 300, 10, 12)
    agree(calls, leaves + [mask] * (kind == "numbers"), mask)


@pytest.mark.parametrize("queries", [2, 40])
def test_queries_that_see_nothing(queries, calls):
    mask = flambeau.ones(queries, 50).bool()
    mask[1] = False
    leaves = inputs(1, 2, queries, 50, 8, 8)
    agree(calls, leaves, mask)
    out = F.scaled_dot_product_attention(*leaves, mask)
    assert bool((out[:, :, 1] == 0).all()) and leaves[0].grad[0, 0, 1].eq(0).all()
    numbers = flambeau.where(mask, 0.0, float("-inf")).double()
    assert F.scaled_dot_product_attention(*leaves, numbers)[:, :, 1].isnan().all()


@pytest.mark.parametrize("queries", [2, 40])
@pytest.mark.parametrize("groups", [1, 2])
def test_groups_of_heads_share_keys(queries, groups, calls):
    leaves = inputs(2, 4, queries, 50, 16, 24, groups=groups)
    agree(calls, leaves, enable_gqa=True, is_causal=True, scale=0.3)


def test_heads_split_by_a_transpose(calls):
    leaves = [random((2, 50, 4, 16), seed=i).requires_grad_() for i in range(3)]
    agree(calls, leaves, views=[t.transpose(1, 2) for t in leaves])
    out = F.scaled_dot_product_attention(*[t.transpose(1, 2) for t in leaves])
    assert out.transpose(1, 2).is_contiguous()


def test_other_layouts_and_dimensions(calls):
    leaves = inputs(3, 1, 20, 30, 8, 8)
    calls.clear()
    for views in (
        [t[:, 0] for t in leaves],
        [t[0, 0] for t in leaves],
        [t[:, :, ::2, ::2] for t in leaves],
        [t.flip(0) for t in leaves],
    ):
        agree(calls, leaves, views=views)
        calls.clear()
    wide = random((3, 1, 30, 8)).expand(3, 4, 30, 8).requires_grad_()
    agree(calls, [wide], views=[wide, wide, wide])


@pytest.mark.parametrize("dtype, tolerance", [("float16", 4e-3), ("bfloat16", 4e-2)])
def test_halves_are_computed_in_float32(dtype, tolerance, calls):
    leaves = [
        t.detach().to(getattr(flambeau, dtype)).requires_grad_()
        for t in inputs(1, 2, 30, 40, 16, 16)
    ]
    made = ran(F.scaled_dot_product_attention, leaves, leaves)
    assert calls == ["forward", "backward"]
    whole = [t.detach().double().requires_grad_() for t in leaves]
    wanted = ran(BODY, whole, whole)
    for a, b in zip(made, wanted, strict=True):
        np.testing.assert_allclose(a.astype(np.float64), b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "shape", [(1, 1, 700, 300, 16, 16), (2, 4, 70, 300, 16, 16), (1, 2, 2, 3000, 16, 16)]
)
def test_results_do_not_depend_on_the_threads(shape, calls):
    before, made = threads.count(), []
    try:
        for count in (2, 3):
            threads.set_count(count)
            leaves = inputs(*shape, "float32")
            made.append(ran(F.scaled_dot_product_attention, leaves, leaves))
    finally:
        threads.set_count(before)
    for a, b in zip(*made, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_numbers_that_are_not_finite(calls):
    leaves = inputs(1, 1, 40, 40, 8, 8)
    with flambeau.no_grad():
        leaves[0][0, 0, 3, 1] = float("nan")
        leaves[1][0, 0, 5] = 1e200
        made = F.scaled_dot_product_attention(*leaves, is_causal=True)
        wanted = BODY(*leaves, is_causal=True)
    np.testing.assert_allclose(made.numpy(), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize(("queries", "keys"), [(3, 6), (40, 6), (40, 200)])
def test_gradients_where_one_key_takes_all(queries, keys, calls):
    """Scores of some 80 make P nearly 1 somewhere: what cancels in float64 must cancel in float32 too."""
    draw = np.random.default_rng(3)
    arrays = [draw.uniform(-9, 9, (2, n, 8)) for n in (queries, keys, keys)]
    g = draw.standard_normal((2, queries, 8))
    found = {}
    for kind in (flambeau.float32, flambeau.float64):
        given = [flambeau.tensor(a).to(flambeau.float32).to(kind).requires_grad_() for a in arrays]
        out = F.scaled_dot_product_attention(*given)
        out.backward(flambeau.tensor(g).to(flambeau.float32).to(kind))
        found[kind] = [x.grad.numpy() for x in given]
    errors = [np.abs(a - b).max() for a, b in zip(*found.values())]
    assert errors[2] < 5e-6  # with the logarithm of the sum kept whole, 1e-5 and more
    assert max(errors[:2]) < 1e-4


def test_memory_is_linear_in_the_lengths(calls):
    import tracemalloc

    leaves = inputs(1, 1, 2048, 2048, 8, 8, "float32")
    tracemalloc.start()
    F.scaled_dot_product_attention(*leaves).sum().backward()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The scores alone are 4 * 2048 * 2048 bytes; under sanitizers a little more is counted than otherwise.
    assert calls == ["forward", "backward"] and most < 2 * 2048 * 2048


def test_what_is_left_to_the_definition(calls):
    leaves = [t.detach() for t in inputs(2, 2, 5, 6, 4, 4)]
    q, k, v = leaves
    F.scaled_dot_product_attention(*leaves, dropout_p=0.5)
    F.scaled_dot_product_attention(q, k[:1], v[:1])
    F.scaled_dot_product_attention(q, k[:, :, :0], v[:, :, :0])
    with pytest.raises(RuntimeError):
        F.scaled_dot_product_attention(q, k[..., :3], v)
    assert calls == []


def test_a_second_derivative_runs_the_body(calls):
    leaves = inputs(1, 1, 4, 5, 3, 3)

    def gradient(run):
        (g,) = flambeau.autograd.grad(run(*leaves).sin().sum(), leaves[0], create_graph=True)
        return flambeau.autograd.grad((g * g).sum(), leaves[1])[0].numpy()

    np.testing.assert_allclose(gradient(F.scaled_dot_product_attention), gradient(BODY), atol=1e-12)
    assert calls == ["forward", "backward"]  # of what the first gradient has of the result


def test_the_layers_use_it(calls):
    attend = nn.MultiheadAttention(8, 2, batch_first=True)
    x = random((2, 6, 8), "float32")
    attend(x, x, x, need_weights=False)[0].sum().backward()
    assert calls == ["forward", "backward"]
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    layer(x)
    with flambeau.no_grad():
        layer(x)
    assert calls == ["forward", "backward", "forward", "forward"]
