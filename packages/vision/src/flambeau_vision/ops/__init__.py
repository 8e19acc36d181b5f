"""Building blocks of vision models."""

from __future__ import annotations

from .misc import Conv2dNormActivation

__all__ = ["Conv2dNormActivation"]
