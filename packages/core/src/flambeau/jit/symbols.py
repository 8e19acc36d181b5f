"""Sizes that stay open in a trace: numbers that know how they follow from the sizes of the arguments.

    n = Sizes({"s0": 4}).symbol("s0")
    2 * n + 1        a Whole of value 9 and expression 2*s0 + 1
    n > 3            True; from then on the trace is one for s0 > 3, a guard
    range(n)         any use that needs the number itself: the guard s0 == 4

They are no ints, although `isinstance` says so: whatever reads an int's digits without a word, as `range`, list indices and
`math.log2` do, must ask them by `__index__` or `__float__`, which is noted. Sizes are 2 at least: with 0 and 1 shapes mean
something else. Of open numbers that are given as such (`n0`, `scalars`) nothing is known; they may be floats.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from .polynomials import SCOPE, Terms, added, bounds, quotient, written


class Sizes:
    """The open sizes of one trace, their values there, and what the trace has assumed of them: `guards`, as Python."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.guards: dict[str, None] = {}
        self.noting = True  # False where no decision of the trace is taken, and once it is over
        self.under_way = True
        self.made: list[Open] = []  # during the trace

    def symbol(self, name: str) -> Any:
        """The open number of this name, of the kind of its value."""
        value = self.values[name]
        return (
            Broken(self, name, value) if type(value) is float else Whole(self, {(name,): 1}, value)
        )

    def over(self) -> None:
        """Ends the trace: whoever kept an open number has a plain one from now on."""
        self.noting = self.under_way = False
        for x in self.made:
            _become(x, SETTLED[type(x)])
        self.made.clear()

    def kept(self) -> Callable[[Any], Any]:
        """Makes copies of open numbers, which stay so after the trace."""
        sizes = Sizes(self.values)
        sizes.noting = sizes.under_way = False

        def copied(x: Any) -> Any:
            if type(x) is Whole:
                return Whole(sizes, x.terms, x.value)
            return Broken(sizes, x.text, x.value)

        return copied

    def note(self, guard: str) -> None:
        """What the trace assumes from now on."""
        if self.noting:
            self.guards.setdefault(guard)

    def whole(self, terms: Terms, value: int) -> Any:
        """A Whole, or the int that a constant expression is."""
        terms = {k: f for k, f in terms.items() if f}
        if not terms or set(terms) == {()}:
            return value
        return Whole(self, terms, value)

    def atom(self, text: str, value: int) -> Whole:
        """The whole number that `text` computes."""
        return Whole(self, {(f"({text})",): 1}, value)


class Open:
    """A number that follows from open sizes: `value` in the trace, `text` as Python."""

    __slots__ = ("sizes", "value")
    sizes: Sizes
    value: Any

    @property
    def text(self) -> str:
        raise NotImplementedError

    def known(self) -> Any:
        """The number itself: the trace is one for this number."""
        self.sizes.note(f"{self.text} == {self.value!r}")
        return self.value

    def __hash__(self) -> int:
        return hash(self.known())

    def __repr__(self) -> str:
        return repr(self.known()) if self.sizes.noting else self.text

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, how: str) -> str:
        return format(self.known(), how)

    def __int__(self) -> int:
        return int(self.known())

    def __float__(self) -> float:
        return float(self.known())

    def __complex__(self) -> complex:
        return complex(self.known())

    def __bool__(self) -> bool:
        return self != 0

    def __pos__(self) -> Any:
        return self

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.known(), digits)

    def __getattr__(self, name: str) -> Any:
        if name[0] == "_" or not hasattr(self.value, name):
            raise AttributeError(name)
        return getattr(self.known(), name)

    def __reduce__(self) -> Any:
        return type(self.value), (self.known(),)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        import numpy as np

        return np.asarray(self.known(), *args[:1])

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's function of numbers, where Python has the same one: the rules of gradients compute so."""
        same = UFUNCS.get(ufunc.__name__)
        plain = method == "__call__" and not kwargs
        if same and plain and all(type(x) in (int, float, *OPEN) for x in inputs):
            return same(*inputs)
        if plain and (name := f"np_{ufunc.__name__}") in SCOPE:
            return followed(name, SCOPE[name], *inputs)
        given = [x.known() if isinstance(x, Open) else x for x in inputs]
        return getattr(ufunc, method)(*given, **kwargs)

    def item(self) -> Any:
        """The number that NumPy's scalars give, which it is."""
        return self

    def __eq__(self, other: object) -> bool:
        return _compared(self, other, "==")

    def __ne__(self, other: object) -> bool:
        return _compared(self, other, "!=")

    def __lt__(self, other: Any) -> bool:
        return _compared(self, other, "<")

    def __le__(self, other: Any) -> bool:
        return _compared(self, other, "<=")

    def __gt__(self, other: Any) -> bool:
        return _compared(self, other, ">")

    def __ge__(self, other: Any) -> bool:
        return _compared(self, other, ">=")


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
CONTRARY = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
NUMBERS = (int, float)


def _compared(a: Open, b: Any, sign: str) -> Any:
    b = _settled(b)
    if not isinstance(b, NUMBERS):
        return NotImplemented
    if type(b) not in OPEN:
        b = float(b) if isinstance(b, float) else int(b)
    made = COMPARE[sign](a.value, value_of(b))
    if type(a) is Whole and type(b) in (Whole, int, bool):
        difference = added(a.terms, _terms(b), -1)
        low, high = bounds(difference)
        ends = {COMPARE[sign](x, 0) for x in (low, high)}
        if not difference or low == high:
            return made
        if sign in ("==", "!="):
            if low > 0 or high < 0:
                return made
        elif len(ends) == 1:
            return made
        left = {k: f for k, f in difference.items() if f > 0}
        right = {k: -f for k, f in difference.items() if f < 0}
        texts = written(left), written(right)
    else:
        texts = a.text, text_of(b)
    a.sizes.note(f"{texts[0]} {sign if made else CONTRARY[sign]} {texts[1]}")
    return made


class Whole(Open):
    """A whole number: a polynomial in sizes, and in what other operations make of them."""

    __slots__ = ("terms",)

    def __init__(self, sizes: Sizes, terms: Terms, value: int) -> None:
        self.sizes, self.terms, self.value = sizes, terms, value
        if sizes.under_way:
            sizes.made.append(self)

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # what isinstance asks
        return int

    @property
    def text(self) -> str:
        return written(self.terms)

    def __index__(self) -> int:
        return self.known()

    def __trunc__(self) -> Any:
        return self

    __floor__ = __ceil__ = __trunc__

    def __round__(self, digits: int | None = None) -> Any:
        return self if digits is None else round(self.known(), digits)

    def __neg__(self) -> Any:
        return self.sizes.whole({k: -f for k, f in self.terms.items()}, -self.value)

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __add__(self, other: Any) -> Any:
        return self._linear(other, 1, operator.add)

    def __radd__(self, other: Any) -> Any:
        return self._linear(other, 1, operator.add)

    def __sub__(self, other: Any) -> Any:
        return self._linear(other, -1, operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return (-self) + other

    def _linear(self, other: Any, factor: int, do: Any) -> Any:
        other = _settled(other)
        if type(other) in (Whole, int, bool):
            return self.sizes.whole(
                added(self.terms, _terms(other), factor), do(self.value, value_of(other))
            )
        return _broken(self, other, "+" if factor > 0 else "-", do)

    def __mul__(self, other: Any) -> Any:
        other = _settled(other)
        if type(other) not in (Whole, int, bool):
            return _broken(self, other, "*", operator.mul)
        made: Terms = {}
        for a, f in self.terms.items():
            for b, g in _terms(other).items():
                key = tuple(sorted(a + b))
                made[key] = made.get(key, 0) + f * g
        return self.sizes.whole(made, self.value * value_of(other))

    def __rmul__(self, other: Any) -> Any:
        if isinstance(other, (list, tuple, str, bytes)):
            return other * self.known()
        return self * other

    def __truediv__(self, other: Any) -> Any:
        return _broken(self, other, "/", operator.truediv)

    def __rtruediv__(self, other: Any) -> Any:
        return _broken(other, self, "/", operator.truediv)

    def __floordiv__(self, other: Any) -> Any:
        return _divided(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _divided(other, self)

    def __mod__(self, other: Any) -> Any:
        return _rest(self, other)

    def __rmod__(self, other: Any) -> Any:
        if isinstance(other, (str, bytes)):
            return other % self.known()
        return _rest(other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        if type(other) is int and 0 <= other <= 8 and modulus is None:
            made: Any = 1
            for _ in range(other):
                made = self * made
            return made
        if isinstance(other, float) and modulus is None and self >= 0:
            return _broken(self, other, "**", operator.pow)
        return pow(self.known(), known(other), modulus)

    def __rpow__(self, other: Any) -> Any:
        if type(other) is float and other > 0:
            return _broken(other, self, "**", operator.pow)
        return other ** self.known()

    def __and__(self, other: Any) -> Any:
        if type(other) is int and other > 0 and not other & (other + 1) and self >= 0 and self <= other:  # fmt: skip
            return self  # a mask of all its bits
        return self.known() & known(other)

    def __rand__(self, other: Any) -> Any:
        return self & other

    def __or__(self, other: Any) -> Any:
        return self.known() | known(other)

    __ror__ = __or__

    def __xor__(self, other: Any) -> Any:
        return self.known() ^ known(other)

    __rxor__ = __xor__

    def __invert__(self) -> Any:
        return -self - 1

    def __rshift__(self, other: Any) -> Any:
        return self // (1 << other) if type(other) is int else self.known() >> known(other)

    def __lshift__(self, other: Any) -> Any:
        return self * (1 << other) if type(other) is int else self.known() << known(other)

    def __rrshift__(self, other: Any) -> Any:
        return other >> self.known()

    def __rlshift__(self, other: Any) -> Any:
        return other << self.known()


# `__eq__` without `__hash__` would take the base's away.
Whole.__hash__ = Open.__hash__  # type: ignore[method-assign]


class Broken(Open):
    """A float that was computed from open sizes, by the operations that its text repeats."""

    __slots__ = ("_text",)

    def __init__(self, sizes: Sizes, text: str, value: float) -> None:
        self.sizes, self._text, self.value = sizes, text, value
        if sizes.under_way:
            sizes.made.append(self)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return float

    @property
    def text(self) -> str:
        return self._text

    def __neg__(self) -> Any:
        return Broken(self.sizes, f"(-({self._text}))", -self.value)

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __floor__(self) -> Any:
        return self.sizes.atom(f"floor({self._text})", math.floor(self.value))

    def __ceil__(self) -> Any:
        return self.sizes.atom(f"ceil({self._text})", math.ceil(self.value))

    def __trunc__(self) -> Any:
        return self.__floor__() if self >= 0 else self.__ceil__()

    def __round__(self, digits: int | None = None) -> Any:
        if digits is not None:
            return followed("round", round, self, digits)
        return self.sizes.atom(f"round({self._text})", round(self.value))

    def __add__(self, other: Any) -> Any:
        return _broken(self, other, "+", operator.add)

    def __radd__(self, other: Any) -> Any:
        return _broken(other, self, "+", operator.add)

    def __sub__(self, other: Any) -> Any:
        return _broken(self, other, "-", operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return _broken(other, self, "-", operator.sub)

    def __mul__(self, other: Any) -> Any:
        return _broken(self, other, "*", operator.mul)

    def __rmul__(self, other: Any) -> Any:
        return _broken(other, self, "*", operator.mul)

    def __truediv__(self, other: Any) -> Any:
        return _broken(self, other, "/", operator.truediv)

    def __rtruediv__(self, other: Any) -> Any:
        return _broken(other, self, "/", operator.truediv)

    def __floordiv__(self, other: Any) -> Any:
        return _broken(self, other, "//", operator.floordiv)

    def __rfloordiv__(self, other: Any) -> Any:
        return _broken(other, self, "//", operator.floordiv)

    def __mod__(self, other: Any) -> Any:
        return _broken(self, other, "%", operator.mod)

    def __rmod__(self, other: Any) -> Any:
        if isinstance(other, (str, bytes)):
            return other % self.known()
        return _broken(other, self, "%", operator.mod)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int) or (
            isinstance(other, float) and self > 0
        ):  # others give complex numbers
            return _broken(self, other, "**", operator.pow)
        return self.known() ** known(other)

    def __rpow__(self, other: Any) -> Any:
        if isinstance(other, (int, float)) and other > 0:
            return _broken(other, self, "**", operator.pow)
        return other ** self.known()


Broken.__hash__ = Open.__hash__  # type: ignore[method-assign]
OPEN = (Whole, Broken)
# By kind of open number: what one becomes that outlives its trace. Given by `settled`.
SETTLED: dict[type, type] = {}
_become: Any = object.__dict__["__class__"].__set__  # past the property


UFUNCS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv, "negative": operator.neg,
    "square": lambda x: x * x, "reciprocal": lambda x: 1.0 / x if type(x) is Broken else 1 // x,
}  # fmt: skip


def is_open(x: Any) -> bool:
    """Whether a number depends on open sizes."""
    return type(x) in OPEN


def value_of(x: Any) -> Any:
    """The number itself, without a word."""
    return x.value if type(x) in OPEN else x


def known(x: Any) -> Any:
    """The number itself, of which the trace is one."""
    return x.known() if type(x) in OPEN else x


def text_of(x: Any) -> str:
    """A number as Python, to stand in an expression."""
    if type(x) not in OPEN:
        return repr(x)
    product = type(x) is Whole and len(x.terms) == 1 and "*" in x.text
    return f"({x.text})" if product else x.text


def _settled(x: Any) -> Any:
    """The number that one of an earlier trace is."""
    return x.value if type(x) in SETTLED.values() else x


def _terms(x: Any) -> Terms:
    return x.terms if type(x) is Whole else {(): int(x)} if x else {}


def _broken(a: Any, b: Any, sign: str, do: Callable[[Any, Any], Any]) -> Any:
    """A float by an operation of two numbers, one of them open; of other things not ours to compute."""
    a, b = _settled(a), _settled(b)
    if type(a) in (int, float, bool, *OPEN) and type(b) in (int, float, bool, *OPEN):
        value = do(value_of(a), value_of(b))
        sizes = a.sizes if type(a) in OPEN else b.sizes
        if type(value) is float and math.isfinite(value):
            return Broken(sizes, f"({text_of(a)} {sign} {text_of(b)})", value)
        return do(known(a), known(b))
    if isinstance(a, complex) or isinstance(b, complex):
        return do(known(a), known(b))
    return NotImplemented


def followed(name: str, do: Callable[..., Any], *given: Any) -> Any:
    """`do(*given)`, a float, of numbers some of which may be open; `name` is what expressions call it."""
    opened = [x for x in given if type(x) in OPEN]
    if opened and all(type(x) in (int, float, bool, *OPEN) for x in given):
        try:
            value = do(*map(value_of, given))
        except (ArithmeticError, ValueError):
            value = None
        if type(value) is float and math.isfinite(value):
            return Broken(opened[0].sizes, f"{name}({', '.join(map(text_of, given))})", value)
    return do(*map(known, given))


def _divided(a: Any, b: Any) -> Any:
    a, b = _settled(a), _settled(b)
    if not all(type(x) in (int, bool, Whole) for x in (a, b)):
        return _broken(a, b, "//", operator.floordiv)
    value = value_of(a) // value_of(b)
    sizes = a.sizes if type(a) is Whole else b.sizes
    if b != 0 and (made := quotient(_terms(a), _terms(b))) is not None:
        return sizes.whole(made, value)
    return sizes.atom(f"{text_of(a)} // {text_of(b)}", value)


def _rest(a: Any, b: Any) -> Any:
    a, b = _settled(a), _settled(b)
    if not all(type(x) in (int, bool, Whole) for x in (a, b)):
        return _broken(a, b, "%", operator.mod)
    value = value_of(a) % value_of(b)
    sizes = a.sizes if type(a) is Whole else b.sizes
    if b != 0 and quotient(_terms(a), _terms(b)) is not None:
        return 0
    return sizes.atom(f"{text_of(a)} % {text_of(b)}", value)
