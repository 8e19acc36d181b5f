/* Vectors of T beyond fb.h: parts of one at the ends of rows, folds, the exponential of what is not above zero.
 *
 * The parts are one masked instruction where there are such (AVX-512), else a copy element by element; both read and
 * write no element outside of the part.
 */
#ifndef FB_VEC_H
#define FB_VEC_H
#if defined(__AVX__)
#include <immintrin.h>
#endif

#if defined(T_FLOAT32)
typedef int32_t lane;
#define FB_ROUND_BIASED (12582912.0f + 127.0f) /* adding it rounds; its low bits are then the exponent's */
#define FB_MANTISSA 23
#define FB_LEAST_EXPONENT -87.3365f /* exp of less is subnormal */
#define FB_LN2_HIGH 0.693359375f
#define FB_LN2_LOW -2.12194440e-4f
#define FB_LOG2E 1.44269504f
#else
typedef int64_t lane;
#define FB_ROUND_BIASED (6755399441055744.0 + 1023.0)
#define FB_MANTISSA 52
#define FB_LEAST_EXPONENT -708.396
#define FB_LN2_HIGH 6.93147180369123816490e-01
#define FB_LN2_LOW 1.90821492927058770002e-10
#define FB_LOG2E 1.4426950408889634
#endif
typedef lane ivec __attribute__((vector_size(VECTOR_BYTES)));

/* Its first n <= WIDTH elements; the others are `rest`. */
INLINE vec load_head(const T *p, int64_t n, T rest) {
#if defined(__AVX512F__) && defined(T_FLOAT32)
  return (vec)_mm512_mask_loadu_ps(_mm512_set1_ps(rest), (__mmask16)((1u << n) - 1), p);
#elif defined(__AVX512F__)
  return (vec)_mm512_mask_loadu_pd(_mm512_set1_pd(rest), (__mmask8)((1u << n) - 1), p);
#else
  if (n == WIDTH) return load(p);
  vec v = splat(rest);
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
#endif
}
INLINE void store_head(T *p, vec v, int64_t n) {
#if defined(__AVX512F__) && defined(T_FLOAT32)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX512F__)
  _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#else
  if (n == WIDTH) { store(p, v); return; }
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
#endif
}

/* a where a > b, else b: b also where one of them is NaN. */
INLINE vec larger(vec a, vec b) {
#if defined(__AVX512F__) && defined(T_FLOAT32)
  return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX512F__)
  return (vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX__) && defined(T_FLOAT32)
  return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__AVX__)
  return (vec)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
  const ivec over = (ivec)(a > b);
  return (vec)((over & (ivec)a) | (~over & (ivec)b));
#endif
}
/* v, but 0 where x < least. */
INLINE vec unless_below(vec v, vec x, T least) {
#if defined(__AVX512F__) && defined(T_FLOAT32)
  return (vec)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(least), _CMP_NLT_UQ), (__m512)v);
#elif defined(__AVX512F__)
  return (vec)_mm512_maskz_mov_pd(_mm512_cmp_pd_mask((__m512d)x, _mm512_set1_pd(least), _CMP_NLT_UQ), (__m512d)v);
#else
  return (vec)(~(ivec)(x < splat(least)) & (ivec)v);
#endif
}
INLINE T largest_of(vec v) {
  T m = v[0];
  for (int64_t i = 1; i < WIDTH; ++i) m = v[i] > m ? v[i] : m;
  return m;
}

/* exp(x) for x <= 0 (and a little above), NaN for NaN; 0 where the result would be subnormal. Some 15 instructions. */
INLINE vec exp_down(vec x) {
  const vec shifted = x * splat((T)FB_LOG2E) + splat((T)FB_ROUND_BIASED), n = shifted - splat((T)FB_ROUND_BIASED);
  const vec r = (x - n * splat((T)FB_LN2_HIGH)) - n * splat((T)FB_LN2_LOW);
  const vec scale = (vec)((ivec)shifted << FB_MANTISSA);
#if defined(T_FLOAT32)
  vec p = splat(1.3926326e-3f);
  p = p * r + splat(8.363293e-3f);
  p = p * r + splat(4.1666552e-2f);
  p = p * r + splat(1.6666576e-1f);
  p = p * r + splat(0.5f);
#else
  vec p = splat(2.091483135138041e-09);
  p = p * r + splat(2.5105419192016337e-08);
  p = p * r + splat(2.7557273295539724e-07);
  p = p * r + splat(2.75572549134867e-06);
  p = p * r + splat(2.4801587325822283e-05);
  p = p * r + splat(0.00019841269875205077);
  p = p * r + splat(0.001388888888888367);
  p = p * r + splat(0.008333333333326025);
  p = p * r + splat(0.04166666666666667);
  p = p * r + splat(0.1666666666666667);
  p = p * r + splat(0.5);
#endif
  p = p * r + splat(1);
  p = p * r + splat(1);
  p *= scale;
  return unless_below(p, x, (T)FB_LEAST_EXPONENT);
}
#endif
