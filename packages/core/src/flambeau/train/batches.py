"""What a batch is: `(input, ..., target)`, on one device."""

from __future__ import annotations

from typing import Any

from flambeau._base import pytree
from flambeau.runtime.tensor import Tensor

__all__ = ["call", "inputs_of", "moved", "separated", "size_of"]


def moved(batch: Any, device: Any) -> Any:
    """The batch with its tensors on `device`; as it is where that is None."""
    if device is None:
        return batch
    return pytree.map_(lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, batch)


def separated(batch: Any) -> tuple[tuple[Any, ...], Any]:
    """The inputs and the target, which is the last entry."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise TypeError(
            f"Trainer: a batch is a {type(batch).__name__}, expected (input, ..., target); give step= for other kinds"
        )
    *inputs, target = batch
    return tuple(inputs), target


def inputs_of(batch: Any) -> tuple[Any, ...]:
    """The inputs of a batch to predict from: all of it, the one entry it has, or all but the target."""
    if not isinstance(batch, (tuple, list)):
        return (batch,)
    return tuple(batch) if len(batch) == 1 else tuple(batch[:-1])


def call(model: Any, inputs: tuple[Any, ...]) -> Any:
    """What the model answers; an input that is a dict becomes keyword arguments."""
    if len(inputs) == 1 and isinstance(inputs[0], dict):
        return model(**inputs[0])
    return model(*inputs)


def size_of(batch: Any) -> int:
    """How many samples a batch has: the first size of its first tensor, 1 if there is none."""
    for leaf in pytree.flatten(batch)[0]:
        if isinstance(leaf, Tensor) and leaf.ndim:
            return leaf.shape[0]
    return 1
