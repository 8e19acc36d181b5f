"""CUDA text on this machine: a C++ compiler turns it into functions that run a grid block by block, a block's threads as fibers.

    kernel = Compiled(text, "fused")
    kernel((2,), (256,), (x, y, np.int64(512)))          # as cupy.RawKernel is called, on NumPy arrays

Threads of a block run one after another up to the next `__syncthreads()`, so that what they share is there when CUDA says it
is, and nothing that CUDA leaves open happens to be right: the order of threads is reversed at every other barrier.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

COMPILER = shutil.which("c++") or shutil.which("g++")

SHIM = """\
#include <cmath>
#include <cstdint>
#include <cstring>
#include <cstdlib>
#include <math.h>
#include <ucontext.h>
#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __shared__ static
#define __launch_bounds__(n)
struct Three { unsigned x, y, z; };
static Three blockIdx, threadIdx, blockDim, gridDim;
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline unsigned __float_as_uint(float x) { unsigned u; memcpy(&u, &x, 4); return u; }
static inline float __uint_as_float(unsigned u) { float x; memcpy(&x, &u, 4); return x; }
static ucontext_t scheduler, fibers[1024];
static char *stacks;
static unsigned running;
static bool ended[1024];
static void (*body)(void **);
static void **given;
static inline void __syncthreads() { swapcontext(&fibers[running], &scheduler); }
static void fiber() { body(given); ended[running] = true; swapcontext(&fibers[running], &scheduler); }
static void block_of(unsigned count, bool barriers) {
  if (!barriers) {
    for (threadIdx.x = count; threadIdx.x-- > 0;) body(given);
    return;
  }
  const size_t size = 1 << 14;
  if (!stacks) stacks = (char *)malloc(size * 1024);
  for (unsigned t = 0; t < count; ++t) {
    getcontext(&fibers[t]);
    fibers[t].uc_stack.ss_sp = stacks + size * t;
    fibers[t].uc_stack.ss_size = size;
    fibers[t].uc_link = 0;
    makecontext(&fibers[t], fiber, 0);
    ended[t] = false;
  }
  for (unsigned turn = 0, left = count; left; ++turn) {
    left = 0;
    for (unsigned i = 0; i < count; ++i) {
      const unsigned t = turn & 1 ? count - 1 - i : i;
      if (ended[t]) continue;
      threadIdx.x = running = t;
      swapcontext(&scheduler, &fibers[t]);
      left += !ended[t];
    }
  }
}
"""
LAUNCHER = """
static void call_{name}(void **a) {{ {name}({arguments}); }}
extern "C" void launch_{name}(void **a, unsigned gx, unsigned gy, unsigned count) {{
  body = call_{name}; given = a; gridDim.x = gx; gridDim.y = gy; blockDim.x = count;
  for (blockIdx.y = 0; blockIdx.y < gy; ++blockIdx.y)
    for (blockIdx.x = 0; blockIdx.x < gx; ++blockIdx.x) block_of(count, {barriers});
}}
"""


FLAGS = ["-std=c++17", "-O1", "-ffp-contract=off", "-w", "-fPIC"]


@cache
def _folder() -> Path:
    """Where texts are compiled, with the header in compiled form: most of a small text's time is the header's."""
    folder = Path(tempfile.mkdtemp(prefix="flambeau-cuda-text-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "shim.h").write_text(SHIM, "utf-8")
    subprocess.run([str(COMPILER), *FLAGS, "-x", "c++-header", str(folder / "shim.h")], check=True)
    return folder


@cache
def library(text: str) -> tuple[ctypes.CDLL, dict[str, list[str]]]:
    """The compiled text, and the C types of each kernel's arguments."""
    kernels: dict[str, list[str]] = {}
    launchers = []
    found = list(
        re.finditer(r"__global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\(([^)]*)\) \{", text)
    )
    for i, m in enumerate(found):
        body = text[m.end() : found[i + 1].start() if i + 1 < len(found) else len(text)]
        types = [
            re.sub(r"\w+$", "", a.strip()).replace("__restrict__", "").strip()
            for a in m[2].split(",")
        ]
        kernels[m[1]] = types
        values = ", ".join(
            f"*({t.removeprefix('const ') if t[-1] != '*' else t} *)a[{n}]"
            for n, t in enumerate(types)
        )
        barriers = "true" if "__syncthreads" in body else "false"
        launchers.append(LAUNCHER.format(name=m[1], arguments=values, barriers=barriers))
    whole = '#include "shim.h"\n' + text + "".join(launchers)
    name = hashlib.sha256(whole.encode()).hexdigest()[:24]
    source, target = _folder() / f"{name}.cpp", _folder() / f"{name}.so"
    source.write_text(whole, "utf-8")
    linked = [
        "-shared",
        "-Wl,-Bsymbolic",
        str(source),
        "-o",
        str(target),
    ]  # `step` is a name of libc's, too
    subprocess.run([str(COMPILER), *FLAGS, *linked], check=True)
    return ctypes.CDLL(str(target)), kernels


SCALARS = {"int64_t": np.int64, "int": np.int32, "double": np.float64, "float": np.float32}


class Compiled:
    """A kernel of a text, called as a `cupy.RawKernel`. Arguments of another kind than the text's are refused."""

    def __init__(self, text: str, name: str, options: tuple[str, ...] = ()) -> None:
        self.text, self.name = text, name

    def __call__(self, grid, block, args):
        made, kernels = library(self.text)
        types = kernels[self.name]
        assert len(types) == len(args), f"{self.name} takes {len(types)} arguments, got {len(args)}"
        kept = []  # one array for each argument, which holds the pointer or the number
        for t, a in zip(types, args):
            if t.endswith("*"):
                assert isinstance(a, np.ndarray), f"{t}: {type(a)}"
                kept.append(np.array([a.ctypes.data]))
            else:
                assert type(a) is SCALARS[t.removeprefix("const ")], f"{t}: {type(a)}"
                kept.append(np.array([a]))
        places = [k.ctypes.data for k in kept]
        (gx, gy), (count,) = (*grid, 1)[:2], block
        assert 0 < gx < 2**31 and 0 < gy < 2**16 and 0 < count <= 1024
        launch = getattr(made, f"launch_{self.name}")
        launch.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint]
        launch((ctypes.c_void_p * len(places))(*places), gx, gy, count)
