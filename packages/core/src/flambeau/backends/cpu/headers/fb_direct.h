/* Products that are not worth packing: operands are read where they lie, C = A B + bias; T is float or double.
 *
 * Packing pays where a panel is used often. With some hundred rows or columns it takes a fifth of the time, its two phases
 * have to meet, and half of what is packed is another core's. Here the elements of A are broadcast from its rows, a
 * panel of B is read with its own stride, or where its columns lie along K packed by the task that needs it; a task needs
 * nobody else. The tile and the order of sums are those of fb_gemm.h: the results are the same bits.
 */
#ifndef FB_DIRECT_H
#define FB_DIRECT_H
#include "fb_gemm.h"

#define DIRECT_MOST (1 << 27) /* multiply-adds of an item from which packing is little beside them */
#define DIRECT_LEAST (1 << 17) /* of a task */
#define DIRECT_FAR 4096        /* bytes: rows apart by multiples of it meet in the same places of the first cache */

/* c[i, j] = sum_p a[i ars + p acs] b[p ldb + j] (+ c[i, j]) for `rows` rows and `nv` vectors, both constants. Meanwhile what lies
 * at `ahead` is called into the second cache, `stride` elements further in each step. */
INLINE void direct_rows(const int rows, const int nv, int64_t k, const T *RESTRICT a, int64_t ars, int64_t acs, const T *RESTRICT b, int64_t ldb, T *c, int64_t ldc, int more, const T *ahead, int64_t stride) {
  enum { HALF = (GEMM_MR + 1) / 2 };
  const int half = (rows + 1) / 2;
  vec sum[GEMM_MR][GEMM_NV];
  const T *low[HALF];
  GEMM_UNROLL for (int i = 0; i < rows; ++i) {
    __builtin_prefetch(c + i * ldc, 1);
    GEMM_UNROLL for (int j = 0; j < nv; ++j) sum[i][j] = (vec){0};
  }
  GEMM_UNROLL for (int i = 0; i < half; ++i) low[i] = a + i * ars;
  const int64_t high = half * ars; /* two rows from one pointer: fourteen do not fit into the registers */
  for (; k > 0; --k, b += ldb, ahead += stride) {
    vec y[GEMM_NV];
    __builtin_prefetch(ahead, 0, 2);
    GEMM_UNROLL for (int j = 0; j < nv; ++j) y[j] = load(b + j * WIDTH);
    GEMM_UNROLL for (int i = 0; i < half; ++i) {
      const vec x = GEMM_SPLAT(low[i][0]);
      GEMM_UNROLL for (int j = 0; j < nv; ++j) sum[i][j] = GEMM_ADD(sum[i][j], x, y[j]);
      if (i + half < rows) {
        const vec z = GEMM_SPLAT(low[i][high]);
        GEMM_UNROLL for (int j = 0; j < nv; ++j) sum[i + half][j] = GEMM_ADD(sum[i + half][j], z, y[j]);
      }
      low[i] += acs;
    }
  }
  GEMM_UNROLL for (int i = 0; i < rows; ++i) GEMM_UNROLL for (int j = 0; j < nv; ++j) {
    T *at = c + i * ldc + j * WIDTH;
    store(at, more ? sum[i][j] + load(at) : sum[i][j]);
  }
}

typedef void direct_kernel(int64_t k, const T *a, int64_t ars, int64_t acs, const T *b, int64_t ldb, T *c, int64_t ldc, int more, const T *ahead, int64_t stride);
#define DIRECT_ONE(rows, nv) \
  static void direct_##rows##x##nv(int64_t k, const T *a, int64_t ars, int64_t acs, const T *b, int64_t ldb, T *c, int64_t ldc, int more, const T *ahead, int64_t stride) { direct_rows(rows, nv, k, a, ars, acs, b, ldb, c, ldc, more, ahead, stride); }
#define DIRECT_NAME(rows, nv) direct_##rows##x##nv,
GEMM_EACH(DIRECT_ONE, 1)
GEMM_EACH(DIRECT_ONE, 2)
#if GEMM_NV == 3
GEMM_EACH(DIRECT_ONE, 3)
#endif
static direct_kernel *const direct_kernels[GEMM_NV][GEMM_MR] = {
  {GEMM_EACH(DIRECT_NAME, 1)}, {GEMM_EACH(DIRECT_NAME, 2)},
#if GEMM_NV == 3
  {GEMM_EACH(DIRECT_NAME, 3)},
#endif
};

struct direct {
  const struct gemm *g;
  int64_t depth, rows, columns, parts; /* of a block of K; panels of A, whose rows are dealt out evenly, and of B, parts of the former */
};

INLINE int64_t direct_row(const struct direct *s, int64_t panel) { return panel * s->g->m / s->rows; }

/* Panels [begin, end) of A times columns [j, j + n) of B, n <= GEMM_NR; all of one item. */
static void direct_panel(const struct direct *s, int64_t item, int64_t begin, int64_t end, int64_t j, int64_t n) {
  const struct gemm *g = s->g;
  const int64_t nv = GEMM_PANELS(n, WIDTH);
  const int whole = n == nv * WIDTH, packs = g->bcs != 1 || !whole;
  T *const own = packs ? SCRATCH(7, (size_t)GEMM_B_PITCH(s->depth) * sizeof(T)) : 0;
  T beside[GEMM_MR * GEMM_NR] __attribute__((aligned(64)));
  /* The next panel is called in: one line of each of its rows with each tile, or where it is packed its share of the columns. */
  const int coming = j + n < g->n && (g->bcs == 1 || (g->brs == 1 && g->bcs == g->k));
  const int64_t tiles = GEMM_PANELS(g->k, s->depth) * (end - begin), each = GEMM_NR * g->k / tiles;
  const T *later = g->b + item * g->b_item + (j + GEMM_NR) * g->bcs;
  for (int64_t k0 = 0; k0 < g->k; k0 += s->depth) {
    const int64_t k = MIN(s->depth, g->k - k0);
    const T *a = g->a + item * g->a_item + k0 * g->acs, *b = g->b + item * g->b_item + k0 * g->brs + j * g->bcs;
    if (packs) gemm_panel_b(own, b, g->brs, g->bcs, k, n), b = own;
    for (int64_t p = begin; p < end; ++p, later += g->bcs == 1 ? 0 : each) {
      const int64_t i = direct_row(s, p), m = direct_row(s, p + 1) - i, line = (p - begin) % GEMM_NV * WIDTH;
      const T *const ahead = !coming ? b : g->bcs == 1 ? later + k0 * g->brs + line : later;
      const int64_t stride = !coming ? 0 : g->bcs == 1 ? g->brs : GEMM_PANELS(each, k);
      T *const c = g->c + item * g->c_item + i * g->crs + j;
      direct_kernel *const kernel = direct_kernels[nv - 1][m - 1];
      if (whole) kernel(k, a + i * g->ars, g->ars, g->acs, b, packs ? GEMM_NR : g->brs, c, g->crs, k0 > 0, ahead, stride);
      else {
        kernel(k, a + i * g->ars, g->ars, g->acs, b, GEMM_NR, beside, GEMM_NR, 0, ahead, stride);
        for (int64_t y = 0; y < m; ++y)
          for (int64_t q = 0; q < n; ++q) c[y * g->crs + q] = k0 ? beside[y * GEMM_NR + q] + c[y * g->crs + q] : beside[y * GEMM_NR + q];
      }
      if (g->epilogue && k0 + k == g->k) g->epilogue(g, c, item, i, m, j, n);
    }
  }
}

static void direct_task(void *context, int64_t begin, int64_t end) {
  const struct direct *s = context;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t part = t % s->parts, j = t / s->parts % s->columns * GEMM_NR, item = t / s->parts / s->columns;
    direct_panel(s, item, part * s->rows / s->parts, (part + 1) * s->rows / s->parts, j, MIN(GEMM_NR, s->g->n - j));
  }
}

/* Runs g (alpha 1, beta 0, columns of C neighbours, no hook but an epilogue) where it is better not packed. */
static int direct_run(const struct gemm *g, int threads) {
  const int64_t size = (int64_t)sizeof(T);
  const double work = (double)g->m * (double)g->n * (double)g->k;
  if (g->k <= 0 || work > DIRECT_MOST || g->ars * size % DIRECT_FAR == 0 || g->acs * size % DIRECT_FAR == 0) return 0;
  if (g->bcs == 1 && g->brs * size % DIRECT_FAR == 0) return 0;
  struct direct s = {.g = g, .depth = GEMM_DEPTH(g->k), .rows = GEMM_PANELS(g->m, GEMM_MR), .columns = GEMM_PANELS(g->n, GEMM_NR)};
  /* Eight tasks for each thread; what is packed for few rows is packed too often. */
  const int64_t most = MIN((int64_t)(work / DIRECT_LEAST) / s.columns, g->bcs == 1 && g->n % WIDTH == 0 ? s.rows : s.rows / 4);
  s.parts = threads == 1 ? 1 : MAX(1, MIN(GEMM_PANELS(8 * threads, s.columns * g->items), most));
  const int64_t tasks = s.parts * s.columns * g->items;
  if (threads == 1) direct_task(&s, 0, tasks);
  else PARALLEL(direct_task, &s, tasks, MAX(1, tasks / (8 * threads)));
  return 1;
}
#endif
