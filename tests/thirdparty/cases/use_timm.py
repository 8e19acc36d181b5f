"""timm: a ResNet, a ViT, a ConvNeXt and an EfficientNet from its registry, trained a step; features, optimizer, schedule."""

import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch import nn
from trial import Trial

trial = Trial()
images = trial.randn("images", 2, 3, 64, 64)
labels = torch.tensor([1, 3])
made = {
    "resnet18": {},
    "vit_tiny_patch16_224": {"img_size": 64, "depth": 2},
    "convnext_atto": {"depths": (1, 1, 1, 1)},
    "mobilenetv3_small_050": {},
    "swin_tiny_patch4_window7_224": {"img_size": 64, "window_size": 2, "depths": (1, 1), "num_heads": (2, 4), "embed_dim": 24, "drop_path_rate": 0.0},
    "mixer_s32_224": {"img_size": 64},
}  # fmt: skip
for name, options in made.items():
    model = trial.weights(name, timm.create_model(name, num_classes=5, **options))
    out = model(images)
    trial.result(f"{name}.out", out)
    trial.step(
        name,
        model,
        nn.functional.cross_entropy(out, labels, label_smoothing=0.1),
        create_optimizer_v2(model, opt="sgd", lr=0.1, weight_decay=0.01, momentum=0.9),
    )
    trial.result(f"{name}.eval", model.eval()(images))
backbone = timm.create_model("resnet18", features_only=True, out_indices=(1, 3))
trial.weights("backbone", backbone).eval()
trial.result("features", backbone(images))
optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3)
schedule = CosineLRScheduler(optimizer, t_initial=10, warmup_t=3, warmup_lr_init=1e-5)
rates = []
for epoch in range(10):
    schedule.step(epoch)
    rates.append(optimizer.param_groups[0]["lr"])
trial.result("rates", rates)
trial.write()
