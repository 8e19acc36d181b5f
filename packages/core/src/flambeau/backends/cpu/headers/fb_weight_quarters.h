/* The gradient of 4 x 4 convolutions with a stride of 2 for the weight by Winograd's F(2x2, 2x2): 9 products for a tile, not 16; and
 * of 3 x 3 with 25 instead of 36, whose odd quarters have one weight: the sum of the products of two places.
 *
 * Cut by the stride the input has four quarters, and so has the weight, each with a gradient of 2 x 2; fb_weight_winograd.h does the rest.
 *
 *   input      columns of B' d B with B' = [1 -1 0; 0 1 0; 0 -1 1]
 *   gradient   G g G' with G = [1 0; 1 1; 0 1]
 *   result     A' m A with A' = [1 1 0; 0 1 1]
 */
#ifndef FB_WEIGHT_QUARTERS_H
#define FB_WEIGHT_QUARTERS_H
#include "fb_weight_winograd.h"

#define WQ_INPUT(a, b, c, to) do { (to)[0] = (a) - (b), (to)[1] = (b), (to)[2] = (c) - (b); } while (0)
#define WQ_GRADIENT(a, b, to) do { (to)[0] = (a), (to)[1] = (a) + (b), (to)[2] = (b); } while (0)

/* Of 3 x 3 weights, quarter a (0 or 1) of a dimension is single, and has no place 1. */
static int wq_lacks(const struct ww *c, int place, int quarter) { (void)c; return (quarter / 2 && place / 3 == 1) || (quarter % 2 && place % 3 == 1); }

static void wq_input(const struct ww *c, int64_t panel, int64_t image, int64_t i0, int64_t i1, T *to) {
  const int64_t W = c->size[1], wide = MAX(4 * c->tiles[1] + 2, W + c->lo[1]), high = 4 * (i1 - i0) + 2, count = MIN(WIDTH, c->channels - panel * WIDTH);
  const int64_t top = 4 * i0 - c->lo[0], h0 = MAX(0, top), h1 = MIN(c->size[0], top + high), plane = c->size[0] * W;
  T *frame = SCRATCH(1, (size_t)(high * wide) * VECTOR_BYTES);
  memset(frame, 0, (size_t)(high * wide) * VECTOR_BYTES);
  const T *x = c->x + (image * c->channels + panel * WIDTH) * plane;
  const int64_t width_ = W;
  int64_t h_ = h0 - top, w_ = 0;
  WW_TURN(x, plane, count, h0 * W, h1 * W, frame + (h_ * wide + w_ + c->lo[1]) * WIDTH)
  for (int64_t i = 0; i < i1 - i0; ++i)
    for (int64_t j = 0; j < c->tiles[1]; ++j, to += WIDTH)
      for (int64_t quarter = 0; quarter < 4; ++quarter) {
        const T *d = frame + ((4 * i + quarter / 2) * wide + 4 * j + quarter % 2) * WIDTH;
        T *put = to + quarter * c->given * c->room * WIDTH;
        const int one = c->lacks && quarter / 2, alone = c->lacks && quarter % 2;
        vec col[3][3];
        WW_UNROLL for (int k = 0; k < 3; ++k, d += 2 * WIDTH) {
          if (one) col[k][0] = load(d), col[k][1] = col[k][2] = load(d + 2 * wide * WIDTH);
          else WQ_INPUT(load(d), load(d + 2 * wide * WIDTH), load(d + 4 * wide * WIDTH), col[k]);
        }
        WW_UNROLL for (int a = 0; a < 3; ++a) {
          vec line[3];
          if (alone) line[0] = col[0][a], line[1] = line[2] = col[1][a];
          else WQ_INPUT(col[0][a], col[1][a], col[2][a], line);
          WW_UNROLL for (int b = 0; b < 3; ++b) store(put + (3 * a + b) * c->u_place, line[b]);
        }
      }
}

static void wq_gradient(const struct ww *c, int64_t panel, int64_t image, int64_t i0, int64_t i1, T *to) {
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
      vec col[2][3];
      WW_UNROLL for (int k = 0; k < 2; ++k) WQ_GRADIENT(load(d + k * WIDTH), load(d + (wide + k) * WIDTH), col[k]);
      WW_UNROLL for (int a = 0; a < 3; ++a) {
        vec line[3];
        WQ_GRADIENT(col[0][a], col[1][a], line);
        WW_UNROLL for (int b = 0; b < 3; ++b) store(to + (3 * a + b) * c->v_place, line[b]);
      }
    }
}

/* Rows of the weight from their sums. */
static void wq_result(void *context, int64_t begin, int64_t end) {
  const struct ww *c = context;
  const int64_t pitch = c->cp * WIDTH, place = c->rp * WIDTH * pitch;
  vec check = {0};
  for (int64_t row = begin; row < end; ++row)
    for (int64_t panel = 0; panel < c->given; ++panel) {
      const int64_t side = c->lacks ? 3 : 4, taps = side * side;
      vec tap[16] = {{0}};
      for (int quarter = 0; quarter < 4; ++quarter) {
        const int one = c->lacks && quarter / 2, alone = c->lacks && quarter % 2;
        const T *from = c->sums + row * pitch + (quarter * c->given + panel) * WIDTH;
        vec half[2][3];
        for (int b = 0; b < 3; ++b) {
          if (alone && b == 1) continue;
          vec all[3] = {{0}};
          for (int a = 0; a < 3; ++a) {
            if (one && a == 1) continue;
            const T *here = from + (3 * a + b) * place;
            all[a] = load(here);
            for (int64_t part = 1; part < c->parts; ++part) all[a] += load(here + part * c->sums_each);
          }
          half[0][b] = all[0] + (one ? all[2] : all[1]), half[1][b] = all[1] + all[2];
        }
        for (int a = 0; a < 2 - one; ++a) {
          vec *to = tap + side * (2 * a + quarter / 2) + quarter % 2;
          to[0] = half[a][0] + (alone ? half[a][2] : half[a][1]);
          if (!alone) to[2] = half[a][1] + half[a][2], check += to[2] * 0;
          check += to[0] * 0;
        }
      }
      T *to = c->dw + (row * c->channels + panel * WIDTH) * taps;
      const int64_t count = MIN(WIDTH, c->channels - panel * WIDTH);
      for (int64_t t = 0; t < taps; t += GEMM_LANES) {
        gemm_transpose(tap + t);
        for (int64_t i = 0; i < count; ++i) store_head(to + taps * i + t, tap[t + i], MIN(GEMM_LANES, taps - t));
      }
    }
  if (total_of(check) != 0) __atomic_store_n(c->broken, 1, __ATOMIC_RELAXED); /* NaN is not 0 */
}

/* Whether a plan is that of a 3 x 3 or 4 x 4 convolution of one group with a stride of 2 and without dilation. */
static int wq_fits(const struct plan *p) {
  const struct part *part = p->parts;
  const struct frame *f = &p->frame;
  const int64_t side = part->taps == 16 ? 4 : 3;
  if (p->groups != 1 || p->part_count != 1 || part->taps != side * side || f->size[0] != 1 || part->grid[0] != 1 || f->lo[0] || f->room[0] != 1) return 0;
  for (int i = 1; i < 3; ++i) if (f->step[i] != 2 || f->phases[i] != 2 || f->lo[i] < 0) return 0;
  const int64_t phase = f->room[1] * f->room[2];
  for (int64_t k = 0; k < side * side; ++k) {
    const int64_t h = k / side, w = k % side;
    if (part->offset[k] != (2 * (h % 2) + w % 2) * phase + h / 2 * p->pitch[1] + w / 2 || part->tap[k] != k) return 0;
  }
  return 1;
}

static int weight_quarters(const struct plan *p, const T *x, const T *g, T *dw) {
  if (!wq_fits(p)) return 0;
  struct ww c = {.x = x, .g = g, .dw = dw, .images = p->images, .channels = p->channels, .rows = p->rows, .places = 9, .input = wq_input, .gradient = wq_gradient};
  for (int i = 0; i < 2; ++i) c.size[i] = p->frame.size[i + 1], c.lo[i] = p->frame.lo[i + 1], c.out[i] = p->parts[0].grid[i + 1], c.tiles[i] = (c.out[i] + 1) / 2;
  c.given = (c.channels + WIDTH - 1) / WIDTH, c.cp = 4 * c.given;
  const int three = p->parts[0].taps == 9;
  if (three) c.lacks = wq_lacks;
  return ww_run(c, (three ? 25 : 36) * c.given, c.images * c.out[0] * c.out[1] * (three ? 9 : 16) * c.channels * ((c.rows + WIDTH - 1) / WIDTH), wq_result);
}
#endif
