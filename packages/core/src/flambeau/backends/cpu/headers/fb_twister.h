/* The Mersenne Twister that NumPy keeps, whose state is read and moved on in place: its words, and the bits of numbers in [0, 1). */
#ifndef FB_TWISTER
#define FB_TWISTER
#include "fb.h"

#define WORDS 624
#define AHEAD 397

struct state { uint32_t key[WORDS]; int pos; };
typedef uint64_t pair __attribute__((may_alias));

INLINE uint32_t twisted(uint32_t a, uint32_t b, uint32_t far) {
  const uint32_t y = (a & 0x80000000u) | (b & 0x7fffffffu);
  return far ^ (y >> 1) ^ ((uint32_t) - (int32_t)(b & 1) & 0x9908b0dfu);
}
static void twist(uint32_t *key) {
#pragma omp simd safelen(64)
  for (int i = 0; i < WORDS - AHEAD; ++i) key[i] = twisted(key[i], key[i + 1], key[i + AHEAD]);
#pragma omp simd safelen(64)
  for (int i = WORDS - AHEAD; i < WORDS - 1; ++i) key[i] = twisted(key[i], key[i + 1], key[i + AHEAD - WORDS]);
  key[WORDS - 1] = twisted(key[WORDS - 1], key[0], key[AHEAD - 1]);
}
static void words(struct state *s, uint32_t *RESTRICT out, int64_t n) {
  while (n > 0) {
    if (s->pos >= WORDS) twist(s->key), s->pos = 0;
    const int64_t m = MIN(n, WORDS - s->pos);
    const uint32_t *key = s->key + s->pos;
#pragma omp simd
    for (int64_t i = 0; i < m; ++i) {
      uint32_t y = key[i];
      y ^= y >> 11;
      y ^= (y << 7) & 0x9d2c5680u;
      y ^= (y << 15) & 0xefc60000u;
      out[i] = y ^ (y >> 18);
    }
    s->pos += (int)m, out += m, n -= m;
  }
}
INLINE uint64_t bits53(uint64_t two) { return ((two << 32) | (two >> 32)) & ((UINT64_C(1) << 53) - 1); }
#endif
