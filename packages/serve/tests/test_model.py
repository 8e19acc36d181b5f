"""The Model object: what it takes, what it refuses, what it learns from its first run."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau_serve import InputError, LoadError, Model, TensorSpec, with_labels


def double(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"y": arrays["x"] * 2}


def test_inputs_are_held_against_their_specs() -> None:
    model = Model(double, inputs=[TensorSpec("x", "FP32", (-1, 3))])
    ok = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(model.predict({"x": ok})["y"], ok * 2)
    for arrays, words in [
        ({}, "input 'x' is missing"),
        ({"x": ok, "z": ok}, "input 'z' is unknown; model 'model' takes x"),
        ({"x": ok.astype(np.float64)}, "datatype FP64; expected FP32"),
        ({"x": ok[0]}, r"shape \[3\]; expected \[-1, 3\] \(-1 is any size\)"),
        ({"x": ok[:, :2]}, r"shape \[2, 2\]; expected \[-1, 3\]"),
    ]:
        with pytest.raises(InputError, match=words):
            model.predict(arrays)


def test_inputs_come_in_declared_order() -> None:
    seen = []
    specs = [TensorSpec(name, "INT64", (1,)) for name in "ba"]
    model = Model(lambda arrays: seen.extend(arrays) or {}, inputs=specs)
    model.predict({"a": np.ones(1, int), "b": np.ones(1, int)})
    assert seen == ["b", "a"]


def test_undeclared_inputs_pass_as_they_come() -> None:
    model = Model(lambda arrays: arrays)
    assert list(model.predict({"b": np.ones(1), "a": np.ones(2)})) == ["b", "a"]
    assert not model.batched


def test_warm_up_learns_the_outputs() -> None:
    model = Model(double, inputs=[TensorSpec("x", "FP16", (-1, 3))])
    model.warm_up()
    assert model.outputs == (TensorSpec("y", "FP16", (-1, 3)),)
    fixed = Model(double, inputs=[TensorSpec("x", "FP16", (1, 3))])
    fixed.warm_up()
    assert fixed.outputs == (TensorSpec("y", "FP16", (1, 3)),)


def test_warm_up_tells_of_a_wrong_declaration() -> None:
    model = Model(
        lambda a: {"y": a["x"] @ np.ones((4, 1))}, inputs=[TensorSpec("x", "FP32", (-1, 3))]
    )
    with pytest.raises(LoadError, match=r"fails on zeros .* \(x FP32\[-1, 3\]\): ValueError"):
        model.warm_up()


def test_warm_up_guesses_no_sizes() -> None:
    model = Model(lambda arrays: 1 / 0, inputs=[TensorSpec("x", "FP32", (-1, -1))])
    model.warm_up()
    assert model.outputs == ()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "..", "a" * 200])
def test_names_stand_in_a_url(name: str) -> None:
    with pytest.raises(LoadError, match="cannot stand in a URL"):
        Model(double, name=name)


def test_specs_are_read_from_the_command_line() -> None:
    assert TensorSpec.parse("x:FP32:-1,2") == TensorSpec("x", "FP32", (-1, 2))
    assert TensorSpec.parse("x:INT64:") == TensorSpec("x", "INT64", ())
    for text in ("x", "x:FP32", "x:FP33:1", "x:FP32:a", "x:FP32:0", "x:FP32:-2"):
        with pytest.raises(ValueError, match="is no tensor; write it as"):
            TensorSpec.parse(text)


@pytest.mark.parametrize("scores", ["logits", "probabilities"])
def test_labels_are_two_more_outputs(scores: str) -> None:
    rows = np.array([[0.1, 0.9], [0.7, 0.3]], np.float32)
    model = Model(lambda arrays: {"y": rows}, outputs=[TensorSpec("y", "FP32", (-1, 2))])
    labelled = with_labels(model, ["no", "yes"], scores)
    outputs = labelled.predict({"x": np.ones(1)})
    assert outputs["label"].tolist() == ["yes", "no"]
    expected = rows if scores == "probabilities" else np.exp(rows) / np.exp(rows).sum(1)[:, None]
    np.testing.assert_allclose(outputs["probability"], expected, rtol=1e-6)
    assert labelled.labels == ("no", "yes")
    assert labelled.outputs[1:] == (
        TensorSpec("label", "BYTES", (-1,)),
        TensorSpec("probability", "FP32", (-1, 2)),
    )


def test_labels_must_fit() -> None:
    model = Model(lambda arrays: {"y": np.ones((1, 3))})
    with pytest.raises(TypeError, match="2 labels do not fit an output of shape"):
        with_labels(model, ["a", "b"]).predict({"x": np.ones(1)})
    with pytest.raises(LoadError, match="scores must be"):
        with_labels(model, ["a"], "percent")
