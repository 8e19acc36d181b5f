"""`range`, PyTorch's older `arange`. Alone in its file, where its name hides no other."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .._base import dtypes
from .._base.checks import check
from ..runtime.signature import explained
from ..runtime.tensor import Tensor
from .creation import arange


@explained
def range(
    start: float = 0, end: float | None = None, step: float = 1, *, out: Tensor | None = None, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, ..., up to and with `end`. Deprecated, as it is in PyTorch: use `arange`, which leaves out the end.

    >>> import flambeau, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     flambeau.range(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000, 2.5000])
    """
    warnings.warn(
        "flambeau.range is deprecated, as its result includes the end, unlike Python's: use arange",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    check(step != 0, lambda: "step must be nonzero")
    check(
        math.isfinite(start) and math.isfinite(end),
        lambda: f"unsupported range: {start} -> {end}",
    )
    check(
        (end - start) * step >= 0,
        lambda: "upper bound and lower bound inconsistent with step sign",
    )
    kind = dtype or (dtypes.get_default_dtype() if out is None else out.dtype)
    count = math.floor((end - start) / step) + 1
    made = arange(count, dtype=dtypes.float64, device=device) * step + start
    made = made.to(kind)
    if out is not None:
        return out.resize_(made.shape).copy_(made)
    return made.requires_grad_(requires_grad)
