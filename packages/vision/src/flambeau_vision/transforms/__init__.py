"""Image transforms with torchvision's names, defaults, printed forms and results."""

from __future__ import annotations

from . import functional
from .color import ColorJitter, Grayscale, RandomGrayscale
from .container import Compose, Lambda, RandomApply, RandomChoice, RandomOrder
from .conversion import ConvertImageDtype, Normalize, PILToTensor, ToPILImage, ToTensor
from .effects import (
    GaussianBlur,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from .erasing import RandomErasing
from .geometry import (
    CenterCrop,
    FiveCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    TenCrop,
)
from .interpolation import InterpolationMode

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "FiveCrop",
    "GaussianBlur",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToPILImage",
    "ToTensor",
    "functional",
]
