"""Custom differentiable functions: `autograd.Function` with `forward` and `backward` of the user's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..runtime import state, tape
from ..runtime.tensor import Tensor, alias, history, new
from ..transforms.forward import DualTensor, dual_of
from .modes import no_grad


class FunctionContext:
    """What `forward` leaves for `backward`."""

    def __init__(self) -> None:
        self._saved: tuple = ()
        self._forward_saved: tuple = ()
        self._dirty: tuple = ()
        self._plain: tuple = ()
        self._materialize = True
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `backward`, with a look at their versions there."""
        self._saved = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `jvp`."""
        self._forward_saved = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Says which inputs `forward` wrote into and returned."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says which outputs have no gradient."""
        self._plain = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients arrive as zeros (the default) or as None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple:
        """The tensors of `save_for_backward`."""
        return self._unpack()

    def _unpack(self) -> tuple:
        return self._saved


class _CustomRule:
    """A user's function as the tape sees it."""

    def __init__(self, cls: type) -> None:
        self.cls, self.name = cls, cls.__name__

    @property
    def vjp_rule(self) -> _CustomRule:
        return self

    def pullback(self, node: tape.Node, g: Any, needs: tuple) -> Sequence[Any]:
        ctx = node.attrs["ctx"]
        given = g if isinstance(g, tuple) else (g,)
        if node.saved is tape.FREED:
            tape.unpack(node)
        result = self.cls.backward(ctx, *given)  # type: ignore[attr-defined]
        result = result if isinstance(result, tuple) else (result,)
        shapes = node.attrs["shapes"]
        total = node.attrs["count"]
        if len(result) != total:
            if len(result) < total or any(r is not None for r in result[total:]):
                raise RuntimeError(
                    f"function {self.name}Backward returned an incorrect number of gradients "
                    f"(expected {total}, got {len(result)})"
                )
        return [self._fitting(result[p], shape, p) for p, shape in shapes.items()]

    def _fitting(self, g: Any, shape: tuple, place: int) -> Tensor | None:
        """A returned gradient in its input's shape: one that was broadcast is summed, any other refused."""
        if g is None or (isinstance(g, Tensor) and tuple(g.shape) == shape):
            return g
        named = f"Function {self.name}Backward returned an invalid gradient at index {place}"
        if not isinstance(g, Tensor):
            raise RuntimeError(f"{named} - expected Tensor or None (got {type(g).__name__})")
        try:
            return g.sum_to_size(*shape)
        except RuntimeError as error:
            raise RuntimeError(
                f"{named} - got {list(g.shape)} but expected shape compatible with {list(shape)}"
            ) from error

    fast = pullback


class _CustomNode(tape.Node):
    def name(self) -> str:
        return f"{self.op.name}Backward"


class Function:
    """Base of custom functions: static `forward(ctx, *args)` and `backward(ctx, *grads)`; call by `apply`.

    `forward(*args)` with a separate `setup_context(ctx, inputs, output)` works too. Forward mode wants a static
    `jvp(ctx, *tangents)`; without one it is refused.

    >>> import flambeau
    >>> class Double(flambeau.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x): return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g): return g * 2
    >>> x = flambeau.ones(1, requires_grad=True)
    >>> Double.apply(x).backward(); x.grad
    tensor([2.])
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs `forward`, and records `backward` where an input requires grad."""
        ctx = FunctionContext()
        tensors = [(i, a) for i, a in enumerate(args) if isinstance(a, Tensor)]
        edges = [history(a) for _, a in tensors]
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and history(a) is not None for a in args)
        recorded = state.local.grad and any(e is not None for e in edges)
        if any(_has_tangent(a) for _, a in tensors):
            return _push(cls, args, kwargs, recorded)
        out = _run(cls, ctx, args, kwargs)
        if recorded:
            out = _attach(cls, ctx, args, tensors, edges, out)
        return out


def _run(cls: type[Function], ctx: FunctionContext, args: tuple, kwargs: dict[str, Any]) -> Any:
    """`forward`, unrecorded, in either of its two styles."""
    split = "setup_context" in {
        k for c in cls.__mro__[:-1] for k in c.__dict__ if c is not Function
    }
    with no_grad():
        if not split:
            return cls.forward(ctx, *args, **kwargs)
        out = cls.forward(*args, **kwargs)
        cls.setup_context(ctx, args, out)  # type: ignore[attr-defined]
        return out


def _has_tangent(x: Any) -> bool:
    """Whether forward mode runs through `x`, at any level."""
    while isinstance(x, Tensor) and x._level:
        if isinstance(x, DualTensor):
            return True
        x = x.value  # type: ignore[attr-defined]
    return False


def _push(cls: type[Function], args: tuple, kwargs: dict[str, Any], recorded: bool) -> Any:
    """Forward mode: the class's own `jvp`. What `forward` is made of may have another derivative than `backward`."""
    if not hasattr(cls, "jvp"):
        raise NotImplementedError(
            f"{cls.__name__}: You must implement the jvp function for custom autograd.Function to use it with forward "
            "mode AD; or use reverse mode (grad, vjp, jacrev)"
        )
    level = max(a._level for a in args if isinstance(a, Tensor))
    dual = [isinstance(a, DualTensor) and a._level == level for a in args]
    primals = tuple(a.value if d else a for a, d in zip(args, dual))
    tangents = tuple(a.tangent if d else None for a, d in zip(args, dual))
    if recorded or any(map(_has_tangent, (*primals, *tangents))):
        raise NotImplementedError(
            f"{cls.__name__}: the derivative of its jvp is not available; use reverse mode twice (grad of grad, jacrev "
            "of jacrev)"
        )
    ctx = FunctionContext()
    ctx.needs_input_grad = tuple(dual)
    out = _run(cls, ctx, primals, kwargs)
    ctx._saved = ctx._forward_saved or ctx._saved
    moved = cls.jvp(ctx, *tangents)
    if not isinstance(out, tuple):
        return out if moved is None else dual_of(out, moved, level)
    return tuple(o if t is None else dual_of(o, t, level) for o, t in zip(out, moved))


def _attach(
    cls: type, ctx: FunctionContext, args: tuple, tensors: list, edges: list, out: Any
) -> Any:
    node = new(_CustomNode)
    node.op = _CustomRule(cls)
    node.attrs = {"ctx": ctx, "shapes": {i: tuple(a.shape) for i, a in tensors}, "count": len(args)}
    node.edges = tuple(edges)
    node.saved = ("context",)
    several = isinstance(out, (tuple, list))
    outs = list(out) if several else [out]
    inputs = {id(a) for _, a in tensors}
    dirty = {id(t) for t in ctx._dirty}
    plain = {id(t) for t in ctx._plain}
    versions = [(t, t._version) for t in ctx._saved if isinstance(t, Tensor)]
    for i, o in enumerate(outs):
        if isinstance(o, Tensor) and id(o) in inputs and id(o) not in dirty:
            outs[i] = alias(o)  # an input handed back is another tensor for autograd
    saved_outputs = {id(o): i for i, o in enumerate(outs) if isinstance(o, Tensor)}
    kept = [alias(t) if isinstance(t, Tensor) and id(t) in saved_outputs else t for t in ctx._saved]
    places = [saved_outputs.get(id(t)) for t in ctx._saved]

    def unpack() -> tuple:
        for t, v in versions:
            if t._version != v:
                tape.modified(t, v, node)
        made = []
        for t, place in zip(kept, places):
            if place is not None and state.local.grad:
                t = alias(t)
                t._node = tape.Output(node, place) if several else node
            made.append(t)
        return tuple(made)

    ctx._unpack = unpack  # type: ignore[method-assign]
    versions[:] = [(t, t._version) for t in kept if isinstance(t, Tensor)]
    ctx._saved = ()
    if several:
        node.outputs, node.simple = tuple(o._meta for o in outs), False
        node.fills = ctx._materialize
    for i, o in enumerate(outs):
        if isinstance(o, Tensor) and id(o) not in plain and o.dtype.category >= 2:
            o._node = tape.Output(node, i) if several else node
            if id(o) in dirty and o._box is not None:
                o._box.generation += 1
    for t in ctx._dirty:
        t._bump()
    return (tuple(outs) if isinstance(out, tuple) else outs) if several else outs[0]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a `backward` whose result cannot be differentiated again."""

    @functools.wraps(backward)
    def run(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            return backward(ctx, *grads)

    return run
