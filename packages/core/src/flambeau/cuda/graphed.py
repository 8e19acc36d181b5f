"""`make_graphed_callables`: forward and backward of functions and modules as CUDA graphs, inside a training loop of any kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau

from .._base import pytree
from .._base.checks import check
from ..autograd import Function
from ..runtime.tensor import Tensor
from .devices import runtime, synchronize
from .graphs import CUDAGraph, graph, graph_pool_handle
from .streams import Stream, stream


def make_graphed_callables(
    callables: Any,
    sample_args: tuple,
    num_warmup_iters: int = 3,
    allow_unused_input: bool = False,
    pool: tuple[int, int] | None = None,
) -> Any:
    """Functions or modules whose calls replay recorded graphs: one of the forward and one of the backward.

    `sample_args` are tensors like those of the calls, with the same `requires_grad`; calls copy theirs into them. A module is changed in
    place and replays in the mode (training or evaluation) that it was recorded in; otherwise it runs as before. Several
    callables, with as many tuples of samples, share memory, and must be called in their order. Higher derivatives are not
    there, and results are overwritten by the next call.
    """
    runtime()
    check(
        not (flambeau.is_autocast_enabled() and flambeau.is_autocast_cache_enabled()),
        lambda: (
            "make_graphed_callables does not support the autocast caching. Please set `cache_enabled=False`."
        ),
    )
    one = not isinstance(callables, tuple)
    functions = (callables,) if one else callables
    samples = (sample_args,) if one else sample_args
    recordings = [_Recording(f, args) for f, args in zip(functions, samples, strict=True)]
    shared = graph_pool_handle() if pool is None else pool
    synchronize()
    with stream(Stream()):
        for recording in recordings:
            for _ in range(num_warmup_iters):
                recording.warm(allow_unused_input)
    synchronize()
    for recording in recordings:
        recording.record_forward(shared)
    for recording in reversed(recordings):
        recording.record_backward(shared, allow_unused_input)
    made = tuple(r.callable() for r in recordings)
    return made[0] if one else made


class _Recording:
    """A callable with the tensors its graphs read and write."""

    def __init__(self, function: Any, args: tuple) -> None:
        self.function = function
        self.module = function if isinstance(function, flambeau.nn.Module) else None
        self.args = args
        self.inputs, self.spec = pytree.flatten(args)
        check(
            all(isinstance(x, Tensor) for x in self.inputs),
            lambda: (
                "In the beta API, sample_args for each callable must contain only Tensors. Other types are not allowed."
            ),
            AssertionError,
        )
        if self.module is not None:
            _check_module(self.module)
        self.parameters = [] if self.module is None else list(self.module.parameters())
        self.wanted = [x for x in (*self.inputs, *self.parameters) if x.requires_grad]
        self.back: CUDAGraph | None = None
        self.seeds: list[Tensor | None] = []
        self.gradients: list[Tensor | None] = []

    def _gradients(self, outputs: list[Tensor], seeds: list[Any], unused: bool) -> Any:
        kept = [(o, s) for o, s in zip(outputs, seeds, strict=True) if s is not None]
        return flambeau.autograd.grad(
            [o for o, _ in kept], self.wanted, [s for _, s in kept], allow_unused=unused
        )

    def _called(self) -> tuple[list[Tensor], Any]:
        outputs, shape = pytree.flatten(self.function(*self.args))
        check(
            all(isinstance(o, Tensor) for o in outputs),
            lambda: "make_graphed_callables: a callable must return tensors",
            TypeError,
        )
        return outputs, shape

    def warm(self, unused: bool) -> None:
        """A call and its backward, so that nothing is compiled while recording."""
        outputs, _ = self._called()
        seeds = [_seed(o) for o in outputs]
        if self.wanted and any(s is not None for s in seeds):
            self._gradients(outputs, seeds, unused)

    def record_forward(self, pool: tuple[int, int]) -> None:
        self.forward = CUDAGraph()
        with graph(self.forward, pool=pool):
            self.outputs, self.shape = self._called()

    def record_backward(self, pool: tuple[int, int], unused: bool) -> None:
        self.seeds = [_seed(o) for o in self.outputs]
        if not self.wanted or all(s is None for s in self.seeds):
            return
        self.back = CUDAGraph()
        with graph(self.back, pool=pool):
            found = iter(self._gradients(self.outputs, self.seeds, unused))
        self.gradients = [
            next(found) if x.requires_grad else None for x in (*self.inputs, *self.parameters)
        ]

    def callable(self) -> Any:
        """What is called from now on."""
        replayed = self._replaying()
        module = self.module
        if module is None:
            return replayed
        before, training = module.forward, module.training

        def forward(*args: Any, **kwargs: Any) -> Any:
            if module.training == training and not kwargs:
                return replayed(*args)
            return before(*args, **kwargs)

        module.forward = forward  # type: ignore[method-assign]
        return module

    def _replaying(self) -> Callable[..., Any]:
        recording = self

        class Graphed(Function):
            """The recorded forward as one node, whose backward is the recorded backward."""

            @staticmethod
            def forward(ctx: Any, *given: Tensor) -> Any:
                for own, x in zip(recording.inputs, given, strict=False):
                    if own.data_ptr() != x.data_ptr():
                        own.detach().copy_(x)
                recording.forward.replay()
                made = tuple(o.detach() for o in recording.outputs)
                constant = [
                    o for o, seed in zip(made, recording.seeds, strict=True) if seed is None
                ]
                ctx.mark_non_differentiable(*constant)
                return made

            @staticmethod
            @flambeau.autograd.function.once_differentiable
            def backward(ctx: Any, *arrived: Any) -> Any:
                for own, g in zip(recording.seeds, arrived, strict=True):
                    if own is not None and g is not None and own.data_ptr() != g.data_ptr():
                        own.copy_(g)
                recording.back.replay()  # type: ignore[union-attr]
                return tuple(g if g is None else g.detach() for g in recording.gradients)

        def replayed(*args: Any) -> Any:
            given, spec = pytree.flatten(args)
            check(
                spec == recording.spec,
                lambda: "a graphed callable takes what its sample_args were, in the same order",
                TypeError,
            )
            outputs = Graphed.apply(*given, *recording.parameters)
            return pytree.unflatten(list(outputs), recording.shape)

        return replayed


def _seed(output: Tensor) -> Tensor | None:
    """Where the gradient of an output arrives; None for one that has none."""
    return flambeau.empty_like(output) if output.requires_grad else None


def _check_module(module: Any) -> None:
    hooks = (module._backward_hooks, module._forward_hooks, module._forward_pre_hooks)
    check(
        not any(hooks),
        lambda: (
            "Modules must not have hooks registered at the time they are passed. However, registering hooks on modules "
            "after passing them through make_graphed_callables is allowed."
        ),
        AssertionError,
    )
    check(
        not any(b.requires_grad for b in module.buffers()),
        lambda: "make_graphed_callables: only parameters may be trainable, not buffers",
        AssertionError,
    )
