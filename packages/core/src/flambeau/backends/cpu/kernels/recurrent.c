/* types: float double */
/* Recurrent layers in one direction: all steps of a batch, forward and backward, with the products of input and weights.
 *
 * Rows are the sequences that have a step: sizes[t] of them at step t, from row starts[t] on in arrays over all steps. The
 * steps run from 0 on, or backwards. A thread keeps some units of the state through all steps, with the weights that lead to them
 * in its cache; each step ends when all have come. A tile of some rows by one or two vectors of units has all its gates
 * in registers when its sum is complete, and the gates' functions are taken there. The other products, of the input before the
 * steps and of the gradients after them, are made for some steps at a time, whose rows then come from the second cache.
 */
#include "fb.h"
#include "fb_gemm.h"
#include "fb_vec.h"
#include "fb_team.h"
#include "fb_recurrent.h"
#include "fb_recurrent_give.h"

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
  const int64_t size = x->size, pitch = x->pitch;
  (void)h;
  T *const gates = x->gates + x->starts[t] * pitch, *const cells = x->cells + x->starts[t] * size, *const out = x->out + x->starts[t] * size;
  for (int r = 0; r < R; ++r) {
    const vec i = sigmoid(sums[r][0] + AT_UNIT(gates, pitch)), f = sigmoid(sums[r][1] + AT_UNIT(gates + size, pitch));
    const vec g = hyperbolic_tangent(sums[r][2] + AT_UNIT(gates + 2 * size, pitch)), o = sigmoid(sums[r][3] + AT_UNIT(gates + 3 * size, pitch));
    const vec cell = f * AT_UNIT(c, size) + i * g;
    TO_UNIT(cells, size, cell);
    TO_UNIT(out, size, o * hyperbolic_tangent(cell));
    if (x->keep) {
      TO_UNIT(gates, pitch, i), TO_UNIT(gates + size, pitch, f);
      TO_UNIT(gates + 2 * size, pitch, g), TO_UNIT(gates + 3 * size, pitch, o);
    }
  }
}
INLINE void lstm_tile(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *w, const T *h, const T *c) {
  vec sums[MOST_ROWS][4];
  const int64_t at = x->starts[t] + row, size = x->size, pitch = x->pitch;
  call_in(R, 4, x->gates + at * pitch + unit, pitch, size);
  call_in(R, 1, x->cells + at * size + unit, size, 0);
  call_in(R, 1, x->out + at * size + unit, size, 0);
  multiply(R, 4, 1, x->size, h + row * x->size, x->size, w, sums);
  BY_WIDTH(MIN(WIDTH, x->size - unit), lstm_gates, R, sums, row, x, t, unit, h, c);
}

INLINE void gru_gates(const int R, vec sums[MOST_ROWS][4], int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *h, const T *c, const int64_t n) {
  const int64_t size = x->size, pitch = x->pitch;
  (void)c;
  T *const gates = x->gates + x->starts[t] * pitch, *const inner = x->inner + x->starts[t] * size, *const out = x->out + x->starts[t] * size;
  const vec bias = x->bias ? load_head(x->bias + unit, n, 0) : (vec){0};
  for (int r = 0; r < R; ++r) {
    const vec reset = sigmoid(sums[r][0] + AT_UNIT(gates, pitch)), update = sigmoid(sums[r][1] + AT_UNIT(gates + size, pitch));
    const vec within = sums[r][2] + bias, fresh = hyperbolic_tangent(AT_UNIT(gates + 2 * size, pitch) + reset * within);
    TO_UNIT(out, size, update * (AT_UNIT(h, size) - fresh) + fresh);
    if (x->keep) {
      TO_UNIT(gates, pitch, reset), TO_UNIT(gates + size, pitch, update), TO_UNIT(gates + 2 * size, pitch, fresh);
      TO_UNIT(inner, size, within);
    }
  }
}
INLINE void gru_tile(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *w, const T *h, const T *c) {
  vec sums[MOST_ROWS][4];
  multiply(R, 3, 1, x->size, h + row * x->size, x->size, w, sums);
  BY_WIDTH(MIN(WIDTH, x->size - unit), gru_gates, R, sums, row, x, t, unit, h, c);
}

INLINE void plain_gates(const int R, vec sums[MOST_ROWS][4], int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *h, const T *c, const int64_t n) {
  const int64_t size = x->size, pitch = x->pitch;
  (void)h, (void)c;
  T *const gates = x->gates + x->starts[t] * pitch, *const out = x->out + x->starts[t] * size;
  for (int r = 0; r < R; ++r) {
    const vec s = sums[r][0] + AT_UNIT(gates, pitch);
    TO_UNIT(out, size, x->kind == 2 ? hyperbolic_tangent(s) : larger(splat(0), s));
  }
}
INLINE void plain_tile(const int R, int64_t row, const struct layer *x, int64_t t, int64_t unit, const T *w, const T *h, const T *c) {
  vec sums[MOST_ROWS][4];
  multiply(R, 1, 1, x->size, h + row * x->size, x->size, w, sums);
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
static const rows_of step_rows[] = {lstm_rows, gru_rows, plain_rows, plain_rows};

static void forward_member(void *context, struct team *team, int rank) {
  struct layer own_layer = *(const struct layer *)context, *const x = &own_layer;
  T *const room = x->gates;
  const int64_t size = x->size, count = (size + WIDTH - 1) / WIDTH, gates = gates_of[x->kind], panel = size * gates * WIDTH;
  const int64_t from = team_from(team, count, rank), to = team_from(team, count, rank + 1), own = MAX(1, to - from);
  const int64_t pairs = GEMM_PANELS((to - from) * gates, 2), panel_in = x->input ? x->features * 2 * WIDTH : 0;
  T *const w = SCRATCH(0, (size_t)(own * panel) * sizeof(T)), *const w_in = SCRATCH(1, (size_t)(MAX(1, pairs) * panel_in) * sizeof(T));
  for (int64_t u = from; u < to; ++u) pack_forward(w + (u - from) * panel, x->weight, size, size, gates, u * WIDTH);
  if (x->input)
    for (int64_t j = 0; j < pairs; ++j) {
      const struct feed f = feed_of(x, j, from * WIDTH, MIN(size, to * WIDTH));
      for (int v = 0; v < 2; ++v) pack_vector(w_in + j * panel_in + v * WIDTH, 2 * WIDTH, x->weight_in + f.at[v] * x->features, f.count[v], x->features);
    }
  const rows_of rows = step_rows[x->kind];
  struct chunk chunk = {0};
  for (int64_t i = 0; i < x->steps; ++i) {
    if (x->input && i == chunk.to) {
      chunk = chunk_of(x, i, 0);
      if (!x->whole) x->gates = room - chunk.lo * x->pitch;
      for (int64_t j = 0; j < pairs; ++j) feed_rows(x, feed_of(x, j, from * WIDTH, MIN(size, to * WIDTH)), w_in + j * panel_in, chunk.lo, chunk.hi);
    }
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

/* The output's gradient, if it has one. */
#define FROM_OUT (x->g_out ? AT_UNIT(x->g_out + start * size, size) : (vec){0})

/* Where the gates' gradients of row 0 of all steps would lie. */
struct place { T *gates, *inner; };

/* What comes to the state of these rows and units at step t, from the output and, where `next` is one, from the step after. */
INLINE void lstm_back(const int R, int64_t row, const struct layer *x, const struct place *p, int64_t t, int64_t unit, const vec sums[MOST_ROWS], int last, const T *c, const int64_t n) {
  const int64_t size = x->size, pitch = x->pitch, start = x->starts[t];
  const T *const act = x->gates + start * pitch;
  T *const made = p->gates + start * pitch;
  for (int r = 0; r < R; ++r) {
    const vec i = AT_UNIT(act, pitch), f = AT_UNIT(act + size, pitch), g = AT_UNIT(act + 2 * size, pitch), o = AT_UNIT(act + 3 * size, pitch);
    const vec tangent = hyperbolic_tangent(AT_UNIT(x->cells + start * size, size)), one = splat(1);
    vec dh = sums[r] + FROM_OUT;
    if (last && x->g_last) dh += AT_UNIT(x->g_last, size);
    const vec dc = AT_UNIT(x->carried, size) + dh * o * (one - tangent * tangent);
    TO_UNIT(made, pitch, dc * g * (i * (one - i)));
    TO_UNIT(made + size, pitch, dc * AT_UNIT(c, size) * (f * (one - f)));
    TO_UNIT(made + 2 * size, pitch, dc * i * (one - g * g));
    TO_UNIT(made + 3 * size, pitch, dh * tangent * (o * (one - o)));
    TO_UNIT(x->carried, size, dc * f);
  }
}

INLINE void gru_back(const int R, int64_t row, const struct layer *x, const struct place *p, int64_t t, int64_t unit, const vec sums[MOST_ROWS], int last, const T *h, const int64_t n) {
  const int64_t size = x->size, pitch = x->pitch, start = x->starts[t];
  const T *const act = x->gates + start * pitch;
  T *const made = p->gates + start * pitch, *const other = p->inner + start * pitch;
  (void)last;
  for (int r = 0; r < R; ++r) {
    const vec reset = AT_UNIT(act, pitch), update = AT_UNIT(act + size, pitch), fresh = AT_UNIT(act + 2 * size, pitch), one = splat(1);
    const vec dh = sums[r] + FROM_OUT + AT_UNIT(x->carried, size);
    const vec d_fresh = dh * (one - update) * (one - fresh * fresh), d_update = dh * (AT_UNIT(h, size) - fresh) * (update * (one - update));
    const vec d_reset = d_fresh * AT_UNIT(x->inner + start * size, size) * (reset * (one - reset));
    TO_UNIT(made, pitch, d_reset), TO_UNIT(made + size, pitch, d_update), TO_UNIT(made + 2 * size, pitch, d_fresh);
    TO_UNIT(other, pitch, d_reset), TO_UNIT(other + size, pitch, d_update), TO_UNIT(other + 2 * size, pitch, d_fresh * reset);
    TO_UNIT(x->carried, size, dh * update);
  }
}

INLINE void plain_back(const int R, int64_t row, const struct layer *x, const struct place *p, int64_t t, int64_t unit, const vec sums[MOST_ROWS], int last, const T *c, const int64_t n) {
  const int64_t size = x->size, pitch = x->pitch, start = x->starts[t];
  (void)c;
  for (int r = 0; r < R; ++r) {
    const vec h = AT_UNIT(x->out + start * size, size);
    vec dh = sums[r] + FROM_OUT;
    if (last && x->g_last) dh += AT_UNIT(x->g_last, size);
    const vec slope = x->kind == 2 ? splat(1) - h * h : (vec)((ivec)(h > splat(0)) & (ivec)splat(1));
    TO_UNIT(p->gates + start * pitch, pitch, dh * slope);
  }
}

/* Calls in what the gates of two vectors of units read in a row. They are called row by row while the sums run: all at once would fill
 * the queue of the first cache, and what the sums read would wait behind lines from memory. */
INLINE void call_row(const struct layer *x, int64_t at, int64_t row, int64_t unit, const T *state) {
  const int64_t size = x->size;
  UNROLL for (int v = 0; v < 2; ++v) {
    const int64_t u = unit + v * WIDTH;
    if (x->kind == 0) {
      UNROLL for (int g = 0; g < 4; ++g) __builtin_prefetch(x->gates + at * x->pitch + g * size + u);
      __builtin_prefetch(x->cells + at * size + u), __builtin_prefetch(state + row * size + u);
    }
    if (x->g_out) __builtin_prefetch(x->g_out + at * size + u);
  }
}

/* Two vectors of units: dh from the step after, then the gates' gradients. `from` has rows of k gradients, or is NULL. */
INLINE void back_tile(const int R, int64_t row, const struct layer *x, const struct place *p, int64_t t, int64_t unit, const T *w, const T *from, int64_t k, const T *state) {
  vec sums[MOST_ROWS][4], half[MOST_ROWS];
  const int64_t at = x->starts[t] + row, size = x->size, pitch = x->pitch;
  UNROLL for (int r = 0; r < R; ++r) UNROLL for (int v = 0; v < 2; ++v) sums[r][v] = (vec){0};
  if (from && R > 1) {
    const T *const rows = from + row * pitch;
    for (int64_t r = 0; r < R; ++r) {
      const int64_t begin = k * r / R;
      call_row(x, at + r, row + r, unit, state);
      multiply_more(R, 2, k * (r + 1) / R - begin, rows + begin, pitch, w + begin * 2 * WIDTH, rows + R * pitch + begin * R, sums);
    }
  } else {
    for (int64_t r = 0; r < R; ++r) call_row(x, at + r, row + r, unit, state);
    if (from) multiply(R, 2, 1, k, from + row * pitch, pitch, w, sums);
  }
  for (int v = 0; v < 2; ++v) {
    const int64_t u = unit + v * WIDTH, n = MIN(WIDTH, size - u);
    if (n <= 0) break;
    for (int r = 0; r < R; ++r) half[r] = sums[r][v];
    if (x->kind == 0) { BY_WIDTH(n, lstm_back, R, row, x, p, t, u, half, !from, state); }
    else if (x->kind == 1) { BY_WIDTH(n, gru_back, R, row, x, p, t, u, half, !from, state); }
    else { BY_WIDTH(n, plain_back, R, row, x, p, t, u, half, !from, state); }
  }
}
static void back_rows(const struct layer *x, const struct place *p, int64_t t, int64_t unit, const T *w, const T *from, int64_t k, const T *state, int64_t begin, int64_t end) {
  TILES(back_tile, MOST_ROWS, begin, end, x, p, t, unit, w, from, k, state)
}
/* `begin` to `end`, which the step after has or has not, cut where the state before changes its place. */
static void back_part(const struct layer *x, const struct place *p, int64_t t, int64_t unit, const T *w, const T *from, int64_t k, int64_t begin, int64_t end) {
  const int64_t before = before_of(x, t), shared = shared_rows(x, t, before), start = before < 0 ? 0 : x->starts[before] * x->size;
  const T *const kept = x->kind ? x->out : x->cells, *const first = x->kind ? x->first : x->first_cell;
  back_rows(x, p, t, unit, w, from, k, kept + start, begin, MIN(end, shared));
  back_rows(x, p, t, unit, w, from, k, first, MAX(begin, shared), end);
}

/* -- all steps ----------------------------------------------------------------------------------------------------- */

static void backward_member(void *context, struct team *team, int rank) {
  const struct layer *x = context;
  const int64_t size = x->size, two = 2 * WIDTH, count = (size + two - 1) / two, k = gates_of[x->kind] * size;
  const int64_t from = team_from(team, count, rank), to = team_from(team, count, rank + 1);
  T *const w = SCRATCH(0, (size_t)(MAX(1, to - from) * two * k) * sizeof(T));
  for (int64_t u = from; u < to; ++u) pack_pair(w + (u - from) * k * two, x->weight, k, size, u * two);
  if (x->packed_in) {
    const int64_t pairs = GEMM_PANELS(x->features, two);
    for (int64_t u = team_from(team, pairs, rank); u < team_from(team, pairs, rank + 1); ++u) pack_pair(x->packed_in + u * k * two, x->weight_in, k, x->features, u * two);
  }
  struct chunk c = {.from = x->steps};
  struct place here = {x->d_gates, x->d_inner}, there = here; /* of this chunk, of the one before */
  for (int64_t i = x->steps - 1, number = 0; i >= 0; --number) {
    c = chunk_of(x, i, 1);
    if (!x->whole) { /* chunks take turns */
      const int64_t shift = ((number & 1 ? x->most : 0) - c.lo) * x->pitch;
      there = here;
      here.gates = x->d_gates + shift, here.inner = x->d_inner ? x->d_inner + shift : 0;
    }
    for (; i >= c.from; --i) {
      const int64_t t = step_of(x, i), after = after_of(x, t), shared = shared_rows(x, t, after);
      const struct place *const p = i + 1 < c.to ? &here : &there;
      const T *const source = (p->inner ? p->inner : p->gates) + (after < 0 ? 0 : x->starts[after] * x->pitch);
      for (int64_t u = from; u < to; ++u) {
        const T *const own = w + (u - from) * k * two;
        if (shared) back_part(x, &here, t, u * two, own, source, k, 0, shared);
        back_part(x, &here, t, u * two, own, 0, k, shared, x->sizes[t]);
      }
      team_meet(team);
    }
    if (x->packed_in) give(x, c, team, rank, here.gates, here.inner ? here.inner : here.gates, number != 0);
  }
}

/* -- what Python calls ---------------------------------------------------------------------------------------------- */

/* Multiply-adds of a step from which threads are worth their meeting, some 0.5 us. */
#define SHARED_STEP 32768
INLINE int64_t members(const struct layer *x, int64_t gates, int64_t units) {
  const int64_t parts = (x->size + units - 1) / units;
  return x->rows * gates * x->size * x->size < SHARED_STEP ? 1 : parts;
}

/* Rows of all steps. */
INLINE int64_t all_rows(const struct layer *x) { return x->starts[x->steps - 1] + x->sizes[x->steps - 1]; }
INLINE void whole_product(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs, const T *b, int64_t brs, int64_t bcs, const T *bias, T *c, int64_t crs) {
  const struct gemm g = {.m = m, .n = n, .k = k, .a = a, .ars = ars, .acs = acs, .b = b, .brs = brs, .bcs = bcs, .c = c, .crs = crs, .ccs = 1, .alpha = 1, .beta = 0, .items = 1, .bias = bias, .epilogue = bias ? gemm_add_columns : 0};
  gemm_parallel(&g);
}
/* Whether a team may take the steps. */
EXPORT int64_t shared(int64_t kind, int64_t steps, int64_t rows, int64_t size) {
  const struct layer x = {.kind = kind, .steps = steps, .rows = rows, .size = size};
  return members(&x, gates_of[kind], WIDTH) > 1;
}
/* Wakes the pool's threads for the call that follows: waking takes 15 to 60 us, in which Python prepares that call. */
static void nothing(void *context, int64_t begin, int64_t end) { (void)context, (void)begin, (void)end; }
EXPORT void rouse(void) { PARALLEL(nothing, 0, fb->threads(), 1); }

/* Whether products that are not of the state are made chunk by chunk, between the steps. No matter how many threads. */
#define LEAST_ROWS 64
INLINE int between(const struct layer *x, int64_t units) { return members(x, gates_of[x->kind], units) > 1 && all_rows(x) >= LEAST_ROWS; }

/* Whether the gates of a chunk take the place of those of the one before: nobody wants them later. */
INLINE int passing(const struct layer *x, int64_t keep) { return !keep && x->kind < 2 && between(x, WIDTH); }
/* Elements that forward's `gates` must have. */
EXPORT int64_t forward_room(int64_t kind, int64_t steps, int64_t rows, int64_t size, int64_t keep, const int64_t *sizes, const int64_t *starts) {
  const struct layer x = {.kind = kind, .steps = steps, .rows = rows, .size = size, .sizes = sizes, .starts = starts};
  return (passing(&x, keep) ? MIN(all_rows(&x), MAX(CHUNK, rows)) : all_rows(&x)) * pitch_of(kind, size);
}

/* What is added to the product with the input: both biases, but not the one inside the GRU's reset. NULL for none. */
static const T *joined_bias(int64_t kind, int64_t size, const T *bias_in, const T *bias) {
  if (!bias || (kind != 1 && !bias_in)) return bias ? bias : bias_in;
  const int64_t wide = gates_of[kind] * size, shared = kind == 1 ? 2 * size : wide;
  T *const made = SCRATCH(2, (size_t)wide * sizeof(T));
  for (int64_t i = 0; i < wide; ++i) made[i] = (bias_in ? bias_in[i] : 0) + (i < shared ? bias[i] : 0);
  return made;
}

/* The first state where none is given. */
static const T *or_zeros(const T *first, int64_t count) {
  return first ? first : memset(SCRATCH(3, (size_t)count * sizeof(T)), 0, (size_t)count * sizeof(T));
}
/* The rows of the last step of each sequence. */
static void last_states(const struct layer *x, const T *out, T *to) {
  for (int64_t t = 0; t < x->steps; ++t) {
    const int64_t shared = shared_rows(x, t, after_of(x, t)), size = x->size;
    memcpy(to + shared * size, out + (x->starts[t] + shared) * size, (size_t)((x->sizes[t] - shared) * size) * sizeof(T));
  }
}

/* kind: 0 LSTM, 1 GRU, 2 tanh, 3 relu. Biases may be NULL, and first states, which are zeros then; `gates` is written. */
EXPORT void forward(int64_t kind, int64_t steps, int64_t rows, int64_t size, int64_t features, int64_t reverse, int64_t keep, const int64_t *sizes, const int64_t *starts, const T *input, const T *weight_in, const T *weight, const T *bias_in, const T *bias, const T *first, const T *first_cell, T *gates, T *out, T *cells, T *inner, T *last, T *last_cell) {
  const T *const fed_bias = joined_bias(kind, size, bias_in, bias);
  struct layer x = {.kind = kind, .steps = steps, .rows = rows, .size = size, .features = features, .pitch = pitch_of(kind, size), .reverse = reverse, .keep = keep, .sizes = sizes, .starts = starts, .input = input, .weight_in = weight_in, .fed_bias = fed_bias, .weight = weight, .bias = kind == 1 && bias ? bias + 2 * size : 0, .first = or_zeros(first, rows * size), .first_cell = kind ? 0 : or_zeros(first_cell, rows * size), .gates = gates, .out = out, .cells = cells, .inner = inner};
  x.whole = !passing(&x, keep);
  if (kind > 1 || !between(&x, WIDTH)) { /* one gate alone is no tile */
    whole_product(all_rows(&x), gates_of[kind] * size, features, input, features, 1, weight_in, 1, features, fed_bias, gates, x.pitch);
    x.input = 0;
  }
  team_run(forward_member, &x, members(&x, gates_of[kind], WIDTH));
  last_states(&x, out, last);
  if (last_cell) last_states(&x, cells, last_cell);
}

/* A load from a multiple of 4 KB behind an earlier store waits for it. Gates, quarters of rows that are an odd number of lines apart, and
 * their gradients lie so that no two rows of a tile meet like this. */
#define APART 4096
static T *apart_from(const T *gates, T *room) {
  const uintptr_t away = ((uintptr_t)room - (uintptr_t)gates) % APART;
  return (T *)((uintptr_t)room + (APART + 512 - away) % APART);
}

/* Elements of room that backward wants; `first` says that gradients of the first states are wanted. */
EXPORT int64_t backward_room(int64_t kind, int64_t steps, int64_t rows, int64_t size, int64_t features, const int64_t *sizes, const int64_t *starts, int64_t first) {
  const struct layer x = {.kind = kind, .steps = steps, .rows = rows, .size = size, .sizes = sizes, .starts = starts};
  const int64_t all = all_rows(&x), k = gates_of[kind] * size, pitch = pitch_of(kind, size), most = MAX(CHUNK, rows), sources = kind == 1 ? 2 : 1;
  if (!between(&x, 2 * WIDTH)) return sources * all * pitch + all * size + APART / (int64_t)sizeof(T);
  return sources * (first ? all : 2 * most) * pitch + GEMM_PANELS(features, 2 * WIDTH) * 2 * WIDTH * k + 2 * WIDTH + APART / (int64_t)sizeof(T);
}

static T *aligned(T *p) { return (T *)(((uintptr_t)p + VECTOR_BYTES - 1) / VECTOR_BYTES * VECTOR_BYTES); }
static void first_states(const struct layer *x, int64_t wide, const T *d, T *to);
static void gather_before(const struct layer *x, T *to);
static void column_sums(int64_t rows, int64_t columns, int64_t pitch, const T *a, T *to);

/* All gradients that are wanted, with the first states that forward had: NULL for others, as for those of results that have none. `carried` becomes the gradient of the
 * first cell (GRU: what goes to the first state past the weights). */
EXPORT void backward(int64_t kind, int64_t steps, int64_t rows, int64_t size, int64_t features, int64_t reverse, const int64_t *sizes, const int64_t *starts, const T *input, const T *weight_in, const T *weight, const T *first, const T *first_cell, const T *gates, const T *out, const T *cells, const T *inner, const T *g_out, const T *g_last, const T *g_last_cell, T *room, T *carried, T *d_input, T *d_first, T *d_weight_in, T *d_weight, T *d_bias_in, T *d_bias) {
  struct layer x = {.kind = kind, .steps = steps, .rows = rows, .size = size, .features = features, .pitch = pitch_of(kind, size), .reverse = reverse, .sizes = sizes, .starts = starts, .input = input, .weight_in = weight_in, .weight = weight, .first = or_zeros(first, rows * size), .first_cell = kind ? 0 : or_zeros(first_cell, rows * size), .gates = (T *)gates, .out = (T *)out, .cells = (T *)cells, .inner = (T *)inner, .g_out = g_out, .g_last = g_last, .carried = carried, .d_input = d_input, .d_weight_in = d_weight_in, .d_weight = d_weight, .d_bias_in = d_bias_in, .d_bias = d_bias};
  const int64_t all = all_rows(&x), k = gates_of[kind] * size;
  const int between_steps = between(&x, 2 * WIDTH);
  x.whole = d_first || !between_steps, x.most = MAX(CHUNK, rows);
  const int64_t kept = (x.whole ? all : 2 * x.most) * x.pitch;
  const T *const come = kind ? g_last : g_last_cell;
  if (come) memcpy(carried, come, (size_t)(rows * size) * sizeof(T));
  else memset(carried, 0, (size_t)(rows * size) * sizeof(T));
  x.d_gates = apart_from(gates, room), room = x.d_gates + kept;
  if (kind == 1) x.d_inner = room, room += kept;
  if (between_steps) {
    x.packed_in = aligned(room);
    team_run(backward_member, &x, members(&x, gates_of[kind], 2 * WIDTH));
  } else {
    const T *const source = x.d_inner ? x.d_inner : x.d_gates;
    team_run(backward_member, &x, 1);
    if (d_input) whole_product(all, features, k, x.d_gates, x.pitch, 1, weight_in, features, 1, 0, d_input, features);
    if (d_weight_in) whole_product(k, features, all, x.d_gates, 1, x.pitch, input, features, 1, 0, d_weight_in, features);
    if (d_weight) gather_before(&x, room), whole_product(k, size, all, source, 1, x.pitch, room, size, 1, 0, d_weight, size);
    if (d_bias_in) column_sums(all, k, x.pitch, x.d_gates, d_bias_in);
    if (d_bias) column_sums(all, k, x.pitch, source, d_bias);
  }
  if (d_first) {
    if (kind == 1) memcpy(d_first, carried, (size_t)(rows * size) * sizeof(T));
    else memset(d_first, 0, (size_t)(rows * size) * sizeof(T));
    first_states(&x, k, x.d_inner ? x.d_inner : x.d_gates, d_first);
  }
}

/* The state before each step, of all rows: what the recurrent weights were multiplied with. */
static void gather_before(const struct layer *x, T *to) {
  for (int64_t t = 0; t < x->steps; ++t) {
    const int64_t before = before_of(x, t), shared = shared_rows(x, t, before), size = x->size;
    if (shared) memcpy(to + x->starts[t] * size, x->out + x->starts[before] * size, (size_t)(shared * size) * sizeof(T));
    memcpy(to + (x->starts[t] + shared) * size, x->first + shared * size, (size_t)((x->sizes[t] - shared) * size) * sizeof(T));
  }
}

/* What the first states get through the recurrent weights, added to `to`: rows of first steps. */
static void first_states(const struct layer *x, int64_t wide, const T *d, T *to) {
  for (int64_t t = 0; t < x->steps; ++t) {
    const int64_t shared = shared_rows(x, t, before_of(x, t)), size = x->size;
    if (shared == x->sizes[t]) continue;
    struct gemm g = {.m = x->sizes[t] - shared, .n = size, .k = wide, .a = d + (x->starts[t] + shared) * x->pitch, .ars = x->pitch, .acs = 1, .b = x->weight, .brs = size, .bcs = 1, .c = to + shared * size, .crs = size, .ccs = 1, .alpha = 1, .beta = 1, .items = 1};
    gemm_parallel(&g);
  }
}

struct sums { const T *a; T *to; int64_t rows, columns, pitch; };
static void sums_task(void *context, int64_t begin, int64_t end) {
  const struct sums *x = context;
  for (int64_t b = begin; b < end; ++b) {
    const int64_t at = b * 4 * WIDTH;
    vec sum[4] = {{0}};
    if (at + 4 * WIDTH <= x->columns) {
      for (int64_t r = 0; r < x->rows; ++r) UNROLL for (int v = 0; v < 4; ++v) sum[v] += load(x->a + r * x->pitch + at + v * WIDTH);
      UNROLL for (int v = 0; v < 4; ++v) store(x->to + at + v * WIDTH, sum[v]);
    } else
      for (int64_t c = at; c < x->columns; ++c) {
        T s = 0;
        for (int64_t r = 0; r < x->rows; ++r) s += x->a[r * x->pitch + c];
        x->to[c] = s;
      }
  }
}
static void column_sums(int64_t rows, int64_t columns, int64_t pitch, const T *a, T *to) {
  struct sums x = {a, to, rows, columns, pitch};
  const int64_t blocks = (columns + 4 * WIDTH - 1) / (4 * WIDTH);
  PARALLEL(sums_task, &x, blocks, MAX(1, MAX((blocks + 15) / 16, 16384 / MAX(1, rows * 4 * WIDTH))));
}
