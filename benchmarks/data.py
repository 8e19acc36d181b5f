"""One pass of a DataLoader over 50,000 pictures of 28 x 28, in this process and with two workers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from harness import Bar, Case, Side

TITLE = "Loading data"
TEXT = (
    "A pass over float32 items of 28 × 28 with their numbers, in batches of 64. The workers are persistent, so that what "
    "is measured is the work and the way of the batches, not the start of processes."
)
BARS = [Bar(least=1.0)]


def pass_over(items: int, own: bool, workers: int, batch: int = 64) -> Case:
    """A shuffled pass over tensors, or over a dataset of one's own with `own`; the sum of the numbers is compared."""

    def make(s: Side) -> Callable:
        data = importlib.import_module(f"{s.lib.__name__}.utils.data")
        images, labels = s.normal(items, 28, 28), s.lib.arange(items)

        class Own(data.Dataset):
            def __len__(self) -> int:
                return len(images)

            def __getitem__(self, index: int) -> Any:
                return images[index], labels[index]

        loader = data.DataLoader(
            Own() if own else data.TensorDataset(images, labels),
            *(batch, True),
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        first = [int(sum(numbers.sum().item() for _, numbers in loader))]

        def run() -> int:
            for _ in loader:
                pass
            return first[0]

        return run

    return Case(make, alone=workers == 0)


CASES = {
    "tensors_workers0": pass_over(50_000, False, 0),
    "tensors_workers2": pass_over(50_000, False, 2),
    "own_workers0": pass_over(50_000, True, 0),
    "own_workers2": pass_over(50_000, True, 2),
}
HELD_OUT = {
    "tensors_b7_workers0": pass_over(2_000, False, 0, 7),
    "own_b100_workers2": pass_over(5_000, True, 2, 100),
}
