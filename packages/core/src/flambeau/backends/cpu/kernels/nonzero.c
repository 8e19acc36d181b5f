/* types: float double int64_t int32_t uint8_t */
/* Where elements are not zero: first how many there are in each block, then their places, one row of a table each. */
#include "fb.h"

#define BLOCK 4096

struct search {
  const T *x;
  int64_t n, *counts, *table;
  const int64_t *shape;
  int64_t dims;
};

static void count_blocks(void *context, int64_t begin, int64_t end) {
  const struct search *s = context;
  for (int64_t b = begin; b < end; ++b) {
    const T *x = s->x + b * BLOCK;
    const int64_t m = MIN(BLOCK, s->n - b * BLOCK);
    int32_t found = 0;
    _Pragma("omp simd reduction(+:found)") for (int64_t i = 0; i < m; ++i) found += x[i] != 0;
    s->counts[b] = found;
  }
}
/* counts[b]: elements that are not zero in block b, of 4096 elements. */
EXPORT void count(const T *x, int64_t n, int64_t *counts) {
  struct search s = {x, n, counts, 0, 0, 0};
  PARALLEL(count_blocks, &s, (n + BLOCK - 1) / BLOCK, 8);
}

static void write_blocks(void *context, int64_t begin, int64_t end) {
  const struct search *s = context;
  const int64_t dims = s->dims, width = s->shape[dims - 1];
  int32_t place[BLOCK + 1];
  for (int64_t b = begin; b < end; ++b) {
    const T *x = s->x + b * BLOCK;
    const int64_t m = MIN(BLOCK, s->n - b * BLOCK);
    int64_t found = 0;
    for (int64_t i = 0; i < m; ++i) {
      place[found] = (int32_t)i;
      found += x[i] != 0;
    }
    int64_t *out = s->table + s->counts[b] * dims;
    int64_t row = b * BLOCK / width, first = row * width; /* of the last dimension, and its first element */
    for (int64_t f = 0; f < found; ++f, out += dims) {
      const int64_t at = b * BLOCK + place[f];
      if (at >= first + width) row = at / width, first = row * width;
      out[dims - 1] = at - first;
      int64_t rest = row;
      for (int64_t d = dims - 2; d > 0; --d) out[d] = rest % s->shape[d], rest /= s->shape[d];
      if (dims > 1) out[0] = rest;
    }
  }
}
/* The table; `before`: how many there are before each block. */
EXPORT void places(const T *x, int64_t n, int64_t *before, int64_t *table, const int64_t *shape, int64_t dims) {
  struct search s = {x, n, before, table, shape, dims};
  PARALLEL(write_blocks, &s, (n + BLOCK - 1) / BLOCK, 8);
}
