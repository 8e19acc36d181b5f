"""Models in a real browser, from a real socket: their answers are eager's; a digit is drawn with a mouse and read."""

from __future__ import annotations

import itertools
import json
import math
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.export import web

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "digit_web.py"
CALL = """
import("./model.mjs").then(module => module.load()).then(model => model.run(...%s)).then(made =>
  Object.fromEntries(Object.entries(made).map(([name, values]) => [name, Array.from(values, Number)])))
"""


class Reader(nn.Module):
    """Symbols to scores, by way of a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(20, 8), nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 3)  # fmt: skip

    def forward(self, ids: Any) -> Any:
        return self.head(self.rnn(self.embed(ids))[0][:, -1])


def lenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 10)),
        nn.Softmax(1),
    )


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(5 * 16, 4))


def several(x: Any, k: Any) -> Any:
    return {"sum": x + k.unsqueeze(1), "largest": x.argmax(1), "even": k % 2 == 0}


MODELS = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(20, 33), nn.GELU(), nn.Linear(33, 10)),
        lambda: (flambeau.randn(3, 20),),
    ),
    "lenet": (lenet, lambda: (flambeau.rand(1, 1, 28, 28),)),
    "reader": (Reader, lambda: (flambeau.randint(0, 20, (2, 6)),)),
    "encoder": (encoder, lambda: (flambeau.randn(2, 5, 16),)),
    "several": (lambda: several, lambda: (flambeau.randn(3, 4), flambeau.tensor([1, 2, -3]))),
}


def numbers(x: flambeau.Tensor) -> list:
    return x.reshape(-1).tolist()


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_eagers(name, tab, runtime, serve, tmp_path):
    flambeau.manual_seed(0)
    build, example = MODELS[name]
    model, given = build(), example()
    site = web(model, given, tmp_path, runtime=runtime)
    tab.open(serve(tmp_path))
    assert tab.run("document.getElementById('error').textContent") == ""
    # Other numbers than those it was exported with.
    given = example()
    found = tab.run(CALL % json.dumps([numbers(x) for x in given]))
    if isinstance(model, nn.Module):
        model.eval()
    with flambeau.no_grad():
        made = model(*given)
    expected = list(made.values()) if isinstance(made, dict) else [made]
    assert list(found) == list(site.outputs) and len(found) == len(expected)
    for values, wanted in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(values, np.asarray(numbers(wanted), float), atol=1e-4, rtol=1e-4)
    assert tab.errors == []


def test_typed_numbers_are_answered(tab, runtime, serve, tmp_path):
    web(lambda x: x * 2 + 1, flambeau.zeros(3), tmp_path, runtime=runtime)
    tab.open(serve(tmp_path))
    tab.run("document.querySelector('textarea').value = '1, 2 -0.5'")
    tab.run("document.querySelector('form').requestSubmit()")
    tab.wait_for("document.getElementById('raw').textContent")
    assert tab.run("document.getElementById('raw').textContent") == "y0 float32[3]\n3 5 0"


@pytest.mark.parametrize(
    "typed, said",
    [
        ("1 2", "x0 must have 3 numbers (float32[3]), but got 2"),
        ("1 two 3", "x0 has a word that is no number"),
    ],
)
def test_wrong_numbers_are_said(typed, said, tab, runtime, serve, tmp_path):
    web(lambda x: x * 2, flambeau.zeros(3), tmp_path, runtime=runtime)
    tab.open(serve(tmp_path))
    tab.run(f"document.querySelector('textarea').value = {typed!r}")
    tab.run("document.querySelector('form').requestSubmit()")
    tab.wait_for("document.getElementById('error').textContent")
    assert tab.run("document.getElementById('error').textContent") == said


GIVE = """
(async () => {
  const canvas = document.createElement("canvas");
  canvas.width = 8; canvas.height = 4;
  const to = canvas.getContext("2d");
  to.fillStyle = "#ff0000"; to.fillRect(0, 0, 4, 4);
  to.fillStyle = "#0000ff"; to.fillRect(4, 0, 4, 4);
  const png = await new Promise(done => canvas.toBlob(done, "image/png"));
  const given = new DataTransfer();
  given.items.add(new File([%s], "picture.png", { type: "image/png" }));
  const box = document.getElementById("file");
  box.files = given.files;
  box.dispatchEvent(new Event("change"));
})()
"""


def test_a_picture_of_three_channels_is_chosen(tab, runtime, serve, tmp_path):
    # Means of the left and the right half, by channel: of the middle square of a picture half red, half blue.
    def halves(x):
        return x.unflatten(3, (2, 2)).mean((2, 4)).flatten()

    web(halves, flambeau.zeros(1, 3, 4, 4), tmp_path, runtime=runtime)
    tab.open(serve(tmp_path))
    tab.run(GIVE % "png")
    tab.wait_for("document.getElementById('took').textContent")
    shown = tab.run("document.getElementById('raw').textContent").split("\n")[1]
    assert [float(word) for word in shown.split()] == [1, 0, 0, 0, 0, 1]
    tab.run(GIVE % "'no picture'")
    tab.wait_for("document.getElementById('error').textContent")
    assert "The file is no picture" in tab.run("document.getElementById('error').textContent")
    assert tab.run("document.getElementById('raw').textContent") == ""
    assert tab.errors == []


def test_a_wrong_call_of_the_module_is_an_error(tab, runtime, serve, tmp_path):
    web(lambda x: x * 2, flambeau.zeros(3), tmp_path, name="twice", runtime=runtime)
    tab.open(serve(tmp_path))
    with pytest.raises(RuntimeError, match="twice takes 1 arrays, but got 2"):
        tab.run(CALL % "[[1, 2, 3], [4]]")
    # The next call works.
    assert tab.run(CALL % "[[1, 2, 3]]") == {"y0": [2, 4, 6]}


def test_a_page_without_the_runtime_says_so(tab, serve, tmp_path):
    web(lambda x: x * 2, flambeau.zeros(3), tmp_path, runtime=None)
    tab.open(serve(tmp_path))
    assert "could not be loaded" in tab.run("document.getElementById('error').textContent")
    tab.errors.clear()


def test_a_name_is_text_on_the_page(tab, runtime, serve, tmp_path):
    web(lambda x: x * 2, flambeau.zeros(3), tmp_path, name="<b>a & b</b>", runtime=runtime)
    tab.open(serve(tmp_path))
    assert tab.run("document.querySelector('h1').textContent") == "<b>a & b</b>"


# -- the example: a digit is drawn -------------------------------------------------------------------------------------


def ring() -> list[tuple[float, float]]:
    turns = [2 * math.pi * i / 24 for i in range(25)]
    return [(0.5 + 0.2 * math.sin(t), 0.5 - 0.32 * math.cos(t)) for t in turns]


# Strokes of a hand, as shares of the canvas.
DIGITS = {
    "0": [ring()],
    "1": [[(0.52, 0.15), (0.5, 0.5), (0.48, 0.85)]],
    "7": [[(0.28, 0.2), (0.72, 0.2), (0.45, 0.85)]],
    "4": [[(0.35, 0.15), (0.28, 0.5), (0.7, 0.5)], [(0.66, 0.15), (0.62, 0.88)]],
}


@pytest.fixture(scope="module")
def digits_page(runtime, tmp_path_factory) -> pathlib.Path:
    data = os.environ.get("FLAMBEAU_DIGITS")
    if not data:
        pytest.fail("FLAMBEAU_DIGITS names no file of digits; run nox -s web")
    folder = tmp_path_factory.mktemp("digits")
    subprocess.run(
        [sys.executable, str(EXAMPLE), "--data", data, "--out", str(folder), "--runtime", runtime],
        check=True, timeout=120,
    )  # fmt: skip
    return folder


def draw(tab: Any, strokes: list[list[tuple[float, float]]]) -> None:
    """With the mouse, in small movements."""
    tab.run("document.getElementById('clear').click()")
    box = tab.run("(b => [b.left, b.top, b.width, b.height])(document.getElementById('pad').getBoundingClientRect())")  # fmt: skip
    for stroke in strokes:
        places = [(box[0] + x * box[2], box[1] + y * box[3]) for x, y in stroke]
        tab.mouse("Pressed", *places[0])
        for (ax, ay), (bx, by) in itertools.pairwise(places):
            for step in range(1, 5):
                tab.mouse("Moved", ax + (bx - ax) * step / 4, ay + (by - ay) * step / 4)
        tab.mouse("Released", *places[-1])


def test_a_drawn_digit_is_read(digits_page, tab, serve):
    tab.open(serve(digits_page))
    read = {}
    for digit, strokes in DIGITS.items():
        draw(tab, strokes)
        tab.wait_for("document.getElementById('took').textContent")
        read[digit] = tab.run("document.getElementById('answer').textContent")
        rows = tab.run("document.getElementById('scores').innerText.split('\\n').length")
        assert rows == 5
    if folder := os.environ.get("FLAMBEAU_SCREENSHOTS"):
        tab.screenshot(pathlib.Path(folder) / "digit.png")
    assert read == {digit: digit for digit in DIGITS}
    assert tab.errors == []
