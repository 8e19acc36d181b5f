"""Open numbers after their trace: the function may have kept some, in an attribute or a list. They are plain numbers then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .symbols import SETTLED, Broken, Open, Whole


class SettledWhole(Open):
    """An int: its value in the trace, in everything."""

    __slots__ = ("terms",)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return int

    @property
    def text(self) -> str:
        return repr(self.value)

    def __repr__(self) -> str:
        return repr(self.value)


class SettledBroken(Open):
    """A float."""

    __slots__ = ("_text",)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return float

    text = SettledWhole.text
    __repr__ = SettledWhole.__repr__


def _forwarded(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        plain = [a.value if type(a) in (SettledWhole, SettledBroken) else a for a in args]
        return getattr(self.value, name)(*plain)

    return method


_BOTH = ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow")
_WORDS = [*_BOTH, *(f"r{n}" for n in _BOTH), "neg", "abs", "eq", "ne", "lt", "le", "gt", "ge", "bool", "hash", "trunc", "floor", "ceil", "round"]  # fmt: skip
_BITS = ("and", "or", "xor", "lshift", "rshift")
for _word in _WORDS:
    for _kind in (SettledWhole, SettledBroken):
        setattr(_kind, f"__{_word}__", _forwarded(f"__{_word}__"))
for _word in (*_BITS, *(f"r{n}" for n in _BITS), "invert", "index"):
    setattr(SettledWhole, f"__{_word}__", _forwarded(f"__{_word}__"))
SETTLED.update({Whole: SettledWhole, Broken: SettledBroken})
