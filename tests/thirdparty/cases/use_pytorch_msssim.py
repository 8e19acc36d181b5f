"""pytorch-msssim: SSIM and MS-SSIM of images and volumes, and an image improved by their gradient."""

import torch
from pytorch_msssim import MS_SSIM, SSIM, ms_ssim, ssim
from torch import nn
from trial import Trial

trial = Trial()
a, b = trial.rand("a", 2, 3, 176, 176), trial.rand("b", 2, 3, 176, 176)
b = 0.7 * a + 0.3 * b
trial.result(
    "ssim",
    [ssim(a, b, data_range=1, size_average=False), ssim(a, b, data_range=1, nonnegative_ssim=True)],
)
trial.result("ms_ssim", ms_ssim(a, b, data_range=1, size_average=False))
trial.result(
    "volume",
    SSIM(data_range=1.0, channel=1, spatial_dims=3, win_size=5)(
        a[:, None, :, :9, :9].repeat(1, 1, 3, 1, 1), b[:, None, :, :9, :9].repeat(1, 1, 3, 1, 1)
    ),
)


class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.pixels = nn.Parameter(torch.zeros(1, 3, 176, 176))


image = trial.weights("image", Image())
with torch.no_grad():
    image.pixels.copy_(b[:1])
loss = 1 - MS_SSIM(data_range=1.0, channel=3)(image.pixels, a[:1])
trial.step("improve", image, loss, torch.optim.SGD(image.parameters(), lr=10.0))
trial.write()
