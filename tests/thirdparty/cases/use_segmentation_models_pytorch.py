"""segmentation-models-pytorch: a U-Net and an FPN over a ResNet, Dice and focal losses."""

import segmentation_models_pytorch as smp
import torch
from trial import Trial

trial = Trial()
# In float64: batch norm of eight values a channel makes 1 % of a rounding error in the last place.
x = trial.randn("x", 2, 3, 64, 64).double()
target = trial.given("target", lambda: torch.randint(0, 2, (2, 1, 64, 64)))
for name, make in {"unet": smp.Unet, "fpn": smp.FPN}.items():
    options = {"decoder_dropout": 0.0} if name == "fpn" else {}
    model = trial.weights(name, make("resnet18", encoder_weights=None, classes=1, **options))
    out = model.double()(x)
    trial.result(f"{name}.out", out)
    loss = smp.losses.DiceLoss("binary")(out, target) + smp.losses.FocalLoss("binary")(out, target)
    trial.step(name, model, loss)
counts = smp.metrics.get_stats((out > 0).long(), target, mode="binary")
trial.result("iou", smp.metrics.iou_score(*counts, reduction="micro"))
trial.write()
