"""Normalisations that take their number of channels from the first input."""

from __future__ import annotations

from typing import Any

from flambeau._base.dtypes import int64
from flambeau.ops.creation import zeros
from flambeau.runtime.tensor import Tensor

from ..parameter import UninitializedBuffer, UninitializedParameter
from .batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _NormBase
from .instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .lazy import LazyModuleMixin


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """Weight, bias and running statistics without shapes."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = zeros((), dtype=int64, device=device)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0 and fresh statistics, once there are shapes."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Shapes from the first input; what was loaded already keeps its own."""
        self.num_features = self._channels(input)
        if not self.has_uninitialized_params():
            return
        members: tuple[Any, ...] = (self.weight, self.bias) if self.affine else ()
        if self.track_running_stats:
            members += (self.running_mean, self.running_var)
        for member in members:
            if member is not None:
                member.materialize((self.num_features,))
        self.reset_parameters()

    def _channels(self, input: Tensor) -> int:
        """The size of the channels' dimension, which instance normalisation finds without a batch too."""
        dims = getattr(self, "_without_batch", input.dim() - 1)
        return input.shape[input.dim() - dims]


class LazyBatchNorm1d(_LazyNormBase, BatchNorm1d):
    """A `BatchNorm1d` that takes `num_features` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyBatchNorm1d()(flambeau.ones(2, 3, 4)).shape
    flambeau.Size([2, 3, 4])
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, BatchNorm2d):
    """A `BatchNorm2d` that takes `num_features` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyBatchNorm2d()(flambeau.ones(2, 3, 4, 4)).shape
    flambeau.Size([2, 3, 4, 4])
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, BatchNorm3d):
    """A `BatchNorm3d` that takes `num_features` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyBatchNorm3d()(flambeau.ones(2, 3, 2, 2, 2)).shape
    flambeau.Size([2, 3, 2, 2, 2])
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNormBase, InstanceNorm1d):
    """A `InstanceNorm1d` that takes `num_features` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyInstanceNorm1d()(flambeau.ones(2, 3, 4)).shape
    flambeau.Size([2, 3, 4])
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, InstanceNorm2d):
    """A `InstanceNorm2d` that takes `num_features` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyInstanceNorm2d()(flambeau.ones(2, 3, 4, 4)).shape
    flambeau.Size([2, 3, 4, 4])
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, InstanceNorm3d):
    """A `InstanceNorm3d` that takes `num_features` from its first input.

    >>> import flambeau
    >>> flambeau.nn.LazyInstanceNorm3d()(flambeau.ones(2, 3, 2, 2, 2)).shape
    flambeau.Size([2, 3, 2, 2, 2])
    """

    cls_to_become = InstanceNorm3d
