"""An ordinary PyTorch training script: nothing in it knows of flambeau."""

import argparse
import os

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
        )
        self.head = nn.Linear(hidden, 2)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.head(self.body(x))


def two_moons(n):
    angle = torch.rand(n) * torch.pi
    label = torch.randint(0, 2, (n,))
    sign = 1 - 2 * label.float()
    points = torch.stack(
        [torch.cos(angle) * sign + 0.5 * label, torch.sin(angle) * sign + 0.25 * label], dim=1
    )
    return points + 0.1 * torch.randn(n, 2), label


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--save", default="net.pt")
    args = parser.parse_args()
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, test = random_split(TensorDataset(*two_moons(600)), [500, 100])
    model = Net().to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
    scheduler = StepLR(optimizer, step_size=5, gamma=0.5)
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for x, y in DataLoader(train, batch_size=50, shuffle=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x.to(device)), y.to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(x)
        scheduler.step()
    model.eval()
    with torch.no_grad():
        x, y = zip(*test)
        accuracy = (model(torch.stack(x)).argmax(1) == torch.stack(y)).float().mean().item()
    torch.save({"model": model.state_dict(), "epoch": epoch}, args.save)
    again = Net()
    again.load_state_dict(torch.load(args.save, weights_only=True)["model"])
    print(
        f"loss {total / len(train):.6f} accuracy {accuracy:.3f} params {sum(p.numel() for p in again.parameters())} {os.path.getsize(args.save) > 0}"
    )


if __name__ == "__main__":
    main()
