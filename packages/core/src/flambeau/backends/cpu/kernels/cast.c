/* types: int64_t */
/* Elements of one kind written as another: rounded to nearest even, cut towards zero, or told from zero, as C does.
 *
 * Kinds are numbered as `copies.KINDS` has them. bfloat16 is the upper half of a float.
 */
#include "fb.h"

typedef uint16_t half;
typedef uint16_t brain;

INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}
INLINE float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
/* Halves by whole numbers, which every compiler vectorises. One choice at a time. */
INLINE float from_half(uint16_t x) {
  const uint32_t size = (uint32_t)(x & 0x7FFF) << 13, sign = (uint32_t)(x & 0x8000) << 16;
  const uint32_t usual = size + (112u << 23), small = bits_of(float_of(size + (113u << 23)) - float_of(113u << 23));
  const uint32_t unbound = size > 0x7C00u << 13 ? (usual + (112u << 23)) | 0x400000 : usual + (112u << 23);
  const uint32_t finite = size < 0x400u << 13 ? small : usual;
  return float_of(sign | (size >= 0x7C00u << 13 ? unbound : finite));
}
INLINE uint16_t to_half(float x) {
  const uint32_t bits = bits_of(x), size = bits & 0x7FFFFFFF, sign = bits >> 16 & 0x8000;
  const uint32_t usual = (size - (112u << 23) + 0xFFF + (size >> 13 & 1)) >> 13; /* to nearest, ties to even */
  const uint32_t small = bits_of(float_of(size) + 0.5f) - (126u << 23);          /* below 2^-14: half is one unit */
  const uint32_t nan = 0x7E00 | (size >> 13 & 0x1FF);
  const uint32_t finite = size < 113u << 23 ? small : usual;
  const uint32_t unbound = size > 255u << 23 ? nan : 0x7C00;
  return (uint16_t)(sign | (size >= 143u << 23 ? unbound : finite));
}
/* A double as the float next to it towards zero with its last bit set, where it is none: rounding that is rounding it once. */
INLINE float odd_float(double x) {
  const float near = (float)x;
  const uint32_t bits = bits_of(near);
  const int beyond = fabs((double)near) > fabs(x), other = (double)near != x;
  const float odd = float_of((bits - (uint32_t)beyond) | 1);
  const int whole = !other | (x != x);
  return whole ? near : odd;
}

INLINE float from_brain(uint16_t x) {
  return float_of((uint32_t)x << 16);
}
INLINE uint16_t to_brain(float x) {
  const uint32_t bits = bits_of(x);
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
#define TO_HALF(x) to_half(odd_float((double)(x)))
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
  LOOP(NAME##_half, half, TO_HALF, F, READ)                                                                             \
  LOOP(NAME##_brain, brain, TO_BRAIN, F, READ)
#undef TO_HALF
#define TO_HALF(x) to_half(x)
FROM(float, float, SAME)
FROM(half, half, from_half)
FROM(brain, brain, from_brain)
#undef TO_HALF
#define TO_HALF(x) to_half(odd_float((double)(x)))
FROM(double, double, SAME)
FROM(int64, int64_t, SAME)
FROM(int32, int32_t, SAME)
FROM(uint8, uint8_t, SAME)
FROM(bool, uint8_t, TRUTH)
#define ROW(F) {F##_float, F##_double, F##_int64, F##_int32, F##_uint8, F##_bool, F##_half, F##_brain}
static const fb_task casts[8][8] = {ROW(float), ROW(double), ROW(int64), ROW(int32), ROW(uint8), ROW(bool), ROW(half), ROW(brain)};

EXPORT void cast(int64_t from_kind, int64_t to_kind, void *to, const void *from, int64_t n) {
  struct cast c = {to, from};
  PARALLEL(casts[from_kind][to_kind], &c, n, MIN(MAX(n / 8, 16384), 1 << 18));
}
