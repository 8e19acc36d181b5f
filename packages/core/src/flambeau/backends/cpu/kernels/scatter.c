/* types: float double int64_t int32_t */
/* Elements and rows added where indices point: scatter_add, and the gradients of gather, index_select and embedding.
 *
 * What goes to one place is added in the order in which it comes, by one thread: the result does not depend on the threads.
 * Indices are looked through before anything is written.
 */
#include "fb.h"
#include "fb_vec.h"

struct call {
  const T *x, *src;
  const void *index;
  T *y;
  int64_t n, count, inner, outer, columns, blocks, skip;
  int64_t *starts, *order;
  int wide, bad, negative, past, how, rows; /* rows: one index for each row of src */
};
enum { ADD, SET, MULTIPLY, LARGEST, SMALLEST }; /* how what is there and what comes become one; NaN is larger and smaller than all */

INLINE int64_t index_at(const void *index, int64_t i, int wide) {
  return wide ? ((const int64_t *)index)[i] : (int64_t)((const int32_t *)index)[i];
}

INLINE int outside(const void *index, int64_t begin, int64_t end, int64_t low, int64_t high, int wide) {
  int64_t least = 0, most = -1;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t v = index_at(index, i, wide);
    least = v < least ? v : least;
    most = v > most ? v : most;
  }
  return least < low || most >= high;
}
static void look_task(void *context, int64_t begin, int64_t end) {
  struct call *c = context;
  const int64_t low = c->negative ? -c->n : 0;
  if (c->wide ? outside(c->index, begin, end, low, c->n, 1) : outside(c->index, begin, end, low, c->n, 0))
    __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
}

INLINE T joined(T a, T b, int how) {
  switch (how) {
    case ADD: return a + b;
    case SET: return b;
    case MULTIPLY: return a * b;
    case LARGEST: { const T m = a > b ? a : b; return a != a ? a : m; } /* one instruction, and a branch that is never taken */
    default: { const T m = a < b ? a : b; return a != a ? a : m; }
  }
}

/* Item = (outer, block of columns): all of what is added there. */
INLINE void join_block(const struct call *c, int64_t o, int64_t first, int64_t m, int wide, int how) {
  const int64_t step = c->inner, from = o * c->count * step + first;
  T *RESTRICT y = c->y + o * c->n * step + first;
  const T *RESTRICT src = c->src + from;
  if (c->rows) {
    for (int64_t j = 0; j < c->count; ++j) {
      int64_t i = index_at(c->index, j, wide);
      i += i < 0 ? c->n : 0;
      if (i == c->skip) continue;
      T *RESTRICT at = y + i * step;
      if (step == 1) *at = joined(*at, src[j], how);
      else
#pragma omp simd
        for (int64_t l = 0; l < m; ++l) at[l] = joined(at[l], src[j * step + l], how);
    }
    return;
  }
  if (step == 1) {
    for (int64_t j = 0; j < c->count; ++j) {
      T *const at = y + index_at(c->index, from + j, wide);
      *at = joined(*at, src[j], how);
    }
    return;
  }
  for (int64_t j = 0; j < c->count; ++j)
    for (int64_t l = 0; l < m; ++l) {
      T *const at = y + index_at(c->index, from + j * step + l, wide) * step + l;
      *at = joined(*at, src[j * step + l], how);
    }
}
INLINE void add_block(const struct call *c, int64_t o, int64_t first, int64_t m, int wide) {
  switch (c->how) {
    case ADD: join_block(c, o, first, m, wide, ADD); break;
    case SET: join_block(c, o, first, m, wide, SET); break;
    case MULTIPLY: join_block(c, o, first, m, wide, MULTIPLY); break;
    case LARGEST: join_block(c, o, first, m, wide, LARGEST); break;
    default: join_block(c, o, first, m, wide, SMALLEST);
  }
}
static void add_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t o = item / c->blocks, first = item % c->blocks * c->columns, m = MIN(c->columns, c->inner - first);
    T *y = c->y + o * c->n * c->inner + first;
    const T *x = c->x ? c->x + o * c->n * c->inner + first : 0;
    const int whole = m == c->inner; /* then all rows are one */
    for (int64_t i = 0; i < (whole ? 1 : c->n); ++i) {
      const size_t bytes = (size_t)(whole ? c->n * m : m) * sizeof(T);
      if (x) memcpy(y + i * c->inner, x + i * c->inner, bytes);
      else memset(y + i * c->inner, 0, bytes);
    }
    if (c->wide) add_block(c, o, first, m, 1);
    else add_block(c, o, first, m, 0);
  }
}

/* y = x (null: zeros), and y[o][index[o][j][l]][l] += src[o][j][l], or joined otherwise. 1: an index is out of range, nothing is written. */
EXPORT int add(const T *x, const void *index, const T *src, T *y, int64_t outer, int64_t n, int64_t count, int64_t inner, int wide, int how) {
  struct call c = {.x = x, .index = index, .src = src, .y = y, .n = n, .count = count, .inner = inner, .wide = wide, .how = how};
  PARALLEL(look_task, &c, outer * count * inner, 1 << 15);
  if (c.bad) return 1;
  c.columns = MAX(16, MIN(inner, 64));
  c.blocks = inner == 1 ? 1 : (inner + c.columns - 1) / c.columns;
  PARALLEL(add_task, &c, outer * c.blocks, grain_for(outer * c.blocks, (n + count) * MIN(inner, c.columns)));
  return 0;
}

/* The same with one index for each row of src, wherever in the row: y[o][index[j]][l] is joined with src[o][j][l]. Negative indices count
 * `from_end`, or are out of range; rows that go to `skip` are left out. */
EXPORT int join_rows(const T *x, const void *index, const T *src, T *y, int64_t outer, int64_t n, int64_t count, int64_t inner, int64_t skip, int wide, int from_end, int how) {
  struct call c = {.x = x, .index = index, .src = src, .y = y, .n = n, .count = count, .inner = inner, .skip = skip, .wide = wide,
                   .negative = from_end, .how = how, .rows = 1};
  PARALLEL(look_task, &c, count, 1 << 15);
  if (c.bad) return 1;
  c.columns = MAX(64, MIN(inner, 1024));
  c.blocks = inner == 1 ? 1 : (inner + c.columns - 1) / c.columns;
  PARALLEL(add_task, &c, outer * c.blocks, grain_for(outer * c.blocks, (n + count) * MIN(inner, c.columns)));
  return 0;
}

/* Eight vectors of a row at a time, then one, then the part that is left: each stays in a register while all that goes there is added. */
#define HELD 8
INLINE void sum_rows(const struct call *c, int64_t o, int64_t row, int past) {
  const int64_t m = c->inner, from = c->starts[row], to = c->starts[row + 1], *order = c->order;
  const T *g = c->src + o * c->count * m;
  T *y = c->y + (o * c->n + row) * m;
  const T *x = c->x ? c->x + (o * c->n + row) * m : 0;
  int64_t i = 0;
  for (; i + HELD * WIDTH <= m; i += HELD * WIDTH) {
    vec held[HELD];
    for (int k = 0; k < HELD; ++k) held[k] = x ? load(x + i + k * WIDTH) : (vec){0};
    for (int64_t j = from; j < to; ++j)
      for (int k = 0; k < HELD; ++k) held[k] += load(g + order[j] * m + i + k * WIDTH);
    for (int k = 0; k < HELD; ++k) put(y + i + k * WIDTH, held[k], past);
  }
  for (; i + WIDTH <= m; i += WIDTH) {
    vec v = x ? load(x + i) : (vec){0};
    for (int64_t j = from; j < to; ++j) v += load(g + order[j] * m + i);
    put(y + i, v, past);
  }
  if (i == m) return;
  vec v = x ? load_head(x + i, m - i, 0) : (vec){0};
  for (int64_t j = from; j < to; ++j) v += load_head(g + order[j] * m + i, m - i, 0);
  store_head(y + i, v, m - i);
}
static void sum_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    if (c->past) sum_rows(c, item / c->n, item % c->n, 1);
    else sum_rows(c, item / c->n, item % c->n, 0);
  }
  if (c->past) stream_end();
}

/* Rows sorted by where they go, in a stable way, by counting. */
INLINE void sort_rows(const struct call *c, int wide) {
  memset(c->starts, 0, (size_t)(c->n + 2) * sizeof(int64_t));
  int64_t *counts = c->starts + 2;
  for (int64_t j = 0; j < c->count; ++j) {
    int64_t i = index_at(c->index, j, wide);
    i += i < 0 ? c->n : 0;
    if (i != c->skip) ++counts[i];
  }
  for (int64_t i = 1; i < c->n; ++i) counts[i] += counts[i - 1];
  /* starts[i + 1] is where row i's next one goes; when all are placed it is where row i + 1 begins */
  for (int64_t j = 0; j < c->count; ++j) {
    int64_t i = index_at(c->index, j, wide);
    i += i < 0 ? c->n : 0;
    if (i != c->skip) c->order[c->starts[i + 1]++] = j;
  }
}

/* y = x (null: zeros), and y[o][index[j]] += g[o][j], rows of `inner`; negative indices count `from_end`, or are out of range;
 * those of row `skip` are left out. work: n + 2 + count. 1: an index is out of range, nothing is written. */
EXPORT int add_rows(const T *x, const void *index, const T *g, T *y, int64_t *work, int64_t outer, int64_t n, int64_t count, int64_t inner, int64_t skip, int wide, int from_end) {
  struct call c = {.x = x, .index = index, .src = g, .y = y, .n = n, .count = count, .inner = inner, .skip = skip, .wide = wide,
                   .negative = from_end, .starts = work, .order = work + n + 2};
  PARALLEL(look_task, &c, count, 1 << 15);
  if (c.bad) return 1;
  if (wide) sort_rows(&c, 1);
  else sort_rows(&c, 0);
  c.past = (uintptr_t)y % VECTOR_BYTES == 0 && inner % WIDTH == 0 && outer * n * inner * (int64_t)sizeof(T) >= STREAM_FROM;
  PARALLEL(sum_task, &c, outer * n, grain_for(outer * n, inner));
  return 0;
}
