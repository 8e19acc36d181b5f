"""An ordinary PyTorch script, as one finds it: nothing in it knows of flambeau.

    python -m flambeau.compat examples/unmodified_pytorch.py

A small autoencoder learns to draw sine waves from two numbers.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class AutoEncoder(nn.Module):
    def __init__(self, size=64, hidden=32, code=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.GELU(), nn.Linear(hidden, size))

    def forward(self, x):
        return self.decoder(self.encoder(x))


def waves(count, size=64):
    phase = torch.rand(count, 1) * 2 * torch.pi
    return torch.sin(torch.linspace(0, 2 * torch.pi, size) + phase)


torch.manual_seed(0)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = AutoEncoder().to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=15 * 16)
loader = DataLoader(TensorDataset(waves(512)), batch_size=32, shuffle=True)

for _ in range(15):
    model.train()
    for (x,) in loader:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x.to(device)), x.to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()

model.eval()
with torch.inference_mode():
    held_out = waves(100).to(device)
    error = F.mse_loss(model(held_out), held_out).item()
torch.save(model.state_dict(), "autoencoder.pt")
print(f"torch {torch.__version__}: mean squared error on new waves {error:.1e}")
