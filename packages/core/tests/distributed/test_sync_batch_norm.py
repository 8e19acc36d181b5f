"""Batch normalisation over ranks: as one process on the whole batch, gradients and statistics included."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import distributed as dist
from flambeau import nn


def layer():
    made = nn.SyncBatchNorm(3, momentum=0.3).double()
    with flambeau.no_grad():
        made.weight.copy_(flambeau.tensor([1.0, 2.0, -0.5]))
        made.bias.copy_(flambeau.tensor([0.1, 0.0, 0.3]))
    return made


def data():
    x = flambeau.arange(12 * 3 * 2).reshape(12, 3, 2).double().sin()
    return x, flambeau.arange(12 * 3 * 2).reshape(12, 3, 2).double().cos()


@pytest.mark.parametrize("sizes", [(12,), (7, 5), (3, 1, 8)])
def test_ranks_with_uneven_batches_agree_with_one_process(sizes):
    alone, (x, g) = layer(), data()
    x = x.requires_grad_()
    expected = alone(x)
    expected.backward(g)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]

    def rank():
        own, (x, g) = layer(), data()
        at = slice(starts[dist.get_rank()], starts[dist.get_rank()] + sizes[dist.get_rank()])
        x = x[at].clone().requires_grad_()
        out = own(x)
        out.backward(g[at])
        total = own.weight.grad.clone()
        dist.all_reduce(total)
        parts = (out.detach(), x.grad, total, own.running_mean, own.running_var)
        return [part.tolist() for part in parts]

    made = dist.run_threads(rank, len(sizes))
    out, grad = (flambeau.cat([flambeau.tensor(m[i]) for m in made]) for i in (0, 1))
    assert flambeau.allclose(out.double(), expected, atol=1e-6)
    assert flambeau.allclose(grad.double(), x.grad, atol=1e-6)
    for m in made:
        for value, whole in zip(m[2:], (alone.weight.grad, alone.running_mean, alone.running_var)):
            assert flambeau.allclose(flambeau.tensor(value).double(), whole, atol=1e-6)
