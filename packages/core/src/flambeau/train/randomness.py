"""Where all random numbers of a training come from: seeding these sources, keeping and restoring their states.

They are Python's `random`, NumPy's global generator, flambeau's default generator, and the generators that a loader and
its samplers were given. A sampler or dataset with randomness of its own takes part by having `state_dict` and
`load_state_dict`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

import flambeau
from flambeau.random import get_rng_state, set_rng_state

__all__ = ["capture", "restore", "seed_everything"]


def seed_everything(seed: int) -> None:
    """Seeds Python's, NumPy's and flambeau's global generators; call it before the model is made.

    >>> import flambeau
    >>> seed_everything(1); a = flambeau.rand(2)
    >>> seed_everything(1); flambeau.equal(a, flambeau.rand(2))
    True
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    flambeau.manual_seed(seed)


def capture(loader: Any) -> dict[str, Any]:
    """The states of all sources, as plain data that `flambeau.load` reads with `weights_only=True`."""
    numpy_state: dict[str, Any] = np.random.get_state(legacy=False)
    return {
        "python": random.getstate(),
        "numpy": {**numpy_state, "state": _plain(numpy_state["state"])},
        "flambeau": get_rng_state(),
        "generators": [generator.get_state() for generator in _generators(loader)],
        "parts": [part.state_dict() for part in _stateful(loader)],
    }


def restore(state: dict[str, Any], loader: Any) -> None:
    """Puts all sources back to what `capture` gave."""
    random.setstate(state["python"])
    key = np.array(state["numpy"]["state"]["key"], dtype=np.uint32)
    np.random.set_state(
        {**state["numpy"], "state": {"key": key, "pos": state["numpy"]["state"]["pos"]}}
    )
    set_rng_state(state["flambeau"])
    for generator, saved in zip(_generators(loader), state["generators"]):
        generator.set_state(saved)
    for part, saved in zip(_stateful(loader), state["parts"]):
        part.load_state_dict(saved)


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    return {"key": state["key"].tolist(), "pos": int(state["pos"])}


def _parts(loader: Any) -> Iterator[Any]:
    """A loader, its samplers and its dataset."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    for part in (
        loader,
        getattr(loader, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
        getattr(loader, "dataset", None),
    ):
        if part is not None:
            yield part


def _generators(loader: Any) -> list[Any]:
    found = [getattr(part, "generator", None) for part in _parts(loader)]
    return list({id(g): g for g in found if isinstance(g, flambeau.Generator)}.values())


def _stateful(loader: Any) -> list[Any]:
    found = {id(part): part for part in _parts(loader) if hasattr(part, "load_state_dict")}
    return list(found.values())
