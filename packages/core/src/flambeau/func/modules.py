"""Modules as functions of their parameters."""

from __future__ import annotations

from typing import Any

from .. import stateless
from ..ops.joining import stack
from ..runtime.tensor import Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """The module's result with these tensors in the place of its own parameters and buffers.

    Args:
        parameter_and_buffer_dicts: tensors by dotted name, or a sequence of such dictionaries.
        args: one argument or a tuple of them.
        tie_weights: a tensor that has several names is replaced under all of them.
        strict: refuse unknown and missing names.

    >>> import flambeau
    >>> layer = flambeau.nn.Linear(1, 1)
    >>> given = {"weight": flambeau.ones(1, 1), "bias": flambeau.zeros(1)}
    >>> functional_call(layer, given, flambeau.tensor([[3.0]]))
    tensor([[3.]])
    """
    given = parameter_and_buffer_dicts
    if not isinstance(given, (dict, list, tuple)):
        raise ValueError(
            f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(given)}"
        )
    if not isinstance(given, dict) and not all(isinstance(d, dict) for d in given):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    return stateless.functional_call(
        module, given, args, kwargs, tie_weights=tie_weights, strict=strict
    )


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of several modules of one kind, stacked for `vmap` over models.

    >>> import flambeau
    >>> models = [flambeau.nn.Linear(3, 2) for _ in range(4)]
    >>> parameters, buffers = stack_module_state(models)
    >>> parameters["weight"].shape
    flambeau.Size([4, 2, 3])
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return (
        {k: _stacked([p[k] for p in params], k) for k in params[0]},
        {k: _stacked([b[k] for b in buffers], k) for k in buffers[0]},
    )


def _stacked(tensors: list[Tensor], name: str) -> Tensor:
    """A leaf of all models' tensors of one name."""
    wanted = tensors[0].requires_grad
    if any(t.requires_grad != wanted for t in tensors):
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    made = stack([t.detach() for t in tensors])
    return made.requires_grad_() if wanted else made


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Takes the running statistics from all batch-norm layers in `root`, in place: vmap cannot update them per element.

    >>> import flambeau
    >>> net = replace_all_batch_norm_modules_(flambeau.nn.Sequential(flambeau.nn.BatchNorm1d(3)))
    >>> net[0].running_mean is None, net[0].track_running_stats
    (True, False)
    """
    for module in root.modules():
        # By name: `nn` is a layer above, and this file must not pull it in.
        kinds = {kind.__name__ for kind in type(module).__mro__}
        if "_BatchNorm" in kinds and module.track_running_stats:
            module.running_mean = module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root
