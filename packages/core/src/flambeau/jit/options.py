"""Parameter groups of optimizers, as a function sees them that is captured.

Options that it sets are set at every call. Those that it reads are numbers that the call is given, as its arguments are: part of its
key, and inputs of the program once they have changed (`scalars`). What else is done with a group leaves the program.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from types import NoneType
from typing import TYPE_CHECKING, Any

from ..runtime import state
from .owners import is_ours
from .scalars import NUMBERS
from .symbols import OPEN

if TYPE_CHECKING:
    from .capture import Capture

MAY_BE_SET = (*NUMBERS, *OPEN, bool)
MAY_BE_READ = (*NUMBERS, bool, str, NoneType)
MOST = 64


class Options:
    """The options that a function was seen to read. Their values follow the arguments of each call."""

    def __init__(self) -> None:
        self.known: list[tuple[weakref.ref, int, str]] = []  # optimizer, group, name
        self.first: list[Any] = []  # what they were in the call that was the first to read them

    def place(self, optimizer: Any, group: int, name: str, value: Any) -> int | None:
        """Which one it is; None if there are too many."""
        wanted = (weakref.ref(optimizer), group, name)
        if wanted not in self.known:
            if len(self.known) == MOST:
                return None
            self.known.append(wanted)
            self.first.append(value)
        return self.known.index(wanted)

    def values(self) -> list[Any]:
        return [_option(*which) for which in self.known]


def _option(optimizer: weakref.ref, group: int, name: str) -> Any:
    groups = state.groups_of(optimizer())
    return groups[group].get(name) if group < len(groups) else None


def leaves_options(owner: Any, how: str) -> bool:
    """Whether an effect of this owner's method leaves all options of optimizers as they are, but for one that it is told to set."""
    if how == "param_groups":
        return True
    if how != "step" or not is_ours(type(owner)) or not state.groups_of(owner):
        return False
    optimizer = import_module("flambeau.optim.optimizer")  # a layer above
    hooks = [optimizer._global_pre_hooks, optimizer._global_post_hooks]
    hooks += [getattr(owner, f"_optimizer_step_{when}_hooks") for when in ("pre", "post")]
    return not any(hooks)


def _set(optimizer: Any, group: int, name: str, value: Any) -> None:
    state.groups_of(optimizer)[group][name] = value  # which `load_state_dict` makes anew


def _leaving(name: str) -> Callable[..., Any]:
    """A method of the real thing, whose call leaves the program."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.leave()
        return getattr(self.real, name)(*args, **kwargs)

    return method


def setting(part: Any) -> tuple[Any, int, str] | None:
    """The optimizer, group and name of the option that a part of a captured call sets; None where it does something else."""
    call = getattr(part, "call", None)
    return call.args if type(call) is partial and call.func is _set else None


class Group:
    """One group: a dict, as far as anybody asks."""

    def __init__(self, capture: Capture, optimizer: Any, index: int) -> None:
        self.capture, self.optimizer, self.index = capture, optimizer, index
        self.real: dict[str, Any] = optimizer.__dict__["param_groups"][index]
        self.set: dict[str, Any] = {}  # by the function itself

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return dict

    def leave(self) -> None:
        state.reads_state("reading Optimizer.param_groups")

    def __getitem__(self, name: str) -> Any:
        if name in self.set:
            return self.set[name]
        if name == "params":
            return self.real[name]
        value = self.real.get(name)
        if name not in self.real or type(value) not in MAY_BE_READ:
            self.leave()
            return self.real[name]
        return self.capture.option(self.optimizer, self.index, name, value)

    def __setitem__(self, name: str, value: Any) -> None:
        if type(value) not in MAY_BE_SET or name not in self.real:
            self.leave()
            self.real[name] = value
            return
        setter = partial(_set, self.optimizer, self.index, name)
        state.effect(setter, self.optimizer, (), "param_groups", (value,))
        self.set[name] = value


class Groups:
    """All groups of an optimizer: a list, as far as anybody asks."""

    def __init__(self, capture: Capture, optimizer: Any) -> None:
        self.real: list[dict[str, Any]] = optimizer.__dict__["param_groups"]
        self.groups = [Group(capture, optimizer, i) for i in range(len(self.real))]

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
