"""kornia: filters, colours, a homography warp, geometry, losses, with gradients."""

import kornia
import torch
from torch import nn
from trial import Trial

trial = Trial()
x = trial.rand("x", 2, 3, 24, 20).requires_grad_()
trial.result("blur", kornia.filters.gaussian_blur2d(x, (5, 5), (1.5, 1.5)))
trial.result("median", kornia.filters.median_blur(x, (3, 3)))
trial.result("sobel", kornia.filters.sobel(x))
trial.result("laplacian", kornia.filters.laplacian(x, 3))
trial.result("canny", list(kornia.filters.canny(x)))
trial.result("gray", kornia.color.rgb_to_grayscale(x))
trial.result("hsv", kornia.color.rgb_to_hsv(x))
trial.result("lab", kornia.color.rgb_to_lab(x))
trial.result("yuv", kornia.color.rgb_to_yuv(x))
homography = (
    torch.tensor([[[1.1, 0.05, -2.0], [0.02, 0.95, 1.0], [1e-3, -1e-3, 1.0]]])
    .repeat(2, 1, 1)
    .requires_grad_()
)
warped = kornia.geometry.transform.warp_perspective(x, homography, (24, 20))
trial.result("warped", warped)
warped.square().mean().backward()
trial.result("warp gradients", [x.grad, homography.grad])
trial.result("rotated", kornia.geometry.transform.rotate(x, torch.tensor([30.0, 45.0])))
trial.result("resized", kornia.geometry.transform.resize(x, (12, 10)))
points = trial.rand("points", 1, 4, 2) * 10
moved = points + trial.rand("moved", 1, 4, 2)
trial.result("perspective", kornia.geometry.transform.get_perspective_transform(points, moved))
trial.result("equalized", kornia.enhance.equalize(x.detach()))
trial.result("brightness", kornia.enhance.adjust_brightness(x, 0.2))
trial.result("dilation", kornia.morphology.dilation(x, torch.ones(3, 3)))
trial.result("ssim", kornia.losses.ssim_loss(x, x.detach().flip(-1), 5))
trial.result("tv", kornia.losses.total_variation(x))
trial.result("harris", kornia.feature.harris_response(kornia.color.rgb_to_grayscale(x)))
trial.result(
    "rotation",
    kornia.geometry.conversions.axis_angle_to_rotation_matrix(torch.tensor([[0.1, 0.2, 0.3]])),
)
model = trial.weights("model", nn.Conv2d(3, 3, 3, padding=1))
trial.step(
    "through a blur", model, kornia.filters.box_blur(model(x.detach()), (3, 3)).square().mean()
)
trial.write()
