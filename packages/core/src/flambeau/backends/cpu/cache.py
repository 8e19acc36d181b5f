"""The folder of compiled libraries: one per user, shared by processes, never trusted blindly.

    $FLAMBEAU_CACHE, else $XDG_CACHE_HOME/flambeau, else ~/.cache/flambeau, else a private temporary folder

A folder is passed over when it cannot be written, belongs to somebody else, may be written by others, or lies on a
file system that executes nothing (noexec). An entry ends with a hash of itself: a library cut short would not fail to
load but end the process when its missing pages are touched. Entries are written beside their place and moved there, so
that processes that build the same one at once never see half of it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

MAGIC = b"flambeau"  # then the 32 bytes of the hash


def candidates() -> list[Path]:
    """The folders to try, in order."""
    given = os.environ.get("FLAMBEAU_CACHE")
    if given:
        return [Path(given)]
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
            return path, refused
        refused.append(f"{path}: {reason}")
    return private_folder(refused), refused


def private_folder(refused: list[str]) -> Path:
    """A folder of this process alone, removed at its end; OSError where none can execute what lies in it."""
    import atexit

    for base in (tempfile.gettempdir(), "/dev/shm", os.getcwd()):  # noqa: S108  (mkdtemp below makes it private)
        if not os.path.isdir(base) or not os.access(base, os.W_OK):
            continue
        made = tempfile.mkdtemp(prefix="flambeau-", dir=base)
        if not _is_noexec(made):
            atexit.register(_remove, made, os.getpid())
            return Path(made)
        os.rmdir(made)
    raise OSError(
        "no folder for compiled kernels: "
        + "; ".join([*refused, "temporary folders do not execute"])
    )


def _remove(made: str, owner: int) -> None:
    """Removes a private folder at the end of the process that made it, not of its forked children."""
    import shutil

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
    return "its file system executes nothing (noexec)" if _is_noexec(path) else None


def _is_noexec(path: str | Path) -> bool:
    if not hasattr(os, "statvfs"):
        return False
    return bool(os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 8))


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
