"""The folder for a browser, as far as it can be looked at without one (`nox -s web` has one)."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.export import web
from flambeau.export.web import RUNTIME

pytest.importorskip("onnx", reason="the onnx extra is not installed")


@pytest.fixture
def runtime(tmp_path):
    """A folder with files of onnxruntime-web's names."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for file in (*RUNTIME, "ort.webgpu.min.mjs"):
        (folder / file).write_text(file)
    return folder


def test_the_folder_is_whole(tmp_path, runtime):
    site = web(nn.Linear(3, 2), flambeau.zeros(1, 3), tmp_path / "page", runtime=runtime)
    written = {
        str(f.relative_to(site.path)) for f in site.path.rglob("*") if f.is_file()
    }  # fmt: skip
    assert written == set(site.files)
    assert written == {"index.html", "model.json", "model.mjs", "model.onnx", *(f"ort/{f}" for f in RUNTIME)}  # fmt: skip
    assert (site.path / "ort" / RUNTIME[0]).read_text() == RUNTIME[0]
    assert repr(site).startswith(f"<page of model in {str(site.path)!r}: 7 files, ")


def test_what_the_page_reads_is_what_the_model_takes(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

    def model(x, k):
        return [x + k, x.argmax(1)]

    x, k = flambeau.randn(2, 3), flambeau.tensor([1, 2, 3])
    site = web(model, (x, k), tmp_path, runtime=None)
    about = json.loads((tmp_path / "model.json").read_text())
    session = onnxruntime.InferenceSession(site.files["model.onnx"], providers=["CPUExecutionProvider"])  # fmt: skip
    for kind, theirs in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        assert [(t["name"], t["shape"]) for t in about[kind]] == [(t.name, t.shape) for t in theirs]
    assert [t["dtype"] for t in about["inputs"] + about["outputs"]] == ["float32", "int64"] * 2
    found = session.run(None, {"x0": x.numpy(), "x1": k.numpy()})
    np.testing.assert_allclose(found[0], (x + k).numpy(), rtol=1e-6)


def test_the_model_is_exported_in_eval_mode_and_stays_as_it_was(tmp_path):
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.9)).train()
    before = model[0].running_mean.clone()
    web(model, flambeau.randn(4, 3) + 5, tmp_path, runtime=None)
    assert model.training and flambeau.equal(model[0].running_mean, before)


def test_labels_and_names_stand_in_the_files(tmp_path):
    web(
        nn.Linear(3, 2), flambeau.zeros(1, 3), tmp_path, name="a <b>", labels=["no", 1], runtime=None
    )  # fmt: skip
    assert json.loads((tmp_path / "model.json").read_text())["labels"] == ["no", "1"]
    assert "<h1>a &lt;b&gt;</h1>" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    "model, example, options, error, said",
    [
        (nn.ReLU(), (), {}, TypeError, "the example has no tensor"),
        (lambda x: None, flambeau.zeros(1), {}, TypeError, "must return tensors only, but it returned NoneType"),
        (nn.ReLU(), flambeau.zeros(2).bfloat16(), {}, TypeError, r"bfloat16\[2\] is no array of JavaScript"),
        (nn.ReLU(), flambeau.zeros(2), {"labels": ["a"]}, ValueError, r"1 labels for outputs of \[2\] numbers"),
        (lambda x: (x, x), flambeau.zeros(2), {"labels": "ab"}, ValueError, r"2 labels for outputs of \[2, 2\] numbers"),
        (nn.ReLU(), flambeau.zeros(2), {"runtime": "nowhere"}, FileNotFoundError, "lacks ort.wasm.min.mjs, "),
    ],
)  # fmt: skip
def test_what_cannot_be_a_page_is_said(model, example, options, error, said, tmp_path):
    with pytest.raises(error, match=said):
        web(model, example, tmp_path / "page", **{"runtime": None, **options})


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "page").write_text("")
    with pytest.raises(FileExistsError, match="is a file; give a folder"):
        web(nn.ReLU(), flambeau.zeros(1), tmp_path / "page", runtime=None)


# -- npm ---------------------------------------------------------------------------------------------------------------


def npm(folder, *lines):
    """A program of that name, which is all that is on PATH besides the system's."""
    program = folder / "npm"
    program.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    program.chmod(0o755)


def test_without_npm_the_ways_out_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        RuntimeError, match=r"npm is not on PATH; install Node.js, or give runtime="
    ):
        web(nn.ReLU(), flambeau.zeros(1), tmp_path / "page")


def test_what_npm_says_is_passed_on(tmp_path, monkeypatch):
    npm(tmp_path, "echo no such registry >&2", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"could not fetch onnxruntime-web .*: no such registry"):
        web(nn.ReLU(), flambeau.zeros(1), tmp_path / "page")


def test_another_archive_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    npm(tmp_path, 'echo other > "$(echo "$4" | tr @ -).tgz"')
    with pytest.raises(RuntimeError, match="is not the known one: its checksum is sha512-"):
        web(nn.ReLU(), flambeau.zeros(1), tmp_path / "page")
    assert not any((tmp_path / "page" / "ort").iterdir())
