"""A capture in which sizes of the arguments stay open: shapes are made of the numbers of `symbols`.

While it is in force in a thread, `tensor.shape` gives open sizes there. They go on through shape rules and through the
Python of operators and of the user; kernels see plain numbers. What an operator is given is written down as it came.
"""

from __future__ import annotations

import builtins
import functools
import math
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from operator import index as as_index
from typing import Any

from .._base import pytree
from ..graph import Call, Graph, Value
from ..runtime import dispatch, state
from ..runtime.infer import infer
from ..runtime.meta import Meta
from ..runtime.operator import Operator, registry
from ..runtime.tensor import Size, Tensor, wrap
from . import settled  # noqa: F401 -- open numbers end as it says
from .capture import Capture
from .decisions import Decision
from .numbers import Numbers
from .polynomials import FLOATS, SCOPE
from .symbols import OPEN, Broken, Sizes, Whole, followed, is_open, value_of


class OpenCapture(Capture):
    """A capture for which the arguments' tensors have the shapes `given`. `failed` says why other sizes need a trace of their own."""

    def __init__(self, sizes: Sizes, given: Sequence[tuple], numbers: Mapping[int, Any]) -> None:
        super().__init__()
        self.sizes, self._given = sizes, iter(given)
        self.numbers = (
            numbers  # the arguments that are open numbers, by their places among the leaves
        )
        self.failed: str | None = None

    def __enter__(self) -> Any:
        _patch(1)
        return super().__enter__()

    def __exit__(self, *info: Any) -> None:
        super().__exit__(*info)
        self.sizes.noting = False
        _patch(-1)

    def fail(self, reason: str) -> None:
        self.failed = self.failed or reason

    @property
    def told(self) -> bool:
        """Whether the call has left traces outside that would be there twice, were it made again."""
        graphs = [p for p in self.parts if isinstance(p, Graph)]
        others = len(graphs) + sum(isinstance(p, (Numbers, Decision)) for p in self.parts)
        return bool(self.touched) or others < len(self.parts) or any(g.writes for g in graphs)

    # -- shapes ---------------------------------------------------------------------------------------------------------

    def shape_of(self, tensor: Tensor) -> tuple:
        array: Any = tensor._array
        found = self._values.get(id(array))
        if found is not None and len(found[0].meta.shape) == len(array.shape):
            return found[0].meta.shape
        return array.shape

    def input(self, tensor: Tensor, name: str | None = None) -> Value:
        value = super().input(tensor, name)
        value.meta = value.meta.like(next(self._given))
        return value

    def seed(self, tensor: Tensor, like: Tensor) -> Value:
        self._given = iter([self.shape_of(like)])
        return self.input(tensor)

    def plain(self, results: list) -> list:
        return closed(results)

    def known(self, x: Any) -> Any:
        return closed(x)

    def frozen(self, calls: list[Call]) -> None:
        """The program is for the open numbers that these calls are given."""
        for call in calls:
            changed([*call.inputs, *call.attrs.values()], lambda x: x.known())

    def gradient(self, rule: Any, node: Any, g: Tensor, needs: tuple) -> Any:
        """Call by call: the one pass looks at arrays only."""
        return None

    # -- calls ----------------------------------------------------------------------------------------------------------

    def run(
        self, op: Operator, arrays: tuple, attrs: dict[str, Any], proceed: Callable[[], Any]
    ) -> Any:
        if op.name in ("copy_into", "stop_gradient"):
            return super().run(op, arrays, attrs, proceed)
        inputs = tuple(self.read(a) if isinstance(a, Tensor) else a for a in arrays)
        try:
            made = self._done(op, arrays, attrs, proceed)
        except Exception:  # the user's Python may catch it, and other sizes may not be refused
            self.fail(f"{op.name} refuses what it is given")
            raise
        several = isinstance(made, tuple)
        outs = made if several else (made,)
        metas = self._metas(op, inputs, attrs, outs)
        values = self.graph.add(op.name, inputs, attrs, metas, several)
        for i, (o, v) in enumerate(zip(outs, values)):
            self._bind(o, v)
            if o._base is not None and o._replay and op.family == "view":
                step = dispatch.Step(op, arrays[1:], attrs, i if several else None)
                o._replay = (*o._replay[:-1], step)
        return made

    def _done(self, op: Operator, arrays: tuple, attrs: dict, proceed: Callable[[], Any]) -> Any:
        """The call on plain numbers."""
        with self.silent():
            plain = closed(arrays), closed(attrs)
            if plain[0] is arrays and plain[1] is attrs:
                return proceed()
            depth = state.local.modes.index(self)
            return dispatch._through_modes(op, *plain, depth)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """While kernels are chosen and run, which every size has done anew."""
        before, self.sizes.noting = self.sizes.noting, False
        try:
            yield
        finally:
            self.sizes.noting = before

    def _metas(self, op: Operator, inputs: tuple, attrs: dict, outs: Sequence[Tensor]) -> tuple:
        """What the results are, by the operator's shape rule on open sizes, which must agree with the arrays."""
        real = tuple(Meta(o._array.shape, o.dtype, o.device) for o in outs)
        metas = tuple(v.meta if isinstance(v, Value) else v for v in inputs)
        if not has_open(attrs) and not any(
            has_open(m.shape if isinstance(m, Meta) else m) for m in metas
        ):
            return real
        try:
            rule = _claimed if op.family == "claim" else infer
            made = rule(op, metas, attrs)
        except Exception as error:
            self.fail(f"the shape rule of {op.name} cannot follow open sizes ({error})")
            return real
        made = made if isinstance(made, tuple) else (made,)
        found = []
        made = made[: len(real)]
        for m, r in zip((*made, *[None] * (len(real) - len(made))), real):
            shape = kept_shape(r.shape, metas) if m is None else tuple(m.shape)
            if tuple(map(value_of, shape)) != tuple(r.shape):
                self.fail(f"{op.name} gives a shape that does not follow from those it is given")
                shape = r.shape
            found.append(r.like(shape))
        return tuple(found)


def _claimed(op: Operator, metas: tuple, attrs: dict[str, Any]) -> tuple:
    """What a claim's operator gives: the results by the composite's body on arrays without data, or gradients, which are
    like their inputs."""
    if "needs" in attrs:
        needs = attrs["needs"]
        given = metas[len(metas) - len(needs) :]
        return tuple(m for m, n in zip(given, needs, strict=True) if n)
    if "shapes" in op.tags:
        count = len(registry[op.name.removesuffix("_on_cpu")].outputs or ())
        return tuple(metas[0].like(s) for s in op.tags["shapes"](*metas)[:count])
    from ..backends.meta import MetaArray

    tensors = [wrap(MetaArray(m.shape, m.dtype.numpy)) if isinstance(m, Meta) else m for m in metas]
    local = state.local
    before = local.modes, local.grad, local.promotion
    local.modes, local.grad, local.promotion = (), False, None
    try:
        known = {k: v for k, v in attrs.items() if k in op.index}
        made = op.call_body(tuple(tensors), known)
    finally:
        local.modes, local.grad, local.promotion = before
    return tuple(Meta(t._array.shape, t.dtype) for t in pytree.flatten(made)[0])


def kept_shape(shape: Sequence[int], metas: Sequence[Any]) -> tuple:
    """A guess at the shape of what a claim keeps for its own backward, which nobody else reads: for printing."""
    known = {value_of(n): n for m in metas if isinstance(m, Meta) for n in m.shape if is_open(n)}
    return tuple(known.get(n, n) for n in shape)


# -- numbers in arguments ----------------------------------------------------------------------------------------------


def changed(x: Any, number: Callable[[Any], Any], kinds: Collection[type] = OPEN) -> Any:
    """`x` with each open number in it, or what else is of these kinds, replaced; `x` itself where there is none."""
    kind = type(x)
    if kind in kinds:
        return number(x)
    if kind in (tuple, list, Size):
        made = [changed(v, number, kinds) for v in x]
        return x if all(a is b for a, b in zip(x, made)) else kind(made)
    if kind is dict:
        fresh = {k: changed(v, number, kinds) for k, v in x.items()}
        return x if all(fresh[k] is v for k, v in x.items()) else fresh
    if kind is slice:
        parts = (x.start, x.stop, x.step)
        bounds = [changed(v, number, kinds) for v in parts]
        return x if all(a is b for a, b in zip(parts, bounds)) else slice(*bounds)
    if kind is Meta:
        shape = changed(x.shape, number, kinds)
        return x if shape is x.shape else x.like(shape)
    if isinstance(x, dispatch.Step):
        attrs, rest = changed(x.attrs, number, kinds), changed(x.rest, number, kinds)
        return x if attrs is x.attrs and rest is x.rest else kind(x.op, rest, attrs, x.index)
    return x


def closed(x: Any) -> Any:
    """`x` with plain numbers."""
    return changed(x, value_of)


def has_open(x: Any) -> bool:
    """Whether there is an open number in it."""
    return closed(x) is not x


# -- what the library asks of numbers --------------------------------------------------------------------------------------


class _Kind(type):
    """Of a class that stands for a built-in number: an instance of the one is one of the other."""

    kind: type

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, cls.kind)


class _Int(int, metaclass=_Kind):
    kind = builtins.int

    def __new__(cls, x: Any = 0, *rest: Any) -> Any:
        if type(x) in OPEN:
            return x if type(x) is Whole else x.__trunc__()
        return builtins.int(x, *rest)


class _Float(float, metaclass=_Kind):
    kind = builtins.float

    def __new__(cls, x: Any = 0.0) -> Any:
        if type(x) is Whole:
            return Broken(x.sizes, f"float({x.text})", builtins.float(x.value))
        return x if type(x) is Broken else builtins.float(x)


class _Math:
    """`math` for the library, of which one function more follows open numbers than for users."""

    def __getattr__(self, name: str) -> Any:
        return getattr(math, name)

    def isfinite(self, x: Any) -> bool:
        return type(x) in OPEN or math.isfinite(x)


def _following(name: str) -> Callable[..., Any]:
    """A function of `math` that follows open numbers."""
    do = SCOPE[name]

    @functools.wraps(do)
    def function(*given: Any) -> Any:
        return followed(name, do, *given)

    return function


def _index(x: Any) -> Any:
    return x if type(x) is Whole else as_index(x)


def _meta_of(x: Any) -> Any:
    """`dispatch.meta_of`, which kernels and their checkers read: of plain numbers."""
    return closed(_plain_meta_of(closed(x)))


_plain_meta_of = dispatch.meta_of


def _bound(x: Any) -> Any:
    return x if type(x) is Whole else _keys()._bound_plain(x)


def _keys() -> Any:
    return sys.modules["flambeau.ops.keys"]


# -- patches, while some thread has an OpenCapture --------------------------------------------------------------------------

# Modules whose Python turns sizes into numbers of other kinds, by the names that they use for that.
_SCOPES: dict[str, tuple[str, ...]] = {
    "_base.checks": ("as_index",), "ops.construct": ("index",), "ops.creation": ("int", "float", "math"),
    "ops.making": ("int", "math"), "ops.slices": ("int", "operator_index"), "ops.attention": ("math",),
    "ops.reduction": ("math",), "ops.random": ("float",), "runtime.promotion": ("int", "float"), "ops.keys": ("_bound",),
}  # fmt: skip
_STANDS: dict[str, Any] = {
    "as_index": _index, "index": _index, "operator_index": _index, "int": _Int, "float": _Float, "math": _Math(), "_bound": _bound,
}  # fmt: skip
_lock = threading.Lock()
_in_force = 0
_undo: list[Callable[[], None]] = []
_MISSING: Any = object()


def _current() -> OpenCapture | None:
    """The capture in whose force this thread runs."""
    modes = state.local.modes
    return next((m for m in modes if type(m) is OpenCapture), None) if modes else None


def _patch(step: int) -> None:
    """Counts captures in force; with the first, shapes begin to be asked of them."""
    global _in_force
    with _lock:
        before, _in_force = _in_force, _in_force + step
        if before == 0:
            _put_on()
        elif _in_force == 0:
            while _undo:
                _undo.pop()()


def _set(owner: Any, name: str, value: Any) -> None:
    old = owner.__dict__.get(name, _MISSING)
    setattr(owner, name, value)
    _undo.append((lambda: delattr(owner, name)) if old is _MISSING else (lambda: setattr(owner, name, old)))  # fmt: skip


def _put_on() -> None:
    root = __package__.rpartition(".")[0]
    _keys()._bound_plain = _keys()._bound
    for module, names in _SCOPES.items():
        for name in names:
            _set(import_module(f"{root}.{module}"), name, _STANDS[name])
    for name in FLOATS:
        _set(math, name, _following(name))
    accepted = dispatch._claimed

    def claimed(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
        """Whether a claim takes a call is asked for plain numbers, and once more when sizes are filled in."""
        capture = _current()
        if capture is None:
            return accepted(op, arrays, attrs)
        with capture.silent():
            return accepted(op, arrays, closed(attrs))

    _set(dispatch, "_claimed", claimed)
    _set(dispatch, "meta_of", _meta_of)
    shape, meta = Tensor.__dict__["shape"].fget, Tensor.__dict__["_meta"].fget
    count, length = Tensor.numel, Tensor.__len__

    def open_shape(self: Tensor) -> Size:
        capture = _current()
        return shape(self) if capture is None else Size(capture.shape_of(self))

    def open_meta(self: Tensor) -> Meta:
        capture = _current()
        made = meta(self)
        return made if capture is None else made.like(capture.shape_of(self))

    def open_count(self: Tensor) -> Any:
        return count(self) if _current() is None else self.shape.numel()

    def open_length(self: Tensor) -> int:
        if _current() is not None and self.ndim:
            return self.shape[0].__index__()
        return length(self)

    def guarded(name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        """What gives numbers that follow from sizes in ways that are not followed."""

        def asked(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            capture = _current()
            caller = str(sys._getframe(1).f_globals.get("__name__"))
            if capture is not None and caller.partition(".")[0] != root and has_open(self.shape):
                capture.fail(f"it asks for {name} of a tensor whose sizes are open")
            return read(self, *args, **kwargs)

        return asked

    _set(Tensor, "shape", property(open_shape))
    _set(Tensor, "_meta", property(open_meta))
    _set(Tensor, "numel", open_count)
    _set(Tensor, "nelement", open_count)
    _set(Tensor, "__len__", open_length)
    for name in ("stride", "storage_offset", "storage", "untyped_storage"):
        _set(Tensor, name, guarded(name, getattr(Tensor, name)))
    _set(Tensor, "nbytes", property(guarded("nbytes", Tensor.__dict__["nbytes"].fget)))
