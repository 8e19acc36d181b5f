/* types: float double half brain */
/* layer_norm and rms_norm: rows of `size` elements brought to mean 0 (unless rms) and mean square 1, forward and backward.
 *
 * A row is read from memory once; mean, mean square of what is left, and the result are passes over it in the cache. The gradients
 * of weight and bias are added up over blocks of rows, whose number depends on the shape alone, and then over the blocks. Of halves
 * the rows and the weights are halves; statistics and the gradients of weight and bias are floats.
 */
#include "fb.h"
#include "fb_math.h"
#include "fb_vec.h"
#include "fb_half.h"

struct call {
  const E *x, *g, *w, *b;
  E *y;
  T *mean, *rstd, *parts, *gw, *gb;
  int64_t rows, size, per;
  double eps;
  int rms, past;
};

/* Sum of x - shift (or of its square). */
INLINE T row_sum(const E *x, vec shift, int64_t m, int square) {
  vec whole = {0};
  int64_t i = 0;
  while (i + WIDTH <= m) {
    const int64_t end = MIN(m, i + 64 * WIDTH);
    vec a = {0}, b = {0}, c = {0}, d = {0};
    for (; i + 4 * WIDTH <= end; i += 4 * WIDTH) {
      const vec p = load(x + i) - shift, q = load(x + i + WIDTH) - shift;
      const vec r = load(x + i + 2 * WIDTH) - shift, s = load(x + i + 3 * WIDTH) - shift;
      a += square ? p * p : p;
      b += square ? q * q : q;
      c += square ? r * r : r;
      d += square ? s * s : s;
    }
    for (; i + WIDTH <= end; i += WIDTH) {
      const vec p = load(x + i) - shift;
      a += square ? p * p : p;
    }
    whole += (a + b) + (c + d);
  }
  T sum = total_of(whole);
  if (i < m) { /* zeros behind the end must not be shifted */
    const vec p = load_head(x + i, m - i, shift[0]) - shift;
    sum += total_of(square ? p * p : p);
  }
  return sum;
}

INLINE void rows_loop(const struct call *c, int64_t begin, int64_t end, int past) {
  const int64_t m = c->size;
  const E *w = c->w, *b = c->b;
  for (int64_t row = begin; row < end; ++row) {
    const E *RESTRICT x = c->x + row * m;
    E *RESTRICT y = c->y + row * m;
    const T mean = c->rms ? 0 : row_sum(x, (vec){0}, m, 0) / (T)m;
    const T square = row_sum(x, splat(mean), m, 1) / (T)m;
    const T rstd = (T)(1 / sqrt((double)square + c->eps));
    const vec mu = splat(mean), r = splat(rstd);
    if (!c->rms) c->mean[row] = mean;
    c->rstd[row] = rstd;
    if (w && b) ROW_WRITE(y, m, past, (AT(x) - mu) * r * AT(w) + AT(b));
    else if (w) ROW_WRITE(y, m, past, (AT(x) - mu) * r * AT(w));
    else if (b) ROW_WRITE(y, m, past, (AT(x) - mu) * r + AT(b));
    else ROW_WRITE(y, m, past, (AT(x) - mu) * r);
  }
  if (past) stream_end();
}
static void forward(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  if (c->past) rows_loop(c, begin, end, 1);
  else rows_loop(c, begin, end, 0);
}

/* With u = g w and h = (x - mean) rstd: the input's gradient is rstd (u - mean of u - h mean of u h), without the mean of u for rms. */
INLINE void block_back(const struct call *c, int64_t block, int past, int weighted) {
  const int64_t m = c->size, first = block * c->per, last = MIN(c->rows, first + c->per);
  T *pw = c->parts ? c->parts + 2 * block * m : 0, *pb = pw + m;
  if (pw) memset(pw, 0, 2 * (size_t)m * sizeof(T));
  for (int64_t row = first; row < last; ++row) {
    const E *RESTRICT x = c->x + row * m, *RESTRICT g = c->g + row * m, *RESTRICT w = c->w;
    const vec mu = splat(c->rms ? 0 : c->mean[row]), r = splat(c->rstd[row]);
    vec su = {0}, sh = {0}, su2 = {0}, sh2 = {0};
    for (int64_t i = 0; i < m; i += WIDTH) {
      const int64_t n = MIN(m - i, WIDTH);
      vec gv, h, u;
      if (n == WIDTH) {
        gv = load(g + i), h = (load(x + i) - mu) * r;
        u = weighted ? gv * load(w + i) : gv;
        if (pw) {
          store(pw + i, load(pw + i) + gv * h);
          store(pb + i, load(pb + i) + gv);
        }
      } else {
        gv = load_head(g + i, n, 0), h = (load_head(x + i, n, 0) - mu) * r;
        u = weighted ? gv * load_head(w + i, n, 0) : gv;
        if (pw) {
          store_head(pw + i, load_head(pw + i, n, 0) + gv * h, n);
          store_head(pb + i, load_head(pb + i, n, 0) + gv, n);
        }
      }
      if (i / WIDTH % 2) su2 += u, sh2 += u * h;
      else su += u, sh += u * h;
    }
    if (!c->y) continue;
    const vec a = splat(c->rms ? 0 : total_of(su + su2) / (T)m), k = splat(total_of(sh + sh2) / (T)m);
    E *RESTRICT y = c->y + row * m;
    if (weighted) ROW_WRITE(y, m, past, (AT(g) * AT(w) - a - (AT(x) - mu) * r * k) * r);
    else ROW_WRITE(y, m, past, (AT(g) - a - (AT(x) - mu) * r * k) * r);
  }
  if (past) stream_end();
}
static void backward(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t block = begin; block < end; ++block)
    if (c->w) {
      if (c->past) block_back(c, block, 1, 1);
      else block_back(c, block, 0, 1);
    } else block_back(c, block, c->past, 0);
}

static void add_parts(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const int64_t blocks = (c->rows + c->per - 1) / c->per, m = c->size;
  for (int64_t i = begin * WIDTH; i < MIN(m, end * WIDTH); i += WIDTH) {
    const int64_t n = MIN(m - i, WIDTH);
    vec w = {0}, b = {0};
    for (int64_t k = 0; k < blocks; ++k) {
      w += load_head(c->parts + 2 * k * m + i, n, 0);
      b += load_head(c->parts + (2 * k + 1) * m + i, n, 0);
    }
    if (c->gw) store_head(c->gw + i, w, n);
    if (c->gb) store_head(c->gb + i, b, n);
  }
}

/* w and b may be null; mean is not written for rms. */
EXPORT void normalize(const E *x, const E *w, const E *b, E *y, T *mean, T *rstd, int64_t rows, int64_t size, double eps, int rms) {
  struct call c = {.x = x, .w = w, .b = b, .y = y, .mean = mean, .rstd = rstd, .size = size, .eps = eps, .rms = rms};
  c.past = rows * size * (int64_t)sizeof(T) >= STREAM_FROM;
  PARALLEL(forward, &c, rows, grain_for(rows, size));
}

/* Any of y, gw and gb may be null, that is not wanted; parts has room for 2 rows for each block of `per` rows, or is null. */
EXPORT void normalize_back(const E *g, const E *x, const E *w, const T *mean, const T *rstd, E *y, T *gw, T *gb, T *parts, int64_t rows, int64_t size, int64_t per, int rms) {
  struct call c = {.x = x, .g = g, .w = w, .y = y, .mean = (T *)mean, .rstd = (T *)rstd, .parts = parts, .gw = gw, .gb = gb,
                   .rows = rows, .size = size, .per = per, .rms = rms};
  c.past = y && rows * size * (int64_t)sizeof(T) >= STREAM_FROM;
  PARALLEL(backward, &c, (rows + per - 1) / per, MAX(1, 16384 / MAX(1, per * size)));
  if (parts) PARALLEL(add_parts, &c, (size + WIDTH - 1) / WIDTH, 1024);
}
