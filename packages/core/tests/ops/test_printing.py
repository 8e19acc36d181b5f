"""How tensors print. The expected text is PyTorch's, with our name."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import tensor

inf, nan = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (tensor(1), "tensor(1)"),
        (tensor(1.5), "tensor(1.5000)"),
        (tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (tensor([1.5, -2.0]), "tensor([ 1.5000, -2.0000])"),
        (tensor([True, False]), "tensor([ True, False])"),
        (tensor([]), "tensor([])"),
        (flambeau.zeros(0, 3), "tensor([], size=(0, 3))"),
        (flambeau.zeros(0, dtype=flambeau.int64), "tensor([], dtype=flambeau.int64)"),
        (tensor([1, 20, -3]), "tensor([ 1, 20, -3])"),
        (tensor([1.0, nan, inf, -inf]), "tensor([1., nan, inf, -inf])"),
        (tensor([1e-8, 1.0]), "tensor([1.0000e-08, 1.0000e+00])"),
        (tensor([100000.5]), "tensor([100000.5000])"),
        (tensor([1e10]), "tensor([1.0000e+10])"),
        (tensor([0.1, 123.25]), "tensor([1.0000e-01, 1.2325e+02])"),
        (tensor([1.0], dtype=flambeau.float64), "tensor([1.], dtype=flambeau.float64)"),
        (tensor([1], dtype=flambeau.int32), "tensor([1], dtype=flambeau.int32)"),
        (tensor([1 + 2j]), "tensor([1.+2.j])"),
        (tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
        (tensor([[[1]], [[2]]]), "tensor([[[1]],\n\n        [[2]]])"),
        (tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (flambeau.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    ],
)
def test_texts(x, text):
    assert repr(x) == str(x) == text


def test_history_is_named():
    x = tensor([1.0], requires_grad=True)
    assert repr(x * 2) == "tensor([2.], grad_fn=<MulBackward0>)"


def test_long_rows_are_wrapped():
    lines = repr(flambeau.arange(30.0)).split("\n")
    assert len(lines) == 3
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith("        ")


def test_options_and_their_return():
    try:
        flambeau.set_printoptions(precision=2, threshold=5, edgeitems=1)
        assert repr(tensor([1.2345])) == "tensor([1.23])"
        assert repr(flambeau.arange(6)) == "tensor([0,  ..., 5])"
        flambeau.set_printoptions(sci_mode=True)
        assert repr(tensor([1.5])) == "tensor([1.50e+00])"
    finally:
        flambeau.set_printoptions(profile="default")
    assert repr(tensor([1.2345])) == "tensor([1.2345])"


def test_format_of_numbers_and_tensors():
    assert f"{tensor(1.2345):.2f}" == "1.23"
    assert f"{tensor([1])}" == "tensor([1])"
    with pytest.raises(TypeError):
        f"{tensor([1, 2]):.2f}"


def test_size_and_dtype():
    assert repr(flambeau.zeros(2, 3).shape) == "flambeau.Size([2, 3])"
    assert repr(flambeau.float32) == "flambeau.float32"
    assert str(flambeau.device("cpu")) == "cpu"
