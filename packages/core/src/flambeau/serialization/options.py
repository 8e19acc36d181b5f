"""Settings of `save` and `load` that no argument has: checksums, byte order, mapping, leaving the bytes out.

`flambeau.utils.serialization.config` shows them as PyTorch's module of that name does; the functions here are those of
`torch.serialization`. They hold for the process, `skip_data` for its thread.
"""

from __future__ import annotations

import sys
import threading
from enum import Enum
from typing import Any

from .._base.checks import check

if sys.platform == "win32":
    MAP_PRIVATE = MAP_SHARED = None
else:
    from mmap import MAP_PRIVATE, MAP_SHARED


class LoadEndianness(Enum):
    """The byte order of files that do not name theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class load:
    """What `load` does where its arguments do not say.

    `calculate_storage_offsets` is PyTorch's way of reading fewer headers of a mapped file; here the directory of the
    file is read once in any case, and the switch changes nothing.
    """

    mmap: bool = False
    endianness: LoadEndianness | None = None
    mmap_flags: int | None = MAP_PRIVATE
    calculate_storage_offsets: bool = False


class save:
    """What `save` does where its arguments do not say; page-locked memory for copies from a GPU is not used."""

    compute_crc32: bool = True
    use_pinned_memory_for_d2h: bool = False
    storage_alignment: int = 64


def get_crc32_options() -> bool:
    """Whether `save` writes a checksum of each record."""
    return save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Switches the checksums that `save` writes. `load` does not miss them; other programs may."""
    save.compute_crc32 = compute_crc32


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order assumed of files that do not name theirs; None stands for little."""
    return load.endianness


def set_default_load_endianness(endianness: LoadEndianness) -> None:
    """Sets the byte order assumed of files that do not name theirs."""
    check(
        isinstance(endianness, LoadEndianness),
        lambda: (
            f"Invalid argument type in function set_default_load_endianness: expected a LoadEndianness, "
            f"got {type(endianness).__name__}"
        ),
        TypeError,
    )
    load.endianness = endianness


def get_default_mmap_options() -> int | None:
    """How `load(mmap=True)` maps: MAP_PRIVATE, where changes stay in this process, or MAP_SHARED."""
    return load.mmap_flags


class set_default_mmap_options:
    """Sets how `load(mmap=True)` maps files: for good, or for the length of a `with` block.

    With MAP_SHARED what is written to a loaded tensor is written to the file.
    """

    def __init__(self, flags: int) -> None:
        check(
            sys.platform != "win32",
            lambda: "Changing the default mmap options is currently not supported for Windows",
        )
        check(
            flags in (MAP_PRIVATE, MAP_SHARED),
            lambda: (
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or "
                f"mmap.MAP_SHARED, but got {flags}"
            ),
            ValueError,
        )
        self.prev = load.mmap_flags
        load.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        load.mmap_flags = self.prev


class _Skipping(threading.local):
    on = False


skipping = _Skipping()


class skip_data:
    """Inside the `with` block `save` leaves room for the bytes of tensors, and `load` leaves them out (zeros).

    To prepare a file that is filled in a second pass, or to look at shapes and dtypes without reading a large file.

    >>> import io, flambeau
    >>> file = io.BytesIO()
    >>> flambeau.save(flambeau.ones(2), file)
    >>> with skip_data():
    ...     flambeau.load(io.BytesIO(file.getvalue()))
    tensor([0., 0.])
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        # Tensors without data are those on device "meta"; they are written as such either way.
        self.materialize_fake_tensors = materialize_fake_tensors
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(skipping.on)
        skipping.on = True

    def __exit__(self, *error: Any) -> None:
        skipping.on = self._before.pop()
