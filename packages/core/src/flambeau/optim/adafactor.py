"""Adafactor: the mean square of a matrix's gradient kept as one row and one column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau
from flambeau.optim.optimizer import Optimizer, ParamsT
from flambeau.optim.options import scalar
from flambeau.runtime.tensor import Tensor

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adafactor (Shazeer and Stern, 2018): adaptive steps with little memory.

    The second moment of a matrix is estimated by the outer product of its row and column means, that of a
    vector is kept in full. The update is clipped to a root mean square of `d` and scaled by that of the
    parameter, at least ``eps[1]``, and by ``min(lr, 1 / sqrt(t))``.

    `foreach` is accepted and changes nothing.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.Adafactor([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step(); w.detach()
    tensor([ 0.8419, -1.8419])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters once from their `.grad`; returns the loss if a `closure` gives it."""
        loss = None
        if closure is not None:
            with flambeau.enable_grad():
                loss = closure()
        with flambeau.no_grad():
            for group in self.param_groups:
                if self._step_native(group):
                    continue
                for p in group["params"]:
                    if p.grad is not None:
                        if p.grad.is_sparse:
                            raise RuntimeError("Adafactor does not support sparse gradients")
                        self._update(group, p, -p.grad if group["maximize"] else p.grad)
        return loss

    def _step_native(self, group: dict[str, Any]) -> bool:
        """The step of a group of plain arrays in one call; False, with nothing changed, where they are something else."""
        from flambeau.backends.cpu import lists  # here: importing must not pay for ctypes
        from flambeau.optim import adafactor_native

        params = [p for p in group["params"] if p.grad is not None]
        found = lists.listed([(p, p.grad) for p in params], read_only=1)
        if found is None or found.parts == 2:
            return False
        options = {key: scalar(value) for key, value in group.items() if key != "params"}
        return adafactor_native.step(found, params, [self.state[p] for p in params], options)

    def _update(self, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        state = self.state[p]
        if not state:
            self._begin(state, g)
        state["step"] += 1
        step = state["step"].item()
        lr = scalar(group["lr"])
        eps1, eps2 = group["eps"]
        eps1 = flambeau.finfo(p.dtype).eps if eps1 is None else eps1
        size = max(eps2, _rms(p)) * min(lr, 1 / step**0.5)
        if group["weight_decay"] != 0:
            p *= 1 - lr * group["weight_decay"]
        variance = _variance(state, g, step ** group["beta2_decay"], eps1)
        update = variance.clamp(min=eps1 * eps1).rsqrt() * g
        p -= size / max(1.0, _rms(update) / group["d"]) * update

    @staticmethod
    def _begin(state: dict[str, Any], g: Tensor) -> None:
        state["step"] = flambeau.tensor(0.0)
        if g.dim() > 1:
            state["row_var"] = g.new_zeros((*g.shape[:-1], 1))
            state["col_var"] = g.new_zeros((*g.shape[:-2], 1, g.shape[-1]))
        else:
            state["variance"] = flambeau.zeros_like(g)


def _rms(x: Tensor) -> float:
    """Root mean square."""
    return (x * x).mean().sqrt().item()


def _variance(state: dict[str, Any], g: Tensor, weight: float, eps: float) -> Tensor:
    """The running mean square of the gradient, after `g` joined it with `weight`."""
    square = g * g
    if g.dim() <= 1:
        state["variance"] += weight * (square - state["variance"])
        return state["variance"]
    row, col = state["row_var"], state["col_var"]
    row += weight * (square.mean(dim=-1, keepdim=True) - row)
    col += weight * (square.mean(dim=-2, keepdim=True) - col)
    return row @ col / row.mean(dim=-2, keepdim=True).clamp(min=eps)
