"""Nested tensors beside PyTorch's."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from beside import compare

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's notes on its own

rng = np.random.default_rng(0)
A, B, C = (rng.standard_normal((n, 4)) for n in (2, 3, 1))
HEADS = [rng.standard_normal((n, 2, 3)) for n in (2, 4)]
W = rng.standard_normal((5, 4))


def tensors(T, arrays=(A, B, C)):
    return [T.tensor(a.tolist()) for a in arrays]


def jagged(T, arrays=(A, B, C), **options):
    return T.nested.nested_tensor(tensors(T, arrays), layout=T.jagged, **options)


def strided(T, arrays=(A, B, C), **options):
    return T.nested.nested_tensor(tensors(T, arrays), **options)


def dense(T, array=W):
    return T.tensor(array.tolist())


def heads(T, make):
    return make(T, HEADS).transpose(1, 2)


JAGGED = {
    "made": jagged,
    "add": lambda T: (lambda x: x + x.sin())(jagged(T)),
    "number": lambda T: 1 - jagged(T) * 2,
    "row": lambda T: jagged(T) + T.arange(4.0),
    "per tensor": lambda T: jagged(T) * T.arange(3.0).reshape(3, 1, 1),
    "other offsets": lambda T: jagged(T) + jagged(T, (B, A, C)),
    "where": lambda T: (lambda x: T.where(x > 0, x, x * 0))(jagged(T)),
    "linear": lambda T: T.nn.functional.linear(jagged(T), dense(T), T.ones(5)),
    "matmul": lambda T: jagged(T) @ dense(T).t(),
    "layer_norm": lambda T: T.nn.functional.layer_norm(jagged(T), (4,), T.arange(4.0), T.ones(4)),
    "layer_norm ragged": lambda T: T.nn.functional.layer_norm(jagged(T), (2, 4)),
    "softmax": lambda T: T.softmax(jagged(T), -1),
    "softmax ragged": lambda T: T.softmax(jagged(T), 1),
    "sum": lambda T: jagged(T).sum(),
    "sum ragged": lambda T: jagged(T).sum(1),
    "sum ragged keep": lambda T: jagged(T).sum(1, keepdim=True),
    "sum last": lambda T: jagged(T).sum(-1),
    "sum batch": lambda T: jagged(T).sum(0),
    "mean": lambda T: [jagged(T).mean(), jagged(T).mean(1), jagged(T).mean(-1, keepdim=True)],
    "amax": lambda T: jagged(T).amax(1),
    "cat": lambda T: T.cat([jagged(T), jagged(T)], -1),
    "stack 0": lambda T: T.stack([jagged(T), jagged(T)]),
    "chunk": lambda T: list(jagged(T).chunk(2, -1)),
    "unflatten": lambda T: jagged(T).unflatten(-1, (2, 2)).values(),
    "view": lambda T: jagged(T).view(3, -1, 2, 2).values(),
    "transpose": lambda T: heads(T, jagged).values(),
    "unsqueeze": lambda T: jagged(T).unsqueeze(-1).values(),
    "padded": lambda T: T.nested.to_padded_tensor(jagged(T), -1.0),
    "padded more": lambda T: jagged(T).to_padded_tensor(0.0, (3, 5, 4)),
    "padded less": lambda T: T.nested.to_padded_tensor(strided(T), 0.0, (3, 2, 4)),
    "embedding": lambda T: T.nn.functional.embedding(
        T.nested.nested_tensor([T.tensor([0, 1]), T.tensor([4])], layout=T.jagged), dense(T)),
    "parts": lambda T: [jagged(T).offsets(), jagged(T).values(), jagged(T).numel(), jagged(T).dim(), len(jagged(T))],
    "index": lambda T: [jagged(T)[1], jagged(T)[0]],
    "likes": lambda T: [T.zeros_like(jagged(T)), T.ones_like(jagged(T))],
    "casts": lambda T: [jagged(T).double(), jagged(T).clone(), jagged(T).detach()],
    "attention": lambda T: T.nn.functional.scaled_dot_product_attention(*[heads(T, jagged)] * 3).transpose(1, 2).values(),
    "narrow": lambda T: T.nested.narrow(dense(T), 1, T.tensor([0, 1, 2, 0, 3]), T.tensor([1, 2, 2, 4, 1]), layout=T.jagged),
    "narrow sum": lambda T: list(T.nested.narrow(dense(T), 1, T.tensor([0, 1, 2, 0, 3]), T.tensor([1, 2, 2, 4, 1]), layout=T.jagged).unbind()),
    "masked_select": lambda T: T.nested.masked_select(dense(T), dense(T) > 0),
    "from jagged": lambda T: T.nested.nested_tensor_from_jagged(dense(T), T.tensor([0, 2, 5])),
    "from lengths": lambda T: T.nested.nested_tensor_from_jagged(dense(T), lengths=T.tensor([2, 3])),
    "from dim 2": lambda T: T.nested.nested_tensor_from_jagged(dense(T), T.tensor([0, 1, 4]), jagged_dim=2),
    "from nothing": lambda T: T.nested.nested_tensor_from_jagged(dense(T)),
    "two ragged": lambda T: T.nested.nested_tensor([T.ones(2, 3), T.ones(3, 4)], layout=T.jagged),
    "none": lambda T: T.nested.nested_tensor([], layout=T.jagged),
    "lists": lambda T: T.nested.nested_tensor([[1, 2], [3]], dtype=T.float64, layout=T.jagged),
    "as dense": lambda T: T.nested.as_nested_tensor(dense(T), layout=T.jagged),
    "no rule": lambda T: jagged(T).cumsum(1),
    "numpy": lambda T: jagged(T).numpy(),
}  # fmt: skip


@pytest.mark.parametrize("name", JAGGED)
def test_jagged(name):
    compare(JAGGED[name])


STRIDED = {
    "made": strided,
    "different": lambda T: T.nested.nested_tensor([T.ones(2, 3), T.ones(3, 4)]),
    "add": lambda T: strided(T) + strided(T),
    "add others": lambda T: strided(T) + strided(T, (B, A, C)),
    "mul": lambda T: strided(T) * 2,
    "relu": lambda T: strided(T).relu(),
    "linear": lambda T: T.nn.functional.linear(strided(T), dense(T), T.ones(5)),
    "matmul": lambda T: strided(T) @ strided(T).transpose(1, 2),
    "matmul dense": lambda T: strided(T) @ dense(T).t(),
    "softmax": lambda T: T.softmax(strided(T), -1),
    "softmax 0": lambda T: T.softmax(strided(T), 0),
    "layer_norm": lambda T: T.nn.functional.layer_norm(strided(T), (4,), T.ones(4), T.zeros(4)),
    "sum": lambda T: strided(T).sum(-1, keepdim=True),
    "sum all": lambda T: strided(T).sum(),
    "padded": lambda T: T.nested.to_padded_tensor(strided(T), -1.0),
    "index": lambda T: strided(T)[1],
    "size": lambda T: [strided(T).size(0), strided(T).size(-1), strided(T).dim(), strided(T).numel()],
    "size irregular": lambda T: strided(T).size(1),
    "attention": lambda T: (lambda q: T.nn.functional.scaled_dot_product_attention(q, q, q))(
        heads(T, strided).contiguous()),
    "exp": lambda T: strided(T).max(),
}  # fmt: skip


@pytest.mark.parametrize("name", STRIDED)
def test_strided(name):
    compare(STRIDED[name])


LOSSES = {
    "square": lambda T, x: (x * x).values().sum(),
    "padded": lambda T, x: (T.nested.to_padded_tensor(x * 2, 0.0) ** 2).sum(),
    "linear": lambda T, x: (T.nn.functional.linear(x, dense(T)).values() ** 2).sum(),
    "softmax": lambda T, x: (T.softmax(x, -1).values() ** 2).sum(),
    "unbind": lambda T, x: (x.unbind()[1] ** 2).sum(),
    "values": lambda T, x: (x.values() ** 2).sum(),
}


@pytest.mark.parametrize("make", [jagged, strided])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name, make):
    def gradient(T):
        x = make(T, requires_grad=True)
        LOSSES[name](T, x).backward()
        return x.grad

    compare(gradient)


def test_gradients_of_what_went_in():
    def gradients(T):
        a, b = dense(T, A).requires_grad_(), dense(T, B).requires_grad_()
        w = dense(T).requires_grad_()
        x = T.nested.as_nested_tensor([a, b], layout=T.jagged)
        T.nn.functional.linear(x, w).sin().values().sum().backward()
        return [a.grad, b.grad, w.grad]

    compare(gradients)


def test_printing():
    import torch

    import flambeau

    for f in (jagged, strided, lambda T: strided(T, requires_grad=True)):
        ours, theirs = (repr(f(T)).replace("flambeau.", "torch.") for T in (flambeau, torch))
        cut = theirs.find("j"), theirs.find("offsets")
        if cut[0] > 0:  # the number of a ragged size counts up
            assert ours[ours.find("offsets") :] == theirs[cut[1] :]
        else:
            assert ours == theirs
