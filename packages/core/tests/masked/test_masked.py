"""Functions with a mask by themselves: NaN behind the mask, second derivatives, masks that broadcast."""

from __future__ import annotations

import copy
import pickle

import pytest

import flambeau
from flambeau import masked
from flambeau.autograd import gradcheck, gradgradcheck

MASK = flambeau.tensor([[True, False, True], [True, True, False]])


@pytest.mark.parametrize("f", [
    lambda x: masked.sum(x, 1, mask=MASK), lambda x: masked.prod(x, 1, mask=MASK), lambda x: masked.mean(x, 0, mask=MASK),
    lambda x: masked.var(x, 1, mask=MASK), lambda x: masked.logsumexp(x, 1, mask=MASK), lambda x: masked.softmax(x, 1, mask=MASK),
    lambda x: masked.normalize(x, 2.0, 1, mask=MASK), lambda x: masked.norm(x, 3, 1, mask=MASK), lambda x: masked.cumsum(x, 1, mask=MASK),
])  # fmt: skip
def test_derivatives(f):
    x = flambeau.rand(2, 3, dtype=flambeau.float64, requires_grad=True)
    assert gradcheck(f, (x,))
    assert gradgradcheck(f, (x,))


@pytest.mark.parametrize(
    "name", ["sum", "prod", "mean", "amax", "amin", "logsumexp", "softmax", "cumsum"]
)
def test_what_is_behind_the_mask_does_not_matter(name):
    x = flambeau.rand(2, 3)
    bad = x.masked_fill(~MASK, float("nan")).requires_grad_()
    x.requires_grad_()
    f = getattr(masked, name)
    a, b = f(x, 1, mask=MASK), f(bad, 1, mask=MASK)
    assert flambeau.equal(a, b)
    a.sum().backward()
    b.sum().backward()
    assert flambeau.equal(x.grad, bad.grad)
    assert (bad.grad[~MASK] == 0).all()


def test_masks_broadcast():
    x = flambeau.arange(6.0).reshape(2, 3)
    assert masked.sum(x, mask=flambeau.tensor([True, False, True])).item() == 10
    assert masked.sum(x, mask=flambeau.tensor(True)).item() == 15
    with pytest.raises(IndexError, match="dimensionality"):
        masked.sum(x, mask=flambeau.ones(1, 2, 3, dtype=flambeau.bool))


def test_batches_and_duals():
    x = flambeau.rand(4, 2, 3)
    batched = flambeau.func.vmap(lambda v: masked.softmax(v, 1, mask=MASK))(x)
    assert flambeau.allclose(batched, flambeau.stack([masked.softmax(v, 1, mask=MASK) for v in x]))
    _, moved = flambeau.func.jvp(
        lambda v: masked.sum(v, mask=MASK), (x[0],), (flambeau.ones(2, 3),)
    )
    assert moved.item() == 4


def test_sparse_layouts_are_refused_by_name():
    with pytest.raises(ValueError, match="sparse_coo"):
        masked.sum(flambeau.eye(2).to_sparse())


def test_masked_tensors_copy_and_pickle():
    x = masked.masked_tensor(flambeau.rand(2, 3), MASK, requires_grad=True)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.requires_grad
        assert flambeau.equal(y.detach().to_tensor(0), x.detach().to_tensor(0))
    with pytest.raises(ValueError, match="masks must match"):
        x.detach().add_(masked.masked_tensor(flambeau.ones(2, 3), ~MASK))
