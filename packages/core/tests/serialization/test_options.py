"""Settings of saving and loading, places, storages, the old format, and what a file asks for."""

from __future__ import annotations

import io
import mmap
import os
import pickle
import signal
import subprocess
import sys
import types
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau import nn, serialization
from flambeau.serialization import options, places
from flambeau.utils.serialization import config


def written(obj: Any, **arguments: Any) -> io.BytesIO:
    file = io.BytesIO()
    flambeau.save(obj, file, **arguments)
    file.seek(0)
    return file


# -- storages


@pytest.mark.parametrize("legacy", [False, True])
def test_storages_come_back_and_share_memory_with_tensors(legacy: bool) -> None:
    x = flambeau.arange(4.0)
    file = written([x, x.storage(), x[1:]], _use_new_zipfile_serialization=not legacy)
    y, storage, part = flambeau.load(file)
    assert isinstance(storage, flambeau.TypedStorage) and storage.dtype is flambeau.float32
    storage[1] = 9
    assert y.tolist() == [0, 9, 2, 3] and part.tolist() == [9, 2, 3]
    assert flambeau.load(written(x.untyped_storage())).nbytes() == 16
    assert pickle.loads(pickle.dumps(storage)).tolist() == [0, 9, 2, 3]
    assert flambeau.load(written(storage)).tolist() == [0, 9, 2, 3]


def test_memory_formats_come_back() -> None:
    assert flambeau.load(written([flambeau.channels_last]))[0] is flambeau.channels_last


# -- the old format


def test_the_old_format_is_written_and_read(tmp_path: Path) -> None:
    base = flambeau.arange(6.0).reshape(2, 3)
    obj = {
        "base": base,
        "column": base[:, 1],
        "half": flambeau.ones(2).half(),
        "none": flambeau.ones(0),
    }
    flambeau.save(obj, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    assert (tmp_path / "x.pt").read_bytes()[:4] != b"PK\x03\x04"
    got = flambeau.load(tmp_path / "x.pt")
    assert {k: v.tolist() for k, v in got.items()} == {k: v.tolist() for k, v in obj.items()}
    got["base"].fill_(7)
    assert got["column"].tolist() == [7, 7]
    with pytest.raises(RuntimeError, match="mmap can only be used"):
        flambeau.load(tmp_path / "x.pt", mmap=True)


# -- other picklers


class _Marking(pickle._Pickler):
    """What dill does: a pickler in Python that knows more classes."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_fraction(self, obj: Any) -> None:
        self.save_reduce(Fraction, (obj.numerator + 1, obj.denominator), obj=obj)

    dispatch[Fraction] = save_fraction


def test_a_pickle_module_written_in_python_is_used() -> None:
    module = types.SimpleNamespace(Pickler=_Marking, __name__="marking")
    file = written([Fraction(1, 3), flambeau.ones(2)], pickle_module=module)
    fraction, tensor = flambeau.load(file, weights_only=False)
    assert fraction == Fraction(2, 3) and tensor.tolist() == [1, 1]
    foreign = types.SimpleNamespace(Pickler=type("P", (pickle.Pickler,), {}), __name__="foreign")
    with pytest.raises(NotImplementedError, match="foreign"):
        written(1, pickle_module=foreign)


# -- settings


def test_checksums_can_be_left_out() -> None:
    serialization.set_crc32_options(False)
    try:
        assert serialization.get_crc32_options() is False and config.save.compute_crc32 is False
        file = written(flambeau.ones(3))
    finally:
        serialization.set_crc32_options(True)
    assert all(entry.CRC == 0 for entry in zipfile.ZipFile(file).infolist())
    file.seek(0)
    assert flambeau.load(file).tolist() == [1, 1, 1]


def test_alignment_of_records() -> None:
    with config.patch("save.storage_alignment", 4096):
        file = written(flambeau.ones(3))
    raw = file.getvalue()
    assert raw.find(np.ones(3, np.float32).tobytes()) % 4096 == 0
    assert flambeau.load(file).tolist() == [1, 1, 1]
    assert config.save.storage_alignment == 64


def big_endian(record: bool) -> io.BytesIO:
    """A file as written on a machine of the other byte order, perhaps by a PyTorch that did not say so."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(written(flambeau.tensor([1.0, 2.0]))) as old,
        zipfile.ZipFile(file, "w") as new,
    ):
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("data/0"):
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            if entry.filename.endswith("byteorder"):
                data = b"big"
            if record or not entry.filename.endswith("byteorder"):
                new.writestr(entry.filename, data)
    file.seek(0)
    return file


@pytest.mark.skipif(
    sys.byteorder != "little", reason="written for machines of the usual byte order"
)
def test_byte_order() -> None:
    assert flambeau.load(big_endian(True)).tolist() == [1, 2]
    assert serialization.get_default_load_endianness() is None
    assert flambeau.load(big_endian(False)).tolist() != [1, 2]
    kinds = serialization.LoadEndianness
    try:
        for kind, same in ((kinds.BIG, True), (kinds.LITTLE, False), (kinds.NATIVE, False)):
            serialization.set_default_load_endianness(kind)
            assert serialization.get_default_load_endianness() is kind
            assert (flambeau.load(big_endian(False)).tolist() == [1, 2]) == same
        with pytest.raises(TypeError, match="LoadEndianness"):
            serialization.set_default_load_endianness("big")  # type: ignore[arg-type]
    finally:
        options.load.endianness = None


def test_big_endian_files_can_be_mapped(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(big_endian(True).getvalue())
    assert flambeau.load(tmp_path / "x.pt", mmap=True).tolist() == [1, 2]


def test_shared_mappings_write_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    flambeau.save(flambeau.zeros(4), path)
    with serialization.set_default_mmap_options(mmap.MAP_SHARED), config.patch({"load.mmap": True}):
        assert serialization.get_default_mmap_options() == mmap.MAP_SHARED
        flambeau.load(path).fill_(3)
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    flambeau.load(path, mmap=True).fill_(5)
    with pytest.raises(RuntimeError, match="checksum"):  # the file was changed behind its back
        flambeau.load(path)
    assert flambeau.load(path, mmap=True).tolist() == [3, 3, 3, 3]
    with pytest.raises(ValueError, match="MAP_PRIVATE"):
        serialization.set_default_mmap_options(77)


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="counts pages as Linux shows them"
)
def test_a_mapped_file_is_not_read_before_it_is_used(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    path, size = tmp_path / "x.pt", 1 << 26
    flambeau.save(flambeau.ones(size, dtype=flambeau.uint8), path)
    flambeau.load(path, mmap=True)  # what is imported at the first call is not counted
    before = resident()
    mapped = flambeau.load(path, mmap=True)
    assert resident() - before < size // 8
    assert mapped[-1] == 1 and resident() - before < size // 8
    assert mapped.count_nonzero() == size


def test_bytes_can_be_left_out() -> None:
    x = flambeau.arange(1000.0)
    with serialization.skip_data():
        file = written([x, x[2:4]])
        with pytest.raises(RuntimeError, match="skip_data"):
            written(x, _use_new_zipfile_serialization=False)
    whole, part = flambeau.load(file)
    assert whole.shape == (1000,) and not whole.any() and part.tolist() == [0, 0]
    filled = written(x)
    with serialization.skip_data():
        assert not flambeau.load(filled).any()
    filled.seek(0)
    assert flambeau.load(filled).tolist() == x.tolist()


# -- places


def test_a_place_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_registry", list(places._registry))
    seen = []

    def restore(storage: Any, location: str) -> Any:
        seen.append(location)
        return storage.cpu() if location == "shelf:3" else None

    serialization.register_package(5, lambda storage: "shelf:3", restore)
    file = written(flambeau.ones(2))
    assert b"shelf:3" in file.getvalue()
    assert flambeau.load(file).tolist() == [1, 1] and seen == ["shelf:3"]
    monkeypatch.undo()
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"don't know how to restore.*shelf:3"):
        flambeau.load(file)
    file.seek(0)
    assert flambeau.load(file, map_location={"shelf:3": "cpu"}).tolist() == [1, 1]
    assert serialization.location_tag(flambeau.ones(2).untyped_storage()) == "cpu"


@pytest.mark.skipif(flambeau.cuda.is_available(), reason="for machines without a GPU")
def test_cuda_is_named_where_it_is_not() -> None:
    for call in (serialization.validate_cuda_device, serialization.validate_hpu_device):
        with pytest.raises(RuntimeError, match="Attempting to deserialize object on a"):
            call("cuda:0")


def test_map_location_as_a_function_may_give_storages_of_users() -> None:
    file = written(flambeau.ones(2))
    made = flambeau.load(file, map_location=lambda s, where: flambeau.zeros(2).untyped_storage())
    assert made.tolist() == [0, 0]
    file.seek(0)
    with pytest.raises(TypeError, match="map_location"):
        flambeau.load(file, map_location=lambda s, where: 3)  # type: ignore[arg-type,return-value]
    file.seek(0)
    assert flambeau.load(file, map_location=serialization.default_restore_location).tolist() == [
        1,
        1,
    ]
    file.seek(0)
    assert flambeau.load(file, map_location="meta").device.type == "meta"


# -- what a file asks for


def test_what_a_file_asks_for(tmp_path: Path) -> None:
    for protocol in (2, 4):
        file = written(
            {"a": Fraction(1), "b": [flambeau.ones(1), nn.Linear(1, 1)]}, pickle_protocol=protocol
        )
        asked = serialization.get_unsafe_globals_in_checkpoint(file)
        assert asked == ["fractions.Fraction", "torch.nn.modules.linear.Linear"]
    with serialization.safe_globals([Fraction, nn.Linear]):
        assert serialization.get_unsafe_globals_in_checkpoint(file) == []
    for wrong in (b"PK", b"\x80\x02."):
        with pytest.raises(ValueError, match="Expected input to be a checkpoint"):
            serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(wrong))


# -- whole objects


def test_whole_modules_and_optimizers() -> None:
    model = nn.Sequential(nn.TransformerEncoderLayer(4, 2, 8), nn.LSTM(4, 3)).eval()
    optimizer = flambeau.optim.LBFGS(model.parameters())
    model_, optimizer_ = flambeau.load(written((model, optimizer)), weights_only=False)
    x = flambeau.ones(2, 1, 4)
    assert flambeau.equal(model(x)[0], model_(x)[0]) and repr(optimizer) == repr(optimizer_)
    assert optimizer_._params[0] is next(model_.parameters())


def test_modules_that_the_user_vouches_for() -> None:
    file = written(nn.Linear(2, 1))
    with pytest.raises(pickle.UnpicklingError, match=r"torch\.nn\.modules\.linear\.Linear"):
        flambeau.load(file)
    file.seek(0)
    with serialization.safe_globals([nn.Linear]):
        assert serialization.get_safe_globals() == [nn.Linear]
        assert flambeau.load(file)(flambeau.ones(2)).shape == (1,)


def test_functions_of_networks_can_be_pickled() -> None:
    for function in (nn.functional.relu, nn.functional.cross_entropy, flambeau.tanh):
        assert pickle.loads(pickle.dumps(function)) is function
        assert flambeau.load(written(function), weights_only=False) is function


# -- crashes


def test_a_process_killed_while_saving_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    flambeau.save(flambeau.ones(2), path)
    before = path.read_bytes()
    program = f"""
import os, signal, flambeau
from flambeau.serialization.archive import ArchiveWriter
write = ArchiveWriter.write
def dying(self, record, data):
    write(self, record, data)
    if record.startswith("data/"):
        self._stream.flush()
        os.kill(os.getpid(), signal.SIGKILL)
ArchiveWriter.write = dying
flambeau.save(flambeau.zeros(1 << 16), {str(path)!r})
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, env=dict(os.environ))
    assert ended.returncode == -signal.SIGKILL
    assert path.read_bytes() == before and flambeau.load(path).tolist() == [1, 1]


# -- small functions


def test_small_functions() -> None:
    module = types.SimpleNamespace(__name__="m", __version__="1.10.2")
    assert serialization.check_module_version_greater_or_equal(module, (1, 9))
    assert not serialization.check_module_version_greater_or_equal(module, (2, 0))
    module.__version__ = "one"
    with pytest.raises(RuntimeError, match="malformed"):
        serialization.check_module_version_greater_or_equal(module, (1, 9))
    with pytest.warns(UserWarning, match="malformed"):
        assert serialization.check_module_version_greater_or_equal(module, (1, 9), False)
    assert serialization.StorageType("HalfStorage").dtype is flambeau.float16
    with pytest.raises(KeyError):
        serialization.StorageType("Nothing")
    assert serialization.normalize_storage_type(flambeau.FloatStorage) is flambeau.FloatStorage
    with serialization.mkdtemp() as folder:
        assert os.path.isdir(folder)
    assert not os.path.exists(folder)
