"""Memory of large arrays: zeros are zero, what grows keeps its contents, what is freed is used again and given back."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from flambeau.backends.cpu import available, memory
from flambeau.backends.cpu.arena import Arena
from flambeau.backends.cpu.native import address

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")
LARGE = 1 << 20


@pytest.fixture(autouse=True)
def installed():
    """Ours, in the context of this test too."""
    if np._core.multiarray.get_handler_name() != "flambeau":
        memory.interface()[2](memory.capsule(memory._lib.fb_memory(memory._pointer()(memory._before, memory.CAPSULE))))  # fmt: skip


def test_freed_memory_is_used_again_and_zeros_are_zero():
    a = np.full(LARGE, 7, np.uint8)
    place = address(a)
    before = memory.numbers()
    del a
    kept = memory.numbers()
    assert kept["kept"] - before["kept"] == before["in use"] - kept["in use"] >= LARGE
    b = np.zeros(LARGE, np.uint8)
    assert address(b) == place and not b.any()
    assert memory.numbers()["served"] == before["served"] + 1


def test_arrays_that_grow_and_shrink_keep_their_contents():
    rng = np.random.default_rng(0)
    live = []
    for _ in range(400):
        n, m = (int(v) for v in rng.integers(1, 2 * LARGE, 2))
        a = rng.integers(0, 255, n).astype(np.uint8)
        copy = a[: min(n, m)].tobytes()
        a.resize(m, refcheck=False)
        assert a[: min(n, m)].tobytes() == copy and not a[n:].any()
        live.append((a, a.tobytes()))
        if len(live) > 20:
            kept, expected = live.pop(int(rng.integers(0, 20)))
            assert kept.tobytes() == expected
    assert np.fromiter(range(300_000), float).sum() == 299_999 * 150_000


def test_release_gives_back_what_is_kept():
    a = np.empty(8 * LARGE, np.uint8)
    del a
    assert memory.numbers()["kept"] >= 8 * LARGE
    assert memory.release() >= 8 * LARGE and memory.numbers()["kept"] == 0


def test_how_much_is_kept_beyond_the_most_in_use_can_be_bounded():
    memory.release()
    try:
        memory.slack(LARGE)
        a = [np.empty(4 * LARGE, np.uint8) for _ in range(8)]
        a.clear()
        most = memory.numbers()
        b = [
            np.empty(5 * LARGE, np.uint8) for _ in range(6)
        ]  # of another size: none of those kept serves
        now = memory.numbers()
        assert now["in use"] + now["kept"] <= most["most in use"] + LARGE
        b.clear()
    finally:
        assert memory.slack(-1) == LARGE
    assert memory.slack(-1) == 64 << 20


def test_the_environment_leaves_numpys_allocator_alone():
    code = (
        "import numpy as np, flambeau; flambeau.randn(400, 400) @ flambeau.randn(400, 400);"
        "print(np._core.multiarray.get_handler_name())"
    )
    for setting, name in (("numpy", "default_allocator"), ("", "flambeau")):
        made = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "FLAMBEAU_MEMORY": setting, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert made.stdout.strip() == name


def test_an_arena_uses_freed_blocks_again_and_is_sealed():
    arena = Arena()
    with arena:
        a = np.ones(1000)
        b = np.zeros(1000)
        first = address(a)
        del a
        c = np.ones(900)
        assert address(c) == first and not b.any()
        number, start = arena.find(address(b) + 16)
        assert start == address(b) and arena.block(number)[1] >= b.nbytes
    assert arena.find(first - 1) is None and arena.find(address(np.ones(3))) is None
    arena.seal()
    assert arena.size >= 2 * 8000 and (c == 1).all()
