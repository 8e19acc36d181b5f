"""Argument orders of PyTorch before 1.5, which much code still has: a number before the tensors that it scales.

`x.add_(-lr, grad)`, `x.addcmul_(1 - beta, g, g)`, `torch.addmm(beta, input, alpha, a, b)`. Looked for only where a call does not fit.
"""

from __future__ import annotations

import warnings
from numbers import Number
from typing import Any

from .tensor import Tensor

SCALES = {"add": "alpha", "sub": "alpha", "addcmul": "value", "addcdiv": "value"}
SUMS = frozenset({"addbmm", "addmm", "addmv", "addr", "baddbmm"})  # beta * input + alpha * product
NAMES = frozenset(SCALES) | SUMS
_said: set[str] = set()


def rearranged(name: str, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict] | None:
    """The arguments of an older call in the order of today, with a warning the first time; None for any other call."""
    if name not in NAMES or len(args) < 3:
        return None
    made = _sum(args) if name in SUMS else _scaled(args, 4 if name.startswith("addc") else 3, name)
    if made is None or made[1].keys() & kwargs.keys():
        return None
    if name not in _said:
        _said.add(name)
        names = " and ".join(made[1])
        warnings.warn(
            f"This overload of {name} is deprecated: give {names} by name, behind the tensors.",
            stacklevel=5,
        )
    return made[0], {**kwargs, **made[1]}


def _scaled(args: tuple, count: int, name: str) -> tuple[tuple, dict[str, Any]] | None:
    if len(args) != count or not isinstance(args[1], Number):
        return None
    if not all(isinstance(a, Tensor) for a in (args[0], *args[2:])):
        return None
    return (args[0], *args[2:]), {SCALES[name]: args[1]}


def _sum(args: tuple) -> tuple[tuple, dict[str, Any]] | None:
    """(beta, input, [alpha,] a, b), and as a method (input, beta, [alpha,] a, b)."""
    if len(args) not in (4, 5):
        return None
    first, second, *between, a, b = args
    input, beta = (second, first) if isinstance(first, Number) else (first, second)
    numbers, tensors = (beta, *between), (input, a, b)
    if not all(isinstance(n, Number) for n in numbers):
        return None
    if not all(isinstance(t, Tensor) for t in tensors):
        return None
    return tensors, dict(zip(("beta", "alpha"), numbers))
