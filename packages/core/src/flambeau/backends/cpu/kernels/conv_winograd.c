/* types: float double */
/* Convolutions of 3 x 3 and stride 1 with 16 products instead of 36 for every 2 x 2 results (Winograd's F(2x2, 3x3)): of any groups
 * and dilation, and in three dimensions with any depth of the window, whose slices are like more channels.
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

#define PLACES 16
#define BATCH_BYTES (4 << 20) /* of transposed images at a time */
#define VALUES_BYTES (1 << 20) /* of transformed patches of a task */

struct sizes {
  int64_t images, size[3], channels, out[3], rows, groups, slices; /* channels and rows of a group; slices: depth of the window */
  int64_t dilation[3], before[3];
  int64_t row_stride, channel_stride, turned; /* of the weights, and whether each window is turned round */
};
struct winograd {
  struct sizes s;
  struct finish finish;
  const T *x, *w, *weights, *bias; /* weights: [group][block of rows][place][slice][channel][row], then those given */
  T *y;
  int64_t depth;                   /* channels of all slices */
  int64_t grid[2], patches, parts, cuts, blocks; /* tasks share out the groups, the patches in parts, and the blocks of rows */
};

/* -- weights -------------------------------------------------------------------------------------------------------- */

INLINE int64_t padded_rows(const struct sizes *s) { return (s->rows + WIDTH - 1) / WIDTH * WIDTH; }
INLINE int64_t group_stride(const struct sizes *s) { return s->rows * s->channels * s->slices * 9; }

/* The 3 x 3 weights of `count` rows, one channel and one slice: k[tap], a vector along the rows. */
INLINE void weights_of(const struct sizes *s, const T *w, int64_t count, vec *k) {
  vec r[GEMM_LANES];
  if (GEMM_LANES > 9) {
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < count ? load_head(w + i * s->row_stride, 9, 0) : (vec){0};
    gemm_transpose(r);
    for (int t = 0; t < 9; ++t) memcpy(k + (s->turned ? 8 - t : t), (const char *)r + t * VECTOR_BYTES, VECTOR_BYTES);
  } else {
    for (int t = 0; t < 9; ++t) {
      T lanes[GEMM_LANES] = {0};
      for (int64_t i = 0; i < count; ++i) lanes[i] = w[i * s->row_stride + t];
      k[s->turned ? 8 - t : t] = load(lanes);
    }
  }
}

/* G k G' of the weights, for WIDTH rows at a time. */
static void transform_weights(void *context, int64_t begin, int64_t end) {
  const struct winograd *c = context;
  const struct sizes *s = &c->s;
  const int64_t depth = c->depth, vectors = padded_rows(s) / WIDTH;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t group = at / vectors, row = at % vectors * WIDTH, count = MIN(WIDTH, s->rows - row), block = row / BLOCK * BLOCK, width = MIN(BLOCK, padded_rows(s) - block);
    T *to = (T *)c->weights + (group * padded_rows(s) + block) * PLACES * depth + row - block;
    const T *w = c->w + group * group_stride(s) + row * s->row_stride;
    for (int64_t channel = 0; channel < depth; ++channel, to += width) {
      const int64_t slice = channel / s->channels;
      vec k[9], half[4][3];
      weights_of(s, w + channel % s->channels * s->channel_stride + 9 * (s->turned ? s->slices - 1 - slice : slice), count, k);
      const vec middle = splat((T)0.5);
      UNROLL for (int j = 0; j < 3; ++j) {
        half[0][j] = k[j], half[3][j] = k[6 + j];
        half[1][j] = middle * (k[j] + k[6 + j] + k[3 + j]), half[2][j] = middle * (k[j] + k[6 + j] - k[3 + j]);
      }
      UNROLL for (int i = 0; i < 4; ++i) {
        const vec a = half[i][0], b = half[i][1], d = half[i][2];
        T *four = to + 4 * i * depth * width;
        store(four, a), store(four + depth * width, middle * (a + d + b));
        store(four + 2 * depth * width, middle * (a + d - b)), store(four + 3 * depth * width, d);
      }
    }
  }
}

/* -- patches and results -------------------------------------------------------------------------------------------- */

struct patch { int64_t image, depth, h, w; }; /* of the first result; its results are a dilation apart */

/* The first result of patch `i` in one dimension. */
INLINE int64_t first_of(int64_t i, int64_t dilation) { return dilation == 1 ? 2 * i : i / dilation * 2 * dilation + i % dilation; }

INLINE struct patch patch_of(const struct winograd *c, int64_t q) {
  const int64_t w = q % c->grid[1], h = q / c->grid[1] % c->grid[0], slice = q / c->grid[1] / c->grid[0];
  return (struct patch){slice / c->s.out[0], slice % c->s.out[0], first_of(h, c->s.dilation[1]), first_of(w, c->s.dilation[2])};
}

/* The channels of group 0 at a place of the input; NULL outside of it. */
INLINE const T *input_at(const struct winograd *c, int64_t image, int64_t d, int64_t h, int64_t w) {
  const struct sizes *s = &c->s;
  const int64_t outside = d < 0 || d >= s->size[0] || h < 0 || h >= s->size[1] || w < 0 || w >= s->size[2];
  return outside ? 0 : c->x + (((image * s->size[0] + d) * s->size[1] + h) * s->size[2] + w) * s->groups * s->channels;
}

/* B' d B of a patch, for all channels of a group and slice: to[place * far + channel]. */
static void transform_slice(const struct winograd *c, struct patch p, int64_t group, int64_t slice, T *to, int64_t far) {
  const struct sizes *s = &c->s;
  const int64_t channels = s->channels, d = p.depth + slice * s->dilation[0] - s->before[0];
  const T *from[4][4]; /* NULL: padding */
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      from[i][j] = input_at(c, p.image, d, p.h + i * s->dilation[1] - s->before[1], p.w + j * s->dilation[2] - s->before[2]);
      if (from[i][j]) from[i][j] += group * channels;
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

/* What the last vector of a slice writes too much, the next slice writes again. */
static void transform_patch(const struct winograd *c, struct patch p, int64_t group, T *to, int64_t far) {
  for (int64_t slice = 0; slice < c->s.slices; ++slice) transform_slice(c, p, group, slice, to + slice * c->s.channels, far);
}

/* One result at [h][w] for the vector of output channels from `row` on, summed directly. */
static vec sum_directly(const struct winograd *c, struct patch p, int64_t h, int64_t w, int64_t group, int64_t row, int64_t count, vec start) {
  const struct sizes *s = &c->s;
  for (int64_t t = 0; t < 9 * s->slices; ++t) {
    const int64_t *gap = s->dilation, *lo = s->before;
    const T *from = input_at(c, p.image, p.depth + t / 9 * gap[0] - lo[0], h + t % 9 / 3 * gap[1] - lo[1], w + t % 3 * gap[2] - lo[2]);
    const T *k = c->w + group * group_stride(s) + row * s->row_stride + (s->turned ? 9 * s->slices - 1 - t : t);
    for (int64_t channel = 0; channel < s->channels; ++channel)
      for (int64_t i = 0; i < count; ++i) start[i] += k[i * s->row_stride + channel * s->channel_stride] * (from ? from[group * s->channels + channel] : 0);
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

/* A part of the patches of a group by a share of its output channels. */
static void convolve(void *context, int64_t begin, int64_t end) {
  const struct winograd *c = context;
  const int64_t depth_of_all = c->depth, slabs = (depth_of_all + DEPTH - 1) / DEPTH;
  const int64_t pitch = (depth_of_all + WIDTH - 1) / WIDTH * WIDTH + WIDTH; /* no multiple of the cache's */
  const int64_t most = (c->patches + c->parts - 1) / c->parts, tiles_most = (most + MOST - 1) / MOST;
  T *places = SCRATCH(2, (size_t)(PLACES * most * pitch + WIDTH) * sizeof(T)), *sums = SCRATCH(3, (size_t)(tiles_most * PLACES * MOST * BLOCK) * sizeof(T));
  int64_t transformed = -1; /* the part of a group */
  for (int64_t at = begin; at < end; ++at) {
    const int64_t cut = at % c->cuts, part = at / c->cuts % c->parts, group = at / c->cuts / c->parts;
    const int64_t q0 = part * c->patches / c->parts, count = (part + 1) * c->patches / c->parts - q0, tiles = (count + MOST - 1) / MOST;
    const int64_t far = count * pitch, r0 = c->blocks * cut / c->cuts, r1 = c->blocks * (cut + 1) / c->cuts;
    if (at / c->cuts != transformed)
      for (int64_t q = 0; q < count; ++q) transform_patch(c, patch_of(c, q0 + q), group, places + q * pitch, far);
    transformed = at / c->cuts;
    for (int64_t r = r0; r < r1; ++r) {
      const int64_t row = r * BLOCK, rows = MIN(BLOCK, c->s.rows - row), nv = (rows + WIDTH - 1) / WIDTH;
      const T *w = c->weights + (group * padded_rows(&c->s) + row) * PLACES * depth_of_all;
      for (int64_t place = 0; place < PLACES; ++place)
        for (int64_t slab = 0; slab < slabs; ++slab) {
          const int64_t k = slab * depth_of_all / slabs, depth = (slab + 1) * depth_of_all / slabs - k;
          for (int64_t t = 0; t < tiles; ++t) {
            const int64_t q = t * count / tiles, n = (t + 1) * count / tiles - q;
            tile_kernels[nv - 1][n - 1](depth, places + place * far + q * pitch + k, pitch, w, sums + (t * PLACES + place) * MOST * BLOCK, k == 0);
          }
          w += depth * nv * WIDTH;
        }
      for (int64_t t = 0; t < tiles; ++t)
        for (int64_t q = t * count / tiles, i = 0; q < (t + 1) * count / tiles; ++q, ++i) write_patch(c, patch_of(c, q0 + q), sums + (t * PLACES * MOST + i) * BLOCK, group, row, rows);
    }
  }
}

/* -- channels first ------------------------------------------------------------------------------------------------- */

/* count planes of `size` elements to `size` rows of `count` elements (pitch apart), and back. */
struct turning {
  const struct winograd *c;
  int64_t first, size, count; /* first: image */
  const T *from;
  T *to;
};

static void channels_to_last(void *context, int64_t begin, int64_t end) {
  const struct turning *g = context;
  const int64_t blocks = (g->size + WIDTH - 1) / WIDTH;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t image = at / blocks, p = at % blocks * WIDTH, there = MIN(WIDTH, g->size - p);
    const T *from = g->from + ((g->first + image) * g->count) * g->size + p;
    T *to = g->to + (image * g->size + p) * g->count;
    for (int64_t k = 0; k < g->count; k += WIDTH) {
      const int64_t n = MIN(WIDTH, g->count - k);
      vec r[GEMM_LANES];
      UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < n ? load_head(from + (k + i) * g->size, there, 0) : (vec){0};
      gemm_transpose(r);
      if (there == WIDTH && n == WIDTH) { UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(to + i * g->count + k, r[i]); }
      else for (int64_t i = 0; i < there; ++i) store_head(to + i * g->count + k, r[i], n);
    }
  }
}

static void channels_to_first(void *context, int64_t begin, int64_t end) {
  const struct turning *g = context;
  const int64_t blocks = (g->count + WIDTH - 1) / WIDTH;
  T block[GEMM_LANES * GEMM_LANES] __attribute__((aligned(64)));
  for (int64_t at = begin; at < end; ++at) {
    const int64_t image = at / blocks, k = at % blocks * WIDTH, n = MIN(WIDTH, g->count - k);
    const T *from = g->from + image * g->size * g->count + k;
    for (int64_t p = 0; p < g->size; p += WIDTH) {
      const int64_t there = MIN(WIDTH, g->size - p);
      vec r[GEMM_LANES];
      UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < there ? load_head(from + (p + i) * g->count, n, 0) : (vec){0};
      gemm_transpose(r);
      UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(block + i * GEMM_LANES, r[i]);
      finish_rows(&g->c->finish, block, GEMM_LANES, g->to, ((g->first + image) * g->count + k) * g->size + p, g->size, n, there);
    }
  }
}

/* -- the calls ------------------------------------------------------------------------------------------------------ */

INLINE int64_t transformed_size(const struct sizes *s) { return s->groups * padded_rows(s) * PLACES * s->channels * s->slices; }
INLINE int64_t volume_of(const int64_t *size) { return size[0] * size[1] * size[2]; }

static struct winograd read_sizes(const int64_t *n) {
  struct winograd c = {{0}};
  memcpy(&c.s, n, sizeof(c.s));
  c.depth = c.s.channels * c.s.slices;
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
  }
  c->patches = s->images * s->out[0] * c->grid[0] * c->grid[1];
  const int64_t threads = fb->threads(), each = PLACES * c->depth * (int64_t)sizeof(T);
  const int64_t most = MAX(MOST, MIN(TOGETHER, VALUES_BYTES / each / MOST) * MOST);
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
    struct turning to = {c, image, size, channels, c->x, x}, back = {c, image, volume, rows, y, c->y};
    PARALLEL(channels_to_last, &to, blocks, grain_for(blocks, WIDTH * channels));
    convolve_last(&some);
    PARALLEL(channels_to_first, &back, planes, grain_for(planes, WIDTH * volume));
  }
}

/* `n`: the numbers of `struct sizes`. Channels come first. */
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
