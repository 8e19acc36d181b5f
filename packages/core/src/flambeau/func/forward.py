"""Forward mode of functions: jvp, jacfwd, hessian. The interpreter is `transforms.forward`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._base import pytree
from ..ops.creation import eye, zeros_like
from ..runtime.tensor import Tensor
from ..transforms.forward import DualTensor, dual_of
from ..transforms.wrapper import new_level
from .batch import vmap
from .reverse import jacrev
from .wrapped import check_output, places, split_aux, with_replaced


def jvp(
    func: Callable[..., Any],
    primals: tuple,
    tangents: tuple,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple:
    """(func(*primals), its derivative in the direction `tangents`), by forward mode.

    With `strict` an output that does not depend on the inputs is an error; with `has_aux` `func` gives (output, aux)
    and aux is a third result.

    >>> import flambeau
    >>> flambeau.func.jvp(flambeau.sin, (flambeau.tensor(0.0),), (flambeau.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    _check(primals, tangents)
    flat, spec = pytree.flatten(primals)
    moved, _ = pytree.flatten(tangents)
    level = new_level()
    duals = [_dual(p, t, level) for p, t in zip(flat, moved)]
    made = func(*pytree.unflatten(duals, spec))
    out, aux = split_aux(made, has_aux, "jvp(f, primals, tangents)")
    check_output(out, "jvp(f, primals, tangents)")
    if strict:
        for x in pytree.flatten(out)[0]:
            if not (isinstance(x, DualTensor) and x._level == level):
                raise RuntimeError(
                    "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is "
                    "not allowed with strict=True."
                )
    result = (
        pytree.map_(lambda x: _primal(x, level), out),
        pytree.map_(lambda x: _tangent(x, level), out),
    )
    return (*result, pytree.map_(lambda x: _primal(x, level), aux)) if has_aux else result


def _check(primals: Any, tangents: Any) -> None:
    who = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{who}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    flat, spec = pytree.flatten(primals)
    _, other = pytree.flatten(tangents)
    if spec != other:
        raise RuntimeError(
            f"{who}: Expected primals and tangents to have the same python structure. For example, if primals is a "
            f"tuple of 3 tensors, tangents also must be. Got primals with structure {spec} and tangents with structure "
            f"{other}"
        )
    for x in flat:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{who}: Expected primals to only contain Tensors, got {type(x)}")
    if not flat:
        raise RuntimeError(f"{who}: Expected primals to contain at least one Tensor.")


def _dual(p: Tensor, t: Any, level: int) -> Tensor:
    if not isinstance(t, Tensor):
        raise RuntimeError(
            f"jvp(f, primals, tangents): Expected tangents to only contain Tensors, got {type(t)}"
        )
    if p.dtype.category < 2:
        raise ValueError(f"Expected primal to be floating point or complex, but got: {p.dtype}")
    if tuple(p.shape) != tuple(t.shape):
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(p.shape)} while the given forward gradient is of size "
            f"{list(t.shape)}."
        )
    return dual_of(p, t, level)


def _primal(x: Any, level: int) -> Any:
    return x.value if isinstance(x, DualTensor) and x._level == level else x


def _tangent(x: Any, level: int) -> Any:
    return x.tangent if isinstance(x, DualTensor) and x._level == level else zeros_like(x)


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """The Jacobian, column by column through forward mode, all at once under vmap.

    >>> import flambeau
    >>> flambeau.func.jacfwd(flambeau.square)(flambeau.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def run(*args: Any) -> Any:
        which = places(argnums, args)
        flat, spec = pytree.flatten(tuple([args[i] for i in which]))
        partial = with_replaced(func, args, which)
        columns, aux, out_spec = [], None, pytree.LEAF
        for k in range(len(flat)):
            made = _columns_of(partial, flat, spec, k, has_aux, randomness)
            if has_aux:
                aux = pytree.map_(lambda t: t.select(0, 0), made[1])
            found, out_spec = pytree.flatten(made[0])
            shape = tuple(flat[k].shape)
            columns.append([f.movedim(0, -1).reshape((*f.shape[1:], *shape)) for f in found])
        blocks = []
        for row in zip(*columns):
            block = pytree.unflatten(list(row), spec)
            blocks.append(block[0] if isinstance(argnums, int) else block)
        jacobian = pytree.unflatten(blocks, out_spec)
        return (jacobian, aux) if has_aux else jacobian

    return run


def _columns_of(partial: Any, flat: list, spec: Any, k: int, has_aux: bool, randomness: str) -> Any:
    """How the outputs move with each element of input k, stacked; and the aux outputs."""
    x = flat[k]
    n = x.numel()
    basis = eye(n, dtype=x.dtype, device=x.device).reshape((n, *x.shape))

    def alone(y: Any) -> Any:
        return partial(*pytree.unflatten([*flat[:k], y, *flat[k + 1 :]], spec))

    return vmap(lambda b: jvp(alone, (x,), (b,), has_aux=has_aux)[1:], randomness=randomness)(basis)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Second derivatives: forward over reverse.

    >>> import flambeau
    >>> flambeau.func.hessian(lambda x: (x ** 3).sum())(flambeau.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
