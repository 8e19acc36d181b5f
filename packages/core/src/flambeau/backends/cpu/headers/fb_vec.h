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

#if defined(T_FLOAT32) || defined(T_INT32)
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
#elif defined(__AVX512F__) && defined(T_FLOAT64)
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
#elif defined(__AVX512F__) && defined(T_FLOAT64)
  _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#else
  if (n == WIDTH) { store(p, v); return; }
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
#endif
}

/* -- results that are too large to be found in the cache again ---------------------------------------------------- */

/* From so many bytes on a result is written past the cache: what it would push out (and read first) is worth more.
 * 0.56 became 0.53 ms for softmax of 2048 x 2048 floats on two threads, 1.36 became 0.90 on one. */
#define STREAM_FROM (8 << 20)

INLINE void stream(T *p, vec v) { /* p is aligned to a vector */
#if defined(__AVX512F__)
  _mm512_stream_si512((void *)p, (__m512i)v);
#elif defined(__AVX__)
  _mm256_stream_si256((void *)p, (__m256i)v);
#else
  store(p, v);
#endif
}
INLINE void put(T *p, vec v, int past) {
  if (past) stream(p, v);
  else store(p, v);
}
/* Elements before the first that is aligned to a vector, at most n. */
INLINE int64_t before_aligned(const T *p, int64_t n) {
  const int64_t lead = (int64_t)((VECTOR_BYTES - (uintptr_t)p % VECTOR_BYTES) % VECTOR_BYTES / sizeof(T));
  return MIN(lead, n);
}
INLINE void stream_end(void) {
#if defined(__AVX__)
  _mm_sfence();
#endif
}
/* For i in [0, n) by whole vectors and parts of one at both ends: `to[i] = value`, an expression of AT(from), which is the vector
 * of `from` there. Past the cache where `past`, and then aligned. */
#define ROW_WRITE(to, n, past, value)                                                                          \
  do {                                                                                                         \
    int64_t i_ = 0;                                                                                            \
    if (past) {                                                                                                \
      const int64_t lead_ = before_aligned(to, n);                                                             \
      if (lead_) {                                                                                             \
        const int64_t part_ = lead_;                                                                           \
        store_head((to), (value), part_);                                                                      \
        i_ = lead_;                                                                                            \
      }                                                                                                        \
      const int64_t part_ = WIDTH;                                                                             \
      for (; i_ + WIDTH <= (n); i_ += WIDTH) stream((to) + i_, (value));                                       \
    } else {                                                                                                   \
      const int64_t part_ = WIDTH;                                                                             \
      for (; i_ + WIDTH <= (n); i_ += WIDTH) store((to) + i_, (value));                                        \
    }                                                                                                          \
    if (i_ < (n)) {                                                                                            \
      const int64_t part_ = (n) - i_;                                                                          \
      store_head((to) + i_, (value), part_);                                                                   \
    }                                                                                                          \
  } while (0)
#define AT(from) (__builtin_constant_p(part_ == WIDTH) && part_ == WIDTH ? load((from) + i_) : load_head((from) + i_, part_, 0))

#if defined(T_FLOAT32) || defined(T_FLOAT64)
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
/* Folds of a vector by halves: 25 cycles less than one element after the other. */
typedef T last_vec __attribute__((vector_size(16)));
#define LAST ((int64_t)(16 / sizeof(T)))
typedef lane last_ivec __attribute__((vector_size(16)));
INLINE last_vec larger_last(last_vec a, last_vec b) {
  const last_ivec over = (last_ivec)(a > b);
  return (last_vec)((over & (last_ivec)a) | (~over & (last_ivec)b));
}
#define FB_QUARTERS(v, fold)                                  \
  last_vec part[VECTOR_BYTES / 16];                           \
  memcpy(part, &(v), sizeof(part));                           \
  for (int n = VECTOR_BYTES / 32; n; n /= 2)                  \
    for (int i = 0; i < n; ++i) part[i] = fold(part[i], part[i + n])
INLINE last_vec sum_last(last_vec a, last_vec b) { return a + b; }
INLINE T largest_of(vec v) {
  FB_QUARTERS(v, larger_last);
  T m = part[0][0];
  for (int64_t i = 1; i < LAST; ++i) m = part[0][i] > m ? part[0][i] : m;
  return m;
}
INLINE T total_of(vec v) {
  FB_QUARTERS(v, sum_last);
  T s = part[0][0] + part[0][1];
  for (int64_t i = 2; i < LAST; i += 2) s += part[0][i] + part[0][i + 1];
  return s;
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
#endif
