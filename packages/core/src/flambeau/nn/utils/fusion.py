"""A convolution or a linear layer and the batch normalisation behind it, as one layer for evaluation."""

from __future__ import annotations

import copy
from typing import Any

from flambeau.ops.creation import ones_like, zeros_like
from flambeau.runtime.tensor import Tensor

from ..modules.module import Module
from ..parameter import Parameter


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution that does what `conv` and `bn` do one after the other in evaluation mode.

    >>> import flambeau
    >>> from flambeau import nn
    >>> conv, bn = nn.Conv1d(1, 2, 1).eval(), nn.BatchNorm1d(2).eval()
    >>> x = flambeau.ones(1, 1, 3)
    >>> flambeau.allclose(fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)))
    True
    """
    _need_eval(conv, bn)
    fused = copy.deepcopy(conv)
    _need_statistics(bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight,
        fused.bias,
        bn.running_mean,
        bn.running_var,
        bn.eps,
        bn.weight,
        bn.bias,
        transpose,
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the convolution that also normalises; `transpose` for transposed convolutions."""
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, tuple(shape))


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A linear layer that does what `linear` and `bn` do one after the other in evaluation mode."""
    _need_eval(linear, bn)
    fused = copy.deepcopy(linear)
    if not (linear.out_features == bn.num_features or bn.num_features == 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1"
        )
    _need_statistics(bn)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the linear layer that also normalises."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (-1, 1))


def _fused(
    weight: Tensor,
    bias: Any,
    mean: Tensor,
    var: Tensor,
    eps: float,
    scale: Any,
    shift: Any,
    shape: tuple[int, ...],
) -> tuple[Parameter, Parameter]:
    bias = zeros_like(mean) if bias is None else bias
    scale = ones_like(mean) if scale is None else scale
    shift = zeros_like(mean) if shift is None else shift
    factor = scale * (var + eps).rsqrt()
    made = (weight * factor.reshape(shape)).to(weight.dtype)
    moved = ((bias - mean) * factor + shift).to(bias.dtype)
    return Parameter(made, weight.requires_grad), Parameter(moved, bias.requires_grad)


def _need_eval(*modules: Module) -> None:
    if any(m.training for m in modules):
        raise AssertionError("Fusion only for eval!")


def _need_statistics(bn: Any) -> None:
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("running_mean and running_var must not be None for fusion")
