/* types: float double */
/* Convolutions as in conv.c, but with vectors along the rows of the weights: any width of image fills them.
 *
 * Elements of the input are broadcast from the prepared planes (fb_windows.h), up to MOST positions of one row of windows at a time,
 * or of columns packed for positions of several rows. A tile of positions x rows stays in registers while the taps of all
 * channels pass; complete tiles are transposed on the way out.
 */
#include "fb_gemm.h"
#include "fb_finish.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")
#define NV 2 /* vectors of rows in a tile */
#if REGISTERS == 32
#define MOST 14 /* positions in a tile */
#else
#define MOST 6
#endif
#define BLOCK (NV * WIDTH)
#define PITCH ((MOST + WIDTH - 1) / WIDTH * WIDTH)
#define DEPTH 256 /* taps of channels summed up in registers before they go to memory */
#define TOGETHER 16 /* tiles of a task, most: a panel of weights stays in the first cache while they pass */
#define BATCH_BYTES (4 << 20) /* of prepared planes at a time */
#define LARGE_WEIGHTS (512 << 10) /* bytes; more are dealt out among the threads, fewer read by each */
#define FAR 6 /* channels that weights are called in ahead, where the next one's lie pages away */
#define ALONE 4096 /* products of two vectors with an element below which waking a thread costs more than it saves */

struct broadcast {
  struct plan plan;
  struct finish finish;
  const T *x, *w, *bias;
  T *y, *planes; /* planes NULL: x is read as it is */
  int dense;     /* whether results lie in the order of the positions */
  int64_t padded_rows, depth; /* rows in whole vectors; channels of a block */
  int64_t twins;              /* parts whose results are woven, or 1 */
  int64_t first_image, now;   /* the present batch of images */
  int64_t lines, length, tiles_each, tiles, together, groups_of_tiles, cuts;
};

/* -- the tile ------------------------------------------------------------------------------------------------------- */

/* sums[i][v] (+)= sum over k of x[offset[k] + i * walk] * w[k][v]; begins with `start`, if that is not NULL. Fetches `depth` vectors
 * from `ahead` on. */
INLINE void tile(const int nv, const int count, const int64_t walk, int64_t depth, const T *RESTRICT w, const T *x, const int64_t *RESTRICT offset, T *sums, const T *start, const T *ahead) {
  vec sum[MOST][NV];
  UNROLL for (int v = 0; v < nv; ++v) {
    const vec s = start ? load(start + v * WIDTH) : (vec){0};
    UNROLL for (int i = 0; i < count; ++i) sum[i][v] = s;
  }
  for (int64_t k = 0; k < depth; ++k, w += nv * WIDTH) {
    const T *from = x + offset[k];
    vec a[NV];
    UNROLL for (int v = 0; v < nv; ++v) a[v] = load(w + v * WIDTH);
    if (nv > 1) { /* one vector leaves no loads free */
      __builtin_prefetch(ahead + k * WIDTH, 0, 2);
      __builtin_prefetch(from + (MOST + count) * walk); /* what the next tile reads */
    }
    UNROLL for (int i = 0; i < count; ++i) {
      const vec b = splat(from[i * walk]);
      UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += a[v] * b;
    }
  }
  if (!start) { /* at the end: many short sums round less than a long one */
    UNROLL for (int i = 0; i < count; ++i) UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += load(sums + i * BLOCK + v * WIDTH);
  }
  UNROLL for (int i = 0; i < count; ++i) UNROLL for (int v = 0; v < nv; ++v) store(sums + i * BLOCK + v * WIDTH, sum[i][v]);
}

typedef void tile_kernel(int64_t depth, const T *w, const T *x, const int64_t *offset, T *sums, const T *start, const T *ahead);
#define ONE_TILE(n, nv) \
  static void tile_##n##x##nv(int64_t depth, const T *w, const T *x, const int64_t *offset, T *sums, const T *start, const T *ahead) { tile(nv, n, 1, depth, w, x, offset, sums, start, ahead); } \
  static void two_##n##x##nv(int64_t depth, const T *w, const T *x, const int64_t *offset, T *sums, const T *start, const T *ahead) { tile(nv, n, 2, depth, w, x, offset, sums, start, ahead); }
#define NAME_TILE(n, nv) tile_##n##x##nv,
#define NAME_TWO(n, nv) two_##n##x##nv,
#if MOST == 14
#define EACH_COUNT(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v) X(7, v) X(8, v) X(9, v) X(10, v) X(11, v) X(12, v) X(13, v) X(14, v)
#else
#define EACH_COUNT(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v)
#endif
EACH_COUNT(ONE_TILE, 1)
EACH_COUNT(ONE_TILE, 2)
static tile_kernel *const tile_kernels[2][NV][MOST] = { /* for windows one element and two apart */
  {{EACH_COUNT(NAME_TILE, 1)}, {EACH_COUNT(NAME_TILE, 2)}},
  {{EACH_COUNT(NAME_TWO, 1)}, {EACH_COUNT(NAME_TWO, 2)}},
};

/* -- positions ------------------------------------------------------------------------------------------------------ */

/* Positions in one row of windows: where they stand in the tile and in the planes, and which they are. */
struct stretch {
  int64_t at, count, from, image, d, h, w;
};
struct positions {
  int64_t stretches, count;
  struct stretch s[MOST];
};

/* The positions of some tiles from `tile` on: each a share of a line, which is a row of windows, an image, or all images. */
static void positions_of(const struct broadcast *c, const struct part *p, int64_t tile, int64_t tiles, struct positions *found) {
  const int64_t *n = p->grid, image_stride = c->plan.groups * c->plan.channels * c->plan.frame.plane;
  const int64_t each = c->length / c->tiles_each, more = c->length % c->tiles_each; /* the first tiles of a line have one more */
  int64_t share = tile % c->tiles_each, q = tile / c->tiles_each * c->length + share * each + MIN(share, more);
  int64_t w = q % n[2], h = q / n[2] % n[1], d = q / n[2] / n[1] % n[0], image = q / n[2] / n[1] / n[0];
  for (; tiles > 0; --tiles, ++found) {
    found->stretches = 0, found->count = each + (share < more);
    for (int64_t at = 0; at < found->count; ++found->stretches) {
      const int64_t count = MIN(n[2] - w, found->count - at);
      found->s[found->stretches] = (struct stretch){at, count, image * image_stride + d * c->plan.pitch[0] + h * c->plan.pitch[1] + w * c->plan.walk, image, d, h, w};
      at += count, w += count;
      if (w < n[2]) continue;
      w = 0;
      if (++h < n[1]) continue;
      h = 0;
      if (++d < n[0]) continue;
      d = 0, ++image;
    }
    if (++share == c->tiles_each) share = 0;
  }
}

/* to[(channel * taps + tap) * PITCH + position] */
static void pack_columns(const struct broadcast *c, const struct part *p, const struct positions *q, const T *planes, int64_t channels, T *RESTRICT to) {
  for (int64_t channel = 0; channel < channels; ++channel, planes += c->plan.frame.plane)
    for (int64_t t = 0; t < p->taps; ++t, to += PITCH)
      for (int64_t i = 0; i < q->stretches; ++i) {
        const struct stretch *s = q->s + i;
        const T *from = planes + p->offset[t] + s->from;
        if (c->plan.walk > 1) {
          for (int64_t v = 0; v < s->count; ++v) to[s->at + v] = from[v * c->plan.walk];
          continue;
        }
        for (int64_t v = 0; v < s->count; v += WIDTH) /* what is too much is written over by what follows */
          store(to + s->at + v, load_head(from + v, MIN(WIDTH, s->count - v), 0));
      }
}

/* Sums of positions that follow one another in one image, `count` <= WIDTH of them, to WIDTH rows `volume` apart. */
INLINE void write_square(const struct broadcast *c, const T *from, int64_t place, int64_t volume, int64_t count) {
  const struct finish *f = &c->finish;
  vec r[GEMM_LANES];
  UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = load(from + i * BLOCK);
  gemm_transpose(r);
  T *to = c->y + place;
  if (!finishes(f)) {
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) store_head(to + i * volume, r[i], count);
    return;
  }
  const vec low = splat(f->low), high = splat(f->high);
  if (f->residual) { UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] += load_head(f->residual + place + i * volume, count, 0); }
  if (f->activation == CLAMP) { UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = clamped(r[i], low, high); }
  else if (f->activation != PLAIN) { UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = activated(r[i], f->activation, low, high); }
  UNROLL for (int i = 0; i < GEMM_LANES; ++i) store_head(to + i * volume, r[i], count);
}

INLINE void turn_tile(const T *sums, int64_t rows, int64_t count, T *turned) {
  for (int64_t v = 0; v < rows; v += WIDTH)
    for (int64_t g = 0; g < count; g += WIDTH) {
      vec r[GEMM_LANES];
      const T *from = sums + g * BLOCK + v;
      UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = load(from + i * BLOCK);
      gemm_transpose(r);
      UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(turned + (v + i) * PITCH + g, r[i]);
    }
}

/* Complete tiles of a pair of parts, `apart` elements from one another. */
static void write_pairs(const struct broadcast *c, const struct part *p, const struct positions *q, const T *sums, int64_t apart, int64_t row, int64_t rows) {
  T even[BLOCK * PITCH] __attribute__((aligned(64))), odd[BLOCK * PITCH] __attribute__((aligned(64)));
  const int64_t *size = c->plan.size, volume = size[0] * size[1] * size[2];
  turn_tile(sums, rows, q->count, even), turn_tile(sums + apart, rows, q->count, odd);
  for (const struct stretch *s = q->s; s < q->s + q->stretches; ++s)
    write_pair(&c->plan, p, s->d, s->h, s->w, s->count, even + s->at, odd + s->at, PITCH, c->y + ((c->first_image + s->image) * c->plan.groups * c->plan.rows + row) * volume, rows);
}

/* A complete tile to rows [row, row + rows) of the result. */
static void write_tile(const struct broadcast *c, const struct part *p, const struct positions *q, const T *sums, int64_t row, int64_t rows) {
  const struct stretch *one = q->s, *final = q->s + q->stretches - 1;
  if (PITCH == WIDTH && c->dense && rows % WIDTH == 0 && one->image == final->image) {
    const int64_t *size = c->plan.size, volume = size[0] * size[1] * size[2];
    const int64_t place = ((c->first_image + one->image) * c->plan.groups * c->plan.rows + row) * volume + (one->d * size[1] + one->h) * size[2] + one->w;
    for (int64_t v = 0; v < rows; v += WIDTH) write_square(c, sums + v, place + v * volume, volume, q->count);
    return;
  }
  T turned[BLOCK * PITCH] __attribute__((aligned(64)));
  turn_tile(sums, rows, q->count, turned);
  const int64_t *size = c->plan.size, volume = size[0] * size[1] * size[2], step = p->step[2];
  for (int64_t i = 0; i < q->stretches; ++i) {
    const struct stretch *s = q->s + i;
    const int64_t d = p->first[0] + s->d * p->step[0], h = p->first[1] + s->h * p->step[1], w = p->first[2] + s->w * step;
    if (d < 0 || d >= size[0] || h < 0 || h >= size[1]) continue;
    const int64_t begin = w < 0 ? (-w + step - 1) / step : 0, end = MIN(s->count, (size[2] - w + step - 1) / step);
    int64_t count = end - begin;
    if (count <= 0) continue;
    if (c->dense) /* all of one image lies together */
      for (; i + 1 < q->stretches && q->s[i + 1].image == s->image; ++i) count += q->s[i + 1].count;
    const int64_t place = ((c->first_image + s->image) * c->plan.groups * c->plan.rows + row) * volume + (d * size[1] + h) * size[2] + w + begin * step;
    const T *from = turned + s->at + begin;
    if (step == 1) {
      finish_rows(&c->finish, from, PITCH, c->y, place, volume, rows, count);
      continue;
    }
    T *to = c->y + place;
    for (int64_t r = 0; r < rows; ++r, to += volume, from += PITCH)
      for (int64_t v = 0; v < count; ++v) to[v * step] = from[v];
  }
}

/* -- tasks ---------------------------------------------------------------------------------------------------------- */

/* Where the weights of a part and group are: [block of channels][block of rows][channel][tap][row]. */
INLINE int64_t part_size(const struct broadcast *c, const struct part *p) { return c->padded_rows * c->plan.channels * p->taps; }

/* Whether the taps of all rows follow one another, and a vector holds a row's. */
INLINE int has_whole_taps(const struct plan *p) { return p->row_stride == p->taps && p->row_stride <= GEMM_LANES; }

/* The weights of all parts, where the taps of rows that follow one another are read at once. */
static void pack_whole_taps(void *context, int64_t begin, int64_t end) {
  const struct broadcast *c = context;
  const struct plan *plan = &c->plan;
  const int64_t vectors = c->padded_rows / WIDTH, rs = plan->row_stride;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t group = at / vectors, row = at % vectors * WIDTH, count = MIN(WIDTH, plan->rows - row);
    const int64_t block = row / BLOCK * BLOCK, width = MIN(BLOCK, c->padded_rows - block);
    const T *w = c->w + group * plan->group_stride + row * rs;
    for (int64_t channel = 0; channel < plan->channels; ++channel) {
      const int64_t c0 = channel / c->depth * c->depth, channels = MIN(c->depth, plan->channels - c0);
      const T *from = w + channel * plan->channel_stride, *ahead = from + FAR * plan->channel_stride;
      for (int64_t i = 0; i <= WIDTH * rs; i += VECTOR_BYTES / (int64_t)sizeof(T)) __builtin_prefetch(ahead + i);
      vec r[GEMM_LANES];
      UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < count ? load_head(from + i * rs, rs, 0) : (vec){0};
      gemm_transpose(r);
      for (int64_t i = 0; i < plan->part_count; ++i) {
        const struct part *p = plan->parts + i;
        T *to = (T *)p->weight + group * part_size(c, p) + (c->padded_rows * c0 + block * channels) * p->taps + row - block + (channel - c0) * p->taps * width;
        for (int64_t t = 0; t < p->taps; ++t) memcpy(to + t * width, r + p->tap[t], VECTOR_BYTES);
      }
    }
  }
}

static void pack_weights(void *context, int64_t begin, int64_t end) {
  const struct broadcast *c = context;
  const struct plan *plan = &c->plan;
  const int64_t vectors = c->padded_rows / WIDTH;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t vector = at % vectors, group = at / vectors % plan->groups, row = vector * WIDTH, count = MIN(WIDTH, plan->rows - row);
    const struct part *p = plan->parts + at / vectors / plan->groups;
    const int64_t block = row / BLOCK * BLOCK, width = MIN(BLOCK, c->padded_rows - block), rs = plan->row_stride;
    const T *w = c->w + group * plan->group_stride + row * rs;
    T *all = (T *)p->weight + group * part_size(c, p);
    const int together = p->taps == plan->channel_stride; /* the taps of all channels follow one another */
    for (int64_t c0 = 0; c0 < plan->channels; c0 += c->depth) {
      const int64_t channels = MIN(c->depth, plan->channels - c0), depth = channels * p->taps;
      T *to = all + c->padded_rows * c0 * p->taps + block * depth + row - block;
      int64_t k = 0;
      if (together)
        for (const T *from = w + c0 * p->taps; k + WIDTH <= depth; k += WIDTH) {
          vec r[GEMM_LANES];
          UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < count ? load(from + i * rs + k) : (vec){0};
          gemm_transpose(r);
          UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(to + (k + i) * width, r[i]);
        }
      if (rs == 1) /* rows follow one another */
        for (; k < depth; ++k) {
          const T *from = w + (c0 + k / p->taps) * plan->channel_stride + p->tap[k % p->taps];
          store(to + k * width, load_head(from, count, 0));
        }
      for (; k < depth; ++k) {
        const T *from = w + (c0 + k / p->taps) * plan->channel_stride + p->tap[k % p->taps];
        for (int64_t i = 0; i < WIDTH; ++i) to[k * width + i] = i < count ? from[i * rs] : 0;
      }
    }
  }
}

static void place_planes(void *context, int64_t begin, int64_t end) {
  const struct broadcast *c = context;
  const struct frame *f = &c->plan.frame;
  const int64_t size = f->size[0] * f->size[1] * f->size[2];
  const T *x = c->x + c->first_image * c->plan.groups * c->plan.channels * size;
  for (int64_t at = begin; at < end; ++at) {
    if (c->first_image == 0) memset(c->planes + at * f->plane, 0, (size_t)f->plane * sizeof(T));
    place_plane(f, x + at * size, c->planes + at * f->plane);
  }
}

/* A group of tiles by a share of the rows of one group in one part. */
static void convolve(void *context, int64_t begin, int64_t end) {
  const struct broadcast *c = context;
  const struct plan *plan = &c->plan;
  const int64_t plane = plan->frame.plane, blocks = (plan->rows + BLOCK - 1) / BLOCK;
  struct positions *q = SCRATCH(1, (size_t)TOGETHER * sizeof *q);
  tile_kernel *const(*kernels)[MOST] = tile_kernels[plan->walk == 2 && !plan->packed];
  for (int64_t at = begin; at < end; ++at) {
    /* Parts are next to one another: their results share cache lines, and a thread does all of them. */
    const int64_t sets = plan->part_count / c->twins, rest = at / sets, cut = rest % c->cuts, some = rest / c->cuts % c->groups_of_tiles, group = rest / c->cuts / c->groups_of_tiles;
    const struct part *p = plan->parts + at % sets * c->twins;
    const int64_t r0 = blocks * cut / c->cuts, r1 = blocks * (cut + 1) / c->cuts;
    const int64_t t0 = some * c->tiles / c->groups_of_tiles, tiles = (some + 1) * c->tiles / c->groups_of_tiles - t0;
    const int whole = c->depth >= plan->channels;
    const int64_t together = MIN(c->depth, plan->channels), most = together * MAX(p->taps, p[c->twins - 1].taps);
    int64_t *offset = SCRATCH(6, (size_t)(c->twins * most) * sizeof(int64_t));
    for (int64_t j = 0; j < c->twins; ++j)
      for (int64_t k = 0, channel = 0; channel < together; ++channel) /* divisions would take as long as a tile */
        for (int64_t t = 0; t < p[j].taps; ++t, ++k) offset[j * most + k] = plan->packed ? k * PITCH : channel * plane + p[j].offset[t];
    T *columns = SCRATCH(2, (size_t)((plan->packed ? c->twins * tiles * most * PITCH : 0) + WIDTH) * sizeof(T));
    const int64_t apart = (whole ? 1 : tiles * (r1 - r0)) * PITCH * BLOCK; /* sums of one part */
    T *sums = SCRATCH(3, (size_t)(c->twins * apart + BLOCK) * sizeof(T)), *start = sums;
    sums += BLOCK;
    const T *planes = (c->planes ? c->planes : c->x + c->first_image * plan->groups * plan->channels * plane) + group * plan->channels * plane;
    positions_of(c, p, t0, tiles, q);
    for (int64_t c0 = 0; c0 == 0 || c0 < plan->channels; c0 += c->depth) {
      const int64_t channels = MIN(c->depth, plan->channels - c0);
      const int last = c0 + c->depth >= plan->channels;
      if (plan->packed)
        for (int64_t i = 0; i < tiles * c->twins; ++i) pack_columns(c, p + i % c->twins, q + i / c->twins, planes + c0 * plane, channels, columns + i * most * PITCH);
      for (int64_t r = r0; r < r1; ++r) {
        const int64_t rows = MIN(BLOCK, plan->rows - r * BLOCK), row = group * plan->rows + r * BLOCK, nv = (rows + WIDTH - 1) / WIDTH;
        if (c0 == 0)
          for (int64_t i = 0; i < BLOCK; ++i) start[i] = c->bias && i < rows ? c->bias[row + i] : 0;
        for (int64_t i = 0; i < tiles; ++i) {
          /* Tiles take turns in fetching the panel after this one: the processor's own fetching stops at pages. */
          T *to = sums + (whole ? 0 : (r - r0) * tiles + i) * PITCH * BLOCK;
          for (int64_t j = 0; j < c->twins; ++j) {
            const int64_t depth = channels * p[j].taps;
            const T *w = p[j].weight + group * part_size(c, p + j) + c->padded_rows * c0 * p[j].taps + r * BLOCK * depth;
            const T *from = plan->packed ? columns + (i * c->twins + j) * most * PITCH : planes + c0 * plane + q[i].s[0].from;
            kernels[nv - 1][q[i].count - 1](depth, w, from, offset + j * most, to + j * apart, c0 == 0 ? start : 0, w + (nv + i % NV) * depth * WIDTH);
          }
          if (last && c->twins > 1) write_pairs(c, p, q + i, to, apart, row, rows);
          else if (last) write_tile(c, p, q + i, to, row, rows);
        }
      }
    }
  }
}

/* -- the calls ------------------------------------------------------------------------------------------------------ */

static void settle(struct broadcast *c) {
  const struct plan *p = &c->plan;
  const int64_t most = p->taps / p->part_count;
  c->padded_rows = (p->rows + WIDTH - 1) / WIDTH * WIDTH, c->depth = MAX(1, DEPTH / MAX(1, most));
  const int64_t blocks = (p->channels + c->depth - 1) / c->depth;
  c->depth = (p->channels + blocks - 1) / blocks;
}

static int64_t packed_size(const struct broadcast *c) { return c->plan.groups * c->padded_rows * c->plan.channels * c->plan.taps; }

static void set_weights(struct broadcast *c, const T *packed) {
  for (int64_t i = 0; i < c->plan.part_count; ++i) {
    c->plan.parts[i].weight = packed;
    packed += c->plan.groups * part_size(c, c->plan.parts + i);
  }
}

static void pack(struct broadcast *c, T *packed) {
  const struct plan *p = &c->plan;
  set_weights(c, packed);
  const int64_t vectors = p->groups * (c->padded_rows / WIDTH), panels = p->part_count * vectors;
  if (has_whole_taps(p) && p->row_stride > 1) {
    PARALLEL(pack_whole_taps, c, vectors, grain_for(vectors, WIDTH * p->channels * p->taps));
    return;
  }
  PARALLEL(pack_weights, c, panels, grain_for(panels, WIDTH * p->channels * p->taps / p->part_count));
}

static void convolve_packed(struct broadcast *given) {
  struct broadcast c = *given;
  const struct plan *plan = &c.plan;
  const struct part *part = plan->parts;
  const int64_t threads = fb->threads(), image = plan->groups * plan->channels * plan->frame.plane, *grid = part->grid, positions = grid[0] * grid[1] * grid[2];
  int64_t batch = plan->images;
  if (plan->prepared) {
    batch = MAX(1, MIN(plan->images, BATCH_BYTES / (int64_t)sizeof(T) / MAX(image, 1)));
    c.planes = SCRATCH(5, (size_t)(batch * image + MOST) * sizeof(T));
    memset(c.planes + batch * image, 0, MOST * sizeof(T)); /* the padding behind the last row */
  }
  c.dense = plan->part_count == 1, c.twins = 1 + are_pairs(plan);
  for (int i = 0; i < 3; ++i) c.dense &= part->step[i] == 1 && part->first[i] == 0 && grid[i] == plan->size[i];
  const int64_t blocks = (plan->rows + BLOCK - 1) / BLOCK, taps = plan->taps / plan->part_count, weights = blocks * BLOCK * plan->channels * taps;
  for (c.first_image = 0; c.first_image < plan->images; c.first_image += batch) {
    c.now = MIN(batch, plan->images - c.first_image);
    if (c.planes) PARALLEL(place_planes, &c, c.now * plan->groups * plan->channels, grain_for(c.now * plan->groups * plan->channels, plan->frame.plane));
    c.length = !plan->packed ? grid[2] : positions >= 3 * MOST ? positions : c.now * positions;
    c.lines = c.now * positions / c.length;
    c.tiles_each = (c.length + MOST - 1) / MOST, c.tiles = c.lines * c.tiles_each;
    const int64_t each = plan->groups, work = each * c.now * positions * plan->part_count * weights / WIDTH / 2;
    const int alone = threads == 1 || work < ALONE;
    c.together = MIN(TOGETHER, c.tiles), c.cuts = 1;
    if (!alone) {
      const int64_t wanted = 2 * threads;
      if (each * ((c.tiles + c.together - 1) / c.together) < wanted) {
        if (weights * (int64_t)sizeof(T) > LARGE_WEIGHTS) c.cuts = MIN(blocks, (wanted + each - 1) / each);
        else c.together = MAX(1, MIN(c.together, each * c.tiles / wanted));
      }
    }
    c.groups_of_tiles = (c.tiles + c.together - 1) / c.together;
    const int64_t sets = plan->part_count / c.twins, places = each * c.groups_of_tiles * c.cuts;
    PARALLEL(convolve, &c, sets * places, alone ? sets * places : MAX(1, places / (8 * threads)) * sets);
  }
}

/* As `convolution`, `convolution_room`, `convolution_pack` and `convolution_packed` in conv.c. `packed` in the plan: columns are
 * packed; if not, tiles are within a row of windows. */
EXPORT void broadcast(const T *x, const T *w, const T *bias, T *y, const int64_t *n) {
  struct broadcast c = {.x = x, .w = w, .bias = bias, .y = y, .plan = read_plan(n, 0)};
  leave_out_empty(&c.plan, y, bias);
  settle(&c);
  pack(&c, SCRATCH(4, (size_t)packed_size(&c) * sizeof(T)));
  convolve_packed(&c);
}

EXPORT int64_t broadcast_room(const int64_t *n) {
  struct broadcast c = {.plan = read_plan(n, 0)};
  settle(&c);
  return packed_size(&c);
}

EXPORT void broadcast_pack(const T *w, T *packed, const int64_t *n) {
  struct broadcast c = {.w = w, .plan = read_plan(n, 0)};
  settle(&c);
  pack(&c, packed);
}

EXPORT void broadcast_packed(const T *x, const T *packed, const T *bias, const T *residual, T *y, int64_t activation, T low, T high, const int64_t *n) {
  struct broadcast c = {.x = x, .bias = bias, .y = y, .plan = read_plan(n, 0), .finish = {activation, low, high, residual}};
  settle(&c);
  set_weights(&c, packed);
  convolve_packed(&c);
}
