"""Random images, to try a training loop before there is data."""

from __future__ import annotations

from typing import Any

import flambeau

from ..transforms.functional import to_pil_image
from .vision import Transform, VisionDataset


class FakeData(VisionDataset):
    """`size` random images with random targets; item `i` is the same every time.

    The draws of an item leave the global generator as it was. Raises IndexError past the end.

    >>> from flambeau_vision.datasets import FakeData
    >>> image, target = FakeData(size=10, image_size=(3, 8, 8))[0]
    >>> image.size
    (8, 8)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        state = flambeau.get_rng_state()
        flambeau.manual_seed(index + self.random_offset)
        image = flambeau.randn(*self.image_size)
        target = flambeau.randint(0, self.num_classes, size=(1,), dtype=flambeau.long)[0]
        flambeau.set_rng_state(state)
        return self._transformed(to_pil_image(image), target.item())

    def __len__(self) -> int:
        return self.size
