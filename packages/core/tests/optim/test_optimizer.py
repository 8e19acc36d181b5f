"""What all optimizers share: groups, hooks, state_dict, closures, errors."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest

import flambeau
from flambeau import nn, optim
from flambeau.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)


def weight(*values: float) -> nn.Parameter:
    return nn.Parameter(flambeau.tensor(values or (1.0, -2.0)))


def stepped(optimizer, *gradient: float):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = flambeau.tensor(gradient or [1.0] * p.numel(), dtype=p.dtype)
    optimizer.step()


def test_groups_take_the_defaults_they_do_not_name():
    a, b = weight(), weight()
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5}], lr=0.1, momentum=0.9)
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5]
    assert optimizer.param_groups[0]["params"] == [a]
    stepped(optimizer)
    assert a.tolist() == pytest.approx([0.9, -2.1])
    assert b.tolist() == pytest.approx([0.5, -2.5])


def test_named_parameters_keep_their_names():
    optimizer = optim.SGD([("w", weight()), ("b", weight())], lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["w", "b"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["w", "b"]
    with pytest.raises(ValueError, match="with/without names"):
        optimizer.add_param_group({"params": [weight()]})


@pytest.mark.parametrize(
    "params, error, text",
    [
        (lambda: flambeau.zeros(2), TypeError, "should be an iterable of Tensors or dicts"),
        (list, ValueError, "optimizer got an empty parameter list"),
        (
            lambda: [1.0],
            TypeError,
            "optimizer can only optimize Tensors, but one of the params is float",
        ),
        (lambda: [weight() * 2], ValueError, "can't optimize a non-leaf Tensor"),
        (lambda: [{"params": {weight()}}], TypeError, "organized in ordered collections"),
        (lambda: [("a", weight()), weight()], ValueError, "Some param names are missing"),
    ],
)
def test_parameters_that_cannot_be_optimized(params, error, text):
    with pytest.raises(error, match=text):
        optim.SGD(params(), lr=0.1)


def test_a_parameter_has_one_group():
    p = weight()
    with pytest.raises(ValueError, match="appear in more than one parameter group"):
        optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p], lr=0.1)
    with pytest.raises(TypeError, match="param_group must be a dict"):
        optim.SGD([p], lr=0.1).add_param_group([p])


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda p: optim.SGD(p, lr=-1), "Invalid learning rate: -1"),
        (lambda p: optim.SGD(p, lr=flambeau.ones(2)), "Tensor lr must be 1-element"),
        (lambda p: optim.SGD(p, momentum=-1), "Invalid momentum value: -1"),
        (lambda p: optim.SGD(p, weight_decay=-1), "Invalid weight_decay value: -1"),
        (lambda p: optim.SGD(p, nesterov=True), "Nesterov momentum requires a momentum"),
        (lambda p: optim.Adam(p, betas=(1.0, 0.9)), "Invalid beta parameter at index 0: 1.0"),
        (lambda p: optim.Adam(p, betas=(0.9, -1)), "Invalid beta parameter at index 1: -1"),
        (lambda p: optim.Adam(p, eps=-1), "Invalid epsilon value: -1"),
        (lambda p: optim.AdamW(p, weight_decay=-1), "Invalid weight_decay value: -1"),
        (lambda p: optim.Adadelta(p, rho=2), "Invalid rho value: 2"),
        (lambda p: optim.Rprop(p, etas=(2, 3)), "Invalid eta values: 2, 3"),
        (lambda p: optim.Adafactor(p, d=0.5), "Clipping threshold d should be >= 1"),
        (lambda p: optim.Muon(p), "Muon only supports 2D parameters"),
        (
            lambda p: optim.LBFGS([{"params": p}, {"params": [weight()]}]),
            "LBFGS doesn't support per-parameter",
        ),
    ],
)
def test_options_out_of_range(make, text):
    with pytest.raises(ValueError, match=text):
        make([weight()])


@pytest.mark.parametrize("cls", [optim.SGD, optim.Adam, optim.AdamW, optim.Adagrad])
def test_implementations_that_exclude_each_other(cls):
    with pytest.raises(RuntimeError, match="`fused` and `foreach` cannot be `True` together"):
        cls([weight()], fused=True, foreach=True)
    with pytest.raises(RuntimeError, match="`fused` does not support `differentiable`"):
        cls([weight()], fused=True, differentiable=True)


def test_zero_grad_forgets_or_clears():
    p = weight()
    optimizer = optim.SGD([p], lr=0.1)
    p.grad = flambeau.ones(2)
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    assert kept.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_parameters_without_gradient_are_left_alone():
    p, q = weight(), weight()
    optimizer = optim.Adam([p, q], lr=0.1)
    p.grad = flambeau.ones(2)
    optimizer.step()
    assert q.tolist() == [1.0, -2.0]
    assert q not in optimizer.state


def test_a_closure_is_called_with_gradients_on():
    p = weight()
    optimizer = optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with flambeau.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 5.0
    assert p.tolist() == [0.5, -1.0]


def test_hooks_see_the_step_and_may_change_its_arguments():
    p = weight()
    optimizer = optim.SGD([p], lr=0.1)
    seen = []

    def before(opt, args, kwargs):
        seen.append(("before", args, kwargs))
        return (opt, lambda: 7), {}

    handles = [
        optimizer.register_step_pre_hook(before),
        optimizer.register_step_post_hook(
            lambda opt, args, kwargs: seen.append(("after", len(args)))
        ),
        register_optimizer_step_pre_hook(lambda opt, args, kwargs: seen.append("global before")),
        register_optimizer_step_post_hook(lambda opt, args, kwargs: seen.append("global after")),
    ]
    assert optimizer.step() == 7
    assert seen == ["global before", ("before", (optimizer,), {}), ("after", 2), "global after"]
    for handle in handles:
        handle.remove()
    assert optimizer.step() is None
    assert len(seen) == 4


def test_a_pre_hook_may_not_return_anything_else():
    optimizer = optim.SGD([weight()], lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        optimizer.step()


def test_state_dict_names_parameters_by_number():
    optimizer = optim.Adam([{"params": [weight()]}, {"params": [weight(), weight()]}], lr=0.1)
    stepped(optimizer)
    saved = optimizer.state_dict()
    assert [g["params"] for g in saved["param_groups"]] == [[0], [1, 2]]
    assert sorted(saved["state"]) == [0, 1, 2]
    assert sorted(saved["state"][0]) == ["exp_avg", "exp_avg_sq", "step"]
    assert saved["state"][0]["step"].dtype is flambeau.float32


def test_loading_casts_to_the_parameter_but_not_the_step():
    first = optim.Adam([weight()], lr=0.1)
    stepped(first)
    double = nn.Parameter(flambeau.tensor([1.0, -2.0], dtype=flambeau.float64))
    second = optim.Adam([double], lr=0.3)
    second.load_state_dict(first.state_dict())
    state = second.state[double]
    assert state["exp_avg"].dtype is flambeau.float64
    assert state["step"].dtype is flambeau.float32
    assert second.param_groups[0]["lr"] == 0.1
    assert second.param_groups[0]["params"] == [double]


def test_loading_refuses_groups_that_do_not_fit():
    saved = optim.SGD([weight()], lr=0.1).state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optim.SGD([{"params": [weight()]}, {"params": [weight()]}], lr=0.1).load_state_dict(saved)
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optim.SGD([weight(), weight()], lr=0.1).load_state_dict(saved)


def test_loading_leaves_the_saved_dictionary_alone():
    optimizer = optim.SGD([weight()], lr=0.1)
    saved = optimizer.state_dict()
    before = copy.deepcopy(saved)
    optimizer.load_state_dict(saved)
    assert saved == before


def test_old_checkpoints_take_new_options_from_the_defaults():
    optimizer = optim.Adam([weight()], lr=0.1)
    stepped(optimizer)
    saved = optimizer.state_dict()
    del saved["param_groups"][0]["decoupled_weight_decay"]
    saved["state"][0]["step"] = 1  # a number in PyTorch's early checkpoints
    optimizer.load_state_dict(saved)
    stepped(optimizer)
    assert optimizer.state_dict()["state"][0]["step"].item() == 2


def test_state_dict_hooks_run_in_order():
    optimizer = optim.SGD([weight()], lr=0.1)
    seen = []
    optimizer.register_state_dict_pre_hook(lambda opt: seen.append("pre"))
    optimizer.register_state_dict_post_hook(lambda opt, saved: {**saved, "extra": 1})
    optimizer.register_state_dict_post_hook(
        lambda opt, saved: seen.append(len(saved)), prepend=True
    )
    saved = optimizer.state_dict()
    assert seen == ["pre", 2]
    assert saved["extra"] == 1
    optimizer.register_load_state_dict_pre_hook(lambda opt, saved: seen.append(saved["extra"]))
    optimizer.register_load_state_dict_post_hook(lambda opt: seen.append("loaded"))
    optimizer.load_state_dict(saved)
    assert seen[2:] == [1, "loaded"]


def test_optimizers_are_copied_and_pickled_with_their_state():
    optimizer = optim.Adam([weight()], lr=0.1)
    stepped(optimizer)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        (p,) = twin.param_groups[0]["params"]
        assert p.tolist() == optimizer.param_groups[0]["params"][0].tolist()
        stepped(twin)
        assert twin.state[p]["step"].item() == 2
    assert next(iter(optimizer.state.values()))["step"].item() == 1


def test_how_an_optimizer_prints():
    text = repr(optim.SGD([weight()], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n")
    assert text.endswith("    weight_decay: 0\n)")


def test_an_optimizer_of_ones_own():
    class Sign(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"size": optim.optimizer.required})

        def step(self, closure=None):
            with flambeau.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p -= group["size"] * p.grad.sign()

    with pytest.raises(
        ValueError, match="didn't specify a value of required optimization parameter size"
    ):
        Sign([weight()])
    optimizer = Sign([{"params": [weight()], "size": 0.5}])
    stepped(optimizer, -3.0, 4.0)
    assert optimizer.param_groups[0]["params"][0].tolist() == [1.5, -2.5]


def test_a_step_is_seen_by_the_graph_that_used_the_parameter():
    p = weight()
    optimizer = optim.SGD([p], lr=0.1)
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_overflow_in_a_step_is_silent():
    p = nn.Parameter(flambeau.tensor([1e38]))
    optimizer = optim.Adam([p], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stepped(optimizer, 3e38)


def test_printed_form_of_groups():
    optimizer = optim.SGD([{"params": [weight()], "lr": 0.5}, {"params": [weight()]}], lr=0.1)
    lines = repr(optimizer).splitlines()
    assert lines[0] == "SGD (" and lines[1] == "Parameter Group 0" and lines[-1] == ")"
    assert lines[lines.index("Parameter Group 1") - 1] == ""


def test_another_tensor_is_stepped_and_nothing_stays():
    p, q = weight(), weight()
    optimizer = optim.Adam([p], lr=0.5)
    with pytest.raises(RuntimeError, match="no state before its first step"):
        with optim.swap_in_optimizer_params_and_state(optimizer, {"q": q}, optimizer.state_dict()):
            pass
    p.grad = flambeau.ones_like(p)
    optimizer.step()
    before, state = p.tolist(), copy.deepcopy(optimizer.state_dict())
    other = copy.deepcopy(state)
    other["param_groups"][0]["lr"] = 0.0
    q.grad = flambeau.ones_like(q)
    start = q.tolist()
    params = optimizer.param_groups[0]["params"]
    with optim.swap_in_optimizer_params_and_state(optimizer, {"q": q}, other):
        optimizer.step()
        assert optimizer.param_groups[0]["lr"] == 0.0 and q in optimizer.state
    assert q.tolist() == start and p.tolist() == before
    assert optimizer.param_groups[0]["params"] is params and optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.state_dict()["state"][0]["step"] == 1 and other["state"][0]["step"] == 2
    other["state"][7] = {}
    with pytest.raises(RuntimeError, match=r"entries of no parameter: \[7\]"):
        with optim.swap_in_optimizer_params_and_state(optimizer, {"q": q}, other):
            pass
    with pytest.raises(RuntimeError, match="expected groups of"):
        with optim.swap_in_optimizer_params_and_state(optimizer, {}, state):
            pass


def test_an_optimizer_around_another_needs_no_init():
    """As Lookahead and accelerate's have it: its hooks are those of all optimizers."""

    class Around(optim.Optimizer):
        def __init__(self, inner):
            self.inner = inner
            self.param_groups, self.state = inner.param_groups, inner.state

        def step(self, closure=None):
            return self.inner.step(closure)

    p = weight()
    p.grad = flambeau.ones_like(p)
    before = p.detach().clone()
    outer, seen = Around(optim.SGD([p], lr=0.5)), []
    handle = optim.optimizer.register_optimizer_step_post_hook(lambda o, *_: seen.append(o))
    outer.step()
    handle.remove()
    assert flambeau.equal(p.detach(), before - 0.5)
    assert seen == [outer.inner, outer]
