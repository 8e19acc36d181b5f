"""Predictions: what depends on weights only is computed once, and again when a weight was written in any way."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu
from flambeau.backends.cpu import threads
from flambeau.jit.lasting import LINE, together

pytestmark = pytest.mark.skipif(not cpu.available(), reason="no C compiler on this machine")


class Net(nn.Module):
    """Convolutions with everything that may follow them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU()
        )
        self.one = nn.Sequential(
            nn.Conv2d(16, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(inplace=True)
        )
        self.two = nn.Sequential(nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16, affine=False))
        self.deep = nn.Sequential(
            nn.Conv2d(16, 16, 5, 1, 2, groups=16), nn.ReLU6(), nn.Conv2d(16, 3, 1)
        )
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 16, 1), nn.Sigmoid())
        self.norm, self.pool = nn.BatchNorm2d(16), nn.MaxPool2d(3, 2, 1)
        self.head = nn.Linear(35, 5)

    def forward(self, x):
        x = self.stem(x)
        y = nn.functional.relu(self.two(self.one(x)) + x)
        y = self.pool(self.norm(y * self.squeeze(y)).relu())
        z = flambeau.cat([y, nn.functional.avg_pool2d(x, 2), self.deep(y)], 1)
        return self.head(z.mean((2, 3)))


@pytest.fixture
def net():
    flambeau.manual_seed(0)
    made = Net()
    made(flambeau.randn(8, 3, 20, 20))  # statistics that are not 0 and 1
    return made.eval()


def agree(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=2e-5)


@flambeau.no_grad()
def test_a_convolutional_prediction_equals_eager(net):
    compiled = flambeau.compile(net)
    for batch in (1, 2):
        x = flambeau.randn(batch, 3, 20, 20)
        for _ in range(3):
            agree(compiled(x), net(x))
    text = flambeau.jit.explain(compiled)
    assert text.startswith("program 0:\nonce, until a tensor is written:\n")
    main = text.split("packed_convolution", 1)[1]
    assert "rescale_channels" not in main
    assert "relu" not in main.split("program 1")[0].replace("relu6", "").split("last_max_pool")[1]


WRITES = {
    "in place": lambda w: w.mul_(2),
    "through a view": lambda w: w[0].zero_(),
    "through .data": lambda w: w.data.mul_(2),
    "through a copy of .data": lambda w: w.data[1:].zero_(),
    "by NumPy": lambda w: np.negative(w.detach().numpy(), out=w.detach().numpy()),
    "by DLPack": lambda w: np.from_dlpack(w.detach()).fill(0.25),
    "other data": lambda w: setattr(w, "data", flambeau.ones_like(w)),
}


@pytest.mark.parametrize("how", WRITES)
@flambeau.no_grad()
def test_a_written_weight_is_noticed(net, how):
    compiled = flambeau.compile(net)
    x = flambeau.randn(1, 3, 20, 20)
    for _ in range(3):
        before = compiled(x)
    for part in (net.one[0].weight, net.two[1].running_var, net.stem[1].bias):
        WRITES[how](part)
        agree(compiled(x), net(x))
        agree(compiled(x), net(x))
    assert not flambeau.allclose(before, compiled(x))


@flambeau.no_grad()
def test_memory_that_others_hold_is_compared_by_its_content(net):
    held = np.full((16, 16, 1, 1), 0.1, np.float32)
    net.two[0].weight = nn.Parameter(flambeau.from_numpy(held))
    compiled = flambeau.compile(net)
    x = flambeau.randn(1, 3, 20, 20)
    for value in (0.1, 0.2, 0.2, -0.3):
        held[...] = value
        for _ in range(2):
            agree(compiled(x), net(x))


@flambeau.no_grad()
def test_loading_a_state_replaces_what_was_prepared(net):
    compiled, other = flambeau.compile(net), Net().eval()
    x = flambeau.randn(1, 3, 20, 20)
    for _ in range(2):
        compiled(x)
    net.load_state_dict(other.state_dict())
    agree(compiled(x), other(x))
    net.two = nn.Sequential(nn.Conv2d(16, 16, 1))
    agree(compiled(x), net(x))


@flambeau.no_grad()
def test_tensors_that_are_no_weights_are_read_at_every_call():
    scale = flambeau.ones(4)

    def f(x):
        return x * (scale + 1)

    compiled = flambeau.compile(f)
    for _ in range(3):
        scale.add_(1)
        agree(compiled(flambeau.ones(4)), f(flambeau.ones(4)))
    assert "once" not in flambeau.jit.explain(compiled)


def test_training_reads_weights_at_every_call(net):
    net.train()
    compiled = flambeau.compile(net)
    optimizer = flambeau.optim.SGD(net.parameters(), lr=0.1)
    x = flambeau.randn(4, 3, 20, 20)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = compiled(x).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert "once" not in flambeau.jit.explain(compiled)


@flambeau.no_grad()
def test_a_result_that_is_a_weight_is_the_callers_own():
    layer = nn.Linear(3, 3)
    compiled = flambeau.compile(lambda: layer.weight * 2)
    for _ in range(3):
        made = compiled()
        agree(made, layer.weight * 2)
        made.zero_()


@flambeau.no_grad()
def test_max_autotune_tries_every_way_and_keeps_the_fastest(net):
    compiled = flambeau.compile(net, mode="max-autotune")
    x = flambeau.randn(1, 3, 20, 20)
    for _ in range(20):
        agree(compiled(x), net(x))
    lines = flambeau.jit.explain(compiled).splitlines()
    times = {k: float(v.split()[0]) for k, v in (x[2:].split(": ") for x in lines[1:4])}
    assert list(times) == [
        "weights packed",
        "weights as they lie",
        "weights packed, channels as the model has them",
    ]
    assert min(times.values()) > 0
    fastest = min(times, key=times.__getitem__)
    assert ("once, until" in lines[4]) is (fastest != "weights as they lie")
    net.one[0].weight.mul_(2)
    agree(compiled(x), net(x))


@flambeau.no_grad()
def test_a_weight_that_the_program_reads_too_is_not_taken_for_foreign():
    embed, head = nn.Embedding(40, 16), nn.Linear(16, 40, bias=False)
    head.weight = embed.weight
    compiled = flambeau.compile(lambda t: head(embed(t)))
    tokens = flambeau.arange(12).reshape(3, 4)
    for _ in range(3):
        agree(compiled(tokens), head(embed(tokens)))
    (plan,) = [p for plans in compiled._plans.values() for p in plans]
    (seen,) = plan.forward.programs[0].prepared._seen
    assert not seen.foreign
    held = embed.weight.detach().numpy()
    held *= 2
    agree(compiled(tokens), head(embed(tokens)))
    del held
    agree(compiled(tokens), head(embed(tokens)))
    embed.weight.add_(1)
    agree(compiled(tokens), head(embed(tokens)))


def test_threads_may_meet_while_a_program_is_captured_and_recorded(net):
    inputs = [flambeau.randn(1, 3, 20, 20) for _ in range(4)]
    with flambeau.no_grad():
        expected = [net(x) for x in inputs]
    wrong = []

    def work(compiled, first):
        for i in range(first, first + 8):
            with flambeau.inference_mode() if first % 2 else flambeau.no_grad():
                made = compiled(inputs[i % 4])
            if not flambeau.allclose(made, expected[i % 4], rtol=1e-4, atol=1e-4):
                wrong.append(i)

    for mode in (None, None, None, "max-autotune"):
        compiled = flambeau.compile(net, mode=mode)
        threads = [threading.Thread(target=work, args=(compiled, k)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not wrong


@pytest.mark.parametrize("size", [2, (2,), [2, 2], (3, 2)], ids=str)
@flambeau.no_grad()
def test_pooling_with_channels_last_takes_sizes_as_pooling_does(size):
    conv = nn.Conv2d(3, 16, 3)
    compiled = flambeau.compile(lambda x: nn.functional.avg_pool2d(conv(x), size))
    x = flambeau.randn(1, 3, 9, 9)
    for _ in range(3):
        agree(compiled(x), nn.functional.avg_pool2d(conv(x), size))
    assert "last_avg_pool" in flambeau.jit.explain(compiled)


@flambeau.no_grad()
def test_a_layer_that_is_called_again_is_packed_once():
    layer, conv = nn.Linear(24, 24), nn.Conv2d(4, 4, 3, 1, 1)

    @flambeau.compile
    def decode(x, picture):
        for _ in range(4):  # one row, as a decoder has it
            x, picture = layer(x).tanh(), conv(picture).relu()
        return x, picture

    for _ in range(3):
        x, picture = flambeau.randn(1, 24), flambeau.randn(1, 4, 5, 5)
        wanted, shown = x, picture
        for _ in range(4):
            wanted, shown = layer(wanted).tanh(), conv(shown).relu()
        found, seen = decode(x, picture)
        agree(found, wanted)
        agree(seen, shown)
    text = flambeau.jit.explain(decode)
    assert text.count(" pack_linear(") == text.count(" pack_convolution(") == 1
    assert text.count(" packed_linear(") == 4
    layer.weight.mul_(0.5)
    agree(decode(x, picture)[0], _again(layer, x, 4))


def _again(layer, x, times):
    for _ in range(times):
        x = layer(x).tanh()
    return x


@flambeau.no_grad()
def test_prepared_arrays_lie_together_in_order():
    arrays = [np.arange(n, dtype=kind) for n, kind in ((3, "f8"), (0, "f4"), (70, "f4"))]
    apart = np.arange(12.0).reshape(3, 4).T  # not dense: stays where it is
    made = together([arrays[0], apart, *arrays[1:]])
    places = [a.ctypes.data for a in (made[0], made[2], made[3])]
    assert all(at % LINE == 0 for at in places) and places == sorted(places)
    assert places[-1] - places[0] == LINE and made[1] is apart
    for before, after in zip(arrays, (made[0], *made[2:])):
        assert np.array_equal(before, after) and before.dtype == after.dtype


@flambeau.no_grad()
@pytest.mark.parametrize("size", [(1, 20, 17, 23), (1, 300, 15, 9), (3, 24, 4, 31), (2, 400, 3, 3)], ids=str)  # fmt: skip
@pytest.mark.parametrize("stride", [1, 2])
def test_bands_of_depthwise_rows_are_the_same_on_all_threads(size, stride):
    channels = size[1]
    layers = nn.Sequential(nn.Conv2d(channels, channels, 3, stride, 1, groups=channels), nn.ReLU6())
    x = flambeau.randn(*size)
    made = []
    before = threads.count()
    try:
        for count in (1, 2, 3, 5):
            threads.set_count(count)
            compiled = flambeau.compile(layers)
            made.append([compiled(x) for _ in range(3)][-1])
    finally:
        threads.set_count(before)
    agree(made[0], layers(x))
    assert all(np.array_equal(m.numpy(), made[0].numpy()) for m in made[1:])


class Scaled(nn.Module):
    """A layer whose parts are looked up where modules keep them."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.act = nn.Linear(3, 3), nn.ReLU()

    def forward(self, x):
        x = self.act(self.inner(x))
        for held in (self._buffers, self.act._buffers):
            for b in held.values():
                x = x * b
        return x


@flambeau.no_grad()
def test_members_that_come_and_go_without_being_set_are_noticed():
    net, x = Scaled(), flambeau.randn(2, 3)
    compiled = flambeau.compile(net)
    two = flambeau.full((3,), 2.0)

    def changed(change):
        change()
        for _ in range(3):
            agree(compiled(x), net(x))

    changed(lambda: None)
    changed(lambda: net._buffers.update(two=two))  # there was none
    changed(lambda: net.act._buffers.update(two=net._buffers.pop("two")))  # as many as before
    changed(lambda: net.act._buffers.update(two=flambeau.full((3,), 3.0)))
    changed(lambda: net.act._buffers.update(last=two))
    changed(lambda: net.act._buffers.clear())
    handle = net.inner.register_forward_hook(lambda m, given, out: out + 1)
    with pytest.warns(UserWarning, match="eagerly"):
        changed(lambda: None)
    changed(handle.remove)


@flambeau.no_grad()
def test_a_write_leaves_the_other_weights_the_models_own():
    layers = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)).eval()
    compiled, x = flambeau.compile(layers), flambeau.randn(3, 8)
    for _ in range(4):
        compiled(x)
    (plan,) = [p for plans in compiled._compiled._plans.values() for p in plans]
    prepared = plan.forward.programs[0].prepared
    for _ in range(2):
        layers[0].weight.mul_(2.0)
        agree(compiled(x), layers(x))
        # Memory that others hold is read through at every call.
        assert [seen.foreign for seen in prepared._seen] == [False, False]
        assert prepared.fits()
    layers[2].weight = nn.Parameter(flambeau.randn(8, 8))
    agree(compiled(x), layers(x))
    layers[2].weight.numpy()[0] = 1.0
    agree(compiled(x), layers(x))
