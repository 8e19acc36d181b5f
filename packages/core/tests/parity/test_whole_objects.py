"""Whole modules and optimizers, storages and settings of checkpoints, both ways with PyTorch."""

from __future__ import annotations

import inspect
import io
import re
from typing import Any

import numpy as np
import pytest
import torch

import flambeau

pytestmark = pytest.mark.filterwarnings("ignore")
BOTH = [(torch, flambeau), (flambeau, torch), (flambeau, flambeau)]
WAYS = pytest.mark.parametrize(
    ("writer", "reader"), BOTH, ids=["from_torch", "to_torch", "to_ourselves"]
)


def carried(obj: Any, writer: Any, reader: Any, **saving: Any) -> Any:
    file = io.BytesIO()
    writer.save(obj, file, **saving)
    file.seek(0)
    return reader.load(file, weights_only=False)


MODULES = {
    "Linear(4, 3)": (2, 4), "Conv2d(4, 3, 2)": (1, 4, 5, 5), "ConvTranspose1d(4, 3, 2)": (1, 4, 5),
    "BatchNorm2d(4)": (1, 4, 3, 3), "InstanceNorm1d(4, affine=True)": (1, 4, 3), "GroupNorm(2, 4)": (2, 4),
    "LayerNorm(4)": (2, 4), "RMSNorm(4)": (2, 4), "PReLU()": (3,), "GELU()": (3,), "Hardtanh()": (3,),
    "RNN(4, 3, 2)": (2, 1, 4), "LSTM(4, 3, 2, bidirectional=True)": (2, 1, 4), "GRU(4, 3, bias=False)": (2, 1, 4),
    "LSTMCell(4, 3)": (2, 4), "GRUCell(4, 3)": (2, 4), "SyncBatchNorm(4)": (2, 4),
    "TransformerEncoderLayer(4, 2, 8)": (2, 1, 4),
    "TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, activation='gelu'), 2)": (2, 1, 4),
    "Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(), nn.Softmax(-1))": (2, 4), "MaxPool2d(2)": (1, 4, 4, 4),
    "AdaptiveAvgPool2d(1)": (1, 4, 4, 4), "Upsample(scale_factor=2)": (1, 4, 4, 4), "PixelShuffle(2)": (1, 4, 4, 4),
    "ChannelShuffle(2)": (1, 4, 4, 4), "Flatten()": (2, 4), "utils.weight_norm(nn.Linear(4, 3))": (2, 4),
}  # fmt: skip


@WAYS
@pytest.mark.parametrize("text", MODULES)
def test_modules(text: str, writer: Any, reader: Any) -> None:
    model = eval(f"nn.{text}", {"nn": writer.nn}).eval()
    made = carried(model, writer, reader)
    assert repr(made) == repr(model) and type(made).__module__.startswith(reader.__name__)
    values = np.linspace(-1, 1, int(np.prod(MODULES[text])), dtype=np.float32).reshape(
        MODULES[text]
    )
    before, after = model(writer.from_numpy(values)), made(reader.from_numpy(values.copy()))
    before, after = (x[0] if isinstance(x, tuple) else x for x in (before, after))
    np.testing.assert_allclose(after.detach().numpy(), before.detach().numpy(), atol=1e-5)
    made.train().double().zero_grad()


@pytest.mark.parametrize(
    "name", sorted(torch.optim.__all__ if hasattr(torch.optim, "__all__") else [])
)
@WAYS
def test_optimizers(name: str, writer: Any, reader: Any) -> None:
    """An optimizer goes on, with its parameters, where it was; the state dict, too, in a file of the old format."""
    kind = getattr(writer.optim, name)
    if not inspect.isclass(kind) or name == "Optimizer":
        pytest.skip("no optimizer")
    if name == "LBFGS" and reader is torch:
        pytest.skip("PyTorch's LBFGS cannot be pickled: it forgets its parameters")
    library = {}

    def step(w: Any, p: Any, optimizer: Any) -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            if name == "SparseAdam":
                p.grad = p.grad.to_sparse(1)
            return loss

        if name != "LBFGS":
            closure()
        optimizer.step(*([closure] if name == "LBFGS" else []))

    p = writer.nn.Parameter(writer.tensor([[1.0, -2.0], [0.5, 3.0]]))
    optimizer = kind([p], lr=0.1)
    step(writer, p, optimizer)
    q, made = carried((p, optimizer), writer, reader)
    r = reader.nn.Parameter(reader.from_numpy(p.detach().numpy().copy()))
    third = getattr(reader.optim, name)([r], lr=0.7)
    third.load_state_dict(
        carried(optimizer.state_dict(), writer, reader, _use_new_zipfile_serialization=False)
    )
    library.update({id(p): writer, id(q): reader, id(r): reader})
    for _ in range(3):
        for tensor, stepped in ((p, optimizer), (q, made), (r, third)):
            step(library[id(tensor)], tensor, stepped)
    for tensor in (q, r):
        np.testing.assert_allclose(
            tensor.detach().numpy(), p.detach().numpy(), rtol=5e-2 if name == "Muon" else 1e-5
        )
    assert repr(made) == repr(optimizer)


@WAYS
def test_functions(writer: Any, reader: Any) -> None:
    for name in (
        "tanh",
        "sum",
        "nn.functional.gelu",
        "nn.functional.relu",
        "nn.functional.linear",
        "fft.fft",
        "einsum",
    ):
        theirs, ours = writer, reader
        for part in name.split("."):
            theirs, ours = getattr(theirs, part), getattr(ours, part)
        assert carried(theirs, writer, reader) is ours, name


@WAYS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_storages_and_protocols(writer: Any, reader: Any, protocol: int) -> None:
    x = writer.arange(4.0)
    y, typed, raw = carried(
        [x, x.storage(), writer.ones(2).untyped_storage()], writer, reader, pickle_protocol=protocol
    )
    assert isinstance(typed, reader.TypedStorage) and typed.dtype is reader.float32
    typed[1] = 9
    assert y.tolist() == [0, 9, 2, 3] and raw.nbytes() == 8


@WAYS
def test_settings_travel(writer: Any, reader: Any) -> None:
    """Files without checksums, with other alignments, and with the bytes left out."""
    w, r = writer.serialization, reader.serialization
    config = __import__(f"{writer.__name__}.utils.serialization.config", fromlist=["save"])
    try:
        w.set_crc32_options(False)
        assert carried(writer.ones(3), writer, reader).tolist() == [1, 1, 1]
        config.save.storage_alignment = 4096
        assert carried(writer.ones(3), writer, reader).tolist() == [1, 1, 1]
    finally:
        w.set_crc32_options(True)
        config.save.storage_alignment = 64
    with w.skip_data():
        file = io.BytesIO()
        writer.save(writer.ones(3), file)
    file.seek(0)
    with r.skip_data():
        assert reader.load(file).shape == (3,)


@WAYS
def test_what_files_ask_for(writer: Any, reader: Any) -> None:
    file = io.BytesIO()
    writer.save([writer.nn.Linear(1, 1), re.compile("x"), writer.ones(1)], file)
    file.seek(0)
    found = reader.serialization.get_unsafe_globals_in_checkpoint(file)
    assert sorted(found) == ["re._compile", "torch.nn.modules.linear.Linear"]
    file.seek(0)
    with reader.serialization.safe_globals([reader.nn.Linear, re._compile]):
        assert reader.serialization.get_unsafe_globals_in_checkpoint(file) == []
        file.seek(0)
        if reader is flambeau:
            assert reader.load(file)[0].weight.shape == (1, 1)


def test_names_and_signatures_of_the_module() -> None:
    for name in torch.serialization.__all__:
        theirs, ours = getattr(torch.serialization, name), getattr(flambeau.serialization, name)
        if inspect.isfunction(theirs):
            wanted = inspect.signature(theirs).parameters
            assert list(inspect.signature(ours).parameters) == list(wanted), name


SCHEDULERS = {
    "StepLR": lambda s, o: s.StepLR(o, 2),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, step_size_up=3),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=20),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda epoch: 0.9**epoch),
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, patience=1),
    "SequentialLR": lambda s, o: s.SequentialLR(o, [s.ConstantLR(o), s.ExponentialLR(o, 0.9)], [3]),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ConstantLR(o), s.PolynomialLR(o)]),
}


@WAYS
@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_go_on_in_the_other_library(name: str, writer: Any, reader: Any) -> None:
    def new(library: Any) -> tuple[Any, Any]:
        p = library.nn.Parameter(library.ones(1))
        optimizer = library.optim.SGD([p], lr=0.1, momentum=0.9)
        return optimizer, SCHEDULERS[name](library.optim.lr_scheduler, optimizer)

    def steps(optimizer: Any, scheduler: Any, count: int) -> list[float]:
        found = []
        for epoch in range(count):
            optimizer.step()
            scheduler.step(*[1.0 + epoch] * (name == "ReduceLROnPlateau"))
            found.append(float(optimizer.param_groups[0]["lr"]))
        return found

    optimizer, scheduler = new(writer)
    steps(optimizer, scheduler, 4)
    second, other = new(reader)
    states = carried([optimizer.state_dict(), scheduler.state_dict()], writer, reader)
    second.load_state_dict(states[0])
    other.load_state_dict(states[1])
    assert steps(second, other, 6) == pytest.approx(steps(optimizer, scheduler, 6), rel=1e-9)
