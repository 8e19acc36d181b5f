/* types: float double */
/* Weighted sums along each of the last three dimensions: interpolation, and its gradient by the tables turned round.
 *
 * Element i of a dimension is the sum of w[t n + i] x[at[t n + i]] over t < k, n being its size in the result. A row of the result is
 * first summed over rows of the input, in the cache, and then along itself.
 */
#include "fb.h"
#include "fb_vec.h"

struct axis { const int32_t *at; const T *w; int64_t from, to, k; int same, twice; };
/* same: at[i] = i and w[i] = 1; twice = 1: at[i] = i / 2; twice = -1: of the two elements 2 i and 2 i + 1 */
struct call { const T *x; T *y; struct axis d, h, l; int plain; };             /* plain: every row is one row of the input */

INLINE void sum_rows(const T *const *rows, const T *w, int64_t count, T *RESTRICT to, int64_t n) {
  int64_t done = 0;
  if (count >= 4) {
    const T *RESTRICT a = rows[0], *RESTRICT b = rows[1], *RESTRICT c = rows[2], *RESTRICT d = rows[3];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] = a[i] * w[0] + b[i] * w[1] + (c[i] * w[2] + d[i] * w[3]);
    done = 4;
  } else if (count >= 2) {
    const T *RESTRICT a = rows[0], *RESTRICT b = rows[1];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] = a[i] * w[0] + b[i] * w[1];
    done = 2;
  } else {
    const T *RESTRICT a = rows[0];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] = a[i] * w[0];
    done = 1;
  }
  for (; done < count; ++done) {
    const T *RESTRICT a = rows[done];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] += a[i] * w[done];
  }
}
INLINE void sum_along(const T *RESTRICT x, const struct axis *l, T *RESTRICT y) {
  const int64_t n = l->to;
  const int32_t *RESTRICT at = l->at, *RESTRICT a2 = at + n;
  const T *RESTRICT w = l->w, *RESTRICT w2 = w + n;
  int64_t done = 2;
  if (l->twice > 0) {
    for (int64_t i = 0; i < n / 2; ++i) {
      const T v = x[i];
      y[2 * i] = v, y[2 * i + 1] = v;
    }
    return;
  }
  if (l->twice < 0) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[2 * i] + x[2 * i + 1];
    return;
  }
  if (l->k == 1) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = x[at[i]] * w[i];
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[at[i]] * w[i] + x[a2[i]] * w2[i];
  for (; done + 2 <= l->k; done += 2) {
    const int32_t *RESTRICT a = at + done * n, *RESTRICT b = a + n;
    const T *RESTRICT u = w + done * n, *RESTRICT v = u + n;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] += x[a[i]] * u[i] + x[b[i]] * v[i];
  }
  if (done < l->k) {
    const int32_t *RESTRICT a = at + done * n;
    const T *RESTRICT u = w + done * n;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] += x[a[i]] * u[i];
  }
}

static void rows(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const int64_t width = c->l.from, all = c->d.k * c->h.k;
  T *sum = SCRATCH(0, (size_t)width * sizeof(T)), *w = SCRATCH(1, (size_t)all * (sizeof(T) + sizeof(T *)) + 128);
  const T **from = (const T **)((char *)w + ((size_t)all * sizeof(T) + 63) / 64 * 64);
  const T *before = 0;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t h = row % c->h.to, d = row / c->h.to % c->d.to, plane = row / (c->h.to * c->d.to);
    const T *x = c->x + plane * c->d.from * c->h.from * width, *source = sum;
    T *y = c->y + row * c->l.to;
    int64_t count = 0;
    for (int64_t i = 0; i < c->d.k; ++i)
      for (int64_t j = 0; j < c->h.k; ++j) {
        w[count] = c->d.w[i * c->d.to + d] * c->h.w[j * c->h.to + h];
        from[count++] = x + ((int64_t)c->d.at[i * c->d.to + d] * c->h.from + c->h.at[j * c->h.to + h]) * width;
      }
    if (c->plain) {
      source = from[0];
      if (source == before) { /* the row above over again */
        memcpy(y, y - c->l.to, (size_t)c->l.to * sizeof(T));
        continue;
      }
      before = source;
    } else {
      sum_rows(from, w, count, c->l.same ? y : sum, width);
      if (c->l.same) continue;
    }
    if (c->l.same) memcpy(y, source, (size_t)width * sizeof(T));
    else sum_along(source, &c->l, y);
  }
}

/* (planes, from d, h, l) to (planes, to d, h, l); the tables of a dimension that stays lead each element to itself. `plain`: those of d and h have
 * one weight each, which is 1. l_same and l_twice: what is known of the last dimension's table. */
EXPORT void resize(const T *x, T *y, int64_t planes, const int32_t *d_at, const T *d_w, int64_t d_from, int64_t d_to, int64_t d_k, const int32_t *h_at, const T *h_w, int64_t h_from, int64_t h_to, int64_t h_k, const int32_t *l_at, const T *l_w, int64_t l_from, int64_t l_to, int64_t l_k, int l_same, int l_twice, int plain) {
  struct call c = {x, y, {d_at, d_w, d_from, d_to, d_k, 0, 0}, {h_at, h_w, h_from, h_to, h_k, 0, 0}, {l_at, l_w, l_from, l_to, l_k, l_same, l_twice}, plain};
  const int64_t count = planes * d_to * h_to;
  PARALLEL(rows, &c, count, grain_for(count, (plain ? 1 : d_k * h_k) * l_from + (l_same ? 1 : l_k) * l_to));
}
