"""What a Trainer writes is read by others: its checkpoints by PyTorch, its curves by TensorBoard; and its steps are PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flambeau
from flambeau.train import ModelCheckpoint, TensorBoard, Trainer
from flambeau.utils.data import DataLoader, TensorDataset


def network(library):
    nn = library.nn
    # A bias before normalization has gradients of rounding errors alone, which AdamW would make large.
    return nn.Sequential(
        nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2)
    )


def trained(*callbacks) -> tuple[Trainer, flambeau.Tensor]:
    """Two epochs of shuffled batches with dropout, AdamW, a schedule, accumulation and clipping."""
    flambeau.manual_seed(0)
    x = flambeau.randn(30, 4)
    model = network(flambeau)
    optimizer = flambeau.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = flambeau.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=8)
    trainer = Trainer(
        model,
        flambeau.nn.functional.cross_entropy,
        optimizer,
        step_scheduler=scheduler,
        callbacks=callbacks,
        accumulate=2,
        clip_grad_norm=0.5,
    )
    loader = DataLoader(TensorDataset(x, x.argmax(1) % 2), 4, shuffle=True)
    trainer.fit(loader, epochs=2)
    return trainer, x


def test_the_steps_are_those_of_a_loop_in_pytorch():
    trainer, _ = trained()
    torch.manual_seed(0)
    x = torch.randn(30, 4)
    y = x.argmax(1) % 2
    model = network(torch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=8)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 4, shuffle=True)
    for _ in range(2):
        batches = iter(loader)
        for _ in range(4):
            for a, b in [next(batches), next(batches)]:
                (torch.nn.functional.cross_entropy(model(a), b) / 2).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    for name, theirs in model.state_dict().items():
        ours = trainer.model.state_dict()[name]
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-5, err_msg=name)


def test_pytorch_reads_the_checkpoint(tmp_path):
    trainer, x = trained(ModelCheckpoint(tmp_path))
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    model = network(torch).eval()
    model.load_state_dict(state["model"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)
    optimizer.load_state_dict(state["optimizer"])
    assert optimizer.param_groups[0]["lr"] == trainer.optimizer.param_groups[0]["lr"]
    expected = trainer.predict([x]).numpy()
    found = model(torch.from_numpy(x.numpy())).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_tensorboard_reads_the_curves(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trainer, _ = trained(TensorBoard(tmp_path, every_n_steps=2))
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    losses = [(event.step, event.value) for event in events.Scalars("epoch/loss")]
    assert losses == [
        (4 * row["epoch"], pytest.approx(row["loss"], rel=1e-6)) for row in trainer.history
    ]
    assert [event.step for event in events.Scalars("step/loss")] == [2, 4, 6, 8]
