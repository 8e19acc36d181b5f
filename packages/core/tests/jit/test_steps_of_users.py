"""Training steps as people write them: the compiled one gives the eager one's results and parameters, call after call."""

from __future__ import annotations

import copy
import random
import warnings

import numpy as np
import pytest

import flambeau
from flambeau import nn, optim
from flambeau._base import pytree
from flambeau.nn import functional as F
from flambeau.testing import assert_close

COMPILED, EAGER = {}, {}  # by name: what makes a model and a step


def compiled(make):
    COMPILED[make.__name__] = make
    return make


def eager(reason):
    def note(make):
        EAGER[make.__name__] = (make, reason)
        return make

    return note


def net(*more):
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), *more, nn.Linear(8, 4))


def batches(count=6):
    made = np.random.default_rng(0)
    return [
        (
            flambeau.tensor(made.standard_normal((5, 6)).astype("f4")),
            flambeau.tensor(made.integers(0, 4, 5)),
        )
        for _ in range(count)
    ]


def results(make, run_compiled):
    """What each call gives, and the parameters and buffers at the end."""
    flambeau.manual_seed(0)
    random.seed(0)
    model, step = make()
    run = flambeau.compile(step) if run_compiled else step
    flambeau.manual_seed(1)
    made = []
    for x, y in batches():
        outs = [o for o in pytree.flatten(run(x, y))[0] if o is not None]
        made.append([o.detach().clone() if isinstance(o, flambeau.Tensor) else o for o in outs])
    return made, [t.detach() for t in (*model.parameters(), *model.buffers())], run


def backward(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


# -- one program -------------------------------------------------------------------------------------------------------


@compiled
def fills_its_labels_anew():
    """The discriminator and the generator of a tutorial: one tensor of labels, filled three times."""
    critic = nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Sigmoid())
    maker = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
    of_critic = optim.Adam(critic.parameters(), 1e-2)
    of_maker = optim.Adam(maker.parameters(), 1e-2)

    def step(x, y):
        critic.zero_grad()
        label = flambeau.full((x.size(0),), 1.0)
        real = F.binary_cross_entropy(critic(x).view(-1), label)
        real.backward()
        made = maker(x.flip(1))
        label.fill_(0.0)
        fake = F.binary_cross_entropy(critic(made.detach()).view(-1), label)
        fake.backward()
        of_critic.step()
        maker.zero_grad()
        label.fill_(1.0)
        fooled = F.binary_cross_entropy(critic(made).view(-1), label)
        fooled.backward()
        of_maker.step()
        return real + fake, fooled

    return nn.ModuleList([critic, maker]), step


@compiled
def attends_but_to_padding():
    layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True)
    model = nn.ModuleList([nn.TransformerEncoder(layer, 1), nn.Linear(6, 4)])
    optimizer = optim.SGD(model.parameters(), 0.1)

    def step(x, y):
        padded = flambeau.arange(5).expand(5, 5) > y[:, None]
        words = x[:, None] * x.roll(1, 0)
        read = model[0](words, src_key_padding_mask=padded).masked_fill(padded[..., None], 0.0)
        return backward(optimizer, F.cross_entropy(model[1](read.sum(1)), y))

    return model, step


@compiled
def writes_by_data():
    model = net()

    def step(x, y):
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        for p in model.parameters():
            p.data.sub_(0.1 * p.grad)
        return loss

    return model, step


@compiled
def writes_into_a_detached_part():
    model = net()

    def step(x, y):
        model[0].weight.detach()[1:, 2:][0].add_(x.mean())
        return model(x)

    return model, step


@compiled
def gradients_by_hand():
    model = net()

    def step(x, y):
        loss = F.cross_entropy(model(x), y)
        grads = flambeau.autograd.grad(loss, list(model.parameters()))
        with flambeau.no_grad():
            for p, g in zip(model.parameters(), grads):
                p -= 0.1 * g
        return loss

    return model, step


@compiled
def gradients_set_to_zero():
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)

    def step(x, y):
        optimizer.zero_grad(set_to_none=False)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.01)
        optimizer.step()
        return loss

    return model, step


@compiled
def the_gradient_of_the_call_before():
    model = net()
    model(flambeau.ones(4, 6)).sum().backward()

    def step(x, y):
        norm = model[0].weight.grad.norm()
        for p in model.parameters():
            p.grad = None
        F.cross_entropy(model(x), y).backward()
        return norm

    return model, step


@compiled
def a_loop_that_asks_for_gradients():
    model = net()

    def step(x, y):
        for p in model.parameters():
            if p.grad is not None:
                p.grad.zero_()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        with flambeau.no_grad():
            for p in model.parameters():
                p.add_(p.grad, alpha=-0.1)
        return loss

    return model, step


@compiled
def a_gradient_that_is_set():
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        model[0].bias.grad = x.mean(0)[:1].expand(8).clone()
        optimizer.step()
        return loss

    return model, step


@compiled
def a_plateau():
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)

    def step(x, y):
        loss = backward(optimizer, F.cross_entropy(model(x), y))
        scheduler.step(loss.detach())
        return loss

    return model, step


@compiled
def averages():
    model = net()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    average = optim.swa_utils.AveragedModel(
        model, multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )

    def step(x, y):
        loss = backward(optimizer, F.cross_entropy(model(x), y))
        average.update_parameters(model)
        return loss

    return nn.ModuleList([model, average]), step


@compiled
def averages_by_hand():
    model = net()
    optimizer, average = optim.Adam(model.parameters(), 1e-2), copy.deepcopy(model)

    def step(x, y):
        loss = backward(optimizer, F.cross_entropy(model(x), y))
        with flambeau.no_grad():
            for p, q in zip(average.parameters(), model.parameters()):
                p.mul_(0.9).add_(q, alpha=0.1)
        return loss

    return nn.ModuleList([model, average]), step


@compiled
def scaled_losses():
    model = net()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    scaler = flambeau.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=2)  # overflows

    def step(x, y):
        optimizer.zero_grad()
        with flambeau.autocast("cpu", dtype=flambeau.bfloat16):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=False)
        scaler.step(optimizer)
        scaler.update()
        return loss, norm.nan_to_num(0.0, 0.0)

    return model, step


@compiled
def a_mask_made_inside():
    layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 1)

    def step(x, y):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[0])
        return model(x.detach(), mask=mask)

    return model, step


@compiled
def two_networks():
    made, judged = nn.Linear(6, 6), nn.Linear(6, 1)
    first, second = optim.Adam(made.parameters(), 1e-3), optim.Adam(judged.parameters(), 1e-3)
    loss = nn.BCEWithLogitsLoss()

    def step(x, y):
        one, zero = flambeau.ones(x.shape[0], 1), flambeau.zeros(x.shape[0], 1)
        fake = made(x.flip(0))
        a = backward(second, loss(judged(x), one) + loss(judged(fake.detach()), zero))
        return a, backward(first, loss(judged(fake), one))

    return nn.ModuleList([made, judged]), step


@compiled
def parts_of_a_batch():
    model = net()
    optimizer = optim.AdamW(model.parameters(), 1e-2, amsgrad=True)

    def step(x, y):
        total = 0
        for a, b in zip(x.chunk(3), y.chunk(3)):
            loss = F.cross_entropy(model(a), b) / 3
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        optimizer.zero_grad()
        return total

    return model, step


class Own(optim.Optimizer):
    """A user's, which counts its steps in its state."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @flambeau.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["step"] = state.get("step", 0) + 1
                p.sub_(p.grad, alpha=group["lr"] / state["step"])


class Shrinking(optim.lr_scheduler.LRScheduler):
    def get_lr(self):
        return [lr / (1 + self.last_epoch) for lr in self.base_lrs]


@compiled
def an_optimizer_and_a_scheduler_of_ones_own():
    model = net()
    optimizer = Own(model.parameters(), 0.1)
    scheduler = Shrinking(optimizer)

    def step(x, y):
        loss = backward(optimizer, F.cross_entropy(model(x), y))
        scheduler.step()
        return loss

    return model, step


@compiled
def a_gradient_penalty():
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.Adam(model.parameters(), 1e-2)

    def step(x, y):
        between = (flambeau.rand(x.shape[0], 1) * x).requires_grad_(True)
        made = model(between)
        (g,) = flambeau.autograd.grad(made, between, flambeau.ones_like(made), create_graph=True)
        return backward(optimizer, made.mean() + (g.norm(2, 1) - 1).square().mean())

    return model, step


@compiled
def an_adversarial_input():
    model = net()

    def step(x, y):
        near = x.detach().requires_grad_()
        F.cross_entropy(model(near), y).backward()
        model.zero_grad()
        return x + 0.1 * near.grad.sign()

    return model, step


@compiled
def a_weight_made_inside():
    model = net()

    def step(x, y):
        scale = flambeau.ones(4, requires_grad=True)
        shift = flambeau.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
        for _ in range(2):
            F.cross_entropy(model(x).detach() * scale + shift, y).backward()
        first, scale.grad = scale.grad.clone(), None
        scale.square().sum().backward()
        return first, scale.grad, shift.grad

    return model, step


@compiled
def pairs():
    model = net()

    def step(x, y):
        rows, columns = flambeau.tril_indices(5, 5, -1)
        more = flambeau.triu_indices(5, 4, 2)
        products = model(x).detach() @ model(x).detach().T
        return products[rows, columns], products[more[0], more[1]]

    return model, step


# -- what runs eagerly ---------------------------------------------------------------------------------------------------


@eager("Python's or NumPy's own random")
def python_random():
    model = net()
    return model, lambda x, y: model(x * random.random())


@eager("Python's or NumPy's own random")
def numpy_random():
    model = net()
    np.random.seed(0)
    return model, lambda x, y: model(x * float(np.random.rand()))


@eager("a function given to LBFGS.step")
def a_closure():
    model = net()
    optimizer = optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)

    def step(x, y):
        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure)

    return model, step


@eager("a CooTensor")
def sparse_gradients():
    model = nn.Embedding(4, 3, sparse=True)
    optimizer = optim.SparseAdam(model.parameters(), 1e-2)
    return model, lambda x, y: backward(optimizer, model(y).square().sum())


@eager("a result that has a gradient of its own")
def a_leaf_made_inside_and_returned():
    model = net()

    def step(x, y):
        near = x.clone().requires_grad_()
        F.cross_entropy(model(near), y).backward()
        model.zero_grad()
        return near, near.grad

    return model, step


@eager("item()")
def a_branch_on_a_value():
    model = net()

    def step(x, y):
        made = model(x)
        return made * 2 if made.sum().item() > 0 else made

    return model, step


# -- held against each other -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPILED)
def test_a_step_is_one_program_and_the_same(name):
    expected, state, _ = results(COMPILED[name], False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made, kept, run = results(COMPILED[name], True)
    assert "eager" not in flambeau.jit.explain(run)
    assert sum(map(len, run._plans.values())) < 4
    assert_close(made, expected, rtol=1e-4, atol=1e-5)
    assert_close(kept, state, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", EAGER)
def test_what_no_program_can_do_runs_eagerly_and_says_why(name):
    make, reason = EAGER[name]
    expected, state, _ = results(make, False)
    with pytest.warns(UserWarning, match=reason.replace("(", r"\(").replace(")", r"\)")):
        made, kept, _ = results(make, True)
    assert_close(made, expected)
    assert_close(kept, state)


def test_another_optimizer_under_the_same_name_is_another_program():
    model = nn.Linear(3, 1)
    optimizer = optim.SGD(model.parameters(), lr=1.0)

    def step(x):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    run = flambeau.compile(step)
    run(flambeau.ones(2, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    before = model.weight.detach().clone()
    run(flambeau.ones(2, 3))
    assert model.weight.equal(before)
