/* types: float double half brain */
/* softmax and log_softmax along one dimension of (outer, size, inner), forward and backward.
 *
 * Rows (inner = 1) are read once into the cache; maximum, exponentials and scaling go over them there. Otherwise blocks of
 * columns, vectors along the inner dimension. NaN and an infinite maximum make their row NaN, by the sum of exponentials.
 * Sums are of sums of 64 vectors, so that rounding grows with the square root of a long row at most.
 */
#include "fb.h"
#include "fb_math.h"
#include "fb_vec.h"
#include "fb_rows.h"

#define LONG_ROW (256 << 10) /* bytes */

struct call {
  const E *x, *g;
  E *y;
  int64_t size, inner, blocks, columns;
  int log, past;
};

/* -- rows ---------------------------------------------------------------------------------------------------------- */

INLINE void rows_loop(const struct call *c, int64_t begin, int64_t end, int past) {
  const int64_t m = c->size;
  T *kept = (past || FB_HALVES) && !c->log ? SCRATCH(0, (size_t)m * sizeof(T)) : 0;
  for (int64_t row = begin; row < end; ++row) {
    const E *RESTRICT x = c->x + row * m;
    E *y = c->y + row * m;
    T *e = kept ? kept : (T *)y;
    const T top = row_largest(x, m);
    if (c->log) {
      const vec t = splat(top), less = splat(LOG(row_exponentials(x, 0, top, m, 0)));
      ROW_WRITE(y, m, past, (AT(x) - t) - less);
    } else {
      const vec part = splat(1 / row_exponentials(x, e, top, m, 1));
      ROW_WRITE(y, m, past, AT(e) * part);
    }
  }
  if (past) stream_end();
}
static void rows_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  if (c->past) rows_loop(c, begin, end, 1);
  else rows_loop(c, begin, end, 0);
}

/* softmax: y (g - sum of g y); log_softmax: g - exp(y) sum of g. */
INLINE T row_dot(const E *g, const E *y, int64_t m, int plain) {
  vec whole = {0};
  int64_t i = 0;
  while (i + WIDTH <= m) {
    const int64_t end = MIN(m, i + 64 * WIDTH);
    vec a = {0}, b = {0};
    for (; i + 2 * WIDTH <= end; i += 2 * WIDTH) {
      a += plain ? load(g + i) : load(g + i) * load(y + i);
      b += plain ? load(g + i + WIDTH) : load(g + i + WIDTH) * load(y + i + WIDTH);
    }
    if (i + WIDTH <= end) a += plain ? load(g + i) : load(g + i) * load(y + i), i += WIDTH;
    whole += a + b;
  }
  if (i < m) {
    const vec v = load_head(g + i, m - i, 0);
    whole += plain ? v : v * load_head(y + i, m - i, 0);
  }
  return total_of(whole);
}

INLINE void rows_back_loop(const struct call *c, int64_t begin, int64_t end, int past) {
  const int64_t m = c->size;
  for (int64_t row = begin; row < end; ++row) {
    const E *RESTRICT y = c->x + row * m, *RESTRICT g = c->g + row * m;
    E *RESTRICT out = c->y + row * m;
    const vec s = splat(row_dot(g, y, m, c->log));
    if (c->log) ROW_WRITE(out, m, past, AT(g) - exp_down(AT(y)) * s);
    else ROW_WRITE(out, m, past, (AT(g) - s) * AT(y));
  }
  if (past) stream_end();
}
static void rows_back(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  if (c->past) rows_back_loop(c, begin, end, 1);
  else rows_back_loop(c, begin, end, 0);
}

/* -- columns ------------------------------------------------------------------------------------------------------- */

/* Up to 4 vectors beside each other, `n` columns in all; item = (outer, block). */
#define LANES 4
INLINE vec part_of(const E *p, int64_t k, int64_t n, T rest) {
  const int64_t left = n - k * WIDTH;
  return left >= WIDTH ? load(p + k * WIDTH) : load_head(p + k * WIDTH, left, rest);
}
INLINE void put_part(E *p, vec v, int64_t k, int64_t n) {
  const int64_t left = n - k * WIDTH;
  if (left >= WIDTH) store(p + k * WIDTH, v);
  else store_head(p + k * WIDTH, v, left);
}

INLINE void column_block(const struct call *c, const E *x, E *y, int64_t n, int64_t used) {
  const int64_t m = c->size, step = c->inner;
  const int keep = !c->log && !FB_HALVES; /* rounded twice otherwise */
  vec top[LANES], sum[LANES] = {{0}}, whole[LANES] = {{0}};
  for (int k = 0; k < used; ++k) top[k] = splat(-INFINITY);
  for (int64_t i = 0; i < m; ++i)
    for (int k = 0; k < used; ++k) top[k] = larger(part_of(x + i * step, k, n, 0), top[k]);
  for (int64_t i = 0; i < m; ++i) {
    for (int k = 0; k < used; ++k) {
      const vec e = exp_down(part_of(x + i * step, k, n, 0) - top[k]);
      if (keep) put_part(y + i * step, e, k, n);
      sum[k] += e;
    }
    if (i % 256 == 255)
      for (int k = 0; k < used; ++k) whole[k] += sum[k], sum[k] = (vec){0};
  }
  for (int k = 0; k < used; ++k) {
    sum[k] += whole[k];
    if (c->log) for (int64_t l = 0; l < WIDTH; ++l) sum[k][l] = LOG(sum[k][l]);
    else sum[k] = splat(1) / sum[k];
  }
  for (int64_t i = 0; i < m; ++i)
    for (int k = 0; k < used; ++k) {
      const vec v = part_of((keep ? y : x) + i * step, k, n, 0);
      put_part(y + i * step, c->log ? (v - top[k]) - sum[k] : (keep ? v : exp_down(v - top[k])) * sum[k], k, n);
    }
}

INLINE void column_back(const struct call *c, const E *y, const E *g, E *out, int64_t n, int64_t used) {
  const int64_t m = c->size, step = c->inner;
  vec sum[LANES] = {{0}}, whole[LANES] = {{0}};
  for (int64_t i = 0; i < m; ++i) {
    for (int k = 0; k < used; ++k) {
      const vec v = part_of(g + i * step, k, n, 0);
      sum[k] += c->log ? v : v * part_of(y + i * step, k, n, 0);
    }
    if (i % 256 == 255)
      for (int k = 0; k < used; ++k) whole[k] += sum[k], sum[k] = (vec){0};
  }
  for (int k = 0; k < used; ++k) sum[k] += whole[k];
  for (int64_t i = 0; i < m; ++i)
    for (int k = 0; k < used; ++k) {
      const vec v = part_of(g + i * step, k, n, 0), w = part_of(y + i * step, k, n, 0);
      put_part(out + i * step, c->log ? v - exp_down(w) * sum[k] : (v - sum[k]) * w, k, n);
    }
}

/* One copy of the loops for whole blocks, whose counts the compiler knows, one for those at the edge. */
static void columns_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t first = item % c->blocks * c->columns, n = MIN(c->columns, c->inner - first);
    const int64_t at = item / c->blocks * c->size * c->inner + first;
    if (n == LANES * WIDTH) {
      if (c->g) column_back(c, c->x + at, c->g + at, c->y + at, LANES * WIDTH, LANES);
      else column_block(c, c->x + at, c->y + at, LANES * WIDTH, LANES);
    } else {
      const int64_t used = (n + WIDTH - 1) / WIDTH;
      if (c->g) column_back(c, c->x + at, c->g + at, c->y + at, n, used);
      else column_block(c, c->x + at, c->y + at, n, used);
    }
  }
}

static void run(struct call *c, int64_t outer, fb_task rows) {
  if (c->inner == 1) {
    /* Rows of which what is kept would leave the cache are written as they are made. */
    c->past = outer * c->size * (int64_t)sizeof(T) >= STREAM_FROM && c->size * (int64_t)sizeof(T) <= LONG_ROW;
    PARALLEL(rows, c, outer, grain_for(outer, c->size));
  } else {
    c->columns = LANES * WIDTH;
    c->blocks = (c->inner + c->columns - 1) / c->columns;
    PARALLEL(columns_task, c, outer * c->blocks, grain_for(outer * c->blocks, c->size * MIN(c->inner, c->columns)));
  }
}

EXPORT void softmax(const E *x, E *y, int64_t outer, int64_t size, int64_t inner, int log) {
  struct call c = {.x = x, .y = y, .size = size, .inner = inner, .log = log};
  run(&c, outer, rows_task);
}
EXPORT void softmax_back(const E *g, const E *y, E *out, int64_t outer, int64_t size, int64_t inner, int log) {
  struct call c = {.x = y, .g = g, .y = out, .size = size, .inner = inner, .log = log};
  run(&c, outer, rows_back);
}
