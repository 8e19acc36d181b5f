"""`flambeau.distributions.kl`: Kullback-Leibler divergences by pairs of classes."""

from __future__ import annotations

from . import across, same
from .registry import _KL_MEMOIZE, _KL_REGISTRY, kl_divergence, register_kl

__all__ = ["kl_divergence", "register_kl"]
