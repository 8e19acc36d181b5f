"""What a rank knows of itself, in one object: its groups. A process has one; each rank of `run_threads` its own.

All of `flambeau.distributed` asks `current()`, never a global, so that ranks can be threads.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flambeau.distributed.groups import ProcessGroup

__all__ = ["RankContext", "current", "enter"]


class RankContext:
    """The groups that one rank belongs to."""

    def __init__(self) -> None:
        self.world: ProcessGroup | None = None
        self.groups: list[ProcessGroup] = []


_process = RankContext()
_local = threading.local()


def current() -> RankContext:
    """The context of the rank that this thread works for."""
    return getattr(_local, "context", _process)


def enter(context: RankContext) -> None:
    """Lets this thread work for a rank."""
    _local.context = context
