"""Reverse mode of functions: grad, vjp, jacrev.

It is the tape: a transform gives its inputs fresh history (an alias that an outer tape still sees), runs the function,
and asks for gradients, recorded where an outer transform has a stake in them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._base import pytree
from ..autograd.engine import grad as tape_grad
from ..ops.casting import clone
from ..ops.creation import eye, zeros_like
from ..runtime import state
from ..runtime.operator import registry
from ..runtime.tensor import Leaf, Tensor, alias, history
from ..transforms.wrapper import histories
from .batch import vmap
from .wrapped import check_aux, check_output, places, split_aux, tensors_in, with_replaced


def fresh(x: Any) -> Any:
    """A tensor whose history starts here, and through which an outer tape still sees `x`."""
    if not isinstance(x, Tensor):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
    if x.dtype.category < 2:
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    if not x.requires_grad:
        made = alias(
            x
        )  # without its history, but with the tangents and histories of outer transforms
        made._node = Leaf(made)
        return made
    before, state.local.grad = state.local.grad, True
    try:
        return registry["reshape"].public(x, tuple(x.shape)) if x._level == 0 else clone(x)
    finally:
        state.local.grad = before


def leads_outside(outs: list[Tensor], inner: list) -> bool:
    """Whether an outer tape has a stake in `outs`: a leaf other than ours can be reached, at any level."""
    ours = {id(history(x)) for x in inner if isinstance(x, Tensor)}
    waiting = [n for o in outs for n in histories(o)]
    seen = set(map(id, waiting))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Leaf) and id(node) not in ours:
            return True
        for edge in node.edges:
            if edge is not None and id(edge) not in seen:
                seen.add(id(edge))
                waiting.append(edge)
    return False


def strip(x: Any) -> Any:
    """A result without the history that was for the transform alone."""
    return alias(x) if isinstance(x, Tensor) else x


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple:
    """(func(*primals), function from output cotangents to input gradients); with `has_aux` a third, the aux output.

    >>> import flambeau
    >>> out, pull = flambeau.func.vjp(flambeau.sin, flambeau.tensor(0.0))
    >>> pull(flambeau.tensor(2.0))
    (tensor(2.),)
    """
    before, state.local.grad = state.local.grad, True
    try:
        inner = pytree.map_(fresh, primals)
        made = func(*inner)
    finally:
        state.local.grad = before
    out, aux = split_aux(made, has_aux, "vjp(f, *primals)")
    check_aux(aux) if has_aux else None
    check_output(out, "vjp(f, *primals)")
    flat_in, spec = pytree.flatten(inner)
    outs, out_spec = pytree.flatten(out)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        gs, g_spec = pytree.flatten(cotangents)
        if g_spec != out_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {g_spec}, primal output: {out_spec}"
            )
        outer = any(True for g in gs for _ in histories(g)) or leads_outside(outs, flat_in)
        again = state.local.grad and outer if create_graph is None else create_graph
        pairs = [(o, g) for o, g in zip(outs, gs) if o.requires_grad]
        found = (
            tape_grad(
                [o for o, _ in pairs], flat_in, [g for _, g in pairs],
                True, again, True, True, materialize_grads=True,
            )
            if pairs
            else [zeros_like(x) for x in flat_in]
        )  # fmt: skip
        return pytree.unflatten(list(found), spec)

    keep = before and leads_outside(outs, flat_in)
    shown = out if keep else pytree.map_(strip, out)
    return (shown, pull, aux if keep else pytree.map_(strip, aux)) if has_aux else (shown, pull)


def grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives the gradient of a scalar function by its arguments `argnums`.

    >>> import flambeau
    >>> flambeau.func.grad(flambeau.sin)(flambeau.tensor(0.0))
    tensor(1.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        g, rest = both(*args, **kwargs)
        return (g, rest[1]) if has_aux else g

    return run


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `grad`, giving (gradient, value); with `has_aux` (gradient, (value, aux)).

    >>> import flambeau
    >>> flambeau.func.grad_and_value(lambda x: x * x)(flambeau.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        which = places(argnums, args)
        before, state.local.grad = state.local.grad, True
        try:
            inner = pytree.map_(fresh, tuple([args[i] for i in which]))
            made = with_replaced(func, args, which)(*inner, **kwargs)
            value, aux = split_aux(made, has_aux, "grad_and_value(f)(*args)")
            _check_scalar(value)
            leaves, spec = pytree.flatten(inner)
            create = before and leads_outside([value], leaves)
            if value.requires_grad:
                found = list(
                    tape_grad(value, leaves, None, True, create, True, True, materialize_grads=True)
                )
            else:
                found = [zeros_like(x) for x in leaves]
        finally:
            state.local.grad = before
        gs = pytree.unflatten(found, spec)
        g = gs[0] if isinstance(argnums, int) else gs
        if has_aux:
            check_aux(aux)
        if not create:
            value, aux = strip(value), pytree.map_(strip, aux)
        return (g, (value, aux)) if has_aux else (g, value)

    return run


def _check_scalar(value: Any) -> None:
    if not isinstance(value, Tensor):
        raise RuntimeError(
            f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(value)}"
        )
    if value.ndim:
        raise RuntimeError(
            "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
            f"{value.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The Jacobian, row by row through reverse mode: all rows at once under vmap, or `chunk_size` at a time.

    >>> import flambeau
    >>> flambeau.func.jacrev(flambeau.square)(flambeau.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def run(*args: Any) -> Any:
        which = places(argnums, args)
        got = vjp(with_replaced(func, args, which), *[args[i] for i in which], has_aux=has_aux)
        outs, spec = pytree.flatten(got[0])
        rows = []
        for k, o in enumerate(outs):
            found = _rows_of(got[1], outs, spec, k, chunk_size)
            shaped = tuple(
                [pytree.map_(lambda g, o=o: g.reshape((*o.shape, *g.shape[1:])), f) for f in found]
            )
            rows.append(shaped[0] if isinstance(argnums, int) else shaped)
        jacobian = pytree.unflatten(rows, spec)
        return (jacobian, got[2]) if has_aux else jacobian

    return run


def _rows_of(pull: Any, outs: list, spec: Any, k: int, chunk_size: int | None) -> Any:
    """The gradients of every element of output k, stacked."""
    o = outs[k]
    n = o.numel()
    basis = eye(n, dtype=o.dtype, device=o.device).reshape((n, *o.shape))

    def one(b: Any) -> Any:
        cotangents = [b if j == k else zeros_like(p) for j, p in enumerate(outs)]
        return pull(pytree.unflatten(cotangents, spec))

    return vmap(one, chunk_size=chunk_size)(basis)


__all__ = ["grad", "grad_and_value", "jacrev", "tensors_in", "vjp"]
