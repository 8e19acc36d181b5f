"""A trainer's checkpoints: one file with everything the next step depends on.

Written between optimizer steps, so that there are no gradients to keep. It holds plain data and tensors only and is read
with `weights_only=True`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import flambeau
from flambeau.train import randomness, ranks

if TYPE_CHECKING:
    from flambeau.train.trainer import Trainer

__all__ = ["found", "load", "of_this_rank", "save"]

_PARTS = ("model", "optimizer", "epoch_scheduler", "step_scheduler")


def save(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Gathers the ranks' states; rank 0 writes the file, and nobody goes on before it is there."""
    states = ranks.gathered(_states_of_this_rank(trainer))
    if ranks.mine() == 0:
        flambeau.save(_whole(trainer, states), path)
    if ranks.count() > 1:
        flambeau.distributed.barrier()


def load(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Puts a trainer into the state of a file."""
    state = flambeau.load(path, map_location="cpu")
    if not isinstance(state, dict) or "global_step" not in state:
        raise ValueError(f"Trainer: {os.fspath(path)} is no checkpoint of a Trainer")
    for name in _PARTS:
        part = getattr(trainer, name)
        if (part is None) != (state[name] is None):
            there, here = ("has", "has none") if part is None else ("has no", "has one")
            raise ValueError(f"Trainer: {os.fspath(path)} {there} {name}, and the trainer {here}")
        if part is not None:
            part.load_state_dict(state[name])
    trainer.stepper.scaler.load_state_dict(state["scaler"])
    _load_callbacks(trainer.callbacks, state["callbacks"])
    trainer.metrics.load_state_dict(state["metrics"])
    for name in ("epoch", "batch", "global_step", "history", "should_stop"):
        setattr(trainer, name, state[name])
    trainer.loaded_states = state["ranks"]


def of_this_rank(states: list[dict[str, Any]]) -> dict[str, Any]:
    """What this rank kept for itself: random states, and sums over its batches."""
    if len(states) != ranks.count():
        raise ValueError(
            f"fit: the checkpoint is of {len(states)} ranks and here are {ranks.count()}; start as many, or begin "
            "anew from its weights, flambeau.load(path)['model']"
        )
    return states[ranks.mine()]


def found(resume: str | os.PathLike[str] | bool, callbacks: Iterable[Any]) -> Any:
    """The file to go on from, None to begin anew."""
    if not isinstance(resume, bool):
        return resume
    if not resume:
        return None
    files = [callback.last_path for callback in callbacks if hasattr(callback, "last_path")]
    if not files:
        raise ValueError(
            "fit: resume=True needs a ModelCheckpoint among the callbacks; or give a path"
        )
    return next((file for file in files if file.exists()), None)


def _states_of_this_rank(trainer: Trainer) -> dict[str, Any]:
    now = randomness.capture(trainer.train_loader)
    return {
        "now": now,
        "epoch_start": trainer.epoch_start if trainer.batch else None,
        "averages": trainer.averages.sums,
    }


def _whole(trainer: Trainer, states: list[dict[str, Any]]) -> dict[str, Any]:
    parts = {name: getattr(trainer, name) for name in _PARTS}
    return {
        **{name: None if part is None else part.state_dict() for name, part in parts.items()},
        "scaler": trainer.stepper.scaler.state_dict(),
        "callbacks": [
            callback.state_dict()
            for callback in trainer.callbacks
            if hasattr(callback, "state_dict")
        ],
        "metrics": trainer.metrics.state_dict(),
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "global_step": trainer.global_step,
        "history": trainer.history,
        "should_stop": trainer.should_stop,
        "ranks": states,
    }


def _load_callbacks(callbacks: Iterable[Any], states: list[Any]) -> None:
    keeping = [callback for callback in callbacks if hasattr(callback, "state_dict")]
    if len(keeping) != len(states):
        raise ValueError(
            f"Trainer: the checkpoint has the states of {len(states)} callbacks, and here are {len(keeping)} that keep one"
        )
    for callback, state in zip(keeping, states):
        callback.load_state_dict(state)
