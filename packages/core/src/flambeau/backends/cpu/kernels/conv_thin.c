/* types: float double */
/* What convolutions as products of few rows need beside the product (thin.py): a bias for each row, the sum over images, and
 * columns added up where their taps stand.
 */
#include "fb.h"
#include "fb_vec.h"

struct lift { T *y; const T *bias; int64_t rows, positions; };

static void lift_rows(void *context, int64_t begin, int64_t end) {
  const struct lift *c = context;
  for (int64_t at = begin; at < end; ++at) {
    T *y = c->y + at * c->positions;
    const T b = c->bias[at % c->rows];
    for (int64_t p = 0; p < c->positions; ++p) y[p] += b;
  }
}

/* y[image][row][position] += bias[row] */
EXPORT void lift(T *y, const T *bias, int64_t images, int64_t rows, int64_t positions) {
  struct lift c = {y, bias, rows, positions};
  PARALLEL(lift_rows, &c, images * rows, grain_for(images * rows, positions));
}

/* sum[i] = parts[0][i] + parts[1][i] + ... */
EXPORT void join(const T *parts, T *sum, int64_t images, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] = parts[i];
  for (int64_t image = 1; image < images; ++image)
    for (int64_t i = 0; i < count; ++i) sum[i] += parts[image * count + i];
}

/* -- columns added up --------------------------------------------------------------------------------------------------- */

struct fold {
  int64_t images, channels;
  int64_t size[3], grid[3], kernel[3], step[3], gap[3], before[3];
};
struct folding { struct fold f; const T *columns, *bias; T *x; };

/* Elements [*from, *to) of `count` that stand inside of `size` when element i is at first + i * step. */
INLINE void inside(int64_t first, int64_t step, int64_t size, int64_t count, int64_t *from, int64_t *to) {
  *from = first < 0 ? MIN(count, (-first + step - 1) / step) : 0;
  *to = first < size ? MAX(*from, MIN(count, (size - first + step - 1) / step)) : *from;
}

INLINE void add_row(T *x, const T *columns, int64_t count, const int64_t step) {
  for (int64_t i = 0; i < count; ++i) x[i * step] += columns[i];
}

static void fold_planes(void *context, int64_t begin, int64_t end) {
  const struct folding *c = context;
  const struct fold *f = &c->f;
  const int64_t volume = f->size[0] * f->size[1] * f->size[2], positions = f->grid[0] * f->grid[1] * f->grid[2], taps = f->kernel[0] * f->kernel[1] * f->kernel[2];
  for (int64_t at = begin; at < end; ++at) {
    T *x = c->x + at * volume;
    const T *columns = c->columns + at * taps * positions, start = c->bias ? c->bias[at % f->channels] : 0;
    for (int64_t i = 0; i < volume; ++i) x[i] = start;
    for (int64_t t = 0; t < taps; ++t, columns += positions) {
      const int64_t tap[3] = {t / f->kernel[2] / f->kernel[1], t / f->kernel[2] % f->kernel[1], t % f->kernel[2]};
      int64_t first[3], from[3], to[3];
      for (int i = 0; i < 3; ++i) first[i] = tap[i] * f->gap[i] - f->before[i], inside(first[i], f->step[i], f->size[i], f->grid[i], from + i, to + i);
      for (int64_t d = from[0]; d < to[0]; ++d)
        for (int64_t h = from[1]; h < to[1]; ++h) {
          const int64_t step = f->step[2], row = (first[0] + d * f->step[0]) * f->size[1] + first[1] + h * f->step[1];
          T *to_x = x + row * f->size[2] + first[2] + from[2] * step;
          const T *some = columns + (d * f->grid[1] + h) * f->grid[2] + from[2];
          if (step == 1) add_row(to_x, some, to[2] - from[2], 1);
          else if (step == 2) add_row(to_x, some, to[2] - from[2], 2);
          else add_row(to_x, some, to[2] - from[2], step);
        }
    }
  }
}

/* x[image][channel][place] = bias[channel] + the columns[image][channel][tap][window] of all windows whose tap stands there.
 * `n`: the numbers of `struct fold`. */
EXPORT void fold(const T *columns, const T *bias, T *x, const int64_t *n) {
  struct folding c = {.columns = columns, .bias = bias, .x = x};
  memcpy(&c.f, n, sizeof(c.f));
  const struct fold *f = &c.f;
  const int64_t planes = f->images * f->channels, work = f->kernel[0] * f->kernel[1] * f->kernel[2] * f->grid[0] * f->grid[1] * f->grid[2];
  PARALLEL(fold_planes, &c, planes, grain_for(planes, work));
}
