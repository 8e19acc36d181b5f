"""What stands for names that flambeau lacks: it can be imported, compared and subclassed, and says its name when used."""

from __future__ import annotations

from typing import Any, NoReturn


class MissingName(NotImplementedError, AttributeError):
    """A name of PyTorch's that flambeau does not have was used."""


class Missing:
    """A name that is not there. Any use but passing it around raises MissingName."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        name = self._name
        raise MissingName(
            f"{name} is not available in flambeau (code that does not use it runs; see docs/compat.md)"
        )

    __call__ = __setattr__ = __getitem__ = __setitem__ = __iter__ = __len__ = __enter__ = _refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __or__ = __ror__ = __lt__ = __gt__ = __le__ = (
        __ge__
    ) = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self._name}.{name}")

    def __mro_entries__(self, bases: tuple) -> tuple:
        """Subclassing works; making an instance of the subclass does not."""
        name = self._name

        class Absent:
            def __new__(cls, *_: Any, **__: Any) -> Any:
                raise MissingName(
                    f"{name}, the base of {cls.__name__}, is not available in flambeau"
                )

        return (Absent,)

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<{self._name}: not available in flambeau>"
