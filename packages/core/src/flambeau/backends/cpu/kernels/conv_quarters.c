/* types: float double */
/* Convolutions of 4 x 4 with a stride of 2, and transposed ones, with 9 products instead of 16 for every 2 x 2 results; those of
 * 3 x 3 with 25 instead of 36.
 *
 * Cut by its stride the input has four quarters, and the convolution is one of 2 x 2 over four times as many channels; the
 * results of a transposed one have four quarters, each a convolution of 2 x 2. Both are done by Winograd's F(2x2, 2x2):
 *
 *   input     columns of B' d B with B' = [1 -1 0; 0 1 0; 0 -1 1]
 *   weights   G k G' with G = [1 0; 1 1; 0 1]
 *   results   A' m A with A' = [1 1 0; 0 1 1]
 *
 * Of three weights in a row one quarter has two, and the other one, which is multiplied with each input as it is: results
 * 0 and 1 are then in places 0 and 2, and there is no place 1.
 *
 * Four quarters of results read 4 x 4 inputs, whose 25 differences they share. A task transposes the rows of input that its patches
 * read, and its results on the way out, so that vectors run along the channels and nothing but input and results leaves the second cache.
 *
 * The additions carry an infinity or NaN to neighbours that its window does not reach. Where a result is not finite, it is
 * summed anew, directly.
 */
#include "fb_patches.h"

#define PLACES 9
#define SPREAD 5 /* differences of four numbers that two quarters read */
#define VALUES_BYTES (512 << 10) /* of transformed patches of a task */

struct sizes {
  int64_t images, height, width, channels, out_height, out_width, rows, before[2];
  int64_t row_stride, channel_stride, kernel, transposed; /* of the weights; 3 or 4; whether it is the transposed convolution */
};
struct quarters {
  struct sizes s;
  const T *x, *w, *bias, *weights; /* weights: [block of rows][quarter of results][place][channel][row] */
  T *y;
  int64_t step;                    /* results of a patch in each dimension */
  int64_t values, parts, depth;    /* values of a transformed patch for each channel; quarters of results; channels of all quarters of input */
  int64_t all_depth;               /* channels of all places and quarters */
  int64_t pitch, panels, vectors;  /* elements from patch to patch; vectors of channels and of rows */
  int64_t origin[2], grid[2];      /* of the first patch: its first result in the frame of patches; and how many there are of them */
  int64_t columns, chunks, units;  /* patches of a unit, which is a share of a row of patches; such shares of a row; all units */
  int64_t groups, cuts, blocks;    /* tasks share out units in groups, and blocks of rows of the weights */
};

/* Patches of one image beside and above one another. */
struct stretch { int64_t image, line, lines, column, columns, first; };
#define STRETCHES (TOGETHER * MOST)

/* Whether quarter a (0 or 1 in its dimension) has one weight only, and whether there is a place i of it then. */
INLINE int single(const struct sizes *s, int a) { return s->kernel == 3 && a == !s->transposed; }
INLINE int is_there(const struct sizes *s, int a, int i) { return i != 1 || !single(s, a); }
/* Quarters of the input at a place, in a dimension. */
INLINE int64_t quarters_at(const struct sizes *s, int i) { return s->transposed ? 1 : 1 + is_there(s, 1, i); }
/* Channels of all quarters at place 3 i + j. */
INLINE int64_t depth_at(const struct sizes *s, int i, int j) { return quarters_at(s, i) * quarters_at(s, j) * s->channels; }

/* -- weights -------------------------------------------------------------------------------------------------------- */

/* The weights of `count` rows and one channel: k[4 * h + w], a vector along the rows. */
INLINE void weights_of(const struct sizes *s, const T *w, int64_t count, vec k[16]) {
  const int64_t n = s->kernel, taps = n * n;
  vec flat[16];
  for (int64_t t = 0; t < taps; t += GEMM_LANES) {
    vec r[GEMM_LANES];
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < count ? load_head(w + i * s->row_stride + t, MIN(GEMM_LANES, taps - t), 0) : (vec){0};
    gemm_transpose(r);
    UNROLL for (int i = 0; i < GEMM_LANES; ++i) flat[t + i] = r[i];
  }
  for (int64_t i = 0; i < 16; ++i) k[i] = i / 4 < n && i % 4 < n ? flat[i / 4 * n + i % 4] : (vec){0};
}

/* Places 0 to 2 of weights p, q in a dimension of a quarter. */
INLINE void three_of(const struct sizes *s, int a, vec p, vec q, vec *to) {
  if (single(s, a)) to[0] = to[2] = s->transposed ? q : p;
  else to[0] = s->transposed && a ? -p : p, to[1] = p + q, to[2] = q;
}

static void transform_weights(void *context, int64_t begin, int64_t end) {
  const struct quarters *c = context;
  const struct sizes *s = &c->s;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t row = at * WIDTH, count = MIN(WIDTH, s->rows - row), block = row / BLOCK * BLOCK, width = MIN(BLOCK, c->vectors * WIDTH - block);
    T *all = (T *)c->weights + block * c->all_depth + row - block;
    for (int64_t channel = 0; channel < s->channels; ++channel) {
      vec k[16];
      weights_of(s, c->w + s->row_stride * row + s->channel_stride * channel, count, k);
      T *to = all + channel * width; /* of the quarter of results that a transposed convolution is at */
      for (int a = 0; a < 2; ++a)
        for (int b = 0; b < 2; ++b) {
          vec half[3][2], made[3];
          for (int t = 0; t < 2; ++t) {
            const int j = s->transposed ? 3 - b - 2 * t : b + 2 * t;
            three_of(s, a, k[4 * (s->transposed ? 3 - a : a) + j], k[4 * (s->transposed ? 1 - a : a + 2) + j], made);
            for (int i = 0; i < 3; ++i) half[i][t] = made[i];
          }
          T *place = to;
          for (int i = 0; i < 3; ++i) {
            three_of(s, b, half[i][0], half[i][1], made);
            for (int j = 0; j < 3; ++j) {
              const int there = is_there(s, a, i) && is_there(s, b, j);
              const int64_t quarter = s->transposed ? 0 : a * quarters_at(s, j) + b;
              if (there) store(place + quarter * s->channels * width, made[j]);
              if (there || !s->transposed) place += depth_at(s, i, j) * width;
            }
          }
          if (s->transposed) to = place;
        }
    }
  }
}

/* -- patches -------------------------------------------------------------------------------------------------------- */

/* How far a frame of the input reaches: rows or columns of it for so many patches. */
INLINE int64_t reach(const struct quarters *c, int64_t patches) { return c->s.transposed ? 2 * patches + 2 : 4 * patches + 2; }
/* The input's row or column where the frame of patch `number` begins. */
INLINE int64_t start_of(const struct quarters *c, int d, int64_t number) {
  return c->s.transposed ? c->origin[d] / 2 - 1 + 2 * number : 4 * number - c->s.before[d];
}

/* The input that a stretch reads with its channels last, zeros around it: frame[row][column][panels * WIDTH]. */
static void lay_out(const struct quarters *c, const struct stretch *t, T *frame) {
  const struct sizes *s = &c->s;
  const int64_t high = reach(c, t->lines), wide = reach(c, t->columns), far = c->panels * WIDTH;
  const int64_t top = start_of(c, 0, t->line), left = start_of(c, 1, t->column);
  const int64_t h0 = MAX(0, top), h1 = MIN(s->height, top + high), w0 = MAX(0, left), w1 = MIN(s->width, left + wide);
  memset(frame, 0, (size_t)(high * wide * far) * sizeof(T));
  if (h0 >= h1 || w0 >= w1) return;
  const int whole = w0 == 0 && w1 == s->width; /* rows follow one another */
  const int64_t plane = s->height * s->width;
  for (int64_t panel = 0; panel < c->panels; ++panel) {
    const int64_t count = MIN(WIDTH, s->channels - panel * WIDTH);
    const T *x = c->x + (t->image * s->channels + panel * WIDTH) * plane;
    for (int64_t h = h0; h < h1; h = whole ? h1 : h + 1) {
      const int64_t begin = h * s->width + w0, end = whole ? h1 * s->width : begin + w1 - w0;
      T *to = frame + ((h - top) * wide + w0 - left) * far + panel * WIDTH;
      int64_t w = w0;
      for (int64_t p = begin; p < end; p += WIDTH) {
        const int64_t there = MIN(WIDTH, end - p);
        vec r[GEMM_LANES];
        UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i >= count ? (vec){0} : there == WIDTH ? load(x + i * plane + p) : load_head(x + i * plane + p, there, 0);
        gemm_transpose(r);
        for (int64_t i = 0; i < there; ++i, to += far) {
          store(to, r[i]);
          if (++w == w1) w = w0, to += (wide - (w1 - w0)) * far;
        }
      }
    }
  }
}

#define THREE(a, b, d, to) do { (to)[0] = (a) - (b), (to)[1] = (b), (to)[2] = (d) - (b); } while (0)
#define FIVE(a, b, d, e, to) do { (to)[0] = (a) - (b), (to)[1] = (b), (to)[2] = (d) - (b), (to)[3] = (d), (to)[4] = (e) - (d); } while (0)

/* Values of the patches of a stretch: to[value * far + patch * pitch + channel]. */
static void transform(const struct quarters *c, const struct stretch *t, const T *frame, T *to, int64_t far) {
  const int64_t last = c->panels * WIDTH, wide = reach(c, t->columns) * last;
  for (int64_t i = 0; i < t->lines; ++i)
    for (int64_t j = 0; j < t->columns; ++j, to += c->pitch)
      if (c->s.transposed) {
        const T *from = frame + 2 * i * wide + 2 * j * last;
        for (int64_t v = 0; v < c->s.channels; v += WIDTH) {
          vec half[4][SPREAD];
          UNROLL for (int k = 0; k < 4; ++k) {
            const T *d = from + k * last + v;
            FIVE(load(d), load(d + wide), load(d + 2 * wide), load(d + 3 * wide), half[k]);
          }
          UNROLL for (int a = 0; a < SPREAD; ++a) {
            vec line[SPREAD];
            FIVE(half[0][a], half[1][a], half[2][a], half[3][a], line);
            UNROLL for (int b = 0; b < SPREAD; ++b) store(to + (SPREAD * a + b) * far + v, line[b]);
          }
        }
      } else {
        const T *from = frame + 4 * i * wide + 4 * j * last;
        for (int64_t quarter = 0; quarter < 4; ++quarter) /* what the last vector writes too much, the next quarter writes again */
          for (int64_t v = 0; v < c->s.channels; v += WIDTH) {
            const int a = (int)quarter / 2, b = (int)quarter % 2, one = single(&c->s, a), alone = single(&c->s, b);
            vec half[3][3];
            UNROLL for (int k = 0; k < 3; ++k) {
              const T *d = from + a * wide + (2 * k + b) * last + v;
              if (one) half[k][0] = load(d), half[k][1] = half[k][2] = load(d + 2 * wide);
              else THREE(load(d), load(d + 2 * wide), load(d + 4 * wide), half[k]);
            }
            UNROLL for (int i = 0; i < 3; ++i) {
              if (one && i == 1) continue;
              vec line[3];
              if (alone) line[0] = half[0][i], line[1] = line[2] = half[1][i];
              else THREE(half[0][i], half[1][i], half[2][i], line);
              UNROLL for (int j = 0; j < 3; ++j)
                if (!alone || j != 1) store(to + (3 * i + j) * far + (a * quarters_at(&c->s, j) + b) * c->s.channels + v, line[j]);
            }
          }
      }
}

/* -- results -------------------------------------------------------------------------------------------------------- */

/* The result at [h][w] for `count` rows from `row` on, summed directly. */
static vec sum_directly(const struct quarters *c, int64_t image, int64_t h, int64_t w, int64_t row, int64_t count, vec start) {
  const struct sizes *s = &c->s;
  if (h < 0 || w < 0 || h >= s->out_height || w >= s->out_width) return start;
  for (int64_t k = 0; k < s->kernel * s->kernel; ++k) {
    int64_t y = s->transposed ? h + s->before[0] - k / s->kernel : 2 * h - s->before[0] + k / s->kernel;
    int64_t x = s->transposed ? w + s->before[1] - k % s->kernel : 2 * w - s->before[1] + k % s->kernel;
    if (s->transposed && ((y | x) & 1)) continue;
    if (s->transposed) y /= 2, x /= 2;
    if (y < 0 || y >= s->height || x < 0 || x >= s->width) continue;
    for (int64_t channel = 0; channel < s->channels; ++channel) {
      const T from = c->x[((image * s->channels + channel) * s->height + y) * s->width + x];
      for (int64_t i = 0; i < count; ++i) start[i] += c->w[(row + i) * s->row_stride + channel * s->channel_stride + k] * from;
    }
  }
  return start;
}

/* One quarter of the results of a patch from its products (places MOST * BLOCK apart; `one`, `alone`: no place 1 in this dimension): to[position][BLOCK], a line of positions `wide` elements. */
static void write_patch(const struct quarters *c, int64_t image, int64_t h, int64_t w, const T *from, int64_t row, int64_t rows, T *to, int64_t wide, int one, int alone) {
  const int64_t far = MOST * BLOCK, each = c->s.transposed ? 2 : 1;
  for (int64_t v = 0; v < rows; v += WIDTH, from += WIDTH, to += WIDTH) {
    const int64_t n = MIN(WIDTH, rows - v);
    const vec start = !c->bias ? (vec){0} : n == WIDTH ? load(c->bias + row + v) : load_head(c->bias + row + v, n, 0);
    vec half[2][3], out[2][2], broken = {0};
    UNROLL for (int j = 0; j < 3; ++j) {
      const vec a = load(from + j * far), b = load(from + (3 + j) * far), d = load(from + (6 + j) * far);
      half[0][j] = one ? a : a + b, half[1][j] = one ? d : b + d;
    }
    UNROLL for (int i = 0; i < 2; ++i) {
      out[i][0] = (alone ? half[i][0] : half[i][0] + half[i][1]) + start, out[i][1] = (alone ? half[i][2] : half[i][1] + half[i][2]) + start;
      broken += (out[i][0] + out[i][1]) * (vec){0};
    }
    if (total_of(broken) != 0) /* an infinity or NaN, which additions carry to results that it does not belong to */
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) out[i][j] = sum_directly(c, image, h + each * i, w + each * j, row + v, n, start);
    UNROLL for (int i = 0; i < 2; ++i) UNROLL for (int j = 0; j < 2; ++j) store(to + each * (i * wide + j * BLOCK), out[i][j]);
  }
}

/* The results of a stretch, from[position][BLOCK], to the planes of rows [row, row + rows). */
static void turn_out(const struct quarters *c, const struct stretch *t, const T *from, int64_t row, int64_t rows) {
  const struct sizes *s = &c->s;
  const int64_t wide = c->step * t->columns, high = c->step * t->lines;
  const int64_t top = c->origin[0] + c->step * t->line, left = c->origin[1] + c->step * t->column; /* of the stretch's first result */
  const int64_t lead[2] = {s->transposed ? s->before[0] - 1 : 0, s->transposed ? s->before[1] - 1 : 0};
  const int64_t h0 = MAX(0, top - lead[0]), h1 = MIN(s->out_height, top - lead[0] + high);
  const int64_t w0 = MAX(0, left - lead[1]), w1 = MIN(s->out_width, left - lead[1] + wide);
  if (h0 >= h1 || w0 >= w1) return;
  const int whole = w1 - w0 == wide && wide == s->out_width;
  const int64_t plane = s->out_height * s->out_width;
  T *y = c->y + (t->image * s->rows + row) * plane;
  from += ((h0 - (top - lead[0])) * wide + w0 - (left - lead[1])) * BLOCK;
  for (int64_t h = h0; h < h1; h = whole ? h1 : h + 1, from += wide * BLOCK) {
    const int64_t begin = h * s->out_width + w0, count = whole ? (h1 - h0) * wide : w1 - w0;
    for (int64_t p = 0; p < count; p += WIDTH) {
      const int64_t there = MIN(WIDTH, count - p);
      for (int64_t v = 0; v < rows; v += WIDTH) {
        const int64_t n = MIN(WIDTH, rows - v);
        T *to = y + v * plane + begin + p;
        vec r[GEMM_LANES];
        if (there == WIDTH && n == WIDTH) {
          UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = load(from + (p + i) * BLOCK + v);
          gemm_transpose(r);
          UNROLL for (int i = 0; i < GEMM_LANES; ++i) store(to + i * plane, r[i]);
        } else {
          UNROLL for (int i = 0; i < GEMM_LANES; ++i) r[i] = i < there ? load(from + (p + i) * BLOCK + v) : (vec){0};
          gemm_transpose(r);
          for (int64_t i = 0; i < n; ++i) store_head(to + i * plane, r[i], there);
        }
      }
    }
  }
}

/* -- tasks ---------------------------------------------------------------------------------------------------------- */

/* The stretches of units [begin, end), and how many patches they have. */
static int64_t stretches_of(const struct quarters *c, int64_t begin, int64_t end, struct stretch *t, int64_t *count) {
  int64_t patches = 0;
  *count = 0;
  for (int64_t unit = begin; unit < end; ++t, ++*count) {
    const int64_t chunk = unit % c->chunks, line = unit / c->chunks % c->grid[0], image = unit / c->chunks / c->grid[0];
    const int64_t lines = c->chunks > 1 ? 1 : MIN(c->grid[0] - line, end - unit), column = chunk * c->columns;
    *t = (struct stretch){image, line, lines, column, MIN(c->columns, c->grid[1] - column), patches};
    patches += t->lines * t->columns, unit += lines;
  }
  return patches;
}

/* Which of the differences of four numbers place i of a quarter of results has. */
INLINE int64_t value_of(int64_t quarter, int i, int one) { return one ? 1 + i : 2 * quarter + i; }

static void convolve(void *context, int64_t begin, int64_t end) {
  const struct quarters *c = context;
  const int64_t most = (c->units + c->groups - 1) / c->groups * c->columns;
  struct stretch *t = SCRATCH(1, sizeof(struct stretch) * STRETCHES);
  T *values = SCRATCH(2, (size_t)(c->values * most * c->pitch + WIDTH) * sizeof(T));
  const int64_t tiles_most = (most + MOST - 1) / MOST, out_most = most * c->step * c->step * BLOCK;
  T *sums = SCRATCH(3, (size_t)(tiles_most * PLACES * MOST * BLOCK + out_most) * sizeof(T)), *out = sums + tiles_most * PLACES * MOST * BLOCK;
  int64_t places[2 * MOST];
  for (int i = 0; i < 2 * MOST; ++i) places[i] = i * c->pitch;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t cut = at % c->cuts, group = at / c->cuts, r0 = c->blocks * cut / c->cuts, r1 = c->blocks * (cut + 1) / c->cuts;
    int64_t stretches;
    const int64_t count = stretches_of(c, group * c->units / c->groups, (group + 1) * c->units / c->groups, t, &stretches);
    const int64_t far = count * c->pitch;
    for (int64_t i = 0; i < stretches; ++i) {
      T *frame = SCRATCH(4, (size_t)(reach(c, t[i].lines) * reach(c, t[i].columns) * c->panels * WIDTH) * sizeof(T));
      lay_out(c, t + i, frame);
      transform(c, t + i, frame, values + t[i].first * c->pitch, far);
    }
    for (int64_t r = r0; r < r1; ++r) {
      const int64_t row = r * BLOCK, rows = MIN(BLOCK, c->s.rows - row), nv = (rows + WIDTH - 1) / WIDTH, tiles = (count + most_of(nv) - 1) / most_of(nv);
      const T *w = c->weights + row * c->all_depth;
      for (int64_t part = 0; part < c->parts; ++part) {
        const int one = c->s.transposed && single(&c->s, (int)part / 2), alone = c->s.transposed && single(&c->s, (int)part % 2);
        for (int place = 0; place < PLACES; ++place) {
          const int i = place / 3, j = place % 3;
          if ((one && i == 1) || (alone && j == 1)) continue;
          const T *from = values + (c->s.transposed ? SPREAD * value_of(part / 2, i, one) + value_of(part % 2, j, alone) : place) * far;
          const int64_t all = depth_at(&c->s, i, j), slabs = (all + DEPTH - 1) / DEPTH;
          for (int64_t slab = 0; slab < slabs; ++slab) {
            const int64_t k = slab * all / slabs, depth = (slab + 1) * all / slabs - k;
            for (int64_t tile = 0; tile < tiles; ++tile) {
              const int64_t q = tile * count / tiles, n = (tile + 1) * count / tiles - q;
              tile_kernels[nv - 1][n - 1](1, depth, from + q * c->pitch, places, &k, w, sums + (tile * PLACES + place) * MOST * BLOCK, slab == 0);
            }
            w += depth * nv * WIDTH;
          }
        }
        int64_t q = 0, until = 0;
        const T *products = sums;
        for (int64_t i = 0, tile = -1; i < stretches; ++i) {
          const struct stretch *s = t + i;
          const int64_t wide = c->step * s->columns * BLOCK;
          T *to = out + s->first * c->step * c->step * BLOCK;
          for (int64_t line = 0; line < s->lines; ++line)
            for (int64_t column = 0; column < s->columns; ++column, ++q, products += nv * WIDTH) {
              if (q == until) ++tile, products = sums + tile * PLACES * MOST * BLOCK, until = (tile + 1) * count / tiles;
              int64_t h = c->step * line + part / 2, w = c->step * column + part % 2;
              T *there = to + h * wide + w * BLOCK;
              h += c->origin[0] + c->step * s->line, w += c->origin[1] + c->step * s->column;
              if (c->s.transposed) h -= c->s.before[0] - 1, w -= c->s.before[1] - 1;
              write_patch(c, s->image, h, w, products, row, rows, there, wide, one, alone);
            }
        }
      }
      for (int64_t i = 0; i < stretches; ++i) turn_out(c, t + i, out + t[i].first * c->step * c->step * BLOCK, row, rows);
    }
  }
}

/* -- the call ------------------------------------------------------------------------------------------------------- */

static void settle(struct quarters *c) {
  const struct sizes *s = &c->s;
  const int64_t threads = fb->threads(), out[2] = {s->out_height, s->out_width};
  c->step = s->transposed ? 4 : 2, c->values = s->transposed ? SPREAD * SPREAD : PLACES, c->parts = s->transposed ? 4 : 1;
  c->depth = s->transposed ? s->channels : 4 * s->channels;
  c->panels = (s->channels + WIDTH - 1) / WIDTH, c->vectors = (s->rows + WIDTH - 1) / WIDTH, c->blocks = (s->rows + BLOCK - 1) / BLOCK;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int part = 0; part < c->parts; ++part)
        if (!s->transposed || (is_there(s, part / 2, i) && is_there(s, part % 2, j))) c->all_depth += depth_at(s, i, j);
  c->pitch = (c->depth + WIDTH - 1) / WIDTH * WIDTH + WIDTH; /* no multiple of the cache's */
  for (int d = 0; d < 2; ++d) {
    const int64_t lead = s->transposed ? s->before[d] - 1 : 0;
    c->origin[d] = lead & ~(int64_t)1, c->grid[d] = (out[d] + lead - c->origin[d] + c->step - 1) / c->step;
  }
  const int64_t target = MAX(2 * MOST, MIN(TOGETHER * MOST, VALUES_BYTES / (c->values * c->pitch * (int64_t)sizeof(T))));
  c->chunks = (c->grid[1] + target - 1) / target, c->columns = (c->grid[1] + c->chunks - 1) / c->chunks, c->chunks = (c->grid[1] + c->columns - 1) / c->columns;
  c->units = s->images * c->grid[0] * c->chunks;
  const int64_t each = MAX(1, target / c->columns);
  c->groups = (c->units + each - 1) / each, c->cuts = 1;
  if (threads > 1 && c->groups < 2 * threads) c->cuts = MIN(c->blocks, (2 * threads + c->groups - 1) / c->groups);
  if (threads > 1 && c->groups * c->cuts < 2 * threads) c->groups = MIN(c->units, (2 * threads + c->cuts - 1) / c->cuts);
}

/* `n`: the numbers of `struct sizes`. Channels come first. */
EXPORT void quarters(const T *x, const T *w, const T *bias, T *y, const int64_t *n) {
  struct quarters c = {.x = x, .w = w, .bias = bias, .y = y};
  memcpy(&c.s, n, sizeof(c.s));
  settle(&c);
  c.weights = SCRATCH(5, (size_t)(c.vectors * WIDTH * c.all_depth) * sizeof(T));
  PARALLEL(transform_weights, &c, c.vectors, grain_for(c.vectors, WIDTH * 36 * c.s.channels));
  PARALLEL(convolve, &c, c.groups * c.cuts, c.cuts > 1 ? MAX(1, c.groups * c.cuts / (2 * fb->threads())) : 1);
}
