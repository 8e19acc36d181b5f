/* types: float double */
/* Pooling by windows of two or four beside each other along the last dimension, without padding: the largest value or the sum
 * of each window, and both gradients.
 *
 * Vectors of neighbours are halved by shuffles, evens against odds, until a vector of windows is left; nothing goes through
 * memory between the rows of a window and its result. A gradient goes the same way back, each half given to the side that won.
 * The windows' rows may be any that do not overlap. pool.c has all other windows.
 */
#include "fb_choose.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 4")
enum { MOST_ROWS = 64 }; /* of a window; Python asks for no more */

struct halves {
  const T *x, *g;
  T *y;
  T share;                    /* what a sum is multiplied by */
  int64_t out[3], size[3];    /* windows and places of each dimension */
  int64_t from_row, from_plane, whole; /* from a row of windows to the next, along the second and the first dimension; of a plane */
  int64_t rows, row[MOST_ROWS]; /* of a window: where they begin */
  int64_t planes;
  int levels, largest, covered; /* covered: every place belongs to a window */
};

/* -- forward ---------------------------------------------------------------------------------------------------------- */

/* The next `count` vectors, of which `left` elements are there. */
INLINE void take(const T *x, const int count, int64_t left, vec *v) {
  if (left >= count * WIDTH) {
    UNROLL for (int i = 0; i < count; ++i) v[i] = load(x + i * WIDTH);
  } else {
    UNROLL for (int i = 0; i < count; ++i) v[i] = load_head(x + i * WIDTH, MAX(0, MIN(WIDTH, left - i * WIDTH)), 0);
  }
}

INLINE void run_rows(const struct halves *c, const int levels, const int64_t rows, const int largest, int64_t begin, int64_t end) {
  const int count = 1 << levels;
  const int64_t out = c->out[2];
  int64_t h = begin % c->out[1], d = begin / c->out[1] % c->out[0], plane = begin / c->out[1] / c->out[0];
  for (int64_t at = begin; at < end; ++at) {
    const T *x = c->x + plane * c->whole + d * c->from_plane + h * c->from_row;
    T *y = c->y + at * out;
    for (int64_t i = 0; i < out; i += WIDTH) {
      vec best[4], next[4];
      const int64_t left = (out - i) << levels;
      take(x + (i << levels), count, left, best);
      for (int64_t r = 1; r < rows; ++r) {
        take(x + c->row[r] + (i << levels), count, left, next);
        UNROLL for (int v = 0; v < count; ++v) best[v] = largest ? greater_of(best[v], next[v]) : best[v] + next[v];
      }
      UNROLL for (int n = count / 2; n; n /= 2) UNROLL for (int v = 0; v < n; ++v) {
        const vec even = FB_PICK(best[2 * v], best[2 * v + 1], FB_EVENS), odd = FB_PICK(best[2 * v], best[2 * v + 1], FB_ODDS);
        best[v] = largest ? greater_of(even, odd) : even + odd;
      }
      if (!largest) best[0] *= splat(c->share);
      if (out - i >= WIDTH) store(y + i, best[0]);
      else store_head(y + i, best[0], out - i);
    }
    if (++h == c->out[1]) {
      h = 0;
      if (++d == c->out[0]) d = 0, ++plane;
    }
  }
}

/* Calls `function(context, levels, rows, ...)` with the usual numbers as constants. */
#define WITH_CONSTANTS(function, c, ...)                                  \
  do {                                                                    \
    if (c->levels == 1) {                                                 \
      if (c->rows == 1) function(c, 1, 1, __VA_ARGS__);                   \
      else if (c->rows == 2) function(c, 1, 2, __VA_ARGS__);              \
      else function(c, 1, c->rows, __VA_ARGS__);                          \
    } else if (c->rows == 1) function(c, 2, 1, __VA_ARGS__);              \
    else function(c, 2, c->rows, __VA_ARGS__);                            \
  } while (0)

static void forward_rows(void *context, int64_t begin, int64_t end) {
  const struct halves *c = context;
  if (c->largest) WITH_CONSTANTS(run_rows, c, 1, begin, end);
  else WITH_CONSTANTS(run_rows, c, 0, begin, end);
}

/* -- backward --------------------------------------------------------------------------------------------------------- */

/* The largest of each window in a row of it, and at each level which side it was. */
INLINE vec halved(const T *x, const int levels, int64_t left, choice *sides) {
  const int count = 1 << levels;
  vec v[4];
  take(x, count, left, v);
  UNROLL for (int n = count / 2, s = 0; n; s += n, n /= 2) UNROLL for (int i = 0; i < n; ++i) {
    const vec even = FB_PICK(v[2 * i], v[2 * i + 1], FB_EVENS), odd = FB_PICK(v[2 * i], v[2 * i + 1], FB_ODDS);
    sides[s + i] = later_wins(even, odd);
    v[i] = chosen(sides[s + i], odd, even);
  }
  return v[0];
}

/* Each window's number to all its places in a row (sides NULL), or to the side that won. */
INLINE void doubled(T *y, const int levels, int64_t left, vec g, const choice *sides) {
  const int count = 1 << levels;
  vec v[4] = {g};
  UNROLL for (int n = 1, s = count - 2; n < count; n *= 2, s -= n) UNROLL for (int i = n - 1; i >= 0; --i) {
    const vec even = sides ? chosen(sides[s + i], (vec){0}, v[i]) : v[i], odd = sides ? chosen(sides[s + i], v[i], (vec){0}) : v[i];
    v[2 * i + 1] = FB_PICK(even, odd, FB_HIGHS), v[2 * i] = FB_PICK(even, odd, FB_LOWS);
  }
  if (left >= count * WIDTH) {
    UNROLL for (int i = 0; i < count; ++i) store(y + i * WIDTH, v[i]);
  } else {
    UNROLL for (int i = 0; i < count; ++i) if (left > i * WIDTH) store_head(y + i * WIDTH, v[i], MIN(WIDTH, left - i * WIDTH));
  }
}

INLINE void return_rows(const struct halves *c, const int levels, const int64_t rows, const int largest, int64_t begin, int64_t end) {
  const int64_t out = c->out[2];
  int64_t h = begin % c->out[1], d = begin / c->out[1] % c->out[0], plane = begin / c->out[1] / c->out[0];
  for (int64_t at = begin; at < end; ++at) {
    const int64_t place = plane * c->whole + d * c->from_plane + h * c->from_row;
    const T *x = c->x + place, *gs = c->g + at * out;
    T *y = c->y + place;
    for (int64_t i = 0; i < out; i += WIDTH) {
      const int64_t left = (out - i) << levels, from = i << levels;
      const vec g = out - i >= WIDTH ? load(gs + i) : load_head(gs + i, out - i, 0);
      if (!largest) {
        const vec share = g * splat(c->share);
        for (int64_t r = 0; r < rows; ++r) doubled(y + c->row[r] + from, levels, left, share, 0);
        continue;
      }
      choice first[3], sides[3];
      vec best = halved(x + from, levels, left, first), who = {0};
      for (int64_t r = 1; r < rows; ++r) {
        const vec next = halved(x + c->row[r] + from, levels, left, sides);
        const choice wins = later_wins(best, next);
        best = chosen(wins, next, best), who = chosen(wins, splat((T)r), who);
      }
      doubled(y + from, levels, left, chosen(is_equal(who, (vec){0}), g, (vec){0}), first);
      for (int64_t r = 1; r < rows; ++r) {
        if (rows > 2) halved(x + c->row[r] + from, levels, left, sides);
        doubled(y + c->row[r] + from, levels, left, chosen(is_equal(who, splat((T)r)), g, (vec){0}), sides);
      }
    }
    if (++h == c->out[1]) {
      h = 0;
      if (++d == c->out[0]) d = 0, ++plane;
    }
  }
}

static void backward_rows(void *context, int64_t begin, int64_t end) {
  const struct halves *c = context;
  if (c->largest) WITH_CONSTANTS(return_rows, c, 1, begin, end);
  else WITH_CONSTANTS(return_rows, c, 0, begin, end);
}
static void backward_planes(void *context, int64_t begin, int64_t end) {
  const struct halves *c = context;
  const int64_t rows = c->out[0] * c->out[1];
  for (int64_t plane = begin; plane < end; ++plane) {
    memset(c->y + plane * c->whole, 0, (size_t)c->whole * sizeof(T));
    backward_rows(context, plane * rows, (plane + 1) * rows);
  }
}

/* -- the calls -------------------------------------------------------------------------------------------------------- */

/* Of the numbers that pool.c reads; `counts`, NULL for sums: what is divided by, a factor for the windows of each dimension,
 * the same for all of them. */
static struct halves described(const int64_t *n, const T *counts) {
  struct halves c = {.planes = n[0], .share = 1, .covered = 1};
  for (int i = 0; i < 3; ++i) {
    c.size[i] = n[1 + i], c.out[i] = n[4 + i];
    c.covered &= n[4 + i] * n[7 + i] == n[1 + i];
  }
  c.levels = n[9] == 2 ? 1 : 2;
  c.from_row = n[11] * c.size[2], c.from_plane = n[10] * c.size[1] * c.size[2], c.whole = c.size[0] * c.size[1] * c.size[2];
  for (int64_t d = 0; d < n[7]; ++d)
    for (int64_t h = 0; h < n[8]; ++h) c.row[c.rows++] = (d * c.size[1] + h) * c.size[2];
  if (counts) c.share = 1 / (counts[0] * counts[c.out[0]] * counts[c.out[0] + c.out[1]]);
  return c;
}
static void forward(struct halves *c) {
  const int64_t rows = c->planes * c->out[0] * c->out[1];
  PARALLEL(forward_rows, c, rows, grain_for(rows, c->rows * c->out[2] << c->levels));
}
static void backward(struct halves *c) {
  const int64_t rows = c->planes * c->out[0] * c->out[1];
  if (c->covered) PARALLEL(backward_rows, c, rows, grain_for(rows, 2 * c->rows * c->out[2] << c->levels));
  else PARALLEL(backward_planes, c, c->planes, grain_for(c->planes, 2 * c->whole));
}

EXPORT void max_forward(const T *x, T *y, const int64_t *n) {
  struct halves c = described(n, 0);
  c.x = x, c.y = y, c.largest = 1;
  forward(&c);
}
EXPORT void sum_forward(const T *x, T *y, const T *counts, const int64_t *n) {
  struct halves c = described(n, counts);
  c.x = x, c.y = y;
  forward(&c);
}
/* Of a window's gradient all goes to its largest value, the first of several, or the first NaN. */
EXPORT void max_backward(const T *g, const T *x, T *y, const int64_t *n) {
  struct halves c = described(n, 0);
  c.g = g, c.x = x, c.y = y, c.largest = 1;
  backward(&c);
}
EXPORT void sum_backward(const T *g, T *y, const T *counts, const int64_t *n) {
  struct halves c = described(n, counts);
  c.g = g, c.x = g, c.y = y;
  backward(&c);
}
