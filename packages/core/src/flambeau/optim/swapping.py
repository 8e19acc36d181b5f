"""Stepping other tensors with a live optimizer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flambeau.optim.optimizer import Optimizer
from flambeau.runtime.tensor import Tensor

__all__ = ["swap_in_optimizer_params_and_state"]


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer,
    swapin_parameters: Mapping[str, Tensor],
    swapin_optim_state: dict[str, Any],
) -> Iterator[None]:
    """Gives an optimizer other parameters, state and options for the length of a `with` block.

    `swapin_parameters` has tensors in the order of the optimizer's own, `swapin_optim_state` what `state_dict()`
    would give. Tensors of that state are updated in place; what else changes inside is forgotten, and the optimizer
    comes out as it went in. RuntimeError where groups, parameters or their numbers do not fit, or before the first step.

    >>> import flambeau
    >>> w, other = flambeau.ones(1, requires_grad=True), flambeau.zeros(1, requires_grad=True)
    >>> optimizer = flambeau.optim.Adam([w], lr=0.5)
    >>> w.grad = flambeau.ones(1); optimizer.step()
    >>> other.grad = flambeau.ones(1)
    >>> with swap_in_optimizer_params_and_state(optimizer, {"other": other}, optimizer.state_dict()):
    ...     optimizer.step()
    >>> w.detach(), other.detach()
    (tensor([0.5000]), tensor([-0.5000]))
    """
    if not optimizer.state:
        raise RuntimeError(
            "swap_in_optimizer_params_and_state: the optimizer has no state before its first step"
        )
    saved, state = swapin_optim_state["param_groups"], swapin_optim_state["state"]
    extra = set(state).difference(*(group["params"] for group in saved))
    if extra:
        raise RuntimeError(
            f"swap_in_optimizer_params_and_state: the state has entries of no parameter: {sorted(extra, key=str)}"
        )
    groups = _filled(optimizer, list(swapin_parameters.values()), saved)
    before, options = optimizer.state, [dict(group) for group in optimizer.param_groups]
    swapped: defaultdict[Tensor, Any] = defaultdict(dict)
    for new, group in zip(groups, saved, strict=True):
        for p, number in zip(new["params"], group["params"], strict=True):
            swapped[p] = dict(state.get(number, {}))
    try:
        for live, new in zip(optimizer.param_groups, groups, strict=True):
            live.update(new)
        optimizer.state = swapped
        yield
    finally:
        for live, own in zip(optimizer.param_groups, options, strict=True):
            live.clear()
            live.update(own)
        optimizer.state = before


def _filled(
    optimizer: Optimizer, params: list[Tensor], saved: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The saved groups with tensors in the place of numbers."""
    if len(saved) != len(optimizer.param_groups):
        raise RuntimeError(
            f"swap_in_optimizer_params_and_state: the state has {len(saved)} parameter groups, the optimizer {len(optimizer.param_groups)}"
        )
    sizes = [len(group["params"]) for group in saved]
    own = [len(group["params"]) for group in optimizer.param_groups]
    if sizes != own or sum(sizes) != len(params):
        raise RuntimeError(
            f"swap_in_optimizer_params_and_state: expected groups of {own} parameters, got {len(params)} tensors "
            f"and a state of groups of {sizes}"
        )
    left = iter(params)
    return [group | {"params": [next(left) for _ in group["params"]]} for group in saved]
