/* types: float double int64_t */
/* Running sums, products and places of extremes along the rows of a matrix, or down its columns.
 *
 * floats are accumulated in double. A row goes by blocks of eight: sums within a block do not wait for what came before,
 * only one addition a block does. Few long rows are cut into pieces of fixed length, whose totals are added up first.
 */
#include "fb.h"

#if defined(T_FLOAT32) || defined(T_FLOAT64)
typedef double WIDE;
#define IS_NAN(x) ((x) != (x))
#else
typedef int64_t WIDE;
#define IS_NAN(x) 0
#endif
#define PIECE ((int64_t)1 << 14)
#define BLOCK 512

struct scan {
  const T *x;
  T *out;
  WIDE *totals;
  int64_t n, inner, pieces;
};

#define ADD(a, b) ((a) + (b))
#define TIMES(a, b) ((a) * (b))
#ifndef __has_builtin
#define __has_builtin(x) 0
#endif
#if __has_builtin(__builtin_shufflevector) && __has_builtin(__builtin_convertvector)
#define EIGHT(JOIN)                                                                                                     \
  wide8 v = __builtin_convertvector(*(const part8 *)(x + i), wide8);                                                    \
  v = JOIN(v, __builtin_shufflevector(none, v, 7, 8, 9, 10, 11, 12, 13, 14));                                           \
  v = JOIN(v, __builtin_shufflevector(none, v, 6, 7, 8, 9, 10, 11, 12, 13));                                            \
  v = JOIN(v, __builtin_shufflevector(none, v, 4, 5, 6, 7, 8, 9, 10, 11));                                              \
  const WIDE total = v[7];                                                                                              \
  *(part8 *)(out + i) = __builtin_convertvector(JOIN(v, so_far), part8);
#else
#define EIGHT(JOIN)                                                                                                     \
  WIDE total = none[0];                                                                                                 \
  for (int c = 0; c < 8; ++c) total = JOIN(total, (WIDE)x[i + c]), out[i + c] = (T)JOIN(so_far, total);
#endif
typedef WIDE wide8 __attribute__((vector_size(8 * sizeof(WIDE))));
typedef T part8 __attribute__((vector_size(8 * sizeof(T)), aligned(sizeof(T)), may_alias));

/* BLOCKED: whether eight, or a piece, may be joined by themselves first. Products of doubles would leave their range. */
#define SCAN(NAME, NEUTRAL, JOIN, BLOCKED, CUT)                                                                         \
  INLINE WIDE NAME##_run(const T *x, T *out, int64_t n, WIDE so_far) {                                                  \
    int64_t i = 0;                                                                                                      \
    const wide8 none = {NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL};                        \
    if (BLOCKED) for (; i + 8 <= n; i += 8) {                                                                           \
      EIGHT(JOIN)                                                                                                       \
      so_far = JOIN(so_far, total);                                                                                     \
    }                                                                                                                   \
    for (; i < n; ++i) so_far = JOIN(so_far, (WIDE)x[i]), out[i] = (T)so_far;                                           \
    return so_far;                                                                                                      \
  }                                                                                                                     \
  INLINE WIDE NAME##_total(const T *x, int64_t n) {                                                                     \
    WIDE l[16], all = NEUTRAL;                                                                                          \
    for (int c = 0; c < 16; ++c) l[c] = NEUTRAL;                                                                        \
    int64_t i = 0;                                                                                                      \
    for (; i + 16 <= n; i += 16) for (int c = 0; c < 16; ++c) l[c] = JOIN(l[c], (WIDE)x[i + c]);                        \
    for (; i < n; ++i) all = JOIN(all, (WIDE)x[i]);                                                                     \
    for (int c = 0; c < 16; ++c) all = JOIN(all, l[c]);                                                                 \
    return all;                                                                                                         \
  }                                                                                                                     \
  static void NAME##_totals(void *context, int64_t begin, int64_t end) {                                                \
    const struct scan *s = context;                                                                                     \
    for (int64_t i = begin; i < end; ++i) {                                                                             \
      const int64_t from = i % s->pieces * PIECE;                                                                       \
      s->totals[i] = NAME##_total(s->x + i / s->pieces * s->n + from, MIN(PIECE, s->n - from));                         \
    }                                                                                                                   \
  }                                                                                                                     \
  static void NAME##_rows(void *context, int64_t begin, int64_t end) {                                                  \
    const struct scan *s = context;                                                                                     \
    const int64_t piece = s->totals ? PIECE : s->n;                                                                     \
    for (int64_t i = begin; i < end; ++i) {                                                                             \
      const int64_t at = i / s->pieces * s->n + i % s->pieces * piece;                                                  \
      NAME##_run(s->x + at, s->out + at, MIN(piece, s->n - i % s->pieces * piece), s->totals ? s->totals[i] : NEUTRAL); \
    }                                                                                                                   \
  }                                                                                                                     \
  static void NAME##_columns(void *context, int64_t begin, int64_t end) {                                               \
    const struct scan *s = context;                                                                                     \
    WIDE r[BLOCK];                                                                                                      \
    for (int64_t i = begin; i < end; ++i) {                                                                             \
      const int64_t from = i % s->pieces * BLOCK, m = MIN(BLOCK, s->inner - from), base = i / s->pieces * s->n * s->inner + from; \
      for (int64_t c = 0; c < m; ++c) r[c] = NEUTRAL;                                                                   \
      for (int64_t u = 0; u < s->n; ++u) {                                                                              \
        const T *RESTRICT x = s->x + base + u * s->inner;                                                               \
        T *RESTRICT out = s->out + base + u * s->inner;                                                                 \
        _Pragma("omp simd") for (int64_t c = 0; c < m; ++c) {                                                           \
          const WIDE v = JOIN(r[c], (WIDE)x[c]);                                                                        \
          r[c] = v, out[c] = (T)v;                                                                                      \
        }                                                                                                               \
      }                                                                                                                 \
    }                                                                                                                   \
  }                                                                                                                     \
  static void NAME(const T *x, T *out, int64_t outer, int64_t n, int64_t inner) {                                       \
    struct scan s = {x, out, 0, n, inner, 1};                                                                           \
    if (inner > 1) {                                                                                                    \
      s.pieces = (inner + BLOCK - 1) / BLOCK;                                                                           \
      PARALLEL(NAME##_columns, &s, outer * s.pieces, grain_for(outer * s.pieces, n * MIN(inner, BLOCK)));               \
      return;                                                                                                           \
    }                                                                                                                   \
    if (CUT && outer < 16 && n >= 4 * PIECE) {                                                                            \
      s.pieces = (n + PIECE - 1) / PIECE;                                                                               \
      s.totals = SCRATCH(0, (size_t)(outer * s.pieces) * sizeof(WIDE));                                                 \
      PARALLEL(NAME##_totals, &s, outer * s.pieces, 1);                                                                 \
      for (int64_t o = 0; o < outer; ++o) {                                                                             \
        WIDE so_far = NEUTRAL;                                                                                          \
        for (int64_t q = 0; q < s.pieces; ++q) {                                                                        \
          const WIDE here = s.totals[o * s.pieces + q];                                                                 \
          s.totals[o * s.pieces + q] = so_far;                                                                          \
          so_far = JOIN(so_far, here);                                                                                  \
        }                                                                                                               \
      }                                                                                                                 \
    }                                                                                                                   \
    PARALLEL(NAME##_rows, &s, outer * s.pieces, grain_for(outer * s.pieces, MIN(n, s.totals ? PIECE : n)));             \
  }
SCAN(sums, 0, ADD, 1, 1)
#if defined(T_FLOAT32)
SCAN(products, 1, TIMES, 1, 0)
#else
SCAN(products, 1, TIMES, 0, 0)
#endif

/* Of `outer` blocks of n rows of `inner` elements, along n. */
EXPORT void cumsum(const T *x, T *out, int64_t outer, int64_t n, int64_t inner) { sums(x, out, outer, n, inner); }
EXPORT void cumprod(const T *x, T *out, int64_t outer, int64_t n, int64_t inner) { products(x, out, outer, n, inner); }

/* -- places of running extremes: the last of equals; NaN from where it appears, each NaN at its own place ---------------- */

struct extremes {
  const T *x;
  int64_t *out;
  int64_t n, inner, pieces;
  int largest;
};

INLINE void extreme_columns_of(const struct extremes *s, int64_t begin, int64_t end, const int largest) {
  T best[BLOCK];
  int64_t at[BLOCK];
  for (int64_t i = begin; i < end; ++i) {
    const int64_t from = i % s->pieces * BLOCK, m = MIN(BLOCK, s->inner - from), base = i / s->pieces * s->n * s->inner + from;
    for (int64_t c = 0; c < m; ++c) best[c] = s->x[base + c], at[c] = 0;
    for (int64_t u = 0; u < s->n; ++u) {
      const T *RESTRICT x = s->x + base + u * s->inner;
      int64_t *RESTRICT out = s->out + base + u * s->inner;
      for (int64_t c = 0; c < m; ++c) { /* NaN, once there, gives way to NaN only */
        const T v = x[c], b = best[c];
        const int beyond = largest ? !(v < b) : !(v > b), stays = IS_NAN(b) & !IS_NAN(v), take = beyond & !stays;
        best[c] = take ? v : b;
        at[c] = take ? u : at[c];
        out[c] = at[c];
      }
    }
  }
}
static void extreme_columns(void *context, int64_t begin, int64_t end) {
  const struct extremes *s = context;
  if (s->largest) extreme_columns_of(s, begin, end, 1);
  else extreme_columns_of(s, begin, end, 0);
}
INLINE void extreme_rows_of(const struct extremes *s, int64_t begin, int64_t end, const int largest) {
  for (int64_t i = begin; i < end; ++i) {
    const T *RESTRICT x = s->x + i * s->n;
    int64_t *RESTRICT out = s->out + i * s->n, at = 0;
    T best = x[0];
    for (int64_t u = 0; u < s->n; ++u) {
      const T v = x[u];
      const int beyond = largest ? !(v < best) : !(v > best), stays = IS_NAN(best) & !IS_NAN(v), take = beyond & !stays;
      if (take) best = v, at = u; /* seldom, and then several times in a row: a branch waits for nothing */
      out[u] = at;
    }
  }
}
static void extreme_rows(void *context, int64_t begin, int64_t end) {
  const struct extremes *s = context;
  if (s->largest) extreme_rows_of(s, begin, end, 1);
  else extreme_rows_of(s, begin, end, 0);
}
EXPORT void extreme_places(const T *x, int64_t *out, int64_t outer, int64_t n, int64_t inner, int largest) {
  struct extremes s = {x, out, n, inner, (inner + BLOCK - 1) / BLOCK, largest};
  if (inner == 1) PARALLEL(extreme_rows, &s, outer, grain_for(outer, n));
  else PARALLEL(extreme_columns, &s, outer * s.pieces, grain_for(outer * s.pieces, n * MIN(inner, BLOCK)));
}
