"""What stands for names that flambeau lacks: imported, compared, subclassed, annotated with, and refused when used."""

from __future__ import annotations

import sys
import types
from typing import Any, NoReturn, Union


class MissingName(NotImplementedError, AttributeError):
    """A name of PyTorch's that flambeau does not have was used."""


def refuse(name: str) -> NoReturn:
    """Says that `name` was used."""
    raise MissingName(
        f"{name} is not available in flambeau (code that does not use it runs; see docs/compat.md)"
    )


def _is_defining() -> bool:
    """Whether a package is being imported: its decorators and tables run, which is not yet a use.

    A program's own top level is a use: nobody would see a stand-in that it only passes around.
    """
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class Missing:
    """A name that is not there. It can be passed around; use raises MissingName.

    Calls while a module is being imported are put off: `@torch.thing(option)` above a function imports, and the function
    refuses when it is called.
    """

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __call__(self, *_: Any, **__: Any) -> Any:
        if _is_defining():
            return Missing(f"{self._name.removesuffix('(...)')}(...)")
        refuse(self._name)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        refuse(self._name)

    __setattr__ = __setitem__ = __iter__ = __len__ = __enter__ = _refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self._name}.{name}")

    def __getitem__(self, item: Any) -> Any:
        """A generic's parameters, as annotations have them."""
        return Missing(f"{self._name}[...]")

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007  (`|` is what is being defined)

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A method that a missing decorator took: itself, which refuses when called."""
        return self

    def __mro_entries__(self, bases: tuple) -> tuple:
        """Subclassing works; making an instance of the subclass does not."""
        name = self._name

        class Absent:
            def __new__(cls, *_: Any, **__: Any) -> Any:
                raise MissingName(
                    f"{name}, the base of {cls.__name__}, is not available in flambeau"
                )

            def __class_getitem__(cls, item: Any) -> Any:
                return cls

        return (Absent,)

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __subclasscheck__(self, subclass: Any) -> bool:
        return False

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<{self._name}: not available in flambeau>"
