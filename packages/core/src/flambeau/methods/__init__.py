"""Tensor's methods: the registry's operators, their in-place twins, Python's operators, and what has no operator.

Nothing is defined here that an operator block could define.
"""

from __future__ import annotations

from ..runtime.tensor import Tensor
from .registered import NAMES  # first: what the others define takes the place of operators

# isort: split
from . import attributes, conversion, gradients, making, shapes, signs  # noqa: F401 -- they give Tensor its methods

# Who takes calls over (`__torch_function__`) reads their names; these functions are made or used under others.
for _name, _function in list(Tensor.__dict__.items()):
    if _name.startswith("__") and getattr(_function, "__name__", "") in (
        "call", "general", "reflected", "augmented", "compare", "forward", "getitem", "setitem",
    ):  # fmt: skip
        _function.__name__ = _name

__all__ = ["NAMES"]
