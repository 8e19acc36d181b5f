"""Data-parallel training: two ranks, each with half of every batch, end where one process does.

    python examples/distributed_ddp.py                                          # ranks are threads
    UCX_TLS=self,sm mpiexec -n 2 python examples/distributed_ddp.py --mpi       # ranks are processes

The second needs `pip install "flambeau[mpi]"`. A program differs only in how it is started.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import flambeau
import flambeau.distributed as dist
from flambeau import nn
from flambeau.nn.parallel import DistributedDataParallel
from flambeau.utils.data import DataLoader, DistributedSampler, TensorDataset

BATCH = 32


def data() -> TensorDataset:
    """Points of the plane; is each inside the circle?"""
    points = flambeau.randn(512, 2, generator=flambeau.Generator().manual_seed(1))
    return TensorDataset(points, (points.norm(dim=1) < 1.2).long())


def start_model() -> nn.Module:
    """The same numbers in every rank, from a generator of its own: threads share the global one."""
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    generator = flambeau.Generator().manual_seed(0)
    with flambeau.no_grad():
        for parameter in model.parameters():
            parameter.copy_(flambeau.randn(parameter.shape, generator=generator) * 0.5)
    return model


def train(epochs: int) -> tuple[nn.Module, float]:
    """What every rank runs; returns its model and the loss on all points."""
    points, ranks = data(), dist.get_world_size()
    model = start_model()
    parallel = DistributedDataParallel(model)
    sampler = DistributedSampler(points, shuffle=False)
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for x, y in DataLoader(points, batch_size=BATCH // ranks, sampler=sampler):
            optimizer.zero_grad()
            nn.functional.cross_entropy(parallel(x), y).backward()
            optimizer.step()
    x, y = points.tensors
    with flambeau.no_grad():
        return model, nn.functional.cross_entropy(model(x), y).item()


def train_alone(epochs: int) -> nn.Module:
    """The same, in one process without ranks: whole batches, in the order the ranks see together."""
    model = start_model()
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    for _ in range(epochs):
        for x, y in DataLoader(data(), batch_size=BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains on ranks, trains alone, and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mpi", action="store_true", help="ranks are processes, by mpiexec")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(arguments)
    if options.mpi:
        dist.init_process_group("mpi")
        found = [train(options.epochs)]
        first, ranks = dist.get_rank() == 0, dist.get_world_size()
    else:
        found = dist.run_threads(lambda: train(options.epochs), 2)
        first, ranks = True, 2
    alone = train_alone(options.epochs)
    for model, _ in found:
        for ours, expected in zip(model.parameters(), alone.parameters(), strict=True):
            flambeau.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4)
    if first:
        print(f"{ranks} ranks: loss {found[0][1]:.4f}, and the weights of training alone")
    if options.mpi:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
