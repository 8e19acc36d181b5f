"""A custom operator: a function given an Operator like flambeau's own, so that every transform knows what to do with it.

All its tensors are the arrays of one variadic Operator; how they sit among the other arguments is the static part of the
call (`Layout`). Its kernels are Python functions on tensors. Gradients are recorded by an `autograd.Function`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..autograd.function import Function
from ..autograd.modes import no_grad
from ..runtime import dispatch, state
from ..runtime.meta import Meta
from ..runtime.operator import Operator, registry
from ..runtime.tensor import Tensor, history, wrap
from .schema import Schema


@dataclass(frozen=True)
class Layout:
    """The arguments of a call without its tensors: (name, value) pairs, `Slot` where a tensor was."""

    items: tuple[tuple[str, Any], ...]

    def fill(self, tensors: Sequence[Any]) -> dict[str, Any]:
        """The arguments by name again."""
        rest = iter(tensors)

        def put(v: Any) -> Any:
            if v is SLOT:
                return next(rest)
            return [put(x) for x in v] if type(v) is list else v

        return {name: put(value) for name, value in self.items}

    def __hash__(self) -> int:
        return hash(repr(self.items))


class Slot:
    """Where a tensor goes."""

    def __repr__(self) -> str:
        return "<tensor>"


SLOT = Slot()


def laid_out(values: dict[str, Any]) -> tuple[tuple[Tensor, ...], Layout]:
    """The tensors of a call, and the rest."""
    tensors: list[Tensor] = []

    def take(v: Any) -> Any:
        if isinstance(v, Tensor):
            tensors.append(v)
            return SLOT
        return [take(x) for x in v] if isinstance(v, (list, tuple)) else v

    items = tuple((name, take(value)) for name, value in values.items())
    return tuple(tensors), Layout(items)


class CustomOpDef:
    """What `custom_op` makes: call it as the function it was; give it further rules by its `register_*` decorators."""

    def __init__(self, schema: Schema, function: Callable[..., Any] | None) -> None:
        self.schema = schema
        self.namespace, self.name = schema.name.split("::")
        self.kernels: dict[str | None, Callable[..., Any]] = {}
        self.composite: Callable[..., Any] | None = None  # made of operators: simply called
        self.above: Callable[..., Any] | None = None  # answers instead of autograd
        self.fake: Callable[..., Any] | None = None
        self.vmap: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None
        self.setup_context: Callable[..., Any] | None = None
        self.autocast: dict[str, Any] = {}
        self.__name__ = self.name
        self.__doc__ = getattr(function, "__doc__", None)
        if function is not None:
            self.kernels[None] = function
        self._op = self._operator()
        self._function = self._autograd()

    def __repr__(self) -> str:
        return f"<CustomOpDef({self.schema.name})>"

    # -- a call -----------------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = self.schema.bind(args, kwargs)
        target = self.above or self.composite
        if target is not None:
            positional = [values[a.name] for a in self.schema.arguments if not a.keyword]
            named = {a.name: values[a.name] for a in self.schema.arguments if a.keyword}
            return target(*positional, **named)
        tensors, layout = laid_out(values)
        if self.autocast and tensors:
            tensors = self._cast(tensors)
        if self.schema.mutates:
            return self._mutate(tensors, layout)
        if state.local.grad and any(history(t) is not None for t in tensors):
            return self._named(self._function.apply(layout, *tensors))
        return self._named(dispatch.apply(self._op, tensors, {"layout": layout}))

    def _named(self, made: Any) -> Any:
        if not self.schema.returns:
            return None
        return tuple(made) if self.schema.several else made

    def _cast(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        from ..amp import is_autocast_enabled

        out = []
        for t in tensors:
            kind = self.autocast.get(t.device.type)
            wanted = kind is not None and is_autocast_enabled(t.device.type)
            out.append(t.to(kind) if wanted and t.is_floating_point() else t)
        return tuple(out)

    def _mutate(self, tensors: tuple[Tensor, ...], layout: Layout) -> Any:
        """A call that writes into its arguments: at once, on plain tensors."""
        values = layout.fill(tensors)
        for a in self.schema.arguments:
            t = values[a.name]
            if a.mutated and isinstance(t, Tensor):
                if t._level:
                    raise RuntimeError(
                        f"{self.schema.name}: writes into '{a.name}', which vmap and forward mode cannot follow"
                    )
                if state.local.grad and history(t) is not None:
                    raise RuntimeError(
                        f"{self.schema.name}: '{a.name}' requires grad and is written to; autograd cannot follow a "
                        "custom operator's writes, detach it first"
                    )
                for mode in state.local.modes:
                    mode.leaves(t, f"{self.schema.name}, which writes into its arguments")
        kernel = self._kernel_for(tensors)
        with no_grad():
            made = kernel(**values)
        for a in self.schema.arguments:
            written = values[a.name]
            if a.mutated and written is not None:
                for t in written if isinstance(written, list) else [written]:
                    t._bump()
        return made

    # -- rules ------------------------------------------------------------------------------------------------------------

    def register_kernel(
        self, device_types: str | Sequence[str] | None, fn: Callable[..., Any] | None = None, /
    ) -> Any:
        """The function for tensors on these devices ("cpu", "cuda"); None: on any."""

        def register(f: Callable[..., Any]) -> Callable[..., Any]:
            kinds = [device_types] if device_types is None or isinstance(device_types, str) else device_types  # fmt: skip
            for kind in kinds:
                self.kernels[kind] = f
            return f

        return register if fn is None else register(fn)

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """What shape and dtype the results have: `fn` with the operator's arguments, tensors on `meta`."""
        self.fake = fn
        return fn

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """`backward(ctx, *grads)` gives a gradient for each argument; `setup_context(ctx, inputs, output)` keeps."""
        if self.schema.mutates:
            raise RuntimeError(
                f"Cannot register autograd formula for {self.schema.name}: it writes into its arguments"
            )
        self.backward, self.setup_context = backward, setup_context

    def register_vmap(self, func: Callable[..., Any] | None = None) -> Any:
        """`func(info, in_dims, *args)` for a batch: gives (results, where their batch dimension is)."""

        def register(f: Callable[..., Any]) -> Callable[..., Any]:
            self.vmap = f
            return f

        return register if func is None else register(func)

    def register_autocast(self, device_type: str, cast_inputs: Any) -> None:
        """Under autocast floating tensors are cast to `cast_inputs` first."""
        self.autocast[device_type] = cast_inputs

    # -- how flambeau sees it ---------------------------------------------------------------------------------------------

    def _kernel_for(self, tensors: Sequence[Tensor]) -> Callable[..., Any]:
        where = tensors[0].device.type if tensors else "cpu"
        kernel = self.kernels.get(where) or self.kernels.get(None)
        if where == "meta":
            kernel = self.kernels.get(where) or self._fake_rule()
        if kernel is None:
            raise NotImplementedError(
                f"Could not run '{self.schema.name}' with arguments from the '{where.upper()}' backend: no kernel is "
                "registered for it"
            )
        return kernel

    def _fake_rule(self) -> Callable[..., Any]:
        if self.fake is None:
            raise RuntimeError(
                f"There was no fake impl registered for {self!r}. This is necessary for meta tensors and compilation "
                f"to work. Please use `{self.name}.register_fake` to add a fake impl."
            )
        return self.fake

    def _operator(self) -> Operator:
        def body(tensors: Sequence[Meta], *, layout: Any) -> Any:
            from ..ops.creation import empty

            metas = [empty(t.shape, dtype=t.dtype, device="meta") for t in tensors]
            made = self._fake_rule()(**layout.fill(metas))
            back: Any = tensors[0].device if tensors else "cpu"
            outs = made if isinstance(made, (tuple, list)) else (made,)
            shapes = tuple(Meta(tuple(o.shape), o.dtype, back) for o in outs)
            return shapes if isinstance(made, (tuple, list)) else shapes[0]

        op = Operator(body, "primitive", self.schema.name, method=False, inplace=False)
        op.kernels[None] = self._run
        op.batch_rule = self._batch
        op.public = self
        op.doc = self.__doc__ or ""
        for transform in ("jvp", "onnx"):
            op.refuse(transform, "a custom operator says how it runs, not what it means")
        op.refuse("vjp", "recorded by an autograd.Function of its own")
        registry[op.name] = op
        return op

    def _run(self, xp: Any, *raw: Any, layout: Layout) -> Any:
        """The kernel on raw arrays: the user's function, on tensors, seen by no mode."""
        tensors = [wrap(a) for a in raw]
        local = state.local
        before = local.modes, local.promotion, local.function_modes
        local.modes, local.promotion, local.function_modes = (), None, ()
        try:
            with no_grad():
                made = self._kernel_for(tensors)(**layout.fill(tensors))
        finally:
            local.modes, local.promotion, local.function_modes = before
        outs = made if isinstance(made, (tuple, list)) else (made,)
        if len(outs) != len(self.schema.returns) and self.schema.returns not in (("Tensor[]",),):
            raise RuntimeError(
                f"{self.schema.name}: returned {len(outs)} result(s), its schema says {len(self.schema.returns)}: "
                f"{self.schema}"
            )
        for i, o in enumerate(outs):
            if not isinstance(o, Tensor):
                raise RuntimeError(
                    f"{self.schema.name}: result {i} is {type(o).__name__}, and must be a Tensor"
                )
            for other in (*tensors, *outs[:i]):
                if o._array is other._array or dispatch.shares(o._array, other._array):
                    raise RuntimeError(
                        f"{self.schema.name}: The output of this custom operator (1) must not also be an input to this "
                        "custom operator and (2) may not alias any inputs to this custom operator or other returns. "
                        "The most common way to trigger this error is if we have y = custom_op(x) and y and x are the "
                        "same Tensor. Please instead return a clone of the offending output tensor(s)."
                    )
        arrays = tuple(o._array for o in outs)
        return arrays if isinstance(made, (tuple, list)) else arrays[0]

    def _batch(self, size: int, flags: Sequence[bool], *values: Any, layout: Layout) -> Any:
        if self.vmap is None:
            from ..transforms.batch import _loop

            return _loop(self._op, size, flags, values, {"layout": layout})
        dims = layout.fill([0 if f else None for f in flags])
        info = BatchInfo(size)
        filled = layout.fill(values)
        made, where = self.vmap(
            info, tuple(d if d == 0 else _no_dims(d) for d in dims.values()), *filled.values()
        )
        if isinstance(made, (tuple, list)):
            places = where if isinstance(where, (tuple, list)) else [where] * len(made)
            return tuple(_in_front(m, d, size) for m, d in zip(made, places))
        return _in_front(made, where, size)

    def _autograd(self) -> type[Function]:
        definition = self

        class Recorded(Function):
            @staticmethod
            def forward(ctx: Any, layout: Layout, *tensors: Tensor) -> Any:
                made = dispatch.apply(definition._op, tensors, {"layout": layout})
                ctx.layout, ctx.tensors_count = layout, len(tensors)
                if definition.setup_context is not None:
                    values = layout.fill(tensors)
                    arguments = definition.schema.arguments
                    inputs = tuple(values[a.name] for a in arguments if not a.keyword)
                    named = {a.name: values[a.name] for a in arguments if a.keyword}
                    more = {"keyword_only_inputs": named} if named else {}
                    definition.setup_context(ctx, inputs=inputs, output=made, **more)
                return made

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                if definition.backward is None:
                    raise RuntimeError(
                        f"Trying to backward through {definition.namespace}.{definition.name}.default but no autograd "
                        "formula was registered. Please use register_autograd to add one."
                    )
                given = definition.backward(ctx, *grads)
                given = given if isinstance(given, (tuple, list)) else (given,)
                return (None, *_of_tensors(definition.schema, ctx.layout, given))

        Recorded.__name__ = Recorded.__qualname__ = self.name
        return Recorded

    def destroy(self) -> None:
        """Forgets the operator."""
        registry.pop(self.schema.name, None)


class BatchInfo:
    """What a vmap rule is told: the size of the batch, and how random numbers are to be drawn."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        modes = state.local.batch
        self.randomness = getattr(modes[-1], "randomness", "error") if modes else "error"


def _no_dims(d: Any) -> Any:
    """Where no tensor was there is no batch dimension."""
    return [x if x == 0 and x is not False else None for x in d] if isinstance(d, list) else None


def _in_front(made: Tensor, where: int | None, size: int) -> Tensor:
    if where is None:
        return made.unsqueeze(0).expand((size, *made.shape))
    return made if where == 0 else made.movedim(where, 0)


def _of_tensors(schema: Schema, layout: Layout, given: Sequence[Any]) -> list[Any]:
    """Of the gradients, one per argument, those of the tensors, in the order of the arrays."""
    arguments = [a for a in schema.arguments if not a.keyword]
    if len(given) != len(arguments):
        raise RuntimeError(
            f"{schema.name}: its backward returned {len(given)} gradient(s), expected one for each of the "
            f"{len(arguments)} arguments"
        )
    by_name = {a.name: g for a, g in zip(arguments, given)}
    out: list[Any] = []

    def walk(place: Any, g: Any) -> None:
        if place is SLOT:
            out.append(g)
        elif type(place) is list:
            for i, p in enumerate(place):
                walk(p, None if g is None else g[i])

    for name, place in layout.items:
        walk(place, by_name.get(name))
    return out
