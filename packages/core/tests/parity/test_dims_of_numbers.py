"""A 0-d tensor counts as having one dimension, and no other: functions along dimensions refuse what PyTorch refuses."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

import flambeau

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parent.parent / "ops"))
from test_wrong_arguments import as_torch, theirs_of
from wrong_calls import operators

NAMES = ("dim", "dims", "start_dim", "dim0")
LOOSE = {
    "aminmax",
    "flip",
    "prod",
}  # which take a number, or a tuple, where PyTorch wants the other
CASES = {
    op.name: (op.public, theirs_of(op), next(n for n in NAMES if n in op.params))
    for op in operators()
    if any(n in op.params for n in NAMES) and theirs_of(op)
}


def given(function, x, name, dim):
    """The shape of what comes out, or that there is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = function(x, **{name: dim})
        except (IndexError, TypeError, RuntimeError, ValueError):
            return "refused"
    return tuple(made[0].shape if isinstance(made, tuple) else made.shape)


@pytest.mark.parametrize("op", CASES)
def test_dimensions_of_a_number(op):
    ours, theirs, name = CASES[op]
    for x in (flambeau.tensor(1.5), flambeau.tensor(2)):
        for dim in (0, -1, 1, -2, (0,), (1,), (0, 0), (0, -1)):
            wanted = given(theirs, as_torch(x), name, dim)
            if wanted != "refused" or op not in LOOSE or dim not in (0, -1, (0,)):
                assert given(ours, x, name, dim) == wanted, dim
