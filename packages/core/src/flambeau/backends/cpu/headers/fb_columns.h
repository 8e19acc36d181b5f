/* Tiles of products of weights and columns, and columns packed for a tile's positions (fb_windows.h has the planes they are in). */
#ifndef FB_COLUMNS_H
#define FB_COLUMNS_H
#include "fb_windows.h"

#if VECTOR_BYTES == 64 || defined(__aarch64__)
#define ROWS 8
#else
#define ROWS 4
#endif
#define VECTORS 3
#define TILE (VECTORS * WIDTH)
#define MOST_TILE (3 * VECTOR_BYTES / 4)
#define UNROLL _Pragma("GCC unroll 16")

/* -- the tile ------------------------------------------------------------------------------------------------------- */

/* c[i][v] (+)= sum over the taps (of all channels at hand) of a[tap][i] * b[offset[tap] + v]. */
INLINE void tile(const int rows, const int nv, const T *RESTRICT a, const T *b, const int64_t *RESTRICT offset, int64_t taps, T *c, int64_t ldc, int first, const T *bias) {
  vec sum[ROWS][VECTORS];
  if (first) {
    UNROLL for (int i = 0; i < rows; ++i) {
      UNROLL for (int v = 0; v < nv; ++v) __builtin_prefetch(c + i * ldc + v * WIDTH, 1);
      const vec start = bias ? splat(bias[i]) : (vec){0};
      UNROLL for (int v = 0; v < nv; ++v) sum[i][v] = start;
    }
  } else {
    UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int v = 0; v < nv; ++v) sum[i][v] = (vec){0};
  }
  for (int64_t t = 0; t < taps; ++t, a += ROWS) {
    const T *from = b + offset[t];
    vec x[VECTORS];
    UNROLL for (int v = 0; v < nv; ++v) x[v] = load(from + v * WIDTH);
    UNROLL for (int i = 0; i < rows; ++i) {
      const vec k = splat(a[i]);
      UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += k * x[v];
    }
  }
  if (!first) { /* at the end: many short sums round less than a long one */
    UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += load(c + i * ldc + v * WIDTH);
  }
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int v = 0; v < nv; ++v) store(c + i * ldc + v * WIDTH, sum[i][v]);
}

typedef void tile_kernel(const T *a, const T *b, const int64_t *offset, int64_t taps, T *c, int64_t ldc, int first, const T *bias);
#define ONE_TILE(rows, nv) \
  static void tile_##rows##x##nv(const T *a, const T *b, const int64_t *offset, int64_t taps, T *c, int64_t ldc, int first, const T *bias) { \
    tile(rows, nv, a, b, offset, taps, c, ldc, first, bias); \
  }
#define NAME_TILE(rows, nv) tile_##rows##x##nv,
#if ROWS == 8
#define EACH_ROWS(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v) X(7, v) X(8, v)
#else
#define EACH_ROWS(X, v) X(1, v) X(2, v) X(3, v) X(4, v)
#endif
EACH_ROWS(ONE_TILE, 1)
EACH_ROWS(ONE_TILE, 2)
EACH_ROWS(ONE_TILE, 3)
static tile_kernel *const tile_kernels[VECTORS][ROWS] = {{EACH_ROWS(NAME_TILE, 1)}, {EACH_ROWS(NAME_TILE, 2)}, {EACH_ROWS(NAME_TILE, 3)}};

/* -- positions ------------------------------------------------------------------------------------------------------ */

/* A stretch of positions in one row of the grid: where it stands in the tile and in the planes, and which positions it holds. */
struct stretch {
  int64_t at, count, from, image, d, h, w;
};
struct positions {
  int64_t stretches, count; /* count: columns of the tile in use, from the first to the last */
  struct stretch s[MOST_TILE];
};

/* The positions of tile number `tile`, of all `now` images counted one after the other. */
static void dense_positions(const struct plan *plan, const struct part *p, int64_t now, int64_t tile, struct positions *found) {
  const int64_t *n = p->grid, plane = n[0] * n[1] * n[2], image_stride = plan->groups * plan->channels * plan->frame.plane;
  const int64_t begin = tile * TILE, end = MIN(begin + TILE, now * plane);
  struct stretch *s = found->s;
  found->stretches = 0, found->count = end - begin;
  for (int64_t q = begin; q < end; q += s[-1].count, ++found->stretches) {
    const int64_t image = q / plane, r = q % plane, w = r % n[2], h = r / n[2] % n[1], d = r / n[2] / n[1];
    *s++ = (struct stretch){q - begin, MIN(n[2] - w, end - q), image * image_stride + d * plan->pitch[0] + h * plan->pitch[1] + w, image, d, h, w};
  }
}

/* The columns of a tile's positions: to[(channel * taps + tap) * TILE + column]. */
static void pack_columns(const struct part *p, const struct positions *q, const T *planes, int64_t plane, int64_t channels, T *RESTRICT to, int exact) {
  for (int64_t channel = 0; channel < channels; ++channel, planes += plane)
    for (int64_t t = 0; t < p->taps; ++t, to += TILE) {
      const T *from = planes + p->offset[t];
      for (int64_t i = 0; i < q->stretches; ++i) {
        const struct stretch *s = q->s + i;
        const T *f = from + s->from;
        T *g = to + s->at;
        int64_t v = 0;
        for (; v + WIDTH <= s->count; v += WIDTH) store(g + v, load(f + v));
        if (v == s->count) continue;
        if (exact) store_head(g + v, load_head(f + v, s->count - v, 0), s->count - v);
        else store(g + v, load(f + v)); /* what is too much is written over by the next stretch, or not looked at */
      }
    }
}

#endif
