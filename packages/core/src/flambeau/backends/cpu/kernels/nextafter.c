/* types: float double */
/* The next number from x towards y: the one whose bits are one more or one less, which is farther from zero or nearer. */
#include "fb.h"
#include "fb_vec.h"

struct call {
  const T *x, *y;
  T *out;
};

static void task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const T *RESTRICT x = c->x, *RESTRICT y = c->y;
  T *RESTRICT out = c->out;
  const lane sign = (lane)1 << (8 * sizeof(T) - 1);
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) { /* one choice at a time, which compilers vectorise */
    const T a = x[i], b = y[i];
    lane from, to;
    memcpy(&from, &a, sizeof a), memcpy(&to, &b, sizeof b);
    const lane more = from + 1, less = from - 1, least = (to & sign) | 1;
    const lane up = a > 0 ? more : less, down = a > 0 ? less : more, moved = b > a ? up : down;
    const lane next = a == 0 ? least : moved;
    T found;
    memcpy(&found, &next, sizeof found);
    const T or_same = a == b ? b : found, or_first = a != a ? a : or_same;
    out[i] = b != b ? b : or_first;
  }
}
EXPORT void nextafter_all(const T *x, const T *y, T *out, int64_t n) {
  struct call c = {x, y, out};
  PARALLEL(task, &c, n, grain_for(n, 1));
}
