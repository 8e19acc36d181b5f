"""Layer 1: scalar expressions. An elementwise operator is one; derivatives, NumPy, C and CUDA text are read off it.

from flambeau import ir
x = ir.var("x")
ir.derive(ir.tanh(x), ["x"])     # {"x": 1 - out * out}
ir.numpy_text(ir.tanh(x), ["x"]) # "xp.tanh(x)"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .derive import derive
from .expr import Expr, Scalar, apply, as_expr, cast, const, evaluate, param, scalars, var
from .table import *  # noqa: F403  (the scalar functions: ir.exp, ir.where, ...)
from .text import NoText, c_statements, c_text, numpy_function, numpy_text

__all__ = [
    "Expr",
    "NoText",
    "Scalar",
    "apply",
    "as_expr",
    "c_statements",
    "c_text",
    "cast",
    "const",
    "derive",
    "evaluate",
    "numpy_function",
    "numpy_text",
    "param",
    "scalars",
    "var",
]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The scalar functions, which the table makes."""
