/* types: float double */
/* Convolutions of 3 x 3 and stride 1 by 16 products for 2 x 2 results (as conv_winograd.c), of arrays whose channels lie last.
 *
 * Vectors run along the channels: of the input where patches are transformed, of the output in products and results. Nothing
 * is transposed, and any size of image fills the vectors.
 */
#include "fb_finish.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")
#define PLACES 16
#define DEPTH 96 /* channels summed up in registers before they go to memory: short sums round less */
#if REGISTERS == 32
#define NV 4   /* vectors of output channels in a tile */
#define MOST 6 /* patches in a tile */
#else
#define NV 3
#define MOST 4
#endif
#define BLOCK (NV * WIDTH)
#define TOGETHER 9 /* tiles of a task, most: a panel of weights stays in the first cache while they pass */

struct sizes {
  int64_t images, height, width, channels, out_height, out_width, rows, before[2];
};
struct winograd {
  struct sizes s;
  struct finish finish;
  const T *x, *w, *weights, *bias; /* weights: [block of rows][place][channel][row], then those given */
  T *y;
  int64_t grid[2], patches, groups, cuts, blocks;
};

/* -- weights -------------------------------------------------------------------------------------------------------- */

INLINE int64_t padded_rows(const struct sizes *s) { return (s->rows + WIDTH - 1) / WIDTH * WIDTH; }

/* G k G' of the weights (rows, channels, 3, 3), for WIDTH rows at a time. */
static void transform_weights(void *context, int64_t begin, int64_t end) {
  const struct winograd *c = context;
  const int64_t channels = c->s.channels, pitch = channels * 9;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t row = at * WIDTH, count = MIN(WIDTH, c->s.rows - row), block = row / BLOCK * BLOCK, width = MIN(BLOCK, padded_rows(&c->s) - block);
    T *to = (T *)c->weights + block * PLACES * channels + row - block;
    for (int64_t channel = 0; channel < channels; ++channel, to += width) {
      const T *w = c->w + row * pitch + channel * 9;
      vec k[9], half[4][3];
      for (int t = 0; t < 9; ++t) {
        k[t] = (vec){0};
        for (int64_t i = 0; i < count; ++i) k[t][i] = w[i * pitch + t];
      }
      const vec middle = splat((T)0.5);
      UNROLL for (int j = 0; j < 3; ++j) {
        half[0][j] = k[j], half[3][j] = k[6 + j];
        half[1][j] = middle * (k[j] + k[6 + j] + k[3 + j]), half[2][j] = middle * (k[j] + k[6 + j] - k[3 + j]);
      }
      UNROLL for (int i = 0; i < 4; ++i) {
        const vec a = half[i][0], b = half[i][1], d = half[i][2];
        T *four = to + 4 * i * channels * width;
        store(four, a), store(four + channels * width, middle * (a + d + b));
        store(four + 2 * channels * width, middle * (a + d - b)), store(four + 3 * channels * width, d);
      }
    }
  }
}

/* -- the tile ------------------------------------------------------------------------------------------------------- */

/* sums[i][v] (+)= sum over k of x[i * far + k] * w[k][v] for patches i < count. */
INLINE void tile(const int count, const int nv, int64_t depth, const T *x, int64_t far, const T *RESTRICT w, T *sums, int first) {
  vec sum[MOST][NV];
  const T *from[MOST];
  UNROLL for (int i = 0; i < count; ++i) {
    from[i] = x + i * far;
    UNROLL for (int v = 0; v < nv; ++v) sum[i][v] = (vec){0};
  }
  const int64_t next = depth * nv * WIDTH;
  for (int64_t k = 0; k < depth; ++k, w += nv * WIDTH) {
    vec u[NV];
    UNROLL for (int v = 0; v < nv; ++v) u[v] = load(w + v * WIDTH), __builtin_prefetch(w + next + v * WIDTH, 0, 2); /* the panel after this one */
    UNROLL for (int i = 0; i < count; ++i) {
      const vec a = splat(from[i][k]);
      UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += a * u[v];
    }
  }
  if (!first) {
    UNROLL for (int i = 0; i < count; ++i) UNROLL for (int v = 0; v < nv; ++v) sum[i][v] += load(sums + i * BLOCK + v * WIDTH);
  }
  UNROLL for (int i = 0; i < count; ++i) UNROLL for (int v = 0; v < nv; ++v) store(sums + i * BLOCK + v * WIDTH, sum[i][v]);
}

typedef void tile_kernel(int64_t depth, const T *x, int64_t far, const T *w, T *sums, int first);
#define ONE_TILE(n, nv) \
  static void tile_##n##x##nv(int64_t depth, const T *x, int64_t far, const T *w, T *sums, int first) { tile(n, nv, depth, x, far, w, sums, first); }
#define NAME_TILE(n, nv) tile_##n##x##nv,
#if MOST == 6
#define EACH_COUNT(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v)
#else
#define EACH_COUNT(X, v) X(1, v) X(2, v) X(3, v) X(4, v)
#endif
EACH_COUNT(ONE_TILE, 1) EACH_COUNT(ONE_TILE, 2) EACH_COUNT(ONE_TILE, 3)
#if NV == 4
EACH_COUNT(ONE_TILE, 4)
#endif
static tile_kernel *const tile_kernels[NV][MOST] = {
  {EACH_COUNT(NAME_TILE, 1)}, {EACH_COUNT(NAME_TILE, 2)}, {EACH_COUNT(NAME_TILE, 3)},
#if NV == 4
  {EACH_COUNT(NAME_TILE, 4)},
#endif
};

/* -- patches and results -------------------------------------------------------------------------------------------- */

struct patch { int64_t image, h, w; }; /* of the first result */

INLINE struct patch patch_of(const struct winograd *c, int64_t q) {
  return (struct patch){q / c->grid[1] / c->grid[0], 2 * (q / c->grid[1] % c->grid[0]), 2 * (q % c->grid[1])};
}

/* B' d B of a patch, for all channels: to[place * far + channel]. */
static void transform_patch(const struct winograd *c, struct patch p, T *to, int64_t far) {
  const struct sizes *s = &c->s;
  const int64_t channels = s->channels;
  const T *from[4][4]; /* NULL: padding */
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      const int64_t h = p.h + i - s->before[0], w = p.w + j - s->before[1];
      from[i][j] = h < 0 || h >= s->height || w < 0 || w >= s->width ? 0 : c->x + ((p.image * s->height + h) * s->width + w) * channels;
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

/* One result at [h][w] for the vector of output channels from `row` on, summed directly. */
static vec sum_directly(const struct winograd *c, int64_t image, int64_t h, int64_t w, int64_t row, int64_t count, vec start) {
  const struct sizes *s = &c->s;
  for (int t = 0; t < 9; ++t) {
    const int64_t y = h + t / 3 - s->before[0], x = w + t % 3 - s->before[1];
    const T *from = y < 0 || y >= s->height || x < 0 || x >= s->width ? 0 : c->x + ((image * s->height + y) * s->width + x) * s->channels;
    for (int64_t channel = 0; channel < s->channels; ++channel)
      for (int64_t i = 0; i < count; ++i) start[i] += c->w[((row + i) * s->channels + channel) * 9 + t] * (from ? from[channel] : 0);
  }
  return start;
}

/* A' m A of one patch's products (places MOST * BLOCK apart) for `rows` output channels from `row` on. */
static void write_patch(const struct winograd *c, struct patch p, const T *from, int64_t row, int64_t rows) {
  const struct sizes *s = &c->s;
  const int64_t far = MOST * BLOCK, high = MIN(2, s->out_height - p.h), wide = MIN(2, s->out_width - p.w);
  const vec low = splat(c->finish.low), top = splat(c->finish.high);
  for (int64_t v = 0; v < rows; v += WIDTH, from += WIDTH) {
    const int64_t n = MIN(WIDTH, rows - v);
    const vec start = !c->bias ? (vec){0} : n == WIDTH ? load(c->bias + row + v) : load_head(c->bias + row + v, n, 0);
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
        for (int64_t j = 0; j < wide; ++j) out[i][j] = sum_directly(c, p.image, p.h + i, p.w + j, row + v, n, start);
    for (int64_t i = 0; i < high; ++i)
      for (int64_t j = 0; j < wide; ++j) {
        const int64_t at = ((p.image * s->out_height + p.h + i) * s->out_width + p.w + j) * s->rows + row + v;
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

/* A group of tiles by a share of the output channels. */
static void convolve(void *context, int64_t begin, int64_t end) {
  const struct winograd *c = context;
  const int64_t channels = c->s.channels, pitch = (channels + WIDTH - 1) / WIDTH * WIDTH + WIDTH; /* no multiple of the cache's */
  T *places = SCRATCH(2, (size_t)(PLACES * TOGETHER * MOST * pitch) * sizeof(T)), *sums = SCRATCH(3, (size_t)(TOGETHER * PLACES * MOST * BLOCK) * sizeof(T));
  int64_t there = -1; /* the group that is transformed */
  for (int64_t at = begin; at < end; ++at) {
    const int64_t cut = at % c->cuts, group = at / c->cuts;
    const int64_t q0 = group * c->patches / c->groups, count = (group + 1) * c->patches / c->groups - q0, tiles = (count + MOST - 1) / MOST;
    const int64_t far = count * pitch, r0 = c->blocks * cut / c->cuts, r1 = c->blocks * (cut + 1) / c->cuts;
    if (group != there)
      for (int64_t q = 0; q < count; ++q) transform_patch(c, patch_of(c, q0 + q), places + q * pitch, far);
    there = group;
    for (int64_t r = r0; r < r1; ++r) {
      const int64_t row = r * BLOCK, rows = MIN(BLOCK, c->s.rows - row), nv = (rows + WIDTH - 1) / WIDTH;
      const T *w = c->weights + row * PLACES * channels;
      for (int64_t place = 0; place < PLACES; ++place)
        for (int64_t k = 0; k < channels; k += DEPTH) {
          const int64_t depth = MIN(DEPTH, channels - k);
          for (int64_t t = 0; t < tiles; ++t) {
            const int64_t q = t * count / tiles, n = (t + 1) * count / tiles - q;
            tile_kernels[nv - 1][n - 1](depth, places + place * far + q * pitch + k, pitch, w, sums + (t * PLACES + place) * MOST * BLOCK, k == 0);
          }
          w += depth * nv * WIDTH;
        }
      for (int64_t t = 0; t < tiles; ++t)
        for (int64_t q = t * count / tiles, i = 0; q < (t + 1) * count / tiles; ++q, ++i) write_patch(c, patch_of(c, q0 + q), sums + (t * PLACES * MOST + i) * BLOCK, row, rows);
    }
  }
}

/* -- the calls ------------------------------------------------------------------------------------------------------ */

INLINE int64_t transformed_size(const struct sizes *s) { return padded_rows(s) * PLACES * s->channels; }

/* `n`: the numbers of `struct sizes`. */
EXPORT int64_t winograd_room(const int64_t *n) {
  struct sizes s;
  memcpy(&s, n, sizeof(s));
  return transformed_size(&s) + s.rows * s.channels * 9;
}

EXPORT void winograd_pack(const T *w, T *packed, const int64_t *n) {
  struct winograd c = {.w = w, .weights = packed};
  memcpy(&c.s, n, sizeof(c.s));
  const int64_t vectors = padded_rows(&c.s) / WIDTH;
  PARALLEL(transform_weights, &c, vectors, grain_for(vectors, WIDTH * c.s.channels * PLACES));
  memcpy(packed + transformed_size(&c.s), w, (size_t)(c.s.rows * c.s.channels * 9) * sizeof(T));
}

/* As `convolution_packed` in conv.c. */
EXPORT void winograd_packed(const T *x, const T *packed, const T *bias, const T *residual, T *y, int64_t activation, T low, T high, const int64_t *n) {
  struct winograd c = {.x = x, .weights = packed, .bias = bias, .y = y, .finish = {activation, low, high, residual}};
  memcpy(&c.s, n, sizeof(c.s));
  c.w = packed + transformed_size(&c.s);
  c.grid[0] = (c.s.out_height + 1) / 2, c.grid[1] = (c.s.out_width + 1) / 2, c.patches = c.s.images * c.grid[0] * c.grid[1];
  const int64_t threads = fb->threads(), most = TOGETHER * MOST;
  c.blocks = (c.s.rows + BLOCK - 1) / BLOCK, c.groups = (c.patches + most - 1) / most, c.cuts = 1;
  if (threads > 1 && c.groups < 2 * threads) c.cuts = MIN(c.blocks, (2 * threads + c.groups - 1) / c.groups);
  if (threads > 1 && c.groups * c.cuts < 2 * threads) c.groups = MIN(c.patches, (2 * threads + c.cuts - 1) / c.cuts);
  PARALLEL(convolve, &c, c.groups * c.cuts, c.cuts > 1 ? MAX(1, c.groups * c.cuts / (2 * threads)) : 1);
}
