/* types: float double */
/* Convolutions of arrays whose channels lie last, (images, height, width, channels), with weights packed beforehand.
 *
 * Vectors run along the output channels and elements of the input are broadcast, so that any size of image fills them: a tile is
 * some six positions times four vectors. All taps of a row of the window are one contiguous run of the input, padded beforehand
 * where windows reach beyond it; nothing else is laid out anew. A panel of weights (DEPTH of its rows at a time) stays in the second
 * cache while the tiles of a block of positions pass over it, and the tiles' share of the input in the first.
 */
#include "fb.h"
#include "fb_finish.h"
#include "fb_vec.h"

#if REGISTERS == 32
#define MOST_VECTORS 4
#else
#define MOST_VECTORS 3
#endif
#define MOST_ROWS 8
#define DEPTH ((int64_t)(384 << 10) / (MOST_VECTORS * VECTOR_BYTES)) /* rows of a panel of weights that stay in the second cache */
#define CHAIN 256 /* rows of a panel that are summed up by themselves: rounding errors grow no longer than that, for 1 % of the time */
#define ALONE (1 << 18) /* multiply-adds below which waking a thread costs more than it saves */
#define FEW (512 << 10) /* bytes of weights that stay in the second cache all together */
#define NEAR (256 << 10) /* bytes of the input that the positions of a block read */
#define UNROLL _Pragma("GCC unroll 16")
#define AHEAD 24 /* rows of a panel fetched ahead: the processor's own fetching stops at pages, 2048 x 512 weights at 7 x 7 took 10 % longer */

/* Rows of a tile of so many vectors: as many sums as registers hold, and the vectors of weights beside them. */
static const int rows_of[] = {0, 8, REGISTERS == 32 ? 8 : 5, REGISTERS == 32 ? 8 : 4, 6};

/* What comes before a piece: nothing, a pass over all tiles ends, sums are put aside, sums are added to those put aside. */
enum { GOES_ON, PASS, ASIDE, ADDED };
struct piece {
  int64_t offset, length, before; /* of a window: where the run begins, and its elements */
};
struct sizes {
  int64_t images, height, width, channels, out_height, out_width, out_channels, groups;
  int64_t kernel[2], stride[2], dilation[2], before[2], room[2]; /* before: padding; room: of a padded plane */
};
struct conv {
  struct sizes s;
  const T *x, *w, *bias, *residual;
  T *y, *padded, low, high;
  struct finish finish; /* an activation that is no clamp */
  const struct piece *pieces;
  int64_t count, positions, blocks, vectors, panels, depth, across;
};

static struct sizes read_sizes(const int64_t *n) {
  struct sizes s;
  memcpy(&s, n, sizeof(s));
  return s;
}

/* -- the tile ------------------------------------------------------------------------------------------------------- */

/* What a tile begins and ends with. */
struct ends {
  T low, high;                         /* results are clamped between them */
  const T *bias, *earlier, *residual;  /* that are added, or NULL; `earlier`: sums of the passes before, in y, as which the residual is laid out */
  T *aside;                            /* where sums of less depth are put, or NULL where there are none */
};

/* to[i][v] += from[i * pitch][v]; `lanes` elements of the last vector count. */
INLINE void add_rows(vec sum[MOST_ROWS][MOST_VECTORS], const int rows, const int nv, const T *from, int64_t pitch, int64_t lanes) {
  UNROLL for (int i = 0; i < rows; ++i, from += pitch)
    UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += v == nv - 1 ? load_head(from + v * WIDTH, lanes, 0) : load(from + v * WIDTH);
}

/* y[i][v] = sum over the pieces of x[place[i] + ...] * w[...][v], and what `e` adds; `lanes` elements of the last vector are results.
 *
 * Addresses of rows are found one after the other: all at once, they leave too few registers, which cost a tile of 16 products' depth a third of its time. */
INLINE void tile(const int rows, const int nv, const T *x, const int64_t *place, const struct piece *pieces, int64_t count, const T *RESTRICT w,
                 T *y, int64_t pitch, int64_t lanes, const struct ends *e) {
  vec sum[MOST_ROWS][MOST_VECTORS], start[MOST_VECTORS];
  UNROLL for (int v = 0; v < nv; ++v) start[v] = (vec){0};
  if (e->bias) {
    UNROLL for (int v = 0; v < nv; ++v) start[v] = v == nv - 1 ? load_head(e->bias + v * WIDTH, lanes, 0) : load(e->bias + v * WIDTH);
  }
  UNROLL for (int i = 0; i < rows; ++i) UNROLL for (int v = 0; v < nv; ++v) sum[i][v] = start[v];
  if (e->residual) {
    const T *at = e->residual;
    UNROLL for (int i = 0; i < rows; ++i, at += pitch) UNROLL for (int v = 0; v < nv; ++v) __builtin_prefetch(at + v * WIDTH);
  }
  for (const struct piece *end = pieces + count; pieces < end; ++pieces) {
    if (pieces->before >= ASIDE) {
      if (pieces->before == ADDED) add_rows(sum, rows, nv, e->aside, nv * WIDTH, WIDTH);
      UNROLL for (int i = 0; i < rows; ++i)
        UNROLL for (int v = 0; v < nv; ++v) store(e->aside + (i * nv + v) * WIDTH, sum[i][v]), sum[i][v] = (vec){0};
    }
    const T *from[MOST_ROWS];
    UNROLL for (int i = 0; i < rows; ++i) from[i] = x + pieces->offset + place[i];
    for (int64_t k = 0, length = pieces->length; k < length; ++k, w += nv * WIDTH) {
      vec u[MOST_VECTORS];
      UNROLL for (int v = 0; v < nv; ++v) u[v] = load(w + v * WIDTH), __builtin_prefetch(w + (AHEAD * nv + v) * WIDTH);
      UNROLL for (int i = 0; i < rows; ++i) {
        const vec a = splat(from[i][k]);
        UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += a * u[v];
      }
    }
  }
  if (e->aside) add_rows(sum, rows, nv, e->aside, nv * WIDTH, WIDTH);
  if (e->earlier) add_rows(sum, rows, nv, e->earlier, pitch, lanes);
  if (e->residual) add_rows(sum, rows, nv, e->residual, pitch, lanes);
  const vec low = splat(e->low), high = splat(e->high);
  UNROLL for (int i = 0; i < rows; ++i, y += pitch)
    UNROLL for (int v = 0; v < nv; ++v) {
      const vec made = clamped(sum[i][v], low, high);
      if (v == nv - 1) store_head(y + v * WIDTH, made, lanes);
      else store(y + v * WIDTH, made);
    }
}

typedef void tile_kernel(const T *x, const int64_t *place, const struct piece *pieces, int64_t count, const T *w, T *y, int64_t pitch, int64_t lanes, const struct ends *e);
#define FB_TILE(rows, nv)                                                                                                             \
  static void tile_##rows##_##nv(const T *x, const int64_t *place, const struct piece *pieces, int64_t count, const T *w, T *y,       \
                                 int64_t pitch, int64_t lanes, const struct ends *e) {                                                \
    tile(rows, nv, x, place, pieces, count, w, y, pitch, lanes, e);                                                                   \
  }
#define FB_TILES(nv) FB_TILE(1, nv) FB_TILE(2, nv) FB_TILE(3, nv) FB_TILE(4, nv) FB_TILE(5, nv) FB_TILE(6, nv) FB_TILE(7, nv) FB_TILE(8, nv)
#define FB_NAMES(nv) {tile_1_##nv, tile_2_##nv, tile_3_##nv, tile_4_##nv, tile_5_##nv, tile_6_##nv, tile_7_##nv, tile_8_##nv}
FB_TILES(1) FB_TILES(2) FB_TILES(3)
#if MOST_VECTORS == 4
FB_TILE(1, 4) FB_TILE(2, 4) FB_TILE(3, 4) FB_TILE(4, 4) FB_TILE(5, 4) FB_TILE(6, 4)
#endif
static tile_kernel *const tile_kernels[MOST_VECTORS][MOST_ROWS] = {
    FB_NAMES(1), FB_NAMES(2), FB_NAMES(3),
#if MOST_VECTORS == 4
    {tile_1_4, tile_2_4, tile_3_4, tile_4_4, tile_5_4, tile_6_4, 0, 0},
#endif
};

/* -- weights -------------------------------------------------------------------------------------------------------- */

static int64_t vectors_of(const struct sizes *s) { return (s->out_channels / s->groups + WIDTH - 1) / WIDTH; }
static int64_t depth_of(const struct sizes *s) { return s->kernel[0] * s->kernel[1] * s->channels / s->groups; }

/* Elements of the packed weights. */
EXPORT int64_t last_room(const int64_t *n) {
  const struct sizes s = read_sizes(n);
  return s.groups * vectors_of(&s) * WIDTH * depth_of(&s);
}

struct packing {
  struct sizes s;
  const T *w;
  T *to;
};
static void pack_panels(void *context, int64_t begin, int64_t end) {
  const struct packing *c = context;
  const struct sizes *s = &c->s;
  const int64_t vectors = vectors_of(s), panels = (vectors + MOST_VECTORS - 1) / MOST_VECTORS, channels = s->channels / s->groups;
  const int64_t taps = s->kernel[0] * s->kernel[1], depth = depth_of(s), own = s->out_channels / s->groups;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t group = at / panels, panel = at % panels;
    const int64_t v0 = panel * vectors / panels, width = ((panel + 1) * vectors / panels - v0) * WIDTH;
    const int64_t given = MIN(width, own - v0 * WIDTH);
    const T *w = c->w + (group * own + v0 * WIDTH) * channels * taps;
    T *to = c->to + (group * vectors + v0) * WIDTH * depth;
    for (int64_t t = 0; t < taps; ++t)
      for (int64_t k = 0; k < channels; ++k, to += width) {
        for (int64_t i = 0; i < given; ++i) to[i] = w[(i * channels + k) * taps + t];
        for (int64_t i = given; i < width; ++i) to[i] = 0;
      }
  }
}
/* w: (out channels, channels of a group, height, width of the window). */
EXPORT void last_pack(const T *w, T *packed, const int64_t *n) {
  struct packing c = {read_sizes(n), w, packed};
  PARALLEL(pack_panels, &c, c.s.groups * ((vectors_of(&c.s) + MOST_VECTORS - 1) / MOST_VECTORS), 1);
}

/* -- the convolution ------------------------------------------------------------------------------------------------ */

static void pad_rows(void *context, int64_t begin, int64_t end) {
  const struct conv *c = context;
  const struct sizes *s = &c->s;
  const int64_t row = s->width * s->channels, room = s->room[1] * s->channels, lead = s->before[1] * s->channels;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t image = at / s->room[0], h = at % s->room[0] - s->before[0];
    T *to = c->padded + at * room;
    if (h < 0 || h >= s->height) {
      memset(to, 0, (size_t)room * sizeof(T));
      continue;
    }
    const int64_t given = MIN(row, room - lead);
    memset(to, 0, (size_t)lead * sizeof(T));
    memcpy(to + lead, c->x + (image * s->height + h) * row, (size_t)given * sizeof(T));
    memset(to + lead + given, 0, (size_t)(room - lead - given) * sizeof(T));
  }
}

/* Panels of weights times blocks of positions. A panel's blocks lie side by side, or, `across`, a block's panels. */
static void convolve(void *context, int64_t begin, int64_t end) {
  const struct conv *c = context;
  const struct sizes *s = &c->s;
  const int64_t own = s->out_channels / s->groups, pitch = s->out_channels;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t every = s->groups * c->panels;
    const int64_t block = c->across ? at / every : at % c->blocks, which = c->across ? at % every : at / c->blocks;
    const int64_t group = which / c->panels, panel = which % c->panels;
    const int64_t v0 = panel * c->vectors / c->panels, nv = (panel + 1) * c->vectors / c->panels - v0;
    const int64_t q0 = block * c->positions / c->blocks, count = (block + 1) * c->positions / c->blocks - q0;
    const int64_t lanes = MIN(WIDTH, own - (v0 + nv - 1) * WIDTH), most = rows_of[nv], tiles = (count + most - 1) / most;
    const T *x = c->x + group * (s->channels / s->groups), *w = c->w + (group * c->vectors + v0) * WIDTH * c->depth;
    const int64_t channel = group * own + v0 * WIDTH, place = q0 * pitch + channel;
    T *aside = SCRATCH(2, sizeof(vec) * MOST_ROWS * MOST_VECTORS);
    int64_t *places = SCRATCH(1, (size_t)count * sizeof(int64_t));
    const int64_t right = s->stride[1] * s->channels, down = s->stride[0] * s->room[1] * s->channels, image = s->room[0] * s->room[1] * s->channels;
    int64_t ox = q0 % s->out_width, oy = q0 / s->out_width % s->out_height, first_row = q0 / s->out_width / s->out_height * image + oy * down;
    for (int64_t i = 0; i < count;) { /* a row after the other */
      const int64_t end = MIN(count, i + s->out_width - ox);
      for (int64_t at = first_row + ox * right; i < end; ++i, at += right) places[i] = at;
      ox = 0, first_row += down;
      if (++oy == s->out_height) oy = 0, first_row += image - s->out_height * down;
    }
    for (int64_t p0 = 0, p1; p0 < c->count; p0 = p1) {
      int64_t depth = 0, parts = 0;
      for (p1 = p0; p1 < c->count && (p1 == p0 || c->pieces[p1].before != PASS); ++p1) depth += c->pieces[p1].length, parts += c->pieces[p1].before >= ASIDE;
      const int last = p1 == c->count;
      struct ends ends = {last ? c->low : (T)-INFINITY, last ? c->high : (T)INFINITY, c->bias && !p0 ? c->bias + channel : 0, 0, 0, parts ? aside : 0};
      for (int64_t i = 0; i < tiles; ++i) {
        const int64_t first = i * count / tiles, rows = (i + 1) * count / tiles - first, at_y = place + first * pitch;
        if (p0) ends.earlier = c->y + at_y;
        if (c->residual && last) ends.residual = c->residual + at_y;
        tile_kernels[nv - 1][rows - 1](x, places + first, c->pieces + p0, p1 - p0, w, c->y + at_y, pitch, lanes, &ends);
        if (last && c->finish.activation != PLAIN) finish_rows(&c->finish, c->y + at_y, pitch, c->y, at_y, pitch, rows, (nv - 1) * WIDTH + lanes);
      }
      w += depth * nv * WIDTH;
    }
  }
}

/* y = activation(convolution of x + bias + residual); `n`: struct sizes. */
EXPORT void last_packed(const T *x, const T *w, const T *bias, const T *residual, T *y, int64_t activation, double low, double high, const int64_t *n) {
  struct conv c = {.s = read_sizes(n), .x = x, .w = w, .bias = bias, .residual = residual, .y = y, .low = (T)-INFINITY, .high = (T)INFINITY};
  if (activation == CLAMP) c.low = (T)low, c.high = (T)high;
  else c.finish.activation = activation;
  struct sizes *s = &c.s;
  const int64_t threads = fb->threads(), channels = s->channels / s->groups;
  if (s->before[0] || s->before[1] || s->room[0] > s->height || s->room[1] > s->width) {
    c.padded = SCRATCH(5, (size_t)(s->images * s->room[0] * s->room[1] * s->channels) * sizeof(T));
    PARALLEL(pad_rows, &c, s->images * s->room[0], grain_for(s->images * s->room[0], s->room[1] * s->channels));
    c.x = c.padded;
  } else {
    s->room[0] = s->height, s->room[1] = s->width;
  }
  /* Runs of the window: whole rows of it where these are contiguous. */
  const int joined = s->groups == 1 && s->dilation[1] == 1;
  const int64_t run = joined ? s->kernel[1] * channels : channels, parts = (run + CHAIN - 1) / CHAIN, columns = joined ? 1 : s->kernel[1];
  struct piece *pieces = SCRATCH(6, (size_t)(s->kernel[0] * columns * parts) * sizeof(struct piece));
  int64_t depth = 0, chain = 0, aside = 0;
  for (int64_t h = 0; h < s->kernel[0]; ++h)
    for (int64_t v = 0; v < columns; ++v)
      for (int64_t i = 0; i < parts; ++i) {
        const int64_t begin = i * run / parts, length = (i + 1) * run / parts - begin;
        struct piece *p = pieces + c.count++;
        *p = (struct piece){(h * s->dilation[0] * s->room[1] + v * s->dilation[1]) * s->channels + begin, length, GOES_ON};
        if (depth + length > DEPTH) p->before = PASS, depth = chain = aside = 0;
        else if (chain + length > CHAIN) p->before = aside ? ADDED : ASIDE, aside = 1, chain = 0;
        depth += length, chain += length;
      }
  c.pieces = pieces;
  c.depth = depth_of(s), c.vectors = vectors_of(s), c.panels = (c.vectors + MOST_VECTORS - 1) / MOST_VECTORS;
  c.positions = s->images * s->out_height * s->out_width;
  const int64_t each = s->groups * c.panels, work = c.positions * s->out_channels * c.depth, wanted = 6 * threads;
  const int64_t near = MAX(4 * MOST_ROWS, NEAR / (int64_t)sizeof(T) / (s->channels * s->stride[0] * s->stride[1]));
  c.blocks = threads == 1 || work < ALONE ? 1 : (wanted + each - 1) / each;
  c.blocks = MAX(1, MIN(MAX(c.blocks, (c.positions + near - 1) / near), c.positions / MOST_ROWS));
  c.across = s->groups * c.vectors * WIDTH * c.depth * (int64_t)sizeof(T) <= FEW;
  const int64_t tasks = each * c.blocks;
  PARALLEL(convolve, &c, tasks, work < ALONE ? tasks : MAX(1, tasks / (8 * threads)));
}
