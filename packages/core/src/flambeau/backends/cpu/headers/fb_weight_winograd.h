/* The gradient of 3 x 3 convolutions for the weight by Winograd's F(3x3, 2x2): 16 products for a tile of 2 x 2 positions, not 36. Larger
 * windows are cut into pieces of 2 taps and, at the end, 3 in each dimension, which are like more channels: 5 x 5 takes 49 products, not 100.
 *
 * Patches of 4 x 4 of the input and tiles of 2 x 2 of the gradient are transformed, vectors along the channels; for each of the 16
 * places the products of all channels with all rows are summed over the tiles, and the sums transformed back once. Tiles are
 * transformed and multiplied in batches that stay in the cache. Few sums exist once for each share of the tiles, whose batches
 * never leave their thread; many exist once, and all threads work at the places of one batch.
 *
 *   input      columns of B' d B with B' = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]
 *   gradient   G g G' with G = [1 0; 1 1; 1 -1; 0 1]
 *   result     A' m A with A' = [1 h h 0; 0 h -h 0; 0 h h -1], h = 1/2
 */
#ifndef FB_WEIGHT_WINOGRAD_H
#define FB_WEIGHT_WINOGRAD_H
#include "fb_gemm.h"
#include "fb_windows.h"

#define WW_UNROLL _Pragma("GCC unroll 16")
#if REGISTERS == 32 && GEMM_LANES >= 8
#define WW_ROWS 8 /* of a tile in registers, beside two vectors of channels */
#elif GEMM_LANES >= 4
#define WW_ROWS 4
#else
#define WW_ROWS 2
#endif
#define WW_BATCH (4 << 20)  /* bytes of transformed tiles at a time, for all threads */
#define WW_OWN (512 << 10)  /* and for a share */
#define WW_FEW (1100 << 10) /* of sums that exist once for each share */
#define WW_SHARES (5 << 20) /* of all shares' sums */
#define WW_SUMS (48 << 20)  /* of sums at most */
#define WW_TURNED 80        /* what it costs to transform a tile of a panel, and to bring a sum to memory and back, in products of vectors */
#define WW_SUMMED 60
#define WW_PIECED 140       /* what WW_TURNED is where the window is cut into pieces, for which more lines are laid out; measured */
#define WW_CHUNK 128        /* tiles whose channels stay in the first cache while the rows pass */
#define WW_GROUP 8          /* rows of tiles that a task transforms, at most */

struct ww;
/* A stage's task: some rows of tiles [i0, i1) of an image, for a panel of channels or rows, transformed to `to`. */
typedef void ww_part(const struct ww *c, int64_t panel, int64_t image, int64_t i0, int64_t i1, T *to);
struct ww {
  const T *x, *g;
  T *dw, *u, *v, *sums;          /* transformed input and gradient: places x panels x tiles x WIDTH; sums: places x rows x channels */
  int64_t images, channels, rows, size[2], lo[2], out[2];
  int64_t tiles[2], each;        /* of an image: rows and columns of tiles, and all of them */
  int64_t group, groups;         /* rows of tiles that are transformed together, and how many such groups an image has */
  int64_t places, cp, rp, room;  /* of a tile; panels of channels and of rows; tiles of a batch at most */
  int64_t given;                 /* panels of channels of the input; where it is cut into parts, each is several of cp */
  int64_t kernel[2], across;     /* taps; such parts beside one another */
  int (*lacks)(const struct ww *c, int place, int part); /* where a part has no products; NULL: nowhere */
  ww_part *input, *gradient;
  int64_t u_place, v_place;      /* elements from place to place */
  int64_t start, first_group, first_tile, batch; /* the first group of all, and of the present batch */
  int64_t parts, sums_each;      /* shares, and the sums of one */
  int *broken;                   /* set where a result is not finite */
};

/* The number of a group's first tile. */
INLINE int64_t ww_tile_of(const struct ww *c, int64_t group) { return group / c->groups * c->each + group % c->groups * c->group * c->tiles[1]; }

/* WIDTH planes from position `begin` on, in order of memory, as positions x WIDTH: each to where `place` has it. */
#define WW_TURN(from, pitch, count, begin, end, place)                                                                 \
  for (int64_t p_ = (begin); p_ < (end); p_ += WIDTH) {                                                                \
    vec r_[GEMM_LANES];                                                                                                \
    const int64_t there_ = MIN(WIDTH, (end) - p_);                                                                     \
    WW_UNROLL for (int i_ = 0; i_ < GEMM_LANES; ++i_)                                                                  \
      r_[i_] = i_ >= (count) ? (vec){0} : there_ == WIDTH ? load((from) + i_ * (pitch) + p_) : load_head((from) + i_ * (pitch) + p_, there_, 0); \
    gemm_transpose(r_);                                                                                                \
    for (int64_t i_ = 0; i_ < there_; ++i_) { store(place, r_[i_]); if (++w_ == width_) w_ = 0, ++h_; }                 \
  }

/* A column of four numbers, or of two, one after the other through B' or G. */
#define WW_INPUT(a, b, c, d, to) do { (to)[0] = (a) - (c), (to)[1] = (b) + (c), (to)[2] = (c) - (b), (to)[3] = (b) - (d); } while (0)
#define WW_GRADIENT(a, b, to) do { (to)[0] = (a), (to)[1] = (a) + (b), (to)[2] = (a) - (b), (to)[3] = (b); } while (0)

/* A piece of the window: its first tap, and how many it has in each dimension. */
struct ww_piece { int64_t h, w, rows, columns; };
INLINE struct ww_piece ww_piece_of(const struct ww *c, int64_t part) {
  const int64_t h = part / c->across * 2, w = part % c->across * 2;
  return (struct ww_piece){h, w, c->kernel[0] - h == 3 ? 3 : 2, c->kernel[1] - w == 3 ? 3 : 2};
}
/* Pieces of 2 taps have nothing at the last place of a row or column. */
static int ww_lacks(const struct ww *c, int place, int part) {
  const struct ww_piece p = ww_piece_of(c, part);
  return (p.rows == 2 && place / 4 == 3) || (p.columns == 2 && place % 4 == 3);
}

/* Tiles of one piece, which begin at `frame`, rows of `wide` positions. */
static void ww_tiles(const struct ww *c, const T *frame, int64_t wide, int64_t rows, T *to) {
  for (int64_t i = 0; i < rows; ++i) {
    const T *row = frame + 2 * i * wide * WIDTH;
    vec col[4][4];
    WW_UNROLL for (int k = 0; k < 2; ++k) {
      const T *d = row + k * WIDTH;
      WW_INPUT(load(d), load(d + wide * WIDTH), load(d + 2 * wide * WIDTH), load(d + 3 * wide * WIDTH), col[k]);
    }
    for (int64_t j = 0; j < c->tiles[1]; ++j, to += WIDTH) {
      WW_UNROLL for (int k = 2; k < 4; ++k) {
        const T *d = row + (2 * j + k) * WIDTH;
        WW_INPUT(load(d), load(d + wide * WIDTH), load(d + 2 * wide * WIDTH), load(d + 3 * wide * WIDTH), col[k]);
      }
      WW_UNROLL for (int a = 0; a < 4; ++a) {
        vec line[4];
        WW_INPUT(col[0][a], col[1][a], col[2][a], col[3][a], line);
        WW_UNROLL for (int b = 0; b < 4; ++b) store(to + (4 * a + b) * c->u_place, line[b]);
      }
      WW_UNROLL for (int a = 0; a < 4; ++a) col[0][a] = col[2][a], col[1][a] = col[3][a];
    }
  }
}

static void ww_input(const struct ww *c, int64_t panel, int64_t image, int64_t i0, int64_t i1, T *to) {
  const int64_t parts = c->cp / c->given, beyond = c->kernel[0] / 2 * 2, aside = c->kernel[1] / 2 * 2; /* a piece reads 4 x 4 */
  const int64_t W = c->size[1], wide = 2 * c->tiles[1] + aside, high = 2 * (i1 - i0) + beyond, count = MIN(WIDTH, c->channels - panel * WIDTH);
  const int64_t top = 2 * i0 - c->lo[0], h0 = MAX(0, top), h1 = MIN(c->size[0], top + high), plane = c->size[0] * W;
  T *frame = SCRATCH(1, (size_t)(high * wide) * VECTOR_BYTES);
  memset(frame, 0, (size_t)(high * wide) * VECTOR_BYTES);
  const T *x = c->x + (image * c->channels + panel * WIDTH) * plane;
  const int64_t width_ = W;
  int64_t h_ = h0 - top, w_ = 0;
  WW_TURN(x, plane, count, h0 * W, h1 * W, frame + (h_ * wide + w_ + c->lo[1]) * WIDTH)
  for (int64_t part = 0; part < parts; ++part) {
    const struct ww_piece p = ww_piece_of(c, part);
    ww_tiles(c, frame + (p.h * wide + p.w) * WIDTH, wide, i1 - i0, to + part * c->given * c->room * WIDTH);
  }
}

static void ww_gradient(const struct ww *c, int64_t panel, int64_t image, int64_t i0, int64_t i1, T *to) {
  const int64_t W = c->out[1], wide = 2 * c->tiles[1], high = 2 * (i1 - i0), count = MIN(WIDTH, c->rows - panel * WIDTH);
  const int64_t h0 = 2 * i0, h1 = MIN(c->out[0], h0 + high), plane = c->out[0] * W;
  T *frame = SCRATCH(1, (size_t)(high * wide) * VECTOR_BYTES);
  memset(frame, 0, (size_t)(high * wide) * VECTOR_BYTES);
  const T *g = c->g + (image * c->rows + panel * WIDTH) * plane;
  const int64_t width_ = W;
  int64_t h_ = 0, w_ = 0;
  WW_TURN(g, plane, count, h0 * W, h1 * W, frame + (h_ * wide + w_) * WIDTH)
  for (int64_t i = 0; i < i1 - i0; ++i)
    for (int64_t j = 0; j < c->tiles[1]; ++j, to += WIDTH) {
      const T *d = frame + (2 * i * wide + 2 * j) * WIDTH;
      vec col[2][4];
      WW_UNROLL for (int k = 0; k < 2; ++k) WW_GRADIENT(load(d + k * WIDTH), load(d + (wide + k) * WIDTH), col[k]);
      WW_UNROLL for (int a = 0; a < 4; ++a) {
        vec line[4];
        WW_GRADIENT(col[0][a], col[1][a], line);
        WW_UNROLL for (int b = 0; b < 4; ++b) store(to + (4 * a + b) * c->v_place, line[b]);
      }
    }
}

static void ww_transform(void *context, int64_t begin, int64_t end) {
  const struct ww *c = context;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t panel = at % (c->given + c->rp), group = c->first_group + at / (c->given + c->rp), image = group / c->groups;
    const int64_t i0 = group % c->groups * c->group, i1 = MIN(c->tiles[0], i0 + c->group), tile = ww_tile_of(c, group) - c->first_tile;
    if (panel < c->given) c->input(c, panel, image, i0, i1, c->u + (panel * c->room + tile) * WIDTH);
    else c->gradient(c, panel - c->given, image, i0, i1, c->v + ((panel - c->given) * c->room + tile) * WIDTH);
  }
}

/* sums[r][channel] += sum over tiles of v[tile][r] u[tile][channel], for `nv` vectors of channels. */
INLINE void ww_tile(const int nv, int64_t tiles, const T *v, const T *u0, const T *u1, T *sums, int64_t pitch, int first) {
  vec sum[WW_ROWS][2];
  WW_UNROLL for (int r = 0; r < WW_ROWS; ++r) WW_UNROLL for (int k = 0; k < nv; ++k) sum[r][k] = first ? (vec){0} : load(sums + r * pitch + k * WIDTH);
  for (int64_t t = 0; t < tiles; ++t, v += WIDTH, u0 += WIDTH, u1 += WIDTH) {
    const vec a = load(u0), b = nv > 1 ? load(u1) : a;
    WW_UNROLL for (int r = 0; r < WW_ROWS; ++r) {
      const vec s = splat(v[r]);
      sum[r][0] += s * a;
      if (nv > 1) sum[r][1] += s * b;
    }
  }
  WW_UNROLL for (int r = 0; r < WW_ROWS; ++r) WW_UNROLL for (int k = 0; k < nv; ++k) store(sums + r * pitch + k * WIDTH, sum[r][k]);
}
static void ww_two(int64_t tiles, const T *v, const T *u0, const T *u1, T *sums, int64_t pitch, int first) { ww_tile(2, tiles, v, u0, u1, sums, pitch, first); }
static void ww_one(int64_t tiles, const T *v, const T *u0, const T *u1, T *sums, int64_t pitch, int first) { ww_tile(1, tiles, v, u0, u1, sums, pitch, first); }

static void ww_multiply(void *context, int64_t begin, int64_t end) {
  const struct ww *c = context;
  const int64_t pitch = c->cp * WIDTH, blocks = c->rp * (WIDTH / WW_ROWS);
  for (int64_t at = begin; at < end; ++at) {
    const int64_t place = at / blocks, row = at % blocks * WW_ROWS;
    if (row >= c->rows) continue;
    const T *u = c->u + place * c->u_place, *v = c->v + place * c->v_place + row / WIDTH * c->room * WIDTH + row % WIDTH;
    T *sums = c->sums + (place * c->rp * WIDTH + row) * pitch;
    for (int64_t t = 0; t < c->batch; t += WW_CHUNK) {
      const int64_t count = MIN(WW_CHUNK, c->batch - t);
      for (int64_t quarter = 0; quarter * c->given < c->cp; ++quarter) {
        const int64_t end = (quarter + 1) * c->given;
        if (c->lacks && c->lacks(c, (int)place, (int)quarter)) continue;
        for (int64_t k = quarter * c->given; k < end; k += 2) {
          const T *first = u + (k * c->room + t) * WIDTH;
          (k + 1 < end ? ww_two : ww_one)(count, v + t * WIDTH, first, first + c->room * WIDTH, sums + k * WIDTH, pitch, c->first_group == c->start && t == 0);
        }
      }
    }
  }
}

/* The next batch of groups, at most up to `end`; how many there are. */
INLINE int64_t ww_next(struct ww *c, int64_t end) {
  int64_t next = c->first_group + 1;
  c->first_tile = ww_tile_of(c, c->first_group);
  while (next < end && ww_tile_of(c, next + 1) - c->first_tile <= c->room) ++next;
  c->batch = ww_tile_of(c, next) - c->first_tile;
  return next - c->first_group;
}

static void ww_share(void *context, int64_t begin, int64_t end) {
  for (int64_t part = begin; part < end; ++part) {
    struct ww c = *(const struct ww *)context;
    const int64_t all = c.images * c.groups, last = (part + 1) * all / c.parts;
    c.start = c.first_group = part * all / c.parts;
    c.u = SCRATCH(4, (size_t)(c.places * (c.u_place + c.v_place)) * sizeof(T)), c.v = c.u + c.places * c.u_place;
    c.sums += part * c.sums_each;
    for (int64_t groups; c.first_group < last; c.first_group += groups) {
      groups = ww_next(&c, last);
      ww_transform(&c, 0, groups * (c.given + c.rp));
      ww_multiply(&c, 0, c.places * c.rp * (WIDTH / WW_ROWS));
    }
  }
}

/* Rows of the weight from their sums. */
static void ww_result(void *context, int64_t begin, int64_t end) {
  const struct ww *c = context;
  const int64_t pitch = c->cp * WIDTH, place = c->rp * WIDTH * pitch;
  const vec half = splat((T)0.5);
  vec check = {0};
  const int64_t taps = c->kernel[0] * c->kernel[1];
  for (int64_t row = begin; row < end; ++row)
    for (int64_t k = 0; k < c->cp; ++k) {
      const struct ww_piece p = ww_piece_of(c, k / c->given);
      const int64_t channel = k % c->given * WIDTH, count = MIN(WIDTH, c->channels - channel);
      const T *from = c->sums + row * pitch + k * WIDTH;
      vec m[4][3], w[3][3];
      WW_UNROLL for (int a = 0; a < 4; ++a) {
        vec all[4];
        WW_UNROLL for (int b = 0; b < 4; ++b) {
          const T *one = from + (4 * a + b) * place;
          all[b] = load(one);
          for (int64_t part = 1; part < c->parts; ++part) all[b] += load(one + part * c->sums_each);
        }
        const vec q = all[1] * half, r = all[2] * half;
        m[a][0] = all[0] + q + r, m[a][1] = q - r, m[a][2] = q + r - all[3];
      }
      WW_UNROLL for (int b = 0; b < 3; ++b) {
        const vec q = m[1][b] * half, r = m[2][b] * half;
        w[0][b] = m[0][b] + q + r, w[1][b] = q - r, w[2][b] = q + r - m[3][b];
      }
      T *to = c->dw + (row * c->channels + channel) * taps + p.h * c->kernel[1] + p.w;
      T block[9 * GEMM_LANES];
      memcpy(block, w, sizeof block);
      for (int64_t a = 0; a < p.rows; ++a)
        for (int64_t b = 0; b < p.columns; ++b) {
          check += w[a][b] * 0;
          for (int64_t i = 0; i < count; ++i) to[i * taps + a * c->kernel[1] + b] = block[(3 * a + b) * WIDTH + i];
        }
    }
  if (total_of(check) != 0) __atomic_store_n(c->broken, 1, __ATOMIC_RELAXED); /* NaN is not 0 */
}

/* Whether a plan is that of a convolution of one group by 3 x 3 or larger windows without stride and dilation: their sizes to `kernel`. */
static int ww_fits(const struct plan *p, int64_t *kernel) {
  const struct part *part = p->parts;
  const struct frame *f = &p->frame;
  if (p->groups != 1 || p->part_count != 1 || p->walk > 1 || f->size[0] != 1 || part->grid[0] != 1 || f->lo[0] || f->room[0] != 1) return 0;
  kernel[1] = 1;
  while (kernel[1] < part->taps && part->offset[kernel[1]] == kernel[1]) ++kernel[1];
  kernel[0] = part->taps / kernel[1];
  if (kernel[0] < 3 || kernel[1] < 3) return 0;
  for (int i = 1; i < 3; ++i) if (f->step[i] != 1 || f->lo[i] < 0 || f->size[i] + f->lo[i] > part->grid[i] + kernel[i - 1] - 1) return 0;
  for (int64_t k = 0; k < part->taps; ++k) if (part->offset[k] != k / kernel[1] * p->pitch[1] + k % kernel[1] || part->tap[k] != k) return 0;
  return 1;
}

/* The products of transformed input and gradient, summed up, and `result` of rows made of the sums; 0 where that costs more than
 * `direct` products of vectors, or a result is not finite. `each`: panels that a tile is multiplied with, at all places. */
static int ww_run(struct ww c, int64_t each, int64_t direct, fb_task result) {
  int broken = 0;
  c.broken = &broken;
  c.rp = (c.rows + WIDTH - 1) / WIDTH;
  c.sums_each = c.places * c.rp * c.cp * WIDTH * WIDTH;
  const int64_t sums = c.sums_each * (int64_t)sizeof(T), tile = c.places * VECTOR_BYTES * (c.cp + c.rp);
  const int64_t products = each * c.rp * WIDTH, tiles = c.images * c.tiles[0] * c.tiles[1];
  if (sums > WW_SUMS || tiles * products + tiles * (c.cp + c.rp) * (c.lacks == ww_lacks ? WW_PIECED : WW_TURNED) + products * WW_SUMMED > direct) return 0;
  const int64_t wanted = sums <= WW_FEW ? MAX(WW_OWN, 2 * sums) : WW_BATCH;
  c.each = c.tiles[0] * c.tiles[1];
  c.group = MAX(1, MIN(MIN(WW_GROUP, c.tiles[0]), wanted / (tile * c.tiles[1])));
  c.groups = (c.tiles[0] + c.group - 1) / c.group;
  c.room = MAX(c.group * c.tiles[1], MIN(c.images * c.each, wanted / tile));
  c.u_place = (c.cp * c.room + 1) * WIDTH, c.v_place = (c.rp * c.room + 1) * WIDTH;
  const int64_t all = c.images * c.groups;
  c.parts = sums <= WW_FEW ? MIN(all, MIN(16, WW_SHARES / sums)) : 1;
  c.sums = SCRATCH(3, (size_t)(c.parts * sums));
  if (c.parts > 1) PARALLEL(ww_share, &c, c.parts, 1);
  else {
    c.u = SCRATCH(4, (size_t)(c.places * (c.u_place + c.v_place)) * sizeof(T)), c.v = c.u + c.places * c.u_place;
    for (int64_t groups; c.first_group < all; c.first_group += groups) {
      groups = ww_next(&c, all);
      PARALLEL(ww_transform, &c, groups * (c.given + c.rp), 1);
      PARALLEL(ww_multiply, &c, c.places * c.rp * (WIDTH / WW_ROWS), MAX(1, c.rp * (WIDTH / WW_ROWS) / 4));
    }
  }
  PARALLEL(result, &c, c.rows, grain_for(c.rows, c.places * c.channels));
  return !broken; /* transforms spread what is not finite to results it does not belong to */
}

static int weight_winograd(const struct plan *p, const T *x, const T *g, T *dw) {
  int64_t kernel[2];
  if (!ww_fits(p, kernel)) return 0;
  struct ww c = {.x = x, .g = g, .dw = dw, .images = p->images, .channels = p->channels, .rows = p->rows, .places = 16, .input = ww_input, .gradient = ww_gradient};
  for (int i = 0; i < 2; ++i) c.size[i] = p->frame.size[i + 1], c.lo[i] = p->frame.lo[i + 1], c.out[i] = p->parts[0].grid[i + 1], c.tiles[i] = (c.out[i] + 1) / 2;
  c.kernel[0] = kernel[0], c.kernel[1] = kernel[1], c.across = kernel[1] / 2;
  c.given = (c.channels + WIDTH - 1) / WIDTH, c.cp = kernel[0] / 2 * c.across * c.given;
  if (c.cp > c.given) c.lacks = ww_lacks;
  const int64_t places = (kernel[0] / 2 * 3 + kernel[0] % 2) * (kernel[1] / 2 * 3 + kernel[1] % 2); /* with products, of all pieces */
  return ww_run(c, places * c.given, c.images * c.out[0] * c.out[1] * kernel[0] * kernel[1] * c.channels * ((c.rows + WIDTH - 1) / WIDTH), ww_result);
}
#endif
