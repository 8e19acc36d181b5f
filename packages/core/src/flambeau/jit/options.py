"""Parameter groups of optimizers, as a function sees them that is captured: options that it sets are set at every call.

What it reads of them are the parameters, and what it has set itself. Other options are those of one call, which a program cannot
have: reading one leaves the program, as does whatever else is done with a group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..runtime import state
from .scalars import NUMBERS
from .symbols import OPEN

PLAIN_OPTIONS = (*NUMBERS, *OPEN, bool)


def _set(group: dict[str, Any], name: str, value: Any) -> None:
    group[name] = value


def _leaving(name: str) -> Callable[..., Any]:
    """A method of the real thing, whose call leaves the program."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.leave()
        return getattr(self.real, name)(*args, **kwargs)

    return method


class Group:
    """One group: a dict, as far as anybody asks."""

    def __init__(self, optimizer: Any, real: dict[str, Any]) -> None:
        self.optimizer, self.real = optimizer, real
        self.set: dict[str, Any] = {}  # by the function itself, since the last effect

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return dict

    def leave(self) -> None:
        state.reads_state("reading Optimizer.param_groups")

    def __getitem__(self, name: str) -> Any:
        if name in self.set:
            return self.set[name]
        if name != "params":
            self.leave()
        return self.real[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if type(value) not in PLAIN_OPTIONS or name not in self.real:
            self.leave()
            self.real[name] = value
            return
        state.effect(partial(_set, self.real, name), self.optimizer, (), "param_groups", (value,))
        self.set[name] = value


class Groups:
    """All groups of an optimizer: a list, as far as anybody asks."""

    def __init__(self, optimizer: Any) -> None:
        self.real: list[dict[str, Any]] = optimizer.__dict__["param_groups"]
        self.groups = [Group(optimizer, g) for g in self.real]

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return list

    def leave(self) -> None:
        state.reads_state("reading Optimizer.param_groups")

    def forget(self) -> None:
        """An effect may have set any option."""
        for group in self.groups:
            group.set.clear()

    def __getitem__(self, i: Any) -> Any:
        return self.groups[i]

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)


_KNOWN = ("__new__", "__init__", "__init_subclass__", "__class__", "__class_getitem__", "__subclasshook__", "__getattribute__", "__setattr__", "__delattr__", "__doc__", "__dir__")  # fmt: skip
for _kind, _real in ((Group, dict), (Groups, list)):
    for _name in vars(_real):
        if _name not in vars(_kind) and _name not in _KNOWN:
            setattr(_kind, _name, _leaving(_name))
