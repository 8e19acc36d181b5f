"""`torch.backends.quantized`: which library computes in int8. There is none beside flambeau's own."""

from __future__ import annotations

from .settings import settle

engine = "none"
supported_engines = ["none"]

settle(__name__, engine=str)
