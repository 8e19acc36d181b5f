"""Matrices as products of simpler ones."""

from __future__ import annotations

from .._base.checks import check
from ..runtime.families import primitive
from ..runtime.meta import Meta


@primitive(method=False, outputs=("Q", "R"))
def qr(input: Meta, some: bool = True):
    """A matrix (..., m, n) as an orthogonal times an upper triangular one.

    With `some` Q is (m, k) and R (k, n), k the smaller of m and n; else Q is (m, m) and R (m, n).

    >>> import flambeau
    >>> q, r = flambeau.qr(flambeau.eye(2) * 2)
    >>> (q @ r)
    tensor([[2., 0.],
            [0., 2.]])
    """
    check(
        input.ndim >= 2,
        lambda: f"qr: The input tensor A must have at least 2 dimensions, got {list(input.shape)}",
    )
    *outer, m, n = input.shape
    k = min(m, n) if some else m
    return input.like((*outer, m, k)), input.like((*outer, k, n))


@qr.kernel
def _(xp, x, *, some):
    q, r = xp.linalg.qr(x, mode="reduced" if some else "complete")
    return q, r


qr.no_vjp("its gradient needs a triangular solve, which has no operator yet")


qr.refuse("onnx", "ONNX has no QR decomposition")


@qr.batch
def _(size, batched, input, *, some):
    return qr(input, some)


qr.refuse("onnx", "ONNX has no decompositions")
