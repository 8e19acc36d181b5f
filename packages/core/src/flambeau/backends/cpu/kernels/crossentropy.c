/* types: float double half brain */
/* cross_entropy of scores (outer, classes, inner) with class indices: log_softmax, picking and weighing in one pass, the gradient in
 * one more. inner = 1 are rows; otherwise the classes of neighbouring places lie beside each other, and vectors go over places.
 *
 * What is kept for backward are two numbers a place, its maximum and the logarithm of its sum of exponentials. Of halves the scores
 * and their gradient are halves, all else is floats.
 */
#include "fb.h"
#include "fb_math.h"
#include "fb_vec.h"
#include "fb_rows.h"

struct call {
  const E *x;
  const T *w, *g;
  const int64_t *target;
  T *loss, *counted, *top, *less;
  E *y;
  int64_t classes, inner, ignored, step;
  double smoothing, whole, factor; /* whole: the sum of the weights */
  int bad, past;
};

/* The sum of x by weights, all 1 where there are none. */
INLINE T weighed(const E *x, const T *w, int64_t m) {
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
    const E *x = c->x + row * m;
    const int64_t t = c->target[row];
    c->loss[row] = c->counted[row] = c->top[row] = c->less[row] = 0;
    if (t == c->ignored) continue;
    if ((uint64_t)t >= (uint64_t)m) {
      __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
      continue;
    }
    const T top = row_largest(x, m), less = LOG(row_exponentials(x, 0, top, m, 0)), w = c->w ? c->w[t] : 1;
    c->top[row] = top, c->less[row] = less, c->counted[row] = w;
    T loss = (less - (wide(x[t]) - top)) * w;
    if (c->smoothing > 0) {
      const double even = ((double)top + (double)less) * c->whole - (double)weighed(x, c->w, m);
      loss = (T)((double)loss * (1 - c->smoothing) + even * (c->smoothing / (double)m));
    }
    c->loss[row] = loss;
  }
}

/* -- places beside each other: blocks of LANES vectors ---------------------------------------------------------------- */

#define LANES 4
#define BLOCK (LANES * WIDTH)
#if defined(T_FLOAT32)
#define LOG_BESIDE fb_logf /* vectorises */
#else
#define LOG_BESIDE fb_log
#endif
INLINE vec part(const E *p, int k, int64_t n, T rest) { /* vector k of n elements from p on */
  const int64_t left = n - k * WIDTH;
  return left >= WIDTH ? load(p + k * WIDTH) : left > 0 ? load_head(p + k * WIDTH, left, rest) : splat(rest);
}
INLINE void put_part(E *p, vec v, int k, int64_t n) {
  const int64_t left = n - k * WIDTH;
  if (left >= WIDTH) store(p + k * WIDTH, v);
  else if (left > 0) store_head(p + k * WIDTH, v, left);
}
INLINE int64_t blocks_of(const struct call *c) { return (c->inner + BLOCK - 1) / BLOCK; }

INLINE void block_forward(struct call *c, const E *x, int64_t place, int64_t n) {
  const int64_t inner = c->inner, m = c->classes;
  vec top[LANES], sum[LANES], even[LANES];
  for (int k = 0; k < LANES; ++k) top[k] = splat(-INFINITY), sum[k] = even[k] = (vec){0};
  for (int64_t i = 0; i < m; ++i)
    for (int k = 0; k < LANES; ++k) top[k] = larger(part(x + i * inner, k, n, 0), top[k]);
  for (int64_t i = 0; i < m; ++i)
    for (int k = 0; k < LANES; ++k) {
      const vec v = part(x + i * inner, k, n, 0);
      sum[k] += exp_down(v - top[k]);
      if (c->smoothing > 0) even[k] += c->w ? v * splat(c->w[i]) : v;
    }
  T highs[LANES * VECTOR_BYTES / sizeof(T)], logs[LANES * VECTOR_BYTES / sizeof(T)], evens[LANES * VECTOR_BYTES / sizeof(T)];
  memcpy(highs, top, sizeof top), memcpy(logs, sum, sizeof sum), memcpy(evens, even, sizeof even);
#pragma omp simd
  for (int64_t l = 0; l < BLOCK; ++l) logs[l] = LOG_BESIDE(logs[l]);
  for (int64_t l = 0; l < n; ++l) {
    const int64_t at = place + l, t = c->target[at];
    c->loss[at] = c->counted[at] = c->top[at] = c->less[at] = 0;
    if (t == c->ignored) continue;
    if ((uint64_t)t >= (uint64_t)m) {
      __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
      continue;
    }
    const T high = highs[l], less = logs[l], w = c->w ? c->w[t] : 1;
    T loss = (less - (wide(x[t * inner + l]) - high)) * w;
    if (c->smoothing > 0)
      loss = (T)((double)loss * (1 - c->smoothing) +
                 (((double)high + (double)less) * c->whole - (double)evens[l]) * (c->smoothing / (double)m));
    c->top[at] = high, c->less[at] = less, c->counted[at] = w, c->loss[at] = loss;
  }
}
static void forward_planes(void *context, int64_t begin, int64_t end) {
  struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t outer = item / blocks_of(c), first = item % blocks_of(c) * BLOCK, n = MIN(BLOCK, c->inner - first);
    const E *x = c->x + outer * c->classes * c->inner + first;
    if (n == BLOCK) block_forward(c, x, outer * c->inner + first, BLOCK);
    else block_forward(c, x, outer * c->inner + first, n);
  }
}
/* The gradient of the score that the target names. A half is made anew: what is left of it may be less than it was rounded by. */
INLINE E at_target(const E *x, T top, T less, T all, T even, T own) {
  return narrow((exp_down(splat((wide(*x) - top) - less)) * splat(all))[0] - even - own);
}
INLINE void block_backward(const struct call *c, int64_t from, int64_t place, int64_t n) {
  const int64_t inner = c->inner, m = c->classes;
  const E *x = c->x + from;
  E *y = c->y + from;
  vec less[LANES], top[LANES], all[LANES], each[LANES];
  T own[LANES * VECTOR_BYTES / sizeof(T)];
  for (int k = 0; k < LANES; ++k) {
    top[k] = less[k] = all[k] = each[k] = (vec){0};
    for (int64_t l = 0; l < MIN(WIDTH, n - k * WIDTH); ++l) {
      const int64_t at = place + k * WIDTH + l, t = c->target[at];
      if (t == c->ignored) continue;
      const double g = (double)c->g[at * c->step] * c->factor, even = g * c->smoothing / (double)m;
      const double mine = g * (1 - c->smoothing) * (c->w ? (double)c->w[t] : 1);
      own[k * WIDTH + l] = (T)mine;
      top[k][l] = c->top[at], less[k][l] = c->less[at], all[k][l] = (T)(mine + even * c->whole), each[k][l] = (T)even;
    }
  }
  for (int64_t i = 0; i < m; ++i)
    for (int k = 0; k < LANES; ++k) {
      vec v = part(x + i * inner, k, n, 0);
      v = exp_down((v - top[k]) - less[k]) * all[k];
      if (c->smoothing > 0) v -= c->w ? each[k] * splat(c->w[i]) : each[k];
      put_part(y + i * inner, v, k, n);
    }
  for (int64_t l = 0; l < n; ++l) {
    const int64_t t = c->target[place + l];
    E *const mine = y + t * inner + l;
    const int64_t k = l / WIDTH, lane = l % WIDTH;
    const T even = c->w ? each[k][lane] * c->w[t] : each[k][lane];
    if (t != c->ignored)
      *mine = FB_HALVES ? at_target(x + t * inner + l, top[k][lane], less[k][lane], all[k][lane], even, own[l]) : narrow(wide(*mine) - own[l]);
    else for (int64_t i = 0; i < m; ++i) y[i * inner + l] = 0; /* also where the scores are not finite */
  }
}
static void backward_planes(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t outer = item / blocks_of(c), first = item % blocks_of(c) * BLOCK, n = MIN(BLOCK, c->inner - first);
    const int64_t from = outer * c->classes * c->inner + first;
    if (n == BLOCK) block_backward(c, from, outer * c->inner + first, BLOCK);
    else block_backward(c, from, outer * c->inner + first, n);
  }
}

/* -- the calls ------------------------------------------------------------------------------------------------------ */

static double whole_of(const T *w, int64_t classes) {
  double s = 0;
  for (int64_t i = 0; w && i < classes; ++i) s += (double)w[i];
  return w ? s : (double)classes;
}
/* Eight sums beside each other: their order does not depend on threads or vectors. */
static double sum_over(const T *x, int64_t n) {
  double s[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) s[k] += (double)x[i + k];
  for (; i < n; ++i) s[0] += (double)x[i];
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}
enum { NONE, SUM, MEAN };

/* 1: a target names no class. reduction: 0 none, where loss is the result; 1 sum and 2 mean, which is written to out, and to total
 * what it was divided by. w may be null. */
EXPORT int forward_rows(const E *x, const int64_t *target, const T *w, T *loss, T *counted, T *top, T *less, T *out, T *total, int64_t outer, int64_t classes, int64_t inner, int64_t ignored, double smoothing, int reduction) {
  const int64_t rows = outer * inner;
  struct call c = {.x = x, .target = target, .w = w, .loss = loss, .counted = counted, .top = top, .less = less,
                   .classes = classes, .inner = inner, .ignored = ignored, .smoothing = smoothing, .whole = whole_of(w, classes)};
  if (inner == 1) PARALLEL(forward, &c, rows, grain_for(rows, classes));
  else PARALLEL(forward_planes, &c, outer * blocks_of(&c), grain_for(outer * blocks_of(&c), classes * MIN(inner, BLOCK)));
  if (c.bad) return 1;
  if (reduction == NONE) return 0;
  const double sum = sum_over(loss, rows), by = reduction == MEAN ? sum_over(counted, rows) : 1;
  *total = (T)by;
  *out = (T)(sum / by);
  return 0;
}

INLINE void backward_rows_loop(const struct call *c, int64_t begin, int64_t end, int past) {
  const int64_t m = c->classes;
  for (int64_t row = begin; row < end; ++row) {
    E *RESTRICT y = c->y + row * m;
    const E *RESTRICT x = c->x + row * m;
    const T *RESTRICT w = c->w;
    const int64_t t = c->target[row];
    if (t == c->ignored) {
      memset(y, 0, (size_t)m * sizeof(E));
      continue;
    }
    const double g = (double)c->g[row * c->step] * c->factor, own = g * (1 - c->smoothing) * (w ? (double)w[t] : 1);
    const double even = g * c->smoothing / (double)m;
    const vec all = splat((T)(own + even * c->whole)), top = splat(c->top[row]), less = splat(c->less[row]), each = splat((T)even);
    if (c->smoothing > 0 && w) ROW_WRITE(y, m, past, exp_down((AT(x) - top) - less) * all - each * AT(w));
    else if (c->smoothing > 0) ROW_WRITE(y, m, past, exp_down((AT(x) - top) - less) * all - each);
    else ROW_WRITE(y, m, past, exp_down((AT(x) - top) - less) * all);
    const T evenly = w ? (T)even * w[t] : (T)even;
    y[t] = FB_HALVES ? at_target(x + t, top[0], less[0], all[0], evenly, (T)own) : narrow(wide(y[t]) - (T)own);
  }
  if (past) stream_end();
}
static void backward(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  if (c->past) backward_rows_loop(c, begin, end, 1);
  else backward_rows_loop(c, begin, end, 0);
}

/* The gradient of a row is g / total that of its loss; step 0: one g for all rows. total may be null: 1. */
EXPORT void backward_rows(const T *g, int64_t step, const T *total, const E *x, const int64_t *target, const T *w, const T *top, const T *less, E *y, int64_t outer, int64_t classes, int64_t inner, int64_t ignored, double smoothing) {
  const int64_t rows = outer * inner;
  struct call c = {.g = g, .step = step, .factor = total ? 1 / (double)*total : 1, .x = x, .target = target, .w = w, .top = (T *)top, .less = (T *)less,
                   .y = y, .classes = classes, .inner = inner, .ignored = ignored, .smoothing = smoothing, .whole = whole_of(w, classes)};
  c.past = rows * classes * (int64_t)sizeof(T) >= STREAM_FROM;
  if (inner == 1) PARALLEL(backward, &c, rows, grain_for(rows, classes));
  else PARALLEL(backward_planes, &c, outer * blocks_of(&c), grain_for(outer * blocks_of(&c), classes * MIN(inner, BLOCK)));
}
