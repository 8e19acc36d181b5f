/* types: float double */
/* Recurrent layers in one direction: all steps of a batch, forward and backward, behind the product with the input.
 *
 * Rows are the sequences that have a step: sizes[t] of them at step t, from row starts[t] on in arrays over all steps. The
 * steps run from 0 on, or backwards. A thread keeps some units of the state through all steps, with the weights that lead to them
 * in its cache; each step ends when all have come. A tile of some rows by one or two vectors of units has all its gates
 * in registers when its sum is complete, and the gates' functions are taken there.
 */
#include "fb.h"
#include "fb_gemm.h"
#include "fb_vec.h"
#include "fb_team.h"

#define UNROLL _Pragma("GCC unroll 16")
#if REGISTERS == 32
#define BUDGET 24 /* sums of a tile that registers hold beside its operands */
#else
#define BUDGET 8
#endif
#define MOST_ROWS (BUDGET / 2 > 8 ? 8 : BUDGET / 2)

struct layer {
  int64_t steps, size, rows, reverse; /* size: units of the state; rows of the first step, the most */
  const int64_t *sizes, *starts;
  const T *weight;                  /* (gates * size, size) */
  T *gates;                         /* (all, gates * size): fed, then activated; backward: activated */
  const T *first, *first_cell;      /* (rows, size) */
  T *out, *cells, *inner;           /* (all, size) */
  const T *bias;                    /* of the GRU's recurrent new gate */
  int64_t kind, keep;
  /* backward */
  const T *g_out, *g_last, *g_last_cell;
  T *d_gates, *d_inner, *carried;   /* d_inner: what goes to the state, where that differs from what goes to the input */
};

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

/* sums += a w for R rows of a, `stride` apart, and V vectors of columns; w is packed (k, V * WIDTH). */
INLINE void multiply(const int R, const int V, int64_t k, const T *RESTRICT a, int64_t stride, const T *RESTRICT w, vec sums[MOST_ROWS][4]) {
#if REGISTERS == 32
  if (R == 1) { /* several chains of sums: a chain takes one step in four cycles */
    vec more[3][4];
    UNROLL for (int c = 0; c < 3; ++c) UNROLL for (int v = 0; v < V; ++v) more[c][v] = (vec){0};
    for (; k >= 4; k -= 4, a += 4, w += 4 * V * WIDTH) {
      UNROLL for (int v = 0; v < V; ++v) sums[0][v] += splat(a[0]) * load(w + v * WIDTH);
      UNROLL for (int c = 0; c < 3; ++c) UNROLL for (int v = 0; v < V; ++v) more[c][v] += splat(a[c + 1]) * load(w + ((c + 1) * V + v) * WIDTH);
    }
    UNROLL for (int v = 0; v < V; ++v) sums[0][v] += more[0][v] + (more[1][v] + more[2][v]);
  }
#endif
  for (; k > 0; --k, ++a, w += V * WIDTH) {
    vec y[4];
    UNROLL for (int v = 0; v < V; ++v) __builtin_prefetch(w + (8 * V + v) * WIDTH);
    UNROLL for (int v = 0; v < V; ++v) y[v] = load(w + v * WIDTH);
    UNROLL for (int r = 0; r < R; ++r) {
      const vec x = splat(a[r * stride]);
      UNROLL for (int v = 0; v < V; ++v) sums[r][v] += x * y[v];
    }
  }
}

/* w[k, g, lane] = weight[g size + unit + lane, k], zeros behind the last unit. */
static void pack_forward(T *w, const T *weight, int64_t size, int64_t gates, int64_t unit) {
  const int64_t n = MIN(WIDTH, size - unit), wide = gates * WIDTH;
  for (int64_t g = 0; g < gates; ++g) {
    const T *from = weight + (g * size + unit) * size;
    int64_t k = 0;
    for (; k + WIDTH <= size; k += WIDTH) {
      vec r[GEMM_LANES];
      UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < n ? load(from + i * size + k) : (vec){0};
      gemm_transpose(r);
      UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(w + (k + i) * wide + g * WIDTH, r[i]);
    }
    for (; k < size; ++k)
      for (int64_t i = 0; i < WIDTH; ++i) w[k * wide + g * WIDTH + i] = i < n ? from[i * size + k] : 0;
  }
}

/* Rows dealt out evenly to tiles of at most `most`: fn(R, ...) for R a constant. */
#define CASE(R, fn, most, ...) case R: if ((R) <= (most)) fn(R, __VA_ARGS__); break;
#define BY_ROWS(fn, most, R, ...)                                                                                   \
  switch (R) {                                                                                                      \
    CASE(1, fn, most, __VA_ARGS__) CASE(2, fn, most, __VA_ARGS__) CASE(3, fn, most, __VA_ARGS__)                    \
    CASE(4, fn, most, __VA_ARGS__) CASE(5, fn, most, __VA_ARGS__) CASE(6, fn, most, __VA_ARGS__)                    \
    CASE(7, fn, most, __VA_ARGS__) CASE(8, fn, most, __VA_ARGS__)                                                   \
  }
#define TILES(fn, most, begin, end, ...)                                                                            \
  for (int64_t row_ = (begin), left_ = ((end) - (begin) + (most)-1) / (most); left_ > 0; --left_) {                 \
    const int64_t take_ = ((end)-row_ + left_ - 1) / left_;                                                         \
    BY_ROWS(fn, most, take_, row_, __VA_ARGS__)                                                                           \
    row_ += take_;                                                                                                  \
  }

/* -- forward: one function for each kind ---------------------------------------------------------------------------- */

/* Loads and stores under a mask take several times as long: n is a constant where it is a whole vector. */
INLINE vec unit_at(const T *p, const int64_t n) { return __builtin_constant_p(n == WIDTH) && n == WIDTH ? load(p) : load_head(p, n, 0); }
INLINE void unit_to(T *p, vec v, const int64_t n) {
  if (__builtin_constant_p(n == WIDTH) && n == WIDTH) store(p, v);
  else store_head(p, v, n);
}
#define AT_UNIT(p, stride) unit_at((p) + (row + r) * (stride) + unit, n)
#define TO_UNIT(p, stride, v) unit_to((p) + (row + r) * (stride) + unit, v, n)
/* fn(..., n) with n = WIDTH known where it is. */
#define BY_WIDTH(n, fn, ...)                                       \
  if ((n) == WIDTH) fn(__VA_ARGS__, WIDTH);                        \
  else fn(__VA_ARGS__, n)

/* h and c are the state before, row by row; t the step. */
INLINE void lstm_gates(const int R, vec sums[MOST_ROWS][4], int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *h, const T *c, const int64_t n) {
  const int64_t size = x->size;
  T *const gates = x->gates + x->starts[t] * 4 * size, *const cells = x->cells + x->starts[t] * size, *const out = x->out + x->starts[t] * size;
  for (int r = 0; r < R; ++r) {
    const vec i = sigmoid(sums[r][0] + AT_UNIT(gates, 4 * size)), f = sigmoid(sums[r][1] + AT_UNIT(gates + size, 4 * size));
    const vec g = hyperbolic_tangent(sums[r][2] + AT_UNIT(gates + 2 * size, 4 * size)), o = sigmoid(sums[r][3] + AT_UNIT(gates + 3 * size, 4 * size));
    const vec cell = f * AT_UNIT(c, size) + i * g;
    TO_UNIT(cells, size, cell);
    TO_UNIT(out, size, o * hyperbolic_tangent(cell));
    if (x->keep) {
      TO_UNIT(gates, 4 * size, i), TO_UNIT(gates + size, 4 * size, f);
      TO_UNIT(gates + 2 * size, 4 * size, g), TO_UNIT(gates + 3 * size, 4 * size, o);
    }
  }
}
INLINE void lstm_tile(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *w, const T *h, const T *c) {
  vec sums[MOST_ROWS][4] = {{{0}}};
  multiply(R, 4, x->size, h + row * x->size, x->size, w, sums);
  BY_WIDTH(MIN(WIDTH, x->size - unit), lstm_gates, R, sums, row, x, t, unit, h, c);
}

INLINE void gru_gates(const int R, vec sums[MOST_ROWS][4], int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *h, const T *c, const int64_t n) {
  const int64_t size = x->size;
  (void)c;
  T *const gates = x->gates + x->starts[t] * 3 * size, *const inner = x->inner + x->starts[t] * size, *const out = x->out + x->starts[t] * size;
  const vec bias = x->bias ? load_head(x->bias + unit, n, 0) : (vec){0};
  for (int r = 0; r < R; ++r) {
    const vec reset = sigmoid(sums[r][0] + AT_UNIT(gates, 3 * size)), update = sigmoid(sums[r][1] + AT_UNIT(gates + size, 3 * size));
    const vec within = sums[r][2] + bias, fresh = hyperbolic_tangent(AT_UNIT(gates + 2 * size, 3 * size) + reset * within);
    TO_UNIT(out, size, update * (AT_UNIT(h, size) - fresh) + fresh);
    if (x->keep) {
      TO_UNIT(gates, 3 * size, reset), TO_UNIT(gates + size, 3 * size, update), TO_UNIT(gates + 2 * size, 3 * size, fresh);
      TO_UNIT(inner, size, within);
    }
  }
}
INLINE void gru_tile(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *w, const T *h, const T *c) {
  vec sums[MOST_ROWS][4] = {{{0}}};
  multiply(R, 3, x->size, h + row * x->size, x->size, w, sums);
  BY_WIDTH(MIN(WIDTH, x->size - unit), gru_gates, R, sums, row, x, t, unit, h, c);
}

INLINE void plain_gates(const int R, vec sums[MOST_ROWS][4], int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *h, const T *c, const int64_t n) {
  const int64_t size = x->size;
  (void)h, (void)c;
  T *const gates = x->gates + x->starts[t] * size, *const out = x->out + x->starts[t] * size;
  for (int r = 0; r < R; ++r) {
    const vec s = sums[r][0] + AT_UNIT(gates, size);
    TO_UNIT(out, size, x->kind == 2 ? hyperbolic_tangent(s) : larger(splat(0), s));
  }
}
INLINE void plain_tile(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *w, const T *h, const T *c) {
  vec sums[MOST_ROWS][4] = {{{0}}};
  multiply(R, 1, x->size, h + row * x->size, x->size, w, sums);
  BY_WIDTH(MIN(WIDTH, x->size - unit), plain_gates, R, sums, row, x, t, unit, h, c);
}

/* The rows [begin, end) of step t for one vector of units. */
static void lstm_rows(const struct layer *x, int64_t t, int64_t unit, const T *w, const T *h, const T *c, int64_t begin, int64_t end) {
  TILES(lstm_tile, BUDGET / 4, begin, end, x, t, unit, w, h, c)
}
static void gru_rows(const struct layer *x, int64_t t, int64_t unit, const T *w, const T *h, const T *c, int64_t begin, int64_t end) {
  TILES(gru_tile, MIN(BUDGET / 3, MOST_ROWS), begin, end, x, t, unit, w, h, c)
}
static void plain_rows(const struct layer *x, int64_t t, int64_t unit, const T *w, const T *h, const T *c, int64_t begin, int64_t end) {
  TILES(plain_tile, MOST_ROWS, begin, end, x, t, unit, w, h, c)
}
typedef void (*rows_of)(const struct layer *, int64_t, int64_t, const T *, const T *, const T *, int64_t, int64_t);
static const rows_of forward_rows[] = {lstm_rows, gru_rows, plain_rows, plain_rows};
static const int64_t gates_of[] = {4, 3, 1, 1};

static void forward_member(void *context, struct team *team, int rank) {
  const struct layer *x = context;
  const int64_t size = x->size, count = (size + WIDTH - 1) / WIDTH, gates = gates_of[x->kind], panel = size * gates * WIDTH;
  const int64_t from = team_from(team, count, rank), to = team_from(team, count, rank + 1);
  T *const w = SCRATCH(0, (size_t)(MAX(1, to - from) * panel) * sizeof(T));
  for (int64_t u = from; u < to; ++u) pack_forward(w + (u - from) * panel, x->weight, size, gates, u * WIDTH);
  const rows_of rows = forward_rows[x->kind];
  for (int64_t i = 0; i < x->steps; ++i) {
    const int64_t t = step_of(x, i), before = before_of(x, t), shared = shared_rows(x, t, before), start = before < 0 ? 0 : x->starts[before] * size;
    for (int64_t u = from; u < to; ++u) {
      const T *const own = w + (u - from) * panel;
      rows(x, t, u * WIDTH, own, x->out + start, x->cells + start, 0, shared);
      rows(x, t, u * WIDTH, own, x->first, x->first_cell, shared, x->sizes[t]);
    }
    team_meet(team);
  }
}

/* -- backward ------------------------------------------------------------------------------------------------------- */

/* What comes to the state of these rows and units at step t, from the output and, where `next` is one, from the step after. */
INLINE void lstm_back(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const vec sums[MOST_ROWS], int last, const T *c, const int64_t n) {
  const int64_t size = x->size, start = x->starts[t];
  const T *const act = x->gates + start * 4 * size;
  T *const made = x->d_gates + start * 4 * size;
  for (int r = 0; r < R; ++r) {
    const vec i = AT_UNIT(act, 4 * size), f = AT_UNIT(act + size, 4 * size), g = AT_UNIT(act + 2 * size, 4 * size), o = AT_UNIT(act + 3 * size, 4 * size);
    const vec tangent = hyperbolic_tangent(AT_UNIT(x->cells + start * size, size)), one = splat(1);
    vec dh = sums[r] + AT_UNIT(x->g_out + start * size, size);
    if (last) dh += AT_UNIT(x->g_last, size);
    const vec dc = AT_UNIT(x->carried, size) + dh * o * (one - tangent * tangent);
    TO_UNIT(made, 4 * size, dc * g * (i * (one - i)));
    TO_UNIT(made + size, 4 * size, dc * AT_UNIT(c, size) * (f * (one - f)));
    TO_UNIT(made + 2 * size, 4 * size, dc * i * (one - g * g));
    TO_UNIT(made + 3 * size, 4 * size, dh * tangent * (o * (one - o)));
    TO_UNIT(x->carried, size, dc * f);
  }
}

INLINE void gru_back(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const vec sums[MOST_ROWS], int last, const T *h, const int64_t n) {
  const int64_t size = x->size, start = x->starts[t];
  const T *const act = x->gates + start * 3 * size;
  T *const made = x->d_gates + start * 3 * size, *const other = x->d_inner + start * 3 * size;
  (void)last;
  for (int r = 0; r < R; ++r) {
    const vec reset = AT_UNIT(act, 3 * size), update = AT_UNIT(act + size, 3 * size), fresh = AT_UNIT(act + 2 * size, 3 * size), one = splat(1);
    const vec dh = sums[r] + AT_UNIT(x->g_out + start * size, size) + AT_UNIT(x->carried, size);
    const vec d_fresh = dh * (one - update) * (one - fresh * fresh), d_update = dh * (AT_UNIT(h, size) - fresh) * (update * (one - update));
    const vec d_reset = d_fresh * AT_UNIT(x->inner + start * size, size) * (reset * (one - reset));
    TO_UNIT(made, 3 * size, d_reset), TO_UNIT(made + size, 3 * size, d_update), TO_UNIT(made + 2 * size, 3 * size, d_fresh);
    TO_UNIT(other, 3 * size, d_reset), TO_UNIT(other + size, 3 * size, d_update), TO_UNIT(other + 2 * size, 3 * size, d_fresh * reset);
    TO_UNIT(x->carried, size, dh * update);
  }
}

INLINE void plain_back(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const vec sums[MOST_ROWS], int last, const T *c, const int64_t n) {
  const int64_t size = x->size, start = x->starts[t];
  (void)c;
  for (int r = 0; r < R; ++r) {
    const vec h = AT_UNIT(x->out + start * size, size);
    vec dh = sums[r] + AT_UNIT(x->g_out + start * size, size);
    if (last) dh += AT_UNIT(x->g_last, size);
    const vec slope = x->kind == 2 ? splat(1) - h * h : (vec)((ivec)(h > splat(0)) & (ivec)splat(1));
    TO_UNIT(x->d_gates + start * size, size, dh * slope);
  }
}

/* Two vectors of units: dh from the step after, then the gates' gradients. `from` has rows of k gradients, or is NULL. */
INLINE void back_tile(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *w, const T *from, int64_t k, const T *state) {
  vec sums[MOST_ROWS][4] = {{{0}}}, half[MOST_ROWS];
  if (from) multiply(R, 2, k, from + row * k, k, w, sums);
  for (int v = 0; v < 2; ++v) {
    const int64_t at = unit + v * WIDTH, n = MIN(WIDTH, x->size - at);
    if (n <= 0) break;
    for (int r = 0; r < R; ++r) half[r] = sums[r][v];
    if (x->kind == 0) { BY_WIDTH(n, lstm_back, R, row, x, t, at, half, !from, state); }
    else if (x->kind == 1) { BY_WIDTH(n, gru_back, R, row, x, t, at, half, !from, state); }
    else { BY_WIDTH(n, plain_back, R, row, x, t, at, half, !from, state); }
  }
}
static void back_rows(const struct layer *x, int64_t t, int64_t unit, const T *w, const T *from, int64_t k, const T *state, int64_t begin, int64_t end) {
  TILES(back_tile, MOST_ROWS, begin, end, x, t, unit, w, from, k, state)
}
/* `begin` to `end`, which the step after has or has not, cut where the state before changes its place. */
static void back_part(const struct layer *x, int64_t t, int64_t unit, const T *w, const T *from, int64_t k, int64_t begin, int64_t end) {
  const int64_t before = before_of(x, t), shared = shared_rows(x, t, before), start = before < 0 ? 0 : x->starts[before] * x->size;
  const T *const kept = x->kind ? x->out : x->cells, *const first = x->kind ? x->first : x->first_cell;
  back_rows(x, t, unit, w, from, k, kept + start, begin, MIN(end, shared));
  back_rows(x, t, unit, w, from, k, first, MAX(begin, shared), end);
}

static void backward_member(void *context, struct team *team, int rank) {
  const struct layer *x = context;
  const int64_t size = x->size, two = 2 * WIDTH, count = (size + two - 1) / two, k = gates_of[x->kind] * size;
  const int64_t from = team_from(team, count, rank), to = team_from(team, count, rank + 1);
  T *const w = SCRATCH(0, (size_t)(MAX(1, to - from) * two * k) * sizeof(T));
  for (int64_t u = from; u < to; ++u)
    for (int64_t p = 0; p < k; ++p)
      for (int64_t v = 0; v < 2; ++v) {
        const int64_t at = u * two + v * WIDTH, n = MAX(0, MIN(WIDTH, size - at));
        store(w + ((u - from) * k + p) * two + v * WIDTH, n ? load_head(x->weight + p * size + at, n, 0) : (vec){0});
      }
  const T *const source = x->d_inner ? x->d_inner : x->d_gates;
  for (int64_t i = x->steps - 1; i >= 0; --i) {
    const int64_t t = step_of(x, i), after = after_of(x, t), shared = shared_rows(x, t, after);
    for (int64_t u = from; u < to; ++u) {
      const T *const own = w + (u - from) * k * two;
      if (shared) back_part(x, t, u * two, own, source + x->starts[after] * k, k, 0, shared);
      back_part(x, t, u * two, own, 0, k, shared, x->sizes[t]);
    }
    team_meet(team);
  }
}

/* -- what Python calls ---------------------------------------------------------------------------------------------- */

/* Multiply-adds of a step from which threads are worth their meeting, some 0.5 us. */
#define SHARED_STEP 32768
INLINE int64_t members(const struct layer *x, int64_t gates, int64_t units) {
  const int64_t parts = (x->size + units - 1) / units;
  return x->rows * gates * x->size * x->size < SHARED_STEP ? 1 : parts;
}

/* kind: 0 LSTM, 1 GRU, 2 tanh, 3 relu. `gates` comes as the product with the input, with all biases but the GRU's inner one. */
EXPORT void forward(int64_t kind, int64_t steps, int64_t rows, int64_t size, int64_t reverse, int64_t keep, const int64_t *sizes, const int64_t *starts, const T *weight, const T *bias, const T *first, const T *first_cell, T *gates, T *out, T *cells, T *inner) {
  struct layer x = {.kind = kind, .steps = steps, .rows = rows, .size = size, .reverse = reverse, .keep = keep, .sizes = sizes, .starts = starts, .weight = weight, .bias = bias, .first = first, .first_cell = first_cell, .gates = gates, .out = out, .cells = cells, .inner = inner};
  team_run(forward_member, &x, members(&x, gates_of[kind], WIDTH));
}

/* `carried` comes as the last cell's gradient (GRU: the last state's) and leaves as the first one's direct part. */
EXPORT void backward(int64_t kind, int64_t steps, int64_t rows, int64_t size, int64_t reverse, const int64_t *sizes, const int64_t *starts, const T *weight, const T *first, const T *first_cell, const T *gates, const T *out, const T *cells, const T *inner, const T *g_out, const T *g_last, T *d_gates, T *d_inner, T *carried) {
  struct layer x = {.kind = kind, .steps = steps, .rows = rows, .size = size, .reverse = reverse, .sizes = sizes, .starts = starts, .weight = weight, .first = first, .first_cell = first_cell, .gates = (T *)gates, .out = (T *)out, .cells = (T *)cells, .inner = (T *)inner, .g_out = g_out, .g_last = g_last, .d_gates = d_gates, .d_inner = d_inner, .carried = carried};
  team_run(backward_member, &x, members(&x, gates_of[kind], 2 * WIDTH));
}

/* The state before each step, of `all` rows: what the recurrent weights were multiplied with. */
EXPORT void states_before(int64_t steps, int64_t size, int64_t reverse, const int64_t *sizes, const int64_t *starts, const T *first, const T *out, T *to) {
  struct layer x = {.steps = steps, .reverse = reverse, .sizes = sizes, .starts = starts};
  for (int64_t t = 0; t < steps; ++t) {
    const int64_t before = before_of(&x, t), shared = shared_rows(&x, t, before);
    if (shared) memcpy(to + starts[t] * size, out + starts[before] * size, (size_t)(shared * size) * sizeof(T));
    memcpy(to + (starts[t] + shared) * size, first + shared * size, (size_t)((sizes[t] - shared) * size) * sizeof(T));
  }
}

/* The rows of the last step of each sequence. */
EXPORT void last_states(int64_t steps, int64_t size, int64_t reverse, const int64_t *sizes, const int64_t *starts, const T *out, T *to) {
  struct layer x = {.steps = steps, .reverse = reverse, .sizes = sizes, .starts = starts};
  for (int64_t t = 0; t < steps; ++t) {
    const int64_t shared = shared_rows(&x, t, after_of(&x, t));
    memcpy(to + shared * size, out + (starts[t] + shared) * size, (size_t)((sizes[t] - shared) * size) * sizeof(T));
  }
}

/* What the first states get through the recurrent weights, added to `to`: rows of first steps. */
EXPORT void to_first(int64_t steps, int64_t size, int64_t wide, int64_t reverse, const int64_t *sizes, const int64_t *starts, const T *d, const T *weight, T *to) {
  struct layer x = {.steps = steps, .reverse = reverse, .sizes = sizes, .starts = starts};
  for (int64_t t = 0; t < steps; ++t) {
    const int64_t shared = shared_rows(&x, t, before_of(&x, t));
    if (shared == sizes[t]) continue;
    struct gemm g = {.m = sizes[t] - shared, .n = size, .k = wide, .a = d + (starts[t] + shared) * wide, .ars = wide, .acs = 1, .b = weight, .brs = size, .bcs = 1, .c = to + shared * size, .crs = size, .ccs = 1, .alpha = 1, .beta = 1, .items = 1};
    gemm_parallel(&g);
  }
}

/* c (m, n) = a (m, k) b (k, n), each with its strides, and `bias` on each column. */
EXPORT void product(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs, const T *b, int64_t brs, int64_t bcs, const T *bias, T *c) {
  struct gemm g = {.m = m, .n = n, .k = k, .a = a, .ars = ars, .acs = acs, .b = b, .brs = brs, .bcs = bcs, .c = c, .crs = n, .ccs = 1, .alpha = 1, .beta = 0, .items = 1, .bias = bias, .epilogue = bias ? gemm_add_columns : 0};
  gemm_parallel(&g);
}

struct sums { const T *a; T *to; int64_t rows, columns; };
static void sums_task(void *context, int64_t begin, int64_t end) {
  const struct sums *x = context;
  for (int64_t b = begin; b < end; ++b) {
    const int64_t at = b * 4 * WIDTH;
    vec sum[4] = {{0}};
    if (at + 4 * WIDTH <= x->columns) {
      for (int64_t r = 0; r < x->rows; ++r) UNROLL for (int v = 0; v < 4; ++v) sum[v] += load(x->a + r * x->columns + at + v * WIDTH);
      UNROLL for (int v = 0; v < 4; ++v) store(x->to + at + v * WIDTH, sum[v]);
    } else
      for (int64_t c = at; c < x->columns; ++c) {
        T s = 0;
        for (int64_t r = 0; r < x->rows; ++r) s += x->a[r * x->columns + c];
        x->to[c] = s;
      }
  }
}
EXPORT void column_sums(int64_t rows, int64_t columns, const T *a, T *to) {
  struct sums x = {a, to, rows, columns};
  const int64_t blocks = (columns + 4 * WIDTH - 1) / (4 * WIDTH);
  PARALLEL(sums_task, &x, blocks, MAX(1, MAX((blocks + 15) / 16, 16384 / MAX(1, rows * 4 * WIDTH))));
}
