"""`linearize`: the derivative at a point as a function, the work at the point done once. And `functionalize`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._base import pytree
from ..autograd.engine import grad as tape_grad
from ..ops.creation import zeros_like
from ..runtime import state
from ..runtime.tensor import Tensor
from .reverse import fresh, leads_outside, strip


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(func(*primals), the function from tangents of the inputs to tangents of the outputs).

    `func` runs once; each call of the second result costs about one backward. It is made by transposing twice: the
    gradients of the inputs are a linear function of the outputs' cotangents, recorded once, whose own gradient is the
    product of the Jacobian with whatever tangent is given.

    >>> import flambeau
    >>> out, push = flambeau.func.linearize(flambeau.square, flambeau.tensor([1.0, 2.0]))
    >>> push(flambeau.tensor([1.0, 0.0])), push(flambeau.tensor([0.0, 1.0]))
    (tensor([2., 0.]), tensor([0., 4.]))
    """
    flat, spec = pytree.flatten(primals)
    before, state.local.grad = state.local.grad, True
    try:
        inner = [fresh(x) if isinstance(x, Tensor) else x for x in flat]
        out = func(*pytree.unflatten(inner, spec))
        outs, out_spec = pytree.flatten(out)
        moving = [o for o in outs if isinstance(o, Tensor) and o.requires_grad]
        seeds = [zeros_like(o).requires_grad_() for o in moving]
        pulled = (
            tape_grad(moving, inner, seeds, True, True, True, True, materialize_grads=True)
            if moving
            else ()
        )
    finally:
        state.local.grad = before
    outer = leads_outside([o for o in outs if isinstance(o, Tensor)], inner)

    def push(*tangents: Any) -> Any:
        given, other = pytree.flatten(tangents)
        if other != spec:
            raise RuntimeError(
                f"Expected the tangents {other} to have the same argspec as the primals {spec}"
            )
        _check_like(given, flat)
        pairs = [(p, t) for p, t in zip(pulled, given) if p is not None and p.requires_grad]
        found = iter(
            tape_grad(
                [p for p, _ in pairs], seeds, [t for _, t in pairs],
                True, state.local.grad and outer, True, True, materialize_grads=True,
            )
            if pairs
            else [zeros_like(s) for s in seeds]
        )  # fmt: skip
        ids = {id(o) for o in moving}
        return pytree.unflatten(
            [
                next(found) if id(o) in ids else zeros_like(o) if isinstance(o, Tensor) else None
                for o in outs
            ],
            out_spec,
        )

    shown = out if before and outer else pytree.map_(strip, out)
    return shown, push


def _check_like(tangents: list, primals: list) -> None:
    for i, (t, p) in enumerate(zip(tangents, primals)):
        for what in ("shape", "device", "dtype"):
            if getattr(t, what) != getattr(p, what):
                raise RuntimeError(
                    f"tangent:{i} with {what} {getattr(t, what)} in flattened pytree doesn't match the {what} "
                    f"{getattr(p, what)} of the corresponding primal."
                )


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """`func` as a function whose traced program writes nothing in place; its results and effects are the same.

    A trace here (`transforms.trace`, what `compile` and the exporter read) has no in-place writes in any case: memory
    that is written stands for a new value from then on. So `func` runs as it is, inside every other transform too.

    >>> import flambeau
    >>> flambeau.func.functionalize(lambda x: x.clone().add_(1))(flambeau.zeros(2))
    tensor([1., 1.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are:\n"
            "     remove='mutations': all inplace and out= operators will be removed from the program, and replaced with "
            "their out-of-place equivalents.\n"
            "     remove='mutations_and_views': In addition to the above, all aliasing operators {view} will be replaced "
            "with their non-aliasing counterparts, {view}_copy.\n"
        )

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return run
