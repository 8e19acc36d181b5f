/* types: float double */
/* Convolutions of two dimensions whose groups have one channel each (depthwise), for small images: vectors along the channels.
 *
 * A row of a small image fills no vector. Here a vector's channels are transposed as they come and as they leave, rows of results stay in
 * registers while the window's taps pass, and rows of the window that lie outside the image are left out.
 */
#include "fb_gemm.h"
#include "fb_finish.h"

#define UNROLL _Pragma("GCC unroll 32")
#if REGISTERS == 32
#define EACH_COLUMNS(X, k, s) X(k, s, 4) X(k, s, 5) X(k, s, 6) X(k, s, 7) X(k, s, 8)
enum { FEWEST = 4, COUNTS = 5 }; /* results of a row at a time */
#else
#define EACH_COLUMNS(X, k, s) X(k, s, 3) X(k, s, 4)
enum { FEWEST = 3, COUNTS = 2 };
#endif

struct channels { /* the numbers of `windows.planes_plan`; no padding is less than none */
  int64_t planes, groups, rows;
  int64_t size[2], out[2], kernel[2], step[2], gap[2], before[2];
  int64_t turned; /* whether the weights are turned round */
};
struct sweep {
  struct channels p;
  struct finish finish;
  const T *x, *w, *bias;
  T *y;
  int64_t images, columns, padded; /* results of a row at a time; vectors of a row of the image with its padding */
};

/* Results of a row: x at the first row of the image that a window has, `down` apart, w at that row's taps, `high` of them. */
INLINE void some(const int taps, const int step, const int columns, const T *x, int64_t down, const T *w, int64_t high, vec start, T *to) {
  vec sum[8];
  UNROLL for (int i = 0; i < columns; ++i) sum[i] = start;
  for (; high > 0; --high, x += down, w += taps * WIDTH) {
    vec k[7];
    UNROLL for (int t = 0; t < taps; ++t) k[t] = load(w + t * WIDTH);
    UNROLL for (int j = 0; j < (columns - 1) * step + taps; ++j) {
      const vec a = load(x + j * WIDTH);
      UNROLL for (int t = 0; t < taps; ++t)
        if (j >= t && (j - t) % step == 0 && (j - t) / step < columns) sum[(j - t) / step] += a * k[t];
    }
  }
  UNROLL for (int i = 0; i < columns; ++i) store(to + i * WIDTH, sum[i]);
}

typedef void some_kernel(const T *x, int64_t down, const T *w, int64_t high, vec start, T *to);
#define ONE(k, s, columns) \
  static void some_##k##_##s##_##columns(const T *x, int64_t down, const T *w, int64_t high, vec start, T *to) { some(k, s, columns, x, down, w, high, start, to); }
#define NAME(k, s, columns) some_##k##_##s##_##columns,
EACH_COLUMNS(ONE, 3, 1) EACH_COLUMNS(ONE, 5, 1) EACH_COLUMNS(ONE, 7, 1) EACH_COLUMNS(ONE, 3, 2) EACH_COLUMNS(ONE, 5, 2) EACH_COLUMNS(ONE, 7, 2)
static some_kernel *const kernels[2][3][COUNTS] = {
  {{EACH_COLUMNS(NAME, 3, 1)}, {EACH_COLUMNS(NAME, 5, 1)}, {EACH_COLUMNS(NAME, 7, 1)}},
  {{EACH_COLUMNS(NAME, 3, 2)}, {EACH_COLUMNS(NAME, 5, 2)}, {EACH_COLUMNS(NAME, 7, 2)}},
};

/* Columns [p, p + there) of `count` <= WIDTH rows `pitch` apart, as vectors of rows. */
INLINE void turn_in(const T *x, int64_t pitch, int64_t count, int64_t there, vec *r) {
  if (count == WIDTH && there == WIDTH) { UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = load(x + i * pitch); }
  else { UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < count ? load_head(x + i * pitch, there, 0) : (vec){0}; }
  gemm_transpose(r);
}

/* The block's image with its padding at both ends of a row: [row][column][channel]. */
static void take_image(const struct sweep *c, const T *x, int64_t count, T *to) {
  const struct channels *p = &c->p;
  const int64_t size = p->size[0] * p->size[1];
  int64_t h = 0, w = 0;
  for (int64_t q = 0; q < size; q += WIDTH) {
    vec r[GEMM_LANES];
    const int64_t there = MIN(WIDTH, size - q);
    turn_in(x + q, size, count, there, r);
    for (int64_t i = 0; i < there; ++i) {
      memcpy(to + (h * c->padded + w + p->before[1]) * WIDTH, r + i, VECTOR_BYTES);
      if (++w == p->size[1]) w = 0, ++h;
    }
  }
}

/* The block's results [position][channel] to their planes, the first of which begins `place` elements behind y. */
static void give_image(const struct sweep *c, const T *from, int64_t count, int64_t place) {
  const int64_t volume = c->p.out[0] * c->p.out[1];
  const struct finish *f = &c->finish;
  const vec low = splat(f->low), high = splat(f->high);
  for (int64_t q = 0; q < volume; q += WIDTH, from += WIDTH * WIDTH) {
    const int64_t there = MIN(WIDTH, volume - q);
    vec r[GEMM_LANES];
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = load(from + i * WIDTH);
    gemm_transpose(r);
    if (finishes(f))
      for (int64_t i = 0; i < count; ++i) {
        if (f->residual) r[i] += load_head(f->residual + place + q + i * volume, there, 0);
        r[i] = activated(r[i], f->activation, low, high);
      }
    if (count == WIDTH && there == WIDTH) { UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(c->y + place + q + i * volume, r[i]); }
    else { UNROLL for (int i = 0; i < GEMM_LANES; ++i) if (i < count) store_head(c->y + place + q + i * volume, r[i], there); }
  }
}

static void take_weights(const struct channels *p, const T *w, int64_t count, T *to) {
  const int64_t taps = p->kernel[0] * p->kernel[1];
  for (int64_t q = 0; q < taps; q += WIDTH) {
    vec r[GEMM_LANES];
    const int64_t there = MIN(WIDTH, taps - q);
    turn_in(w + q, taps, count, there, r);
    for (int64_t i = 0; i < there; ++i) memcpy(to + (p->turned ? taps - 1 - q - i : q + i) * WIDTH, r + i, VECTOR_BYTES);
  }
}

/* A vector of channels of one image. */
static void convolve(void *context, int64_t begin, int64_t end) {
  const struct sweep *c = context;
  const struct channels *p = &c->p;
  const int64_t taps = p->kernel[0] * p->kernel[1], size = p->size[0] * p->size[1], volume = p->out[0] * p->out[1], down = c->padded * WIDTH;
  const size_t image = (size_t)(p->size[0] * down + 8 * WIDTH) * sizeof(T);
  T *x = SCRATCH(1, image), *y = SCRATCH(2, (size_t)((volume + 8 + WIDTH) * WIDTH) * sizeof(T)), *w = SCRATCH(3, (size_t)(taps * WIDTH) * sizeof(T));
  some_kernel *const kernel = kernels[p->step[1] - 1][p->kernel[1] / 2 - 1][c->columns - FEWEST];
  memset(x, 0, image);
  int64_t block = -1, first = 0, count = 0;
  vec start = {0};
  for (int64_t at = begin; at < end; ++at) {
    if (at / c->images != block) {
      block = at / c->images, first = block * WIDTH, count = MIN(WIDTH, p->groups - first);
      take_weights(p, c->w + first * taps, count, w);
      if (c->bias) start = load_head(c->bias + first, count, 0);
    }
    const int64_t plane = at % c->images * p->groups + first;
    take_image(c, c->x + plane * size, count, x);
    for (int64_t h = 0; h < p->out[0]; ++h) {
      const int64_t top = h * p->step[0] - p->before[0], above = MIN(p->kernel[0], MAX(0, -top)), below = MIN(p->kernel[0], p->size[0] - top);
      for (int64_t v = 0; v < p->out[1]; v += c->columns) /* what is too much at the end of a row the next one writes over */
        kernel(x + (top + above) * down + v * p->step[1] * WIDTH, down, w + above * p->kernel[1] * WIDTH, below - above, start, y + (h * p->out[1] + v) * WIDTH);
    }
    give_image(c, y, count, plane * volume);
  }
}

static void run(struct sweep *c, const int64_t *n) {
  memcpy(&c->p, n, sizeof(c->p));
  const struct channels *p = &c->p;
  c->images = p->planes / p->groups;
  c->columns = FEWEST;
  for (int64_t i = FEWEST + 1; i < FEWEST + COUNTS; ++i)
    if ((p->out[1] + i - 1) / i * i <= (p->out[1] + c->columns - 1) / c->columns * c->columns) c->columns = i;
  const int64_t wide = ((p->out[1] + c->columns - 1) / c->columns * c->columns - 1) * p->step[1] + p->kernel[1];
  c->padded = MAX(wide, p->size[1] + p->before[1]);
  const int64_t tasks = (p->groups + WIDTH - 1) / WIDTH * c->images;
  PARALLEL(convolve, c, tasks, grain_for(tasks, WIDTH * (p->size[0] * p->size[1] + p->out[0] * p->out[1] * p->kernel[0] * p->kernel[1] / 8)));
}

/* `n`: the numbers of `struct channels`. */
EXPORT void channels(const T *x, const T *w, const T *bias, T *y, const int64_t *n) {
  struct sweep c = {.x = x, .w = w, .bias = bias, .y = y};
  run(&c, n);
}

/* As `convolution_packed` in conv.c; the weights are as they are. */
EXPORT void channels_packed(const T *x, const T *w, const T *bias, const T *residual, T *y, int64_t activation, T low, T high, const int64_t *n) {
  struct sweep c = {.x = x, .w = w, .bias = bias, .y = y, .finish = {activation, low, high, residual}};
  run(&c, n);
}
