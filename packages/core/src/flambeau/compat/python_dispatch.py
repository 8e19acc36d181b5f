"""`torch.utils._python_dispatch`: questions about subclasses that are made of other tensors."""

from typing import Any


def is_traceable_wrapper_subclass(t: Any) -> bool:
    """Whether a tensor's class takes itself apart by `__tensor_flatten__`."""
    return hasattr(t, "__tensor_flatten__") and hasattr(t, "__tensor_unflatten__")


def is_traceable_wrapper_subclass_type(t: type) -> bool:
    """Whether a class takes its tensors apart by `__tensor_flatten__`."""
    return hasattr(t, "__tensor_flatten__") and hasattr(t, "__tensor_unflatten__")
