"""What this machine can do at most, measured in C through the library's own compiler.

Multiply-adds on registers, and copying and reading memory that is as large as what a workload moves: from the caches of
the cores (1 MB a thread), from the cache they share (16 MB), from memory (256 MB).
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

SIZES = (2**20, 2**24, 2**28)  # bytes that are copied or read
ROUNDS = 10

SOURCE = r"""
#include <stdint.h>
#include <string.h>
#pragma STDC FP_CONTRACT ON
#ifdef __clang__
#define CONTRACT
#else
#define CONTRACT __attribute__((optimize("fp-contract=fast")))
#endif
#define LANES (__BIGGEST_ALIGNMENT__ / 4)
#define CHAINS 12
typedef float vector __attribute__((vector_size(__BIGGEST_ALIGNMENT__)));
typedef float loose __attribute__((vector_size(__BIGGEST_ALIGNMENT__), aligned(4), may_alias));

/* Returns the flops done; the chains are independent, so that none waits for another. */
CONTRACT int64_t multiply_adds(int64_t steps, float *out) {
  vector a = {0}, b = {0}, c[CHAINS];
  a += 0.999f; b += out[0];
  for (int i = 0; i < CHAINS; ++i) c[i] = b + (float)i;
  for (int64_t s = 0; s < steps; ++s)
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; ++i) c[i] = c[i] * a + b;
  vector sum = {0};
  for (int i = 0; i < CHAINS; ++i) sum += c[i];
  out[0] = sum[0];
  return steps * CHAINS * LANES * 2;
}
/* Bytes read and written. Beyond the caches by stores that do not read what they overwrite, where the compiler has them. */
static void copy_once(float *to, const float *from, int64_t count, int around) {
  const int64_t step = LANES;
#if defined(__AVX512F__) || defined(__AVX__)
  if (around) {
    for (int64_t i = 0; i + step <= count; i += step) {
      const vector v = *(const loose *)(from + i);
#if defined(__AVX512F__)
      __builtin_ia32_movntps512(to + i, v);
#else
      __builtin_ia32_movntps256(to + i, v);
#endif
    }
    __builtin_ia32_sfence();
    return;
  }
#endif
  for (int64_t i = 0; i + step <= count; i += step) *(loose *)(to + i) = *(const loose *)(from + i);
}
int64_t copy(float *to, const float *from, int64_t count, int64_t times, int around) {
  for (int64_t t = 0; t < times; ++t) {
    copy_once(to, from, count, around);
    __asm__ volatile("" ::: "memory");
  }
  return 8 * count * times;
}
int64_t read_all(const float *from, int64_t count, int64_t times, float *out) {
  vector s[8] = {{0}};
  for (int64_t t = 0; t < times; ++t) {
  for (int64_t i = 0; i + 8 * LANES <= count; i += 8 * LANES)
    for (int j = 0; j < 8; ++j) s[j] += *(const loose *)(from + i + j * LANES);
  __asm__ volatile("" ::: "memory");
  }
  for (int j = 1; j < 8; ++j) s[0] += s[j];
  out[0] = s[0][0];
  return 4 * count * times;
}
"""


def _rate(work: Callable[[int], int], threads: int) -> float:
    """Units of work a second, of that many threads at once; the best of some rounds."""
    best = 0.0
    for _ in range(ROUNDS):
        gate, done, spans = threading.Barrier(threads), [0] * threads, [(0.0, 0.0)] * threads

        def one(index: int, gate=gate, done=done, spans=spans) -> None:
            gate.wait()
            started = time.perf_counter()
            done[index] = work(index)
            spans[index] = started, time.perf_counter()

        members = [threading.Thread(target=one, args=(index,)) for index in range(threads)]
        for member in members:
            member.start()
        for member in members:
            member.join()
        best = max(best, sum(done) / (max(e for _, e in spans) - min(b for b, _ in spans)))
    return best


def measured(threads: int) -> dict[str, Any]:
    """GFLOP/s of multiply-adds, and by size GB/s of copying and of reading, of that many threads."""
    from flambeau.backends.cpu import library

    c = library.load(SOURCE)
    for name in ("multiply_adds", "copy", "read_all"):
        getattr(c, name).restype = ctypes.c_int64
    out = [np.zeros(16, "f4") for _ in range(threads)]

    def pointer(array: np.ndarray) -> ctypes.c_void_p:
        return ctypes.c_void_p(array.ctypes.data)

    def flops(index: int) -> int:
        return c.multiply_adds(ctypes.c_int64(4_000_000), pointer(out[index]))

    found: dict[str, Any] = {
        "threads": threads,
        "gflops": _rate(flops, threads) / 1e9,
        "copy": {},
        "read": {},
    }
    for size in SIZES:
        count = size // 4 // (1 if size == SIZES[0] else threads)
        arrays = [(np.ones(count + 16, "f4"), np.ones(count + 16, "f4")) for _ in range(threads)]
        # Vector stores around the caches want an address that is a multiple of their width.
        arrays = [tuple(a[-(a.ctypes.data // 4) % 16 :][:count] for a in pair) for pair in arrays]

        work = ctypes.c_int64(count), ctypes.c_int64(max(2, 2**29 // size))

        def copy(index: int, around: int, arrays=arrays, work=work) -> int:
            return c.copy(*map(pointer, arrays[index]), *work, around)

        def read(index: int, arrays=arrays, work=work) -> int:
            return c.read_all(pointer(arrays[index][1]), *work, pointer(out[index]))

        ways = [_rate(partial(copy, around=way), threads) for way in (0, 1)]
        found["copy"][size] = max(ways) / 1e9
        found["read"][size] = _rate(read, threads) / 1e9
    return found


def limit(
    ceilings: dict[str, Any], flops: float, read: float, written: float
) -> tuple[float | None, str]:
    """Milliseconds that the work takes at least, and which ceiling says so; None where there is nothing to count."""
    rates = ceilings["copy"] if written else ceilings["read"]
    # Generous, since part of what is moved may stay in a cache: no figure is flattered by a ceiling that is too low.
    size = next((size for size in SIZES if int(size) * 8 >= read + written), SIZES[-1])
    rate = rates.get(size) or rates[str(size)]
    by_flops, by_bytes = flops / ceilings["gflops"] / 1e6, (read + written) / rate / 1e6
    if not (by_flops or by_bytes):
        return None, ""
    return max((by_flops, "flops"), (by_bytes, "bytes"))
