/* Elements E in memory that are computed as T: the same type, or float16 or bfloat16 and float.
 *
 * A file made for halves too (`types: float double half brain`) has `E *` where its arrays are, and T everywhere else: load,
 * store and their heads convert where the pointer says so, `wide` and `narrow` are one element. Rounded to nearest, ties to even;
 * NaN stays one. float16 has instructions with AVX-512 and is made of whole numbers elsewhere; bfloat16 is the upper half of a float.
 */
#ifndef FB_HALF_H
#define FB_HALF_H

#if !defined(E_FLOAT16) && !defined(E_BFLOAT16)
typedef T E;
#define FB_HALVES 0
INLINE T wide(E x) { return x; }
INLINE E narrow(T x) { return x; }
#else
typedef uint16_t E;
#define FB_HALVES 1
#include "fb_vec.h"
typedef uint32_t bits_vec __attribute__((vector_size(VECTOR_BYTES)));
typedef E narrow_vec __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef E narrow_vec_u __attribute__((vector_size(VECTOR_BYTES / 2), aligned(2), may_alias));

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
/* One choice at a time, which compilers vectorise. */
#if defined(E_BFLOAT16)
INLINE T wide(E x) { return float_of((uint32_t)x << 16); }
INLINE E narrow(T x) {
  const uint32_t bits = bits_of(x), round = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, nan = (bits >> 16 & 0x8000) | 0x7FC0;
  return (E)(x != x ? nan : round);
}
#else
INLINE T wide(E x) {
  const uint32_t size = (uint32_t)(x & 0x7FFF) << 13, sign = (uint32_t)(x & 0x8000) << 16;
  const uint32_t usual = size + (112u << 23), small = bits_of(float_of(size + (113u << 23)) - float_of(113u << 23));
  const uint32_t unbound = size > 0x7C00u << 13 ? (usual + (112u << 23)) | 0x400000 : usual + (112u << 23);
  const uint32_t finite = size < 0x400u << 13 ? small : usual;
  return float_of(sign | (size >= 0x7C00u << 13 ? unbound : finite));
}
INLINE E narrow(T x) {
  const uint32_t bits = bits_of(x), size = bits & 0x7FFFFFFF, sign = bits >> 16 & 0x8000;
  const uint32_t usual = (size - (112u << 23) + 0xFFF + (size >> 13 & 1)) >> 13;
  const uint32_t small = bits_of(float_of(size) + 0.5f) - (126u << 23); /* below 2^-14: half is one unit */
  const uint32_t nan = 0x7E00 | (size >> 13 & 0x1FF);
  const uint32_t finite = size < 113u << 23 ? small : usual;
  const uint32_t unbound = size > 255u << 23 ? nan : 0x7C00;
  return (E)(sign | (size >= 143u << 23 ? unbound : finite));
}
#endif

INLINE vec widened_vec(narrow_vec v) {
#if defined(E_BFLOAT16) && defined(__AVX512F__) /* gcc 12 widens by halves and joins them */
  return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)v), 16);
#elif defined(E_BFLOAT16)
  return (vec)(__builtin_convertvector(v, bits_vec) << 16);
#elif defined(__AVX512F__)
  return (vec)_mm512_cvtph_ps((__m256i)v);
#else
  vec made;
  for (int64_t i = 0; i < WIDTH; ++i) made[i] = wide(v[i]);
  return made;
#endif
}
INLINE narrow_vec narrowed_vec(vec v) {
#if defined(E_BFLOAT16)
  const bits_vec bits = (bits_vec)v, round = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, nan = (bits >> 16 & 0x8000) | 0x7FC0;
  const bits_vec odd = (bits_vec)(v != v), all = (odd & nan) | (~odd & round);
#if defined(__AVX512F__)
  return (narrow_vec)_mm512_cvtepi32_epi16((__m512i)all);
#else
  return __builtin_convertvector(all, narrow_vec);
#endif
#elif defined(__AVX512F__)
  return (narrow_vec)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  narrow_vec made;
  for (int64_t i = 0; i < WIDTH; ++i) made[i] = narrow(v[i]);
  return made;
#endif
}

INLINE vec load_half(const E *p) { return widened_vec(*(const narrow_vec_u *)p); }
INLINE void store_half(E *p, vec v) { *(narrow_vec_u *)p = narrowed_vec(v); }
INLINE vec load_half_head(const E *p, int64_t n, T rest) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  const __mmask16 part = (__mmask16)((1u << n) - 1);
  return (vec)_mm512_mask_mov_ps(_mm512_set1_ps(rest), part, (__m512)widened_vec((narrow_vec)_mm256_maskz_loadu_epi16(part, p)));
#else
  vec v = splat(rest);
  for (int64_t i = 0; i < n; ++i) v[i] = wide(p[i]);
  return v;
#endif
}
INLINE void store_half_head(E *p, vec v, int64_t n) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), (__m256i)narrowed_vec(v));
#else
  for (int64_t i = 0; i < n; ++i) p[i] = narrow(v[i]);
#endif
}
/* Past the cache halves are never written: 0 of `past`. */
INLINE void stream_half(E *p, vec v) { store_half(p, v); }

#define FB_BY_POINTER(p, of_half, plain) _Generic((p), const E *: of_half, E *: of_half, default: plain)
#define load(p) FB_BY_POINTER(p, load_half, load)(p)
#define store(p, v) FB_BY_POINTER(p, store_half, store)(p, v)
#define load_head(p, n, rest) FB_BY_POINTER(p, load_half_head, load_head)(p, n, rest)
#define store_head(p, v, n) FB_BY_POINTER(p, store_half_head, store_head)(p, v, n)
#define stream(p, v) FB_BY_POINTER(p, stream_half, stream)(p, v)
#define before_aligned(p, n) 0
#endif
#endif
