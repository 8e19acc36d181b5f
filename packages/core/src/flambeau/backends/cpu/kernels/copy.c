/* types: int64_t */
/* Copies between strided memories of one element size: rows, transposes in registers, and whatever else.
 *
 * A plan says what is copied (see `copies.py`): kind, bytes of an element, number of dimensions, then the sizes, the steps of
 * the target and those of the source in bytes, dimensions in the target's order in memory. Target and source share nothing.
 */
#include "fb.h"
#include "fb_tile.h"

#define MOST 16                    /* dimensions */
#define ROW_BYTES ((int64_t)1 << 17) /* a long row is cut into pieces of that many bytes */
enum { ROWS, TURN, STEPS };

struct copy {
  char *to;
  const char *from;
  const int64_t *n, *ts, *fs; /* sizes, steps of target and source */
  int64_t size, dims, piece, pieces;
};

/* Adds the offsets of outer dimensions' index `i` to both pointers. One dimension, the usual case, needs no division. */
INLINE void seek(const struct copy *c, int64_t dims, int64_t i, char **to, const char **from) {
  for (int64_t d = dims - 1; d > 0; --d) {
    const int64_t at = i % c->n[d];
    i /= c->n[d];
    *to += at * c->ts[d], *from += at * c->fs[d];
  }
  if (dims > 0) *to += i * c->ts[0], *from += i * c->fs[0];
}

/* -- rows that lie together in both ------------------------------------------------------------------------------- */

typedef int64_t bytes_vec __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));
#define SHORT_ROW 512 /* bytes up to which a call of memcpy is felt: 0.86 instead of 1.23 ms for rows of 256 */
INLINE void copy_bytes(char *to, const char *from, int64_t bytes) {
  if (bytes == 8) { memcpy(to, from, 8); return; }
  if (bytes < VECTOR_BYTES || bytes > SHORT_ROW) { memcpy(to, from, (size_t)bytes); return; }
  for (int64_t b = 0; b + VECTOR_BYTES <= bytes; b += VECTOR_BYTES) *(bytes_vec *)(to + b) = *(const bytes_vec *)(from + b);
  *(bytes_vec *)(to + bytes - VECTOR_BYTES) = *(const bytes_vec *)(from + bytes - VECTOR_BYTES);
}

static void copy_rows(void *context, int64_t begin, int64_t end) {
  const struct copy *c = context;
  const int64_t bytes = c->n[c->dims - 1] * c->size, last = c->dims - 1;
  if (c->pieces == 1 && begin < end) { /* whole rows one after the other: counted, not divided */
    int64_t at[MOST], rest = begin;
    char *to = c->to;
    const char *from = c->from;
    seek(c, last, begin, &to, &from);
    for (int64_t d = last - 1; d >= 0; --d) at[d] = rest % c->n[d], rest /= c->n[d];
    for (int64_t i = begin;;) {
      copy_bytes(to, from, bytes);
      if (++i == end) return;
      for (int64_t d = last - 1; d >= 0; --d) {
        to += c->ts[d], from += c->fs[d];
        if (++at[d] < c->n[d]) break;
        to -= c->ts[d] * c->n[d], from -= c->fs[d] * c->n[d];
        at[d] = 0;
      }
    }
  }
  for (int64_t i = begin; i < end; ++i) {
    char *to = c->to;
    const char *from = c->from;
    const int64_t row = c->pieces == 1 ? i : i / c->pieces, at = (i - row * c->pieces) * c->piece;
    seek(c, c->dims - 1, row, &to, &from);
    memcpy(to + at, from + at, (size_t)MIN(c->piece, bytes - at));
  }
}

/* -- any steps ------------------------------------------------------------------------------------------------------ */

typedef struct { int64_t x[2]; } pair;

#define ROW_OF(U)                                                                                                       \
  INLINE void row_##U(char *to, int64_t ts, const char *from, int64_t fs, int64_t n) {                                  \
    if (ts == sizeof(U)) {                                                                                              \
      U *RESTRICT t = (U *)to;                                                                                          \
      const U *RESTRICT f = (const U *)from;                                                                            \
      if (fs == sizeof(U)) for (int64_t i = 0; i < n; ++i) t[i] = f[i];                                                 \
      else if (fs == 0) { const U v = *f; for (int64_t i = 0; i < n; ++i) t[i] = v; }                                   \
      else if (fs == -(int64_t)sizeof(U)) for (int64_t i = 0; i < n; ++i) t[i] = f[-i];                                 \
      else for (int64_t i = 0; i < n; ++i) t[i] = *(const U *)(from + i * fs);                                          \
    } else for (int64_t i = 0; i < n; ++i) *(U *)(to + i * ts) = *(const U *)(from + i * fs);                           \
  }
ROW_OF(uint8_t) ROW_OF(uint16_t) ROW_OF(uint32_t) ROW_OF(uint64_t) ROW_OF(pair)

static void copy_steps(void *context, int64_t begin, int64_t end) {
  const struct copy *c = context;
  const int64_t last = c->dims - 1, n = c->n[last], ts = c->ts[last], fs = c->fs[last];
  for (int64_t i = begin; i < end; ++i) {
    char *to = c->to;
    const char *from = c->from;
    const int64_t row = c->pieces == 1 ? i : i / c->pieces, at = (i - row * c->pieces) * c->piece, m = MIN(c->piece, n - at);
    seek(c, last, row, &to, &from);
    to += at * ts, from += at * fs;
    switch (c->size) {
      case 1: row_uint8_t(to, ts, from, fs, m); break;
      case 2: row_uint16_t(to, ts, from, fs, m); break;
      case 4: row_uint32_t(to, ts, from, fs, m); break;
      case 8: row_uint64_t(to, ts, from, fs, m); break;
      default: row_pair(to, ts, from, fs, m);
    }
  }
}

/* -- transposes: the source lies together in the last dimension but one, the target in the last ------------------------ */

#if FB_TURNS
#define TILE(U, N)                                                                                                      \
  INLINE void tile_##U(const char *from, int64_t fs, char *to, int64_t ts) {                                            \
    typedef U row __attribute__((vector_size(N * sizeof(U))));                                                          \
    typedef U row_u __attribute__((vector_size(N * sizeof(U)), aligned(sizeof(U)), may_alias));                         \
    row r[N];                                                                                                           \
    _Pragma("GCC unroll 16") for (int i = 0; i < N; ++i) r[i] = *(const row_u *)(from + i * fs);                        \
    EXCHANGES##N                                                                                                        \
    _Pragma("GCC unroll 16") for (int i = 0; i < N; ++i) *(row_u *)(to + i * ts) = r[i];                                \
  }
#else
#define TILE(U, N)                                                                                                      \
  INLINE void tile_##U(const char *from, int64_t fs, char *to, int64_t ts) {                                            \
    for (int i = 0; i < N; ++i) for (int j = 0; j < N; ++j) *(U *)(to + j * ts + i * sizeof(U)) = ((const U *)(from + i * fs))[j]; \
  }
#endif
#define TILE_WITH(N, U) TILE(U, N)
#define TILE_1 16
#if VECTOR_BYTES == 64
#define TILE_2 16
#define TILE_4 16
#define TILE_8 8
#elif VECTOR_BYTES == 32
#define TILE_2 16
#define TILE_4 8
#define TILE_8 4
#else
#define TILE_2 8
#define TILE_4 4
#define TILE_8 2
#endif
TILE_WITH(TILE_1, uint8_t) TILE_WITH(TILE_2, uint16_t) TILE_WITH(TILE_4, uint32_t) TILE_WITH(TILE_8, uint64_t)
#define TILE_16 4
INLINE void tile_pair(const char *from, int64_t fs, char *to, int64_t ts) {
  for (int i = 0; i < TILE_16; ++i)
    for (int j = 0; j < TILE_16; ++j) *(pair *)(to + j * ts + i * (int64_t)sizeof(pair)) = ((const pair *)(from + i * fs))[j];
}

/* `across` elements that lie together in the source become as many rows of `along` elements of the target. */
#define TURN_OF(U, N)                                                                                                   \
  static void turn_##U(char *to, int64_t ts, const char *from, int64_t fs, int64_t across, int64_t along) {             \
    const int64_t whole = along / N * N;                                                                                \
    int64_t q = 0;                                                                                                      \
    for (; q + N <= across; q += N) {                                                                                   \
      char *const t = to + q * ts;                                                                                      \
      const char *const f = from + q * (int64_t)sizeof(U);                                                              \
      for (int64_t p = 0; p < whole; p += N) tile_##U(f + p * fs, fs, t + p * (int64_t)sizeof(U), ts);                  \
      for (int64_t p = whole; p < along; ++p)                                                                           \
        for (int64_t j = 0; j < N; ++j) ((U *)(t + j * ts))[p] = ((const U *)(f + p * fs))[j];                          \
    }                                                                                                                   \
    for (; q < across; ++q) row_##U(to + q * ts, sizeof(U), from + q * (int64_t)sizeof(U), fs, along);                  \
  }
TURN_OF(uint8_t, TILE_1) TURN_OF(uint16_t, TILE_2) TURN_OF(uint32_t, TILE_4) TURN_OF(uint64_t, TILE_8) TURN_OF(pair, TILE_16)

static void copy_turn(void *context, int64_t begin, int64_t end) {
  const struct copy *c = context;
  const int64_t last = c->dims - 1, across = c->n[last - 1], along = c->n[last], ts = c->ts[last - 1], fs = c->fs[last];
  for (int64_t i = begin; i < end; ++i) {
    char *to = c->to;
    const char *from = c->from;
    const int64_t at = i % c->pieces * c->piece, m = MIN(c->piece, across - at);
    seek(c, last - 1, i / c->pieces, &to, &from);
    to += at * ts, from += at * c->size;
    switch (c->size) {
      case 1: turn_uint8_t(to, ts, from, fs, m, along); break;
      case 2: turn_uint16_t(to, ts, from, fs, m, along); break;
      case 4: turn_uint32_t(to, ts, from, fs, m, along); break;
      case 8: turn_uint64_t(to, ts, from, fs, m, along); break;
      default: turn_pair(to, ts, from, fs, m, along);
    }
  }
}

/* Few elements side by side, such as the channels of a picture, to as many planes: read once, in pieces of `along`. */
#define PLANES 8192
#define PLANES_OF(U)                                                                                                    \
  INLINE void planes_of_##U(char *to, int64_t ts, const char *from, int64_t n, const int across) {                      \
    const U *RESTRICT f = (const U *)from;                                                                              \
    U *RESTRICT a = (U *)to, *RESTRICT b = (U *)(to + ts), *RESTRICT c = (U *)(to + 2 * ts), *RESTRICT d = (U *)(to + 3 * ts); \
    if (across == 2) for (int64_t i = 0; i < n; ++i) a[i] = f[2 * i], b[i] = f[2 * i + 1];                              \
    else if (across == 3) for (int64_t i = 0; i < n; ++i) a[i] = f[3 * i], b[i] = f[3 * i + 1], c[i] = f[3 * i + 2];    \
    else for (int64_t i = 0; i < n; ++i) a[i] = f[4 * i], b[i] = f[4 * i + 1], c[i] = f[4 * i + 2], d[i] = f[4 * i + 3]; \
  }                                                                                                                     \
  static void planes_##U(char *to, int64_t ts, const char *from, int64_t n, int64_t across) {                           \
    if (across == 2) planes_of_##U(to, ts, from, n, 2);                                                                 \
    else if (across == 3) planes_of_##U(to, ts, from, n, 3);                                                            \
    else planes_of_##U(to, ts, from, n, 4);                                                                             \
  }
PLANES_OF(uint8_t) PLANES_OF(uint16_t) PLANES_OF(uint32_t) PLANES_OF(uint64_t)

static void copy_planes(void *context, int64_t begin, int64_t end) {
  const struct copy *c = context;
  const int64_t last = c->dims - 1, across = c->n[last - 1], ts = c->ts[last - 1];
  for (int64_t i = begin; i < end; ++i) {
    char *to = c->to;
    const char *from = c->from;
    const int64_t at = i % c->pieces * c->piece, m = MIN(c->piece, c->n[last] - at);
    seek(c, last - 1, i / c->pieces, &to, &from);
    to += at * c->size, from += at * c->fs[last];
    switch (c->size) {
      case 1: planes_uint8_t(to, ts, from, m, across); break;
      case 2: planes_uint16_t(to, ts, from, m, across); break;
      case 4: planes_uint32_t(to, ts, from, m, across); break;
      default: planes_uint64_t(to, ts, from, m, across);
    }
  }
}

/* As many streams, or one taken as often, whose elements alternate in the target: pixel_shuffle, repeat_interleave. */
#define MINGLE_OF(U)                                                                                                    \
  INLINE void mingle_of_##U(char *to, const char *from, int64_t fs, int64_t n, const int across) {                      \
    U *RESTRICT t = (U *)to;                                                                                            \
    const U *RESTRICT a = (const U *)from, *RESTRICT b = (const U *)(from + fs), *RESTRICT c = (const U *)(from + 2 * fs), \
            *RESTRICT d = (const U *)(from + 3 * fs);                                                                   \
    if (across == 2) for (int64_t i = 0; i < n; ++i) t[2 * i] = a[i], t[2 * i + 1] = b[i];                              \
    else if (across == 3) for (int64_t i = 0; i < n; ++i) t[3 * i] = a[i], t[3 * i + 1] = b[i], t[3 * i + 2] = c[i];    \
    else for (int64_t i = 0; i < n; ++i) t[4 * i] = a[i], t[4 * i + 1] = b[i], t[4 * i + 2] = c[i], t[4 * i + 3] = d[i]; \
  }                                                                                                                     \
  static void mingle_##U(char *to, const char *from, int64_t fs, int64_t n, int64_t across) {                           \
    if (across == 2) mingle_of_##U(to, from, fs, n, 2);                                                                 \
    else if (across == 3) mingle_of_##U(to, from, fs, n, 3);                                                            \
    else mingle_of_##U(to, from, fs, n, 4);                                                                             \
  }
MINGLE_OF(uint8_t) MINGLE_OF(uint16_t) MINGLE_OF(uint32_t) MINGLE_OF(uint64_t)

/* The last dimension has few elements; the one before steps through both memories without a gap. */
static void copy_mingled(void *context, int64_t begin, int64_t end) {
  const struct copy *c = context;
  const int64_t last = c->dims - 1, across = c->n[last], fs = c->fs[last];
  for (int64_t i = begin; i < end; ++i) {
    char *to = c->to;
    const char *from = c->from;
    const int64_t at = i % c->pieces * c->piece, m = MIN(c->piece, c->n[last - 1] - at);
    seek(c, last - 1, i / c->pieces, &to, &from);
    to += at * across * c->size, from += at * c->size;
    switch (c->size) {
      case 1: mingle_uint8_t(to, from, fs, m, across); break;
      case 2: mingle_uint16_t(to, from, fs, m, across); break;
      case 4: mingle_uint32_t(to, from, fs, m, across); break;
      default: mingle_uint64_t(to, from, fs, m, across);
    }
  }
}

EXPORT void copy(const int64_t *plan, void *to, const void *from) {
  const int64_t kind = plan[0], dims = plan[2], *const n = plan + 3, inner = n[dims - 1];
  struct copy c = {to, from, n, n + dims, n + 2 * dims, plan[1], dims, 0, 0};
  int64_t outer = 1, each = inner;
  for (int64_t d = 0; d + 1 < dims; ++d) outer *= n[d];
  if (kind == TURN && n[dims - 2] <= 4 && n[dims - 2] > 1 && c.size <= 8 && c.fs[dims - 1] == n[dims - 2] * c.size) {
    outer /= n[dims - 2];
    c.piece = MIN(inner, PLANES);
    c.pieces = (inner + c.piece - 1) / c.piece;
    PARALLEL(copy_planes, &c, outer * c.pieces, grain_for(outer * c.pieces, c.piece * n[dims - 2]));
    return;
  }
  if (dims > 1 && inner > 1 && inner <= 4 && c.size <= 8 && c.ts[dims - 1] == c.size && c.ts[dims - 2] == inner * c.size && c.fs[dims - 2] == c.size) {
    outer /= n[dims - 2];
    c.piece = MIN(n[dims - 2], PLANES);
    c.pieces = (n[dims - 2] + c.piece - 1) / c.piece;
    PARALLEL(copy_mingled, &c, outer * c.pieces, grain_for(outer * c.pieces, c.piece * inner));
    return;
  }
  if (kind == TURN) {
    /* Strips of a few tiles: their rows of the target stay in cache until they are full. */
    outer /= n[dims - 2];
    c.piece = MIN(n[dims - 2], 64);
    c.pieces = (n[dims - 2] + c.piece - 1) / c.piece;
    each = c.piece * inner;
  } else {
    c.piece = kind == ROWS ? MIN(inner * c.size, ROW_BYTES) : MIN(inner, ROW_BYTES / c.size);
    c.pieces = kind == ROWS ? (inner * c.size + c.piece - 1) / c.piece : (inner + c.piece - 1) / c.piece;
    each = MIN(inner, ROW_BYTES / c.size);
  }
  PARALLEL(kind == ROWS ? copy_rows : kind == TURN ? copy_turn : copy_steps, &c, outer * c.pieces, grain_for(outer * c.pieces, each));
}

/* -- side by side --------------------------------------------------------------------------------------------------- */

#define JOINED ((int64_t)1 << 15) /* bytes of the result that are a piece */
struct joining {
  char *to;
  const char *from[4];
  const int64_t *part, *step; /* bytes of a row of each source, and from one row to its next */
  int64_t row, count, bytes;
};

/* The result from front to back: 0.13 instead of 0.08 ms for three rows of 2 KB at a time, where each source had a pass. */
static void join_pieces(void *context, int64_t begin, int64_t end) {
  const struct joining *c = context;
  const int64_t stop = MIN(end * JOINED, c->bytes);
  int64_t at = begin * JOINED, row = at / c->row, k = 0, skip = at - row * c->row;
  while (skip >= c->part[k]) skip -= c->part[k++];
  while (at < stop) {
    const int64_t m = MIN(c->part[k] - skip, stop - at);
    copy_bytes(c->to + at, c->from[k] + row * c->step[k] + skip, m);
    at += m, skip = 0;
    if (++k == c->count) k = 0, ++row;
  }
}

#define WEAVE(U)                                                                                                        \
  static void weave_##U(void *context, int64_t begin, int64_t end) {                                                    \
    const struct joining *c = context;                                                                                  \
    const U *RESTRICT a = (const U *)c->from[0], *RESTRICT b = (const U *)c->from[1];                                   \
    U *RESTRICT to = (U *)c->to;                                                                                        \
    for (int64_t i = begin; i < end; ++i) to[2 * i] = a[i], to[2 * i + 1] = b[i];                                       \
  }
WEAVE(uint32_t) WEAVE(uint64_t)

/* Rows of up to four sources beside each other. Plan: rows, sources, then the bytes of a row of each, of which none is 0, and then those
 * from one row to the next. Elements that alternate are those of dense sources. */
EXPORT void join(const int64_t *plan, void *to, const void *a, const void *b, const void *c, const void *d) {
  struct joining j = {to, {a, b, c, d}, plan + 2, plan + 2 + plan[1], 0, plan[1], 0};
  for (int64_t k = 0; k < j.count; ++k) j.row += j.part[k];
  j.bytes = plan[0] * j.row;
  if (j.count == 2 && j.part[0] == 4 && j.part[1] == 4) PARALLEL(weave_uint32_t, &j, plan[0], grain_for(plan[0], 1));
  else if (j.count == 2 && j.part[0] == 8 && j.part[1] == 8) PARALLEL(weave_uint64_t, &j, plan[0], grain_for(plan[0], 1));
  else PARALLEL(join_pieces, &j, (j.bytes + JOINED - 1) / JOINED, MAX(2, j.bytes / JOINED / 16));
}

/* -- triangles ------------------------------------------------------------------------------------------------------ */

struct triangle {
  char *to;
  const char *from;
  int64_t rows, columns, size, diagonal;
  int upper;
};

static void copy_triangle(void *context, int64_t begin, int64_t end) {
  const struct triangle *c = context;
  const int64_t bytes = c->columns * c->size;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t edge = i % c->rows + c->diagonal + (c->upper ? 0 : 1), cut = MIN(MAX(edge, 0), c->columns) * c->size;
    char *to = c->to + i * bytes;
    const char *from = c->from + i * bytes;
    if (c->upper) memset(to, 0, (size_t)cut), memcpy(to + cut, from + cut, (size_t)(bytes - cut));
    else memcpy(to, from, (size_t)cut), memset(to + cut, 0, (size_t)(bytes - cut));
  }
}

/* Matrices row by row; what is below the diagonal (`upper`) or above it becomes zero. */
EXPORT void triangles(void *to, const void *from, int64_t count, int64_t rows, int64_t columns, int64_t size, int64_t diagonal, int upper) {
  struct triangle c = {to, from, rows, columns, size, diagonal, upper};
  PARALLEL(copy_triangle, &c, count * rows, grain_for(count * rows, columns));
}

/* -- one value ------------------------------------------------------------------------------------------------------ */

struct filling {
  char *to;
  const char *value;
  int64_t size;
};

static void fill_part(void *context, int64_t begin, int64_t end) {
  const struct filling *c = context;
  char *to = c->to + begin * c->size;
  switch (c->size) {
    case 1: row_uint8_t(to, 1, c->value, 0, end - begin); break;
    case 2: row_uint16_t(to, 2, c->value, 0, end - begin); break;
    case 4: row_uint32_t(to, 4, c->value, 0, end - begin); break;
    case 8: row_uint64_t(to, 8, c->value, 0, end - begin); break;
    default: row_pair(to, 16, c->value, 0, end - begin);
  }
}

/* n elements that lie together, each the one at `value`. */
EXPORT void fill(void *to, const void *value, int64_t size, int64_t n) {
  struct filling c = {to, value, size};
  PARALLEL(fill_part, &c, n, MAX(16384, n / 16));
}
