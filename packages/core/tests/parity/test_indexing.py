"""x[key], x[key] = y, index_put and their gradients beside PyTorch, for keys of every kind, right and wrong ones."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

import flambeau

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
PICKED = st.sampled_from([(), (1,), (2,), (3,), (2, 1), (2, 2), (0,)])


@st.composite
def entries(draw, n):
    """One entry of a key, for a dimension of size n or thereabouts: (kind, what it is made of)."""
    wide = n + 1  # now and then out of range
    kind = draw(
        st.sampled_from(
            [
                "int",
                "slice",
                "slice",
                "none",
                "dots",
                "bool",
                "number",
                "index",
                "index",
                "list",
                "mask",
            ]
        )
    )
    bound = st.one_of(st.none(), st.integers(-wide, wide))
    if kind == "int":
        return kind, draw(st.integers(-wide, wide - 1))
    if kind == "slice":
        return kind, (draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, 3, -1, 0])))
    if kind in ("none", "dots"):
        return kind, None
    if kind == "bool":
        return kind, draw(st.booleans())
    if kind == "number":
        dtype = draw(st.sampled_from(["int64", "int32", "int16", "uint8", "float32", "bool"]))
        return "tensor", (draw(st.integers(0, max(n - 1, 0))), dtype, ())
    if kind == "index":
        shape = draw(PICKED)
        size = int(np.prod(shape))
        values = draw(st.lists(st.integers(-n, max(n - 1, 0)), min_size=size, max_size=size))
        dtype = draw(st.sampled_from(["int64", "int64", "int64", "int32", "int16", "float32"]))
        return "tensor", (values, dtype, shape)
    if kind == "list":
        return kind, draw(st.lists(st.integers(-n, max(n - 1, 0)), max_size=3))
    size = draw(st.sampled_from([n, n, n, n + 1]))
    values = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    return "tensor", (values, draw(st.sampled_from(["bool", "bool", "uint8"])), (size,))


@st.composite
def keys(draw, shape):
    """A key, as entries; or one mask of several dimensions."""
    if len(shape) > 1 and draw(st.integers(0, 5)) == 0:
        size = int(np.prod(shape[:2]))
        values = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
        return [("tensor", (values, "bool", shape[:2]))]
    n = draw(st.integers(0, len(shape) + 1))
    key = [draw(entries(shape[i] if i < len(shape) else 2)) for i in range(n)]
    first = next((i for i, (kind, _) in enumerate(key) if kind == "dots"), n)
    return [e for i, e in enumerate(key) if e[0] != "dots" or i == first]


def built(lib, key, single):
    def entry(kind, made_of):
        if kind == "slice":
            return slice(*made_of)
        if kind == "none":
            return None
        if kind == "dots":
            return ...
        if kind == "tensor":
            values, dtype, shape = made_of
            return lib.from_numpy(np.array(values, dtype=dtype).reshape(shape))
        return made_of

    made = tuple(entry(*e) for e in key)
    return made[0] if single and len(made) == 1 else made


def outcome(run):
    """What a call gave, or the classes of its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return run()
        except (IndexError, RuntimeError, ValueError, TypeError) as error:
            return error


def same(got, expected, wrong_once):
    """Whether both are results; an error must be one in both, and of one class where only one thing can be wrong."""
    if isinstance(expected, Exception):
        kind = type(expected) if wrong_once else Exception
        assert isinstance(got, kind), (got, expected)
        return False
    assert not isinstance(got, Exception), (got, expected)
    return True


def numbered(shape):
    return np.arange(1.0, np.prod(shape) + 1).reshape(shape)


@given(st.data())
def test_reading(data):
    shape = data.draw(SHAPES)
    key, single = data.draw(keys(shape)), data.draw(st.booleans())
    array = numbered(shape)
    ours, theirs = flambeau.from_numpy(array), torch.from_numpy(array)
    got = outcome(lambda: ours[built(flambeau, key, single)])
    expected = outcome(lambda: theirs[built(torch, key, single)])
    if same(got, expected, len(key) == 1):
        assert tuple(got.shape) == tuple(expected.shape)
        np.testing.assert_array_equal(got.numpy(), expected.numpy())
        if expected.numel():
            assert np.shares_memory(got.numpy(), array) == np.shares_memory(expected.numpy(), array)


@given(st.data())
def test_gradient_of_reading(data):
    shape = data.draw(SHAPES)
    key = data.draw(keys(shape))

    def gradient(lib):
        x = lib.from_numpy(numbered(shape)).requires_grad_()
        made = x[built(lib, key, False)]
        (made * made * lib.arange(made.numel()).reshape(made.shape)).sum().backward()
        return x.grad.numpy()

    got, expected = outcome(lambda: gradient(flambeau)), outcome(lambda: gradient(torch))
    if same(got, expected, len(key) == 1):
        np.testing.assert_allclose(got, expected)


def value_for(data, shape):
    """A value to write: a number, or a tensor that broadcasts to the shape or nearly so."""
    if data.draw(st.integers(0, 3)) == 0:
        return data.draw(st.sampled_from([2, 2.5, True]))
    cut = data.draw(st.integers(0, len(shape)))
    size = [n if data.draw(st.booleans()) else 1 for n in shape[cut:]]
    size = [1] * data.draw(st.integers(0, 2)) + size
    if data.draw(st.integers(0, 9)) == 0:
        size = [*size, 5]
    dtype = data.draw(st.sampled_from(["float64", "float64", "float64", "int64"]))
    return -numbered(tuple(size)).astype(dtype)


def given_to(lib, value):
    return lib.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def repeats(key, shape):
    """Whether a key names an element twice: which of the values stays is then left open."""
    counts = np.arange(int(np.prod(shape))).reshape(shape)
    named = outcome(lambda: torch.from_numpy(counts)[built(torch, key, False)])
    return not isinstance(named, Exception) and len(set(named.reshape(-1).tolist())) < named.numel()


def of_bytes(key):
    """Whether there is one of the deprecated masks of uint8, some of which PyTorch reads by and refuses to write by."""
    return any(kind == "tensor" and made_of[1] == "uint8" for kind, made_of in key)


@given(st.data())
def test_writing(data):
    shape = data.draw(SHAPES)
    key = data.draw(keys(shape))
    if of_bytes(key):
        return
    picked = outcome(lambda: torch.from_numpy(numbered(shape))[built(torch, key, False)])
    if repeats(key, shape):
        return
    value = value_for(data, () if isinstance(picked, Exception) else tuple(picked.shape))

    def write(lib):
        x = lib.from_numpy(numbered(shape))
        x[built(lib, key, False)] = given_to(lib, value)
        return x.numpy()

    got, expected = outcome(lambda: write(flambeau)), outcome(lambda: write(torch))
    if same(got, expected, not isinstance(picked, Exception)):
        np.testing.assert_array_equal(got, expected)


@given(st.data())
def test_gradients_of_writing(data):
    shape = data.draw(SHAPES)
    key = data.draw(keys(shape))
    picked = outcome(lambda: torch.from_numpy(numbered(shape))[built(torch, key, False)])
    if isinstance(picked, Exception) or repeats(key, shape) or of_bytes(key):
        return
    value = value_for(data, tuple(picked.shape))
    if not isinstance(value, np.ndarray) or value.dtype != np.float64:
        return

    def gradients(lib):
        x = lib.from_numpy(numbered(shape)).requires_grad_()
        v = lib.from_numpy(value.copy()).requires_grad_()
        y = x * 1
        y[built(lib, key, False)] = v
        (y * y * lib.arange(y.numel()).reshape(shape)).sum().backward()
        return [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in (x, v)]

    got, expected = outcome(lambda: gradients(flambeau)), outcome(lambda: gradients(torch))
    if same(got, expected, False):
        for g, e in zip(got, expected):
            np.testing.assert_allclose(g, e)


@given(st.data())
def test_index_put(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    n = data.draw(st.integers(1, len(shape)))
    wanted = data.draw(PICKED)
    size = int(np.prod(wanted))
    indices = []
    for d in range(n):
        if data.draw(st.integers(0, 4)) == 0:
            mask = data.draw(st.lists(st.booleans(), min_size=shape[d], max_size=shape[d]))
            indices.append(np.array(mask))
        else:
            low, high = -shape[d], shape[d] - 1
            values = data.draw(st.lists(st.integers(low, high), min_size=size, max_size=size))
            indices.append(np.array(values, dtype="int64").reshape(wanted))
    accumulate = data.draw(st.booleans())
    key = tuple(torch.from_numpy(i) for i in indices)
    picked = outcome(lambda: torch.from_numpy(numbered(shape))[key])
    value = value_for(data, () if isinstance(picked, Exception) else tuple(picked.shape))
    if isinstance(value, np.ndarray) and not isinstance(picked, Exception):
        while (
            value.ndim > picked.ndim
        ):  # PyTorch writes such values and then fails in their gradient
            value = value[0]
    places = outcome(lambda: torch.arange(int(np.prod(shape))).reshape(shape)[key])
    twice = not isinstance(places, Exception) and len(places.unique()) < places.numel()
    if not isinstance(value, np.ndarray) or (twice and not accumulate):
        return

    def put(lib):
        x = lib.from_numpy(numbered(shape)).requires_grad_()
        v = lib.from_numpy(value.copy())
        v = v.requires_grad_() if value.dtype == np.float64 else v
        made = x.index_put(tuple(lib.from_numpy(i.copy()) for i in indices), v, accumulate)
        (made * made * lib.arange(made.numel()).reshape(shape)).sum().backward()
        kept = (
            (x * 1)
            .detach()
            .index_put_(tuple(lib.from_numpy(i.copy()) for i in indices), v.detach(), accumulate)
        )
        grad = np.zeros(v.shape) if v.grad is None else v.grad.numpy()
        return made.detach().numpy(), kept.numpy(), x.grad.numpy(), grad

    got, expected = outcome(lambda: put(flambeau)), outcome(lambda: put(torch))
    if same(got, expected, False):
        for g, e in zip(got, expected):
            np.testing.assert_allclose(g, e)
