"""Steps in one native call: the rule's own results to the last bit, taken where they may be and left where not."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest

import flambeau
from flambeau import nn, optim
from flambeau.backends.cpu import lists, threads
from flambeau.optim import elementwise, fused

pytestmark = pytest.mark.skipif(not lists.readable(), reason="nothing can be compiled")

SETTINGS = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    (optim.Adam, {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    (optim.AdamW, {"lr": 0.1}),
    (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    (optim.Adadelta, {"lr": 1.0, "weight_decay": 0.1}),
    (optim.Adamax, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.RMSprop, {"lr": 0.1, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    (optim.Rprop, {"lr": 0.1}),
    (optim.ASGD, {"lr": 0.1, "t0": 2, "weight_decay": 0.1}),
    (optim.NAdam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (optim.RAdam, {"lr": 0.1, "weight_decay": 0.1}),
]
NAMES = [f"{cls.__name__}-{'-'.join(options)}" for cls, options in SETTINGS]
SHAPES = [(4, 3), (170, 211), (5,), (0, 3), ()]


class Run:
    """Parameters and their optimizer, stepped along gradients that the seed decides."""

    def __init__(self, cls, options, dtype="float32", shapes=SHAPES):
        self.rng = np.random.default_rng(0)
        self.dtype = dtype
        self.params = [nn.Parameter(self.random(s)) for s in shapes]
        self.optimizer = cls(self.params, **options)

    def random(self, shape):
        numbers = np.asarray(self.rng.standard_normal(shape))
        return flambeau.from_numpy(numbers.astype(np.dtype(self.dtype)))

    def step(self, times=1):
        for _ in range(times):
            for p in self.params:
                p.grad = self.random(p.shape)
            self.optimizer.step()
        return self

    def native(self):
        """How many parameters the native call had, of those of all groups."""
        plans = getattr(self.optimizer, "_plans", {}).values()
        return sum(p.listed.rows for p in plans if p.listed is not None)

    def arrays(self):
        made = [p.detach().numpy() for p in self.params]
        for p in self.params:
            made += [np.asarray(v) for v in self.optimizer.state[p].values()]
        return made


def same(a, b):
    for x, y in zip(a.arrays(), b.arrays(), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(fused, "STEPS", 0)


@pytest.fixture
def reference(monkeypatch):
    """Makes a run without the native call."""

    def made(*args, steps, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(fused, "step", lambda optimizer, group: False)
            return Run(*args, **kwargs).step(steps)

    return made


@pytest.mark.parametrize("cls, options", SETTINGS, ids=NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_a_native_step_is_the_rule_to_the_last_bit(cls, options, dtype, at_once, reference):
    run = Run(cls, options, dtype).step(8)
    assert run.native() == len(SHAPES)
    same(run, reference(cls, options, dtype, steps=8))


def test_results_do_not_depend_on_the_threads(at_once):
    before, runs = threads.count(), []
    try:
        for count in (1, 3):
            threads.set_count(count)
            runs.append(Run(optim.AdamW, {"lr": 0.1}).step(3))
    finally:
        threads.set_count(before)
    same(*runs)


def test_groups_that_come_from_memory_are_called_in(at_once, reference, monkeypatch):
    monkeypatch.setattr(fused, "FAR", 0)
    monkeypatch.setattr(fused, "_kernels", {})
    for dtype in ("float32", "float64"):
        run = Run(optim.Adam, {"lr": 0.1}, dtype).step(3)
        assert run.native() == len(SHAPES)
        same(run, reference(optim.Adam, {"lr": 0.1}, dtype, steps=3))


def test_small_groups_wait_and_large_ones_do_not():
    small, large = (Run(optim.SGD, {"lr": 0.1}, shapes=[s]) for s in ((3,), (fused.LARGE,)))
    assert (small.step().native(), large.step().native()) == (0, 1)
    assert small.step(fused.STEPS).native() == 1


def test_options_that_change_change_the_step(at_once, reference, monkeypatch):
    def trained():
        run = Run(optim.SGD, {"lr": 0.1, "momentum": 0.9}).step(2)
        for change in (
            {"lr": 0.01},
            {"weight_decay": 0.1},
            {"nesterov": True},
            {"lr": flambeau.tensor(0.5)},
        ):
            run.optimizer.param_groups[0].update(change)
            run.step()
        run.optimizer.param_groups[0]["lr"].fill_(0.25)
        return run.step(), run.native()

    made, native = trained()
    assert native == len(SHAPES)
    monkeypatch.setattr(fused, "step", lambda optimizer, group: False)
    same(made, trained()[0])


def test_options_are_read_again_only_where_they_changed(at_once, monkeypatch):
    def trained():
        run = Run(optim.AdamW, {"lr": 0.1}).step(2)
        group = run.optimizer.param_groups[0]
        group["betas"] = (0.5, 0.9)
        run.step(2)
        group["betas"] = (flambeau.tensor(0.75), 0.9)
        run.step()
        group["betas"][0].fill_(0.25)
        return run.step()

    made = trained()
    looked = []
    monkeypatch.setattr(fused, "scalar", lambda v, read=fused.scalar: looked.append(v) or read(v))
    run = Run(optim.AdamW, {"lr": 0.1}).step(2)
    first = len(looked)
    assert first
    run.step(2)
    assert len(looked) == first
    run.optimizer.param_groups[0]["lr"] = 0.2
    run.step()
    assert len(looked) == 2 * first
    monkeypatch.setattr(fused, "step", lambda optimizer, group: False)
    same(made, trained())


def test_parameters_at_different_steps(at_once, reference):
    def trained():
        run = Run(optim.RAdam, {"lr": 0.1, "betas": (0.9, 0.9)}).step()
        run.params[1].grad = None
        for _ in range(9):  # the others come past the step from which RAdam adapts
            for p in run.params[2:]:
                p.grad = run.random(p.shape)
            run.optimizer.step()
        return run.step(2)

    made = trained()
    assert made.native() == len(SHAPES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "step", lambda optimizer, group: False)
        same(made, trained())


def test_state_put_in_by_hand_or_loaded_is_used(at_once):
    run = Run(optim.Adam, {"lr": 0.1}, shapes=SHAPES[:3]).step(3)
    saved = copy.deepcopy(run.optimizer.state_dict())
    start = [p.detach().clone() for p in run.params]
    grads = [run.random(p.shape) for p in run.params]

    def stepped():
        for p, s, g in zip(run.params, start, grads):
            p.data = s.clone()
            p.grad = g.clone()
        run.optimizer.step()
        return [p.detach().numpy().copy() for p in run.params]

    first = stepped()
    run.optimizer.load_state_dict(copy.deepcopy(saved))
    second = stepped()
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)
    run.optimizer.load_state_dict(copy.deepcopy(saved))
    run.optimizer.state[run.params[0]]["exp_avg"] = flambeau.zeros(4, 3)
    assert not np.array_equal(stepped()[0], first[0])
    assert run.native() == 3


def test_gradients_of_any_layout(at_once):
    p, q = (nn.Parameter(flambeau.zeros(4, 6)) for _ in range(2))
    g = flambeau.arange(24.0).reshape(6, 4).T
    for w, grad in ((p, g), (q, g.contiguous())):
        optimizer = optim.SGD([w], lr=0.5)
        w.grad = grad
        optimizer.step()
        assert next(iter(optimizer._plans.values())).listed is not None
    np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_what_is_left_to_the_rule(at_once):
    whole = flambeau.zeros(6)
    strided = nn.Parameter(flambeau.zeros(4, 6))
    strided.data = flambeau.zeros(8, 6)[::2]
    overlapping = [whole[:4].detach().requires_grad_(), whole[2:].detach().requires_grad_()]
    mixed = [nn.Parameter(flambeau.zeros(3)), nn.Parameter(flambeau.zeros(3).double())]
    half = [nn.Parameter(flambeau.zeros(3).half())]
    for params in ([strided], overlapping, mixed, half):
        optimizer = optim.SGD(params, lr=0.5)
        for p in params:
            p.grad = flambeau.ones_like(p)
        optimizer.step()
        assert next(iter(optimizer._plans.values())).listed is None
        assert all(float(p.max()) < 0 for p in params)
    assert whole.tolist() == [-0.5, -0.5, -1.0, -1.0, -0.5, -0.5]


def test_a_native_step_is_seen_by_the_graph_that_used_the_parameter(at_once):
    p = nn.Parameter(flambeau.ones(3))
    optimizer = optim.SGD([p], lr=0.5)
    loss = (p * p).sum()
    p.grad = flambeau.ones(3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_rule_that_asks_too_much_is_run_as_it_is(at_once):
    class Odd(elementwise.Elementwise):
        _counts_steps = False

        def __init__(self, params):
            super().__init__(params, {"lr": 0.3})

        def _buffers(self, group):
            return ()

        @staticmethod
        def _rule(xp, group, numbers, p, g):
            p -= group["lr"] * g if group["lr"] != 0.5 else g

    p = nn.Parameter(flambeau.ones(3))
    p.grad = flambeau.ones(3)
    optimizer = Odd([p])
    optimizer.step()
    assert next(iter(optimizer._plans.values())).refused
    np.testing.assert_allclose(p.detach().numpy(), 0.7)


def test_the_kernel_reads_as_c():
    text, paths = fused.kernel_text(
        optim.SGD._rule, {"lr": 0.1, "momentum": 0, "weight_decay": 0, "maximize": False}, 1.0, 0, "float"
    )  # fmt: skip
    assert "a0[i] = t1;" in text
    assert paths[0] == ("lr",)


ADAFACTOR = [
    {},
    {"maximize": True, "weight_decay": 0.1, "lr": 0.1},
    {"eps": (1e-20, 1e-2), "d": 1.5},
]


@pytest.mark.parametrize("options", ADAFACTOR, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_native_step_of_adafactor(options, dtype, monkeypatch):
    from flambeau.optim import adafactor_native

    shapes, taken = [(4, 3), (170, 211), (5,), (3, 2, 4), ()], []
    kept = adafactor_native.step
    monkeypatch.setattr(adafactor_native, "step", lambda *a: taken.append(kept(*a)) or taken[-1])
    run = Run(optim.Adafactor, options, dtype, shapes).step(5)
    assert taken == [False, True, True, True, True]  # the first step makes the averages
    monkeypatch.setattr(adafactor_native, "step", lambda *a: False)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for a, b in zip(run.arrays(), Run(optim.Adafactor, options, dtype, shapes).step(5).arrays()):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_threads_that_share_an_optimizer_step_one_after_another(kind):
    params = [flambeau.nn.Parameter(flambeau.zeros(n)) for n in (40_000, 3, 700)]
    opt = getattr(flambeau.optim, kind)(params, lr=0.5)
    for p in params:
        p.grad = flambeau.ones_like(p)
    opt.step()  # makes the state

    def run():
        for _ in range(50):
            opt.step()

    running = [threading.Thread(target=run) for _ in range(4)]
    for t in running:
        t.start()
    for t in running:
        t.join()
    for p in params:  # each step of both goes 0.5 down
        assert flambeau.allclose(p, flambeau.full_like(p, -100.5), rtol=1e-4)
