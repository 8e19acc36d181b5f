"""The older way: the call is one node, whose backward runs the function again and walks the graph that this makes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import flambeau
from flambeau.autograd import Function
from flambeau.runtime import tape
from flambeau.runtime.tensor import Tensor

from .states import Surroundings


def detach_variable(inputs: Any) -> tuple:
    """The tensors of a tuple as leaves of their own; what is no tensor stays.

    >>> import flambeau
    >>> x = flambeau.ones(1, requires_grad=True)
    >>> again, number = detach_variable((x * 2, 3))
    >>> again.is_leaf, again.requires_grad, number
    (True, True, 3)
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}"
        )
    made = []
    for x in inputs:
        if isinstance(x, Tensor):
            again = x.detach()
            again.requires_grad = x.requires_grad
            x = again
        made.append(x)
    return tuple(made)


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warns where no input requires grad: the reentrant way has no other source of gradients."""
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )


class CheckpointFunction(Function):
    """`apply(function, preserve_rng_state, *args)`: the call as one node."""

    @staticmethod
    def forward(ctx: Any, run_function: Any, preserve_rng_state: bool, *args: Any) -> Any:
        """Runs the function unrecorded."""
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.surroundings = Surroundings(preserve_rng_state)
        ctx.args = tuple([None if isinstance(a, Tensor) else a for a in args])
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*[args[i] for i in ctx.places])
        with flambeau.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        """Runs it again, recorded, and walks that."""
        if tape.current_walk().partial:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument."
            )
        inputs = list(ctx.args)
        for i, tensor in zip(ctx.places, ctx.saved_tensors):
            inputs[i] = tensor
        again = detach_variable(tuple(inputs))
        with ctx.surroundings.again(), flambeau.enable_grad():
            made = ctx.run_function(*again)
        outputs = made if isinstance(made, (tuple, list)) else (made,)
        pairs = [
            (out, g)
            for out, g in zip(outputs, args)
            if isinstance(out, Tensor) and out.requires_grad
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        flambeau.autograd.backward([out for out, _ in pairs], [g for _, g in pairs])
        return (None, None, *[x.grad if isinstance(x, Tensor) else None for x in again])
