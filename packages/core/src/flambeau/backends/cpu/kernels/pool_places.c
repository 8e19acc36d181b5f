/* types: float double */
/* The largest value of windows whose ends are in tables, where each was found, and the gradient.
 *
 * Windows may lie elsewhere in each plane, as in fractional pooling. The first of equal values counts, and the first NaN before all.
 */
#include "fb_choose.h"

/* The numbers from Python: planes, for three dimensions the size and the number of windows, and whether each plane has windows of
 * its own. `cells`: for each dimension where windows begin, then for each where they end; once, or for each plane. */
struct places {
  const T *x;
  T *y;
  int64_t *found;
  const int64_t *cells;
  int64_t planes, size[3], out[3], own, place, windows, lines;
};

/* -- wide windows: row by row ------------------------------------------------------------------------------------------ */

INLINE int wins(T v, T m) { return (v > m) | ((v != v) & (m == m)); }

/* Looks through a row of a window that begins `at` in the plane: its largest first, and its place only if it wins. */
INLINE void look(const T *x, int64_t at, int64_t count, T *best, int64_t *where) {
  vec most = load_head(x + at, MIN(WIDTH, count), x[at]);
  for (int64_t i = WIDTH; i < count; i += WIDTH) most = greater_of(most, load_head(x + at + i, MIN(WIDTH, count - i), x[at]));
  const T broken = total_of(chosen(is_nan(most), splat(1), (vec){0}));
  const T top = broken > 0 ? (T)NAN : largest_of(most);
  if (!wins(top, *best)) return;
  for (*best = top; !(x[at] == top || (top != top && x[at] != x[at])); ++at) {}
  *where = at;
}

/* -- narrow ones: rows become one, then all windows of it take a column at a time ---------------------------------------- */

INLINE vec as_vec(ivec v) { return (vec)v; }

/* Of each column of rows [h0, h1) of slices [d0, d1) the largest value, and its place in the plane. */
static void rows_as_one(const struct places *c, const T *x, int64_t d0, int64_t d1, int64_t h0, int64_t h1, T *row, lane *at) {
  const int64_t W = c->size[2];
  for (int64_t w = 0; w < W; w += WIDTH) {
    const int64_t n = MIN(WIDTH, W - w);
    ivec place;
    for (int64_t i = 0; i < WIDTH; ++i) place[i] = (lane)(w + i);
    const lane start = (lane)((d0 * c->size[1] + h0) * W);
    vec best = load_head(x + start + w, n, 0);
    ivec where = place + start;
    for (int64_t d = d0; d < d1; ++d)
      for (int64_t h = h0 + (d == d0); h < h1; ++h) {
        const lane from = (lane)((d * c->size[1] + h) * W);
        const vec v = load_head(x + from + w, n, 0);
        const choice later = later_wins(best, v);
        best = chosen(later, v, best), where = (ivec)chosen(later, as_vec(place + from), as_vec(where));
      }
    store(row + w, best), memcpy(at + w, &where, sizeof where);
  }
}

/* y and found of a row of windows, [from, until) of its columns each, at most `widest`. */
static void columns_as_one(const T *RESTRICT row, const lane *RESTRICT at, const int64_t *from, const int64_t *until, int64_t windows, int64_t widest, T *RESTRICT y, int64_t *RESTRICT found) {
  for (int64_t w0 = 0; w0 < windows; w0 += WIDTH) {
    const int64_t count = MIN(WIDTH, windows - w0);
    lane first[WIDTH], last[WIDTH], f[WIDTH];
    T m[WIDTH];
    for (int64_t w = 0; w < WIDTH; ++w) {
      const int64_t k = w0 + MIN(w, count - 1);
      first[w] = (lane)from[k], last[w] = (lane)until[k] - 1, m[w] = row[from[k]], f[w] = at[from[k]];
    }
    for (lane t = 1; t < widest; ++t) {
#pragma omp simd
      for (int64_t w = 0; w < WIDTH; ++w) {
        const lane column = MIN(first[w] + t, last[w]), i = at[column];
        const T v = row[column];
        const int take = (v > m[w]) | ((v == m[w]) & (i < f[w])) | ((v != v) & ((m[w] == m[w]) | (i < f[w])));
        m[w] = take ? v : m[w], f[w] = take ? i : f[w];
      }
    }
    for (int64_t w = 0; w < count; ++w) y[w0 + w] = m[w], found[w0 + w] = f[w];
  }
}

enum { NARROW = 12 }; /* columns of a window that are taken one at a time */

static void find(void *context, int64_t begin, int64_t end) {
  const struct places *c = context;
  const int64_t *out = c->out, room = (c->size[2] + WIDTH - 1) / WIDTH * WIDTH;
  T *row = SCRATCH(0, (size_t)room * (sizeof(T) + sizeof(lane)));
  lane *at = (lane *)(row + room);
  for (int64_t p = begin; p < end; ++p) {
    const T *x = c->x + p * c->place;
    const int64_t *from[3], *until[3], *cells = c->cells + (c->own ? p * 2 * c->lines : 0);
    for (int i = 0; i < 3; cells += out[i], ++i) from[i] = cells, until[i] = cells + c->lines;
    int64_t widest = 0;
    for (int64_t w = 0; w < out[2]; ++w) widest = MAX(widest, until[2][w] - from[2][w]);
    T *y = c->y + p * c->windows;
    int64_t *found = c->found + p * c->windows;
    for (int64_t d = 0; d < out[0]; ++d)
      for (int64_t h = 0; h < out[1]; ++h, y += out[2], found += out[2]) {
        const int64_t d0 = from[0][d], d1 = until[0][d], h0 = from[1][h], h1 = until[1][h];
        if (widest <= NARROW) {
          rows_as_one(c, x, d0, d1, h0, h1, row, at);
          columns_as_one(row, at, from[2], until[2], out[2], widest, y, found);
          continue;
        }
        for (int64_t w = 0; w < out[2]; ++w) {
          int64_t where = (d0 * c->size[1] + h0) * c->size[2] + from[2][w];
          T best = x[where];
          for (int64_t i = d0; i < d1; ++i)
            for (int64_t j = h0; j < h1; ++j) look(x, (i * c->size[1] + j) * c->size[2] + from[2][w], until[2][w] - from[2][w], &best, &where);
          y[w] = best, found[w] = where;
        }
      }
  }
}

EXPORT void find_largest(const T *x, T *y, int64_t *found, const int64_t *cells, const int64_t *n) {
  struct places c = {.x = x, .y = y, .found = found, .cells = cells, .planes = n[0], .own = n[7], .place = 1, .windows = 1};
  for (int i = 0; i < 3; ++i) c.size[i] = n[1 + i], c.out[i] = n[4 + i], c.place *= c.size[i], c.windows *= c.out[i], c.lines += c.out[i];
  PARALLEL(find, &c, c.planes, grain_for(c.planes, c.place + 4 * c.windows));
}

struct spreading {
  const T *g;
  const int64_t *found;
  T *dx;
  int64_t place, windows;
};

static void spread(void *context, int64_t begin, int64_t end) {
  const struct spreading *c = context;
  memset(c->dx + begin * c->place, 0, (size_t)((end - begin) * c->place) * sizeof(T));
  for (int64_t p = begin; p < end; ++p) {
    const T *g = c->g + p * c->windows;
    const int64_t *found = c->found + p * c->windows;
    T *dx = c->dx + p * c->place;
    for (int64_t i = 0; i < c->windows; ++i) dx[found[i]] += g[i];
  }
}

/* Each gradient to where its value was found. */
EXPORT void spread_largest(const T *g, const int64_t *found, T *dx, int64_t planes, int64_t place, int64_t windows) {
  struct spreading c = {g, found, dx, place, windows};
  PARALLEL(spread, &c, planes, grain_for(planes, place + 4 * windows));
}
