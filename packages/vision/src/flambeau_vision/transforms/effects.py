"""Effects on the whole image, most of them with a probability."""

from __future__ import annotations

from collections.abc import Sequence

from flambeau.nn import Module

from . import functional
from ._arguments import as_pair
from ._random import coin, uniform
from .functional import Picture


class RandomInvert(Module):
    """The negative of the image with probability `p`.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomInvert
    >>> RandomInvert(p=1.0)(flambeau.tensor([[0.25]]))
    tensor([[0.7500]])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Picture) -> Picture:
        return functional.invert(img) if coin(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomPosterize(Module):
    """The image with only the highest `bits` of each byte, with probability `p`.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomPosterize
    >>> RandomPosterize(1, p=1.0)(flambeau.tensor([[200]], dtype=flambeau.uint8))
    tensor([[128]], dtype=flambeau.uint8)
    """

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__()
        self.bits = bits
        self.p = p

    def forward(self, img: Picture) -> Picture:
        return functional.posterize(img, self.bits) if coin(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(bits={self.bits},p={self.p})"


class RandomSolarize(Module):
    """The image with every value at or above `threshold` inverted, with probability `p`.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomSolarize
    >>> RandomSolarize(0.5, p=1.0)(flambeau.tensor([[0.25, 0.75]]))
    tensor([[0.2500, 0.2500]])
    """

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__()
        self.threshold = threshold
        self.p = p

    def forward(self, img: Picture) -> Picture:
        return functional.solarize(img, self.threshold) if coin(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(Module):
    """The image blurred or sharpened by `sharpness_factor`, with probability `p`.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomAdjustSharpness
    >>> RandomAdjustSharpness(2.0)(flambeau.zeros(3, 8, 8)).shape
    flambeau.Size([3, 8, 8])
    """

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__()
        self.sharpness_factor = sharpness_factor
        self.p = p

    def forward(self, img: Picture) -> Picture:
        return functional.adjust_sharpness(img, self.sharpness_factor) if coin(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sharpness_factor={self.sharpness_factor},p={self.p})"


class RandomAutocontrast(Module):
    """The image with each channel stretched from black to white, with probability `p`.

    >>> import flambeau
    >>> from flambeau_vision.transforms import RandomAutocontrast
    >>> RandomAutocontrast(p=1.0)(flambeau.tensor([[[0.25, 0.5]]]))
    tensor([[[0., 1.]]])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Picture) -> Picture:
        return functional.autocontrast(img) if coin(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class GaussianBlur(Module):
    """The image averaged under a bell of `kernel_size` pixels whose width is drawn from `sigma`.

    >>> import flambeau
    >>> from flambeau_vision.transforms import GaussianBlur
    >>> GaussianBlur(3)(flambeau.zeros(3, 8, 8)).shape
    flambeau.Size([3, 8, 8])
    """

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)
    ) -> None:
        super().__init__()
        self.kernel_size = as_pair(kernel_size, "GaussianBlur")
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError(
                f"GaussianBlur: kernel_size {list(self.kernel_size)}; expected odd positive numbers"
            )
        if not isinstance(sigma, (int, float, Sequence)):
            raise TypeError(f"GaussianBlur: sigma {sigma!r}; expected a number or a pair")
        low, high = (sigma, sigma) if isinstance(sigma, (int, float)) else sigma
        self.sigma = (low, high)
        if not 0.0 < low <= high:
            raise ValueError(f"GaussianBlur: sigma {sigma}; expected a rising range above 0")

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A random width."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Picture) -> Picture:
        width = self.get_params(self.sigma[0], self.sigma[1])
        return functional.gaussian_blur(img, self.kernel_size, [width, width])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"
