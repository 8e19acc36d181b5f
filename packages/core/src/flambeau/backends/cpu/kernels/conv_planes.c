/* types: float double */
/* Convolutions of one or two dimensions whose groups have one channel each (depthwise), with a stride of 1 or 2 along rows.
 *
 * Each tap of some rows of results is a read of the input itself, masked where it reaches beyond a row, so that a plane is
 * read once from memory and nothing is laid out anew. Where the processor has no masked reads, planes are padded first.
 */
#include "fb_finish.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")
#define MOST_ROWS 8 /* rows of results at a time: as many sums, each a vector; LEAST_ROWS in windows.py is the fewest */
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

/* A block of results: rows from h on, `count` <= WIDTH of each from w on. */
struct block {
  const T *x;      /* where the plane's element [0][0] is, its rows `pitch` apart */
  const T *taps;
  const mask *inside; /* for each tap along a row */
  T bias;
  int64_t pitch, h, w, count, place; /* place: of the plane of results */
};

/* `high`: taps above one another, next to one another; 0: any number, `gap` apart. */
INLINE void sweep_block(const int rows, const int high, const int down, const int step, const int both, const struct sweep *c, const struct block *b) {
  const struct planes *p = &c->p;
  vec sum[MOST_ROWS];
  UNROLL for (int r = 0; r < rows; ++r) sum[r] = splat(b->bias);
  const int64_t top = b->h * p->step[0] - p->before[0], left = b->w * step - p->before[1], taps = p->kernel[1];
  for (int64_t j = 0; j < taps; ++j) {
    const T *from = b->x + top * b->pitch + left + j * p->gap[1];
    const mask m = b->inside[j];
    if (high) {
      vec k[7];
      UNROLL for (int i = 0; i < high; ++i) k[i] = splat(b->taps[i * taps + j]);
      _Pragma("GCC unroll 32") for (int q = 0; q < (rows - 1) * down + high; ++q) {
        const vec v = !MASKED || (uint64_t)(top + q) < (uint64_t)p->size[0] ? read_tap(from + q * b->pitch, m, step, both) : (vec){0};
        UNROLL for (int r = 0; r < rows; ++r)
          if (q >= r * down && q - r * down < high) sum[r] += k[q - r * down] * v;
      }
    } else {
      for (int64_t i = 0; i < p->kernel[0]; ++i) {
        const vec k = splat(b->taps[i * taps + j]);
        UNROLL for (int r = 0; r < rows; ++r) {
          const int64_t q = r * p->step[0] + i * p->gap[0];
          sum[r] += k * (!MASKED || (uint64_t)(top + q) < (uint64_t)p->size[0] ? read_tap(from + q * b->pitch, m, step, both) : (vec){0});
        }
      }
    }
  }
  const vec low = splat(c->finish.low), high_end = splat(c->finish.high);
  UNROLL for (int r = 0; r < rows; ++r) {
    const int64_t at = b->place + (b->h + r) * p->out[1] + b->w;
    vec v = sum[r];
    if (c->finish.residual) v += load_head(c->finish.residual + at, b->count, 0);
    v = activated(v, c->finish.activation, low, high_end);
    if (b->count == WIDTH) store(c->y + at, v); /* by a mask it would take longer where it meets two lines */
    else store_head(c->y + at, v, b->count);
  }
}

typedef void sweep_kernel(const struct sweep *c, const struct block *b);
#define SWEEP(rows, high) \
  static void sweep_##rows##_##high##_1(const struct sweep *c, const struct block *b) { sweep_block(rows, high, 1, 1, 0, c, b); } \
  static void sweep_##rows##_##high##_2(const struct sweep *c, const struct block *b) { \
    if (2 * b->count > WIDTH + 1) sweep_block(rows, high, 2, 2, 1, c, b); \
    else sweep_block(rows, high, 2, 2, 0, c, b); \
  }
#define SWEEPS(rows) SWEEP(rows, 0) SWEEP(rows, 3) SWEEP(rows, 5) SWEEP(rows, 7)
#define NAMES(rows, step) {sweep_##rows##_0_##step, sweep_##rows##_3_##step, sweep_##rows##_5_##step, sweep_##rows##_7_##step}
SWEEPS(4) SWEEPS(7) SWEEPS(8)
static const int heights[] = {4, 7, 8};
static sweep_kernel *const sweeps[2][3][4] = {{NAMES(4, 1), NAMES(7, 1), NAMES(8, 1)}, {NAMES(4, 2), NAMES(7, 2), NAMES(8, 2)}};

/* The plane with its padding, its rows `pitch` apart, from its element [0][0] on. Where the padding is less than none (a gradient
 * of the input), what lies before the first window is left out. */
static const T *padded(const struct planes *p, const T *x, int64_t *pitch) {
  const int64_t high = (p->out[0] - 1) * p->step[0] + (p->kernel[0] - 1) * p->gap[0] + 1, wide = (p->out[1] - 1) * p->step[1] + (p->kernel[1] - 1) * p->gap[1] + 1;
  *pitch = MAX(wide, p->before[1] + p->size[1]);
  const size_t elements = (size_t)(MAX(high, p->before[0] + p->size[0]) * *pitch + SLACK);
  T *plane = SCRATCH(1, elements * sizeof(T)), *first = plane + p->before[0] * *pitch + p->before[1];
  memset(plane, 0, elements * sizeof(T));
  const int64_t top = MAX(0, -p->before[0]), left = MAX(0, -p->before[1]);
  for (int64_t h = top; h < p->size[0]; ++h) copy_row(first + h * *pitch + left, x + h * p->size[1] + left, p->size[1] - left);
  return first;
}

static void convolve(void *context, int64_t begin, int64_t end) {
  const struct sweep *c = context;
  const struct planes *p = &c->p;
  const int64_t size = p->size[0] * p->size[1], volume = p->out[0] * p->out[1], taps = p->kernel[0] * p->kernel[1];
  int best = 0; /* the height of blocks by which fewest rows are done twice */
  for (int i = 1; i < 3; ++i)
    if (heights[i] <= p->out[0] && (p->out[0] + heights[i] - 1) / heights[i] * heights[i] <= (p->out[0] + heights[best] - 1) / heights[best] * heights[best]) best = i;
  const int64_t rows = heights[best], together = p->gap[0] == 1 && p->step[0] == p->step[1] && p->kernel[0] % 2 == 1 && p->kernel[0] > 1 && p->kernel[0] < 9;
  sweep_kernel *const kernel = sweeps[p->step[1] - 1][best][together ? p->kernel[0] / 2 : 0];
  T *turned = SCRATCH(2, (size_t)taps * sizeof(T));
  const int64_t vectors = (p->out[1] + WIDTH - 1) / WIDTH;
  mask *masks = SCRATCH(3, (size_t)(vectors * p->kernel[1]) * sizeof(mask));
  for (int64_t v = 0; v < vectors; ++v)
    for (int64_t j = 0; j < p->kernel[1]; ++j)
      masks[v * p->kernel[1] + j] = inside(v * WIDTH * p->step[1] + j * p->gap[1] - p->before[1], p->size[1], p->step[1] * MIN(WIDTH, p->out[1] - v * WIDTH));
  for (int64_t at = begin; at < end; ++at) {
    struct block b = {.x = c->x + at * size, .pitch = p->size[1]};
    if (!MASKED) b.x = padded(p, b.x, &b.pitch);
    for (int64_t r = 0; r < p->rows; ++r) {
      const int64_t row = at % p->groups * p->rows + r;
      b.taps = c->w + row * taps, b.bias = c->bias ? c->bias[row] : 0, b.place = (at * p->rows + r) * volume;
      if (p->turned) {
        for (int64_t t = 0; t < taps; ++t) turned[t] = b.taps[taps - 1 - t];
        b.taps = turned;
      }
      for (int64_t h = 0; h < p->out[0]; h += rows) {
        b.h = MIN(h, p->out[0] - rows);
        if (MASKED) { /* what the next rows, or the next plane, will read */
          const char *next = (const char *)(b.x + (b.h + rows) * p->step[0] * b.pitch), *last = next + rows * p->step[0] * b.pitch * (int64_t)sizeof(T);
          for (; next < last; next += 64) __builtin_prefetch(next);
        }
        for (int64_t v = 0; v < vectors; ++v) {
          b.w = v * WIDTH, b.count = MIN(WIDTH, p->out[1] - b.w), b.inside = masks + v * p->kernel[1];
          kernel(c, &b);
        }
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
