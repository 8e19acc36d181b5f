"""Patterns of dotted names: `*` stands for part of a segment, `**` for any number of segments."""

from __future__ import annotations

import re
from collections.abc import Iterable

GlobPattern = str | Iterable[str]


class GlobGroup:
    """Names that one of some patterns matches, and none of some others.

    >>> group = GlobGroup("model.**", exclude="model.tests.*")
    >>> [group.matches(name) for name in ("model", "model.layers.conv", "model.tests.slow", "data")]
    [True, True, False, False]
    """

    def __init__(
        self, include: GlobPattern, *, exclude: GlobPattern = (), separator: str = "."
    ) -> None:
        self.separator = separator
        self.include, self.exclude = (
            [
                _expression(glob, separator)
                for glob in ([given] if isinstance(given, str) else given)
            ]
            for given in (include, exclude)
        )
        self._shown = f"GlobGroup(include={include}, exclude={exclude})"

    def matches(self, candidate: str) -> bool:
        """Whether a name is one of the group's."""
        name = self.separator + candidate
        return any(p.fullmatch(name) for p in self.include) and not any(
            p.fullmatch(name) for p in self.exclude
        )

    def __repr__(self) -> str:
        return self._shown

    __str__ = __repr__


def _expression(glob: str, separator: str) -> re.Pattern[str]:
    mark = re.escape(separator)
    inside = f"[^{mark}]"

    def segment(text: str) -> str:
        if text == "**":
            return f"(?:{mark}{inside}+)*"
        if "**" in text:
            raise ValueError("** can only appear as an entire path segment")
        return mark + f"{inside}*".join(map(re.escape, text.split("*")))

    return re.compile("".join(map(segment, glob.split(separator))))
