"""LeNet-5: the first convolutional network that read digits for a living."""

from __future__ import annotations

from flambeau import Tensor, nn
from flambeau.nn import functional

__all__ = ["LeNet", "lenet"]


class LeNet(nn.Module):
    """LeNet-5 for 28×28 images, with ReLU and max pooling, as it is written today.

    Takes `[batch, in_channels, 28, 28]`, returns `[batch, num_classes]`.

    >>> from flambeau_vision.models import LeNet
    >>> import flambeau
    >>> LeNet()(flambeau.zeros(2, 1, 28, 28)).shape
    flambeau.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        return self.fc3(functional.relu(self.fc2(x)))


def lenet(num_classes: int = 10, in_channels: int = 1) -> LeNet:
    """LeNet-5, untrained.

    >>> from flambeau_vision.models import lenet
    >>> sum(parameter.numel() for parameter in lenet().parameters())
    61706
    """
    return LeNet(num_classes, in_channels)
