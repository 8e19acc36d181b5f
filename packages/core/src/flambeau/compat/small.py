"""Names of PyTorch's insides, one by one, that packages read in the open."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from ..nn import parameter
from ..nn.modules._state import _IncompatibleKeys  # noqa: F401
from ..runtime.tensor import Tensor

# torch.nn.modules.module
_EXTRA_STATE_KEY_SUFFIX = "_extra_state"

# torch.distributed
default_pg_timeout = datetime.timedelta(minutes=30)

# torch.utils.data.dataloader
_collate_fn_t = Callable[[list[Any]], Any]


def is_torchelastic_launched() -> bool:
    """Whether PyTorch's elastic launcher started this process."""
    import os

    return "TORCHELASTIC_RUN_ID" in os.environ


# torch.onnx


def is_in_onnx_export() -> bool:
    """Whether a program is being traced, which the exporter does."""
    from .compiler import is_compiling

    return is_compiling()


def is_lazy(param: Any) -> bool:
    """Whether a parameter has no shape yet."""
    return isinstance(param, parameter.UninitializedTensorMixin)


def _use_grad_for_differentiable(func: Callable[..., Any]) -> Callable[..., Any]:
    """Runs an optimizer's step with gradients on only if it is `differentiable`."""
    import functools

    from ..autograd.modes import set_grad_enabled

    @functools.wraps(func)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        with set_grad_enabled(self.defaults["differentiable"]):
            return func(self, *args, **kwargs)

    return step


def _default_to_fused_or_foreach(
    params: Sequence[Any], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """Whether an optimizer should take its fused or its list form: a loop serves as well here."""
    return False, False


def _get_value(x: Any) -> Any:
    return x.item() if isinstance(x, Tensor) else x


def _stack_if_compiling(x: Any) -> Any:
    return x


def _dispatch_sqrt(x: Any) -> Any:
    import math

    return x.sqrt() if isinstance(x, Tensor) else math.sqrt(x)


# torch._utils


def _flatten_dense_tensors(tensors: Sequence[Tensor]) -> Tensor:
    """One vector of all the tensors' elements."""
    from ..ops.joining import cat

    return cat([t.contiguous().view(-1) for t in tensors]) if tensors else Tensor()


def _unflatten_dense_tensors(flat: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The vector cut into the tensors' shapes."""
    parts = flat.split([t.numel() for t in tensors])
    return tuple(p.view_as(t) for p, t in zip(parts, tensors, strict=True))


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """The number of a GPU."""
    from ..cuda.devices import index_of

    return index_of(device)


def _get_available_device_type() -> str | None:
    """The kind of accelerator that this machine has."""
    from ..cuda import is_available

    return "cuda" if is_available() else None


class ExceptionWrapper:
    """An exception of another thread or process, to be raised again here with its traceback as text."""

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        import sys
        import traceback

        info: Any = exc_info or sys.exc_info()
        self.exc_type, self.where = info[0], where
        self.exc_msg = "".join(traceback.format_exception(*info))

    def reraise(self) -> None:
        """Raises an exception of the same class."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        try:
            error = self.exc_type(text)
        except Exception:
            raise RuntimeError(text) from None
        raise error


def _rebuild_tensor_v2(*args: Any, **kwargs: Any) -> Any:
    """Refuses: files are read by `load`, which calls nothing that a file names."""
    from .missing import refuse

    refuse("torch._utils._rebuild_tensor_v2")
