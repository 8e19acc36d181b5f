"""Transforms made of transforms."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from flambeau.nn import Module, ModuleList

from ._random import coin

Transform = Callable[[Any], Any]


def _listing(name: str, lines: Sequence[object]) -> str:
    return "\n".join([f"{name}(", *(f"    {line}" for line in lines), ")"])


class Compose:
    """Several transforms, one after the other.

    >>> from flambeau_vision.transforms import Compose
    >>> import flambeau
    >>> from flambeau_vision.transforms import CenterCrop, Normalize
    >>> Compose([CenterCrop(2), Normalize([0.5], [0.5])])(flambeau.ones(1, 4, 4))
    tensor([[[1., 1.],
             [1., 1.]]])
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listing(type(self).__name__, self.transforms)


class Lambda:
    """Any function as a transform.

    >>> from flambeau_vision.transforms import Lambda
    >>> Lambda(lambda image: image * 2)(3)
    6
    """

    def __init__(self, lambd: Transform) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: {lambd!r} ({type(lambd).__name__}); expected a function")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomApply(Module):
    """All of the transforms with probability `p`, else none.

    >>> from flambeau_vision.transforms import Lambda, RandomApply
    >>> RandomApply([Lambda(lambda image: image * 2)], p=1.0)(3)
    6
    """

    def __init__(self, transforms: Sequence[Transform] | ModuleList, p: float = 0.5) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence | ModuleList):
            raise TypeError(f"RandomApply: {transforms!r}; expected a sequence of transforms")
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if not coin(self.p):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listing(type(self).__name__, [f"p={self.p}", *self.transforms])


class _RandomTransforms:
    def __init__(self, transforms: Sequence[Transform]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError(
                f"{type(self).__name__}: {transforms!r}; expected a sequence of transforms"
            )
        self.transforms = transforms

    def __repr__(self) -> str:
        return _listing(type(self).__name__, self.transforms)


class RandomOrder(_RandomTransforms):
    """All transforms, in an order drawn from Python's `random`, as torchvision does.

    >>> from flambeau_vision.transforms import Lambda, RandomOrder
    >>> RandomOrder([Lambda(lambda image: image + 1), Lambda(lambda image: image + 2)])(0)
    3
    """

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(_RandomTransforms):
    """One of the transforms, drawn from Python's `random` with weights `p`, as torchvision does.

    >>> from flambeau_vision.transforms import Lambda, RandomChoice
    >>> RandomChoice([Lambda(lambda image: image + 1)])(0)
    1
    """

    def __init__(self, transforms: Sequence[Transform], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError(f"RandomChoice: p {p!r}; expected a sequence of weights")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        transform = random.choices(self.transforms, weights=self.p)[0]
        return transform(*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"
