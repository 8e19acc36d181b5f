"""Losses of two tensors of one shape, summed or averaged: `kernels/losses.c`, one pass forward and one backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...runtime.claims import claim
from ...runtime.operator import registry
from .native import Kernels, address
from .offers import FLOATS, of_kinds
from .softmax import dense

kernels = Kernels("losses.c")
PIECE = 16384  # elements that are summed together, as in C
# Each loss: its number in C, and the argument that says where it turns from a square to a line.
LOSSES: dict[str, tuple[int, str | None]] = {
    "mse_loss": (0, None), "l1_loss": (1, None), "huber_loss": (2, "delta"), "smooth_l1_loss": (3, "beta"),
    "binary_cross_entropy_with_logits": (4, None),
}  # fmt: skip


def _accepts(turn: str | None) -> Callable[[list, dict], bool]:
    def accepts(metas: list, attrs: dict[str, Any]) -> bool:
        """Two tensors of one shape and dtype, no weights, one number as the result."""
        x, target, *weights = metas
        if x.shape != target.shape or x.dtype is not target.dtype or not x.numel:
            return False
        if attrs["reduction"] not in ("mean", "sum") or any(w is not None for w in weights):
            return False
        return turn is None or (type(attrs[turn]) in (int, float) and attrs[turn] > 0)

    return accepts


def _of(x: np.ndarray) -> Any:
    return kernels.float32 if x.itemsize == 4 else kernels.float64


def _scale(x: np.ndarray, reduction: str) -> float:
    return 1 / x.size if reduction == "mean" else 1.0


def _pair(number: int, turn: str | None) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Forward and backward of one loss."""

    def forward(x: Any, t: Any, *_: Any, wants: bool, reduction: str, **attrs: Any) -> tuple:
        x, t = dense(x), dense(t)
        out, parts = np.empty((), x.dtype), np.empty(-(-x.size // PIECE))
        bound = 1.0 if turn is None else attrs[turn]
        _of(x).loss(
            address(x), address(t), address(parts), address(out), x.size, number, bound, _scale(x, reduction)
        )  # fmt: skip
        return out, ()

    def backward(
        g: Any, _out: Any, _kept: tuple, needs: tuple, x: Any, t: Any, *rest: Any, reduction: str, **attrs: Any
    ) -> list:  # fmt: skip
        x, t = dense(x), dense(t)
        made = [np.empty(x.shape, x.dtype) if need else None for need in needs[:2]]
        bound = 1.0 if turn is None else attrs[turn]
        _of(x).loss_back(
            address(g), address(x), address(t), *[None if m is None else address(m) for m in made], x.size, number,
            bound, _scale(x, reduction),
        )  # fmt: skip
        return [*made, *[None] * len(rest)]

    return forward, backward


def register() -> None:
    """Enters the claims; called when one of the losses is first called."""
    for name, (number, turn) in LOSSES.items():
        accepts = of_kinds(FLOATS, _accepts(turn))
        claim(registry[name], "cpu", accepts, *_pair(number, turn), keeps_result=False)
