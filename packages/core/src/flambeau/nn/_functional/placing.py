"""`inplace=`: where a function's result goes."""

from __future__ import annotations

from flambeau.runtime.dispatch import assign
from flambeau.runtime.tensor import Tensor


def placed(result: Tensor, input: Tensor, inplace: bool) -> Tensor:
    """The result, written into the input where that was asked for."""
    return assign(input, result) if inplace else result


def kept(input: Tensor, inplace: bool) -> Tensor:
    """What a rule that reads its input computes on: a copy where the input is about to be overwritten."""
    return input.clone() if inplace and input.requires_grad else input
