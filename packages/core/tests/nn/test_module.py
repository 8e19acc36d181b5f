"""Module: members, attributes, hooks, state, modes, printing, copies."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest

import flambeau
from flambeau import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.second = nn.Linear(4, 2)
        self.register_buffer("scale", flambeau.ones(2))
        self.register_buffer("scratch", flambeau.zeros(1), persistent=False)

    def forward(self, x, times=1):
        return self.second(self.norm(self.first(x)).relu()) * self.scale * times


def test_members_have_dotted_names_in_order() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "first.weight", "first.bias", "norm.weight", "norm.bias", "second.weight", "second.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_buffers()][:2] == ["scale", "scratch"]
    assert [n for n, _ in net.named_modules(prefix="p")] == ["p", "p.first", "p.norm", "p.second"]
    assert "scratch" not in net.state_dict()
    assert next(iter(net.state_dict(prefix="m."))) == "m.scale"


def test_shared_members_appear_once() -> None:
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert len(list(net.parameters())) == 2
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert len(net.state_dict()) == 4


def test_assigning_moves_a_name_between_kinds() -> None:
    module = nn.Module()
    module.x = 3
    module.x = nn.Parameter(flambeau.ones(1))
    assert "x" not in module.__dict__ and list(dict(module.named_parameters())) == ["x"]
    module.x = None
    assert module.x is None and not list(module.parameters())
    module.y = nn.Linear(1, 1)
    del module.y
    with pytest.raises(AttributeError, match="'Module' object has no attribute 'y'"):
        module.y
    module.z = nn.Buffer(flambeau.ones(1), persistent=False)
    assert list(dict(module.named_buffers())) == ["z"] and not module.state_dict()


def test_state_round_trip_and_everything_wrong_at_once() -> None:
    net, other = Net(), Net()
    assert str(other.load_state_dict(net.state_dict())) == "<All keys matched successfully>"
    for a, b in zip(net.state_dict().values(), other.state_dict().values()):
        assert flambeau.equal(a, b)
    state = OrderedDict(net.state_dict())
    del state["scale"]
    state["extra"] = flambeau.ones(1)
    state["first.weight"] = flambeau.ones(3, 3)
    with pytest.raises(RuntimeError) as error:
        other.load_state_dict(state)
    text = str(error.value)
    assert 'Missing key(s) in state_dict: "scale".' in text
    assert 'Unexpected key(s) in state_dict: "extra".' in text
    assert "size mismatch for first.weight" in text
    del state["first.weight"]
    found = other.load_state_dict(state, strict=False)
    assert found.missing_keys == ["scale", "first.weight"] and found.unexpected_keys == ["extra"]


def test_assign_keeps_the_given_tensors() -> None:
    net = nn.Linear(2, 2)
    weight = flambeau.ones(2, 2, dtype=flambeau.float64)
    net.load_state_dict({"weight": weight, "bias": flambeau.zeros(2)}, assign=True)
    assert net.weight.dtype is flambeau.float64 and net.weight.requires_grad
    assert net.weight.data_ptr() == weight.data_ptr()


def test_old_batch_norm_state_without_count_loads() -> None:
    norm = nn.BatchNorm1d(3)
    state = norm.state_dict()
    del state["num_batches_tracked"]
    state._metadata[""]["version"] = 1
    norm.load_state_dict(state)
    assert int(norm.num_batches_tracked) == 0


def test_conversion_keeps_identity_and_leaves_integers() -> None:
    norm = nn.BatchNorm1d(3)
    weight = norm.weight
    weight.grad = flambeau.ones(3)
    assert norm.double() is norm and norm.weight is weight
    assert weight.dtype is flambeau.float64 and weight.grad.dtype is flambeau.float64
    assert norm.num_batches_tracked.dtype is flambeau.int64
    assert norm.to(flambeau.float16).weight.dtype is flambeau.float16
    assert norm.to("cpu", flambeau.float32).running_mean.dtype is flambeau.float32
    with pytest.raises(TypeError, match="only accepts floating point or complex"):
        norm.to(flambeau.int32)


def test_forward_hooks_change_arguments_and_results() -> None:
    net = nn.Identity()
    order: list[str] = []

    def double(module, args):
        order.append("pre")
        return args[0] * 2

    def keywords(module, args, kwargs):
        order.append("pre kw")
        return args, {}

    def plus_one(module, args, output):
        order.append("post")
        return output + 1

    net.register_forward_pre_hook(double)
    net.register_forward_pre_hook(keywords, with_kwargs=True, prepend=True)
    handle = net.register_forward_hook(plus_one)
    assert float(net(flambeau.ones(1))) == 3 and order == ["pre kw", "pre", "post"]
    handle.remove()
    assert float(net(flambeau.ones(1))) == 2


def test_always_called_hooks_run_after_an_error() -> None:
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    seen = []
    net = Fails()
    net.register_forward_hook(lambda *a: seen.append("sometimes"))
    net.register_forward_hook(lambda *a: seen.append("always"), always_call=True)
    with pytest.raises(ValueError, match="no"):
        net(1)
    assert seen == ["always"]


def test_global_hooks_see_every_module() -> None:
    seen = []
    with nn.modules.register_module_forward_hook(lambda m, a, o: seen.append(type(m).__name__)):
        nn.Sequential(nn.ReLU(), nn.Tanh())(flambeau.ones(1))
    nn.ReLU()(flambeau.ones(1))
    assert seen == ["ReLU", "Tanh", "Sequential"]


def test_full_backward_hook_sees_and_changes_gradients() -> None:
    net = nn.Linear(2, 2)
    seen = []

    def hook(module, grad_input, grad_output):
        seen.append((grad_input[0].shape, grad_output[0].shape))
        return (grad_input[0] * 10,)

    net.register_full_backward_hook(hook)
    net.register_full_backward_pre_hook(lambda m, g: (g[0] * 2,))
    x = flambeau.ones(3, 2, requires_grad=True)
    net(x).sum().backward()
    assert seen == [((3, 2), (3, 2))]
    expected = net.weight.detach().sum(0) * 20
    assert flambeau.allclose(x.grad[0], expected)
    assert flambeau.allclose(net.bias.grad, flambeau.full((2,), 6.0))


def test_full_backward_hook_without_gradients_of_inputs() -> None:
    net = nn.Linear(2, 2)
    seen = []
    net.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].shape)))
    net(flambeau.ones(3, 2)).sum().backward()
    assert seen == [((None,), (3, 2))]


def test_kinds_of_backward_hooks_do_not_mix() -> None:
    net = nn.Linear(2, 2)
    net.register_full_backward_hook(lambda *a: None)
    with pytest.raises(RuntimeError, match="Cannot use both"):
        net.register_backward_hook(lambda *a: None)


def test_state_dict_hooks() -> None:
    net = nn.Linear(1, 1)
    net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append("before"))
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.pop("bias"))
    seen: list[str] = []
    with pytest.raises(RuntimeError, match="must return None"):
        net.state_dict()
    assert seen == ["before"]
    net = nn.Linear(1, 1)
    net.register_load_state_dict_pre_hook(lambda m, state, *rest: state.pop("extra"))
    net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    found = net.load_state_dict({"weight": flambeau.ones(1, 1), "extra": flambeau.ones(1)})
    assert not found.missing_keys and float(net.weight) == 1


def test_registration_hooks() -> None:
    seen = []
    with nn.modules.register_module_parameter_registration_hook(
        lambda module, name, value: seen.append(name)
    ):
        nn.Linear(1, 1)
    assert seen == ["weight", "bias"]


def test_extra_state_travels() -> None:
    class Counter(nn.Module):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    a, b = nn.Sequential(Counter()), nn.Sequential(Counter())
    a[0].count = 5
    b.load_state_dict(a.state_dict())
    assert b[0].count == 5 and list(a.state_dict()) == ["0._extra_state"]


def test_modes_apply_and_gradients() -> None:
    net = Net()
    assert not net.eval().norm.training and net.train().norm.training
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        net.train(1)
    names: list[str] = []
    net.apply(lambda m: names.append(type(m).__name__))
    assert names == ["Linear", "BatchNorm1d", "Linear", "Net"]
    net(flambeau.randn(4, 3)).sum().backward()
    grad = net.first.weight.grad
    net.zero_grad(set_to_none=False)
    assert net.first.weight.grad is grad and float(grad.abs().sum()) == 0
    net.zero_grad()
    assert net.first.weight.grad is None
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())


def test_paths() -> None:
    net = nn.Sequential(nn.Sequential(nn.Linear(1, 1)))
    assert net.get_submodule("0.0") is net[0][0] and net.get_submodule("") is net
    assert net.get_parameter("0.0.bias") is net[0][0].bias
    net.set_submodule("0.0", nn.ReLU())
    assert isinstance(net[0][0], nn.ReLU)
    with pytest.raises(AttributeError, match="Sequential has no attribute `9`"):
        net.get_submodule("9")


def test_copies_are_independent_and_equal() -> None:
    net = Net()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert isinstance(twin.first.weight, nn.Parameter)
        assert list(twin.state_dict()) == list(net.state_dict())
        with flambeau.no_grad():
            twin.first.weight.add_(1)
        assert not flambeau.equal(twin.first.weight, net.first.weight)
        assert flambeau.equal(twin.second.weight, net.second.weight)
        assert twin._non_persistent_buffers_set == {"scratch"}


def test_printed_form() -> None:
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.Module())) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): Module()\n)"
    )


def test_missing_forward_and_arguments() -> None:
    with pytest.raises(NotImplementedError, match='missing the required "forward"'):
        nn.Module()(1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'a'"):
        nn.Module(a=1)

    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()


def test_call_without_hooks_is_bare() -> None:
    """No frame lies between the call and forward."""
    import sys

    class Depth(nn.Module):
        def forward(self):
            return sys._getframe(1).f_code.co_name

    assert Depth()() == "__call__"
