"""Process groups: making them, asking them, ending them.

A `ProcessGroup` has a handful of operations on raw NumPy arrays; the public collectives on tensors, in
`collectives.py`, are written with these and are the same for every backend.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from flambeau.distributed import context
from flambeau.distributed.reduction import ReduceOp
from flambeau.distributed.work import Courier, Work

__all__ = [
    "Backend",
    "ProcessGroup",
    "destroy_process_group",
    "get_backend",
    "get_global_rank",
    "get_group_rank",
    "get_process_group_ranks",
    "get_rank",
    "get_world_size",
    "group",
    "init_process_group",
    "is_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "new_group",
    "resolved",
]

NOT_INITIALIZED = (
    "Default process group has not been initialized, please make sure to call init_process_group."
)


class ProcessGroup(ABC):
    """Ranks that communicate, seen from one of them: `rank` of `size`; `ranks` are their numbers in the world.

    The operations work on contiguous NumPy arrays, block until done, and may be called from one thread at a
    time, which `call` sees to.
    """

    backend: str

    def __init__(self, ranks: Sequence[int], rank: int) -> None:
        self.ranks = list(ranks)
        self._rank = rank
        mine = context.current()
        # The courier's thread works for this rank too.
        self.courier = Courier(lambda: context.enter(mine))

    def rank(self) -> int:
        """This rank's number in the group."""
        return self._rank

    def size(self) -> int:
        """How many ranks the group has."""
        return len(self.ranks)

    def name(self) -> str:
        """The backend's name."""
        return self.backend

    def call(self, operation: Callable[[], Any], async_op: bool) -> Work | None:
        """Runs an operation of this group in its turn: now, or as a `Work`."""
        if async_op:
            return self.courier.submit(operation)
        self.courier.run(operation)
        return None

    def position(self, global_rank: int) -> int:
        """A world rank's number in this group; ValueError if it is no member."""
        if global_rank not in self.ranks:
            raise ValueError(
                f"Global rank {global_rank} is not part of group with ranks {self.ranks}"
            )
        return self.ranks.index(global_rank)

    def close(self) -> None:
        """Finishes what is under way."""
        self.courier.stop()

    @abstractmethod
    def allreduce(self, array: np.ndarray, op: ReduceOp) -> None:
        """Every rank's `array` becomes the combination of all."""

    @abstractmethod
    def broadcast(self, array: np.ndarray, root: int) -> None:
        """Every rank's `array` becomes `root`'s."""

    @abstractmethod
    def allgather(self, array: np.ndarray) -> list[np.ndarray]:
        """The arrays of all ranks, which may differ in shape."""

    @abstractmethod
    def alltoall(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Sends the i-th array to rank i; what the ranks sent here, in their order."""

    @abstractmethod
    def send(self, array: np.ndarray, to: int, tag: int) -> None:
        """Sends to a rank."""

    @abstractmethod
    def receive(self, array: np.ndarray, source: int | None, tag: int) -> int:
        """Fills `array` with what a rank, or with None any, sends; returns which."""

    @abstractmethod
    def barrier(self) -> None:
        """Waits until all ranks are here."""

    @abstractmethod
    def split(self, ranks: Sequence[int]) -> ProcessGroup | None:
        """A group of some world ranks; None in the others. All ranks of this group must call it."""


class _Groups:
    """`distributed.group`: holds `WORLD`."""

    @property
    def WORLD(self) -> ProcessGroup | None:
        """The group of all ranks; None before `init_process_group`."""
        return context.current().world


group = _Groups()


def is_available() -> bool:
    """True: the threads backend needs nothing."""
    return True


class Backend(str):
    """Names of backends as PyTorch spells them: `Backend("MPI") == Backend.MPI == "mpi"`.

    Those that there are here: "mpi" and "threads".
    """

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    XCCL = "xccl"
    UCC = "ucc"
    MPI = "mpi"
    FAKE = "fake"

    def __new__(cls, name: str) -> Any:
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return name.lower()


def is_mpi_available() -> bool:
    """Whether mpi4py is installed."""
    return find_spec("mpi4py") is not None


def is_nccl_available() -> bool:
    """False: there is no NCCL backend yet; tensors on a GPU go through host memory."""
    return False


def is_gloo_available() -> bool:
    """False: MPI takes Gloo's place here."""
    return False


def is_initialized() -> bool:
    """Whether this rank has a default group.

    >>> is_initialized()
    False
    """
    return context.current().world is not None


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Joins the ranks that were started together; call it once, first.

    `backend` is ``"mpi"`` (the default), under ``mpiexec``; inside `run_threads` it is ``"threads"``, and
    joined already. The launcher gives rank and world size; if given here they must agree with it. The other
    arguments serve PyTorch's own rendezvous and are refused where they would matter.
    """
    mine = context.current()
    if mine.world is not None:
        if mine.world.backend == "threads" and backend in (None, "threads"):
            return
        raise ValueError("trying to initialize the default process group twice!")
    if store is not None or init_method not in (None, "env://", "mpi://"):
        raise ValueError(
            f"init_process_group: rendezvous by {'store' if store is not None else init_method!r} is not "
            "supported; start the script with mpiexec and use init_process_group('mpi')"
        )
    if backend not in (None, "mpi"):
        if backend == "threads":
            raise RuntimeError(
                "init_process_group: the threads backend exists only inside "
                "flambeau.distributed.run_threads(function, world_size)"
            )
        raise ValueError(
            f"init_process_group: backend {backend!r} is not available; expected 'mpi' (pip install "
            "'flambeau[mpi]' and start with mpiexec)"
        )
    from flambeau.distributed.mpi import world

    made = world()
    for name, given, found in (
        ("world_size", world_size, made.size()),
        ("rank", rank, made.rank()),
    ):
        if given not in (-1, found):
            raise ValueError(
                f"init_process_group: {name}={given}, but mpiexec started this process with {name}={found}"
            )
    mine.world = made
    mine.groups = [made]


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """Leaves a group, or all of them."""
    mine = context.current()
    if mine.world is None:
        raise ValueError(NOT_INITIALIZED)
    leaving = list(mine.groups) if group in (None, mine.world) else [resolved(group)]
    for member in leaving:
        member.close()
        mine.groups.remove(member)
    if not mine.groups:
        mine.world = None


def resolved(group: ProcessGroup | None) -> ProcessGroup:
    """The group meant: the given one, or the world. ValueError before `init_process_group`."""
    if group is not None:
        return group
    world = context.current().world
    if world is None:
        raise ValueError(NOT_INITIALIZED)
    return world


def get_rank(group: ProcessGroup | None = None) -> int:
    """This rank's number in the group, or -1 if it is no member (`new_group` gave None here)."""
    return resolved(group).rank() if group is not _NON_MEMBER else -1


def get_world_size(group: ProcessGroup | None = None) -> int:
    """How many ranks the group has, or -1 if this rank is no member."""
    return resolved(group).size() if group is not _NON_MEMBER else -1


def get_backend(group: ProcessGroup | None = None) -> str:
    """The name of the group's backend."""
    return resolved(group).backend


def get_process_group_ranks(group: ProcessGroup | None) -> list[int]:
    """The world ranks of a group's members, in the group's order."""
    return list(resolved(group).ranks)


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """A world rank's number in the group."""
    return group.position(global_rank)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The world rank of the group's member of that number."""
    if not 0 <= group_rank < group.size():
        raise ValueError(f"Group rank {group_rank} is not part of group with ranks {group.ranks}")
    return group.ranks[group_rank]


class _NonMember:
    """What `new_group` gives to ranks outside it; collectives on it do nothing, as in PyTorch."""

    def __repr__(self) -> str:
        return "<not a member of this group>"


_NON_MEMBER: Any = _NonMember()


def is_member(group: ProcessGroup | None) -> bool:
    """Whether this rank takes part in the group's collectives."""
    return group is not _NON_MEMBER


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: Any = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
) -> Any:
    """A group of some ranks (all by default). Every rank of the world must call it, in the same order."""
    world = resolved(None)
    chosen = sorted(world.ranks if ranks is None else ranks)
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"new_group: ranks {list(ranks or ())} name one twice")
    for rank in chosen:
        if rank not in world.ranks:
            raise ValueError(
                f"The new group's rank should be within the world_size set by init_process_group: {rank} is "
                f"not in 0 to {world.size() - 1}"
            )
    made: list[ProcessGroup | None] = []
    world.call(lambda: made.append(world.split(chosen)), async_op=False)
    if made[0] is None:
        return _NON_MEMBER
    context.current().groups.append(made[0])
    return made[0]
