"""Adam for sparse gradients: only the rows that were used move."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import flambeau
from flambeau.optim.optimizer import Optimizer, ParamsT
from flambeau.optim.options import scalar
from flambeau.runtime.tensor import Tensor

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam on the entries of a sparse gradient; what the gradient does not name keeps its value and its moments.

    For tables such as ``nn.Embedding(sparse=True)``: ``m = b1 * m + (1 - b1) * g``, ``v = b2 * v + (1 - b2) * g**2``
    and ``p -= lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + eps)``, each at the entries of `g` alone. The moments
    of a row used again later have not decayed in between, which is where it differs from Adam.

    >>> import flambeau
    >>> table = flambeau.nn.Embedding(3, 1, sparse=True)
    >>> table.weight.data.fill_(1.0).flatten()
    tensor([1., 1., 1.])
    >>> optimizer = flambeau.optim.SparseAdam(table.parameters(), lr=0.1)
    >>> table(flambeau.tensor([1])).sum().backward()
    >>> optimizer.step(); table.weight.detach().flatten()
    tensor([1.0000, 0.9000, 1.0000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        self._refuse("Sparse", "requires dense parameter tensors", lambda p: p.is_sparse)
        self._refuse("Complex", "does not support complex parameters", lambda p: p.is_complex())

    def _refuse(self, kind: str, why: str, wrong: Callable[[Tensor], bool]) -> None:
        found = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, p in enumerate(group["params"])
            if wrong(p)
        ]
        if found:
            raise ValueError(f"{kind} params at indices {found}: SparseAdam {why}")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters once from their sparse `.grad`; returns the loss if a `closure` gives it."""
        loss = None
        if closure is not None:
            with flambeau.enable_grad():
                loss = closure()
        with flambeau.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._step(group, p)
        return loss

    def _step(self, group: dict[str, Any], p: Tensor) -> None:
        if not p.grad.is_sparse:
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )
        state = self.state[p]
        if not state:
            state["step"] = 0
            state["exp_avg"] = flambeau.zeros_like(p)
            state["exp_avg_sq"] = flambeau.zeros_like(p)
        state["step"] += 1
        at, g = entries(p.grad)
        if not g.numel():
            return
        g = -g if group["maximize"] else g
        beta1, beta2 = group["betas"]
        mean, square = state["exp_avg"][at], state["exp_avg_sq"][at]
        mean = mean + (g - mean) * (1 - beta1)
        square = square + (g * g - square) * (1 - beta2)
        write(state["exp_avg"], at, mean)
        write(state["exp_avg_sq"], at, square)
        t = state["step"]
        size = scalar(group["lr"]) * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        write(p, at, p[at] - size * (mean / (square.sqrt() + group["eps"])))


def entries(grad: Any) -> tuple[tuple[Tensor, ...], Tensor]:
    """(index of the entries, their values) of a sparse gradient, each place once."""
    grad = grad.coalesce()
    return grad._indices().unbind(0), grad._values()


def write(tensor: Tensor, at: tuple[Tensor, ...], values: Tensor) -> None:
    """Writes entries in place: into the memory itself, for a table may be large and the entries few."""
    array = tensor._array
    array[tuple(i._array for i in at)] = values._array
    tensor._bump()
