"""Modules that train on several ranks."""

from __future__ import annotations

from flambeau.nn.parallel.distributed import DistributedDataParallel

__all__ = ["DistributedDataParallel"]
