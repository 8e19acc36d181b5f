"""Exact gelu of float32 and halves, and its gradient: `kernels/gelu.c`. What else there is, the kernels made of its expression do."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._base import dtypes
from ...runtime import layouts, tape
from ...runtime.operator import registry
from ...runtime.tensor import wrap
from . import library, providers
from .compiler import CompileError
from .native import Kernels, address
from .offers import HALVES
from .softmax import dense

kernels = Kernels("gelu.c")
KINDS = (dtypes.float32, *HALVES)


def _accepts(metas: list, attrs: dict[str, Any]) -> bool:
    x = metas[0]
    return (
        x is not None
        and x.dtype in KINDS
        and attrs["approximate"] == "none"
        and library.available()
    )


def _forward(xp: Any, x: np.ndarray, *, approximate: str) -> np.ndarray:
    if layouts.is_last(x):
        order, back = layouts.ORDERS[x.ndim], layouts.BACK[x.ndim]
        return _forward(xp, x.transpose(order), approximate=approximate).transpose(back)
    x = dense(x)
    out = np.empty(x.shape, x.dtype)
    try:
        kernels.of(x).gelu(address(x), address(out), x.size)
    except CompileError:  # remembered: `library.available` is False from now on
        return registry["gelu"].kernels[None](xp, x, approximate=approximate)
    return out


def _gradient(other: Any) -> Any:
    """The gradient here, that of `other` where it does not fit."""

    def large(node: tape.Node, g: Any, needs: tuple) -> Any:
        x, ga = tape.unpack(node)[0].__dict__.get("_array"), g._array
        plain = (
            type(x) is np.ndarray
            and x.dtype == ga.dtype
            and x.dtype.itemsize <= 4
            and needs == (True,)
        )
        if not plain or node.attrs["approximate"] != "none" or not library.available():
            return other(node, g, needs)
        order = layouts.ORDERS[x.ndim] if layouts.is_last(x) else None
        if order is not None:
            x, ga = x.transpose(order), ga.transpose(order)
        x, ga = dense(x), dense(ga)
        out = np.empty(x.shape, x.dtype)
        try:
            kernels.of(x).gelu_back(address(ga), address(x), address(out), x.size)
        except CompileError:
            return other(node, g, needs)
        return (wrap(out if order is None else out.transpose(layouts.BACK[x.ndim])),)

    return large


def register() -> None:
    """Offers the kernel before the one of the expression; called when gelu first meets an array that is large enough."""
    op = registry["gelu"]
    providers._offer_compiled(op, providers.SERIES)
    op.provide("cpu", _accepts, providers.SERIES)(_forward)
    op.vjp_rule.large = _gradient(op.vjp_rule.large)
