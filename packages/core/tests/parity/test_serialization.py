"""Checkpoints both ways with PyTorch, and safetensors both ways with its package.

Run as a script, this file records the files in ../serialization/data, which are tested without PyTorch.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import flambeau
from flambeau._base import dtypes
from flambeau.runtime.tensor import wrap

DATA = Path(__file__).parents[1] / "serialization" / "data"


def recorded() -> dict[str, Any]:
    """What data/*.pt hold, made with PyTorch."""
    torch.manual_seed(0)
    base = torch.arange(6.0).reshape(2, 3)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(torch.ones(5, 3)).sum().backward()
    optimizer.step()
    return {
        "base": base,
        "column": base[:, 1],
        "parameter": torch.nn.Parameter(base + 1),
        "dtypes": {d.name: torch.tensor([0.0, 1.0, 1.0]).to(getattr(torch, d.name)) for d in dtypes.ALL},
        "plain": {
            "size": base.shape, "device": torch.device("cuda:1"), "dtype": torch.float16,
            "bytes": b"xy", "set": {1}, "complex": 1j, "array": bytearray(b"ab"),
        },
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }  # fmt: skip


def through_torch(obj: Any, **arguments: Any) -> Any:
    """Written by flambeau, read by PyTorch."""
    file = io.BytesIO()
    flambeau.save(obj, file)
    file.seek(0)
    return torch.load(file, weights_only=True, **arguments)


def from_torch(obj: Any, legacy: bool = False) -> Any:
    """Written by PyTorch, read by flambeau."""
    file = io.BytesIO()
    torch.save(obj, file, _use_new_zipfile_serialization=not legacy)
    file.seek(0)
    return flambeau.load(file)


def agree(ours: Any, theirs: Any, where: str = "") -> None:
    """The same nest of containers with the same tensors in it."""
    if isinstance(theirs, torch.Tensor):
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1], where
        assert tuple(ours.shape) == tuple(theirs.shape), where
        assert ours.requires_grad == theirs.requires_grad, where
        raw = theirs.detach().contiguous().reshape(-1)
        expected = raw.view(torch.uint8).numpy().tobytes() if raw.numel() else b""
        assert np.ascontiguousarray(ours.detach()._array).tobytes() == expected, where
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for key in theirs:
            agree(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, (list, tuple)) and type(theirs) in (list, tuple):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            agree(a, b, f"{where}[{i}]")
    elif isinstance(theirs, (torch.dtype, torch.device)):
        assert str(ours).split(".")[-1] == str(theirs).split(".")[-1], where
    else:
        assert ours == theirs, where


pytestmark = pytest.mark.filterwarnings("ignore:ComplexHalf support:UserWarning")


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_what_pytorch_writes_we_read(legacy: bool) -> None:
    theirs = recorded()
    ours = from_torch(theirs, legacy)
    agree(ours, theirs)
    assert ours["model"]._metadata == theirs["model"]._metadata
    assert np.shares_memory(ours["base"]._array, ours["column"]._array)
    assert type(ours["parameter"]) is flambeau.nn.Parameter


def test_what_we_write_pytorch_reads() -> None:
    ours = from_torch(recorded())
    theirs = through_torch(ours)
    agree(ours, theirs)
    assert theirs["model"]._metadata == ours["model"]._metadata
    assert (
        theirs["base"].untyped_storage().data_ptr() == theirs["column"].untyped_storage().data_ptr()
    )
    assert type(theirs["parameter"]) is torch.nn.Parameter


def test_our_files_are_pytorchs_byte_for_byte_where_it_matters(tmp_path: Path) -> None:
    """The same pickle and the same records, so that nothing depends on what a reader happens to tolerate."""
    theirs = {k: v for k, v in recorded().items() if k != "plain"}
    torch.save(theirs, tmp_path / "x.pt")
    ours = flambeau.load(tmp_path / "x.pt")
    (tmp_path / "ours").mkdir()
    flambeau.save(ours, tmp_path / "ours" / "x.pt")
    a, b = (
        torch._C.PyTorchFileReader(str(tmp_path / "x.pt")),
        torch._C.PyTorchFileReader(str(tmp_path / "ours" / "x.pt")),
    )
    names = [name for name in a.get_all_records() if name != ".data/serialization_id"]
    assert sorted(names) == sorted(
        name for name in b.get_all_records() if name != ".data/serialization_id"
    )
    for name in names:
        assert bytes(a.get_record(name)) == bytes(b.get_record(name)), name
        assert b.get_record_offset(name) % 64 == 0


@pytest.mark.parametrize("mmap", [False, True])
def test_pytorch_maps_our_files(mmap: bool, tmp_path: Path) -> None:
    values = np.arange(1000, dtype=np.float32)
    flambeau.save({"x": wrap(values), "y": wrap(values[5:].astype(np.int16))}, tmp_path / "x.pt")
    got = torch.load(tmp_path / "x.pt", mmap=mmap, weights_only=True)
    np.testing.assert_array_equal(got["x"].numpy(), values)
    np.testing.assert_array_equal(got["y"].numpy(), values[5:])


def test_attributes_of_parameters_both_ways() -> None:
    theirs = torch.nn.Parameter(torch.ones(2))
    theirs.fan = 3
    ours = from_torch(theirs)
    assert ours.fan == 3 and type(ours) is flambeau.nn.Parameter
    assert through_torch(ours).fan == 3


def test_meta_tensors_both_ways() -> None:
    ours = from_torch(torch.empty(2, 3, device="meta", dtype=torch.float16))
    assert (ours.device.type, tuple(ours.shape), ours.dtype) == ("meta", (2, 3), flambeau.float16)
    theirs = through_torch(ours)
    assert (theirs.device.type, tuple(theirs.shape), theirs.dtype) == (
        "meta",
        (2, 3),
        torch.float16,
    )


@pytest.mark.parametrize("crc", [True, False])
def test_files_without_checksums(crc: bool) -> None:
    torch.serialization.set_crc32_options(crc)
    try:
        agree(from_torch([torch.arange(3)]), [torch.arange(3)])
    finally:
        torch.serialization.set_crc32_options(True)


def models(lib: Any) -> Any:
    return lib.nn.Sequential(
        lib.nn.Conv2d(1, 3, 3, bias=False),
        lib.nn.BatchNorm2d(3),
        lib.nn.Flatten(),
        lib.nn.Linear(12, 2),
    )


@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_training_goes_on_in_the_other_library(name: str) -> None:
    """Two steps in one, saved, one more in each: the same parameters."""
    arguments = {"lr": 0.01, "momentum": 0.9} if name == "SGD" else {"lr": 0.01}
    inputs = np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 1, 4, 4)

    def step(lib: Any, model: Any, optimizer: Any, x: Any) -> None:
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()

    torch.manual_seed(0)
    theirs = models(torch)
    their_optimizer = getattr(torch.optim, name)(theirs.parameters(), **arguments)
    for _ in range(2):
        step(torch, theirs, their_optimizer, torch.from_numpy(inputs))
    saved = from_torch({"model": theirs.state_dict(), "optimizer": their_optimizer.state_dict()})

    ours = models(flambeau)
    our_optimizer = getattr(flambeau.optim, name)(ours.parameters(), lr=1.0)
    ours.load_state_dict(saved["model"])
    our_optimizer.load_state_dict(saved["optimizer"])
    for lib, model, optimizer, x in (
        (torch, theirs, their_optimizer, torch.from_numpy(inputs)),
        (flambeau, ours, our_optimizer, wrap(inputs)),
    ):
        step(lib, model, optimizer, x)

    back = through_torch({"model": ours.state_dict(), "optimizer": our_optimizer.state_dict()})
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(back["model"][key], value, rtol=1e-4, atol=1e-5)
    third = models(torch)
    third_optimizer = getattr(torch.optim, name)(third.parameters(), lr=1.0)
    third.load_state_dict(back["model"])
    third_optimizer.load_state_dict(back["optimizer"])
    step(torch, third, third_optimizer, torch.from_numpy(inputs))
    assert third_optimizer.param_groups[0]["lr"] == 0.01


def test_modules_trade_state_dicts() -> None:
    torch.manual_seed(1)
    theirs = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    ours = flambeau.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    ours.load_state_dict(from_torch(theirs.state_dict()))
    again = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    again.load_state_dict(through_torch(ours.state_dict()))
    for a, b in zip(theirs.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


class TestSafetensors:
    """The reference package reads our files, writes the same bytes, and we read its files."""

    def tensors(self) -> dict[str, torch.Tensor]:
        values = torch.arange(6).reshape(2, 3)
        kinds = ("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16",
                 "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2", "complex64", "float8_e4m3fnuz",
                 "float8_e5m2fnuz", "float8_e8m0fnu")  # fmt: skip
        return {f"x.{k}": values.to(getattr(torch, k)) for k in kinds} | {
            "empty": torch.ones(0, 3),
            "é": torch.ones(()),
        }

    def test_both_ways_with_equal_bytes(self, tmp_path: Path) -> None:
        safetensors.torch.save_file(self.tensors(), tmp_path / "theirs", {"a": "b"})
        ours = flambeau.serialization.safetensors.load_file(tmp_path / "theirs")
        agree({k: ours[k] for k in self.tensors()}, self.tensors())
        flambeau.serialization.safetensors.save_file(ours, tmp_path / "ours", {"a": "b"})
        got = safetensors.torch.load_file(tmp_path / "ours")
        assert all(
            torch.equal(got[k].view(torch.uint8), v.view(torch.uint8))
            for k, v in self.tensors().items()
            if v.dim()
        )
        agree(
            flambeau.serialization.safetensors.load((tmp_path / "ours").read_bytes())["é"],
            torch.ones(()),
        )

    def test_equal_bytes(self, tmp_path: Path) -> None:
        tensors = self.tensors()
        safetensors.torch.save_file(tensors, tmp_path / "theirs", {"a": "b"})
        ours = flambeau.serialization.safetensors.load_file(tmp_path / "theirs")
        flambeau.serialization.safetensors.save_file(ours, tmp_path / "ours", {"a": "b"})
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_ordered_dicts_keep_their_class() -> None:
    assert type(through_torch(OrderedDict(a=1))) is OrderedDict


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    torch.save(recorded(), DATA / "zip.pt")
    torch.save(recorded(), DATA / "legacy.pt", _use_new_zipfile_serialization=False)
