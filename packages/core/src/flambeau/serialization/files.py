"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file to write that takes its place at `path` only when all of it is on the disk.

    A crash, a full disk or an error on the way leaves what was at `path` before. Devices and pipes are written
    directly; a symbolic link is followed. RuntimeError if the folder does not exist.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise RuntimeError(
            f"Parent directory {os.path.dirname(os.fspath(path)) or '.'} does not exist."
        )
    if os.path.exists(target) and not os.path.isfile(target):
        with open(target, "wb") as stream:
            yield stream
        return
    temporary = f"{target}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    stream = open(temporary, "xb")  # noqa: SIM115 - closed below, and before the file is moved
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if os.path.exists(target):
            os.chmod(temporary, os.stat(target).st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Makes the new name itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
