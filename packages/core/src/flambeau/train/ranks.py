"""Training on several ranks: joining them, sharing the data out, agreeing on results.

A script is written for one process. Started as `mpiexec -n 4 python train.py` its Trainer joins the four; a process group
that is there already (`flambeau.distributed.init_process_group`) is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from flambeau import distributed
from flambeau.utils.data import (
    DataLoader,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
)

__all__ = ["agree", "count", "gathered", "join", "mine", "own", "shared"]

# Set by the launchers of MPICH and Intel MPI, of Open MPI, and of SLURM's PMIx.
_LAUNCHED = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")


def join() -> None:
    """Makes the group of all ranks, if this process was launched as one of several and there is none."""
    if distributed.is_initialized():
        return
    if any(int(os.environ.get(name, "1")) > 1 for name in _LAUNCHED):
        distributed.init_process_group("mpi")


def count() -> int:
    """How many ranks train together; 1 without a group."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def mine() -> int:
    """This rank's number; 0 without a group."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def gathered(value: Any) -> list[Any]:
    """What all ranks gave, in their order."""
    if count() == 1:
        return [value]
    found: list[Any] = [None] * count()
    distributed.all_gather_object(found, value)
    return found


def agree(tensors: Iterable[Any]) -> None:
    """Gives rank 0's tensors to all, such as the running means of batch normalization, which each rank has its own of."""
    if count() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor, 0)


def shared(loader: Any, seed: int) -> Any:
    """The loader of this rank's share of the training data: equally many batches for all."""
    if count() == 1 or isinstance(getattr(loader, "sampler", None), DistributedSampler):
        return loader
    _check_sharable(loader)
    shuffle = isinstance(loader.sampler, RandomSampler)
    sampler = DistributedSampler(
        loader.dataset, shuffle=shuffle, seed=seed, drop_last=loader.drop_last
    )
    return _with_sampler(loader, sampler)


def own(loader: Any) -> Any:
    """The loader of this rank's share of data to evaluate on: every sample in exactly one rank."""
    if count() == 1:
        return loader
    _check_sharable(loader)
    return _with_sampler(loader, range(mine(), len(loader.dataset), count()))


def _check_sharable(loader: Any) -> None:
    if not isinstance(loader, DataLoader):
        raise TypeError(
            f"Trainer: a {type(loader).__name__} cannot be shared among {count()} ranks, expected a DataLoader"
        )
    known = (RandomSampler, SequentialSampler, DistributedSampler)
    if loader.batch_size is None or not isinstance(loader.sampler, known):
        raise TypeError(
            f"Trainer: the order of {type(loader.sampler).__name__} cannot be shared among {count()} ranks; "
            "give the DataLoader a DistributedSampler"
        )


def _with_sampler(loader: DataLoader[Any], sampler: Any) -> DataLoader[Any]:
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        sampler=sampler,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        drop_last=loader.drop_last,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor if loader.num_workers else None,
        persistent_workers=loader.persistent_workers,
        in_order=loader.in_order,
    )
