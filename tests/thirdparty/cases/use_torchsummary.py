"""torchsummary: the printed table of a network."""

import contextlib
import io

import torch
from torch import nn
from torchsummary import summary
from trial import Trial

trial = Trial()
model = trial.weights(
    "model",
    nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2),
        nn.BatchNorm2d(8),
        nn.ELU(),
        nn.Dropout(0.0),
        nn.Flatten(),
        nn.Linear(8 * 13 * 13, 10),
    ),
)
text = io.StringIO()
with contextlib.redirect_stdout(text):
    summary(model, (1, 28, 28), batch_size=4, device="cpu")
trial.result("text", text.getvalue())
trial.weights("model", model)  # the summary ran it on random numbers in training mode
model.eval()
out = model(trial.randn("x", 4, 1, 28, 28))
trial.result("out", out)
trial.step("net", model, nn.functional.cross_entropy(out, torch.arange(4)))
trial.write()
