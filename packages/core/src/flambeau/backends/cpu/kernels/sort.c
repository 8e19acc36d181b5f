/* types: float double int64_t int32_t uint8_t */
/* Rows in order, and the first few of rows: stable, NaN as the largest, -0 and 0 as equals.
 *
 * An element becomes a whole number in the order of the elements, with its place beside it, so that no two are equal. Such
 * items are sorted by the bytes of the number, the lowest first (radix sort); bytes in which all agree are passed over. One
 * long row is sorted by all threads, each pass in fixed blocks.
 */
#include "fb.h"

#if defined(T_FLOAT32)
typedef uint32_t KEY;
typedef int32_t BITS;
#define FLOATS 1
#elif defined(T_FLOAT64)
typedef uint64_t KEY;
typedef int64_t BITS;
#define FLOATS 1
#elif defined(T_INT64)
typedef uint64_t KEY;
#else
typedef uint32_t KEY;
#endif
#define BYTES ((int)sizeof(KEY))
#define TOP ((KEY)1 << (8 * sizeof(KEY) - 1))

/* The number of an element; `turn` is 0, or all ones to count downwards. */
INLINE KEY key_of(T x, KEY turn) {
#ifdef FLOATS
  BITS bits;
  const T plain = x + (T)0; /* -0 + 0 is 0 */
  memcpy(&bits, &plain, sizeof bits);
  const KEY ordered = (KEY)bits ^ ((KEY)(bits >> (8 * sizeof(KEY) - 1)) | TOP);
  return (x != x ? ~(KEY)0 : ordered) ^ turn;
#elif defined(T_UINT8)
  return (KEY)x ^ turn;
#else
  return ((KEY)x ^ TOP) ^ turn;
#endif
}

#if defined(T_FLOAT64) || defined(T_INT64)
typedef struct { uint64_t key, at; } item;
INLINE item item_of(KEY key, int64_t at) { return (item){key, (uint64_t)at}; }
INLINE int before(item a, item b) { return a.key < b.key || (a.key == b.key && a.at < b.at); }
INLINE int64_t at_of(item a) { return (int64_t)a.at; }
INLINE KEY key_in(item a) { return a.key; }
#else
typedef uint64_t item;
INLINE item item_of(KEY key, int64_t at) { return (uint64_t)key << 32 | (uint64_t)at; }
INLINE int before(item a, item b) { return a < b; }
INLINE int64_t at_of(item a) { return (int64_t)(a & 0xFFFFFFFF); }
INLINE KEY key_in(item a) { return (KEY)(a >> 32); }
#endif

#define FEW 48 /* items that are sorted by insertion */

static void insert(item *x, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    const item v = x[i];
    int64_t j = i;
    for (; j > 0 && before(v, x[j - 1]); --j) x[j] = x[j - 1];
    x[j] = v;
  }
}

/* n items in order, in x or in y: where, is returned. */
static item *sort_items(item *x, item *y, int64_t n) {
  if (n <= FEW) {
    insert(x, n);
    return x;
  }
  uint32_t count[sizeof(KEY)][256];
  memset(count, 0, sizeof count);
  for (int64_t i = 0; i < n; ++i) {
    const KEY k = key_in(x[i]);
    for (int b = 0; b < BYTES; ++b) ++count[b][k >> 8 * b & 255];
  }
  for (int b = 0; b < BYTES; ++b) {
    if (count[b][key_in(x[0]) >> 8 * b & 255] == n) continue;
    uint32_t at = 0;
    for (int v = 0; v < 256; ++v) {
      const uint32_t here = count[b][v];
      count[b][v] = at;
      at += here;
    }
    for (int64_t i = 0; i < n; ++i) y[count[b][key_in(x[i]) >> 8 * b & 255]++] = x[i];
    item *const t = x;
    x = y, y = t;
  }
  return x;
}

/* -- rows by themselves --------------------------------------------------------------------------------------------- */

struct sorting {
  const T *x;
  T *values;
  int64_t *places;
  int64_t n, k;
  KEY turn;
  int64_t rows;
};

INLINE void put(const struct sorting *s, int64_t row, const item *in, int64_t from, int64_t to) {
  const T *x = s->x + row * s->n;
  for (int64_t i = from; i < to; ++i) {
    const int64_t at = at_of(in[i]);
    s->values[row * s->k + i] = x[at];
    s->places[row * s->k + i] = at;
  }
}

static void sort_rows(void *context, int64_t begin, int64_t end) {
  const struct sorting *s = context;
  item *const a = SCRATCH(0, (size_t)(2 * s->n) * sizeof(item));
  for (int64_t row = begin; row < end; ++row) {
    const T *x = s->x + row * s->n;
    for (int64_t i = 0; i < s->n; ++i) a[i] = item_of(key_of(x[i], s->turn), i);
    put(s, row, sort_items(a, a + s->n, s->n), 0, s->n);
  }
}

/* -- many short rows: as many at a time as a vector has lanes, by exchanges that do not look at the elements --------------- */

#if !defined(T_FLOAT64) && !defined(T_INT64)
#define SIDE ((int64_t)(VECTOR_BYTES / sizeof(item)))
#define NETWORK 512 /* the longest row: as many vectors stay in the first-level cache */

INLINE void exchange(item *RESTRICT a, item *RESTRICT b) {
  _Pragma("omp simd") for (int64_t l = 0; l < SIDE; ++l) {
    const item x = a[l], y = b[l];
    a[l] = MIN(x, y), b[l] = MAX(x, y);
  }
}

/* Batcher's merge exchange (Knuth, volume 3, 5.2.2 M), for any n. */
static void sort_lanes(item *x, int64_t n) {
  int64_t top = 1;
  while (2 * top < n) top *= 2;
  for (int64_t p = top; p > 0; p /= 2) {
    for (int64_t q = top, r = 0, d = p;; d = q - p, q /= 2, r = p) {
      /* i from 0 below n - d with (i & p) == r: runs of p */
      for (int64_t run = r; run < n - d; run += 2 * p)
        for (int64_t i = run; i < MIN(run + p, n - d); ++i) exchange(x + i * SIDE, x + (i + d) * SIDE);
      if (q == p) break;
    }
  }
}

/* `begin` and `end` count groups of SIDE rows. */
static void sort_groups(void *context, int64_t begin, int64_t end) {
  const struct sorting *s = context;
  const int64_t n = s->n;
  item a[NETWORK * (VECTOR_BYTES / sizeof(item))] __attribute__((aligned(64)));
  for (int64_t g = begin; g < end; ++g) {
    const int64_t first = g * SIDE, rows = MIN(SIDE, s->rows - first);
    for (int64_t l = 0; l < SIDE; ++l) {
      const T *x = s->x + (first + MIN(l, rows - 1)) * n;
      for (int64_t i = 0; i < n; ++i) a[i * SIDE + l] = item_of(key_of(x[i], s->turn), i);
    }
    sort_lanes(a, n);
    for (int64_t l = 0; l < rows; ++l) {
      const T *x = s->x + (first + l) * n;
      T *values = s->values + (first + l) * n;
      int64_t *places = s->places + (first + l) * n;
      for (int64_t i = 0; i < n; ++i) {
        const int64_t at = at_of(a[i * SIDE + l]);
        places[i] = at, values[i] = x[at];
      }
    }
  }
}
#endif

/* -- one long row, by all threads ----------------------------------------------------------------------------------- */

#define BLOCKS 32
struct pass {
  const struct sorting *s;
  item *from, *to;
  uint32_t (*count)[256]; /* of each block */
  int byte;
};
INLINE int64_t edge(int64_t n, int64_t block) { return n * block / BLOCKS; }

static void make_items(void *context, int64_t begin, int64_t end) {
  const struct pass *p = context;
  for (int64_t i = edge(p->s->n, begin); i < edge(p->s->n, end); ++i) p->from[i] = item_of(key_of(p->s->x[i], p->s->turn), i);
}
static void count_bytes(void *context, int64_t begin, int64_t end) {
  const struct pass *p = context;
  for (int64_t b = begin; b < end; ++b) {
    memset(p->count[b], 0, sizeof p->count[b]);
    for (int64_t i = edge(p->s->n, b); i < edge(p->s->n, b + 1); ++i) ++p->count[b][key_in(p->from[i]) >> 8 * p->byte & 255];
  }
}
static void move_items(void *context, int64_t begin, int64_t end) {
  const struct pass *p = context;
  for (int64_t b = begin; b < end; ++b)
    for (int64_t i = edge(p->s->n, b); i < edge(p->s->n, b + 1); ++i) {
      const item v = p->from[i];
      p->to[p->count[b][key_in(v) >> 8 * p->byte & 255]++] = v;
    }
}
static void put_items(void *context, int64_t begin, int64_t end) {
  const struct pass *p = context;
  put(p->s, 0, p->from, edge(p->s->n, begin), edge(p->s->n, end));
}

static void sort_long(const struct sorting *s) {
  item *const a = SCRATCH(0, (size_t)(2 * s->n) * sizeof(item));
  uint32_t count[BLOCKS][256];
  struct pass p = {s, a, a + s->n, count, 0};
  PARALLEL(make_items, &p, BLOCKS, 1);
  for (; p.byte < BYTES; ++p.byte) {
    PARALLEL(count_bytes, &p, BLOCKS, 1);
    uint32_t at = 0;
    int same = 0;
    for (int v = 0; v < 256; ++v) {
      const uint32_t first = at;
      for (int b = 0; b < BLOCKS; ++b) {
        const uint32_t here = count[b][v];
        count[b][v] = at;
        at += here;
      }
      same |= at - first == s->n;
    }
    if (same) continue;
    PARALLEL(move_items, &p, BLOCKS, 1);
    item *const t = p.from;
    p.from = p.to, p.to = t;
  }
  PARALLEL(put_items, &p, BLOCKS, 1);
}

/* `rows` rows of n < 2^32 elements in order, and where each element was. */
EXPORT void sort(const T *x, T *values, int64_t *places, int64_t rows, int64_t n, int descending) {
  struct sorting s = {x, values, places, n, n, descending ? ~(KEY)0 : 0, rows};
#ifdef NETWORK
  if (2 * rows >= SIDE && n > 1 && n <= NETWORK) {
    const int64_t groups = (rows + SIDE - 1) / SIDE;
    PARALLEL(sort_groups, &s, groups, grain_for(groups, n * SIDE * 2));
    return;
  }
#endif
  if (n >= (rows < 4 ? 1 << 16 : 1 << 20)) {
    for (int64_t r = 0; r < rows; ++r) {
      struct sorting one = {x + r * n, values + r * n, places + r * n, n, n, s.turn, 1};
      sort_long(&one);
    }
    return;
  }
  PARALLEL(sort_rows, &s, rows, grain_for(rows, n * 4));
}

/* -- the first k of n ------------------------------------------------------------------------------------------------ */

#define LOOK 64
#define PART 16
#define LANES 256

/* The numbers of m elements, and for each PART of them whether one is `last` or below. */
INLINE int look(const T *x, int64_t m, KEY turn, KEY last, KEY *key, KEY *found) {
  KEY any = 0;
  if (m < LOOK) {
    for (int64_t c = 0; c < m; ++c) key[c] = key_of(x[c], turn);
    for (int p = 0; p < LOOK / PART; ++p) found[p] = 1;
    return 1;
  }
  for (int p = 0; p < LOOK / PART; ++p) {
    KEY here = 0;
    for (int c = 0; c < PART; ++c) {
      key[p * PART + c] = key_of(x[p * PART + c], turn);
      here |= key[p * PART + c] <= last;
    }
    any |= found[p] = here;
  }
  return any != 0;
}

/* A number that at least k of n keys do not exceed, and few more: the k-th of the least that each of many lanes has seen. */
INLINE KEY bound(const KEY *keys, int64_t n, int64_t k, int64_t lanes) {
  KEY least[LANES], last = 0;
  for (int64_t c = 0; c < lanes; ++c) least[c] = keys[c];
  for (int64_t i = lanes; i + lanes <= n; i += lanes)
    for (int64_t c = 0; c < lanes; ++c) least[c] = MIN(least[c], keys[i + c]);
  for (int64_t l = 0; l < lanes; ++l) {
    const KEY here = least[l];
    KEY below = 0;
    for (int64_t c = 0; c < lanes; ++c) below += least[c] < here;
    last = below < (KEY)k && here > last ? here : last;
  }
  return last;
}

/* Few of many: whatever may be among them, in order. */
INLINE item *first_few_of_row(const struct sorting *s, const T *x, KEY *keys, item *a, item *b, int64_t lanes) {
  const int64_t n = s->n;
  for (int64_t i = 0; i < n; ++i) keys[i] = key_of(x[i], s->turn);
  const KEY last = bound(keys, n, s->k, lanes);
  int64_t have = 0, i = 0;
  for (; i + PART <= n; i += PART) {
    KEY found = 0;
    for (int c = 0; c < PART; ++c) found |= keys[i + c] <= last;
    if (!found) continue;
    for (int c = 0; c < PART; ++c) {
      a[have] = item_of(keys[i + c], i + c);
      have += keys[i + c] <= last;
    }
  }
  for (; i < n; ++i) {
    a[have] = item_of(keys[i], i);
    have += keys[i] <= last;
  }
  return sort_items(a, b, have);
}

/* Many are gathered in a heap of twice as many, which is sorted and cut whenever it is full. */
static item *first_many_of_row(const struct sorting *s, const T *x, item *a, item *b, int64_t room) {
  const int64_t n = s->n, k = s->k;
  KEY key[LOOK], found[LOOK / PART], worst = ~(KEY)0;
  int64_t have = 0;
  int full = 0;
  for (int64_t i = 0; i < n; i += LOOK) {
    const int64_t m = MIN(LOOK, n - i);
    if (full && !worst) break; /* nothing stands before it */
    if (!look(x + i, m, s->turn, worst - 1, key, found) && full) continue;
    for (int p = 0; p < LOOK / PART; ++p) {
      if (full && !found[p]) continue;
      for (int64_t c = p * PART; c < MIN(m, (p + 1) * PART); ++c) {
        a[have] = item_of(key[c], i + c);
        have += !full || key[c] < worst;
      }
    }
    if (have >= room || (!full && have >= k)) {
      item *const in = sort_items(a, b, have);
      if (in != a) memcpy(a, in, (size_t)k * sizeof(item));
      have = MIN(have, k), full = 1, worst = key_in(a[k - 1]);
    }
  }
  return sort_items(a, b, have);
}

static void first_of_rows(void *context, int64_t begin, int64_t end) {
  const struct sorting *s = context;
  const int64_t lanes = s->k <= 12 ? 32 : s->k <= 24 ? 64 : LANES, few = s->k <= lanes * 3 / 8 && s->n >= 4 * lanes;
  const int64_t room = few ? s->n : 2 * s->k + 4 * LOOK;
  item *const a = SCRATCH(0, (size_t)(2 * (room + LOOK)) * sizeof(item)), *const b = a + room + LOOK;
  KEY *const keys = SCRATCH(1, (size_t)s->n * sizeof(KEY));
  for (int64_t row = begin; row < end; ++row) {
    const T *x = s->x + row * s->n;
    const item *in;
    if (!few) in = first_many_of_row(s, x, a, b, room);
    else if (lanes == 32) in = first_few_of_row(s, x, keys, a, b, 32);
    else in = first_few_of_row(s, x, keys, a, b, lanes);
    put(s, row, in, 0, s->k);
  }
}

/* The k < n first of each row in order: the smallest, or with `descending` the largest. */
EXPORT void first_few(const T *x, T *values, int64_t *places, int64_t rows, int64_t n, int64_t k, int descending) {
  struct sorting s = {x, values, places, n, k, descending ? ~(KEY)0 : 0, rows};
  PARALLEL(first_of_rows, &s, rows, grain_for(rows, n));
}
