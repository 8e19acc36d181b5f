"""Function transforms (`flambeau.func`, `torch.func`): grad, vjp, jvp, jacrev, jacfwd, hessian, vmap, functional_call.

Reverse mode is the tape: a transform gives its inputs fresh history (an alias that the outer tape still sees), runs the
function, and asks for gradients with `create_graph`. Forward mode and batching are the interpreters of `transforms`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ._base import pytree
from .autograd.engine import grad as tape_grad
from .ops.casting import clone
from .ops.creation import eye, zeros_like
from .ops.joining import stack
from .runtime import state
from .runtime.operator import registry
from .runtime.tensor import Leaf, Tensor, history
from .stateless import functional_call
from .transforms.batch import BatchedTensor, batched
from .transforms.forward import DualTensor, dual_of
from .transforms.wrapper import histories

_levels = 0


def _new_level() -> int:
    global _levels
    _levels += 1
    return _levels


def _fresh(x: Any) -> Any:
    """A tensor whose history starts here, and through which an outer tape still sees `x`."""
    if not isinstance(x, Tensor) or not (x.dtype.is_floating_point or x.dtype.is_complex):
        return x
    if not x.requires_grad:
        made = x.detach()
        made._node = Leaf(made)
        return made
    before, state.local.grad = state.local.grad, True
    try:
        return registry["reshape"].public(x, tuple(x.shape)) if x._level == 0 else clone(x)
    finally:
        state.local.grad = before


def _leads_outside(outs: list[Tensor], inner: list) -> bool:
    """Whether an outer tape has a stake in `outs`: a leaf other than ours can be reached, at any level."""
    ours = {id(history(x)) for x in inner if isinstance(x, Tensor)}
    stack_ = [n for o in outs for n in histories(o)]
    seen = set(map(id, stack_))
    while stack_:
        node = stack_.pop()
        if isinstance(node, Leaf) and id(node) not in ours:
            return True
        for edge in node.edges:
            if edge is not None and id(edge) not in seen:
                seen.add(id(edge))
                stack_.append(edge)
    return False


def _tensors(tree: Any) -> list[Tensor]:
    return [x for x in pytree.flatten(tree)[0] if isinstance(x, Tensor)]


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple:
    """(func(*primals), function from output cotangents to input gradients).

    >>> import flambeau
    >>> out, pull = flambeau.func.vjp(flambeau.sin, flambeau.tensor(0.0))
    >>> pull(flambeau.tensor(2.0))
    (tensor(2.),)
    """
    before, state.local.grad = state.local.grad, True
    try:
        inner = pytree.map_(_fresh, primals)
        made = func(*inner)
    finally:
        state.local.grad = before
    out, aux = made if has_aux else (made, None)
    flat_in, spec = pytree.flatten(inner)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        outs, gs = _tensors(out), _tensors(cotangents)
        outer = any(True for g in gs for _ in histories(g)) or _leads_outside(outs, flat_in)
        again = state.local.grad and outer if create_graph is None else create_graph
        pairs = [(o, g) for o, g in zip(outs, gs) if o.requires_grad]
        wanted = [x for x in flat_in if isinstance(x, Tensor) and x.requires_grad]
        found = iter(
            tape_grad(
                [o for o, _ in pairs],
                wanted,
                [g for _, g in pairs],
                True,
                again,
                True,
                True,
                materialize_grads=True,
            )
            if pairs
            else [zeros_like(w) for w in wanted]
        )
        leaves = [
            next(found) if isinstance(x, Tensor) and x.requires_grad else _zero(x) for x in flat_in
        ]
        return pytree.unflatten(leaves, spec)

    shown = out if before and _leads_outside(_tensors(out), flat_in) else pytree.map_(_strip, out)
    return (shown, pull, aux) if has_aux else (shown, pull)


def _zero(x: Any) -> Any:
    return zeros_like(x) if isinstance(x, Tensor) else None


def _strip(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


def grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives the gradient of a scalar function by its arguments `argnums`.

    >>> import flambeau
    >>> flambeau.func.grad(flambeau.sin)(flambeau.tensor(0.0))
    tensor(1.)
    """

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        g, rest = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
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
        which = (argnums,) if isinstance(argnums, int) else argnums
        picked = tuple(args[i] for i in which)
        before, state.local.grad = state.local.grad, True
        try:
            inner = pytree.map_(_fresh, picked)
            full = list(args)
            for i, x in zip(which, inner):
                full[i] = x
            made = func(*full, **kwargs)
            value, aux = made if has_aux else (made, None)
            if not isinstance(value, Tensor):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return tensor, got type {type(value)}"
                )
            if value.ndim:
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor with {value.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            leaves, spec = pytree.flatten(inner)
            wanted = [x for x in leaves if isinstance(x, Tensor) and x.requires_grad]
            create = before and _leads_outside([value], leaves)
            if value.requires_grad:
                found = iter(
                    tape_grad(value, wanted, None, True, create, True, True, materialize_grads=True)
                )
            else:
                found = iter([zeros_like(w) for w in wanted])
        finally:
            state.local.grad = before
        gs = pytree.unflatten(
            [next(found) if isinstance(x, Tensor) and x.requires_grad else x for x in leaves], spec
        )
        g = gs[0] if isinstance(argnums, int) else gs
        if not create:
            value, aux = _strip(value), pytree.map_(_strip, aux)
        return (g, (value, aux)) if has_aux else (g, value)

    return run


def jvp(
    func: Callable[..., Any],
    primals: tuple,
    tangents: tuple,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple:
    """(func(*primals), its derivative in the direction `tangents`), by forward mode.

    >>> import flambeau
    >>> flambeau.func.jvp(flambeau.sin, (flambeau.tensor(0.0),), (flambeau.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError(
            f"jvp(f, primals, tangents): Expected primals and tangents to be tuples, got {type(primals)} and {type(tangents)}"
        )
    flat, spec = pytree.flatten(primals)
    moved, other = pytree.flatten(tangents)
    if spec != other:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure."
        )
    level = _new_level()
    duals = [dual_of(p, t, level) for p, t in zip(flat, moved)]
    made = func(*pytree.unflatten(duals, spec))
    out, aux = made if has_aux else (made, None)
    result = (
        pytree.map_(lambda x: _primal(x, level), out),
        pytree.map_(lambda x: _tangent(x, level), out),
    )
    return (*result, pytree.map_(lambda x: _primal(x, level), aux)) if has_aux else result


def _primal(x: Any, level: int) -> Any:
    return x.value if isinstance(x, DualTensor) and x._level == level else x


def _tangent(x: Any, level: int) -> Any:
    return x.tangent if isinstance(x, DualTensor) and x._level == level else zeros_like(x)


class _Batch:
    """One vmap in force: how random draws inside it behave."""

    def __init__(self, size: int, level: int, randomness: str) -> None:
        self.size, self.level, self.randomness = size, level, randomness

    def wrap(self, value: Tensor) -> Tensor:
        return batched(value, self.size, self.level)


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that maps `func` over a dimension of its inputs, in one pass.

    >>> import flambeau
    >>> flambeau.func.vmap(flambeau.dot)(flambeau.ones(2, 3), flambeau.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in ("error", "same", "different"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        flat, spec = pytree.flatten(args)
        dims = _spread(in_dims, args)
        if len(dims) != len(flat):
            raise ValueError(
                f"vmap: in_dims is not compatible with the structure of inputs: {in_dims!r}"
            )
        sizes = {_mapped_size(x, d) for x, d in zip(flat, dims) if d is not None}
        if not sizes:
            raise ValueError(
                "vmap: at least one input must have a dimension to map over; all in_dims are None"
            )
        if len(sizes) > 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sorted(sizes)} for the mapped dimension"
            )
        size = sizes.pop()
        step = chunk_size or size
        parts = []
        for at in range(0, max(size, 1), max(step, 1)):
            n = min(step, size - at)
            moved = [
                x
                if d is None
                else (x.movedim(d, 0) if n == size else x.movedim(d, 0).narrow(0, at, n))
                for x, d in zip(flat, dims)
            ]
            parts.append(_mapped(func, moved, dims, spec, n, kwargs, randomness))
        return _gather_parts(parts, out_dims)

    return run


def _mapped_size(x: Tensor, dim: int) -> int:
    """The size of the dimension to map over."""
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(
            f"vmap: Got in_dim={dim} for an input, but that input is a Tensor of dimensionality {x.ndim} "
            f"so expected in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
        )
    return x.shape[dim]


def _spread(in_dims: Any, args: tuple) -> list:
    """One dimension (or None) per leaf of `args`."""
    if isinstance(in_dims, int):
        return [in_dims if isinstance(x, Tensor) else None for x in pytree.flatten(args)[0]]
    if not isinstance(in_dims, (tuple, list)) or len(in_dims) != len(args):
        raise ValueError(
            f"vmap: in_dims must have one entry per argument; got {in_dims!r} for {len(args)} arguments"
        )
    out: list = []
    for d, a in zip(in_dims, args):
        leaves = pytree.flatten(a)[0]
        if d is None or isinstance(d, int):
            out.extend([d if isinstance(x, Tensor) else None for x in leaves])
        else:
            out.extend(pytree.flatten(d)[0])
    return out


def _mapped(
    func: Callable[..., Any],
    flat: list,
    dims: list,
    spec: Any,
    size: int,
    kwargs: dict,
    randomness: str,
) -> Any:
    level = _new_level()
    wrapped = [x if d is None else batched(x, size, level) for x, d in zip(flat, dims)]
    outer = state.local.batch
    state.local.batch = (*outer, _Batch(size, level, randomness))
    try:
        made = func(*pytree.unflatten(wrapped, spec), **kwargs)
    finally:
        state.local.batch = outer
    return pytree.map_(lambda x: _unwrapped(x, size, level), made)


def _unwrapped(x: Any, size: int, level: int) -> Tensor:
    if isinstance(x, BatchedTensor) and x._level == level:
        return x.value
    if not isinstance(x, Tensor):
        raise ValueError(f"vmap: the function must only return Tensors, got type {type(x)}")
    return x.unsqueeze(0).expand((size, *x.shape))


def _gather_parts(parts: list, out_dims: Any) -> Any:
    from .ops.joining import cat

    flats = [pytree.flatten(p)[0] for p in parts]
    spec = pytree.flatten(parts[0])[1]
    dims = (
        [out_dims] * len(flats[0])
        if isinstance(out_dims, int)
        else list(pytree.flatten(out_dims)[0])
    )
    joined = [rows[0] if len(rows) == 1 else cat(list(rows), 0) for rows in zip(*flats)]
    return pytree.unflatten([x if d == 0 else x.movedim(0, d) for x, d in zip(joined, dims)], spec)


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The Jacobian, row by row through reverse mode (vmapped).

    >>> import flambeau
    >>> flambeau.func.jacrev(flambeau.square)(flambeau.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def run(*args: Any) -> Any:
        which = (argnums,) if isinstance(argnums, int) else argnums

        def partial(*picked: Any) -> Any:
            full = list(args)
            for i, x in zip(which, picked):
                full[i] = x
            return func(*full)

        got = vjp(partial, *(args[i] for i in which), has_aux=has_aux)
        out, pull = got[0], got[1]
        outs, spec = pytree.flatten(out)
        rows = []
        for k, o in enumerate(outs):
            basis = eye(o.numel(), dtype=o.dtype, device=o.device).reshape((o.numel(), *o.shape))

            def one(b: Any, k: int = k) -> Any:
                cotangents = [b if j == k else zeros_like(p) for j, p in enumerate(outs)]
                return pull(pytree.unflatten(cotangents, spec))

            found = vmap(one, chunk_size=chunk_size)(basis)
            shaped = tuple(
                pytree.map_(lambda g, o=o: g.reshape((*o.shape, *tuple(g.shape)[1:])), f)
                for f in found
            )
            rows.append(shaped[0] if isinstance(argnums, int) else shaped)
        jacobian = pytree.unflatten(rows, spec)
        return (jacobian, got[2]) if has_aux else jacobian

    return run


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """The Jacobian, column by column through forward mode (vmapped).

    >>> import flambeau
    >>> flambeau.func.jacfwd(flambeau.square)(flambeau.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def run(*args: Any) -> Any:
        which = (argnums,) if isinstance(argnums, int) else argnums
        columns, aux = [], None
        for i in which:
            x = args[i]
            basis = eye(x.numel(), dtype=x.dtype, device=x.device).reshape((x.numel(), *x.shape))

            def partial(y: Any, i: int = i) -> Any:
                full = list(args)
                full[i] = y
                return func(*full)

            def one(b: Any, x: Any = x) -> Any:
                return jvp(partial, (x,), (b,), has_aux=has_aux)[1:]

            made = vmap(one, randomness=randomness)(basis)
            if has_aux:
                aux = pytree.map_(lambda t: t.select(0, 0), made[1])
            columns.append(
                pytree.map_(
                    lambda t, x=x: t.movedim(0, -1).reshape((*tuple(t.shape)[1:], *x.shape)),
                    made[0],
                )
            )
        jacobian = columns[0] if isinstance(argnums, int) else tuple(columns)
        return (jacobian, aux) if has_aux else jacobian

    return run


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Second derivatives: forward over reverse.

    >>> import flambeau
    >>> flambeau.func.hessian(lambda x: (x ** 3).sum())(flambeau.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def stack_module_state(models: Any) -> tuple[dict, dict]:
    """(parameters, buffers) of several modules of one kind, stacked for `vmap` over models."""
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    params = {
        k: stack([dict(m.named_parameters())[k].detach() for m in models]).requires_grad_()
        for k, _ in models[0].named_parameters()
    }
    buffers = {
        k: stack([dict(m.named_buffers())[k] for m in models]) for k, _ in models[0].named_buffers()
    }
    return params, buffers


__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "stack_module_state",
    "vjp",
    "vmap",
]
