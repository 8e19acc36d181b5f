/* types: float double */
/* Products of complex numbers that lie together, real part first. */
#include "fb.h"

struct call {
  const T *a, *b;
  T *y;
};

static void product_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const T *RESTRICT a = c->a, *RESTRICT b = c->b;
  T *RESTRICT y = c->y;
  for (int64_t i = begin; i < end; ++i) {
    const T ar = a[2 * i], ai = a[2 * i + 1], br = b[2 * i], bi = b[2 * i + 1];
    y[2 * i] = ar * br - ai * bi;
    y[2 * i + 1] = ar * bi + ai * br;
  }
}
static void scale_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const T *RESTRICT a = c->a, br = c->b[0], bi = c->b[1];
  T *RESTRICT y = c->y;
  for (int64_t i = begin; i < end; ++i) {
    const T ar = a[2 * i], ai = a[2 * i + 1];
    y[2 * i] = ar * br - ai * bi;
    y[2 * i + 1] = ar * bi + ai * br;
  }
}

/* y = a b, n numbers of each; `one`: b is one number. */
EXPORT void product(const T *a, const T *b, T *y, int64_t n, int one) {
  struct call c = {a, b, y};
  PARALLEL(one ? scale_task : product_task, &c, n, MAX(8192, MIN(n / 8, 1 << 17)));
}

/* -- one operand of which parts are read again and again: b at r * outer + c * inner numbers, in rows of m ------------------- */

struct spread {
  const T *a, *b;
  T *y;
  int64_t m, outer, inner, pieces;
  int how;
};
enum { ADD, SUBTRACT, MULTIPLY };
#define PIECE 4096

INLINE void joined(const struct spread *c, int how) {
  const T *RESTRICT a = c->a, *RESTRICT b = c->b;
  T *RESTRICT y = c->y;
#define EACH(BR, BI)                                                                                                     \
  for (int64_t i = 0; i < c->m; ++i) {                                                                                  \
    const T ar = a[2 * i], ai = a[2 * i + 1], br = BR, bi = BI;                                                         \
    y[2 * i] = how == ADD ? ar + br : how == SUBTRACT ? ar - br : ar * br - ai * bi;                                    \
    y[2 * i + 1] = how == ADD ? ai + bi : how == SUBTRACT ? ai - bi : ar * bi + ai * br;                                \
  }
  if (c->inner) { EACH(b[2 * i], b[2 * i + 1]) }
  else { const T re = b[0], im = b[1]; EACH(re, im) }
}
static void spread_task(void *context, int64_t begin, int64_t end) {
  const struct spread *c = context;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t r = i / c->pieces, at = i % c->pieces * PIECE;
    struct spread one = *c;
    one.m = MIN(PIECE, c->m - at);
    one.a += 2 * (r * c->m + at), one.y += 2 * (r * c->m + at), one.b += 2 * (r * c->outer + at * c->inner);
    if (c->how == ADD) joined(&one, ADD);
    else if (c->how == SUBTRACT) joined(&one, SUBTRACT);
    else joined(&one, MULTIPLY);
  }
}
/* y = a + b, a - b or a b for `rows` of m numbers; inner is 0 or 1. */
EXPORT void spread(const T *a, const T *b, T *y, int64_t rows, int64_t m, int64_t outer, int64_t inner, int how) {
  struct spread c = {a, b, y, m, outer, inner, (m + PIECE - 1) / PIECE, how};
  PARALLEL(spread_task, &c, rows * c.pieces, grain_for(rows * c.pieces, 4 * MIN(PIECE, m)));
}
