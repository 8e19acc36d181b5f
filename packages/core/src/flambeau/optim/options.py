"""Checks of the options that optimizers share, with PyTorch's wording."""

from __future__ import annotations

from typing import Any

from flambeau.runtime.tensor import Tensor

__all__ = ["check_betas", "check_implementation", "check_lr", "check_positive", "scalar"]


def check_positive(**named: float | Tensor) -> None:
    """ValueError for the first of `named` that is negative; the name's words are the message's."""
    for name, value in named.items():
        if not 0.0 <= value:
            label = {"lr": "learning rate", "eps": "epsilon value"}.get(name, f"{name} value")
            raise ValueError(f"Invalid {label}: {value}")


def check_lr(lr: float | Tensor) -> None:
    """ValueError unless the learning rate is one number that is not negative."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    check_positive(lr=lr)


def check_betas(betas: tuple[float | Tensor, float | Tensor]) -> None:
    """ValueError unless both decay rates lie in [0, 1)."""
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def check_implementation(
    foreach: bool | None, fused: bool | None, differentiable: bool, capturable: bool, lr: Any
) -> None:
    """Refuses the combinations of `foreach`, `fused` and `differentiable` that PyTorch refuses."""
    if isinstance(lr, Tensor) and foreach and not capturable:
        raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def scalar(value: Any) -> Any:
    """A Python number of a one-element tensor, anything else as it is; tuples are done inside."""
    if isinstance(value, Tensor):
        return value.item()
    if isinstance(value, tuple):
        return tuple(scalar(v) for v in value)
    return value
