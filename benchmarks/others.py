"""Training steps and predictions of further kinds of models, written as their users do: `compiled`'s held-out list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Case, Side
from infer import predict
from train import cross_entropy, integers, normal, step

# --------------------------------------------------------------------------------------------------
# Models


def mixer(lib: Any, layers: int = 4, width: int = 128, patch: int = 4) -> Any:
    """An MLP-Mixer for pictures of 32 × 32."""
    nn, count = lib.nn, (32 // patch) ** 2

    def mlp(n: int, inner: int) -> Any:
        return nn.Sequential(nn.Linear(n, inner), nn.GELU(), nn.Linear(inner, n))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.tokens, self.channels = mlp(count, 64), mlp(width, 4 * width)

        def forward(self, x: Any) -> Any:
            x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
            return x + self.channels(self.norm2(x))

    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, width, patch, patch)
            self.blocks = nn.Sequential(*[Block() for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            x = self.stem(x).flatten(2).transpose(1, 2)
            return self.head(self.norm(self.blocks(x)).mean(1))

    return Mixer()


def translator(lib: Any, width: int = 128, words: int = 1000) -> Any:
    """An encoder and a decoder, `nn.Transformer`, of two layers each; (B, S), (B, T) tokens to (B, T, words)."""
    nn = lib.nn

    class Translator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.source, self.target = nn.Embedding(words, width), nn.Embedding(words, width)
            self.places = nn.Parameter(lib.zeros(1, 64, width))
            self.transformer = nn.Transformer(
                width, 4, 2, 2, 2 * width, dropout=0.0, batch_first=True
            )
            self.head = nn.Linear(width, words)

        def forward(self, pair: Any) -> Any:
            given, made = pair
            mask = nn.Transformer.generate_square_subsequent_mask(made.shape[1])
            given = self.source(given) + self.places[:, : given.shape[1]]
            made = self.target(made) + self.places[:, : made.shape[1]]
            return self.head(self.transformer(given, made, tgt_mask=mask))

    return Translator()


def wavenet(lib: Any, width: int = 32, layers: int = 8) -> Any:
    """Gated, dilated, causal convolutions on sound: (B, 1, T) to (B, 64, T)."""
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self, distance: int) -> None:
            super().__init__()
            self.distance = distance
            self.content = nn.Conv1d(width, width, 2, dilation=distance)
            self.gate = nn.Conv1d(width, width, 2, dilation=distance)
            self.onward, self.out = nn.Conv1d(width, width, 1), nn.Conv1d(width, width, 1)

        def forward(self, x: Any) -> Any:
            before = nn.functional.pad(x, (self.distance, 0))
            y = self.content(before).tanh() * self.gate(before).sigmoid()
            return x + self.onward(y), self.out(y)

    class WaveNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv1d(1, width, 1)
            self.blocks = nn.ModuleList([Block(2**i) for i in range(layers)])
            self.head = nn.Sequential(
                nn.ReLU(), nn.Conv1d(width, width, 1), nn.ReLU(), nn.Conv1d(width, 64, 1)
            )

        def forward(self, x: Any) -> Any:
            x, total = self.first(x), 0
            for block in self.blocks:
                x, part = block(x)
                total = total + part
            return self.head(total)

    return WaveNet()


def tagger(lib: Any) -> Any:
    """A bidirectional LSTM over words: (B, T) to (B, T, 9)."""
    nn = lib.nn

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(3000, 50, padding_idx=0)
            self.rnn = nn.LSTM(50, 64, bidirectional=True, batch_first=True)
            self.head = nn.Linear(128, 9)

        def forward(self, words: Any) -> Any:
            return self.head(self.rnn(self.words(words))[0])

    return Tagger()


def recommender(lib: Any) -> Any:
    """Tables of categories, a small network for numbers, and the products of all pairs; (numbers, lists of categories)."""
    nn, sizes = lib.nn, CATEGORIES

    class Recommender(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList([nn.EmbeddingBag(n, 32, mode="sum") for n in sizes])
            self.bottom = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
            self.top = nn.Sequential(nn.Linear(42, 64), nn.ReLU(), nn.Linear(64, 1))

        def forward(self, given: Any) -> Any:
            numbers, categories = given
            x = self.bottom(numbers)
            parts = [x, *[t(c) for t, c in zip(self.tables, categories, strict=True)]]
            parts = lib.stack(parts, 1)
            rows, columns = lib.tril_indices(5, 5, -1)
            pairs = lib.bmm(parts, parts.transpose(1, 2))[:, rows, columns]
            return self.top(lib.cat([x, pairs], 1))

    return Recommender()


CATEGORIES = (100_000, 50_000, 20_000, 1000)


def visits(batch: int) -> Callable[[Side], Any]:
    return lambda s: (s.normal(batch, 13), [s.integers(n, batch, 4) for n in CATEGORIES])


def clicks(s: Side, out: Any, target: Any) -> Any:
    return s.F.binary_cross_entropy_with_logits(out, (target > 0).float())


def graph_network(lib: Any) -> Any:
    """Two graph convolutions that add up neighbours by `index_add`."""
    nn = lib.nn

    class Layer(nn.Module):
        def __init__(self, a: int, b: int) -> None:
            super().__init__()
            self.linear, self.bias = nn.Linear(a, b, bias=False), nn.Parameter(lib.zeros(b))

        def forward(self, x: Any, edges: Any) -> Any:
            x = self.linear(x)
            return lib.zeros_like(x).index_add(0, edges[1], x[edges[0]]) + self.bias

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = Layer(128, 64), Layer(64, 7)

        def forward(self, given: Any) -> Any:
            x, edges = given
            return self.second(self.first(x, edges).relu(), edges)

    return Network()


def nodes(s: Side) -> Any:
    return s.normal(2000, 128), s.integers(2000, 2, 10_000)


def critic(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(32, 64, 4, 2, 1), nn.InstanceNorm2d(64, affine=True), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(64, 128, 4, 2, 1), nn.InstanceNorm2d(128, affine=True), nn.LeakyReLU(0.2)),
        nn.Conv2d(128, 1, 4),
    )


# --------------------------------------------------------------------------------------------------
# Steps that are more than forward, loss, backward and optimizer


def made_by(make: Callable[[Side], Callable[[], Any]]) -> Case:
    return Case(make, calls=3, tolerance=5e-3, parts={})


def translating(s: Side) -> Callable[[], Any]:
    """Smoothed labels, gradients clipped by their norm."""
    model = s.model(translator(s.lib))
    optimizer = s.lib.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9)
    given, wanted = s.integers(1000, 16, 24), s.integers(1000, 16, 21)

    def run() -> Any:
        optimizer.zero_grad()
        out = model((given, wanted[:, :-1]))
        loss = s.F.cross_entropy(
            out.reshape(-1, 1000), wanted[:, 1:].reshape(-1), label_smoothing=0.1
        )
        loss.backward()
        s.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return run


def judging(s: Side) -> Callable[[], Any]:
    """A critic with a penalty on its gradients: its backward goes through a backward."""
    lib, model = s.lib, s.model(critic(s.lib))
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-4, betas=(0.5, 0.9))
    real, fake, share = s.normal(16, 3, 32, 32), s.normal(16, 3, 32, 32), s.normal(16, 1, 1, 1)

    def run() -> Any:
        between = (share * real + (1 - share) * fake).requires_grad_(True)
        out = model(between)
        (g,) = lib.autograd.grad(out, between, lib.ones_like(out), create_graph=True)
        penalty = ((g.reshape(16, -1).norm(2, dim=1) - 1) ** 2).mean()
        loss = model(fake).mean() - model(real).mean() + 10 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return run


def contrasting(s: Side) -> Callable[[], Any]:
    """Two views of each sample are to be like each other, and unlike all others."""
    lib, nn = s.lib, s.nn
    net = s.model(
        nn.Sequential(nn.Linear(256, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 128))
    )
    optimizer = lib.optim.Adam(net.parameters(), lr=1e-4)
    a, b = s.normal(256, 256), s.normal(256, 256)

    def run() -> Any:
        z = s.F.normalize(lib.cat([net(a), net(b)]), dim=1)
        alike = (z @ z.T / 0.1).masked_fill(lib.eye(512, dtype=lib.bool), float("-inf"))
        loss = s.F.cross_entropy(alike, (lib.arange(512) + 256) % 512)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return run


TRAINING = {
    "mixer_4x128_b32_adamw": step(
        mixer, normal(32, 3, 32, 32), integers(10, 32), "AdamW", lr=1e-4
    ),
    "wavenet_8x32_b4_2000_adam": step(
        wavenet, normal(4, 1, 2000), integers(64, 4, 2000), "Adam",
        lambda s, out, target: s.F.cross_entropy(out, target), lr=1e-4,
    ),
    "bilstm_tagger_b32_t40_adam": step(
        tagger, integers(3000, 32, 40), integers(9, 32, 40), "Adam", lr=1e-4
    ),
    "recommender_b256_sgd": step(
        recommender, visits(256), normal(256, 1), "SGD", clicks, lr=0.01
    ),
    "graph_2000_nodes_adam": step(
        graph_network, nodes, integers(7, 2000), "Adam", cross_entropy, lr=1e-3
    ),
    "transformer_b16_24_20_adam": made_by(translating),
    "critic_penalty_b16_adam": made_by(judging),
    "contrastive_b256_adam": made_by(contrasting),
}  # fmt: skip
for case in (TRAINING["bilstm_tagger_b32_t40_adam"], TRAINING["graph_2000_nodes_adam"]):
    case.count_flops = False  # the counter sees neither recurrent layers nor sums over edges

PREDICTIONS = {
    "mixer_4x128_b8": predict(mixer, lambda s: s.normal(8, 3, 32, 32)),
    "transformer_b1_24_20": predict(
        translator, lambda s: (s.integers(1000, 1, 24), s.integers(1000, 1, 20))
    ),
    "wavenet_8x32_b1_2000": predict(wavenet, lambda s: s.normal(1, 1, 2000)),
    "bilstm_tagger_b8_t40": predict(tagger, lambda s: s.integers(3000, 8, 40)),
    "recommender_b8": predict(recommender, visits(8)),
}
