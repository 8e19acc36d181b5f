"""Kernels that get no memory to work in: an error, a process that goes on, a pool that computes what is right afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flambeau.backends.cpu import available, compiler

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or "LD_PRELOAD" in os.environ,
        reason="requests are refused by a library that is loaded before the C library, which others (sanitizers) do not bear",
    ),
    pytest.mark.skipif(not available(), reason="no C compiler on this machine"),
]


@pytest.fixture(scope="module")
def refusing(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("refusing") / "refusing.so"
    try:
        compiler.find().build(HERE / "refusing.c", made)
    except compiler.CompileError as error:
        pytest.skip(str(error))
    return made


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("threads, names", [(1, ["convolution", "LSTM", "compiled"]), (2, [])])
def test_every_request_may_be_refused(refusing, threads, names):
    out = run(str(HERE / "no_memory_child.py"), str(threads), *names, LD_PRELOAD=str(refusing))
    found = {
        name: (int(served), int(alone))
        for name, served, alone in re.findall(r"^(.+): (\d+), (\d+)$", out, re.MULTILINE)
    }
    assert len(found) == (len(names) or 10)
    assert all(served > 0 for served, _ in found.values()), "a case asks for nothing"
    if threads > 1:
        assert any(alone for _, alone in found.values()), "no worker ever asked"


LIMITED = """
import resource
import numpy as np
import flambeau as fl

fl.set_num_threads({threads})
small = fl.ones(300, 300)
wanted = (small @ small).numpy()
rows = fl.rand(1, 1 << 22)
fl.sort(rows[:, :5000])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20), -1))  # for the 48 MB of results, not for the 64 MB to work in
for _ in range(2):
    try:
        fl.sort(rows)
    except RuntimeError as error:
        size = int(str(error).rpartition("allocate ")[2].split()[0])
        assert size >= 64 << 20, error
    else:
        raise SystemExit("no error")
    assert np.array_equal((small @ small).numpy(), wanted)
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
values = fl.sort(rows)[0][0, ::1000].numpy()
assert (values[1:] >= values[:-1]).all()
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_with_a_limit_goes_on(threads):
    run("-c", LIMITED.format(threads=threads))


def test_the_error_comes_where_the_call_returns(refusing):
    """Also without an operator around it, from `map` and from a comprehension, and it is a MemoryError there."""
    text = """
import ctypes
import numpy as np
from flambeau.backends.cpu import native, threads
from flambeau.backends.cpu.native import address

threads.set_count(1)
x = np.random.default_rng(0).random((2, 70000), np.float32)
values, places = np.empty_like(x), np.empty(x.shape, np.int64)
sort = native.Kernels("sort.c").float32.sort
given = address(x), address(values), address(places), *x.shape, 0
shim = ctypes.CDLL(None)
shim.refuse(0, 0)
for way in (lambda: sort(*given), lambda: list(map(sort, *[[g] for g in given])), lambda: [sort(*given) for _ in "a"]):
    after = False
    try:
        way()
        after = True
    except MemoryError as error:
        assert type(error) is threads.NoMemoryToWorkIn and "bytes" in str(error)
    else:
        raise SystemExit("no error")
    assert not after
shim.refuse(-1, 0)
sort(*given)
assert (values[:, 1:] >= values[:, :-1]).all()
"""
    run("-c", text, LD_PRELOAD=str(refusing))


def test_memory_that_is_kept_is_given_to_kernels():
    """What arrays left behind is no reason to refuse."""
    text = """
import resource
import numpy as np
import flambeau as fl
from flambeau.backends.cpu import library, memory, native, threads
from flambeau.backends.cpu.native import address

assert library.available()
threads.set_count(1)
x = np.random.default_rng(0).random((1, 1 << 22), np.float32)
values, places = np.empty_like(x), np.zeros(x.shape, np.int64)
sort = native.Kernels("sort.c").float32.sort
given = address(x), address(values), address(places)
sort(*given, 1, 5000, 0)
values.fill(0)
fl.ones(1 << 25)  # 128 MB, kept
assert memory.numbers()["kept"] >= 128 << 20
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 20), -1))
sort(*given, *x.shape, 0)
assert memory.numbers()["kept"] < 128 << 20
assert (values[0, 1:] >= values[0, :-1]).all()
"""
    run("-c", text, FLAMBEAU_MEMORY="")
