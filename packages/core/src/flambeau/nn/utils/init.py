"""Making a module without drawing its initial values."""

from __future__ import annotations

from typing import Any

from ..modules.module import Module


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """A module whose parameters have memory but no values, on the device asked for.

    >>> from flambeau import nn
    >>> nn.utils.skip_init(nn.Linear, 2, 3).weight.shape
    flambeau.Size([3, 2])
    """
    import inspect  # here: it is slow to import, and few need this function

    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    device = kwargs.pop("device", "cpu")
    return module_cls(*args, **kwargs, device="meta").to_empty(device=device)
