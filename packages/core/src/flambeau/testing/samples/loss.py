"""Samples of losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import Make, Sample


def _pair(make: Make) -> Iterator[Sample]:
    """Each reduction, numbers that are not near each other."""
    for reduction in ("mean", "sum", "none"):
        yield Sample(make.distinct(2, 3), make(2, 3, grad=False), reduction=reduction)


mse_loss = l1_loss = smooth_l1_loss = huber_loss = _pair


def _classes(make: Make) -> Iterator[Sample]:
    yield Sample(make(3, 4), make.ints(3, below=4), batch=False)
    yield Sample(make(2, 3, 2), make.ints(2, 2, below=3), None, 1, "sum", batch=False)
    yield Sample(make(4), make.ints(below=4), batch=False)


def nll_loss(make: Make) -> Iterator[Sample]:
    """A batch, an image, a single sample."""
    yield from _classes(make)
    weight = make(4, low=0.5, grad=False)
    yield Sample(make(3, 4), make.ints(3, below=4), weight, batch=False)


def cross_entropy(make: Make) -> Iterator[Sample]:
    """Classes and probabilities, smoothed and not."""
    yield from _classes(make)
    yield Sample(make(3, 4), make.ints(3, below=4), label_smoothing=0.2, batch=False)
    yield Sample(make(3, 4), make(3, 4, low=0.1, high=1), label_smoothing=0.2)


def kl_div(make: Make) -> Iterator[Sample]:
    """Targets as probabilities and as logarithms."""
    yield Sample(make(2, 3), make(2, 3, low=0.2, high=1), "batchmean")
    yield Sample(make(2, 3), make(2, 3), log_target=True)


def binary_cross_entropy(make: Make) -> Iterator[Sample]:
    """Probabilities away from 0 and 1."""
    yield Sample(make(2, 3, low=0.1, high=0.9), make(2, 3, low=0, high=1, grad=False), batch=False)


def binary_cross_entropy_with_logits(make: Make) -> Iterator[Sample]:
    """With and without weights."""
    target = make(2, 3, low=0, high=1, grad=False)
    yield Sample(make(2, 3), target)
    yield Sample(make(2, 3), target, make(3, low=0.5, grad=False), "sum", make(3, low=0.5))


def _signs(**options: Any) -> Callable[[Make], Iterator[Sample]]:
    def samples(make: Make) -> Iterator[Sample]:
        yield Sample(make.distinct(2, 3), (make.ints(2, 3, below=2) * 2 - 1).double(), **options)

    return samples


soft_margin_loss = _signs()
hinge_embedding_loss = _signs(margin=1.013)


def multilabel_soft_margin_loss(make: Make) -> Iterator[Sample]:
    """Targets 0 and 1."""
    yield Sample(make(2, 3), make.ints(2, 3, below=2).double())


def poisson_nll_loss(make: Make) -> Iterator[Sample]:
    """Rates and their logarithms."""
    counts = make.ints(2, 3, below=5).double()
    yield Sample(make(2, 3), counts)
    yield Sample(make(2, 3, low=0.3), counts, False, True)


def gaussian_nll_loss(make: Make) -> Iterator[Sample]:
    """One variance for each element, and one for each row."""
    yield Sample(make(2, 3), make(2, 3), make(2, 3, low=0.3), batch=False)
    yield Sample(make(2, 3), make(2, 3), make(2, 1, low=0.3), True, batch=False)


def margin_ranking_loss(make: Make) -> Iterator[Sample]:
    """Both signs."""
    yield Sample(
        make.distinct(4), make(4, low=-0.1, high=0.1), (make.ints(4, below=2) * 2 - 1), 0.05
    )


def cosine_embedding_loss(make: Make) -> Iterator[Sample]:
    """Both signs."""
    yield Sample(make(4, 3), make(4, 3), make.ints(4, below=2) * 2 - 1, 0.1)


def multi_margin_loss(make: Make) -> Iterator[Sample]:
    """Both powers, a batch and a single sample."""
    yield Sample(make.distinct(3, 4), make.ints(3, below=4), 2, 1.07, batch=False)
    yield Sample(make.distinct(4), make.ints(below=4), 1, 1.07, batch=False)


def multilabel_margin_loss(make: Make) -> Iterator[Sample]:
    """A batch."""
    yield Sample(make.distinct(2, 3), make.ints(2, 3, below=3, above=-1), batch=False)


def pairwise_distance(make: Make) -> Iterator[Sample]:
    """Two norms."""
    yield Sample(make(2, 3), make(2, 3))
    yield Sample(make(2, 3), make(2, 3), 3.0, 1e-6, True)


def cosine_similarity(make: Make) -> Iterator[Sample]:
    """Along both dimensions."""
    yield Sample(make(2, 3), make(2, 3))
    yield Sample(make(2, 3), make(2, 3), 0)


def triplet_margin_loss(make: Make) -> Iterator[Sample]:
    """Plain, and swapped."""
    yield Sample(make(2, 3), make(2, 3), make(2, 3))
    yield Sample(make(2, 3), make(2, 3), make(2, 3), swap=True)


def pdist(make: Make) -> Iterator[Sample]:
    """Several norms; one row has no pairs."""
    yield Sample(make(4, 3))
    yield Sample(make(3, 2), 1.0)
    yield Sample(make.distinct(3, 2), 3.0)
    yield Sample(make(1, 2), onnx=False)
