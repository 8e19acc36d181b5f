/* types: float */
/* Box and Muller's method as runtime/boxmuller.py has it: Cephes' polynomials, each step rounded as there, to the last bit.
 *
 * Sums of products are fused where they are written so; no other product is followed by an addition in the same function, as the
 * compiler may join the two.
 */
#include <math.h>

#include "fb_twister.h"

#define HALVES 1024 /* radii (and angles) at a time */
#define F __builtin_fmaf

INLINE float bits_float(int32_t b) { float f; memcpy(&f, &b, 4); return f; }
INLINE int32_t float_bits(float f) { int32_t b; memcpy(&b, &f, 4); return b; }

INLINE float log_of(float x) { /* in [2^-126, 1] */
  const int32_t bits = float_bits(x);
  const float fraction = bits_float((bits & 0x007fffff) | 0x3f000000);
  const int low = fraction < 0.707106781186547524f;
  const float e = (float)((bits >> 23) - 126 - low), f = ((low ? fraction : 0) + fraction) - 1, square = f * f;
  float y = F(7.0376836292e-2f, f, -1.1514610310e-1f);
  y = F(y, f, 1.1676998740e-1f);
  y = F(y, f, -1.2420140846e-1f);
  y = F(y, f, 1.4249322787e-1f);
  y = F(y, f, -1.6668057665e-1f);
  y = F(y, f, 2.0000714765e-1f);
  y = F(y, f, -2.4999993993e-1f);
  y = F(y, f, 3.3333331174e-1f);
  y = F(y * f, square, e * -2.12194440e-4f);
  y = F(square, -0.5f, y) + f; /* half of the square is exact */
  return F(e, 0.693359375f, y);
}
INLINE float turned(float v, int32_t octant) { return bits_float(float_bits(v + 0.0f) ^ (int32_t)((uint32_t)(octant & 4) << 29)); }

static void box_muller(const float *RESTRICT a, const float *RESTRICT b, float *RESTRICT radius, float *RESTRICT s, float *RESTRICT c, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) radius[i] = __builtin_sqrtf(-2.0f * log_of(1.0f - a[i]));
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    float x = 6.283185307179586f * b[i];
    const int32_t octant = ((int32_t)(x * 1.27323954473516f) + 1) & ~1;
    const float turns = (float)octant;
    x = F(turns, -0.78515625f, x);
    x = F(turns, -2.4187564849853515625e-4f, x);
    x = F(turns, -3.77489497744594108e-8f, x);
    const float square = x * x;
    float cosine = F(F(2.443315711809948e-5f, square, -1.388731625493765e-3f), square, 4.166664568298827e-2f) * square;
    cosine = F(cosine, square, square * -0.5f) + 1.0f;
    float sine = F(F(-1.9515295891e-4f, square, 8.3321608736e-3f), square, -1.6666654611e-1f) * square;
    sine = F(sine, x, x);
    const int swapped = (octant & 2) != 0;
    s[i] = turned(swapped ? cosine : sine, octant);
    c[i] = turned(swapped ? sine : cosine, octant + 2);
  }
}
static __attribute__((noinline)) void scale(float *out, int64_t n, float mean, float std) {
  if (mean == 0 && std == 1) return;
  if (mean == 0)
    for (int64_t i = 0; i < n; ++i) out[i] *= std;
  else if (std == 1)
    for (int64_t i = 0; i < n; ++i) out[i] += mean;
  else
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = F(out[i], std, mean);
}
struct normals { float *out; float mean, std; };
static void normals_task(void *context, int64_t begin, int64_t end) { /* pieces of 2 HALVES numbers, uniform as they come */
  const struct normals *t = context;
  float *a = SCRATCH(1, 5 * HALVES * sizeof(float)), *b = a + HALVES, *radius = b + HALVES, *s = radius + HALVES, *c = s + HALVES;
  for (int64_t piece = begin; piece < end; ++piece) {
    float *x = t->out + piece * 2 * HALVES;
    for (int64_t i = 0; i < HALVES; i += 8) memcpy(a + i, x + 2 * i, 32), memcpy(b + i, x + 2 * i + 8, 32);
    box_muller(a, b, radius, s, c, HALVES);
    for (int64_t i = 0; i < HALVES; i += 8)
      for (int k = 0; k < 8; ++k) x[2 * i + k] = radius[i + k] * c[i + k], x[2 * i + 8 + k] = radius[i + k] * s[i + k];
    scale(x, 2 * HALVES, t->mean, t->std);
  }
}
/* n normal numbers in place of as many uniform ones; n is a multiple of 2 HALVES = 2048. */
EXPORT void normals(float *out, int64_t n, float mean, float std) {
  struct normals t = {out, mean, std};
  PARALLEL(normals_task, &t, n / (2 * HALVES), 4);
}

/* -- few numbers, from the state to the result in one call ----------------------------------------------------------------------------- */

#define BLOCK 16
#define HALF 8
static __attribute__((noinline)) void block(float *x) { /* 16 uniform numbers, 8 of them radii, made normal */
  float radius[HALF], s[HALF], c[HALF];
  box_muller(x, x + HALF, radius, s, c, HALF);
  for (int k = 0; k < HALF; ++k) x[k] = radius[k] * c[k], x[HALF + k] = radius[k] * s[k];
}
static void units(void *state, float *out, int64_t n) { /* n in blocks and the rest */
  uint32_t made[BLOCK];
  for (int64_t first = 0; first < n; first += BLOCK) {
    const int64_t m = MIN(BLOCK, n - first);
    words(state, made, m);
    for (int64_t i = 0; i < m; ++i) out[first + i] = (float)(int32_t)(made[i] & 0xffffffu) * 0x1p-24f;
  }
}
/* n uniform numbers in [0, 1). */
EXPORT void few_units(void *state, float *out, int64_t n) { units(state, out, n); }
/* n normal numbers, 16 or more; where n is no multiple of 16 the last 16 are drawn anew. */
EXPORT void few_normals(void *state, float *out, int64_t n, float mean, float std) {
  units(state, out, n);
  for (int64_t i = 0; i + BLOCK <= n; i += BLOCK) block(out + i);
  scale(out, n / BLOCK * BLOCK, mean, std);
  if (n % BLOCK) {
    float *last = out + n - BLOCK;
    units(state, last, BLOCK);
    block(last);
    scale(last, BLOCK, mean, std);
  }
}

/* Through pointers, so that the compiler puts nothing else in the place of the C library's functions. */
static double (*volatile log_1p)(double) = log1p;
static double (*volatile sine)(double) = sin;
static double (*volatile cosine)(double) = cos;
static double (*volatile natural_log)(double) = log;
static __attribute__((noinline)) void double_block(double *x, double mean, double std) { /* 16 uniform numbers, the first 8 of them radii */
  double made[BLOCK];
  for (int k = 0; k < HALF; ++k) {
    const double radius = sqrt(-2.0 * natural_log(1.0 - x[k])), angle = 6.283185307179586 * x[HALF + k];
    made[k] = radius * cosine(angle), made[HALF + k] = radius * sine(angle);
  }
  for (int k = 0; k < BLOCK; ++k) {
    const double v = made[k];
    x[k] = mean == 0 ? (std == 1 ? v : v * std) : std == 1 ? v + mean : __builtin_fma(v, std, mean);
  }
}
struct doubles { double *out, mean, std; };
static void doubles_task(void *context, int64_t begin, int64_t end) {
  const struct doubles *t = context;
  for (int64_t i = begin; i < end; ++i) double_block(t->out + i * BLOCK, t->mean, t->std);
}
/* n normal numbers of double precision in place of as many uniform ones; n is a multiple of 16. */
EXPORT void normal_doubles(void *out, int64_t n, double mean, double std) {
  struct doubles t = {out, mean, std};
  PARALLEL(doubles_task, &t, n / BLOCK, 64);
}
static __attribute__((noinline)) void pair_of(const uint64_t *two, double *made) {
  const double angle = 6.283185307179586 * ((double)(int64_t)bits53(two[0]) * 0x1p-53);
  const double radius = sqrt(-2.0 * log_1p(-((double)(int64_t)bits53(two[1]) * 0x1p-53)));
  made[0] = radius * cosine(angle);
  made[1] = radius * sine(angle);
}
/* n normal numbers by pairs in double precision. waiting: a number and whether there is one, before and after. */
EXPORT void pair_normals(void *state, float *out, int64_t n, double mean, double std, double *waiting) {
  double made[2];
  for (int64_t i = 0; i < n; ++i) {
    double x;
    if (waiting[1] != 0) {
      x = waiting[0];
      waiting[1] = 0;
    } else {
      uint64_t two[2];
      words(state, (uint32_t *)two, 4);
      pair_of(two, made);
      x = made[0];
      waiting[0] = made[1];
      waiting[1] = 1;
    }
    out[i] = (float)(mean == 0 ? (std == 1 ? x : x * std) : std == 1 ? x + mean : __builtin_fma(x, std, mean));
  }
}
