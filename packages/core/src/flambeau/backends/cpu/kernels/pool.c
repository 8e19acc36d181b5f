/* types: float double */
/* The largest value, its place, or the sum of every window of the last one to three dimensions, and their gradients.
 *
 * A row of windows is done in two steps: the rows of the input that they span become one row of the largest values (or
 * sums), from contiguous loads; then each window takes its few neighbours of that row. Windows that overlap share the
 * first step. Nothing is padded but that one row.
 */
#include "fb_windows.h"

/* What Python writes into `n`: planes, and for each of three dimensions (missing ones are 1) the size, the number of
 * windows, the window, stride, padding before and dilation. */
struct pool {
  const T *x, *g;
  T *y;
  int64_t *places;
  const T *count[3]; /* for each dimension the factors of what a window's sum is divided by; NULL: not divided */
  int64_t size[3], out[3], kernel[3], step[3], lo[3], gap[3];
};

static struct pool described(const int64_t *n) {
  struct pool p = {0};
  for (int i = 0; i < 3; ++i) {
    p.size[i] = n[1 + i], p.out[i] = n[4 + i], p.kernel[i] = n[7 + i];
    p.step[i] = n[10 + i], p.lo[i] = n[13 + i], p.gap[i] = n[16 + i];
  }
  return p;
}

/* The length of the row that a row of windows reads, counted from the padding's first element. */
INLINE int64_t reach(const struct pool *p) { return (p->out[2] - 1) * p->step[2] + (p->kernel[2] - 1) * p->gap[2] + 1; }

/* -- the largest values --------------------------------------------------------------------------------------------- */

#define LOWEST (-(T)INFINITY)
#define NOWHERE ((T)(1 << 22)) /* more than any window has rows: Python refuses such windows */

INLINE T greater(T m, T v) { return ((v > m) | (v != v)) ? v : m; }

/* A row as the taps of windows read it: with a stride of 2 its even elements, then its odd ones; else as it is. */
INLINE const T *phased(const struct pool *p, const T *row, T *to, int64_t length) {
  if (p->step[2] != 2) return row;
  split_row(row, length, to, to + length);
  return to;
}
INLINE const T *tap_of(const struct pool *p, const T *phased, int64_t length, int64_t j) {
  const int64_t at = j * p->gap[2];
  return p->step[2] != 2 ? phased + at : phased + at % 2 * length + at / 2;
}

static void across(const struct pool *p, const T *row, T *to, int64_t length, T *RESTRICT y) {
  const int64_t count = p->out[2], s = p->step[2] == 2 ? 1 : p->step[2];
  const T *from = phased(p, row, to, length), *RESTRICT a = tap_of(p, from, length, 0), *RESTRICT b = tap_of(p, from, length, 1);
  const T *RESTRICT c = tap_of(p, from, length, 2);
  if (s == 1 && p->kernel[2] == 2) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) y[i] = greater(a[i], b[i]);
  } else if (s == 1 && p->kernel[2] == 3) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) y[i] = greater(greater(a[i], b[i]), c[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = a[i * s];
    for (int64_t j = 1; j < p->kernel[2]; ++j) {
      const T *RESTRICT v = tap_of(p, from, length, j);
      if (s == 1) {
#pragma omp simd
        for (int64_t i = 0; i < count; ++i) y[i] = greater(y[i], v[i]);
      } else for (int64_t i = 0; i < count; ++i) y[i] = greater(y[i], v[i * s]);
    }
  }
}

static void max_rows(void *context, int64_t begin, int64_t end) {
  const struct pool *p = context;
  const int64_t W = p->size[2], length = reach(p), lo = p->lo[2];
  T *row = SCRATCH(0, (size_t)(MAX(length, lo + W) + 2 * length + 2) * sizeof(T)), *split = row + MAX(length, lo + W);
  for (int64_t i = 0; i < lo; ++i) row[i] = LOWEST;
  for (int64_t i = lo + W; i < length; ++i) row[i] = LOWEST;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t oh = at % p->out[1], od = at / p->out[1] % p->out[0], plane = at / p->out[1] / p->out[0];
    T *m = row + lo;
    int any = 0;
    for (int64_t i = 0; i < p->kernel[0]; ++i) {
      const int64_t d = od * p->step[0] - p->lo[0] + i * p->gap[0];
      if (d < 0 || d >= p->size[0]) continue;
      for (int64_t j = 0; j < p->kernel[1]; ++j) {
        const int64_t h = oh * p->step[1] - p->lo[1] + j * p->gap[1];
        if (h < 0 || h >= p->size[1]) continue;
        const T *from = p->x + ((plane * p->size[0] + d) * p->size[1] + h) * W;
        if (!any) memcpy(m, from, (size_t)W * sizeof(T));
        else {
#pragma omp simd
          for (int64_t w = 0; w < W; ++w) m[w] = greater(m[w], from[w]);
        }
        any = 1;
      }
    }
    if (!any) for (int64_t w = 0; w < W; ++w) m[w] = LOWEST;
    across(p, row, split, length, p->y + at * p->out[2]);
  }
}

EXPORT void max_forward(const T *x, T *y, const int64_t *n) {
  struct pool p = described(n);
  p.x = x, p.y = y;
  PARALLEL(max_rows, &p, n[0] * p.out[0] * p.out[1], grain_for(n[0] * p.out[0] * p.out[1], p.size[2] * p.kernel[0] * p.kernel[1]));
}

/* -- and where they are --------------------------------------------------------------------------------------------- */

/* A row of windows: for each the row of the window (counted over the first two dimensions) and the column in it where
 * its largest value stands, the first of several in the order of memory, the first NaN if there is one. Numbers are kept as T,
 * so that they are selected with the values they belong to; the row is NOWHERE for a window without an element. */
struct found {
  T *value, *line; /* of every column */
  T *split;        /* room for both, with a stride of 2 */
  int64_t length;  /* of the columns that windows read */
  T *best, *row, *column; /* of every window */
};

INLINE void merge(const struct found *f, const T *RESTRICT value, const T *RESTRICT line, int64_t count, int64_t s, T j) {
  T *RESTRICT best = f->best, *RESTRICT row = f->row, *RESTRICT column = f->column;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const T v = value[i * s], r = line[i * s], b = best[i], q = row[i];
    const int wins = (v > b) | ((v != v) & (b == b)) | (((v == b) | ((v != v) & (b != b))) & (r < q));
    best[i] = wins ? v : b;
    row[i] = wins ? r : q;
    column[i] = wins ? j : column[i];
  }
}

static struct found lines_for(const struct pool *p) {
  const int64_t whole = MAX(reach(p), p->lo[2] + p->size[2]), out = p->out[2];
  T *block = SCRATCH(0, (size_t)(6 * whole + 3 * out + 4) * sizeof(T)), *best = block + 6 * whole + 4;
  struct found f = {block, block + whole, block + 2 * whole, reach(p), best, best + out, best + 2 * out};
  for (int64_t i = 0; i < whole; ++i) f.value[i] = LOWEST, f.line[i] = NOWHERE;
  return f;
}

static void find_row(const struct pool *p, const struct found *f, int64_t plane, int64_t od, int64_t oh) {
  const int64_t W = p->size[2], out = p->out[2], s = p->step[2];
  T *RESTRICT value = f->value + p->lo[2], *RESTRICT line = f->line + p->lo[2];
  int any = 0;
  for (int64_t i = 0; i < p->kernel[0]; ++i) {
    const int64_t d = od * p->step[0] - p->lo[0] + i * p->gap[0];
    if (d < 0 || d >= p->size[0]) continue;
    for (int64_t j = 0; j < p->kernel[1]; ++j) {
      const int64_t h = oh * p->step[1] - p->lo[1] + j * p->gap[1];
      if (h < 0 || h >= p->size[1]) continue;
      const T *from = p->x + ((plane * p->size[0] + d) * p->size[1] + h) * W;
      const T at = (T)(i * p->kernel[1] + j);
      if (!any) {
        for (int64_t w = 0; w < W; ++w) value[w] = from[w], line[w] = at;
      } else {
#pragma omp simd
        for (int64_t w = 0; w < W; ++w) {
          const T v = from[w], m = value[w];
          const int wins = (v > m) | ((v != v) & (m == m));
          value[w] = wins ? v : m;
          line[w] = wins ? at : line[w];
        }
      }
      any = 1;
    }
  }
  if (!any) for (int64_t w = 0; w < W; ++w) value[w] = LOWEST, line[w] = NOWHERE;
  for (int64_t i = 0; i < out; ++i) f->best[i] = LOWEST, f->row[i] = NOWHERE, f->column[i] = 0;
  const T *values = phased(p, f->value, f->split, f->length), *lines = phased(p, f->line, f->split + 2 * f->length, f->length);
  for (int64_t j = 0; j < p->kernel[2]; ++j) {
    const T *v = tap_of(p, values, f->length, j), *l = tap_of(p, lines, f->length, j);
    if (s <= 2) merge(f, v, l, out, 1, (T)j);
    else merge(f, v, l, out, s, (T)j);
  }
}

/* The index in the plane of the row's first window's column 0, for a row of the window. */
INLINE int64_t line_start(const struct pool *p, int64_t od, int64_t oh, int64_t row) {
  const int64_t d = od * p->step[0] - p->lo[0] + row / p->kernel[1] * p->gap[0];
  const int64_t h = oh * p->step[1] - p->lo[1] + row % p->kernel[1] * p->gap[1];
  return (d * p->size[1] + h) * p->size[2] - p->lo[2];
}

static void place_rows(void *context, int64_t begin, int64_t end) {
  const struct pool *p = context;
  const struct found f = lines_for(p);
  const int64_t rows = p->kernel[0] * p->kernel[1];
  int64_t *starts = SCRATCH(1, (size_t)rows * sizeof(int64_t));
  for (int64_t at = begin; at < end; ++at) {
    const int64_t oh = at % p->out[1], od = at / p->out[1] % p->out[0], plane = at / p->out[1] / p->out[0];
    find_row(p, &f, plane, od, oh);
    for (int64_t r = 0; r < rows; ++r) starts[r] = line_start(p, od, oh, r);
    int64_t *to = p->places + at * p->out[2];
    for (int64_t i = 0; i < p->out[2]; ++i)
      to[i] = f.row[i] < NOWHERE ? starts[(int64_t)f.row[i]] + i * p->step[2] + (int64_t)f.column[i] * p->gap[2] : 0;
  }
}

EXPORT void max_places(const T *x, int64_t *places, const int64_t *n) {
  struct pool p = described(n);
  p.x = x, p.places = places;
  PARALLEL(place_rows, &p, n[0] * p.out[0] * p.out[1], grain_for(n[0] * p.out[0] * p.out[1], 2 * p.size[2] * p.kernel[0] * p.kernel[1]));
}

static void spread_planes(void *context, int64_t begin, int64_t end) {
  const struct pool *p = context;
  const struct found f = lines_for(p);
  const int64_t rows = p->kernel[0] * p->kernel[1], size = p->size[0] * p->size[1] * p->size[2];
  int64_t *starts = SCRATCH(1, (size_t)rows * sizeof(int64_t));
  for (int64_t plane = begin; plane < end; ++plane) {
    T *y = p->y + plane * size;
    memset(y, 0, (size_t)size * sizeof(T));
    const T *g = p->g + plane * p->out[0] * p->out[1] * p->out[2];
    for (int64_t od = 0; od < p->out[0]; ++od)
      for (int64_t oh = 0; oh < p->out[1]; ++oh, g += p->out[2]) {
        find_row(p, &f, plane, od, oh);
        for (int64_t r = 0; r < rows; ++r) starts[r] = line_start(p, od, oh, r);
        for (int64_t i = 0; i < p->out[2]; ++i)
          if (f.row[i] < NOWHERE) y[starts[(int32_t)f.row[i]] + i * p->step[2] + (int32_t)f.column[i] * p->gap[2]] += g[i];
      }
  }
}

/* The gradient of the largest values: y, of x's size, is all written. */
EXPORT void max_backward(const T *g, const T *x, T *y, const int64_t *n) {
  struct pool p = described(n);
  p.g = g, p.x = x, p.y = y;
  PARALLEL(spread_planes, &p, n[0], grain_for(n[0], 2 * p.size[0] * p.size[1] * p.size[2]));
}

static void pick_rows(void *context, int64_t begin, int64_t end) {
  const struct pool *p = context;
  const struct found f = lines_for(p);
  const int64_t size = p->size[0] * p->size[1] * p->size[2];
  for (int64_t at = begin; at < end; ++at) {
    const int64_t oh = at % p->out[1], od = at / p->out[1] % p->out[0], plane = at / p->out[1] / p->out[0];
    find_row(p, &f, plane, od, oh);
    T *y = p->y + at * p->out[2];
    const T *g = p->g + plane * size;
    for (int64_t i = 0; i < p->out[2]; ++i)
      y[i] = f.row[i] < NOWHERE ? g[line_start(p, od, oh, (int64_t)f.row[i]) + i * p->step[2] + (int64_t)f.column[i] * p->gap[2]] : 0;
  }
}

/* The transpose of `max_backward`: of g, of x's size, what stands where x has its largest values. */
EXPORT void max_pick(const T *g, const T *x, T *y, const int64_t *n) {
  struct pool p = described(n);
  p.g = g, p.x = x, p.y = y;
  PARALLEL(pick_rows, &p, n[0] * p.out[0] * p.out[1], grain_for(n[0] * p.out[0] * p.out[1], 2 * p.size[2] * p.kernel[0] * p.kernel[1]));
}

/* -- sums ----------------------------------------------------------------------------------------------------------- */

static void add_across(const struct pool *p, const T *row, T *to, int64_t length, T *RESTRICT y) {
  const int64_t count = p->out[2], s = p->step[2] == 2 ? 1 : p->step[2];
  const T *from = phased(p, row, to, length), *RESTRICT a = tap_of(p, from, length, 0);
  for (int64_t i = 0; i < count; ++i) y[i] = a[i * s];
  for (int64_t j = 1; j < p->kernel[2]; ++j) {
    const T *RESTRICT v = tap_of(p, from, length, j);
    if (s == 1) {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) y[i] += v[i];
    } else for (int64_t i = 0; i < count; ++i) y[i] += v[i * s];
  }
}

static void sum_rows(void *context, int64_t begin, int64_t end) {
  const struct pool *p = context;
  const int64_t W = p->size[2], length = reach(p), lo = p->lo[2];
  T *row = SCRATCH(0, (size_t)(MAX(length, lo + W) + 2 * length + 2) * sizeof(T)), *split = row + MAX(length, lo + W);
  for (int64_t i = 0; i < lo; ++i) row[i] = 0;
  for (int64_t i = lo + W; i < length; ++i) row[i] = 0;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t oh = at % p->out[1], od = at / p->out[1] % p->out[0], plane = at / p->out[1] / p->out[0];
    T *m = row + lo;
    int any = 0;
    for (int64_t i = 0; i < p->kernel[0]; ++i) {
      const int64_t d = od * p->step[0] - p->lo[0] + i;
      if (d < 0 || d >= p->size[0]) continue;
      for (int64_t j = 0; j < p->kernel[1]; ++j) {
        const int64_t h = oh * p->step[1] - p->lo[1] + j;
        if (h < 0 || h >= p->size[1]) continue;
        const T *from = p->x + ((plane * p->size[0] + d) * p->size[1] + h) * W;
        if (!any) memcpy(m, from, (size_t)W * sizeof(T));
        else {
#pragma omp simd
          for (int64_t w = 0; w < W; ++w) m[w] += from[w];
        }
        any = 1;
      }
    }
    if (!any) memset(m, 0, (size_t)W * sizeof(T));
    T *RESTRICT y = p->y + at * p->out[2];
    add_across(p, row, split, length, y);
    if (p->count[2]) {
      const T outer = p->count[0][od] * p->count[1][oh];
#pragma omp simd
      for (int64_t i = 0; i < p->out[2]; ++i) y[i] /= outer * p->count[2][i];
    }
  }
}

static void divided_by(struct pool *p, const T *counts) {
  if (!counts) return;
  p->count[0] = counts, p->count[1] = counts + p->out[0], p->count[2] = counts + p->out[0] + p->out[1];
}

/* Sums; with `counts` (the factors for each dimension's windows, one after the other; NULL for none) means. */
EXPORT void sum_forward(const T *x, T *y, const T *counts, const int64_t *n) {
  struct pool p = described(n);
  p.x = x, p.y = y;
  divided_by(&p, counts);
  PARALLEL(sum_rows, &p, n[0] * p.out[0] * p.out[1], grain_for(n[0] * p.out[0] * p.out[1], p.size[2] * p.kernel[0] * p.kernel[1]));
}

INLINE void spread_across(const T *RESTRICT row, T *RESTRICT y, int64_t count, int64_t s) {
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < s; ++j) y[i * s + j] = row[i];
}

static void give_rows(void *context, int64_t begin, int64_t end) {
  const struct pool *p = context;
  const int64_t W = p->size[2], out = p->out[2], s = p->step[2], k = p->kernel[2], length = MAX(reach(p), p->lo[2] + W);
  T *RESTRICT sums = SCRATCH(0, (size_t)(out + length) * sizeof(T)), *RESTRICT row = sums + out;
  memset(row, 0, (size_t)length * sizeof(T));
  for (int64_t at = begin; at < end; ++at) {
    const int64_t h = at % p->size[1] + p->lo[1], d = at / p->size[1] % p->size[0] + p->lo[0];
    const int64_t plane = at / p->size[1] / p->size[0];
    memset(sums, 0, (size_t)out * sizeof(T));
    for (int64_t od = MAX(0, (d - p->kernel[0] + p->step[0]) / p->step[0]); od <= d / p->step[0] && od < p->out[0]; ++od)
      for (int64_t oh = MAX(0, (h - p->kernel[1] + p->step[1]) / p->step[1]); oh <= h / p->step[1] && oh < p->out[1]; ++oh) {
        const T *g = p->g + ((plane * p->out[0] + od) * p->out[1] + oh) * out;
        if (p->count[2]) {
          const T outer = p->count[0][od] * p->count[1][oh];
#pragma omp simd
          for (int64_t i = 0; i < out; ++i) sums[i] += g[i] / (outer * p->count[2][i]);
        } else {
#pragma omp simd
          for (int64_t i = 0; i < out; ++i) sums[i] += g[i];
        }
      }
    if (s == k) {
      if (s == 2) weave_rows(row, sums, sums, 2 * out);
      else if (s == 3) spread_across(sums, row, out, 3);
      else spread_across(sums, row, out, s);
    } else {
      memset(row, 0, (size_t)length * sizeof(T));
      for (int64_t j = 0; j < k; ++j)
        for (int64_t i = 0; i < out; ++i) row[i * s + j] += sums[i];
    }
    memcpy(p->y + at * W, row + p->lo[2], (size_t)W * sizeof(T));
  }
}

/* The gradient of `sum_forward`: y, of the input's size, is all written. */
EXPORT void sum_backward(const T *g, T *y, const T *counts, const int64_t *n) {
  struct pool p = described(n);
  p.g = g, p.y = y;
  divided_by(&p, counts);
  PARALLEL(give_rows, &p, n[0] * p.size[0] * p.size[1], grain_for(n[0] * p.size[0] * p.size[1], 2 * p.size[2]));
}
