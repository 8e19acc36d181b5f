/* types: float double */
/* Convolutions of one to three dimensions, and by the same code their gradients for the input.
 *
 * A product of weights (rows x channels * taps) and columns (channels * taps x positions), vectors along the positions, tiles of
 * ROWS x 3 vectors in registers. The columns are never stored as a whole: a tile reads them straight from the prepared planes
 * (fb_windows.h), where each tap is one contiguous read, at the price of computing the positions between the end of one row
 * and the beginning of the next; or it packs them for its few positions, which costs a copy and wastes nothing. Python
 * chooses by the cost of both.
 *
 * The gradient for the input is the convolution of the output's gradient with the transposed weights. With a stride, inputs of
 * one residue meet the same taps: each residue is a `part` of its own, a convolution with some of the taps whose results go to
 * every stride-th place.
 */
#include "fb_columns.h"
#include "fb_finish.h"

#define DEPTH 256 /* taps of channels summed up in registers before they go to memory */
#define FAR 6 /* channels that weights are called in ahead */

struct conv {
  const T *x, *bias;
  T *y, *planes; /* planes NULL: x is read as it is */
  struct plan plan;
  struct finish finish;
  const T *w;
  /* of the present batch of images */
  int64_t first_image, now, tiles, tiles_each, block, blocks, cuts, blocks_of_rows;
  int64_t twins; /* parts whose results are woven, or 1 */
};

/* -- positions ------------------------------------------------------------------------------------------------------ */

static void positions_of(const struct conv *c, const struct part *p, int64_t tile, struct positions *found) {
  if (c->plan.packed) {
    dense_positions(&c->plan, p, c->now, tile, found);
    return;
  }
  const int64_t *n = p->grid;
  struct stretch *s = found->s;
  found->stretches = 0;
  const int64_t image = tile / c->tiles_each, begin = tile % c->tiles_each * TILE, end = MIN(begin + TILE, c->plan.span);
  const int64_t plane = c->plan.pitch[0], pitch = c->plan.pitch[1];
  found->count = end - begin;
  int64_t d = begin / plane, h = begin % plane / pitch, w = begin % plane % pitch;
  for (int64_t q = begin; q < end; w = 0) { /* row by row */
    if (h >= n[1]) { /* between planes */
      q = ++d * plane, h = 0;
      continue;
    }
    const int64_t count = MIN(n[2] - w, end - q);
    if (count > 0) *s++ = (struct stretch){q - begin, count, 0, image, d, h, w}, ++found->stretches;
    q += pitch - w, ++h;
  }
}

/* The stretch's place in the output, cut to what is inside: elements [*begin, *end) of it go to y[result...]. */
INLINE int64_t place_of(const struct conv *c, const struct part *p, const struct stretch *s, int64_t *begin, int64_t *end) {
  const int64_t d = p->first[0] + s->d * p->step[0], h = p->first[1] + s->h * p->step[1], w = p->first[2] + s->w * p->step[2];
  *begin = *end = 0;
  if (d < 0 || d >= c->plan.size[0] || h < 0 || h >= c->plan.size[1]) return 0;
  *begin = w < 0 ? (-w + p->step[2] - 1) / p->step[2] : 0;
  *end = MIN(s->count, (c->plan.size[2] - w + p->step[2] - 1) / p->step[2]);
  if (*end < *begin) *end = *begin;
  return (d * c->plan.size[1] + h) * c->plan.size[2] + w;
}

/* A complete tile to the rows of the result that begin `first` elements behind y. */
static void write_rows(const struct conv *c, const struct part *p, const struct positions *q, const T *tile, int64_t rows, int64_t first, int64_t volume, int64_t image_stride) {
  const int64_t step = p->step[2];
  for (int64_t i = 0; i < q->stretches; ++i) {
    const struct stretch *s = q->s + i;
    int64_t begin, end;
    const int64_t place = place_of(c, p, s, &begin, &end), count = end - begin;
    if (count <= 0) continue;
    const int64_t at = first + s->image * image_stride + place + begin * step;
    T *to = c->y + at;
    const T *from = tile + s->at + begin;
    if (finishes(&c->finish)) { /* a convolution forward: the step is 1 */
      finish_rows(&c->finish, from, TILE, c->y, at, volume, rows, count);
      continue;
    }
    if (step == 1 && count < WIDTH) { /* a narrow image */
      for (int64_t r = 0; r < rows; ++r) store_head(to + r * volume, load_head(from + r * TILE, count, 0), count);
      continue;
    }
    for (int64_t r = 0; r < rows; ++r, to += volume, from += TILE) {
      if (step == 1) {
        copy_row(to, from, count);
      } else if (step == 2) {
        for (int64_t v = 0; v < count; ++v) to[2 * v] = from[v];
      } else {
        for (int64_t v = 0; v < count; ++v) to[step * v] = from[v];
      }
    }
  }
}

/* The same for a pair of parts, whose tiles are `apart` elements from one another. */
static void write_pairs(const struct conv *c, const struct part *p, const struct positions *q, const T *tile, int64_t apart, int64_t rows, int64_t first, int64_t image_stride) {
  for (const struct stretch *s = q->s; s < q->s + q->stretches; ++s)
    write_pair(&c->plan, p, s->d, s->h, s->w, s->count, tile + s->at, tile + apart + s->at, TILE, c->y + first + s->image * image_stride, rows);
}

/* -- tasks ---------------------------------------------------------------------------------------------------------- */

static void pack_weights(void *context, int64_t begin, int64_t end) {
  const struct conv *c = context;
  const int64_t rs = c->plan.row_stride, cs = c->plan.channel_stride;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t group = at / c->blocks_of_rows, row = at % c->blocks_of_rows * ROWS, rows = MIN(ROWS, c->plan.rows - row);
    const T *w = c->w + group * c->plan.group_stride + row * rs;
    for (int64_t channel = 0; channel < c->plan.channels; ++channel, w += cs) {
      if (rs < cs) /* the next channels' weights lie pages away */
        for (int64_t i = 0; i < rows * rs; i += VECTOR_BYTES / (int64_t)sizeof(T)) __builtin_prefetch(w + FAR * cs + i);
      for (const struct part *p = c->plan.parts; p < c->plan.parts + c->plan.part_count; ++p) {
        T *to = (T *)p->weight + (at * c->plan.channels + channel) * p->taps * ROWS;
        for (int64_t t = 0; t < p->taps; ++t, to += ROWS)
          for (int64_t i = 0; i < rows; ++i) to[i] = w[i * rs + p->tap[t]];
      }
    }
  }
}

static void place_planes(void *context, int64_t begin, int64_t end) {
  const struct conv *c = context;
  const int64_t size = c->plan.frame.size[0] * c->plan.frame.size[1] * c->plan.frame.size[2];
  const T *x = c->x + c->first_image * c->plan.groups * c->plan.channels * size;
  for (int64_t at = begin; at < end; ++at) place_plane(&c->plan.frame, x + at * size, c->planes + at * c->plan.frame.plane);
}

/* A block of tiles of positions, for a share of the rows of one group in one part. */
static void convolve(void *context, int64_t begin, int64_t end) {
  const struct conv *c = context;
  const int64_t volume = c->plan.size[0] * c->plan.size[1] * c->plan.size[2];
  const int64_t image_stride = c->plan.groups * c->plan.channels * c->plan.frame.plane, image_out = c->plan.groups * c->plan.rows * volume;
  for (int64_t at = begin; at < end; ++at) {
    /* Parts are next to one another: their results share cache lines, and a thread does all of them. */
    const int64_t sets = c->plan.part_count / c->twins, rest = at / sets, cut = rest % c->cuts, block = rest / c->cuts % c->blocks, group = rest / c->cuts / c->blocks;
    const struct part *p = c->plan.parts + at % sets * c->twins;
    const int64_t taps = MAX(p->taps, p[c->twins - 1].taps);
    const int64_t r0 = cut * c->blocks_of_rows / c->cuts * ROWS, r1 = MIN(c->plan.rows, (cut + 1) * c->blocks_of_rows / c->cuts * ROWS);
    const int64_t tiles = MIN(c->block, c->tiles - block * c->block);
    const int64_t depth = taps ? MAX(1, DEPTH / taps) : c->plan.channels; /* channels at a time */
    const int whole = depth >= c->plan.channels;
    /* Where the taps of all channels at hand stand, in the planes and in packed columns. */
    const int64_t together = MIN(depth, c->plan.channels), most = together * taps, pitch = most * TILE;
    int64_t *planar = SCRATCH(1, (size_t)((c->twins + 1) * most) * sizeof(int64_t) + (size_t)c->block * sizeof(struct positions)), *packed = planar + c->twins * most;
    struct positions *q = (struct positions *)(packed + most);
    for (int64_t j = 0; j < c->twins; ++j)
      for (int64_t i = 0, channel = 0; channel < together; ++channel) /* divisions would take as long as a tile */
        for (int64_t k = 0; k < p[j].taps; ++k, ++i) planar[j * most + i] = channel * c->plan.frame.plane + p[j].offset[k];
    for (int64_t i = 0; i < most; ++i) packed[i] = i * TILE;
    T *columns = SCRATCH(2, (size_t)(c->twins * c->block * pitch + WIDTH) * sizeof(T));
    const int64_t apart = c->block * (whole ? ROWS : r1 - r0) * TILE; /* sums of one part */
    T *sums = SCRATCH(3, (size_t)(c->twins * apart) * sizeof(T));
    const T *planes = (c->planes ? c->planes : c->x + c->first_image * image_stride) + group * c->plan.channels * c->plan.frame.plane;
    const int64_t y = c->first_image * image_out + (group * c->plan.rows + r0) * volume;
    for (int64_t i = 0; i < tiles; ++i) positions_of(c, p, block * c->block + i, q + i);
    for (int64_t c0 = 0; c0 == 0 || c0 < c->plan.channels; c0 += depth) {
      const int64_t channels = MIN(depth, c->plan.channels - c0);
      const int last = c0 + depth >= c->plan.channels;
      /* What lies behind the last image is not ours to read: the last tile of an image read in place is packed. */
      for (int64_t i = 0; i < tiles * c->twins; ++i) {
        const int64_t t = i / c->twins;
        const struct part *one = p + i % c->twins;
        if (c->plan.packed) pack_columns(one, q + t, planes + c0 * c->plan.frame.plane, c->plan.frame.plane, channels, columns + i * pitch, !c->planes);
        else if (!c->planes && q[t].count < TILE) {
          struct positions exact = {1, q[t].count, {{0, q[t].count, (block * c->block + t) % c->tiles_each * TILE, 0, 0, 0, 0}}};
          pack_columns(one, &exact, planes + (block * c->block + t) / c->tiles_each * image_stride + c0 * c->plan.frame.plane, c->plan.frame.plane, channels, columns + i * pitch, 1);
        }
      }
      for (int64_t r = r0; r < r1; r += ROWS) {
        const int64_t rows = MIN(ROWS, r1 - r);
        const int64_t panel = (group * c->blocks_of_rows + r / ROWS) * c->plan.channels + c0;
        const T *bias = c->bias ? c->bias + group * c->plan.rows + r : 0;
        for (int64_t i = 0; i < tiles; ++i) {
          const int in_place = !c->plan.packed && (c->planes || q[i].count == TILE);
          const int64_t nv = (q[i].count + WIDTH - 1) / WIDTH;
          const int64_t tile_no = block * c->block + i;
          const T *b = in_place ? planes + tile_no / c->tiles_each * image_stride + c0 * c->plan.frame.plane + tile_no % c->tiles_each * TILE : columns + i * c->twins * pitch;
          tile_kernel *kernel = tile_kernels[nv - 1][rows - 1];
          T *to = sums + (whole ? i * ROWS : i * (r1 - r0) + r - r0) * TILE;
          int64_t ldc = TILE, b0 = 0, b1 = 0;
          int direct = 0;
          if (whole && q[i].stretches == 1 && q[i].s[0].count == nv * WIDTH && p->step[2] == 1) {
            const int64_t place = place_of(c, p, q[i].s, &b0, &b1);
            if (b0 == 0 && b1 == q[i].s[0].count) to = c->y + y + (r - r0) * volume + q[i].s[0].image * image_out + place, ldc = volume, direct = 1;
          }
          for (int64_t j = 0; j < c->twins; ++j)
            kernel(p[j].weight + panel * p[j].taps * ROWS, in_place ? b : b + j * pitch, in_place ? planar + j * most : packed, channels * p[j].taps, to + j * apart, ldc, c0 == 0, bias);
          if (last && c->twins > 1) write_pairs(c, p, q + i, to, apart, rows, y + (r - r0) * volume, image_out);
          else if (last && !direct) write_rows(c, p, q + i, to, rows, y + (r - r0) * volume, volume, image_out);
          else if (last && finishes(&c->finish)) finish_rows(&c->finish, to, ldc, c->y, to - c->y, ldc, rows, nv * WIDTH);
        }
      }
    }
  }
}

/* -- the call ------------------------------------------------------------------------------------------------------- */

#define LARGE_WEIGHTS (384 << 10) /* bytes; more do not stay in the second cache beside the rest */
#define ALONE 4096 /* products of a tile of columns with a number below which waking a thread costs more than it saves */
#define BATCH_BYTES (4 << 20)     /* of prepared planes at a time */

/* The elements of all packed weights. */
static int64_t packed_size(const struct plan *p) { return p->groups * ((p->rows + ROWS - 1) / ROWS) * ROWS * p->channels * p->taps; }

/* Where each part's weights are among the packed ones: panels of ROWS rows, in each the taps of all channels. */
static void set_weights(struct conv *c, const T *packed) {
  const struct plan *p = &c->plan;
  c->blocks_of_rows = (p->rows + ROWS - 1) / ROWS;
  for (int64_t i = 0; i < p->part_count; ++i) {
    p->parts[i].weight = packed;
    packed += p->groups * c->blocks_of_rows * ROWS * p->channels * p->parts[i].taps;
  }
}

static void pack(struct conv *c, T *packed) {
  const struct plan *p = &c->plan;
  set_weights(c, packed);
  const int64_t panels = p->groups * c->blocks_of_rows;
  PARALLEL(pack_weights, c, panels, grain_for(panels, ROWS * p->channels * p->taps));
}

static void convolve_packed(struct conv *given) {
  struct conv c = *given;
  const struct plan *plan = &c.plan;
  const int64_t threads = fb->threads(), image = plan->groups * plan->channels * plan->frame.plane;
  int64_t batch = plan->images;
  if (plan->prepared) {
    batch = MAX(1, MIN(plan->images, BATCH_BYTES / (int64_t)sizeof(T) / MAX(image, 1)));
    const size_t bytes = (size_t)(batch * image + 2 * MOST_TILE) * sizeof(T);
    c.planes = SCRATCH(5, bytes);
    memset(c.planes, 0, bytes);
  }
  const int64_t *grid = plan->parts[0].grid, plane = grid[0] * grid[1] * grid[2];
  c.tiles_each = (plan->span + TILE - 1) / TILE, c.twins = 1 + are_pairs(plan);
  const int large = plan->rows * plan->channels * plan->taps / plan->part_count * (int64_t)sizeof(T) > LARGE_WEIGHTS;
  for (c.first_image = 0; c.first_image < plan->images; c.first_image += batch) {
    c.now = MIN(batch, plan->images - c.first_image);
    if (c.planes) PARALLEL(place_planes, &c, c.now * plan->groups * plan->channels, grain_for(c.now * plan->groups * plan->channels, plan->frame.plane));
    c.tiles = plan->packed ? (c.now * plane + TILE - 1) / TILE : c.now * c.tiles_each;
    c.block = large ? 4 : 1;
    const int64_t each = plan->groups, wanted = 3 * threads;
    if (each * c.tiles >= wanted) c.block = MAX(1, MIN(c.block, each * c.tiles / wanted));
    c.blocks = (c.tiles + c.block - 1) / c.block;
    c.cuts = threads == 1 || each * c.tiles * plan->rows * plan->channels * plan->taps < ALONE ? 1 : MAX(1, MIN(c.blocks_of_rows, (wanted + each * c.blocks - 1) / (each * c.blocks)));
    const int64_t sets = plan->part_count / c.twins, places = each * c.blocks * c.cuts, work = each * c.tiles * plan->rows * plan->channels * plan->taps;
    PARALLEL(convolve, &c, sets * places, work < ALONE ? sets * places : MAX(1, places / (8 * threads)) * sets);
  }
}

/* `n`: a plan (fb_windows.h). */
EXPORT void convolution(const T *x, const T *w, const T *bias, T *y, const int64_t *n) {
  struct conv c = {.x = x, .w = w, .bias = bias, .y = y, .plan = read_plan(n, 0)};
  leave_out_empty(&c.plan, y, bias);
  pack(&c, SCRATCH(4, (size_t)packed_size(&c.plan) * sizeof(T)));
  convolve_packed(&c);
}

/* The elements that `convolution_pack` writes. */
EXPORT int64_t convolution_room(const int64_t *n) {
  const struct plan p = read_plan(n, 0);
  return packed_size(&p);
}

EXPORT void convolution_pack(const T *w, T *packed, const int64_t *n) {
  struct conv c = {.w = w, .plan = read_plan(n, 0)};
  pack(&c, packed);
}

/* y = activation(convolution + bias + residual) with packed weights; fb_finish.h has the activations. Bias and residual may be NULL. */
EXPORT void convolution_packed(const T *x, const T *packed, const T *bias, const T *residual, T *y, int64_t activation, T low, T high, const int64_t *n) {
  struct conv c = {.x = x, .bias = bias, .y = y, .plan = read_plan(n, 0), .finish = {activation, low, high, residual}};
  set_weights(&c, packed);
  convolve_packed(&c);
}
