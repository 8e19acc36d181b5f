"""efficientnet-pytorch: the smallest network at small size, trained a step, its features and end points."""

import torch
from efficientnet_pytorch import EfficientNet
from torch import nn
from trial import Trial

trial = Trial()
torch.manual_seed(0)
model = EfficientNet.from_name(
    "efficientnet-b0", num_classes=10, image_size=64, drop_connect_rate=0.0, dropout_rate=0.0
)
trial.weights("model", model)
images = trial.randn("images", 2, 3, 64, 64)
model.eval()
with torch.no_grad():
    trial.result("features", model.extract_features(images))
    trial.result("endpoints", model.extract_endpoints(images))
model.train()
out = model(images)
trial.result("out", out)
trial.step("b0", model, nn.functional.cross_entropy(out, torch.tensor([1, 8])))
model.set_swish(memory_efficient=False)
trial.result("plain swish", model.eval()(images))
trial.write()
