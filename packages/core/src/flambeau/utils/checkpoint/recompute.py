"""The way without reentry: hooks keep an empty holder for each tensor that would be saved for backward.

When backward first asks one of them, the function runs again under hooks that fill the holders, in the order in which
they were made. A second run may happen once in each walk, for a graph may be walked more than once. The arguments are
kept by a node of their own, so that hooks around (an outer checkpoint's) see them as they see all that is saved.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import flambeau
from flambeau._base.dtypes import dtype
from flambeau.autograd import Function
from flambeau.autograd.graph import saved_tensors_hooks
from flambeau.runtime import state, tape
from flambeau.runtime.tensor import Tensor, alias

local = state.local


class CheckpointError(RuntimeError):
    """The second run of a checkpointed function did not do what the first did."""


class _Stop(Exception):
    """Ends a second run."""


_settings: dict[str, Any] = {"early_stop": None, "debug": None}


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Whether second runs of what is checkpointed inside end early, whatever `checkpoint` is told."""
    before, _settings["early_stop"] = _settings["early_stop"], enable
    try:
        yield
    finally:
        _settings["early_stop"] = before


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Whether errors of second runs show the operators of both runs, whatever `checkpoint` is told."""
    before, _settings["debug"] = _settings["debug"], enabled
    try:
        yield
    finally:
        _settings["debug"] = before


def noop_context_fn() -> tuple[AbstractContextManager, AbstractContextManager]:
    """The context managers that do nothing."""
    return nullcontext(), nullcontext()


class GraphExecGroup:
    """Walks inside share second runs: a checkpointed part runs again once, even if several backwards pass it.

    They must ask for different saved tensors; asking twice for one is a CheckpointError.
    """

    _current: GraphExecGroup | None = None

    def __enter__(self) -> GraphExecGroup:
        if GraphExecGroup._current is not None:
            raise RuntimeError("GraphExecGroup cannot be nested.")
        GraphExecGroup._current = self
        return self

    def __exit__(self, *_: object) -> None:
        GraphExecGroup._current = None


class _Holder:
    """Stands for one saved tensor. `found` has it, by walk, between a second run and its use."""

    __slots__ = ("__weakref__", "found")

    def __init__(self) -> None:
        self.found: dict[Any, Tensor | None] = {}


class _SaveArguments(Function):
    """Keeps tensors as saved tensors of a node that no gradient passes."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors)
        return anchor.new_empty((0,))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        raise AssertionError("no gradient arrives here")


class _Operators:
    """A mode that writes down the operators that run, for `debug`."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def wants(self, op: Any, arrays: tuple, attrs: dict[str, Any]) -> bool:
        return False

    def leaves(self, tensor: Any, how: str) -> None:
        pass

    def constant(self, tensor: Any) -> None:
        pass

    def run(self, op: Any, arrays: tuple, attrs: dict[str, Any], proceed: Callable[[], Any]) -> Any:
        made = proceed()
        given = ", ".join(str(a._meta) if isinstance(a, Tensor) else repr(a) for a in arrays)
        self.lines.append(f"{op.name}({given})")
        return made

    def __enter__(self) -> _Operators:
        state.push_mode(self)
        return self

    def __exit__(self, *_: object) -> None:
        state.pop_mode(self)


class _Frame:
    """One call of `checkpoint`: its holders, and how to run it again."""

    def __init__(self, again: Callable[[], None], early_stop: bool, look: Callable) -> None:
        self.again, self.early_stop, self.look = again, early_stop, look
        self.holders: list[weakref.ref] = []
        self.seen: list[Any] = []  # by place: what `look` says of the tensor of the first run
        self.counts: dict[Any, int] = {}  # by walk: how many the second run has made
        self.done: set[Any] = set()
        self.found: dict[Any, list] = {}
        self.complete = False

    # -- hooks of the first run

    def pack(self, tensor: Tensor) -> _Holder:
        holder = _Holder()
        self.holders.append(weakref.ref(holder))
        self.seen.append(self.look(tensor))
        return holder

    def unpack(self, holder: _Holder) -> Tensor:
        group = GraphExecGroup._current
        key: Any
        if group is not None:
            key = group
        elif local.walk is not None:
            walk = tape.current_walk()
            key = walk.key
            if key not in self.done:
                walk.at_end(lambda: self.forget(key))
        else:
            key = object()
        if key not in self.done:
            self.run_again(key)
        if key not in holder.found:
            raise CheckpointError(
                f"{dtype.prefix}utils.checkpoint: a saved tensor was not made again by the recomputation"
            )
        tensor = holder.found[key]
        if tensor is None:
            where = (
                " Performing two backward calls that overlap (i.e. require the same saved activation in order to "
                "compute gradients) is not allowed while under the torch.utils.checkpoint.GraphExecGroup context."
                if group is not None
                else ""
            )
            raise CheckpointError(
                f"{dtype.prefix}utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked "
                f"once.{where} If you are calling ctx.saved_tensors in backward, make sure to do so only once."
            )
        holder.found[key] = None
        return tensor

    def forget(self, key: Any) -> None:
        """At the end of a walk: drops what it did not use."""
        self.done.discard(key)
        self.counts.pop(key, None)
        self.found.pop(key, None)
        for reference in self.holders:
            holder = reference()
            if holder is not None:
                holder.found.pop(key, None)

    # -- the second run

    def run_again(self, key: Any) -> None:
        self.counts[key], self.found[key] = 0, []

        def pack(tensor: Tensor) -> Tensor:
            place = self.counts[key]
            self.counts[key] += 1
            if place < len(self.holders):
                holder = self.holders[place]()
                self.found[key].append(self.look(tensor))
                if holder is not None:
                    holder.found[key] = alias(tensor)
            if self.early_stop and self.complete and place + 1 == len(self.holders):
                raise _Stop
            return tensor

        hooks = saved_tensors_hooks(pack, lambda tensor: tensor)
        with suppress(_Stop), hooks, flambeau.enable_grad():
            self.again()
        self.done.add(key)
        if self.complete:
            self.check(key)

    def check(self, key: Any) -> None:
        """Whether the second run saved what the first did."""
        count = self.counts[key]
        if count != len(self.holders):
            raise CheckpointError(
                f"{dtype.prefix}utils.checkpoint: A different number of tensors was saved during the original forward "
                f"and recomputation.\nNumber of tensors saved during forward: {len(self.holders)}\n"
                f"Number of tensors saved during recomputation: {count}.{_TIP}"
            )
        wrong = [
            f"tensor at position {i}:\nsaved metadata: {a}\nrecomputed metadata: {b}\n"
            for i, (a, b) in enumerate(zip(self.seen, self.found[key]))
            if a != b
        ]
        if wrong:
            raise CheckpointError(
                f"{dtype.prefix}utils.checkpoint: Recomputed values for the following tensors have different metadata "
                f"than during the forward pass.\n{''.join(wrong)}.{_TIP}"
            )


_TIP = (
    "\n\nTip: To see a more detailed error message, either pass `debug=True` to `utils.checkpoint.checkpoint(...)` or "
    "wrap the code block with `with utils.checkpoint.set_checkpoint_debug_enabled(True):` to enable checkpoint-debug "
    "mode globally."
)


def _metadata(tensor: Tensor) -> dict[str, Any]:
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


_LOOKS: dict[str, Callable] = {"default": _metadata, "none": lambda tensor: None}


def checkpointed(
    function: Callable[..., Any],
    args: tuple,
    kwargs: dict[str, Any],
    preserve_rng_state: bool,
    context_fn: Callable[[], Any],
    determinism_check: str,
    debug: bool,
    early_stop: bool,
) -> Any:
    """`function(*args, **kwargs)`, whose saved tensors are made again in backward."""
    from .states import Surroundings

    if determinism_check not in _LOOKS:
        raise ValueError(
            f"determinism_check should be one of {list(_LOOKS)}, but got {determinism_check}"
        )
    if _settings["debug"] is not None:
        debug = _settings["debug"]
    if debug and context_fn is not noop_context_fn:
        raise ValueError("debug=True is incompatible with non-default context_fn")
    logs = (_Operators(), _Operators()) if debug else None
    first, second = logs if logs is not None else context_fn()
    surroundings = Surroundings(preserve_rng_state)
    tensors, rebuilt = _kept(args, kwargs)

    def again() -> None:
        given, named = rebuilt(tensors())
        with surroundings.again(), second:
            function(*given, **named)

    if _settings["early_stop"] is not None:
        early_stop = _settings["early_stop"]
    frame = _Frame(again, early_stop, _LOOKS[determinism_check])
    unpack = frame.unpack if logs is None else _explained(frame.unpack, logs)
    with saved_tensors_hooks(frame.pack, unpack), first:
        made = function(*args, **kwargs)
    frame.complete = True
    return made


def _kept(args: tuple, kwargs: dict[str, Any]) -> tuple[Callable[[], tuple], Callable]:
    """(gives the tensors among the arguments, puts arguments together again)."""
    flat = [*args, *kwargs.values()]
    places = [i for i, a in enumerate(flat) if isinstance(a, Tensor)]
    rest = [None if isinstance(a, Tensor) else a for a in flat]
    anchor = flambeau.empty(0, requires_grad=True)
    node = _SaveArguments.apply(anchor, *[flat[i] for i in places]).grad_fn
    names, count = tuple(kwargs), len(args)

    def rebuilt(tensors: tuple) -> tuple[tuple, dict[str, Any]]:
        given = list(rest)
        for i, t in zip(places, tensors):
            given[i] = t
        return tuple(given[:count]), dict(zip(names, given[count:]))

    return node.unpacked, rebuilt


def _explained(unpack: Callable, logs: tuple[_Operators, _Operators]) -> Callable:
    """`unpack` whose CheckpointError shows the operators of both runs."""

    def run(holder: Any) -> Any:
        try:
            return unpack(holder)
        except CheckpointError as error:
            forward, again = ("\n".join(log.lines) for log in logs)
            raise CheckpointError(
                "An error happened while unpacking tensors; dumping logs of latest computation because you passed "
                "`debug=True` to `utils.checkpoint.checkpoint()`.\n"
                f"Operations executed during the original forward:\n\n{forward}\n\n"
                f"Operations executed during recomputation:\n\n{again}\n\n{error}"
            ) from error

    return run
