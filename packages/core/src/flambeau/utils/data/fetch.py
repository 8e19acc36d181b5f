"""Fetchers: from the indices of a batch to the batch, the same in the main process and in workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flambeau.utils.data.collate import default_collate
from flambeau.utils.data.dataset import IterableDataset

__all__ = ["Stream", "fetcher"]

Fetch = Callable[[Any], Any]


def fetcher(dataset: Any, batched: bool, collate_fn: Fetch, drop_last: bool) -> Fetch:
    """A function from an index, or with `batched` a list of indices, to data that `collate_fn` was given.

    For an iterable dataset only the number of indices counts; it raises StopIteration at the end.
    """
    if isinstance(dataset, IterableDataset):
        return Stream(dataset, batched, collate_fn, drop_last)
    if not batched:
        return lambda index: collate_fn(dataset[index])
    at_once = getattr(dataset, "__getitems__", None)
    items = at_once or (lambda indices: [dataset[i] for i in indices])
    whole = getattr(dataset, "_collated", None)
    if whole is None or collate_fn is not default_collate:
        return lambda indices: collate_fn(items(indices))

    def fetch(indices: list[int]) -> Any:
        made = whole(indices)
        return collate_fn(items(indices)) if made is None else made

    return fetch


class Stream:
    """Takes the next samples of an iterable dataset."""

    def __init__(self, dataset: Any, batched: bool, collate_fn: Fetch, drop_last: bool) -> None:
        self.iterator = iter(dataset)
        self.batched = batched
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def __call__(self, indices: Any) -> Any:
        if self.ended:
            raise StopIteration
        if not self.batched:
            return self.collate_fn(next(self.iterator))
        samples = []
        for _ in indices:
            try:
                samples.append(next(self.iterator))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(indices)):
            raise StopIteration
        return self.collate_fn(samples)
