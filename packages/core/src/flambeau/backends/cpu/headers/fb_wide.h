/* Vectors of 16 floats for generated loops (`ir/wide.py`), where the processor has them: FB_WIDE says so.
 *
 * The functions compute what those of fb_math.h do, by the same polynomials: NaN, infinities, signed zeros and subnormal numbers are as
 * there, and results differ by a unit in the last place at most.
 */
#ifndef FB_WIDE_H
#define FB_WIDE_H
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define FB_WIDE 1
#include <immintrin.h>

typedef __m512 fbw;
typedef __mmask16 fbw_mask;
#define FBW static inline __attribute__((always_inline))

FBW fbw fbw_all(float x) { return _mm512_set1_ps(x); }
FBW fbw fbw_load(const float *p) { return _mm512_loadu_ps(p); }
FBW fbw fbw_load_part(const float *p, fbw_mask part) { return _mm512_maskz_loadu_ps(part, p); }
FBW void fbw_store(float *p, fbw v) { _mm512_storeu_ps(p, v); }
FBW void fbw_store_part(float *p, fbw v, fbw_mask part) { _mm512_mask_storeu_ps(p, part, v); }
FBW void fbw_stream(float *p, fbw v) { _mm512_stream_ps(p, v); }
/* Bools are bytes in memory, 0 or not. */
FBW fbw_mask fbw_all_mask(uint8_t x) { return x ? 0xFFFF : 0; }
FBW fbw_mask fbw_load_mask(const void *p) {
  const __m128i v = _mm_loadu_si128((const __m128i *)p);
  return _mm_test_epi8_mask(v, v);
}
FBW fbw_mask fbw_load_mask_part(const void *p, fbw_mask part) {
  const __m128i v = _mm_maskz_loadu_epi8(part, p);
  return _mm_test_epi8_mask(v, v);
}
FBW void fbw_store_mask(void *p, fbw_mask v) { _mm_storeu_si128((__m128i *)p, _mm_maskz_set1_epi8(v, 1)); }
FBW void fbw_store_mask_part(void *p, fbw_mask v, fbw_mask part) { _mm_mask_storeu_epi8(p, part, _mm_maskz_set1_epi8(v, 1)); }

/* bfloat16 is the upper half of a float; rounded to nearest even, NaN to the quiet one. */
FBW fbw fbw_of_brain(__m256i v) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16)); }
FBW __m256i fbw_to_brain(fbw x) {
  const __m512i bits = _mm512_castps_si512(x), upper = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
  const __m512i round = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd), 16);
  const __m512i nan = _mm512_or_si512(_mm512_and_si512(upper, _mm512_set1_epi32(0x8000)), _mm512_set1_epi32(0x7FC0));
  return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(round, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), nan));
}
FBW fbw fbw_all_brain(uint16_t x) { return fbw_of_brain(_mm256_set1_epi16((short)x)); }
FBW fbw fbw_load_brain(const uint16_t *p) { return fbw_of_brain(_mm256_loadu_si256((const __m256i *)p)); }
FBW fbw fbw_load_brain_part(const uint16_t *p, fbw_mask part) { return fbw_of_brain(_mm256_maskz_loadu_epi16(part, p)); }
FBW void fbw_store_brain(uint16_t *p, fbw v) { _mm256_storeu_si256((__m256i *)p, fbw_to_brain(v)); }
FBW void fbw_store_brain_part(uint16_t *p, fbw v, fbw_mask part) { _mm256_mask_storeu_epi16(p, part, fbw_to_brain(v)); }

/* float16 has instructions of its own: to nearest even. */
FBW __m256i fbw_to_half(fbw x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
FBW fbw fbw_all_half(uint16_t x) { return _mm512_cvtph_ps(_mm256_set1_epi16((short)x)); }
FBW fbw fbw_load_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
FBW fbw fbw_load_half_part(const uint16_t *p, fbw_mask part) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(part, p)); }
FBW void fbw_store_half(uint16_t *p, fbw v) { _mm256_storeu_si256((__m256i *)p, fbw_to_half(v)); }
FBW void fbw_store_half_part(uint16_t *p, fbw v, fbw_mask part) { _mm256_mask_storeu_epi16(p, part, fbw_to_half(v)); }

/* NaN wins. The instructions give their second operand where either is NaN, and where both are zero. */
FBW fbw fbw_max(fbw a, fbw b) { return _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a); }
FBW fbw fbw_min(fbw a, fbw b) { return _mm512_mask_mov_ps(_mm512_min_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a); }
FBW fbw fbw_abs(fbw a) { return _mm512_abs_ps(a); }
/* Of a number and NaN the number. */
FBW fbw fbw_fmax(fbw a, fbw b) { return _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q), a); }
FBW fbw fbw_fmin(fbw a, fbw b) { return _mm512_mask_mov_ps(_mm512_min_ps(a, b), _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q), a); }

/* Eight floats as doubles, the lower ones or the upper ones, and back. */
FBW __m512d fbw_low(fbw a) { return _mm512_cvtps_pd(_mm512_castps512_ps256(a)); }
FBW __m512d fbw_high(fbw a) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)); }
FBW fbw fbw_join(__m512d low, __m512d high) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}
FBW fbw fbw_sign_of(fbw a, fbw from) { /* |a| with the sign of `from` */
  const __m512i sign = _mm512_set1_epi32((int)0x80000000u);
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(sign, _mm512_castps_si512(from), _mm512_castps_si512(a), 0xCA));
}

/* Quotients of floats below 2^29 are cut to the right whole number in double, and what is left is exact; larger ones are left to C's
 * function. 0.5 ns an element, C's takes 14. */
FBW __m512d fbw_left(__m512d a, __m512d b, __mmask8 *beyond) {
  const __m512d q = _mm512_roundscale_pd(a / b, 11);
  *beyond = _mm512_cmp_pd_mask(_mm512_abs_pd(q), _mm512_set1_pd(536870912.0), _CMP_GE_OQ);
  return _mm512_fnmadd_pd(q, b, a);
}
static __attribute__((noinline)) fbw fbw_fmod_each(fbw left, fbw a, fbw b, fbw_mask which) {
  float l[16], x[16], y[16];
  fbw_store(l, left), fbw_store(x, a), fbw_store(y, b);
  for (int i = 0; i < 16; ++i) if (which >> i & 1) l[i] = fmodf(x[i], y[i]);
  return fbw_load(l);
}
FBW fbw fbw_fmod(fbw a, fbw b) {
  __mmask8 low, high;
  const __m512d l = fbw_left(fbw_low(a), fbw_low(b), &low), h = fbw_left(fbw_high(a), fbw_high(b), &high);
  const fbw inf = fbw_all(INFINITY);
  fbw left = fbw_join(l, h);
  const fbw_mask far = (fbw_mask)(low | high << 8);
  if (__builtin_expect(far != 0, 0)) left = fbw_fmod_each(left, a, b, far);
  const fbw_mask whole = _mm512_cmp_ps_mask(fbw_abs(b), inf, _CMP_EQ_OQ) & _mm512_cmp_ps_mask(fbw_abs(a), inf, _CMP_LT_OQ);
  return fbw_sign_of(_mm512_mask_mov_ps(left, whole, a), a);
}
/* As fb_remainderf and fb_floor_dividef. */
FBW fbw_mask fbw_crosses(fbw m, fbw b) { /* m is not 0, and has not the sign of b */
  const fbw zero = _mm512_setzero_ps();
  return _mm512_cmp_ps_mask(m, zero, _CMP_NEQ_UQ) & (fbw_mask)(_mm512_cmp_ps_mask(m, zero, _CMP_LT_OQ) ^ _mm512_cmp_ps_mask(b, zero, _CMP_LT_OQ));
}
FBW fbw fbw_remainder(fbw a, fbw b) {
  const fbw m = fbw_fmod(a, b);
  const fbw_mask none = _mm512_cmp_ps_mask(m, _mm512_setzero_ps(), _CMP_EQ_OQ);
  return _mm512_mask_mov_ps(_mm512_mask_add_ps(m, fbw_crosses(m, b), m, b), none, fbw_sign_of(m, b));
}
FBW fbw fbw_floor_divide(fbw a, fbw b) {
  const fbw m = fbw_fmod(a, b), one = fbw_all(1.0f), zero = _mm512_setzero_ps(), full = a / b;
  fbw q = (a - m) / b;
  q = _mm512_mask_sub_ps(q, fbw_crosses(m, b), q, one);
  const fbw down = _mm512_roundscale_ps(q, 9);
  fbw made = _mm512_mask_add_ps(down, _mm512_cmp_ps_mask(q - down, fbw_all(0.5f), _CMP_GT_OQ), down, one);
  made = _mm512_mask_mov_ps(made, _mm512_cmp_ps_mask(q, zero, _CMP_EQ_OQ), fbw_sign_of(zero, full));
  return _mm512_mask_mov_ps(made, _mm512_cmp_ps_mask(b, zero, _CMP_EQ_OQ), full);
}
/* Squares of floats are exact in double, and their sums in its range. An infinite side wins over NaN. */
FBW fbw fbw_hypot(fbw a, fbw b) {
  const __m512d al = fbw_low(a), ah = fbw_high(a), bl = fbw_low(b), bh = fbw_high(b);
  const fbw made = fbw_join(_mm512_sqrt_pd(_mm512_fmadd_pd(al, al, bl * bl)), _mm512_sqrt_pd(_mm512_fmadd_pd(ah, ah, bh * bh)));
  const fbw inf = fbw_all(INFINITY);
  const fbw_mask far = _mm512_cmp_ps_mask(fbw_abs(a), inf, _CMP_EQ_OQ) | _mm512_cmp_ps_mask(fbw_abs(b), inf, _CMP_EQ_OQ);
  return _mm512_mask_mov_ps(made, far, inf);
}

/* x = n ln 2 + r with |r| <= ln(2) / 2 */
FBW fbw fbw_reduce(fbw x, fbw *n) {
  *n = _mm512_roundscale_ps(x * fbw_all(1.44269504f), 8);
  const fbw r = _mm512_fmadd_ps(*n, fbw_all(-0.693359375f), x);
  return _mm512_fmadd_ps(*n, fbw_all(2.12194440e-4f), r);
}
/* exp(r) - 1 for |r| <= ln(2) / 2 */
FBW fbw fbw_tail(fbw r) {
  fbw p = fbw_all(1.3926326e-3f);
  p = _mm512_fmadd_ps(p, r, fbw_all(8.363293e-3f));
  p = _mm512_fmadd_ps(p, r, fbw_all(4.1666552e-2f));
  p = _mm512_fmadd_ps(p, r, fbw_all(1.6666576e-1f));
  p = _mm512_fmadd_ps(p, r, fbw_all(0.5f));
  return _mm512_fmadd_ps(r * r, p, r);
}
/* The bounds come first: a NaN is the second operand, which is what comes out. */
FBW fbw fbw_exp(fbw x) {
  fbw n;
  const fbw r = fbw_reduce(_mm512_max_ps(fbw_all(-104.0f), _mm512_min_ps(fbw_all(89.0f), x)), &n);
  return _mm512_scalef_ps(fbw_tail(r) + fbw_all(1.0f), n);
}
/* 2^n (exp(r) - 1) + (2^n - 1), halved inside because 2^128 is no float; tiny x are their own result. */
FBW fbw fbw_expm1(fbw x) {
  fbw n;
  const fbw r = fbw_reduce(_mm512_max_ps(fbw_all(-18.0f), _mm512_min_ps(fbw_all(89.0f), x)), &n);
  const fbw half = _mm512_scalef_ps(fbw_all(0.5f), n), e = _mm512_fmadd_ps(half, fbw_tail(r), half - fbw_all(0.5f));
  return _mm512_mask_mov_ps(e + e, _mm512_cmp_ps_mask(fbw_abs(x), fbw_all(1e-20f), _CMP_LT_OQ), x);
}
FBW fbw fbw_sigmoid(fbw x) { return fbw_all(1.0f) / (fbw_all(1.0f) + fbw_exp(-x)); }
/* e / (e + 2) with e = exp(2|x|) - 1: exact near zero, 1 from 9.1 on. */
FBW fbw fbw_tanh(fbw x) {
  const fbw a = _mm512_min_ps(fbw_all(9.5f), fbw_abs(x)), e = fbw_expm1(a + a);
  const __m512i sign = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32((int)0x80000000u));
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(e / (e + fbw_all(2.0f))), sign));
}

/* 2^(y log2 |x|) in double: x = 2^e m with m in [3/4, 3/2), log2(m) by atanh's series in (m - 1) / (m + 1), which is 1/5 at most. */
FBW __m512d fbw_power(__m512d x, __m512d y) {
  const __m512d one = _mm512_set1_pd(1.0);
  const __m512d e = _mm512_getexp_pd(x), m = _mm512_getmant_pd(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_zero);
  /* the mantissa is halved from 3/2 on, and the exponent is then one more */
  const __m512d above = _mm512_mask_add_pd(e, _mm512_cmp_pd_mask(m, one, _CMP_LT_OQ), e, one);
  const __m512d s = (m - one) / (m + one), z = s * s;
  __m512d p = _mm512_set1_pd(2.8853900817779268 / 17);
  p = _mm512_fmadd_pd(p, z, _mm512_set1_pd(2.8853900817779268 / 15));
  p = _mm512_fmadd_pd(p, z, _mm512_set1_pd(2.8853900817779268 / 13));
  p = _mm512_fmadd_pd(p, z, _mm512_set1_pd(2.8853900817779268 / 11));
  p = _mm512_fmadd_pd(p, z, _mm512_set1_pd(2.8853900817779268 / 9));
  p = _mm512_fmadd_pd(p, z, _mm512_set1_pd(2.8853900817779268 / 7));
  p = _mm512_fmadd_pd(p, z, _mm512_set1_pd(2.8853900817779268 / 5));
  p = _mm512_fmadd_pd(p, z, _mm512_set1_pd(2.8853900817779268 / 3));
  p = _mm512_fmadd_pd(p, z, _mm512_set1_pd(2.8853900817779268));
  const __m512d t = y * _mm512_fmadd_pd(p, s, above); /* NaN is the second operand of the bounds, and comes out */
  const __m512d bounded = _mm512_max_pd(_mm512_set1_pd(-200.0), _mm512_min_pd(_mm512_set1_pd(200.0), t));
  const __m512d n = _mm512_roundscale_pd(bounded, 8), r = (bounded - n) * _mm512_set1_pd(0.6931471805599453);
  __m512d q = _mm512_set1_pd(1.0 / 40320);
  q = _mm512_fmadd_pd(q, r, _mm512_set1_pd(1.0 / 5040));
  q = _mm512_fmadd_pd(q, r, _mm512_set1_pd(1.0 / 720));
  q = _mm512_fmadd_pd(q, r, _mm512_set1_pd(1.0 / 120));
  q = _mm512_fmadd_pd(q, r, _mm512_set1_pd(1.0 / 24));
  q = _mm512_fmadd_pd(q, r, _mm512_set1_pd(1.0 / 6));
  q = _mm512_fmadd_pd(q, r, _mm512_set1_pd(0.5));
  q = _mm512_fmadd_pd(q, r, one);
  q = _mm512_fmadd_pd(q, r, one);
  return _mm512_scalef_pd(q, n);
}
/* C's powf: 1 for an exponent of 0 and a base of 1 whatever the other is, -1 to an infinite power 1, NaN for a power that is not whole of
 * what is below zero. */
FBW fbw fbw_pow(fbw x, fbw y) {
  const fbw one = fbw_all(1.0f), zero = _mm512_setzero_ps(), inf = fbw_all(INFINITY), half = y * fbw_all(0.5f);
  const fbw made = fbw_join(fbw_power(fbw_low(x), fbw_low(y)), fbw_power(fbw_high(x), fbw_high(y)));
  const fbw_mask whole = _mm512_cmp_ps_mask(_mm512_roundscale_ps(y, 8), y, _CMP_EQ_OQ);
  const fbw_mask odd = whole & _mm512_cmp_ps_mask(_mm512_roundscale_ps(half, 8), half, _CMP_NEQ_OQ);
  const fbw_mask below = _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ) & _mm512_cmp_ps_mask(x, fbw_all(-INFINITY), _CMP_GT_OQ);
  fbw r = _mm512_mask_mov_ps(made, below & (fbw_mask)~whole, fbw_all(NAN));
  r = _mm512_mask_sub_ps(r, odd & (fbw_mask)_mm512_movepi32_mask(_mm512_castps_si512(x)), fbw_all(-0.0f), r);
  const fbw_mask unit = _mm512_cmp_ps_mask(fbw_abs(x), one, _CMP_EQ_OQ) & _mm512_cmp_ps_mask(fbw_abs(y), inf, _CMP_EQ_OQ);
  return _mm512_mask_mov_ps(r, unit | _mm512_cmp_ps_mask(x, one, _CMP_EQ_OQ) | _mm512_cmp_ps_mask(y, zero, _CMP_EQ_OQ), one);
}
#undef FBW
#endif
#endif
