/* types: float double */
/* Scaled dot product attention in blocks: scores exist for some 252 keys by 32 queries at a time, in the first cache.
 *
 * Scores are kept transposed, a row for each key and a lane for each query: so the maximum, the exponentials and the sum of a query go
 * down its lane without folds, and the rows are at once the packed right operand of the next product (GEMM_NR queries wide).
 * Forward: S' = K Q', running maximum m and sum l of each query, O' = V' P. Backward, with P from m and the logarithm of l (kept apart:
 * their sum would lose of l what the size of m takes, 1e-5 of P for scores of some 50):
 *   dP' = V dO', dS' = P' (dP' - delta), dV += P' dO, dK += dS' Q, dQ' += K' dS'   where delta = sum of dO O along a row.
 *
 * A task has rows of queries of one head; keys pass in chunks that are packed once for all of its rows. Memory is
 * linear in the lengths. Sums run in the order of keys and of queries. Where there are
 * fewer heads than keep the threads busy, how they are cut follows the number of threads, and so do the last bits.
 */
#include "fb.h"
#include "fb_gemm.h"
#include "fb_vec.h"

enum { NQ = GEMM_NR, NV = GEMM_NV, MR = GEMM_MR, KEYS = 256 / MR * MR, MOST_QUERIES = 512 };

/* Strides are in elements; those of the last dimension are 1. */
struct attention {
  int64_t batch, heads, groups, queries, keys, size, wide; /* groups: heads of keys; size of a key, width of a value */
  int64_t qb, qh, ql, kb, kh, kl, vb, vh, vl, ob, oh, ol;
  int64_t mb, mh, ml, mk; /* of the mask, 0 where it is broadcast */
  int64_t causal, zeros;  /* zeros: a query that sees nothing gets 0, not NaN */
  int64_t gb, gh, gl;     /* of the gradient of the result */
  const T *q, *k, *v, *mask, *out, *g;
  T *result, *tops, *delta, *dq, *dk, *dv; /* tops (2, batch, heads, queries): m, then log l; delta as one of them; the gradients are contiguous */
  T scale;
  int64_t rows, parts; /* of a task */
};
#define NUMBERS 28 /* of the fields above from batch to gl */

/* Keeps of one query what backward makes P of: nothing is seen where the sum is 0 and such queries get zeros. */
INLINE void keep_top(const struct attention *x, int64_t line, T top, T sum) {
  if (!x->tops) return;
  const int none = sum == 0 && x->zeros;
  x->tops[line] = none ? (T)INFINITY : top;
  x->tops[x->batch * x->heads * x->queries + line] = none ? 0 : (T)log((double)sum);
}
INLINE vec choose(ivec where, vec a, vec b) { return (vec)((where & (ivec)a) | (~where & (ivec)b)); }
INLINE int64_t chunk_of(int64_t keys) {
  const int64_t chunks = (keys + KEYS - 1) / KEYS, even = (keys + chunks - 1) / chunks;
  return (even + MR - 1) / MR * MR;
}
/* Keys of the chunk [k0, k0 + n) that the queries before `end` see. */
INLINE int64_t seen(const struct attention *x, int64_t k0, int64_t n, int64_t end) { return x->causal ? MIN(n, end - k0) : n; }

/* Scores of n keys by the queries from q0 on, mask and causality included. `room` has place for as many. */
static void scores(const struct attention *x, int64_t b, int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t n, const T *kp, const T *qp, T *s, T *room) {
  for (int64_t i = 0; i < n; i += MR)
    gemm_tile(MIN(MR, n - i), NQ, x->size, kp + i / MR * GEMM_A_PITCH(x->size), qp, s + i * NQ, NQ, 1, x->scale, 0);
  if (x->mask) {
    const T *const mask = x->mask + b * x->mb + h * x->mh + q0 * x->ml + k0 * x->mk;
    if (x->ml == 0) {
      for (int64_t j = 0; j < n; ++j)
        for (int64_t v = 0; v < NV; ++v) store(s + j * NQ + v * WIDTH, load(s + j * NQ + v * WIDTH) + splat(mask[j * x->mk]));
    } else {
      gemm_panel_b(room, mask, x->mk, x->ml, n, nq);
      for (int64_t i = 0; i < n * NQ; i += WIDTH) store(s + i, load(s + i) + load(room + i));
    }
  }
  if (!x->causal) return;
  vec lane[GEMM_NV];
  for (int64_t i = 0; i < NQ; ++i) lane[i / WIDTH][i % WIDTH] = (T)i;
  for (int64_t j = MAX(0, q0 + 1 - k0); j < n; ++j)
    for (int64_t v = 0; v < NV; ++v) {
      T *const at = s + j * NQ + v * WIDTH;
      store(at, choose((ivec)(lane[v] < splat((T)(k0 + j - q0))), splat(-(T)INFINITY), load(at)));
    }
}

/* The n rows of NQ scores to exponentials; m, l and the sums acc (wide x NQ) of what came before follow the new maximum. */
static void take_in(T *s, int64_t n, T *m, T *l, T *acc, int64_t wide, int first) {
  vec top[GEMM_NV], low[GEMM_NV], sum[GEMM_NV], factor[GEMM_NV];
  for (int v = 0; v < NV; ++v) top[v] = load(m + v * WIDTH), low[v] = top[v], sum[v] = (vec){0};
  int64_t j = 0;
  for (; j + 2 <= n; j += 2)
    GEMM_UNROLL for (int v = 0; v < NV; ++v) {
      top[v] = larger(top[v], load(s + j * NQ + v * WIDTH));
      low[v] = larger(low[v], load(s + (j + 1) * NQ + v * WIDTH));
    }
  int moved = 0;
  for (int v = 0; v < NV; ++v) {
    if (j < n) top[v] = larger(top[v], load(s + j * NQ + v * WIDTH));
    top[v] = larger(top[v], low[v]);
    const vec before = load(m + v * WIDTH);
    store(m + v * WIDTH, top[v]);
    top[v] = choose((ivec)(top[v] == splat(-(T)INFINITY)), splat(0), top[v]);
    factor[v] = exp_down(before - top[v]);
    const ivec same = (ivec)(factor[v] == splat(1));
    for (int64_t i = 0; i < WIDTH; ++i) moved |= !same[i];
  }
  for (j = 0; j < n; ++j)
    GEMM_UNROLL for (int v = 0; v < NV; ++v) {
      const vec p = exp_down(load(s + j * NQ + v * WIDTH) - top[v]);
      store(s + j * NQ + v * WIDTH, p);
      sum[v] += p;
    }
  for (int v = 0; v < NV; ++v) store(l + v * WIDTH, load(l + v * WIDTH) * factor[v] + sum[v]);
  if (moved && !first)
    for (int64_t e = 0; e < wide; ++e)
      for (int v = 0; v < NV; ++v) store(acc + e * NQ + v * WIDTH, load(acc + e * NQ + v * WIDTH) * factor[v]);
}

/* Rows of `to`, `stride` apart: to[i, e] = from[e, i] factor[i] for i < n and e < wide. */
static void turn(T *to, int64_t stride, const T *from, const T *factor, int64_t n, int64_t wide) {
  for (int64_t e = 0; e < wide; e += WIDTH)
    for (int64_t v = 0; v * WIDTH < n; ++v) {
      vec r[GEMM_LANES];
      const vec f = load(factor + v * WIDTH);
      GEMM_UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = e + i < wide ? load(from + (e + i) * NQ + v * WIDTH) * f : (vec){0};
      gemm_transpose(r);
      GEMM_UNROLL for (int i = 0; i < GEMM_LANES; ++i)
        if (v * WIDTH + i < n) {
          T *const at = to + (v * WIDTH + i) * stride + e;
          if (e + WIDTH <= wide) store(at, r[i]);
          else store_head(at, r[i], wide - e);
        }
    }
}

INLINE T *carve(T **from, int64_t elements) {
  T *const at = *from;
  *from += (elements + WIDTH - 1) / WIDTH * WIDTH;
  return at;
}

static void forward_rows(const struct attention *x, int64_t b, int64_t h, int64_t r0, int64_t r1) {
  const int64_t size = x->size, wide = x->wide, group = h / (x->heads / x->groups), chunk = chunk_of(x->keys), blocks = (r1 - r0 + NQ - 1) / NQ;
  const int64_t whole = GEMM_A_SIZE(chunk, size) + GEMM_A_SIZE(wide, chunk) + blocks * NQ * (size + wide + 2) + 2 * chunk * NQ + 9 * WIDTH;
  T *place = SCRATCH(0, (size_t)whole * sizeof(T));
  T *const kp = carve(&place, GEMM_A_SIZE(chunk, size)), *const vp = carve(&place, GEMM_A_SIZE(wide, chunk));
  T *const qp = carve(&place, blocks * NQ * size), *const acc = carve(&place, blocks * NQ * wide);
  T *const m = carve(&place, blocks * NQ), *const l = carve(&place, blocks * NQ), *const s = carve(&place, chunk * NQ), *const room = carve(&place, chunk * NQ);
  const T *const q = x->q + b * x->qb + h * x->qh, *const k = x->k + b * x->kb + group * x->kh, *const v = x->v + b * x->vb + group * x->vh;
  for (int64_t i = 0; i < blocks; ++i) gemm_panel_b(qp + i * NQ * size, q + (r0 + i * NQ) * x->ql, 1, x->ql, size, MIN(NQ, r1 - r0 - i * NQ));
  for (int64_t i = 0; i < blocks * NQ; ++i) m[i] = -(T)INFINITY, l[i] = 0;
  for (int64_t k0 = 0; k0 < x->keys; k0 += chunk) {
    const int64_t n = seen(x, k0, MIN(chunk, x->keys - k0), r1);
    if (n <= 0) break;
    gemm_pack_a(kp, k + k0 * x->kl, x->kl, 1, n, size);
    gemm_pack_a(vp, v + k0 * x->vl, 1, x->vl, wide, n);
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t q0 = r0 + i * NQ, nq = MIN(NQ, r1 - q0), some = seen(x, k0, n, q0 + nq);
      if (some <= 0) continue;
      T *const own = acc + i * NQ * wide;
      scores(x, b, h, q0, nq, k0, some, kp, qp + i * NQ * size, s, room);
      take_in(s, some, m + i * NQ, l + i * NQ, own, wide, k0 == 0);
      for (int64_t e = 0; e < wide; e += MR)
        gemm_tile(MIN(MR, wide - e), NQ, some, vp + e / MR * GEMM_A_PITCH(n), s, own + e * NQ, NQ, 1, 1, k0 > 0);
    }
  }
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t q0 = r0 + i * NQ, nq = MIN(NQ, r1 - q0);
    T *const own_m = m + i * NQ, *const own_l = l + i * NQ;
    for (int64_t j = 0; j < nq; ++j) {
      const T sum = own_l[j];
      keep_top(x, (b * x->heads + h) * x->queries + q0 + j, own_m[j], sum);
      own_l[j] = sum > 0 ? 1 / sum : sum == 0 && x->zeros ? 0 : (T)NAN;
    }
    turn(x->result + b * x->ob + h * x->oh + q0 * x->ol, x->ol, acc + i * NQ * wide, own_l, nq, wide);
  }
}

static void forward_task(void *context, int64_t begin, int64_t end) {
  const struct attention *x = context;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t part = x->parts - 1 - t % x->parts, h = t / x->parts % x->heads, b = t / x->parts / x->heads; /* the last rows see most */
    forward_rows(x, b, h, part * x->rows, MIN(x->queries, (part + 1) * x->rows));
  }
}

/* -- few queries: one row of scores at a time, a product of a matrix and a vector ------------------------------------ */

enum { FEW = 4, FEW_KEYS = 64, SPAN = 1024, FEW_ALONE = 1 << 18 }; /* queries; keys up to which backward is as exact; keys of a task; multiply-adds from which threads pay */

/* The sum of a row's products. */
INLINE T dot(const T *a, const T *b, int64_t n) {
  vec s = {0}, t = {0};
  int64_t i = 0;
  for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) s += load(a + i) * load(b + i), t += load(a + i + WIDTH) * load(b + i + WIDTH);
  if (i + WIDTH <= n) s += load(a + i) * load(b + i), i += WIDTH;
  T sum = total_of(s + t);
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/* Query r of head h over a span of keys: its maximum, sum and mixture to `to` (2 + wide). */
static void few_span(const struct attention *x, int64_t b, int64_t h, int64_t r, int64_t k0, int64_t k1, T *to) {
  const int64_t group = h / (x->heads / x->groups), wide = x->wide;
  const T *const q = x->q + b * x->qb + h * x->qh + r * x->ql, *const k = x->k + b * x->kb + group * x->kh, *const v = x->v + b * x->vb + group * x->vh;
  const T *const mask = x->mask ? x->mask + b * x->mb + h * x->mh + r * x->ml : 0;
  T *const s = SCRATCH(1, (SPAN + VECTOR_BYTES) * sizeof(T));
  if (x->causal) k1 = MIN(k1, r + 1);
  T top = -(T)INFINITY, sum = 0;
  for (int64_t j = k0; j < k1; ++j) {
    const T at = x->scale * dot(q, k + j * x->kl, x->size) + (mask ? mask[j * x->mk] : 0);
    s[j - k0] = at;
    top = at > top ? at : top;
  }
  const vec shift = splat(top == -(T)INFINITY ? 0 : top);
  for (int64_t j = 0; j < k1 - k0; j += WIDTH) store(s + j, exp_down(load(s + j) - shift));
  T *const acc = to + 2;
  memset(acc, 0, (size_t)wide * sizeof(T));
  for (int64_t j = k0; j < k1; ++j) {
    const T p = s[j - k0];
    const T *const row = v + j * x->vl;
    sum += p;
    int64_t e = 0;
    for (; e + WIDTH <= wide; e += WIDTH) store(acc + e, load(acc + e) + splat(p) * load(row + e));
    for (; e < wide; ++e) acc[e] += p * row[e];
  }
  to[0] = top, to[1] = sum;
}

struct few { const struct attention *x; T *partial; int64_t spans, items; };
static void few_task(void *context, int64_t begin, int64_t end) {
  const struct few *f = context;
  const struct attention *x = f->x;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t span = t % f->spans, item = t / f->spans, r = item % x->queries, h = item / x->queries % x->heads, b = item / x->queries / x->heads;
    few_span(x, b, h, r, span * SPAN, MIN(x->keys, (span + 1) * SPAN), f->partial + t * (2 + x->wide));
  }
}

static void few_queries(const struct attention *x) {
  struct few f = {x, 0, (x->keys + SPAN - 1) / SPAN, x->batch * x->heads * x->queries};
  const int64_t pitch = 2 + x->wide, each = MIN(SPAN, x->keys) * (x->size + x->wide), all = f.items * f.spans;
  f.partial = SCRATCH(0, (size_t)(f.items * f.spans * pitch) * sizeof(T));
  PARALLEL(few_task, &f, all, each * all < FEW_ALONE ? all : MAX(1, 32768 / each));
  for (int64_t item = 0; item < f.items; ++item) {
    const int64_t r = item % x->queries, h = item / x->queries % x->heads, b = item / x->queries / x->heads;
    const T *const own = f.partial + item * f.spans * pitch;
    T *const out = x->result + b * x->ob + h * x->oh + r * x->ol;
    T top = -(T)INFINITY, sum = 0;
    for (int64_t i = 0; i < f.spans; ++i) top = own[i * pitch] > top ? own[i * pitch] : top;
    const T shift = top == -(T)INFINITY ? 0 : top;
    for (int64_t i = 0; i < f.spans; ++i) {
      const T factor = (T)exp((double)(own[i * pitch] - shift));
      sum += factor * own[i * pitch + 1];
      for (int64_t e = 0; e < x->wide; ++e) out[e] = (i ? out[e] : 0) + factor * own[i * pitch + 2 + e];
    }
    keep_top(x, item, top, sum);
    const T inverse = sum > 0 ? 1 / sum : sum == 0 && x->zeros ? 0 : (T)NAN;
    for (int64_t e = 0; e < x->wide; ++e) out[e] *= inverse;
  }
}

/* -- backward ------------------------------------------------------------------------------------------------------- */

/* c[r, :] += sum_p a[r, p] b[p, :] for R rows of NQ and nv vectors of columns; a's rows are scores. */
INLINE void spread_rows(const int R, const int nv, int64_t k, const T *RESTRICT a, const T *RESTRICT b, int64_t ldb, T *c, int64_t ldc) {
  vec sum[GEMM_MR][GEMM_NV];
  GEMM_UNROLL for (int r = 0; r < R; ++r) GEMM_UNROLL for (int v = 0; v < nv; ++v) sum[r][v] = (vec){0};
  for (; k > 0; --k, ++a, b += ldb) {
    vec y[GEMM_NV];
    GEMM_UNROLL for (int v = 0; v < nv; ++v) y[v] = load(b + v * WIDTH);
    GEMM_UNROLL for (int r = 0; r < R; ++r) {
      const vec p = splat(a[r * NQ]);
      GEMM_UNROLL for (int v = 0; v < nv; ++v) sum[r][v] += p * y[v];
    }
  }
  GEMM_UNROLL for (int r = 0; r < R; ++r) GEMM_UNROLL for (int v = 0; v < nv; ++v)
    store(c + r * ldc + v * WIDTH, load(c + r * ldc + v * WIDTH) + sum[r][v]);
}
typedef void spread_kernel(int64_t k, const T *a, const T *b, int64_t ldb, T *c, int64_t ldc);
#define SPREAD_ONE(rows, nv) \
  static void spread_##rows##x##nv(int64_t k, const T *a, const T *b, int64_t ldb, T *c, int64_t ldc) { spread_rows(rows, nv, k, a, b, ldb, c, ldc); }
#define SPREAD_NAME(rows, nv) spread_##rows##x##nv,
GEMM_EACH(SPREAD_ONE, 1)
GEMM_EACH(SPREAD_ONE, 2)
#if GEMM_NV == 3
GEMM_EACH(SPREAD_ONE, 3)
#endif
static spread_kernel *const spread_kernels[GEMM_NV][GEMM_MR] = {
  {GEMM_EACH(SPREAD_NAME, 1)}, {GEMM_EACH(SPREAD_NAME, 2)},
#if GEMM_NV == 3
  {GEMM_EACH(SPREAD_NAME, 3)},
#endif
};
/* The same for n rows and `padded` columns, a multiple of WIDTH. */
static void spread(int64_t n, int64_t k, const T *a, const T *b, T *c, int64_t padded) {
  for (int64_t i = 0; i < n; i += MR)
    for (int64_t j = 0; j < padded; j += NQ)
      spread_kernels[MIN(NV, (padded - j) / WIDTH) - 1][MIN(MR, n - i) - 1](k, a + i * NQ, b + j, padded, c + i * padded + j, padded);
}

/* Rows with zeros behind them. */
static void widen(T *to, int64_t padded, const T *from, int64_t stride, int64_t n, int64_t size) {
  for (int64_t i = 0; i < n; ++i) {
    memcpy(to + i * padded, from + i * stride, (size_t)size * sizeof(T));
    for (int64_t e = size; e < padded; ++e) to[i * padded + e] = 0;
  }
}
static void narrow(T *to, const T *from, int64_t padded, int64_t n, int64_t size) {
  for (int64_t i = 0; i < n; ++i) memcpy(to + i * size, from + i * padded, (size_t)size * sizeof(T));
}

/* Gradients of the keys [from, to) of one group, or of the queries [r0, r1) of the heads [h0, h1), or of both. */
struct share { int64_t b, group, from, to, h0, h1, r0, r1; int keys, queries; };

static void backward_share(const struct attention *x, const struct share *own) {
  const int64_t size = x->size, wide = x->wide, chunk = chunk_of(x->keys), sp = (size + WIDTH - 1) / WIDTH * WIDTH, wp = (wide + WIDTH - 1) / WIDTH * WIDTH;
  const int64_t blocks = (own->r1 - own->r0 + NQ - 1) / NQ, all = own->queries ? blocks * (own->h1 - own->h0) : 0;
  const int64_t whole = GEMM_A_SIZE(chunk, size) + GEMM_A_SIZE(chunk, wide) + GEMM_A_SIZE(size, chunk) + chunk * (sp + wp) + NQ * (size + wide + sp + wp + 4) + 3 * chunk * NQ + all * NQ * size + 21 * WIDTH;
  T *place = SCRATCH(0, (size_t)whole * sizeof(T));
  T *const kp = carve(&place, GEMM_A_SIZE(chunk, size)), *const vp = carve(&place, GEMM_A_SIZE(chunk, wide)), *const ktp = carve(&place, GEMM_A_SIZE(size, chunk));
  T *const dk = carve(&place, chunk * sp), *const dv = carve(&place, chunk * wp);
  T *const qp = carve(&place, NQ * size), *const gp = carve(&place, NQ * wide), *const qr = carve(&place, NQ * sp), *const gr = carve(&place, NQ * wp);
  T *const top = carve(&place, NQ), *const logs = carve(&place, NQ), *const delta = carve(&place, NQ), *const ones = carve(&place, NQ);
  T *const p = carve(&place, chunk * NQ), *const d = carve(&place, chunk * NQ), *const room = carve(&place, chunk * NQ), *const dq = carve(&place, all * NQ * size);
  const T *const k = x->k + own->b * x->kb + own->group * x->kh, *const v = x->v + own->b * x->vb + own->group * x->vh;
  for (int64_t i = 0; i < NQ; ++i) ones[i] = 1;
  if (all) memset(dq, 0, (size_t)(all * NQ * size) * sizeof(T));
  for (int64_t k0 = own->from; k0 < own->to; k0 += chunk) {
    const int64_t n = MIN(chunk, own->to - k0);
    gemm_pack_a(kp, k + k0 * x->kl, x->kl, 1, n, size);
    gemm_pack_a(vp, v + k0 * x->vl, x->vl, 1, n, wide);
    if (own->queries) gemm_pack_a(ktp, k + k0 * x->kl, 1, x->kl, size, n);
    if (own->keys) memset(dk, 0, (size_t)(n * sp) * sizeof(T)), memset(dv, 0, (size_t)(n * wp) * sizeof(T));
    for (int64_t h = own->h0; h < own->h1; ++h)
      for (int64_t i = 0; i < blocks; ++i) {
        const int64_t q0 = own->r0 + i * NQ, nq = MIN(NQ, own->r1 - q0), some = seen(x, k0, n, q0 + nq), line = (own->b * x->heads + h) * x->queries + q0;
        if (some <= 0) continue;
        const T *const q = x->q + own->b * x->qb + h * x->qh + q0 * x->ql, *const g = x->g + own->b * x->gb + h * x->gh + q0 * x->gl;
        gemm_panel_b(qp, q, 1, x->ql, size, nq);
        gemm_panel_b(gp, g, 1, x->gl, wide, nq);
        for (int64_t j = 0; j < NQ; ++j)
          top[j] = j < nq ? x->tops[line + j] : (T)INFINITY, logs[j] = j < nq ? x->tops[x->batch * x->heads * x->queries + line + j] : 0, delta[j] = j < nq ? x->delta[line + j] : 0;
        scores(x, own->b, h, q0, nq, k0, some, kp, qp, p, room);
        for (int64_t j = 0; j < some; j += MR)
          gemm_tile(MIN(MR, some - j), NQ, wide, vp + j / MR * GEMM_A_PITCH(wide), gp, d + j * NQ, NQ, 1, 1, 0);
        if (chunk >= x->keys) { /* all keys at once: delta of the same products that it is taken from, which cancel where P is near 1 */
          vec sum[GEMM_NV] = {{0}};
          for (int64_t j = 0; j < some; ++j)
            GEMM_UNROLL for (int w = 0; w < NV; ++w) {
              const vec e = exp_down(load(p + j * NQ + w * WIDTH) - load(top + w * WIDTH) - load(logs + w * WIDTH));
              store(p + j * NQ + w * WIDTH, e);
              sum[w] += e * load(d + j * NQ + w * WIDTH);
            }
          for (int64_t j = 0; j < some; ++j)
            GEMM_UNROLL for (int w = 0; w < NV; ++w)
              store(d + j * NQ + w * WIDTH, load(p + j * NQ + w * WIDTH) * (load(d + j * NQ + w * WIDTH) - sum[w]) * splat(x->scale));
        } else for (int64_t j = 0; j < some; ++j)
          GEMM_UNROLL for (int w = 0; w < NV; ++w) {
            const vec e = exp_down(load(p + j * NQ + w * WIDTH) - load(top + w * WIDTH) - load(logs + w * WIDTH));
            store(p + j * NQ + w * WIDTH, e);
            store(d + j * NQ + w * WIDTH, e * (load(d + j * NQ + w * WIDTH) - load(delta + w * WIDTH)) * splat(x->scale));
          }
        if (own->keys) {
          widen(qr, sp, q, x->ql, nq, size);
          widen(gr, wp, g, x->gl, nq, wide);
          spread(some, nq, p, gr, dv, wp);
          spread(some, nq, d, qr, dk, sp);
        }
        if (own->queries) {
          T *const at = dq + ((h - own->h0) * blocks + i) * NQ * size;
          for (int64_t e = 0; e < size; e += MR)
            gemm_tile(MIN(MR, size - e), NQ, some, ktp + e / MR * GEMM_A_PITCH(n), d, at + e * NQ, NQ, 1, 1, 1);
        }
      }
    if (own->keys) {
      const int64_t line = (own->b * x->groups + own->group) * x->keys + k0;
      narrow(x->dk + line * size, dk, sp, n, size);
      narrow(x->dv + line * wide, dv, wp, n, wide);
    }
  }
  for (int64_t h = own->h0; h < own->h1 && own->queries; ++h)
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t q0 = own->r0 + i * NQ, nq = MIN(NQ, own->r1 - q0);
      turn(x->dq + ((own->b * x->heads + h) * x->queries + q0) * size, size, dq + ((h - own->h0) * blocks + i) * NQ * size, ones, nq, size);
    }
}

/* One task for each group of heads. */
static void group_task(void *context, int64_t begin, int64_t end) {
  const struct attention *x = context;
  const int64_t each = x->heads / x->groups;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t group = t % x->groups;
    const struct share own = {t / x->groups, group, 0, x->keys, group * each, (group + 1) * each, 0, x->queries, 1, 1};
    backward_share(x, &own);
  }
}
/* Where there are few groups: first tasks of a chunk of keys, then tasks of some rows of queries; scores are made twice. */
static void part_task(void *context, int64_t begin, int64_t end) {
  const struct attention *x = context;
  const int64_t each = x->heads / x->groups, chunk = chunk_of(x->keys), chunks = (x->keys + chunk - 1) / chunk, of_keys = x->batch * x->groups * chunks;
  for (int64_t t = begin; t < end; ++t)
    if (t < of_keys) {
      const int64_t group = t / chunks % x->groups, from = t % chunks * chunk;
      const struct share own = {t / chunks / x->groups, group, from, MIN(x->keys, from + chunk), group * each, (group + 1) * each, 0, x->queries, 1, 0};
      backward_share(x, &own);
    } else {
      const int64_t u = t - of_keys, part = x->parts - 1 - u % x->parts, h = u / x->parts % x->heads, r0 = part * x->rows;
      const struct share own = {u / x->parts / x->heads, h / each, 0, x->keys, h, h + 1, r0, MIN(x->queries, r0 + x->rows), 0, 1};
      backward_share(x, &own);
    }
}

static void delta_task(void *context, int64_t begin, int64_t end) {
  const struct attention *x = context;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t r = t % x->queries, h = t / x->queries % x->heads, b = t / x->queries / x->heads;
    x->delta[t] = dot(x->g + b * x->gb + h * x->gh + r * x->gl, x->out + b * x->ob + h * x->oh + r * x->ol, x->wide);
  }
}

/* -- what Python calls ---------------------------------------------------------------------------------------------- */

/* Rows of a task: whole heads where there are enough of them. */
static void deal_rows(struct attention *x) {
  const int64_t items = x->batch * x->heads, wanted = MAX(1, (4 * fb->threads() + items - 1) / items);
  const int64_t even = (x->queries + wanted - 1) / wanted, least = MIN(x->queries, 4 * NQ);
  x->rows = (MIN(MOST_QUERIES, MAX(least, even)) + NQ - 1) / NQ * NQ;
  x->parts = (x->queries + x->rows - 1) / x->rows;
}

EXPORT void forward(const int64_t *n, double scale, const T *q, const T *k, const T *v, const T *mask, T *out, T *tops) {
  struct attention x = {.q = q, .k = k, .v = v, .mask = mask, .result = out, .tops = tops, .scale = (T)scale};
  memcpy(&x, n, NUMBERS * sizeof(int64_t));
  if (x.queries <= FEW && (!tops || x.keys > FEW_KEYS)) { /* its scores are not backward's to the bit, which shows where P is near 1 */
    few_queries(&x);
    return;
  }
  deal_rows(&x);
  const double work = (double)(x.batch * x.heads * x.queries) * (double)x.keys * (double)(x.size + x.wide);
  const int64_t tasks = x.batch * x.heads * x.parts;
  PARALLEL(forward_task, &x, tasks, work < GEMM_ALONE ? tasks : MAX(1, tasks / (8 * fb->threads())));
}

EXPORT void backward(const int64_t *n, double scale, const T *q, const T *k, const T *v, const T *mask, const T *out, const T *g, const T *tops, T *delta, T *dq, T *dk, T *dv) {
  struct attention x = {.q = q, .k = k, .v = v, .mask = mask, .out = out, .g = g, .tops = (T *)tops, .delta = delta, .dq = dq, .dk = dk, .dv = dv, .scale = (T)scale};
  memcpy(&x, n, NUMBERS * sizeof(int64_t));
  const int64_t lines = x.batch * x.heads * x.queries, items = x.batch * x.groups, chunk = chunk_of(x.keys);
  PARALLEL(delta_task, &x, lines, grain_for(lines, x.wide));
  const double work = (double)lines * (double)x.keys * (double)(2 * x.size + x.wide);
  const int threads = fb->threads();
  deal_rows(&x);
  if (work < GEMM_ALONE) PARALLEL(group_task, &x, items, items);
  else if (items >= 2 * threads || items % threads == 0) PARALLEL(group_task, &x, items, 1);
  else PARALLEL(part_task, &x, items * ((x.keys + chunk - 1) / chunk) + x.batch * x.heads * x.parts, 1);
}
