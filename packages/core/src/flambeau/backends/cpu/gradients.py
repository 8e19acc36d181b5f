"""Compiled gradients of elementwise operators: incoming gradient times partial derivative, in one pass.

GELU's derivative takes NumPy some forty passes, most of them for the error function; compiled it is one. An operator's
rule asks here first for large arrays (`ElementwiseRule.large`), and goes on by itself where the answer is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import ir
from ...runtime import tape
from ...runtime.operator import Operator


def gradient_of(op: Operator) -> Callable[[tape.Node, np.ndarray], np.ndarray | None]:
    """The compiled gradient of a unary operator: `(node, g) -> array`, or None where it does not apply."""
    made: dict[Any, tuple[Any, list[str], tuple[str, ...]]] = {}

    def large(node: tape.Node, g: np.ndarray) -> np.ndarray | None:
        from . import library
        from .compiler import CompileError

        program = op.vjp_rule.program(node.attrs)
        values = {program.arrays[0]: tape.unpack(node)[0], "out": tape.unpack_result(node)}
        arrays = {n: t.__dict__.get("_array") for n, t in values.items() if hasattr(t, "__dict__")}
        if not all(_fits(a, g) for a in arrays.values()) or not library.available():
            return None
        key = (g.dtype.name, id(program))
        if key not in made:
            made[key] = _compile(program, g.dtype.name)
        kernel, names, params = made[key]
        try:
            return kernel(g, *[arrays[n] for n in names], **{p: node.attrs[p] for p in params})[0]
        except CompileError:  # remembered: `available` is False from now on
            return None

    return large


def _fits(array: Any, g: np.ndarray) -> bool:
    return type(array) is np.ndarray and array.shape == g.shape and array.dtype is g.dtype


def _compile(program: Any, dtype: str) -> tuple[Any, list[str], tuple[str, ...]]:
    from .kernel import compile_elementwise

    expr = ir.var("g") * program.partials[0]
    names = sorted(expr.variables() - {"g"})
    inputs = dict.fromkeys(["g", *names], dtype)
    return compile_elementwise({"grad": expr}, inputs, program.params), names, program.params
