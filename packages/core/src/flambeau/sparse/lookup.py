"""Rows of a table whose gradient is sparse: what `Embedding(sparse=True)` looks up."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau._base.checks import wrap_dim
from flambeau.runtime.tensor import Tensor
from flambeau.transforms.composed import link

from .tensor import coo


def rows_of(weight: Tensor, flat: Tensor, padding_idx: int | None, scaled: bool) -> Tensor:
    """weight[flat]; the gradient of `weight` is a COO tensor with a row for each index but `padding_idx`.

    It is not coalesced: indices that occur twice are two entries, as in PyTorch. With `scaled`
    (scale_grad_by_freq) there is no such gradient, and backward is refused.
    """
    shape = tuple(weight.shape)

    def pull(g: Any) -> Any:
        if scaled:
            raise RuntimeError(
                "embedding_backward: scale_grad_by_freq not supported with sparse gradients"
            )
        at = flat
        if padding_idx is not None:
            kept = (flat != padding_idx).nonzero(as_tuple=True)[0]
            at, g = flat.index_select(0, kept), g.index_select(0, kept)
        return coo(at.unsqueeze(0), g, shape)

    return link(weight.detach().index_select(0, flat), "embedding", [weight], [pull])


def gathered(g: Tensor, dim: int, index: Tensor, shape: tuple[int, ...]) -> Any:
    """The gradient of `gather(input, dim, index, sparse_grad=True)`: one entry for each element of `index`."""
    grid = list(
        flambeau.meshgrid(
            *[flambeau.arange(n, device=g.device) for n in index.shape], indexing="ij"
        )
    )
    grid[wrap_dim(dim, len(shape))] = index.to(flambeau.int64)
    return coo(flambeau.stack([i.reshape(-1) for i in grid]), g.reshape(-1), shape)
