"""A training that is killed with SIGKILL and started again ends as one that was never disturbed, bit for bit."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import flambeau
from flambeau import nn
from flambeau._base import pytree
from flambeau.train import ModelCheckpoint, Trainer
from flambeau.utils.data import DataLoader, TensorDataset

SCRIPT = pathlib.Path(__file__).with_name("resuming.py")


def start(folder: pathlib.Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(SCRIPT), str(folder), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )


def finish(folder: pathlib.Path, *options: str) -> dict:
    with start(folder, *options) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert flambeau.load(folder / "done.pt") == {"steps": 33}
    return flambeau.load(folder / "last.pt")


def kill_at(step: int, folder: pathlib.Path, *options: str) -> str:
    """Runs until `step`, kills, and returns where that was."""
    with start(folder, *options, "--stop-at", str(step)) as process:
        assert process.stdout is not None
        where = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)
    assert process.returncode == -signal.SIGKILL
    return where.strip()


def assert_identical(a: object, b: object) -> None:
    (ours, ours_spec), (theirs, theirs_spec) = pytree.flatten(a), pytree.flatten(b)
    assert str(ours_spec) == str(theirs_spec)
    for x, y in zip(ours, theirs, strict=True):
        if isinstance(x, flambeau.Tensor):
            assert x.dtype == y.dtype
            assert x.numpy().tobytes() == y.numpy().tobytes()
        else:
            assert x == y or (x != x and y != y)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--own-generator",)], ids=str)
def test_killed_and_resumed_is_bit_identical(tmp_path: pathlib.Path, options: tuple) -> None:
    undisturbed = finish(tmp_path / "whole", *options)
    killed = tmp_path / "killed"
    # Steps 7 and 19 are in the middle of epochs, and checkpoints are taken at 6 and 18: a step is done twice.
    assert kill_at(7, killed, *options) == "epoch 0 batch 14"
    interrupted = flambeau.load(killed / "last.pt")
    assert (interrupted["epoch"], interrupted["batch"], interrupted["global_step"]) == (0, 12, 6)
    assert kill_at(19, killed, *options) == "epoch 1 batch 16"
    resumed = finish(killed, *options)
    assert_identical(resumed, undisturbed)
    assert (killed / "log.csv").read_text() == (tmp_path / "whole" / "log.csv").read_text()
    assert_identical(
        flambeau.load(killed / "best.pt"), flambeau.load(tmp_path / "whole" / "best.pt")
    )


@pytest.mark.slow
def test_killed_while_saving_leaves_a_whole_file(tmp_path: pathlib.Path) -> None:
    for delay in (0.02, 0.05, 0.09):
        with start(tmp_path, "--stop-at", "4") as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdin.close()  # runs on, saving every third step
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        state = flambeau.load(tmp_path / "last.pt")
        assert state["global_step"] % 3 == 0 or state["batch"] == 0
        (tmp_path / "last.pt").unlink()


def small(folder: pathlib.Path | None = None, **options) -> tuple[Trainer, DataLoader]:
    flambeau.manual_seed(1)
    model = nn.Linear(3, 2)
    x = flambeau.randn(12, 3)
    loader = DataLoader(TensorDataset(x, x.argmax(1) % 2), batch_size=4)
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    callbacks = [ModelCheckpoint(folder)] if folder else []
    return Trainer(
        model, nn.functional.cross_entropy, optimizer, callbacks=callbacks, **options
    ), loader


def test_a_finished_run_started_again_does_nothing(tmp_path: pathlib.Path) -> None:
    trainer, loader = small(tmp_path)
    history = trainer.fit(loader, epochs=2, resume=True)
    again, loader = small(tmp_path)
    assert again.fit(loader, epochs=2, resume=True) == history
    assert flambeau.equal(again.model.weight, trainer.model.weight)
    assert len(again.fit(loader, epochs=3)) == 3


def test_a_checkpoint_that_does_not_fit_says_what_differs(tmp_path: pathlib.Path) -> None:
    trainer, loader = small(tmp_path)
    trainer.fit(loader, epochs=1)
    path = tmp_path / "last.pt"
    other, _ = small()
    with pytest.raises(ValueError, match="states of 1 callbacks, and here are 0"):
        other.load(path)
    scheduled, _ = small(tmp_path)
    scheduled.epoch_scheduler = flambeau.optim.lr_scheduler.StepLR(scheduled.optimizer, 1)
    with pytest.raises(ValueError, match="has no epoch_scheduler, and the trainer has one"):
        scheduled.load(path)
    flambeau.save({"w": flambeau.ones(1)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="weights.pt is no checkpoint of a Trainer"):
        trainer.load(tmp_path / "weights.pt")
    with pytest.raises(FileNotFoundError):
        trainer.load(tmp_path / "nowhere.pt")
    with pytest.raises(ValueError, match="resume=True needs a ModelCheckpoint"):
        other.fit(loader, epochs=1, resume=True)


def test_states_of_another_number_of_ranks_are_refused(tmp_path: pathlib.Path) -> None:
    trainer, loader = small(tmp_path)
    trainer.fit(loader, epochs=1)
    state = flambeau.load(tmp_path / "last.pt")
    flambeau.save({**state, "ranks": state["ranks"] * 2}, tmp_path / "two.pt")
    with pytest.raises(ValueError, match="is of 2 ranks and here are 1; start as many"):
        trainer.fit(loader, epochs=2, resume=tmp_path / "two.pt")


@pytest.mark.slow
def test_persistent_workers_are_warned_of(tmp_path: pathlib.Path) -> None:
    trainer, loader = small(tmp_path)
    trainer.fit(loader, epochs=1)
    kept = DataLoader(loader.dataset, 4, num_workers=1, persistent_workers=True)
    with pytest.warns(UserWarning, match="persistent workers go on with their random numbers"):
        trainer.fit(kept, epochs=2, resume=True)


def test_a_loader_shorter_than_the_epoch_so_far_is_refused(tmp_path: pathlib.Path) -> None:
    trainer, loader = small()
    trainer.callbacks = [SaveAt(2, tmp_path / "two.pt")]
    trainer.fit(loader, epochs=1)
    again, loader = small()
    with pytest.raises(ValueError, match="is 2 batches into its epoch, and the loader gave only 1"):
        again.fit(DataLoader(loader.dataset, 12), epochs=1, resume=tmp_path / "two.pt")
    again, loader = small()
    again.fit(loader, epochs=1, resume=tmp_path / "two.pt")
    assert flambeau.equal(again.model.weight, trainer.model.weight)


class SaveAt:
    def __init__(self, step: int, path: pathlib.Path) -> None:
        self.step, self.path = step, path

    def on_step_end(self, trainer: Trainer) -> None:
        if trainer.global_step == self.step:
            trainer.save(self.path)
