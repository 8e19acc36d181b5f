"""Modules that learn the sizes of their parameters from their first input."""

from __future__ import annotations

from typing import Any

from ..parameter import is_lazy
from .module import Module


class LazyModuleMixin:
    """Gives a module parameters without shapes, which its first call makes (`initialize_parameters`).

    The class to mix it into comes second, so that loading, saving and the first call pass here. After the first call the
    module becomes an object of `cls_to_become`, and nothing of being lazy is left.

    >>> import flambeau
    >>> layer = flambeau.nn.LazyLinear(2)
    >>> layer
    LazyLinear(in_features=0, out_features=2, bias=True)
    >>> layer(flambeau.ones(1, 3)).shape
    flambeau.Size([1, 2])
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    """

    cls_to_become: type[Module] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        module: Any = self
        self._load_hook = module._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = module.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _members(self) -> dict[str, Any]:
        module: Any = self
        return {**module._parameters, **module._buffers}

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        module: Any = self
        for name, param in module._parameters.items():
            if param is not None:
                whole = keep_vars or is_lazy(param)
                destination[prefix + name] = param if whole else param.detach()
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                whole = keep_vars or is_lazy(buffer)
                destination[prefix + name] = buffer if whole else buffer.detach()

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Takes the shapes of what is loaded before it is copied."""
        for name, param in self._members().items():
            given = state_dict.get(prefix + name)
            if is_lazy(param) and given is not None and not is_lazy(given):
                param.materialize(given.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Gives the parameters their shapes from the first input; every lazy module defines it."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether any parameter or buffer of this module has no shape yet."""
        return any(is_lazy(param) for param in self._members().values())

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        """Before the first forward: shapes, and then an ordinary module."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {type(self).__name__} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Any:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. "
            "Run a dummy forward pass to correctly initialize the modules"
        )
