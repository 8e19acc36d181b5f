"""The base of the optimizers whose update treats every element alike: nearly all of them.

Such an optimizer is one rule over a parameter, its gradient and its buffers, written once with operators and
functions that NumPy arrays and Tensors share. It runs in three ways:

- compiled, for whole groups at once (`fused.py`; on a GPU `fused_cuda.py`);
- on the raw arrays of CPU tensors, in place and without dispatch; large ones in pieces that stay in the cache
  (an Adam step reads and writes its five arrays some twelve times: from memory that costs three times as much); this
  is what serves where nothing can be compiled, and the first steps of small groups;
- on Tensors for everything else: on a GPU, under a tracer (`flambeau.compile`), and with `capturable` or
  `differentiable`, where the step count and the learning rate are tensors too.

So there is one implementation, and `foreach` and `fused`, which choose among several in PyTorch, are accepted
and checked but change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import as_strided

import flambeau
from flambeau.optim.optimizer import Optimizer
from flambeau.optim.options import scalar
from flambeau.runtime import state as settings
from flambeau.runtime.tensor import Tensor

__all__ = ["Elementwise", "directed"]

# Elements a piece: five float32 arrays and three temporaries of this size fit into half a megabyte of cache.
PIECE = 16384

ndarray = np.ndarray


def directed(group: dict[str, Any], p: Any, g: Any) -> Any:
    """The gradient to descend along: turned round to maximize, with the weight decay's pull added.

    Decoupled weight decay shrinks `p` instead.
    """
    if group["maximize"]:
        g = -g
    if group["weight_decay"] != 0:
        if group.get("decoupled_weight_decay", False):
            p *= 1 - group["lr"] * group["weight_decay"]
        else:
            g = g + group["weight_decay"] * p
    return g


class Elementwise(Optimizer):
    """An optimizer given by a rule over elements; see the module's docstring.

    A subclass names its buffers and writes `_rule`; where the rule needs numbers that change with the step,
    `_numbers`. Both must work for arrays with Python numbers and for tensors with 0-d tensors.
    """

    _counts_steps: ClassVar[bool] = True
    # State besides the step count that `_numbers` reads and changes.
    _own_numbers: ClassVar[tuple[str, ...]] = ()

    def _buffers(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Names of the state that the rule updates, in its order."""
        raise NotImplementedError

    def _initial(self, name: str, group: dict[str, Any], p: Tensor) -> Tensor:
        """What the buffer `name` starts with."""
        return flambeau.zeros_like(p)

    def _numbers(self, group: dict[str, Any], state: dict[str, Any], step: Any, fresh: bool) -> Any:
        """What the rule needs besides arrays and options, for the step of this number."""
        return None

    @staticmethod
    def _rule(xp: Any, group: dict[str, Any], numbers: Any, p: Any, g: Any, *buffers: Any) -> None:
        """Updates `p` and `buffers` in place; `xp` is NumPy or flambeau."""
        raise NotImplementedError

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for p in group["params"]:
                saved = self.state.get(p) or {}
                if "step" in saved and not isinstance(saved["step"], Tensor):
                    saved["step"] = self._number(group, p, float(saved["step"]))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters once from their `.grad`; returns the loss if a `closure` gives it."""
        loss = None
        if closure is not None:
            with flambeau.enable_grad():
                loss = closure()
        traced = _traced()
        for group in self.param_groups:
            if traced or group.get("capturable") or group.get("differentiable"):
                self._step_tensors(group, group["params"])
            else:
                self._step_arrays(group)
        return loss

    # -- the two ways

    def _step_arrays(self, group: dict[str, Any]) -> None:
        """The step of a group on raw arrays; parameters that are not plain CPU tensors go the other way."""
        if _native().step(self, group):
            return
        names = self._buffers(group)
        options = {key: scalar(value) for key, value in group.items()}
        rest = []
        # Overflow is silent, as everywhere; see `runtime.state`.
        token = settings.error_state.set(settings.quiet)
        try:
            # Twenty small parameters are stepped in 30 us: what is not needed for each is not done for each.
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                array, g = getattr(p, "_array", None), getattr(grad, "_array", None)
                if type(array) is not ndarray or type(g) is not ndarray:
                    rest.append(p)
                    continue
                numbers: Any = None
                buffers: Sequence[ndarray] = ()
                if self._counts_steps or names:
                    numbers, buffers = self._state_arrays(options, p, names)
                if array.size > 2 * PIECE or array.dtype.kind == "c":
                    _in_pieces(self._rule, options, numbers, array, g, buffers)
                else:
                    self._rule(np, options, numbers, array, g, *buffers)
                p._bump()
        finally:
            settings.error_state.reset(token)
        if rest:
            from flambeau.optim import fused_cuda

            rest = fused_cuda.step(self, options, rest)
        if rest:
            self._step_tensors(group, rest)

    def _state_arrays(
        self, group: dict[str, Any], p: Tensor, names: tuple[str, ...]
    ) -> tuple[Any, list[np.ndarray]]:
        """The numbers and the buffers of a parameter for its next step."""
        state = self.state[p]
        fresh = _is_fresh(state, names)
        if fresh:
            self._begin(group, p, state, names)
        step = _advanced(state) if self._counts_steps else None
        return self._numbers(group, state, step, fresh), [state[n]._array for n in names]

    def _step_tensors(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """The step of some parameters with operators of flambeau, so that it can be traced or differentiated."""
        names = self._buffers(group)
        on_device = group.get("capturable") or group.get("differentiable") or _traced()
        options = group if on_device else {key: scalar(value) for key, value in group.items()}
        with flambeau.set_grad_enabled(bool(group.get("differentiable"))):
            for p in params:
                if p.grad is None:
                    continue
                self._step_tensor(options, p, names, bool(on_device))

    def _step_tensor(
        self, group: dict[str, Any], p: Tensor, names: tuple[str, ...], on_device: bool
    ) -> None:
        if p.grad.is_sparse:
            self._step_sparse(group, p)
            return
        state = self.state[p]
        fresh = _is_fresh(state, names)
        if fresh:
            self._begin(group, p, state, names)
        if group.get("differentiable"):
            # Earlier steps' graphs hold the buffers as they were: update copies.
            state.update({n: state[n].clone() for n in names})
        step = None
        if self._counts_steps:
            state["step"] += 1
            # In float32 1 - beta**step would lose four of seven digits at the first steps.
            step = state["step"].double() if on_device else state["step"].item()
        numbers = self._numbers(group, state, step, fresh)
        tensors = [p, p.grad, *(state[n] for n in names)]
        if p.is_complex():
            tensors = [flambeau.view_as_real(t) for t in tensors]
        self._rule(flambeau, group, numbers, *tensors)

    def _step_sparse(self, group: dict[str, Any], p: Tensor) -> None:
        """The step of a parameter whose gradient is sparse, where the optimizer has one."""
        name = type(self).__name__
        if name in ("Adam", "AdamW"):
            raise RuntimeError(
                "Adam does not support sparse gradients, please consider SparseAdam instead"
            )
        raise RuntimeError(f"{name} does not support sparse gradients")

    # -- state

    def _begin(
        self, group: dict[str, Any], p: Tensor, state: dict[str, Any], names: tuple[str, ...]
    ) -> None:
        """Makes the state of a parameter at its first step."""
        if self._counts_steps and "step" not in state:
            state["step"] = self._number(group, p, 0.0)
        with flambeau.no_grad():
            for name in names:
                state[name] = self._initial(name, group, p)

    def _number(self, group: dict[str, Any], p: Tensor, value: float) -> Tensor:
        """A number kept in the state: on the CPU, where reading it is free, unless it must be captured."""
        fused = group.get("fused")
        double = flambeau.get_default_dtype() == flambeau.float64 and not fused
        return flambeau.tensor(
            value,
            dtype=flambeau.float64 if double else flambeau.float32,
            device=p.device if group.get("capturable") or fused else "cpu",
        )


@cache
def _native() -> Any:
    """The native steps, which are looked for once: importing optimizers must not pay for ctypes."""
    from flambeau.optim import fused

    return fused


def _traced() -> bool:
    """Whether something must see every operator call: a tracer. (A profiler shows a step as one entry.)"""
    return bool(settings.active) and any(
        not getattr(mode, "watches", False) for mode in settings.local.modes
    )


def _is_fresh(state: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Whether a parameter's state is still to be made; PyTorch saves a buffer not made yet as None."""
    return bool(names) and state.get(names[0]) is None


def _advanced(state: dict[str, Any]) -> float:
    """Adds one to the step count and returns it."""
    count = state["step"]
    if type(getattr(count, "_array", None)) is not ndarray:
        count += 1
        return count.item()
    count._array += 1
    return float(count._array)


def _in_pieces(
    rule: Callable[..., None],
    group: dict[str, Any],
    numbers: Any,
    p: np.ndarray,
    g: np.ndarray,
    buffers: Sequence[np.ndarray],
) -> None:
    """The rule on raw arrays that are large or complex: in pieces where the memory is contiguous."""
    if p.dtype.kind == "c":
        p, g, *buffers = (_as_real(a) for a in (p, g, *buffers))
    if not all(a.flags.c_contiguous for a in (p, *buffers)):
        rule(np, group, numbers, p, g, *buffers)
        return
    flat = [a.reshape(-1) for a in (p, g, *buffers)]
    for start in range(0, p.size, PIECE):
        rule(np, group, numbers, *(a[start : start + PIECE] for a in flat))


def _as_real(array: np.ndarray) -> np.ndarray:
    """Real and imaginary parts as a last dimension, in the same memory."""
    real = array.real
    return as_strided(real, (*array.shape, 2), (*array.strides, real.itemsize))
