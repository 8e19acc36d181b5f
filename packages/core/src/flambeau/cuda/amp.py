"""`torch.cuda.amp`: the older spellings of `flambeau.amp`, for CUDA alone. They warn as PyTorch's do."""

from __future__ import annotations

import functools
import warnings
from typing import Any

from .. import amp
from .._base import dtypes

custom_fwd = functools.partial(amp.custom_fwd, device_type="cuda")
custom_bwd = functools.partial(amp.custom_bwd, device_type="cuda")


def amp_definitely_not_available() -> bool:
    """Whether there is no GPU that mixed precision could run on."""
    from . import is_available

    return not is_available()


def _older(name: str) -> None:
    warnings.warn(
        f"`flambeau.cuda.amp.{name}(args...)` is deprecated. Please use `flambeau.amp.{name}('cuda', args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )


class autocast(amp.autocast):
    """`flambeau.amp.autocast("cuda", ...)`."""

    def __init__(
        self, enabled: bool = True, dtype: dtypes.dtype = dtypes.float16, cache_enabled: bool = True
    ) -> None:
        _older("autocast")
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """`flambeau.amp.GradScaler("cuda", ...)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _older("GradScaler")
        super().__init__("cuda", *args, **kwargs)


__all__ = [
    "GradScaler",
    "amp_definitely_not_available",
    "autocast",
    "custom_bwd",
    "custom_fwd",
]
