/* types: float double */
/* Fourier transforms: signals side by side in the lanes of registers, turned on the way in and out where they lie along memory.
 *
 * A call is described by whole numbers and a table of real ones (`fourier.py` makes both). Sizes count transforms, steps count
 * elements of T. Complex numbers lie real part first. Longer transforms are two calls, over columns and over rows of the
 * signal laid out as a matrix; the first multiplies by the numbers between them.
 */
#include "fb_fft.h"
#include "fb_tile.h"

#define MOST_RADICES 24
enum { FORWARD, BACKWARD, REAL, HALF, WHOLE }; /* HALF: half a spectrum becomes real numbers; WHOLE: these have all terms */

struct plan {
  int64_t kind, n, outer, inner;   /* outer * inner transforms of n terms, `inner` of them side by side */
  int64_t xk, xl, xo, yk, yl, yo;  /* steps from term to term, of inner and of outer */
  int64_t terms;                   /* complex numbers of a transform: n, or n / 2 for even real ones */
  int64_t length;                  /* of the transforms that the lanes run: `terms`, or more than twice as many for a chirp */
  int64_t chirp;                   /* whether they convolve with one */
  int64_t between;                 /* whether results are multiplied by numbers of their own: those of a longer transform */
  int64_t ends, chirps, kernel;    /* where in the table those of real transforms, the chirp and its spectrum begin */
  int64_t radices[MOST_RADICES];   /* ends with 0 */
};
struct call {
  const struct plan *p;
  const T *table, *between, *x;
  T *y, scale;
  int64_t groups;
};

EXPORT int width(void) { return (int)WIDTH; }

/* -- in and out of lanes ------------------------------------------------------------------------------------------------ */

typedef vec row;
#if defined(T_FLOAT32)
#define BITS 4
#else
#define BITS 8
#endif
#if VECTOR_BYTES / BITS == 16
#define N_LANES 16
#elif VECTOR_BYTES / BITS == 8
#define N_LANES 8
#elif VECTOR_BYTES / BITS == 4
#define N_LANES 4
#else
#define N_LANES 2
#endif
#define JOINED(a, b) a##b
#define WITH(a, b) JOINED(a, b)

INLINE void turn(row *r) {
#if FB_TURNS
#if N_LANES == 16
  EXCHANGES16
#elif N_LANES == 8
  EXCHANGES8
#elif N_LANES == 4
  EXCHANGES4
#else
  EXCHANGES2
#endif
#else
  T t[WIDTH * WIDTH];
  for (int64_t i = 0; i < WIDTH; ++i) store(t + i * WIDTH, r[i]);
  for (int64_t i = 0; i < WIDTH; ++i) for (int64_t j = 0; j < WIDTH; ++j) r[i][j] = t[j * WIDTH + i];
#endif
}
#define FB_EVEN(N, d, i) (2 * (i))
#define FB_ODD(N, d, i) (2 * (i) + 1)
#define FB_LOW(N, d, i) (((i) & 1) * (N) + (i) / 2)
#define FB_HIGH(N, d, i) (((i) & 1) * (N) + (N) / 2 + (i) / 2)
#define FB_LIST(F) WITH(LIST, N_LANES)(N_LANES, 0, F)
/* Complex numbers beside each other to real and imaginary parts, and back. */
INLINE cx apart(vec a, vec b) {
#if FB_TURNS
  return (cx){__builtin_shufflevector(a, b, FB_LIST(FB_EVEN)), __builtin_shufflevector(a, b, FB_LIST(FB_ODD))};
#else
  cx c;
  for (int64_t i = 0; i < WIDTH; ++i) {
    c.re[i] = 2 * i < WIDTH ? a[2 * i] : b[2 * i - WIDTH];
    c.im[i] = 2 * i < WIDTH ? a[2 * i + 1] : b[2 * i + 1 - WIDTH];
  }
  return c;
#endif
}
INLINE void woven(cx c, vec *a, vec *b) {
#if FB_TURNS
  *a = __builtin_shufflevector(c.re, c.im, FB_LIST(FB_LOW));
  *b = __builtin_shufflevector(c.re, c.im, FB_LIST(FB_HIGH));
#else
  T t[2 * WIDTH];
  for (int64_t i = 0; i < WIDTH; ++i) t[2 * i] = c.re[i], t[2 * i + 1] = c.im[i];
  *a = load(t), *b = load(t + WIDTH);
#endif
}

/* `count` numbers of each of `lanes` signals to as many vectors, at places whose last bit is exchanged by `swap`. Numbers lie in
 * pairs: number t at step * (t / pair) + t % pair; signals `apart` from each other. */
static void bring(vec *to, const T *from, int64_t count, int64_t pair, int64_t step, int64_t far, int64_t lanes, int64_t swap) {
  if (step == pair && count >= WIDTH) { /* along memory: tiles, the last one over part of that before it */
    for (int64_t t = 0; t < count; t = t + WIDTH <= count - WIDTH || t + WIDTH >= count ? t + WIDTH : count - WIDTH) {
      row r[N_LANES];
      if (lanes == WIDTH) {
        _Pragma("GCC unroll 16") for (int64_t i = 0; i < WIDTH; ++i) r[i] = load(from + i * far + t);
      } else {
        for (int64_t i = 0; i < WIDTH; ++i) r[i] = load(from + MIN(i, lanes - 1) * far + t);
      }
      turn(r);
      _Pragma("GCC unroll 16") for (int64_t i = 0; i < WIDTH; ++i) to[(t + i) ^ swap] = r[i];
    }
    return;
  }
  if (far == pair && lanes == WIDTH) { /* signals beside each other */
    for (int64_t t = 0; t < count; t += pair) {
      const T *const f = from + t / pair * step;
      if (pair == 1) to[t ^ swap] = load(f);
      else {
        const cx c = apart(load(f), load(f + WIDTH));
        to[t ^ swap] = c.re, to[(t + 1) ^ swap] = c.im;
      }
    }
    return;
  }
  for (int64_t t = 0; t < count; ++t) {
    const T *const f = from + t / pair * step + t % pair;
    T *const v = (T *)(to + (t ^ swap));
    for (int64_t i = 0; i < WIDTH; ++i) v[i] = f[MIN(i, lanes - 1) * far];
  }
}

/* The opposite way, times `scale`. */
static void give(T *to, const vec *from, int64_t count, int64_t pair, int64_t step, int64_t far, int64_t lanes, int64_t swap, T scale) {
  if (step == pair && count >= WIDTH) {
    for (int64_t t = 0; t < count; t = t + WIDTH <= count - WIDTH || t + WIDTH >= count ? t + WIDTH : count - WIDTH) {
      row r[N_LANES];
      _Pragma("GCC unroll 16") for (int64_t i = 0; i < WIDTH; ++i) r[i] = from[(t + i) ^ swap] * scale;
      turn(r);
      if (lanes == WIDTH) {
        _Pragma("GCC unroll 16") for (int64_t i = 0; i < WIDTH; ++i) store(to + i * far + t, r[i]);
      } else {
        for (int64_t i = 0; i < lanes; ++i) store(to + i * far + t, r[i]);
      }
    }
    return;
  }
  if (far == pair && lanes == WIDTH) {
    for (int64_t t = 0; t < count; t += pair) {
      T *const f = to + t / pair * step;
      if (pair == 1) store(f, from[t ^ swap] * scale);
      else {
        vec a, b;
        woven((cx){from[t ^ swap] * scale, from[(t + 1) ^ swap] * scale}, &a, &b);
        store(f, a), store(f + WIDTH, b);
      }
    }
    return;
  }
  for (int64_t t = 0; t < count; ++t) {
    T *const f = to + t / pair * step + t % pair;
    const T *const v = (const T *)(from + (t ^ swap));
    for (int64_t i = 0; i < lanes; ++i) f[i * far] = v[i] * scale;
  }
}

/* -- real signals ------------------------------------------------------------------------------------------------------- */

/* The m + 1 first terms of 2 m real numbers, from the transform of their pairs taken as complex numbers; w: exp(-pi i k / m). */
INLINE void after(cx a, cx b, T re, T im, cx *low, cx *high) {
  const T half = (T)0.5;
  const cx even = {(a.re + b.re) * half, (a.im - b.im) * half}, odd = {(a.im + b.im) * half, (b.re - a.re) * half};
  const cx turned = cx_times(odd, re, im), gap = cx_sub(even, turned);
  *low = cx_add(even, turned), *high = (cx){gap.re, -gap.im};
}
/* Back: what the transform of pairs, parts exchanged, begins with. */
INLINE void before(cx a, cx b, T re, T im, cx *low, cx *high) {
  const cx even = {a.re + b.re, a.im - b.im}, gap = {a.re - b.re, a.im + b.im}, odd = cx_times(gap, re, -im);
  *low = (cx){even.im + odd.re, even.re - odd.im};
  *high = (cx){odd.re - even.im, even.re + odd.im};
}
static void real_after(const cx *z, cx *x, int64_t m, const T *w) {
  for (int64_t k = 0; 2 * k <= m; ++k) {
    cx low, high;
    after(z[k], z[k ? m - k : 0], w[2 * k], w[2 * k + 1], &low, &high);
    x[m - k] = high, x[k] = low;
  }
}
static void real_before(cx *x, cx *z, int64_t m, const T *w) {
  x[0].im = x[m].im = (vec){0};
  for (int64_t k = 0; 2 * k <= m; ++k) {
    cx low, high;
    before(x[k], x[m - k], w[2 * k], w[2 * k + 1], &low, &high);
    if (k) z[m - k] = high;
    z[k] = low;
  }
}

/* -- transforms of at most a few thousand terms ------------------------------------------------------------------------- */

static cx *run(const struct call *c, cx *a, cx *b, cx *t) {
  const struct plan *p = c->p;
  if (!p->chirp) return fft_run(a, b, t, p->length, p->radices, c->table);
  const int64_t n = p->terms;
  const T *chirp = c->table + p->chirps, *kernel = c->table + p->kernel;
  for (int64_t k = 0; k < n; ++k) a[k] = cx_times(a[k], chirp[2 * k], chirp[2 * k + 1]);
  memset((void *)(a + n), 0, (size_t)(p->length - n) * sizeof(cx));
  cx *z = fft_run(a, b, t, p->length, p->radices, c->table);
  for (int64_t k = 0; k < p->length; ++k) {
    const cx v = cx_times(z[k], kernel[2 * k], kernel[2 * k + 1]);
    z[k] = (cx){v.im, v.re};
  }
  z = fft_run(z, z == a ? b : a, t, p->length, p->radices, c->table);
  for (int64_t k = 0; k < n; ++k) z[k] = cx_times((cx){z[k].im, z[k].re}, chirp[2 * k], chirp[2 * k + 1]);
  return z;
}

static void group(const struct call *c, int64_t g) {
  const struct plan *p = c->p;
  const int64_t o = g / c->groups, at = (g - o * c->groups) * WIDTH, lanes = MIN(WIDTH, p->inner - at), n = p->n, m = n / 2;
  const T *const x = c->x + o * p->xo + at * p->xl;
  T *const y = c->y + o * p->yo + at * p->yl;
  const int64_t room = MAX(p->length, n) + 2;
  cx *a = SCRATCH(0, (size_t)(2 * room + room / 2) * sizeof(cx)), *b = a + room, *t = b + room, *z;
  if (p->kind == FORWARD || p->kind == BACKWARD) {
    const int64_t swap = p->kind == BACKWARD;
    bring((vec *)a, x, 2 * n, 2, p->xk, p->xl, lanes, swap);
    z = run(c, a, b, t);
    if (p->between) {
      const cx *const w = (const cx *)c->between + at / WIDTH * n;
      for (int64_t k = 0; k < n; ++k)
        z[k] = (cx){z[k].re * w[k].re - z[k].im * w[k].im, z[k].re * w[k].im + z[k].im * w[k].re};
    }
    give(y, (const vec *)z, 2 * n, 2, p->yk, p->yl, lanes, swap, c->scale);
  } else if (p->kind != HALF) {
    int64_t terms = m + 1;
    if (n % 2 == 0) {
      bring((vec *)a, x, n, 1, p->xk, p->xl, lanes, 0);
      z = run(c, a, b, t);
      cx *const to = z == a ? b : a;
      real_after(z, to, m, c->table + p->ends);
      z = to;
    } else {
      vec *const numbers = (vec *)b;
      bring(numbers, x, n, 1, p->xk, p->xl, lanes, 0);
      for (int64_t k = 0; k < n; ++k) a[k] = (cx){numbers[k], (vec){0}};
      z = run(c, a, b, t);
      z[0].im = (vec){0};
    }
    if (p->kind == WHOLE) {
      for (int64_t k = 1; 2 * k < n; ++k) z[n - k] = (cx){z[k].re, -z[k].im};
      terms = n;
    }
    give(y, (const vec *)z, 2 * terms, 2, p->yk, p->yl, lanes, 0, c->scale);
  } else {
    bring((vec *)b, x, 2 * (m + 1), 2, p->xk, p->xl, lanes, 0);
    if (n % 2 == 0) {
      real_before(b, a, m, c->table + p->ends);
      z = run(c, a, b, t);
      give(y, (const vec *)z, n, 1, p->yk, p->yl, lanes, 1, c->scale);
    } else {
      a[0] = (cx){(vec){0}, b[0].re};
      for (int64_t k = 1; k <= m; ++k) a[k] = (cx){b[k].im, b[k].re}, a[n - k] = (cx){-b[k].im, b[k].re};
      z = run(c, a, b, t);
      vec *const numbers = (vec *)(z == a ? b : a);
      for (int64_t k = 0; k < n; ++k) numbers[k] = z[k].im;
      give(y, numbers, n, 1, p->yk, p->yl, lanes, 0, c->scale);
    }
  }
}
static void task(void *context, int64_t begin, int64_t end) {
  for (int64_t g = begin; g < end; ++g) group(context, g);
}

/* All transforms of a plan. `table` and `between` are read where the plan says so. */
EXPORT void transform(const int64_t *plan, const T *table, const T *between, const T *x, T *y, T scale) {
  const struct plan *p = (const struct plan *)plan;
  struct call c = {p, table, between, x, y, scale, (p->inner + WIDTH - 1) / WIDTH};
  const int64_t groups = p->outer * c.groups;
  PARALLEL(task, &c, groups, grain_for(groups, p->length * WIDTH));
}

/* -- longer ones, each by one thread: columns into memory of its own, then rows -------------------------------------------- */

struct matrices {
  struct call columns, rows;
  int64_t xo, yo, bytes;
};
static void matrices_task(void *context, int64_t begin, int64_t end) {
  const struct matrices *c = context;
  struct call columns = c->columns, rows = c->rows;
  T *const half = SCRATCH(1, (size_t)c->bytes);
  columns.y = half, rows.x = half;
  for (int64_t i = begin; i < end; ++i) {
    columns.x = c->columns.x + i * c->xo, rows.y = c->rows.y + i * c->yo;
    for (int64_t g = 0; g < columns.groups; ++g) group(&columns, g);
    for (int64_t g = 0; g < rows.groups; ++g) group(&rows, g);
  }
}
/* `count` transforms, `xo` and `yo` apart, by the plans of `columns` and `rows` of one. */
EXPORT void matrices(const int64_t *columns, const int64_t *rows, const T *ctable, const T *rtable, const T *between, const T *x, T *y, int64_t count, int64_t xo, int64_t yo, T scale) {
  const struct plan *a = (const struct plan *)columns, *b = (const struct plan *)rows;
  struct matrices c = {{a, ctable, between, x, NULL, 1, (a->inner + WIDTH - 1) / WIDTH},
                       {b, rtable, between, NULL, y, scale, (b->inner + WIDTH - 1) / WIDTH},
                       xo, yo, a->n * b->n * 2 * (int64_t)sizeof(T)};
  PARALLEL(matrices_task, &c, count, grain_for(count, a->n * b->n));
}

/* -- the ends of long real transforms: one term in each lane ------------------------------------------------------------- */

struct ends {
  const T *x, *w;
  T *y, scale;
  int64_t m, pieces;
};
#define PIECE 4096

static void after_task(void *context, int64_t begin, int64_t end) {
  const struct ends *c = context;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = i / c->pieces, first = i % c->pieces * PIECE, last = MIN(first + PIECE, c->m / 2 + 1), m = c->m;
    const T *RESTRICT x = c->x + at * 2 * m, *RESTRICT w = c->w, half = c->scale / 2;
    T *RESTRICT y = c->y + at * 2 * (m + 1);
    for (int64_t k = first; k < last; ++k) {
      const T *const a = x + 2 * k, *const b = x + 2 * (k ? m - k : 0);
      const T er = (a[0] + b[0]) * half, ei = (a[1] - b[1]) * half, pr = (a[1] + b[1]) * half, pi = (b[0] - a[0]) * half;
      const T re = pr * w[2 * k] - pi * w[2 * k + 1], im = pr * w[2 * k + 1] + pi * w[2 * k];
      y[2 * (m - k)] = er - re, y[2 * (m - k) + 1] = im - ei;
      y[2 * k] = er + re, y[2 * k + 1] = ei + im;
    }
  }
}
static void before_task(void *context, int64_t begin, int64_t end) {
  const struct ends *c = context;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = i / c->pieces, first = i % c->pieces * PIECE, last = MIN(first + PIECE, c->m / 2 + 1), m = c->m;
    const T *RESTRICT x = c->x + at * 2 * (m + 1), *RESTRICT w = c->w;
    T *RESTRICT y = c->y + at * 2 * m;
    for (int64_t k = first; k < last; ++k) {
      const T *const a = x + 2 * k, *const b = x + 2 * (m - k);
      const T ai = k ? a[1] : 0, bi = k ? b[1] : 0;
      const T er = a[0] + b[0], ei = ai - bi, gr = a[0] - b[0], gi = ai + bi;
      const T re = gr * w[2 * k] + gi * w[2 * k + 1], im = gi * w[2 * k] - gr * w[2 * k + 1];
      if (k) y[2 * (m - k)] = er + im, y[2 * (m - k) + 1] = re - ei;
      y[2 * k] = er - im, y[2 * k + 1] = ei + re;
    }
  }
}
/* The first m + 1 terms of each of `rows` signals of 2 m numbers from their pairs' transform, or what that is made of. */
EXPORT void after_long(const T *x, const T *w, T *y, int64_t rows, int64_t m, T scale) {
  struct ends c = {x, w, y, scale, m, (m / 2 + PIECE) / PIECE};
  PARALLEL(after_task, &c, rows * c.pieces, grain_for(rows * c.pieces, MIN(PIECE, m)));
}
EXPORT void before_long(const T *x, const T *w, T *y, int64_t rows, int64_t m) {
  struct ends c = {x, w, y, 1, m, (m / 2 + PIECE) / PIECE};
  PARALLEL(before_task, &c, rows * c.pieces, grain_for(rows * c.pieces, MIN(PIECE, m)));
}
