"""Calls of a function in a world that changes between them, eagerly and compiled: the cases of `test_changing_*.py`."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau as fl


def seen(v):
    """A result as something that can be compared."""
    if isinstance(v, (tuple, list)):
        return [seen(part) for part in v]
    if isinstance(v, fl.Tensor):
        return (
            str(v.dtype),
            tuple(v.shape),
            v.requires_grad,
            np.round(v.detach().double().numpy(), 4).tolist(),
        )
    return v


def outcomes(make, compiled):
    fl.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    f, call = make()
    f = fl.compile(f) if compiled else f
    found = []
    for i in range(7):
        try:
            found.append(seen(call(f, i)))
        except (ValueError, IndexError, RuntimeError, KeyError) as error:
            found.append(type(error).__name__)
    return found


def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> Any:
    """Functions `case_...` are tests: each gives a function and what makes its call number i, as compiled so eagerly."""
    if not name.startswith("case_"):
        return None

    def test() -> None:
        assert not differences(obj)

    return pytest.Function.from_parent(collector, name=name, callobj=test)


def differences(make: Callable[[], Any]) -> list:
    """`make` gives a function and what makes its call number i."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pairs = zip(outcomes(make, True), outcomes(make, False))
        return [(i, a, b) for i, (a, b) in enumerate(pairs) if repr(a) != repr(b)]
