"""Instance normalisation: every channel of every sample by itself."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from flambeau.runtime.tensor import Tensor

from .. import functional as F
from .batchnorm import _check_dims, _NormBase


class _InstanceNorm(_NormBase):
    _without_batch: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def _check_input_dim(self, input: Tensor) -> None:
        _check_dims(input, self._without_batch, self._without_batch + 1)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        channel = input.dim() - self._without_batch
        if input.size(channel) != self.num_features:
            self._complain_of_channels(input.size(channel))
        if channel == 0:
            return self._normalised(input.unsqueeze(0)).squeeze(0)
        return self._normalised(input)

    def _complain_of_channels(self, count: int) -> None:
        if self.affine:
            raise ValueError(
                f"expected the number of channels to match num_features ({self.num_features}), "
                f"but got: {count}."
            )
        warnings.warn(
            f"input's size does not match num_features ({self.num_features} against {count}); "
            "as affine=False num_features is not used",
            stacklevel=4,
        )

    def _normalised(self, input: Tensor) -> Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sample of a (N, C, L) or (C, L) input.

    >>> import flambeau
    >>> flambeau.nn.InstanceNorm1d(3)(flambeau.ones(4, 3, 5)).shape
    flambeau.Size([4, 3, 5])
    """

    _without_batch = 2


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each sample of a (N, C, H, W) or (C, H, W) input.

    >>> import flambeau
    >>> flambeau.nn.InstanceNorm2d(3)(flambeau.ones(4, 3, 5, 5)).shape
    flambeau.Size([4, 3, 5, 5])
    """

    _without_batch = 3


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each sample of a (N, C, D, H, W) or (C, D, H, W) input.

    >>> import flambeau
    >>> flambeau.nn.InstanceNorm3d(3)(flambeau.ones(4, 3, 2, 2, 2)).shape
    flambeau.Size([4, 3, 2, 2, 2])
    """

    _without_batch = 4
