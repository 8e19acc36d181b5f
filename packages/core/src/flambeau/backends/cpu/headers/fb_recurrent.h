/* What recurrent.c's steps are made of: the layer, its gates' functions, tiles of a product with a packed matrix. */
#ifndef FB_RECURRENT_H
#define FB_RECURRENT_H
#include "fb_gemm.h"
#include "fb_vec.h"

#define UNROLL _Pragma("GCC unroll 16")
#if REGISTERS == 32
#define BUDGET 24 /* sums of a tile that registers hold beside its operands */
#else
#define BUDGET 8
#endif
#define MOST_ROWS (BUDGET / 2 > 8 ? 8 : BUDGET / 2)
#define FEED_ROWS (REGISTERS == 32 ? 14 : BUDGET / 2) /* where there are two vectors of columns and nothing else */

struct layer {
  int64_t steps, size, rows, reverse; /* size: units of the state; rows of the first step, the most */
  const int64_t *sizes, *starts;
  const T *weight;                  /* (gates * size, size) */
  T *gates;                         /* (all, gates * size), rows `pitch` apart: fed, then activated; backward: activated */
  int64_t pitch;
  const T *first, *first_cell;      /* (rows, size) */
  T *out, *cells, *inner;           /* (all, size) */
  const T *bias;                    /* of the GRU's recurrent new gate */
  int64_t kind, keep;
  int64_t features;                 /* of the input */
  const T *input, *weight_in;       /* (all, features), or NULL where `gates` has its product; (gates * size, features) */
  const T *fed_bias;                /* (gates * size) or NULL */
  /* backward */
  const T *g_out, *g_last;
  T *d_gates, *d_inner, *carried;   /* (rows, gates * size) each, the first two `pitch` apart; d_inner: what goes to the state, where that differs */
  T *d_input, *d_weight_in, *d_weight, *d_bias_in, *d_bias; /* NULL: not wanted */
  T *packed_in;                     /* room: weight_in as its product reads it; NULL where products are made before and after */
  int64_t whole, most;              /* d_gates has the rows of all steps, and not of two chunks; rows of a chunk */
};

static const int64_t gates_of[] = {4, 3, 1, 1};
/* Elements from row to row of gates: an odd number of lines. Rows 4 KB apart would share one set of the first cache, which holds 12 lines,
 * where tiles read 8 rows and write 14: the product with the input took 4 % longer. */
INLINE int64_t pitch_of(int64_t kind, int64_t size) {
  const int64_t line = 64 / (int64_t)sizeof(T), wide = gates_of[kind] * size, lines = (wide + line - 1) / line;
  return kind > 1 || lines < 8 ? wide : (lines | 1) * line; /* one gate alone has whole products */
}
INLINE int64_t step_of(const struct layer *x, int64_t i) { return x->reverse ? x->steps - 1 - i : i; }
/* The step before in the order of running, or -1. */
INLINE int64_t before_of(const struct layer *x, int64_t t) {
  const int64_t b = x->reverse ? t + 1 : t - 1;
  return b >= 0 && b < x->steps ? b : -1;
}
INLINE int64_t after_of(const struct layer *x, int64_t t) {
  const int64_t a = x->reverse ? t - 1 : t + 1;
  return a >= 0 && a < x->steps ? a : -1;
}
/* Rows of step t that the other step has too. */
INLINE int64_t shared_rows(const struct layer *x, int64_t t, int64_t other) { return other < 0 ? 0 : MIN(x->sizes[t], x->sizes[other]); }

/* Steps whose product with the input is made at once, before them or after: their rows stay in the second cache. */
#define CHUNK 256
struct chunk {
  int64_t from, to; /* in the order of running */
  int64_t lo, hi;   /* rows */
};
/* The chunk that begins with the i-th step in the order of running, or (`back`) ends with it: CHUNK rows, but a whole step. */
static struct chunk chunk_of(const struct layer *x, int64_t i, int back) {
  struct chunk c = {i, i, 0, 0};
  for (int64_t rows = 0; back ? c.from >= 0 : c.to < x->steps; back ? --c.from : ++c.to) {
    const int64_t t = step_of(x, back ? c.from : c.to), size = x->sizes[t];
    if (rows && rows + size > CHUNK) break;
    c.lo = rows ? MIN(c.lo, x->starts[t]) : x->starts[t], c.hi = rows ? MAX(c.hi, x->starts[t] + size) : x->starts[t] + size;
    rows += size;
  }
  if (back) c.from += 1, c.to = i + 1;
  return c;
}

/* -- functions of vectors ------------------------------------------------------------------------------------------- */

INLINE vec sigmoid(vec x) {
  const vec e = exp_down(-larger(splat((T)(sizeof(T) == 4 ? -87 : -700)), x));
  return splat(1) / (splat(1) + e);
}

/* m / (m + 2) with m = exp(2|x|) - 1, whose digits are those of x near zero. */
INLINE vec hyperbolic_tangent(vec x) {
  const ivec sign = (ivec)splat((T)-0.0);
  const vec down = (vec)((ivec)x | sign), y = larger(splat(-20), down) * splat(-2);
  const vec shifted = y * splat((T)FB_LOG2E) + splat((T)FB_ROUND_BIASED), n = shifted - splat((T)FB_ROUND_BIASED);
  const vec r = (y - n * splat((T)FB_LN2_HIGH)) - n * splat((T)FB_LN2_LOW);
  const vec scale = (vec)((ivec)shifted << FB_MANTISSA);
#if defined(T_FLOAT32)
  vec p = splat(1.3926326e-3f);
  p = p * r + splat(8.363293e-3f);
  p = p * r + splat(4.1666552e-2f);
  p = p * r + splat(1.6666576e-1f);
#else
  vec p = splat(2.091483135138041e-09);
  p = p * r + splat(2.5105419192016337e-08);
  p = p * r + splat(2.7557273295539724e-07);
  p = p * r + splat(2.75572549134867e-06);
  p = p * r + splat(2.4801587325822283e-05);
  p = p * r + splat(0.00019841269875205077);
  p = p * r + splat(0.001388888888888367);
  p = p * r + splat(0.008333333333326025);
  p = p * r + splat(0.04166666666666667);
  p = p * r + splat(0.1666666666666667);
#endif
  p = (p * r + splat((T)0.5)) * r * r + r;
  const vec m = scale * p + (scale - splat(1));
  return (vec)((ivec)(m / (m + splat(2))) | ((ivec)x & sign));
}

/* -- tiles ---------------------------------------------------------------------------------------------------------- */

/* s += a w for k columns of a; meanwhile what lies at `coming` is called in, R elements in each step. */
INLINE void multiply_more(const int R, const int V, int64_t k, const T *RESTRICT a, int64_t stride, const T *RESTRICT w, const T *coming, vec s[][4]) {
  for (; k > 0; --k, ++a, w += V * WIDTH, coming += R) {
    vec y[4];
    if (R > 2) __builtin_prefetch(coming);
    UNROLL for (int v = 0; v < V; ++v) __builtin_prefetch(w + (8 * V + v) * WIDTH);
    UNROLL for (int v = 0; v < V; ++v) y[v] = load(w + v * WIDTH);
    UNROLL for (int r = 0; r < R; ++r) {
      const vec x = splat(a[r * stride]);
      UNROLL for (int v = 0; v < V; ++v) s[r][v] += x * y[v];
    }
  }
}
/* sums = a w for R rows of a, `stride` apart, and V vectors of columns; w is packed (k, V * WIDTH). One row of a step has
 * several chains of sums, as a chain takes one step in four cycles; where tiles depend on the team, all rows have one. */
INLINE void multiply(const int R, const int V, const int alone, int64_t k, const T *RESTRICT a, int64_t stride, const T *RESTRICT w, vec sums[][4]) {
  vec s[FEED_ROWS][4];
  UNROLL for (int r = 0; r < R; ++r) UNROLL for (int v = 0; v < V; ++v) s[r][v] = (vec){0};
#if REGISTERS == 32
  if (R == 1 && alone) {
    vec more[3][4];
    UNROLL for (int c = 0; c < 3; ++c) UNROLL for (int v = 0; v < V; ++v) more[c][v] = (vec){0};
    for (; k >= 4; k -= 4, a += 4, w += 4 * V * WIDTH) {
      UNROLL for (int v = 0; v < V; ++v) s[0][v] += splat(a[0]) * load(w + v * WIDTH);
      UNROLL for (int c = 0; c < 3; ++c) UNROLL for (int v = 0; v < V; ++v) more[c][v] += splat(a[c + 1]) * load(w + ((c + 1) * V + v) * WIDTH);
    }
    UNROLL for (int v = 0; v < V; ++v) s[0][v] += more[0][v] + (more[1][v] + more[2][v]);
  }
#endif
  multiply_more(R, V, k, a, stride, w, a + R * stride, s);
  UNROLL for (int r = 0; r < R; ++r) UNROLL for (int v = 0; v < V; ++v) sums[r][v] = s[r][v];
}

/* Calls in `count` lines, `apart` elements from one to the next, in each of R rows: while a tile's sums run, what its gates need
 * comes from memory. */
INLINE void call_in(const int R, const int count, const T *p, int64_t stride, int64_t apart) {
  UNROLL for (int r = 0; r < R; ++r) UNROLL for (int i = 0; i < count; ++i) __builtin_prefetch(p + r * stride + i * apart, 1);
}

/* w[k apart + lane] = weight[lane, k] for k < depth, zeros behind the last of n rows. */
static void pack_vector(T *w, int64_t apart, const T *weight, int64_t n, int64_t depth) {
  int64_t k = 0;
  for (; k + WIDTH <= depth; k += WIDTH) {
    vec r[GEMM_LANES];
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < n ? load(weight + i * depth + k) : (vec){0};
    gemm_transpose(r);
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(w + (k + i) * apart, r[i]);
  }
  for (; k < depth; ++k)
    for (int64_t i = 0; i < WIDTH; ++i) w[k * apart + i] = i < n ? weight[i * depth + k] : 0;
}
/* w[k, g, lane] = weight[g size + unit + lane, k]. */
static void pack_forward(T *w, const T *weight, int64_t size, int64_t depth, int64_t gates, int64_t unit) {
  for (int64_t g = 0; g < gates; ++g) pack_vector(w + g * WIDTH, gates * WIDTH, weight + (g * size + unit) * depth, MIN(WIDTH, size - unit), depth);
}

/* Two vectors of columns from `at` on: w[p, v, lane] = weight[p, at + v WIDTH + lane] for p < k, zeros behind the last of n. */
static void pack_pair(T *w, const T *weight, int64_t k, int64_t n, int64_t at) {
  for (int64_t v = 0; v < 2; ++v, at += WIDTH) {
    const int64_t some = MAX(0, MIN(WIDTH, n - at));
    for (int64_t p = 0; p < k; ++p) store(w + (2 * p + v) * WIDTH, some == WIDTH ? load(weight + p * n + at) : some ? load_head(weight + p * n + at, some, 0) : (vec){0});
  }
}

/* Rows dealt out evenly to tiles of at most `most`: fn(R, ...) for R a constant. */
#define CASE(R, fn, most, ...) case R: if ((R) <= (most)) fn(R, __VA_ARGS__); break;
#define BY_ROWS(fn, most, R, ...)                                                                                   \
  switch (R) {                                                                                                      \
    CASE(1, fn, most, __VA_ARGS__) CASE(2, fn, most, __VA_ARGS__) CASE(3, fn, most, __VA_ARGS__)                    \
    CASE(4, fn, most, __VA_ARGS__) CASE(5, fn, most, __VA_ARGS__) CASE(6, fn, most, __VA_ARGS__)                    \
    CASE(7, fn, most, __VA_ARGS__) CASE(8, fn, most, __VA_ARGS__)                                                   \
    CASE(9, fn, most, __VA_ARGS__) CASE(10, fn, most, __VA_ARGS__) CASE(11, fn, most, __VA_ARGS__)                   \
    CASE(12, fn, most, __VA_ARGS__) CASE(13, fn, most, __VA_ARGS__) CASE(14, fn, most, __VA_ARGS__)                  \
  }
#define TILES(fn, most, begin, end, ...)                                                                            \
  for (int64_t row_ = (begin), left_ = ((end) - (begin) + (most)-1) / (most); left_ > 0; --left_) {                 \
    const int64_t take_ = ((end)-row_ + left_ - 1) / left_;                                                         \
    BY_ROWS(fn, most, take_, row_, __VA_ARGS__)                                                                           \
    row_ += take_;                                                                                                  \
  }

/* -- the product with the input ------------------------------------------------------------------------------------- */

/* Two vectors of gates: where they lie in a row, and how many elements each has. */
struct feed { int64_t at[2], count[2]; };
/* The j-th pair of the vectors of gates of units from `unit` to `end`: those of a unit lie together. */
static struct feed feed_of(const struct layer *x, int64_t j, int64_t unit, int64_t end) {
  struct feed f;
  const int64_t gates = gates_of[x->kind];
  for (int v = 0; v < 2; ++v) {
    const int64_t u = unit + (2 * j + v) / gates * WIDTH, g = (2 * j + v) % gates;
    f.at[v] = u < end ? g * x->size + u : 0, f.count[v] = u < end ? MIN(WIDTH, x->size - u) : 0;
  }
  return f;
}

/* What the input and the biases give to a pair of vectors of gates of some rows. */
INLINE void feed_tile(const int R, int64_t row, const struct layer *x, struct feed f, const T *w) {
  vec sums[FEED_ROWS][4];
  const int64_t pitch = x->pitch;
  const T *const rows = x->input + row * x->features;
  UNROLL for (int r = 0; r < R; ++r) UNROLL for (int v = 0; v < 2; ++v) sums[r][v] = (vec){0};
  for (int64_t r = 0; r < R; ++r) { /* the lines to write are called in one after the other, as in backward */
    const int64_t begin = x->features * r / R;
    for (int v = 0; v < 2; ++v) __builtin_prefetch(x->gates + (row + r) * pitch + f.at[v], 1);
    multiply_more(R, 2, x->features * (r + 1) / R - begin, rows + begin, x->features, w + begin * 2 * WIDTH, rows + R * x->features + begin * R, sums);
  }
  UNROLL for (int v = 0; v < 2; ++v) {
    const vec bias = x->fed_bias && f.count[v] ? load_head(x->fed_bias + f.at[v], f.count[v], 0) : (vec){0};
    UNROLL for (int r = 0; r < R; ++r) {
      T *const to = x->gates + (row + r) * pitch + f.at[v];
      if (f.count[v] == WIDTH) store(to, sums[r][v] + bias);
      else store_head(to, sums[r][v] + bias, f.count[v]);
    }
  }
}
static void feed_rows(const struct layer *x, struct feed f, const T *w, int64_t begin, int64_t end) {
  TILES(feed_tile, FEED_ROWS, begin, end, x, f, w)
}
#endif
