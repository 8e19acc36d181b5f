/* What the steps of a recurrent layer's backward give besides the gradient of the state, a chunk of steps at a time: gradients of
 * input, weights and biases. All ranks of a team have parts, cut so that results do not depend on how many they are.
 */
#ifndef FB_RECURRENT_GIVE_H
#define FB_RECURRENT_GIVE_H
#include "fb_recurrent.h"
#include "fb_team.h"

#define SOURCE_AHEAD 16 /* rows that are called in before they are read */

/* Where the input or the state before lies that belongs to each of `depth` rows from `lo` on. */
static void sources(const struct layer *x, struct chunk c, int of_state, int64_t lo, int64_t depth, const T **to) {
  const int64_t n = of_state ? x->size : x->features, some = step_of(x, c.from), other = step_of(x, c.to - 1);
  for (int64_t t = MIN(some, other); t <= MAX(some, other); ++t) {
    const int64_t before = before_of(x, t), shared = shared_rows(x, t, before), at = x->starts[t];
    for (int64_t r = MAX(0, lo - at), end = MIN(x->sizes[t], lo + depth - at); r < end; ++r)
      to[at + r - lo] = !of_state ? x->input + (at + r) * n : r < shared ? x->out + (x->starts[before] + r) * n : x->first + r * n;
  }
  for (int64_t p = 0; p < SOURCE_AHEAD; ++p) to[depth + p] = to[depth - 1];
}

INLINE void input_tile(const int R, int64_t row, const struct layer *x, const T *d, int64_t k, int64_t at, const T *w) {
  vec sums[MOST_ROWS][4];
  const int64_t n = x->features;
  multiply(R, 2, 0, k, d + row * x->pitch, x->pitch, w, sums);
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

/* The columns [from, to) of `depth` rows of d, `pitch` apart, as panels of A: some rows of the gradient of a weight. */
struct part { int64_t from, m, count, height, depth, pitch; };
static struct part pack_columns(T *pa, const T *d, int64_t depth, int64_t pitch, int64_t from, int64_t to) {
  const int64_t m = to - from, count = GEMM_PANELS(m, GEMM_MR);
  const struct part s = {from, m, count, GEMM_PANELS(m, count), depth, GEMM_A_PITCH(depth)};
  for (int64_t p = 0; p < depth; ++p) { /* a row at a time: they are pages apart */
    const T *const row = d + p * pitch + from;
    T *at = pa + p * GEMM_MR;
    int64_t q = 0;
    for (; q * s.height + GEMM_MR <= m; ++q, at += s.pitch) memcpy(at, row + q * s.height, GEMM_MR * sizeof(T));
    for (; q < count; ++q, at += s.pitch) memcpy(at, row + q * s.height, (size_t)MAX(0, MIN(s.height, m - q * s.height)) * sizeof(T));
  }
  return s;
}
/* Columns j to j + NR of `depth` rows, as a panel of B. */
static void pack_sources(const T *const *from, int64_t depth, int64_t j, int64_t some, T *panel) {
  for (int64_t p = 0; p < depth; ++p, panel += GEMM_NR) {
    memcpy(panel, from[p] + j, (size_t)some * sizeof(T));
    memset(panel + some, 0, (size_t)(GEMM_NR - some) * sizeof(T));
  }
}
/* A whole tile: c (+)= a b, where b[p, q] = from[p][q], which is packed on the way (`packs`), or lies packed in `panel`. What it adds to is
 * called in row by row, as in the steps. */
INLINE void weight_tile(const int packs, int64_t depth, const T *RESTRICT a, const T *const *from, int64_t j, T *RESTRICT panel, T *c, int64_t ldc, int added) {
  vec sum[GEMM_MR][GEMM_NV];
  GEMM_UNROLL for (int i = 0; i < GEMM_MR; ++i) GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) sum[i][v] = (vec){0};
  const int64_t next = GEMM_A_PITCH(depth);
  for (int64_t r = 0, p = 0; r < GEMM_MR; ++r) {
    for (int64_t v = 0; v < GEMM_NV; ++v) __builtin_prefetch(c + r * ldc + v * WIDTH, 1);
    for (const int64_t end = depth * (r + 1) / GEMM_MR; p < end; ++p, a += GEMM_MR, panel += GEMM_NR) {
      vec y[GEMM_NV];
      if (packs) {
        GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) __builtin_prefetch(from[p + SOURCE_AHEAD] + j + v * WIDTH);
        GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) y[v] = load(from[p] + j + v * WIDTH);
        GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) store(panel + v * WIDTH, y[v]);
      } else {
        __builtin_prefetch(a + next);
        GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) y[v] = load(panel + v * WIDTH);
      }
      GEMM_UNROLL for (int i = 0; i < GEMM_MR; ++i) {
        const vec x = splat(a[i]);
        GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) sum[i][v] += x * y[v];
      }
    }
  }
  GEMM_UNROLL for (int i = 0; i < GEMM_MR; ++i) GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) {
    T *const at = c + i * ldc + v * WIDTH;
    store(at, added ? sum[i][v] + load(at) : sum[i][v]);
  }
}
static void source_tile(int64_t depth, const T *a, const T *const *from, int64_t j, T *panel, T *c, int64_t ldc, int added) { weight_tile(1, depth, a, from, j, panel, c, ldc, added); }
static void panel_tile(int64_t depth, const T *a, T *panel, T *c, int64_t ldc, int added) { weight_tile(0, depth, a, 0, 0, panel, c, ldc, added); }
#define WEIGHT_PANELS 20 /* of A, which stay in the second cache while those of B pass, each packed by the first tile that reads it */
/* These rows of d^T (input or state before), added up in `sum`, whose rows have n elements. */
static void weight_rows(struct part s, const T *pa, const T *const *from, int64_t n, T *sum, int added) {
  T *const panel = SCRATCH(2, CHUNK * GEMM_NR * sizeof(T));
  const int64_t blocks = GEMM_PANELS(s.count, WEIGHT_PANELS), block = GEMM_PANELS(s.count, MAX(1, blocks));
  for (int64_t p0 = 0; p0 < s.count; p0 += block)
    for (int64_t j = 0; j < n; j += GEMM_NR) {
      const int64_t some = MIN(GEMM_NR, n - j);
      const int fused = some == GEMM_NR && s.height == GEMM_MR && p0 * s.height + GEMM_MR <= s.m;
      if (fused) source_tile(s.depth, pa + p0 * s.pitch, from, j, panel, sum + (s.from + p0 * s.height) * n + j, n, added);
      else pack_sources(from, s.depth, j, some, panel);
      for (int64_t p = p0 + fused; p < MIN(s.count, p0 + block); ++p) {
        const int64_t i = p * s.height, rows = MIN(s.height, s.m - i);
        const int calls = p == p0 + 1 && j + GEMM_NR < n; /* the next panel's rows */
        T *const c = sum + (s.from + i) * n + j;
        if (rows == GEMM_MR && some == GEMM_NR && !calls) panel_tile(s.depth, pa + p * s.pitch, panel, c, n, added);
        else if (rows > 0) gemm_tile_ahead(rows, some, s.depth, pa + p * s.pitch, panel, c, n, 1, 1, added, calls ? from[0] + j + GEMM_NR : panel, calls ? n : 0);
      }
    }
}

/* sum[c] (+)= the columns [from, to) of d, written to a second array too where there is one. */
static void bias_columns(const T *d, int64_t depth, int64_t pitch, T *sum, T *second, int64_t from, int64_t to, int added) {
  int64_t c = from;
  for (; c + 8 * WIDTH <= to; c += 8 * WIDTH) {
    vec s[8];
    UNROLL for (int v = 0; v < 8; ++v) s[v] = added ? load(sum + c + v * WIDTH) : (vec){0};
    for (int64_t p = 0; p < depth; ++p) UNROLL for (int v = 0; v < 8; ++v) s[v] += load(d + p * pitch + c + v * WIDTH);
    UNROLL for (int v = 0; v < 8; ++v) store(sum + c + v * WIDTH, s[v]);
  }
  if (!added) memset(sum + c, 0, (size_t)(to - c) * sizeof(T));
  for (int64_t p = 0; p < depth; ++p)
    for (int64_t i = c; i < to; ++i) sum[i] += d[p * pitch + i];
  if (second) memcpy(second + from, sum + from, (size_t)(to - from) * sizeof(T));
}

/* This rank's part of what a chunk whose steps are done gives; d and inner are where row 0 of all steps would lie. */
static void give(const struct layer *x, struct chunk c, const struct team *team, int rank, const T *d, const T *inner, int added) {
  const int64_t k = gates_of[x->kind] * x->size, pitch = x->pitch, units = GEMM_PANELS(k, WIDTH), tiles = GEMM_PANELS(c.hi - c.lo, MOST_ROWS);
  const int64_t from = MIN(k, team_from(team, units, rank) * WIDTH), to = MIN(k, team_from(team, units, rank + 1) * WIDTH);
  T *const pa = SCRATCH(1, (size_t)(GEMM_A_SIZE(to - from, CHUNK) + GEMM_MR) * sizeof(T));
  if (x->d_input) input_rows(x, d, k, MIN(c.hi, c.lo + team_from(team, tiles, rank) * MOST_ROWS), MIN(c.hi, c.lo + team_from(team, tiles, rank + 1) * MOST_ROWS));
  for (int64_t lo = c.lo; lo < c.hi && from < to; lo += CHUNK) {
    const int64_t depth = MIN(CHUNK, c.hi - lo);
    const T *given[CHUNK + SOURCE_AHEAD];
    const int more = added || lo > c.lo;
    struct part part = {0};
    const int both = inner == d && x->d_bias_in && x->d_bias; /* which are the same */
    if (x->d_bias_in) bias_columns(d + lo * pitch, depth, pitch, x->d_bias_in, both ? x->d_bias : 0, from, to, more);
    if (x->d_bias && !both) bias_columns(inner + lo * pitch, depth, pitch, x->d_bias, 0, from, to, more);
    if (x->d_weight_in || (x->d_weight && inner == d)) part = pack_columns(pa, d + lo * pitch, depth, pitch, from, to);
    if (x->d_weight_in) sources(x, c, 0, lo, depth, given), weight_rows(part, pa, given, x->features, x->d_weight_in, more);
    if (x->d_weight && inner != d) part = pack_columns(pa, inner + lo * pitch, depth, pitch, from, to);
    if (x->d_weight) sources(x, c, 1, lo, depth, given), weight_rows(part, pa, given, x->size, x->d_weight, more);
  }
}
#endif
