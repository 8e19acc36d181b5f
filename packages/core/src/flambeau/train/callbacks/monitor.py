"""One of a trainer's numbers, and whether it has become better."""

from __future__ import annotations

from typing import Any

__all__ = ["Monitor"]


class Monitor:
    """Watches the number `name`: the smaller the better, or with `mode="max"` the larger.

    `name` None is the validation loss, or the training loss where there is none.
    """

    def __init__(self, owner: str, name: str | None, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"{owner}: mode={mode!r}, expected 'min' or 'max'")
        self.owner = owner
        self.name = name
        self.sign = 1.0 if mode == "min" else -1.0
        self.min_delta = abs(min_delta)
        self.best: float | None = None

    def improved(self, logs: dict[str, float]) -> bool:
        """Whether the number is better than ever; remembers it if so. NaN never is."""
        value = self._value(logs)
        if value != value:
            return False
        if self.best is not None and self.sign * (self.best - value) <= self.min_delta:
            return False
        self.best = value
        return True

    def _value(self, logs: dict[str, Any]) -> float:
        name = self.name or ("val_loss" if "val_loss" in logs else "loss")
        if name not in logs:
            raise ValueError(f"{self.owner}: monitor={name!r} is not among {', '.join(logs)}")
        return float(logs[name])
