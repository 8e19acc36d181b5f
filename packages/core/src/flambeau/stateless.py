"""Calling a module with other parameters than its own, without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .nn import Module


def functional_call(
    module: Module,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """The module's result with these tensors in the place of its own.

    Args:
        parameters_and_buffers: tensors by dotted name, or a sequence of such dictionaries.
        args: one argument or a tuple of them.
        tie_weights: a tensor that has several names is replaced under all of them.
        strict: refuse unknown and missing names.

    >>> import flambeau
    >>> layer = flambeau.nn.Linear(1, 1)
    >>> given = {"weight": flambeau.ones(1, 1), "bias": flambeau.zeros(1)}
    >>> functional_call(layer, given, flambeau.tensor([[3.0]]))
    tensor([[3.]])
    """
    if isinstance(parameters_and_buffers, (list, tuple)):
        merged: dict[str, Any] = {}
        for part in parameters_and_buffers:
            repeated = merged.keys() & part.keys()
            if repeated:
                raise ValueError(
                    f"{sorted(repeated)} appeared in multiple dictionaries; behavior of functional call is ambiguous"
                )
            merged.update(part)
        parameters_and_buffers = merged
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _replaced(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _replaced(module: Module, given: dict[str, Any], tie: bool, strict: bool) -> Iterator[None]:
    """Put tensors into the dictionaries of their modules, and put back what was there."""
    if strict:
        _check_names(module, given)
    places = [
        (module.get_submodule(path.rpartition(".")[0]), path.rpartition(".")[2], tensor)
        for path, tensor in _with_ties(module, given, tie).items()
    ]
    before: list[tuple[dict, str, Any]] = []
    try:
        for owner, name, tensor in places:
            kind = next(
                (k for k in (owner._parameters, owner._buffers) if name in k), owner.__dict__
            )
            before.append((kind, name, kind.get(name, _ABSENT)))
            kind[name] = tensor
        yield
    finally:
        for kind, name, tensor in reversed(before):
            if (
                tensor is _ABSENT
            ):  # a name that the module does not have: as in PyTorch, there for this call
                kind.pop(name, None)
            else:
                kind[name] = tensor


_ABSENT: Any = object()


def _with_ties(module: Module, given: dict[str, Any], tie: bool) -> dict[str, Any]:
    if not tie:
        return given
    members = [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]
    names: dict[int, list[str]] = {}
    for name, tensor in members:
        names.setdefault(id(tensor), []).append(name)
    complete = dict(given)
    for same in names.values():
        chosen = [name for name in same if name in given]
        if len({id(given[name]) for name in chosen}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {chosen}, which are tied"
            )
        for name in same if chosen else ():
            complete.setdefault(name, given[chosen[0]])
    return complete


def _check_names(module: Module, given: dict[str, Any]) -> None:
    own = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    own |= {name for name, _ in module.named_buffers(remove_duplicate=False)}
    problems = []
    if given.keys() - own:
        problems.append(f"Unexpected key(s): {_quoted(given.keys() - own)}.")
    if own - given.keys():
        problems.append(f"Missing key(s): {_quoted(own - given.keys())}.")
    if problems:
        raise RuntimeError(
            f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(problems)
        )


def _quoted(names: Any) -> str:
    return ", ".join(map(repr, sorted(names)))
