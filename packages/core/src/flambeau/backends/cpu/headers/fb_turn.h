/* Images with their channels first turned into images with their channels last, and back. */
#ifndef FB_TURN_H
#define FB_TURN_H
#include "fb_finish.h"
#include "fb_gemm.h"

#define TURN_UNROLL _Pragma("GCC unroll 16")

/* count planes of `size` elements to `size` rows of `count` elements (pitch apart), and back. */
struct turning {
  const struct finish *finish; /* of planes; NULL: not asked for */
  int64_t first, size, count; /* first: image */
  const T *from;
  T *to;
};

static void channels_to_last(void *context, int64_t begin, int64_t end) {
  const struct turning *g = context;
  const int64_t blocks = (g->size + WIDTH - 1) / WIDTH;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t image = at / blocks, p = at % blocks * WIDTH, there = MIN(WIDTH, g->size - p);
    const T *from = g->from + ((g->first + image) * g->count) * g->size + p;
    T *to = g->to + (image * g->size + p) * g->count;
    for (int64_t k = 0; k < g->count; k += WIDTH) {
      const int64_t n = MIN(WIDTH, g->count - k);
      vec r[GEMM_LANES];
      TURN_UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < n ? load_head(from + (k + i) * g->size, there, 0) : (vec){0};
      gemm_transpose(r);
      if (there == WIDTH && n == WIDTH) { TURN_UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(to + i * g->count + k, r[i]); }
      else for (int64_t i = 0; i < there; ++i) store_head(to + i * g->count + k, r[i], n);
    }
  }
}

static void channels_to_first(void *context, int64_t begin, int64_t end) {
  const struct turning *g = context;
  const int64_t blocks = (g->count + WIDTH - 1) / WIDTH;
  T block[GEMM_LANES * GEMM_LANES] __attribute__((aligned(64)));
  for (int64_t at = begin; at < end; ++at) {
    const int64_t image = at / blocks, k = at % blocks * WIDTH, n = MIN(WIDTH, g->count - k);
    const T *from = g->from + image * g->size * g->count + k;
    for (int64_t p = 0; p < g->size; p += WIDTH) {
      const int64_t there = MIN(WIDTH, g->size - p);
      vec r[GEMM_LANES];
      TURN_UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < there ? load_head(from + (p + i) * g->count, n, 0) : (vec){0};
      gemm_transpose(r);
      TURN_UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(block + i * GEMM_LANES, r[i]);
      finish_rows(g->finish, block, GEMM_LANES, g->to, ((g->first + image) * g->count + k) * g->size + p, g->size, n, there);
    }
  }
}
#endif
