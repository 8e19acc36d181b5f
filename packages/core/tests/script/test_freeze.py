"""jit.freeze: the same results from fewer calls; jit.optimize_for_inference."""

from __future__ import annotations

import io

import pytest

import flambeau
from flambeau import jit, nn
from flambeau.testing import assert_close


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)
        self.more = nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, affine=False), nn.ReLU()
        )
        self.fc, self.last = nn.Linear(4, 5), nn.BatchNorm1d(5)
        self.mask = nn.Parameter(flambeau.ones(5))
        self.register_buffer("calls", flambeau.zeros(1))

    def forward(self, x):
        self.calls += 1
        x = self.more(self.norm(self.conv(x)).relu()).mean([2, 3])
        return self.last(self.fc(x)) * (self.mask.exp() + 1)

    @jit.export
    def kept(self, x):
        return self.helper(x)

    def helper(self, x):
        return x + self.mask


@pytest.fixture
def net():
    flambeau.manual_seed(0)
    made = Net()
    for _ in range(3):
        made(flambeau.randn(4, 1, 8, 8) * 2 + 1)
    return made.eval()


X = (3, 1, 8, 8)


@pytest.mark.parametrize("optimize", [jit.freeze, jit.optimize_for_inference])
def test_a_frozen_trace_has_no_norms_and_no_parameters(net, optimize):
    flambeau.manual_seed(1)
    x = flambeau.randn(X)
    frozen = optimize(jit.trace(net, flambeau.randn(2, 1, 8, 8)))
    assert_close(frozen(x), net(x), rtol=1e-4, atol=1e-5)
    assert "batch_norm" not in frozen.code and "ops.exp" not in frozen.code
    assert not list(frozen.parameters()) and list(frozen.state_dict()) == ["calls"]
    assert not frozen(x).requires_grad
    file = io.BytesIO()
    frozen.save(file)
    assert_close(jit.load(io.BytesIO(file.getvalue()))(x), frozen(x), rtol=0, atol=0)


def test_the_original_stays_as_it_was(net):
    traced = jit.trace(net, flambeau.randn(2, 1, 8, 8))
    x = flambeau.randn(X)
    before, count = net(x), net.calls.item()
    jit.freeze(traced)(x)
    assert net.calls.item() == count and "batch_norm" in traced.code
    assert_close(traced(x), before, rtol=0, atol=0)


def test_without_numerics_results_are_the_same_bits(net):
    traced = jit.trace(net, flambeau.randn(2, 1, 8, 8))
    frozen = jit.freeze(traced, optimize_numerics=False)
    x = flambeau.randn(X)
    assert frozen.code.count("batch_norm") == 3
    assert_close(frozen(x), net(x), rtol=0, atol=0)


def test_a_frozen_script(net):
    scripted = jit.script(net)
    frozen = jit.freeze(scripted, ["kept"])
    x = flambeau.randn(X)
    assert_close(frozen(x), net(x), rtol=1e-4, atol=1e-5)
    assert isinstance(frozen.norm, nn.Identity) and isinstance(frozen.more[1], nn.Identity)
    assert not any(p.requires_grad for p in frozen.parameters()) and net.mask.requires_grad
    assert_close(frozen.kept(flambeau.ones(5)), net.kept(flambeau.ones(5)))
    with pytest.raises(AttributeError):
        jit.freeze(scripted).kept(flambeau.ones(5))
    assert_close(scripted.kept(flambeau.ones(5)), net.kept(flambeau.ones(5)))


def test_sequences_that_are_taken_apart_stay():
    class Apart(nn.Module):
        def __init__(self):
            super().__init__()
            self.seq = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))

        def forward(self, x):
            for layer in self.seq:
                x = layer(x)
            return x + self.seq[0](x[:, :1])

    flambeau.manual_seed(0)
    net, x = Apart(), flambeau.randn(2, 1, 3, 3)
    net(x)
    net.eval()
    assert_close(jit.freeze(jit.script(net))(x), net(x), rtol=0, atol=0)


def test_a_scripted_sequence_of_the_library_is_folded():
    flambeau.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), flambeau.randn(2, 1, 3, 3)
    net(x)
    frozen = jit.freeze(jit.script(net.eval()))
    assert_close(frozen(x), net(x), rtol=1e-5, atol=1e-6)
    assert isinstance(frozen._modules["1"], nn.Identity)


def test_a_norm_that_is_not_alone_with_its_layer_stays():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x):
            y = self.conv(x)
            return self.norm(y) + y, self.norm(self.conv(x))

    flambeau.manual_seed(0)
    net = Twice()
    net(flambeau.randn(4, 1, 3, 3))
    net.eval()
    x = flambeau.randn(2, 1, 3, 3)
    for frozen in (jit.freeze(jit.script(net)), jit.freeze(jit.trace(net, x))):
        assert_close(frozen(x), net(x), rtol=1e-5, atol=1e-6)


def test_refusals(net):
    with pytest.raises(RuntimeError, match="expects a ScriptModule"):
        jit.freeze(net)
    with pytest.raises(RuntimeError, match="eval mode"):
        jit.freeze(jit.script(net).train())
    with pytest.raises(RuntimeError, match="no attribute 'none'"):
        jit.freeze(jit.script(net), ["none"])
