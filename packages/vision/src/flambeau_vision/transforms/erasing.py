"""Random erasing: a rectangle of a tensor image replaced, so that a model learns from the rest."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence

import flambeau
from flambeau import Tensor
from flambeau.nn import Module

from . import functional
from ._random import below, coin, log_uniform, uniform


class RandomErasing(Module):
    """With probability `p`, a rectangle of a tensor image set to `value` (or noise, if "random").

    `scale` bounds the rectangle's share of the area, `ratio` its height over its width. If ten draws
    do not fit, the image stays whole.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomErasing
    >>> RandomErasing(p=1.0)(flambeau.ones(3, 8, 8)).shape
    flambeau.Size([3, 8, 8])
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, (numbers.Number, str, tuple, list)):
            raise TypeError(
                f"RandomErasing: value {value!r}; expected a number, a sequence or 'random'"
            )
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value {value!r}; expected 'random' if a string")
        for name, bounds in (("scale", scale), ("ratio", ratio)):
            if not isinstance(bounds, (tuple, list)):
                raise TypeError(f"RandomErasing: {name} {bounds!r}; expected two numbers")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"RandomErasing: scale {list(scale)}; expected shares of 0 to 1")
        if not 0 <= p <= 1:
            raise ValueError(f"RandomErasing: p {p}; expected a probability, 0 to 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor,
        scale: Sequence[float],
        ratio: Sequence[float],
        value: list[float] | None = None,
    ) -> tuple[int, int, int, int, Tensor]:
        """Row, column, height and width of a random rectangle, and what to put there."""
        channels, rows, columns = img.shape[-3], img.shape[-2], img.shape[-1]
        for _ in range(10):
            area = rows * columns * uniform(scale[0], scale[1])
            shape = log_uniform(ratio[0], ratio[1])
            height, width = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if not (height < rows and width < columns):
                continue
            if value is None:
                paint = flambeau.empty([channels, height, width], dtype=flambeau.float32).normal_()
            else:
                paint = flambeau.tensor(value)[:, None, None]
            top = below(rows - height + 1)
            left = below(columns - width + 1)
            return top, left, height, width, paint
        return 0, 0, rows, columns, img

    def _paint(self, img: Tensor) -> list[float] | None:
        if isinstance(self.value, str):
            return None
        if isinstance(self.value, (tuple, list)):
            value = [float(part) for part in self.value]
        else:
            value = [float(self.value)]
        if len(value) not in (1, img.shape[-3]):
            raise ValueError(
                f"RandomErasing: value of {len(value)} numbers for an image of {img.shape[-3]} "
                "channels; expected one, or one a channel"
            )
        return value

    def forward(self, img: Tensor) -> Tensor:
        if not coin(self.p):
            return img
        if not isinstance(img, Tensor):
            raise TypeError(
                f"RandomErasing: {type(img)}; expected a tensor image (put it after ToTensor)"
            )
        drawn = self.get_params(img, self.scale, self.ratio, self._paint(img))
        return functional.erase(img, *drawn, self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )
