/* types: float double */
/* Products of matrices for the operators of ops/matrix.py (products.py).
 *
 * The choice: few rows or columns are streamed past (fb_thin.h); a small result of a long sum is summed in pieces of K,
 * which threads share; all else is packed and tiled (fb_gemm.h).
 */
#include "fb_thin.h"

#define LONG 8192                /* a sum is long from two of these on, the depth of a piece */
#define SMALL (4 * GEMM_MR * GEMM_NR) /* elements of a result that is small: four tiles */

static void run(const struct gemm *g)
{
  if (g->m <= 0 || g->n <= 0 || g->items <= 0) return;
  const double work = (double)g->m * (double)g->n * (double)g->k * (double)g->items;
  /* Of few rows the memory counts, not the multiplications. */
  const int few = g->m <= THIN || g->n <= THIN;
  const int threads = work < (few ? 65536 : GEMM_ALONE) ? 1 : fb->threads();
  if (few && thin_run(g, threads)) return;
  if (threads == 1) gemm_serial(g);
  else gemm_parallel(g);
}

/* The sum in pieces: products of their own, added in order. */
static void run_long(const struct gemm *g)
{
  const int64_t pieces = g->k / LONG, size = g->m * g->n;
  T *const sums = SCRATCH(5, (size_t)(pieces * size) * sizeof(T));
  struct gemm piece = *g;
  piece.k = LONG, piece.items = pieces, piece.a_item = LONG * g->acs, piece.b_item = LONG * g->brs;
  piece.c = sums, piece.c_item = size, piece.crs = g->n, piece.ccs = 1, piece.epilogue = 0, piece.bias = 0;
  run(&piece);
  struct gemm rest = *g;
  rest.k = g->k - pieces * LONG, rest.a += pieces * piece.a_item, rest.b += pieces * piece.b_item;
  run(&rest);
  for (int64_t piece = 0; piece < pieces; ++piece)
    for (int64_t i = 0; i < g->m; ++i)
      for (int64_t j = 0; j < g->n; ++j) g->c[i * g->crs + j * g->ccs] += sums[piece * size + i * g->n + j];
}

/* c = a b + bias (one for each column, or NULL), c contiguous. */
EXPORT void product(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs, const T *b, int64_t brs, int64_t bcs, T *c, const T *bias)
{
  const struct gemm g = {.m = m, .n = n, .k = k, .items = 1, .a = a, .b = b, .c = c, .ars = ars, .acs = acs, .brs = brs, .bcs = bcs,
    .crs = n, .ccs = 1, .alpha = 1, .beta = 0, .epilogue = bias ? gemm_add_columns : 0, .bias = bias};
  if (k >= 2 * LONG && m * n <= SMALL) run_long(&g);
  else run(&g);
}

/* The same for `items` products without bias, which lie a_item, b_item and c_item elements apart. */
EXPORT void products(int64_t items, int64_t m, int64_t n, int64_t k, const T *a, int64_t a_item, int64_t ars, int64_t acs, const T *b, int64_t b_item, int64_t brs, int64_t bcs, T *c, int64_t c_item)
{
  const struct gemm g = {.m = m, .n = n, .k = k, .items = items, .a = a, .b = b, .c = c, .ars = ars, .acs = acs, .brs = brs, .bcs = bcs,
    .crs = n, .ccs = 1, .a_item = a_item, .b_item = b_item, .c_item = c_item, .alpha = 1, .beta = 0};
  run(&g);
}
