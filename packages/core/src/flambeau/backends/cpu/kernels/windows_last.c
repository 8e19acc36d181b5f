/* types: float double */
/* Windows over arrays whose channels lie last: depthwise convolution, pooling, means over positions. Vectors run along the channels.
 *
 * A row of results is one item of work. In the middle of it, where windows lie within the input, some positions at a time share the
 * loads of weights; at its ends the taps that lie outside are left out.
 */
#include "fb.h"
#include "fb_finish.h"
#include "fb_vec.h"

#define UNROLL _Pragma("GCC unroll 16")
#define DENSE TOGETHER /* of a narrow depthwise convolution: sums, the weights of a row and one vector of the input at a time */
#define MOST_DENSE 5
#define TOGETHER 4 /* positions, times two vectors of channels: sums and weights fit into 16 registers */

struct sizes { /* as in conv_last.c */
  int64_t images, height, width, channels, out_height, out_width, out_channels, groups;
  int64_t kernel[2], stride[2], dilation[2], before[2], room[2];
};
struct windows {
  struct sizes s;
  const T *x, *w, *bias;
  T *y;
  struct finish finish;
  int64_t counted; /* of an average: 0 for the taps within the input, else the divisor */
};
struct range {
  int64_t begin, end;
};

/* The taps k in [0, kernel) with 0 <= at + k * dilation < size. */
INLINE struct range inside(int64_t at, int64_t kernel, int64_t dilation, int64_t size) {
  const int64_t begin = at < 0 ? (-at + dilation - 1) / dilation : 0, end = size > at ? (size - at + dilation - 1) / dilation : 0;
  return (struct range){MIN(begin, kernel), MAX(MIN(begin, kernel), MIN(kernel, end))};
}

enum { MULTIPLY, LARGEST, AVERAGE };

/* Results of `count` positions, nv vectors of channels (the last of `lanes`). x: where the window of the first begins. */
INLINE void some(const struct windows *c, const int what, const int count, const int nv, int64_t lanes, const T *x, struct range h, struct range v, int64_t channel, T *y) {
  const struct sizes *s = &c->s;
  const int64_t right = s->stride[1] * s->channels, tap = s->dilation[1] * s->channels, row = s->dilation[0] * s->width * s->channels;
  vec sum[TOGETHER][2];
  UNROLL for (int j = 0; j < nv; ++j) {
    const int64_t n = j == nv - 1 ? lanes : WIDTH;
    const vec start = what == LARGEST ? splat((T)-INFINITY) : what == MULTIPLY && c->bias ? load_head(c->bias + channel + j * WIDTH, n, 0) : (vec){0};
    UNROLL for (int i = 0; i < count; ++i) sum[i][j] = start;
  }
  for (int64_t kh = h.begin; kh < h.end; ++kh)
    for (int64_t kw = v.begin; kw < v.end; ++kw) {
      const T *from = x + kh * row + kw * tap, *w = c->w + (kh * s->kernel[1] + kw) * s->channels + channel;
      UNROLL for (int j = 0; j < nv; ++j) {
        const int64_t n = j == nv - 1 ? lanes : WIDTH;
        const vec u = what != MULTIPLY ? (vec){0} : n == WIDTH ? load(w + j * WIDTH) : load_head(w + j * WIDTH, n, 0);
        UNROLL for (int i = 0; i < count; ++i) {
          const T *at = from + i * right + j * WIDTH;
          const vec a = n == WIDTH ? load(at) : load_head(at, n, 0);
          if (what == MULTIPLY) sum[i][j] += a * u;
          else if (what == AVERAGE) sum[i][j] += a;
          else { /* the new one where it is larger, or NaN */
            const ivec keeps = (ivec)(sum[i][j] >= a) | (ivec)(sum[i][j] != sum[i][j]);
            sum[i][j] = (vec)((keeps & (ivec)sum[i][j]) | (~keeps & (ivec)a));
          }
        }
      }
    }
  const T share = what == AVERAGE ? 1 / (T)(c->counted ? c->counted : (h.end - h.begin) * (v.end - v.begin)) : 1;
  UNROLL for (int i = 0; i < count; ++i)
    UNROLL for (int j = 0; j < nv; ++j) {
      T *to = y + i * s->channels + j * WIDTH;
      const vec made = what == AVERAGE ? sum[i][j] * splat(share) : sum[i][j];
      if (j == nv - 1 && lanes < WIDTH) store_head(to, made, lanes);
      else store(to, made);
    }
}

/* The same of a depthwise convolution whose window is `width` wide and moves by `step`: what two windows share is loaded once. */
INLINE void dense_some(const struct windows *c, const int width, const int step, int64_t lanes, const T *x, struct range h, int64_t channel, T *y) {
  const struct sizes *s = &c->s;
  const int64_t row = s->dilation[0] * s->width * s->channels;
  const vec start = c->bias ? load_head(c->bias + channel, lanes, 0) : (vec){0};
  vec sum[DENSE];
  UNROLL for (int i = 0; i < DENSE; ++i) sum[i] = start;
  for (int64_t kh = h.begin; kh < h.end; ++kh) {
    const T *from = x + kh * row, *w = c->w + kh * width * s->channels + channel;
    vec u[MOST_DENSE];
    UNROLL for (int k = 0; k < width; ++k) u[k] = load_head(w + k * s->channels, lanes, 0);
    UNROLL for (int j = 0; j < (DENSE - 1) * step + width; ++j) {
      const vec a = load_head(from + j * s->channels, lanes, 0);
      UNROLL for (int k = 0; k < width; ++k)
        if (j >= k && (j - k) % step == 0 && (j - k) / step < DENSE) sum[(j - k) / step] += a * u[k];
    }
  }
  UNROLL for (int i = 0; i < DENSE; ++i) store_head(y + i * s->channels, sum[i], lanes);
}
static void dense_3_1(const struct windows *c, int64_t lanes, const T *x, struct range h, int64_t channel, T *y) { dense_some(c, 3, 1, lanes, x, h, channel, y); }
static void dense_3_2(const struct windows *c, int64_t lanes, const T *x, struct range h, int64_t channel, T *y) { dense_some(c, 3, 2, lanes, x, h, channel, y); }
static void dense_5_1(const struct windows *c, int64_t lanes, const T *x, struct range h, int64_t channel, T *y) { dense_some(c, 5, 1, lanes, x, h, channel, y); }
static void dense_5_2(const struct windows *c, int64_t lanes, const T *x, struct range h, int64_t channel, T *y) { dense_some(c, 5, 2, lanes, x, h, channel, y); }
typedef void dense_kernel(const struct windows *c, int64_t lanes, const T *x, struct range h, int64_t channel, T *y);
static dense_kernel *dense_of(const struct sizes *s) {
  if (s->dilation[1] != 1 || s->stride[1] > 2) return 0;
  return s->kernel[1] == 3 ? (s->stride[1] == 1 ? dense_3_1 : dense_3_2) : s->kernel[1] == 5 ? (s->stride[1] == 1 ? dense_5_1 : dense_5_2) : 0;
}

INLINE void rows(const struct windows *c, const int what, int64_t begin, int64_t end) {
  const struct sizes *s = &c->s;
  /* Positions whose windows lie within the width: [inner.begin, inner.end). */
  const int64_t reach = (s->kernel[1] - 1) * s->dilation[1];
  const int64_t left = MIN(s->out_width, (s->before[1] + s->stride[1] - 1) / s->stride[1]), fits = s->width + s->before[1] - reach - 1;
  const int64_t right = fits < 0 ? left : MAX(left, MIN(s->out_width, fits / s->stride[1] + 1));
  const struct range all = {0, s->kernel[1]};
  dense_kernel *const dense = what == MULTIPLY ? dense_of(s) : 0;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t image = at / s->out_height, top = at % s->out_height * s->stride[0] - s->before[0];
    const struct range h = inside(top, s->kernel[0], s->dilation[0], s->height);
    T *y = c->y + at * s->out_width * s->channels;
    const T *x = c->x + ((image * s->height + top) * s->width - s->before[1]) * s->channels;
    for (int64_t ox = 0; ox < s->out_width;) {
      const int inner = ox >= left && ox + TOGETHER <= right;
      const T *from = x + ox * s->stride[1] * s->channels;
      T *to = y + ox * s->channels;
      const struct range v = inside(ox * s->stride[1] - s->before[1], s->kernel[1], s->dilation[1], s->width);
      for (int64_t channel = 0; channel < s->channels; channel += 2 * WIDTH) {
        const int64_t n = MIN(2 * WIDTH, s->channels - channel), lanes = n > WIDTH ? n - WIDTH : n;
        if (inner && dense) {
          dense(c, MIN(n, WIDTH), from + channel, h, channel, to + channel);
          if (n > WIDTH) dense(c, lanes, from + channel + WIDTH, h, channel + WIDTH, to + channel + WIDTH);
        } else if (inner) {
          if (n == 2 * WIDTH) some(c, what, TOGETHER, 2, WIDTH, from + channel, h, all, channel, to + channel);
          else if (n > WIDTH) some(c, what, TOGETHER, 2, lanes, from + channel, h, all, channel, to + channel);
          else some(c, what, TOGETHER, 1, lanes, from + channel, h, all, channel, to + channel);
        } else {
          if (n > WIDTH) some(c, what, 1, 2, lanes, from + channel, h, v, channel, to + channel);
          else some(c, what, 1, 1, lanes, from + channel, h, v, channel, to + channel);
        }
      }
      ox += inner ? TOGETHER : 1;
    }
    const int64_t size = s->out_width * s->channels;
    if (what == MULTIPLY && finishes(&c->finish)) finish_rows(&c->finish, y, size, c->y, at * size, size, 1, size);
  }
}
static void multiply_rows(void *context, int64_t begin, int64_t end) { rows(context, MULTIPLY, begin, end); }
static void largest_rows(void *context, int64_t begin, int64_t end) { rows(context, LARGEST, begin, end); }
static void average_rows(void *context, int64_t begin, int64_t end) { rows(context, AVERAGE, begin, end); }

static void run(fb_task task, struct windows *c) {
  const struct sizes *s = &c->s;
  const int64_t count = s->images * s->out_height, each = s->out_width * s->channels * s->kernel[0] * s->kernel[1] / 4;
  PARALLEL(task, c, count, grain_for(count, each));
}

/* w: (taps, channels); y = activation(sum + bias + residual). */
EXPORT void depthwise_packed(const T *x, const T *w, const T *bias, const T *residual, T *y, int64_t activation, double low, double high, const int64_t *n) {
  struct windows c = {.x = x, .w = w, .bias = bias, .y = y, .finish = {activation, (T)low, (T)high, residual}};
  memcpy(&c.s, n, sizeof(c.s));
  run(multiply_rows, &c);
}
EXPORT void largest(const T *x, T *y, const int64_t *n) {
  struct windows c = {.x = x, .y = y};
  memcpy(&c.s, n, sizeof(c.s));
  run(largest_rows, &c);
}
/* `counted`: the divisor; 0 for the number of taps within the input. */
EXPORT void average(const T *x, T *y, int64_t counted, const int64_t *n) {
  struct windows c = {.x = x, .y = y, .counted = counted};
  memcpy(&c.s, n, sizeof(c.s));
  run(average_rows, &c);
}

/* -- means over all positions of an image --------------------------------------------------------------------------- */

struct means {
  const T *x;
  T *y;
  int64_t positions, channels, parts;
};
static void mean_parts(void *context, int64_t begin, int64_t end) {
  const struct means *c = context;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t image = at / c->parts, vectors = (c->channels + WIDTH - 1) / WIDTH, part = at % c->parts;
    const int64_t first = part * vectors / c->parts * WIDTH, last = MIN(c->channels, (part + 1) * vectors / c->parts * WIDTH);
    for (int64_t channel = first; channel < last; channel += WIDTH) {
      const int64_t n = MIN(WIDTH, last - channel);
      const T *x = c->x + image * c->positions * c->channels + channel;
      vec sum[4] = {{0}, {0}, {0}, {0}};
      for (int64_t q = 0; q < c->positions; ++q, x += c->channels) sum[q % 4] += n == WIDTH ? load(x) : load_head(x, n, 0);
      store_head(c->y + image * c->channels + channel, ((sum[0] + sum[1]) + (sum[2] + sum[3])) / splat((T)c->positions), n);
    }
  }
}
EXPORT void mean(const T *x, T *y, int64_t images, int64_t positions, int64_t channels) {
  struct means c = {x, y, positions, channels, MAX(1, channels / 256)};
  PARALLEL(mean_parts, &c, images * c.parts, grain_for(images * c.parts, positions * channels / c.parts));
}
