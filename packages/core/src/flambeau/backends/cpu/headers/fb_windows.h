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
#endif
