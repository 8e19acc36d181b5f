"""Calls of few elements, often enough to go by their short ways, beside PyTorch."""

import numpy as np
import pytest
import torch

import flambeau

OFTEN = 12  # calls after which a function is its text


KINDS = ("bool", "uint8", "int8", "int32", "int64", "float16", "bfloat16", "float32", "float64")
UNARY = [
    "abs",
    "neg",
    "sign",
    "square",
    "floor",
    "round",
    "logical_not",
    "bitwise_not",
    "exp",
    "sqrt",
    "reciprocal",
    "relu",
    "sigmoid",
]
BINARY = ["add", "sub", "mul", "div", "floor_divide", "remainder", "fmod", "pow", "maximum", "minimum", "fmax", "atan2", "logical_and", "logical_xor", "eq", "lt", "bitwise_and", "bitwise_left_shift"]  # fmt: skip


def outcome(lib, function, *given):
    """What a call gives: its dtype and its numbers, or that it is refused."""
    try:
        made = function(
            *[lib.tensor(g[0], dtype=getattr(lib, g[1])) if type(g) is tuple else g for g in given]
        )
    except (RuntimeError, TypeError, NotImplementedError):
        return None
    return str(made.dtype).rpartition(".")[2], made.double().tolist()


@pytest.mark.parametrize("first", KINDS)
def test_kinds_of_operands_as_in_pytorch(first):
    x = ([[1, 0, 3], [5, 2, 7]], first)
    calls = [(name, x) for name in UNARY]
    for name in BINARY:
        calls += [(name, x, ([[1, 2, 3]], kind)) for kind in KINDS]
        calls += [(name, x, (3, kind)) for kind in KINDS]
        calls += [(name, x, n) for n in (2, 3, 2.5, -1)]
    for name, *given in calls:
        function = getattr(flambeau, name)
        made = [outcome(flambeau, function, *given) for _ in range(3)]
        expected = outcome(torch, getattr(torch, name), *given)
        assert made[0] == made[1] == made[2]
        if expected is None or made[0] is None:
            continue
        assert made[0][0] == expected[0], (name, given)
        np.testing.assert_allclose(made[0][1], expected[1], rtol=1e-2 if "16" in expected[0] else 1e-5, err_msg=f"{name} {given}")  # fmt: skip


def table(lib):
    """Operands for keys and values, the same in both libraries."""
    r = np.random.default_rng(3)
    made = {
        "m": r.random((4, 4)) > 0.5, "m0": r.random(4) > 0.5, "i": r.integers(-4, 4, 4), "j": r.integers(0, 4, (2, 4)),
        "b": r.random((4, 4), "f4"), "row": r.random((1, 4), "f4"), "v": r.random(4, "f4"), "bad": np.array([0, 9]), "one": np.float32(3),
        "i32": r.integers(0, 4, 3).astype("i4"),
    }  # fmt: skip
    return {name: lib.tensor(x) for name, x in made.items()}


ALL = slice(None)
SPOTS = ["m", "m0", "i", "j", ("i", "i"), ("j", "i"), ("m", "i"), "bad", 0, (0, 1), ..., slice(0, 2), (ALL, "i"), "i32", (ALL, 0), [0, 2]]  # fmt: skip
WRITTEN = ["b", "row", "v", "one", 2, 2.5, -1, True, 300]


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "bool", "uint8"])
def test_items_are_set_as_in_pytorch(kind):
    def outcome(lib, spot, value):
        given = table(lib)
        x = lib.zeros(4, 4, dtype=getattr(lib, kind))
        part = lib.zeros(4, 6, dtype=x.dtype)[:, 1:5]
        key = tuple([given.get(s, s) if type(s) is str else s for s in spot]) if type(spot) is tuple else given[spot] if type(spot) is str else spot  # fmt: skip
        value = given[value].to(x.dtype) if type(value) is str else value
        try:
            x[key] = value
            part[key] = value
        except (RuntimeError, IndexError, TypeError):
            return None
        return x.tolist(), part.tolist()

    for spot in SPOTS:
        for value in WRITTEN:
            expected = outcome(torch, spot, value)
            for _ in range(2):
                assert outcome(flambeau, spot, value) == expected, (spot, value)


GRADIENTS = {
    "weighted": (lambda lib, x, i, w: lib.nn.functional.nll_loss(x, i, weight=w.detach()), (5, 4), (4, (5,)), (4,)),
    "sums": (lambda lib, x, i, w: lib.nn.functional.nll_loss(x, i, w.detach(), reduction="sum"), (5, 4), (4, (5,)), (4,)),
    "rows": (lambda lib, x, i, w: lib.nn.functional.nll_loss(x, i, w.detach(), reduction="none"), (5, 4), (4, (5,)), (4,)),
    "unweighted": (lambda lib, x, i: lib.nn.functional.nll_loss(x, i), (5, 4), (4, (5,))),
    "index_add": (lambda lib, x, i, y: x.index_add(-1, i, y), (5, 4), (4, (6,)), (5, 6)),
    "index_fill": (lambda lib, x, i: x.index_fill(0, i, 0.5), (5, 4), (5, (3,))),
    "index_select": (lambda lib, x, i: x.index_select(1, i), (5, 4), (4, (6,))),
    "many": (lambda lib, x, i: x.index_select(-2, i), (5, 4), (5, (40,))),
    "take_along_dim": (lambda lib, x, i: x.take_along_dim(i, 1), (5, 4), (4, (5, 3))),
    "masked_select": (lambda lib, x: x.masked_select(x.detach() > 0), (5, 4)),
    "norm": (lambda lib, x: x.norm(), (5, 4)),
    "norms": (lambda lib, x: x.norm(2, (0, 1), True) + (x * 0).norm(dim=1), (5, 4)),
    "linalg": (lambda lib, x: lib.linalg.norm(x) + lib.linalg.vector_norm(x, dim=0) + lib.linalg.norm(x, dim=0), (5, 4)),
    "cube": (lambda lib, x: x**3, (5, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_few_elements(name):
    function, *shapes = GRADIENTS[name]
    r = np.random.default_rng(0)
    arrays = [
        r.integers(0, s[0], s[1]) if type(s[-1]) is tuple else r.standard_normal(s) for s in shapes
    ]
    arrays[-1] = abs(arrays[-1]) if name in ("weighted", "sums", "rows") else arrays[-1]

    def both(lib):
        given = [lib.tensor(a) for a in arrays]
        leaves = [t.requires_grad_() for t in given if t.is_floating_point()]
        made = function(lib, *given)
        made.backward(lib.tensor(np.cos(np.arange(made.numel())).reshape(made.shape)))
        return made.grad_fn.name(), [made.detach(), *[t.grad for t in leaves if t.grad is not None]]

    label, expected = both(torch)
    for _ in range(OFTEN):
        found, made = both(flambeau)
        assert found == label and len(made) == len(expected)
        for a, b in zip(made, expected):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)
    given = [flambeau.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    if name not in (
        "norms",
        "weighted",
        "sums",
        "rows",
    ):  # not differentiable at zero; weights have a test of their own
        assert flambeau.autograd.gradgradcheck(lambda *x: function(flambeau, *x), given)
