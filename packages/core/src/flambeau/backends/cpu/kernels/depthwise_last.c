/* types: float double */
/* The gradient of depthwise convolutions for the weight where channels lie last: of each channel, sums of gradient times input.
 *
 * A task has a vector of channels. Of each row of the gradient and each row of the window, the taps' sums stay in registers while
 * the positions pass whose taps are all inside; the few at the ends come tap by tap.
 */
#include "fb.h"
#include "fb_vec.h"

#define UNROLL _Pragma("GCC unroll 8")
enum { TAPS = 7 }; /* of a row of the window whose sums stay in registers; wider rows are cut */

/* The numbers of `packed.Last`. */
struct sizes {
  int64_t images, height, width, channels, out_height, out_width, out_channels, groups;
  int64_t kernel[2], stride[2], dilation[2], before[2], room[2];
};
struct weights {
  struct sizes s;
  const T *x, *g;
  T *dw;
};

/* sum[k] += g[i] * x[i * step + k * gap] for `count` positions, the vector's `lanes` elements of each. */
INLINE void row(const int taps, const int whole, const T *x, const T *g, int64_t count, int64_t step, int64_t gap, int64_t pitch, int64_t lanes, vec *sum) {
  vec a[TAPS], b[TAPS];
  UNROLL for (int k = 0; k < taps; ++k) a[k] = sum[k], b[k] = (vec){0};
  int64_t i = 0;
  for (; i + 2 <= count; i += 2, g += 2 * pitch, x += 2 * step) {
    const vec u = whole ? load(g) : load_head(g, lanes, 0), v = whole ? load(g + pitch) : load_head(g + pitch, lanes, 0);
    UNROLL for (int k = 0; k < taps; ++k) {
      a[k] += u * (whole ? load(x + k * gap) : load_head(x + k * gap, lanes, 0));
      b[k] += v * (whole ? load(x + step + k * gap) : load_head(x + step + k * gap, lanes, 0));
    }
  }
  if (i < count) {
    const vec u = load_head(g, lanes, 0);
    UNROLL for (int k = 0; k < taps; ++k) a[k] += u * load_head(x + k * gap, lanes, 0);
  }
  UNROLL for (int k = 0; k < taps; ++k) sum[k] = a[k] + b[k];
}

typedef void row_kernel(const T *x, const T *g, int64_t count, int64_t step, int64_t gap, int64_t pitch, int64_t lanes, vec *sum);
#define ONE_ROW(n) \
  static void row_##n(const T *x, const T *g, int64_t count, int64_t step, int64_t gap, int64_t pitch, int64_t lanes, vec *sum) { \
    if (lanes == WIDTH) row(n, 1, x, g, count, step, gap, pitch, WIDTH, sum); \
    else row(n, 0, x, g, count, step, gap, pitch, lanes, sum); \
  }
ONE_ROW(1) ONE_ROW(2) ONE_ROW(3) ONE_ROW(4) ONE_ROW(5) ONE_ROW(6) ONE_ROW(7)
static row_kernel *const rows[] = {row_1, row_2, row_3, row_4, row_5, row_6, row_7};

/* The first position whose tap k is not before the input, and the first whose tap k is behind it. */
INLINE int64_t from_of(const struct sizes *s, int64_t k) {
  const int64_t lead = s->before[1] - k * s->dilation[1];
  return lead <= 0 ? 0 : MIN(s->out_width, (lead + s->stride[1] - 1) / s->stride[1]);
}
INLINE int64_t until_of(const struct sizes *s, int64_t k) {
  const int64_t room = s->width + s->before[1] - k * s->dilation[1];
  return room <= 0 ? 0 : MIN(s->out_width, (room + s->stride[1] - 1) / s->stride[1]);
}

static void gather(void *context, int64_t begin, int64_t end) {
  const struct weights *c = context;
  const struct sizes *s = &c->s;
  const int64_t C = s->channels, wide = s->kernel[1], taps = s->kernel[0] * wide, step = s->stride[1] * C, gap = s->dilation[1] * C;
  vec *sums = SCRATCH(0, (size_t)taps * sizeof(vec));
  int64_t *from = SCRATCH(1, 2 * (size_t)wide * sizeof(int64_t)), *until = from + wide;
  for (int64_t k = 0; k < wide; ++k) from[k] = from_of(s, k), until[k] = until_of(s, k);
  for (int64_t at = begin; at < end; ++at) {
    const int64_t first = at * WIDTH, lanes = MIN(WIDTH, C - first);
    for (int64_t t = 0; t < taps; ++t) sums[t] = (vec){0};
    for (int64_t image = 0; image < s->images; ++image)
      for (int64_t h = 0; h < s->out_height; ++h)
        for (int64_t i = 0; i < s->kernel[0]; ++i) {
          const int64_t y = h * s->stride[0] + i * s->dilation[0] - s->before[0];
          if (y < 0 || y >= s->height) continue;
          const T *g = c->g + (image * s->out_height + h) * s->out_width * C + first;
          const T *x = c->x + ((image * s->height + y) * s->width - s->before[1]) * C + first; /* before the row where there is padding */
          for (int64_t k0 = 0, n; k0 < wide; k0 += n) {
            n = MIN(TAPS, wide - k0);
            vec *sum = sums + i * wide + k0;
            const int64_t low = from[k0], high = MAX(low, until[k0 + n - 1]); /* all taps are inside */
            if (high > low) rows[n - 1](x + low * step + k0 * gap, g + low * C, high - low, step, gap, C, lanes, sum);
            for (int64_t k = 0; k < n; ++k) {
              const int64_t a = from[k0 + k], b = until[k0 + k];
              const T *tap = x + (k0 + k) * gap;
              for (int64_t w = a; w < MIN(b, low); ++w) sum[k] += load_head(g + w * C, lanes, 0) * load_head(tap + w * step, lanes, 0);
              for (int64_t w = MAX(a, high); w < b; ++w) sum[k] += load_head(g + w * C, lanes, 0) * load_head(tap + w * step, lanes, 0);
            }
          }
        }
    for (int64_t t = 0; t < taps; ++t)
      for (int64_t i = 0; i < lanes; ++i) c->dw[(first + i) * taps + t] = sums[t][i];
  }
}

EXPORT void depthwise_last_weight(const T *x, const T *g, T *dw, const int64_t *n) {
  struct weights c = {.x = x, .g = g, .dw = dw};
  memcpy(&c.s, n, sizeof(c.s));
  const int64_t blocks = (c.s.channels + WIDTH - 1) / WIDTH;
  PARALLEL(gather, &c, blocks, grain_for(blocks, c.s.images * c.s.out_height * c.s.out_width * c.s.kernel[0] * c.s.kernel[1]));
}
