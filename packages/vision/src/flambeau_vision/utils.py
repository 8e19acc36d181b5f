"""Many images in one picture, and a picture in a file."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import IO

from PIL import Image

import flambeau
from flambeau import Tensor

__all__ = ["make_grid", "save_image"]


def _as_batch(tensor: Tensor | Sequence[Tensor]) -> Tensor:
    """The images as one tensor [count, channels, height, width], gray ones in three channels."""
    if isinstance(tensor, (list, tuple)) and all(isinstance(image, Tensor) for image in tensor):
        tensor = flambeau.stack(list(tensor), dim=0)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"make_grid: {type(tensor)}; expected a tensor or a list of tensors")
    images = tensor.unsqueeze(0) if tensor.ndim == 2 else tensor
    if images.ndim == 3:
        images = images.unsqueeze(0)
    if images.ndim != 4:
        raise ValueError(
            f"make_grid: shape {list(tensor.shape)}; expected [count, channels, height, width], "
            "[channels, height, width] or [height, width]"
        )
    return flambeau.cat((images, images, images), 1) if images.shape[1] == 1 else images


def _stretch(image: Tensor, value_range: tuple[float, float] | None) -> None:
    """Makes `value_range` (its own, if None) 0 to 1, in place."""
    low, high = value_range or (float(image.min()), float(image.max()))
    image.clamp_(min=low, max=high)
    image.sub_(low).div_(max(high - low, 1e-5))


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images `[count, channels, height, width]` (or a list of them) in one picture, `nrow` a row.

    `normalize` stretches the values to 0 .. 1 (from `value_range`, else from smallest to largest of
    all, or of each image with `scale_each`). One image alone comes back without a border.

    >>> import flambeau
    >>> from flambeau_vision.utils import make_grid
    >>> make_grid(flambeau.ones(5, 3, 4, 6), nrow=3, padding=1).shape
    flambeau.Size([3, 11, 22])
    """
    images = _as_batch(tensor)
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError(f"make_grid: value_range {value_range!r}; expected a tuple (low, high)")
    if normalize:
        images = images.clone()  # not the caller's own
        for image in images if scale_each else [images]:
            _stretch(image, value_range)
    count, channels, height, width = images.shape
    if count == 1:
        return images.squeeze(0)
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    grid = images.new_full(
        (channels, height * rows + padding, width * columns + padding), pad_value
    )
    for i in range(count):
        top, left = i // columns * height + padding, i % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = images[i]
    return grid


@flambeau.no_grad()
def save_image(
    tensor: Tensor | Sequence[Tensor],
    fp: str | os.PathLike[str] | IO[bytes],
    format: str | None = None,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> None:
    """Saves images of 0 .. 1 as one picture: `make_grid`, rounded to bytes, in Pillow's formats.

    `format` is needed where `fp` is a file object. Further arguments are `make_grid`'s.

    >>> from PIL import Image
    >>> import flambeau
    >>> from flambeau_vision.utils import save_image
    >>> import io
    >>> file = io.BytesIO()
    >>> save_image(flambeau.ones(3, 4, 4), file, format="png")
    >>> Image.open(file).size
    (4, 4)
    """
    grid = make_grid(
        tensor,
        nrow=nrow,
        padding=padding,
        normalize=normalize,
        value_range=value_range,
        scale_each=scale_each,
        pad_value=pad_value,
    )
    # Adding a half before cutting off is rounding.
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", flambeau.uint8)
    Image.fromarray(pixels.contiguous().numpy()).save(fp, format=format)
