"""The graph behind gradients: nodes and edges, hooks on several tensors at once, hooks on what is saved for backward."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from ..runtime import state, tape
from ..runtime.tensor import Leaf, Tensor, history
from .engine import GradientEdge

local = state.local


class Node(ABC):
    """A node of the graph: what `tensor.grad_fn` is. `isinstance(node, Node)` holds for all of them."""

    @abstractmethod
    def name(self) -> str:
        """The name, such as MulBackward0."""

    @property
    @abstractmethod
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """For each input the node it came from, and which of its results it was."""

    @abstractmethod
    def metadata(self) -> dict:
        """A dictionary for whoever looks at graphs."""

    @abstractmethod
    def register_hook(self, fn: Callable[..., Any]) -> Any:
        """`fn(grad_inputs, grad_outputs)` after the node has run; may return other `grad_inputs`."""

    @abstractmethod
    def register_prehook(self, fn: Callable[..., Any]) -> Any:
        """`fn(grad_outputs)` before the node runs; may return others."""


for _kind in (tape.Node, tape.Output, Leaf):
    Node.register(_kind)


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge through which the gradient of `tensor` passes; to be used instead of it in `grad` and `backward`.

    >>> import flambeau
    >>> x = flambeau.tensor(2.0, requires_grad=True)
    >>> y = x * x
    >>> flambeau.autograd.grad(flambeau.autograd.graph.get_gradient_edge(y), x, flambeau.tensor(1.0))
    (tensor(4.),)
    """
    node = history(tensor)
    if node is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    return GradientEdge(getattr(node, "parent", None) or node, getattr(node, "index", 0))


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Says that a tensor's memory was written behind autograd's back, so that a stale use of it is found."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        t._bump()


# -- hooks on what is saved -------------------------------------------------------------------------------------------


class saved_tensors_hooks:
    """Inside, `pack_hook(tensor)` is kept in the place of each tensor saved for backward, which gets `unpack_hook` of it.

    Pairs nest; the innermost is used.

    >>> import flambeau
    >>> x = flambeau.tensor(2.0, requires_grad=True)
    >>> with flambeau.autograd.graph.saved_tensors_hooks(lambda t: t.item(), flambeau.tensor):
    ...     y = x * x
    >>> y.backward(); x.grad
    tensor(4.)
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if local.saved_hooks_refused is not None:
            raise RuntimeError(local.saved_hooks_refused)
        local.saved_hooks = (*local.saved_hooks, (self.pack_hook, self.unpack_hook))
        state._count(1)  # the hot path does not know of hooks

    def __exit__(self, *_: object) -> None:
        local.saved_hooks = local.saved_hooks[:-1]
        state._count(-1)


class save_on_cpu(saved_tensors_hooks):
    """Inside, what is saved for backward waits in the host's memory (`pin_memory` has no effect here)."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Tensor) -> tuple:
            return (tensor.device, tensor.cpu() if tensor.device.type != "cpu" else tensor.clone())

        def unpack(packed: tuple) -> Tensor:
            device, tensor = packed
            return tensor.to(device)

        super().__init__(pack, unpack)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, saved-tensor hooks are refused with `error_message`."""
    if local.saved_hooks:
        raise RuntimeError(error_message)
    before, local.saved_hooks_refused = local.saved_hooks_refused, error_message
    try:
        yield
    finally:
        local.saved_hooks_refused = before


class _AllowMutation:
    """What `allow_mutation_on_saved_tensors` gives; `clear()` forgets the copies."""

    def __init__(self) -> None:
        self._copies: list[Any] = []

    def clear(self) -> None:
        """Drops what was kept; backward through it is an error then."""
        for held in self._copies:
            held.clear()
        self._copies.clear()


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_AllowMutation]:
    """Inside, tensors that are saved for backward may be written: backward uses the values from when they were saved.

    Each is copied when it is saved (PyTorch copies when it is written).

    >>> import flambeau
    >>> with flambeau.autograd.graph.allow_mutation_on_saved_tensors():
    ...     x = flambeau.ones(2, requires_grad=True)
    ...     y = x.clone()
    ...     out = (y ** 2).sum()
    ...     _ = y.sin_()
    ...     out.backward()
    >>> x.grad
    tensor([2., 2.])
    """
    context = _AllowMutation()
    ended = [False]

    def pack(tensor: Tensor) -> list:
        held = [tensor.clone()]
        context._copies.append(held)
        return held

    def unpack(held: list) -> Tensor:
        if not held:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was "
                "originally recorded."
                if ended[0]
                else "the saved tensors of this graph were cleared"
            )
        return held[0]

    with saved_tensors_hooks(pack, unpack):
        try:
            yield context
        finally:
            ended[0] = True
            context.clear()


# -- hooks on several tensors -----------------------------------------------------------------------------------------


class _Handles:
    """The handles of several hooks, removed together."""

    def __init__(self, handles: tuple) -> None:
        self.handles = handles

    def remove(self) -> None:
        """Takes all hooks away."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor],
    fn: Callable[..., None],
    *,
    mode: Literal["all", "any"] = "all",
) -> Any:
    """`fn(grads)` once in each backward: when the gradients of all `tensors` that take part in it are there.

    Those of tensors that take no part are None. With `mode="any"` it is `fn(grad)`, at the first gradient.

    >>> import flambeau
    >>> a, b = (flambeau.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    >>> seen = flambeau.autograd.graph.register_multi_grad_hook((a, b), print)
    >>> (a * b).backward()
    (tensor(3.), tensor(2.))
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = threading.Lock()
    if mode == "any":
        return _any_hook(tensors, fn, lock)
    arrived: dict[int, tuple[int, list]] = {}  # by walk: how many, and which gradients
    expected: dict[int, int] = {}
    nodes = [history(t) for t in tensors]
    if any(n is None for n in nodes):
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")

    def hook_at(place: int) -> Callable[[Tensor], None]:
        def hook(grad: Tensor) -> None:
            walk = tape.current_walk()
            with lock:
                if walk.key not in expected:
                    expected[walk.key] = sum(map(walk.visits, nodes))
                    walk.at_end(lambda: (expected.pop(walk.key, None), arrived.pop(walk.key, None)))
                count, grads = arrived.get(walk.key, (0, [None] * len(tensors)))
                grads[place] = grad
                count += 1
                arrived[walk.key] = (count, grads)
                done = count == expected[walk.key]
            if done:
                fn(tuple(grads))

        return hook

    return _Handles(tuple([t.register_hook(hook_at(i)) for i, t in enumerate(tensors)]))


def _any_hook(tensors: Sequence[Tensor], fn: Callable[..., None], lock: Any) -> _Handles:
    seen: set[int] = set()

    def hook(grad: Tensor) -> None:
        walk = tape.current_walk()
        with lock:
            if walk.key in seen:
                return
            seen.add(walk.key)
            walk.at_end(lambda: seen.discard(walk.key))
        fn(grad)

    return _Handles(tuple([t.register_hook(hook) for t in tensors if t.requires_grad]))


# -- switches that have nothing to switch here ------------------------------------------------------------------------


class region_activation_memory_budget:
    """The share of activations that a compiled region may keep. Compiled programs here do not record for backward.

    As in PyTorch, using it outside of a compiled region is a RuntimeError.
    """

    def __init__(self, budget: float) -> None:
        if not 0.0 <= budget <= 1.0:
            raise ValueError(f"budget must be in [0, 1], got {budget}")
        self.budget = budget

    def __enter__(self) -> None:
        raise RuntimeError(
            "region_activation_memory_budget only has an effect on the backward of a compiled region; here there is "
            "none. Use utils.checkpoint to keep fewer activations."
        )

    def __exit__(self, *_: object) -> None:
        pass


_streams = {"override_stale": False, "warn_mismatch": True}


def set_override_stale_capture_stream(enabled: bool) -> None:
    """PyTorch's setting for stale streams under CUDA graph capture; backward here runs on the current stream only."""
    _streams["override_stale"] = bool(enabled)


def set_warn_on_accumulate_grad_stream_mismatch(enabled: bool) -> None:
    """PyTorch's warning of gradients that come from another stream; backward here runs on the current stream only."""
    _streams["warn_mismatch"] = bool(enabled)


__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "region_activation_memory_budget",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
    "set_override_stale_capture_stream",
    "set_warn_on_accumulate_grad_stream_mismatch",
]
