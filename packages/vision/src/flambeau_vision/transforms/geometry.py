"""Transforms that move pixels: sizes, crops, borders, flips and turns.

A random transform's `get_params` makes the draws and nothing else, so that the same window can be
applied to an image and its mask.
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence

from flambeau import Tensor
from flambeau.nn import Module

from . import functional
from ._arguments import as_angles, as_pair, check_sequence
from ._random import below, coin, log_uniform, uniform
from .functional import Fill, Picture
from .interpolation import InterpolationMode, as_interpolation


class Resize(Module):
    """The image at another size: `(height, width)`, or one number for the shorter side.

    >>> import flambeau
    >>> from flambeau_vision.transforms import Resize
    >>> Resize(10)(flambeau.zeros(3, 20, 40)).shape
    flambeau.Size([3, 10, 20])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"Resize: size {size!r}; expected a number or a sequence of numbers")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError(f"Resize: size {list(size)}; expected one number or two")
        self.size = size
        self.max_size = max_size
        self.interpolation = as_interpolation(interpolation)
        self.antialias = antialias

    def forward(self, img: Picture) -> Picture:
        return functional.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(Module):
    """The middle of the image; a smaller image is set on black first.

    >>> import flambeau
    >>> from flambeau_vision.transforms import CenterCrop
    >>> CenterCrop(10)(flambeau.zeros(3, 20, 40)).shape
    flambeau.Size([3, 10, 10])
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = as_pair(size, type(self).__name__)

    def forward(self, img: Picture) -> Picture:
        return functional.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(Module):
    """The image with a border.

    >>> import flambeau
    >>> from flambeau_vision.transforms import Pad
    >>> Pad(2)(flambeau.zeros(3, 20, 40)).shape
    flambeau.Size([3, 24, 44])
    """

    def __init__(
        self, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        if not isinstance(padding, (numbers.Number, tuple, list)):
            raise TypeError(f"Pad: padding {padding!r}; expected a number, a tuple or a list")
        if not isinstance(fill, (numbers.Number, tuple, list)):
            raise TypeError(f"Pad: fill {fill!r}; expected a number, a tuple or a list")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(
                f"Pad: padding_mode {padding_mode!r}; expected constant, edge, reflect or symmetric"
            )
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ValueError(f"Pad: padding {list(padding)}; expected 1, 2 or 4 numbers")
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Picture) -> Picture:
        return functional.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
            f"padding_mode={self.padding_mode})"
        )


class RandomCrop(Module):
    """A window of `size` at a random place, of the image padded first where asked.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomCrop
    >>> RandomCrop(10, padding=2)(flambeau.zeros(3, 20, 40)).shape
    flambeau.Size([3, 10, 10])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Fill = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = as_pair(size, type(self).__name__)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Picture, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of a random window."""
        _, height, width = functional.get_dimensions(img)
        rows, columns = output_size
        if height < rows or width < columns:
            raise ValueError(
                f"RandomCrop: size {(rows, columns)} of an image of {(height, width)}; expected a "
                "crop inside the image (or pad_if_needed=True)"
            )
        if (height, width) == (rows, columns):
            return 0, 0, height, width
        top = below(height - rows + 1)
        left = below(width - columns + 1)
        return top, left, rows, columns

    def forward(self, img: Picture) -> Picture:
        if self.padding is not None:
            img = functional.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = functional.get_dimensions(img)
        missing = (self.size[1] - width, self.size[0] - height)
        for padding in ([missing[0], 0], [0, missing[1]]):
            if self.pad_if_needed and max(padding) > 0:
                img = functional.pad(img, padding, self.fill, self.padding_mode)
        return functional.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class _RandomFlip(Module):
    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """The image mirrored left to right with probability `p`.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomHorizontalFlip
    >>> RandomHorizontalFlip(p=1.0)(flambeau.tensor([[1, 2]]))
    tensor([[2, 1]])
    """

    def forward(self, img: Picture) -> Picture:
        return functional.hflip(img) if coin(self.p) else img


class RandomVerticalFlip(_RandomFlip):
    """The image turned upside down with probability `p`.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomVerticalFlip
    >>> RandomVerticalFlip(p=0.0)(flambeau.tensor([[1, 2]]))
    tensor([[1, 2]])
    """

    def forward(self, img: Picture) -> Picture:
        return functional.vflip(img) if coin(self.p) else img


class RandomResizedCrop(Module):
    """A window of random area and shape, resized to `size`: the usual training crop.

    `scale` bounds the window's share of the area, `ratio` its width over its height.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomResizedCrop
    >>> RandomResizedCrop(8)(flambeau.zeros(3, 20, 40)).shape
    flambeau.Size([3, 8, 8])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = as_pair(size, type(self).__name__)
        for name, bounds in (("scale", scale), ("ratio", ratio)):
            if not isinstance(bounds, Sequence):
                raise TypeError(f"RandomResizedCrop: {name} {bounds!r}; expected two numbers")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.interpolation = as_interpolation(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(
        img: Picture, scale: Sequence[float], ratio: Sequence[float]
    ) -> tuple[int, int, int, int]:
        """Top, left, height and width of a random window; the middle if ten draws do not fit."""
        _, height, width = functional.get_dimensions(img)
        for _ in range(10):
            area = height * width * uniform(scale[0], scale[1])
            shape = log_uniform(ratio[0], ratio[1])
            columns, rows = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if 0 < columns <= width and 0 < rows <= height:
                top = below(height - rows + 1)
                left = below(width - columns + 1)
                return top, left, rows, columns
        rows, columns = height, width
        if width / height < min(ratio):
            rows = round(width / min(ratio))
        elif width / height > max(ratio):
            columns = round(height * max(ratio))
        return (height - rows) // 2, (width - columns) // 2, rows, columns

    def forward(self, img: Picture) -> Picture:
        top, left, rows, columns = self.get_params(img, self.scale, self.ratio)
        return functional.resized_crop(
            img, top, left, rows, columns, self.size, self.interpolation, self.antialias
        )

    def __repr__(self) -> str:
        scale = tuple(round(bound, 4) for bound in self.scale)
        ratio = tuple(round(bound, 4) for bound in self.ratio)
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class FiveCrop(Module):
    """The four corners and the middle, as a tuple.

    >>> import flambeau
    >>> from flambeau_vision.transforms import FiveCrop
    >>> len(FiveCrop(4)(flambeau.zeros(3, 8, 8)))
    5
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = as_pair(size, type(self).__name__)

    def forward(self, img: Picture) -> tuple[Picture, ...]:
        return functional.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(Module):
    """Five crops of the image and five of its mirror image, as a tuple.

    >>> import flambeau
    >>> from flambeau_vision.transforms import TenCrop
    >>> len(TenCrop(4)(flambeau.zeros(3, 8, 8)))
    10
    """

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = as_pair(size, type(self).__name__)
        self.vertical_flip = vertical_flip

    def forward(self, img: Picture) -> tuple[Picture, ...]:
        return functional.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


def _tensor_fill(img: object, fill: Fill) -> Fill:
    """torchvision's fill of a tensor: floats, one a channel."""
    if not isinstance(img, Tensor) or fill is None:
        return fill
    if isinstance(fill, (int, float)):
        return [float(fill)] * functional.get_dimensions(img)[0]
    return [float(value) for value in fill]


class RandomRotation(Module):
    """The image turned by a random angle of `degrees` (a number d means -d to d).

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomRotation
    >>> RandomRotation(10)(flambeau.zeros(3, 20, 40)).shape
    flambeau.Size([3, 20, 40])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Fill = 0,
    ) -> None:
        super().__init__()
        self.degrees = as_angles(degrees, "degrees", (2,))
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center
        self.interpolation = as_interpolation(interpolation)
        self.expand = expand
        if not isinstance(0 if fill is None else fill, (Sequence, numbers.Number)):
            raise TypeError(f"fill: {fill!r}; expected a number or a sequence of numbers")
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """A random angle."""
        return uniform(float(degrees[0]), float(degrees[1]))

    def forward(self, img: Picture) -> Picture:
        fill = _tensor_fill(img, self.fill)
        angle = self.get_params(self.degrees)
        return functional.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, "
            f"interpolation={self.interpolation.value}, expand={self.expand}{center}"
            f", fill={self.fill})"
        )


class RandomAffine(Module):
    """The image turned, moved, scaled and sheared at random, its size kept.

    `translate` bounds the move as shares of width and height, `scale` the factor, `shear` the
    angles in degrees (x, or x and y).

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomAffine
    >>> RandomAffine(10, translate=(0.1, 0.1))(flambeau.zeros(3, 20, 40)).shape
    flambeau.Size([3, 20, 40])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Fill = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = as_angles(degrees, "degrees", (2,))
        if translate is not None:
            check_sequence(translate, "translate", (2,))
            if not all(0.0 <= share <= 1.0 for share in translate):
                raise ValueError(f"translate: {list(translate)}; expected shares of 0 to 1")
        if scale is not None:
            check_sequence(scale, "scale", (2,))
            if min(scale) <= 0:
                raise ValueError(f"scale: {list(scale)}; expected positive numbers")
        if center is not None:
            check_sequence(center, "center", (2,))
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else as_angles(shear, "shear", (2, 4))
        self.interpolation = as_interpolation(interpolation)
        self.fill = 0 if fill is None else fill
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, move (x, y in pixels), scale and shear (x, y), all random."""
        angle = uniform(float(degrees[0]), float(degrees[1]))
        move = (0, 0)
        if translate is not None:
            reach = [float(share * side) for share, side in zip(translate, img_size, strict=True)]
            move = (round(uniform(-reach[0], reach[0])), round(uniform(-reach[1], reach[1])))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = uniform(shears[0], shears[1])
            if len(shears) == 4:
                shear_y = uniform(shears[2], shears[3])
        return angle, move, scale, (shear_x, shear_y)

    def forward(self, img: Picture) -> Picture:
        fill = _tensor_fill(img, self.fill)
        _, height, width = functional.get_dimensions(img)
        angle, move, scale, shear = self.get_params(
            self.degrees, self.translate, self.scale, self.shear, [width, height]
        )
        return functional.affine(
            img, angle, move, scale, shear, self.interpolation, fill, self.center
        )

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        parts += [f"translate={self.translate}"] if self.translate is not None else []
        parts += [f"scale={self.scale}"] if self.scale is not None else []
        parts += [f"shear={self.shear}"] if self.shear is not None else []
        if self.interpolation is not InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        parts += [f"fill={self.fill}"] if self.fill != 0 else []
        parts += [f"center={self.center}"] if self.center is not None else []
        return f"{type(self).__name__}({', '.join(parts)})"
