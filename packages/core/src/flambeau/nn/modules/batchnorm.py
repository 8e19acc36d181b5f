"""Batch normalisation and what it shares with instance normalisation."""

from __future__ import annotations

from typing import Any, ClassVar

from flambeau._base.dtypes import int64
from flambeau.ops.creation import empty, ones, zeros
from flambeau.runtime.tensor import Tensor
from flambeau.runtime.unwatched import count_up

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module


class _NormBase(Module):
    """Weight, bias and running statistics of a normalisation over channels."""

    _version = 2
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, present in (("weight", affine), ("bias", affine and bias)):
            value = empty(num_features, device=device, dtype=dtype) if present else None
            self.register_parameter(name, None if value is None else Parameter(value))
        if track_running_stats:
            self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", zeros((), dtype=int64, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget what has been seen: mean 0, variance 1."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and fresh statistics."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        # Version 1 did not count the batches.
        if (local_metadata.get("version") or 1) < 2 and self.track_running_stats:
            state_dict.setdefault(prefix + "num_batches_tracked", zeros((), dtype=int64))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def _check_dims(input: Tensor, *allowed: int) -> None:
    if input.ndim not in allowed:
        expected = " or ".join(f"{count}D" for count in allowed)
        raise ValueError(f"expected {expected} input (got {input.dim()}D input)")


class _BatchNorm(_NormBase):
    _dims: ClassVar[tuple[int, ...]] = ()

    def _check_input_dim(self, input: Tensor) -> None:
        _check_dims(input, *self._dims)

    def _count_batch(self) -> float:
        """One more batch seen; the share of it in the running statistics."""
        momentum = self.momentum or 0.0
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            if not count_up(self.num_batches_tracked):
                self.num_batches_tracked.add_(1)
            if self.momentum is None:  # cumulative average
                momentum = 1.0 / float(self.num_batches_tracked)
        return momentum

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        training = self.training
        momentum = self._count_batch() if training else self.momentum or 0.0
        mean, var = self.running_mean, self.running_var
        by_batch = training or (mean is None and var is None)
        if training and not self.track_running_stats:
            mean = var = None
        return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Normalises each channel of a (N, C) or (N, C, L) input by its mean and variance in the batch.

    In evaluation mode by the running mean and variance instead. ``momentum=None`` makes them plain
    averages over all batches.

    >>> import flambeau
    >>> flambeau.nn.BatchNorm1d(3)(flambeau.ones(4, 3)).shape
    flambeau.Size([4, 3])
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalises each channel of a (N, C, H, W) input by its mean and variance in the batch.

    >>> import flambeau
    >>> flambeau.nn.BatchNorm2d(3)(flambeau.ones(4, 3, 2, 2)).shape
    flambeau.Size([4, 3, 2, 2])
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalises each channel of a (N, C, D, H, W) input by its mean and variance in the batch.

    >>> import flambeau
    >>> flambeau.nn.BatchNorm3d(3)(flambeau.ones(4, 3, 2, 2, 2)).shape
    flambeau.Size([4, 3, 2, 2, 2])
    """

    _dims = (5,)
