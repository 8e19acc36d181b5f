"""Callbacks: when they are called, and what each does."""

from __future__ import annotations

import csv
import importlib.util
import sys
import types

import pytest

import flambeau
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.train import (
    CSVLogger,
    EarlyStopping,
    LRFinder,
    ModelCheckpoint,
    ProgressBar,
    TensorBoard,
    Trainer,
)
from flambeau.utils.data import DataLoader, TensorDataset


def loader(batch: int = 4, shuffle: bool = True) -> DataLoader:
    x = flambeau.randn(16, 2, generator=flambeau.Generator().manual_seed(2))
    return DataLoader(TensorDataset(x, x.sum(dim=1, keepdim=True)), batch, shuffle=shuffle)


def trainer(*callbacks: object, lr: float = 0.05, **options) -> Trainer:
    model = nn.Linear(2, 1)
    optimizer = flambeau.optim.SGD(model.parameters(), lr=lr)
    return Trainer(model, F.mse_loss, optimizer, callbacks=callbacks, **options)


class Recorder:
    def __init__(self) -> None:
        self.events: list[str] = []

    def __getattr__(self, name: str):
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda trainer: self.events.append(f"{name} {trainer.epoch}.{trainer.batch}")


def test_moments():
    recorder = Recorder()
    trainer(recorder, accumulate=2).fit(loader(), epochs=1)
    assert recorder.events == [
        "on_fit_start 0.0",
        "on_epoch_start 0.0",
        "on_step_end 0.2",
        "on_step_end 0.4",
        "on_epoch_end 1.0",
        "on_fit_end 1.0",
    ]


def test_the_end_is_told_also_after_an_error():
    recorder = Recorder()
    failing = types.SimpleNamespace(on_step_end=lambda trainer: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trainer(failing, recorder).fit(loader(), epochs=1)
    assert recorder.events[-1] == "on_fit_end 0.1"


def test_what_would_never_be_called_is_refused():
    with pytest.raises(TypeError, match="EarlyStopping is a class, expected an object"):
        trainer(EarlyStopping)
    with pytest.raises(TypeError, match="SimpleNamespace has none of the methods on_fit_start, "):
        trainer(types.SimpleNamespace(on_epoch_finished=print))


def feed(callback, values, name="val_loss"):
    """The epochs after which the trainer was told to stop."""
    fake = types.SimpleNamespace(should_stop=False, logs={})
    for epoch, value in enumerate(values, start=1):
        fake.logs = {"loss": 0.0, name: value}
        callback.on_epoch_end(fake)
        if fake.should_stop:
            return epoch
    return None


def test_early_stopping_waits_patiently():
    assert feed(EarlyStopping(patience=2), [3, 2, 2.5, 1, 1, 1]) == 6
    assert feed(EarlyStopping(patience=2, min_delta=0.5), [3, 2.8, 2.6]) == 3
    assert feed(EarlyStopping("acc", mode="max", patience=1), [0.5, 0.6, 0.6], "acc") == 3
    assert feed(EarlyStopping(patience=2), [1.0, float("nan"), float("nan")]) == 3
    with pytest.raises(ValueError, match="monitor='f1' is not among loss, val_loss"):
        feed(EarlyStopping("f1"), [1.0])
    with pytest.raises(ValueError, match="mode='best', expected 'min' or 'max'"):
        EarlyStopping(mode="best")


def test_early_stopping_ends_a_training():
    run = trainer(EarlyStopping(patience=2), lr=0.0)
    assert len(run.fit(loader(), loader(shuffle=False), epochs=50)) == 3


def test_the_best_and_the_last_are_kept(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "runs" / "a", "val_loss")
    run = trainer(checkpoint, lr=0.05)
    history = run.fit(loader(), loader(), epochs=3)
    assert history[-1]["val_loss"] == min(row["val_loss"] for row in history)
    best = flambeau.load(checkpoint.best_path)
    assert best["epoch"] == 3
    for group in run.optimizer.param_groups:
        group["lr"] = 50.0  # from here on it only gets worse
    run.fit(loader(), loader(), epochs=4)
    assert flambeau.load(checkpoint.best_path)["epoch"] == 3
    assert flambeau.load(checkpoint.last_path)["epoch"] == 4
    fresh = nn.Linear(2, 1)
    fresh.load_state_dict(flambeau.load(checkpoint.best_path)["model"])
    assert flambeau.equal(fresh.weight, best["model"]["weight"])


def test_a_checkpoint_holds_the_states_of_callbacks_named_after_it(tmp_path):
    stopping = EarlyStopping(patience=9)
    trainer(ModelCheckpoint(tmp_path), stopping, lr=0.0).fit(
        loader(), loader(shuffle=False), epochs=3
    )
    states = flambeau.load(tmp_path / "last.pt")["callbacks"]
    assert {"best": stopping.monitor.best, "waited": 2} in states


def test_a_table_of_the_history(tmp_path):
    run = trainer(CSVLogger(tmp_path / "logs" / "run.csv"))
    history = run.fit(loader(), epochs=2)
    with open(tmp_path / "logs" / "run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in history]


def test_the_learning_rate_is_found_and_nothing_else_changes():
    finder, recorder = LRFinder(1e-5, 10.0, steps=60), Recorder()
    run = trainer(lr=123.0)
    before = {name: t.clone() for name, t in run.model.state_dict().items()}
    batches = loader()
    state = flambeau.get_rng_state()
    found = finder.find(run, batches)
    assert 1e-3 < found < 1.0
    assert flambeau.equal(flambeau.get_rng_state(), state)
    assert run.optimizer.param_groups[0]["lr"] == 123.0
    assert all(flambeau.equal(t, before[name]) for name, t in run.model.state_dict().items())
    assert len(finder.rates) == len(finder.losses) < 60, "a rate of 10 makes the loss explode"
    run = trainer(LRFinder(1e-5, 10.0, steps=60), recorder, lr=123.0)
    history = run.fit(loader(), epochs=3)
    assert history[-1]["lr"] < 1.0
    assert history[-1]["loss"] < history[0]["loss"]


def test_the_finder_says_what_is_in_its_way():
    run = trainer(LRFinder())
    run.step_scheduler = flambeau.optim.lr_scheduler.StepLR(run.optimizer, 1)
    with pytest.raises(ValueError, match="the scheduler was made with another rate"):
        run.fit(loader(), epochs=1)
    with pytest.raises(ValueError, match="expected 0 < start < end"):
        LRFinder(1.0, 0.1)


def test_no_bar_without_a_terminal(capsys):
    run = trainer()
    assert not any(isinstance(callback, ProgressBar) for callback in run.callbacks)
    run.fit(loader(), epochs=1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(importlib.util.find_spec("tqdm") is None, reason="tqdm is not installed")
def test_a_bar_when_asked_for(capsys):
    trainer(progress=True).fit(loader(), epochs=2)
    shown = capsys.readouterr().err
    assert "epoch 1/2: 100%" in shown
    assert "4/4" in shown
    assert "loss=" in shown


def test_a_bar_without_tqdm_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"progress=True needs tqdm.*flambeau\[train\]"):
        trainer(progress=True)


def test_curves_for_tensorboard(tmp_path):
    trainer(TensorBoard(tmp_path, every_n_steps=2)).fit(loader(), epochs=2)
    (file,) = tmp_path.glob("events.out.tfevents.*")
    written = file.read_bytes()
    for name in (b"step/loss", b"step/lr", b"epoch/loss", b"epoch/lr"):
        assert name in written
    assert written.count(b"step/loss") == 4
