"""x[key] and x[key] = y: as NumPy's for every key both have, PyTorch's errors for the others."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flambeau

sys.path.insert(0, str(Path(__file__).parent))
from strategies import FULL_SHAPES, SHAPES, keys, numbered


def ours(key):
    """A NumPy key with our tensors for its arrays."""
    return tuple(flambeau.from_numpy(k.copy()) if isinstance(k, np.ndarray) else k for k in key)


@given(st.data())
def test_basic_keys_read_as_numpy_and_share_memory(data):
    shape = data.draw(SHAPES)
    key = data.draw(keys(shape, fancy=False))
    array = numbered(shape)
    x = flambeau.from_numpy(array)
    got, expected = x[key], array[key]
    np.testing.assert_array_equal(got.numpy(), expected)
    if got.numel():
        assert np.shares_memory(got.numpy(), array)


@given(st.data())
def test_index_arrays_and_masks_read_as_numpy(data):
    shape = data.draw(FULL_SHAPES)
    key = data.draw(keys(shape, fancy=True))
    array = numbered(shape)
    try:
        expected = array[key]
    except IndexError:  # index arrays that do not broadcast: refused here too
        with pytest.raises((IndexError, RuntimeError)):
            flambeau.from_numpy(array)[ours(key)]
        return
    if _numpy_moves_ints(key):
        return
    np.testing.assert_array_equal(flambeau.from_numpy(array)[ours(key)].numpy(), expected)


def _numpy_moves_ints(key):
    """NumPy counts an int beside index arrays as one of them, PyTorch takes it first: places of dimensions differ."""
    return any(isinstance(k, np.ndarray) for k in key) and any(isinstance(k, int) for k in key)


@given(st.data())
def test_writing_is_numpys(data):
    shape = data.draw(FULL_SHAPES)
    key = data.draw(keys(shape, fancy=True))
    array = numbered(shape)
    expected = array.copy()
    try:
        expected[key] = -1.0
    except IndexError:
        return
    x = flambeau.from_numpy(array.copy())
    x[ours(key)] = -1.0
    np.testing.assert_array_equal(x.numpy(), expected)


@given(st.data())
def test_gradient_counts_how_often_an_element_was_read(data):
    shape = data.draw(FULL_SHAPES)
    key = data.draw(keys(shape, fancy=True))
    array = numbered(shape)
    counts = np.zeros(shape)
    try:
        np.add.at(counts, key, 1.0)
    except IndexError:
        return
    x = flambeau.from_numpy(array).requires_grad_()
    x[ours(key)].sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), counts)


def test_ints_beside_index_tensors_come_first():
    x = flambeau.arange(24).reshape(2, 3, 4)
    index = flambeau.tensor([0, 2])
    assert x[1, :, index].shape == (
        3,
        2,
    )  # PyTorch: the int makes a view first, then one tensor picks in place
    assert flambeau.equal(x[1, :, index], x[1][:, index])


def test_lists_ranges_and_arrays_are_index_tensors():
    x = flambeau.arange(5) * 10
    assert x[[0, 3]].tolist() == [0, 30]
    assert x[range(2)].tolist() == [0, 10]
    assert x[np.array([4, 1])].tolist() == [40, 10]
    assert x[flambeau.tensor(2)].item() == 20
    assert x[np.int64(3)].item() == 30
    assert x[[True, False, False, False, True]].tolist() == [0, 40]


def test_bool_scalars_add_a_dimension():
    x = flambeau.arange(3)
    assert x[True].shape == (1, 3)
    assert x[False].shape == (0, 3)
    assert flambeau.tensor(5)[True].tolist() == [5]


@pytest.mark.parametrize(
    ("shape", "key", "kind", "text"),
    [
        ((3,), 3, IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((3, 2), (0, -3), IndexError, "index -3 is out of bounds for dimension 1 with size 2"),
        ((3,), (0, 0), IndexError, "too many indices for tensor of dimension 1"),
        ((), 0, IndexError, "invalid index of a 0-dim tensor"),
        ((3,), slice(None, None, -1), ValueError, "step must be greater than zero"),
        ((3,), 1.5, IndexError, "only integers, slices"),
        ((3,), "a", TypeError, "only integers, slices"),
    ],
)
def test_wrong_keys(shape, key, kind, text):
    with pytest.raises(kind, match=text):
        flambeau.zeros(*shape)[key]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (flambeau.tensor([0, 5]), "out of bounds"),
        (flambeau.tensor([0.5]), "tensors used as indices must be long, int, byte or bool tensors"),
        (flambeau.tensor([True, False]), "The shape of the mask"),
    ],
)
def test_wrong_index_tensors(key, text):
    with pytest.raises(IndexError, match=text):
        flambeau.zeros(3)[key]


def test_writing_wrong_shapes_is_refused():
    x = flambeau.zeros(2, 3)
    with pytest.raises(RuntimeError, match="expanded size"):
        x[0] = flambeau.ones(2)
    with pytest.raises(RuntimeError, match=r"shape|broadcast"):
        x[flambeau.tensor([0, 1])] = flambeau.ones(3, 3)
    assert x.sum() == 0


def test_writing_casts_and_drops_leading_ones():
    x = flambeau.zeros(2, 3)
    x[0] = flambeau.ones(1, 1, 3, dtype=flambeau.int64)
    assert x.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_writing_through_a_view_reaches_the_root():
    x = flambeau.zeros(3, 3)
    x[:, 1][flambeau.tensor([0, 2])] = 5.0
    assert x[:, 1].tolist() == [5, 0, 5]


def test_index_put_accumulates_repeats():
    x = flambeau.zeros(3)
    x.index_put_((flambeau.tensor([0, 0, 2]),), flambeau.tensor(1.0), accumulate=True)
    assert x.tolist() == [2, 0, 1]


def test_gradient_of_written_values():
    x = flambeau.ones(4, requires_grad=True)
    v = flambeau.full((2,), 2.0, requires_grad=True)
    y = x * 1
    y[1:3] = v
    (y * flambeau.arange(4.0)).sum().backward()
    assert x.grad.tolist() == [0, 0, 0, 3]
    assert v.grad.tolist() == [1, 2]


def test_a_row_remembers_how_it_was_taken():
    """Writing into `x[i]` with history gives the base that history, through views of views and after other writes."""
    base, weight = flambeau.zeros(3, 2), flambeau.ones((), requires_grad=True)
    row = base[1]
    inner = row[-1]
    inner.copy_(weight * 2)
    assert row.grad_fn is not None and base.grad_fn is not None
    base[2][0].copy_(weight * 5)
    other = base[1]
    (base.sum() + other.sum() + row.sum()).backward()
    assert weight.grad.item() == 2 + 5 + 2 + 2
    assert row._base is base and inner._base is base


def test_a_row_of_a_leaf_is_recorded_unless_gradients_are_off():
    leaf = flambeau.arange(3.0).requires_grad_()
    (leaf[2] * 3).backward()
    assert leaf.grad.tolist() == [0.0, 0.0, 3.0]
    with flambeau.no_grad():
        assert not leaf[1].requires_grad
        leaf[1].fill_(7.0)
    assert leaf.tolist() == [0.0, 7.0, 2.0] and leaf._version == 1
