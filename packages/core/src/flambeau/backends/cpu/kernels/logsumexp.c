/* types: float double half brain */
/* The logarithm of a sum of exponentials over `size` of (outer, size, inner), and its gradient: g exp(x - y). */
#include "fb.h"
#include "fb_math.h"
#include "fb_vec.h"
#include "fb_rows.h"

struct call { const E *x, *g, *y; E *to; int64_t size, inner, blocks; int past; };

/* What is taken off before the exponentials: the largest, or 0 where that is not finite. */
INLINE T taken(T top) { return top - top == 0 ? top : 0; }
/* Of elements x[0], x[step], ... with their largest and their sum of exponentials. */
INLINE T joined(const E *x, int64_t size, int64_t step, T top, T sum) {
  if (top != INFINITY) return taken(top) + LOG(sum);
  T found = top; /* unless there is a NaN beside it */
  for (int64_t i = 0; i < size; ++i) found = wide(x[i * step]) != wide(x[i * step]) ? wide(x[i * step]) : found;
  return found;
}

static void rows(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t row = begin; row < end; ++row) {
    const E *x = c->x + row * c->size;
    const T top = row_largest(x, c->size);
    c->to[row] = narrow(joined(x, c->size, 1, top, row_exponentials(x, 0, taken(top), c->size, 0)));
  }
}
/* LANES vectors of places beside each other, from `first` on. */
#define LANES 4
#define BLOCK (LANES * WIDTH)
INLINE vec part(const E *p, int k, int64_t n) {
  const int64_t left = n - k * WIDTH;
  return left >= WIDTH ? load(p + k * WIDTH) : left > 0 ? load_head(p + k * WIDTH, left, 0) : (vec){0};
}
INLINE void block(const struct call *c, const E *x, E *to, int64_t n) {
  vec top[LANES], less[LANES], sum[LANES];
  for (int k = 0; k < LANES; ++k) top[k] = splat(-INFINITY), sum[k] = (vec){0};
  for (int64_t i = 0; i < c->size; ++i)
    for (int k = 0; k < LANES; ++k) top[k] = larger(part(x + i * c->inner, k, n), top[k]);
  for (int k = 0; k < LANES; ++k)
    for (int64_t l = 0; l < WIDTH; ++l) less[k][l] = taken(top[k][l]);
  for (int64_t i = 0; i < c->size; ++i)
    for (int k = 0; k < LANES; ++k) sum[k] += exp_down(part(x + i * c->inner, k, n) - less[k]);
  for (int k = 0; k < LANES; ++k)
    for (int64_t l = 0; l < MIN(WIDTH, n - k * WIDTH); ++l)
      to[k * WIDTH + l] = narrow(joined(x + k * WIDTH + l, c->size, c->inner, top[k][l], sum[k][l]));
}
static void columns(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t outer = item / c->blocks, first = item % c->blocks * BLOCK, n = MIN(BLOCK, c->inner - first);
    const E *x = c->x + outer * c->size * c->inner + first;
    E *to = c->to + outer * c->inner + first;
    if (n == BLOCK) block(c, x, to, BLOCK);
    else block(c, x, to, n);
  }
}
EXPORT void logsumexp(const E *x, E *y, int64_t outer, int64_t size, int64_t inner) {
  struct call c = {.x = x, .to = y, .size = size, .inner = inner, .blocks = (inner + BLOCK - 1) / BLOCK};
  if (inner == 1) PARALLEL(rows, &c, outer, grain_for(outer, size));
  else PARALLEL(columns, &c, outer * c.blocks, grain_for(outer * c.blocks, size * MIN(inner, BLOCK)));
}

static void rows_back(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t row = begin; row < end; ++row) {
    const E *x = c->x + row * c->size;
    E *to = c->to + row * c->size;
    const vec y = splat(wide(c->y[row])), g = splat(wide(c->g[row]));
    ROW_WRITE(to, c->size, c->past, exp_down(AT(x) - y) * g);
  }
  if (c->past) stream_end();
}
static void planes_back(void *context, int64_t begin, int64_t end) { /* item = (outer, one of size) */
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t from = item / c->size * c->inner;
    const E *x = c->x + item * c->inner, *y = c->y + from, *g = c->g + from;
    E *to = c->to + item * c->inner;
    ROW_WRITE(to, c->inner, c->past, exp_down(AT(x) - AT(y)) * AT(g));
  }
  if (c->past) stream_end();
}
EXPORT void logsumexp_back(const E *g, const E *x, const E *y, E *to, int64_t outer, int64_t size, int64_t inner) {
  struct call c = {.x = x, .g = g, .y = y, .to = to, .size = size, .inner = inner};
  c.past = outer * size * inner * (int64_t)sizeof(T) >= STREAM_FROM;
  if (inner == 1) PARALLEL(rows_back, &c, outer, grain_for(outer, size));
  else PARALLEL(planes_back, &c, outer * size, grain_for(outer * size, inner));
}
