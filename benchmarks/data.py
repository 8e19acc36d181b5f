"""One pass of a DataLoader over 50,000 pictures of 28 x 28, in this process and with two workers."""

from __future__ import annotations

from typing import Any

TITLE = "Loading data"
TEXT = (
    "A pass over 50,000 float32 items of 28 × 28 with their numbers, in batches of 64. The workers are "
    "persistent, so that what is measured is the work and the way of the batches, not the start of processes."
)


def tensors(lib: Any) -> Any:
    return lib.utils.data.TensorDataset(lib.rand(50_000, 28, 28), lib.arange(50_000))


def own(lib: Any) -> Any:
    images, labels = lib.rand(50_000, 28, 28), lib.arange(50_000)

    class Own(lib.utils.data.Dataset):
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> Any:
            return images[index], labels[index]

    return Own()


def pass_over(build: Any, workers: int) -> Any:
    def make(lib: Any) -> Any:
        import importlib

        importlib.import_module(f"{lib.__name__}.utils.data")
        options = {"num_workers": workers, "persistent_workers": workers > 0}
        loader = lib.utils.data.DataLoader(build(lib), 64, shuffle=True, **options)

        def run() -> None:
            for _ in loader:
                pass

        return run

    return make


CASES = {
    "TensorDataset, no workers": (pass_over(tensors, 0), 1.0),
    "TensorDataset, 2 workers": (pass_over(tensors, 2), 1.0),
    "a dataset of one's own, no workers": (pass_over(own, 0), 1.0),
    "a dataset of one's own, 2 workers": (pass_over(own, 2), 1.0),
}
