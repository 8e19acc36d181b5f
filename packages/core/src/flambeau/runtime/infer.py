"""Shape and dtype of a call's results without running it, from the operator's block."""

from __future__ import annotations

from typing import Any

from .._base import dtypes
from .._base.checks import broadcast_shapes
from .._base.devices import device
from .meta import Meta
from .operator import Operator
from .reduce import reduced_shape


def infer(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Any:
    """The Meta (or tuple of Metas) of `op` on metas, numbers and None, after promotion.

    RuntimeError and its like with the operator's own words where shapes do not fit.
    """
    metas = [a for a in arrays if isinstance(a, Meta)]
    if op.family == "elementwise":
        shape = broadcast_shapes(*(m.shape for m in metas))
        return Meta(
            shape, dtypes.bool_ if op.result == "bool" else _kept(op, metas), _device(metas)
        )
    if op.family == "reduction":
        first = metas[0]
        return first.like(
            reduced_shape(first.shape, attrs.get("dim"), attrs.get("keepdim", False)),
            _kept(op, metas),
        )
    return op.call_body(arrays, attrs)


def _kept(op: Operator, metas: list[Meta]) -> dtypes.dtype:
    last = metas[-1].dtype
    return dtypes.from_numpy(op.result(last.numpy)) if callable(op.result) else last


def _device(metas: list[Meta]) -> device:
    """Where the result is: 0-d CPU tensors join those of another device."""
    return next((m.device for m in metas if m.device.type != "cpu"), metas[0].device)
