"""lightning: Fabric's loop and a Trainer with a LightningModule on the CPU."""

import logging

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from trial import Trial

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
trial = Trial()
x, y = trial.randn("x", 32, 4), trial.randn("y", 32, 1)
loader = DataLoader(TensorDataset(x, y), batch_size=8)

fabric = L.Fabric(accelerator="cpu", devices=1)
model = trial.weights("model", nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)))
model, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
for a, b in fabric.setup_dataloaders(loader):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(a), b)
    fabric.backward(loss)
    optimizer.step()
trial.result("fabric", dict(model.state_dict()))


class Module(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = trial.weights("net", nn.Linear(4, 1))

    def training_step(self, batch, index):
        a, b = batch
        loss = nn.functional.mse_loss(self.net(a), b)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.05)


module = Module()
trainer = L.Trainer(
    max_epochs=2,
    accelerator="cpu",
    devices=1,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(module, loader)
trial.result("trained", module.net.state_dict())
trial.result("metric", float(trainer.callback_metrics["loss"]))
trial.write()
