/* types: float double */
/* Distances between rows: sums of absolute differences, or roots of sums of squares, with their gradients. */
#include "fb.h"

struct call {
  const T *x, *y, *g, *far;
  T *out;
  int64_t n, m, d;
  int square, pairs;
};
#define STRIP 4

#if defined(T_FLOAT32)
#define T_SQRT sqrtf
typedef int32_t lane_of;
#define PLAIN INT32_MAX
#else
#define T_SQRT sqrt
typedef int64_t lane_of;
#define PLAIN INT64_MAX
#endif
typedef lane_of whole __attribute__((vector_size(VECTOR_BYTES)));
INLINE vec size_of(vec v) { return (vec)((whole)v & PLAIN); } /* without its sign */

/* Distances of one row from rows j, j + 1, ... of a matrix that is turned (d, m): `count` vectors of them. */
INLINE void strip(const T *x, const T *turned, int64_t m, int64_t d, int square, int count, T *out) {
  vec s[STRIP] = {{0}};
  for (int64_t k = 0; k < d; ++k) {
    const vec at = splat(x[k]);
    for (int q = 0; q < count; ++q) {
      const vec away = at - load(turned + k * m + q * WIDTH);
      s[q] += square ? away * away : size_of(away);
    }
  }
  for (int q = 0; q < count; ++q) {
    T *const to = out + q * WIDTH;
    store(to, s[q]);
    if (square) for (int64_t i = 0; i < WIDTH; ++i) to[i] = T_SQRT(to[i]);
  }
}
static void row(const struct call *c, int64_t i, int64_t from, T *out, int square) {
  const T *const x = c->x + i * c->d;
  int64_t j = from;
  for (; j + STRIP * WIDTH <= c->m; j += STRIP * WIDTH) strip(x, c->y + j, c->m, c->d, square, STRIP, out + j - from);
  for (; j + WIDTH <= c->m; j += WIDTH) strip(x, c->y + j, c->m, c->d, square, 1, out + j - from);
  for (; j < c->m; ++j) {
    T s = 0;
    for (int64_t k = 0; k < c->d; ++k) {
      const T away = x[k] - c->y[k * c->m + j];
      s += square ? away * away : away < 0 ? -away : away;
    }
    out[j - from] = square ? T_SQRT(s) : s;
  }
}
static void task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t from = c->pairs ? i + 1 : 0;
    T *const out = c->out + (c->pairs ? i * c->m - i * (i + 1) / 2 : i * c->m);
    if (c->square) row(c, i, from, out, 1);
    else row(c, i, from, out, 0);
  }
}
/* Of n rows x from m rows, which are given turned (d, m); `pairs`: of each row from those behind it only. */
EXPORT void distances(const T *x, const T *turned, T *out, int64_t n, int64_t m, int64_t d, int square, int pairs) {
  struct call c = {x, turned, NULL, NULL, out, n, m, d, square, pairs};
  PARALLEL(task, &c, n, grain_for(n, m * d / 4));
}

/* What goes back to row i of x: g[i, j] times the sign of x[i] - y[j], or over the distance times x[i] - y[j]. */
static void back_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const int64_t d = c->d;
  for (int64_t i = begin; i < end; ++i) {
    const T *RESTRICT x = c->x + i * d;
    T *RESTRICT out = c->out + i * d;
    for (int64_t k = 0; k < d; ++k) out[k] = 0;
    for (int64_t j = 0; j < c->m; ++j) {
      const T *RESTRICT y = c->y + j * d;
      T g = c->g[i * c->m + j];
      if (c->square) {
        const T far = c->far[i * c->m + j];
        g = far == 0 ? 0 : g / far;
#pragma omp simd
        for (int64_t k = 0; k < d; ++k) out[k] += g * (x[k] - y[k]);
      } else {
#pragma omp simd
        for (int64_t k = 0; k < d; ++k) {
          const T away = x[k] - y[k];
          out[k] += g * ((away > 0 ? (T)1 : (T)0) - (away < 0 ? (T)1 : (T)0));
        }
      }
    }
  }
}
EXPORT void distances_back(const T *x, const T *y, const T *g, const T *far, T *out, int64_t n, int64_t m, int64_t d, int square) {
  struct call c = {x, y, g, far, out, n, m, d, square, 0};
  PARALLEL(back_task, &c, n, grain_for(n, m * d / 4));
}
