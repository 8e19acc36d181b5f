"""Nested tensors: batches of tensors that differ in size, without padding.

>>> import flambeau
>>> words = flambeau.nested.nested_tensor([flambeau.ones(2, 4), flambeau.ones(3, 4)], layout=flambeau.jagged)
>>> flambeau.nn.functional.linear(words, flambeau.ones(1, 4)).sum(1).flatten()
tensor([ 8., 12.])
"""

from __future__ import annotations

from .functions import (
    as_nested_tensor,
    masked_select,
    narrow,
    nested_tensor,
    nested_tensor_from_jagged,
    to_padded_tensor,
)

__all__ = [
    "as_nested_tensor",
    "masked_select",
    "narrow",
    "nested_tensor",
    "nested_tensor_from_jagged",
    "to_padded_tensor",
]
