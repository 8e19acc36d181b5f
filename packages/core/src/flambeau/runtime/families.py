"""The five kinds of operator block, and what each derives.

    @elementwise   a scalar expression    -> kernels, shape, gradients of both modes, batching, C, CUDA
    @reduction     a combine rule         -> kernel, shape, batching, C
    @view          a shape rule + kernel  -> aliasing, version sharing
    @primitive     a shape rule + kernel  -> everything else is given in the block
    @composite     a decomposition        -> everything, through the operators it calls

A decorator returns the public function, in PyTorch's spelling, with the block's further decorators as attributes
(`f.vjp`, `f.kernel`, ...) and the `Operator` as `f.op`.
"""

from __future__ import annotations

import copy
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from .._base.dtypes import dtype
from . import dispatch, hot, hot_primitive, names, overrides, signature, straight
from .becoming import becoming
from .elementwise import ElementwiseRule, give_partials, rounded_once
from .operator import ONE, Operator, add, behind_flags
from .promotion import accepting, checked, wide
from .reduce import ReductionKernel
from .tape import Rule

Public = Any  # a function with the block's decorators as attributes


def _block(op: Operator, public: Callable[..., Any]) -> Public:
    """`public` dressed as the operator: name, docstring, and the decorators of its block."""
    add(op)
    op.public = op.inner = public
    public.__name__ = public.__qualname__ = op.name
    public.__doc__ = op.doc
    public.__module__ = op.body.__module__
    public.__wrapped__ = op.body  # type: ignore[attr-defined]
    public.op = op  # type: ignore[attr-defined]

    def vjp(rule: Callable[..., Any]) -> Callable[..., Any]:
        op.vjp_rule = Rule(op, rule)
        return rule

    def raw_vjp(rule: Callable[..., Any]) -> Callable[..., Any]:
        """`rule(xp, g, out, *arrays, **attrs)`: the gradient of the first input in NumPy arrays, beside the rule on tensors.

        It is given what that keeps, arrays and shapes; NotImplemented leaves the call to it.
        """
        op.vjp_rule.raw = rule
        return rule

    def no_vjp(reason: str) -> None:
        op.refuse("vjp", reason)

    public.vjp, public.raw_vjp, public.no_vjp = vjp, raw_vjp, no_vjp  # type: ignore[attr-defined]
    public.kernel, public.jvp, public.batch = op.kernel, op.jvp, op.batch  # type: ignore[attr-defined]
    public.small_into = lambda rule: _small_into(op, rule)  # type: ignore[attr-defined]
    public.onnx, public.refuse, public.provide = op.onnx, op.refuse, op.provide  # type: ignore[attr-defined]
    return public


def _inner(op: Operator) -> Callable[..., Any]:
    """The operator for rules written in expressions, where a number may stand for any input."""
    return lambda *arrays: dispatch.apply(op, arrays, {})


def _decorator(make: Callable[..., Public], body: Any, options: dict[str, Any]) -> Any:
    if body is not None:
        return make(body, **options)
    return lambda body: make(body, **options)


def elementwise(body: Any = None, /, **options: Any) -> Any:
    """A function of scalars, applied to each element with broadcasting.

    The body takes expressions and returns one. Parameters with an annotation are static: numbers stay symbolic,
    anything else (strings, bools, None) is seen by the body.

    Inputs must be tensors. `numbers=("other",)` names those that may be Python numbers, `numbers=ONE` lets any be but
    not all. `accepts="int float"` names the kinds of dtypes it is defined for ("bool", "int", "float", "complex", after
    promotion); others are refused.
    """
    return _decorator(_elementwise, body, options)


def _elementwise(body: Callable[..., Any], **options: Any) -> Public:
    op = Operator(body, "elementwise", **options)
    rule = op.vjp_rule = ElementwiseRule(op)
    op.kernels[None] = rule.kernel
    public: Any = hot.make(op, rule) or straight.make(op)
    public = _block(op, public)
    if op.strict:
        op.inner = public.behind(_inner(op)) if hasattr(public, "behind") else _inner(op)
    if op.accepts is not None:
        op.promote = accepting(op.promote)
    public.partials = lambda given: give_partials(op, given)
    if op.result == "bool":
        op.refuse("vjp", "the result is boolean")
    return public


def reduction(body: Any = None, /, **options: Any) -> Any:
    """A reduction over dimensions. The body returns `Combine(...)`; `dim` and `keepdim` are the family's."""
    return _decorator(_reduction, body, options)


def _reduction(body: Callable[..., Any], **options: Any) -> Public:
    op = Operator(body, "reduction", **options)
    op.tags["reduce"] = kernel = ReductionKernel(op)
    op.kernels[None] = kernel
    return _block(op, straight.make(op))


def view(body: Any = None, /, **options: Any) -> Any:
    """An operator whose result looks at its first input's memory. The body is the shape rule."""
    return _decorator(_plain("view"), body, options)


def primitive(body: Any = None, /, **options: Any) -> Any:
    """An operator with a kernel of its own. The body is the shape and dtype rule, with the argument errors.

    With `opmath=True` the kernel never sees float16 or bfloat16: it computes in float32, and its result is rounded once.
    """
    return _decorator(_plain("primitive"), body, options)


def _rounding(op: Operator) -> Callable[..., Any]:
    """The decorator for the kernel of an operator with `opmath=True`."""

    def kernel(rule: Callable[..., Any]) -> Callable[..., Any]:
        op.kernels[None] = rounded_once(rule)
        return rule

    return kernel


# Under its own name a type checker wants literals.
_tuple_class: Callable[..., Any] = namedtuple


def _named(op: Operator) -> type:
    """The class of an operator's several results: a tuple with names, printed as PyTorch's are."""

    def text(self: Any) -> str:
        parts = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self))
        return f"{dtype.prefix}return_types.{op.name}(\n{parts})"

    made = _tuple_class(op.name, op.outputs)
    made.__repr__ = text
    return made


def _plain(family: str) -> Callable[..., Public]:
    def make(body: Callable[..., Any], **options: Any) -> Public:
        opmath = options.pop("opmath", False)
        op = Operator(body, family, **options)
        if opmath:
            op.kernel = _rounding(op)  # type: ignore[method-assign]
        if op.outputs:
            op.tags["named"] = _named(op)
        if op.tags.pop("hot", False):
            return _block(op, hot_primitive.make(op))
        return _block(op, straight.make(op))

    return make


def composite(body: Any = None, /, **options: Any) -> Any:
    """An operator written with other operators: the body is the definition, on tensors.

    `opmath=True` computes float16 and bfloat16 in float32 and rounds the results once, as PyTorch's kernels do.
    `numbers=` and `accepts=` are as for `elementwise`; without `numbers=` the annotations say it after a failure.
    """
    return _decorator(_composite, body, options)


def _composite(body: Callable[..., Any], **options: Any) -> Public:
    opmath = options.pop("opmath", False)
    op = Operator(body, "composite", **options)
    if op.outputs:
        op.tags["named"] = _named(op)
    state, whole, plain = dispatch.state, dispatch.whole, overrides.plain
    label = names.of_composite(op.name)
    if opmath:
        body = op.body = wide(op)
    if (op.numbers is not None and op.strict) or op.numbers is ONE or op.accepts is not None:
        body = op.body = checked(op, body)
    named, body = body, behind_flags(op, body)

    def general(args: tuple, kwargs: dict[str, Any]) -> Any:
        out = None
        try:
            if (
                state.active
                or op.providers
                or (args and type(args[0]) not in plain and not overrides.ordinary(args[0]))
            ):
                made = whole(op, args, kwargs)
                if label is not None:
                    label(made, args, kwargs)
                return made
            if "out" in kwargs and "out" not in op.index:
                out = kwargs.pop("out")
            made = body(*args, **kwargs)
            if label is not None:
                label(made, args, kwargs)
        except signature.BLAMED as error:
            return failed(error, args, kwargs, out)
        return made if out is None else dispatch.write_out(op, out, made)

    def failed(error: Exception, args: tuple, kwargs: dict[str, Any], out: Any = None) -> Any:
        """The call as it was meant, if it was spelled otherwise; else the error that says what is wrong."""
        meant = None
        if isinstance(error, TypeError) and not kwargs.keys() <= op.index.keys():
            meant = op.respelled(args, kwargs)
        if meant is None and isinstance(error, (TypeError, AttributeError)):
            meant = signature.numbers_for_tensors(op, args, kwargs)  # x.roll(tensor(1))
        if meant is None:
            if isinstance(error, AttributeError):
                op.check_tensors(args, kwargs)
            try:
                signature.raise_clearly(op.name, op.body, args, kwargs, error)
            finally:
                del error  # as there: its traceback has this frame
        if out is not None:
            meant[1]["out"] = out
        return general(*meant)

    if not op.params:
        return _block(op, lambda *args, **kwargs: general(args, kwargs))

    def text(scope: dict[str, Any]) -> Any:
        from .composite_text import compile_composite

        return compile_composite(op, named, general, failed, scope)

    made = _block(op, becoming(general, text))
    made.as_call_of = lambda target: lambda rule: _as_call_of(op, target.op, rule)
    made.small = lambda rule: _small(op, rule)
    made.small_vjp = lambda rule: _small_vjp(op, rule)
    made.small_record = lambda rule: _small_record(op, rule)
    made.small_raw_vjp = lambda rule: setattr(op.noted.vjp_rule, "raw", rule)  # type: ignore[union-attr]
    return made


def _as_call_of(op: Operator, target: Operator, rule: Callable[..., Any]) -> Callable[..., Any]:
    """`rule(x, *args)`: the static argument with which view operator `target` does what the body does with a NumPy array, or all of them.

    None leaves the call to the body, as any error does.
    """
    op.turned = target, rule
    return rule


def _small(op: Operator, rule: Callable[..., Any]) -> Callable[..., Any]:
    """`rule(xp, *arrays, **attrs)`: what a composite's body computes, on small NumPy arrays, in fewer calls.

    It is asked in eager mode only. Its result shares no memory with its arrays; NotImplemented leaves the call to the
    body, as any error does. Calls that are to be recorded go to it if there is a `small_vjp`, too.
    """
    op.small = rule
    return rule


def _small_record(op: Operator, rule: Callable[..., Any]) -> Callable[..., Any]:
    """`rule(result, *tensors, **attrs)`: records a call that `small` computed as one of an operator that does the same."""
    op.tags["small_record"] = rule
    return rule


def _small_into(op: Operator, rule: Callable[..., Any]) -> Callable[..., Any]:
    """`rule(xp, target, *arrays, **attrs)`: writes over the first array what the operator makes of small NumPy arrays.

    NotImplemented, before anything is written, leaves the call to the general way, as any error does. A composite's calls that
    give a new tensor write over a copy, unless it has a `small` rule for them.
    """
    op.tags["small_into"] = rule
    if op.family == "composite" and op.small is None:

        def small(xp: Any, x: Any, *rest: Any, **attrs: Any) -> Any:
            out = x.copy()
            made = rule(xp, out, *rest, **attrs)
            return out if made is None else made

        op.small = small
    return rule


def _small_vjp(op: Operator, rule: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of a call that `small` computed, written as every `vjp` is.

    Its last bits need not be those of the body's gradient: the operator has its text from the first call on.
    """
    op.noted = copy.copy(op)
    op.noted.vjp_rule = Rule(op.noted, rule)
    op.public.soon()  # type: ignore[attr-defined]
    return rule
