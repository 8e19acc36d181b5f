"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from flambeau.ops.joining import cat
from flambeau.runtime.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters one after another; gradients flow through.

    >>> import flambeau
    >>> flambeau.nn.utils.parameters_to_vector([flambeau.ones(2), flambeau.zeros(1)])
    tensor([1., 1., 0.])
    """
    return cat([param.reshape(-1) for param in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Make the parameters look at the parts of a vector.

    >>> import flambeau
    >>> p = flambeau.nn.Parameter(flambeau.zeros(2))
    >>> vector_to_parameters(flambeau.tensor([1.0, 2.0]), [p])
    >>> p.data
    tensor([1., 2.])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for param in parameters:
        count = param.numel()
        param.data = vec[start : start + count].reshape(param.shape).data
        start += count
