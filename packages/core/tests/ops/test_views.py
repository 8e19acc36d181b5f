"""Views: which memory they look at, with which strides, and how they are told from copies."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flambeau

sys.path.insert(0, str(Path(__file__).parent))
from strategies import FULL_SHAPES, SHAPES, numbered

# name, call, NumPy's call
VIEWS = [
    ("permute", lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    ("transpose", lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, -1)),
    ("movedim", lambda x: x.movedim(0, 2), lambda a: np.moveaxis(a, 0, 2)),
    ("select", lambda x: x.select(1, -1), lambda a: a[:, -1]),
    ("narrow", lambda x: x.narrow(1, 1, 2), lambda a: a[:, 1:3]),
    ("slice", lambda x: x[:, ::2, 1:], lambda a: a[:, ::2, 1:]),
    ("unsqueeze", lambda x: x.unsqueeze(1), lambda a: a[:, None]),
    ("squeeze", lambda x: x[:1].squeeze(0), lambda a: a[0]),
    ("expand", lambda x: x[:, :1].expand(2, 5, 4), lambda a: np.broadcast_to(a[:, :1], (2, 5, 4))),
    ("view", lambda x: x.view(6, 4), lambda a: a.reshape(6, 4)),
    ("flatten", lambda x: x.flatten(1), lambda a: a.reshape(2, 12)),
    ("unflatten", lambda x: x.unflatten(2, (2, 2)), lambda a: a.reshape(2, 3, 2, 2)),
    ("diagonal", lambda x: x.diagonal(1, 1, 2), lambda a: a.diagonal(1, 1, 2)),
    (
        "unfold",
        lambda x: x.unfold(2, 2, 1),
        lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, 2),
    ),
    ("split", lambda x: x.split(2, 2)[1], lambda a: a[:, :, 2:]),
    ("chunk", lambda x: x.chunk(2, 2)[0], lambda a: a[:, :, :2]),
    ("unbind", lambda x: x.unbind(1)[2], lambda a: a[:, 2]),
    ("T", lambda x: x[0].T, lambda a: a[0].T),
    ("mT", lambda x: x.mT, lambda a: a.swapaxes(1, 2)),
    (
        "view_as_real",
        lambda x: flambeau.view_as_complex(x.view(2, 3, 2, 2)),
        lambda a: a.view(np.complex128),
    ),
    ("detach", lambda x: x.detach(), lambda a: a),
]


@pytest.mark.parametrize(("name", "make", "numpys"), VIEWS, ids=[v[0] for v in VIEWS])
def test_views_look_at_the_same_memory(name, make, numpys):
    array = numbered((2, 3, 4))
    x = flambeau.from_numpy(array)
    view = make(x)
    np.testing.assert_array_equal(view.numpy(), numpys(array))
    strides = tuple(s // view.element_size() for s in numpys(array).strides)
    assert view.stride() == (
        (12, 12, 4, 1) if name == "unsqueeze" else strides
    )  # NumPy's is 0 there
    x.mul_(10)
    np.testing.assert_array_equal(view.numpy(), numpys(array))
    version = x._version
    if name != "expand":
        view.zero_()
        assert x._version == version + 1
        assert (array == 0).any()


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: x.clone(), lambda x: x.flip(0), lambda x: x.roll(1), lambda x: x[flambeau.tensor([0, 1])],
        lambda x: x.repeat(2, 1), lambda x: x.t().contiguous(), lambda x: x.t().reshape(-1), lambda x: x.to(flambeau.float32),
        lambda x: x.index_select(0, flambeau.tensor([0, 1])), lambda x: x + 0, lambda x: flambeau.cat([x]),
        lambda x: x.tril(5), lambda x: flambeau.tensor(x.numpy()),
    ],
)  # fmt: skip
def test_copies_do_not(copy):
    x = flambeau.from_numpy(numbered((2, 3)))
    before = x.clone()
    made = copy(x)
    made.add_(100)
    assert flambeau.equal(x, before)


@given(st.data())
def test_chains_of_views_are_numpys(data):
    array = numbered(data.draw(FULL_SHAPES))
    x = flambeau.from_numpy(array)
    a = array
    for _ in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(["permute", "slice", "unsqueeze", "select", "reshape"]))
        if kind == "permute":
            order = data.draw(st.permutations(range(a.ndim)))
            x, a = x.permute(*order) if order else x.permute(()), a.transpose(order)
        elif kind == "slice" and a.ndim:
            d = data.draw(st.integers(0, a.ndim - 1))
            start, step = data.draw(st.integers(0, a.shape[d])), data.draw(st.integers(1, 2))
            key = (slice(None),) * d + (slice(start, None, step),)
            x, a = x[key], a[key]
        elif kind == "unsqueeze":
            d = data.draw(st.integers(0, a.ndim))
            x, a = x.unsqueeze(d), np.expand_dims(a, d)
        elif kind == "select" and a.ndim and a.shape[0]:
            x, a = x.select(0, -1), a[-1]
        elif kind == "reshape":
            x, a = x.reshape(a.size), a.reshape(a.size)
    np.testing.assert_array_equal(x.numpy(), a)
    assert tuple(x.shape) == a.shape


@given(SHAPES, SHAPES)
def test_broadcasting_is_numpys(left, right):
    a, b = numbered(left), numbered(right)
    x, y = flambeau.from_numpy(a), flambeau.from_numpy(b)
    try:
        expected = a + b
    except ValueError:
        with pytest.raises(RuntimeError, match="must match the size of tensor b"):
            x + y
        return
    made = x + y
    np.testing.assert_array_equal(made.numpy(), expected)
    x.requires_grad_()
    (x * y).sum().backward()
    reach = np.broadcast_to(b, expected.shape)
    for _ in range(expected.ndim - a.ndim):
        reach = reach.sum(0)
    for d, n in enumerate(a.shape):
        if n == 1:
            reach = reach.sum(d, keepdims=True)
    np.testing.assert_allclose(x.grad.numpy(), reach)


def test_view_refuses_to_copy_and_reshape_does():
    x = flambeau.zeros(2, 3).t()
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        x.view(6)
    assert x.reshape(6).shape == (6,)
    assert x.view(3, 2).shape == (3, 2)


def test_strides_of_dense_tensors():
    assert flambeau.zeros(2, 3, 4).stride() == (12, 4, 1)
    assert flambeau.zeros(2, 0, 4).stride() == (4, 4, 1)
    assert flambeau.zeros(3, 1).t().stride() == (1, 1)
    assert flambeau.zeros(3).expand(2, 3).stride() == (0, 1)
    assert flambeau.arange(10)[3:].storage_offset() == 3


def test_contiguity_is_kept_where_it_holds():
    x = flambeau.zeros(2, 3)
    assert x.contiguous() is x
    assert not x.t().is_contiguous()
    assert x.t().t().is_contiguous()
    assert x[0].is_contiguous() and not x[:, 0].is_contiguous()


def test_version_is_shared_by_all_views():
    x = flambeau.zeros(4)
    a, b = x[:2], x.view(2, 2)
    a.add_(1)
    assert x._version == a._version == b._version == 1
    assert x.clone()._version == 0
    assert x.detach()._version == 1


@pytest.mark.parametrize("shape", [(5,), (3, 4), (60, 70), (300, 301)])
@pytest.mark.parametrize("shifts", [0, 1, -3, 1000])
def test_rolling_few_and_many(shape, shifts):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    for dims in (None, 0, -1):
        leaf = flambeau.tensor(x, requires_grad=True)
        made = leaf.roll(shifts, dims)
        np.testing.assert_array_equal(made.detach().numpy(), np.roll(x, shifts, dims))
        assert not np.shares_memory(made.detach().numpy(), leaf.detach().numpy())
        made.backward(flambeau.tensor(x))
        np.testing.assert_array_equal(leaf.grad.numpy(), np.roll(x, -shifts, dims))


def test_traces_of_small_and_large_matrices():
    for shape in ((3, 5), (300, 200), (5000, 4100)):
        x = np.random.default_rng(0).standard_normal(shape)
        leaf = flambeau.tensor(x, requires_grad=True)
        made = leaf.trace()
        np.testing.assert_allclose(made.item(), np.trace(x))
        made.backward()
        np.testing.assert_array_equal(leaf.grad.numpy(), np.eye(*shape))
