/* Products of matrices, C = alpha A B + beta C, for other kernels to build on; T is float or double.
 *
 * Whole products, operands with any strides (a transposed view is (1, ld)), C with any strides (columns of stride 1 are best):
 *
 *   struct gemm g = {.m = m, .n = n, .k = k, .a = a, .ars = ka, .acs = 1, .b = b, .brs = n, .bcs = 1,
 *                    .c = c, .crs = n, .ccs = 1, .alpha = 1, .beta = 0, .items = 1};
 *   gemm_parallel(&g);    all threads; not from inside a task
 *   gemm_serial(&g);      this thread alone: inside a task
 *
 * `items` products whose operands lie a_item, b_item, c_item elements apart; a_item = 0 shares A, which is then packed once.
 * Beta 0 does not read C. Hooks, NULL for none:
 *
 *   pack_b    B is not in memory: fills panel[p * GEMM_NR + q] with B[k0 + p, j0 + q] for p < k and q < n, and with 0 for
 *             n <= q < GEMM_NR (implicit im2col). k <= GEMM_KC, n <= GEMM_NR; j0 is a multiple of GEMM_NR.
 *   epilogue  called once for each tile of C when it is complete (bias, activation); `c` is C[i, j] of the item, a tile
 *             of m x n elements with strides g->crs and g->ccs. `gemm_add_columns`, `gemm_add_rows` add g->bias.
 *   context   whatever the hooks want.
 *   packed    B as gemm_keep_b has laid it out, instead of b: nothing of it is packed again.
 *
 * Parts, for kernels that keep packed operands (attention, recurrent layers):
 *
 *   gemm_pack_a(to, a, rs, cs, m, k)     m x k into panels of GEMM_MR rows: GEMM_A_SIZE(m, k) elements
 *   gemm_pack_b(to, b, rs, cs, k, n)     k x n into panels of GEMM_NR columns: GEMM_B_SIZE(k, n) elements
 *   gemm_packed(m, n, k, pa, pb, c, rs, cs, alpha, beta)     C from both; fastest for k <= GEMM_KC
 *   gemm_tile(m, n, k, a, b, c, rs, cs, alpha, beta)         one panel of each, m <= GEMM_MR, n <= GEMM_NR
 *
 * Scratch slots 6 and 7 belong to this header: hooks and callers use 0 to 5.
 * The K loop is cut by K alone and sums run in one order: results do not depend on the number of threads or the tiles.
 */
#include "fb.h"

/* A tile of C in registers: MR rows of NV vectors, with B's NV vectors and one or two broadcast elements of A beside it. */
#if VECTOR_BYTES == 64
#define GEMM_MR 14
#define GEMM_NV 2
#elif defined(__aarch64__)
#define GEMM_MR 8
#define GEMM_NV 3
#else
#define GEMM_MR 6
#define GEMM_NV 2
#endif
#define GEMM_NR (GEMM_NV * WIDTH)
#if VECTOR_BYTES == 64
#define GEMM_KC (2048 / (int64_t)sizeof(T)) /* depth of a panel: B's come from the second cache, which feeds a register a cycle */
#define GEMM_MC (12 * GEMM_MR)              /* rows of A that stay in the second cache while B's panels pass */
#else
#define GEMM_KC (1024 / (int64_t)sizeof(T)) /* one of B (NR x KC) takes half of the first cache */
#define GEMM_MC (24 * GEMM_MR)
#endif
#define GEMM_BUDGET (16 << 20)      /* bytes of packed operands at a time */
#define GEMM_ALONE 1000000.0        /* multiply-adds below which waking a thread costs more than it saves */
#define GEMM_FAR 256                /* elements from row to row of a matrix, not from step to step of what lies in one piece */
#define GEMM_A_PITCH(k) (GEMM_MR * (k) + WIDTH) /* elements from panel to panel: packing writes a few too many */
#define GEMM_B_PITCH(k) (GEMM_NR * (k))
#define GEMM_PANELS(n, size) (((n) + (size)-1) / (size))
#define GEMM_A_SIZE(m, k) (GEMM_PANELS(m, GEMM_MR) * GEMM_A_PITCH(k))
#define GEMM_B_SIZE(k, n) (GEMM_PANELS(n, GEMM_NR) * GEMM_B_PITCH(k))

struct gemm {
  int64_t m, n, k, items;
  const T *a, *b;
  T *c;
  int64_t ars, acs, brs, bcs, crs, ccs; /* strides of rows and columns, in elements */
  int64_t a_item, b_item, c_item;
  T alpha, beta;
  void (*pack_b)(const struct gemm *g, T *panel, int64_t item, int64_t k0, int64_t k, int64_t j0, int64_t n);
  void (*epilogue)(const struct gemm *g, T *c, int64_t item, int64_t i, int64_t m, int64_t j, int64_t n);
  const T *bias, *packed;
  const void *context;
};

/* Depth of a block of K: they are alike. */
#define GEMM_DEPTH(k) GEMM_PANELS(k, GEMM_PANELS(k, GEMM_KC))

/* -- the tile ------------------------------------------------------------------------------------------------------ */

/* sum + x y; a file that multiplies something else that fills an element (bf16.c) defines its own before it includes this. */
#ifndef GEMM_ADD
#define GEMM_ADD(sum, x, y) ((sum) + (x) * (y))
#define GEMM_SPLAT(x) splat(x)
#endif
#define GEMM_UNROLL _Pragma("GCC unroll 16")

/* c[i, j] = alpha sum_p a[p MR + i] b[p NR + j] + beta c[i, j] for `rows` rows and `nv` vectors, both constants. Meanwhile what
 * lies at `ahead` is called into the second cache: `stride` elements in each step, or, if these are many, two lines of each row.
 * With `packs`, a constant too, b[p ldb + j] is read instead, and the panel is written to `to` for the tiles that follow. */
INLINE void gemm_rows(const int rows, const int nv, const int packs, int64_t k, const T *RESTRICT a, const T *RESTRICT b, int64_t ldb, T *RESTRICT to, T *c, int64_t ldc, T alpha, T beta, const T *ahead, int64_t stride) {
  vec sum[GEMM_MR][GEMM_NV];
  GEMM_UNROLL for (int i = 0; i < rows; ++i) {
    __builtin_prefetch(c + i * ldc, 1);
    GEMM_UNROLL for (int j = 0; j < nv; ++j) sum[i][j] = (vec){0};
  }
  const int64_t next = GEMM_A_PITCH(k), second = stride < GEMM_FAR ? stride / 2 : 64 / (int64_t)sizeof(T);
  for (; k > 0; --k, a += GEMM_MR, b += packs ? ldb : GEMM_NR, ahead += stride) {
    vec y[GEMM_NV];
    __builtin_prefetch(a + next);
    __builtin_prefetch(ahead, 0, 2), __builtin_prefetch(ahead + second, 0, 2);
    GEMM_UNROLL for (int j = 0; j < nv; ++j) y[j] = load(b + j * WIDTH);
    if (packs) {
      GEMM_UNROLL for (int j = 0; j < nv; ++j) store(to + j * WIDTH, y[j]);
      to += GEMM_NR;
    }
    GEMM_UNROLL for (int i = 0; i < rows; ++i) {
      const vec x = GEMM_SPLAT(a[i]);
      GEMM_UNROLL for (int j = 0; j < nv; ++j) sum[i][j] = GEMM_ADD(sum[i][j], x, y[j]);
    }
  }
  const vec scale = splat(alpha), keep = splat(beta);
  if (beta == 0) {
    GEMM_UNROLL for (int i = 0; i < rows; ++i) GEMM_UNROLL for (int j = 0; j < nv; ++j)
      store(c + i * ldc + j * WIDTH, scale * sum[i][j]);
  } else {
    GEMM_UNROLL for (int i = 0; i < rows; ++i) GEMM_UNROLL for (int j = 0; j < nv; ++j) {
      T *at = c + i * ldc + j * WIDTH;
      const vec scaled = scale * sum[i][j];
      store(at, scaled + keep * load(at));
    }
  }
}

typedef void gemm_kernel(int64_t k, const T *a, const T *b, T *c, int64_t ldc, T alpha, T beta, const T *ahead, int64_t stride);
#define GEMM_ONE(rows, nv) \
  static void gemm_##rows##x##nv(int64_t k, const T *a, const T *b, T *c, int64_t ldc, T alpha, T beta, const T *ahead, int64_t stride) { gemm_rows(rows, nv, 0, k, a, b, GEMM_NR, 0, c, ldc, alpha, beta, ahead, stride); }
#if GEMM_MR == 14
#define GEMM_EACH(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v) X(7, v) X(8, v) X(9, v) X(10, v) X(11, v) X(12, v) X(13, v) X(14, v)
#elif GEMM_MR == 8
#define GEMM_EACH(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v) X(7, v) X(8, v)
#else
#define GEMM_EACH(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v)
#endif
#define GEMM_NAME(rows, nv) gemm_##rows##x##nv,
GEMM_EACH(GEMM_ONE, 1)
GEMM_EACH(GEMM_ONE, 2)
#if GEMM_NV == 3
GEMM_EACH(GEMM_ONE, 3)
#endif
static gemm_kernel *const gemm_kernels[GEMM_NV][GEMM_MR] = {
  {GEMM_EACH(GEMM_NAME, 1)}, {GEMM_EACH(GEMM_NAME, 2)},
#if GEMM_NV == 3
  {GEMM_EACH(GEMM_NAME, 3)},
#endif
};

/* The tile of MR rows and NR columns from a panel of A and B as it lies, rows ldb apart, which is packed on the way: two stores beside
 * 28 multiply-adds. */
static __attribute__((unused)) void gemm_tile_packing(int64_t k, const T *a, const T *b, int64_t ldb, T *to, T *c, int64_t ldc, T alpha, T beta, const T *ahead, int64_t stride) {
  gemm_rows(GEMM_MR, GEMM_NV, 1, k, a, b, ldb, to, c, ldc, alpha, beta, ahead, stride);
}

/* The tile of m <= MR rows and n <= NR columns from one panel of each operand; `ahead` as above. */
static void gemm_tile_ahead(int64_t m, int64_t n, int64_t k, const T *a, const T *b, T *c, int64_t rs, int64_t cs, T alpha, T beta, const T *ahead, int64_t stride) {
  const int64_t nv = GEMM_PANELS(n, WIDTH);
  gemm_kernel *const kernel = gemm_kernels[nv - 1][m - 1];
  if (cs == 1 && n == nv * WIDTH) {
    kernel(k, a, b, c, rs, alpha, beta, ahead, stride);
    return;
  }
  T tile[GEMM_MR * GEMM_NR] __attribute__((aligned(64)));
  kernel(k, a, b, tile, GEMM_NR, alpha, 0, ahead, stride);
  for (int64_t i = 0; i < m; ++i) {
    const T *from = tile + i * GEMM_NR;
    T *to = c + i * rs;
    if (beta == 0) {
      for (int64_t j = 0; j < n; ++j) to[j * cs] = from[j];
    } else {
      for (int64_t j = 0; j < n; ++j) to[j * cs] = from[j] + beta * to[j * cs];
    }
  }
}
static __attribute__((unused)) void gemm_tile(int64_t m, int64_t n, int64_t k, const T *a, const T *b, T *c, int64_t rs, int64_t cs, T alpha, T beta) {
  gemm_tile_ahead(m, n, k, a, b, c, rs, cs, alpha, beta, b, 0);
}

/* -- packing ------------------------------------------------------------------------------------------------------- */

#if defined(__clang__)
#define GEMM_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#elif defined(T_FLOAT64)
typedef int64_t gemm_lanes __attribute__((vector_size(VECTOR_BYTES)));
#define GEMM_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (gemm_lanes){__VA_ARGS__})
#else
typedef int32_t gemm_lanes __attribute__((vector_size(VECTOR_BYTES)));
#define GEMM_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (gemm_lanes){__VA_ARGS__})
#endif
#if defined(T_FLOAT64)
#define GEMM_LANES (VECTOR_BYTES / 8)
#else
#define GEMM_LANES (VECTOR_BYTES / 4)
#endif
/* Lane l of the two results when the blocks of h lanes beside the diagonal change places. */
#define GEMM_LOW(l, h) ((l) & (h) ? GEMM_LANES + (l) - (h) : (l))
#define GEMM_HIGH(l, h) ((l) & (h) ? GEMM_LANES + (l) : (l) + (h))
#if GEMM_LANES == 2
#define GEMM_ALL(X, h) X(0, h), X(1, h)
#elif GEMM_LANES == 4
#define GEMM_ALL(X, h) X(0, h), X(1, h), X(2, h), X(3, h)
#elif GEMM_LANES == 8
#define GEMM_ALL(X, h) X(0, h), X(1, h), X(2, h), X(3, h), X(4, h), X(5, h), X(6, h), X(7, h)
#else
#define GEMM_ALL(X, h) X(0, h), X(1, h), X(2, h), X(3, h), X(4, h), X(5, h), X(6, h), X(7, h), X(8, h), X(9, h), X(10, h), X(11, h), X(12, h), X(13, h), X(14, h), X(15, h)
#endif
#define GEMM_STEP(h) \
  GEMM_UNROLL for (int i = 0; i < GEMM_LANES; ++i) if (!(i & (h))) { \
    const vec p = r[i], q = r[i + (h)]; \
    r[i] = GEMM_SHUFFLE(p, q, GEMM_ALL(GEMM_LOW, h)); \
    r[i + (h)] = GEMM_SHUFFLE(p, q, GEMM_ALL(GEMM_HIGH, h)); \
  }

/* WIDTH vectors as a square matrix, transposed in registers. */
INLINE void gemm_transpose(vec *r) {
#if GEMM_LANES > 8
  GEMM_STEP(8)
#endif
#if GEMM_LANES > 4
  GEMM_STEP(4)
#endif
#if GEMM_LANES > 2
  GEMM_STEP(2)
#endif
  GEMM_STEP(1)
}

/* One panel of A, m <= MR rows: to[p MR + i] = a[i rs + p cs]. Writes up to WIDTH elements behind the panel. */
static void gemm_panel_a(T *RESTRICT to, const T *RESTRICT a, int64_t rs, int64_t cs, int64_t m, int64_t k) {
  int64_t p = 0;
  if (cs == 1) {
    enum { BLOCKS = (GEMM_MR + GEMM_LANES - 1) / GEMM_LANES };
    for (; p + WIDTH <= k; p += WIDTH) {
      vec r[BLOCKS][GEMM_LANES];
      GEMM_UNROLL for (int b = 0; b < BLOCKS; ++b) {
        GEMM_UNROLL for (int i = 0; i < GEMM_LANES; ++i) {
          const int64_t row = b * GEMM_LANES + i;
          r[b][i] = row < m ? load(a + row * rs + p) : (vec){0};
        }
        gemm_transpose(r[b]);
      }
      GEMM_UNROLL for (int i = 0; i < GEMM_LANES; ++i)
        GEMM_UNROLL for (int b = 0; b < BLOCKS; ++b) store(to + (p + i) * GEMM_MR + b * GEMM_LANES, r[b][i]);
    }
  } else if (rs == 1 && cs >= GEMM_MR) { /* what is read behind row m lies before the last element */
    for (; p < (m == GEMM_MR ? k : k - 1); ++p) memcpy(to + p * GEMM_MR, a + p * cs, GEMM_MR * sizeof(T));
  }
  for (; p < k; ++p)
    for (int64_t i = 0; i < MIN(m, GEMM_MR); ++i) to[p * GEMM_MR + i] = a[i * rs + p * cs];
}

/* Panels of `height` rows, m in all, `pitch` apart, of an A whose columns lie in one piece (rs 1): all panels' parts of a column are
 * copied at once. Panel by panel a line of A, of which each takes a part, would have left the first cache in between. */
static void gemm_columns_a(T *RESTRICT to, int64_t pitch, const T *RESTRICT a, int64_t cs, int64_t m, int64_t height, int64_t k) {
  const int64_t whole = cs >= GEMM_MR ? k - 1 : 0;
  for (int64_t p = 0; p < whole; ++p) {
    T *at = to + p * GEMM_MR;
    for (int64_t i = 0; i < m; i += height, at += pitch) memcpy(at, a + p * cs + i, GEMM_MR * sizeof(T));
  }
  for (int64_t p = whole; p < k; ++p)
    for (int64_t i = 0; i < m; ++i) to[i / height * pitch + p * GEMM_MR + i % height] = a[p * cs + i];
}

/* One panel of B, n <= NR columns: to[p NR + j] = b[p rs + j cs], and zeros from column n on. */
static void gemm_panel_b(T *RESTRICT to, const T *RESTRICT b, int64_t rs, int64_t cs, int64_t k, int64_t n) {
  int64_t p = 0;
  if (cs == 1 && n == GEMM_NR) {
    for (; p < k; ++p)
      GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) store(to + p * GEMM_NR + v * WIDTH, load(b + p * rs + v * WIDTH));
    return;
  }
  if (rs == 1 && cs != 1) {
    for (; p + WIDTH <= k; p += WIDTH)
      for (int v = 0; v < GEMM_NV; ++v) {
        vec r[GEMM_LANES];
        GEMM_UNROLL for (int i = 0; i < GEMM_LANES; ++i) {
          const int64_t column = v * GEMM_LANES + i;
          r[i] = column < n ? load(b + column * cs + p) : (vec){0};
        }
        gemm_transpose(r);
        GEMM_UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(to + (p + i) * GEMM_NR + v * GEMM_LANES, r[i]);
      }
  }
  for (; p < k; ++p) {
    for (int64_t j = 0; j < n; ++j) to[p * GEMM_NR + j] = b[p * rs + j * cs];
    for (int64_t j = n; j < GEMM_NR; ++j) to[p * GEMM_NR + j] = 0;
  }
}

INLINE void gemm_pack_a(T *to, const T *a, int64_t rs, int64_t cs, int64_t m, int64_t k) {
  for (int64_t i = 0; i < m; i += GEMM_MR, to += GEMM_A_PITCH(k)) gemm_panel_a(to, a + i * rs, rs, cs, MIN(m - i, GEMM_MR), k);
}
INLINE void gemm_pack_b(T *to, const T *b, int64_t rs, int64_t cs, int64_t k, int64_t n) {
  for (int64_t j = 0; j < n; j += GEMM_NR, to += GEMM_B_PITCH(k)) gemm_panel_b(to, b + j * cs, rs, cs, k, MIN(n - j, GEMM_NR));
}

/* C from operands packed by the two functions above. */
static __attribute__((unused)) void gemm_packed(int64_t m, int64_t n, int64_t k, const T *pa, const T *pb, T *c, int64_t rs, int64_t cs, T alpha, T beta) {
  for (int64_t i0 = 0; i0 < m; i0 += GEMM_MC)
    for (int64_t j = 0; j < n; j += GEMM_NR)
      for (int64_t i = i0; i < MIN(m, i0 + GEMM_MC); i += GEMM_MR)
        gemm_tile(MIN(m - i, GEMM_MR), MIN(n - j, GEMM_NR), k, pa + i / GEMM_MR * GEMM_A_PITCH(k), pb + j / GEMM_NR * GEMM_B_PITCH(k), c + i * rs + j * cs, rs, cs, alpha, beta);
}

/* -- whole products ------------------------------------------------------------------------------------------------ */

/* One step: rows [i0, i0 + m), columns [j0, j0 + n) and depths [k0, k0 + k) of `items` products from `item` on. */
struct gemm_step {
  const struct gemm *g;
  int64_t item, items, i0, m, j0, n, k0, k;
  int64_t depth, height, taller;       /* of a block of K, of a panel of A; that many panels have one row more: rows are dealt out evenly */
  int64_t row_panels, column_panels, blocks;
  int64_t row_parts, column_parts;     /* tiles of one task: panels are dealt out evenly */
  T *pa, *pb;                          /* pa NULL: tasks pack their own rows; pb NULL: their own columns */
};

INLINE T *gemm_place_a(const struct gemm_step *s, int64_t item, int64_t block, int64_t panel) {
  return s->pa + ((item * s->blocks + block) * s->row_panels + panel) * GEMM_A_PITCH(s->depth);
}
INLINE T *gemm_place_b(const struct gemm_step *s, int64_t block, int64_t panel) {
  return s->pb + (block * s->column_panels + panel) * GEMM_B_PITCH(s->depth);
}
INLINE int64_t gemm_row_of(const struct gemm_step *s, int64_t panel) { return panel * s->height + MIN(panel, s->taller); }
INLINE int64_t gemm_height_of(const struct gemm_step *s, int64_t panel) { return s->height + (panel < s->taller); }
INLINE int64_t gemm_depth_of(const struct gemm_step *s, int64_t block) { return MIN(s->depth, s->k - block * s->depth); }

static void gemm_fill_b(const struct gemm_step *s, T *to, int64_t item, int64_t block, int64_t panel) {
  const struct gemm *g = s->g;
  const int64_t k0 = s->k0 + block * s->depth, j = s->j0 + panel * GEMM_NR, n = MIN(s->n - panel * GEMM_NR, GEMM_NR);
  if (g->pack_b) g->pack_b(g, to, item, k0, gemm_depth_of(s, block), j, n);
  else gemm_panel_b(to, g->b + item * g->b_item + k0 * g->brs + j * g->bcs, g->brs, g->bcs, gemm_depth_of(s, block), n);
}

/* `count` panels of A, neighbours. */
static void gemm_fill_a(const struct gemm_step *s, T *to, int64_t item, int64_t block, int64_t panel, int64_t count) {
  const struct gemm *g = s->g;
  const int64_t k0 = s->k0 + block * s->depth, k = gemm_depth_of(s, block), pitch = GEMM_A_PITCH(s->depth);
  const T *const a = g->a + item * g->a_item + s->i0 * g->ars + k0 * g->acs;
  for (const int64_t end = panel + count; panel < end; panel += count, to += count * pitch) { /* panels of one height */
    const int64_t height = gemm_height_of(s, panel), at = gemm_row_of(s, panel);
    count = (panel < s->taller ? MIN(end, s->taller) : end) - panel;
    if (g->ars == 1 && count > 1) gemm_columns_a(to, pitch, a + at, g->acs, count * height, height, k);
    else
      for (int64_t p = 0; p < count; ++p) gemm_panel_a(to + p * pitch, a + (at + p * height) * g->ars, g->ars, g->acs, height, k);
  }
}

/* Panels [begin, end): first A's of all items kept apart, then B's. */
static void gemm_pack_task(void *context, int64_t begin, int64_t end) {
  const struct gemm_step *s = context;
  const int64_t a_count = s->pa ? (s->g->a_item ? s->items : 1) * s->blocks * s->row_panels : 0;
  for (int64_t t = begin, count = 1; t < end; t += count) {
    if (t < a_count) {
      const int64_t panel = t % s->row_panels, block = t / s->row_panels % s->blocks, item = t / s->row_panels / s->blocks;
      count = MIN(MIN(end, a_count) - t, s->row_panels - panel);
      gemm_fill_a(s, gemm_place_a(s, item, block, panel), s->item + item, block, panel, count);
    } else {
      count = 1;
      const int64_t panel = (t - a_count) % s->column_panels, block = (t - a_count) / s->column_panels;
      gemm_fill_b(s, gemm_place_b(s, block, panel), s->item, block, panel);
    }
  }
}

/* The panel of B that is needed next, of this task or of the one behind it; it may have to come from memory. */
INLINE const T *gemm_coming(const struct gemm_step *s, int64_t block, int64_t q, int64_t q0, int64_t q1) {
  if (q + 1 < q1) return gemm_place_b(s, block, q + 1);
  if (block + 1 < s->blocks) return gemm_place_b(s, block + 1, q0);
  return q1 < s->column_panels ? gemm_place_b(s, 0, q1) : 0;
}

/* Tiles [begin, end), each a part of the rows times a part of the columns of one item. */
static void gemm_tile_task(void *context, int64_t begin, int64_t end) {
  const struct gemm_step *s = context;
  const struct gemm *g = s->g;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t row_part = t % s->row_parts, column_part = t / s->row_parts % s->column_parts, item = t / s->row_parts / s->column_parts;
    const int64_t p0 = row_part * s->row_panels / s->row_parts, p1 = (row_part + 1) * s->row_panels / s->row_parts;
    const int64_t q0 = column_part * s->column_panels / s->column_parts, q1 = (column_part + 1) * s->column_panels / s->column_parts;
    T *const c = g->c + (s->item + item) * g->c_item;
    T *const own_a = s->pa ? 0 : SCRATCH(6, (size_t)GEMM_A_PITCH(s->depth) * sizeof(T));
    T *const own_b = s->pb ? 0 : SCRATCH(7, (size_t)((q1 - q0) * GEMM_B_PITCH(s->depth)) * sizeof(T));
    const int64_t run = own_a ? 1 : GEMM_MC / GEMM_MR; /* panels of A that pass while one of B stays */
    /* What the next task will pack is called in meanwhile: in one piece where columns lie along K, as of a weight, else rows. */
    const int64_t tiles = s->blocks * (p1 - p0) * (q1 - q0), piece = (q1 - q0) * GEMM_NR * g->k;
    const T *later = own_b && !g->pack_b && g->brs == 1 && g->bcs == g->k && q1 < s->column_panels ? g->b + (s->item + item) * g->b_item + (s->j0 + q1 * GEMM_NR) * g->k : 0;
    for (int64_t block = 0; block < s->blocks; ++block) {
      const int64_t k = gemm_depth_of(s, block), k0 = s->k0 + block * s->depth;
      const T beta = k0 == 0 ? g->beta : 1;
      const int last = k0 + k == g->k && g->epilogue;
      /* Rows of whole panels are packed by their first tiles. */
      const int packs = own_b && !g->pack_b && g->bcs == 1 && g->ccs == 1 && gemm_height_of(s, p0) == GEMM_MR;
      const int64_t ready = packs ? s->n / GEMM_NR : q0;
      if (own_b)
        for (int64_t q = MAX(q0, ready); q < q1; ++q) gemm_fill_b(s, own_b + (q - q0) * GEMM_B_PITCH(s->depth), s->item + item, block, q);
      for (int64_t r = p0; r < p1; r += run) {
        if (own_a) gemm_fill_a(s, own_a, s->item + item, block, r, 1);
        for (int64_t q = q0; q < q1; ++q) {
          const T *const pb = own_b ? own_b + (q - q0) * GEMM_B_PITCH(s->depth) : gemm_place_b(s, block, q);
          const int64_t j = s->j0 + q * GEMM_NR, n = MIN(s->n - q * GEMM_NR, GEMM_NR), count = MIN(p1 - r, run);
          const T *coming = own_b ? later : gemm_coming(s, block, q, q0, q1);
          int64_t each = later ? piece / tiles : k * GEMM_NR / count, share = !coming ? 0 : later ? GEMM_PANELS(each, k) : (GEMM_NR + count - 1) / count;
          const int rows = own_b && !g->pack_b && g->bcs == 1 && g->brs >= GEMM_FAR && r == p0 && q + q1 - q0 < s->column_panels;
          if (rows) coming = g->b + (s->item + item) * g->b_item + k0 * g->brs + j + (q1 - q0) * GEMM_NR, each = 0, share = g->brs;
          for (int64_t p = r; p < r + count; ++p) {
            const int64_t i = s->i0 + gemm_row_of(s, p), m = gemm_height_of(s, p);
            T *const at = c + i * g->crs + j * g->ccs;
            const T *const pa = own_a ? own_a : gemm_place_a(s, g->a_item ? item : 0, block, p), *const ahead = coming ? coming : pb;
            if (p == p0 && q < ready) gemm_tile_packing(k, pa, g->b + (s->item + item) * g->b_item + k0 * g->brs + j, g->brs, (T *)pb, at, g->crs, g->alpha, beta, ahead, share);
            else gemm_tile_ahead(m, n, k, pa, pb, at, g->crs, g->ccs, g->alpha, beta, ahead, share);
            if (rows) coming = 0, share = 0; /* the first tile has called in all of them */
            else if (coming) coming += each;
            if (last) g->epilogue(g, at, s->item + item, i, m, j, n);
          }
          if (later) later = coming;
        }
      }
    }
  }
}

/* Parts of rows and columns: some four tasks for each thread, eight where these need nothing of each other, sixteen where all of
 * A stays in the second cache besides; none below 2^19 multiply-adds, columns cut before rows. */
static void gemm_cut(struct gemm_step *s, int threads) {
  const double work = (double)s->m * (double)s->n * (double)s->k;
  const int64_t least = GEMM_PANELS(s->column_panels, 8) * GEMM_PANELS(s->row_panels * GEMM_MR, 4 * GEMM_MC);
  const int64_t most = MAX(1, (int64_t)(work / (1 << 19))), each = s->pb || s->g->pack_b ? 4 : s->m > 2 * GEMM_MC ? 8 : 16;
  const int64_t wanted = MIN(most, MAX(least, GEMM_PANELS(each * threads, s->items)));
  if (!s->pa) {
    s->column_parts = 1, s->row_parts = MAX(1, MIN(s->row_panels, wanted));
    return;
  }
  s->column_parts = MAX(1, MIN(s->column_panels, wanted));
  if (s->pb && s->column_parts > 1 && s->column_parts * 2 > s->column_panels && s->row_panels > s->column_panels)
    s->column_parts = (s->column_panels + 1) / 2;
  s->row_parts = s->pb || s->items * s->column_parts < threads ? MAX(1, MIN(s->row_panels, GEMM_PANELS(wanted, s->column_parts))) : 1;
}

static void gemm_do(const struct gemm_step *s, int threads) {
  const int64_t a_panels = s->pa ? (s->g->a_item ? s->items : 1) * s->row_panels : 0;
  const int64_t panels = s->blocks * (a_panels + (s->pb && !s->g->packed ? s->column_panels : 0)), tasks = s->items * s->row_parts * s->column_parts;
  if (threads > 1) {
    PARALLEL(gemm_pack_task, (void *)s, panels, MAX(1, panels / (8 * threads)));
    PARALLEL(gemm_tile_task, (void *)s, tasks, 1);
  } else {
    gemm_pack_task((void *)s, 0, panels);
    gemm_tile_task((void *)s, 0, tasks);
  }
}

/* C = beta C (alpha A B without depth), and the epilogue. */
static void gemm_empty(const struct gemm *g) {
  for (int64_t item = 0; item < g->items; ++item)
    for (int64_t i = 0; i < g->m; ++i)
      for (int64_t j = 0; j < g->n; ++j) {
        T *const at = g->c + item * g->c_item + i * g->crs + j * g->ccs;
        *at = g->beta == 0 ? 0 : g->beta * *at;
        if (g->epilogue) g->epilogue(g, at, item, i, 1, j, 1);
      }
}

static void gemm_run(const struct gemm *g, int threads) {
  if (g->m <= 0 || g->n <= 0 || g->items <= 0) return;
  if (g->k <= 0) {
    gemm_empty(g);
    return;
  }
  struct gemm_step s = {.g = g};
  s.depth = GEMM_DEPTH(g->k);
  /* Where there are columns enough for all threads, each packs its own: they stay in its second cache. So do few columns' rows. */
  const int64_t all_columns = GEMM_PANELS(g->n, GEMM_NR), all_rows = GEMM_PANELS(g->m, GEMM_MR);
  const int own = !g->packed && g->items * all_columns >= 4 * threads;
  const int own_a = !own && all_columns <= 4 && all_rows >= 4 * threads;
  s.items = own && (!g->a_item || threads == 1) ? (g->a_item ? 1 : g->items) : 1;
  const int64_t most_n = own || g->packed ? g->n : 4096, most_m = own_a ? g->m : 4096;
  const int64_t wide = (own_a ? 0 : MIN(g->m, most_m)) + (own || g->packed ? 0 : MIN(g->n, most_n));
  const int64_t depth = MAX(1, GEMM_BUDGET / ((int64_t)sizeof(T) * MAX(1, wide) * s.depth)) * s.depth;
  for (s.item = 0; s.item < g->items; s.item += s.items)
    for (s.i0 = 0; s.i0 < g->m; s.i0 += most_m)
      for (s.j0 = 0; s.j0 < g->n; s.j0 += most_n)
        for (s.k0 = 0; s.k0 < g->k; s.k0 += depth) {
          s.m = MIN(most_m, g->m - s.i0), s.n = MIN(most_n, g->n - s.j0), s.k = MIN(depth, g->k - s.k0);
          s.row_panels = GEMM_PANELS(s.m, GEMM_MR), s.height = s.m / s.row_panels, s.taller = s.m % s.row_panels;
          s.column_panels = GEMM_PANELS(s.n, GEMM_NR), s.blocks = GEMM_PANELS(s.k, s.depth);
          s.pa = own_a ? 0 : SCRATCH(6, (size_t)(s.blocks * s.row_panels * GEMM_A_PITCH(s.depth)) * sizeof(T));
          if (g->packed) s.pb = (T *)g->packed + s.k0 / s.depth * s.column_panels * GEMM_B_PITCH(s.depth); /* only read */
          else s.pb = own ? 0 : SCRATCH(7, (size_t)(s.blocks * s.column_panels * GEMM_B_PITCH(s.depth)) * sizeof(T));
          gemm_cut(&s, threads);
          gemm_do(&s, threads);
        }
}

static __attribute__((unused)) void gemm_serial(const struct gemm *g) { gemm_run(g, 1); }

static void gemm_item_task(void *context, int64_t begin, int64_t end) {
  struct gemm g = *(const struct gemm *)context;
  g.a += begin * g.a_item, g.b += begin * g.b_item, g.c += begin * g.c_item, g.items = end - begin;
  gemm_run(&g, 1);
}

static __attribute__((unused)) void gemm_parallel(const struct gemm *g) {
  const int threads = fb->threads();
  const double each = (double)g->m * (double)g->n * (double)g->k;
  if (threads == 1 || each * (double)g->items < GEMM_ALONE) gemm_run(g, 1);
  else if (g->items >= 4 * threads && !g->pack_b && !g->epilogue && each < (1 << 26))
    PARALLEL(gemm_item_task, (void *)g, g->items, MAX(1, g->items / (8 * threads)));
  else gemm_run(g, threads);
}

/* Epilogues: g->bias, one for each column or each row of C. */
static __attribute__((unused)) void gemm_add_columns(const struct gemm *g, T *c, int64_t item, int64_t i, int64_t m, int64_t j, int64_t n) {
  (void)item, (void)i;
  for (int64_t p = 0; p < m; ++p)
    if (g->ccs == 1)
      for (int64_t q = 0; q < n; ++q) c[p * g->crs + q] += g->bias[j + q];
    else
      for (int64_t q = 0; q < n; ++q) c[p * g->crs + q * g->ccs] += g->bias[j + q];
}
static __attribute__((unused)) void gemm_add_rows(const struct gemm *g, T *c, int64_t item, int64_t i, int64_t m, int64_t j, int64_t n) {
  (void)item, (void)j;
  for (int64_t p = 0; p < m; ++p)
    for (int64_t q = 0; q < n; ++q) c[p * g->crs + q * g->ccs] += g->bias[i + p];
}
