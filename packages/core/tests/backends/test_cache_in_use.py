"""What happens to a cache and a compiler while processes use them: folders that go, disks that fill, Ctrl-C, forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flambeau.backends.cpu import available, cache, compiler, library, threads

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
SOURCE = "int answer(void) { return 42; }\n"
OTHER = "int answer(void) { return 43; }\n"


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process as if just started, with an empty cache of its own."""
    monkeypatch.setenv("FLAMBEAU_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FLAMBEAU_KERNELS", raising=False)
    before = library._state, threads._pool
    library.reset()
    threads._pool = None
    yield tmp_path / "cache"
    library._state, threads._pool = before


def entries(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != ".swept")


# -- the folder -----------------------------------------------------------------------------------------------------


def test_a_full_disk_is_passed_over(fresh, monkeypatch):
    full = lambda path: 0 if str(path).startswith(str(fresh)) else 1 << 40  # noqa: E731
    monkeypatch.setattr(cache, "_room", full)
    assert library.load(SOURCE).answer() == 42
    assert library.describe()["passed over"] == f"{fresh}: its file system is full"


def test_no_temporary_folder_at_all_leaves_numpy(fresh, monkeypatch):
    monkeypatch.setattr(cache, "_room", lambda path: 0)
    with pytest.raises(compiler.CompileError, match="no folder for compiled kernels"):
        library.load(SOURCE)
    assert not available()


def test_a_disk_that_fills_costs_only_what_is_new(fresh, monkeypatch):
    assert available()

    def full(made: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "seal", full)
    with (
        pytest.warns(UserWarning, match="left to NumPy.*No space left"),
        pytest.raises(compiler.CompileError),
    ):
        library.load(SOURCE)
    with pytest.raises(compiler.CompileError):  # and is said once
        library.load(SOURCE)
    monkeypatch.undo()
    assert available() and library.load(OTHER).answer() == 43
    assert not [name for name in entries(fresh) if name.startswith(".build")]


def test_a_folder_that_is_removed_is_made_again(fresh):
    import shutil

    assert library.load(SOURCE).answer() == 42
    shutil.rmtree(fresh)
    assert library.load(OTHER).answer() == 43
    assert len(entries(fresh)) == 1


def test_a_folder_named_from_here_is_meant_from_here(fresh, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLAMBEAU_CACHE", "cache")
    assert library.load(SOURCE).answer() == 42
    monkeypatch.chdir("/")
    assert library.load(OTHER).answer() == 43
    assert len(entries(fresh)) == 2


def test_a_private_folder_from_a_folder_that_is_gone(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    made = cache.private_folder([])
    assert made.is_absolute()
    made.rmdir()


def test_what_nobody_reads_is_swept_once_a_day(fresh):
    fresh.mkdir()
    hashed = "0123456789abcdef" * 2
    files = {
        f"{hashed}.so": 29, f"1{hashed[1:]}.so": 31, f"1{hashed[1:]}.proofs": 31, f"2{hashed[1:]}.proofs": 2,
        f".{hashed}.proofs-77": 2, ".probe-abcdefgh": 2, "thesis.txt": 400, "libmine.so": 400,
    }  # fmt: skip
    for name, days in files.items():
        (fresh / name).write_text("text")
        os.utime(fresh / name, (time.time() - days * cache.DAY,) * 2)
    for name, days in {".build-abcdefgh": 2, ".build-zyxwvuts": 0}.items():
        (fresh / name).mkdir()
        (fresh / name / "kernel.c").write_text("text")
        os.utime(fresh / name, (time.time() - days * cache.DAY,) * 2)
    left = [f"{hashed}.so", f"2{hashed[1:]}.proofs", "thesis.txt", "libmine.so", ".build-zyxwvuts"]
    assert cache.folder() == (fresh, [])
    assert entries(fresh) == sorted(left)
    os.utime(fresh / left[0], (0, 0))
    cache.folder()
    assert entries(fresh) == sorted(left), "swept twice in a day"


# -- the compiler ---------------------------------------------------------------------------------------------------


def test_the_compiler_writes_beside_what_it_makes(fresh, monkeypatch, tmp_path):
    """Not to /tmp, which may be full, and where a killed one leaves its files."""
    told = tmp_path / "told"
    script = tmp_path / "compiler"
    script.write_text(f'#!/bin/sh\necho "$TMPDIR" >> {told}\nexec cc "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    assert library.load(SOURCE).answer() == 42
    where = Path(told.read_text().splitlines()[-1])
    assert where.parent == fresh and not where.exists()


def test_without_a_thread_nothing_is_compiled_beside(fresh, monkeypatch):
    assert available()

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    library.soon([(SOURCE, ())])
    assert library.load(SOURCE).answer() == 42


SLOW = """#!/bin/sh
case "$*" in *--version*) echo slow;; *) echo $$ > {told}; sleep {seconds}; exec cc "$@";; esac
"""


@pytest.fixture
def slowly(tmp_path, monkeypatch):
    """The file that a compiler, which takes its time, writes its number to; the environment that names it."""

    def named(seconds: float) -> tuple[Path, dict[str, str]]:
        told, script = tmp_path / "told", tmp_path / "compiler"
        script.write_text(SLOW.format(told=told, seconds=seconds))
        script.chmod(0o755)
        return told, {**os.environ, "CC": str(script), "FLAMBEAU_CACHE": str(tmp_path / "cache")}

    return named


def soon(condition) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_ends_the_compiler_too(slowly):
    told, environment = slowly(60)
    code = f"from flambeau.backends.cpu import library; library.load({SOURCE!r})"
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert soon(lambda: told.exists() and told.read_text().strip())
    time.sleep(0.5)  # the parent has left `Popen` by then, which forgets its child if interrupted
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=20)[1]
    assert soon(lambda: not runs(int(told.read_text())))
    assert entries(Path(environment["FLAMBEAU_CACHE"])) == []


FORK = """
import os, sys, threading, time
from flambeau.backends.cpu import library

told = {told!r}
found = []
thread = threading.Thread(target=lambda: found.append(library.load({source!r}).answer()))
thread.start()
while not os.path.exists(told):
    time.sleep(0.001)
child = os.fork()
if child == 0:
    if {way!r} == "leaves":
        sys.exit(0)  # with all that runs at the end of a process
    os._exit(library.load({source!r}).answer())
ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
thread.join()
print(found, ended)
"""


@pytest.mark.parametrize("way, ended", [("leaves", 0), ("compiles", 42)])
def test_a_fork_in_the_middle_of_a_compilation(slowly, way, ended):
    told, environment = slowly(0.2)
    code = FORK.format(told=str(told), source=SOURCE, way=way)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.stdout == f"[42] {ended}\n", done.stderr
    assert len(entries(Path(environment["FLAMBEAU_CACHE"]))) == 1


HELD = """
import os, threading, time
import flambeau
from flambeau.backends.cpu import {module} as module

entered, lock = threading.Event(), module.{lock}
def hold():
    with lock:
        entered.set()
        time.sleep(0.2)
threading.Thread(target=hold).start()
entered.wait()
child = os.fork()
if child == 0:
    os._exit(0 if lock.acquire(timeout=5) else 1)
with lock:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("module, lock", [("compiler", "_starting"), ("providers", "_lock")])
def test_a_fork_waits_for_what_takes_a_moment(module, lock):
    """A compiler that is being started, whose pipe a child would keep open, and a module of kernels that is being imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HELD.format(module=module, lock=lock)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "0\n", done.stderr
