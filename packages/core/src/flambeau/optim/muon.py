"""Muon: momentum whose update is made orthogonal, for the matrices inside a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import flambeau
from flambeau.optim.optimizer import Optimizer, ParamsT
from flambeau.optim.options import scalar
from flambeau.runtime.tensor import Tensor

__all__ = ["Muon"]


class Muon(Optimizer):
    """Muon (Jordan, 2024): ``p -= lr * orthogonal(momentum)``, for parameters with two dimensions.

    The momentum's nearest orthogonal matrix is approached by `ns_steps` Newton-Schulz iterations in
    bfloat16. `adjust_lr_fn` scales the step with the shape: ``"original"`` by ``sqrt(max(1, rows / cols))``,
    ``"match_rms_adamw"`` by ``0.2 * sqrt(max(rows, cols))``. Leave biases, embeddings and the last layer to
    AdamW.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.eye(2))
    >>> optimizer = flambeau.optim.Muon([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); bool((w.diagonal() < 1).all())
    True
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 <= momentum:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        if len(ns_coefficients) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def _check_param(self, p: Any) -> None:
        super()._check_param(p)
        if p.ndim != 2:
            raise ValueError(
                f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters once from their `.grad`; returns the loss if a `closure` gives it."""
        loss = None
        if closure is not None:
            with flambeau.enable_grad():
                loss = closure()
        with flambeau.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        if p.grad.is_sparse:
                            raise RuntimeError("Muon does not support sparse gradients")
                        self._update(group, p, p.grad)
        return loss

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = flambeau.zeros_like(g)
        buffer, momentum, lr = state["momentum_buffer"], group["momentum"], scalar(group["lr"])
        buffer += (1 - momentum) * (g - buffer)
        update = g + momentum * (buffer - g) if group["nesterov"] else buffer
        update = _orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p *= 1 - lr * group["weight_decay"]
        p -= lr * _shape_factor(group["adjust_lr_fn"], *p.shape) * update.to(p.dtype)


def _orthogonal(
    x: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """Near the orthogonal factor of `x`, by Newton-Schulz iterations in bfloat16."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = _rounded(x.T if tall else x)
    x = _rounded(x / _rounded((x * x).sum().sqrt()).clamp(min=eps))
    for _ in range(steps):
        gram = _rounded(x @ x.T)
        x = _rounded(a * x + _rounded(b * gram + c * (gram @ gram)) @ x)
    return x.T if tall else x


def _rounded(x: Tensor) -> Tensor:
    """`x` to the precision of bfloat16, kept as float32: products are summed in float32, then rounded once."""
    return x.bfloat16().float()


def _shape_factor(name: str | None, rows: int, columns: int) -> float:
    if name == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
