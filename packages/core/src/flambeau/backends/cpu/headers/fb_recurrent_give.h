/* What the steps of a recurrent layer's backward give besides the gradient of the state, a chunk of steps at a time: gradients of
 * input, weights and biases. All ranks of a team have parts, cut so that results do not depend on how many they are.
 */
#ifndef FB_RECURRENT_GIVE_H
#define FB_RECURRENT_GIVE_H
#include "fb_recurrent.h"
#include "fb_team.h"

/* Input or state before, of the rows of a chunk from `lo` on, as panels of B: blocks of CHUNK rows, all panels of each. */
static void feed_panels(const struct layer *x, struct chunk c, int of_state, T *to, int64_t begin, int64_t end) {
  const int64_t n = of_state ? x->size : x->features, panels = GEMM_PANELS(n, GEMM_NR);
  for (int64_t t = MIN(step_of(x, c.from), step_of(x, c.to - 1)), last = MAX(step_of(x, c.from), step_of(x, c.to - 1)); t <= last; ++t) {
    const int64_t before = before_of(x, t), shared = shared_rows(x, t, before);
    for (int64_t r = 0; r < x->sizes[t]; ++r) {
      const T *const from = !of_state ? x->input + (x->starts[t] + r) * n : r < shared ? x->out + (x->starts[before] + r) * n : x->first + r * n;
      const int64_t row = x->starts[t] + r - c.lo, block = row / CHUNK, depth = MIN(CHUNK, c.hi - c.lo - block * CHUNK);
      T *at = to + block * CHUNK * panels * GEMM_NR + (begin * depth + row % CHUNK) * GEMM_NR;
      for (int64_t q = begin; q < end; ++q, at += depth * GEMM_NR) {
        const int64_t some = MIN(GEMM_NR, n - q * GEMM_NR);
        if (some == GEMM_NR) GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) store(at + v * WIDTH, load(from + q * GEMM_NR + v * WIDTH));
        else {
          memcpy(at, from + q * GEMM_NR, (size_t)some * sizeof(T));
          memset(at + some, 0, (size_t)(GEMM_NR - some) * sizeof(T));
        }
      }
    }
  }
}

INLINE void input_tile(const int R, int64_t row, const struct layer *x, const T *d, int64_t k, int64_t at, const T *w) {
  vec sums[MOST_ROWS][4];
  const int64_t n = x->features;
  multiply(R, 2, 0, k, d + row * k, k, w, sums);
  for (int v = 0; v < 2; ++v) {
    const int64_t u = at + v * WIDTH, some = MIN(WIDTH, n - u);
    if (some <= 0) break;
    for (int r = 0; r < R; ++r)
      if (some == WIDTH) store(x->d_input + (row + r) * n + u, sums[r][v]);
      else store_head(x->d_input + (row + r) * n + u, sums[r][v], some);
  }
}
/* d_input = d_gates weight_in for rows [begin, end); row 0 of all steps would lie at d. */
static void input_rows(const struct layer *x, const T *d, int64_t k, int64_t begin, int64_t end) {
  for (int64_t at = 0; at < x->features; at += 2 * WIDTH) {
    const T *const w = x->packed_in + at * k;
    TILES(input_tile, MOST_ROWS, begin, end, x, d, k, at, w)
  }
}

/* The columns [from, to) of `depth` rows of d, k elements each, as panels of A: some rows of the gradient of a weight. */
struct part { int64_t from, m, count, height, depth, pitch; };
static struct part pack_columns(T *pa, const T *d, int64_t depth, int64_t k, int64_t from, int64_t to) {
  const int64_t m = to - from, count = GEMM_PANELS(m, GEMM_MR);
  const struct part s = {from, m, count, GEMM_PANELS(m, count), depth, GEMM_A_PITCH(depth)};
  for (int64_t p = 0; p < depth; ++p) { /* a row at a time: they are pages apart */
    const T *const row = d + p * k + from;
    T *at = pa + p * GEMM_MR;
    int64_t q = 0;
    for (; q * s.height + GEMM_MR <= m; ++q, at += s.pitch) memcpy(at, row + q * s.height, GEMM_MR * sizeof(T));
    for (; q < count; ++q, at += s.pitch) memcpy(at, row + q * s.height, (size_t)MAX(0, MIN(s.height, m - q * s.height)) * sizeof(T));
  }
  return s;
}
/* These rows of d^T (input or state before), added up in `sum`, whose rows have n elements. */
static void weight_rows(struct part s, const T *pa, const T *panels, int64_t n, T *sum, int added) {
  for (int64_t p0 = 0; p0 < s.count; p0 += GEMM_MC / GEMM_MR)
    for (int64_t j = 0; j < n; j += GEMM_NR) {
      const int64_t end = MIN(s.count, p0 + GEMM_MC / GEMM_MR), share = (GEMM_NR + end - p0 - 1) / (end - p0);
      const T *const panel = panels + j * s.depth, *const coming = j + GEMM_NR < n ? panel + GEMM_NR * s.depth : panels;
      for (int64_t p = p0; p < end; ++p) {
        const int64_t i = p * s.height, rows = MIN(s.height, s.m - i);
        if (rows > 0) gemm_tile_ahead(rows, MIN(GEMM_NR, n - j), s.depth, pa + p * s.pitch, panel, sum + (s.from + i) * n + j, n, 1, 1, added, coming + (p - p0) * s.depth * share, share);
      }
    }
}

/* sum[c] (+)= the columns [from, to) of d, written to a second array too where there is one. */
static void bias_columns(const T *d, int64_t depth, int64_t k, T *sum, T *second, int64_t from, int64_t to, int added) {
  int64_t c = from;
  for (; c + 8 * WIDTH <= to; c += 8 * WIDTH) {
    vec s[8];
    UNROLL for (int v = 0; v < 8; ++v) s[v] = added ? load(sum + c + v * WIDTH) : (vec){0};
    for (int64_t p = 0; p < depth; ++p) UNROLL for (int v = 0; v < 8; ++v) s[v] += load(d + p * k + c + v * WIDTH);
    UNROLL for (int v = 0; v < 8; ++v) store(sum + c + v * WIDTH, s[v]);
  }
  if (!added) memset(sum + c, 0, (size_t)(to - c) * sizeof(T));
  for (int64_t p = 0; p < depth; ++p)
    for (int64_t i = c; i < to; ++i) sum[i] += d[p * k + i];
  if (second) memcpy(second + from, sum + from, (size_t)(to - from) * sizeof(T));
}

/* This rank's part of what a chunk whose steps are done gives; d and inner are where row 0 of all steps would lie. */
static void give(const struct layer *x, struct chunk c, const struct team *team, int rank, const T *fed, const T *d, const T *inner, int added) {
  const int64_t k = gates_of[x->kind] * x->size, units = GEMM_PANELS(k, WIDTH), tiles = GEMM_PANELS(c.hi - c.lo, MOST_ROWS);
  const int64_t from = MIN(k, team_from(team, units, rank) * WIDTH), to = MIN(k, team_from(team, units, rank + 1) * WIDTH);
  T *const pa = SCRATCH(1, (size_t)(GEMM_A_SIZE(to - from, CHUNK) + GEMM_MR) * sizeof(T));
  if (x->d_input) input_rows(x, d, k, MIN(c.hi, c.lo + team_from(team, tiles, rank) * MOST_ROWS), MIN(c.hi, c.lo + team_from(team, tiles, rank + 1) * MOST_ROWS));
  for (int64_t lo = c.lo; lo < c.hi && from < to; lo += CHUNK) {
    const int64_t depth = MIN(CHUNK, c.hi - lo), wide = GEMM_B_PITCH(1) * GEMM_PANELS(x->features, GEMM_NR), wide_state = GEMM_B_PITCH(1) * GEMM_PANELS(x->size, GEMM_NR);
    const T *const of_input = fed + (lo - c.lo) * wide, *const of_state = fed + x->most * wide + (lo - c.lo) * wide_state;
    const int more = added || lo > c.lo;
    struct part part = {0};
    const int both = inner == d && x->d_bias_in && x->d_bias; /* which are the same */
    if (x->d_bias_in) bias_columns(d + lo * k, depth, k, x->d_bias_in, both ? x->d_bias : 0, from, to, more);
    if (x->d_bias && !both) bias_columns(inner + lo * k, depth, k, x->d_bias, 0, from, to, more);
    if (x->d_weight_in || (x->d_weight && inner == d)) part = pack_columns(pa, d + lo * k, depth, k, from, to);
    if (x->d_weight_in) weight_rows(part, pa, of_input, x->features, x->d_weight_in, more);
    if (x->d_weight && inner != d) part = pack_columns(pa, inner + lo * k, depth, k, from, to);
    if (x->d_weight) weight_rows(part, pa, of_state, x->size, x->d_weight, more);
  }
}
#endif
