"""Ways for a tensor's elements to reach Python: a compiled function that takes one runs eagerly, and says so."""

from __future__ import annotations

import copy
import io
import pickle
import re

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.testing import assert_close


def saved(x):
    file = io.BytesIO()
    flambeau.save(x, file)
    file.seek(0)
    return flambeau.load(file)


READERS = {
    "item()": [
        lambda x: x.sum().item() + 1, lambda x: float(x[0]) * 2, lambda x: f"{x.sum():.3f}",
        lambda x: flambeau.full((2,), x[0]), lambda x: flambeau.tensor([x[0], x[1]]),
        lambda x: x[: (x > 0).sum()] * 2, lambda x: flambeau.repeat_interleave(x, (x > 0).long() + 1),
    ],
    "tolist()": [lambda x: sorted(x.tolist())],
    "being printed": [repr, lambda x: f"{x}"],
    "numpy()": [lambda x: np.asarray(x).sum(), lambda x: flambeau.from_numpy(x.numpy() * 2)],
    "__dlpack__()": [lambda x: np.from_dlpack(x).sum()],
    "its storage": [lambda x: x.untyped_storage().tolist(), lambda x: pickle.loads(pickle.dumps(x)), copy.copy],
    "deepcopy()": [copy.deepcopy],
    "being saved": [saved],
    "shape depends on values": [
        lambda x: x[x > 0].sum(), lambda x: flambeau.masked_select(x, x > 0), lambda x: flambeau.nonzero(x > 0),
        lambda x: x.sum() / max(1, (x > 0).nonzero().shape[0]), lambda x: len(flambeau.unique(x > 0)),
        lambda x: flambeau.unique_consecutive(x > 0), lambda x: x.relu().to_sparse().to_dense(),
    ],
}  # fmt: skip
VALUES = ([1.0, 1.0, 1.0], [-2.0, 3.5, 4.0], [5.0, -3.5, -4.0], [-1.0, -1.0, -7.0])
CASES = [(how, f) for how, functions in READERS.items() for f in functions]


@pytest.mark.parametrize(("how", "f"), CASES)
def test_what_is_read_is_this_calls(how, f):
    run = flambeau.compile(f)
    with pytest.warns(UserWarning, match=re.escape(how)):
        run(flambeau.ones(3))
    for values in VALUES:
        expected, made = f(flambeau.tensor(values)), run(flambeau.tensor(values))
        assert type(made) is type(expected)
        if isinstance(made, flambeau.Tensor):
            assert_close(made, expected)
        else:
            assert made == expected


def test_numbers_of_what_is_captured_are_read_at_every_call():
    module = nn.Linear(2, 2)
    module.register_buffer("scale", flambeau.ones(()))
    run = flambeau.compile(lambda x: x * module.scale.item())
    with pytest.warns(UserWarning, match=r"item\(\)"):
        assert run(flambeau.ones(1)) == 1
    module.scale.fill_(3)
    assert run(flambeau.ones(1)) == 3


def test_what_follows_from_sizes_alone_is_no_reading():
    def f(x):
        mask = flambeau.ones(x.shape[0], x.shape[0]).triu(1)
        return x @ mask if (mask > 0).any() else x * 2

    run = flambeau.compile(f, fullgraph=True)
    for n in (1, 2, 3, 4, 1, 5):
        x = flambeau.ones(n, n)
        assert_close(run(x), f(x))


def test_one_tensor_given_twice_is_not_two():
    run = flambeau.compile(lambda a, b: a * 10 + b, fullgraph=True)
    x, y = flambeau.ones(2), flambeau.full((2,), 5.0)
    for a, b in ((x, x), (x, y), (y, x), (y, y)):
        assert_close(run(a, b), a * 10 + b)


def test_an_argument_that_is_also_captured_is_told_from_it():
    weight = flambeau.ones(2)
    run = flambeau.compile(lambda x: x * 10 + weight)
    with pytest.warns(UserWarning, match="also reaches without being given it"):
        assert run(weight).tolist() == [11, 11]
    assert run(flambeau.full((2,), 5.0)).tolist() == [51, 51]


def test_classes_as_ones_are_part_of_the_program():
    run = flambeau.compile(lambda x: nn.functional.one_hot(x, 3), fullgraph=True)
    for classes in ([0, 2], [1, 1]):
        made = flambeau.tensor(classes)
        assert run(made).equal(nn.functional.one_hot(made, 3))
    with pytest.raises((RuntimeError, IndexError)):
        run(flambeau.tensor([0, 3]))
