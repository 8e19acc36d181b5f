"""`torch._subclasses`: there are no fake tensors here."""

from typing import Any


def is_fake(x: Any) -> bool:
    """Never."""
    return False


def maybe_get_fake_mode(t: Any) -> None:
    """None: no fake tensor, no mode."""
