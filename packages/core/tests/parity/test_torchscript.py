"""TorchScript archives that PyTorch wrote, run here: the same numbers from the same file."""

from __future__ import annotations

import importlib.util
import io
import os
import pathlib
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import flambeau
from flambeau import jit

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning"
)


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 8),
            nn.ReLU(),
            nn.Linear(8, 8),
            nn.GELU(),
            nn.Linear(8, 3),
            nn.LogSoftmax(-1),
        )

    def forward(self, x):
        return self.layers(x)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.pool, self.drop = nn.MaxPool2d(2), nn.Dropout(0.1)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.gn, self.last, self.ln = nn.GroupNorm(2, 4), nn.Linear(4, 5), nn.LayerNorm(5)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.conv(x))))
        x = self.gn(
            nn.functional.interpolate(
                self.up(x), scale_factor=2.0, mode="bilinear", align_corners=False
            )
        )
        x = nn.functional.adaptive_avg_pool2d(self.drop(nn.functional.pad(x, [1, 1, 0, 0])), 1)
        return self.ln(self.last(x.flatten(1))).softmax(-1)


class Recurrent(nn.Module):
    def __init__(self, kind: str):
        super().__init__()
        self.embed, self.rnn = (
            nn.Embedding(10, 6),
            getattr(nn, kind)(6, 8, 2, batch_first=True, bidirectional=True),
        )

    def forward(self, x):
        return self.rnn(self.embed(x))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.heads = nn.Linear(8, 24), 2

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = [y.view(b, t, self.heads, c // self.heads).transpose(1, 2) for y in (q, k, v)]
        a = (q @ k.transpose(-2, -1) / (c // self.heads) ** 0.5).masked_fill(
            torch.ones(t, t).triu(1) > 0, float("-inf")
        )
        y = a.softmax(-1) @ v + nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return torch.einsum("bhtc->bthc", y).reshape(b, t, c)


class Pair(NamedTuple):
    first: torch.Tensor
    second: int


class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.count, self.names = 0, {"a": 1}
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x, scale: float | None = None) -> tuple[torch.Tensor, int]:
        self.count += 1
        self.total += x
        if scale is not None:
            x = x * scale
        for k, v in self.names.items():
            x = x + v + len(k)
        with torch.no_grad():
            x = x * 2
        return self.total + x, self.count

    @torch.jit.export
    def reset(self, names: dict[str, int]) -> Pair:
        self.names = names
        self.total.zero_()
        return Pair(self.total, self.count)


def control(x, n: int, names: list[str], table: dict[str, int]):
    out: list[torch.Tensor] = []
    for i in range(n):
        if i == 3:
            continue
        if i > 5:
            break
        x = x * 2 + i if bool(x.sum() > 0) else x - 1
        out.append(x[1:, 0])
    while bool(x.sum() < 100):
        x = x + 50
    assert n > 0, f"bad {n}"
    if n == 77:
        raise ValueError(f"no {n}")
    for value in table.values():
        x = x + value
    for i, name in enumerate(names):
        x = x + len(name) * i
    x[0, 1] = 5.0
    halves = [a * 2 for a in range(3)]
    return torch.stack(out), x, halves[1:], x.shape, n / 2, n // 2, -n % 3, str(n) + names[0].upper(), x.to(torch.float64), \
        torch.zeros(2, n, dtype=torch.int64), x[:, None].max(dim=0).values  # fmt: skip


def moved(value):
    return flambeau.from_numpy(value.numpy().copy()) if isinstance(value, torch.Tensor) else value


def same(theirs, ours, tolerance=1e-5):
    if isinstance(theirs, torch.Tensor):
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance
        )
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    elif isinstance(theirs, (tuple, list)):
        for a, b in zip(theirs, ours, strict=True):
            same(a, b, tolerance)
    else:
        assert theirs == ours


def crossed(module):
    file = io.BytesIO()
    torch.jit.save(module, file)
    return jit.load(io.BytesIO(file.getvalue()))


def ways(module, x):
    yield torch.jit.script(module)
    yield torch.jit.trace(module, x)
    yield torch.jit.freeze(torch.jit.script(module))


def windows():
    """Padding by a word, columns of windows and back."""
    layers = [nn.Conv2d(2, 3, 3, padding="same"), nn.LogSigmoid(), nn.Unfold(2), nn.Fold((4, 4), 2)]
    return nn.Sequential(*layers)


TOKENS = torch.arange(10).reshape(2, 5)
MODELS = [
    (MLP, torch.linspace(-1, 1, 18).reshape(3, 6)), (CNN, torch.linspace(-1, 1, 128).reshape(2, 1, 8, 8)),
    (Attention, torch.linspace(-1, 1, 64).reshape(2, 4, 8)), (lambda: Recurrent("LSTM"), TOKENS),
    (lambda: Recurrent("GRU"), TOKENS), (lambda: Recurrent("RNN"), TOKENS),
    (windows, torch.linspace(-1, 1, 64).reshape(2, 2, 4, 4)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "x"), MODELS, ids=["mlp", "cnn", "attention", "lstm", "gru", "rnn", "windows"]
)
def test_models_scripted_traced_and_frozen(make, x):
    torch.manual_seed(0)
    model = make().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for program in ways(model, x):
            ours = crossed(program)
            same(model(x), ours(moved(x)))
            assert list(ours.state_dict()) == list(program.state_dict())


def test_training_goes_on():
    torch.manual_seed(0)
    model = torch.jit.script(MLP())
    ours = crossed(model)
    x = torch.randn(4, 6)
    model(x).sum().backward()
    ours(moved(x)).sum().backward()
    for (name, p), (other, q) in zip(
        model.named_parameters(), ours.named_parameters(), strict=True
    ):
        assert name == other and q.requires_grad
        same(p.grad, q.grad)


def test_a_transformer_that_was_scripted():
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.linspace(-1, 1, 80).reshape(2, 5, 8)
    same(model(x), crossed(torch.jit.script(model))(moved(x)))


def test_control_flow():
    program = torch.jit.script(control)
    ours = crossed(program)
    args = (torch.ones(3, 4), 7, ["a", "bcd"], {"q": 1})
    same(program(*args), ours(*map(moved, (torch.ones(3, 4), *args[1:]))))
    with pytest.raises(AssertionError, match="bad 0"):
        ours(flambeau.ones(3, 4), 0, ["a"], {})


def test_state_and_exported_methods():
    program = torch.jit.script(Stateful())
    ours = crossed(program)
    x = torch.arange(3.0)
    for scale in (None, 2.0):
        same(program(x, scale), ours(moved(x), scale))
    same(tuple(program.reset({"bb": 4})), tuple(ours.reset({"bb": 4})))
    same(program(x), ours(moved(x)))


def silero() -> pathlib.Path | None:
    """The model in the PyPI package silero-vad, where that is installed or unpacked at FLAMBEAU_SILERO."""
    spec = importlib.util.find_spec("silero_vad")
    places = [
        os.environ.get("FLAMBEAU_SILERO"),
        *(spec.submodule_search_locations or () if spec else ()),
    ]
    found = [
        p for p in (pathlib.Path(x) / "data" / "silero_vad.jit" for x in places if x) if p.exists()
    ]
    return found[0] if found else None


@pytest.mark.skipif(silero() is None, reason="the package silero-vad is not here")
def test_silero_vad():
    theirs, ours = torch.jit.load(str(silero())), jit.load(silero())
    torch.manual_seed(0)
    for rate, size in ((16000, 512), (8000, 256)):
        theirs.reset_states()
        ours.reset_states()
        for _ in range(3):
            x = torch.randn(1, size) * 0.1
            same(theirs(x, rate), ours(moved(x), rate))
    x = torch.randn(1, 8000) * 0.1
    same(theirs.audio_forward(x, 16000), ours.audio_forward(moved(x), 16000), 1e-4)
    with pytest.raises(
        ValueError, match="Supported values: 256 for 8000 sample rate, 512 for 16000"
    ):
        ours(flambeau.zeros(1, 600), 16000)
