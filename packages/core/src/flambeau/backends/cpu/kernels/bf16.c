/* types: float */
/* Products of bfloat16 matrices on processors that multiply pairs of them, twice as fast as floats (AVX512_BF16).
 *
 * Two elements that follow each other along K are one float to the rest of this file: packing moves them whole, and
 * one instruction multiplies both pairs and adds both products in float32. Elsewhere `has_pairs` says no, and products.py widens.
 */
#if defined(__AVX512BF16__)
#include <immintrin.h>
#define GEMM_ADD(sum, x, y) ((vec)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(x), (__m512bh)(y)))
#define GEMM_SPLAT(x) ((vec)_mm512_castsi512_ps(_mm512_set1_epi32(bits_of(&(x)))))
static inline int bits_of(const float *x) {
  int bits;
  __builtin_memcpy(&bits, x, 4);
  return bits;
}
#endif
#include "fb_thin.h"

EXPORT int has_pairs(void) {
#if defined(__AVX512BF16__)
  return 1;
#else
  return 0;
#endif
}

INLINE float of_upper(uint16_t x) {
  union { uint32_t bits; float value; } u = {(uint32_t)x << 16};
  return u.value;
}
INLINE uint16_t upper_half(float x) {
  union { float value; uint32_t bits; } u = {x};
  const uint32_t round = (u.bits + 0x7FFF + (u.bits >> 16 & 1)) >> 16, nan = (u.bits >> 16 & 0x8000) | 0x7FC0;
  return (uint16_t)(x != x ? nan : round);
}

struct rows {
  const uint16_t *b;
  int64_t rs, cs, k; /* strides and depth in bfloat16 */
  const uint16_t *bias;
  uint16_t *out;
};

/* A tile of sums whose depth is complete, with the bias of each column, rounded to nearest even. */
static void round_tile(const struct gemm *g, T *c, int64_t item, int64_t i, int64_t m, int64_t j, int64_t n) {
  (void)item;
  const struct rows *s = g->context;
  for (int64_t p = 0; p < m; ++p) {
    uint16_t *RESTRICT to = s->out + (i + p) * g->n + j;
    const T *RESTRICT from = c + p * g->crs;
    if (s->bias) _Pragma("omp simd") for (int64_t q = 0; q < n; ++q) to[q] = upper_half(from[q] + of_upper(s->bias[j + q]));
    else _Pragma("omp simd") for (int64_t q = 0; q < n; ++q) to[q] = upper_half(from[q]);
  }
}

/* B by pairs of rows, whatever its strides. */
static void pack_rows(const struct gemm *g, T *panel, int64_t item, int64_t k0, int64_t k, int64_t j0, int64_t n) {
  (void)item;
  const struct rows *s = g->context;
  for (int64_t p = 0; p < k; ++p) {
    const uint16_t *const low = s->b + 2 * (k0 + p) * s->rs + j0 * s->cs, *const high = low + s->rs;
    uint32_t *const to = (uint32_t *)(void *)(panel + p * GEMM_NR);
    const int two = 2 * (k0 + p) + 1 < s->k;
    if (s->cs == 1 && n == GEMM_NR && two) {
      _Pragma("omp simd") for (int64_t j = 0; j < GEMM_NR; ++j) to[j] = (uint32_t)low[j] | (uint32_t)high[j] << 16;
    } else {
      for (int64_t j = 0; j < n; ++j) to[j] = (uint32_t)low[j * s->cs] | (two ? (uint32_t)high[j * s->cs] << 16 : 0);
      for (int64_t j = n; j < GEMM_NR; ++j) to[j] = 0;
    }
  }
}

/* out = a b + bias (one for each column, or NULL), all bfloat16; sums are made in c, float32. a: rows of `pairs` pairs, `ars` pairs
 * apart; b: k rows with strides brs, bcs in bfloat16; where its columns are such runs of pairs too (brs 1, bcs even, k even) it
 * is read so. */
EXPORT void product(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, const T *b, int64_t brs, int64_t bcs, T *c, const T *bias, void *out)
{
  const int64_t pairs = (k + 1) / 2;
  const struct rows rows = {(const uint16_t *)(const void *)b, brs, bcs, k, (const uint16_t *)(const void *)bias, out};
  struct gemm g = {.m = m, .n = n, .k = pairs, .items = 1, .a = a, .ars = ars, .acs = 1, .c = c, .crs = n, .ccs = 1, .alpha = 1, .context = &rows};
  if (brs == 1 && bcs % 2 == 0 && k % 2 == 0 && (uintptr_t)b % 4 == 0) {
    g.b = b, g.brs = 1, g.bcs = bcs / 2;
    if (pairs > 1 && bcs >= k && ars >= pairs && thin_run(&g, fb->threads())) {
      round_tile(&g, c, 0, 0, m, 0, n);
      return;
    }
  } else {
    g.pack_b = pack_rows;
  }
  g.epilogue = round_tile;
  gemm_parallel(&g);
}
