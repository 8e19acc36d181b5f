"""MaskedTensor and the functions with a mask beside PyTorch's."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import flambeau

sys.path.insert(0, str(Path(__file__).parent))
from beside import compare

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's notes on its own

rng = np.random.default_rng(0)
DATA = rng.standard_normal((3, 4))
MASK = rng.random((3, 4)) < 0.5
MASK[1] = False


def parts_of(T, dtype="float32"):
    data = T.tensor(DATA.tolist()).to(getattr(T, dtype))
    return data, T.tensor(MASK.tolist())


def masked(T, **options):
    return T.masked.masked_tensor(*parts_of(T), **options)


REDUCTIONS = ["sum", "prod", "amax", "amin", "argmax", "argmin", "mean", "var", "std", "logsumexp"]
ALONG = ["cumsum", "cumprod", "softmax", "log_softmax", "softmin", "median"]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_reductions(name, dtype):
    for dim in (None, 0, (0, 1), -1):
        for keepdim in (False, True):
            if dim == (0, 1) and name.startswith("arg"):
                continue

            def call(T, dim=dim, keepdim=keepdim):
                data, mask = parts_of(T, dtype)
                return getattr(T.masked, name)(data, dim, keepdim=keepdim, mask=mask)

            compare(call)


@pytest.mark.parametrize("name", ALONG)
def test_along_a_dimension(name):
    compare(lambda T: getattr(T.masked, name)(parts_of(T)[0], 1, mask=parts_of(T)[1]))
    compare(lambda T: getattr(T.masked, name)(parts_of(T)[0], 0, mask=parts_of(T)[1][0]))


@pytest.mark.parametrize("f", [
    lambda T, x, m: T.masked.norm(x, 2, 1, mask=m), lambda T, x, m: T.masked.norm(x, float("-inf"), mask=m),
    lambda T, x, m: T.masked.norm(x, float("inf"), 0, mask=m, keepdim=True),
    lambda T, x, m: T.masked.normalize(x, 2.0, 1, mask=m), lambda T, x, m: T.masked.var(x, 1, False, mask=m),
    lambda T, x, m: T.masked.var(x, 1, correction=2, mask=m), lambda T, x, m: T.masked.std(x, 1, True, correction=1),
    lambda T, x, m: T.masked.logaddexp(x, x * 2, input_mask=m), lambda T, x, m: T.masked.sum(x, 1, dtype=T.float64, mask=m),
    lambda T, x, m: T.masked.sum(x[0], mask=m), lambda T, x, m: T.masked.sum(x, (0, 0), mask=m),
    lambda T, x, m: T.masked.sum(x, 5, mask=m), lambda T, x, m: T.masked.mean(x.long(), mask=m),
    lambda T, x, m: T.masked.median(x.long(), mask=m), lambda T, x, m: T.masked.amax(x > 0, mask=m),
    lambda T, x, m: T.masked.sum(x, 1, mask=m.int()),
])  # fmt: skip
def test_others(f):
    compare(lambda T: f(T, *parts_of(T)))


@pytest.mark.parametrize("name", [*REDUCTIONS[:2], "amax", "mean", "var", "logsumexp", *ALONG])
def test_gradients(name):
    def gradient(T):
        data, mask = parts_of(T)
        data.requires_grad_()
        out = getattr(T.masked, name)(data, 1, mask=mask)
        (out * T.arange(1.0, out.numel() + 1).reshape(out.shape)).sum().backward()
        return data.grad

    compare(gradient)


METHODS = {
    "add": lambda T, x: x + x, "number": lambda T, x: x * 3 - 2, "plain": lambda T, x: x + parts_of(T)[0],
    "plain first": lambda T, x: parts_of(T)[0] * x, "compare": lambda T, x: x > 0, "exp": lambda T, x: x.exp(),
    "sin": lambda T, x: T.sin(x), "pow": lambda T, x: x**2, "floor": lambda T, x: x // 2, "clamp": lambda T, x: x.clamp(0, 1),
    "other mask": lambda T, x: x + T.masked.masked_tensor(parts_of(T)[0], ~parts_of(T)[1]),
    "sum": lambda T, x: [x.sum(), x.sum(0), x.sum(1, keepdim=True)], "mean": lambda T, x: [x.mean(), x.mean(1)],
    "amax": lambda T, x: [x.amax(0), x.amin(1)], "arg": lambda T, x: [x.argmax(1), x.argmin()],
    "prod": lambda T, x: [x.prod(), x.prod(0)], "var": lambda T, x: [x.var(1), x.std(1)],
    "all": lambda T, x: [(x > 0).all(), (x > 0).all(0)], "any": lambda T, x: x.any(), "softmax": lambda T, x: x.softmax(1),
    "index": lambda T, x: [x[0], x[:, 1], x[T.tensor([2, 0])]], "views": lambda T, x: [x.t(), x.view(4, 3), x.unsqueeze(0), x.select(0, 1)],
    "join": lambda T, x: [T.cat([x, x], 1), T.stack([x, x])], "where": lambda T, x: T.where(parts_of(T)[0] > 0, x, -x),
    "casts": lambda T, x: [x.double(), x.clone(), x.detach()], "in place": lambda T, x: x.add_(1),
    "ones_like": lambda T, x: T.ones_like(x), "to_tensor": lambda T, x: [x.to_tensor(-1), x.get_mask(), x.get_data()],
    "kinds": lambda T, x: [x.dtype, x.layout, tuple(x.shape), T.masked.is_masked_tensor(x), T.masked.is_masked_tensor(1)],
    "matmul": lambda T, x: T.matmul(x, x.t()), "numpy": lambda T, x: x.numpy(), "zeros_like": lambda T, x: T.zeros_like(x),
    "cumsum": lambda T, x: x.cumsum(0),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_masked_tensor(name):
    compare(lambda T: METHODS[name](T, masked(T)))


@pytest.mark.parametrize("loss", [
    lambda T, x: (x * x).sum(), lambda T, x: x.mean(1).sum(), lambda T, x: x.amax(1).sum(), lambda T, x: x.exp().prod(),
    lambda T, x: x.to_tensor(0).sum(), lambda T, x: (x.get_data() * 2).sum(),
])  # fmt: skip
def test_gradients_of_masked_tensors(loss):
    def gradient(T):
        x = masked(T, requires_grad=True)
        loss(T, x).backward()
        return x.grad

    compare(gradient)

    def of_data(T):
        data, mask = parts_of(T)
        data.requires_grad_()
        loss(T, T.masked.as_masked_tensor(data, mask)).backward()
        return data.grad

    compare(of_data)


@pytest.mark.parametrize("f", [
    lambda T, x, m: T.masked.masked_tensor(x, m.int()), lambda T, x, m: T.masked.masked_tensor(x, m[0]),
    lambda T, x, m: T.masked.masked_tensor(x, [True]), lambda T, x, m: T.masked.masked_tensor(x, m[:, :2]),
    lambda T, x, m: T.masked.masked_tensor(x + 1j, m), lambda T, x, m: T.masked.as_masked_tensor(x, m[0]),
])  # fmt: skip
def test_refusals(f):
    compare(lambda T: f(T, *parts_of(T)))


def test_printing():
    for f in (
        masked, lambda T: masked(T)[0], lambda T: masked(T).sum(), lambda T: masked(T)[1].sum(), lambda T: masked(T) > 0,
        lambda T: T.masked.masked_tensor(T.arange(3), T.tensor([True, False, True])), lambda T: T.stack([masked(T)] * 2),
        lambda T: masked(T) * 1e6,
    ):  # fmt: skip
        assert repr(f(flambeau)) == repr(f(torch))
