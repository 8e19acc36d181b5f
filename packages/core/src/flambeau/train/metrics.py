"""Numbers that tell how good a model is, averaged over the samples of an epoch.

A metric is a function of output and target, or an object with `update(output, target)`, `compute()` and `reset()`
such as those of torchmetrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flambeau.runtime.tensor import Tensor

__all__ = ["Averages", "Metrics", "accuracy"]


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """The share of rows of `output` `(N, C, ...)` that are largest at the class in `target` `(N, ...)`.

    >>> import flambeau
    >>> accuracy(flambeau.eye(3), flambeau.tensor([0, 1, 0])).item()
    0.6666666865348816
    """
    return (output.argmax(dim=1) == target).float().mean()


class Averages:
    """Means by name, each value counting as many times as there are samples behind it."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}

    def add(self, values: Mapping[str, Any], weight: int) -> None:
        """Takes in the means of `weight` more samples."""
        for name, value in values.items():
            entry = self.sums.setdefault(name, [0.0, 0.0])
            entry[0] += float(value) * weight
            entry[1] += weight

    @classmethod
    def merged(cls, ranks: list[dict[str, list[float]]]) -> Averages:
        """Those of all ranks' sums, added in the order of the ranks."""
        whole = cls()
        for sums in ranks:
            for name, (total, weight) in sums.items():
                entry = whole.sums.setdefault(name, [0.0, 0.0])
                entry[0] += total
                entry[1] += weight
        return whole

    def means(self) -> dict[str, float]:
        """The mean of everything taken in."""
        return {name: total / weight for name, (total, weight) in self.sums.items()}


class Metrics:
    """The metrics of a trainer, by name: functions, and objects that collect."""

    def __init__(self, metrics: Mapping[str, Any]) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}
        self.collectors: dict[str, Any] = {}
        for name, metric in metrics.items():
            if all(hasattr(metric, method) for method in ("update", "compute", "reset")):
                self.collectors[name] = metric
            elif callable(metric):
                self.functions[name] = metric
            else:
                raise TypeError(
                    f"Trainer: metric {name!r} is a {type(metric).__name__}, expected a function of output and target, "
                    "or an object with update, compute and reset"
                )

    def __bool__(self) -> bool:
        return bool(self.functions or self.collectors)

    def reset(self) -> None:
        """Forgets what collectors have seen."""
        for metric in self.collectors.values():
            metric.reset()

    def measure(self, output: Any, target: Any) -> dict[str, Any]:
        """The functions' values for a batch; shows it to the collectors."""
        for metric in self.collectors.values():
            metric.update(output, target)
        return {name: function(output, target) for name, function in self.functions.items()}

    def collected(self) -> dict[str, float]:
        """What the collectors make of all they have seen."""
        return {name: float(metric.compute()) for name, metric in self.collectors.items()}

    def state_dict(self) -> dict[str, Any]:
        """What the collectors hold in the middle of an epoch."""
        return {name: dict(vars(metric)) for name, metric in self.collectors.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to what `state_dict` gave."""
        for name, found in state.items():
            vars(self.collectors[name]).update(found)
