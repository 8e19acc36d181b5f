"""`flambeau.distributions.kl`: Kullback-Leibler divergences by pairs of classes."""

from __future__ import annotations

from . import across, same  # noqa: F401 - they register their formulas
from .registry import _KL_MEMOIZE, _KL_REGISTRY, kl_divergence, register_kl  # noqa: F401 - read by Pyro

__all__ = ["kl_divergence", "register_kl"]
