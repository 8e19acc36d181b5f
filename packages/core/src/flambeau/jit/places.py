"""Where a captured call left the program: the reasons, and the line of the user's code where the first was met."""

from __future__ import annotations

import sys
from typing import Any


class Places(list):
    """The reasons why a call is no program, as a capture notes them. `first`: the file and line of the first, for messages."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice = "", False  # twice: the call was made once before

    def append(self, reason: Any) -> None:
        if not self:
            self.first = _here()
        super().append(reason)

    def clear(self) -> None:
        super().clear()
        self.first = ""


def _here() -> str:
    """The line of the user's code that is being run; nothing outside of the captured function."""
    from .purity import USERS, whose  # here: most calls are programs

    frame: Any = sys._getframe(2)
    while frame is not None and whose(frame.f_code.co_filename) is not USERS:
        if frame.f_code.co_name == "captured":
            return ""
        frame = frame.f_back
    return "" if frame is None else f" ({frame.f_code.co_filename}:{frame.f_lineno})"
