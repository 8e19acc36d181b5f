/* types: float half brain */
/* gelu and its gradient, exact: x Phi(x) and g (Phi(x) + x phi(x)), each in one pass of some 35 instructions a vector.
 *
 * With t = |x|, Phi(-t) = exp(-t^2 / 2) P(t), where P is a polynomial in u = 1 / (1 + p t): within 1.2e-7 of its value up to t = 14,
 * beyond which the exponential is 0. So negative x keep their digits, and forward and backward need one exponential.
 */
#include "fb.h"
#include "fb_vec.h"
#include "fb_half.h"

#define MOST 14.0f
#define SCALE 0.306521739f
#define DENSITY 0.398942280f /* 1 / sqrt(2 pi) */

struct call {
  const E *x, *g;
  E *y;
  int past;
};

INLINE vec inverse(vec a) { /* of 1 <= a <= 6 */
#if defined(__AVX512F__)
  const vec r = (vec)_mm512_rcp14_ps((__m512)a);
  return r * (splat(2) - a * r);
#else
  return splat(1) / a;
#endif
}

/* Phi(x), and exp(-x^2 / 2). */
INLINE vec phi(vec x, vec *e) {
  const vec minus = larger(splat(-MOST), larger(x, -x) * splat(-1));
  const vec u = inverse(splat(1) - minus * splat(SCALE));
  vec p = splat(3.6454469e-2f);
  p = p * u + splat(-1.4952098e-1f);
  p = p * u + splat(1.7614610e-1f);
  p = p * u + splat(-3.0548811e-2f);
  p = p * u + splat(1.1743856e-1f);
  p = p * u + splat(1.0484063e-1f);
  p = p * u + splat(1.2293532e-1f);
  p = p * u + splat(1.2225481e-1f);
  *e = exp_down(minus * minus * splat(-0.5f));
  const vec q = p * u * *e;
  const ivec below = (ivec)(x < (vec){0});
  return (vec)((below & (ivec)q) | (~below & (ivec)(splat(1) - q)));
}

static void forward(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const E *x = c->x + begin;
  E *y = c->y + begin;
  vec e;
  ROW_WRITE(y, end - begin, c->past, AT(x) * phi(AT(x), &e));
  if (c->past) stream_end();
}
INLINE vec slope(vec g, vec x) {
  vec e;
  const vec p = phi(x, &e);
  return g * (p + x * e * splat(DENSITY));
}
static void backward(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const E *x = c->x + begin, *g = c->g + begin;
  E *y = c->y + begin;
  ROW_WRITE(y, end - begin, c->past, slope(AT(g), AT(x)));
  if (c->past) stream_end();
}

EXPORT void gelu(const E *x, E *y, int64_t count) {
  struct call c = {.x = x, .y = y, .past = count * (int64_t)sizeof(T) >= STREAM_FROM};
  PARALLEL(forward, &c, count, grain_for(count, 4));
}
EXPORT void gelu_back(const E *g, const E *x, E *y, int64_t count) {
  struct call c = {.x = x, .g = g, .y = y, .past = count * (int64_t)sizeof(T) >= STREAM_FROM};
  PARALLEL(backward, &c, count, grain_for(count, 4));
}
