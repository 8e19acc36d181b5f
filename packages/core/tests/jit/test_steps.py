"""Whole training steps compiled: forward, backward, optimizer, scheduler; and gradients through a compiled function."""

from __future__ import annotations

import copy
import warnings

import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu
from flambeau.nn import functional as F
from flambeau.testing import assert_close


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 16)
        self.norm = nn.LayerNorm(16)
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 11)

    def forward(self, tokens):
        x = self.norm(self.embed(tokens))
        q, k, v = (t.unflatten(-1, (2, 8)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(F.gelu(y.transpose(1, 2).flatten(2)) + x).flatten(0, 1)


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), (6, 8)


def convolutional():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
        nn.Flatten(), nn.Linear(64, 4),
    )  # fmt: skip
    return model, (5, 1, 8, 8)


def recurrent():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 4)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    return Last(), (4, 5, 3)


MODELS = {"mlp": mlp, "convolutional": convolutional, "recurrent": recurrent}
OPTIMIZERS = {
    "sgd": lambda p: flambeau.optim.SGD(p, lr=0.1),
    "momentum": lambda p: flambeau.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "adam": lambda p: flambeau.optim.Adam(p, lr=0.01),
    "adamw": lambda p: flambeau.optim.AdamW(p, lr=0.01),
}


def batches(shape, count=6, classes=4):
    generator = flambeau.Generator().manual_seed(1)
    for _ in range(count):
        x = flambeau.randn(shape, generator=generator)
        yield x, flambeau.randint(0, classes, shape[:1], generator=generator)


def strict(f):
    return flambeau.compile(f, fullgraph=True)


def train(build, optimizer_of, compiled, *, clip=None, schedule=False, zero="before", count=6):
    """Losses, parameters and buffers after some steps."""
    flambeau.manual_seed(0)
    model, shape = build()
    optimizer = optimizer_of(model.parameters())
    scheduler = flambeau.optim.lr_scheduler.StepLR(optimizer, 2, 0.5) if schedule else None

    def step(x, y):
        if zero == "before":
            optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        if zero == "after":
            optimizer.zero_grad()
        return loss

    run = strict(step) if compiled else step
    losses = [run(x, y).item() for x, y in batches(shape, count)]
    programs = sum(map(len, run._plans.values())) if compiled else 0
    return losses, copy.deepcopy(model.state_dict()), optimizer, programs


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_steps_equal_eager(model, optimizer):
    a = train(MODELS[model], OPTIMIZERS[optimizer], False)
    b = train(MODELS[model], OPTIMIZERS[optimizer], True)
    assert_close(a[0], b[0], rtol=1e-5, atol=1e-6)
    assert_close(list(a[1].values()), list(b[1].values()), rtol=1e-4, atol=1e-5)
    assert b[3] == 1


@pytest.mark.parametrize("zero", ["before", "after", "never"])
def test_gradients_are_dropped_or_added_up(zero):
    a = train(mlp, OPTIMIZERS["sgd"], False, zero=zero)
    b = train(mlp, OPTIMIZERS["sgd"], True, zero=zero)
    assert_close(a[0], b[0], rtol=1e-5, atol=1e-6)


def test_schedulers_and_clipping():
    a = train(mlp, OPTIMIZERS["momentum"], False, clip=0.1, schedule=True)
    b = train(mlp, OPTIMIZERS["momentum"], True, clip=0.1, schedule=True)
    assert_close(a[0], b[0], rtol=1e-5, atol=1e-6)
    assert b[3] == 1 and a[2].param_groups[0]["lr"] == b[2].param_groups[0]["lr"]


def test_a_step_on_tokens():
    def build():
        return Attention(), None

    losses = []
    for compiled in (False, True):
        flambeau.manual_seed(0)
        model, _ = build()
        optimizer = flambeau.optim.AdamW(model.parameters(), lr=0.01)

        def step(tokens, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:].flatten())
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = strict(step) if compiled else step
        generator = flambeau.Generator().manual_seed(2)
        losses.append(
            [run(flambeau.randint(0, 11, (3, 7), generator=generator)).item() for _ in range(6)]
        )
    assert_close(losses[0], losses[1], rtol=1e-5, atol=1e-6)


def test_gradients_are_there_afterwards():
    w = flambeau.randn(3, requires_grad=True)

    @strict
    def step(x):
        w.grad = None
        loss = ((w * x) ** 2).sum()
        loss.backward()
        return loss

    for x in (flambeau.ones(3), flambeau.arange(3.0), flambeau.full((3,), 2.0)):
        loss = step(x)
        assert_close(w.grad, (2 * w * x * x).detach())
        kept = w.grad
        assert loss.requires_grad
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
    step(flambeau.ones(3))
    assert_close(kept, (2 * w * 4).detach())  # what was held is not written over


@pytest.mark.parametrize("model", MODELS)
def test_a_compiled_model_learns_in_a_loop_of_ones_own(model):
    found = []
    for compiled in (False, True):
        flambeau.manual_seed(0)
        net, shape = MODELS[model]()
        optimizer = flambeau.optim.Adam(net.parameters(), lr=0.01)
        run = strict(net) if compiled else net
        losses = []
        for x, y in batches(shape):
            x.requires_grad_()
            loss = F.cross_entropy(run(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += [loss.item(), x.grad.abs().sum().item()]
        found.append(losses)
    assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


def test_gradients_reach_what_comes_before():
    w = flambeau.randn(4, requires_grad=True)
    f = strict(lambda x, y: ((x * w).tanh(), (x + y).exp().sum()))
    for _ in range(3):
        a = flambeau.randn(4, requires_grad=True)
        found = []
        for g in (f, f._function):
            w.grad = a.grad = None
            one, two = g(a.sin(), flambeau.ones(4))
            (one.sum() + 2 * two).backward()
            found.append((a.grad, w.grad))
        assert_close(found[0], found[1])


def test_only_one_result_is_followed():
    w = flambeau.randn(4, requires_grad=True)
    f = strict(lambda x: (x * w, (x + w).exp()))
    for i in (0, 1, 0):
        x = flambeau.randn(4)
        (g,) = flambeau.autograd.grad(f(x)[i].sum(), w)
        assert_close(g, x if i == 0 else (x + w).exp().detach())


def test_graphs_of_the_backward():
    w = flambeau.randn(4, requires_grad=True)
    f = strict(lambda x: ((x * w) ** 3).sum())
    for _ in range(2):
        x = flambeau.randn(4, requires_grad=True)
        (g,) = flambeau.autograd.grad(f(x), x, create_graph=True)
        assert_close(g, 3 * x**2 * w**3)
        (h,) = flambeau.autograd.grad(g.sum(), w)
        assert_close(h, (9 * x**2 * w**2).detach())


def test_a_second_backward_and_written_parameters_are_refused():
    w = flambeau.randn(4, requires_grad=True)
    f = strict(lambda x: (x * w * w).exp().sum())
    f(flambeau.ones(4)).backward()
    out = f(flambeau.ones(4))
    out.backward(retain_graph=True)
    out.backward()
    with pytest.raises(RuntimeError, match="second time"):
        out.backward()
    out = f(flambeau.ones(4))
    with flambeau.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_hooks_run():
    w = flambeau.ones(2, requires_grad=True)
    seen = []
    w.register_hook(lambda g: seen.append(g.sum().item()))

    def step(x):
        w.grad = None
        (w * x).sum().backward()

    compiled = flambeau.compile(step)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for i in range(3):
            compiled(flambeau.full((2,), float(i)))
    assert seen == [0.0, 2.0, 4.0] and len(said) == 1 and "hook" in str(said[0].message)


def test_training_and_evaluation_are_programs_of_their_own():
    flambeau.manual_seed(0)
    net, shape = convolutional()
    run = strict(net)
    x = flambeau.randn(shape)
    before = net[1].running_mean.clone()
    run(x), run(x)
    assert not flambeau.equal(before, net[1].running_mean) and net[1].num_batches_tracked == 2
    net.eval()
    mean = net[1].running_mean.clone()
    with flambeau.no_grad():
        assert_close(run(x), net(x))
        assert_close(run(x), net(x))
    assert flambeau.equal(mean, net[1].running_mean)


@pytest.mark.parametrize("dtype", [flambeau.bfloat16, flambeau.float16])
def test_autocast_around_a_compiled_function_is_part_of_its_program(dtype):
    model = nn.Sequential(nn.Linear(8, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 8))
    compiled = flambeau.compile(model, fullgraph=True)
    x = flambeau.randn(4, 8)

    def run(function):
        model.zero_grad()
        with flambeau.autocast("cpu", dtype=dtype):
            out = function(x)
        out.float().square().sum().backward()
        return out, [p.grad for p in model.parameters()]

    plain = model(x)
    for _ in range(3):
        (out, grads), (expected, wanted) = run(compiled), run(model)
        assert out.dtype is expected.dtype is dtype
        assert_close(out, expected, rtol=1e-2, atol=1e-2)
        assert all(g.dtype is flambeau.float32 for g in grads)
        assert_close(grads, wanted, rtol=2e-2, atol=2e-2)
        assert_close(compiled(x), plain)
    assert sum(map(len, compiled._plans.values())) == 2


def test_a_mode_sees_what_a_compiled_function_calls():
    from flambeau.autograd.graph import saved_tensors_hooks

    compiled = flambeau.compile(lambda x: (x * x).exp())
    x = flambeau.ones(3, requires_grad=True)
    compiled(x)
    packed = []
    with saved_tensors_hooks(lambda t: packed.append(t) or t, lambda t: t):
        compiled(x).sum().backward()
    assert packed


def test_an_optimizer_that_steps_first_finds_the_gradients_of_the_call_before():
    def losses(compiled):
        flambeau.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = flambeau.optim.SGD(model.parameters(), lr=0.01)

        def step(x):
            optimizer.step()
            optimizer.zero_grad()
            loss = model(x).square().sum()
            loss.backward()
            return loss

        run = flambeau.compile(step) if compiled else step
        return [run(flambeau.ones(4, 3)).item() for _ in range(6)]

    expected = losses(False)
    assert len(set(expected)) > 2
    assert losses(True) == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(not cpu.available(), reason="one pass is a kernel, and nothing can be compiled")
def test_gradients_of_elementwise_calls_are_computed_in_one_pass_while_they_are_captured(
    monkeypatch,
):
    """And noted as the calls they consist of."""
    from importlib import import_module

    derivatives, noted = import_module("flambeau.jit.capture"), []
    taken = derivatives.gradient

    def seen(*given):
        made = taken(*given)
        noted.append(made is not None)
        return made

    monkeypatch.setattr(derivatives, "gradient", seen)
    scale = flambeau.nn.Parameter(flambeau.ones(400))
    x = flambeau.randn(300, 400)

    def gradients(w):
        w.grad = None
        y = flambeau.nn.functional.gelu(x * w) * (x.sigmoid() + w).tanh()
        flambeau.where(y > 0, y * w.exp(), y / 3).sum().backward()
        return w.grad * 1

    f = flambeau.compile(lambda: gradients(scale), fullgraph=True)
    expected = gradients(scale)
    for _ in range(4):
        assert_close(f(), expected, rtol=1e-4, atol=1e-3)
        with flambeau.no_grad():
            x.mul_(1.0)
    assert noted.count(True) >= 3
