"""logsumexp whole over neighbouring dimensions, forward and backward: `kernels/logsumexp.c`."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...runtime.claims import claim
from ...runtime.operator import registry
from .native import Kernels, address
from .offers import FLOATS, HALVES, of_kinds
from .softmax import dense

kernels = Kernels("logsumexp.c")


def _dims(dim: Any, ndim: int) -> list[int] | None:
    """The dimensions in order; None unless they are there, each once and beside each other."""
    given = dim if isinstance(dim, (tuple, list)) else (dim,)
    if not all(type(d) is int and -ndim <= d < ndim for d in given):
        return None
    dims = sorted(d % ndim for d in given)
    return dims if dims and dims == list(range(dims[0], dims[0] + len(dims))) else None


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    x = metas[0]
    return x.numel > 0 and x.ndim > 0 and _dims(attrs["dim"], x.ndim) is not None


def _sizes(x: np.ndarray, dims: list[int]) -> tuple[int, int, int]:
    shape = x.shape
    end = dims[-1] + 1
    return prod(shape[: dims[0]]), prod(shape[dims[0] : end]), prod(shape[end:])


def _forward(x: Any, *, dim: Any, keepdim: bool, wants: bool) -> tuple:
    x = dense(x)
    dims: Any = _dims(dim, x.ndim)
    kept = [1] * len(dims) if keepdim else []
    y = np.empty((*x.shape[: dims[0]], *kept, *x.shape[dims[-1] + 1 :]), x.dtype)
    kernels.of(x).logsumexp(address(x), address(y), *_sizes(x, dims))
    return y, ()


def _backward(
    g: Any, y: Any, _kept: tuple, _needs: tuple, x: Any, *, dim: Any, **_: Any
) -> list[np.ndarray]:
    g, x, y = dense(g), dense(x), dense(y)
    made = np.empty(x.shape, x.dtype)
    sizes = _sizes(x, _dims(dim, x.ndim))  # type: ignore[arg-type]
    kernels.of(x).logsumexp_back(address(g), address(x), address(y), address(made), *sizes)
    return [made]


def register() -> None:
    """Enters the claim; called when logsumexp is first called."""
    claim(registry["logsumexp"], "cpu", of_kinds((*FLOATS, *HALVES), _accepts), _forward, _backward)
