"""`config.load` and `config.save`: what loading and saving do where their arguments do not say.

>>> import flambeau
>>> flambeau.utils.serialization.config.save.compute_crc32
True
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...serialization.options import load, save

__all__ = ["load", "patch", "save"]


@contextmanager
def patch(
    arg1: str | dict[str, Any] | None = None, arg2: Any = None, **kwargs: Any
) -> Iterator[None]:
    """Changes settings for the length of a `with` block: `patch("load.mmap", True)`, or a dict of several.

    AttributeError for a setting that does not exist.
    """
    wanted = {arg1: arg2} if isinstance(arg1, str) else dict(arg1 or {}) | kwargs
    groups = {"load": load, "save": save}
    places = {name: (groups[name.split(".")[0]], name.split(".")[1]) for name in wanted}
    before = {name: getattr(group, key) for name, (group, key) in places.items()}
    try:
        for name, (group, key) in places.items():
            setattr(group, key, wanted[name])
        yield
    finally:
        for name, (group, key) in places.items():
            setattr(group, key, before[name])
