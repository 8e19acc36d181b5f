"""torchinfo: the summary of a network, as text and as numbers; hooks are added and taken away again."""

import torch
from torch import nn
from torchinfo import summary
from trial import Trial


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.rnn = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.features(x).flatten(2).transpose(1, 2)
        return self.head(self.rnn(x)[0][:, -1])


trial = Trial()
model = trial.weights("model", Net())
columns = (
    "input_size",
    "output_size",
    "num_params",
    "params_percent",
    "kernel_size",
    "mult_adds",
    "trainable",
)
info = summary(
    model, input_size=(2, 3, 16, 16), col_names=columns, verbose=0, depth=3, device="cpu"
)
trial.result("text", str(info))
trial.result(
    "numbers",
    [info.total_params, info.trainable_params, info.total_mult_adds, info.total_output_bytes],
)
encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2)
trial.result(
    "encoder", str(summary(encoder, input_data=torch.zeros(1, 5, 16), verbose=0, device="cpu"))
)
trial.result("modes", [model.training, len(model._forward_hooks)])
model.train()
out = model(trial.randn("x", 2, 3, 16, 16))
trial.step("net", model, out.square().mean())
trial.write()
