"""Collectives on any Python objects, pickled. Only for ranks that trust each other, which ranks of one job do."""

# ruff: noqa: S301  (what is unpickled here was pickled by another rank of the same program)

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from flambeau.distributed.collectives import _root
from flambeau.distributed.groups import ProcessGroup, is_member, resolved

__all__ = [
    "all_gather_object",
    "broadcast_object_list",
    "gather_object",
    "scatter_object_list",
]


def all_gather_object(object_list: list[Any], obj: Any, group: ProcessGroup | None = None) -> None:
    """`object_list[i]` becomes rank i's `obj`, on every rank.

    >>> from flambeau import distributed
    >>> def rank():
    ...     found = [None] * 2
    ...     all_gather_object(found, {"rank": distributed.get_rank()})
    ...     return found
    >>> distributed.run_threads(rank, 2)[0]
    [{'rank': 0}, {'rank': 1}]
    """
    if is_member(group):
        object_list[:] = _gathered(resolved(group), obj)


def gather_object(
    obj: Any,
    object_gather_list: list[Any] | None = None,
    dst: int | None = None,
    group: ProcessGroup | None = None,
    group_dst: int | None = None,
) -> None:
    """`object_gather_list[i]` on rank `dst` becomes rank i's `obj`."""
    if not is_member(group):
        return
    members = resolved(group)
    found = _gathered(members, obj)
    if members.rank() == _root(members, dst, group_dst):
        if object_gather_list is None:
            raise ValueError(
                "Argument ``object_gather_list`` must be specified on destination rank."
            )
        object_gather_list[:] = found


def broadcast_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: ProcessGroup | None = None,
    device: Any = None,
    group_src: int | None = None,
) -> None:
    """`object_list` becomes that of rank `src`, element by element."""
    if not is_member(group):
        return
    members = resolved(group)
    root = _root(members, src, group_src)
    mine = object_list if members.rank() == root else None
    object_list[:] = _gathered(members, mine)[root]


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: list[Any] | None = None,
    src: int | None = None,
    group: ProcessGroup | None = None,
    group_src: int | None = None,
) -> None:
    """`scatter_object_output_list[0]` becomes this rank's element of rank `src`'s input list."""
    if not is_member(group):
        return
    members = resolved(group)
    root = _root(members, src, group_src)
    mine = scatter_object_input_list if members.rank() == root else None
    given = _gathered(members, mine)[root]
    if given is None or len(given) != members.size():
        raise ValueError(
            "scatter_object_list: expected scatter_object_input_list of the source rank to have one object "
            f"for each of {members.size()} ranks"
        )
    scatter_object_output_list[0] = given[members.rank()]


def _gathered(group: ProcessGroup, obj: Any) -> list[Any]:
    packed = np.frombuffer(pickle.dumps(obj, 5), np.uint8)
    found: list[Any] = []
    group.call(lambda: found.extend(group.allgather(packed)), async_op=False)
    return [pickle.loads(array.tobytes()) for array in found]
