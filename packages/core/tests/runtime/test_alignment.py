"""Memory whose elements do not begin at multiples of their size reaches no kernel: it is copied, or refused where writes would be lost."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

import flambeau

VALUES = np.arange(10, dtype="f4")
ELSEWHERE = r"begin at a multiple of 4 bytes, but the memory of the array begins at 1 beyond one: copy the array first"


def shifted(values: np.ndarray, by: int = 1) -> np.ndarray:
    """The same values, `by` bytes beyond where they should begin."""
    raw = np.empty(values.nbytes + 16, np.uint8)
    start = -raw.ctypes.data % 16 + by
    made = raw[start : start + values.nbytes].view(values.dtype)
    made[...] = values
    assert not made.flags.aligned
    return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: flambeau.from_numpy(shifted(VALUES)),
        lambda: flambeau.from_dlpack(shifted(VALUES)),
        lambda: flambeau.frombuffer(memoryview(shifted(VALUES)).cast("B"), dtype=flambeau.float32),
        lambda: flambeau.from_numpy(shifted(VALUES).view("u1")).view(flambeau.float32),
        lambda: flambeau.empty(0).set_(
            flambeau.from_numpy(shifted(VALUES).view("u1")).untyped_storage(), 0, (10,)
        ),
    ],
    ids=["from_numpy", "from_dlpack", "frombuffer", "view", "set_"],
)
def test_what_somebody_writes_to_is_refused(make):
    with pytest.raises((ValueError, RuntimeError), match=ELSEWHERE):
        make()


def test_what_nobody_writes_to_is_copied():
    values = shifted(VALUES)
    values.flags.writeable = False
    assert flambeau.from_numpy(values).tolist() == VALUES.tolist()
    data = b"head:" + VALUES.tobytes()
    with pytest.warns(UserWarning, match="not writable"):
        made = flambeau.frombuffer(data, dtype=flambeau.float32, offset=5)
    assert made.tolist() == VALUES.tolist() and made.numpy().flags.aligned


@pytest.mark.parametrize("make", [flambeau.tensor, flambeau.as_tensor, flambeau.asarray])
def test_functions_that_may_copy_do(make):
    assert make(shifted(VALUES)).tolist() == VALUES.tolist()
    with pytest.raises(ValueError, match="can't alias"):
        flambeau.asarray(shifted(VALUES), copy=False)


@pytest.mark.parametrize("kind", ["f4", "c8", "i8"])
def test_a_field_of_records_is_refused(kind):
    records = np.zeros(5, [("first", "f4" if kind == "c8" else "u1"), ("second", kind)])
    with pytest.raises(ValueError, match="strides not a multiple of the element byte size"):
        flambeau.from_numpy(records["second"])
    assert flambeau.as_tensor(records["second"]).tolist() == [0] * 5


@pytest.mark.parametrize("shift", range(4))
def test_a_mapped_checkpoint_of_another_writer(tmp_path, shift):
    """Its records begin anywhere, PyTorch's at multiples of 64."""
    flambeau.save({"w": flambeau.arange(5.0)}, tmp_path / "ours.pt")
    with (
        zipfile.ZipFile(tmp_path / "ours.pt") as ours,
        zipfile.ZipFile(tmp_path / "other.pt", "w") as other,
    ):
        other.writestr("other/" + "x" * (shift + 1), b"")
        for name in ours.namelist():
            other.writestr(name.replace("ours/", "other/"), ours.read(name))
    made = flambeau.load(tmp_path / "other.pt", mmap=True)["w"]
    assert made.tolist() == [0, 1, 2, 3, 4] and made.numpy().flags.aligned


def test_dtypes_that_were_unpickled_are_numpys_own():
    saved = pickle.loads(pickle.dumps(np.arange(6, dtype=np.float32).reshape(2, 3)))
    assert saved.dtype is not np.dtype(np.float32)
    made = flambeau.from_numpy(saved)
    assert made.numpy().dtype is np.dtype(np.float32)
    made += 1
    assert saved[0, 0] == 1  # the same memory
