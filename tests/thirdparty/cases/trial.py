"""What the cases share: the same weights and inputs on both sides, and everything worth comparing written down.

A case is a plain PyTorch script. With `--out FILE` alone it makes its weights and inputs and writes them with its
results; with `--given FILE` too it takes them from there. So PyTorch writes a file that flambeau reads.
"""

from __future__ import annotations

import argparse
import zlib

import torch


class Trial:
    """One run of a case: `weights` and `given` are shared between both sides, `result` and `step` are compared."""

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--out", required=True)
        parser.add_argument("--given")
        arguments = parser.parse_args()
        self.out = arguments.out
        self.earlier = torch.load(arguments.given)["given"] if arguments.given else None
        self.made = {}
        self.results = {}

    def given(self, name, make):
        """What `make()` gave on the first side."""
        if self.earlier is not None:
            return self.earlier[name]
        if name in self.made:
            return self.made[name]
        torch.manual_seed(zlib.crc32(name.encode()))
        self.made[name] = make()
        return self.made[name]

    def randn(self, name, *shape):
        return self.given(name, lambda: torch.randn(*shape))

    def rand(self, name, *shape):
        return self.given(name, lambda: torch.rand(*shape))

    def weights(self, name, model):
        """`model` with the first side's state_dict; every name and shape must fit."""
        state = self.given(name, lambda: {k: v.clone() for k, v in model.state_dict().items()})
        model.load_state_dict(state)
        return model

    def result(self, name, value):
        """Something both sides must agree on: a tensor, a number, a text, a list or dict of these."""
        self.results[name] = _plain(value)

    def step(self, name, model, loss, optimizer=None):
        """Backward and one optimizer step: the loss, every gradient and every new weight are compared."""
        optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        optimizer.zero_grad()
        loss.backward()
        self.result(f"{name}.loss", loss)
        self.result(
            f"{name}.grads",
            {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None},
        )
        optimizer.step()
        self.result(f"{name}.after", {k: v.clone() for k, v in model.state_dict().items()})

    def write(self):
        torch.save({"given": self.made, "results": self.results}, self.out)


def _plain(value):
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
