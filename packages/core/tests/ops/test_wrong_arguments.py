"""Every operator, and every public function and method that is none, called wrongly: see `wrong_calls`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flambeau.testing import samples_of

sys.path.insert(0, str(Path(__file__).parent))
from wrong_calls import faults, guarded, operators, others, samples_for


@pytest.mark.parametrize("op", list(operators()), ids=lambda op: op.name)
def test_operators_refuse_wrong_calls_clearly(op):
    with guarded():
        calls = [(s.args, s.kwargs) for s in samples_of(op)]
        assert faults(op.name, op.public, calls) == []


@pytest.mark.parametrize(("name", "function"), list(others()))
def test_functions_and_methods_refuse_wrong_calls_clearly(name, function):
    with guarded():
        method = name.startswith("Tensor.")
        calls = samples_for(name, function, method)
        assert faults(name, function, calls, method, copies=True) == []
