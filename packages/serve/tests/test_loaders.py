"""MODEL: what can be served, and one line about everything else."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flambeau_serve import LoadError, Model, TensorSpec, load


def test_a_model_is_itself_or_renamed(plain: Model) -> None:
    assert load(plain) is plain
    renamed = load(plain, name="other")
    assert (renamed.name, renamed.inputs, renamed.outputs) == ("other", plain.inputs, plain.outputs)
    one = np.ones(1, np.float32)
    np.testing.assert_array_equal(renamed.predict({"x": one})["y"], one + 1)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = (
        "import numpy as np\n"
        "from flambeau_serve import Model\n"
        "net = Model(lambda arrays: arrays, name='inner')\n"
        "class Box:\n"
        "    net = net\n"
        "def make():\n"
        "    return net\n"
        "number = 3\n"
    )
    (tmp_path / "served_code.py").write_text(source)
    (tmp_path / "broken_code.py").write_text("import not_installed_anywhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("served_code", "broken_code"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "source, name",
    [("served_code:net", "net"), ("served_code:Box.net", "net"), ("served_code:make()", "make")],
)
def test_module_and_attribute(served: Path, source: str, name: str) -> None:
    assert load(source).name == name
    assert load(source, name="mine").name == "mine"


@pytest.mark.parametrize(
    "source, words",
    [
        ("served_code:Box", r"is a class; write served_code:Box\(\)"),
        ("served_code:number", "is a int, which cannot be called"),
        ("served_code:other", "no attribute 'other'"),
        ("served_code:Box.other", "no attribute 'Box.other'"),
        ("no_such_code:net", "no module named 'no_such_code'"),
        ("served_code.inner:net", "no module named 'served_code.inner'"),
        ("nowhere.onnx", "no such file or folder, and not of the form"),
        ("a b:c", "no such file"),
    ],
)
def test_bad_names(served: Path, source: str, words: str) -> None:
    with pytest.raises(LoadError, match=words):
        load(source)


def test_what_user_code_lacks_is_shown_as_it_is(served: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        load("broken_code:net")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".safetensors"])
def test_checkpoints_are_refused_unopened(tmp_path: Path, suffix: str) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "executed",)

    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(LoadError, match=r"holds parameters and no model; .* flambeau.onnx.export"):
        load(path)
    assert not (tmp_path / "executed").exists()


def test_files_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("hello")
    with pytest.raises(LoadError, match=r"not served; expected one of \.onnx"):
        load(tmp_path / "model.txt")
    with pytest.raises(LoadError, match="cannot serve a int"):
        load(3)


def card(folder: Path, **content: object) -> Path:
    (folder / "model.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    "content, words",
    [
        ({}, "model must name a file in the same folder, got None"),
        ({"model": "../x.onnx"}, "must name a file in the same folder"),
        ({"model": "/etc/passwd"}, "must name a file in the same folder"),
        ({"model": "os:system"}, "names 'os:system', which is not there"),
        ({"model": ".."}, "which is not there"),
        ({"model": "x.onnx"}, "names 'x.onnx', which is not there"),
        ({"modle": "x.onnx"}, "unknown key 'modle'"),
        ({"preprocess": []}, "preprocess must be a JSON object"),
    ],
)
def test_bad_cards(tmp_path: Path, content: dict[str, object], words: str) -> None:
    with pytest.raises(LoadError, match=words):
        load(card(tmp_path, **content))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_cards_that_are_no_cards(tmp_path: Path, text: str) -> None:
    with pytest.raises(LoadError, match=r"has no model\.json"):
        load(tmp_path)
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(LoadError, match=r"model\.json (is not JSON|must hold)"):
        load(tmp_path)


class Fake:
    """A file kind for the tests, registered in the loader's own table: the first quarter's mean of a picture."""

    @staticmethod
    def load(path: Path, name: str) -> Model:
        return Model(
            lambda arrays: {"y": arrays["x"].reshape(-1, 2, 8).mean(2)},
            name=name,
            inputs=[TensorSpec("x", "FP32", (-1, 1, 4, 4))],
            outputs=[TensorSpec("y", "FP32", (-1, 2))],
        )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from flambeau_serve import loaders

    monkeypatch.setitem(loaders.LOADERS, ".fake", Fake.load)
    (tmp_path / "weights.fake").touch()
    return tmp_path


def test_a_folder_adds_names_labels_and_preprocessing(folder: Path) -> None:
    content = {
        "model": "weights.fake",
        "name": "halves",
        "version": "7",
        "labels": ["top", "bottom"],
        "scores": "logits",
        "preprocess": {"mean": 0.5, "std": [0.25], "invert": True},
    }
    model = load(card(folder, **content))
    assert (model.name, model.version, model.labels) == ("halves", "7", ("top", "bottom"))
    assert model.image is not None
    transform = model.image.transform
    assert (transform.mean, transform.std, transform.invert) == ((0.5,), (0.25,), True)
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[:, :, 2:] = 1
    assert model.predict({"x": x})["label"].tolist() == ["bottom"]
    assert load(folder, name="mine").name == "mine"


def test_a_folder_is_named_after_itself(folder: Path) -> None:
    home = folder / "digits-v2"
    home.mkdir()
    (home / "weights.fake").touch()
    assert load(card(home, model="weights.fake")).name == "digits-v2"


@pytest.mark.parametrize(
    "content, words",
    [
        ({"labels": "ab"}, "labels must be a list"),
        ({"labels": ["a"], "scores": "x"}, "scores must be"),
        ({"inputs": [{"name": "x"}]}, "inputs must list objects with name, datatype and shape"),
        ({"inputs": [{"name": "x", "datatype": "F", "shape": [1]}]}, "inputs must list objects"),
        ({"inputs": 3}, "inputs must list objects"),
        ({"preprocess": {"size": 3}}, "no key 'size'"),
        ({"name": "a b"}, "cannot stand in a URL"),
    ],
)
def test_cards_that_do_not_fit(folder: Path, content: dict[str, object], words: str) -> None:
    with pytest.raises(LoadError, match=words):
        load(card(folder, model="weights.fake", **content))
