"""Parameters that are computed from others: every access gives the computed one.

`register_parametrization(layer, "weight", module)` moves the parameter to
``layer.parametrizations.weight.original`` and makes ``layer.weight`` the module's result of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from flambeau.autograd.modes import no_grad
from flambeau.runtime.tensor import Tensor

from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

_cache_depth = 0
_cache: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once inside this block, however often it is used."""
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if not _cache_depth:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order, and what they start from."""

    def __init__(self, modules: list[Module], original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            start: Any = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):  # it has none for these options
                        start = module.right_inverse(start)
        self.is_tensor = isinstance(start, Tensor)
        parts = (
            {"original": start}
            if self.is_tensor
            else {f"original{i}": part for i, part in enumerate(start)}
        )
        self.ntensors = len(parts)
        for name, part in parts.items():
            self._keep(name, part, original)

    def _keep(self, name: str, part: Tensor, original: Tensor) -> None:
        if isinstance(original, Parameter):
            kept = part if isinstance(part, Parameter) else Parameter(part.detach())
            kept.requires_grad_(original.requires_grad)
            self.register_parameter(name, kept)
        else:
            self.register_buffer(name, part)

    def _originals(self) -> list[Tensor]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Choose the originals so that the result is `value`."""
        with no_grad():
            start: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                start = module.right_inverse(start)
            given = [start] if self.is_tensor else list(start)
            for original, part in zip(self._originals(), given, strict=True):
                original.data = part.data

    def forward(self) -> Tensor:
        first, *rest = self
        value = first(*self._originals())
        for module in rest:
            value = module(value)
        return value


def _make_property(name: str) -> property:
    def get(self: Module) -> Tensor:
        if not _cache_depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def put(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def _make_parametrized_class(module: Module) -> None:
    """Give the module a class of its own, to which properties can be added."""
    kind = type(module)

    def refuse(self: Module, protocol: int) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict()."
        )

    module.__class__ = type(
        f"Parametrized{kind.__name__}", (kind,), {"__reduce_ex__": refuse, "__module__": __name__}
    )
    module.parametrizations = ModuleDict()


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make ``module.tensor_name`` the result of `parametrization` on the tensor it was.

    Raises:
        ValueError: if there is no such tensor, or shape or dtype would change (unless `unsafe`).

    >>> from flambeau import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        _append(module, tensor_name, parametrization, unsafe)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with "
            f"name '{tensor_name}'"
        )
    original = getattr(module, tensor_name)
    made = ParametrizationList([parametrization], original, unsafe)
    if not unsafe:
        _check_same_kind(made(), original)
    if not is_parametrized(module):
        _make_parametrized_class(module)
    delattr(module, tensor_name)
    setattr(type(module), tensor_name, _make_property(tensor_name))
    module.parametrizations[tensor_name] = made
    return module


def _append(module: Module, name: str, parametrization: Module, unsafe: bool) -> None:
    before = getattr(module, name)
    if not unsafe:
        with no_grad():
            _check_same_kind(parametrization(before), before)
    chain = module.parametrizations[name]
    chain.append(parametrization)
    if hasattr(parametrization, "right_inverse"):
        chain.right_inverse(before.detach())


def _check_same_kind(made: Any, original: Tensor) -> None:
    if not isinstance(made, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
    if made.dtype != original.dtype:
        raise ValueError(
            "Registering a parametrization may not change the dtype of the tensor, unless `unsafe` "
            f"flag is enabled: {original.dtype} became {made.dtype}"
        )
    if tuple(made.shape) != tuple(original.shape):
        raise ValueError(
            "Registering a parametrization may not change the shape of the tensor, unless `unsafe` "
            f"flag is enabled: {list(original.shape)} became {list(made.shape)}"
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has parametrizations, or one for this tensor."""
    chains = module._modules.get("parametrizations") if hasattr(module, "_modules") else None
    if chains is None or not isinstance(chains, ModuleDict):
        return False
    return len(chains) > 0 if tensor_name is None else tensor_name in chains


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the tensor an ordinary one again: the computed value, or the original."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain = module.parametrizations[tensor_name]
    if not leave_parametrized and not chain.is_tensor:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized "
            "in terms of a sequence of tensors."
        )
    originals = chain._originals()
    was_parameter = isinstance(originals[0], Parameter)
    with no_grad():
        value = getattr(module, tensor_name).detach() if leave_parametrized else originals[0].data
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if was_parameter:
        kept = Parameter(value, requires_grad=originals[0].requires_grad)
        module.register_parameter(tensor_name, kept)
    else:
        module.register_buffer(tensor_name, value)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before it was parametrized; its class, where it is not.

    >>> from flambeau import nn
    >>> type_before_parametrizations(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2))).__name__
    'Linear'
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give `to_module` the parametrizations of `from_module` and what they start from: of all tensors, or of one.

    Tensors that `to_module` lacks are made. A module without parametrizations gives nothing.
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        given = from_module.parametrizations[name]
        for parametrization in given:
            register_parametrization(to_module, name, parametrization)
        taken = to_module.parametrizations[name]
        kept = ["original"] if given.is_tensor else [f"original{i}" for i in range(given.ntensors)]
        for part in kept:
            setattr(taken, part, getattr(given, part))
    return to_module
