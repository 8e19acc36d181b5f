"""The int8 variant: close to float, small, and without wide arithmetic."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.export import c99
from flambeau.export.memory import Scale
from flambeau.export.quantized import _scale
from flambeau.nn import functional as F


def small():
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU6(), nn.Conv2d(8, 12, 1, stride=2), nn.Sigmoid()),
        *(nn.Flatten(), nn.Linear(48, 20), nn.ReLU(), nn.Linear(20, 10)),
    ).eval()  # fmt: skip


@pytest.mark.slow
def test_answers_are_near_those_of_floats(tmp_path, build, run):
    model = small()
    for part in model[:9]:  # a new network answers nearly the same to everything
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            part.weight.data.mul_(3)
    examples = [flambeau.randn(1, 1, 8, 8) for _ in range(20)]
    c99(model, examples[0], tmp_path, quantize="int8", calibration=examples)
    program = build(tmp_path, "-Os")
    with flambeau.no_grad():
        wanted = np.concatenate([model(x).numpy() for x in examples])
    found = np.stack([run([str(program)], (x,)) for x in examples])
    # Relative to how much answers differ among each other: int8 has 256 steps for all of it.
    spread = wanted.std(0).mean()
    assert 0 < np.abs(found - wanted).mean() < 0.1 * spread
    top = (found.argmax(1) == wanted.argmax(1)).mean()
    assert top >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "example"),
    [
        (nn.LSTM(4, 5, batch_first=True), flambeau.ones(2, 3, 4)),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), flambeau.randn(2, 5, 8)),
        (lambda x: flambeau.cat([x.relu(), x * x.mean(1, keepdim=True)], 1).tanh(), flambeau.randn(3, 6)),
        (nn.Sequential(nn.Conv1d(3, 5, 3, padding=1), nn.ELU(), nn.Conv1d(5, 2, 3)), flambeau.randn(2, 3, 9)),
    ],
    ids=["lstm", "transformer", "functions", "conv1d"],
)  # fmt: skip
def test_what_is_not_int8_computes_in_floats(model, example, same_in_c):
    same_in_c(model, example, quantize="int8", atol=0.1)


@pytest.mark.slow
def test_three_dimensions_in_int8(same_in_c):
    model = nn.Sequential(
        *(nn.Conv3d(2, 6, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2)),
        *(nn.Conv3d(6, 18, 2, stride=(1, 2, 1), bias=False), nn.ReLU()),
        nn.Conv3d(18, 18, (2, 1, 3), groups=3, padding=(1, 0, 1), dilation=(1, 1, 2)),
    )
    for part in model:
        if isinstance(part, nn.Conv3d):
            part.weight.data.mul_(2)
    x = flambeau.randn(2, 2, 6, 7, 8)
    spread = model(x).std().item()
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover")
    same_in_c(model, x, quantize="int8", atol=0.1 * spread, flags=flags)


class Padded(nn.Module):
    """Attention to what is no padding, masked by infinite numbers on the way."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8, padding_idx=0)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, ids):
        x = self.embed(ids)
        added = flambeau.where(ids == 0, -flambeau.inf, 0.0)[:, None]
        added = added + flambeau.full((5, 5), -flambeau.inf).triu(1)
        q = self.head(x)
        layer = self.layer(x, src_key_padding_mask=ids == 0)
        return self.head(layer), F.scaled_dot_product_attention(q, q, q, attn_mask=added)


@pytest.mark.slow
def test_masks_of_infinite_numbers_stay_floats(same_in_c):
    ids = flambeau.tensor([[1, 2, 3, 4, 0], [5, 6, 7, 8, 9]])
    same_in_c(Padded(), ids, quantize="int8", atol=0.1)
    masked = nn.MultiheadAttention(8, 2, batch_first=True)
    mask = flambeau.full((5, 5), -flambeau.inf).triu(1)
    same_in_c(lambda x, m: masked(x, x, x, attn_mask=m)[0], flambeau.randn(2, 5, 8), mask, quantize="int8", atol=0.1)  # fmt: skip


def test_memory_is_a_quarter_and_the_text_has_no_wide_numbers(tmp_path):
    model, x = small(), flambeau.randn(1, 1, 8, 8)
    plain = c99(model, x, tmp_path / "float")
    whole = c99(model, x, tmp_path / "int8", quantize="int8")
    assert whole.arena < plain.arena / 2 and whole.weights < plain.weights / 2
    text = (tmp_path / "int8/model.c").read_text()
    assert not re.search(r"\b(double|int64_t|long)\b", text)
    assert not re.search(r"[\d.]+e?-?\d*(?<![fx\d.])\.\d+(?![\df])", text), "a double constant"
    assert text.count("static void conv_int8_1(") == 1 and text.count("conv_int8_1(") == 4
    assert "-Os" in (tmp_path / "int8/Makefile").read_text()


@pytest.mark.slow
def test_sizes_are_those_of_the_linker(tmp_path, cc):
    if shutil.which("size") is None:
        pytest.skip("size is not on PATH")
    made = c99(small(), flambeau.randn(1, 1, 8, 8), tmp_path, quantize="int8")
    sizes = made.sizes()
    assert sizes["ram"] == made.arena
    assert made.weights <= sizes["weights"] <= made.weights + 512  # and alignment
    assert 500 < sizes["code"] < 20000
    with pytest.raises(RuntimeError, match="no-such-cc is not on PATH"):
        made.sizes(cc="no-such-cc")


def test_zero_is_exact_and_ends_are_reached():
    for low, high in [(0, 1), (-1, 0), (-0.3, 5), (-7, 7), (0, 0)]:
        scale = _scale(low, high)
        assert isinstance(scale, Scale) and -128 <= scale.zero <= 127
        assert (-128 - scale.zero) * scale.step <= low + scale.step
        assert (127 - scale.zero) * scale.step >= high - scale.step
