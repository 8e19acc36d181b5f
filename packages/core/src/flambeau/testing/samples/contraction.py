"""Samples of einsum."""

from __future__ import annotations

from collections.abc import Iterator

from . import Make, Sample


def einsum(make: Make) -> Iterator[Sample]:
    """Products, sums, a trace, an ellipsis, three operands, no arrow."""
    yield Sample("ij,jk->ik", make(2, 3), make(3, 2))
    yield Sample("bij,bkj->bik", make(2, 2, 3), make(2, 2, 3))
    yield Sample("ii->", make(3, 3), onnx=False)
    yield Sample("...i,i->...", make(2, 2, 3), make(3))
    yield Sample("i,j,k", make(2), make(2), make(2))
    yield Sample("ij->ji", make(2, 3))
    yield Sample("ij,jk,kl->il", make(2, 3), make(3, 4), make(4, 2))
    yield Sample("ij,jk,k,kl->l", make(2, 3), make(3, 4), make(4), make(4, 2))
    yield Sample("...ij,ij...,j->...", make(2, 2, 3), make(2, 3, 2), make(3))
    yield Sample("ii,ij->ij", make(2, 2), make(2, 3), onnx=False)
    yield Sample("ij,ij->i", make(2, 3), make(1, 3))
