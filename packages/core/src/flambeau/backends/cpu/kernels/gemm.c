/* types: float double */
/* Products of matrices for the operators of ops/matrix.py (products.py).
 *
 * The choice: few rows or columns are streamed past (fb_thin.h); a small result of a long sum is summed in pieces of K,
 * which threads share; some hundred rows are multiplied where they lie (fb_direct.h); all else is packed and tiled (fb_gemm.h).
 */
#include "fb_thin.h"
#include "fb_direct.h"

#define SMALL (1 << 14) /* elements of a result that is small */

/* The depth of a piece of a long sum: 2^20 multiply-adds, but 1 K to 4 K deep. */
static int64_t piece_depth(int64_t m, int64_t n) { return MAX(1 << 10, MIN(1 << 12, (1 << 20) / MAX(1, m * n))); }

static void run(const struct gemm *g)
{
  if (g->m <= 0 || g->n <= 0 || g->items <= 0) return;
  const double work = (double)g->m * (double)g->n * (double)g->k * (double)g->items;
  /* Of few rows the memory counts, not the multiplications. */
  const int few = g->m <= THIN || g->n <= THIN;
  const int threads = work < (few ? 65536 : GEMM_ALONE) ? 1 : fb->threads();
  if (few && thin_run(g, threads)) return;
  if (direct_run(g, threads)) return;
  if (threads == 1) gemm_serial(g);
  else gemm_parallel(g);
}

struct pieces {
  const struct gemm *g;
  int64_t depth;
  T *sums; /* the piece's own results */
};

static void piece_task(void *context, int64_t begin, int64_t end)
{
  const struct pieces *s = context;
  for (int64_t t = begin; t < end; ++t) {
    struct gemm piece = *s->g;
    piece.k = MIN(s->depth, piece.k - t * s->depth), piece.a += t * s->depth * piece.acs, piece.b += t * s->depth * piece.brs;
    piece.c = s->sums + t * piece.m * piece.n, piece.crs = piece.n, piece.ccs = 1, piece.epilogue = 0, piece.bias = 0;
    if (!thin_run(&piece, 1)) gemm_serial(&piece);
  }
}

/* A long sum: pieces of K are products of their own, added in order. */
static void run_long(const struct gemm *g)
{
  const int64_t depth = piece_depth(g->m, g->n), count = GEMM_PANELS(g->k, depth), size = g->m * g->n;
  T *const sums = SCRATCH(5, (size_t)(count * size) * sizeof(T));
  const struct pieces s = {g, depth, sums};
  PARALLEL(piece_task, (void *)&s, count, MAX(1, count / (8 * fb->threads())));
  for (int64_t i = 0; i < g->m; ++i)
    for (int64_t j = 0; j < g->n; ++j) g->c[i * g->n + j] = g->bias ? g->bias[j] : 0;
  for (int64_t t = 0; t < count; ++t)
    for (int64_t i = 0; i < size; ++i) g->c[i] += sums[t * size + i];
}

/* c = a b + bias (one for each column, or NULL), c contiguous. */
EXPORT void product(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs, const T *b, int64_t brs, int64_t bcs, T *c, const T *bias)
{
  const struct gemm g = {.m = m, .n = n, .k = k, .items = 1, .a = a, .b = b, .c = c, .ars = ars, .acs = acs, .brs = brs, .bcs = bcs,
    .crs = n, .ccs = 1, .alpha = 1, .beta = 0, .epilogue = bias ? gemm_add_columns : 0, .bias = bias};
  if (m * n <= SMALL && k >= 16 * MAX(m, n) && k >= 4 * piece_depth(m, n)) run_long(&g);
  else run(&g);
}

/* The same for `items` products without bias, which lie a_item, b_item and c_item elements apart. */
EXPORT void products(int64_t items, int64_t m, int64_t n, int64_t k, const T *a, int64_t a_item, int64_t ars, int64_t acs, const T *b, int64_t b_item, int64_t brs, int64_t bcs, T *c, int64_t c_item)
{
  const struct gemm g = {.m = m, .n = n, .k = k, .items = items, .a = a, .b = b, .c = c, .ars = ars, .acs = acs, .brs = brs, .bcs = bcs,
    .crs = n, .ccs = 1, .a_item = a_item, .b_item = b_item, .c_item = c_item, .alpha = 1, .beta = 0};
  run(&g);
}
