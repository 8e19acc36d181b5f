/* Planes laid out so that every tap of a window is one contiguous read.
 *
 * A prepared plane holds the padded input, cut by the stride into phases: the element at padded coordinates p stands in phase
 * p % step at place p / step, in each dimension. A tap of all windows is then the plane read from one offset on, whatever the
 * stride and dilation; windows and places run with the same pitches. Where the step is 1, the padding behind a row is the
 * padding before the next one.
 */
#ifndef FB_WINDOWS_H
#define FB_WINDOWS_H
#include "fb.h"

struct frame {
  int64_t size[3], lo[3], step[3]; /* of what is laid out, what is put before it (less than 0: cut off), and the stride */
  int64_t phases[3], room[3];      /* phases that taps look at, the first ones, and the places of each */
  int64_t plane;                   /* elements from plane to plane */
};

/* Reads a frame from 16 numbers that Python wrote. */
INLINE struct frame read_frame(const int64_t *n) {
  struct frame f;
  for (int i = 0; i < 3; ++i) f.size[i] = n[i], f.lo[i] = n[3 + i], f.step[i] = n[6 + i], f.phases[i] = n[9 + i], f.room[i] = n[12 + i];
  f.plane = n[15];
  return f;
}

INLINE void take_every(const T *RESTRICT x, T *RESTRICT to, int64_t count, int64_t s) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = x[i * s];
}

static void place_row(const struct frame *f, const T *RESTRICT x, T *RESTRICT to, int64_t volume) {
  const int64_t s = f->step[2], lo = f->lo[2];
  const int64_t begin = MAX(0, -lo), end = MIN(f->size[2], f->room[2] * s - lo);
  if (s == 1) {
    if (end > begin) memcpy(to + lo + begin, x + begin, (size_t)(end - begin) * sizeof(T));
    return;
  }
  for (int64_t phase = 0; phase < f->phases[2]; ++phase) {
    const int64_t first = begin + ((phase - begin - lo) % s + s) % s;
    if (first >= end) continue;
    T *at = to + phase * volume + (first + lo) / s;
    const int64_t count = (end - first + s - 1) / s;
    if (s == 2) take_every(x + first, at, count, 2);
    else take_every(x + first, at, count, s);
  }
}

/* Writes all of a prepared plane that is not padding. */
static void place_plane(const struct frame *f, const T *x, T *to) {
  const int64_t volume = f->room[0] * f->room[1] * f->room[2];
  for (int64_t d = 0; d < f->size[0]; ++d) {
    const int64_t pd = d + f->lo[0];
    if (pd < 0 || pd >= f->room[0] * f->step[0] || pd % f->step[0] >= f->phases[0]) continue;
    for (int64_t h = 0; h < f->size[1]; ++h) {
      const int64_t ph = h + f->lo[1];
      if (ph < 0 || ph >= f->room[1] * f->step[1] || ph % f->step[1] >= f->phases[1]) continue;
      const int64_t phase = (pd % f->step[0] * f->phases[1] + ph % f->step[1]) * f->phases[2];
      const int64_t place = (pd / f->step[0] * f->room[1] + ph / f->step[1]) * f->room[2];
      place_row(f, x + (d * f->size[1] + h) * f->size[2], to + phase * volume + place, volume);
    }
  }
}

/* -- the plan of a convolution, from numbers that Python wrote --------------------------------------------------------- */

/* One part: positions j of a grid, their taps, and where their results go: first + j * step, if that is inside. */
struct part {
  int64_t taps, grid[3], first[3], step[3];
  const int64_t *offset, *tap; /* of each tap: in a prepared plane, and in the weight */
  const T *weight;             /* for the kernel's own use */
};

struct plan {
  int64_t images, groups, channels, rows; /* channels and rows of weights of a group */
  int64_t packed, prepared;               /* whether columns are packed, and planes laid out anew */
  int64_t row_stride, channel_stride, group_stride; /* of the weights */
  int64_t pitch[2];                       /* of planes and rows in a prepared plane */
  int64_t size[3];                        /* of the result's planes */
  struct frame frame;
  int64_t part_count, taps, span;         /* taps of all parts; places from the first window to the last */
  struct part *parts;
};
enum { PLAN_HEAD = 32, PLAN_PART = 10 };

/* The numbers are, in this order: images, groups, channels, rows, packed, prepared, parts, the strides of rows, channels and
 * groups in the weights, two pitches, size, frame (16 numbers); from PLAN_HEAD on for each part: taps, grid, first, step; behind
 * all parts for each its offsets and its taps. The parts are put into scratch memory of the given slot. */
static struct plan read_plan(const int64_t *n, int slot) {
  struct plan p = {.images = n[0], .groups = n[1], .channels = n[2], .rows = n[3], .packed = n[4], .prepared = n[5], .part_count = n[6]};
  p.row_stride = n[7], p.channel_stride = n[8], p.group_stride = n[9], p.pitch[0] = n[10], p.pitch[1] = n[11];
  for (int i = 0; i < 3; ++i) p.size[i] = n[12 + i];
  p.frame = read_frame(n + 15);
  p.parts = SCRATCH(slot, (size_t)p.part_count * sizeof(struct part));
  const int64_t *table = n + PLAN_HEAD + PLAN_PART * p.part_count;
  for (int64_t i = 0; i < p.part_count; ++i) {
    const int64_t *m = n + PLAN_HEAD + PLAN_PART * i;
    struct part *at = p.parts + i;
    at->taps = m[0], at->offset = table, at->tap = table + m[0], table += 2 * m[0], p.taps += m[0];
    for (int j = 0; j < 3; ++j) at->grid[j] = m[1 + j], at->first[j] = m[4 + j], at->step[j] = m[7 + j];
  }
  const int64_t *grid = p.parts[0].grid; /* the same for all */
  p.span = (grid[0] - 1) * p.pitch[0] + (grid[1] - 1) * p.pitch[1] + grid[2];
  return p;
}
#endif
