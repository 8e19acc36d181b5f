/* types: float double */
/* Elements picked by indices: whole rows (index_select, embedding) and single elements along a dimension (gather).
 *
 * Nothing is read at an index out of range, and the caller is told. T stands for any type of its size: nothing is computed.
 */
#include "fb.h"
#include "fb_vec.h"

struct call {
  const char *x;
  const void *index;
  char *y;
  int64_t n, count, bytes; /* rows to pick from, picked, and the bytes of one */
  int64_t end, inner;      /* what is added to negative indices: n, or 0 where they are out of range */
  int wide, past, bad;
};

INLINE int64_t index_at(const void *index, int64_t i, int wide) {
  return wide ? ((const int64_t *)index)[i] : (int64_t)((const int32_t *)index)[i];
}

/* Rows of so many bytes are fetched ahead: no prefetcher sees them coming, and longer ones are seen after their first lines. Not of
 * a table that a second-level cache holds most of. */
#define AHEAD 4
#define TABLE ((int64_t)4 << 20)
#define SHORTEST 256
#define LONGEST 4096
/* Table and result together that no cache holds: three times 32 MB. What fits is written through the cache, 0.25 instead of 0.42 ms for
 * 2048 rows of 8 KB on two threads; one thread writes faster past it (0.42, 0.57 through it). */
#define NOT_KEPT ((int64_t)96 << 20)

INLINE void fetch(const struct call *c, const char *x, int64_t j, int64_t bytes, int wide) {
  int64_t i = index_at(c->index, j, wide);
  i += i < 0 ? c->end : 0;
  if ((uint64_t)i < (uint64_t)c->n)
    for (int64_t b = 0; b < bytes; b += 64) __builtin_prefetch(x + i * bytes + b);
}

INLINE void copy_row(char *RESTRICT to, const char *RESTRICT from, int64_t bytes, int past) {
  int64_t i = 0;
  if (past)
    for (; i < bytes; i += VECTOR_BYTES) stream((T *)(to + i), load((const T *)(from + i)));
  else
    memcpy(to, from, (size_t)bytes);
}

INLINE int rows_loop(const struct call *c, int64_t begin, int64_t end, int wide, int64_t bytes, int past) {
  const int ahead = bytes >= SHORTEST && bytes <= LONGEST && c->n * bytes >= TABLE;
  int bad = 0;
  while (begin < end) { /* item = (outer, row); those of one outer together */
    const int64_t o = begin / c->count, first = begin - o * c->count, last = MIN(c->count, first + end - begin);
    const char *x = c->x + o * c->n * bytes;
    char *y = c->y + o * c->count * bytes;
    for (int64_t j = first; j < last; ++j) {
      int64_t i = index_at(c->index, j, wide);
      i += i < 0 ? c->end : 0;
      if (ahead && j + AHEAD < c->count) fetch(c, x, j + AHEAD, bytes, wide);
      if ((uint64_t)i >= (uint64_t)c->n) bad = 1;
      else copy_row(y + j * bytes, x + i * bytes, bytes, past);
    }
    begin += last - first;
  }
  return bad;
}
static void rows_task(void *context, int64_t begin, int64_t end) {
  struct call *c = context;
  int bad;
  if (c->past) {
    bad = rows_loop(c, begin, end, c->wide, c->bytes, 1);
    stream_end();
  } else if (c->bytes == 4) bad = rows_loop(c, begin, end, c->wide, 4, 0);
  else if (c->bytes == 8) bad = rows_loop(c, begin, end, c->wide, 8, 0);
  else bad = rows_loop(c, begin, end, c->wide, c->bytes, 0);
  if (bad) __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
}

/* Single elements of many rows, by one list of places that has been looked through: 0.3 instead of 1.3 ns each. */
struct picking {
  const char *x;
  char *y;
  const int32_t *places;
  int64_t n, count, bytes;
};
#define PICK(U)                                                                                                         \
  static void pick_##U(const struct picking *c, int64_t begin, int64_t end) {                                           \
    for (int64_t o = begin; o < end; ++o) {                                                                             \
      const U *RESTRICT x = (const U *)c->x + o * c->n;                                                                 \
      U *RESTRICT y = (U *)c->y + o * c->count;                                                                         \
      const int32_t *RESTRICT at = c->places;                                                                           \
      if (o + 1 < end && c->n <= (1 << 14) && c->count * 16 >= c->n) /* as in gather_task */                            \
        for (int64_t i = 0; i < c->n; i += 64 / (int64_t)sizeof(U)) __builtin_prefetch(x + c->n + i);                   \
      for (int64_t j = 0; j < c->count; ++j) y[j] = x[at[j]];                                                           \
    }                                                                                                                   \
  }
PICK(uint32_t) PICK(uint64_t)
static void pick_task(void *context, int64_t begin, int64_t end) {
  const struct picking *c = context;
  if (c->bytes == 4) pick_uint32_t(c, begin, end);
  else pick_uint64_t(c, begin, end);
}
/* -1: there is no memory for the list. */
static int pick_all(const void *x, const void *index, void *y, int64_t outer, int64_t n, int64_t end, int64_t count, int64_t bytes, int wide) {
  int32_t *places = SCRATCH(0, (size_t)count * sizeof *places);
  if (!places) return -1;
  for (int64_t j = 0; j < count; ++j) {
    int64_t i = index_at(index, j, wide);
    i += i < 0 ? end : 0;
    if ((uint64_t)i >= (uint64_t)n) return 1;
    places[j] = (int32_t)i;
  }
  struct picking c = {x, y, places, n, count, bytes};
  PARALLEL(pick_task, &c, outer, grain_for(outer, count));
  return 0;
}

/* y[o][j] = x[o][index[j]], rows of so many bytes; negative indices count `from_end`, or are out of range. 1: one is out of range. */
EXPORT int rows(const T *x, const void *index, T *y, int64_t outer, int64_t n, int64_t count, int64_t bytes, int wide, int from_end) {
  struct call c = {.x = (const char *)x, .index = index, .y = (char *)y, .n = n, .end = from_end ? n : 0, .count = count, .bytes = bytes, .wide = wide};
  const int64_t result = outer * count * bytes, touched = result + outer * n * bytes;
  if ((bytes == 4 || bytes == 8) && outer > 2 && n < (int64_t)1 << 31) {
    const int bad = pick_all(x, index, y, outer, n, c.end, count, bytes, wide);
    if (bad >= 0) return bad;
  }
  c.past = bytes % VECTOR_BYTES == 0 && (uintptr_t)y % VECTOR_BYTES == 0 && (fb->threads() == 1 ? result >= STREAM_FROM : touched >= NOT_KEPT);
  PARALLEL(rows_task, &c, outer * count, grain_for(outer * count, MAX(1, bytes / 4)));
  return c.bad;
}

INLINE int gather_row(const T *RESTRICT x, const void *index, int64_t first, T *RESTRICT y, int64_t n, int64_t inner, int64_t k, int wide) {
  uint64_t most = 0;
  if (inner == 1)
    for (int64_t j = 0; j < k; ++j) {
      uint64_t i = (uint64_t)index_at(index, first + j, wide);
      __asm__("" : "+r"(i)); /* keeps the loop scalar: gathering instructions gain nothing */
      most = i > most ? i : most;
      y[j] = x[i < (uint64_t)n ? i : 0];
    }
  else
    for (int64_t j = 0; j < k; ++j)
      for (int64_t l = 0; l < inner; ++l) {
        const uint64_t i = (uint64_t)index_at(index, first + j * inner + l, wide);
        most = i > most ? i : most;
        y[j * inner + l] = x[(int64_t)(i < (uint64_t)n ? i : 0) * inner + l];
      }
  return most >= (uint64_t)n;
}
static void gather_task(void *context, int64_t begin, int64_t end) {
  struct call *c = context;
  int bad = 0;
  while (begin < end) {
    const int64_t o = begin / c->count, first = begin - o * c->count, last = MIN(c->count, first + end - begin);
    const T *x = (const T *)c->x + o * c->n * c->inner;
    const int64_t at = (o * c->count + first) * c->inner;
    /* The next row is fetched in order: element by element no prefetcher sees it coming, 1.2 instead of 0.6 ns each. */
    if (end - begin > last - first && c->n * c->inner <= (1 << 14) && c->count * 16 >= c->n)
      for (int64_t i = 0; i < c->n * c->inner; i += 64 / (int64_t)sizeof(T)) __builtin_prefetch(x + c->n * c->inner + i);
    if (c->wide) bad |= gather_row(x, c->index, at, (T *)c->y + at, c->n, c->inner, last - first, 1);
    else bad |= gather_row(x, c->index, at, (T *)c->y + at, c->n, c->inner, last - first, 0);
    begin += last - first;
  }
  if (bad) __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
}

/* y[o][j][l] = x[o][index[o][j][l]][l]; no negative indices. 1: one is out of range. */
EXPORT int gather(const T *x, const void *index, T *y, int64_t outer, int64_t n, int64_t count, int64_t inner, int wide) {
  struct call c = {.x = (const char *)x, .index = index, .y = (char *)y, .n = n, .count = count, .inner = inner, .wide = wide};
  PARALLEL(gather_task, &c, outer * count, grain_for(outer * count, inner));
  return c.bad;
}

/* -- several indices at once: the rows that they name together ---------------------------------------------------------- */

struct naming {
  const void *index;
  int64_t *rows, n, end;
  int wide, first, bad;
};
static void name_task(void *context, int64_t begin, int64_t end) {
  struct naming *c = context;
  int bad = 0;
  for (int64_t j = begin; j < end; ++j) {
    int64_t i = index_at(c->index, j, c->wide);
    i += i < 0 ? c->end : 0;
    bad |= (uint64_t)i >= (uint64_t)c->n;
    c->rows[j] = c->first ? i : c->rows[j] * c->n + i;
  }
  if (bad) __atomic_store_n(&c->bad, 1, __ATOMIC_RELAXED);
}

/* rows = rows * n + index (`first`: index), negative ones counted `from_end`, or out of range. 1: one is out of range. */
EXPORT int name_rows(int64_t *rows, const void *index, int64_t n, int64_t count, int wide, int from_end, int first) {
  struct naming c = {index, rows, n, from_end ? n : 0, wide, first, 0};
  PARALLEL(name_task, &c, count, 1 << 15);
  return c.bad;
}
