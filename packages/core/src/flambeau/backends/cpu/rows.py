"""softmax and log_softmax along the last dimension: each row is read, exponentiated and scaled while it is in cache.

Three passes over a row of a few kilobytes cost one trip to memory; NumPy makes four trips and five temporaries. Like
the reference: the maximum is taken out first, NaN and infinite rows give NaN, sums are accumulated in double.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..._base import dtypes
from ...ir.loops import Nest
from ...runtime.operator import registry

LEAST = 1 << 13  # elements from which the call pays (`benchmarks/elementwise.py --thresholds`)

_TEXT = """\
void NAME(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)s;
  const int64_t m = n[1];
  for (int64_t row = begin; row < end; ++row) {
    const T *x = (const T *)a[0] + row * m;
    T *y = (T *)a[1] + row * m;
    T high[64];
    double sum[64];
    for (int l = 0; l < 64; ++l) high[l] = -INFINITY, sum[l] = 0;
    int64_t b = 0;
    for (; b + 64 <= m; b += 64) {
      #pragma omp simd
      for (int64_t l = 0; l < 64; ++l) high[l] = fb_maxF(high[l], x[b + l]);
    }
    #pragma omp simd
    for (int64_t l = 0; l < m - b; ++l) high[l] = fb_maxF(high[l], x[b + l]);
    for (int w = 32; w; w >>= 1) for (int l = 0; l < w; ++l) high[l] = fb_maxF(high[l], high[l + w]);
    const T top = high[0];
    for (b = 0; b + 64 <= m; b += 64) {
      #pragma omp simd
      for (int64_t l = 0; l < 64; ++l) {
        const T e = fb_expF(x[b + l] - top);
        EACH
        sum[l] += e;
      }
    }
    #pragma omp simd
    for (int64_t l = 0; l < m - b; ++l) {
      const T e = fb_expF(x[b + l] - top);
      EACH
      sum[l] += e;
    }
    for (int w = 32; w; w >>= 1) for (int l = 0; l < w; ++l) sum[l] += sum[l + w];
    const T total = (T)LAST;
    #pragma omp simd
    for (int64_t i = 0; i < m; ++i) FINAL;
  }
}
"""
_PARTS = {
    "softmax": {"EACH": "y[b + l] = e;", "LAST": "(1 / sum[0])", "FINAL": "y[i] *= total"},
    "log_softmax": {"EACH": "", "LAST": "fb_log(sum[0])", "FINAL": "y[i] = (x[i] - top) - total"},
}


def text(name: str, dtype: str) -> str:
    """The C function of `name` ("softmax" or "log_softmax") for float32 or float64."""
    kind, suffix = ("float", "f") if dtype == "float32" else ("double", "")
    made = _TEXT
    for word, part in _PARTS[name].items():
        made = made.replace(word, part)
    for function in ("fb_max", "fb_exp"):
        made = made.replace(f"{function}F(", f"{function}{suffix}(")
    return made.replace("NAME", name).replace("T ", f"{kind} ").replace("(T)", f"({kind})")


def nest(name: str, dtype: str, rows: int, size: int) -> Nest:
    """The function with what a call on `rows` rows of `size` elements needs."""
    made = Nest(name, "rows", text(name, dtype), ((rows, size), ()))
    made.count, made.inner = rows, size
    return made


def _accepts(metas: list, attrs: dict) -> bool:
    meta = metas[0]
    if meta.numel < LEAST or attrs["dim"] not in (-1, meta.ndim - 1):
        return False
    if meta.dtype is not dtypes.float32 and meta.dtype is not dtypes.float64:
        return False
    from . import library

    return library.available()


def _kernel(name: str) -> Callable[..., Any]:
    launches: dict[tuple, Any] = {}

    def call(xp: Any, x: np.ndarray, **attrs: Any) -> np.ndarray:
        from .compiler import CompileError
        from .kernel import REMEMBERED, Launch

        x = np.ascontiguousarray(x)
        key = (x.dtype.name, x.shape)
        launch = launches.get(key)
        if launch is None:
            if len(launches) >= REMEMBERED:
                launches.clear()
            try:
                launch = Launch(nest(name, x.dtype.name, x.size // x.shape[-1], x.shape[-1]))
            except CompileError:  # remembered: `_accepts` refuses from now on
                return registry[name].kernels[None](xp, x, **attrs)
            launches[key] = launch
        out = np.empty_like(x)
        launch([x.__array_interface__["data"][0], out.__array_interface__["data"][0]])
        return out

    return call


def register() -> None:
    """Enters the providers; called when the CPU backend loads."""
    for name in _PARTS:
        op = registry.get(name)
        if op is not None and "cpu" not in op.providers:
            op.provide("cpu", _accepts, LEAST)(_kernel(name))
