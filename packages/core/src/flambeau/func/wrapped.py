"""What the transforms share: picking arguments, naming functions, looking inside wrapped tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._base import pytree
from ..runtime.tensor import Tensor
from ..transforms.wrapper import Wrapper


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """The tensor that one of a transform stands for; with `recurse` that of all transforms around it. For debugging.

    >>> import flambeau
    >>> seen = []
    >>> _ = flambeau.vmap(lambda row: seen.append(flambeau.func.debug_unwrap(row).shape) or row)(flambeau.ones(2, 3))
    >>> seen
    [flambeau.Size([2, 3])]
    """
    while isinstance(tensor, Wrapper):
        tensor = tensor.value
        if not recurse:
            break
    return tensor


def name_of(func: Any) -> str:
    """How errors call a function."""
    if hasattr(func, "__name__"):
        return func.__name__
    if isinstance(func, functools.partial):
        return f"functools.partial({name_of(func.func)}, ...)"
    return repr(func)


def tensors_in(tree: Any) -> list[Tensor]:
    """The tensors among the leaves."""
    return [x for x in pytree.flatten(tree)[0] if isinstance(x, Tensor)]


def places(argnums: Any, args: tuple) -> tuple[int, ...]:
    """The places that `argnums` names, counted from the front."""
    if isinstance(argnums, int) and not isinstance(argnums, bool):
        found: tuple = (argnums,)
    elif isinstance(argnums, tuple) and all(isinstance(n, int) for n in argnums):
        found = argnums
    else:
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    if not found:
        raise RuntimeError("argnums must be non-empty")
    for n in found:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    found = tuple([n % len(args) for n in found])
    if len(set(found)) < len(found):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return found


def with_replaced(
    func: Callable[..., Any], args: tuple, which: tuple[int, ...]
) -> Callable[..., Any]:
    """`func` as a function of the arguments at `which` alone."""

    def partial(*picked: Any, **kwargs: Any) -> Any:
        full = list(args)
        for i, x in zip(which, picked):
            full[i] = x
        return func(*full, **kwargs)

    return partial


def split_aux(made: Any, has_aux: bool, who: str) -> tuple[Any, Any]:
    """(output, aux) of what a function returned."""
    if not has_aux:
        return made, None
    if not (isinstance(made, tuple) and len(made) == 2):
        raise RuntimeError(
            f"{who}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return made


def check_aux(aux: Any) -> None:
    """Refuses what is no tensor in the auxiliary output."""
    for x in pytree.flatten(aux)[0]:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(x)}")


def check_output(out: Any, who: str) -> None:
    """Refuses outputs that are no tensors, or none at all."""
    leaves = pytree.flatten(out)[0]
    for x in leaves:
        if not isinstance(x, Tensor):
            raise RuntimeError(
                f"{who}: expected f(*primals) to return only tensors, got unsupported type {type(x)}"
            )
    if not leaves:
        raise RuntimeError(
            f"{who}: Expected f to be a function that has non-empty output (got output = {out})"
        )
