"""Writing into tensors: leaves, views, versions, history, dtypes."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import tensor

LEAF = "a leaf Variable that requires grad is being used in an in-place operation"
MODIFIED = "modified by an inplace operation"


def test_leaf_that_requires_grad_is_not_written():
    x = flambeau.ones(2, requires_grad=True)
    for write in (
        lambda: x.add_(1),
        lambda: x.zero_(),
        lambda: x.__setitem__(0, 1.0),
        lambda: x.mul_(2),
        lambda: x.t_(),
    ):
        with pytest.raises(RuntimeError, match=LEAF):
            write()
    with pytest.raises(
        RuntimeError,
        match="a view of a leaf Variable that requires grad is being used in an in-place operation",
    ):
        x[:1].add_(1)
    with flambeau.no_grad():
        x.add_(1)
    assert x.tolist() == [2, 2] and x.requires_grad and x.is_leaf


def test_in_place_result_takes_the_history_of_its_value():
    x = tensor([2.0, 3.0], requires_grad=True)
    y = flambeau.ones(2)
    y.mul_(x)
    assert y.requires_grad and not y.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_writing_into_a_view_changes_the_roots_history():
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[1:].mul_(x[:2])
    (y * tensor([1.0, 10.0, 100.0])).sum().backward()
    # y = [x0, x1 x0, x2 x1]
    assert x.grad.tolist() == [1 + 10 * 2, 10 * 1 + 100 * 3, 100 * 2]


def test_views_of_views_see_what_was_written_and_its_gradient():
    x = flambeau.ones(2, 3, requires_grad=True)
    y = x * 1
    row = y[0]
    corner = row[:1]
    y.t()[0].mul_(5)
    assert corner.item() == 5
    corner.sum().backward()
    assert x.grad.tolist() == [[5, 0, 0], [0, 0, 0]]


def test_value_needed_for_backward_was_overwritten():
    x = tensor([2.0], requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match=MODIFIED):
        z.backward()


def test_result_needed_for_backward_was_overwritten():
    x = tensor([2.0], requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match=MODIFIED):
        y.backward()


def test_value_not_needed_may_be_overwritten():
    x = tensor([2.0], requires_grad=True)
    y = x * 1
    z = y * 3
    y.add_(1)
    z.backward()
    assert x.grad.item() == 3


def test_overwriting_through_another_view_is_noticed():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y[0] * y[1]
    y[1] = 7.0
    with pytest.raises(RuntimeError, match=MODIFIED):
        z.backward()


@pytest.mark.parametrize(
    "name",
    ["exp", "sin", "sqrt", "reciprocal", "square", "sigmoid", "tanh", "abs", "log", "neg", "relu"],
)
def test_gradients_through_in_place_twins(name):
    x = tensor([0.5, 1.5], dtype=flambeau.float64, requires_grad=True)
    y = x * 2
    getattr(y, name + "_")()
    plain = getattr(flambeau, name)(x * 2)
    expected, made = (
        flambeau.autograd.grad(plain.sum(), x)[0],
        flambeau.autograd.grad(y.sum(), x)[0],
    )
    assert flambeau.allclose(made, expected)


def test_in_place_keeps_dtype_or_refuses():
    x = tensor([1, 2])
    with pytest.raises(
        RuntimeError, match="result type Float can't be cast to the desired output type Long"
    ):
        x.add_(1.5)
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.div_(2)
    y = flambeau.ones(2)
    y.add_(tensor([1.0, 2.0], dtype=flambeau.float64))
    assert y.dtype is flambeau.float32


def test_in_place_never_grows():
    x = flambeau.ones(1, 3)
    with pytest.raises(
        RuntimeError, match=r"output with shape \[1, 3\] doesn't match the broadcast shape \[2, 3\]"
    ):
        x.add_(flambeau.ones(2, 3))


def test_augmented_assignment_writes():
    x = flambeau.ones(2)
    same = x
    x += 1
    x *= 3
    x -= 1
    x /= 5
    x **= 2
    assert same is x and x.tolist() == [1, 1]
    x @= flambeau.eye(2)
    assert x.tolist() == [1, 1]


def test_out_is_written_resized_and_checked():
    out = flambeau.empty(0)
    assert flambeau.add(flambeau.ones(2), 1, out=out) is out
    assert out.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        flambeau.add(flambeau.ones(2, requires_grad=True), 1, out=out)
    with pytest.raises(RuntimeError, match="can't be cast"):
        flambeau.add(flambeau.ones(2), 1, out=flambeau.empty(2, dtype=flambeau.int64))


def test_in_place_views_move_no_memory():
    x = flambeau.arange(6.0).reshape(2, 3)
    at = x.data_ptr()
    x.t_().unsqueeze_(0).squeeze_(0).transpose_(0, 1)
    assert x.data_ptr() == at and x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert x._version == 4


def test_random_fills_and_copies_count_as_writes():
    x = flambeau.zeros(3)
    x.normal_().uniform_().fill_(2).copy_(tensor([1, 2, 3]))
    assert x.tolist() == [1, 2, 3] and x._version == 4


def test_copy_has_the_gradient_of_its_source():
    x = flambeau.ones(3, requires_grad=True)
    y = flambeau.zeros(2, 3)
    y.copy_(x)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_masked_and_indexed_writes_have_gradients():
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y[y > 3] = 0.0
    y.sum().backward()
    assert x.grad.tolist() == [2, 0, 0]
