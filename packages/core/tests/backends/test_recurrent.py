"""Recurrent layers in one call equal their definition, step by step: values and gradients, packed, reversed, on any threads."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.backends.cpu import library, recurrent, threads
from flambeau.ops import recurrent as definition
from flambeau.runtime.operator import OFTEN, Operator, registry

pytestmark = pytest.mark.skipif(not library.available(), reason="nothing can be compiled")
KINDS = ["lstm_layer", "gru_layer", "tanh_layer", "relu_layer"]
GATES = {"lstm_layer": 4, "gru_layer": 3}
#        steps, rows, input, units
SIZES = [(1, 1, 1, 1), (3, 2, 4, 5), (7, 13, 6, 16), (4, 33, 20, 50), (5, 3, 8, 130)]


@pytest.fixture(scope="module", autouse=True)
def _registered():
    """The kernels wait for a first call that is large enough."""
    for kind in KINDS:
        with flambeau.no_grad():
            getattr(definition, kind)(*arguments(kind, 4, 16, 64, 64, "float32"))


@pytest.fixture
def calls(monkeypatch):
    """Counts what the kernels were asked."""
    seen = []
    for name in ("forward", "backward"):
        for dtype in ("float32", "float64"):
            functions = getattr(recurrent.kernels, dtype)
            kept = getattr(functions, name)

            def noted(*args, kept=kept, name=name):
                seen.append(name)
                return kept(*args)

            monkeypatch.setattr(functions, name, noted)
    return seen


def arguments(kind, steps, rows, inputs, units, dtype, sizes=None, bias=True, seed=0):
    rng = np.random.default_rng(seed)
    wide = GATES.get(kind, 1) * units
    shape = (steps, rows, inputs) if sizes is None else (sum(sizes), inputs)
    shapes = [
        shape,
        *[(rows, units)] * (2 if kind == "lstm_layer" else 1),
        (wide, inputs),
        (wide, units),
    ]
    shapes += [(wide,), (wide,)] if bias else []
    arrays = [(rng.standard_normal(s) / np.sqrt(s[-1])).astype(dtype) for s in shapes]
    return [flambeau.from_numpy(a).requires_grad_() for a in arrays]


def ran(run, tensors, parts=None, seed=1):
    """All results of a layer and all gradients of their sum with weights."""
    for t in tensors:
        t.grad = None
    made = run(*tensors)
    rng = np.random.default_rng(seed)
    loss = 0
    for i, m in enumerate(made):
        weights = flambeau.from_numpy(rng.standard_normal(m.shape)).to(m.dtype)
        if parts is None or i in parts:
            loss = loss + (m * weights).sum()
    loss.backward()
    return [m.detach().numpy() for m in made] + [
        None if t.grad is None else t.grad.numpy() for t in tensors
    ]


def close(a, b, dtype):
    tolerance = 2e-5 if dtype == "float32" else 1e-11
    for x, y in zip(a, b, strict=True):
        if y is None:
            assert x is None or not x.any()
        else:
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def both(kind, calls, *sizes_and_dtype, **options):
    """The layer as it is called, and its body."""
    *sizes, dtype = sizes_and_dtype
    packed, bias = options.pop("sizes", None), options.pop("bias", True)
    tensors = arguments(kind, *sizes, dtype, packed, bias)
    layer = getattr(definition, kind)
    parts = options.pop("parts", None)
    made = ran(lambda *t: layer(*t, sizes=packed, **options), tensors, parts)
    assert calls == ["forward", "backward"]
    body = registry[kind].body
    wanted = ran(lambda *t: body(*t, sizes=packed, **options), tensors, parts)
    assert calls == ["forward", "backward"]
    close(made, wanted, dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_is_its_definition(kind, sizes, dtype, calls):
    both(kind, calls, *sizes, dtype)


# Several chunks of steps, steps that are larger than a chunk, odd sizes of everything.
BETWEEN = [(70, 9, 33, 70), (3, 300, 17, 40), (90, 3, 100, 129)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", BETWEEN, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("states", [False, True])
def test_products_between_the_steps(kind, sizes, reverse, states, calls):
    """With and without gradients of the first states, whose steps' gradients must be kept to the end."""
    tensors = arguments(kind, *sizes, "float64")
    for t in tensors[1 : 3 if kind == "lstm_layer" else 2]:
        t.requires_grad_(states)
    made = ran(lambda *t: getattr(definition, kind)(*t, reverse=reverse), tensors)
    assert calls == ["forward", "backward"]
    close(made, ran(lambda *t: registry[kind].body(*t, reverse=reverse), tensors), "float64")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", BETWEEN, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_gates_that_nobody_wants_take_turns(kind, sizes, reverse, calls):
    tensors = [t.detach() for t in arguments(kind, *sizes, "float64")]
    made = getattr(definition, kind)(*tensors, reverse=reverse)
    assert calls == ["forward"]
    wanted = registry[kind].body(*tensors, reverse=reverse)
    close([m.numpy() for m in made], [w.numpy() for w in wanted], "float64")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", [0, -4, -3, -2, -1])
def test_one_gradient_alone(kind, wanted, calls):
    tensors = arguments(kind, 40, 8, 20, 70, "float64")
    for i, t in enumerate(tensors):
        t.requires_grad_(i == wanted % len(tensors))
    made = ran(getattr(definition, kind), tensors)
    assert calls == ["forward", "backward"]
    close(made, ran(registry[kind].body, tensors), "float64")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_packed_sequences_in_chunks(kind, reverse, calls):
    sizes = (130, 130, 90, 90, *[60] * 6, 7, 1)
    both(kind, calls, 0, 130, 19, 50, "float64", reverse=reverse, sizes=sizes)


@pytest.mark.parametrize("kind", KINDS)
def test_reversed_without_biases(kind, calls):
    both(kind, calls, 5, 9, 4, 20, "float64", reverse=True, bias=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_packed_sequences(kind, reverse, calls):
    both(kind, calls, 0, 11, 4, 20, "float64", reverse=reverse, sizes=(11, 11, 8, 8, 7, 2, 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0, 1])
def test_gradients_of_one_result_alone(kind, part, calls):
    both(kind, calls, 4, 3, 4, 6, "float64", parts=(part,))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [None, (9, 9, 5, 2)], ids=["batch", "packed"])
@pytest.mark.parametrize("reverse", [False, True])
def test_no_state_is_one_of_zeros(kind, sizes, reverse, calls):
    parts = 2 if kind == "lstm_layer" else 1
    x, *rest = arguments(kind, 4, 9, 6, 40, "float64", sizes)
    weights = rest[parts:]
    zeros = [flambeau.zeros_like(s).requires_grad_(False) for s in rest[:parts]]
    layer, body = getattr(definition, kind), registry[kind].body

    def run(call, state):
        return ran(
            lambda *t: call(t[0], *state, *t[1:], sizes=sizes, reverse=reverse), [x, *weights]
        )

    wanted = run(layer, zeros)
    assert [w.shape for w in wanted[1 : 1 + parts]] == [(1, 9, 40)] * parts
    for made in (run(layer, [None] * parts), run(body, [None] * parts)):
        close(made, wanted, "float64")
    assert calls == ["forward", "backward"] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_calls_without_a_state_are_bound_by_their_text(kind, calls, monkeypatch):
    """A layer that is called often, its first state None as networks give it, asks no claim again."""
    layer, parts = getattr(definition, kind), 2 if kind == "lstm_layer" else 1
    x, *rest = arguments(kind, 4, 16, 64, 64, "float32")
    tensors = [x, *[None] * parts, *rest[parts:]]
    for _ in range(OFTEN + 2):
        wanted = layer(*tensors, sizes=None, reverse=False)[0]
    monkeypatch.setattr(Operator, "bind", lambda *_: pytest.fail("bound by the general function"))
    made = layer(*tensors, sizes=None, reverse=False)[0]
    np.testing.assert_array_equal(made.detach().numpy(), wanted.detach().numpy())
    assert made.grad_fn is not None and set(calls) == {"forward"}


def test_a_state_is_none_for_nobody_who_sees_the_calls(calls):
    """Programs have a first state of zeros; their results are those of the eager call."""
    rnn = nn.LSTM(8, 20, num_layers=2, bidirectional=True)
    x = flambeau.randn(5, 3, 8)
    wanted = rnn(x)[0].detach()
    compiled = flambeau.compile(lambda x: rnn(x)[0])
    np.testing.assert_allclose(compiled(x).detach().numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_a_weight_that_is_computed():
    rnn = nn.GRU(6, 10)
    nn.utils.parametrizations.weight_norm(rnn, "weight_hh_l0")
    x = flambeau.randn(4, 2, 6)
    plain = nn.GRU(6, 10)
    with flambeau.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(plain, name).copy_(getattr(rnn, name))
    np.testing.assert_allclose(rnn(x)[0].detach().numpy(), plain(x)[0].detach().numpy(), rtol=1e-5, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_results_do_not_depend_on_the_threads(kind, calls):
    before, made = threads.count(), []
    try:
        for count in (1, 2, 5):
            threads.set_count(count)
            tensors = arguments(kind, 15, 19, 40, 130, "float32")
            tensors[1].requires_grad_(False)
            made.append(ran(getattr(definition, kind), tensors))
    finally:
        threads.set_count(before)
    for other in made[1:]:
        for a, b in zip(made[0], other, strict=True):
            assert (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_large_nan_and_infinite_inputs(kind, calls):
    tensors = arguments(kind, 2, 5, 3, 20, "float32")
    with flambeau.no_grad():
        tensors[0][0, 1] = 1e30
        tensors[0][0, 2] = float("nan")
        tensors[0][0, 3] = -1e30
        made = getattr(definition, kind)(*tensors)
        wanted = registry[kind].body(*tensors)
    assert calls == ["forward"]
    for a, b in zip(made, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def test_a_second_derivative_runs_the_body(calls):
    x, *rest = arguments("gru_layer", 3, 2, 4, 5, "float64")

    def gradient(run):
        (g,) = flambeau.autograd.grad(run(x, *rest)[0].sum(), x, create_graph=True)
        return flambeau.autograd.grad((g * g).sum(), x)[0].numpy()

    made = gradient(definition.gru_layer)
    assert calls == ["forward"]
    np.testing.assert_allclose(made, gradient(registry["gru_layer"].body), atol=1e-12)


def test_a_gradient_may_be_asked_twice(calls):
    tensors = arguments("lstm_layer", 3, 2, 4, 5, "float64")
    loss = definition.lstm_layer(*tensors)[0].sum()
    first = flambeau.autograd.grad(loss, tensors, retain_graph=True)
    second = flambeau.autograd.grad(loss, tensors)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_what_is_left_to_the_definition(calls):
    half = [t.detach().half() for t in arguments("lstm_layer", 2, 1, 3, 4, "float32")]
    assert definition.lstm_layer(*half).output.dtype is flambeau.float16
    with pytest.raises(RuntimeError):
        definition.lstm_layer(
            *[t.detach() for t in arguments("gru_layer", 2, 1, 3, 4, "float32")][:3], *half[3:5]
        )
    projected = nn.LSTM(3, 4, proj_size=2)
    assert projected(flambeau.ones(2, 1, 3))[0].shape == (2, 1, 2)
    assert calls == []


@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_network_uses_it(cls, calls):
    net = cls(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    net(flambeau.ones(2, 5, 3))[0].sum().backward()
    assert calls == ["forward"] * 4 + ["backward"] * 4
    assert all(p.grad is not None for p in net.parameters())
