/* types: float double */
/* Convolutions of 3 x 3 and stride 1 with 16 products instead of 36 for every 2 x 2 results (Winograd's F(2x2, 3x3)): of any groups
 * and dilation, and in three dimensions with any depth of the window, whose slices are like more channels. Larger windows are cut
 * into pieces of 2 taps and, at the end, 3 in each dimension, which are like more channels, too: 5 x 5 takes 49 products instead of 100.
 * Since pieces begin at every second tap, what a piece reads is the patch of other results, and transformed once.
 *
 * Patches of 4 x 4 inputs and the weights are transformed by additions; for each of the 16 places of a patch there is then a product
 * of matrices over the channels; 2 x 2 results come of additions again. Vectors run along the channels: of the input where
 * patches are transformed, of the output in products and results. Nothing is laid out anew where channels lie last, and any size
 * of image fills the vectors; where channels come first, some images are transposed before and after.
 *
 * The additions carry an infinity or NaN to neighbours that its window does not reach. Where a result is not finite, it is
 * summed anew, directly.
 */
#include "fb_finish.h"
#include "fb_patches.h"
#include "fb_turn.h"

#define PLACES 16
#define BATCH_BYTES (4 << 20) /* of transposed images at a time */
#define VALUES_BYTES (1 << 20) /* of transformed patches of a task */
#define ALIAS 512              /* patches as many bytes apart, or a multiple, would meet in too few sets of the first cache */

struct sizes {
  int64_t images, size[3], channels, out[3], rows, groups, slices; /* channels and rows of a group; slices: depth of the window */
  int64_t dilation[3], before[3];
  int64_t row_stride, channel_stride, turned; /* of the weights, and whether each window is turned round */
  int64_t kernel[2], pieces;                  /* rows and columns of a window's slice; pieces of the whole window */
};
/* A piece of the window: its slice, its first tap, and whether it has 3 rows and columns, or 2. They stand in this order: those of 3 rows
 * and 2 columns, of 3 and 3, of 2 and 3, of 2 and 2, so that the pieces that have products at a place of the patch follow one another. */
struct piece { int64_t slice, h, w, rows, columns; };
struct winograd {
  struct sizes s;
  struct finish finish;
  const T *x, *w, *weights, *bias; /* weights: [group][block of rows][place][piece][channel][row], then those given */
  T *y;
  const struct piece *piece;
  int64_t high[2], wide[2];        /* the first piece and the end of those with 3 rows, with 3 columns */
  int64_t last;                    /* the piece that reaches furthest */
  int64_t depth;                   /* channels of all pieces */
  int64_t grid[2], patches, parts, cuts, blocks; /* tasks share out the groups, the patches in parts, and the blocks of rows */
  int64_t frames[2], pitch;        /* of an image's slice: patches and those beyond them that pieces reach; elements of a transformed one */
};

/* -- weights -------------------------------------------------------------------------------------------------------- */

INLINE int64_t padded_rows(const struct sizes *s) { return (s->rows + WIDTH - 1) / WIDTH * WIDTH; }
INLINE int64_t window_taps(const struct sizes *s) { return s->kernel[0] * s->kernel[1]; }
INLINE int64_t group_stride(const struct sizes *s) { return s->rows * s->channels * s->slices * window_taps(s); }

/* The weights of `count` rows, one channel and one slice: k[tap], a vector along the rows. */
INLINE void weights_of(const struct sizes *s, const T *w, int64_t count, vec *k) {
  const int64_t taps = window_taps(s);
  for (int64_t t = 0; t < taps; t += GEMM_LANES) {
    const int64_t there = MIN(GEMM_LANES, taps - t);
    vec r[GEMM_LANES];
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < count ? load_head(w + i * s->row_stride + t, there, 0) : (vec){0};
    gemm_transpose(r);
    for (int64_t i = 0; i < there; ++i) memcpy(k + (s->turned ? taps - 1 - t - i : t + i), (const char *)r + i * VECTOR_BYTES, VECTOR_BYTES);
  }
}

/* G k G' of a piece, whose taps stand in k, for WIDTH rows: to[place * far]. */
static void transform_piece(const struct sizes *s, const struct piece *p, const vec *k, T *to, int64_t far) {
  const vec middle = splat((T)0.5);
  vec half[4][3];
  UNROLL for (int j = 0; j < 3; ++j) {
    const vec *from = k + p->h * s->kernel[1] + p->w + j;
    const vec zero = {0}, a = j < p->columns ? from[0] : zero, b = j < p->columns ? from[s->kernel[1]] : zero;
    const vec d = j < p->columns && p->rows == 3 ? from[2 * s->kernel[1]] : zero;
    half[0][j] = a, half[1][j] = middle * (a + d + b), half[2][j] = middle * (a + d - b), half[3][j] = d;
  }
  UNROLL for (int i = 0; i < 4; ++i, to += 4 * far) {
    const vec a = half[i][0], b = half[i][1], d = half[i][2];
    store(to, a), store(to + far, middle * (a + d + b)), store(to + 2 * far, middle * (a + d - b)), store(to + 3 * far, d);
  }
}

/* The weights of all pieces, for WIDTH rows at a time. */
static void transform_weights(void *context, int64_t begin, int64_t end) {
  const struct winograd *c = context;
  const struct sizes *s = &c->s;
  const int64_t vectors = padded_rows(s) / WIDTH, taps = window_taps(s);
  vec *k = SCRATCH(2, (size_t)taps * VECTOR_BYTES);
  for (int64_t at = begin; at < end; ++at) {
    const int64_t group = at / vectors, row = at % vectors * WIDTH, count = MIN(WIDTH, s->rows - row), block = row / BLOCK * BLOCK, width = MIN(BLOCK, padded_rows(s) - block);
    T *to = (T *)c->weights + (group * padded_rows(s) + block) * PLACES * c->depth + row - block;
    const T *w = c->w + group * group_stride(s) + row * s->row_stride;
    for (int64_t slice = 0; slice < s->slices; ++slice)
      for (int64_t channel = 0; channel < s->channels; ++channel) {
        weights_of(s, w + channel * s->channel_stride + taps * (s->turned ? s->slices - 1 - slice : slice), count, k);
        for (int64_t i = 0; i < s->pieces; ++i)
          if (c->piece[i].slice == slice) transform_piece(s, c->piece + i, k, to + (i * s->channels + channel) * width, c->depth * width);
      }
  }
}

/* -- patches and results -------------------------------------------------------------------------------------------- */

struct patch { int64_t image, depth, h, w; }; /* of the first result; its results are a dilation apart */

/* The first result of patch `i` in one dimension. */
INLINE int64_t first_of(int64_t i, int64_t dilation) { return dilation == 1 ? 2 * i : i / dilation * 2 * dilation + i % dilation; }

/* Patch `q` where a slice of an image has `grid` of them. */
INLINE struct patch patch_of(const struct winograd *c, const int64_t *grid, int64_t q) {
  const int64_t w = q % grid[1], h = q / grid[1] % grid[0], slice = q / grid[1] / grid[0];
  return (struct patch){slice / c->s.out[0], slice % c->s.out[0], first_of(h, c->s.dilation[1]), first_of(w, c->s.dilation[2])};
}

/* The number of a patch among all frames. */
INLINE int64_t frame_of(const struct winograd *c, int64_t q) {
  const int64_t w = q % c->grid[1], h = q / c->grid[1] % c->grid[0], slice = q / c->grid[1] / c->grid[0];
  return (slice * c->frames[0] + h) * c->frames[1] + w;
}
/* How many patches further a piece reads. */
INLINE int64_t reach_of(const struct winograd *c, const struct piece *p) {
  return p->h / 2 * c->s.dilation[1] * c->frames[1] + p->w / 2 * c->s.dilation[2];
}

/* A row of the input; NULL outside of it. */
INLINE const T *row_at(const struct sizes *s, const T *x, int64_t image, int64_t d, int64_t h) {
  const int64_t outside = d < 0 || d >= s->size[0] || h < 0 || h >= s->size[1];
  return outside ? 0 : x + ((image * s->size[0] + d) * s->size[1] + h) * s->size[2] * s->groups * s->channels;
}

/* B' d B of a patch, for all channels of a group of the input's slice d: to[place * far + channel]. */
static void transform_patch(const struct winograd *c, struct patch p, int64_t d, int64_t group, T *to, int64_t far) {
  const struct sizes *s = &c->s;
  const int64_t channels = s->channels;
  const T *from[4][4]; /* NULL: padding */
  for (int i = 0; i < 4; ++i) {
    const T *row = row_at(s, c->x, p.image, d, p.h + i * s->dilation[1] - s->before[1]);
    for (int j = 0; j < 4; ++j) {
      const int64_t w = p.w + j * s->dilation[2] - s->before[2];
      from[i][j] = row && 0 <= w && w < s->size[2] ? row + (w * s->groups + group) * channels : 0;
    }
  }
  for (int64_t v = 0; v < channels; v += WIDTH) {
    const int64_t n = MIN(WIDTH, channels - v);
    vec half[4][4];
    UNROLL for (int j = 0; j < 4; ++j) {
      vec d[4];
      UNROLL for (int i = 0; i < 4; ++i) d[i] = !from[i][j] ? (vec){0} : n == WIDTH ? load(from[i][j] + v) : load_head(from[i][j] + v, n, 0);
      half[0][j] = d[0] - d[2], half[1][j] = d[1] + d[2], half[2][j] = d[2] - d[1], half[3][j] = d[1] - d[3];
    }
    UNROLL for (int i = 0; i < 4; ++i) {
      T *four = to + 4 * i * far + v;
      store(four, half[i][0] - half[i][2]), store(four + far, half[i][1] + half[i][2]);
      store(four + 2 * far, half[i][2] - half[i][1]), store(four + 3 * far, half[i][1] - half[i][3]);
    }
  }
}

/* Transformed patches of a task: those of its results and those beyond them that pieces reach, once for each slice of the window. Vectors
 * `at` and `piece` have where patches and pieces stand: to[place * far + at + piece + channel]. */
struct values {
  int64_t first, count, far; /* frames */
  int64_t *at, *piece;
  T *to;
};

static struct values values_of(const struct winograd *c, int64_t q0, int64_t count) {
  const int64_t pieces = c->s.pieces, first = frame_of(c, q0);
  struct values v = {.first = first, .count = frame_of(c, q0 + count - 1) + reach_of(c, c->piece + c->last) + 1 - first};
  v.at = SCRATCH(1, (size_t)(count + pieces) * sizeof(int64_t)), v.piece = v.at + count;
  v.far = c->s.slices * v.count * c->pitch + WIDTH; /* no multiple of the cache's */
  v.to = SCRATCH(2, (size_t)(PLACES * v.far) * sizeof(T));
  for (int64_t q = 0; q < count; ++q) v.at[q] = (frame_of(c, q0 + q) - first) * c->pitch;
  for (int64_t i = 0; i < pieces; ++i) v.piece[i] = (c->piece[i].slice * v.count + reach_of(c, c->piece + i)) * c->pitch;
  return v;
}

static void transform_values(const struct winograd *c, const struct values *v, int64_t group) {
  for (int64_t slice = 0; slice < c->s.slices; ++slice)
    for (int64_t i = 0; i < v->count; ++i) {
      const struct patch p = patch_of(c, c->frames, v->first + i);
      transform_patch(c, p, p.depth + slice * c->s.dilation[0] - c->s.before[0], group, v->to + (slice * v->count + i) * c->pitch, v->far);
    }
}

/* One result at [h][w] for the vector of output channels from `row` on, summed directly. */
static vec sum_directly(const struct winograd *c, struct patch p, int64_t h, int64_t w, int64_t group, int64_t row, int64_t count, vec start) {
  const struct sizes *s = &c->s;
  const int64_t *gap = s->dilation, *lo = s->before, each = window_taps(s), taps = each * s->slices, wide = s->kernel[1];
  for (int64_t t = 0; t < taps; ++t) {
    const T *from = row_at(s, c->x, p.image, p.depth + t / each * gap[0] - lo[0], h + t % each / wide * gap[1] - lo[1]);
    const int64_t column = w + t % wide * gap[2] - lo[2];
    if (column < 0 || column >= s->size[2]) from = 0;
    const T *k = c->w + group * group_stride(s) + row * s->row_stride + (s->turned ? taps - 1 - t : t);
    for (int64_t channel = 0; channel < s->channels; ++channel)
      for (int64_t i = 0; i < count; ++i) start[i] += k[i * s->row_stride + channel * s->channel_stride] * (from ? from[(column * s->groups + group) * s->channels + channel] : 0);
  }
  return start;
}

/* Of 2 results from `first` on, a dilation apart, how many there are. */
INLINE int64_t there(int64_t first, int64_t dilation, int64_t size) { return (first < size) + (first + dilation < size); }

/* A' m A of one patch's products (places MOST * BLOCK apart) for `rows` output channels of a group from `row` on. */
static void write_patch(const struct winograd *c, struct patch p, const T *from, int64_t group, int64_t row, int64_t rows) {
  const struct sizes *s = &c->s;
  const int64_t far = MOST * BLOCK, dh = s->dilation[1], dw = s->dilation[2], high = there(p.h, dh, s->out[1]), wide = there(p.w, dw, s->out[2]);
  const T *bias = c->bias ? c->bias + group * s->rows + row : 0;
  const vec low = splat(c->finish.low), top = splat(c->finish.high);
  for (int64_t v = 0; v < rows; v += WIDTH, from += WIDTH) {
    const int64_t n = MIN(WIDTH, rows - v);
    const vec start = !bias ? (vec){0} : n == WIDTH ? load(bias + v) : load_head(bias + v, n, 0);
    vec half[2][4], out[2][2], broken = {0};
    UNROLL for (int j = 0; j < 4; ++j) {
      const vec a = load(from + j * far), b = load(from + (4 + j) * far), d = load(from + (8 + j) * far), e = load(from + (12 + j) * far);
      half[0][j] = a + b + d, half[1][j] = b - d - e;
    }
    UNROLL for (int i = 0; i < 2; ++i) {
      const vec a = half[i][0], b = half[i][1], d = half[i][2], e = half[i][3];
      out[i][0] = a + b + d + start, out[i][1] = b - d - e + start;
      broken += (out[i][0] + out[i][1]) * (vec){0};
    }
    if (total_of(broken) != 0) /* an infinity or NaN, which additions carry to results that it does not belong to */
      for (int64_t i = 0; i < high; ++i)
        for (int64_t j = 0; j < wide; ++j) out[i][j] = sum_directly(c, p, p.h + i * dh, p.w + j * dw, group, row + v, n, start);
    for (int64_t i = 0; i < high; ++i)
      for (int64_t j = 0; j < wide; ++j) {
        const int64_t at = (((p.image * s->out[0] + p.depth) * s->out[1] + p.h + i * dh) * s->out[2] + p.w + j * dw) * s->groups * s->rows + group * s->rows + row + v;
        vec x = out[i][j];
        if (n == WIDTH) {
          if (c->finish.residual) x += load(c->finish.residual + at);
          store(c->y + at, activated(x, c->finish.activation, low, top));
        } else {
          if (c->finish.residual) x += load_head(c->finish.residual + at, n, 0);
          store_head(c->y + at, activated(x, c->finish.activation, low, top), n);
        }
      }
  }
}

/* The pieces that have products at a place: only those of 3 rows reach the last row of places, only those of 3 columns the last column. */
struct range { int64_t begin, end; };
INLINE struct range pieces_at(const struct winograd *c, int64_t place) {
  struct range all = {0, c->s.pieces};
  if (place / 4 == 3) all.begin = MAX(all.begin, c->high[0]), all.end = MIN(all.end, c->high[1]);
  if (place % 4 == 3) all.begin = MAX(all.begin, c->wide[0]), all.end = MIN(all.end, c->wide[1]);
  all.end = MAX(all.begin, all.end);
  return all;
}

INLINE int64_t tiles_of(int64_t count, int64_t nv) { return (count + most_of(nv) - 1) / most_of(nv); }
/* Of `count` patches those of tile t: the first tiles have one more. */
INLINE int64_t patches_of(int64_t count, int64_t tiles, int64_t t) { return count / tiles + (t < count % tiles); }

/* Sums of one place for all patches of a task, by sums of about DEPTH channels: of some pieces, or of a part of one. */
static void multiply(const struct winograd *c, const struct values *v, int64_t place, int64_t count, const T *w, int64_t nv, T *sums) {
  const struct range all = pieces_at(c, place);
  const int64_t channels = c->s.channels, cuts = (channels + DEPTH - 1) / DEPTH, together = MAX(1, DEPTH / channels), tiles = tiles_of(count, nv);
  const int64_t pieces = all.end - all.begin, slabs = MAX(1, (pieces + together - 1) / together) * cuts; /* one without pieces writes zeros */
  for (int64_t slab = 0; slab < slabs; ++slab) {
    const int64_t p0 = all.begin + slab / cuts * pieces / (slabs / cuts), p1 = all.begin + (slab / cuts + 1) * pieces / (slabs / cuts);
    const int64_t k = slab % cuts * channels / cuts, depth = (slab % cuts + 1) * channels / cuts - k;
    for (int64_t t = 0, q = 0, n; t < tiles; ++t, q += n) {
      n = patches_of(count, tiles, t);
      tile_kernels[nv - 1][n - 1](p1 - p0, depth, v->to + place * v->far + k, v->at + q, v->piece + p0, w + (p0 * channels + k) * nv * WIDTH, sums + t * PLACES * MOST * BLOCK, slab == 0);
    }
  }
}

/* A part of the patches of a group by a share of its output channels. */
static void convolve(void *context, int64_t begin, int64_t end) {
  const struct winograd *c = context;
  const int64_t most = (c->patches + c->parts - 1) / c->parts, tiles_most = (most + MOST - 1) / MOST;
  T *sums = SCRATCH(3, (size_t)(tiles_most * PLACES * MOST * BLOCK) * sizeof(T));
  struct values v = {0};
  int64_t transformed = -1; /* the part of a group */
  for (int64_t at = begin; at < end; ++at) {
    const int64_t cut = at % c->cuts, part = at / c->cuts % c->parts, group = at / c->cuts / c->parts;
    const int64_t q0 = part * c->patches / c->parts, count = (part + 1) * c->patches / c->parts - q0;
    const int64_t r0 = c->blocks * cut / c->cuts, r1 = c->blocks * (cut + 1) / c->cuts;
    if (at / c->cuts != transformed) v = values_of(c, q0, count), transform_values(c, &v, group);
    transformed = at / c->cuts;
    for (int64_t r = r0; r < r1; ++r) {
      const int64_t row = r * BLOCK, rows = MIN(BLOCK, c->s.rows - row), nv = (rows + WIDTH - 1) / WIDTH, tiles = tiles_of(count, nv);
      const T *w = c->weights + (group * padded_rows(&c->s) + row) * PLACES * c->depth;
      for (int64_t place = 0; place < PLACES; ++place) multiply(c, &v, place, count, w + place * c->depth * nv * WIDTH, nv, sums + place * MOST * BLOCK);
      for (int64_t t = 0, q = q0; t < tiles; ++t)
        for (int64_t i = 0; i < patches_of(count, tiles, t); ++i, ++q)
          write_patch(c, patch_of(c, c->grid, q), sums + t * PLACES * MOST * BLOCK + i * nv * WIDTH, group, row, rows);
    }
  }
}

/* -- the calls ------------------------------------------------------------------------------------------------------ */

INLINE int64_t transformed_size(const struct sizes *s) { return s->groups * padded_rows(s) * PLACES * s->channels * s->pieces; }
INLINE int64_t volume_of(const int64_t *size) { return size[0] * size[1] * size[2]; }

static struct winograd read_sizes(const int64_t *n) {
  struct winograd c = {{0}};
  memcpy(&c.s, n, sizeof(c.s));
  c.piece = (const struct piece *)(n + sizeof(c.s) / sizeof *n);
  c.depth = c.s.channels * c.s.pieces;
  for (int64_t i = 0; i < c.s.pieces; ++i) {
    const struct piece *p = c.piece + i, *last = c.piece + c.last;
    c.high[1] += p->rows == 3, c.wide[0] += p->rows == 3 && p->columns == 2, c.wide[1] += p->columns == 3;
    if (p->h >= last->h && p->w >= last->w) c.last = i;
  }
  c.wide[1] += c.wide[0];
  return c;
}

static void transform(struct winograd *c, T *weights) {
  const int64_t vectors = c->s.groups * (padded_rows(&c->s) / WIDTH);
  c->weights = weights;
  PARALLEL(transform_weights, c, vectors, grain_for(vectors, WIDTH * c->depth * PLACES));
}

static void convolve_last(struct winograd *c) {
  const struct sizes *s = &c->s;
  for (int i = 0; i < 2; ++i) {
    const int64_t d = s->dilation[i + 1];
    c->grid[i] = (s->out[i + 1] + 2 * d - 1) / (2 * d) * d;
    c->frames[i] = c->grid[i] + (i ? c->piece[c->last].w : c->piece[c->last].h) / 2 * d;
  }
  c->pitch = (s->channels + WIDTH - 1) / WIDTH * WIDTH;
  if (c->pitch * (int64_t)sizeof(T) % ALIAS == 0) c->pitch += WIDTH;
  c->patches = s->images * s->out[0] * c->grid[0] * c->grid[1];
  const int64_t threads = fb->threads(), each = PLACES * s->slices * c->pitch * (int64_t)sizeof(T);
  const int64_t beyond = reach_of(c, c->piece + c->last), most = MAX(MOST, MIN(MAX(TOGETHER, 2 * beyond / MOST), (VALUES_BYTES / each - beyond) / MOST) * MOST);
  c->blocks = (s->rows + BLOCK - 1) / BLOCK, c->parts = (c->patches + most - 1) / most, c->cuts = 1;
  const int64_t wanted = (2 * threads + s->groups - 1) / s->groups;
  if (threads > 1 && c->parts < wanted) c->cuts = MIN(c->blocks, (wanted + c->parts - 1) / c->parts);
  if (threads > 1 && c->parts * c->cuts < wanted) c->parts = MIN(c->patches, (wanted + c->cuts - 1) / c->cuts);
  const int64_t tasks = s->groups * c->parts * c->cuts;
  PARALLEL(convolve, c, tasks, c->cuts > 1 ? MAX(1, tasks / (2 * threads)) : 1);
}

/* Some images at a time with their channels last. */
static void convolve_first(const struct winograd *c) {
  struct winograd some = *c;
  const struct sizes *s = &c->s;
  const int64_t size = volume_of(s->size), volume = volume_of(s->out), channels = s->groups * s->channels, rows = s->groups * s->rows, each = size * channels + volume * rows;
  const int64_t batch = MAX(1, MIN(s->images, BATCH_BYTES / (int64_t)sizeof(T) / each));
  T *x = SCRATCH(5, (size_t)(batch * each) * sizeof(T)), *y = x + batch * size * channels;
  some.x = x, some.y = y, some.finish = (struct finish){0};
  for (int64_t image = 0; image < s->images; image += batch) {
    const int64_t now = some.s.images = MIN(batch, s->images - image), blocks = now * ((size + WIDTH - 1) / WIDTH), planes = now * ((rows + WIDTH - 1) / WIDTH);
    struct turning to = {0, image, size, channels, c->x, x}, back = {&c->finish, image, volume, rows, y, c->y};
    PARALLEL(channels_to_last, &to, blocks, grain_for(blocks, WIDTH * channels));
    convolve_last(&some);
    PARALLEL(channels_to_first, &back, planes, grain_for(planes, WIDTH * volume));
  }
}

/* `n`: the numbers of `struct sizes`, then those of the pieces. Channels come first. */
EXPORT void winograd(const T *x, const T *w, const T *bias, T *y, const int64_t *n) {
  struct winograd c = read_sizes(n);
  c.x = x, c.w = w, c.bias = bias, c.y = y;
  transform(&c, SCRATCH(4, (size_t)transformed_size(&c.s) * sizeof(T)));
  convolve_first(&c);
}

/* As `convolution_room`, `convolution_pack` and `convolution_packed` in conv.c. Behind the transformed weights are those given, for sums
 * that are not finite. */
EXPORT int64_t winograd_room(const int64_t *n) {
  const struct winograd c = read_sizes(n);
  return transformed_size(&c.s) + c.s.groups * group_stride(&c.s);
}

EXPORT void winograd_pack(const T *w, T *packed, const int64_t *n) {
  struct winograd c = read_sizes(n);
  c.w = w;
  transform(&c, packed);
  memcpy(packed + transformed_size(&c.s), w, (size_t)(c.s.groups * group_stride(&c.s)) * sizeof(T));
}

EXPORT void winograd_packed(const T *x, const T *packed, const T *bias, const T *residual, T *y, int64_t activation, T low, T high, const int64_t *n) {
  struct winograd c = read_sizes(n);
  c.x = x, c.weights = packed, c.w = packed + transformed_size(&c.s), c.bias = bias, c.y = y, c.finish = (struct finish){activation, low, high, residual};
  convolve_first(&c);
}

/* The same for x, residual and y with their channels last. */
EXPORT void winograd_last(const T *x, const T *packed, const T *bias, const T *residual, T *y, int64_t activation, T low, T high, const int64_t *n) {
  struct winograd c = read_sizes(n);
  c.x = x, c.weights = packed, c.w = packed + transformed_size(&c.s), c.bias = bias, c.y = y, c.finish = (struct finish){activation, low, high, residual};
  convolve_last(&c);
}
