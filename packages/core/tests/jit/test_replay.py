"""Recorded programs: what is replayed in C, what stays in Python, and what happens when a run is not like the first."""

from __future__ import annotations

import gc
import threading
import warnings

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu
from flambeau.nn import functional as F
from flambeau.testing import assert_close

needs_compiler = pytest.mark.skipif(not cpu.available(), reason="no C compiler on this machine")
pytestmark = needs_compiler


def compiled(f):
    made = flambeau.compile(f, fullgraph=True)

    def call(*args):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return made(*args)

    call.of = made
    return call


def replay(call, which=0):
    """The recording of a compiled function's program."""
    plans = [p for plans in call.of._plans.values() for p in plans]
    (program,) = plans[which].forward.programs
    return program.replay


def kinds(recorded):
    return ["c" if s.calls is not None else "view" if s.view else "python" for s in recorded.steps]


def test_a_network_is_one_native_call():
    flambeau.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10), nn.LayerNorm(10),
    ).eval()  # fmt: skip

    def predict(x):
        with flambeau.no_grad():
            return F.softmax(net(x), -1)

    f = compiled(predict)
    for _ in range(4):
        x = flambeau.randn(3, 2, 8, 8)
        assert_close(f(x), predict(x), rtol=1e-4, atol=1e-6)
    recorded = replay(f)
    assert set(kinds(recorded)) <= {"c", "view"} and recorded.text.stretches == 1


def test_choosing_the_next_token_is_native():
    table, head = flambeau.randn(9, 16), flambeau.randn(16, 9)

    def decode(token):
        chosen = []
        for _ in range(3):
            token = (table[token] @ head).argmax(-1)
            chosen.append(token)
        return flambeau.stack(chosen)

    f = compiled(decode)
    for i in range(4):
        token = flambeau.tensor([i])
        assert f(token).tolist() == decode(token).tolist()
    recorded = replay(f)
    assert "python" not in kinds(recorded) and recorded.text.stretches == 1


def test_what_numpy_computes_stays_in_python():
    f = compiled(lambda x: flambeau.sort(x.exp(), stable=True)[0].cumsum(0).sin() * 2)
    for _ in range(4):
        x = flambeau.randn(5)
        assert_close(f(x), flambeau.sort(x.exp())[0].cumsum(0).sin() * 2)
    assert "c" in kinds(replay(f))


def test_results_are_the_callers_own():
    f = compiled(lambda x: (x * 2 + 1, (x.exp() * x).sum(0)))
    kept = [f(flambeau.full((4, 3), float(i))) for i in range(5)]
    for i, (a, b) in enumerate(kept):
        assert_close(a, flambeau.full((4, 3), 2.0 * i + 1))
        assert_close(b, flambeau.full((3,), 4 * i * np.exp(i)).float())


def test_memory_is_used_again():
    def chain(x):
        for _ in range(20):
            x = flambeau.softmax(x, -1) @ x
        return x

    f = compiled(chain)
    x = flambeau.randn(32, 32)
    for _ in range(3):
        assert_close(f(x), chain(x), rtol=1e-3, atol=1e-4)
    assert replay(f).arena.size <= 8 * x.numel() * 4 + (1 << 16)


def test_the_memory_goes_with_the_function():
    f = compiled(lambda x: (x @ x).relu() @ x)
    for _ in range(3):
        f(flambeau.randn(8, 8))
    arena = replay(f).arena
    assert arena._lib.fb_arena_lives(arena._self) >= 0
    del f, arena
    gc.collect()


def test_an_index_out_of_range_is_refused_as_in_eager_mode():
    table = flambeau.randn(7, 300)
    f = compiled(lambda i: table[i] * 2)
    for _ in range(3):
        i = flambeau.randint(0, 7, (50,))
        assert_close(f(i), table[i] * 2)
    with pytest.raises(IndexError, match="out of bounds|out of range"):
        f(flambeau.full((50,), 7))
    assert_close(f(i), table[i] * 2)


def test_parameters_that_move_are_followed():
    net = nn.Linear(64, 64)
    f = compiled(lambda x: net(x).detach())
    x = flambeau.randn(64, 64)
    for _ in range(3):
        f(x)
    net.weight.data = flambeau.randn(64, 64)
    assert_close(f(x), net(x).detach())
    net.weight = nn.Parameter(flambeau.randn(64, 64))
    assert_close(f(x), net(x).detach())
    net._parameters["weight"] = nn.Parameter(flambeau.randn(64, 64).t())
    assert_close(f(x), net(x).detach())


def test_two_threads_at_once():
    w = flambeau.randn(200, 200)
    f = compiled(lambda x: ((x @ w).relu() @ w).sum(1))
    x = flambeau.randn(200, 200)
    expected = f(x)
    f(x)
    wrong = []

    def work():
        for _ in range(20):
            if not np.allclose(f(x).numpy(), expected.numpy(), rtol=1e-3, atol=1e-2):
                wrong.append(1)

    running = [threading.Thread(target=work) for _ in range(3)]
    for t in running:
        t.start()
    for t in running:
        t.join()
    assert not wrong


def test_random_numbers_and_running_statistics_are_counted_once():
    flambeau.manual_seed(0)
    net = nn.Sequential(nn.Linear(300, 300), nn.BatchNorm1d(300), nn.Dropout(0.5))
    twin = nn.Sequential(nn.Linear(300, 300), nn.BatchNorm1d(300), nn.Dropout(0.5))
    twin.load_state_dict(net.state_dict())
    f = compiled(lambda x: net(x).detach())
    x = flambeau.randn(20, 300)
    for seed in range(4):
        flambeau.manual_seed(seed)
        a = f(x)
        flambeau.manual_seed(seed)
        b = twin(x).detach()
        assert_close(a, b, rtol=1e-4, atol=1e-5)
        assert_close(net[1].running_var, twin[1].running_var)
    assert net[1].num_batches_tracked == 4


def test_numbers_that_change_are_other_programs():
    f = compiled(lambda x, k: (x * k).tanh() + k)
    x = flambeau.randn(100)
    for k in (1.0, 2.5, 1.0, 2.5, 1.0, 2.5):
        assert_close(f(x, k), (x * k).tanh() + k)


def test_strided_and_broadcast_arguments():
    f = compiled(lambda x, y: (x * y + 1).exp().sum(-1))
    base = flambeau.randn(40, 60)
    for x, y in ((base.t(), base.t()), (base[::2], flambeau.randn(1, 60)), (base, base[:1].expand(40, 60))):  # fmt: skip
        for _ in range(3):
            assert_close(f(x, y), (x * y + 1).exp().sum(-1))


@pytest.mark.parametrize(
    "kept", [lambda x: x.sum(), lambda x: x.sum(0), lambda x: x.exp()[:, ::2].repeat(1, 2)[:, :6]]
)
def test_what_backward_is_kept_lies_as_it_did_when_recorded(kept):
    weight = flambeau.linspace(-1, 1, 36).reshape(6, 6).requires_grad_()

    def f(x):
        return (x @ weight).tanh().square() * kept(x).expand(4, 6)

    compiled = flambeau.compile(f)
    for n in range(4):
        x, grads = flambeau.linspace(-1, 1 + n / 9, 24).reshape(4, 6), []
        for g in (f, compiled):
            weight.grad = None
            g(x).sum().backward()
            grads.append(weight.grad)
        assert flambeau.allclose(*grads, rtol=1e-4, atol=1e-5)


def test_an_index_past_the_end_does_not_wrap_around():
    def added(x, i):
        y = x * 1
        y.index_put_((i,), flambeau.ones(3), accumulate=True)
        return y

    f = compiled(added)
    for _ in range(3):
        assert_close(
            f(flambeau.zeros(4), flambeau.tensor([0, 0, 3])), flambeau.tensor([2.0, 0, 0, 1])
        )
    with pytest.raises(IndexError, match="out of bounds|out of range"):
        f(flambeau.zeros(4), flambeau.tensor([0, 0, 4]))


def test_results_without_dimensions_of_calls_with_several():
    f = compiled(lambda x: [y * 1 for y in flambeau.frexp(x)])
    for value in (3.5, -0.25, 6.0, 0.0):
        x = flambeau.tensor(value)
        for found, expected in zip(f(x), flambeau.frexp(x)):
            assert_close(found, expected)


def test_copies_that_a_kernel_asks_for_are_made_in_c():
    flambeau.manual_seed(0)
    layer, rnn = nn.Linear(32, 24), nn.GRU(32, 24, batch_first=True)

    def predict(x):
        with flambeau.no_grad():
            return layer(x.transpose(0, 1)), rnn(x)[0], x.transpose(1, 2) @ x[..., :8]

    f = compiled(predict)
    for _ in range(4):
        x = flambeau.randn(40, 33, 32)
        for made, expected in zip(f(x), predict(x), strict=True):
            assert_close(made, expected, rtol=1e-4, atol=1e-5)
    recorded = replay(f)
    assert set(kinds(recorded)) <= {"c", "view"} and recorded.text.stretches == 1


def test_gradients_of_tables_are_made_in_c():
    flambeau.manual_seed(0)
    words, bags = nn.Embedding(50, 8), nn.EmbeddingBag(40, 8, mode="sum")

    def step(x):
        words.zero_grad()
        bags.zero_grad()
        nodes = flambeau.zeros(30, 8).index_add(0, x[0], words(x[0]))
        loss = (words(x).sum((1, 2)) * bags(x).sum(1)).square().mean() + nodes.square().sum()
        loss.backward()
        return loss.detach()

    f = compiled(step)
    for _ in range(4):
        x = flambeau.randint(0, 30, (6, 9))
        made, grads = f(x), [words.weight.grad, bags.weight.grad]
        assert_close(made, step(x), rtol=1e-4, atol=1e-5)
        assert_close(grads, [words.weight.grad, bags.weight.grad], rtol=1e-4, atol=1e-5)
    recorded = replay(f)
    assert set(kinds(recorded)) <= {"c", "view"} and recorded.text.stretches == 1
    with pytest.raises(IndexError):
        f(x + 45)
    assert_close(f(x), step(x), rtol=1e-4, atol=1e-5)


def test_comparisons_with_zero_are_made_in_c():
    f = compiled(lambda y: (y == 0, flambeau.where(y == 0, 1, y), (y >= -1).sum()))
    for _ in range(3):
        y = flambeau.randint(-2, 3, (5000,))
        made = f(y)
        assert made[0].equal(y == 0) and made[1].equal(y + (y == 0).long())
        assert made[2] == (y >= -1).sum()
    assert "python" not in kinds(replay(f))


def test_what_a_kernel_takes_as_it_lies_is_not_copied():
    flambeau.manual_seed(0)
    f = compiled(lambda x, w: F.linear(x.transpose(0, 1), w.t()))
    for _ in range(3):
        x, w = flambeau.randn(24, 33, 64), flambeau.randn(64, 48)
        assert_close(f(x, w), (x @ w).transpose(0, 1), rtol=1e-4, atol=1e-4)
    (product,) = [s for s in replay(f).steps if not s.view]
    assert [c.function.__name__ for c in product.calls] == ["copy", "product"]


def test_padding_is_made_in_c():
    def padded(x):
        return (
            F.pad(x, (3, 0)),
            F.pad(x, (1, -2, 0, 2), value=-1.5),
            F.pad(x.long(), (0, 5), value=7),
        )

    f = compiled(padded)
    for _ in range(3):
        x = flambeau.randn(4, 80, 150) * 9
        for made, expected in zip(f(x), padded(x), strict=True):
            assert made.equal(expected)
    assert set(kinds(replay(f))) <= {"c", "view"}


def planned(f, *args, calls=4):
    """What a compiled function gives, and the bytes that its program has for values on the way."""
    c = flambeau.compile(f)
    made = [c(*args) for _ in range(calls)][-1]
    (plan,) = [p for plans in c._plans.values() for p in plans]
    return made, plan.forward.programs[0].replay.arena.size


SIDE = 64
ON_THE_WAY = SIDE * SIDE * 4


@pytest.mark.parametrize(
    ("f", "blocks"),
    [
        pytest.param(lambda x, w: ((x @ w).relu() @ w).relu() @ w, 2, id="a chain"),
        pytest.param(lambda x, w: (y := (x @ w).relu()) @ w + y, 2, id="read afterwards"),
        pytest.param(lambda x, w: ((y := x @ w) + y.T) @ w, 3, id="read crosswise"),
        pytest.param(lambda x, w: ((y := x @ w)[:32] + y[32:]) @ w, 1.5, id="parts of it"),
        pytest.param(lambda x, w: ((x @ w) + (w @ x)) @ w, 2, id="one of two"),
        pytest.param(lambda x, w: ((y := x @ w) + y[:1]) @ w, 2, id="a row of it for all"),
        pytest.param(lambda x, w: ((x[:1] @ w) + x) @ w, 2, id="a row for all"),
        pytest.param(lambda x, w: (((y := x @ w).exp() @ w) + y) @ w, 3, id="kept for later"),
        pytest.param(lambda x, w: (x @ w).flip(0) @ w, 2, id="from the end"),
        pytest.param(lambda x, w: (x @ w).T.contiguous() @ w, 2, id="turned round"),
        pytest.param(lambda x, w: (x @ w).roll(3, 1).flip(1) @ w, 3, id="moved"),
        pytest.param(lambda x, w: (x @ w).cumsum(0).flip(0).cumsum(0) @ w, 3, id="summed up"),
        pytest.param(lambda x, w: (x @ w).exp().double().sin().float() @ w, 3, id="another dtype"),
    ],
)
def test_a_loop_writes_over_what_only_it_still_reads(f, blocks):
    x, w = flambeau.randn(SIDE, SIDE), flambeau.randn(SIDE, SIDE) / 8
    made, size = planned(f, x, w)
    assert flambeau.allclose(made, f(x, w), rtol=1e-4, atol=1e-5)
    assert size <= blocks * ON_THE_WAY


def test_gradients_through_chains_that_lie_in_one_place():
    flambeau.manual_seed(0)
    layers = [flambeau.nn.Linear(48, 48) for _ in range(4)]

    def step(x):
        for layer in layers:
            layer.zero_grad()
            x = flambeau.relu(layer(x)) * 2 - 1
        loss = (x.tanh() ** 2).sum()
        loss.backward()
        return loss.detach()

    x = flambeau.randn(16, 48)
    wanted = step(x)
    grads = [p.grad.clone() for layer in layers for p in layer.parameters()]
    compiled = flambeau.compile(step)
    for _ in range(4):
        assert flambeau.allclose(compiled(x), wanted)
        for p, g in zip([p for layer in layers for p in layer.parameters()], grads):
            assert flambeau.allclose(p.grad, g, rtol=1e-4, atol=1e-5)
