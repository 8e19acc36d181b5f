"""Sizes, steps and counts that cannot be: refused where PyTorch refuses them, with its class of error; else of its shape.

Most of these calls never failed in Python: a window of no elements reads memory that nobody has written.
"""

from __future__ import annotations

import itertools
import warnings

import pytest
import torch

import flambeau

# `k` takes the values below, and so do the stride `s` and the padding `p` where they appear.
NUMBERS = """
F.fractional_max_pool2d(ones(1, 2, 4, 4), abs(k) or 1, output_size=2)
F.conv1d(ones(1, 2, 4), ones(1, 2, 2), dilation=k)
F.conv1d(ones(1, 2, 4), ones(1, 2, 2), stride=k)
F.conv1d(ones(1, 2, 4), ones(1, 2, 2), padding=k)
F.conv1d(ones(1, 2, 4), ones(2, 1, 2), groups=k)
F.conv1d(ones(1, 2, 4), ones(1, 2, abs(k)))
F.conv_transpose1d(ones(1, 2, 4), ones(2, 1, 2), output_padding=k)
F.conv_transpose1d(ones(1, 2, 4), ones(2, 1, abs(k)))
F.fold(ones(1, 8, 9), (4, 4), k)
F.pixel_shuffle(ones(1, 4, 2, 2), k)
F.pixel_unshuffle(ones(1, 1, 4, 4), k)
F.one_hot(torch.tensor([0, 1]), k)
F.local_response_norm(ones(1, 4, 4), k)
F.adaptive_avg_pool1d(ones(1, 2, 4), k)
F.adaptive_max_pool1d(ones(1, 2, 4), k)
F.adaptive_avg_pool2d(ones(1, 2, 4, 4), k)
ones(4).unfold(0, k, 1)
ones(4).unfold(0, 1, k)
ones(4).chunk(k)
ones(4).split(k)
ones(2).repeat(k)
ones(2).repeat_interleave(k)
ones(4).narrow(0, k, 1)
ones(4).narrow(0, 0, k)
ones(4).as_strided((k,), (1,))
ones(4).as_strided((2,), (k,))
ones(4).as_strided((2,), (1,), k)
ones(4).kthvalue(k)
ones(4).topk(k)
ones(3).roll(k)
ones(3, 3).diagonal(k)
ones(4).unflatten(0, (k, 2))
ones(4).reshape(k, 2)
ones(1).expand(k)
torch.eye(k)
torch.diag(ones(3), k)
torch.diff(ones(3), k)
torch.tril_indices(2, k)
torch.combinations(ones(3), k)
torch.bincount(torch.tensor([0, 1]), minlength=k)
torch.histc(ones(3), k)
torch.linspace(0, 1, k)
torch.vander(ones(3), k)
torch.fft.fft(ones(3), k)
torch.stft(ones(8), k, return_complex=True)
torch.matrix_power(torch.eye(2), k)
torch.multinomial(ones(3), k)
torch.randperm(k)
""".strip().splitlines()
WINDOWS = """
F.max_pool1d(ones(1, 2, 4), k, s, p)
F.max_pool2d(ones(1, 2, 4, 4), k, s, p)
F.max_pool3d(ones(1, 2, 4, 4, 4), k, s, p)
F.avg_pool1d(ones(1, 2, 4), k, s, p)
F.avg_pool2d(ones(1, 2, 4, 4), k, s, p)
F.avg_pool3d(ones(1, 2, 4, 4, 4), k, s, p)
F.lp_pool1d(ones(1, 2, 4), 2.0, k, s)
F.lp_pool2d(ones(1, 2, 4, 4), 2.0, k, s)
F.unfold(ones(1, 2, 4, 4), k, 1, abs(p), s or 1)
""".strip().splitlines()


def outcome(lib, line, **numbers):
    """The shapes of what a call gives, or the class of its error."""
    scope = {"torch": lib, "F": lib.nn.functional, "ones": lib.ones, **numbers}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = eval(line, scope)
        except Exception as error:
            return next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")
    made = made if isinstance(made, (tuple, list)) else (made,)
    return [tuple(m.shape) for m in made]


@pytest.mark.parametrize("line", NUMBERS)
def test_numbers(line):
    for k in (0, -1, -7, 2, 5):
        assert outcome(flambeau, line, k=k) == outcome(torch, line, k=k), k


@pytest.mark.parametrize("line", WINDOWS)
def test_windows(line):
    for k, s, p in itertools.product((0, -1, 2, 9), (0, -1, 2, None), (0, -1, 1, 5)):
        if p == 0 or "p)" in line or "abs(p)" in line:
            case = {"k": k, "s": s, "p": p}
            assert outcome(flambeau, line, **case) == outcome(torch, line, **case), case
