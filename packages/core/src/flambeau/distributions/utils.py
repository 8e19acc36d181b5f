"""What distributions share: parameters that broadcast, probabilities and their logits, triangles as vectors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from numbers import Number
from typing import Any

from .._base import dtypes
from .._base.limits import finfo
from ..autograd.modes import enable_grad
from ..ops.arranging import tril_indices
from ..ops.creation import tensor
from ..ops.joining import broadcast_tensors
from ..ops.random import randn
from ..runtime.tensor import Size, Tensor

euler_constant = 0.57721566490153286060

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """The values as tensors of one shape; numbers take the dtype and device of the first tensor among them.

    >>> import flambeau
    >>> broadcast_all(flambeau.zeros(2), 1.5)
    (tensor([0., 0.]), tensor([1.5000, 1.5000]))
    """
    tensors = [v for v in values if isinstance(v, Tensor)]
    if not all(isinstance(v, (Tensor, Number)) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, Tensor or objects implementing __torch_function__, "
            f"but got {', '.join(type(v).__name__ for v in values)}."
        )
    if len(tensors) < len(values):
        kind = tensors[0].dtype if tensors else dtypes.get_default_dtype()
        device = tensors[0].device if tensors else None
        values = tuple(
            v if isinstance(v, Tensor) else tensor(v, dtype=kind, device=device) for v in values
        )
    return tuple(broadcast_tensors(*values))


def all_numbers(*values: Any) -> bool:
    """Whether every one is a plain number: such parameters make a distribution without batch dimensions."""
    return all(isinstance(v, Number) for v in values)


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Tensor:
    return randn(tuple(shape), dtype=dtype, device=device)


def _sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last `dim` dimensions."""
    if dim == 0:
        return value
    return value.reshape((*value.shape[:-dim], -1)).sum(-1)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities from log-odds (binary), or from unnormalized log-probabilities along the last dimension."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """The probabilities, kept one rounding error away from 0 and 1, so that their logarithms are finite."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """The inverse of `logits_to_probs`, finite for probabilities of 0 and 1."""
    kept = clamp_probs(probs)
    return kept.log() - (-kept).log1p() if is_binary else kept.log()


class lazy_property:
    """A property computed when first read, with gradients on, and kept in the instance.

    >>> class Squared:
    ...     def __init__(self, x): self.x = x
    ...     @lazy_property
    ...     def square(self): return self.x ** 2
    >>> s = Squared(3); s.square, s.__dict__
    (9, {'x': 3, 'square': 9})
    """

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)  # type: ignore[arg-type]

    def __get__(self, instance: Any, obj_type: Any = None) -> Any:
        if instance is None:
            return _lazy_property_and_property(self.wrapped)
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _lazy_property_and_property(lazy_property, property):
    """What a class shows of a `lazy_property`: documentation tools know properties."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        property.__init__(self, wrapped)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements on and below diagonal `diag` of the last two dimensions, row by row.

    >>> import flambeau
    >>> tril_matrix_to_vec(flambeau.arange(4).reshape(2, 2))
    tensor([0, 2, 3])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = tril_indices(n, n, diag, device=mat.device)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The inverse of `tril_matrix_to_vec`, with zeros above."""
    length, shift = vec.shape[-1], 1 + 2 * diag
    n = (-shift + (shift**2 + 8 * length + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if round(n) - n > finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {length} which cannot be expressed as the lower triangular part of a "
            "square D x D matrix."
        )
    n = int(n) if int(n) == n else round(n)
    rows, columns = tril_indices(n, n, diag, device=vec.device)
    flat = vec.new_zeros((*vec.shape[:-1], n * n))
    where = (rows * n + columns).expand((*vec.shape[:-1], length))
    return flat.scatter(-1, where, vec).reshape((*vec.shape[:-1], n, n))


def size(shape: Any) -> Size:
    """A shape, however it is given, as Size."""
    return shape if type(shape) is Size else Size(shape)
