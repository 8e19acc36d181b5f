/* types: float double */
/* The logarithm of a sum of exponentials over `size` of (outer, size, inner), and its gradient: g exp(x - y). */
#include "fb.h"
#include "fb_math.h"
#include "fb_vec.h"
#include "fb_rows.h"

struct call { const T *x, *g, *y; T *to; int64_t size, inner, blocks; int past; };

/* What is taken off before the exponentials: the largest, or 0 where that is not finite. */
INLINE T taken(T top) { return top - top == 0 ? top : 0; }
/* Of elements x[0], x[step], ... with their largest and their sum of exponentials. */
INLINE T joined(const T *x, int64_t size, int64_t step, T top, T sum) {
  if (top != INFINITY) return taken(top) + LOG(sum);
  T found = top; /* unless there is a NaN beside it */
  for (int64_t i = 0; i < size; ++i) found = x[i * step] != x[i * step] ? x[i * step] : found;
  return found;
}

static void rows(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t row = begin; row < end; ++row) {
    const T *x = c->x + row * c->size, top = row_largest(x, c->size);
    c->to[row] = joined(x, c->size, 1, top, row_exponentials(x, 0, taken(top), c->size, 0));
  }
}
/* Vectors of places beside each other, from `first` on. */
static void columns(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t outer = item / c->blocks, first = item % c->blocks * WIDTH, n = MIN(WIDTH, c->inner - first);
    const T *x = c->x + outer * c->size * c->inner + first;
    vec top = splat(-INFINITY), less, sum = {0};
    for (int64_t i = 0; i < c->size; ++i) top = larger(load_head(x + i * c->inner, n, 0), top);
    for (int64_t l = 0; l < WIDTH; ++l) less[l] = taken(top[l]);
    for (int64_t i = 0; i < c->size; ++i) sum += exp_down(load_head(x + i * c->inner, n, 0) - less);
    for (int64_t l = 0; l < n; ++l) c->to[outer * c->inner + first + l] = joined(x + l, c->size, c->inner, top[l], sum[l]);
  }
}
EXPORT void logsumexp(const T *x, T *y, int64_t outer, int64_t size, int64_t inner) {
  struct call c = {.x = x, .to = y, .size = size, .inner = inner, .blocks = (inner + WIDTH - 1) / WIDTH};
  if (inner == 1) PARALLEL(rows, &c, outer, grain_for(outer, size));
  else PARALLEL(columns, &c, outer * c.blocks, grain_for(outer * c.blocks, size * WIDTH));
}

static void rows_back(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t row = begin; row < end; ++row) {
    const T *x = c->x + row * c->size;
    T *to = c->to + row * c->size;
    const vec y = splat(c->y[row]), g = splat(c->g[row]);
    ROW_WRITE(to, c->size, c->past, exp_down(AT(x) - y) * g);
  }
  if (c->past) stream_end();
}
static void planes_back(void *context, int64_t begin, int64_t end) { /* item = (outer, one of size) */
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t from = item / c->size * c->inner;
    const T *x = c->x + item * c->inner, *y = c->y + from, *g = c->g + from;
    T *to = c->to + item * c->inner;
    ROW_WRITE(to, c->inner, c->past, exp_down(AT(x) - AT(y)) * AT(g));
  }
  if (c->past) stream_end();
}
EXPORT void logsumexp_back(const T *g, const T *x, const T *y, T *to, int64_t outer, int64_t size, int64_t inner) {
  struct call c = {.x = x, .g = g, .y = y, .to = to, .size = size, .inner = inner};
  c.past = outer * size * inner * (int64_t)sizeof(T) >= STREAM_FROM;
  if (inner == 1) PARALLEL(rows_back, &c, outer, grain_for(outer, size));
  else PARALLEL(planes_back, &c, outer * size, grain_for(outer * size, inner));
}
