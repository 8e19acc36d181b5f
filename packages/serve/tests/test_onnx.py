"""An exported model, served: the file says what goes in and what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

import flambeau
from flambeau import nn

pytest.importorskip("onnx")

from flambeau_serve import LoadError, TensorSpec, load

Serve = Callable[..., httpx.Client]


@pytest.fixture
def net() -> nn.Module:
    flambeau.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 13 * 13, 10)
    )


@pytest.fixture
def exported(net: nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / "digits.onnx"
    flambeau.onnx.export(
        net,
        (flambeau.zeros(1, 1, 28, 28),),
        path,
        input_names=["image"],
        output_names=["scores"],
        dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
    )
    return path


def test_the_file_says_what_it_takes(net: nn.Module, exported: Path) -> None:
    model = load(exported)
    assert (model.name, model.platform) == ("digits", "onnx")
    assert model.inputs == (TensorSpec("image", "FP32", (-1, 1, 28, 28)),)
    assert model.outputs == (TensorSpec("scores", "FP32", (-1, 10)),)
    assert model.batched
    x = np.random.default_rng(0).random((3, 1, 28, 28), np.float32)
    want = net(flambeau.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(model.predict({"image": x})["scores"], want, rtol=1e-4, atol=1e-5)


def test_a_folder_answers_pictures(
    net: nn.Module, exported: Path, serve: Serve, picture: Callable[..., bytes]
) -> None:
    card = {"model": exported.name, "name": "digits", "labels": list("0123456789")}
    card["preprocess"] = {"mean": 0.1307, "std": 0.3081}
    (exported.parent / "model.json").write_text(json.dumps(card))
    client = serve(str(exported.parent))
    png = {"content-type": "image/png"}
    answer = client.post("/v2/models/digits/infer", content=picture(), headers=png).json()
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    pixels = np.zeros((1, 1, 28, 28), np.float32)
    pixels[:, :, 14:, 14:] = 1
    scores = net(flambeau.from_numpy((pixels - 0.1307) / 0.3081))[0]
    assert outputs["label"] == [str(scores.argmax().item())]
    want = flambeau.softmax(scores, 0).tolist()
    np.testing.assert_allclose(outputs["probability"], want, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80" * 100])
def test_files_that_are_no_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=r"model\.onnx cannot be loaded: .* is not a valid ONNX"):
        load(path)


def test_a_file_cut_short(exported: Path) -> None:
    exported.write_bytes(exported.read_bytes()[:-100])
    with pytest.raises(LoadError, match="cannot be loaded"):
        load(exported)


def test_without_onnx(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(LoadError, match=r"pip install 'flambeau\[onnx\]'"):
        load(exported)
