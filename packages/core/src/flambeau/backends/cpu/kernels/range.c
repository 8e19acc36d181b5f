/* types: float double */
/* Numbers at equal distances, counted from one end or from both, each rounded once. */
#include "fb.h"

struct call {
  T *y;
  int64_t half, count;
  double start, end, step;
};

static void range_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  T *RESTRICT y = c->y;
  const double start = c->start, last = c->end, step = c->step;
  const int64_t middle = MIN(MAX(c->half, begin), end), back = c->count - 1;
  _Pragma("omp simd") for (int64_t i = begin; i < middle; ++i) y[i] = (T)(start + (double)i * step);
  _Pragma("omp simd") for (int64_t i = middle; i < end; ++i) y[i] = (T)(last - (double)(back - i) * step);
}

/* The first `half` of `count` numbers are start + i step, the others end - (count - 1 - i) step. */
EXPORT void range(T *y, int64_t half, int64_t count, double start, double end, double step) {
  struct call c = {y, half, count, start, end, step};
  PARALLEL(range_task, &c, count, MAX(16384, MIN(count / 8, 1 << 18)));
}
