"""Per-sample gradients with `vmap`: which training samples pull hardest on the weights?

    python examples/func_transforms.py

A loss over a batch gives the mean of the samples' gradients. `vmap(grad(loss))` gives each sample's
own, in one pass: what differential privacy clips, and what finds the labels that somebody got
wrong. Here five labels of sixty are wrong, and the largest gradients name them.
"""

from __future__ import annotations

import time

import flambeau
from flambeau import Tensor, nn
from flambeau.func import functional_call, grad, vmap

WRONG = [3, 14, 27, 41, 58]


def two_clouds(count: int = 60) -> tuple[Tensor, Tensor]:
    """Points around (-2, -2) and (2, 2) with the number of their cloud; some numbers are wrong."""
    labels = flambeau.arange(count) % 2
    points = flambeau.randn(count, 2) * 0.6 + (labels * 4.0 - 2.0).unsqueeze(1)
    labels[WRONG] = 1 - labels[WRONG]
    return points, labels


def train(model: nn.Module, points: Tensor, labels: Tensor) -> None:
    """A hundred steps on the whole batch."""
    optimizer = flambeau.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(points), labels).backward()
        optimizer.step()


def gradient_of_each_sample(model: nn.Module, points: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The gradient of every parameter, with a first dimension for the sample."""

    def loss(weights: dict[str, Tensor], point: Tensor, label: Tensor) -> Tensor:
        return nn.functional.cross_entropy(functional_call(model, weights, (point,)), label)

    weights = {name: p.detach() for name, p in model.named_parameters()}
    return vmap(grad(loss), in_dims=(None, 0, 0))(weights, points, labels)


def main() -> list[int]:
    """Prints the five samples with the largest gradients, and returns them."""
    flambeau.manual_seed(0)
    points, labels = two_clouds()
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    train(model, points, labels)
    start = time.perf_counter()
    each = gradient_of_each_sample(model, points, labels)
    seconds = time.perf_counter() - start
    sizes = sum(g.flatten(1).square().sum(1) for g in each.values()).sqrt()
    found = sorted(sizes.topk(len(WRONG)).indices.tolist())

    model.zero_grad()
    nn.functional.cross_entropy(model(points), labels).backward()
    for name, parameter in model.named_parameters():
        flambeau.testing.assert_close(each[name].mean(0), parameter.grad, rtol=1e-4, atol=1e-6)

    print(f"{len(points)} gradients of {len(each)} parameters in {seconds * 1000:.1f} ms")
    print(f"their mean is the batch's gradient; largest: samples {found} (wrong labels: {WRONG})")
    return found


if __name__ == "__main__":
    main()
