"""One pass of a DataLoader over 50,000 pictures of 28 x 28, and over JPEGs, in this process and with two workers."""

from __future__ import annotations

import importlib
import io
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Bar, Case, Side

TITLE = "Loading data"
TEXT = (
    "A pass over float32 items of 28 × 28 with their numbers, in batches of 64. The workers are persistent, so that what "
    "is measured is the work and the way of the batches, not the start of processes. `jpegs`: 224 × 224 parts of the "
    "photographs in docs/images/super_resolution.jpg, decoded by Pillow on both sides, as floats between 0 and 1, in batches of 32."
)
PHOTOGRAPHS = pathlib.Path(__file__).parents[1] / "docs/images/super_resolution.jpg"
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


def jpegs(s: Side, items: int, size: int) -> list[bytes]:
    """Parts of real photographs as JPEG files."""
    from PIL import Image

    photographs, made = Image.open(PHOTOGRAPHS).convert("RGB"), []
    for _ in range(items):
        left, top = (s.rng.integers(0, side - size + 1) for side in photographs.size)
        file = io.BytesIO()
        photographs.crop((left, top, left + size, top + size)).save(file, "JPEG", quality=90)
        made.append(file.getvalue())
    return made


def decoded(items: int, workers: int, size: int = 224, batch: int = 32) -> Case:
    """A shuffled pass over JPEG files; the batches of an unshuffled one are compared."""

    def make(s: Side) -> Callable:
        from PIL import Image

        lib = s.lib
        data = importlib.import_module(f"{lib.__name__}.utils.data")
        files = jpegs(s, items, size)

        class Pictures(data.Dataset):
            def __len__(self) -> int:
                return len(files)

            def __getitem__(self, index: int) -> Any:
                pixels = np.array(Image.open(io.BytesIO(files[index])))
                return lib.from_numpy(pixels).permute(2, 0, 1).float().div(255), index

        def loader(**options: Any) -> Any:
            return data.DataLoader(Pictures(), batch, num_workers=workers, **options)

        first = list(loader())
        passes = loader(shuffle=True, persistent_workers=workers > 0)

        def run() -> Any:
            for _ in passes:
                pass
            return first

        return run

    return Case(make, alone=workers == 0)


CASES = {
    "tensors_workers0": pass_over(50_000, False, 0),
    "tensors_workers2": pass_over(50_000, False, 2),
    "own_workers0": pass_over(50_000, True, 0),
    "own_workers2": pass_over(50_000, True, 2),
    "jpegs_workers0": decoded(256, 0),
    "jpegs_workers2": decoded(256, 2),
}
HELD_OUT = {
    "tensors_b7_workers0": pass_over(2_000, False, 0, 7),
    "own_b100_workers2": pass_over(5_000, True, 2, 100),
    "jpegs_b8_workers2": decoded(100, 2, 160, 8),
}
