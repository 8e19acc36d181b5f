"""Models as users of PyTorch write them, by every way out: C, a library, ONNX, a saved program."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau._base import pytree
from flambeau.export import export, library, load, save
from flambeau.nn import functional as F

pytestmark = pytest.mark.slow
randn, randint = flambeau.randn, flambeau.randint


class Keywords(nn.Module):
    """Cepstra of a signal, and a small network on them."""

    def __init__(self):
        super().__init__()
        bands, places = flambeau.arange(8).float(), flambeau.arange(5).float()
        self.register_buffer("window", flambeau.hann_window(64))
        self.register_buffer("bands", flambeau.rand(33, 8))
        self.register_buffer("turn", flambeau.cos(math.pi / 8 * (bands[:, None] + 0.5) * places))
        self.net = nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.Hardswish())
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        spectrum = flambeau.stft(x, 64, 32, window=self.window, return_complex=True).abs() ** 2
        bands = (spectrum.transpose(1, 2) @ self.bands).clamp(min=1e-6).log()
        return self.head(self.net((bands @ self.turn).unsqueeze(1)).mean((2, 3)))


class Translation(nn.Module):
    """An encoder and a decoder with masks of every kind."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(13, 8, padding_idx=0)
        self.place = nn.Parameter(randn(10, 8))
        self.body = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        self.head = nn.Linear(8, 13)

    def forward(self, source, target):
        size = target.shape[1]
        later = flambeau.ones(size, size).triu(1).bool()
        padding = source == 0
        given, made = (self.embed(t) + self.place[: t.shape[1]] for t in (source, target))
        masks = {"src_key_padding_mask": padding, "memory_key_padding_mask": padding}
        return self.head(self.body(given, made, tgt_mask=later, **masks))


class Boxes(nn.Module):
    """Boxes of a grid, decoded, the best ten of them."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.SiLU())
        self.head = nn.Conv2d(8, 2 * 8, 1)
        sizes = flambeau.tensor([[10.0, 13.0], [33.0, 23.0]])
        self.register_buffer("sizes", sizes.view(1, 2, 1, 1, 2))

    def forward(self, x):
        made = self.head(self.net(x))
        n, _, h, w = made.shape
        made = made.view(n, 2, 8, h, w).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
        rows, columns = flambeau.meshgrid(flambeau.arange(h), flambeau.arange(w), indexing="ij")
        grid = flambeau.stack((columns, rows), 2).float()
        middle, size = (made[..., :2] * 2 - 0.5 + grid) * 4, (made[..., 2:4] * 2) ** 2 * self.sizes
        flat = flambeau.cat((middle - size / 2, middle + size / 2, made[..., 4:]), -1).view(
            n, -1, 8
        )
        scores, kinds = (flat[..., 5:] * flat[..., 4:5]).max(-1)
        best, places = scores.topk(10, 1)
        boxes = flat[..., :4].gather(1, places.unsqueeze(-1).expand(-1, -1, 4))
        return boxes, best, kinds.gather(1, places)


class Graph(nn.Module):
    """Attention along the edges of a graph."""

    def __init__(self):
        super().__init__()
        self.wide, self.score = nn.Linear(5, 8, bias=False), nn.Parameter(randn(16))

    def forward(self, x, edges):
        h, (source, target) = self.wide(x), edges
        z = F.leaky_relu(flambeau.cat([h[source], h[target]], 1) @ self.score, 0.2)
        top = flambeau.full((len(x),), -1e9).scatter_reduce(0, target, z, "amax")
        p = (z - top[target]).exp()
        whole = flambeau.zeros(len(x)).scatter_add(0, target, p)
        share = p / (whole[target] + 1e-9)
        return flambeau.zeros_like(h).index_add(0, target, h[source] * share[:, None])


class Answers(nn.Module):
    """A recurrent encoder, and a decoder that reads what it said."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.reader = nn.GRU(6, 6, batch_first=True, bidirectional=True)
        self.cell, self.head = nn.GRUCell(18, 6), nn.Linear(6, 11)

    def forward(self, ids):
        read, state = self.reader(self.embed(ids))
        h, said, made = state[-1], ids[:, 0] * 0, []
        for _ in range(3):
            weights = flambeau.bmm(read[..., :6], h.unsqueeze(2)).softmax(1)
            seen = flambeau.cat([self.embed(said), (weights * read).sum(1)], 1)
            h = self.cell(seen, h)
            made.append(self.head(h))
            said = made[-1].argmax(1)
        return flambeau.stack(made, 1)


class Wishes(nn.Module):
    """Bags of what a user chose."""

    def __init__(self):
        super().__init__()
        self.fixed, self.runs = nn.EmbeddingBag(30, 8), nn.EmbeddingBag(30, 8, mode="sum")
        self.head = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, chosen, flat, starts):
        return self.head(flambeau.cat([self.fixed(chosen), self.runs(flat, starts)], 1)).sigmoid()


def volumes():
    return nn.Sequential(
        *(nn.Conv3d(1, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU(), nn.MaxPool3d((1, 2, 2))),
        *(nn.Conv3d(6, 8, 3, (2, 1, 1), 1), nn.LeakyReLU(0.1), nn.AdaptiveAvgPool3d((2, 2, 2))),
        *(nn.Flatten(), nn.Linear(64, 4)),
    )


MODELS = {
    "keywords": (Keywords, lambda: (randn(2, 512),)),
    "translation": (Translation, lambda: (flambeau.tensor([[3, 4, 5, 0], [1, 2, 0, 0]]), randint(1, 13, (2, 5)))),
    "boxes": (Boxes, lambda: (randn(2, 3, 24, 24),)),
    "graph": (Graph, lambda: (randn(6, 5), randint(0, 6, (2, 14)))),
    "answers": (Answers, lambda: (randint(0, 11, (2, 5)),)),
    "wishes": (Wishes, lambda: (randint(0, 30, (3, 6)), randint(0, 30, (9,)), flambeau.tensor([0, 2, 2]))),
    "volumes": (volumes, lambda: (randn(2, 1, 4, 8, 8),)),
}  # fmt: skip


@pytest.fixture(params=MODELS)
def case(request):
    """A model, an example, and what it gives for that."""
    make, example = MODELS[request.param]
    flambeau.manual_seed(0)
    model, given = make().eval(), example()
    with flambeau.no_grad():
        return model, given, pytree.flatten(model(*given))[0]


def same(found, wanted, atol=1e-5):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(one), other.numpy(), rtol=1e-4, atol=atol)


def test_in_c(case, same_in_c):
    same_in_c(case[0], *case[1], atol=1e-5)


@pytest.mark.usefixtures("cc")
def test_in_a_library(case, tmp_path):
    model, given, wanted = case
    same(pytree.flatten(library(model, given, tmp_path)(*given))[0], wanted)


def test_as_a_saved_program(case, tmp_path):
    model, given, wanted = case
    save(export(model, given), tmp_path / "program.pt2")
    found = load(tmp_path / "program.pt2").module()(*given)
    same([t.detach() for t in pytree.flatten(found)[0]], wanted)


def test_in_onnxruntime(case):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="the onnx extra is not installed")
    model, given, wanted = case
    names = [f"x{i}" for i in range(len(given))]
    data = flambeau.onnx.export(model, given, input_names=names).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    same(session.run(None, {n: x.numpy() for n, x in zip(names, given)}), wanted)
    again = flambeau.onnx.load(data)(*given)
    again = again if isinstance(again, tuple) else (again,)
    same([t.detach() for t in again], wanted)
