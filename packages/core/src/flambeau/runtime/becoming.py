"""Public functions that become the text written for their signature once they are called often.

A public function is made with one general body, which takes any arguments and counts. When it has been called `OFTEN` times the
text for its operator is compiled and takes the body's place in the same function object (`__code__`), so that everybody
who holds the function, a module or Tensor as its method, calls the text from then on: a call pays for one frame, which
Python binds. The text gives way to the general function by `again`, which hands over the arguments as they came.

Classes with a `__torch_function__` are told how a call was spelled, which a bound call no longer knows: while one is in force
functions have their general bodies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any

from . import backend, state
from .operator import OFTEN, Operator

Text = Callable[[dict[str, Any]], Any]
_lock = threading.Lock()
_others: list[Counted] = []  # functions that have become their texts


def _first(*args: Any, **kwargs: Any) -> Any:
    return _count(args, kwargs)  # type: ignore[name-defined]  # noqa: F821 -- in the function's own globals


FIRST = _first.__code__


class Counted:
    """The general body of one public function: counts its calls, and makes it another when they are many."""

    __slots__ = ("called", "code", "general", "often", "public", "text")

    def __init__(
        self, general: Callable[[tuple, dict[str, Any]], Any], text: Text, often: int
    ) -> None:
        self.general, self.text, self.often = general, text, often
        self.called = 0
        self.code: Any = None
        self.public: Any = None

    def __call__(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        self.called += 1
        if self.called > self.often and not state.overriding:
            self.become()
            if not self.often:  # the first call, too
                return self.public(*args, **kwargs)
        return self.general(args, kwargs)

    def become(self) -> None:
        """Gives the public function the text's code; who is in a call of it ends that as it began."""
        # Before the lock: a backend that is loaded brings providers, for which functions forget their texts.
        backend.of_device("cpu")
        with _lock:
            public = self.public
            if self.code is None:
                made = self.text(public.__globals__)
                # Before the code: the general body has no use for them.
                public.__defaults__, public.__kwdefaults__ = made.__defaults__, made.__kwdefaults__
                self.code = made.__code__
            public.__code__ = self.code
            _others.append(self)

    def soon(self) -> None:
        """Has the first call make the text, and go by it."""
        self.often = 0

    def forget(self) -> None:
        """Gives the function its general body; the text is made anew."""
        with _lock:
            if self.code is not None:
                self.go_back()
                self.code = None

    def go_back(self) -> None:
        self.public.__code__, self.called = FIRST, 0


def becoming(
    general: Callable[[tuple, dict[str, Any]], Any], text: Text, often: int = OFTEN
) -> Any:
    """A function of any arguments that calls `general(args, kwargs)` until it becomes `text(scope)`.

    `text` fills `scope`, the function's globals, and gives a function that reads them and has no closure.
    """
    counted = Counted(general, text, often)
    counted.public = FunctionType(FIRST, {"_count": counted}, "public")
    counted.public.forget, counted.public.soon = counted.forget, counted.soon
    return counted.public


def go_back() -> None:
    """Gives all functions their general bodies; each becomes its text again when it is called often again."""
    with _lock:
        while _others:
            _others.pop().go_back()


state.when_overridden = go_back


def compiled(title: str, text: str, scope: dict[str, Any]) -> Any:
    """The one function that a text defines, with `scope` as its globals. Its lines count as this package's in traces."""
    made: dict[str, Any] = {}
    exec(compile(text, f"{_HERE}<{title}>", "exec"), scope, made)  # noqa: S102 -- our own text
    return made.popitem()[1]


_HERE = __file__.rpartition("becoming")[0]


def again(
    op: Operator, general: Callable[[tuple, dict[str, Any]], Any]
) -> Callable[[tuple, dict[str, Any], tuple, dict[str, Any]], Any]:
    """What a text gives way to: `general` with the call's arguments.

    It is given the values of the positional parameters and of the others by name, what came after the positional ones, and what
    came by other names.
    """

    def call(values: tuple, words: dict[str, Any], rest: tuple, others: dict[str, Any]) -> Any:
        return general(*spelled(op, values, words, rest, others))

    return call


def spelled(
    op: Operator, values: tuple, words: dict[str, Any], rest: tuple, others: dict[str, Any]
) -> tuple[tuple, dict[str, Any]]:
    """(args, kwargs) of a bound call, without what has its default."""
    given = {p: v for p, v in words.items() if v is not op.defaults[op.index[p]]}
    count = len(values)
    if not rest and count <= op.positional:
        while count and values[count - 1] is op.defaults[count - 1]:
            count -= 1
        for i in range(count):
            if values[i] is op.defaults[i]:  # later ones came by name, most likely
                given |= {
                    op.params[k]: values[k]
                    for k in range(i, count)
                    if values[k] is not op.defaults[k]
                }
                count = i
                break
    return (*values[:count], *rest), {**given, **others}
