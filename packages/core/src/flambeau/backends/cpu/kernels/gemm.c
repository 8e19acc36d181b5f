/* types: float double */
/* Products of matrices for the operators of ops/matrix.py. */
#include "fb_gemm.h"

EXPORT void product(int64_t items, int64_t m, int64_t n, int64_t k, const T *a, int64_t a_item, int64_t ars, int64_t acs, const T *b, int64_t b_item, int64_t brs, int64_t bcs, T *c, const T *bias)
{
  const struct gemm g = {.m = m, .n = n, .k = k, .items = items, .a = a, .b = b, .c = c, .ars = ars, .acs = acs, .brs = brs, .bcs = bcs,
    .crs = n, .ccs = 1, .a_item = a_item, .b_item = b_item, .c_item = m * n, .alpha = 1, .beta = 0, .epilogue = bias ? gemm_add_columns : 0, .bias = bias};
  gemm_parallel(&g);
}
