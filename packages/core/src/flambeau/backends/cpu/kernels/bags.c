/* types: float double */
/* Sums or largest elements of rows of a table, bag by bag (embedding_bag), and what goes back to the table and to the samples' weights. */
#include "fb.h"
#include "fb_vec.h"

#define AHEAD 8                /* rows fetched in advance, */
#define FAR ((int64_t)1 << 19) /* from tables of more bytes than this */

struct call {
  const void *index;
  const int64_t *starts; /* where each bag begins, and where the last one ends */
  const T *table, *samples, *g;
  T *out, *sizes;
  int64_t n, skip, width, bags;
  int wide, mean, bad;
  const int64_t *heads, *places, *owner;
};
INLINE int64_t row_of(const struct call *c, int64_t i) {
  return c->wide ? ((const int64_t *)c->index)[i] : ((const int32_t *)c->index)[i];
}

#define STRIP 8 /* vectors of a row that are read in one go: rows lie far apart */
/* Columns `at` to at + count vectors of a bag, all in registers; of the last vector `part` elements. */
INLINE void sum_strip(const struct call *c, int64_t bag, int64_t at, const int count, const int64_t part, T size, int far, const int weighed) {
  const int64_t width = c->width, last = c->starts[c->bags];
  T *const y = c->out + bag * width + at;
  vec s[STRIP] = {{0}};
  for (int64_t i = c->starts[bag]; i < c->starts[bag + 1]; ++i) {
    const int64_t r = row_of(c, i);
    if (far && i + AHEAD < last) {
      const int64_t next = row_of(c, i + AHEAD);
      if ((uint64_t)next < (uint64_t)c->n)
        for (int64_t k = 0; k < count; ++k) __builtin_prefetch(c->table + next * width + at + k * WIDTH);
    }
    if (r == c->skip) continue;
    const T *const x = c->table + r * width + at;
    for (int k = 0; k < count; ++k) {
      const vec v = part == WIDTH ? load(x + k * WIDTH) : load_head(x, part, 0);
      s[k] += weighed ? v * c->samples[i] : v;
    }
  }
  for (int k = 0; k < count; ++k)
    if (part == WIDTH) store(y + k * WIDTH, s[k] / size);
    else store_head(y, s[k] / size, part);
}
INLINE void sum_bag(const struct call *c, int64_t bag, T size, int far, const int weighed) {
  const int64_t width = c->width;
  int64_t at = 0;
  for (; at + STRIP * WIDTH <= width; at += STRIP * WIDTH) sum_strip(c, bag, at, STRIP, WIDTH, size, far, weighed);
  if (at + 4 * WIDTH <= width) sum_strip(c, bag, at, 4, WIDTH, size, far, weighed), at += 4 * WIDTH;
  if (at + 2 * WIDTH <= width) sum_strip(c, bag, at, 2, WIDTH, size, far, weighed), at += 2 * WIDTH;
  if (at + WIDTH <= width) sum_strip(c, bag, at, 1, WIDTH, size, far, weighed), at += WIDTH;
  if (at < width) sum_strip(c, bag, at, 1, width - at, size, far, weighed);
}
static void sum_task(void *context, int64_t begin, int64_t end) {
  struct call *c = context;
  const int64_t width = c->width;
  const int far = c->n * width * (int64_t)sizeof(T) > FAR;
  for (int64_t b = begin; b < end; ++b) {
    int64_t held = 0;
    int bad = 0;
    for (int64_t i = c->starts[b]; i < c->starts[b + 1]; ++i) {
      const int64_t r = row_of(c, i);
      bad |= r < 0 || r >= c->n;
      held += r != c->skip;
    }
    if (bad) {
      __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
      continue;
    }
    const T size = c->mean ? (T)MAX(1, held) : 1;
    c->sizes[b] = size;
    if (c->samples) sum_bag(c, b, size, far, 1);
    else sum_bag(c, b, size, far, 0);
  }
}
/* The sums (`mean`: divided by how many rows) and the numbers that they were divided by; 1 if an index is out of range. Rows `skip` are
 * left out. samples: NULL, or what each row is multiplied by.
 */
EXPORT int bags_sum(const void *index, const int64_t *starts, const T *table, const T *samples, T *out, T *sizes, int64_t n, int64_t skip, int64_t width, int64_t bags, int wide, int mean) {
  struct call c = {.index = index, .starts = starts, .table = table, .samples = samples, .out = out, .sizes = sizes,
                   .n = n, .skip = skip, .width = width, .bags = bags, .wide = wide, .mean = mean};
  PARALLEL(sum_task, &c, bags, grain_for(bags, (starts[bags] / MAX(1, bags) + 1) * width));
  return c.bad;
}

/* -- largest elements: NaN where there is one, the first of equals ------------------------------------------------------ */

#if defined(T_FLOAT32)
typedef int32_t place;
#else
typedef int64_t place;
#endif
struct extremes {
  struct call c;
  place *places; /* the row that each element comes from, -1 of bags without rows */
};
static void max_task(void *context, int64_t begin, int64_t end) {
  struct extremes *e = context;
  struct call *c = &e->c;
  const int64_t width = c->width;
  for (int64_t b = begin; b < end; ++b) {
    T *RESTRICT y = c->out + b * width;
    place *RESTRICT at = e->places + b * width;
    int64_t held = 0;
    for (int64_t k = 0; k < width; ++k) y[k] = 0, at[k] = -1;
    for (int64_t i = c->starts[b]; i < c->starts[b + 1]; ++i) {
      const int64_t r = row_of(c, i);
      if (r < 0 || r >= c->n) {
        __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
        break;
      }
      if (r == c->skip) continue;
      const T *RESTRICT x = c->table + r * width;
      const place first = held++ == 0;
#pragma omp simd
      for (int64_t k = 0; k < width; ++k) { /* one choice at a time, which compilers vectorise */
        const T v = x[k], best = y[k];
        const place odd = best != best ? 0 : v != v ? 1 : 0, more = v > best ? 1 : odd, take = first ? 1 : more;
        y[k] = take ? v : best;
        at[k] = take ? (place)r : at[k];
      }
    }
  }
}
/* 1 if an index is out of range. Rows `skip` are left out; a bag without rows is 0. */
EXPORT int bags_max(const void *index, const int64_t *starts, const T *table, T *out, void *places, int64_t n, int64_t skip, int64_t width, int64_t bags, int wide) {
  struct extremes e = {{.index = index, .starts = starts, .table = table, .out = out, .n = n, .skip = skip, .width = width, .bags = bags,
                        .wide = wide}, places};
  PARALLEL(max_task, &e, bags, grain_for(bags, (starts[bags] / MAX(1, bags) + 1) * width));
  return e.c.bad;
}
/* Every thread goes over all bags, and has columns of its own: several bags may have taken the same element. */
#define LINE ((int64_t)(64 / sizeof(T)))
static void max_spread_task(void *context, int64_t begin, int64_t end) {
  const struct extremes *e = context;
  const int64_t width = e->c.width, from = begin * LINE, to = MIN(width, end * LINE);
  for (int64_t r = 0; r < e->c.n; ++r) memset(e->c.out + r * width + from, 0, (size_t)(to - from) * sizeof(T));
  for (int64_t b = 0; b < e->c.bags; ++b)
    for (int64_t k = from; k < to; ++k) {
      const place r = e->places[b * width + k];
      if (r >= 0) e->c.out[r * width + k] += e->c.g[b * width + k];
    }
}
EXPORT void bags_max_spread(const T *g, void *places, T *out, int64_t n, int64_t width, int64_t bags) {
  struct extremes e = {{.g = g, .out = out, .n = n, .width = width, .bags = bags}, places};
  PARALLEL(max_spread_task, &e, (width + LINE - 1) / LINE, 1);
}

/* -- gradients of sums --------------------------------------------------------------------------------------------------- */

static void spread_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const int64_t width = c->width;
  for (int64_t r = begin; r < end; ++r) {
    T *RESTRICT y = c->out + r * width;
    for (int64_t k = 0; k < width; ++k) y[k] = 0;
    if (r == c->skip) continue;
    for (int64_t p = c->heads[r]; p < c->heads[r + 1]; ++p) {
      const int64_t i = c->places[p], b = c->owner[i];
      const T *RESTRICT g = c->g + b * width, by = (c->samples ? c->samples[i] : 1) / c->sizes[b];
#pragma omp simd
      for (int64_t k = 0; k < width; ++k) y[k] += g[k] * by;
    }
  }
}
static void dots_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t b = begin; b < end; ++b)
    for (int64_t i = c->starts[b]; i < c->starts[b + 1]; ++i) {
      const int64_t r = row_of(c, i);
      const T *RESTRICT g = c->g + b * c->width, *RESTRICT x = c->table + r * c->width;
      T s = 0;
      if (r != c->skip)
#pragma omp simd reduction(+ : s)
        for (int64_t k = 0; k < c->width; ++k) s += g[k] * x[k];
      c->out[i] = s;
    }
}
/* The table's gradient. Rows are put in order by counting, so that each is written once. work: n + 1 + 2 count numbers. */
EXPORT void bags_spread(const void *index, const int64_t *starts, const T *g, const T *samples, T *sizes, T *out, int64_t *work, int64_t n, int64_t skip, int64_t width, int64_t bags, int wide) {
  const int64_t count = starts[bags];
  int64_t *const heads = work, *const places = work + n + 1, *const owner = places + count;
  struct call c = {.index = index, .starts = starts, .g = g, .samples = samples, .sizes = sizes, .out = out, .n = n, .skip = skip,
                   .width = width, .bags = bags, .wide = wide, .heads = heads, .places = places, .owner = owner};
  for (int64_t r = 0; r <= n; ++r) heads[r] = 0;
  for (int64_t b = 0; b < bags; ++b) for (int64_t i = starts[b]; i < starts[b + 1]; ++i) owner[i] = b, ++heads[row_of(&c, i)];
  for (int64_t r = 0, before = 0; r <= n; ++r) {
    const int64_t here = heads[r];
    heads[r] = before, before += here;
  }
  for (int64_t i = 0; i < count; ++i) places[heads[row_of(&c, i)]++] = i;
  for (int64_t r = n; r > 0; --r) heads[r] = heads[r - 1];
  heads[0] = 0;
  PARALLEL(spread_task, &c, n, grain_for(n, (count / MAX(1, n) + 1) * width));
}
/* The gradient of what rows are multiplied by. */
EXPORT void bags_dots(const void *index, const int64_t *starts, const T *table, const T *g, T *out, int64_t n, int64_t skip, int64_t width, int64_t bags, int wide) {
  struct call c = {.index = index, .starts = starts, .table = table, .g = g, .out = out, .n = n, .skip = skip, .width = width,
                   .bags = bags, .wide = wide};
  PARALLEL(dots_task, &c, bags, grain_for(bags, (starts[bags] / MAX(1, bags) + 1) * width));
}
