"""Each optimizer's rule: both ways to run it agree, it descends, and it resumes exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau
from flambeau import nn, optim
from flambeau.optim import elementwise

SETTINGS = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    (optim.Adam, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.Adam, {"lr": 0.1, "amsgrad": True, "maximize": True}),
    (optim.AdamW, {"lr": 0.1}),
    (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    (optim.Adadelta, {"lr": 1.0, "weight_decay": 0.1}),
    (optim.Adamax, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.RMSprop, {"lr": 0.1}),
    (optim.RMSprop, {"lr": 0.1, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    (optim.Rprop, {"lr": 0.1}),
    (optim.ASGD, {"lr": 0.1, "t0": 2, "weight_decay": 0.1}),
    (optim.NAdam, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.NAdam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (optim.RAdam, {"lr": 0.1, "betas": (0.9, 0.9)}),
    (optim.RAdam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
]
NAMES = [f"{cls.__name__}-{'-'.join(options)}" for cls, options in SETTINGS]
rng = np.random.default_rng(0)
START = rng.standard_normal((4, 3))
GRADIENTS = rng.standard_normal((12, 4, 3))


def trained(
    cls, options, *, dtype="float64", steps=range(12), start=START, saved=None, shape=(4, 3)
):
    """The parameter after some steps along fixed gradients, and the optimizer."""
    p = nn.Parameter(
        flambeau.from_numpy(np.array(start).reshape(shape)).to(getattr(flambeau, dtype))
    )
    if options.get("differentiable"):
        p = p.clone()  # a leaf may not be written while gradients are recorded
    optimizer = cls([p], **options)
    if saved is not None:
        optimizer.load_state_dict(saved)
    for step in steps:
        p.grad = flambeau.from_numpy(GRADIENTS[step].reshape(shape)).to(p.dtype)
        optimizer.step()
    return p.detach().double().numpy(), optimizer


WAYS = [
    (cls, options, way)
    for cls, options in SETTINGS
    for way in ("capturable", "differentiable")
    if way == "differentiable"
    or cls not in (optim.SGD, optim.Adagrad)  # these have no capturable form
]


@pytest.mark.parametrize("cls, options, way", WAYS)
def test_the_rule_on_tensors_equals_the_rule_on_arrays(cls, options, way):
    on_arrays, _ = trained(cls, options)
    on_tensors, _ = trained(cls, {**options, way: True})
    # What NAdam and ASGD keep besides are float32.
    tolerance = 1e-6 if cls in (optim.NAdam, optim.ASGD) else 1e-9
    np.testing.assert_allclose(on_tensors, on_arrays, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("cls, options", SETTINGS, ids=NAMES)
def test_pieces_do_not_change_the_result(cls, options, monkeypatch):
    whole, _ = trained(cls, options)
    monkeypatch.setattr(elementwise, "PIECE", 5)
    pieces, _ = trained(cls, options)
    np.testing.assert_array_equal(pieces, whole)


@pytest.mark.parametrize("cls, options", SETTINGS, ids=NAMES)
def test_training_resumes_exactly(cls, options):
    whole, _ = trained(cls, options)
    half, optimizer = trained(cls, options, steps=range(6))
    resumed, _ = trained(cls, options, steps=range(6, 12), start=half, saved=optimizer.state_dict())
    # Loading casts all but the step count to the parameter's dtype, as PyTorch does: so what NAdam and ASGD
    # keep as float32 is more precise from then on.
    tolerance = 1e-6 if cls in (optim.NAdam, optim.ASGD) else 0
    np.testing.assert_allclose(resumed, whole, rtol=tolerance)


@pytest.mark.parametrize("cls, options", SETTINGS, ids=NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_narrow_dtypes_stay_narrow(cls, options, dtype):
    if cls is optim.Adagrad and dtype == "float16":
        options = {**options, "eps": 1e-4}
    made, optimizer = trained(cls, options, dtype=dtype, steps=range(2))
    expected, _ = trained(cls, options, steps=range(2))
    for p, state in optimizer.state.items():
        assert p.dtype is getattr(flambeau, dtype)
        for name, value in state.items():
            if name not in ("step", "eta", "mu", "mu_product"):
                assert value.dtype is p.dtype
    tolerance = {"float32": 1e-4, "float16": 0.05, "bfloat16": 0.2}[dtype]
    np.testing.assert_allclose(made, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("cls, options", SETTINGS, ids=NAMES)
def test_complex_parameters_move_as_pairs_of_real_ones(cls, options):
    pairs = START.reshape(2, 3, 2)
    real, _ = trained(cls, options, start=pairs, shape=(2, 3, 2))
    q = nn.Parameter(flambeau.from_numpy(pairs.copy().view(np.complex128)[..., 0]))
    optimizer = cls([q], **options)
    for gradient in GRADIENTS:
        q.grad = flambeau.from_numpy(gradient.copy().reshape(2, 3, 2).view(np.complex128)[..., 0])
        optimizer.step()
    np.testing.assert_allclose(flambeau.view_as_real(q.detach()).numpy(), real, rtol=1e-12)


def test_a_complex_gradient_may_lie_in_any_order():
    values = np.arange(6.0).reshape(2, 3) * (1 + 2j)
    moved = []
    for gradient in (values * 0.1, (values * 0.1).T.copy().T):
        p = nn.Parameter(flambeau.from_numpy(values.copy()))
        p.grad = flambeau.from_numpy(gradient)
        flambeau.optim.Adam([p], lr=0.1).step()
        moved.append(p.detach().numpy())
    assert np.array_equal(*moved)


@pytest.mark.parametrize("cls, options", SETTINGS, ids=NAMES)
def test_transposed_and_scalar_parameters(cls, options):
    expected, _ = trained(cls, options, steps=range(3))
    p = nn.Parameter(flambeau.from_numpy(START.T.copy()).t())
    optimizer = cls([p], **options)
    scalar = nn.Parameter(flambeau.tensor(START[0, 0], dtype=flambeau.float64))
    alone = cls([scalar], **options)
    for gradient in GRADIENTS[:3]:
        p.grad = flambeau.from_numpy(gradient)
        optimizer.step()
        scalar.grad = flambeau.tensor(gradient[0, 0], dtype=flambeau.float64)
        alone.step()
    np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(scalar.item(), expected[0, 0], rtol=1e-12)


@pytest.mark.parametrize("cls", [optim.SGD, optim.Adam, optim.AdamW, optim.Adagrad, optim.RMSprop])
def test_a_tensor_as_learning_rate(cls):
    expected, _ = trained(cls, {"lr": 0.125})
    made, _ = trained(cls, {"lr": flambeau.tensor(0.125)})
    np.testing.assert_array_equal(made, expected)


def test_sgd_by_hand():
    p = nn.Parameter(flambeau.tensor([1.0], dtype=flambeau.float64))
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5, dampening=0.2, weight_decay=0.1)
    values = []
    for gradient in (2.0, 3.0):
        p.grad = flambeau.tensor([gradient], dtype=flambeau.float64)
        optimizer.step()
        values.append(p.item())
    first = 1.0 - 0.1 * 2.1
    buffer = 0.5 * 2.1 + 0.8 * (3.0 + 0.1 * first)
    assert values == pytest.approx([first, first - 0.1 * buffer])


def test_adam_by_hand():
    p = nn.Parameter(flambeau.tensor([1.0], dtype=flambeau.float64))
    optimizer = optim.Adam([p], lr=0.1)
    m = v = 0.0
    x = 1.0
    for t, g in enumerate((2.0, -1.0, 0.5), 1):
        p.grad = flambeau.tensor([g], dtype=flambeau.float64)
        optimizer.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x -= 0.1 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert p.item() == pytest.approx(x, rel=1e-12)


def test_differentiable_steps_have_a_gradient():
    start = flambeau.tensor([1.0], dtype=flambeau.float64, requires_grad=True)

    def after(value):
        p = value.clone()
        optimizer = optim.Adam([p], lr=0.1, differentiable=True)
        for _ in range(3):
            p.grad = 2 * p
            optimizer.step()
        return p

    after(start).backward()
    with flambeau.no_grad():
        up = after(flambeau.tensor([1.0 + 1e-5], dtype=flambeau.float64))
        down = after(flambeau.tensor([1.0 - 1e-5], dtype=flambeau.float64))
    assert start.grad.item() == pytest.approx(((up - down) / 2e-5).item(), rel=1e-4)


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_lbfgs_finds_the_minimum_of_a_parabola(line_search):
    p = nn.Parameter(flambeau.tensor([3.0, -4.0], dtype=flambeau.float64))
    scale = flambeau.tensor([1.0, 10.0], dtype=flambeau.float64)
    optimizer = optim.LBFGS([p], line_search_fn=line_search, max_iter=40)

    def closure():
        optimizer.zero_grad()
        loss = (scale * (p - 1) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(p.detach().numpy(), [1.0, 1.0], atol=1e-6)


def test_lbfgs_with_line_search_crosses_a_curved_valley():
    p = nn.Parameter(flambeau.tensor([-1.2, 1.0], dtype=flambeau.float64))
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe", max_iter=100)

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(p)
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(p.detach().numpy(), [1.0, 1.0], atol=1e-4)


def test_lbfgs_knows_one_line_search():
    p = nn.Parameter(flambeau.ones(2))
    optimizer = optim.LBFGS([p], line_search_fn="golden")

    def closure():
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optimizer.step(closure)


def test_muon_moves_along_the_orthogonal_factor():
    p = nn.Parameter(flambeau.zeros(4, 3))
    optimizer = optim.Muon([p], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False, ns_steps=10)
    p.grad = flambeau.from_numpy(GRADIENTS[0]).float()
    optimizer.step()
    u, _, vt = np.linalg.svd(GRADIENTS[0], full_matrices=False)
    singular = np.linalg.svd(p.detach().numpy(), compute_uv=False) / math.sqrt(4 / 3)
    assert np.all((singular > 0.5) & (singular < 1.4))
    assert (
        np.sum(-p.detach().numpy() * (u @ vt))
        > 0.9 * np.linalg.norm(p.detach().numpy()) * math.sqrt(3) * 0.9
    )


def test_adafactor_keeps_a_row_and_a_column():
    p = nn.Parameter(flambeau.zeros(4, 3))
    optimizer = optim.Adafactor([p])
    p.grad = flambeau.ones(4, 3)
    optimizer.step()
    assert optimizer.state[p]["row_var"].shape == (4, 1)
    assert optimizer.state[p]["col_var"].shape == (1, 3)
    assert (p < 0).all()


@pytest.mark.parametrize("cls, options", SETTINGS, ids=NAMES)
def test_a_step_can_be_traced(cls, options):
    from flambeau.transforms.trace import Tracer

    def stepped_twice(second):
        p = nn.Parameter(flambeau.from_numpy(START.copy()))
        optimizer = cls([p], **options)
        for gradient in GRADIENTS[:2]:
            p.grad = flambeau.from_numpy(gradient)
            with second:
                optimizer.step()
        return p.detach().numpy()

    tracer = Tracer()
    np.testing.assert_allclose(
        stepped_twice(tracer), trained(cls, options, steps=range(2))[0], rtol=1e-6
    )
    assert not tracer.breaks
    assert str(tracer.graph).count("ops.") > 2
