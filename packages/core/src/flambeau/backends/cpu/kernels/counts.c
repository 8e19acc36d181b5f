/* types: float double int64_t */
/* How often numbers occur: whole ones from 0 up, or those of equal bins. */
#include "fb.h"

#define PIECE ((int64_t)1 << 15)
/* Tables of a piece: neighbours that are equal do not wait for each other. One where four would leave the first-level cache: of so
 * many numbers few neighbours are equal. */
INLINE int64_t side_of(int64_t bins) { return 4 * bins * (int64_t)sizeof(int64_t) <= (32 << 10) ? 4 : 1; }

struct call {
  const T *x;
  int64_t *parts;
  T low, high;
  int64_t n, bins, each, pieces, bad;
};

#define BLOCK 256
/* Places that are below zero count nothing. */
INLINE void add_places(int64_t *table, const int32_t *at, int64_t m, int64_t bins, int64_t side) {
  int64_t k = 0;
  if (side == 4) for (; k + 4 <= m; k += 4)
    for (int64_t j = 0; j < 4; ++j) if (at[k + j] >= 0) ++table[j * bins + at[k + j]];
  for (; k < m; ++k) if (at[k] >= 0) ++table[at[k]];
}
static void task(void *context, int64_t begin, int64_t end) {
  struct call *c = context;
  const int64_t bins = c->bins, side = side_of(bins);
  for (int64_t p = begin; p < end; ++p) {
    int64_t *const table = c->parts + p * side * bins;
    memset(table, 0, (size_t)(side * bins) * sizeof *table);
    const int64_t from = p * c->each, to = MIN(c->n, from + c->each);
#if defined(T_INT64)
    uint64_t odd = 0;
    for (int64_t i = from; i < to; i += BLOCK) {
      int32_t at[BLOCK];
      const int64_t m = MIN(BLOCK, to - i);
      const T *RESTRICT x = c->x + i;
#pragma omp simd reduction(| : odd)
      for (int64_t k = 0; k < m; ++k) {
        const uint64_t v = (uint64_t)x[k], beyond = v >= (uint64_t)bins;
        odd |= beyond;
        at[k] = (int32_t)(beyond ? 0 : v);
      }
      add_places(table, at, m, bins, side);
    }
    if (odd) __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
#else
    const T low = c->low, high = c->high, width = high - low, times = (T)bins;
    for (int64_t i = from; i < to; i += BLOCK) {
      int32_t at[BLOCK];
      const int64_t m = MIN(BLOCK, to - i);
      const T *RESTRICT x = c->x + i;
#pragma omp simd
      for (int64_t k = 0; k < m; ++k) {
        const T v = x[k], place = (v - low) * times / width;
        const int32_t bin = (int32_t)(v >= low && v <= high ? place : (T)-1);
        at[k] = bin >= (int32_t)bins ? (int32_t)bins - 1 : bin;
      }
      add_places(table, at, m, bins, side);
    }
#endif
  }
}
static int64_t counted(struct call *c, int64_t *out) {
  const int64_t side = side_of(c->bins);
  c->pieces = MAX(1, MIN(16, c->n / MAX(PIECE, 8 * c->bins))); /* what tables cost is little beside counting */
  c->each = (c->n + c->pieces - 1) / c->pieces;
  c->parts = SCRATCH(0, (size_t)(c->pieces * side * c->bins) * sizeof(int64_t));
  PARALLEL(task, c, c->pieces, 1);
  for (int64_t b = 0; b < c->bins; ++b) {
    int64_t s = 0;
    for (int64_t p = 0; p < c->pieces * side; ++p) s += c->parts[p * c->bins + b];
    out[b] = s;
  }
  return c->bad;
}
/* Of whole numbers below `bins`, or of numbers from low to high in `bins` equal bins; 1 if a whole number is outside. */
EXPORT int64_t count(const T *x, int64_t *out, int64_t n, int64_t bins, double low, double high) {
  struct call c = {.x = x, .n = n, .bins = bins, .low = (T)low, .high = (T)high};
  return counted(&c, out);
}
