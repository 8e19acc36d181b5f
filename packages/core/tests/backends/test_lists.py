"""Passes over lists of arrays: norms, clipping, unscaling and averages equal what the tensors' own operators give."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau
from flambeau import nn, optim
from flambeau.backends.cpu import lists
from flambeau.nn import utils
from flambeau.optim import swa_utils

pytestmark = pytest.mark.skipif(not lists.readable(), reason="nothing can be compiled")
SHAPES = [(3, 5), (150, 131), (0,), (), (7,)]


def tensors(dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    return [flambeau.from_numpy(np.asarray(rng.standard_normal(s)).astype(dtype)) for s in SHAPES]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_the_norm_of_a_list(dtype):
    made = tensors(dtype)
    assert lists.listed([(t,) for t in made]) is not None
    flat = np.concatenate([t.numpy().reshape(-1) for t in made])
    total = utils.get_total_norm(made)
    assert total.dtype is (
        flambeau.float32 if dtype in ("float32", "complex64") else flambeau.float64
    )
    np.testing.assert_allclose(total.item(), np.linalg.norm(flat), rtol=1e-6)


def test_a_norm_that_is_not_finite():
    made = [*tensors(), flambeau.tensor([math.inf])]
    assert math.isinf(utils.get_total_norm(made))
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.get_total_norm(made, error_if_nonfinite=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping(dtype):
    params = [t.requires_grad_() for t in tensors(dtype)]
    grads = tensors(dtype, 1)
    for p, g in zip(params, grads):
        p.grad = g.clone()
    versions = [p.grad._version for p in params]
    total = utils.clip_grad_norm_(params, 2.0)
    assert all(p.grad._version > v for p, v in zip(params, versions))
    factor = 2.0 / (total.item() + 1e-6)
    for p, g in zip(params, grads):
        np.testing.assert_allclose(p.grad.numpy(), g.numpy() * factor, rtol=1e-6)
    before = [p.grad.numpy().copy() for p in params]
    utils.clip_grad_norm_(params, 1e9)
    utils.clip_grad_value_(params, 1e-3)
    for p, b in zip(params, before):
        np.testing.assert_array_equal(p.grad.numpy(), np.clip(b, np.dtype(dtype).type(-1e-3), np.dtype(dtype).type(1e-3)))  # fmt: skip


def test_clipping_by_value_keeps_nan():
    p = flambeau.zeros(20000, requires_grad=True)
    p.grad = flambeau.full((20000,), math.nan)
    p.grad[0] = math.inf
    utils.clip_grad_value_([p], 1.0)
    assert p.grad[0] == 1
    assert bool(p.grad[1:].isnan().all())


@pytest.mark.parametrize("bad", [None, math.inf, math.nan])
def test_unscaling(bad):
    params = [t.requires_grad_() for t in tensors()]
    optimizer = optim.SGD(params, lr=1.0)
    scaler = flambeau.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(flambeau.ones(()))
    for p in params:
        p.grad = flambeau.full_like(p, 2.0)
    if bad is not None:
        params[1].grad[3, 4] = bad
    scaler.unscale_(optimizer)
    assert params[0].grad[0, 0] == 0.5
    before = params[0].detach().clone()
    scaler.step(optimizer)
    assert bool((params[0] == before).all()) is (bad is not None)


@pytest.mark.parametrize("kind", ["ema", "swa"])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_averages(kind, dtype):
    decay = (0.9,) if kind == "ema" else ()
    one = getattr(swa_utils, f"get_{kind}_avg_fn")(*decay)
    many = getattr(swa_utils, f"get_{kind}_multi_avg_fn")(*decay)
    average, current = tensors(dtype), tensors(dtype, 1)
    wanted = [one(a, c, flambeau.tensor(3)) for a, c in zip(average, current)]
    assert lists.listed(list(zip(average, current)), read_only=1) is not None
    many(average, current, flambeau.tensor(3))
    for a, w in zip(average, wanted):
        np.testing.assert_allclose(a.numpy(), w.numpy(), rtol=1e-5, atol=1e-6)


def test_lists_that_are_left_to_the_operators():
    plain = flambeau.zeros(20000)
    shared = [(plain,), (plain,)]
    mixed = [(plain,), (flambeau.zeros(3).double(),)]
    strided = [(flambeau.zeros(20000, 2)[:, 0],)]
    whole = [(flambeau.zeros(20000).long(),)]
    for rows in (shared, mixed, strided, whole, []):
        assert lists.listed(rows) is None
    assert lists.listed(shared, read_only=0) is not None


def test_an_averaged_model_of_plain_means():
    model = nn.Linear(300, 200)
    averaged = swa_utils.AveragedModel(model)
    first = [p.detach().clone() for p in model.parameters()]
    averaged.update_parameters(model)
    with flambeau.no_grad():
        for p in model.parameters():
            p += 1
    averaged.update_parameters(model)
    for a, f in zip(averaged.module.parameters(), first):
        np.testing.assert_allclose(a.detach().numpy(), f.numpy() + 0.5, rtol=1e-5, atol=1e-6)
