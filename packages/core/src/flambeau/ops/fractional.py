"""Max pooling over windows whose steps are drawn by chance: B. Graham, Fractional Max-Pooling (2014)."""

from __future__ import annotations

from math import prod
from typing import Any

from .._base.checks import Shape, check
from .._base.dtypes import int64
from ..runtime.families import composite
from ..runtime.tensor import Tensor
from .comparison import where
from .creation import arange


def _starts(sample: Tensor, n: int, out: int, kernel: int) -> Tensor:
    """Where the windows (*, out) begin, for one draw from [0, 1) for each channel."""
    places = arange(out, device=sample.device)
    if out > 1:
        step = (n - kernel) / (out - 1)
        draw = sample.unsqueeze(-1)
        begins = ((places.to(draw.dtype) + draw) * step).to(int64) - (draw * step).to(int64)
    else:
        begins = places.expand(*sample.shape, out)
    return where(places == out - 1, n - kernel, begins)


@composite(method=False, outputs=("values", "indices"))
def fractional_max_pool(
    input: Tensor, kernel: tuple[int, ...], size: tuple[int, ...], samples: Tensor
) -> Any:
    """The largest values of `size` windows of (N, C, *space) and their indices, as `samples` (N, C, dims) place them.

    >>> import flambeau
    >>> x = flambeau.tensor([[[1.0, 4.0, 2.0, 3.0, 0.0]]])
    >>> draw = flambeau.tensor([[[0.5]]])
    >>> values, indices = flambeau.ops.fractional.fractional_max_pool(x, (2,), (2,), draw)
    >>> values, indices
    (tensor([[[4., 3.]]]), tensor([[[1, 3]]]))
    """
    count = len(kernel)
    space = tuple(input.shape[-count:])
    _check(input, kernel, size, space)
    outer = tuple(input.shape[:-count])
    if input.ndim == count + 1:
        samples = samples[:1]
    index: Any = 0
    for k, (n, out, width) in enumerate(zip(space, size, kernel)):
        begins = _starts(samples[..., _SAMPLE[count][k]].detach(), n, out, width)
        line = begins.unsqueeze(-1) + arange(width, device=input.device)
        spread = [1] * (2 * count)
        spread[k], spread[count + k] = out, width
        index = index * n + line.reshape(*samples.shape[:2], *spread)
    windows = (*samples.shape[:2], prod(size), prod(kernel))
    index = index.expand(*samples.shape[:2], *size, *kernel).reshape(windows)
    flat = input.reshape(*samples.shape[:2], prod(space))
    looks = flat.detach().gather(2, index.flatten(2)).reshape(windows)
    best = looks.argmax(-1, True)
    places = index.gather(-1, best).squeeze(-1)
    shape = (*outer, *size)
    return flat.gather(2, places).reshape(shape), places.reshape(shape)


# Which draw is whose: of images the first is the width's, of volumes the first is the depth's, as in PyTorch.
_SAMPLE = {1: (0,), 2: (1, 0), 3: (0, 1, 2)}


def _check(input: Tensor, kernel: Shape, size: Shape, space: Shape) -> None:
    count = len(kernel)
    check(
        input.ndim in (count + 1, count + 2) and all(input.shape[-count - 1 :]),
        lambda: (
            f"fractional_max_pool{count}d: Expected {count + 1}D or {count + 2}D tensor with optional 0 "
            f"batch dim for input, but got: {list(input.shape)}"
        ),
    )
    check(
        all(0 < out and out + k - 1 <= n for n, out, k in zip(space, size, kernel)),
        lambda: (
            f"fractional_max_pool{count}d(): pool size {list(kernel)} and output size {list(size)} too "
            f"large relative to input size {list(space)}"
        ),
    )
