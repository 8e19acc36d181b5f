"""captum: attributions of a small network by several methods."""

from captum.attr import (
    DeepLift,
    FeatureAblation,
    GuidedBackprop,
    InputXGradient,
    IntegratedGradients,
    LayerGradCam,
    Occlusion,
    Saliency,
)
from torch import nn
from trial import Trial

trial = Trial()
model = trial.weights(
    "model",
    nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)),
).eval()
x = trial.randn("x", 2, 1, 8, 8).requires_grad_()
for kind in (
    Saliency,
    InputXGradient,
    IntegratedGradients,
    GuidedBackprop,
    DeepLift,
    FeatureAblation,
):
    trial.result(kind.__name__, kind(model).attribute(x, target=1))
trial.result("occlusion", Occlusion(model).attribute(x, target=1, sliding_window_shapes=(1, 3, 3)))
trial.result("gradcam", LayerGradCam(model, model[0]).attribute(x, target=1))
trial.step("net", model, model(x).square().sum())
trial.write()
