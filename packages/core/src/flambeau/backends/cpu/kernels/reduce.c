/* types: float double int64_t int32_t uint8_t half brain */
/* Reductions of strided memory: sums, products, squares, extremes and their places, truth.
 *
 * What is reduced lies together ("rows": each row becomes one number) or what is kept does ("columns": rows are added to
 * each other). A plan of int64 (see `reductions.py`): the number of kept loops outside, of reduced loops outside, the
 * length of the innermost loop, whether it is reduced, the number of pieces that the reduced range is cut into; then the
 * sizes and the strides, in elements, of the kept loops and of the reduced ones. Pieces are folded in order, whoever
 * computed them. float is added four to 32 at a time as float, then as double: nearer to the sum than pairwise addition is.
 */
#include "fb.h"
#if defined(T_FLOAT32) || defined(T_FLOAT64)
#include "fb_vec.h"
#endif
#include "fb_half.h"

#if defined(T_FLOAT32) || defined(T_FLOAT64)
typedef double WIDE;
#define IS_NAN(x) ((x) != (x))
#else
typedef int64_t WIDE;
#define IS_NAN(x) 0
#endif
#if defined(T_FLOAT32)
typedef int32_t PLACE;
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#elif defined(T_FLOAT64)
typedef int64_t PLACE;
#define LOWEST (-INFINITY)
#define HIGHEST INFINITY
#else
typedef int64_t PLACE;
#define LOWEST (sizeof(T) == 8 ? (T)INT64_MIN : sizeof(T) == 4 ? (T)INT32_MIN : (T)0)
#define HIGHEST (sizeof(T) == 8 ? (T)INT64_MAX : sizeof(T) == 4 ? (T)INT32_MAX : (T)255)
#endif

struct plan {
  int64_t kept, reduced, inner, in_rows, pieces;
  const int64_t *kn, *ks, *rn, *rs;
};
static struct plan read_plan(const int64_t *p) {
  const int64_t k = p[0], r = p[1];
  return (struct plan){k, r, p[2], p[3], p[4], p + 5, p + 5 + k, p + 5 + 2 * k, p + 5 + 2 * k + r};
}
INLINE int64_t product(const int64_t *n, int64_t dims) {
  int64_t all = 1;
  for (int64_t d = 0; d < dims; ++d) all *= n[d];
  return all;
}
/* One loop, the usual case, needs no division, of which there would be one for each row. */
INLINE int64_t offset(const int64_t *n, const int64_t *s, int64_t dims, int64_t i) {
  int64_t at = 0;
  for (int64_t d = dims - 1; d > 0; --d) at += i % n[d] * s[d], i /= n[d];
  return dims > 0 ? at + i * s[0] : 0;
}

struct work {
  struct plan p;
  const E *x;
  void *out, *parts;
  const WIDE *centre; /* of squared distances: one for each kept element */
  int64_t units, outer, blocks; /* reduced range, kept range outside, blocks of columns */
};

#define LANES 32
#define FEW 8 /* lanes of rows shorter than 4 LANES: 43 -> 8 us for 4096 rows of 16 doubles */
#define BLOCK 1024

/* One fold. LEAF reads an element, in the type MID in which four (of a column eight) are joined before they go to the accumulator's, ACC. */
#define FOLD(NAME, ACC, MID, INIT, LEAF, JOIN, OUT, FINISH)                                                             \
  SHORT_RUN(NAME, ACC, INIT, LEAF, JOIN)                                                                                \
  RUN(NAME, ACC, MID, INIT, LEAF, JOIN)                                                                                 \
  FOLD_BY(NAME, ACC, MID, INIT, LEAF, JOIN, OUT, FINISH)
/* NAME_run: n elements that lie together. */
#define SHORT_RUN(NAME, ACC, INIT, LEAF, JOIN)                                                                          \
  INLINE ACC NAME##_short(const E *x, int64_t n, const WIDE centre) {                                                   \
    ACC l[FEW];                                                                                                         \
    (void)centre;                                                                                                       \
    for (int c = 0; c < FEW; ++c) l[c] = INIT;                                                                          \
    int64_t i = 0;                                                                                                      \
    for (; i + FEW <= n; i += FEW)                                                                                      \
      for (int c = 0; c < FEW; ++c) { const ACC v = (ACC)LEAF(wide(x[i + c])); l[c] = JOIN(l[c], v); }                  \
    for (int c = 0; i < n; ++i, ++c) { const ACC v = (ACC)LEAF(wide(x[i])); l[c] = JOIN(l[c], v); }                     \
    for (int w = FEW / 2; w; w >>= 1) for (int c = 0; c < w; ++c) l[c] = JOIN(l[c], l[c + w]);                          \
    return l[0];                                                                                                        \
  }
#define RUN(NAME, ACC, MID, INIT, LEAF, JOIN)                                                                           \
  INLINE ACC NAME##_run(const E *x, int64_t n, const WIDE centre) {                                                     \
    if (n < 4 * LANES) return NAME##_short(x, n, centre);                                                               \
    ACC l[LANES];                                                                                                       \
    (void)centre;                                                                                                       \
    for (int c = 0; c < LANES; ++c) l[c] = INIT;                                                                        \
    int64_t i = 0;                                                                                                      \
    for (; i + 4 * LANES <= n; i += 4 * LANES)                                                                          \
      _Pragma("omp simd") for (int c = 0; c < LANES; ++c) {                                                             \
        const MID a = LEAF(wide(x[i + c])), b = LEAF(wide(x[i + LANES + c])), d = LEAF(wide(x[i + 2 * LANES + c])), e = LEAF(wide(x[i + 3 * LANES + c])); \
        const MID ab = JOIN(a, b), de = JOIN(d, e), all = JOIN(ab, de);                                                 \
        l[c] = JOIN(l[c], (ACC)all);                                                                                    \
      }                                                                                                                 \
    for (; i < n; i += LANES) {                                                                                         \
      const int64_t m = MIN(LANES, n - i);                                                                              \
      _Pragma("omp simd") for (int64_t c = 0; c < m; ++c) { const ACC v = (ACC)LEAF(wide(x[i + c])); l[c] = JOIN(l[c], v); } \
    }                                                                                                                   \
    for (int w = LANES / 2; w; w >>= 1) for (int c = 0; c < w; ++c) l[c] = JOIN(l[c], l[c + w]);                        \
    return l[0];                                                                                                        \
  }
#define ROW(k) (x + offset(p->rn, p->rs, p->reduced, u + k))
#define FOLD_BY(NAME, ACC, MID, INIT, LEAF, JOIN, OUT, FINISH)                                                          \
  static void NAME##_rows(void *context, int64_t begin, int64_t end) {                                                  \
    const struct work *w = context;                                                                                     \
    const struct plan *p = &w->p;                                                                                       \
    for (int64_t i = begin; i < end; ++i) {                                                                             \
      int64_t k = i, piece = 0, from = 0, to = w->units;                                                                \
      if (p->pieces > 1) { /* divisions, which short rows would feel */                                                 \
        k = i / p->pieces, piece = i % p->pieces;                                                                       \
        from = w->units * piece / p->pieces, to = w->units * (piece + 1) / p->pieces;                                   \
      }                                                                                                                 \
      const E *x = w->x + offset(p->kn, p->ks, p->kept, k);                                                             \
      const WIDE centre = w->centre ? w->centre[k] : 0;                                                                 \
      ACC r = INIT;                                                                                                     \
      if (!p->reduced) r = NAME##_run(x + from, to - from, centre);                                                     \
      else for (int64_t u = from; u < to; ++u) {                                                                        \
        const ACC v = NAME##_run(x + offset(p->rn, p->rs, p->reduced, u), p->inner, centre);                            \
        r = JOIN(r, v);                                                                                                 \
      }                                                                                                                 \
      if (p->pieces == 1) ((OUT *)w->out)[k] = (OUT)FINISH(r);                                                          \
      else ((ACC *)w->parts)[i] = r;                                                                                    \
    }                                                                                                                   \
  }                                                                                                                     \
  static void NAME##_columns(void *context, int64_t begin, int64_t end) {                                               \
    const struct work *w = context;                                                                                     \
    const struct plan *p = &w->p;                                                                                       \
    ACC r[BLOCK];                                                                                                       \
    for (int64_t i = begin; i < end; ++i) {                                                                             \
      const int64_t piece = i % p->pieces, block = i / p->pieces % w->blocks, k = i / p->pieces / w->blocks;            \
      const int64_t from = w->units * piece / p->pieces, to = w->units * (piece + 1) / p->pieces;                       \
      const int64_t m = MIN(BLOCK, p->inner - block * BLOCK), at = k * p->inner + block * BLOCK;                        \
      const E *const x = w->x + offset(p->kn, p->ks, p->kept, k) + block * BLOCK;                                       \
      const WIDE *const centres = w->centre ? w->centre + at : 0;                                                       \
      (void)centres;                                                                                                    \
      for (int64_t c = 0; c < m; ++c) r[c] = INIT;                                                                      \
      int64_t u = from;                                                                                                 \
      for (; u + 8 <= to; u += 8) {                                                                                     \
        const E *RESTRICT x0 = ROW(0), *RESTRICT x1 = ROW(1), *RESTRICT x2 = ROW(2), *RESTRICT x3 = ROW(3);             \
        const E *RESTRICT x4 = ROW(4), *RESTRICT x5 = ROW(5), *RESTRICT x6 = ROW(6), *RESTRICT x7 = ROW(7);             \
        _Pragma("omp simd") for (int64_t c = 0; c < m; ++c) {                                                           \
          const WIDE centre = CENTRE(centres, c);                                                                       \
          (void)centre;                                                                                                 \
          const MID a0 = LEAF(wide(x0[c])), a1 = LEAF(wide(x1[c])), a2 = LEAF(wide(x2[c])), a3 = LEAF(wide(x3[c]));     \
          const MID a4 = LEAF(wide(x4[c])), a5 = LEAF(wide(x5[c])), a6 = LEAF(wide(x6[c])), a7 = LEAF(wide(x7[c]));     \
          const MID b0 = JOIN(a0, a1), b1 = JOIN(a2, a3), b2 = JOIN(a4, a5), b3 = JOIN(a6, a7);                         \
          const MID d0 = JOIN(b0, b1), d1 = JOIN(b2, b3), all = JOIN(d0, d1);                                           \
          r[c] = JOIN(r[c], (ACC)all);                                                                                  \
        }                                                                                                               \
      }                                                                                                                 \
      for (; u < to; ++u) {                                                                                             \
        const E *RESTRICT x0 = x + offset(p->rn, p->rs, p->reduced, u);                                                 \
        _Pragma("omp simd") for (int64_t c = 0; c < m; ++c) {                                                           \
          const WIDE centre = CENTRE(centres, c);                                                                       \
          (void)centre;                                                                                                 \
          const ACC v = (ACC)LEAF(wide(x0[c]));                                                                         \
          r[c] = JOIN(r[c], v);                                                                                         \
        }                                                                                                               \
      }                                                                                                                 \
      if (p->pieces == 1) for (int64_t c = 0; c < m; ++c) ((OUT *)w->out)[at + c] = (OUT)FINISH(r[c]);                  \
      else memcpy((ACC *)w->parts + piece * w->outer * p->inner + at, r, (size_t)m * sizeof(ACC));                      \
    }                                                                                                                   \
  }                                                                                                                     \
  static void NAME##_whole(const int64_t *plan, const E *x, const WIDE *centre, void *out) {                            \
    struct work w = {read_plan(plan), x, out, 0, centre, 0, 0, 1};                                                      \
    const struct plan *p = &w.p;                                                                                        \
    w.outer = product(p->kn, p->kept);                                                                                  \
    w.units = p->in_rows && !p->reduced ? p->inner : product(p->rn, p->reduced);                                        \
    const int64_t kept = w.outer * (p->in_rows ? 1 : p->inner), pieces = p->pieces;                                     \
    if (pieces > 1) w.parts = SCRATCH(0, (size_t)(kept * pieces) * sizeof(ACC));                                        \
    const int64_t each = p->inner * (p->reduced ? w.units : 1);                                                         \
    if (!p->in_rows) w.blocks = (p->inner + BLOCK - 1) / BLOCK;                                                         \
    const int64_t count = w.outer * w.blocks * pieces;                                                                  \
    PARALLEL(p->in_rows ? NAME##_rows : NAME##_columns, &w, count, grain_for(count, each / (w.blocks * pieces)));       \
    if (pieces > 1) for (int64_t k = 0; k < kept; ++k) {                                                                \
      ACC r = INIT;                                                                                                     \
      for (int64_t q = 0; q < pieces; ++q) {                                                                            \
        const ACC v = ((const ACC *)w.parts)[p->in_rows ? k * pieces + q : q * kept + k];                               \
        r = JOIN(r, v);                                                                                                 \
      }                                                                                                                 \
      ((OUT *)out)[k] = (OUT)FINISH(r);                                                                                 \
    }                                                                                                                   \
  }

#define CENTRE(centres, c) 0
#define SELF(x) (x)
#define WIDENED(x) ((WIDE)(x))
#define SQUARED(x) ((WIDE)(x) * (WIDE)(x))
#define TRUTH(x) ((x) != 0)
#define ADD(a, b) ((a) + (b))
#define TIMES(a, b) ((a) * (b))
#define EITHER(a, b) ((a) | (b))
#define BOTH(a, b) ((a) & (b))
/* NaN, once met, stays. One choice at a time, which compilers vectorise. */
INLINE T upper(T a, T b) { const T m = a > b ? a : b; return IS_NAN(a) ? a : m; }
INLINE T lower(T a, T b) { const T m = a < b ? a : b; return IS_NAN(a) ? a : m; }
#define NARROWED(x) narrow((T)(x))
#define ROOT(x) narrow((T)sqrt((double)(x)))

#if defined(T_FLOAT32)
/* Four vectors beside each other get eight more four times before they are added up as doubles: each sum of floats is seven
 * additions deep, pairwise addition's of 128 alone nineteen. 0.22 -> 0.15 ms for 4 M floats on one thread, 0.64 -> 0.25 in rows of 64. */
typedef float half_vec __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef double wide_vec __attribute__((vector_size(VECTOR_BYTES)));
INLINE wide_vec widened(vec v) { /* lower and upper half, added */
  half_vec h[2];
  memcpy(h, &v, sizeof h);
  return __builtin_convertvector(h[0], wide_vec) + __builtin_convertvector(h[1], wide_vec);
}
INLINE double sum_run(const E *x, int64_t n, double centre) {
  (void)centre;
  wide_vec all = {0}, rest = {0};
  int64_t i = 0;
  while (i + 8 * WIDTH <= n) {
    const int64_t end = MIN(n, i + 32 * WIDTH);
    vec a = {0}, b = {0}, c = {0}, d = {0};
    for (; i + 8 * WIDTH <= end; i += 8 * WIDTH) {
      a += load(x + i) + load(x + i + 4 * WIDTH);
      b += load(x + i + WIDTH) + load(x + i + 5 * WIDTH);
      c += load(x + i + 2 * WIDTH) + load(x + i + 6 * WIDTH);
      d += load(x + i + 3 * WIDTH) + load(x + i + 7 * WIDTH);
    }
    all += widened((a + b) + (c + d));
  }
  for (; i + WIDTH <= n; i += WIDTH) rest += widened(load(x + i));
  if (i < n) all += widened(load_head(x + i, n - i, 0));
  all += rest;
  double l[VECTOR_BYTES / 8];
  memcpy(l, &all, sizeof l);
  for (int w = VECTOR_BYTES / 16; w; w /= 2) for (int k = 0; k < w; ++k) l[k] += l[k + w];
  return l[0];
}
#define wide_sum_run sum_run
FOLD_BY(sum, double, float, 0, SELF, ADD, E, NARROWED)
FOLD_BY(wide_sum, double, float, 0, SELF, ADD, double, SELF)
#elif defined(T_FLOAT64)
FOLD(sum, WIDE, T, 0, SELF, ADD, E, NARROWED)
FOLD(wide_sum, WIDE, T, 0, SELF, ADD, WIDE, SELF)
#else
FOLD(sum, WIDE, WIDE, 0, WIDENED, ADD, WIDE, SELF)
#define wide_sum_whole sum_whole
#endif
#define COUNTED(x) (IS_NAN(x) ? (T)0 : (x))
#if defined(T_FLOAT32) || defined(T_FLOAT64)
FOLD(counted, WIDE, T, 0, COUNTED, ADD, E, NARROWED)
#else
#define counted_whole sum_whole
#endif
FOLD(product, WIDE, WIDE, 1, WIDENED, TIMES, E, NARROWED)
#if defined(T_FLOAT32) || defined(T_FLOAT64)
/* What the processor's instructions make of NaN is put right afterwards: a lane is looked at for it beside, and not between them. Where
 * there is one, the whole row's answer is NaN. 0.73 -> 0.17 ms for 4 M floats on one thread. */
INLINE vec smaller(vec a, vec b) { return -larger(-a, -b); }
INLINE T smallest_of(vec v) { return -largest_of(-v); }
INLINE int any_of(ivec v) {
  last_ivec part[VECTOR_BYTES / 16];
  memcpy(part, &v, sizeof part);
  for (int n = VECTOR_BYTES / 32; n; n /= 2) for (int i = 0; i < n; ++i) part[i] |= part[i + n];
  lane any = 0;
  for (int64_t k = 0; k < LAST; ++k) any |= part[0][k];
  return any != 0;
}
#define SHORT_EXTREME(NAME, BEYOND, OF, INIT)                                                                           \
  INLINE T NAME##_short(const E *x, int64_t n, double centre) {                                                         \
    (void)centre;                                                                                                       \
    vec a = splat(INIT);                                                                                                \
    ivec odd = {0};                                                                                                     \
    int64_t i = 0;                                                                                                      \
    for (; i + WIDTH <= n; i += WIDTH) {                                                                                \
      const vec p = load(x + i);                                                                                        \
      odd |= (ivec)(p != p);                                                                                            \
      a = BEYOND(p, a);                                                                                                 \
    }                                                                                                                   \
    if (i < n) {                                                                                                        \
      const vec p = load_head(x + i, n - i, INIT);                                                                      \
      odd |= (ivec)(p != p);                                                                                            \
      a = BEYOND(p, a);                                                                                                 \
    }                                                                                                                   \
    return any_of(odd) ? (T)NAN : OF(a);                                                                                \
  }
SHORT_EXTREME(largest, larger, largest_of, -INFINITY)
SHORT_EXTREME(smallest, smaller, smallest_of, INFINITY)
#define EXTREME_RUN(NAME, BEYOND, OF, INIT)                                                                             \
  INLINE T NAME##_run(const E *x, int64_t n, double centre) {                                                       \
    if (n < 4 * WIDTH) return NAME##_short(x, n, centre);                                                               \
    vec a = splat(INIT), b = a, c = a, d = a;                                                                           \
    ivec odd = {0};                                                                                                     \
    int64_t i = 0;                                                                                                      \
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {                                                                        \
      const vec p = load(x + i), q = load(x + i + WIDTH), r = load(x + i + 2 * WIDTH), s = load(x + i + 3 * WIDTH);     \
      odd |= ((ivec)(p != p) | (ivec)(q != q)) | ((ivec)(r != r) | (ivec)(s != s));                                     \
      a = BEYOND(p, a), b = BEYOND(q, b), c = BEYOND(r, c), d = BEYOND(s, d);                                           \
    }                                                                                                                   \
    for (; i < n; i += WIDTH) {                                                                                         \
      const vec p = load_head(x + i, MIN(WIDTH, n - i), INIT);                                                          \
      odd |= (ivec)(p != p);                                                                                            \
      a = BEYOND(p, a);                                                                                                 \
    }                                                                                                                   \
    return any_of(odd) ? (T)NAN : OF(BEYOND(BEYOND(a, b), BEYOND(c, d)));                                                          \
  }
EXTREME_RUN(largest, larger, largest_of, -INFINITY)
EXTREME_RUN(smallest, smaller, smallest_of, INFINITY)
FOLD_BY(largest, T, T, LOWEST, SELF, upper, E, NARROWED)
FOLD_BY(smallest, T, T, HIGHEST, SELF, lower, E, NARROWED)
#else
FOLD(largest, T, T, LOWEST, SELF, upper, E, NARROWED)
FOLD(smallest, T, T, HIGHEST, SELF, lower, E, NARROWED)
#endif
FOLD(either, int32_t, int32_t, 0, TRUTH, EITHER, uint8_t, SELF)
FOLD(both, int32_t, int32_t, 1, TRUTH, BOTH, uint8_t, SELF)
FOLD(norm, WIDE, WIDE, 0, SQUARED, ADD, E, ROOT)
#undef CENTRE
#define CENTRE(centres, c) (centres)[c]
#define DISTANCE(x) (((WIDE)(x) - centre) * ((WIDE)(x) - centre))
FOLD(spread, WIDE, WIDE, 0, DISTANCE, ADD, WIDE, SELF)
/* The sum of squared distances from `centre`, a number for each result; wide_sum: not rounded. */
EXPORT void squares_about(const int64_t *plan, const E *x, const WIDE *centre, WIDE *out) { spread_whole(plan, x, centre, out); }
EXPORT void add_wide(const int64_t *plan, const E *x, WIDE *out) { wide_sum_whole(plan, x, 0, out); }
EXPORT void norm2(const int64_t *plan, const E *x, E *out) { norm_whole(plan, x, 0, out); }

/* Integers are added as int64. */
EXPORT void add(const int64_t *plan, const E *x, void *out) { sum_whole(plan, x, 0, out); }
/* NaN counts as nothing. */
EXPORT void add_numbers(const int64_t *plan, const E *x, void *out) { counted_whole(plan, x, 0, out); }
EXPORT void multiply(const int64_t *plan, const E *x, E *out) { product_whole(plan, x, 0, out); }
EXPORT void max(const int64_t *plan, const E *x, E *out) { largest_whole(plan, x, 0, out); }
EXPORT void min(const int64_t *plan, const E *x, E *out) { smallest_whole(plan, x, 0, out); }
EXPORT void any(const int64_t *plan, const E *x, uint8_t *out) { either_whole(plan, x, 0, out); }
EXPORT void all(const int64_t *plan, const E *x, uint8_t *out) { both_whole(plan, x, 0, out); }

/* -- places of extremes: the first of equals, of NaN the first ------------------------------------------------------- */

struct place {
  T value;
  int64_t at;
};

INLINE int64_t first_equal(const E *x, int64_t n, T value) {
  int64_t i = 0;
  if (IS_NAN(value)) {
    while (!IS_NAN(wide(x[i]))) ++i;
    return i;
  }
  for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
    int found = 0;
    for (int64_t c = 0; c < 4 * WIDTH; ++c) found |= wide(x[i + c]) == value;
    if (found) break;
  }
  while (i + 1 < n && wide(x[i]) != value) ++i;
  return i;
}

#define PLACES(NAME, FOLD_NAME, BEYOND, INIT)                                                                           \
  static void NAME##_rows(void *context, int64_t begin, int64_t end) {                                                  \
    const struct work *w = context;                                                                                     \
    const struct plan *p = &w->p;                                                                                       \
    for (int64_t i = begin; i < end; ++i) {                                                                             \
      int64_t k = i, piece = 0, from = 0, to = p->inner;                                                                \
      if (p->pieces > 1) {                                                                                              \
        k = i / p->pieces, piece = i % p->pieces;                                                                       \
        from = p->inner * piece / p->pieces, to = p->inner * (piece + 1) / p->pieces;                                   \
      }                                                                                                                 \
      const E *x = w->x + offset(p->kn, p->ks, p->kept, k) + from;                                                      \
      const T best = FOLD_NAME##_run(x, to - from, 0);                                                                  \
      const int64_t at = from + first_equal(x, to - from, best);                                                        \
      if (p->pieces == 1) ((int64_t *)w->out)[k] = at;                                                                  \
      else ((struct place *)w->parts)[i] = (struct place){best, at};                                                    \
    }                                                                                                                   \
  }                                                                                                                     \
  static void NAME##_columns(void *context, int64_t begin, int64_t end) {                                               \
    const struct work *w = context;                                                                                     \
    const struct plan *p = &w->p;                                                                                       \
    T r[BLOCK];                                                                                                         \
    PLACE at[BLOCK];                                                                                                    \
    for (int64_t i = begin; i < end; ++i) {                                                                             \
      const int64_t block = i % w->blocks, k = i / w->blocks, m = MIN(BLOCK, p->inner - block * BLOCK);                 \
      const E *const x = w->x + offset(p->kn, p->ks, p->kept, k) + block * BLOCK;                                       \
      for (int64_t c = 0; c < m; ++c) r[c] = wide(x[c]), at[c] = 0;                                                     \
      for (int64_t u = 1; u < w->units; ++u) {                                                                          \
        const E *RESTRICT row = x + u * p->rs[0];                                                                       \
        _Pragma("omp simd") for (int64_t c = 0; c < m; ++c) {                                                           \
          const T a = r[c], v = wide(row[c]);                                                                           \
          const PLACE nan = IS_NAN(a) ? 0 : IS_NAN(v) ? 1 : 0, take = v BEYOND a ? 1 : nan;                             \
          r[c] = take ? v : a;                                                                                          \
          at[c] = take ? (PLACE)u : at[c];                                                                              \
        }                                                                                                               \
      }                                                                                                                 \
      for (int64_t c = 0; c < m; ++c) ((int64_t *)w->out)[k * p->inner + block * BLOCK + c] = at[c];                    \
    }                                                                                                                   \
  }                                                                                                                     \
  /* One reduced loop only; columns in one piece. */                                                                    \
  static void NAME##_whole(const int64_t *plan, const E *x, int64_t *out) {                                             \
    struct work w = {read_plan(plan), x, out, 0, 0, 0, 0, 1};                                                           \
    const struct plan *p = &w.p;                                                                                        \
    w.outer = product(p->kn, p->kept);                                                                                  \
    w.units = p->in_rows ? p->inner : p->rn[0];                                                                         \
    if (!p->in_rows) {                                                                                                  \
      w.blocks = (p->inner + BLOCK - 1) / BLOCK;                                                                        \
      PARALLEL(NAME##_columns, &w, w.outer * w.blocks, grain_for(w.outer * w.blocks, w.units * MIN(p->inner, BLOCK)));  \
      return;                                                                                                           \
    }                                                                                                                   \
    const int64_t pieces = p->pieces, count = w.outer * pieces;                                                         \
    if (pieces > 1) w.parts = SCRATCH(0, (size_t)count * sizeof(struct place));                                         \
    PARALLEL(NAME##_rows, &w, count, grain_for(count, p->inner / pieces));                                              \
    if (pieces > 1) for (int64_t k = 0; k < w.outer; ++k) {                                                             \
      const struct place *q = (const struct place *)w.parts + k * pieces;                                               \
      struct place best = q[0];                                                                                         \
      for (int64_t j = 1; j < pieces; ++j)                                                                              \
        if (q[j].value BEYOND best.value || (IS_NAN(q[j].value) && !IS_NAN(best.value))) best = q[j];                   \
      out[k] = best.at;                                                                                                 \
    }                                                                                                                   \
  }
PLACES(argmax, largest, >, LOWEST)
PLACES(argmin, smallest, <, HIGHEST)
EXPORT void argmax(const int64_t *plan, const E *x, int64_t *out) { argmax_whole(plan, x, out); }
EXPORT void argmin(const int64_t *plan, const E *x, int64_t *out) { argmin_whole(plan, x, out); }
