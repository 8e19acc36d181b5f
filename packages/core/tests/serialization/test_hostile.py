"""Files that are damaged, of another kind, or made to do harm: one clear error each, and nothing happens."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import flambeau
from flambeau.runtime.tensor import wrap
from flambeau.serialization import (
    add_safe_globals,
    clear_safe_globals,
    composed,
    get_safe_globals,
    safe_globals,
)

DATA = Path(__file__).parent / "data"


def archive(program: bytes, compression: int = zipfile.ZIP_STORED, **records: bytes) -> io.BytesIO:
    """A checkpoint with this pickle and these storages, made without our writer."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        made.writestr("archive/data.pkl", program)
        made.writestr("archive/byteorder", b"little")
        made.writestr("archive/version", b"3\n")
        for name, data in records.items():
            made.writestr(f"archive/data/{name.removeprefix('r')}", data)
    file.seek(0)
    return file


def call(name: str, arguments: bytes) -> bytes:
    """A protocol 2 pickle that calls `name` ("module\\nattribute") with what `arguments` leaves on the stack."""
    return b"\x80\x02c" + name.encode() + b"\n" + arguments + b"R."


def tensor_pickle(
    count: int, offset: int, size: int, stride: int, kind: str = "FloatStorage"
) -> bytes:
    number = lambda n: b"\x8a\x08" + struct.pack("<q", n)  # noqa: E731 - a LONG1
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\n"
        + kind.encode()
        + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    )
    storage += number(count) + b"tQ"
    return call(
        "torch._utils\n_rebuild_tensor_v2",
        b"(" + storage + number(offset) + number(size) + b"\x85" + number(stride) + b"\x85\x89Nt",
    )


class Ran(Exception):
    """A file managed to call something."""


@pytest.mark.parametrize(
    "program",
    [
        call("posix\nsystem", b"X\x04\x00\x00\x00true\x85"),
        call("os\nsystem", b"X\x04\x00\x00\x00true\x85"),
        call("builtins\neval", b"X\x01\x00\x00\x001\x85"),
        call("__builtin__\nexec", b"X\x01\x00\x00\x001\x85"),
        call("builtins\ngetattr", b")"),
        call("torch.hub\nload", b")"),
        call("torch._utils\n__builtins__", b")"),
        call("flambeau.serialization.checkpoint\nload", b")"),
        call("collections\nOrderedDict.__init__.__globals__", b")"),
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"\x80\x02\x82\x01.",  # EXT1
        b"Pname\n.",  # PERSID
        b"\x80\x05\x97.",  # NEXT_BUFFER
        b"\x80\x02ctorch\nTensor\n)R.",  # calling a class that is only a name
        b"\x80\x02ctorch\nTensor\n)\x81.",
        b"\x80\x02ctorch\nTensor\n}b.",  # setting attributes of a class
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb.",
        b"\x80\x02ccollections\nOrderedDict\n}b.",
        b"\x80\x02](K\x01e]R.",  # calling a list
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        b"\x80\x02(X\x03\x00\x00\x00fooK\x01tQ.",  # a persistent id that is no storage
        b"\x80\x02K\x01Q.",
    ],
)
@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_pickle_that_tries_to_run_code(program: bytes, kind: str) -> None:
    if kind == "legacy":
        whole = (DATA / "legacy.pt").read_bytes()
        start = whole.index(b"\x80\x02}q\x00(X\x10\x00\x00\x00protocol_version")
        file = io.BytesIO(whole[:start] + program)
    else:
        file = archive(program)
    with pytest.raises(
        pickle.UnpicklingError, match=r"^(load: |Weights only load failed: )[^\n]+$"
    ):
        flambeau.load(file)


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (b"\x80\x02]N\x61K\x00K\x01s.", "a dict to fill, found a list"),  # would write list[0]
        (b"\x80\x02](K\x00K\x01u.", "a dict to fill, found a list"),
        (b"\x80\x02}N\x61.", "a list to fill, found a dict"),
        (b"\x80\x04\x8f(K\x01e.", "a list to fill, found a set"),
        (b"\x80\x04}(K\x01\x90.", "a set to fill, found a dict"),
        (b"\x80\x02ctorch\nTensor\nN\x61.", "a list to fill, found a"),  # a class's own append
    ],
)
def test_only_plain_containers_are_filled(program: bytes, text: str) -> None:
    """What a file names is not asked for its `append`, `update` or `__setitem__`."""
    with pytest.raises(pickle.UnpicklingError, match=text):
        flambeau.load(archive(program))


class Evil:
    def __reduce__(self) -> tuple:
        return os.mkdir, (os.environ["FLAMBEAU_EVIL"],)


def test_code_runs_only_where_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "made by the file"
    monkeypatch.setenv("FLAMBEAU_EVIL", str(made))
    file = archive(pickle.dumps(Evil(), 2))
    with pytest.raises(
        pickle.UnpicklingError, match=r"mkdir.*not allowed by default.*weights_only=False"
    ):
        flambeau.load(file)
    assert not made.exists()
    flambeau.load(file, weights_only=False)
    assert made.exists()


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


def test_safe_globals_open_the_door_to_named_classes_only() -> None:
    file = archive(pickle.dumps(Point(3), 2))
    with pytest.raises(pickle.UnpicklingError, match=r"Point.*add_safe_globals\(\[Point\]\)"):
        flambeau.load(file)
    with safe_globals([Point]):
        assert flambeau.load(file).x == 3
        assert get_safe_globals() == [Point]
    assert get_safe_globals() == []
    add_safe_globals([(Point, "somewhere.Else")])
    try:
        other = pickle.dumps(Point(4), 2).replace(
            f"c{Point.__module__}\nPoint".encode(), b"csomewhere\nElse"
        )
        assert flambeau.load(archive(other)).x == 4
        assert get_safe_globals() == [(Point, "somewhere.Else")]
    finally:
        clear_safe_globals()
    with pytest.raises(TypeError, match="add_safe_globals"):
        add_safe_globals([3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "program, text",
    [
        (
            call("builtins\nbytearray", b"\x8a\x08" + struct.pack("<q", 2**40) + b"\x85"),
            "bytearray of a int",
        ),
        (call("_codecs\nencode", b"X\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86"), "asks for 'zip'"),
        (b"\x80\x02B\xff\xff\xff\x7fab.", "damaged"),  # BINBYTES of 2 GiB in a file of bytes
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b"ab.", "damaged"),  # BINBYTES8 of a petabyte
        (b"\x80\x02\x8b\xff\xff\xff\x7f1.", "damaged"),  # LONG4
        (b"\x80\x02" + b"]r\xff\xff\xff\xff.", None),  # a memo index of 4 billion takes one entry
        (tensor_pickle(2**59, 0, 1, 1), "no record 'data/0'"),
    ],
)
def test_claims_of_size_are_not_believed(program: bytes, text: str | None) -> None:
    if text is None:
        assert flambeau.load(archive(program)) == []
        return
    with pytest.raises((pickle.UnpicklingError, RuntimeError), match=text):
        flambeau.load(archive(program))


@pytest.mark.parametrize(
    "claimed, size",
    [((2**59, 0, 1, 1), 4), ((4, 0, 1, 1), 4), ((1, 0, 1, 1), 16)],
)
def test_storages_must_have_the_size_that_tensors_claim(
    claimed: tuple[int, ...], size: int
) -> None:
    with pytest.raises(
        RuntimeError, match=rf"storage '0' has {size} bytes, but its tensors expect"
    ):
        flambeau.load(archive(tensor_pickle(*claimed), r0=bytes(size)))


@pytest.mark.parametrize(
    "offset, size, stride",
    [
        (0, 5, 1),
        (1, 4, 1),
        (0, 2, 4),
        (2**62, 1, 1),
        (-1, 1, 1),
        (0, -1, 1),
        (0, 2, -1),
        (0, 2**62, 2**62),
    ],
)
def test_tensors_must_lie_inside_their_storage(offset: int, size: int, stride: int) -> None:
    with pytest.raises(RuntimeError, match=r"out of bounds for storage of size 16|cannot be"):
        flambeau.load(archive(tensor_pickle(4, offset, size, stride), r0=bytes(16)))


def test_expanding_a_storage_takes_no_memory() -> None:
    got = flambeau.load(archive(tensor_pickle(1, 0, 2**40, 0), r0=bytes(4)))
    assert got.shape == (2**40,) and got._array.strides == (0,)


def test_zip_bombs() -> None:
    with pytest.raises(RuntimeError, match="compressed or encrypted"):
        flambeau.load(archive(tensor_pickle(2**24, 0, 1, 1), zipfile.ZIP_DEFLATED, r0=bytes(2**26)))
    # Many directory entries that point at one record: each is within the file, together they are not.
    raw = bytearray(archive(b"\x80\x02N.", **{f"r{i}": bytes(4096) for i in range(4)}).getvalue())
    with zipfile.ZipFile(io.BytesIO(raw)) as made:
        first = made.getinfo("archive/data/0").header_offset
        others = [made.getinfo(f"archive/data/{i}").header_offset for i in (1, 2, 3)]
        start = made.start_dir
    directory = raw[start:]
    for offset in others:
        directory = directory.replace(
            struct.pack("<L", offset) + b"archive/data", struct.pack("<L", first) + b"archive/data"
        )
    shorter = raw[: others[0]] + directory
    end = shorter.rindex(b"PK\x05\x06")
    shorter[end + 16 : end + 20] = struct.pack("<L", others[0])
    with pytest.raises(RuntimeError, match=r"overlap"):
        flambeau.load(io.BytesIO(shorter))


def test_names_that_occur_twice() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("archive/data.pkl", b"\x80\x02N.")
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("archive/data.pkl", b"\x80\x02N.")
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"two records called 'data\.pkl'"):
        flambeau.load(file)


@pytest.mark.parametrize("name", ["zip.pt", "legacy.pt"])
def test_files_cut_short_anywhere(name: str) -> None:
    whole = (DATA / name).read_bytes()
    for length in {1, 2, 10, 30, 100, *range(200, len(whole), 211), len(whole) - 1}:
        with pytest.raises((RuntimeError, pickle.UnpicklingError), match="load"):
            flambeau.load(io.BytesIO(whole[:length]))


def test_a_flipped_bit_in_a_tensor_is_noticed() -> None:
    file = io.BytesIO()
    flambeau.save(wrap(np.full(100, 1.5)), file)
    raw = bytearray(file.getvalue())
    at = raw.index(np.full(100, 1.5).tobytes())
    raw[at + 77] ^= 4
    with pytest.raises(RuntimeError, match="record 'data/0' is damaged: its checksum differs"):
        flambeau.load(io.BytesIO(raw))


@pytest.mark.slow
def test_random_damage_is_an_error_or_harmless() -> None:
    whole = bytearray((DATA / "zip.pt").read_bytes())
    draws = np.random.default_rng(0)
    for _ in range(400):
        damaged = whole.copy()
        for at in draws.integers(0, len(whole), draws.integers(1, 4)):
            damaged[at] = draws.integers(256)
        try:
            flambeau.load(io.BytesIO(damaged))
        except (RuntimeError, pickle.UnpicklingError) as error:
            assert str(error)  # noqa: PT017 - any of the two is right, nothing else


@pytest.mark.slow
def test_random_pickles_are_an_error_or_harmless() -> None:
    with zipfile.ZipFile(DATA / "zip.pt") as made:
        program = bytearray(made.read("zip/data.pkl"))
    draws = np.random.default_rng(1)
    for _ in range(400):
        damaged = program.copy()
        for at in draws.integers(0, len(program), draws.integers(1, 6)):
            damaged[at] = draws.integers(256)
        with pytest.raises((RuntimeError, pickle.UnpicklingError)):
            flambeau.load(archive(bytes(damaged)))  # without storages, so that none can succeed


@pytest.mark.parametrize(
    "content, error, text",
    [
        (b"", EOFError, "the file is empty"),
        (
            b"hello, this is a letter",
            RuntimeError,
            r"not a checkpoint: the file begins with b'hello",
        ),
        (b"\x93NUMPY\x01\x00", RuntimeError, "a NumPy array"),
        (b"<!DOCTYPE html>", RuntimeError, "web page"),
        (b"\x1f\x8b\x08\x00", RuntimeError, "gzip"),
        (b"version https://git-lfs.github.com/spec/v1", RuntimeError, "Git LFS pointer"),
        (struct.pack("<Q", 2) + b"{}", RuntimeError, "looks like safetensors"),
        (pickle.dumps({"a": 1}), pickle.UnpicklingError, "a plain pickle"),
        (b"PK\x03\x04 and nothing else", RuntimeError, "cut short or damaged"),
    ],
)
def test_files_of_another_kind(
    content: bytes, error: type[Exception], text: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(error, match=text):
        flambeau.load(path)


def test_other_zip_archives() -> None:
    for name, text in (
        ("other.txt", "no record 'data.pkl'"),
        ("archive/constants.pkl", "TorchScript"),
    ):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as made:
            made.writestr(name, b"x")
            if "constants" in name:
                made.writestr("archive/data.pkl", b"\x80\x02N.")
        file.seek(0)
        with pytest.raises(RuntimeError, match=text):
            flambeau.load(file)


def test_what_flambeau_lacks_is_named() -> None:
    for name, text in (
        ("torch\nQUInt4x2Storage", "4 bits"),
        ("torch\nfloat4_e2m1fn_x2", "float4_e2m1fn_x2"),
    ):
        with pytest.raises(pickle.UnpicklingError, match=text):
            flambeau.load(archive(call(name, b")")))


def test_parts_that_make_no_quantized_nested_or_masked_tensor() -> None:
    make = composed
    row, table = flambeau.tensor([0, 2]), flambeau.tensor([[2], [10**9]])
    values = flambeau.ones(4)
    for call, text in (
        (lambda: make.rebuild_nested(values, table, flambeau.tensor([[1], [0]]), row), "more elements"),
        (lambda: make.rebuild_nested(values, table[:1], table, row), "do not fit"),
        (lambda: make.rebuild_nested(values, flambeau.tensor([[-1]]), flambeau.tensor([[1]]), row[:1]), "more elements"),
        (lambda: make.rebuild_nested(values, flambeau.tensor([[2]]), flambeau.tensor([[1]]), row[:1] + 3), "out of bounds"),
        (lambda: make.rebuild_jagged({"values": values, "offsets": flambeau.tensor([0, 5])}), "within its 4"),
        (lambda: make.rebuild_jagged({"values": values, "offsets": flambeau.tensor([3, 1])}), "within its 4"),
        (lambda: make.rebuild_jagged({"values": values, "offsets": row, "lengths": row}), "do not fit"),
        (lambda: make.rebuild_jagged({"values": values, "offsets": row, "_ragged_idx": 2}), "do not fit"),
        (lambda: make.rebuild_jagged(3), "without values"),
        (lambda: make.filled(make.MASKED, (make.MASKED, (True,)), {}), "without data and mask"),
        (lambda: make.filled(make.JAGGED, values, {}), "something else"),
        (lambda: make.rebuild_shell(make.JAGGED), "cannot be rebuilt"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=text):
            call()
    file = io.BytesIO()
    flambeau.save(flambeau.quantize_per_tensor(values, 0.5, 3, flambeau.quint8), file)
    whole = zipfile.ZipFile(file)
    program = whole.read("archive/data.pkl")
    for old, new, text in (
        (b"_rebuild_qtensor", b"_rebuild_tensor_v2", "without what they mean"),
        (b"per_tensor_affine", b"per_channel_affine", "do not fit its size"),
        (b"per_tensor_affine", b"uint8", "scales and zero points|what its integers"),
        (b"torch\nQUInt8Storage", b"torch\nByteStorage", "no dtype of quantized"),
    ):
        changed = archive(program.replace(old, new), r0=whole.read("archive/data/0"))
        with pytest.raises((RuntimeError, pickle.UnpicklingError), match=text):
            flambeau.load(changed)


def test_attributes_of_tensors_cannot_reach_the_engine() -> None:
    inner = tensor_pickle(1, 0, 1, 1)[len(b"\x80\x02") : -1]
    function, arguments = inner.split(b"\n(", 1)
    state = b"}(X\x06\x00\x00\x00_arrayK\x01X\x05\x00\x00\x00shapeK\x02X\x04\x00\x00\x00mineK\x03u"
    program = (
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n("
        + function + b"\nctorch\nTensor\n(" + arguments[:-1] + state + b"tR."
    )  # fmt: skip
    got = flambeau.load(archive(program, r0=bytes(4)))
    assert got.shape == (1,) and got.mine == 3 and isinstance(got._array, np.ndarray)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_a_small_hostile_file_needs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    path.write_bytes(
        archive(tensor_pickle(2**30, 0, 1, 1), zipfile.ZIP_DEFLATED, r0=bytes(2**26)).getvalue()
    )
    code = (
        "import re, sys, flambeau\n"
        "def peak():  # of this process; getrusage tells that of who started it, where that was larger\n"
        "    return int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])\n"
        "before = peak()\n"
        "try:\n    flambeau.load(sys.argv[1])\nexcept RuntimeError as error:\n    print(error)\n"
        "assert peak() - before < 32 * 1024, 'took memory'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=True
    )
    assert "compressed" in done.stdout


def test_ordered_dicts_take_their_metadata_and_nothing_calls_it() -> None:
    named = OrderedDict(a=1)
    named._metadata = {"x": 1}  # type: ignore[attr-defined]
    assert flambeau.load(archive(pickle.dumps(named, 2)))._metadata == {"x": 1}
