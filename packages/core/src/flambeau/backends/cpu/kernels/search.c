/* types: float double int64_t int32_t uint8_t */
/* Where values would go into sorted rows, NaN behind all others.
 *
 * The steps of a binary search depend on the length of the row alone: LANES values take them side by side, without a branch.
 */
#include "fb.h"

#define LANES 32
struct work {
  const T *rows, *x;
  int64_t *out;
  int64_t n, count;
  int right;
};

/* The elements of s that are no NaN. */
INLINE int64_t numbers_of(const T *s, int64_t n) {
  int64_t low = 0, high = n;
  if (n > 0 && s[n - 1] == s[n - 1]) return n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (s[middle] == s[middle]) low = middle + 1;
    else high = middle;
  }
  return low;
}

INLINE void places_of(const T *s, int32_t n, int64_t whole, const T *v, int64_t *out, int64_t m, const int right) {
  T value[LANES];
  int32_t at[LANES];
  for (int64_t l = 0; l < LANES; ++l) value[l] = l < m ? v[l] : 0, at[l] = 0;
  for (int32_t length = n; length > 0;) {
    const int32_t half = (length + 1) >> 1; /* the last step looks at one element */
    _Pragma("omp simd") for (int l = 0; l < LANES; ++l) {
      const T a = s[at[l] + half - 1];
      const int32_t step = right ? (a <= value[l] ? half : 0) : (a < value[l] ? half : 0);
      at[l] += step;
    }
    length -= half;
  }
  for (int64_t l = 0; l < m; ++l) out[l] = value[l] == value[l] ? (int64_t)at[l] : right ? whole : (int64_t)n;
}

static void search_part(void *context, int64_t begin, int64_t end) {
  const struct work *w = context;
  while (begin < end) { /* values of one row together */
    const int64_t row = begin / w->count, stop = MIN(end, (row + 1) * w->count);
    const T *s = w->rows + row * w->n;
    const int32_t n = (int32_t)numbers_of(s, w->n);
    for (; begin < stop; begin += MIN(LANES, stop - begin)) {
      const int64_t m = MIN(LANES, stop - begin);
      if (w->right) places_of(s, n, w->n, w->x + begin, w->out + begin, m, 1);
      else places_of(s, n, w->n, w->x + begin, w->out + begin, m, 0);
    }
  }
}

/* `outer` rows of n elements, n below 2^31, and for each `count` values. */
EXPORT void places(const T *rows, const T *x, int64_t *out, int64_t outer, int64_t n, int64_t count, int right) {
  struct work w = {rows, x, out, n, count, right};
  PARALLEL(search_part, &w, outer * count, grain_for(outer * count, 8));
}
