"""`torch._C`: the few names of PyTorch's C core that are used in the open."""

from ..autograd.modes import is_grad_enabled
from ..runtime.generator import Generator
from ..runtime.tensor import Size, Tensor

TensorBase = Tensor
_is_torch_function_enabled = lambda: False  # noqa: E731  (a probe; nothing to say)


def _get_tracing_state() -> None:
    """No TorchScript trace is ever running."""


__all__ = ["Generator", "Size", "TensorBase", "is_grad_enabled"]
