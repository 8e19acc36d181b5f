"""What PyTorch refuses is refused here, where computing something else would be silently wrong."""

from __future__ import annotations

import pytest

import flambeau
from flambeau.nn import functional as F


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.add_(1),
        lambda t: t.mul_(flambeau.ones(2, 3)),
        lambda t: t.copy_(flambeau.ones(2, 3)),
        lambda t: t.__setitem__(slice(None), flambeau.ones(2, 3)),
    ],
)
def test_a_write_into_elements_that_share_memory(write):
    row = flambeau.zeros(3)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        write(row.expand(2, 3))
    assert row.tolist() == [0, 0, 0]
    row.expand(1, 3).add_(1)  # each element once
    row.expand(2, 3)[0].add_(1)
    assert row.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda: flambeau.ones(1) - flambeau.tensor([True]),
        lambda: flambeau.tensor([True]) - flambeau.ones(1),
        lambda: 1 - flambeau.tensor([True]),
        lambda: flambeau.tensor([True]) - 1.5,
        lambda: flambeau.arange(1).sub_(flambeau.tensor([True])),
    ],
)
def test_subtracting_with_a_bool(call):
    with pytest.raises(RuntimeError, match="not supported for bool tensors"):
        call()


@pytest.mark.parametrize("divide", [flambeau.floor_divide, flambeau.remainder, flambeau.fmod])
@pytest.mark.parametrize("zero", [0, flambeau.tensor([1, 0]), flambeau.tensor(0)])
def test_dividing_integers_by_zero(divide, zero):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        divide(flambeau.tensor([3, 4]), zero)


def test_dividing_floats_by_zero_is_no_error():
    quotient = flambeau.tensor([1.0, -1.0]) // 0
    assert quotient.tolist() == [float("inf"), float("-inf")]
    assert (flambeau.tensor([1]) / 0).tolist() == [float("inf")]


def test_a_number_of_several_elements():
    with pytest.raises(ValueError, match="only one element tensors"):
        float(flambeau.ones(2))


def test_classes_below_zero():
    with pytest.raises(RuntimeError, match="non-negative"):
        F.one_hot(flambeau.tensor([-1]))


@pytest.mark.parametrize("dtype", [flambeau.int32, flambeau.bool, flambeau.float32])
def test_class_indices_of_another_dtype(dtype):
    with pytest.raises(RuntimeError, match="Long or Byte"):
        F.nll_loss(flambeau.zeros(2, 3), flambeau.ones(2, dtype=dtype))


def test_class_indices_of_bytes():
    wide, narrow = flambeau.tensor([0, 2]), flambeau.tensor([0, 2], dtype=flambeau.uint8)
    scores = flambeau.tensor([[1.0, 2.0, 4.0], [0.0, 1.0, 3.0]])
    assert F.cross_entropy(scores, narrow).item() == F.cross_entropy(scores, wide).item()


def test_an_index_that_is_a_float():
    with pytest.raises(IndexError, match="got float"):
        flambeau.ones(3)[1.5]


def test_mapping_over_a_dimension_that_is_not_there():
    with pytest.raises(ValueError, match="dimensionality 0"):
        flambeau.func.vmap(flambeau.sin)(flambeau.tensor(1.0))


def test_the_last_dimension_that_does_not_broadcast_is_named():
    with pytest.raises(
        RuntimeError, match=r"a \(3\) must match the size of tensor b \(2\).*dimension 1"
    ):
        flambeau.ones(2, 3) + flambeau.ones(3, 2)


class _Given(flambeau.autograd.Function):
    """Its backward returns what it was told to."""

    @staticmethod
    def forward(ctx, x, returned):
        ctx.returned = returned
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return ctx.returned(g), None


def test_a_custom_gradient_of_another_shape():
    x = flambeau.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"got \[1\] but expected shape compatible with \[2\]"):
        _Given.apply(x, lambda g: g[:1]).sum().backward()
    with pytest.raises(RuntimeError, match=r"expected Variable or None \(got int\)"):
        _Given.apply(x, lambda g: 3).sum().backward()
    assert x.grad is None
    _Given.apply(x, lambda g: g.expand(3, 2)).sum().backward()  # as broadcasting would: summed
    assert x.grad.tolist() == [3, 3]


class _Two(flambeau.autograd.Function):
    """Two results; tells which gradients arrived."""

    @staticmethod
    def forward(ctx, x, materialize, seen):
        ctx.set_materialize_grads(materialize)
        ctx.seen = seen
        return x * 1, x * 2

    @staticmethod
    def backward(ctx, first, second):
        ctx.seen.append(second)
        return first, None, None


def test_gradients_that_did_not_arrive():
    x = flambeau.ones(2, requires_grad=True)
    for materialize in (True, False):
        seen = []
        _Two.apply(x, materialize, seen)[0].sum().backward()
        assert (seen[0].tolist() == [0, 0]) if materialize else seen[0] is None


def test_the_spread_of_equal_numbers_has_no_gradient():
    x = flambeau.ones(3, requires_grad=True)
    flambeau.std(x).backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_the_spread_of_complex_numbers_is_real():
    x = flambeau.tensor([1 + 2j, 3j])
    assert flambeau.var(x).dtype is flambeau.float32
    assert flambeau.var(x).item() == pytest.approx(1.0)
