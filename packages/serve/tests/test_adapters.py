"""Modules and functions of flambeau, served as they are."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import numpy as np
import pytest
from ml_dtypes import bfloat16

import flambeau
from flambeau import nn
from flambeau_serve import TensorSpec, load
from flambeau_serve.adapters import from_callable

Serve = Callable[..., httpx.Client]


class Net(nn.Module):
    """A linear layer behind a dropout that would show if the module were left in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.9)
        self.linear = nn.Linear(3, 2)

    def forward(self, x: flambeau.Tensor) -> flambeau.Tensor:
        assert not flambeau.is_grad_enabled()
        return self.linear(self.dropout(x))


@pytest.mark.parametrize("wrap", [lambda net: net, flambeau.compile], ids=["eager", "compiled"])
def test_a_module_runs_in_eval_mode_without_gradients(wrap: Callable[..., object]) -> None:
    net = Net()
    x = np.ones((4, 3), np.float32)
    (answer,) = (
        load(wrap(net), inputs=[TensorSpec("x", "FP32", (-1, 3))]).predict({"x": x}).values()
    )
    want = x @ net.linear.weight.detach().numpy().T + net.linear.bias.detach().numpy()
    np.testing.assert_allclose(answer, want, rtol=1e-5)
    assert not net.training


def test_a_declared_module_over_http(serve: Serve) -> None:
    net = Net()
    client = serve(net, name="net", inputs=[TensorSpec("x", "FP32", (-1, 3))], max_batch=8)
    assert client.get("/v2/models/net").json()["outputs"] == [
        {"name": "output", "datatype": "FP32", "shape": [-1, 2]}
    ]
    x = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}
    data = client.post("/v2/models/net/infer", json={"inputs": [x]}).json()["outputs"][0]["data"]
    weight, bias = (p.detach().numpy() for p in (net.linear.weight, net.linear.bias))
    np.testing.assert_allclose(data, weight @ [1, 2, 3] + bias, rtol=1e-5)


def test_an_undeclared_module_judges_itself(serve: Serve) -> None:
    client = serve(Net())
    x = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    answer = client.post("/v2/models/model/infer", json={"inputs": [x]})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("model 'model' failed: RuntimeError: ")
    assert client.get("/v2/models/model").json()["inputs"] == []


@pytest.mark.parametrize(
    "function, names",
    [
        (lambda a, b: a + b, ["output"]),
        (lambda a, b: (a, b), ["output_0", "output_1"]),
        (lambda a, b: {"sum": a + b, "one": 1}, ["sum", "one"]),
    ],
)
def test_what_a_function_may_return(function: Callable[..., object], names: list[str]) -> None:
    outputs = from_callable(function)({"a": np.ones(2), "b": np.ones(2)})
    assert list(outputs) == names
    assert all(isinstance(array, np.ndarray) for array in outputs.values())


def test_names_for_outputs() -> None:
    arrays = {"a": np.ones(2)}
    assert list(from_callable(lambda a: (a, a), ["x", "y"])(arrays)) == ["x", "y"]
    with pytest.raises(TypeError, match="returned 1 outputs; 2 are declared"):
        from_callable(lambda a: a, ["x", "y"])(arrays)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64", bfloat16])
def test_dtypes_pass_through(dtype: str) -> None:
    array = np.array([0, 1, 1], dtype=dtype)
    (back,) = from_callable(lambda x: x)({"x": array}).values()
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_strings_stay_arrays() -> None:
    words = np.array([b"one", b"three"], dtype=object)
    lengths = from_callable(lambda x: flambeau.tensor([len(word) for word in x]))({"x": words})
    assert lengths["output"].tolist() == [3, 5]
