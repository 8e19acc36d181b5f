/* types: int64_t */
/* Elements of one kind written as another: rounded to nearest even, cut towards zero, or told from zero, as C does.
 *
 * Kinds are numbered as `copies.KINDS` has them. bfloat16 is read from and written to the upper half of a float.
 */
#include "fb.h"

#ifdef __FLT16_MANT_DIG__
#define HALF _Float16
#else /* no such type here: `has_half` says so, and nobody asks */
#define HALF float
#endif
typedef uint16_t brain;
EXPORT int has_half(void) { return sizeof(HALF) == 2; }

INLINE float from_brain(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float v;
  memcpy(&v, &bits, 4);
  return v;
}
INLINE uint16_t to_brain(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const uint32_t round = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, nan = (bits >> 16 & 0x8000) | 0x7FC0;
  return (uint16_t)(x != x ? nan : round);
}

struct cast {
  void *to;
  const void *from;
};

#define SAME(x) x
#define TRUTH(x) ((x) != 0)
#define TO_BRAIN(x) to_brain((float)(x))
/* A loop from elements F, read by READ, to elements D, written by WRITE. */
#define LOOP(NAME, D, WRITE, F, READ)                                                                                   \
  static void NAME(void *context, int64_t begin, int64_t end) {                                                         \
    const struct cast *c = context;                                                                                     \
    D *RESTRICT to = c->to;                                                                                             \
    const F *RESTRICT from = c->from;                                                                                   \
    _Pragma("omp simd") for (int64_t i = begin; i < end; ++i) to[i] = (D)WRITE(READ(from[i]));                          \
  }
#define FROM(NAME, F, READ)                                                                                             \
  LOOP(NAME##_float, float, SAME, F, READ)                                                                              \
  LOOP(NAME##_double, double, SAME, F, READ)                                                                            \
  LOOP(NAME##_int64, int64_t, SAME, F, READ)                                                                            \
  LOOP(NAME##_int32, int32_t, SAME, F, READ)                                                                            \
  LOOP(NAME##_uint8, uint8_t, SAME, F, READ)                                                                            \
  LOOP(NAME##_bool, uint8_t, TRUTH, F, READ)                                                                            \
  LOOP(NAME##_half, HALF, SAME, F, READ)                                                                                \
  LOOP(NAME##_brain, brain, TO_BRAIN, F, READ)
FROM(float, float, SAME)
FROM(double, double, SAME)
FROM(int64, int64_t, SAME)
FROM(int32, int32_t, SAME)
FROM(uint8, uint8_t, SAME)
FROM(bool, uint8_t, TRUTH)
FROM(half, HALF, (float))
FROM(brain, brain, from_brain)
#define ROW(F) {F##_float, F##_double, F##_int64, F##_int32, F##_uint8, F##_bool, F##_half, F##_brain}
static const fb_task casts[8][8] = {ROW(float), ROW(double), ROW(int64), ROW(int32), ROW(uint8), ROW(bool), ROW(half), ROW(brain)};

EXPORT void cast(int64_t from_kind, int64_t to_kind, void *to, const void *from, int64_t n) {
  struct cast c = {to, from};
  PARALLEL(casts[from_kind][to_kind], &c, n, MIN(MAX(n / 8, 16384), 1 << 18));
}
