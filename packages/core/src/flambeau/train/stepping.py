"""One optimizer step: precision, accumulation of gradients, clipping."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import flambeau
from flambeau import nn

__all__ = ["Stepper"]


class Stepper:
    """Takes losses to gradients and gradients to steps.

    `amp` is the dtype of products, None for float32. With float16 the loss is scaled, so that small gradients do not
    vanish, and a step with infinite ones is left out (`flambeau.amp.GradScaler`).
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Any,
        *,
        amp: Any,
        clip_grad_norm: float | None,
        clip_grad_value: float | None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.amp = amp
        self.clip_grad_norm = clip_grad_norm
        self.clip_grad_value = clip_grad_value
        self.scaler = flambeau.amp.GradScaler(self.device, enabled=amp is flambeau.float16)

    @property
    def device(self) -> str:
        """The kind of device that the model is on."""
        parameter = next(self.model.parameters(), None)
        return "cpu" if parameter is None else parameter.device.type

    def precision(self) -> AbstractContextManager[Any]:
        """What forward runs in."""
        if self.amp is None:
            return nullcontext()
        return flambeau.autocast(self.device, dtype=self.amp)

    def backward(self, loss: flambeau.Tensor, parts: int) -> None:
        """Adds the gradients of one of `parts` batches that make a step together."""
        self.scaler.scale(loss / parts if parts > 1 else loss).backward()

    def step(self) -> None:
        """Clips, steps, and forgets the gradients."""
        if self.clip_grad_norm is not None or self.clip_grad_value is not None:
            self.scaler.unscale_(self.optimizer)
        if self.clip_grad_value is not None:
            nn.utils.clip_grad_value_(self.model.parameters(), self.clip_grad_value)
        if self.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
