"""Networks as plain C: compiled strictly, run, compared with eager; memory, threads, tools."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.export import c99
from flambeau.nn import functional as F

randn = flambeau.randn


def lenet():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 84), nn.ReLU(), nn.Linear(84, 10), nn.Softmax(1)),
    )


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs) for _ in range(3)])
        self.side = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 else None

    def forward(self, x):
        y = F.relu(self.norms[0](self.first(x)))
        y = self.norms[1](self.second(y))
        return F.relu(y + (x if self.side is None else self.norms[2](self.side(x))))


def resnet18(width=4):
    blocks = []
    for k in range(4):
        outputs = width * 2**k
        blocks += [
            Block(outputs // (1 + (k > 0)), outputs, 1 + (k > 0)),
            Block(outputs, outputs, 1),
        ]
    stem = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, 10)]
    return moved(nn.Sequential(*stem, *blocks, *head))


def moved(model):
    """Batch norms with statistics of their own: those of a new one change nothing."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.5, 1.5)
    return model


def separable(inputs, outputs, stride):
    deep = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
    wide = nn.Conv2d(inputs, outputs, 1, bias=False)
    return [deep, nn.BatchNorm2d(inputs), nn.ReLU(), wide, nn.BatchNorm2d(outputs), nn.ReLU()]


def keywords():
    """Depthwise-separable convolutions on a spectrogram of 40 bands and 100 frames."""
    stem = [nn.Conv2d(1, 16, (10, 4), 2, (4, 1), bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 12)]
    return moved(nn.Sequential(*stem, *separable(16, 32, 1), *separable(32, 32, 2), *head))


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, ids):
        out, _ = self.lstm(self.embed(ids))
        return self.head(out[:, -1])


def mlp():
    return nn.Sequential(nn.Linear(20, 33), nn.ReLU(), nn.Linear(33, 10))


NETWORKS = {
    "mlp": (mlp, lambda: randn(3, 20)),
    "lenet": (lenet, lambda: randn(1, 1, 28, 28)),
    "resnet18": (resnet18, lambda: randn(1, 3, 32, 32)),
    "keywords": (keywords, lambda: randn(1, 1, 40, 100)),
    "lstm": (Reader, lambda: flambeau.randint(0, 20, (2, 6))),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_in_c_gives_eagers_numbers(name, same_in_c):
    model, example = NETWORKS[name]
    same_in_c(model(), example())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet", "lstm"])
def test_clang_compiles_the_same_text(name, same_in_c, clang):
    model, example = NETWORKS[name]
    same_in_c(model(), example(), cc=clang)


@pytest.mark.slow
def test_clang_compiles_what_writes_and_sorts(same_in_c, clang):
    same_in_c(Scene(), *SMALL["scene"][1](), cc=clang)


@pytest.fixture
def clang():
    found = shutil.which("clang")
    if found is None:
        pytest.skip("clang is not on PATH")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keywords", "lstm"])
def test_threads_share_the_steps(name, same_in_c):
    model, example = NETWORKS[name]
    same_in_c(model(), example(), flags=("-DMODEL_THREADS=3", "-pthread"))


def image():
    return nn.Sequential(
        *(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(80, 7), nn.LogSoftmax(1)),
    )


class Scene(nn.Module):
    """Volumes as rows of features, which neighbours in a graph are added to; the largest of them in order."""

    def __init__(self):
        super().__init__()
        self.deep = nn.Sequential(nn.Conv3d(1, 5, 3, 2, 1), nn.ReLU(), nn.MaxPool3d(2))
        self.head = nn.Linear(5, 6)

    def forward(self, volumes, near, far):
        rows = self.head(self.deep(volumes).flatten(1))
        rows = rows.index_add(0, far, rows[near]).scatter_reduce(0, near[:, None].expand(-1, 6), rows[far], "amax")  # fmt: skip
        columns = F.fold(F.unfold(rows[None, None], 3, padding=1), (4, 6), 3, padding=1)
        return *columns.flatten().topk(7), rows.sort(0)[0]


SMALL = {
    "image": (image, lambda: (randn(1, 1, 8, 8),)),
    "scene": (Scene, lambda: (randn(4, 1, 4, 4, 4), flambeau.tensor([0, 1, 1, 3]), flambeau.tensor([2, 2, 0, 1]))),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_valgrind_finds_nothing(name, same_in_c):
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        pytest.skip("valgrind is not on PATH")
    model, example = SMALL[name]
    before = (valgrind, "-q", "--error-exitcode=9", "--leak-check=full")
    same_in_c(model(), *example(), before=before, flags=("-g",))


@pytest.mark.slow
def test_sanitizers_find_nothing(same_in_c):
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover")
    same_in_c(keywords(), randn(1, 1, 40, 100), flags=flags)
    same_in_c(Scene(), *SMALL["scene"][1](), flags=flags)


def test_a_program_keeps_nothing_between_calls(tmp_path, build):
    # Called twice on a dirty arena, with another input in between, and twice at once.
    model = Reader().eval()
    c99(model, flambeau.zeros(1, 4, dtype=flambeau.int64), tmp_path)
    (tmp_path / "main.c").write_text("""
        #include <stdio.h>
        #include <string.h>
        #include "model.h"
        static model_arena one, two;
        int main(void) {
          int64_t x[2][MODEL_X0] = {{1, 2, 3, 4}, {9, 8, 7, 19}};
          float y[4][MODEL_Y0];
          memset(&one, 0xff, sizeof one);
          for (int i = 0; i < 3; ++i) model_run(&one, x[i % 2], y[i]);
          model_run(&two, x[0], y[3]);
          return memcmp(y[0], y[2], sizeof y[0]) || memcmp(y[0], y[3], sizeof y[0]) || !memcmp(y[0], y[1], sizeof y[0]);
        }
    """)
    assert subprocess.run([str(build(tmp_path))], check=False).returncode == 0


def test_the_arena_is_as_large_as_the_largest_moment(tmp_path):
    # Ten layers of 100 numbers need two at a time, not ten.
    layers = [m for _ in range(10) for m in (nn.Linear(100, 100, bias=False), nn.Tanh())]
    model = nn.Sequential(*layers)
    made = c99(model, flambeau.zeros(1, 100), tmp_path)
    assert made.arena <= 2 * 448
    text = (tmp_path / "model.h").read_text()
    assert f"#define MODEL_ARENA {made.arena} " in text


def test_norms_and_activations_go_into_their_producer(tmp_path):
    model = moved(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()))
    c99(model, randn(1, 3, 8, 8), tmp_path)
    text = (tmp_path / "model.c").read_text()
    assert re.findall(r"/\* (.*) \*/\n  MEET", text) == ["convolution relu -> float32[1, 8, 6, 6]"]


def test_layers_of_one_shape_share_a_function(tmp_path):
    model = nn.Sequential(*[m for _ in range(6) for m in (nn.Linear(8, 8), nn.ReLU())])
    c99(model, randn(1, 8), tmp_path, name="net")
    text = (tmp_path / "net.c").read_text()
    assert text.count("static void linear_") == 1 and text.count("  linear_1(") + text.count("ALONE linear_1(") == 6  # fmt: skip
    assert "net_run(net_arena *arena" in (tmp_path / "net.h").read_text()


def test_several_inputs_and_outputs_of_several_dtypes(same_in_c):
    def model(x, k):
        return {"sum": x + k.unsqueeze(1), "largest": x.argmax(1), "even": k % 2 == 0, "x": x}

    made = same_in_c(model, randn(3, 4), flambeau.tensor([1, 2, -3]))
    assert [str(m) for m in made.outputs] == ["float32[3, 4]", "int64[3]", "bool[3]", "float32[3, 4]"]  # fmt: skip


def test_an_index_out_of_range_is_reported_and_harmless(tmp_path, build):
    c99(nn.Embedding(10, 3), flambeau.tensor([0, 1]), tmp_path)
    program = build(tmp_path, "-fsanitize=address", "-g")
    for given, status in (("3 9", 0), ("3 10", 1), ("-99999999999 0", 1)):
        done = subprocess.run([str(program)], input=given, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
    done = subprocess.run([str(program)], input="1 x", capture_output=True, text=True)
    assert done.returncode == 2 and "expected MODEL_X0 numbers" in done.stderr


@pytest.fixture
def make(cc):
    program = shutil.which("make")
    if program is None:
        pytest.skip("make is not on PATH")

    def run(folder, *words):
        done = subprocess.run([program, "-C", str(folder), *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.slow
def test_make_builds_the_example(tmp_path, run, make):
    model, x = mlp(), randn(3, 20)
    c99(model, x, tmp_path)
    make(tmp_path, "NATIVE=1", "THREADS=2")
    (tmp_path / "numbers.txt").write_text(" ".join(map(str, x.numpy().reshape(-1))))
    found = run([str(tmp_path / "main"), str(tmp_path / "numbers.txt")], ())
    np.testing.assert_allclose(found, model(x).detach().numpy().reshape(-1), atol=1e-5)


@pytest.mark.slow
def test_make_says_flash_and_ram_which_small_lessens(tmp_path, make):
    made = c99(nn.Sequential(nn.Linear(20, 33), nn.ReLU(), nn.Linear(33, 10)), randn(3, 20), tmp_path)  # fmt: skip
    flash = {}
    for words in ((), ("SMALL=1",)):
        said = make(tmp_path, "-s", "-B", "sizes", *words)
        numbers = dict(re.findall(r"^(flash|RAM) (\d+) bytes", said, re.MULTILINE))
        assert int(numbers["RAM"]) == made.arena
        flash[words] = int(numbers["flash"])
    assert made.weights < flash[("SMALL=1",)] < flash[()]
    assert flash[("SMALL=1",)] == made.sizes()["code"] + made.sizes()["weights"]
