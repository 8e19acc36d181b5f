"""The moments a callback may be called at, and in which order callbacks are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["EVENTS", "check_callbacks", "in_order"]

EVENTS = ("on_fit_start", "on_epoch_start", "on_step_end", "on_epoch_end", "on_fit_end")


def check_callbacks(callbacks: Iterable[Any]) -> list[Any]:
    """TypeError for an object that would never be called, such as a class or a misspelt method."""
    found = list(callbacks)
    for callback in found:
        if isinstance(callback, type):
            raise TypeError(f"Trainer: callback {callback.__name__} is a class, expected an object")
        if not any(hasattr(callback, event) for event in EVENTS):
            raise TypeError(
                f"Trainer: callback {type(callback).__name__} has none of the methods {', '.join(EVENTS)}"
            )
    return found


def in_order(callbacks: list[Any]) -> list[Any]:
    """As given, but those that save come last: what they save includes the others' states."""
    return sorted(callbacks, key=lambda callback: hasattr(callback, "last_path"))
