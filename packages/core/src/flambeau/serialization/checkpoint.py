"""`flambeau.save` and `flambeau.load`: PyTorch's checkpoint files."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any

import numpy as np

from .._base.checks import check, fail
from .._base.devices import device as Device
from . import legacy
from .archive import ArchiveReader, ArchiveWriter
from .files import whole_file
from .globals import LoadedStorage, StorageKind
from .pickling import Pickler
from .storage import UntypedStorage
from .unpickling import RestrictedUnpickler, damaged, trusting_unpickler

MapLocation = (
    Callable[[UntypedStorage, str], UntypedStorage | None] | Device | str | dict[str, str] | None
)
_ZIP = b"PK\x03\x04"
_OTHER_KINDS = (
    (b"\x93NUMPY", "a NumPy array; numpy.load reads it"),
    (b"\x89HDF", "HDF5; the package h5py reads it"),
    (b"GGUF", "a GGUF model"),
    (b"\x1f\x8b", "compressed with gzip; decompress it first"),
    (b"<", "text, perhaps the web page of a failed download"),
    (b"version https://git-lfs", "a Git LFS pointer; run git lfs pull"),
)


def save(
    obj: Any,
    f: str | os.PathLike[str] | IO[bytes],
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Writes `obj` to a file that `flambeau.load` and `torch.load` read.

    Args:
        obj: tensors in any nest of Python containers, such as the state dicts of modules and optimizers.
        f: a path, whose file then appears whole or not at all, or a binary file object to write to.
        pickle_module: only the standard one; it is here for PyTorch's signature.
        pickle_protocol: 2 is what `torch.load(weights_only=True)` reads best.

    Tensors that share memory share it again after loading. A view keeps the whole memory it looks at, as in PyTorch:
    save `x.clone()` where that is too much. Objects of other classes are pickled by the name of their class; loading
    those takes `weights_only=False`.

    >>> import io, flambeau
    >>> file = io.BytesIO()
    >>> flambeau.save({"w": flambeau.ones(2)}, file)
    >>> flambeau.load(io.BytesIO(file.getvalue()))
    {'w': tensor([1., 1.])}
    """
    if not _use_new_zipfile_serialization:
        raise NotImplementedError(
            "save: the format of before PyTorch 1.6 is only read; expected the zip format"
        )
    if pickle_module is not pickle:
        raise NotImplementedError(
            f"save: pickle_module must be the standard pickle, got {pickle_module!r}"
        )
    is_path = isinstance(f, (str, os.PathLike))
    if not is_path and not hasattr(f, "write"):
        raise AttributeError(
            f"expected 'f' to be string, path, or a file-like object with a 'write' attribute, got {type(f).__name__}"
        )
    body = io.BytesIO()
    pickler = Pickler(body, pickle_protocol)
    pickler.dump(obj)
    with whole_file(f) if is_path else nullcontext(f) as stream:  # type: ignore[arg-type]
        archive = ArchiveWriter(stream, _archive_name(f) if is_path else "archive")  # type: ignore[arg-type]
        archive.write("data.pkl", body.getvalue())
        archive.write(".format_version", b"1")
        archive.write(".storage_alignment", b"64")
        if not _disable_byteorder_record:
            archive.write("byteorder", sys.byteorder.encode())
        for key, raw in enumerate(pickler.storages):
            archive.write(f"data/{key}", raw)
        archive.write("version", b"3\n")
        archive.write(".data/serialization_id", archive.serialization_id())
        archive.close()


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Reads a file that `flambeau.save` or `torch.save` wrote.

    Args:
        f: a path, or a binary file object that can seek.
        map_location: where tensors go: a device for all of them, a dict from saved to wanted devices, or a function
            of storage and saved device. None: where they were.
        pickle_module: another module to unpickle with; naming one means `weights_only=False`.
        weights_only: True, which is the default: tensors and plain Python data only; a file that asks for anything
            else is refused, and nothing it names is imported or called. False: **the file may run any code**.
        mmap: leave tensors in the file until they are used, and never write changes back to it. For paths only.

    Raises:
        pickle.UnpicklingError: the file asks for something that `weights_only` does not allow, or is damaged.
        RuntimeError: the file is cut short, its sizes disagree, or it is of another kind.
    """
    trusted = not weights_only if weights_only is not None else pickle_module is not None
    if pickle_module is not None and not trusted:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    is_path = isinstance(f, (str, os.PathLike))
    if not is_path and not (hasattr(f, "read") and hasattr(f, "seek")):
        raise AttributeError(
            f"{type(f).__name__!r} object has no attribute 'seek'. You can only load from a file that is seekable: "
            "put the data into an io.BytesIO and load from that"
        )
    if mmap and not is_path:
        raise ValueError("f must be a string or os.PathLike filename in order to use mmap argument")
    with _opened(f) as stream:
        start = stream.tell()
        first = stream.read(64)
        stream.seek(start)
        if not first:
            raise EOFError("load: the file is empty")
        reader = _Reader(
            _restorer(map_location), trusted, pickle_module or pickle, pickle_load_args
        )
        if first.startswith(_ZIP):
            return reader.read_archive(stream, os.fspath(f) if mmap else None)  # type: ignore[arg-type]
        check(
            first.startswith(legacy.FIRST_BYTES),
            lambda: f"load: not a checkpoint: the file {_described(first)}",
            RuntimeError if first[:1] != b"\x80" else pickle.UnpicklingError,
        )
        check(
            not mmap,
            lambda: "mmap can only be used with files in the zip format, but this file is older",
        )
        return legacy.read(stream, reader.unpickler, reader.restore)


def _opened(f: Any) -> AbstractContextManager[IO[bytes]]:
    """The file of a path, closed at the end; a file object is left open."""
    return open(f, "rb") if isinstance(f, (str, os.PathLike)) else nullcontext(f)


class _Reader:
    """One call of `load`."""

    def __init__(
        self,
        restore: Callable[[UntypedStorage, str], UntypedStorage],
        trusted: bool,
        pickle_module: Any,
        arguments: dict[str, Any],
    ) -> None:
        self.restore = restore
        self._trusted, self._pickle, self._arguments = trusted, pickle_module, arguments

    def unpickler(self, stream: IO[bytes], load_storage: Callable[[Any], Any]) -> Any:
        """What reads one pickle from `stream`."""
        if self._trusted:
            return trusting_unpickler(self._pickle)(stream, load_storage, **self._arguments)
        return RestrictedUnpickler(stream, load_storage, **self._arguments)

    def read_archive(self, stream: IO[bytes], path: str | None) -> Any:
        archive = ArchiveReader(stream)
        if "data.pkl" not in archive:
            fail("load: a zip archive, but not a checkpoint: it has no record 'data.pkl'")
        if "constants.pkl" in archive:
            fail(
                "load: a TorchScript archive, which holds a program; expected a checkpoint that torch.save wrote"
            )
        swap = _byte_order(archive) != sys.byteorder
        whole = _mapped(path) if path else None
        loaded: dict[str, UntypedStorage] = {}

        def load_storage(pid: Any) -> LoadedStorage:
            kind, key, location, count = check_storage_id(pid, extra=0)
            record, nbytes = f"data/{key}", count * (kind.dtype.itemsize)
            if key not in loaded:
                size = archive.size(record)
                check(
                    size == nbytes,
                    lambda: (
                        f"load: storage {key!r} has {size} bytes, but its tensors expect {nbytes}"
                    ),
                )
                loaded[key] = self.restore(_bytes_of(archive, record, whole, kind, swap), location)
            check(
                loaded[key].nbytes() == nbytes,
                lambda: (
                    f"load: storage {key!r} has {loaded[key].nbytes()} bytes, but a tensor expects {nbytes}"
                ),
            )
            return LoadedStorage(kind, loaded[key])

        return self.unpickler(io.BytesIO(archive.read("data.pkl").tobytes()), load_storage).load()


def check_storage_id(pid: Any, extra: int) -> tuple[StorageKind, str, str, int]:
    """The parts of a pickle's reference to a storage; `extra` more of them may follow."""
    text = (str, bytes)
    if not (
        type(pid) is tuple
        and len(pid) in (5, 5 + extra)
        and pid[0] in ("storage", b"storage")
        and isinstance(pid[1], StorageKind)
        and isinstance(pid[2], text)
        and isinstance(pid[3], text)
        and type(pid[4]) is int
        and 0 <= pid[4] < 2**60
    ):
        raise damaged(ValueError("a reference to a storage without class, key, location and size"))
    key, location = (v.decode() if isinstance(v, bytes) else v for v in pid[2:4])
    return pid[1], key, location, pid[4]


def _bytes_of(
    archive: ArchiveReader, record: str, whole: Any, kind: StorageKind, swap: bool
) -> UntypedStorage:
    if whole is not None and archive.size(record):
        raw = np.frombuffer(whole, np.uint8, archive.size(record), archive.offset(record))
    else:
        raw = archive.read(record)
    if swap and kind.dtype.itemsize > 1:
        raw.view(_swappable(kind)).byteswap(inplace=True)
    check(
        not swap or kind.typed,
        lambda: (
            "load: the file was written on a machine of the other byte order with bytes of unnamed type"
        ),
    )
    return UntypedStorage(raw)


def _swappable(kind: StorageKind) -> np.dtype:
    return np.dtype(np.uint16) if kind.dtype.itemsize == 2 else kind.dtype.numpy


def _byte_order(archive: ArchiveReader) -> str:
    if "byteorder" not in archive:
        return "little"  # as PyTorch wrote before it had the record
    order = archive.read("byteorder").tobytes().decode("ascii", "replace").strip()
    check(order in ("little", "big"), lambda: f"load: unknown byte order {order!r}")
    return order


def _mapped(path: str) -> Any:
    """The file's bytes, of which changes stay with us."""
    import mmap

    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _restorer(map_location: MapLocation) -> Callable[[UntypedStorage, str], UntypedStorage]:
    """How `map_location` decides where a storage goes."""
    if map_location is None:
        return _as_saved
    if isinstance(map_location, (str, Device)):
        wanted = Device(map_location)
        return lambda storage, _location: _to(storage, wanted)
    if isinstance(map_location, dict):
        return lambda storage, location: _to(storage, Device(map_location.get(location, location)))
    if not callable(map_location):
        raise TypeError(
            f"load: map_location must be a device, dict or function, got {type(map_location).__name__}"
        )
    return lambda storage, location: map_location(storage, location) or _as_saved(storage, location)


def _as_saved(storage: UntypedStorage, location: str) -> UntypedStorage:
    if location == "cpu":
        return storage
    return _to(storage, Device(location), "; pass map_location='cpu' to load it onto the CPU")


def _to(storage: UntypedStorage, device: Device, hint: str = "") -> UntypedStorage:
    if device.type == "cuda":
        from ..cuda import is_available

        check(
            is_available(),
            lambda: (
                "Attempting to deserialize object on a CUDA device but flambeau.cuda.is_available() is False"
                + hint
            ),
        )
    return storage if device.type == "cpu" else storage.to(device)


def _archive_name(path: str | os.PathLike[str]) -> str:
    """The folder inside the archive: the file's name without its ending, as PyTorch has it."""
    name = os.path.splitext(os.path.basename(os.fspath(path)))[0]
    return name if name and name.isascii() else "archive"


def _described(first: bytes) -> str:
    length = int.from_bytes(first[:8], "little")
    if first[8:9] == b"{" and length < 2**40:
        return "looks like safetensors; flambeau.serialization.safetensors.load_file reads those"
    for start, kind in _OTHER_KINDS:
        if first.startswith(start):
            return f"is {kind}"
    if first[:1] == b"\x80":
        return "is a plain pickle, not one of torch.save; pickle.load reads it, if you trust it"
    return f"begins with {first[:16]!r}"
