"""Memory that may not be written to stays as it is: files mapped for reading, parts of a `bytes`. C would write to it, or end the process."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau

F = flambeau.nn.functional
SIZES = [4, 100, 800]  # by NumPy, by a compiled loop, by a copy in C
WRITES = {
    "add_": lambda x, o: x.add_(1),
    "add_ of another": lambda x, o: x.add_(o),
    "exp_": lambda x, o: x.exp_(),
    "sin_": lambda x, o: x.sin_(),
    "relu_": lambda x, o: F.relu(x, inplace=True),
    "addcmul_": lambda x, o: x.addcmul_(o, o),
    "clamp_": lambda x, o: x.clamp_(0, 0.5),
    "copy_": lambda x, o: x.copy_(o),
    "copy_ crosswise": lambda x, o: x.copy_(o.t()),
    "copy_ of doubles": lambda x, o: x.copy_(o.double()),
    "fill_": lambda x, o: x.fill_(2),
    "zero_": lambda x, o: x.zero_(),
    "uniform_": lambda x, o: x.uniform_(),
    "crosswise": lambda x, o: x.t().mul_(2),
    "a part": lambda x, o: x[1:].mul_(2),
    "an item": lambda x, o: x.__setitem__(slice(None), 2),
    "index_add_": lambda x, o: x.index_add_(0, flambeau.arange(len(x)), o),
    "scatter_": lambda x, o: x.scatter_(0, flambeau.zeros(x.shape, dtype=flambeau.int64), o),
    "out": lambda x, o: flambeau.add(o, o, out=x),
    "out of a product": lambda x, o: flambeau.mm(o, o, out=x),
    "clip": lambda x, o: clipped(o.clone(), x),
}


def clipped(parameter, grad):
    parameter.grad = grad
    flambeau.nn.utils.clip_grad_norm_([parameter], 0.1)


def frozen(size: int) -> np.ndarray:
    made = np.ones((size, size), np.float32)
    made.flags.writeable = False
    return made


def refuses(call, array: np.ndarray) -> None:
    with pytest.raises((ValueError, RuntimeError), match="read-only"):
        call(flambeau.from_numpy(array), flambeau.full(array.shape, 3.0))
    assert (array == 1).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_refused(name, size):
    refuses(WRITES[name], frozen(size))


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adafactor"])
def test_an_optimizer_is_refused(name):
    def step(x, o):
        x.requires_grad_().grad = o
        getattr(flambeau.optim, name)([x], 0.1).step()

    refuses(step, frozen(800))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["add_", "exp_", "copy_", "index_add_", "a part"])
def test_a_compiled_write_is_refused_from_the_first_call_on(name, size):
    def call(x, o):
        WRITES[name](x, o)
        return x.sum()

    compiled = flambeau.compile(call)
    refuses(compiled, frozen(size))
    for _ in range(3):
        compiled(flambeau.ones(size, size), flambeau.ones(size, size))
    refuses(compiled, frozen(size))
    plain = flambeau.ones(size, size)
    compiled(plain, flambeau.ones(size, size))
    expected = flambeau.ones(size, size)
    call(expected, flambeau.ones(size, size))
    assert flambeau.allclose(plain, expected)
