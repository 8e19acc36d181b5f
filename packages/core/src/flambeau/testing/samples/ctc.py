"""Samples of connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Iterator

from ...ops.creation import tensor
from . import Make, Sample


def _batch(make: Make):
    logs = make(5, 3, 4).detach().log_softmax(2).requires_grad_()
    targets = tensor([[1, 2, 2], [3, 1, 0], [2, 0, 0]])
    return logs, targets, tensor([5, 4, 5]), tensor([3, 2, 0])


def ctc(make: Make) -> Iterator[Sample]:
    """Repeated labels, none, and shorter inputs. The gradient is that of a log_softmax, not of free numbers."""
    yield Sample(*_batch(make), 0, grad=False, onnx=False)


def ctc_slope(make: Make) -> Iterator[Sample]:
    """Its derivative."""
    yield Sample(*_batch(make), 0, onnx=False)


def ctc_loss(make: Make) -> Iterator[Sample]:
    """Padded targets with lengths as tensors, and labels one behind the other with lengths as numbers."""
    yield Sample(*_batch(make), grad=False, onnx=False, batch=False)
    logs, _, _, _ = _batch(make)
    joined = tensor([1, 2, 3, 1, 1])
    lengths = ((5, 5, 4), (2, 3, 0))
    options = {"reduction": "sum", "zero_infinity": True}
    yield Sample(logs, joined, *lengths, **options, grad=False, onnx=False, batch=False)
