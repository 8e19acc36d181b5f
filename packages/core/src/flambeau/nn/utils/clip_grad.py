"""Keeping gradients from growing too large, in place."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

from flambeau._base import dtypes
from flambeau.autograd.modes import no_grad
from flambeau.ops.creation import tensor
from flambeau.ops.joining import stack
from flambeau.runtime.tensor import Tensor

_NATIVE = (dtypes.float32, dtypes.float64)


def _lists() -> Any:
    """Calls for many arrays at once; imported here, because importing `nn` must not pay for ctypes."""
    from flambeau.backends.cpu import lists

    return lists


def _listed(parameters: Any) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _grads(parameters: Any) -> list[Tensor]:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as if they were one vector.

    Raises:
        RuntimeError: if it is infinite or nan and `error_if_nonfinite` is set.

    >>> import flambeau
    >>> flambeau.nn.utils.get_total_norm([flambeau.tensor([3.0]), flambeau.tensor([4.0])])
    tensor(5.)
    """
    tensors = _listed(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return tensor(0.0)
    total = _native_norm(tensors) if norm_type == 2.0 else None
    if total is None:
        total = _norm_of_norms(tensors, norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so "
            "it cannot be clipped. To disable this error and scale the gradients by the non-finite "
            "norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def _norm_of_norms(tensors: list[Tensor], norm_type: float) -> Tensor:
    device = tensors[0].device
    return stack([t.norm(norm_type).to(device) for t in tensors]).norm(norm_type)


def _native_norm(tensors: list[Tensor]) -> Tensor | None:
    """The 2-norm of all in one pass over plain arrays; None where they are something else."""
    found = _lists().listed([(t,) for t in tensors], read_only=0)
    if found is None:
        return None
    squares = found.functions.sum_of_squares(found.table, found.ends, found.rows, found.sums())
    return tensor(math.sqrt(squares), dtype=getattr(dtypes, found.real))


@no_grad()
def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale gradients by ``max_norm / total_norm`` where that is less than 1."""
    factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
    grads = _grads(parameters)
    found = _lists().listed([(g,) for g in grads]) if factor.dtype in _NATIVE else None
    if found is None:
        for grad in grads:
            grad.mul_(factor.to(grad.device))
    elif factor.item() != 1:
        found.functions.scale(found.table, found.ends, found.rows, factor.item(), found.sums())
        _written(grads)


@no_grad()
def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients so that their norm, taken together, is at most `max_norm`.

    Returns:
        The norm before.

    >>> import flambeau
    >>> p = flambeau.zeros(2, requires_grad=True)
    >>> p.grad = flambeau.tensor([3.0, 4.0])
    >>> flambeau.nn.utils.clip_grad_norm_(p, 1.0), p.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    listed: Iterable[Tensor] = _listed(parameters)
    total = get_total_norm(_grads(listed), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(listed, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Old name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients to [-clip_value, clip_value].

    >>> import flambeau
    >>> p = flambeau.zeros(2, requires_grad=True)
    >>> p.grad = flambeau.tensor([3.0, -4.0])
    >>> flambeau.nn.utils.clip_grad_value_(p, 1.0)
    >>> p.grad
    tensor([ 1., -1.])
    """
    value = float(clip_value)
    grads = _grads(parameters)
    found = _lists().listed([(g,) for g in grads])
    if found is None or found.parts == 2 or value != value:
        for grad in grads:
            grad.clamp_(min=-value, max=value)
    else:
        found.functions.clamp(found.table, found.ends, found.rows, -value, value)
        _written(grads)


def _written(tensors: list[Tensor]) -> None:
    for t in tensors:
        t._bump()
