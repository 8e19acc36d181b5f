"""complex32 beside PyTorch's CPU, which computes little in it: the same numbers, or the same refusal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agreement import agree

# One expression a line; x has three numbers of complex32, m is a 2 x 2 matrix of them.
CASES = """
x + x
x - x
x * x
x / x
x + 1
x * 2
x * 2j
x + 1j
1 / x
-x
x ** 2
x.abs()
x == x
x != x
x.isnan()
x.isfinite()
x.isinf()
x.exp()
x.sqrt()
x.sum()
x.mean()
x.prod()
m @ m
torch.addmm(m, m, m)
torch.bmm(m[None], m[None])
x.addcmul(x, x)
x.masked_fill(torch.tensor([True, False, True]), 0)
torch.where(x == x, x, -x)
x + torch.ones(3)
x + torch.ones(3).half()
x + torch.ones(3).long()
x * torch.ones(3).double()
x.clone().add_(x)
x.clone().mul_(2)
x.diff()
torch.outer(x, x)
torch.kron(x, x)
torch.isclose(x, x)
torch.allclose(x, x)
x.count_nonzero()
x.reciprocal()
x.cumsum(0)
x.max()
x.dot(x)
""".strip().splitlines()


@pytest.mark.parametrize("line", CASES)
def test_one_line(line):
    def case(lib):
        x = lib.tensor([1 + 2j, 3 - 1j, 0.5j]).to(lib.complex32)
        made = eval(line, {"torch": lib, "x": x, "m": lib.ones(2, 2).to(lib.complex32)})
        narrow = getattr(made, "dtype", None) is lib.complex32
        return (made.to(lib.complex64), "complex32") if narrow else made

    agree(case, text=False)
