"""`torch._C`: the few names of PyTorch's C core that are used in the open."""

from typing import Any

from .._base.devices import device
from .._base.dtypes import dtype
from ..autograd.modes import is_grad_enabled, set_grad_enabled
from ..nn.modules._converting import _parse_to
from ..overrides import DisableTorchFunction, DisableTorchFunctionSubclass
from ..runtime.generator import Generator
from ..runtime.overrides import disabled_torch_function as _disabled_torch_function_impl
from ..runtime.state import local
from ..runtime.tensor import Size, Tensor
from .jit import Attribute, ScriptModule

TensorBase = _TensorBase = Tensor
_TensorMeta = type(Tensor)
_GLIBCXX_USE_CXX11_ABI = True
_has_cuda = has_cuda = has_mkldnn = has_openmp = has_mkl = has_lapack = False


def _get_tracing_state() -> None:
    """No TorchScript trace is ever running."""


def _is_torch_function_enabled() -> bool:
    """Whether tensors of subclasses take calls over."""
    return not local.overrides_off


def _set_grad_enabled(mode: bool) -> None:
    """Sets whether history is recorded."""
    set_grad_enabled(mode)


def _log_api_usage_once(name: str) -> None:
    """flambeau logs no usage."""


def _log_api_usage_metadata(name: str, metadata: object) -> None:
    """flambeau logs no usage."""


def _jit_set_profiling_executor(mode: bool) -> bool:
    """A switch of TorchScript's, which does not run here: it was off."""
    return False


_jit_set_profiling_mode = _jit_set_profiling_executor
_jit_set_bailout_depth = _jit_set_num_profiled_runs = lambda depth: 0


def _get_privateuse1_backend_name() -> str:
    """The name of the device that nobody has renamed."""
    return "privateuseone"


def _are_functorch_transforms_active() -> bool:
    """Whether a vmap is at work; other transforms need no other path of anybody's."""
    return bool(local.batch)


class _nn:
    """`torch._C._nn`: how modules read the arguments of `to`."""

    @staticmethod
    def _parse_to(*args: Any, **kwargs: Any) -> tuple:
        memory_format = kwargs.pop("memory_format", None)
        return *_parse_to(*args, **kwargs), memory_format


def _is_tracing() -> bool:
    """No TorchScript trace is ever running."""
    return False


def _get_default_device() -> str:
    """The device that factories use, as text."""
    from ..ops.creation import get_default_device

    return str(get_default_device())


def _cuda_getDeviceCount() -> int:
    """How many GPUs there are."""
    from ..cuda import device_count

    return device_count()


__all__ = [
    "Attribute",
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
    "Generator",
    "ScriptModule",
    "Size",
    "TensorBase",
    "_disabled_torch_function_impl",
    "_is_torch_function_enabled",
    "device",
    "dtype",
    "is_grad_enabled",
]
