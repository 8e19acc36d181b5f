"""Elementwise operators of several steps as one generated kernel each.

CuPy runs GELU as half a dozen launches, each over all memory; the text of `ir.cuda` does it in one. An operator of one
step (add, exp) gains nothing and stays with CuPy. The text of dense arrays of one shape does not depend on their size,
so that a kernel is compiled once per operator, dtype and fixed arguments; CuPy keeps it on disk for the next process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from ... import ir
from ..._base import dtypes
from ...ir import cuda, loops
from ...runtime.dispatch import meta_of
from ...runtime.operator import Operator, registry, watchers

LEAST = 1 << 12  # elements; below, a launch costs more than the work and compiling is not worth it
THREADS = 256
OPTIONS = ("-std=c++17",)
KINDS = (dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16)


def register() -> None:
    """Enters a provider per elementwise operator of several steps; called when the backend loads."""
    for op in list(registry.values()):
        _offer(op)
    watchers.append(_offer)


def _offer(op: Operator) -> None:
    if op.family == "elementwise" and "cuda" not in op.providers and op.arrays:
        op.provide("cuda", _accepts)(_Provider(op))


def choose(op: Operator, arrays: tuple, attrs: dict[str, Any]) -> Callable[..., Any]:
    """The provider that accepts the call, else the reference kernel."""
    metas = [meta_of(a) for a in arrays] if "cuda" in op.providers else []
    for checker, kernel in op.providers.get("cuda", ()):
        if checker(metas, attrs):
            return kernel
    return op.kernels[None]


def _accepts(metas: list, attrs: dict) -> bool:
    """Arrays of one shape and one floating dtype, large enough."""
    first = metas[0]
    if first is None or first.numel < LEAST or first.dtype not in KINDS:
        return False
    return all(m is not None and m.shape == first.shape and m.dtype is first.dtype for m in metas)


def steps(expr: ir.Expr) -> int:
    """How many operations an expression makes."""
    return sum(node.op not in ("var", "param", "const") for node in expr.walk())


def source(op: Operator, dtype: str, attrs: dict[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """The kernel's text for dense arrays of one shape and the parameters it takes; None where it would not pay."""
    program = op.vjp_rule.program(attrs)
    if steps(program.expr) < 2:
        return None
    result = "bool" if op.result == "bool" else dtype
    inputs = [loops.Array(n, dtype, (1 << 20,), (1,)) for n in program.arrays]
    try:
        text = cuda.elementwise_kernel(
            "fused", inputs, [loops.Result("out", program.expr, result, (1,))], program.params
        )
    except ir.NoText:
        return None
    return cuda.PRELUDE + text, program.params


class _Provider:
    """One operator's kernels, one per dtype and set of fixed arguments; None where the reference serves better."""

    def __init__(self, op: Operator) -> None:
        self.op = op
        self.made: dict[Any, tuple[Any, tuple[str, ...]] | None] = {}

    def __call__(self, xp: Any, *arrays: Any, **attrs: Any) -> Any:
        dtype = arrays[0].dtype.name
        key = (dtype, id(self.op.vjp_rule.program(attrs)))
        if key not in self.made:
            found = source(self.op, dtype, attrs)
            self.made[key] = (
                None if found is None else (cupy.RawKernel(found[0], "fused", OPTIONS), found[1])
            )
        kernel = self.made[key]
        if kernel is None:
            return self.op.kernels[None](xp, *arrays, **attrs)
        return _launch(*kernel, arrays, attrs, self.op.result == "bool")


def _launch(
    kernel: Any, params: tuple[str, ...], arrays: tuple, attrs: dict[str, Any], predicate: bool
) -> Any:
    dense = [cupy.ascontiguousarray(a) for a in arrays]
    out = cupy.empty(dense[0].shape, bool if predicate else dense[0].dtype)
    count = dense[0].size
    numbers = [np.float64(attrs[p]) for p in params]
    blocks = min(-(-count // THREADS), 1 << 16)  # each thread takes every grid-th element
    kernel((blocks,), (THREADS,), (*dense, out, *numbers, np.int64(count)))
    return out
