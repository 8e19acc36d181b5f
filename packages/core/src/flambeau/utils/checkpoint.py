"""Checkpointing: memory for time. Inside `checkpoint` nothing is kept for backward; it is computed again there."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import flambeau
from flambeau._base import pytree
from flambeau.runtime.tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Recomputed(flambeau.autograd.Function):
    """A call whose intermediate results are thrown away and made again in backward."""

    @staticmethod
    def forward(ctx: Any, call: _Call, _anchor: Tensor, *tensors: Tensor) -> Any:
        ctx.call = call
        ctx.save_for_backward(*tensors)
        with flambeau.no_grad():
            outputs = call(tensors)
        return tuple(outputs) if isinstance(outputs, list) else outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        inputs = [t.detach() for t in ctx.saved_tensors]
        for again, needed in zip(inputs, ctx.needs_input_grad[2:], strict=True):
            again.requires_grad = needed
        with flambeau.enable_grad(), ctx.call.random_state():
            outputs = ctx.call(inputs)
        outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        pairs = [
            (out, g)
            for out, g in zip(outputs, gradients, strict=True)
            if g is not None and isinstance(out, Tensor) and out.requires_grad
        ]
        if pairs:
            # Parameters that the function holds get their gradients here, the inputs below.
            flambeau.autograd.backward([out for out, _ in pairs], [g for _, g in pairs])
        return None, None, *(again.grad for again in inputs)


class _Call:
    """A function with the structure of its arguments, and the state of the random numbers at the first call."""

    def __init__(self, function: Any, args: Any, kwargs: Any, keep_random_state: bool) -> None:
        self.function = function
        self.leaves, self.structure = pytree.flatten((args, kwargs))
        self.places = [i for i, leaf in enumerate(self.leaves) if isinstance(leaf, Tensor)]
        self.state = flambeau.get_rng_state() if keep_random_state else None

    def tensors(self) -> list[Tensor]:
        return [self.leaves[i] for i in self.places]

    def __call__(self, tensors: Sequence[Tensor]) -> Any:
        leaves = list(self.leaves)
        for i, tensor in zip(self.places, tensors, strict=True):
            leaves[i] = tensor
        args, kwargs = pytree.unflatten(leaves, self.structure)
        return self.function(*args, **kwargs)

    def random_state(self) -> _RandomState:
        return _RandomState(self.state)


class _RandomState:
    """Puts the random numbers back to a state, and on leaving to where they were."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def __enter__(self) -> None:
        if self.state is not None:
            self.before = flambeau.get_rng_state()
            flambeau.set_rng_state(self.state)

    def __exit__(self, *error: object) -> None:
        if self.state is not None:
            flambeau.set_rng_state(self.before)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Any] | None = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)` without keeping what backward needs: backward calls the function again.

    With `preserve_rng_state` the second call draws the same random numbers, so that dropout agrees. There is
    one implementation for both values of `use_reentrant`; unlike PyTorch's for False, gradients of
    parameters that the function holds always go into their ``.grad``, so use `backward`, not `autograd.grad`,
    for these. `determinism_check`, `debug` and `early_stop` are accepted and change nothing.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda t: t.exp().sin(), x, use_reentrant=False).sum().backward()
    >>> bool(flambeau.allclose(x.grad, x.exp() * x.exp().cos()))
    True
    """
    if use_reentrant is None:
        warnings.warn(
            "flambeau.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Both values "
            "do the same here.",
            stacklevel=2,
        )
    if context_fn is not None:
        raise NotImplementedError("checkpoint: context_fn is not supported; expected None")
    if use_reentrant and kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if not flambeau.is_grad_enabled():
        return function(*args, **kwargs)
    call = _Call(function, args, kwargs, preserve_rng_state)
    # The anchor connects the result to the tape also where only parameters inside the function have gradients.
    anchor = flambeau.empty(0, requires_grad=True)
    return _Recomputed.apply(call, anchor, *call.tensors())


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Functions, or the modules of a `Sequential`, one after another in `segments` checkpointed parts.

    The last part is not checkpointed: its backward comes first, and at once.

    >>> import flambeau
    >>> layers = flambeau.nn.Sequential(*(flambeau.nn.Linear(3, 3) for _ in range(4)))
    >>> x = flambeau.ones(2, 3)
    >>> bool(flambeau.equal(checkpoint_sequential(layers, 2, x, use_reentrant=False), layers(x)))
    True
    """
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(steps) // segments

    def part(start: int, end: int) -> Callable[[Any], Any]:
        def run(value: Any) -> Any:
            for step in steps[start:end]:
                value = step(value)
            return value

        return run

    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(part(start, start + size), input, use_reentrant=use_reentrant, **kwargs)
    return part(last, len(steps))(input)
