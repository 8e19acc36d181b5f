"""Names of the graph's nodes beside PyTorch's, as `grad_fn.name()` and repr show them."""

from __future__ import annotations

import pytest
import torch

import flambeau

# One expression a line; a is a 3 x 3 and b a 3-element tensor that require grad, i are indices.
CASES = """
a ** a
a ** 2.0
a.fmod(a)
a.fmod(2.0)
a.remainder(a)
a.remainder(2.0)
a.lerp(a, a)
a.lerp(a, 0.5)
a.clamp(0, 1)
a.clamp(a, a + 1)
a.unsqueeze(0).squeeze(0)
a.squeeze()
a.unsqueeze(0).squeeze((0, 1))
a.prod()
a.prod(1)
a.median()
a.median(1).values
a.sort(stable=True).values
a.sort().values
a.div(a, rounding_mode="floor")
a.angle()
b.diag_embed()
torch.linalg.svdvals(a)
torch.linalg.eigvals(a)
torch.linalg.lu_factor(a).LU
torch.linalg.cross(a, a)
torch.linalg.solve_triangular(a, a, upper=True)
torch.linalg.vector_norm(a, 3)
torch.cdist(a, a)
torch.vdot(b, b)
torch.polar(b, b)
torch.block_diag(a, b)
torch.mvlgamma(a + 5, 2)
torch.ldexp(a, i)
torch.rsub(a, a)
a.put(i, b)
a.select_scatter(b, 0, 1)
a.slice_scatter(a, 0)
a.diagonal_scatter(b)
a.scatter_reduce(0, i.expand(3, 3), a, "sum")
a.sgn()
torch.nn.functional.pdist(a)
torch.channel_shuffle(a.reshape(1, 3, 3), 3)
""".strip().splitlines()


def name_of(lib, line):
    a = lib.tensor([[2.0, 0.3, 0.1], [0.2, 1.5, 0.4], [0.3, 0.1, 1.8]], requires_grad=True)
    b = lib.tensor([1.0, 2.0, 3.0], requires_grad=True)
    return eval(line, {"torch": lib, "a": a, "b": b, "i": lib.tensor([0, 1, 2])}).grad_fn.name()


@pytest.mark.parametrize("line", CASES)
def test_a_node_is_called_as_in_pytorch(line):
    assert name_of(flambeau, line) == name_of(torch, line)
