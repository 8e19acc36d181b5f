"""How a call of an operator runs. Read at every call that is not on the elementwise hot path: keep it bare.

    apply   wrappers (forward, batch) or promotion -> run -> record on the tape
    run     modes (tracer, profiler), kernel choice, the raw call, wrapping

Errors of raw kernels are explained by the operator's shape rule, which runs when a kernel has failed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import dtypes
from . import backend as backends
from . import overrides, signature, state, tape, writes
from .inference import makes_tensors
from .memory import root
from .meta import Meta
from .operator import Operator, registry
from .overlap import refuse_overlap
from .tensor import Box, Tensor, new, wrap

ndarray = np.ndarray
NUMBERS = (int, float, complex, bool)
_set, _reset, _QUIET = state.error_state.set, state.error_state.reset, state.quiet


def call(op: Operator, args: tuple, kwargs: dict[str, Any]) -> Any:
    """A call in the public spelling, `out=` included."""
    if state.overriding:
        made = overrides.intercept(op.public, args, kwargs)
        if made is not overrides.NOBODY:
            return made
    out = kwargs.pop("out", None)
    try:
        arrays, attrs = op.bind(args, kwargs)
        if out is not None and (op.family == "elementwise" or "out_apart" in op.tags):
            refuse_overlap(out, arrays, "out_apart" not in op.tags)
        made = apply(op, arrays, attrs)
    except Stranger:
        made = overrides.NOBODY
    except signature.BLAMED as error:
        found = overrides.overloaded(args, kwargs)
        if found:  # an argument that stands for no tensor
            return overrides.handle(op.public, found, args, kwargs)
        settled = signature.numbers_for_tensors(op, args, kwargs)
        if settled is not None:
            if out is not None:
                settled[1]["out"] = out
            return call(op, *settled)
        kind = {"elementwise": "Meta", "reduction": "Tensor"}.get(op.family)
        signature.raise_clearly(op.name, op.body, args, kwargs, error, kind)
    if made is overrides.NOBODY:
        if out is not None:
            kwargs["out"] = out
        return overrides.handle(op.public, overrides.overloaded(args, kwargs), args, kwargs)
    return made if out is None else write_out(op, out, made)


class Stranger(Exception):
    """An argument that is no tensor, of a class with a `__torch_function__`."""


def apply(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
    """Runs `op` on tensors, numbers and None, and records it where gradients are wanted."""
    top = None
    recorded = False
    for t in arrays:
        if isinstance(t, Tensor):
            if t._base is not None:
                # A view has a box.
                if (t._node if t._generation == t._box.generation else tape.history(t)) is not None:  # type: ignore[union-attr]
                    recorded = True
            elif t._node is not None:
                recorded = True
            if t._level and (top is None or t._level > top._level):
                top = t
        elif t is not None and not isinstance(t, NUMBERS):
            arrays = tuple([as_operand(op, i, a) for i, a in enumerate(arrays)])
            return apply(op, arrays, attrs)
    if state.local.promotion is not None:
        arrays = state.local.promotion(op, arrays, attrs)
    if op.promote is not None:
        arrays = op.promote(op, arrays, attrs)
    if top is None:
        out = run(op, arrays, attrs)
    else:
        out = top.process(op, arrays, attrs)  # type: ignore[attr-defined]
        if top.own_history:  # type: ignore[attr-defined]
            return out
    if recorded and state.local.grad and "vjp" not in op.refusals:
        return tape.record(op, out, arrays, attrs)
    return out


def as_operand(op: Operator, position: int, value: Any) -> Any:
    """A NumPy array or scalar as what it stands for; TypeError for what is no tensor."""
    if value is None or isinstance(value, (Tensor, *NUMBERS)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if overrides.overrides(type(value)) and not state.local.overrides_off:
        raise Stranger
    name = op.params[0] if op.variadic else op.params[op.arrays[position]]
    raise TypeError(
        f"{op.name}(): argument '{name}' (position {position + 1}) must be Tensor, not {type(value).__name__}"
    )


def run(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
    """The call on plain tensors: through this thread's modes, then the kernel."""
    if state.active and state.local.modes:
        return _through_modes(op, arrays, attrs, len(state.local.modes))
    return execute(op, arrays, attrs)


def _through_modes(op: Operator, arrays: tuple, attrs: dict[str, Any], depth: int) -> Any:
    if depth == 0:
        return execute(op, arrays, attrs)
    mode = state.local.modes[depth - 1]
    return mode.run(op, arrays, attrs, lambda: _through_modes(op, arrays, attrs, depth - 1))


def execute(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
    """Chooses the kernel, calls it on raw arrays, wraps what comes back."""
    raw = [a._array if isinstance(a, Tensor) else a for a in arrays]
    backend = backend_of(op, raw, arrays, attrs)
    kernel = choose(op, backend, arrays, attrs)
    token = _set(_QUIET)
    try:
        made = kernel(backend.xp, *raw, **attrs)
    except (
        ValueError,
        IndexError,
        TypeError,
        np.exceptions.AxisError,
        np.linalg.LinAlgError,
    ) as error:
        explain(op, arrays, attrs, error)
    finally:
        _reset(token)
    return finish(op, made, arrays, raw, attrs)


def backend_of(op: Operator, raw: list, arrays: tuple, attrs: dict[str, Any]) -> Any:
    """The one backend of all arrays; 0-d CPU tensors may join those of another device."""
    found = None
    for i, a in enumerate(raw):
        if a is None or isinstance(a, NUMBERS):
            continue
        b = _cpu if type(a) is ndarray and _cpu is not None else backends.of_array(a)
        if found is None or found is b:
            found = b
        elif a.ndim == 0 and b.name == "cpu":
            raw[i] = found.asarray(a, _first_device(arrays, found))
        elif found.name == "cpu" and all(x.ndim == 0 for x in raw[:i] if hasattr(x, "ndim")):
            found = b
            for j in range(i):
                if hasattr(raw[j], "ndim"):
                    raw[j] = b.asarray(raw[j], b.device_of(a))
        else:
            devices = ", ".join(
                dict.fromkeys(str(t.device) for t in arrays if isinstance(t, Tensor))
            )
            raise RuntimeError(
                f"{op.name}: Expected all tensors to be on the same device, but found at least two devices, {devices}!"
            )
    return found if found is not None else backends.of_device(attrs.get("device") or "cpu")


_cpu: Any = None


def set_cpu(backend: Any) -> None:
    """Called once by the NumPy backend when it loads."""
    global _cpu
    _cpu = backend


def _first_device(arrays: tuple, backend: Any) -> Any:
    return next(
        t.device for t in arrays if isinstance(t, Tensor) and backends.of_array(t._array) is backend
    )


def choose(op: Operator, backend: Any, arrays: tuple, attrs: dict[str, Any]) -> Callable[..., Any]:
    """The first provider of the backend that accepts the call, else the reference kernel."""
    if backend.kernels is not None:
        return backend.own_kernel(op, arrays, attrs)
    least = op.least.get(backend.name)
    if least is not None and (_large(arrays, least) or _makes_large(op, arrays, least)):
        metas = [meta_of(a) for a in arrays]
        for checker, kernel in offers(op, backend):
            if checker(metas, attrs):
                return kernel
    return op.kernels[None]


def offers(op: Operator, backend: Any) -> list[tuple[Callable[..., bool], Callable[..., Any]]]:
    """A backend's kernels for an operator; the module that has them is imported when they are first asked for."""
    found = op.providers.get(backend.name, [])
    return found if type(found) is list else backend.offers(op)


def _large(arrays: tuple, least: int) -> bool:
    """Whether one of the arrays has elements enough for a provider."""
    if least == 0:
        return True
    for a in arrays:  # noqa: SIM110 -- a generator costs more than the loop
        if isinstance(a, Tensor) and a._array.size >= least:
            return True
    return False


def _makes_large(op: Operator, arrays: tuple, least: int) -> bool:
    """Whether two operands broadcast to elements enough, as those of an outer product do."""
    if op.family != "elementwise" or len(arrays) != 2:
        return False
    a, b = (getattr(x, "_array", None) for x in arrays)
    return type(a) is ndarray and type(b) is ndarray and makes_large(a, b, least)


def makes_large(a: ndarray, b: ndarray, least: int) -> bool:
    """The same of two raw arrays."""
    try:
        return a.size * b.size >= least and np.broadcast(a, b).size >= least
    except ValueError:
        return False


def meta_of(value: Any) -> Any:
    """The Meta of a tensor or a number; None stays None."""
    if isinstance(value, Tensor):
        return value._meta
    return None if value is None else Meta((), dtypes.of_number(value))


def explain(op: Operator, arrays: tuple, attrs: dict[str, Any], error: Exception) -> None:
    """Raises the clear error of the operator's shape rule; if that finds nothing wrong, `error` itself."""
    if op.family in ("primitive", "view"):
        op.call_body(tuple(map(meta_of, arrays)), attrs)
    elif op.family == "elementwise":
        from .._base.checks import broadcast_shapes

        broadcast_shapes(*(tuple(a.shape) for a in arrays if isinstance(a, Tensor)))
        if isinstance(error, TypeError):
            given = ", ".join(dict.fromkeys(meta_of(a).dtype.name for a in arrays if a is not None))
            raise NotImplementedError(f'"{op.name}" not implemented for {given}') from None
    if isinstance(error, TypeError) and any(
        getattr(a, "dtype", None) is dtypes.complex32 for a in arrays
    ):
        raise NotImplementedError(f'"{op.name}" not implemented for complex32') from None
    if isinstance(error, (IndexError, TypeError)):
        try:
            raise error
        finally:
            del error  # its traceback has this frame, which would hold the arguments with it
    given = ", ".join(str(meta_of(a)) if isinstance(a, Tensor) else repr(a) for a in arrays)
    raise RuntimeError(f"{op.name}: {error} (given {given})") from error


def finish(op: Operator, made: Any, arrays: tuple, raw: list, attrs: dict[str, Any]) -> Any:
    """Raw results as tensors; results that share an input's memory become views of it."""
    if type(made) is tuple:
        outs = tuple([_finish_one(op, m, arrays, raw, attrs, i) for i, m in enumerate(made)])
        return op.tags["named"](*outs) if op.outputs else outs
    return _finish_one(op, made, arrays, raw, attrs, None)


def _finish_one(
    op: Operator, made: Any, arrays: tuple, raw: list, attrs: dict[str, Any], index: int | None
) -> Tensor:
    if type(made) is not ndarray and isinstance(made, (np.generic, int, float, bool, complex)):
        made = np.asarray(made)
    t = new(Tensor)
    t._array = made
    if op.family == "view":
        source = raw[0]
        if made is source or shares(made, source):
            link_view(t, arrays[0], op, attrs, index, arrays)
    return t


def shares(made: Any, source: Any) -> bool:
    """Whether `made`, which a view's kernel returned, is over `source`'s memory (a reshape may have copied)."""
    if type(made) is ndarray:
        base = made.base
        if base is None or base is source or base is source.base:
            return base is not None
        return root(made) is root(source)  # a strided window has a base of its own
    return backends.of_array(made).shares(made, source)  # type: ignore[attr-defined]


def link_view(
    t: Tensor, of: Tensor, op: Operator, attrs: dict[str, Any], index: int | None, arrays: tuple
) -> None:
    """Makes `t` a view of `of`: one version box for both, and how to remake `t` from the root."""
    box = of._box
    if box is None:
        box = of._box = Box()
    t._box = box
    t._generation = box.generation
    t._base = of if of._base is None else of._base
    t._replay = (*of._replay, Step(op, arrays[1:], attrs, index))


class Step:
    """One view operator on the way from a root tensor to a view; calling it takes that step from another root."""

    __slots__ = ("attrs", "index", "op", "rest")
    several = False  # whether the call gives several views at once, which must not be written

    def __init__(self, op: Operator, rest: tuple, attrs: dict[str, Any], index: int | None) -> None:
        self.op, self.rest, self.attrs, self.index = op, rest, attrs, index

    def __call__(self, tensor: Tensor) -> Tensor:
        made = apply(self.op, (tensor, *self.rest), self.attrs)
        return made if self.index is None else made[self.index]


class Part(Step):
    """The step to one of several views that one call gives (`unbind`, `split`); `index` is its place among them."""

    __slots__ = ()
    several = True

    def __call__(self, tensor: Tensor) -> Tensor:
        return apply(self.op, (tensor, *self.rest), self.attrs)


def parts(views: tuple[Tensor, ...], name: str) -> tuple[Tensor, ...]:
    """Views that one call gives: autograd refuses writes into them and calls their node `name`."""
    for i, v in enumerate(views):
        step: Any = v._replay[-1] if v._replay else None
        if type(step) is Step:
            step.__class__, step.index = Part, i
        if type(v._node) is tape.Node:
            v._node.label = name
    return views


def write_out(op: Operator, out: Any, made: Any) -> Any:
    """`made` into the tensors given as `out=`; those of another shape are resized, with a warning unless empty."""
    if isinstance(made, tuple):
        for o, m in zip(out, made):
            write_out(op, o, m)
        return out
    if not isinstance(out, Tensor):
        raise TypeError(f"{op.name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if state.local.grad and (out.requires_grad or made.requires_grad):
        raise RuntimeError(
            f"{op.name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if not dtypes.can_cast(made.dtype, out.dtype):
        raise RuntimeError(
            f"result type {_class_name(made.dtype)} can't be cast to the desired output type {_class_name(out.dtype)}"
        )
    if made.dtype is not out.dtype and op.tags.get("exact_out"):
        raise RuntimeError(
            f"{op.name}(): Expected out tensor to have dtype {made.dtype.name}, but got {out.dtype.name} instead"
        )
    if out.device != made.device:
        raise RuntimeError(
            f"{op.name}(): expected out tensor on {made.device}, but got {out.device}"
        )
    if out._level == tape.COMPOSED or made._level == tape.COMPOSED:
        composed: Any = made if made._level else out
        composed.assign(out, made)
        return out
    if tuple(out.shape) != tuple(made.shape):
        if out._array.size != 0:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not "
                f"match the required output shape {list(made.shape)}. Give `out` that shape, or none: resize it to zero "
                "elements with out.resize_(0).",
                UserWarning,
                stacklevel=3,
            )
        made = made if made.dtype is out.dtype else registry["to_dtype"].public(made, out.dtype)
        out._array = registry["clone"].public(made)._array
    else:
        writes.check_writable(out)
        run(registry["copy_into"], (out, made), {})  # a call like any other: a trace must see it
    out._bump()
    return out


def assign(target: Tensor, value: Any) -> Tensor:
    """Writes `value` into `target`'s memory and history: what every in-place operator ends with."""
    if not state.active and _assign_plain(target, value):
        return target
    writes.check_writable(target, value)
    if not isinstance(value, Tensor):
        value = wrap(np.asarray(value, dtype=target._array.dtype))
    if not dtypes.can_cast(value.dtype, target.dtype):
        raise RuntimeError(
            f"result type {_class_name(value.dtype)} can't be cast to the desired output type {_class_name(target.dtype)}"
        )
    if value.dtype is not target.dtype:
        value = registry["to_dtype"].public(value, target.dtype)
    shape = tuple(target.shape)
    if tuple(value.shape) != shape:
        value = registry["expand"].public(value, shape)
    write = registry["copy_into"]
    if not (target._level or value._level) and type(value._array) is not type(target._array):
        value = registry["to_device"].public(value, target.device)
    if target._level or value._level:
        top: Any = target if target._level >= value._level else value  # a wrapper
        top.assign(target, value)
    else:
        run(write, (target, value), {})
        target._bump()
    if state.local.grad:
        writes.rebase(target, value)
    return target


def _assign_plain(target: Tensor, value: Any) -> bool:
    """`assign` for small NumPy arrays of one dtype and shape (or a 0-d value without history); whether it was done."""
    a, b = target.__dict__.get("_array"), getattr(value, "_array", None)
    if type(a) is not ndarray or type(b) is not ndarray or a.dtype is not b.dtype:
        return False
    if a.size > SMALL or 0 in a.strides or not isinstance(value, Tensor):
        return False
    kept = value._node is not None or value._base is not None
    if a.shape != b.shape and (b.ndim or kept):
        return False
    tracked = state.local.grad and (kept or target._node is not None or target._base is not None)
    if tracked:
        writes.check_writable(target, value)
    box = target._box
    if box is None:
        box = target._box = Box()
    box.written += 1
    try:
        np.copyto(a, b)
    except ValueError:  # memory that must not be written
        box.written -= 1
        return False
    if tracked:
        writes.rebase(target, value)
    return True


SMALL = 1 << 15  # elements up to which NumPy copies; beyond that a backend may


def _class_name(d: dtypes.dtype) -> str:
    return {
        "float32": "Float",
        "float64": "Double",
        "int64": "Long",
        "int32": "Int",
        "bool": "Bool",
    }.get(d.name, d.name)


def whole(op: Operator, args: tuple, kwargs: dict[str, Any]) -> Any:
    """A composite while modes are active or providers exist: kept whole where one of them wants it, else opened."""
    if state.overriding or (args and type(args[0]) not in overrides.plain):
        made = overrides.intercept(op.public, args, kwargs)
        if made is not overrides.NOBODY:
            return made
        rule = overrides.composed_rule(op.name, args)
        if rule is not None:
            return rule(*args, **kwargs)
    if op.loose:
        return op.body(*args, **kwargs)
    out = None if "out" in op.index else kwargs.pop("out", None)
    arrays, attrs = op.bind(args, kwargs)
    hook = state.local.promotion
    if hook is None:
        made = _opened(op, arrays, attrs)
    else:
        made = hook.whole(op, arrays, attrs, _opened)
    return made if out is None else write_out(op, out, made)


def _opened(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
    modes = state.local.modes
    if not modes:
        kernel = _claimed(op, arrays, attrs)
        return op.call_body(arrays, attrs) if kernel is None else kernel(arrays, attrs)
    for depth in range(len(modes), 0, -1):
        if modes[depth - 1].wants(op, arrays, attrs):
            return _keep_whole(op, arrays, attrs, modes, depth)
    open_all = not all(getattr(m, "claims", False) for m in modes)
    kernel = None if open_all else _claimed(op, arrays, attrs)
    return op.call_body(arrays, attrs) if kernel is None else kernel(arrays, attrs)


def _keep_whole(
    op: Operator, arrays: tuple, attrs: dict[str, Any], modes: tuple, depth: int
) -> Any:
    def proceed() -> Any:
        state.local.modes = modes[: depth - 1]
        try:
            return op.call_body(arrays, attrs)
        finally:
            state.local.modes = modes

    return modes[depth - 1].run(op, arrays, attrs, proceed)


def _claimed(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Callable[..., Any] | None:
    """A provider's kernel for a whole composite. It is given and gives tensors and records its own gradient."""
    return claimed(op, arrays, attrs)[0]


def claimed(
    op: Operator, arrays: tuple, attrs: dict[str, Any]
) -> tuple[Any, Callable[[], bool] | None]:
    """`_claimed`, and what says whether its checker would still accept these dtypes, shapes and attributes.

    None in its place if the checker may read more (`claims.lasting`).
    """
    if not op.providers:
        return None, None
    owners = set()
    for a in arrays:
        if isinstance(a, Tensor):
            if a._level:
                return None, None
            array = a._array
            owners.add("cpu" if type(array) is ndarray else backends.of_array(array).name)
    for name, least in op.least.items():
        if not _large(arrays, least):
            continue
        if owners <= {name}:
            metas = [meta_of(a) for a in arrays]
            for checker, kernel in list(offers(op, backends.of_device(name))):
                if checker(metas, attrs):
                    return kernel, getattr(checker, "holds", None) if name == "cpu" else None
    return None, None


REMEMBERED = (
    1024  # calls of one composite that are known to be claimed; forgotten all at once beyond that
)


makes_tensors(globals())
