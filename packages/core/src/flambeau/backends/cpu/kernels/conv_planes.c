/* types: float double */
/* Convolutions of one or two dimensions whose groups have one channel each (depthwise), with a stride of 1 or 2 along rows.
 *
 * Each tap of some rows of results is a read of the input itself, masked where it reaches beyond a row, so that a plane is
 * read once from memory and nothing is laid out anew. Where the processor has no masked reads, planes are padded first.
 */
#include "fb_finish.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")
#define MOST_ROWS 8 /* rows of results at a time: as many sums, each a vector */
#if defined(__AVX512F__)
#define MASKED 1
#else
#define MASKED 0
#endif
#define SLACK (2 * WIDTH) /* elements that may be read behind a padded plane */

struct planes {
  int64_t planes, groups, rows;  /* planes of the input; rows of weights of a group */
  int64_t size[2], out[2], kernel[2], step[2], gap[2], before[2];
  int64_t turned;                /* whether the weights are turned round */
};
struct sweep {
  struct planes p;
  struct finish finish;
  const T *x, *w, *bias;
  T *y;
};

#if MASKED
typedef uint32_t mask; /* of two vectors' elements */
#if defined(T_FLOAT32)
INLINE vec load_masked(const T *p, mask m) { return (vec)_mm512_maskz_loadu_ps((__mmask16)m, p); }
#else
INLINE vec load_masked(const T *p, mask m) { return (vec)_mm512_maskz_loadu_pd((__mmask8)m, p); }
#endif
#else
typedef int mask;
INLINE vec load_masked(const T *p, mask m) { (void)m; return load(p); }
#endif

/* What a tap reads for WIDTH results in a row: every `step`-th element. */
INLINE vec read_tap(const T *p, mask m, const int step, const int both) {
  if (step == 1) return load_masked(p, m);
  const vec a = load_masked(p, m), b = both ? load_masked(p + WIDTH, MASKED ? m >> WIDTH : m) : (vec){0};
  return FB_PICK(a, b, FB_EVENS);
}

/* Elements of a row of windows that a tap finds inside of the input: bits of those from element `first` on. */
INLINE mask inside(int64_t first, int64_t size, int64_t count) {
#if MASKED
  const int64_t begin = MAX(0, -first), end = MIN(count, size - first);
  return begin >= end ? 0 : (mask)((((uint64_t)1 << end) - 1) & ~(((uint64_t)1 << begin) - 1));
#else
  (void)first, (void)size, (void)count;
  return 1;
#endif
}

/* `rows` rows of `count` <= WIDTH results from [h][w] on. x: the plane, its rows `pitch` apart, as if it had no ends. */
INLINE void sweep_rows(const int rows, const int step, const int both, const struct sweep *c, const T *x, int64_t pitch, const T *taps, T bias, int64_t h, int64_t w, int64_t count, int64_t place) {
  const struct planes *p = &c->p;
  vec sum[MOST_ROWS];
  UNROLL for (int r = 0; r < rows; ++r) sum[r] = splat(bias);
  const int64_t down = p->step[0] * pitch;
  for (int64_t i = 0; i < p->kernel[0]; ++i) {
    const int64_t top = h * p->step[0] + i * p->gap[0] - p->before[0];
    const int all = !MASKED || (top >= 0 && top + (rows - 1) * p->step[0] < p->size[0]);
    for (int64_t j = 0; j < p->kernel[1]; ++j) {
      const int64_t left = w * step + j * p->gap[1] - p->before[1];
      const mask m = inside(left, p->size[1], step * count);
      const vec k = splat(taps[i * p->kernel[1] + j]);
      const T *from = x + top * pitch + left;
      if (all) {
        UNROLL for (int r = 0; r < rows; ++r) sum[r] += k * read_tap(from + r * down, m, step, both);
      } else {
        UNROLL for (int r = 0; r < rows; ++r) {
          const int64_t at = top + r * p->step[0];
          sum[r] += k * (at >= 0 && at < p->size[0] ? read_tap(from + r * down, m, step, both) : (vec){0});
        }
      }
    }
  }
  const vec low = splat(c->finish.low), high = splat(c->finish.high);
  UNROLL for (int r = 0; r < rows; ++r) {
    const int64_t at = place + (h + r) * p->out[1] + w;
    vec v = sum[r];
    if (c->finish.residual) v += load_head(c->finish.residual + at, count, 0);
    store_head(c->y + at, activated(v, c->finish.activation, low, high), count);
  }
}

#define SOME_ROWS(rows) \
  static void sweep_##rows(const struct sweep *c, const T *x, int64_t pitch, const T *taps, T bias, int64_t h, int64_t w, int64_t count, int64_t place) { \
    if (c->p.step[1] == 1) sweep_rows(rows, 1, 0, c, x, pitch, taps, bias, h, w, count, place); \
    else if (2 * count > WIDTH + 1) sweep_rows(rows, 2, 1, c, x, pitch, taps, bias, h, w, count, place); \
    else sweep_rows(rows, 2, 0, c, x, pitch, taps, bias, h, w, count, place); \
  }
SOME_ROWS(1) SOME_ROWS(2) SOME_ROWS(3) SOME_ROWS(4) SOME_ROWS(5) SOME_ROWS(6) SOME_ROWS(7) SOME_ROWS(8)
typedef void sweep_kernel(const struct sweep *c, const T *x, int64_t pitch, const T *taps, T bias, int64_t h, int64_t w, int64_t count, int64_t place);
static sweep_kernel *const sweeps[] = {sweep_1, sweep_2, sweep_3, sweep_4, sweep_5, sweep_6, sweep_7, sweep_8};

/* The plane with its padding, its rows `pitch` apart, from its element [0][0] on. */
static const T *padded(const struct planes *p, const T *x, int64_t *pitch) {
  const int64_t high = (p->out[0] - 1) * p->step[0] + (p->kernel[0] - 1) * p->gap[0] + 1, wide = (p->out[1] - 1) * p->step[1] + (p->kernel[1] - 1) * p->gap[1] + 1;
  *pitch = MAX(wide, p->before[1] + p->size[1]);
  const size_t elements = (size_t)(MAX(high, p->before[0] + p->size[0]) * *pitch + SLACK);
  T *plane = SCRATCH(1, elements * sizeof(T)), *first = plane + p->before[0] * *pitch + p->before[1];
  memset(plane, 0, elements * sizeof(T));
  for (int64_t h = 0; h < p->size[0]; ++h) copy_row(first + h * *pitch, x + h * p->size[1], p->size[1]);
  return first;
}

static void convolve(void *context, int64_t begin, int64_t end) {
  const struct sweep *c = context;
  const struct planes *p = &c->p;
  const int64_t size = p->size[0] * p->size[1], volume = p->out[0] * p->out[1], taps = p->kernel[0] * p->kernel[1];
  const int64_t blocks = (p->out[0] + MOST_ROWS - 1) / MOST_ROWS;
  T *turned = SCRATCH(2, (size_t)taps * sizeof(T));
  for (int64_t at = begin; at < end; ++at) {
    int64_t pitch = p->size[1];
    const T *x = c->x + at * size;
    if (!MASKED) x = padded(p, x, &pitch);
    for (int64_t r = 0; r < p->rows; ++r) {
      const int64_t row = at % p->groups * p->rows + r;
      const T *w = c->w + row * taps;
      if (p->turned) {
        for (int64_t t = 0; t < taps; ++t) turned[t] = w[taps - 1 - t];
        w = turned;
      }
      for (int64_t b = 0; b < blocks; ++b) {
        const int64_t h = b * p->out[0] / blocks, rows = (b + 1) * p->out[0] / blocks - h;
        for (int64_t v = 0; v < p->out[1]; v += WIDTH)
          sweeps[rows - 1](c, x, pitch, w, c->bias ? c->bias[row] : 0, h, v, MIN(WIDTH, p->out[1] - v), (at * p->rows + r) * volume);
      }
    }
  }
}

static void run(struct sweep *c, const int64_t *n) {
  memcpy(&c->p, n, sizeof(c->p));
  const struct planes *p = &c->p;
  PARALLEL(convolve, c, p->planes, grain_for(p->planes, p->size[0] * p->size[1] + p->out[0] * p->out[1] * p->rows * p->kernel[0] * p->kernel[1] / 8));
}

/* `n`: the numbers of `struct planes`. */
EXPORT void planes(const T *x, const T *w, const T *bias, T *y, const int64_t *n) {
  struct sweep c = {.x = x, .w = w, .bias = bias, .y = y};
  run(&c, n);
}

/* As `convolution_packed` in conv.c; the weights are as they are. */
EXPORT void planes_packed(const T *x, const T *w, const T *bias, const T *residual, T *y, int64_t activation, T low, T high, const int64_t *n) {
  struct sweep c = {.x = x, .w = w, .bias = bias, .y = y, .finish = {activation, low, high, residual}};
  run(&c, n);
}
