"""Elementwise operators in eager mode: one compiled loop nest over all inputs, on all cores.

An operator's expression is what it computes in NumPy too; here it is one pass, whatever it is made of. Python numbers among
the operands are arrays of no dimension, float16 and bfloat16 are computed in float32 and rounded once, in the loop itself. What there is no C text for (complex numbers, odd strides) is left to the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ir
from ...ir import loops
from ...ir.text import C_TYPES, NoText
from ...runtime.elementwise import EXACT_NUMBERS, Program, as_ufuncs, input_dtype, is_half
from ...runtime.numbers import number_array
from ...runtime.operator import Operator

REMEMBERED = 1024  # layouts per operator; forgotten all at once beyond that
STRAIGHTEN = 1 << 12  # elements from which an operand that lies crosswise in memory is copied first
POWERS = (2, 3, 0.5, -1, -0.5)  # exponents that need no pow, of floats
COMPLEX = ("add", "sub", "neg", "mul")  # operators with kernels for complex numbers
# Operators whose loops over complex numbers are NumPy's, on all cores.
COMPLEX_LOOPS = {
    "true_divide": np.divide, "reciprocal": np.reciprocal, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
}  # fmt: skip
NUMBERS = frozenset((int, float))
_F32, _BOOL = np.dtype(np.float32), np.dtype(bool)
ndarray, empty = np.ndarray, np.empty


def _as_ufunc(program: Program) -> np.ufunc | None:
    """A program as a ufunc, for small arrays."""
    from .expressions import ufunc_of  # here: import flambeau must not pay for ctypes

    return ufunc_of(program)


as_ufuncs.append(_as_ufunc)


class Compiled:
    """One operator's compiled kernels; called as `kernel(xp, *arrays, **attrs)`, in a reference kernel's place."""

    def __init__(self, op: Operator) -> None:
        self.op = op
        self.rule = op.vjp_rule
        self.fixed = {p: op.defaults[i] for i, p in op.attrs}
        self.calls: dict[tuple, Any] = {}
        self.made: dict[tuple, Any] = {}
        self.recent: dict[tuple, _Call] = {}  # by shape: what `again` tries
        self.recorders: Any = ()  # `native.recorders` from the first of them on
        self.power = op.name == "pow"
        self.otherwise: Any = op.kernels[None]

    def __call__(self, xp: Any, *given: Any, **attrs: Any) -> Any:
        if not self.recorders:
            made = self.again(given, attrs)
            if made is not None:
                return made
        call = self.call(given, attrs)
        if call is None:
            return self.otherwise(xp, *given, **attrs)
        if call.again is not None:
            if len(self.recent) >= REMEMBERED:
                self.recent.clear()
            self.recent[call.recent] = call
        return call.run(given, attrs)

    def again(self, given: tuple, attrs: dict[str, Any]) -> np.ndarray | None:
        """The result of a call like one before, whose layouts are compared in C: 1.4 us less than making a key of them."""
        usual = not attrs or attrs == self.fixed
        first = given[0]
        if len(given) == 1:
            if type(first) is not ndarray:
                return None
            if not usual:
                kinds = tuple([type(v) for v in attrs.values()])
                found = self.recent.get((kinds, first.shape))
                if found is None:
                    return None
                made = empty(found.shape, found.made)
                params = [attrs[p] for p in found.params]
                return None if found.again(id(first), id(made), *params) else made
            found = self.recent.get(first.shape)
            if found is None:
                return None
            made = empty(found.shape, found.made)
            return None if found.again(id(first), id(made)) else made
        if not usual:
            return None
        if len(given) == 3:
            found = None if type(first) is not ndarray else self.recent.get(first.shape)
            if found is None or type(given[1]) is not ndarray or type(given[2]) is not ndarray:
                return None
            made = empty(found.shape, found.made)
            return None if found.again(id(first), id(given[1]), id(given[2]), id(made)) else made
        second = given[1]
        if type(first) is ndarray:
            if type(second) is ndarray:
                found = self.recent.get(first.shape)
                if found is None:
                    return None
            elif self.power:
                return self.by_exponent(first, second)
            else:
                found = self.recent.get((1, first.shape))
                if found is None or type(second) not in NUMBERS:
                    return None
                second = number_array(second, found.number)
        else:
            found = self.recent.get((0, second.shape)) if type(second) is ndarray else None
            if found is None or type(first) not in NUMBERS:
                return None
            first = number_array(first, found.number)
        made = empty(found.shape, found.made)
        return None if found.again(id(first), id(second), id(made)) else made

    def by_exponent(self, first: np.ndarray, exponent: Any) -> np.ndarray | None:
        """The same of `x ** 2` and other powers whose exponent is part of the text."""
        found = self.recent.get((first.shape, exponent))
        if found is None:
            return None
        made = empty(found.shape, found.made)
        return None if found.again(id(first), id(made)) else made

    def into(self, target: np.ndarray, *given: Any, **attrs: Any) -> bool:
        """Writes the result into `target` if it would have its dtype and layout; whether it did.

        `target` may be among the operands, or else must share no memory with them.
        """
        call = self.call(given, attrs)
        return call is not None and call.into(target, given, attrs)

    def call(self, given: tuple, attrs: dict[str, Any]) -> _Call | None:
        """What serves operands of these kinds; None where the reference must."""
        key: list[Any] = []
        for x in given:
            if type(x) is np.ndarray:
                key += (x.dtype, x.shape, x.strides)
            else:
                key.append(x if self.power and x in POWERS else None)
        if attrs:
            usual = attrs == self.fixed
            key.append(usual or tuple([type(v) if _counts(v) else v for v in attrs.values()]))
        found = self.calls.get(tuple(key), self)
        if found is self:
            found = self._prepare(given, attrs)
            if len(self.calls) >= REMEMBERED:
                self.calls.clear()
            self.calls[tuple(key)] = found
        return found

    def _prepare(self, given: tuple, attrs: dict[str, Any]) -> _Call | None:
        from .compiler import CompileError

        try:
            return _Call(self, given, attrs)
        except (NoText, CompileError, _Reference):
            if self.otherwise is self.op.kernels[None]:
                self.otherwise = self._other(given)
            return None

    def _other(self, given: tuple) -> Any:
        """What serves operands like these, for which there is no C text, better than the reference, or that."""
        name, otherwise = self.op.name, self.otherwise
        is_complex = input_dtype(given).kind == "c"
        if is_complex and name in COMPLEX:
            from .complexes import Complex

            return Complex(self.op, otherwise)
        loops = COMPLEX_LOOPS.get(name) if is_complex else np.power if self.power else None
        if loops is None:
            return otherwise
        from .ufuncs import Shared

        return Shared(self.op, loops, otherwise)

    def kernel(
        self, dtypes: tuple[str, ...], attrs: dict[str, Any], exponent: float | None = None
    ) -> tuple[Any, tuple[str, ...]]:
        """The kernel for operands of these dtypes and static arguments, and the names of the parameters it takes."""
        usual = attrs == self.fixed
        program: Program = self.rule.program({} if usual else attrs)
        key = (dtypes, id(program), exponent)
        found = self.made.get(key)
        if found is None:
            from .kernel import compile_elementwise

            names, expr = program.arrays, program.expr
            if exponent is not None:
                names, expr = names[:1], ir.var(names[0]) ** exponent
            read = expr.variables()
            inputs = dict(zip(names, dtypes))
            if not all(loops.COMPUTED.get(d, d) in C_TYPES for d in inputs.values()):
                raise _Reference
            last = np.dtype(next((d for d in loops.HALVES if d in dtypes), dtypes[-1]))
            result = self.op.result
            made = _BOOL if result == "bool" else result(last) if callable(result) else last
            kernel = compile_elementwise({"out": expr}, inputs, program.params, {"out": made.name})
            if not read:
                raise _Reference
            found = self.made[key] = (kernel, program.params)
        return found


class _Reference(Exception):
    """This call is for the reference."""


class _Call:
    """A kernel with what is done to its operands and its result, for operands of one layout."""

    def __init__(self, of: Compiled, given: tuple, attrs: dict[str, Any]) -> None:
        self.dtype = input_dtype(given)
        self.half = self.dtype == np.float16
        brain = not self.half and is_half(self.dtype)
        if (self.half or brain) and not of.op.takes("float"):
            raise _Reference
        if brain and self.dtype.name != "bfloat16":
            raise _Reference
        self.number = _F32 if self.half or brain else self.dtype  # what a number becomes
        # A number beside float16 is rounded to it first, but in sums and products (as in the reference).
        program = of.rule.program({} if attrs == of.fixed else attrs)
        self.rounds = self.dtype == np.float16 and not (
            program.compound or program.expr.op in EXACT_NUMBERS
        )
        if self.dtype.kind in "iub" and any(not _small(v) for v in attrs.values()):
            raise _Reference
        if any(isinstance(v, complex) for v in (*attrs.values(), *given)):
            raise _Reference
        self.exponent = None
        if of.power:
            plain = type(given[0]) is np.ndarray and type(given[1]) is not np.ndarray
            if plain and given[1] in POWERS and (self.dtype.kind == "f" or brain):
                self.exponent = given[1]
            elif self.dtype != _F32 and not brain:
                raise _Reference  # whole numbers; and doubles, of which NumPy computes several at a time
        count = 1 if self.exponent is not None else len(given)
        self.numbers = tuple([i for i in range(count) if type(given[i]) is not np.ndarray])
        self.count = count
        self.crosswise: tuple[int, ...] = ()
        arrays = self.operands(given)
        if any(s % a.itemsize for a in arrays for s in a.strides):
            raise _Reference
        self.crosswise = _crosswise(arrays)
        if self.crosswise:
            arrays = self.operands(given)
        kernel, self.params = of.kernel(tuple([a.dtype.name for a in arrays]), attrs, self.exponent)
        self.plan = kernel.plan(arrays)
        self.as_given = not (self.numbers or self.crosswise or count != len(given))
        self.plain = self.as_given and not self.params
        maker = self.plan.only
        self.shape, self.made = maker.laid, maker.dtype
        self.again: Any = None
        self.recent: Any = None
        if not (self.crosswise or maker.back):
            self._look(of, given, attrs, arrays)

    def _look(self, of: Compiled, given: tuple, attrs: dict[str, Any], arrays: list) -> None:
        """Sets how calls on arrays laid out as these are made again, and by what they are found."""
        shape = arrays[0].shape
        if attrs and attrs != of.fixed:  # whole numbers are looked at one by one
            kinds = tuple([type(v) for v in attrs.values()])
            if len(given) > 1 or self.dtype.kind in "iub" or not NUMBERS.issuperset(kinds):
                return
            self.recent = kinds, shape
        elif self.params:
            return
        elif self.exponent is not None:
            self.recent = shape, self.exponent
        elif self.numbers:
            if len(given) != 2 or of.power or self.rounds:
                return
            self.recent = self.numbers[0], given[1 - self.numbers[0]].shape
        else:
            self.recent = shape
        from .native import recorders  # here: import flambeau must not pay for ctypes

        of.recorders = recorders
        self.again = self.plan.launch.again(arrays, len(self.params))

    def operands(self, given: tuple) -> list[np.ndarray]:
        """The arrays that the loops run over."""
        arrays = list(given[: self.count])
        for i in self.numbers:
            number = number_array(arrays[i], self.dtype if self.rounds else self.number)
            arrays[i] = _widened(number) if self.rounds else number
        for i in self.crosswise:
            from . import copies

            arrays[i] = copies.dense(arrays[i])
        return arrays

    def run(self, given: tuple, attrs: dict[str, Any]) -> np.ndarray:
        if self.plain:
            return self.plan(given)[0]
        operands = given if self.as_given else self.operands(given)
        return self.plan(operands, [attrs[p] for p in self.params])[0]

    def into(self, target: np.ndarray, given: tuple, attrs: dict[str, Any]) -> bool:
        if self.crosswise or not self.plan.fits(target):
            return False
        self.plan.into(target, self.operands(given), [attrs[p] for p in self.params])
        return True


def _counts(value: Any) -> bool:
    """Whether a static argument is a parameter of the compiled function rather than part of its text."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _small(value: Any) -> bool:
    """Whether a parameter, which is a double in C, has all digits of an int."""
    return not isinstance(value, int) or abs(value) < 1 << 53


def _widened(a: Any) -> Any:
    if type(a) is not np.ndarray or not is_half(a.dtype):
        return a
    from . import copies

    return copies.cast(a, _F32)


def _crosswise(arrays: list[np.ndarray]) -> tuple[int, ...]:
    """Operands whose neighbours, in the order that the first one of the whole shape has, lie far apart."""
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    first = next((a for a in arrays if a.shape == shape), None)
    if first is None or first.flags.c_contiguous is False:
        return ()
    inner = next((d for d in range(len(shape) - 1, -1, -1) if shape[d] > 1), None)
    if inner is None:
        return ()
    return tuple([
        i for i, a in enumerate(arrays)
        if a.size >= STRAIGHTEN and a.shape == shape and abs(a.strides[inner]) >= 64
    ])  # fmt: skip
