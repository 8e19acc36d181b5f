/* types: float double int64_t */
/* How often numbers occur: whole ones from 0 up, or those of equal bins. */
#include "fb.h"

#define PIECE ((int64_t)1 << 15)
#define SIDE 4 /* tables of a piece: neighbours that are equal do not wait for each other */

struct call {
  const T *x;
  int64_t *parts;
  T low, high;
  int64_t n, bins, each, pieces, bad;
};

static void task(void *context, int64_t begin, int64_t end) {
  struct call *c = context;
  const int64_t bins = c->bins;
  for (int64_t p = begin; p < end; ++p) {
    int64_t *const table = c->parts + p * SIDE * bins;
    memset(table, 0, (size_t)(SIDE * bins) * sizeof *table);
    const int64_t from = p * c->each, to = MIN(c->n, from + c->each);
#if defined(T_INT64)
    int64_t odd = 0;
    for (int64_t i = from; i < to; ++i) {
      const T v = c->x[i];
      const int in = v >= 0 && v < bins;
      odd |= !in;
      ++table[(i % SIDE) * bins + (in ? v : 0)];
    }
    if (odd) __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
#else
    const T low = c->low, high = c->high, width = high - low, times = (T)bins;
    for (int64_t i = from; i < to; i += 256) {
      int32_t at[256];
      const int64_t m = MIN(256, to - i);
      const T *RESTRICT x = c->x + i;
#pragma omp simd
      for (int64_t k = 0; k < m; ++k) {
        const T v = x[k], place = (v - low) * times / width;
        const int32_t bin = (int32_t)(v >= low && v <= high ? place : (T)-1);
        at[k] = bin >= (int32_t)bins ? (int32_t)bins - 1 : bin;
      }
      for (int64_t k = 0; k < m; ++k) if (at[k] >= 0) ++table[(k % SIDE) * bins + at[k]];
    }
#endif
  }
}
static int64_t counted(struct call *c, int64_t *out) {
  c->pieces = MAX(1, MIN(16, c->n / PIECE));
  c->each = (c->n + c->pieces - 1) / c->pieces;
  c->parts = SCRATCH(0, (size_t)(c->pieces * SIDE * c->bins) * sizeof(int64_t));
  PARALLEL(task, c, c->pieces, 1);
  for (int64_t b = 0; b < c->bins; ++b) {
    int64_t s = 0;
    for (int64_t p = 0; p < c->pieces * SIDE; ++p) s += c->parts[p * c->bins + b];
    out[b] = s;
  }
  return c->bad;
}
/* Of whole numbers below `bins`, or of numbers from low to high in `bins` equal bins; 1 if a whole number is outside. */
EXPORT int64_t count(const T *x, int64_t *out, int64_t n, int64_t bins, double low, double high) {
  struct call c = {.x = x, .n = n, .bins = bins, .low = (T)low, .high = (T)high};
  return counted(&c, out);
}
