/* types: float double */
/* cross_entropy of rows of scores with class indices: log_softmax, picking and weighing in one pass, and the gradient in one more.
 *
 * What is kept for backward are two numbers a row, its maximum and the logarithm of its sum of exponentials.
 */
#include "fb.h"
#include "fb_math.h"
#include "fb_vec.h"
#include "fb_rows.h"

struct call {
  const T *x, *w, *g;
  const int64_t *target;
  T *loss, *counted, *top, *less, *y;
  int64_t classes, ignored, step;
  double smoothing, whole, factor; /* whole: the sum of the weights */
  int bad, past;
};

/* The sum of x by weights, all 1 where there are none. */
INLINE T weighed(const T *x, const T *w, int64_t m) {
  vec a = {0};
  for (int64_t i = 0; i < m; i += WIDTH) {
    const int64_t n = MIN(WIDTH, m - i);
    const vec v = load_head(x + i, n, 0);
    a += w ? v * load_head(w + i, n, 0) : v;
  }
  return total_of(a);
}

static void forward(void *context, int64_t begin, int64_t end) {
  struct call *c = context;
  const int64_t m = c->classes;
  for (int64_t row = begin; row < end; ++row) {
    const T *x = c->x + row * m;
    const int64_t t = c->target[row];
    c->loss[row] = c->counted[row] = 0;
    if (t == c->ignored) continue;
    if ((uint64_t)t >= (uint64_t)m) {
      __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
      continue;
    }
    const T top = row_largest(x, m), less = LOG(row_exponentials(x, 0, top, m, 0)), w = c->w ? c->w[t] : 1;
    c->top[row] = top, c->less[row] = less, c->counted[row] = w;
    T loss = (less - (x[t] - top)) * w;
    if (c->smoothing > 0) {
      const double even = ((double)top + (double)less) * c->whole - (double)weighed(x, c->w, m);
      loss = (T)((double)loss * (1 - c->smoothing) + even * (c->smoothing / (double)m));
    }
    c->loss[row] = loss;
  }
}

/* 1: a target names no class. whole: the sum of w, or the number of classes. */
EXPORT int forward_rows(const T *x, const int64_t *target, const T *w, T *loss, T *counted, T *top, T *less, int64_t rows, int64_t classes, int64_t ignored, double smoothing, double whole) {
  struct call c = {.x = x, .target = target, .w = w, .loss = loss, .counted = counted, .top = top, .less = less,
                   .classes = classes, .ignored = ignored, .smoothing = smoothing, .whole = whole};
  PARALLEL(forward, &c, rows, grain_for(rows, classes));
  return c.bad;
}

INLINE void backward_rows_loop(const struct call *c, int64_t begin, int64_t end, int past) {
  const int64_t m = c->classes;
  for (int64_t row = begin; row < end; ++row) {
    T *RESTRICT y = c->y + row * m;
    const T *RESTRICT x = c->x + row * m, *RESTRICT w = c->w;
    const int64_t t = c->target[row];
    if (t == c->ignored) {
      memset(y, 0, (size_t)m * sizeof(T));
      continue;
    }
    const double g = (double)c->g[row * c->step] * c->factor, own = g * (1 - c->smoothing) * (w ? (double)w[t] : 1);
    const double even = g * c->smoothing / (double)m;
    const vec all = splat((T)(own + even * c->whole)), top = splat(c->top[row]), less = splat(c->less[row]), each = splat((T)even);
    if (c->smoothing > 0 && w) ROW_WRITE(y, m, past, exp_down((AT(x) - top) - less) * all - each * AT(w));
    else if (c->smoothing > 0) ROW_WRITE(y, m, past, exp_down((AT(x) - top) - less) * all - each);
    else ROW_WRITE(y, m, past, exp_down((AT(x) - top) - less) * all);
    y[t] -= (T)own;
  }
  if (past) stream_end();
}
static void backward(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  if (c->past) backward_rows_loop(c, begin, end, 1);
  else backward_rows_loop(c, begin, end, 0);
}

/* The gradient of a row is g factor times that of its loss; step 0: one g for all rows. */
EXPORT void backward_rows(const T *g, int64_t step, double factor, const T *x, const int64_t *target, const T *w, const T *top, const T *less, T *y, int64_t rows, int64_t classes, int64_t ignored, double smoothing, double whole) {
  struct call c = {.g = g, .step = step, .factor = factor, .x = x, .target = target, .w = w, .top = (T *)top, .less = (T *)less, .y = y,
                   .classes = classes, .ignored = ignored, .smoothing = smoothing, .whole = whole};
  c.past = rows * classes * (int64_t)sizeof(T) >= STREAM_FROM;
  PARALLEL(backward, &c, rows, grain_for(rows, classes));
}
