"""Graphed callables, allocators of one's own, figures of memory and said waiting, on a GPU."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

import flambeau
from flambeau import cuda, nn
from flambeau.testing import assert_close


def test_a_graphed_module_trains_as_before():
    flambeau.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).to("cuda")
    twin = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).to("cuda")
    twin.load_state_dict(model.state_dict())
    sample = flambeau.randn(16, 4, device="cuda")
    cuda.make_graphed_callables(model, (sample,))
    steps = [flambeau.optim.SGD(m.parameters(), lr=0.1) for m in (model, twin)]
    for _ in range(3):
        x = flambeau.randn(16, 4, device="cuda")
        for m, step in zip((model, twin), steps):
            step.zero_grad()
            (m(x) ** 2).sum().backward()
            step.step()
    for a, b in zip(model.parameters(), twin.parameters()):
        assert_close(a.detach(), b.detach(), rtol=1e-4, atol=1e-6)


def test_waiting_is_said_and_refused():
    x = flambeau.ones(1, device="cuda")
    try:
        cuda.set_sync_debug_mode("error")
        with pytest.raises(RuntimeError, match="synchronizing"):
            x.item()
        y = x + 1
        cuda.set_sync_debug_mode("warn")
        with pytest.warns(UserWarning, match="synchronizing"):
            assert y.tolist() == [2]
    finally:
        cuda.set_sync_debug_mode("default")


def test_sums_over_time():
    cuda.reset_accumulated_memory_stats()
    x = flambeau.empty(1000, device="cuda")
    stats = cuda.memory_stats()
    assert stats["allocated_bytes.all.allocated"] >= 4096 and stats["allocation.all.allocated"] >= 1
    before = stats["allocated_bytes.all.freed"]
    del x
    assert cuda.memory_stats()["allocated_bytes.all.freed"] == before + 4096


def test_pinned_memory_of_copies_is_counted():
    flambeau.ones(100_000).to("cuda")
    cuda.synchronize()
    stats = cuda.host_memory_stats()
    assert stats["num_host_alloc"] >= 1 and stats["allocated_bytes.peak"] >= 400_000


SOURCE = r"""
#include <dlfcn.h>
#include <stddef.h>
int taken = 0, given = 0;
static void *of(const char *name) { return dlsym(dlopen("libcuda.so.1", RTLD_NOW), name); }
void *take(ptrdiff_t size, int device, void *stream) {
  unsigned long long p = 0;
  ++taken;
  return ((int (*)(unsigned long long *, size_t))of("cuMemAlloc_v2"))(&p, (size_t)size) ? 0 : (void *)p;
}
void give(void *p, ptrdiff_t size, int device, void *stream) {
  ++given;
  ((int (*)(unsigned long long))of("cuMemFree_v2"))((unsigned long long)p);
}
"""
SCRIPT = """
import ctypes, sys, flambeau
from flambeau import cuda
cuda.change_current_allocator(cuda.CUDAPluggableAllocator(sys.argv[1], "take", "give"))
x = flambeau.ones(5, device="cuda") * 3
assert x.tolist() == [3.0] * 5 and cuda.get_allocator_backend() == "pluggable"
del x
library = ctypes.CDLL(sys.argv[1])
taken, given = (ctypes.c_int.in_dll(library, name).value for name in ("taken", "given"))
assert taken >= 2 and given >= 1, (taken, given)
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")
def test_an_allocator_of_ones_own(tmp_path):
    (tmp_path / "own.c").write_text(SOURCE, "utf-8")
    library = str(tmp_path / "own.so")
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, str(tmp_path / "own.c"), "-ldl"], check=True
    )
    done = subprocess.run([sys.executable, "-c", SCRIPT, library], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
