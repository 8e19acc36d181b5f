"""`torch.backends.mha`: whether PyTorch may use one fused kernel for attention in inference.

Here it is one function with or without it; the wish is kept for who asks.
"""

from __future__ import annotations

_wished = True


def get_fastpath_enabled() -> bool:
    """What `set_fastpath_enabled` was given last; True at first."""
    return _wished


def set_fastpath_enabled(value: bool) -> None:
    """Keeps the wish."""
    global _wished
    _wished = bool(value)
