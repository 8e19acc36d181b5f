"""L-BFGS: a quasi-Newton method for few parameters and gradients without noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau
from flambeau.optim import inner
from flambeau.optim.line_search import strong_wolfe
from flambeau.optim.optimizer import Optimizer, ParamsT
from flambeau.optim.options import check_lr
from flambeau.runtime.tensor import Tensor

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS: directions from the last `history_size` changes of the gradient.

    `step` needs a closure that clears the gradients, computes the loss, calls `backward` and returns the
    loss; it is called up to `max_eval` times a step (``max_iter * 5 // 4`` if None). `line_search_fn` is
    None, for steps of size `lr`, or ``"strong_wolfe"``. All parameters form one group.

    >>> import flambeau
    >>> w = flambeau.nn.Parameter(flambeau.tensor([1.0, -2.0]))
    >>> optimizer = flambeau.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 3) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> before = optimizer.step(closure)
    >>> w.detach()
    tensor([3.0000, 3.0000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Iterates up to `max_iter` times; returns the loss from before."""
        with flambeau.no_grad():
            return self._step(closure)

    def _step(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = self._evaluated(closure)
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if _largest(gradient) <= group["tolerance_grad"]:
            return first_loss
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(state, gradient)
            size = self._first_size(state, gradient)
            state["prev_flat_grad"], state["prev_loss"] = gradient.clone(), loss
            slope = inner.dot(gradient, direction)
            state["d"], state["t"] = direction, size
            if slope > -group["tolerance_change"]:
                break
            before, last = loss, iteration == group["max_iter"]
            loss, gradient, size, count = self._moved(
                closure, direction, size, loss, gradient, slope, evaluations, last
            )
            state["t"] = size
            evaluations += count
            state["func_evals"] += count
            if (
                last
                or evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(direction * size) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first_loss

    def _direction(self, state: dict[str, Any], gradient: Tensor) -> Tensor:
        """Minus the inverse Hessian, as the history tells it, times the gradient: the two-loop recursion."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -gradient
        self._remember(state, gradient)
        changes, steps, weights = state["old_dirs"], state["old_stps"], state["ro"]
        alphas = state.setdefault("al", [None] * self.param_groups[0]["history_size"])
        q = -gradient
        for i in reversed(range(len(changes))):
            alphas[i] = inner.dot(steps[i], q) * weights[i]
            inner.add_scaled(q, changes[i], -alphas[i])
        q = q * state["H_diag"]
        for i in range(len(changes)):
            inner.add_scaled(q, steps[i], alphas[i] - inner.dot(changes[i], q) * weights[i])
        return q

    def _remember(self, state: dict[str, Any], gradient: Tensor) -> None:
        """Adds the last step to the history, if the curvature along it is positive."""
        change = gradient - state["prev_flat_grad"]
        step = state["d"] * state["t"]
        curvature = inner.dot(change, step)
        if curvature <= 1e-10:
            return
        if len(state["old_dirs"]) == self.param_groups[0]["history_size"]:
            for name in ("old_dirs", "old_stps", "ro"):
                state[name].pop(0)
        state["old_dirs"].append(change)
        state["old_stps"].append(step)
        state["ro"].append(1.0 / curvature)
        state["H_diag"] = curvature / inner.dot(change, change)

    def _first_size(self, state: dict[str, Any], gradient: Tensor) -> Any:
        lr: Any = self.param_groups[0]["lr"]
        lr = lr.reshape(()) if isinstance(lr, Tensor) else lr
        if state["n_iter"] > 1:
            return lr
        return min(1.0, 1.0 / inner.sizes(gradient)) * lr

    def _moved(
        self,
        closure: Callable[[], Any],
        direction: Tensor,
        size: Any,
        loss: float,
        gradient: Tensor,
        slope: Tensor,
        evaluations: int,
        last: bool,
    ) -> tuple[float, Tensor, Any, int]:
        """Walks along `direction`; the loss and gradient there, the size used and the evaluations spent."""
        group = self.param_groups[0]
        if group["line_search_fn"] is None:
            self._add(direction, size)
            if last:
                return loss, gradient, size, 0
            return float(self._evaluated(closure)), self._gradient(), size, 1
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        start = [p.clone() for p in self._params]

        def along(step: Any) -> tuple[float, Tensor]:
            self._add(direction, step)
            found = float(self._evaluated(closure)), self._gradient()
            for p, value in zip(self._params, start, strict=True):
                p.copy_(value)
            return found

        most = group["max_eval"] - evaluations
        loss, gradient, size, count = strong_wolfe(
            along, size, direction, loss, gradient, slope, max_ls=most
        )
        self._add(direction, size)
        return loss, gradient, size, count

    def _evaluated(self, closure: Callable[[], Any]) -> Any:
        with flambeau.enable_grad():
            return closure()

    def _gradient(self) -> Tensor:
        """All gradients in one vector, zeros where there is none."""
        parts = [
            flambeau.zeros_like(p) if p.grad is None else p.grad.to_dense() for p in self._params
        ]
        return flambeau.cat([_flat(part) for part in parts])

    def _add(self, direction: Tensor, size: Any) -> None:
        offset = 0
        for p in self._params:
            p = flambeau.view_as_real(p) if p.is_complex() else p
            inner.add_scaled(p, direction[offset : offset + p.numel()].reshape(p.shape), size)
            offset += p.numel()


def _flat(x: Tensor) -> Tensor:
    return (flambeau.view_as_real(x) if x.is_complex() else x).reshape(-1)


def _largest(x: Tensor) -> Any:
    return x.abs().max()
