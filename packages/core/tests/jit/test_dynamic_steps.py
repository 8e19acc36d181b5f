"""Models and training steps at changing sizes: the same losses and weights as eager, from the third size on without tracing."""

from __future__ import annotations

import copy
import ctypes

import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu
from flambeau.testing import assert_close

F = nn.functional
rand, ints = flambeau.randn, flambeau.randint
BATCHES = (8, 8, 5, 8, 7, 7, 3, 1, 12)  # the last of a DataLoader is smaller
BOTH = ((4, 8), (4, 8), (3, 8), (4, 12), (4, 16), (2, 9), (5, 30), (1, 7), (6, 17), (4, 12))


class Attention(nn.Module):
    """Causal, with shapes as users write them."""

    def __init__(self, plain):
        super().__init__()
        self.qkv, self.out, self.plain = nn.Linear(16, 48), nn.Linear(16, 16), plain
        self.register_buffer("mask", flambeau.tril(flambeau.ones(40, 40)).bool())

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (p.view(b, t, 4, c // 4).transpose(1, 2) for p in self.qkv(x).split(c, dim=2))
        if self.plain:
            scores = (q @ k.transpose(-2, -1)) * k.size(-1) ** -0.5
            made = scores.masked_fill(self.mask[:t, :t] == 0, float("-inf")).softmax(-1) @ v
        else:
            made = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(made.transpose(1, 2).contiguous().view(b, t, c))


class Language(nn.Module):
    """A small transformer."""

    def __init__(self, plain):
        super().__init__()
        self.tokens, self.places = nn.Embedding(20, 16), nn.Embedding(40, 16)
        self.attention, self.norm, self.head = Attention(plain), nn.LayerNorm(16), nn.Linear(16, 20)
        self.wide = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, 16))

    def forward(self, i):
        t = i.shape[1]
        assert t <= 40, "too long"
        x = self.tokens(i) + self.places(flambeau.arange(0, t))
        x = x + self.attention(self.norm(x))
        return self.head(x + self.wide(self.norm(x)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.head = nn.Embedding(20, 16), nn.Linear(16, 20)
        self.layers = nn.LSTM(16, 16, 2, batch_first=True)

    def forward(self, i):
        return self.head(self.layers(self.tokens(i))[0])


def words(shapes):
    return [(ints(0, 20, s), ints(0, 20, s)) for s in shapes]


def of_words(logits, targets):
    return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def labelled(*shape):
    return [(rand(b, *shape), ints(0, 5, (b,))) for b in BATCHES]


def pictures():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, stride=2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


def momentum(parameters):
    return flambeau.optim.SGD(parameters, lr=0.05, momentum=0.9)


def adam(parameters):
    return flambeau.optim.AdamW(parameters, lr=1e-3)


def dense():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 5))


# Model, batches, loss, optimizer, and how often the step is traced: at fixed sizes, with some open, at sizes of 1.
STEPS = {
    "dense": (dense, lambda: labelled(8), F.cross_entropy, momentum, 3),
    "regression": (
        lambda: nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 3)),
        lambda: [(rand(b, 8), rand(b, 3)) for b in BATCHES], F.mse_loss, adam, 3,
    ),
    "pictures": (pictures, lambda: labelled(3, 12, 12), F.cross_entropy, momentum, 3),
    "attention": (lambda: Language(True), lambda: words(BOTH), of_words, adam, 4),
    "attention whole": (lambda: Language(False), lambda: words(BOTH), of_words, adam, 4),
    "recurrent": (Recurrent, lambda: words(BOTH), of_words, momentum, 4),
    "encoder": (
        lambda: nn.TransformerEncoderLayer(16, 4, 32, 0.1, batch_first=True),
        lambda: [(rand(*s, 16), rand(*s, 16)) for s in BOTH], F.mse_loss, momentum, 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_a_training_step_at_many_sizes(name):
    make, batches, loss_of, optimizer_of, traced = STEPS[name]
    flambeau.manual_seed(0)
    model, data = make(), batches()
    other, runs = copy.deepcopy(model), (ctypes.c_int64 * 1)()

    def step_of(m):
        optimizer = optimizer_of(m.parameters())

        def step(x, y):
            optimizer.zero_grad()
            loss = loss_of(m(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    compiled, eager = flambeau.compile(step_of(model)), step_of(other)
    inner = compiled._function

    def counted(x, y):
        runs[0] += 1
        return inner(x, y)

    compiled._function = counted
    losses = []
    for called in (compiled, eager):
        flambeau.manual_seed(7)
        losses.append([called(*b).item() for b in data])
    assert_close(flambeau.tensor(losses[0]), flambeau.tensor(losses[1]), rtol=2e-3, atol=1e-4)
    for a, b in zip(model.state_dict().values(), other.state_dict().values()):
        assert_close(a.double(), b.double(), rtol=5e-3, atol=5e-3)
    if name == "recurrent" and not cpu.available():
        traced = 8  # written out, it loops over steps: seven lengths, and a batch
    assert runs[0] == traced


@pytest.mark.parametrize("make", [pictures, lambda: nn.Sequential(nn.Linear(12, 4), nn.Tanh())])
def test_gradients_of_a_module_at_many_sizes(make):
    module = make()

    runs = (ctypes.c_int64 * 1)()  # guards do not look into it

    class Seen(nn.Module):
        def forward(self, x):
            runs[0] += 1
            return module(x)

    compiled = flambeau.compile(Seen())
    for n in (4, 6, 9, 9, 5, 12):
        x = rand(n, 3, 12, 12, requires_grad=True)
        found = []
        for f in (compiled, module):
            y = f(x)
            y.square().mean().backward()
            found.append([y.detach(), x.grad, *(p.grad for p in module.parameters())])
            x.grad = None
            module.zero_grad()
        for a, b in zip(*found):
            assert_close(a, b, rtol=1e-3, atol=1e-5)
    assert runs[0] == 2


def test_a_prediction_with_conv_and_sizes_of_pictures():
    net = pictures().eval()
    compiled = flambeau.compile(net)
    with flambeau.no_grad():
        for h, w in ((12, 13), (14, 16), (15, 15), (20, 9), (33, 12), (13, 12)):
            x = rand(2, 3, h, w)
            assert_close(compiled(x), net(x), rtol=1e-4, atol=1e-5)
    assert "s0, s1 >= 2" in flambeau.jit.explain(compiled._compiled)


def test_a_refusal_of_the_users_comes_through():
    model = Language(False).eval()
    compiled = flambeau.compile(model)
    for t in (4, 6, 9):
        assert_close(compiled(ints(0, 20, (2, t))).shape, model(ints(0, 20, (2, t))).shape)
    with pytest.raises(AssertionError, match="too long"):
        compiled(ints(0, 20, (2, 41)))


def test_written_weights_and_settings_are_seen_at_every_size():
    net = nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5)).eval()
    compiled = flambeau.compile(net)
    with flambeau.no_grad():
        for i, n in enumerate((3, 4, 5, 6, 6, 7)):
            net[0].weight.mul_(1.5)
            if i == 3:
                net[0].bias = nn.Parameter(flambeau.ones(4))
            x = rand(n, 5)
            assert_close(compiled(x), net(x))
        net.train()
        flambeau.manual_seed(1)
        made = compiled(x)
        flambeau.manual_seed(1)
        assert_close(made, net(x))
