"""`flambeau.device`: where a tensor's memory is."""

from __future__ import annotations

import threading
from typing import Any

KINDS = ("cpu", "cuda", "meta")


class device:
    """A device such as `device("cuda", 1)`, `device("cuda:1")` or `device("cpu")`.

    >>> import flambeau
    >>> flambeau.device("cuda:1").index
    1
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int):
            type, index = "cuda", type
        elif not isinstance(type, str):
            raise TypeError(f"argument 'device' must be device, not {type.__class__.__name__}")
        elif ":" in type:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            type, _, number = type.partition(":")
            if not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{type}:{number}'")
            index = int(number)
        if type not in KINDS:
            raise RuntimeError(
                f"Expected one of {', '.join(KINDS)} device type at start of device string: {type}"
            )
        self.type, self.index = type, index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (
            ")" if self.index is None else f", index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple:
        return (device, (self.type, self.index))

    def __enter__(self) -> device:
        """Factory functions make tensors here until the block ends."""
        default.outer.append(default.device)
        default.device = self
        return self

    def __exit__(self, *error: object) -> None:
        default.device = default.outer.pop()


CPU = device("cpu")
META = device("meta")


class _Default(threading.local):
    """The device on which this thread's factory functions make tensors, and those to return to."""

    def __init__(self) -> None:
        self.device = CPU
        self.outer: list[device] = []


default = _Default()
