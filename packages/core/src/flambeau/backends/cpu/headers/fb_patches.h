/* Products of transformed patches with transformed weights, for convolutions in fewer products (Winograd's).
 *
 * Vectors run along the output channels, elements of the patches are broadcast; a tile is some six patches by four vectors.
 */
#ifndef FB_PATCHES_H
#define FB_PATCHES_H
#include "fb_gemm.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")
#define DEPTH 96 /* channels summed up in registers before they go to memory: short sums round less */
#if REGISTERS == 32
#define NV 4   /* vectors of output channels in a tile */
#define MOST 6 /* patches in a tile */
#else
#define NV 3
#define MOST 4
#endif
#define BLOCK (NV * WIDTH)
#define TOGETHER 9 /* tiles of a task, most: a panel of weights stays in the first cache while they pass */

/* sums[i][v] (+)= sum over k of x[i * far + k] * w[k][v] for patches i < count. */
INLINE void tile(const int count, const int nv, int64_t depth, const T *x, int64_t far, const T *RESTRICT w, T *sums, int first) {
  vec sum[MOST][NV];
  const T *from[MOST];
  UNROLL for (int i = 0; i < count; ++i) {
    from[i] = x + i * far;
    UNROLL for (int v = 0; v < nv; ++v) sum[i][v] = (vec){0};
  }
  const int64_t next = depth * nv * WIDTH;
  for (int64_t k = 0; k < depth; ++k, w += nv * WIDTH) {
    vec u[NV];
    UNROLL for (int v = 0; v < nv; ++v) u[v] = load(w + v * WIDTH), __builtin_prefetch(w + next + v * WIDTH, 0, 2); /* the panel after this one */
    UNROLL for (int i = 0; i < count; ++i) {
      const vec a = splat(from[i][k]);
      UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += a * u[v];
    }
  }
  if (!first) {
    UNROLL for (int i = 0; i < count; ++i) UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += load(sums + i * BLOCK + v * WIDTH);
  }
  UNROLL for (int i = 0; i < count; ++i) UNROLL for (int v = 0; v < nv; ++v) store(sums + i * BLOCK + v * WIDTH, sum[i][v]);
}

typedef void tile_kernel(int64_t depth, const T *x, int64_t far, const T *w, T *sums, int first);
#define ONE_TILE(n, nv) \
  static void tile_##n##x##nv(int64_t depth, const T *x, int64_t far, const T *w, T *sums, int first) { tile(n, nv, depth, x, far, w, sums, first); }
#define NAME_TILE(n, nv) tile_##n##x##nv,
#if MOST == 6
#define EACH_COUNT(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v)
#else
#define EACH_COUNT(X, v) X(1, v) X(2, v) X(3, v) X(4, v)
#endif
EACH_COUNT(ONE_TILE, 1) EACH_COUNT(ONE_TILE, 2) EACH_COUNT(ONE_TILE, 3)
#if NV == 4
EACH_COUNT(ONE_TILE, 4)
#endif
static tile_kernel *const tile_kernels[NV][MOST] = {
  {EACH_COUNT(NAME_TILE, 1)}, {EACH_COUNT(NAME_TILE, 2)}, {EACH_COUNT(NAME_TILE, 3)},
#if NV == 4
  {EACH_COUNT(NAME_TILE, 4)},
#endif
};
#endif
