"""Checkpointing: memory for time. Inside `checkpoint` nothing is kept for backward; it is computed again there.

There are two ways. `use_reentrant=False` hooks what would be saved, and runs the function again when backward first asks
for something of it (`recompute`). `use_reentrant=True`, the older one, makes the call one node, whose backward runs the
function again and walks that graph (`reentrant`). What may be kept after all says a policy (`selective`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from flambeau.autograd.modes import is_grad_enabled

from .recompute import (
    CheckpointError,
    GraphExecGroup,
    checkpointed,
    noop_context_fn,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)
from .reentrant import CheckpointFunction, check_backward_validity, detach_variable
from .selective import (
    SAC_IGNORED_OPS,
    CheckpointPolicy,
    SelectiveCheckpointContext,
    create_selective_checkpoint_contexts,
)
from .states import DefaultDeviceType, get_device_states, set_device_states


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Any] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)` without keeping what backward needs: backward calls the function again.

    Args:
        function: what to run. It must do the same the second time.
        use_reentrant: which of the two ways; False is recommended, and the only one with keyword arguments, nested
            results, `autograd.grad` and the parameters below.
        context_fn: gives two context managers, for the first run and for the second.
        determinism_check: "default" compares shape, dtype and device of what the second run makes, "none" nothing.
        debug: an error of the second run comes with the operators of both runs.
        early_stop: whether the second run ends as soon as all that backward needs is there.
        preserve_rng_state: (keyword, default True) the second run draws the same random numbers.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda t: t.exp().sin(), x, use_reentrant=False).sum().backward()
    >>> bool(flambeau.allclose(x.grad, x.exp() * x.exp().cos()))
    True
    """
    if use_reentrant is None:
        import warnings

        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, "
            "calling checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended, "
            "but if you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs "
            "for more details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs and use_reentrant:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant:
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
        return CheckpointFunction.apply(function, preserve, *args)
    if not is_grad_enabled():
        return function(*args, **kwargs)
    return checkpointed(
        function, args, kwargs, preserve, context_fn, determinism_check, debug, early_stop
    )


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
    if use_reentrant is None:
        import warnings

        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(steps) // segments
    last = size * (segments - 1)
    for start in range(0, last, size or 1):
        part = functools.partial(_in_turn, steps[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return _in_turn(steps[last:], input)


def _in_turn(steps: Sequence[Callable[[Any], Any]], value: Any) -> Any:
    for step in steps:
        value = step(value)
    return value


__all__ = [
    "SAC_IGNORED_OPS",
    "CheckpointError",
    "CheckpointFunction",
    "CheckpointPolicy",
    "DefaultDeviceType",
    "GraphExecGroup",
    "SelectiveCheckpointContext",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]
