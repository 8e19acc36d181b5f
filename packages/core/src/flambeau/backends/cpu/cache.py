"""The folder of compiled libraries: one per user, shared by processes, never trusted blindly.

    $FLAMBEAU_CACHE, else $XDG_CACHE_HOME/flambeau, else ~/.cache/flambeau, else a private temporary folder

A folder is passed over when it cannot be written, belongs to somebody else, may be written by others, or lies on a
file system that is full or executes nothing (noexec). An entry ends with a hash of itself: a library cut short would not
fail to load but end the process when its missing pages are touched. Entries are written beside their place and moved there,
so that processes that build the same one at once never see half of it. Once a day what nobody has read for a month is
removed, and what killed processes left.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"flambeau"  # then the 32 bytes of the hash
BUILDING = ".build-"
DAY = 24 * 3600.0
KEPT = 30 * DAY  # an entry that nobody reads
ROOM = 8 << 20  # bytes: some dozens of kernels, and what a compiler writes on the way
# Entries, and what is written beside them before it takes its place.
_OURS = re.compile(r"[0-9a-f]{32}\.(so|proofs)|\.[0-9a-f]{32}\.proofs-\d+|\.(build|probe)-\w{8}")


def candidates() -> list[Path]:
    """The folders to try, in order."""
    given = os.environ.get("FLAMBEAU_CACHE")
    if given:
        return [Path(given).expanduser().absolute()]  # the process may go to another folder
    base = os.environ.get("XDG_CACHE_HOME")
    if base and os.path.isabs(base):
        return [Path(base, "flambeau")]
    home = os.path.expanduser("~")
    return [Path(home, ".cache", "flambeau")] if os.path.isabs(home) else []


def folder() -> tuple[Path, list[str]]:
    """The first folder that serves, and why those before it do not."""
    refused: list[str] = []
    for path in candidates():
        reason = unfit(path)
        if reason is None:
            _sweep(path)
            return path, refused
        refused.append(f"{path}: {reason}")
    return private_folder(refused), refused


def private_folder(refused: list[str]) -> Path:
    """A folder of this process alone, removed at its end; OSError where none can keep libraries."""
    import atexit

    for find in (tempfile.gettempdir, lambda: "/dev/shm", os.getcwd):  # noqa: S108  (mkdtemp below makes it private)
        try:
            made = tempfile.mkdtemp(prefix="flambeau-", dir=find())
        except OSError:  # no such folder, or one that cannot be written
            continue
        if _unfit_file_system(made) is None:
            atexit.register(_remove, made, os.getpid())
            return Path(made)
        os.rmdir(made)
    raise OSError(
        "no folder for compiled kernels: "
        + "; ".join([*refused, "temporary folders cannot be written, are full, or do not execute"])
    )


def _remove(made: str, owner: int) -> None:
    """Removes a private folder at the end of the process that made it, not of its forked children."""
    if os.getpid() == owner:
        shutil.rmtree(made, ignore_errors=True)


def unfit(path: Path) -> str | None:
    """Why `path` cannot keep libraries; None where it can (it is made then)."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        return f"cannot be made ({error.strerror})"
    if hasattr(os, "getuid"):
        if status.st_uid != os.getuid():
            return "belongs to another user"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return "may be written by other users"
    try:
        handle, probe = tempfile.mkstemp(prefix=".probe-", dir=path)
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    os.close(handle)
    os.unlink(probe)
    return _unfit_file_system(path)


def _unfit_file_system(path: str | Path) -> str | None:
    """Why no library can be kept where `path` lies."""
    if _is_noexec(path):
        return "its file system executes nothing (noexec)"
    return "its file system is full" if _room(path) < ROOM else None


def _is_noexec(path: str | Path) -> bool:
    if not hasattr(os, "statvfs"):
        return False
    return bool(os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 8))


def _room(path: str | Path) -> int:
    """The bytes that this user may still write."""
    return shutil.disk_usage(path).free


def _sweep(path: Path) -> None:
    """Once a day, removes entries that nobody has read for a month, and what processes that were killed left behind."""
    stamp, now = path / ".swept", time.time()
    with contextlib.suppress(OSError):
        if now - stamp.stat().st_mtime < DAY:
            return
    with contextlib.suppress(OSError):
        stamp.touch()
        for found in os.scandir(path):
            if _OURS.fullmatch(found.name):  # the folder may be one that is for other things, too
                with contextlib.suppress(OSError):  # another process sweeps meanwhile
                    _sweep_one(found, now)


def _sweep_one(found: os.DirEntry, now: float) -> None:
    status = found.stat(follow_symlinks=False)
    idle = now - max(status.st_atime, status.st_mtime)
    if idle < (DAY if found.name.startswith(".") else KEPT):
        return
    if found.is_dir(follow_symlinks=False):
        shutil.rmtree(found.path, ignore_errors=True)
    else:
        os.unlink(found.path)


@contextlib.contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A folder in `path` to build an entry in. Only who made it removes it: not a child that was forked meanwhile and ends first."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)  # who cleans up may have removed it
    made = Path(tempfile.mkdtemp(prefix=BUILDING, dir=path))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def key(*parts: str) -> str:
    """The name of an entry that depends on `parts`."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def seal(library: Path) -> None:
    """Appends the library's hash to it; loaders ignore what follows the last section."""
    digest = hashlib.sha256(library.read_bytes()).digest()
    with library.open("ab") as file:
        file.write(MAGIC + digest)


def is_whole(library: Path) -> bool:
    """Whether the library is there and is what was sealed."""
    try:
        data = library.read_bytes()
    except OSError:
        return False
    body, tail = data[: -32 - len(MAGIC)], data[-32 - len(MAGIC) :]
    return tail == MAGIC + hashlib.sha256(body).digest()


def publish(made: Path, place: Path) -> None:
    """Moves a sealed library to its place in one step; whoever comes last wins, and both wrote the same."""
    os.replace(made, place)
