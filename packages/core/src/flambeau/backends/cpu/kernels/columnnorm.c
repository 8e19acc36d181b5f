/* types: float double */
/* batch_norm where the channels are neighbours: (rows, channels), a batch of vectors or images with their channels last.
 *
 * Blocks of some vectors of channels lie beside each other. Moments are taken of 64 rows at a time, which are looked at twice while
 * they are in the first cache, about the mean of each, and joined. Where there are few blocks, rows are cut into parts, by the shape
 * alone.
 */
#include "fb.h"
#include "fb_vec.h"

#define LANES 4
#define BLOCK (LANES * WIDTH)
#define SAMPLES 64

struct call {
  const T *x, *g, *w, *b, *gmean, *gvar;
  T *y, *mean, *rstd, *var, *gw, *gb; /* var, gw and gb may be null */
  T *parts;                           /* of each part two rows of channels: forward means and squares, backward both sums */
  int64_t rows, channels, blocks, cut;
  double eps;
  int past;
};

INLINE vec at(const T *p, int64_t k, const int64_t n) {
  const int64_t left = n - k * WIDTH;
  return left >= WIDTH ? load(p + k * WIDTH) : left > 0 ? load_head(p + k * WIDTH, left, 0) : (vec){0};
}
INLINE void to(T *p, vec v, int64_t k, const int64_t n) {
  const int64_t left = n - k * WIDTH;
  if (left >= WIDTH) store(p + k * WIDTH, v);
  else if (left > 0) store_head(p + k * WIDTH, v, left);
}
INLINE int64_t first_row(const struct call *c, int64_t part) { return part * c->rows / c->cut; }
#define EACH for (int k = 0; k < LANES; ++k)

/* sum[k] over rows [from, until) of `value`, an expression of i and k; every second one apart: additions wait for each other. */
#define OVER_ROWS(sum, from, until, value)                      \
  do {                                                          \
    vec odd_[LANES];                                            \
    memset(sum, 0, sizeof sum), memset(odd_, 0, sizeof odd_);   \
    int64_t i = from;                                           \
    for (; i + 1 < until; ++i) {                                \
      EACH sum[k] += (value);                                   \
      ++i;                                                      \
      EACH odd_[k] += (value);                                  \
    }                                                           \
    if (i < until) EACH sum[k] += (value);                      \
    EACH sum[k] += odd_[k];                                     \
  } while (0)

/* Moments of `count` more rows join those of `before` rows. */
INLINE void join(vec *mean, vec *square, int64_t before, int64_t count, const vec *m, const vec *q) {
  const T all = (T)(before + count);
  const vec share = splat((T)count / all), between = splat((T)before * ((T)count / all));
  EACH {
    const vec d = m[k] - mean[k];
    mean[k] += d * share, square[k] += q[k] + d * d * between;
  }
}
/* The moments of n <= BLOCK channels over rows [begin, end). */
INLINE void moments(const struct call *c, const T *x, const int64_t n, int64_t begin, int64_t end, vec *mean, vec *square) {
  const int64_t step = c->channels;
  EACH mean[k] = square[k] = (vec){0};
  for (int64_t from = begin; from < end; from += SAMPLES) {
    const int64_t until = MIN(end, from + SAMPLES);
    vec m[LANES], q[LANES];
    OVER_ROWS(m, from, until, at(x + i * step, k, n));
    EACH m[k] /= splat((T)(until - from));
    OVER_ROWS(q, from, until, (at(x + i * step, k, n) - m[k]) * (at(x + i * step, k, n) - m[k]));
    join(mean, square, from - begin, until - from, m, q);
  }
}
/* What is found of a block of channels, from the moments of all rows. */
INLINE void settle(const struct call *c, int64_t first, const int64_t n, const vec *mean, vec *square) {
  EACH {
    vec rstd = {0};
    square[k] /= splat((T)c->rows);
    for (int64_t l = 0; l < WIDTH; ++l) rstd[l] = (T)(1 / sqrt((double)square[k][l] + c->eps));
    if (c->var) to(c->var + first, square[k], k, n);
    to(c->mean + first, mean[k], k, n);
    to(c->rstd + first, rstd, k, n);
  }
}
INLINE void write_rows(const struct call *c, int64_t first, const int64_t n, int64_t begin, int64_t end, const int past) {
  const int64_t step = c->channels;
  const T *RESTRICT x = c->x + first;
  T *RESTRICT y = c->y + first;
  vec mean[LANES], scale[LANES], shift[LANES];
  EACH {
    mean[k] = at(c->mean + first, k, n), scale[k] = at(c->rstd + first, k, n), shift[k] = c->b ? at(c->b + first, k, n) : (vec){0};
    if (c->w) scale[k] *= at(c->w + first, k, n);
  }
  for (int64_t i = begin; i < end; ++i) EACH {
    const vec v = (at(x + i * step, k, n) - mean[k]) * scale[k] + shift[k];
    if (past) stream(y + i * step + k * WIDTH, v);
    else to(y + i * step, v, k, n);
  }
}

/* The sums of g and of g (x - mean) of a block over rows [begin, end). */
INLINE void sums(const struct call *c, int64_t first, const int64_t n, int64_t begin, int64_t end, vec *sum, vec *with) {
  const int64_t step = c->channels;
  const T *x = c->x + first, *g = c->g + first;
  vec mean[LANES];
  EACH mean[k] = at(c->mean + first, k, n), sum[k] = with[k] = (vec){0};
  for (int64_t from = begin; from < end; from += SAMPLES) {
    vec s[LANES], t[LANES];
    memset(s, 0, sizeof s), memset(t, 0, sizeof t);
    for (int64_t i = from; i < MIN(end, from + SAMPLES); ++i) EACH {
      const vec v = at(g + i * step, k, n);
      s[k] += v, t[k] += v * (at(x + i * step, k, n) - mean[k]);
    }
    EACH sum[k] += s[k], with[k] += t[k];
  }
}
/* The parameters' gradients of a block, from the sums of all rows, which become what is taken from every row's gradient. */
INLINE void settle_back(const struct call *c, int64_t first, const int64_t n, vec *sum, vec *with) {
  const vec all = splat((T)c->rows);
  EACH {
    const vec rstd = at(c->rstd + first, k, n), scale = c->w ? rstd * at(c->w + first, k, n) : rstd;
    with[k] *= rstd;
    if (c->gb) to(c->gb + first, sum[k], k, n);
    if (c->gw) to(c->gw + first, with[k], k, n);
    sum[k] = (sum[k] * scale - (c->gmean ? at(c->gmean + first, k, n) : (vec){0})) / all;
    with[k] = (with[k] * rstd * scale - (c->gvar ? 2 * at(c->gvar + first, k, n) : (vec){0})) / all;
  }
}
INLINE void write_back(const struct call *c, int64_t first, const int64_t n, int64_t begin, int64_t end, const vec *less, const vec *slope, const int past) {
  const int64_t step = c->channels;
  const T *RESTRICT x = c->x + first, *RESTRICT g = c->g + first;
  T *RESTRICT y = c->y + first;
  vec mean[LANES], scale[LANES];
  EACH {
    mean[k] = at(c->mean + first, k, n), scale[k] = at(c->rstd + first, k, n);
    if (c->w) scale[k] *= at(c->w + first, k, n);
  }
  for (int64_t i = begin; i < end; ++i) EACH {
    const vec v = at(g + i * step, k, n) * scale[k] - less[k] - (at(x + i * step, k, n) - mean[k]) * slope[k];
    if (past) stream(y + i * step + k * WIDTH, v);
    else to(y + i * step, v, k, n);
  }
}

/* -- blocks and parts: `n` is a constant where a block is whole ----------------------------------------------------- */

#define WHOLE_OR_NOT(fn, ...)                    \
  do {                                           \
    if (n == BLOCK) fn(__VA_ARGS__, BLOCK);      \
    else fn(__VA_ARGS__, n);                     \
  } while (0)
INLINE void part_moments(const struct call *c, int64_t part, int64_t first, const int64_t n) {
  vec a[LANES], b[LANES];
  T *const p = c->parts + 2 * part * c->channels + first;
  if (c->g) sums(c, first, n, first_row(c, part), first_row(c, part + 1), a, b);
  else moments(c, c->x + first, n, first_row(c, part), first_row(c, part + 1), a, b);
  EACH to(p, a[k], k, n), to(p + c->channels, b[k], k, n);
}
/* From the parts of a block to what is found of it; backward what every row's gradient loses stays in the first part. */
INLINE void joined(const struct call *c, int64_t first, const int64_t n) {
  vec a[LANES], b[LANES];
  memset(a, 0, sizeof a), memset(b, 0, sizeof b);
  T *const p = c->parts + first;
  for (int64_t part = 0; part < c->cut; ++part) {
    vec m[LANES], q[LANES];
    const T *const from = p + 2 * part * c->channels;
    EACH m[k] = at(from, k, n), q[k] = at(from + c->channels, k, n);
    if (c->g) EACH a[k] += m[k], b[k] += q[k];
    else join(a, b, first_row(c, part), first_row(c, part + 1) - first_row(c, part), m, q);
  }
  if (!c->g) settle(c, first, n, a, b);
  else {
    settle_back(c, first, n, a, b);
    EACH to(p, a[k], k, n), to(p + c->channels, b[k], k, n);
  }
}
INLINE void part_write(const struct call *c, int64_t part, int64_t first, const int64_t n) {
  const int64_t begin = first_row(c, part), end = first_row(c, part + 1);
  if (c->g) {
    vec less[LANES], slope[LANES];
    EACH less[k] = at(c->parts + first, k, n), slope[k] = at(c->parts + c->channels + first, k, n);
    if (c->past) write_back(c, first, n, begin, end, less, slope, 1);
    else write_back(c, first, n, begin, end, less, slope, 0);
  } else if (c->past) write_rows(c, first, n, begin, end, 1);
  else write_rows(c, first, n, begin, end, 0);
}
INLINE void whole_block(const struct call *c, int64_t part, int64_t first, const int64_t n) {
  part_moments(c, part, first, n);
  joined(c, first, n);
  if (c->y) part_write(c, part, first, n);
}

#define BLOCKS_OF(name, fn)                                                                                     \
  static void name(void *context, int64_t begin, int64_t end) {                                                 \
    const struct call *c = context;                                                                             \
    for (int64_t item = begin; item < end; ++item) {                                                            \
      const int64_t first = item % c->blocks * BLOCK, n = MIN(BLOCK, c->channels - first);                      \
      WHOLE_OR_NOT(fn, c, item / c->blocks, first);                                                             \
    }                                                                                                           \
    if (c->past) stream_end();                                                                                  \
  }
BLOCKS_OF(moments_task, part_moments)
BLOCKS_OF(write_task, part_write)
BLOCKS_OF(whole_task, whole_block)

/* Parts of the rows: one where there are blocks enough, or little to do. */
INLINE int64_t cut_of(int64_t rows, int64_t channels) {
  const int64_t blocks = (channels + BLOCK - 1) / BLOCK;
  return blocks >= 8 || rows * channels < 65536 ? 1 : MAX(1, MIN((rows + SAMPLES - 1) / SAMPLES, 32 / blocks));
}
/* Elements of `parts`. */
EXPORT int64_t columns_room(int64_t rows, int64_t channels) { return 2 * cut_of(rows, channels) * channels; }

static void run(struct call *c) {
  c->blocks = (c->channels + BLOCK - 1) / BLOCK, c->cut = cut_of(c->rows, c->channels);
  c->past = c->y && c->rows * c->channels * (int64_t)sizeof(T) >= STREAM_FROM && c->channels % BLOCK == 0 && (uintptr_t)c->y % VECTOR_BYTES == 0;
  if (c->cut == 1) {
    PARALLEL(whole_task, c, c->blocks, MAX(1, 16384 / (c->rows * BLOCK)));
    return;
  }
  PARALLEL(moments_task, c, c->cut * c->blocks, 1);
  for (int64_t first = 0; first < c->channels; first += BLOCK) joined(c, first, MIN(BLOCK, c->channels - first));
  if (c->y) PARALLEL(write_task, c, c->cut * c->blocks, 1);
}

/* -- what Python calls ----------------------------------------------------------------------------------------------- */

EXPORT void columns(const T *x, const T *w, const T *b, T *y, T *mean, T *rstd, T *var, T *parts, int64_t rows, int64_t channels, double eps) {
  struct call c = {.x = x, .w = w, .b = b, .y = y, .mean = mean, .rstd = rstd, .var = var, .parts = parts, .rows = rows, .channels = channels, .eps = eps};
  run(&c);
}
/* Any of y, gw and gb may be null, that is not wanted; gmean and gvar, the gradients of what was found, too. */
EXPORT void columns_back(const T *g, const T *gmean, const T *gvar, const T *x, const T *w, const T *mean, const T *rstd, T *y, T *gw, T *gb, T *parts, int64_t rows, int64_t channels) {
  struct call c = {.x = x, .g = g, .gmean = gmean, .gvar = gvar, .w = w, .y = y, .mean = (T *)mean, .rstd = (T *)rstd, .gw = gw, .gb = gb, .parts = parts, .rows = rows, .channels = channels};
  run(&c);
}

/* y = x scale + shift (null: 0) of rows [begin, end); the last vector of a row goes over the one before it. */
static void rescale_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const int64_t n = c->channels;
  const T *RESTRICT scale = c->w, *RESTRICT shift = c->b;
  for (int64_t i = begin; i < end; ++i) {
    const T *RESTRICT x = c->x + i * n;
    T *RESTRICT y = c->y + i * n;
    int64_t k = 0;
    if (c->past)
      for (; k < n; k += WIDTH) stream(y + k, load(x + k) * load(scale + k) + (shift ? load(shift + k) : (vec){0}));
    for (; k + WIDTH <= n; k += WIDTH) store(y + k, load(x + k) * load(scale + k) + (shift ? load(shift + k) : (vec){0}));
    if (k == n) continue;
    if (n > WIDTH) k = n - WIDTH, store(y + k, load(x + k) * load(scale + k) + (shift ? load(shift + k) : (vec){0}));
    else for (; k < n; ++k) y[k] = x[k] * scale[k] + (shift ? shift[k] : 0);
  }
  if (c->past) stream_end();
}
INLINE void run_rescale(const T *x, const T *scale, const T *shift, T *y, int64_t rows, int64_t channels) {
  struct call c = {.x = x, .w = scale, .b = shift, .y = y, .rows = rows, .channels = channels};
  c.past = rows * channels * (int64_t)sizeof(T) >= STREAM_FROM && channels % WIDTH == 0 && (uintptr_t)y % VECTOR_BYTES == 0;
  PARALLEL(rescale_task, &c, rows, grain_for(rows, channels));
}
/* (x - mean) / sqrt(var + eps) w + b; w and b may be null. factors: of each channel rstd, scale, shift, one row each. */
EXPORT void rescale_columns(const T *x, const T *mean, const T *var, const T *w, const T *b, T *factors, T *y, int64_t rows, int64_t channels, double eps) {
  T *RESTRICT rstd = factors, *RESTRICT scale = rstd + channels, *RESTRICT shift = scale + channels;
#pragma omp simd
  for (int64_t ch = 0; ch < channels; ++ch) {
    const double r = 1 / sqrt((double)var[ch] + eps), k = w ? r * (double)w[ch] : r;
    rstd[ch] = (T)r, scale[ch] = (T)k, shift[ch] = (T)((b ? (double)b[ch] : 0) - (double)mean[ch] * k);
  }
  run_rescale(x, scale, shift, y, rows, channels);
}
/* Its gradients, each where it is not null. parts: null where only y is wanted. */
EXPORT void rescale_columns_back(const T *g, const T *x, const T *mean, const T *factors, T *y, T *gmean, T *gvar, T *gw, T *gb, T *parts, int64_t rows, int64_t channels) {
  const T *rstd = factors, *scale = rstd + channels;
  if (y) run_rescale(g, scale, 0, y, rows, channels);
  if (!parts) return;
  struct call c = {.x = x, .g = g, .mean = (T *)mean, .parts = parts, .rows = rows, .channels = channels};
  c.blocks = (channels + BLOCK - 1) / BLOCK, c.cut = cut_of(rows, channels);
  PARALLEL(moments_task, &c, c.cut * c.blocks, MAX(1, 16384 * c.cut / (rows * BLOCK)));
  for (int64_t ch = 0; ch < channels; ++ch) {
    const double r = (double)rstd[ch], k = (double)scale[ch];
    double s = 0, t = 0;
    for (int64_t part = 0; part < c.cut; ++part) s += (double)parts[2 * part * channels + ch], t += (double)parts[(2 * part + 1) * channels + ch];
    if (gmean) gmean[ch] = (T)(-s * k);
    if (gvar) gvar[ch] = (T)(-0.5 * t * k * r * r);
    if (gw) gw[ch] = (T)(t * r);
    if (gb) gb[ch] = (T)s;
  }
}
