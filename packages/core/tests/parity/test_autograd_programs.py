"""In-place writes on views under autograd beside PyTorch: random programs give the same values, gradients and refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau

sys.path.insert(0, str(Path(__file__).parent))
from inplace_programs import KINDS, compare

PLACES = st.integers(0, 11)


@st.composite
def programs(draw):
    """Up to seven steps; views are not made under no_grad, for PyTorch calls these recorded, and flambeau does not."""
    steps = []
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["view", "view", "pure", "write", "write"]))
        which = draw(st.integers(0, len(KINDS[kind]) - 1))
        quiet = kind != "view" and draw(st.integers(0, 6)) == 6
        steps.append((kind, which, draw(PLACES), draw(PLACES), quiet))
    return steps


@settings(max_examples=200, deadline=None, derandomize=True)
@given(programs())
def test_programs_of_views_writes_and_backward(steps):
    compare(flambeau, torch, steps)
