/* types: float double */
/* y = f(x W + bias + residual) with a constant W, which was packed once: the layers of a compiled model (`multiply_packed` in products.py).
 *
 * W lies as fb_gemm.h's panels of B, block by block of K: a call reads it once, in order. Few rows of x are multiplied with a
 * panel as they lie; more are packed and tiled. The rest of the expression is taken of a tile that has just left the registers.
 */
#include "fb_gemm.h"
#include "fb_math.h"

#if REGISTERS == 32
#define FEW 8            /* rows whose sums stay in registers and that are read where they lie */
#else
#define FEW 4
#endif
#define FEW_AHEAD 64     /* steps of the sum that W is called in ahead, where that helps: from four rows on */
#define FEW_WORK 65536.0 /* multiply-adds of few rows from which threads share them */

#if defined(T_FLOAT64)
#define FN(name) fb_##name
#else
#define FN(name) fb_##name##f
#endif

enum ending_kind { NONE, CLAMP, GELU, GELU_TANH, SILU, TANH, SIGMOID, HARDSWISH }; /* `Ending` in products.py */

/* -- behind the product --------------------------------------------------------------------------------------------- */

struct ending {
  const T *bias, *residual; /* one for each column; (m, n); NULL for none */
  int64_t rrs;              /* from row to row of the residual */
  int kind;
  T low, high;
};

#define EACH(value) \
  _Pragma("omp simd") for (int64_t e = 0; e < size; ++e) { const T x = t[e]; t[e] = (value); } \
  break

/* t = f(t), whole vectors. */
static void activate(const struct ending *o, T *RESTRICT t, int64_t size) {
  const T low = o->low, high = o->high;
  switch (o->kind) {
    case CLAMP: EACH(FN(min)(FN(max)(x, low), high));
    case GELU: EACH(x * (T)0.5 * (1 + FN(erf)(x * (T)0.70710678118654752)));
    case GELU_TANH: EACH((T)0.5 * x * (1 + FN(tanh)((T)0.79788456080286536 * (x + (T)0.044715 * x * x * x))));
    case SILU: EACH(x * FN(sigmoid)(x));
    case TANH: EACH(FN(tanh)(x));
    case SIGMOID: EACH(FN(sigmoid)(x));
    case HARDSWISH: EACH(x * FN(min)(FN(max)(x + 3, 0), 6) * (T)(1 / 6.0));
    default: break;
  }
}

/* to[p, q] = f(c[p, q] + bias[j + q] + residual[i + p, j + q]); to and c may be the same. */
static void end_tile(const struct ending *o, const T *c, int64_t crs, T *to, int64_t trs, int64_t i, int64_t m, int64_t j, int64_t n) {
  T tile[GEMM_MR * GEMM_NR] __attribute__((aligned(64)));
  for (int64_t p = 0; p < m; ++p) {
    T *const t = tile + p * GEMM_NR;
    const T *const r = o->residual ? o->residual + (i + p) * o->rrs + j : 0;
    if (n == GEMM_NR) {
      GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) {
        vec s = load(c + p * crs + v * WIDTH);
        if (o->bias) s += load(o->bias + j + v * WIDTH);
        if (r) s += load(r + v * WIDTH);
        store(t + v * WIDTH, s);
      }
      continue;
    }
    for (int64_t q = 0; q < n; ++q) {
      T s = c[p * crs + q];
      if (o->bias) s += o->bias[j + q];
      if (r) s += r[q];
      t[q] = s;
    }
    for (int64_t q = n; q < GEMM_NR; ++q) t[q] = 0;
  }
  activate(o, tile, m * GEMM_NR);
  for (int64_t p = 0; p < m; ++p)
    if (n == GEMM_NR) GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) store(to + p * trs + v * WIDTH, load(tile + p * GEMM_NR + v * WIDTH));
    else memcpy(to + p * trs, tile + p * GEMM_NR, (size_t)n * sizeof(T));
}

static void end_hook(const struct gemm *g, T *c, int64_t item, int64_t i, int64_t m, int64_t j, int64_t n) {
  (void)item;
  end_tile(g->context, c, g->crs, c, g->crs, i, m, j, n);
}

/* -- few rows ------------------------------------------------------------------------------------------------------- */

/* sums += x panel for R rows of x, `stride` apart; several chains of sums, as one takes a step in four cycles. */
INLINE void few_rows(const int R, const int chains, int64_t k, const T *RESTRICT x, int64_t stride, const T *RESTRICT w, vec sums[FEW][GEMM_NV]) {
  vec more[4][FEW][GEMM_NV];
  GEMM_UNROLL for (int c = 1; c < chains; ++c) GEMM_UNROLL for (int r = 0; r < R; ++r) GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v)
    more[c][r][v] = (vec){0};
  GEMM_UNROLL for (int r = 0; r < R; ++r) GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) more[0][r][v] = sums[r][v];
  for (; k >= chains; k -= chains, x += chains, w += chains * GEMM_NR)
    GEMM_UNROLL for (int c = 0; c < chains; ++c) GEMM_UNROLL for (int r = 0; r < R; ++r) {
      if (chains == 1 && r < GEMM_NV) __builtin_prefetch(w + FEW_AHEAD * GEMM_NR + r * WIDTH);
      const vec a = splat(x[r * stride + c]);
      GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) more[c][r][v] += a * load(w + c * GEMM_NR + v * WIDTH);
    }
  for (; k > 0; --k, ++x, w += GEMM_NR)
    GEMM_UNROLL for (int r = 0; r < R; ++r) GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) more[0][r][v] += splat(x[r * stride]) * load(w + v * WIDTH);
  GEMM_UNROLL for (int r = 0; r < R; ++r) GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) {
    sums[r][v] = more[0][r][v];
    GEMM_UNROLL for (int c = 1; c < chains; ++c) sums[r][v] += more[c][r][v];
  }
}

/* The same for one row and two panels side by side, which are read at once: a core that reads one stream has fewer lines on their way. */
INLINE void one_row(int64_t k, const T *RESTRICT x, const T *RESTRICT w, int64_t far, vec *sums) {
  enum { CHAINS = 2 };
  vec more[CHAINS][2 * GEMM_NV];
  GEMM_UNROLL for (int v = 0; v < 2 * GEMM_NV; ++v) more[0][v] = sums[v], more[1][v] = (vec){0};
  for (; k >= CHAINS; k -= CHAINS, x += CHAINS, w += CHAINS * GEMM_NR)
    GEMM_UNROLL for (int c = 0; c < CHAINS; ++c) {
      const vec a = splat(x[c]);
      GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) {
        more[c][v] += a * load(w + c * GEMM_NR + v * WIDTH);
        more[c][GEMM_NV + v] += a * load(w + far + c * GEMM_NR + v * WIDTH);
      }
    }
  if (k)
    GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) {
      more[0][v] += splat(*x) * load(w + v * WIDTH);
      more[0][GEMM_NV + v] += splat(*x) * load(w + far + v * WIDTH);
    }
  GEMM_UNROLL for (int v = 0; v < 2 * GEMM_NV; ++v) sums[v] = more[0][v] + more[1][v];
}

struct few {
  int64_t m, n, k, stride, yrs;
  const T *x, *packed;
  T *y;
  const struct ending *ending;
};

#define FEW_CASE(rows, chains) case rows: few_rows(rows, chains, k, x, s->stride, w, sums); break;

/* Panels [begin, end) of W; `begin` is even where there is one row. */
static void few_task(void *context, int64_t begin, int64_t end) {
  const struct few *s = context;
  const int64_t panels = GEMM_PANELS(s->n, GEMM_NR), depth = GEMM_DEPTH(s->k);
  int64_t q = begin;
  if (s->m == 1)
    for (; q + 2 <= end; q += 2) {
      vec sums[2 * GEMM_NV] = {{0}};
      T row[2 * GEMM_NR] __attribute__((aligned(64)));
      for (int64_t k0 = 0; k0 < s->k; k0 += depth)
        one_row(MIN(depth, s->k - k0), s->x + k0, s->packed + (k0 / depth * panels + q) * GEMM_B_PITCH(depth), GEMM_B_PITCH(depth), sums);
      GEMM_UNROLL for (int v = 0; v < 2 * GEMM_NV; ++v) store(row + v * WIDTH, sums[v]);
      for (int64_t p = q; p < q + 2; ++p)
        end_tile(s->ending, row + (p - q) * GEMM_NR, GEMM_NR, s->y + p * GEMM_NR, s->yrs, 0, 1, p * GEMM_NR, MIN(s->n - p * GEMM_NR, GEMM_NR));
    }
  for (; q < end; ++q) {
    vec sums[FEW][GEMM_NV] = {{{0}}};
    T tile[FEW * GEMM_NR] __attribute__((aligned(64)));
    for (int64_t k0 = 0; k0 < s->k; k0 += depth) {
      const T *const w = s->packed + (k0 / depth * panels + q) * GEMM_B_PITCH(depth), *const x = s->x + k0;
      const int64_t k = MIN(depth, s->k - k0);
      switch (s->m) {
        FEW_CASE(1, 4) FEW_CASE(2, 2) FEW_CASE(3, 2) FEW_CASE(4, 1)
#if FEW == 8
        FEW_CASE(5, 1) FEW_CASE(6, 1) FEW_CASE(7, 1) FEW_CASE(8, 1)
#endif
      }
    }
    for (int64_t r = 0; r < s->m; ++r) GEMM_UNROLL for (int v = 0; v < GEMM_NV; ++v) store(tile + r * GEMM_NR + v * WIDTH, sums[r][v]);
    end_tile(s->ending, tile, GEMM_NR, s->y + q * GEMM_NR, s->yrs, 0, s->m, q * GEMM_NR, MIN(s->n - q * GEMM_NR, GEMM_NR));
  }
}

static void run_few(struct few *s, int64_t acs) {
  if (acs != 1 && s->k > 1) {
    T *const rows = SCRATCH(0, (size_t)(s->m * s->k) * sizeof(T));
    for (int64_t i = 0; i < s->m; ++i)
      for (int64_t p = 0; p < s->k; ++p) rows[i * s->k + p] = s->x[i * s->stride + p * acs];
    s->x = rows, s->stride = s->k;
  }
  const int64_t panels = GEMM_PANELS(s->n, GEMM_NR);
  const int threads = fb->threads();
  if (threads == 1 || (double)s->m * (double)s->n * (double)s->k < FEW_WORK) few_task(s, 0, panels);
  else {
    /* One block for each thread: it reads the same part of W at every call, which its own caches may still hold. */
    const int64_t pairs = (panels + 1) / 2;
    PARALLEL(few_task, s, panels, 2 * MAX((pairs + threads - 1) / threads, (32768 / (GEMM_NR * s->k) + 1) / 2));
  }
}

/* -- calls ---------------------------------------------------------------------------------------------------------- */

struct packing { struct gemm g; T *to; };

static void pack_task(void *context, int64_t begin, int64_t end) {
  const struct packing *s = context;
  const struct gemm *g = &s->g;
  const int64_t panels = GEMM_PANELS(g->n, GEMM_NR), depth = GEMM_DEPTH(g->k);
  for (int64_t t = begin; t < end; ++t) {
    const int64_t k0 = t / panels * depth, j = t % panels * GEMM_NR;
    gemm_panel_b(s->to + t * GEMM_B_PITCH(depth), g->b + k0 * g->brs + j * g->bcs, g->brs, g->bcs, MIN(depth, g->k - k0), MIN(GEMM_NR, g->n - j));
  }
}

/* Elements of a packed W of k rows and n columns. */
EXPORT int64_t packed_size(int64_t n, int64_t k) {
  if (n <= 0 || k <= 0) return 0;
  return GEMM_PANELS(k, GEMM_KC) * GEMM_PANELS(n, GEMM_NR) * GEMM_B_PITCH(GEMM_DEPTH(k));
}

/* W with any strides, packed; fastest where `to` is aligned to a vector. */
EXPORT void pack(int64_t n, int64_t k, const T *w, int64_t rs, int64_t cs, T *to) {
  if (n <= 0 || k <= 0) return;
  const struct packing s = {{.n = n, .k = k, .b = w, .brs = rs, .bcs = cs}, to};
  PARALLEL(pack_task, (void *)&s, GEMM_PANELS(k, GEMM_KC) * GEMM_PANELS(n, GEMM_NR), 2);
}

/* y (m, n), rows yrs apart. `kind` is one of ending_kind; low and high are CLAMP's. y overlaps neither x nor the residual. */
EXPORT void product(int64_t m, int64_t n, int64_t k, const T *x, int64_t xrs, int64_t xcs, const T *packed, const T *bias, const T *residual, int64_t rrs, int64_t kind, T low, T high, T *y, int64_t yrs) {
  if (m <= 0 || n <= 0) return;
  const struct ending o = {bias, residual, rrs, (int)kind, low, high};
  if (m <= FEW && k > 0) {
    struct few s = {m, n, k, xrs, yrs, x, packed, y, &o};
    run_few(&s, xcs);
    return;
  }
  const struct gemm g = {.m = m, .n = n, .k = k, .items = 1, .a = x, .ars = xrs, .acs = xcs, .packed = packed, .c = y, .crs = yrs, .ccs = 1,
    .alpha = 1, .beta = 0, .epilogue = bias || residual || kind != NONE ? end_hook : 0, .context = &o};
  gemm_parallel(&g);
}
