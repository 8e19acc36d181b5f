/* types: float double */
/* The gradient of convolutions for the weight: sums over all positions of gradient times column.
 *
 * Vectors along the rows of the weight (output channels): the gradient of a few images is transposed to positions x rows, and a
 * tile of taps x rows stays in registers while the positions pass; each tap's element is broadcast straight from the prepared
 * planes (fb_windows.h). No columns are made, and no position is computed that is not there. Each tile belongs to one task,
 * which adds the images in order.
 */
#include "fb_gemm.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")
#define CHUNK 128               /* positions that pass by all taps before the next ones: their gradients stay in the first cache */
#define ALONE 16384             /* products of a vector with a number below which waking a thread costs more than it saves */
#define BATCH_BYTES (6 << 20)   /* of prepared planes and gradients at a time */
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
  T *dw, *planes, *turned, *sums; /* planes NULL: x is read as it is */
  const int64_t *places;          /* of every tap of every channel of a group, in the prepared planes */
  int64_t positions, depth;       /* positions of an image; taps of all channels of a group */
  int64_t vectors, blocks, cuts;  /* vectors of rows of a group, in blocks; shares of the taps */
  int64_t first_image, now, last;
};

struct run { int64_t at, from, count; }; /* positions of a chunk in one row */
struct chunk { int64_t runs, positions; struct run run[CHUNK]; };

INLINE void tile(const int taps, const int vectors, const T *x, const int64_t *RESTRICT places, const struct chunk *c, const T *g, int64_t pitch, T *sums, int first) {
  vec sum[12][MOST_VECTORS];
  UNROLL for (int i = 0; i < taps; ++i) UNROLL for (int v = 0; v < vectors; ++v)
    sum[i][v] = first ? (vec){0} : load(sums + (i * vectors + v) * WIDTH);
  for (int64_t r = 0; r < c->runs; ++r) {
    const T *from[12];
    UNROLL for (int i = 0; i < taps; ++i) from[i] = x + places[i] + c->run[r].from;
    const T *y = g + c->run[r].at * pitch;
    for (int64_t w = 0; w < c->run[r].count; ++w, y += pitch) {
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

typedef void tile_kernel(const T *x, const int64_t *places, const struct chunk *c, const T *g, int64_t pitch, T *sums, int first);
#define ONE_TILE(taps, v) \
  static void tile_##v(const T *x, const int64_t *places, const struct chunk *c, const T *g, int64_t pitch, T *sums, int first) { tile(taps, v, x, places, c, g, pitch, sums, first); }
#if MOST_VECTORS == 4
ONE_TILE(12, 1) ONE_TILE(12, 2) ONE_TILE(8, 3) ONE_TILE(6, 4)
static tile_kernel *const tiles[] = {tile_1, tile_2, tile_3, tile_4};
#else
ONE_TILE(8, 1) ONE_TILE(6, 2) ONE_TILE(4, 3)
static tile_kernel *const tiles[] = {tile_1, tile_2, tile_3};
#endif

/* The gradients of WIDTH rows of one image as positions x rows. */
static void turn(const struct weights *c, int64_t image, int64_t group, int64_t vector) {
  const int64_t rows = c->plan.rows, first = vector * WIDTH, count = MIN(WIDTH, rows - first), P = c->positions;
  const int64_t pitch = c->vectors * WIDTH;
  const T *g = c->g + (((c->first_image + image) * c->plan.groups + group) * rows + first) * P;
  T *to = c->turned + (image * c->plan.groups + group) * P * pitch + first;
  for (int64_t p = 0; p < P; p += WIDTH) {
    vec r[GEMM_LANES];
    const int64_t there = MIN(WIDTH, P - p);
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i >= count ? (vec){0} : there == WIDTH ? load(g + i * P + p) : load_head(g + i * P + p, there, 0);
    gemm_transpose(r);
    if (there == WIDTH) { UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(to + (p + i) * pitch, r[i]); }
    else for (int64_t i = 0; i < there; ++i) store(to + (p + i) * pitch, r[i]);
  }
}

static void lay_out(void *context, int64_t begin, int64_t end) {
  const struct weights *c = context;
  const struct plan *p = &c->plan;
  const int64_t size = p->frame.size[0] * p->frame.size[1] * p->frame.size[2], planes = c->planes ? c->now * p->groups * p->channels : 0;
  const T *x = c->x + c->first_image * p->groups * p->channels * size;
  for (int64_t at = begin; at < end; ++at) {
    if (at < planes) place_plane(&p->frame, x + at * size, c->planes + at * p->frame.plane);
    else turn(c, (at - planes) / c->vectors / p->groups, (at - planes) / c->vectors % p->groups, (at - planes) % c->vectors);
  }
}

static void chunk_of(const struct plan *p, int64_t begin, int64_t end, struct chunk *c) {
  const int64_t *n = p->parts[0].grid;
  c->runs = 0, c->positions = end - begin;
  for (int64_t q = begin; q < end; ++c->runs) {
    const int64_t w = q % n[2], h = q / n[2] % n[1], d = q / n[2] / n[1], count = MIN(n[2] - w, end - q);
    c->run[c->runs] = (struct run){q - begin, d * p->pitch[0] + h * p->pitch[1] + w, count};
    q += count;
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

/* A block of vectors of rows by a share of the taps. */
static void gather(void *context, int64_t begin, int64_t end) {
  const struct weights *c = context;
  const struct plan *p = &c->plan;
  const int64_t pitch = c->vectors * WIDTH, plane_stride = p->groups * p->channels * p->frame.plane;
  const int64_t turned_stride = p->groups * c->positions * pitch;
  struct chunk *chunk = SCRATCH(1, sizeof(struct chunk));
  for (int64_t at = begin; at < end; ++at) {
    const int64_t cut = at % c->cuts, block = at / c->cuts % c->blocks, group = at / c->cuts / c->blocks;
    const int64_t vector = block * MOST_VECTORS, vectors = MIN(MOST_VECTORS, c->vectors - vector), taps = taps_beside(vectors);
    const int64_t count = (c->depth + taps - 1) / taps, t0 = cut * count / c->cuts, t1 = (cut + 1) * count / c->cuts;
    T *sums = c->sums + (group * c->vectors + vector) * WIDTH * (c->depth + 16) + t0 * taps * vectors * WIDTH;
    const T *planes = (c->planes ? c->planes : c->x + c->first_image * plane_stride) + group * p->channels * p->frame.plane;
    for (int64_t image = 0; image < c->now; ++image) {
      const T *x = planes + image * plane_stride;
      const T *g = c->turned + image * turned_stride + group * c->positions * pitch + vector * WIDTH;
      for (int64_t q = 0; q < c->positions; q += CHUNK) {
        chunk_of(p, q, MIN(q + CHUNK, c->positions), chunk);
        const int first = c->first_image == 0 && image == 0 && q == 0;
        for (int64_t t = t0; t < t1; ++t)
          tiles[vectors - 1](x, c->places + t * taps, chunk, g + q * pitch, pitch, sums + (t - t0) * taps * vectors * WIDTH, first);
      }
    }
    if (c->last) put_rows(c, sums, group, vector, vectors, t0 * taps, MIN(c->depth, t1 * taps));
  }
}

/* dw[row][channel][tap] = sum over images and positions of g[row][position] * x[channel][position moved by the tap].
 * `n`: the plan of the convolution itself. */
EXPORT void convolution_weight(const T *x, const T *g, T *dw, const int64_t *n) {
  struct weights c = {.x = x, .g = g, .dw = dw, .plan = read_plan(n, 0)};
  const struct plan *p = &c.plan;
  const struct part *part = p->parts;
  c.positions = part->grid[0] * part->grid[1] * part->grid[2], c.depth = p->channels * part->taps;
  c.vectors = (p->rows + WIDTH - 1) / WIDTH, c.blocks = (c.vectors + MOST_VECTORS - 1) / MOST_VECTORS;
  int64_t *places = SCRATCH(2, (size_t)(c.depth + 16) * sizeof(int64_t));
  for (int64_t k = 0; k < c.depth + 16; ++k) {
    const int64_t real = MIN(k, c.depth - 1); /* tiles past the end do the last tap again */
    places[k] = real / part->taps * p->frame.plane + part->offset[real % part->taps];
  }
  c.places = places;
  c.sums = SCRATCH(3, (size_t)(p->groups * c.vectors * WIDTH * (c.depth + 16)) * sizeof(T));
  const int64_t threads = fb->threads(), plane = p->groups * p->channels * p->frame.plane, turned = p->groups * c.positions * c.vectors * WIDTH;
  const int64_t each = (p->prepared ? plane : 0) + turned;
  const int64_t batch = MAX(1, MIN(p->images, BATCH_BYTES / (int64_t)sizeof(T) / each));
  c.turned = SCRATCH(4, (size_t)(batch * turned) * sizeof(T));
  if (p->prepared) {
    const size_t bytes = (size_t)(batch * plane + 64) * sizeof(T);
    c.planes = SCRATCH(5, bytes);
    memset(c.planes, 0, bytes);
  }
  const int64_t most = MIN(MOST_VECTORS, c.vectors), tiles_each = (c.depth + taps_beside(most) - 1) / taps_beside(most);
  c.cuts = threads == 1 ? 1 : MAX(1, MIN(tiles_each, 4 * threads / (p->groups * c.blocks)));
  for (c.first_image = 0; c.first_image < p->images; c.first_image += batch) {
    c.now = MIN(batch, p->images - c.first_image), c.last = c.first_image + batch >= p->images;
    const int64_t items = c.now * p->groups * ((c.planes ? p->channels : 0) + c.vectors);
    PARALLEL(lay_out, &c, items, grain_for(items, MAX(p->frame.plane, c.positions)));
    const int64_t tasks = p->groups * c.blocks * c.cuts;
    const int64_t work = c.now * p->groups * c.positions * c.vectors * c.depth;
    PARALLEL(gather, &c, tasks, work < ALONE ? tasks : MAX(1, tasks / (16 * threads)));
  }
}
