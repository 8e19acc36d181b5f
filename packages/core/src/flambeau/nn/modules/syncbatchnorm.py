"""Batch normalisation over the batches of all ranks."""

from __future__ import annotations

from typing import Any

from flambeau.autograd import Function, no_grad
from flambeau.ops.creation import ones
from flambeau.ops.joining import cat
from flambeau.runtime.tensor import Tensor

from .batchnorm import _BatchNorm
from .module import Module


class _SumOfRanks(Function):
    """The sum over all ranks; every rank's gradient is the sum of the gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        from flambeau import distributed

        ctx.group = group
        total = x.clone()
        distributed.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        from flambeau import distributed

        total = grads[0].clone()
        distributed.all_reduce(total, group=ctx.group)
        return total, None


class SyncBatchNorm(_BatchNorm):
    """Normalises each channel of (N, C, ...) by its mean and variance in the batches of all ranks together.

    The ranks are those of `flambeau.distributed`, or of `process_group`. With one rank, and in evaluation mode, it is
    plain batch normalisation. Unlike PyTorch's it works on the CPU as well.

    >>> import flambeau
    >>> flambeau.nn.SyncBatchNorm(3)(flambeau.ones(4, 3, 2)).shape
    flambeau.Size([4, 3, 2])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    def _is_alone(self) -> bool:
        from flambeau import distributed

        if not (self.training and distributed.is_available() and distributed.is_initialized()):
            return True
        return distributed.get_world_size(self.process_group) == 1

    def forward(self, input: Tensor) -> Tensor:
        if self._is_alone():
            return super().forward(input)
        self._check_input_dim(input)
        momentum = self._count_batch()
        dims = (0, *range(2, input.dim()))
        count = ones(1, dtype=input.dtype, device=input.device) * (input.numel() // input.size(1))
        group = self.process_group
        sums = _SumOfRanks.apply(cat([input.sum(dims), count]), group)
        number = sums[-1].detach()
        shape = (1, -1, *[1] * (input.dim() - 2))
        mean = sums[:-1] / number
        centred = input - mean.reshape(shape)
        var = _SumOfRanks.apply(centred.square().sum(dims), group) / number
        if self.track_running_stats and self.running_mean is not None:
            with no_grad():
                unbiased = var * (number / (number - 1).clamp(min=1))
                self.running_mean.lerp_(mean.detach().to(self.running_mean.dtype), momentum)
                self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)
        out = centred * (var + self.eps).rsqrt().reshape(shape)
        if self.weight is not None:
            out = out * self.weight.reshape(shape)
        return out if self.bias is None else out + self.bias.reshape(shape)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """`module` with every batch normalisation in it replaced by this one, with the same parameters and statistics.

        >>> import flambeau
        >>> from flambeau import nn
        >>> nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm1d(3)))[0].num_features
        3
        """
        made = module
        if isinstance(module, _BatchNorm):
            sync = made = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            if module.affine:
                sync.weight = module.weight
                sync.bias = module.bias
            sync.running_mean = module.running_mean
            sync.running_var = module.running_var
            sync.num_batches_tracked = module.num_batches_tracked
            sync.training = module.training
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made
