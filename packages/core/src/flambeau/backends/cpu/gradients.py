"""Compiled gradients of elementwise operators: incoming gradient times partial derivatives, in one pass.

GELU's derivative takes NumPy some forty passes, most of them for the error function; compiled it is one, and so are both
gradients of a product. An operator's rule asks here first for large arrays (`ElementwiseRule.large`), and goes on by itself
where the answer is None: where shapes differ, without a compiler. Floats of two bytes are computed as float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import ir
from ...runtime import tape
from ...runtime.elementwise import is_half
from ...runtime.numbers import number_array
from ...runtime.operator import Operator
from ...runtime.tensor import Tensor, wrap

_F32, _F64, _BOOL = np.dtype("float32"), np.dtype("float64"), np.dtype(bool)
Gradients = Callable[[tape.Node, Tensor, tuple], "tuple | None"]


def gradient_of(op: Operator) -> Gradients:
    """The compiled gradient of an operator: `(node, g, needs) -> gradients`, or None where it does not apply."""
    made: dict[Any, _Gradient | None] = {}

    def large(node: tape.Node, g: Tensor, needs: tuple) -> tuple | None:
        from . import library
        from .compiler import CompileError

        program = op.vjp_rule.program(node.attrs)
        exponent = _exponent(node) if op.name == "pow" else None
        key = (g._array.dtype, id(program), needs, exponent)
        if key not in made:
            made[key] = _Gradient.of(program, g._array.dtype, needs, exponent)
        found = made[key]
        if found is None or not library.available():
            return None
        values = dict(zip(program.arrays, tape.unpack(node)))
        if "out" in found.names:
            values["out"] = tape.unpack_result(node)
        try:
            return found(values, node, g)
        except CompileError:  # remembered: `available` is False from now on
            return None

    return large


EXPONENTS = (2, 3, 4, 0.5, 1.5)  # of powers whose derivative needs no pow


def _exponent(node: tape.Node) -> float | None:
    """The exponent of `x ** number`, if it is one of `EXPONENTS`."""
    given = node.saved[1] if node.saved is not tape.FREED else None
    return given if type(given) in (int, float) and given in EXPONENTS else None


class _Gradient:
    """What is computed for one set of inputs that need a gradient; `exponent`: that of a power, where it is in the text."""

    def __init__(self, program: Any, dtype: np.dtype, needs: tuple, exponent: float | None) -> None:
        self.program, self.dtype, self.needs = program, dtype, needs
        self.number = _F32 if is_half(dtype) else dtype  # what a number becomes
        self.whole: list[bool] = []  # where the gradient is g itself
        self.exprs = {}
        for i, (need, p) in enumerate(zip(needs, program.partials)):
            if need and exponent is not None:
                p = exponent * ir.var(program.arrays[0]) ** (exponent - 1)
            if need and not _is_one(p):
                self.exprs[i] = ir.var("g") * p
        found = set().union(*(e.variables() for e in self.exprs.values()))
        self.names = sorted(found - {"g", *program.params})
        self.kernels: dict[tuple, Any] = {}

    @classmethod
    def of(
        cls, program: Any, dtype: np.dtype, needs: tuple, exponent: float | None
    ) -> _Gradient | None:
        """None where there is nothing to compute, or a zero that stands for no derivative."""
        if dtype not in (_F32, _F64) and not is_half(dtype):
            return None
        if any(n and p is None for n, p in zip(needs, program.partials)):
            return None
        made = cls(program, dtype, needs, exponent)
        return made if made.exprs else None

    def __call__(self, values: dict[str, Any], node: tape.Node, g: Tensor) -> tuple | None:
        ga = g._array
        for n, need in zip(self.program.arrays, self.needs):
            # What was broadcast needs a sum too; what a partial does not read may be kept as a shape, or not at all.
            if need and getattr(values[n], "shape", ga.shape) != ga.shape:
                return None
        arrays = [ga]
        for n in self.names:
            x = values[n]
            if isinstance(x, (bool, int, float)):
                a: Any = number_array(x, self.number)
            else:
                a = getattr(x, "_array", None)
                if type(a) is not np.ndarray or a.dtype not in (self.dtype, _BOOL):
                    return None
                if a.shape not in (ga.shape, ()):
                    return None
            if any(s % a.itemsize for s in a.strides):
                return None
            arrays.append(a)
        kinds = tuple([a.dtype.name for a in arrays])
        kernel = self.kernels.get(kinds)
        if kernel is None:
            kernel = self.kernels[kinds] = self._compile(kinds)
        params = {p: node.attrs[p] for p in self.program.params}
        if any(isinstance(v, complex) for v in params.values()):
            return None
        found = iter(kernel(*arrays, **params))
        return tuple([
            None if not need else wrap(next(found)) if i in self.exprs else g
            for i, need in enumerate(self.needs)
        ])  # fmt: skip

    def _compile(self, kinds: tuple[str, ...]) -> Any:
        from .kernel import compile_elementwise

        results = {f"grad{i}": e for i, e in self.exprs.items()}
        inputs = dict(zip(["g", *self.names], kinds))
        return compile_elementwise(
            results, inputs, self.program.params, dict.fromkeys(results, self.dtype.name)
        )


def _is_one(partial: Any) -> bool:
    return partial.op == "const" and partial.value == 1
