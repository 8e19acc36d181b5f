/* types: float double */
/* Losses of a difference, and the cross-entropy of a sigmoid, summed while they are made; their gradients in one pass.
 *
 * Sums are taken in pieces cut by the number of elements alone, and the pieces are added in order.
 */
#include "fb.h"
#include "fb_math.h"
#include "fb_vec.h"

#define PIECE 16384
enum { SQUARED, ABSOLUTE, HUBER, SMOOTH, LOGITS };
#if defined(T_FLOAT32)
#define EXP fb_expf
#define TERMS 7 /* of the series below: 2e-8 and 2e-17 are left out */
#define SIGN fb_signf
#define ABS fabsf
#else
#define EXP fb_exp
#define TERMS 16
#define SIGN fb_sign
#define ABS fabs
#endif

struct call {
  const T *x, *t, *g;
  T *gx, *gt;
  double *parts;
  int64_t n;
  T bound, scale;
  int kind;
};

/* log(1 + e) for 0 <= e <= 1: with s = e / (2 + e), at most 1/3, it is 2 (s + s^3 / 3 + s^5 / 5 + ...). */
INLINE T log_of_sum(T e) {
  const T s = e / (2 + e), z = s * s;
  T p = 1 / (T)(2 * TERMS + 1);
  for (int i = TERMS - 1; i >= 0; --i) p = p * z + 1 / (T)(2 * i + 1);
  return 2 * s * p;
}

INLINE T loss_of(T x, T t, T bound, int kind) {
  const T d = x - t, a = ABS(d);
  if (kind == SQUARED) return d * d;
  if (kind == ABSOLUTE) return a;
  if (kind == HUBER) return a <= bound ? d * d * (T)0.5 : (a - (T)0.5 * bound) * bound;
  if (kind == SMOOTH) return a < bound ? d * d * ((T)0.5 / bound) : a - (T)0.5 * bound;
  return (1 - t) * x - ((x < 0 ? x : 0) - log_of_sum(EXP(-ABS(x))));
}
INLINE T slope_of(T x, T t, T bound, int kind) {
  const T d = x - t;
  if (kind == SQUARED) return 2 * d;
  if (kind == ABSOLUTE) return SIGN(d);
  if (kind == HUBER) return d > bound ? bound : d < -bound ? -bound : d;
  if (kind == SMOOTH) return d >= bound ? 1 : d <= -bound ? -1 : d / bound;
  const T e = EXP(-ABS(x)), s = 1 / (1 + e);
  return (x >= 0 ? s : e * s) - t;
}

INLINE double piece_sum(const struct call *c, int64_t begin, int64_t end, int kind) {
  const T *RESTRICT x = c->x, *RESTRICT t = c->t, bound = c->bound;
  double sum = 0;
  for (int64_t from = begin; from < end; from += 2048) {
    const int64_t to = MIN(end, from + 2048);
    T s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = from; i < to; ++i) s += loss_of(x[i], t[i], bound, kind);
    sum += (double)s;
  }
  return sum;
}
#define BY_KIND(kind, call) \
  switch (kind) {           \
    case SQUARED: { enum { K = SQUARED }; call; } break;   \
    case ABSOLUTE: { enum { K = ABSOLUTE }; call; } break; \
    case HUBER: { enum { K = HUBER }; call; } break;       \
    case SMOOTH: { enum { K = SMOOTH }; call; } break;     \
    default: { enum { K = LOGITS }; call; } break;         \
  }
static void sums(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t piece = begin; piece < end; ++piece) {
    const int64_t from = piece * PIECE, to = MIN(c->n, from + PIECE);
    BY_KIND(c->kind, c->parts[piece] = piece_sum(c, from, to, K))
  }
}
/* out = scale * sum of the losses. parts: a double for each 16384 elements. */
EXPORT void loss(const T *x, const T *t, double *parts, T *out, int64_t n, int kind, double bound, double scale) {
  struct call c = {.x = x, .t = t, .parts = parts, .n = n, .bound = (T)bound, .kind = kind};
  const int64_t pieces = (n + PIECE - 1) / PIECE;
  PARALLEL(sums, &c, pieces, grain_for(pieces, PIECE));
  double sum = 0;
  for (int64_t i = 0; i < pieces; ++i) sum += parts[i];
  *out = (T)(sum * scale);
}

INLINE void slopes(const struct call *c, int64_t begin, int64_t end, int kind) {
  const T *RESTRICT x = c->x, *RESTRICT t = c->t, bound = c->bound, g = (T)(*c->g * c->scale);
  T *RESTRICT gx = c->gx, *RESTRICT gt = c->gt;
  if (gx) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) gx[i] = slope_of(x[i], t[i], bound, kind) * g;
  }
  if (gt) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) gt[i] = kind == LOGITS ? -x[i] * g : slope_of(t[i], x[i], bound, kind) * g;
  }
}
static void back(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  BY_KIND(c->kind, slopes(c, begin, end, K))
}
/* The gradients, g scale times the slope; gx and gt may be null. */
EXPORT void loss_back(const T *g, const T *x, const T *t, T *gx, T *gt, int64_t n, int kind, double bound, double scale) {
  struct call c = {.x = x, .t = t, .g = g, .gx = gx, .gt = gt, .n = n, .bound = (T)bound, .scale = (T)scale, .kind = kind};
  PARALLEL(back, &c, n, grain_for(n, 1));
}
