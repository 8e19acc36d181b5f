/* types: float double */
/* Convolutions of 3 x 3 and stride 1 with 16 products instead of 36 for every 2 x 2 results (Winograd's F(2x2, 3x3)).
 *
 * Patches of 4 x 4 inputs and the weights are transformed by additions; for each of the 16 places of a patch there is then a product
 * of matrices over the channels; 2 x 2 results come of additions again. A task takes one tile of patches through all of it, so
 * that nothing but the planes (fb_windows.h, laid out with a step of 2: each place of all patches is one contiguous read) and the
 * weights leaves the second cache.
 *
 * The additions carry an infinity or NaN to neighbours that its window does not reach. Where a result is not finite, the
 * tile's results are summed anew, directly.
 */
#include "fb_columns.h"
#include "fb_finish.h"

#define PLACES 16
#define DEPTH 96 /* channels summed up in registers before they go to memory: short sums round less */
#define BATCH_BYTES (4 << 20) /* of prepared planes at a time */

struct winograd {
  struct plan plan;
  struct finish finish;
  const T *x, *w, *bias, *weights; /* weights: [block of rows][place][channel][ROWS] */
  T *y, *planes;
  int64_t blocks_of_rows, first_image, now, tiles, cuts;
};

/* G k G' of the 3 x 3 weights k, for the ROWS rows of each block. */
static void transform_weights(void *context, int64_t begin, int64_t end) {
  const struct winograd *c = context;
  const struct plan *p = &c->plan;
  const int64_t *tap = p->parts[0].tap, place = p->channels * ROWS;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t rows = MIN(ROWS, p->rows - at * ROWS);
    T *to = (T *)c->weights + at * PLACES * place;
    T k[9][ROWS] = {{0}}, half[4][3][ROWS];
    for (int64_t channel = 0; channel < p->channels; ++channel, to += ROWS) {
      const T *w = c->w + at * ROWS * p->row_stride + channel * p->channel_stride;
      for (int64_t i = 0; i < rows; ++i) for (int t = 0; t < 9; ++t) k[t][i] = w[i * p->row_stride + tap[t]];
      for (int j = 0; j < 3; ++j) {
#pragma omp simd
        for (int i = 0; i < ROWS; ++i) {
          const T first = k[j][i], middle = k[3 + j][i], last = k[6 + j][i];
          half[0][j][i] = first, half[3][j][i] = last;
          half[1][j][i] = (T)0.5 * (first + last + middle), half[2][j][i] = (T)0.5 * (first + last - middle);
        }
      }
      for (int j = 0; j < 4; ++j) {
        T *RESTRICT four = to + 4 * j * place;
#pragma omp simd
        for (int i = 0; i < ROWS; ++i) {
          const T first = half[j][0][i], middle = half[j][1][i], last = half[j][2][i];
          four[i] = first, four[3 * place + i] = last;
          four[place + i] = (T)0.5 * (first + last + middle), four[2 * place + i] = (T)0.5 * (first + last - middle);
        }
      }
    }
  }
}

/* B' d B of each patch: `from` has the 16 places of a tile's patches, TILE elements each; to[place] lies `pitch` apart. */
static void transform_patches(const T *from, T *to, int64_t pitch) {
  for (int64_t v = 0; v < TILE; v += WIDTH) {
    vec half[4][4];
    UNROLL for (int j = 0; j < 4; ++j) {
      const vec a = load(from + j * TILE + v), b = load(from + (4 + j) * TILE + v), d = load(from + (8 + j) * TILE + v), e = load(from + (12 + j) * TILE + v);
      half[0][j] = a - d, half[1][j] = b + d, half[2][j] = d - b, half[3][j] = b - e;
    }
    UNROLL for (int i = 0; i < 4; ++i) {
      const vec a = half[i][0], b = half[i][1], d = half[i][2], e = half[i][3];
      T *four = to + 4 * i * pitch + v;
      store(four, a - d), store(four + pitch, b + d), store(four + 2 * pitch, d - b), store(four + 3 * pitch, b - e);
    }
  }
}

/* A' m A of one row's products (16 places, ROWS * TILE apart) plus the bias: four rows of results, two by two, TILE apart. Whether all
 * in use are finite. */
static int transform_results(const T *from, T *to, T bias, int64_t count) {
  const int64_t pitch = ROWS * TILE;
  vec broken = {0};
  for (int64_t v = 0; v < count; v += WIDTH) {
    vec half[2][4];
    UNROLL for (int j = 0; j < 4; ++j) {
      const vec a = load(from + j * pitch + v), b = load(from + (4 + j) * pitch + v), d = load(from + (8 + j) * pitch + v), e = load(from + (12 + j) * pitch + v);
      half[0][j] = a + b + d, half[1][j] = b - d - e;
    }
    const vec start = splat(bias);
    UNROLL for (int i = 0; i < 2; ++i) {
      const vec a = half[i][0], b = half[i][1], d = half[i][2], e = half[i][3], first = a + b + d + start, second = b - d - e + start;
      store(to + 2 * i * TILE + v, first), store(to + (2 * i + 1) * TILE + v, second);
      broken += (first + second) * (vec){0};
    }
  }
  return sum_of(broken) == 0;
}

/* The four results of each patch for one row of weights, summed directly. */
static void sum_directly(const struct winograd *c, const struct positions *q, int64_t row, T bias, T *to) {
  const struct plan *p = &c->plan;
  for (int64_t result = 0; result < 4; ++result, to += TILE)
    for (int64_t i = 0; i < q->stretches; ++i) {
      const struct stretch *s = q->s + i;
      T *sums = to + s->at;
      for (int64_t n = 0; n < s->count; ++n) sums[n] = bias;
      for (int64_t channel = 0; channel < p->channels; ++channel)
        for (int64_t t = 0; t < 9; ++t) {
          const T w = c->w[row * p->row_stride + channel * p->channel_stride + p->parts[0].tap[t]];
          const T *x = c->planes + channel * p->frame.plane + s->from + p->parts[0].offset[(result / 2 + t / 3) * 4 + result % 2 + t % 3];
          for (int64_t n = 0; n < s->count; ++n) sums[n] += w * x[n];
        }
    }
}

static void write_results(const struct winograd *c, const struct positions *q, const T *from, int64_t first) {
  const int64_t *size = c->plan.size, image_stride = c->plan.rows * size[1] * size[2];
  for (int64_t i = 0; i < q->stretches; ++i) {
    const struct stretch *s = q->s + i;
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t h = 2 * s->h + half;
      if (h >= size[1]) continue;
      const int64_t place = first + s->image * image_stride + h * size[2] + 2 * s->w;
      T *to = c->y + place;
      const T *a = from + 2 * half * TILE + s->at, *b = a + TILE;
      const int64_t pairs = MIN(s->count, size[2] / 2 - s->w);
      weave_rows(to, a, b, pairs);
      if (pairs < s->count) to[2 * pairs] = a[pairs];
      if (finishes(&c->finish)) finish_rows(&c->finish, to, 0, c->y, place, 0, 1, MIN(2 * s->count, size[2] - 2 * s->w));
    }
  }
}

static void convolve(void *context, int64_t begin, int64_t end) {
  const struct winograd *c = context;
  const struct plan *p = &c->plan;
  const struct part *part = p->parts;
  const int64_t channels = p->channels, pitch = channels * TILE, volume = p->size[1] * p->size[2];
  struct positions *q = SCRATCH(1, sizeof *q);
  T *patches = SCRATCH(2, (size_t)(PLACES * pitch) * sizeof(T));
  T *work = SCRATCH(3, (size_t)((PLACES * ROWS + PLACES + 4) * TILE + WIDTH) * sizeof(T)), *places = work + PLACES * ROWS * TILE, *results = places + PLACES * TILE + WIDTH;
  int64_t *linear = SCRATCH(6, (size_t)channels * sizeof(int64_t));
  for (int64_t i = 0; i < channels; ++i) linear[i] = i * TILE;
  memset(places, 0, (size_t)(PLACES * TILE) * sizeof(T));
  for (int64_t at = begin; at < end; ++at) {
    const int64_t cut = at % c->cuts, r0 = cut * c->blocks_of_rows / c->cuts, r1 = (cut + 1) * c->blocks_of_rows / c->cuts;
    dense_positions(p, part, c->now, at / c->cuts, q);
    for (int64_t channel = 0; channel < channels; ++channel) {
      pack_columns(part, q, c->planes + channel * p->frame.plane, p->frame.plane, 1, places, 0);
      transform_patches(places, patches + channel * TILE, pitch);
    }
    const int64_t nv = (q->count + WIDTH - 1) / WIDTH;
    for (int64_t r = r0; r < r1; ++r) {
      const int64_t rows = MIN(ROWS, p->rows - r * ROWS);
      tile_kernel *kernel = tile_kernels[nv - 1][rows - 1];
      const T *a = c->weights + r * PLACES * channels * ROWS;
      for (int64_t i = 0; i < PLACES; ++i)
        for (int64_t k = 0; k < channels; k += DEPTH)
          kernel(a + (i * channels + k) * ROWS, patches + i * pitch + k * TILE, linear, MIN(DEPTH, channels - k), work + i * ROWS * TILE, TILE, k == 0, 0);
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t row = r * ROWS + i;
        const T bias = c->bias ? c->bias[row] : 0;
        if (!transform_results(work + i * TILE, results, bias, q->count)) sum_directly(c, q, row, bias, results);
        write_results(c, q, results, (c->first_image * p->rows + row) * volume);
      }
    }
  }
}

static void place_planes(void *context, int64_t begin, int64_t end) {
  const struct winograd *c = context;
  const int64_t size = c->plan.frame.size[1] * c->plan.frame.size[2];
  const T *x = c->x + c->first_image * c->plan.channels * size;
  for (int64_t at = begin; at < end; ++at) place_plane(&c->plan.frame, x + at * size, c->planes + at * c->plan.frame.plane);
}

INLINE int64_t blocks_of_rows(const struct plan *p) { return (p->rows + ROWS - 1) / ROWS; }
INLINE int64_t transformed_size(const struct plan *p) { return blocks_of_rows(p) * PLACES * p->channels * ROWS; }

static void transform(struct winograd *c, T *weights) {
  const struct plan *p = &c->plan;
  c->weights = weights;
  PARALLEL(transform_weights, c, blocks_of_rows(p), grain_for(blocks_of_rows(p), ROWS * p->channels * PLACES));
}

static void convolve_packed(struct winograd *given) {
  struct winograd c = *given;
  const struct plan *p = &c.plan;
  const int64_t threads = fb->threads(), image = p->channels * p->frame.plane, *grid = p->parts[0].grid;
  c.blocks_of_rows = blocks_of_rows(p);
  const int64_t batch = MAX(1, MIN(p->images, BATCH_BYTES / (int64_t)sizeof(T) / image));
  const size_t bytes = (size_t)(batch * image + 2 * MOST_TILE) * sizeof(T);
  c.planes = SCRATCH(5, bytes);
  memset(c.planes, 0, bytes);
  for (c.first_image = 0; c.first_image < p->images; c.first_image += batch) {
    c.now = MIN(batch, p->images - c.first_image);
    PARALLEL(place_planes, &c, c.now * p->channels, grain_for(c.now * p->channels, p->frame.plane));
    c.tiles = (c.now * grid[1] * grid[2] + TILE - 1) / TILE;
    c.cuts = c.tiles >= 3 * threads || threads == 1 ? 1 : MAX(1, MIN(c.blocks_of_rows, 3 * threads / c.tiles));
    PARALLEL(convolve, &c, c.tiles * c.cuts, 1);
  }
}

/* As `convolution` in conv.c; the plan's one part has the 16 places of patches as taps, and the order of the 9 weights. */
EXPORT void winograd(const T *x, const T *w, const T *bias, T *y, const int64_t *n) {
  struct winograd c = {.x = x, .w = w, .bias = bias, .y = y, .plan = read_plan(n, 0)};
  transform(&c, SCRATCH(4, (size_t)transformed_size(&c.plan) * sizeof(T)));
  convolve_packed(&c);
}

/* As `convolution_room`, `convolution_pack` and `convolution_packed`. Behind the transformed weights are those given, for sums that
 * are not finite. */
EXPORT int64_t winograd_room(const int64_t *n) {
  const struct plan p = read_plan(n, 0);
  return transformed_size(&p) + p.rows * p.channels * 9;
}

EXPORT void winograd_pack(const T *w, T *packed, const int64_t *n) {
  struct winograd c = {.w = w, .plan = read_plan(n, 0)};
  transform(&c, packed);
  memcpy(packed + transformed_size(&c.plan), w, (size_t)(c.plan.rows * c.plan.channels * 9) * sizeof(T));
}

EXPORT void winograd_packed(const T *x, const T *packed, const T *bias, const T *residual, T *y, int64_t activation, T low, T high, const int64_t *n) {
  struct winograd c = {.x = x, .weights = packed, .bias = bias, .y = y, .plan = read_plan(n, 0), .finish = {activation, low, high, residual}};
  c.w = packed + transformed_size(&c.plan);
  convolve_packed(&c);
}
