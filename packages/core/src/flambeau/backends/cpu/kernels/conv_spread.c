/* types: float double */
/* The gradient for the input of depthwise convolutions of two dimensions with a stride of 2: windows spread over the results.
 *
 * Of the results in a row the even ones meet the taps of one parity, the odd ones those of the other: two sums, woven as they
 * leave, of reads that follow one another. Only rows of taps that meet a row of results are read. Each plane is laid out once with
 * zeros around its rows, in the first cache.
 */
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")

struct sizes {
  int64_t planes, groups, windows[2], out[2], kernel[2], before[2]; /* before: padding of the convolution */
};
struct spread {
  struct sizes s;
  const T *x, *w, *bias;
  T *y;
  int64_t left, pitch; /* zeros before a row's windows; elements from row to row */
};

/* Adds what results (h, 2j) and (h, 2j + 1) meet to `even` and `odd`, for WIDTH of j from the place x of the padded rows on.
 * `late`: 1 where the padding is odd, and the first tap of a row meets odd results. */
INLINE void sum_taps(const struct spread *c, const int columns, const int late, int64_t h, const T *x, vec *even, vec *odd, const T *w) {
  const int64_t top = h + c->s.before[0];
  for (int64_t k = top % 2; k < MIN(c->s.kernel[0], top + 1); k += 2) {
    const int64_t row = (top - k) / 2;
    if (row >= c->s.windows[0]) continue;
    const T *from = x + row * c->pitch, *tap = w + k * columns;
    UNROLL for (int t = 0; t < columns; ++t) {
      const int side = (t + late) % 2;
      const vec product = splat(tap[t]) * load(from + (side + late - t) / 2);
      if (side) *odd += product;
      else *even += product;
    }
  }
}

INLINE void spread_plane(const struct spread *c, const int columns, const int late, const T *x, const T *w, T bias, T *y) {
  const int64_t wide = c->s.out[1];
  for (int64_t h = 0; h < c->s.out[0]; ++h, y += wide)
    for (int64_t at = 0; at < wide; at += 2 * WIDTH) {
      vec even = splat(bias), odd = even;
      sum_taps(c, columns, late, h, x + at / 2, &even, &odd, w);
      const int64_t count = MIN(2 * WIDTH, wide - at);
      store_head(y + at, FB_PICK(even, odd, FB_LOWS), MIN(WIDTH, count));
      if (count > WIDTH) store_head(y + at + WIDTH, FB_PICK(even, odd, FB_HIGHS), count - WIDTH);
    }
}

static void spread_planes(void *context, int64_t begin, int64_t end) {
  const struct spread *c = context;
  const struct sizes *s = &c->s;
  const int64_t columns = s->kernel[1], late = s->before[1] % 2;
  const size_t bytes = (size_t)(s->windows[0] * c->pitch + 2 * WIDTH) * sizeof(T);
  T *plane = SCRATCH(1, bytes);
  memset(plane, 0, bytes);
  for (int64_t at = begin; at < end; ++at) {
    const T *x = c->x + at * s->windows[0] * s->windows[1], *w = c->w + at % s->groups * s->kernel[0] * columns;
    for (int64_t h = 0; h < s->windows[0]; ++h) copy_row(plane + h * c->pitch + c->left, x + h * s->windows[1], s->windows[1]);
    const T *from = plane + c->left + s->before[1] / 2, bias = c->bias ? c->bias[at % s->groups] : 0;
    T *y = c->y + at * s->out[0] * s->out[1];
    if (columns == 3 && late) spread_plane(c, 3, 1, from, w, bias, y);
    else if (columns == 5 && !late) spread_plane(c, 5, 0, from, w, bias, y);
    else if (columns == 7 && late) spread_plane(c, 7, 1, from, w, bias, y);
    else spread_plane(c, (int)columns, (int)late, from, w, bias, y);
  }
}

/* `n`: the numbers of `struct sizes`. */
EXPORT void spread(const T *x, const T *w, const T *bias, T *y, const int64_t *n) {
  struct spread c = {.x = x, .w = w, .bias = bias, .y = y};
  memcpy(&c.s, n, sizeof c.s);
  const struct sizes *s = &c.s;
  c.left = s->kernel[1] / 2; /* the furthest a tap reads to the left of its result, and to the right: */
  c.pitch = c.left + MAX(s->windows[1], (s->out[1] + 1) / 2 + s->before[1] / 2 + 1);
  PARALLEL(spread_planes, &c, s->planes, grain_for(s->planes, s->out[0] * s->out[1] * (1 + s->kernel[0] * s->kernel[1] / 8)));
}
