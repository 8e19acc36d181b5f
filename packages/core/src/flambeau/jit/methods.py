"""Methods that are compiled: each object has programs of its own, which see its attributes and go when it goes."""

from __future__ import annotations

import types
from typing import Any

KEPT_IN = "_compiled_methods"


class Methods:
    """The compiled methods of one object, in its `__dict__`. Copies and files of the object have none."""

    __slots__ = ("made", "owner")

    def __init__(self, owner: Any = None) -> None:
        self.owner = owner
        self.made: dict[Any, Any] = {}  # by what stands in the class

    def __reduce__(self) -> Any:
        return (Methods, ())


def bound(compiled: Any, instance: Any) -> Any:
    """`compiled`, which stands in a class, as a method of `instance`."""
    members = getattr(instance, "__dict__", None)
    if isinstance(instance, type):
        return types.MethodType(compiled, instance)  # a class method: the class is an argument
    if type(members) is not dict:
        compiled._refuse(f"a {type(instance).__name__} has no __dict__ to keep its programs in")
        return types.MethodType(compiled._function, instance)
    kept = members.get(KEPT_IN)
    if (
        kept is None or kept.owner is not instance
    ):  # none yet, or those of what this was copied from
        kept = members[KEPT_IN] = Methods(instance)
    made = kept.made.get(compiled)
    if made is None:
        method = types.MethodType(compiled._function, instance)
        made = kept.made.setdefault(compiled, compiled.over(method))
    return made
