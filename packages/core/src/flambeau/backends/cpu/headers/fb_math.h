/* Scalar functions that gcc and clang vectorise when a loop calls them: no branches, no tables, no library calls.
 *
 * Every function exists for float (suffix f) and double, is within a few units in the last place of the true value,
 * and has C's results for NaN, infinities, signed zeros and subnormal numbers. Calls to the C library's expf, tanhf, ...
 * would keep a loop scalar: a GELU of a million elements took 30 to 50 ms that way, and takes under 1 ms this way.
 *
 * Polynomials interpolate at Chebyshev nodes (40 digits, then rounded); the comment at each says on what range.
 * The build must not reorder arithmetic (no -ffast-math); it needs -fno-math-errno and -fno-trapping-math.
 */
#ifndef FB_MATH_H
#define FB_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* A fused multiply-add where the machine has one; elsewhere the polynomials do with two roundings. */
#if defined(__FMA__) || defined(__aarch64__) || defined(__FP_FAST_FMAF)
#define FB_FMAF(a, b, c) __builtin_fmaf(a, b, c)
#define FB_FMA(a, b, c) __builtin_fma(a, b, c)
#else
#define FB_FMAF(a, b, c) ((a) * (b) + (c))
#define FB_FMA(a, b, c) ((a) * (b) + (c))
#endif

static inline uint32_t fb_bitsf(float x) { union { float f; uint32_t i; } u = {x}; return u.i; }
static inline float fb_floatf(uint32_t i) { union { uint32_t i; float f; } u = {i}; return u.f; }
static inline uint64_t fb_bits(double x) { union { double f; uint64_t i; } u = {x}; return u.i; }
static inline double fb_float(uint64_t i) { union { uint64_t i; double f; } u = {i}; return u.f; }

/* ---- selection and sign: NaN wins, as in NumPy and PyTorch. One choice at a time: gcc 12 vectorises no `or` of two ---- */

static inline float fb_maxf(float a, float b) { const float m = a > b ? a : b; return a != a ? a : m; }
static inline float fb_minf(float a, float b) { const float m = a < b ? a : b; return a != a ? a : m; }
static inline double fb_max(double a, double b) { const double m = a > b ? a : b; return a != a ? a : m; }
static inline double fb_min(double a, double b) { const double m = a < b ? a : b; return a != a ? a : m; }
static inline float fb_signf(float a) { return a > 0 ? 1.0f : a < 0 ? -1.0f : 0.0f; }
static inline double fb_sign(double a) { return a > 0 ? 1.0 : a < 0 ? -1.0 : 0.0; }
static inline float fb_rsqrtf(float a) { return 1.0f / sqrtf(a); }
static inline double fb_rsqrt(double a) { return 1.0 / sqrt(a); }
static inline bool fb_isinff(float a) { return fabsf(a) == INFINITY; }
static inline bool fb_isinf(double a) { return fabs(a) == INFINITY; }
static inline bool fb_isfinitef(float a) { return fabsf(a) < INFINITY; }
static inline bool fb_isfinite(double a) { return fabs(a) < INFINITY; }

/* ---- remainder and floor of a quotient, by Python's rule: the remainder has the divisor's sign ---- */

/* C's fmod. A quotient below 2^53 is cut to a whole number that is right or one too large, and what is left is then exact: 2 ns, C's
 * loop takes 15. Without a fused multiply-add it would not be exact. */
static inline double fb_fmod(double a, double b) {
#if defined(__FMA__) || defined(__aarch64__) || defined(__FP_FAST_FMA)
  const double x = fabs(a), y = fabs(b), q = trunc(x / y);
  if (__builtin_expect((q < 9007199254740992.0) & (y >= 1e-290) & (y < INFINITY), 1)) {
    const double r = __builtin_fma(-q, y, x);
    return copysign(r < 0 ? r + y : r, a);
  }
#endif
  return fmod(a, b);
}
static inline float fb_fmodf(float a, float b) { return (float)fb_fmod(a, b); } /* the result is a float */

static inline float fb_remainderf(float a, float b) {
  const float m = fb_fmodf(a, b);
  return m != 0 ? ((b < 0) != (m < 0) ? m + b : m) : m == m ? copysignf(0.0f, b) : m;
}
static inline double fb_remainder(double a, double b) {
  const double m = fb_fmod(a, b);
  return m != 0 ? ((b < 0) != (m < 0) ? m + b : m) : m == m ? copysign(0.0, b) : m;
}
static inline float fb_floor_dividef(float a, float b) {
  if (b == 0) return a / b;
  const float m = fb_fmodf(a, b), q = (a - m) / b - (float)((m != 0) & ((b < 0) != (m < 0))), whole = floorf(q);
  return q == 0 ? copysignf(0.0f, a / b) : q - whole > 0.5f ? whole + 1 : whole;
}
static inline double fb_floor_divide(double a, double b) {
  if (b == 0) return a / b;
  const double m = fb_fmod(a, b), q = (a - m) / b - (double)((m != 0) & ((b < 0) != (m < 0))), whole = floor(q);
  return q == 0 ? copysign(0.0, a / b) : q - whole > 0.5 ? whole + 1 : whole;
}

/* ---- integers: division by zero gives 0, as in NumPy, instead of ending the process ---- */

static inline int64_t fb_floor_dividel(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return (int64_t)(0 - (uint64_t)a);
  return a / b - ((a % b != 0) & ((a < 0) != (b < 0)));
}
static inline int64_t fb_fmodl(int64_t a, int64_t b) { return (b == 0) | (b == -1) ? 0 : a % b; }
static inline int64_t fb_remainderl(int64_t a, int64_t b) {
  const int64_t m = fb_fmodl(a, b);
  return (m != 0) & ((m < 0) != (b < 0)) ? m + b : m;
}

/* ---- exponentials ---- */

/* p * 2^n in two exact steps, so that subnormal results round once and the largest ones overflow rightly. */
static inline float fb_scalef(float p, int32_t n) {
  const int32_t half = (int32_t)((uint32_t)(n + 400) >> 1) - 200;
  return p * fb_floatf((uint32_t)(half + 127) << 23) * fb_floatf((uint32_t)(n - half + 127) << 23);
}
static inline double fb_scale(double p, int64_t n) {
  const int64_t half = (int64_t)((uint64_t)(n + 4000) >> 1) - 2000;
  return p * fb_float((uint64_t)(half + 1023) << 52) * fb_float((uint64_t)(n - half + 1023) << 52);
}

/* x = n ln 2 + r with |r| <= ln(2) / 2. Adding 1.5 * 2^23 (2^52) rounds and leaves n in the low bits. */
#define FB_ROUNDF 12582912.0f
#define FB_ROUND 6755399441055744.0

static inline float fb_reducef(float x, float *n, int32_t *k) {
  const float shifted = FB_FMAF(x, 1.44269504f, FB_ROUNDF);
  *n = shifted - FB_ROUNDF;
  *k = (int32_t)(fb_bitsf(shifted) - 0x4b400000u);
  return FB_FMAF(*n, 2.12194440e-4f, FB_FMAF(*n, -0.693359375f, x));
}
static inline double fb_reduce(double x, double *n, int64_t *k) {
  const double shifted = FB_FMA(x, 1.4426950408889634, FB_ROUND);
  *n = shifted - FB_ROUND;
  *k = (int64_t)(fb_bits(shifted) - 0x4338000000000000u);
  return FB_FMA(*n, -1.90821492927058770002e-10, FB_FMA(*n, -6.93147180369123816490e-01, x));
}

/* exp(r) - 1 for |r| <= ln(2) / 2 */
static inline float fb_tailf(float r) {
  float p = 1.3926326e-3f;
  p = FB_FMAF(p, r, 8.363293e-3f);
  p = FB_FMAF(p, r, 4.1666552e-2f);
  p = FB_FMAF(p, r, 1.6666576e-1f);
  p = FB_FMAF(p, r, 0.5f);
  return FB_FMAF(r * r, p, r);
}
static inline double fb_tail(double r) {
  double p = 2.091483135138041e-09;
  p = FB_FMA(p, r, 2.5105419192016337e-08);
  p = FB_FMA(p, r, 2.7557273295539724e-07);
  p = FB_FMA(p, r, 2.75572549134867e-06);
  p = FB_FMA(p, r, 2.4801587325822283e-05);
  p = FB_FMA(p, r, 0.00019841269875205077);
  p = FB_FMA(p, r, 0.001388888888888367);
  p = FB_FMA(p, r, 0.008333333333326025);
  p = FB_FMA(p, r, 0.04166666666666667);
  p = FB_FMA(p, r, 0.1666666666666667);
  p = FB_FMA(p, r, 0.5);
  return FB_FMA(r * r, p, r);
}

/* Bounds are written x > top ? top : x, which lets NaN through. */
static inline float fb_expf(float x) {
  float n; int32_t k;
  x = x > 89.0f ? 89.0f : x < -104.0f ? -104.0f : x;
  const float r = fb_reducef(x, &n, &k);
  return fb_scalef(fb_tailf(r) + 1.0f, k);
}
static inline double fb_exp(double x) {
  double n; int64_t k;
  x = x > 710.0 ? 710.0 : x < -746.0 ? -746.0 : x;
  const double r = fb_reduce(x, &n, &k);
  return fb_scale(fb_tail(r) + 1.0, k);
}
static inline float fb_exp2f(float x) {
  x = x > 129.0f ? 129.0f : x < -151.0f ? -151.0f : x;
  const float shifted = x + FB_ROUNDF;
  return fb_scalef(fb_tailf((x - (shifted - FB_ROUNDF)) * 0.693147181f) + 1.0f,
                   (int32_t)(fb_bitsf(shifted) - 0x4b400000u));
}
static inline double fb_exp2(double x) {
  x = x > 1025.0 ? 1025.0 : x < -1076.0 ? -1076.0 : x;
  const double shifted = x + FB_ROUND;
  return fb_scale(fb_tail((x - (shifted - FB_ROUND)) * 0.6931471805599453) + 1.0,
                  (int64_t)(fb_bits(shifted) - 0x4338000000000000u));
}
/* 2^n (exp(r) - 1) + (2^n - 1), halved inside because 2^128 is no float; tiny x are their own result. */
static inline float fb_expm1f(float x) {
  float n; int32_t k;
  const float y = x > 89.0f ? 89.0f : x < -18.0f ? -18.0f : x;
  const float r = fb_reducef(y, &n, &k);
  const float half = fb_floatf((uint32_t)(k + 126) << 23);
  const float e = 2.0f * FB_FMAF(half, fb_tailf(r), half - 0.5f);
  return fabsf(x) < 1e-20f ? x : e;
}
static inline double fb_expm1(double x) {
  double n; int64_t k;
  const double y = x > 710.0 ? 710.0 : x < -40.0 ? -40.0 : x;
  const double r = fb_reduce(y, &n, &k);
  const double half = fb_float((uint64_t)(k + 1022) << 52);
  const double e = 2.0 * FB_FMA(half, fb_tail(r), half - 0.5);
  return fabs(x) < 1e-40 ? x : e;
}
static inline float fb_sigmoidf(float x) { return 1.0f / (1.0f + fb_expf(-x)); }
static inline double fb_sigmoid(double x) { return 1.0 / (1.0 + fb_exp(-x)); }

/* e / (e + 2) with e = exp(2|x|) - 1: exact near zero, 1 from 9.1 (19.1) on. */
static inline float fb_tanhf(float x) {
  const float a = fabsf(x), e = fb_expm1f(2.0f * (a > 9.5f ? 9.5f : a));
  return copysignf(e / (e + 2.0f), x);
}
static inline double fb_tanh(double x) {
  const double a = fabs(x), e = fb_expm1(2.0 * (a > 20.0 ? 20.0 : a));
  return copysign(e / (e + 2.0), x);
}
/* Large arguments by squares of exp(a / 2): exp(a) itself overflows before the result does. */
static inline float fb_sinhf(float x) {
  const float a = fabsf(x), e = fb_expm1f(a), big = fb_expf(0.5f * a);
  return copysignf(a < 80.0f ? 0.5f * (e + e / (e + 1.0f)) : 0.5f * big * big, x);
}
static inline double fb_sinh(double x) {
  const double a = fabs(x), e = fb_expm1(a), big = fb_exp(0.5 * a);
  return copysign(a < 700.0 ? 0.5 * (e + e / (e + 1.0)) : 0.5 * big * big, x);
}
static inline float fb_coshf(float x) {
  const float a = fabsf(x), e = fb_expf(a), big = fb_expf(0.5f * a);
  return a < 80.0f ? 0.5f * (e + 1.0f / e) : 0.5f * big * big;
}
static inline double fb_cosh(double x) {
  const double a = fabs(x), e = fb_exp(a), big = fb_exp(0.5 * a);
  return a < 700.0 ? 0.5 * (e + 1.0 / e) : 0.5 * big * big;
}

/* ---- logarithms ---- */

/* x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); x is positive and finite. */
static inline float fb_splitf(float x, float *k) {
  const bool tiny = x < 1.17549435e-38f;
  const uint32_t i = fb_bitsf(tiny ? x * 33554432.0f : x) + (0x3f800000u - 0x3f3504f3u);
  *k = (float)((int32_t)(i >> 23) - 127) - (tiny ? 25.0f : 0.0f);
  return fb_floatf((i & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
}
static inline double fb_split(double x, double *k) {
  const bool tiny = x < 2.2250738585072014e-308;
  const uint64_t i = fb_bits(tiny ? x * 18014398509481984.0 : x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
  /* The exponent becomes a double by its bits: AVX2 converts no 64-bit integers. */
  *k = fb_float(0x4330000000000000u | i >> 52) - (4503599627370496.0 + 1023.0) - (tiny ? 54.0 : 0.0);
  return fb_float((i & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
}

/* log(1 + f) = f - (f^2/2 - s (f^2/2 + R)), s = f / (2 + f), R a polynomial in s^2 <= 0.0295. The difference from f. */
static inline float fb_logtailf(float f) {
  const float s = f / (2.0f + f), z = s * s, half = 0.5f * f * f;
  float p = 0.23330964f;
  p = FB_FMAF(p, z, 0.28550804f);
  p = FB_FMAF(p, z, 0.40000123f);
  p = FB_FMAF(p, z, 0.6666667f);
  return half - s * FB_FMAF(p, z, half);
}
static inline double fb_logtail(double f) {
  const double s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
  double p = 0.13087236196706833;
  p = FB_FMA(p, z, 0.13268714792342884);
  p = FB_FMA(p, z, 0.15386241881938825);
  p = FB_FMA(p, z, 0.18181795600060788);
  p = FB_FMA(p, z, 0.22222222392389008);
  p = FB_FMA(p, z, 0.28571428570801954);
  p = FB_FMA(p, z, 0.4000000000000088);
  p = FB_FMA(p, z, 0.6666666666666666);
  return half - s * FB_FMA(p, z, half);
}
static inline float fb_logedgef(float x, float inside) {
  return x > 0 ? (x < INFINITY ? inside : x) : x == 0 ? -INFINITY : NAN;
}
static inline double fb_logedge(double x, double inside) {
  return x > 0 ? (x < INFINITY ? inside : x) : x == 0 ? -INFINITY : NAN;
}
static inline float fb_logf(float x) {
  float k; const float f = fb_splitf(x, &k);
  return fb_logedgef(x, k * 0.693359375f + (f - FB_FMAF(k, 2.12194440e-4f, fb_logtailf(f))));
}
static inline double fb_log(double x) {
  double k; const double f = fb_split(x, &k);
  return fb_logedge(x, k * 6.93147180369123816490e-01 + (f - FB_FMA(k, -1.90821492927058770002e-10, fb_logtail(f))));
}
static inline float fb_log2f(float x) {
  float k; const float f = fb_splitf(x, &k), l = f - fb_logtailf(f);
  return fb_logedgef(x, FB_FMAF(l, 1.44269504f, k));
}
static inline double fb_log2(double x) {
  double k; const double f = fb_split(x, &k), l = f - fb_logtail(f);
  return fb_logedge(x, FB_FMA(l, 1.4426950408889634, k));
}
static inline float fb_log10f(float x) {
  float k; const float f = fb_splitf(x, &k), l = f - fb_logtailf(f);
  return fb_logedgef(x, k * 3.0102920532e-01f + FB_FMAF(k, 7.9034151668e-07f, l * 0.434294482f));
}
static inline double fb_log10(double x) {
  double k; const double f = fb_split(x, &k), l = f - fb_logtail(f);
  return fb_logedge(x, k * 3.01029995663611771306e-01 + FB_FMA(k, 3.69423907715893078616e-13, l * 0.4342944819032518));
}
/* log(u) with u = 1 + x, plus what rounding took from u (Knuth's two-sum: branches would keep loops scalar). */
static inline float fb_log1pf(float x) {
  float k; const float u = 1.0f + x, most = u - 1.0f, lost = ((1.0f - (u - most)) + (x - most)) / u;
  const float f = fb_splitf(u, &k);
  return copysignf(fb_logedgef(u, k * 0.693359375f + (f - (FB_FMAF(k, 2.12194440e-4f, fb_logtailf(f)) - lost))), x);
}
static inline double fb_log1p(double x) {
  double k; const double u = 1.0 + x, most = u - 1.0, lost = ((1.0 - (u - most)) + (x - most)) / u;
  const double f = fb_split(u, &k);
  return copysign(fb_logedge(u, k * 6.93147180369123816490e-01
                             + (f - (FB_FMA(k, -1.90821492927058770002e-10, fb_logtail(f)) - lost))), x);
}

/* ---- the error function ---- */

/* erf(x) / x - 1 as a polynomial in z = x^2 on [0, 1] */
static inline float fb_erfnearf(float z) {
  float p = -9.667045e-06f;
  p = FB_FMAF(p, z, 1.1265959e-04f);
  p = FB_FMAF(p, z, -8.4840803e-04f);
  p = FB_FMAF(p, z, 5.2210316e-03f);
  p = FB_FMAF(p, z, -2.686543e-02f);
  p = FB_FMAF(p, z, 0.11283782f);
  p = FB_FMAF(p, z, -0.37612638f);
  return FB_FMAF(p, z, 0.12837917f);
}
static inline double fb_erfnear(double z) {
  double p = 5.957176147748911e-11;
  p = FB_FMA(p, z, -1.1372848856791674e-09);
  p = FB_FMA(p, z, 1.4659775274047436e-08);
  p = FB_FMA(p, z, -1.6350312701054695e-07);
  p = FB_FMA(p, z, 1.6461000484121368e-06);
  p = FB_FMA(p, z, -1.4925595266831182e-05);
  p = FB_FMA(p, z, 0.0001205533111164271);
  p = FB_FMA(p, z, -0.000854832698083379);
  p = FB_FMA(p, z, 0.0052239776248180145);
  p = FB_FMA(p, z, -0.026866170645076792);
  p = FB_FMA(p, z, 0.11283791670954879);
  p = FB_FMA(p, z, -0.3761263890318375);
  return FB_FMA(p, z, 0.1283791670955126);
}
/* erfc(a) for a >= 0: exp(-a^2) t S(t - 1/2), t = 4 / (4 + a). What rounding takes from a^2 is put back. */
static inline float fb_erfcfarf(float a) {
  a = a > 10.2f ? 10.2f : a;
  const float h = a * a, low = __builtin_fmaf(a, a, -h), t = 4.0f / (4.0f + a), u = t - 0.5f;
  float p = -0.22313541f;
  p = FB_FMAF(p, u, 0.5084633f);
  p = FB_FMAF(p, u, 0.8469538f);
  p = FB_FMAF(p, u, 1.2102784f);
  p = FB_FMAF(p, u, 1.3933034f);
  p = FB_FMAF(p, u, 1.323779f);
  p = FB_FMAF(p, u, 1.0816631f);
  p = FB_FMAF(p, u, 0.77320457f);
  p = FB_FMAF(p, u, 0.4882747f);
  p = FB_FMAF(p, u, 0.27399892f);
  return fb_expf(-h) * ((1.0f - low) * t * p);
}
static inline double fb_erfcfar(double a) {
  a = a > 27.5 ? 27.5 : a;
  const double h = a * a, low = __builtin_fma(a, a, -h), t = 4.0 / (4.0 + a), u = t - 0.5;
  double p = 0.0016919464688452922;
  p = FB_FMA(p, u, -0.003906985566402849);
  p = FB_FMA(p, u, -0.0013495694123880186);
  p = FB_FMA(p, u, 0.008348330029907336);
  p = FB_FMA(p, u, 0.002840155521005516);
  p = FB_FMA(p, u, -0.013962903403489284);
  p = FB_FMA(p, u, -0.01172617069955807);
  p = FB_FMA(p, u, 0.019248177471346876);
  p = FB_FMA(p, u, 0.03863282190884741);
  p = FB_FMA(p, u, -0.003724664928888611);
  p = FB_FMA(p, u, -0.09052850069727394);
  p = FB_FMA(p, u, -0.11649333376735903);
  p = FB_FMA(p, u, 0.03596274663828325);
  p = FB_FMA(p, u, 0.39117155568004763);
  p = FB_FMA(p, u, 0.8438417066596744);
  p = FB_FMA(p, u, 1.2221042386962635);
  p = FB_FMA(p, u, 1.3920874979216042);
  p = FB_FMA(p, u, 1.3234063515102927);
  p = FB_FMA(p, u, 1.081707662626464);
  p = FB_FMA(p, u, 0.7732087022652453);
  p = FB_FMA(p, u, 0.488274364540441);
  p = FB_FMA(p, u, 0.27399891525012277);
  return fb_exp(-h) * ((1.0 - low) * t * p);
}
/* 1 - exp(-Q(a)) with Q = -log(erfc), a polynomial on [1, 4]: no division, which GELU would feel. */
static inline float fb_erff(float x) {
  const float a = fabsf(x), b = a > 4.0f ? 4.0f : a;
  float q = -1.6386373e-06f;
  q = FB_FMAF(q, b, 4.6087447e-05f);
  q = FB_FMAF(q, b, -5.97053e-04f);
  q = FB_FMAF(q, b, 4.760748e-03f);
  q = FB_FMAF(q, b, -2.642437e-02f);
  q = FB_FMAF(q, b, 0.11008568f);
  q = FB_FMAF(q, b, 0.63182026f);
  q = FB_FMAF(q, b, 1.1302367f);
  q = FB_FMAF(q, b, -3.2091438e-04f);
  float n; int32_t k; /* exp(-q) for 0 <= q < 17 needs no bounds and one scaling */
  const float r = fb_reducef(-q, &n, &k), e = (fb_tailf(r) + 1.0f) * fb_floatf((uint32_t)(k + 127) << 23);
  const float near = FB_FMAF(x, fb_erfnearf(x * x), x);
  return a < 1.0f ? near : copysignf(1.0f - e, x);
}
static inline double fb_erf(double x) {
  const double a = fabs(x), near = FB_FMA(x, fb_erfnear(x * x), x);
  return a < 1.0 ? near : copysign(1.0 - fb_erfcfar(a), x);
}
static inline float fb_erfcf(float x) {
  const float a = fabsf(x), far = fb_erfcfarf(a);
  return a < 0.5f ? 1.0f - FB_FMAF(x, fb_erfnearf(x * x), x) : x < 0 ? 2.0f - far : far;
}
static inline double fb_erfc(double x) {
  const double a = fabs(x), far = fb_erfcfar(a);
  return a < 0.5 ? 1.0 - FB_FMA(x, fb_erfnear(x * x), x) : x < 0 ? 2.0 - far : far;
}

#endif
