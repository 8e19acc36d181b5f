"""Transforms that change what an image is: picture, tensor, dtype, scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from PIL import Image

import flambeau
from flambeau import Tensor
from flambeau.nn import Module

from . import functional


class ToTensor:
    """A Pillow image or `[height, width, channels]` array as a tensor of 0 to 1, channels first.

    >>> from PIL import Image
    >>> from flambeau_vision.transforms import ToTensor
    >>> ToTensor()(Image.new("RGB", (4, 2))).shape
    flambeau.Size([3, 2, 4])
    """

    def __call__(self, pic: Image.Image | numpy.ndarray) -> Tensor:
        return functional.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """A Pillow image as a tensor of the same values, channels first.

    >>> from PIL import Image
    >>> from flambeau_vision.transforms import PILToTensor
    >>> PILToTensor()(Image.new("RGB", (4, 2))).dtype
    flambeau.uint8
    """

    def __call__(self, pic: Image.Image) -> Tensor:
        return functional.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor or array as a Pillow image; `mode` where more than one fits the channels.

    >>> import flambeau
    >>> from flambeau_vision.transforms import ToPILImage
    >>> ToPILImage()(flambeau.zeros(3, 2, 4)).mode
    'RGB'
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Tensor | numpy.ndarray) -> Image.Image:
        return functional.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        mode = "" if self.mode is None else f"mode={self.mode}"
        return f"{type(self).__name__}({mode})"


class ConvertImageDtype(Module):
    """A tensor image in another dtype, black and white kept.

    >>> import flambeau
    >>> from flambeau_vision.transforms import ConvertImageDtype
    >>> ConvertImageDtype(flambeau.uint8)(flambeau.ones(1)).item()
    255
    """

    def __init__(self, dtype: flambeau.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return functional.convert_image_dtype(image, self.dtype)


class Normalize(Module):
    """Each channel less its `mean`, divided by its `std`.

    >>> import flambeau
    >>> from flambeau_vision.transforms import Normalize
    >>> Normalize([0.5], [0.25])(flambeau.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return functional.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"
