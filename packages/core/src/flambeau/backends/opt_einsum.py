"""`torch.backends.opt_einsum`: whether `einsum` asks the package of that name for the order of its products.

It never does: `einsum` finds the order of least work itself, with the package or without.
"""

from __future__ import annotations

from .settings import settle

enabled = False
strategy: str | None = None


def is_available() -> bool:
    """Whether `einsum` uses the package: never."""
    return False


def get_opt_einsum() -> None:
    """The package that `einsum` uses: None."""


settle(__name__, enabled=bool, strategy=(str, type(None)))
