"""Settings as attributes of a module, as `torch.backends` has them: read as they are, checked when they are set.

They are wishes about libraries (cuDNN, oneDNN, MKL) that flambeau does not use, so that most change nothing and are kept for
who asks. Two mean something here: the precision of float32 products, which `config` shows too, and the implementations that
`scaled_dot_product_attention` may choose from.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from .._base.checks import check

PRECISIONS = ("ieee", "tf32", "bf16", "none")

# The numbers of the attention implementations that are allowed, see `nn.attention.SDPBackend`.
attention: ContextVar[tuple[int, ...]] = ContextVar("attention backends", default=(0, 1, 2, 3, 4))


class products:
    """How exact float32 products must be: "highest", "high" or "medium"."""

    precision = "highest"


class Settings(types.ModuleType):
    """A module whose settings are checked: `_kinds` says of which class each is."""

    _kinds: dict[str, tuple[type, ...]]

    def __setattr__(self, name: str, value: Any) -> None:
        kinds = self._kinds.get(name)
        if kinds is not None:
            check(
                type(value) in kinds,
                lambda: (
                    f"{self.__name__}.{name} expects a {kinds[0].__name__}, but got {type(value).__name__}"
                ),
            )
        if name == "fp32_precision":
            check_precision(value)
        super().__setattr__(name, value)


def check_precision(value: Any) -> None:
    """RuntimeError unless it is the name of a precision."""
    check(value in PRECISIONS, lambda: f"Unknown precision: {value}")


class Precision:
    """How exact one kind of operation may be: `fp32_precision`. Everything is computed in its own dtype here."""

    def __init__(self) -> None:
        self.fp32_precision = "none"

    def __setattr__(self, name: str, value: Any) -> None:
        check(name == "fp32_precision", lambda: f"Unknown attribute {name}", AttributeError)
        check_precision(value)
        object.__setattr__(self, name, value)


def settle(module: str, **kinds: type | tuple[type, ...]) -> None:
    """Makes an ordinary module one with checked settings."""
    found = sys.modules[module]
    found.__dict__["_kinds"] = {
        name: kind if isinstance(kind, tuple) else (kind,) for name, kind in kinds.items()
    }
    found.__class__ = Settings


def replace(module: str, wanted: dict[str, Any]) -> tuple[Any, ...]:
    """Sets what is not None, and gives all the values there were before."""
    found = sys.modules[module]
    before = tuple(getattr(found, name) for name in wanted)
    for name, value in wanted.items():
        if value is not None:
            setattr(found, name, value)
    return before


@contextlib.contextmanager
def replaced(module: str, wanted: dict[str, Any]) -> Iterator[None]:
    """The settings inside the block; afterwards they are as before, those that were None too."""
    found = sys.modules[module]
    before = replace(module, wanted)
    try:
        yield
    finally:
        for name, value in zip(wanted, before, strict=True):
            setattr(found, name, value)
