"""save and load: round trips, sharing, and files that PyTorch 2.13 wrote (data/, recorded by the parity test)."""

from __future__ import annotations

import io
import os
import pickle
import stat
import sys
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau._base import dtypes
from flambeau.runtime.tensor import wrap
from flambeau.serialization import checkpoint
from flambeau.serialization.storage import rebuild_tensor

DATA = Path(__file__).parent / "data"
NAMES = [d.name for d in dtypes.ALL]


def tensor(array: Any, dtype: str | None = None) -> flambeau.Tensor:
    array = np.asarray(array)
    return wrap(array if dtype is None else array.astype(numpy_dtype(dtype)))


def numpy_dtype(name: str) -> np.dtype:
    return next(d for d in dtypes.ALL if d.name == name).numpy


def round_trip(obj: Any, **arguments: Any) -> Any:
    file = io.BytesIO()
    flambeau.save(obj, file)
    file.seek(0)
    return flambeau.load(file, **arguments)


def same(a: flambeau.Tensor, b: flambeau.Tensor) -> bool:
    return (
        a.dtype is b.dtype
        and a.shape == b.shape
        and np.ascontiguousarray(a._array).tobytes() == np.ascontiguousarray(b._array).tobytes()
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_every_dtype_and_shape_comes_back(name: str, shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape))
    values = tensor(np.arange(count).reshape(shape) % 5, name)
    assert same(round_trip(values), values)


def test_plain_python_data_comes_back() -> None:
    named = OrderedDict(a=1, b=[2])
    named._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    data = {
        "none": None, "bools": (True, False), "ints": [0, -1, 2**31, 2**80], "floats": [0.1, float("inf")],
        "text": "ä", "bytes": b"\x00\xff", "array": bytearray(b"q"), "sets": [{1}, frozenset({2})],
        "complex": 1 - 2j, "count": Counter("aab"), "named": named,
        "size": flambeau.Size([2, 3]), "device": flambeau.device("cuda:1"), "dtype": flambeau.bfloat16,
    }  # fmt: skip
    got = round_trip(data)
    assert got == data
    assert {k: type(v) for k, v in got.items()} == {k: type(v) for k, v in data.items()}
    assert got["named"]._metadata == named._metadata


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_other_protocols(protocol: int) -> None:
    file = io.BytesIO()
    flambeau.save({"x": tensor([1.0, 2.0]), "b": b"12", "s": {1}}, file, pickle_protocol=protocol)
    got = flambeau.load(io.BytesIO(file.getvalue()))
    assert same(got["x"], tensor([1.0, 2.0]))
    assert (got["b"], got["s"]) == (b"12", {1})


def test_views_share_memory_again_and_keep_their_strides() -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    views = {
        "base": base,
        "column": base[:, 1],
        "turned": base.T,
        "inner": base[1:3, 2:5],
        "wide": base[:1],
    }
    got = {name: t._array for name, t in round_trip({n: wrap(v) for n, v in views.items()}).items()}
    for name, view in views.items():
        np.testing.assert_array_equal(got[name], view)
        assert got[name].strides == view.strides
    got["base"][:] = 7
    assert all((array == 7).all() for array in got.values())


def test_one_memory_is_written_once() -> None:
    base = np.zeros(100_000, np.float32)
    file = io.BytesIO()
    flambeau.save([wrap(base[i:]) for i in range(10)], file)
    assert len(file.getvalue()) < base.nbytes + 4096


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0)[::-1],
        np.arange(6.0).astype(">f8"),
        np.broadcast_to(np.float32([[1], [2]]), (2, 3)),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(60.0).reshape(3, 4, 5).transpose(2, 0, 1).copy(order="K"),
        np.lib.stride_tricks.as_strided(np.arange(9.0), (3, 3), (16, 8)),
        np.frombuffer(b"\x01\x02\x03\x04" * 4, np.int32),
        np.arange(10, dtype=np.int16)[1::2],
    ],
    ids=[
        "backwards",
        "big endian",
        "broadcast",
        "fortran",
        "permuted",
        "overlapping",
        "foreign",
        "stepped",
    ],
)
def test_layouts(array: np.ndarray) -> None:
    np.testing.assert_array_equal(round_trip(wrap(array))._array, array)


def test_same_memory_as_two_dtypes_is_refused() -> None:
    base = np.zeros(4, np.float32)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        round_trip([wrap(base), wrap(base.view(np.int32))])


def test_gradients_parameters_and_buffers() -> None:
    trained = flambeau.ones(2, requires_grad=True)
    parameter = flambeau.nn.Parameter(flambeau.ones(3), requires_grad=False)
    buffer = flambeau.nn.Buffer(flambeau.ones(1))
    got = round_trip([trained, parameter, flambeau.nn.Parameter(flambeau.ones(1)), buffer])
    assert got[0].requires_grad and type(got[0]) is flambeau.Tensor
    assert type(got[1]) is flambeau.nn.Parameter and not got[1].requires_grad
    assert got[2].requires_grad and got[2].is_leaf
    assert isinstance(got[3], flambeau.nn.Buffer) and got[3].persistent


def test_what_users_hang_on_tensors_comes_along() -> None:
    plain, parameter = flambeau.ones(1), flambeau.nn.Parameter(flambeau.ones(1))
    plain.label, parameter.fan = "a", 3
    parameter.grad = flambeau.ones(1)
    got = round_trip([plain, parameter])
    assert (got[0].label, got[1].fan) == ("a", 3)
    assert type(got[1]) is flambeau.nn.Parameter and got[1].grad is None


def test_the_archive_is_laid_out_as_pytorchs(tmp_path: Path) -> None:
    flambeau.save({"x": tensor([1.0, 2.0]), "y": tensor([3], "int64")}, tmp_path / "model.v2.pt")
    raw = (tmp_path / "model.v2.pt").read_bytes()
    with zipfile.ZipFile(tmp_path / "model.v2.pt") as archive:
        assert archive.testzip() is None
        names = [entry.filename for entry in archive.infolist()]
        contents = {name.partition("/")[2]: archive.read(name) for name in names}
        for entry in archive.infolist():
            at = raw.index(archive.read(entry), entry.header_offset + 30)
            header = raw[entry.header_offset : entry.header_offset + 30]
            at = (
                entry.header_offset
                + 30
                + int.from_bytes(header[26:28], "little")
                + int.from_bytes(header[28:], "little")
            )
            assert at % 64 == 0, entry.filename
    assert names == [
        f"model.v2/{name}"
        for name in ("data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1", "version",
                     ".data/serialization_id")
    ]  # fmt: skip
    assert contents["version"] == b"3\n"
    assert contents["byteorder"] == sys.byteorder.encode()
    assert contents["data/0"] == np.float64([1, 2]).tobytes()
    assert len(contents[".data/serialization_id"]) == 40


def test_equal_contents_make_equal_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        flambeau.save({"x": tensor([1.0, 2.0])}, tmp_path / folder / "x.pt")
    assert (tmp_path / "a" / "x.pt").read_bytes() == (tmp_path / "b" / "x.pt").read_bytes()


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    flambeau.save(1, path)
    before = path.read_bytes()

    def fail_half_way() -> None:
        with checkpoint.whole_file(path) as stream:
            stream.write(b"half of it")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail_half_way()
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        flambeau.save(lambda: 1, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.pt"]


def test_saving_over_a_file_keeps_its_mode_and_follows_links(tmp_path: Path) -> None:
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    flambeau.save(1, real)
    real.chmod(0o640)
    link.symlink_to(real)
    flambeau.save(2, link)
    assert link.is_symlink() and flambeau.load(real) == 2
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_paths_and_file_objects(tmp_path: Path) -> None:
    for path in (str(tmp_path / "a.pt"), tmp_path / "b.pt"):
        flambeau.save([1], path)
        assert flambeau.load(path) == [1]
    with open(tmp_path / "c.pt", "wb") as file:
        flambeau.save([2], file)
    with open(tmp_path / "c.pt", "rb") as file:
        assert flambeau.load(file) == [2]


@pytest.mark.parametrize("case", ["save", "load"])
def test_arguments_that_are_no_files(case: str, tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="int"):
        flambeau.save(1, 3) if case == "save" else flambeau.load(3)  # type: ignore[arg-type]
    if case == "save":
        with pytest.raises(RuntimeError, match=r"Parent directory .*nowhere does not exist"):
            flambeau.save(1, tmp_path / "nowhere" / "x.pt")
    else:
        with pytest.raises(FileNotFoundError):
            flambeau.load(tmp_path / "nothing.pt")
        with pytest.raises(ValueError, match="mmap"):
            flambeau.load(io.BytesIO(b"x"), mmap=True)
        with pytest.raises(RuntimeError, match="explicit pickle_module"):
            flambeau.load(io.BytesIO(b"x"), pickle_module=pickle, weights_only=True)


def test_mmap_reads_from_the_file_and_writes_nothing_back(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    base = np.arange(1000, dtype=np.float32)
    flambeau.save({"base": wrap(base), "part": wrap(base[10:20]), "none": wrap(base[:0])}, path)
    before = path.read_bytes()
    got = flambeau.load(path, mmap=True)
    np.testing.assert_array_equal(got["part"]._array, base[10:20])
    got["base"]._array[:] = -1
    assert (got["part"]._array == -1).all()
    flambeau.save(got["part"], tmp_path / "y.pt")  # the storage, not the whole mapped file
    assert (tmp_path / "y.pt").stat().st_size < 4 * 1000 + 2048
    assert path.read_bytes() == before


class TestMapLocation:
    """Where tensors go. This machine may have no GPU, so that a saved cuda location must be refused or mapped."""

    @pytest.fixture
    def on_gpu(self) -> io.BytesIO:
        """A checkpoint whose tensor was on cuda:0."""
        file = io.BytesIO()
        flambeau.save(tensor([1.0, 2.0]), file)
        raw = io.BytesIO()
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(raw, "w") as new:
            for entry in old.infolist():
                data = old.read(entry)
                if entry.filename.endswith("data.pkl"):
                    data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
                new.writestr(entry.filename, data)
        raw.seek(0)
        return raw

    @pytest.mark.parametrize(
        "where",
        [
            "cpu",
            flambeau.device("cpu"),
            {"cuda:0": "cpu"},
            lambda storage, _: storage,
            lambda storage, _: storage.cpu(),
        ],
    )
    def test_every_way_to_the_cpu(self, on_gpu: io.BytesIO, where: Any) -> None:
        assert same(flambeau.load(on_gpu, map_location=where), tensor([1.0, 2.0]))

    def test_a_function_sees_storage_and_location(self, on_gpu: io.BytesIO) -> None:
        seen = []
        flambeau.load(
            on_gpu,
            map_location=lambda storage, location: (
                seen.append((storage.nbytes(), location)) or storage
            ),
        )
        assert seen == [(16, "cuda:0")]

    @pytest.mark.parametrize("where", [None, {"cuda:1": "cpu"}, lambda storage, _: None])
    def test_a_missing_gpu_is_named(
        self, on_gpu: io.BytesIO, where: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flambeau.cuda.is_available", lambda: False)
        with pytest.raises(
            RuntimeError, match=r"on a CUDA device but flambeau\.cuda\.is_available"
        ):
            flambeau.load(on_gpu, map_location=where)

    def test_meta_has_shapes_and_no_values(self) -> None:
        got = round_trip({"x": tensor(np.ones((2, 3), np.float32))}, map_location="meta")["x"]
        assert (got.device.type, got.shape, got.dtype) == ("meta", (2, 3), flambeau.float32)
        assert round_trip(got).device.type == "meta"

    def test_anything_else_is_a_type_error(self, on_gpu: io.BytesIO) -> None:
        with pytest.raises(TypeError, match="map_location must be"):
            flambeau.load(on_gpu, map_location=3.5)  # type: ignore[arg-type]


def expected_from_pytorch() -> dict[str, Any]:
    """What data/*.pt hold; written out here as in the parity test that recorded them."""
    base = np.arange(6, dtype=np.float32).reshape(2, 3)
    return {"base": base, "column": base[:, 1], "parameter": base + 1}


@pytest.mark.parametrize("name", ["zip.pt", "legacy.pt"])
def test_files_that_pytorch_wrote(name: str) -> None:
    got = flambeau.load(DATA / name)
    for key, array in expected_from_pytorch().items():
        np.testing.assert_array_equal(got[key]._array, array)
    got["base"]._array[:] = 9
    assert (got["column"]._array == 9).all()
    assert type(got["parameter"]) is flambeau.nn.Parameter and got["parameter"].requires_grad
    for kind in NAMES:
        if kind in got["dtypes"]:
            assert same(got["dtypes"][kind], tensor([0, 1, 1], kind)), kind
    newer = {"float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "complex32"}  # than the files
    assert set(got["dtypes"]) == set(NAMES) - newer
    assert got["plain"] == {"size": (2, 3), "device": flambeau.device("cuda:1"), "dtype": flambeau.float16,
                            "bytes": b"xy", "set": {1}, "complex": 1j, "array": bytearray(b"ab")}  # fmt: skip


@pytest.mark.parametrize("name", ["zip.pt", "legacy.pt"])
def test_state_dicts_that_pytorch_wrote_fit_our_modules(name: str) -> None:
    got = flambeau.load(DATA / name)
    model = flambeau.nn.Sequential(flambeau.nn.Linear(3, 4), flambeau.nn.BatchNorm1d(4))
    assert str(model.load_state_dict(got["model"])) == "<All keys matched successfully>"
    assert got["model"]._metadata[""] == {"version": 1}
    optimizer = flambeau.optim.Adam(model.parameters())
    optimizer.load_state_dict(got["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 0.01
    again = round_trip(optimizer.state_dict())
    assert same(again["state"][0]["exp_avg"], got["optimizer"]["state"][0]["exp_avg"])


def test_rebuild_tensor_checks_what_it_is_told() -> None:
    storage = flambeau.serialization.UntypedStorage(np.zeros(16, np.uint8))
    assert rebuild_tensor(storage, flambeau.float32, 1, (3,), (1,)).shape == (3,)
    for offset, size, stride in (
        (2, (3,), (1,)),
        (0, (2, 2), (3, 1)),
        (5, (), ()),
        (0, (2**62,), (2**62,)),
    ):
        with pytest.raises(RuntimeError, match="out of bounds for storage of size 16"):
            rebuild_tensor(storage, flambeau.float32, offset, size, stride)
    for offset, size, stride in (
        (-1, (1,), (1,)),
        (0, (1,), (-1,)),
        (0, (1, 1), (1,)),
        (0, (1.0,), (1,)),
    ):
        with pytest.raises(RuntimeError, match="cannot be"):
            rebuild_tensor(storage, flambeau.float32, offset, size, stride)


def test_whole_modules_take_trust() -> None:
    model = flambeau.nn.Sequential(flambeau.nn.Linear(3, 2), flambeau.nn.BatchNorm1d(2))
    with pytest.raises(
        pickle.UnpicklingError, match=r"container\.Sequential, which is not allowed"
    ):
        round_trip(model)
    got = round_trip(model, weights_only=False)
    assert type(got) is flambeau.nn.Sequential
    x = flambeau.randn(4, 3)
    assert flambeau.equal(got.eval()(x), model.eval()(x))
