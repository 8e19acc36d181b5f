/* Products of transformed patches with transformed weights, for convolutions in fewer products (Winograd's).
 *
 * Vectors run along the output channels, elements of the patches are broadcast; a tile is some six patches by four vectors, or twelve
 * by one.
 */
#ifndef FB_PATCHES_H
#define FB_PATCHES_H
#include "fb_gemm.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")
#define DEPTH 96 /* channels summed up in registers before they go to memory: short sums round less */
#if REGISTERS == 32
#define NV 4   /* vectors of output channels in a tile */
#define MOST 6 /* patches in a tile; of one vector twice as many */
#else
#define NV 3
#define MOST 4
#endif
#define BLOCK (NV * WIDTH)
#define TOGETHER 9 /* tiles of a task, most: a panel of weights stays in the first cache while they pass */

/* sums[i][v] (+)= sum over pieces and k < depth of x[at[i] + piece[..] + k] * w[..][k][v] for patches i < count. */
INLINE int64_t most_of(int64_t nv) { return nv == 1 ? 2 * MOST : MOST; }
INLINE void tile(const int count, const int nv, int64_t pieces, int64_t depth, const T *x, const int64_t *RESTRICT at, const int64_t *RESTRICT piece, const T *RESTRICT w, T *sums, int first) {
  vec sum[2 * MOST][NV];
  UNROLL for (int i = 0; i < count; ++i) UNROLL for (int v = 0; v < nv; ++v) sum[i][v] = (vec){0};
  const int64_t next = pieces * depth * nv * WIDTH;
  for (int64_t p = 0; p < pieces; ++p) {
    const T *from[2 * MOST];
    UNROLL for (int i = 0; i < count; ++i) from[i] = x + at[i] + piece[p];
    for (int64_t k = 0; k < depth; ++k, w += nv * WIDTH) {
      vec u[NV];
      UNROLL for (int v = 0; v < nv; ++v) {
        u[v] = load(w + v * WIDTH);
        if (nv > 1) __builtin_prefetch(w + next + v * WIDTH, 0, 2); /* the panel after this one; one vector leaves no loads free */
      }
      UNROLL for (int i = 0; i < count; ++i) {
        const vec a = splat(from[i][k]);
        UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += a * u[v];
      }
    }
  }
  if (!first) {
    UNROLL for (int i = 0; i < count; ++i) UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += load(sums + (i * nv + v) * WIDTH);
  }
  UNROLL for (int i = 0; i < count; ++i) UNROLL for (int v = 0; v < nv; ++v) store(sums + (i * nv + v) * WIDTH, sum[i][v]);
}

typedef void tile_kernel(int64_t pieces, int64_t depth, const T *x, const int64_t *at, const int64_t *piece, const T *w, T *sums, int first);
#define ONE_TILE(n, nv) \
  static void tile_##n##x##nv(int64_t pieces, int64_t depth, const T *x, const int64_t *at, const int64_t *piece, const T *w, T *sums, int first) { tile(n, nv, pieces, depth, x, at, piece, w, sums, first); }
#define NAME_TILE(n, nv) tile_##n##x##nv,
#if MOST == 6
#define EACH_COUNT(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v)
#else
#define EACH_COUNT(X, v) X(1, v) X(2, v) X(3, v) X(4, v)
#endif
#if MOST == 6
#define EACH_OF_ONE(X) EACH_COUNT(X, 1) X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1)
#else
#define EACH_OF_ONE(X) EACH_COUNT(X, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1)
#endif
EACH_OF_ONE(ONE_TILE) EACH_COUNT(ONE_TILE, 2) EACH_COUNT(ONE_TILE, 3)
#if NV == 4
EACH_COUNT(ONE_TILE, 4)
#endif
static tile_kernel *const tile_kernels[NV][2 * MOST] = {
  {EACH_OF_ONE(NAME_TILE)}, {EACH_COUNT(NAME_TILE, 2)}, {EACH_COUNT(NAME_TILE, 3)},
#if NV == 4
  {EACH_COUNT(NAME_TILE, 4)},
#endif
};
#endif
