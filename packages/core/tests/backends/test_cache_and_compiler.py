"""What can be wrong with a compiler and with a cache folder, each provoked for real; NumPy serves meanwhile."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import __main__ as command
from flambeau.backends.cpu import (
    available,
    cache,
    compiler,
    library,
    native,
    providers,
    reason,
    threads,
)

needs_compiler = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
SOURCE = "int answer(void) { return 42; }\n"


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


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def large_gelu_equals_numpy() -> None:
    """An operator with a provider gives the right result on a large array, whatever the state of the compiler."""
    x = flambeau.linspace(-3, 3, 50_000)
    got = flambeau.nn.functional.gelu(x).numpy()
    op = flambeau.nn.functional.gelu.op
    want = op.kernels[None](_xp(), x.numpy(), approximate="none")
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def _xp():
    from flambeau.runtime.dispatch import backends

    return backends.of_device("cpu").xp


# -- the cache ------------------------------------------------------------------------------------------------------


@needs_compiler
def test_an_entry_is_built_once_and_loaded_from_the_folder(fresh, monkeypatch):
    assert library.load(SOURCE).answer() == 42
    (entry,) = fresh.glob("*.so")
    made = entry.stat().st_mtime_ns
    library.reset()
    monkeypatch.setattr(library, "build", lambda *_: pytest.fail("built again"))
    assert library.load(SOURCE).answer() == 42
    assert entry.stat().st_mtime_ns == made
    assert {p.name for p in fresh.iterdir()} == {entry.name, ".swept"}


@needs_compiler
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "unsealed"])
def test_a_corrupted_entry_is_rebuilt(fresh, damage):
    library.load(SOURCE)
    (entry,) = fresh.glob("*.so")
    data = entry.read_bytes()
    entry.unlink()  # a new file: the old one is mapped by this process
    entry.write_bytes(
        {
            "cut": data[: len(data) // 2],
            "flipped": data[:4000] + bytes([data[4000] ^ 1]) + data[4001:],
            "empty": b"",
            "text": b"not a library at all" * 10,
            "unsealed": data[:-40],
        }[damage]
    )
    library.reset()
    assert library.load(SOURCE).answer() == 42
    assert cache.is_whole(entry)


@needs_compiler
def test_a_whole_entry_that_the_loader_refuses_is_rebuilt(fresh):
    library.load(SOURCE)
    (entry,) = fresh.glob("*.so")
    entry.unlink()
    entry.write_bytes(b"sealed, but no ELF file")
    cache.seal(entry)
    library.reset()
    assert library.load(SOURCE).answer() == 42


@needs_compiler
@pytest.mark.slow
def test_processes_that_build_the_same_at_once_all_succeed(tmp_path):
    code = (
        "from flambeau.backends.cpu import library\n"
        "import sys\n"
        "sys.stdin.readline()\n"
        f"assert library.load({SOURCE!r}).answer() == 42\n"
        "print('fine')\n"
    )
    environment = {**os.environ, "FLAMBEAU_CACHE": str(tmp_path / "cache")}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in running:  # all have imported by the time the first may go
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0].strip() for process in running] == ["fine"] * 3
    assert len(list((tmp_path / "cache").glob("[!.]*"))) == 1


@contextmanager
def an_ordinary_user():
    """Root may write anywhere; for a moment it is nobody."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_read_only_folder_is_passed_over(monkeypatch):
    with TemporaryDirectory() as outer:
        os.chmod(outer, 0o755)
        readonly = Path(outer, "cache")
        readonly.mkdir(mode=0o555)
        monkeypatch.setenv("FLAMBEAU_CACHE", str(readonly))
        with an_ordinary_user():
            used, refused = cache.folder()
            assert used != readonly
            assert refused == [f"{readonly}: cannot be written (Permission denied)"]
            used.rmdir()


def test_a_folder_that_cannot_be_made_is_passed_over(fresh, monkeypatch):
    Path(fresh).write_text("a file, where the folder should be")
    monkeypatch.setenv("FLAMBEAU_CACHE", str(fresh / "inside"))
    used, refused = cache.folder()
    assert "cannot be made" in refused[0]
    assert stat.S_IMODE(used.stat().st_mode) == 0o700


@needs_compiler
def test_kernels_work_where_the_home_is_read_only(fresh, monkeypatch):
    Path(fresh).write_text("a file")
    monkeypatch.delenv("FLAMBEAU_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(fresh))
    assert library.load(SOURCE).answer() == 42
    assert "passed over" in library.describe()


def test_a_folder_that_others_may_write_is_passed_over(fresh):
    fresh.mkdir()
    fresh.chmod(0o777)
    assert cache.unfit(fresh) == "may be written by other users"


def test_noexec_file_systems_are_told_from_others():
    lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    mounts = {
        m[1]: m[3].split(",") for m in lines if os.path.isdir(m[1])
    }  # the last one on a folder counts
    assert mounts
    for place, options in mounts.items():
        assert cache._is_noexec(place) == ("noexec" in options), place


def test_a_noexec_folder_is_passed_over(fresh, monkeypatch):
    real = cache._is_noexec
    monkeypatch.setattr(cache, "_is_noexec", lambda p: str(p) == str(fresh) or real(p))
    used, refused = cache.folder()
    assert used != fresh
    assert refused == [f"{fresh}: its file system executes nothing (noexec)"]


def test_folders_in_order_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FLAMBEAU_CACHE", "/first")
    assert cache.candidates() == [Path("/first")]
    monkeypatch.delenv("FLAMBEAU_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/second")
    assert cache.candidates() == [Path("/second/flambeau")]
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/third")
    assert cache.candidates() == [Path("/third/.cache/flambeau")]


# -- the compiler ---------------------------------------------------------------------------------------------------


def test_a_missing_compiler_is_said_and_nothing_breaks(fresh, monkeypatch):
    monkeypatch.setenv("CC", "/nonexistent")
    assert not available()
    assert reason() == "/nonexistent does not start: No such file or directory"
    large_gelu_equals_numpy()


def test_no_compiler_on_the_path(fresh, monkeypatch, tmp_path):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not available()
    assert "no C compiler found" in reason()


def test_a_compiler_that_fails_is_remembered_with_what_it_said(fresh, monkeypatch, tmp_path):
    count = tmp_path / "count"
    told = f'echo . >> {count}; case "$*" in *--version*) echo "fake 1.0";; *) echo "no licence" >&2; exit 3;; esac'
    monkeypatch.setenv("CC", str(script(tmp_path / "fakecc", told)))
    assert not available()
    assert "failed with exit status 3: no licence" in reason()
    large_gelu_equals_numpy()
    assert not available()
    assert count.read_text() == ".\n.\n", "it was asked again after it had failed"


def test_a_compiler_that_writes_nothing_is_refused(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("CC", str(script(tmp_path / "fakecc", "echo fake")))
    assert not available()
    assert "wrote no library" in reason()


@pytest.mark.parametrize("when", ["--version", "compiling"])
def test_a_compiler_that_hangs_is_ended_with_its_children(fresh, monkeypatch, tmp_path, when):
    hang = f"sh -c 'echo $$ > {tmp_path}/child; sleep 60'; true"
    body = (
        hang if when == "--version" else f'case "$*" in *--version*) echo fake;; *) {hang};; esac'
    )
    monkeypatch.setenv("CC", str(script(tmp_path / "hangs", body)))
    monkeypatch.setattr(compiler, "VERSION_SECONDS", 0.2)
    monkeypatch.setattr(compiler, "COMPILE_SECONDS", 0.2)
    started = time.monotonic()
    assert not available()
    assert "gave no answer within 0.2 seconds" in reason()
    large_gelu_equals_numpy()
    assert time.monotonic() - started < 10
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _runs(child) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


@needs_compiler
def test_cc_may_carry_arguments(fresh, monkeypatch):
    found = compiler.find().command[0]
    monkeypatch.setenv("CC", f"{found} -DEXTRA=1")
    assert compiler.find().command == [found, "-DEXTRA=1"]
    assert library.load("int extra(void) { return EXTRA; }\n").extra() == 1


# -- ahead of time --------------------------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.slow
def test_kernels_built_ahead_need_no_compiler(fresh, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("flambeau.backends.cpu.providers.OPERATORS", {"gelu": 1})
    monkeypatch.setattr("flambeau.backends.cpu.providers.special", lambda: ["_lgamma"])
    assert flambeau.lgamma
    by_hand = [s for s in native.sources() if s[0].startswith(("launch", "gelu"))]
    monkeypatch.setattr(native, "sources", lambda: by_hand)
    assert command.main(["build", "--out", str(tmp_path / "ahead")]) == 0
    assert capsys.readouterr().out.startswith(f"{len(providers.sources())} kernels in ")
    library.reset()
    threads._pool = None
    monkeypatch.setenv("CC", "/nonexistent")
    monkeypatch.setenv("FLAMBEAU_KERNELS", str(tmp_path / "ahead"))
    assert available()
    large_gelu_equals_numpy()


def test_building_ahead_without_a_compiler_says_so(fresh, monkeypatch, capsys):
    monkeypatch.setattr("flambeau.backends.cpu.providers.OPERATORS", {"gelu": 1})
    monkeypatch.setenv("CC", "/nonexistent")
    assert command.main(["build"]) == 1
    assert "no kernels built: /nonexistent does not start" in capsys.readouterr().err
