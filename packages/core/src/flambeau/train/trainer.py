"""`Trainer`: the training loop, the same for every model.

What must hold: a run that is killed at any moment and resumed ends with the weights of one that was not, bit for bit. So all
that a step depends on is in the checkpoint (`saving.py`), and checkpoints are taken between optimizer steps only.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import flambeau
from flambeau import nn
from flambeau._base import pytree
from flambeau.nn.parallel import DistributedDataParallel
from flambeau.train import batches, randomness, ranks, saving
from flambeau.train.callbacks.events import check_callbacks, in_order
from flambeau.train.callbacks.progress import ProgressBar, wanted
from flambeau.train.metrics import Averages, Metrics
from flambeau.train.stepping import Stepper

__all__ = ["Trainer"]


class Trainer:
    """Trains, evaluates and uses a model.

    - `model`: any module. `loss(output, target)` gives a number to make small. Batches are `(input, ..., target)`, and the
      output is `model(input, ...)`. For other kinds of training give `step(model, batch)` instead: it returns the loss, or
      a dict of numbers with ``"loss"`` among them.
    - `epoch_scheduler` is stepped after each epoch (`ReduceLROnPlateau` with the validation loss, or the training loss
      where there is none), `step_scheduler` after each optimizer step.
    - `metrics`: by name, functions of output and target whose values are averaged, or objects with `update`, `compute`
      and `reset`.
    - `callbacks`: objects with any of `on_fit_start`, `on_epoch_start`, `on_step_end`, `on_epoch_end` and `on_fit_end`, each
      called with the trainer.
    - `accumulate` batches make one optimizer step; `clip_grad_norm` and `clip_grad_value` limit its gradients.
    - `amp`: `flambeau.bfloat16` or `flambeau.float16` for mixed precision.
    - `device` to train on; None: where the model is.
    - `seed`: seeds Python's, NumPy's and flambeau's generators when training starts, and asks for deterministic algorithms.
    - `progress`: a bar on standard error; by default where that is a terminal and tqdm is installed.

    What it knows while it trains: `epoch` (finished epochs), `batch` (finished batches of this one), `global_step` (optimizer
    steps), `logs` (the newest numbers), `history` (those of all epochs), `should_stop` (set it to end after this epoch).
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[..., Any] | None = None,
        optimizer: Any = None,
        *,
        step: Callable[[Any, Any], Any] | None = None,
        epoch_scheduler: Any = None,
        step_scheduler: Any = None,
        metrics: Mapping[str, Any] | None = None,
        callbacks: Iterable[Any] = (),
        accumulate: int = 1,
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        amp: Any = None,
        device: Any = None,
        seed: int | None = None,
        progress: bool | None = None,
    ) -> None:
        _check(loss, step, metrics, accumulate, amp)
        self.model = model if device is None else model.to(device)
        self.loss = loss
        self.optimizer = optimizer
        self.custom_step = step
        self.epoch_scheduler = epoch_scheduler
        self.step_scheduler = step_scheduler
        self.metrics = Metrics(metrics or {})
        bar = [ProgressBar()] if wanted(progress) else []
        self.callbacks = in_order([*check_callbacks(callbacks), *bar])
        self.accumulate = accumulate
        self.device = device
        self.seed = seed
        self.stepper = Stepper(
            model,
            optimizer,
            amp=amp,
            clip_grad_norm=clip_grad_norm,
            clip_grad_value=clip_grad_value,
        )
        self.epoch = self.batch = self.global_step = 0
        self.epochs = 0
        self.logs: dict[str, float] = {}
        self.history: list[dict[str, float]] = []
        self.should_stop = False
        self.averages = Averages()
        self.train_loader: Any = None
        # The random states at the beginning of this epoch, from which its batches are drawn again.
        self.epoch_start: dict[str, Any] | None = None
        # What each rank kept for itself, loaded and not yet in force.
        self.loaded_states: list[dict[str, Any]] | None = None
        self._parallel: nn.Module | None = None

    # -- training

    def fit(
        self,
        train_loader: Iterable[Any],
        val_loader: Iterable[Any] | None = None,
        *,
        epochs: int,
        resume: str | os.PathLike[str] | bool = False,
    ) -> list[dict[str, float]]:
        """Trains until `epochs` epochs are done in all, and returns the history: a dict of numbers for each.

        `resume` is a checkpoint to go on from, or True for the last one of the trainer's `ModelCheckpoint`, if there is one
        yet: then a script that was killed does the right thing when it is started again.
        """
        if self.optimizer is None or (self.loss is None and self.custom_step is None):
            raise ValueError("fit: training needs an optimizer, and a loss or a step")
        ranks.join()
        resumed = saving.found(resume, self.callbacks)
        if resumed is not None:
            self.load(resumed)
        elif self.epoch >= epochs:
            raise ValueError(
                f"fit: {self.epoch} epochs are done and epochs={epochs} counts them all; ask for more"
            )
        else:
            self.should_stop = False
        self.epochs = epochs
        self.train_loader = ranks.shared(train_loader, self.seed or 0)
        with self._deterministic():
            if self.seed is not None and self.global_step == 0:
                randomness.seed_everything(self.seed + ranks.mine())
            try:
                self._emit("on_fit_start")
                while self.epoch < epochs and not self.should_stop:
                    self._run_epoch(val_loader)
            finally:
                self._emit("on_fit_end")
        return self.history

    def _run_epoch(self, val_loader: Iterable[Any] | None) -> None:
        ahead = self._batches()
        self._emit("on_epoch_start")
        self._train(ahead)
        if self.batch == 0:
            raise ValueError("fit: the training loader gave no batch")
        self.logs = self._results(self.averages)
        if val_loader is not None:
            found = self.evaluate(val_loader)
            self.logs |= {f"val_{name}": value for name, value in found.items()}
        self.logs["lr"] = float(self.optimizer.param_groups[0]["lr"])
        self._step_epoch_scheduler()
        self.epoch += 1
        self.batch = 0
        self.history.append({"epoch": self.epoch, **self.logs})
        self._emit("on_epoch_end")

    def _batches(self) -> Iterator[Any]:
        """This epoch's batches; in an epoch that was interrupted, those that are left."""
        loader = self.train_loader
        sampler: Any = getattr(loader, "sampler", None)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(self.epoch)
        states, self.loaded_states = self.loaded_states, None
        here = None if states is None else saving.of_this_rank(states)
        if here is None:
            self.batch = 0  # an epoch that an error ended begins anew
        else:
            _warn_of_workers(loader, self.epoch)
            randomness.restore(here["epoch_start"] if self.batch else here["now"], loader)
        self.optimizer.zero_grad()
        self.averages = Averages()
        if here is not None and self.batch:
            self.averages.sums = here["averages"]
        else:
            self.metrics.reset()
        self.epoch_start = randomness.capture(loader)
        drawn = iter(loader)
        if here is not None and self.batch:
            # Drawn and dropped, which costs reading them, because nothing less is right for every dataset and worker.
            found = sum(1 for _ in zip(range(self.batch), drawn))
            if found < self.batch:
                raise ValueError(
                    f"fit: the checkpoint is {self.batch} batches into its epoch, and the loader gave only {found}"
                )
            randomness.restore(here["now"], loader)
        return drawn

    def _train(self, drawn: Iterator[Any]) -> None:
        network = self._network()
        network.train()
        total = _length(self.train_loader)
        if total is None and self.accumulate > 1 and ranks.count() > 1:
            raise TypeError("fit: accumulate on several ranks needs a loader that has a length")
        pending = self.batch % self.accumulate
        for batch in drawn:
            first = self.batch - pending
            parts = self.accumulate if total is None else min(self.accumulate, total - first)
            pending += 1
            last = pending == parts
            batch = batches.moved(batch, self.device)
            with nullcontext() if last or network is self.model else network.no_sync():
                self._learn(network, batch, parts)
            self.batch += 1
            if last:
                self._step()
                pending = 0
        if pending:
            self._step()

    def _learn(self, network: nn.Module, batch: Any, parts: int) -> None:
        with self.stepper.precision():
            values = self._values(network, batch)
        loss = values["loss"]
        if not isinstance(loss, flambeau.Tensor) or loss.numel() != 1:
            raise TypeError(f"fit: the loss is {_described(loss)}, expected a tensor of one number")
        self.stepper.backward(loss, parts)
        self.averages.add(_numbers(values), batches.size_of(batch))
        self.logs = {"loss": float(loss.detach())}

    def _step(self) -> None:
        self.stepper.step()
        if self.step_scheduler is not None:
            self.step_scheduler.step()
        self.global_step += 1
        self._emit("on_step_end")

    def _step_epoch_scheduler(self) -> None:
        scheduler = self.epoch_scheduler
        if isinstance(scheduler, flambeau.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(self.logs.get("val_loss", self.logs["loss"]))
        elif scheduler is not None:
            scheduler.step()

    def _network(self) -> nn.Module:
        """The model, on several ranks wrapped so that they train it together."""
        if ranks.count() == 1:
            return self.model
        if self._parallel is None:
            self._parallel = DistributedDataParallel(self.model)
        return self._parallel

    # -- using what was trained

    def evaluate(self, loader: Iterable[Any]) -> dict[str, float]:
        """The mean loss and metrics over all samples of `loader`, on several ranks each looking at a part."""
        averages = Averages()
        training = copy.deepcopy(self.metrics.state_dict())
        self.metrics.reset()
        ranks.agree(self.model.buffers())
        with self._evaluating():
            for batch in ranks.own(loader):
                batch = batches.moved(batch, self.device)
                with self.stepper.precision():
                    values = self._values(self.model, batch)
                averages.add(_numbers(values), batches.size_of(batch))
        found = self._results(averages)
        self.metrics.load_state_dict(training)
        return found

    def predict(self, loader: Iterable[Any]) -> Any:
        """The model's outputs for all batches, joined along the first dimension.

        Batches are inputs, or `(input, ..., target)` as in training, whose target is left out; `(input,)` is an input alone.
        """
        outputs = []
        with self._evaluating():
            for batch in loader:
                batch = batches.moved(batch, self.device)
                with self.stepper.precision():
                    outputs.append(batches.call(self.model, batches.inputs_of(batch)))
        if not outputs:
            raise ValueError("predict: the loader gave no batch")
        spec = pytree.flatten(outputs[0])[1]
        columns = zip(*(pytree.flatten(output)[0] for output in outputs))
        return pytree.unflatten([flambeau.cat(column) for column in columns], spec)

    def _values(self, network: nn.Module, batch: Any) -> dict[str, Any]:
        """The loss and metrics of a batch."""
        if self.custom_step is not None:
            found = self.custom_step(network, batch)
            values = dict(found) if isinstance(found, Mapping) else {"loss": found}
            if "loss" not in values:
                raise ValueError(f"step: the dict it returned has no 'loss', only {sorted(values)}")
            return values
        inputs, target = batches.separated(batch)
        output = batches.call(network, inputs)
        loss = {} if self.loss is None else {"loss": self.loss(output, target)}
        if not self.metrics:
            return loss
        with flambeau.no_grad():
            return loss | self.metrics.measure(_detached(output), target)

    def _results(self, averages: Averages) -> dict[str, float]:
        if ranks.count() > 1:
            if self.metrics.collectors:
                raise TypeError(
                    f"Trainer: metric {next(iter(self.metrics.collectors))!r} collects by itself and cannot be joined over "
                    f"{ranks.count()} ranks, expected functions of output and target"
                )
            averages = Averages.merged(ranks.gathered(averages.sums))
        return averages.means() | self.metrics.collected()

    # -- states

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a checkpoint with all that training depends on; the file appears whole or not at all.

        `flambeau.load(path)["model"]` is the model's state dict. On several ranks all must call it; rank 0 writes.
        """
        saving.save(self, path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Goes back to a checkpoint of `save`; `fit` then goes on from there."""
        saving.load(self, path)

    @contextmanager
    def _deterministic(self) -> Iterator[None]:
        before = flambeau.are_deterministic_algorithms_enabled()
        if self.seed is not None:
            flambeau.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            flambeau.use_deterministic_algorithms(before)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with flambeau.no_grad():
                yield
        finally:
            for module, mode in modes:
                module.training = mode

    def _emit(self, event: str) -> None:
        for callback in self.callbacks:
            method = getattr(callback, event, None)
            if method is not None:
                method(self)


def _check(loss: Any, step: Any, metrics: Any, accumulate: Any, amp: Any) -> None:
    if loss is not None and step is not None:
        raise ValueError(
            "Trainer: loss and step are two ways to say the same, expected one of them"
        )
    if step is not None and metrics:
        raise ValueError(
            "Trainer: with step= there is no output for metrics; return them in its dict"
        )
    if not isinstance(accumulate, int) or accumulate < 1:
        raise ValueError(f"Trainer: accumulate={accumulate!r}, expected a positive int")
    if amp not in (None, flambeau.bfloat16, flambeau.float16):
        raise ValueError(
            f"Trainer: amp={amp!r}, expected flambeau.bfloat16, flambeau.float16 or None"
        )


def _warn_of_workers(loader: Any, epoch: int) -> None:
    if epoch and getattr(loader, "persistent_workers", False):
        warnings.warn(
            "fit: persistent workers go on with their random numbers from epoch to epoch, and new ones cannot; a resumed run "
            "is only bit-identical if the dataset draws none",
            stacklevel=5,
        )


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _detached(value) for name, value in values.items()}


def _detached(value: Any) -> Any:
    return pytree.map_(
        lambda leaf: leaf.detach() if isinstance(leaf, flambeau.Tensor) else leaf, value
    )


def _described(value: Any) -> str:
    if isinstance(value, flambeau.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
