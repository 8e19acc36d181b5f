"""One program on several devices: inputs in parts, copies of a module, and their results together."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flambeau._base.devices import device as Device
from flambeau.autograd import is_grad_enabled, set_grad_enabled
from flambeau.ops.joining import cat
from flambeau.runtime.tensor import Tensor

from ..modules.module import Module


def _device(given: Any) -> Any:
    """A number is that of a GPU, as everywhere in PyTorch."""
    return Device("cuda", given) if isinstance(given, int) else Device(given)


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """For each device its part of `inputs`: tensors are cut along `dim`, sequences and dicts member by member.

    Other objects are handed to every device as they are.

    >>> import flambeau
    >>> [part.tolist() for part in scatter(flambeau.arange(3), ["cpu", "cpu"])]
    [[0, 1], [2]]
    """
    if isinstance(inputs, Tensor):
        parts = inputs.chunk(len(target_gpus), dim)
        return tuple(part.to(_device(where)) for part, where in zip(parts, target_gpus))
    if isinstance(inputs, tuple) and hasattr(inputs, "_fields"):
        return [
            type(inputs)(*args) for args in zip(*(scatter(x, target_gpus, dim) for x in inputs))
        ]
    if isinstance(inputs, (tuple, list)) and inputs:
        columns = [scatter(x, target_gpus, dim) for x in inputs]
        return [type(inputs)(args) for args in zip(*columns)]
    if isinstance(inputs, dict) and inputs:
        columns = [scatter(x, target_gpus, dim) for x in inputs.values()]
        return [type(inputs)(zip(inputs, args)) for args in zip(*columns)]
    return [inputs for _ in target_gpus]


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """The results of several devices as one, on `target_device`: tensors joined along `dim`, members one by one.

    >>> import flambeau
    >>> gather([flambeau.tensor([1, 2]), flambeau.tensor([3])], "cpu")
    tensor([1, 2, 3])
    """
    first = outputs[0]
    if isinstance(first, Tensor):
        where = _device(target_device)
        moved = [x.to(where) for x in outputs]
        if all(x.ndim == 0 for x in moved):  # numbers become a vector
            moved = [x.reshape(1) for x in moved]
        return cat(moved, dim)
    if first is None:
        return None
    if isinstance(first, dict):
        if any(len(out) != len(first) for out in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)(
            (k, gather([out[k] for out in outputs], target_device, dim)) for k in first
        )
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(gather(list(x), target_device, dim) for x in zip(*outputs)))
    return type(first)(gather(list(x), target_device, dim) for x in zip(*outputs))


def replicate(network: Module, devices: Sequence[Any], detach: bool = False) -> list[Module]:
    """Copies of a module for several devices. Gradients of a copy's parameters go to the module's own."""
    return [_replica(network, _device(where), detach) for where in devices]


def _replica(module: Module, where: Any, detach: bool) -> Module:
    """A module with the same attributes, whose tensors are copies with a history."""
    made: Any = type(module).__new__(type(module))
    made.__dict__.update(module.__dict__)
    made._parameters = {}  # a copy of a parameter is a result, not a parameter
    made._buffers = {n: None if b is None else b.to(where) for n, b in module._buffers.items()}
    made._modules = {
        n: None if m is None else _replica(m, where, detach) for n, m in module._modules.items()
    }
    for name, param in module._parameters.items():
        copied = None if param is None else (param.detach() if detach else param.view_as(param))
        made.__dict__[name] = None if copied is None else copied.to(where)
    return made


def parallel_apply(
    modules: Sequence[Module],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Any] | None = None,
) -> list[Any]:
    """Each module on its own input, in threads, one for each."""
    if len(modules) != len(inputs):
        raise AssertionError(
            f"The number of modules {len(modules)} is not equal to the number of inputs {len(inputs)}"
        )
    named = [{}] * len(modules) if kwargs_tup is None else list(kwargs_tup)
    recording = is_grad_enabled()

    def call(module: Module, given: Any, kwargs: dict[str, Any]) -> Any:
        with set_grad_enabled(recording):
            args = given if isinstance(given, (tuple, list)) else (given,)
            return module(*args, **kwargs)

    if len(modules) == 1:
        return [call(modules[0], inputs[0], named[0])]
    with ThreadPoolExecutor(len(modules)) as pool:
        return list(pool.map(call, modules, inputs, named))
