/* types: float double */
/* Convolutions whose groups have one channel each (depthwise), and their gradients: limited by memory, not by arithmetic.
 *
 * One plane at a time is laid out (fb_windows.h) in the first cache; each tap is then a contiguous read of it, and eight
 * vectors of positions stay in registers while the taps pass. Positions between the end of one row and the beginning of the
 * next are computed and dropped.
 */
#include "fb_finish.h"
#include "fb_windows.h"

#define UNROLL _Pragma("GCC unroll 16")
#define AT_ONCE 8
#define SLACK (2 * AT_ONCE * WIDTH) /* elements read or written behind the last position */

struct depthwise {
  struct plan plan;
  struct finish finish;
  const T *x, *w, *bias, *g;
  T *y;
};

INLINE void sweep_some(const int n, const struct part *p, const T *w, T bias, const T *x, T *to) {
  vec sum[AT_ONCE];
  UNROLL for (int v = 0; v < n; ++v) sum[v] = splat(bias);
  for (int64_t t = 0; t < p->taps; ++t) {
    const T *from = x + p->offset[t];
    const vec k = splat(w[p->tap[t]]);
    UNROLL for (int v = 0; v < n; ++v) sum[v] += k * load(from + v * WIDTH);
  }
  UNROLL for (int v = 0; v < n; ++v) store(to + v * WIDTH, sum[v]);
}

static void sweep(const struct part *p, int64_t span, const T *w, T bias, const T *x, T *to) {
  int64_t q = 0;
  for (; q + (AT_ONCE / 2) * WIDTH < span; q += AT_ONCE * WIDTH) sweep_some(AT_ONCE, p, w, bias, x + q, to + q);
  for (; q + WIDTH < span; q += 4 * WIDTH) sweep_some(4, p, w, bias, x + q, to + q);
  for (; q < span; q += WIDTH) sweep_some(1, p, w, bias, x + q, to + q);
}

/* The results of a part (and of the next one, where the stride along a row is 2) to their places in the plane that begins
 * `plane` elements behind y. */
static void write_part(const struct depthwise *c, const struct part *p, const T *a, const T *b, int64_t plane) {
  const struct plan *plan = &c->plan;
  T *const y = c->y + plane;
  const int64_t *size = plan->size, s = p->step[2], first = p->first[2];
  for (int64_t d = 0; d < p->grid[0]; ++d) {
    const int64_t ud = p->first[0] + d * p->step[0];
    if (ud < 0 || ud >= size[0]) continue;
    for (int64_t h = 0; h < p->grid[1]; ++h) {
      const int64_t uh = p->first[1] + h * p->step[1];
      if (uh < 0 || uh >= size[1]) continue;
      T *to = y + (ud * size[1] + uh) * size[2];
      const int64_t at = d * plan->pitch[0] + h * plan->pitch[1];
      if (s == 1) {
        const int64_t begin = MAX(0, -first), end = MIN(p->grid[2], size[2] - first);
        if (finishes(&c->finish)) finish_rows(&c->finish, a + at + begin, 0, c->y, to + first + begin - c->y, 0, 1, end - begin);
        else copy_row(to + first + begin, a + at + begin, end - begin);
      } else if (b) {
        weave_rows(to, a + at, b + at, size[2]);
      } else {
        for (int64_t j = 0; j < p->grid[2]; ++j)
          if (first + j * s >= 0 && first + j * s < size[2]) to[first + j * s] = a[at + j];
      }
    }
  }
}

INLINE int64_t prepared_room(const struct plan *p) { return p->frame.plane + SLACK; }

static void convolve(void *context, int64_t begin, int64_t end) {
  const struct depthwise *c = context;
  const struct plan *p = &c->plan;
  const int64_t volume = p->size[0] * p->size[1] * p->size[2], size = p->frame.size[0] * p->frame.size[1] * p->frame.size[2];
  T *plane = SCRATCH(1, (size_t)prepared_room(p) * sizeof(T)), *results = SCRATCH(2, (size_t)(2 * (p->span + SLACK)) * sizeof(T));
  memset(plane, 0, (size_t)prepared_room(p) * sizeof(T));
  for (int64_t at = begin; at < end; ++at) {
    const int64_t group = at % p->groups;
    place_plane(&p->frame, c->x + at * size, plane);
    for (int64_t r = 0; r < p->rows; ++r) {
      const T *w = c->w + group * p->group_stride + r * p->row_stride;
      const T bias = c->bias ? c->bias[group * p->rows + r] : 0;
      const int64_t woven = p->parts[0].step[2] == 2;
      for (int64_t i = 0; i < p->part_count; i += 1 + woven) {
        T *a = results, *b = woven ? results + p->span + SLACK : 0;
        sweep(p->parts + i, p->span, w, bias, plane, a);
        if (woven) sweep(p->parts + i + 1, p->span, w, bias, plane, b);
        write_part(c, p->parts + i, a, b, (at * p->rows + r) * volume);
      }
    }
  }
}

static void sweep_planes(struct depthwise *c) {
  const int64_t planes = c->plan.images * c->plan.groups;
  PARALLEL(convolve, c, planes, grain_for(planes, c->plan.frame.plane + c->plan.span * c->plan.rows));
}

/* As `convolution` in conv.c, for plans with one channel in a group. */
EXPORT void depthwise(const T *x, const T *w, const T *bias, T *y, const int64_t *n) {
  struct depthwise c = {.x = x, .w = w, .bias = bias, .y = y, .plan = read_plan(n, 0)};
  sweep_planes(&c);
}

/* As `convolution_packed`; the weights are as they are. */
EXPORT void depthwise_packed(const T *x, const T *w, const T *bias, const T *residual, T *y, int64_t activation, T low, T high, const int64_t *n) {
  struct depthwise c = {.x = x, .w = w, .bias = bias, .y = y, .plan = read_plan(n, 0), .finish = {activation, low, high, residual}};
  sweep_planes(&c);
}

/* -- the gradient for the weight ------------------------------------------------------------------------------------ */

#define MOST_TAPS 9

/* Lanes that hold a position, of every vector of places: all bits set. Elsewhere a tap reads what does not belong to it,
 * which may be no number. */
INLINE void dots(const int taps, int64_t span, const T *g, const T *there, const T *x, const int64_t *offset, T *sums) {
  vec sum[MOST_TAPS];
  UNROLL for (int t = 0; t < taps; ++t) sum[t] = load(sums + t * WIDTH);
  for (int64_t q = 0; q < span; q += WIDTH) {
    const vec a = load(g + q);
    const ivec mask = (ivec)load(there + q);
    UNROLL for (int t = 0; t < taps; ++t) sum[t] += a * (vec)((ivec)load(x + offset[t] + q) & mask);
  }
  UNROLL for (int t = 0; t < taps; ++t) store(sums + t * WIDTH, sum[t]);
}

static void some_dots(int64_t taps, int64_t span, const T *g, const T *there, const T *x, const int64_t *offset, T *sums) {
  switch (taps) {
    case 1: dots(1, span, g, there, x, offset, sums); break;
    case 2: dots(2, span, g, there, x, offset, sums); break;
    case 3: dots(3, span, g, there, x, offset, sums); break;
    case 4: dots(4, span, g, there, x, offset, sums); break;
    case 5: dots(5, span, g, there, x, offset, sums); break;
    case 6: dots(6, span, g, there, x, offset, sums); break;
    case 7: dots(7, span, g, there, x, offset, sums); break;
    case 8: dots(8, span, g, there, x, offset, sums); break;
    default: dots(9, span, g, there, x, offset, sums);
  }
}

/* The gradient's rows at the pitch of the prepared plane; between them are zeros already. */
static void spread_out(const struct plan *p, const T *g, T *to) {
  const int64_t *n = p->parts[0].grid;
  for (int64_t d = 0; d < n[0]; ++d)
    for (int64_t h = 0; h < n[1]; ++h, g += n[2]) copy_row(to + d * p->pitch[0] + h * p->pitch[1], g, n[2]);
}

/* Channels [begin, end) of the input, each with the rows of its group. */
static void gather(void *context, int64_t begin, int64_t end) {
  const struct depthwise *c = context;
  const struct plan *p = &c->plan;
  const struct part *part = p->parts;
  const int64_t positions = part->grid[0] * part->grid[1] * part->grid[2], size = p->frame.size[0] * p->frame.size[1] * p->frame.size[2];
  const int64_t whole = p->span + SLACK, count = p->rows * part->taps;
  T *plane = SCRATCH(1, (size_t)prepared_room(p) * sizeof(T)), *g = SCRATCH(2, (size_t)(2 * whole) * sizeof(T)), *there = g + whole;
  T *sums = SCRATCH(3, (size_t)((end - begin) * count * WIDTH) * sizeof(T));
  memset(plane, 0, (size_t)prepared_room(p) * sizeof(T));
  memset(g, 0, (size_t)(2 * whole) * sizeof(T));
  for (int64_t d = 0; d < part->grid[0]; ++d)
    for (int64_t h = 0; h < part->grid[1]; ++h)
      memset(there + d * p->pitch[0] + h * p->pitch[1], 255, (size_t)part->grid[2] * sizeof(T));
  memset(sums, 0, (size_t)((end - begin) * count * WIDTH) * sizeof(T));
  for (int64_t image = 0; image < p->images; ++image) /* outside, so that memory is read in its order */
    for (int64_t at = begin; at < end; ++at) {
      T *own = sums + (at - begin) * count * WIDTH;
      place_plane(&p->frame, c->x + (image * p->groups * p->channels + at) * size, plane);
      for (int64_t r = 0; r < p->rows; ++r) {
        spread_out(p, c->g + ((image * p->groups + at / p->channels) * p->rows + r) * positions, g);
        for (int64_t t = 0; t < part->taps; t += MOST_TAPS)
          some_dots(MIN(MOST_TAPS, part->taps - t), p->span, g, there, plane, part->offset + t, own + (r * part->taps + t) * WIDTH);
      }
    }
  for (int64_t at = begin; at < end; ++at)
    for (int64_t r = 0; r < p->rows; ++r)
      for (int64_t t = 0; t < part->taps; ++t)
        c->y[((at / p->channels * p->rows + r) * p->channels + at % p->channels) * part->taps + t] = sum_of(load(sums + (((at - begin) * p->rows + r) * part->taps + t) * WIDTH));
}

/* As `convolution_weight` in conv_weight.c, for groups of few rows. */
EXPORT void depthwise_weight(const T *x, const T *g, T *dw, const int64_t *n) {
  struct depthwise c = {.x = x, .g = g, .y = dw, .plan = read_plan(n, 0)};
  const int64_t planes = c.plan.groups * c.plan.channels;
  PARALLEL(gather, &c, planes, MAX(1, MIN(planes / (4 * fb->threads()), 16)));
}
