"""C text to a loaded library: from memory, from a folder built ahead, from the cache, or from the compiler.

`load` gives `ctypes.CDLL` objects, whose calls release the GIL. A compiler that fails at once is remembered for the life
of the process: `available()` is False from then on and `reason()` says why. One that works but refuses a text costs that
text's kernels only, with a warning.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from functools import cache as cache_result
from pathlib import Path
from typing import TYPE_CHECKING

from . import cache, compiler
from .compiler import CompileError, Compiler

if TYPE_CHECKING:
    import ctypes

HEADERS = Path(__file__).parent / "headers"


class _State:
    """What this process has found out; made anew by `reset`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.loaded: dict[tuple[str, tuple[str, ...]], ctypes.CDLL] = {}
        self.compiler: Compiler | None = None
        self.failure: str | None = None
        self.failed: dict[tuple[str, tuple[str, ...]], str] = {}  # texts that the compiler refused
        self.works = False  # asked at every large call: not found out anew each time
        self.folder: Path | None = None
        self.refused: list[str] = []
        # What is being built, by this thread or by one of `soon`: who needs it waits.
        self.coming: dict[Path, threading.Event] = {}
        self.cpu: str | None = None


_state = _State()


def reset() -> None:
    """Forgets what was found out, so that a changed environment is read again. Loaded libraries stay loaded."""
    global _state
    _state = _State()


def _unlock_child() -> None:
    _state.lock = threading.RLock()
    _state.coming = {}  # the threads that build are the parent's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_child)


@cache_result
def header(name: str) -> str:
    """The text of a file of `headers`, read once."""
    return (HEADERS / name).read_text("utf-8")


def available() -> bool:
    """Whether kernels can be had: the pool's library, which every kernel needs, loads. Never raises."""
    state = _state
    if state.failure is not None:
        return False
    if not state.works:
        from . import memory

        try:
            load(header("fb_pool.c"))
            memory.install()
        except CompileError:
            return False
        state.works = True
    return True


def reason() -> str | None:
    """Why there are no kernels; None while none has failed to be made."""
    return _state.failure


def load(source: str, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The library of C text `source`; CompileError, at once from the second time on, where it cannot be had.

    `flags` come after the compiler's usual ones.
    """
    state, key = _state, (source, flags)
    found = state.loaded.get(key)
    if found is not None:
        return found
    with state.lock:
        found = state.loaded.get(key)
        if found is None:
            found = _built_ahead(state, source, flags) or _compiled(state, source, flags)
            state.loaded[key] = found
    return found


def _built_ahead(state: _State, source: str, flags: tuple[str, ...]) -> ctypes.CDLL | None:
    """From the folder $FLAMBEAU_KERNELS, which `build --out` filled; it needs no compiler."""
    folder = os.environ.get("FLAMBEAU_KERNELS")
    if not folder:
        return None
    place = Path(folder, ahead_name(source, flags))
    return _open(place) if cache.is_whole(place) else None


def ahead_name(source: str, flags: tuple[str, ...] = ()) -> str:
    """The file name of a library built ahead for this processor."""
    if _state.cpu is None:
        _state.cpu = compiler.cpu()
    return cache.key(source, _state.cpu, *flags) + ".so"


def _compiled(state: _State, source: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    if state.failure is not None:
        raise CompileError(state.failure)
    if (source, flags) in state.failed:
        raise CompileError(state.failed[source, flags])
    try:
        place = _place(state, source, flags)
        _build_once(state, source, place, flags)
        return _open_or_rebuild(source, place, flags)
    except (CompileError, OSError) as error:
        failed = error if isinstance(error, CompileError) else _unusable(error)
    if state.works:  # others were compiled: what this text is for is left to NumPy
        state.failed[source, flags] = str(failed)
        _warn(failed)
    else:
        state.failure = str(failed)
    raise failed


def _unusable(error: OSError) -> CompileError:
    return CompileError(f"the cache of compiled kernels cannot be used: {error}")


def _build_once(state: _State, source: str, place: Path, flags: tuple[str, ...]) -> None:
    """Builds what the cache lacks, or waits for the thread that is at it."""
    mine = threading.Event()
    other = state.coming.setdefault(place, mine)
    if other is not mine:
        other.wait()
        if cache.is_whole(place):
            return
    try:
        if not cache.is_whole(place):
            build(source, place, flags)
    finally:
        if other is mine:
            del state.coming[place]
            mine.set()


def soon(texts: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    """Begins to compile texts that will be asked for, those that the cache lacks, on a core that is idle meanwhile.

    The last first: the caller needs the first one at once. What fails is said when it is loaded. The thread ends with the
    program, after the text that it is at.
    """
    state = _state
    if (os.cpu_count() or 1) < 2 or not available():
        return
    missing = [
        (source, place, flags)
        for source, flags in texts
        if (source, flags) not in state.loaded
        and not cache.is_whole(place := _place(state, source, flags))
    ]

    def run() -> None:
        for source, place, flags in reversed(missing):
            if not threading.main_thread().is_alive():
                return
            if place not in state.coming:
                with contextlib.suppress(CompileError, OSError):
                    _build_once(state, source, place, flags)

    if missing:
        # Without a thread (a limit of processes, the end of the program) each is built when it is asked for.
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=run, name="flambeau-kernels").start()


def _warn(error: CompileError) -> None:
    import warnings

    warnings.warn(
        f"flambeau: a kernel is left to NumPy, because it cannot be compiled: {error}", stacklevel=2
    )


def _place(state: _State, source: str, flags: tuple[str, ...]) -> Path:
    if state.compiler is None:
        state.compiler = compiler.find()
    if state.folder is None:
        state.folder, state.refused = cache.folder()
    if state.cpu is None:
        state.cpu = compiler.cpu()
    return state.folder / (cache.key(source, state.cpu, state.compiler.identity, *flags) + ".so")


def folder() -> Path | None:
    """The cache's folder, for what is kept beside the libraries; None where none can be had."""
    state = _state
    with contextlib.suppress(OSError):
        if state.folder is None:
            state.folder, state.refused = cache.folder()
    return state.folder


def identity() -> str:
    """Which compiler the libraries come from."""
    made_by = _state.compiler
    return "built ahead" if made_by is None else made_by.identity


def build(source: str, place: Path, flags: tuple[str, ...] = ()) -> None:
    """Compiles `source` to the file `place`, whole or not at all."""
    made_by = _state.compiler or compiler.find()
    with cache.scratch(place.parent) as scratch:
        text, made = scratch / "kernel.c", scratch / "kernel.so"
        text.write_text(source, "utf-8")
        made_by.build(text, made, flags)
        cache.seal(made)
        cache.publish(made, place)


def _open(place: Path) -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(str(place))


def _open_or_rebuild(source: str, place: Path, flags: tuple[str, ...]) -> ctypes.CDLL:
    """Loads a whole entry. One that the loader refuses all the same (made on another system) is built once more."""
    try:
        return _open(place)
    except OSError:
        build(source, place, flags)
        return _open(place)


def describe() -> dict[str, str]:
    """Compiler, cache folder and failure, as `flambeau.show_config` prints them."""
    working = available()
    state = _state
    about = {"kernels": "compiled" if working else f"NumPy only: {state.failure}"}
    if state.compiler is not None:
        about["compiler"] = f"{' '.join(state.compiler.command)} ({state.compiler.version})"
    if state.folder is not None:
        about["cache"] = str(state.folder)
    if state.failed:
        about["left to NumPy"] = f"{len(state.failed)} kernels that the compiler refused"
    if state.refused:
        about["passed over"] = "; ".join(state.refused)
    ahead = os.environ.get("FLAMBEAU_KERNELS")
    if ahead:
        about["built ahead"] = ahead
    return about
