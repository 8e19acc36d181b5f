"""Custom differentiable functions: `autograd.Function` with `forward` and `backward` of the user's own.

`apply` runs `forward` unrecorded and leaves one node behind. The context is an object of its own, for users put
attributes of any name on it; it knows its node only weakly, and the tensors it saves are the node's, so that a dropped
graph is freed at once and a walked one drops what it saved.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from .._base import dtypes
from ..runtime import state, tape, writes
from ..runtime.tensor import Leaf, Tensor, alias, history, new
from ..transforms.batch import BatchedTensor, batched
from ..transforms.forward import DualTensor, dual_of
from ..transforms.wrapper import histories
from .modes import no_grad

local = state.local


class FunctionCtx:
    """What `forward` leaves for `backward`."""

    _to_save: tuple = ()
    _for_forward: tuple | None = None
    _dirty: tuple = ()
    _plain: tuple = ()
    _materialize = True
    _given: tuple | None = None  # what `saved_tensors` is, where it is not the node's business
    _node: Any = None  # a weak reference
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `backward`, with a look at their versions there."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `jvp`."""
        for t in tensors:
            if not (isinstance(t, Tensor) or t is None):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes "
                    "on ctx."
                )
        self._for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Says which inputs `forward` wrote into; they must be returned."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Says which outputs have no gradient."""
        self._plain = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients arrive as zeros (the default) or as None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple:
        """The tensors of `save_for_backward` (in `jvp` those of `save_for_forward`, if there are any)."""
        if self._given is not None:
            return self._given
        node = self._node and self._node()
        return () if node is None else node.unpacked()

    saved_variables = saved_tensors

    # A context stands for its node where code looks at it as such.

    def name(self) -> str:
        """The name of the node, such as CubeBackward."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple:
        """The nodes of the inputs."""
        return self._node().next_functions

    @property
    def metadata(self) -> dict:
        """A dictionary for whoever looks at graphs."""
        return self._node().metadata

    def register_hook(self, hook: Callable) -> Any:
        """`hook(grad_inputs, grad_outputs)` after the node has run."""
        return self._node().register_hook(hook)

    def register_prehook(self, hook: Callable) -> Any:
        """`hook(grad_outputs)` before the node runs."""
        return self._node().register_prehook(hook)


FunctionContext = FunctionCtx


class BackwardCFunction(FunctionCtx):
    """Base of the contexts' classes: one for each Function, with its name."""

    _forward_cls: Any = None


class VmapInfo(NamedTuple):
    """What a `vmap` staticmethod is told about the batch."""

    batch_size: int
    randomness: str


class _CustomRule:
    """A user's function as the tape sees it."""

    def __init__(self, cls: type) -> None:
        self.cls, self.name = cls, cls.__name__

    @property
    def vjp_rule(self) -> _CustomRule:
        return self

    def pullback(self, node: Any, g: Any, needs: tuple) -> Sequence[Any]:
        ctx, places = node.ctx, node.places
        given = g if isinstance(g, tuple) else (g,)
        wanted = dict(zip(places, needs))
        ctx.needs_input_grad = tuple([wanted.get(i, False) for i in range(node.count)])
        result = _backward_of(self.cls)(ctx, *given)
        result = result if isinstance(result, tuple) else (result,)
        total = node.count
        if len(result) > total and all(r is None for r in result[total:]):
            result = result[:total]
        if len(result) != total:
            raise RuntimeError(
                f"function {self.name}Backward returned an incorrect number of gradients "
                f"(expected {total}, got {len(result)})"
            )
        for i, r in enumerate(result):
            if r is not None and i not in places:
                raise RuntimeError(
                    f"function {self.name}Backward returned a gradient different from None at position {i + 1}, "
                    "but the corresponding forward input was not a Variable"
                )
        return [self._fitting(result[p], shape, kind, p) for p, (shape, kind) in places.items()]

    def _fitting(self, g: Any, shape: tuple, kind: dtypes.dtype, place: int) -> Tensor | None:
        """A returned gradient in its input's dtype and shape: one that was broadcast is summed, any other refused."""
        if isinstance(g, Tensor) and g.dtype is not kind and g.dtype.category == kind.category:
            g = g.to(kind)  # of what was computed wider or narrower, as under autocast
        if g is None or (isinstance(g, Tensor) and tuple(g.shape) == shape):
            return g
        named = f"Function {self.name}Backward returned an invalid gradient at index {place}"
        if not isinstance(g, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
        try:
            return g.sum_to_size(*shape)
        except RuntimeError as error:
            raise RuntimeError(
                f"{named} - got {list(g.shape)} but expected shape compatible with {list(shape)}"
            ) from error

    fast = pullback


class _CustomNode(tape.Node):
    """The node of one `apply`: `saved` are the context's tensors, `spots` which of them are outputs."""

    ctx: Any
    places: dict[int, tuple]  # by place among the arguments: shape and dtype of each tensor
    count: int
    spots: tuple[int | None, ...] = ()
    roots: tuple[Any, ...] = ()  # of packed tensors: their history
    views: frozenset[int] = frozenset()  # outputs that look at an input's memory
    attrs: dict[str, Any] = {}

    def name(self) -> str:
        return f"{self.op.name}Backward"

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    def __getattr__(self, name: str) -> Any:
        """What the user put on the context can be read off `grad_fn` too."""
        ctx = self.__dict__.get("ctx")
        if ctx is None or name.startswith("__"):
            raise AttributeError(name)
        return getattr(ctx, name)

    def unpacked(self) -> tuple:
        """The saved tensors, after a look at their versions, with the history that they have for `backward`."""
        if self.saved is tape.FREED:
            tape.unpack(self)
        made = []
        versions = self.versions or (0,) * len(self.saved)
        for t, spot, root, version in zip(self.saved, self.spots, self.roots, versions):
            made.append(self._one(t, spot, root, version))
        return tuple(made)

    def _one(self, t: Any, spot: int | None, root: Any, version: int) -> Any:
        own = None if spot is None else (tape.Output(self, spot) if self.outputs else self)
        if type(t) is tape.Packed:
            return t.unpacked(root if own is None else own)
        if isinstance(t, Tensor) and tape.version_of(t) != version:
            tape.modified(t, version, self)
        if own is not None and local.grad:
            t = alias(t)
            t._node = own
        return t


class FunctionMeta(type):
    """Gives each Function the class of its contexts."""

    def __init__(cls, name: str, bases: tuple, attrs: dict) -> None:
        super().__init__(name, bases, attrs)
        cls._backward_cls = type(name + "Backward", (BackwardCFunction,), {"_forward_cls": cls})


class Function(FunctionCtx, metaclass=FunctionMeta):
    """Base of custom functions: static `forward(ctx, *args)` and `backward(ctx, *grads)`; call by `apply`.

    `forward(*args)` with a separate `setup_context(ctx, inputs, output)` works too. Forward mode wants a static
    `jvp(ctx, *tangents)`; without one it is refused. Under `vmap` a static `vmap(info, in_dims, *args)` is used, which
    returns (output, out_dims); without one `forward` and `backward` are batched by the operators they are made of.

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

    _backward_cls: type
    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        import warnings

        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future "
            "version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the function: `forward(ctx, *args)`, or `forward(*args)` where there is a `setup_context`."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keeps on `ctx` what `backward` needs, where `forward` takes no context."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the inputs, one for each argument of `forward`, from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs from those of the inputs."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        """(output, out_dims) of the function over a batch: `in_dims` says where each argument has it."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs `forward`, and records `backward` where an input requires grad.

        With a `setup_context` keyword arguments and defaults are inputs like any other: each has a gradient.
        """
        if _overrides(cls, "setup_context"):
            args, kwargs = _bound(cls.forward, args, kwargs), {}
        return _apply(cls, args, kwargs)[0]


def _bound(forward: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> tuple:
    """All arguments of a call by position, defaults filled in."""
    bound = _signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


@functools.lru_cache(maxsize=1024)
def _signature(forward: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(forward)


def _overrides(cls: type, name: str) -> bool:
    return getattr(cls, name) is not getattr(Function, name)


def _backward_of(cls: Any) -> Callable[..., Any]:
    if not _overrides(cls, "vjp"):
        return cls.backward
    if _overrides(cls, "backward"):
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement "
            "one of them."
        )
    return cls.vjp


def _apply(cls: Any, args: tuple, kwargs: dict[str, Any]) -> tuple[Any, FunctionCtx]:
    """The result and its context. Wrappers take off one level, whose rule the class may have; the tape comes last."""
    tensors = [(i, a) for i, a in enumerate(args) if isinstance(a, Tensor)]
    edges = [history(a) for _, a in tensors]
    ctx: Any = cls._backward_cls()
    ctx.needs_input_grad = tuple([isinstance(a, Tensor) and history(a) is not None for a in args])
    node = new(_CustomNode)
    ctx._node = weakref.ref(node)
    top = max((a for _, a in tensors), key=lambda a: a._level, default=None)
    if isinstance(top, DualTensor):
        out, below = _push(cls, args, kwargs, top._level)
    elif isinstance(top, BatchedTensor) and (
        _overrides(cls, "vmap") or any(_inside(a) for _, a in tensors)
    ):
        out, below = _batch(cls, args, kwargs, top)
    else:
        out, below = _run(cls, ctx, args, kwargs), None
    if below is not None:
        _inherit(ctx, below, args, out)
    if local.grad and any(e is not None for e in edges):
        out = _attach(cls, ctx, node, args, tensors, edges, out)
    else:
        ctx._given = ctx._to_save
        if below is None:
            _check_dirty(ctx, _listed(out))
    return out, ctx


def _listed(out: Any) -> list:
    return list(out) if isinstance(out, (tuple, list)) else [out]


def _like(out: Any, parts: Sequence[Any]) -> Any:
    """`parts` in the form of `out`."""
    if not isinstance(out, (tuple, list)):
        return parts[0]
    if hasattr(out, "_fields"):
        return type(out)(*parts)
    return list(parts) if isinstance(out, list) else tuple(parts)


def _run(cls: Any, ctx: FunctionCtx, args: tuple, kwargs: dict[str, Any]) -> Any:
    """`forward`, unrecorded, in either of its two styles."""
    with no_grad():
        if not _overrides(cls, "setup_context"):
            return cls.forward(ctx, *args, **kwargs)
        out = cls.forward(*args, **kwargs)
        cls.setup_context(ctx, args, out)
        return out


def _attach(
    cls: type, ctx: Any, node: Any, args: tuple, tensors: list, edges: list, out: Any
) -> Any:
    """Fills the node in and ties the outputs to it."""
    node.op, node.ctx = _CustomRule(cls), ctx
    node.places, node.count = {i: (tuple(a.shape), a.dtype) for i, a in tensors}, len(args)
    node.edges = tuple(edges)
    outs = _listed(out)
    _check_dirty(ctx, outs)
    several = isinstance(out, (tuple, list))
    inputs = {id(a) for _, a in tensors}
    roots = {id(a if a._base is None else a._base) for _, a in tensors}
    dirty = {id(t) for t in ctx._dirty}
    plain = {id(t) for t in ctx._plain}
    spots = {id(o): i for i, o in enumerate(outs) if isinstance(o, Tensor) and id(o) not in inputs}
    views = []
    for i, o in enumerate(outs):
        if not isinstance(o, Tensor) or id(o) in dirty or id(o) in plain:
            continue
        if id(o) in inputs:
            outs[i] = alias(o)  # an input handed back is another tensor for autograd
            views.append(i)
        elif o._base is not None and id(o._base) in roots:
            views.append(i)
    _save(ctx, node, spots, tensors, edges)
    node.views = frozenset(views)
    node.simple = not (several or views)
    if several:
        node.outputs = tuple([o._meta if isinstance(o, Tensor) else None for o in outs])
        node.fills = ctx._materialize
    for t in ctx._dirty:
        if type(history(t)) is Leaf:
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )
        writes.check_writable(t)
        t._bump()
    for i, o in enumerate(outs):
        if isinstance(o, Tensor) and id(o) not in plain and o.dtype.category >= 2:
            mine = tape.Output(node, i) if several else node
            if id(o) in dirty:
                writes.rewrite(o, mine)
            else:
                o._node = mine
                if o._base is not None and o._box is not None:
                    o._generation = o._box.generation
    if tape.anomaly:
        tape.mark_place(node)
    return _like(out, outs)


def _check_dirty(ctx: FunctionCtx, outs: list) -> None:
    returned = {id(o) for o in outs}
    if any(id(t) not in returned for t in ctx._dirty):
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are "
            "modified inplace must all be outputs of the Function."
        )


def _save(ctx: Any, node: Any, spots: dict[int, int], tensors: list, edges: list) -> None:
    """The tensors of `save_for_backward`, kept by the node: outputs as aliases without history."""
    for t in ctx._to_save:
        if not (t is None or isinstance(t, Tensor)):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {ctx._to_save.index(t)} is of type "
                f"{type(t).__name__}"
            )
    before = {id(a): e for (_, a), e in zip(tensors, edges)}
    dirty = {id(t) for t in ctx._dirty}
    saved = []
    for t in ctx._to_save:
        saved.append(alias(t) if isinstance(t, Tensor) and id(t) in spots else t)
    node.spots = tuple([spots.get(id(t)) for t in ctx._to_save])
    node.roots = tuple([before.get(id(t)) for t in ctx._to_save])
    node.versions = tuple(
        [tape.version_of(t) + (id(t) in dirty) if isinstance(t, Tensor) else 0 for t in saved]
    )
    if local.saved_hooks and any(isinstance(t, Tensor) for t in saved):
        hooks = local.saved_hooks[-1]
        saved = [tape.Packed(t, *hooks) if isinstance(t, Tensor) else t for t in saved]
    node.saved = tuple(saved)
    ctx._to_save = ()


# -- forward mode and batches -----------------------------------------------------------------------------------------


def _inside(x: Any) -> bool:
    """Whether something below the wrapper `x` follows derivatives."""
    while isinstance(x, Tensor) and x._level:
        x = x.value  # type: ignore[attr-defined]
        if isinstance(x, DualTensor) or any(True for _ in histories(x)):
            return True
    return False


def _inherit(ctx: FunctionCtx, below: FunctionCtx, args: tuple, out: Any) -> None:
    """Gives the context what that of the call one level down was given, in terms of this level's tensors."""
    for key, value in below.__dict__.items():
        if key not in ("_node", "_given", "needs_input_grad", "_lifted"):
            ctx.__dict__[key] = value
    lift = below.__dict__["_lifted"]
    ctx._to_save = tuple([lift(t, args, out) for t in ctx._to_save])
    ctx._plain = tuple([lift(t, args, out) for t in ctx._plain])
    if ctx._for_forward is not None:
        ctx._for_forward = tuple([lift(t, args, out) for t in ctx._for_forward])


def _lifter(values: Sequence[Any], results: Sequence[Any], otherwise: Callable) -> Callable:
    """How a tensor of the level below is found among this level's arguments and results."""

    def lift(t: Any, args: tuple, out: Any) -> Any:
        for v, a in zip(values, args):
            if v is t:
                return a
        for r, o in zip(results, _listed(out)):
            if r is t:
                return o
        return otherwise(t)

    return lift


def _push(cls: Any, args: tuple, kwargs: dict[str, Any], level: int) -> tuple[Any, FunctionCtx]:
    """Forward mode: the class's own `jvp`. What `forward` is made of may have another derivative than `backward`."""
    if not _overrides(cls, "jvp"):
        raise NotImplementedError(
            f"{cls.__name__}: You must implement the jvp function for custom autograd.Function to use it with forward "
            "mode AD; or use reverse mode (grad, vjp, jacrev)"
        )
    dual = [isinstance(a, DualTensor) and a._level == level for a in args]
    primals = tuple([a.value if d else a for a, d in zip(args, dual)])
    tangents = tuple([a.tangent if d else None for a, d in zip(args, dual)])
    out, ctx = _apply(cls, primals, kwargs)
    if ctx._materialize:
        tangents = tuple(
            [
                a.new_zeros(a.shape)
                if t is None and isinstance(a, Tensor) and a.dtype.category >= 2
                else t
                for a, t in zip(primals, tangents)
            ]
        )
    kept = ctx.saved_tensors
    with _giving(ctx, ctx._for_forward if ctx._for_forward is not None else kept):
        moved = cls.jvp(ctx, *tangents)
    outs, moves = _listed(out), _listed(moved)
    if len(moves) < len(outs):
        raise RuntimeError(
            f"function {cls.__name__}Backward returned an incorrect number of gradients "
            f"(expected {len(outs)}, got {len(moves)})"
        )
    plain = {id(t) for t in ctx._plain}
    made = [
        o
        if t is None or not isinstance(o, Tensor) or id(o) in plain
        else dual_of(o, _checked_tangent(cls, o, t), level)
        for o, t in zip(outs, moves)
    ]
    ctx.__dict__["_to_save"] = kept
    ctx.__dict__["_lifted"] = _lifter(primals, outs, lambda t: t)
    return _like(out, made), ctx


def _checked_tangent(cls: type, out: Tensor, t: Tensor) -> Tensor:
    if tuple(t.shape) != tuple(out.shape):
        raise RuntimeError(
            f"{cls.__name__}.jvp: expected a tangent of shape {list(out.shape)}, got {list(t.shape)}"
        )
    return t


@contextmanager
def _giving(ctx: FunctionCtx, tensors: tuple) -> Iterator[None]:
    """`ctx.saved_tensors` is `tensors` inside."""
    before, ctx._given = ctx._given, tensors
    try:
        yield
    finally:
        ctx._given = before


def _batch(cls: Any, args: tuple, kwargs: dict[str, Any], top: Any) -> tuple[Any, FunctionCtx]:
    """One level of vmap taken off: by the class's own `vmap`, or by a function over the batches' values."""
    level, size = top._level, top.size_of_batch
    flags = [isinstance(a, BatchedTensor) and a._level == level for a in args]
    values = tuple([a.value if f else a for a, f in zip(args, flags)])
    if _overrides(cls, "vmap"):
        if cls.generate_vmap_rule:
            raise RuntimeError(
                f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overridden "
                "vmap staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap staticmethod "
                "to avoid ambiguity."
            )
        return _own_vmap(cls, args, values, flags, size, level)
    lowered = _lowered(cls, flags, size, level, kwargs)
    out, below = _apply(lowered, values, {})
    inner = below.inner  # type: ignore[attr-defined]
    outs = [
        batched(o, size, level) if isinstance(o, Tensor) and f else o
        for o, f in zip(_listed(out), below.flags)  # type: ignore[attr-defined]
    ]
    inner.__dict__["_to_save"] = inner._to_save
    inner.__dict__["_lifted"] = lambda t, *_: t
    return _like(out, outs), inner


def _own_vmap(
    cls: Any, args: tuple, values: tuple, flags: list, size: int, level: int
) -> tuple[Any, FunctionCtx]:
    ctx: Any = cls._backward_cls()
    layer = next((b for b in local.batch if b.level == level), None)
    info = VmapInfo(size, "error" if layer is None else layer.randomness)
    outer = local.batch
    local.batch = tuple([b for b in outer if b.level != level])
    try:
        made = cls.vmap(info, tuple([0 if f else None for f in flags]), *values)
    finally:
        local.batch = outer
    if not (isinstance(made, tuple) and len(made) == 2):
        raise RuntimeError(
            f"Expected the vmap staticmethod of {cls.__name__} to return (output, out_dims), got {type(made).__name__}"
        )
    out, dims = made
    outs = _listed(out)
    dims = list(dims) if isinstance(dims, (tuple, list)) else [dims] * len(outs)
    wrapped = [
        o if d is None or not isinstance(o, Tensor) else batched(o.movedim(d, 0), size, level)
        for o, d in zip(outs, dims)
    ]
    shown = _like(out, wrapped)
    if _overrides(cls, "setup_context"):
        with no_grad():
            cls.setup_context(ctx, args, shown)
    ctx.__dict__["_lifted"] = lambda t, *_: t
    return shown, ctx


def _lowered(cls: Any, flags: list, size: int, level: int, kwargs: dict[str, Any]) -> Any:
    """`cls` over whole batches as a Function of their values: the level below sees gradients and tangents through it."""

    def up(x: Any, flag: bool) -> Any:
        return batched(x, size, level) if flag and isinstance(x, Tensor) else x

    def down(x: Any, flag: bool, total: bool = False) -> Any:
        """The value of a batch; of what has no batch but should have, `size` times the same."""
        if not isinstance(x, Tensor):
            return x
        if isinstance(x, BatchedTensor) and x._level == level:
            return x.value.sum(0) if total and not flag else x.value
        return x.unsqueeze(0).expand((size, *x.shape)) if flag else x

    def is_up(x: Any) -> bool:
        return isinstance(x, BatchedTensor) and x._level == level

    class Lowered(Function):
        @staticmethod
        def forward(ctx: Any, *values: Any) -> Any:
            inner = ctx.inner = cls._backward_cls()
            raised = tuple([up(v, f) for v, f in zip(values, flags)])
            out = _run(cls, inner, raised, kwargs)
            outs = _listed(out)
            ctx.flags = [is_up(o) for o in outs]
            lowered = [down(o, f) for o, f in zip(outs, ctx.flags)]
            known = {id(r): v for r, v in zip(raised, values)}
            known |= {id(o): v for o, v in zip(outs, lowered)}
            ctx.kept = [is_up(t) for t in inner._to_save]
            ctx.save_for_backward(
                *[known.get(id(t), t.value if f else t) for t, f in zip(inner._to_save, ctx.kept)]
            )
            if inner._for_forward is not None:
                ctx.moving = [is_up(t) for t in inner._for_forward]
                ctx.save_for_forward(
                    *[known.get(id(t), t.value if f else t)
                      for t, f in zip(inner._for_forward, ctx.moving)]
                )  # fmt: skip
            ctx.mark_non_differentiable(*[known[id(t)] for t in inner._plain])
            ctx.mark_dirty(*[known[id(t)] for t in inner._dirty])
            ctx.set_materialize_grads(inner._materialize)
            return _like(out, lowered)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            inner = ctx.inner
            inner.needs_input_grad = ctx.needs_input_grad
            kept = tuple([up(t, f) for t, f in zip(ctx.saved_tensors, ctx.kept)])
            with _giving(inner, kept):
                found = _listed(
                    _backward_of(cls)(inner, *[up(g, f) for g, f in zip(grads, ctx.flags)])
                )
            return tuple([down(g, f, True) for g, f in zip(found, flags)])

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            inner = ctx.inner
            marks = ctx.kept if inner._for_forward is None else ctx.moving
            with _giving(inner, tuple([up(t, f) for t, f in zip(ctx.saved_tensors, marks)])):
                moved = cls.jvp(inner, *[up(t, f) for t, f in zip(tangents, flags)])
            parts = [down(t, f) for t, f in zip(_listed(moved), ctx.flags)]
            return _like(moved, parts)

    Lowered.__name__ = cls.__name__
    if not _overrides(cls, "jvp"):
        Lowered.jvp = Function.jvp  # type: ignore[method-assign]
    return Lowered


# -- what else lives in torch.autograd.function -----------------------------------------------------------------------


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a `backward` whose result cannot be differentiated again: trying to is an error, not a wrong answer.

    >>> import flambeau
    >>> class Square(flambeau.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x): ctx.save_for_backward(x); return x * x
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g): return 2 * g * ctx.saved_tensors[0]
    >>> x = flambeau.tensor(3.0, requires_grad=True)
    >>> flambeau.autograd.grad(Square.apply(x), x)
    (tensor(6.),)
    """

    @functools.wraps(fn)
    def run(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            outputs = fn(ctx, *grads)
        if not local.grad or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return outputs
        parts = []
        for o in _listed(outputs):
            if isinstance(o, Tensor) and o.dtype.category >= 2:
                o = alias(o)
                o._node = tape.new(tape.Node)
                o._node.op, o._node.edges = (
                    _TWICE,
                    tuple([history(g) for g in grads if isinstance(g, Tensor)]),
                )
            parts.append(o)
        return _like(outputs, parts)

    return run


class _Twice:
    """The rule of a result that must not be differentiated again."""

    name = "delayed_error"

    @property
    def vjp_rule(self) -> _Twice:
        return self

    def pullback(self, node: Any, g: Any, needs: tuple) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )

    fast = pullback


_TWICE = _Twice()


class InplaceFunction(Function):
    """A Function with an `inplace` flag: PyTorch's older base class, kept for code that derives from it."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """PyTorch's legacy Function of nested containers, there to derive from. Calling it is refused, as it fails in PyTorch.

    Use `Function`, whose `forward` may return tuples.
    """

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Refused, as everything of the legacy style is."""
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method."
        )


__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "InplaceFunction",
    "NestedIOFunction",
    "once_differentiable",
]
