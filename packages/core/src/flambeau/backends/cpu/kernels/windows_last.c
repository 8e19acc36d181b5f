/* types: float double */
/* Windows over arrays whose channels lie last: depthwise convolution, pooling, means over positions. Vectors run along the channels.
 *
 * A row of results is one item of work. In the middle of it, where windows lie within the input, some positions at a time share the
 * loads of weights; at its ends the taps that lie outside are left out.
 */
#include "fb.h"
#include "fb_finish.h"
#include "fb_vec.h"

#define UNROLL _Pragma("GCC unroll 32")
#define MOST_TAPS 5 /* of the rows of a window of `dense` */
#define PART 192    /* channels that a task of `dense` passes over: what it reads stays in the first cache */
#if REGISTERS == 32
#define WIDE 7 /* positions of a block of `dense`: widths are often multiples of 7 */
#else
#define WIDE NARROW
#endif
#define NARROW 4
#define TOGETHER 4 /* positions, times two vectors of channels: sums and weights fit into 16 registers */

struct sizes { /* as in conv_last.c */
  int64_t images, height, width, channels, out_height, out_width, out_channels, groups;
  int64_t kernel[2], stride[2], dilation[2], before[2], room[2];
};
struct windows {
  struct sizes s;
  const T *x, *w, *bias;
  T *y;
  T low, high; /* a clamp that `dense` applies itself */
  struct finish finish;
  int64_t bands;   /* that rows are divided into, for as many threads */
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

/* -- depthwise convolution by blocks ------------------------------------------------------------------------------- */

/* A block of positions: one or two rows of results by some columns. Each vector of the input is loaded once for all of its windows. */
struct block {
  const T *x; /* where the first window begins */
  T *y;
  int64_t channel, end;  /* channels [channel, end) */
  int64_t above, below;  /* rows of its windows that lie within the input, counted from the first */
  uint32_t within;       /* bit j: column j of its windows lies within the input */
  int count;             /* columns of results; the others are not stored */
};

INLINE void dense_some(const struct windows *c, const int size, const int step, const int rows, const int columns, const int edge, const struct block *b) {
  const struct sizes *s = &c->s;
  const int64_t pitch = s->channels, down = s->width * pitch, high = s->out_width * pitch;
  const vec low = splat(c->low), top = splat(c->high);
  for (int64_t channel = b->channel; channel < b->end; channel += WIDTH) {
    const int64_t lanes = MIN(WIDTH, b->end - channel);
    const T *x = b->x + channel, *w = c->w + channel;
    const vec start = c->bias ? load_head(c->bias + channel, lanes, 0) : (vec){0};
    vec sum[2][WIDE], u[MOST_TAPS * MOST_TAPS];
    UNROLL for (int o = 0; o < rows; ++o) UNROLL for (int i = 0; i < columns; ++i) sum[o][i] = start;
    UNROLL for (int k = 0; k < size * size; ++k) u[k] = load_head(w + k * pitch, lanes, 0);
    UNROLL for (int r = 0; r < (rows - 1) * step + size; ++r) {
      if (r < b->above || r >= b->below) continue;
      UNROLL for (int j = 0; j < (columns - 1) * step + size; ++j) {
        if (edge && !(b->within >> j & 1)) continue;
        const T *at = x + r * down + j * pitch;
        const vec a = load_head(at, lanes, 0);
        UNROLL for (int o = 0; o < rows; ++o)
          UNROLL for (int k = 0; k < size; ++k)
            if (r >= o * step && r - o * step < size && j >= k && (j - k) % step == 0 && (j - k) / step < columns)
              sum[o][(j - k) / step] += a * u[(r - o * step) * size + k];
      }
    }
    UNROLL for (int o = 0; o < rows; ++o)
      UNROLL for (int i = 0; i < columns; ++i)
        if (!edge || i < b->count) store_head(b->y + o * high + i * pitch + channel, clamped(sum[o][i], low, top), lanes);
  }
}
typedef void dense_kernel(const struct windows *c, const struct block *b);
#define FB_DENSE(size, step, rows, columns)                                                                                                  \
  static void dense_##size##_##step##_##rows##_##columns(const struct windows *c, const struct block *b) {                                   \
    dense_some(c, size, step, rows, columns, 0, b);                                                                                          \
  }                                                                                                                                          \
  static void edge_##size##_##step##_##rows##_##columns(const struct windows *c, const struct block *b) {                                    \
    dense_some(c, size, step, rows, columns, 1, b);                                                                                          \
  }
FB_DENSE(3, 1, 1, 4) FB_DENSE(3, 1, 2, 4) FB_DENSE(3, 2, 1, 4) FB_DENSE(3, 2, 2, 4)
FB_DENSE(5, 1, 1, 4) FB_DENSE(5, 1, 2, 4) FB_DENSE(5, 2, 1, 4) FB_DENSE(5, 2, 2, 4)
#define FB_NAMES(size, step, columns) {{dense_##size##_##step##_1_##columns, edge_##size##_##step##_1_##columns}, {dense_##size##_##step##_2_##columns, edge_##size##_##step##_2_##columns}}
/* By size (3, 5) and step, then by rows, then whether at an edge. */
static dense_kernel *const narrow_kernels[2][2][2][2] = {{FB_NAMES(3, 1, 4), FB_NAMES(3, 2, 4)}, {FB_NAMES(5, 1, 4), FB_NAMES(5, 2, 4)}};
#if REGISTERS == 32
FB_DENSE(3, 1, 1, 7) FB_DENSE(3, 1, 2, 7) FB_DENSE(3, 2, 1, 7) FB_DENSE(3, 2, 2, 7)
static dense_kernel *const wide_kernels[2][2][2] = {FB_NAMES(3, 1, 7), FB_NAMES(3, 2, 7)};
#endif

/* Windows of 3x3 or 5x5 without dilation, which move by 1 or 2. */
static int is_dense(const struct sizes *s) {
  const int64_t size = s->kernel[0], step = s->stride[0];
  return s->dilation[0] == 1 && s->dilation[1] == 1 && s->kernel[1] == size && s->stride[1] == step && (size == 3 || size == 5) && step <= 2;
}
static int64_t parts_of(const struct sizes *s) { return (s->channels + PART - 1) / PART; }

/* Items of work: two rows of results of a part of the channels. A band of pairs of rows is passed over part by part: a part's rows lie
 * side by side in the first cache, and who works on a band finds in the second what it has made of it before, and leaves it there. */
static void dense_rows(void *context, int64_t begin, int64_t end) {
  const struct windows *c = context;
  const struct sizes *s = &c->s;
  const int64_t pairs = (s->out_height + 1) / 2, parts = parts_of(s), vectors = (s->channels + WIDTH - 1) / WIDTH, step = s->stride[0], size = s->kernel[0];
  int64_t columns = NARROW;
  dense_kernel *const(*kernels)[2] = narrow_kernels[size == 5][step - 1];
#if REGISTERS == 32
  if (size == 3 && (s->out_width + WIDE - 1) / WIDE * WIDE * 15 <= (s->out_width + NARROW - 1) / NARROW * NARROW * 16)
    columns = WIDE, kernels = wide_kernels[step - 1];
#endif
  const int64_t span = (columns - 1) * step + size;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t all = s->images * pairs;
    int64_t band = at / parts * c->bands / all;
    while ((band + 1) * all / c->bands * parts <= at) ++band;
    const int64_t first_pair = band * all / c->bands, tall = (band + 1) * all / c->bands - first_pair, within = at - first_pair * parts;
    const int64_t part = within / tall, pair = first_pair + within % tall, image = pair / pairs, oy = pair % pairs * 2, rows = MIN(2, s->out_height - oy);
    const int64_t top = oy * step - s->before[0];
    struct block b = {.channel = part * vectors / parts * WIDTH, .end = MIN(s->channels, (part + 1) * vectors / parts * WIDTH)};
    b.above = MAX(0, -top), b.below = s->height - top;
    for (int64_t ox = 0; ox < s->out_width; ox += columns) {
      const int64_t left = ox * step - s->before[1], first = MAX(0, -left), last = MIN(span, s->width - left);
      b.within = last <= first ? 0 : ((uint32_t)1 << last) - ((uint32_t)1 << first);
      b.count = (int)MIN(columns, s->out_width - ox);
      b.x = c->x + ((image * s->height + top) * s->width + left) * s->channels;
      b.y = c->y + ((image * s->out_height + oy) * s->out_width + ox) * s->channels;
      kernels[rows - 1][first || last < span || b.count < columns](c, &b);
    }
    if (finishes(&c->finish)) {
      const int64_t place = (image * s->out_height + oy) * s->out_width * s->channels + b.channel;
      finish_rows(&c->finish, c->y + place, s->channels, c->y, place, s->channels, rows * s->out_width, b.end - b.channel);
    }
  }
}

/* -- any window ------------------------------------------------------------------------------------------------------ */

INLINE void rows(const struct windows *c, const int what, int64_t begin, int64_t end) {
  const struct sizes *s = &c->s;
  /* Positions whose windows lie within the width: [inner.begin, inner.end). */
  const int64_t reach = (s->kernel[1] - 1) * s->dilation[1];
  const int64_t left = MIN(s->out_width, (s->before[1] + s->stride[1] - 1) / s->stride[1]), fits = s->width + s->before[1] - reach - 1;
  const int64_t right = fits < 0 ? left : MAX(left, MIN(s->out_width, fits / s->stride[1] + 1));
  const struct range all = {0, s->kernel[1]};
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
        if (inner) {
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
  struct windows c = {.x = x, .w = w, .bias = bias, .y = y, .low = (T)-INFINITY, .high = (T)INFINITY, .finish = {activation, (T)low, (T)high, residual}};
  memcpy(&c.s, n, sizeof(c.s));
  const struct sizes *s = &c.s;
  if (!is_dense(s)) {
    run(multiply_rows, &c);
    return;
  }
  if (activation == CLAMP && !residual) c.low = (T)low, c.high = (T)high, c.finish.activation = PLAIN;
  const int64_t parts = parts_of(s), all = s->images * ((s->out_height + 1) / 2), count = parts * all;
  c.bands = all < 3 * fb->threads() ? 1 : fb->threads(); /* of small images convolutions share the channels, too */
  PARALLEL(dense_rows, &c, count, grain_for(count, s->out_width * s->channels / parts * s->kernel[0] * s->kernel[1] / 2));
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
