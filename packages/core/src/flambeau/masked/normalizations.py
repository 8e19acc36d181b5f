"""Functions along one dimension whose results have the input's shape: softmax and its kin, and division by a norm."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau.runtime.tensor import Tensor

from .fills import dims_of, filled, highest, lowest
from .reductions import norm, opened


def _along(name: str, input: Tensor, dim: int, dtype: Any, mask: Tensor | None) -> Tensor:
    input, mask = opened(input, mask, name)
    (d,) = dims_of(dim, input.ndim) or (0,)
    fill = highest if name == "softmin" else lowest
    whole = input if mask is None else filled(input, mask, fill(input))
    return getattr(flambeau.nn.functional, name)(whole, d, dtype=dtype or input.dtype)


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """softmax over the elements along `dim` that count; the others get 0, and NaN where none counts.

    >>> import flambeau
    >>> flambeau.masked.softmax(flambeau.zeros(3), 0, mask=flambeau.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    return _along("softmax", input, dim, dtype, mask)


def log_softmax(
    input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The logarithm of `softmax`: minus infinity where an element does not count.

    >>> import flambeau
    >>> flambeau.masked.log_softmax(flambeau.zeros(3), 0, mask=flambeau.tensor([True, False, True]))
    tensor([-0.6931,    -inf, -0.6931])
    """
    return _along("log_softmax", input, dim, dtype, mask)


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """softmax of the negated input.

    >>> import flambeau
    >>> flambeau.masked.softmin(flambeau.zeros(3), 0, mask=flambeau.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    return _along("softmin", input, dim, dtype, mask)


def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The elements that count, divided by their norm along `dim` (by `eps` at least); the others are 0.

    >>> import flambeau
    >>> x = flambeau.tensor([3.0, 100.0, 4.0])
    >>> flambeau.masked.normalize(x, 2, 0, mask=flambeau.tensor([True, False, True]))
    tensor([0.6000, 0.0000, 0.8000])
    """
    input, mask = opened(input, mask, "normalize")
    length = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return filled(input, mask, 0) / flambeau.maximum(length, length.new_full((), eps))
