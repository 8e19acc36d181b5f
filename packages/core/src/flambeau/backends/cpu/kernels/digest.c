/* types: uint8_t */
/* A number for the content of memory: the same bytes give the same number, and a change of one element another. */
#include "fb.h"

#define BLOCK (64 << 10) /* bytes */
#define LANES 32
#define PRIME UINT64_C(0x9E3779B97F4A7C15)

struct digest {
  const T *x;
  int64_t bytes;
  uint64_t *parts;
};

static void digest_blocks(void *context, int64_t begin, int64_t end) {
  const struct digest *d = context;
  for (int64_t b = begin; b < end; ++b) {
    const T *x = d->x + b * BLOCK;
    const int64_t n = MIN(BLOCK, d->bytes - b * BLOCK);
    uint64_t h[LANES], w[LANES];
    for (int i = 0; i < LANES; ++i) h[i] = PRIME + (uint64_t)i;
    for (int64_t at = 0; at < n; at += (int64_t)sizeof(w)) {
      if (n - at < (int64_t)sizeof(w)) memset(w, 0, sizeof(w));
      memcpy(w, x + at, (size_t)MIN(n - at, (int64_t)sizeof(w)));
      _Pragma("omp simd") for (int i = 0; i < LANES; ++i) h[i] = (h[i] ^ w[i]) * PRIME;
    }
    uint64_t all = (uint64_t)n;
    for (int i = 0; i < LANES; ++i) all = (all ^ h[i] ^ h[i] >> 29) * PRIME;
    d->parts[b] = all ^ all >> 32;
  }
}
/* `parts` has one number for each 64 KB. */
EXPORT uint64_t digest(const T *x, int64_t bytes, uint64_t *parts) {
  struct digest d = {x, bytes, parts};
  const int64_t blocks = (bytes + BLOCK - 1) / BLOCK;
  PARALLEL(digest_blocks, &d, blocks, 8);
  uint64_t all = PRIME;
  for (int64_t b = 0; b < blocks; ++b) all = (all ^ parts[b]) * PRIME, all ^= all >> 32;
  return all;
}
