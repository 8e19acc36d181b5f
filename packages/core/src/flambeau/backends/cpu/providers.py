"""Which elementwise operators run compiled in eager mode, and from how many elements on.

NumPy's exp is as vectorised as ours; a compiled kernel wins by its threads, and for chains such as GELU by making one
pass where NumPy makes six. The thresholds were measured (`benchmarks/elementwise.py --thresholds`): a call of a compiled
kernel costs 10 us where a ufunc costs 1. Operators that a single memory-bound ufunc serves (add, mul, maximum) are not
here: they gain nothing.

Registering costs microseconds and compiles nothing. A kernel is compiled when an operator first meets a large array; if
there is no compiler, the reference serves, and `flambeau.show_config()` says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._base import dtypes
from ...runtime.operator import Operator, registry

PASSES = 1 << 13  # from here on for chains, for which NumPy makes several passes
UFUNCS = 1 << 16  # from here on for what is one ufunc in NumPy too

OPERATORS = {
    "exp": UFUNCS, "exp2": UFUNCS, "expm1": PASSES, "log": UFUNCS, "log2": UFUNCS, "log10": PASSES, "log1p": PASSES,
    "tanh": UFUNCS, "sinh": PASSES, "cosh": PASSES, "erf": 1 << 11, "erfc": 1 << 11, "sigmoid": PASSES,
    "gelu": 1 << 11, "silu": PASSES, "softplus": PASSES, "elu": PASSES, "logsigmoid": PASSES,
}  # fmt: skip


def register() -> None:
    """Enters a provider per operator of the table; called when the CPU backend loads."""
    for name, least in OPERATORS.items():
        op = registry.get(name)
        if op is not None and "cpu" not in op.providers:
            op.provide("cpu", _checker(least))(_Provider(op))


def _checker(least: int) -> Callable[[list, dict], bool]:
    f32, f64 = dtypes.float32, dtypes.float64

    def accepts(metas: list, attrs: dict) -> bool:
        meta = metas[0]
        if meta is None or meta.numel < least or not (meta.dtype is f32 or meta.dtype is f64):
            return False
        from . import library  # here: import flambeau must not pay for hashlib and ctypes

        return library.available()

    return accepts


class _Provider:
    """One operator's compiled kernels, one per dtype and set of fixed arguments."""

    def __init__(self, op: Operator) -> None:
        self.op = op
        self.made: dict[Any, tuple[Any, tuple[str, ...]]] = {}

    def __call__(self, xp: Any, x: Any, **attrs: Any) -> Any:
        from .compiler import CompileError

        kernel, params = self.kernel(x.dtype.name, attrs)
        if any(s % x.itemsize for s in x.strides):
            x = x.copy()
        try:
            return kernel(x, **{p: attrs[p] for p in params})[0]
        except CompileError:  # remembered: the checker refuses from now on
            return self.op.kernels[None](xp, x, **attrs)

    def kernel(self, dtype: str, attrs: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
        """The kernel for a dtype and static arguments, with the names of the parameters it takes."""
        program = self.op.vjp_rule.program(attrs)
        key = (dtype, id(program))
        found = self.made.get(key)
        if found is None:
            from .kernel import compile_elementwise

            kernel = compile_elementwise({"out": program.expr}, {program.arrays[0]: dtype}, program.params)
            found = self.made[key] = (kernel, program.params)
        return found


def sources() -> list[tuple[str, str]]:
    """(name, C text) of all that eager mode uses: what is built ahead of time."""
    import numpy as np

    from . import library
    from .kernel import source_of

    made = [("thread pool", library.header("fb_pool.c"))]
    for name in OPERATORS:
        op = registry[name]
        attrs = {p: op.defaults[i] for i, p in op.attrs}
        for dtype in ("float32", "float64"):
            kernel, _ = _Provider(op).kernel(dtype, attrs)
            made.append((f"{name} {dtype}", source_of(kernel.nest([np.empty(8, dtype)]))))
    return made
