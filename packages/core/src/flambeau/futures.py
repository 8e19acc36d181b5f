"""Values that come later: `torch.futures`."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence
from typing import Any


class Future:
    """A value that some thread sets later; `wait` blocks until it has.

    >>> import flambeau
    >>> future = flambeau.futures.Future()
    >>> doubled = future.then(lambda f: 2 * f.value())
    >>> future.set_result(flambeau.tensor(3))
    >>> doubled.wait()
    tensor(6)
    """

    def __init__(self, *, devices: Sequence[Any] | None = None) -> None:
        self._inner: concurrent.futures.Future = concurrent.futures.Future()

    def __class_getitem__(cls, item: Any) -> Any:
        return cls

    def done(self) -> bool:
        """Whether there is a value or an exception."""
        return self._inner.done()

    def wait(self) -> Any:
        """The value, or the exception raised; blocks until there is one."""
        return self._inner.result()

    def value(self) -> Any:
        """The value of a future that is done. RuntimeError if it is not."""
        if not self.done():
            raise RuntimeError("value() called on a Future that is not done; call wait()")
        return self._inner.result()

    def set_result(self, result: Any) -> None:
        """Gives the value. RuntimeError if there is one already."""
        self._once()
        self._inner.set_result(result)

    def set_exception(self, result: BaseException) -> None:
        """Gives an exception, which `wait` raises. TypeError if it is none."""
        if not isinstance(result, BaseException):
            raise TypeError(f"{result!r} is of type {type(result).__name__}, not an Exception.")
        self._once()
        self._inner.set_exception(result)

    def _once(self) -> None:
        if self.done():
            raise RuntimeError("Future can only be marked completed once")

    def then(self, callback: Callable[[Future], Any]) -> Future:
        """A future of `callback(self)`, called when this one is done, at once if it is."""
        after = Future()

        def run(_: Any) -> None:
            try:
                after.set_result(callback(self))
            except Exception as error:
                after.set_exception(error)

        self._inner.add_done_callback(run)
        return after

    def add_done_callback(self, callback: Callable[[Future], None]) -> None:
        """Calls `callback(self)` when this is done."""
        self._inner.add_done_callback(lambda _: callback(self))


def collect_all(futures: Sequence[Future]) -> Future:
    """A future of the list of futures, done when all are."""
    together = Future()
    left = [len(futures)]

    def one_less(_: Future) -> None:
        left[0] -= 1
        if left[0] == 0:
            together.set_result(list(futures))

    if not futures:
        together.set_result([])
    for future in futures:
        future.add_done_callback(one_less)
    return together


def wait_all(futures: Sequence[Future]) -> list:
    """The values of all, once all are there."""
    return [future.wait() for future in collect_all(futures).wait()]
