"""Locks and forks: a child has none of its parent's other threads, and would wait forever for a lock that one of them holds."""

from __future__ import annotations

import os
import threading
from typing import Any


def lock_over_forks() -> Any:
    """A reentrant lock that forks wait for. It is to be held for moments only."""
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
