"""Tables of vectors, and maps of two inputs."""

from __future__ import annotations

from flambeau.ops import embedding as _embedding
from flambeau.ops.precision import in_float32
from flambeau.runtime.tensor import Tensor

# -- tables --------------------------------------------------------------------------------------------


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that the integers of `input` name.

    >>> import flambeau
    >>> embedding(flambeau.tensor([1]), flambeau.eye(2))
    tensor([[0., 1.]])
    """
    return _embedding.embedding(
        input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
    )


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sum, mean or maximum of the rows of each bag of indices."""
    return _embedding.embedding_bag(
        input,
        weight,
        offsets,
        max_norm,
        norm_type,
        scale_grad_by_freq,
        mode,
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1ᵀ W x2 + b for each output: (*, I1), (*, I2) and weight (O, I1, I2) to (*, O).

    >>> import flambeau
    >>> bilinear(flambeau.ones(2), flambeau.ones(3), flambeau.ones(1, 2, 3))
    tensor([6.])
    """

    def product(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        from flambeau.ops.contraction import einsum

        out = einsum("...i,oij,...j->...o", x1, weight, x2)
        return out if bias is None else out + bias

    return in_float32(product, input1, input2, weight, bias)


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Divided by the p-norm along `dim`, which counts as at least `eps`.

    >>> import flambeau
    >>> normalize(flambeau.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    made = input / input.norm(p, dim, True).clamp(min=eps).expand(input.shape)
    return made if out is None else out.copy_(made)
