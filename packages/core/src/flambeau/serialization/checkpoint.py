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
from . import legacy, options, places
from .archive import ArchiveReader, ArchiveWriter
from .files import whole_file
from .globals import LoadedStorage, StorageKind
from .pickling import pickler_class
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
        pickle_module: the standard one, or one built on its pickler in Python, such as dill.
        pickle_protocol: 2 is what `torch.load(weights_only=True)` reads best.

    Tensors that share memory share it again after loading. A view keeps the whole memory it looks at, as in PyTorch:
    save `x.clone()` where that is too much. Objects of other classes are pickled by the name of their class, those of
    `flambeau.nn` and `flambeau.optim` by PyTorch's; loading them takes `weights_only=False`.

    >>> import io, flambeau
    >>> file = io.BytesIO()
    >>> flambeau.save({"w": flambeau.ones(2)}, file)
    >>> flambeau.load(io.BytesIO(file.getvalue()))
    {'w': tensor([1., 1.])}
    """
    is_path = isinstance(f, (str, os.PathLike))
    if not is_path and not hasattr(f, "write"):
        raise AttributeError(
            f"expected 'f' to be string, path, or a file-like object with a 'write' attribute, got {type(f).__name__}"
        )
    kind = pickler_class(pickle_module)
    if not _use_new_zipfile_serialization:
        if options.skipping.on:
            raise RuntimeError(
                "Cannot use skip_data=True with _use_new_zipfile_serialization=False"
            )
        with _written(f) as stream:
            legacy.write(stream, obj, lambda *args: kind(*args, legacy=True), pickle_protocol)
        return
    body = io.BytesIO()
    pickler = kind(body, pickle_protocol)
    pickler.dump(obj)
    with _written(f) as stream:
        archive = ArchiveWriter(
            stream,
            _archive_name(f) if is_path else "archive",  # type: ignore[arg-type]
            alignment=options.save.storage_alignment,
            checksums=options.save.compute_crc32,
        )
        archive.write("data.pkl", body.getvalue())
        archive.write(".format_version", b"1")
        archive.write(".storage_alignment", b"%d" % options.save.storage_alignment)
        if not _disable_byteorder_record:
            archive.write("byteorder", sys.byteorder.encode())
        for key, (raw, _) in enumerate(pickler.storages):
            archive.write(f"data/{key}", np.zeros_like(raw) if options.skipping.on else raw)
        archive.write("version", b"3\n")
        archive.write(".data/serialization_id", archive.serialization_id())
        archive.close()


def _written(f: Any) -> AbstractContextManager[IO[bytes]]:
    """The file of a path, there whole or not at all; a file object as it is."""
    return whole_file(f) if isinstance(f, (str, os.PathLike)) else nullcontext(f)


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
    mmap = options.load.mmap if mmap is None else mmap
    if mmap and not is_path:
        raise ValueError("f must be a string or os.PathLike filename in order to use mmap argument")
    try:
        return _loaded(f, trusted, pickle_module, mmap, map_location, pickle_load_args)
    except _OfUser as passed:
        raise passed.error from passed.error.__cause__


def _loaded(
    f: Any,
    trusted: bool,
    pickle_module: Any,
    mmap: bool,
    map_location: MapLocation,
    arguments: dict[str, Any],
) -> Any:
    with _opened(f) as stream:
        start = stream.tell()
        first = stream.read(64)
        stream.seek(start)
        if not first:
            raise EOFError("load: the file is empty")
        reader = _Reader(_restorer(map_location), trusted, pickle_module or pickle, arguments)
        if first.startswith(_ZIP):
            return reader.read_archive(stream, os.fspath(f) if mmap else None)
        check(
            first.startswith(legacy.FIRST_BYTES),
            lambda: f"load: not a checkpoint: the file {_described(first)}",
            RuntimeError if first[:1] != b"\x80" else pickle.UnpicklingError,
        )
        check(
            not mmap,
            lambda: "mmap can only be used with files in the zip format, but this file is older",
        )
        check(
            not options.skipping.on,
            lambda: "load: skip_data is for files in the zip format, but this file is older",
        )
        return legacy.read(stream, reader.unpickler, reader.restore, trusted)


class _OfUser(Exception):
    """Carries what the user's function raised past the unpickler, which takes errors for a damaged file."""

    def __init__(self, error: Exception) -> None:
        self.error = error


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
    if options.skipping.on:
        return UntypedStorage(np.zeros(archive.size(record), np.uint8))
    if whole is not None and archive.size(record):
        raw = np.frombuffer(whole, np.uint8, archive.size(record), archive.offset(record))
        if (
            raw.ctypes.data % kind.dtype.itemsize
        ):  # not written by PyTorch, which begins at multiples of 64
            raw = raw.copy()
    else:
        raw = archive.read(record)
    if swap and kind.dtype.itemsize > 1:
        raw = raw if whole is None else raw.copy()
        raw.view(_swappable(kind)).byteswap(inplace=True)
    check(
        not swap or kind.typed,
        lambda: (
            "load: the file was written on a machine of the other byte order with bytes of unnamed type"
        ),
    )
    return UntypedStorage(raw)


def _swappable(kind: StorageKind) -> np.dtype:
    dtype = kind.dtype
    return np.dtype(f"u{dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize}")


def _byte_order(archive: ArchiveReader) -> str:
    if "byteorder" not in archive:
        assumed = options.load.endianness
        if assumed is options.LoadEndianness.NATIVE:
            return sys.byteorder
        # PyTorch wrote little before it had the record.
        return "big" if assumed is options.LoadEndianness.BIG else "little"
    order = archive.read("byteorder").tobytes().decode("ascii", "replace").strip()
    check(order in ("little", "big"), lambda: f"load: unknown byte order {order!r}")
    return order


def _mapped(path: str) -> Any:
    """The file's bytes, of which changes stay with us unless the default is MAP_SHARED. Nothing is read yet."""
    import mmap

    shared = options.load.mmap_flags is not None and options.load.mmap_flags == options.MAP_SHARED
    with open(path, "r+b" if shared else "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY)


def _restorer(map_location: MapLocation) -> Callable[[UntypedStorage, str], UntypedStorage]:
    """How `map_location` decides where a storage goes."""
    if map_location is None:
        return _restored
    if isinstance(map_location, (str, Device)):
        wanted = str(map_location)
        return lambda storage, _location: _restored(storage, wanted)
    if isinstance(map_location, dict):
        return lambda storage, location: _restored(storage, map_location.get(location, location))
    if not callable(map_location):
        raise TypeError(
            f"load: map_location must be a device, dict or function, got {type(map_location).__name__}"
        )

    def asked(storage: UntypedStorage, location: str) -> UntypedStorage:
        try:
            answer = map_location(storage, location)
            return _restored(storage, location) if answer is None else _internal(answer)
        except Exception as error:  # whatever a function of the user's raises is the user's
            raise _OfUser(error) from error

    return asked


def _restored(storage: UntypedStorage, location: Any) -> UntypedStorage:
    return _internal(places.default_restore_location(storage, str(location)))


def _internal(storage: Any) -> UntypedStorage:
    """What a function of the user's made of a storage: ours, or one of those that users know."""
    if isinstance(storage, UntypedStorage):
        return storage
    raw = getattr(getattr(storage, "_untyped", None), "_data", None)
    if raw is None:
        fail(
            f"load: expected map_location to give a storage or None, got {type(storage).__name__}",
            TypeError,
        )
    return UntypedStorage._over(raw, storage.device)


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
