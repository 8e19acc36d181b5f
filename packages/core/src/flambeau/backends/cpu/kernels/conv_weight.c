/* types: float double */
/* The gradient of convolutions for the weight: sums over all positions of gradient times column.
 *
 * Vectors along the rows of the weight (output channels): the gradient of a few images is transposed to positions x rows, and a
 * tile of taps x rows stays in registers while the positions pass; each tap's element is broadcast straight from the prepared
 * planes (fb_windows.h). No columns are made, and no position is computed that is not there. Each tile belongs to one task,
 * which adds the images in order.
 */
#include "fb_gemm.h"
#include "fb_weight_quarters.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")
#define CHUNK 128               /* positions that pass by all taps before the next ones: their gradients stay in the first cache */
#define ALONE 16384             /* products of a vector with a number below which waking a thread costs more than it saves */
#define BATCH_BYTES (6 << 20)   /* of prepared planes and gradients at a time */
#define MOST_PARTS 16           /* shares of the images that sum up by themselves */
#define PART_BYTES (256 << 10)  /* of sums of a share, that they stay in the second cache */
#define ALONG_BYTES (64 << 10)  /* the same where vectors run along the positions, and each sum is a vector */
#define LAID_BYTES (512 << 10)  /* of planes laid out there beside them */
#define TURNED_BYTES (256 << 10) /* and of gradients */
#if VECTOR_BYTES == 64 || defined(__aarch64__)
#define MOST_VECTORS 4
#else
#define MOST_VECTORS 3
#endif

/* Taps in registers beside this many vectors of rows. */
INLINE int64_t taps_beside(int64_t vectors) {
#if MOST_VECTORS == 4
  return vectors < 3 ? 12 : vectors == 3 ? 8 : 6;
#else
  return vectors == 1 ? 8 : vectors == 2 ? 6 : 4;
#endif
}

struct weights {
  struct plan plan;
  const T *x, *g;
  T *dw, *sums;
  const int64_t *places;         /* of every tap of every channel of a group, in the prepared planes */
  int64_t positions, depth;      /* positions of an image; taps of all channels of a group */
  int64_t vectors, blocks, cuts; /* vectors of rows of a group, in blocks; shares of the taps */
  int64_t image, each;           /* elements of an image's planes; sums of all rows and taps */
  int64_t parts, step, room;     /* shares of the images; images of one laid out, and positions turned, at a time */
  int64_t apart;                 /* shares of the groups, where vectors run along the positions: one, or each by itself */
};

/* Some images laid out: their planes, and their gradients as groups x images x positions x rows. */
struct stage {
  const struct weights *of;
  T *planes, *turned; /* planes NULL: x is read as it is */
  int64_t first_image, now, last;
};

struct run { int64_t at, from, count; }; /* positions of a chunk in one row */
struct chunk { int64_t runs, positions; struct run run[CHUNK]; };

INLINE void tile(const int taps, const int vectors, const T *x, int64_t walk, const int64_t *RESTRICT places, const struct chunk *c, const T *g, int64_t pitch, T *sums, int first) {
  vec sum[12][MOST_VECTORS];
  UNROLL for (int i = 0; i < taps; ++i) UNROLL for (int v = 0; v < vectors; ++v)
    sum[i][v] = first ? (vec){0} : load(sums + (i * vectors + v) * WIDTH);
  for (int64_t r = 0; r < c->runs; ++r) {
    const T *from[12];
    UNROLL for (int i = 0; i < taps; ++i) from[i] = x + places[i] + c->run[r].from;
    const T *y = g + c->run[r].at * pitch;
    for (int64_t w = 0; w < c->run[r].count * walk; w += walk, y += pitch) {
      vec b[MOST_VECTORS];
      UNROLL for (int v = 0; v < vectors; ++v) b[v] = load(y + v * WIDTH);
      UNROLL for (int i = 0; i < taps; ++i) {
        const vec a = splat(from[i][w]);
        UNROLL for (int v = 0; v < vectors; ++v) sum[i][v] += a * b[v];
      }
    }
  }
  UNROLL for (int i = 0; i < taps; ++i) UNROLL for (int v = 0; v < vectors; ++v) store(sums + (i * vectors + v) * WIDTH, sum[i][v]);
}

typedef void tile_kernel(const T *x, int64_t walk, const int64_t *places, const struct chunk *c, const T *g, int64_t pitch, T *sums, int first);
#define ONE_TILE(taps, v) \
  static void tile_##v(const T *x, int64_t walk, const int64_t *places, const struct chunk *c, const T *g, int64_t pitch, T *sums, int first) { tile(taps, v, x, walk, places, c, g, pitch, sums, first); }
#if MOST_VECTORS == 4
ONE_TILE(12, 1) ONE_TILE(12, 2) ONE_TILE(8, 3) ONE_TILE(6, 4)
static tile_kernel *const tiles[] = {tile_1, tile_2, tile_3, tile_4};
#else
ONE_TILE(8, 1) ONE_TILE(6, 2) ONE_TILE(4, 3)
static tile_kernel *const tiles[] = {tile_1, tile_2, tile_3};
#endif

/* The gradients of WIDTH rows of one image, for positions [begin, end), as positions x rows. */
static void turn(const struct weights *c, int64_t image, int64_t group, int64_t vector, int64_t begin, int64_t end, T *to) {
  const int64_t rows = c->plan.rows, first = vector * WIDTH, count = MIN(WIDTH, rows - first), P = c->positions;
  const int64_t pitch = c->vectors * WIDTH;
  const T *g = c->g + ((image * c->plan.groups + group) * rows + first) * P;
  to += first;
  for (int64_t p = begin; p < end; p += WIDTH, to += WIDTH * pitch) {
    vec r[GEMM_LANES];
    const int64_t there = MIN(WIDTH, end - p);
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i >= count ? (vec){0} : there == WIDTH ? load(g + i * P + p) : load_head(g + i * P + p, there, 0);
    gemm_transpose(r);
    if (there == WIDTH) { UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(to + i * pitch, r[i]); }
    else for (int64_t i = 0; i < there; ++i) store(to + i * pitch, r[i]);
  }
}

INLINE int64_t things_to_lay(const struct stage *s) {
  return s->now * s->of->plan.groups * ((s->planes ? s->of->plan.channels : 0) + s->of->vectors);
}
static void lay_out(void *context, int64_t begin, int64_t end) {
  const struct stage *s = context;
  const struct weights *c = s->of;
  const struct plan *p = &c->plan;
  const int64_t size = p->frame.size[0] * p->frame.size[1] * p->frame.size[2], planes = s->planes ? s->now * p->groups * p->channels : 0;
  const T *x = c->x + s->first_image * p->groups * p->channels * size;
  for (int64_t at = begin; at < end; ++at) {
    if (at < planes) place_plane(&p->frame, x + at * size, s->planes + at * p->frame.plane);
    else {
      const int64_t vector = (at - planes) % c->vectors, group = (at - planes) / c->vectors % p->groups, image = (at - planes) / c->vectors / p->groups;
      turn(c, s->first_image + image, group, vector, 0, c->positions, s->turned + (group * s->now + image) * c->positions * c->vectors * WIDTH);
    }
  }
}

/* Positions [begin, end), counted through the images of a stage. */
static void chunk_of(const struct weights *c, int64_t begin, int64_t end, struct chunk *k) {
  const int64_t *n = c->plan.parts[0].grid;
  k->runs = 0, k->positions = end - begin;
  int64_t w = begin % n[2], h = begin / n[2] % n[1], d = begin / n[2] / n[1] % n[0], image = begin / c->positions;
  for (int64_t q = begin; q < end; ++k->runs) {
    const int64_t count = MIN(n[2] - w, end - q);
    k->run[k->runs] = (struct run){q - begin, image * c->image + d * c->plan.pitch[0] + h * c->plan.pitch[1] + w * c->plan.walk, count};
    q += count, w = 0;
    if (++h == n[1]) {
      h = 0;
      if (++d == n[0]) d = 0, ++image;
    }
  }
}

/* The sums of a task's taps, turned into rows of the weight. */
static void put_rows(const struct weights *c, const T *sums, int64_t group, int64_t vector, int64_t vectors, int64_t k0, int64_t k1) {
  for (int64_t v = 0; v < vectors; ++v) {
    const int64_t row = (vector + v) * WIDTH, rows = MIN(WIDTH, c->plan.rows - row);
    T *to = c->dw + (group * c->plan.rows + row) * c->depth;
    for (int64_t k = k0; k < k1; k += WIDTH) {
      const int64_t there = MIN(WIDTH, k1 - k);
      vec r[GEMM_LANES];
      UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < there ? load(sums + ((k - k0 + i) * vectors + v) * WIDTH) : (vec){0};
      gemm_transpose(r);
      for (int64_t i = 0; i < rows; ++i) {
        vec one;
        memcpy(&one, (const char *)r + i * VECTOR_BYTES, VECTOR_BYTES);
        if (there == WIDTH) store(to + i * c->depth + k, one);
        else store_head(to + i * c->depth + k, one, there);
      }
    }
  }
}

INLINE T *sums_of(const struct weights *c, int64_t group, int64_t vector) { return c->sums + (group * c->vectors + vector) * WIDTH * (c->depth + 16); }
INLINE int64_t tiles_of(const struct weights *c, int64_t taps) { return (c->depth + taps - 1) / taps; }

/* Positions of a chunk, whose gradients are at g, for a block of vectors of rows and tiles [t0, t1) of taps. */
INLINE void add_chunk(const struct weights *c, const struct chunk *chunk, const T *x, const T *g, int64_t block, int64_t t0, int64_t t1, T *sums, int first) {
  const int64_t vector = block * MOST_VECTORS, vectors = MIN(MOST_VECTORS, c->vectors - vector), taps = taps_beside(vectors);
  for (int64_t t = t0; t < t1; ++t)
    tiles[vectors - 1](x, c->plan.walk, c->places + t * taps, chunk, g + vector * WIDTH, c->vectors * WIDTH, sums + t * taps * vectors * WIDTH, first);
}
/* Where the first image of a stage has the planes of a group. */
INLINE const T *planes_of(const struct stage *s, int64_t group) {
  return (s->planes ? s->planes : s->of->x + s->first_image * s->of->image) + group * s->of->plan.channels * s->of->plan.frame.plane;
}

/* A block of vectors of rows by a share of the taps. */
static void gather(void *context, int64_t begin, int64_t end) {
  const struct stage *s = context;
  const struct weights *c = s->of;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t cut = at % c->cuts, block = at / c->cuts % c->blocks, group = at / c->cuts / c->blocks;
    const int64_t vector = block * MOST_VECTORS, vectors = MIN(MOST_VECTORS, c->vectors - vector), taps = taps_beside(vectors);
    const int64_t count = tiles_of(c, taps), t0 = cut * count / c->cuts, t1 = (cut + 1) * count / c->cuts;
    T *sums = sums_of(c, group, vector);
    const int64_t all = s->now * c->positions;
    struct chunk *chunk = SCRATCH(1, sizeof(struct chunk));
    for (int64_t q = 0; q < all; q += CHUNK) {
      chunk_of(c, q, MIN(q + CHUNK, all), chunk);
      add_chunk(c, chunk, planes_of(s, group), s->turned + (group * all + q) * c->vectors * WIDTH, block, t0, t1, sums, s->first_image == 0 && q == 0);
    }
    if (s->last) put_rows(c, sums + t0 * taps * vectors * WIDTH, group, vector, vectors, t0 * taps, MIN(c->depth, t1 * taps));
  }
}

static void all_at_once(const struct weights *given) {
  struct weights c = *given;
  const struct plan *p = &c.plan;
  const int64_t threads = fb->threads(), turned = p->groups * c.positions * c.vectors * WIDTH;
  const int64_t batch = MAX(1, MIN(p->images, BATCH_BYTES / (int64_t)sizeof(T) / ((p->prepared ? c.image : 0) + turned)));
  struct stage s = {.of = &c, .turned = SCRATCH(4, (size_t)(batch * turned) * sizeof(T))};
  if (p->prepared) {
    const size_t bytes = (size_t)(batch * c.image + 64) * sizeof(T);
    s.planes = SCRATCH(5, bytes);
    memset(s.planes, 0, bytes);
  }
  c.cuts = threads == 1 ? 1 : MAX(1, MIN(tiles_of(&c, taps_beside(MIN(MOST_VECTORS, c.vectors))), 4 * threads / (p->groups * c.blocks)));
  for (; s.first_image < p->images; s.first_image += batch) {
    s.now = MIN(batch, p->images - s.first_image), s.last = s.first_image + batch >= p->images;
    PARALLEL(lay_out, &s, things_to_lay(&s), grain_for(things_to_lay(&s), MAX(p->frame.plane, c.positions)));
    const int64_t tasks = p->groups * c.blocks * c.cuts, work = s.now * p->groups * c.positions * c.vectors * c.depth;
    PARALLEL(gather, &s, tasks, work < ALONE ? tasks : MAX(1, tasks / (16 * threads)));
  }
}

/* -- few weights: every share of the images by itself ------------------------------------------------------------------ */

/* Positions [from, until) of a group, counted through the images of a stage, as positions x rows. */
static void turn_some(const struct stage *s, int64_t group, int64_t from, int64_t until, T *to) {
  const struct weights *c = s->of;
  for (int64_t at = from; at < until;) {
    const int64_t image = at / c->positions, begin = at % c->positions, end = MIN(c->positions, begin + until - at);
    for (int64_t v = 0; v < c->vectors; ++v) turn(c, s->first_image + image, group, v, begin, end, to + (at - from) * c->vectors * WIDTH);
    at += end - begin;
  }
}

static void share(void *context, int64_t begin, int64_t end) {
  const struct weights *c = context;
  const struct plan *p = &c->plan;
  struct chunk *chunk = SCRATCH(1, sizeof(struct chunk));
  T *turned = SCRATCH(4, (size_t)(c->room * c->vectors * WIDTH) * sizeof(T));
  struct stage s = {.of = c};
  if (p->prepared) {
    const size_t bytes = (size_t)(c->step * c->image + 64) * sizeof(T);
    s.planes = SCRATCH(5, bytes);
    memset(s.planes, 0, bytes);
  }
  for (int64_t part = begin; part < end; ++part) {
    const int64_t first = part * p->images / c->parts, last = (part + 1) * p->images / c->parts;
    for (s.first_image = first; s.first_image < last; s.first_image += c->step) {
      s.now = MIN(c->step, last - s.first_image);
      if (s.planes) lay_out(&s, 0, s.now * p->groups * p->channels);
      const int64_t all = s.now * c->positions;
      for (int64_t group = 0; group < p->groups; ++group)
        for (int64_t from = 0; from < all; from += c->room) {
          const int64_t until = MIN(from + c->room, all);
          turn_some(&s, group, from, until, turned);
          for (int64_t q = from; q < until; q += CHUNK) {
            chunk_of(c, q, MIN(q + CHUNK, until), chunk);
            for (int64_t block = 0; block < c->blocks; ++block) {
              const int64_t taps = taps_beside(MIN(MOST_VECTORS, c->vectors - block * MOST_VECTORS));
              T *sums = sums_of(c, group, block * MOST_VECTORS) + part * c->each;
              add_chunk(c, chunk, planes_of(&s, group), turned + (q - from) * c->vectors * WIDTH, block, 0, tiles_of(c, taps), sums, s.first_image == first && q == 0);
            }
          }
        }
    }
  }
}

/* The shares' sums, one after the other. */
static void join_shares(void *context, int64_t begin, int64_t end) {
  const struct weights *c = context;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t vector = at % c->blocks * MOST_VECTORS, vectors = MIN(MOST_VECTORS, c->vectors - vector), taps = taps_beside(vectors);
    const int64_t count = tiles_of(c, taps) * taps * vectors * WIDTH;
    T *sums = sums_of(c, at / c->blocks, vector);
    for (int64_t i = 0; i < count; i += WIDTH) {
      vec all = load(sums + i);
      for (int64_t part = 1; part < c->parts; ++part) all += load(sums + part * c->each + i);
      store(sums + i, all);
    }
    put_rows(c, sums, at / c->blocks, vector, vectors, 0, c->depth);
  }
}

/* -- few rows: vectors along the positions ----------------------------------------------------------------------------- */

/* Gradients stand where the planes' windows do, with zeros between their rows, so that a vector of positions is one read of each;
 * a tile of rows x taps of sums stays in registers. A number that is not finite would reach sums that it does not belong to by
 * these zeros: where a result is not finite, all is done again the other way. */

#if REGISTERS == 32
#define ALONG_EACH(X) X(4, 6) X(5, 4) X(6, 4) X(7, 3) X(8, 3)
#else
#define ALONG_EACH(X) X(4, 2) X(5, 2) X(6, 1) X(7, 1) X(8, 1)
#endif
enum { ALONG_LEAST = 4, ALONG_MOST = 8 }; /* rows of a tile */

INLINE void along(const int rows, const int taps, const T *x, const int64_t *RESTRICT places, const T *g, int64_t length, T *sums, int64_t pitch, int first) {
  vec sum[8][6];
  const T *from[6];
  UNROLL for (int k = 0; k < taps; ++k) from[k] = x + places[k];
  UNROLL for (int r = 0; r < rows; ++r) UNROLL for (int k = 0; k < taps; ++k) sum[r][k] = first ? (vec){0} : load(sums + r * pitch + k * WIDTH);
  for (int64_t i = 0; i < length; i += WIDTH) {
    vec a[8];
    UNROLL for (int r = 0; r < rows; ++r) a[r] = load(g + r * length + i);
    UNROLL for (int k = 0; k < taps; ++k) {
      const vec b = load(from[k] + i);
      UNROLL for (int r = 0; r < rows; ++r) sum[r][k] += a[r] * b;
    }
  }
  UNROLL for (int r = 0; r < rows; ++r) UNROLL for (int k = 0; k < taps; ++k) store(sums + r * pitch + k * WIDTH, sum[r][k]);
}

struct along { int64_t taps; void (*run)(const T *x, const int64_t *places, const T *g, int64_t length, T *sums, int64_t pitch, int first); };
#define ALONG_ONE(rows, taps) \
  static void along_##rows(const T *x, const int64_t *places, const T *g, int64_t length, T *sums, int64_t pitch, int first) { along(rows, taps, x, places, g, length, sums, pitch, first); }
ALONG_EACH(ALONG_ONE)
#define ALONG_NAME(rows, taps) {taps, along_##rows},
static const struct along alongs[] = {ALONG_EACH(ALONG_NAME)};

INLINE int64_t along_length(const struct weights *c) { return (c->plan.span + WIDTH - 1) / WIDTH * WIDTH; }
INLINE int64_t along_sums(const struct weights *c) { return c->plan.groups * c->plan.rows * (c->depth + 8) * WIDTH; }

static void share_along(void *context, int64_t begin, int64_t end) {
  const struct weights *c = context;
  const struct plan *p = &c->plan;
  const int64_t *n = p->parts[0].grid, groups = p->groups / c->apart, rows = groups * p->rows, length = along_length(c), pitch = (c->depth + 8) * WIDTH;
  const int64_t size = p->frame.size[0] * p->frame.size[1] * p->frame.size[2], blocks = (p->rows + ALONG_MOST - 1) / ALONG_MOST;
  const size_t wide = (size_t)(rows * length) * sizeof(T), planes = (size_t)(c->image / c->apart + 64) * sizeof(T);
  T *g = SCRATCH(4, wide), *x = SCRATCH(5, planes);
  memset(g, 0, wide), memset(x, 0, planes);
  for (int64_t share = begin; share < end; ++share) {
    const int64_t part = share / c->apart, first = part * p->images / c->parts, last = (part + 1) * p->images / c->parts, g0 = share % c->apart * groups;
    for (int64_t image = first; image < last; ++image) {
      for (int64_t i = 0; i < groups * p->channels; ++i) place_plane(&p->frame, c->x + ((image * p->groups + g0) * p->channels + i) * size, x + i * p->frame.plane);
      const T *from = c->g + (image * p->groups + g0) * p->rows * c->positions;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t d = 0; d < n[0]; ++d)
          for (int64_t h = 0; h < n[1]; ++h, from += n[2]) copy_row(g + r * length + d * p->pitch[0] + h * p->pitch[1], from, n[2]);
      for (int64_t at = 0; at < groups * blocks; ++at) {
        const int64_t group = at / blocks, block = at % blocks, r0 = block * p->rows / blocks, r1 = (block + 1) * p->rows / blocks;
        const struct along *tile = alongs + (r1 - r0 - ALONG_LEAST);
        T *sums = c->sums + part * c->each + ((g0 + group) * p->rows + r0) * pitch;
        for (int64_t k = 0; k < c->depth; k += tile->taps)
          tile->run(x + group * p->channels * p->frame.plane, c->places + k, g + (group * p->rows + r0) * length, length, sums + k * WIDTH, pitch, image == first);
      }
    }
  }
}

static void join_along(void *context, int64_t begin, int64_t end) {
  const struct weights *c = context;
  for (int64_t row = begin; row < end; ++row)
    for (int64_t k = 0; k < c->depth; ++k) {
      const T *sums = c->sums + (row * (c->depth + 8) + k) * WIDTH;
      vec all = load(sums);
      for (int64_t part = 1; part < c->parts; ++part) all += load(sums + part * c->each);
      c->dw[row * c->depth + k] = total_of(all);
    }
}

/* Whether it costs less: vectors of positions with the gaps between rows, against vectors of rows that are not full. Each group
 * is summed up by itself where what all of them need does not stay in the cache together. */
static int is_better_along(struct weights *c) {
  const int64_t rows = c->plan.rows, groups = c->plan.groups, taps = taps_beside(MIN(MOST_VECTORS, c->vectors));
  const int64_t sums = along_sums(c) * (int64_t)sizeof(T), laid = (c->image + rows * groups * along_length(c)) * (int64_t)sizeof(T);
  if (rows < ALONG_LEAST || rows > 2 * ALONG_MOST || c->plan.walk > 1) return 0;
  c->apart = sums > ALONG_BYTES || laid > LAID_BYTES ? groups : 1;
  if (sums / c->apart > ALONG_BYTES || laid / c->apart > LAID_BYTES) return 0;
  if (c->apart > 1) c->parts = MAX(1, MIN(c->parts, MOST_PARTS / groups));
  if (c->apart * c->parts < 2) return 0;
  return 5 * rows * c->depth * along_length(c) < 4 * WIDTH * c->positions * tiles_of(c, taps) * taps * c->vectors;
}

static int run_along(struct weights c) {
  c.each = along_sums(&c);
  c.sums = SCRATCH(3, (size_t)(c.each * c.parts) * sizeof(T));
  const int64_t rows = c.plan.groups * c.plan.rows, work = c.plan.images * along_length(&c) / WIDTH * rows * c.depth;
  PARALLEL(share_along, &c, c.parts * c.apart, work < ALONE ? c.parts * c.apart : 1);
  PARALLEL(join_along, &c, rows, grain_for(rows, c.depth * c.parts * WIDTH));
  T check = 0; /* NaN where one is not finite */
  for (int64_t i = 0; i < rows * c.depth; ++i) check += c.dw[i] * 0;
  return check == 0;
}

/* dw[row][channel][tap] = sum over images and positions of g[row][position] * x[channel][position moved by the tap].
 * `n`: the plan of the convolution itself. */
EXPORT void convolution_weight(const T *x, const T *g, T *dw, const int64_t *n) {
  struct weights c = {.x = x, .g = g, .dw = dw, .plan = read_plan(n, 0)};
  const struct plan *p = &c.plan;
  const struct part *part = p->parts;
  if (weight_winograd(p, x, g, dw) || weight_quarters(p, x, g, dw)) return;
  c.positions = part->grid[0] * part->grid[1] * part->grid[2], c.depth = p->channels * part->taps;
  c.vectors = (p->rows + WIDTH - 1) / WIDTH, c.blocks = (c.vectors + MOST_VECTORS - 1) / MOST_VECTORS;
  c.image = p->groups * p->channels * p->frame.plane, c.each = p->groups * c.vectors * WIDTH * (c.depth + 16);
  int64_t *places = SCRATCH(2, (size_t)(c.depth + 16) * sizeof(int64_t));
  for (int64_t k = 0; k < c.depth + 16; ++k) {
    const int64_t real = MIN(k, c.depth - 1); /* tiles past the end do the last tap again */
    places[k] = real / part->taps * p->frame.plane + part->offset[real % part->taps];
  }
  c.places = places;
  const int64_t laid = p->prepared ? c.image * (int64_t)sizeof(T) : 1;
  c.parts = MIN(p->images, MOST_PARTS);
  if (is_better_along(&c) && run_along(c)) return;
  c.parts = MIN(p->images, MOST_PARTS);
  const int apart = c.parts > 1 && c.each * (int64_t)sizeof(T) <= PART_BYTES && laid <= LAID_BYTES;
  c.sums = SCRATCH(3, (size_t)(c.each * (apart ? c.parts : 1)) * sizeof(T));
  if (!apart) {
    all_at_once(&c);
    return;
  }
  c.step = MAX(1, MIN((p->images + c.parts - 1) / c.parts, MIN(CHUNK / c.positions, LAID_BYTES / laid)));
  c.room = MIN(c.step * c.positions, MAX(1, TURNED_BYTES / (c.vectors * VECTOR_BYTES) / CHUNK) * CHUNK);
  PARALLEL(share, &c, c.parts, p->images * p->groups * c.positions * c.vectors * c.depth < ALONE ? c.parts : 1);
  PARALLEL(join_shares, &c, p->groups * c.blocks, grain_for(p->groups * c.blocks, c.parts * c.each / (p->groups * c.blocks)));
}
