/* types: float double */
/* Adaptive pooling: the mean or the largest value of windows whose ends are in tables, and their gradients.
 *
 * A row of windows is done in two steps, as in pool.c: the rows that they span become one, in registers; then each window takes
 * its part of it. Where the whole plane is one window it is one run through contiguous memory.
 */
#include "fb_choose.h"

enum { PIECE = 4096 }; /* elements summed in T before the sum goes on in double */

/* The numbers from Python: planes, for three dimensions the size and the number of windows, and for each dimension where windows
 * begin and where they end, then for each of its places the first window that it is in, and the last plus one. */
struct adaptive {
  const T *x, *g;
  T *y;
  int64_t planes, size[3], out[3], place, windows; /* places and windows of a plane */
  const int64_t *begin[3], *end[3], *first[3], *last[3];
};

static struct adaptive described(const int64_t *n) {
  struct adaptive c = {.planes = n[0], .place = 1, .windows = 1};
  const int64_t *table = n + 7;
  for (int i = 0; i < 3; ++i) {
    c.size[i] = n[1 + i], c.out[i] = n[4 + i], c.place *= c.size[i], c.windows *= c.out[i];
    c.begin[i] = table, c.end[i] = table += c.out[i], table += c.out[i];
    c.first[i] = table, c.last[i] = table += c.size[i], table += c.size[i];
  }
  return c;
}

/* -- forward ---------------------------------------------------------------------------------------------------------- */

INLINE T greater(T m, T v) { return ((v > m) | (v != v)) ? v : m; }

INLINE double sum_of_run(const T *x, int64_t count) {
  double all = 0;
  for (int64_t from = 0; from < count; from += PIECE) {
    const int64_t n = MIN(count, from + PIECE);
    vec a = {0}, b = {0};
    int64_t i = from;
    for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) a += load(x + i), b += load(x + i + WIDTH);
    if (i + WIDTH <= n) a += load(x + i), i += WIDTH;
    if (i < n) b += load_head(x + i, n - i, 0);
    all += (double)total_of(a + b);
  }
  return all;
}
enum { FEW = 4 }; /* elements that are looked at one after the other */

INLINE T largest_of_run(const T *x, int64_t count) {
  if (count <= FEW) {
    T m = x[0];
    for (int64_t i = 1; i < count; ++i) m = greater(m, x[i]);
    return m;
  }
  vec best = count < WIDTH ? load_head(x, count, x[0]) : load(x);
  for (int64_t i = WIDTH; i < count; i += WIDTH) best = greater_of(best, load(x + MIN(i, count - WIDTH)));
  const T broken = total_of(chosen(is_nan(best), splat(1), (vec){0}));
  return broken > 0 ? (T)NAN : largest_of(best);
}

static void means_of_planes(void *context, int64_t begin, int64_t end) {
  const struct adaptive *c = context;
  for (int64_t p = begin; p < end; ++p) c->y[p] = (T)(sum_of_run(c->x + p * c->place, c->place) / (double)c->place);
}
static void largest_of_planes(void *context, int64_t begin, int64_t end) {
  const struct adaptive *c = context;
  for (int64_t p = begin; p < end; ++p) c->y[p] = largest_of_run(c->x + p * c->place, c->place);
}

/* The rows of one row of windows as one: their sums, or of each column the largest. */
INLINE void rows_as_one(const struct adaptive *c, const int largest, const T *x, int64_t d, int64_t h, T *row) {
  const int64_t W = c->size[2];
  for (int64_t w = 0; w < W; w += WIDTH) {
    const int64_t n = MIN(WIDTH, W - w);
    vec all = {0};
    int any = 0;
    for (int64_t i = c->begin[0][d]; i < c->end[0][d]; ++i) {
      const T *from = x + (i * c->size[1] + c->begin[1][h]) * W + w;
      for (int64_t j = c->begin[1][h]; j < c->end[1][h]; ++j, from += W) {
        const vec v = n == WIDTH ? load(from) : load_head(from, n, 0);
        all = largest ? (any ? greater_of(all, v) : v) : all + v;
        any = 1;
      }
    }
    store(row + w, all);
  }
}

INLINE void pool_planes(const struct adaptive *c, const int largest, int64_t begin, int64_t end) {
  T *row = SCRATCH(0, (size_t)(c->size[2] + WIDTH) * sizeof(T));
  for (int64_t p = begin; p < end; ++p) {
    const T *x = c->x + p * c->place;
    T *y = c->y + p * c->windows;
    for (int64_t d = 0; d < c->out[0]; ++d)
      for (int64_t h = 0; h < c->out[1]; ++h, y += c->out[2]) {
        const T rows = (T)((c->end[0][d] - c->begin[0][d]) * (c->end[1][h] - c->begin[1][h]));
        rows_as_one(c, largest, x, d, h, row);
        for (int64_t w = 0; w < c->out[2]; ++w) {
          const T *from = row + c->begin[2][w];
          const int64_t n = c->end[2][w] - c->begin[2][w];
          if (largest) { y[w] = largest_of_run(from, n); continue; }
          T sum = from[0];
          if (n < WIDTH) for (int64_t i = 1; i < n; ++i) sum += from[i];
          else sum = (T)sum_of_run(from, n);
          y[w] = sum / (rows * (T)n);
        }
      }
  }
}
static void means(void *context, int64_t begin, int64_t end) { pool_planes(context, 0, begin, end); }
static void largest(void *context, int64_t begin, int64_t end) { pool_planes(context, 1, begin, end); }

EXPORT void mean_forward(const T *x, T *y, const int64_t *n) {
  struct adaptive c = described(n);
  c.x = x, c.y = y;
  PARALLEL(c.windows == 1 ? means_of_planes : means, &c, c.planes, grain_for(c.planes, c.place + 4 * c.windows));
}
EXPORT void max_forward(const T *x, T *y, const int64_t *n) {
  struct adaptive c = described(n);
  c.x = x, c.y = y;
  PARALLEL(c.windows == 1 ? largest_of_planes : largest, &c, c.planes, grain_for(c.planes, c.place + 4 * c.windows));
}

/* -- backward --------------------------------------------------------------------------------------------------------- */

static void shares_of_planes(void *context, int64_t begin, int64_t end) {
  const struct adaptive *c = context;
  for (int64_t p = begin; p < end; ++p) {
    const vec share = splat(c->g[p] / (T)c->place);
    T *y = c->y + p * c->place;
    int64_t i = 0;
    for (; i + WIDTH <= c->place; i += WIDTH) store(y + i, share);
    if (i < c->place) store_head(y + i, share, c->place - i);
  }
}

INLINE int same_windows(const struct adaptive *c, int dim, int64_t a, int64_t b) {
  return c->first[dim][a] == c->first[dim][b] && c->last[dim][a] == c->last[dim][b];
}

/* Each window's number to its places in a row; neighbours have one place in common at most. */
INLINE void fill_windows(const struct adaptive *c, const T *row, T *y) {
  int64_t before = 0;
  for (int64_t w = 0; w < c->out[2]; ++w) {
    const int64_t begin = c->begin[2][w], end = c->end[2][w];
    const T number = row[w], first = begin < before ? y[begin] + number : number;
    int64_t i = begin;
    for (; i + WIDTH <= end; i += WIDTH) store(y + i, splat(number));
    for (; i < end; ++i) y[i] = number;
    y[begin] = first, before = end;
  }
}

/* Every place collects from the windows that it is in. */
static void shares(void *context, int64_t begin, int64_t end) {
  const struct adaptive *c = context;
  const int64_t out = c->out[2], W = c->size[2];
  T *row = SCRATCH(0, (size_t)out * sizeof(T));
  for (int64_t p = begin; p < end; ++p) {
    const T *g = c->g + p * c->windows;
    T *y = c->y + p * c->place;
    for (int64_t d = 0; d < c->size[0]; ++d)
      for (int64_t h = 0; h < c->size[1]; ++h, y += W) {
        if (h && same_windows(c, 1, h, h - 1)) {
          memcpy(y, y - W, (size_t)W * sizeof(T));
          continue;
        }
        if (d && same_windows(c, 0, d, d - 1)) {
          memcpy(y, y - W * c->size[1], (size_t)W * sizeof(T));
          continue;
        }
        memset(row, 0, (size_t)out * sizeof(T));
        for (int64_t i = c->first[0][d]; i < c->last[0][d]; ++i)
          for (int64_t j = c->first[1][h]; j < c->last[1][h]; ++j) {
            const T share = 1 / (T)((c->end[0][i] - c->begin[0][i]) * (c->end[1][j] - c->begin[1][j]));
            const T *RESTRICT from = g + (i * c->out[1] + j) * out;
#pragma omp simd
            for (int64_t w = 0; w < out; ++w) row[w] += from[w] * share;
          }
        for (int64_t w = 0; w < out; ++w) row[w] /= (T)(c->end[2][w] - c->begin[2][w]);
        if (out <= W) fill_windows(c, row, y);
        else for (int64_t w = 0; w < W; ++w) {
          T sum = 0;
          for (int64_t k = c->first[2][w]; k < c->last[2][w]; ++k) sum += row[k];
          y[w] = sum;
        }
      }
  }
}

EXPORT void mean_backward(const T *g, T *y, const int64_t *n) {
  struct adaptive c = described(n);
  c.g = g, c.y = y;
  PARALLEL(c.windows == 1 ? shares_of_planes : shares, &c, c.planes, grain_for(c.planes, c.place + 4 * c.windows));
}

/* Of each column of a row of windows the largest value and the number of its row, the first of several. */
INLINE void find_in_rows(const struct adaptive *c, const T *x, int64_t d, int64_t h, T *value, T *line) {
  const int64_t W = c->size[2], rows = c->end[1][h] - c->begin[1][h];
  for (int64_t w = 0; w < W; w += WIDTH) {
    const int64_t n = MIN(WIDTH, W - w);
    vec best = {0}, who = {0};
    int64_t number = 0;
    for (int64_t i = c->begin[0][d]; i < c->end[0][d]; ++i) {
      const T *from = x + (i * c->size[1] + c->begin[1][h]) * W + w;
      for (int64_t j = 0; j < rows; ++j, ++number, from += W) {
        const vec v = n == WIDTH ? load(from) : load_head(from, n, 0);
        if (number == 0) { best = v; continue; }
        const choice wins = later_wins(best, v);
        best = chosen(wins, v, best), who = chosen(wins, splat((T)number), who);
      }
    }
    store(value + w, best), store(line + w, who);
  }
}

static void give_to_largest(void *context, int64_t begin, int64_t end) {
  const struct adaptive *c = context;
  const int64_t W = c->size[2];
  T *value = SCRATCH(0, (size_t)(2 * (W + WIDTH)) * sizeof(T)), *line = value + W + WIDTH;
  for (int64_t p = begin; p < end; ++p) {
    const T *x = c->x + p * c->place, *g = c->g + p * c->windows;
    T *y = c->y + p * c->place;
    memset(y, 0, (size_t)c->place * sizeof(T));
    for (int64_t d = 0; d < c->out[0]; ++d)
      for (int64_t h = 0; h < c->out[1]; ++h, g += c->out[2]) {
        find_in_rows(c, x, d, h, value, line);
        const int64_t rows = c->end[1][h] - c->begin[1][h];
        for (int64_t w = 0; w < c->out[2]; ++w) {
          int64_t at = c->begin[2][w];
          T m = value[at], l = line[at];
          for (int64_t i = at + 1; i < c->end[2][w]; ++i) {
            const T v = value[i], k = line[i];
            const int wins = (v > m) | ((v != v) & (m == m)) | (((v == m) | ((v != v) & (m != m))) & (k < l));
            m = wins ? v : m, l = wins ? k : l, at = wins ? i : at;
          }
          const int64_t row = (int64_t)l;
          y[((c->begin[0][d] + row / rows) * c->size[1] + c->begin[1][h] + row % rows) * W + at] += g[w];
        }
      }
  }
}

static void give_to_largest_of_planes(void *context, int64_t begin, int64_t end) {
  const struct adaptive *c = context;
  for (int64_t p = begin; p < end; ++p) {
    const T *x = c->x + p * c->place, m = largest_of_run(x, c->place);
    T *y = c->y + p * c->place;
    int64_t at = 0;
    if (m != m) while (x[at] == x[at]) ++at;
    else while (x[at] != m) ++at;
    memset(y, 0, (size_t)c->place * sizeof(T));
    y[at] = c->g[p];
  }
}

/* Each window's gradient to its largest value, the first of several, or the first NaN. */
EXPORT void max_backward(const T *g, const T *x, T *y, const int64_t *n) {
  struct adaptive c = described(n);
  c.g = g, c.x = x, c.y = y;
  PARALLEL(c.windows == 1 ? give_to_largest_of_planes : give_to_largest, &c, c.planes, grain_for(c.planes, 2 * c.place + 4 * c.windows));
}
