/* types: float double */
/* Random numbers from the Mersenne Twister that NumPy keeps, whose state is read and moved on in place.
 *
 * The words are NumPy's words, one after the other; so are the numbers made of them (runtime/random.py), to the last bit. No product
 * that must round by itself is followed by an addition, as the compiler may join the two.
 */
#include "fb_twister.h"

#if defined(T_FLOAT32)
#define FMA __builtin_fmaf
#else
#define FMA __builtin_fma
#endif
#define CHUNK 8192 /* words that are made at a time; they stay in the first cache */

/* value where 53 random bits are less than `below`, else 0. */
EXPORT void coins(void *state, T *out, int64_t n, int64_t below, T value) {
  uint32_t *made = SCRATCH(0, CHUNK * sizeof(uint32_t));
  for (int64_t first = 0; first < n; first += CHUNK / 2) {
    const int64_t m = MIN(CHUNK / 2, n - first);
    words(state, made, 2 * m);
    const pair *two = (const pair *)made;
    T *RESTRICT to = out + first;
#pragma omp simd
    for (int64_t i = 0; i < m; ++i) to[i] = (int64_t)bits53(two[i]) < below ? value : 0;
  }
}

/* m numbers in [0, 1), of 24 random bits or (double) of 53. made: room for the words. */
INLINE void units(struct state *s, T *RESTRICT to, int64_t m, uint32_t *made) {
#if defined(T_FLOAT32)
  words(s, made, m);
#pragma omp simd
  for (int64_t i = 0; i < m; ++i) to[i] = (T)(int32_t)(made[i] & 0xffffffu) * 0x1p-24f;
#else
  words(s, made, 2 * m);
  const pair *two = (const pair *)made;
#pragma omp simd
  for (int64_t i = 0; i < m; ++i) to[i] = (T)(int64_t)bits53(two[i]) * 0x1p-53;
#endif
}
/* In [low, low + width): unit, unit * width or unit * width + low, rounded once; what is then `high` becomes low where `closed`. */
EXPORT void uniforms(void *state, T *out, int64_t n, T low, T width, T high, int closed) {
  uint32_t *made = SCRATCH(0, CHUNK * sizeof(uint32_t));
  for (int64_t first = 0; first < n; first += CHUNK / 2) {
    const int64_t m = MIN(CHUNK / 2, n - first);
    T *RESTRICT to = out + first;
    units(state, to, m, made);
    if (low != 0) {
#pragma omp simd
      for (int64_t i = 0; i < m; ++i) to[i] = FMA(to[i], width, low);
    } else if (width != 1) {
      for (int64_t i = 0; i < m; ++i) to[i] *= width;
    }
    if (closed)
      for (int64_t i = 0; i < m; ++i) to[i] = to[i] == high ? low : to[i];
  }
}

/* n whole numbers: base and what is left of a word divided by `size`. */
EXPORT void remainders(void *state, int64_t *out, int64_t n, int64_t size, int64_t base) {
  uint32_t *made = SCRATCH(0, CHUNK * sizeof(uint32_t));
  for (int64_t first = 0; first < n; first += CHUNK) {
    const int64_t m = MIN(CHUNK, n - first);
    words(state, made, m);
    for (int64_t i = 0; i < m; ++i) out[first + i] = base + (int64_t)(made[i] % (uint32_t)size);
  }
}

/* 0 ... n - 1 in random order: each place in turn changes with one of those from it on. Places are fetched some words ahead. */
EXPORT void permutation(void *state, int64_t *out, int64_t n) {
  uint32_t *made = SCRATCH(0, CHUNK * sizeof(uint32_t));
  for (int64_t i = 0; i < n; ++i) out[i] = i;
  for (int64_t first = 0; first < n - 1; first += CHUNK) {
    const int64_t m = MIN(CHUNK, n - 1 - first);
    words(state, made, m);
    for (int64_t i = 0; i < m; ++i) made[i] %= (uint32_t)(n - first - i);
    for (int64_t i = 0; i < m; ++i) {
      if (i + 16 < m) __builtin_prefetch(out + first + i + 16 + made[i + 16], 1);
      int64_t *const here = out + first + i, *const there = here + made[i], was = *here;
      *here = *there, *there = was;
    }
  }
}
