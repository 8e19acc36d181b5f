"""The collectives on tensors. Each is written once, with the few operations that a `ProcessGroup` has.

Results are written into tensors that the caller gives, in place and past autograd, which does not see
communication. Tensors on a GPU go through host memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import flambeau
from flambeau.distributed.groups import ProcessGroup, is_member, resolved
from flambeau.distributed.reduction import ReduceOp, combined
from flambeau.distributed.work import Work
from flambeau.runtime.tensor import Tensor

__all__ = [
    "all_gather",
    "all_gather_into_tensor",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "broadcast",
    "gather",
    "irecv",
    "isend",
    "recv",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "scatter",
    "send",
]


def all_reduce(
    tensor: Tensor,
    op: ReduceOp = ReduceOp.SUM,
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """`tensor` becomes the sum (or what `op` says) of all ranks' tensors, in place, on every rank.

    >>> import flambeau
    >>> def rank(): x = flambeau.ones(2) * flambeau.distributed.get_rank(); all_reduce(x); return x.tolist()
    >>> flambeau.distributed.run_threads(rank, 3)
    [[3.0, 3.0], [3.0, 3.0], [3.0, 3.0]]
    """
    _check("all_reduce", tensor)

    def run(group: ProcessGroup) -> None:
        array = to_array(tensor)
        group.allreduce(array, op)
        write(tensor, array)

    return _start(run, group, async_op)


def broadcast(
    tensor: Tensor,
    src: int | None = None,
    group: ProcessGroup | None = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """`tensor` becomes that of world rank `src` (or of the group's rank `group_src`) on every rank."""
    _check("broadcast", tensor)

    def run(group: ProcessGroup) -> None:
        array = to_array(tensor)
        group.broadcast(array, _root(group, src, group_src))
        write(tensor, array)

    return _start(run, group, async_op)


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: ReduceOp = ReduceOp.SUM,
    group: ProcessGroup | None = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """`tensor` of rank `dst` becomes the combination of all; the others keep theirs."""
    _check("reduce", tensor)

    def run(group: ProcessGroup) -> None:
        array = np.array(to_array(tensor))
        group.allreduce(array, op)
        if group.rank() == _root(group, dst, group_dst):
            write(tensor, array)

    return _start(run, group, async_op)


def all_gather(
    tensor_list: list[Tensor],
    tensor: Tensor,
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """`tensor_list[i]` becomes rank i's `tensor`, on every rank; shapes may differ between ranks."""
    _check("all_gather", tensor, *tensor_list)

    def run(group: ProcessGroup) -> None:
        _check_count("all_gather", "tensor_list", tensor_list, group)
        for target, array in zip(tensor_list, group.allgather(to_array(tensor)), strict=True):
            write(target, array)

    return _start(run, group, async_op)


def all_gather_into_tensor(
    output_tensor: Tensor,
    input_tensor: Tensor,
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """`output_tensor` becomes all ranks' tensors, one after another or stacked, as its shape says."""
    _check("all_gather_into_tensor", output_tensor, input_tensor)

    def run(group: ProcessGroup) -> None:
        _check_size("all_gather_into_tensor", output_tensor, input_tensor, group)
        parts = group.allgather(to_array(input_tensor))
        write(output_tensor, np.stack(parts).reshape(tuple(output_tensor.shape)))

    return _start(run, group, async_op)


def gather(
    tensor: Tensor,
    gather_list: list[Tensor] | None = None,
    dst: int | None = None,
    group: ProcessGroup | None = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """`gather_list[i]` on rank `dst` becomes rank i's `tensor`; the others give no list."""
    _check("gather", tensor, *(gather_list or ()))

    def run(group: ProcessGroup) -> None:
        root = _root(group, dst, group_dst)
        _check_list("gather", "gather_list", gather_list, group, root)
        sent: list[np.ndarray] = [np.empty(0)] * group.size()
        sent[root] = to_array(tensor)
        received = group.alltoall(sent)
        for target, array in zip(gather_list or (), received, strict=False):
            write(target, array)

    return _start(run, group, async_op)


def scatter(
    tensor: Tensor,
    scatter_list: list[Tensor] | None = None,
    src: int | None = None,
    group: ProcessGroup | None = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """`tensor` on rank i becomes `scatter_list[i]` of rank `src`; the others give no list."""
    _check("scatter", tensor, *(scatter_list or ()))

    def run(group: ProcessGroup) -> None:
        root = _root(group, src, group_src)
        _check_list("scatter", "scatter_list", scatter_list, group, root)
        sent = [to_array(t) for t in scatter_list] if scatter_list else [np.empty(0)] * group.size()
        write(tensor, group.alltoall(sent)[root])

    return _start(run, group, async_op)


def reduce_scatter(
    output: Tensor,
    input_list: list[Tensor],
    op: ReduceOp = ReduceOp.SUM,
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """`output` on rank i becomes the combination of all ranks' `input_list[i]`."""
    _check("reduce_scatter", output, *input_list)

    def run(group: ProcessGroup) -> None:
        _check_count("reduce_scatter", "input_list", input_list, group)
        write(output, combined(group.alltoall([to_array(t) for t in input_list]), op))

    return _start(run, group, async_op)


def reduce_scatter_tensor(
    output: Tensor,
    input: Tensor,
    op: ReduceOp = ReduceOp.SUM,
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """As `reduce_scatter`, of equal parts of `input` along its first dimension."""
    _check("reduce_scatter_tensor", output, input)

    def run(group: ProcessGroup) -> None:
        _check_size("reduce_scatter_tensor", input, output, group)
        parts = to_array(input).reshape(group.size(), *output.shape)
        write(output, combined(group.alltoall(list(parts)), op))

    return _start(run, group, async_op)


def all_to_all(
    output_tensor_list: list[Tensor],
    input_tensor_list: list[Tensor],
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """`output_tensor_list[i]` becomes what rank i has for this rank in its `input_tensor_list`."""
    _check("all_to_all", *output_tensor_list, *input_tensor_list)

    def run(group: ProcessGroup) -> None:
        _check_count("all_to_all", "input_tensor_list", input_tensor_list, group)
        _check_count("all_to_all", "output_tensor_list", output_tensor_list, group)
        received = group.alltoall([to_array(t) for t in input_tensor_list])
        for target, array in zip(output_tensor_list, received, strict=True):
            write(target, array)

    return _start(run, group, async_op)


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: list[int] | None = None,
    input_split_sizes: list[int] | None = None,
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """As `all_to_all`, of parts of one tensor along its first dimension: equal, or of the sizes given."""
    _check("all_to_all_single", output, input)

    def run(group: ProcessGroup) -> None:
        array = to_array(input)
        if not input_split_sizes and len(array) % group.size():
            raise RuntimeError(
                f"all_to_all_single: {len(array)} rows do not divide by {group.size()} ranks; expected "
                "input_split_sizes"
            )
        cuts: Any = np.cumsum(input_split_sizes)[:-1] if input_split_sizes else group.size()
        received = group.alltoall(np.split(array, cuts))
        write(output, np.concatenate(received).reshape(tuple(output.shape)))

    return _start(run, group, async_op)


def barrier(
    group: ProcessGroup | None = None, async_op: bool = False, device_ids: Any = None
) -> Work | None:
    """Waits until all ranks of the group are here."""
    return _start(lambda group: group.barrier(), group, async_op)


def send(
    tensor: Tensor,
    dst: int | None = None,
    group: ProcessGroup | None = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> None:
    """Sends to world rank `dst`, which must `recv`."""
    work = isend(tensor, dst, group, tag, group_dst)
    if work is not None:
        work.wait()


def recv(
    tensor: Tensor,
    src: int | None = None,
    group: ProcessGroup | None = None,
    tag: int = 0,
    group_src: int | None = None,
) -> int:
    """Fills `tensor` with what world rank `src`, or with None any rank, sends; returns which rank did."""
    work = irecv(tensor, src, group, tag, group_src)
    return -1 if work is None else work.result()


def isend(
    tensor: Tensor,
    dst: int | None = None,
    group: ProcessGroup | None = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> Work | None:
    """As `send`, without waiting."""
    _check("send", tensor)
    if not is_member(group):
        return None
    members = resolved(group)
    array = np.array(to_array(tensor))
    to = _root(members, dst, group_dst)
    if to == members.rank():
        raise ValueError("Invalid destination rank: destination rank should not be the same as the rank of "
                         "the current process.")  # fmt: skip
    return _alone(lambda: members.send(array, to, tag))


def irecv(
    tensor: Tensor,
    src: int | None = None,
    group: ProcessGroup | None = None,
    tag: int = 0,
    group_src: int | None = None,
) -> Work | None:
    """As `recv`, without waiting."""
    _check("recv", tensor)
    if not is_member(group):
        return None
    members = resolved(group)
    source = None if src is None and group_src is None else _root(members, src, group_src)

    def run() -> int:
        array = np.array(to_array(tensor))
        sender = members.receive(array, source, tag)
        write(tensor, array)
        return members.ranks[sender]

    return _alone(run)


# -- between tensors and arrays


def to_array(tensor: Tensor) -> np.ndarray:
    """The tensor's memory as a contiguous NumPy array, shared with it where possible."""
    array = getattr(tensor, "_array", None)
    if type(array) is not np.ndarray:
        array = tensor.detach().cpu()._array
    return array if array.flags.c_contiguous else array.copy(order="C")


def write(tensor: Tensor, array: np.ndarray) -> None:
    """Writes a result into a tensor, unless it is there already."""
    own = getattr(tensor, "_array", None)
    if own is array:
        tensor._bump()
        return
    if type(own) is np.ndarray:
        if own.shape != array.shape:
            raise RuntimeError(
                f"distributed: a rank sent {list(array.shape)} into a tensor of {list(own.shape)}; expected "
                "equal shapes"
            )
        own[...] = array
        tensor._bump()
        return
    with flambeau.no_grad():
        tensor.detach().copy_(flambeau.from_numpy(array))


# -- calls and their checks


def _start(
    run: Callable[[ProcessGroup], None], group: ProcessGroup | None, async_op: bool
) -> Work | None:
    if not is_member(group):
        return None
    members = resolved(group)
    return members.call(lambda: run(members), async_op)


def _alone(run: Callable[[], Any]) -> Work:
    """A point-to-point call in a thread of its own: a send waits for its recv, and must not hold up others."""
    import threading

    from flambeau.distributed import context

    work, mine = Work(run), context.current()

    def serve() -> None:
        context.enter(mine)
        work.run()

    threading.Thread(target=serve, daemon=True).start()
    return work


def _root(group: ProcessGroup, global_rank: int | None, group_rank: int | None) -> int:
    """A rank of the group, named by its number in the world or in the group."""
    if global_rank is not None and group_rank is not None:
        raise ValueError("Can't specify both group_src/group_dst and src/dst")
    if group_rank is not None:
        if not 0 <= group_rank < group.size():
            raise ValueError(
                f"Group rank {group_rank} is not part of group with ranks {group.ranks}"
            )
        return group_rank
    return group.position(0 if global_rank is None else global_rank)


def _check(name: str, *tensors: Any) -> None:
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"Invalid function argument. Expected parameter `tensor` of {name} to be of type Tensor "
                f"but got {type(tensor)} instead."
            )


def _check_count(name: str, what: str, tensors: Sequence[Tensor], group: ProcessGroup) -> None:
    if len(tensors) != group.size():
        raise ValueError(
            f"{name}: {what} has {len(tensors)} tensors; expected one for each of {group.size()} ranks"
        )


def _check_list(
    name: str, what: str, tensors: list[Tensor] | None, group: ProcessGroup, root: int
) -> None:
    if group.rank() != root:
        if tensors:
            raise ValueError(
                f"Argument ``{what}`` must NOT be specified on non-{_end(name)} ranks."
            )
    elif not tensors:
        raise ValueError(f"Argument ``{what}`` must be specified on {_end(name)} rank.")
    else:
        _check_count(name, what, tensors, group)


def _end(name: str) -> str:
    return "destination" if name == "gather" else "source"


def _check_size(name: str, large: Tensor, small: Tensor, group: ProcessGroup) -> None:
    if large.numel() != small.numel() * group.size():
        raise ValueError(
            f"{name}: {list(large.shape)} and {list(small.shape)} on {group.size()} ranks; expected the "
            "first to have as many elements as the second has on all ranks together"
        )
