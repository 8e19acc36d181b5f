/* types: float double */
/* Running sums of exponentials along rows, kept as logarithms.
 *
 * In double. A block is taken out of its largest element: its exponentials and logarithms are loops on vectors, and only their
 * sum goes on from element to element. Where numbers of a block lie too far apart for that, or are not finite, one after the other.
 */
#include "fb.h"
#include <stdbool.h>
#include "fb_math.h"

#define BLOCK 128
#define APART 600.0 /* exp(-600) times exp(-100) is above the smallest double */

struct call {
  const T *x;
  T *y;
  int64_t n;
};

/* log(exp(a) + exp(b)); of two infinities their sign's, of NaN that. */
static double joined(double a, double b) {
  if (a == b) return a + 0.693147180559945309417;
  const double d = a - b;
  return d > 0 ? a + log1p(exp(-d)) : d <= 0 ? b + log1p(exp(d)) : d;
}

static void run_row(const T *x, T *y, int64_t n) {
  double so_far = x[0]; /* log of the sum up to here */
  y[0] = x[0];
  for (int64_t i = 1; i < n; i += BLOCK) {
    const int64_t m = MIN(BLOCK, n - i);
    double high = so_far, low = so_far, e[BLOCK];
    for (int64_t j = 0; j < m; ++j) {
      const double v = x[i + j];
      high = v > high ? v : high;
      low = v < low ? v : low;
      if (v != v) low = -INFINITY;
    }
    if (!(high - low <= APART)) {
      for (int64_t j = 0; j < m; ++j) so_far = joined(so_far, x[i + j]), y[i + j] = (T)so_far;
      continue;
    }
    _Pragma("omp simd") for (int64_t j = 0; j < m; ++j) e[j] = fb_exp((double)x[i + j] - high);
    double sum = fb_exp(so_far - high);
    for (int64_t j = 0; j < m; ++j) sum += e[j], e[j] = sum;
    _Pragma("omp simd") for (int64_t j = 0; j < m; ++j) e[j] = high + fb_log(e[j]);
    for (int64_t j = 0; j < m; ++j) y[i + j] = (T)e[j];
    so_far = e[m - 1];
  }
}
static void rows_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t i = begin; i < end; ++i) run_row(c->x + i * c->n, c->y + i * c->n, c->n);
}

EXPORT void logcumsumexp(const T *x, T *y, int64_t rows, int64_t n) {
  struct call c = {x, y, n};
  PARALLEL(rows_task, &c, rows, grain_for(rows, 8 * n));
}
