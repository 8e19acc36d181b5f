/* What is still done to sums before they are results: a residual is added, an activation applied.
 *
 * Rows at hand are finished while they are in the first cache; nothing else passes over the results.
 */
#ifndef FB_FINISH_H
#define FB_FINISH_H
#include "fb.h"
#include "fb_vec.h"

enum { PLAIN, CLAMP, SILU, HARDSWISH }; /* `convolutions.Activation` */

struct finish {
  int64_t activation;
  T low, high;       /* of a clamp, infinite where there is no bound */
  const T *residual; /* laid out as the results; NULL: none */
};

INLINE int finishes(const struct finish *f) { return f->residual || f->activation != PLAIN; }

/* v between low and high; NaN stays. */
INLINE vec clamped(vec v, vec low, vec high) {
#if defined(__AVX512F__) && defined(T_FLOAT32)
  return (vec)_mm512_min_ps((__m512)high, _mm512_max_ps((__m512)low, (__m512)v));
#elif defined(__AVX512F__)
  return (vec)_mm512_min_pd((__m512d)high, _mm512_max_pd((__m512d)low, (__m512d)v));
#else
  const ivec under = (ivec)(v < low);
  v = (vec)((under & (ivec)low) | (~under & (ivec)v));
  const ivec over = (ivec)(v > high);
  return (vec)((over & (ivec)high) | (~over & (ivec)v));
#endif
}

/* v / (1 + exp(-v)) */
INLINE vec silu(vec v) {
  const ivec negative = (ivec)(v < (vec){0});
  const vec low = (vec)((negative & (ivec)v) | (~negative & (ivec)-v)), e = exp_down(low);
  const vec share = (vec)((negative & (ivec)e) | (~negative & (ivec)splat(1)));
  return v * share / (splat(1) + e);
}

INLINE vec activated(vec v, const int64_t activation, vec low, vec high) {
  switch (activation) {
    case CLAMP: return clamped(v, low, high);
    case SILU: return silu(v);
    case HARDSWISH: return v * clamped(v + splat(3), (vec){0}, splat(6)) / splat(6);
    default: return v;
  }
}

INLINE void finish_some(const struct finish *f, const int64_t activation, const int added, const T *from, int64_t far, T *to, const T *residual, int64_t pitch, int64_t rows, int64_t count) {
  const vec low = splat(f->low), high = splat(f->high);
  for (; rows > 0; --rows, from += far, to += pitch, residual += added ? pitch : 0) {
    int64_t v = 0;
    for (; v + WIDTH <= count; v += WIDTH) {
      vec x = load(from + v);
      if (added) x += load(residual + v);
      store(to + v, activated(x, activation, low, high));
    }
    if (v == count) continue;
    vec x = load_head(from + v, count - v, 0);
    if (added) x += load_head(residual + v, count - v, 0);
    store_head(to + v, activated(x, activation, low, high), count - v);
  }
}

/* `rows` rows of `count` sums, `far` apart, to results `pitch` apart, which begin `place` elements behind y and the residual. */
static void finish_rows(const struct finish *f, const T *from, int64_t far, T *y, int64_t place, int64_t pitch, int64_t rows, int64_t count) {
  const T *residual = f->residual ? f->residual + place : 0;
#define FB_FINISH(activation) \
  if (residual) finish_some(f, activation, 1, from, far, y + place, residual, pitch, rows, count); \
  else finish_some(f, activation, 0, from, far, y + place, residual, pitch, rows, count)
  switch (f->activation) {
    case CLAMP: FB_FINISH(CLAMP); break;
    case SILU: FB_FINISH(SILU); break;
    case HARDSWISH: FB_FINISH(HARDSWISH); break;
    default: FB_FINISH(PLAIN);
  }
}
#endif
