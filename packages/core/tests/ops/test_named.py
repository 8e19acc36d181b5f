"""Results with names, the lone condition of `where`, and the operators of bits moved."""

from __future__ import annotations

import pytest

import flambeau


def test_several_results_print_as_pytorch_prints_them():
    found = flambeau.tensor([[1, 5], [7, 2]]).max(1)
    assert repr(found) == (
        "flambeau.return_types.max(\nvalues=tensor([5, 7]),\nindices=tensor([1, 0]))"
    )
    values, indices = found
    assert values is found.values and indices is found[1]


def test_where_a_condition_holds():
    rows, columns = flambeau.where(flambeau.tensor([[0.0, 2.0], [3.0, 0.0]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])
    assert flambeau.where(flambeau.tensor([True, False]), 1, 2).tolist() == [1, 2]
    assert flambeau.where(
        condition=flambeau.tensor([True]), input=flambeau.ones(1), other=flambeau.zeros(1)
    ).tolist() == [1]
    with pytest.raises(TypeError):
        flambeau.where(flambeau.tensor([True]), 1)


def test_bits_moved():
    t = flambeau.tensor([1, 2, -8])
    assert (t << 2).tolist() == [4, 8, -32]
    assert (t >> 1).tolist() == [0, 1, -4]
    assert (1 << flambeau.tensor([0, 3])).tolist() == [1, 8]
    same = t
    t <<= 1
    t >>= flambeau.tensor([0, 1, 2])
    assert same is t and t.tolist() == [2, 2, -4]
    with pytest.raises(TypeError):
        t << "a"


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (lambda x: x[0], "SelectBackward0"),
        (lambda x: x[:, 1:], "SliceBackward0"),
        (lambda x: x[:, None], "UnsqueezeBackward0"),
        (lambda x: x[...], "AliasBackward0"),
        (lambda x: x[[0, 1]], "IndexBackward0"),
        (lambda x: x / 2, "DivBackward0"),
        (lambda x: x.view(4), "ViewBackward0"),
        (lambda x: x.double(), "ToCopyBackward0"),
    ],
)
def test_nodes_have_pytorchs_names(made, name):
    x = flambeau.ones(2, 2, requires_grad=True)
    assert made(x).grad_fn.name() == name


def test_the_node_of_a_write_through_a_view():
    y = flambeau.ones(2, requires_grad=True) * 1
    y[0] = 5
    assert repr(y) == "tensor([5., 1.], grad_fn=<CopySlices>)"
