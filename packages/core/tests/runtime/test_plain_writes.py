"""Writes that are done on the array itself: aliasing, broadcasting, dtypes, histories, and what must go the general way."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import tensor

BINARY = ["add_", "sub_", "mul_", "div_", "maximum_"]


def test_overlapping_operands_are_read_before_they_are_written():
    x = flambeau.arange(6.0)
    x[1:].add_(x[:-1])
    assert x.tolist() == [0.0, 1.0, 3.0, 5.0, 7.0, 9.0]
    x = flambeau.arange(6.0)
    x[:3] = x[3:]
    x[1:4] = x[0:3]
    assert x.tolist() == [3.0, 3.0, 4.0, 5.0, 4.0, 5.0]
    y = flambeau.arange(4.0)
    assert y.add_(y).tolist() == [0.0, 2.0, 4.0, 6.0] and y.copy_(y).tolist() == y.tolist()


def test_operands_are_broadcast_and_targets_are_not():
    x = flambeau.ones(2, 3)
    assert x.add_(tensor([1.0, 2.0, 3.0])).tolist() == [[2.0, 3.0, 4.0]] * 2
    assert x.mul_(tensor(2.0)).tolist() == [[4.0, 6.0, 8.0]] * 2
    with pytest.raises(RuntimeError, match="broadcast shape"):
        flambeau.ones(3).add_(flambeau.ones(2, 3))
    with pytest.raises(RuntimeError):
        flambeau.ones(3).add_(flambeau.ones(2))
    leaf = tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = flambeau.ones(2, 3) * leaf
    y.add_(leaf).mul_(leaf.detach())
    y.sum().backward()
    assert leaf.grad.tolist() == [4.0, 8.0, 12.0]


def test_dtypes_that_do_not_fit_are_refused_and_others_cast():
    x = tensor([1, 2])
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.add_(tensor([0.5, 0.5]))
    assert flambeau.ones(2).add_(tensor([1, 2])).tolist() == [2.0, 3.0]
    assert x.fill_(7).tolist() == [7, 7] and flambeau.ones(2).fill_(3).tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="overflow"):
        tensor([1, 2], dtype=flambeau.int8).fill_(300)
    x = flambeau.zeros(3)
    x[0], x[1:] = True, tensor([1, 2])
    assert x.tolist() == [1.0, 1.0, 2.0]


def test_0d_tensors_and_negative_zero():
    x = tensor(2.0)
    assert x.add_(1).item() == 3.0 and x.fill_(4.0).item() == 4.0 and x.mul_(x).item() == 16.0
    assert str(flambeau.zeros(1).fill_(-0.0).item()) == "-0.0"
    assert str(flambeau.full((1,), -0.0).item()) == "-0.0"
    with pytest.raises(IndexError):
        x[0] = 1.0


@pytest.mark.parametrize("name", BINARY[:4])
def test_expanded_targets_are_refused(name):
    x = flambeau.ones(1, 3).expand(2, 3)
    with pytest.raises(RuntimeError, match="single memory location"):
        getattr(x, name)(1.0)
    with pytest.raises(RuntimeError, match="single memory location"):
        x[0] = 2.0 if name != "add_" else flambeau.ones(3)
        x[:, 1:] = 2.0
        getattr(x, name)(x)


def test_leaves_are_written_under_no_grad_only():
    x = tensor([1.0, 2.0], requires_grad=True)
    for write in (
        lambda: x.add_(1),
        lambda: x.fill_(1),
        lambda: x.zero_(),
        lambda: x.copy_(flambeau.ones(2)),
        lambda: x.__setitem__(0, 1.0),
        lambda: x.relu_(),
        lambda: x[0:1].add_(1),
    ):
        with pytest.raises(RuntimeError, match="leaf Variable"):
            write()
    assert x._version == 0
    with flambeau.no_grad():
        x.add_(1).fill_(2.0).mul_(2)
        x[0] = 7.0
        x[1:].zero_()
    assert x.tolist() == [7.0, 0.0] and x._version == 5 and x.is_leaf and x.requires_grad


@pytest.mark.parametrize("name", BINARY[:4])
def test_a_recorded_write_is_the_call_and_then_the_write(name):
    def grads(write):
        x = tensor([1.0, 2.0, 3.0], requires_grad=True)
        w = tensor([0.5, 1.5, 2.5], requires_grad=True)
        y = x * 2
        y = write(y, w)
        z = write(y, 3.0)
        (z * z).sum().backward()
        return z.tolist(), x.grad.tolist(), w.grad.tolist()

    assert grads(lambda y, w: getattr(y, name)(w)) == grads(
        lambda y, w: getattr(y, name.rstrip("_"))(w)
    )


def test_a_recorded_write_reaches_views_made_before_it():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    v = y[0:1]
    y.add_(x.detach()).mul_(3.0)
    v.sum().backward()
    assert x.grad.tolist() == [6.0, 0.0] and v.item() == 9.0


def test_what_is_overwritten_though_needed_is_found():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    w = tensor([1.0, 2.0])
    y = (x * 1).mul_(w)
    w.fill_(0.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y = x * 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.mul_(y.detach()).sum().backward()


def test_hooks_and_retained_gradients_go_the_general_way():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * 2).sum().backward()
    assert y.grad.tolist() == [2.0, 2.0] and x.grad.tolist() == [12.0, 12.0]


def test_read_only_memory_is_not_written():
    import numpy as np

    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    x = flambeau.from_numpy(array)
    for write in (
        lambda: x.fill_(1.0),
        lambda: x.copy_(flambeau.ones(3)),
        lambda: x.__setitem__(0, 1.0),
    ):
        with pytest.raises((RuntimeError, ValueError)):
            write()
    assert x.tolist() == [0.0, 0.0, 0.0]


def test_keys_are_read_as_before():
    x = flambeau.arange(12.0).reshape(3, 4)
    assert x[1, 2].item() == 6.0 and x[..., 1].tolist() == [1.0, 5.0, 9.0]
    assert x[None, 0:2, -1].tolist() == [[3.0, 7.0]] and x[1:, None].shape == (2, 1, 4)
    for key in (5, (0, 0, 0), (slice(None), 9), -4):
        with pytest.raises(IndexError):
            x[key]
        with pytest.raises(IndexError):
            x[key] = 1.0
    with pytest.raises(ValueError, match="step"):
        x[::-1]
    assert x[True].shape == (1, 3, 4)
    leaf = flambeau.ones(2, 3, requires_grad=True)
    part = leaf[1, 1:]
    assert part.grad_fn is not None and part._base is leaf
    part.sum().backward()
    assert leaf.grad.tolist() == [[0.0] * 3, [0.0, 1.0, 1.0]]


def test_writes_by_keys_count_as_versions_of_all_views():
    x = flambeau.zeros(3)
    v = x.view(3)
    x[0] = 1.0
    v[1:] = flambeau.ones(2)
    x.fill_(2.0)
    assert x._version == v._version == 3 and v.tolist() == [2.0] * 3
