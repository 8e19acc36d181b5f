"""`torch._tensor_str`: how tensors are printed."""

from __future__ import annotations

from typing import Any

from ..printing import Options, set_printoptions, tensor_repr  # noqa: F401

# What `set_printoptions` sets.
PRINT_OPTS = Options


def _str(tensor: Any, *, tensor_contents: Any = None) -> str:
    """The text of a tensor."""
    return tensor_repr(tensor, contents=tensor_contents)


def _tensor_str(tensor: Any, indent: int) -> str:
    """A tensor's values."""
    from ..printing import _body

    return _body(tensor.detach().cpu().numpy(), tensor.dtype, indent)
