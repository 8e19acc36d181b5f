"""`GradScaler`: keeps float16 gradients from vanishing, by scaling the loss and unscaling before the optimizer's step.

One float scales everything: doubled after `growth_interval` good steps, halved after a step whose gradients overflowed,
which is skipped. It needs nothing of a device, and works on the CPU too.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .._base import dtypes
from ..autograd.modes import no_grad
from ..ops.creation import full
from ..runtime.operator import registry
from ..runtime.state import as_effect, groups_of
from ..runtime.tensor import Tensor

if TYPE_CHECKING:
    from ..optim import Optimizer

READY, UNSCALED, STEPPED = "ready", "unscaled", "stepped"
_LARGEST = (2 - 2.0**-23) * 2.0**127  # of float32: the scale stays below it


class _Stage:
    """How far one optimizer is since the last `update()`, and whether its gradients overflowed (None: not looked)."""

    __slots__ = ("overflowed", "stage")

    def __init__(self) -> None:
        self.stage = READY
        self.overflowed: bool | None = None


class GradScaler:
    """Scales losses, unscales gradients, skips the step where these are not finite, and adapts the scale.

    >>> import flambeau
    >>> x = flambeau.ones(2, requires_grad=True)
    >>> optimizer = flambeau.optim.SGD([x], lr=0.5)
    >>> scaler = flambeau.amp.GradScaler("cpu")
    >>> scaler.scale(x.sum()).backward()
    >>> x.grad
    tensor([65536., 65536.])
    >>> scaler.step(optimizer)
    >>> scaler.update(); x.grad, x.detach()
    (tensor([1., 1.]), tensor([0.5000, 0.5000]))
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device, self._enabled = device, enabled
        if enabled and device == "cuda":
            from ..cuda import is_available

            if not is_available():
                warnings.warn(
                    "flambeau.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                    stacklevel=2,
                )
                self._enabled = False
        if self._enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if self._enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale, self._init_growth_tracker = init_scale, 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._scale: Tensor | None = None  # on the device of the first loss
        self._growth_tracker = 0
        self._stages: dict[int, _Stage] = {}

    def scale(self, outputs: Any) -> Any:
        """`outputs`, a tensor or nested iterables of tensors, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._start(outputs.device)
            scale: Any = self._scale
            return outputs * scale.to(outputs.device)
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    @as_effect
    def _start(self, device: Any) -> None:
        if self._scale is None:
            self._scale = full((), self._init_scale, dtype=dtypes.float32, device=device)
            self._growth_tracker = self._init_growth_tracker

    @as_effect
    def unscale_(self, optimizer: Optimizer) -> None:
        """Divides the optimizer's gradients by the scale: for clipping, between `backward()` and `step()`."""
        if not self._enabled:
            return
        scale = self._started("unscale_")
        stage = self._stage(optimizer)
        if stage.stage == UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if stage.stage == STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        stage.overflowed = _unscale(optimizer, 1.0 / scale.item())
        stage.stage = UNSCALED

    @as_effect
    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(*args, **kwargs)` on unscaled gradients, unless one of these is infinite or NaN."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._started("step")
        stage = self._stage(optimizer)
        if stage.stage == STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if stage.stage == READY:
            self.unscale_(optimizer)
        if stage.overflowed is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        made = None if stage.overflowed else optimizer.step(*args, **kwargs)
        stage.stage = STEPPED
        return made

    @as_effect
    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Ends an iteration: adapts the scale to what the steps met, or sets it to `new_scale`."""
        if not self._enabled:
            return
        scale = self._started("update")
        if new_scale is None:
            self._adapt(scale)
        else:
            self._set(scale, new_scale)
        self._stages = {}

    def _adapt(self, scale: Tensor) -> None:
        looked = [s.overflowed for s in self._stages.values() if s.overflowed is not None]
        if not looked:
            raise AssertionError("No inf checks were recorded prior to update.")
        if any(looked):
            scale.mul_(self._backoff_factor)
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker == self._growth_interval:
            grown = scale.item() * self._growth_factor
            if grown < _LARGEST:  # stays where the next one would be infinite
                scale.fill_(grown)
            self._growth_tracker = 0

    def _set(self, scale: Tensor, new_scale: float | Tensor) -> None:
        if isinstance(new_scale, Tensor):
            if (
                new_scale.device.type != self._device
                or new_scale.numel() != 1
                or new_scale.requires_grad
            ):
                raise AssertionError(
                    "new_scale should be a float or a 1-element tensor on the scaler's device with requires_grad=False."
                )
            new_scale = new_scale.item()
        scale.fill_(float(new_scale))

    def _started(self, function: str) -> Tensor:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {function} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )
        return self._scale

    def _stage(self, optimizer: Optimizer) -> _Stage:
        return self._stages.setdefault(id(optimizer), _Stage())

    def get_scale(self) -> float:
        """The scale as a number; 1.0 where disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the scale grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Sets what the scale grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale shrinks by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Sets what the scale shrinks by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps in a row make the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Sets how many good steps in a row make the scale grow."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether this scaler does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The state as five numbers, under PyTorch's names; empty where disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._init_growth_tracker
            if self._scale is None
            else self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continues from what `state_dict()` gave, here or in PyTorch."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        self._growth_factor, self._backoff_factor = (
            state_dict["growth_factor"],
            state_dict["backoff_factor"],
        )
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = self._growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None:
            self._scale.fill_(self._init_scale)

    def __getstate__(self) -> dict[str, Any]:
        if self._stages:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end after "
                "scaler.update()."
            )
        tracker = self.state_dict().get("_growth_tracker", 0)
        return self.__dict__ | {
            "_init_scale": self.get_scale(),
            "_init_growth_tracker": tracker,
            "_scale": None,
        }


def _unscale(optimizer: Optimizer, factor: float) -> bool | None:
    """Multiplies the gradients by `factor`; whether one was not finite, None where there are no gradients."""
    found = None
    all_finite = registry["isfinite"].public
    whole = _unscale_lists(optimizer, factor)
    if whole is not None:
        return whole
    with no_grad():
        for group in groups_of(optimizer):
            for parameter in group["params"]:
                g = parameter.grad
                if g is None:
                    continue
                if g.dtype is dtypes.float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                numbers = g.coalesce().values() if g.is_sparse else g
                found = bool(found) or not bool(all_finite(numbers).all())
                g.mul_(factor)
    return found


def _unscale_lists(optimizer: Optimizer, factor: float) -> bool | None:
    """`_unscale` in one pass over all gradients, where these are plain arrays of one dtype; else None."""
    from ..backends.cpu import lists

    grads = [p.grad for group in groups_of(optimizer) for p in group["params"]]
    grads = [g for g in grads if g is not None]
    found = lists.listed([(g,) for g in grads])
    if found is None:
        return None
    bad = found.functions.scale(found.table, found.ends, found.rows, factor, found.sums())
    for g in grads:
        g._bump()
    return bad != 0
