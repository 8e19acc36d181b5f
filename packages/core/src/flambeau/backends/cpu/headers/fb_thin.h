/* Products with few rows, C = A B + bias with m <= THIN: B is read once, where it lies, and never packed.
 *
 * Bound by memory up to some eight rows. A is copied (it is small) so that the inner loops find it in order. Two forms:
 *
 *   thin_dots      B's columns lie along K (a weight of Linear, transposed): dot products, several columns at a time
 *   thin_rows      B's rows lie along N: rows of B times elements of A, summed into rows of C
 *
 * Both work on columns [j0, j0 + n) of C, which has any strides: a caller shares columns among threads. A product with few
 * columns is the transposed one: `thin_of` says which, if any, applies to a struct gemm and turns it round.
 */
#include "fb_gemm.h"

#define THIN 8
#define THIN_DEEP 1024 /* rows of B that are summed in one run */
#define THIN_SUMS (GEMM_MR * GEMM_NV) /* vectors of sums that fit into registers beside the operands */

/* Sums of GEMM_LANES vectors, one in each lane. */
#define THIN_STEP(h) \
  GEMM_UNROLL for (int i = 0; i < (h); ++i) { \
    const vec p = r[i], q = r[i + (h)]; \
    r[i] = GEMM_SHUFFLE(p, q, GEMM_ALL(GEMM_LOW, h)) + GEMM_SHUFFLE(p, q, GEMM_ALL(GEMM_HIGH, h)); \
  }
INLINE vec thin_sums(vec *r) {
#if GEMM_LANES > 8
  THIN_STEP(8)
#endif
#if GEMM_LANES > 4
  THIN_STEP(4)
#endif
#if GEMM_LANES > 2
  THIN_STEP(2)
#endif
  THIN_STEP(1)
  return r[0];
}

/* The last n < WIDTH of the elements that end at `end`, behind zeros; `whole` says that WIDTH elements lie before the end. */
INLINE vec thin_tail(const T *end, int64_t n, int whole) {
  if (!whole) return load_part(end - n, n);
  T lanes[2 * GEMM_LANES];
  store(lanes, (vec){0});
  store(lanes + GEMM_LANES, load(end - WIDTH));
  memset(lanes + GEMM_LANES, 0, (size_t)(WIDTH - n) * sizeof(T));
  return load(lanes + GEMM_LANES);
}

/* c[i, j] for `rows` rows and `wide` columns, both constants: x has rows of k elements, `far` apart, w columns of k. */
INLINE void thin_dot_tile(const int rows, const int wide, int64_t k, const T *RESTRICT x, int64_t far, const T *RESTRICT w, int64_t ldw, T *c, int64_t rs, int64_t cs, const T *bias, int64_t bi, int64_t bj) {
  enum { GROUPS = (THIN_SUMS + GEMM_LANES - 1) / GEMM_LANES };
  vec sum[GROUPS * GEMM_LANES];
  GEMM_UNROLL for (int t = 0; t < GROUPS * GEMM_LANES; ++t) sum[t] = (vec){0};
  int64_t p = 0;
  for (; p + WIDTH <= k; p += WIDTH) {
    vec y[8];
    GEMM_UNROLL for (int j = 0; j < wide; ++j) y[j] = load(w + j * ldw + p);
    GEMM_UNROLL for (int i = 0; i < rows; ++i) {
      const vec a = load(x + i * far + p);
      GEMM_UNROLL for (int j = 0; j < wide; ++j) sum[i * wide + j] = GEMM_ADD(sum[i * wide + j], a, y[j]);
    }
  }
  if (p < k) {
    vec y[8];
    GEMM_UNROLL for (int j = 0; j < wide; ++j) y[j] = thin_tail(w + j * ldw + k, k - p, k >= WIDTH);
    GEMM_UNROLL for (int i = 0; i < rows; ++i) {
      const vec a = thin_tail(x + i * far + k, k - p, k >= WIDTH);
      GEMM_UNROLL for (int j = 0; j < wide; ++j) sum[i * wide + j] = GEMM_ADD(sum[i * wide + j], a, y[j]);
    }
  }
  T total[GROUPS * GEMM_LANES];
  GEMM_UNROLL for (int g = 0; g < GROUPS; ++g)
    if (g * GEMM_LANES < rows * wide) store(total + g * GEMM_LANES, thin_sums(sum + g * GEMM_LANES));
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < wide; ++j) c[i * rs + j * cs] = bias ? total[i * wide + j] + bias[i * bi + j * bj] : total[i * wide + j];
}

#define THIN_WIDE(rows) (THIN_SUMS / (rows) > 8 ? 8 : THIN_SUMS / (rows) > 0 ? THIN_SUMS / (rows) : 1)
#define THIN_DOT(rows, unused) \
  static void thin_dots_##rows(int64_t n, int64_t k, const T *x, int64_t far, const T *w, int64_t ldw, T *c, int64_t rs, int64_t cs, const T *bias, int64_t bi, int64_t bj) { \
    int64_t j = 0; \
    for (; j + THIN_WIDE(rows) <= n; j += THIN_WIDE(rows)) \
      thin_dot_tile(rows, THIN_WIDE(rows), k, x, far, w + j * ldw, ldw, c + j * cs, rs, cs, bias ? bias + j * bj : 0, bi, bj); \
    for (; j < n; ++j) thin_dot_tile(rows, 1, k, x, far, w + j * ldw, ldw, c + j * cs, rs, cs, bias ? bias + j * bj : 0, bi, bj); \
  }
#define THIN_EACH(X) X(1, ) X(2, ) X(3, ) X(4, ) X(5, ) X(6, ) X(7, ) X(8, )
THIN_EACH(THIN_DOT)

/* sums[i, j] += sum_q x[q, i] b[q, j] for `deep` rows of B and `rows` rows of C, both constants, over n columns. */
INLINE void thin_row_tile(const int rows, const int deep, int64_t n, const T *RESTRICT x, const T *RESTRICT b, int64_t ldb, T *RESTRICT sums, int64_t far) {
  vec a[THIN][8];
  GEMM_UNROLL for (int i = 0; i < rows; ++i) GEMM_UNROLL for (int q = 0; q < deep; ++q) a[i][q] = splat(x[q * THIN + i]);
  int64_t j = 0;
  for (; j + WIDTH <= n; j += WIDTH) {
    vec y[8];
    GEMM_UNROLL for (int q = 0; q < deep; ++q) y[q] = load(b + q * ldb + j);
    GEMM_UNROLL for (int i = 0; i < rows; ++i) {
      vec s = load(sums + i * far + j);
      GEMM_UNROLL for (int q = 0; q < deep; ++q) s += a[i][q] * y[q];
      store(sums + i * far + j, s);
    }
  }
  for (; j < n; ++j)
    for (int i = 0; i < rows; ++i) {
      T s = sums[i * far + j];
      for (int q = 0; q < deep; ++q) s += x[q * THIN + i] * b[q * ldb + j];
      sums[i * far + j] = s;
    }
}

/* All rows of B, four at a time: C's columns wait in `sums`. x: k groups of THIN elements. */
#define THIN_ROW(rows, unused) \
  static void thin_rows_##rows(int64_t n, int64_t k, const T *x, const T *b, int64_t ldb, T *sums, int64_t far) { \
    int64_t p = 0; \
    for (; p + 4 <= k; p += 4) thin_row_tile(rows, 4, n, x + p * THIN, b + p * ldb, ldb, sums, far); \
    for (; p < k; ++p) thin_row_tile(rows, 1, n, x + p * THIN, b + p * ldb, ldb, sums, far); \
  }
THIN_EACH(THIN_ROW)

typedef void thin_dot_kernel(int64_t n, int64_t k, const T *x, int64_t far, const T *w, int64_t ldw, T *c, int64_t rs, int64_t cs, const T *bias, int64_t bi, int64_t bj);
typedef void thin_row_kernel(int64_t n, int64_t k, const T *x, const T *b, int64_t ldb, T *sums, int64_t far);
#define THIN_DOT_NAME(rows, unused) thin_dots_##rows,
#define THIN_ROW_NAME(rows, unused) thin_rows_##rows,
static thin_dot_kernel *const thin_dot_kernels[THIN] = {THIN_EACH(THIN_DOT_NAME)};
static thin_row_kernel *const thin_row_kernels[THIN] = {THIN_EACH(THIN_ROW_NAME)};

enum thin_form { THIN_NOT, THIN_DOTS, THIN_ROWS };

/* The form that serves g, whose rows and columns (and operands) are exchanged where it has few columns. */
INLINE enum thin_form thin_of(struct gemm *g, int *turned) {
  *turned = g->m > THIN || (g->n < g->m && g->n <= THIN);
  if (*turned) {
    if (g->n > THIN) return THIN_NOT;
    const struct gemm o = *g;
    g->m = o.n, g->n = o.m, g->a = o.b, g->b = o.a, g->ars = o.bcs, g->acs = o.brs, g->brs = o.acs, g->bcs = o.ars;
    g->crs = o.ccs, g->ccs = o.crs, g->a_item = o.b_item, g->b_item = o.a_item;
  }
  if (g->k == 0) return THIN_NOT;
  if (g->brs == 1 || g->k == 1) return g->bcs == 1 && g->n >= WIDTH ? THIN_ROWS : THIN_DOTS;
  return g->bcs == 1 ? THIN_ROWS : THIN_NOT;
}

struct thin {
  struct gemm g;
  enum thin_form form;
  int64_t grain, parts; /* columns of a task, tasks of an item */
  int64_t bi, bj;       /* strides of the bias along rows and columns */
};

/* Tasks [begin, end), each a run of columns of one item. */
static void thin_task(void *context, int64_t begin, int64_t end) {
  const struct thin *s = context;
  const struct gemm *g = &s->g;
  const int64_t m = g->m, k = g->k;
  T *const x = SCRATCH(6, (size_t)(k * THIN) * sizeof(T));
  int64_t copied = -1;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t item = t / s->parts, j0 = t % s->parts * s->grain, n = MIN(s->grain, g->n - j0);
    const T *a = g->a + item * g->a_item, *b = g->b + item * g->b_item + j0 * g->bcs;
    T *const c = g->c + item * g->c_item + j0 * g->ccs;
    const T *const bias = g->bias ? g->bias + j0 * s->bj : 0;
    int64_t far = g->ars;
    if ((s->form == THIN_ROWS || g->acs != 1) && item != copied) {
      if (s->form == THIN_ROWS)
        for (int64_t p = 0; p < k; ++p)
          for (int64_t i = 0; i < m; ++i) x[p * THIN + i] = a[i * g->ars + p * g->acs];
      else
        for (int64_t i = 0; i < m; ++i)
          for (int64_t p = 0; p < k; ++p) x[i * k + p] = a[i * g->ars + p * g->acs];
      copied = item;
    }
    if (s->form == THIN_DOTS) {
      if (g->acs != 1) a = x, far = k;
      thin_dot_kernels[m - 1](n, k, a, far, b, g->bcs, c, g->crs, g->ccs, bias, s->bi, s->bj);
      continue;
    }
    /* Sums in C itself where its columns are neighbours, else beside it; long ones in pieces, which rounds less. */
    T *const beside = SCRATCH(7, (size_t)(2 * m * n) * sizeof(T)), *const part = beside + m * n;
    T *const sums = g->ccs == 1 ? c : beside;
    const int64_t out = g->ccs == 1 ? g->crs : n;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) sums[i * out + j] = bias ? bias[i * s->bi + j * s->bj] : 0;
    thin_row_kernels[m - 1](n, MIN(k, THIN_DEEP), x, b, g->brs, sums, out);
    for (int64_t p = THIN_DEEP; p < k; p += THIN_DEEP) {
      memset(part, 0, (size_t)(m * n) * sizeof(T));
      thin_row_kernels[m - 1](n, MIN(k - p, THIN_DEEP), x + p * THIN, b + p * g->brs, g->brs, part, n);
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) sums[i * out + j] += part[i * n + j];
    }
    if (sums != c)
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) c[i * g->crs + j * g->ccs] = sums[i * n + j];
  }
}

/* Runs g (alpha 1, beta 0, no hooks; bias one for each column) if it is thin, on `threads` threads. */
static int thin_run(const struct gemm *given, int threads) {
  struct thin s = {.g = *given};
  int turned;
  s.form = thin_of(&s.g, &turned);
  if (s.form == THIN_NOT) return 0;
  s.bi = turned, s.bj = !turned;
  /* Runs of 32 K elements of B or more, some four for each thread, whole vectors. */
  const int64_t n = s.g.n, least = 32768 / s.g.k, even = threads == 1 ? n : n * s.g.items / (4 * threads);
  s.grain = MIN(n, MAX(MAX(least, even), 8));
  s.grain = MIN(n, (s.grain + GEMM_NR - 1) / GEMM_NR * GEMM_NR);
  s.parts = GEMM_PANELS(n, s.grain);
  const int64_t tasks = s.parts * s.g.items;
  if (threads == 1) thin_task(&s, 0, tasks);
  else PARALLEL(thin_task, &s, tasks, MAX(1, MIN(tasks / (4 * threads), 32768 / (s.grain * s.g.k))));
  return 1;
}
