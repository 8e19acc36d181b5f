"""Full backward hooks: seeing and changing the gradients that pass through a module's call.

The tensors that go in and those that come out pass through one identity node each. The outer
node's backward runs first and gives the outputs' gradients, the inner one then has those of the
inputs, and calls the hooks with both.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from flambeau.autograd import Function, is_grad_enabled
from flambeau.runtime.tensor import Tensor


class _Relay(Function):
    """Passes tensors on unchanged; hands their gradients to a callback on the way back."""

    @staticmethod
    def forward(ctx: Any, callback: Callable[..., Any], *tensors: Tensor) -> Any:
        ctx.callback = callback
        ctx.set_materialize_grads(False)
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *ctx.callback(grads))


def _relayed(values: tuple[Any, ...], callback: Callable[[tuple], tuple]) -> tuple[Any, ...] | None:
    """The values with their tensors passed through one `_Relay`; None if no gradient can flow."""
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
    if not is_grad_enabled() or not any(values[i].requires_grad for i in places):
        return None
    count = len(values)

    def spread(grads: Sequence[Any]) -> tuple[Any, ...]:
        full = [None] * count
        for place, grad in zip(places, grads, strict=True):
            full[place] = grad
        answer = callback(tuple(full))
        return tuple(answer[place] for place in places)

    replaced = list(values)
    for place, tensor in zip(
        places, _Relay.apply(spread, *(values[i] for i in places)), strict=True
    ):
        replaced[place] = tensor
    return tuple(replaced)


class BackwardHooks:
    """The hooks of one call of one module."""

    def __init__(self, module: Any, hooks: list[Any], pre_hooks: list[Any]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: tuple[Any, ...] = ()
        self.input_count = 0
        self.inputs_relayed = False

    def on_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.input_count = len(args)
        replaced = _relayed(args, self._inputs_done)
        self.inputs_relayed = replaced is not None
        return args if replaced is None else replaced

    def on_outputs(self, result: Any) -> Any:
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=4,
            )
            return result
        single = isinstance(result, Tensor)
        outputs: Any = (result,) if single else result
        replaced = _relayed(outputs, self._outputs_done)
        if replaced is None:
            return result
        return replaced[0] if single else replaced

    def _outputs_done(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.pre_hooks:
            answer = hook(self.module, grads)
            if answer is not None:
                grads = self._checked(answer, len(grads), "output")
        self.grad_outputs = grads
        if not self.inputs_relayed:  # nothing will come back from the inputs: call the hooks now
            self._inputs_done((None,) * self.input_count)
        return grads

    def _inputs_done(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.hooks:
            answer = hook(self.module, grads, self.grad_outputs)
            if answer is None:
                continue
            if not self.inputs_relayed:
                raise RuntimeError(
                    "Backward hooks for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
            grads = self._checked(answer, len(grads), "input")
        return grads

    @staticmethod
    def _checked(answer: Any, count: int, side: str) -> tuple[Any, ...]:
        answer = answer if isinstance(answer, tuple) else (answer,)
        if len(answer) != count:
            raise RuntimeError(
                f"Backward hook returned an invalid number of grad_{side}, "
                f"got {len(answer)}, but expected {count}"
            )
        return answer


def register_plain_backward_hooks(module: Any, args: Any, result: Any, hooks: list[Any]) -> None:
    """Hooks of the old kind: on the node that made the result, with that node's own gradients."""
    first = result
    while not isinstance(first, Tensor):
        values = first.values() if isinstance(first, dict) else first
        first = next(value for value in values if isinstance(value, Tensor))
    if first.grad_fn is None:
        return
    for hook in hooks:
        first.grad_fn.register_hook(
            lambda grad_input, grad_output, hook=hook: hook(module, grad_input, grad_output)
        )
